"""Write a stack for people and for later steps: an OME-Zarr, or a folder of frames."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from bigstack.errors import InputError
from bigstack.geometry import Tile
from bigstack.io.places import AnyPath
from bigstack.io.remote import RemotePath
from bigstack.io.scratch import clear_scratch
from bigstack.jobs.frame_folder import FrameFolder
from bigstack.jobs.results import is_zarr
from bigstack.jobs.running import Writing

Watch = Callable[[Any], None]


def write_stack(
    stack: Any,
    path: AnyPath,
    how: Writing,
    *,
    key: str,
    ending: str = "tif",
    watch: Watch = lambda progress: None,
) -> None:
    """Write a lazy stack; an interrupted one of the same `key` goes on where it was.

    A name that ends in .zarr is one store, any other a folder with a file of that `ending` a frame.
    """
    from bigstack.engine.copy import copy_stack
    from bigstack.engine.sources import as_source

    writer = stack_writer(path, stack, how, key=key, ending=ending)
    with how.executor() as executor:
        writer.open()
        try:
            if isinstance(writer, ZarrWriter):
                copy_stack(as_source(stack.data), writer.sink, executor, watch=watch)
            else:
                for z in range(stack.sizes["z"]):
                    writer.store(z, stack[z].data, executor, watch)
        except BaseException:
            writer.pause()
            raise
        writer.finish(executor)


def stack_writer(path: AnyPath, stack: Any, how: Writing, *, key: str, ending: str) -> Any:
    """The writer that the name asks for."""
    if is_zarr(path):
        return ZarrWriter(path, stack, how, key)
    if isinstance(path, RemotePath):
        raise InputError(f"{path}: a store takes an OME-Zarr; name it .ome.zarr, or write files to a disk")
    return FolderWriter(path, stack, how, key, ending)


class ZarrWriter:
    """Writes frames, each a lazy image, into one OME-Zarr."""

    full_width = False

    def __init__(self, path: AnyPath, stack: Any, how: Writing, key: str) -> None:
        from bigstack.io.record import RunRecord
        from bigstack.io.writers import create_stack_sink, stack_spec_of

        given = {"version": how.ngff, "compression": how.compression}
        options = {name: value for name, value in given.items() if value is not None}
        record = RunRecord.of("frames", stack.attrs.get("files", ()), {"key": key})
        keep_gps = how.keep_gps
        spec = stack_spec_of(stack, keep_gps=keep_gps)
        self.sink = create_stack_sink(path, spec, overwrite=how.overwrite, record=record, **options)
        self.multiple = self.sink.multiple
        self.scratch = path.absolute().with_name(path.name + ".scratch")
        self.skipped = 0

    def open(self) -> None:
        """Begin, or take up what an interrupted run has written."""
        self.sink.open()
        self.done = self.sink.done()

    def store(self, z: int, image: Any, executor: Any, watch: Watch) -> None:
        """Compute and write one frame (y, x, channel); its tiles that are there are left alone."""
        from bigstack.engine.store import store

        one: Any = _OneFrame(self.sink, z, frozenset(tile for number, tile in self.done if number == z))
        self.skipped += store([image], [one], executor, watch=watch).skipped

    def finish(self, executor: Any) -> None:
        """Build the coarser levels and give the store its name."""
        from bigstack.engine.copy import build_levels

        build_levels(self.sink, executor)
        self.sink.finish()
        clear_scratch(self.scratch)

    def pause(self) -> None:
        """Keep what is done for the same run to continue."""
        self.sink.pause()


class _OneFrame:
    """One frame of a stack's sink, as the sink of an image."""

    levels = 1
    full_width = False
    any_order = True

    def __init__(self, sink: Any, z: int, done: frozenset[Tile]) -> None:
        self.sink = sink
        self.z = z
        self.multiple = sink.multiple
        self._done = done

    def done_tiles(self) -> frozenset[Tile]:
        """Tiles that are there."""
        return self._done

    def encode(self, tile: Tile, pixels: Any) -> None:
        """Store a tile."""
        self.sink.encode(self.z, tile, pixels)

    def put(self, tile: Tile, encoded: object) -> None:
        """Nothing is left to do."""


class FolderWriter:
    """Writes frames, each a lazy image, into files of a folder."""

    def __init__(self, path: Path, stack: Any, how: Writing, key: str, ending: str) -> None:
        from bigstack.io.writers import create_sink, sink_options, spec_of

        self.folder = FrameFolder(path, ending, key=key, overwrite=how.overwrite)
        self.spec = spec_of(stack[0], keep_gps=how.keep_gps)
        name = f"{path.name}.{ending}"
        given = {"version": how.ngff, "compression": how.compression, "quality": how.quality}
        takes = sink_options(name)
        self.options = {k: v for k, v in given.items() if v is not None and k in takes}
        # What the format cannot hold is told before the work.
        sink = create_sink(path.parent / name, self.spec, overwrite=True, **self.options)
        self.multiple, self.full_width = sink.multiple, sink.full_width
        self.scratch = path.absolute().with_name(path.name + ".scratch")
        self.skipped = 0

    def open(self) -> None:
        """Begin, or take up what an interrupted run has written."""
        self.folder.open()

    def store(self, z: int, image: Any, executor: Any, watch: Watch) -> None:
        """Compute and write one frame (y, x, channel), unless it is there."""
        from bigstack.engine.store import store
        from bigstack.jobs.write import retiled

        sink = self.folder.sink(z, self.spec, **self.options)
        if sink is None:
            self.skipped += 1
            return
        sink.open()
        try:
            store([retiled(image, sink)], [sink], executor, watch=watch)
        except BaseException:
            sink.abort()
            raise
        sink.finish()

    def finish(self, executor: Any) -> None:
        """Give the folder its name."""
        self.folder.finish()
        clear_scratch(self.scratch)

    def pause(self) -> None:
        """Keep what is done for the same run to continue."""
        self.folder.pause()
