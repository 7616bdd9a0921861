"""The benchmark of noise and sharpness runs, and its MTF50 is that of a known edge."""

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner


@pytest.fixture(scope="module")
def module():
    folder = str(Path(__file__).parents[2] / "benchmarks")
    sys.path.insert(0, folder)
    try:
        import fusion_noise
    finally:
        sys.path.remove(folder)
    return fusion_noise


def test_it_runs(module, monkeypatch):
    monkeypatch.setattr(module, "FRAMES", (3,))
    found = CliRunner().invoke(module.main, ["--methods", "pyramid", "--side", "64"])
    assert found.exit_code == 0, found.output
    assert "pyramid" in found.output.splitlines()[1]


def test_mtf50_of_pixels_alone_and_of_a_blurred_edge(module):
    sharp, soft = (module.mtf50(module.edge(96, 80, blur)) for blur in (0, 2))
    assert sharp == pytest.approx(0.6, abs=0.08)  # of a square pixel: sinc(0.603) is a half
    assert soft < 0.5 * sharp
