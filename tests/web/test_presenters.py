"""A photo in words for people."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.images.measures import Colour
from indexer.model import DatePrecision, PhotoMetadata, Position
from indexer.search import Why, appearance
from indexer.search.fields import FIELD_WEIGHTS
from web import presenters
from web.i18n import language

METADATA = PhotoMetadata(mime_type="image/jpeg", width_px=4000, height_px=3000)


@given(st.text(), st.lists(st.tuples(st.integers(-5, 40), st.integers(-5, 40))))
def test_pieces_keep_the_whole_text_whatever_the_spans(text: str, spans: list[tuple[int, int]]) -> None:
    assert "".join(piece.text for piece in presenters.pieces(text, spans)) == presenters.clean(text)


def test_pieces_mark_what_matched() -> None:
    cut = presenters.pieces("a dog and a dog", [(2, 5), (12, 15)])
    assert [piece.text for piece in cut if piece.marked] == ["dog", "dog"]


def test_a_caption_that_is_shown_is_not_repeated_as_a_reason() -> None:
    synonym = Why("machine_caption", "a cat and a kitten", ((2, 5), (12, 18)), "synonym")
    literal = Why("machine_caption", "a cat", ((2, 5),), "exact")
    (reason,) = presenters.match_reasons([synonym, literal], leave_out="machine_caption")
    assert ("".join(piece.text for piece in reason.pieces), reason.how) == ("cat, kitten", "means the same")
    assert len(presenters.match_reasons([synonym, literal])[0].pieces) == 4


@pytest.mark.parametrize(("locale", "expected"), [("en", "picture: dark"), ("de", "Bild: dunkel")])
def test_what_a_picture_looks_like_is_said_in_the_reader_s_language(locale: str, expected: str) -> None:
    with language.Languages(language.read_languages()).for_header(locale).as_current():
        (reason,) = presenters.match_reasons([Why("appearance", "dark", ((0, 4),), "exact")])
        assert f"{reason.field}: {''.join(piece.text for piece in reason.pieces)}" == expected


def test_every_look_has_a_name_for_people() -> None:
    measured = {*(colour.name.lower() for colour in Colour if colour is not Colour.GRAY)}
    assert {*appearance._STRENGTHS, *measured} == set(presenters._LOOKS)


def test_every_field_that_is_searched_has_a_name_for_people() -> None:
    assert set(FIELD_WEIGHTS) <= set(presenters._FIELDS)


@given(st.text(st.characters(categories=("Cs", "L"))))
def test_clean_text_can_be_sent(text: str) -> None:
    assert len(presenters.clean(text).encode("utf-8").decode("utf-8")) == len(text)


@pytest.mark.parametrize(("width", "height"), [(1, 1), (4000, 3000), (3000, 4000), (20_000, 10), (10, 20_000), (0, 0)])
def test_every_shape_has_its_rule(repository: Path, width: int, height: int) -> None:
    steps = range(presenters.SHAPE_LEAST, presenters.SHAPE_MOST + 1)
    rules = "\n".join(f".k{step} {{ --r: {presenters.SHAPE_STEP**step:.3f}; }}" for step in steps)
    assert f".{presenters.shape(replace(METADATA, width_px=width, height_px=height))} " in rules
    assert rules in (repository / "web" / "static" / "recollect.css").read_text(encoding="utf-8")


def test_exposure_as_a_photographer_writes_it() -> None:
    known = replace(METADATA, exposure_s=1 / 250, f_number=2.8, iso=200, focal_length_mm=35.0)
    assert presenters.exposure(known) == "1/250 s · f/2.8 · ISO 200 · 35 mm"
    assert presenters.exposure(replace(METADATA, exposure_s=2.0)) == "2 s"
    assert presenters.exposure(METADATA) == ""


@pytest.mark.parametrize(
    ("zone", "text"),
    [
        (None, ""),
        (UTC, "UTC"),
        (timezone(timedelta(hours=2)), "UTC+02:00"),
        (timezone(timedelta(hours=-3, minutes=-30)), "UTC-03:30"),
    ],
)
def test_an_offset_is_said_where_it_is_known(zone: timezone | None, text: str) -> None:
    moment = datetime(2019, 7, 4, 9, 5, tzinfo=zone)
    assert presenters.offset_text(moment) == text
    assert language.date_text(moment) == "4 July 2019, 09:05"
    assert language.date_text(moment, DatePrecision.DAY) == "4 July 2019"
    assert language.date_text(moment, DatePrecision.MONTH) == "July 2019"
    assert language.date_text(moment, DatePrecision.YEAR) == "2019"


def test_coordinates_name_their_hemispheres() -> None:
    assert presenters.coordinates(Position(-33.85678, 151.2153, 4.6)) == "33.8568° S, 151.2153° E, 5 m"


def test_a_thumbnail_is_never_larger_than_its_photo() -> None:
    assert presenters.fit_size(METADATA, 320) == (320, 240)
    assert presenters.fit_size(replace(METADATA, width_px=30, height_px=1), 320) == (30, 1)


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 byte"), (999, "999 byte"), (3_400_000, "3.4 MB"), (10**13, "10.0 TB")]
)
def test_sizes_as_disks_are_sold(size: int, text: str) -> None:
    assert language.bytes_text(size) == text
