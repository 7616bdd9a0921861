"""Short texts (CSV, JSON), and bytes that are made at once: whole or not there."""

from __future__ import annotations

import os
from pathlib import Path

from bigstack.io.writers.output import Output


def write_bytes(path: Path, content: bytes, *, overwrite: bool = False) -> Path:
    """Write a file that appears when it is whole.

    Raises
    ------
    OutputExistsError, InputError
        As `Output.check` says.
    RunError
        When the disk is full.
    """
    output = Output(path, overwrite=overwrite, folder=False)
    output.claim()
    try:
        with output.writing(len(content)), output.partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        output.publish(output.partial)
    except BaseException:
        output.discard()
        raise
    return output.path


def write_text(path: Path, text: str, *, overwrite: bool = False) -> Path:
    """Write a text that appears when it is whole; see `write_bytes`."""
    return write_bytes(path, text.encode(), overwrite=overwrite)
