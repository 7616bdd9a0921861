"""Warps: the same bits on any tile, exact validity, borders as said, values as an independent sum gives."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bigstack.errors import InputError
from bigstack.geometry.transform import Transform
from bigstack.kernels.warp import (
    BORDERS,
    INTERPOLATIONS,
    WarpOptions,
    blocks,
    source_region,
    valid_region,
    warp,
)

DTYPES = (np.uint8, np.uint16, np.float32)


def image(shape, dtype, seed=0):
    noise = np.random.default_rng(seed).random(shape)
    return (noise * (255 if dtype == np.uint8 else 65535)).astype(dtype)


def whole(pixels, matrix, options):
    shape = pixels.shape[:2]
    region = (0, shape[0], 0, shape[1])
    valid = valid_region(shape, matrix, region, options.interpolation)
    return warp(pixels, (0, 0), shape, matrix, region, options), np.ones(
        shape, bool
    ) if valid is None else valid


@st.composite
def cases(draw):
    height, width = draw(st.integers(3, 90)), draw(st.integers(3, 90))
    matrix = Transform.similarity(
        (height, width),
        shift=(draw(st.floats(-30, 30)), draw(st.floats(-30, 30))),
        scale=draw(st.floats(0.7, 1.4)),
        rotation=draw(st.floats(-20, 20)),
    ).matrix
    if draw(st.booleans()):
        matrix[2, :2] = draw(st.floats(-1e-3, 1e-3)), draw(st.floats(-1e-3, 1e-3))
    options = WarpOptions(
        draw(st.sampled_from(INTERPOLATIONS)), draw(st.sampled_from(BORDERS)), draw(st.floats(-10, 300)), 4.0
    )
    y0, x0 = draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))
    region = (y0, draw(st.integers(y0 + 1, height)), x0, draw(st.integers(x0 + 1, width)))
    return (height, width, draw(st.integers(1, 6))), draw(st.sampled_from(DTYPES)), matrix, options, region


@settings(max_examples=300, deadline=None)
@given(cases())
def test_any_tile_has_the_bits_of_the_whole(case):
    shape, dtype, matrix, options, region = case
    pixels = image(shape, dtype)
    expected, valid = whole(pixels, matrix, options)
    y0, y1, x0, x1 = region
    a, b, c, d = source_region(shape[:2], matrix, region, options)
    assert 0 <= a < b <= shape[0]
    assert 0 <= c < d <= shape[1]
    found = warp(pixels[a:b, c:d], (a, c), shape[:2], matrix, region, options)
    assert found.dtype == dtype
    assert np.array_equal(found, expected[y0:y1, x0:x1])
    inside = valid_region(shape[:2], matrix, region, options.interpolation)
    assert np.array_equal(np.ones(found.shape[:2], bool) if inside is None else inside, valid[y0:y1, x0:x1])


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_whole_pixel_shifts_copy(interpolation, dtype):
    pixels = image((40, 50, 3), dtype)
    shift = np.array([[1, 0, 7], [0, 1, -3], [0, 0, 1.0]])
    found, valid = whole(pixels, shift, WarpOptions(interpolation))
    assert np.array_equal(found[3:, :43], pixels[:37, 7:])
    assert valid[3:, :43].all()
    assert valid.sum() == 37 * 43


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.sampled_from(["linear", "cubic"]))
def test_values_are_sums_over_the_kernel(seed, interpolation):
    pixels = image((30, 35, 1), np.float32, seed)
    rng = np.random.default_rng(seed)
    matrix = Transform.similarity(
        (30, 35), shift=tuple(rng.uniform(-3, 3, 2)), rotation=rng.uniform(-5, 5)
    ).matrix
    found, valid = whole(pixels, matrix, WarpOptions(interpolation))
    reach = {"linear": 1, "cubic": 2}[interpolation]
    for _ in range(20):
        y, x = rng.integers(0, 30), rng.integers(0, 35)
        place = matrix[:2] @ (x, y, 1)
        if not (valid[y, x] and (place > 2).all() and (place < (31, 26)).all()):
            continue
        near = np.floor(place).astype(int)
        total = 0.0
        for j in range(near[1] - reach + 1, near[1] + reach + 1):
            for i in range(near[0] - reach + 1, near[0] + reach + 1):
                total += kernel(place[0] - i, reach) * kernel(place[1] - j, reach) * pixels[j, i, 0]
        assert found[y, x, 0] == pytest.approx(total, abs=65535 * 4e-3)


def kernel(t, reach):
    t = abs(t)
    if reach == 1:
        return max(0.0, 1 - t)
    a = -0.75
    return ((a + 2) * t - (a + 3)) * t * t + 1 if t <= 1 else ((a * t - 5 * a) * t + 8 * a) * t - 4 * a


def test_lanczos_resamples_a_smooth_image_to_a_thirty_second_of_a_pixel():
    y, x = np.mgrid[:60, :70].astype(np.float32)
    pixels = (100 + 50 * np.sin(x / 5) * np.cos(y / 6))[..., None].astype(np.float32)
    shift = np.array([[1, 0, 0.3], [0, 1, 0.6], [0, 0, 1.0]])
    found, _ = whole(pixels, shift, WarpOptions("lanczos"))
    expected = 100 + 50 * np.sin((x + 0.3) / 5) * np.cos((y + 0.6) / 6)
    assert np.abs(found[5:-5, 5:-5, 0] - expected[5:-5, 5:-5]).max() < 50 / 5 / 32


@settings(max_examples=60, deadline=None)
@given(cases())
def test_validity_is_where_the_place_lies_inside(case):
    shape, _, matrix, options, _ = case
    y, x = np.mgrid[: shape[0], : shape[1]]
    weight = matrix[2, 0] * x + matrix[2, 1] * y + 1
    place_x = (matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2]) / weight
    place_y = (matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2]) / weight
    rounding = 1 / 30
    surely = (place_x > rounding) & (place_x < shape[1] - 1 - rounding)
    surely &= (place_y > rounding) & (place_y < shape[0] - 1 - rounding)
    maybe = (place_x > -rounding) & (place_x < shape[1] - 1 + rounding)
    maybe &= (place_y > -rounding) & (place_y < shape[0] - 1 + rounding)
    _, valid = whole(image(shape, np.uint8), matrix, options)
    assert valid[surely].all()
    assert not valid[~maybe].any()


@settings(max_examples=60, deadline=None)
@given(cases(), st.sampled_from(BORDERS))
def test_valid_pixels_do_not_depend_on_the_border_rule(case, border):
    shape, dtype, matrix, options, _ = case
    pixels = image(shape, dtype)
    first, valid = whole(pixels, matrix, options)
    second, _ = whole(pixels, matrix, WarpOptions(options.interpolation, border, 99, 3.0))
    assert np.array_equal(first[valid], second[valid])


def test_borders_make_up_what_they_say():
    pixels = image((20, 24, 1), np.uint8)
    shift = np.array([[1, 0, 6], [0, 1, -4], [0, 0, 1.0]])
    padded = {name: np.pad(pixels[..., 0], ((4, 0), (0, 6)), mode)[:20, 6:] for name, mode in
              (("replicate", "edge"), ("reflect", "reflect"))}  # fmt: skip
    for name, expected in padded.items():
        assert np.array_equal(whole(pixels, shift, WarpOptions("linear", name))[0][..., 0], expected)
    constant, valid = whole(pixels, shift, WarpOptions("linear", "constant", 300.0))
    assert (constant[~valid] == 255).all()


def test_blurred_rim_is_smooth_and_keeps_a_constant():
    shift = np.array([[1, 0, 15], [0, 1, -12], [0, 0, 1.0]])
    options = WarpOptions("cubic", "replicate-blur", blur=5.0)
    flat = np.full((40, 50, 3), 77, np.uint16)
    assert (whole(flat, shift, options)[0] == 77).all()
    noisy = image((40, 50, 1), np.float32)
    blurred, valid = whole(noisy, shift, options)
    sharp, _ = whole(noisy, shift, WarpOptions("cubic", "replicate"))
    assert blurred[~valid].std() < 0.4 * sharp[~valid].std()
    assert abs(blurred[~valid].mean() - noisy.mean()) < 0.3 * noisy.std()


def test_frames_wider_than_remap_takes():
    pixels = image((6, 40_000, 1), np.uint8)
    shift = np.array([[1, 0, -0.5], [0, 1, 0], [0, 0, 1.0]])
    found, _ = whole(pixels, shift, WarpOptions("linear"))
    halves = (pixels[:, :-1].astype(int) + pixels[:, 1:]) / 2
    assert np.abs(found[:, 1:, 0] - halves[..., 0]).max() <= 0.5
    assert max(max(r[1] - r[0], r[3] - r[2]) for r in blocks((0, 6, 0, 40_000))) <= 1024


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (WarpOptions(interpolation="cubik"), "did you mean 'cubic'"),
        (WarpOptions(border="wrap"), "border"),
        (WarpOptions(blur=0), "blur"),
    ],
)
def test_options_without_meaning_are_refused(options, says):
    with pytest.raises(InputError, match=says):
        options.checked()
