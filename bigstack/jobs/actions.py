"""What each step that gives a stack does: measure it, which gives a small value, and apply that lazily."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bigstack.errors import InputError, StackError
from bigstack.jobs.steps import load, options_of

OWN = ("use", "save", "masks")
"""Options that are the job's, not a function's."""


def estimate(kind: str, stack: Any, options: Mapping[str, Any]) -> Any:
    """Measure the stack: an `Alignment` or a correction, as the step's function gives it."""
    given = {name: value for name, value in options.items() if name not in OWN}
    if kind == "align":
        return _alignment(stack, given)
    if kind == "hot_pixels" and options.get("masks") is not None:
        return _masks(stack, options["masks"], given)
    if kind == "denoise":
        return _denoise(stack, given)
    from bigstack import correct

    return getattr(correct, f"estimate_{kind}")(stack, **given)


def apply(kind: str, stack: Any, value: Any, options: Mapping[str, Any]) -> Any:
    """The stack with what was measured applied, lazily."""
    if kind == "align":
        from bigstack.align import apply_alignment

        names = options_of(apply_alignment)
        return apply_alignment(stack, value, **{n: v for n, v in options.items() if n in names})
    from bigstack.correct import apply_correction

    return apply_correction(stack, value)


def parse(kind: str, text: str, where: str) -> Any:
    """An estimate from its JSON; refused when it is of another kind of step."""
    from bigstack.geometry.alignment import Alignment
    from bigstack.geometry.correction import correction_from_json

    try:
        value = Alignment.from_json(text) if kind == "align" else correction_from_json(text)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
    found = getattr(value, "kind", "align")
    if found != kind:
        raise InputError(f"{where} is of a step {found!r}, not {kind!r}")
    return value


def read_saved(kind: str, path: Any) -> Any:
    """An estimate that was saved as JSON."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StackError(f"{path} cannot be read: {error}") from error
    return parse(kind, text, str(path))


def _alignment(stack: Any, options: dict[str, Any]) -> Any:
    from bigstack.align import estimate_alignment
    from bigstack.geometry.alignment import Alignment

    names = options_of(load("bigstack.align:estimate_alignment"))
    if stack.sizes["z"] == 1:
        return Alignment.identity(stack.shape[1:3], 1)
    return estimate_alignment(stack, **{n: v for n, v in options.items() if n in names})


def _masks(stack: Any, path: Any, options: dict[str, Any]) -> Any:
    from bigstack.io.masks import read_masks

    useless = [name for name in options if name != "fill"]
    if useless:
        raise InputError(f"hot_pixels: {useless[0]} is for finding them, but masks say where they are")
    return read_masks(path, channels=stack.sizes["channel"], **options)


def _denoise(stack: Any, options: dict[str, Any]) -> Any:
    from bigstack.correct import estimate_noise_sigma
    from bigstack.correct.stacks import per_channel
    from bigstack.geometry.correction import Denoise

    noise = options.pop("noise", None)
    sigmas = (
        estimate_noise_sigma(stack) if noise is None else per_channel(noise, stack.sizes["channel"], "noise")
    )
    return Denoise(sigmas, **options)
