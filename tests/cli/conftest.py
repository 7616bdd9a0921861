"""Frames on disk and a way to run the command."""

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from bigstack.cli import main


@pytest.fixture
def bigstack(capsys):
    """Run the command in this process: exit code, stdout, stderr."""

    def run(*words):
        with pytest.raises(SystemExit) as stop:
            main([str(word) for word in words])
        said = capsys.readouterr()
        return stop.value.code, said.out, said.err

    return run


@pytest.fixture(scope="session")
def process():
    """Start the command in a process of its own."""

    def start(*words, **options):
        command = [sys.executable, "-m", "bigstack", *(str(word) for word in words)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)

    return start


@pytest.fixture(scope="session")
def frames(tmp_path_factory) -> Path:
    """Five frames of 301 x 411, each sharp in its own fifth."""
    folder = tmp_path_factory.mktemp("frames")
    sharp = np.random.default_rng(1).integers(0, 256, (301, 411, 3), dtype=np.uint8)
    soft = cv2.GaussianBlur(sharp, (0, 0), 3)
    for z in range(5):
        frame = soft.copy()
        part = slice(z * 411 // 5, (z + 1) * 411 // 5)
        frame[:, part] = sharp[:, part]
        cv2.imwrite(str(folder / f"f{z + 8}.png"), frame)
    return folder
