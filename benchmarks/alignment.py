"""How right alignment is, against rendered truth and on photographs, and how fast.

    python benchmarks/alignment.py                    everything but the large runs of speed
    python benchmarks/alignment.py truth bad          only these
    python benchmarks/alignment.py real --photos PATH [--photos PATH ...]
    python benchmarks/alignment.py speed --large      20 JPEG frames of 24 Mpixel, a Zarr 16384 a side

truth   60 frames that breathe by 12 %, turn by 2 degrees, shift by 5 % of the frame, flicker by 20 %, noisy:
        distance in pixels of where the alignment puts the corners of each frame from where they are
bad     the same with a tenth of the frames blurred, black, or showing something half a frame away: which are
        named, and what the others' corners are off by
still   rendered stacks that do not move: do they come back as the exact identity
drift   500 small frames: distance of the last frame's corners from where the first frame's say they are
real    photographs: shifts left between neighbours of blocks that are equally sharp in both, by scikit-image
        alone; what no similarity would mend of them; and the motion left over by OpenCV's ECC
speed   seconds and memory, of aligning, and of aligning and fusing in one pass
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np
import xarray as xr

from bigstack.align import apply_alignment, estimate_alignment
from bigstack.geometry.alignment import Alignment
from bigstack.geometry.transform import Transform
from bigstack.io.open import open_stack
from bigstack.synthetic import render_stack

Record = dict[str, Any]
SCENES: tuple[tuple[str, float], ...] = (("smooth", 0.3), ("steps", 0.6), ("ramp", 0.3), ("ramp", 0.6))
"""Kind of depth, and pixels of blur radius a frame: the last has places that are 35 px out of focus."""
BAD = ("blurred", "black", "half a frame away")


@click.command()
@click.argument("parts", nargs=-1, type=click.Choice(["truth", "bad", "still", "drift", "real", "speed"]))
@click.option("--photos", type=click.Path(path_type=Path), multiple=True, help="Folder of a stack.")
@click.option("--size", default="600x800", help="Height and width of what is rendered.")
@click.option("--frames", default=60, help="Frames of what is rendered.")
@click.option("--seeds", default=2, help="Scenes of each kind.")
@click.option("--large", is_flag=True, help="Speed at full size: needs 8 GB of disk and some minutes.")
@click.option("--json", "output", type=click.Path(path_type=Path), help="Write the figures there too.")
def main(
    parts: tuple[str, ...],
    photos: tuple[Path, ...],
    size: str,
    frames: int,
    seeds: int,
    large: bool,
    output: Path | None,
) -> None:
    """Run the benchmarks named, or all."""
    height, width = (int(side) for side in size.split("x"))
    options = {"shape": (height, width), "frames": frames, "seeds": seeds, "photos": photos, "large": large}
    found: dict[str, list[Record]] = {}
    for name, run in RUNS.items():
        if not parts or name in parts:
            found[name] = run(**options)
            if found[name]:
                click.echo(f"\n## {name}")
                click.echo(table(found[name]))
    if output is not None:
        output.write_text(json.dumps(found, indent=1))


def table(records: list[Record]) -> str:
    """Records as a Markdown table."""
    names = list(records[0])
    rows = [[f"{r[n]:.3g}" if isinstance(r[n], float) else str(r[n]) for n in names] for r in records]
    lines = [names, ["---"] * len(names), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def moving(
    depth: str, blur: float, shape: tuple[int, int], frames: int, seed: int, **options: Any
) -> tuple[xr.DataArray, np.ndarray]:
    """A stack that moves as hands, rails and lenses do, and the transforms from its middle frame."""
    rng = np.random.default_rng(seed)
    t = np.linspace(-0.5, 0.5, frames)
    drift = np.stack([np.sin(4 * t + rng.uniform(0, 6)), np.sin(5 * t + rng.uniform(0, 6))], axis=1)
    shift = (0.04 * drift + 0.01 * rng.uniform(-1, 1, (frames, 2))) * shape
    turn = 2 * t + 0.1 * rng.uniform(-1, 1, frames)
    movement = {"breathing": 0.12, "rotation": turn, "shift": shift, "flicker": 0.2, "noise": (2.0, 0.0)}
    made = render_stack(
        depth=depth, shape=shape, frames=frames, blur_per_frame=blur, seed=seed, **{**movement, **options}
    ).compute()
    return made.stack, made.truth.transform.values


def corner_errors(alignment: Alignment, truth: np.ndarray) -> np.ndarray:
    """Largest distance in pixels of each frame's corners from where they are."""
    back = np.linalg.inv(truth[alignment.reference])
    return np.array(
        [
            frame.transform.corner_distance(Transform.of(t @ back), alignment.shape)
            for frame, t in zip(alignment.frames, truth, strict=True)
        ]
    )


def truth(shape: tuple[int, int], frames: int, seeds: int, **_: Any) -> list[Record]:
    """Corner errors of all frames of every scene."""
    records = []
    for depth, blur in SCENES:
        for seed in range(seeds):
            stack, transforms = moving(depth, blur, shape, frames, seed)
            start = time.perf_counter()
            alignment = estimate_alignment(stack)
            seconds = time.perf_counter() - start
            errors = corner_errors(alignment, transforms)
            records.append(
                {
                    "scene": f"{depth} {blur:g} px a frame, {seed}",
                    "median px": float(np.median(errors)),
                    "max px": float(errors.max()),
                    "claimed, max px": max(frame.error or 0.0 for frame in alignment.frames),
                    "flagged": len(alignment.flagged),
                    "seconds": seconds,
                }
            )
    return records


def spoil(stack: xr.DataArray, seed: int) -> tuple[xr.DataArray, dict[int, str]]:
    """A tenth of the frames made bad, none of them the reference or at an end; which, and how."""
    rng = np.random.default_rng(seed)
    frames, _, width, _ = stack.shape
    possible = [z for z in range(1, frames - 1) if z != frames // 2]
    chosen = sorted(int(z) for z in rng.choice(possible, max(1, frames // 10), replace=False))
    values = stack.values.copy()
    kinds = {z: BAD[n % len(BAD)] for n, z in enumerate(chosen)}
    for z, kind in kinds.items():
        if kind == "blurred":
            values[z] = cv2.GaussianBlur(values[z], (0, 0), width / 40)
        elif kind == "black":
            values[z] = rng.integers(0, 6, values[z].shape)
        else:
            values[z] = np.roll(values[z], width // 2, axis=1)
    return stack.copy(data=values), kinds


def bad(shape: tuple[int, int], frames: int, seeds: int, **_: Any) -> list[Record]:
    """Bad frames named, and corner errors of the rest."""
    records = []
    for seed in range(seeds):
        stack, transforms = moving(*SCENES[0], shape, frames, seed)
        broken, kinds = spoil(stack, seed)
        alignment = estimate_alignment(broken, on_misaligned="interpolate")
        errors = corner_errors(alignment, transforms)
        good = [z for z in range(frames) if z not in kinds]
        records.append(
            {
                "seed": seed,
                "bad": len(kinds),
                "named": len(set(kinds) & set(alignment.flagged)),
                "falsely named": len(set(alignment.flagged) - set(kinds)),
                "median px of the rest": float(np.median(errors[good])),
                "max px of the rest": float(errors[good].max()),
            }
        )
    return records


def still(shape: tuple[int, int], frames: int, seeds: int, **_: Any) -> list[Record]:
    """Exact identity of stacks that do not move."""
    records = []
    for depth, blur in (("smooth", 0.3), ("steps", 0.6), ("bump", 0.6), ("ramp", 0.6)):
        for seed in range(seeds):
            stack, _ = moving(depth, blur, shape, frames, seed, breathing=0.0, rotation=0.0, shift=0.0)
            alignment = estimate_alignment(stack)
            records.append({"scene": f"{depth} {blur:g}, {seed}", "identity": alignment.is_identity})
    return records


def drift(shape: tuple[int, int], frames: int, seeds: int, **_: Any) -> list[Record]:
    """Error of the last of many small frames against the first."""
    small, many = (shape[0] * 2 // 5, shape[1] * 2 // 5), frames * 500 // 60
    records = []
    for seed in range(seeds):
        stack, transforms = moving("smooth", 0.3 * 60 / 500, small, many, seed, channels=1)
        start = time.perf_counter()
        alignment = estimate_alignment(stack)
        seconds = time.perf_counter() - start
        first, last = (alignment.transforms[z] for z in (0, many - 1))
        right = Transform.of(transforms[-1] @ np.linalg.inv(transforms[0]))
        records.append(
            {
                "frames": many,
                "size": f"{small[0]}x{small[1]}",
                "last to first px": (last @ first.inverse()).corner_distance(right, small),
                "median px": float(np.median(corner_errors(alignment, transforms))),
                "max px": float(corner_errors(alignment, transforms).max()),
                "seconds": seconds,
            }
        )
    return records


def real(photos: tuple[Path, ...], **_: Any) -> list[Record]:
    """Shifts left between neighbours in photographs."""
    records = []
    for folder in photos:
        stack = open_stack(folder)
        alignment = estimate_alignment(stack, on_misaligned="interpolate")
        aligned = apply_alignment(stack, alignment)
        before, after = block_shifts(stack), block_shifts(aligned)
        scales = alignment.decompose()["scale"]
        ends = alignment.transforms[-1] @ alignment.transforms[0].inverse()
        records.append(
            {
                "stack": folder.name,
                "frames": len(alignment),
                "flagged": len(alignment.flagged),
                "scale": float(scales[-1] / scales[0]),
                "corners move px": ends.corner_distance(Transform.identity(), alignment.shape),
                "blocks before": len(before),
                "median px before": median(before[:, 3:]),
                "blocks": len(after),
                "median px left": median(after[:, 3:]),
                "px no similarity mends": median(unmended(after)),
                "ECC px before": float(np.median(ecc_shifts(stack))),
                "ECC px left": float(np.median(ecc_shifts(aligned))),
            }
        )
    return records


def median(shifts: np.ndarray) -> float:
    """Median length in pixels of shifts (n, 2); NaN of none."""
    return float(np.median(np.hypot(*shifts.T))) if len(shifts) else float("nan")


def block_shifts(stack: xr.DataArray, size: int = 96) -> np.ndarray:
    """Shifts between neighbours of blocks that are about equally sharp in both, by scikit-image alone.

    Blocks count that have contrast, correlate by 0.8, and have half of the energy in their second derivatives
    that any frame has of them: the outlines of what is blurred in one frame move with the blur, whatever
    the alignment.

    Returns
    -------
    ndarray
        (n, 5): pair, x and y of the block, shift in x and y.
    """
    from skimage.registration import phase_cross_correlation

    grey = [frame.mean(axis=2, dtype=np.float32) for frame in stack.values]
    smooth = [cv2.GaussianBlur(frame, (0, 0), 1) for frame in grey]
    bands = [frame - cv2.GaussianBlur(whole, (0, 0), 6) for frame, whole in zip(smooth, grey, strict=True)]
    edges = [cv2.Laplacian(frame, cv2.CV_32F) for frame in smooth]
    sharp = np.array([cv2.blur(edge * edge, (size + 1, size + 1)) for edge in edges])
    window = np.outer(np.hanning(size), np.hanning(size)).astype(np.float32)
    found = []
    for n, ((a, b), (p, q)) in enumerate(
        zip(pairwise(bands), pairwise(sharp / sharp.max(axis=0)), strict=True)
    ):
        for y in range(size // 2, a.shape[0] - size, size // 2):
            for x in range(size // 2, a.shape[1] - size, size // 2):
                here = np.s_[y : y + size, x : x + size]
                least = min(p[y + size // 2, x + size // 2], q[y + size // 2, x + size // 2])
                if least < 0.5 or min(a[here].std() / a.std(), b[here].std() / b.std()) < 0.4:
                    continue
                one, other = a[here] * window, b[here] * window
                dy, dx = phase_cross_correlation(one, other, upsample_factor=50, normalization=None)[0]
                top, left = round(y - dy), round(x - dx)
                other = b[max(0, top) : top + size, max(0, left) : left + size]
                if other.shape == one.shape and _correlation(one, other * window) > 0.8:
                    found.append((n, x + size / 2, y + size / 2, dx, dy))
    return np.array(found).reshape(-1, 5)


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    return float((one * other).sum() / np.sqrt((one**2).sum() * (other**2).sum()))


def unmended(shifts: np.ndarray) -> np.ndarray:
    """What is left (n, 2) of the shifts of pairs with 6 blocks after the similarity that fits them best.

    That is parallax, glints and the error of the measure itself, which no alignment of frames takes away.
    """
    left = []
    for n in np.unique(shifts[:, 0]):
        x, y, dx, dy = shifts[shifts[:, 0] == n, 1:].T
        if len(x) < 6:
            continue
        one, nil = np.ones_like(x), np.zeros_like(x)
        x, y = x - x.mean(), y - y.mean()
        ways = np.vstack([np.stack([one, nil, x, -y], axis=1), np.stack([nil, one, y, x], axis=1)])
        target, weight = np.concatenate([dx, dy]), np.ones(2 * len(x))
        for _ in range(30):  # least absolute misses
            fit = np.linalg.lstsq(ways * weight[:, None], target * weight, rcond=None)[0]
            miss = (target - ways @ fit).reshape(2, -1)
            weight = np.tile(1 / np.sqrt(np.maximum(np.hypot(*miss), 0.05)), 2)
        left.append(miss.T)
    return np.concatenate(left) if left else np.zeros((0, 2))


def ecc_shifts(stack: xr.DataArray) -> list[float]:
    """Median shift over the frame, pair by pair of neighbours, of the affine transform of OpenCV's ECC."""
    kind = np.uint8 if stack.dtype == np.uint8 else np.float32
    grey = [frame.mean(axis=2).astype(kind) for frame in stack.values]
    height, width = grey[0].shape
    axes = np.linspace(0, width - 1, 9), np.linspace(0, height - 1, 9)
    places = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2)
    found = []
    for a, b in pairwise(grey):
        start = np.eye(2, 3, dtype=np.float32)
        try:
            matrix = cv2.findTransformECC(a, b, start, cv2.MOTION_AFFINE, (3, 100, 1e-7), None, 5)[1]
        except cv2.error:  # no overlap worth the name, or no structure
            found.append(float("inf"))
            continue
        found.append(float(np.median(np.hypot(*(places @ matrix[:, :2].T + matrix[:, 2] - places).T))))
    return found


def speed(shape: tuple[int, int], large: bool, **_: Any) -> list[Record]:
    """Seconds of aligning and fusing, each in a process of its own that tells its peak memory."""
    folder = Path(tempfile.mkdtemp(prefix="bigstack-alignment-"))
    try:
        jpeg = folder / "jpeg"
        write_photos(jpeg, (4000, 6000) if large else shape, 20)
        records = [in_process(what, jpeg) for what in ("align", "align and fuse", "fuse")]
        if large:
            zarr = folder / "stack.zarr"
            write_zarr(zarr, 16384, 20)
            records.append(in_process("align", zarr))
        return records
    finally:
        shutil.rmtree(folder)


def write_photos(folder: Path, shape: tuple[int, int], frames: int) -> None:
    """JPEG frames of a tilted scene that moves and breathes: blurred copies, mixed by defocus."""
    folder.mkdir()
    height, width = shape
    rng = np.random.default_rng(0)
    size = (height * 11 // 10, width * 11 // 10)
    scene = np.full((*size, 3), 120, np.float32)
    for octave in range(8):
        coarse = rng.standard_normal((size[0] // 2**octave + 2, size[1] // 2**octave + 2, 3), np.float32)
        scene += cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC) * (4 * 2 ** (octave * 0.35))
    sigmas = np.array([1.0, 2.5, 5.0, 10.0, 20.0])
    blurred = [cv2.GaussianBlur(scene, (0, 0), sigma) for sigma in sigmas]
    y, x = np.mgrid[: size[0], : size[1]]
    depth = (0.7 * x / size[1] + 0.3 * y / size[0]) * (frames - 1)
    for z in range(frames):
        level = np.interp(1 + np.abs(depth - z) * 1.2, sigmas, np.arange(5)).astype(np.float32)[..., None]
        frame = sum(b * np.maximum(0, 1 - np.abs(level - n)) for n, b in enumerate(blurred))
        shift = tuple(rng.uniform(-0.003, 0.003, 2) * width + np.array([width, height]) / 20)
        move = Transform.similarity(
            shape, shift=shift, scale=1 + 0.003 * (z - frames / 2), rotation=0.4 * np.sin(z)
        )
        seen = cv2.warpAffine(
            frame, move.matrix[:2], (width, height), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        )
        seen += 2 * rng.standard_normal(seen.shape, np.float32)
        pixels = np.clip(np.rint(seen), 0, 255).astype(np.uint8)
        cv2.imwrite(str(folder / f"{z:03d}.jpg"), pixels, [cv2.IMWRITE_JPEG_QUALITY, 90])


def write_zarr(path: Path, side: int, frames: int) -> None:
    """A Zarr (z, y, x) of grey frames of noise of all scales, shifted against each other by whole pixels."""
    import zarr

    rng = np.random.default_rng(0)
    scene = np.full((side + 64, side + 64), 120, np.float32)
    for octave in range(10):
        coarse = rng.standard_normal(((side + 64) // 2**octave + 2,) * 2, np.float32)
        scene += cv2.resize(coarse, scene.shape[::-1], interpolation=cv2.INTER_LINEAR) * (
            3 * 2 ** (octave * 0.35)
        )
    array = zarr.create_array(
        path,
        shape=(frames, side, side),
        chunks=(1, 1024, 1024),
        dtype="uint8",
        dimension_names=["z", "y", "x"],
    )
    for z in range(frames):
        seen = cv2.GaussianBlur(scene, (0, 0), 0.8 + abs(z - frames / 2) / 5)
        dy, dx = rng.integers(0, 64, 2)
        array[z] = np.clip(seen[dy : dy + side, dx : dx + side], 0, 255).astype(np.uint8)


def in_process(what: str, path: Path) -> Record:
    """Run one task of `speed` in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, "--child", what, str(path)], check=True, capture_output=True, text=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def peak_megabytes() -> int:
    """Largest resident memory of this process; ru_maxrss would count what the parent had when it forked."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) // 1024


def child(what: str, path: str) -> None:
    """One task of `speed`: prints a record."""
    from bigstack.fusion import fuse

    stack = open_stack(path)
    started, worked = time.perf_counter(), time.process_time()
    if "align" in what:
        alignment = estimate_alignment(stack, on_misaligned="interpolate")
        stack = apply_alignment(stack, alignment)
    if "fuse" in what:
        fuse(stack).image.compute()
    seconds = time.perf_counter() - started
    frames, height, width, _ = stack.shape
    record = {
        "what": f"{what}, {frames} x {height} x {width}{Path(path).suffix or ' jpeg'}",
        "seconds": seconds,
        "seconds a frame": seconds / frames,
        "processor seconds": time.process_time() - worked,
        "Mpixel/s": frames * height * width / 1e6 / seconds,
        "peak MB": peak_megabytes(),
    }
    print(json.dumps(record))


RUNS: dict[str, Callable[..., list[Record]]] = {
    "truth": truth,
    "bad": bad,
    "still": still,
    "drift": drift,
    "real": real,
    "speed": speed,
}

if __name__ == "__main__":
    if "--child" in sys.argv[:2]:
        child(*sys.argv[2:4])
    else:
        main()
