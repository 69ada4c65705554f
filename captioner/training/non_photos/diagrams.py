"""Diagrams: flow charts, networks, schedules, tree maps and tables of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import ImageDraw

from captioner.training.non_photos.sampling import (
    Colour,
    Font,
    Rng,
    between,
    happens,
    number,
    phrase,
    pick,
    real,
    whole,
    word,
)


def flow(rng: Rng, plot: Plot) -> None:
    """Boxes, diamonds and ellipses with words, joined by arrows: a flow chart, a tree of classes, an organigram."""
    columns, rows = whole(rng, 1, 4), whole(rng, 2, 5)
    places = [
        ((c + 0.5) / columns, 1 - (r + 0.5) / rows) for r in range(rows) for c in range(columns) if happens(rng, 0.85)
    ]
    filled, rounded = happens(rng, 0.7), happens(rng, 0.5)
    for i, place in enumerate(places[1:], 1):
        arrow(plot, plot.at(*places[whole(rng, max(0, i - columns - 1), i - 1)]), plot.at(*place))
    for i, (x, y) in enumerate(places):
        half_w, half_h = 0.36 / columns, 0.26 / rows
        box = plot.box(x - half_w, y - half_h, x + half_w, y + half_h)
        paint = between(plot.paints[i % len(plot.paints)], plot.paper, 0.4) if filled else plot.paper
        shape = pick(rng, ("box", "box", "box", "ellipse", "diamond"))
        if shape == "ellipse":
            plot.draw.ellipse(box, paint, plot.ink, plot.line_px)
        elif shape == "diamond":
            ends = [plot.at(x, y + half_h), plot.at(x + half_w, y), plot.at(x, y - half_h), plot.at(x - half_w, y)]
            plot.draw.polygon(ends, paint, plot.ink, plot.line_px)
        else:
            plot.draw.rounded_rectangle(box, (box[3] - box[1]) / 4 if rounded else 0, paint, plot.ink, plot.line_px)
        plot.text(plot.at(x, y), phrase(rng, max(int((box[2] - box[0]) / plot.face.size * 1.4), 3)))


def network(rng: Rng, plot: Plot) -> None:
    """Circles joined by lines."""
    nodes = rng.uniform(0.05, 0.95, (whole(rng, 5, 30), 2)).tolist()
    for i, node in enumerate(nodes[1:], 1):
        for _ in range(whole(rng, 1, 2)):
            plot.draw.line(
                (plot.at(*node), plot.at(*nodes[whole(rng, 0, i - 1)])),
                between(plot.ink, plot.paper, 0.4),
                plot.line_px,
            )
    radius = real(rng, 4, 18)
    for node in nodes:
        marker(plot, plot.at(*node), radius, pick(rng, plot.paints))
        if radius > 9:
            plot.text(plot.at(*node), word(rng)[:3])


def schedule(rng: Rng, plot: Plot) -> None:
    """A Gantt chart: bars that start and end at different times."""
    rows = whole(rng, 4, 14)
    for row in range(rows):
        start = 0.7 * row / rows + real(rng, 0, 0.2)
        box = plot.box(start, 1 - (row + 0.85) / rows, min(start + real(rng, 0.05, 0.4), 1), 1 - (row + 0.2) / rows)
        plot.draw.rectangle(box, plot.paints[row % len(plot.paints)])
        plot.text((box[2] + 4, (box[1] + box[3]) / 2), word(rng), "lm")


def tree_map(rng: Rng, plot: Plot) -> None:
    """A rectangle parted again and again."""
    parts = [(0.0, 0.0, 1.0, 1.0)]
    for _ in range(whole(rng, 4, 18)):
        parts.sort(key=lambda p: (p[2] - p[0]) * (p[3] - p[1]))
        x0, y0, x1, y1 = parts.pop()
        cut = real(rng, 0.3, 0.7)
        if x1 - x0 > y1 - y0:
            parts += [(x0, y0, x0 + cut * (x1 - x0), y1), (x0 + cut * (x1 - x0), y0, x1, y1)]
        else:
            parts += [(x0, y0, x1, y0 + cut * (y1 - y0)), (x0, y0 + cut * (y1 - y0), x1, y1)]
    for part in parts:
        box = plot.box(*part)
        plot.draw.rectangle(box, pick(rng, plot.paints), plot.paper, 2)
        plot.text((box[0] + 5, box[1] + 5), word(rng)[:8], "lt")


def number_table(rng: Rng, plot: Plot) -> None:
    """A coloured table of figures."""
    rows, columns = whole(rng, 4, 14), whole(rng, 3, 8)
    head = plot.paints[0]
    for row in range(rows):
        for column in range(columns):
            box = plot.box(column / columns, 1 - (row + 1) / rows, (column + 1) / columns, 1 - row / rows)
            ground = head if row == 0 else between(head, plot.paper, 0.8 if row % 2 else 0.95)
            plot.draw.rectangle(box, ground, plot.paper)
            plot.text(((box[0] + box[2]) / 2, (box[1] + box[3]) / 2), number(rng) if row and column else word(rng)[:8])


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
