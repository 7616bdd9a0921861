import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from bigstack.io.writers.journal import Journal

ONE, TWO = (0, 3, 0, 2048, 2048, 4096), (1, 0, 512, 1024, 0, 77)


def test_marks_come_back(tmp_path):
    journal = Journal(tmp_path)
    journal.add(*ONE)
    Journal(tmp_path).add(*TWO)
    assert set(journal.marks()) == {ONE, TWO}


@pytest.mark.parametrize("keep", range(len("\n0 3 0 2048 2048 4096 .\n")))
def test_a_torn_mark_is_not_believed(tmp_path, keep):
    """Killed at any byte; and what the next writer appends stays readable."""
    journal = Journal(tmp_path)
    journal.add(*ONE)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:keep])
    assert list(journal.marks()) == []
    journal.add(*TWO)
    assert set(journal.marks()) - {ONE} == {TWO}
    if keep < len("\n0 3 0 2048 2048 4096 ."):
        assert set(journal.marks()) == {TWO}


def test_rubbish_is_not_believed(tmp_path):
    (tmp_path / "a.txt").write_bytes(
        b"\0" * 100 + b"\n1 2 3 .\n-1 0 0 1 0 1 .\n0 0 0 1 0 1\n\xff\n0 0 0 1 0 1 ."
    )
    assert list(Journal(tmp_path).marks()) == []


def test_many_writers_at_once(tmp_path):
    code = (
        "import sys; from pathlib import Path; from bigstack.io.writers.journal import Journal\n"
        "for i in range(200): Journal(Path(sys.argv[1])).add(0, int(sys.argv[2]), i, i + 1, 0, 1)"
    )
    others = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path), str(n)]) for n in (1, 2)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: Journal(tmp_path).add(0, 0, i, i + 1, 0, 1), range(200)))
    assert [other.wait() for other in others] == [0, 0]
    assert sorted(Journal(tmp_path).marks()) == [(0, n, i, i + 1, 0, 1) for n in range(3) for i in range(200)]
