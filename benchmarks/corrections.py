"""How right the corrections are, against rendered truth and on photographs, and how fast.

    python benchmarks/corrections.py                    everything
    python benchmarks/corrections.py vignetting noise   only these
    python benchmarks/corrections.py balance --photos PATH/amber_handheld

balance     light and tint of all frames against the reference frame's
flicker     factors against the truth's where the scene breathes too: from the mean, and all frames together
vignetting  largest error of V(r) on rendered scenes, both methods, and the model that was chosen
hot         hot pixels found and falsely found in rendered stacks, both rules, and the error after filling
noise       PSNR of non-local means, ours as it comes and OpenCV's at its best strength
speed       input megapixels a second that are measured and corrected, RGB
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import cv2
import dask.array as da
import numpy as np
import xarray as xr

from bigstack import correct
from bigstack.kernels.correction.denoise import denoise as nlm
from bigstack.kernels.correction.vignetting import falloff
from bigstack.synthetic import render_stack

LUMA = np.array([0.299, 0.587, 0.114])
SCENES = ("flat", "checker", "lines", "dots", "patches", "fractal", "photo")
Record = dict[str, Any]


@click.command()
@click.argument(
    "parts", nargs=-1, type=click.Choice(["balance", "flicker", "vignetting", "hot", "noise", "speed"])
)
@click.option("--photos", type=click.Path(path_type=Path), help="Folder of a stack of photographs.")
@click.option("--size", default="480x640", help="Height and width of what is rendered.")
@click.option("--seeds", default=3, help="Scenes of each kind.")
@click.option("--json", "output", type=click.Path(path_type=Path), help="Write the figures there too.")
def main(parts: tuple[str, ...], photos: Path | None, size: str, seeds: int, output: Path | None) -> None:
    """Run the benchmarks named, or all."""
    height, width = (int(side) for side in size.split("x"))
    found: dict[str, list[Record]] = {}
    for name, run in RUNS.items():
        if not parts or name in parts:
            found[name] = run((height, width), seeds, photos)
            click.echo(f"\n## {name}")
            click.echo(table(found[name]))
    if output is not None:
        output.write_text(json.dumps(found, indent=1))


def table(records: list[Record]) -> str:
    """Records as a Markdown table."""
    names = list(records[0])
    rows = [[f"{r[n]:.4g}" if isinstance(r[n], float) else str(r[n]) for n in names] for r in records]
    lines = [names, ["---"] * len(names), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def balance(shape: tuple[int, int], seeds: int, photos: Path | None) -> list[Record]:
    """Largest difference of mean luminance and tint from the reference frame's, in percent."""
    stacks = {}
    if photos is not None:
        import bigstack

        stacks[photos.name] = bigstack.open_stack(photos)
    for seed in range(seeds):
        gains = np.random.default_rng(seed).uniform(0.8, 1.2, (12, 3))
        stacks[f"rendered {seed}"] = render_stack(
            shape=shape, frames=12, flicker=gains, seed=seed, reference=6
        ).stack
    records = []
    for name, stack in stacks.items():
        for space in ("lumi", "rgb", "hsv", "hls", "lab"):
            for curve in ("linear", "gamma", "match_hist"):
                value = correct.estimate_balance(stack, space=space, curve=curve)
                before, after = (
                    _light(stack, value.reference),
                    _light(correct.correct_balance(stack, value), value.reference),
                )
                records.append(
                    {
                        "stack": name,
                        "space": space,
                        "curve": curve,
                        "luminance % before": before[0],
                        "after": after[0],
                        "tint % before": before[1],
                        "tint after": after[1],
                    }
                )
    return records


def _light(stack: xr.DataArray, reference: int | None) -> tuple[float, float]:
    means = np.array([stack[z].values.mean(axis=(0, 1), dtype=float) for z in range(stack.sizes["z"])])
    light = means @ LUMA
    tint = means / light[:, None]
    assert reference is not None
    return (
        100 * float(np.abs(light / light[reference] - 1).max()),
        100 * float(np.abs(tint / tint[reference] - 1).max()),
    )


def flicker(shape: tuple[int, int], seeds: int, photos: Path | None) -> list[Record]:
    """Error of the factors in percent, 40 frames that flicker by 20 %, scale growing by 12 %.

    "step" is the root mean square change of that error from a frame to the next: the flicker that is left.
    """
    records = []
    for scene in ("photo", "patches", "highlights"):
        for seed in range(seeds):
            gains = np.random.default_rng(seed).uniform(0.8, 1.2, 40)
            stack = render_stack(
                texture=scene, depth="bump", shape=(shape[0] // 2, shape[1] // 2), frames=40,
                flicker=gains, breathing=0.12, seed=seed,
            ).stack  # fmt: skip
            record: Record = {"scene": scene, "seed": seed}
            for reference in ("middle", "global"):
                value = correct.estimate_balance(stack, space="lumi", reference=reference)  # type: ignore[arg-type]
                errors = np.array(value.curves).ravel() * gains
                errors = errors / np.median(errors) - 1
                record[f"{reference} rms %"] = 100 * float(np.sqrt(np.mean(errors**2)))
                record[f"{reference} worst %"] = 100 * float(np.abs(errors).max())
                record[f"{reference} step %"] = 100 * float(np.sqrt(np.mean(np.diff(errors) ** 2)))
            records.append(record)
    return records


def vignetting(shape: tuple[int, int], seeds: int, photos: Path | None) -> list[Record]:
    """Largest error of V over the frame, mean and worst of all seeds, corners 20 and 50 % darker."""
    y, x = (np.arange(side) - (side - 1) / 2 for side in shape)
    radius = np.hypot(y[:, None], x)
    records = []
    for scene in SCENES:
        for loss in (0.2, 0.5):
            truth = (1 + ((1 - loss) ** -0.5 - 1) * (radius / radius.max()) ** 2) ** -2
            record: Record = {"scene": scene, "loss": loss}
            for method in ("gradients", "rings"):
                errors, models = [], set()
                for seed in range(seeds):
                    stack = render_stack(
                        texture=scene, depth="ramp", shape=shape, frames=5, vignetting=loss, seed=seed
                    ).stack
                    value = correct.estimate_vignetting(stack, method=method)  # type: ignore[arg-type]
                    light = falloff(radius, value.model, value.parameters)
                    errors.append(float(np.abs(light - truth).max()))
                    models.add(value.model)
                record |= {
                    method: float(np.mean(errors)),
                    f"{method} worst": max(errors),
                    f"{method} model": "/".join(sorted(models)),
                }
            records.append(record)
    return records


def hot(shape: tuple[int, int], seeds: int, photos: Path | None) -> list[Record]:
    """Hot pixels (0.1 % a channel) found, missed and made up; mean error of theirs after filling."""
    records = []
    for scene in ("photo", "dots", "fractal"):
        for rule, options in (("noise", {}), ("threshold 13", {"thresholds": 13})):
            found, false, hot_pixels, before, after = 0, 0, 0, [], []
            for seed in range(seeds):
                render: dict[str, Any] = {"texture": scene, "shape": shape, "frames": 12, "seed": seed}
                clean = render_stack(**render).stack.values.astype(float)
                stack = render_stack(hot_pixels=0.001, **render).stack
                values = stack.values.astype(float)
                wrong = {tuple(p) for p in np.argwhere(np.median(values - clean, axis=0) > 0).tolist()}
                try:
                    value = correct.estimate_hot_pixels(stack, **options)
                except ValueError as error:
                    click.echo(f"{scene} {seed}: {error}", err=True)
                    continue
                positions = set(value.positions)
                hot_pixels += len(wrong)
                found += len(wrong & positions)
                false += len(positions - wrong)
                spots = (slice(None), *np.array(sorted(wrong)).T)
                filled = correct.correct_hot_pixels(stack, value).values.astype(float)
                before.append(float(np.abs(values[spots] - clean[spots]).mean()))
                after.append(float(np.abs(filled[spots] - clean[spots]).mean()))
            records.append(
                {
                    "scene": scene,
                    "rule": rule,
                    "hot": hot_pixels,
                    "found": found,
                    "false": false,
                    "error before": float(np.mean(before or [np.nan])),
                    "after": float(np.mean(after or [np.nan])),
                }
            )
    return records


def noise(shape: tuple[int, int], seeds: int, photos: Path | None) -> list[Record]:
    """PSNR in dB of one sharp frame with Gaussian noise; OpenCV's strength is the best of eight."""
    records = []
    for scene in ("photo", "patches", "dots", "fractal"):
        truth = (
            render_stack(texture=scene, depth="plane", shape=shape, frames=1, noise=(0, 0)).stack[0].values
        )
        for sigma in (2.0, 5.0, 15.0, 30.0):
            rng = np.random.default_rng(0)
            noisy = np.clip(np.rint(truth + rng.normal(0, sigma, truth.shape)), 0, 255).astype(np.uint8)
            theirs = max(
                _psnr(cv2.fastNlMeansDenoising(noisy, None, float(k * sigma), 7, 21), truth)
                for k in (0.3, 0.5, 0.6, 0.8, 1.0, 1.2, 1.5, 2.0)
            )
            records.append(
                {
                    "scene": scene,
                    "sigma": sigma,
                    "noisy": _psnr(noisy, truth),
                    "bigstack": _psnr(nlm(noisy, (sigma,) * 3), truth),
                    "OpenCV's best": theirs,
                }
            )
    return records


def _psnr(image: np.ndarray, truth: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.mean((image.astype(float) - truth) ** 2)))


def speed(shape: tuple[int, int], seeds: int, photos: Path | None) -> list[Record]:
    """Megapixels a second through each step, from memory, all processors; the best of three."""
    frames = np.random.default_rng(0).integers(0, 256, (6, *shape, 3), np.uint8)
    records = []
    for dtype in ("uint8", "uint16", "float32"):
        scale = {"uint8": 1, "uint16": 257, "float32": 1 / 255}[dtype]
        pixels = (
            (frames * np.float32(scale)).astype(dtype) if dtype == "float32" else frames.astype(dtype) * scale
        )
        stack = xr.DataArray(
            da.from_array(pixels.astype(dtype), chunks=(1, 1024, 1024, -1)), dims=("z", "y", "x", "channel")
        )
        for name, step in _steps(stack, float(10 * scale)).items():
            seconds = min(_seconds(step) for _ in range(3))
            records.append({"dtype": dtype, "step": name, "Mpix/s": stack.size / 3e6 / seconds})
    return records


def _steps(stack: xr.DataArray, sigma: float) -> dict[str, Callable[[], object]]:
    balances = {
        space: correct.estimate_balance(stack, space=space, curve="gamma", reference=0)
        for space in ("rgb", "hls", "lab")
    }
    light = correct.estimate_vignetting(stack, method="rings")
    steps: dict[str, Callable[[], object]] = {
        "read only": lambda: stack.sum().compute(),
        "estimate balance": lambda: correct.estimate_balance(stack),
        "estimate vignetting": lambda: correct.estimate_vignetting(stack),
        "estimate hot pixels": lambda: correct.estimate_hot_pixels(stack),
        "vignetting": lambda: correct.correct_vignetting(stack, light).sum().compute(),
        "denoise": lambda: correct.denoise(stack, noise=sigma).sum().compute(),
    }
    for space, value in balances.items():
        steps[f"balance {space}"] = lambda v=value: correct.correct_balance(stack, v).sum().compute()  # type: ignore[misc]
    return steps


def _seconds(step: Callable[[], object]) -> float:
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


RUNS = {
    "balance": balance,
    "flicker": flicker,
    "vignetting": vignetting,
    "hot": hot,
    "noise": noise,
    "speed": speed,
}

if __name__ == "__main__":
    main()
