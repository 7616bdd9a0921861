"""What a step of a job writes: images, the stack as it is then, or what it found."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bigstack.errors import InputError
from bigstack.jobs import results
from bigstack.jobs.cache import digest
from bigstack.jobs.check import Node
from bigstack.jobs.flow import Flow
from bigstack.jobs.metadata import PLACES, carry_metadata
from bigstack.jobs.record import check_replaceable, differences, is_current, write_record
from bigstack.jobs.running import Writing
from bigstack.jobs.stack import MAPS
from bigstack.jobs.trace import Trace

Watch = Callable[[Any], None]

HASHED = 4 * 10**9
"""Bytes of an output up to which its record has its hash: hashing means reading it once more."""


@dataclass(kw_only=True)
class How(Writing):
    """Where and how a step runs and writes."""

    overwrite: bool = True
    """What may be replaced has been found out before; an unfinished output of other options must not stop."""


def how_of(flow: Flow, paths: Mapping[str, Path]) -> How:
    """How a step runs; options of formats only where one of its outputs takes them."""
    from bigstack.engine.plan import parse_bytes
    from bigstack.io.writers import SUFFIXES, sink_options

    running = dict(flow.checked.running)
    if "memory_limit" in running:
        running["memory_limit"] = parse_bytes(running["memory_limit"])
    images = [path for path in paths.values() if path.name.lower().endswith(tuple(SUFFIXES))]
    takes = {name for path in images for name in sink_options(path)}
    formats = {
        name: value
        for name, value in flow.checked.formats.items()
        if name == "keep_gps" or ("version" if name == "ngff" else name) in takes
    }
    return How(**running, **formats)


@dataclass(frozen=True)
class Work:
    """Something that a step writes."""

    node: Node
    paths: dict[str, Path]
    """Variables, or "stack" or "estimate", and where they go; the first is the main one."""

    @property
    def main(self) -> Path:
        """Path of the main output."""
        return next(iter(self.paths.values()))

    def key(self, flow: Flow) -> str:
        """What the outputs depend on, formats included."""
        how = how_of(flow, self.paths)
        formats = [how.ngff, how.compression, how.quality, how.keep_gps, self._metadata_from(flow)]
        return digest([flow.key(self.node.name), [*self.paths], formats, type(self).__name__])

    def is_current(self, flow: Flow) -> bool:
        """Whether it is there already, as it would be made."""
        return is_current(self.main, self.paths, self.key(flow))

    def run(self, flow: Flow, *, overwrite: bool, watch: Watch) -> list[str]:
        """Make it and its record; gives notes for the user."""
        waiting = [path for path in self.paths.values() if flow.cache.under_way(path)]
        if not overwrite and not waiting:
            check_replaceable(self.main, self.paths)
        self._check(flow)
        with flow.cache.replacing(self.paths.values()):
            with flow.measured.step(f"write {self.node.name}"):
                self._write(flow, watch)
            self._record(flow)
        return differences(flow.checked.job, self.paths) if self._hashed() else []

    def _record(self, flow: Flow) -> None:
        write_record(
            self.main,
            self.paths,
            job=flow.job_for(self.node),
            key=self.key(flow),
            inputs=flow.inputs,
            estimates=flow.estimates(self.node.name),
            audit=flow.opened.attrs.get("audit", {}),
            timings={span.name: span.seconds for span in flow.measured.spans},
            share_read=flow.share_read.get(self.node.name),
            hashed=self._hashed(),
        )

    def _metadata_from(self, flow: Flow) -> str | None:
        wanted = flow.checked.formats.get("metadata_from")
        if wanted is None or str(wanted) in PLACES or str(wanted).lstrip("-").isdecimal():
            return None if wanted is None else str(wanted)
        return str(flow.checked.job.path(wanted))

    def _carrying(self, flow: Flow, stack: Any) -> Any:
        """The stack with the metadata that goes into outputs."""
        corrections = [flow.value(node.name) for node in flow.needs(self.node.name) if node.kind.estimates]
        return carry_metadata(stack, self._metadata_from(flow), corrections, flow.opened)

    def _hashed(self) -> bool:
        return sum(_size(path) for path in self.paths.values()) <= HASHED

    def _check(self, flow: Flow) -> None:
        """Refuse what cannot be, before the work."""

    def _write(self, flow: Flow, watch: Watch) -> None:
        raise NotImplementedError


class Images(Work):
    """Images of a step that fuses or finds depth."""

    def trace(self, flow: Flow) -> Trace:
        """What a report shows of it."""
        from bigstack.engine.depth_maps import depth_unit

        stack = flow.stack(self.node.sources[0])
        measured = [node for node in flow.needs(self.node.name) if node.kind.estimates]
        unit = depth_unit(stack)
        return Trace(
            opened=flow.opened,
            stack=stack,
            found=[(flow.stack(node.sources[0]), flow.value(node.name)) for node in measured],
            spans=list(flow.measured.spans),
            maps=flow.samples.get(self.node.name, {}),
            units={"depth": unit, "sigma": unit, "index": "frame"},
            parameters={"step": self.node.name, "kind": self.node.kind.name, **self.node.options},
        )

    def _check(self, flow: Flow) -> None:
        results.check_paths(self.paths, overwrite=True)
        carry_metadata(flow.opened, self._metadata_from(flow))  # a frame that there is not is told now
        if not isinstance(flow.given.paths, list):
            results.check_among(self.paths, flow.given.paths, flow.opened.attrs["files"])

    def _write(self, flow: Flow, watch: Watch) -> None:
        from bigstack.io.record import RunRecord

        stack = self._carrying(flow, flow.stack(self.node.sources[0]))
        how = how_of(flow, self.paths)
        kind = self.node.kind
        ready = results.prepare(
            lambda layout: _masks_as_pixels(_build(self.node, stack, layout)),
            self.paths,
            how,
            RunRecord.of("job", flow.opened.attrs["files"], {"key": self.key(flow)}),
            frames=stack.sizes["z"],
            size=max(stack.shape[1:3]),
            absent=lambda name: (
                f"step {self.node.name!r} ({kind.name}) gives no {name}; take it out of outputs"
            ),
        )
        if flow.sampling:
            ready.sample(MAPS)
        flow.share_read[self.node.name] = results.write(ready, how, watch=watch).share_read
        flow.samples[self.node.name] = results.samples(ready)


class Kept(Work):
    """The stack as it is after a step."""

    @property
    def exact(self) -> bool:
        """Whether what is written has every bit of the stack."""
        return self.node.step.naming.get("format", "ome.zarr") not in ("jpg", "jpeg")

    def _write(self, flow: Flow, watch: Watch) -> None:
        from bigstack.jobs.stack_output import write_stack

        how, ending = how_of(flow, self.paths), self.node.step.naming.get("format", "tif")
        if self.node.kind.name == "bunch":
            _bunch(flow, self.node, self.main, how, ending, watch)
        else:
            stack = self._carrying(flow, flow.applied(self.node))
            write_stack(stack, self.main, how, key=self.key(flow), ending=ending, watch=watch)
        flow.forget(self.node.name)


class Layered(Work):
    """Frames and images as the layers of one TIFF."""

    def _write(self, flow: Flow, watch: Watch) -> None:
        from bigstack.jobs.layers import write_layers

        given = {name: self._layer(flow, name) for name in self.node.sources}
        keep_gps = bool(flow.checked.formats.get("keep_gps", False))
        write_layers(given, self.main, overwrite=True, keep_gps=keep_gps, **self.node.options)

    def _layer(self, flow: Flow, name: str) -> Any:
        stack = self._carrying(flow, flow.stack(name))
        return stack[0] if name in flow.images else stack


class Found(Work):
    """What a step measured, as JSON."""

    def _write(self, flow: Flow, watch: Watch) -> None:
        from bigstack.io.corrections import put_files

        put_files({self.main: (flow.value(self.node.name).to_json() + "\n").encode()}, overwrite=True)


def works(flow: Flow, node: Node) -> Iterator[Work]:
    """What a step writes."""
    naming = flow.naming(node)
    if node.kind.name == "layers":
        yield Layered(node, {"layers": naming.path("", plain=True, ending="tif")})
    elif node.kind.gives == "image":
        work = Images(node, _image_paths(node, naming))
        flow.images[node.name] = work.main
        yield work
    if node.options.get("save"):
        yield Found(node, {"estimate": naming.path("", plain=True, ending="json")})
    if node.step.keep:
        # A store by default; with a format of its own, a folder of such files.
        ending = "" if not node.step.naming.get("format", "ome.zarr").endswith("zarr") else "ome.zarr"
        yield Kept(node, {"stack": naming.path("", plain=True, ending=ending)})


def stack_of(flow: Flow, node: Node, *, watch: Watch) -> Any:
    """The stack that a step gives: as it was kept, else applied lazily; bunches are computed first."""
    kept = next((work for work in works(flow, node) if isinstance(work, Kept)), None)
    place = kept.main if kept is not None and kept.exact and kept.is_current(flow) else None
    if node.kind.name == "bunch":
        return _bunches(flow, node, place, watch)
    lazy = flow.applied(node)
    return lazy if place is None else _stored(lazy, place, [range(z, z + 1) for z in range(lazy.sizes["z"])])


def _bunches(flow: Flow, node: Node, place: Path | None, watch: Watch) -> Any:
    from bigstack.bunches import bunch_stack

    stack, spans = _spans(flow, node)
    if place is None:
        place = flow.cache.place(flow.key(node.name))
        if node.name in flow.forced:
            flow.cache.forget(flow.key(node.name))
        if not place.exists():
            flow.tell(f"{node.name}: fusing {len(spans)} bunches of {stack.sizes['z']} frames")
            place.parent.mkdir(parents=True, exist_ok=True)
            _bunch(flow, node, place, how_of(flow, {}), "", watch)
    return bunch_stack(stack, spans, _stored(stack, place, spans).data)


def _stored(stack: Any, place: Path, spans: list[range]) -> Any:
    """Images that lie on disk, each real where any of its span of frames of the stack is."""
    import xarray as xr

    from bigstack.bunches import source_of
    from bigstack.engine.bunched import BunchedSource
    from bigstack.io.lazy import lazy_array
    from bigstack.io.open import open_stack

    data = lazy_array(BunchedSource(source_of(open_stack(place)), source_of(stack), spans))
    return stack.copy(data=data) if len(spans) == stack.sizes["z"] else xr.DataArray(data, dims=stack.dims)


def _spans(flow: Flow, node: Node) -> tuple[Any, list[range]]:
    from bigstack.engine.bunched import bunch_spans

    stack = flow.stack(node.sources[0])
    size, overlap = node.options.get("frames", 10), node.options.get("overlap", 0)
    return stack, bunch_spans(stack.sizes["z"], size, overlap)


def _bunch(flow: Flow, node: Node, path: Path, how: How, ending: str, watch: Watch) -> None:
    from bigstack.jobs.bunch import write_bunches

    stack, spans = _spans(flow, node)
    fusion = {name: value for name, value in node.options.items() if name not in ("frames", "overlap")}
    key = flow.key(node.name)
    write_bunches(stack, spans, path, how, fusion=fusion, key=key, ending=ending, watch=watch)


def _image_paths(node: Node, naming: Any) -> dict[str, Path]:
    first = node.kind.variables[0]
    wanted = node.options.get("outputs") or [first]
    if isinstance(wanted, Mapping):
        return {name: naming.named(text, name) for name, text in wanted.items()}
    if len(set(wanted)) < len(wanted):
        raise InputError(f"step {node.name!r}: outputs names a variable twice: {', '.join(wanted)}")
    return {name: naming.path(name, plain=name == first) for name in wanted}


def _build(node: Node, stack: Any, layout: Any) -> Any:
    options = {name: value for name, value in node.options.items() if name != "outputs"}
    if node.kind.name == "depth":
        from bigstack.depth import depth_by

        return depth_by(stack, layout, **options)
    from bigstack.fusion import fuse_by

    return fuse_by(stack, layout, **options)


def _masks_as_pixels(dataset: Any) -> Any:
    """True and False as 255 and 0, which images can hold."""
    changed = {
        name: array.copy(data=array.data.astype("uint8") * 255)
        for name, array in dataset.data_vars.items()
        if array.dtype == bool
    }
    return dataset.assign(changed)


def _size(path: Path) -> int:
    from bigstack.io.record import InputRecord

    return InputRecord.of(path).size
