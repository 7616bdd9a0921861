"""Ring difference filter: against its definition, focus_response's arrays, and its border fault."""

import json
from pathlib import Path

import numpy as np
import pytest

from bigstack.errors import InputError
from bigstack.kernels.focus.rdf import rdf, rdf_halo, rdf_scales, rdf_statistics
from bigstack.kernels.focus.rdf_surh import rdf_surh

MODES = {"reflect": "reflect", "replicate": "edge"}


def by_definition(image, inner, outer, border):
    """Mean of the ring minus mean of the disk, pixel by pixel; ``constant`` counts what is inside."""
    y, x = np.mgrid[-outer : outer + 1, -outer : outer + 1]
    disk = y**2 + x**2 <= inner**2
    ring = (y**2 + x**2 <= outer**2) & ~disk
    values, inside = image.astype(float), np.ones(image.shape)
    if border == "constant":
        values, inside = np.pad(values, outer), np.pad(inside, outer)
    else:
        values, inside = (np.pad(a, outer, mode=MODES[border]) for a in (values, inside))
    result = np.zeros(image.shape)
    for at in np.ndindex(image.shape):
        window = tuple(slice(i, i + 2 * outer + 1) for i in at)
        pixels, counts = values[window], inside[window]
        if counts[ring].sum():
            result[at] = pixels[ring].sum() / counts[ring].sum() - pixels[disk].sum() / counts[disk].sum()
    return result


@pytest.mark.parametrize("border", ["reflect", "replicate", "constant"])
@pytest.mark.parametrize("radii", [(0, 1), (1, 3), (2, 7), (5, 6)])
@pytest.mark.parametrize("shape", [(17, 23), (9, 30), (30, 8)])
def test_maps_are_what_the_definition_says(border, radii, shape):
    rng = np.random.default_rng(0)
    for image in (
        rng.integers(0, 256, shape, np.uint8),
        rng.integers(0, 65536, shape, np.uint16),
        rng.normal(size=shape).astype(np.float32),
    ):
        expected = np.abs(by_definition(image, *radii, border))
        found = rdf_scales(image, [radii], power=1.0, border=border)[0]
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6 * expected.max())
        for power in (2.0, 0.7):
            found = rdf_scales(image, [radii], power=power, border=border)[0]
            np.testing.assert_allclose(found, expected**power, rtol=1e-4, atol=1e-4 * expected.max() ** power)


def test_scales_computed_together_have_the_bits_of_each_alone():
    image = np.random.default_rng(1).normal(size=(50, 60)).astype(np.float32)
    radii = [(1, 3), (2, 5), (3, 7), (1, 7)]
    for pair, together in zip(radii, rdf_scales(image, radii), strict=True):
        np.testing.assert_array_equal(together, rdf_scales(image, [pair])[0])


@pytest.mark.parametrize("radii", [(40, 90), (100, 130)])
def test_large_radii_of_16_bit_images_do_not_overflow(radii):
    image = np.full((40, 40), 65535, np.uint16)
    image[:, 20:] = 0
    found = rdf_scales(image, [radii], power=1.0)[0]
    assert rdf_scales(np.full((40, 40), 65535, np.uint16), [radii])[0].max() == 0
    floats = rdf_scales(image.astype(np.float32), [radii], power=1.0)[0]
    np.testing.assert_allclose(found, floats, rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("border", ["reflect", "replicate", "constant"])
@pytest.mark.parametrize("downsample", [1, 2, 3])
def test_a_constant_image_has_no_focus_up_to_its_border(border, downsample):
    for dtype in ("uint8", "uint16", "float32"):
        image = np.full((61, 47), 100.1 if dtype == "float32" else 100, dtype)
        found = rdf(image, radii=((1, 3), (4, 11)), border=border, downsample=downsample)
        assert found.max() == 0


def reference(shared: Path, name: str):
    arrays = np.load(shared / "reference" / "focus_response.npz")
    given = json.loads(str(arrays[f"{name}__params"]))
    options = {"power": float(given["power"]), "border": given["border_mode"]}
    found = {key.removeprefix(f"{name}__"): arrays[key] for key in arrays.files if key.startswith(name)}
    return arrays["image"], found, given, options


@pytest.mark.parametrize("name", ["A_default", "B_multi_mad", "C_const_abs", "D_fft"])
def test_parity_with_focus_response(shared, name):
    image, expected, given, options = reference(shared, name)
    radii = [tuple(pair) for pair in given["radii"]]
    # Its border fault reaches its percentiles, so normalise by the statistics of its own maps.
    its_maps = [expected[f"map{i}"] for i in range(len(radii))]
    statistics = rdf_statistics(its_maps, given["normalize"])
    fused = rdf(image, radii=radii, normalize=given["normalize"], statistics=statistics, **options)
    edge = 0 if options["border"] == "constant" else rdf_halo(radii=radii)
    inside = (slice(edge, image.shape[0] - edge), slice(edge, image.shape[1] - edge))
    for ours, theirs in zip(rdf_scales(image, radii, **options), its_maps, strict=True):
        assert np.abs(ours - theirs)[inside].max() <= 1e-5 * theirs[inside].max()
    tolerance = 1e-5 if given["normalize"] == "none" else 1e-3
    wanted = expected["fused"]
    assert np.abs(fused - wanted)[inside].max() <= tolerance * wanted[inside].max()


def test_parity_with_focus_response_on_a_reduced_image(shared):
    image, expected, given, options = reference(shared, "E_down2")
    radii = [tuple(pair) for pair in given["radii"]]
    fused = rdf(image, radii=radii, downsample=2, **options)[20:-20, 20:-20]
    theirs = expected["fused"][20:-20, 20:-20]
    # Its maps, and so its percentile, were not kept: one factor is unknown.
    factor = (fused * theirs).sum() / (theirs * theirs).sum()
    assert np.abs(fused / factor - theirs).max() <= 1e-3 * theirs.max()


def test_the_border_has_its_share_of_energy_and_no_more(shared):
    image, expected, _, _ = reference(shared, "A_default")
    share = border_share(rdf(image))
    area = border_share(np.ones(image.shape))
    assert area / 2 < share < area * 2
    assert border_share(expected["map0"]) > 20 * area  # the fault this is about


def border_share(values):
    return 1 - values[3:-3, 3:-3].sum() / values.sum()


def test_normalising_needs_the_whole_image():
    image = np.random.default_rng(2).integers(0, 255, (40, 40), np.uint8)
    with pytest.raises(InputError, match="statistics of the whole image"):
        rdf(image, normalize="p99")
    maps = rdf_scales(image, ((1, 3),))
    p99 = rdf(image, normalize="p99", statistics=rdf_statistics(maps, "p99"))
    assert np.percentile(p99, 99) == pytest.approx(1, rel=1e-5)
    score = rdf(image, normalize="mad", statistics=rdf_statistics(maps, "mad"))
    assert np.median(score) == pytest.approx(0, abs=1e-3)
    assert rdf_statistics(maps, "none") == [()]


def test_an_image_without_focus_has_no_robust_scores():
    image = np.zeros((20, 20), np.uint8)
    statistics = rdf_statistics(rdf_scales(image, ((1, 3),)), "mad")
    assert rdf(image, normalize="mad", statistics=statistics).max() == 0


@pytest.mark.parametrize("image_type", [np.uint8, np.float32])
def test_the_authors_own_kernel(image_type):
    image = np.random.default_rng(4).integers(0, 256, (20, 25, 3)).astype(image_type)
    y, x = np.mgrid[-4:5, -4:5]
    ring = (y**2 + x**2 > 4) & (y**2 + x**2 <= 16)
    padded = np.pad(image.astype(float), ((4, 4), (4, 4), (0, 0)), mode="reflect")
    expected = np.zeros((20, 25, 3))
    for at in np.ndindex(20, 25):
        window = padded[at[0] : at[0] + 9, at[1] : at[1] + 9]
        expected[at] = ring.sum() * image[at].astype(float) - window[ring].sum(axis=0)
    np.testing.assert_allclose(rdf_surh(image), np.sqrt((expected**2).sum(axis=2)), rtol=1e-5)
    np.testing.assert_allclose(rdf_surh(image[..., 0]), np.abs(expected[..., 0]), rtol=1e-5)
    with pytest.raises(InputError, match="one channel"):
        rdf_surh(image, noise=1.0)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"radii": ((3, 1),)}, "inner < outer"),
        ({"radii": ((2, 2),)}, "inner < outer"),
        ({"radii": ((-1, 2),)}, "inner < outer"),
        ({"radii": ((1.5, 3),)}, "whole numbers"),
        ({"radii": ()}, "at least one pair"),
        ({"radii": ((9, 10),), "downsample": 4}, "become"),
        ({"downsample": 0}, "downsample"),
        ({"downsample": 1.5}, "downsample"),
        ({"border": "mirror"}, "border"),
        ({"normalize": "max"}, "normalization"),
        ({"weights": (1.0, 2.0)}, "weights"),
        ({"weights": (-1.0,)}, "weights"),
        ({"power": 0.0}, "power"),
    ],
)
def test_options_out_of_range_are_refused(options, match):
    with pytest.raises(InputError, match=match):
        rdf(np.zeros((10, 10), np.uint8), **options)
