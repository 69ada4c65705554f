"""Random numbers, colours and picture sizes, all from one seeded generator."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")
Rng = np.random.Generator
Colour = tuple[int, int, int]
Size = tuple[int, int]  # (width, height) in pixels, as Pillow has it

BLACK: Colour = (0, 0, 0)
WHITE: Colour = (255, 255, 255)
ANY = (0.0, 1.0)


def whole(rng: Rng, low: int, high: int) -> int:
    """An integer in low..high, both included."""
    return low + int((high - low + 1) * rng.random())  # several times as fast as rng.integers


def real(rng: Rng, low: float, high: float) -> float:
    """A number in low..high."""
    return low + (high - low) * float(rng.random())


def happens(rng: Rng, probability: float) -> bool:
    """True with that probability."""
    return float(rng.random()) < probability


def pick(rng: Rng, choices: Sequence[T]) -> T:
    """One of the choices, all equally likely."""
    return choices[int(len(choices) * rng.random())]


def colour(
    rng: Rng, *, light: tuple[float, float] = ANY, saturation: tuple[float, float] = ANY, hue: float | None = None
) -> Colour:
    """A colour of any hue, its HSL lightness and saturation within the limits given."""
    turn = real(rng, 0, 1) if hue is None else hue % 1
    return _bytes(colorsys.hls_to_rgb(turn, real(rng, *light), real(rng, *saturation)))


def between(first: Colour, second: Colour, share: float) -> Colour:
    """The colour `share` of the way from the first to the second."""
    r, g, b = (round(a + (z - a) * share) for a, z in zip(first, second, strict=True))
    return r, g, b


def palette(rng: Rng, count: int) -> list[Colour]:
    """Colours that go together: hues in equal steps, or shades of one hue, or any."""
    start, step = real(rng, 0, 1), pick(rng, (1 / count, 0.08, 0.0, 0.382))
    low = real(rng, 0.25, 0.5)
    saturation = real(rng, 0.2, 1)
    shades = [low + (0.35 * i / count if step == 0 else 0.15 * float(rng.random())) for i in range(count)]
    return [_bytes(colorsys.hls_to_rgb((start + i * step) % 1, shade, saturation)) for i, shade in enumerate(shades)]


def size(rng: Rng, *, widest: float = 1.8, tallest: float = 1.8, side_px: tuple[int, int] = (260, 620)) -> Size:
    """(width, height) with a mean side within `side_px` and an aspect of 1:tallest to widest:1."""
    aspect = float(np.exp(real(rng, -np.log(tallest), np.log(widest))))
    side = real(rng, *side_px)
    return max(round(side * aspect**0.5), 32), max(round(side / aspect**0.5), 32)


def _bytes(rgb: tuple[float, float, float]) -> Colour:
    r, g, b = (round(255 * min(max(c, 0.0), 1.0)) for c in rgb)
    return r, g, b
