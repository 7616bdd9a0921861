"""Pruning: what is read, that results keep their bits, and that they hardly differ from the unpruned ones."""

import pickle
from collections import Counter

import cv2
import dask
import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bigstack import fuse
from bigstack.cluster import ThreadExecutor
from bigstack.engine import coarse, prune
from bigstack.engine.layout import Layout
from bigstack.engine.memory import MemorySource
from bigstack.errors import InputError
from bigstack.fusion import METHODS, fuse_by
from bigstack.io.lazy import lazy_array
from bigstack.synthetic import render_stack
from bigstack.synthetic.depths import Ramp

FRAMES = 48


def tilted(side, *, dtype="uint8", noise=0.0, frames=FRAMES, texture="fractal", channels=1):
    """A surface that fills a tenth of z, in the middle of it."""
    low, high = 0.45 * frames, 0.55 * frames
    ramp = Ramp(low, high, (side, side), angle=20)
    return render_stack(
        texture=texture, depth=ramp, shape=(side, side), frames=frames, channels=channels,
        noise=(noise, 0), dtype=dtype, seed=3,
    )  # fmt: skip


class Counted(MemorySource):
    """Frames in memory, in pieces that are counted when they are read."""

    def __init__(self, frames, chunk, whole=False):
        super().__init__(frames)
        self.chunks = frames.shape[1:3] if whole else (chunk, chunk)
        self.read_pieces = Counter()

    def read(self, z, y, x):
        rows = range(y.start // self.chunks[0], -(-y.stop // self.chunks[0]))
        columns = range(x.start // self.chunks[1], -(-x.stop // self.chunks[1]))
        self.read_pieces.update((z, row, column) for row in rows for column in columns)
        return super().read(z, y, x)

    @property
    def reads(self):
        return sum(self.read_pieces.values())


def counted(stack, chunk=128, levels=True, whole=False):
    """The stack in memory; with `levels`, as if it were stored with a smaller copy."""
    source = Counted(np.asarray(stack), chunk, whole)
    if levels:
        source.coarser = {4: Counted(np.stack([coarse.means(frame, 4) for frame in source.frames]), chunk)}
    return source


def stack_of(source):
    return xr.DataArray(lazy_array(source, 256), dims=("z", "y", "x", "channel"))


def both_ways(stack, tile, **how):
    """Images fused from all frames, and from some."""
    return [fuse(stack, tile=tile, prune=prune, **how).image.values for prune in (False, True)]


def rms(first, second):
    return float(np.sqrt(np.mean((first.astype(float) - second) ** 2)))


def pruned_source(frames, **how):
    source = counted(frames, **how)
    return prune.PrunedSource(source, coarse.coarse_of(source))


@pytest.fixture(scope="module")
def surface():
    return np.asarray(tilted(768).stack)


@pytest.fixture
def small_regions(monkeypatch):
    """Regions and cells so small that small images have many."""
    for module in (coarse, prune):
        monkeypatch.setattr(module, "REGION", 256)
    monkeypatch.setattr(prune, "CELL", 64)


@pytest.mark.parametrize("method", ["pyramid", "select", "depth_map"])
def test_a_tilted_surface_is_fused_from_a_third_of_its_chunks(surface, method):
    source = counted(surface, 64)
    plain = fuse(stack_of(source), method=method, tile=768).compute()
    every = source.reads
    source.read_pieces.clear()
    layout = Layout(tile=768)
    pruned = fuse_by(stack_of(source), layout, method=method, prune=True).compute()
    read = source.reads + source.coarser[4].reads
    assert read <= 0.35 * every
    assert (plain.image == pruned.image).mean() >= 0.999
    assert (plain["index"] == pruned["index"]).mean() >= 0.999
    if method == "pyramid":
        assert prune.share_read(layout.pruned) == pytest.approx(read / every, abs=0.03)


def test_a_stack_without_levels_is_looked_at_by_some_of_its_frames(surface):
    source = counted(surface, levels=False)
    plain = fuse(stack_of(source), method="select", tile=768).compute()
    every = source.reads
    source.read_pieces.clear()
    layout = Layout(tile=768)
    pruned = fuse_by(stack_of(source), layout, method="select", prune=True).compute()
    assert source.reads <= 0.6 * every
    assert (plain.image == pruned.image).mean() >= 0.999
    assert prune.share_read(layout.pruned) == pytest.approx(source.reads / every, abs=0.03)


def test_whole_frames_that_no_tile_needs_are_not_read(surface):
    source = counted(surface, levels=False, whole=True)
    pruned = fuse(stack_of(source), tile=768, prune=True).compute()
    plain = fuse(stack_of(counted(surface, levels=False)), tile=768).compute()
    assert len({z for z, _, _ in source.read_pieces}) < 0.7 * FRAMES
    # Frames between two that were looked at are mixed of them: less exact than copies of their own.
    assert (plain.image == pruned.image).mean() >= 0.99
    assert np.abs(plain.image.astype(int) - pruned.image).max() <= 2


def test_kept_copies_are_read_back(surface, tmp_path):
    source = counted(surface, levels=False)
    coarse.PIECES.clear()
    prune._FOUND.clear()
    looked = prune.PrunedSource(source, coarse.MeanCoarse(source, folder=tmp_path / "kept"))
    first = looked.region(0, 0)
    assert list((tmp_path / "kept").iterdir())
    before = source.reads
    coarse.PIECES.clear()
    prune._FOUND.clear()
    again = prune.PrunedSource(source, coarse.MeanCoarse(source, folder=tmp_path / "kept"))
    np.testing.assert_array_equal(again.region(0, 0), first)
    assert source.reads == before


def test_where_nothing_tells_every_frame_is_read():
    for noise in (0.0, 3.0):
        source = counted(tilted(384, texture="flat", noise=noise, frames=16).stack)
        plain = fuse(stack_of(source), tile=384).compute()
        assert plain.image.equals(fuse(stack_of(source), tile=384, prune=True).image.compute())


@pytest.mark.parametrize("texture", ["photo", "patches"])
def test_noise_does_not_make_it_worse(texture):
    scene = tilted(512, texture=texture, noise=2.0)
    truth = scene.truth.image.values
    stack = stack_of(counted(scene.stack))
    plain, pruned = (rms(image, truth) for image in both_ways(stack, 512))
    assert pruned < 1.02 * plain


def test_two_depths_in_one_square_are_both_kept():
    rng = np.random.default_rng(7)
    sharp = rng.integers(60, 200, (256, 256)).astype(np.float32)

    def frame(z):
        near, far = (cv2.GaussianBlur(sharp, (0, 0), 0.01 + 0.7 * abs(z - at)) for at in (6, 33))
        return np.rint(np.where(np.arange(256) < 100, near, far)).astype(np.uint8)

    source = pruned_source(np.stack([frame(z) for z in range(40)])[..., None])
    kept = [z for z in range(40) if source.reads(z, slice(0, 256), slice(0, 256))]
    assert {6, 33} <= set(kept)
    assert not {0, 20, 39} & set(kept)


@given(st.data())
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_tiles_chunks_and_workers_change_no_bit(small_data, data):
    frames, whole = small_data
    method = data.draw(st.sampled_from(["pyramid", "select"]))
    sides = [data.draw(st.integers(60, 300).map(lambda n: 2 * n + 1)) for _ in range(2)]
    levels = data.draw(st.booleans())
    chunk = data.draw(st.sampled_from([64, 100, 128, 333]))
    with dask.config.set(num_workers=data.draw(st.sampled_from([1, 3]))):
        found = fuse(stack_of(counted(frames, chunk, levels)), method=method, tile=tuple(sides), prune=True)
        np.testing.assert_array_equal(found.image.values, whole[method, levels])


@pytest.fixture
def small_data(small_regions):
    global _SMALL
    if _SMALL is None:
        # Sides that are odd, and no multiple of a cell: the smaller copy has a last pixel of its own.
        frames = np.asarray(tilted(603, noise=1.0, frames=24).stack)[:, :, :549]
        whole = {
            (method, levels): fuse(
                stack_of(counted(frames, 512, levels)), method=method, tile=603, prune=True
            ).image.values
            for method in ("pyramid", "select")
            for levels in (True, False)
        }
        _SMALL = frames, whole
    return _SMALL


_SMALL = None


def test_a_region_is_a_crop_of_the_whole(small_data):
    frames, whole = small_data
    found = fuse(stack_of(counted(frames)), tile=128, prune=True).image[101:251, 333:403]
    np.testing.assert_array_equal(found.values, whole["pyramid", True][101:251, 333:403])


def test_reading_any_region_gives_the_bits_of_the_whole(small_data):
    frames, _ = small_data
    source = pruned_source(frames)
    rng = np.random.default_rng(2)
    for z in (0, 9, 12, 23):
        whole = source.read(z, slice(0, 603), slice(0, 549))
        for _ in range(6):
            y, x = (np.sort(rng.choice(size, 2, replace=False)) for size in (603, 549))
            part = source.read(z, slice(*y.tolist()), slice(*x.tolist()))
            np.testing.assert_array_equal(part, whole[y[0] : y[1], x[0] : x[1]])


def test_dtypes_colours_and_holes(surface):
    for dtype, scale in (("uint16", 257), ("float32", 1 / 255)):
        frames = (surface[:, :300, :300].repeat(3, axis=3) * np.float64(scale)).astype(dtype)
        if dtype == "float32":
            frames[3, 100:120, 50:60] = np.nan
        plain, pruned = both_ways(stack_of(counted(frames)), 300)
        assert pruned.dtype == dtype
        assert np.abs(plain.astype(float) - pruned).max() <= 2 * scale


def test_every_method_prunes_or_says_why_not(surface):
    stack = stack_of(counted(surface[:, :256, :256]))
    for method in METHODS:
        if method == "average":
            with pytest.raises(InputError, match="needs every frame"):
                fuse(stack, method=method, prune=True)
            continue
        assert rms(*both_ways(stack, 256, method=method)) < 0.9, method


def test_noise_is_measured_on_frames_and_not_on_their_copies():
    stack = stack_of(counted(tilted(256, noise=3.0).stack))
    assert rms(*both_ways(stack, 256, denoise=1.0)) < 0.8


def test_short_stacks_are_left_alone():
    source = counted(tilted(128, frames=3).stack)
    assert prune.pruned_source(prune.prune(lazy_array(source))) is None


def test_it_pickles_with_what_was_found(surface):
    source = pruned_source(surface)
    prune.survey(source, ThreadExecutor(2))
    again = pickle.loads(pickle.dumps(source))
    assert list(again.found) == [(0, 0)]
    assert dask.base.tokenize(again) == dask.base.tokenize(source)


def test_a_graph_of_any_size_is_built_at_once():
    from bigstack.io.fake import FakeSource

    stack = stack_of(FakeSource((100, 10**5, 10**5, 1), "uint8"))
    assert fuse(stack, prune=True, method="select", tile=8192).image.shape == (10**5, 10**5, 1)
