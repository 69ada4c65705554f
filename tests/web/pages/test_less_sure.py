"""The line between hits that are sure and those that are less so: on the page and in the API."""

from __future__ import annotations

import re

import pytest

from tests.web.conftest import Page, StartPage
from tests.web.library_made import MadePhoto, content_key
from web.search.searching import PHOTOS_PER_PAGE

TAGGED = MadePhoto("tagged.jpg", "a red sofa", tags=(("boat", 0.97), ("sofa", 0.9)))
UNSURE = MadePhoto("unsure.jpg", "a boat", 0.3, tags=(), sure=False)
DOUBTFUL = MadePhoto("doubtful.jpg", "a red sofa", tags=(("boat", 0.25),))
FOLDER = MadePhoto("boat/img.jpg", "a red sofa", tags=())
LINE = '<h2 class="month less-sure">'


@pytest.fixture
async def boats(start_page: StartPage) -> Page:
    return await start_page([UNSURE, TAGGED, DOUBTFUL, FOLDER])


def names_and_line(html: str) -> list[str]:
    """What stands in the grid, in order: the names of files, and the line."""
    found = re.findall(r'(<h2 class="month less-sure">)|class="tile [^"]*" id="p-([0-9a-f]{32})"', html)
    known = {content_key(photo.name): photo.name for photo in (TAGGED, UNSURE, DOUBTFUL, FOLDER)}
    return ["line" if line else known[key] for line, key in found]


async def test_weak_hits_stand_below_a_line(boats: Page) -> None:
    html = await boats.text("/?q=boat")
    assert f"{LINE}Less sure</h2>" in html
    shown = names_and_line(html)
    assert set(shown[:2]) == {TAGGED.name, FOLDER.name}
    assert shown[2] == "line"
    assert set(shown[3:]) == {UNSURE.name, DOUBTFUL.name}
    assert f"{LINE}Weniger sicher</h2>" in await boats.text("/?q=boat", headers={"Accept-Language": "de"})


async def test_where_nothing_is_sure_the_line_stands_above_everything(boats: Page) -> None:
    html = await boats.text("/?q=boat+-folder:boat+-tag:boat")
    assert names_and_line(html)[0] == "line"
    assert html.count(LINE) == 1


@pytest.mark.parametrize("query", ["", "folder:boat", "sofa", "before:2030"])
async def test_where_everything_is_sure_there_is_no_line(boats: Page, query: str) -> None:
    html = await boats.text(f"/?q={query}+-unsure.jpg" if query == "sofa" else f"/?q={query}")
    assert 'class="tile ' in html
    assert LINE not in html


@pytest.mark.parametrize("parameters", ["q=boat+sort:newest", "q=boat&sort=oldest"])
async def test_by_date_each_photo_says_it_for_itself(boats: Page, parameters: str) -> None:
    html = await boats.text(f"/?{parameters}")
    assert LINE not in html
    assert html.count("<small>less sure</small>") == 1  # the other one's caption says that it is not sure
    assert html.count('<small class="unsure">not sure</small>') == 1


async def test_the_line_stands_once_in_all_pages(start_page: StartPage) -> None:
    count = PHOTOS_PER_PAGE + 20
    page = await start_page(
        [
            MadePhoto(f"{number}.jpg", "a red sofa", tags=(("boat", 0.97 if number < PHOTOS_PER_PAGE // 2 else 0.25),))
            for number in range(count)
        ]
    )
    first, second = await page.text("/?q=boat&part=tiles"), await page.text("/?q=boat&part=tiles&page=2")
    assert (first.count(LINE), second.count(LINE)) == (1, 0)
    assert second.count('class="tile ') == 20
    for text in (first, second):  # the second time from the cache
        assert text in {await page.text("/?q=boat&part=tiles"), await page.text("/?q=boat&part=tiles&page=2")}


async def test_a_page_may_begin_with_the_line(start_page: StartPage) -> None:
    page = await start_page(
        [
            MadePhoto(f"{number}.jpg", "a red sofa", tags=(("boat", 0.97 if number < PHOTOS_PER_PAGE else 0.25),))
            for number in range(PHOTOS_PER_PAGE + 5)
        ]
    )
    first, second = await page.text("/?q=boat&part=tiles"), await page.text("/?q=boat&part=tiles&page=2")
    assert (first.count(LINE), second.count(LINE)) == (0, 1)
    assert second.index(LINE) < second.index('class="tile ')


async def test_the_api_says_it_of_each_hit_and_how_many_are_sure(boats: Page) -> None:
    answer = await boats.json("/api/search?q=boat")
    assert (answer["total"], answer["sure"]) == (4, 2)
    assert [hit["sure"] for hit in answer["hits"]] == [True, True, False, False]
    assert all(hit["sure"] for hit in (await boats.json("/api/search?q="))["hits"])


async def test_photos_are_chosen_below_the_line_too(boats: Page) -> None:
    html = await boats.text("/?q=boat&select=1")
    assert html.count(LINE) == 1
    assert html.count('<input type="checkbox" form="selecting"') == 4


@pytest.mark.parametrize("sort", ["relevance", "newest"])
async def test_a_photo_that_is_sure_says_that_only_its_caption_is_not(start_page: StartPage, sort: str) -> None:
    page = await start_page([UNSURE, MadePhoto("boat/other.jpg", "a red sofa", 0.3, tags=(), sure=False)])
    html = await page.text(f"/?q=boat&sort={sort}")
    doubts = re.findall(r'<small class="unsure">([^<]*)</small>', html)
    assert sorted(doubts) == ["caption not sure", "not sure"]
    german = await page.text(f"/?q=boat&sort={sort}", headers={"Accept-Language": "de"})
    assert german.count('<small class="unsure">Beschreibung unsicher</small>') == 1
    browsed = await page.text("/")
    assert re.findall(r'<small class="unsure">([^<]*)</small>', browsed) == ["not sure", "not sure"]
