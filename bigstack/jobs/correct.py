"""Correct a stack's light: estimate each step on what the steps before it give, and write or only measure."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from bigstack.errors import InputError
from bigstack.io.places import AnyPath
from bigstack.jobs.notes import notes_of, shown
from bigstack.jobs.running import Running
from bigstack.jobs.trace import Trace


@dataclass(frozen=True)
class Step:
    """One correction of a chain.

    Attributes
    ----------
    kind
        ``balance``, ``vignetting``, ``hot_pixels`` or ``denoise``, to be estimated; ``saved``, read from a
        file; or ``align``.
    options
        Of the function that estimates it, the ``path``, or ``how`` to align, an `AlignOptions`.
    """

    kind: str
    options: dict[str, Any] = field(default_factory=dict)

    def parameters(self) -> Any:
        """For the record of a run."""
        return self.options["how"].parameters() if self.kind == "align" else self.options


@dataclass
class CorrectJob(Running):
    """Everything `bigstack correct` can be told."""

    inputs: tuple[AnyPath, ...]
    steps: Sequence[Step]
    output: AnyPath | None = None
    """Where the corrected stack goes; None to measure only."""
    save: Path | None = None
    """Folder for the corrections as JSON and the masks of hot pixels."""
    reading: dict[str, Any] = field(default_factory=dict)
    ngff: str | None = None
    compression: str | None = None
    overwrite: bool = False


@dataclass
class CorrectResult:
    """What a correction did."""

    stack: Any
    """The stack as it was, lazy."""
    corrections: list[Any]
    written: list[AnyPath]
    seconds: float
    skipped: int = 0
    pieces: int = 0
    notes: list[str] = field(default_factory=list)
    found: list[tuple[Any, Any]] = field(default_factory=list)
    """Each correction with the stack it was estimated on."""

    def lines(self, *, verbose: bool = False) -> list[str]:
        """For people."""
        z, y, x, channels = self.stack.shape
        lines = [f"{n}. {summary(value)}" for n, value in enumerate(self.corrections, 1)]
        lines += [f"wrote {path}" for path in self.written]
        lines.append(
            f"{z} frames of {y} x {x}, {channels} channels, {self.stack.dtype}, in {self.seconds:.1f} s, "
            f"{z * y * x / self.seconds / 1e6:.0f} Mpix/s"
        )
        if self.skipped:
            lines.append(
                f"{self.skipped} of {self.skipped + self.pieces} pieces were there from an earlier run"
            )
        return lines + shown(self.notes, verbose=verbose)


def correct_stack(job: CorrectJob, *, watch: Callable[[Any], None] = lambda progress: None) -> CorrectResult:
    """Run `job`: an interrupted run goes on where it was.

    Raises
    ------
    BigstackError
        One of its children, with a message for the user.
    """
    started = time.perf_counter()
    from bigstack.jobs.stack import open_inputs

    if not job.steps:
        raise InputError("no correction was asked for; choose one or more, such as --balance rgb")
    stack = open_inputs(job.inputs, job.reading)
    if job.output is not None:
        _sink(job, stack, None)  # an output that cannot be is told before anything is measured
    with ExitStack() as cleanup:
        executor = cleanup.enter_context(job.executor())
        trace = Trace()
        corrected, corrections = apply_steps(stack, job.steps, trace=trace, workers=job.workers, watch=watch)
        written: list[AnyPath] = [*_save(job, corrections)]
        result = CorrectResult(stack, corrections, written, 0.0, notes=notes_of(stack), found=trace.found)
        if job.output is not None:
            progress = _write(job, corrected, corrections, executor, watch)
            result.written.append(job.output)
            result.skipped, result.pieces = progress.skipped, progress.total
    result.seconds = time.perf_counter() - started
    return result


def apply_steps(
    stack: Any,
    steps: Sequence[Step],
    *,
    overwrite: bool = False,
    workers: int | None = None,
    watch: Callable[[Any], None] = lambda progress: None,
    trace: Trace | None = None,
) -> tuple[Any, list[Any]]:
    """Return the stack with every step applied, lazily, and the corrections; each is estimated on the way."""
    from bigstack.jobs.align import estimating

    with estimating(workers, watch):
        return _applied(stack, steps, overwrite, trace)


def _applied(
    stack: Any, steps: Sequence[Step], overwrite: bool, trace: Trace | None
) -> tuple[Any, list[Any]]:
    from bigstack.correct import apply_correction
    from bigstack.jobs.align import aligned_by

    trace = Trace() if trace is None else trace
    corrections: list[Any] = []
    for step in steps:
        before = stack
        with trace.step(f"{step.kind.replace('_', ' ')}: estimate"):
            if step.kind == "align":
                stack, value = aligned_by(stack, step.options["how"], overwrite=overwrite)
            else:
                value = _estimate(stack, step)
                stack = apply_correction(stack, value)
        if value is not None:
            corrections.append(value)
            trace.found.append((before, value))
    return stack, corrections


def digests(corrections: Sequence[Any]) -> dict[str, str]:
    """What the pixels depend on, for the record of a run: values are long, their digests short."""
    return {
        f"correction {n} {getattr(value, 'kind', 'alignment')}": sha256(value.to_json().encode()).hexdigest()
        for n, value in enumerate(corrections, 1)
    }


def summary(value: Any) -> str:
    """One line about a correction, for people.

    Examples
    --------
    >>> from bigstack.geometry.correction import HotPixels
    >>> summary(HotPixels((10, 10, 3), ((2, 5, 0), (2, 5, 1))))
    'hot pixels: 2 values, filled by the mean of good neighbours'
    """
    return _SUMMARIES[value.kind](value)


def _estimate(stack: Any, step: Step) -> Any:
    from bigstack import correct
    from bigstack.geometry.correction import Denoise
    from bigstack.io.corrections import read_correction
    from bigstack.io.masks import read_masks

    options = dict(step.options)
    if step.kind == "saved":
        return read_correction(options["path"])
    if step.kind == "balance":
        return correct.estimate_balance(stack, **options)
    if step.kind == "vignetting":
        return correct.estimate_vignetting(stack, **options)
    if step.kind == "hot_pixels":
        if "masks" in options:
            return read_masks(options.pop("masks"), channels=stack.sizes["channel"], **options)
        return correct.estimate_hot_pixels(stack, **options)
    noise = options.pop("noise", None) or correct.estimate_noise_sigma(stack)
    noise = noise * stack.sizes["channel"] if len(noise) == 1 else noise
    return Denoise(tuple(noise), **options)


def _save(job: CorrectJob, corrections: list[Any]) -> list[Path]:
    if job.save is None:
        return []
    from bigstack.geometry.correction import HotPixels
    from bigstack.io.corrections import write_corrections
    from bigstack.io.masks import write_masks

    paths = write_corrections(corrections, job.save, overwrite=job.overwrite)
    for value in corrections:
        if isinstance(value, HotPixels):
            paths += write_masks(value, job.save, overwrite=job.overwrite)
    return paths


def _write(
    job: CorrectJob,
    corrected: Any,
    corrections: list[Any],
    executor: Any,
    watch: Callable[[Any], None],
) -> Any:
    from bigstack.engine.copy import copy_stack
    from bigstack.engine.sources import as_source
    from bigstack.io.record import RunRecord

    chain = digests(corrections)
    reading = {f"reading {name}": value for name, value in job.reading.items()}
    record = RunRecord.of("correct", corrected.attrs["files"], {**chain, **reading})
    sink = _sink(job, corrected, record)
    sink.open()
    try:
        progress = copy_stack(as_source(corrected.data), sink, executor, watch=watch)
    except BaseException:
        sink.pause()
        raise
    sink.finish()
    return progress


def _sink(job: CorrectJob, stack: Any, record: Any) -> Any:
    from bigstack.io.writers import create_stack_sink, stack_spec_of

    assert job.output is not None
    given = {"version": job.ngff, "compression": job.compression}
    options = {name: value for name, value in given.items() if value is not None}
    return create_stack_sink(
        job.output, stack_spec_of(stack), overwrite=job.overwrite, record=record, **options
    )


def _balance_summary(value: Any) -> str:
    against = "all frames together" if value.reference is None else f"frame {value.reference}"
    if value.curve == "match_hist":
        return f"balance: {value.space}, histograms matched to {against}"
    numbers = [parameters[0] for frame in value.curves for parameters in frame]
    name = "factors" if value.curve == "linear" else "gammas"
    return f"balance: {value.space}, {name} {min(numbers):.4g} to {max(numbers):.4g}, against {against}"


def _vignetting_summary(value: Any) -> str:
    import numpy as np

    from bigstack.kernels.correction.vignetting import falloff, radius_of_corner

    corner = falloff(np.array([radius_of_corner(value.shape)]), value.model, value.parameters)[0]
    numbers = ", ".join(f"{number:.6g}" for number in value.parameters)
    return (
        f"vignetting: {value.model} ({numbers}), {corner:.1%} of the light in the corners, "
        f"rings differ by {value.error:.1%}"
    )


def _hot_summary(value: Any) -> str:
    return f"hot pixels: {value.count} values, filled by the {value.fill} of good neighbours"


def _denoise_summary(value: Any) -> str:
    sigmas = ", ".join(f"{sigma:.4g}" for sigma in value.noise)
    return f"denoise: strength {value.strength:g} for noise of {sigmas}"


_SUMMARIES: dict[str, Callable[[Any], str]] = {
    "balance": _balance_summary,
    "vignetting": _vignetting_summary,
    "hot_pixels": _hot_summary,
    "denoise": _denoise_summary,
}

__all__ = ["CorrectJob", "CorrectResult", "Step", "apply_steps", "correct_stack", "digests", "summary"]
