"""How a lazy operation is cut into tasks: tiles as asked for, or as a memory plan finds them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import dask.array as da

from bigstack.engine.plan import Plan
from bigstack.engine.prune import PrunedSource, prune, pruned_source
from bigstack.engine.sources import as_source
from bigstack.engine.tile_work import SUB_TILE
from bigstack.engine.tiles import Tiles, map_overlap
from bigstack.errors import InputError
from bigstack.io.places import AnyPath
from bigstack.io.scratch import Scratch
from bigstack.io.source import Source
from bigstack.kernels.fold import Fold

LEAST = 256
"""Pixels a side of a tile of reduced frames, at least: a smaller one spends its time on calls and halo."""

UNPRUNED = ("average",)
"""Methods that prune nothing."""

Planner = Callable[[Fold, Source, int], Plan]
"""Finds the plan of a fold over a source in so many passes."""


class Layout:
    """Tiles, blocks of z and scratch space of the folds of one operation.

    Attributes
    ----------
    plan
        The plan of the first fold, once there is one.
    pruned
        What reads the stack where it is pruned.
    fold, source
        What the plan is of.
    """

    def __init__(
        self,
        *,
        tile: Any = None,
        z_block: int | None = None,
        planner: Planner | None = None,
        scratch: AnyPath | None = None,
    ) -> None:
        self.tile = tile
        self.z_block = z_block
        self.planner = planner
        self.plan: Plan | None = None
        self.pruned: PrunedSource | None = None
        self.fold: Fold | None = None
        self.source: Source | None = None
        self._scratch = scratch

    @property
    def scratch(self) -> Scratch | None:
        """Where passes hand pieces to each other, None for in memory."""
        if self._scratch is None or (self.plan is not None and not self.plan.scratch):
            return None
        return Scratch(self._scratch)

    def prune(self, stack: da.Array, method: str) -> da.Array:
        """The stack with frames left out where `method` cannot need them.

        Raises
        ------
        InputError
            For a method that needs all of them.
        """
        if method in UNPRUNED:
            raise InputError(
                f"method {method!r} needs every frame everywhere, so none can be left out; "
                "leave prune away, or choose a method that selects by focus, such as 'pyramid'"
            )
        # Smaller copies that had to be made are kept on a disk; in memory where scratch space is a store's.
        pruned = prune(stack, self._scratch / "coarse" if isinstance(self._scratch, Path) else None)
        self.pruned = pruned_source(pruned)
        return pruned

    def first(self, fold: Fold, stack: da.Array, *, passes: int = 1, known: da.Array | None = None) -> Tiles:
        """The fold over the full-size frames; `known` is a value of the stack that it has to be told."""
        tile = self.tile
        if tile is None and self.planner is not None:
            self.fold, self.source = fold, as_source(stack)
            self.plan = self.planner(fold, self.source, passes)
            tile = self.plan.tile
        return map_overlap(fold, stack, tile=tile, z_block=self.z_block, scratch=self.scratch, known=known)

    def below(self, fold: Fold, stack: da.Array, valid: da.Array | None, *, whole: bool) -> Tiles:
        """A fold over reduced frames, and where they are real, that tasks of the same graph make.

        Its tiles cover what the tiles above them cover, so that a region of the result asks for few of them.
        """
        tile: Any = max(stack.shape[1:3]) if whole else tuple(_gather(sizes) for sizes in stack.chunks[1:3])
        return map_overlap(
            fold,
            stack,
            tile=tile,
            sub_tile=None if whole else SUB_TILE,
            scratch=self.scratch,
            depend=True,
            valid=valid,
        )


def _gather(sizes: tuple[int, ...]) -> tuple[int, ...]:
    """Neighbouring chunks put together until none has fewer than `LEAST` pixels."""
    found = [0]
    for size in sizes:
        if found[-1] >= LEAST:
            found.append(0)
        found[-1] += size
    if len(found) > 1 and found[-1] < LEAST:
        found[-2:] = [found[-2] + found[-1]]
    return tuple(found)
