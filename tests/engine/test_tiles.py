"""The engine under folds whose right answer is plain: halos, grids, order of frames, ways of reading."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import cloudpickle
import dask
import dask.array as da
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from bigstack.engine.combine import combine
from bigstack.engine.sources import ArraySource, BlockSource, MappedSource, as_source, is_persisted
from bigstack.engine.tile_work import even_split
from bigstack.engine.tiles import map_overlap
from bigstack.errors import InputError
from bigstack.geometry import Tile
from bigstack.io.lazy import lazy_array
from bigstack.io.scratch import Scratch
from bigstack.io.source import Source
from bigstack.kernels.fold import Output, Window

HALO, GRID = 3, 4


class Held(Source):
    """Frames in memory; makes a note of every region it reads."""

    def __init__(self, frames: np.ndarray, valid: np.ndarray | None = None) -> None:
        self.frames = frames
        self.mask = valid
        self.shape = frames.shape
        self.dtype = frames.dtype
        self.chunks = (16, 16)
        self.reads: list[tuple] = []

    def __dask_tokenize__(self) -> object:
        return ("Held", self.frames, self.mask)

    def read(self, z: int, y: slice, x: slice) -> np.ndarray:
        self.reads.append((z, y, x))
        return self.frames[z, y, x]

    def valid(self, z: int, y: slice, x: slice) -> np.ndarray | None:
        return None if self.mask is None else self.mask[z, y, x]


@dataclass(frozen=True)
class Sums:
    """Weighted sums over z of box sums of real pixels, which pixels outside of the halo would spoil."""

    halo: int = HALO
    grid: int = GRID

    @property
    def outputs(self) -> Mapping[str, Output]:
        return {
            "sum": Output(("y", "x", "channel"), "int64"),
            "order": Output(("y", "x"), "int64"),
            "sampled": Output(("z", "y", "x", "channel"), None, self.grid),
            "kept": Output(()),
        }

    def merges(self, dtype: np.dtype) -> bool:
        return True

    def bytes_per_pixel(self, frames: int, channels: int, dtype: np.dtype) -> tuple[float, float]:
        return 8, 8

    def start(self, window: Window, out: Mapping[str, np.ndarray]) -> dict[str, Any]:
        return {"window": window, "sum": 0, "order": [], "out": out}

    def add(self, state: dict, frame: np.ndarray, z: int, valid: np.ndarray | None, work: dict) -> None:
        window = state["window"]
        assert frame.shape == (*window.shape, window.channels)
        assert z in window.frames
        values = frame.astype(np.int64) * (1 if valid is None else valid[..., None])
        state["sum"] = state["sum"] + boxes(values, self.halo) * (z + 1)
        state["order"] = [*state["order"], z]
        state["out"]["sampled"][z - window.frames.start] = frame[:: self.grid, :: self.grid][
            window.reduce(self.grid)
        ]

    def merge(self, early: dict, late: dict) -> dict:
        return {**early, "sum": early["sum"] + late["sum"], "order": early["order"] + late["order"]}

    def finish(self, state: dict) -> dict[str, Any]:
        core = state["window"].core
        assert state["order"] == sorted(state["order"])
        shape = state["sum"][core].shape[:2]
        return {
            "sum": state["sum"][core],
            "order": np.full(shape, len(state["order"])),
            "kept": [state["sum"]],
        }


def boxes(values: np.ndarray, halo: int) -> np.ndarray:
    """Sums over squares; whole numbers far below 2**53, so exact whatever the order."""
    ones = np.ones(2 * halo + 1)
    rows = ndimage.correlate1d(values.astype(float), ones, axis=0, mode="mirror")
    return ndimage.correlate1d(rows, ones, axis=1, mode="mirror").astype(np.int64)


def expected_sum(frames: np.ndarray, valid: np.ndarray | None = None) -> np.ndarray:
    real = 1 if valid is None else valid[..., None]
    values = frames.astype(np.int64) * real
    return sum(boxes(frame, HALO) * (z + 1) for z, frame in enumerate(values))


def random_frames(seed: int, shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 65536, shape, np.uint16)


@st.composite
def pieces(draw, size: int, most: int = 5) -> tuple[int, ...]:
    cuts = draw(st.sets(st.integers(1, size - 1), max_size=most - 1)) if size > 1 else set()
    return tuple(np.diff([0, *sorted(cuts), size]).tolist())


@st.composite
def cases(draw) -> dict[str, Any]:
    shape = (
        draw(st.integers(1, 6)),
        draw(st.integers(1, 90)),
        draw(st.integers(1, 90)),
        draw(st.integers(1, 3)),
    )
    return {
        "frames": random_frames(draw(st.integers(0, 99)), shape),
        "tile": (draw(pieces(shape[1])), draw(pieces(shape[2]))),
        "z_block": draw(st.none() | st.integers(1, shape[0])),
        "sub_tile": draw(st.none() | st.integers(1, 40)),
        "chunks": tuple(draw(pieces(size, 3)) for size in shape),
    }


def read_by(way: str, frames: np.ndarray, chunks: Any) -> da.Array:
    if way == "source":
        return lazy_array(Held(frames), tile=32)
    array = da.from_array(frames, chunks=chunks)
    return array.persist(scheduler="synchronous") if way == "persisted" else array.map_blocks(np.copy)


def compute(*arrays: da.Array) -> tuple[np.ndarray, ...]:
    return dask.compute(*arrays, scheduler="synchronous")


@pytest.mark.parametrize("way", ["source", "persisted", "graph"])
@settings(max_examples=25, deadline=None)
@given(case=cases(), on_disk=st.booleans())
def test_tiles_blocks_and_halos_add_up_to_the_whole(way, case, on_disk):
    frames = case["frames"]
    with tempfile.TemporaryDirectory() as folder:
        tiles = map_overlap(
            Sums(),
            read_by(way, frames, case["chunks"]),
            tile=case["tile"],
            z_block=case["z_block"],
            sub_tile=case["sub_tile"],
            scratch=Scratch(folder) if on_disk else None,
        )
        outputs = [tiles.output(name) for name in ("sum", "order", "sampled")]
        total, order, sampled = compute(*outputs)
    assert outputs[0].chunks[:2] == case["tile"]
    for array, value in zip(outputs, (total, order, sampled), strict=True):
        assert array.dtype == value.dtype
        assert array.shape == value.shape
    np.testing.assert_array_equal(total, expected_sum(frames))
    assert (order == len(frames)).all()
    np.testing.assert_array_equal(sampled, frames[:, ::GRID, ::GRID])


def add_up(pieces: list[np.ndarray], coarse: np.ndarray) -> np.ndarray:
    """What the first pass kept, and the coarse pixel above each."""
    kept = pieces[0]
    large = coarse.repeat(GRID, axis=0).repeat(GRID, axis=1)[: kept.shape[0], : kept.shape[1]]
    return kept + large


@settings(max_examples=40, deadline=None)
@given(case=cases(), coarse_chunks=st.data(), on_disk=st.booleans())
def test_a_second_pass_meets_the_coarse_image_at_the_right_place(case, coarse_chunks, on_disk):
    frames = case["frames"]
    small = frames[0, ::GRID, ::GRID].astype(np.int64) * 1000
    chunks = tuple(coarse_chunks.draw(pieces(size)) for size in small.shape[:2])
    with tempfile.TemporaryDirectory() as folder:
        tiles = map_overlap(
            Sums(),
            lazy_array(Held(frames)),
            tile=case["tile"],
            z_block=case["z_block"],
            sub_tile=case["sub_tile"],
            scratch=Scratch(folder) if on_disk else None,
        )
        coarse = da.from_array(small, chunks=(*chunks, -1))
        (found,) = compute(combine(add_up, tiles, "kept", coarse, dtype=np.dtype("int64")))
    large = small.repeat(GRID, axis=0).repeat(GRID, axis=1)[: frames.shape[1], : frames.shape[2]]
    np.testing.assert_array_equal(found, expected_sum(frames) + large)


@settings(max_examples=25, deadline=None)
@given(case=cases(), seed=st.integers(0, 99))
def test_validity_comes_with_its_region(case, seed):
    frames = case["frames"]
    valid = np.random.default_rng(seed).random(frames.shape[:3]) < 0.8
    stack = lazy_array(Held(frames, valid))
    tiles = map_overlap(Sums(), stack, tile=case["tile"], z_block=case["z_block"], sub_tile=case["sub_tile"])
    np.testing.assert_array_equal(compute(tiles.output("sum"))[0], expected_sum(frames, valid))
    # The same from blocks, whose validity is an array beside them.
    blocks = da.from_array(frames, chunks=(*case["chunks"][:3], -1))
    masks = da.from_array(valid, chunks=case["chunks"][:3])
    tiles = map_overlap(Sums(), blocks, tile=case["tile"], z_block=case["z_block"], depend=True, valid=masks)
    np.testing.assert_array_equal(compute(tiles.output("sum"))[0], expected_sum(frames, valid))


@dataclass(frozen=True)
class Where(Sums):
    """Checks that padded tiles start on the grid; frames hold their pixels' row and column."""

    def add(self, state: dict, frame: np.ndarray, z: int, valid: np.ndarray | None, work: dict) -> None:
        window = state["window"]
        assert (frame[0, 0] % self.grid == 0).all()
        core = frame[window.core]
        height, width = frame[-1, -1] - frame[0, 0] + 1
        assert (height, width) == window.shape
        above, left = core[0, 0] - frame[0, 0]
        assert above >= self.halo or frame[0, 0, 0] == 0
        assert left >= self.halo or frame[0, 0, 1] == 0
        super().add(state, frame, z, valid, work)


@settings(max_examples=25, deadline=None)
@given(case=cases())
def test_padded_tiles_start_on_the_grid_and_have_their_halo(case):
    frames = np.stack(np.indices(case["frames"].shape[1:3]), axis=-1)[None].astype(np.uint16)
    tiles = map_overlap(Where(), lazy_array(Held(frames)), tile=case["tile"], sub_tile=case["sub_tile"])
    compute(tiles.output("sum"))


def test_one_pass_gives_all_outputs_and_a_region_reads_its_tiles_only():
    source = Held(random_frames(0, (3, 80, 80, 1)))
    tiles = map_overlap(Sums(), lazy_array(source), tile=20)
    compute(*(tiles.output(name) for name in ("sum", "order", "sampled")))
    assert len(source.reads) == 16 * 3
    source.reads.clear()
    compute(tiles.output("sum")[25:35, 45:55])
    assert [z for z, _, _ in source.reads] == [0, 1, 2]
    assert {(y.start, y.stop, x.start, x.stop) for _, y, x in source.reads} == {(16, 44, 36, 64)}


def test_scratch_is_not_computed_again(tmp_path):
    frames = random_frames(0, (3, 60, 60, 1))
    first, second = Held(frames), Held(frames)
    outputs = []
    for source in (first, second):
        tiles = map_overlap(Sums(), lazy_array(source), tile=20, scratch=Scratch(tmp_path))
        outputs.append(compute(tiles.output("sum"), tiles.output("sampled")))
    assert len(first.reads) == 27
    assert not second.reads
    for one, other in zip(*outputs, strict=True):
        np.testing.assert_array_equal(one, other)
    other = Held(frames + np.uint16(1))
    tiles = map_overlap(Sums(), lazy_array(other), tile=20, scratch=Scratch(tmp_path))
    np.testing.assert_array_equal(compute(tiles.output("sum"))[0], expected_sum(other.frames))


class Failing(Held):
    """Breaks off at one read."""

    fail_at = 7

    def read(self, z: int, y: slice, x: slice) -> np.ndarray:
        if len(self.reads) == self.fail_at:
            raise OSError("the disk is gone")
        return super().read(z, y, x)


def test_a_broken_run_leaves_nothing_that_the_next_believes(tmp_path):
    frames = random_frames(0, (3, 60, 60, 1))
    source = Failing(frames)
    for _ in range(2):
        source.reads.clear()
        tiles = map_overlap(Sums(), lazy_array(source), tile=20, scratch=Scratch(tmp_path))
        try:
            (found,) = compute(tiles.output("sum"))
        except OSError:
            assert len([entry for entry in tmp_path.iterdir() if not entry.name.startswith(".")]) == 2
            source.fail_at = -1
    np.testing.assert_array_equal(found, expected_sum(frames))
    # Two of nine tiles were done before.
    assert len(source.reads) == 7 * 3


def test_names_tell_what_is_computed():
    stack = lazy_array(Held(random_frames(0, (3, 60, 60, 1))))
    same = lazy_array(Held(random_frames(0, (3, 60, 60, 1))))
    other = lazy_array(Held(random_frames(1, (3, 60, 60, 1))))
    name = map_overlap(Sums(), stack, tile=20).name
    assert map_overlap(Sums(), same, tile=20).name == name
    assert map_overlap(Sums(), other, tile=20).name != name
    assert map_overlap(Sums(halo=4), stack, tile=20).name != name
    assert map_overlap(Sums(), stack, tile=30).name != name


def test_a_graph_is_as_small_as_its_description_and_survives_a_journey():
    frames = random_frames(0, (3, 64, 64, 1))
    small = map_overlap(Sums(), lazy_array(Held(frames)), tile=32).output("sum")
    large = map_overlap(Sums(), lazy_array(Held(frames)), tile=1).output("sum")
    sizes = [len(cloudpickle.dumps(array)) for array in (small, large)]
    assert sizes[1] < sizes[0] + 2000
    np.testing.assert_array_equal(
        compute(cloudpickle.loads(cloudpickle.dumps(small)))[0], expected_sum(frames)
    )


def test_float_sums_are_not_cut_along_z():
    @dataclass(frozen=True)
    class Ordered(Sums):
        def merges(self, dtype: np.dtype) -> bool:
            return dtype.kind != "f"

    frames = random_frames(0, (4, 20, 20, 1))
    assert map_overlap(Ordered(), lazy_array(Held(frames)), z_block=1).blocks_of_z == (1, 1, 1, 1)
    assert map_overlap(Ordered(), lazy_array(Held(frames.astype("float32"))), z_block=1).blocks_of_z == (4,)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tile": 0}, "at least 1 pixel"),
        ({"tile": (5, -2)}, "at least 1 pixel"),
        ({"tile": ((20, 21), (40,))}, "add up to 41, the image has 40"),
        ({"tile": ((0, 40), (40,))}, "at least 1 pixel"),
        ({"z_block": 0}, "at least 1 frame"),
    ],
)
def test_tiles_that_cannot_be_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        map_overlap(Sums(), lazy_array(Held(random_frames(0, (3, 40, 40, 1)))), **options)


@settings(max_examples=60, deadline=None)
@given(
    y=st.tuples(st.integers(0, 50), st.integers(1, 90)),
    x=st.tuples(st.integers(0, 50), st.integers(1, 90)),
    side=st.none() | st.integers(1, 100),
    grid=st.sampled_from([1, 4, 8]),
)
def test_an_even_split_covers_the_tile_once(y, x, side, grid):
    tile = Tile(y[0], sum(y), x[0], sum(x))
    covered = np.zeros((150, 150), int)
    for piece in even_split(tile, side, grid):
        covered[piece.slices] += 1
        assert side is None or max(piece.shape) <= max(2 * side, grid)
    assert (covered[tile.slices] == 1).all()
    assert covered.sum() == tile.size


@settings(max_examples=40, deadline=None)
@given(case=cases(), data=st.data())
def test_every_way_of_reading_gives_the_region(case, data):
    frames = case["frames"]
    y, x = (
        slice(start := data.draw(st.integers(0, size - 1)), data.draw(st.integers(start + 1, size)))
        for size in frames.shape[1:3]
    )
    z = data.draw(st.integers(0, len(frames) - 1))
    lazy = da.from_array(frames, chunks=case["chunks"])
    held = {
        at: frames[
            tuple(slice(sum(c[:i]), sum(c[: i + 1])) for c, i in zip(case["chunks"], at, strict=False))
        ]
        for at in product(*(range(len(c)) for c in case["chunks"][:3]))
    }
    whole_channels = (*case["chunks"][:3], (frames.shape[3],))
    sources = (
        as_source(lazy_array(Held(frames))),
        as_source(lazy.map_blocks(np.copy)),
        cloudpickle.loads(cloudpickle.dumps(ArraySource(lazy))),
        BlockSource(held, whole_channels, frames.dtype),
    )
    for source in sources:
        np.testing.assert_array_equal(source.read(z, y, x), frames[z, y, x])
        assert source.valid(z, y, x) is None


def blurred(pixels: np.ndarray) -> np.ndarray:
    return boxes(pixels, 2).astype(np.uint16)


@settings(max_examples=30, deadline=None)
@given(case=cases(), data=st.data(), grid=st.sampled_from([1, 4]))
def test_a_mapped_source_has_its_kernel_s_halo(case, data, grid):
    frames = case["frames"] // 25
    mapped = MappedSource(
        Held(frames), blurred, halo=2, dtype=np.dtype("uint16"), channels=frames.shape[3], grid=grid
    )
    y, x = (
        slice(start := data.draw(st.integers(0, size - 1)), data.draw(st.integers(start + 1, size)))
        for size in frames.shape[1:3]
    )
    np.testing.assert_array_equal(mapped.read(0, y, x), blurred(frames[0])[y, x])


def test_a_mapped_source_is_masked_where_its_source_is():
    frames = random_frames(0, (2, 9, 9, 1))
    valid = np.zeros((2, 9, 9), bool)
    for source, masked in ((Held(frames, valid), True), (as_source(da.from_array(frames)), False)):
        mapped = MappedSource(source, blurred, halo=2, dtype=np.dtype("uint16"), channels=1)
        assert mapped.masked is masked
    assert (
        not MappedSource(Held(frames, valid), blurred, halo=2, dtype=np.dtype("uint16"), channels=1)
        .valid(0, slice(2, 4), slice(3, 8))
        .any()
    )


def test_only_arrays_whose_blocks_are_there_count_as_persisted():
    array = da.from_array(random_frames(0, (2, 9, 9, 1)), chunks=(1, 4, 4, 1))
    assert is_persisted(array.persist())
    assert not is_persisted(array.map_blocks(np.copy))
    assert not is_persisted(array.persist()[:, :4])
    assert not is_persisted(lazy_array(Held(random_frames(0, (2, 9, 9, 1)))))


def test_frames_of_one_chunk_are_computed_once():
    calls = []

    def copied(block: np.ndarray) -> np.ndarray:
        calls.append(block.shape)
        return block.copy()

    array = da.from_array(random_frames(0, (6, 20, 20, 1)), chunks=(3, 20, 20, 1)).map_blocks(
        copied, dtype=np.uint16, meta=np.empty((0, 0, 0, 0), np.uint16)
    )
    compute(map_overlap(Sums(), array).output("sum"))
    assert calls == [(3, 20, 20, 1)] * 2


@dataclass(frozen=True)
class Told(Sums):
    """Sums that go through the frames twice, with a number of the whole stack and an image of their tile."""

    factor: int = 0
    rounds: int = 2

    def merges(self, dtype: np.dtype) -> bool:
        return False

    def told(self, value: float) -> "Told":
        return Told(self.halo, self.grid, int(value))

    def start(self, window: Window, out: Mapping[str, np.ndarray]) -> dict[str, Any]:
        return {**super().start(window, out), "image": out["image"].copy(), "round": 0}

    def turn(self, state: dict) -> None:
        assert state["order"] == list(state["window"].frames)
        state.update(round=1, order=[], sum=0)

    def add(self, state: dict, frame: np.ndarray, z: int, valid: np.ndarray | None, work: dict) -> None:
        super().add(state, frame, z, valid, work)
        if state["round"]:
            state["image"] = state["image"] + self.factor * frame[state["window"].core].astype(np.int64)

    def finish(self, state: dict) -> dict[str, Any]:
        return {**super().finish(state), "sum": state["image"]}


@settings(max_examples=40, deadline=None)
@given(case=cases(), way=st.sampled_from(["source", "persisted", "graph"]))
def test_a_fold_goes_through_the_frames_again_with_what_it_is_told_and_given(case, way):
    frames, tile = case["frames"], case["tile"]
    image = np.arange(frames[0].size).reshape(frames.shape[1:])
    stack = read_by(way, frames, case["chunks"])
    given = da.from_array(image, chunks=(*tile, -1))
    tiles = map_overlap(
        Told(),
        stack,
        tile=tile,
        z_block=case["z_block"],
        sub_tile=case["sub_tile"],
        known=da.from_array(np.array(3.0)) + 0,
        given={"image": given},
    )
    (found,) = compute(tiles.output("sum"))
    np.testing.assert_array_equal(found, image + 3 * frames.astype(np.int64).sum(axis=0))
