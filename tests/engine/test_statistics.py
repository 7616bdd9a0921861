import doctest
import math
import pickle
from fractions import Fraction

import dask
import dask.array as da
import numpy as np
import pytest
from distributed import Client, LocalCluster
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from bigstack.engine import quantiles as orders
from bigstack.engine import recompute, reduction, statistics
from bigstack.errors import InputError
from bigstack.kernels import tally

QUICK = settings(deadline=None, max_examples=80)
BIG = float(np.finfo(np.float32).max)
TINY = float(np.finfo(np.float32).smallest_subnormal)
finite = st.one_of(
    st.floats(width=32, allow_nan=False, allow_infinity=False),
    st.sampled_from([0.0, -0.0, 1.0, -1.0, BIG, -BIG, TINY, -TINY, 0.5]),
)
percents = st.one_of(
    st.sampled_from([0, 1, 25, 50, 75, 99, 99.5, 100]), st.floats(0, 100, allow_subnormal=False)
)


@st.composite
def chunked(draw, dtypes=("uint8", "uint16", "float32"), elements=finite):
    """Pixels, and the same as a dask array of random chunks, empty ones and one-pixel ones included."""
    dtype = draw(st.sampled_from(dtypes))
    shape = draw(npst.array_shapes(max_dims=4, max_side=9, min_side=0))
    kind = {} if dtype != "float32" else {"elements": elements}
    pixels = draw(npst.arrays(dtype, shape, **kind))
    return pixels, da.from_array(pixels, chunks=draw(chunks_of(shape)))


@st.composite
def chunks_of(draw, shape):
    chunks = []
    for size in shape:
        cuts = sorted(draw(st.lists(st.integers(0, size), max_size=3)))
        chunks.append(tuple(np.diff([0, *cuts, size]).tolist()))
    return tuple(chunks)


@st.composite
def selected(draw, **how):
    """The same with a mask and a threshold, and the pixels that they leave."""
    pixels, array = draw(chunked(**how))
    where = draw(st.none() | npst.arrays(bool, pixels.shape))
    above = draw(st.none() | st.sampled_from([0, -1, 0.5, 3, 250]))
    keep = np.ones(pixels.shape, bool) if where is None else where
    if above is not None:
        keep = keep & (pixels > above)
    mask = None if where is None else da.from_array(where, chunks=draw(chunks_of(pixels.shape)))
    return array, {"where": mask, "above": above}, pixels[keep]


def value(lazy):
    return lazy.compute(scheduler="synchronous")


def same(found, expected):
    """Equal to the bit, any NaN equal to any other; a zero is never negative."""
    found, expected = np.asarray(found), np.asarray(expected, np.float64)
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == np.float64
    assert not np.signbit(found[found == 0]).any()


def true_variance(pixels, ddof=0):
    values = [Fraction(v) for v in pixels.tolist()]
    if len(values) <= ddof:
        return math.nan
    centre = sum(values, Fraction(0)) / len(values)
    found = sum(((v - centre) ** 2 for v in values), Fraction(0)) / (len(values) - ddof)
    return found.numerator / found.denominator


def true_mean(pixels):
    found = sum(map(Fraction, pixels.tolist()), Fraction(0)) / len(pixels)
    return found.numerator / found.denominator


@QUICK
@given(selected())
def test_counts_extremes_and_moments_are_exact(case):
    array, how, pixels = case
    names = ["count", "minimum", "maximum", "total", "mean", "variance"]
    found = dict(
        zip(names, dask.compute(*(getattr(statistics, n)(array, **how) for n in names)), strict=True)
    )
    assert found["count"] == pixels.size
    same(found["minimum"], pixels.min() if pixels.size else math.nan)
    same(found["maximum"], pixels.max() if pixels.size else math.nan)
    same(found["total"], math.fsum(pixels.tolist()))
    same(found["mean"], true_mean(pixels) if pixels.size else math.nan)
    same(found["variance"], true_variance(pixels))
    same(value(statistics.variance(array, ddof=1, **how)), true_variance(pixels, 1))


@QUICK
@given(selected(), st.lists(percents, min_size=1, max_size=5))
def test_percentiles_are_those_of_numpy_in_float64(case, q):
    array, how, pixels = case
    found = value(statistics.percentile(array, q, **how))
    one = value(statistics.percentile(array, q[0], **how))
    if not pixels.size:
        same(found, np.full(len(q), math.nan))
        same(one, math.nan)
        return
    # numpy gives either zero where both are there
    expected = np.percentile(pixels.astype(np.float64), q) + 0.0
    same(found, expected)
    same(one, expected[0])


@QUICK
@given(selected())
def test_median_and_mad_are_those_of_numpy(case):
    array, how, pixels = case
    wide = pixels.astype(np.float64)
    found = value(statistics.median(array, **how))
    deviation = value(statistics.mad(array, **how))
    if not pixels.size:
        same(found, math.nan)
        same(deviation, math.nan)
        return
    same(found, np.median(wide) + 0.0)
    with np.errstate(over="ignore"):
        centre = np.float32(np.median(wide)) if pixels.dtype == np.float32 else np.median(wide)
        away = np.abs(pixels - centre)
        assert away.dtype == (np.float32 if pixels.dtype == np.float32 else np.float64)
    if np.isfinite(away).all():
        same(deviation, np.median(away.astype(np.float64)))


@QUICK
@given(chunked(elements=st.floats(width=32)), percents)
@example((np.float32([np.inf, np.inf]), da.from_array(np.float32([np.inf, np.inf]), chunks=1)), 50)
@example((np.float32([-np.inf, np.inf]), da.from_array(np.float32([-np.inf, np.inf]), chunks=1)), 50)
def test_infinities_and_nan(case, q):
    pixels, array = case
    assume(pixels.size)
    found = {
        name: value(getattr(statistics, name)(array))
        for name in ("minimum", "maximum", "total", "mean", "median", "mad", "variance", "count_nan")
    }
    at = value(statistics.percentile(array, q))
    assert found["count_nan"] == np.isnan(pixels).sum()
    if found["count_nan"]:
        assert all(math.isnan(found[name]) for name in found if name != "count_nan")
        assert math.isnan(at)
        return
    wide = np.sort(pixels.ravel().astype(np.float64))
    same(found["minimum"], wide[0] + 0.0)
    same(found["maximum"], wide[-1] + 0.0)
    with np.errstate(invalid="ignore"):
        same(found["total"], wide.sum() if np.isinf(wide).any() else math.fsum(wide.tolist()))
        same(found["median"], np.median(wide) + 0.0)
    assert math.isnan(found["variance"]) == bool(np.isinf(wide).any())
    place = (wide.size - 1) * (q / 100)
    low, high = wide[math.floor(place)], wide[math.ceil(place)]
    assert math.isnan(at) if low == -high and np.isinf(low) and low != high else low <= at <= high


def test_nan_is_not_above_anything_but_spoils_an_unrestricted_statistic():
    array = da.from_array(np.float32([np.nan, 1, 3, -1]), chunks=3)
    assert value(statistics.median(array, above=0)) == 2
    assert math.isnan(value(statistics.median(array)))
    assert value(statistics.count_nan(array)) == 1
    assert value(statistics.count_nan(array, where=array == 1)) == 0


def test_infinite_pixels():
    array = da.from_array(np.float32([1, np.inf, np.inf]), chunks=2)
    assert value(statistics.percentile(array, [0, 25, 50, 75, 100])).tolist() == [1, *[math.inf] * 4]
    assert value(statistics.mean(array)) == math.inf
    assert math.isnan(value(statistics.mad(array)))  # inf - inf, as in numpy
    assert value(statistics.total(-array)) == -math.inf


@QUICK
@given(chunked(dtypes=("float32",)), st.integers(1, 7), st.floats(-100, 100), st.floats(1e-3, 1e4))
def test_histograms_of_floats_are_those_of_numpy(case, bins, low, width):
    pixels, array = case
    counts, edges = statistics.histogram(array, bins=bins, range=(low, low + width))
    expected, expected_edges = np.histogram(pixels.astype(np.float64), bins, (low, low + width))
    np.testing.assert_array_equal(value(counts), expected)
    np.testing.assert_array_equal(edges, expected_edges)
    assert counts.dtype == np.int64
    counts, _ = statistics.histogram(array, bins=edges.tolist())
    np.testing.assert_array_equal(value(counts), np.histogram(pixels.astype(np.float64), edges)[0])


@settings(QUICK, max_examples=30)
@given(selected(dtypes=("uint8", "uint16")), st.integers(1, 300))
def test_histograms_of_integers(case, bins):
    array, how, pixels = case
    values = np.iinfo(array.dtype).max + 1
    counts, edges = statistics.histogram(array, **how)
    np.testing.assert_array_equal(value(counts), np.bincount(pixels, minlength=values))
    np.testing.assert_array_equal(edges, np.arange(values + 1))
    counts, _ = statistics.histogram(array, bins=bins, range=(3, 200), **how)
    np.testing.assert_array_equal(value(counts), np.histogram(pixels, bins, (3, 200))[0])
    counts, _ = statistics.histogram(array, bins=[0, 7.5, 9, values], **how)
    np.testing.assert_array_equal(value(counts), np.histogram(pixels, [0, 7.5, 9, values])[0])


def test_more_quantiles_than_one_pass_finds():
    pixels = np.random.default_rng(0).normal(size=(60, 70)).astype(np.float32)
    q = np.linspace(0, 100, 2 * orders.QUANTILES + 5)
    found = value(statistics.percentile(da.from_array(pixels, chunks=(17, 23)), q))
    same(found, np.percentile(pixels.astype(np.float64), q))


def test_blocks_of_several_pieces():
    rng = np.random.default_rng(1)
    pixels = (rng.normal(size=(700, 601)) * np.exp2(rng.integers(-60, 60, (700, 601)))).astype(np.float32)
    for array in (da.from_array(pixels, chunks=-1), da.from_array(pixels, chunks=(350, 67))):
        same(
            value(statistics.percentile(array, [0.1, 50, 99.9])),
            np.percentile(pixels.astype("f8"), [0.1, 50, 99.9]),
        )
        same(value(statistics.mean(array)), true_mean(pixels.ravel()))
        same(value(statistics.total(array)), math.fsum(pixels.ravel().tolist()))


def everything(array, where):
    """All statistics as one graph."""
    return [
        statistics.count(array),
        statistics.minimum(array, where=where),
        statistics.maximum(array),
        statistics.total(array, above=0),
        statistics.mean(array),
        statistics.variance(array, where=where),
        statistics.histogram(array, bins=9, range=(-3, 3))[0],
        statistics.percentile(array, [0, 12.5, 50, 99], above=0.25, where=where),
        statistics.median(array),
        statistics.mad(array, above=-1),
    ]


def bits(values):
    return [np.asarray(value).tobytes() for value in values]


@pytest.fixture(scope="module")
def client():
    with (
        LocalCluster(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        yield client


def test_every_scheduler_and_chunking_gives_the_same_bits(client):
    rng = np.random.default_rng(2)
    pixels = (rng.normal(size=(3, 61, 47)) ** 3).astype(np.float32)
    mask = rng.random((61, 47)) < 0.7
    results = []
    for chunks in ((1, 20, 47), (3, 7, 13), -1):
        array = da.from_array(pixels, chunks=chunks) * np.float32(1.5)
        graph = everything(array, da.from_array(mask, chunks=30))
        results += [bits(dask.compute(*graph, scheduler=how)) for how in ("threads", "synchronous", client)]
        held = everything(client.persist(array), mask)
        results.append(bits(client.compute(held, sync=True)))
        loaded = pickle.loads(pickle.dumps(graph))
        results.append(bits(dask.compute(*loaded, scheduler="threads")))
    assert all(result == results[0] for result in results)


def test_results_are_lazy_named_by_their_inputs_and_can_be_depended_on():
    array = da.ones((64, 64), chunks=16, dtype="f4") * 4
    assert [r.name for r in everything(array, None)] == [r.name for r in everything(array, None)]
    assert len({r.name for r in everything(array, None)}) == len(everything(array, None))
    top = statistics.percentile(array, 99)
    assert (top.shape, top.dtype) == ((), np.float64)
    assert statistics.percentile(array, [1, 99]).shape == (2,)
    np.testing.assert_array_equal((array / top).compute(), np.ones((64, 64)))


def test_arguments_make_different_results():
    array = da.from_array(np.float32([1, 2, 3, 4]), chunks=2)
    lazy = [
        statistics.variance(array),
        statistics.variance(array, ddof=1),
        statistics.mean(array, above=1),
        statistics.mean(array, above=2),
        statistics.mean(array, where=array > 3),
        statistics.percentile(array, 10),
        statistics.percentile(array, 20),
    ]
    found = dask.compute(*lazy)
    assert found == (
        1.25,
        5 / 3,
        3.0,
        3.5,
        4.0,
        np.percentile([1, 2, 3, 4], 10),
        np.percentile([1, 2, 3, 4], 20),
    )


def test_a_tree_merges_many_blocks():
    array = da.arange(1000, chunks=1).astype("uint16")
    assert value(statistics.median(array)) == 499.5
    widest = max(len(deps) for deps in statistics.mean(array).dask.get_all_dependencies().values())
    assert widest <= 8


def test_blocks_of_unknown_size():
    array = da.from_array(np.float32([4, -1, 2, 7, -3]), chunks=2)
    some = array[array > 0]
    assert value(statistics.median(some)) == 4
    assert value(statistics.median(some, where=some < 7)) == 3


def test_a_mask_broadcasts_over_frames_and_channels():
    pixels = np.arange(2 * 4 * 5 * 3, dtype=np.uint16).reshape(2, 4, 5, 3)
    mask = np.eye(4, 5, dtype=bool)[..., None]
    found = value(statistics.mean(da.from_array(pixels, chunks=2), where=da.from_array(mask)))
    assert found == pixels[np.broadcast_to(mask, pixels.shape)].mean()


def test_threshold_is_compared_in_float32_as_numpy_does():
    array = da.from_array(np.float32([0.1, 0.2]), chunks=1)
    assert value(statistics.count(array, above=0.1)) == np.count_nonzero(np.float32([0.1, 0.2]) > 0.1) == 1
    assert value(statistics.count(array, above=1e300)) == 0
    assert value(statistics.count(array, above=-math.inf)) == 2


@pytest.mark.parametrize("above", [-math.inf, -0.5, 0, 1.5, 254.9, 255, 1e9, math.inf])
def test_any_threshold_for_integers(above):
    pixels = np.arange(256, dtype=np.uint8)
    found = value(statistics.count(da.from_array(pixels, chunks=100), above=above))
    assert found == np.count_nonzero(pixels.astype(float) > above)


FLOATS = da.ones(4, chunks=2, dtype="f4")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: statistics.mean(np.ones(3)), "take a dask array, got ndarray"),
        (lambda: statistics.mean(da.ones(3)), "got float64; convert it"),
        (lambda: statistics.mean(FLOATS, above=math.nan), "`above` is a number"),
        (lambda: statistics.mean(FLOATS, where=FLOATS), "`where` is a bool array, got float32"),
        (lambda: statistics.mean(FLOATS, where=da.ones(3, dtype=bool)), r"shape \(4,\), got \(3,\)"),
        (lambda: statistics.mean(FLOATS[:0], where=da.ones(3, dtype=bool)), r"shape \(0,\), got \(3,\)"),
        (lambda: statistics.mean(FLOATS, where=da.ones((1, 4), dtype=bool)), r"got \(1, 4\)"),
        (lambda: statistics.percentile(FLOATS, 101), "from 0 to 100"),
        (lambda: statistics.percentile(FLOATS, [5, math.nan]), "from 0 to 100"),
        (lambda: statistics.percentile(FLOATS, []), "from 0 to 100"),
        (lambda: statistics.histogram(FLOATS), "needs `bins`"),
        (lambda: statistics.histogram(FLOATS, bins=4), "need `range`"),
        (lambda: statistics.histogram(FLOATS, bins=[0, 1], range=(0, 1)), "edges already"),
        (lambda: statistics.histogram(FLOATS, bins=0, range=(0, 1)), "no histogram with bins=0"),
        (lambda: statistics.histogram(FLOATS, bins=[1, 0]), "monotonically"),
    ],
)
def test_wrong_input_is_refused_before_any_work(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_a_focus_map_of_a_real_image(shared):
    from skimage.io import imread

    frame = imread(sorted((shared / "data" / "macro_pcb").glob("*.jpg"))[0])[..., 1].astype(np.float32)
    focus = np.abs(frame[2:] - 2 * frame[1:-1] + frame[:-2]) / 7
    array = da.from_array(focus, chunks=(511, 777))
    found = value(statistics.percentile(array, [1, 50, 75, 99], above=0))
    same(found, np.percentile(focus[focus > 0].astype(np.float64), [1, 50, 75, 99]))
    same(value(statistics.mad(array)), np.median(np.abs(focus - np.median(focus))))


@pytest.mark.parametrize(
    "module", [statistics, reduction, recompute, tally], ids=lambda module: module.__name__
)
def test_examples_run(module):
    found = doctest.testmod(module)
    assert found.attempted > 0
    assert found.failed == 0
