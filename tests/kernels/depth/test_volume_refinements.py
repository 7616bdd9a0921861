"""Refinements of the volume of evidence: graph cut, guided costs, evidence of any measure, two surfaces."""

from itertools import product

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bigstack.kernels.depth.estimate import estimate
from bigstack.kernels.depth.graph_cut import energy, graph_cut
from bigstack.kernels.depth.guided import guided_costs
from bigstack.kernels.depth.measured import measured, texture_over
from bigstack.kernels.depth.recipe import Recipe
from bigstack.kernels.depth.sgm import regularise
from bigstack.kernels.depth.surfaces import by_priority, other_surface
from bigstack.kernels.focus import MEASURES
from bigstack.kernels.focus.maps import FocusMap
from bigstack.synthetic import scene


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 999), step=st.integers(0, 6), more=st.integers(0, 6))
def test_two_labels_are_cut_exactly(seed, step, more):
    """With two labels one expansion is the best there is: compared with all 2**9 labellings."""
    log = np.random.default_rng(seed).normal(0, 4, (2, 3, 3)).astype(np.float32)
    prices = {"step": float(step), "jump": float(step + more)}
    found = graph_cut(log, log.argmax(axis=0), **prices)
    best = min(energy(log, np.array(bits).reshape(3, 3), **prices) for bits in product((0, 1), repeat=9))
    assert energy(log, found, **prices) == pytest.approx(best, abs=9 / 16)


def test_more_labels_come_near_the_best_and_never_end_above_the_start():
    for seed in range(5):
        log = np.random.default_rng(seed).normal(0, 5, (3, 2, 4)).astype(np.float32)
        start = log.argmax(axis=0)
        found = energy(log, graph_cut(log, start, step=2, jump=3), step=2, jump=3)
        best = min(
            energy(log, np.array(one).reshape(2, 4), step=2, jump=3) for one in product(range(3), repeat=8)
        )
        assert found <= energy(log, start, step=2, jump=3)
        assert found <= 1.1 * best + 0.5


def test_the_cut_does_something_on_truth():
    made = scene("bump", seed=1, shape=(90, 120), frames=8, noise=(25.0, 0.0)).compute()
    truth = made.truth.depth.values
    found = {
        refine: estimate(made.stack.values, None, Recipe(refine=refine)).depth
        for refine in ((), ("graph_cut",), ("sgm",))
    }
    errors = {refine: np.sqrt(np.mean(np.square(depth - truth))) for refine, depth in found.items()}
    assert errors[("graph_cut",)] < 0.98 * errors[()]
    assert len(np.unique(np.rint(found[("graph_cut",)]))) > 4


def test_the_cut_has_less_energy_than_paths():
    log = np.random.default_rng(3).normal(0, 3, (5, 40, 40)).astype(np.float32)
    log[2, :, :20] += 4
    log[4, :, 20:] += 4
    paths = regularise(log, 2, 4).argmin(axis=0)
    assert energy(log, graph_cut(log, paths, step=2, jump=4), step=2, jump=4) < energy(
        log, paths, step=2, jump=4
    )


def test_guided_costs_follow_the_guide():
    rng = np.random.default_rng(0)
    guide = np.full((60, 60, 3), 40, np.uint8)
    guide[:, 30:] = 220
    log = rng.normal(0, 1, (4, 60, 60)).astype(np.float32)
    log[1, :, :30] += 1.5
    log[3, :, 30:] += 1.5
    truth = np.where(np.arange(60) < 30, 1, 3)
    plain, filtered = (np.mean(volume.argmax(axis=0) != truth) for volume in (log, guided_costs(log, guide)))
    assert plain > 0.2
    assert filtered < 0.02
    blurred = np.stack([cv2.blur(layer, (19, 19)) for layer in log]).argmax(axis=0)
    near = np.s_[:, 26:34]
    assert np.mean(guided_costs(log, guide).argmax(axis=0)[near] != truth[26:34]) < np.mean(
        blurred[near] != truth[26:34]
    )


@pytest.mark.parametrize("name", [n for n in MEASURES if n != "eigenvalue"])
def test_every_measure_is_evidence(name):
    made = scene("bump", seed=1, shape=(64, 96), frames=6, noise=(2.0, 0.0)).compute()
    focus = FocusMap(name, (), (), 2.0)
    found = measured(made.stack.values, 1.3, focus, None)
    assert found.energy.dtype == np.float32
    truth = np.rint(made.truth.depth.values)
    assert np.mean(np.abs(found.log.argmax(axis=0) - truth) <= 1) > 0.6
    noise = np.random.default_rng(1).normal(100, 1.3, (6, 128, 128, 1)).astype(np.float32)
    of_noise = measured(noise, 1.3, focus, None)
    assert of_noise.energy.mean() == pytest.approx(1, rel=0.15)
    assert np.mean(of_noise.snr >= texture_over(focus, 1.3, 6)) < 0.03


def test_made_up_pixels_give_no_evidence():
    frames = np.random.default_rng(0).integers(0, 255, (3, 40, 40, 1)).astype(np.uint8)
    invalid = np.zeros((3, 40, 40), bool)
    invalid[1, :, :20] = True
    found = measured(frames, 2.0, FocusMap("sml", (("window", 5),)), invalid)
    assert (found.energy[1, :, :20] == 0).all()
    assert (found.energy[0, :, :20] > 0).any()


def test_second_peaks_are_peaks():
    curve = np.ones((12, 1, 5), np.float32)
    curve[2, 0] = 30
    curve[9, 0, 0] = 20  # a second surface
    curve[9, 0, 1] = 2  # noise
    curve[3:, 0, 2] = np.linspace(29, 5, 9)  # the slope of the first
    curve[4, 0, 3] = 25  # too near
    assert other_surface(np.full((1, 5), 2), curve).tolist() == [[9, -1, -1, -1, -1]]
    assert by_priority(np.full((1, 5), 2), curve, "far").tolist() == [[9, 2, 2, 2, 2]]
    assert by_priority(np.full((1, 5), 9), curve, "near")[0, 0] == 2
    assert by_priority(np.full((1, 5), 9), curve, "best")[0, 0] == 9
