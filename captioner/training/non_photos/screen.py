"""A screen to draw an app on, its theme, the parts that all apps are made of, and web pages and maps in a browser."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from captioner.training.non_photos import camera
from captioner.training.non_photos.pages import Sheet, paragraph
from captioner.training.non_photos.sampling import BLACK, WHITE, Colour, Rng, Script, between, font

Box = tuple[float, float, float, float]  # left, top, right, bottom in pixels


@dataclass(frozen=True, slots=True)
class Screen:
    """A screen's picture, its theme, and `unit`: the height of its normal text in pixels."""

    picture: Image.Image
    draw: ImageDraw.ImageDraw
    ground: Colour
    surface: Colour
    ink: Colour
    accent: Colour
    unit: float
    corner: float
    letters: Script
    file: Path | None

    def text(
        self, at: tuple[float, float], text: str, *, size: float = 1.0, paint: Colour | None = None, anchor: str = "la"
    ) -> None:
        """Text of `size` units."""
        self.draw.text(at, text, paint or self.ink, font(self.file, self.unit * size), anchor=anchor)

    def faint(self, share: float = 0.5) -> Colour:
        """Between the text's colour and the ground's."""
        return between(self.ink, self.ground, share)

    def words(self, rng: Rng, length: int) -> str:
        """A phrase in the screen's script."""
        return rng.phrase(length, self.letters)

    def panel(self, box: Box, paint: Colour, *, outline: Colour | None = None, rounding: float | None = None) -> None:
        """A rectangle with the theme's corners."""
        left, top, right, bottom = box
        if right - left > 2 and bottom - top > 2:
            radius = min(self.corner if rounding is None else rounding, (right - left) / 2 - 1, (bottom - top) / 2 - 1)
            self.draw.rounded_rectangle(box, max(radius, 0), paint, outline)

    def circle(self, x: float, y: float, radius: float, paint: Colour) -> None:
        """A filled circle."""
        self.draw.ellipse((x - radius, y - radius, x + radius, y + radius), paint)


def blank_screen(rng: Rng, *, phone: bool) -> Screen:
    """An empty screen of a random size, theme, text size and script."""
    if phone:
        width = rng.whole(300, 420)
        height = round(width * rng.pick((1.5, 1.78, 2.0, 2.11, 2.17, 2.22, rng.real(0.8, 2.2))))
        unit = width / rng.real(21, 30)
    else:
        width = rng.whole(560, 860)
        height = round(width / rng.pick((1.33, 1.6, 1.6, 1.78, 1.78, 2.3, rng.real(0.8, 2.5))))
        unit = width / rng.real(50, 110)
    if rng.happens(0.4):
        ground = rng.colour(light=(0.02, 0.17), saturation=(0, 0.35))
        surface, ink = between(ground, WHITE, rng.real(0.05, 0.15)), between(WHITE, ground, rng.real(0.0, 0.2))
    else:
        ground = rng.colour(light=(0.9, 1), saturation=(0, 0.7)) if rng.happens(0.6) else WHITE
        surface, ink = between(WHITE, ground, rng.real(0, 0.4)), rng.colour(light=(0, 0.25), saturation=(0, 0.3))
    letters, picture = rng.script(), Image.new("RGB", (width, height), ground)
    accent = rng.colour(light=(0.35, 0.6), saturation=(0.4, 1))
    return Screen(picture, ImageDraw.Draw(picture), ground, surface, ink, accent, unit,
                  unit * rng.pick((0, 0.3, 0.8, 1.3)), letters,
                  rng.typeface(style="sans", letters=letters))  # fmt: skip


def lines_of_text(rng: Rng, screen: Screen, box: Box) -> None:
    """Running text that fills the box."""
    sheet = Sheet(screen.picture, screen.draw, screen.ground, screen.faint(0.2), screen.letters, screen.file)
    paragraph(rng, sheet, box, screen.unit * 0.95)


def row_start(rng: Rng, screen: Screen, kind: str, at: tuple[float, float], radius: float) -> None:
    """What begins a row: a sign, a square, or a circle with a letter."""
    x, y = at
    paint = rng.colour(light=(0.3, 0.75))
    if kind == "icon":
        icon(rng, screen, x, y, radius * 0.6, screen.faint(0.3))
    elif kind == "square":
        screen.panel((x - radius, y - radius, x + radius, y + radius), paint)
    else:
        screen.circle(x, y, radius, paint)
        screen.text((x, y), rng.word()[:1].upper(), size=radius / screen.unit, paint=WHITE, anchor="mm")


def row_end(rng: Rng, screen: Screen, kind: str, right: float, middle: float) -> None:
    """What ends a row: a switch, a time, a value, a badge, a box to tick, an arrow."""
    unit = screen.unit
    if kind == "switch":
        on = rng.happens(0.5)
        screen.panel((right - unit * 2.6, middle - unit * 0.75, right, middle + unit * 0.75),
                     screen.accent if on else screen.faint(0.75), rounding=unit)  # fmt: skip
        screen.circle(right - unit * (0.75 if on else 1.85), middle, unit * 0.6, WHITE)
    elif kind == "chevron":
        screen.draw.line(
            [(right - unit * 0.4, middle - unit * 0.4), (right, middle), (right - unit * 0.4, middle + unit * 0.4)],
            screen.faint(),
            2,
        )
    elif kind == "badge" and rng.happens(0.4):
        screen.circle(right - unit * 0.8, middle, unit * 0.8, screen.accent)
        screen.text((right - unit * 0.8, middle), str(rng.whole(1, 20)), size=0.75, paint=WHITE, anchor="mm")
    elif kind == "box":
        screen.draw.rectangle((right - unit, middle - unit * 0.5, right, middle + unit * 0.5),
                              screen.accent if rng.happens(0.4) else None, screen.faint())  # fmt: skip
    elif kind in ("time", "value"):
        screen.text((right, middle), rng.number(), size=0.8, paint=screen.faint(), anchor="rm")


def icon(rng: Rng, screen: Screen, x: float, y: float, radius: float, paint: Colour) -> None:
    """A small sign of lines: dots, bars, a lens, a square, a triangle, a ring, a plus."""
    box, line = (x - radius, y - radius, x + radius, y + radius), max(round(radius / 4), 1)
    kind = rng.pick(("dots", "bars", "lens", "square", "triangle", "ring", "plus"))
    if kind == "dots":
        for i in (-1, 0, 1):
            screen.circle(x, y + i * radius * 0.8, radius * 0.22, paint)
    elif kind == "bars":
        for i in (-1, 0, 1):
            screen.draw.line((x - radius, y + i * radius * 0.7, x + radius, y + i * radius * 0.7), paint, line)
    elif kind == "lens":
        screen.draw.ellipse((box[0], box[1], x + radius * 0.5, y + radius * 0.5), None, paint, line)
        screen.draw.line((x + radius * 0.3, y + radius * 0.3, x + radius, y + radius), paint, line)
    elif kind == "square":
        screen.draw.rectangle(box, None, paint, line)
    elif kind == "triangle":
        screen.draw.polygon([(x - radius * 0.7, y - radius), (x + radius, y), (x - radius * 0.7, y + radius)], paint)
    elif kind == "ring":
        screen.draw.ellipse(box, None, paint, line)
    else:
        screen.draw.line((x - radius, y, x + radius, y), paint, line)
        screen.draw.line((x, y - radius, x, y + radius), paint, line)


def app_icon(rng: Rng, screen: Screen, at: tuple[float, float], radius: float) -> None:
    """A rounded square or a circle with a sign."""
    x, y = at
    rounding = radius * rng.pick((0.4, 0.4, 1))
    screen.panel((x - radius, y - radius, x + radius, y + radius), rng.colour(light=(0.3, 0.95)), rounding=rounding)
    icon(rng, screen, x, y, radius * 0.5, rng.pick((WHITE, WHITE, BLACK, rng.colour())))


def placeholder(rng: Rng, screen: Screen, box: Box) -> None:
    """Where a picture would be: a flat field, perhaps with a sign of hills and a sun."""
    left, top, right, bottom = box
    if right - left < 8 or bottom - top < 8:
        return
    ground = between(screen.surface, rng.pick((screen.ink, screen.accent, rng.colour())), rng.real(0.15, 0.9))
    screen.panel(box, ground)
    if rng.happens(0.5):
        sign, x, y, r = (between(ground, WHITE, 0.4), (left + right) / 2, (top + bottom) / 2,
                         min(right - left, bottom - top) / 5)  # fmt: skip
        screen.draw.polygon([(x - r * 1.5, y + r), (x - r * 0.4, y - r * 0.4), (x + r * 0.7, y + r)], sign)
        screen.circle(x + r, y - r * 0.6, r * 0.3, sign)


def wallpaper(rng: Rng, screen: Screen) -> None:
    """A gradient of two or three colours, or one colour."""
    stops = np.asarray([rng.colour(light=(0.05, 0.7)) for _ in range(3)], np.float32)
    values = camera.enlarge(camera.ramp(rng), screen.picture.size).clip(0, 1)
    if rng.happens(0.2):
        values = np.zeros_like(values)
    channels = [np.interp(values, (0, 0.5, 1), stops[:, c]) for c in range(3)]
    screen.picture.paste(camera.as_image(np.stack(channels, -1)))


def browser(rng: Rng, screen: Screen, box: Box) -> None:
    """A web page: header, headings, text, cards, placeholders where pictures would be, buttons."""
    left, top, right, bottom = box
    unit, wide = screen.unit, right - left
    y = top
    if rng.happens(0.8):
        screen.draw.rectangle((left, y, right, y + unit * 2.6), screen.surface)
        screen.panel((left + wide * 0.1, y + unit * 0.4, right - wide * 0.12, y + unit * 2.2),
                     between(screen.surface, screen.ink, 0.08), rounding=unit)  # fmt: skip
        screen.text((left + wide * 0.12 + unit, y + unit * 1.3),
                    f"{rng.word().lower()}.{rng.word().lower()}.com/{rng.word()}", size=0.85, anchor="lm")  # fmt: skip
        y += unit * 2.6
    if rng.happens(0.7):
        high = unit * rng.real(2.5, 12)
        screen.draw.rectangle((left, y, right, y + high), rng.pick((screen.accent, screen.surface, rng.colour())))
        screen.text((left + unit * 1.5, y + high / 2), screen.words(rng, rng.whole(6, 20)), size=rng.real(1.2, 2.6),
                    paint=WHITE, anchor="lm")  # fmt: skip
        y += high + unit
    margin = wide * rng.pick((0.04, 0.04, 0.15)) if wide > 450 else unit
    while y < bottom:
        y = _web_block(rng, screen, (left + margin, y, right - margin, bottom)) + unit


def _web_block(rng: Rng, screen: Screen, box: Box) -> float:
    left, y, right, bottom = box
    unit, wide = screen.unit, right - left
    block = rng.pick(("text", "text", "heading", "cards", "cards", "button", "table", "field"))
    if block == "heading":
        screen.text((left, y), screen.words(rng, int(wide / unit / 1.2)), size=1.7)
        return y + unit * 2.2
    if block == "text":
        end = y + unit * rng.real(3, 12)
        lines_of_text(rng, screen, (left, y, right, min(end, bottom)))
        return end
    if block == "cards":
        count = rng.whole(1, 2) if wide < 450 else rng.whole(2, 5)
        high = unit * rng.real(6, 14)
        for i in range(count):
            x = left + i * wide / count
            card = (x, y, x + wide / count - unit * 0.6, y + high)
            screen.panel(card, screen.surface, outline=screen.faint(0.85))
            placeholder(rng, screen, (card[0], card[1], card[2], y + high * rng.real(0.3, 0.6)))
            lines_of_text(rng, screen, (x + unit * 0.5, y + high * 0.65, card[2] - unit * 0.5, y + high))
        return y + high
    if block == "button":
        screen.panel((left, y, left + unit * rng.real(5, 12), y + unit * 2.2), screen.accent)
        screen.text((left + unit, y + unit * 1.1), rng.word(), paint=WHITE, anchor="lm")
        return y + unit * 2.2
    if block == "field":
        screen.text((left, y), screen.words(rng, 12), size=0.9)
        screen.panel((left, y + unit * 1.3, right - wide * rng.real(0, 0.5), y + unit * 3.3), screen.surface,
                     outline=screen.faint(0.6))  # fmt: skip
        return y + unit * 3.5
    rows, columns = rng.whole(3, 8), rng.whole(2, 6)
    for row in range(rows):
        screen.draw.line((left, y, right, y), screen.faint(0.8))
        for column in range(columns):
            screen.text((left + column * wide / columns, y + unit * 0.3),
                        rng.number() if row and column else rng.word()[:9], size=0.9)  # fmt: skip
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
        xs = left + w * (0.5 + rng.real(-0.6, 0.6) + 0.7 * r * np.cos(t))
        ys = top + h * (0.5 + rng.real(-0.6, 0.6) + 0.7 * r * np.sin(t))
        screen.draw.polygon(list(zip(xs.tolist(), ys.tolist(), strict=True)), between(paint, land, 0.7 if dark else 0))
    angle = rng.real(0, 1.5)
    for turn in (angle, angle + 1.57):
        for _ in range(rng.whole(5, 14)):
            x, y = left + rng.real(0, w), top + rng.real(0, h)
            reach = (w + h) * rng.real(0.2, 1)
            lean = turn + rng.real(-0.08, 0.08)
            ends = [(x - reach * np.cos(lean), y - reach * np.sin(lean)),
                    (x + reach * np.cos(lean), y + reach * np.sin(lean))]  # fmt: skip
            screen.draw.line([(float(a), float(b)) for a, b in ends], road, rng.whole(2, 6))
    for _ in range(rng.whole(1, 3)):
        points = [(left + w * x, top + h * rng.real(0, 1)) for x in (-0.1, 0.3, 0.7, 1.1)]
        screen.draw.line(points, main, rng.whole(4, 9), "curve")
    for _ in range(rng.whole(4, 16)):
        screen.text((left + rng.real(0, 0.9) * w, top + rng.real(0, 1) * h), screen.words(rng, rng.whole(4, 12)),
                    size=rng.real(0.6, 1), paint=screen.faint(0.3))  # fmt: skip
    if rng.happens(0.6):
        points = [(left + w * rng.real(0.1, 0.9), top + h * rng.real(0.2, 0.9)) for _ in range(4)]
        screen.draw.line(points, (66, 133, 244), rng.whole(4, 8), "curve")
    x, y = left + w * rng.real(0.2, 0.8), top + h * rng.real(0.3, 0.8)
    screen.draw.polygon([(x, y), (x - unit * 0.8, y - unit * 1.5), (x + unit * 0.8, y - unit * 1.5)], (219, 68, 55))
    screen.circle(x, y - unit * 1.7, unit * 0.95, (219, 68, 55))
    if rng.happens(0.7):
        screen.panel((left + unit, top + unit, right - unit, top + unit * 3.5), screen.surface, rounding=unit)
        screen.text((left + unit * 2.2, top + unit * 2.2), screen.words(rng, 18), paint=screen.faint(), anchor="lm")
