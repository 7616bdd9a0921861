"""An OME-Zarr under construction in an object store, where nothing can be moved and a put is whole or not."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bigstack.errors import InputError, OutputExistsError
from bigstack.io.places import remove
from bigstack.io.remote import RemotePath
from bigstack.io.writers.area import Area
from bigstack.io.writers.claimed import Claimed
from bigstack.io.writers.output import ZARR_FILES

LEVEL = re.compile(r"\d+(-[0-9a-z]+)?")
"""Names of arrays that bigstack writes."""


class RemoteOutput(Claimed):
    """The final name, the unfinished one and the lock of one OME-Zarr in an object store.

    Chunks go below the final name at once. What describes them waits below ``<name>.partial`` and is put in
    place in the end, the group last: until then there is no Zarr for anybody who looks. A run that replaces
    another output, finished or not, gives its arrays names of their own: the old output stays whole until the
    description is replaced, by one put, and tasks of a given-up run that are still alive harm nobody.
    """

    path: RemotePath
    folder = True

    def __init__(self, path: RemotePath, *, overwrite: bool) -> None:
        self.path = path
        self.partial = path.with_name(path.name + ".partial")
        self.overwrite = overwrite

    def check(self) -> None:
        """Refuse, before any work, a name that the output could not take in the end."""
        if self.path.bucket.read_only:
            raise InputError(
                f"cannot write {self.path}: HTTP is for reading only; write to a disk, or to s3://bucket/... "
                "(AWS_ENDPOINT_URL says which server)"
            )
        if not self.path.is_dir():  # one request, which also tells when there is no such bucket
            return
        if self._described():
            if not self.overwrite:
                raise OutputExistsError(
                    f"{self.path} exists; allow to overwrite it (--overwrite), or choose another name"
                )
        elif not (self.partial / "run.json").is_file() and self._foreign():
            raise InputError(f"{self.path} holds what bigstack did not write; it is not overwritten")

    def area(self, root: RemotePath, tag: str) -> Area:
        """Where the arrays of a run are, whose own folder is `root`: chunks where they will stay."""
        return Area(root / "image.zarr", self.path, tag)

    def new_tag(self) -> str:
        """What a run that begins adds to names of arrays: nothing, unless something is there already."""
        return f"{time.time_ns():x}" if self.path.is_dir() else ""

    def clear(self) -> None:
        """Remove what an earlier run left unfinished."""
        remove(self.partial)
        self._remove_unused(lambda name: LEVEL.fullmatch(name) is not None)

    def publish(self, whole: RemotePath) -> None:
        """Put the description of the arrays in place, remove an older output and unlock."""
        names = sorted(name for name, _ in whole.files_below())
        # Arrays first. Of the group's own, .zattrs comes before .zgroup, without which it is no group.
        for name in sorted(names, key=lambda name: ("/" not in name, name)):
            (self.path / name).write_bytes((whole / name).read_bytes())
        for stale in set(ZARR_FILES) - set(names):
            (self.path / stale).unlink(missing_ok=True)
        remove(self.partial)
        self._remove_unused(lambda name: name not in ZARR_FILES)
        self.release()

    @contextmanager
    def writing(self, need: int) -> Iterator[None]:
        """Nothing to add to what a store says."""
        yield

    def _described(self) -> bool:
        return any((self.path / name).is_file() for name in ZARR_FILES[:3])

    def _foreign(self) -> bool:
        return any(LEVEL.fullmatch(place.name) is None for place in self.path.iterdir())

    def _remove_unused(self, which: Callable[[str], bool]) -> None:
        """Remove such of what the description does not name: left by given-up runs, or replaced."""
        used = self._levels()
        for place in self.path.iterdir():
            if place.name not in used and which(place.name):
                remove(place)

    def _levels(self) -> set[str]:
        """Names of arrays that the finished output is made of."""
        for name in ("zarr.json", ".zattrs"):
            try:
                found = json.loads((self.path / name).read_bytes())
            except FileNotFoundError:
                continue
            attributes = found.get("attributes", found)
            image = attributes.get("ome", attributes)
            return {
                str(level["path"]) for scale in image.get("multiscales", ()) for level in scale["datasets"]
            }
        return set()
