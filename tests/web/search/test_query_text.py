"""Chips rewrite the query as text; what they write, the query language reads."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.search.query import parse
from web.search import query_text

QUERY = 'dog -night "birthday cake" camera:"Pixel 7" year:2019'


def test_tokens_are_the_parts_as_typed() -> None:
    assert query_text.tokens(QUERY) == ("dog", "-night", '"birthday cake"', 'camera:"Pixel 7"', "year:2019")


@pytest.mark.parametrize(
    ("query", "name", "value", "narrowed"),
    [
        ("", "person", "Anna", "person:Anna"),
        ("dog", "camera", "Pixel 7", 'dog camera:"Pixel 7"'),
        ("dog person:Anna", "person", "Anna", "dog person:Anna"),
        ("dog person:Anna", "person", "Ben", "dog person:Anna person:Ben"),
        ("year:2019 dog", "year", "2020", "dog year:2020"),
        ("", "folder", 'a "b" c', 'folder:"a b c"'),
    ],
)
def test_a_chip_narrows_the_query(query: str, name: str, value: str, narrowed: str) -> None:
    assert query_text.with_filter(query, name, value) == narrowed


@given(st.text(max_size=60), st.text(st.characters(categories=("L", "N", "P", "Zs")), min_size=1, max_size=30))
def test_what_a_chip_writes_is_read_as_that_filter(query: str, value: str) -> None:
    words = " ".join(part for part in query.split() if ":" not in part and '"' not in part)
    narrowed = query_text.with_filter(words, "person", value)
    if not value.replace('"', " ").strip():
        return
    assert "person" in [item.name for item in parse(narrowed).filters]


def test_replacing_a_word_or_a_filter_keeps_the_rest() -> None:
    assert query_text.replace_part(QUERY, "DOG", "cat") == QUERY.replace("dog", "cat")
    assert query_text.replace_part(QUERY, "year:2019", "year:2020") == QUERY.replace("2019", "2020")
    assert query_text.replace_part(QUERY, "absent", "cat") == QUERY


def test_only_names_of_filters_make_filters() -> None:
    assert query_text.filter_name("-Camera:x") == "camera"
    assert query_text.filter_name("12:30") is None
    assert query_text.filter_name("https://example.org") is None
    assert query_text.filter_value('camera:"Pixel 7"') == "Pixel 7"
