"""A job checked: every name known, every value of its type, every step given what it needs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bigstack.errors import InputError, choose
from bigstack.jobs.naming import check_template
from bigstack.jobs.recipe import NAMING, Job, Step, step_names
from bigstack.jobs.steps import KINDS, Kind, Option, load, options_of
from bigstack.jobs.values import convert

INPUT = "input"
"""Name that steps call the stack by as it is read."""

_NAME = re.compile(r"[\w][\w .+-]*")


@dataclass(frozen=True)
class Node:
    """An enabled step, checked."""

    name: str
    kind: Kind
    step: Step
    options: Mapping[str, Any]
    """As its functions want them."""
    sources: tuple[str, ...]


@dataclass(frozen=True)
class Checked:
    """A job whose steps are in order."""

    job: Job
    nodes: tuple[Node, ...]
    reading: Mapping[str, Any]
    """Options of `open_stack`."""
    hashed: bool
    """Whether inputs are told by their content."""
    running: Mapping[str, Any]
    formats: Mapping[str, Any]
    """`FORMAT_OPTIONS` of outputs."""

    def node(self, name: str) -> Node:
        """The step of that name."""
        names = [node.name for node in self.nodes]
        return self.nodes[names.index(choose(name, names, "step"))]


def input_options() -> dict[str, Option]:
    """What a job's [input] may say."""
    own = (
        Option("path", str | list[str], None, "Folder, frames, pattern, TIFF or Zarr of the stack."),
        Option("name", str | None, None, "What names of outputs call the stack."),
        Option("split", str | int | None, None, 'Many stacks: "folders", a gap such as "30s", or a number.'),
        Option("hash", bool, True, "Tell inputs by their content; false: by size and time, for huge ones."),
    )
    return {option.name: option for option in own} | options_of(load("bigstack.io.open:open_stack"))


OUTPUT_OPTIONS: dict[str, Option] = {
    option.name: option
    for option in (
        Option("folder", str, ".", "Where the results go; it is made when it is not there."),
        Option("prefix", str, "", "Before each file name."),
        Option("suffix", str, "", "After each file name, before its ending."),
        Option("filename", str, "{stack}-{step}", "Template of file names, without their ending."),
        Option("format", str, "tif", "Ending of images: tif, ome.tif, png, jpg, npy or ome.zarr."),
        Option("compression", str | None, None, "Compression of TIFF and Zarr outputs."),
        Option("quality", int | None, None, "Quality of JPEG outputs, 1 to 100."),
        Option("ngff", Literal["0.5", "0.4"] | None, None, "OME-Zarr version."),
        Option(
            "metadata_from",
            str | int | None,
            None,
            "Whose EXIF, XMP and profile outputs get: reference, first, middle, last, a number or a file.",
        ),
        Option("keep_gps", bool, False, "Whether outputs keep the place the pictures were taken at."),
    )
}
"""What a job's [output] may say."""

FORMAT_OPTIONS = ("compression", "quality", "ngff", "metadata_from", "keep_gps")
"""Options of [output] that say what is in the files, beside the pixels."""

RUN_OPTIONS: dict[str, Option] = {
    option.name: option
    for option in (
        Option("memory_limit", str | int, "2GB", "Memory of a process."),
        Option("workers", int | None, None, "Tasks at once; one a processor by default."),
        Option("processes", bool, False, "Worker processes instead of threads."),
        Option("scheduler", str | None, None, "Address of a running Dask scheduler."),
        Option("scheduler_file", Path | None, None, "Its scheduler file, instead of the address."),
        Option("tile", int | None, None, "Side of tiles in pixels, instead of the plan's."),
    )
}
"""What a job's [run] may say."""


def check_job(job: Job) -> Checked:
    """Check a job without looking at its input.

    Raises
    ------
    InputError
        Naming everything that is wrong, one line each.
    """
    problems: list[str] = []
    reading = _section(job.input, input_options(), "[input]", problems)
    target = _section(job.output, OUTPUT_OPTIONS, "[output]", problems)
    running = _section(job.run_options, RUN_OPTIONS, "[run]", problems)
    if not job.input.get("path"):
        problems.append('[input] needs a path, such as path = "photos"')
    for name in NAMING:
        _try(problems, check_template, name, target.get(name, ""), "[output]")
    nodes = _nodes(job, problems)
    _check_uses(nodes, problems)
    if problems:
        several = "".join(f"\n  {problem}" for problem in problems)
        raise InputError(problems[0] if len(problems) == 1 else f"{len(problems)} things are wrong:{several}")
    hashed = reading.pop("hash", True)
    for name in ("path", "name", "split"):
        reading.pop(name, None)
    formats = {name: target[name] for name in FORMAT_OPTIONS if target.get(name) is not None}
    return Checked(job, tuple(nodes), reading, hashed, running, formats)


def _section(
    given: Mapping[str, Any], known: Mapping[str, Option], where: str, problems: list[str]
) -> dict[str, Any]:
    found = {}
    for name, value in given.items():
        try:
            choose(name, known, f"option of {where}")
            found[name] = convert(value, known[name].hint, f"{where}: {name}")
        except InputError as error:
            problems.append(str(error))
    return found


def _nodes(job: Job, problems: list[str]) -> list[Node]:
    names = step_names(job.steps)
    nodes: list[Node] = []
    passed: dict[str, tuple[str, ...]] = {}
    for number, (name, step) in enumerate(zip(names, job.steps, strict=True)):
        where = f"step {name!r}"
        try:
            kind = KINDS[choose(step.do, KINDS, "kind of step")]
            _check_name(name, names[:number])
            options = kind.check(step.options, where)
            for key, value in step.naming.items():
                check_template(key, value, where)
            sources = _sources(step, kind, name, names, nodes, passed)
        except InputError as error:
            problems.append(str(error))
            continue
        if not step.enabled:
            passed[name] = sources if kind.gives == "stack" else ()
            continue
        nodes.append(Node(name, kind, step, options, sources))
    return nodes


def _check_name(name: str, earlier: Sequence[str]) -> None:
    if name == INPUT or not _NAME.fullmatch(name):
        raise InputError(
            f"a step cannot be called {name!r}; take letters, digits, spaces and . + - _, and not {INPUT!r}"
        )
    if name in earlier:
        raise InputError(f"two steps are called {name!r}; give each a name of its own")


def _sources(
    step: Step,
    kind: Kind,
    name: str,
    names: Sequence[str],
    nodes: Sequence[Node],
    passed: Mapping[str, tuple[str, ...]],
) -> tuple[str, ...]:
    """Names of the enabled steps that a step takes."""
    if not step.source:
        if kind.several:
            raise InputError(
                f'step {name!r} needs the steps it takes, such as from = ["{nodes[-1].name}"]'
                if nodes
                else f"step {name!r} needs earlier steps to take, and there are none"
            )
        return (next((node.name for node in reversed(nodes) if node.kind.gives == "stack"), INPUT),)
    if len(step.source) > 1 and not kind.several:
        raise InputError(f"step {name!r} takes one step, got from = {list(step.source)}")
    found: list[str] = []
    there = [INPUT, *(node.name for node in nodes)]
    for wanted in step.source:
        if wanted in passed:
            if not passed[wanted]:
                raise InputError(f"step {name!r} needs {wanted!r}, which is not enabled")
            found += passed[wanted]
            continue
        if wanted in names and wanted not in there:
            raise InputError(f"step {name!r} needs {wanted!r}, which no step before it gives; move it up")
        choose(wanted, there, f"step in from of {name!r}")
        found.append(wanted)
    return tuple(found)


def _check_uses(nodes: Sequence[Node], problems: list[str]) -> None:
    """A step without any effect is a mistake: something was meant to come of it."""
    if problems:
        return
    used = {name for node in nodes for name in node.sources}
    for node in nodes:
        says = node.step.keep or node.options.get("save")
        if node.kind.gives == "stack" and node.name not in used and not says:
            problems.append(
                f"nothing comes of step {node.name!r}: no step after it takes its stack; "
                "say keep = true to write it, or move it before the step that should take it"
            )
        if node.kind.gives != "stack" and node.step.keep:
            problems.append(
                f"step {node.name!r} always writes its result: keep is for steps that give a stack"
            )
    if not nodes:
        problems.append("the job has no step that is enabled; add one, such as fuse")


def _try(problems: list[str], function: Any, *arguments: Any) -> None:
    try:
        function(*arguments)
    except InputError as error:
        problems.append(str(error))
