"""The fit of sigma runs, tiny, and writes a module that holds what it fitted."""

import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def benchmark():
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import depth_sigma
    finally:
        sys.path.remove(str(BENCHMARKS))
    return depth_sigma


def tables(text: str) -> list[np.ndarray]:
    names: dict = {}
    exec(text, names)
    return names["tables"]()


def test_the_module_written_is_like_the_one_in_use(benchmark):
    words = ["--scenes", "ramp,five", "--seeds", "1", "--size", "96x128", "--rounds", "1"]
    result = CliRunner().invoke(benchmark.main, words, catch_exceptions=False)
    assert result.exit_code == 0
    used = Path(benchmark.depth_kernel.__file__).with_name("calibration.py").read_text()
    assert [t.shape for t in tables(result.stdout)] == [t.shape for t in tables(used)]
    words = [line for line in result.stdout.splitlines() if line[:1].isalpha()]
    assert words == [line for line in used.splitlines() if line[:1].isalpha()]


def test_the_fit_finds_how_wide_errors_are(benchmark):
    """Errors whose deviation one sign tells."""
    rng = np.random.default_rng(0)
    signs = rng.normal(size=(40_000, len(benchmark.SIGNS)))
    error = np.abs(rng.normal(size=len(signs))) * np.exp(0.5 * signs[:, 3])
    net = benchmark.fit(signs, np.log(error + 1e-9), 20)
    _, low, high, hidden, shift, answer, straight = tables(benchmark.module(net))
    logs = np.clip(signs, low, high)
    units = logs @ hidden.T + shift[:-1]
    sigma = np.exp((units / (1 + np.abs(units))) @ answer + logs @ straight + shift[-1])
    assert np.corrcoef(np.log(sigma), signs[:, 3])[0, 1] > 0.95
    for times, share in ((1, 0.655), (2, 0.945)):
        assert np.mean(error <= times * sigma) == pytest.approx(share, abs=0.03)
