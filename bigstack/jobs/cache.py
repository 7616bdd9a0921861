"""What a job keeps beside its results, in the hidden folder ``.bigstack``, so as not to compute it again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from bigstack.io.corrections import put_files
from bigstack.io.files import file_state
from bigstack.io.record import InputRecord
from bigstack.io.writers.output import remove

NAME = ".bigstack"
_INPUTS = "inputs.json"


def digest(value: Any) -> str:
    """SHA-256 of a value as JSON: the key of what depends on nothing else.

    Examples
    --------
    >>> digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    True
    """
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


class Cache:
    """Estimates and intermediate stacks by key, hashes of inputs, and which outputs are under way."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / NAME

    def text(self, key: str) -> str | None:
        """An estimate's JSON, None when it is not there."""
        try:
            return (self.folder / f"{key}.json").read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return None

    def put(self, key: str, text: str) -> None:
        """Keep an estimate."""
        put_files({self.folder / f"{key}.json": text.encode()}, overwrite=True)

    def forget(self, key: str) -> None:
        """Drop what is kept under a key."""
        for place in (self.folder / f"{key}.json", self.place(key)):
            if place.exists():
                remove(place)

    def place(self, key: str) -> Path:
        """Where an intermediate stack of that key lies."""
        return self.folder / f"{key}.ome.zarr"

    @contextmanager
    def replacing(self, paths: Iterable[Path]) -> Iterator[None]:
        """Remember that outputs are being replaced and recorded: a run killed meanwhile may have done it.

        After an error the mark stays on those that have changed: their record is that of the old ones.
        """
        before = {path: _stamp(path) for path in paths}
        self.folder.mkdir(parents=True, exist_ok=True)
        for path in before:
            self._mark(path).touch()
        try:
            yield
        except BaseException:
            self._unmark(path for path, stamp in before.items() if _stamp(path) == stamp)
            raise
        self._unmark(before)

    def _unmark(self, paths: Iterable[Path]) -> None:
        for path in paths:
            self._mark(path).unlink(missing_ok=True)

    def under_way(self, path: Path) -> bool:
        """Whether a run that wrote this output was interrupted."""
        return self._mark(path).exists()

    def prune(self, stack: str, keys: Iterable[str]) -> None:
        """Forget what a stack no longer needs: `keys` are those that it does."""
        wanted = set(keys)
        index = self._load(f"stack-{digest(stack)[:16]}.json")
        for key in index.get("keys", []):
            if key not in wanted:
                self.forget(key)
        self._store(f"stack-{digest(stack)[:16]}.json", {"stack": stack, "keys": sorted(wanted)})

    def inputs(self, paths: Iterable[str], *, hashed: bool = True) -> list[InputRecord]:
        """Inputs with their hashes; only files that are new or changed are read.

        Where they are not to be `hashed`, size and time of change stand for the content.
        """
        if not hashed:
            found = (InputRecord.of(path) for path in paths)
            return [replace(item, digest=f"{item.size} bytes of {item.mtime_ns}") for item in found]
        known = self._load(_INPUTS)
        looked = [InputRecord.of(path) for path in paths]
        todo = [item for item in looked if known.get(item.path, {}).get("state") != _state(item)]
        with ThreadPoolExecutor() as pool:
            read = list(pool.map(lambda item: InputRecord.of(item.path, digest=True), todo))
        for item in read:
            known[item.path] = {"state": _state(item), "digest": item.digest}
        if read:
            self._store(_INPUTS, known)
        return [InputRecord(**{**asdict(item), "digest": known[item.path]["digest"]}) for item in looked]

    def _mark(self, path: Path) -> Path:
        return self.folder / f"{digest(str(path))[:16]}.writing"

    def _load(self, name: str) -> dict[str, Any]:
        try:
            found = json.loads((self.folder / name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def _store(self, name: str, value: dict[str, Any]) -> None:
        put_files({self.folder / name: json.dumps(value, indent=1).encode()}, overwrite=True)


def _state(item: InputRecord) -> list[int]:
    return [item.size, item.mtime_ns]


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        return file_state(path)
    except OSError:
        return None
