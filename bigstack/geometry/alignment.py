"""How the frames of a stack lie on one another: a value to look at, save, edit and apply."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np

from bigstack.errors import InputError
from bigstack.geometry.tile import Tile
from bigstack.geometry.transform import IDENTITY, Transform
from bigstack.kernels.registration.models import corners

FORMAT, VERSION = "bigstack-alignment", 1


@dataclass(frozen=True, slots=True)
class FrameAlignment:
    """One frame's place.

    Examples
    --------
    >>> FrameAlignment(IDENTITY).flags
    ()
    """

    transform: Transform
    """Output to frame; see `bigstack.geometry.transform`."""
    residual: float | None = None
    """Median distance in pixels of what was matched with its neighbours from where the transforms put it."""
    error: float | None = None
    """Standard error in pixels at the corners, relative to the reference."""
    inliers: int = 0
    """Patches, or key points, that agree."""
    flags: tuple[str, ...] = ()
    """What is odd about the frame; empty for a frame in order."""
    dropped: bool = False
    """True for a frame that is left out of the aligned stack."""


@dataclass(frozen=True, slots=True)
class Alignment:
    """One transform a frame, and how good each is.

    Examples
    --------
    >>> alignment = Alignment.identity((480, 640), 3)
    >>> Alignment.from_json(alignment.to_json()) == alignment
    True
    """

    shape: tuple[int, int]
    """Height and width of the frames."""
    reference: int
    """Frame whose transform is the identity."""
    frames: tuple[FrameAlignment, ...]
    model: str = "similarity"
    method: str = "auto"
    mode: str = "global"

    def __post_init__(self) -> None:
        if not self.frames:
            raise InputError("an alignment needs at least one frame")
        if not 0 <= self.reference < len(self.frames):
            raise InputError(
                f"the reference must be a frame from 0 to {len(self.frames) - 1}, got {self.reference}"
            )
        if min(self.shape) < 1:
            raise InputError(f"an alignment needs the height and width of the frames, got {self.shape}")

    def __len__(self) -> int:
        return len(self.frames)

    @classmethod
    def identity(cls, shape: tuple[int, int], frames: int, reference: int = 0) -> Alignment:
        """Frames that lie on one another already."""
        return cls(tuple(shape), reference, (FrameAlignment(IDENTITY),) * frames)  # type: ignore[arg-type]

    @classmethod
    def of(
        cls, transforms: Sequence[object], shape: tuple[int, int], reference: int | None = None
    ) -> Alignment:
        """Take transforms (or 3x3 matrices), output to frame, from anywhere.

        Without a reference the first frame that is the identity is it, or the first of all.
        """
        made = [t if isinstance(t, Transform) else Transform.of(t) for t in transforms]
        if reference is None:
            reference = next((z for z, t in enumerate(made) if t.is_identity), 0)
        return cls(
            (int(shape[0]), int(shape[1])), reference, tuple(FrameAlignment(t) for t in made), method="given"
        )

    @property
    def transforms(self) -> tuple[Transform, ...]:
        """Output to frame, one a frame, dropped ones included."""
        return tuple(frame.transform for frame in self.frames)

    @property
    def kept(self) -> tuple[int, ...]:
        """Numbers of the frames that are not dropped."""
        return tuple(z for z, frame in enumerate(self.frames) if not frame.dropped)

    @property
    def flagged(self) -> tuple[int, ...]:
        """Numbers of the frames with a flag."""
        return tuple(z for z, frame in enumerate(self.frames) if frame.flags)

    @property
    def is_identity(self) -> bool:
        """True when no frame moves and none is dropped."""
        return all(frame.transform.is_identity and not frame.dropped for frame in self.frames)

    def decompose(self) -> dict[str, np.ndarray]:
        """Shift, scale, rotation (degrees), shear and perspective of every frame, arrays (frames,)."""
        parts = [frame.transform.decompose(self.shape) for frame in self.frames]
        return {name: np.array([part[name] for part in parts]) for name in parts[0]}

    def with_reference(self, reference: int) -> Alignment:
        """The same with another frame as the reference."""
        back = self.frames[reference].transform.inverse()
        frames = tuple(
            replace(frame, transform=IDENTITY if z == reference else frame.transform @ back)
            for z, frame in enumerate(self.frames)
        )
        return replace(self, reference=reference, frames=frames)

    def select(self, frames: Sequence[int]) -> Alignment:
        """The alignment of some of the frames, by number, in that order."""
        chosen = [self.frames[z] for z in frames]
        reference = list(frames).index(self.reference) if self.reference in frames else 0
        return replace(self, frames=tuple(chosen), reference=reference)

    def common_tile(self) -> Tile:
        """The largest rectangle of the output, by area, that every frame that is kept has data for.

        Raises
        ------
        InputError
            When there is none: the frames do not overlap.
        """
        from bigstack.geometry.overlap import largest_rectangle

        return largest_rectangle([self.frames[z].transform for z in self.kept], self.shape)

    def corners(self) -> np.ndarray:
        """Where the corner pixels of the output lie in each frame, (frames, 4, 2), x before y."""
        return np.stack([frame.transform.apply(corners(self.shape)) for frame in self.frames])

    def to_json(self) -> str:
        """A text that `from_json` reads back to an equal value, bit for bit."""
        frames = []
        for frame in self.frames:
            entry = asdict(frame)
            entry["transform"] = np.reshape(frame.transform.elements, (3, 3)).tolist()
            frames.append(entry)
        head = {"format": FORMAT, "version": VERSION, "shape": list(self.shape), "reference": self.reference}
        head |= {"model": self.model, "method": self.method, "mode": self.mode}
        lines = ",\n    ".join(json.dumps(frame) for frame in frames)
        return f'{json.dumps(head)[:-1]},\n  "frames": [\n    {lines}\n  ]\n}}\n'

    @classmethod
    def from_json(cls, text: str) -> Alignment:
        """Read what `to_json` wrote, or a user edited.

        Raises
        ------
        InputError
            For a text that is no alignment; the message says what is wrong with it.
        """
        try:
            data = json.loads(text)
        except ValueError as error:
            raise InputError(f"an alignment is a JSON text, and this is none: {error}") from error
        if not isinstance(data, dict) or data.get("format") != FORMAT:
            raise InputError(f'an alignment\'s JSON has "format": "{FORMAT}"')
        if data.get("version") != VERSION:
            raise InputError(f"this alignment has version {data.get('version')!r}, and {VERSION} can be read")
        try:
            return cls(
                shape=(int(data["shape"][0]), int(data["shape"][1])),
                reference=int(data["reference"]),
                frames=tuple(_frame_of(entry) for entry in data["frames"]),
                model=str(data.get("model", "similarity")),
                method=str(data.get("method", "given")),
                mode=str(data.get("mode", "global")),
            )
        except (KeyError, TypeError, IndexError, AttributeError) as error:
            raise InputError(f"an alignment's JSON lacks or garbles {error}") from error


def _frame_of(entry: dict[str, object]) -> FrameAlignment:
    def number(name: str) -> float | None:
        value = entry.get(name)
        return None if value is None else float(value)  # type: ignore[arg-type]

    return FrameAlignment(
        Transform.of(entry["transform"]),
        residual=number("residual"),
        error=number("error"),
        inliers=int(entry.get("inliers", 0)),  # type: ignore[call-overload]
        flags=tuple(str(flag) for flag in entry.get("flags", ())),  # type: ignore[attr-defined]
        dropped=bool(entry.get("dropped", False)),
    )
