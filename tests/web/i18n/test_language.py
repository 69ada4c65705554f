"""Which language a page speaks, and that its dates and numbers are its reader's."""

from __future__ import annotations

import re
from datetime import datetime

import pytest

from indexer.errors import SettingsError
from tests.web.conftest import Page, StartPage
from tests.web.library_made import content_key, many
from web.i18n.language import MOST_LOCALES, Languages, bytes_text, date_text, month_letter, month_text, read_languages

#: What browsers send, the interface's language, and the locale of dates and numbers.
ASKED = {
    "": ("en", "en_GB"),
    "*": ("en", "en_GB"),
    "de": ("de", "de"),
    "de-AT,de;q=0.9,en;q=0.8": ("de", "de_AT"),
    "en-US,en;q=0.9": ("en", "en_US"),
    "fr-FR,fr;q=0.9,en-US;q=0.8,en;q=0.7": ("en", "fr_FR"),
    "fr, de;q=0.5": ("de", "fr"),
    "de;q=0, en": ("en", "en"),
    "en;q=0.3, de;q=0.7": ("de", "de"),
    "ja": ("en", "ja"),
    "zh-TW": ("en", "zh_Hant_TW"),
    "de-XX": ("de", "de"),
    "xx-YY": ("en", "en_GB"),
    "de\u00e4;;q=9, \x00, en-x-y-z-a-b, ../../etc/passwd, %s %(a)s {}": ("en", "en_GB"),
    "de," * 10_000: ("de", "de"),
}


@pytest.mark.parametrize("header", ASKED, ids=lambda header: repr(header[:30]))
def test_the_first_language_that_there_is_speaks_and_the_first_known_one_dates(header: str) -> None:
    language = Languages(read_languages()).for_header(header)
    assert (language.code, str(language.locale)) == ASKED[header]


def test_a_thousand_locales_take_no_more_memory_than_some() -> None:
    languages = Languages(read_languages())
    known = [f"{a}{b}" for a in "abcdefghijklmnopqrstuvwxyz" for b in "abcdefghijklmnopqrstuvwxyz"]
    locales = {str(languages.for_header(tag).locale) for tag in known}
    assert len(locales) <= MOST_LOCALES + 1
    assert "af" in locales, "those that came first are served on"


#: A moment, its month, the month's letter, and a size, as CLDR writes them.
WRITTEN = {
    "en": ("July 14, 2019, 3:42 PM", "July 2019", "J", "3.4 MB"),
    "en-GB": ("14 July 2019, 15:42", "July 2019", "J", "3.4 MB"),
    "de": ("14. Juli 2019, 15:42", "Juli 2019", "J", "3,4 MB"),
    "fr": ("14 juillet 2019, 15:42", "juillet 2019", "J", "3,4 Mo"),
    "es": ("14 de julio de 2019, 15:42", "julio de 2019", "J", "3,4 MB"),
    "it": ("14 luglio 2019, 15:42", "luglio 2019", "L", "3,4 MB"),
    "pt": ("14 de julho de 2019 15:42", "julho de 2019", "J", "3,4 MB"),
    "nl": ("14 juli 2019, 15:42", "juli 2019", "J", "3,4 MB"),
    "pl": ("14 lipca 2019, 15:42", "lipiec 2019", "L", "3,4 MB"),
    "cs": ("14. července 2019 15:42", "červenec 2019", "7", "3,4 MB"),
    "sv": ("14 juli 2019 15:42", "juli 2019", "J", "3,4 MB"),
    "ja": ("2019年7月14日 15:42", "2019年7月", "7", "3.4 MB"),
    "zh": ("2019年7月14日 15:42", "2019年7月", "7", "3.4 MB"),
    "ar": ("14 يوليو 2019، 3:42 م", "يوليو 2019", "ل", "3.4 م.ب"),
    "he": ("14 ביולי 2019, 15:42", "יולי 2019", "7", "3.4 MB"),
}


@pytest.mark.parametrize("tag", WRITTEN)
def test_dates_and_numbers_are_written_as_the_reader_does(tag: str) -> None:
    moment, languages = datetime(2019, 7, 14, 15, 42), Languages(read_languages())
    with languages.for_header(tag).as_current():
        texts = (date_text(moment), month_text(moment), month_letter(moment), bytes_text(3_400_000))
    assert tuple(re.sub("[\u00a0\u202f\u200e\u200f]", " ", one) for one in texts) == WRITTEN[tag]


@pytest.mark.slow
async def test_a_page_names_its_language_and_caches_learn_that_there_are_others(page: Page) -> None:
    for path in ("/", "/status", f"/photo/{content_key('2024/photo 0000.jpg')}", "/?part=results", "/nowhere"):
        async with page.get(path, headers={"Accept-Language": "de-CH, fr;q=0.5"}) as response:
            html = await response.text()
        assert response.headers.getall("Vary").count("Accept-Language") == 1
        if "part=" not in path:
            assert '<html lang="de" dir="ltr" data-locale="de-CH" data-base="">' in html
    async with page.get("/api/status", headers={"Accept-Language": "de"}) as response:
        assert "Vary" not in response.headers


async def test_answers_of_one_moment_differ_by_language(start_page: StartPage) -> None:
    page = await start_page(list(many(12)))
    for tag, said in (("de", "12 Fotos"), ("en", "12 photos"), ("fr", "12 photos"), ("de", "12 Fotos")):
        assert said in await page.text("/?part=results", headers={"Accept-Language": tag})
    months = [await page.text("/?part=results", headers={"Accept-Language": tag}) for tag in ("fr", "en", "ja")]
    assert len({re.findall(r"<time[^>]*>(.*?)</time>", html)[0] for html in months}) == 3


async def test_the_setting_says_the_language_whatever_the_browser_asks_for(start_page: StartPage) -> None:
    page = await start_page(list(many(2)), language="de-AT")
    async with page.get("/", headers={"Accept-Language": "fr"}) as response:
        assert '<html lang="de" dir="ltr" data-locale="de-AT" data-base="">' in await response.text()
        assert "Vary" not in response.headers or "Accept-Language" not in response.headers["Vary"]
    other = await start_page(list(many(2)), language="fr")
    assert '<html lang="en" dir="ltr" data-locale="fr" data-base="">' in await other.text("/")


async def test_a_setting_that_is_no_language_is_refused(start_page: StartPage) -> None:
    with pytest.raises(SettingsError, match="'language' is a language such as en, de or de-AT, got 'deutsch'"):
        await start_page(language="deutsch")


async def test_refusals_are_said_in_the_readers_language_and_to_programs_in_english(page: Page) -> None:
    german = {"Accept-Language": "de"}
    html = await page.text("/?q=year:201", status=400, headers=german)
    assert "ist kein Jahr" in html
    assert "year:201" in html
    assert "Hier ist nichts" in await page.text("/nowhere", status=404, headers=german)
    for path in ("/api/search?q=year:201", "/api/search?limit=x", "/api/photos/" + "0" * 32, "/api/nowhere"):
        async with page.get(path, headers=german) as response:
            answer = (await response.json())["error"]["message"]
        async with page.get(path) as response:
            assert answer == (await response.json())["error"]["message"]


async def test_what_a_query_holds_is_no_message(page: Page) -> None:
    for query in ("%(x)s", "%s%n", "100%", "nosuch:%(value)s", "year:%(wrong)s", "<b>%(query)s</b>"):
        async with page.get("/", params={"q": query}, headers={"Accept-Language": "de"}) as response:
            assert response.status in {200, 400}
            assert "<b>" not in await response.text()
