"""Figures without matplotlib's global state, and the files they become. Needs the extra ``plot``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from bigstack.errors import InputError, OutputExistsError, choose

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Drawing = tuple[str, "Callable[[], Figure]"]
"""Name of a figure, and what draws it."""
PlotFormat = Literal["png", "pdf"]
FORMATS = ("png", "pdf")


def new_figure(size: tuple[float, float]) -> Any:
    """An empty figure of so many inches.

    Raises
    ------
    InputError
        When matplotlib is missing.
    """
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise InputError("plots need matplotlib; install it with: pip install 'bigstack[plot]'") from error
    return Figure(figsize=size, layout="constrained")


def save_figures(
    drawings: Sequence[Drawing],
    folder: Path,
    *,
    format: PlotFormat = "png",
    overwrite: bool = False,
) -> list[Path]:
    """Draw figures, each with a name, into files of a folder; nothing is drawn when one may not be written.

    Raises
    ------
    OutputExistsError
        When one of them is there and `overwrite` is not set.
    InputError
        For another format, or when matplotlib is missing.
    """
    choose(format, FORMATS, "format of plots")
    new_figure((1, 1))
    folder = Path(folder)
    paths = [folder / f"{name}.{format}" for name, _ in drawings]
    for path in paths:
        if path.exists() and not overwrite:
            raise OutputExistsError(f"{path} is there already; choose another folder, or overwrite it")
    if paths:
        folder.mkdir(parents=True, exist_ok=True)
    for path, (_, draw) in zip(paths, drawings, strict=True):
        # Without a date, equal plots are equal files.
        draw().savefig(path, dpi=120, metadata={"CreationDate": None} if format == "pdf" else None)
    return paths
