"""Run a job: only what is not up to date is computed, and every result gets a record."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from bigstack.errors import BigstackError, InputError, RunError
from bigstack.jobs import outputs
from bigstack.jobs.batch import stacks_of
from bigstack.jobs.cache import Cache
from bigstack.jobs.check import Checked, Node, check_job
from bigstack.jobs.flow import Flow, Given
from bigstack.jobs.recipe import Job
from bigstack.jobs.trace import Trace

State = Literal["done", "up to date", "to do"]


@dataclass
class StepResult:
    """What became of one step of one stack."""

    step: str
    state: State
    paths: list[Path]
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)
    trace: Trace | None = None
    """What a report shows, of a step that gives images, where it was asked for."""
    variables: dict[str, Path] = field(default_factory=dict)
    """Which of the paths is what."""

    def line(self) -> str:
        """For people."""
        names = ", ".join(str(path) for path in self.paths)
        if self.state == "done":
            return f"{self.step}: wrote {names} in {self.seconds:.1f} s"
        return f"{self.step}: {self.state}, {names}"


@dataclass
class StackResult:
    """What became of one stack."""

    name: str
    steps: list[StepResult] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    error: BaseException | None = None


@dataclass
class JobResult:
    """What became of a job.

    Attributes
    ----------
    stacks
        In order; one with an `error` has failed, and what it had written before that is whole.
    """

    stacks: list[StackResult]
    seconds: float

    @property
    def failures(self) -> list[StackResult]:
        """Stacks that failed."""
        return [stack for stack in self.stacks if stack.error is not None]

    @property
    def outputs(self) -> list[Path]:
        """Everything that is there now, written in this run or up to date."""
        return [
            path
            for stack in self.stacks
            for step in stack.steps
            if step.state != "to do"
            for path in step.paths
        ]

    def lines(self, *, verbose: bool = False) -> list[str]:
        """For people."""
        from bigstack.jobs.notes import shown

        lines: list[str] = []
        for stack in self.stacks:
            prefix = f"{stack.name}: " if len(self.stacks) > 1 else ""
            quiet = len(self.stacks) > 1 and not verbose
            for step in stack.steps:
                if not (quiet and step.state == "up to date"):
                    lines += [prefix + step.line(), *(prefix + f"  {note}" for note in step.notes)]
            lines += [prefix + note for note in shown(stack.notes, verbose=verbose)]
            if stack.error is not None:
                lines.append(f"{prefix}failed: {stack.error}")
        return [*lines, self._last()]

    def _last(self) -> str:
        steps = [step for stack in self.stacks for step in stack.steps]
        count = {
            state: sum(step.state == state for step in steps) for state in ("done", "up to date", "to do")
        }
        if count["to do"]:
            return f"{count['to do']} to do, {count['up to date']} up to date; nothing was run"
        if not count["done"] and not self.failures:
            return f"nothing to do: all {count['up to date']} results are up to date"
        several = f" of {len(self.stacks)} stacks" if len(self.stacks) > 1 else ""
        failed = f", {len(self.failures)} stacks failed" if self.failures else ""
        return (
            f"{count['done']} results{several} written, {count['up to date']} up to date{failed}, "
            f"{self.seconds:.1f} s"
        )


def run_job(
    job: Job,
    *,
    start: str | None = None,
    only: str | None = None,
    dry_run: bool = False,
    overwrite: bool = False,
    keep: bool = False,
    tell: Callable[[str], None] = lambda text: None,
    watch: Callable[[Any], None] = lambda progress: None,
) -> JobResult:
    """Run a job.

    Parameters
    ----------
    start
        Make this step and all after it anew, and write nothing of those before it.
    only
        Make this step alone, anew; what it needs from others is taken as it is, or measured.
    dry_run
        Only find out what is to be done.
    overwrite
        Whether files may be replaced that the job did not write, or that were changed since.
    keep
        Whether the result keeps what a report needs.
    tell, watch
        Get a line about what is done, and the progress of what is computed.

    Returns
    -------
    JobResult
        What was written. Failures of one of several stacks are in it; that of a single one is raised.

    Raises
    ------
    BigstackError
        One of its children, with a message for the user.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from bigstack.synthetic import render_stack
    >>> from bigstack.jobs.write import write_image
    >>> folder = Path(tempfile.mkdtemp())
    >>> (folder / "in").mkdir()
    >>> for z, frame in enumerate(render_stack(frames=3, shape=(64, 80)).stack):
    ...     write_image(frame, folder / "in" / f"{z}.png")
    >>> job = Job(folder / "in", folder / "out").add("fuse", method="average")
    >>> [path.name for path in run_job(job).outputs], run_job(job).lines()[-1]
    (['in-fuse.tif'], 'nothing to do: all 1 results are up to date')
    """
    started = time.perf_counter()
    checked = check_job(job)
    wanted = _wanted(checked, start, only)
    given = stacks_of(job)
    folder = job.path(job.output.get("folder", "."))
    if not dry_run:
        _make(folder)
    results = []
    taken: dict[Path, str] = {}
    for each in given:
        run = _StackRun(checked, each, folder, wanted, overwrite, tell, watch, taken)
        run.flow.sampling = run.flow.measured.memory = keep
        try:
            run.go(dry_run=dry_run, anew=bool(start or only))
        except (BigstackError, MemoryError, OSError) as error:
            if len(given) == 1:
                raise
            run.result.error = error
            tell(f"{each.name}: failed: {error}")
        results.append(run.result)
    return JobResult(results, time.perf_counter() - started)


def _wanted(checked: Checked, start: str | None, only: str | None) -> list[str]:
    """Names of the steps to look at."""
    names = [node.name for node in checked.nodes]
    if start and only:
        raise InputError("--from and --only exclude each other; give one of them")
    if only is not None:
        return [checked.node(only).name]
    return names if start is None else names[names.index(checked.node(start).name) :]


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"the folder of the results cannot be made: {folder}: {error.strerror}") from error


class _StackRun:
    """One stack through the job."""

    def __init__(
        self,
        checked: Checked,
        given: Given,
        folder: Path,
        wanted: list[str],
        overwrite: bool,
        tell: Callable[[str], None],
        watch: Callable[[Any], None],
        taken: dict[Path, str],
    ) -> None:
        self.checked = checked
        self.wanted = wanted
        self.overwrite = overwrite
        self.tell = tell
        self.watch = watch
        self.taken = taken
        self.result = StackResult(given.name)
        self.flow = Flow(checked, given, folder, Cache(folder), make=self._stack, tell=tell)

    def go(self, *, dry_run: bool, anew: bool) -> None:
        """Take every step, in order."""
        import dask

        from bigstack.cluster import count_workers
        from bigstack.jobs.notes import notes_of

        self.result.notes = notes_of(self.flow.opened)
        if anew:
            self.flow.forced = frozenset(self.wanted)
        works = [(node, each) for node in self.checked.nodes for each in outputs.works(self.flow, node)]
        self._check_names([each for _, each in works])
        with dask.config.set(num_workers=count_workers(self.checked.running.get("workers"))):
            for node, work in works:
                if node.name in self.wanted:
                    self.result.steps.append(self._take(node, work, dry_run=dry_run, anew=anew))
        if not dry_run and len(self.wanted) == len(self.checked.nodes):
            self.flow.cache.prune(self.result.name, self.flow.used_keys())

    def _take(self, node: Node, work: outputs.Work, *, dry_run: bool, anew: bool) -> StepResult:
        started = time.perf_counter()
        result = StepResult(node.name, "up to date", list(work.paths.values()), variables=work.paths)
        if anew or not work.is_current(self.flow):
            if dry_run:
                result.state = "to do"
                return result
            result.notes = work.run(self.flow, overwrite=self.overwrite, watch=self.watch)
            result.state, result.seconds = "done", time.perf_counter() - started
        if self.flow.sampling and isinstance(work, outputs.Images):
            result.trace = work.trace(self.flow)
        return result

    def _stack(self, flow: Flow, node: Node) -> Any:
        return outputs.stack_of(flow, node, watch=self.watch)

    def _check_names(self, works: list[outputs.Work]) -> None:
        """Refuse two outputs of one name, of this stack or of another one of the job."""
        for work in works:
            for path in work.paths.values():
                owner = f"{self.result.name}: {work.node.name}"
                if self.taken.setdefault(path, owner) != owner:
                    raise InputError(
                        f"{path} would be written for {self.taken[path]} and for {owner}; "
                        "put {stack}, {step} or {variable} into their filename"
                    )


__all__ = ["JobResult", "StackResult", "StepResult", "run_job"]
