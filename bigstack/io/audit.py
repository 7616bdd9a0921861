"""Frames looked at before any pixel is decoded: each one that cannot belong to the stack is named."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bigstack.errors import StackError
from bigstack.io.files import ByteFile, file_state
from bigstack.io.find import numbering_gaps
from bigstack.io.formats import format_in, other_format, read_header
from bigstack.io.formats.header import FrameHeader, Unreadable
from bigstack.io.frames import FrameFile
from bigstack.io.opened import MAX_SIDE
from bigstack.io.orient import turned_shape
from bigstack.io.tiff_open import TiffHead, read_head

CHECKS = (
    "missing", "truncated", "not an image", "size", "dtype", "channels", "duplicate", "gap in the numbering",
)  # fmt: skip
_SAMPLE = 1 << 16
_COPY = "copy it again from the camera or microscope"
_REMOVE = "remove it from the folder or list"
_CONVERT = "convert it so that all frames are alike"


@dataclass(slots=True)
class Audited:
    """The frames that are fit, and the record of what was looked at and left out."""

    files: list[FrameFile]
    numbers: list[int]
    """Which of the given frames each file is."""
    tiffs: list[TiffHead]
    """Directories of the files when they are TIFF, else empty."""
    record: dict[str, Any]


@dataclass(slots=True)
class _Finding:
    """One frame: what it is, or what is wrong with it."""

    path: Path
    number: int
    file: FrameFile | None = None
    tiff: TiffHead | None = None
    problem: str = ""
    advice: str = ""


def audit_frames(
    paths: Sequence[Path], where: str, *, skip_bad: bool, max_pixels: int, left_aside: Sequence[str] = ()
) -> Audited:
    """Check the frames of a stack by their headers, sizes and, where sizes agree, contents.

    Parameters
    ----------
    where
        What to call the stack in messages.
    skip_bad
        Leave bad frames out and say so in the record, instead of raising.
    max_pixels
        Most pixels of a frame that has to be decoded whole.
    left_aside
        Names of images in the folder that do not belong to the stack, for the record.

    Raises
    ------
    StackError
        Naming every bad file: what was found, what was expected and what to do.
    """
    found = [_look(path, i, max_pixels) for i, path in enumerate(paths)]
    _compare(found)
    _find_duplicates(found)
    bad = [finding for finding in found if finding.problem]
    if bad and (not skip_bad or len(bad) == len(found)):
        raise StackError(_message(bad, len(found), where))
    good = [finding for finding in found if not finding.problem]
    record = {
        "frames": len(good),
        "checked": list(CHECKS),
        "skipped": [{"frame": f.number, "name": f.path.name, "problem": f.problem} for f in bad],
        "warnings": _warnings(paths, found, left_aside),
    }
    return Audited(
        [f.file for f in good if f.file], [f.number for f in good], [f.tiff for f in good if f.tiff], record
    )


def _look(path: Path, number: int, max_pixels: int) -> _Finding:
    finding = _Finding(path, number)
    try:
        _read(finding, max_pixels)
    except FileNotFoundError:
        finding.problem, finding.advice = "missing: there is no such file", _COPY
    except OSError as error:
        finding.problem, finding.advice = (
            f"cannot be read: {error.strerror or error}",
            "check its permissions",
        )
    except (Unreadable, StackError) as error:
        text = str(error).removeprefix(f"{path} is ").removeprefix(f"{path} ")
        finding.problem, finding.advice = text, _COPY
    return finding


def _read(finding: _Finding, max_pixels: int) -> None:
    path = str(finding.path)
    size, mtime = file_state(path)
    if finding.path.is_dir():
        raise Unreadable("not an image: it is a folder")
    if not size:
        raise Unreadable("truncated: the file is empty")
    with ByteFile(path) as file:
        start = file.peek(0, 32)
        name = format_in(file)
        if name is None:
            other = other_format(start)
            raise Unreadable(f"not an image that is read: {other}" if other else "not an image")
        if name == "TIFF":
            finding.tiff = read_head(path, full=finding.number == 0)
            if finding.tiff.problem:
                raise Unreadable(finding.tiff.problem)
            header = finding.tiff.header
        else:
            header = read_header(file, name)
    _check_size(header, name, max_pixels)
    finding.file = FrameFile(path, size, mtime, header)


def _check_size(header: FrameHeader, name: str, max_pixels: int) -> None:
    if name != "TIFF" and header.pixels > max_pixels:
        raise Unreadable(
            f"{header.describe()}: {header.pixels} pixels to decode at once, the limit is {max_pixels} "
            "(raise it with max_pixels, --max-pixels, if you trust the file)"
        )
    if max(header.height, header.width) > MAX_SIDE:
        raise Unreadable(f"{header.describe()}: no side may be longer than {MAX_SIDE} pixels")


def _compare(found: Iterable[_Finding]) -> None:
    """Mark the frames that are not like most of the others; like the first when there is no majority."""
    kinds: dict[tuple[object, ...], list[_Finding]] = defaultdict(list)
    for finding in found:
        if finding.file is not None:
            kinds[_kind(finding)].append(finding)
    if len(kinds) < 2:
        return
    usual = max(kinds, key=lambda kind: len(kinds[kind]))
    expected = kinds[usual][0]
    assert expected.file is not None
    for kind, findings in kinds.items():
        for finding in findings if kind != usual else ():
            assert finding.file is not None
            what = finding.file.header.describe() + _pages(finding)
            others = expected.file.header.describe() + _pages(expected)
            if what == others:
                what, others = finding.file.header.format, expected.file.header.format
            finding.problem, finding.advice = f"{what}, the others are {others}", _CONVERT
            finding.file = None


def _kind(finding: _Finding) -> tuple[object, ...]:
    assert finding.file is not None
    header = finding.file.header
    shape = turned_shape(header.height, header.width, header.orientation)
    # Encoders leave alpha away where a frame is opaque: only the colours have to be alike.
    common = (*shape, header.dtype, header.channels - header.alpha, finding.tiff is None)
    if finding.tiff is None:
        return common
    # Pages of TIFF files are read in place, so they must also be turned alike.
    return (*common, header.alpha, header.orientation, len(finding.tiff.pages))


def _pages(finding: _Finding) -> str:
    count = len(finding.tiff.pages) if finding.tiff else 1
    turn = finding.file.header.orientation if finding.file and finding.tiff else 1
    return (f" with {count} pages" if count > 1 else "") + (f", orientation {turn}" if turn > 1 else "")


def _find_duplicates(found: Sequence[_Finding]) -> None:
    """Mark files whose bytes are those of an earlier one; only files of equal size are opened."""
    groups: list[list[_Finding]] = [[f for f in found if f.file is not None]]
    for key in (_size, _sample_hash, _whole_hash):
        groups = [same for group in groups for same in _split(group, key) if len(same) > 1]
    for group in groups:
        for finding in group[1:]:
            finding.problem = f"duplicate: the same content as {group[0].path.name}"
            finding.advice = _REMOVE
            finding.file = None


def _split(group: Sequence[_Finding], key: Callable[[_Finding], object]) -> Iterable[list[_Finding]]:
    parts: dict[object, list[_Finding]] = defaultdict(list)
    for finding in group:
        parts[key(finding)].append(finding)
    return parts.values()


def _size(finding: _Finding) -> int:
    assert finding.file is not None
    return finding.file.size


def _sample_hash(finding: _Finding) -> bytes:
    """Hash of the start, middle and end: enough to tell frames of equal size apart."""
    with ByteFile(finding.path) as file:
        places = (0, max(0, file.size // 2 - _SAMPLE // 2), max(0, file.size - _SAMPLE))
        return hashlib.blake2b(b"".join(file.peek(at, _SAMPLE) for at in places)).digest()


def _whole_hash(finding: _Finding) -> bytes:
    with finding.path.open("rb") as file:
        return hashlib.file_digest(file, hashlib.blake2b).digest()


def _warnings(paths: Sequence[Path], found: Sequence[_Finding], left_aside: Sequence[str]) -> list[str]:
    texts = numbering_gaps([path.name for path in paths])
    if left_aside:
        shown = ", ".join(left_aside[:5]) + (" and others" if len(left_aside) > 5 else "")
        texts.append(f"{len(left_aside)} images of another kind are not part of the stack: {shown}")
    formats = Counter(f.file.header.format for f in found if f.file)
    if len(formats) > 1:
        texts.append("formats are mixed: " + ", ".join(f"{n} {name}" for name, n in formats.items()))
    return texts


def _message(bad: Sequence[_Finding], count: int, where: str) -> str:
    lines = "\n".join(f"  {finding.path.name}: {finding.problem}; {finding.advice}" for finding in bad)
    return (
        f"{len(bad)} of {count} frames of {where} cannot be used:\n{lines}\n"
        "Leave them out with skip_bad=True (--skip-bad) to go on without them"
    )


def slim(file: FrameFile) -> FrameFile:
    """The file without the metadata that only matters once a stack."""
    return replace(file, header=replace(file.header, icc_profile=b"", exif=b"", xmp=b""))
