"""A folder where a run keeps pieces between two passes, instead of in memory."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from bigstack.errors import RunError, StoreError
from bigstack.io.places import AnyPath, place_of, remove
from bigstack.io.remote import RemotePath, temporary_copy

WHOLE = "whole"
"""Object that says that all others of its tile are there."""


class Parked:
    """Arrays of one tile that lie on disk; small, picklable, read again on demand."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def load(self, name: str) -> Any:
        """The array, or list of arrays, that was parked as `name`."""
        single = self.folder / f"{name}.npy"
        if single.exists():
            return np.load(single, mmap_mode="r")
        return [np.load(path) for path in sorted(self.folder.glob(f"{name}-*.npy"))]


class RemoteParked(Parked):
    """Arrays of one tile that lie in an object store, an object a name."""

    def __init__(self, folder: RemotePath, singles: frozenset[str]) -> None:
        self.place = folder
        self.singles = singles
        """Names of those that are one array and no list."""

    def load(self, name: str) -> Any:
        """The array, or list of arrays, that was parked as `name`."""
        if name in self.singles:
            with temporary_copy(self.place / f"{name}.npy") as file:
                return _mapped(file)
        with temporary_copy(self.place / f"{name}.npz") as file, np.load(file) as arrays:
            return [arrays[key] for key in sorted(arrays.files)]


def _mapped(file: Any) -> np.ndarray:
    """The array of an open .npy file: its pages are the file's, and stay when that is closed."""
    read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    shape, fortran, dtype = read[np.lib.format.read_magic(file)](file)
    return np.memmap(file, dtype, "r", file.tell(), shape, "F" if fortran else "C")


class Scratch:
    """Keeps named arrays of tiles in one folder; what is there and whole is not computed again.

    A tile's arrays are a folder that gets its name once all of them are on disk, so that a run killed
    half-way leaves nothing that a later run would believe. In an object store, where machines of a cluster
    and later runs find them too, an object that says so comes last.
    """

    def __init__(self, folder: str | os.PathLike[str] | RemotePath) -> None:
        self.folder = place_of(folder)

    def __dask_tokenize__(self) -> object:
        return ("Scratch", str(self.folder))

    def find(self, key: str) -> Parked | None:
        """What an earlier task or run parked as `key`, or None."""
        place = self.folder / key
        if not isinstance(place, RemotePath):
            return Parked(place) if place.is_dir() else None
        names = {name for name, _ in place.files_below()}
        return _remotely(place, names) if WHOLE in names else None

    def begin(self, key: str) -> Unparked:
        """Start parking: arrays go into an unfinished folder until `Unparked.finish`."""
        return Unparked(self.folder, key)


def clear_scratch(folder: AnyPath) -> None:
    """Remove all that was parked in a folder, if there is any."""
    if isinstance(folder, RemotePath):
        remove(folder)
    else:
        shutil.rmtree(folder, ignore_errors=True)


class Unparked:
    """Arrays of one tile on their way to disk, or by way of a disk to an object store."""

    def __init__(self, folder: AnyPath, key: str) -> None:
        self.final = folder / key
        if isinstance(folder, RemotePath):
            self.folder = Path(tempfile.mkdtemp(prefix="bigstack-"))
            weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)
            return
        folder.mkdir(parents=True, exist_ok=True)
        # Two tasks may park one tile at once (a worker thought lost): each has a folder of its own.
        self.folder = Path(tempfile.mkdtemp(prefix=f".{key}-", dir=folder))

    def empty(self, name: str, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        """An array on disk to be filled piece by piece; its pages are the file's, not the process's."""
        path = self.folder / f"{name}.npy"
        array = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
        if hasattr(os, "posix_fallocate"):
            # Else a disk that is full ends the process where a page is written.
            with self._writing(), path.open("r+b") as file:
                os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
        return array

    def save(self, name: str, value: np.ndarray | list[np.ndarray]) -> None:
        """Write one array, or a list of them."""
        with self._writing():
            if isinstance(value, list) and isinstance(self.final, RemotePath):
                np.savez(self.folder / f"{name}.npz", **_numbered(name, value))  # type: ignore[arg-type]
                return
            arrays = {name: value} if isinstance(value, np.ndarray) else _numbered(name, value)
            for each, array in arrays.items():
                np.save(self.folder / f"{each}.npy", array, allow_pickle=False)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Tell a full disk from a bug: NumPy says neither the file nor the cause."""
        try:
            yield
        except StoreError:
            raise
        except OSError as error:
            free = shutil.disk_usage(self.folder).free
            raise RunError(
                f"no space to keep pieces between two passes in {self.folder.parent} "
                f"({error.strerror or error}; {free / 1e6:.0f} MB are free): free some, write the output "
                "elsewhere, or give a larger --memory-limit and an output that is no Zarr"
            ) from error

    def finish(self) -> Parked:
        """Give the folder its name; whoever comes second finds the first one's, which is equal."""
        if isinstance(self.final, RemotePath):
            return self._sent(self.final)
        try:
            self.folder.rename(self.final)
        except OSError:
            if not self.final.is_dir():
                raise
            shutil.rmtree(self.folder, ignore_errors=True)
        return Parked(self.final)

    def _sent(self, place: RemotePath) -> Parked:
        names = {path.name for path in self.folder.iterdir()}
        for name in sorted(names):
            (place / name).write_bytes(self.folder / name)
        (place / WHOLE).write_bytes(b"")
        shutil.rmtree(self.folder, ignore_errors=True)
        return _remotely(place, names)


def _remotely(place: RemotePath, names: set[str]) -> RemoteParked:
    return RemoteParked(place, frozenset(name[:-4] for name in names if name.endswith(".npy")))


def _numbered(name: str, arrays: list[np.ndarray]) -> dict[str, np.ndarray]:
    return {f"{name}-{i:05d}": array for i, array in enumerate(arrays)}
