"""A report of a rendered scene with hostile names, and a browser to look at it."""

import cv2
import numpy as np
import pytest

from bigstack.cli import main

HOSTILE = ["a <script>alert(1)<script>.png", 'b "><img src=x onerror=alert(2)>.png', "c '&amp;{{7*7}}.png"]


def stack_folder(folder, frames=5, size=(300, 400)):
    """Frames sharp in a band each, so that the depth is known: frame z from column 80 z on."""
    folder.mkdir()
    sharp = np.random.default_rng(1).integers(0, 256, (*size, 3), dtype=np.uint8)
    soft = cv2.GaussianBlur(sharp, (0, 0), 4)
    names = [*HOSTILE, "d.png", "e.png"]
    for z in range(frames):
        frame = soft.copy()
        part = slice(z * size[1] // frames, (z + 1) * size[1] // frames)
        frame[:, part] = sharp[:, part]
        cv2.imwrite(str(folder / names[z]), frame)
    return folder


@pytest.fixture(scope="session")
def command():
    """Run the command in this process; it has to succeed."""

    def run(*words):
        with pytest.raises(SystemExit) as stop:
            main([str(word) for word in words])
        assert stop.value.code == 0

    return run


@pytest.fixture(scope="session")
def report(tmp_path_factory, command):
    """The page of a stack with corrections, and its depth map as a file."""
    folder = tmp_path_factory.mktemp("report")
    stack_folder(folder / "frames")
    command(
        "stack", folder / "frames", "-o", folder / "fused.png", "--depth-out", folder / "depth.tif",
        "--z", "2.5", "--pixel-size", "1.5", "--balance", "lumi", "--report", folder / "report.html", "-q",
    )  # fmt: skip
    return folder / "report.html"
