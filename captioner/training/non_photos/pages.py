"""Pages of text: printed, written by hand, scanned or photographed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from captioner.training.non_photos import camera
from captioner.training.non_photos.sampling import WHITE, Colour, Font, Rng, Script, between, font


@dataclass(frozen=True, slots=True)
class Sheet:
    """A sheet to write on, what to write with, and in which script."""

    picture: Image.Image
    draw: ImageDraw.ImageDraw
    paper: Colour
    ink: Colour
    letters: Script
    file: Path | None

    @property
    def width(self) -> int:
        """In pixels."""
        return self.picture.width

    @property
    def height(self) -> int:
        """In pixels."""
        return self.picture.height

    def face(self, size_px: float) -> Font:
        """The sheet's font at a size."""
        return font(self.file, size_px)

    def faint(self, share: float = 0.5) -> Colour:
        """Between the ink and the paper."""
        return between(self.ink, self.paper, share)


def page(rng: Rng) -> Image.Image:
    """A page of text of any kind."""
    make, style = rng.pick(_LAYOUTS)
    sheet = _sheet(rng, make, style)
    make(rng, sheet)
    return camera.photograph(sheet.picture, rng) if rng.happens(0.45) else sheet.picture


def paragraph(
    rng: Rng, sheet: Sheet, box: tuple[float, float, float, float], size_px: float, *, leading: float = 1.35
) -> float:
    """Lines of words that fill (left, top, right, bottom) as far as the paragraphs go; returns where they end."""
    left, y, right, bottom = box
    face = sheet.face(size_px)
    letter_px = max(face.getlength(sheet.letters.value[:12]) / 12, 1)
    length = max(int((right - left) / letter_px), 3)
    ragged = rng.real(0, 0.15)
    while y + size_px < bottom:
        last = rng.happens(0.15)
        share = rng.real(0.2, 0.9) if last else 1 - ragged * float(rng.random())
        sheet.draw.text((left, y), rng.phrase(max(int(length * share), 2), sheet.letters), sheet.ink, face)
        y += size_px * (leading * (1.5 if last else 1))
    return y


def _sheet(rng: Rng, make: Layout, style: str) -> Sheet:
    if make is _receipt:
        at = rng.size(widest=0.7, tallest=3.2, side_px=(300, 520))
    elif make in (_poster, _scrawl, _close_up):
        at = rng.size(widest=1.9, tallest=1.6, side_px=(260, 520))
    else:
        at = rng.size(widest=1.4, tallest=1.6, side_px=(380, 640))
    if rng.happens(0.12):  # light on dark
        paper, ink = rng.colour(light=(0, 0.25)), rng.colour(light=(0.75, 1))
    elif rng.happens(0.2):
        paper, ink = rng.colour(light=(0.75, 1)), rng.colour(light=(0, 0.35))
    else:
        paper = between(WHITE, (240, 225, 195), float(rng.random()))
        ink = rng.colour(light=(0, 0.2), saturation=(0, 0.4))
    picture = Image.new("RGB", at, paper)
    letters = rng.script()
    file = rng.typeface(style=style or rng.pick(("serif", "sans", "serif", "mono")), letters=letters)
    return Sheet(picture, ImageDraw.Draw(picture), paper, ink, letters, file)


def _document(rng: Rng, sheet: Sheet) -> None:
    """A printed page: perhaps a title, headings, then paragraphs."""
    margin = sheet.width * rng.real(0.04, 0.13)
    body = sheet.height / rng.real(32, 75)
    y = sheet.height * rng.real(0.02, 0.1)
    if rng.happens(0.6):
        y = _title(rng, sheet, (margin, y), body * rng.real(1.6, 3))
    for _ in range(rng.whole(1, 4)):
        if rng.happens(0.5):
            y = _title(rng, sheet, (margin, y), body * rng.real(1.1, 1.6))
        end = min(y + sheet.height * rng.real(0.2, 0.6), sheet.height * 0.95)
        y = paragraph(rng, sheet, (margin, y, sheet.width - margin, end), body, leading=rng.real(1.15, 1.8)) + body


def _letter(rng: Rng, sheet: Sheet) -> None:
    """A letter: sender, date, address, subject, text, signature."""
    w, h = sheet.width, sheet.height
    body, margin = h / rng.real(40, 60), w * rng.real(0.08, 0.14)
    face = sheet.face(body)
    if rng.happens(0.5):
        sheet.draw.rectangle(
            (margin, h * 0.04, margin + w * rng.real(0.08, 0.3), h * 0.09), rng.colour(light=(0.2, 0.7))
        )
    for i in range(rng.whole(2, 5)):
        sheet.draw.text((w * 0.62, h * 0.05 + i * body * 1.3), rng.phrase(18, sheet.letters), sheet.ink, face)
    for i in range(rng.whole(3, 5)):
        sheet.draw.text((margin, h * 0.16 + i * body * 1.3), rng.phrase(22, sheet.letters), sheet.ink, face)
    y = _title(rng, sheet, (margin, h * 0.3), body * 1.2)
    y = paragraph(rng, sheet, (margin, y + body, w - margin, h * rng.real(0.5, 0.82)), body)
    _cursive(rng, sheet, (margin, min(y + body, h * 0.9)), w * rng.real(0.15, 0.3), body * 1.6)


def _receipt(rng: Rng, sheet: Sheet) -> None:
    """A till receipt: shop, lines with a price each, total, bar code."""
    w, h = sheet.width, sheet.height
    body = w / rng.real(18, 30)
    face, bold = sheet.face(body), sheet.face(body * 1.5)
    y = h * 0.03
    for _ in range(rng.whole(2, 5)):
        text = rng.phrase(rng.whole(8, 20), sheet.letters)
        sheet.draw.text(((w - face.getlength(text)) / 2, y), text, sheet.ink, face)
        y += body * 1.3
    while y < h * rng.real(0.65, 0.85):
        if rng.happens(0.1):
            sheet.draw.text((w * 0.04, y), rng.pick("-=*_.") * 40, sheet.faint(0.3), face)
        else:
            sheet.draw.text((w * 0.05, y), rng.phrase(rng.whole(5, 18), sheet.letters), sheet.ink, face)
            _right(sheet, (w * 0.95, y), f"{rng.whole(0, 99)}.{rng.whole(0, 99):02}", face)
        y += body * 1.35
    sheet.draw.text((w * 0.05, y), rng.word().upper(), sheet.ink, bold)
    _right(sheet, (w * 0.95, y), f"{rng.whole(1, 300)}.{rng.whole(0, 99):02}", bold)
    if rng.happens(0.5):
        for x in np.flatnonzero(rng.random(int(w * 0.6)) > 0.5).tolist():
            sheet.draw.line((w * 0.2 + x, h * 0.9, w * 0.2 + x, h * 0.96), sheet.ink)


def _form(rng: Rng, sheet: Sheet) -> None:
    """A form: labels with boxes, lines and ticks, some filled in by hand."""
    w, h = sheet.width, sheet.height
    body = h / rng.real(38, 60)
    y = _title(rng, sheet, (w * 0.06, h * 0.03), body * 2)
    face = sheet.face(body)
    line = sheet.faint(0.3)
    columns = rng.whole(1, 3)
    while y < h * 0.92:
        row_px = body * rng.real(2, 4)
        if rng.happens(0.12):
            sheet.draw.rectangle((w * 0.06, y, w * 0.94, y + body * 1.5), sheet.faint(0.75))
        for column in range(columns):
            x, wide = w * (0.06 + 0.88 * column / columns), w * 0.85 / columns
            sheet.draw.text((x, y), rng.phrase(rng.whole(5, 16), sheet.letters), sheet.ink, face)
            if rng.happens(0.3):
                sheet.draw.rectangle((x + wide - body, y, x + wide, y + body), None, line)
            elif rng.happens(0.5):
                sheet.draw.rectangle((x, y + body * 1.2, x + wide * 0.95, y + row_px * 0.9), None, line)
            else:
                sheet.draw.line((x + wide * 0.3, y + row_px * 0.8, x + wide * 0.95, y + row_px * 0.8), line)
            if rng.happens(0.3):
                _cursive(rng, sheet, (x + wide * 0.35, y + row_px * 0.5), wide * rng.real(0.2, 0.55), body)
        y += row_px


def _table(rng: Rng, sheet: Sheet) -> None:
    """A table of words and figures, as in bills and time tables."""
    w, h = sheet.width, sheet.height
    body = h / rng.real(26, 60)
    y = _title(rng, sheet, (w * 0.05, h * 0.03), body * rng.real(1.4, 2.2)) if rng.happens(0.6) else h * 0.03
    columns, row_px = rng.whole(2, 7), body * rng.real(1.4, 2.4)
    left, wide = w * 0.05, w * 0.9 / columns
    face = sheet.face(body)
    rows = max(int((h * 0.96 - y) / row_px), 2)
    shade, lines = rng.happens(0.4), rng.happens(0.6)
    for row in range(rows):
        if row == 0 or (shade and row % 2):
            sheet.draw.rectangle((left, y, left + wide * columns, y + row_px), sheet.faint(0.7 if row == 0 else 0.9))
        for column in range(columns):
            text = rng.phrase(int(wide / body * 1.2), sheet.letters) if column == 0 or row == 0 else rng.number()
            sheet.draw.text((left + column * wide + body * 0.3, y + row_px * 0.15), text, sheet.ink, face)
        if lines:
            sheet.draw.line((left, y + row_px, left + wide * columns, y + row_px), sheet.faint(0.4))
        y += row_px
    if lines and rng.happens(0.7):
        for column in range(columns + 1):
            sheet.draw.line((left + column * wide, y - rows * row_px, left + column * wide, y), sheet.faint(0.4))


def _newspaper(rng: Rng, sheet: Sheet) -> None:
    """Columns under headlines."""
    w, h = sheet.width, sheet.height
    body, columns = h / rng.real(55, 90), rng.whole(2, 6)
    y = _title(rng, sheet, (w * 0.03, h * 0.01), body * rng.real(3, 7))
    sheet.draw.line((w * 0.03, y, w * 0.97, y), sheet.ink, rng.whole(1, 3))
    wide = w * 0.94 / columns
    for column in range(columns):
        x, top = w * 0.03 + column * wide, y + body
        while top < h * 0.92:
            if rng.happens(0.4):
                top = _title(rng, sheet, (x, top), body * rng.real(1.3, 2.5), length=int(wide / body))
            end = min(top + h * rng.real(0.15, 0.6), h * 0.97)
            top = paragraph(rng, sheet, (x, top, x + wide * 0.92, end), body, leading=1.2) + body
            if rng.happens(0.1) and top < h * 0.85:
                sheet.draw.rectangle((x, top, x + wide * 0.92, top + h * 0.1), sheet.faint(0.6))
                top += h * 0.12


def _book(rng: Rng, sheet: Sheet) -> None:
    """A page of a book, or two with the fold between them."""
    w, h = sheet.width, sheet.height
    pages, body = rng.whole(1, 2), h / rng.real(34, 50)
    for i in range(pages):
        left, right = w * (i / pages + 0.06), w * ((i + 1) / pages - 0.06)
        paragraph(rng, sheet, (left, h * rng.real(0.08, 0.3), right, h * 0.9), body)
        sheet.draw.text(((left + right) / 2, h * 0.93), str(rng.whole(1, 600)), sheet.ink, sheet.face(body))
    if pages == 2:
        dark = np.exp(-(np.abs(np.linspace(-1, 1, w)) * rng.real(8, 20)))[None, :, None] * rng.real(0.2, 0.6)
        sheet.picture.paste(camera.as_image(np.asarray(sheet.picture, np.float32) * (1 - dark)))


def _code(rng: Rng, sheet: Sheet) -> None:
    """A listing: short indented lines, some in colour."""
    body = sheet.height / rng.real(24, 60)
    code_lines(rng, sheet, (sheet.width * 0.03, sheet.height * 0.02, sheet.width, sheet.height * 0.98), body)


def code_lines(
    rng: Rng, sheet: Sheet, box: tuple[float, float, float, float], size_px: float, *, colours: int = 4
) -> None:
    """Indented lines of words and signs in a fixed-width font, in a few colours."""
    left, y, right, bottom = box
    face = font(rng.typeface(style="mono"), size_px)
    dark = sum(sheet.paper) < 380
    paints = [sheet.ink, *(rng.colour(light=(0.55, 0.8) if dark else (0.2, 0.45)) for _ in range(colours))]
    letter_px, depth = max(face.getlength("m"), 1), 0
    while y + size_px < bottom:
        depth = min(max(depth + rng.pick((-1, 0, 0, 0, 1)), 0), 5)
        x = left + depth * 3 * letter_px
        while not rng.happens(0.25) and x < right - 6 * letter_px:
            token = rng.word().lower() + rng.pick((" ", " ", "(", ") ", " = ", ".", ", ", "[0] ", ": ", "_", '"'))
            sheet.draw.text((x, y), token, rng.pick(paints), face)
            x += len(token) * letter_px
        y += size_px * 1.3


def _draw_rules(rng: Rng, sheet: Sheet) -> float:
    """Ruled or squared paper, or plain; returns the distance of its lines in pixels."""
    step = sheet.height / rng.real(9, 26)
    kind = rng.pick(("plain", "lines", "lines", "squares"))
    line = between(sheet.paper, rng.colour(light=(0.4, 0.7), hue=rng.real(0.5, 0.7)), rng.real(0.3, 0.8))
    for i in range(1, int(sheet.height / step) + 1):
        if kind != "plain":
            sheet.draw.line((0, i * step, sheet.width, i * step), line)
    for i in range(1, int(sheet.width / step) + 1):
        if kind == "squares":
            sheet.draw.line((i * step, 0, i * step, sheet.height), line)
    if kind == "lines" and rng.happens(0.4):
        sheet.draw.line((sheet.width * 0.12, 0, sheet.width * 0.12, sheet.height), (220, 120, 120))
    return step


def _handwriting(rng: Rng, sheet: Sheet) -> None:
    """Cursive strokes in lines, or a font like handwriting, on ruled, squared or plain paper."""
    step = _draw_rules(rng, sheet)
    margin, slope = sheet.width * rng.real(0.03, 0.15), rng.real(-0.02, 0.02)
    face = sheet.face(step * 0.8) if sheet.letters is not Script.LATIN or rng.happens(0.35) else None
    y = step * rng.real(0.5, 2)
    while y + step < sheet.height:
        wide = (sheet.width - 1.5 * margin) * (rng.real(0.2, 0.8) if rng.happens(0.2) else rng.real(0.85, 1))
        if face:
            sheet.draw.text((margin, y), rng.phrase(int(wide / step * 2), sheet.letters), sheet.ink, face)
        else:
            _cursive(rng, sheet, (margin + rng.real(0, 6), y + step * 0.6), wide, step * 0.75, slope=slope)
        y += step


def _poster(rng: Rng, sheet: Sheet) -> None:
    """A few large words: a sign, a slide, a label, a card with a saying."""
    count = rng.whole(1, 6)
    step = sheet.height / (count + 1)
    for i in range(count):
        text = rng.phrase(rng.whole(3, 16), sheet.letters)
        if rng.happens(0.3):
            text = text.upper()
        probe = sheet.face(40)
        fit = 40 * sheet.width * 0.88 / max(probe.getlength(text), 1)
        face = sheet.face(min(fit, step * rng.real(0.5, 1)))
        x = (sheet.width - face.getlength(text)) * rng.pick((0.5, 0.5, 0.1))
        sheet.draw.text((x, step * (i + 0.3)), text, sheet.ink, face)
    if rng.happens(0.3):
        inset = sheet.width * rng.real(0.01, 0.05)
        sheet.draw.rectangle(
            (inset, inset, sheet.width - inset, sheet.height - inset), None, sheet.ink, rng.whole(1, 6)
        )


def _slide(rng: Rng, sheet: Sheet) -> None:
    """A heading and a list."""
    w, h = sheet.width, sheet.height
    body = h / rng.real(12, 24)
    if rng.happens(0.4):
        sheet.draw.rectangle((0, 0, w, h * 0.18), between(sheet.paper, rng.colour(), 0.5))
    y = _title(rng, sheet, (w * 0.06, h * 0.05), body * 1.6) + body
    face, mark = sheet.face(body), rng.pick(("•", "-", "1.", "□"))
    while y < h * 0.9:
        sheet.draw.text((w * 0.07, y), mark, sheet.ink, font(rng.typeface(style="sans"), body))
        sheet.draw.text(
            (w * 0.07 + body * 1.2, y), rng.phrase(rng.whole(6, int(w / body * 1.4)), sheet.letters), sheet.ink, face
        )
        y += body * rng.real(1.3, 2)


def _scrawl(rng: Rng, sheet: Sheet) -> None:
    """A note: a few large lines by hand, on paper, a sticky note or a board."""
    if rng.happens(0.5):
        sheet.draw.rectangle(
            (0, 0, *sheet.picture.size), rng.pick(((250, 240, 130), (255, 190, 210), (40, 70, 55), (245, 248, 250)))
        )
    step = sheet.height / rng.real(3, 8)
    y = step * 0.3
    while y + step < sheet.height:
        at = (sheet.width * rng.real(0.03, 0.2), y + step * 0.6)
        _cursive(rng, sheet, at, sheet.width * rng.real(0.3, 0.75), step * 0.7, slope=rng.real(-0.08, 0.08))
        y += step


def _close_up(rng: Rng, sheet: Sheet) -> None:
    """A few lines seen from near, cut off on all sides."""
    body = sheet.height / rng.real(4, 14)
    overhang = -rng.real(0, 3) * body
    paragraph(rng, sheet, (overhang, overhang / 2, sheet.width * 1.2, sheet.height * 1.2), body)


def _title(rng: Rng, sheet: Sheet, at: tuple[float, float], size_px: float, *, length: int = 0) -> float:
    text = rng.phrase(length or max(int((sheet.width - at[0]) / size_px * rng.real(0.6, 1.7)), 4), sheet.letters)
    sheet.draw.text(at, text, sheet.ink, sheet.face(size_px), stroke_width=int(size_px / 30))
    return at[1] + size_px * 1.6


def _right(sheet: Sheet, at: tuple[float, float], text: str, face: Font) -> None:
    sheet.draw.text((at[0] - face.getlength(text), at[1]), text, sheet.ink, face)


def _cursive(
    rng: Rng, sheet: Sheet, at: tuple[float, float], width: float, height: float, *, slope: float = 0.0
) -> None:
    """Strokes like a hand's: loops of changing height along a line, with gaps between the words."""
    x, y, speed = at[0], at[1], height * 0.055
    pen = max(1, round(height / rng.real(9, 18)))
    while x < at[0] + width:
        steps = rng.whole(25, 110)
        t = np.arange(steps) * 0.42
        heights = rng.choice((0.2, 0.25, 0.3, 0.55, -0.5), steps // 8 + 2)
        tall = np.interp(np.arange(steps), 8 * np.arange(len(heights)), heights)
        xs = x + np.cumsum(np.full(steps, speed)) + np.cos(t) * height * 0.11
        ys = (
            y
            + slope * (xs - at[0])
            - (np.sin(t) * 0.5 + 0.5) * tall * height * 1.3
            + rng.normal(0, height * 0.015, steps)
        )
        xs = xs - (ys - y) * 0.25  # slanted
        sheet.draw.line(list(zip(xs.tolist(), ys.tolist(), strict=True)), sheet.ink, pen, "curve")
        x += steps * speed + height * 0.55


Layout = Callable[[Rng, Sheet], None]
#: Layouts with the style of font each wants, "" for any; one that stands twice is twice as frequent.
_LAYOUTS: tuple[tuple[Layout, str], ...] = (
    *[(_document, "")] * 3, (_letter, ""), (_receipt, "mono"), (_receipt, ""), (_form, "sans"), (_table, ""),
    (_newspaper, "serif"), *[(_book, "serif")] * 2, (_code, "mono"), *[(_handwriting, "hand")] * 3, (_poster, ""),
    (_poster, "hand"), (_slide, "sans"), (_scrawl, "hand"), (_close_up, ""),
)  # fmt: skip
