"""Loops compiled by numba: on first use, once a machine, the same bits on every processor.

Nothing is reassociated or contracted (no fastmath), so vector width changes no bit; the interpreter's lock is
let go, so threads run side by side. numba itself (half a second to import) is not loaded before a compiled
loop is called.
"""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any, TypeVar

import numpy as np

F = TypeVar("F", bound=Callable[..., Any])


class Compiled:
    """A function that becomes machine code when it is first called; others may call it from theirs."""

    def __init__(self, function: FunctionType, options: dict[str, Any]) -> None:
        self.function = function
        self.options = options
        self.machine: Any = None
        self.__doc__ = function.__doc__
        self.__name__ = function.__name__
        self.__wrapped__ = function

    def __call__(self, *args: Any) -> Any:
        """Run the machine code."""
        if self.machine is None:
            self.build()
        return self.machine(*args)

    def build(self) -> Any:
        """The function as numba has it; its code is kept beside the source, or where the user may write."""
        if self.machine is not None:
            return self.machine
        import numba

        # numba must see those it calls as numba has them.
        own = dict(self.function.__globals__)
        for name in self.function.__code__.co_names:
            if isinstance(own.get(name), Compiled | _Bits) and own[name] is not self:
                own[name] = own[name].build()
        copy = FunctionType(self.function.__code__, own, self.function.__name__)
        copy.__module__, copy.__qualname__ = self.function.__module__, self.function.__qualname__
        options = {"nogil": True, "error_model": "numpy", **self.options}
        try:
            self.machine = numba.njit(cache=True, **options)(copy)
        except RuntimeError:  # no folder to keep it in
            self.machine = numba.njit(**options)(copy)
        return self.machine


class _Bits:
    """The bits of a number of one type as one of the other."""

    def __init__(self, source: str, target: str) -> None:
        self.source, self.target = source, target
        self.machine: Any = None

    def build(self) -> Any:
        """The one instruction that this is."""
        if self.machine is not None:
            return self.machine
        from llvmlite import ir
        from numba import types
        from numba.extending import intrinsic

        source, target = getattr(types, self.source), getattr(types, self.target)
        kind = ir.FloatType() if self.target == "float32" else ir.IntType(32)

        def bits(typing: Any, value: Any) -> Any:
            def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
                return builder.bitcast(args[0], kind)

            return (target(source), code) if value == source else None

        self.machine = intrinsic(bits)
        return self.machine


def compiled(function: F) -> F:
    """Compile a function of arrays and numbers when it is first called."""
    return Compiled(function, {})  # type: ignore[arg-type, return-value]


def inlined(function: F) -> F:
    """A small function of numbers that compiled loops call; its code becomes part of theirs."""
    return Compiled(function, {"inline": "always"})  # type: ignore[arg-type, return-value]


_as_int: Any = _Bits("float32", "int32")
_as_float: Any = _Bits("int32", "float32")
_ONE, _EXPONENT, _THIRD = np.float32(1), np.int32(-8388608), np.int32(0x3F2AAAAB)
_ULP, _LN2, _LOG2E = np.float32(2.0**-23), np.float32(0.6931471805599453), np.float32(1.4426950408889634)
_MAGIC, _LEAST, _MOST = np.float32(12582912.0), np.float32(-87.0), np.float32(88.0)
# Chebyshev fits of log(1 + f) / f and of 2 ** f.
_L0, _L1, _L2, _L3, _L4, _L5, _L6, _L7, _L8, _L9 = (
    np.float32(v)
    for v in (
        1,
        -0.500000004,
        0.333331608,
        -0.249998414,
        0.200122976,
        -0.166779737,
        0.139825789,
        -0.122213592,
        0.140788893,
        -0.127262891,
    )
)
_E0, _E1, _E2, _E3, _E4, _E5, _E6 = (
    np.float32(v)
    for v in (1, 0.693147207, 0.240226509, 0.0555032723, 0.00961805668, 0.00134004282, 0.000154614447)
)


@inlined
def log32(x: Any) -> Any:
    """Natural logarithm of a normal positive float32, to 2e-6; numba's own would not use vectors."""
    bits = _as_int(x)
    exponent = np.int32(np.int32(bits - _THIRD) & _EXPONENT)
    f = _as_float(np.int32(bits - exponent)) - _ONE
    p = _L0 + f * (
        _L1 + f * (_L2 + f * (_L3 + f * (_L4 + f * (_L5 + f * (_L6 + f * (_L7 + f * (_L8 + f * _L9)))))))
    )
    return np.float32(exponent) * (_ULP * _LN2) + f * p


@inlined
def exp32(x: Any) -> Any:
    """Exponential of a float32, to 4e-6 of it; below -87 that of -87, above 88 that of 88."""
    t = min(max(x, _LEAST), _MOST) * _LOG2E
    whole = (t + _MAGIC) - _MAGIC
    f = t - whole
    p = _E0 + f * (_E1 + f * (_E2 + f * (_E3 + f * (_E4 + f * (_E5 + f * _E6)))))
    return p * _as_float(np.int32((np.int32(whole) + np.int32(127)) << np.int32(23)))
