"""What comes with each letter that is typed, and what follows when the typing pauses: together the page as it is."""

from __future__ import annotations

import re

import pytest

from tests.web.conftest import Page, StartPage
from tests.web.library_made import MadePhoto, many
from web.search.searching import PHOTOS_PER_PAGE, PHOTOS_WHILE_TYPING

GRID = re.compile(r'<div class="grid[^>]*>(.*)</div>', re.DOTALL)
PAGER = re.compile(r'<span class="fill"></span><p class="pager more".*?</p>')


def tiles(html: str) -> str:
    """A grid without its pager and line breaks, which say nothing between tiles."""
    return PAGER.sub("", html).replace("\n", "")


def grid(html: str) -> str:
    found = GRID.search(html)
    assert found
    return found[1]


@pytest.fixture
async def boats(start_page: StartPage) -> Page:
    """More photos than a page has, of several months; less sure ones from the middle of the rest of the first page."""
    border = (PHOTOS_WHILE_TYPING + PHOTOS_PER_PAGE) // 2
    return await start_page(
        [
            MadePhoto(
                photo.name, "a red sofa", tags=(("boat", 0.97 if at < border else 0.25),), metadata=photo.metadata
            )
            for at, photo in enumerate(many(PHOTOS_PER_PAGE + 5))
        ]
    )


@pytest.mark.parametrize("parameters", ["q=boat", "q=boat&sort=oldest", "q=", "q=boat&sort=newest"])
async def test_beginning_and_rest_are_the_page(boats: Page, parameters: str) -> None:
    whole = await boats.text(f"/?{parameters}&part=results")
    beginning = await boats.text(f"/?{parameters}&part=beginning")
    rest = await boats.text(f"/?{parameters}&part=rest")
    assert beginning.count('class="tile ') == PHOTOS_WHILE_TYPING
    assert tiles(grid(beginning)) + tiles(rest) == tiles(grid(whole))
    head, head_of_whole = (html.partition('<div class="grid')[0] for html in (beginning, whole))
    assert head == head_of_whole
    assert PAGER.findall(rest) == PAGER.findall(whole)
    assert "data-rest" in beginning
    assert "data-rest" not in rest + whole


async def test_a_line_or_month_that_begins_with_the_rest_stands_there(start_page: StartPage) -> None:
    page = await start_page(
        [
            MadePhoto(f"{at}.jpg", "a red sofa", tags=(("boat", 0.97 if at < PHOTOS_WHILE_TYPING else 0.25),))
            for at in range(PHOTOS_WHILE_TYPING + 3)
        ]
    )
    assert "Less sure" not in await page.text("/?q=boat&part=beginning")
    assert (await page.text("/?q=boat&part=rest")).count("Less sure") == 1


async def test_few_photos_come_at_once(start_page: StartPage) -> None:
    page = await start_page(list(many(PHOTOS_WHILE_TYPING)))
    beginning = await page.text("/?part=beginning")
    assert beginning == await page.text("/?part=results")
    assert "data-rest" not in beginning


async def test_what_nearly_matches_is_told_when_the_typing_pauses(page: Page) -> None:
    typed, paused = [await page.text(f"/?q=dog+year:1990&part={part}") for part in ("beginning", "results")]
    assert "data-unfinished" in typed
    assert "without a part of it" not in typed
    assert "without a part of it" in paused
    assert "data-unfinished" not in paused
    one_part = await page.text("/?q=zzzzzz&part=beginning")
    assert "Nothing found" in one_part
    assert "data-unfinished" not in one_part
