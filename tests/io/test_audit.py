"""Bad frames are named before any pixel is decoded, each with what is wrong and what to do."""

import os
import time

import cv2
import numpy as np
import pytest
import tifffile

from bigstack.errors import StackError
from bigstack.io.lazy import source_of
from bigstack.io.open import open_stack

FORMATS = ("jpg", "png", "webp", "bmp", "tif")


def write_frames(folder, ending="jpg", count=5, shape=(40, 60, 3), dtype=np.uint8):
    rng = np.random.default_rng(0)
    for i in range(count):
        pixels = rng.integers(0, np.iinfo(dtype).max, shape).astype(dtype)
        if ending == "tif":
            tifffile.imwrite(folder / f"f{i}.tif", pixels, photometric="rgb" if shape[2] == 3 else None)
        else:
            assert cv2.imwrite(str(folder / f"f{i}.{ending}"), pixels)
    return folder


def refused(folder, *texts, **options):
    with pytest.raises(StackError) as caught:
        open_stack(folder, **options)
    for text in texts:
        assert text in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("ending", FORMATS)
def test_whole_frames_pass(tmp_path, ending):
    stack = open_stack(write_frames(tmp_path, ending))
    assert stack.sizes["z"] == 5
    assert stack.attrs["audit"]["skipped"] == []
    assert stack.attrs["audit"]["warnings"] == []


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("kept", [0.1, 0.5, 0.98])
def test_a_truncated_frame_is_named(tmp_path, ending, kept):
    write_frames(tmp_path, ending)
    path = tmp_path / f"f3.{ending}"
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
    message = refused(tmp_path, f"1 of 5 frames of {tmp_path} cannot be used", f"  f3.{ending}: truncated")
    assert "copy it again" in message
    assert "skip_bad=True (--skip-bad)" in message


@pytest.mark.parametrize("ending", FORMATS)
def test_an_empty_frame_is_named(tmp_path, ending):
    write_frames(tmp_path, ending)
    (tmp_path / f"f3.{ending}").write_bytes(b"")
    refused(tmp_path, f"f3.{ending}: truncated: the file is empty")


def test_what_is_no_image_is_named(tmp_path):
    write_frames(tmp_path)
    (tmp_path / "f2.jpg").write_text("<html>not found</html>")
    (tmp_path / "f4.jpg").write_bytes(b"\0\0\0\x18ftypheic" + bytes(100))
    message = refused(tmp_path, "f2.jpg: not an image;", "f4.jpg: not an image that is read: HEIF or AVIF")
    assert message.startswith("2 of 5 frames")


def test_a_missing_frame_of_a_list_is_named(tmp_path):
    write_frames(tmp_path)
    paths = [tmp_path / f"f{i}.jpg" for i in (0, 1, 7)]
    refused(paths, "f7.jpg: missing: there is no such file")
    assert open_stack(paths, skip_bad=True).sizes["z"] == 2


@pytest.mark.parametrize("ending", ["jpg", "png", "tif"])
def test_other_size_or_channels_are_named_with_what_the_others_are(tmp_path, ending):
    write_frames(tmp_path, ending)
    other = tmp_path / "other"
    other.mkdir()
    write_frames(other, ending, count=1, shape=(30, 60, 3))
    (other / f"f0.{ending}").rename(tmp_path / f"f0.{ending}")
    grey = tmp_path / "grey"
    grey.mkdir()
    write_frames(grey, ending, count=1, shape=(40, 60, 1))
    (grey / f"f0.{ending}").rename(tmp_path / f"f9.{ending}")
    refused(
        tmp_path,
        f"f0.{ending}: 60 x 30 uint8 RGB, the others are 60 x 40 uint8 RGB",
        f"f9.{ending}: 60 x 40 uint8 grey, the others are 60 x 40 uint8 RGB",
    )


def test_other_dtype_is_named(tmp_path):
    write_frames(tmp_path, "png")
    cv2.imwrite(str(tmp_path / "f1.png"), np.ones((40, 60, 3), np.uint16))
    refused(tmp_path, "f1.png: 60 x 40 uint16 RGB, the others are 60 x 40 uint8 RGB")


@pytest.mark.parametrize("ending", FORMATS)
def test_duplicates_are_named(tmp_path, ending):
    write_frames(tmp_path, ending)
    (tmp_path / f"f4.{ending}").write_bytes((tmp_path / f"f1.{ending}").read_bytes())
    refused(tmp_path, f"f4.{ending}: duplicate: the same content as f1.{ending}; remove it")


def test_files_that_differ_only_outside_the_sampled_parts_are_no_duplicates(tmp_path):
    pixels = np.zeros((500, 1000, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "f0.bmp"), pixels)
    pixels[120, 500] = 1
    cv2.imwrite(str(tmp_path / "f1.bmp"), pixels)
    assert open_stack(tmp_path).sizes["z"] == 2


def test_skip_bad_leaves_frames_out_and_says_so(tmp_path):
    write_frames(tmp_path, "png", count=6)
    whole = source_of(open_stack(tmp_path).data)
    (tmp_path / "f1.png").write_bytes(b"no image")
    (tmp_path / "f4.png").write_bytes((tmp_path / "f0.png").read_bytes())
    stack = open_stack(tmp_path, skip_bad=True, z=0.5)
    everything = slice(0, 40), slice(0, 60)
    for i, number in enumerate((0, 2, 3, 5)):
        np.testing.assert_array_equal(
            source_of(stack.data).read(i, *everything), whole.read(number, *everything)
        )
    assert stack.z.values.tolist() == [0.0, 1.0, 1.5, 2.5]
    skipped = stack.attrs["audit"]["skipped"]
    assert [(entry["frame"], entry["name"]) for entry in skipped] == [(1, "f1.png"), (4, "f4.png")]
    assert stack.attrs["audit"]["frames"] == 4
    positions = [0.0, 0.1, 0.3, 0.6, 1.0, 1.5]
    assert open_stack(tmp_path, skip_bad=True, z=positions).z.values.tolist() == [0.0, 0.3, 0.6, 1.5]


def test_a_stack_of_bad_frames_is_refused_even_when_bad_ones_may_be_skipped(tmp_path):
    for i in range(3):
        (tmp_path / f"f{i}.jpg").write_bytes(b"no image")
    refused(tmp_path, "3 of 3 frames", skip_bad=True)


def test_a_gap_in_the_numbering_is_a_warning(tmp_path):
    write_frames(tmp_path)
    (tmp_path / "f2.jpg").unlink()
    assert open_stack(tmp_path).attrs["audit"]["warnings"] == ["no frame between f1.jpg and f3.jpg"]


def test_other_images_in_the_folder_are_a_warning(tmp_path):
    write_frames(tmp_path)
    cv2.imwrite(str(tmp_path / "fused.png"), np.ones((4, 4), np.uint8))
    (warning,) = open_stack(tmp_path).attrs["audit"]["warnings"]
    assert warning == "1 images of another kind are not part of the stack: fused.png"


def test_a_wrong_ending_does_not_matter(tmp_path):
    write_frames(tmp_path, "png")
    truth = source_of(open_stack(tmp_path).data).read(2, slice(0, 40), slice(0, 60))
    for i in range(5):
        (tmp_path / f"f{i}.png").rename(tmp_path / f"f{i}.jpg")
    stack = open_stack(tmp_path)
    np.testing.assert_array_equal(source_of(stack.data).read(2, slice(0, 40), slice(0, 60)), truth)


def test_a_frame_that_cannot_be_opened_is_named(tmp_path):
    write_frames(tmp_path)
    (tmp_path / "f2.jpg").unlink()
    (tmp_path / "f2.jpg").symlink_to(tmp_path / "nowhere")
    paths = sorted(tmp_path.iterdir())
    refused(paths, "f2.jpg: missing")


def test_data_after_the_image_is_allowed(tmp_path):
    """Phones put videos and maps behind a JPEG."""
    write_frames(tmp_path)
    for i in range(5):
        with (tmp_path / f"f{i}.jpg").open("ab") as file:
            file.write(bytes([i]) * 100_000)
    assert open_stack(tmp_path).sizes["z"] == 5


def test_a_frame_damaged_inside_is_named_when_it_is_read(tmp_path):
    write_frames(tmp_path, "png")
    path = tmp_path / "f2.png"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    source = source_of(open_stack(tmp_path).data)
    source.read(1, slice(0, 4), slice(0, 4))
    with pytest.raises(StackError, match=r"f2\.png is damaged"):
        source.read(2, slice(0, 4), slice(0, 4))


def test_a_frame_that_was_replaced_since_is_named_when_it_is_read(tmp_path):
    write_frames(tmp_path, "png")
    source = source_of(open_stack(tmp_path).data)
    cv2.imwrite(str(tmp_path / "f2.png"), np.ones((8, 8, 3), np.uint8))
    with pytest.raises(StackError, match=r"f2\.png"):
        source.read(2, slice(0, 4), slice(0, 4))


def test_five_hundred_frames_are_audited_within_a_second(tmp_path):
    write_frames(tmp_path, count=1, shape=(200, 300, 3))
    data = (tmp_path / "f0.jpg").read_bytes()
    for i in range(500):
        (tmp_path / f"f{i}.jpg").write_bytes(data[:2] + b"\xff\xfe\0\x06%04d" % i + data[2:])
    open_stack([tmp_path / "f0.jpg", tmp_path / "f1.jpg"])
    start = time.process_time()
    stack = open_stack(tmp_path)
    assert time.process_time() - start < 1.0
    assert stack.sizes["z"] == 500


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="the superuser may read everything")
def test_a_frame_without_permission_is_named(tmp_path):
    write_frames(tmp_path)
    (tmp_path / "f2.jpg").chmod(0)
    refused(tmp_path, "f2.jpg: cannot be read")
