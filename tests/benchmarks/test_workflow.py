"""The benchmark of whole jobs runs, tiny."""

from pathlib import Path

import cv2
import numpy as np
from click.testing import CliRunner

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def test_it_prints_both_runs(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import workflow

    image = np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    for z in range(3):
        cv2.imwrite(str(tmp_path / f"f{z}.png"), cv2.GaussianBlur(image, (0, 0), 1 + z))
    result = CliRunner().invoke(workflow.main, [str(tmp_path), "--repeats", "1"], catch_exceptions=False)
    assert result.exit_code == 0
    assert result.output.count("bigstack run") == 2
