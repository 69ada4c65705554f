"""What the page and the API say of sentences that the model is not sure of, and of photos on which it sees nothing."""

from __future__ import annotations

import pytest

from indexer.jobs.pipeline import CAPTIONS_OFF, NOTHING_SEEN, UNSURE
from indexer.model import CaptionPlace
from tests.reasons_made import reason_saying
from tests.web.conftest import Page, StartPage
from tests.web.library_made import MadePhoto, content_key, titled

WORDS = (("red", 0.91), ("sofa", 0.2004))
SURE = MadePhoto("sure.jpg", "a red sofa", 0.7, words=(("red", 0.9), ("sofa", 0.8)), place=CaptionPlace.EXIF)
UNWRITTEN = MadePhoto(
    "unsure.jpg", "a red sofa", 0.52, words=WORDS, sure=False, place=CaptionPlace.INDEX, reason=UNSURE
)
WRITTEN = MadePhoto("written.jpg", "a red chair", 0.5, words=WORDS, sure=False, place=CaptionPlace.EXIF)
BLACK = MadePhoto("black.jpg", "", 0.9, tags=(), place=CaptionPlace.INDEX, reason=NOTHING_SEEN)
NOT_WRITTEN, MAY_BE_WRONG = "It is not written into the file.", "The model is not sure of this"
SAW_NOTHING = "The model saw nothing to describe in this photo."


@pytest.fixture
async def shown(start_page: StartPage) -> Page:
    return await start_page([SURE, UNWRITTEN, WRITTEN, BLACK])


async def of(page: Page, photo: MadePhoto, **more: str) -> str:
    return await page.text(f"/photo/{content_key(photo.name)}", **more)


async def test_an_unsure_sentence_is_marked_and_said_not_to_be_in_the_file(shown: Page) -> None:
    html = await of(shown, UNWRITTEN)
    assert f"{MAY_BE_WRONG} (52%)" in html
    assert NOT_WRITTEN in html
    assert "kept in the catalogue only: the model is not sure of it" in html
    html = await of(shown, WRITTEN)
    assert f"{MAY_BE_WRONG} (50%)" in html
    assert NOT_WRITTEN not in html
    html = await of(shown, SURE)
    assert MAY_BE_WRONG not in html
    html = await shown.text("/?q=red")
    assert html.count('<small class="unsure">not sure</small>') == 2


async def test_a_photo_on_which_nothing_is_seen_says_so_and_can_be_described(shown: Page) -> None:
    html = await of(shown, BLACK)
    assert "Nothing to describe</h1>" in html
    assert SAW_NOTHING in html
    assert "kept in the catalogue only: there is nothing to see in it" in html
    assert "Write a caption" in html
    assert "as wrong" not in html
    assert MAY_BE_WRONG not in html
    assert "<title>black.jpg" in html
    assert "Das Modell hat auf diesem Foto nichts gesehen" in await of(shown, BLACK, headers={"Accept-Language": "de"})
    assert 'alt="A photo without a caption: black.jpg"' in await shown.text("/")
    async with shown.put(f"/api/photos/{content_key(BLACK.name)}/caption", json={"text": "the lens cap"}) as response:
        assert (await response.json())["caption"] == "the lens cap"
    html = await of(shown, BLACK)
    assert SAW_NOTHING not in html
    assert "The model would say" not in html


async def test_the_api_gives_each_word_its_probability(shown: Page) -> None:
    photo = await shown.json(f"/api/photos/{content_key(UNWRITTEN.name)}")
    words = [{"word": "red", "probability": 0.91}, {"word": "sofa", "probability": 0.2}]
    assert (photo["words"], photo["unsure"], photo["caption_reason"]) == (words, True, str(UNSURE))
    photo = await shown.json(f"/api/photos/{content_key(SURE.name)}")
    assert ([one["word"] for one in photo["words"]], photo["unsure"]) == (["red", "sofa"], False)
    photo = await shown.json(f"/api/photos/{content_key(BLACK.name)}")
    assert (photo["caption"], photo["caption_by"], photo["machine_caption"]) == ("", "model", "")
    assert (photo["words"], photo["unsure"]) == ([], False)


async def test_a_mark_takes_the_words_along_and_nothing_can_t_be_marked(shown: Page) -> None:
    for photo, wrong in ((UNWRITTEN, True), (BLACK, False)):
        async with shown.put(f"/api/photos/{content_key(photo.name)}/wrong") as response:
            answer = await response.json()
        assert (answer["wrong"], answer["words"]) == (wrong, [])


async def test_a_sure_sentence_is_found_first_and_an_empty_one_never(shown: Page) -> None:
    answer = await shown.json("/api/search?q=sofa")
    assert [hit["files"][0]["path"] for hit in answer["hits"]] == ["sure.jpg", "unsure.jpg"]
    assert [hit["unsure"] for hit in answer["hits"]] == [False, True]
    assert (await shown.json("/api/search"))["total"] == 4
    for text in ("nothing", "describe"):
        assert (await shown.json("/api/search", params={"q": text}))["total"] == 0


async def test_the_status_counts_captions_that_are_in_no_file_by_their_reasons(start_page: StartPage) -> None:
    off = [MadePhoto(f"{number}.jpg", place=CaptionPlace.INDEX, reason=CAPTIONS_OFF) for number in range(3)]
    odd = MadePhoto("odd.jpg", place=CaptionPlace.INDEX, reason=reason_saying("it has <b>4,000</b> fields"))
    unknown = MadePhoto("unknown.jpg", place=CaptionPlace.INDEX)
    page = await start_page([*off, odd, unknown, SURE, UNWRITTEN, BLACK, titled(MadePhoto("older.jpg", None))])
    html = await page.text("/status")
    assert "3 captions:" in html
    assert str(NOTHING_SEEN) not in html, "no words are no caption"
    for text in (str(CAPTIONS_OFF), str(UNSURE), "it has &lt;b&gt;4,000&lt;/b&gt; fields", "for other reasons"):
        assert html.count(f'<span class="quiet" dir="auto">{text}</span>') == 1, text
    german = await page.text("/status", headers={"Accept-Language": "de"})
    assert "In keiner Datei" in german
    assert "das Modell ist sich nicht sicher" in german
    answer = {one["reason"]: one["photos"] for one in (await page.json("/api/status"))["unwritten"]}
    assert answer == {str(CAPTIONS_OFF): 3, str(odd.reason): 1, "": 1, str(UNSURE): 1}


async def test_where_every_caption_is_in_its_file_the_status_says_nothing_of_it(start_page: StartPage) -> None:
    page = await start_page([SURE])
    assert "In no file" not in await page.text("/status")
