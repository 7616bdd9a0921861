"""Falloff of light: models, fits against truth and against the reference, and the way back."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bigstack.errors import InputError
from bigstack.kernels.correction.vignetting import (
    MODELS,
    correct_falloff,
    falloff,
    fit_falloff,
    fit_gradients,
    gain_table,
    gains,
    radius_of_corner,
    radius_where,
    ring_radii,
    ring_sums,
)

TRUTHS = {
    "sigmoid": (350.0, 0.0056, 880.0),
    "cos4": (200.0, 3e-7),
    "polynomial": (180.0, -1e-7, -2e-13, -1e-20),
}
SHAPE = (1333, 2000)


def radii(y, x, shape):
    return np.hypot(y[:, None] - (shape[0] - 1) / 2, x - (shape[1] - 1) / 2)


@pytest.mark.parametrize("model", MODELS)
def test_rings_give_the_parameters_back(model):
    r = ring_radii(SHAPE)
    parameters, error = fit_falloff(r, MODELS[model].curve(r, *TRUTHS[model]), model)
    np.testing.assert_allclose(falloff(r, model, parameters), falloff(r, model, TRUTHS[model]), atol=1e-6)
    assert error < 1e-6


@pytest.mark.parametrize("model", MODELS)
def test_gradients_find_the_falloff_under_a_scene(model):
    y, x = np.arange(5.0, SHAPE[0], 12), np.arange(5.0, SHAPE[1], 12)
    rng = np.random.default_rng(0)
    scene = np.full((y.size, x.size), 120.0)
    for _ in range(60):  # overlapping plain rectangles: many edges, plain in between
        top, left = rng.integers(0, y.size), rng.integers(0, x.size)
        scene[top : top + 25, left : left + 40] = rng.uniform(30, 220)
    truth = falloff(radii(y, x, SHAPE), model, TRUTHS[model])
    parameters, _ = fit_gradients(scene * truth, y, x, SHAPE, model)
    found = falloff(radii(y, x, SHAPE), model, parameters)
    assert np.abs(found - truth).max() < 0.02
    rings = fit_falloff(*_ring_means(scene * truth, y, x), model)[0]
    assert np.abs(falloff(radii(y, x, SHAPE), model, rings) - truth).max() > 0.02


def _ring_means(image, y, x):
    sums, counts = ring_sums(np.rint(image * 1000).astype(int), y.astype(int), x.astype(int), SHAPE)
    return ring_radii(SHAPE), np.where(counts > 0, sums / np.maximum(counts, 1), np.nan) / 1000


def test_saturated_blocks_are_left_out_of_gradients():
    y, x = np.arange(5.0, SHAPE[0], 12), np.arange(5.0, SHAPE[1], 12)
    truth = falloff(radii(y, x, SHAPE), "cos4", TRUTHS["cos4"])
    image = 150 * truth
    image[20:80, 30:90] = np.nan
    parameters, left = fit_gradients(image, y, x, SHAPE, "cos4")
    assert parameters[1] == pytest.approx(TRUTHS["cos4"][1], rel=1e-3)
    assert left < 1e-5


def test_what_cannot_be_fitted_is_said():
    r = ring_radii((100, 100), 10)
    with pytest.raises(InputError, match="not black"):
        fit_falloff(r, np.zeros(10), "sigmoid")
    with pytest.raises(InputError, match="3 x 3"):
        fit_gradients(np.ones((2, 2)), np.arange(2), np.arange(2), (2, 2), "cos4")
    with pytest.raises(InputError, match="did you mean 'sigmoid'"):
        fit_falloff(r, np.ones(10), "sigmod")


def test_the_fit_is_that_of_the_reference(shared):
    """Parity with a fit by other software (scipy's curve_fit on rings of 8-bit grey).

    Its input is not at hand, but its output is, every 8th pixel: where that is not saturated the input is
    output x V. The saturated tenth of the pixels makes the difference that is left.
    """
    stored = np.load(shared / "reference" / "depthmap_variants.npz")
    reference, output = tuple(stored["vig_params"].tolist()), stored["vig_corr_sub8"]
    y, x = 8 * np.arange(output.shape[0]), 8 * np.arange(output.shape[1])
    truth = falloff(radii(y, x, SHAPE), "sigmoid", reference)
    luma = (output * truth[..., None]) @ [0.114, 0.587, 0.299]
    sums, counts = ring_sums(np.rint(luma * 1000).astype(int), y, x, SHAPE)
    means = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan) / 1000
    found, _ = fit_falloff(ring_radii(SHAPE), means, "sigmoid")
    assert found[0] == pytest.approx(reference[0], rel=0.005)
    assert found[1] == pytest.approx(reference[1], rel=0.03)
    assert found[2] == pytest.approx(reference[2], rel=0.005)
    assert np.abs(falloff(radii(y, x, SHAPE), "sigmoid", found) - truth).max() < 0.02
    back = gain_table("sigmoid", reference, SHAPE)
    darkened = np.rint(output * truth[..., None]).astype(np.uint8)
    result = correct_falloff(darkened, gains(back, y, x, SHAPE))
    near = (truth > 0.5) & (output < 255).all(axis=2)  # half a level of input is a level of output there
    assert np.abs(result[near].astype(int) - output[near]).max() <= 1


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("model", MODELS)
def test_division_by_the_falloff(model, dtype):
    y, x = np.arange(700, 713), np.arange(1990, 2000)
    rng = np.random.default_rng(0)
    pixels = (rng.random((13, 10, 3)) * {"uint8": 255, "uint16": 65535, "float32": 1}[dtype]).astype(dtype)
    result = correct_falloff(pixels, gains(gain_table(model, TRUTHS[model], SHAPE), y, x, SHAPE))
    assert result.dtype == pixels.dtype
    expected = pixels / falloff(radii(y, x, SHAPE), model, TRUTHS[model])[..., None]
    if dtype == "float32":
        np.testing.assert_allclose(result, expected, rtol=1e-6)
    else:
        expected = np.minimum(np.rint(expected), np.iinfo(dtype).max)
        assert np.abs(result - expected).max() <= (0 if dtype == "uint8" else 1)


def test_correction_can_be_partial_and_spare_the_dark():
    y, x = np.arange(SHAPE[0] - 9, SHAPE[0]), np.arange(SHAPE[1] - 9, SHAPE[1])
    pixels = np.full((9, 9, 3), 100, np.float32)
    pixels[0, 0, 1] = 2
    light = falloff(radii(y, x, SHAPE), "sigmoid", TRUTHS["sigmoid"])[..., None]
    half = correct_falloff(
        pixels, gains(gain_table("sigmoid", TRUTHS["sigmoid"], SHAPE, 0.5), y, x, SHAPE), 3.0
    )
    np.testing.assert_allclose(half[1:], pixels[1:] / (0.5 + 0.5 * light[1:]), rtol=1e-6)
    np.testing.assert_array_equal(half[0, 0], pixels[0, 0])


def test_the_centre_stays():
    y, x = np.arange(SHAPE[0]), np.arange(SHAPE[1])
    table = gain_table("cos4", TRUTHS["cos4"], SHAPE)
    pixels = np.full((1, 2, 1), 123, np.uint16)
    middle = slice(666, 667), slice(999, 1001)
    assert (correct_falloff(pixels, gains(table, y[middle[0]], x[middle[1]], SHAPE)) == 123).all()


@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_windows_give_the_bits_of_the_whole_image(data):
    height, width = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 60))
    dtype = data.draw(st.sampled_from(["uint8", "uint16", "float32"]))
    rng = np.random.default_rng(0)
    pixels = (rng.random((height, width, 3)) * 200).astype(dtype)
    table = gain_table("sigmoid", (300.0, 0.3, 20.0), (height, width))
    y0, x0 = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    y, x = np.arange(height), np.arange(width)
    whole = correct_falloff(pixels, gains(table, y, x, (height, width)), 20.0)
    part = correct_falloff(pixels[y0:, x0:], gains(table, y[y0:], x[x0:], (height, width)), 20.0)
    np.testing.assert_array_equal(part, whole[y0:, x0:])


def test_rings_hold_every_pixel_once_and_are_symmetric():
    y, x = np.arange(31), np.arange(40)
    levels = np.random.default_rng(0).integers(0, 65536, (31, 40))
    sums, counts = ring_sums(levels, y, x, (31, 40), 10)
    assert counts.sum() == levels.size
    assert sums.sum() == levels.sum()
    for mirrored in (levels[::-1], levels[:, ::-1]):
        np.testing.assert_array_equal(ring_sums(mirrored, y, x, (31, 40), 10)[0], sums)
    halves = [ring_sums(levels[a:b], y[a:b], x, (31, 40), 10)[0] for a, b in ((0, 7), (7, 31))]
    np.testing.assert_array_equal(sum(halves), sums)


def test_radii_where_light_has_fallen():
    at = radius_where(0.5, "sigmoid", TRUTHS["sigmoid"], SHAPE)
    assert falloff(np.array([at]), "sigmoid", TRUTHS["sigmoid"])[0] == pytest.approx(0.5, abs=1e-5)
    assert radius_where(0.05, "cos4", TRUTHS["cos4"], SHAPE) is None
    assert radius_where(1.0, "cos4", TRUTHS["cos4"], SHAPE) == 0.0
    assert at < radius_of_corner(SHAPE)
