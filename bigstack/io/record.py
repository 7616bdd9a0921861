"""What a run was made of, so that an interrupted one is continued only by its equal."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from bigstack.errors import ResumeError, StackError
from bigstack.io.places import place_of
from bigstack.io.remote import RemotePath

DESCRIPTIONS = ("zarr.json", ".zgroup", ".zattrs", ".zarray")
"""What describes a Zarr."""
LIBRARIES = ("numpy", "opencv-contrib-python-headless", "scipy", "imagecodecs")
"""Versions that can change the last bit of a result, beside bigstack's own."""
MANY = 10
"""Most differences a message lists."""


@dataclass(frozen=True, slots=True)
class InputRecord:
    """A file or Zarr folder as a run found it."""

    path: str
    size: int
    mtime_ns: int
    """Time of the last change; of the newest file for a folder."""
    digest: str = ""
    """SHA-256 of the content; where there is one, the time does not count."""

    @classmethod
    def of(cls, path: str | os.PathLike[str] | RemotePath, *, digest: bool = False) -> InputRecord:
        """Look at a file, or at all files of a folder.

        Raises
        ------
        StackError
            When it is not there.
        """
        place = place_of(path).resolve()
        if isinstance(place, RemotePath):
            return cls._of_remote(place, digest=digest)
        try:
            files = sorted(_files(place)) if place.is_dir() else [place]
            stats = [file.stat() for file in files]
            code = _digest(place, files) if digest else ""
        except OSError as error:
            raise StackError(f"cannot read {place}: {error.strerror or error}") from error
        return cls(
            str(place), sum(s.st_size for s in stats), max((s.st_mtime_ns for s in stats), default=0), code
        )

    @classmethod
    def _of_remote(cls, place: RemotePath, *, digest: bool) -> InputRecord:
        """Look at all objects below; where a server gives no list, at what describes the Zarr.

        The server's own marks stand for the content, which would have to be fetched.
        """
        if place.bucket.read_only:
            names = [name for name in DESCRIPTIONS if (place / name).is_file()]
            found = {name: (place / name).stat() for name in names}
        else:
            found = dict(sorted(place.files_below()))
        if not found:
            raise StackError(f"cannot read {place}: there is nothing")
        code = hashlib.sha256()
        for name, facts in found.items():
            code.update(f"{name}\0{facts.st_size}\0{facts.tag or facts.st_mtime_ns}\0".encode())
        return cls(
            str(place),
            sum(facts.st_size for facts in found.values()),
            max(facts.st_mtime_ns for facts in found.values()),
            code.hexdigest() if digest else "",
        )

    def change(self, now: InputRecord) -> str | None:
        """Say how the same input differs now, None when it does not."""
        if self.size != now.size:
            return f"{self.size} bytes then, {now.size} now"
        if self.digest and now.digest:
            return None if self.digest == now.digest else "other content"
        return None if self.mtime_ns == now.mtime_ns else "newer or older file"


@dataclass(frozen=True, slots=True)
class RunRecord:
    """Inputs, parameters and versions of a run; a JSON file beside its unfinished output.

    Examples
    --------
    >>> record = RunRecord.of("stack", [], {"levels": 5})
    >>> check_resume(record, RunRecord.from_json(record.to_json()))
    """

    kind: str
    """What is run, such as the name of the command."""
    inputs: tuple[InputRecord, ...] = ()
    """In the order of the frames."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """Everything that the pixels depend on; values as JSON has them."""
    versions: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        kind: str,
        inputs: Iterable[str | os.PathLike[str] | RemotePath],
        parameters: Mapping[str, Any],
        *,
        digest: bool = False,
    ) -> RunRecord:
        """Record a run about to start: looks at every input, reads them all with `digest`.

        Raises
        ------
        StackError
            When an input is not there.
        """
        found = tuple(InputRecord.of(path, digest=digest) for path in inputs)
        return cls(kind, found, json.loads(json.dumps(dict(parameters), default=str)), dict(versions()))

    def to_json(self) -> str:
        """Write as JSON text."""
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str) -> RunRecord:
        """Read what `to_json` wrote.

        Raises
        ------
        ResumeError
            When the text is not such a record.
        """
        try:
            value = json.loads(text)
            inputs = tuple(InputRecord(**item) for item in value["inputs"])
            return cls(value["kind"], inputs, dict(value["parameters"]), dict(value["versions"]))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ResumeError(
                f"the record of the interrupted run cannot be read ({error!r}); start anew with --overwrite"
            ) from error


def check_resume(old: RunRecord, new: RunRecord) -> None:
    """Check that a new run may continue an old one.

    Raises
    ------
    ResumeError
        When anything that the pixels depend on differs; names each difference and what to do.
    """
    found = list(differences(old, new))
    if not found:
        return
    listed = "; ".join(found[:MANY])
    more = f"; and {len(found) - MANY} more" if len(found) > MANY else ""
    raise ResumeError(
        f"cannot continue the interrupted run, it was another one: {listed}{more}. "
        "Run it as it was to continue, or start anew with --overwrite"
    )


def differences(old: RunRecord, new: RunRecord) -> Iterator[str]:
    """Name everything in which two runs differ."""
    if old.kind != new.kind:
        yield f"it was {old.kind!r}, now {new.kind!r}"
    yield from _changed("option", old.parameters, new.parameters)
    yield from _changed("version of", old.versions, new.versions)
    yield from _changed_inputs(old.inputs, new.inputs)


def _changed(what: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    for name in [*old, *(n for n in new if n not in old)]:
        if name not in new:
            yield f"{what} {name} was {_shown(old[name])}, now not given"
        elif name not in old:
            yield f"{what} {name} was not given, now {_shown(new[name])}"
        elif old[name] != new[name]:
            yield f"{what} {name} was {_shown(old[name])}, now {_shown(new[name])}"


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _changed_inputs(old: tuple[InputRecord, ...], new: tuple[InputRecord, ...]) -> Iterator[str]:
    before, after = {item.path: item for item in old}, {item.path: item for item in new}
    for path, item in before.items():
        name = Path(path).name
        if path not in after:
            yield f"input {name} is not among the inputs now"
        elif how := item.change(after[path]):
            yield f"input {name} has changed since ({how})"
    for path in after:
        if path not in before:
            yield f"input {Path(path).name} is new"
    if before.keys() == after.keys() and [i.path for i in old] != [i.path for i in new]:
        yield "the inputs come in another order"


def _files(folder: Path) -> Iterator[Path]:
    for base, _, names in os.walk(folder):
        for name in names:
            yield Path(base, name)


def _digest(root: Path, files: list[Path]) -> str:
    code = hashlib.sha256()
    for path in files:
        code.update(str(path.relative_to(root)).encode() + b"\0")
        with path.open("rb") as file:
            code.update(hashlib.file_digest(file, "sha256").digest())
    return code.hexdigest()


@cache
def versions() -> Mapping[str, str]:
    """Return the versions of everything installed that can change a result."""
    from importlib.metadata import PackageNotFoundError, version

    import bigstack

    found = {"bigstack": bigstack.__version__}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # another build of OpenCV, as distributions have
            continue
    return found
