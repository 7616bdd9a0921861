"""Names of the files that a job writes, from templates."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bigstack.errors import InputError, choose

FIELDS = {
    "stack": "name of the stack: of its folder, file or pattern",
    "step": "name of the step",
    "variable": "image, depth, index, ...",
    "method": "method of the fusion",
    "frames": "number of frames",
    "first": "name of the first frame's file, without its ending",
    "last": "name of the last frame's file, without its ending",
    "number": "number of the stack, from 1, where there are several",
}
"""What a template may hold in braces."""

TEMPLATE = "{stack}-{step}"


def check_template(kind: str, text: str, where: str) -> None:
    """Refuse a template, or part of a name, that no name can be made of.

    Examples
    --------
    >>> check_template("filename", "{stack}_{method}", "[output]")
    """
    if kind == "format":
        _check_format(text, where)
        return
    try:
        parts = list(string.Formatter().parse(text))
    except ValueError as error:
        raise InputError(f"{where}: {kind} {text!r} is no template: {error}") from error
    for _, name, spec, _ in parts:
        if name is not None:
            choose(name, FIELDS, f"field in {kind} of {where}")
            if spec and name not in ("frames", "number"):
                raise InputError(f"{where}: {kind}: {{{name}}} takes no format, got {spec!r}")
    if "/" in text.replace("\\", "/"):
        raise InputError(f"{where}: {kind} {text!r} names a folder; folders go to [output] folder")


@dataclass(frozen=True)
class Naming:
    """How a step's outputs are called.

    Examples
    --------
    >>> naming = Naming(Path("out"), {"suffix": "_v2"}, {"stack": "moth", "step": "fuse"})
    >>> naming.path("image", plain=True).name, naming.path("depth").name
    ('moth-fuse_v2.tif', 'moth-fuse-depth_v2.tif')
    """

    folder: Path
    given: Mapping[str, str]
    """`prefix`, `suffix`, `filename`, `format`; the step's own before those of all."""
    fields: Mapping[str, object]

    def path(self, variable: str, *, plain: bool = False, ending: str | None = None) -> Path:
        """Where a variable goes; the `plain` one is not named."""
        template = self.given.get("filename") or TEMPLATE
        if "{variable}" not in template and not plain:
            template += "-{variable}"
        text = self.given.get("prefix", "") + template + self.given.get("suffix", "")
        ending = self.given.get("format") or "tif" if ending is None else ending
        name = text.format(**{**self.fields, "variable": variable})
        return self.folder / (f"{name}.{ending.lstrip('.')}" if ending else name)

    def named(self, text: str, variable: str) -> Path:
        """Where a variable goes that the job names itself, ending and all."""
        return self.folder / text.format(**{**self.fields, "variable": variable})


def fields_of(name: str, files: Sequence[str], frames: int, number: int) -> dict[str, object]:
    """What templates can say of a stack."""
    return {
        "stack": name,
        "frames": frames,
        "first": Path(files[0]).stem if files else name,
        "last": Path(files[-1]).stem if files else name,
        "number": number,
    }


def _check_format(text: str, where: str) -> None:
    from bigstack.io.writers import SUFFIXES

    if text:
        choose(text.lstrip("."), [suffix[1:] for suffix in SUFFIXES], f"format of {where}")
