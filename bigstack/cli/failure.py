"""Failures as a person should see them: one message, and the exit code."""

from __future__ import annotations

import errno

import click

from bigstack.errors import BigstackError, InputError, OutputExistsError

BAD_USE, FAILURE = 2, 1


def explain(error: Exception) -> int:
    """Print what went wrong on stderr; give 2 for bad use, 1 for failure."""
    if isinstance(error, BigstackError):
        click.echo(f"Error: {error}", err=True)
        return BAD_USE if isinstance(error, InputError | OutputExistsError) else FAILURE
    if isinstance(error, MemoryError):
        message = "out of memory; give a smaller --memory-limit or fewer --workers"
    elif isinstance(error, OSError) and error.errno == errno.ENOSPC:
        message = f"the disk is full ({error.filename or 'while writing'}); free some space and run again"
    elif isinstance(error, OSError):
        message = f"{error.filename or 'file'}: {error.strerror or error}"
    else:
        message = f"{type(error).__name__}: {error} (a bug in bigstack; run again with --debug and report it)"
    click.echo(f"Error: {message}", err=True)
    return FAILURE
