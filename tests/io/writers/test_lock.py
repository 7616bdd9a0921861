import json
import os
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from bigstack.errors import RunError
from bigstack.io.writers.lock import OutputLock

HOLD = (
    "import sys, time; from pathlib import Path; from bigstack.io.writers.lock import OutputLock\n"
    "lock = OutputLock(Path(sys.argv[1])); lock.acquire(); print('held', flush=True); sys.stdin.read()"
)


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock until it is told to end."""
    command = [sys.executable, "-c", HOLD, str(tmp_path / "out.tif")]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"held\n"
    yield process
    process.kill()
    process.communicate()


def test_only_one_holds_it(tmp_path):
    first, second = (OutputLock(tmp_path / "out.tif") for _ in range(2))
    first.acquire()
    with pytest.raises(RunError, match=f"another run is writing .*process {os.getpid()} on .*delete .*lock"):
        second.acquire()
    first.release()
    second.acquire()
    second.release()
    assert list(tmp_path.iterdir()) == []


def test_another_process_holds_it(tmp_path, holder):
    with pytest.raises(RunError, match=f"process {holder.pid} on {socket.gethostname()}"):
        OutputLock(tmp_path / "out.tif").acquire()


def test_a_process_that_ends_lets_go(tmp_path, holder):
    holder.communicate()
    assert list(tmp_path.iterdir()) == []


def test_a_killed_process_is_taken_over(tmp_path, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert (tmp_path / "out.tif.lock").exists()
    lock = OutputLock(tmp_path / "out.tif")
    lock.acquire()
    assert json.loads(lock.path.read_text())["pid"] == os.getpid()
    lock.release()
    assert list(tmp_path.iterdir()) == []


def test_a_reused_process_number_is_not_the_owner(tmp_path):
    owner = {"host": socket.gethostname(), "pid": os.getpid(), "started": 12345.0}
    (tmp_path / "out.tif.lock").write_text(json.dumps(owner))
    OutputLock(tmp_path / "out.tif").acquire()


def test_another_host_is_respected(tmp_path):
    (tmp_path / "out.tif.lock").write_text(json.dumps({"host": "elsewhere", "pid": 1, "started": 0.0}))
    with pytest.raises(RunError, match="process 1 on elsewhere"):
        OutputLock(tmp_path / "out.tif").acquire()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": "x"}'])
def test_an_unreadable_lock_settles(tmp_path, content):
    """It may be in the making; old, it was left by a process killed while it made it."""
    path = tmp_path / "out.tif.lock"
    path.write_text(content)
    with pytest.raises(RunError):
        OutputLock(tmp_path / "out.tif").acquire()
    os.utime(path, (0, 0))
    OutputLock(tmp_path / "out.tif").acquire()


def test_a_lock_taken_over_by_force_is_not_removed(tmp_path):
    lock = OutputLock(tmp_path / "out.tif")
    lock.acquire()
    lock.path.write_text("of another run")
    lock.release()
    assert lock.path.read_text() == "of another run"


def test_a_killed_takeover_is_not_waited_for(tmp_path):
    owner = {"host": socket.gethostname(), "pid": os.getpid(), "started": 12345.0}
    (tmp_path / "out.tif.lock").write_text(json.dumps(owner))
    guard = tmp_path / "out.tif.lock.takeover"
    guard.write_text("")
    os.utime(guard, (0, 0))
    lock = OutputLock(tmp_path / "out.tif")
    lock.acquire()
    assert [p.name for p in tmp_path.iterdir()] == ["out.tif.lock"]
    lock.release()


def test_a_race_has_one_winner(tmp_path):
    """Many find the same stale lock at once."""
    for _ in range(20):
        (tmp_path / "out.tif.lock").write_text(
            json.dumps({"host": socket.gethostname(), "pid": 2**22 + 1, "started": 0.0})
        )
        locks = [OutputLock(tmp_path / "out.tif") for _ in range(8)]

        def held(lock):
            try:
                lock.acquire()
            except RunError:
                return False
            return True

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(held, locks)) == 1
        for lock in locks:
            lock.release()
        assert list(tmp_path.iterdir()) == []
