"""Runs killed at any moment go on where they were; what is there is never computed twice."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import yaozarrs
import zarr

from bigstack.errors import OutputExistsError, ResumeError, RunError
from bigstack.geometry import Tile, tiles_of
from bigstack.io.record import RunRecord
from bigstack.io.sink import ImageSpec
from bigstack.io.writers import create_sink

SPEC = ImageSpec((96, 80, 1), "uint16")
TILES = list(tiles_of((96, 80), 32, 32))
SCRIPT = """
import sys, time
import numpy as np
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from bigstack.geometry import tiles_of
from bigstack.io.record import RunRecord
from bigstack.io.sink import ImageSpec
from bigstack.io.writers import create_sink

out, log = sys.argv[1:]
image = np.random.default_rng(5).integers(0, 2**16, (320, 256, 2), dtype=np.uint16)
sink = create_sink(out, ImageSpec(image.shape, "uint16"), record=RunRecord.of("stack", [], {}), chunk=16)
sink.open()
done = sink.done_tiles()


def note(*what):
    with open(log, "a") as file:
        file.write(" ".join(map(str, what)) + "\\n")


def work(tile):
    sink.encode(tile, image[tile.slices])
    note(0, tile.y0, tile.x0)
    time.sleep(0.01)


def build(level, tile):
    sink.build_level(level, tile)
    note(level, tile.y0, tile.x0)


with ThreadPoolExecutor(3) as pool:
    list(pool.map(work, [tile for tile in tiles_of((320, 256), 32, 32) if tile not in done]))
    for level in range(1, sink.levels):
        list(pool.map(lambda tile: build(level, tile), sink.level_tasks(level)))
sink.finish()
print("whole")
"""


def record(**parameters):
    return RunRecord.of("stack", [], parameters)


def started(path, image, count, **options):
    """A run that has stored `count` tiles and then let go."""
    sink = create_sink(path, SPEC, chunk=32, **{"record": record(), **options})
    sink.open()
    for tile in TILES[:count]:
        sink.encode(tile, image[tile.slices])
    sink.pause()
    return sink


@pytest.fixture
def image(picture):
    return picture(SPEC.shape, "uint16")


def test_killed_runs_go_on(tmp_path):
    """Real kills at random moments, until a run comes through; all tiles once, but those under way."""
    out, log = tmp_path / "out.ome.zarr", tmp_path / "log"
    moments = random.Random(1)
    kills = 0
    for _ in range(60):
        run = subprocess.Popen([sys.executable, "-c", SCRIPT, str(out), str(log)], stdout=subprocess.PIPE)
        before = log.stat().st_size if log.exists() else 0
        while kills < 5 and run.poll() is None and (log.stat().st_size if log.exists() else 0) == before:
            time.sleep(0.002)
        if kills < 5:
            time.sleep(moments.random() * 0.06)
            run.kill()
            kills += run.poll() is None or run.wait() == -signal.SIGKILL
        if run.communicate()[0] == b"whole\n":
            break
        assert not out.exists()
    assert kills >= 3
    yaozarrs.validate_zarr_store(out)
    expected = np.random.default_rng(5).integers(0, 2**16, (320, 256, 2), dtype=np.uint16)
    np.testing.assert_array_equal(zarr.open_array(out / "0", mode="r")[:], np.moveaxis(expected, -1, 0))
    lines = log.read_text().splitlines()
    assert len(set(lines)) >= 80 + 5 - 3 * kills, "a kill may fall between a mark and the note of it"
    assert len(lines) - len(set(lines)) <= 3 * kills, "no more than what was under way is done again"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["log", "out.ome.zarr"]


def test_an_equal_run_continues(tmp_path, image, write):
    started(tmp_path / "a.zarr", image, 4)
    sink = create_sink(tmp_path / "a.zarr", SPEC, chunk=32, record=record())
    sink.open()
    assert sink.done_tiles() == frozenset(TILES[:4])
    for tile in TILES[4:]:
        sink.encode(tile, image[tile.slices])
    assert len(sink.level_tasks(1)) == 1
    sink.build_level(1, sink.level_tasks(1)[0])
    assert sink.level_tasks(1) == []
    sink.pause()
    sink.open()
    assert sink.level_tasks(1) == [], "levels are continued too"
    sink.build_level(2, sink.level_tasks(2)[0])
    sink.finish()
    np.testing.assert_array_equal(zarr.open_array(sink.path / "0", mode="r")[0], image[..., 0])


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"record": RunRecord.of("stack", [], {"levels": 6})}, "option levels was not given, now 6"),
        ({"chunk": 16}, "option chunk was 32, now 16"),
        ({"version": "0.4"}, "option version was 0.5, now 0.4"),
    ],
)
def test_another_run_is_refused(tmp_path, image, options, why):
    started(tmp_path / "a.zarr", image, 4)
    changed = create_sink(tmp_path / "a.zarr", SPEC, **{"chunk": 32, "record": record(), **options})
    with pytest.raises(ResumeError, match=f"{why}.*--overwrite"):
        changed.open()
    again = create_sink(tmp_path / "a.zarr", SPEC, chunk=32, record=record())
    again.open()
    assert len(again.done_tiles()) == 4, "what the first run did is still there"
    again.abort()


def test_another_image_is_refused(tmp_path, image):
    started(tmp_path / "a.zarr", image, 4)
    other = create_sink(tmp_path / "a.zarr", ImageSpec((96, 81, 1), "uint16"), chunk=32, record=record())
    with pytest.raises(ResumeError, match=r"option shape was \[96, 80, 1\], now \[96, 81, 1\]"):
        other.open()


def test_overwrite_starts_anew_only_for_another_run(tmp_path, image):
    started(tmp_path / "a.zarr", image, 4)
    same = create_sink(tmp_path / "a.zarr", SPEC, chunk=32, record=record(), overwrite=True)
    same.open()
    assert len(same.done_tiles()) == 4
    same.pause()
    other = create_sink(tmp_path / "a.zarr", SPEC, chunk=32, record=record(levels=6), overwrite=True)
    other.open()
    assert other.done_tiles() == frozenset()
    other.abort()


def test_without_a_record_nothing_is_believed(tmp_path, image):
    started(tmp_path / "a.zarr", image, 4, record=None)
    for known in (None, record()):
        sink = create_sink(tmp_path / "a.zarr", SPEC, chunk=32, record=known)
        sink.open()
        assert sink.done_tiles() == frozenset()
        sink.pause()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"folder": "x"}', '{"folder": "x", "record": 3}'])
def test_a_damaged_record_is_refused(tmp_path, image, content):
    started(tmp_path / "a.zarr", image, 4)
    (tmp_path / "a.zarr.partial" / "run.json").write_text(content)
    with pytest.raises(ResumeError, match="start anew with --overwrite"):
        create_sink(tmp_path / "a.zarr", SPEC, chunk=32, record=record()).open()
    sink = create_sink(tmp_path / "a.zarr", SPEC, chunk=32, record=record(), overwrite=True)
    sink.open()
    assert sink.done_tiles() == frozenset()
    sink.abort()


def test_a_record_cannot_point_elsewhere(tmp_path, image):
    started(tmp_path / "a.zarr", image, 4)
    state_file = tmp_path / "a.zarr.partial" / "run.json"
    state = json.loads(state_file.read_text())
    (tmp_path / "elsewhere").mkdir()
    state_file.write_text(json.dumps({**state, "folder": "../elsewhere"}))
    sink = create_sink(tmp_path / "a.zarr", SPEC, chunk=32, record=record())
    sink.open()
    assert sink._root.parent == tmp_path / "a.zarr.partial"
    sink.abort()


def test_a_mark_without_its_chunks_is_not_believed(tmp_path, image):
    """As after a power cut: the mark is there, a chunk is empty or gone."""
    sink = started(tmp_path / "a.zarr", image, 4)
    chunks = sorted((tmp_path / "a.zarr.partial").rglob("image.zarr/0/c/0/0/*"))
    chunks[0].write_bytes(b"")
    chunks[1].unlink()
    sink.open()
    assert sink.done_tiles() == frozenset(TILES[2:4])
    sink.abort()


def test_what_killed_writers_leave_is_swept(tmp_path, image):
    sink = started(tmp_path / "a.zarr", image, len(TILES))
    (rubbish,) = {p.parent for p in (tmp_path / "a.zarr.partial").rglob("image.zarr/0/c/0/0/0")}
    (rubbish / "0.abc.partial").write_bytes(b"half")
    sink.open()
    for level in range(1, sink.levels):
        for tile in sink.level_tasks(level):
            sink.build_level(level, tile)
    sink.finish()
    assert not list(sink.path.rglob("*.partial"))


def test_tasks_of_a_given_up_run_do_no_harm(tmp_path, image):
    """A worker that outlives its driver writes another image into a folder that nobody reads."""
    old = create_sink(tmp_path / "a.zarr", SPEC, chunk=32, record=record())
    old.open()
    old.output.release()
    new = create_sink(tmp_path / "a.zarr", SPEC, chunk=32, record=record(levels=6), overwrite=True)
    new.open()
    for tile in TILES:
        new.encode(tile, image[tile.slices])
    try:
        old.encode(TILES[0], image[TILES[0].slices] + 1)
    except FileNotFoundError:
        pass
    for level in range(1, new.levels):
        for tile in new.level_tasks(level):
            new.build_level(level, tile)
    new.finish()
    np.testing.assert_array_equal(zarr.open_array(new.path / "0", mode="r")[0], image[..., 0])


def test_killed_between_the_last_two_steps(tmp_path, image, monkeypatch):
    """The image has its name, the rest of the unfinished output is still there."""
    sink = started(tmp_path / "a.zarr", image, len(TILES), levels=1)
    sink.open()
    monkeypatch.setattr(sink.output, "clear", lambda: os.kill)
    sink.finish()
    assert (tmp_path / "a.zarr.partial").exists()
    yaozarrs.validate_zarr_store(tmp_path / "a.zarr")
    with pytest.raises(OutputExistsError):
        create_sink(tmp_path / "a.zarr", SPEC, chunk=32, record=record(), levels=1)
    again = create_sink(tmp_path / "a.zarr", SPEC, chunk=32, record=record(), levels=1, overwrite=True)
    again.open()
    assert again.done_tiles() == frozenset(), "its data has moved away"
    again.abort()


def test_two_runs_cannot_write_one_output(tmp_path):
    for name in ("a.zarr", "a.tif"):
        first, second = (create_sink(tmp_path / name, SPEC) for _ in range(2))
        first.open()
        with pytest.raises(RunError, match="another run is writing"):
            second.open()
        first.abort()
        second.open()
        second.abort()
    assert list(tmp_path.iterdir()) == []


def test_a_killed_file_is_started_anew(tmp_path):
    code = (
        "import os, signal, sys, numpy as np; from bigstack.geometry import Tile\n"
        "from bigstack.io.sink import ImageSpec; from bigstack.io.writers import create_sink\n"
        "sink = create_sink(sys.argv[1], ImageSpec((2048, 512, 1), 'uint8')); sink.open()\n"
        "tile = Tile(0, 1024, 0, 512); pixels = np.random.bytes(tile.size)\n"
        "pixels = np.frombuffer(pixels, np.uint8).reshape(1024, 512, 1)\n"
        "sink.put(tile, sink.encode(tile, pixels)); os.kill(os.getpid(), signal.SIGKILL)"
    )
    for suffix in (".tif", ".png", ".jpg", ".npy"):
        out = tmp_path / f"a{suffix}"
        killed = subprocess.run([sys.executable, "-c", code, str(out)], check=False)
        assert killed.returncode == -signal.SIGKILL
        assert not out.exists()
        assert (tmp_path / f"a{suffix}.partial").exists()
        sink = create_sink(out, ImageSpec((8, 8, 1), "uint8"))
        sink.open()
        sink.put(Tile(0, 8, 0, 8), sink.encode(Tile(0, 8, 0, 8), np.zeros((8, 8, 1), np.uint8)))
        sink.finish()
    assert len(list(tmp_path.iterdir())) == 4
