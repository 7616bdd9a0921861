"""Every focus measure against rendered truth: depth error by noise, contrast and window (Pertuz et al. 2013).

python benchmarks/focus_measures.py                        all measures: about 4 minutes on one core
python benchmarks/focus_measures.py --measures sml,rdf --scenes hill --seeds 2
python benchmarks/focus_measures.py --real FOLDER          a stack of image_N.jpg with gt_index.npy beside

Depth is the number of the frame where the measure is highest: no refinement, no smoothing but the window.
The error is the root of the mean square of its difference from the true depth, in frames; no whole number
can be nearer than 0.29 on average. Noise is in percent of full scale.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import click
import cv2
import numpy as np

from bigstack.kernels.depth.estimate import estimate
from bigstack.kernels.depth.three_point import three_point
from bigstack.kernels.focus import MEASURES, Measure
from bigstack.synthetic import render_stack

SCENES = {
    "hill": {"texture": "fractal", "depth": "bump"},
    "photo": {"texture": "photo", "depth": "smooth"},
    "steps": {"texture": "photo", "depth": "steps"},
}
NOISE = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0)
CONTRAST = (1.0, 0.5, 0.25)
WINDOWS = (3, 5, 7, 9, 11, 15)
USUAL = 1.0
"""Noise in percent where something else varies."""

SLOW = ("eigenvalue",)
"""Measures that are left out of the sweeps unless they are asked for by name."""


@dataclass(frozen=True)
class Shot:
    """Frames (z, y, x) uint8 and their true depth (y, x) in frames."""

    frames: np.ndarray
    depth: np.ndarray


def render(scene: str, seed: int, size: tuple[int, int], noise: float, contrast: float) -> Shot:
    """A scene at a noise in percent; contrast shrinks its grey levels about the middle, not the noise."""
    options = SCENES[scene]
    rendered = render_stack(
        **options, shape=size, channels=1, seed=seed, noise=(noise * 2.55 / contrast, 0.0), dtype="float32"
    )
    grey = rendered.stack.values[..., 0] * 255
    frames = np.clip(np.rint(127.5 + contrast * (grey - 127.5)), 0, 255).astype(np.uint8)
    return Shot(frames, rendered.truth.depth.values)


def depth_error(shot: Shot, function: Callable[[np.ndarray], np.ndarray]) -> float:
    """RMS error in frames of the sharpest frame's number."""
    best = np.full(shot.depth.shape, -1, np.float32)
    index = np.zeros(shot.depth.shape)
    for z, frame in enumerate(shot.frames):
        focus = function(frame)
        won = focus > best
        best[won], index[won] = focus[won], z
    return float(np.sqrt(np.mean((index - shot.depth) ** 2)))


def windowed(measure: Measure, window: int) -> Callable[[np.ndarray], np.ndarray]:
    """The measure with a window of this side; of Gaussian windows the standard deviation is as wide."""
    if "outer" in measure.options and "window" not in measure.options:
        return measure.bind(outer=((window**2 - 1) / 12) ** 0.5)
    return measure.bind(window=window)


def sweep(
    names: Iterable[str],
    scenes: Iterable[str],
    seeds: Iterable[int],
    size: tuple[int, int],
    windows: Iterable[int],
) -> list[dict[str, object]]:
    """One record a measure, condition, scene and seed."""
    records: list[dict[str, object]] = []
    conditions = [(noise, 1.0) for noise in NOISE] + [(USUAL, contrast) for contrast in CONTRAST[1:]]
    for scene in scenes:
        for seed in seeds:
            for noise, contrast in conditions:
                shot = render(scene, seed, size, noise, contrast)
                where = {"scene": scene, "seed": seed, "noise": noise, "contrast": contrast}
                for name in names:
                    measure = MEASURES[name]
                    records += _try_windows(shot, measure, [*windows], where)
    return records


def _try_windows(
    shot: Shot, measure: Measure, windows: list[int], where: dict[str, object]
) -> list[dict[str, object]]:
    start = time.perf_counter()
    found = [{"window": "default", "rmse": depth_error(shot, measure.bind())}]
    seconds = time.perf_counter() - start
    found += [{"window": w, "rmse": depth_error(shot, windowed(measure, w))} for w in windows]
    speed = shot.frames.size / seconds / 1e6
    return [{"measure": measure.name, **where, **item, "mpix_per_s": speed} for item in found]


def real_error(folder: Path, names: Iterable[str], windows: Iterable[int]) -> list[dict[str, object]]:
    """Errors on a recorded stack whose depth is known: image_1.jpg, image_2.jpg, ... and gt_index.npy.

    The arg-max of each measure, and the peak of the curve through it and its two neighbours. What whole
    frames cost is shown by the truth itself, and by bigstack's refined depth, both rounded.
    """
    files = sorted(folder.glob("image_*"), key=lambda path: int(path.stem.rpartition("_")[2]))
    frames = np.stack([cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) for path in files])
    truth = np.load(folder / "gt_index.npy")
    top, left = (frames.shape[1] - truth.shape[0]) // 2, (frames.shape[2] - truth.shape[1]) // 2
    inside = (slice(top, top + truth.shape[0]), slice(left, left + truth.shape[1]))

    def error(depth: np.ndarray) -> float:
        return float(np.sqrt(np.mean((depth - truth) ** 2)))

    def focus_of(function: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        return np.stack([function(frame)[inside] for frame in frames]).astype(np.float32)

    refined = estimate(frames[..., None]).depth[inside]
    found = [
        ("(truth, to whole frames)", "default", np.rint(truth)),
        ("(depth_from_focus)", "default", refined),
        ("(depth_from_focus, to whole frames)", "default", np.rint(refined)),
    ]
    for name in names:
        for window in ("default", *windows):
            measure = MEASURES[name]
            focus = focus_of(measure.bind() if window == "default" else windowed(measure, int(window)))
            label = focus.argmax(axis=0)
            found.append((name, window, label))
            # Where focus is 0 its logarithm is that of next to nothing.
            peaks = three_point(label, focus / np.float32(focus.mean()), gaussian=True)
            found.append((f"{name}, three-point peak", window, peaks))
    return [{"measure": name, "window": window, "rmse": error(depth)} for name, window, depth in found]


def table(records: list[dict[str, object]], column: str, **where: object) -> str:
    """Mean error, measures by the values of a column, best mean first."""
    chosen = [r for r in records if all(r.get(k) == v for k, v in where.items())]
    heads = list(dict.fromkeys(r[column] for r in chosen))
    rows = []
    for name in dict.fromkeys(r["measure"] for r in chosen):
        cells = [_mean([r["rmse"] for r in chosen if r["measure"] == name and r[column] == h]) for h in heads]
        rows.append((name, cells))
    rows.sort(key=lambda row: np.nanmean(row[1]))
    lines = ["| " + " | ".join(["measure", *map(str, heads)]) + " |", "|---|" + "---|" * len(heads)]
    lines += [f"| {name} | " + " | ".join(_number(cell) for cell in cells) + " |" for name, cells in rows]
    return "\n".join(lines)


def _mean(values: list[object]) -> float:
    return float(np.mean([float(v) for v in values])) if values else float("nan")  # type: ignore[arg-type]


def _number(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.3f}"


@click.command()
@click.option("--measures", help="Names, comma separated; all fast ones when not given.")
@click.option("--scenes", default=",".join(SCENES), show_default=True)
@click.option("--seeds", default=2, show_default=True, help="Scenes of each kind.")
@click.option("--first-seed", default=100, show_default=True)
@click.option("--size", default="200x260", show_default=True, help="Height x width of the scenes.")
@click.option("--windows", default=",".join(map(str, WINDOWS)), show_default=True)
@click.option("--real", multiple=True, type=click.Path(exists=True, path_type=Path), help="Recorded stacks.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Also write all records here.")
def main(
    measures: str | None,
    scenes: str,
    seeds: int,
    first_seed: int,
    size: str,
    windows: str,
    real: tuple[Path, ...],
    json_path: Path | None,
) -> None:
    """Print tables of depth errors."""
    cv2.setNumThreads(1)
    names = measures.split(",") if measures else [name for name in MEASURES if name not in SLOW]
    sides = [int(part) for part in windows.split(",") if part]
    records: list[dict[str, object]] = []
    if real:
        for folder in real:
            found = real_error(folder, names, sides)
            click.echo(f"\n{folder.name}: RMS error by window\n\n{table(found, 'window')}")
            records += [{"scene": folder.name, **record} for record in found]
    else:
        height, width = (int(part) for part in size.split("x"))
        records = sweep(
            names, scenes.split(","), range(first_seed, first_seed + seeds), (height, width), sides
        )
        _report(records)
    if json_path is not None:
        json_path.write_text(json.dumps(records, indent=1))


def _report(records: list[dict[str, object]]) -> None:
    plain = {"contrast": 1.0, "window": "default"}
    click.echo(f"\nBy noise in percent, default windows\n\n{table(records, 'noise', **plain)}")
    usual = [r for r in records if r["noise"] == USUAL]
    click.echo(
        f"\nBy contrast, noise {USUAL} %, default windows\n\n{table(usual, 'contrast', window='default')}"
    )
    click.echo(f"\nBy window, noise {USUAL} %\n\n{table(usual, 'window', contrast=1.0)}")
    strong = [r for r in records if r["noise"] == 5.0]
    click.echo(f"\nBy window, noise 5 %\n\n{table(strong, 'window', contrast=1.0)}")
    click.echo(f"\nBy scene, noise {USUAL} %, default windows\n\n{table(usual, 'scene', **plain)}")
    best = [r for r in records if r["window"] != "default" and r["contrast"] == 1.0]
    click.echo(f"\nBy noise in percent, the window of each that is best there\n\n{_best_windows(best)}")
    speeds = {name: max(r["mpix_per_s"] for r in records if r["measure"] == name) for name in _names(records)}
    click.echo(
        "\nMpix/s, default, one core: " + ", ".join(f"{name} {rate:.0f}" for name, rate in speeds.items())
    )


def _best_windows(records: list[dict[str, object]]) -> str:
    kept = []
    for name in _names(records):
        for noise in NOISE:
            found = [r for r in records if r["measure"] == name and r["noise"] == noise]
            windows = dict.fromkeys(r["window"] for r in found)
            errors = {w: _mean([r["rmse"] for r in found if r["window"] == w]) for w in windows}
            if errors:
                kept.append({"measure": name, "noise": noise, "rmse": min(errors.values())})
    return table(kept, "noise")


def _names(records: list[dict[str, object]]) -> list[str]:
    return list(dict.fromkeys(str(r["measure"]) for r in records))


if __name__ == "__main__":
    main()
