"""A job: what to read, which steps to take in which order, what to write. A value, in Python or as TOML."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bigstack.errors import InputError, StackError, choose
from bigstack.io.remote import is_address

if TYPE_CHECKING:
    from bigstack.jobs.run import JobResult

RECORD_ENDING = ".bigstack.json"
"""Ending of the record of a run; a record is a job too."""

NAMING = ("prefix", "suffix", "filename", "format")
COMMON = ("do", "name", "from", "enabled", "keep", *NAMING)
"""What every step may say beside its own options."""

SECTIONS = ("input", "output", "run", "steps")


@dataclass(frozen=True)
class Step:
    """One step of a job.

    Examples
    --------
    >>> Step("align", options={"reference": "first"}).to_dict()
    {'do': 'align', 'reference': 'first'}
    """

    do: str
    """Kind of the step: one of `bigstack.jobs.steps.KINDS`."""
    name: str = ""
    """What other steps, and file names, call it; `do` when empty."""
    source: tuple[str, ...] = ()
    """Names of the steps it takes; the last one before it that gives a stack when empty."""
    enabled: bool = True
    keep: bool = False
    """Whether to write the stack as it is after the step."""
    naming: Mapping[str, str] = field(default_factory=dict)
    """`prefix`, `suffix`, `filename`, `format`, where other than those of all outputs."""
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "options", {name: plain(value) for name, value in self.options.items()})

    @classmethod
    def of(cls, table: Mapping[str, Any], where: str) -> Step:
        """Take a step from a table of a job file."""
        from bigstack.jobs.values import convert

        if not isinstance(table, Mapping) or "do" not in table:
            raise InputError(f'{where} needs a kind, such as do = "align"; got {dict(table)!r}')
        hints = {"do": str, "name": str, "from": str | tuple[str, ...], "enabled": bool, "keep": bool}
        hints |= dict.fromkeys(NAMING, str)
        common = {n: convert(table[n], hints[n], f"{where}: {n}") for n in COMMON if n in table}
        source = common.pop("from", ())
        return cls(
            do=common.pop("do"),
            name=common.pop("name", ""),
            source=(source,) if isinstance(source, str) else source,
            naming={name: common.pop(name) for name in NAMING if name in common},
            options={name: value for name, value in table.items() if name not in COMMON},
            **common,
        )

    def to_dict(self) -> dict[str, Any]:
        """As a table of a job file; what is as always is left away."""
        found: dict[str, Any] = {"do": self.do}
        if self.name not in ("", self.do):
            found["name"] = self.name
        if self.source:
            found["from"] = self.source[0] if len(self.source) == 1 else list(self.source)
        if not self.enabled:
            found["enabled"] = False
        if self.keep:
            found["keep"] = True
        return found | dict(self.naming) | dict(self.options)


@dataclass(frozen=True)
class Job:
    """A recipe for one or more stacks.

    Parameters
    ----------
    input
        Path of the stack, or several; or a table with ``path``, ``name``, ``split``, and options of
        `bigstack.open_stack`.
    output
        Folder of the results; or a table with ``folder``, ``prefix``, ``suffix``, ``filename``, ``format``,
        ``compression``, ``quality`` and ``ngff``.
    run_options
        ``memory_limit``, ``workers``, ``processes``, ``scheduler``, ``scheduler_file``, ``tile``: they change
        how long it takes, never a bit.
    steps
        In order. Each takes what the last one before it gives, unless it says from which.
    base
        Where relative paths start: the folder of the job file.

    Examples
    --------
    >>> job = Job("photos", "stacked").add("align", reference="first").add("fuse", method="pyramid")
    >>> print(job.to_toml())
    [input]
    path = "photos"
    <BLANKLINE>
    [output]
    folder = "stacked"
    <BLANKLINE>
    [[steps]]
    do = "align"
    reference = "first"
    <BLANKLINE>
    [[steps]]
    do = "fuse"
    method = "pyramid"
    <BLANKLINE>
    """

    input: Any
    output: Any = "."
    steps: Sequence[Step] = ()
    run_options: Mapping[str, Any] = field(default_factory=dict)
    base: Path = field(default_factory=Path)
    known: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What a record has of the run it is of: the JSON of each step's estimate."""
    recorded: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """Of a record: the inputs, versions and outputs of its run."""

    def __post_init__(self) -> None:
        given = self.input if isinstance(self.input, Mapping) else {"path": self.input}
        target = self.output if isinstance(self.output, Mapping) else {"folder": self.output}
        object.__setattr__(self, "input", {name: plain(value) for name, value in given.items()})
        object.__setattr__(self, "output", {name: plain(value) for name, value in target.items()})
        object.__setattr__(self, "run_options", {n: plain(v) for n, v in self.run_options.items()})
        object.__setattr__(self, "steps", tuple(self.steps))
        object.__setattr__(self, "base", Path(self.base))

    def add(
        self,
        do: str,
        *,
        name: str = "",
        source: str | Iterable[str] = (),
        enabled: bool = True,
        keep: bool = False,
        **options: Any,
    ) -> Job:
        """The same job with one more step; `options` are those of the step's kind, and of its names."""
        step = Step(
            do,
            name,
            (source,) if isinstance(source, str) else tuple(source),
            enabled,
            keep,
            {key: options.pop(key) for key in NAMING if key in options},
            options,
        )
        return replace(self, steps=(*self.steps, step))

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Job:
        """Read a job file, or the record of a run.

        Raises
        ------
        StackError
            When it cannot be read.
        InputError
            When it is no job; the message names the file.
        """
        place = Path(path)
        try:
            text = place.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise StackError(f"the job {place} cannot be read: {error}") from error
        if place.name.endswith(".json"):
            from bigstack.jobs.record import job_of_record

            return job_of_record(text, str(place))
        return cls.from_toml(text, base=place.absolute().parent, where=str(place))

    @classmethod
    def from_toml(cls, text: str, *, base: Path | None = None, where: str = "the job") -> Job:
        """Read a job from TOML."""
        try:
            table = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise InputError(f"{where} is no TOML: {error}") from error
        try:
            return cls.from_dict(table, base=base)
        except InputError as error:
            raise InputError(f"{where}: {error}") from error

    @classmethod
    def from_dict(cls, table: Mapping[str, Any], *, base: Path | None = None) -> Job:
        """Take a job from tables, as TOML and JSON have them."""
        for name in table:
            choose(name, SECTIONS, "section of a job")
        sections = {name: table.get(name, {}) for name in SECTIONS[:3]}
        for name, section in sections.items():
            if not isinstance(section, Mapping):
                raise InputError(f"[{name}] is a table, got {section!r}")
        steps = table.get("steps", [])
        if not isinstance(steps, list):
            raise InputError("steps are written as [[steps]], one table each")
        return cls(
            sections["input"],
            sections["output"],
            tuple(Step.of(step, f"step {number}") for number, step in enumerate(steps, 1)),
            sections["run"],
            base or Path(),
        )

    def to_dict(self) -> dict[str, Any]:
        """As tables, for TOML or JSON."""
        found = {"input": dict(self.input), "output": dict(self.output), "run": dict(self.run_options)}
        found = {name: {k: v for k, v in table.items() if v is not None} for name, table in found.items()}
        return {name: table for name, table in found.items() if table} | {
            "steps": [step.to_dict() for step in self.steps]
        }

    def to_toml(self) -> str:
        """As TOML that `from_toml` reads."""
        import tomlkit

        document = tomlkit.document()
        for name, value in self.to_dict().items():
            if name != "steps":
                document[name] = value
                continue
            steps = tomlkit.aot()
            for step in value:
                steps.append(tomlkit.item({k: v for k, v in step.items() if v is not None}))
            document["steps"] = steps
        return tomlkit.dumps(document)

    def write(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write it as a job file."""
        from bigstack.io.corrections import put_files

        put_files({Path(path): self.to_toml().encode()}, overwrite=overwrite)

    def set(self, settings: Mapping[str, Any]) -> Job:
        """The same with other options, by ``step.option``, or ``input.``, ``output.`` or ``run.option``.

        Examples
        --------
        >>> job = Job("photos").add("fuse").set({"fuse.levels": 4, "input.every": 2})
        >>> job.steps[0].options, job.input["every"]
        ({'levels': 4}, 2)
        """
        job = self
        for name, value in settings.items():
            job = job._set_one(name, value)
        # What a record knows is of the run as it was; the same files may lie elsewhere, their hashes tell.
        same = all(name == "input.path" or name.startswith(("output.", "run.")) for name in settings)
        return job if same else replace(job, known={}, recorded={})

    def _set_one(self, name: str, value: Any) -> Job:
        where, dot, option = name.partition(".")
        if not dot or not option:
            raise InputError(f"{name!r} is not step.option, such as fuse.levels")
        if where in ("input", "output", "run"):
            key = "run_options" if where == "run" else where
            changes: dict[str, Any] = {key: {**getattr(self, key), option: value}}
            return replace(self, **changes)
        names = step_names(self.steps)
        choose(where, [*names, *SECTIONS[:3]], "step")
        number = names.index(where)
        changed = Step.of({**self.steps[number].to_dict(), option: value}, f"step {where!r}")
        return replace(self, steps=(*self.steps[:number], changed, *self.steps[number + 1 :]))

    def path(self, value: str | os.PathLike[str]) -> Path:
        """A path of the job, absolute.

        Raises
        ------
        InputError
            For an address.
        """
        if is_address(value):
            raise InputError(f"{value!r} is an address; of a job, only its input can be in a store")
        return (self.base / Path(value).expanduser()).absolute()

    def check(self) -> None:
        """Check all that can be known without looking at the input.

        Raises
        ------
        InputError
            Naming everything that is wrong.
        """
        from bigstack.jobs.check import check_job

        check_job(self)

    def run(self, **how: Any) -> JobResult:
        """Run it; see `bigstack.jobs.run.run_job` for the options and what comes back."""
        from bigstack.jobs.run import run_job

        return run_job(self, **how)


def step_names(steps: Sequence[Step]) -> list[str]:
    """Name of every step: its own, else its kind, numbered where that comes again.

    Examples
    --------
    >>> step_names([Step("fuse"), Step("fuse"), Step("fuse", name="last")])
    ['fuse', 'fuse-2', 'last']
    """
    found: list[str] = []
    for step in steps:
        name, number = step.name or step.do, 1
        while not step.name and name in found:
            number += 1
            name = f"{step.do}-{number}"
        found.append(name)
    return found


def plain(value: Any) -> Any:
    """A value as TOML and JSON have it: paths become texts, tuples lists, dataclasses tables."""
    if is_dataclass(value) and not isinstance(value, type):
        changed = {f.name: getattr(value, f.name) for f in fields(value)}
        return {name: plain(item) for name, item in changed.items() if item is not None}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):  # a number or an array of NumPy
        return plain(value.tolist())
    return value
