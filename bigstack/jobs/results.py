"""Write the variables of a lazy result, all in one pass: what every job that fuses or measures ends with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from math import lcm
from pathlib import Path
from typing import Any

from bigstack.errors import InputError, MemoryLimitError, RunError
from bigstack.io.places import AnyPath
from bigstack.jobs.running import Writing

INDEX_BYTES = 2
"""Bytes of a pixel of the index, which waits for the second pass when it is written or sampled."""


@dataclass
class Ready:
    """A result that is ready to be computed: nothing is computed, nothing written yet."""

    dataset: Any
    layout: Any
    sinks: dict[str, Any]
    paths: dict[str, AnyPath]
    frames: int
    lay: Callable[[Any], tuple[Any, Any]]
    """Gives the result and its layout for other tiles."""

    def sample(self, names: Iterable[str]) -> None:
        """Keep samples of these variables, where the result has them and they are not written.

        Of very large images in two passes none are kept: their indices would wait in memory for the second.
        """
        from bigstack.io.writers import spec_of
        from bigstack.io.writers.preview import PreviewSink

        written = list(self.sinks.values())
        plan, shape = self.layout.plan, written[0].spec.shape
        if plan.scratch and INDEX_BYTES * shape[0] * shape[1] > plan.memory_limit // 4:
            return
        for name in names:
            if name in self.dataset and name not in self.sinks:
                self.sinks[name] = PreviewSink(spec_of(self.dataset[name]), name, written)

    def fit(self, *, must: bool) -> None:
        """Take the tiles that an unfinished output was begun with, on whatever machine that was.

        Without `must` they are not taken where they do not fit into memory: tiles are computed again then.
        """
        wanted = next((sink.tile for sink in self.sinks.values() if is_zarr(sink.path)), None)
        if wanted is None or wanted == self.layout.plan.tile:
            return
        try:
            self.dataset, self.layout = self.lay(wanted)
        except MemoryLimitError:
            if must:
                raise


def prepare(
    build: Callable[[Any], Any],
    paths: Mapping[str, AnyPath],
    how: Writing,
    record: Any,
    *,
    frames: int,
    size: int,
    dry: bool = False,
    absent: Callable[[str], str] = lambda name: f"there is no {name} to write",
) -> Ready:
    """Find out how a result is cut and where it goes, and refuse what cannot be.

    Parameters
    ----------
    build
        Gives the lazy Dataset for a `bigstack.engine.layout.Layout`.
    paths
        Where each variable goes.
    record
        The run, as a resumed one must have it too.
    frames, size
        Of the stack: frames, and its longer side.
    absent
        What to say of a variable that the result does not have.
    """
    from bigstack.cluster import tasks_at_once
    from bigstack.engine.layout import Layout
    from bigstack.engine.plan import plan
    from bigstack.io.writers import spec_of

    # What is written is known before how it is computed, and decides where tiles may end.
    draft = build(Layout(tile=size))
    missing = [name for name in paths if name not in draft]
    if missing:
        raise InputError(absent(missing[0]))
    sinks = {
        name: _sink(path, spec_of(draft[name], keep_gps=how.keep_gps), paths, how, record, dry)
        for name, path in paths.items()
    }

    at_once, in_all = tasks_at_once(**how.place)

    def lay(tile: int | tuple[int, int] | None) -> tuple[Any, Layout]:
        layout = Layout(
            planner=partial(
                _plan,
                plan,
                workers=at_once,
                total_workers=in_all,
                memory_limit=how.memory_limit,
                tile=tile,
                multiple=_common_multiple(sinks.values()),
                full_width=any(sink.full_width for sink in sinks.values()),
                # A run that can go on after a kill needs its pieces on disk.
                scratch=True if _resumable(paths) else None,
            ),
            scratch=_scratch(paths),
        )
        return build(layout), layout

    dataset, layout = lay(how.tile)
    return Ready(dataset, layout, sinks, dict(paths), frames, lay)


def write(
    ready: Ready,
    how: Writing,
    *,
    only_finish: bool = False,
    watch: Callable[[Any], None] = lambda progress: None,
    say: Callable[[str], None] = lambda text: None,
) -> Any:
    """Compute and write everything in one pass; an interrupted run to OME-Zarr goes on where it was.

    With `only_finish` the tiles have to be there, from runs of `write_share`.
    """
    from bigstack.engine.prune import share_read, survey
    from bigstack.engine.store import store

    sinks = _noted(ready)
    if only_finish:
        _check_shared(ready.paths)
        _check_begun(sinks)
    with ExitStack() as cleanup:
        executor = cleanup.enter_context(how.executor(say))
        mine = False
        try:
            for sink in sinks:
                sink.open()
            mine = True
            ready.fit(must=only_finish)
            if only_finish:
                _check_complete(_arrays(ready), sinks)
            pruned = None if only_finish else ready.layout.pruned
            if pruned is not None and not executor.in_process:
                # Each worker would look for itself else.
                survey(pruned, executor)
            progress = store(_arrays(ready), sinks, executor, frames=ready.frames, watch=watch)
            if pruned is not None:
                survey(pruned, executor)
                progress.share_read = share_read(pruned)
        except BaseException:
            for sink in sinks:
                sink.pause()
            # Where another run has the output, the scratch space is that run's.
            if mine and not _resumable(ready.paths):
                clear_scratch(ready.paths)
            raise
        for sink in sinks:
            if progress.share_read is not None and is_zarr(sink.path):
                sink.found["share_read"] = round(progress.share_read, 4)
            sink.finish()
    clear_scratch(ready.paths)
    return progress


def write_share(
    ready: Ready,
    how: Writing,
    share: tuple[int, int],
    *,
    watch: Callable[[Any], None] = lambda progress: None,
    say: Callable[[str], None] = lambda text: None,
) -> Any:
    """Compute and write the i-th of n shares of the tiles, beside other processes that write theirs.

    Any share may be run twice, or be killed and run again. `write` with `only_finish` completes the outputs.
    """
    from bigstack.engine.store import store

    _check_shared(ready.paths)
    sinks = _noted(ready)
    with how.executor(say) as executor:
        try:
            for sink in sinks:
                sink.join()
            ready.fit(must=True)
            return store(_arrays(ready), sinks, executor, frames=ready.frames, share=share, watch=watch)
        finally:
            for sink in sinks:
                sink.pause()


def samples(ready: Ready) -> dict[str, Any]:
    """Samples that were kept."""
    from bigstack.io.writers.preview import PreviewSink

    return {name: sink.sampled() for name, sink in ready.sinks.items() if isinstance(sink, PreviewSink)}


def _arrays(ready: Ready) -> list[Any]:
    return [ready.dataset[name].data for name in ready.sinks]


def _noted(ready: Ready) -> list[Any]:
    """The sinks, told the tiles: those that can be gone on with keep them."""
    for sink in ready.sinks.values():
        if is_zarr(sink.path):
            sink.tile = ready.layout.plan.tile
    return list(ready.sinks.values())


def _check_shared(paths: Mapping[str, AnyPath]) -> None:
    if not _resumable(paths):
        others = ", ".join(str(path) for path in paths.values() if not is_zarr(path))
        raise InputError(f"tasks share the work of .ome.zarr outputs only, got {others}")


def _check_begun(sinks: list[Any]) -> None:
    for sink in sinks:
        if not sink.begun():
            raise InputError(f"no task has begun {sink.path}: run --task 1/N to --task N/N first")


def _check_complete(arrays: list[Any], sinks: list[Any]) -> None:
    from bigstack.engine.store import count_missing

    missing = count_missing(arrays, sinks)
    if missing:
        raise RunError(
            f"{missing} tiles of {sinks[0].path} are missing: run the tasks again that did not end well "
            "(--task I/N), or run without --task and --finish to compute the rest here"
        )


def check_paths(paths: Mapping[str, AnyPath], *, overwrite: bool) -> None:
    """Refuse outputs that cannot be, before anything is read."""
    from bigstack.io.writers import suffix_of
    from bigstack.io.writers.output import output_at

    places = [path.absolute() for path in paths.values()]
    twice = [str(path) for path in places if places.count(path) > 1]
    if twice:
        raise InputError(f"{twice[0]} was given for more than one output; give each a name of its own")
    for path in paths.values():
        suffix_of(path)
        output_at(path, overwrite=overwrite, folder=is_zarr(path)).check()


def check_among(paths: Mapping[str, AnyPath], folder: AnyPath, files: list[str]) -> None:
    """Refuse outputs in the stack's `folder` that the next run would take for frames of the stack."""
    from bigstack.io.find import FAMILIES
    from bigstack.io.remote import RemotePath

    if isinstance(folder, RemotePath) or not folder.is_dir() or not files:
        return
    kind = FAMILIES.get(Path(files[0]).suffix[1:].lower())
    for path in paths.values():
        if path.absolute().parent == folder and FAMILIES.get(path.suffix[1:].lower()) == kind is not None:
            raise InputError(
                f"{path} would lie among the frames in {folder}, and be one of them the next time; "
                "write it to another folder"
            )


def is_zarr(path: AnyPath) -> bool:
    """Whether the name is that of a Zarr output."""
    return path.name.lower().endswith(".zarr")


def clear_scratch(paths: Mapping[str, AnyPath]) -> None:
    """Remove what passes handed to each other."""
    from bigstack.io.scratch import clear_scratch as clear

    clear(_scratch(paths))


def _scratch(paths: Mapping[str, AnyPath]) -> AnyPath:
    # Workers of a cluster may have another working directory.
    first = next(iter(paths.values())).absolute()
    return first.with_name(first.name + ".scratch")


def _resumable(paths: Mapping[str, AnyPath]) -> bool:
    return all(is_zarr(path) for path in paths.values())


def _plan(plan: Callable[..., Any], fold: Any, source: Any, passes: int, **how: Any) -> Any:
    return plan(fold, source, passes=passes, **how)


def _sink(
    path: AnyPath, spec: Any, paths: Mapping[str, AnyPath], how: Writing, record: Any, dry: bool
) -> Any:
    """The writer of one output; options go to the formats that take them, and to one at least."""
    from bigstack.io.writers import create_sink, sink_options

    given = {"version": how.ngff, "compression": how.compression, "quality": how.quality}
    options = {name: value for name, value in given.items() if value is not None}
    for name in options:
        if not any(name in sink_options(other) for other in paths.values()):
            raise InputError(
                f"--{'ngff' if name == 'version' else name} has no effect on "
                f"{', '.join(str(p) for p in paths.values())}"
            )
    takes = sink_options(path)
    options = {name: value for name, value in options.items() if name in takes}
    return create_sink(path, spec, overwrite=how.overwrite or dry, record=record, **options)


def _common_multiple(sinks: Any) -> tuple[int, int]:
    pairs = [sink.multiple for sink in sinks]
    return lcm(*(pair[0] for pair in pairs)), lcm(*(pair[1] for pair in pairs))
