"""What the commands share that fuse a stack or find its depth: from their values to a job, and its run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from bigstack.cli import options
from bigstack.cli.align import align_options
from bigstack.cli.correct import steps_of
from bigstack.cli.report import take_report, write_pages


def job_values(
    inputs: tuple[Path, ...], output: Path, values: dict[str, Any], chosen: dict[str, Any]
) -> dict[str, Any]:
    """Fields of a `StackJob`, or of one that is derived from it; `chosen` are options of the method."""
    options.check_sharing(values)
    values["align"] = align_options(values["align"], values)
    steps = steps_of(values)
    values.pop("align")
    reading = options.reading_options(values)
    chosen["quality"] = options.take_quality(values)
    return {
        "inputs": inputs,
        "output": output,
        "reading": reading,
        "steps": steps,
        "options": {name: value for name, value in chosen.items() if value is not None},
        "focus_channel": list(values.pop("focus_channel")) or None,
        **values,
    }


def carry_out(
    inputs: tuple[Path, ...],
    output: Path,
    values: dict[str, Any],
    make: Callable[..., Any],
    run: Callable[..., Any],
    *,
    work: str = "stacking",
) -> None:
    """Plan or run the job that ``make(inputs, output, values)`` gives, and say how it goes."""
    from bigstack.cli.progress import Reporter
    from bigstack.jobs.stack import plan_stack

    reporter = Reporter(quiet=values.pop("quiet"), verbose=values.pop("verbose"), work=work)
    dry_run = values.pop("dry_run")
    values.pop("debug")
    wanted = take_report(values)
    job = make(inputs, output, values)
    if dry_run:
        reporter.plan(plan_stack(job))
        return
    with reporter:
        result = run(job, tell=reporter.prelude, watch=reporter, say=reporter.say)
    reporter.summary(result)
    reporter.wrote(write_pages(result, wanted))
