"""bigstack watch as a user runs it."""

import cv2


def test_watch_gives_what_stack_gives(bigstack, frames, tmp_path):
    words = ("--settle", "0.05", "--frames", "5")
    code, out, err = bigstack("watch", frames, "-o", tmp_path / "w.png", *words)
    assert code == 0, err
    assert "5 frames" in out
    assert "1: f8.png" in err
    assert bigstack("stack", frames, "-o", tmp_path / "b.png", "--align", "none")[0] == 0
    assert (cv2.imread(str(tmp_path / "w.png")) == cv2.imread(str(tmp_path / "b.png"))).all()
    assert bigstack("watch", frames, "-o", tmp_path / "w.png", *words)[0] == 2
    assert bigstack("watch", frames, "-o", tmp_path / "w.png", *words, "--overwrite", "-q")[:2] == (0, "")


def test_bad_use(bigstack, frames, tmp_path):
    assert "say when" in bigstack("watch", frames, "-o", tmp_path / "w.png")[2]
    assert "is no folder" in bigstack("watch", tmp_path / "no", "-o", tmp_path / "w.png", "--frames", "2")[2]
    code, _, err = bigstack("watch", frames, "-o", tmp_path / "w.png", "--frames", "2", "--model", "affine")
    assert code == 2
    assert "--align" in err
