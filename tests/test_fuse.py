"""Fusion of lazy stacks: the same bits however they are tiled, read and scheduled; clear errors."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import dask
import dask.array as da
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from bigstack import fuse, fusion
from bigstack.engine import layout
from bigstack.errors import InputError
from bigstack.io.lazy import lazy_array
from bigstack.io.source import Source
from bigstack.names import STACK_DIMS

DTYPES = ("uint8", "uint16", "float32")


class Held(Source):
    """Frames in memory, of which some pixels may be made up."""

    def __init__(self, frames: np.ndarray, valid: np.ndarray | None = None) -> None:
        self.frames = frames
        self.mask = valid
        self.shape = frames.shape
        self.dtype = frames.dtype
        self.chunks = (16, 16)

    def __dask_tokenize__(self) -> object:
        return ("Held", self.frames, self.mask)

    def read(self, z: int, y: slice, x: slice) -> np.ndarray:
        return self.frames[z, y, x]

    def valid(self, z: int, y: slice, x: slice) -> np.ndarray | None:
        return None if self.mask is None else self.mask[z, y, x]


def random_frames(seed: int, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Noise in patches of equal frames: ties and near-ties beside clear winners."""
    rng = np.random.default_rng(seed)
    if dtype == "float32":
        frames = (rng.normal(size=shape) * 100).astype(dtype)
    else:
        frames = rng.integers(0, np.iinfo(dtype).max + 1, shape, dtype)
    tied = rng.random((shape[1] // 8 + 1, shape[2] // 8 + 1)) < 0.3
    where = tied.repeat(8, axis=0).repeat(8, axis=1)[: shape[1], : shape[2]]
    frames[:, where] = frames[0, where]
    return frames


def named(array: da.Array) -> xr.DataArray:
    return xr.DataArray(array, dims=STACK_DIMS)


def results(stack: da.Array, **options) -> dict[str, np.ndarray]:
    found = fuse(named(stack), **options)
    with dask.config.set(scheduler="synchronous"):
        return {name: value.values for name, value in found.compute().items()}


def assert_equal(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name].dtype == value.dtype
        np.testing.assert_array_equal(found[name], value, err_msg=name)


@contextmanager
def small_steps() -> Iterator[None]:
    """Constants scaled down, so that a small image goes the way of a large one: sub-tiles, deep passes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fusion, "FINE_LEVELS", 2)
        patch.setattr(fusion, "WHOLE", 30**2)
        patch.setattr(layout, "SUB_TILE", 24)
        patch.setattr(layout, "LEAST", 5)
        sub_tiled = layout.map_overlap
        patch.setattr(layout, "map_overlap", lambda *a, **k: sub_tiled(*a, **{"sub_tile": 24, **k}))
        yield


METHODS = st.one_of(
    st.fixed_dictionaries(
        {
            "method": st.just("pyramid"),
            "min_size": st.sampled_from([2, 5, 32]),
            "window": st.sampled_from([None, 1, 5, 9]),
            "base": st.sampled_from(["average", "energy", "entropy", "focusstack"]),
            "a": st.sampled_from([0.375, 0.375, 0.4]),
        }
    ),
    st.fixed_dictionaries(
        {
            "method": st.just("select"),
            "measure": st.sampled_from(["sml", "log", "laplacian", "tenengrad", "modified_laplacian"]),
            "smoothing": st.sampled_from([0, 0.8, 2.0]),
            "ties": st.sampled_from(["first", "last"]),
        }
    ),
    st.fixed_dictionaries({"method": st.just("average"), "kind": st.sampled_from(["mean", "min", "max"])}),
)


@st.composite
def pieces(draw, size: int, most: int = 4) -> tuple[int, ...]:
    """Chunks of an axis, often of odd and very unequal sizes."""
    cuts = draw(st.sets(st.integers(1, size - 1), max_size=most - 1)) if size > 1 else set()
    edges = [0, *sorted(cuts), size]
    return tuple(np.diff(edges).tolist())


@st.composite
def cases(draw) -> dict:
    sides = st.integers(1, 200) | st.sampled_from([1, 2, 3, 31, 33, 64, 65])
    frames, channels = draw(st.integers(1, 9)), draw(st.integers(1, 5))
    height, width = draw(sides), draw(sides)
    shape = (frames, min(height, 40_000 // width + 1), width, channels)
    return {
        "shape": shape,
        "dtype": draw(st.sampled_from(DTYPES)),
        "seed": draw(st.integers(0, 999)),
        "tile": (draw(pieces(shape[1])), draw(pieces(shape[2]))),
        "chunks": tuple(draw(pieces(size, 3)) for size in shape),
        "z_block": draw(st.none() | st.integers(1, frames)),
        "options": draw(METHODS),
        "focus_channel": draw(st.none() | st.integers(0, channels - 1)),
    }


def read_by(way: str, frames: np.ndarray, valid: np.ndarray | None, chunks: tuple) -> da.Array:
    if way == "source":
        return lazy_array(Held(frames, valid), tile=48)
    array = da.from_array(frames, chunks=chunks)
    if way == "persisted":
        return array.persist(scheduler="synchronous")
    return array.rechunk((1, -1, -1, 1)).map_blocks(np.copy, dtype=array.dtype)


@pytest.mark.parametrize("small", [False, True])
@settings(max_examples=40, deadline=None)
@given(case=cases(), way=st.sampled_from(["source", "persisted", "graph"]), on_disk=st.booleans())
def test_the_result_does_not_depend_on_how_the_work_is_cut(small, case, way, on_disk):
    frames = random_frames(case["seed"], case["shape"], case["dtype"])
    options = dict(case["options"])
    if options["method"] != "average":
        options["focus_channel"] = case["focus_channel"]
    steps = small_steps() if small else nullcontext()
    with steps, tempfile.TemporaryDirectory() as folder:
        whole = results(read_by("source", frames, None, ()), tile=max(frames.shape), **options)
        cut = results(
            read_by(way, frames, None, case["chunks"]),
            tile=case["tile"],
            z_block=case["z_block"],
            scratch=folder if on_disk else None,
            **options,
        )
    assert_equal(cut, whole)
    assert whole["image"].dtype == frames.dtype
    assert whole["image"].shape == frames.shape[1:]


@settings(max_examples=40, deadline=None)
@given(case=cases())
def test_made_up_pixels_do_not_depend_on_the_cut_either(case):
    frames = random_frames(case["seed"], case["shape"], case["dtype"])
    rng = np.random.default_rng(case["seed"])
    valid = np.ones(frames.shape[:3], bool)
    for mask in valid:
        mask[: rng.integers(0, frames.shape[1] + 1), rng.integers(0, frames.shape[2] + 1) :] = False
    with small_steps():
        whole = results(lazy_array(Held(frames, valid)), tile=max(frames.shape), **case["options"])
        cut = results(
            lazy_array(Held(frames, valid)), tile=case["tile"], z_block=case["z_block"], **case["options"]
        )
    assert_equal(cut, whole)


@pytest.mark.parametrize("small", [False, True])
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize(
    "options",
    [
        {"method": "pyramid", "min_size": 8, "base": base, "a": a}
        for base in ("average", "energy", "entropy", "focusstack")
        for a in (0.375, 0.4)
    ]
    + [{"method": "select"}, {"method": "average"}],
    ids=lambda options: "-".join(map(str, options.values())),
)
def test_made_up_pixels_never_win_over_real_ones(options, order, small):
    """A border of black and white stripes that a frame does not have: sharper than anything real."""
    rng = np.random.default_rng(5)
    real = rng.integers(90, 110, (128, 300, 1), np.uint8)
    other = real // 2 + 50
    valid = np.ones((2, 128, 300), bool)
    valid[1, :, :100] = False
    images = []
    for stripes in ((0, 255), (255, 100)):
        made_up = other.copy()
        made_up[:, :100] = np.resize(stripes, (128, 100))[..., None]
        stack = Held(np.stack([real, made_up])[list(order)], valid[list(order)])
        with small_steps() if small else nullcontext():
            images.append(results(lazy_array(stack), **options))
    first, second = images
    if "index" in first:
        assert (first["index"][:, :100] == order.index(0)).all()
    if options["method"] != "pyramid":
        np.testing.assert_array_equal(first["image"][:, :100], real[:, :100])
        return
    # Coefficients of real pixels beside the border feel it a little; nothing further in does.
    away = 100 - 3 * 8
    np.testing.assert_array_equal(first["image"][:, :away], second["image"][:, :away])
    assert np.abs(first["image"][:, :100].astype(int) - real[:, :100]).max() <= 20


class Counted(Held):
    """Counts the reads of each frame."""

    reads: tuple[list, ...] = ()

    def read(self, z, y, x):
        self.reads[0].append((z, y, x))
        return super().read(z, y, x)


@pytest.mark.parametrize("method", ["pyramid", "select", "average"])
@settings(max_examples=15, deadline=None)
@given(data=st.data(), seed=st.integers(0, 99))
def test_a_region_of_the_result_is_the_crop_of_the_whole(method, seed, data):
    frames = random_frames(seed, (3, 120, 90, 3), "uint8")
    found = fuse(named(lazy_array(Held(frames))), method=method, tile=32)
    y, x = (
        slice(start := data.draw(st.integers(0, size - 1)), data.draw(st.integers(start + 1, size)))
        for size in (120, 90)
    )
    with dask.config.set(scheduler="synchronous"):
        whole, region = found.compute(), found.isel(y=y, x=x).compute()
    for name in whole:
        np.testing.assert_array_equal(region[name].values, whole[name].values[y, x])


@pytest.mark.parametrize("method", ["select", "average"])
def test_a_region_reads_only_what_it_needs(method):
    source = Counted(random_frames(0, (3, 400, 400, 1), "uint8"))
    source.reads = ([],)
    found = fuse(named(lazy_array(source)), method=method, tile=100)
    found.image.isel(y=slice(110, 150), x=slice(210, 250)).compute(scheduler="synchronous")
    assert len(source.reads[0]) == 3
    for _, y, x in source.reads[0]:
        assert y.start >= 80
        assert y.stop <= 220
        assert x.start >= 180
        assert x.stop <= 320


@pytest.mark.parametrize("method", ["pyramid", "select", "average"])
def test_outputs_computed_together_read_the_stack_once(method):
    source = Counted(random_frames(0, (4, 200, 200, 3), "uint8"))
    source.reads = ([],)
    fuse(named(lazy_array(source)), method=method, tile=100).compute(scheduler="synchronous")
    assert len(source.reads[0]) == 4 * 4


@pytest.mark.parametrize("method", ["pyramid", "select", "average"])
def test_threads_give_the_same_bits(method):
    frames = random_frames(1, (5, 150, 170, 3), "uint16")
    stack = lazy_array(Held(frames))
    expected = results(stack, method=method)
    found = fuse(named(stack), method=method, tile=(33, 47), z_block=2).compute(
        scheduler="threads", num_workers=4
    )
    assert_equal({name: value.values for name, value in found.items()}, expected)


OPTIONS = [
    {"method": "pyramid"},
    {"method": "pyramid", "a": 0.4, "window": None, "base": "focusstack"},
    {"method": "pyramid", "base": "entropy", "min_size": 1},
    {"method": "pyramid", "base": "energy", "window": 31, "base_size": 31},
    {"method": "select"},
    {"method": "select", "measure": "log", "smoothing": 0},
    {"method": "average"},
    {"method": "average", "kind": "max"},
]


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: "-".join(map(str, options.values())))
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (2, 300), (31, 33), (3, 2)])
def test_one_frame_gives_itself_at_any_size(shape, dtype, options):
    frames = random_frames(0, (1, *shape, 3), dtype)
    found = results(da.from_array(frames), **options)
    if dtype == "float32" and options["method"] == "pyramid":
        # A pixel less its low-pass plus that low-pass again: two roundings a level.
        np.testing.assert_allclose(found["image"], frames[0], atol=np.abs(frames).max() * 1e-6)
    else:
        np.testing.assert_array_equal(found["image"], frames[0])
    if "index" in found:
        assert not found["index"].any()


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: "-".join(map(str, options.values())))
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_black_and_white_neither_wrap_nor_fade(dtype, options):
    top = np.iinfo(dtype).max
    squares = (np.indices((90, 110)) // 15).sum(axis=0) % 2 * np.array(top, dtype)
    frames = np.stack([squares, squares])[..., None].astype(dtype)
    np.testing.assert_array_equal(results(da.from_array(frames), **options)["image"], frames[0])
    for level in (0, top):
        flat = np.full((3, 40, 50, 3), level, dtype)
        assert (results(da.from_array(flat), **options)["image"] == level).all()


@pytest.mark.parametrize("options", OPTIONS[:6], ids=lambda options: "-".join(map(str, options.values())))
def test_the_frame_that_has_texture_wins(options):
    rng = np.random.default_rng(2)
    texture = rng.integers(0, 65536, (64, 256, 3), np.uint16)
    flat = np.full_like(texture, 30000)
    left = np.arange(256)[:, None] < 128
    frames = np.stack([flat, np.where(left, texture, flat), np.where(left, flat, texture)])
    index = results(da.from_array(frames), **options)["index"]
    # The pyramid's index is that of level 2, whose box and Laplacian reach four times further.
    reach = 8 if options["method"] == "select" else 80 if options.get("window") == 31 else 24
    assert (index[:, : 128 - reach] == 1).all()
    assert (index[:, 128 + reach :] == 2).all()


def test_depth_is_the_z_of_the_index_and_coordinates_are_kept():
    frames = random_frames(3, (4, 40, 30, 3), "uint8")
    stack = xr.DataArray(
        da.from_array(frames),
        dims=STACK_DIMS,
        coords={
            "z": [0.5, 1.0, 4.0, 4.5],
            "y": np.arange(40) * 0.2,
            "x": np.arange(30) * 0.2,
            "channel": ["red", "green", "blue"],
        },
        attrs={"units": "micrometer", "audit": "not the image's"},
    )
    found = fuse(stack).compute()
    np.testing.assert_array_equal(found.depth, stack.z.values.astype(np.float32)[found.index.values])
    assert found.depth.dtype == np.float32
    assert found.depth.attrs["unit"] == "micrometer"
    for name in ("y", "x"):
        np.testing.assert_array_equal(found[name], stack[name])
    assert list(found.image.channel.values) == ["red", "green", "blue"]
    assert "audit" not in found.image.attrs


def test_focus_channels_go_by_name_or_number():
    frames = random_frames(4, (3, 40, 50, 4), "uint8")
    stack = named(da.from_array(frames)).assign_coords(channel=["a", "b", "c", "d"])
    by_name = fuse(stack, focus_channel=["d", "b"]).compute()
    by_number = fuse(stack, focus_channel=[3, 1]).compute()
    alone = fuse(stack, focus_channel="c").compute()
    xr.testing.assert_identical(by_name, by_number)
    assert not np.array_equal(alone.index, by_name.index)
    np.testing.assert_array_equal(alone.index, fuse(stack.isel(channel=[2])).compute().index)


GOOD = named(da.zeros((3, 40, 50, 3), dtype="uint8", chunks=(1, 20, 20, 3)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "pyramids"}, "pyramid"),
        ({"levles": 3}, "levels"),
        ({"method": "average", "window": 3}, "option of method 'average'"),
        ({"method": "average", "focus_channel": 0}, "focus"),
        ({"method": "average", "kind": "median"}, "mean"),
        ({"base": "mean"}, "average"),
        ({"window": 4}, "odd"),
        ({"window": 33}, "odd"),
        ({"base_size": 0}, "odd"),
        ({"a": 0.9}, "0.25 to 0.75"),
        ({"levels": 9}, "1 to 5"),
        ({"levels": 0}, "1 to 5"),
        ({"min_size": 0}, "min_size"),
        ({"method": "select", "measure": "laplace"}, "laplacian"),
        ({"method": "select", "measure_options": {"windw": 3}}, "window"),
        ({"method": "select", "smoothing": -1}, "smoothing"),
        ({"method": "select", "ties": "any"}, "first"),
        ({"focus_channel": 3}, "focus channel"),
        ({"focus_channel": "red"}, "focus channel"),
        ({"focus_channel": -1}, "focus channel"),
        ({"tile": 0}, "tile"),
        ({"tile": (20, -1)}, "tile"),
        ({"tile": ((20, 21), (50,))}, "41"),
        ({"tile": ((0, 40), (50,))}, "tile"),
        ({"z_block": 0}, "z_block"),
        ({"memory_limit": "much"}, "memory size"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_bad_options_are_named(options, message):
    with pytest.raises(InputError, match=message):
        fuse(GOOD, **options)


@pytest.mark.parametrize("tile", [None, 20])
@pytest.mark.parametrize("method", ["pyramid", "select", "average"])
@pytest.mark.parametrize("dtype", ["float64", "int16", "uint32", "bool"])
def test_another_dtype_is_refused(dtype, method, tile):
    array = da.zeros((3, 40, 50, 3), dtype=dtype)
    for stack in (array, array.persist()):
        with pytest.raises(InputError, match="astype"):
            fuse(named(stack), method=method, tile=tile)


@pytest.mark.parametrize(
    "stack",
    [
        np.zeros((3, 40, 50, 3), np.uint8),
        xr.DataArray(np.zeros((3, 40, 50), np.uint8), dims=STACK_DIMS[:3]),
        xr.DataArray(np.zeros((3, 40, 50, 3), np.uint8), dims=("z", "x", "y", "channel")),
    ],
)
def test_other_dims_are_refused(stack):
    with pytest.raises(InputError, match="dims"):
        fuse(stack)


def test_an_empty_stack_is_refused():
    with pytest.raises(InputError, match="at least one"):
        fuse(named(da.zeros((0, 40, 50, 3), dtype="uint8")))


def test_more_frames_than_an_index_can_count_are_refused():
    with pytest.raises(InputError, match="65536"):
        fuse(named(da.zeros((65537, 4, 4, 1), dtype="uint8")))


def test_plain_arrays_are_stacks_too():
    frames = random_frames(6, (3, 40, 50, 3), "uint8")
    expected = results(da.from_array(frames, chunks=(1, 20, 20, 3)))
    found = fuse(xr.DataArray(frames, dims=STACK_DIMS)).compute()
    assert_equal({name: value.values for name, value in found.items()}, expected)


def test_persisted_channel_chunks_are_read_whole():
    frames = random_frames(7, (3, 40, 50, 3), "uint8")
    split = da.from_array(frames, chunks=(1, 20, 20, 1)).persist()
    assert_equal(results(split), results(da.from_array(frames)))
