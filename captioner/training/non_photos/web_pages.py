"""Web pages and maps, as a browser shows them."""

from __future__ import annotations

import numpy as np

from captioner.training.non_photos.lettering import number, word
from captioner.training.non_photos.sampling import (
    WHITE,
    Rng,
    between,
    colour,
    happens,
    pick,
    real,
    whole,
)
from captioner.training.non_photos.screen import (
    Box,
    Screen,
    lines_of_text,
    placeholder,
)


def browser(rng: Rng, screen: Screen, box: Box) -> None:
    """A web page: header, headings, text, cards, placeholders where pictures would be, buttons."""
    left, top, right, bottom = box
    unit, wide = screen.unit, right - left
    y = top
    if happens(rng, 0.8):
        screen.draw.rectangle((left, y, right, y + unit * 2.6), screen.surface)
        screen.panel(
            (left + wide * 0.1, y + unit * 0.4, right - wide * 0.12, y + unit * 2.2),
            between(screen.surface, screen.ink, 0.08),
            rounding=unit,
        )
        screen.text(
            (left + wide * 0.12 + unit, y + unit * 1.3),
            f"{word(rng).lower()}.{word(rng).lower()}.com/{word(rng)}",
            size=0.85,
            anchor="lm",
        )
        y += unit * 2.6
    if happens(rng, 0.7):
        high = unit * real(rng, 2.5, 12)
        screen.draw.rectangle((left, y, right, y + high), pick(rng, (screen.accent, screen.surface, colour(rng))))
        screen.text(
            (left + unit * 1.5, y + high / 2),
            screen.words(rng, whole(rng, 6, 20)),
            size=real(rng, 1.2, 2.6),
            paint=WHITE,
            anchor="lm",
        )
        y += high + unit
    margin = wide * pick(rng, (0.04, 0.04, 0.15)) if wide > 450 else unit
    while y < bottom:
        y = _web_block(rng, screen, (left + margin, y, right - margin, bottom)) + unit


def _web_block(rng: Rng, screen: Screen, box: Box) -> float:
    left, y, right, bottom = box
    unit, wide = screen.unit, right - left
    block = pick(rng, ("text", "text", "heading", "cards", "cards", "button", "table", "field"))
    if block == "heading":
        screen.text((left, y), screen.words(rng, int(wide / unit / 1.2)), size=1.7)
        return y + unit * 2.2
    if block == "text":
        end = y + unit * real(rng, 3, 12)
        lines_of_text(rng, screen, (left, y, right, min(end, bottom)))
        return end
    if block == "cards":
        count = whole(rng, 1, 2) if wide < 450 else whole(rng, 2, 5)
        high = unit * real(rng, 6, 14)
        for i in range(count):
            x = left + i * wide / count
            card = (x, y, x + wide / count - unit * 0.6, y + high)
            screen.panel(card, screen.surface, outline=screen.faint(0.85))
            placeholder(rng, screen, (card[0], card[1], card[2], y + high * real(rng, 0.3, 0.6)))
            lines_of_text(rng, screen, (x + unit * 0.5, y + high * 0.65, card[2] - unit * 0.5, y + high))
        return y + high
    if block == "button":
        screen.panel((left, y, left + unit * real(rng, 5, 12), y + unit * 2.2), screen.accent)
        screen.text((left + unit, y + unit * 1.1), word(rng), paint=WHITE, anchor="lm")
        return y + unit * 2.2
    if block == "field":
        screen.text((left, y), screen.words(rng, 12), size=0.9)
        screen.panel(
            (left, y + unit * 1.3, right - wide * real(rng, 0, 0.5), y + unit * 3.3),
            screen.surface,
            outline=screen.faint(0.6),
        )
        return y + unit * 3.5
    rows, columns = whole(rng, 3, 8), whole(rng, 2, 6)
    for row in range(rows):
        screen.draw.line((left, y, right, y), screen.faint(0.8))
        for column in range(columns):
            screen.text(
                (left + column * wide / columns, y + unit * 0.3),
                number(rng) if row and column else word(rng)[:9],
                size=0.9,
            )
        y += unit * 1.8
    return y


def street_map(rng: Rng, screen: Screen, box: Box) -> None:
    """Streets, blocks, water, parks, labels, a marker and a search field."""
    left, top, right, bottom = box
    unit, w, h = screen.unit, right - left, bottom - top
    dark = sum(screen.ground) < 380
    land, road, main = (
        ((36, 47, 62), (56, 65, 78), (116, 104, 85)) if dark else ((232, 234, 226), WHITE, (250, 210, 120))
    )
    screen.draw.rectangle(box, land)
    for paint in ((170, 211, 223), (200, 230, 180), (200, 230, 180)):
        t, r = np.linspace(0, 6, 9), rng.uniform(0.2, 0.8, 9)
        xs = left + w * (0.5 + real(rng, -0.6, 0.6) + 0.7 * r * np.cos(t))
        ys = top + h * (0.5 + real(rng, -0.6, 0.6) + 0.7 * r * np.sin(t))
        screen.draw.polygon(list(zip(xs.tolist(), ys.tolist(), strict=True)), between(paint, land, 0.7 if dark else 0))
    angle = real(rng, 0, 1.5)
    for turn in (angle, angle + 1.57):
        for _ in range(whole(rng, 5, 14)):
            x, y = left + real(rng, 0, w), top + real(rng, 0, h)
            reach = (w + h) * real(rng, 0.2, 1)
            lean = turn + real(rng, -0.08, 0.08)
            ends = [
                (x - reach * np.cos(lean), y - reach * np.sin(lean)),
                (x + reach * np.cos(lean), y + reach * np.sin(lean)),
            ]
            screen.draw.line([(float(a), float(b)) for a, b in ends], road, whole(rng, 2, 6))
    for _ in range(whole(rng, 1, 3)):
        points = [(left + w * x, top + h * real(rng, 0, 1)) for x in (-0.1, 0.3, 0.7, 1.1)]
        screen.draw.line(points, main, whole(rng, 4, 9), "curve")
    for _ in range(whole(rng, 4, 16)):
        screen.text(
            (left + real(rng, 0, 0.9) * w, top + real(rng, 0, 1) * h),
            screen.words(rng, whole(rng, 4, 12)),
            size=real(rng, 0.6, 1),
            paint=screen.faint(0.3),
        )
    if happens(rng, 0.6):
        points = [(left + w * real(rng, 0.1, 0.9), top + h * real(rng, 0.2, 0.9)) for _ in range(4)]
        screen.draw.line(points, (66, 133, 244), whole(rng, 4, 8), "curve")
    x, y = left + w * real(rng, 0.2, 0.8), top + h * real(rng, 0.3, 0.8)
    screen.draw.polygon([(x, y), (x - unit * 0.8, y - unit * 1.5), (x + unit * 0.8, y - unit * 1.5)], (219, 68, 55))
    screen.circle(x, y - unit * 1.7, unit * 0.95, (219, 68, 55))
    if happens(rng, 0.7):
        screen.panel((left + unit, top + unit, right - unit, top + unit * 3.5), screen.surface, rounding=unit)
        screen.text((left + unit * 2.2, top + unit * 2.2), screen.words(rng, 18), paint=screen.faint(), anchor="lm")
