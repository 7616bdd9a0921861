"""Frames that arrive in a folder: which are there, which are whole, and what has changed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bigstack.errors import BigstackError, StackError
from bigstack.io.files import file_state
from bigstack.io.find import frames_in

State = tuple[int, int]
"""Size and time of change of a file."""


@dataclass
class Arriving:
    """Looks at a folder again and again.

    A file counts as whole when it has not changed for `settle` seconds and its header and end are those of
    an image; a file that stays unreadable for `patience` seconds after it stopped changing is a bad frame.
    """

    folder: Path
    settle: float
    patience: float
    clock: object = time.monotonic
    _seen: dict[Path, tuple[State, float]] = field(default_factory=dict)
    """State of every file, and since when it has been so."""

    def listed(self) -> list[Path]:
        """Frames in the folder, in their order."""
        try:
            return frames_in(self.folder)[0]
        except StackError:
            if not self.folder.is_dir():
                raise
            return []

    def quiet(self, path: Path) -> float:
        """Seconds for which a file has not changed; below 0 when it is gone."""
        now = self.clock()  # type: ignore[operator]
        try:
            state = file_state(path)
        except OSError:
            self._seen.pop(path, None)
            return -1.0
        known = self._seen.get(path)
        if known is None or known[0] != state:
            self._seen[path] = (state, now)
            return 0.0
        return float(now - known[1])

    def whole(self, path: Path) -> bool:
        """Whether a file can be taken now.

        Raises
        ------
        StackError
            When it has not become an image in time; names it.
        """
        quiet = self.quiet(path)
        if quiet < self.settle:
            return False
        try:
            check_frame(path)
        except BigstackError as error:
            if quiet < self.patience:
                return False
            raise StackError(f"{path}: {error}") from error
        return True


def check_frame(path: Path) -> None:
    """Refuse a file whose header or end is not that of an image."""
    from bigstack.io.open import open_stack

    stack = open_stack(path)
    if stack.sizes["z"] != 1:
        raise StackError(f"{path} holds {stack.sizes['z']} frames; frames that arrive are a file each")


def changed(paths: Sequence[Path], states: Sequence[State]) -> Path | None:
    """The first file that is not as it was."""
    for path, state in zip(paths, states, strict=True):
        try:
            if file_state(path) != tuple(state):
                return path
        except OSError:
            return path
    return None
