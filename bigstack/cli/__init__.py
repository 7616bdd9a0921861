"""The `bigstack` command: one file a command, heavy imports only once a command runs."""

from __future__ import annotations

import os
import sys

import click

from bigstack import __version__
from bigstack.cli.align import align
from bigstack.cli.blend import blend
from bigstack.cli.bunch import bunch
from bigstack.cli.convert import convert
from bigstack.cli.correct import correct
from bigstack.cli.demo import demo
from bigstack.cli.density import density
from bigstack.cli.depth import depth
from bigstack.cli.focus import focus
from bigstack.cli.info import info
from bigstack.cli.job import job
from bigstack.cli.layers import layers
from bigstack.cli.picture import picture
from bigstack.cli.plan import plan
from bigstack.cli.run import run
from bigstack.cli.stack import stack
from bigstack.cli.surface import surface
from bigstack.cli.topography import profile, roughness
from bigstack.cli.watch import watch


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="bigstack")
def cli() -> None:
    """Focus stacking and depth from focus for image stacks that outgrow memory."""


COMMANDS = (
    stack,
    blend,
    run,
    job,
    bunch,
    watch,
    depth,
    surface,
    picture,
    roughness,
    profile,
    info,
    plan,
    convert,
    align,
    correct,
    focus,
    density,
    layers,
    demo,
)

for command in COMMANDS:
    cli.add_command(command)


def main(arguments: list[str] | None = None) -> None:
    """Run the command; exits 2 for bad use, 1 for failure, 130 when interrupted."""
    from bigstack.cli.failure import explain

    words = sys.argv[1:] if arguments is None else arguments
    try:
        status = cli.main(words, standalone_mode=False)
    except click.exceptions.Exit as stop:
        status = stop.exit_code
    except click.ClickException as error:
        error.show()
        status = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted; run the same command again to go on where the output allows it", err=True)
        if arguments is None:
            _leave(130)
        status = 130
    except Exception as error:
        if "--debug" in words:
            raise
        status = explain(error)
    sys.exit(status or 0)


def _leave(status: int) -> None:
    """End the process now: at a usual exit, Python waits for threads that still compute their tiles."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
