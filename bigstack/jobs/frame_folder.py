"""A stack as a folder with a file a frame, written frame by frame and shown once it is whole."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from bigstack.errors import InputError, OutputExistsError, RunError
from bigstack.io.writers import create_sink
from bigstack.io.writers.lock import OutputLock
from bigstack.io.writers.output import remove

_RUN = "run.json"


class FrameFolder:
    """Writes the frames of a stack as files of one format.

    Parameters
    ----------
    path
        The folder. An unfinished one is ``<name>.partial`` beside it: frames that it holds are whole.
    ending
        Of the files, such as ``tif``.
    key
        What the frames depend on: an unfinished folder of the same key is continued, another one is not.
    """

    def __init__(self, path: Path, ending: str, *, key: str, overwrite: bool = False) -> None:
        self.path = path.absolute()
        self.partial = path.with_name(path.name + ".partial")
        self.ending = ending.lstrip(".")
        self.key = key
        self.overwrite = overwrite
        self._lock = OutputLock(self.path)

    def open(self) -> None:
        """Lock the folder, and take up or begin the unfinished one."""
        self._check()
        try:
            self._lock.acquire()
            if self._begun() != self.key:
                remove(self.partial)
                self.partial.mkdir()
                (self.partial / _RUN).write_text(json.dumps({"key": self.key}))
        except OSError as error:
            self._lock.release()
            raise RunError(f"cannot write {self.path}: {error.strerror or error}") from error

    def sink(self, z: int, spec: Any, **options: Any) -> Any:
        """The writer of a frame; None when an interrupted run has written it."""
        path = self.partial / f"frame_{z:04d}.{self.ending}"
        return None if path.exists() else create_sink(path, spec, **options)

    def finish(self) -> None:
        """Give the folder its name."""
        (self.partial / _RUN).unlink(missing_ok=True)
        old = self.path.with_name(self.path.name + ".replaced")
        remove(old)
        if self.path.exists():
            self.path.rename(old)
        self.partial.rename(self.path)
        remove(old)
        self._lock.release()

    def pause(self) -> None:
        """Let go, and keep what is done."""
        self._lock.release()

    def _begun(self) -> str | None:
        try:
            return str(json.loads((self.partial / _RUN).read_text())["key"])
        except (OSError, ValueError, KeyError):
            return None

    def _check(self) -> None:
        if not self.path.parent.is_dir():
            raise InputError(f"cannot write {self.path}: its folder does not exist; create it first")
        if not os.path.lexists(self.path):
            return
        if not self.overwrite:
            raise OutputExistsError(
                f"{self.path} exists; allow to overwrite it (--overwrite), or choose another name"
            )
        ours = re.compile(r"frame_\d{4,}\.\w+(\.\w+)?")
        if not self.path.is_dir() or any(not ours.fullmatch(entry.name) for entry in self.path.iterdir()):
            raise InputError(f"{self.path} is no folder of frames that bigstack wrote; it is not overwritten")
