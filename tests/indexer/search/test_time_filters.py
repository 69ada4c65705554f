"""What a time condition lets pass: the embedded filter, and Meilisearch's expression evaluated as its manual says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from indexer.model import DatePrecision, Position
from indexer.search import Filter, Query
from indexer.search.embedded.backend import EmbeddedSearch
from indexer.search.filters import TIME
from indexer.search.meilisearch.layout import FACET, to_server_json
from indexer.search.meilisearch.request import FacetValues, filter_expression
from tests.indexer.search.test_search_contract import photo

NORTH, SOUTH = Position(48.1, 11.6), Position(-33.9, 151.2)
YEAR, MONTH, DAY = DatePrecision.YEAR, DatePrecision.MONTH, DatePrecision.DAY
PHOTOS = (
    photo(1, taken_at=datetime(2018, 12, 24, 18, 30), position=NORTH),  # a Monday
    photo(2, taken_at=datetime(2018, 12, 24, 9, 0), position=SOUTH),
    photo(3, taken_at=datetime(2019, 7, 14, 23, 15), position=NORTH),  # a Sunday
    photo(4, taken_at=datetime(2019, 7, 14, 2, 0), position=SOUTH),
    photo(5, taken_at=datetime(2019, 4, 21, 0, 0), taken_precision=DAY),  # Easter Sunday
    photo(6, taken_at=datetime(2019, 1, 1), taken_precision=YEAR),
    photo(7, taken_at=datetime(2019, 7, 1), taken_precision=MONTH),
    photo(8),
    photo(9, taken_at=datetime(2020, 2, 29, 12, 0)),
    photo(10, taken_at=datetime(1950, 1, 1), taken_precision=YEAR, position=NORTH),
)
CONDITIONS = [
    ("2018-12-24..2018-12-26", [1, 2]),
    ("2019-07", [3, 4, 6, 7]),  # of 2019 no more than the year is known
    ("2019-07-14", [3, 4]),
    ("2019", [3, 4, 5, 6, 7]),
    ("2018..2019", [1, 2, 3, 4, 5, 6, 7]),
    ("..2018", [1, 2, 10]),
    ("2020..", [9]),
    ("--07", [3, 4, 7]),
    ("--02-29", [9]),
    ("--12-24..--12-26", [1, 2]),
    ("--12..--02", [1, 2, 9]),
    ("easter", [5]),
    ("--06..--08|--12..--02", [2, 3, 7]),  # summers
    ("2019-06..2019-08|2019-01..2019-02,2019-12..2020-02", [3, 6, 7]),
    ("sun", [3, 4, 5]),
    ("mon,tue", [1, 2]),
    ("21:00..05:00", [3, 4]),
    ("05:00..12:00", [2]),
    ("mon+17:00..22:00", [1]),
    ("undated", [8]),
]


@pytest.mark.parametrize(("condition", "found"), CONDITIONS)
def test_photos_pass_by_when_they_were_taken(tmp_path: Path, condition: str, found: list[int]) -> None:
    with_embedded = EmbeddedSearch(tmp_path / "search.db")
    try:
        with_embedded.put(PHOTOS)
        for negated, expected in ((False, found), (True, [n for n in range(1, 11) if n not in found])):
            query = Query(filters=(Filter(TIME, condition, negated),))
            assert sorted(int(hit.id, 16) for hit in with_embedded.search(query).hits) == expected
            assert _by_expression(query) == expected
    finally:
        with_embedded.close()


def test_photos_without_a_position_go_with_most_of_the_others(tmp_path: Path) -> None:
    photos = (
        photo(1, taken_at=datetime(2019, 1, 10), position=SOUTH),
        photo(2, taken_at=datetime(2019, 1, 10)),
        photo(3, taken_at=datetime(2019, 7, 10)),
    )
    search = EmbeddedSearch(tmp_path / "search.db")
    try:
        search.put(photos)
        query = Query(filters=(Filter(TIME, "--06..--08|--12..--02"),))
        assert sorted(int(hit.id, 16) for hit in search.search(query).hits) == [1, 2]
        assert _by_expression(query, photos) == [1, 2]
    finally:
        search.close()


def _by_expression(query: Query, photos: Any = PHOTOS) -> list[int]:
    documents = [to_server_json(one, ()) for one in photos]

    def ask(names: Any) -> Mapping[str, Mapping[str, int]]:
        counted: dict[str, dict[str, int]] = {name: {} for name in names}
        for name in names:
            for one in documents:
                for value in one.get(f"{FACET}{name}", ()):
                    counted[name][value] = counted[name].get(value, 0) + 1
        return counted

    (expression,), _ = filter_expression(query.filters, FacetValues(ask))
    return [int(one["id"], 16) for one in documents if _passes(expression, one)]


_TOKEN = re.compile(r'\s*(?:("[^"]*")|([()\[\],])|(>=|<=|=|<|>)|(-?\d+)|([\w]+))')


def _passes(expression: str, document: Mapping[str, Any]) -> bool:
    """https://www.meilisearch.com/docs/learn/filtering_and_sorting/filter_expression_reference: NOT binds closer than
    AND, AND closer than OR; what an attribute that is not there is compared with is not so."""
    tokens = [next(part for part in match.groups() if part is not None) for match in _TOKEN.finditer(expression)]
    assert "".join(tokens) == re.sub(r"\s+", "", expression), expression

    def take() -> str:
        return tokens.pop(0)

    def any_of() -> bool:
        result = all_of()
        while tokens and tokens[0] == "OR":
            take()
            result = all_of() or result
        return result

    def all_of() -> bool:
        result = one()
        while tokens and tokens[0] == "AND":
            take()
            result = one() and result
        return result

    def one() -> bool:
        token = take()
        if token == "NOT":
            return not one()
        if token == "(":
            result = any_of()
            assert take() == ")"
            return result
        return compared(token)

    def compared(attribute: str) -> bool:
        operator = take()
        if operator in {"NOT", "IN"}:
            if operator == "NOT":
                assert take() == "IN"
            assert take() == "["
            wanted = set()
            while (token := take()) != "]":
                if token != ",":
                    wanted.add(token.strip('"'))
            return bool(wanted & set(values(attribute))) is (operator == "IN")
        other = take().strip('"')
        if operator == "=":
            return other in values(attribute)
        number = document.get(attribute)
        if number is None:
            return False
        return {">=": number >= int(other), "<": number < int(other)}[operator]

    def values(attribute: str) -> list[str]:
        found = document.get(attribute, [])
        return list(map(str, found if isinstance(found, list) else [found]))

    result = any_of()
    assert not tokens
    return result
