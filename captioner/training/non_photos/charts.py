"""Charts and diagrams, drawn by matplotlib in any of its styles: lines, bars, pies, heat maps, flow charts, tables."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from captioner.training.non_photos import camera
from captioner.training.non_photos.sampling import Rng

Axes = Any  # matplotlib has no types for most of what is called here
Floats = NDArray[np.float64]


def chart(rng: Rng) -> Image.Image:
    """A chart or a diagram, or several on one sheet."""
    from matplotlib import style
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    width, height = rng.size(widest=2.2, tallest=1.4, side_px=(340, 620))
    dpi = rng.real(60, 130)
    rows, columns = rng.pick(((1, 1),) * 7 + ((1, 2), (2, 1), (2, 2), (2, 3)))
    look = rng.pick(("default", "default", *style.available))
    # Letters that a font lacks and labels without room are warned of, and are as common in real charts.
    with warnings.catch_warnings(), style.context([look, _settings(rng)]):
        warnings.simplefilter("ignore")
        figure = Figure((width / dpi, height / dpi), dpi=dpi, layout="tight" if rng.happens(0.5) else None)
        same = rng.pick(_CHARTS)
        for cell in range(rows * columns):
            make = same if rng.happens(0.5) else rng.pick(_CHARTS)
            axes = figure.add_subplot(rows, columns, cell + 1, projection=_PROJECTIONS.get(make))
            make(rng, axes)
            _label(rng, axes)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        picture = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    return camera.photograph(picture, rng) if rng.happens(0.08) else picture


def _settings(rng: Rng) -> dict[str, Any]:
    """What differs within a style: font, colours, grid, frame."""
    import matplotlib
    from cycler import cycler

    found: dict[str, Any] = {
        "font.size": rng.real(6, 13), "axes.unicode_minus": False, "lines.linewidth": rng.real(0.7, 4),
        "image.cmap": rng.pick(sorted(matplotlib.colormaps)), "axes.grid": rng.happens(0.5),
        "axes.spines.top": rng.happens(0.6), "axes.spines.right": rng.happens(0.6),
    }  # fmt: skip
    file = rng.typeface(style=rng.pick(("sans", "sans", "sans", "serif", "hand")))
    if file and rng.happens(0.7):
        found["font.family"] = _family(file)
    if rng.happens(0.4):
        paints = rng.palette(rng.whole(4, 8))
        found["axes.prop_cycle"] = cycler(color=[[level / 255 for level in paint] for paint in paints])
    if rng.happens(0.2):
        found["figure.facecolor"] = _rgb(rng, light=(0.88, 1))
    return found


@lru_cache
def _family(file: Path) -> str:
    """The name by which matplotlib knows a font from now on."""
    from matplotlib import font_manager

    font_manager.fontManager.addfont(file)
    return str(font_manager.FontProperties(fname=file).get_name())


def _rgb(rng: Rng, *, light: tuple[float, float] = (0.2, 0.8)) -> tuple[float, ...]:
    return tuple(level / 255 for level in rng.colour(light=light))


def _label(rng: Rng, axes: Axes) -> None:
    if rng.happens(0.6):
        axes.set_title(rng.phrase(rng.whole(8, 40)))
    if rng.happens(0.5):
        axes.set_xlabel(rng.phrase(rng.whole(4, 20)))
    if rng.happens(0.5):
        axes.set_ylabel(rng.phrase(rng.whole(4, 20)))
    if axes.get_legend_handles_labels()[0] and rng.happens(0.6):
        axes.legend(loc=rng.pick(("best", "upper left", "lower right", "upper center")))


def _series(rng: Rng, count: int) -> Floats:
    """A course of so many values: a walk, a wave, a bell, a growth, anything."""
    x = np.linspace(0, 1, count)
    shapes = (np.cumsum(rng.normal(0, 1, count)), np.sin(x * rng.real(4, 40)) * np.exp(-x * rng.real(0, 3)),
              np.exp(-((x - rng.real(0.2, 0.8)) ** 2) / rng.real(0.005, 0.1)), np.exp(x * rng.real(1, 5)),
              1 / (x + rng.real(0.05, 0.5)), rng.random(count),
              1 / (1 + np.exp(-(x - 0.5) * rng.real(5, 25))))  # fmt: skip
    values: Floats = rng.pick(shapes) + rng.normal(0, rng.real(0, 0.2), count)
    return values * rng.real(0.1, 3) * float(10 ** rng.whole(-2, 5))


def _words(rng: Rng, count: int) -> list[str]:
    return [rng.word() for _ in range(count)]


def _lines(rng: Rng, axes: Axes) -> None:
    count, filled = rng.pick((6, 12, 40, 120)), rng.happens(0.2)
    mark = rng.pick("o^sxD") if count < 20 and rng.happens(0.6) else ""
    for _ in range(rng.whole(1, 5)):
        values = _series(rng, count)
        axes.plot(values, mark + rng.pick(("-", "-", "-", "--", ":")), label=rng.word(),
                  drawstyle=rng.pick(("default", "default", "default", "steps")))  # fmt: skip
        if filled:
            axes.fill_between(range(count), values, alpha=0.4)


def _bars(rng: Rng, axes: Axes) -> None:
    """Bars beside or upon each other, upright or lying."""
    groups, kinds = rng.whole(3, 14), rng.pick((1, 1, 2, 3, 4))
    lying, stacked, gap = rng.happens(0.3), rng.happens(0.4), rng.real(0, 0.5)
    wide = (1 - gap) / (1 if stacked else kinds)
    base = np.zeros(groups)
    for kind in range(kinds):
        values, places = np.abs(_series(rng, groups)), np.arange(groups) + (0 if stacked else kind * wide)
        paints = [_rgb(rng) for _ in range(groups)] if kinds == 1 and rng.happens(0.3) else None
        if lying:
            axes.barh(places, values, wide, left=base, label=rng.word(), color=paints)
        else:
            axes.bar(places, values, wide, bottom=base, label=rng.word(), color=paints)
        base = base + values if stacked else base
    if rng.happens(0.7):
        if lying:
            axes.set_yticks(range(groups), _words(rng, groups))
        else:
            axes.set_xticks(range(groups), _words(rng, groups), rotation=rng.pick((0, 45, 90)))


def _histogram(rng: Rng, axes: Axes) -> None:
    for _ in range(rng.whole(1, 3)):
        values = rng.normal(rng.real(-2, 2), rng.real(0.5, 2), 400)
        axes.hist(values, rng.whole(8, 50), alpha=0.7, label=rng.word(), histtype=rng.pick(("bar", "bar", "step")))


def _pie(rng: Rng, axes: Axes) -> None:
    """A pie or a ring, with labels."""
    shares = rng.dirichlet(np.full(rng.whole(2, 8), 2.0))
    wedge = {"width": rng.real(0.25, 0.6)} if rng.happens(0.35) else {}
    apart = [rng.real(0, 0.2) for _ in shares] if rng.happens(0.2) else None
    axes.pie(shares, labels=_words(rng, len(shares)) if rng.happens(0.7) else None, explode=apart, wedgeprops=wedge,
             autopct="%.0f%%" if rng.happens(0.6) else None, startangle=rng.real(0, 360))  # fmt: skip


def _scatter(rng: Rng, axes: Axes) -> None:
    """Points in clusters or along a line, sometimes of differing size or colour."""
    bubbles, shaded = rng.happens(0.2), rng.happens(0.2)
    for _ in range(rng.whole(1, 4)):
        across, slope = rng.normal(size=rng.whole(15, 150)), rng.real(-1, 1)
        along = slope * across + (1 - abs(slope)) * rng.normal(size=len(across)) + rng.real(-3, 3)
        areas = rng.real(4, 60) * (rng.random(len(across)) * 9 if bubbles else 1)
        axes.scatter(across + rng.real(-3, 3), along, areas, along if shaded else None, rng.pick("ooos^x+"),
                     alpha=rng.real(0.5, 1), label=rng.word())  # fmt: skip
    if rng.happens(0.3):
        axes.axline((0, rng.real(-1, 1)), slope=rng.real(-2, 2))


def _heat_map(rng: Rng, axes: Axes) -> None:
    """Cells or a field in a colour map, perhaps with figures and a colour bar."""
    rows, columns = rng.whole(3, 16), rng.whole(3, 16)
    field = camera.clouds(rng, octaves=3, side=16)
    if rng.happens(0.25):
        image = axes.contourf(field, rng.whole(4, 12))
    else:
        values = rng.random((rows, columns)) if rng.happens(0.5) else field[:rows, :columns]
        image = axes.imshow(values, aspect="auto", interpolation=rng.pick(("nearest", "nearest", "bicubic")))
        if rows < 9 and columns < 9 and rng.happens(0.5):
            for (row, column), value in np.ndenumerate(values):
                axes.text(column, row, f"{value:.1f}", ha="center", va="center", color="w" if value < 0.5 else "k")
    if rng.happens(0.6):
        axes.figure.colorbar(image, ax=axes)


def _boxes(rng: Rng, axes: Axes) -> None:
    """Box plots, violins, or values with their errors."""
    count = rng.whole(3, 20)
    samples = [rng.normal(middle, rng.real(0.1, 2), 40) for middle in rng.normal(0, 2, count)]
    draw = rng.pick(("boxplot", "boxplot", "violinplot", "errorbar"))
    if draw == "errorbar":
        axes.errorbar(
            range(count), np.mean(samples, 1), np.std(samples, 1), fmt=rng.pick(("o", "s-", "none")), capsize=3
        )
    else:
        getattr(axes, draw)(samples, **({"patch_artist": rng.happens(0.7)} if draw == "boxplot" else {}))


def _radar(rng: Rng, axes: Axes) -> None:
    n = rng.whole(5, 9)
    turns = np.linspace(0, 2 * np.pi, n + 1)
    for _ in range(rng.whole(1, 3)):
        reach = rng.uniform(0.2, 1, n)
        axes.plot(turns, [*reach, reach[0]], label=rng.word())
        axes.fill(turns, [*reach, reach[0]], alpha=rng.real(0, 0.4))
    axes.set_xticks(turns[:-1], _words(rng, n))


def _surface(rng: Rng, axes: Axes) -> None:
    """A surface over a plane, seen from the side."""
    heights = camera.clouds(rng, octaves=2, side=rng.whole(10, 24))
    y, x = np.mgrid[0 : len(heights), 0 : len(heights)]
    if rng.happens(0.7):
        axes.plot_surface(x, y, heights, cmap=rng.pick(("viridis", "coolwarm", "jet", "inferno", "gray")))
    else:
        axes.plot_wireframe(x, y, heights)
    axes.view_init(rng.real(15, 70), rng.real(0, 360))


def _flow(rng: Rng, axes: Axes) -> None:
    """Boxes and ellipses with words, joined by arrows: a flow chart, a tree of classes, an organigram."""
    columns, rows = rng.whole(1, 4), rng.whole(2, 5)
    places = [(c, -r) for r in range(rows) for c in range(columns) if r == 0 or rng.happens(0.85)]
    shapes = rng.pick((("round",), ("square",), ("round", "square", "ellipse", "circle", "larrow", "rarrow")))
    bend = rng.pick(("arc3", "angle", "arc3,rad=0.2"))
    arrow = {"arrowstyle": rng.pick(("->", "-|>", "-")), "connectionstyle": bend, "shrinkA": 14, "shrinkB": 14}
    for i, place in enumerate(places[1:], 1):
        axes.annotate("", place, places[rng.whole(max(0, i - columns - 1), i - 1)], arrowprops=arrow)
    ground = None if rng.happens(0.7) else "w"
    for x, y in places:
        box = {"boxstyle": rng.pick(shapes), "facecolor": ground or _rgb(rng, light=(0.6, 0.95)), "edgecolor": "k"}
        axes.text(x, y, rng.phrase(rng.whole(3, 12)), ha="center", va="center", bbox=box, color="k")
    axes.set(xlim=(-0.7, columns - 0.3), ylim=(-rows + 0.3, 0.7))
    axes.set_axis_off()


def _network(rng: Rng, axes: Axes) -> None:
    """Circles joined by lines."""
    nodes = rng.random((rng.whole(5, 30), 2))
    for i in range(1, len(nodes)):
        for other in rng.integers(i, size=rng.whole(1, 2)):
            axes.plot(*nodes[[i, other]].T, color="0.5", zorder=1)
    axes.scatter(*nodes.T, rng.real(30, 900), [_rgb(rng) for _ in nodes], zorder=2)
    if rng.happens(0.5):
        for x, y in nodes:
            axes.text(x, y, rng.word()[:3], ha="center", va="center", zorder=3)
    axes.set_axis_off()


def _schedule(rng: Rng, axes: Axes) -> None:
    """A Gantt chart: bars that start and end at different times."""
    rows = rng.whole(4, 14)
    starts = 0.7 * np.arange(rows) + rng.uniform(0, 2, rows)
    axes.barh(
        range(rows), rng.uniform(0.5, 4, rows), rng.real(0.4, 0.9), starts, color=[_rgb(rng) for _ in range(rows)]
    )
    axes.set_yticks(range(rows), _words(rng, rows))
    axes.invert_yaxis()


def _tree_map(rng: Rng, axes: Axes) -> None:
    """A rectangle parted again and again."""
    parts = [(0.0, 0.0, 1.0, 1.0)]
    for _ in range(rng.whole(4, 18)):
        x, y, w, h = parts.pop(int(np.argmax([w * h for _, _, w, h in parts])))
        cut = rng.real(0.3, 0.7)
        if w > h:
            parts += [(x, y, cut * w, h), (x + cut * w, y, (1 - cut) * w, h)]
        else:
            parts += [(x, y, w, cut * h), (x, y + cut * h, w, (1 - cut) * h)]
    for x, y, w, h in parts:
        axes.bar(x, h, w, y, align="edge", color=_rgb(rng), edgecolor="w", linewidth=2)
        axes.text(x + 0.01, y + h - 0.01, rng.word()[:8], va="top")
    axes.set_axis_off()


def _number_table(rng: Rng, axes: Axes) -> None:
    """A coloured table of figures."""
    rows, columns = rng.whole(4, 14), rng.whole(3, 8)
    paints, head = [_rgb(rng, light=(0.9, 1)) for _ in range(2)], _rgb(rng, light=(0.5, 0.9))
    axes.table([[rng.word()[:8], *(rng.number() for _ in range(columns - 1))] for _ in range(rows)],
               [[paints[row % 2]] * columns for row in range(rows)], loc="center",
               colLabels=[text[:8] for text in _words(rng, columns)], colColours=[head] * columns)  # fmt: skip
    axes.set_axis_off()


Chart = Callable[[Rng, Axes], None]
_PROJECTIONS: dict[Chart, str] = {_radar: "polar", _surface: "3d"}
#: One that stands twice is twice as frequent.
_CHARTS: tuple[Chart, ...] = (
    _lines, _lines, _lines, _bars, _bars, _bars, _histogram, _pie, _pie, _scatter, _scatter, _heat_map, _boxes, _radar,
    _flow, _flow, _network, _schedule, _tree_map, _number_table, _surface,
)  # fmt: skip
