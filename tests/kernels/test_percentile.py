"""Order statistics in memory are numpy's, whatever the values look like."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bigstack.kernels import percentile
from bigstack.kernels.percentile import median, percentiles

KINDS = {
    "normal": lambda rng, n: rng.normal(size=n),
    "skewed": lambda rng, n: rng.random(n) ** 20,
    "mostly zero": lambda rng, n: rng.random(n) * (rng.random(n) > 0.97),
    "ties": lambda rng, n: rng.integers(0, 4, n),
    "sorted": lambda rng, n: np.sort(rng.random(n)),
    "one odd": lambda rng, n: np.arange(n) == n - 1,
    "striped": lambda rng, n: np.where(np.arange(n) % 8 == 0, 1000 + rng.random(n), rng.random(n)),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [1, 2, 1000, 140000, 400001])
def test_percentiles_are_numpy_s(kind, size):
    values = KINDS[kind](np.random.default_rng(size), size).astype(np.float32)
    asked = [0, 0.01, 25, 50, 75, 99, 99.5, 100]
    assert percentiles(values, asked) == np.percentile(values.astype(float), asked).tolist()
    assert median(values) == np.median(values.astype(float))
    chosen = values[values > 0].astype(float)
    found = percentiles(values, asked, above=0)
    if chosen.size:
        assert found == np.percentile(chosen, asked).tolist()
    else:
        assert np.isnan(found).all()


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_brackets_are_right_or_not_used(data):
    small, sample, sure = percentile._SMALL, percentile._SAMPLE, percentile._SURE
    percentile._SMALL, percentile._SAMPLE = 4, data.draw(st.integers(2, 50))
    percentile._SURE = data.draw(st.sampled_from([0.0, 0.5, 4.0]))
    try:
        values = np.float32(data.draw(st.lists(st.integers(-5, 5), min_size=5, max_size=200)))
        asked = data.draw(st.lists(st.floats(0, 100), min_size=1, max_size=3))
        assert percentiles(values, asked) == np.percentile(values.astype(float), asked).tolist()
        chosen = values[values > -2].astype(float)
        if chosen.size:
            assert percentiles(values, asked, above=-2) == np.percentile(chosen, asked).tolist()
    finally:
        percentile._SMALL, percentile._SAMPLE, percentile._SURE = small, sample, sure
