"""Meshes over grids: no cracks, one orientation, whole area, budget kept, errors as reported."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bigstack.kernels.mesh import rtin
from bigstack.kernels.mesh.build import cut, normals

Y, X = np.mgrid[:90, :131].astype(np.float32)
WAVES = 10 * np.sin(X / 15) * np.cos(Y / 10)


def areas(found, shape):
    """Signed areas, positive for triangles that turn left where y points up."""
    y, x = found.points[found.faces].transpose(2, 0, 1)
    return ((x[:, 1] - x[:, 0]) * (y[:, 0] - y[:, 2]) - (x[:, 2] - x[:, 0]) * (y[:, 0] - y[:, 1])) / 2


def boundary(found):
    """Edges that belong to one triangle only, as points (edge, end, (y, x)); none may belong to three."""
    edges = np.sort(np.concatenate([found.faces[:, pair] for pair in ([0, 1], [1, 2], [2, 0])]), axis=1)
    edges, count = np.unique(edges, axis=0, return_counts=True)
    assert count.max() <= 2
    return found.points[edges[count == 1]]


def inner(edges, shape):
    """Edges that do not lie on the image's border."""
    y, x = edges[..., 0], edges[..., 1]
    on = (y == 0, y == shape[0] - 1, x == 0, x == shape[1] - 1)
    return edges[~np.any([side.all(axis=1) for side in on], axis=0)]


def rastered(found, heights):
    """Heights of the triangles at all points of the grid, found triangle by triangle."""
    result = np.full(heights.shape, np.nan)
    for corners in found.points[found.faces]:
        (y0, x0), (y1, x1) = corners.min(axis=0), corners.max(axis=0)
        y, x = np.mgrid[y0 : y1 + 1, x0 : x1 + 1]
        matrix = np.concatenate([corners.T, [[1, 1, 1]]])
        shares = np.linalg.solve(matrix, np.stack([y.ravel(), x.ravel(), np.ones(y.size)]))
        inside = (shares > -1e-9).all(axis=0)
        values = heights[tuple(corners.T)] @ shares
        result[y.ravel()[inside], x.ravel()[inside]] = values[inside]
    return result


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 70), st.integers(2, 70), st.integers(2, 3000), st.integers(0, 2**31))
def test_any_grid_gives_a_whole_mesh_within_the_budget(height, width, budget, seed):
    heights = np.random.default_rng(seed).normal(0, 1, (height, width)).astype(np.float32)
    found = cut(heights, budget)
    if found is None:
        return
    assert len(found.faces) <= budget
    assert (areas(found, heights.shape) > 0).all()
    assert areas(found, heights.shape).sum() == (height - 1) * (width - 1)
    assert not len(inner(boundary(found), heights.shape))


@pytest.mark.parametrize("tolerance", [None, 0.5])
def test_errors_are_those_of_the_triangles(tolerance):
    found = cut(WAVES, 1500, tolerance=tolerance)
    missed = rastered(found, WAVES) - WAVES
    assert found.error == pytest.approx(np.sqrt(np.mean(missed**2)), rel=1e-4)
    assert found.largest_error == pytest.approx(np.abs(missed).max(), rel=1e-4)


def test_a_budget_is_used_and_more_triangles_are_nearer():
    found = [cut(WAVES, budget) for budget in (300, 1000, 3000, 10_000)]
    for budget, mesh in zip((300, 1000, 3000, 10_000), found, strict=True):
        assert 0.8 * budget < len(mesh.faces) <= budget
    assert sorted((mesh.error for mesh in found), reverse=True) == [mesh.error for mesh in found]
    assert found[-1].error < 0.02


def test_everything_is_kept_when_the_budget_allows():
    found = cut(WAVES, 10**6)
    assert found.largest_error < 1e-5
    assert cut(X + 2 * Y, 10**6).faces.shape[0] < 1000  # a plane needs none


def test_area_gives_the_smaller_mean_and_tolerance_the_smaller_largest_error():
    rough = WAVES + np.random.default_rng(1).normal(0, 0.5, WAVES.shape).astype(np.float32)
    by_area, by_height = cut(rough, 2000), cut(rough, 2000, tolerance=0.0)
    assert by_area.error < by_height.error
    tolerated = cut(WAVES, 10**6, tolerance=0.2)
    assert len(tolerated.faces) < 0.5 * len(cut(WAVES, 10**6).faces)
    assert tolerated.largest_error < 3 * 0.2


def holes(heights):
    return np.where((Y - 40) ** 2 + (X - 60) ** 2 < 25**2, np.nan, heights)


def test_holes_stay_open_to_the_pixel():
    heights = holes(WAVES)
    found = cut(heights, 3000)
    assert np.isfinite(heights[tuple(found.points.T)]).all()
    known = np.isfinite(rastered(found, heights))
    # Half cells at the outline may be without a triangle, no pixel but those of the outline.
    lost = np.isfinite(heights) & ~known
    assert not (known & np.isnan(heights)).any()
    assert lost.sum() < 20
    assert len(inner(boundary(found), heights.shape)) > 50


def test_outlines_that_need_too_much_are_told():
    speckled = np.where(np.random.default_rng(2).random(WAVES.shape) < 0.2, np.nan, WAVES)
    assert cut(speckled, 500) is None
    assert cut(speckled, 100_000) is not None


def test_no_walls_across_steps():
    steps = WAVES + np.where(X > 70, 100, 0).astype(np.float32)
    walls, none = cut(steps, 4000), cut(steps, 4000, max_step=20)

    def tallest(found):
        return np.ptp(steps[tuple(found.points.T)][found.faces], axis=1).max()

    assert tallest(walls) > 90
    assert tallest(none) < 21
    assert none.error < walls.error
    assert areas(none, steps.shape).sum() == 89 * 129  # all but the column of cells at the step
    assert len(cut(steps, 4000, max_step=0).faces) == 0


def test_thresholds_count_splits():
    errors = np.float32([0, -1, np.inf, 3, 2, 2, 1])
    assert [rtin.threshold(errors, n) for n in range(6)] == [3, 2, 2, 1, 0, 0]
    assert rtin.threshold(errors, 4, least=1.5) == 1.5


def test_normals_point_out_of_the_surface():
    vertices = np.float32([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 1], [9, 9, 9]])
    found = normals(vertices, np.array([[0, 1, 2]]))
    np.testing.assert_array_equal(found, [[0, 0, 1]] * 5)
    tilted = normals(np.float32([[0, 0, 0], [2, 0, 2], [0, 2, 0]]), np.array([[0, 1, 2]]))
    np.testing.assert_allclose(tilted[0], np.array([-1, 0, 1]) / np.sqrt(2), atol=1e-6)
