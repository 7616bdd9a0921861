"""What the header of a frame's file says, whatever the format."""

from __future__ import annotations

from dataclasses import dataclass


class Unreadable(ValueError):
    """A file that cannot be a frame; the text says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class FrameHeader:
    """Size and kind of the pixels that decoding will give, and what travels with them."""

    format: str
    height: int
    """As stored, before the orientation is applied."""
    width: int
    channels: int
    """Alpha included."""
    dtype: str
    alpha: bool = False
    orientation: int = 1
    icc_profile: bytes = b""
    exif: bytes = b""
    """TIFF-structured block, without the "Exif" that JPEG puts before it."""
    xmp: bytes = b""
    development: object = None
    """How a RAW photograph is developed, `bigstack.io.formats.raw.Development`."""

    @property
    def pixels(self) -> int:
        """Number of pixels of the frame."""
        return self.height * self.width

    def describe(self) -> str:
        """Size, dtype and channels as a person would say them."""
        from bigstack.io.orient import turned_shape

        height, width = turned_shape(self.height, self.width, self.orientation)
        names = {(1, False): "grey", (2, True): "grey with alpha", (3, False): "RGB", (4, True): "RGBA"}
        kind = names.get((self.channels, self.alpha), f"{self.channels} channels")
        return f"{width} x {height} {self.dtype} {kind}"
