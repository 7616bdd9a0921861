"""Storing tile by tile: order, resume, failures."""

import cv2
import dask.array as da
import numpy as np
import pytest

from bigstack.cluster import ThreadExecutor
from bigstack.engine.store import store
from bigstack.errors import InputError
from bigstack.geometry import Tile
from bigstack.io.sink import ImageSpec, Sink

IMAGE = np.arange(60 * 90 * 2, dtype=np.uint16).reshape(60, 90, 2)


class Memory(Sink):
    """Keeps an image in memory, and what was done in which order."""

    def __init__(self, done=(), fail=None, multiple=(1, 1)):
        self.spec = ImageSpec(IMAGE.shape, "uint16")
        self.pixels = np.zeros(IMAGE.shape, np.uint16)
        self.done, self.fail, self.multiple = frozenset(done), fail, multiple
        self.encoded, self.order = [], []

    def open(self):
        pass

    def encode(self, tile, pixels):
        if tile == self.fail:
            raise OSError("disk on fire")
        self.encoded.append(tile)
        return pixels.copy()

    def put(self, tile, encoded):
        self.order.append(tile)
        self.pixels[tile.slices] = encoded

    def done_tiles(self):
        return self.done

    def finish(self):
        pass

    def abort(self):
        pass


@pytest.mark.parametrize("workers", [1, 4])
def test_tiles_arrive_whole_and_in_order(workers):
    sink = Memory()
    store([da.from_array(IMAGE, chunks=(20, 30, 2))], [sink], ThreadExecutor(workers))
    assert np.array_equal(sink.pixels, IMAGE)
    assert sink.order == sorted(sink.order)


def test_tiles_of_an_earlier_run_are_not_computed_again():
    kept = Tile(20, 40, 30, 60)
    computed = []

    def note(block, block_info=None):
        computed.append(block_info[0]["chunk-location"])
        return block

    array = da.from_array(IMAGE, chunks=(20, 30, 2)).map_blocks(note, dtype=IMAGE.dtype)
    sink = Memory(done=[kept])
    computed.clear()
    progress = store([array], [sink], ThreadExecutor(2))
    assert (1, 1, 0) not in computed
    assert len(computed) == 8
    assert (progress.total, progress.done, progress.skipped) == (8, 8, 1)


def test_a_failing_tile_fails_the_run():
    sink = Memory(fail=Tile(20, 40, 30, 60))
    with pytest.raises(OSError, match="on fire"):
        store([da.from_array(IMAGE, chunks=(20, 30, 2))], [sink], ThreadExecutor(2))
    assert Tile(20, 40, 30, 60) not in sink.order


def test_tiles_that_would_share_a_chunk_are_refused():
    array = da.from_array(IMAGE, chunks=(20, 30, 2))
    with pytest.raises(InputError, match="multiple of 16"):
        store([array], [Memory(multiple=(16, 1))], ThreadExecutor(1))


def test_outputs_share_one_pass():
    runs = []

    def note(block):
        runs.append(1)
        return block

    array = da.from_array(IMAGE, chunks=(20, 30, 2)).map_blocks(note, dtype=IMAGE.dtype, meta=IMAGE[:0, :0])
    runs.clear()
    store([array, array + 1], [Memory(), Memory()], ThreadExecutor(2))
    assert len(runs) == 9


def test_progress_reaches_the_end():
    shares = []
    store(
        [da.from_array(IMAGE, chunks=(20, 30, 2))],
        [Memory()],
        ThreadExecutor(2),
        watch=lambda progress: shares.append(progress.share),
    )
    assert shares == sorted(shares)
    assert shares[-1] == 1


@pytest.mark.parametrize(("name", "held"), [("a.npy", 0), ("a.png", 3)])
def test_tiles_wait_for_those_before_them_only_where_the_format_needs_it(tmp_path, name, held):
    from bigstack.engine.store import Progress, _Delivery
    from bigstack.geometry import tiles_of
    from bigstack.io.sink import ImageSpec
    from bigstack.io.writers import create_sink

    pixels = np.arange(64 * 32, dtype=np.uint8).reshape(64, 32, 1)
    sink = create_sink(tmp_path / name, ImageSpec((64, 32, 1), "uint8"))
    tiles = list(tiles_of((64, 32), 16, 32))
    sink.open()
    deliver = _Delivery([sink], tiles, Progress(total=len(tiles), pixels=pixels.size))
    for number in (3, 2, 1):
        deliver(number, [sink.encode(tiles[number], pixels[tiles[number].slices])])
    assert len(deliver.waiting) == held
    deliver(0, [sink.encode(tiles[0], pixels[tiles[0].slices])])
    sink.finish()
    found = (
        np.load(tmp_path / name)
        if name.endswith("npy")
        else cv2.imread(str(tmp_path / name), cv2.IMREAD_UNCHANGED)
    )
    np.testing.assert_array_equal(found, pixels[..., 0])
