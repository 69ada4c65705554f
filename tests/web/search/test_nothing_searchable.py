"""Searches of which nothing, or not all, can be searched for: what the page and the API say of them."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from tests.web.conftest import StartPage
from tests.web.library_made import MadePhoto

LIBRARY = tuple(
    MadePhoto(name, caption, tags=())
    for name, caption in (("a.jpg", "a dog on a beach"), ("b.jpg", "a dog on a lawn"), ("c.jpg", "a red car"))
)


@pytest.mark.parametrize(
    ("text", "code", "english", "german"),
    [
        *(
            (text, "nothing_searchable", "no letter, digit or emoji", "kein Buchstabe")
            for text in ("!!!", "-", '""', "…")
        ),
        *((text, "emoji_not_found", "where somebody wrote it", "es jemand geschrieben hat") for text in ("🦄", "🇫🇷")),
    ],
)
async def test_page_and_api_say_why_nothing_is_found(
    start_page: StartPage, text: str, code: str, english: str, german: str
) -> None:
    page = await start_page(LIBRARY)
    answer = await page.json(f"/api/search?q={quote(text)}")
    assert (answer["total"], answer["hits"], answer["why_nothing"]) == (0, [], code)
    assert english in await page.text(f"/?q={quote(text)}")
    assert german in await page.text(f"/?q={quote(text)}", headers={"Accept-Language": "de"})


async def test_the_page_names_the_words_that_it_left_out_and_what_it_did_not_search_for(start_page: StartPage) -> None:
    page = await start_page(LIBRARY)
    answer = await page.json(f"/api/search?q={quote('dog 🦄 ')}")
    assert (answer["total"], answer["dropped"], answer["ignored"], answer["why_nothing"]) == (2, ["🦄"], [], None)
    text = await page.text(f"/?q={quote('dog 🦄 ')}&part=results")
    assert "<s>🦄</s>" in text
    answer = await page.json(f"/api/search?q={quote('dog & € ')}")
    assert (answer["total"], answer["dropped"], answer["ignored"]) == (2, [], ["&", "€"])
    text = await page.text(f"/?q={quote('dog & € ')}&part=results")
    assert "Not searched for:" in text
    assert ">€</s>" in text
    assert "&amp;</s>" not in text, "nobody expects punctuation to be found"
    assert (await page.json("/api/search?q=tag:nothing+!!!"))["why_nothing"] is None, "a filter alone is a fine search"
