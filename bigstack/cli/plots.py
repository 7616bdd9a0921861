"""The options of plots as files."""

from __future__ import annotations

import click

from bigstack.cli import options

plot_options = options.combined(
    click.option("--plots", type=options.PATH, help="Folder for plots of what was measured."),
    click.option(
        "--plot-format",
        type=click.Choice(["png", "pdf"]),
        default="png",
        show_default=True,
        help="Format of the plots.",
    ),
)
