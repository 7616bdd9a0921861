"""What sinks that write one file have in common."""

from __future__ import annotations

import os
from abc import abstractmethod
from pathlib import Path
from typing import IO, Any

import numpy as np

from bigstack.errors import InputError
from bigstack.geometry import Tile
from bigstack.io.sink import ImageSpec, Sink
from bigstack.io.writers.output import Output
from bigstack.io.writers.spec import nbytes


def software() -> str:
    """Name and version for the metadata of written files."""
    import bigstack

    return f"bigstack {bigstack.__version__}"


def check_tile(sink: Any, tile: Tile, pixels: np.ndarray) -> None:
    """Refuse a tile that the sink cannot store by itself: storing it would damage its neighbours."""
    height, width, channels = sink.spec.shape[-3:]
    for start, stop, size, multiple in (
        (tile.y0, tile.y1, height, sink.multiple[0]),
        (tile.x0, tile.x1, width, sink.multiple[1]),
    ):
        if start % multiple or (stop % multiple and stop != size) or stop > size:
            raise InputError(
                f"{tile} is not aligned: borders must be multiples of {sink.multiple} or the border of "
                f"the image {(height, width)}"
            )
    if sink.full_width and tile.shape[1] != width:
        raise InputError(f"{tile} must span the whole width {width} of this format")
    expected = (*tile.shape, channels)
    if pixels.shape != expected or pixels.dtype != np.dtype(sink.spec.dtype):
        raise InputError(
            f"{tile} needs {sink.spec.dtype} pixels of shape {expected}, "
            f"got {pixels.dtype} of shape {pixels.shape}"
        )


class FileSink(Sink):
    """A sink whose output is one file; holds the open file only in the driver."""

    def __init__(self, path: str | os.PathLike[str], spec: ImageSpec, *, overwrite: bool = False) -> None:
        self.spec = spec
        self.output = Output(path, overwrite=overwrite, folder=False)
        self._file: IO[bytes] | None = None

    @classmethod
    @abstractmethod
    def problem(cls, spec: ImageSpec) -> str | None:
        """Say why the format cannot hold the image, None when it can."""

    @abstractmethod
    def _begin(self, file: IO[bytes]) -> None:
        """Write what comes before the first tile."""

    @abstractmethod
    def _write(self, file: IO[bytes], tile: Tile, encoded: Any) -> None:
        """Write one encoded tile."""

    @abstractmethod
    def _end(self, file: IO[bytes]) -> None:
        """Write what makes the file complete."""

    @property
    def path(self) -> Path:
        """Final name of the output."""
        return self.output.path

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_file": None}

    def __dask_tokenize__(self) -> object:
        options = {k: v for k, v in self.__dict__.items() if k != "output" and not k.startswith("_")}
        return type(self).__name__, str(self.path), sorted((k, repr(v)) for k, v in options.items())

    def open(self) -> None:
        """Lock the output and create the unfinished file beside its final name."""
        self.output.claim()
        try:
            self.output.clear()
            with self.output.writing(nbytes(self.spec)):
                self._file = self.output.partial.open("w+b")
                self._begin(self._file)
        except BaseException:
            self.abort()
            raise

    def put(self, tile: Tile, encoded: object) -> None:
        """Append what `encode` gave."""
        with self.output.writing(nbytes(self.spec)):
            self._write(self._opened(), tile, encoded)

    def finish(self) -> None:
        """Complete the file, wait until the disk has it, and move it to its final name."""
        file = self._opened()
        try:
            with self.output.writing(nbytes(self.spec)):
                self._end(file)
                file.flush()
                os.fsync(file.fileno())  # else a power cut after the rename could leave an empty file
                file.close()
            self._file = None
            self.output.publish(self.output.partial)
        except BaseException:
            self.abort()
            raise

    def abort(self) -> None:
        """Remove the unfinished file; harmless when there is none."""
        if self._file is not None:
            try:
                self._file.close()
            except OSError:  # a full disk refuses what is still buffered, and it is thrown away anyway
                pass
            self._file = None
        self.output.discard()

    def _opened(self) -> IO[bytes]:
        if self._file is None:
            raise InputError(f"{self.path} is not open for writing: call open() first, in this process")
        return self._file
