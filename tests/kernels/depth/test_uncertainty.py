"""Deviation and confidence: the network computes what it says, within bounds, and is right often enough."""

import numpy as np
import pytest

from bigstack.kernels.depth import calibration
from bigstack.kernels.depth.estimate import estimate
from bigstack.kernels.depth.recipe import Recipe
from bigstack.kernels.depth.uncertainty import LEAST, confidence, deviation
from bigstack.synthetic import scene


def stated(signs: list[np.ndarray], frames: int) -> np.ndarray:
    """The network in NumPy."""
    floors, low, high, hidden, shift, answer, straight = calibration.tables()
    logs = np.log(np.maximum(np.stack(signs, -1), 0) + floors)
    logs = np.clip(logs, low, high)
    units = logs @ hidden.T + shift[:-1]
    total = (units / (1 + np.abs(units))) @ answer + logs @ straight + shift[-1]
    return np.exp(np.clip(total, np.log(LEAST), np.log(frames / 12**0.5)))


def test_the_network_is_that_of_its_table():
    rng = np.random.default_rng(0)
    signs = [rng.gamma(0.5, 2, (17, 41)).astype(np.float32) for _ in calibration.SIGNS]
    np.testing.assert_allclose(deviation(tuple(signs), 20), stated(signs, 20), rtol=1e-3)


@pytest.mark.parametrize("size", [-1.0, 0.0, 1e-6, 1e12])
def test_deviations_stay_within_bounds_whatever_the_signs(size):
    signs = tuple(np.full((3, 5), size, np.float32) for _ in calibration.SIGNS)
    found = deviation(signs, 12)
    assert (found >= LEAST * 0.999).all()
    assert (found <= 12 / 12**0.5 * 1.001).all()


@pytest.mark.parametrize(("name", "frames"), [("bump", 20), ("five", 5), ("steps", 12)])
def test_errors_lie_within_their_deviations_as_often_as_a_gaussians(name, frames):
    made = scene(name, seed=900, shape=(240, 320), frames=frames).compute()
    found = estimate(made.stack.values)
    error = np.abs(found.depth - made.truth.depth.values)[found.valid]
    sigma = found.sigma[found.valid]
    assert 0.5 < np.mean(error <= sigma) < 0.92
    assert np.mean(error <= 2 * sigma) > 0.83
    doubted = sigma > np.quantile(sigma, 0.9)
    assert error[doubted].mean() > 1.3 * error[~doubted].mean()


def test_a_single_measure_has_deviations_of_its_own():
    made = scene("bump", seed=901, shape=(120, 160), frames=10).compute()
    found = estimate(made.stack.values, None, Recipe(measure="log_energy"))
    error = np.abs(found.depth - made.truth.depth.values)[found.valid]
    assert np.mean(error <= 2 * found.sigma[found.valid]) > 0.7


def test_confidence_is_the_share_of_the_evidence_near_the_depth():
    log = np.full((9, 2, 2), -50, np.float32)
    log[4] = log[8] = 0
    depth = np.array([[4, 5.4], [8, 1]], np.float32)
    np.testing.assert_allclose(confidence(log, depth), [[0.5, 0.5], [0.5, 0]], atol=1e-3)
