"""From a catalogue row to a search document."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from captioner import Caption, Tag
from indexer.model import CaptionBy, DatePrecision, FileCaption, FileStamp, Photo, PhotoFile, PhotoMetadata, Position
from indexer.search.documents import MAX_TEXT_CHARS, document
from indexer.search.embedded.backend import EmbeddedSearch
from indexer.search.fields import Fields
from indexer.search.query import parse

STAMP = FileStamp(0, 0, 0)
MACHINE = Caption("a dog on a beach", 0.7, (Tag("dog", 0.9), Tag("sand", 0.4)), (1.0, 0.0), "model-1")


def photo(*files: PhotoFile, machine: Caption | None = MACHINE, **metadata: object) -> Photo:
    return Photo(
        id="0" * 32,
        metadata=PhotoMetadata("image/jpeg", 4, 3, **metadata),  # type: ignore[arg-type]
        files=files,
        caption=None,
        caption_by=None,
        machine=machine,
        caption_place=None,
        caption_reason=None,
        added_at=datetime(2024, 1, 1),
        revision=7,
    )


def file(relative: str, *, missing: bool = False) -> PhotoFile:
    return PhotoFile(1, Path("/library"), relative, STAMP, missing)


def test_everything_known_is_searchable() -> None:
    found = document(
        photo(
            file("2019/Summer/IMG_1.JPG"),
            file("IMG_1 (copy).JPG"),
            file("gone/IMG_1.JPG", missing=True),
            person_caption=" Anna's dog ",
            keywords=("holiday", "holiday"),
            people=("Anna",),
            rating=4,
            camera="Pixel 6",
            pets=("Rex",),
            headline="Summer",
            locations=("Lyon",),
            creators=("Ben",),
            subjects=("Sport",),
            alt_texts=("a dog runs",),
            comments=("scanned",),
        )
    )
    assert (found.person_caption, found.machine_caption) == ("Anna's dog", "a dog on a beach")
    assert found.tags == (("dog", 0.9), ("sand", 0.4))
    assert (found.keywords, found.people, found.rating, found.camera) == (("holiday",), ("Anna",), 4, "Pixel 6")
    assert (found.pets, found.headline, found.locations) == (("Rex",), "Summer", ("Lyon",))
    assert (found.creators, found.subjects) == (("Ben",), ("Sport",))
    assert (found.alt_texts, found.comments) == (("a dog runs",), ("scanned",))
    assert found.folders == ("2019/Summer",)
    assert found.file_names == ("IMG_1.JPG", "IMG_1 (copy).JPG")
    assert (found.revision, found.embedding) == (7, (1.0, 0.0))


def test_how_much_of_a_date_is_known_goes_along() -> None:
    found = document(photo(taken_at=datetime(1950, 1, 1), taken_precision=DatePrecision.YEAR))
    assert (found.taken_at, found.taken_precision) == (datetime(1950, 1, 1), DatePrecision.YEAR)


def test_what_the_model_believes_of_its_words_goes_along() -> None:
    said = replace(MACHINE, words=(Tag("dog", 0.9), Tag("beach", 0.25)), sure=False)
    found = document(photo(file("a.jpg"), machine=said))
    assert (found.machine_words, found.machine_sure) == ((("dog", 0.9), ("beach", 0.25)), False)
    strengths = Fields.of(found).strengths
    assert 3 * strengths["beach"] < strengths["dog"] < Fields.of(document(photo(file("a.jpg")))).strengths["dog"]
    low = document(photo(file("a.jpg"), machine=replace(MACHINE, confidence=0.39)))
    assert (low.machine_words, low.machine_sure) == ((), False)


def test_an_empty_sentence_is_no_words() -> None:
    found = document(photo(file("a.jpg"), machine=replace(MACHINE, text="", tags=())))
    assert (found.machine_caption, found.machine_sure, found.tags) == ("", True, ())
    assert [text.field for text in Fields.of(found).texts] == ["file_names"]


def test_a_photo_whose_files_are_all_missing_keeps_their_names() -> None:
    assert document(photo(file("a/b.jpg", missing=True))).folders == ("a",)


def test_names_that_are_no_unicode_and_endless_texts_are_bounded() -> None:
    found = document(photo(file("a\udcff/b\udcff.jpg"), title="x" * 100_000))
    assert found.folders == ("a\ufffd",)
    assert found.file_names[0].encode() == "b\ufffd.jpg".encode()
    assert len(found.title) == MAX_TEXT_CHARS


def test_a_caption_that_only_the_file_remembers_is_found_too() -> None:
    caption = FileCaption("two cats", CaptionBy.MODEL, model="model-0")
    found = document(photo(file("a.jpg"), machine=None, machine_caption=caption))
    assert (found.machine_caption, found.tags, found.embedding) == ("two cats", (), None)


@pytest.mark.slow
def test_a_photo_with_a_position_is_found_by_its_place(tmp_path: Path) -> None:
    search = EmbeddedSearch(tmp_path / "search.db")
    search.put([document(photo(file("a.jpg"), position=Position(45.75, 4.87)))])
    for text in ("place:lyon", "lyon", "france", "place:France dog"):
        assert search.search(parse(text)).total == 1, text
    for text in ("place:paris", "-lyon"):
        assert search.search(parse(text)).total == 0, text
    (facets,) = search.facets(parse(""), ("place",)).values()
    assert {(facet.value, facet.count) for facet in facets} == {
        ("Lyon 08", 1),
        ("Lyon", 1),
        ("Auvergne-Rhône-Alpes", 1),
        ("France", 1),
    }
    search.close()


def test_a_photo_at_sea_has_no_place() -> None:
    assert document(photo(file("a.jpg"), position=Position(30.0, -40.0))).places == ()


def test_a_correction_is_the_person_s_caption_and_the_model_s_words_stay() -> None:
    corrected = replace(photo(file("a.jpg"), person_caption="Karl's boat"), correction="Oma feeds the ducks")
    found = document(corrected)
    assert (found.person_caption, found.machine_caption) == ("Oma feeds the ducks", MACHINE.text)


def test_the_words_of_a_photo_keep_their_order_and_a_long_text_its_beginning() -> None:
    assert list(Fields.of(document(photo())).strengths) == ["a", "dog", "on", "beach", "sand"]
    spelt = [f"{chr(97 + number // 676)}{chr(97 + number // 26 % 26)}{chr(97 + number % 26)}" for number in range(3000)]
    named = document(
        photo(machine=None, people=tuple(" ".join(spelt[start : start + 50]) for start in range(0, 3000, 50)))
    )
    assert list(Fields.of(named).strengths) == spelt[:2000]
