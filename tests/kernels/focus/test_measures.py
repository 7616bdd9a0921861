"""Laws that every measure of the registry keeps."""

import inspect

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bigstack.errors import InputError
from bigstack.kernels.focus import MEASURES, measure

VARIANTS = {
    "laplacian": ({"kernel": 1, "window": 1}, {"sigma": 0.7, "window": 4, "noise": 2.0}, {"power": 1.5}),
    "log": ({"blur": 9, "window": 9, "power": 2.0}, {"blur": 1, "kernel": 7}, {"noise": 1.0}),
    "modified_laplacian": ({"step": 2, "sigma": 1.0}, {"window": 6, "power": 2.0, "noise": 1.0}),
    "sml": ({"step": 3, "window": 8}, {"threshold": 5.0}, {"noise": 3.0}),
    "tenengrad": ({"kernel": 7, "window": 1}, {"sigma": 1.3, "noise": 4.0}),
}
CASES = [(name, options) for name in MEASURES for options in ({}, *VARIANTS[name])]
DTYPES = ("uint8", "uint16", "float32")


def picture(rng: np.random.Generator, shape: tuple[int, int], dtype: str) -> np.ndarray:
    if dtype == "float32":
        return (rng.normal(size=shape) * 10.0 ** rng.integers(-3, 4)).astype(dtype)
    return rng.integers(0, np.iinfo(dtype).max + 1, shape, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("name", "options"), CASES)
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_a_padded_window_gives_the_bits_of_the_whole_image(name, options, dtype, data):
    entry = measure(name)
    halo = entry.halo(**options)
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    shape = data.draw(st.tuples(st.integers(2, 90), st.integers(2, 150)))
    image = picture(rng, shape, dtype)
    whole = entry.function(image, **options)
    assert whole.dtype == np.float32
    assert whole.shape == image.shape
    assert whole.min() >= 0
    y0, y1, x0, x1 = data.draw(rectangles(shape))
    top, left = max(0, y0 - halo), max(0, x0 - halo)
    window = image[top : y1 + halo, left : x1 + halo]
    tile = entry.function(window, **options)[y0 - top : y1 - top, x0 - left : x1 - left]
    np.testing.assert_array_equal(tile, whole[y0:y1, x0:x1])


@st.composite
def rectangles(draw, shape):
    y0 = draw(st.integers(0, shape[0] - 1))
    x0 = draw(st.integers(0, shape[1] - 1))
    return y0, draw(st.integers(y0 + 1, shape[0])), x0, draw(st.integers(x0 + 1, shape[1]))


@pytest.mark.parametrize(("name", "options"), CASES)
def test_the_dtype_of_the_container_does_not_matter(name, options):
    image = picture(np.random.default_rng(1), (40, 51), "uint8")
    results = [measure(name).function(image.astype(dtype), **options) for dtype in DTYPES]
    for result in results[1:]:
        np.testing.assert_allclose(result, results[0], rtol=2e-5, atol=1e-6 * results[0].max())


@pytest.mark.parametrize("value", [0, 1, 137, 255])
@pytest.mark.parametrize(("name", "options"), CASES)
def test_a_constant_image_has_no_focus(name, options, value):
    for dtype in DTYPES:
        assert measure(name).function(np.full((23, 31), value, dtype), **options).max() == 0
    assert measure(name).function(np.full((23, 31), value * 1.1, np.float32), **options).max() == 0


@pytest.mark.parametrize(("name", "options"), CASES)
def test_the_halo_is_not_larger_than_needed_by_more_than_a_few_pixels(name, options):
    halo = measure(name).halo(**options)
    size = 2 * halo + 5
    rng = np.random.default_rng(3)
    image = picture(rng, (size, size), "uint8")
    other = image.copy()
    other[halo + 2, halo + 2] ^= 255
    changed = np.argwhere(
        measure(name).function(image, **options) != measure(name).function(other, **options)
    )
    reach = np.abs(changed - (halo + 2)).max()
    assert reach <= halo
    # A Gaussian's last taps may round to 0.
    assert reach >= halo - 1 - round(options.get("sigma", 0))


@pytest.mark.parametrize("name", MEASURES)
def test_function_and_halo_have_the_same_options_and_defaults(name):
    entry = measure(name)
    for option in inspect.signature(entry.halo_function).parameters.values():
        assert option.default == entry.options[option.name].default
    assert entry.source
    assert "doi" in entry.source
    assert entry.summary
    assert all(option.default is not inspect.Parameter.empty for option in entry.options.values())


@pytest.mark.parametrize(("name", "options"), [c for c in CASES if "noise" in measure(c[0]).options])
def test_the_noise_level_is_what_white_noise_gives(name, options):
    options = {k: v for k, v in options.items() if k not in ("noise", "threshold")}
    noise = 6.0
    image = (1000 + np.random.default_rng(5).normal(0, noise, (400, 400))).astype(np.float32)
    entry = measure(name)
    raw = entry.function(image, **options, noise=0.0)
    # In an image of far stronger noise hardly any pixel is clipped at 0: the difference is the level.
    strong = entry.function(image * 100, **options).astype(float)
    level = (strong - entry.function(image * 100, **options, noise=noise)).mean()
    assert level == pytest.approx(raw.mean(), rel=0.03)


def test_unknown_names_and_options_are_refused_with_the_closest_match():
    with pytest.raises(InputError, match="did you mean 'tenengrad'"):
        measure("tenengrat")
    with pytest.raises(InputError, match="did you mean 'window'"):
        measure("sml").check({"windw": 3})
    with pytest.raises(InputError, match="window"):
        measure("sml").check({"window": 0})


def test_bound_measures_are_functions_of_grey_alone():
    image = picture(np.random.default_rng(2), (20, 20), "uint8")
    bound = measure("log").bind(window=3)
    np.testing.assert_array_equal(bound(image), measure("log").function(image, window=3))
