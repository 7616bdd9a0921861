"""Fuse a folder while a microscope or camera writes it: previews on the way, the batch's bits at last."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, fields
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from bigstack.errors import InputError, MemoryLimitError, StackError
from bigstack.io.places import AnyPath
from bigstack.jobs import results
from bigstack.jobs.arriving import Arriving, changed
from bigstack.jobs.stack import StackJob
from bigstack.jobs.watch_state import Kept

POLL = 0.2
"""Seconds between looks at the folder."""

PREVIEW_SIDE = 1600
"""Pixels of the longer side of a preview, at most."""

FINISHING = ("limit_halos", "reassign_colors", "denoise")
"""Options of the last touch to an image, which may look at all frames again: previews go without."""

KEEP_EVERY = 20.0
"""Seconds between checkpoints while frames keep coming; whenever there is none waiting, one is made."""

Tell = Callable[[str], None]


@dataclass
class WatchJob(StackJob):
    """Everything `bigstack watch` can be told."""

    frames: int | None = None
    """Finish after so many frames."""
    idle: float | None = None
    """Finish when no frame has come for so many seconds."""
    settle: float = 1.0
    """Seconds for which a file must not have changed to be whole."""
    patience: float = 30.0
    """Seconds after which a file that is no image is a bad frame."""
    preview: Path | None = None
    """Where the preview goes; beside the output when None."""
    previews: bool = True

    @property
    def folder(self) -> Path:
        """The folder that is watched."""
        return Path(str(self.inputs[0])).absolute()

    def fusion(self) -> dict[str, Any]:
        """Method and options."""
        return {"method": self.method, "focus_channel": self.focus_channel, **self.options}


@dataclass
class WatchResult:
    """What was written."""

    outputs: dict[str, AnyPath]
    frames: int
    resumed: int
    seconds: float
    notes: list[str] = field(default_factory=list)

    def lines(self, *, verbose: bool = False) -> list[str]:
        """For people."""
        resumed = f", {self.resumed} of them from an earlier run" if self.resumed else ""
        return [
            *(f"wrote {path}" for path in self.outputs.values()),
            f"{self.frames} frames{resumed}, in {self.seconds:.1f} s",
            *self.notes,
        ]


def run_watch(job: WatchJob, *, tell: Tell = lambda text: None) -> WatchResult:
    """Run `job`: killed, it goes on from its last checkpoint when it is run again.

    Raises
    ------
    BigstackError
        One of its children, with a message for the user.
    """
    return _Watch(job, tell).run()


class _Watch:
    """One watch."""

    def __init__(self, job: WatchJob, tell: Tell) -> None:
        _check(job)
        self.job = job
        self.tell = tell
        self.arriving = Arriving(job.folder, job.settle, job.patience)
        self.kept = Kept(Path(str(job.output)), job.parameters())
        self.taken: list[Path] = []
        self.states: list[tuple[int, int]] = []
        self.skipped: dict[Path, str] = {}
        self.running: Any = None
        self.resumed = 0
        self._last_kept = time.monotonic()

    def run(self) -> WatchResult:
        """Take frames until there are enough, then write the result."""
        import cv2

        cv2.setNumThreads(1)
        started = time.perf_counter()
        with ThreadPoolExecutor(self.workers) as pool:
            self.pool = pool
            self._take_up()
            self._watch()
            self._finish()
        notes = [f"skipped {path.name}: {problem}" for path, problem in self.skipped.items()]
        return WatchResult(
            self.job.outputs, len(self.taken), self.resumed, time.perf_counter() - started, notes
        )

    @cached_property
    def workers(self) -> int:
        """Threads."""
        from bigstack.cluster import count_workers

        return count_workers(self.job.workers)

    def _take_up(self) -> None:
        """Go on from the checkpoint of an interrupted watch, if its frames are still what they were."""
        found = self.kept.read()
        if found is None:
            return
        paths, states = found
        listed = self.arriving.listed()
        if changed(paths, states) is not None or listed[: len(paths)] != paths:
            self.tell("the frames of the interrupted run have changed: starting anew")
            return
        self._begin(paths[0])
        self.kept.load(self.running)
        self.taken, self.states = list(paths), list(states)
        self.resumed = len(paths)
        self.tell(f"going on after {len(paths)} frames of an interrupted run")

    def _watch(self) -> None:
        last = time.monotonic()
        while not self._enough(time.monotonic() - last):
            path = self._next()
            if path is None:
                self._keep()
                time.sleep(POLL)
                continue
            self._take(path)
            last = time.monotonic()
            if self.job.previews and not self._enough(0.0):
                self._preview()
            if last - self._last_kept > KEEP_EVERY:
                self._keep()

    def _enough(self, quiet: float) -> bool:
        if self.job.frames is not None and len(self.taken) >= self.job.frames:
            return True
        return bool(self.taken) and self.job.idle is not None and quiet >= self.job.idle

    def _next(self) -> Path | None:
        """The next frame that is whole; None while there is none."""
        listed = [path for path in self.arriving.listed() if path not in self.skipped]
        odd = changed(self.taken, self.states)
        if odd is not None or listed[: len(self.taken)] != self.taken:
            name = odd.name if odd is not None else "an earlier frame"
            self.tell(f"{name} has changed or come late: starting anew")
            self._restart()
            return None
        for path in listed[len(self.taken) : len(self.taken) + 1]:
            try:
                return path if self.arriving.whole(path) else None
            except StackError as error:
                if not self.job.reading.get("skip_bad"):
                    raise
                self.skipped[path] = str(error)
                self.tell(f"skipped {path.name}: {error}")
        return None

    def _restart(self) -> None:
        self.running, self.taken, self.states = None, [], []
        self.resumed = 0
        self.kept.clear()

    def _begin(self, path: Path) -> None:
        from bigstack.engine.running import RunningFusion
        from bigstack.fusion import fuse_by
        from bigstack.io.writers.spec import human

        plain = {name: value for name, value in self.job.fusion().items() if name not in FINISHING}
        self.running = RunningFusion(partial(fuse_by, **plain), self._open([path]))
        need = self.running.bytes()
        if need > self.job.memory_limit:
            raise MemoryLimitError(
                f"the running fusion needs {human(need)}, the limit is {human(self.job.memory_limit)}; raise "
                "--memory-limit, or run bigstack stack when all frames are there"
            )

    def _take(self, path: Path) -> None:
        from bigstack.engine.sources import as_source
        from bigstack.io.files import file_state

        frame = self._open([path])
        if self.running is None:
            self._begin(path)
        first = self.running.stages[0].tiles.job
        if frame.shape[1:] != first.shape[1:] or frame.dtype != first.dtype:
            raise StackError(
                f"{path} is {frame.shape[2]} x {frame.shape[1]} {frame.dtype}, the frames before it are "
                f"{first.shape[2]} x {first.shape[1]} {first.dtype}; remove it from the folder"
            )
        if as_source(frame.data).masked and not self.running.masked:
            self.tell(f"{path.name} is the first with transparency: starting anew")
            earlier = self.taken
            self._restart()
            self._begin(path)
            for each in earlier:
                self._add(each, self._open([each]), file_state(each))
        self._add(path, frame, file_state(path))
        self.tell(f"{len(self.taken)}: {path.name}")

    def _add(self, path: Path, frame: Any, state: tuple[int, int]) -> None:
        self.running.add(frame, self.pool.map)
        self.taken.append(path)
        self.states.append(state)

    def _open(self, paths: list[Path]) -> Any:
        from bigstack.io.open import open_stack

        per_file = ("channel", "dtype", "max_pixels", "pixel_size")
        reading = {name: value for name, value in self.job.reading.items() if name in per_file}
        return open_stack(paths if len(paths) > 1 else paths[0], **reading)

    def _keep(self) -> None:
        """Make a checkpoint where there is something new."""
        if self.running is not None and len(self.taken) > self.kept.count:
            self.kept.write(self.running, self.taken, self.states)
            self._last_kept = time.monotonic()

    def _preview(self) -> None:
        import dask
        import dask.array as da

        from bigstack.jobs.write import write_image

        image = self.running.result(self._open(self.taken[:1])).image
        step = -(-max(image.shape[:2]) // PREVIEW_SIDE)
        if step > 1:
            height, width = (size // step * step for size in image.shape[:2])
            mean = da.coarsen(_rounded_mean, image.data[:height, :width], {0: step, 1: step})
            image = image[:height:step, :width:step].copy(data=mean)
        if image.dtype != "uint8":
            image = image.copy(data=_to_bytes(image.data))
        if image.shape[2] not in (1, 3):
            image = image[..., :1]
        image.attrs = {}
        with dask.config.set(scheduler="threads", num_workers=self.workers):
            write_image(image.compute(), self.preview, overwrite=True)

    @cached_property
    def preview(self) -> Path:
        """Where the preview goes."""
        path = self.job.preview
        output = Path(str(self.job.output))
        return path or output.with_name(f"{output.name.split('.')[0]}.preview.jpg")

    def _finish(self) -> None:
        self._keep()
        if self.job.steps:
            from bigstack.jobs.stack import run_stack

            given = {each.name: getattr(self.job, each.name) for each in fields(StackJob)}
            run_stack(StackJob(**{**given, "inputs": tuple(self.taken)}))
        else:
            self._write()
        self.kept.clear()
        if self.job.previews:
            self.preview.unlink(missing_ok=True)

    def _write(self) -> None:
        from bigstack.fusion import fuse_by
        from bigstack.io.writers import sink_options
        from bigstack.jobs.metadata import carry_metadata
        from bigstack.jobs.write import write_image

        stack = carry_metadata(self._whole(), self.job.metadata_from)
        result = self.running.result(stack, partial(fuse_by, **self.job.fusion()))
        given: dict[str, Any] = {
            "version": self.job.ngff,
            "compression": self.job.compression,
            "quality": self.job.quality,
        }
        for name, path in self.job.outputs.items():
            takes = sink_options(path)
            options = {k: v for k, v in given.items() if v is not None and k in takes}
            write_image(
                result[name], path, overwrite=self.job.overwrite, keep_gps=self.job.keep_gps,
                workers=self.workers, **options,
            )  # fmt: skip

    def _whole(self) -> Any:
        """All frames as a stack: its audit finds what no frame shows by itself, such as a duplicate."""
        from bigstack.io.open import open_stack

        paths = self.taken if len(self.taken) > 1 else self.taken[0]
        return open_stack(paths, **{**self.job.reading, "skip_bad": False})


def _check(job: WatchJob) -> None:
    """Refuse what cannot be, before the first frame is there."""
    job.check()
    if len(job.inputs) != 1 or not job.folder.is_dir():
        raise StackError(f"{job.inputs[0]} is no folder; give the folder that frames are written to")
    results.check_paths(job.outputs, overwrite=job.overwrite)
    results.check_among(job.outputs, job.folder, [f"frame{job.output.suffix}"])
    given = [name for name in ("confidence", "sigma") if name in job.outputs]
    if given or (job.method == "average" and len(job.outputs) > 1):
        name = given[0] if given else next(name for name in job.outputs if name != "image")
        raise InputError(f"--method {job.method} gives no {name}; leave --{name}-out away")
    for name in ("every", "start", "stop", "reverse", "z"):
        if job.reading.get(name) not in (None, False, 1):
            raise InputError(f"--{name} picks frames of a whole stack; leave it away while they still come")
    if job.frames is None and job.idle is None:
        raise InputError("say when the stack is whole: after so many --frames, or so many seconds --idle")


def _rounded_mean(block: Any, axis: Any = None) -> Any:
    return block.mean(axis=axis).round().astype(block.dtype)


def _to_bytes(array: Any) -> Any:
    """Darkest to brightest as 0 to 255, for a look."""
    low, high = array.min(), array.max()
    return ((array - low) * (255.0 / (high - low + 1e-9))).round().astype("uint8")
