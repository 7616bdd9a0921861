"""Fit the network that makes `sigma` of the signs of an error, and print the module that holds it.

python benchmarks/depth_sigma.py > bigstack/kernels/depth/calibration.py      15 minutes on one core
python benchmarks/depth_sigma.py --scenes ramp,steps --seeds 1 --size 96x128 --rounds 1

Scenes are those of `bigstack.synthetic.SCENES`, each also with other numbers of frames, blurs, lenses and
noises. Report coverage (`depth.py`) on other seeds than those here.
"""

from __future__ import annotations

from dataclasses import dataclass

import click
import numpy as np
from quality import parse_size, pick_scenes

from bigstack.kernels.depth import estimate as depth_kernel
from bigstack.kernels.depth.calibration import FLOORS, SIGNS
from bigstack.synthetic import scene

WITHIN = ((1, 0.648), (2, 0.95))
"""Share of the errors that the fit wants within one and two deviations."""
UNITS = 8
_EVERY = 3  # pixels along each axis that are looked at
_PIXELS = 4000  # of each scene
_BATCH, _RATE, _DECAY, _SMOOTH = 4096, 0.01, 1e-4, 0.1


@dataclass
class Network:
    """Weights of standardised logarithms of signs."""

    mean: np.ndarray
    deviation: np.ndarray
    limits: np.ndarray
    hidden: np.ndarray
    shift: np.ndarray
    answer: np.ndarray
    straight: np.ndarray
    base: np.ndarray

    def weights(self) -> list[np.ndarray]:
        """What is fitted."""
        return [self.hidden, self.shift, self.answer, self.straight, self.base]


def varied(name: str, seed: int) -> dict[str, object]:
    """Frames, blur, noise and lens of a scene, at random."""
    rng = np.random.default_rng([seed, sum(name.encode())])
    frames = int(rng.choice([5, 7, 10, 14, 20, 28, 40]))
    return {
        "frames": frames,
        "blur_per_frame": float(min(3, rng.uniform(0.7, 1.4) * 24 / frames)),
        "noise": (float(rng.choice([0.3, 1, 1.5, 3, 6, 12])), 0.0),
        "psf": str(rng.choice(["disc", "gaussian"])),
    }


def gather(names: list[str], seeds: range, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Logarithms of signs (pixel, sign) and of errors (pixel) of textured pixels of scenes."""
    seen: list[tuple[np.ndarray, ...]] = []
    original = depth_kernel.signs

    def spy(*arguments: np.ndarray) -> tuple[np.ndarray, ...]:
        seen.append(original(*arguments))
        return seen[-1]

    depth_kernel.signs = spy
    try:
        parts = [
            _pixels(scene(name, seed=seed, shape=size, **how).compute(), seen, seed)
            for name in names
            for seed in seeds
            for how in ({}, varied(name, seed))
        ]
    finally:
        depth_kernel.signs = original
    return np.concatenate([signs for signs, _ in parts]), np.concatenate([errors for _, errors in parts])


def _pixels(made, seen: list, seed: int) -> tuple[np.ndarray, np.ndarray]:
    found = depth_kernel.estimate(made.stack.values)
    every = (slice(1, None, _EVERY), slice(1, None, _EVERY))
    error = np.abs(found.depth - made.truth.depth.values)[every].ravel()
    valid = np.flatnonzero(found.valid[every])
    chosen = np.random.default_rng(seed).permutation(valid)[:_PIXELS]
    maps = np.stack([sign[every].ravel()[chosen] for sign in seen.pop()], axis=1)
    return np.log(np.maximum(maps, 0) + FLOORS), np.log(error[chosen] + 1e-4)


def fit(signs: np.ndarray, errors: np.ndarray, rounds: int, seed: int = 0) -> Network:
    """Least sum of pinball losses of the logarithm of errors, one for each of `WITHIN`, by Adam."""
    rng = np.random.default_rng(seed)
    limits = np.quantile(signs, (0.001, 0.999), axis=0)
    signs = np.clip(signs, *limits)
    mean, deviation = signs.mean(axis=0), signs.std(axis=0) + 1e-6
    scaled, count = (signs - mean) / deviation, signs.shape[1]
    net = Network(
        mean, deviation, limits,
        rng.normal(0, count**-0.5, (count, UNITS)), rng.normal(0, 0.5, UNITS),
        rng.normal(0, 0.3 * UNITS**-0.5, UNITS), np.zeros(count), np.array(errors.mean() + 0.5),
    )  # fmt: skip
    weights = net.weights()
    first, second = [np.zeros_like(w) for w in weights], [np.zeros_like(w) for w in weights]
    batches = max(1, len(errors) // _BATCH)
    for step in range(rounds * batches):
        if step % batches == 0:
            order = rng.permutation(len(errors))
        chosen = order[step % batches * _BATCH :][:_BATCH]
        slopes = _slopes(net, scaled[chosen], errors[chosen])
        rate = _RATE * (1 + np.cos(np.pi * step / (rounds * batches))) / 2
        for weight, slope, one, two in zip(weights, slopes, first, second, strict=True):
            one += 0.1 * (slope - one)
            two += 0.001 * (slope**2 - two)
            bias = (1 - 0.9 ** (step + 1), 1 - 0.999 ** (step + 1))
            weight -= rate * (one / bias[0]) / (np.sqrt(two / bias[1]) + 1e-8)
    return net


def _slopes(net: Network, signs: np.ndarray, errors: np.ndarray) -> list[np.ndarray]:
    """Derivatives of the loss by every weight."""
    total = signs @ net.hidden + net.shift
    units = total / (1 + np.abs(total))
    answer = units @ net.answer + signs @ net.straight + net.base
    slope = np.zeros(len(errors))
    for times, share in WITHIN:
        off = (errors - answer - np.log(times)) / _SMOOTH
        slope -= (share - 1 + 1 / (1 + np.exp(-np.clip(off, -30, 30)))) / len(errors)
    inner = np.outer(slope, net.answer) / (1 + np.abs(total)) ** 2
    return [
        signs.T @ inner + _DECAY * net.hidden,
        inner.sum(axis=0),
        units.T @ slope + _DECAY * net.answer,
        signs.T @ slope,
        slope.sum(),
    ]


def module(net: Network) -> str:
    """Text of the module, standardisation taken into the weights."""
    hidden = (net.hidden / net.deviation[:, None]).T
    straight = net.straight / net.deviation
    shift = [*(net.shift - hidden @ net.mean), float(net.base) - straight @ net.mean]
    floors = "\n".join(f'    "{name}": {floor:g},' for name, floor in zip(SIGNS, FLOORS, strict=True))
    signs = np.vstack([net.limits, straight, hidden]).T
    return _TEXT.format(floors=floors, signs=_rows(signs), units=_rows([shift, [*net.answer, 0.0]]))


def _rows(table) -> str:
    """Numbers in columns."""
    return "\n".join(" ".join(f"{value:8.4f}" for value in row) for row in table)


_TEXT = '''"""What `sigma` is made of: weights fitted by `benchmarks/depth_sigma.py`, which writes this.

The logarithm of the deviation is a weighted sum of logarithms of `uncertainty.signs`, and of softsigns
x / (1 + |x|) of such sums.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

_FLOORS = {{
{floors}
}}
SIGNS = tuple(_FLOORS)
"""Names of the signs."""
FLOORS = np.array(tuple(_FLOORS.values()), np.float32)
"""What is added to each before its logarithm is taken."""

# A row for each sign: least and largest logarithm that the fit saw, weight in the answer and in each unit.
_TABLE = """
{signs}
"""
# Shift of each unit and of the answer, weight of each unit.
_UNITS = """
{units}
"""


@lru_cache
def tables() -> tuple[np.ndarray, ...]:
    """Floors, least and largest logarithms, units, their shifts, weights of units and of signs."""
    low, high, straight, *hidden = _table(_TABLE).T.copy()
    shift, answer = _table(_UNITS)
    return FLOORS, low, high, np.stack(hidden), shift, answer[:-1].copy(), straight


def _table(text: str) -> np.ndarray:
    return np.array([row.split() for row in text.strip().splitlines()], np.float32)
'''


@click.command(help=__doc__)
@click.option("--scenes", default="", help="Names, separated by commas; all if not given.")
@click.option("--seeds", default=4, show_default=True, help="Number of seeds.")
@click.option("--first-seed", default=40, show_default=True, help="The first of them.")
@click.option("--size", default="480x640", show_default=True, help="Height and width of the scenes.")
@click.option("--rounds", default=15, show_default=True, help="Times that the fit sees every pixel.")
def main(scenes: str, seeds: int, first_seed: int, size: str, rounds: int) -> None:
    names = pick_scenes(scenes)
    signs, errors = gather(names, range(first_seed, first_seed + seeds), parse_size(size))
    click.echo(module(fit(signs, errors, rounds)), nl=False)


if __name__ == "__main__":
    main()
