"""Which place a search means, which searches nearly the same find something, and why a photo was found on a phone."""

from __future__ import annotations

import pytest

from indexer.model import Position
from tests.web.conftest import Page, StartPage
from tests.web.library_made import MadePhoto, titled
from tests.web.pages.test_pages import assert_state, links
from web.search.results import place_hints
from web.search.searching import Search

LYON = titled(MadePhoto("quay.jpg", "a boat on a river"), position=Position(45.76, 4.84), people=("Anna",))
MISSOURI = titled(MadePhoto("diner.jpg", "a diner at night"), position=Position(37.21, -93.29))


@pytest.fixture
async def places(start_page: StartPage) -> Page:
    """A photo taken in Lyon, one in Springfield, Missouri, and one nowhere."""
    return await start_page([LYON, MISSOURI, MadePhoto("dog.jpg")])


def meant(text: str) -> list[tuple[str, str, list[str]]]:
    hints = place_hints(Search(text, None, 1, 0))
    return [(one.place, one.radius, [link.text for link in one.others]) for one in hints]


@pytest.mark.slow
def test_the_place_and_the_radius_are_said() -> None:
    assert meant("dog near:Lyon") == [("Lyon, Auvergne-Rhône-Alpes, France", "10 km", [])]
    assert meant("near:lyon,25km") == [("Lyon, Auvergne-Rhône-Alpes, France", "25 km", [])]
    assert meant("-near:Lyon") == [("Lyon, Auvergne-Rhône-Alpes, France", "10 km", [])]
    assert meant("near:45.7,4.8 near: lyon") == []
    ((place, radius, others),) = meant('near:"springfield, 5 km"')
    assert (place, radius) == ("Springfield, Missouri, United States", "5 km")
    assert others[0] == "Springfield, Massachusetts, United States"


async def test_photos_are_found_near_a_town_by_its_name(places: Page) -> None:
    html = await places.text("/?q=near:Lyon")
    assert html.count('class="tile ') == 1
    assert "Near <bdi>Lyon, Auvergne-Rhône-Alpes, France</bdi>, within 10 km." in html
    assert (await places.json("/api/search?q=-near:Lyon"))["total"] == 2


async def test_of_several_towns_of_one_name_the_others_are_a_click_away(places: Page) -> None:
    html = await places.text("/?q=near:springfield,20km")
    assert html.count('class="tile ') == 1
    others = [link for link in links(html) if "Massachusetts" in link]
    assert others
    assert "Nothing found" in await places.text(others[0])
    assert "Near <bdi>Springfield, Massachusetts, United States</bdi>, within 20 km." in await places.text(others[0])


async def test_a_misspelt_town_leads_to_the_right_one(places: Page) -> None:
    html = await places.text("/?q=boat+near:Lyonn", status=400)
    assert_state(html, "did you mean near:Lyon?")
    assert "/?q=boat+near%3ALyon" in links(html)


async def test_nothing_found_offers_what_nearly_matches_with_counts(places: Page) -> None:
    html = await places.text("/?q=boat+-anna+year:2021")
    assert_state(html, "Nothing found")
    assert "/?q=boat+year%3A2021" in links(html)
    assert "/?q=-anna+year%3A2021" in links(html)
    assert "/?q=boat+-anna" not in links(html, "chip"), "that finds nothing either"
    assert '<q dir="auto">boat -anna year:2021</q>' in html


async def test_a_search_of_one_part_has_nothing_near(places: Page) -> None:
    html = await places.text("/?q=year:1950")
    assert_state(html, "Nothing found")
    assert "/" in links(html, "chip"), "the filter can be taken away"


async def test_tiles_say_why_only_where_something_was_asked_for(places: Page) -> None:
    assert '<div class="grid by-words"' in await places.text("/?q=boat")
    assert '<div class="grid" ' in await places.text("/?q=near:Lyon")


async def test_towns_and_countries_are_found_by_name(places: Page) -> None:
    for text in (
        "lyon",
        "France",
        "auvergne",
        "place:rhone",
        "missouri",
        "place:Missouri",
        "united states springfield",
    ):
        assert (await places.json("/api/search", params={"q": text}))["total"] == 1, text


async def test_nothing_is_offered_that_only_a_number_would_find(start_page: StartPage) -> None:
    page = await start_page([MadePhoto("zebras.jpg", "two zebras at a lake"), MadePhoto("cat.jpg", "a black cat")])
    html = await page.text("/?q=two+horses")
    assert "Nothing found" in html
    assert "without <bdi>" not in html
    assert "without <bdi>year:1999</bdi>" in await page.text("/?q=two+cats+year:1999")
