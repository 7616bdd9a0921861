"""Every error bigstack raises on purpose: what was given, what was expected, what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class BigstackError(Exception):
    """Base of all errors that are about the user's input or machine, not about a bug."""


class InputError(BigstackError, ValueError):
    """A value, option or array that the called function cannot take."""


class StackError(BigstackError, ValueError):
    """A stack on disk that is missing, damaged or inconsistent; the message names the file."""


class FormatError(BigstackError, ValueError):
    """A file format that cannot hold, or is not, what was asked for."""


class OutputExistsError(BigstackError, FileExistsError):
    """The output is there already and overwriting was not asked for."""


class ResumeError(BigstackError, ValueError):
    """An unfinished output was made from another input or with other parameters."""


class MemoryLimitError(BigstackError, MemoryError):
    """The work cannot fit the memory limit, found out before any of it was done."""


class RunError(BigstackError, RuntimeError):
    """A run that failed while it was working, such as a full disk or a lost worker."""


class StoreError(BigstackError, OSError):
    """A store on a network that is not there, or does not answer."""


class AccessError(StoreError):
    """A store on a network that refuses."""


class UnknownRequestError(StoreError):
    """A store on a network that does not know what it is asked for."""


def choose(name: str, valid: Iterable[str], what: str) -> str:
    """Return `name` if it is one of `valid`, else raise an `InputError` with the closest match.

    Examples
    --------
    >>> choose("pyramid", ["pyramid", "select"], "method")
    'pyramid'
    """
    names = list(valid)
    if name in names:
        return name
    close = difflib.get_close_matches(str(name), names, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    raise InputError(f"unknown {what} {name!r}{hint} (one of: {', '.join(names)})")
