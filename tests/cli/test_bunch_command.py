"""bigstack bunch as a user runs it."""

import numpy as np

import bigstack as library
from bigstack import open_stack


def test_bunches_then_stack(bigstack, process, frames, tmp_path):
    words = ("--frames", "3", "--overlap", "1", "--align", "none")
    code, out, err = bigstack("bunch", frames, "-o", tmp_path / "b.ome.zarr", *words)
    assert code == 0, err
    assert "2 bunches of frames 0-2, 2-4" in out
    expected = library.bunch(open_stack(frames), frames=3, overlap=1).values
    np.testing.assert_array_equal(open_stack(tmp_path / "b.ome.zarr").values, expected)
    run = process("bunch", frames, "-o", tmp_path / "c", *words, "--processes", "--workers", "2")
    assert run.communicate()[1] is not None
    assert run.returncode == 0
    np.testing.assert_array_equal(open_stack(tmp_path / "c").values, expected)
    assert bigstack("stack", tmp_path / "b.ome.zarr", "-o", tmp_path / "f.tif", "--align", "none")[0] == 0


def test_bad_use(bigstack, frames, tmp_path):
    code, _, err = bigstack("bunch", frames, "-o", tmp_path / "b", "--frames", "2", "--overlap", "2")
    assert code == 2
    assert "overlap must be 0 to 1" in err
    code, _, err = bigstack(
        "bunch", frames, "-o", tmp_path / "b.ome.zarr", "--method", "average", "--levels", "3"
    )
    assert code == 2
    assert "--levels belongs to --method pyramid" in err
    assert not list(tmp_path.iterdir())
