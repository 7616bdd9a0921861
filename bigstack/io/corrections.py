"""Corrections as JSON files, to look at, edit and use again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bigstack.errors import InputError, OutputExistsError, StackError
from bigstack.geometry.correction import Correction, correction_from_json


def write_corrections(
    corrections: Sequence[Correction], folder: Path, *, overwrite: bool = False
) -> list[Path]:
    """Write ``1-balance.json``, ``2-vignetting.json``, ... in the order that they are applied.

    Raises
    ------
    OutputExistsError
        When one of them is there with other content and `overwrite` is not set.
    """
    folder = Path(folder)
    texts = {
        folder / f"{n}-{value.kind.replace('_', '-')}.json": (value.to_json() + "\n").encode()
        for n, value in enumerate(corrections, 1)
    }
    put_files(texts, overwrite=overwrite)
    return list(texts)


def put_files(contents: Mapping[Path, bytes], *, overwrite: bool = False) -> None:
    """Write small files whole, all or none; equal ones that are there already are left alone.

    Raises
    ------
    OutputExistsError
        When one is there with other content and `overwrite` is not set.
    """
    todo = {path: data for path, data in contents.items() if not _holds(path, data)}
    for path in todo:
        if path.exists() and not overwrite:
            raise OutputExistsError(
                f"{path} is there already with other content; choose another folder, or overwrite it"
            )
    for path, data in todo.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}.part")
        beside.write_bytes(data)
        beside.replace(path)


def _holds(path: Path, data: bytes) -> bool:
    return path.is_file() and path.stat().st_size == len(data) and path.read_bytes() == data


def read_correction(path: Path) -> Any:
    """Read one back.

    Raises
    ------
    StackError
        When the file cannot be read.
    InputError
        When it is not the JSON of a correction; the message names the file.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StackError(f"cannot read the correction {path}: {error}") from error
    try:
        return correction_from_json(text)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
