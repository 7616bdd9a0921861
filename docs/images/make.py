"""Make the pictures of README and docs anew: python docs/images/make.py [FOLDER].

The photographs are those of `bigstack demo`. Pictures of a report need Chromium, its driver and selenium, and
stay as they are where one of them is missing.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np

from bigstack.cli import cli

LARGEST = 300_000


def main(folder: Path) -> None:
    """Write demo.jpg, relief.jpg, report.jpg and surface.jpg into the folder."""
    with TemporaryDirectory() as temporary:
        here = Path(temporary)
        depth, report = here / "depth.tif", here / "report.html"
        run("demo", "-o", here / "demo", "-q")
        save(panels(here / "demo"), folder / "demo.jpg", 1600)
        known = ("--z", 250, "--pixel-size", 40, "--fused-out", here / "fused.tif", "--report", report, "-q")
        run("depth", here / "demo/frames", "-o", depth, *known)
        run("picture", depth, "-o", here / "relief.png", "--exaggeration", 1, "-q")
        save(cv2.imread(str(here / "relief.png")), folder / "relief.jpg", 800)
        if all(map(shutil.which, ("chromium", "chromedriver"))):
            parts = screenshots(report, "result", "depth", "surface", "surface-view")
            save(np.vstack(parts[:3]), folder / "report.jpg", 800)
            save(trimmed(parts[3]), folder / "surface.jpg", 700)
        else:
            print("report.jpg and surface.jpg are as they were: there is no chromium with chromedriver")


def run(*words: object) -> None:
    """Run a command of bigstack."""
    cli.main([str(word) for word in words], standalone_mode=False)


def save(picture: np.ndarray, path: Path, width: int) -> None:
    """Write a picture of a width as JPEG, small enough for a web page."""
    height = round(picture.shape[0] * width / picture.shape[1])
    small = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
    done, coded = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 85, cv2.IMWRITE_JPEG_OPTIMIZE, 1])
    if not done or coded.size > LARGEST:
        raise ValueError(f"{path} would have {coded.size} bytes, more than {LARGEST}")
    path.write_bytes(coded.tobytes())
    print(f"wrote {path}, {width} x {height}, {coded.size / 1000:.0f} kB")


def panels(demo: Path) -> np.ndarray:
    """A part of one frame, of the fused image and of the depth map, side by side under their names."""
    depth = cv2.imread(str(demo / "depth.tif"), cv2.IMREAD_UNCHANGED)
    shades = cv2.normalize(depth, None, 255, 0, cv2.NORM_MINMAX, cv2.CV_8U)
    pictures = {
        "one of 12 frames": cv2.imread(str(demo / "frames/frame_07.png")),
        "all of them, fused": cv2.imread(str(demo / "fused.png")),
        "depth": cv2.applyColorMap(shades, cv2.COLORMAP_VIRIDIS),
    }
    parts = []
    for name, picture in pictures.items():
        part = picture[30:610, 60:760]
        title = np.full((56, part.shape[1], 3), 255, np.uint8)
        cv2.putText(title, name, (4, 40), cv2.FONT_HERSHEY_SIMPLEX, 1.2, (60, 60, 60), 2, cv2.LINE_AA)
        parts += [np.vstack([title, part]), np.full((part.shape[0] + 56, 12, 3), 255, np.uint8)]
    return np.hstack(parts[:-1])


def trimmed(picture: np.ndarray, margin: int = 24) -> np.ndarray:
    """A picture without what is plain around it."""
    rows, columns = np.nonzero((picture.max(axis=2) > 60)[margin:-margin, margin:-margin])
    height, width = int(np.ptp(rows)) + 2 * margin, int(np.ptp(columns)) + 2 * margin
    return picture[rows.min() : rows.min() + height, columns.min() : columns.min() + width]


def screenshots(page: Path, *names: str) -> list[np.ndarray]:
    """Parts of a page, as a browser shows them."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for word in ("headless=new", "no-sandbox", "disable-dev-shm-usage", "window-size=860,1200",
                 "hide-scrollbars", "use-gl=angle", "use-angle=swiftshader",
                 "enable-unsafe-swiftshader"):  # fmt: skip
        options.add_argument(f"--{word}")
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        driver.get(page.as_uri())
        driver.implicitly_wait(10)
        parts = []
        for name in names:
            section = driver.find_element("id", name)
            driver.execute_script("arguments[0].scrollIntoView()", section)
            driver.execute_async_script("setTimeout(arguments[0], 1500)")
            parts.append(cv2.imdecode(np.frombuffer(section.screenshot_as_png, np.uint8), cv2.IMREAD_COLOR))
    finally:
        driver.quit()
    return parts


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
