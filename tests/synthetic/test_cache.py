"""The cache of rendered pieces."""

import threading
import time

import numpy as np
import pytest

from bigstack.synthetic.cache import ByteCache


def test_least_recently_used_goes_first_and_bytes_stay_below_the_limit():
    cache = ByteCache(250)
    made = []

    def make(key):
        return lambda: made.append(key) or np.zeros(100, np.uint8)

    for key in "abacab":
        cache.get(key, make(key))
        assert cache.used <= 250
    assert made == ["a", "b", "c", "b"]


def test_an_array_larger_than_the_limit_is_given_but_not_kept():
    cache = ByteCache(10)
    assert cache.get("a", lambda: np.ones(100)).sum() == 100
    assert cache.used == 0


def test_what_is_kept_cannot_be_written_into():
    cache = ByteCache(1000)
    with pytest.raises(ValueError, match="read-only"):
        cache.get("a", lambda: np.zeros(3))[0] = 1


def test_threads_that_want_the_same_array_make_it_once():
    cache = ByteCache(1000)
    made = []

    def slow():
        made.append(1)
        time.sleep(0.05)
        return np.zeros(3)

    threads = [threading.Thread(target=cache.get, args=("a", slow)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1


def test_a_failure_leaves_the_key_free_for_another_try():
    cache = ByteCache(1000)
    with pytest.raises(ZeroDivisionError):
        cache.get("a", lambda: 1 / 0)
    assert cache.get("a", lambda: np.ones(2)).sum() == 2
