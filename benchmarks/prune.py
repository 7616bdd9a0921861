"""What --prune leaves unread, and what it changes.

    python benchmarks/prune.py                       all scenes, pyramid: 2 min
    python benchmarks/prune.py tilted noisy --methods pyramid,select,depth
    python benchmarks/prune.py tilted --plain        of a Zarr array without levels

Each scene is rendered (60 frames of 2048 x 2048, grey), written as OME-Zarr with its levels (or a plain
array), and fused with and without pruning. Chunks are counted where they are decoded; those of smaller levels
count like the others. `same` is the share of pixels that are identical; PSNR is of one result against the
other, and of both against the all-in-focus truth. Exits with 1 where a tilted surface misses what it has to
reach.
"""

from __future__ import annotations

import shutil
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np


@dataclass(frozen=True)
class Scene:
    """A stack to render, and what pruning has to reach on it with `--method pyramid`, where anything."""

    texture: str
    depth: Any
    noise: float = 0.0
    dtype: str = "uint8"
    read: float | None = None
    same: float | None = None


TILTED = (0.45, 0.55)
"""Part of z that the tilted surface fills."""

SCENES = {
    "tilted": Scene("fractal", TILTED, 0.0, read=0.35, same=0.999),
    "noisy": Scene("fractal", TILTED, 1.0, read=0.35, same=0.99),
    "tilted16": Scene("fractal", TILTED, 0.0, "uint16", read=0.35),
    "photo": Scene("photo", TILTED, 1.0),
    "patches": Scene("patches", TILTED, 1.0),
    "all of z": Scene("fractal", (0.0, 1.0), 1.0),
    "steps": Scene("fractal", "steps", 1.0),
    "flat": Scene("flat", TILTED, 1.0),
}


@click.command()
@click.argument("scenes", nargs=-1, type=click.Choice(list(SCENES)))
@click.option("--methods", default="pyramid", help="Fusion methods, separated by commas.")
@click.option("--plain", is_flag=True, help="Stacks without smaller levels.")
@click.option("--frames", default=60)
@click.option("--side", default=2048)
@click.option("--folder", type=click.Path(path_type=Path), default=Path("/tmp/bigstack-prune"))
def main(scenes: tuple[str, ...], methods: str, plain: bool, frames: int, side: int, folder: Path) -> None:
    """Fuse scenes with and without pruning."""
    import dask

    click.echo(f"{'scene':10} {'method':8} {'chunks read':>11} {'same':>8} {'<=1 off':>8} {'PSNR':>6} "
               f"{'truth: all':>10} {'pruned':>6} {'s all':>6} {'pruned':>6}")  # fmt: skip
    missed = []
    with dask.config.set(num_workers=2):
        for name in scenes or SCENES:
            stack, truth = make(SCENES[name], folder, frames, side, plain)
            for method in methods.split(","):
                row = compare(stack, truth, method)
                click.echo(f"{name:10} {method:8} {shown(row)}")
                if method == "pyramid" and not plain:
                    missed += misses(name, row)
            shutil.rmtree(folder)
    if missed:
        raise SystemExit("missed: " + "; ".join(missed))


def make(scene: Scene, folder: Path, frames: int, side: int, plain: bool) -> tuple[Any, np.ndarray]:
    """Render a scene and store it: the stack, and its all-in-focus image."""
    import zarr

    from bigstack import open_stack
    from bigstack.jobs.outputs import How
    from bigstack.jobs.stack_output import write_stack
    from bigstack.synthetic import render_stack
    from bigstack.synthetic.depths import Ramp

    depth = scene.depth
    if not isinstance(depth, str):
        low, high = (share * (frames - 1) for share in depth)
        depth = Ramp(low, high, (side, side), angle=20)
    rendered = render_stack(
        texture=scene.texture, depth=depth, shape=(side, side), frames=frames, channels=1,
        noise=(scene.noise, 0), dtype=scene.dtype, seed=3,
    )  # fmt: skip
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if plain:
        path = folder / "stack.zarr"
        how: Any = {"chunks": (1, 512, 512), "dtype": scene.dtype, "dimension_names": "zyx"}
        array = zarr.create_array(path, shape=(frames, side, side), **how)
        for z in range(frames):
            array[z] = rendered.stack[z].values[..., 0]
    else:
        path = folder / "stack.ome.zarr"
        write_stack(rendered.stack, path, How(), key="prune")
    return open_stack(path), rendered.truth.image.values


def compare(stack: Any, truth: np.ndarray, method: str) -> dict[str, float]:
    """Fuse with and without pruning."""
    results, counts, seconds = [], [], []
    for pruned in (False, True):
        with chunks_counted() as count:
            started = time.perf_counter()
            # Tiles as large as the image, so that no chunk is read for two of them.
            results.append(fused(stack, method, pruned))
            seconds.append(time.perf_counter() - started)
        counts.append(count["chunks"])
    top = np.iinfo(results[0].dtype).max
    off = np.abs(results[0].astype(float) - results[1])
    return {
        "read": counts[1] / counts[0],
        "same": float((off == 0).mean()),
        "near": float((off <= top / 255).mean()),
        "psnr": psnr(*results, top),
        "truth": psnr(results[0], truth, top),
        "pruned": psnr(results[1], truth, top),
        "seconds": seconds[0],
        "seconds pruned": seconds[1],
    }


def fused(stack: Any, method: str, pruned: bool) -> np.ndarray:
    from bigstack import fuse

    tile = max(stack.shape[1:3]) if method != "depth" else 1024
    return np.asarray(fuse(stack, method=method, prune=pruned, tile=tile).image.values)


class chunks_counted:
    """Counts Zarr chunks that are decoded."""

    def __enter__(self) -> Counter[str]:
        from bigstack.io.zarr_chunks import ZarrArray

        self.whole = whole = ZarrArray.chunk
        count: Counter[str] = Counter()

        def counting(array: Any, where: tuple[int, ...]) -> Any:
            count["chunks"] += 1
            return whole(array, where)

        ZarrArray.chunk = counting  # type: ignore[method-assign]
        return count

    def __exit__(self, *_: object) -> None:
        from bigstack.io.zarr_chunks import ZarrArray

        ZarrArray.chunk = self.whole  # type: ignore[method-assign]


def psnr(first: np.ndarray, second: np.ndarray, top: float) -> float:
    """dB; 200 for equal images."""
    error = float(np.mean((first.astype(float) - second) ** 2))
    return min(200.0, 10 * np.log10(top**2 / error)) if error else 200.0


def shown(row: dict[str, float]) -> str:
    return (
        f"{row['read']:11.1%} {row['same']:8.3%} {row['near']:8.3%} {row['psnr']:6.1f} {row['truth']:10.2f} "
        f"{row['pruned']:6.2f} {row['seconds']:6.1f} {row['seconds pruned']:6.1f}"
    )


def misses(name: str, row: dict[str, float]) -> list[str]:
    """What a scene was to reach and did not."""
    scene, found = SCENES[name], []
    if scene.read is not None and row["read"] > scene.read:
        found.append(f"{name} read {row['read']:.1%}, at most {scene.read:.0%} was to be read")
    if scene.same is not None and row["same"] < scene.same:
        found.append(f"{name} has {row['same']:.2%} of identical pixels, {scene.same:.1%} were to be")
    return found


if __name__ == "__main__":
    main()
