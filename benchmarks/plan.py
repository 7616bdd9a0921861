"""Does `bigstack plan` tell what a run then takes?

    python benchmarks/plan.py                  five configurations: 3 min
    python benchmarks/plan.py jpeg depth       some of them

Each is planned with --calibrate, then run in a fresh process. Memory is the largest anonymous resident memory
of the process as the operating system says it, sampled every 50 ms; bytes are those that its decoders counted
(`bigstack.io.meter`); time is that of the process. Exits with 1 where memory is more than 25 %, bytes more
than 5 % or time more than 40 % from what was planned.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import click
from speed import Case, make, shrunk, watch

CASES = {
    "jpeg": Case("jpg", 16, 3000, 4000, 3, "out.tif", ("--align", "none")),
    "tiff16": Case("tiled", 8, 3000, 4000, 3, "out.tif", ("--align", "none")),
    "zarr": Case("zarr", 12, 8192, 8192, 1, "out.ome.zarr", ("--align", "none", "--memory-limit", "1GB")),
    "depth": Case("zarr", 10, 2048, 2048, 1, "out.ome.zarr", ("--align", "none", "--method", "depth")),
    "aligned": Case("jpg", 16, 2000, 3000, 3, "out.tif"),
}

MOST = {"memory": 0.25, "bytes": 0.05, "seconds": 0.40}
"""How far a plan may be from what is measured, as a share of that."""

CHILD = """
import atexit, json, sys
from pathlib import Path
def tell():
    from bigstack.io.meter import DECODED
    Path(sys.argv[1]).write_text(json.dumps(DECODED.bytes))
atexit.register(tell)
from bigstack.cli import main
main(sys.argv[2:])
"""


@click.command()
@click.argument("cases", nargs=-1, type=click.Choice(list(CASES)))
@click.option("--folder", type=click.Path(path_type=Path), default=Path("/tmp/bigstack-bench"))
@click.option("--shrink", default=1, help="Divide height and width by this, for a quick look.")
@click.option("--seconds", default=8.0, help="How long a calibration may take, about.")
@click.option("--keep/--no-keep", default=False, help="Keep the made inputs for the next time.")
def main(cases: tuple[str, ...], folder: Path, shrink: int, seconds: float, keep: bool) -> None:
    """Hold plans against runs."""
    click.echo(f"{'case':8} {'what':8} {'planned':>9} {'measured':>9} {'off':>6}")
    missed = False
    for name in cases or CASES:
        case = shrunk(CASES[name], shrink)
        place = folder / f"plan-{case.kind}-{case.frames}x{case.height}x{case.width}"
        source = make(case, place)
        words = [str(source), "-o", str(place / case.output), *case.options]
        planned, measured = plan(words, seconds), run(words, place)
        for what, most in MOST.items():
            off = planned[what] / measured[what] - 1
            good = abs(off) <= most
            missed = missed or not good
            scale = 1 if what == "seconds" else 1e6
            unit = {"memory": "MB", "bytes": "MB", "seconds": "s"}[what]
            told, found = (f"{each[what] / scale:6.1f} {unit:2}" for each in (planned, measured))
            click.echo(f"{name:8} {what:8} {told} {found} {off:+6.0%} {'pass' if good else 'MISS'}")
        if not keep:
            shutil.rmtree(place)
    if missed:
        raise SystemExit(1)


def plan(words: list[str], seconds: float) -> dict[str, float]:
    """What the plan says, of a process of its own."""
    command = [sys.executable, "-m", "bigstack", "plan", *words, "--json"]
    how = ["--calibrate", "--calibrate-seconds", str(seconds)]
    found = json.loads(subprocess.run([*command, *how], check=True, capture_output=True, text=True).stdout)
    return {"memory": found["peak_memory"], "bytes": found["bytes_read"], "seconds": found["seconds"]}


def run(words: list[str], place: Path) -> dict[str, float]:
    """What the run takes."""
    count = place / "bytes.json"
    command: list[Any] = [sys.executable, "-c", CHILD, count, "stack", *words, "--overwrite", "-q"]
    started = time.perf_counter()
    process = subprocess.Popen(command)
    peak = [0, 0]
    watcher = threading.Thread(target=watch, args=(process, peak), daemon=True)
    watcher.start()
    if process.wait() != 0:
        raise SystemExit(f"failed: {' '.join(map(str, command[3:]))}")
    seconds = time.perf_counter() - started
    watcher.join()
    return {"memory": peak[0], "bytes": json.loads(count.read_text()), "seconds": seconds}


if __name__ == "__main__":
    main()
