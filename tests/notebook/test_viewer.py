"""What the viewer shows, and that a hand can move it."""

import base64
import json
import sys
import time
from pathlib import Path

import cv2
import dask.array as da
import numpy as np
import pytest
import xarray as xr

import bigstack
from bigstack.errors import InputError
from bigstack.notebook import viewer
from bigstack.notebook.viewer import Sights, view

PIXELS = np.random.default_rng(4).integers(0, 255, (200, 300, 3), dtype=np.uint8)
SMOOTH = cv2.GaussianBlur(PIXELS, (0, 0), 8)
IMAGE = xr.DataArray(da.from_array(SMOOTH, chunks=(100, 100, 3)), dims=("y", "x", "channel"))
DEPTH = xr.DataArray(np.tile(np.arange(300, dtype=np.float32), (200, 1)), dims=("y", "x"))
STACK = xr.DataArray(da.from_array(np.stack([SMOOTH, 255 - SMOOTH])), dims=("z", "y", "x", "channel"))


def sights(**options):
    return Sights(xr.Dataset({"image": IMAGE, "depth": DEPTH}), STACK, None, **options)


def asked(kind="after", region=(0, 0, 200, 300), shape=(200, 300), layer="image", **more):
    return {"id": 1, "kind": kind, "region": list(region), "shape": list(shape), "layer": layer, **more}


def picture(found):
    return cv2.imdecode(np.frombuffer(found[1], np.uint8), cv2.IMREAD_COLOR)[..., ::-1].astype(int)


def test_a_sight_is_the_region():
    found = picture(sights().answer(asked(region=(50, 60, 150, 260), shape=(100, 200))))
    assert np.abs(found - SMOOTH[50:150, 60:260]).mean() < 2
    half = picture(sights().answer(asked(shape=(100, 150))))
    assert np.abs(half - cv2.resize(SMOOTH, (150, 100), interpolation=cv2.INTER_AREA)).mean() < 2


def test_frames_and_channels():
    found = picture(sights().answer(asked("before", frame=1)))
    assert np.abs(found - (255 - SMOOTH.astype(int))).mean() < 2
    green = picture(sights().answer(asked(channel=1)))
    assert np.abs(green[..., 0] - SMOOTH[..., 1].astype(int)).mean() < 2


def test_maps_are_coloured():
    found = picture(sights().answer(asked(layer="depth")))
    assert found[:, :20].mean((0, 1))[2] > found[:, -20:].mean((0, 1))[2]  # viridis: blue to yellow


def test_too_much_is_not_computed():
    answer, data = sights(max_pixels=1000).answer(asked())
    assert data == b""
    assert "problem" not in answer
    small = IMAGE[::4, ::4].compute()
    lazy = Sights(IMAGE.rename("image"), None, small, 1000)
    assert picture(lazy.answer(asked(shape=(50, 75)))).shape == (50, 75, 3)


def test_problems_are_shown_in_the_page():
    answer, data = sights().answer(asked(layer="nothing"))
    assert "nothing" in answer["problem"]
    assert data == b""


def test_what_cannot_be_viewed(monkeypatch):
    with pytest.raises(InputError, match="is an image"):
        view(xr.Dataset({"z": ("z", [1.0])}))
    with pytest.raises(InputError, match="crop it alike"):
        view(IMAGE, before=STACK[:, :100])
    monkeypatch.setitem(sys.modules, "anywidget", None)
    with pytest.raises(InputError, match=r"pip install 'bigstack\[notebook\]'"):
        view(IMAGE)


def test_widget_answers_messages():
    widget = bigstack.view(IMAGE, before=STACK)
    sent = []
    widget.send = lambda content, buffers: sent.append((content, buffers))
    widget._answer(asked())
    assert widget.info["frames"] == 2
    assert picture((sent[0][0], sent[0][1][0])).shape == (200, 300, 3)
    assert json.dumps(widget.info)


PAGE = """<!doctype html><meta charset=utf-8><div id=el style="width:600px"></div><script type=module>
{code}
window.asked = [];
const model = {{ get: () => ({info}), send: (m) => window.asked.push(m), on: (n, f) => {{
  window.deliver = (c, b) => f(c, b ? [Uint8Array.from(atob(b), (x) => x.charCodeAt(0))] : []); }} }};
render({{ model, el: document.getElementById("el") }});
</script>"""


def serve(browser, source):
    """Answer what the page asks for, until it asks no more."""
    quiet = 0
    while quiet < 4:
        wanted = browser.execute_script("return window.asked.splice(0)")
        quiet = 0 if wanted else quiet + 1
        for each in wanted:
            answer, data = source.answer(each)
            browser.execute_script(
                "deliver(arguments[0], arguments[1])", answer, base64.b64encode(data).decode()
            )
        time.sleep(0.1)
    return np.array(
        browser.execute_script(
            "const c = document.querySelector('canvas');"
            "const d = c.getContext('2d').getImageData(0, 0, c.width, c.height);"
            "return [c.height, c.width, ...d.data]"
        )
    )


def drawn(values):
    height, width = values[:2]
    return values[2:].reshape(height, width, 4)[..., :3].astype(int)


def test_viewer_in_a_browser(browser, tmp_path):
    from selenium.webdriver.common.keys import Keys

    source = sights()
    code = Path(viewer.__file__).with_name("viewer.js").read_text().replace("export default { render };", "")
    page = tmp_path / "page.html"
    page.write_text(PAGE.format(code=code, info=json.dumps({**source.info(), "shown": 400})))
    browser.set_window_size(1000, 800)
    browser.get(f"file://{page}")
    whole = drawn(serve(browser, source))
    assert whole.shape == (400, 600, 3)
    expected = cv2.resize(SMOOTH, (600, 400), interpolation=cv2.INTER_NEAREST).astype(int)
    assert np.abs(whole - expected).mean() < 1.5
    canvas = browser.find_element("css selector", "canvas")
    canvas.send_keys("+", "+", "+", Keys.ARROW_RIGHT)
    zoomed = drawn(serve(browser, source))
    assert np.abs(zoomed - whole).mean() > 2
    canvas.send_keys("0")
    assert np.abs(drawn(serve(browser, source)) - expected).mean() < 1.5
    browser.execute_script(
        "const [f, s] = document.querySelectorAll('input');"
        "f.value = 1; s.value = 50; f.oninput(); s.oninput()"
    )
    both = drawn(serve(browser, source))
    assert np.abs(both[:, 310:] - expected[:, 310:]).mean() < 3
    assert np.abs(both[:, :290] - (255 - expected[:, :290])).mean() < 3
    assert [e for e in browser.get_log("browser") if e["level"] == "SEVERE"] == []
