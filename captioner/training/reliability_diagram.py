"""A reliability diagram as SVG: confidence against the share of words that people used.

Drawn by a few lines of our own, so that it needs nothing installed, is a few kilobytes and reads well in a browser's
light and dark schemes (DeGroot, Fienberg 1983; arXiv:1706.04599).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape

from captioner.training.metrics import calibration_error

#: What `captioner.training.metrics.calibration` gives: confidence, agreed and photos of each group.
Groups = Sequence[Mapping[str, float]]

_SIDE, _LEFT, _TOP, _LEGEND_ROW = 360, 62, 20, 24
_BELOW = 58
_SMALLEST_DOT, _LARGEST_DOT = 2.5, 6.0
# Told apart by people who see red and green alike too (Okabe, Ito 2008), and by their shapes.
_COLOURS = (("#0072b2", "#56b4e9"), ("#c24e00", "#f0a030"), ("#007a5a", "#3fcf9f"), ("#a33d7e", "#e58cc0"))
_STYLE = """
svg{{background:#fff;color:#1c1e21;font:13px system-ui,-apple-system,"Segoe UI","DejaVu Sans",sans-serif}}
text{{fill:currentColor}} .grid{{stroke:currentColor;stroke-opacity:.14}} .small{{fill-opacity:.72}}
.even{{stroke:currentColor;stroke-opacity:.5;stroke-dasharray:5 5}}
.frame{{fill:none;stroke:currentColor;stroke-opacity:.4}}
path{{fill:none;stroke-width:2;stroke-linejoin:round}} {light}
@media(prefers-color-scheme:dark){{svg{{background:#16181c;color:#e8eaed}} {dark}}}
"""


def reliability_diagram(splits: Mapping[str, Groups]) -> str:
    """SVG of one line for each named split; a dot is a group of photos, its area their number.

    Raises:
        ValueError: there is no split.
    """
    if not splits:
        raise ValueError("a plot needs at least one split")
    height = _TOP + _SIDE + _BELOW + _LEGEND_ROW * len(splits) + 8
    width = _LEFT + _SIDE + 24
    most = max(group["photos"] for groups in splits.values() for group in groups)
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-labelledby="title about">',
        "<title id='title'>How well the confidence of captions is calibrated</title>",
        f"<desc id='about'>{escape(_description(splits))}</desc>",
        f"<style>{_style(len(splits))}</style>",
        *_axes(),
    ]
    for place, (name, groups) in enumerate(splits.items()):
        parts += [*_line(place, groups, most), *_legend(place, name, groups)]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _description(splits: Mapping[str, Groups]) -> str:
    """The numbers in words, for those who can't see the picture."""
    return " ".join(
        f"{name}: " + "; ".join(f"confidence {g['confidence']:.2f}, agreed {g['agreed']:.2f}" for g in groups) + "."
        for name, groups in splits.items()
    )


def _style(splits: int) -> str:
    chosen = [_COLOURS[place % len(_COLOURS)] for place in range(splits)]
    light, dark = (
        " ".join(f".s{place}{{stroke:{pair[i]}}} .d{place}{{fill:{pair[i]}}}" for place, pair in enumerate(chosen))
        for i in (0, 1)
    )
    return _STYLE.format(light=light, dark=dark)


def _x(value: float) -> float:
    return round(_LEFT + _SIDE * value, 1)


def _y(value: float) -> float:
    return round(_TOP + _SIDE * (1 - value), 1)


def _axes() -> Iterator[str]:
    for tenths in range(0, 11, 2):
        at = tenths / 10
        yield f'<path class="grid" style="stroke-width:1" d="M{_x(at)} {_y(0)}V{_y(1)}M{_x(0)} {_y(at)}H{_x(1)}"/>'
        yield f'<text class="small" x="{_x(at)}" y="{_y(0) + 19}" text-anchor="middle">{at:.1f}</text>'
        yield f'<text class="small" x="{_LEFT - 8}" y="{_y(at) + 4}" text-anchor="end">{at:.1f}</text>'
    yield f'<rect class="frame" x="{_LEFT}" y="{_TOP}" width="{_SIDE}" height="{_SIDE}"/>'
    yield f'<path class="even" d="M{_x(0)} {_y(0)}L{_x(1)} {_y(1)}"/>'
    yield f'<text x="{_x(0.5)}" y="{_y(0) + 41}" text-anchor="middle">confidence of the caption</text>'
    middle = f"{16} {_y(0.5)}"
    yield (
        f'<text x="16" y="{_y(0.5)}" text-anchor="middle" transform="rotate(-90 {middle})">'
        "share of its content words that people used</text>"
    )
    yield f'<text class="small" x="{_x(0.05)}" y="{_y(0.93)}">less sure than it could be</text>'
    yield f'<text class="small" x="{_x(0.95)}" y="{_y(0.05)}" text-anchor="end">too sure</text>'


def _line(place: int, groups: Groups, most: float) -> Iterator[str]:
    points = [(_x(group["confidence"]), _y(group["agreed"])) for group in groups]
    yield f'<path class="s{place}" d="M' + "L".join(f"{x} {y}" for x, y in points) + '"/>'
    for (x, y), group in zip(points, groups, strict=True):
        radius = max(_SMALLEST_DOT, _LARGEST_DOT * float(group["photos"] / most) ** 0.5)
        title = f"{group['photos']:.0f} photos: confidence {group['confidence']:.2f}, agreed {group['agreed']:.2f}"
        yield _dot(place, x, y, radius, f"<title>{title}</title>")


def _dot(place: int, x: float, y: float, radius: float, inside: str = "") -> str:
    """A circle, and a square for every second split: the shape tells them apart where colour does not."""
    if place % 2 == 0:
        return f'<circle class="d{place}" cx="{x}" cy="{y}" r="{radius:.1f}">{inside}</circle>'
    side = radius * 1.77  # the circle's area
    corner = f'x="{x - side / 2:.1f}" y="{y - side / 2:.1f}" width="{side:.1f}" height="{side:.1f}"'
    return f'<rect class="d{place}" {corner}>{inside}</rect>'


def _legend(place: int, name: str, groups: Groups) -> Iterator[str]:
    y = _TOP + _SIDE + _BELOW + _LEGEND_ROW * place + 10
    photos, error = sum(group["photos"] for group in groups), calibration_error(groups)
    yield f'<path class="s{place}" d="M{_LEFT} {y - 4}h30"/>' + _dot(place, _LEFT + 15, y - 4, 5)
    yield f'<text x="{_LEFT + 40}" y="{y}">{escape(name)}: {photos:,.0f} photos, off by {error:.2f} on average</text>'
