"""Every option that commands share, written once."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar, cast, get_args

import click

from bigstack import names
from bigstack.names import ClusterKind, choices

F = TypeVar("F", bound=Callable[..., Any])


class LocalPath(click.Path):
    """A path; an address is told apart before it would lose one of its slashes."""

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """The path."""
        if "://" in str(value):
            self.fail(f"{value!r} is an address, not a path; this has to be on a disk", param, ctx)
        return super().convert(value, param, ctx)


class AnyPlace(click.Path):
    """A path, or the address of a Zarr store."""

    name = "path|url"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """The path, or the place in a store."""
        if "://" not in str(value):
            return super().convert(value, param, ctx)
        from bigstack.errors import InputError
        from bigstack.io.places import place_of

        try:
            return place_of(value)
        except InputError as error:
            self.fail(str(error), param, ctx)


PATH = LocalPath(path_type=Path)
PLACE = AnyPlace(path_type=Path)


class Bytes(click.ParamType):
    """A memory size such as 2GB or 512MiB."""

    name = "size"

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        """Bytes of the size."""
        from bigstack.engine.plan import parse_bytes
        from bigstack.errors import InputError

        try:
            return parse_bytes(value)
        except InputError as error:
            self.fail(str(error), param, ctx)


class Share(click.ParamType):
    """One of several equal shares, such as 3/8."""

    name = "i/n"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[int, int]:
        """Its number and how many there are."""
        if isinstance(value, tuple):
            return value
        number, _, of = str(value).partition("/")
        if not (number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of)):
            self.fail(f"{value!r} is not a task and their number, such as 3/8, counted from 1", param, ctx)
        return int(number), int(of)


class Numbers(click.ParamType):
    """One or more numbers separated by commas."""

    name = "number[,number...]"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[float, ...]:
        """The numbers."""
        if isinstance(value, tuple):
            return value
        try:
            return tuple(float(part) for part in str(value).split(","))
        except ValueError:
            self.fail(f"{value!r} is not a number, or several separated by commas", param, ctx)


class White(click.ParamType):
    """A white balance: its name, or factors separated by commas."""

    name = "camera|daylight|auto|r,g,b"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """The name, or the factors."""
        if isinstance(value, tuple) or value in ("camera", "daylight", "auto"):
            return value
        return Numbers().convert(value, param, ctx)


def combined(*options: Callable[[F], F]) -> Callable[[F], F]:
    """Several options as one decorator, shown in the order given."""

    def decorate(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


inputs = click.argument("inputs", nargs=-1, required=True, type=PLACE)

reading = combined(
    click.option("--every", type=click.IntRange(1), default=1, help="Use every N-th frame."),
    click.option("--start", type=int, help="First frame to use, counted from 0; negative from the end."),
    click.option("--stop", type=int, help="Frame to stop before."),
    click.option("--reverse", is_flag=True, help="Last frame first."),
    click.option("--channel", multiple=True, help="Use only this channel, by name or number (repeatable)."),
    click.option("--scene", type=str, help="Scene of a file that holds several, by name or number."),
    click.option("--level", type=click.IntRange(0), help="Resolution level of a multiscale input."),
    click.option("--time", type=click.IntRange(0), help="Time point of a file that has several."),
    click.option("--axes", help="Axes of an array whose file does not name them, such as zyx."),
    click.option("--to-float", is_flag=True, help="Read pixels no stack can hold (uint32, ...) as float32."),
    click.option(
        "--pixel-size",
        type=Numbers(),
        help="Micrometres of a pixel: one number, y,x or z,y,x; instead of what the file says.",
    ),
    click.option("--z", "z_positions", type=Numbers(), help="Position of each frame, in micrometres."),
    click.option("--skip-bad", is_flag=True, help="Go on without damaged or odd frames, and say so."),
    click.option(
        "--raw-white-balance",
        type=White(),
        help="RAW: camera, daylight, auto, or factors of red, green, blue [camera's, of the first frame].",
    ),
    click.option("--raw-half-size", is_flag=True, help="RAW: develop at half the size, much faster."),
    click.option(
        "--max-pixels", type=click.IntRange(1), help="Refuse frames above this many pixels (against bombs)."
    ),
)

limits = combined(
    click.option(
        "--memory-limit", type=Bytes(), default="2GB", show_default=True, help="Memory of a process."
    ),
    click.option("--workers", type=click.IntRange(1), help="Tasks at once; one a processor by default."),
)

CLUSTER_OPTIONS = ("jobs", "cores", "walltime", "partition", "account", "adaptive")


def _with_cluster(function: F) -> F:
    """The command, given the options of a cluster as one: a `Cluster`, None where none is asked for."""

    @wraps(function)
    def command(*args: Any, **values: Any) -> Any:
        from bigstack.cluster.settings import Cluster

        found = {name: values.pop(name) for name in CLUSTER_OPTIONS}
        if values["cluster"] is not None:
            values["cluster"] = Cluster(values["cluster"], **found)
        elif given := [name for name, value in found.items() if value]:
            kind = "" if given[0] == "adaptive" else " slurm"
            raise click.UsageError(f"--{given[0]} belongs to --cluster{kind}")
        return function(*args, **values)

    return cast(F, command)


running_without_tile = combined(
    limits,
    click.option("--processes", is_flag=True, help="Worker processes instead of threads."),
    click.option("--scheduler", help="Address of a running Dask scheduler, such as tcp://host:8786."),
    click.option("--scheduler-file", type=PATH, help="Its scheduler file, instead of the address."),
    click.option(
        "--cluster", type=click.Choice(get_args(ClusterKind)),
        help="Start a Dask cluster for the run: processes of this machine, or jobs of a SLURM queue.",
    ),
    click.option("--jobs", type=click.IntRange(1), help="slurm: jobs to queue, each one worker [1]."),
    click.option("--cores", type=click.IntRange(1), help="slurm: processors of a job."),
    click.option("--walltime", help="slurm: time limit of a job, such as 04:00:00."),
    click.option("--partition", help="slurm: partition to queue jobs in."),
    click.option("--account", help="slurm: account to charge."),
    click.option(
        "--adaptive", is_flag=True, help="Start workers as work asks for them, --jobs or --workers at most."
    ),
    _with_cluster,
)  # fmt: skip

tile = click.option("--tile", type=click.IntRange(16), help="Side of tiles in pixels, instead of the plan's.")

running = combined(tile, running_without_tile)

threads = combined(tile, limits)

keep_gps = click.option(
    "--keep-gps", is_flag=True, help="Keep where the pictures were taken; left out unless asked for."
)

sharing = combined(
    click.option(
        "--task", type=Share(),
        help="Compute share I of N of the tiles only, for job arrays; any may be run again. .ome.zarr only.",
    ),
    click.option("--finish", is_flag=True, help="Check and complete what the tasks computed."),
)  # fmt: skip


class Quality(click.ParamType):
    """A number from 1 to 100, or how much work goes into a depth."""

    name = "quality"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """The number, or the word."""
        if value in choices(names.Quality):
            return value
        if str(value).isdigit() and 1 <= int(value) <= 100:
            return int(value)
        self.fail(f"{value!r} is neither 1 to 100 nor one of {', '.join(choices(names.Quality))}", param, ctx)

    def get_metavar(self, param: Any, ctx: Any = None) -> str:
        """For the help."""
        return "[1-100|full|fast]"


def take_quality(values: dict[str, Any]) -> str | None:
    """Leave the quality of JPEG files in `values`, and give the word, when there is one."""
    given = values.pop("quality", ())
    numbers = [value for value in given if isinstance(value, int)]
    words = [value for value in given if isinstance(value, str)]
    for several in (numbers, words):
        if len(set(several)) > 1:
            raise click.UsageError(f"--quality was given as {several[0]} and {several[-1]}: say one of them")
    values["quality"] = numbers[-1] if numbers else None
    return words[-1] if words else None


quality = click.option(
    "--quality", type=Quality(), multiple=True,
    help="A number: of JPEG outputs, 1 to 100. full or fast: work that goes into a depth [full].",
)  # fmt: skip

writing = combined(
    click.option("--overwrite", is_flag=True, help="Replace an output that is there already."),
    click.option(
        "--ngff", type=click.Choice(["0.5", "0.4"]), help="OME-Zarr version of .ome.zarr outputs [0.5]."
    ),
    click.option("--compression", help="Compression of TIFF and Zarr outputs."),
    quality,
)

metadata = combined(
    click.option(
        "--metadata-from",
        help="Frame whose EXIF, XMP and ICC profile go with the outputs: first, middle, last, reference, its "
        "number, or a file [the alignment's reference, else the first].",
    ),
    keep_gps,
)

talking = combined(
    click.option("-v", "--verbose", is_flag=True, help="Say more: the plan, the inputs, timings."),
    click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors."),
    click.option("--debug", is_flag=True, help="Show a traceback with an error."),
)


def check_sharing(values: dict[str, Any]) -> None:
    """Refuse options of `sharing` that contradict each other."""
    if values.get("task") and values.get("finish"):
        raise click.UsageError("--task computes and --finish completes: give one of them")


def reading_options(values: dict[str, Any]) -> dict[str, Any]:
    """Take the options of `reading` out of `values`, as `open_stack` wants them."""
    names = ("every", "start", "stop", "reverse", "scene", "level", "time", "axes", "skip_bad", "max_pixels",
             "raw_white_balance", "raw_half_size")  # fmt: skip
    found = {name: values.pop(name) for name in (*names, "pixel_size")}
    found["dtype"] = "float32" if values.pop("to_float") else None
    found["z"] = values.pop("z_positions")
    found["channel"] = list(values.pop("channel")) or None
    return {name: value for name, value in found.items() if value is not None}
