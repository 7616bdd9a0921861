"""Frames that may be sharpest, and the copies that stand in for the others."""

import numpy as np
import pytest

from bigstack.kernels.prune import BLOCK, REACH, cells_of, detail, enlarge, sharp_blocks, widen

RANDOM = np.random.default_rng(5)


@pytest.mark.parametrize("factor", [2, 4, 8])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_slow_waves_survive_being_made_small_and_large(factor, dtype):
    top = {"uint8": 255, "uint16": 65535, "float32": 1}[dtype]
    y, x = np.mgrid[0:384, 0:384]
    image = top * (0.5 + 0.4 * np.sin(2 * np.pi * (x + 0.7 * y) / (24 * factor)))
    small = image.reshape(384 // factor, factor, 384 // factor, factor).mean(axis=(1, 3))
    small = (small if dtype == "float32" else np.rint(small)).astype(dtype)[..., None]
    found = enlarge(small, factor, np.dtype(dtype))[..., 0].astype(float)
    assert found.dtype == np.float64
    assert found.shape == (384 - 2 * REACH * factor,) * 2
    error = found - image[REACH * factor : -REACH * factor, REACH * factor : -REACH * factor]
    assert abs(error.mean()) < 1e-3 * top
    assert error.std() < 4e-3 * top


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_an_enlarged_window_has_the_bits_of_the_whole(dtype):
    small = (RANDOM.random((70, 90, 3)) * (255 if dtype != "float32" else 1)).astype(dtype)
    whole = enlarge(small, 4, np.dtype(dtype))
    for _ in range(5):
        y, x = RANDOM.integers(0, 40, 2)
        height, width = RANDOM.integers(2 * REACH + 1, 30, 2)
        part = enlarge(small[y : y + height, x : x + width], 4, np.dtype(dtype))
        np.testing.assert_array_equal(
            part, whole[4 * y : 4 * y + part.shape[0], 4 * x : 4 * x + part.shape[1]]
        )


def test_full_scale_stays_full_scale():
    for dtype, top in (("uint8", 255), ("uint16", 65535)):
        small = np.full((20, 20, 1), top, dtype)
        assert (enlarge(small, 4, np.dtype(dtype)) == top).all()


def test_detail_sees_fine_waves_and_no_slopes():
    x = np.arange(32.0)[None].repeat(32, 0)
    assert np.allclose(detail((7 * x)[..., None])[1:-1, 1:-1], 0)
    waves = detail((100 * (x % 2))[..., None])
    assert waves.shape == (32 // BLOCK, 32 // BLOCK)
    assert np.allclose(waves, 50**2 * BLOCK**2)
    # A block that the border cuts counts as if it were whole, and NaN as nothing.
    assert np.allclose(detail((100 * (x[:30, :29] % 2))[..., None]), 50**2 * BLOCK**2, rtol=0.2)
    assert np.isfinite(detail(np.full((9, 9, 1), np.nan, np.float32))).all()


def test_frames_near_the_best_are_needed_and_noise_is_not():
    focus = RANDOM.chisquare(BLOCK**2, (20, 6, 6))
    focus[9:12, :3] += np.array([300, 1000, 300])[:, None, None]
    focus[15, 1, 1] += 800
    needed, telling, _ = sharp_blocks(focus, whole=False)
    assert telling[:3].all()
    assert not telling[3:].any()
    assert np.flatnonzero(needed[:, 0, 0]).tolist() == [9, 10, 11]
    assert np.flatnonzero(needed[:, 1, 1]).tolist() == [9, 10, 11, 15]
    assert np.flatnonzero(widen(needed)[:, 0, 0]).tolist() == [8, 9, 10, 11, 12]


def test_cells_ask_for_what_lies_beside_them_and_for_all_where_nothing_tells():
    needed, telling = np.zeros((5, 8, 8), bool), np.zeros((8, 8), bool)
    needed[2, 3, 0], telling[:4, :4] = True, True
    cells = cells_of(needed, telling, 4)
    assert cells.shape == (5, 4, 4)
    assert np.flatnonzero(cells[:, 1, 1]).tolist() == [2]
    assert cells[2, 1:3, 0].all()  # the cells to the left, in the regions beside this one
    assert cells[:, 1:3, 2].all()
