"""Screenshots of phones and computers: chats, lists, settings, mail, web pages, terminals, editors, maps.

None holds a photo: where one would be, a placeholder is. A screenshot of a photo is both, and is not made here.
"""

from __future__ import annotations

from dataclasses import replace

from PIL import Image, ImageDraw

from captioner.training.non_photos import apps, camera
from captioner.training.non_photos.pages import Sheet, code_lines, paragraph
from captioner.training.non_photos.sampling import BLACK, WHITE, Colour, Rng, Script, between, font
from captioner.training.non_photos.screen import (
    Box,
    Screen,
    app_icon,
    blank_screen,
    browser,
    icon,
    lines_of_text,
    street_map,
    wallpaper,
)


def screenshot(rng: Rng) -> Image.Image:
    """A screenshot of a phone or of a computer, whole or a part, now and then photographed from the screen."""
    on_phone = rng.happens(0.6)
    screen = blank_screen(rng, phone=on_phone)
    width, height = screen.picture.size
    if on_phone:
        _phone(rng, screen)
    elif rng.happens(0.5):
        rng.pick(_DESKTOP_APPS)(rng, screen, (0, 0, width, height))
        _task_bar(rng, screen)
    else:
        _desktop(rng, screen)
    if rng.happens(0.06):
        return camera.photograph(screen.picture, rng)
    return screen.picture


def _phone(rng: Rng, screen: Screen) -> None:
    """Fills the screen with an app, its bars, perhaps a keyboard or a message; or with a home or lock screen."""
    width, height = screen.picture.size
    top, bottom, unit = 0.0, float(height), screen.unit
    app = rng.pick(_PHONE_APPS)
    if app in (_home_screen, _lock_screen):
        app(rng, screen, (0, 0, width, height))
        _status_bar(rng, screen)
        return
    coloured = rng.happens(0.4)
    head = screen.accent if coloured else screen.surface
    if rng.happens(0.85):
        top = unit * 1.7
        screen.draw.rectangle((0, 0, width, top), between(head, BLACK, 0.15) if rng.happens(0.3) else head)
        _status_bar(rng, screen, WHITE if coloured else screen.ink)
    if rng.happens(0.85):
        _app_bar(rng, screen, (0, top, width, top + unit * 3.2), head, WHITE if coloured else screen.ink)
        top += unit * 3.2
    if rng.happens(0.5):
        bottom -= unit * 3.4
    if app in (apps.chat, apps.mail, browser) and rng.happens(0.25):
        bottom = min(bottom, height * rng.real(0.58, 0.66))
        app(rng, screen, (0, top, width, bottom))
        _keyboard(rng, screen, (0, bottom, width, height))
        return
    app(rng, screen, (0, top, width, bottom))
    if bottom < height:
        _tab_bar(rng, screen, (0, bottom, width, height))
    if rng.happens(0.15):
        _dialog(rng, screen)
    elif rng.happens(0.2):
        screen.circle(width - unit * 2.8, bottom - unit * 2.8, unit * 1.9, screen.accent)
        screen.text((width - unit * 2.8, bottom - unit * 2.8), "+", size=2, paint=WHITE, anchor="mm")


def _status_bar(rng: Rng, screen: Screen, paint: Colour = WHITE) -> None:
    width, unit = screen.picture.width, screen.unit
    face = font(rng.typeface(style="sans"), unit * 0.9)
    screen.draw.text((unit, unit * 0.35), f"{rng.whole(0, 23)}:{rng.whole(0, 59):02}", paint, face)
    x = width - unit * 1.2
    screen.draw.rectangle((x - unit, unit * 0.5, x, unit * 1.1), None, paint)
    screen.draw.rectangle((x - unit, unit * 0.5, x - unit * rng.real(0, 0.8), unit * 1.1), paint)
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
    if rng.happens(0.7):
        screen.draw.line(
            [(x + unit * 0.7, middle - unit * 0.5), (x + 0.2 * unit, middle), (x + unit * 0.7, middle + unit * 0.5)],
            paint,
            2,
        )
        x += unit * 1.8
    if rng.happens(0.3):
        screen.circle(x + unit, middle, unit, rng.colour())
        x += unit * 2.5
    screen.text((x, middle), screen.words(rng, rng.whole(5, 16)), size=1.3, paint=paint, anchor="lm")
    for i in range(rng.whole(0, 3)):
        icon(rng, screen, right - unit * (1.5 + 2.2 * i), middle, unit * 0.55, paint)


def _tab_bar(rng: Rng, screen: Screen, box: Box) -> None:
    left, top, right, bottom = box
    screen.draw.rectangle(box, screen.surface)
    screen.draw.line((left, top, right, top), screen.faint(0.85))
    tabs = rng.whole(3, 5)
    chosen = rng.whole(0, tabs - 1)
    for i in range(tabs):
        x = left + (i + 0.5) * (right - left) / tabs
        paint = screen.accent if i == chosen else screen.faint()
        icon(rng, screen, x, top + (bottom - top) * 0.36, screen.unit * 0.7, paint)
        screen.text((x, top + (bottom - top) * 0.8), screen.words(rng, 7), size=0.7, paint=paint, anchor="mm")


def _keyboard(rng: Rng, screen: Screen, box: Box) -> None:
    left, top, right, bottom = box
    dark = sum(screen.ground) < 380
    screen.draw.rectangle(box, (28, 28, 30) if dark else (209, 212, 217))
    key, paint = ((75, 75, 78), WHITE) if dark else (WHITE, BLACK)
    row_px, face = (bottom - top) / 4.6, font(rng.typeface(style="sans"), (right - left) / 20)
    for row, letters in enumerate(("qwertzuiop", "asdfghjkl", "yxcvbnm", " ")):
        y = top + row_px * (row + 0.4)
        wide = (right - left) / 10
        start = left + (right - left - wide * len(letters)) / 2 if row < 3 else left + wide * 2.5
        for i, letter in enumerate(letters):
            x = start + i * wide
            end = x + wide * 0.85 if row < 3 else right - wide * 2.5
            screen.panel((x + wide * 0.1, y, end, y + row_px * 0.8), key, rounding=4)
            screen.draw.text((x + wide / 2, y + row_px * 0.4), letter, paint, face, anchor="mm")


def _dialog(rng: Rng, screen: Screen) -> None:
    width, height = screen.picture.size
    unit = screen.unit
    dimmed = screen.picture.point([level * 2 // 5 for level in range(256)] * 3)
    screen.picture.paste(dimmed)
    high = unit * rng.real(8, 16)
    box = (width * 0.1, (height - high) / 2, width * 0.9, (height + high) / 2)
    screen.panel(box, screen.surface)
    screen.text((box[0] + unit, box[1] + unit), screen.words(rng, 15), size=1.2)
    lines_of_text(rng, screen, (box[0] + unit, box[1] + unit * 3.2, box[2] - unit, box[3] - unit * 3))
    for i in range(rng.whole(1, 2)):
        screen.text(
            (box[2] - unit * (1 + 6 * i), box[3] - unit * 1.6), rng.word().upper(), paint=screen.accent, anchor="ra"
        )


def _home_screen(rng: Rng, screen: Screen, box: Box) -> None:
    """Icons in rows over a graded wallpaper, a search field, a dock."""
    wallpaper(rng, screen)
    width, height, unit = screen.picture.width, screen.picture.height, screen.unit
    columns, rows = rng.whole(4, 5), rng.whole(3, 7)
    w, step = width / columns, unit * 5
    y = height - (rows + 0.5) * step if rng.happens(0.5) else unit * 3
    for i in range(rows * columns):
        x, row = (i % columns + 0.5) * w, i // columns
        if rng.happens(0.1):
            continue
        app_icon(rng, screen, (x, y + row * step + unit * 1.5), unit * 1.4)
        screen.text((x, y + row * step + unit * 3.5), rng.word()[:9], size=0.7, paint=WHITE, anchor="ma")


def _lock_screen(rng: Rng, screen: Screen, box: Box) -> None:
    """A large clock and a few messages over a graded wallpaper."""
    wallpaper(rng, screen)
    width, height, unit = screen.picture.width, screen.picture.height, screen.unit
    clock = f"{rng.whole(0, 23):02}:{rng.whole(0, 59):02}"
    screen.text((width / 2, height * 0.14), clock, size=5, paint=WHITE, anchor="ma")
    screen.text((width / 2, height * 0.14 + unit * 6), screen.words(rng, 16), paint=WHITE, anchor="ma")
    for i in range(rng.whole(0, 4)):
        y = height * 0.45 + i * unit * 5
        screen.panel((unit, y, width - unit, y + unit * 4.4), screen.surface, rounding=unit)
        screen.circle(unit * 3, y + unit * 2.2, unit * 1.1, rng.colour())
        screen.text((unit * 5, y + unit * 0.8), screen.words(rng, 14))
        screen.text((unit * 5, y + unit * 2.4), screen.words(rng, 24), size=0.85)


_PHONE_APPS: tuple[apps.App, ...] = (
    *[apps.chat] * 4, *[apps.row_list] * 3, *[apps.settings] * 2, apps.mail, browser, browser, street_map,
    apps.calculator, apps.calendar, apps.player, apps.login, apps.dashboard, apps.game, _home_screen, _home_screen,
    _lock_screen,
)  # fmt: skip


def _desktop(rng: Rng, screen: Screen) -> None:
    """A graded wallpaper, icons, one to three windows over each other, a task bar."""
    wallpaper(rng, screen)
    width, height, unit = screen.picture.width, screen.picture.height, screen.unit
    for i in range(rng.whole(1, 10)):
        app_icon(rng, screen, (unit * 3, unit * (3 + 4.5 * i)), unit * 1.3)
        screen.text((unit * 3, unit * (4.8 + 4.5 * i)), rng.word(), size=0.8, paint=WHITE, anchor="ma")
    for _ in range(rng.whole(1, 3)):
        x, y = rng.real(0.02, 0.4) * width, rng.real(0.03, 0.35) * height
        right, bottom = min(x + rng.real(0.35, 0.7) * width, width), min(y + rng.real(0.4, 0.7) * height, height)
        _window(rng, screen, (x, y, right, bottom))
    _task_bar(rng, screen)


def _window(rng: Rng, screen: Screen, box: Box) -> None:
    left, top, right, bottom = (round(edge) for edge in box)
    inner = Image.new("RGB", (right - left, bottom - top), screen.ground)
    inside = replace(blank_screen(rng, phone=False), picture=inner, draw=ImageDraw.Draw(inner), unit=screen.unit,
                     letters=screen.letters, file=screen.file)  # fmt: skip
    inside.draw.rectangle((0, 0, *inner.size), inside.ground)
    bar = screen.unit * 2
    rng.pick(_DESKTOP_APPS)(rng, inside, (0, bar, inner.width, inner.height))
    inside.draw.rectangle((0, 0, inner.width, bar), inside.surface)
    inside.text((inner.width / 2, bar / 2), rng.phrase(20, inside.letters), size=0.9, anchor="mm")
    for i, paint in enumerate(((255, 95, 87), (254, 188, 46), (40, 200, 64))):
        inside.circle(screen.unit * (1 + 1.3 * i), bar / 2, screen.unit * 0.4, paint)
    inside.draw.rectangle((0, 0, inner.width - 1, inner.height - 1), None, inside.faint(0.6))
    screen.picture.paste(inner, (left, top))


def _task_bar(rng: Rng, screen: Screen) -> None:
    """The computer's bar with icons and the time, at the bottom or the top; now and then none."""
    if rng.happens(0.4):
        return
    width, height, unit = screen.picture.width, screen.picture.height, screen.unit
    top = height - unit * 2.6 if rng.happens(0.75) else 0
    screen.draw.rectangle((0, top, width, top + unit * 2.6), rng.colour(light=(0.05, 0.9), saturation=(0, 0.5)))
    start = unit * 2 if rng.happens(0.5) else width * 0.3
    for i in range(rng.whole(3, 12)):
        app_icon(rng, screen, (start + i * unit * 2.6, top + unit * 1.3), unit * 0.8)
    screen.text((width - unit, top + unit * 1.3), f"{rng.whole(0, 23)}:{rng.whole(0, 59):02}", anchor="rm")


def _terminal(rng: Rng, screen: Screen, box: Box) -> None:
    """Lines of commands and answers in a fixed-width font on black, mostly."""
    ground = rng.pick((BLACK, (30, 30, 30), (0, 43, 54), (48, 10, 36), (40, 42, 54), screen.ground))
    screen.draw.rectangle(box, ground)
    ink = (220, 220, 215) if sum(ground) < 380 else (30, 30, 30)
    sheet = Sheet(screen.picture, screen.draw, ground, ink, Script.LATIN, rng.typeface(style="mono"))
    code_lines(rng, sheet, (box[0] + 6, box[1] + 6, box[2], box[1] + (box[3] - box[1]) * rng.real(0.3, 1)),
               screen.unit * rng.real(0.8, 1.2), colours=rng.whole(0, 3))  # fmt: skip


def _editor(rng: Rng, screen: Screen, box: Box) -> None:
    """A code editor: files at the left, line numbers, coloured code, a status line."""
    left, top, right, bottom = box
    unit = screen.unit
    side = left + (right - left) * rng.pick((0, 0.15, 0.25))
    screen.draw.rectangle(box, screen.ground)
    screen.draw.rectangle((left, top, side, bottom), screen.surface)
    y = top + unit
    while y < bottom and side > left:
        screen.text((left + unit * rng.whole(1, 3), y), rng.word().lower() + rng.pick((".py", ".js", "", ".md")),
                    size=0.9, paint=screen.faint(0.3))  # fmt: skip
        y += unit * 1.5
    sheet = Sheet(screen.picture, screen.draw, screen.ground, screen.ink, Script.LATIN, rng.typeface(style="mono"))
    code_lines(rng, sheet, (side + unit * 3, top + unit, right * rng.real(0.6, 1), bottom - unit * 2),
               unit * rng.real(0.85, 1.2))  # fmt: skip
    for i in range(int((bottom - top) / unit / 1.4)):
        screen.draw.text((side + unit * 0.5, top + unit + i * unit * 1.4), str(i + 1), screen.faint(0.6),
                         font(sheet.file, unit * 0.8))  # fmt: skip
    screen.draw.rectangle((left, bottom - unit * 1.6, right, bottom), screen.accent)


def _inbox(rng: Rng, screen: Screen, box: Box) -> None:
    """Folders, a list and one message beside each other: mail, chat or files."""
    left, top, right, bottom = box
    first, second = left + (right - left) * rng.real(0.12, 0.22), left + (right - left) * rng.real(0.35, 0.5)
    screen.draw.rectangle((left, top, first, bottom), rng.pick((screen.surface, screen.accent, screen.ink)))
    screen.draw.rectangle((first, top, right, bottom), screen.ground)
    y = top + screen.unit
    while y < bottom:
        screen.text((left + screen.unit, y), screen.words(rng, 9), paint=rng.pick((screen.faint(), WHITE)))
        y += screen.unit * 2
    apps.row_list(rng, screen, (first, top, second, bottom))
    screen.draw.rectangle((second, top, right, bottom), screen.ground)
    rng.pick((apps.mail, apps.chat))(rng, screen, (second, top, right, bottom))


def _spreadsheet(rng: Rng, screen: Screen, box: Box) -> None:
    left, top, right, bottom = box
    unit, row_px = screen.unit, screen.unit * 1.6
    screen.draw.rectangle(box, screen.surface)
    bar = top + unit * rng.whole(2, 6)
    screen.draw.rectangle((left, top, right, bar), between(screen.surface, screen.accent, rng.real(0.1, 1)))
    for i in range(rng.whole(6, 20)):
        icon(rng, screen, left + unit * (1.5 + 2 * i), (top + bar) / 2, unit * 0.5, screen.ink)
    columns = rng.whole(5, 14)
    w = (right - left) / columns
    filled_rows, filled_columns = rng.whole(4, 40), rng.whole(2, columns)
    for row in range(int((bottom - bar) / row_px) + 1):
        y = bar + row * row_px
        screen.draw.line((left, y, right, y), screen.faint(0.85))
        for column in range(columns):
            if column < filled_columns and row < filled_rows and rng.happens(0.85):
                if rng.happens(0.04):
                    screen.draw.rectangle(
                        (left + column * w, y, left + (column + 1) * w, y + row_px), rng.colour(light=(0.7, 0.9))
                    )
                screen.text((left + column * w + 3, y + unit * 0.2), rng.number() if column and row else rng.word()[:9],
                            size=0.85)  # fmt: skip
    for column in range(columns):
        screen.draw.line((left + column * w, bar, left + column * w, bottom), screen.faint(0.85))


def _files(rng: Rng, screen: Screen, box: Box) -> None:
    """Folders and documents in a grid."""
    left, top, right, bottom = box
    unit = screen.unit
    screen.draw.rectangle(box, screen.ground)
    side = left + (right - left) * rng.pick((0.0, 0.2))
    screen.draw.rectangle((left, top, side, bottom), screen.surface)
    step, paint = unit * rng.real(6, 9), rng.pick(((250, 200, 80), (80, 160, 240), screen.accent))
    y = top + unit * 2
    while y < bottom - step:
        x = side + unit * 2
        while x < right - step:
            if rng.happens(0.85):
                screen.panel((x, y + unit * 0.6, x + unit * 4, y + unit * 3.6), paint, rounding=3)
                screen.panel((x, y, x + unit * 2, y + unit * 1.2), paint, rounding=3)
                screen.text((x + unit * 2, y + unit * 4), rng.word()[:10], size=0.85, anchor="ma")
            x += step
        y += step


def _word_processor(rng: Rng, screen: Screen, box: Box) -> None:
    """A white page under a tool bar."""
    left, top, right, bottom = box
    unit, wide = screen.unit, box[2] - box[0]
    screen.draw.rectangle(box, between(screen.ground, (128, 128, 128), 0.3))
    screen.draw.rectangle((left, top, right, top + unit * 4), screen.surface)
    for i in range(rng.whole(8, 24)):
        icon(rng, screen, left + unit * (1.5 + 2 * i), top + unit * 2.5, unit * 0.5, screen.ink)
    page = (left + wide * 0.2, top + unit * 5.5, right - wide * 0.2, bottom)
    screen.draw.rectangle(page, WHITE)
    sheet = Sheet(screen.picture, screen.draw, WHITE, (20, 20, 20), screen.letters, screen.file)
    paragraph(
        rng,
        sheet,
        (page[0] + wide * 0.05, page[1] + unit * 3, page[2] - wide * 0.05, bottom - (bottom - top) * rng.real(0, 0.4)),
        unit,
    )


_DESKTOP_APPS: tuple[apps.App, ...] = (
    browser, browser, browser, _terminal, _terminal, _editor, _editor, _inbox, _inbox, _spreadsheet, _files,
    _word_processor, apps.settings, apps.login, apps.dashboard, street_map, apps.row_list, apps.calendar,
)  # fmt: skip
