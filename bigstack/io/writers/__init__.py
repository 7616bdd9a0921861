"""Writers of images and stacks, chosen by the extension of the output's name."""

from __future__ import annotations

import importlib
import inspect
import os
from typing import Any

from bigstack.errors import FormatError, InputError, choose
from bigstack.io.places import AnyPath, place_of
from bigstack.io.remote import RemotePath
from bigstack.io.sink import ImageSpec, Sink
from bigstack.io.writers.output import output_at
from bigstack.io.writers.spec import StackSpec, human, nbytes, spec_of, stack_spec_of

__all__ = [
    "SUFFIXES",
    "StackSpec",
    "create_sink",
    "create_stack_sink",
    "human",
    "nbytes",
    "sink_options",
    "spec_of",
    "stack_spec_of",
    "suffix_of",
]

SUFFIXES = {
    ".ome.zarr": "ome_zarr:OmeZarrSink",
    ".zarr": "ome_zarr:OmeZarrSink",
    ".ome.tif": "tiff:TiffSink",
    ".ome.tiff": "tiff:TiffSink",
    ".tif": "tiff:TiffSink",
    ".tiff": "tiff:TiffSink",
    ".png": "png:PngSink",
    ".jpg": "jpeg:JpegSink",
    ".jpeg": "jpeg:JpegSink",
    ".npy": "npy:NpySink",
}
"""Module and class of every writer; longer extensions come before those they end in."""
STACK_SUFFIXES = (".ome.zarr", ".zarr")


def suffix_of(path: str | os.PathLike[str] | RemotePath) -> str:
    """Return the extension that decides the format of an output.

    Raises
    ------
    FormatError
        When no writer has it; lists those there are.

    Examples
    --------
    >>> suffix_of("fused.OME.TIF")
    '.ome.tif'
    """
    name = place_of(path).name.lower()
    for suffix in SUFFIXES:
        if name.endswith(suffix) and name != suffix:
            return suffix
    raise FormatError(
        f"cannot tell the format of {str(path)!r} from its extension (one of: {', '.join(SUFFIXES)})"
    )


def sink_options(path: str | os.PathLike[str] | RemotePath) -> tuple[str, ...]:
    """Return the names of the options that the writer for this extension takes."""
    return _options(_writer(suffix_of(path)))


def create_sink(
    path: str | os.PathLike[str] | RemotePath,
    spec: ImageSpec,
    *,
    overwrite: bool = False,
    record: Any = None,
    **options: Any,
) -> Sink:
    """Make the writer of an image after the extension of `path`, and refuse early what cannot work.

    Parameters
    ----------
    path
        Where the image appears once it is whole; an OME-Zarr also at ``s3://bucket/...``.
    spec
        Size, dtype and metadata; see `spec_of`.
    overwrite
        Whether an output that exists may be replaced. It stays until the new one is whole.
    record
        A `bigstack.io.record.RunRecord`. With it an interrupted run to Zarr is continued by one with an
        equal record and refused for another; other formats always start anew. The output must not be one
        of the record's inputs.
    options
        Of the format; see `sink_options` and the writers' classes.

    Raises
    ------
    FormatError
        For an unknown extension, or an image that the format cannot hold.
    OutputExistsError
        When the output exists and `overwrite` is false.
    InputError
        For a missing folder, an unknown option or an output that is also an input.
    """
    suffix = suffix_of(path)
    if isinstance(place_of(path), RemotePath) and suffix not in STACK_SUFFIXES:
        output_at(path, overwrite=overwrite, folder=False)
    writer = _writer(suffix)
    _check_options(writer, suffix, options)
    problem = writer.problem(spec)
    if problem is not None:
        raise FormatError(f"{path}: {problem}; {_able(spec)}")
    if suffix in STACK_SUFFIXES:
        options["record"] = record
    sink: Any = writer(path, spec, overwrite=overwrite, **options)
    sink.output.check()
    _check_inputs(sink.output.path, record)
    return sink  # type: ignore[no-any-return]


def create_stack_sink(
    path: str | os.PathLike[str] | RemotePath,
    spec: StackSpec,
    *,
    overwrite: bool = False,
    record: Any = None,
    **options: Any,
) -> Any:
    """Make the writer of a whole stack, an `OmeZarrStackSink`; see `create_sink`."""
    suffix = suffix_of(path)
    if suffix not in STACK_SUFFIXES:
        raise FormatError(f"stacks are written as {' or '.join(STACK_SUFFIXES)}, not {suffix}")
    from bigstack.io.writers.ome_zarr import OmeZarrStackSink

    _check_options(OmeZarrStackSink, suffix, options)
    problem = OmeZarrStackSink.problem(spec)
    if problem is not None:
        raise FormatError(f"{path}: {problem}")
    sink = OmeZarrStackSink(path, spec, overwrite=overwrite, record=record, **options)
    sink.output.check()
    _check_inputs(sink.output.path, record)
    return sink


def _writer(suffix: str) -> Any:
    module, name = SUFFIXES[suffix].split(":")
    return getattr(importlib.import_module(f"bigstack.io.writers.{module}"), name)


def _options(writer: Any) -> tuple[str, ...]:
    names = inspect.signature(writer).parameters
    return tuple(name for name in names if name not in ("path", "spec", "overwrite", "record"))


def _check_options(writer: Any, suffix: str, options: dict[str, Any]) -> None:
    valid = _options(writer)
    for name in options:
        if not valid:
            raise InputError(f"{suffix} takes no options, got {name!r}")
        choose(name, valid, f"option of {suffix}")


def _able(spec: ImageSpec) -> str:
    """Name the formats that can hold the image."""
    able = [suffix for suffix in SUFFIXES if _writer(suffix).problem(spec) is None]
    if not able:
        return "no format can; convert it to uint8, uint16 or float32 first"
    return f"formats that can: {', '.join(able)}"


def _check_inputs(output: AnyPath, record: Any) -> None:
    if record is not None and any(place_of(item.path) == output.resolve() for item in record.inputs):
        raise InputError(f"{output} is an input of this run and cannot be its output too")
