"""--report on every command that has it."""

import re

import numpy as np
import pytest

from bigstack.geometry import Tile
from bigstack.io.sink import ImageSpec
from bigstack.io.writers.preview import PreviewSink


def sections(path):
    return re.findall(r'<section id="([a-z]+)', path.read_text(encoding="utf-8"))


def test_a_job_has_a_page_for_each_image(bigstack, frames, tmp_path):
    (tmp_path / "job.toml").write_text(
        f'[input]\npath = "{frames}"\n[output]\nfolder = "out"\n[[steps]]\ndo = "balance"\n'
        '[[steps]]\ndo = "fuse"\n[[steps]]\ndo = "fuse"\nname = "mean"\nmethod = "average"\n'
    )
    code, said, errors = bigstack("run", tmp_path / "job.toml", "--report", tmp_path / "page.html")
    assert code == 0, errors
    pages = sorted(tmp_path.glob("page-*.html"))
    assert [page.name for page in pages] == ["page-frames0-fuse.html", "page-frames0-mean.html"]
    assert all(f"wrote {page}" in said for page in pages)
    assert sections(pages[0]) == [
        "summary",
        "result",
        "depth",
        "surface",
        "frames",
        "balance",
        "time",
        "again",
    ]
    assert sections(pages[1]) == ["summary", "result", "frames", "balance", "time", "again"]


def test_a_job_that_is_up_to_date_has_a_page_too(bigstack, frames, tmp_path):
    (tmp_path / "job.toml").write_text(f'[input]\npath = "{frames}"\n[[steps]]\ndo = "fuse"\n')
    assert bigstack("run", tmp_path / "job.toml", "-q")[0] == 0
    assert bigstack("run", tmp_path / "job.toml", "--report", tmp_path / "page.html", "-q")[0] == 0
    assert "result" in sections(tmp_path / "page.html")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--report", "page.txt"), ".html"),
        (("--report", "nowhere/page.html"), "does not exist"),
        (("--report", "page.html", "--task", "1/2"), "leave --task and --finish away"),
    ],
)
def test_what_cannot_be_is_said_before_any_work(bigstack, frames, tmp_path, words, text):
    words = [tmp_path / word if "page" in word else word for word in words]
    code, _, errors = bigstack("stack", frames, "-o", tmp_path / "a.ome.zarr", *words)
    assert code == 2
    assert text in errors
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_goes_on_has_samples_of_its_own_tiles():
    """Tiles of an earlier run are not computed again for the page."""

    class Beside:
        def done_tiles(self):
            return frozenset({Tile(0, 4, 0, 8)})

    sink = PreviewSink(ImageSpec((8, 8, 1), "float32"), "depth", [Beside()])
    sink.open()
    assert sink.done_tiles() == {Tile(0, 4, 0, 8)}
    tile = Tile(4, 8, 0, 8)
    sink.put(tile, sink.encode(tile, np.ones((4, 8, 1), np.float32)))
    found = sink.sampled()
    assert found.missing
    assert np.isnan(found.values[:4]).all()
    assert (found.values[4:] == 1).all()


@pytest.mark.parametrize("form", ["png", "pdf"])
def test_plots_of_a_stack(bigstack, frames, tmp_path, form):
    code, said, errors = bigstack(
        "stack", frames, "-o", tmp_path / "a.png", "--align", "none", "--balance", "lumi",
        "--plots", tmp_path / "plots", "--plot-format", form,
    )  # fmt: skip
    assert code == 0, errors
    names = sorted(path.name for path in (tmp_path / "plots").iterdir())
    assert names == [f"1-balance.{form}", f"1-histograms.{form}", f"sharpness.{form}"]
    assert f"sharpness.{form}" in said


def test_depth_that_would_wait_in_memory_is_not_kept(bigstack, frames, tmp_path, monkeypatch):
    from bigstack.jobs import results

    monkeypatch.setattr(results, "INDEX_BYTES", 10**6)
    for name, shown in (("a.ome.zarr", False), ("a.png", True)):
        page = tmp_path / f"{name}.html"
        assert (
            bigstack("stack", frames, "-o", tmp_path / name, "--align", "none", "--report", page, "-q")[0]
            == 0
        )
        assert ("depth" in sections(page)) == shown
        assert ("Depth is not shown" in page.read_text(encoding="utf-8")) != shown
