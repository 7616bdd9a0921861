"""Corrections as values: equal after JSON, refused when they make no sense."""

import json

import pytest
from dask.base import tokenize
from hypothesis import given
from hypothesis import strategies as st

from bigstack.errors import InputError
from bigstack.geometry.correction import (
    Balance,
    Correction,
    Denoise,
    HotPixels,
    Vignetting,
    correction_from_json,
)

numbers = st.floats(allow_nan=False, allow_infinity=False)
exponents = st.tuples(st.floats(0.1, 5))
curves = st.lists(st.tuples(exponents, exponents), max_size=4).map(tuple)
values = st.one_of(
    st.builds(Balance, st.just("hsv"), st.just("gamma"), numbers, st.none() | st.integers(0, 9), curves),
    st.builds(
        Vignetting,
        st.just("cos4"),
        st.tuples(numbers, numbers),
        st.tuples(st.integers(1, 9), st.integers(1, 9)),
        st.floats(0, 1),
        numbers,
    ),
    st.builds(
        HotPixels,
        st.just((4, 5, 2)),
        st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4), st.integers(0, 1))).map(tuple),
    ),
    st.builds(Denoise, st.lists(st.floats(0, 1e6), min_size=1).map(tuple), st.floats(0, 9)),
)


@given(value=values)
def test_json_gives_the_same_value_and_token(value):
    again = correction_from_json(value.to_json())
    assert again == value
    assert type(again) is type(value)
    assert tokenize(again) == tokenize(value)
    assert hash(again) == hash(value)


@given(first=values, second=values)
def test_tokens_are_equal_only_for_equal_values(first, second):
    assert (tokenize(first) == tokenize(second)) == (first.to_json() == second.to_json())


def test_the_kind_that_is_read_is_the_kind_that_was_asked_for():
    text = Denoise((1.0,)).to_json()
    assert isinstance(Correction.from_json(text), Denoise)
    with pytest.raises(InputError, match="expected a 'balance' correction, got a 'denoise' one"):
        Balance.from_json(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not the JSON of a correction"),
        ("[1]", "not the JSON of a correction"),
        ("{}", "not the JSON of a correction"),
        ('{"correction": "denoize"}', "did you mean 'denoise'"),
        ('{"correction": "denoise"}', "incomplete"),
        ('{"correction": "denoise", "noise": [1], "strenght": 2}', "has no strenght"),
    ],
)
def test_other_json_is_refused(text, message):
    with pytest.raises(InputError, match=message):
        correction_from_json(text)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Balance("hsb", "linear", 255.0, 0, ()),
        lambda: Balance("hsv", "cubic", 255.0, 0, ()),
        lambda: Balance("rgb", "linear", 255.0, 0, (((1.0, 2.0),),)),
        lambda: Balance("rgb", "gamma", 255.0, 0, (((0.0,),),)),
        lambda: Balance("rgb", "match_hist", 255.0, 0, (((1.0, 2.0, 3.0),),)),
        lambda: Balance("rgb", "match_hist", 255.0, 0, (((2.0, 1.0, 3.0, 4.0),),)),
        lambda: Vignetting("parabola", (1.0,), (2, 2)),
        lambda: Vignetting("cos4", (1.0,), (2, 2)),
        lambda: Vignetting("cos4", (1.0, 2.0), (2, 2), max_correction=1.5),
        lambda: HotPixels((4, 4, 1), ((4, 0, 0),)),
        lambda: HotPixels((4, 4, 1), (), "zero"),
        lambda: Denoise(()),
        lambda: Denoise((float("nan"),)),
        lambda: Denoise((1.0,), -1.0),
        lambda: Denoise((1.0,), search=4),
    ],
)
def test_senseless_values_are_refused(make):
    with pytest.raises(InputError):
        make()


def test_hot_pixels_are_sorted_and_unique():
    hot = HotPixels((4, 4, 1), ((3, 0, 0), (1, 2, 0), (3, 0, 0)))
    assert hot.positions == ((1, 2, 0), (3, 0, 0))
    assert hot.count == 2


def test_json_is_for_people_too():
    text = json.loads(Vignetting("cos4", (200.0, 1e-6), (1000, 1500)).to_json())
    assert text["correction"] == "vignetting"
    assert text["parameters"] == [200.0, 1e-6]
