"""Named scenes: those that methods are compared on, and the one that `bigstack demo` shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bigstack.errors import choose
from bigstack.synthetic.cut import layers_from_depth, motorcycle
from bigstack.synthetic.depths import Plane, Ramp
from bigstack.synthetic.layers import Layer
from bigstack.synthetic.plane import child_seed, hashed
from bigstack.synthetic.render import Rendered, render_stack
from bigstack.synthetic.textures import Photograph, Print


@dataclass(frozen=True)
class Scene:
    """A benchmark scene: what it tries, and the options of `render_stack` that make it.

    `layers` makes the scene's layers from a seed and the number of frames, where no name does.
    """

    about: str
    options: dict[str, Any] = field(default_factory=dict)
    layers: Callable[[int, int], list[Layer]] | None = None


def _motorcycle(seed: int, frames: int) -> list[Layer]:
    """The motorcycle, mirrored or not, so that the image shows one part of it or another."""
    picture, depth = motorcycle(frames)
    down, across = (1 if coin < 0.5 else -1 for coin in hashed(seed, np.arange(2)))
    return layers_from_depth(picture[::down, ::across], depth[::down, ::across])


SCENES: dict[str, Scene] = {
    "ramp": Scene("photograph on a tilted plane", {"depth": "ramp"}),
    "ramp-noisy": Scene("the same at noise 12", {"depth": "ramp", "noise": (12.0, 0.0)}),
    "bump": Scene(
        "1/f noise on a hill at noise 6", {"texture": "fractal", "depth": "bump", "noise": (6.0, 0.0)}
    ),
    "forty": Scene(
        "1/f noise on a hill, 40 frames 0.6 px apart",
        {"texture": "fractal", "depth": "bump", "frames": 40, "blur_per_frame": 0.6},
    ),
    "five": Scene(
        "photograph on a smooth surface, 5 frames 2.5 px apart",
        {"depth": "smooth", "frames": 5, "blur_per_frame": 2.5},
    ),
    "dots": Scene("sparse dots on a smooth surface", {"texture": "dots", "depth": "smooth"}),
    "smooth-noisy": Scene(
        "photograph on a smooth surface at noise 6", {"depth": "smooth", "noise": (6.0, 0.0)}
    ),
    "patches": Scene(
        "photograph with flat patches on a tilted plane", {"texture": "patches", "depth": "ramp"}
    ),
    "steps": Scene("photographs on six planes before one another", {"depth": "steps"}),
    "steps-gaussian": Scene(
        "the same with a Gaussian lens at noise 6", {"depth": "steps", "psf": "gaussian", "noise": (6.0, 0.0)}
    ),
    "steps-dots": Scene(
        "dots on six planes at noise 6", {"texture": "dots", "depth": "steps", "noise": (6.0, 0.0)}
    ),
    "steps-dark": Scene(
        "dark photographs on six planes with photon noise",
        {"texture": "dark", "depth": "steps", "noise": (0.5, 0.1)},
    ),
    "discs": Scene("bright plain discs before a photograph: halos", {"depth": "discs"}),
    "hairs": Scene("threads of 1 to 4 px before a tilted photograph", {"depth": "hairs"}),
    "noise-free": Scene(
        "1/f noise on a smooth surface without noise",
        {"texture": "fractal", "depth": "smooth", "noise": (0.0, 0.0)},
    ),
    "highlights": Scene(
        "glints that saturate when defocused, on a smooth surface",
        {"texture": "highlights", "depth": "smooth"},
    ),
    "motorcycle": Scene("a motorcycle in a workshop, photographed with its depth", layers=_motorcycle),
}
"""The benchmark's scenes; where not said, 20 frames of 480x640 RGB uint8, 1.2 px a frame, noise 1.5."""


def scene(name: str, *, seed: int = 0, **options: Any) -> Rendered:
    """Render a benchmark scene.

    Parameters
    ----------
    name
        One of `SCENES`.
    seed
        Other seeds give other photographs, geometry and noise of the same kind.
    options
        Options of `render_stack` that replace the scene's own.

    Returns
    -------
    Rendered
        `stack` and `truth`, both lazy.

    Raises
    ------
    InputError
        An unknown name.

    Examples
    --------
    >>> from bigstack.synthetic import scene
    >>> scene("five", shape=(48, 64)).stack.shape
    (5, 48, 64, 3)
    """
    choose(name, SCENES, "scene")
    # Scenes that share a seed must not share their photographs and geometry.
    own = child_seed(seed, list(SCENES).index(name))
    settings = {"frames": 20, **SCENES[name].options, "seed": own, **options}
    make = SCENES[name].layers
    if make is not None:
        settings["depth"] = make(own, settings["frames"])
    return render_stack(**settings)


def demo_stack(*, frames: int = 12, seed: int = 0) -> Rendered:
    """Render scikit-image's photographs as prints at different depths above a bed of gravel.

    840 x 1240 RGB uint8; nothing is downloaded.

    Parameters
    ----------
    frames
        Number of frames, at depths 0, 1, 2, ...; the prints lie between the first and the last.
    seed
        Chooses the noise.

    Returns
    -------
    Rendered
        `stack` and `truth`, both lazy.

    Examples
    --------
    >>> from bigstack.synthetic import demo_stack
    >>> demo_stack().stack.shape
    (12, 840, 1240, 3)
    """
    shape = (840, 1240)
    last = frames - 1.0
    layers = [Layer(Photograph("gravel", (40, 100), 0.75), Ramp(0.8 * last, last, shape, 270.0))]
    coffee = Print("coffee", 560.0, 370.0, 6.0)
    layers.append(Layer(coffee, Ramp(0.5 * last, 0.75 * last, shape, 110.0), coffee.outline(14.0)))
    prints = (
        (Print("astronaut", 360.0, 880.0, -5.0), 0.4),
        (Print("chelsea", 230.0, 330.0, -8.0), 0.22),
        (Print("immunohistochemistry", 760.0, 1010.0, 12.0), 0.04),
    )
    for picture, depth in prints:
        layers.append(Layer(picture, Plane(depth * last), picture.outline(14.0)))
    return render_stack(
        depth=layers, shape=shape, frames=frames, blur_per_frame=1.1, noise=(1.5, 0.0), seed=seed
    )
