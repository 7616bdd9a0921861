import os

import pytest

from bigstack.errors import ResumeError, StackError
from bigstack.io.record import InputRecord, RunRecord, check_resume, differences


@pytest.fixture
def frames(tmp_path):
    paths = [tmp_path / f"f{i:02}.jpg" for i in range(4)]
    for i, path in enumerate(paths):
        path.write_bytes(bytes([i]) * 100)
        os.utime(path, (1000 + i, 1000 + i))
    return paths


def record(frames, digest=False, **parameters):
    return RunRecord.of("stack", frames, parameters, digest=digest)


def test_an_equal_run_may_continue(frames):
    old = record(frames, levels=5, window=(3, 3))
    check_resume(RunRecord.from_json(old.to_json()), record(frames, levels=5, window=[3, 3]))


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        ({"levels": 5}, {"levels": 6}, "option levels was 5, now 6"),
        ({"align": "none"}, {"align": "auto"}, "option align was none, now auto"),
        ({"levels": 5}, {}, "option levels was 5, now not given"),
        ({}, {"levels": None}, "option levels was not given, now null"),
    ],
)
def test_options_are_named(frames, before, after, text):
    with pytest.raises(ResumeError, match=f"{text}.*--overwrite"):
        check_resume(record(frames, **before), record(frames, **after))


def test_changed_inputs_are_named(frames):
    old = record(frames)
    frames[0].write_bytes(b"longer than it was" * 10)
    os.utime(frames[1], (5000, 5000))
    frames[2].unlink()
    new_frame = frames[0].with_name("f99.jpg")
    new_frame.write_bytes(b"new")
    assert list(differences(old, record([*frames[:2], frames[3], new_frame]))) == [
        "input f00.jpg has changed since (100 bytes then, 180 now)",
        "input f01.jpg has changed since (newer or older file)",
        "input f02.jpg is not among the inputs now",
        "input f99.jpg is new",
    ]


def test_order_counts(frames):
    assert list(differences(record(frames), record(frames[::-1]))) == ["the inputs come in another order"]


def test_content_can_count_instead_of_time(frames):
    old = record(frames, digest=True)
    os.utime(frames[1], (5000, 5000))
    check_resume(old, record(frames, digest=True))
    frames[1].write_bytes(b"\xff" * 100)
    assert list(differences(old, record(frames, digest=True))) == [
        "input f01.jpg has changed since (other content)"
    ]


def test_versions_count(frames):
    old = record(frames)
    other = RunRecord(old.kind, old.inputs, old.parameters, {**old.versions, "bigstack": "0.0.9"})
    with pytest.raises(ResumeError, match=r"version of bigstack was 0\.0\.9, now"):
        check_resume(other, old)
    assert {"bigstack", "numpy"} <= set(old.versions)


def test_commands_differ(frames):
    assert list(differences(RunRecord("stack"), RunRecord("convert"))) == ["it was 'stack', now 'convert'"]


def test_long_lists_are_cut(frames):
    old = record([], **{f"option{i}": i for i in range(30)})
    with pytest.raises(ResumeError, match="and 20 more"):
        check_resume(old, record([]))


def test_folders_are_inputs_too(tmp_path):
    chunk = tmp_path / "a.zarr" / "0" / "c"
    chunk.mkdir(parents=True)
    (chunk / "0").write_bytes(b"abc")
    first, coded = InputRecord.of(tmp_path / "a.zarr"), InputRecord.of(tmp_path / "a.zarr", digest=True)
    assert first.size == 3
    assert first.change(InputRecord.of(tmp_path / "a.zarr")) is None
    (chunk / "0").rename(chunk / "1")
    assert first.change(InputRecord.of(tmp_path / "a.zarr")) is None, "sizes and times alone cannot tell"
    assert coded.change(InputRecord.of(tmp_path / "a.zarr", digest=True)) == "other content"
    (chunk / "0").write_bytes(b"")
    assert first.change(InputRecord.of(tmp_path / "a.zarr")) == "newer or older file"


def test_missing_inputs_are_named(tmp_path):
    with pytest.raises(StackError, match=r"cannot read .*f\.jpg"):
        InputRecord.of(tmp_path / "f.jpg")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"inputs": [{"x": 1}]}', '{"inputs": 3}', "3"])
def test_rubbish_is_no_record(text):
    with pytest.raises(ResumeError, match="start anew with --overwrite"):
        RunRecord.from_json(text)
