"""How good fused images and depth maps are: a table of methods by scenes, against rendered truth.

python benchmarks/quality.py                       all methods, all scenes, one seed
python benchmarks/quality.py --scenes steps,hairs --methods pyramid,select --seeds 3 --json out.json
python benchmarks/quality.py --pairs DIR           mean Q^AB/F over real pairs of frames in DIR/*/
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import click
import cv2
import numpy as np
from quality_methods import Method, baselines, bigstack_methods, variant
from quality_tools import ToolError, external_methods

from bigstack.errors import InputError, choose
from bigstack.kernels.quality import depth_errors, psnr, qabf, ssim
from bigstack.synthetic import SCENES, scene

Record = dict[str, object]

TABLES = {
    "psnr": ("PSNR, dB", "{:.2f}"),
    "ssim": ("SSIM", "{:.4f}"),
    "halo": ("RMS error of the image where no frame saw the pixel clean, grey levels", "{:.2f}"),
    "rmse": ("depth, RMS error, frames", "{:.3f}"),
    "mae": ("depth, mean absolute error, frames", "{:.3f}"),
    "bad1": ("depth, pixels more than one frame wrong, %", "{:.2f}"),
    "seconds": ("time, s", "{:.2f}"),
}
"""What is printed: title and number format of each column of the records."""


def measure(name: str, seed: int, size: tuple[int, int], methods: Iterable[Method]) -> list[Record]:
    """One record a method for one rendered scene."""
    rendered = scene(name, seed=seed, shape=size).compute()
    frames = rendered.stack.values
    records = []
    for method in methods:
        start = time.perf_counter()
        try:
            image, depth = method.run(frames)
        except ToolError as error:  # one tool's failure must not cost the other methods' figures
            click.echo(f"{name}, seed {seed}: {error}", err=True)
            continue
        record: Record = {"scene": name, "seed": seed, "method": method.name}
        record |= {"seconds": time.perf_counter() - start, **judge(image, depth, rendered.truth)}
        records.append(record)
    return records


def judge(image: np.ndarray, depth: np.ndarray | None, truth) -> Record:
    """Errors of one result against the truth of its scene."""
    true_image, unobserved = truth.image.values, truth.unobserved.values
    record: Record = {
        "psnr": psnr(image, true_image, data_range=255),
        "ssim": ssim(image, true_image, data_range=255),
    }
    if unobserved.any():
        error = image[unobserved].astype(np.float64) - true_image[unobserved]
        record["halo"] = float(np.sqrt(np.mean(error**2)))
    if depth is not None:
        errors = depth_errors(depth, truth.depth.values)
        record |= {
            "rmse": errors.rmse,
            "mae": errors.mae,
            "bad1": 100 * errors.bad[errors.thresholds.index(1.0)],
        }
    return record


def measure_pairs(folder: Path, methods: Iterable[Method]) -> list[Record]:
    """One record a method and pair: a subfolder with two frames, grey or colour, of one size."""
    records: list[Record] = []
    methods = list(methods)
    for pair in sorted(p for p in folder.iterdir() if p.is_dir()):
        files = sorted(
            p for p in pair.iterdir() if p.suffix.lower() in {".jpg", ".jpeg", ".png", ".tif", ".bmp"}
        )
        if len(files) != 2:
            raise click.ClickException(f"{pair} holds {len(files)} images, a pair has 2")
        frames = np.stack([cv2.imread(str(f), cv2.IMREAD_COLOR_RGB) for f in files])
        for method in methods:
            image, _ = method.run(frames)
            records.append({"scene": pair.name, "method": method.name, "qabf": qabf(*frames, image)})
    if not records:
        raise click.ClickException(f"{folder} has no subfolders with pairs of images")
    return records


def table(records: list[Record], column: str, number: str) -> str:
    """Scenes by methods, the mean over seeds; the last row is the mean over the scenes."""
    methods = list(dict.fromkeys(str(r["method"]) for r in records))
    scenes = list(dict.fromkeys(str(r["scene"]) for r in records))
    cells = {(s, m): _mean(records, column, scene=s, method=m) for s in scenes for m in methods}
    rows = [
        [s, *(cells[s, m] for m in methods)] for s in scenes if any(cells[s, m] is not None for m in methods)
    ]
    means = ["mean", *(_mean_of([row[1 + n] for row in rows]) for n in range(len(methods)))]
    return _lines(["", *methods], [*rows, means], number)


def _mean(records: list[Record], column: str, **where: str) -> float | None:
    chosen = [r for r in records if all(r[k] == v for k, v in where.items())]
    return _mean_of([r.get(column) for r in chosen])


def _mean_of(values: list[object]) -> float | None:
    numbers = [float(v) for v in values if v is not None]  # type: ignore[arg-type]
    return float(np.mean(numbers)) if numbers and len(numbers) == len(values) else None


def _lines(head: list[str], rows: list[list], number: str) -> str:
    text = [head] + [[row[0], *("-" if v is None else number.format(v) for v in row[1:])] for row in rows]
    widths = [max(len(line[n]) for line in text) for n in range(len(head))]
    lines = [
        "  ".join(
            [line[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(line[1:], widths[1:], strict=True))]
        )
        for line in text
    ]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def pick_methods(names: str, notes: Callable[[str], None]) -> list[Method]:
    """The methods asked for, in that order, or all that can run here; what cannot is noted."""
    found = {m.name: m for m in [*baselines(), *bigstack_methods(), *external_methods()]}
    wanted = [n.strip() for n in names.split(",")] if names else list(found)
    methods = [variant(name) if ":" in name else found[choose(name, found, "method")] for name in wanted]
    for method in methods:
        if method.missing:
            notes(f"{method.name} left out: {method.missing}")
    return [method for method in methods if not method.missing]


def pick_scenes(names: str) -> list[str]:
    """The scenes asked for, or all."""
    return [choose(n.strip(), SCENES, "scene") for n in names.split(",")] if names else list(SCENES)


def parse_size(text: str) -> tuple[int, int]:
    """Height and width from a text such as 480x640."""
    height, _, width = text.partition("x")
    if not (height.isdigit() and width.isdigit()):
        raise click.BadParameter(f"a size is HEIGHTxWIDTH, such as 480x640, got {text!r}")
    return int(height), int(width)


@click.command(help=__doc__)
@click.option(
    "--scenes", default="", help="Names, separated by commas; all of bigstack.synthetic.SCENES if not given."
)
@click.option("--methods", default="", help="Names, separated by commas; all that can run here if not given.")
@click.option("--seeds", default=1, show_default=True, help="Number of seeds to average over.")
@click.option(
    "--first-seed", default=0, show_default=True, help="The first of them: take fresh ones to report."
)
@click.option("--size", default="480x640", show_default=True, help="Height and width of the scenes.")
@click.option(
    "--pairs", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Folder of real pairs."
)
@click.option(
    "--json", "output", type=click.Path(dir_okay=False, path_type=Path), help="Write all records there."
)
@click.option("--list", "listing", is_flag=True, help="Say which scenes and methods there are.")
def main(
    scenes: str,
    methods: str,
    seeds: int,
    first_seed: int,
    size: str,
    pairs: Path | None,
    output: Path | None,
    listing: bool,
) -> None:
    try:
        chosen, names = pick_methods(methods, lambda note: click.echo(note, err=True)), pick_scenes(scenes)
    except InputError as error:
        raise click.UsageError(str(error)) from None
    if listing:
        for name in names:
            click.echo(f"{name:16} {SCENES[name].about}")
        click.echo("methods: " + ", ".join(m.name for m in chosen))
        return
    if pairs:
        records = measure_pairs(pairs, chosen)
        click.echo("Q^AB/F\n" + table(records, "qabf", "{:.4f}"))
    else:
        records = []
        for name in names:
            for seed in range(first_seed, first_seed + seeds):
                records += measure(name, seed, parse_size(size), chosen)
            click.echo(f"{name} done", err=True)
        for column, (title, number) in TABLES.items():
            if any(column in record for record in records):
                click.echo(f"\n{title}\n{table(records, column, number)}")
    if output:
        output.write_text(json.dumps(records, indent=1))


if __name__ == "__main__":
    main()
