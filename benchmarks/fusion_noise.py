"""Noise that fusion leaves on flat grey, and the sharpness it keeps of a slanted edge.

python benchmarks/fusion_noise.py
python benchmarks/fusion_noise.py --between 0.5           in focus between two frames, the worst place
python benchmarks/fusion_noise.py --methods depth,depth:shrink=0 --sigma 1.5 --contrast 40
"""

from __future__ import annotations

import click
import cv2
import numpy as np
from quality import pick_methods

FRAMES = (5, 12, 40)
TILT = 0.09  # rows that the edge falls by from column to column


def noisy(frames: np.ndarray, sigma: float, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, sigma, frames.shape)
    return np.clip(np.rint(frames + noise), 0, 255).astype(np.uint8)


def edge(side: int, contrast: float, blur: float) -> np.ndarray:
    """A slanted edge seen by a lens whose disc has a radius of `blur` pixels, sampled by square pixels."""
    fine = 8
    y, x = np.mgrid[: side * fine, : side * fine] / fine
    sharp = 120 + contrast * ((x - side / 2 - TILT * (y - side / 2) > 0) - 0.5)
    radius = max(0.5, blur * fine)
    reach = int(np.ceil(radius))
    v, u = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disc = (u * u + v * v <= radius * radius).astype(float)
    soft = cv2.filter2D(sharp, -1, disc / disc.sum(), borderType=cv2.BORDER_REFLECT)
    return cv2.resize(soft, (side, side), interpolation=cv2.INTER_AREA)


def mtf50(image: np.ndarray) -> float:
    """Frequency, cycles a pixel, at which a slanted edge's transfer has fallen to a half (ISO 12233)."""
    side = len(image)
    y, x = np.mgrid[:side, :side]
    distance = (x - side / 2 + 0.5 - TILT * (y - side / 2 + 0.5)) / np.hypot(1, TILT)
    bins = np.arange(-16, 16.01, 0.25)
    near = np.abs(distance) < 16
    place = np.digitize(distance[near], bins) - 1
    counts = np.bincount(place, minlength=len(bins) - 1)[: len(bins) - 1]
    spread = np.bincount(place, image[near], minlength=len(bins) - 1)[: len(bins) - 1] / np.maximum(counts, 1)
    line = np.gradient(spread) * np.hanning(len(spread))
    transfer = np.abs(np.fft.rfft(line, 1024))
    transfer /= transfer[0]
    frequency = np.fft.rfftfreq(1024, 0.25)
    first = int(np.argmax(transfer < 0.5))
    return float(np.interp(0.5, transfer[first : first - 2 : -1], frequency[first : first - 2 : -1]))


@click.command(help=__doc__)
@click.option("--methods", default="pyramid,depth,depth:quality=fast,depth:shrink=0", show_default=True)
@click.option("--sigma", default=6.0, show_default=True, help="Noise of a frame, grey levels.")
@click.option("--contrast", default=80.0, show_default=True, help="Height of the edge, grey levels.")
@click.option(
    "--between", default=0.0, show_default=True, help="Focus off the nearest frame, frames: 0 to 0.5."
)
@click.option("--side", default=256, show_default=True, help="Pixels.")
@click.option("--seed", default=500, show_default=True)
def main(methods: str, sigma: float, contrast: float, between: float, side: int, seed: int) -> None:
    click.echo(f"{'method':24} {'frames':>6} {'noise left':>10} {'MTF50 of truth':>14}")
    truth = edge(side, contrast, 0)[..., None]
    for method in pick_methods(methods, lambda note: click.echo(note, err=True)):
        for count in FRAMES:
            flat = noisy(np.full((count, side, side, 3), 120.0), sigma, seed + count)
            left = float(np.std(method.run(flat)[0].astype(float))) / sigma
            offs = np.abs(np.arange(count) - (count // 2 + between))
            frames = np.stack([edge(side, contrast, 1.2 * off) for off in offs])[..., None]
            fused = method.run(noisy(np.repeat(frames, 3, axis=3), sigma, seed + 99 + count))[0]
            share = mtf50(fused[..., 1].astype(float)) / mtf50(truth[..., 0])
            click.echo(f"{method.name:24} {count:6} {left:10.3f} {share:14.3f}")


if __name__ == "__main__":
    main()
