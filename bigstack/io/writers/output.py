"""An output under construction: locked, written beside its final name, moved there when whole."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bigstack.errors import InputError, OutputExistsError, RunError
from bigstack.io.places import place_of, remove
from bigstack.io.remote import RemotePath
from bigstack.io.writers.area import Area
from bigstack.io.writers.claimed import Claimed
from bigstack.io.writers.spec import human

NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
ZARR_FILES = ("zarr.json", ".zgroup", ".zarray", ".zattrs")


class Output(Claimed):
    """The final name, the unfinished one and the lock of one output.

    Parameters
    ----------
    path
        Where the output appears once it is whole.
    overwrite
        Whether an output that is there already may be replaced; it stays until the new one is whole.
    folder
        Whether the output is a folder (Zarr) instead of one file.
    """

    path: Path

    def __init__(self, path: str | os.PathLike[str], *, overwrite: bool, folder: bool) -> None:
        self.path = Path(path).absolute()
        self.partial = self.path.with_name(self.path.name + ".partial")
        self.overwrite = overwrite
        self.folder = folder

    def check(self) -> None:
        """Refuse, before any work, a name that the output could not take in the end."""
        folder = self.path.parent
        if not folder.is_dir():
            raise InputError(f"cannot write {self.path}: folder {folder} does not exist; create it first")
        if not os.access(folder, os.W_OK | os.X_OK):
            raise InputError(f"cannot write {self.path}: folder {folder} is not writable")
        if not os.path.lexists(self.path):
            return
        if not self.overwrite:
            raise OutputExistsError(
                f"{self.path} exists; allow to overwrite it (--overwrite), or choose another name"
            )
        if self.path.is_dir() and not (self.folder and _is_zarr(self.path)):
            raise InputError(f"{self.path} is a folder that bigstack did not write; it is not overwritten")

    def area(self, root: Path, tag: str) -> Area:
        """Where the arrays of a run are, whose own folder is `root`: there, until they are moved."""
        return Area(root / "image.zarr", root / "image.zarr", tag)

    def new_tag(self) -> str:
        """What a run that begins adds to names of arrays: nothing, as its folder is its own."""
        return ""

    def clear(self) -> None:
        """Remove what an earlier run left unfinished."""
        remove(self.partial)

    def publish(self, whole: Path) -> None:
        """Move the `whole` output to its final name, replacing an older one, and unlock."""
        if self.folder and os.path.lexists(self.path):
            self._swap(whole)
        else:
            whole.replace(self.path)
        self.clear()
        self.release()

    def _swap(self, whole: Path) -> None:
        """Replace a folder: no file system renames over one that has content."""
        replaced = self.path.with_name(self.path.name + ".replaced")
        remove(replaced)
        self.path.rename(replaced)
        try:
            whole.rename(self.path)
        except OSError:
            replaced.rename(self.path)
            raise
        remove(replaced)

    @contextmanager
    def writing(self, need: int) -> Iterator[None]:
        """Turn a full disk into an error that names the output and the room that it may need."""
        try:
            yield
        except OSError as error:
            if error.errno not in NO_SPACE:
                raise
            raise RunError(self._full(need, error)) from error

    def _full(self, need: int, error: OSError) -> str:
        folder = self.path.parent
        wanted = f"it may need {human(need)} (uncompressed), and " if need else ""
        return (
            f"no space to write {self.path} ({os.strerror(error.errno or 0)}): {wanted}"
            f"{human(shutil.disk_usage(folder).free)} are free in {folder}; free some, or write elsewhere"
        )


def output_at(path: str | os.PathLike[str] | RemotePath, *, overwrite: bool, folder: bool) -> Any:
    """The `Output`, or `RemoteOutput`, of a name.

    Raises
    ------
    InputError
        For something else than a Zarr in an object store, and for HTTP, which is read only.
    """
    place = place_of(path)
    if not isinstance(place, RemotePath):
        return Output(place, overwrite=overwrite, folder=folder)
    from bigstack.io.writers.remote_output import RemoteOutput

    if not folder:
        raise InputError(
            f"{place}: only OME-Zarr is written to a store; name it .ome.zarr, or write it to a disk"
        )
    return RemoteOutput(place, overwrite=overwrite)


def _is_zarr(path: Path) -> bool:
    return any((path / name).is_file() for name in ZARR_FILES) or not any(path.iterdir())
