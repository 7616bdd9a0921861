"""Zarr stores on S3 and HTTP give the pixels that they give on a disk."""

import json

import cv2
import numpy as np
import pytest
import xarray as xr
import zarr
from dask.base import tokenize
from hypothesis import given, settings
from hypothesis import strategies as st

from bigstack import open_stack
from bigstack.errors import BigstackError, FormatError, InputError, StackError, StoreError
from bigstack.io import object_store
from bigstack.io.lazy import source_of
from bigstack.io.remote import RemotePath
from bigstack.jobs.convert import ConvertJob, convert_stack

from .conftest import texture, upload
from .servers import Plain

SHAPE = (3, 150, 170)


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """Zarr stores of every kind that is read, all of the same frames."""
    folder = tmp_path_factory.mktemp("stores")
    pixels = texture(SHAPE, dtype=np.uint16)
    for z in range(SHAPE[0]):
        (folder / "frames").mkdir(exist_ok=True)
        cv2.imwrite(str(folder / "frames" / f"{z}.png"), pixels[z])
    for name, how in {
        "plain": {}, "old": {"ngff": "0.4"}, "sharded": {"shard": 64}, "stored": {"compression": "none"},
    }.items():  # fmt: skip
        out = folder / f"{name}.ome.zarr"
        convert_stack(ConvertJob((folder / "frames",), out, chunk=32, workers=1, **how))
    thick = zarr.create_array(
        str(folder / "thick.zarr"), shape=SHAPE, chunks=(2, 64, 64), dtype="uint16",
        dimension_names=["z", "y", "x"],
    )  # fmt: skip
    thick[...] = pixels
    array = xr.DataArray(
        pixels, dims=("z", "y", "x"), coords={"z": ("z", [0.0, 2, 4], {"units": "micrometer"})}
    )
    array.to_dataset(name="stack").chunk(z=1, y=64, x=64).to_zarr(folder / "xarray.zarr", zarr_format=3)
    return folder


KINDS = ("plain.ome.zarr", "old.ome.zarr", "sharded.ome.zarr", "stored.ome.zarr", "thick.zarr", "xarray.zarr")


@pytest.mark.filterwarnings("ignore:.*[Cc]onsolidated metadata.*")
@pytest.mark.parametrize("kind", KINDS)
def test_s3_gives_what_the_disk_gives(bucket, stores, kind):
    upload(stores / kind, f"{bucket}/{kind}")
    here, there = open_stack(stores / kind), open_stack(f"{bucket}/{kind}/")
    np.testing.assert_array_equal(there.values, here.values)
    assert dict(there.sizes) == dict(here.sizes)
    np.testing.assert_array_equal(there.z, here.z)
    assert there.attrs["source"] == f"{bucket}/{kind}"
    assert there.attrs["pixel_size"] == here.attrs["pixel_size"]
    np.testing.assert_array_equal(there[1, 31:97, 60:129].values, here[1, 31:97, 60:129].values)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "sharded.ome.zarr"])
def test_a_plain_web_server_gives_what_the_disk_gives(stores, kind):
    with Plain(stores) as server:
        there = open_stack(f"{server.address}/{kind}")
        np.testing.assert_array_equal(there.values, open_stack(stores / kind).values)


def test_shards_over_http_need_ranges(bucket, faulty, stores):
    upload(stores / "sharded.ome.zarr", f"{bucket}/sharded.ome.zarr")
    server = faulty(lambda *_: None)  # a web server that knows them
    there = open_stack(f"{server.address}/{bucket[5:]}/sharded.ome.zarr")
    np.testing.assert_array_equal(there.values, open_stack(stores / "sharded.ome.zarr").values)
    with Plain(stores) as server:
        source = source_of(open_stack(f"{server.address}/sharded.ome.zarr").data)
        with pytest.raises(StoreError, match=r"whole files only.*without --shard"):
            source.read(0, slice(0, SHAPE[1]), slice(0, SHAPE[2]))


def test_any_region(bucket, stores):
    upload(stores / "sharded.ome.zarr", f"{bucket}/a.ome.zarr")
    here, there = (source_of(open_stack(path).data) for path in (
        stores / "sharded.ome.zarr", f"{bucket}/a.ome.zarr"))  # fmt: skip

    @settings(max_examples=15, deadline=None)
    @given(st.data())
    def same(data):
        z = data.draw(st.integers(0, SHAPE[0] - 1))
        (y0, y1), (x0, x1) = (
            sorted(data.draw(st.tuples(st.integers(0, n - 1), st.integers(1, n)))) for n in SHAPE[1:]
        )
        region = slice(y0, max(y1, y0 + 1)), slice(x0, max(x1, x0 + 1))
        np.testing.assert_array_equal(there.read(z, *region), here.read(z, *region))

    same()


def test_only_the_chunks_of_a_region_are_asked_for(bucket, faulty, stores):
    upload(stores / "plain.ome.zarr", f"{bucket}/a.ome.zarr")
    proxy = faulty(lambda *_: None)
    stack = open_stack(f"{bucket}/a.ome.zarr")
    asked = proxy.count
    assert asked < 25  # a description a level, and what tells whether it changes
    source_of(stack.data).read(0, slice(40, 60), slice(40, 60))
    assert proxy.count == asked + 1


def test_chunks_that_were_never_written_are_what_fills_them(bucket, stores):
    upload(stores / "plain.ome.zarr", f"{bucket}/a.ome.zarr")
    RemotePath(f"{bucket}/a.ome.zarr/0/c/0/0/0/0").unlink()
    assert not open_stack(f"{bucket}/a.ome.zarr")[0, :32, :32].values.any()


def test_a_damaged_chunk_is_named(bucket, stores):
    upload(stores / "plain.ome.zarr", f"{bucket}/a.ome.zarr")
    chunk = RemotePath(f"{bucket}/a.ome.zarr/0/c/0/1/2/3")
    chunk.write_bytes(chunk.read_bytes()[:-9])
    with pytest.raises(StackError, match=rf"{bucket}/a.ome.zarr/0: chunk 0/1/2/3 is damaged"):
        open_stack(f"{bucket}/a.ome.zarr").values  # noqa: B018
    chunk.write_bytes(bytes(1 << 20))
    with pytest.raises(StackError, match="far more than"):
        open_stack(f"{bucket}/a.ome.zarr").values  # noqa: B018


def test_another_content_is_another_stack(bucket, stores):
    upload(stores / "plain.ome.zarr", f"{bucket}/a.ome.zarr")
    first, again = (tokenize(source_of(open_stack(f"{bucket}/a.ome.zarr").data)) for _ in range(2))
    text = RemotePath(f"{bucket}/a.ome.zarr/0/zarr.json")
    text.write_text(json.dumps(json.loads(text.read_text())))
    assert first == again != tokenize(source_of(open_stack(f"{bucket}/a.ome.zarr").data))


def test_what_is_no_store_is_said(bucket, stores, frames, bigstack):
    upload(frames, f"{bucket}/photos")
    (RemotePath(bucket) / "bad.zarr" / "zarr.json").write_text("{")
    cases = {
        f"{bucket}/nothing.zarr": "does not exist; check bucket and name",
        f"{bucket}/photos": "is no Zarr store (it holds 0.png); from S3 and HTTP, Zarr stores are read; copy",
        f"{bucket}/photos/1.png": "is no Zarr store; from S3 and HTTP, Zarr stores are read",
        f"{bucket}/photos/*.png": "copy frames to a disk first",
        f"{bucket}/bad.zarr": "zarr.json is damaged",
        "s3://nobucket/a.zarr": "there is no bucket 'nobucket'",
    }
    for address, says in cases.items():
        with pytest.raises(BigstackError) as error:
            open_stack(address)
        assert says in str(error.value), address
        code, _, told = bigstack("info", address)
        assert code in (1, 2)
        assert says in told
    with pytest.raises(InputError, match="has to be on a disk"):
        open_stack([f"{bucket}/photos/0.png", f"{bucket}/photos/1.png"])
    upload(stores / "plain.ome.zarr", f"{bucket}/a.ome.zarr")
    with pytest.raises(FormatError, match="max_pixels"):
        open_stack(f"{bucket}/a.ome.zarr", max_pixels=100)


def test_what_is_not_on_a_web_server_is_said(stores, monkeypatch):
    monkeypatch.setattr(object_store, "FIRST_PAUSE", 0.001)
    with Plain(stores) as server:
        with pytest.raises(StackError, match=r"nothing\.zarr is no Zarr array or group"):
            open_stack(f"{server.address}/nothing.zarr")
        with pytest.raises(StoreError, match="no answer that can be used"):
            open_stack("http://127.0.0.1:9/a.zarr")


@pytest.mark.parametrize("kind", ["denied", "unknown"])
def test_who_may_not_read_is_told(bucket, faulty, monkeypatch, kind):
    if kind == "denied":
        faulty(lambda *_: 403)
    else:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.delenv(name)
        monkeypatch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:9/169.254.169.254")
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nothing")
        monkeypatch.setenv("AWS_CONFIG_FILE", "/nothing")
    with pytest.raises(StoreError, match=r"AWS_ACCESS_KEY_ID.*AWS_PROFILE"):
        open_stack(f"{bucket}/a.zarr")


def test_without_the_package_it_is_said(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "obstore", None)
    with pytest.raises(InputError, match=r"pip install 'bigstack\[s3\]'"):
        open_stack("s3://bucket/a.zarr")


def test_info_and_plan(bucket, stores, bigstack):
    upload(stores / "plain.ome.zarr", f"{bucket}/a.ome.zarr")
    code, said, _ = bigstack("info", f"{bucket}/a.ome.zarr", "--json")
    assert code == 0
    assert json.loads(said)["axes"] == {"z": 3, "y": 150, "x": 170, "channel": 1}
    code, said, _ = bigstack("plan", f"{bucket}/a.ome.zarr", "-o", f"{bucket}/o.ome.zarr", "--json")
    assert code == 0
    assert json.loads(said)["shape"] == [3, 150, 170, 1]
