"""Tokens of the query language: nothing is lost, and whoever edits a query cuts it where the reader does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.errors import SearchError
from indexer.search import FilterError, Query
from indexer.search.query import parse
from indexer.search.tokens import tokenize

ODD = st.text(alphabet="ab \"-:'é1\t", max_size=24)


@given(ODD)
def test_every_character_is_in_one_token(text: str) -> None:
    tokens = list(tokenize(text))
    assert [text[token.start : token.end] for token in tokens] == [token.text for token in tokens]
    covered = "".join(token.text for token in tokens)
    assert "".join(covered.split()) == "".join(text.split())


@given(ODD)
def test_a_query_put_together_from_its_tokens_is_the_same_query(text: str) -> None:
    def read(query: str) -> Query | str:
        try:
            return parse(query)
        except (FilterError, SearchError) as error:
            return str(error)

    rebuilt = " ".join(token.text for token in tokenize(text))
    if text[-1:].isspace():
        rebuilt += " "
    assert read(rebuilt) == read(text)


@pytest.mark.parametrize(
    ("text", "is_open", "start"),
    [('camera:"Pix', True, 7), ('camera:"Pix"', False, 7), ("-camera:Pix", False, 8), ('camera:"', True, 7)],
)
def test_where_a_value_begins_and_whether_it_goes_on(text: str, is_open: bool, start: int) -> None:
    [token] = tokenize(text)
    assert (token.is_open, token.value_start) == (is_open, start)
    assert (token.value or "").strip('"') in {"Pix", ""}
