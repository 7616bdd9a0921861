"""Focus regions of one image in memory: ring difference filter, then density, by threads without a graph."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import xarray as xr

from bigstack.cluster import count_workers
from bigstack.errors import InputError, choose
from bigstack.geometry import Tile
from bigstack.kernels.density import (
    DIRECT,
    check_bandwidth,
    check_top_percent,
    density_halo,
    gaussian_density,
    impulses,
    scale_density,
)
from bigstack.kernels.focus.rdf import (
    NORMALIZATIONS,
    area_reduce,
    linear_enlarge,
    normalized,
    rdf_scales,
    ring_powers,
    scaled_radii,
)
from bigstack.kernels.luminance import luminance
from bigstack.kernels.percentile import median, percentiles, percentiles_of_each

_PIECE = 1 << 18  # pixels of a band; of fewer, threads wait for each other more than caches save


class FocusRegions(TypedDict):
    """What `detect_focus_regions` finds; times are in seconds."""

    fused: np.ndarray
    """Focus (y, x), float32: the normalised scales' sum."""
    density: np.ndarray
    """Density of the sharpest pixels (y, x), float32, 0 to 1 when normalised."""
    threshold: float
    """Least focus that is selected; infinity where the image has no focus at all."""
    individual_maps: list[np.ndarray]
    """Each scale, not normalised, (y, x) float32."""
    fuse_time: float
    kde_time: float
    total_time: float


@dataclass(frozen=True)
class Detection:
    """Options of `detect_focus_regions`, checked."""

    radii: tuple[tuple[int, int], ...] = ((1, 3),)
    top_percent: float = 25.0
    bandwidth: float = 10.0
    power: float = 2.0
    normalize: str = "p99"
    include_strength: bool = False
    border: str = "replicate"
    downsample: int = 1
    clip_percentile: float | None = 99.5
    normalize_density: bool = True

    def __post_init__(self) -> None:
        scaled_radii(self.radii, self.downsample)
        check_top_percent(self.top_percent)
        check_bandwidth(self.bandwidth)
        choose(self.normalize, NORMALIZATIONS, "normalization")
        if self.clip_percentile is not None and not 0 < self.clip_percentile <= 100:
            raise InputError(
                f"clip_percentile must be more than 0 and at most 100, or None, got {self.clip_percentile!r}"
            )
        # The filter checks its own options; nothing is computed of one pixel.
        rdf_scales(np.zeros((1, 1), np.uint8), ((0, 1),), power=self.power, border=self.border)


def detect_focus_regions(
    image: np.ndarray | xr.DataArray | str | os.PathLike[str],
    *,
    frame: int | None = None,
    workers: int | None = None,
    **options: Any,
) -> FocusRegions:
    """Find where one image is sharp: ring difference filter and kernel density of its highest values.

    What focus_response 0.1.5 does, with its figures but for its faults: no false focus at the border, density
    clipped by its own percentile, nothing selected in an image without focus. The image is worked on in
    memory; `measure_focus` and `focus_density` do the same, to the bit, for images of any size.

    Parameters
    ----------
    image
        Pixels (y, x) or (y, x, channel), uint8, uint16 or float32, or a path of one image.
    frame
        Which frame, where the path is that of a stack.
    workers
        Threads; one a processor when not given.
    options
        ``radii``: pairs (radius of the disk, outer radius of the ring), one a scale, ``[(1, 3)]`` when not
        given; ``top_percent``, ``bandwidth`` (pixels), ``include_strength``, ``clip_percentile``: as in
        `bigstack.focus_density`; ``power``, ``border``, ``downsample``, ``normalize``: as those of the focus
        measure ``"rdf"``, but ``normalize="p99"`` when not given; ``normalize_density``: divide the density
        by its maximum.

    Returns
    -------
    FocusRegions
        A dict with keys fused, density, threshold, individual_maps, fuse_time, kde_time and total_time.

    Raises
    ------
    InputError
        For NaN pixels, radii larger than the image, and options that are none.
    StackError, FormatError
        For a path that cannot be read.

    Examples
    --------
    >>> sharp = np.zeros((60, 60), np.uint8)
    >>> sharp[10:30:3, 10:30:2] = 200
    >>> found = detect_focus_regions(sharp, bandwidth=4)
    >>> found["density"][20, 20] > 0.8, found["density"][50, 50] < 0.01
    (np.True_, np.True_)
    """
    detection = detection_of(options)
    started = time.perf_counter()
    grey = luminance(_pixels(image, frame))
    _check_image(grey, detection)
    with ThreadPoolExecutor(count_workers(workers)) as pool:
        begun = time.perf_counter()
        scales, fused = _fuse(grey, detection, _Bands(pool, count_workers(workers)))
        middle = time.perf_counter()
        density, threshold = _density(fused, detection, _Bands(pool, count_workers(workers)))
    ended = time.perf_counter()
    return FocusRegions(
        fused=fused,
        density=density,
        threshold=threshold,
        individual_maps=scales,
        fuse_time=middle - begun,
        kde_time=ended - middle,
        total_time=ended - started,
    )


def detection_of(options: dict[str, Any]) -> Detection:
    """Options as given by a user, checked; unknown ones are refused."""
    for name in options:
        choose(name, Detection.__dataclass_fields__, "option")
    if "radii" in options:
        options = {**options, "radii": tuple(tuple(pair) for pair in options["radii"])}
    return Detection(**options)


class _Bands:
    """Runs a function over bands of rows, by all threads; one a thread, or of about so many `pixels`."""

    def __init__(self, pool: ThreadPoolExecutor, workers: int) -> None:
        self.pool = pool
        self.workers = workers

    def __call__(
        self, function: Callable[[Tile], None], shape: tuple[int, int], pixels: int | None = None
    ) -> None:
        rows = max(1, -(-shape[0] // self.workers) if pixels is None else pixels // shape[1])
        bands = Tile(0, shape[0], 0, shape[1]).split(rows, shape[1])
        for _ in self.pool.map(function, bands):
            pass


def _pixels(image: Any, frame: int | None) -> np.ndarray:
    """Pixels (y, x, channel) of what the user calls an image."""
    if isinstance(image, str | os.PathLike):
        from bigstack.io.open import open_stack

        stack = open_stack(Path(image).absolute())
        if frame is None and stack.sizes["z"] > 1:
            raise InputError(f"{image} is a stack of {stack.sizes['z']} frames; say which with frame=...")
        return stack[frame or 0].values
    pixels = np.asarray(image)
    if pixels.ndim not in (2, 3) or 0 in pixels.shape:
        raise InputError(f"an image has dims (y, x) or (y, x, channel), got shape {pixels.shape}")
    if pixels.dtype not in (np.uint8, np.uint16, np.float32):
        raise InputError(
            f"an image is one of uint8, uint16, float32, got {pixels.dtype}; convert it with .astype(...)"
        )
    return pixels if pixels.ndim == 3 else pixels[..., None]


def _check_image(grey: np.ndarray, detection: Detection) -> None:
    largest = max(outer for _, outer in detection.radii)
    if largest >= min(grey.shape):
        raise InputError(
            f"radii must be smaller than the image, got {largest} for an image of "
            f"{grey.shape[0]} x {grey.shape[1]} pixels"
        )
    if grey.dtype.kind == "f" and not (real := np.isfinite(grey)).all():
        y, x = np.argwhere(~real)[0]
        found = "NaN" if np.isnan(grey[y, x]) else "infinite"
        raise InputError(f"the image has {found} pixels, one at row {y}, column {x}; fill them first")


def _fuse(grey: np.ndarray, detection: Detection, bands: _Bands) -> tuple[list[np.ndarray], np.ndarray]:
    """Each scale's map and the sum of all, normalised."""
    pairs = scaled_radii(detection.radii, detection.downsample)
    reduced = area_reduce(grey, detection.downsample)
    shape = reduced.shape
    scales = [np.empty(shape, np.float32) for _ in pairs]

    def measure(band: Tile) -> None:
        rows = slice(band.y0, band.y1)
        parts = [scale[rows] for scale in scales]
        ring_powers(reduced, pairs, power=detection.power, border=detection.border, rows=rows, out=parts)

    bands(measure, shape, _PIECE)
    statistics = _statistics(scales, detection.normalize, bands)
    fused = np.empty(shape, np.float32)

    def add(band: Tile) -> None:
        total = fused[band.slices]
        first = normalized(scales[0][band.slices], detection.normalize, statistics[0], out=total)
        if first is not total:
            total[...] = first
        for scale, numbers in zip(scales[1:], statistics[1:], strict=True):
            total += normalized(scale[band.slices], detection.normalize, numbers)

    bands(add, shape, _PIECE)
    whole = grey.shape
    enlarged = [linear_enlarge(values, detection.downsample, whole) for values in (*scales, fused)]
    return enlarged[:-1], enlarged[-1]


def _statistics(scales: list[np.ndarray], normalize: str, bands: _Bands) -> list[tuple[float, ...]]:
    """What normalisation needs of each scale."""
    run = bands.pool.map
    if normalize == "p99":
        return [tuple(found) for found in percentiles_of_each(scales, [99], run=run)]
    if normalize == "mad":
        middles = [median(scale, run=run) for scale in scales]
        return [
            (middle, median(np.abs(scale - np.float32(middle)), run=run))
            for scale, middle in zip(scales, middles, strict=True)
        ]
    return [()] * len(scales)


def _density(fused: np.ndarray, detection: Detection, bands: _Bands) -> tuple[np.ndarray, float]:
    (found,) = percentiles(fused, [100 - detection.top_percent], above=0, run=bands.pool.map)
    threshold = float("inf") if np.isnan(found) else found
    strength = float(fused.max()) if detection.include_strength and np.isfinite(threshold) else 0.0
    density = _smoothed(fused, threshold, strength, detection.bandwidth, bands)
    if detection.clip_percentile is None and not detection.normalize_density:
        return density, threshold
    percent = 100.0 if detection.clip_percentile is None else detection.clip_percentile
    limit, highest = percentiles(density, [percent, 100.0], run=bands.pool.map)
    clip = None if detection.clip_percentile is None else limit

    def finish(band: Tile) -> None:
        part = scale_density(density[band.slices], clip, highest, normalize=detection.normalize_density)
        density[band.slices] = part

    bands(finish, density.shape, _PIECE)
    return density, threshold


def _smoothed(
    fused: np.ndarray, threshold: float, strength: float, bandwidth: float, bands: _Bands
) -> np.ndarray:
    if bandwidth > DIRECT:
        return gaussian_density(impulses(fused, threshold, strength), bandwidth, strength or 1.0)
    density = np.empty(fused.shape, np.float32)
    reach = density_halo(bandwidth)

    def smooth(band: Tile) -> None:
        outer = band.pad(reach, within=fused.shape)
        marks = impulses(fused[outer.slices], threshold, strength)
        rows, _ = band.inside(outer)
        gaussian_density(marks, bandwidth, strength or 1.0, rows=rows, out=density[band.slices])

    bands(smooth, fused.shape)
    return density
