"""The jobs of `bigstack roughness` and `bigstack profile`: measures of a depth map on disk."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bigstack.errors import FormatError
from bigstack.geometry.roughness import Roughness
from bigstack.io.places import AnyPath
from bigstack.io.writers.output import Output
from bigstack.io.writers.text import write_text

TABLES = (".csv", ".json")


@dataclass
class MapJob:
    """What every measure of a depth map can be told."""

    depth: AnyPath
    output: Path | None = None
    """File to write: JSON, or for a profile CSV too; pictures are drawn by others."""
    options: dict[str, Any] = field(default_factory=dict)
    """Options of the function of that name."""
    unit: str | None = None
    valid: AnyPath | None = None
    overwrite: bool = False


class RoughnessJob(MapJob):
    """Everything `bigstack roughness` can be told; see its help for what each means."""


@dataclass
class RoughnessResult:
    """What a run found and wrote."""

    roughness: Roughness
    written: list[Path]

    def lines(self, *, verbose: bool = False) -> list[str]:
        """For people."""
        return [*self.roughness.lines(), *(f"wrote {path}" for path in self.written)]


@dataclass
class ProfileJob(MapJob):
    """Everything `bigstack profile` can be told; see its help for what each means."""

    start: tuple[float, float] = field(kw_only=True)
    stop: tuple[float, float] = field(kw_only=True)


@dataclass
class ProfileResult:
    """What a run found and wrote."""

    profile: Any
    written: list[Path]

    def lines(self, *, verbose: bool = False) -> list[str]:
        """For people."""
        found = self.profile
        unit = found.attrs.get("unit", "")
        low, high, mean = (float(value) for value in (found.min(), found.max(), found.mean()))
        length = float(found.distance[-1])
        lines = [
            f"{found.size} places along {length:.6g} {found.distance.attrs['units']}",
            f"from {low:.6g} to {high:.6g}, mean {mean:.6g} {unit}".rstrip(),
        ]
        unknown = int(found.isnull().sum())
        return [
            *lines,
            *([f"{unknown} places have no depth"] if unknown else []),
            *(f"wrote {path}" for path in self.written),
        ]


def run_roughness(job: RoughnessJob) -> RoughnessResult:
    """Run `job`.

    Raises
    ------
    BigstackError
        One of its children, with a message for the user.
    """
    from bigstack.topography import roughness

    _check_output(job.output, job.overwrite, (".json",))
    found = roughness(_map(job), **_masked(job), **job.options)
    written = []
    if job.output is not None:
        written.append(write_text(job.output, _json(found.as_dict()), overwrite=job.overwrite))
    return RoughnessResult(found, written)


def run_profile(job: ProfileJob) -> ProfileResult:
    """Run `job`.

    Raises
    ------
    BigstackError
        One of its children, with a message for the user.
    """
    from bigstack.profiles import profile

    _check_output(job.output, job.overwrite, TABLES)
    found = profile(_map(job), job.start, job.stop, **_masked(job), **job.options)
    written = []
    if job.output is not None:
        text = _csv(found) if job.output.suffix.lower() == ".csv" else _json(profile_dict(found))
        written.append(write_text(job.output, text, overwrite=job.overwrite))
    return ProfileResult(found, written)


def profile_dict(found: Any) -> dict[str, Any]:
    """A profile for JSON; places without a depth are null."""
    return {
        "unit": found.attrs.get("unit"),
        "distance_unit": found.distance.attrs["units"],
        **{name: found[name].values.tolist() for name in ("distance", "x", "y")},
        "depth": [None if math.isnan(value) else value for value in found.values.tolist()],
    }


def _csv(found: Any) -> str:
    """One line a place; no depth is an empty field."""
    unit = found.attrs.get("unit")
    head = f"distance ({found.distance.attrs['units']}),x (pixel),y (pixel),depth" + (
        f" ({unit})" if unit else ""
    )
    columns = [found[name].values.tolist() for name in ("distance", "x", "y")]
    rows = [
        f"{d:.9g},{x:.9g},{y:.9g},{'' if math.isnan(z) else f'{z:.9g}'}"
        for d, x, y, z in zip(*columns, found.values.tolist(), strict=True)
    ]
    return "\n".join([head, *rows]) + "\n"


def _json(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=1) + "\n"


def _check_output(path: Path | None, overwrite: bool, endings: tuple[str, ...]) -> None:
    if path is None:
        return
    if path.suffix.lower() not in endings:
        raise FormatError(f"cannot write {path}: its ending must be one of {', '.join(endings)}")
    Output(path, overwrite=overwrite, folder=False).check()


def _map(job: MapJob) -> Any:
    from bigstack.io.maps import open_map

    found = open_map(job.depth)
    return found if job.unit is None else found.assign_attrs(unit=job.unit)


def _masked(job: MapJob) -> dict[str, Any]:
    from bigstack.io.maps import open_map

    return {} if job.valid is None else {"valid": open_map(job.valid, "mask")}
