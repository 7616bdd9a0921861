"""Batches of images: saved one by one, equal stems kept apart, failures collected."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bigstack.errors import InputError, OutputExistsError, StackError
from bigstack.jobs.detect import detect_focus_regions
from bigstack.jobs.detect_folder import detect_folder, distinct_names, find_images


def image(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    soft = cv2.GaussianBlur(rng.integers(0, 256, (60, 80), np.uint8), (0, 0), 3)
    soft[20:40, 10 + 20 * seed % 40 :][:, :20] = rng.integers(0, 256, (20, 20))
    return soft


@pytest.fixture
def folder(tmp_path) -> Path:
    """Three images, one of them in a subfolder and of equal name, one file that is no image, one damaged."""
    place = tmp_path / "in"
    (place / "sub").mkdir(parents=True)
    for seed, name in enumerate(("a.png", "b.TIF", "sub/a.png")):
        cv2.imwrite(str(place / name), image(seed))
    (place / "notes.txt").write_text("no image")
    (place / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no more")
    return place


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.filterwarnings("ignore:Port")  # of a dashboard that another run has taken
# Tornado drops a connection it no longer needs without closing it, on a machine that is busy.
@pytest.mark.filterwarnings("ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("how", [{}, {"workers": 3}, {"processes": True, "workers": 2}])
def test_every_image_gets_its_own_result_and_a_bad_one_is_told(folder, how):
    seen = []
    found = detect_folder(
        folder, recursive=True, bandwidth=3, progress=lambda *told: seen.append(told), **how
    )
    assert [path.relative_to(folder).as_posix() for path in found.results] == ["a.png", "b.TIF", "sub/a.png"]
    assert [path.name for path in found.failures] == ["broken.jpg"]
    assert "broken.jpg" in next(iter(found.failures.values()))
    for seed, regions in enumerate(found.results.values()):
        alone = detect_focus_regions(image(seed), bandwidth=3)
        np.testing.assert_array_equal(regions["density"], alone["density"])
        assert regions["threshold"] == alone["threshold"]
    assert [told[:2] for told in seen] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert {told[2] for told in seen} == {*found.results, *found.failures}
    assert "1 failed" in "\n".join(found.lines())


def test_results_are_saved_in_the_layout_of_focus_response(folder, tmp_path):
    output = tmp_path / "out"
    found = detect_folder(folder, output=output, save_pictures=True, overlay="focus", bandwidth=3)
    assert found.results == {}
    assert [path.name for path in found.written] == ["a.png", "b.TIF"]
    expected = set()
    for name in ("a", "b"):
        expected |= {
            f"filter_arrays/{name}_filter.npy",
            f"kde_arrays/{name}_kde.npy",
            f"filter_vis/{name}_filter.png",
            f"kde_vis/{name}_kde.png",
            f"overlays/{name}_overlay.png",
        }
    assert files(output) == expected
    regions = detect_focus_regions(image(0), bandwidth=3)
    np.testing.assert_array_equal(np.load(output / "filter_arrays/a_filter.npy"), regions["fused"])
    np.testing.assert_array_equal(np.load(output / "kde_arrays/a_kde.npy"), regions["density"])
    grey = cv2.imread(str(output / "filter_vis/a_filter.png"), cv2.IMREAD_UNCHANGED)
    scaled = regions["fused"] / regions["fused"].max() * 255
    assert grey.ndim == 2
    assert np.abs(grey - scaled).max() < 1.01
    heat = cv2.imread(str(output / "kde_vis/a_kde.png"))
    wanted = cv2.applyColorMap((regions["density"] * 255).astype(np.uint8), cv2.COLORMAP_JET)
    assert (np.abs(heat.astype(int) - wanted) > 4).mean() < 0.01
    with pytest.raises(OutputExistsError, match="9 more exist already"):
        detect_folder(folder, output=output, save_pictures=True, overlay="focus")
    again = detect_folder(folder, output=output, save_arrays=False, overlay="image", overwrite=True)
    assert [path.name for path in again.written[folder / "a.png"]] == ["a_overlay.png"]
    overlay = cv2.imread(str(output / "overlays/a_overlay.png")).astype(float)
    heat = cv2.imread(str(output / "kde_vis/a_kde.png"))
    assert np.corrcoef(overlay[..., 1].ravel(), image(0).ravel())[0, 1] > 0.2
    assert overlay.shape == heat.shape


def test_equal_stems_are_kept_apart(folder, tmp_path):
    cv2.imwrite(str(folder / "b.png"), image(5))
    found = detect_folder(folder, output=tmp_path / "out", recursive=True)
    names = sorted(path.name for path in (tmp_path / "out/kde_arrays").iterdir())
    assert names == ["a_kde.npy", "b.TIF_kde.npy", "b.png_kde.npy", "sub__a_kde.npy"]
    assert len(found.written) == 4


@given(
    st.lists(
        st.builds(
            lambda folders, stem, ending: Path("/", *folders, stem + ending),
            st.lists(st.sampled_from(["a", "A", "x__y", "x", "y"]), max_size=3),
            st.sampled_from(["1", "2", "x__1", "y__1", "1.png"]),
            st.sampled_from([".png", ".PNG", ".jpg"]),
        ),
        unique=True,
        min_size=1,
        max_size=12,
    )
)
def test_names_are_always_distinct_whatever_the_case(paths):
    names = distinct_names(paths)
    assert len({name.lower() for name in names.values()}) == len(paths)
    if len({path.stem.lower() for path in paths}) == len(paths):
        assert all(name == path.stem for path, name in names.items())


def test_images_are_found_by_ending(folder):
    assert [path.name for path in find_images(folder)] == ["a.png", "b.TIF", "broken.jpg"]
    assert [path.name for path in find_images(folder, extensions=["tif"])] == ["b.TIF"]
    assert len(find_images(folder, recursive=True, extensions=[".PNG"])) == 2
    assert find_images([folder / "b.TIF"]) == [folder / "b.TIF"]
    with pytest.raises(StackError, match="recursive"):
        find_images(folder, extensions=["bmp"])
    with pytest.raises(StackError, match="no folder"):
        find_images(folder / "missing")
    with pytest.raises(InputError, match="no images"):
        find_images([])


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"radi": [(1, 3)]}, "did you mean 'radii'"),
        ({"bandwidth": -1}, "bandwidth"),
        ({"overlay": "depth", "output": "out"}, "overlay"),
        ({"save_pictures": True}, "give output"),
        ({"save_arrays": False, "output": "out"}, "nothing would be saved"),
    ],
)
def test_bad_options_are_refused_before_any_work(folder, options, match):
    with pytest.raises(InputError, match=match):
        detect_folder(folder, **options)


def test_what_cannot_be_measured_is_a_failure_of_that_image(tmp_path):
    cv2.imwrite(str(tmp_path / "small.png"), np.zeros((3, 3), np.uint8))
    cv2.imwrite(str(tmp_path / "good.png"), image(1))
    found = detect_folder(tmp_path)
    assert list(found.results) == [tmp_path / "good.png"]
    assert "smaller than the image" in found.failures[tmp_path / "small.png"]
