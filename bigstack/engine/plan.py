"""How large a tile may be, and what a run costs, told before any work."""

from __future__ import annotations

import os
import re
from dataclasses import asdict, dataclass, replace
from math import lcm
from typing import Any

from bigstack.engine.tile_work import SUB_TILE, block_of, rounds_of, sub_tiles
from bigstack.errors import InputError, MemoryLimitError
from bigstack.geometry import Tile
from bigstack.io.ring import THICK_CHUNKS
from bigstack.io.source import Source
from bigstack.io.writers.spec import human
from bigstack.kernels.fold import Fold

DEFAULT_LIMIT = 2 * 10**9
"""Memory limit in bytes where none is given."""

PROCESS = 120 * 10**6
"""Anonymous bytes of a process that has imported all and computed nothing (measured 110 to 117 MB)."""

SPARE, SPARE_SHARE = 50 * 10**6, 0.08
"""Bytes, and share of a plan's peak, that are kept free under the limit: a plan tells what to expect."""

LARGEST, SMALLEST = 8192, 256
"""Pixels a side of the tiles that a plan tries."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Sizes of a run."""

    tile: tuple[int, int]
    """Height and width of the output tiles."""
    tiles: int
    tasks: int
    workers: int
    """Tasks at once, in all processes."""
    bytes_read: int
    """Bytes of pixels that are decoded, in whole pieces of storage; halos, and frames decoded more than once,
    included."""
    peak_memory: int
    """Anonymous bytes of one process at its peak."""
    memory_limit: int
    scratch: bool
    """Whether pieces between two passes go to disk."""
    scratch_bytes: int
    seconds: float | None = None
    """Time of the run, where it was calibrated."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def parse_bytes(text: str | int) -> int:
    """Bytes of a size such as ``2GB`` (10**9), ``512MiB`` (2**20) or a plain number.

    Examples
    --------
    >>> parse_bytes("2GB"), parse_bytes("1.5 MiB")
    (2000000000, 1572864)
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kKmMgGtT]?)(i?)[bB]?\s*", str(text))
    if not match or float(match[1]) <= 0:
        raise InputError(
            f"a memory size is a number with B, kB, MB, GB, TB or KiB, MiB, GiB, TiB; got {text!r}"
        )
    power = " kmgt".index(match[2].lower() or " ")
    return int(float(match[1]) * (1024 if match[3] else 1000) ** power)


def plan(
    fold: Fold,
    source: Source,
    *,
    workers: int = 1,
    total_workers: int | None = None,
    memory_limit: int = DEFAULT_LIMIT,
    tile: int | tuple[int, int] | None = None,
    multiple: tuple[int, int] = (1, 1),
    full_width: bool = False,
    passes: int = 1,
    scratch: bool | None = None,
) -> Plan:
    """Find the largest tile whose work fits `memory_limit`, or tell that none does.

    Parameters
    ----------
    fold
        What is computed over the frames of each tile.
    source
        What the frames are read from.
    workers
        Tasks that run at once in one process.
    total_workers
        Tasks that run at once in all processes; those of one when not given.
    memory_limit
        Bytes of that process, all of it.
    tile
        Side of the tiles in pixels, or height and width, where the user wants to say.
    multiple
        Tile borders must be multiples of this, as the output asks.
    full_width
        Whether tiles must span the whole width.
    passes
        2 when tiles hand pieces on to a second pass.
    scratch
        Whether those pieces go to disk; found from the limit when not given.

    Raises
    ------
    MemoryLimitError
        When even the smallest tile needs more; the message has the sizes.
    """
    if workers < 1:
        raise InputError(f"workers must be at least 1, got {workers}")
    if tile is None:
        multiple = _whole_blocks(block_of(fold), multiple)
        sizes = _sizes(source, max(workers, total_workers or 1), multiple, full_width)
    else:
        sizes = [(tile, tile) if isinstance(tile, int) else tile]
    smallest: Plan | None = None
    for wanted in sizes:
        size = _fit(wanted, source.shape[1:3], multiple, full_width)
        for on_disk in [scratch] if scratch is not None else [False, True]:
            found = _cost(fold, source, size, workers, memory_limit, passes, on_disk)
            if _with_spare(found) <= memory_limit:
                return replace(found, workers=max(workers, total_workers or 1))
            smallest = found if smallest is None or found.peak_memory < smallest.peak_memory else smallest
    assert smallest is not None
    raise MemoryLimitError(
        f"this needs {human(_with_spare(smallest))} with tiles of {smallest.tile[0]} x {smallest.tile[1]} "
        f"and {workers} workers, the limit is {human(memory_limit)}; raise --memory-limit, use fewer "
        "--workers" + ("" if tile is None else ", or a smaller --tile") + _advice(source)
    )


def available_workers() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _with_spare(found: Plan) -> int:
    return int(found.peak_memory * (1 + SPARE_SHARE)) + SPARE


def _advice(source: Source) -> str:
    if not source.whole_frames:
        return ""
    return ", or first copy the stack to tiled storage with: bigstack convert INPUT OUT.zarr"


def _sizes(
    source: Source, workers: int, multiple: tuple[int, int], full_width: bool
) -> list[tuple[int, int]]:
    """Tiles to try, the largest first: whole pieces of storage, as many tiles as keep all workers busy."""
    height, width = source.shape[1:3]
    if source.whole_frames:
        # Bands of the full width, as few as there are workers: a frame is then decoded once for all.
        counts = [workers * 2**i for i in range(12)]
        return [(-(-height // count), width) for count in counts if count < 2 * height] or [(height, width)]
    found = []
    side = LARGEST
    while side >= SMALLEST:
        across = width if full_width else min(width, _near(side, max(multiple[1], source.chunks[1])))
        columns = -(-width // across)
        rows = -(-height // max(1, min(height, side * side // across)))
        while rows * columns < 4 * workers and rows * columns % workers and rows < height:
            rows += 1
        found.append((_near(-(-height // rows), max(multiple[0], source.chunks[0])), across))
        side //= 2
    return list(dict.fromkeys(found))


def _near(size: int, step: int) -> int:
    """The multiple of `step` nearest to `size`, one step at least."""
    return max(1, round(size / step)) * step


def _fit(
    wanted: tuple[int, int], shape: tuple[int, ...], multiple: tuple[int, int], full_width: bool
) -> tuple[int, int]:
    """Sides as the output needs them, no larger than the image."""
    y, x = (max(1, -(-size // step)) * step for size, step in zip(wanted, multiple, strict=True))
    return min(y, shape[0]), shape[1] if full_width else min(x, shape[1])


def _cost(
    fold: Fold, source: Source, size: tuple[int, int], workers: int, limit: int, passes: int, scratch: bool
) -> Plan:
    frames, height, width, channels = source.shape
    pixel = channels * source.dtype.itemsize
    state, work = fold.bytes_per_pixel(frames, channels, source.dtype)
    padded, largest = _padded_pixels(fold, size, (height, width))
    outer = min(size[0] + 2 * fold.halo, height) * min(size[1] + 2 * fold.halo, width)
    tiles = -(-height // size[0]) * -(-width // size[1])
    at_once = min(workers, tiles)
    task = padded * state + largest * work
    # A tile is put together and encoded when its last frame has been read.
    encoded = size[0] * size[1] * (pixel + 4)
    if source.whole_frames:
        read = (at_once + 2) * height * width * pixel
        task += encoded
    else:
        task += max(encoded, 2 * outer * pixel)
        read = 0
    handed = int((state + frames * channels * 2 / fold.grid**2) * height * width) if passes > 1 else 0
    # What tiles hand on lies in memory until the second pass; that of the tiles at work is counted there.
    waiting = 0 if scratch else handed - int(state * at_once * size[0] * size[1]) if passes > 1 else 0
    return Plan(
        tile=size,
        tiles=tiles,
        tasks=passes * tiles,
        workers=workers,
        bytes_read=decoded_bytes(fold, source, size, workers),
        peak_memory=PROCESS + getattr(fold, "libraries", 0) + int(at_once * task + read) + max(0, waiting),
        memory_limit=limit,
        scratch=scratch and passes > 1,
        scratch_bytes=handed if scratch else 0,
    )


def stack_bytes(source: Source) -> int:
    """Bytes that reading all frames once decodes, each as a whole."""
    base = _base(source)
    pixels = base.decoded(0, 0, base.shape[1]) * base.decoded(1, 0, base.shape[2])
    return pixels * base.values * source.shape[0] // base.shape[0] * base.dtype.itemsize


def _base(source: Source) -> Source:
    """What a derived source reads in the end."""
    base: Any = source
    while isinstance(getattr(base, "source", None), Source):
        base = base.source
    return base  # type: ignore[no-any-return]


def decoded_bytes(fold: Fold, source: Source, size: tuple[int, int], workers: int) -> int:
    """Bytes that tiles of `size` decode when each reads all frames, with its halo, as the fold asks."""
    base = _base(source)
    values = base.values * source.shape[0] / base.shape[0]
    height, width = source.shape[1:3]
    if source.whole_frames:
        # Tiles that are worked on at once share the frames.
        rounds = -(-(-(-height // size[0]) * -(-width // size[1])) // workers)
        return rounds_of(fold) * rounds * stack_bytes(source)
    if getattr(base, "depth", 1) > 1 and stack_bytes(base) <= THICK_CHUNKS.size:
        # Chunks of several frames are kept for other tiles.
        return stack_bytes(base)
    along = [
        sum(base.decoded(axis, *span) for span in _spans(fold, size[axis], source.shape[1 + axis]))
        for axis in (0, 1)
    ]
    return rounds_of(fold) * int(along[0] * along[1] * values) * base.dtype.itemsize


def worked_pixels(fold: Fold, shape: tuple[int, int], tile: tuple[int, int]) -> float:
    """Pixels of a frame that a fold works on, halos of the pieces that it works on at a time included."""
    sides = [block_of(fold) or min(side, SUB_TILE) for side in tile]
    along = [
        sum(stop - start for start, stop in _spans(fold, side, total))
        for side, total in zip(sides, shape, strict=True)
    ]
    return float(along[0] * along[1])


def _spans(fold: Fold, side: int, total: int) -> list[tuple[int, int]]:
    """Where tiles begin and end along a side of the image, with their halos."""
    return [_padded(fold, start, min(total, start + side), total) for start in range(0, total, side)]


def _padded(fold: Fold, start: int, stop: int, total: int) -> tuple[int, int]:
    """A span along a side with its halo, out to whole blocks and the grid, within the image."""
    block, grid = block_of(fold) or 1, fold.grid
    low, high = start // block * block - fold.halo, -(-stop // block) * block + fold.halo
    return max(0, low // grid * grid), min(total, -(-high // grid) * grid)


def _padded_pixels(fold: Fold, size: tuple[int, int], shape: tuple[int, int]) -> tuple[int, int]:
    """Pixels of all sub-tiles of a tile with their halos, and of the largest one, of the tile with most."""
    total = largest = 1
    for axis in (0, 1):
        sums, most = [], 0
        for start in range(0, shape[axis], size[axis]):
            stop = min(shape[axis], start + size[axis])
            span = (start, stop, 0, 1) if axis == 0 else (0, 1, start, stop)
            parts = {part.slices[axis].start: part.slices[axis].stop for part in _parts(fold, span)}
            sides = [_padded(fold, *part, shape[axis]) for part in parts.items()]
            sums.append(sum(b - a for a, b in sides))
            most = max(most, *(b - a for a, b in sides))
        total, largest = total * max(sums), largest * most
    return total, largest


def _parts(fold: Fold, span: tuple[int, int, int, int]) -> list[Tile]:
    return sub_tiles(fold, Tile(*span), SUB_TILE)


def _whole_blocks(block: int, multiple: tuple[int, int]) -> tuple[int, int]:
    """Steps of tile borders that cut no canonical block, as its pixels would be computed for each tile."""
    if not block:
        return multiple
    y, x = (lcm(step, block) for step in multiple)
    return (y, x) if max(y, x) <= LARGEST else multiple
