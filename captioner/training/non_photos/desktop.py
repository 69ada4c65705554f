"""Screens of computers: windows, terminals, editors, spreadsheets, files."""

from __future__ import annotations

from dataclasses import replace

from PIL import Image, ImageDraw

from captioner.training.non_photos import apps
from captioner.training.non_photos.pages import Sheet, code_lines, paragraph
from captioner.training.non_photos.sampling import (
    BLACK,
    WHITE,
    Rng,
    Script,
    between,
    colour,
    font,
    happens,
    number,
    phrase,
    pick,
    real,
    typeface,
    whole,
    word,
)
from captioner.training.non_photos.screen import (
    Box,
    Screen,
    app_icon,
    blank_screen,
    browser,
    icon,
    street_map,
    wallpaper,
)


def desktop(rng: Rng, screen: Screen) -> None:
    """A graded wallpaper, icons, one to three windows over each other, a task bar."""
    wallpaper(rng, screen)
    width, height, unit = screen.picture.width, screen.picture.height, screen.unit
    for i in range(whole(rng, 1, 10)):
        app_icon(rng, screen, (unit * 3, unit * (3 + 4.5 * i)), unit * 1.3)
        screen.text((unit * 3, unit * (4.8 + 4.5 * i)), word(rng), size=0.8, paint=WHITE, anchor="ma")
    for _ in range(whole(rng, 1, 3)):
        x, y = real(rng, 0.02, 0.4) * width, real(rng, 0.03, 0.35) * height
        right, bottom = min(x + real(rng, 0.35, 0.7) * width, width), min(y + real(rng, 0.4, 0.7) * height, height)
        _window(rng, screen, (x, y, right, bottom))
    task_bar(rng, screen)


def _window(rng: Rng, screen: Screen, box: Box) -> None:
    left, top, right, bottom = (round(edge) for edge in box)
    inner = Image.new("RGB", (right - left, bottom - top), screen.ground)
    inside = replace(blank_screen(rng, phone=False), picture=inner, draw=ImageDraw.Draw(inner), unit=screen.unit,
                     letters=screen.letters, file=screen.file)  # fmt: skip
    inside.draw.rectangle((0, 0, *inner.size), inside.ground)
    bar = screen.unit * 2
    pick(rng, DESKTOP_APPS)(rng, inside, (0, bar, inner.width, inner.height))
    inside.draw.rectangle((0, 0, inner.width, bar), inside.surface)
    inside.text((inner.width / 2, bar / 2), phrase(rng, 20, inside.letters), size=0.9, anchor="mm")
    for i, paint in enumerate(((255, 95, 87), (254, 188, 46), (40, 200, 64))):
        inside.circle(screen.unit * (1 + 1.3 * i), bar / 2, screen.unit * 0.4, paint)
    inside.draw.rectangle((0, 0, inner.width - 1, inner.height - 1), None, inside.faint(0.6))
    screen.picture.paste(inner, (left, top))


def task_bar(rng: Rng, screen: Screen) -> None:
    """The computer's bar with icons and the time, at the bottom or the top; now and then none."""
    if happens(rng, 0.4):
        return
    width, height, unit = screen.picture.width, screen.picture.height, screen.unit
    top = height - unit * 2.6 if happens(rng, 0.75) else 0
    screen.draw.rectangle((0, top, width, top + unit * 2.6), colour(rng, light=(0.05, 0.9), saturation=(0, 0.5)))
    start = unit * 2 if happens(rng, 0.5) else width * 0.3
    for i in range(whole(rng, 3, 12)):
        app_icon(rng, screen, (start + i * unit * 2.6, top + unit * 1.3), unit * 0.8)
    screen.text((width - unit, top + unit * 1.3), f"{whole(rng, 0, 23)}:{whole(rng, 0, 59):02}", anchor="rm")


def _terminal(rng: Rng, screen: Screen, box: Box) -> None:
    """Lines of commands and answers in a fixed-width font on black, mostly."""
    ground = pick(rng, (BLACK, (30, 30, 30), (0, 43, 54), (48, 10, 36), (40, 42, 54), screen.ground))
    screen.draw.rectangle(box, ground)
    ink = (220, 220, 215) if sum(ground) < 380 else (30, 30, 30)
    sheet = Sheet(screen.picture, screen.draw, ground, ink, Script.LATIN, typeface(rng, style="mono"))
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
        )
        y += unit * 1.5
    sheet = Sheet(screen.picture, screen.draw, screen.ground, screen.ink, Script.LATIN, typeface(rng, style="mono"))
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
            font(sheet.file, unit * 0.8),
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
        screen.text((left + screen.unit, y), screen.words(rng, 9), paint=pick(rng, (screen.faint(), WHITE)))
        y += screen.unit * 2
    apps.row_list(rng, screen, (first, top, second, bottom))
    screen.draw.rectangle((second, top, right, bottom), screen.ground)
    pick(rng, (apps.mail, apps.chat))(rng, screen, (second, top, right, bottom))


def _spreadsheet(rng: Rng, screen: Screen, box: Box) -> None:
    left, top, right, bottom = box
    unit, row_px = screen.unit, screen.unit * 1.6
    screen.draw.rectangle(box, screen.surface)
    bar = top + unit * whole(rng, 2, 6)
    screen.draw.rectangle((left, top, right, bar), between(screen.surface, screen.accent, real(rng, 0.1, 1)))
    for i in range(whole(rng, 6, 20)):
        icon(rng, screen, left + unit * (1.5 + 2 * i), (top + bar) / 2, unit * 0.5, screen.ink)
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
                screen.text((x + unit * 2, y + unit * 4), word(rng)[:10], size=0.85, anchor="ma")
            x += step
        y += step


def _word_processor(rng: Rng, screen: Screen, box: Box) -> None:
    """A white page under a tool bar."""
    left, top, right, bottom = box
    unit, wide = screen.unit, box[2] - box[0]
    screen.draw.rectangle(box, between(screen.ground, (128, 128, 128), 0.3))
    screen.draw.rectangle((left, top, right, top + unit * 4), screen.surface)
    for i in range(whole(rng, 8, 24)):
        icon(rng, screen, left + unit * (1.5 + 2 * i), top + unit * 2.5, unit * 0.5, screen.ink)
    page = (left + wide * 0.2, top + unit * 5.5, right - wide * 0.2, bottom)
    screen.draw.rectangle(page, WHITE)
    sheet = Sheet(screen.picture, screen.draw, WHITE, (20, 20, 20), screen.letters, screen.file)
    paragraph(
        rng,
        sheet,
        (page[0] + wide * 0.05, page[1] + unit * 3, page[2] - wide * 0.05, bottom - (bottom - top) * real(rng, 0, 0.4)),
        unit,
    )


DESKTOP_APPS: tuple[apps.App, ...] = (
    browser, browser, browser, _terminal, _terminal, _editor, _editor, _inbox, _inbox, _spreadsheet, _files,
    _word_processor, apps.settings, apps.login, apps.dashboard, street_map, apps.row_list, apps.calendar,
)  # fmt: skip
