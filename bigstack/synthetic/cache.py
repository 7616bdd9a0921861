"""Rendered pieces kept for the next read, up to a number of bytes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable

import numpy as np


class ByteCache:
    """Arrays by key, least recently used dropped first; an array asked for by two threads is made once.

    Examples
    --------
    >>> cache = ByteCache(100)
    >>> cache.get("a", lambda: np.zeros(10, np.uint8)).size
    10
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0
        self._items: OrderedDict[Hashable, np.ndarray] = OrderedDict()
        self._making: dict[Hashable, threading.Lock] = {}
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], np.ndarray]) -> np.ndarray:
        """Return the array of `key`, made by `make` when it is not there; do not write into it."""
        found, making = self._find(key)
        if found is not None:
            return found
        with making:
            found, _ = self._find(key)
            return found if found is not None else self._keep(key, make)

    def _find(self, key: Hashable) -> tuple[np.ndarray | None, threading.Lock]:
        with self._lock:
            if key in self._items:
                self._items.move_to_end(key)
                return self._items[key], self._lock
            return None, self._making.setdefault(key, threading.Lock())

    def _keep(self, key: Hashable, make: Callable[[], np.ndarray]) -> np.ndarray:
        try:
            value = make()
        finally:
            with self._lock:
                self._making.pop(key, None)
        value.flags.writeable = False
        with self._lock:
            self._items[key] = value
            self.used += value.nbytes
            while self.used > self.limit and self._items:
                self.used -= self._items.popitem(last=False)[1].nbytes
        return value
