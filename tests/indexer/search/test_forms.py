"""Forms, parts and spellings of words: what finds each other, and what must not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from indexer.search.aliases import AliasKind, aliases_of, spelt_out, with_umlauts
from indexer.search.compounds import part_keys, parts, parts_in
from indexer.search.inflections import LANGUAGES, are_forms
from indexer.search.languages import languages_among, noun_stem
from indexer.text import words


def _pairs() -> Iterator[tuple[str, str, bool]]:
    table = Path(__file__).with_name("data") / "compounds.tsv"
    for line in table.read_text(encoding="utf-8").splitlines()[1:]:
        typed, word, answer = line.split("\t")
        yield typed, word, {"yes": True, "no": False}[answer]


@pytest.mark.parametrize(("typed", "word", "is_part"), list(_pairs()))
def test_a_word_is_found_by_its_parts_and_by_nothing_that_it_only_ends_in(typed: str, word: str, is_part: bool) -> None:
    keys = {alias.text for alias in aliases_of(word) if alias.kind is AliasKind.PART}
    assert (not keys.isdisjoint(part_keys(words(typed)[0]))) is is_part


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Geburtstagstorte", ["Geburtstags", "torte"]),
        ("BirthdayParty", ["Birthday", "Party"]),
        ("SommerurlaubAnna", ["Sommerurlaub", "Anna", "Sommer", "urlaub"]),
        ("Straßenfest", ["Straßenfest", "Straßenfest"]),
        ("iPhone", []),
        ("McDonald", []),
        ("DSC", []),
        ("garage", []),
    ],
)
def test_parts_stand_where_they_are_written(text: str, expected: list[str]) -> None:
    assert [text[part.start : part.end] for part in parts_in(text)] == expected


def test_parts_are_of_the_word_itself() -> None:
    for word in ("geburtstagstorte", "strawberries", "kindergeburtstag"):
        assert all(word[part.start : part.end] == part.word for part in parts(word))
        assert parts(word)


@pytest.mark.parametrize(
    ("language", "one", "other"),
    [
        *(
            ("german", *pair.split())
            for pair in ("kind kinder", "haus hauser", "hund hunde", "katze katzen", "berg berge")
        ),
        *(("german", *pair.split()) for pair in ("schloss schlosser", "baum baumen", "oma omas", "schule schulen")),
        *(
            ("french", *pair.split())
            for pair in ("plage plages", "chateau chateaux", "cheval chevaux", "enfant enfants")
        ),
        *(("spanish", *pair.split()) for pair in ("playa playas", "nino ninos", "flor flores", "nino nina")),
        *(("italian", *pair.split()) for pair in ("spiaggia spiagge", "bambino bambini", "barca barche")),
        *(("dutch", *pair.split()) for pair in ("hond honden", "boot boten", "kat katten", "tuin tuinen")),
    ],
)
def test_forms_of_a_word(language: str, one: str, other: str) -> None:
    assert are_forms(one, other, language)
    assert are_forms(other, one, language)


@pytest.mark.parametrize(
    ("language", "one", "other"),
    [
        *(("german", *pair.split()) for pair in ("wand wandern", "peter pet", "schule schuler", "kuche kuchen")),
        *(("german", *pair.split()) for pair in ("corn corner", "flow flower", "ost ostern", "car care", "plan plane")),
        *(("spanish", *pair.split()) for pair in ("park parka", "plan plane")),
    ],
)
def test_words_that_are_no_forms_of_each_other(language: str, one: str, other: str) -> None:
    assert not are_forms(one, other, language)


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ("a dog on the beach", []),
        ("katzen", ["german"]),
        ("anna und der hund mit dem ball", ["german"]),
        ("les plages", ["french"]),
        ("playas", ["spanish"]),
        ("spiagge", ["italian"]),
        ("verjaardag", ["dutch"]),
        ("los angeles", []),
        ("rio de janeiro", []),
        ("le mans la rochelle", []),
    ],
)
def test_languages_are_told_from_their_words(known: str, expected: list[str]) -> None:
    assert list(languages_among(set(known.split()))) == expected


def test_forms_of_a_noun_have_one_name_that_is_no_word() -> None:
    assert noun_stem("katze") == noun_stem("katzen") != ""
    assert noun_stem("playa") != noun_stem("play")
    assert noun_stem("dog") == ""
    assert set(LANGUAGES) == {"german", "french", "spanish", "italian", "dutch"}


@pytest.mark.parametrize(
    ("typed", "expected"), [("Öl", "oel"), ("KÄSE", "kaese"), ("Ærø", "aeroe"), ("Poet", ""), ("Straße", "")]
)
def test_umlauts_spelt_out(typed: str, expected: str) -> None:
    assert spelt_out(typed) == expected


@pytest.mark.parametrize(
    ("typed", "expected"),
    [("schloesser", "schlosser"), ("baeume", "baume"), ("poet", ""), ("israel", ""), ("joel", ""), ("duell", "")],
)
def test_two_letters_stand_for_an_umlaut_in_german_nouns_alone(typed: str, expected: str) -> None:
    assert with_umlauts(typed) == expected
