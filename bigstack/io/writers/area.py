"""Where the arrays of an unfinished OME-Zarr lie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bigstack.io.places import AnyPath
from bigstack.io.remote import RemotePath


@dataclass(frozen=True, slots=True)
class Area:
    """Where the arrays of an unfinished output lie."""

    metadata: AnyPath
    """Folder with what describes group and arrays."""
    chunks: AnyPath
    """Folder with the chunks; another one where nothing can be moved to its final name in the end."""
    tag: str = ""
    """Added to the names of levels, so that they are not those of an output that is being replaced."""

    def name(self, level: int) -> str:
        """Name of the array of a level."""
        return f"{level}-{self.tag}" if self.tag else str(level)

    def level(self, level: int) -> Any:
        """The array of a level, as zarr-python takes it."""
        return self._store(self.name(level))

    def group(self) -> Any:
        """The group of all levels, as zarr-python takes it."""
        return self._store("")

    def _store(self, name: str) -> Any:
        if not isinstance(self.metadata, RemotePath) or not isinstance(self.chunks, RemotePath):
            return self.metadata / name
        from bigstack.io.zarr_store import PlaceStore

        return PlaceStore(self.chunks / name, self.metadata / name)
