"""Values of a job file against the types of the functions they are for: exact, and told in plain words."""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from bigstack.errors import InputError, choose

_PLAIN: dict[Any, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    Path: "a path",
    type(None): "nothing",
}


class _WrongKind(InputError):
    """The value is of another type, rather than out of a range or unknown."""


def convert(value: Any, hint: Any, what: str) -> Any:
    """The value as `hint` has it: lists become tuples, tables become dataclasses, nothing is guessed.

    Raises
    ------
    InputError
        For a value of another type, or a name that is none of those that there are; says the closest.

    Examples
    --------
    >>> convert([1, 2], tuple[float, float], "intensity")
    (1.0, 2.0)
    """
    if hint is Any:
        return value
    if is_dataclass(hint):
        return _table(value, hint, what)
    origin = get_origin(hint)
    if origin is Literal:
        return _name(value, get_args(hint), what)
    if origin in (Union, types.UnionType):
        return _one_of(value, get_args(hint), what)
    if origin in (list, tuple, Sequence):
        return _several(value, origin, get_args(hint), what)
    if origin in (dict, Mapping) and isinstance(value, Mapping):
        return {str(key): convert(item, get_args(hint)[1], f"{what}.{key}") for key, item in value.items()}
    return _plain(value, hint, what)


def describe(hint: Any) -> str:
    """What a value may be, for people.

    Examples
    --------
    >>> describe(int | None), describe(Literal["first", "last"])
    ('a whole number', "'first', 'last'")
    """
    if hint in _PLAIN:
        return _PLAIN[hint]
    if is_dataclass(hint):
        return f"a table of {', '.join(field.name for field in fields(hint))}"
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Literal:
        return ", ".join(repr(name) for name in inner)
    if origin in (Union, types.UnionType):
        parts = [describe(part) for part in inner if part is not type(None)]
        return " or ".join(dict.fromkeys(parts))
    if origin is tuple and Ellipsis not in inner:
        return f"a list of {len(inner)}: {', '.join(describe(part) for part in inner)}"
    if origin in (list, tuple, Sequence):
        return f"a list, each {describe(inner[0])}"
    if origin in (dict, Mapping):
        return "a table"
    return getattr(hint, "__name__", str(hint))


def _plain(value: Any, hint: Any, what: str) -> Any:
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if hint is Path and isinstance(value, str | Path):
        return Path(value)
    if isinstance(hint, type) and isinstance(value, hint) and (hint is bool or not isinstance(value, bool)):
        return value
    raise _WrongKind(_wrong(value, hint, what))


def _wrong(value: Any, hint: Any, what: str) -> str:
    return f"{what} takes {describe(hint)}, got {value!r}"


def _name(value: Any, names: tuple[Any, ...], what: str) -> Any:
    if isinstance(value, str) and all(isinstance(name, str) for name in names):
        return choose(value, names, what)
    # 1 == True: types count as well.
    if any(value == name and type(value) is type(name) for name in names):
        return value
    raise _WrongKind(_wrong(value, Literal[names], what))


def _one_of(value: Any, hints: tuple[Any, ...], what: str) -> Any:
    told: InputError | None = None
    for hint in hints:
        try:
            return convert(value, hint, what)
        except _WrongKind:
            continue
        except InputError as error:
            told = told or error
    if told is not None:
        raise told
    raise _WrongKind(_wrong(value, Union[hints], what))  # noqa: UP007 a union of what is only known here


def _several(value: Any, origin: Any, inner: tuple[Any, ...], what: str) -> Any:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise _WrongKind(_wrong(value, origin[inner], what))
    fixed = origin is tuple and Ellipsis not in inner
    if fixed and len(value) != len(inner):
        raise _WrongKind(_wrong(value, origin[inner], what))
    hints = inner if fixed else (inner[0],) * len(value)
    made = [
        convert(item, hint, f"{what}[{i}]") for i, (item, hint) in enumerate(zip(value, hints, strict=True))
    ]
    return tuple(made) if origin is tuple else made


def _table(value: Any, kind: Any, what: str) -> Any:
    if isinstance(value, kind):
        return value
    if not isinstance(value, Mapping):
        raise _WrongKind(_wrong(value, kind, what))
    hints = get_type_hints(kind)
    names = [field.name for field in fields(kind)]
    for name in value:
        choose(name, names, f"entry of {what}")
    return kind(**{name: convert(item, hints[name], f"{what}.{name}") for name, item in value.items()})
