"""Complex Daubechies wavelets: orthonormal, vanishing moments, exact, mirrored at the border."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bigstack.kernels.complex_wavelet import HIGH, LOW, analyse, padded_even, synthesise, touched

LOWS = np.concatenate([LOW, LOW[::-1]])
HIGHS = np.concatenate([HIGH, -HIGH[::-1]])


@pytest.mark.parametrize("shift", [0, 2, 4])
def test_filters_are_orthonormal(shift):
    def product(a, b):
        return np.sum(a[: 6 - shift] * np.conj(b[shift:]))

    assert product(LOWS, LOWS) == pytest.approx(float(shift == 0), abs=1e-12)
    assert product(HIGHS, HIGHS) == pytest.approx(float(shift == 0), abs=1e-12)
    assert product(LOWS, HIGHS) == pytest.approx(0, abs=1e-12)


def test_parabolas_have_no_details():
    for power in range(3):
        assert np.sum(HIGHS * np.arange(6) ** power) == pytest.approx(0, abs=1e-12)
    assert LOWS.sum() == pytest.approx(np.sqrt(2))


def test_coefficients_are_products_with_the_filters():
    image = np.random.default_rng(0).normal(size=(12, 16)).astype(np.float32)
    wide = np.pad(image, 2, mode="symmetric")
    low, bands = analyse(image)
    for y, x in ((0, 0), (3, 4), (5, 7)):
        window = wide[2 * y : 2 * y + 6, 2 * x : 2 * x + 6]
        for found, rows, columns in (
            (low, LOWS, LOWS),
            (bands[0], LOWS, HIGHS),
            (bands[1], HIGHS, LOWS),
            (bands[2], HIGHS, HIGHS),
        ):
            expected = np.conj(rows) @ window @ np.conj(columns)
            assert found[y, x] == pytest.approx(expected, abs=1e-5)


@given(
    seed=st.integers(0, 999),
    rows=st.integers(1, 20),
    columns=st.integers(1, 20),
    colour=st.sampled_from([(), (1,), (3,)]),
    levels=st.integers(1, 3),
)
def test_the_image_comes_back(seed, rows, columns, colour, levels):
    image = np.random.default_rng(seed).normal(size=(rows, columns, *colour)).astype(np.float32)
    low, details = padded_even(image, 2**levels), []
    for _ in range(levels):
        low, bands = analyse(low)
        details.append(bands)
    for bands in reversed(details):
        low = synthesise(low, bands)
    found = low[:rows, :columns]
    np.testing.assert_allclose(found.real, image, atol=1e-5)
    np.testing.assert_allclose(found.imag, 0, atol=1e-5)


@given(seed=st.integers(0, 999), rows=st.integers(1, 9), columns=st.integers(1, 9))
def test_touched_coefficients_are_those_that_change(seed, rows, columns):
    rng = np.random.default_rng(seed)
    bad = rng.random((2 * rows, 2 * columns)) < 0.05
    image = rng.normal(size=bad.shape).astype(np.float32)
    first, second = analyse(image), analyse(image + bad * rng.normal(size=bad.shape).astype(np.float32))
    changed = first[0] != second[0]
    for a, b in zip(first[1], second[1], strict=True):
        changed |= a != b
    assert (touched(bad) >= changed).all()
    assert touched(bad).sum() <= changed.sum() + 1
