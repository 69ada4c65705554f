"""A pen, and the things it draws: houses, trees, people, animals, vehicles, each in a square of -1..1."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import ImageDraw

from captioner.training.non_photos.sampling import Colour, Rng

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Pen:
    """Draws shapes given in a square of -1..1 (y downwards) into a place of a picture, in one hand and one style.

    `wobble` is how far a line strays, in the square's units; without `paints` only outlines are drawn.
    """

    draw: ImageDraw.ImageDraw
    rng: Rng
    x: float
    y: float
    scale: float
    turn: float
    line: Colour | None
    line_px: int
    paints: Sequence[Colour]
    wobble: float

    def polygon(self, points: Sequence[Point], paint: int | None = 0) -> None:
        """A closed shape, filled with the paint of that number unless it is None."""
        placed = self._to_image([*points, points[0]])
        if self.paints and paint is not None:
            self.draw.polygon(placed, self.paints[paint % len(self.paints)])
        if self.line:
            self.draw.line(placed, self.line, self.line_px, "curve")

    def stroke(self, *points: Point) -> None:
        """An open line; in the shape's first paint where the style has no outlines."""
        paint = self.line or self.paints[0]
        self.draw.line(self._to_image(points), paint, self.line_px, "curve")

    def ellipse(self, x: float, y: float, rx: float, ry: float | None = None, paint: int | None = 0) -> None:
        """An ellipse, or a circle."""
        turns = np.linspace(0, 2 * np.pi, 24, endpoint=False).tolist()
        self.polygon([(x + rx * float(np.cos(t)), y + (ry or rx) * float(np.sin(t))) for t in turns], paint)

    def arc(self, x: float, y: float, rx: float, ry: float, start: float, end: float) -> None:
        """A part of an ellipse, from and to an angle in degrees."""
        turns = np.radians(np.linspace(start, end, 10)).tolist()
        self.stroke(*[(x + rx * float(np.cos(t)), y + ry * float(np.sin(t))) for t in turns])

    def rectangle(self, left: float, top: float, right: float, bottom: float, paint: int | None = 0) -> None:
        """An upright rectangle."""
        self.polygon([(left, top), (right, top), (right, bottom), (left, bottom)], paint)

    def dot(self, x: float, y: float, radius: float) -> None:
        """A filled circle in the colour of the lines."""
        (px, py), r = self._to_image([(x, y)])[0], radius * self.scale
        self.draw.ellipse((px - r, py - r, px + r, py + r), self.line or self.paints[-1])

    def _to_image(self, points: Sequence[Point]) -> list[Point]:
        at = np.asarray(points, float)
        if self.wobble:
            at = _subdivide(at)
            at = at + np.convolve(self.rng.normal(0, self.wobble, len(at)), np.ones(3) / 3, "same")[:, None] * (1, -1)
        cos, sin = np.cos(self.turn) * self.scale, np.sin(self.turn) * self.scale
        xs, ys = self.x + at[:, 0] * cos - at[:, 1] * sin, self.y + at[:, 0] * sin + at[:, 1] * cos
        return list(zip(xs.tolist(), ys.tolist(), strict=True))


def _subdivide(
    points: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """With two more points on every piece, so that it can be bent."""
    if len(points) < 2:
        return points
    shares = np.array([0, 1 / 3, 2 / 3])[None, :, None]
    between_points = points[:-1, None] * (1 - shares) + points[1:, None] * shares
    return np.concatenate([between_points.reshape(-1, 2), points[-1:]])


def _house(pen: Pen) -> None:
    pen.rectangle(-0.7, -0.1, 0.7, 0.9)
    pen.polygon([(-0.9, -0.1), (0, -0.9), (0.9, -0.1)], 1)
    pen.rectangle(-0.15, 0.3, 0.2, 0.9, 2)
    for x in (-0.5, 0.4):
        pen.rectangle(x, 0.1, x + 0.22, 0.35, 3)


def _tree(pen: Pen) -> None:
    pen.rectangle(-0.12, 0.2, 0.12, 0.95, 1)
    if pen.rng.happens(0.4):
        for i in range(3):
            pen.polygon([(-0.6 + 0.12 * i, 0.3 - 0.4 * i), (0, -0.3 - 0.35 * i), (0.6 - 0.12 * i, 0.3 - 0.4 * i)])
    else:
        for x, y, r in ((-0.3, 0, 0.4), (0.3, 0, 0.4), (0, -0.4, 0.5)):
            pen.ellipse(x, y, r)


def _flower(pen: Pen) -> None:
    pen.stroke((0, 0), (0.05, 0.5), (0, 0.95))
    pen.ellipse(0.2, 0.6, 0.2, 0.09, 1)
    n = pen.rng.whole(5, 9)
    for k in range(n):
        turn = 2 * np.pi * k / n
        pen.ellipse(0.35 * float(np.cos(turn)), -0.35 + 0.35 * float(np.sin(turn)), 0.2)
    pen.ellipse(0, -0.35, 0.22, paint=2)


def sun(pen: Pen) -> None:
    """A disc with rays."""
    for k in range(pen.rng.whole(8, 14)):
        turn = 0.55 * k
        pen.stroke((0.65 * float(np.cos(turn)), 0.65 * float(np.sin(turn))),
                   (0.95 * float(np.cos(turn)), 0.95 * float(np.sin(turn))))  # fmt: skip
    pen.ellipse(0, 0, 0.5)


def cloud(pen: Pen) -> None:
    """A cloud of five circles."""
    for x, y, r in ((-0.5, 0.1, 0.35), (0.5, 0.1, 0.35), (-0.15, -0.15, 0.42), (0.25, -0.1, 0.4), (0, 0.15, 0.4)):
        pen.ellipse(x, y, r, paint=3)


def _star(pen: Pen) -> None:
    n, inner = pen.rng.whole(5, 8), pen.rng.real(0.35, 0.6)
    pen.polygon(
        [
            (
                (inner if k % 2 else 0.9) * float(np.sin(np.pi * k / n)),
                -(inner if k % 2 else 0.9) * float(np.cos(np.pi * k / n)),
            )
            for k in range(2 * n)
        ]
    )


def _heart(pen: Pen) -> None:
    t = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    xs, ys = np.sin(t) ** 3 * 0.85, -(13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)) / 18
    pen.polygon(list(zip(xs.tolist(), ys.tolist(), strict=True)))


def person(pen: Pen) -> None:
    """A stick figure, clothed where the style has colours."""
    lean = pen.rng.real(-0.1, 0.1)
    if pen.paints:
        pen.polygon([(-0.25, -0.3), (0.25, -0.3), (0.35, 0.4), (-0.35, 0.4)], 1)
    pen.stroke((lean, -0.4), (0, 0.35))
    for side in (-1, 1):
        pen.stroke((0, 0.35), (side * 0.3, 0.95))
        pen.stroke((0, -0.2), (side * 0.55, pen.rng.real(-0.5, 0.3)))
    pen.ellipse(lean, -0.65, 0.26)
    for side in (-1, 1):
        pen.dot(lean + side * 0.09, -0.7, 0.03)
    pen.arc(lean, -0.62, 0.13, 0.1, 10, 170)


def _cat(pen: Pen) -> None:
    pen.ellipse(0.1, 0.5, 0.45, 0.42)
    pen.stroke((0.5, 0.7), (0.85, 0.4), (0.75, 0))
    for side in (-1, 1):
        pen.polygon([(side * 0.38, -0.35), (side * 0.35, -0.85), (side * 0.08, -0.55)])
    pen.ellipse(0, -0.25, 0.43, 0.38)
    for side in (-1, 1):
        pen.dot(side * 0.17, -0.3, 0.06)
        for tilt in (-0.08, 0, 0.08):
            pen.stroke((side * 0.12, -0.15), (side * 0.6, -0.15 + tilt))
    pen.polygon([(-0.05, -0.2), (0.05, -0.2), (0, -0.13)], 2)


def _dog(pen: Pen) -> None:
    pen.ellipse(0.2, 0.25, 0.55, 0.28)
    for x in (-0.2, 0, 0.4, 0.6):
        pen.rectangle(x - 0.06, 0.4, x + 0.06, 0.9)
    pen.stroke((0.72, 0.15), (0.95, -0.2))
    pen.ellipse(-0.45, -0.2, 0.32, 0.3)
    pen.ellipse(-0.75, -0.1, 0.22, 0.15)
    pen.ellipse(-0.25, -0.15, 0.12, 0.32, 1)
    pen.dot(-0.92, -0.15, 0.06)
    pen.dot(-0.52, -0.28, 0.05)


def _fish(pen: Pen) -> None:
    pen.polygon([(0.5, 0), (0.95, -0.4), (0.85, 0), (0.95, 0.4)], 1)
    pen.ellipse(-0.1, 0, 0.7, 0.42)
    pen.dot(-0.5, -0.1, 0.06)
    pen.arc(-0.35, 0, 0.15, 0.35, -80, 80)


def _bird(pen: Pen) -> None:
    pen.polygon([(0.4, 0.1), (0.95, -0.2), (0.9, 0.25)], 1)
    pen.ellipse(0, 0.15, 0.55, 0.38)
    pen.ellipse(-0.5, -0.25, 0.28)
    pen.polygon([(-0.75, -0.3), (-1, -0.2), (-0.74, -0.15)], 2)
    pen.polygon([(-0.1, 0.05), (0.5, -0.4), (0.35, 0.25)], 1)
    pen.dot(-0.57, -0.3, 0.05)
    for x in (-0.1, 0.1):
        pen.stroke((x, 0.5), (x, 0.9))


def _car(pen: Pen) -> None:
    pen.polygon([(-0.5, -0.05), (-0.3, -0.45), (0.35, -0.45), (0.6, -0.05)], 3)
    pen.polygon([(-0.95, 0.4), (-0.95, 0), (-0.6, -0.05), (0.7, -0.05), (0.95, 0.05), (0.95, 0.4)])
    for x in (-0.5, 0.5):
        pen.ellipse(x, 0.42, 0.23, paint=1)
        pen.ellipse(x, 0.42, 0.1, paint=3)


def _boat(pen: Pen) -> None:
    pen.polygon([(-0.8, 0.4), (0.8, 0.4), (0.5, 0.8), (-0.5, 0.8)], 1)
    pen.stroke((0, 0.4), (0, -0.9))
    pen.polygon([(0.05, -0.85), (0.65, 0.25), (0.05, 0.25)], 3)
    pen.polygon([(-0.05, -0.6), (-0.5, 0.25), (-0.05, 0.25)])


def _mountain(pen: Pen) -> None:
    pen.polygon([(-0.2, 0.7), (0.45, -0.4), (1, 0.7)], 1)
    pen.polygon([(-1, 0.7), (-0.25, -0.8), (0.5, 0.7)])
    pen.polygon([(-0.45, -0.4), (-0.25, -0.8), (-0.05, -0.4), (-0.2, -0.3)], 3)


def _cup(pen: Pen) -> None:
    pen.ellipse(0.55, 0.1, 0.25, 0.28, None)
    pen.polygon([(-0.55, -0.35), (0.55, -0.35), (0.42, 0.7), (-0.42, 0.7)])
    pen.ellipse(0, -0.35, 0.55, 0.14, 1)
    for x in (-0.2, 0.15):
        pen.stroke((x, -0.55), (x + 0.1, -0.7), (x, -0.85))


def _butterfly(pen: Pen) -> None:
    for side in (-1, 1):
        pen.ellipse(side * 0.45, -0.3, 0.42, 0.4)
        pen.ellipse(side * 0.38, 0.35, 0.32, 0.35, 1)
        pen.ellipse(side * 0.45, -0.3, 0.18, paint=2)
        pen.stroke((0, -0.5), (side * 0.25, -0.9))
    pen.ellipse(0, 0, 0.09, 0.55, 2)


def _rocket(pen: Pen) -> None:
    pen.polygon([(-0.2, 0.6), (0, 1), (0.2, 0.6)], 2)
    for side in (-1, 1):
        pen.polygon([(side * 0.25, 0.1), (side * 0.6, 0.7), (side * 0.25, 0.55)], 1)
    pen.polygon([(-0.3, 0.6), (-0.32, -0.3), (0, -0.95), (0.32, -0.3), (0.3, 0.6)])
    pen.ellipse(0, -0.2, 0.15, paint=3)


def _robot(pen: Pen) -> None:
    pen.stroke((0, -0.6), (0, -0.9))
    pen.rectangle(-0.35, -0.65, 0.35, -0.15)
    pen.rectangle(-0.45, -0.1, 0.45, 0.55, 1)
    for side in (-1, 1):
        pen.ellipse(side * 0.16, -0.43, 0.09, paint=3)
        pen.rectangle(side * 0.5, -0.05, side * 0.65, 0.4)
        pen.rectangle(side * 0.12, 0.55, side * 0.32, 0.95)
    pen.stroke((-0.15, -0.25), (0.15, -0.25))


def _fruit(pen: Pen) -> None:
    pen.ellipse(-0.18, 0.15, 0.45, 0.55)
    pen.ellipse(0.18, 0.15, 0.45, 0.55)
    pen.stroke((0, -0.3), (0.06, -0.75))
    pen.ellipse(0.28, -0.6, 0.22, 0.1, 1)


def _bicycle(pen: Pen) -> None:
    for x in (-0.55, 0.55):
        pen.ellipse(x, 0.35, 0.38, None if pen.line else 0)
    pen.stroke((-0.55, 0.35), (-0.2, -0.25), (0.4, -0.25), (0, 0.35), (-0.55, 0.35))
    pen.stroke((0, 0.35), (-0.28, -0.42), (-0.42, -0.42))
    pen.stroke((0.55, 0.35), (0.36, -0.5), (0.6, -0.55))


def _creature(pen: Pen) -> None:
    """A body of any shape with eyes and legs."""
    turns = np.linspace(0, 2 * np.pi, 14, endpoint=False)
    reach = pen.rng.uniform(0.45, 0.8, 14)
    body = [(float(r * np.cos(t)), float(r * np.sin(t))) for r, t in zip(reach, turns, strict=True)]
    for x in np.linspace(-0.4, 0.4, pen.rng.whole(2, 5)).tolist():
        pen.stroke((x, 0.4), (x, 0.95))
    pen.polygon(body)
    for x in np.linspace(-0.25, 0.25, pen.rng.whole(1, 3)).tolist():
        pen.ellipse(x, -0.1, 0.13, paint=3)
        pen.dot(x, -0.08, 0.06)
    pen.arc(0, 0.15, 0.2, 0.12, 0, 180)


Thing = Callable[[Pen], None]
THINGS: tuple[Thing, ...] = (
    _house, _tree, _flower, sun, cloud, _star, _heart, person, _cat, _dog, _fish, _bird, _car, _boat, _mountain, _cup,
    _butterfly, _rocket, _robot, _fruit, _bicycle, _creature,
)  # fmt: skip
