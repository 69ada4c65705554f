"""Which words of a query only say how many, and what that does to what is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from indexer.search import Query
from indexer.search.counts import without_counts
from indexer.search.query import parse

CASES = [
    line.split("\t")
    for line in (Path(__file__).parent / "data" / "count_queries.tsv").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
]


@pytest.mark.parametrize(("text", "counts", "kept"), CASES, ids=[case[0] for case in CASES])
def test_words_that_say_how_many_are_told_from_others(text: str, counts: str, kept: str) -> None:
    query = without_counts(parse(text))
    assert (" ".join(query.counts) or "-", " ".join(query.words) or "-") == (counts, kept)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Drei Zinnen", {"drei", "zinnen"}),
        ("seven sisters cliffs", {"seven", "sisters"}),
        ("galaxy 8 photos beach", {"galaxy", "8"}),
        ("anna two", {"anna", "two"}),
    ],
)
def test_what_the_library_has_as_a_name_is_no_count(text: str, names: set[str]) -> None:
    query = without_counts(parse(text), lambda: frozenset(names))
    assert query.counts == ()


def test_a_name_elsewhere_makes_no_name_of_a_number() -> None:
    query = without_counts(parse("2 dogs"), lambda: frozenset({"pixel", "2"}))
    assert query.counts == ("2",)


def test_a_word_before_a_finished_number_is_finished() -> None:
    assert without_counts(parse("dogs two")).prefix_last is False
    assert without_counts(parse("two dog")).prefix_last is True


def test_the_vector_goes_with_the_words_that_it_stands_for() -> None:
    vector = (1.0, 0.0)
    query = Query(words=("two", "dogs"), vector=vector, model="test-1", meant=("two", "dogs"))
    assert without_counts(query).meant == ("dogs",)
    assert without_counts(query).vector == vector
    named = Query(words=("two", "annas"), vector=vector, model="test-1", meant=("two",))
    assert without_counts(named).vector is None
