"""Warped sources: any region the bits of the whole, through files, corrections, crops and pickles."""

import pickle

import numpy as np
import pytest
from dask.base import tokenize
from hypothesis import given, settings
from hypothesis import strategies as st

from bigstack.engine.warped import WarpedSource
from bigstack.errors import InputError
from bigstack.geometry import Tile
from bigstack.geometry.alignment import Alignment, FrameAlignment
from bigstack.geometry.transform import IDENTITY, Transform
from bigstack.io.source import Source
from bigstack.kernels.warp import WarpOptions

SHAPE = (47, 61)


class Frames(Source):
    """Noise in memory, with an area that has no data when `hole` is set."""

    def __init__(self, dtype="uint8", channels=3, hole=False):
        rng = np.random.default_rng(0)
        self.frames = (rng.random((4, *SHAPE, channels)) * 250).astype(dtype)
        self.shape, self.dtype, self.chunks = self.frames.shape, self.frames.dtype, (16, 16)
        self.hole = hole

    def __dask_tokenize__(self):
        return ("Frames", tokenize(self.frames), self.hole)

    def read(self, z, y, x):
        return self.frames[z, y, x]

    @property
    def masked(self):
        return self.hole

    def valid(self, z, y, x):
        if not self.hole:
            return None
        known = np.ones(SHAPE, bool)
        known[10:20, 30:40] = False
        return known[y, x]


def transforms():
    return [
        IDENTITY,
        Transform.similarity(SHAPE, shift=(3.3, -2.2), scale=1.03, rotation=2),
        Transform.similarity(SHAPE, shift=(-5, 1), scale=0.96, rotation=-1),
        Transform.of([[1, 0, 2], [0, 1, 3], [0, 0, 1]]),
    ]


def aligned(dropped=()):
    frames = tuple(FrameAlignment(t, dropped=z in dropped) for z, t in enumerate(transforms()))
    return Alignment(SHAPE, 0, frames)


def every(source):
    height, width = source.shape[1:3]
    whole = slice(0, height), slice(0, width)
    pixels = np.stack([source.read(z, *whole) for z in range(source.shape[0])])
    valid = [source.valid(z, *whole) for z in range(source.shape[0])]
    return pixels, np.stack([np.ones((height, width), bool) if v is None else v for v in valid])


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(["uint8", "uint16", "float32"]),
    st.sampled_from(["linear", "cubic", "lanczos"]),
    st.sampled_from(["constant", "replicate", "replicate-blur", "reflect"]),
    st.booleans(),
    st.data(),
)
def test_any_region_of_any_crop_has_the_bits_of_the_whole(dtype, interpolation, border, hole, data):
    source = Frames(dtype, data.draw(st.sampled_from([1, 3, 5])), hole)
    options = WarpOptions(interpolation, border, 9, 3.0)
    pixels, valid = every(WarpedSource(source, aligned(), options))
    top, left = data.draw(st.integers(0, 30)), data.draw(st.integers(0, 40))
    canvas = Tile(
        top, data.draw(st.integers(top + 1, SHAPE[0])), left, data.draw(st.integers(left + 1, SHAPE[1]))
    )
    cropped = WarpedSource(source, aligned(), options, canvas)
    height, width = canvas.shape
    assert cropped.shape == (4, height, width, source.shape[3])
    y0, x0 = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    y, x = slice(y0, data.draw(st.integers(y0 + 1, height))), slice(x0, data.draw(st.integers(x0 + 1, width)))
    for z in range(4):
        there = slice(top + y.start, top + y.stop), slice(left + x.start, left + x.stop)
        assert np.array_equal(cropped.read(z, y, x), pixels[z][there])
        found = cropped.valid(z, y, x)
        expected = valid[z][there]
        assert np.array_equal(np.ones_like(expected) if found is None else found, expected)


def test_frames_that_do_not_move_are_the_frames_themselves():
    source = Frames()
    pixels, valid = every(WarpedSource(source, aligned()))
    assert np.array_equal(pixels[0], source.frames[0])
    assert valid[0].all()
    assert np.array_equal(pixels[3, :44, :59], source.frames[3, 3:, 2:])
    assert not WarpedSource(source, Alignment.identity(SHAPE, 4)).masked
    assert WarpedSource(source, aligned()).masked


def test_what_a_source_does_not_know_stays_unknown():
    known = every(WarpedSource(Frames(hole=True), aligned()))[1]
    assert not known[0, 10:20, 30:40].any()
    assert known[0].sum() == SHAPE[0] * SHAPE[1] - 100
    for z in (1, 2):
        plain = every(WarpedSource(Frames(), aligned()))[1]
        assert 60 < (plain[z] & ~known[z]).sum() < 220
        assert not (known[z] & ~plain[z]).any()


def test_dropped_frames_are_left_out():
    source = Frames()
    pixels, _ = every(WarpedSource(source, aligned(dropped=(1,))))
    assert pixels.shape[0] == 3
    assert np.array_equal(pixels[1], every(WarpedSource(source, aligned()))[0][2])
    with pytest.raises(InputError, match="drops every frame"):
        WarpedSource(source, aligned(dropped=range(4)))


def test_pickles_and_tokens():
    source = WarpedSource(Frames(), aligned(), WarpOptions("linear"), Tile(3, 40, 5, 50))
    again = pickle.loads(pickle.dumps(source))
    assert np.array_equal(every(again)[0], every(source)[0])
    assert tokenize(again) == tokenize(source)
    others = [
        WarpedSource(Frames(), aligned(), WarpOptions("cubic"), Tile(3, 40, 5, 50)),
        WarpedSource(Frames(), aligned(dropped=(2,)), WarpOptions("linear"), Tile(3, 40, 5, 50)),
        WarpedSource(Frames(), aligned(), WarpOptions("linear"), Tile(3, 40, 5, 51)),
        WarpedSource(Frames("uint16"), aligned(), WarpOptions("linear"), Tile(3, 40, 5, 50)),
    ]
    assert len({tokenize(s) for s in [source, *others]}) == 5


def test_alignments_of_other_stacks_are_refused():
    with pytest.raises(InputError, match="3 frames of 47 x 61 pixels, the stack has 4"):
        WarpedSource(Frames(), Alignment.identity(SHAPE, 3))
    with pytest.raises(InputError, match="estimate it again"):
        WarpedSource(Frames(), Alignment.identity((61, 47), 4))
