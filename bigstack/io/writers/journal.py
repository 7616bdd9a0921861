"""Which pieces of an unfinished output are on disk: one append-only file a process, whole lines only."""

from __future__ import annotations

import os
import re
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

Mark = tuple[int, int, int, int, int, int]
"""level, z, y0, y1, x0, x1"""

LINE = re.compile(rb"(\d+) (\d+) (\d+) (\d+) (\d+) (\d+) \.")
_APPENDING = threading.Lock()
_STARTED = time.time_ns()


class Journal:
    """Marks pieces as done, from many threads and processes at once.

    A mark is one line, appended by one write after the piece's data has been handed to the system: a process
    killed at any moment leaves the line or does not, and a torn line has no end mark and is not believed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, *mark: int) -> None:
        """Note that a piece is on disk."""
        # Begins with a line end, so that what a dead writer of the same name left torn stays alone.
        line = "\n" + " ".join(map(str, mark)) + " .\n"
        path = self.folder / f"{socket.gethostname()}-{os.getpid()}-{_STARTED}.txt"
        with _APPENDING, path.open("ab", buffering=0) as file:
            file.write(line.encode())

    def marks(self) -> Iterator[Mark]:
        """Yield all marks, of this and of interrupted runs."""
        for path in sorted(self.folder.glob("*.txt")):
            for line in path.read_bytes().splitlines(keepends=True):
                found = LINE.fullmatch(line.removesuffix(b"\n")) if line.endswith(b"\n") else None
                if found:
                    level, z, y0, y1, x0, x1 = map(int, found.groups())
                    yield level, z, y0, y1, x0, x1
