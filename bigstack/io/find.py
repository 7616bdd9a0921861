"""Which files a path means, in which order."""

from __future__ import annotations

import glob
import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from bigstack.errors import StackError
from bigstack.io.formats import format_of

PathLike = str | os.PathLike[str]

FAMILIES = {
    "jpg": "JPEG", "jpeg": "JPEG", "jpe": "JPEG", "jfif": "JPEG", "png": "PNG", "webp": "WebP",
    "tif": "TIFF", "tiff": "TIFF", "btf": "TIFF", "tf8": "TIFF", "bmp": "BMP", "dib": "BMP",
    **dict.fromkeys(
        ("dng", "cr2", "cr3", "crw", "nef", "nrw", "arw", "sr2", "srf", "raf", "rw2", "rwl", "orf", "pef",
         "srw", "3fr", "fff", "iiq", "erf", "mrw", "mos", "mef", "kdc", "dcr", "gpr"), "RAW",
    ),
}  # fmt: skip
_NUMBER = re.compile(r"(\d+)")
_SMALL = re.compile(r"(?<![a-z])(thumb(nail)?s?|preview)(?![a-z])", re.IGNORECASE)


def natural_key(name: str) -> tuple[object, ...]:
    """Key that sorts f2 before f10.

    Examples
    --------
    >>> sorted(["f10.png", "f2.png"], key=natural_key)
    ['f2.png', 'f10.png']
    """
    root, ending = os.path.splitext(name)  # noqa: PTH122
    parts = _NUMBER.split(root)
    texts, numbers = [part.casefold() for part in parts[::2]], [int(part) for part in parts[1::2]]
    woven = [item for pair in zip(texts, [*numbers, 0], strict=True) for item in pair]
    return tuple(woven[:-1]), ending.casefold(), name


def is_pattern(path: PathLike) -> bool:
    """True for a path such as img_*.jpg that is no file by itself."""
    return glob.has_magic(os.fspath(path)) and not Path(path).exists()


def matching(pattern: PathLike) -> list[Path]:
    """Files that the pattern means, in natural order."""
    found = [Path(name) for name in glob.glob(os.fspath(pattern), recursive=True) if Path(name).is_file()]  # noqa: PTH207
    if not found:
        raise StackError(f"no file matches {os.fspath(pattern)!r}")
    return sorted(found, key=lambda path: natural_key(str(path)))


def frames_in(folder: Path) -> tuple[list[Path], list[str]]:
    """Frames of a folder in natural order, and the names of other images that were left aside.

    Hidden files, folders and files that are no images do not count. Where the folder mixes kinds of images,
    the kind that most files have is the stack.

    Raises
    ------
    StackError
        When there is no image, or two kinds have as many files.
    """
    files = sorted(_files(folder), key=lambda path: natural_key(path.name))
    kinds = {path: FAMILIES[ext] for path in files if (ext := path.suffix[1:].lower()) in FAMILIES}
    if not kinds:
        kinds = {path: kind for path in files if (kind := _sniffed(path)) is not None}
    if not kinds:
        raise StackError(f"{folder} holds no images (JPEG, PNG, TIFF, BMP, WebP, RAW) and is no Zarr store")
    counts = Counter(kinds.values()).most_common()
    if len(counts) > 1 and counts[0][1] == counts[1][1]:
        both = " and ".join(f"{count} {kind}" for kind, count in counts[:2])
        raise StackError(f"{folder} holds {both} files; say which are the stack, such as {folder}/*.jpg")
    chosen = [path for path, kind in kinds.items() if kind == counts[0][0]]
    small = [path for path in chosen if _SMALL.search(path.stem)]
    if len(small) < len(chosen):
        chosen = [path for path in chosen if path not in small]
    return chosen, [path.name for path in kinds if path not in set(chosen)]


def _files(folder: Path) -> Iterable[Path]:
    try:
        with os.scandir(folder) as entries:
            return [Path(e.path) for e in entries if not e.name.startswith(".") and e.is_file()]
    except OSError as error:
        raise StackError(f"{folder} cannot be read: {error.strerror or error}") from error


def _sniffed(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return format_of(file.read(32))
    except OSError:
        return None


def numbering_gaps(names: Sequence[str]) -> list[str]:
    """Say where the numbers in the names jump further than they usually do.

    Examples
    --------
    >>> numbering_gaps(["f1.png", "f2.png", "f4.png", "f5.png"])
    ['no frame between f2.png and f4.png']
    """
    parts = [_NUMBER.split(name) for name in names]
    if len(parts) < 3 or len({tuple(part[::2]) for part in parts}) > 1:
        return []
    columns = list(zip(*([int(number) for number in part[1::2]] for part in parts), strict=True))
    varying = [column for column in columns if len(set(column)) > 1]
    if not varying:
        return []
    steps = [b - a for a, b in zip(varying[-1][:-1], varying[-1][1:], strict=True)]
    usual = min(steps, key=abs)
    # Times of day and the like are no numbering: most steps of a numbering are alike.
    if len(varying) > 1 or not usual or 2 * steps.count(usual) < len(steps):
        return []
    return [
        f"no frame between {names[i]} and {names[i + 1]}" for i, step in enumerate(steps) if step != usual
    ]
