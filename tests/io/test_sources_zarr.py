"""Zarr stores give what zarr-python reads, whatever the axes, chunks, codecs and metadata."""

import base64
import itertools
import json

import numcodecs
import numpy as np
import pytest
import xarray as xr
import zarr
from zarr.codecs import BloscCodec, BytesCodec, Crc32cCodec, GzipCodec, TransposeCodec, ZstdCodec

from bigstack.errors import FormatError, InputError, StackError
from bigstack.io import ring, zarr_chunks
from bigstack.io.lazy import source_of
from bigstack.io.open import open_stack
from tests.io.sources import check_source

SIZES = {"t": 2, "c": 3, "z": 4, "y": 45, "x": 38}


def pixels(axes, dtype="uint16", **sizes):
    rng = np.random.default_rng(7)
    shape = [(SIZES | sizes)[a] for a in axes]
    if np.dtype(dtype).kind == "f":
        return rng.normal(size=shape).astype(dtype)
    return rng.integers(0, np.iinfo(dtype).max, shape, dtype=dtype)


def as_stack(data, axes):
    """The data as (z, y, x, c)."""
    for a in "zc":
        if a not in axes:
            data, axes = data[None], a + axes
    return data.transpose([axes.index(a) for a in "zyxc"])


def store(path, data, **options):
    array = zarr.create_array(str(path), shape=data.shape, dtype=data.dtype, **options)
    array[...] = data
    return path


NAMES = {"t": "time", "c": "channel", "z": "z", "y": "y", "x": "x"}


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("axes", ["yx", "zyx", "zyxc", "czyx", "xyz", "cyx", "xzcy"])
def test_any_order_of_axes(tmp_path, axes, version):
    data = pixels(axes)
    chunks = tuple(
        min(n, {"y": 16, "x": 13, "c": 2}.get(a, 1)) for a, n in zip(axes, data.shape, strict=True)
    )
    names = [NAMES[a] for a in axes]
    if version == 3:
        store(tmp_path / "a.zarr", data, chunks=chunks, dimension_names=names)
    else:
        store(
            tmp_path / "a.zarr", data, chunks=chunks, zarr_format=2, attributes={"_ARRAY_DIMENSIONS": names}
        )
    check_source(source_of(open_stack(tmp_path / "a.zarr").data), as_stack(data, axes))


CODECS_3 = {
    "none": {"compressors": None},
    "zstd": {"compressors": ZstdCodec(level=3)},
    "zstd, checksum": {"compressors": (ZstdCodec(level=1, checksum=True), Crc32cCodec())},
    "gzip": {"compressors": GzipCodec(level=1)},
    "blosc lz4": {"compressors": BloscCodec(cname="lz4", shuffle="bitshuffle")},
    "blosc zlib": {"compressors": BloscCodec(cname="zlib", shuffle="shuffle")},
    "big endian": {"serializer": BytesCodec(endian="big")},
    "transposed": {"filters": TransposeCodec(order=(2, 0, 1))},
    "dots": {"chunk_key_encoding": {"name": "default", "separator": "."}},
    "old keys": {"chunk_key_encoding": {"name": "v2", "separator": "."}},
    "shards": {"shards": (2, 32, 32)},
    "shards, gzip": {"shards": (4, 48, 48), "compressors": GzipCodec(level=1)},
}


@pytest.mark.parametrize("codecs", CODECS_3)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_codecs_of_zarr_3(tmp_path, codecs, dtype):
    data = pixels("zyx", dtype)
    options = {"chunks": (1, 16, 16), "dimension_names": ["z", "y", "x"]} | CODECS_3[codecs]
    check_source(source_of(open_stack(store(tmp_path / "a.zarr", data, **options)).data), data[..., None])


CODECS_2 = {
    "none": {"compressors": None},
    "blosc": {"compressors": numcodecs.Blosc("zstd", 3, numcodecs.Blosc.BITSHUFFLE)},
    "zstd": {"compressors": numcodecs.Zstd(1)},
    "zlib": {"compressors": numcodecs.Zlib(1)},
    "gzip": {"compressors": numcodecs.GZip(1)},
    "lz4": {"compressors": numcodecs.LZ4()},
    "bz2": {"compressors": numcodecs.BZ2(1)},
    "lzma": {"compressors": numcodecs.LZMA(preset=0)},
    "delta": {"filters": numcodecs.Delta(dtype="<u2"), "compressors": numcodecs.Zstd(1)},
    "delta, wider": {"filters": numcodecs.Delta(dtype="<u2", astype="<i4"), "compressors": numcodecs.Blosc()},
    "shuffle": {"filters": numcodecs.Shuffle(2), "compressors": numcodecs.Zlib(1)},
    "scaled": {
        "filters": numcodecs.FixedScaleOffset(0, 1, dtype="<u2", astype="<u4"),
        "compressors": numcodecs.GZip(1),
    },
    "columns first": {"order": "F"},
    "slashes": {"chunk_key_encoding": {"name": "v2", "separator": "/"}},
    "big endian": {"dtype": ">u2"},
}


@pytest.mark.parametrize("codecs", CODECS_2)
def test_codecs_of_zarr_2(tmp_path, codecs):
    data = pixels("zyx")
    options = {"shape": data.shape, "dtype": "uint16", "chunks": (1, 16, 16), "zarr_format": 2} | CODECS_2[
        codecs
    ]
    zarr.create_array(str(tmp_path / "a.zarr"), **options)[...] = data
    check_source(source_of(open_stack(tmp_path / "a.zarr", axes="zyx").data), data[..., None])


def test_chunks_that_were_never_written_have_the_fill_value(tmp_path):
    array = zarr.create_array(
        str(tmp_path / "a.zarr"), shape=(2, 40, 40), chunks=(1, 16, 16), dtype="uint16", fill_value=77,
        dimension_names=["z", "y", "x"],
    )  # fmt: skip
    array[0, :10, :10] = 5
    check_source(source_of(open_stack(tmp_path / "a.zarr").data), array[...][..., None])


def test_a_fill_value_of_nan(tmp_path):
    zarr.create_array(
        str(tmp_path / "a.zarr"), shape=(2, 8, 8), chunks=(1, 8, 8), dtype="float32", fill_value=np.nan,
        dimension_names=["z", "y", "x"],
    )  # fmt: skip
    assert np.isnan(open_stack(tmp_path / "a.zarr").values).all()


@pytest.mark.parametrize("depth", [2, 3, 4])
def test_chunks_of_several_frames_are_decoded_once(tmp_path, monkeypatch, depth):
    data = pixels("czyx", z=7)
    store(tmp_path / "a.zarr", data, chunks=(3, depth, 16, 16))
    stack = open_stack(tmp_path / "a.zarr", axes="czyx")
    source = source_of(stack.data)
    check_source(source, as_stack(data, "czyx"))
    decoded = []
    original = zarr_chunks.ZarrArray.chunk
    monkeypatch.setattr(
        zarr_chunks.ZarrArray, "chunk", lambda self, w: decoded.append(w) or original(self, w)
    )
    ring.THICK_CHUNKS.clear()
    for z in range(7):
        source.read(z, slice(0, 45), slice(0, 38))
    assert len(decoded) == len(set(decoded)) == -(-7 // depth) * 9


def test_other_channels_are_not_read(tmp_path):
    data = pixels("czyx")
    path = store(tmp_path / "a.zarr", data, chunks=(1, 1, 16, 16), dimension_names=["c", "z", "y", "x"])
    for folder in (path / "c" / "0", path / "c" / "2"):
        for file in folder.rglob("*"):
            if file.is_file():
                file.write_bytes(b"damaged")
    check_source(source_of(open_stack(path, channel=1).data), as_stack(data, "czyx")[..., 1:2])
    with pytest.raises(StackError, match="chunk 0/0/0/0 is damaged"):
        source_of(open_stack(path).data).read(0, slice(0, 3), slice(0, 3))


def test_frames_in_another_order(tmp_path):
    data = pixels("zyx")
    path = store(tmp_path / "a.zarr", data, chunks=(2, 16, 16), dimension_names=["z", "y", "x"])
    stack = open_stack(path, every=2, reverse=True)
    check_source(source_of(stack.data), data[2::-2, ..., None])
    assert stack.z.values.tolist() == [2, 0]


def test_time_points_are_chosen(tmp_path):
    data = pixels("tzyx")
    path = store(tmp_path / "a.zarr", data, chunks=(2, 1, 16, 16), dimension_names=["t", "z", "y", "x"])
    with pytest.raises(InputError, match="2 time points; choose one with time=0 to 1"):
        open_stack(path)
    check_source(source_of(open_stack(path, time=1).data), data[1, ..., None])
    check_source(source_of(open_stack(path, axes="cZYx").data), as_stack(data, "czyx"))


@pytest.mark.parametrize("axes", ["zy", "zyy", "abc", "zyxc"])
def test_axes_that_do_not_fit_are_refused(tmp_path, axes):
    path = store(tmp_path / "a.zarr", pixels("zyx"), chunks=(1, 16, 16))
    with pytest.raises(InputError, match="do not fit"):
        open_stack(path, axes=axes)


def test_dims_without_names_are_guessed_only_when_plain(tmp_path):
    data = pixels("zyx")
    check_source(source_of(open_stack(store(tmp_path / "a", data)).data), data[..., None])
    data = pixels("zyxc")
    check_source(source_of(open_stack(store(tmp_path / "b", data)).data), data)
    for axes in ("czyx", "yxc"):
        with pytest.raises(InputError, match="name them with axes"):
            open_stack(store(tmp_path / axes, pixels(axes)))


@pytest.mark.parametrize(
    ("dtype", "kept"), [("int16", True), ("uint32", False), ("float64", False), ("bool", True)]
)
def test_other_dtypes(tmp_path, dtype, kept):
    data = pixels("zyx").astype(dtype)
    path = store(tmp_path / "a.zarr", data, chunks=(1, 16, 16))
    if not kept:
        with pytest.raises(FormatError, match=f"holds {dtype} pixels"):
            open_stack(path)
    check_source(source_of(open_stack(path, dtype="float32").data), data.astype(np.float32)[..., None])


def ngff(path, axes, version="0.5", levels=1, units="micrometer", labels=None, name="image", dtype="uint16"):
    """An OME-Zarr image; gives the data of its levels."""
    full = pixels(axes, dtype)
    kinds = {"t": "time", "c": "channel"}
    listed = []
    for a in axes:
        axis = {"name": a, "type": kinds.get(a, "space")}
        if a in "zyx" and units:
            axis["unit"] = units
        listed.append(axis)
    group = zarr.open_group(str(path), mode="w", zarr_format=2 if version == "0.4" else 3)
    datasets, found = [], []
    for level in range(levels):
        step = 2**level
        data = full[tuple(slice(None, None, step if a in "yx" else 1) for a in axes)]
        scale = [{"z": 3.0, "y": 0.5 * step, "x": 0.25 * step}.get(a, 1.0) for a in axes]
        datasets.append(
            {"path": f"s{level}", "coordinateTransformations": [{"type": "scale", "scale": scale}]}
        )
        chunks = tuple({"y": 16, "x": 16}.get(a, 1) for a in axes)
        extra = {"dimension_names": list(axes)} if version != "0.4" else {}
        group.create_array(f"s{level}", shape=data.shape, chunks=chunks, dtype=dtype, **extra)[...] = data
        found.append(data)
    multiscale = {"name": name, "axes": listed, "datasets": datasets}
    omero = (
        {"channels": [{"label": label, "color": "FFFFFF", "window": WINDOW} for label in labels]}
        if labels
        else {}
    )
    if version == "0.4":
        group.attrs["multiscales"] = [multiscale | {"version": "0.4"}]
        if omero:
            group.attrs["omero"] = omero
    else:
        group.attrs["ome"] = {"version": version, "multiscales": [multiscale]} | (
            {"omero": omero} if omero else {}
        )
    return found


WINDOW = {"min": 0, "max": 65535, "start": 0, "end": 65535}


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("axes", ["czyx", "zyx", "cyx", "yx"])
def test_ome_zarr(tmp_path, axes, version):
    labels = ["DAPI", "FITC", "Cy5"] if "c" in axes else None
    levels = ngff(tmp_path / "a.zarr", axes, version, levels=2, labels=labels)
    stack = open_stack(tmp_path / "a.zarr")
    check_source(source_of(stack.data), as_stack(levels[0], axes))
    assert stack.attrs["pixel_size"] == [3.0 if "z" in axes else None, 0.5, 0.25]
    assert stack.attrs["units"] == "micrometer"
    assert stack.attrs["audit"]["warnings"] == []
    assert stack.channel.values.tolist() == (labels or ["grey"])
    small = open_stack(tmp_path / "a.zarr", level=1)
    check_source(source_of(small.data), as_stack(levels[1], axes))
    assert small.attrs["pixel_size"][1:] == [1.0, 0.5]
    with pytest.raises(InputError, match=r"no level 2; it has 0 \(45 x 38\), 1 \(23 x 19\)"):
        open_stack(tmp_path / "a.zarr", level=2)


def test_what_bigstack_writes_beside_the_standard_is_read(tmp_path):
    ngff(tmp_path / "a.zarr", "zyx")
    own = {
        "z": [0.0, 2.5, 6.0, 9.0],
        "icc_profile": base64.b64encode(b"profile").decode(),
        "exif": "not base64!",
    }
    zarr.open_group(str(tmp_path / "a.zarr"), mode="r+").attrs["bigstack"] = own
    stack = open_stack(tmp_path / "a.zarr", every=2)
    assert stack.z.values.tolist() == [0.0, 6.0]
    assert base64.b64decode(stack.attrs["icc_profile"]) == b"profile"
    assert "exif" not in stack.attrs
    for damaged in (
        {"z": [0.0, 1.0]},
        {"z": [0, 1, 2, "3"]},
        {"z": [0, 1, 2, None]},
        {"z": [0, 1, 2, 10**400]},
        [1],
        "x",
    ):
        zarr.open_group(str(tmp_path / "a.zarr"), mode="r+").attrs["bigstack"] = damaged
        assert open_stack(tmp_path / "a.zarr").z.values.tolist() == [0.0, 3.0, 6.0, 9.0]


def test_other_units_become_micrometres(tmp_path):
    ngff(tmp_path / "a.zarr", "zyx", units="nanometer")
    assert open_stack(tmp_path / "a.zarr").attrs["pixel_size"] == pytest.approx([3e-3, 0.5e-3, 0.25e-3])


def test_a_scale_without_unit_is_not_believed(tmp_path):
    ngff(tmp_path / "a.zarr", "zyx", units=None)
    stack = open_stack(tmp_path / "a.zarr")
    assert stack.attrs["pixel_size"] is None
    assert "no unit of length" in stack.attrs["audit"]["warnings"][0]


def test_departures_from_the_standard_are_warned_of(tmp_path):
    levels = ngff(tmp_path / "a.zarr", "zyx")
    path = tmp_path / "a.zarr" / "zarr.json"
    meta = json.loads(path.read_text())
    del meta["attributes"]["ome"]["multiscales"][0]["datasets"][0]["coordinateTransformations"]
    path.write_text(json.dumps(meta))
    stack = open_stack(tmp_path / "a.zarr")
    check_source(source_of(stack.data), levels[0][..., None])
    assert "does not follow the standard" in stack.attrs["audit"]["warnings"][0]


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_scenes_of_a_collection(tmp_path, version):
    root = zarr.open_group(str(tmp_path / "a.zarr"), mode="w", zarr_format=2 if version == "0.4" else 3)
    if version == "0.4":
        root.attrs["bioformats2raw.layout"] = 3
    else:
        root.attrs["ome"] = {"version": "0.5", "bioformats2raw.layout": 3}
    truth = {}
    for name in ("0", "1", "2"):
        truth[name] = ngff(tmp_path / "a.zarr" / name, "zyx", version)[0] + int(name)
        array = zarr.open_array(str(tmp_path / "a.zarr" / name / "s0"), mode="r+")
        array[...] = truth[name]
    check_source(source_of(open_stack(tmp_path / "a.zarr").data), truth["0"][..., None])
    check_source(source_of(open_stack(tmp_path / "a.zarr", scene="2").data), truth["2"][..., None])
    check_source(source_of(open_stack(tmp_path / "a.zarr", scene=1).data), truth["1"][..., None])
    with pytest.raises(InputError, match="no scene 5; it has 0, 1, 2"):
        open_stack(tmp_path / "a.zarr", scene=5)


def test_fields_of_a_plate(tmp_path):
    root = zarr.open_group(str(tmp_path / "p.zarr"), mode="w", zarr_format=3)
    root.attrs["ome"] = {"version": "0.5", "plate": {"wells": [{"path": "A/1"}, {"path": "B/2"}]}}
    for well, field in itertools.product(("A/1", "B/2"), ("0", "1")):
        group = root.require_group(well)
        group.attrs["ome"] = {"version": "0.5", "well": {"images": [{"path": "0"}, {"path": "1"}]}}
        ngff(tmp_path / "p.zarr" / well / field, "zyx")
    stack = open_stack(tmp_path / "p.zarr", scene="B/2/1")
    assert stack.shape == (4, 45, 38, 1)
    assert open_stack(tmp_path / "p.zarr" / "A" / "1", scene=1).shape == (4, 45, 38, 1)


@pytest.mark.parametrize("version", [2, 3])
def test_xarray_stores(tmp_path, version):
    data = pixels("zyxc")
    array = xr.DataArray(
        data, dims=("z", "y", "x", "channel"), attrs={"note": "x"},
        coords={
            "z": ("z", [0.0, 1.0, 2.5, 4.0], {"units": "micrometer"}),
            "y": ("y", np.arange(45) * 0.5, {"units": "um"}),
            "x": ("x", np.arange(38) * 0.25, {"units": "um"}),
            "channel": np.array(["a", "b", "c"]),
        },
    )  # fmt: skip
    other = xr.DataArray(np.zeros(4), dims="z")
    with pytest.warns() if version == 3 else _nothing():
        xr.Dataset({"image": array, "focus": other}).to_zarr(tmp_path / "a.zarr", zarr_format=version)
    stack = open_stack(tmp_path / "a.zarr")
    check_source(source_of(stack.data), data)
    assert stack.channel.values.tolist() == ["a", "b", "c"]
    np.testing.assert_allclose(stack.z.values, [0.0, 1.0, 2.5, 4.0])
    assert stack.attrs["pixel_size"] == [1.5, 0.5, 0.25]


def _nothing():
    import contextlib

    return contextlib.nullcontext()


def test_a_variable_of_an_xarray_store_is_chosen(tmp_path):
    first, second = pixels("zyx"), pixels("zyx") // 2
    dims = ("z", "y", "x")
    xr.Dataset({"one": (dims, first), "two": (dims, second)}).to_zarr(tmp_path / "a.zarr", zarr_format=2)
    with pytest.raises(InputError, match="holds one, two; choose one with scene"):
        open_stack(tmp_path / "a.zarr")
    check_source(source_of(open_stack(tmp_path / "a.zarr", scene="two").data), second[..., None])


def test_a_changed_store_has_another_token(tmp_path):
    from dask.base import tokenize

    path = store(tmp_path / "a.zarr", pixels("zyx"), chunks=(1, 16, 16))
    before = tokenize(source_of(open_stack(path).data))
    assert before == tokenize(source_of(open_stack(path).data))
    zarr.open_array(str(path), mode="r+").attrs["changed"] = True
    assert before != tokenize(source_of(open_stack(path).data))
