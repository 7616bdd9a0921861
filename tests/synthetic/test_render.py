"""Rendered stacks against independent statements of optics, noise and geometry."""

import pickle
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import dask
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from bigstack.errors import InputError
from bigstack.io.lazy import source_of
from bigstack.kernels.quality import psnr
from bigstack.synthetic import Layer, render_stack
from bigstack.synthetic.depths import Plane
from bigstack.synthetic.masks import HalfPlane
from bigstack.synthetic.plane import Box
from bigstack.synthetic.psf import disc_kernel
from bigstack.synthetic.textures import Checker, Flat, Fractal, Picture

QUIET = (0.0, 0.0)
EVERYTHING = {
    "depth": "steps",
    "shape": (530, 61),  # more than one block in y
    "frames": 4,
    "noise": (3.0, 0.2),
    "breathing": 0.1,
    "rotation": 3.0,
    "shift": 4.0,
    "flicker": 0.2,
    "vignetting": 0.3,
    "hot_pixels": 0.001,
    "seed": 11,
}
WHOLE = render_stack(**EVERYTHING).compute()


# The law: a region is the crop of the whole.


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_any_region_of_stack_and_truth_is_the_crop_of_the_whole(data):
    z = data.draw(st.integers(0, 3))
    y0 = data.draw(st.integers(0, 528))
    y1 = data.draw(st.integers(y0 + 1, 530))
    x0 = data.draw(st.integers(0, 59))
    x1 = data.draw(st.integers(x0 + 1, 61))
    source = source_of(render_stack(**EVERYTHING).stack.data)  # fresh: nothing of another read is cached
    region = source.read(z, slice(y0, y1), slice(x0, x1))
    np.testing.assert_array_equal(region, WHOLE.stack.values[z, y0:y1, x0:x1])
    name = data.draw(st.sampled_from(["image", "depth", "unobserved", "vignetting", "hot"]))
    part = source.truth(name, slice(y0, y1), slice(x0, x1))
    np.testing.assert_array_equal(part, WHOLE.truth[name].values[y0:y1, x0:x1])


@pytest.mark.parametrize("scheduler", ["synchronous", "threads"])
def test_tiles_schedulers_and_a_full_cache_change_nothing(scheduler):
    with dask.config.set(scheduler=scheduler):
        tiled = render_stack(**EVERYTHING, tile=100, cache_bytes=0).compute()
    np.testing.assert_array_equal(tiled.stack, WHOLE.stack)
    for name in WHOLE.truth:
        np.testing.assert_array_equal(tiled.truth[name], WHOLE.truth[name])


def test_a_pickled_source_renders_the_same_and_has_the_same_token():
    source = source_of(render_stack(**EVERYTHING).stack.data)
    source.read(0, slice(0, 530), slice(0, 61))
    data = pickle.dumps(source)
    assert len(data) < 20_000
    copy = pickle.loads(data)
    np.testing.assert_array_equal(copy.read(2, slice(3, 50), slice(0, 61)), WHOLE.stack.values[2, 3:50])
    assert dask.base.tokenize(copy) == dask.base.tokenize(source)


def test_threads_read_what_one_thread_reads():
    source = source_of(render_stack(**EVERYTHING).stack.data)
    with ThreadPoolExecutor(8) as pool:
        frames = list(pool.map(lambda n: source.read(n % 4, slice(0, 530), slice(0, 61)), range(16)))
    for n, frame in enumerate(frames):
        np.testing.assert_array_equal(frame, WHOLE.stack.values[n % 4])


def test_equal_seeds_give_equal_stacks_and_other_seeds_others():
    options = {"shape": (20, 30), "frames": 2}
    first = render_stack(**options, seed=1)
    assert first.stack.data.name == render_stack(**options, seed=1).stack.data.name
    assert first.stack.data.name != render_stack(**options, seed=2).stack.data.name
    np.testing.assert_array_equal(first.stack, render_stack(**options, seed=1).stack)
    assert (first.stack.values != render_stack(**options, seed=2).stack.values).mean() > 0.5


# Optics.


def plane(depth: float, **options) -> np.ndarray:
    options = {"texture": Fractal(2), "shape": (96, 128), "frames": 5, "noise": QUIET, **options}
    return render_stack(depth=Plane(depth), **options)


def test_pixels_in_focus_are_the_texture():
    scene = plane(2.0).compute()
    drawn = Fractal(2).sample(Box(0, 96, 0, 128), 3)
    np.testing.assert_array_equal(scene.stack[2], np.rint(drawn * 255))
    np.testing.assert_allclose(scene.truth.image, drawn * 255, rtol=1e-6)
    assert (scene.truth.depth == 2).all()
    assert not scene.truth.unobserved.any()


@pytest.mark.parametrize("z", [0, 3])
def test_defocus_is_a_convolution_with_the_disc(z):
    scene = plane(1.3, dtype="float32", blur_per_frame=2.0, shape=(530, 64))  # two blocks
    wide = Fractal(2).sample(Box(-20, 550, -20, 84), 3)
    kernel = disc_kernel(2.0 * abs(z - 1.3))
    blurred = np.stack([ndimage.convolve(wide[..., c].astype(float), kernel) for c in range(3)], axis=2)
    np.testing.assert_allclose(scene.stack[z], blurred[20:-20, 20:-20], atol=2e-6)


def test_gaussian_defocus_is_a_gaussian_of_half_the_radius():
    scene = plane(0.0, dtype="float32", psf="gaussian", blur_per_frame=3.0)
    wide = Fractal(2).sample(Box(-40, 136, -40, 168), 3).astype(float)
    blurred = ndimage.gaussian_filter(wide, (6.0, 6.0, 0))[40:-40, 40:-40]
    np.testing.assert_allclose(scene.stack[4], blurred, atol=2e-3)


def test_a_smooth_surface_blurs_by_its_depth_at_each_pixel():
    scene = render_stack(
        texture=Checker(1), depth="ramp", shape=(100, 400), frames=9, noise=QUIET, dtype="float32", seed=4
    ).compute()
    depth = scene.truth.depth.values
    for z in (0, 4, 8):
        radius = 1.2 * np.abs(depth - z)
        contrast = ndimage.generic_filter(scene.stack.values[z, ..., 0], np.ptp, size=2)
        assert np.median(contrast[radius < 0.1]) > 0.5
        assert np.median(contrast[radius > 1.5]) < 0.2


def test_nothing_leaks_at_the_seams_of_a_smooth_surface():
    scene = render_stack(depth="ramp", shape=(240, 320), frames=12, noise=QUIET, seed=3).compute()
    image = pyramid_selection(scene.stack.values)
    assert psnr(image, scene.truth.image.values, data_range=255) > 40


def pyramid_selection(frames: np.ndarray) -> np.ndarray:
    """Largest absolute coefficient of an undecimated Laplacian pyramid, after smoothing its square."""
    fused = 0.0
    low = frames.astype(np.float64)
    for level in range(5):
        lower = np.stack([ndimage.gaussian_filter(f, (2.0**level, 2.0**level, 0)) for f in low])
        detail = low - lower
        energy = np.stack([ndimage.uniform_filter((d**2).sum(axis=2), 5) for d in detail])
        fused = fused + np.take_along_axis(detail, energy.argmax(axis=0)[None, ..., None], axis=0)[0]
        low = lower
    return np.clip(fused + low.mean(axis=0), 0, 255)


def test_depth_truth_is_what_was_rendered_not_its_rounding():
    depth = np.linspace(0.2, 3.7, 64)[None, :].repeat(48, axis=0)
    scene = render_stack(depth=depth, shape=(48, 64), frames=5)
    assert scene.truth.depth.dtype == np.float32
    np.testing.assert_allclose(scene.truth.depth, depth, atol=1e-6)


# Occlusion: a white board, left of x = 63.5, before a black wall.


def board(*, near: float = 0.0, far: float = 8.0, blur: float = 2.0, **options):
    layers = [
        Layer(Flat(0.1), Plane(far)),
        Layer(Flat(0.9), Plane(near), HalfPlane(50.0, 63.5, angle=90.0)),
    ]
    return render_stack(
        depth=layers,
        shape=(100, 128),
        frames=9,
        blur_per_frame=blur,
        noise=QUIET,
        dtype="float32",
        channels=1,
        **options,
    )


def test_a_defocused_edge_is_half_transparent_and_shows_what_is_behind():
    profile = board().stack.values[8, 50, :, 0]  # wall in focus, board blurred by 16 px
    place = np.clip((np.arange(128) - 63.5) / 16.0, -1, 1)
    # Share of a disc beyond a chord at `place` radii from its centre: the board's light.
    share = (np.arccos(place) - place * np.sqrt(1 - place**2)) / np.pi
    np.testing.assert_allclose(profile, 0.1 + 0.8 * share, atol=0.01)
    assert profile[70] > 0.1 + 0.05  # the wall near the edge is contaminated though it is in focus
    assert profile[57] < 0.9 - 0.05  # and shows through the board


def test_a_wall_out_of_focus_does_not_spread_over_the_board():
    profile = board().stack.values[0, 50, :, 0]
    np.testing.assert_allclose(profile[:63], 0.9, atol=1e-6)
    np.testing.assert_allclose(profile[65:], 0.1, atol=1e-6)


def test_depth_and_unobserved_follow_the_cone_of_the_nearer_object():
    truth = board().truth.compute()
    assert (truth.depth[:, :63] == 0).all()
    assert (truth.depth[:, 65:] == 8).all()
    row = truth.unobserved.values[50]
    assert not row[:63].any()
    # Frame 7 is the first that has the wall in focus; there the board's blur reaches 14 px, and its
    # outermost 2 % of the light, a cap of a disc, lie in the last 1.9 px of it.
    reached = np.flatnonzero(row)
    np.testing.assert_allclose((reached[0], reached[-1]), (64, 63.5 + 14 - 1.9), atol=1.1)
    assert np.array_equal(reached, np.arange(reached[0], reached[-1] + 1))


def test_a_wall_within_a_frame_of_the_board_is_observed():
    assert not board(near=7.1, far=8.0).truth.unobserved.any()


def test_pictures_given_as_texture_are_the_image_whatever_the_steps():
    image = np.random.default_rng(0).random((60, 80, 3)).astype(np.float32)
    scene = render_stack(texture=image, depth="steps", shape=(60, 80), frames=6, dtype="float32", seed=2)
    np.testing.assert_allclose(scene.truth.image, image, atol=1e-6)
    assert np.unique(scene.truth.depth).size == 6


# Noise and light.


@pytest.mark.parametrize(("dtype", "unit"), [("uint8", 1), ("uint16", 257), ("float32", 1 / 255)])
def test_gaussian_noise_has_its_variance_in_every_dtype(dtype, unit):
    scene = render_stack(
        texture=Flat(0.5), depth="plane", shape=(200, 300), frames=4, noise=(6.0, 0.0), dtype=dtype, seed=9
    )
    values = scene.stack.values / unit
    rounding = 1 / 12 if dtype == "uint8" else 0.0
    assert values.var() == pytest.approx(36 + rounding, rel=0.02)
    assert values.mean() == pytest.approx(127.5, abs=0.05)


@pytest.mark.parametrize("level", [0.02, 0.1, 0.5])
def test_poisson_noise_grows_with_the_signal(level):
    options = {"depth": "plane", "shape": (200, 300), "frames": 2, "dtype": "float32", "seed": 9}
    values = render_stack(texture=Flat(level), noise=(0.0, 0.4), **options).stack.values * 255
    assert values.var() == pytest.approx(0.4 * level * 255, rel=0.02)
    assert values.mean() == pytest.approx(level * 255, rel=0.01)
    both = render_stack(texture=Flat(level), noise=(2.0, 0.4), **options).stack.values * 255
    assert both.var() == pytest.approx(4 + 0.4 * level * 255, rel=0.02)


def test_noise_is_white_and_differs_by_frame_block_and_channel():
    noise = render_stack(
        texture=Flat(0.5), depth="plane", shape=(600, 300), frames=2, noise=(5.0, 0.0), dtype="float32"
    ).stack.values
    noise = (noise - 0.5) * 255 / 5
    pairs = {
        "frames": (noise[0], noise[1]),
        "channels": (noise[0, ..., 0], noise[0, ..., 1]),
        "blocks": (noise[0, :300], noise[0, 300:]),  # 300 rows a block
        "rows": (noise[0, 1:], noise[0, :-1]),
        "columns": (noise[0, :, 1:], noise[0, :, :-1]),
    }
    for name, (first, second) in pairs.items():
        assert abs((first * second).mean()) < 0.01, name


def test_flicker_vignetting_and_hot_pixels_are_as_the_truth_says():
    scene = render_stack(
        texture=Flat(0.3),
        depth="plane",
        shape=(90, 120),
        frames=6,
        noise=QUIET,
        dtype="float32",
        flicker=0.2,
        vignetting=0.35,
        hot_pixels=0.002,
        seed=5,
    ).compute()
    truth, hot = scene.truth, scene.truth.hot.values
    expected = (0.3 * truth.gain * truth.vignetting).transpose("z", "y", "x", "channel").values
    excess = scene.stack.values - expected
    np.testing.assert_allclose(excess[:, ~hot], 0, atol=1e-6)
    assert (truth.gain[3] == 1).all()
    assert 0.05 < float(np.abs(truth.gain - 1).max()) <= 0.2
    corners = truth.vignetting.values[[0, 0, -1, -1], [0, -1, 0, -1]]
    np.testing.assert_allclose(corners, 0.65, atol=1e-5)
    assert truth.vignetting.values[44:46, 59:61].min() > 0.999
    assert hot.mean() == pytest.approx(0.002, rel=0.4)
    assert excess[:, hot].min() > 0.14
    assert np.ptp(excess[:, hot], axis=0).max() < 1e-5  # the same in every frame


def test_gains_can_be_given_by_frame_and_channel():
    gains = np.array([[1.0, 1.1, 0.9], [1.0, 1.0, 1.0]])
    scene = render_stack(
        texture=Flat(0.5), depth="plane", shape=(8, 8), frames=2, noise=QUIET, dtype="float32", flicker=gains
    )
    np.testing.assert_allclose(scene.stack.values[:, 4, 4], 0.5 * gains, rtol=1e-6)


def test_integer_stacks_saturate_and_float_stacks_do_not():
    options = {
        "texture": "highlights",
        "depth": "smooth",
        "shape": (120, 160),
        "frames": 3,
        "noise": QUIET,
        "seed": 1,
    }
    eight = render_stack(**options).compute()
    assert eight.stack.max() == 255
    assert eight.truth.image.max() == 255
    assert render_stack(**options, dtype="float32").truth.image.max() > 5


def test_sixteen_bits_are_the_same_picture():
    options = {"shape": (40, 50), "frames": 3, "noise": QUIET, "seed": 6}
    eight, sixteen = (
        render_stack(**options).stack.values,
        render_stack(**options, dtype="uint16").stack.values,
    )
    assert sixteen.dtype == np.uint16
    np.testing.assert_allclose(sixteen / 257, eight, atol=0.51)


# Movement.


def dot_image(shape: tuple[int, int], places: np.ndarray) -> np.ndarray:
    y, x = np.mgrid[: shape[0], : shape[1]]
    image = np.full(shape, 0.1)
    for row, column in places:
        image += 0.8 * np.exp(-((y - row) ** 2 + (x - column) ** 2) / (2 * 2.5**2))
    return image.astype(np.float32)


def centroid(image: np.ndarray, near: np.ndarray) -> np.ndarray:
    corner = np.rint(near[::-1]).astype(int) - 9
    part = image[corner[0] : corner[0] + 19, corner[1] : corner[1] + 19].astype(float) - 0.1
    y, x = np.mgrid[:19, :19]
    return np.array([(part * x).sum(), (part * y).sum()]) / part.sum() + corner[::-1]


def test_things_are_where_the_transforms_take_them():
    places = np.array([(40.0, 50.0), (40.0, 150.0), (110.0, 100.0), (120.0, 40.0), (115.0, 165.0)])
    scene = render_stack(
        texture=Picture(dot_image((160, 200), places)),
        depth="plane",
        shape=(160, 200),
        frames=7,
        channels=1,
        blur_per_frame=0.0,
        noise=QUIET,
        dtype="float32",
        breathing=0.12,
        rotation=2.0,
        shift=5.0,
        seed=8,
    ).compute()
    transforms = scene.truth.transform.values
    np.testing.assert_array_equal(transforms[3], np.eye(3))
    scale = np.sqrt(np.linalg.det(transforms[:, :2, :2]))
    assert scale[-1] / scale[0] == pytest.approx(1.12)
    for matrix, frame in zip(transforms, scene.stack.values, strict=True):
        for row, column in places:
            expected = (matrix @ (column, row, 1))[:2]
            np.testing.assert_allclose(centroid(frame[..., 0], expected), expected, atol=0.02)


def test_undoing_the_transform_gives_the_image_back():
    scene = render_stack(
        texture="astronaut",
        depth="plane",
        shape=(200, 260),
        frames=3,
        blur_per_frame=0.0,
        noise=QUIET,
        breathing=0.05,
        rotation=1.5,
        shift=3.0,
        seed=2,
    ).compute()
    y, x = np.mgrid[20:180, 20:240]
    for z in (0, 2):
        column, row, _ = np.einsum(
            "ij,jyx->iyx", scene.truth.transform.values[z], np.stack([x, y, np.ones_like(x)])
        )
        green = ndimage.map_coordinates(scene.stack.values[z, ..., 1].astype(float), [row, column], order=3)
        truth = scene.truth.image.values[20:180, 20:240, 1]
        aligned = psnr(green, truth, data_range=255)
        assert aligned > 32
        for nudge in ((0.3, 0.0), (0.0, -0.3)):  # a third of a pixel off is clearly worse
            off = ndimage.map_coordinates(
                scene.stack.values[z, ..., 1].astype(float), [row + nudge[0], column + nudge[1]], order=3
            )
            assert psnr(off, truth, data_range=255) < aligned - 2


def test_trajectories_can_be_given_and_are_relative_to_the_reference():
    shifts = np.array([(1.0, 2.0), (3.0, -4.0), (0.0, 0.0)])
    truth = render_stack(shape=(20, 30), frames=3, shift=shifts, reference=0).truth
    np.testing.assert_allclose(truth.transform[:, :2, 2], (shifts - shifts[0])[:, ::-1])


# Size, cost and use.


def test_a_stack_of_any_size_is_there_at_once_and_read_in_pieces():
    start = time.perf_counter()
    scene = render_stack(shape=(2**20, 2**20), frames=50, channels=1, depth="smooth", noise=(1.5, 0.1))
    region = scene.stack.isel(z=33, y=slice(700_001, 700_065), x=slice(900_000, 900_050))
    assert region.values.std() > 1
    assert scene.truth.depth[1000:1010, 2000:2010].compute().shape == (10, 10)
    assert time.perf_counter() - start < 60  # the whole would take years


def test_coordinates_and_dtypes_are_those_of_stacks():
    scene = render_stack(shape=(20, 30), frames=2)
    assert scene.stack.dims == ("z", "y", "x", "channel")
    assert list(scene.stack.channel.values) == ["red", "green", "blue"]
    assert scene.stack.z.units == "frame"
    assert scene.truth.transform.shape == (2, 3, 3)
    assert render_stack(shape=(20, 30), frames=2, channels=5).stack.values.shape == (2, 20, 30, 5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"depth": "step"}, "did you mean 'steps'"),
        ({"texture": "foto"}, "did you mean 'photo'"),
        ({"psf": "box"}, "one of: disc, gaussian"),
        ({"dtype": "int8"}, "dtype"),
        ({"noise": (1.0,)}, "pair"),
        ({"noise": (-1.0, 0.0)}, "from 0 up"),
        ({"vignetting": 1.0}, "below 1"),
        ({"hot_pixels": -0.1}, "at least 0"),
        ({"frames": 0}, "frames must be at least 1"),
        ({"channels": 0}, "channels must be at least 1"),
        ({"shape": (10,)}, "height and a width"),
        ({"blur_per_frame": -1.0}, "from 0 up"),
        ({"reference": 20}, "one of the 20 frames"),
        ({"breathing": -1.5}, "above 0"),
        ({"shift": np.zeros((3, 2))}, "shape"),
        ({"flicker": 1.5}, "flicker"),
        ({"depth": np.zeros((5, 5))}, "must be equal"),
        ({"depth": []}, "at least one Layer"),
        ({"depth": [Layer(Flat(), Plane(0), HalfPlane(0, 0, 0))]}, "mask=None"),
    ],
)
def test_options_that_mean_nothing_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        render_stack(**options)


def test_importing_the_package_imports_nothing_heavy():
    code = (
        "import sys, bigstack.synthetic; "
        "heavy = {'skimage', 'scipy', 'dask', 'xarray', 'cv2', 'numpy'} & set(sys.modules); "
        "assert not heavy, heavy; from bigstack.synthetic import render_stack; "
        "assert 'skimage' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
