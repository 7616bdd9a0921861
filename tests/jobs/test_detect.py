"""Focus regions of an image in memory: the bits of the lazy functions, figures of focus_response, errors."""

import json

import cv2
import dask.array as da
import numpy as np
import pytest
import xarray as xr

from bigstack.density import focus_density
from bigstack.errors import InputError, StackError
from bigstack.focus import measure_focus
from bigstack.jobs.detect import detect_focus_regions
from bigstack.names import STACK_DIMS


def picture(shape=(150, 190), dtype="uint8", seed=0):
    rng = np.random.default_rng(seed)
    soft = cv2.GaussianBlur(rng.normal(size=shape[:2]), (0, 0), 8)
    sharp = rng.normal(size=shape[:2]) * (soft > 0.02)
    grey = np.clip(0.5 + 4 * soft + 0.1 * sharp, 0, 1)
    grey = grey if len(shape) == 2 else np.stack([grey * share for share in (1, 0.8, 0.5)], axis=-1)
    return (
        grey.astype(np.float32) if dtype == "float32" else np.rint(grey * np.iinfo(dtype).max).astype(dtype)
    )


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"radii": [(1, 3), (2, 7)], "normalize": "mad", "border": "reflect", "bandwidth": 3.5},
        {"radii": [(4, 11)], "downsample": 3, "power": 1.0, "clip_percentile": None, "border": "constant"},
        {"normalize": "none", "include_strength": True, "bandwidth": 40.0, "top_percent": 60.0},
    ],
)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_regions_have_the_bits_of_the_lazy_functions(dtype, options, workers):
    image = picture(dtype=dtype)
    found = detect_focus_regions(image, workers=workers, **options)
    focus_options = {k: v for k, v in options.items() if k in ("radii", "border", "power", "downsample")}
    focus_options["normalize"] = options.get("normalize", "p99")
    stack = xr.DataArray(da.from_array(image[None, ..., None], chunks=(1, 64, 70, 1)), dims=STACK_DIMS)
    focus = measure_focus(stack, method="rdf", tile=75, **focus_options)
    names = ("top_percent", "bandwidth", "include_strength", "clip_percentile")
    density = focus_density(focus, **{k: v for k, v in options.items() if k in names})
    np.testing.assert_array_equal(found["fused"], focus[0])
    np.testing.assert_array_equal(found["density"], density.density[0])
    assert found["threshold"] == float(density.threshold[0])
    for scale, radii in zip(found["individual_maps"], options.get("radii", [(1, 3)]), strict=True):
        alone = {**focus_options, "radii": [radii], "normalize": "none"}
        np.testing.assert_array_equal(scale, measure_focus(stack, method="rdf", **alone)[0])
    assert found["total_time"] >= found["fuse_time"] > 0
    assert found["kde_time"] > 0


@pytest.mark.parametrize("name", ["A_default", "B_multi_mad", "C_const_abs", "D_fft"])
def test_regions_are_focus_response_s_but_for_its_faults(shared, name):
    arrays = np.load(shared / "reference" / "focus_response.npz")
    given = json.loads(str(arrays[f"{name}__params"]))
    found = detect_focus_regions(
        arrays["image"],
        radii=given["radii"],
        power=float(given["power"]),
        normalize=given["normalize"],
        border=given["border_mode"],
        top_percent=given["top_percent"],
        bandwidth=given["bandwidth_px"],
        include_strength=given["include_strength"],
        clip_percentile=None,
    )
    expected = arrays[f"{name}__density"]
    if given["border_mode"] == "constant":
        np.testing.assert_allclose(found["density"], expected, atol=1e-5)
        assert found["threshold"] == pytest.approx(float(arrays[f"{name}__threshold"]), rel=1e-5)
        return
    # Its false focus at the border takes impulses and, with strength, weight from the inside.
    for ours, theirs in zip(found["individual_maps"], (arrays[f"{name}__map0"],), strict=False):
        np.testing.assert_allclose(ours[15:-15, 15:-15], theirs[15:-15, 15:-15], rtol=1e-3, atol=1e-4)
    assert expected[0].mean() > 1.2 * found["density"][0].mean()


def test_colour_is_made_grey_and_paths_are_read(tmp_path):
    image = picture((80, 90, 3))
    cv2.imwrite(str(tmp_path / "image.png"), image[..., ::-1])
    found = detect_focus_regions(tmp_path / "image.png", bandwidth=3)
    grey = detect_focus_regions(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), bandwidth=3)
    np.testing.assert_array_equal(found["density"], grey["density"])
    (tmp_path / "stack").mkdir()
    for z in range(3):
        cv2.imwrite(str(tmp_path / "stack" / f"f{z}.png"), picture((80, 90), seed=z))
    with pytest.raises(InputError, match="stack of 3 frames"):
        detect_focus_regions(tmp_path / "stack")
    second = detect_focus_regions(tmp_path / "stack", frame=1)
    np.testing.assert_array_equal(second["fused"], detect_focus_regions(picture((80, 90), seed=1))["fused"])
    with pytest.raises(StackError):
        detect_focus_regions(tmp_path / "missing.png")


def test_an_image_without_focus_selects_nothing():
    found = detect_focus_regions(np.full((40, 50), 9, np.uint8), normalize="mad", include_strength=True)
    assert found["threshold"] == np.inf
    assert found["density"].max() == found["fused"].max() == 0


@pytest.mark.parametrize(
    ("image", "options", "match"),
    [
        (picture(), {"radi": [(1, 3)]}, "did you mean 'radii'"),
        (picture(), {"radii": [(3, 1)]}, "inner < outer"),
        (picture(), {"radii": [(3, 400)]}, "smaller than the image"),
        (picture(), {"bandwidth": 0}, "bandwidth"),
        (picture(), {"top_percent": 0}, "top_percent"),
        (picture(), {"normalize": "p98"}, "normalization"),
        (picture(), {"border": "wrap"}, "border"),
        (picture(), {"power": -1.0}, "power"),
        (picture(), {"clip_percentile": 0}, "clip_percentile"),
        (picture(), {"downsample": 0}, "downsample"),
        (np.zeros((4, 4, 4, 4), np.uint8), {}, "dims"),
        (np.zeros((40, 40)), {}, "float64"),
        (np.where(np.eye(30) > 0, np.nan, 1).astype(np.float32), {}, "NaN pixels, one at row 0, column 0"),
        (np.where(np.eye(30) > 0, np.inf, 1).astype(np.float32), {}, "infinite pixels, one at row 0"),
    ],
)
def test_bad_input_is_refused(image, options, match):
    with pytest.raises(InputError, match=match):
        detect_focus_regions(image, **options)
