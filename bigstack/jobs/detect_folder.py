"""Focus regions of many images, each by itself: found, saved and forgotten one after the other."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from dask.highlevelgraph import HighLevelGraph

from bigstack.errors import BigstackError, InputError, OutputExistsError, StackError
from bigstack.jobs.detect import Detection, FocusRegions, detect_focus_regions, detection_of
from bigstack.jobs.running import Running

if TYPE_CHECKING:
    from bigstack.cluster import Cluster

EXTENSIONS = (".jpg", ".jpeg", ".png", ".bmp", ".tiff", ".tif")
"""Endings of files that count as images, where none are given."""

Overlay = Literal["image", "focus"]
"""What densities are laid over."""

Progress = Callable[[int, int, Path], None]
"""Told ``(images done, images in all, the one just done)``."""


@dataclass
class FolderResult:
    """What became of each image."""

    results: dict[Path, FocusRegions]
    """Regions by path, empty where they were saved instead."""
    written: dict[Path, list[Path]]
    """Files by path of the image they are of."""
    failures: dict[Path, str]
    """Why images have no result."""
    seconds: float

    def lines(self, *, verbose: bool = False) -> list[str]:
        """For people."""
        done = len(self.written) + len(self.results)
        lines = [f"{done} images in {self.seconds:.1f} s"]
        if verbose:
            lines = [str(path) for paths in self.written.values() for path in paths] + lines
        if self.failures:
            lines.append(f"{len(self.failures)} failed:")
            lines += [f"  {path}: {why}" for path, why in self.failures.items()]
        return lines


@dataclass(frozen=True)
class _Saving:
    """What is written of each image, and where."""

    folder: Path
    arrays: bool
    pictures: bool
    overlay: Overlay | None
    overwrite: bool

    def paths(self, name: str) -> dict[str, Path]:
        """Files of the image called `name`, by what they hold."""
        found = {}
        if self.arrays:
            found["fused"] = self.folder / "filter_arrays" / f"{name}_filter.npy"
            found["density"] = self.folder / "kde_arrays" / f"{name}_kde.npy"
        if self.pictures:
            found["filter"] = self.folder / "filter_vis" / f"{name}_filter.png"
            found["kde"] = self.folder / "kde_vis" / f"{name}_kde.png"
        if self.overlay:
            found["overlay"] = self.folder / "overlays" / f"{name}_overlay.png"
        return found


@dataclass
class _Done:
    """What a task gives: regions, or what it wrote of them, or why there are none."""

    regions: FocusRegions | None = None
    written: list[Path] = field(default_factory=list)
    failure: str | None = None


def detect_folder(
    images: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    output: str | os.PathLike[str] | None = None,
    recursive: bool = False,
    extensions: Sequence[str] = EXTENSIONS,
    save_arrays: bool = True,
    save_pictures: bool = False,
    overlay: Overlay | None = None,
    overwrite: bool = False,
    workers: int | None = None,
    processes: bool = False,
    scheduler: str | None = None,
    scheduler_file: Path | None = None,
    cluster: Cluster | None = None,
    memory_limit: int = 2 * 10**9,
    progress: Progress = lambda done, total, path: None,
    **options: Any,
) -> FolderResult:
    """Find the focus regions of every image of a folder, in parallel; a bad image does not stop the others.

    Parameters
    ----------
    images
        A folder, or paths of images.
    output
        Folder that each image's result is saved to as soon as it is there, and then forgotten. Without it
        all results are kept in memory and given back. ``filter_arrays/<stem>_filter.npy`` is the focus,
        ``kde_arrays/<stem>_kde.npy`` the density; of images with equal stems the names of folders, and then
        the ending, are put before and after.
    recursive
        Look in subfolders too.
    extensions
        Endings of files that count as images, case aside.
    save_arrays
        Save focus and density as NumPy arrays.
    save_pictures
        Save ``filter_vis/<stem>_filter.png``, the focus in grey, and ``kde_vis/<stem>_kde.png``, the density
        in colours.
    overlay
        Save ``overlays/<stem>_overlay.png``, the density laid over the ``"image"`` or its ``"focus"``.
    overwrite
        Replace results that are there already.
    workers, processes
        Images at once, in threads or in processes of this machine.
    scheduler, scheduler_file, cluster
        A running Dask scheduler, or a `bigstack.cluster.Cluster` to start.
    memory_limit
        Bytes of a process, where processes are started.
    progress
        Called as each image is done.
    options
        Those of `detect_focus_regions`.

    Returns
    -------
    FolderResult
        Results or files by path, and why other images failed.

    Raises
    ------
    StackError
        Where there are no images.
    OutputExistsError
        Before any work, for results that are there already.

    Examples
    --------
    >>> import cv2, tempfile
    >>> folder = tempfile.mkdtemp()
    >>> done = [cv2.imwrite(f"{folder}/{i}.png", np.eye(40, dtype=np.uint8) * 200) for i in range(3)]
    >>> found = detect_folder(folder, bandwidth=3)
    >>> len(found.results), len(found.failures)
    (3, 0)
    """
    started = time.perf_counter()
    detection = detection_of(options)
    paths = find_images(images, recursive=recursive, extensions=extensions)
    names = distinct_names(paths)
    saving = _saving(output, save_arrays, save_pictures, overlay, overwrite)
    if saving is not None:
        _refuse_existing(saving, names.values())
    result = FolderResult({}, {}, {}, 0.0)
    layer: dict[Any, Any] = {
        ("detect", i): (_detect, str(path), names[path], detection, saving) for i, path in enumerate(paths)
    }
    graph = HighLevelGraph({"detect": layer}, {"detect": set()})

    def done(key: Any, found: _Done) -> None:
        path = paths[key[1]]
        if found.failure is not None:
            result.failures[path] = found.failure
        elif found.regions is not None:
            result.results[path] = found.regions
        else:
            result.written[path] = found.written
        finished = len(result.failures) + len(result.results) + len(result.written)
        progress(finished, len(paths), path)

    running = Running(
        workers=workers, processes=processes, scheduler=scheduler, scheduler_file=scheduler_file,
        cluster=cluster, memory_limit=memory_limit,
    )  # fmt: skip
    with running.executor() as executor:
        executor.run(graph, list(layer), done)
    for by_path in (result.results, result.written, result.failures):
        _sort(by_path, paths)
    result.seconds = time.perf_counter() - started
    return result


def find_images(
    images: Any, *, recursive: bool = False, extensions: Sequence[str] = EXTENSIONS
) -> list[Path]:
    """Paths of the images of a folder in natural order, or the paths themselves, absolute."""
    from bigstack.io.find import natural_key

    if not isinstance(images, str | os.PathLike):
        paths = [Path(path).absolute() for path in images]
        if not paths:
            raise InputError("no images were given")
        return paths
    folder = Path(images).absolute()
    if not folder.is_dir():
        raise StackError(f"{folder} is no folder; give one, or a list of images")
    endings = {ending.lower() if ending.startswith(".") else f".{ending.lower()}" for ending in extensions}
    inside = folder.rglob("*") if recursive else folder.iterdir()
    found = [p for p in inside if p.suffix.lower() in endings and p.is_file() and not p.name.startswith(".")]
    if not found:
        deeper = "" if recursive else "; to look in subfolders too, ask for recursive"
        raise StackError(f"{folder} holds no images ({', '.join(sorted(endings))}){deeper}")
    return sorted(found, key=lambda path: natural_key(str(path)))


def distinct_names(paths: Sequence[Path]) -> dict[Path, str]:
    """Name results after images: by their stem, by folders and ending too where stems are equal.

    Examples
    --------
    >>> list(distinct_names([Path("/a/x/1.png"), Path("/a/y/1.png"), Path("/a/2.png")]).values())
    ['x__1', 'y__1', '2']
    """
    top = Path(os.path.commonpath([path.parent for path in paths])) if paths else Path()
    longer = [
        {path: path.stem for path in paths},
        {path: "__".join([*path.parent.relative_to(top).parts, path.stem]) for path in paths},
        {path: "__".join([*path.parent.relative_to(top).parts, path.name]) for path in paths},
    ]
    names = dict(longer[0])
    for candidate in longer[1:]:
        # Names that differ by case only would be one file on some systems.
        counts = Counter(name.lower() for name in names.values())
        names = {path: candidate[path] if counts[name.lower()] > 1 else name for path, name in names.items()}
    counts = Counter(name.lower() for name in names.values())
    numbers = {path: i for i, path in enumerate(paths)}
    return {
        path: f"{name}_{numbers[path]}" if counts[name.lower()] > 1 else name for path, name in names.items()
    }


def _saving(
    output: Any, arrays: bool, pictures: bool, overlay: Overlay | None, overwrite: bool
) -> _Saving | None:
    if overlay not in (None, "image", "focus"):
        raise InputError(f"overlay is 'image', 'focus' or None, got {overlay!r}")
    if output is None:
        if pictures or overlay:
            raise InputError("pictures and overlays are saved to a folder: give output=...")
        return None
    if not (arrays or pictures or overlay):
        raise InputError("nothing would be saved: ask for arrays, pictures or an overlay")
    return _Saving(Path(output).absolute(), arrays, pictures, overlay, overwrite)


def _refuse_existing(saving: _Saving, names: Iterable[str]) -> None:
    if saving.overwrite:
        return
    there = [path for name in names for path in saving.paths(name).values() if path.exists()]
    if there:
        more = f" and {len(there) - 1} more" if len(there) > 1 else ""
        raise OutputExistsError(f"{there[0]}{more} exist already; give overwrite to replace them")


def _detect(path: str, name: str, detection: Detection, saving: _Saving | None) -> _Done:
    """Work on one image; its failure is a result, not an end to all."""
    from bigstack.io.open import open_stack

    try:
        stack = open_stack(path)
        if stack.sizes["z"] > 1:
            raise InputError(f"it is a stack of {stack.sizes['z']} frames, not an image")
        pixels = stack[0].values
        regions = detect_focus_regions(pixels, workers=1, **_options(detection))
        if saving is None:
            return _Done(regions=regions)
        return _Done(written=_save(pixels, regions, saving, name))
    except (BigstackError, OSError, MemoryError) as error:
        return _Done(failure=str(error) or type(error).__name__)


def _options(detection: Detection) -> dict[str, Any]:
    return {name: getattr(detection, name) for name in Detection.__dataclass_fields__}


def _save(pixels: np.ndarray, regions: FocusRegions, saving: _Saving, name: str) -> list[Path]:
    from bigstack.kernels.heatmap import grey_picture, heat_picture, overlay_picture

    fused, density = regions["fused"], regions["density"]
    highest = float(density.max())
    made: dict[str, Callable[[], np.ndarray]] = {
        "fused": lambda: fused,
        "density": lambda: density,
        "filter": lambda: grey_picture(fused, float(fused.max())),
        "kde": lambda: heat_picture(density, max(highest, 1.0)),
        "overlay": lambda: overlay_picture(
            *((pixels, density) if saving.overlay == "image" else (fused, density)),
            low=0.0 if saving.overlay == "focus" or pixels.dtype.kind == "u" else float(pixels.min()),
            high=_white(pixels) if saving.overlay == "image" else float(fused.max()),
            highest=max(highest, 1.0),
        ),
    }
    paths = saving.paths(name)
    for kind, path in paths.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(made[kind](), path, saving.overwrite)
    return list(paths.values())


def _white(pixels: np.ndarray) -> float:
    return float(np.iinfo(pixels.dtype).max) if pixels.dtype.kind == "u" else float(pixels.max())


def _write(image: np.ndarray, path: Path, overwrite: bool) -> None:
    import xarray as xr

    from bigstack.geometry import Tile
    from bigstack.io.writers import create_sink, spec_of

    array = xr.DataArray(image, dims=("y", "x", "channel")[: image.ndim])
    sink = create_sink(path, spec_of(array), overwrite=overwrite)
    tile = Tile(0, image.shape[0], 0, image.shape[1])
    sink.open()
    try:
        sink.put(tile, sink.encode(tile, image if image.ndim == 3 else image[..., None]))
    except BaseException:
        sink.abort()
        raise
    sink.finish()


def _sort(by_path: dict[Path, Any], paths: Sequence[Path]) -> None:
    for path in paths:
        if path in by_path:
            by_path[path] = by_path.pop(path)
