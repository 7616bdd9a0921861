"""The record of a run: what its output was made of and how. It is a job, which makes the output again."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from bigstack.errors import InputError, OutputExistsError, StackError
from bigstack.io.corrections import put_files
from bigstack.io.record import InputRecord, versions
from bigstack.jobs.recipe import RECORD_ENDING, Job

FORMAT, VERSION = "bigstack-record", 1


def record_path(output: Path) -> Path:
    """Where the record of an output lies.

    Examples
    --------
    >>> record_path(Path("fused.tif")).name
    'fused.tif.bigstack.json'
    """
    return output.with_name(output.name + RECORD_ENDING)


def write_record(
    main: Path,
    outputs: Mapping[str, Path],
    *,
    job: Job,
    key: str,
    inputs: list[InputRecord],
    estimates: Mapping[str, str],
    audit: Mapping[str, Any],
    timings: Mapping[str, float],
    hashed: bool,
    share_read: float | None = None,
) -> Path:
    """Write the record of outputs that are there, beside the `main` one."""
    import bigstack

    value = {
        "format": FORMAT,
        "version": VERSION,
        "made_by": f"bigstack {bigstack.__version__}",
        "again": f"bigstack run {record_path(main).name}",
        "key": key,
        "job": job.to_dict(),
        "outputs": {name: _output(path, hashed) for name, path in outputs.items()},
        "inputs": [asdict(item) for item in inputs],
        "versions": dict(versions()),
        "estimates": {name: json.loads(text) for name, text in estimates.items()},
        "audit": audit,
        "timings": {name: round(seconds, 3) for name, seconds in timings.items()},
    }
    if share_read is not None:
        value["share_read"] = round(share_read, 4)
    path = record_path(main)
    put_files({path: (json.dumps(value, indent=1, default=str) + "\n").encode()}, overwrite=True)
    return path


def read_record(output: Path) -> dict[str, Any] | None:
    """The record of an output; None when there is none that can be read."""
    try:
        value = json.loads(record_path(output).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) and value.get("format") == FORMAT else None


def is_current(main: Path, outputs: Mapping[str, Path], key: str) -> bool:
    """Whether outputs are those of `key`, and have not been touched since."""
    record = read_record(main)
    if record is None or record.get("key") != key:
        return False
    return all(_untouched(record, name, path) for name, path in outputs.items())


def check_replaceable(main: Path, outputs: Mapping[str, Path]) -> None:
    """Refuse to replace what no job wrote, or what was changed since.

    Raises
    ------
    OutputExistsError
        Naming it.
    """
    record = read_record(main)
    for name, path in outputs.items():
        if not os.path.lexists(path):
            continue
        if record is None or name not in record.get("outputs", {}):
            raise OutputExistsError(
                f"{path} exists and is not this job's; choose another name or folder, "
                "or allow to overwrite it (--overwrite)"
            )
        if not _untouched(record, name, path):
            raise OutputExistsError(
                f"{path} was changed since the job wrote it; rename it to keep it, "
                "or allow to overwrite it (--overwrite)"
            )


def job_of_record(text: str, where: str) -> Job:
    """The job that a record is."""
    try:
        value = json.loads(text)
    except ValueError as error:
        raise InputError(f"{where} is no JSON: {error}") from error
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise InputError(f'{where} is no record of a run: its JSON has no "format": "{FORMAT}"')
    if value.get("version") != VERSION:
        raise InputError(f"{where} has version {value.get('version')!r}, and {VERSION} can be read")
    try:
        job = Job.from_dict(value["job"])
        known = {name: json.dumps(item) for name, item in value["estimates"].items()}
        recorded = {name: value[name] for name in ("inputs", "versions", "outputs")}
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{where} is incomplete: {error}") from error
    return replace(job, known=known, recorded=recorded)


def check_inputs(job: Job, found: list[InputRecord]) -> None:
    """Refuse to make an output again from other inputs than those of its record.

    Raises
    ------
    StackError
        Naming every input that differs.
    """
    if "inputs" not in job.recorded:
        return
    then = [InputRecord(**item) for item in job.recorded["inputs"]]
    if [item.digest for item in then] == [item.digest for item in found]:
        return
    lines = (
        [f"the record is of {len(then)} inputs, there are {len(found)}"] if len(then) != len(found) else []
    )
    for old, new in zip(then, found, strict=False):
        if old.digest != new.digest:
            lines.append(f"{new.path} is not what it was ({old.change(new) or 'other content'})")
    raise StackError(
        "the inputs are not those of the record: " + "; ".join(lines[:10]) + ". Its job can be run on other "
        "inputs as a job file: bigstack job from RECORD"
    )


def differences(job: Job, outputs: Mapping[str, Path]) -> list[str]:
    """What is not as the record says, once its job has run again: hashes of outputs, and versions."""
    then = job.recorded.get("outputs", {})
    lines = [
        f"{path} differs from the recorded output"
        for name, path in outputs.items()
        if then.get(name, {}).get("sha256") not in (None, content_digest(path))
    ]
    old, now = job.recorded.get("versions", {}), versions()
    if lines:
        lines += [
            f"{name} was {old[name]}, now {now.get(name)}" for name in old if old[name] != now.get(name)
        ]
    return lines


def content_digest(path: Path) -> str:
    """SHA-256 of an output: of a file, or of the chunks of a Zarr store without its metadata."""
    code = hashlib.sha256()
    if not path.is_dir():
        with path.open("rb") as whole:
            return hashlib.file_digest(whole, "sha256").hexdigest()
    files = (Path(base, name) for base, _, names in os.walk(path) for name in names)
    for file in sorted(file for file in files if not _is_metadata(file)):
        code.update(str(file.relative_to(path)).encode() + b"\0")
        with file.open("rb") as opened:
            code.update(hashlib.file_digest(opened, "sha256").digest())
    return code.hexdigest()


def _is_metadata(file: Path) -> bool:
    return file.suffix == ".json" or file.name.startswith(".z") or file.suffix == ".xml"


def _output(path: Path, hashed: bool) -> dict[str, Any]:
    state = InputRecord.of(path)
    found: dict[str, Any] = {"path": str(path), "size": state.size, "mtime_ns": state.mtime_ns}
    return found | ({"sha256": content_digest(path)} if hashed else {})


def _untouched(record: Mapping[str, Any], name: str, path: Path) -> bool:
    try:
        entry = record["outputs"][name]
        if not path.exists():
            return False
        state = InputRecord.of(path)
        return bool(entry["size"] == state.size and entry["mtime_ns"] == state.mtime_ns)
    except (KeyError, TypeError, StackError):
        return False
