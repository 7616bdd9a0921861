"""zarr-python on places of an object store: what it writes goes through the same requests as all else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from functools import partial
from typing import TypeVar

from zarr.abc.store import ByteRequest, OffsetByteRequest, RangeByteRequest, Store, SuffixByteRequest
from zarr.core.buffer import Buffer, BufferPrototype, default_buffer_prototype

from bigstack.io.object_store import request_threads
from bigstack.io.remote import RemotePath

T = TypeVar("T")

METADATA = ("zarr.json", ".zarray", ".zattrs", ".zgroup")


class PlaceStore(Store):
    """A group or array whose metadata and chunks may lie apart.

    Parameters
    ----------
    chunks
        Where chunks are.
    metadata
        Where metadata are, while readers of `chunks` shall not find any; with the chunks when None.
    """

    supports_writes = True
    supports_deletes = True
    supports_listing = True

    def __init__(
        self, chunks: RemotePath, metadata: RemotePath | None = None, *, read_only: bool = False
    ) -> None:
        super().__init__(read_only=read_only)
        self.chunks = chunks
        self.metadata = chunks if metadata is None else metadata

    def with_read_only(self, read_only: bool = False) -> PlaceStore:
        """The same, for reading only or for writing too."""
        return PlaceStore(self.chunks, self.metadata, read_only=read_only)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, PlaceStore)
            and (self.chunks, self.metadata) == (other.chunks, other.metadata)
            and self.read_only == other.read_only
        )

    def __hash__(self) -> int:
        return hash((self.chunks, self.metadata))

    def __str__(self) -> str:
        return str(self.chunks)

    def _place(self, key: str) -> RemotePath:
        return (self.metadata if key.rsplit("/", 1)[-1] in METADATA else self.chunks).joinpath(key)

    async def get(
        self,
        key: str,
        prototype: BufferPrototype | None = None,
        byte_range: ByteRequest | None = None,
    ) -> Buffer | None:
        """The bytes of a key, or some of them; None where there is none."""
        try:
            data = await _run(lambda: _read(self._place(key), byte_range))
        except FileNotFoundError:
            return None
        return (prototype or default_buffer_prototype()).buffer.from_bytes(data)

    async def get_partial_values(
        self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, ByteRequest | None]]
    ) -> list[Buffer | None]:
        """Several at once."""
        return list(await asyncio.gather(*(self.get(key, prototype, part) for key, part in key_ranges)))

    async def exists(self, key: str) -> bool:
        """Whether there is such a key."""
        return await _run(self._place(key).is_file)

    async def set(self, key: str, value: Buffer) -> None:
        """Write a key."""
        self._check_writable()
        data = value.to_bytes()
        await _run(lambda: self._place(key).write_bytes(data))

    async def delete(self, key: str) -> None:
        """Delete a key, if it is there."""
        self._check_writable()
        await _run(lambda: self._place(key).unlink(missing_ok=True))

    async def list(self) -> AsyncIterator[str]:
        """All keys."""
        async for key in self.list_prefix(""):
            yield key

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        """All keys that begin so."""
        for place in {self.chunks, self.metadata}:
            for key in await _run(partial(_names_below, place)):
                if key.startswith(prefix):
                    yield key

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """Names right below."""
        names = set()
        for place in {self.chunks, self.metadata}:
            names |= set(await _run(partial(_names_in, place.joinpath(prefix.strip("/")))))
        for name in sorted(names):
            yield name


def _names_below(place: RemotePath) -> list[str]:
    return [name for name, _ in place.files_below()]


def _names_in(place: RemotePath) -> list[str]:
    return [item.name for item in place.iterdir()]


def _read(place: RemotePath, part: ByteRequest | None) -> bytes:
    if isinstance(part, RangeByteRequest):
        return place.read_range(part.start, part.end - part.start)
    if isinstance(part, SuffixByteRequest):
        return place.read_end(part.suffix)
    data = place.read_bytes()
    return data[part.offset :] if isinstance(part, OffsetByteRequest) else data


async def _run(call: Callable[[], T]) -> T:
    return await asyncio.get_running_loop().run_in_executor(request_threads(), call)
