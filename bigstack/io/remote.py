"""Places in an object store, used as paths are: names, and the few operations that stores know."""

from __future__ import annotations

import posixpath
import re
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any, Self
from urllib.parse import quote, unquote, urlsplit

from bigstack.errors import AccessError, InputError, StoreError, UnknownRequestError
from bigstack.io.object_store import Bucket, library, request

SCHEMES = ("s3", "http", "https")
PARALLEL_PARTS = 4
"""Parts of a large object that are sent at once, each 5 MB in memory."""
SETTLE_SECONDS = 1.0
"""How long others that write the same object at once may take, where a server knows no conditions."""
PAGE = 1000
"""Objects that S3 lists, or deletes, by one request."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a store says of an object; fields as those of ``Path.stat``."""

    st_size: int
    st_mtime_ns: int
    """Time of the last change; 0 where a server does not say."""
    tag: str = ""
    """The store's own mark of the content."""

    @property
    def st_mtime(self) -> float:
        """Seconds."""
        return self.st_mtime_ns / 1e9


class RemotePath:
    """A place such as ``s3://bucket/stack.ome.zarr``, with those methods of a `Path` that a store has.

    It is no ``os.PathLike``: what knows only files of this machine fails at once and does not take the
    address for a folder. A folder is whatever is before a slash in names of objects. Every write is whole or
    not there.

    Examples
    --------
    >>> place = RemotePath("s3://bucket/run/stack.ome.zarr/")
    >>> str(place.with_name("other.zarr")), (place / "0").name, str(place.parent)
    ('s3://bucket/run/other.zarr', '0', 's3://bucket/run')
    """

    __slots__ = ("bucket", "key")

    bucket: Bucket
    key: str
    """Name within the bucket, without slashes at its ends."""

    def __init__(self, address: str | RemotePath) -> None:
        if isinstance(address, RemotePath):
            self.bucket, self.key = address.bucket, address.key
            return
        parts = urlsplit(address) if not address.startswith("s3://") else None
        if parts is None:
            name, _, key = address.removeprefix("s3://").partition("/")
            self.bucket = Bucket("s3", name)
        else:
            if parts.scheme not in SCHEMES:
                raise InputError(
                    f"{address!r} is an address of a kind that is not read; those are s3://bucket/..., "
                    "http:// and https://. Copy the stack to a disk and give its path"
                )
            if parts.query or parts.fragment or "@" in parts.netloc:
                raise InputError(f"{address!r}: addresses with ?, # or @ name no store; leave that part out")
            name, key = parts.netloc, unquote(parts.path)
            self.bucket = Bucket(parts.scheme, name)
        if not name:
            raise InputError(f"the address {address!r} names no {'bucket' if parts is None else 'server'}")
        pieces = [piece for piece in key.split("/") if piece]
        if ".." in pieces or "." in pieces:
            raise InputError(f"{address!r}: an address cannot have '.' or '..' between slashes")
        self.key = "/".join(pieces)

    @classmethod
    def _of(cls, bucket: Bucket, key: str) -> Self:
        place = cls.__new__(cls)
        place.bucket, place.key = bucket, key
        return place

    def __reduce__(self) -> Any:
        return RemotePath, (str(self),)

    def __dask_tokenize__(self) -> object:
        return ("RemotePath", str(self))

    def __str__(self) -> str:
        key = quote(self.key) if self.bucket.read_only else self.key
        return f"{self.bucket}/{key}" if key else str(self.bucket)

    def __repr__(self) -> str:
        return f"RemotePath({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RemotePath) and (self.bucket, self.key) == (other.bucket, other.key)

    def __hash__(self) -> int:
        return hash((self.bucket, self.key))

    def __lt__(self, other: RemotePath) -> bool:
        return str(self) < str(other)

    def __truediv__(self, name: str) -> RemotePath:
        return self.joinpath(name)

    def joinpath(self, *names: str) -> RemotePath:
        """The place below this one."""
        return self._of(self.bucket, "/".join(part for part in (self.key, *names) if part))

    @property
    def name(self) -> str:
        """What is after the last slash."""
        return posixpath.basename(self.key)

    @property
    def suffix(self) -> str:
        """The last ending of the name."""
        return posixpath.splitext(self.name)[1]

    @property
    def stem(self) -> str:
        """The name without its last ending."""
        return posixpath.splitext(self.name)[0]

    @property
    def parent(self) -> RemotePath:
        """What is before the last slash."""
        return self._of(self.bucket, posixpath.dirname(self.key))

    def with_name(self, name: str) -> RemotePath:
        """Another place beside this one."""
        if not self.key:
            raise InputError(f"{self} is a whole bucket; name a place in it")
        return self.parent / name

    def absolute(self) -> RemotePath:
        """Itself: addresses are the same from wherever they are looked at."""
        return self

    resolve = absolute

    def stat(self) -> Facts:
        """Size and time of an object."""
        obstore = library()

        found = request(self.bucket, self.key, lambda client: obstore.head(client, self.key))
        return _facts(found)

    def is_file(self) -> bool:
        """Whether there is such an object; False where a server does not tell those who may not list."""
        try:
            self.stat()
        except (FileNotFoundError, AccessError):
            return False
        return True

    def is_dir(self) -> bool:
        """Whether there is any object below; False for HTTP, which knows no folders."""
        return not self.bucket.read_only and next(self._below(), None) is not None

    def exists(self) -> bool:
        """Whether there is such an object, or any below."""
        return self.is_file() or self.is_dir()

    def is_symlink(self) -> bool:
        """Never: stores know none."""
        return False

    def mkdir(self, *, parents: bool = False, exist_ok: bool = False) -> None:
        """Nothing: folders are there by what is in them."""

    def read_bytes(self) -> bytes:
        """All bytes of an object."""
        return self.read_checked(lambda size: None)

    def read_checked(self, check: Any) -> bytes:
        """All bytes of an object; ``check(size)`` may refuse before they are fetched."""
        obstore = library()

        def get(client: Any) -> bytes:
            answer = obstore.get(client, self.key)
            check(answer.meta["size"])
            return bytes(answer.bytes())

        return request(self.bucket, self.key, get)

    def read_text(self, encoding: str = "utf-8") -> str:
        """All of an object as text."""
        return self.read_bytes().decode(encoding)

    def read_range(self, offset: int, size: int) -> bytes:
        """Bytes from `offset` on."""
        obstore = library()

        return request(
            self.bucket,
            self.key,
            lambda client: bytes(obstore.get_range(client, self.key, start=offset, length=size)),
        )

    def read_end(self, size: int) -> bytes:
        """The last bytes of an object."""
        obstore = library()

        options: Any = {"range": {"suffix": size}}
        return request(
            self.bucket,
            self.key,
            lambda client: bytes(obstore.get(client, self.key, options=options).bytes()),
        )

    def download(self, file: IO[bytes]) -> None:
        """Copy an object into an open file, a piece at a time."""
        obstore = library()

        def get(client: Any) -> None:
            file.seek(0)
            file.truncate()
            for piece in obstore.get(client, self.key):
                file.write(piece)
            file.flush()

        request(self.bucket, self.key, get)

    def write_bytes(self, data: bytes | Path) -> None:
        """Write an object, of bytes or of the content of a file; it replaces one that is there."""
        obstore = library()

        how: Any = {"max_concurrency": PARALLEL_PARTS}
        self._writable()
        request(self.bucket, self.key, lambda client: obstore.put(client, self.key, data, **how))

    def write_text(self, text: str) -> None:
        """Write an object of text."""
        self.write_bytes(text.encode())

    def create(self, data: bytes) -> bool:
        """Write an object unless there is one: of several at once, one alone gets True.

        A put on condition, as S3, MinIO and Ceph know it. From a server that does not, reading back what was
        written tells at least who was last.
        """
        obstore = library()

        self._writable()
        if self.is_file():
            return False
        mine: Any = {"mode": "create", "use_multipart": False}
        # What exists may be our own, whose answer was lost.
        try:
            request(self.bucket, self.key, lambda client: obstore.put(client, self.key, data, **mine))
        except FileExistsError:
            pass
        except UnknownRequestError:
            self.write_bytes(data)
            time.sleep(SETTLE_SECONDS)
        try:
            return self.read_bytes() == data
        except FileNotFoundError:
            return False

    def unlink(self, *, missing_ok: bool = False) -> None:
        """Delete an object."""
        obstore = library()

        self._writable()
        try:
            request(self.bucket, self.key, lambda client: obstore.delete(client, self.key))
        except FileNotFoundError:
            if not missing_ok:
                raise

    def iterdir(self) -> Iterator[RemotePath]:
        """Objects and folders right below."""
        obstore = library()

        self._listable()
        found = request(
            self.bucket, self.key, lambda client: obstore.list_with_delimiter(client, self.key or None)
        )
        names = [*found["common_prefixes"], *(item["path"] for item in found["objects"])]
        yield from (self._of(self.bucket, name.strip("/")) for name in names)

    def files_below(self) -> Iterator[tuple[str, Facts]]:
        """Name, from here, of every object below, and what is known of it."""
        start = len(self.key) + 1 if self.key else 0
        for item in self._below():
            yield item["path"][start:], _facts(item)

    def _below(self) -> Iterator[Any]:
        """Every object below, page by page; a page that fails begins the listing anew behind the last one."""
        self._listable()
        last: str | None = None
        while True:
            page = request(self.bucket, self.key, partial(_page, self.key, last))
            if not page:
                return
            yield from page
            last = page[-1]["path"]

    def remove_below(self) -> None:
        """Delete every object below."""
        obstore = library()

        self._writable()
        names = [item["path"] for item in self._below()]
        for i in range(0, len(names), PAGE):
            request(self.bucket, self.key, partial(obstore.delete, paths=names[i : i + PAGE]))

    def _writable(self) -> None:
        if self.bucket.read_only:
            raise InputError(
                f"{self}: HTTP is for reading only; write to a disk, or to s3://bucket/... "
                "(AWS_ENDPOINT_URL says which server)"
            )

    def _listable(self) -> None:
        if self.bucket.read_only:
            raise StoreError(f"{self}: HTTP gives no list of what is in a folder; name what to read")


def _page(key: str, last: str | None, client: Any) -> list[Any]:
    obstore = library()

    listing: Any = obstore.list(client, key or None, offset=last, chunk_size=PAGE)
    return next(iter(listing), [])


def _facts(item: Any) -> Facts:
    changed = item.get("last_modified")
    changed_at = int(changed.timestamp()) * 10**9 if changed is not None else 0
    return Facts(int(item["size"]), max(0, changed_at), str(item.get("e_tag") or ""))


def is_address(name: object) -> bool:
    """True for a text such as ``s3://bucket/stack.zarr``, whatever its scheme.

    Examples
    --------
    >>> is_address("s3://bucket/stack.zarr"), is_address("photos/")
    (True, False)
    """
    return isinstance(name, str) and re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", name) is not None


def temporary_copy(place: RemotePath) -> Any:
    """An open file of this machine with the content of an object; without a name, gone once it is closed."""
    file = tempfile.TemporaryFile(prefix="bigstack-")
    try:
        place.download(file)
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file
