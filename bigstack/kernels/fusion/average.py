"""Projections along z: mean, minimum, maximum."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bigstack.kernels.fold import Output, Window
from bigstack.names import Projection


@dataclass(frozen=True)
class Average:
    """Fold over the frames: their mean, minimum or maximum at every pixel; made-up pixels do not count.

    Means of integers are exact, rounded half up. Means of floats are sums in float64 from the first
    frame to the last, which is why floats are not merged from blocks of z.
    """

    kind: Projection = "mean"

    halo = 0
    grid = 1

    @property
    def outputs(self) -> Mapping[str, Output]:
        """`image`, in the stack's dtype."""
        return {"image": Output(("y", "x", "channel"))}

    def merges(self, dtype: np.dtype) -> bool:
        """Sums of floats depend on their order."""
        return self.kind != "mean" or dtype != np.float32

    def bytes_per_pixel(self, frames: int, channels: int, dtype: np.dtype) -> tuple[float, float]:
        """Bytes of a pixel's state and scratch."""
        return channels * (8 if self.kind == "mean" else dtype.itemsize) + 4, channels * 8

    def start(self, window: Window, out: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """Nothing seen yet."""
        return {"window": window, "total": None, "count": None, "seen": 0, "first": None}

    def add(
        self, state: dict[str, Any], frame: np.ndarray, z: int, valid: np.ndarray | None, work: dict
    ) -> None:
        """Add one frame."""
        if valid is not None and state["count"] is None:
            state["count"] = np.full(frame.shape[:2], state["seen"], np.uint32)
        if state["total"] is None:
            state["first"] = frame.copy()
            state["total"] = self._nothing(frame)
        if valid is None:
            self._take(state["total"], frame)
        else:
            real = valid[..., None]
            self._take(state["total"], np.where(real, frame, self._neutral(frame.dtype)))
        if state["count"] is not None:
            state["count"] += True if valid is None else valid
        state["seen"] += 1

    def merge(self, early: dict[str, Any], late: dict[str, Any]) -> dict[str, Any]:
        """Add what two blocks of z have seen."""
        for state in (early, late):
            if state["count"] is None:
                state["count"] = np.full(state["total"].shape[:2], state["seen"], np.uint32)
        self._take(early["total"], late["total"])
        early["count"] += late["count"]
        early["seen"] += late["seen"]
        return early

    def finish(self, state: dict[str, Any]) -> dict[str, Any]:
        """Divide and round; where no frame has data, the first frame's made-up pixel stays."""
        core, dtype = state["window"].core, state["window"].dtype
        total = state["total"][core]
        count = np.uint32(state["seen"]) if state["count"] is None else state["count"][core][..., None]
        if self.kind == "mean":
            some = np.maximum(count, 1)
            if dtype == np.float32:
                total = (total / some).astype(dtype)
            else:
                total = ((total + some // 2) // some).astype(dtype)
        return {"image": np.where(count > 0, total, state["first"][core])}

    def _nothing(self, frame: np.ndarray) -> np.ndarray:
        if self.kind != "mean":
            return np.full(frame.shape, self._neutral(frame.dtype), frame.dtype)
        return np.zeros(frame.shape, np.float64 if frame.dtype == np.float32 else np.uint64)

    def _neutral(self, dtype: np.dtype) -> np.generic:
        if self.kind == "mean":
            return dtype.type(0)
        if dtype == np.float32:
            return dtype.type(np.inf if self.kind == "min" else -np.inf)
        limits = np.iinfo(dtype)
        return dtype.type(limits.max if self.kind == "min" else limits.min)

    def _take(self, total: np.ndarray, frame: np.ndarray) -> None:
        {"mean": np.add, "min": np.minimum, "max": np.maximum}[self.kind](
            total, frame, out=total, casting="same_kind"
        )
