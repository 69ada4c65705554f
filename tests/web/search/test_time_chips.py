"""Times that were read in a search: what the page and the API say of them, and how a click takes them back."""

from __future__ import annotations

import re
from datetime import datetime
from urllib.parse import parse_qs, urlsplit

import pytest

from indexer.model import DatePrecision
from indexer.search import Sort
from indexer.search.time_words import TimeReader
from tests.web.conftest import StartPage
from tests.web.library_made import MadePhoto, content_key, titled
from tests.web.pages.test_pages import links
from web.i18n.language import Languages, read_languages
from web.search.results import active_filters
from web.search.searching import Search
from web.search.time_chips import time_chips, time_text

CHRISTMAS = titled(MadePhoto("a.jpg", "a dog in the snow"), taken_at=datetime(2018, 12, 25, 9, 0))
OF_THE_YEAR = titled(
    MadePhoto("b.jpg", "a dog by a car"), taken_at=datetime(2018, 1, 1), taken_precision=DatePrecision.YEAR
)
OTHER = titled(MadePhoto("c.jpg", "a dog on a lawn"), taken_at=datetime(2021, 7, 14, 15, 0))
ALBUM = titled(MadePhoto("Christmas 2018/d.jpg", "a dog on a couch"), taken_at=None)
LIBRARY = (CHRISTMAS, OF_THE_YEAR, OTHER, ALBUM)


@pytest.mark.parametrize(
    ("value", "english", "german"),
    [
        ("2018-12-24", "24 Dec 2018", "24. Dez. 2018"),
        ("2018-12-24..2018-12-26", "24-26 Dec 2018", "24.-26. Dez. 2018"),
        ("2019-07", "July 2019", "Juli 2019"),
        ("2015..2017", "2015-2017", "2015-2017"),
        ("2015..2017-07", "2015-July 2017", "2015-Juli 2017"),
        ("--12..--02", "December-February, every year", "Dezember-Februar, jedes Jahr"),
        ("--12-24..--12-26", "24-26 Dec, every year", "24.-26. Dez., jedes Jahr"),
        ("2018,2019", "2018, 2019", "2018, 2019"),
        ("..2009", "until 2009", "bis 2009"),
        ("2019..", "from 2019 on", "ab 2019"),
        ("--07", "July, every year", "Juli, jedes Jahr"),
        ("--12-25", "25 Dec, every year", "25. Dez., jedes Jahr"),
        ("easter", "every year", "jedes Jahr"),
        ("sat,sun", "Saturday, Sunday", "Samstag, Sonntag"),
        ("21:00..05:00", "21:00-05:00", "21:00-05:00"),
        (
            "2023-06..2023-08|2023-12..2024-02",
            "June-August 2023, south of the equator half a year off",
            "Juni-August 2023, südlich des Äquators ein halbes Jahr versetzt",
        ),
    ],
)
def test_a_time_is_told_in_the_reader_s_language(value: str, english: str, german: str) -> None:
    languages = Languages(read_languages())
    with languages.for_header("en-GB").as_current():
        assert _plain(time_text(value)) == english
    with languages.for_header("de").as_current():
        assert _plain(time_text(value)) == german


def _plain(text: str) -> str:
    """With a hyphen for each dash, without the spaces around it, which differ from one CLDR to the next."""
    return re.sub(r"\s*\u2013\s*", "-", text)


def test_a_click_takes_a_reading_back_and_another_one_makes_it_again() -> None:
    search = Search("dog christmas 2018 -cat", Sort.OLDEST, 1, 0)
    (chip,) = time_chips(search)
    assert (chip.words, chip.applied) == ("christmas 2018", True)
    as_words = parse_qs(urlsplit(chip.url).query)
    assert as_words == {"q": ['dog words:"christmas 2018" -cat'], "sort": ["oldest"]}
    back = Search(as_words["q"][0], Sort.OLDEST, 1, 0)
    assert not time_chips(back)
    assert back.query().words == ("dog", "christmas", "2018")
    assert not back.query().filters
    (link,) = active_filters(back)
    assert parse_qs(urlsplit(link.url).query)["q"] == ["dog christmas 2018 -cat"]


def test_what_may_be_a_time_is_offered_and_a_click_takes_it_for_one() -> None:
    search = Search("may", None, 1, 0)
    assert search.query().words == ("may",)
    (chip,) = time_chips(search)
    assert (chip.applied, chip.meaning) == (False, "May, every year")
    taken = Search(parse_qs(urlsplit(chip.url).query)["q"][0], None, 1, 0)
    assert taken.text == "time:may"
    assert [one.value for one in taken.query().filters] == ["--05"]
    (link,) = active_filters(taken)
    assert parse_qs(urlsplit(link.url).query)["q"] == ["may"]


def test_the_reader_s_locale_tells_day_and_month_apart() -> None:
    values = {
        locale: Search("5/4/2019", None, 1, 0, TimeReader(locale)).query().filters[0].value
        for locale in ("en-US", "en-GB", "de-DE")
    }
    assert values == {"en-US": "2019-05-04", "en-GB": "2019-04-05", "de-DE": "2019-04-05"}


async def test_the_page_shows_what_was_read_and_whose_date_is_known_in_part(start_page: StartPage) -> None:
    page = await start_page(LIBRARY)
    text = await page.text("/?q=dog+summer+2018&part=results")
    assert "taken as a date" in text
    assert "only the year is known" in text
    assert "/?q=dog+words%3A%22summer+2018%22" in links(text)
    assert "taken as a date" not in await page.text('/?q=dog+words:"summer+2018"&part=results')
    offered = await page.text("/?q=may&part=results")
    assert "/?q=time%3Amay" in links(offered)
    assert "Take may for a date:" in offered


async def test_the_page_finds_what_was_taken_then_before_what_says_so(start_page: StartPage) -> None:
    page = await start_page(LIBRARY)
    found = await page.json("/api/search?q=christmas+2018")
    assert [hit["id"] for hit in found["hits"]] == [content_key("a.jpg"), content_key("Christmas 2018/d.jpg")]
    assert found["times"] == [
        {"words": "christmas 2018", "start": 0, "end": 14, "time": "2018-12-24..2018-12-26", "applied": True}
    ]
    assert found["total"] == 2
    year = await page.json("/api/search?q=2018&sort=newest")
    assert [(hit["id"], hit["taken_precision"]) for hit in year["hits"]] == [
        (content_key("a.jpg"), "time"),
        (content_key("b.jpg"), "year"),
        (content_key("Christmas 2018/d.jpg"), None),
    ]


async def test_days_of_birth_stand_in_the_settings(start_page: StartPage) -> None:
    page = await start_page(LIBRARY, birthdays=("Anna Maria 2015-07-14",))
    found = await page.json("/api/search?q=birthday+of+anna+maria")
    assert [hit["id"] for hit in found["hits"]] == [content_key("c.jpg")]
