"""What a picture itself measures: how light and how colourful it is, and which colours it shows.

It is measured once, from the grid thumbnail (`measuring`), and stored as a few bytes. What the numbers are
called, and from which value on, is decided where documents are made for search (`search.appearance`): that can change
without a photo being measured again.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Self

#: To be raised where other numbers come out of the same picture: every photo is then measured again.
MEASURES_VERSION = 1
#: The chroma that is stored as 255; no colour of a screen has more.
_MOST_CHROMA = 0.4


class Colour(IntEnum):
    """The eleven basic colour terms (Berlin, Kay 1969), in the order in which they are stored."""

    BLACK = 0
    WHITE = 1
    GRAY = 2
    RED = 3
    ORANGE = 4
    YELLOW = 5
    GREEN = 6
    BLUE = 7
    PURPLE = 8
    PINK = 9
    BROWN = 10


@dataclass(frozen=True, slots=True)
class PictureMeasures:
    """Of a picture in OKLab (Ottosson 2020): `lightness` is the mean L, 0 black, 1 white. `tint` is the chroma that all
    but a hundredth of the pixels stay under, and `tint_spread` how far they stay from their common tint: near 0 in a
    black and white picture, a toned one too. `colours` is how prominent each `Colour` is, 0..1: its share of the
    pixels, those in the middle counted for more."""

    lightness: float
    tint: float
    tint_spread: float
    colours: tuple[float, ...]

    def to_bytes(self) -> bytes:
        """The version, then a byte for each number: 15 bytes."""
        parts = (self.lightness, self.tint / _MOST_CHROMA, self.tint_spread / _MOST_CHROMA, *self.colours)
        return bytes((MEASURES_VERSION, *(round(255 * min(max(part, 0.0), 1.0)) for part in parts)))

    @classmethod
    def from_bytes(cls, stored: bytes | None) -> Self | None:
        """The reverse of `to_bytes`; None where nothing is stored, or by another version."""
        if stored is None or len(stored) != 4 + len(Colour) or stored[0] != MEASURES_VERSION:
            return None
        lightness, tint, spread, *colours = (part / 255 for part in stored[1:])
        return cls(lightness, tint * _MOST_CHROMA, spread * _MOST_CHROMA, tuple(colours))
