"""OME-Zarr (NGFF): chunks written by the tasks, coarser levels built in tasks, interrupted runs continued."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from itertools import product
from pathlib import PurePosixPath
from typing import Any, Literal

import numpy as np

from bigstack.errors import InputError, ResumeError, RunError, choose
from bigstack.geometry import Tile
from bigstack.io.places import AnyPath, put_text
from bigstack.io.record import RunRecord, check_resume
from bigstack.io.remote import RemotePath
from bigstack.io.sink import Sink
from bigstack.io.writers import zarr_arrays as arrays
from bigstack.io.writers.area import Area
from bigstack.io.writers.downsample import halve
from bigstack.io.writers.exif import upright
from bigstack.io.writers.file_sink import check_tile, software
from bigstack.io.writers.journal import Journal
from bigstack.io.writers.ome_metadata import display_windows, image_attributes
from bigstack.io.writers.output import output_at
from bigstack.io.writers.spec import AnySpec, nbytes
from bigstack.io.writers.xmp import made_true

Version = Literal["0.5", "0.4"]
Piece = tuple[int, Tile]
"""A tile of one frame."""

SAMPLED_CHUNKS = 16
"""Most chunks a channel that are read to find the range to show."""
DTYPE_KINDS = "iuf"
JOIN_SECONDS = 60.0
"""How long the arrays of an output may take to be made by another process."""


class _OmeZarr:
    """What image and stack have in common; pieces are tiles of frames, an image is one frame.

    The unfinished output is the folder ``<name>.partial``: ``run.json`` says which run it belongs to, and a
    folder named after that run holds the arrays and the journal. A task of an earlier, given-up run that is
    still alive somewhere writes to another folder and so cannot harm.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | RemotePath,
        spec: AnySpec,
        *,
        overwrite: bool = False,
        record: RunRecord | None = None,
        version: Version = "0.5",
        chunk: int = 512,
        shard: int | None = None,
        compression: arrays.Compression = "zstd",
        levels: int | None = None,
    ) -> None:
        self.spec: Any = spec
        self.output = output_at(path, overwrite=overwrite, folder=True)
        self.record = record
        self.layout = arrays.Layout(
            spec=spec,
            version=choose(version, ("0.5", "0.4"), "NGFF version"),
            chunk=chunk,
            shard=shard,
            compression=choose(compression, arrays.COMPRESSIONS, "Zarr compression"),
            levels=levels,
        )
        self.multiple = (self.layout.unit, self.layout.unit)
        self.levels = self.layout.count
        self.tile: tuple[int, int] | None = None
        """Tiles of the run, noted with the unfinished output: whoever goes on with it has to use the same."""
        self.found: dict[str, Any] = {}
        """What the run found out, for its record."""
        self._root: AnyPath | None = None
        self._tag = ""
        self._arrays: dict[int, Any] = {}
        self._opening = threading.Lock()

    @classmethod
    def problem(cls, spec: AnySpec) -> str | None:
        """Say why OME-Zarr cannot hold the image, None when it can."""
        if np.dtype(spec.dtype).kind not in DTYPE_KINDS:
            return f"OME-Zarr is written with integers and floating point numbers, not {spec.dtype}"
        return None

    @property
    def path(self) -> AnyPath:
        """Final name of the output."""
        return self.output.path  # type: ignore[no-any-return]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_arrays": {}, "_opening": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._opening = threading.Lock()

    def __dask_tokenize__(self) -> object:
        return type(self).__name__, str(self.path), repr(self.layout)

    def open(self) -> None:
        """Lock the output and make empty arrays, or take up those of an equal interrupted run.

        Raises
        ------
        ResumeError
            When the interrupted run was another one, and overwriting was not asked for.
        RunError
            When another run is writing the output.
        """
        self.output.claim()
        try:
            with self.output.writing(nbytes(self.layout.spec)):
                self._root = self._continued() or self._started()
        except BaseException:
            self.pause()
            raise

    def join(self) -> None:
        """Open as one of several processes that share the work: the first makes the arrays, none owns them.

        The output is locked for that moment only; one process `open`s it in the end, and finishes it.
        """
        self.output.claim(wait=JOIN_SECONDS)
        try:
            with self.output.writing(nbytes(self.layout.spec)):
                self._root = self._continued() or self._started()
        finally:
            self.output.release()

    def begun(self) -> bool:
        """Whether there is an unfinished output to go on with."""
        return bool((self.output.partial / "run.json").is_file())

    def _identity(self) -> RunRecord | None:
        """The run's record with the layout of the output, which must not change half-way either."""
        if self.record is None:
            return None
        parameters = {**self.record.parameters, **self.layout.parameters()}
        return replace(self.record, parameters=parameters)

    def _continued(self) -> AnyPath | None:
        """Folder of the interrupted run when this one equals it."""
        identity = self._identity()
        try:
            state = json.loads((self.output.partial / "run.json").read_text())
            old = RunRecord.from_json(json.dumps(state["record"])) if state["record"] else None
            root: AnyPath = self.output.partial / PurePosixPath(state["folder"]).name
            tag = str(state.get("tag", ""))
            tile = None if state.get("tile") is None else (int(state["tile"][0]), int(state["tile"][1]))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (ResumeError, ValueError, TypeError, KeyError) as error:
            if self.output.overwrite or identity is None:
                return None
            raise ResumeError(
                f"{self.output.partial} is not what bigstack leaves ({error}); start anew with --overwrite"
            ) from error
        if old is None or identity is None:
            return None
        try:
            check_resume(old, identity)
        except ResumeError:
            if self.output.overwrite:
                return None
            raise
        if not root.is_dir():
            return None
        self.tile, self._tag = tile, tag
        return root

    def _started(self) -> AnyPath:
        self._tag = self.output.new_tag()
        self.output.clear()
        name = f"{os.getpid()}-{time.time_ns()}"
        root: AnyPath = self.output.partial / name
        (root / "done").mkdir(parents=True)
        arrays.create(self.output.area(root, self._tag), self.layout)
        identity = self._identity()
        record = None if identity is None else asdict(identity)
        state = {"folder": name, "tag": self._tag, "record": record, "tile": self.tile}
        put_text(self.output.partial / "run.json", json.dumps(state, indent=1))
        return root

    def _store(self, z: int, tile: Tile, pixels: np.ndarray) -> None:
        check_tile(self, tile, pixels)
        planes = [np.ascontiguousarray(pixels[..., channel]) for channel in range(pixels.shape[2])]
        with self.output.writing(nbytes(self.layout.spec)):
            self._write(0, z, tile, tile, planes)
            self._store_coarser(z, tile, planes)

    def _write(self, level: int, z: int, tile: Tile, held: Tile, planes: list[np.ndarray]) -> None:
        """Write the part `tile` of the planes, which hold `held`, and mark it."""
        array, part = self._array(level), tile.inside(held)
        for channel, plane in enumerate(planes):
            array[self._where(channel, z, tile)] = plane[part]
        self._journal().add(level, z, tile.y0, tile.y1, tile.x0, tile.x1)

    def _store_coarser(self, z: int, tile: Tile, planes: list[np.ndarray]) -> None:
        """Write those pieces of coarser levels that lie within the tile, while its pixels are at hand.

        Reading them back from disk for that would cost more than storing the tile did.
        """
        for level in range(1, self.levels):
            pieces = self.layout.pieces_within(tile, level)
            if not pieces:
                return
            planes = [halve(plane) for plane in planes]
            held = tile.reduce(2**level)
            for piece in pieces:
                self._write(level, z, piece, held, planes)

    def _build(self, level: int, z: int, tile: Tile) -> None:
        fine, coarse = self._array(level - 1), self._array(level)
        height, width = fine.shape[-2:]
        below = Tile(2 * tile.y0, min(2 * tile.y1, height), 2 * tile.x0, min(2 * tile.x1, width))
        with self.output.writing(nbytes(self.layout.spec)):
            for channel in range(fine.shape[0]):
                coarse[self._where(channel, z, tile)] = halve(fine[self._where(channel, z, below)])
            self._journal().add(level, z, tile.y0, tile.y1, tile.x0, tile.x1)

    def _where(self, channel: int, z: int, tile: Tile) -> tuple[Any, ...]:
        return (channel, *((z,) if self.layout.stack else ()), *tile.slices)

    def _done(self, level: int) -> Iterator[Piece]:
        """Pieces whose mark and chunks are both there: marks are made without waiting for the disk."""
        present = arrays.Present(self._area(), self.layout, level)
        for mark_level, z, y0, y1, x0, x1 in self._journal().marks():
            if mark_level == level and y0 < y1 and x0 < x1 and present.all(z, (y0, y1, x0, x1)):
                yield z, Tile(y0, y1, x0, x1)

    def _left(self, level: int) -> list[Piece]:
        """Pieces of a coarser level that are still to be built."""
        if not 1 <= level < self.levels:
            raise InputError(f"level must be 1 to {self.levels - 1}, got {level}")
        done = set(self._done(level))
        pieces = product(range(self.layout.frames), self.layout.pieces(level))
        return [piece for piece in pieces if piece not in done]

    def finish(self) -> None:
        """Check that every chunk is there, write the metadata last, and move to the final name."""
        try:
            area = self._area()
            self._check_whole(area)
            with self.output.writing(nbytes(self.layout.spec)):
                arrays.write_group(area, self.layout, self._attributes())
                self._arrays.clear()
                self.output.publish(area.metadata)
        except BaseException:
            self.pause()
            raise
        self._root = None

    def _check_whole(self, area: Area) -> None:
        for level in range(self.levels):
            missing = arrays.sweep(area, self.layout, level)
            if missing:
                raise RunError(
                    f"{self.path} cannot be finished: {missing} chunks of level {level} were never written"
                )

    def _attributes(self) -> dict[str, Any]:
        spec = self.layout.spec
        return image_attributes(
            replace(
                spec,
                exif=upright(spec.exif, spec.shape[-3:]),
                xmp=made_true(spec.xmp, spec.shape[-3:], software()),
            ),
            version=self.layout.version,
            name=self.path.name.split(".")[0],
            levels=[self._area().name(level) for level in range(self.levels)],
            windows=self._windows(),
            run=None if self.record is None else {**asdict(self.record), **self.found},
            tiles=self._counts(),
        )

    def _counts(self) -> dict[str, int]:
        """Tiles there are, how often one was stored, and requests to servers that had to be repeated.

        More are stored than there are where runs were killed with tiles in flight.
        """
        journal = self._journal()
        stored = [mark[1:] for mark in journal.marks() if mark[0] == 0]
        return {"of": len(set(stored)), "stored": len(stored), "requests_repeated": journal.repeats()}

    def _windows(self) -> list[dict[str, float]]:
        """Range to show, from chunks spread evenly over the coarsest level: memory stays bounded."""
        coarsest = self._array(self.levels - 1)
        chunks = list(
            product(*(range(0, n, c) for n, c in zip(coarsest.shape, coarsest.chunks, strict=True)))
        )
        samples = []
        for channel in range(coarsest.shape[0]):
            own = [at for at in chunks if at[0] == channel]
            picked = own[:: -(-len(own) // SAMPLED_CHUNKS)]
            regions = [
                tuple(slice(a, a + c) for a, c in zip(at, coarsest.chunks, strict=True)) for at in picked
            ]
            samples.append(np.concatenate([coarsest[region].ravel() for region in regions]))
        return display_windows(self.layout.spec, samples)

    def abort(self) -> None:
        """Remove the unfinished output; harmless when there is none."""
        self._arrays.clear()
        self._root = None
        self.output.discard()

    def pause(self) -> None:
        """Let go of the output and keep what is done for the same run to continue."""
        self._arrays.clear()
        self._root = None
        self.output.release()

    def _array(self, level: int) -> Any:
        with self._opening:
            if level not in self._arrays:
                self._arrays[level] = arrays.open_level(self._area(), self.layout, level)
            return self._arrays[level]

    def _journal(self) -> Journal:
        return Journal(self._open_root() / "done")

    def _area(self) -> Area:
        return self.output.area(self._open_root(), self._tag)  # type: ignore[no-any-return]

    def _open_root(self) -> AnyPath:
        if self._root is None:
            raise InputError(f"{self.path} is not open for writing: call open() first")
        return self._root


class OmeZarrSink(_OmeZarr, Sink):
    """Writes an image as OME-Zarr, axes c, y, x.

    Parameters
    ----------
    record
        With it, an interrupted run is continued by one with an equal record.
    version
        NGFF 0.5 (Zarr 3) or 0.4 (Zarr 2).
    chunk
        Side of a chunk in pixels; a chunk holds one channel.
    shard
        Side of a shard in pixels, a multiple of `chunk`: one file instead of many. NGFF 0.5 only.
    compression
        ``zstd`` and ``lz4`` are Blosc with bit shuffling, ``none`` stores.
    levels
        Number of resolutions, each half the one before; None goes on until one chunk holds all.

    Notes
    -----
    24 Mpix RGB uint8 with all its levels takes 0.63 CPU seconds with zstd, 0.47 with lz4 and 0.26 with none,
    for 99 %, 114 % and 140 % of the size of the image without levels; with zstd and chunks of 256 or 1024
    pixels 0.93 or 0.46 (``benchmarks/writing.py``).
    """

    any_order = True

    def encode(self, tile: Tile, pixels: np.ndarray) -> None:
        """Store the tile's chunks and mark it as done."""
        self._store(0, tile, pixels)

    def put(self, tile: Tile, encoded: object) -> None:
        """Nothing is left to do: `encode` has stored the tile."""

    def done_tiles(self) -> frozenset[Tile]:
        """Tiles that the interrupted run had stored."""
        return frozenset(tile for _, tile in self._done(0))

    def level_tasks(self, level: int) -> list[Tile]:
        """Tiles of a coarser level that are still to be built."""
        return [tile for _, tile in self._left(level)]

    def build_level(self, level: int, tile: Tile) -> None:
        """Build one tile of a coarser level from the level below."""
        self._build(level, 0, tile)


class OmeZarrStackSink(_OmeZarr):
    """Writes a stack as OME-Zarr, axes c, z, y, x; a chunk holds one channel of one frame.

    Options and life are those of `OmeZarrSink`; every piece is named by frame and tile.
    """

    full_width = False

    def encode(self, z: int, tile: Tile, pixels: np.ndarray) -> None:
        """Store a tile (y, x, channel) of frame `z` and mark it as done; in tasks, in any order."""
        if not 0 <= z < self.spec.shape[0]:
            raise InputError(f"frame must be 0 to {self.spec.shape[0] - 1}, got {z}")
        self._store(z, tile, pixels)

    def done(self) -> frozenset[Piece]:
        """Pairs of frame and tile that the interrupted run had stored."""
        return frozenset(self._done(0))

    def level_tasks(self, level: int) -> list[Piece]:
        """Pairs of frame and tile of a coarser level that are still to be built."""
        return self._left(level)

    def build_level(self, level: int, piece: Piece) -> None:
        """Build one tile of a coarser level from the level below."""
        self._build(level, *piece)
