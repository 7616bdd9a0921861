"""Opening a folder or list of frames."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from bigstack.errors import StackError
from bigstack.geometry import PixelSize
from bigstack.io.audit import Audited, audit_frames, slim
from bigstack.io.files import ByteFile
from bigstack.io.formats import raw
from bigstack.io.frames import FrameFile, FrameSource
from bigstack.io.opened import Opened, ReadOptions, check_extent, check_piece
from bigstack.io.tiff import PlaneFile, TiffSource
from bigstack.io.tiff_open import TiffHead, open_tiff, read_head, storage_of


def open_frames(
    paths: Sequence[Path], where: str, options: ReadOptions, left_aside: Sequence[str] = ()
) -> Opened:
    """Open frames that are a file each, in the order given.

    Raises
    ------
    StackError
        Naming every frame that cannot be used.
    """
    audited = audit_frames(
        paths, where, skip_bad=options.skip_bad, max_pixels=options.max_pixels, left_aside=left_aside
    )
    opened = _open_tiffs(audited, where, options) if audited.tiffs else _open_whole(audited, where, options)
    if opened.audit is not audited.record:
        return opened
    audited.record["kept"] = audited.numbers
    check_extent(opened.source.shape, where)
    return opened


def _open_whole(audited: Audited, where: str, options: ReadOptions) -> Opened:
    first = audited.files[0].header
    if first.format == raw.NAME:
        audited.files = _developed(audited.files, options)
    formats = dict.fromkeys(file.header.format for file in audited.files)
    source = FrameSource([slim(file) for file in audited.files])
    return Opened(
        where, f"{' and '.join(formats)} frames", source,
        alpha=source.alpha, header=first, audit=audited.record, storage={"compression": first.format},
    )  # fmt: skip


def _developed(files: Sequence[FrameFile], options: ReadOptions) -> list[FrameFile]:
    """RAW photographs, each to be developed as the first one asks for."""
    half = options.raw_half_size
    with ByteFile(files[0].path) as file:
        how = raw.develop_like(file, options.raw_white_balance, half_size=half)
    found = []
    for each in files:
        height, width = raw.developed_size(each.header.height, each.header.width, half)
        header = replace(each.header, height=height, width=width, development=how)
        found.append(replace(each, header=header))
    return found


def _open_tiffs(audited: Audited, where: str, options: ReadOptions) -> Opened:
    head = audited.tiffs[0]
    if head.is_ome and len(audited.tiffs) > 1 and (whole := _one_set(audited, options)) is not None:
        return whole
    order = _page_order(head, where, options, len(audited.tiffs))
    for tiff in audited.tiffs:
        check_piece(math.prod(tiff.page.piece), options.max_pixels, tiff.path, "strip or tile")
    planes = np.array(
        [[(i, tiff.pages[page].offset, 0) for page in order] for i, tiff in enumerate(audited.tiffs)],
        np.int64,
    )
    files = [PlaneFile(tiff.path, tiff.size, tiff.mtime_ns) for tiff in audited.tiffs]
    header = read_head(head.path, full=True).header
    size = head.pixel_size
    return Opened(
        where, "TIFF frames", TiffSource(files, planes, head.page), alpha=header.alpha, header=header,
        pixel_size=None if size is None else PixelSize(None, size.y, size.x, size.unit),
        audit=audited.record, storage=storage_of(head.page),
    )  # fmt: skip


def _one_set(audited: Audited, options: ReadOptions) -> Opened | None:
    """The OME-TIFF set that the files are together, None when each is on its own."""
    opened = open_tiff(audited.tiffs[0].path, options)
    source = opened.source
    if not isinstance(source, TiffSource) or len(source.files) < 2:
        return None
    ours = {Path(tiff.path).resolve() for tiff in audited.tiffs}
    return opened if {Path(file.path).resolve() for file in source.files} == ours else None


def _page_order(head: TiffHead, where: str, options: ReadOptions, count: int) -> list[int]:
    """Which pages of each file are its channels."""
    if len(head.pages) == 1:
        return [0]
    opened = open_tiff(head.path, options)
    source = opened.source
    assert isinstance(source, TiffSource)
    if source.shape[0] > 1:
        raise StackError(
            f"{where} holds {count} TIFF files of {source.shape[0]} frames each; "
            f"give one of them, such as {head.path}"
        )
    numbers = {page.offset: i for i, page in enumerate(head.pages)}
    places = [at for _, at, _ in source.planes[0].tolist()]
    if len(source.files) > 1 or any(at not in numbers for at in places):
        raise StackError(f"{where} holds TIFF files whose pages are not plainly channels; give one file")
    return [numbers[at] for at in places]
