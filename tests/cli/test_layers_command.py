import numpy as np
import pytest
import tifffile
from psdtags import TiffImageSourceData

from bigstack import open_stack
from bigstack.io.metadata import read_metadata


def layers_of(path):
    return TiffImageSourceData.fromtiff(path).layers


def test_frames_and_the_result_are_layers(bigstack, frames, tmp_path):
    assert bigstack("stack", frames, "-o", tmp_path / "fused.tif", "--align", "none", "-q")[0] == 0
    code, said, errors = bigstack(
        "layers", frames, tmp_path / "fused.tif", "-o", tmp_path / "layers.tif", "-v"
    )
    assert code == 0, errors
    assert "6 layers of 301 x 411, uint8" in said
    found = layers_of(tmp_path / "layers.tif")
    assert [layer.name for layer in found] == ["f8", "f9", "f10", "f11", "f12", "fused"]
    np.testing.assert_array_equal(found[5].asarray(), tifffile.imread(tmp_path / "fused.tif"))
    np.testing.assert_array_equal(found[2].asarray(), open_stack(frames)[2].values)


def test_an_alignment_is_applied_to_the_frames(bigstack, shared, tmp_path):
    photos = shared / "data" / "amber_handheld"
    aligned, fused = tmp_path / "alignment.json", tmp_path / "fused.jpg"
    bigstack("stack", photos, "-o", fused, "--save-alignment", aligned, "--crop", "-q")
    code, _, errors = bigstack(
        "layers", photos, fused, "-o", tmp_path / "a.tif", "--alignment", aligned, "--crop", "--hide", "-q"
    )
    assert code == 0, errors
    found = layers_of(tmp_path / "a.tif")
    assert len(found) == 7
    assert found[0].shape == open_stack(fused).shape[1:3]
    difference = np.abs(found[2].asarray()[..., :3].astype(float) - found[6].asarray()[..., :3])
    assert np.median(difference) <= 4, "a frame lies where the result has it"
    assert read_metadata(tmp_path / "a.tif").get("exif")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--crop",), "--crop needs --alignment"),
        (("--bits", "12"), "12"),
        (("--every", "0"), "every"),
    ],
)
def test_bad_use(bigstack, frames, tmp_path, words, text):
    code, _, errors = bigstack("layers", frames, "-o", tmp_path / "a.tif", *words)
    assert code == 2
    assert text in errors
    assert list(tmp_path.iterdir()) == []


def test_an_alignment_of_other_frames(bigstack, frames, tmp_path):
    from bigstack.geometry.alignment import Alignment

    (tmp_path / "a.json").write_text(Alignment.identity((301, 411), 3).to_json())
    code, _, errors = bigstack("layers", frames, "-o", tmp_path / "a.tif", "--alignment", tmp_path / "a.json")
    assert code != 0
    assert "is for 3 frames, and no input has as many (frames0: 5)" in errors
