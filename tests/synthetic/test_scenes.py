"""The benchmark's scenes and the demo."""

import numpy as np
import pytest

from bigstack.errors import InputError
from bigstack.synthetic import SCENES, demo_stack, scene


@pytest.mark.parametrize("name", SCENES)
def test_every_scene_renders_with_its_truth_inside_the_frames(name):
    rendered = scene(name, seed=3, shape=(48, 64)).compute()
    frames = rendered.stack.sizes["z"]
    assert rendered.stack.dtype == np.uint8
    assert rendered.stack.values.std() > 1
    assert 0 <= rendered.truth.depth.min() <= rendered.truth.depth.max() <= frames - 1
    occluded = name.startswith(("steps", "discs", "hairs", "motorcycle"))
    assert bool(rendered.truth.unobserved.any()) == occluded
    best = np.abs(rendered.stack.astype(float) - rendered.truth.image).mean(("y", "x", "channel"))
    assert best.min() < 60


def test_seeds_give_fresh_scenes_and_scenes_do_not_share_their_geometry():
    depths = [
        scene(n, seed=s, shape=(48, 64)).truth.depth.values for n in ("ramp", "patches") for s in (0, 1)
    ]
    for n, first in enumerate(depths):
        for second in depths[n + 1 :]:
            assert np.abs(first - second).mean() > 0.5


def test_unknown_scenes_are_named():
    with pytest.raises(InputError, match="did you mean 'hairs'"):
        scene("hair")


def test_demo_has_prints_at_different_depths():
    demo = demo_stack(frames=6)
    assert demo.stack.shape == (6, 840, 1240, 3)
    depth = demo.truth.depth[::8, ::8].values
    assert depth.min() < 1
    assert depth.max() > 4
    assert demo.truth.unobserved[::2, ::2].values.mean() < 0.1
