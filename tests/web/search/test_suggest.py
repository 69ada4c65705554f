"""What is suggested for the end of a query, and how the API tells it."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.search import FacetCount
from tests.web.conftest import Page, StartPage
from tests.web.library_made import MadePhoto, many, push, titled
from tests.web.test_hostile import SCRIPT
from web.search.suggest import MAX_SUGGESTIONS, Names, suggestions


def counted(*values: str) -> tuple[FacetCount, ...]:
    return tuple(FacetCount(value, 1) for value in values)


NAMES = Names(
    {
        "person": counted("Anna Smith", "Ben", "Joanna"),
        "place": counted("France", "Lyon", "New York City"),
        "folder": counted("Summer 2019", "2019/Summer trip"),
        "camera": counted("Canon EOS 80D"),
        "tag": counted("beach", "hot dog"),
        "type": counted("jpeg", "heic"),
        "year": counted("2021", "2020", "2019"),
    }
)
WORDS = ("beach", "bear", "dog", "doggy", "canal", "zürich")
TOWNS = ("Paris", "Lyon", "Lyndhurst")


def suggested(query: str, at: int | None = None) -> list[tuple[str, str, str]]:
    def vocabulary(beginning: str) -> list[str]:
        return [word for word in WORDS if word.startswith(beginning.lower())]

    def towns(beginning: str) -> list[str]:
        return [town for town in TOWNS if town.lower().startswith(beginning.lower())]

    at = len(query) if at is None else at
    return [(one.text, one.kind, one.query) for one in suggestions(query, at, NAMES, vocabulary, towns)]


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("be", ("Ben", "person", "person:Ben ")),
        ("snow bea", ("beach", "word", "snow beach ")),
        ("snow -bea", ("beach", "word", "snow -beach ")),
        ("smi", ("Anna Smith", "person", 'person:"Anna Smith" ')),
        ("dog new y", ("New York City", "place", 'dog place:"New York City" ')),
        ("-an", ("Anna Smith", "person", '-person:"Anna Smith" ')),
        ("ho", ("hot dog", "tag", 'tag:"hot dog" ')),
        ("summ", ("Summer 2019", "folder", 'folder:"Summer 2019" ')),
        ("eo", ("Canon EOS 80D", "camera", 'camera:"Canon EOS 80D" ')),
        ("cam", ("camera:", "filter", "camera:")),
        ("person:", ("Anna Smith", "person", 'person:"Anna Smith" ')),
        ("dog person:jo", ("Joanna", "person", "dog person:Joanna ")),
        ('person:"anna s', ("Anna Smith", "person", 'person:"Anna Smith" ')),
        ("-Folder:tr", ("2019/Summer trip", "folder", '-Folder:"2019/Summer trip" ')),
        ("year:20", ("2021", "year", "year:2021 ")),
        ("before:201", ("2019", "before", "before:2019 ")),
        ("after:3", ("30d", "after", "after:30d ")),
        ("sort:o", ("oldest", "sort", "sort:oldest ")),
        ("rating:", (">=4", "rating", "rating:>=4 ")),
        ("type:h", ("heic", "type", "type:heic ")),
        ("near:ly", ("Lyon", "near", "near:Lyon ")),
    ],
)
def test_the_likeliest_comes_first(query: str, first: tuple[str, str, str]) -> None:
    assert suggested(query)[0] == first


@pytest.mark.parametrize(
    "query",
    ["", "dog ", "xq", "beach", '"birthday be', "person:Ben", "near:fra", "sort:newest", "12:30", "::", "-"],
)
def test_nothing_is_suggested_where_nothing_follows(query: str) -> None:
    assert suggested(query) == []


def test_what_stands_behind_the_cursor_stays() -> None:
    assert suggested("snow be cake", at=7)[1] == ("beach", "word", "snow beach cake")
    assert suggested("snow beach cake", at=7) == [], "in the middle of a word"
    assert suggested("person:j year:2019", at=8)[0][2] == "person:Joanna year:2019"


def test_one_thing_is_offered_once() -> None:
    texts = [text.lower() for text, _, _ in suggested("be")]
    assert texts == ["ben", "beach", "bear", "before:"]
    assert len(suggested("a")) <= MAX_SUGGESTIONS


@given(st.text("abn -:\"'\\éß海👩%", max_size=30), st.integers(0, 30))
def test_any_text_can_be_gone_on_from(query: str, at: int) -> None:
    for one in suggestions(query, at, NAMES, lambda beginning: WORDS, lambda beginning: TOWNS):
        assert 0 < one.at <= len(one.query)
        assert one.query.endswith(query[at:].lstrip())


def texts(answer: dict[str, Iterable[dict[str, str]]]) -> list[tuple[str, str]]:
    return [(one["text"], one["kind"]) for one in answer["suggestions"]]


async def test_the_api_suggests_what_the_library_has(page: Page) -> None:
    answer = await page.json("/api/suggest?q=dog+an")
    assert answer["suggestions"][0] == {"text": "Anna", "kind": "person", "query": "dog person:Anna ", "at": 16}
    assert ("beach", "word") in texts(await page.json("/api/suggest?q=bea"))
    assert texts(await page.json("/api/suggest?q=camera:")) == [
        ("Canon EOS 80D", "camera"),
        ("Google Pixel 7", "camera"),
    ]
    assert texts(await page.json("/api/suggest?q=near:Lyo"))[0] == ("Lyon", "near")
    assert texts(await page.json("/api/suggest?q=")) == []
    assert texts(await page.json("/api/suggest?q=an+dog&at=2"))[0] == ("Anna", "person")


@pytest.mark.parametrize("query", ["q=a&at=x", "q=a&at=-1", "q=" + "x" * 501])
async def test_a_request_for_suggestions_that_makes_no_sense(page: Page, query: str) -> None:
    assert (await page.json(f"/api/suggest?{query}", status=400))["error"]["status"] == 400


async def test_a_suggestion_is_never_too_long_to_be_searched(page: Page) -> None:
    long = "x" * 490
    assert all(len(one["query"]) <= 500 for one in (await page.json(f"/api/suggest?q={long}+an"))["suggestions"])


async def test_hostile_names_are_suggested_as_text(start_page: StartPage) -> None:
    page = await start_page([titled(MadePhoto("a.jpg"), people=(SCRIPT, 'Al"ice'))])
    answer = (await page.json("/api/suggest?q=person:"))["suggestions"]
    for one in answer:
        assert (await page.json("/api/search", params={"q": one["query"]}))["total"] == 1


@pytest.mark.slow
async def test_every_suggested_query_finds_photos(start_page: StartPage) -> None:
    page = await start_page(list(many(24)))
    push(page.storage)
    for typed in ("an", "be", "c", "s", "person:", "camera:", "folder:", "year:", "type:"):
        for one in (await page.json("/api/suggest", params={"q": typed}))["suggestions"]:
            if one["kind"] != "filter":
                assert (await page.json("/api/search", params={"q": one["query"]}))["total"], one
