"""The page as text: what is in it, what cannot get into it, how large it is."""

import base64
import json
import re
from html.parser import HTMLParser

import dask.array as da
import numpy as np
import pytest
import xarray as xr

from bigstack import fuse, write_image
from bigstack.errors import InputError, OutputExistsError
from bigstack.geometry.alignment import Alignment
from bigstack.geometry.correction import Denoise, HotPixels, Vignetting
from bigstack.io.writers.preview import Sampled
from bigstack.report.charts import Curve, chart, ticks
from bigstack.report.facts import Facts, Took
from bigstack.report.maps import shown, surface
from bigstack.report.page import check_report, render, write_report


def stack_of(frames=3, size=(60, 80), channels=3, dtype="uint8", seed=0):
    pixels = np.random.default_rng(seed).integers(0, 255, (frames, *size, channels)).astype(dtype)
    return xr.DataArray(da.from_array(pixels, chunks=(1, -1, -1, -1)), dims=("z", "y", "x", "channel"))


def data_of(text):
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)[1])


class Tags(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.found, self.words, self.open = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append(tag)
        self.open.append(tag)

    def handle_endtag(self, tag):
        self.open.pop()

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("script", "style"):
            self.words.append(data)


EVIL = "<script>alert('x')</script>{{ 7 * 7 }}\"'&"


def test_whatever_comes_from_outside_is_escaped(tmp_path):
    stack = stack_of().assign_coords(file=("z", [f"/frames/{EVIL}", "b", "c"]))
    stack.attrs = {"source": EVIL, "audit": {"checked": [EVIL], "warnings": [EVIL],
                                             "skipped": [{"name": EVIL, "problem": EVIL}]}}  # fmt: skip
    write_image(stack[0], tmp_path / "a.png")
    facts = Facts(
        stack, title=EVIL, command=EVIL, outputs={"image": tmp_path / "a.png"}, spans=[Took(EVIL, 1.0, None)],
        parameters={EVIL: EVIL}, notes=[EVIL],
    )  # fmt: skip
    plain = Tags(render(Facts(stack_of(), outputs={"image": tmp_path / "a.png"})))
    tags = Tags(render(facts))
    assert tags.found.count("script") == plain.found.count("script") == 2
    assert "".join(tags.words).count(EVIL) >= 8


def test_the_page_needs_no_network(report):
    text = report.read_text(encoding="utf-8")
    assert not re.search(r"(?:src|href)\s*=\s*[\"']?(?:https?:)?//", text)
    assert "url(" not in text
    assert "default-src 'none'" in text


def test_all_sections_are_there(report):
    text = report.read_text(encoding="utf-8")
    found = re.findall(r'<section id="([a-z]+)', text)
    assert found == ["summary", "result", "depth", "surface", "frames", "balance", "align", "time", "again"]
    assert "bigstack stack" in text or "pytest" in text
    for word in ("open and audit", "align: estimate", "balance: estimate", "compute and write", " MB</td>"):
        assert word in text


def test_a_gigapixel_of_many_frames_stays_under_15_megabytes(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (700, 900, 3), np.uint8)
    write_image(np.tile(noise, (6, 5, 1)), tmp_path / "a.jpg")
    stack = stack_of(frames=400, size=(64, 48))
    noisy = np.random.default_rng(1).random((720, 720)).astype(np.float32)
    maps = {name: Sampled(noisy, 45, (32400, 32400)) for name in ("depth", "sigma", "confidence")}
    maps |= {name: Sampled(noisy > 0.5, 45, (32400, 32400)) for name in ("valid", "unobserved")}
    maps["index"] = Sampled((noisy * 400).astype(np.uint16), 45, (32400, 32400))
    text = render(Facts(stack, outputs={"image": tmp_path / "a.jpg"}, maps=maps))
    assert 5e6 < len(text.encode()) < 15e6
    assert len(data_of(text)["frames"]) < 400
    assert "of 400 frames can be compared with" in text


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_any_stack_has_a_page(tmp_path, channels, dtype):
    stack = stack_of(channels=channels, dtype=dtype)
    result = fuse(stack)
    write_image(result.image, tmp_path / "a.tif")
    data = data_of(render(Facts(stack, outputs={"image": tmp_path / "a.tif"})))
    assert data["picture"].startswith("data:image/jpeg;base64,")
    assert len(data["frames"]) == 3


def test_tiny_and_long_images(tmp_path):
    for size in ((1, 1), (3, 900), (900, 3)):
        stack = stack_of(size=size, frames=2)
        write_image(stack[0], tmp_path / "a.png", overwrite=True)
        assert data_of(render(Facts(stack, outputs={"image": tmp_path / "a.png"})))["shape"] == list(size)


def test_all_corrections_are_shown(tmp_path):
    stack = stack_of()
    write_image(stack[0], tmp_path / "a.png")
    moved = Alignment.of([np.eye(3), [[1, 0, 4], [0, 1, 2], [0, 0, 1]], np.eye(3)], (60, 80))
    values = [
        moved,
        Vignetting("cos4", (200.0, 1e-6), (60, 80)),
        HotPixels((60, 80, 3), ((2, 5, 0),)),
        Denoise((4.0,)),
    ]
    found = [(stack, value) for value in values]
    text = render(Facts(stack, outputs={"image": tmp_path / "a.png"}, found=found))
    assert re.findall(r'<section id="([a-z-]+\d)"', text) == [
        "align-1",
        "vignetting-2",
        "hot-pixels-3",
        "denoise-4",
    ]
    assert "+4.00, +2.00" in text


def test_values_of_a_map_survive_the_page():
    values = np.linspace(-3.0, 17.5, 600, dtype=np.float32).reshape(20, 30)
    values[3, 4] = np.nan
    found = shown("depth", Sampled(values, 1, (20, 30)), "um")
    steps = np.frombuffer(base64.b64decode(found.data), "<u2").reshape(20, 30)
    read = np.where(steps > 0, found.low + (steps - 1.0) / 65534 * (found.high - found.low), np.nan)
    np.testing.assert_allclose(read, values, atol=(17.5 + 3) / 65534)
    assert shown("depth", Sampled(np.full((2, 2), np.nan), 1, (2, 2)), "") is None
    heights = surface(Sampled(values, 1, (20, 30)), found, smooth=False)
    assert heights["shape"] == [20, 30]


def test_a_report_is_not_overwritten_unasked(tmp_path):
    (tmp_path / "a.html").write_text("mine")
    with pytest.raises(OutputExistsError, match="--overwrite"):
        check_report(tmp_path / "a.html")
    with pytest.raises(InputError, match=r"\.html"):
        check_report(tmp_path / "a.pdf")
    with pytest.raises(InputError, match="does not exist"):
        check_report(tmp_path / "none" / "a.html")
    write_report(Facts(stack_of()), tmp_path / "a.html", overwrite=True)
    assert (tmp_path / "a.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.html"]


def test_charts_draw_their_values():
    drawing = chart(
        [Curve("a<b", [0, 1, 2], [1.0, np.nan, 3.0])],
        x_label="x",
        y_label="y & z",
        title="t",
        marks=[(1.0, "here")],
    )
    assert drawing.count("<circle") == 2
    assert "a&lt;b: 2, 3" in drawing
    assert "y &amp; z" in drawing
    assert "here" in drawing


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-5, 1e6), (1e-9, 2e-9), (0.99, 1.01)])
def test_ticks_are_few_round_and_inside(low, high):
    found = ticks(low, high)
    assert 2 <= len(found) <= 8
    assert low <= found[0] < found[-1] <= high * (1 + 1e-9)


def test_constant_and_empty_curves():
    for values in ([5.0, 5.0], [np.nan, np.nan], [0.0, 0.0]):
        assert "<svg" in chart([Curve("", [0, 1], values)], x_label="", y_label="", title="")
    assert "<svg" in chart([Curve("", [0, 1], [0.0, 1e-6])], x_label="", y_label="", title="", log=True)
