"""Bytes of files at known places, with every short read noticed."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from bigstack.errors import StackError


class ByteFile:
    """A file that is open for reading at places; not shared between threads.

    Pages are read, not mapped: a file cut short while it is mapped kills the process, and mapped pages
    count as memory of the process.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        try:
            self._file = Path(path).open("rb", buffering=0)
        except OSError as error:
            raise StackError(f"{self.path} cannot be read: {error.strerror or error}") from error
        self.size = os.fstat(self._file.fileno()).st_size

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def read(self, offset: int, size: int) -> bytes:
        """Return `size` bytes from `offset` on, or a `StackError` when the file ends before."""
        if size < 0 or offset < 0 or offset + size > self.size:
            raise StackError(
                f"{self.path} is truncated: {size} bytes are needed at {offset}, it has {self.size}"
            )
        self._file.seek(offset)
        data = self._file.read(size)
        while len(data) < size:
            more = self._file.read(size - len(data))
            if not more:
                raise StackError(f"{self.path} became shorter while it was read")
            data += more
        return data

    def peek(self, offset: int, size: int) -> bytes:
        """Return at most `size` bytes from `offset` on: what there is of them."""
        size = max(0, min(size, self.size - offset))
        return self.read(offset, size) if size else b""

    def read_into(self, offset: int, pixels: np.ndarray) -> None:
        """Fill uint8 `pixels` from `offset` on, or raise a `StackError` when the file ends before."""
        self._file.seek(offset)
        buffer = pixels.data
        done = 0
        while done < len(buffer):
            count = self._file.readinto(buffer[done:])
            if not count:
                raise StackError(
                    f"{self.path} is truncated: {len(buffer)} bytes are needed at {offset}, "
                    f"it has {self.size}"
                )
            done += count

    def read_rows(self, offset: int, stride: int, rows: np.ndarray) -> None:
        """Fill each row of uint8 `rows` from places `stride` bytes apart, the first at `offset`."""
        if offset + stride * (len(rows) - 1) + rows.shape[1] > self.size:
            raise StackError(f"{self.path} is truncated: rows end behind its {self.size} bytes")
        if not hasattr(os, "preadv"):
            for i, row in enumerate(rows):
                self.read_into(offset + i * stride, row)
            return
        handle, size = self._file.fileno(), rows.shape[1]
        for i, row in enumerate(rows):
            if os.preadv(handle, [row], offset + i * stride) != size:
                self.read_into(offset + i * stride, row)


def file_state(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Size in bytes and modification time in nanoseconds: what tells that a file was changed."""
    stat = Path(path).stat()
    return stat.st_size, stat.st_mtime_ns
