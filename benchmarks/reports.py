"""What `--report` costs, and how large its page is.

    python benchmarks/reports.py               7 frames of 6000 x 4000 RGB JPEG
    python benchmarks/reports.py gigapixel     4 frames of 32768 x 32768 grey OME-Zarr, --memory-limit 2GB

Each case is run without and with a report; stacks are made as for speed.py, once, in --folder.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import click
from speed import Case, make, run, shrunk

CASES = {
    "photographs": Case("jpg", 7, 4000, 6000, 3, "out.tif"),
    "gigapixel": Case("zarr", 4, 32768, 32768, 1, "out.ome.zarr", ("--memory-limit", "2GB")),
}


@click.command()
@click.argument("cases", nargs=-1, type=click.Choice(list(CASES)))
@click.option("--folder", type=click.Path(path_type=Path), default=Path("/tmp/bigstack-bench"))
@click.option("--shrink", default=1, help="Divide height and width by this, for a quick look.")
@click.option("--keep/--no-keep", default=True, help="Keep the made inputs for the next time.")
@click.option("--only-make", is_flag=True, help="Make the inputs and stop.")
def main(cases: tuple[str, ...], folder: Path, shrink: int, keep: bool, only_make: bool) -> None:
    """Time `bigstack stack` with and without a report."""
    click.echo(
        f"{'case':12} {'s without':>9} {'s with':>7} {'anon MB without':>15} {'with':>5} {'page MB':>8}"
    )
    for name in cases or ("photographs",):
        case = shrunk(CASES[name], shrink)
        place = folder / f"reports-{case.kind}-{case.frames}x{case.height}x{case.width}"
        source = make(case, place)
        if only_make:
            continue
        page = place / "report.html"
        plain = run(case, source, place, ())
        shown = run(case, source, place, ("--report", str(page)))
        click.echo(
            f"{name:12} {plain[0]:9.1f} {shown[0]:7.1f} {plain[1] / 1e6:15.0f} {shown[1] / 1e6:5.0f} "
            f"{page.stat().st_size / 1e6:8.2f}"
        )
        if not keep:
            shutil.rmtree(place)


if __name__ == "__main__":
    main()
