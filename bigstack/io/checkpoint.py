"""States of running folds on disk: nested dicts and lists of arrays, whole or not there."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bigstack.errors import RunError, StackError

SKIPPED = ("window", "tall")
"""Entries of states that say where, not what: a fresh state has them."""


def save_states(path: Path, states: Sequence[Any]) -> None:
    """Write states; the file is there once it is whole.

    Raises
    ------
    RunError
        When the disk is full.
    """
    arrays: dict[str, np.ndarray] = {}
    trees = [_pack(state, arrays) for state in states]
    beside = path.with_name(path.name + ".part")
    try:
        with beside.open("wb") as file:
            given: dict[str, Any] = {"trees": np.array(json.dumps(trees)), **arrays}
            np.savez(file, **given)
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise RunError(
            f"no space to keep the state of the fusion in {path.parent}: {error.strerror}"
        ) from error


def load_states(path: Path, fresh: Sequence[Any]) -> list[Any]:
    """Read states back; `fresh` are new ones of the same folds.

    Raises
    ------
    StackError
        When the file is not what `save_states` wrote, of such folds.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            trees = json.loads(str(file["trees"]))
            if len(trees) != len(fresh):
                raise ValueError(f"{len(trees)} states, {len(fresh)} wanted")
            return [_unpack(tree, file, state) for tree, state in zip(trees, fresh, strict=True)]
    except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
        raise StackError(f"{path} does not hold the state of this fusion ({error})") from error


def _pack(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    if isinstance(value, np.ndarray):
        name = f"a{len(arrays)}"
        arrays[name] = value
        return {"array": name}
    if isinstance(value, dict):
        return {"dict": {key: _pack(item, arrays) for key, item in value.items() if key not in SKIPPED}}
    if isinstance(value, list):
        return {"list": [_pack(item, arrays) for item in value]}
    if value is None or isinstance(value, bool | int | float | str):
        return {"value": value}
    raise TypeError(f"a state cannot be kept: {type(value).__name__}")


def _unpack(tree: Any, arrays: Any, fresh: Any) -> Any:
    ((kind, value),) = tree.items()
    if kind == "array":
        return arrays[value]
    if kind == "list":
        same = isinstance(fresh, list) and len(fresh) == len(value)
        return [_unpack(item, arrays, fresh[i] if same else None) for i, item in enumerate(value)]
    if kind == "dict":
        known = fresh if isinstance(fresh, dict) else {}
        return known | {key: _unpack(item, arrays, known.get(key)) for key, item in value.items()}
    return value
