"""What a job can do: each kind of step, and its options, taken from the functions that do it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal, get_type_hints

from bigstack.errors import InputError, choose
from bigstack.jobs.values import convert
from bigstack.names import FusionMethod

Gives = Literal["stack", "image"]

NOT_OPTIONS = ("tile", "z_block", "memory_limit", "memory", "scratch", "overwrite", "keep_gps")
"""Parameters that say where a function runs and writes, which is the job's own business."""


@dataclass(frozen=True)
class Option:
    """One option of a step.

    Examples
    --------
    >>> Option("strength", float, 1.0, "1 suits the noise").default
    1.0
    """

    name: str
    hint: Any
    default: Any
    text: str
    """What it means, in a line."""


@dataclass(frozen=True)
class Kind:
    """A kind of step."""

    name: str
    summary: str
    functions: tuple[str, ...]
    """``module:function`` whose keyword-only parameters are the options."""
    gives: Gives
    """A stack for the steps after it, or images."""
    extra: tuple[Option, ...] = ()
    """Options that are none of a function's."""
    estimates: bool = False
    """Whether it measures the stack first, and so has a result worth keeping."""
    methods: bool = False
    """Whether it has a fusion method, and that one's options."""
    variables: tuple[str, ...] = ()
    """What it can write; the first is what it is for."""
    several: bool = False
    """Whether it takes more than one earlier step."""

    def options(self, chosen: Mapping[str, Any]) -> dict[str, Option]:
        """Options by name, as `chosen` ones decide which there are."""
        found = {option.name: option for option in self.extra}
        for function in self.functions:
            found |= options_of(load(function))
        if self.methods:
            found |= options_of(_method(chosen.get("method", "pyramid")))
            found |= options_of(load("bigstack.finishing:finish"))
            found |= options_of(load("bigstack.finishing:finish"))
        return found

    def check(self, given: Mapping[str, Any], where: str) -> dict[str, Any]:
        """The options as their functions want them.

        Raises
        ------
        InputError
            For an option that there is not, says the closest, or a value it cannot take.
        """
        known = self.options(given)
        found = {}
        for name, value in given.items():
            self._check_method(name, known, where)
            choose(name, known, f"option of {where}")
            found[name] = convert(value, known[name].hint, f"{where}: {name}")
        for name in found.get("outputs") or ():
            choose(name, self.variables, f"output of {where}")
        return found

    def _check_method(self, name: str, known: Mapping[str, Option], where: str) -> None:
        if not self.methods or name in known:
            return
        from bigstack.fusion import METHODS

        takers = [method for method, function in METHODS.items() if name in options_of(function)]
        if takers:
            raise InputError(f"option {name} of {where} belongs to method {' or '.join(map(repr, takers))}")


_USE = Option("use", Path | None, None, "Apply this saved one instead of estimating it.")
_SAVE = Option("save", bool, False, "Write what was found beside the outputs, as JSON.")
_OUTPUTS = Option(
    "outputs",
    list[str] | Mapping[str, str] | None,
    None,
    "Variables to write, or a table of them and their file names.",
)
_METHOD = Option("method", FusionMethod, "pyramid", "How frames are fused.")
_CHANNEL = Option("focus_channel", str | int | list[str | int] | None, None, "Channels focus is measured on.")

_PRUNE = Option(
    "prune", bool, False, "Read only frames that may be sharpest, as a smaller copy of the stack tells."
)

DEPTH_MAPS = ("depth", "index", "confidence", "sigma", "valid", "unobserved")

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(
            "hot_pixels",
            "Find hot and dead pixels and fill them from good neighbours.",
            ("bigstack.correct:estimate_hot_pixels",),
            "stack",
            (Option("masks", Path | None, None, "Masks to use instead of finding them."), _USE, _SAVE),
            estimates=True,
        ),
        Kind(
            "vignetting",
            "Make corners as bright as the centre.",
            ("bigstack.correct:estimate_vignetting",),
            "stack",
            (_USE, _SAVE),
            estimates=True,
        ),
        Kind(
            "align",
            "Lay the frames on one another.",
            ("bigstack.align:estimate_alignment", "bigstack.align:apply_alignment"),
            "stack",
            (_USE, _SAVE),
            estimates=True,
        ),
        Kind(
            "balance",
            "Give all frames the same brightness and tint.",
            ("bigstack.correct:estimate_balance",),
            "stack",
            (_USE, _SAVE),
            estimates=True,
        ),
        Kind(
            "denoise",
            "Remove noise by non-local means.",
            ("bigstack.correct:denoise",),
            "stack",
            (_USE, _SAVE),
            estimates=True,
        ),
        Kind(
            "bunch",
            "Fuse bunches of neighbouring frames; the bunch images are the stack for the steps after it.",
            (),
            "stack",
            (
                Option("frames", int, 10, "Frames of a bunch; the last one may have fewer."),
                Option("overlap", int, 0, "Frames that a bunch shares with the one before."),
                _METHOD,
                _CHANNEL,
            ),
            methods=True,
        ),
        Kind(
            "fuse",
            "Fuse the stack into one image.",
            (),
            "image",
            (_METHOD, _CHANNEL, _PRUNE, _OUTPUTS),
            methods=True,
            variables=("image", *DEPTH_MAPS),
        ),
        Kind(
            "depth",
            "Find the depth of every pixel, with its uncertainty.",
            ("bigstack.depth:depth_from_focus",),
            "image",
            (_OUTPUTS,),
            variables=DEPTH_MAPS,
        ),
        Kind(
            "layers",
            "Put stacks and images into one TIFF as layers, to retouch by hand.",
            ("bigstack.jobs.layers:write_layers",),
            "image",
            variables=("layers",),
            several=True,
        ),
    )
}
"""Every kind of step by its name."""


def load(name: str) -> Callable[..., Any]:
    """The function that ``module:function`` names."""
    module, _, function = name.partition(":")
    return getattr(import_module(module), function)  # type: ignore[no-any-return]


def options_of(function: Callable[..., Any]) -> dict[str, Option]:
    """Keyword-only parameters of a function as options, with the first sentence its docstring has on each."""
    # Names that a module imports for type checkers only are those of results, never of options.
    hints = get_type_hints(
        function, localns={"xr": SimpleNamespace(DataArray=object, Dataset=object), "Layer": object}
    )
    texts = parameter_texts(inspect.getdoc(function) or "")
    return {
        p.name: Option(p.name, hints[p.name], p.default, texts.get(p.name, ""))
        for p in inspect.signature(function).parameters.values()
        if p.kind is inspect.Parameter.KEYWORD_ONLY and p.name not in NOT_OPTIONS
    }


def parameter_texts(doc: str) -> dict[str, str]:
    """First sentence on each parameter of a numpy-style docstring.

    Examples
    --------
    >>> from bigstack.correct import denoise
    >>> parameter_texts(inspect.getdoc(denoise))["strength"]
    '1 suits the noise'
    """
    _, _, rest = doc.partition("Parameters\n----------\n")
    section = re.split(r"\n\n\w+\n-+\n", rest)[0]
    found = {}
    for names, text in re.findall(r"^(\w[\w, ]*)\n((?:    .*\n?|\n(?=    ))+)", section, re.MULTILINE):
        sentence = re.split(r"(?<=[.:;])\s", " ".join(text.split()), maxsplit=1)[0].rstrip(":;")
        for name in names.split(", "):
            found[name] = sentence
    return found


def _method(name: Any) -> Callable[..., Any]:
    from bigstack.fusion import METHODS

    if not isinstance(name, str):
        raise InputError(f"method takes one of {', '.join(METHODS)}, got {name!r}")
    return METHODS[choose(name, METHODS, "method")]
