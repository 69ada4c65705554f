"""Drawings: line art, doodles, cartoons, clip art, icons, logos, pixel art, pencil sketches, comics."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageOps

from captioner.training.non_photos import camera
from captioner.training.non_photos.drawn_objects import THINGS, Pen, Point, Thing, cloud, person, sun
from captioner.training.non_photos.sampling import (
    WHITE,
    Colour,
    Rng,
    Size,
    between,
    colour,
    font,
    happens,
    palette,
    phrase,
    pick,
    real,
    size,
    typeface,
    whole,
    word,
)


@dataclass(frozen=True, slots=True)
class Style:
    """How the things of one drawing are drawn."""

    line: Colour | None
    line_px: int
    filled: bool
    wobble: float


def drawing(rng: Rng) -> Image.Image:
    """A drawing of any kind; now and then as photographed from paper."""
    at = size(rng, side_px=(260, 460))
    made = pick(rng, (_line_art, _line_art, _clip_art, _clip_art, _scene, _scene, _doodle, _icons, _logo, _pixel_art,
                      _sketch, _sketch, _comic, _crayon, _crayon, _abstract, _face))(rng, at)  # fmt: skip
    return camera.photograph(made, rng) if happens(rng, 0.12) else made


def _line_art(rng: Rng, at: Size) -> Image.Image:
    """Outlines only, dark on light or light on dark: one thing or several."""
    paper = WHITE if happens(rng, 0.7) else colour(rng, light=(0.8, 1))
    ink = colour(rng, light=(0, 0.25))
    if happens(rng, 0.12):
        paper, ink = ink, WHITE
    picture = Image.new("RGB", at, paper)
    style = Style(ink, max(1, round(min(at) / real(rng, 50, 220))), False, pick(rng, (0.0, 0.01, 0.03)))
    _things(rng, picture, style, pick(rng, (1, 1, 1, 2, 4, 9)))
    return picture


def _clip_art(rng: Rng, at: Size) -> Image.Image:
    """Flat colours with or without outlines, on a plain ground."""
    picture = Image.new("RGB", at, WHITE if happens(rng, 0.55) else colour(rng, light=(0.4, 1)))
    line = colour(rng, light=(0, 0.2)) if happens(rng, 0.6) else None
    _things(
        rng, picture, Style(line, max(1, round(min(at) / real(rng, 60, 160))), True, 0.0), pick(rng, (1, 1, 1, 2, 3, 6))
    )
    return picture


def _scene(rng: Rng, at: Size) -> Image.Image:
    """A cartoon's landscape or room with things in it."""
    w, h = at
    picture = Image.new(
        "RGB", at, colour(rng, light=(0.5, 0.9), hue=real(rng, 0.5, 0.65) if happens(rng, 0.6) else None)
    )
    draw = ImageDraw.Draw(picture)
    line = colour(rng, light=(0, 0.2)) if happens(rng, 0.5) else None
    style = Style(line, max(1, round(min(at) / 120)), True, pick(rng, (0.0, 0.0, 0.01)))
    for thing in (sun, cloud, cloud):
        if happens(rng, 0.6):
            _put(
                rng,
                picture,
                style,
                thing,
                (real(rng, 0.1, 0.9) * w, real(rng, 0.08, 0.3) * h),
                min(at) * real(rng, 0.07, 0.16),
            )
    base = real(rng, 0.4, 0.7) * h
    for _ in range(whole(rng, 1, 4)):
        xs = np.linspace(0, w, 30)
        ys = base + np.sin(xs / w * real(rng, 2, 14) + real(rng, 0, 6)) * h * real(rng, 0, 0.12)
        ground = colour(rng, light=(0.25, 0.7), hue=real(rng, 0.2, 0.4) if happens(rng, 0.6) else None)
        edge = list(zip(xs.tolist(), ys.tolist(), strict=True))
        draw.polygon([(0, h), *edge, (w, h)], ground)
        if line:
            draw.line(edge, line, style.line_px)
        base += h * real(rng, 0.05, 0.2)
    for _ in range(whole(rng, 1, 6)):
        y = real(rng, 0.5, 0.85)
        _put(
            rng,
            picture,
            style,
            pick(rng, THINGS),
            (real(rng, 0.05, 0.95) * w, y * h),
            min(at) * real(rng, 0.1, 0.3) * (0.5 + y),
        )
    return picture


def _doodle(rng: Rng, at: Size) -> Image.Image:
    """Scribbles, spirals, zigzags and small things in a pen's colours."""
    picture = Image.new("RGB", at, WHITE if happens(rng, 0.7) else colour(rng, light=(0.8, 1)))
    draw = ImageDraw.Draw(picture)
    inks = [colour(rng, light=(0, 0.5)) for _ in range(whole(rng, 1, 3))]
    pen_px = max(1, round(min(at) / real(rng, 60, 220)))
    for _ in range(whole(rng, 2, 14)):
        x, y, r = real(rng, 0, at[0]), real(rng, 0, at[1]), min(at) * real(rng, 0.05, 0.3)
        t = np.linspace(0, real(rng, 4, 40), 120)
        shape = pick(rng, ("spiral", "zigzag", "knot", "walk"))
        if shape == "spiral":
            xs, ys = x + r * t / t[-1] * np.cos(t), y + r * t / t[-1] * np.sin(t)
        elif shape == "zigzag":
            xs, ys = x + r * 2 * t / t[-1], y + r * 0.4 * np.sign(np.sin(t))
        elif shape == "knot":
            xs, ys = x + r * np.sin(t * real(rng, 0.5, 2)), y + r * np.sin(t * real(rng, 0.5, 2) + 1)
        else:
            xs, ys = x + np.cumsum(rng.normal(0, r / 12, 120)), y + np.cumsum(rng.normal(0, r / 12, 120))
        draw.line(list(zip(xs.tolist(), ys.tolist(), strict=True)), pick(rng, inks), pen_px, "curve")
    _things(rng, picture, Style(pick(rng, inks), pen_px, False, 0.03), whole(rng, 0, 4))
    return picture


def _icons(rng: Rng, at: Size) -> Image.Image:
    """Silhouettes or outlines of one colour in a grid, or a single one; some in a circle or a square."""
    ground = pick(rng, (WHITE, colour(rng, light=(0.85, 1)), colour(rng, light=(0.1, 0.6))))
    paint = WHITE if sum(ground) < 400 else colour(rng, light=(0, 0.5))
    picture = Image.new("RGB", at, ground)
    draw = ImageDraw.Draw(picture)
    n = pick(rng, (1, 1, 2, 3, 4))
    cell = (at[0] / n, at[1] / n)
    line_px = max(1, round(min(cell) / 30))
    filled, framed = happens(rng, 0.5), pick(rng, ("", "circle", "square"))
    for i in range(n * n):
        x, y, r = (i % n + 0.5) * cell[0], (i // n + 0.5) * cell[1], min(cell) * 0.33
        inner = paint
        if framed:
            box, back = (x - r * 1.3, y - r * 1.3, x + r * 1.3, y + r * 1.3), colour(rng, light=(0.3, 0.6))
            if framed == "circle":
                draw.ellipse(box, back)
            else:
                draw.rounded_rectangle(box, r * 0.4, back)
            inner = WHITE
        pen = Pen(
            draw,
            rng,
            x,
            y,
            r * 0.8,
            0,
            ground if filled and not framed else inner,
            line_px,
            [inner] if filled else (),
            0,
        )
        pick(rng, THINGS)(pen)
    return picture


def _logo(rng: Rng, at: Size) -> Image.Image:
    """A sign of a few geometric shapes, with or without a name."""
    ground = WHITE if happens(rng, 0.6) else colour(rng)
    picture = Image.new("RGB", at, ground)
    draw = ImageDraw.Draw(picture)
    paints, (w, h) = palette(rng, 3), at
    named = happens(rng, 0.7)
    x, y, r = w / 2, h * (0.38 if named else 0.5), min(at) * real(rng, 0.15, 0.32)
    for i in range(whole(rng, 1, 4)):
        n, turn, part = pick(rng, (3, 4, 5, 6, 40)), real(rng, 0, 6.3), r * (1 - 0.25 * i)
        points = [
            (x + part * float(np.cos(turn + 2 * np.pi * k / n)), y + part * float(np.sin(turn + 2 * np.pi * k / n)))
            for k in range(n)
        ]
        if happens(rng, 0.7):
            draw.polygon(points, paints[i % 3])
        else:
            draw.polygon(points, None, paints[i % 3], max(round(r / 10), 2))
    if named:
        face = font(typeface(rng, style=pick(rng, ("sans", "serif"))), h * real(rng, 0.07, 0.16))
        draw.text(
            (x, h * 0.8), word(rng).upper() if happens(rng, 0.5) else phrase(rng, 12), paints[0], face, anchor="mm"
        )
    return picture


def _pixel_art(rng: Rng, at: Size) -> Image.Image:
    """Drawn at a few dozen pixels and enlarged without smoothing."""
    small = (max(at[0] // whole(rng, 6, 14), 16), max(at[1] // whole(rng, 6, 14), 16))
    made = pick(rng, (_scene, _clip_art, _abstract))(rng, small)
    return made.quantize(whole(rng, 4, 16)).convert("RGB").resize(at, Image.Resampling.NEAREST)


def _sketch(rng: Rng, at: Size) -> Image.Image:
    """Pencil: the edges of a coloured drawing, or hatching after its brightness, grey on paper with grain."""
    source = pick(rng, (_scene, _clip_art, _face))(rng, at)
    grey = ImageOps.grayscale(source)
    if happens(rng, 0.6):  # colour dodge with its blurred negative: a known recipe for pencil
        soft = np.asarray(ImageOps.invert(grey).filter(ImageFilter.GaussianBlur(real(rng, 2, 9))), np.float32)
        light = np.asarray(grey, np.float32)
        values = np.minimum(light * 256 / (256 - np.minimum(soft, 255)), 255)
    else:
        values = _hatch(rng, np.asarray(grey, np.float32))
    grain = camera.enlarge(camera.clouds(rng, octaves=6), at)[..., None]
    ink, paper = (
        np.asarray(colour(rng, light=(0, 0.35), saturation=(0, 0.3)), np.float32),
        np.asarray(colour(rng, light=(0.88, 1)), np.float32),
    )
    share = np.clip(values[..., None] / 255 + (grain - 0.5) * 0.15, 0, 1)
    return camera.as_image(ink + (paper - ink) * share)


def _hatch(rng: Rng, light: camera.Floats) -> camera.Floats:
    """Parallel strokes, crossed where it is darker."""
    y, x = np.mgrid[0 : light.shape[0], 0 : light.shape[1]].astype(np.float32)
    made, step = np.full_like(light, 255), real(rng, 3, 7)
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
    colourless = happens(rng, 0.4)
    y, rows = 4, whole(rng, 1, 3)
    high = (at[1] - 8) // rows
    for _ in range(rows):
        columns = whole(rng, 1, 3)
        wide = (at[0] - 8) // columns
        for column in range(columns):
            x, inner = 4 + column * wide, (max(wide - 6, 16), max(high - 6, 16))
            made = pick(rng, (_scene, _face, _clip_art))(rng, inner)
            picture.paste(ImageOps.grayscale(made) if colourless else made, (x, y))
            draw.rectangle((x, y, x + inner[0], y + inner[1]), None, (0, 0, 0), 2)
            if happens(rng, 0.75):
                _balloon(
                    rng,
                    draw,
                    (
                        x + inner[0] * 0.06,
                        y + inner[1] * 0.04,
                        x + inner[0] * real(rng, 0.5, 0.9),
                        y + inner[1] * real(rng, 0.2, 0.38),
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
    rows = whole(rng, 1, 3)
    text_px = (bottom - top) / (rows + 1)
    face = font(typeface(rng, style="hand"), text_px * 0.9)
    for row in range(rows):
        text = phrase(rng, max(int((right - left) / text_px * 1.3), 2)).upper()
        draw.text(((left + right) / 2, top + text_px * (row + 1)), text, (0, 0, 0), face, anchor="mm")


def _crayon(rng: Rng, at: Size) -> Image.Image:
    """A child's drawing: thick shaky lines in bright colours, scribbled surfaces, people, house, sun."""
    picture = Image.new("RGB", at, colour(rng, light=(0.9, 1), saturation=(0, 0.3)))
    draw = ImageDraw.Draw(picture)
    crayons = [colour(rng, light=(0.3, 0.6), saturation=(0.5, 1)) for _ in range(6)]
    line_px = max(2, round(min(at) / real(rng, 45, 110)))
    if happens(rng, 0.6):
        xs = np.linspace(0, at[0], whole(rng, 20, 80))
        ys = at[1] * (0.9 + rng.uniform(-0.06, 0.06, len(xs)))
        draw.line(list(zip(xs.tolist(), ys.tolist(), strict=True)), pick(rng, crayons), line_px, "curve")
    for thing in [person] * whole(rng, 0, 3) + [pick(rng, THINGS) for _ in range(whole(rng, 1, 4))]:
        style = Style(pick(rng, crayons), line_px, happens(rng, 0.2), 0.035)
        _put(
            rng,
            picture,
            style,
            thing,
            (real(rng, 0.1, 0.9) * at[0], real(rng, 0.2, 0.8) * at[1]),
            min(at) * real(rng, 0.12, 0.3),
        )
    for _ in range(whole(rng, 0, 4)):
        x, y, r = real(rng, 0, at[0]), real(rng, 0, at[1]), min(at) * real(rng, 0.05, 0.2)
        t = np.linspace(0, 1, 40)
        xs, ys = (
            x + r * t + rng.normal(0, r * 0.03, 40),
            y + r * 0.6 * (np.arange(40) % 2) + rng.normal(0, r * 0.05, 40),
        )
        draw.line(list(zip(xs.tolist(), ys.tolist(), strict=True)), pick(rng, crayons), line_px)
    grain = camera.add_noise(picture, rng, real(rng, 4, 25))
    return grain.filter(ImageFilter.GaussianBlur(0.5))


def _abstract(rng: Rng, at: Size) -> Image.Image:
    """Flat shapes over each other, with or without outlines; or a figure of rotational symmetry."""
    picture = Image.new("RGB", at, colour(rng))
    draw = ImageDraw.Draw(picture)
    paints, (w, h) = palette(rng, 5), at
    outline = (0, 0, 0) if happens(rng, 0.4) else None
    if happens(rng, 0.3):
        n, r = whole(rng, 5, 16), min(at) * 0.48
        for ring in range(whole(rng, 2, 5)):
            style = Style(outline or pick(rng, paints), 2, happens(rng, 0.5), 0)
            for k in range(n):
                pen = _pen(rng, draw, style, (w / 2, h / 2), r * (1 - ring * 0.2))
                replace(pen, turn=2 * np.pi * k / n).ellipse(0.6, 0, 0.35, 0.15, ring)
        return picture
    for _ in range(whole(rng, 4, 18)):
        x, y, r = real(rng, 0, w), real(rng, 0, h), min(at) * real(rng, 0.05, 0.35)
        n, turn = pick(rng, (3, 4, 4, 5, 40)), real(rng, 0, 6.3)
        points = [
            (x + r * float(np.cos(turn + 2 * np.pi * k / n)), y + r * float(np.sin(turn + 2 * np.pi * k / n)))
            for k in range(n)
        ]
        draw.polygon(points, pick(rng, paints), outline, max(round(min(at) / 100), 1))
    return picture


def _face(rng: Rng, at: Size) -> Image.Image:
    """A cartoon's head, large: skin, hair, eyes, nose, mouth."""
    picture = Image.new("RGB", at, WHITE if happens(rng, 0.4) else colour(rng))
    filled = happens(rng, 0.8)
    line = (20, 20, 20) if not filled or happens(rng, 0.8) else None
    style = Style(line, max(1, round(min(at) / 80)), filled, pick(rng, (0.0, 0.01)))
    pen = _pen(rng, ImageDraw.Draw(picture), style, (at[0] / 2, at[1] * 0.52), min(at) * real(rng, 0.3, 0.42))
    skin = colour(rng, light=(0.4, 0.85), hue=real(rng, 0.03, 0.1) if happens(rng, 0.6) else None)
    pen = replace(pen, paints=[skin, colour(rng, light=(0.05, 0.6)), WHITE, colour(rng)] if style.filled else ())
    long, wide = real(rng, 0.8, 1.1), real(rng, 0.65, 1)
    pen.rectangle(-0.9, long * 0.9, 0.9, 2, 3)
    if happens(rng, 0.4):
        pen.ellipse(0, 0.1, wide * 1.25, long * 1.15, 1)
    for side in (-1, 1):
        pen.ellipse(side * wide, 0.05, 0.17, 0.22)
    pen.ellipse(0, 0, wide, long)
    if happens(rng, 0.85):
        spikes = whole(rng, 2, 7)
        fringe = [(wide * (1 - 2 * i / (2 * spikes)), -0.35 - 0.25 * (i % 2)) for i in range(2 * spikes + 1)]
        pen.polygon([(-wide, -0.25), (-wide * 0.8, -long), (0, -long * 1.2), (wide * 0.8, -long), *fringe], 1)
    eye, apart = real(rng, 0.1, 0.26), real(rng, 0.3, 0.42)
    for side in (-1, 1):
        pen.ellipse(side * apart, -0.08, eye, eye * real(rng, 0.8, 1.4), 2)
        pen.dot(side * apart, -0.05, eye * 0.5)
        pen.stroke((side * (apart - 0.15), -0.42), (side * (apart + 0.15), -0.42 + real(rng, -0.1, 0.1)))
    pen.stroke((0, 0), (real(rng, 0.05, 0.2), 0.25), (-0.03, 0.27))
    pen.arc(0, 0.4, 0.35, real(rng, -0.15, 0.3), 10, 170)
    return picture


def _things(rng: Rng, picture: Image.Image, style: Style, count: int) -> None:
    """One thing in the middle, or several in a loose grid."""
    w, h = picture.size
    n = int(np.ceil(count**0.5))
    for i in range(count):
        cell = (w / n, h / n)
        jitter = 0.0 if count == 1 else 0.15
        at = (
            (i % n + 0.5 + real(rng, -jitter, jitter)) * cell[0],
            (i // n + 0.5 + real(rng, -jitter, jitter)) * cell[1],
        )
        _put(rng, picture, style, pick(rng, THINGS), at, min(cell) * real(rng, 0.28, 0.45))


def _put(rng: Rng, picture: Image.Image, style: Style, thing: Thing, at: Point, scale: float) -> None:
    thing(_pen(rng, ImageDraw.Draw(picture), style, at, scale))


def _pen(rng: Rng, draw: ImageDraw.ImageDraw, style: Style, at: Point, scale: float) -> Pen:
    paints = [colour(rng, light=(0.3, 0.75), saturation=(0.3, 1)) for _ in range(3)] + [
        between(WHITE, colour(rng), 0.15)
    ]
    filled = paints if style.filled or not style.line else ()
    return Pen(draw, rng, *at, scale, float(rng.normal(0, 0.08)), style.line, style.line_px, filled, style.wobble)
