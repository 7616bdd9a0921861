"""What a run says while it works: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import click


def _time(timing: Any) -> str:
    parts = f"{timing.startup:.1f} to start, {timing.estimates:.1f} to align and measure, {timing.work:.1f}"
    return f"{timing.total:.1f} s ({parts} to fuse and write)"


class Reporter:
    """Watches a run; call it with the run's progress."""

    def __init__(self, *, quiet: bool, verbose: bool, work: str = "stacking") -> None:
        self.work = work
        self.quiet = quiet
        self.verbose = verbose
        self._bar: Any = None
        self._measuring: Any = None
        self._started = time.perf_counter()
        self._told = self._started
        self.terminal = sys.stderr.isatty()

    def plan(self, found: Any) -> None:
        """Show the plan of a run."""
        from bigstack.io.writers.spec import human

        plan = found.plan
        rows = {
            "input": f"{' x '.join(str(n) for n in found.shape)} (z, y, x, channel) {found.dtype}",
            "tiles": f"{plan.tiles} of {plan.tile[0]} x {plan.tile[1]} pixels",
            "tasks": f"{plan.tasks} on {plan.workers} workers",
            "bytes read": human(plan.bytes_read),
            "peak memory": f"{human(plan.peak_memory)} of {human(plan.memory_limit)}",
            **({} if found.timing is None else {"time": _time(found.timing)}),
            "scratch on disk": human(plan.scratch_bytes) if plan.scratch else "none",
        }
        for name, value in rows.items():
            click.echo(f"{name:16} {value}")

    def prelude(self, found: Any) -> None:
        """Show the plan before a run, when asked to say more."""
        if self.verbose and not self.quiet:
            self.plan(found)

    def say(self, text: str) -> None:
        """Tell what is worth knowing while a run goes on."""
        if not self.quiet:
            click.echo(text, err=True)

    def __enter__(self) -> Reporter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __call__(self, progress: Any) -> None:
        """Show how far the run is."""
        if self.quiet:
            return
        if hasattr(progress, "step"):
            self._prepare(progress)
        elif self.terminal:
            self._draw(progress)
        elif time.perf_counter() - self._told > 10:
            self._told = time.perf_counter()
            share = progress.share
            left = (self._told - self._started) * (1 - share) / max(share, 1e-9)
            click.echo(f"{share:4.0%} done, {self._rate(progress):.0f} Mpix/s, {left:.0f} s left", err=True)

    def _prepare(self, progress: Any) -> None:
        """Show what is measured before the work starts."""
        if self.terminal:
            if self._measuring is None:
                from rich.console import Console
                from rich.progress import BarColumn, Progress, TextColumn

                columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:3.0f}%")
                self._measuring = Progress(*columns, console=Console(stderr=True), transient=True)
                self._measuring.start()
                self._measured = self._measuring.add_task(progress.step, total=1.0)
            self._measuring.update(self._measured, description=progress.step, completed=progress.share)
        elif time.perf_counter() - self._told > 10:
            self._told = time.perf_counter()
            click.echo(f"{progress.step}, {progress.share:.0%}", err=True)

    def _draw(self, progress: Any) -> None:
        if self._measuring is not None:
            self._measuring.stop()
            self._measuring = None
            self._started = time.perf_counter()
        if self._bar is None:
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

            self._bar = Progress(
                TextColumn(self.work),
                BarColumn(),
                TextColumn("{task.percentage:3.0f}%"),
                TextColumn("{task.fields[rate]:.0f} Mpix/s"),
                TimeRemainingColumn(),
                console=Console(stderr=True),
            )
            self._bar.start()
            self._task = self._bar.add_task("tiles", total=1.0, rate=0.0)
        self._bar.update(self._task, completed=progress.share, rate=self._rate(progress))

    def _rate(self, progress: Any) -> float:
        """Input megapixels a second."""
        seconds = time.perf_counter() - self._started
        return progress.pixels * progress.share / seconds / 1e6

    def summary(self, result: Any) -> None:
        """Say what was written, how fast, and with how much memory."""
        if self.quiet:
            return
        for line in result.lines(verbose=self.verbose):
            click.echo(line)

    def wrote(self, paths: list[Path]) -> None:
        """Name what was written beside the outputs."""
        for path in [] if self.quiet else paths:
            click.echo(f"wrote {path}")

    def close(self) -> None:
        """Leave the terminal as it was."""
        for bar in (self._measuring, self._bar):
            if bar is not None:
                bar.stop()
        self._measuring = self._bar = None
