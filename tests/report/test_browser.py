"""The page in a real browser: it is used as a person would."""

import base64
import time

import cv2
import numpy as np
import pytest
import tifffile

from bigstack import open_stack


def pixels_of(element):
    data = np.frombuffer(base64.b64decode(element.screenshot_as_base64), np.uint8)
    return cv2.imdecode(data, cv2.IMREAD_COLOR)


def wait(browser, script):
    for _ in range(100):
        if browser.execute_script(f"return {script}"):
            return
        time.sleep(0.05)
    raise AssertionError(f"never came true: {script}")


def opened(browser, path):
    browser.get(f"file://{path}")
    wait(browser, "window.bigstack && bigstack.viewer && bigstack.surface")
    return browser


def errors(browser):
    return [entry for entry in browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]


@pytest.fixture
def page(browser, report):
    browser.set_window_size(1280, 900)
    opened(browser, report)
    yield browser
    assert errors(browser) == []


def shown(page, identity):
    element = page.find_element("id", identity)
    page.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
    return element


def drag(page, element, start, by):
    from selenium.webdriver import ActionChains

    chain = ActionChains(page, duration=20).move_to_element_with_offset(element, *start).click_and_hold()
    chain.move_by_offset(*by).release().perform()


def test_hostile_names_stay_text(page):
    names = [option.text for option in page.find_elements("css selector", "#frame option")]
    assert names[0] == "a <script>alert(1)<script>.png"
    assert names[1].startswith('b "><img src=x')
    assert names[2] == "c '&amp;{{7*7}}.png"
    assert page.find_elements("css selector", "img, main script") == []
    assert [entry for entry in page.execute_script("return performance.getEntriesByType('resource')") if
            not entry["name"].startswith("data:")] == []  # fmt: skip


def test_the_slider_moves_the_border_between_frame_and_result(page):
    from selenium.webdriver.common.keys import Keys

    viewer = shown(page, "viewer")
    page.execute_script(
        "const s = document.getElementById('split'); s.value = 0; s.dispatchEvent(new Event('input'))"
    )
    result = pixels_of(viewer)
    page.execute_script(
        "const s = document.getElementById('split'); s.value = 100; s.dispatchEvent(new Event('input'))"
    )
    frame = pixels_of(viewer)
    assert np.abs(frame.astype(int) - result).mean() > 5, "a blurred frame looks unlike the result"
    assert cv2.Laplacian(result, cv2.CV_64F).var() > 1.5 * cv2.Laplacian(frame, cv2.CV_64F).var()
    slider = page.find_element("id", "split")
    slider.send_keys(Keys.HOME)
    slider.send_keys(*[Keys.ARROW_RIGHT] * 4)
    assert page.execute_script("return bigstack.viewer.split") == pytest.approx(0.02)
    assert "at 2 %" in page.find_element("id", "viewer-says").text


def test_the_divider_is_dragged_in_the_picture(page):
    viewer = shown(page, "viewer")
    width = viewer.size["width"]
    drag(page, viewer, (0, 0), (-width // 4, 0))
    assert page.execute_script("return bigstack.viewer.split") == pytest.approx(0.25, abs=0.01)


def test_zoom_pan_and_keys(page):
    from selenium.webdriver.common.keys import Keys

    viewer = shown(page, "viewer")
    fitted = page.execute_script("return bigstack.viewer")
    page.find_element("id", "zoom-in").click()
    zoomed = page.execute_script("return bigstack.viewer")
    assert zoomed["scale"] == pytest.approx(1.5 * fitted["scale"])
    for _ in range(4):
        page.find_element("id", "zoom-in").click()
    before = page.execute_script("return bigstack.viewer")
    drag(page, viewer, (100, 60), (-40, -30))
    after = page.execute_script("return bigstack.viewer")
    assert (after["x0"] - before["x0"], after["y0"] - before["y0"]) == pytest.approx((-40, -30), abs=2)
    viewer.send_keys(Keys.ARROW_LEFT)
    assert page.execute_script("return bigstack.viewer.x0") == pytest.approx(after["x0"] + 60, abs=1)
    viewer.send_keys("0")
    assert page.execute_script("return bigstack.viewer.scale") == pytest.approx(fitted["scale"])


def test_any_frame_can_be_compared(page):
    before = page.execute_script("return bigstack.viewer.number")
    page.find_element("id", "frame-on").click()
    assert page.execute_script("return bigstack.viewer.number") == before + 1
    page.find_element("css selector", "#frame option[value='0']").click()
    assert page.find_element("id", "viewer-says").text.startswith("a <script>")


@pytest.mark.parametrize("place", [(40, 150), (200, 20), (390, 290)])
def test_the_pointer_reads_the_depth_of_the_file(page, report, place):
    from selenium.webdriver import ActionChains

    truth = tifffile.imread(report.with_name("depth.tif"))
    canvas = shown(page, "depth-map")
    scale = canvas.size["width"] / truth.shape[1]
    x, y = place
    offset = (
        round((x + 0.5) * scale - canvas.size["width"] / 2),
        round((y + 0.5) * scale - canvas.size["height"] / 2),
    )
    ActionChains(page, duration=0).move_to_element_with_offset(canvas, *offset).perform()
    found = page.execute_script("return bigstack.pointer")
    assert (found["x"], found["y"]) == pytest.approx(place, abs=1)
    wanted = float(truth[found["y"], found["x"]])
    assert found["values"]["depth"] == pytest.approx(wanted, abs=1e-3)
    said = page.find_element("id", "depth-says").text
    assert said.startswith(f"x {found['x']}, y {found['y']}: depth")
    assert "micrometer" in said
    assert float(said.split("depth ")[1].split()[0]) == pytest.approx(wanted, abs=1e-3)


def test_the_pointer_moves_by_keys(page):
    from selenium.webdriver.common.keys import Keys

    canvas = shown(page, "depth-map")
    canvas.send_keys(Keys.ARROW_RIGHT)
    first = page.execute_script("return bigstack.pointer")
    canvas.send_keys(Keys.ARROW_DOWN, Keys.ARROW_DOWN)
    second = page.execute_script("return bigstack.pointer")
    assert (second["x"], second["y"]) == (first["x"], first["y"] + 2)


def test_another_map_has_other_colours_and_its_own_bar(page):
    before = page.execute_script("return document.getElementById('depth-map').toDataURL()")
    assert page.find_element("id", "bar-unit").text == "micrometer"
    shown(page, "depth-map")
    page.find_element("css selector", "input[value=index]").click()
    assert page.find_element("id", "bar-unit").text == "frame"
    assert float(page.find_element("id", "bar-high").text) == 4
    assert page.execute_script("return document.getElementById('depth-map').toDataURL()") == before, (
        "evenly spaced frames give the same colours by number and by z"
    )


def test_the_surface_turns(page):
    view = shown(page, "surface-view")
    first = pixels_of(view)
    assert len(np.unique(first.reshape(-1, 3), axis=0)) > 500, "the surface is painted"
    drag(page, view, (0, 0), (120, 0))
    second = pixels_of(view)
    assert np.abs(first.astype(int) - second).mean() > 2
    state = page.execute_script("return bigstack.surface")
    assert state["turnZ"] > 1
    assert state["error"] == 0
    view.send_keys("+")
    assert page.execute_script("return bigstack.surface.far") < state["far"]
    page.find_element("id", "paint").click()
    assert np.abs(pixels_of(view).astype(int) - second).mean() > 2


def test_light_and_dark(page):
    def brightness():
        return int(
            page.execute_script("return getComputedStyle(document.body).backgroundColor").split(",")[1]
        )

    before = brightness()
    page.execute_script("window.scrollTo(0, 0)")
    page.find_element("id", "theme").click()
    assert abs(brightness() - before) > 150


def test_a_phone_shows_it_without_scrolling_sideways(browser, report):
    size = {"width": 390, "height": 800, "deviceScaleFactor": 2, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        opened(browser, report)
        assert browser.execute_script("return document.documentElement.scrollWidth") <= 390
        for identity in ("viewer", "depth-map", "surface-view"):
            assert browser.find_element("id", identity).size["width"] > 200
        assert errors(browser) == []
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_the_page_of_a_depth_map_alone(browser, command, report, tmp_path):
    frames = report.parent / "frames"
    command(
        "depth", frames, "-o", tmp_path / "d.tif", "--align", "none", "--report", tmp_path / "d.html", "-q"
    )
    opened(browser, tmp_path / "d.html")
    labels = [label.text for label in browser.find_elements("css selector", "#depth fieldset label")]
    assert labels == ["depth", "standard deviation", "confidence", "sharpest frame"]
    masks = [
        label.text.split(" (")[0] for label in browser.find_elements("css selector", "label:has([data-mask])")
    ]
    assert masks == ["mark no evidence", "mark never seen sharp"]
    assert "no image was fused" in browser.find_element("id", "result").text
    assert errors(browser) == []
    assert open_stack(tmp_path / "d.tif").shape[1:3] == (300, 400)
