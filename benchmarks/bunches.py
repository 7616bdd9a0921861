"""How much bunching costs: fused in bunches and again, against fused directly, on rendered truth.

python benchmarks/bunches.py                               all scenes
python benchmarks/bunches.py --frames 4 --overlap 1 --scenes steps,hairs --json out.json
python benchmarks/bunches.py --scenes highlights --unclipped   bunches in float32, which cut nothing off
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import click
import numpy as np

from bigstack import bunch, fuse
from bigstack.errors import choose
from bigstack.kernels.quality import psnr
from bigstack.synthetic import SCENES, scene


def compare(
    name: str, size: tuple[int, int], frames: int, overlap: int, method: str, unclipped: bool = False
) -> dict[str, object]:
    """PSNR of both ways for one scene; results are cut to 8 bits, bunches only if they are uint8."""
    rendered = scene(name, seed=0, shape=size).compute()
    stack = rendered.stack.astype(np.float32) if unclipped else rendered.stack
    truth = rendered.truth.image.values
    start = time.perf_counter()
    direct = fuse(stack, method=method).image.values
    middle = time.perf_counter()
    bunches = bunch(stack, frames=frames, overlap=overlap, method=method).compute()
    twice = fuse(bunches, method=method).image.values
    end = time.perf_counter()
    return {
        "scene": name,
        "frames": stack.sizes["z"],
        "bunches": bunches.sizes["z"],
        "direct": psnr(_bytes(direct), truth, data_range=255),
        "bunched": psnr(_bytes(twice), truth, data_range=255),
        "seconds direct": middle - start,
        "seconds bunched": end - middle,
    }


def _bytes(image: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


@click.command()
@click.option("--scenes", default=",".join(SCENES), help="Names, separated by commas.")
@click.option("--frames", default=4, show_default=True)
@click.option("--overlap", default=1, show_default=True)
@click.option("--method", default="pyramid", show_default=True)
@click.option("--size", default="480x640", show_default=True, help="Height x width.")
@click.option("--unclipped", is_flag=True, help="Bunch in float32, so that no highlight is cut off.")
@click.option("--json", "output", type=click.Path(path_type=Path))
def main(
    scenes: str, frames: int, overlap: int, method: str, size: str, unclipped: bool, output: Path | None
) -> None:
    """Print a table, and the largest loss."""
    height, width = (int(part) for part in size.split("x"))
    names = [choose(name, SCENES, "scene") for name in scenes.split(",")]
    records = [compare(name, (height, width), frames, overlap, method, unclipped) for name in names]
    click.echo(
        "| scene | frames | bunches | direct, dB | bunched, dB | difference |\n|---|---|---|---|---|---|"
    )
    for r in records:
        gain = float(r["bunched"]) - float(r["direct"])
        sizes = f"| {r['scene']} | {r['frames']} | {r['bunches']} "
        click.echo(f"{sizes}| {r['direct']:.2f} | {r['bunched']:.2f} | {gain:+.2f} |")
    gains = np.array([float(r["bunched"]) - float(r["direct"]) for r in records])
    click.echo(f"\nmean {gains.mean():+.2f} dB, worst {gains.min():+.2f} dB")
    if output is not None:
        output.write_text(json.dumps(records, indent=1))


if __name__ == "__main__":
    main()
