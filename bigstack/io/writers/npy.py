"""NumPy's own file, for pixels of any number type."""

from __future__ import annotations

import shutil
from typing import IO, Any

import numpy as np

from bigstack.errors import RunError
from bigstack.geometry import Tile
from bigstack.io.sink import ImageSpec
from bigstack.io.writers.file_sink import FileSink, check_tile
from bigstack.io.writers.spec import human, nbytes


class NpySink(FileSink):
    """Writes ``.npy``: (y, x, channel), or (y, x) for one channel; open it with ``mmap_mode="r"``.

    Rows go to their places in the file through ordinary writes: a memory map would kill the process
    when the disk is full.
    """

    any_order = True

    @classmethod
    def problem(cls, spec: ImageSpec) -> str | None:
        """Say why the format cannot hold the image, None when it can."""
        return None if np.dtype(spec.dtype).kind in "buif" else f"NPY is for numbers, not {spec.dtype}"

    def encode(self, tile: Tile, pixels: np.ndarray) -> np.ndarray:
        """Lay the tile's pixels out row by row."""
        check_tile(self, tile, pixels)
        return np.ascontiguousarray(pixels)

    def _begin(self, file: IO[bytes]) -> None:
        need, free = nbytes(self.spec), shutil.disk_usage(self.path.parent).free
        if need > free:
            raise RunError(
                f"no space to write {self.path}: it needs {human(need)} and {human(free)} are free in "
                f"{self.path.parent}; free some, or write elsewhere"
            )
        shape = self.spec.shape if self.spec.shape[2] > 1 else self.spec.shape[:2]
        descr = np.lib.format.dtype_to_descr(np.dtype(self.spec.dtype))
        header = {"descr": descr, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_2_0(file, header)
        self._start = file.tell()
        self._left = self.spec.shape[0] * self.spec.shape[1]

    def _write(self, file: IO[bytes], tile: Tile, encoded: Any) -> None:
        pixel = encoded.shape[2] * encoded.itemsize
        width = self.spec.shape[1]
        block = [encoded] if tile.shape[1] == width else encoded  # whole rows lie side by side
        for i, part in enumerate(block):
            file.seek(self._start + ((tile.y0 + i) * width + tile.x0) * pixel)
            file.write(memoryview(part).cast("B"))
        self._left -= tile.size

    def _end(self, file: IO[bytes]) -> None:
        if self._left:
            raise RunError(f"{self.path} cannot be finished: {self._left} pixels were never written")
