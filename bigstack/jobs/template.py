"""A job file to start from: every step with all its options, each with what it means."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Iterator
from typing import Any

from bigstack.jobs.check import OUTPUT_OPTIONS, RUN_OPTIONS, input_options
from bigstack.jobs.steps import KINDS, Kind, Option, options_of
from bigstack.jobs.values import describe

HEAD = """\
# A job of bigstack. Run it:      bigstack run JOB
# Check it:                       bigstack job check JOB
# See what would be done:         bigstack run JOB --dry-run
# Lines that start with # are options that are as always. Paths start at the folder of this file.
"""

STEPS_HEAD = """\
# Steps are taken in this order; each takes the stack that the last one before it gives.
# Every step may say:
#   name = "mine"         what other steps and file names call it
#   from = "align"        the step it takes, or "input"
#   enabled = false       leave it out
#   keep = true           write the stack as it is after this step
#   prefix, suffix, filename, format    its file names, where other than in [output]
# File names may hold {stack} {step} {variable} {method} {frames} {first} {last} {number}.
"""

SHOWN = ("align", "balance", "fuse")
"""Steps that are enabled in a new job: what most stacks of photographs want."""


def template(path: str = "photos", folder: str = "stacked") -> str:
    """The text of a new job file.

    Examples
    --------
    >>> from bigstack.jobs.recipe import Job
    >>> Job.from_toml(template()).check()
    """
    parts = [HEAD, *_section("input", {"path": path}, input_options().values())]
    parts += _section("output", {"folder": folder}, OUTPUT_OPTIONS.values())
    parts += _section("run", {}, RUN_OPTIONS.values())
    parts.append(STEPS_HEAD)
    for kind in KINDS.values():
        parts += _step(kind)
    return "\n".join(parts).rstrip() + "\n"


def _section(name: str, given: dict[str, Any], options: Iterable[Option]) -> Iterator[str]:
    lines = [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in given.items())]
    lines += [line for option in options if option.name not in given for line in _option(option)]
    yield "\n".join(lines) + "\n"


def _step(kind: Kind) -> Iterator[str]:
    lines = [f"# {kind.summary}", "[[steps]]", f'do = "{kind.name}"']
    if kind.name not in SHOWN:
        lines.append("enabled = false")
    if kind.several:
        lines.append('from = ["input", "fuse"]')
    lines += [line for option in kind.options({}).values() for line in _option(option)]
    if kind.methods:
        lines += _other_methods()
    yield "\n".join(lines) + "\n"


def _other_methods() -> Iterator[str]:
    from bigstack.fusion import METHODS

    for name, function in METHODS.items():
        if name != "pyramid":
            yield f'# With method = "{name}":'
            for option in options_of(function).values():
                yield from _option(option)


def _option(option: Option) -> Iterator[str]:
    text = option.text if option.text and not option.text.startswith(("`", '"')) else ""
    meaning = " ".join(part for part in (text, f"[{describe(option.hint)}]") if part)
    value = "" if option.default is None else json.dumps(option.default)
    start = f"# {option.name} = {value}".rstrip()
    yield from textwrap.wrap(
        f"{start:<28}# {meaning}",
        110,
        subsequent_indent=" " * 0 + "#" + " " * 27 + "# ",
        break_long_words=False,
    )
