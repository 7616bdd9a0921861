"""Compiled loops: elementary functions, what they are given, and machines without a place for caches."""

import subprocess
import sys

import numpy as np
import pytest

from bigstack.kernels.jit import compiled, exp32, log32


@compiled
def logs(values: np.ndarray, out: np.ndarray) -> None:
    for i in range(values.shape[0]):
        out[i] = log32(values[i])


@compiled
def exps(values: np.ndarray, out: np.ndarray) -> None:
    for i in range(values.shape[0]):
        out[i] = exp32(values[i])


def apply(function, values: np.ndarray) -> np.ndarray:
    out = np.empty_like(values)
    function(values, out)
    return out


def test_logarithms_are_right_to_two_millionths():
    values = np.exp(np.random.default_rng(0).uniform(-60, 60, 10_000)).astype(np.float32)
    np.testing.assert_allclose(apply(logs, values), np.log(values.astype(float)), atol=4e-6, rtol=0)
    assert apply(logs, np.ones(3, np.float32)).tolist() == [0, 0, 0]


def test_exponentials_are_right_to_four_millionths():
    values = np.random.default_rng(1).uniform(-80, 80, 10_000).astype(np.float32)
    np.testing.assert_allclose(apply(exps, values), np.exp(values.astype(float)), rtol=5e-6)
    far = apply(exps, np.array([-1e30, 1e30, 0], np.float32))
    assert 0 < far[0] < 1e-37
    assert np.isfinite(far[1])
    assert far[2] == 1


@pytest.mark.parametrize("start", range(9))
def test_a_value_gives_the_same_bits_wherever_it_lies(start):
    values = np.random.default_rng(2).uniform(0.1, 9, 37).astype(np.float32)
    np.testing.assert_array_equal(apply(logs, values[start:].copy()), apply(logs, values)[start:])
    np.testing.assert_array_equal(apply(exps, values[start:].copy()), apply(exps, values)[start:])


def test_without_a_folder_for_caches_it_compiles_anyway():
    code = """
import numba.core.caching as caching
def refuse(*args, **how):
    raise RuntimeError("cannot cache function: no locator available")
caching.FunctionCache.__init__ = refuse
import numpy as np
from bigstack.kernels.depth.cone import clean_until
assert clean_until(np.array([[5, 0]], np.float32), 1.0).tolist() == [[1, 0]]
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_numba_is_not_imported_before_it_is_needed():
    code = "import sys, bigstack.fusion, bigstack.depth; assert 'numba' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
