"""Charts and diagrams: lines, bars, pies, points, heat maps, boxes with arrows, in many styles."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image, ImageDraw

from captioner.training.non_photos import camera
from captioner.training.non_photos.diagrams import Plot, flow, marker, network, number_table, schedule, tree_map
from captioner.training.non_photos.sampling import (
    WHITE,
    Colour,
    Rng,
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
)  # fmt: skip

#: Default colour cycles of well-known plotting programs, as hexadecimal RGB.
_CYCLES = (
    "1f77b4 ff7f0e 2ca02c d62728 9467bd 8c564b", "4c72b0 dd8452 55a868 c44e52 8172b3 937860",
    "f8766d b79f00 00ba38 00bfc4 619cff f564e3", "5470c6 91cc75 fac858 ee6666 73c0de 3ba272",
    "4285f4 db4437 f4b400 0f9d58 ab47bc 00acc1", "4472c4 ed7d31 a5a5a5 ffc000 5b9bd5 70ad47",
    "0000ff 007f00 ff0000 00bfbf bf00bf bfbf00", "ff6384 36a2eb ffce56 4bc0c0 9966ff ff9f40",
)  # fmt: skip
_COLOUR_MAPS = (
    "440154 3b528b 21918c 5ec962 fde725", "000004 721f81 f1605d fcfdbf", "3b4cc0 dddddd b40426",
    "ffffff 08306b", "000000 ff0000 ffff00 ffffff", "00007f 0000ff 00ffff ffff00 ff0000 7f0000", "000000 ffffff",
)  # fmt: skip


def chart(rng: Rng) -> Image.Image:
    """A chart or a diagram, or several on one sheet."""
    width, height = size(rng, widest=2.2, tallest=1.4, side_px=(340, 620))
    paper = _paper(rng)
    picture = Image.new("RGB", (width, height), paper)
    draw = ImageDraw.Draw(picture)
    rows, columns = pick(rng, ((1, 1),) * 7 + ((1, 2), (2, 1), (2, 2), (2, 3)))
    paints = _paints(rng, paper)
    same = pick(rng, _CHARTS)
    for row in range(rows):
        for column in range(columns):
            cell = (
                width * column / columns,
                height * row / rows,
                width * (column + 1) / columns,
                height * (row + 1) / rows,
            )
            _one(rng, draw, cell, paper, paints, same if happens(rng, 0.5) else pick(rng, _CHARTS))
    if happens(rng, 0.08):
        return camera.photograph(picture, rng)
    return picture


def _one(
    rng: Rng,
    draw: ImageDraw.ImageDraw,
    cell: tuple[float, float, float, float],
    paper: Colour,
    paints: list[Colour],
    make: Chart,
) -> None:
    left, top, right, bottom = cell
    w, h = right - left, bottom - top
    area = (
        left + w * real(rng, 0.06, 0.17),
        top + h * real(rng, 0.04, 0.17),
        right - w * real(rng, 0.03, 0.25),
        bottom - h * real(rng, 0.07, 0.2),
    )
    ink = between(WHITE if sum(paper) < 380 else (0, 0, 0), paper, real(rng, 0, 0.4))
    text_px = max(round(min(w, h) / real(rng, 18, 34)), 7)
    face = font(typeface(rng, style=pick(rng, ("sans", "sans", "sans", "serif", "hand"))), text_px)
    plot = Plot(draw, area, paper, ink, paints, face, max(1, round(min(w, h) / real(rng, 90, 300))))
    if make in _WITH_AXES:
        _axes(rng, plot)
    make(rng, plot)
    if happens(rng, 0.6):
        title = font(typeface(rng, style="sans"), text_px * real(rng, 1, 1.8))
        draw.text(
            ((area[0] + area[2]) / 2, (top + area[1]) / 2), phrase(rng, whole(rng, 8, 40)), ink, title, anchor="mm"
        )
    if make in _WITH_AXES and happens(rng, 0.5):
        plot.text(((area[0] + area[2]) / 2, bottom - text_px), phrase(rng, whole(rng, 4, 20)))
    if make is not flow and happens(rng, 0.45):
        _legend(rng, plot, right)


def _paper(rng: Rng) -> Colour:
    if happens(rng, 0.65):
        return WHITE
    return colour(rng, light=(0.05, 0.25), saturation=(0, 0.4)) if happens(rng, 0.45) else colour(rng, light=(0.88, 1))


def _paints(rng: Rng, paper: Colour) -> list[Colour]:
    if happens(rng, 0.6):
        made = _colours(pick(rng, _CYCLES))
    elif happens(rng, 0.6):
        made = palette(rng, whole(rng, 4, 8))
    else:
        shade = colour(rng, light=(0.2, 0.6))
        made = [between(shade, paper, i * 0.16) for i in range(5)]
    start = whole(rng, 0, len(made) - 1)
    return made[start:] + made[:start]


def _axes(rng: Rng, plot: Plot) -> None:
    """Ground, grid, frame, ticks and their labels."""
    style = pick(rng, ("frame", "frame", "corner", "bare", "grey", "zero"))
    if style == "grey":
        plot.draw.rectangle(plot.area, between(plot.paper, plot.ink, 0.08))
    if style in ("grey", "bare") or happens(rng, 0.4):
        shade = plot.paper if style == "grey" else between(plot.paper, plot.ink, real(rng, 0.1, 0.3))
        for share in np.linspace(0, 1, whole(rng, 4, 11)).tolist():
            plot.draw.line((plot.at(0, share), plot.at(1, share)), shade)
            if style == "grey" or happens(rng, 0.3):
                plot.draw.line((plot.at(share, 0), plot.at(share, 1)), shade)
    if style == "frame":
        plot.draw.rectangle(plot.area, None, plot.ink)
    elif style == "corner":
        plot.draw.line((plot.at(0, 1), plot.at(0, 0), plot.at(1, 0)), plot.ink, max(plot.line_px // 2, 1))
    elif style == "zero":
        middle = real(rng, 0.2, 0.8)
        plot.draw.line((plot.at(0, middle), plot.at(1, middle)), plot.ink)
        plot.draw.line((plot.at(middle, 0), plot.at(middle, 1)), plot.ink)
    ticks, figures = whole(rng, 3, 9), happens(rng, 0.7)
    for i in range(ticks):
        x, y = plot.at(i / (ticks - 1), 0)[0], plot.at(0, i / (ticks - 1))[1]
        plot.draw.line((x, plot.area[3], x, plot.area[3] + 4), plot.ink)
        plot.draw.line((plot.area[0], y, plot.area[0] - 4, y), plot.ink)
        plot.text((plot.area[0] - 6, y), str(i * 20), "rm")
        plot.text((x, plot.area[3] + 6), str(i * 5) if figures else word(rng)[:6], "mt")


def _legend(rng: Rng, plot: Plot, right: float) -> None:
    count, step = whole(rng, 2, min(6, len(plot.paints))), plot.face.size * 1.5
    x = plot.area[2] + 6 if right - plot.area[2] > 60 else plot.at(real(rng, 0.02, 0.7), 0)[0]
    y = plot.at(0, real(rng, 0.6, 1))[1]
    if happens(rng, 0.5):
        box = (x - 4, y - 4, x + plot.face.size * 6, y + count * step)
        plot.draw.rectangle(box, plot.paper, between(plot.ink, plot.paper, 0.6))
    for i in range(count):
        top = y + i * step
        plot.draw.rectangle((x, top + step * 0.15, x + step * 0.8, top + step * 0.5), plot.paints[i])
        plot.text((x + step, top), word(rng), "lt")


def _series(rng: Rng, count: int) -> list[float]:
    """A curve of `count` values in 0.03..0.97: a walk, a wave, growth, a bell or noise."""
    x = np.linspace(0, 1, count)
    walk = np.cumsum(rng.normal(0, 1, count))
    shapes = (
        walk,
        walk,
        np.sin(x * real(rng, 3, 30) + real(rng, 0, 6)),
        np.exp(x * real(rng, -5, 5)),
        x * real(rng, -1, 1) + rng.normal(0, 0.05, count),
        np.exp(-((x - real(rng, 0.2, 0.8)) ** 2) / real(rng, 0.004, 0.08)),
        rng.random(count),
        1 / (1 + np.exp(-(x - 0.5) * real(rng, 5, 25))),
    )
    values = pick(rng, shapes)
    values = (values - values.min()) / max(float(np.ptp(values)), 1e-9)
    low, high = sorted((real(rng, 0.03, 0.97), real(rng, 0.03, 0.97)))
    return [float(v) for v in low + values * max(high - low, 0.1)]


def _lines(rng: Rng, plot: Plot) -> None:
    count = pick(rng, (6, 12, 40, 120))
    filled, marked = happens(rng, 0.2), count < 20 and happens(rng, 0.6)
    for paint in plot.paints[: whole(rng, 1, 5)]:
        points = [plot.at(i / (count - 1), min(y, 0.99)) for i, y in enumerate(_series(rng, count))]
        if filled:
            plot.draw.polygon([plot.at(0, 0), *points, plot.at(1, 0)], between(paint, plot.paper, 0.5))
        plot.draw.line(points, paint, plot.line_px, "curve")
        if marked:
            for point in points:
                marker(plot, point, plot.line_px * 2.0, paint)


def _bars(rng: Rng, plot: Plot) -> None:
    """Bars beside or upon each other, upright or lying; with many of one colour, a histogram."""
    groups, kinds = whole(rng, 3, 14), pick(rng, (1, 1, 2, 3, 4))
    lying, stacked, gap = happens(rng, 0.3), happens(rng, 0.4), real(rng, 0, 0.5)
    if kinds == 1 and happens(rng, 0.3):
        groups, gap = whole(rng, 15, 50), 0.0
    many_colours = kinds == 1 and happens(rng, 0.3)
    tops = [_series(rng, groups) for _ in range(kinds)]
    for group in range(groups):
        start = 0.0
        for kind in range(kinds):
            value = tops[kind][group] / (kinds if stacked else 1)
            wide = (1 - gap) / groups / (1 if stacked else kinds)
            x = (group + gap / 2) / groups + (0 if stacked else kind * wide)
            low, high = (start, start + value) if stacked else (0.0, value)
            box = plot.box(low, x, high, x + wide) if lying else plot.box(x, low, x + wide, high)
            paint = plot.paints[(group if many_colours else kind) % len(plot.paints)]
            plot.draw.rectangle(box, paint, plot.paper if gap == 0 else None)
            start += value


def _pie(rng: Rng, plot: Plot) -> None:
    """A pie or a ring, with labels."""
    left, top, right, bottom = plot.area
    radius = min(right - left, bottom - top) / 2
    x, y = (left + right) / 2, (top + bottom) / 2
    shares = rng.dirichlet(np.full(whole(rng, 2, 8), 2.0)).tolist()
    start = real(rng, 0, 360)
    for i, share in enumerate(shares):
        end = start + 360 * share
        edge = plot.paper if happens(rng, 0.9) else plot.ink
        plot.draw.pieslice(
            (x - radius, y - radius, x + radius, y + radius), start, end, plot.paints[i % len(plot.paints)], edge, 2
        )
        angle = np.radians((start + end) / 2)
        away = radius * pick(rng, (0.65, 1.12))
        plot.text(
            (x + away * float(np.cos(angle)), y + away * float(np.sin(angle))),
            f"{share:.0%}" if happens(rng, 0.6) else word(rng),
        )
        start = end
    if happens(rng, 0.35):
        hole = radius * real(rng, 0.4, 0.75)
        plot.draw.ellipse((x - hole, y - hole, x + hole, y + hole), plot.paper)


def _scatter(rng: Rng, plot: Plot) -> None:
    """Points in clusters or along a line, sometimes of differing size."""
    bubbles, radius = happens(rng, 0.2), real(rng, 1.5, 5)
    for paint in plot.paints[: whole(rng, 1, 4)]:
        middle, spread = rng.uniform(0.2, 0.8, 2), rng.uniform(0.03, 0.2, 2)
        across, slope = rng.normal(size=whole(rng, 15, 150)), real(rng, -1, 1)
        points = (
            middle + np.stack([across, slope * across + (1 - abs(slope)) * rng.normal(size=len(across))], 1) * spread
        )
        for x, y in points.tolist():
            if 0 < x < 1 and 0 < y < 1:
                marker(plot, plot.at(x, y), radius * (real(rng, 0.5, 5) if bubbles else 1), paint)
    if happens(rng, 0.3):
        plot.draw.line((plot.at(0, real(rng, 0, 1)), plot.at(1, real(rng, 0, 1))), plot.ink, plot.line_px)


def _heat_map(rng: Rng, plot: Plot) -> None:
    """Cells or a field in a colour map, perhaps with figures and a colour bar."""
    stops = np.asarray(_colours(pick(rng, _COLOUR_MAPS)), np.float32)
    rows, columns = whole(rng, 3, 16), whole(rng, 3, 16)
    values = (
        rng.random((rows, columns)) if happens(rng, 0.5) else camera.clouds(rng, octaves=3, side=16)[:rows, :columns]
    )
    figures = rows < 9 and columns < 9 and happens(rng, 0.5)
    where = np.linspace(0, 1, len(stops))
    for row in range(rows):
        for column in range(columns):
            value = float(values[row, column])
            r, g, b = (round(float(np.interp(value, where, stops[:, c]))) for c in range(3))
            box = plot.box(column / columns, row / rows, (column + 1) / columns, (row + 1) / rows)
            plot.draw.rectangle(box, (r, g, b))
            if figures:
                plot.draw.text(
                    ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2),
                    f"{value:.1f}",
                    WHITE if r + g + b < 380 else (0, 0, 0),
                    plot.face,
                    anchor="mm",
                )
    for i in range(40 if happens(rng, 0.6) else 0):
        r, g, b = (round(float(np.interp(i / 39, where, stops[:, c]))) for c in range(3))
        plot.draw.rectangle(plot.box(1.04, i / 40, 1.08, (i + 1) / 40), (r, g, b))


def _boxes(rng: Rng, plot: Plot) -> None:
    """Box plots, or candles of a share's price."""
    count, filled = whole(rng, 3, 30), happens(rng, 0.7)
    middles = _series(rng, count)
    for i, middle in enumerate(middles):
        x, wide = (i + 0.5) / count, 0.3 / count
        half, reach = real(rng, 0.02, 0.12), real(rng, 0.1, 0.25)
        paint = plot.paints[(i if count < 8 else whole(rng, 0, 1)) % len(plot.paints)]
        plot.draw.line(
            (plot.at(x, max(middle - reach, 0)), plot.at(x, min(middle + reach, 1))), paint if count > 12 else plot.ink
        )
        plot.draw.rectangle(
            plot.box(x - wide, middle - half, x + wide, middle + half), paint if filled else plot.paper, plot.ink
        )
        if count <= 12:
            plot.draw.line((plot.at(x - wide, middle), plot.at(x + wide, middle)), plot.ink, plot.line_px)


def _radar(rng: Rng, plot: Plot) -> None:
    left, top, right, bottom = plot.area
    radius, x, y = min(right - left, bottom - top) / 2, (left + right) / 2, (top + bottom) / 2
    n = whole(rng, 5, 9)
    turns = [2 * np.pi * i / n for i in range(n)]

    def ring(values: Sequence[float]) -> list[tuple[float, float]]:
        return [
            (x + radius * v * float(np.sin(t)), y - radius * v * float(np.cos(t)))
            for v, t in zip(values, turns, strict=True)
        ]

    for share in (0.25, 0.5, 0.75, 1.0):
        plot.draw.polygon(ring([share] * n), None, between(plot.ink, plot.paper, 0.7))
    for end in ring([1.0] * n):
        plot.draw.line(((x, y), end), between(plot.ink, plot.paper, 0.7))
        plot.text(end, word(rng))
    for paint in plot.paints[: whole(rng, 1, 3)]:
        plot.draw.polygon(ring(rng.uniform(0.2, 1, n).tolist()), None, paint, max(plot.line_px, 2))


def _surface(rng: Rng, plot: Plot) -> None:
    """A surface over a plane, as a net seen from the side."""
    n = whole(rng, 10, 24)
    heights = camera.clouds(rng, octaves=2, side=n) * real(rng, 0.2, 0.6)
    stops = np.asarray(_colours(pick(rng, _COLOUR_MAPS)), np.float32)
    where = np.linspace(0, 1, len(stops))

    def corner(i: int, j: int) -> tuple[float, float]:
        return plot.at(0.5 + (i - j) / n / 2, 0.55 - (i + j) / n / 4 + float(heights[i, j]) * 0.8)

    for i in range(n - 1):
        for j in range(n - 1):
            value = float(heights[i, j]) / 0.6
            r, g, b = (round(float(np.interp(value, where, stops[:, c]))) for c in range(3))
            plot.draw.polygon(
                [corner(i, j), corner(i + 1, j), corner(i + 1, j + 1), corner(i, j + 1)], (r, g, b), plot.ink
            )
    plot.draw.line((plot.at(0, 0.3), plot.at(0.5, 0), plot.at(1, 0.3)), plot.ink)


def _colours(hexadecimal: str) -> list[Colour]:
    return [(int(h[:2], 16), int(h[2:4], 16), int(h[4:], 16)) for h in hexadecimal.split()]


Chart = Callable[[Rng, Plot], None]
_WITH_AXES = (_lines, _bars, _scatter, _boxes, schedule, _heat_map)
#: One that stands twice is twice as frequent.
_CHARTS: tuple[Chart, ...] = (
    _lines, _lines, _lines, _bars, _bars, _bars, _pie, _pie, _scatter, _scatter, _heat_map, _boxes, _radar, flow,
    flow, network, schedule, tree_map, number_table, _surface,
)  # fmt: skip
