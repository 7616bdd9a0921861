"""What a watch keeps on disk, so that a kill costs no more than the frames since the last checkpoint."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bigstack.io.checkpoint import load_states, save_states
from bigstack.io.record import versions
from bigstack.io.writers.output import remove
from bigstack.jobs.cache import digest


class Kept:
    """The folder ``<output>.watch``: the state of the folds, and which frames they have seen."""

    def __init__(self, output: Path, parameters: Mapping[str, Any]) -> None:
        self.folder = output.absolute().with_name(output.name + ".watch")
        self.key = digest([dict(parameters), dict(versions())])
        self.count = 0
        """Frames that the checkpoint has."""
        self._file = ""

    def read(self) -> tuple[list[Path], list[tuple[int, int]]] | None:
        """Frames of the checkpoint and their states; None when there is none of an equal watch."""
        try:
            value = json.loads((self.folder / "watch.json").read_text())
            if value["key"] != self.key or not (self.folder / value["file"]).exists():
                return None
            paths = [Path(path) for path in value["frames"]]
            states = [(int(size), int(mtime)) for size, mtime in value["states"]]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        self.count, self._file = len(paths), value["file"]
        return paths, states

    def load(self, running: Any) -> None:
        """Put the kept states into a fusion that has just begun."""
        parts = [(stage, part) for stage in running.stages for part in stage.all_parts()]
        states = load_states(self.folder / self._file, [stage.fresh(part, 0) for stage, part in parts])
        for (_, part), state in zip(parts, states, strict=True):
            part.state = state
        running.frames = self.count

    def write(self, running: Any, paths: Sequence[Path], states: Sequence[tuple[int, int]]) -> None:
        """Keep the states; the checkpoint before stays until the new one is whole."""
        self.folder.mkdir(exist_ok=True)
        old, self._file = self._file, f"state-{time.time_ns()}.npz"
        parts = [part.state for stage in running.stages for part in stage.all_parts()]
        save_states(self.folder / self._file, parts)
        text = json.dumps(
            {
                "key": self.key,
                "file": self._file,
                "frames": [str(path) for path in paths],
                "states": [list(state) for state in states],
            }
        )
        beside = self.folder / "watch.json.part"
        beside.write_text(text)
        beside.replace(self.folder / "watch.json")
        self.count = len(paths)
        if old:
            (self.folder / old).unlink(missing_ok=True)

    def clear(self) -> None:
        """Forget the checkpoint."""
        if self.folder.exists():
            remove(self.folder)
        self.count, self._file = 0, ""
