"""What is on a screen: chats, lists, settings, mail, web pages, maps, calendars, sign-in pages and so on."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from captioner.training.non_photos.sampling import BLACK, WHITE, Rng, between
from captioner.training.non_photos.screen import Box, Screen, icon, lines_of_text, placeholder, row_end, row_start

App = Callable[[Rng, Screen, Box], None]


def chat(rng: Rng, screen: Screen, box: Box) -> None:
    """Bubbles left and right, with tails, times and pictures of faces as circles; a field to type in below."""
    left, top, right, bottom = box
    unit = screen.unit
    wide = right - left
    if rng.happens(0.3):
        screen.draw.rectangle(box, between(screen.ground, rng.colour(light=(0.5, 0.9)), rng.real(0.1, 0.6)))
    mine = between(screen.accent, WHITE if sum(screen.ground) > 380 else BLACK, rng.real(0, 0.75))
    theirs = screen.surface if rng.happens(0.6) else between(screen.surface, screen.ink, 0.12)
    avatars, y = rng.happens(0.4), top + unit * rng.real(-2, 1)
    while y < bottom - unit * 2:
        own, rows = rng.happens(0.5), rng.whole(1, 4)
        length = rng.whole(4, 22) if rows == 1 else rng.whole(14, 26)
        bubble_w, bubble_h = min(length * unit * 0.52 + unit * 1.2, wide * 0.78), rows * unit * 1.3 + unit
        x = right - unit - bubble_w if own else left + unit * (3.4 if avatars else 1)
        ground = mine if own else theirs
        ink = WHITE if sum(ground) < 400 else BLACK
        if rng.happens(0.06):  # a picture that has not loaded
            bubble_h = unit * 7
            placeholder(rng, screen, (x, y, x + bubble_w, y + bubble_h))
        else:
            screen.panel((x, y, x + bubble_w, y + bubble_h), ground, rounding=max(screen.corner, unit * 0.5))
            for row in range(rows):
                share = 1 if row < rows - 1 or rows == 1 else rng.real(0.3, 1)
                text = screen.words(rng, max(int((bubble_w - unit * 1.2) / unit / 0.56 * share), 2))
                screen.text((x + unit * 0.6, y + unit * 0.45 + row * unit * 1.3), text, paint=ink)
        if avatars and not own:
            screen.circle(left + unit * 1.8, y + bubble_h - unit * 1.1, unit * 1.1, rng.colour())
        y += bubble_h + unit * rng.pick((0.3, 0.6, 1.2))
        if rng.happens(0.12):
            screen.text(
                (left + wide / 2, y), rng.pick((rng.number(), rng.word())), size=0.8, paint=screen.faint(), anchor="ma"
            )
            y += unit * 1.6
    if rng.happens(0.8):
        screen.draw.rectangle((left, bottom - unit * 3, right, bottom), screen.ground)
        screen.panel((left + unit, bottom - unit * 2.6, right - unit * 3.5, bottom - unit * 0.5), screen.surface,
                     outline=screen.faint(0.7), rounding=unit)  # fmt: skip
        screen.circle(right - unit * 1.8, bottom - unit * 1.5, unit, screen.accent)


def row_list(rng: Rng, screen: Screen, box: Box) -> None:
    """Rows of a picture or sign, one or two lines and something at the right."""
    left, top, right, bottom = box
    unit, y = screen.unit, top
    row_px, lead = unit * rng.real(3, 5.5), rng.pick(("circle", "square", "icon", "none"))
    two, lines, trailing = rng.happens(0.7), rng.happens(0.6), rng.pick(("time", "badge", "chevron", "none", "box"))
    cards = rng.happens(0.2)
    while y < bottom:
        if cards:
            screen.panel((left + unit * 0.5, y + unit * 0.2, right - unit * 0.5, y + row_px - unit * 0.2),
                         screen.surface, outline=screen.faint(0.9))  # fmt: skip
        x, middle = left + unit * 1.2, y + row_px / 2
        if lead != "none":
            radius = min(row_px * 0.35, unit * 1.6)
            row_start(rng, screen, lead, (x + radius, middle), radius)
            x += radius * 2 + unit
        room = int((right - x - unit * 4) / unit / 0.55)
        screen.text(
            (x, middle - (unit * 0.75 if two else 0)), screen.words(rng, rng.whole(4, max(room // 2, 6))), anchor="lm"
        )
        if two:
            screen.text((x, middle + unit * 0.8), screen.words(rng, rng.whole(max(room // 3, 4), max(room, 6))),
                        size=0.85, paint=screen.faint(), anchor="lm")  # fmt: skip
        row_end(rng, screen, trailing, right - unit, middle)
        if lines:
            screen.draw.line((x, y + row_px, right, y + row_px), screen.faint(0.85))
        y += row_px


def settings(rng: Rng, screen: Screen, box: Box) -> None:
    """Groups of rows with switches and values."""
    left, top, right, bottom = box
    unit, y = screen.unit, top + screen.unit
    inset, row_px = unit * rng.pick((0, 0.8)), unit * rng.real(2.6, 4)
    while y < bottom:
        screen.text(
            (left + unit * 1.2, y), screen.words(rng, 14), size=0.85, paint=rng.pick((screen.accent, screen.faint()))
        )
        y += unit * 1.6
        rows = rng.whole(2, 6)
        screen.panel(
            (left + inset, y, right - inset, y + rows * row_px), screen.surface, rounding=screen.corner if inset else 0
        )
        for _ in range(rows):
            x, middle = left + inset + unit, y + row_px / 2
            if rng.happens(0.5):
                screen.panel((x, middle - unit * 0.8, x + unit * 1.6, middle + unit * 0.8),
                             rng.colour(light=(0.4, 0.6)), rounding=unit * 0.4)  # fmt: skip
                x += unit * 2.4
            screen.text((x, middle), screen.words(rng, rng.whole(5, 18)), anchor="lm")
            row_end(
                rng, screen, rng.pick(("switch", "switch", "chevron", "value", "none")), right - inset - unit, middle
            )
            screen.draw.line((x, y + row_px, right - inset, y + row_px), screen.faint(0.88))
            y += row_px
        y += unit * 1.5


def mail(rng: Rng, screen: Screen, box: Box) -> None:
    """One mail: subject, sender, text, a button."""
    left, top, right, bottom = box
    unit = screen.unit
    screen.text((left + unit, top + unit), screen.words(rng, rng.whole(10, 24)), size=1.5)
    screen.circle(left + unit * 2.2, top + unit * 5, unit * 1.3, rng.colour())
    screen.text((left + unit * 4.5, top + unit * 3.9), screen.words(rng, 16))
    screen.text((left + unit * 4.5, top + unit * 5.2), f"{rng.word()}@{rng.word()}.com", size=0.8, paint=screen.faint())
    end = top + (bottom - top) * rng.real(0.4, 0.95)
    lines_of_text(rng, screen, (left + unit, top + unit * 8, right - unit, end))
    if end < bottom - unit * 4:
        screen.panel((left + unit, end + unit, left + unit * rng.real(6, 14), end + unit * 3.2), screen.accent)


def calculator(rng: Rng, screen: Screen, box: Box) -> None:
    """Keys in a grid under a display: a calculator, a dialler, a PIN."""
    left, top, right, bottom = box
    rows, columns = rng.whole(4, 5), rng.whole(3, 4)
    split = top + (bottom - top) * rng.real(0.2, 0.45)
    screen.text((right - screen.unit, split - screen.unit), rng.number(), size=rng.real(2, 4.5), anchor="rs")
    w, h = (right - left) / columns, (bottom - split) / rows
    round_keys = rng.happens(0.5)
    for row in range(rows):
        for column in range(columns):
            x, y = left + (column + 0.5) * w, split + (row + 0.5) * h
            paint = screen.accent if column == 3 else between(screen.ground, screen.ink, 0.12)
            if round_keys:
                screen.circle(x, y, min(w, h) * 0.42, paint)
            else:
                screen.panel((x - w * 0.46, y - h * 0.46, x + w * 0.46, y + h * 0.46), paint)
            screen.text((x, y), rng.pick("0123456789+-=%C*#"), size=1.7, anchor="mm")


def calendar(rng: Rng, screen: Screen, box: Box) -> None:
    """A month, and perhaps the appointments of a day."""
    left, top, right, bottom = box
    unit, rows = screen.unit, rng.whole(5, 6)
    end = bottom if rng.happens(0.5) else top + (bottom - top) * 0.55
    w, h = (right - left) / 7, (end - top - unit * 2) / rows
    lines = rng.happens(0.4)
    for day in range(rows * 7):
        x, y = left + day % 7 * w, top + unit * 2 + day // 7 * h
        if lines:
            screen.draw.rectangle((x, y, x + w, y + h), None, screen.faint(0.85))
        if rng.happens(0.05):
            screen.circle(x + w / 2, y + unit, unit * 1.1, screen.accent)
        screen.text((x + w / 2, y + unit), str(day % 31 + 1), anchor="mm")
        if h > unit * 4 and rng.happens(0.3):
            screen.panel((x + 2, y + unit * 2.2, x + w - 2, y + unit * 3.4), rng.colour(light=(0.4, 0.8)), rounding=3)
    if end < bottom:
        row_list(rng, screen, (left, end + unit, right, bottom))


def player(rng: Rng, screen: Screen, box: Box) -> None:
    """A music player: a drawn cover, title, progress, buttons."""
    left, top, right, bottom = box
    unit, middle = screen.unit, (left + right) / 2
    side = min(right - left, bottom - top) * rng.real(0.4, 0.8)
    placeholder(rng, screen, (middle - side / 2, top + unit * 2, middle + side / 2, top + unit * 2 + side))
    y = top + side + unit * 4
    screen.text((middle, y), screen.words(rng, 16), size=1.5, anchor="ma")
    screen.text((middle, y + unit * 2.2), screen.words(rng, 20), paint=screen.faint(), anchor="ma")
    y += unit * 5
    here = left + unit * 2 + (right - left - unit * 4) * rng.real(0, 1)
    screen.draw.line((left + unit * 2, y, right - unit * 2, y), screen.faint(0.7), 3)
    screen.draw.line((left + unit * 2, y, here, y), screen.accent, 3)
    screen.circle(here, y, unit * 0.5, screen.accent)
    for i in range(-2, 3):
        icon(rng, screen, middle + i * unit * 4, y + unit * 4, unit * (1.6 if i == 0 else 0.8), screen.ink)


def login(rng: Rng, screen: Screen, box: Box) -> None:
    """A sign, fields, a button, a link."""
    left, top, right, bottom = box
    unit, middle = screen.unit, (left + right) / 2
    half = min((right - left) / 2 - unit * 1.5, unit * 12)
    y = top + (bottom - top) * rng.real(0.08, 0.3)
    row_start(rng, screen, rng.pick(("circle", "square", "icon")), (middle, y), unit * 2.5)
    y += unit * 4
    screen.text((middle, y), screen.words(rng, 14), size=1.8, anchor="ma")
    y += unit * 4
    for _ in range(rng.whole(1, 4)):
        screen.panel((middle - half, y, middle + half, y + unit * 2.8), screen.surface, outline=screen.faint(0.6))
        screen.text((middle - half + unit, y + unit * 1.4), screen.words(rng, 12), paint=screen.faint(), anchor="lm")
        y += unit * 3.8
    screen.panel((middle - half, y, middle + half, y + unit * 2.8), screen.accent)
    screen.text((middle, y + unit * 1.4), rng.word(), paint=WHITE, anchor="mm")
    screen.text((middle, y + unit * 4), screen.words(rng, 22), size=0.85, paint=screen.accent, anchor="ma")


def dashboard(rng: Rng, screen: Screen, box: Box) -> None:
    """Cards with a large figure, a bar or a small curve each."""
    left, top, right, bottom = box
    unit = screen.unit
    columns = rng.whole(1, 2) if right - left < 450 else rng.whole(2, 4)
    w, h, y = (right - left) / columns, unit * rng.real(6, 10), top + unit * 0.5
    while y < bottom:
        for column in range(columns):
            card = (left + column * w + unit * 0.5, y, left + (column + 1) * w - unit * 0.5, y + h)
            tinted = rng.happens(0.2)
            screen.panel(card, rng.colour(light=(0.4, 0.6)) if tinted else screen.surface, outline=screen.faint(0.9))
            screen.text(
                (card[0] + unit, card[1] + unit * 0.7), screen.words(rng, 12), size=0.85, paint=screen.faint(0.3)
            )
            screen.text((card[0] + unit, card[1] + unit * 2), rng.number(), size=2)
            ys = card[3] - unit - rng.random(12) * unit * 1.8
            xs = np.linspace(card[0] + unit, card[2] - unit, 12)
            screen.draw.line(list(zip(xs.tolist(), ys.tolist(), strict=True)), screen.accent, 2)
        y += h + unit


def game(rng: Rng, screen: Screen, box: Box) -> None:
    """A board of coloured pieces or figures: a puzzle, Sudoku, chess."""
    left, top, right, bottom = box
    n, kind = rng.whole(4, 10), rng.pick(("pieces", "figures", "checks"))
    side = min(right - left, bottom - top) * 0.94
    x0, y0, cell = (left + right - side) / 2, top + (bottom - top - side) * rng.real(0.1, 0.9), side / n
    paints = rng.palette(5)
    for i in range(n * n):
        x, y = x0 + i % n * cell, y0 + i // n * cell
        if kind == "checks":
            screen.draw.rectangle((x, y, x + cell, y + cell), paints[(i + i // n) % 2])
            if rng.happens(0.3):
                screen.circle(x + cell / 2, y + cell / 2, cell * 0.35, rng.pick((BLACK, WHITE)))
        elif kind == "pieces":
            screen.panel((x + 1, y + 1, x + cell - 1, y + cell - 1), rng.pick(paints))
        else:
            screen.draw.rectangle((x, y, x + cell, y + cell), None, screen.faint())
            if rng.happens(0.5):
                screen.text(
                    (x + cell / 2, y + cell / 2), str(rng.whole(1, 9)), size=cell / screen.unit * 0.6, anchor="mm"
                )
