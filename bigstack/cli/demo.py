"""bigstack demo: see it work."""

from __future__ import annotations

from pathlib import Path

import click

from bigstack.cli import options


@click.command()
@click.option(
    "-o", "--output", type=options.PATH, default=Path("demo"), show_default=True, help="Folder to write into."
)
@click.option("--overwrite", is_flag=True, help="Replace what an earlier demonstration wrote there.")
@options.talking
def demo(output: Path, overwrite: bool, verbose: bool, quiet: bool, debug: bool) -> None:
    """Render photographs at known depths, stack them, and compare image and depth with the truth."""
    from bigstack.cli.progress import Reporter
    from bigstack.jobs.demo import run_demo

    Reporter(quiet=quiet, verbose=verbose).summary(run_demo(output, overwrite=overwrite))
