"""Fusions that run while frames come: any number of frames so far gives the bits of fusing them."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import dask.array as da
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from bigstack.engine import running as module
from bigstack.engine.running import RunningFusion
from bigstack.errors import InputError, StackError
from bigstack.fusion import fuse, fuse_by
from bigstack.io.checkpoint import load_states, save_states

METHODS = [
    {"method": "pyramid"},
    {"method": "pyramid", "base": "entropy", "levels": 5},
    {"method": "pyramid", "levels": 1},
    {"method": "select", "measure": "log"},
    {"method": "average"},
    {"method": "average", "kind": "max"},
]


def stack_of(frames, height, width, channels, dtype, seed):
    high = 256 if dtype == "uint8" else 65536
    pixels = np.random.default_rng(seed).integers(0, high, (frames, height, width, channels)).astype(dtype)
    return xr.DataArray(da.from_array(pixels, chunks=(1, -1, -1, -1)), dims=("z", "y", "x", "channel"))


@settings(max_examples=12, deadline=None)
@given(
    st.sampled_from(METHODS),
    st.integers(40, 150),
    st.integers(40, 150),
    st.sampled_from([1, 3]),
    st.sampled_from(["uint8", "uint16"]),
    st.integers(0, 99),
)
def test_every_frame_gives_the_bits_of_the_batch(how, height, width, channels, dtype, seed):
    stack = stack_of(4, height, width, channels, dtype, seed)
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(2) as pool:
        patch.setattr(module, "SUB_TILE", 64)
        running = RunningFusion(partial(fuse_by, **how), stack[:1])
        for z in range(4):
            running.add(stack[z : z + 1], pool.map)
            if z % 2:
                found = running.result(stack[: z + 1]).compute()
                expected = fuse(stack[: z + 1], **how).compute()
                xr.testing.assert_identical(found, expected)


@pytest.mark.parametrize("how", METHODS, ids=str)
def test_kept_and_taken_up_again(tmp_path, how):
    stack = stack_of(5, 90, 120, 3, "uint8", 1)
    build = partial(fuse_by, **how)
    running = RunningFusion(build, stack[:1])
    for z in range(3):
        running.add(stack[z : z + 1])
    save_states(tmp_path / "s.npz", [part.state for stage in running.stages for part in stage.all_parts()])
    again = RunningFusion(build, stack[:1])
    parts = [(stage, part) for stage in again.stages for part in stage.all_parts()]
    states = load_states(tmp_path / "s.npz", [stage.fresh(part, 0) for stage, part in parts])
    for (_, part), state in zip(parts, states, strict=True):
        part.state = state
    again.frames = 3
    for z in (3, 4):
        again.add(stack[z : z + 1])
    xr.testing.assert_identical(again.result(stack).compute(), fuse(stack, **how).compute())


def test_methods_that_need_all_frames_are_refused():
    stack = stack_of(2, 64, 64, 1, "uint8", 0)
    for how in ({"method": "depth"}, {"method": "average"}):
        first = stack[:1].astype("float32") if how["method"] == "average" else stack[:1]
        with pytest.raises(InputError, match="bigstack stack"):
            RunningFusion(partial(fuse_by, **how), first)


def test_a_damaged_file_is_told(tmp_path):
    (tmp_path / "s.npz").write_bytes(b"PK nothing")
    with pytest.raises(StackError, match="does not hold the state"):
        load_states(tmp_path / "s.npz", [])
    save_states(tmp_path / "t.npz", [{"a": np.zeros(3)}])
    with pytest.raises(StackError, match="1 states, 0 wanted"):
        load_states(tmp_path / "t.npz", [])
