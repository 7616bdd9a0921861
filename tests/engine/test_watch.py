"""Whoever watches is told how far an estimate is."""

import dask.array as da
import numpy as np
import xarray as xr

from bigstack.align import estimate_alignment
from bigstack.correct import estimate_balance
from bigstack.engine.watch import Measuring, measuring, watching


def stack():
    values = np.random.default_rng(0).integers(0, 255, (4, 200, 240, 1), dtype=np.uint8)
    return xr.DataArray(da.from_array(values), dims=("z", "y", "x", "channel"))


def test_every_step_begins_ends_and_only_grows():
    told: list[Measuring] = []
    with watching(told.append):
        estimate_alignment(stack(), on_misaligned="interpolate")
        estimate_balance(stack(), space="lumi")
    steps = list(dict.fromkeys(now.step for now in told))
    assert steps[0] == "aligning: reading frames"
    assert "measuring brightness" in steps
    for step in steps:
        shares = [now.share for now in told if now.step == step]
        assert shares[0] == 0
        assert 1 in shares
        assert all(0 <= share <= 1 for share in shares)


def test_nobody_watches_after_the_block():
    told: list[Measuring] = []
    with watching(told.append):
        pass
    with measuring("nothing"):
        pass
    assert told == []
