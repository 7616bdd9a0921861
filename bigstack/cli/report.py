"""The options that show a run: a page, and plots as files."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import click

from bigstack.cli import options

report_options = options.combined(
    click.option("--report", type=options.PATH, help="Write a page (.html) about the run and its result."),
)


def take_report(values: dict[str, Any]) -> dict[str, Any]:
    """Take the options out of a command's `values`, and refuse early what could not be written."""
    found = {"report": values.pop("report"), "overwrite": values["overwrite"]}
    if found["report"] is not None:
        from bigstack.errors import InputError
        from bigstack.report.page import check_report

        if values.get("task") or values.get("finish"):
            raise InputError(
                "--report shows a run that computes all tiles itself: leave --task and --finish away"
            )
        check_report(found["report"], overwrite=found["overwrite"])
        values["keep"] = True
    return found


def write_pages(result: Any, wanted: dict[str, Any]) -> list[Path]:
    """Write what was asked for of a `StackResult`."""
    if wanted["report"] is None:
        return []
    from bigstack.report.page import write_report

    return [write_report(facts_of(result), wanted["report"], overwrite=wanted["overwrite"])]


def facts_of(result: Any) -> Any:
    """What a `StackResult` has for a page."""
    return _facts(result.trace, result.outputs, result.notes)


def _facts(trace: Any, outputs: Any, notes: Any) -> Any:
    from bigstack.report.facts import Facts

    return Facts(
        stack=trace.stack,
        opened=trace.opened,
        title=next(iter(outputs.values())).name,
        command=shlex.join(["bigstack", *sys.argv[1:]]),
        outputs=outputs,
        maps=trace.maps,
        units=trace.units,
        found=trace.found,
        spans=trace.spans,
        parameters=trace.parameters,
        notes=notes,
    )


def job_pages(result: Any, wanted: dict[str, Any]) -> list[Path]:
    """Write a page for every fused image of a `JobResult`; several get the names of their outputs too."""
    if wanted["report"] is None:
        return []
    from bigstack.report.page import write_report

    shown = [(stack, step) for stack in result.stacks for step in stack.steps if step.trace is not None]
    pages = []
    for stack, step in shown:
        path = wanted["report"]
        if len(shown) > 1:
            path = path.with_name(f"{path.stem}-{step.paths[0].name.partition('.')[0]}{path.suffix}")
        facts = _facts(step.trace, step.variables, stack.notes)
        pages.append(write_report(facts, path, overwrite=wanted["overwrite"]))
    return pages
