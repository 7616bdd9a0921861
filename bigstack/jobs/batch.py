"""Which stacks a job is for: one, a folder of folders, or a folder split by time or by count."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from bigstack.errors import InputError, StackError
from bigstack.io.places import AnyPath, place_of
from bigstack.io.remote import RemotePath, is_address
from bigstack.jobs.flow import Given, frames_of
from bigstack.jobs.recipe import Job

FOLDERS = "folders"


def stacks_of(job: Job) -> list[Given]:
    """The stacks of a job's input, by name.

    Raises
    ------
    StackError
        When there is nothing there.
    InputError
        For a way to split that there is not.
    """
    given, split = job.input["path"], job.input.get("split")
    paths: Any = [job.path(path) for path in given] if isinstance(given, list) else _place(job, given)
    name = job.input.get("name") or _name_of(paths)
    if split is None:
        return [Given(name, paths)]
    if isinstance(paths, RemotePath):
        raise InputError(f"{paths} is one Zarr store and cannot be split; leave split away")
    way = split_of(split)
    if way == FOLDERS:
        return _folders(paths, job.path(job.output.get("folder", ".")))
    groups = _groups(_frames(paths), way)
    digits = max(3, len(str(len(groups))))
    return [Given(f"{name}-{n:0{digits}d}", group, n) for n, group in enumerate(groups, 1)]


def _place(job: Job, path: str) -> AnyPath:
    return place_of(path) if is_address(path) else job.path(path)


def split_of(text: str | int) -> str | int | float:
    """What ``--split`` means: "folders", frames a stack (int), or seconds of a gap (float).

    Examples
    --------
    >>> split_of("folders"), split_of("7"), split_of("30s"), split_of("2min")
    ('folders', 7, 30.0, 120.0)
    """
    if text == FOLDERS:
        return FOLDERS
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(s|sec|min|h)?\s*", str(text))
    if match and match[2] and float(match[1]) > 0:
        return float(match[1]) * {"s": 1, "sec": 1, "min": 60, "h": 3600}[match[2]]
    if match and match[1].isdecimal() and int(match[1]) > 0:
        return int(match[1])
    raise InputError(
        f'a stack is split by "{FOLDERS}", a gap in capture times such as "30s" or "2min", '
        f"or a number of frames; got {text!r}"
    )


def _name_of(paths: Any) -> str:
    """What to call a stack: the folder of several frames, else the file or folder itself."""
    if isinstance(paths, list):
        return paths[0].parent.name if len(paths) > 1 else _name_of(paths[0])
    if any(mark in paths.name for mark in "*?["):
        return paths.parent.name or "stack"
    if isinstance(paths, RemotePath):
        return _folder_name(paths)
    return paths.name.split(".")[0] or paths.name if not paths.is_dir() else _folder_name(paths)


def _folder_name(path: AnyPath) -> str:
    return path.name.removesuffix(".zarr").removesuffix(".ome") or "stack"


def _folders(path: Any, results: Path) -> list[Given]:
    """Every folder in a folder, but the one that results go to."""
    from bigstack.io.find import natural_key

    if isinstance(path, list) or not path.is_dir():
        raise StackError(f'split "{FOLDERS}" needs a folder of folders, and {path} is none')
    found = sorted(
        (each for each in path.iterdir() if _is_stack(each) and each != results),
        key=lambda each: natural_key(each.name),
    )
    if not found:
        raise StackError(f"{path} holds no folder; give a folder of folders, or leave split away")
    return [Given(_folder_name(each), each, number) for number, each in enumerate(found, 1)]


def _is_stack(path: Path) -> bool:
    return (
        path.is_dir() and not path.name.startswith(".") and not path.name.endswith((".partial", ".scratch"))
    )


def _frames(paths: Any) -> list[Path]:
    found = frames_of(paths)
    if not isinstance(found, list):
        raise StackError(f"{paths} is no folder of several frames, so it cannot be split")
    return found


def _groups(frames: Sequence[Path], way: str | float) -> list[list[Path]]:
    if isinstance(way, int):
        return [list(frames[i : i + way]) for i in range(0, len(frames), way)]
    from bigstack.io.capture_time import capture_times

    assert isinstance(way, float)
    times = capture_times(frames)
    order = sorted(range(len(frames)), key=lambda i: times[i])
    groups = [[order[0]]]
    for before, after in pairwise(order):
        if times[after] - times[before] > way:
            groups.append([])
        groups[-1].append(after)
    # Times say which frames belong together, names in which order they are read, as without a split.
    return [[frames[i] for i in sorted(group)] for group in groups]
