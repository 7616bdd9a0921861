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
    from bigstack.report.facts import Facts

    trace = result.trace
    first = next(iter(result.outputs.values()))
    return Facts(
        stack=trace.stack,
        opened=trace.opened,
        title=first.name,
        command=shlex.join(["bigstack", *sys.argv[1:]]),
        outputs=result.outputs,
        maps=trace.maps,
        units=trace.units,
        found=trace.found,
        spans=trace.spans,
        parameters=trace.parameters,
        notes=result.notes,
    )
