"""The notebooks run, from the first cell to the last, each in a kernel of its own."""

from pathlib import Path

import nbformat
import pytest
from nbmake.nb_run import NotebookRun

FOLDER = Path(__file__).parents[2] / "notebooks"
NAMES = sorted(path.name for path in FOLDER.glob("*.ipynb"))


@pytest.mark.filterwarnings("ignore")  # of the kernel's own client
@pytest.mark.parametrize("name", NAMES)
def test_notebook(name):
    result = NotebookRun(FOLDER / name, 240).execute()
    assert result.error is None, result.error


@pytest.mark.parametrize("name", NAMES)
def test_notebook_is_kept_with_its_pictures(name):
    path = FOLDER / name
    cells = nbformat.read(path, 4).cells
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert path.stat().st_size < 600_000
