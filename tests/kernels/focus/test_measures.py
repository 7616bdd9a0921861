"""Laws that every measure of the registry keeps."""

import inspect

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bigstack.errors import InputError
from bigstack.geometry import Tile
from bigstack.kernels.focus import MEASURES, measure

VARIANTS: dict[str, tuple[dict, ...]] = {
    "laplacian": ({"kernel": 1, "window": 1}, {"sigma": 0.7, "window": 4, "noise": 2.0}, {"power": 1.5}),
    "log": ({"blur": 9, "window": 9, "power": 2.0}, {"blur": 1, "kernel": 7}, {"noise": 1.0}),
    "energy": ({"window": 7, "blur": 3, "kernel": 3, "noise": 1.0},),
    "modified_laplacian": ({"step": 2, "sigma": 1.0}, {"window": 6, "power": 2.0, "noise": 1.0}),
    "sml": ({"step": 3, "window": 8}, {"threshold": 5.0}, {"noise": 3.0}),
    "tenengrad": ({"kernel": 7, "window": 1}, {"sigma": 1.3, "noise": 4.0}),
    "sobel": ({"kernel": 5, "sigma": 0.5, "window": 3}, {"noise": 2.0}),
    "brenner": ({"step": 1, "sigma": 0.6, "window": 1}, {"step": 3, "noise": 2.0}),
    "variance": ({"window": 2}, {"window": 12, "noise": 3.0}),
    "rdf": (
        {"radii": ((0, 1), (2, 6)), "weights": (0.5, 2.0), "border": "replicate", "noise": 2.0},
        {"radii": ((2, 5),), "border": "constant", "power": 1.0, "window": 3},
        {"radii": ((2, 6),), "downsample": 2, "power": 1.3},
        {"radii": ((3, 9), (6, 20)), "downsample": 3, "border": "constant"},
        {
            "radii": ((1, 2), (1, 3)),
            "normalize": "mad",
            "statistics": ((3.0, 1.0), (2.0, 0.0)),
        },
        {"normalize": "p99", "statistics": ((100.0,),)},
    ),
    "rdf_surh": ({"inner": 1, "outer": 2, "power": 2.0, "window": 3}, {"noise": 2.0}, {"power": 3.0}),
    "wavelet": (
        {"family": "db3", "levels": 2, "noise": 1.0},
        {"family": "haar", "levels": 3, "power": 1.0, "window": 1},
        {"family": "db2", "power": 2.5},
    ),
    "steerable": ({"order": 2, "sigma": 1.4, "power": 1.0}, {"angles": 12, "power": 3.0, "window": 2}),
    "structure_tensor": ({"sigma": 1.2, "window": 4, "noise": 2.0}, {"window": 1}),
    "eigenvalue": ({"window": 3, "count": 3}, {"window": 7, "count": 2, "normalize": True}),
    "log_energy": (
        {"inner": 0.0, "outer": 1.0},
        {"sigma": 1.0, "noise": 5.0, "outer": 0.0},
        {"sigma": (0.5, 2.0)},
    ),
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
    tile = Tile(*data.draw(rectangles(shape)))
    outer = tile.pad(halo, within=shape, grid=entry.grid(**options))
    np.testing.assert_array_equal(
        entry.function(image[outer.slices], **options)[tile.inside(outer)], whole[tile.slices]
    )


@st.composite
def rectangles(draw, shape):
    y0 = draw(st.integers(0, shape[0] - 1))
    x0 = draw(st.integers(0, shape[1] - 1))
    return y0, draw(st.integers(y0 + 1, shape[0])), x0, draw(st.integers(x0 + 1, shape[1]))


@pytest.mark.parametrize(("name", "options"), CASES)
def test_the_dtype_of_the_container_does_not_matter(name, options):
    # Of blocks, as reducing an image of integers rounds and one of floats does not.
    image = np.kron(picture(np.random.default_rng(1), (10, 13), "uint8"), np.ones((6, 6), np.uint8))
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
    entry = measure(name)
    halo = entry.halo(**options)
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
    # The last taps of a Gaussian or a wavelet round to 0.
    set_to = {key: option.default for key, option in entry.options.items()} | options
    slack = 2 + sum(np.max(set_to.get(key, 0)) for key in ("sigma", "inner", "outer") if name != "rdf_surh")
    assert reach >= halo - slack * options.get("downsample", 1)


@pytest.mark.parametrize("name", MEASURES)
def test_function_and_halo_have_the_same_options_and_defaults(name):
    entry = measure(name)
    for option in inspect.signature(entry.halo_function).parameters.values():
        assert option.default == entry.options[option.name].default
    assert entry.source
    assert "doi" in entry.source
    assert entry.summary
    assert all(option.default is not inspect.Parameter.empty for option in entry.options.values())


SUBTRACTED = [
    (name, options)
    for name, options in CASES
    if "noise" in measure(name).options
    and "normalize" not in options
    and name not in ("structure_tensor", "log_energy")
]


@pytest.mark.parametrize(("name", "options"), SUBTRACTED)
def test_the_noise_level_is_what_white_noise_gives(name, options):
    options = {k: v for k, v in options.items() if k not in ("noise", "threshold")}
    noise = 6.0
    image = (1000 + np.random.default_rng(5).normal(0, noise, (400, 400))).astype(np.float32)
    entry = measure(name)
    inside = (slice(60, -60), slice(60, -60))  # an image's border may have fewer pixels to average
    raw = entry.function(image, **options, noise=0.0)[inside]
    # In an image of far stronger noise hardly any pixel is clipped at 0: the difference is the level.
    strong = entry.function(image * 100, **options).astype(float)
    level = (strong - entry.function(image * 100, **options, noise=noise))[inside].mean()
    assert level == pytest.approx(raw.mean(), rel=0.05)


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


def test_the_structure_tensor_of_noise_is_that_of_no_direction():
    image = (1000 + np.random.default_rng(6).normal(0, 6, (300, 300))).astype(np.float32)
    function = measure("structure_tensor").function
    left = function(image, window=41, noise=6).mean()
    assert left < 0.12 * function(image, window=41).mean()
    ramp = image + 50 * np.arange(300, dtype=np.float32)
    assert function(ramp, window=41, noise=6)[50:-50, 50:-50].mean() == pytest.approx(2500, rel=0.01)


def test_the_logarithm_of_energy_is_that_of_its_ratio_to_noise():
    image = np.random.default_rng(7).normal(0, 6, (300, 300)).astype(np.float32)
    found = measure("log_energy").function(image, noise=6.0, inner=20.0)
    assert found.mean() == pytest.approx(np.log(2), rel=0.03)
    with pytest.raises(InputError, match="noise"):
        measure("log_energy").check({"noise": 0.0})


@pytest.mark.parametrize(
    ("name", "options"),
    [("rdf", {"radii": ((1, 5000),)}), ("energy", {"window": 100_000}), ("log_energy", {"outer": 1e4})],
)
def test_options_that_reach_too_far_are_refused_at_once(name, options):
    with pytest.raises(InputError, match="2048 is the most"):
        measure(name).check(options)
    assert measure("rdf").check({"radii": ((1, 1500),), "normalize": "p99", "statistics": ((1.0,),)})
    with pytest.raises(InputError, match="inner < outer"):
        measure("rdf").check({"radii": ((1500, 1),)})
