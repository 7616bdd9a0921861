"""Paths of this machine and places in object stores, and what is done alike with both."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

from bigstack.io.remote import RemotePath, is_address

AnyPath: TypeAlias = Path | RemotePath


def place_of(path: str | os.PathLike[str] | RemotePath) -> AnyPath:
    """The path, or the place in a store, that a name means.

    Raises
    ------
    InputError
        For an address of a kind that is not known.

    Examples
    --------
    >>> place_of("s3://bucket/a.zarr"), place_of("a.zarr").name
    (RemotePath('s3://bucket/a.zarr'), 'a.zarr')
    """
    if isinstance(path, RemotePath):
        return path
    if isinstance(path, str) and is_address(path):
        return RemotePath(path)
    return Path(path)


def put_text(place: AnyPath, text: str) -> None:
    """Write a small file whole, replacing one that is there."""
    if isinstance(place, RemotePath):
        place.write_text(text)
        return
    beside = place.with_name(place.name + ".new")
    beside.write_text(text)
    beside.replace(place)


def create(place: AnyPath, text: str) -> bool:
    """Write a file unless there is one: of several processes at once, one alone gets True."""
    if isinstance(place, RemotePath):
        return place.create(text.encode())
    try:
        with place.open("x") as file:
            file.write(text)
    except FileExistsError:
        return False
    except OSError:  # a full disk leaves a file without content
        place.unlink(missing_ok=True)
        raise
    return True


def files_in(folder: AnyPath) -> Iterator[str]:
    """Names of files right in a folder that hold something; a power cut may leave names of empty ones."""
    if isinstance(folder, RemotePath):
        yield from (name for name, facts in folder.files_below() if "/" not in name and facts.st_size)
        return
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_file() and entry.stat().st_size:
                    yield entry.name
    except FileNotFoundError:
        return


def stored_bytes(place: AnyPath) -> int:
    """Bytes of all files of a folder."""
    if isinstance(place, RemotePath):
        return sum(facts.st_size for _, facts in place.files_below())
    return sum(path.stat().st_size for path in place.rglob("*") if path.is_file())


def remove(path: AnyPath) -> None:
    """Remove a file or a folder, if it is there.

    After an error, writes of other chunks may still be under way and put files into a folder that is being
    emptied; then it is tried again.
    """
    if isinstance(path, RemotePath):
        path.unlink(missing_ok=True)
        path.remove_below()
        return
    if not path.is_dir() or path.is_symlink():
        path.unlink(missing_ok=True)
        return
    _remove_folder(path)


def _remove_folder(path: Path) -> None:
    import errno

    for pause in (0.01, 0.03, 0.1, 0.3, 1.0, None):
        try:
            shutil.rmtree(path)
        except FileNotFoundError:
            if not path.exists():
                return
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST) or pause is None:
                raise
        else:
            return
        time.sleep(pause or 0)
