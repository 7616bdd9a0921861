"""One stack on its way through the steps of a job: what each gives, computed once somebody asks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from bigstack.errors import InputError
from bigstack.io.record import InputRecord, versions
from bigstack.jobs import actions
from bigstack.jobs.cache import Cache, digest
from bigstack.jobs.check import INPUT, Checked, Node
from bigstack.jobs.naming import Naming, fields_of
from bigstack.jobs.recipe import NAMING, Job, plain
from bigstack.jobs.trace import Trace

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Given:
    """One stack that a job is for."""

    name: str
    paths: Any
    """A path, or several: as `open_stack` takes them."""
    number: int = 1


class Flow:
    """Stacks, estimates and keys of the steps, for one stack.

    Parameters
    ----------
    make
        Makes the stack of a step: applied lazily, or from where it lies on disk.
    """

    def __init__(
        self,
        checked: Checked,
        given: Given,
        folder: Path,
        cache: Cache,
        *,
        make: Callable[[Flow, Node], Any],
        tell: Tell,
    ) -> None:
        self.checked = checked
        self.given = given
        self.folder = folder
        self.cache = cache
        self.tell = tell
        self.forced: frozenset[str] = frozenset()
        """Steps whose estimates are made anew."""
        self.measured = Trace()
        """Time of every step so far, and its memory where a report wants it."""
        self.values: dict[str, Any] = {}
        self.images: dict[str, Path] = {}
        """Main output of each step that gives images."""
        self.sampling = False
        """Whether maps that are not written are sampled, for a report."""
        self.samples: dict[str, dict[str, Any]] = {}
        """Samples of the maps of each step that gives images."""
        self.share_read: dict[str, float | None] = {}
        """Share of the stack's storage that a step read that prunes."""
        self._make = make
        self._stacks: dict[str, Any] = {}
        self._keys: dict[str, str] = {}

    @cached_property
    def opened(self) -> Any:
        """The stack as it is read."""
        from bigstack.io.open import open_stack

        return open_stack(self.given.paths, **self.checked.reading)

    @cached_property
    def inputs(self) -> list[InputRecord]:
        """Its files, with their hashes."""
        from bigstack.jobs.record import check_inputs

        with self.measured.step("hashing"):
            found = self.cache.inputs(self.opened.attrs["files"], hashed=self.checked.hashed)
            check_inputs(self.checked.job, found)
        return found

    def key(self, name: str) -> str:
        """Hash of everything that what a step gives depends on."""
        if name not in self._keys:
            self._keys[name] = digest(self._ingredients(name))
        return self._keys[name]

    def _ingredients(self, name: str) -> Any:
        if name == INPUT:
            reading = {key: plain(value) for key, value in self.checked.reading.items()}
            return ["input", [item.digest for item in self.inputs], reading, dict(versions())]
        node = self.checked.node(name)
        options = {key: plain(value) for key, value in node.options.items() if key not in ("save", "outputs")}
        for key in ("use", "masks"):
            if options.get(key) is not None:
                options[key] = self._content(self.checked.job.path(options[key]))
        return [node.kind.name, options, [self._source_key(source) for source in node.sources]]

    def _source_key(self, name: str) -> Any:
        """Key of what a step takes; an image is read back, so its format counts."""
        image = self.images.get(name)
        return self.key(name) if image is None else [self.key(name), image.suffix, dict(self.checked.formats)]

    def _content(self, path: Path) -> str:
        return InputRecord.of(path, digest=True).digest

    def stack(self, name: str) -> Any:
        """The stack that a step gives, lazily; of one that gives images, the main one as a single frame."""
        if name not in self._stacks:
            self._stacks[name] = self._stack_of(name)
        return self._stacks[name]

    def _stack_of(self, name: str) -> Any:
        if name == INPUT:
            return self.opened
        node = self.checked.node(name)
        if node.kind.gives == "image":
            return self._image(node)
        return self._make(self, node)

    def applied(self, node: Node) -> Any:
        """The stack with what a step found applied."""
        return actions.apply(node.kind.name, self.stack(node.sources[0]), self.value(node.name), node.options)

    def forget(self, name: str) -> None:
        """Make the stack of a step anew when it is asked for again: it lies on disk now."""
        self._stacks.pop(name, None)

    def _image(self, node: Node) -> Any:
        from bigstack.io.open import open_stack

        path = self.images.get(node.name)
        if path is None or not path.exists():
            raise InputError(f"step {node.name!r} has no result yet; run it first (without --only)")
        return open_stack(path)

    def value(self, name: str) -> Any:
        """What a step found, measured when it is not known yet."""
        if name not in self.values:
            node = self.checked.node(name)
            with self.measured.step(name):
                self.values[name] = self._value(node)
        return self.values[name]

    def _value(self, node: Node) -> Any:
        use, kind = node.options.get("use"), node.kind.name
        if use is not None:
            return actions.read_saved(kind, self.checked.job.path(use))
        known = self.checked.job.known.get(node.name)
        if known is not None:
            return actions.parse(kind, known, f"the record's {node.name}")
        key = self.key(node.name)
        kept = None if node.name in self.forced else self.cache.text(key)
        if kept is not None:
            return actions.parse(kind, kept, f"the kept {node.name}")
        stack = self.stack(node.sources[0])
        self.tell(f"{node.name}: measuring {stack.sizes['z']} frames")
        options = dict(node.options)
        if options.get("masks") is not None:
            options["masks"] = self.checked.job.path(options["masks"])
        value = actions.estimate(kind, stack, options)
        self.cache.put(key, value.to_json())
        return value

    def used_keys(self) -> set[str]:
        """Keys of all that may be kept for the job as it is."""
        return {self.key(node.name) for node in self.checked.nodes if node.kind.gives == "stack"}

    def needs(self, name: str) -> list[Node]:
        """The steps that a step depends on, and itself, in order."""
        wanted, waiting = set(), [name]
        while waiting:
            each = waiting.pop()
            if each != INPUT and each not in wanted:
                wanted.add(each)
                waiting += self.checked.node(each).sources
        return [node for node in self.checked.nodes if node.name in wanted]

    def naming(self, node: Node) -> Naming:
        """Names of a step's outputs."""
        target = self.checked.job.output
        own = {name: str(target[name]) for name in NAMING if target.get(name) is not None}
        fields = fields_of(
            self.given.name, self.opened.attrs["files"], self.opened.sizes["z"], self.given.number
        )
        method = node.options.get("method", "pyramid") if node.kind.methods else node.kind.name
        return Naming(
            self.folder, own | dict(node.step.naming), {**fields, "step": node.name, "method": method}
        )

    def job_for(self, node: Node) -> Job:
        """The job that makes what one step writes, and nothing else, from any folder."""
        job = self.checked.job
        paths = frames_of(self.given.paths)
        listed = [str(path) for path in paths] if isinstance(paths, list) else str(paths)
        reading = {key: value for key, value in job.input.items() if key not in ("path", "split")}
        steps = [self._portable(each, keep=each.name == node.name) for each in self.needs(node.name)]
        return Job(
            {"path": listed, **reading, "name": self.given.name},
            {**job.output, "folder": str(self.folder)} | self._metadata(job),
            steps,
            {name: value for name, value in job.run_options.items() if not name.startswith("scheduler")},
        )

    def _metadata(self, job: Job) -> dict[str, str]:
        """The file that metadata comes from, from wherever the record is run."""
        wanted = str(job.output.get("metadata_from", ""))
        path = job.path(wanted)
        return {"metadata_from": str(path)} if wanted and path.is_file() else {}

    def _portable(self, node: Node, *, keep: bool) -> Any:
        options: dict[str, Any] = dict(node.step.options)
        for name in ("use", "masks"):
            if options.get(name) is not None:
                options[name] = str(self.checked.job.path(options[name]))
        if not keep:
            options.pop("save", None)
        return replace(
            node.step,
            name=node.name,
            source=node.sources,
            keep=node.step.keep and keep,
            options=options,
        )

    def estimates(self, name: str) -> Mapping[str, str]:
        """JSON of all estimates that a step's result depends on."""
        return {
            node.name: self.value(node.name).to_json() for node in self.needs(name) if node.kind.estimates
        }


def frames_of(paths: Any) -> Any:
    """The frames that a folder or a pattern means now, as a list; anything else as it is."""
    from bigstack.io.find import frames_in, is_pattern, matching
    from bigstack.io.remote import RemotePath
    from bigstack.io.zarr_open import is_zarr

    if isinstance(paths, list | RemotePath):
        return paths
    if is_pattern(paths):
        return matching(paths)
    if not paths.is_dir() or is_zarr(paths):
        return paths
    frames = frames_in(paths)[0]
    return frames if len(frames) > 1 else frames[0]
