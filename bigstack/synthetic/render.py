"""Focus stacks with known truth: the public functions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from bigstack.errors import InputError, choose
from bigstack.io.lazy import lazy_array
from bigstack.synthetic.camera import Camera, check_camera, gains_of, transforms_of
from bigstack.synthetic.depths import DepthMap
from bigstack.synthetic.layers import Depth, Layer, layers_of
from bigstack.synthetic.psf import PSFS, Psf
from bigstack.synthetic.source import TRUTH, SyntheticSource, lazy_truth
from bigstack.synthetic.textures import Texture

_DIMS = {"yx": ("y", "x"), "yxc": ("y", "x", "channel")}


@dataclass(frozen=True, eq=False)
class Rendered:
    """A rendered focus stack and the truth it was rendered from.

    Attributes
    ----------
    stack
        What a camera would have recorded, dims (z, y, x, channel).
    truth
        Dataset in the reference frame's pixels: `image` (y, x, channel) float32, all in focus, without
        noise, in the stack's grey levels; `depth` (y, x) float32, the frame, not a whole number, in which
        the pixel is sharpest; `unobserved` (y, x) bool, true where nearer objects' defocus covers the pixel
        in every frame that has it in focus; `transform` (z, row, column) float64, the 3x3 matrix from the
        reference frame's pixel coordinates (x, y, 1) to frame z's; `gain` (z, channel) float64, exposure
        relative to the reference frame; and in every frame's own pixels `vignetting` (y, x) float32, the
        share of light that arrives, and `hot` (y, x, channel) bool.

    Examples
    --------
    >>> rendered = render_stack(shape=(48, 64), frames=5)
    >>> rendered.truth.image.shape, rendered.compute().truth.depth.dtype
    ((48, 64, 3), dtype('float32'))
    """

    stack: xr.DataArray
    truth: xr.Dataset

    def compute(self) -> Rendered:
        """The same with all pixels in memory."""
        return Rendered(self.stack.compute(), self.truth.compute())


def render_stack(
    *,
    texture: str | np.ndarray | Texture | None = None,
    depth: Depth | np.ndarray | DepthMap | list[Layer] | tuple[Layer, ...] = "ramp",
    shape: tuple[int, int] = (480, 640),
    frames: int = 20,
    channels: int = 3,
    blur_per_frame: float = 1.2,
    psf: Psf = "disc",
    noise: tuple[float, float] = (1.5, 0.0),
    dtype: str = "uint8",
    seed: int = 0,
    breathing: float | np.ndarray = 0.0,
    rotation: float | np.ndarray = 0.0,
    shift: float | np.ndarray = 0.0,
    flicker: float | np.ndarray = 0.0,
    vignetting: float = 0.0,
    hot_pixels: float = 0.0,
    reference: int | None = None,
    tile: int = 2048,
    cache_bytes: int = 400_000_000,
) -> Rendered:
    """Render a focus stack of a scene whose all-in-focus image and depth are known.

    Nothing is rendered before it is asked for, and any region is rendered alone, with the bits it has in
    the whole: a stack of any size costs memory only for the tiles in work. The lens is thin: the blur
    radius is proportional to the distance, in frames, from the frame's plane of focus. Surfaces hide one
    another as they do before a real lens: defocused edges are half transparent and show what is behind.

    Parameters
    ----------
    texture
        A name of `TEXTURES` ("photo", "dark", "fractal", "dots", "checker", "lines", "flat", "patches",
        "highlights") or `PHOTOGRAPHS`, an image (y, x) or (y, x, channel), repeated in mirrored copies, or
        any object with `sample(box, channels)`. By name each surface of a scene gets another one; an image
        or object is shared by all surfaces of a scene, so that it is the all-in-focus image. "photo" if
        None; layers given as `depth` have their own.
    depth
        "plane", "ramp", "bump" or "smooth", one surface; "steps", six planes before one another; "layers",
        an object near before a surface far away; "discs", bright discs before a texture; "hairs", threads
        before a surface; an array (y, x) of frames, rendered as one smooth surface; any object with
        `sample(box)` and `bounds`; or a list of `Layer`, farthest first (see `layers_from_depth`). Frame 0
        focuses nearest.
    shape
        Height and width in pixels.
    frames
        Number of frames; they focus on depths 0, 1, 2, ...
    channels
        1 for grey, 3 for RGB, any other number for as many channels alike.
    blur_per_frame
        Radius of the blur disc, in pixels, one frame away from focus.
    psf
        "disc", a uniform disc with anti-aliased edge, or "gaussian", of the same variance (sigma is half
        the radius).
    noise
        Standard deviation of Gaussian noise, and the ratio of Poisson noise's variance to the signal, both
        in units of 1/255 of full scale whatever the dtype. (0, 0) for none.
    dtype
        "uint8", "uint16" (0 to 65535) or "float32" (0 to 1, highlights and noise not clipped).
    seed
        Chooses photographs, geometry, noise and movement. Equal arguments render equal bits.
    breathing
        Growth of the scale from the first frame to the last (0.12: by 12 %), or the frames' scales (z,).
    rotation
        Largest random rotation of a frame in degrees, or the frames' angles (z,).
    shift
        Largest random shift of a frame in pixels, or the frames' shifts (z, 2) in y and x.
    flicker
        Largest random relative deviation of a frame's exposure, or the gains (z,) or (z, channel).
    vignetting
        Share of the light that the corners lose.
    hot_pixels
        Share of each channel's pixels that are hot.
    reference
        The frame that is not moved and has gain 1, and whose pixels the truth is in; the middle one if None.
    tile
        Side of the lazy arrays' chunks in pixels, about.
    cache_bytes
        Rendered pieces kept in memory for the next read, at most.

    Returns
    -------
    Rendered
        `stack` and `truth`, both lazy.

    Raises
    ------
    InputError
        An option that has no meaning; the message says what was expected.

    Notes
    -----
    Where surfaces of different depth meet within one layer (an array of depths with jumps) no light
    leaks, but neither is anything hidden; occlusion needs layers, which `layers_from_depth` makes.

    The variance of the blur is exactly ``(blur_per_frame * |z - depth|)**2 / 4`` in y and in x for either
    PSF, so the depth truth holds between frames too.

    Examples
    --------
    >>> from bigstack.synthetic import render_stack
    >>> scene = render_stack(texture="dots", depth="bump", shape=(60, 80), frames=5, seed=3)
    >>> scene.stack.shape, str(scene.stack.dtype)
    ((5, 60, 80, 3), 'uint8')
    >>> float(scene.truth.depth.min()) < 0.1
    True
    """
    _check_sizes(shape, frames, channels, blur_per_frame)
    choose(psf, PSFS, "psf")
    check_camera(dtype=dtype, noise=noise, vignetting=vignetting, hot_pixels=hot_pixels)
    middle = frames // 2 if reference is None else _frame_number(reference, frames)
    camera = Camera(
        shape=shape,
        dtype=dtype,
        seed=seed,
        sigma=noise[0],
        poisson=noise[1],
        transforms=transforms_of(
            shape=shape,
            frames=frames,
            reference=middle,
            breathing=breathing,
            rotation=rotation,
            shift=shift,
            seed=seed,
        ),
        gains=gains_of(flicker, frames=frames, channels=channels, reference=middle, seed=seed),
        vignetting=vignetting,
        hot_pixels=hot_pixels,
    )
    layers = layers_of(_texture(texture, depth), depth, shape=shape, frames=frames, seed=seed)
    source = SyntheticSource(
        layers,
        camera,
        frames=frames,
        channels=channels,
        blur_per_frame=blur_per_frame,
        psf=psf,
        cache_bytes=cache_bytes,
    )
    return Rendered(_stack(source, tile), _truth(source, tile))


def _texture(texture: str | np.ndarray | Texture | None, depth: object) -> str | np.ndarray | Texture:
    if texture is None:
        return "photo"
    if isinstance(depth, list | tuple):
        raise InputError(
            "layers have their own textures: leave out `texture` when `depth` is a list of layers"
        )
    return texture


def _check_sizes(shape: tuple[int, int], frames: int, channels: int, blur_per_frame: float) -> None:
    if len(shape) != 2 or min(shape) < 1:
        raise InputError(f"shape is a height and a width of at least 1, got {shape!r}")
    for name, value in (("frames", frames), ("channels", channels)):
        if value < 1:
            raise InputError(f"{name} must be at least 1, got {value!r}")
    if not 0 <= blur_per_frame < float("inf"):
        raise InputError(f"blur_per_frame is a radius in pixels, from 0 up, got {blur_per_frame!r}")


def _frame_number(reference: int, frames: int) -> int:
    if not -frames <= reference < frames:
        raise InputError(f"reference must be one of the {frames} frames, got {reference!r}")
    return reference % frames


def _coordinates(source: SyntheticSource) -> dict[str, tuple[str, object, dict[str, str]]]:
    _, height, width, channels = source.shape
    names = {1: ["grey"], 3: ["red", "green", "blue"]}.get(channels, [str(c) for c in range(channels)])
    return {
        "y": ("y", np.arange(height, dtype=float), {"units": "pixel"}),
        "x": ("x", np.arange(width, dtype=float), {"units": "pixel"}),
        "channel": ("channel", names, {}),
    }


def _stack(source: SyntheticSource, tile: int) -> xr.DataArray:
    z = ("z", np.arange(source.shape[0], dtype=float), {"units": "frame"})
    return xr.DataArray(
        lazy_array(source, tile),
        dims=("z", "y", "x", "channel"),
        coords={"z": z, **_coordinates(source)},
        name="stack",
        attrs={"source": "bigstack.synthetic"},
    )


def _truth(source: SyntheticSource, tile: int) -> xr.Dataset:
    lazy = {name: (_DIMS[dims], lazy_truth(source, name, tile)) for name, (dims, _) in TRUTH.items()}
    camera = source.camera
    truth = xr.Dataset(
        {
            **lazy,
            "transform": (("z", "row", "column"), camera.transforms),
            "gain": (("z", "channel"), camera.gains),
        },
        coords={"z": np.arange(source.shape[0], dtype=float), **_coordinates(source)},
    )
    truth.depth.attrs["units"] = "frame"
    return truth
