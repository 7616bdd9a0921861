"""Noise estimated from images with known noise, and exactly the same from any tiles."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bigstack.errors import InputError
from bigstack.geometry import Tile
from bigstack.kernels.noise import NOISE_HALO, Noise, fit_noise, noise_counts

SIZE = 500
SCALES = {"uint8": 1.0, "uint16": 200.0, "float32": 0.01}


def scene(kind: str) -> np.ndarray:
    """Grey levels of 20 to 235 without noise."""
    rng = np.random.default_rng(5)
    y, x = np.mgrid[:SIZE, :SIZE] / SIZE
    if kind == "ramp":
        return 20 + 200 * x
    soft = cv2.GaussianBlur(rng.normal(size=x.shape), (0, 0), 3)
    sharp = cv2.GaussianBlur(rng.normal(size=x.shape), (0, 0), 0.8) * (np.hypot(x - 0.5, y - 0.5) < 0.25)
    # A disc in focus, the rest out of it, as in a frame of a stack.
    return np.clip(128 + 50 * (x - 0.5) + 30 * soft / soft.std() + 100 * sharp, 20, 235)


def exposed(grey: np.ndarray, gain: float, read: float, dtype: str) -> np.ndarray:
    rng = np.random.default_rng(6)
    noisy = rng.normal(grey, np.sqrt(gain * grey + read)) * SCALES[dtype]
    if dtype == "float32":
        return noisy.astype(dtype)
    return np.clip(np.rint(noisy), 0, np.iinfo(dtype).max).astype(dtype)


def estimate(image: np.ndarray) -> Noise:
    low, high = float(image.min()), float(image.max())
    return fit_noise(noise_counts(image, low, high), low, high, scaled=image.dtype.kind == "f")


@pytest.mark.parametrize("dtype", SCALES)
@pytest.mark.parametrize("kind", ["ramp", "stack"])
@pytest.mark.parametrize(("gain", "read"), [(0, 1), (0, 25), (0.1, 1), (0.5, 4), (1, 0)])
def test_noise_is_found_to_a_tenth(gain, read, kind, dtype):
    grey = scene(kind)
    found = estimate(exposed(grey, gain, read, dtype))
    rounding = 0 if dtype == "float32" else 1 / 12
    for level in np.percentile(grey, (5, 25, 50, 75, 95)):
        scale = SCALES[dtype]
        expected = np.sqrt((gain * level + read) * scale**2 + rounding)
        assert found.sigma(level * scale) == pytest.approx(expected, rel=0.1)
    assert found.sigma() == found.sigma(found.level)


def test_gain_and_read_noise_are_told_apart_where_levels_differ():
    found = estimate(exposed(scene("ramp"), 0.5, 4, "uint16"))
    assert found.gain == pytest.approx(0.5 * 200, rel=0.1)
    still = estimate(exposed(scene("ramp"), 0, 100, "uint16"))
    assert still.gain * 65535 < 0.1 * still.read
    assert still.read == pytest.approx(100 * 200**2, rel=0.1)


def test_clipped_pixels_do_not_count():
    image = exposed(scene("ramp"), 0, 100, "uint8")
    image[:200] = 255
    image[-100:] = 0
    assert estimate(image).sigma() == pytest.approx(10, rel=0.1)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_counts_of_tiles_add_up_to_those_of_the_image(data):
    dtype = data.draw(st.sampled_from(list(SCALES)))
    shape = data.draw(st.tuples(st.integers(1, 60), st.integers(1, 80)))
    image = exposed(scene("stack")[: shape[0], : shape[1]], 0.2, 3, dtype)
    low, high = float(image.min()), float(image.max())
    whole = noise_counts(image, low, high)
    total = np.zeros_like(whole)
    sides = data.draw(st.tuples(st.integers(1, 61), st.integers(1, 81)))
    for tile in Tile(0, shape[0], 0, shape[1]).split(*sides):
        outer = tile.pad(NOISE_HALO, within=shape)
        total += noise_counts(
            image[outer.slices], low, high, origin=(outer.y0, outer.x0), core=tile.inside(outer)
        )
    np.testing.assert_array_equal(total, whole)


def test_too_little_to_go_by_is_said():
    with pytest.raises(InputError, match="give noise as a number"):
        estimate(np.full((50, 50), 7, np.uint8))
    with pytest.raises(InputError, match="give noise as a number"):
        estimate(np.arange(100, dtype=np.uint8).reshape(10, 10))
