"""Values of job files against types."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import pytest

from bigstack.errors import InputError
from bigstack.jobs.values import convert, describe
from bigstack.kernels.registration.plausible import Limits


@pytest.mark.parametrize(
    ("value", "hint", "made"),
    [
        (3, int, 3),
        (3, float, 3.0),
        (True, bool, True),
        ("a", Path, Path("a")),
        ([1, 2], tuple[float, float], (1.0, 2.0)),
        ([1, 2], Sequence[float], [1.0, 2.0]),
        ("middle", int | Literal["first", "middle"], "middle"),
        (2, int | Literal["first", "middle"], 2),
        (None, int | None, None),
        ({"scale": 1}, Limits | None, Limits(scale=1.0)),
        ({"depth": "d.tif"}, list[str] | Mapping[str, str], {"depth": "d.tif"}),
        ("R", str | int | Sequence[str | int] | None, "R"),
    ],
)
def test_what_fits_is_taken(value, hint, made):
    found = convert(value, hint, "it")
    assert found == made
    assert type(found) is type(made)


@pytest.mark.parametrize(
    ("value", "hint", "message"),
    [
        ("3", int, "it takes a whole number, got '3'"),
        (3.5, int, "a whole number"),
        (True, int, "a whole number, got True"),
        (1, bool, "true or false, got 1"),
        ("mddle", int | Literal["first", "middle"], "did you mean 'middle'"),
        ([1, 2, 3], tuple[float, float], "a list of 2"),
        (["a"], Sequence[float], "it"),
        ({"scal": 1}, Limits, "did you mean 'scale'"),
        ({"scale": "big"}, Limits, "it.scale takes a number"),
        (4, str | list[str], "a text or a list, each a text"),
    ],
)
def test_what_does_not_fit_is_told(value, hint, message):
    with pytest.raises(InputError, match=message.replace("(", r"\(")):
        convert(value, hint, "it")


def test_every_hint_has_words():
    assert describe(float | Sequence[float] | None) == "a number or a list, each a number"
