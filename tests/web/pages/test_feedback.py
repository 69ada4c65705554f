"""Words that people add to a photo and marks on wrong captions: the forms without the script, the API, and who may."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from indexer.model import CaptionPlace, IndexedPhoto
from indexer.reasons import Reason, ReasonCode
from indexer.storage import sole_indexer
from tests.reasons_made import reason_saying
from tests.web.conftest import Page, StartPage
from tests.web.library_made import MadePhoto, content_key, many, push
from tests.web.pages.test_corrections import CROSS_SITE
from tests.web.test_hostile import BREAKOUT, SCRIPT, assert_harmless

NAME = "Lyon/quay.jpg"
KEY = content_key(NAME)
PHOTO, WRONG, WORDS = f"/photo/{KEY}", f"/photo/{KEY}/wrong", f"/photo/{KEY}/words"
API = f"/api/photos/{KEY}"


@pytest.fixture
async def page(start_page: StartPage) -> Page:
    return await start_page([MadePhoto(NAME, "a boat on a river", 0.8, (("boat", 0.9),)), *many(2)])


async def send(page: Page, url: str, **fields: str) -> tuple[int, str]:
    """Status and body, or where to, of a form without the script."""
    async with page.post(url, data=fields or {"do": ""}, allow_redirects=False) as response:
        return response.status, response.headers.get("Location", "") or await response.text()


async def found(page: Page, text: str) -> list[str]:
    return [hit["id"] for hit in (await page.json(f"/api/search?q={quote(text)}"))["hits"]]


async def change(page: Page, body: object, status: int = 200) -> list[str]:
    async with page.patch(f"{API}/words", json=body) as response:
        answer = await response.json()
        assert response.status == status, answer
    return list(answer["added_words"]) if status == 200 else [answer["error"]["message"]]


@pytest.mark.slow
async def test_a_wrong_caption_is_neither_shown_nor_searched_until_the_mark_is_taken_back(page: Page) -> None:
    query = "?q=boat&sort=newest&at=0"
    assert f'action="{WRONG}{query.replace("&", "&amp;")}"' in await page.text(PHOTO + query)
    assert await send(page, WRONG + query) == (303, PHOTO + query)
    body = await page.text(PHOTO + query)
    assert ">No caption</h1>" in body
    assert "Marked as wrong; taken out of the photo as soon as recollect is indexing again." in body
    assert "The model said: <s>a boat on a river</s>" in body
    assert "Why it was found" not in body, (
        "search has not heard of it yet, and the page says nothing of it all the same"
    )
    assert "90%" not in body
    push(page.storage)
    assert await found(page, "boat") == []
    assert "A photo without a caption" in await page.text("/?q=quay")
    assert (await send(page, WRONG, do="take-back"))[0] == 303
    push(page.storage)
    assert await found(page, "boat") == [KEY]
    body = await page.text(PHOTO)
    assert ">a boat on a river</h1>" in body
    assert "Mark as wrong" in body


async def test_the_page_follows_the_words_out_of_the_file(page: Page) -> None:
    await send(page, WRONG)
    with sole_indexer(page.settings.data_dir):
        body = await page.text(f"{PHOTO}?part=about")
    assert "Marked as wrong; being taken out of the photo." in body
    assert "data-pending" in body
    settle(page, reason_saying("the file is <signed>"))
    assert "Marked as wrong; still in the file: the file is &lt;signed&gt;." in await page.text(PHOTO)
    await send(page, WRONG, do="take-back")
    await send(page, WRONG)
    settle(page, Reason(ReasonCode.MARKED_WRONG))
    assert "Marked as wrong. Search does not use it" in await page.text(PHOTO)


def settle(page: Page, reason: Reason) -> None:
    """What the indexer does with the jobs that a mark makes."""
    catalogue = page.storage.catalogue
    while jobs := catalogue.queue.claim(9):
        for job in jobs:
            photo = catalogue.photo(job.content_key or "")
            assert photo is not None
            done = IndexedPhoto(photo.id, photo.metadata, job.file.stamp, None, CaptionPlace.INDEX, reason)
            catalogue.settle(job, done)


async def test_beside_a_person_s_caption_the_model_s_words_can_be_marked_too(page: Page) -> None:
    async with page.put(f"{API}/caption", json={"text": "Oma feeds the ducks"}):
        assert "Mark the model\u2019s words as wrong" in await page.text(PHOTO)
    await send(page, WRONG)
    push(page.storage)
    body = await page.text(PHOTO)
    assert ">Oma feeds the ducks</h1>" in body
    assert "The model said: <s>a boat on a river</s>" in body
    assert (await found(page, "boat"), await found(page, "ducks")) == ([], [KEY])


async def test_a_photo_that_the_model_says_nothing_of_can_t_be_marked(start_page: StartPage) -> None:
    page = await start_page([MadePhoto(NAME, None)])
    assert "as wrong" not in await page.text(PHOTO)
    assert (await send(page, WRONG))[0] == 303
    assert not (await page.json(API))["wrong"]


async def test_the_api_marks_and_takes_back(page: Page) -> None:
    for _ in range(2):
        async with page.put(f"{API}/wrong") as response:
            answer = await response.json()
            assert (response.status, answer["wrong"], answer["caption"], answer["caption_by"]) == (
                200,
                True,
                None,
                None,
            )
            assert (answer["tags"], answer["confidence"], answer["machine_caption"]) == ([], None, "a boat on a river")
    for _ in range(2):
        async with page.delete(f"{API}/wrong") as response:
            answer = await response.json()
            assert (response.status, answer["wrong"], answer["caption"]) == (200, False, "a boat on a river")


async def test_added_words_are_chips_that_find_the_photo_and_can_be_taken_away(page: Page) -> None:
    typed = " Oma\u2019s  garden, ducks,"
    assert await send(page, f"{WORDS}?q=boat&at=0", text=typed) == (303, f"{PHOTO}?q=boat&at=0")
    body = await page.text(PHOTO)
    assert "<bdi>Oma\u2019s garden</bdi>" in body
    assert 'aria-label="Take away: ducks"' in body
    push(page.storage)
    for text in ("garden", 'tag:"Oma\u2019s garden"', "ducks boat"):
        assert await found(page, text) == [KEY], text
    assert (await send(page, WORDS, remove="ducks", text="left in the field"))[0] == 303
    push(page.storage)
    assert await found(page, "ducks") == []
    assert (await page.json(API))["added_words"] == ["Oma\u2019s garden"]


@pytest.mark.parametrize(
    ("text", "reason"), [("", "no words"), ("\u200b", "no words"), ("x" * 101, "At most 100 characters")]
)
async def test_what_is_no_word_is_refused_and_stays_in_the_form(page: Page, text: str, reason: str) -> None:
    status, body = await send(page, WORDS, text=text)
    assert status == 400
    assert reason in body
    assert f'name="text" value="{text}"' in body
    assert (await page.json(API))["added_words"] == []


async def test_more_words_than_a_photo_takes_are_refused(page: Page) -> None:
    await change(page, {"add": [f"w{number}" for number in range(64)]})
    status, body = await send(page, WORDS, text="one more")
    assert status == 400
    assert "at most 64 words" in body


@pytest.mark.slow
@pytest.mark.parametrize(
    "word", [SCRIPT, BREAKOUT, "{{ 7919*7919 }}", "סבתא 🦆", "' OR 1=1 --", 'q"uo"te & &amp <b>', "a:b -c*"]
)
async def test_any_word_is_kept_as_it_is_and_shown_as_text(page: Page, word: str) -> None:
    kept = await change(page, {"add": [word]})
    assert "".join(kept).replace(" ", "") == word.replace(",", "").replace(";", "").replace(" ", "")
    assert_harmless(await page.text(PHOTO))
    push(page.storage)
    for path in ("/", f"/?q={quote(word)}", f"{PHOTO}?q={quote(word)}&at=0"):
        async with page.get(path) as response:
            assert_harmless(await response.text())
    assert await change(page, {"remove": kept}) == []


async def test_the_api_adds_and_removes_in_one_go(page: Page) -> None:
    assert await change(page, {"add": ["Oma", "oma", "ducks"]}) == ["Oma", "ducks"]
    assert await change(page, {"add": ["boat"], "remove": ["OMA"]}) == ["ducks", "boat"]


NONSENSE: tuple[object, ...] = (
    *({}, {"add": []}, {"add": "Oma"}, {"add": [7]}, {"remove": {"a": 1}}),
    *({"add": [""]}, {"add": ["x" * 101]}, {"add": None}),
)


@pytest.mark.parametrize("body", NONSENSE)
async def test_a_body_that_makes_no_sense_is_a_400_that_says_why(page: Page, body: object) -> None:
    [message] = await change(page, body, 400)
    assert len(message) > 10
    assert (await page.json(API))["added_words"] == []


async def test_a_photo_that_is_not_known_is_a_404(page: Page) -> None:
    nobody = "0" * 32
    assert (await send(page, f"/photo/{nobody}/wrong"))[0] == 404
    assert (await send(page, f"/photo/{nobody}/words", text="Oma"))[0] == 404
    for request in (
        page.put(f"/api/photos/{nobody}/wrong"),
        page.delete(f"/api/photos/{nobody}/wrong"),
        page.patch(f"/api/photos/{nobody}/words", json={"add": ["Oma"]}),
    ):
        async with request as response:
            assert response.status == 404


@pytest.mark.parametrize("headers", CROSS_SITE)
async def test_another_site_can_t_say_anything(page: Page, headers: dict[str, str]) -> None:
    for request in (
        page.post(WRONG, headers=headers),
        page.post(WORDS, data={"text": "Oma"}, headers=headers),
        page.put(f"{API}/wrong", headers=headers),
        page.delete(f"{API}/wrong", headers=headers),
        page.patch(f"{API}/words", json={"add": ["Oma"]}, headers=headers),
    ):
        async with request as response:
            assert response.status == 403
    answer = await page.json(API)
    assert (answer["wrong"], answer["added_words"]) == (False, [])


async def test_whoever_is_indexing_hears_of_it_at_once(start_page: StartPage) -> None:
    woken: list[str] = []
    page = await start_page([MadePhoto(NAME)], wake=lambda: woken.append("woken"))
    await send(page, WRONG)
    await send(page, WORDS, text="Oma")
    assert len(woken) == 2
    await send(page, WRONG)
    assert len(woken) == 2, "nothing changed"
