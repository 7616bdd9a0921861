"""Small stacks on disk for jobs."""

from pathlib import Path

import cv2
import numpy as np
import pytest


def write_frames(folder: Path, count: int, seed: int, shape=(120, 160)) -> Path:
    """Frames of one scene, each sharp in its own part."""
    folder.mkdir(parents=True)
    sharp = np.random.default_rng(seed).integers(0, 256, (*shape, 3), dtype=np.uint8)
    soft = cv2.GaussianBlur(sharp, (0, 0), 3)
    for z in range(count):
        frame = soft.copy()
        part = slice(z * shape[1] // count, (z + 1) * shape[1] // count)
        frame[:, part] = sharp[:, part]
        cv2.imwrite(str(folder / f"f{z}.png"), frame)
    return folder


@pytest.fixture
def photos(tmp_path):
    return write_frames(tmp_path / "photos", 4, 1)


@pytest.fixture
def shoot(tmp_path):
    """A folder of three stacks, the second of which is damaged."""
    for i, name in enumerate(("a", "b", "c")):
        write_frames(tmp_path / "shoot" / name, 3, i)
    (tmp_path / "shoot" / "b" / "f1.png").write_bytes(b"no image")
    return tmp_path / "shoot"
