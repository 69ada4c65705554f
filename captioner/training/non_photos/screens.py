"""Screenshots of phones and computers: chats, lists, settings, mail, web pages, terminals, editors, maps, keyboards.

None holds a photo: where one would be, a placeholder is. A screenshot of a photo is both, and is not made here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from captioner.training.non_photos import camera
from captioner.training.non_photos.chance import (
    BLACK,
    WHITE,
    Colour,
    Rng,
    between,
    colour,
    happens,
    palette,
    pick,
    real,
    whole,
)  # fmt: skip
from captioner.training.non_photos.lettering import Script, font, number, phrase, script, word
from captioner.training.non_photos.pages import Sheet, code_lines, paragraph

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

    def text(
        self,
        at: tuple[float, float],
        text: str,
        *,
        size: float = 1.0,
        paint: Colour | None = None,
        rng: Rng,
        anchor: str = "la",
    ) -> None:
        """Text of `size` units."""
        face = font(rng, round(self.unit * size), style="sans", letters=self.letters)
        self.draw.text(at, text, paint or self.ink, face, anchor=anchor)

    def faint(self, share: float = 0.5) -> Colour:
        """Between the text's colour and the ground's."""
        return between(self.ink, self.ground, share)

    def words(self, rng: Rng, length: int) -> str:
        """A phrase in the screen's script."""
        return phrase(rng, length, self.letters)

    def panel(self, box: Box, paint: Colour, *, outline: Colour | None = None, rounding: float | None = None) -> None:
        """A rectangle with the theme's corners."""
        left, top, right, bottom = box
        if right - left > 2 and bottom - top > 2:
            radius = min(self.corner if rounding is None else rounding, (right - left) / 2 - 1, (bottom - top) / 2 - 1)
            self.draw.rounded_rectangle(box, max(radius, 0), paint, outline)

    def circle(self, x: float, y: float, radius: float, paint: Colour) -> None:
        """A filled circle."""
        self.draw.ellipse((x - radius, y - radius, x + radius, y + radius), paint)


def screenshot(rng: Rng) -> Image.Image:
    """A screenshot of a phone or of a computer, whole or a part, now and then photographed from the screen."""
    phone = happens(rng, 0.6)
    screen = _screen(rng, phone=phone)
    width, height = screen.picture.size
    if phone:
        _phone(rng, screen)
    elif happens(rng, 0.5):
        pick(rng, _DESKTOP_APPS)(rng, screen, (0, 0, width, height))
        _task_bar(rng, screen)
    else:
        _desktop(rng, screen)
    if happens(rng, 0.06):
        return camera.photographed(screen.picture, rng)
    return screen.picture


def _screen(rng: Rng, *, phone: bool) -> Screen:
    if phone:
        width = whole(rng, 300, 420)
        height = round(width * pick(rng, (1.5, 1.78, 2.0, 2.11, 2.17, 2.22, real(rng, 0.8, 2.2))))
        unit = width / real(rng, 21, 30)
    else:
        width = whole(rng, 560, 860)
        height = round(width / pick(rng, (1.33, 1.6, 1.6, 1.78, 1.78, 2.3, real(rng, 0.8, 2.5))))
        unit = width / real(rng, 50, 110)
    if happens(rng, 0.4):
        ground = colour(rng, light=(0.02, 0.17), saturation=(0, 0.35))
        surface, ink = between(ground, WHITE, real(rng, 0.05, 0.15)), between(WHITE, ground, real(rng, 0.0, 0.2))
    else:
        ground = colour(rng, light=(0.9, 1), saturation=(0, 0.7)) if happens(rng, 0.6) else WHITE
        surface, ink = between(WHITE, ground, real(rng, 0, 0.4)), colour(rng, light=(0, 0.25), saturation=(0, 0.3))
    picture = Image.new("RGB", (width, height), ground)
    accent = colour(rng, light=(0.35, 0.6), saturation=(0.4, 1))
    return Screen(
        picture,
        ImageDraw.Draw(picture),
        ground,
        surface,
        ink,
        accent,
        unit,
        unit * pick(rng, (0, 0.3, 0.8, 1.3)),
        script(rng),
    )


# Phones


def _phone(rng: Rng, screen: Screen) -> None:
    width, height = screen.picture.size
    top, bottom, unit = 0.0, float(height), screen.unit
    app = pick(rng, _PHONE_APPS)
    if app in (_home_screen, _lock_screen):
        app(rng, screen, (0, 0, width, height))
        _status_bar(rng, screen)
        return
    coloured = happens(rng, 0.4)
    head = screen.accent if coloured else screen.surface
    if happens(rng, 0.85):
        top = unit * 1.7
        screen.draw.rectangle((0, 0, width, top), between(head, BLACK, 0.15) if happens(rng, 0.3) else head)
        _status_bar(rng, screen, WHITE if coloured else screen.ink)
    if happens(rng, 0.85):
        _app_bar(rng, screen, (0, top, width, top + unit * 3.2), head, WHITE if coloured else screen.ink)
        top += unit * 3.2
    if happens(rng, 0.5):
        bottom -= unit * 3.4
    if app in (_chat, _mail, _browser) and happens(rng, 0.25):
        bottom = min(bottom, height * real(rng, 0.58, 0.66))
        app(rng, screen, (0, top, width, bottom))
        _keyboard(rng, screen, (0, bottom, width, height))
        return
    app(rng, screen, (0, top, width, bottom))
    if bottom < height:
        _tab_bar(rng, screen, (0, bottom, width, height))
    if happens(rng, 0.15):
        _dialog(rng, screen)
    elif happens(rng, 0.2):
        screen.circle(width - unit * 2.8, bottom - unit * 2.8, unit * 1.9, screen.accent)
        screen.text((width - unit * 2.8, bottom - unit * 2.8), "+", size=2, paint=WHITE, rng=rng, anchor="mm")


def _status_bar(rng: Rng, screen: Screen, paint: Colour = WHITE) -> None:
    width, unit = screen.picture.width, screen.unit
    face = font(rng, round(unit * 0.9), style="sans")
    screen.draw.text((unit, unit * 0.35), f"{whole(rng, 0, 23)}:{whole(rng, 0, 59):02}", paint, face)
    x = width - unit * 1.2
    screen.draw.rectangle((x - unit, unit * 0.5, x, unit * 1.1), None, paint)
    screen.draw.rectangle((x - unit, unit * 0.5, x - unit * real(rng, 0, 0.8), unit * 1.1), paint)
    screen.draw.polygon(
        [(x - 2.4 * unit, unit * 0.6), (x - 1.4 * unit, unit * 0.6), (x - 1.9 * unit, unit * 1.2)], paint
    )
    for i in range(4):
        screen.draw.rectangle(
            (x - unit * (3.6 - 0.25 * i), unit * (1.1 - 0.17 * i), x - unit * (3.45 - 0.25 * i), unit * 1.2), paint
        )


def _app_bar(rng: Rng, screen: Screen, box: Box, ground: Colour, paint: Colour) -> None:
    left, top, right, bottom = box
    middle, unit = (top + bottom) / 2, screen.unit
    screen.draw.rectangle(box, ground)
    x = left + unit
    if happens(rng, 0.7):
        screen.draw.line(
            [(x + unit * 0.7, middle - unit * 0.5), (x + 0.2 * unit, middle), (x + unit * 0.7, middle + unit * 0.5)],
            paint,
            2,
        )
        x += unit * 1.8
    if happens(rng, 0.3):
        screen.circle(x + unit, middle, unit, colour(rng))
        x += unit * 2.5
    screen.text((x, middle), screen.words(rng, whole(rng, 5, 16)), size=1.3, paint=paint, rng=rng, anchor="lm")
    for i in range(whole(rng, 0, 3)):
        _icon(rng, screen, right - unit * (1.5 + 2.2 * i), middle, unit * 0.55, paint)


def _tab_bar(rng: Rng, screen: Screen, box: Box) -> None:
    left, top, right, bottom = box
    screen.draw.rectangle(box, screen.surface)
    screen.draw.line((left, top, right, top), screen.faint(0.85))
    tabs = whole(rng, 3, 5)
    chosen = whole(rng, 0, tabs - 1)
    for i in range(tabs):
        x = left + (i + 0.5) * (right - left) / tabs
        paint = screen.accent if i == chosen else screen.faint()
        _icon(rng, screen, x, top + (bottom - top) * 0.36, screen.unit * 0.7, paint)
        screen.text((x, top + (bottom - top) * 0.8), screen.words(rng, 7), size=0.7, paint=paint, rng=rng, anchor="mm")


def _keyboard(rng: Rng, screen: Screen, box: Box) -> None:
    left, top, right, bottom = box
    dark = sum(screen.ground) < 380
    screen.draw.rectangle(box, (28, 28, 30) if dark else (209, 212, 217))
    key, paint = ((75, 75, 78), WHITE) if dark else (WHITE, BLACK)
    row_px = (bottom - top) / 4.6
    for row, letters in enumerate(("qwertzuiop", "asdfghjkl", "yxcvbnm", " ")):
        y = top + row_px * (row + 0.4)
        wide = (right - left) / 10
        start = left + (right - left - wide * len(letters)) / 2 if row < 3 else left + wide * 2.5
        for i, letter in enumerate(letters):
            x = start + i * wide
            end = x + wide * 0.85 if row < 3 else right - wide * 2.5
            screen.panel((x + wide * 0.1, y, end, y + row_px * 0.8), key, rounding=4)
            screen.draw.text(
                (x + wide / 2, y + row_px * 0.4), letter, paint, font(rng, round(wide * 0.5), style="sans"), anchor="mm"
            )


def _dialog(rng: Rng, screen: Screen) -> None:
    width, height = screen.picture.size
    unit = screen.unit
    dimmed = screen.picture.point([level * 2 // 5 for level in range(256)] * 3)
    screen.picture.paste(dimmed)
    high = unit * real(rng, 8, 16)
    box = (width * 0.1, (height - high) / 2, width * 0.9, (height + high) / 2)
    screen.panel(box, screen.surface)
    screen.text((box[0] + unit, box[1] + unit), screen.words(rng, 15), size=1.2, rng=rng)
    _lines_of_text(rng, screen, (box[0] + unit, box[1] + unit * 3.2, box[2] - unit, box[3] - unit * 3))
    for i in range(whole(rng, 1, 2)):
        screen.text(
            (box[2] - unit * (1 + 6 * i), box[3] - unit * 1.6),
            word(rng).upper(),
            paint=screen.accent,
            rng=rng,
            anchor="ra",
        )


def _chat(rng: Rng, screen: Screen, box: Box) -> None:
    """Bubbles left and right, with tails, times and pictures of faces as circles; a field to type in below."""
    left, top, right, bottom = box
    unit = screen.unit
    wide = right - left
    if happens(rng, 0.3):
        screen.draw.rectangle(box, between(screen.ground, colour(rng, light=(0.5, 0.9)), real(rng, 0.1, 0.6)))
    mine = between(screen.accent, WHITE if sum(screen.ground) > 380 else BLACK, real(rng, 0, 0.75))
    theirs = screen.surface if happens(rng, 0.6) else between(screen.surface, screen.ink, 0.12)
    avatars, y = happens(rng, 0.4), top + unit * real(rng, -2, 1)
    while y < bottom - unit * 2:
        own, rows = happens(rng, 0.5), whole(rng, 1, 4)
        length = whole(rng, 4, 22) if rows == 1 else whole(rng, 14, 26)
        bubble_w, bubble_h = min(length * unit * 0.52 + unit * 1.2, wide * 0.78), rows * unit * 1.3 + unit
        x = right - unit - bubble_w if own else left + unit * (3.4 if avatars else 1)
        ground = mine if own else theirs
        ink = WHITE if sum(ground) < 400 else BLACK
        if happens(rng, 0.06):  # a picture that has not loaded
            bubble_h = unit * 7
            _placeholder(rng, screen, (x, y, x + bubble_w, y + bubble_h))
        else:
            screen.panel((x, y, x + bubble_w, y + bubble_h), ground, rounding=max(screen.corner, unit * 0.5))
            for row in range(rows):
                share = 1 if row < rows - 1 or rows == 1 else real(rng, 0.3, 1)
                text = screen.words(rng, max(int((bubble_w - unit * 1.2) / unit / 0.56 * share), 2))
                screen.text((x + unit * 0.6, y + unit * 0.45 + row * unit * 1.3), text, paint=ink, rng=rng)
        if avatars and not own:
            screen.circle(left + unit * 1.8, y + bubble_h - unit * 1.1, unit * 1.1, colour(rng))
        y += bubble_h + unit * pick(rng, (0.3, 0.6, 1.2))
        if happens(rng, 0.12):
            screen.text(
                (left + wide / 2, y),
                pick(rng, (number(rng), word(rng))),
                size=0.8,
                paint=screen.faint(),
                rng=rng,
                anchor="ma",
            )
            y += unit * 1.6
    if happens(rng, 0.8):
        screen.draw.rectangle((left, bottom - unit * 3, right, bottom), screen.ground)
        screen.panel(
            (left + unit, bottom - unit * 2.6, right - unit * 3.5, bottom - unit * 0.5),
            screen.surface,
            outline=screen.faint(0.7),
            rounding=unit,
        )
        screen.circle(right - unit * 1.8, bottom - unit * 1.5, unit, screen.accent)


def _list(rng: Rng, screen: Screen, box: Box) -> None:
    """Rows of a picture or sign, one or two lines and something at the right."""
    left, top, right, bottom = box
    unit, y = screen.unit, top
    row_px, lead = unit * real(rng, 3, 5.5), pick(rng, ("circle", "square", "icon", "none"))
    two, lines, trailing = happens(rng, 0.7), happens(rng, 0.6), pick(rng, ("time", "badge", "chevron", "none", "box"))
    cards = happens(rng, 0.2)
    while y < bottom:
        if cards:
            screen.panel(
                (left + unit * 0.5, y + unit * 0.2, right - unit * 0.5, y + row_px - unit * 0.2),
                screen.surface,
                outline=screen.faint(0.9),
            )
        x, middle = left + unit * 1.2, y + row_px / 2
        if lead != "none":
            radius = min(row_px * 0.35, unit * 1.6)
            _lead(rng, screen, lead, (x + radius, middle), radius)
            x += radius * 2 + unit
        room = int((right - x - unit * 4) / unit / 0.55)
        screen.text(
            (x, middle - (unit * 0.75 if two else 0)),
            screen.words(rng, whole(rng, 4, max(room // 2, 6))),
            rng=rng,
            anchor="lm",
        )
        if two:
            screen.text(
                (x, middle + unit * 0.8),
                screen.words(rng, whole(rng, max(room // 3, 4), max(room, 6))),
                size=0.85,
                paint=screen.faint(),
                rng=rng,
                anchor="lm",
            )
        _trailing(rng, screen, trailing, right - unit, middle)
        if lines:
            screen.draw.line((x, y + row_px, right, y + row_px), screen.faint(0.85))
        y += row_px


def _settings(rng: Rng, screen: Screen, box: Box) -> None:
    """Groups of rows with switches and values."""
    left, top, right, bottom = box
    unit, y = screen.unit, top + screen.unit
    inset, row_px = unit * pick(rng, (0, 0.8)), unit * real(rng, 2.6, 4)
    while y < bottom:
        screen.text(
            (left + unit * 1.2, y),
            screen.words(rng, 14),
            size=0.85,
            paint=pick(rng, (screen.accent, screen.faint())),
            rng=rng,
        )
        y += unit * 1.6
        rows = whole(rng, 2, 6)
        screen.panel(
            (left + inset, y, right - inset, y + rows * row_px), screen.surface, rounding=screen.corner if inset else 0
        )
        for _ in range(rows):
            x, middle = left + inset + unit, y + row_px / 2
            if happens(rng, 0.5):
                screen.panel(
                    (x, middle - unit * 0.8, x + unit * 1.6, middle + unit * 0.8),
                    colour(rng, light=(0.4, 0.6)),
                    rounding=unit * 0.4,
                )
                x += unit * 2.4
            screen.text((x, middle), screen.words(rng, whole(rng, 5, 18)), rng=rng, anchor="lm")
            _trailing(
                rng, screen, pick(rng, ("switch", "switch", "chevron", "value", "none")), right - inset - unit, middle
            )
            screen.draw.line((x, y + row_px, right - inset, y + row_px), screen.faint(0.88))
            y += row_px
        y += unit * 1.5


def _mail(rng: Rng, screen: Screen, box: Box) -> None:
    """One mail: subject, sender, text, a button."""
    left, top, right, bottom = box
    unit = screen.unit
    screen.text((left + unit, top + unit), screen.words(rng, whole(rng, 10, 24)), size=1.5, rng=rng)
    screen.circle(left + unit * 2.2, top + unit * 5, unit * 1.3, colour(rng))
    screen.text((left + unit * 4.5, top + unit * 3.9), screen.words(rng, 16), rng=rng)
    screen.text(
        (left + unit * 4.5, top + unit * 5.2), f"{word(rng)}@{word(rng)}.com", size=0.8, paint=screen.faint(), rng=rng
    )
    end = top + (bottom - top) * real(rng, 0.4, 0.95)
    _lines_of_text(rng, screen, (left + unit, top + unit * 8, right - unit, end))
    if end < bottom - unit * 4:
        screen.panel((left + unit, end + unit, left + unit * real(rng, 6, 14), end + unit * 3.2), screen.accent)


def _browser(rng: Rng, screen: Screen, box: Box) -> None:
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
            rng=rng,
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
            rng=rng,
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
        screen.text((left, y), screen.words(rng, int(wide / unit / 1.2)), size=1.7, rng=rng)
        return y + unit * 2.2
    if block == "text":
        end = y + unit * real(rng, 3, 12)
        _lines_of_text(rng, screen, (left, y, right, min(end, bottom)))
        return end
    if block == "cards":
        count = whole(rng, 1, 2) if wide < 450 else whole(rng, 2, 5)
        high = unit * real(rng, 6, 14)
        for i in range(count):
            x = left + i * wide / count
            card = (x, y, x + wide / count - unit * 0.6, y + high)
            screen.panel(card, screen.surface, outline=screen.faint(0.85))
            _placeholder(rng, screen, (card[0], card[1], card[2], y + high * real(rng, 0.3, 0.6)))
            _lines_of_text(rng, screen, (x + unit * 0.5, y + high * 0.65, card[2] - unit * 0.5, y + high))
        return y + high
    if block == "button":
        screen.panel((left, y, left + unit * real(rng, 5, 12), y + unit * 2.2), screen.accent)
        screen.text((left + unit, y + unit * 1.1), word(rng), paint=WHITE, rng=rng, anchor="lm")
        return y + unit * 2.2
    if block == "field":
        screen.text((left, y), screen.words(rng, 12), size=0.9, rng=rng)
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
                rng=rng,
            )
        y += unit * 1.8
    return y


def _map(rng: Rng, screen: Screen, box: Box) -> None:
    """Streets, blocks, water, parks, labels, a marker and a search field."""
    left, top, right, bottom = box
    unit, w, h = screen.unit, right - left, bottom - top
    dark = sum(screen.ground) < 380
    land, road, main = (
        ((36, 47, 62), (56, 65, 78), (116, 104, 85)) if dark else ((232, 234, 226), WHITE, (250, 210, 120))
    )
    screen.draw.rectangle(box, land)
    for paint in ((170, 211, 223), (200, 230, 180), (200, 230, 180)):
        points = [(left + w * (0.5 + 0.7 * r * float(np.cos(t))), top + h * (real(rng, 0, 1) * 0.3 + 0.7 * r * float(np.sin(t))))
                  for t, r in zip(np.linspace(0, 6, 9), rng.uniform(0.2, 0.8, 9).tolist(), strict=True)]  # fmt: skip
        shift = (real(rng, -0.6, 0.6) * w, real(rng, -0.6, 0.6) * h)
        screen.draw.polygon([(x + shift[0], y + shift[1]) for x, y in points], between(paint, land, 0.7 if dark else 0))
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
            rng=rng,
        )
    if happens(rng, 0.6):
        points = [(left + w * real(rng, 0.1, 0.9), top + h * real(rng, 0.2, 0.9)) for _ in range(4)]
        screen.draw.line(points, (66, 133, 244), whole(rng, 4, 8), "curve")
    x, y = left + w * real(rng, 0.2, 0.8), top + h * real(rng, 0.3, 0.8)
    screen.draw.polygon([(x, y), (x - unit * 0.8, y - unit * 1.5), (x + unit * 0.8, y - unit * 1.5)], (219, 68, 55))
    screen.circle(x, y - unit * 1.7, unit * 0.95, (219, 68, 55))
    if happens(rng, 0.7):
        screen.panel((left + unit, top + unit, right - unit, top + unit * 3.5), screen.surface, rounding=unit)
        screen.text(
            (left + unit * 2.2, top + unit * 2.2), screen.words(rng, 18), paint=screen.faint(), rng=rng, anchor="lm"
        )


def _calculator(rng: Rng, screen: Screen, box: Box) -> None:
    """Keys in a grid under a display: a calculator, a dialler, a PIN."""
    left, top, right, bottom = box
    rows, columns = whole(rng, 4, 5), whole(rng, 3, 4)
    split = top + (bottom - top) * real(rng, 0.2, 0.45)
    screen.text((right - screen.unit, split - screen.unit), number(rng), size=real(rng, 2, 4.5), rng=rng, anchor="rs")
    w, h = (right - left) / columns, (bottom - split) / rows
    round_keys = happens(rng, 0.5)
    for row in range(rows):
        for column in range(columns):
            x, y = left + (column + 0.5) * w, split + (row + 0.5) * h
            paint = screen.accent if column == 3 else between(screen.ground, screen.ink, 0.12)
            if round_keys:
                screen.circle(x, y, min(w, h) * 0.42, paint)
            else:
                screen.panel((x - w * 0.46, y - h * 0.46, x + w * 0.46, y + h * 0.46), paint)
            screen.text((x, y), pick(rng, "0123456789+-=%C*#"), size=1.7, rng=rng, anchor="mm")


def _calendar(rng: Rng, screen: Screen, box: Box) -> None:
    left, top, right, bottom = box
    unit, rows = screen.unit, whole(rng, 5, 6)
    end = bottom if happens(rng, 0.5) else top + (bottom - top) * 0.55
    w, h = (right - left) / 7, (end - top - unit * 2) / rows
    lines = happens(rng, 0.4)
    for day in range(rows * 7):
        x, y = left + day % 7 * w, top + unit * 2 + day // 7 * h
        if lines:
            screen.draw.rectangle((x, y, x + w, y + h), None, screen.faint(0.85))
        if happens(rng, 0.05):
            screen.circle(x + w / 2, y + unit, unit * 1.1, screen.accent)
        screen.text((x + w / 2, y + unit), str(day % 31 + 1), rng=rng, anchor="mm")
        if h > unit * 4 and happens(rng, 0.3):
            screen.panel((x + 2, y + unit * 2.2, x + w - 2, y + unit * 3.4), colour(rng, light=(0.4, 0.8)), rounding=3)
    if end < bottom:
        _list(rng, screen, (left, end + unit, right, bottom))


def _player(rng: Rng, screen: Screen, box: Box) -> None:
    """A music player: a drawn cover, title, progress, buttons."""
    left, top, right, bottom = box
    unit, middle = screen.unit, (left + right) / 2
    side = min(right - left, bottom - top) * real(rng, 0.4, 0.8)
    _placeholder(rng, screen, (middle - side / 2, top + unit * 2, middle + side / 2, top + unit * 2 + side))
    y = top + side + unit * 4
    screen.text((middle, y), screen.words(rng, 16), size=1.5, rng=rng, anchor="ma")
    screen.text((middle, y + unit * 2.2), screen.words(rng, 20), paint=screen.faint(), rng=rng, anchor="ma")
    y += unit * 5
    here = left + unit * 2 + (right - left - unit * 4) * real(rng, 0, 1)
    screen.draw.line((left + unit * 2, y, right - unit * 2, y), screen.faint(0.7), 3)
    screen.draw.line((left + unit * 2, y, here, y), screen.accent, 3)
    screen.circle(here, y, unit * 0.5, screen.accent)
    for i in range(-2, 3):
        _icon(rng, screen, middle + i * unit * 4, y + unit * 4, unit * (1.6 if i == 0 else 0.8), screen.ink)


def _login(rng: Rng, screen: Screen, box: Box) -> None:
    """A sign, fields, a button, a link."""
    left, top, right, bottom = box
    unit, middle = screen.unit, (left + right) / 2
    half = min((right - left) / 2 - unit * 1.5, unit * 12)
    y = top + (bottom - top) * real(rng, 0.08, 0.3)
    _lead(rng, screen, pick(rng, ("circle", "square", "icon")), (middle, y), unit * 2.5)
    y += unit * 4
    screen.text((middle, y), screen.words(rng, 14), size=1.8, rng=rng, anchor="ma")
    y += unit * 4
    for _ in range(whole(rng, 1, 4)):
        screen.panel((middle - half, y, middle + half, y + unit * 2.8), screen.surface, outline=screen.faint(0.6))
        screen.text(
            (middle - half + unit, y + unit * 1.4), screen.words(rng, 12), paint=screen.faint(), rng=rng, anchor="lm"
        )
        y += unit * 3.8
    screen.panel((middle - half, y, middle + half, y + unit * 2.8), screen.accent)
    screen.text((middle, y + unit * 1.4), word(rng), paint=WHITE, rng=rng, anchor="mm")
    screen.text((middle, y + unit * 4), screen.words(rng, 22), size=0.85, paint=screen.accent, rng=rng, anchor="ma")


def _dashboard(rng: Rng, screen: Screen, box: Box) -> None:
    """Cards with a large figure, a bar or a small curve each."""
    left, top, right, bottom = box
    unit = screen.unit
    columns = whole(rng, 1, 2) if right - left < 450 else whole(rng, 2, 4)
    w, h, y = (right - left) / columns, unit * real(rng, 6, 10), top + unit * 0.5
    while y < bottom:
        for column in range(columns):
            card = (left + column * w + unit * 0.5, y, left + (column + 1) * w - unit * 0.5, y + h)
            tinted = happens(rng, 0.2)
            screen.panel(card, colour(rng, light=(0.4, 0.6)) if tinted else screen.surface, outline=screen.faint(0.9))
            screen.text(
                (card[0] + unit, card[1] + unit * 0.7),
                screen.words(rng, 12),
                size=0.85,
                paint=screen.faint(0.3),
                rng=rng,
            )
            screen.text((card[0] + unit, card[1] + unit * 2), number(rng), size=2, rng=rng)
            ys = card[3] - unit - rng.random(12) * unit * 1.8
            xs = np.linspace(card[0] + unit, card[2] - unit, 12)
            screen.draw.line(list(zip(xs.tolist(), ys.tolist(), strict=True)), screen.accent, 2)
        y += h + unit


def _game(rng: Rng, screen: Screen, box: Box) -> None:
    """A board of coloured pieces or figures: a puzzle, Sudoku, chess."""
    left, top, right, bottom = box
    n, kind = whole(rng, 4, 10), pick(rng, ("pieces", "figures", "checks"))
    side = min(right - left, bottom - top) * 0.94
    x0, y0, cell = (left + right - side) / 2, top + (bottom - top - side) * real(rng, 0.1, 0.9), side / n
    paints = palette(rng, 5)
    for i in range(n * n):
        x, y = x0 + i % n * cell, y0 + i // n * cell
        if kind == "checks":
            screen.draw.rectangle((x, y, x + cell, y + cell), paints[(i + i // n) % 2])
            if happens(rng, 0.3):
                screen.circle(x + cell / 2, y + cell / 2, cell * 0.35, pick(rng, (BLACK, WHITE)))
        elif kind == "pieces":
            screen.panel((x + 1, y + 1, x + cell - 1, y + cell - 1), pick(rng, paints))
        else:
            screen.draw.rectangle((x, y, x + cell, y + cell), None, screen.faint())
            if happens(rng, 0.5):
                screen.text(
                    (x + cell / 2, y + cell / 2),
                    str(whole(rng, 1, 9)),
                    size=cell / screen.unit * 0.6,
                    rng=rng,
                    anchor="mm",
                )


def _home_screen(rng: Rng, screen: Screen, box: Box) -> None:
    """Icons in rows over a graded wallpaper, a search field, a dock."""
    _wallpaper(rng, screen)
    width, height, unit = screen.picture.width, screen.picture.height, screen.unit
    columns, rows = whole(rng, 4, 5), whole(rng, 3, 7)
    w, step = width / columns, unit * 5
    y = height - (rows + 0.5) * step if happens(rng, 0.5) else unit * 3
    for i in range(rows * columns):
        x, row = (i % columns + 0.5) * w, i // columns
        if happens(rng, 0.1):
            continue
        _app_icon(rng, screen, (x, y + row * step + unit * 1.5), unit * 1.4)
        screen.text((x, y + row * step + unit * 3.5), word(rng)[:9], size=0.7, paint=WHITE, rng=rng, anchor="ma")


def _lock_screen(rng: Rng, screen: Screen, box: Box) -> None:
    """A large clock and a few messages over a graded wallpaper."""
    _wallpaper(rng, screen)
    width, height, unit = screen.picture.width, screen.picture.height, screen.unit
    clock = f"{whole(rng, 0, 23):02}:{whole(rng, 0, 59):02}"
    screen.text((width / 2, height * 0.14), clock, size=5, paint=WHITE, rng=rng, anchor="ma")
    screen.text((width / 2, height * 0.14 + unit * 6), screen.words(rng, 16), paint=WHITE, rng=rng, anchor="ma")
    for i in range(whole(rng, 0, 4)):
        y = height * 0.45 + i * unit * 5
        screen.panel((unit, y, width - unit, y + unit * 4.4), screen.surface, rounding=unit)
        screen.circle(unit * 3, y + unit * 2.2, unit * 1.1, colour(rng))
        screen.text((unit * 5, y + unit * 0.8), screen.words(rng, 14), rng=rng)
        screen.text((unit * 5, y + unit * 2.4), screen.words(rng, 24), size=0.85, rng=rng)


# Computers


def _desktop(rng: Rng, screen: Screen) -> None:
    """A graded wallpaper, icons, one to three windows over each other, a task bar."""
    _wallpaper(rng, screen)
    width, height, unit = screen.picture.width, screen.picture.height, screen.unit
    for i in range(whole(rng, 1, 10)):
        _app_icon(rng, screen, (unit * 3, unit * (3 + 4.5 * i)), unit * 1.3)
        screen.text((unit * 3, unit * (4.8 + 4.5 * i)), word(rng), size=0.8, paint=WHITE, rng=rng, anchor="ma")
    for _ in range(whole(rng, 1, 3)):
        x, y = real(rng, 0.02, 0.4) * width, real(rng, 0.03, 0.35) * height
        right, bottom = min(x + real(rng, 0.35, 0.7) * width, width), min(y + real(rng, 0.4, 0.7) * height, height)
        _window(rng, screen, (x, y, right, bottom))
    _task_bar(rng, screen)


def _window(rng: Rng, screen: Screen, box: Box) -> None:
    left, top, right, bottom = (round(edge) for edge in box)
    inner = Image.new("RGB", (right - left, bottom - top), screen.ground)
    theme = _screen(rng, phone=False)
    inside = Screen(
        inner,
        ImageDraw.Draw(inner),
        theme.ground,
        theme.surface,
        theme.ink,
        theme.accent,
        screen.unit,
        theme.corner,
        screen.letters,
    )
    inside.draw.rectangle((0, 0, *inner.size), inside.ground)
    bar = screen.unit * 2
    pick(rng, _DESKTOP_APPS)(rng, inside, (0, bar, inner.width, inner.height))
    inside.draw.rectangle((0, 0, inner.width, bar), inside.surface)
    inside.text((inner.width / 2, bar / 2), phrase(rng, 20, inside.letters), size=0.9, rng=rng, anchor="mm")
    for i, paint in enumerate(((255, 95, 87), (254, 188, 46), (40, 200, 64))):
        inside.circle(screen.unit * (1 + 1.3 * i), bar / 2, screen.unit * 0.4, paint)
    inside.draw.rectangle((0, 0, inner.width - 1, inner.height - 1), None, inside.faint(0.6))
    screen.picture.paste(inner, (left, top))


def _task_bar(rng: Rng, screen: Screen) -> None:
    if happens(rng, 0.4):
        return
    width, height, unit = screen.picture.width, screen.picture.height, screen.unit
    top = height - unit * 2.6 if happens(rng, 0.75) else 0
    screen.draw.rectangle((0, top, width, top + unit * 2.6), colour(rng, light=(0.05, 0.9), saturation=(0, 0.5)))
    start = unit * 2 if happens(rng, 0.5) else width * 0.3
    for i in range(whole(rng, 3, 12)):
        _app_icon(rng, screen, (start + i * unit * 2.6, top + unit * 1.3), unit * 0.8)
    screen.text((width - unit, top + unit * 1.3), f"{whole(rng, 0, 23)}:{whole(rng, 0, 59):02}", rng=rng, anchor="rm")


def _terminal(rng: Rng, screen: Screen, box: Box) -> None:
    """Lines of commands and answers in a fixed-width font on black, mostly."""
    ground = pick(rng, (BLACK, (30, 30, 30), (0, 43, 54), (48, 10, 36), (40, 42, 54), screen.ground))
    screen.draw.rectangle(box, ground)
    ink = (220, 220, 215) if sum(ground) < 380 else (30, 30, 30)
    sheet = Sheet(screen.picture, screen.draw, ground, ink, Script.LATIN, "mono")
    code_lines(
        rng,
        sheet,
        (box[0] + 6, box[1] + 6, box[2], box[1] + (box[3] - box[1]) * real(rng, 0.3, 1)),
        screen.unit * real(rng, 0.8, 1.2),
        colours=whole(rng, 0, 3),
    )


def _editor(rng: Rng, screen: Screen, box: Box) -> None:
    """A code editor: files at the left, line numbers, coloured code, a status line."""
    left, top, right, bottom = box
    unit = screen.unit
    side = left + (right - left) * pick(rng, (0, 0.15, 0.25))
    screen.draw.rectangle(box, screen.ground)
    screen.draw.rectangle((left, top, side, bottom), screen.surface)
    y = top + unit
    while y < bottom and side > left:
        screen.text(
            (left + unit * whole(rng, 1, 3), y),
            word(rng).lower() + pick(rng, (".py", ".js", "", ".md")),
            size=0.9,
            paint=screen.faint(0.3),
            rng=rng,
        )
        y += unit * 1.5
    sheet = Sheet(screen.picture, screen.draw, screen.ground, screen.ink, Script.LATIN, "mono")
    code_lines(
        rng,
        sheet,
        (side + unit * 3, top + unit, right * real(rng, 0.6, 1), bottom - unit * 2),
        unit * real(rng, 0.85, 1.2),
    )
    for i in range(int((bottom - top) / unit / 1.4)):
        screen.draw.text(
            (side + unit * 0.5, top + unit + i * unit * 1.4),
            str(i + 1),
            screen.faint(0.6),
            font(rng, round(unit * 0.8), style="mono"),
        )
    screen.draw.rectangle((left, bottom - unit * 1.6, right, bottom), screen.accent)


def _inbox(rng: Rng, screen: Screen, box: Box) -> None:
    """Folders, a list and one message beside each other: mail, chat or files."""
    left, top, right, bottom = box
    first, second = left + (right - left) * real(rng, 0.12, 0.22), left + (right - left) * real(rng, 0.35, 0.5)
    screen.draw.rectangle((left, top, first, bottom), pick(rng, (screen.surface, screen.accent, screen.ink)))
    screen.draw.rectangle((first, top, right, bottom), screen.ground)
    y = top + screen.unit
    while y < bottom:
        screen.text((left + screen.unit, y), screen.words(rng, 9), paint=pick(rng, (screen.faint(), WHITE)), rng=rng)
        y += screen.unit * 2
    _list(rng, screen, (first, top, second, bottom))
    screen.draw.rectangle((second, top, right, bottom), screen.ground)
    pick(rng, (_mail, _chat))(rng, screen, (second, top, right, bottom))


def _spreadsheet(rng: Rng, screen: Screen, box: Box) -> None:
    left, top, right, bottom = box
    unit, row_px = screen.unit, screen.unit * 1.6
    screen.draw.rectangle(box, screen.surface)
    bar = top + unit * whole(rng, 2, 6)
    screen.draw.rectangle((left, top, right, bar), between(screen.surface, screen.accent, real(rng, 0.1, 1)))
    for i in range(whole(rng, 6, 20)):
        _icon(rng, screen, left + unit * (1.5 + 2 * i), (top + bar) / 2, unit * 0.5, screen.ink)
    columns = whole(rng, 5, 14)
    w = (right - left) / columns
    filled_rows, filled_columns = whole(rng, 4, 40), whole(rng, 2, columns)
    for row in range(int((bottom - bar) / row_px) + 1):
        y = bar + row * row_px
        screen.draw.line((left, y, right, y), screen.faint(0.85))
        for column in range(columns):
            if column < filled_columns and row < filled_rows and happens(rng, 0.85):
                if happens(rng, 0.04):
                    screen.draw.rectangle(
                        (left + column * w, y, left + (column + 1) * w, y + row_px), colour(rng, light=(0.7, 0.9))
                    )
                screen.text(
                    (left + column * w + 3, y + unit * 0.2),
                    number(rng) if column and row else word(rng)[:9],
                    size=0.85,
                    rng=rng,
                )
    for column in range(columns):
        screen.draw.line((left + column * w, bar, left + column * w, bottom), screen.faint(0.85))


def _files(rng: Rng, screen: Screen, box: Box) -> None:
    """Folders and documents in a grid."""
    left, top, right, bottom = box
    unit = screen.unit
    screen.draw.rectangle(box, screen.ground)
    side = left + (right - left) * pick(rng, (0.0, 0.2))
    screen.draw.rectangle((left, top, side, bottom), screen.surface)
    step, paint = unit * real(rng, 6, 9), pick(rng, ((250, 200, 80), (80, 160, 240), screen.accent))
    y = top + unit * 2
    while y < bottom - step:
        x = side + unit * 2
        while x < right - step:
            if happens(rng, 0.85):
                screen.panel((x, y + unit * 0.6, x + unit * 4, y + unit * 3.6), paint, rounding=3)
                screen.panel((x, y, x + unit * 2, y + unit * 1.2), paint, rounding=3)
                screen.text((x + unit * 2, y + unit * 4), word(rng)[:10], size=0.85, rng=rng, anchor="ma")
            x += step
        y += step


def _word_processor(rng: Rng, screen: Screen, box: Box) -> None:
    """A white page under a tool bar."""
    left, top, right, bottom = box
    unit, wide = screen.unit, box[2] - box[0]
    screen.draw.rectangle(box, between(screen.ground, (128, 128, 128), 0.3))
    screen.draw.rectangle((left, top, right, top + unit * 4), screen.surface)
    for i in range(whole(rng, 8, 24)):
        _icon(rng, screen, left + unit * (1.5 + 2 * i), top + unit * 2.5, unit * 0.5, screen.ink)
    page = (left + wide * 0.2, top + unit * 5.5, right - wide * 0.2, bottom)
    screen.draw.rectangle(page, WHITE)
    sheet = Sheet(screen.picture, screen.draw, WHITE, (20, 20, 20), screen.letters, pick(rng, ("serif", "sans")))
    paragraph(
        rng,
        sheet,
        (page[0] + wide * 0.05, page[1] + unit * 3, page[2] - wide * 0.05, bottom - (bottom - top) * real(rng, 0, 0.4)),
        unit,
    )


# Parts


def _lines_of_text(rng: Rng, screen: Screen, box: Box) -> None:
    sheet = Sheet(screen.picture, screen.draw, screen.ground, screen.faint(0.2), screen.letters, "sans")
    paragraph(rng, sheet, box, screen.unit * 0.95)


def _lead(rng: Rng, screen: Screen, kind: str, at: tuple[float, float], radius: float) -> None:
    x, y = at
    paint = colour(rng, light=(0.3, 0.75))
    if kind == "icon":
        _icon(rng, screen, x, y, radius * 0.6, screen.faint(0.3))
    elif kind == "square":
        screen.panel((x - radius, y - radius, x + radius, y + radius), paint)
    else:
        screen.circle(x, y, radius, paint)
        screen.text((x, y), word(rng)[:1].upper(), size=radius / screen.unit, paint=WHITE, rng=rng, anchor="mm")


def _trailing(rng: Rng, screen: Screen, kind: str, right: float, middle: float) -> None:
    """What ends a row: a switch, a time, a value, a badge, a box to tick, an arrow."""
    unit = screen.unit
    if kind == "switch":
        on = happens(rng, 0.5)
        screen.panel(
            (right - unit * 2.6, middle - unit * 0.75, right, middle + unit * 0.75),
            screen.accent if on else screen.faint(0.75),
            rounding=unit,
        )
        screen.circle(right - unit * (0.75 if on else 1.85), middle, unit * 0.6, WHITE)
    elif kind == "chevron":
        screen.draw.line(
            [(right - unit * 0.4, middle - unit * 0.4), (right, middle), (right - unit * 0.4, middle + unit * 0.4)],
            screen.faint(),
            2,
        )
    elif kind == "badge" and happens(rng, 0.4):
        screen.circle(right - unit * 0.8, middle, unit * 0.8, screen.accent)
        screen.text((right - unit * 0.8, middle), str(whole(rng, 1, 20)), size=0.75, paint=WHITE, rng=rng, anchor="mm")
    elif kind == "box":
        screen.draw.rectangle(
            (right - unit, middle - unit * 0.5, right, middle + unit * 0.5),
            screen.accent if happens(rng, 0.4) else None,
            screen.faint(),
        )
    elif kind in ("time", "value"):
        screen.text((right, middle), number(rng), size=0.8, paint=screen.faint(), rng=rng, anchor="rm")


def _icon(rng: Rng, screen: Screen, x: float, y: float, radius: float, paint: Colour) -> None:
    """A small sign of lines: dots, bars, a lens, a square, a triangle, a ring, a plus."""
    box, line = (x - radius, y - radius, x + radius, y + radius), max(round(radius / 4), 1)
    kind = pick(rng, ("dots", "bars", "lens", "square", "triangle", "ring", "plus"))
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


def _app_icon(rng: Rng, screen: Screen, at: tuple[float, float], radius: float) -> None:
    x, y = at
    rounding = radius * pick(rng, (0.4, 0.4, 1))
    screen.panel((x - radius, y - radius, x + radius, y + radius), colour(rng, light=(0.3, 0.95)), rounding=rounding)
    _icon(rng, screen, x, y, radius * 0.5, pick(rng, (WHITE, WHITE, BLACK, colour(rng))))


def _placeholder(rng: Rng, screen: Screen, box: Box) -> None:
    """Where a picture would be: a flat field, perhaps with a sign of hills and a sun."""
    left, top, right, bottom = box
    if right - left < 8 or bottom - top < 8:
        return
    ground = between(screen.surface, pick(rng, (screen.ink, screen.accent, colour(rng))), real(rng, 0.15, 0.9))
    screen.panel(box, ground)
    if happens(rng, 0.5):
        sign, x, y, r = (
            between(ground, WHITE, 0.4),
            (left + right) / 2,
            (top + bottom) / 2,
            min(right - left, bottom - top) / 5,
        )
        screen.draw.polygon([(x - r * 1.5, y + r), (x - r * 0.4, y - r * 0.4), (x + r * 0.7, y + r)], sign)
        screen.circle(x + r, y - r * 0.6, r * 0.3, sign)


def _wallpaper(rng: Rng, screen: Screen) -> None:
    """A gradient of two or three colours, or one colour."""
    stops = np.asarray([colour(rng, light=(0.05, 0.7)) for _ in range(3)], np.float32)
    values = camera.enlarged(camera.ramp(rng), screen.picture.size).clip(0, 1)
    if happens(rng, 0.2):
        values = np.zeros_like(values)
    channels = [np.interp(values, (0, 0.5, 1), stops[:, c]) for c in range(3)]
    screen.picture.paste(camera.as_image(np.stack(channels, -1)))


App = Callable[[Rng, Screen, Box], None]
#: One that stands twice is twice as frequent.
_PHONE_APPS: tuple[App, ...] = (
    _chat, _chat, _chat, _chat, _list, _list, _list, _settings, _settings, _mail, _browser, _browser, _map, _calculator, _calendar,
    _player, _login, _dashboard, _game, _home_screen, _home_screen, _lock_screen,
)  # fmt: skip
_DESKTOP_APPS: tuple[App, ...] = (
    _browser, _browser, _browser, _terminal, _terminal, _editor, _editor, _inbox, _inbox, _spreadsheet, _files, _word_processor,
    _settings, _login, _dashboard, _map, _list, _calendar,
)  # fmt: skip
