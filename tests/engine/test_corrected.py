"""Corrected sources: the same bits for any region, in any chain, after a pickle."""

import pickle

import numpy as np
import pytest
from dask.base import tokenize
from hypothesis import given, settings
from hypothesis import strategies as st

from bigstack.engine.corrected import CorrectedSource
from bigstack.errors import InputError
from bigstack.geometry.correction import Balance, Denoise, HotPixels, Vignetting
from bigstack.io.source import Source

SHAPE = (3, 61, 83, 3)
TOPS = {"uint8": 255.0, "uint16": 65535.0, "float32": 1.0}


class Frames(Source):
    """An array, with what was read of it."""

    def __init__(self, array):
        self.array = array
        self.shape, self.dtype, self.chunks = array.shape, array.dtype, (16, 16)
        self.regions = []

    def read(self, z, y, x):
        self.regions.append((z, y, x))
        view = self.array[z, y, x]
        view.flags.writeable = False
        return view

    def valid(self, z, y, x):
        return self.array[z, y, x, 0] > 0

    def __dask_tokenize__(self):
        return ("Frames", tokenize(self.array))


def frames(dtype):
    values = np.random.default_rng(5).random(SHAPE) ** 2 * TOPS[dtype]
    return Frames((values if dtype == "float32" else np.rint(values)).astype(dtype))


def hot(count=40):
    rng = np.random.default_rng(2)
    places = [tuple(int(rng.integers(0, n)) for n in SHAPE[1:]) for _ in range(count)]
    block = [(y, x, 1) for y in range(30, 36) for x in range(40, 46)]  # with windows that must grow
    return HotPixels(SHAPE[1:], (*places, *block, (0, 0, 0), (60, 82, 2)), "median")


def corrections(top):
    return {
        "balance": Balance("rgb", "gamma", top, 1, (((0.8,),) * 3, ((1.0,),) * 3, ((1.2,), (0.9,), (1.4,)))),
        "balance in hls": Balance(
            "hls", "linear", top, 0, (((1.0,),) * 2, ((0.8,), (1.3,)), ((1.1,), (0.9,)))
        ),
        "vignetting": Vignetting("sigmoid", (300.0, 0.2, 30.0), SHAPE[1:3], 0.9, 0.02 * top),
        "hot pixels": hot(),
        "denoise": Denoise((0.1 * top,) * 3, search=5, template=3),
    }


def whole(source):
    return np.stack([source.read(z, slice(0, SHAPE[1]), slice(0, SHAPE[2])) for z in range(SHAPE[0])])


@pytest.mark.parametrize("dtype", TOPS)
@pytest.mark.parametrize("name", corrections(1.0))
@given(data=st.data())
@settings(max_examples=12, deadline=None)
def test_regions_are_cut_from_the_whole(name, dtype, data):
    source = CorrectedSource(frames(dtype), corrections(TOPS[dtype])[name])
    expected = whole(source)
    assert expected.dtype == np.dtype(dtype)
    assert (expected != source.source.array).any()
    y0, x0 = data.draw(st.integers(0, SHAPE[1] - 1)), data.draw(st.integers(0, SHAPE[2] - 1))
    y1, x1 = data.draw(st.integers(y0 + 1, SHAPE[1])), data.draw(st.integers(x0 + 1, SHAPE[2]))
    z = data.draw(st.integers(0, SHAPE[0] - 1))
    np.testing.assert_array_equal(source.read(z, slice(y0, y1), slice(x0, x1)), expected[z, y0:y1, x0:x1])


@pytest.mark.parametrize("dtype", TOPS)
@given(order=st.permutations(list(corrections(1.0))), data=st.data())
@settings(max_examples=10, deadline=None)
def test_a_chain_in_any_order_is_one_correction_after_the_other(dtype, order, data):
    steps = corrections(TOPS[dtype])
    chain, kept = frames(dtype), frames(dtype).array
    for name in order:
        chain = CorrectedSource(chain, steps[name])
        kept = whole(CorrectedSource(Frames(kept), steps[name]))
    y0, x0 = data.draw(st.integers(0, SHAPE[1] - 1)), data.draw(st.integers(0, SHAPE[2] - 1))
    part = chain.read(1, slice(y0, SHAPE[1]), slice(x0, SHAPE[2]))
    np.testing.assert_array_equal(part, kept[1, y0:, x0:])


def test_the_order_matters():
    steps = corrections(255.0)
    one = CorrectedSource(CorrectedSource(frames("uint8"), steps["balance"]), steps["denoise"])
    other = CorrectedSource(CorrectedSource(frames("uint8"), steps["denoise"]), steps["balance"])
    assert (whole(one) != whole(other)).any()
    assert tokenize(one) != tokenize(other)


@pytest.mark.parametrize("name", corrections(1.0))
def test_sources_pickle_and_have_a_token_of_their_pixels(name):
    step = corrections(255.0)[name]
    source = CorrectedSource(frames("uint8"), step)
    before = whole(source)
    again = pickle.loads(pickle.dumps(source))
    np.testing.assert_array_equal(whole(again), before)
    assert tokenize(again) == tokenize(source) == tokenize(CorrectedSource(frames("uint8"), step))
    assert tokenize(source) != tokenize(frames("uint8"))


def test_only_the_halo_is_read_more():
    step = corrections(255.0)["denoise"]
    source = CorrectedSource(frames("uint8"), step)
    source.read(2, slice(20, 30), slice(0, 40))
    assert source.source.regions == [(2, slice(17, 33), slice(0, 43))]
    source = CorrectedSource(frames("uint8"), corrections(255.0)["balance"])
    source.read(2, slice(20, 30), slice(0, 40))
    assert source.source.regions == [(2, slice(20, 30), slice(0, 40))]


def test_validity_is_the_source_s():
    source = CorrectedSource(frames("uint8"), hot())
    assert source.masked
    np.testing.assert_array_equal(
        source.valid(0, slice(3, 9), slice(2, 7)), source.source.valid(0, slice(3, 9), slice(2, 7))
    )


@pytest.mark.parametrize(
    ("correction", "message"),
    [
        (Balance("rgb", "linear", 255.0, 0, (((1.0,),) * 3,) * 4), "for 4 frames, the stack has 3"),
        (Balance("rgb", "linear", 255.0, 0, (((1.0,),) * 2,) * 3), "needs 3 curves"),
        (Vignetting("cos4", (1.0, 0.0), (60, 83)), r"frames \(60, 83\)"),
        (HotPixels((61, 83, 1), ()), r"\(61, 83, 1\)"),
        (Denoise((1.0,)), "noise is given for 1 channels, the stack has 3"),
    ],
)
def test_corrections_of_other_stacks_are_refused(correction, message):
    with pytest.raises(InputError, match=message):
        CorrectedSource(frames("uint8"), correction)
