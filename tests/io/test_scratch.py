"""Pieces between two passes on a disk that is full."""

import errno
import os

import numpy as np
import pytest

from bigstack.errors import RunError
from bigstack.io import places
from bigstack.io.scratch import Scratch


def test_pieces_come_back_as_they_were(tmp_path):
    begun = Scratch(tmp_path / "s").begin("tile")
    begun.empty("tall", (2, 3), np.dtype(np.uint16))[...] = 7
    begun.save("bands", [np.arange(3), np.arange(4)])
    begun.save("index", np.ones((2, 2)))
    parked = begun.finish()
    assert parked.load("tall").tolist() == [[7] * 3] * 2
    assert [array.tolist() for array in parked.load("bands")] == [[0, 1, 2], [0, 1, 2, 3]]
    assert parked.load("index").shape == (2, 2)


def test_a_full_disk_is_an_error_that_says_so(tmp_path, monkeypatch):
    begun = Scratch(tmp_path / "s").begin("tile")

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    with pytest.raises(RunError, match=r"no space to keep pieces.*are free"):
        begun.empty("tall", (2, 3), np.dtype(np.uint16))
    monkeypatch.setattr(np, "save", full)
    with pytest.raises(RunError, match=r"no space to keep pieces.*are free"):
        begun.save("index", np.ones((2, 2)))


def test_a_lock_that_cannot_be_written_leaves_no_file(tmp_path, monkeypatch):
    class Full(type(tmp_path)):
        def open(self, *words, **options):
            super().open(*words, **options).close()
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        places.create(Full(tmp_path / "a.lock"), "me")
    assert not (tmp_path / "a.lock").exists()
