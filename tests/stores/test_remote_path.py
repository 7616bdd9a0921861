"""Places in a store: names, operations, and what happens when the server does not do its part."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest

from bigstack.errors import AccessError, BigstackError, InputError, StoreError
from bigstack.io import object_store, remote
from bigstack.io.credentials import profile_settings
from bigstack.io.object_store import REPEATS, ahead
from bigstack.io.places import create, place_of, remove
from bigstack.io.remote import RemotePath

from .conftest import keys


def test_names():
    place = RemotePath("s3://bucket/a b//c.ome.zarr/")
    assert str(place) == "s3://bucket/a b/c.ome.zarr"
    assert (place.name, place.stem, place.suffix) == ("c.ome.zarr", "c.ome", ".zarr")
    assert str(place.parent.parent) == "s3://bucket"
    assert str(place / "0" / "zarr.json") == "s3://bucket/a b/c.ome.zarr/0/zarr.json"
    assert pickle.loads(pickle.dumps(place)) == place == place_of(str(place))
    web = RemotePath("http://host:80/a%20b/c.zarr")
    assert web.key == "a b/c.zarr"
    assert RemotePath(str(web)) == web
    assert str(web) == "http://host:80/a%20b/c.zarr"


@pytest.mark.parametrize(
    "bad", ["ftp://h/a", "gs://b/a", "s3://", "s3:///a", "http://h/a?x=1", "http://u@h/a", "s3://b/../a"]
)
def test_addresses_that_name_nothing(bad):
    with pytest.raises(InputError, match="address"):
        RemotePath(bad)
    with pytest.raises((TypeError, InputError)):
        open(RemotePath("s3://b/a"))  # noqa: PTH123 what knows only files must not make a folder of the name


def test_objects_come_and_go(bucket, tmp_path):
    place = RemotePath(f"{bucket}/dir/é %.bin")
    assert not place.exists()
    assert not place.parent.exists()
    with pytest.raises(FileNotFoundError, match=r"dir/é %\.bin does not exist"):
        place.read_bytes()
    place.write_bytes(b"0123456789")
    assert (place.read_bytes(), place.read_range(2, 3), place.read_end(2)) == (b"0123456789", b"234", b"89")
    assert place.stat().st_size == 10
    assert place.parent.is_dir()
    assert [item.name for item in place.parent.iterdir()] == [place.name]
    (tmp_path / "file").write_bytes(b"x" * 12_000_000)  # sent in parts
    (place.parent / "large").write_bytes(tmp_path / "file")
    with remote.temporary_copy(place.parent / "large") as copy:
        assert copy.seek(0, 2) == 12_000_000
    remove(place.parent)
    assert keys(bucket) == []


def test_one_of_many_creates(bucket):
    place = RemotePath(f"{bucket}/lock")
    with ThreadPoolExecutor(8) as threads:
        got = list(threads.map(lambda who: create(place, str(who)), range(8)))
    assert sum(got) == 1
    assert place.read_text() == str(got.index(True))


def test_lists_longer_than_a_page(bucket, monkeypatch):
    monkeypatch.setattr(remote, "PAGE", 4)
    place = RemotePath(bucket)
    names = [f"d/{i:02d}" for i in range(11)] + ["d2/other"]
    list(ahead(lambda name: (place / name).write_bytes(b"x"), names, 8))
    assert keys(f"{bucket}/d") == [f"{i:02d}" for i in range(11)]
    remove(place / "d")
    assert keys(bucket) == ["d2/other"]


def test_requests_are_repeated_and_counted(bucket, faulty):
    failing = [500, 503, "drop", 429]
    faulty(lambda number, *_: failing[number - 1] if number <= len(failing) else None)
    place = RemotePath(f"{bucket}/a")
    place.write_bytes(b"x")
    assert place.read_bytes() == b"x"
    assert REPEATS.take() >= 4  # a connection that was hung up on may be noticed late
    assert REPEATS.take() == 0


def test_the_pauses_grow_and_end(bucket, faulty, monkeypatch):
    pauses = []
    proxy = faulty(lambda *_: 503)
    monkeypatch.setattr(object_store, "FIRST_PAUSE", 0.1)
    monkeypatch.setattr(object_store, "_pause", pauses.append)
    with pytest.raises(StoreError, match=r"no answer that can be used after 8 tries.*503"):
        RemotePath(f"{bucket}/a").read_bytes()
    assert proxy.count == object_store.TRIES
    assert all(1.1 < later / earlier < 3.5 for earlier, later in pairwise(pauses[:-1])), pauses
    assert 8 < sum(pauses) < 20


@pytest.mark.parametrize(("status", "says"), [(403, "access was denied"), (401, "AWS_SECRET_ACCESS_KEY")])
def test_what_does_not_pass_is_not_repeated(bucket, faulty, status, says):
    proxy = faulty(lambda *_: status)
    with pytest.raises(AccessError, match=says):
        RemotePath(f"{bucket}/a").read_bytes()
    assert proxy.count == 1


def test_a_put_whose_answer_was_lost_is_its_own(bucket, faulty):
    faulty(lambda number, method, path: "lose" if method == "PUT" and number < 3 else None)
    assert RemotePath(f"{bucket}/lock").create(b"me")
    assert not RemotePath(f"{bucket}/lock").create(b"you")


def test_a_server_that_knows_no_conditions(bucket, faulty, monkeypatch):
    monkeypatch.setattr(remote, "SETTLE_SECONDS", 0.2)
    refused = []

    def fail(number, method, path):
        refused.extend([number] if method == "PUT" and len(refused) < 3 else [])
        return 501 if refused and refused[-1] == number and len(refused) in (1, 3) else None

    proxy = faulty(fail)
    assert RemotePath(f"{bucket}/lock").create(b"me")
    assert not RemotePath(f"{bucket}/lock").create(b"you")
    assert proxy.failed == 1


def test_nobody_there(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    monkeypatch.setattr(object_store, "FIRST_PAUSE", 0.001)
    with pytest.raises(StoreError, match=r"at http://127.0.0.1:9"):
        RemotePath("s3://bucket/a").read_bytes()


def test_a_bucket_that_is_not_there(bucket):
    for ask in (RemotePath.read_bytes, lambda place: place.write_bytes(b""), lambda place: place.is_dir()):
        with pytest.raises(StoreError, match="there is no bucket 'nobucket' at http"):
            ask(RemotePath("s3://nobucket/a"))


def test_http_is_for_reading(moto):
    place = RemotePath(f"{moto.address}/somebucket/a")
    for ask in (lambda: place.write_bytes(b""), lambda: place.create(b""), place.unlink):
        with pytest.raises(InputError, match="HTTP is for reading only"):
            ask()
    with pytest.raises(BigstackError, match="no list"):
        list(place.iterdir())


def test_profiles(tmp_path):
    (tmp_path / "config").write_text("[profile lab]\nregion = eu-west-1\nendpoint_url = http://minio:9000\n")
    (tmp_path / "credentials").write_text("[lab]\naws_access_key_id = k\naws_secret_access_key = s\n")
    files = {
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"),
    }
    found, provider = profile_settings({**files, "AWS_PROFILE": "lab"})
    assert provider is None
    assert found == {
        "AWS_REGION": "eu-west-1",
        "AWS_ENDPOINT_URL": "http://minio:9000",
        "AWS_ACCESS_KEY_ID": "k",
        "AWS_SECRET_ACCESS_KEY": "s",
    }
    given = {"AWS_ACCESS_KEY_ID": "mine", "AWS_REGION": "here", "AWS_ENDPOINT_URL": "there"}
    assert profile_settings({**files, **given, "AWS_PROFILE": "lab"}) == ({}, None)
    with pytest.raises(InputError, match="AWS_PROFILE is 'other'"):
        profile_settings({**files, "AWS_PROFILE": "other"})
