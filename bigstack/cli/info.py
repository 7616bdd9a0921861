"""bigstack info: what a stack on disk is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from bigstack.cli import options


@click.command()
@options.inputs
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
@click.option("--debug", is_flag=True, help="Show a traceback with an error.")
def info(inputs: tuple[Path, ...], as_json: bool, debug: bool) -> None:
    """Show axes, sizes, dtype, pixel size, chunks and the audit of a stack; exits 1 when frames are bad."""
    from bigstack.io.info import describe

    found = describe(inputs[0] if len(inputs) == 1 else list(inputs))
    if as_json:
        click.echo(json.dumps(found, indent=2))
    else:
        for line in _lines(found):
            click.echo(line)
    if found["audit"].get("skipped"):
        raise SystemExit(1)


def _lines(value: Any, indent: int = 0, name: str = "") -> list[str]:
    """Nested dicts and lists as indented lines."""
    pad = "  " * indent
    head = f"{pad}{name.replace('_', ' ')}: " if name else pad
    if isinstance(value, dict) and value:
        lines = [line for key, part in value.items() for line in _lines(part, indent + bool(name), str(key))]
        return [head.rstrip(), *lines] if name else lines
    if isinstance(value, list) and value and not all(isinstance(part, int | float | str) for part in value):
        return [head.rstrip(), *(line for part in value for line in _lines(part, indent + 1, "-"))]
    if isinstance(value, list):
        return [head + (", ".join(str(part) for part in value) or "none")]
    return [head + ("unknown" if value is None else str(value))]
