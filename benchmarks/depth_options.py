"""Choices of depth_from_focus against rendered truth: depth RMSE in frames by scene, and speed.

python benchmarks/depth_options.py refine                      every refinement and their combinations
python benchmarks/depth_options.py peak measure --scenes ramp,steps --seeds 2 --first-seed 100
python benchmarks/depth_options.py defocus diamond --size 240x320
"""

from __future__ import annotations

import time
from typing import Any, get_args

import click
import numpy as np
from quality import parse_size

from bigstack.errors import choose
from bigstack.kernels.depth.estimate import estimate
from bigstack.kernels.depth.recipe import REFINE, recipe_of
from bigstack.kernels.quality import depth_errors
from bigstack.names import FocusMeasure, Peak
from bigstack.synthetic import SCENES, scene

SHOWN = (
    "ramp",
    "bump",
    "five",
    "dots",
    "smooth-noisy",
    "steps",
    "steps-gaussian",
    "discs",
    "hairs",
    "motorcycle",
)
BEST = "+".join(REFINE)

Choices = dict[str, dict[str, Any]]


def refinements() -> Choices:
    """Each refinement alone, and what is added to the best ones before."""
    names = (
        *("none", "median", "diamond", "tv", "diffusion", "guided", "sgm", "graph_cut"),
        *("guided+median+diffusion", "graph_cut+median+diffusion", "sgm+median", "sgm+diffusion"),
        *("sgm+diamond", "sgm+median+tv", "sgm+median+diffusion", "guided+median+diffusion+tv", BEST),
    )
    return {name: {"refine": name.split("+")} for name in names}


GROUPS: dict[str, Choices] = {
    "refine": refinements(),
    "peak": {
        f"{name}, {kind}": {"peak": name, "refine": refine}
        for kind, refine in (("sgm alone", ["sgm"]), ("all", REFINE))
        for name in get_args(Peak)
    },
    "measure": {
        name: {"measure": name, **({} if name == "tree" else {"smoothing": 2.0})}
        for name in ("tree", *(m for m in get_args(FocusMeasure) if m != "eigenvalue"))
    },
    "argmax": {
        name: {"measure": name, "smoothing": 2.0, "refine": "none", "peak": "gaussian"}
        for name in get_args(FocusMeasure)
        if name != "eigenvalue"
    },
    "diamond": {
        **{f"diamond {w}": {"refine": ["sgm", "diamond"], "window": w} for w in (3, 7, 15, 31)},
        **{f"median {r}": {"refine": ["sgm", "median"], "radius": r} for r in (8, 16, 24, 48)},
    },
    "defocus": {
        "sgm": {"refine": ["sgm"]},
        "sgm, integer": {"refine": ["sgm"], "peak": "integer"},
        "sgm+defocus, integer": {"refine": ["sgm", "defocus"], "peak": "integer"},
        "sgm+defocus": {"refine": ["sgm", "defocus"]},
        BEST: {},
        f"{BEST}+defocus": {"refine": [*REFINE, "defocus"]},
        "sgm+median+defocus+diffusion+tv": {"refine": ["sgm", "median", "defocus", "diffusion", "tv"]},
    },
    "priority": {name: {"priority": name} for name in ("best", "near", "far")},
    "fill": {"as it is": {}, "fill": {"fill": True}},
}
"""What can be compared: options by the name of the line."""


def one(frames: np.ndarray, truth: np.ndarray, options: dict[str, Any]) -> tuple[float, float]:
    """Depth RMSE in frames, and seconds."""
    recipe = recipe_of(**options)
    start = time.perf_counter()
    found = estimate(frames, None, recipe)
    return depth_errors(found.depth, truth).rmse, time.perf_counter() - start


def table(choices: Choices, scenes: list[str], seeds: range, size: tuple[int, int]) -> list[str]:
    """Lines of choices by scenes, their mean, and Mpix of input a second."""
    errors = {name: np.zeros((len(scenes), len(seeds))) for name in choices}
    seconds, pixels = dict.fromkeys(choices, 0.0), 0
    small = scene("five", shape=(64, 64)).compute().stack.values
    for options in choices.values():  # what is compiled at first use does not count
        estimate(small, None, recipe_of(**options))
    for row, name in enumerate(scenes):
        for column, seed in enumerate(seeds):
            made = scene(name, seed=seed, shape=size).compute()
            frames, truth = made.stack.values, made.truth.depth.values
            pixels += frames[..., 0].size
            for choice, options in choices.items():
                errors[choice][row, column], took = one(frames, truth, options)
                seconds[choice] += took
    lines = [f"| | {' | '.join(scenes)} | mean | Mpix/s |", "|---" * (len(scenes) + 3) + "|"]
    for choice, found in errors.items():
        cells = [f"{value:.3f}" for value in found.mean(axis=1)]
        speed = pixels / seconds[choice] / 1e6
        lines.append(f"| {choice} | {' | '.join(cells)} | {found.mean():.3f} | {speed:.1f} |")
    return lines


@click.command(help=__doc__)
@click.argument("groups", nargs=-1, required=True)
@click.option("--scenes", default=",".join(SHOWN), show_default=True, help="Names, separated by commas.")
@click.option("--seeds", default=1, show_default=True, help="Number of seeds.")
@click.option("--first-seed", default=0, show_default=True, help="The first of them.")
@click.option("--size", default="480x640", show_default=True, help="Height and width of the scenes.")
@click.option("--only", default="", help="Lines to compute, separated by commas; all if not given.")
def main(groups: tuple[str, ...], scenes: str, seeds: int, first_seed: int, size: str, only: str) -> None:
    names = [choose(name, SCENES, "scene") for name in scenes.split(",")]
    for group in groups:
        choices = GROUPS[choose(group, GROUPS, "group")]
        if only:
            choices = {name: choices[choose(name, choices, "line")] for name in only.split(",")}
        click.echo(f"\n{group}\n")
        for line in table(choices, names, range(first_seed, first_seed + seeds), parse_size(size)):
            click.echo(line)


if __name__ == "__main__":
    main()
