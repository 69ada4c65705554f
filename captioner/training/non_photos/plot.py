"""What charts and diagrams are drawn on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import ImageDraw

from captioner.training.non_photos.lettering import Font
from captioner.training.non_photos.sampling import Colour


@dataclass(frozen=True, slots=True)
class Plot:
    """A plot's picture, style, and the rectangle (left, top, right, bottom) between its axes."""

    draw: ImageDraw.ImageDraw
    area: tuple[float, float, float, float]
    paper: Colour
    ink: Colour
    paints: Sequence[Colour]
    face: Font
    line_px: int

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Where (x, y) of 0..1 each lies, y upwards."""
        left, top, right, bottom = self.area
        return left + x * (right - left), bottom - y * (bottom - top)

    def box(self, x0: float, y0: float, x1: float, y1: float) -> tuple[float, float, float, float]:
        """The rectangle between two such points, as Pillow wants it."""
        (a, b), (c, d) = self.at(x0, y0), self.at(x1, y1)
        return min(a, c), min(b, d), max(a, c), max(b, d)

    def text(self, at: tuple[float, float], text: str, anchor: str = "mm") -> None:
        """A label in the plot's font."""
        self.draw.text(at, text, self.ink, self.face, anchor=anchor)


def marker(plot: Plot, at: tuple[float, float], radius: float, paint: Colour) -> None:
    """A filled circle."""
    plot.draw.ellipse((at[0] - radius, at[1] - radius, at[0] + radius, at[1] + radius), paint)


def arrow(plot: Plot, start: tuple[float, float], end: tuple[float, float]) -> None:
    """A line with its head two thirds of the way, where no box covers it."""
    plot.draw.line((start, end), plot.ink, plot.line_px)
    along = np.subtract(end, start) / max(float(np.hypot(*np.subtract(end, start))), 1)
    across = np.array([-along[1], along[0]])
    tip = np.add(start, 0.66 * np.subtract(end, start))
    wing = max(plot.line_px * 4, 6)
    head = [tip, tip - wing * along + 0.5 * wing * across, tip - wing * along - 0.5 * wing * across]
    plot.draw.polygon([(float(x), float(y)) for x, y in head], plot.ink)
