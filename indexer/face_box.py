"""Where faces are in a picture."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FaceBox:
    """Where a face is: fractions (0..1) of the upright picture, from its upper left corner."""

    left: float
    top: float
    width: float
    height: float

    def overlap(self, other: FaceBox) -> float:
        """The area that both cover, as a share of the area that either covers (intersection over union, 0..1)."""
        across = min(self.left + self.width, other.left + other.width) - max(self.left, other.left)
        down = min(self.top + self.height, other.top + other.height) - max(self.top, other.top)
        shared = max(0.0, across) * max(0.0, down)
        either = self.width * self.height + other.width * other.height - shared
        return shared / either if either > 0 else 0.0


@dataclass(frozen=True, slots=True)
class FaceRegion:
    """A face that another program or a person has marked and named in a file."""

    name: str
    box: FaceBox
