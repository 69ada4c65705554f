"""Cameras and lenses by the words that people have for them."""

from __future__ import annotations

from pathlib import Path

import pytest

from indexer.model import PhotoMetadata
from indexer.search.camera_words import camera_names, lens_kinds
from indexer.search.documents import document
from indexer.search.embedded.backend import EmbeddedSearch
from indexer.search.query import parse
from tests.indexer.search.test_documents import photo


def kinds(**metadata: object) -> set[str]:
    return {name for name, _ in lens_kinds(PhotoMetadata("image/jpeg", 4, 3, **metadata))}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"focal_length_35mm": 13.0}, {"wide angle", "Weitwinkel"}),
        ({"focal_length_35mm": 26.0}, {"wide angle", "Weitwinkel"}),
        ({"focal_length_35mm": 50.0}, set()),
        ({"focal_length_35mm": 77.0}, {"telephoto", "tele", "Teleobjektiv"}),
        ({"focal_length_35mm": 300.0, "lens": "EF-S 55-250mm"}, {"telephoto", "tele", "Teleobjektiv"}),
        ({"focal_length_mm": 200.0, "lens": "EF70-200mm f/4L USM"}, {"telephoto", "tele", "Teleobjektiv"}),
        ({"focal_length_mm": 16.0, "lens": "XF16mmF1.4 R WR"}, {"wide angle", "Weitwinkel"}),
        ({"focal_length_mm": 5.4}, set()),  # of a phone that does not say what that is on film
        ({"focal_length_mm": 4.28, "lens": "iPhone 4S back camera 4.28mm f/2.4"}, set()),
        ({"focal_length_mm": 100.0, "lens": "EF100mm f/2.8L Macro IS USM"}, {"macro", "Makro", "telephoto", "tele"}),
        ({"lens": "NIKON NIKKOR Z MC 105mm f/2.8 VR S"}, {"macro", "Makro"}),
        ({"lens": "AF Micro-Nikkor 60mm f/2.8D"}, {"macro", "Makro"}),
        ({"lens": "EF8-15mm f/4L Fisheye USM"}, {"fisheye", "Fischauge"}),
        ({"lens": "Micro Four Thirds 25mm"}, set()),
    ],
)
def test_the_kind_of_a_lens(metadata: dict[str, object], expected: set[str]) -> None:
    assert kinds(**metadata) - {"Teleobjektiv"} == expected - {"Teleobjektiv"}


@pytest.mark.parametrize(
    ("camera", "expected"),
    [
        ("samsung SM-G991B", ("Samsung Galaxy S21",)),
        ("samsung SM-S901E", ("Samsung Galaxy S22",)),
        ("samsung SM-X999", ()),
        ("Canon EOS 80D", ()),
        (None, ()),
    ],
)
def test_a_phone_that_gives_its_model_number_alone(camera: str | None, expected: tuple[str, ...]) -> None:
    assert camera_names(camera) == expected


def test_they_are_found_by_plain_words(tmp_path: Path) -> None:
    search = EmbeddedSearch(tmp_path / "search.db")
    search.put([document(photo(camera="samsung SM-G991B", focal_length_35mm=13.0))])
    for text in ("galaxy s21", "samsung", "wide angle", "weitwinkel"):
        assert search.search(parse(text)).total == 1, text
    assert search.search(parse("tele ")).total == 0
    assert [why.field for why in search.search(parse("weitwinkel")).hits[0].why] == ["lens"]
