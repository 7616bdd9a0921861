"""The options that show a run: a page, and plots as files."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import click

from bigstack.cli import options
from bigstack.cli.plots import plot_options

report_options = options.combined(
    click.option("--report", type=options.PATH, help="Write a page (.html) about the run and its result."),
    plot_options,
)


def take_report(values: dict[str, Any]) -> dict[str, Any]:
    """Take the options out of a command's `values`, and refuse early what could not be written."""
    found = {name: values.pop(name) for name in ("report", "plots", "plot_format")}
    found["overwrite"] = values["overwrite"]
    if found["plots"] is not None:
        from bigstack.errors import OutputExistsError
        from bigstack.report.figures import new_figure

        new_figure((1, 1))  # says what to install
        last = found["plots"] / f"sharpness.{found['plot_format']}"
        if last.exists() and not found["overwrite"]:
            raise OutputExistsError(f"{last} is there already; choose another folder, or --overwrite")
        values["keep"] = True
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
    paths = _write_plots(result.trace, wanted["plots"], wanted)
    if wanted["report"] is None:
        return paths
    from bigstack.report.page import write_report

    page = write_report(facts_of(result), wanted["report"], overwrite=wanted["overwrite"])
    return [*paths, page]


def _write_plots(trace: Any, folder: Path | None, wanted: dict[str, Any]) -> list[Path]:
    if folder is None:
        return []
    from bigstack.report.plots import save_plots

    unit = trace.units.get("depth", "frame")
    form, again = wanted["plot_format"], wanted["overwrite"]
    return save_plots(trace.found, folder, stack=trace.stack, unit=unit, format=form, overwrite=again)


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
    """Write what was asked for of every fused image of a `JobResult`.

    Several pages, and folders of plots, get the names of their outputs too.
    """
    shown = [(stack, step) for stack in result.stacks for step in stack.steps if step.trace is not None]
    written = []
    for stack, step in shown:
        page, folder = wanted["report"], wanted["plots"]
        if len(shown) > 1:
            name = step.paths[0].name.partition(".")[0]
            page = page and page.with_name(f"{page.stem}-{name}{page.suffix}")
            folder = folder and folder / name
        written += _write_plots(step.trace, folder, wanted)
        if page is not None:
            from bigstack.report.page import write_report

            facts = _facts(step.trace, step.variables, stack.notes)
            written.append(write_report(facts, page, overwrite=wanted["overwrite"]))
    return written
