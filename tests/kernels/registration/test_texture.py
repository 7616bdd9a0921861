"""Texture where there is structure, patches where two frames have it in common."""

import numpy as np
import pytest

from bigstack.kernels.registration.texture import (
    BLOCK,
    at_blocks,
    choose_patches,
    focus_shares,
    reduce_blocks,
    texture_blocks,
)
from tests.kernels.registration.pictures import texture

SHAPE = (160, 224)


def picture(dtype=np.uint8):
    made = texture(SHAPE, margin=0) * 25 + 120
    made[:, :112] = 120
    return made.astype(dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_texture_is_where_there_is_structure(dtype):
    blocks = texture_blocks(picture(dtype))
    assert blocks.shape == (10, 14)
    assert blocks.dtype == np.float32
    assert (blocks[:, :6] == 0).all()
    assert (blocks[:, 8:] > 0).all()


def test_texture_is_a_mean_of_differences():
    ramp = np.tile(np.arange(32, dtype=np.uint8) * 3, (16, 1))
    across = 6 * (BLOCK - 1) / BLOCK  # a block misses the difference that leads out of the strip
    assert texture_blocks(ramp) == pytest.approx(np.array([[across, across]]), abs=0.2)


def test_blocks_are_pooled_with_smaller_last_ones():
    assert reduce_blocks(np.array([[1.0, 3, 5], [1, 3, 5]]), 2).tolist() == [[2, 5]]


def test_patches_lie_inside_both_frames_and_where_both_are_textured():
    blocks = texture_blocks(picture())
    shift = np.array([[1, 0, 20], [0, 1, -15], [0, 0, 1.0]])
    origins = choose_patches(blocks, blocks, BLOCK, shift, SHAPE, size=32, margin=4, count=12)
    assert 0 < len(origins) <= 12
    assert len({tuple(o) for o in origins.tolist()}) == len(origins)
    centres = origins + 4 + 16
    for places in (origins, origins + np.array([20, -15])):
        assert (places >= -1).all()
        assert (places + 40 <= (SHAPE[1] + 1, SHAPE[0] + 1)).all()
    assert (centres[:, 0] > 112 - 16).all()


def test_nothing_to_choose_from_gives_nothing():
    flat = np.zeros((10, 14), np.float32)
    assert choose_patches(flat, flat, BLOCK, np.eye(3), SHAPE, size=32, margin=4, count=9).shape == (0, 2)


def test_the_sharpest_frame_of_a_place_has_all_of_its_focus():
    rng = np.random.default_rng(0)
    base = rng.random((10, 14)).astype(np.float32) + 1
    frames = [base * np.float32(gain) for gain in (0.25, 1.0, 0.5)]
    frames[0][:, :7] *= 8  # twice as sharp as the second one on the left
    shares = focus_shares(frames, np.stack([np.eye(3)] * 3), BLOCK)
    assert shares[0][:, :7].min() > 0.99
    assert shares[1][:, 7:].min() > 0.99
    assert shares[1][:, :7].max() < 0.6
    assert shares[2][:, 7:].max() < 0.6
    unknown = np.stack([np.eye(3), np.full((3, 3), np.nan), np.eye(3)])
    assert (focus_shares(frames, unknown, BLOCK)[1] == 1).all()


def test_blocks_are_found_by_place():
    values, inside = at_blocks(
        np.arange(6).reshape(2, 3), np.array([[0, 0], [47, 31], [48, 0], [-1, 0]]), BLOCK
    )
    assert values[:2].tolist() == [0, 5]
    assert inside.tolist() == [True, True, False, False]
