"""Drawings: line art, doodles, cartoons, clip art, icons, logos, pixel art, pencil sketches, comics."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageOps

from captioner.training.non_photos import camera
from captioner.training.non_photos.drawn_objects import THINGS, Pen, Point, Thing, cloud, person, sun
from captioner.training.non_photos.sampling import WHITE, Colour, Rng, Size, between, font


@dataclass(frozen=True, slots=True)
class Style:
    """How the things of one drawing are drawn."""

    line: Colour | None
    line_px: int
    filled: bool
    wobble: float


def drawing(rng: Rng) -> Image.Image:
    """A drawing of any kind; now and then as photographed from paper."""
    at = rng.size(side_px=(260, 460))
    made = rng.pick((_line_art, _line_art, _clip_art, _clip_art, _scene, _scene, _doodle, _icons, _logo, _pixel_art,
                      _sketch, _sketch, _comic, _crayon, _crayon, _abstract, _face))(rng, at)  # fmt: skip
    return camera.photograph(made, rng) if rng.happens(0.12) else made


def _line_art(rng: Rng, at: Size) -> Image.Image:
    """Outlines only, dark on light or light on dark: one thing or several."""
    paper = WHITE if rng.happens(0.7) else rng.colour(light=(0.8, 1))
    ink = rng.colour(light=(0, 0.25))
    if rng.happens(0.12):
        paper, ink = ink, WHITE
    picture = Image.new("RGB", at, paper)
    style = Style(ink, max(1, round(min(at) / rng.real(50, 220))), False, rng.pick((0.0, 0.01, 0.03)))
    _things(rng, picture, style, rng.pick((1, 1, 1, 2, 4, 9)))
    return picture


def _clip_art(rng: Rng, at: Size) -> Image.Image:
    """Flat colours with or without outlines, on a plain ground."""
    picture = Image.new("RGB", at, WHITE if rng.happens(0.55) else rng.colour(light=(0.4, 1)))
    line = rng.colour(light=(0, 0.2)) if rng.happens(0.6) else None
    _things(
        rng, picture, Style(line, max(1, round(min(at) / rng.real(60, 160))), True, 0.0), rng.pick((1, 1, 1, 2, 3, 6))
    )
    return picture


def _scene(rng: Rng, at: Size) -> Image.Image:
    """A cartoon's landscape or room with things in it."""
    w, h = at
    picture = Image.new("RGB", at, rng.colour(light=(0.5, 0.9), hue=rng.real(0.5, 0.65) if rng.happens(0.6) else None))
    draw = ImageDraw.Draw(picture)
    line = rng.colour(light=(0, 0.2)) if rng.happens(0.5) else None
    style = Style(line, max(1, round(min(at) / 120)), True, rng.pick((0.0, 0.0, 0.01)))
    for thing in (sun, cloud, cloud):
        if rng.happens(0.6):
            _put(rng, picture, style, thing, (rng.real(0.1, 0.9) * w, rng.real(0.08, 0.3) * h),
                 min(at) * rng.real(0.07, 0.16))  # fmt: skip
    base = rng.real(0.4, 0.7) * h
    for _ in range(rng.whole(1, 4)):
        xs = np.linspace(0, w, 30)
        ys = base + np.sin(xs / w * rng.real(2, 14) + rng.real(0, 6)) * h * rng.real(0, 0.12)
        ground = rng.colour(light=(0.25, 0.7), hue=rng.real(0.2, 0.4) if rng.happens(0.6) else None)
        edge = list(zip(xs.tolist(), ys.tolist(), strict=True))
        draw.polygon([(0, h), *edge, (w, h)], ground)
        if line:
            draw.line(edge, line, style.line_px)
        base += h * rng.real(0.05, 0.2)
    for _ in range(rng.whole(1, 6)):
        y = rng.real(0.5, 0.85)
        _put(rng, picture, style, rng.pick(THINGS), (rng.real(0.05, 0.95) * w, y * h),
             min(at) * rng.real(0.1, 0.3) * (0.5 + y))  # fmt: skip
    return picture


def _doodle(rng: Rng, at: Size) -> Image.Image:
    """Scribbles, spirals, zigzags and small things in a pen's colours."""
    picture = Image.new("RGB", at, WHITE if rng.happens(0.7) else rng.colour(light=(0.8, 1)))
    draw = ImageDraw.Draw(picture)
    inks = [rng.colour(light=(0, 0.5)) for _ in range(rng.whole(1, 3))]
    pen_px = max(1, round(min(at) / rng.real(60, 220)))
    for _ in range(rng.whole(2, 14)):
        x, y, r = rng.real(0, at[0]), rng.real(0, at[1]), min(at) * rng.real(0.05, 0.3)
        t = np.linspace(0, rng.real(4, 40), 120)
        shape = rng.pick(("spiral", "zigzag", "knot", "walk"))
        if shape == "spiral":
            xs, ys = x + r * t / t[-1] * np.cos(t), y + r * t / t[-1] * np.sin(t)
        elif shape == "zigzag":
            xs, ys = x + r * 2 * t / t[-1], y + r * 0.4 * np.sign(np.sin(t))
        elif shape == "knot":
            xs, ys = x + r * np.sin(t * rng.real(0.5, 2)), y + r * np.sin(t * rng.real(0.5, 2) + 1)
        else:
            xs, ys = x + np.cumsum(rng.normal(0, r / 12, 120)), y + np.cumsum(rng.normal(0, r / 12, 120))
        draw.line(list(zip(xs.tolist(), ys.tolist(), strict=True)), rng.pick(inks), pen_px, "curve")
    _things(rng, picture, Style(rng.pick(inks), pen_px, False, 0.03), rng.whole(0, 4))
    return picture


def _icons(rng: Rng, at: Size) -> Image.Image:
    """Silhouettes or outlines of one colour in a grid, or a single one; some in a circle or a square."""
    ground = rng.pick((WHITE, rng.colour(light=(0.85, 1)), rng.colour(light=(0.1, 0.6))))
    paint = WHITE if sum(ground) < 400 else rng.colour(light=(0, 0.5))
    picture = Image.new("RGB", at, ground)
    draw = ImageDraw.Draw(picture)
    n = rng.pick((1, 1, 2, 3, 4))
    cell = (at[0] / n, at[1] / n)
    line_px = max(1, round(min(cell) / 30))
    filled, framed = rng.happens(0.5), rng.pick(("", "circle", "square"))
    for i in range(n * n):
        x, y, r = (i % n + 0.5) * cell[0], (i // n + 0.5) * cell[1], min(cell) * 0.33
        inner = paint
        if framed:
            box, back = (x - r * 1.3, y - r * 1.3, x + r * 1.3, y + r * 1.3), rng.colour(light=(0.3, 0.6))
            if framed == "circle":
                draw.ellipse(box, back)
            else:
                draw.rounded_rectangle(box, r * 0.4, back)
            inner = WHITE
        pen = Pen(draw, rng, x, y, r * 0.8, 0, ground if filled and not framed else inner, line_px,
                  [inner] if filled else (), 0)  # fmt: skip
        rng.pick(THINGS)(pen)
    return picture


def _logo(rng: Rng, at: Size) -> Image.Image:
    """A sign of a few geometric shapes, with or without a name."""
    ground = WHITE if rng.happens(0.6) else rng.colour()
    picture = Image.new("RGB", at, ground)
    draw = ImageDraw.Draw(picture)
    paints, (w, h) = rng.palette(3), at
    named = rng.happens(0.7)
    x, y, r = w / 2, h * (0.38 if named else 0.5), min(at) * rng.real(0.15, 0.32)
    for i in range(rng.whole(1, 4)):
        n, turn, part = rng.pick((3, 4, 5, 6, 40)), rng.real(0, 6.3), r * (1 - 0.25 * i)
        points = [
            (x + part * float(np.cos(turn + 2 * np.pi * k / n)), y + part * float(np.sin(turn + 2 * np.pi * k / n)))
            for k in range(n)
        ]
        if rng.happens(0.7):
            draw.polygon(points, paints[i % 3])
        else:
            draw.polygon(points, None, paints[i % 3], max(round(r / 10), 2))
    if named:
        face = font(rng.typeface(style=rng.pick(("sans", "serif"))), h * rng.real(0.07, 0.16))
        draw.text(
            (x, h * 0.8), rng.word().upper() if rng.happens(0.5) else rng.phrase(12), paints[0], face, anchor="mm"
        )
    return picture


def _pixel_art(rng: Rng, at: Size) -> Image.Image:
    """Drawn at a few dozen pixels and enlarged without smoothing."""
    small = (max(at[0] // rng.whole(6, 14), 16), max(at[1] // rng.whole(6, 14), 16))
    made = rng.pick((_scene, _clip_art, _abstract))(rng, small)
    return made.quantize(rng.whole(4, 16)).convert("RGB").resize(at, Image.Resampling.NEAREST)


def _sketch(rng: Rng, at: Size) -> Image.Image:
    """Pencil: the edges of a coloured drawing, or hatching after its brightness, grey on paper with grain."""
    source = rng.pick((_scene, _clip_art, _face))(rng, at)
    grey = ImageOps.grayscale(source)
    if rng.happens(0.6):  # colour dodge with its blurred negative: a known recipe for pencil
        soft = np.asarray(ImageOps.invert(grey).filter(ImageFilter.GaussianBlur(rng.real(2, 9))), np.float32)
        light = np.asarray(grey, np.float32)
        values = np.minimum(light * 256 / (256 - np.minimum(soft, 255)), 255)
    else:
        values = _hatch(rng, np.asarray(grey, np.float32))
    grain = camera.enlarge(camera.clouds(rng, octaves=6), at)[..., None]
    ink, paper = (np.asarray(rng.colour(light=(0, 0.35), saturation=(0, 0.3)), np.float32),
                  np.asarray(rng.colour(light=(0.88, 1)), np.float32))  # fmt: skip
    share = np.clip(values[..., None] / 255 + (grain - 0.5) * 0.15, 0, 1)
    return camera.as_image(ink + (paper - ink) * share)


def _hatch(rng: Rng, light: camera.Floats) -> camera.Floats:
    """Parallel strokes, crossed where it is darker."""
    y, x = np.mgrid[0 : light.shape[0], 0 : light.shape[1]].astype(np.float32)
    made, step = np.full_like(light, 255), rng.real(3, 7)
    for level, angle in ((190, 0.8), (120, 2.3), (60, 0.1)):
        stroke = (
            np.sin((x * np.cos(angle) + y * np.sin(angle)) * 2 * np.pi / step + rng.normal(0, 0.4, light.shape)) > 0.3
        )
        made[stroke & (light < level)] -= 110
    return np.maximum(made, 0)


def _comic(rng: Rng, at: Size) -> Image.Image:
    """Panels with scenes or figures and balloons with words."""
    picture = Image.new("RGB", at, WHITE)
    draw = ImageDraw.Draw(picture)
    colourless = rng.happens(0.4)
    y, rows = 4, rng.whole(1, 3)
    high = (at[1] - 8) // rows
    for _ in range(rows):
        columns = rng.whole(1, 3)
        wide = (at[0] - 8) // columns
        for column in range(columns):
            x, inner = 4 + column * wide, (max(wide - 6, 16), max(high - 6, 16))
            made = rng.pick((_scene, _face, _clip_art))(rng, inner)
            picture.paste(ImageOps.grayscale(made) if colourless else made, (x, y))
            draw.rectangle((x, y, x + inner[0], y + inner[1]), None, (0, 0, 0), 2)
            if rng.happens(0.75):
                _balloon(
                    rng,
                    draw,
                    (
                        x + inner[0] * 0.06,
                        y + inner[1] * 0.04,
                        x + inner[0] * rng.real(0.5, 0.9),
                        y + inner[1] * rng.real(0.2, 0.38),
                    ),
                )
        y += high
    return picture


def _balloon(rng: Rng, draw: ImageDraw.ImageDraw, box: tuple[float, float, float, float]) -> None:
    left, top, right, bottom = box
    draw.polygon(
        [
            ((left + right) / 2, bottom - 3),
            ((left + right) / 2 + 14, bottom - 3),
            (left + (right - left) * 0.4, bottom + 14),
        ],
        WHITE,
        (0, 0, 0),
    )
    draw.rounded_rectangle(box, (bottom - top) / 2.5, WHITE, (0, 0, 0), 2)
    rows = rng.whole(1, 3)
    text_px = (bottom - top) / (rows + 1)
    face = font(rng.typeface(style="hand"), text_px * 0.9)
    for row in range(rows):
        text = rng.phrase(max(int((right - left) / text_px * 1.3), 2)).upper()
        draw.text(((left + right) / 2, top + text_px * (row + 1)), text, (0, 0, 0), face, anchor="mm")


def _crayon(rng: Rng, at: Size) -> Image.Image:
    """A child's drawing: thick shaky lines in bright colours, scribbled surfaces, people, house, sun."""
    picture = Image.new("RGB", at, rng.colour(light=(0.9, 1), saturation=(0, 0.3)))
    draw = ImageDraw.Draw(picture)
    crayons = [rng.colour(light=(0.3, 0.6), saturation=(0.5, 1)) for _ in range(6)]
    line_px = max(2, round(min(at) / rng.real(45, 110)))
    if rng.happens(0.6):
        xs = np.linspace(0, at[0], rng.whole(20, 80))
        ys = at[1] * (0.9 + rng.uniform(-0.06, 0.06, len(xs)))
        draw.line(list(zip(xs.tolist(), ys.tolist(), strict=True)), rng.pick(crayons), line_px, "curve")
    for thing in [person] * rng.whole(0, 3) + [rng.pick(THINGS) for _ in range(rng.whole(1, 4))]:
        style = Style(rng.pick(crayons), line_px, rng.happens(0.2), 0.035)
        _put(rng, picture, style, thing, (rng.real(0.1, 0.9) * at[0], rng.real(0.2, 0.8) * at[1]),
             min(at) * rng.real(0.12, 0.3))  # fmt: skip
    for _ in range(rng.whole(0, 4)):
        x, y, r = rng.real(0, at[0]), rng.real(0, at[1]), min(at) * rng.real(0.05, 0.2)
        t = np.linspace(0, 1, 40)
        xs, ys = (x + r * t + rng.normal(0, r * 0.03, 40),
                  y + r * 0.6 * (np.arange(40) % 2) + rng.normal(0, r * 0.05, 40))  # fmt: skip
        draw.line(list(zip(xs.tolist(), ys.tolist(), strict=True)), rng.pick(crayons), line_px)
    grain = camera.add_noise(picture, rng, rng.real(4, 25))
    return grain.filter(ImageFilter.GaussianBlur(0.5))


def _abstract(rng: Rng, at: Size) -> Image.Image:
    """Flat shapes over each other, with or without outlines; or a figure of rotational symmetry."""
    picture = Image.new("RGB", at, rng.colour())
    draw = ImageDraw.Draw(picture)
    paints, (w, h) = rng.palette(5), at
    outline = (0, 0, 0) if rng.happens(0.4) else None
    if rng.happens(0.3):
        n, r = rng.whole(5, 16), min(at) * 0.48
        for ring in range(rng.whole(2, 5)):
            style = Style(outline or rng.pick(paints), 2, rng.happens(0.5), 0)
            for k in range(n):
                pen = _pen(rng, draw, style, (w / 2, h / 2), r * (1 - ring * 0.2))
                replace(pen, turn=2 * np.pi * k / n).ellipse(0.6, 0, 0.35, 0.15, ring)
        return picture
    for _ in range(rng.whole(4, 18)):
        x, y, r = rng.real(0, w), rng.real(0, h), min(at) * rng.real(0.05, 0.35)
        n, turn = rng.pick((3, 4, 4, 5, 40)), rng.real(0, 6.3)
        points = [
            (x + r * float(np.cos(turn + 2 * np.pi * k / n)), y + r * float(np.sin(turn + 2 * np.pi * k / n)))
            for k in range(n)
        ]
        draw.polygon(points, rng.pick(paints), outline, max(round(min(at) / 100), 1))
    return picture


def _face(rng: Rng, at: Size) -> Image.Image:
    """A cartoon's head, large: skin, hair, eyes, nose, mouth."""
    picture = Image.new("RGB", at, WHITE if rng.happens(0.4) else rng.colour())
    filled = rng.happens(0.8)
    line = (20, 20, 20) if not filled or rng.happens(0.8) else None
    style = Style(line, max(1, round(min(at) / 80)), filled, rng.pick((0.0, 0.01)))
    pen = _pen(rng, ImageDraw.Draw(picture), style, (at[0] / 2, at[1] * 0.52), min(at) * rng.real(0.3, 0.42))
    skin = rng.colour(light=(0.4, 0.85), hue=rng.real(0.03, 0.1) if rng.happens(0.6) else None)
    pen = replace(pen, paints=[skin, rng.colour(light=(0.05, 0.6)), WHITE, rng.colour()] if style.filled else ())
    long, wide = rng.real(0.8, 1.1), rng.real(0.65, 1)
    pen.rectangle(-0.9, long * 0.9, 0.9, 2, 3)
    if rng.happens(0.4):
        pen.ellipse(0, 0.1, wide * 1.25, long * 1.15, 1)
    for side in (-1, 1):
        pen.ellipse(side * wide, 0.05, 0.17, 0.22)
    pen.ellipse(0, 0, wide, long)
    if rng.happens(0.85):
        spikes = rng.whole(2, 7)
        fringe = [(wide * (1 - 2 * i / (2 * spikes)), -0.35 - 0.25 * (i % 2)) for i in range(2 * spikes + 1)]
        pen.polygon([(-wide, -0.25), (-wide * 0.8, -long), (0, -long * 1.2), (wide * 0.8, -long), *fringe], 1)
    eye, apart = rng.real(0.1, 0.26), rng.real(0.3, 0.42)
    for side in (-1, 1):
        pen.ellipse(side * apart, -0.08, eye, eye * rng.real(0.8, 1.4), 2)
        pen.dot(side * apart, -0.05, eye * 0.5)
        pen.stroke((side * (apart - 0.15), -0.42), (side * (apart + 0.15), -0.42 + rng.real(-0.1, 0.1)))
    pen.stroke((0, 0), (rng.real(0.05, 0.2), 0.25), (-0.03, 0.27))
    pen.arc(0, 0.4, 0.35, rng.real(-0.15, 0.3), 10, 170)
    return picture


def _things(rng: Rng, picture: Image.Image, style: Style, count: int) -> None:
    """One thing in the middle, or several in a loose grid."""
    w, h = picture.size
    n = int(np.ceil(count**0.5))
    for i in range(count):
        cell = (w / n, h / n)
        jitter = 0.0 if count == 1 else 0.15
        at = ((i % n + 0.5 + rng.real(-jitter, jitter)) * cell[0], (i // n + 0.5 + rng.real(-jitter, jitter)) * cell[1])
        _put(rng, picture, style, rng.pick(THINGS), at, min(cell) * rng.real(0.28, 0.45))


def _put(rng: Rng, picture: Image.Image, style: Style, thing: Thing, at: Point, scale: float) -> None:
    thing(_pen(rng, ImageDraw.Draw(picture), style, at, scale))


def _pen(rng: Rng, draw: ImageDraw.ImageDraw, style: Style, at: Point, scale: float) -> Pen:
    paints = [rng.colour(light=(0.3, 0.75), saturation=(0.3, 1)) for _ in range(3)] + [
        between(WHITE, rng.colour(), 0.15)
    ]
    filled = paints if style.filled or not style.line else ()
    return Pen(draw, rng, *at, scale, float(rng.normal(0, 0.08)), style.line, style.line_px, filled, style.wobble)
