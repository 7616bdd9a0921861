"""The law of chunk invariance, of every fusion method, focus measure and choice of depth in the registries.

Cases are made from the registries and the types of the options, so that what is new is tested, or fails here
until it can be.
"""

import inspect
import typing
from typing import Any, Literal, get_args, get_origin

import dask
import dask.array as da
import numpy as np
import pytest
import xarray as xr

from bigstack import depth_from_focus, finishing, fuse, fusion, measure_focus
from bigstack.kernels.focus import MEASURES
from bigstack.kernels.fusion import blending as blend_blocks
from bigstack.names import STACK_DIMS, FocusMeasure, FusionMethod
from bigstack.synthetic import render_stack

SHAPE = (93, 117)


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    return render_stack(depth="steps", shape=SHAPE, frames=5, seed=8).stack.values


@pytest.fixture(autouse=True)
def several_blocks(monkeypatch):
    """Canonical blocks of a gigapixel image are larger than the image here; some of these are not."""
    monkeypatch.setattr(blend_blocks, "BLOCK", 64)


def choices_of(function: Any) -> list[dict[str, Any]]:
    """One set of options a value of every choice and switch that the function's options have."""
    hints = typing.get_type_hints(function)
    found = []
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
            continue
        hint = hints[name]
        values = get_args(hint) if get_origin(hint) is Literal else (False, True) if hint is bool else ()
        found += [{name: value} for value in values if value != parameter.default]
    return found


def refinements() -> list[dict[str, Any]]:
    hint = typing.get_type_hints(depth_from_focus)["refine"]
    return [
        {"refine": name} for name in get_args(next(h for h in get_args(hint) if get_origin(h) is Literal))
    ]


NUMBERS: dict[str, list[dict[str, Any]]] = {
    "pyramid": [{"window": None, "a": 0.4}, {"levels": 3, "base_size": 9}],
    "select": [{"smoothing": 3.0}],
    "average": [],
    "depth": [{"shrink": 0.0}, {"radius": 5, "step": 2.0, "noise": 1.5}, {"quality": "fast"}],
    "depth_map": [{"diameter": 5}, {"smoothing": 2.0, "power": 3.0}, {"levels": 2, "temperature": 1.0}],
    "weighted": [{"power": 3.0, "smoothing": 4.0}],
    "guided": [{"base_radius": 9, "window": 5}],
    "wavelet": [{"levels": 3}],
    "blend": [{"beta": 0.5, "levels": 2}],
}
"""Sets of options that are numbers; every method has an entry."""

FUSED = [
    (method, options)
    for method, function in fusion.METHODS.items()
    # Choices of the depth itself are those of `depth_from_focus`, below.
    for options in [{}, *(choices_of(function) if method != "depth" else []), *NUMBERS.get(method, [])]
] + [(method, options) for method in ("pyramid", "wavelet") for options in
     [*choices_of(finishing.finish), {"denoise": 0.5}]]  # fmt: skip
DEPTH = [
    {},
    *choices_of(depth_from_focus),
    *refinements(),
    {"fill": True, "measure": "sml", "smoothing": 1.5},
]
ONE_PASS = [
    {"measure": name, "refine": refine, "peak": peak}
    for name, refine, peak in zip(
        MEASURES, ["none", "diamond"] * len(MEASURES), ["integer", "parabola", "gaussian"] * len(MEASURES),
        strict=False,
    )
]  # fmt: skip


def cuts(rng: np.random.Generator, side: int) -> tuple[int, ...]:
    """Tiles of one axis whose borders lie anywhere, odd places most of all."""
    edges = sorted({int(edge) | 1 for edge in rng.integers(1, side - 1, 2)})
    return tuple(np.diff([0, *edges, side]).tolist())


def stack_of(frames: np.ndarray, chunks: Any) -> xr.DataArray:
    z = np.arange(len(frames), dtype=float)
    return xr.DataArray(da.from_array(frames, chunks=chunks), dims=STACK_DIMS, coords={"z": z})


def check(function: Any, frames: np.ndarray, case: str, **options: Any) -> None:
    """Compare the whole image in one task with odd tiles of odd chunks, four threads at work."""
    rng = np.random.default_rng(list(case.encode()))
    with dask.config.set(scheduler="synchronous"):
        whole = function(stack_of(frames, (1, -1, -1, -1)), tile=max(SHAPE), **options).compute()
    tile = (cuts(rng, SHAPE[0]), cuts(rng, SHAPE[1]))
    stack = stack_of(frames, ((2, 2, 1), cuts(rng, SHAPE[0]), cuts(rng, SHAPE[1]), -1))
    with dask.config.set(scheduler="threads", num_workers=4):
        cut = function(stack, tile=tile, **options).compute()
    assert list(whole) == list(cut)
    for name, values in whole.items():
        np.testing.assert_array_equal(cut[name].values, values.values, err_msg=f"{case}: {name}")


def label(case: Any) -> str:
    return "-".join(map(str, case.values())) if isinstance(case, dict) else str(case)


@pytest.mark.parametrize(("method", "options"), FUSED, ids=label)
def test_fusion_is_the_same_however_it_is_cut(frames, method, options):
    check(fuse, frames, f"{method} {options}", method=method, **options)


@pytest.mark.parametrize("options", DEPTH, ids=label)
def test_depth_is_the_same_however_it_is_cut(frames, options):
    check(depth_from_focus, frames, f"{options}", **options)


@pytest.mark.parametrize("options", ONE_PASS, ids=label)
def test_depth_in_one_pass_is_the_same_however_it_is_cut(frames, options):
    check(depth_from_focus, frames, f"{options}", noise=1.5, **options)


@pytest.mark.parametrize("method", MEASURES)
def test_focus_is_the_same_however_it_is_cut(frames, method):
    def focus(stack, *, tile):
        side = tile if isinstance(tile, int) else (tile[0][0], tile[1][0])
        return measure_focus(stack, method=method, tile=side).to_dataset(name="focus")

    check(focus, frames, method)


def test_nothing_in_the_registries_is_left_out():
    assert (
        {method for method, _ in FUSED} == set(fusion.METHODS) == set(get_args(FusionMethod)) == set(NUMBERS)
    )
    assert {case["measure"] for case in ONE_PASS} == set(MEASURES) == set(get_args(FocusMeasure))
    hints = typing.get_type_hints(depth_from_focus)
    for name in ("measure", "peak", "priority", "quality"):
        tried = {case[name] for case in DEPTH if name in case}
        default = inspect.signature(depth_from_focus).parameters[name].default
        assert tried | {default} == set(get_args(hints[name]))
