"""Frames are decoded once, threads do not idle, errors reach everyone, memory is bounded."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from bigstack.io.ring import FrameRing


class Decoder:
    """Counts how often each frame is decoded and by which thread."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.calls: list[int] = []
        self.busy = 0
        self.most_busy = 0
        self.lock = threading.Lock()

    def __call__(self, z: int) -> np.ndarray:
        with self.lock:
            self.calls.append(z)
            self.busy += 1
            self.most_busy = max(self.most_busy, self.busy)
        time.sleep(self.seconds)
        with self.lock:
            self.busy -= 1
        return np.full((4, 5), z)


def walk(ring: FrameRing, decoder: Decoder, frames: int) -> None:
    for z in range(frames):
        ahead = [(i, lambda i=i: decoder(i)) for i in range(z + 1, frames)]
        assert (ring.get(z, lambda z=z: decoder(z), ahead, ("walk", z)) == z).all()


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_threads_that_walk_together_decode_each_frame_once_and_at_the_same_time(threads):
    ring, decoder = FrameRing(frames=threads + 2), Decoder(0.01)
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda _: walk(ring, decoder, 24), range(threads)))
    assert sorted(decoder.calls) == list(range(24))
    assert decoder.most_busy == threads


def test_a_waiting_thread_decodes_the_next_frame_meanwhile():
    ring, started, release = FrameRing(frames=4), threading.Event(), threading.Event()

    def slow():
        started.set()
        assert release.wait(10)
        return np.zeros(1)

    def next_frame():
        release.set()  # only now can the first frame be finished: waiting alone would hang
        return np.ones(1)

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(ring.get, 0, slow)
        assert started.wait(10)
        second = pool.submit(ring.get, 0, slow, [(1, next_frame)])
        assert first.result(10) is second.result(10)
    assert ring.get(1, lambda: pytest.fail("was decoded ahead")) == 1


def test_an_error_is_raised_in_every_waiting_thread_and_the_next_one_tries_again():
    ring, started, release = FrameRing(), threading.Event(), threading.Event()

    def broken():
        started.set()
        assert release.wait(10)
        raise ValueError("broken frame")

    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(ring.get, 0, broken)
        assert started.wait(10)
        waiting = [pool.submit(ring.get, 0, broken) for _ in range(2)]
        while pool._work_queue.qsize():
            time.sleep(0.001)
        time.sleep(0.05)
        release.set()
        for future in [first, *waiting]:
            with pytest.raises(ValueError, match="broken frame"):
                future.result(10)
    assert ring.get(0, lambda: np.arange(2)).tolist() == [0, 1]


def test_an_error_ahead_is_left_to_the_thread_that_needs_that_frame():
    ring, started, release = FrameRing(frames=4), threading.Event(), threading.Event()

    def slow():
        started.set()
        assert release.wait(10)
        return np.zeros(1)

    def broken():
        release.set()
        raise ValueError("broken frame")

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(ring.get, 0, slow)
        assert started.wait(10)
        assert pool.submit(ring.get, 0, slow, [(1, broken)]).result(10) == 0
        assert first.result(10) == 0
    with pytest.raises(ValueError, match="broken frame"):
        ring.get(1, broken)


def test_the_frames_used_least_recently_go_first():
    ring, decoder = FrameRing(frames=2), Decoder()
    for z in (0, 1, 0, 2, 0, 1):
        ring.get(z, lambda z=z: decoder(z))
    assert decoder.calls == [0, 1, 2, 1]


def test_bytes_are_bounded_but_the_last_frame_stays():
    ring = FrameRing(frames=100, size=1000)
    for z in range(10):
        ring.get(z, lambda: np.zeros(400, np.uint8))
        assert ring.nbytes <= 1000
    ring.get("large", lambda: np.zeros(5000, np.uint8))
    assert ring.nbytes == 5000
    ring.get("small", lambda: np.zeros(10, np.uint8))
    assert ring.nbytes == 10
    ring.clear()
    assert ring.nbytes == 0


def test_frames_cannot_be_written_into():
    frame = FrameRing().get(0, lambda: np.zeros(3))
    with pytest.raises(ValueError, match="read-only"):
        frame[0] = 1


def test_many_threads_at_random_places_never_hang_and_get_the_right_frame():
    ring, decoder = FrameRing(frames=3), Decoder(0.0005)

    def wander(seed):
        rng = np.random.default_rng(seed)
        for z in rng.integers(0, 10, 60).tolist():
            ahead = [(i, lambda i=i: decoder(i)) for i in range(z + 1, 10)]
            assert (ring.get(z, lambda z=z: decoder(z), ahead) == z).all()

    with ThreadPoolExecutor(8) as pool:
        for future in [pool.submit(wander, seed) for seed in range(8)]:
            future.result(30)


def test_a_slow_thread_is_waited_for_so_that_frames_are_decoded_once():
    ring, decoder = FrameRing(frames=4), Decoder(0.002)

    def stroll(seed):
        rng = np.random.default_rng(seed)
        for z in range(30):
            ahead = [(i, lambda i=i: decoder(i)) for i in range(z + 1, 30)]
            assert (ring.get(z, lambda z=z: decoder(z), ahead, ("walk", z)) == z).all()
            time.sleep(0.05 if rng.random() < 0.1 else 0.001)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(stroll, range(3)))
    assert len(decoder.calls) <= 33  # alone each would decode 30; a stall beyond all patience may cost a few


def test_a_thread_that_went_away_is_not_waited_for_long():
    ring, decoder = FrameRing(frames=2), Decoder()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(ring.get, 0, lambda: decoder(0), (), ("walk", 0)).result(10)
    start = time.perf_counter()
    for z in range(50):
        ring.get(z, lambda z=z: decoder(z), (), ("walk", z))
    assert time.perf_counter() - start < 2.0
