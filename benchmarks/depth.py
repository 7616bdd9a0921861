"""Depth from focus against rendered truth: errors, coverage of sigma, unobserved rings, seams, time.

python benchmarks/depth.py                                   all scenes, one seed
python benchmarks/depth.py --scenes steps,hairs --first-seed 7 --seeds 2
python benchmarks/depth.py --block 256                       and what canonical blocks of 256 px change
python benchmarks/depth.py --scenes steps-dots --oracle      and what knowing the depth of all dots would give
"""

from __future__ import annotations

import time

import click
import dask.array as da
import numpy as np
from quality import parse_size, pick_scenes
from scipy import ndimage

from bigstack.engine.tiles import map_overlap
from bigstack.kernels.depth.blocks import DepthBlocks
from bigstack.kernels.depth.estimate import Estimate, estimate
from bigstack.kernels.quality import depth_errors
from bigstack.synthetic import scene

EDGE = 8
"""Pixels about a step of the true depth that count as its edge."""

COLUMNS = (
    "rmse",
    "bad1 %",
    "far 1s",
    "far 2s",
    "all 1s",
    "all 2s",
    "valid %",
    "conf good",
    "conf bad",
    "unobs P",
    "unobs R",
    "ms/Mpx/z",
)


def coverage(error: np.ndarray, sigma: np.ndarray, where: np.ndarray, times: int) -> float:
    """Share of the errors that lie within so many sigmas."""
    return float(np.mean(error[where] <= times * sigma[where])) if where.any() else float("nan")


def away_from_edges(truth: np.ndarray) -> np.ndarray:
    """Pixels with no step of two frames or more nearby."""
    size = 2 * EDGE + 1
    return ndimage.maximum_filter(truth, size) - ndimage.minimum_filter(truth, size) <= 2


def judge(found: Estimate, depth: np.ndarray, unobserved: np.ndarray) -> list[float]:
    """The columns of one scene, but the time."""
    errors = depth_errors(found.depth, depth)
    error = np.abs(found.depth - depth)
    far, everywhere = away_from_edges(depth), np.ones(depth.shape, bool)
    good = error <= 1
    both = np.count_nonzero(found.unobserved & unobserved)
    return [
        errors.rmse,
        100 * errors.bad[1],
        *(coverage(error, found.sigma, where, n) for where in (far, everywhere) for n in (1, 2)),
        100 * float(found.valid.mean()),
        float(found.confidence[good].mean()),
        float(found.confidence[~good].mean()) if not good.all() else float("nan"),
        both / max(1, np.count_nonzero(found.unobserved)) if unobserved.any() else float("nan"),
        both / np.count_nonzero(unobserved) if unobserved.any() else float("nan"),
    ]


def seams(frames: np.ndarray, whole: Estimate, block: int) -> float:
    """Share of the pixels, in percent, whose frame changes when the image is cut into blocks."""
    index = map_overlap(DepthBlocks(block), da.from_array(frames), tile=block).output("index")
    return 100 * float(np.mean(index.compute() != np.rint(whole.depth)))


REACH = 192
"""Pixels beyond texture from which on the coarsest level of the tree cannot see it."""


def void(seed: int, size: tuple[int, int], noise: float) -> list[float]:
    """Percent of pixels that are valid where there is texture, and where there is nothing but noise."""
    made = scene("ramp", seed=seed, shape=size, noise=(noise, 0.0)).compute()
    frames, half = made.stack.values.copy(), size[1] // 2
    rng = np.random.default_rng(seed)
    plain = 128 + rng.normal(0, noise, frames[:, :, half:].shape)
    frames[:, :, half:] = np.clip(np.rint(plain), 0, 255).astype(frames.dtype)
    valid = estimate(frames).valid
    return [100 * float(valid[:, :half].mean()), 100 * float(valid[:, half + REACH :].mean())]


SEEN = 12
"""Grey levels off the image's own that count as texture to the oracle."""


def oracle(image: np.ndarray, depth: np.ndarray) -> float:
    """RMS error of the true depth of all texture, and of the nearest texture where there is none."""
    plain = np.median(image.reshape(-1, image.shape[-1]), axis=0)
    texture = ndimage.binary_dilation(np.abs(image - plain).max(axis=-1) > SEEN, iterations=2)
    at = ndimage.distance_transform_edt(~texture, return_distances=False, return_indices=True)
    return float(np.sqrt(np.mean((depth[tuple(at)] - depth) ** 2)))


def line(name: str, values: list[float]) -> str:
    cells = ("-".rjust(9) if np.isnan(v) else f"{v:9.3f}" for v in values)
    return name.ljust(16) + " ".join(cells)


@click.command(help=__doc__)
@click.option("--scenes", default="", help="Names, separated by commas; all if not given.")
@click.option("--seeds", default=1, show_default=True, help="Number of seeds.")
@click.option("--first-seed", default=0, show_default=True, help="The first of them.")
@click.option("--size", default="480x640", show_default=True, help="Height and width of the scenes.")
@click.option("--block", type=int, help="Also compare with canonical blocks of this side.")
@click.option("--oracle", "known", is_flag=True, help="Also the RMSE of the nearest texture's true depth.")
def main(scenes: str, seeds: int, first_seed: int, size: str, block: int | None, known: bool) -> None:
    columns = [*COLUMNS, *(["seams %"] if block else []), *(["oracle"] if known else [])]
    click.echo(" " * 16 + " ".join(c.rjust(9) for c in columns))
    rows = []
    for name in pick_scenes(scenes):
        found = []
        for seed in range(first_seed, first_seed + seeds):
            made = scene(name, seed=seed, shape=parse_size(size)).compute()
            frames = made.stack.values
            start = time.perf_counter()
            whole = estimate(frames)
            took = 1e9 * (time.perf_counter() - start) / frames[..., 0].size
            row = [*judge(whole, made.truth.depth.values, made.truth.unobserved.values), took]
            if block:
                row.append(seams(frames, whole, block))
            if known:
                row.append(oracle(made.truth.image.values, made.truth.depth.values))
            found.append(row)
        rows.append(np.mean(found, axis=0))
        click.echo(line(name, list(rows[-1])))
    click.echo(line("mean", list(np.nanmean(rows, axis=0))))
    if parse_size(size)[1] // 2 > REACH:
        for noise in (1.5, 6.0, 12.0):
            textured, nothing = void(first_seed, parse_size(size), noise)
            click.echo(f"valid at noise {noise:g}: {textured:.2f} % of texture, {nothing:.2f} % of none")


if __name__ == "__main__":
    main()
