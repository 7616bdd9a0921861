"""Which pieces of an unfinished output are stored: lines of a file a process, or an object a piece."""

from __future__ import annotations

import itertools
import os
import re
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bigstack.io.object_store import REPEATS
from bigstack.io.places import AnyPath
from bigstack.io.remote import RemotePath

Mark = tuple[int, int, int, int, int, int]
"""level, z, y0, y1, x0, x1"""

LINE = re.compile(rb"(\d+) (\d+) (\d+) (\d+) (\d+) (\d+)(?: r(\d+))? \.")
NAME = re.compile(r"(\d+)_(\d+)_(\d+)_(\d+)_(\d+)_(\d+)(?:_r(\d+))?\..*")
_APPENDING = threading.Lock()
_STARTED = time.time_ns()
_NUMBERS = itertools.count()


class Journal:
    """Marks pieces as done, from many threads and processes at once.

    On a disk a mark is one line, appended by one write after the piece's data has been handed to the system:
    a process killed at any moment leaves the line or does not, and a torn line has no end mark and is not
    believed. In an object store, where nothing is appended, it is the name of an empty object. A mark also
    says how many requests to a server had to be repeated in its process since the one before.
    """

    def __init__(self, folder: AnyPath) -> None:
        self.folder = folder

    def add(self, *mark: int) -> None:
        """Note that a piece is stored."""
        repeats = REPEATS.take()
        words = [*map(str, mark), *([f"r{repeats}"] if repeats else [])]
        process = f"{socket.gethostname()}-{os.getpid()}-{_STARTED}"
        if isinstance(self.folder, RemotePath):
            (self.folder / f"{'_'.join(words)}.{process}-{next(_NUMBERS)}").write_bytes(b"")
            return
        # Begins with a line end, so that what a dead writer of the same name left torn stays alone.
        line = "\n" + " ".join(words) + " .\n"
        with _APPENDING, (self.folder / f"{process}.txt").open("ab", buffering=0) as file:
            file.write(line.encode())

    def marks(self) -> Iterator[Mark]:
        """Yield all marks, of this and of interrupted runs."""
        for mark, _ in self._entries():
            yield mark

    def repeats(self) -> int:
        """How many requests to servers had to be repeated for the pieces that are marked."""
        return sum(count for _, count in self._entries())

    def _entries(self) -> Iterator[tuple[Mark, int]]:
        found = _named(self.folder) if isinstance(self.folder, RemotePath) else _written(self.folder)
        for words in found:
            level, z, y0, y1, x0, x1 = (int(word) for word in words[:6])
            yield (level, z, y0, y1, x0, x1), int(words[6] or 0)


def _named(folder: RemotePath) -> Iterator[tuple[Any, ...]]:
    for name, _ in folder.files_below():
        if found := NAME.fullmatch(name):
            yield found.groups()


def _written(folder: Path) -> Iterator[tuple[Any, ...]]:
    for path in sorted(folder.glob("*.txt")):
        for line in path.read_bytes().splitlines(keepends=True):
            found = LINE.fullmatch(line.removesuffix(b"\n")) if line.endswith(b"\n") else None
            if found:
                yield found.groups()
