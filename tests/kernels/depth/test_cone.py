"""Reach of nearer objects' defocus against distances."""

import numpy as np
import pytest

from bigstack.kernels.depth.cone import clean_until


@pytest.mark.parametrize("blur", [0.8, 2.0])
def test_cone_is_the_distance_to_the_nearer_surface_within_a_chamfer(blur):
    depth = np.full((41, 53), 1000, np.float32)
    depth[20, 30] = 3
    y, x = np.mgrid[:41, :53]
    away = np.hypot(y - 20, x - 30)
    found = (clean_until(depth, blur) - 3) * blur
    assert (found >= away - 1e-3).all()
    assert (found <= 1.083 * away + 1e-3).all()


def test_a_smooth_surface_is_free_everywhere():
    depth = np.add.outer(np.arange(30) * 0.1, np.arange(40) * 0.2).astype(np.float32)
    np.testing.assert_allclose(clean_until(depth, 1.2), depth, atol=1e-4)
