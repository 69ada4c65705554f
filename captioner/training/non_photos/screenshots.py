"""Screenshots of phones and computers: chats, lists, settings, mail, web pages, terminals, editors, maps.

None holds a photo: where one would be, a placeholder is. A screenshot of a photo is both, and is not made here.
"""

from __future__ import annotations

from PIL import Image

from captioner.training.non_photos import apps, camera
from captioner.training.non_photos.desktop import DESKTOP_APPS, desktop, task_bar
from captioner.training.non_photos.sampling import (
    BLACK,
    WHITE,
    Colour,
    Rng,
    between,
    colour,
    font,
    happens,
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
    lines_of_text,
    street_map,
    wallpaper,
)


def screenshot(rng: Rng) -> Image.Image:
    """A screenshot of a phone or of a computer, whole or a part, now and then photographed from the screen."""
    on_phone = happens(rng, 0.6)
    screen = blank_screen(rng, phone=on_phone)
    width, height = screen.picture.size
    if on_phone:
        phone(rng, screen)
    elif happens(rng, 0.5):
        pick(rng, DESKTOP_APPS)(rng, screen, (0, 0, width, height))
        task_bar(rng, screen)
    else:
        desktop(rng, screen)
    if happens(rng, 0.06):
        return camera.photograph(screen.picture, rng)
    return screen.picture


def phone(rng: Rng, screen: Screen) -> None:
    """Fills the screen with an app, its bars, perhaps a keyboard or a message; or with a home or lock screen."""
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
    if app in (apps.chat, apps.mail, browser) and happens(rng, 0.25):
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
        screen.text((width - unit * 2.8, bottom - unit * 2.8), "+", size=2, paint=WHITE, anchor="mm")


def _status_bar(rng: Rng, screen: Screen, paint: Colour = WHITE) -> None:
    width, unit = screen.picture.width, screen.unit
    face = font(typeface(rng, style="sans"), unit * 0.9)
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
    screen.text((x, middle), screen.words(rng, whole(rng, 5, 16)), size=1.3, paint=paint, anchor="lm")
    for i in range(whole(rng, 0, 3)):
        icon(rng, screen, right - unit * (1.5 + 2.2 * i), middle, unit * 0.55, paint)


def _tab_bar(rng: Rng, screen: Screen, box: Box) -> None:
    left, top, right, bottom = box
    screen.draw.rectangle(box, screen.surface)
    screen.draw.line((left, top, right, top), screen.faint(0.85))
    tabs = whole(rng, 3, 5)
    chosen = whole(rng, 0, tabs - 1)
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
    row_px, face = (bottom - top) / 4.6, font(typeface(rng, style="sans"), (right - left) / 20)
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
    high = unit * real(rng, 8, 16)
    box = (width * 0.1, (height - high) / 2, width * 0.9, (height + high) / 2)
    screen.panel(box, screen.surface)
    screen.text((box[0] + unit, box[1] + unit), screen.words(rng, 15), size=1.2)
    lines_of_text(rng, screen, (box[0] + unit, box[1] + unit * 3.2, box[2] - unit, box[3] - unit * 3))
    for i in range(whole(rng, 1, 2)):
        screen.text(
            (box[2] - unit * (1 + 6 * i), box[3] - unit * 1.6),
            word(rng).upper(),
            paint=screen.accent,
            anchor="ra",
        )


def _home_screen(rng: Rng, screen: Screen, box: Box) -> None:
    """Icons in rows over a graded wallpaper, a search field, a dock."""
    wallpaper(rng, screen)
    width, height, unit = screen.picture.width, screen.picture.height, screen.unit
    columns, rows = whole(rng, 4, 5), whole(rng, 3, 7)
    w, step = width / columns, unit * 5
    y = height - (rows + 0.5) * step if happens(rng, 0.5) else unit * 3
    for i in range(rows * columns):
        x, row = (i % columns + 0.5) * w, i // columns
        if happens(rng, 0.1):
            continue
        app_icon(rng, screen, (x, y + row * step + unit * 1.5), unit * 1.4)
        screen.text((x, y + row * step + unit * 3.5), word(rng)[:9], size=0.7, paint=WHITE, anchor="ma")


def _lock_screen(rng: Rng, screen: Screen, box: Box) -> None:
    """A large clock and a few messages over a graded wallpaper."""
    wallpaper(rng, screen)
    width, height, unit = screen.picture.width, screen.picture.height, screen.unit
    clock = f"{whole(rng, 0, 23):02}:{whole(rng, 0, 59):02}"
    screen.text((width / 2, height * 0.14), clock, size=5, paint=WHITE, anchor="ma")
    screen.text((width / 2, height * 0.14 + unit * 6), screen.words(rng, 16), paint=WHITE, anchor="ma")
    for i in range(whole(rng, 0, 4)):
        y = height * 0.45 + i * unit * 5
        screen.panel((unit, y, width - unit, y + unit * 4.4), screen.surface, rounding=unit)
        screen.circle(unit * 3, y + unit * 2.2, unit * 1.1, colour(rng))
        screen.text((unit * 5, y + unit * 0.8), screen.words(rng, 14))
        screen.text((unit * 5, y + unit * 2.4), screen.words(rng, 24), size=0.85)


_PHONE_APPS: tuple[apps.App, ...] = (
    *[apps.chat] * 4, *[apps.row_list] * 3, *[apps.settings] * 2, apps.mail, browser, browser, street_map,
    apps.calculator, apps.calendar, apps.player, apps.login, apps.dashboard, apps.game, _home_screen, _home_screen,
    _lock_screen,
)  # fmt: skip
