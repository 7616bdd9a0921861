"""Which files a folder or pattern means."""

import pytest

from bigstack.errors import StackError
from bigstack.io.find import frames_in, is_pattern, matching, natural_key, numbering_gaps

PNG = b"\x89PNG\r\n\x1a\n" + bytes(30)


def touch(folder, *names, data=b"x"):
    for name in names:
        (folder / name).write_bytes(data)


@pytest.mark.parametrize(
    "names",
    [
        ["f1.png", "f2.png", "f10.png", "f100.png"],
        ["1.jpg", "02.jpg", "3.jpg", "10.jpg"],
        ["a.png", "a1b2.png", "a1b10.png", "a2b1.png"],
        ["IMG_9.jpg", "img_10.jpg", "IMG_11.jpg"],
    ],
)
def test_numbers_sort_by_value(names):
    backwards = names[::-1]
    assert sorted(backwards, key=natural_key) == names


def test_equal_but_for_leading_zeros_keeps_one_order():
    assert sorted(["f01", "f1"], key=natural_key) == sorted(["f1", "f01"], key=natural_key)


def test_a_folder_gives_its_frames_and_nothing_else(tmp_path):
    touch(
        tmp_path,
        "f10.jpg",
        "f2.JPG",
        "f1.jpeg",
        "notes.txt",
        "f1.xmp",
        ".hidden.jpg",
        "._f1.jpg",
        "Thumbs.db",
    )
    touch(tmp_path, "f1_thumb.jpg", "result.png")
    (tmp_path / "sub").mkdir()
    touch(tmp_path / "sub", "f3.jpg")
    (tmp_path / "folder.jpg").mkdir()
    frames, others = frames_in(tmp_path)
    assert [path.name for path in frames] == ["f1.jpeg", "f2.JPG", "f10.jpg"]
    assert others == ["f1_thumb.jpg", "result.png"]


def test_thumbs_are_frames_when_there_is_nothing_else(tmp_path):
    touch(tmp_path, "thumb1.jpg", "thumb2.jpg")
    assert len(frames_in(tmp_path)[0]) == 2


def test_files_without_an_ending_are_known_by_their_content(tmp_path):
    touch(tmp_path, "frame2", "frame1", data=PNG)
    touch(tmp_path, "README")
    assert [path.name for path in frames_in(tmp_path)[0]] == ["frame1", "frame2"]


def test_as_many_of_two_kinds_is_a_question(tmp_path):
    touch(tmp_path, "a.jpg", "b.png")
    with pytest.raises(StackError, match=r"1 JPEG and 1 PNG files; say which"):
        frames_in(tmp_path)


def test_a_folder_without_images_is_refused(tmp_path):
    touch(tmp_path, "notes.txt")
    with pytest.raises(StackError, match="holds no images"):
        frames_in(tmp_path)


def test_patterns(tmp_path):
    touch(tmp_path, "f10.jpg", "f9.jpg", "g1.jpg", "odd[1].jpg")
    assert [path.name for path in matching(tmp_path / "f*.jpg")] == ["f9.jpg", "f10.jpg"]
    assert is_pattern(tmp_path / "f*.jpg")
    assert not is_pattern(tmp_path / "odd[1].jpg")
    with pytest.raises(StackError, match="no file matches"):
        matching(tmp_path / "h*.jpg")


@pytest.mark.parametrize(
    ("names", "gaps"),
    [
        (["f1", "f2", "f3"], 0),
        (["f1", "f2", "f4"], 1),
        (["f1", "f3", "f5", "f9"], 1),
        (["f9", "f8", "f6"], 1),
        (["a_01_x1", "a_01_x2", "a_01_x5", "a_01_x6"], 1),
        (["t101112", "t101530", "t102201", "t102210"], 0),
        (["one1", "two2", "three9"], 0),
        (["f1", "f9"], 0),
        (["a", "b", "c"], 0),
    ],
)
def test_gaps_in_the_numbering(names, gaps):
    assert len(numbering_gaps(names)) == gaps
