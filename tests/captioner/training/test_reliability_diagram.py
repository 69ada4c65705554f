"""The calibration plot: an SVG that says what it shows."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest

from captioner.training.reliability_diagram import reliability_diagram

SVG = "{http://www.w3.org/2000/svg}"
GROUPS = [
    {"confidence": 0.3, "agreed": 0.25, "photos": 100},
    {"confidence": 0.6, "agreed": 0.65, "photos": 50},
]


def drawn(splits: dict[str, list[dict[str, float]]]) -> ET.Element:
    return ET.fromstring(reliability_diagram(splits))


def test_every_group_is_a_dot_where_its_numbers_are() -> None:
    root = drawn({"dev": GROUPS})
    frame = next(rect for rect in root.iter(f"{SVG}rect") if rect.get("class") == "frame")
    left, top, side = (float(frame.get(name, "")) for name in ("x", "y", "width"))
    dots = [dot for dot in root.iter(f"{SVG}circle") if dot.find(f"{SVG}title") is not None]
    at = [((float(d.get("cx", "")) - left) / side, 1 - (float(d.get("cy", "")) - top) / side) for d in dots]
    assert at == [pytest.approx((0.3, 0.25), abs=1e-3), pytest.approx((0.6, 0.65), abs=1e-3)]
    assert float(dots[0].get("r", "")) > float(dots[1].get("r", "")), "more photos, a larger dot"


def test_splits_are_named_with_counts_and_told_apart_by_shape() -> None:
    root = drawn({"dev": GROUPS, "<held> & back": GROUPS[:1]})
    texts = [text.text or "" for text in root.iter(f"{SVG}text")]
    assert "dev: 150 photos, off by 0.05 on average" in texts
    assert "<held> & back: 100 photos, off by 0.05 on average" in texts
    assert len([rect for rect in root.iter(f"{SVG}rect") if rect.find(f"{SVG}title") is not None]) == 1


def test_it_is_readable_without_eyes_and_in_the_dark() -> None:
    root = drawn({"dev": GROUPS})
    assert root.get("role") == "img"
    assert "confidence 0.30, agreed 0.25" in (root.findtext(f"{SVG}desc") or "")
    style = root.findtext(f"{SVG}style") or ""
    light, dark = style.split("prefers-color-scheme:dark")
    assert re.search(r"\.d0\{fill:#", light)
    assert re.search(r"\.d0\{fill:#", dark)


def test_nothing_lies_outside_the_picture() -> None:
    root = drawn({f"split {i}": GROUPS for i in range(5)})
    height = float(root.get("height", ""))
    assert max(float(text.get("y", "0")) for text in root.iter(f"{SVG}text")) < height


def test_no_split_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one"):
        reliability_diagram({})
