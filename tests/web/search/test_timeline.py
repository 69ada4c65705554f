"""The time line: which bars there are, how tall they are, and where they lead."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import web.search.timeline
from indexer.search import FacetCount
from tests.web.conftest import Page, StartPage
from tests.web.library_made import TAKEN, MadePhoto, many, titled
from tests.web.pages.test_pages import links
from web.search.searching import Search
from web.search.timeline import STEPS, Bar, Column, time_line

MONTHS = [FacetCount("2019-07", 90), FacetCount("2019-08", 10), FacetCount("2018-12", 1), FacetCount("1981-01", 4)]
YEARS = [FacetCount(str(year), 100 if year == 2019 else 1) for year in (2019, 2018, 2017, 2015, 1981)]


def line(text: str, years: Sequence[FacetCount] = YEARS, months: Sequence[FacetCount] = MONTHS) -> tuple[Column, ...]:
    search = Search(text, None, 1, 0)
    return time_line(search, search.query(), years, months)


def bars(columns: Sequence[Column]) -> dict[str, Bar]:
    return {bar.period: bar for column in columns for bar in (column.bar, *column.months) if bar}


def test_years_stand_newest_first_and_long_times_without_photos_are_one_gap() -> None:
    shown = [column.bar.period if column.bar else "gap" for column in line("dog")]
    assert shown == ["2019", "2018", "2017", "2016", "2015", "gap", "1981"]
    assert bars(line("dog"))["2016"].height == 0
    assert bars(line("dog"))["2019"].height == STEPS
    assert 0 < bars(line("dog"))["1981"].height < STEPS


def test_a_bar_narrows_to_its_year_and_keeps_the_rest_of_the_search() -> None:
    assert bars(line("dog -night year:2015"))["2019"].url == "/?q=dog+-night+year%3A2019"
    assert bars(line("after:2015 dog before:2016"))["2018"].url == "/?q=dog+year%3A2018"


def test_the_chosen_year_shows_its_months_and_leads_out_again() -> None:
    columns = line("dog year:2019")
    assert [column.bar.period for column in columns if column.months and column.bar] == ["2019"]
    chosen = bars(columns)
    assert chosen["2019"].active
    assert chosen["2019"].url == "/?q=dog"
    assert not chosen["2018"].active
    assert chosen["2019-07"].url == "/?q=dog+after%3A2019-07+before%3A2019-08"
    assert chosen["2019-12"].url == "/?q=dog+after%3A2019-12+before%3A2020-01"
    assert chosen["2019-01"].height == 0


def test_the_chosen_month_leads_back_to_its_year() -> None:
    chosen = bars(line("after:2019-07 before:2019-08"))
    assert [when for when, bar in chosen.items() if bar.active] == ["2019-07"]
    assert chosen["2019-07"].url == "/?q=year%3A2019"
    assert chosen["2019-07"].text == "July 2019"


def test_a_range_marks_every_bar_in_it() -> None:
    assert [when for when, bar in bars(line("after:2017 before:2019")).items() if bar.active and len(when) == 4] == [
        "2018",
        "2017",
    ]
    assert not any(bar.active for bar in bars(line("after:2019 before:2018")).values())
    assert not any(bar.active for bar in bars(line("-year:2019")).values())


def test_few_years_are_shown_month_by_month() -> None:
    assert all(column.months for column in line("", YEARS[:2]))
    assert line("", [], []) == ()
    assert line("", [FacetCount("9999", 1)], []) == (), "no filter is that late"


@example([1, 9997, 9998, 9999], "")
@given(st.lists(st.integers(1, 9999), unique=True, max_size=8), st.sampled_from(["", "year:2019", "after:9998", "30d"]))
def test_every_bar_leads_to_a_search_that_is_understood(years: list[int], text: str) -> None:
    counts = [FacetCount(f"{year:04}", year) for year in years]
    for bar in bars(line(text, counts, [FacetCount(f"{one.value}-05", 1) for one in counts])).values():
        query = bar.url.partition("q=")[2].replace("%3A", ":").replace("+", " ")
        Search(query, None, 1, 0).query()


def test_the_style_sheet_knows_every_height() -> None:
    style = (Path(web.search.timeline.__file__).parents[1] / "static" / "recollect.css").read_text()
    rules = "\n".join(f".h{step} {{ --h: {step / STEPS:.3f}; }}" for step in range(1, STEPS + 1))
    assert rules in style


async def test_the_page_and_its_part_have_the_line_of_the_search(page: Page) -> None:
    whole = await page.text("/?q=dog")
    part = await page.text("/?q=dog&part=timeline")
    assert "/?q=dog+year%3A2022" in links(whole)
    assert "/?q=dog+year%3A2022" in links(part)
    assert "<html" not in part
    narrowed = await page.text("/?q=dog+year%3A2022")
    assert "/?q=dog+year%3A2020" in links(narrowed), "the other years stay in sight"
    assert "/?q=dog+after%3A2022-09+before%3A2022-10" in links(narrowed)


async def test_every_year_leads_to_as_many_photos_as_it_says(start_page: StartPage) -> None:
    page = await start_page([*many(12), titled(MadePhoto("old.jpg"), taken_at=TAKEN.replace(year=1950))])
    found = (await page.json("/api/facets"))["facets"]["year"]
    for one in found:
        assert (await page.json(f"/api/search?q=year:{one['value']}"))["total"] == one["count"]


@pytest.mark.parametrize(("query", "status"), [("?q=yaer:2019", 400), ("?q=xylophone", 200), ("?q=year:1900", 200)])
async def test_a_line_of_nothing_does_no_harm(page: Page, query: str, status: int) -> None:
    await page.text(f"/{query}&part=timeline", status=status)
    await page.text(f"/{query}", status=status)


async def test_photos_without_a_date_have_no_line(start_page: StartPage) -> None:
    page = await start_page([titled(MadePhoto("a.jpg"), taken_at=None)])
    assert "Time line" not in await page.text("/")
