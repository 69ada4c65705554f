"""Correcting a caption: the form without the script, the API, who may, and where the page says that the words are."""

from __future__ import annotations

import json
import shutil
from urllib.parse import quote

import pytest

from indexer.atomic.file_read import stamp_of
from indexer.model import CaptionPlace, FoundFile, IndexedPhoto, JobKind
from indexer.storage import sole_indexer
from tests.reasons_made import reason_saying
from tests.web.conftest import Page, StartPage
from tests.web.library_made import MadePhoto, content_key, many, push, titled
from tests.web.test_hostile import BREAKOUT, SCRIPT, assert_harmless

NAME = "Lyon/quay.jpg"
KEY = content_key(NAME)
URL, API = f"/photo/{KEY}/caption", f"/api/photos/{KEY}/caption"
OMA = "Oma Lisbeth feeds the ducks"
CROSS_SITE = ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}, {"Origin": "null"})


@pytest.fixture
async def page(start_page: StartPage) -> Page:
    return await start_page([MadePhoto(NAME, "a boat on a river", 0.8), *many(2)])


def settle_words(page: Page, place: CaptionPlace, reason: str | None = None) -> None:
    """What the indexer does with the jobs that a correction makes."""
    catalogue = page.storage.catalogue
    while jobs := catalogue.queue.claim(9):
        for job in jobs:
            assert job.kind is JobKind.WRITE_CAPTION
            photo = catalogue.photo(job.content_key or "")
            assert photo is not None
            catalogue.settle(
                job,
                IndexedPhoto(
                    photo.id, photo.metadata, job.file.stamp, None, place, reason_saying(reason) if reason else None
                ),
            )


async def save(page: Page, text: str, *, url: str = URL, **more: str) -> tuple[int, str]:
    """Status and body, or where to, of the form without the script."""
    async with page.post(url, data={"text": text, **more}, allow_redirects=False) as response:
        return response.status, response.headers.get("Location", "") or await response.text()


@pytest.mark.slow
async def test_the_form_keeps_the_words_and_leads_back_to_the_photo_in_its_search(page: Page) -> None:
    body = await page.text(f"/photo/{KEY}?q=boat&sort=newest&at=0")
    action = f"{URL}?q=boat&amp;sort=newest&amp;at=0"
    assert f'action="{action}"' in body
    assert ">a boat on a river</textarea>" in body
    assert "Take back" not in body
    status, target = await save(page, f"  {OMA}\r\n", url=action.replace("&amp;", "&"))
    assert (status, target) == (303, f"/photo/{KEY}?q=boat&sort=newest&at=0")
    body = await page.text(target)
    assert f">{OMA}</h1>" in body
    assert "The model would say: a boat on a river" in body
    assert "Take back" in body
    push(page.storage)
    hits = (await page.json("/api/search?q=lisbeth"))["hits"]
    assert [(hit["id"], hit["caption_by"], hit["corrected"]) for hit in hits] == [(KEY, "person", True)]
    assert [hit["id"] for hit in (await page.json("/api/search?q=boat"))["hits"]] == [KEY]


async def test_taking_back_shows_the_model_s_words_again(page: Page) -> None:
    await save(page, OMA)
    assert await save(page, "whatever stands in the form", do="take-back") == (303, f"/photo/{KEY}")
    body = await page.text(f"/photo/{KEY}")
    assert ">a boat on a river</h1>" in body
    assert "Take back" not in body
    assert (await save(page, "", do="take-back"))[0] == 303, "twice does no harm"


@pytest.mark.parametrize(
    ("text", "reason"), [("", "no words"), (" \r\n ", "no words"), ("x" * 2001, "2,001 characters")]
)
async def test_what_can_t_be_a_caption_is_refused_and_stays_in_the_form(page: Page, text: str, reason: str) -> None:
    status, body = await save(page, text)
    assert status == 400
    assert reason in body
    assert '<details class="correct" open>' in body
    assert text.strip() in body
    assert ">a boat on a river</h1>" in body
    assert not (await page.json(f"/api/photos/{KEY}"))["corrected"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        SCRIPT + BREAKOUT,
        "</textarea><script>alert(1)</script>",
        "{{ 7919*7919 }} {% raw %}",
        "סבתא מאכילה ברווזים 🦆👩‍👧",
        "🦆" * 2000,
        "' OR 1=1; DROP TABLE photo; --",
        'q"uo"te & &amp; <b>',
    ],
)
async def test_any_words_are_kept_as_they_are_and_shown_as_text(page: Page, text: str) -> None:
    status, target = await save(page, text)
    assert status == 303
    body = await page.text(target)
    assert_harmless(body)
    assert (await page.json(f"/api/photos/{KEY}"))["caption"] == text
    push(page.storage)
    for path in ("/", "/?q=" + quote(text[:400])):
        assert_harmless(await page.text(path))


async def test_the_page_says_where_the_words_are(page: Page) -> None:
    await save(page, OMA)
    waiting = "to be written into the photo, and known to search, as soon as recollect is indexing again"
    assert f"Corrected by hand; {waiting}." in await page.text(f"/photo/{KEY}")
    with sole_indexer(page.settings.data_dir):
        body = await page.text(f"/photo/{KEY}?part=about")
    assert "Corrected by hand; being written into the photo." in body
    assert "data-pending" in body
    assert "<html" not in body
    settle_words(page, CaptionPlace.EXIF)
    assert "Corrected by hand; written into the photo." in await page.text(f"/photo/{KEY}")
    await save(page, "Oma feeds the ducks")
    settle_words(page, CaptionPlace.INDEX, "the disk is <full>")
    body = await page.text(f"/photo/{KEY}")
    assert "Corrected by hand; kept in the catalogue only: the disk is &lt;full&gt;." in body
    assert "data-pending" not in body


async def test_copies_that_take_the_words_differently_are_told_apart(page: Page) -> None:
    catalogue, root = page.storage.catalogue, page.settings.photos[0]
    walk = catalogue.scans.begin_scan(root)
    shutil.copy(root / NAME, root / "copy.jpg")
    catalogue.scans.note(
        walk, [FoundFile(root, root / name, stamp_of((root / name).stat())) for name in (NAME, "copy.jpg")]
    )
    [job] = catalogue.queue.claim(9)
    photo = catalogue.photo(KEY)
    assert photo is not None
    catalogue.settle(job, IndexedPhoto(KEY, photo.metadata, job.file.stamp, None))
    await save(page, OMA)
    for job in catalogue.queue.claim(9):
        place, why = (
            (CaptionPlace.EXIF, None)
            if job.file.path.name == "quay.jpg"
            else (CaptionPlace.SIDECAR, reason_saying("because"))
        )
        catalogue.settle(job, IndexedPhoto(KEY, photo.metadata, job.file.stamp, None, place, why))
    body = await page.text(f"/photo/{KEY}")
    assert "written into 1 of 2 files;" in body
    assert "written into an .xmp file beside 1 of 2 files: because" in body


async def test_with_captions_beside_the_photos_nothing_is_said_to_go_into_them(start_page: StartPage) -> None:
    page = await start_page([MadePhoto(NAME)], captions="sidecar")
    await save(page, OMA)
    assert "to be written beside the photo, and known to search, as soon" in await page.text(f"/photo/{KEY}")


async def test_words_of_another_program_that_gave_way_are_shown_beside_the_correction(start_page: StartPage) -> None:
    page = await start_page([titled(MadePhoto(NAME), person_caption="Karl's <boat>")])
    assert "from another program" not in await page.text(f"/photo/{KEY}")
    await save(page, OMA)
    assert "In the file, from another program: Karl&#39;s &lt;boat&gt;" in await page.text(f"/photo/{KEY}")


async def test_the_model_s_sentence_is_not_called_the_caption_that_a_person_wrote(page: Page) -> None:
    await save(page, OMA)
    push(page.storage)
    assert '<span class="field">the model would say</span>' in await page.text(f"/photo/{KEY}?q=boat&at=0")
    assert "<small>the model would say" in await page.text("/?q=boat")
    assert '<span class="field">caption' not in await page.text(f"/photo/{KEY}?q=lisbeth&at=0")


async def test_a_file_that_was_given_up_says_why(page: Page) -> None:
    await save(page, OMA)
    [job] = page.storage.catalogue.queue.claim(9)
    page.storage.catalogue.queue.fail(job, reason_saying("the disk did not answer"), kind="unreadable", final=True)
    body = await page.text(f"/photo/{KEY}")
    assert "Corrected by hand; kept in the catalogue only: the disk did not answer." in body


async def test_a_file_that_is_not_there_gets_the_words_later(page: Page) -> None:
    root = page.settings.photos[0]
    shutil.move(root / NAME, root.parent / "quay.jpg")
    page.storage.catalogue.scans.note_missing(root, [root / NAME])
    await save(page, OMA)
    body = await page.text(f"/photo/{KEY}")
    assert "Corrected by hand; to be written into the photo when its file is back." in body


async def test_a_long_caption_is_set_as_a_text_and_not_as_a_headline(page: Page) -> None:
    await save(page, "Oma feeds the ducks. " * 20)
    assert '<h1 class="caption long"' in await page.text(f"/photo/{KEY}")
    await save(page, OMA)
    assert '<h1 class="caption"' in await page.text(f"/photo/{KEY}")


async def test_with_captions_off_the_page_says_so_at_once(start_page: StartPage) -> None:
    page = await start_page([MadePhoto(NAME)], captions="off")
    await save(page, OMA)
    body = await page.text(f"/photo/{KEY}")
    assert "kept in the catalogue only: writing captions into files is switched off." in body


async def test_words_of_another_program_are_called_a_person_s_own(start_page: StartPage) -> None:
    page = await start_page([titled(MadePhoto(NAME), person_caption="Karl's boat")])
    body = await page.text(f"/photo/{KEY}")
    assert "own words." in body
    assert "Take back" not in body
    await save(page, OMA)
    await save(page, "", do="take-back")
    assert ">Karl&#39;s boat</h1>" in await page.text(f"/photo/{KEY}")


async def test_a_photo_without_words_can_be_given_some(start_page: StartPage) -> None:
    page = await start_page([MadePhoto(NAME, None)])
    assert "Write a caption" in await page.text(f"/photo/{KEY}")
    await save(page, OMA)
    assert f">{OMA}</h1>" in await page.text(f"/photo/{KEY}")


async def test_the_api_corrects_and_takes_back(page: Page) -> None:
    async with page.put(API, json={"text": f"{OMA}\n"}) as response:
        answer = await response.json()
        assert response.status == 200, answer
    assert (answer["caption"], answer["caption_by"], answer["corrected"]) == (OMA, "person", True)
    assert (answer["machine_caption"], answer["caption_waiting"]) == ("a boat on a river", True)
    settle_words(page, CaptionPlace.XMP, "because")
    answer = await page.json(f"/api/photos/{KEY}")
    assert (answer["caption_place"], answer["caption_reason"], answer["caption_waiting"]) == ("xmp", "because", False)
    for _ in range(2):
        async with page.delete(API) as response:
            answer = await response.json()
            assert response.status == 200, answer
        assert (answer["caption"], answer["caption_by"], answer["corrected"]) == ("a boat on a river", "model", False)


@pytest.mark.parametrize(
    "body",
    [b"", b"oma", b"[]", b"{}", b'{"text": 7}', b'{"text": null}', b'{"text": ""}', b'{"text": "\xff"}', b"[" * 9000],
)
async def test_a_body_that_makes_no_sense_is_a_400_that_says_why(page: Page, body: bytes) -> None:
    async with page.put(API, data=body, headers={"Content-Type": "application/json"}) as response:
        assert response.status == 400
        assert len((await response.json())["error"]["message"]) > 10
    assert not (await page.json(f"/api/photos/{KEY}"))["corrected"]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"text=\xff\xfe", "application/x-www-form-urlencoded"),
        (b"text=a", "application/x-www-form-urlencoded; charset=klingon"),
        (b"--x\r\nnonsense", "multipart/form-data; boundary=x"),
        (b"nonsense", "multipart/form-data"),
        (
            b'--x\r\nContent-Disposition: form-data; name="text"; filename="a.txt"\r\n\r\noma\r\n--x--\r\n',
            "multipart/form-data; boundary=x",
        ),
    ],
)
async def test_a_form_that_makes_no_sense_is_a_400(page: Page, body: bytes, kind: str) -> None:
    async with page.post(URL, data=body, headers={"Content-Type": kind}, allow_redirects=False) as response:
        assert response.status == 400
    assert not (await page.json(f"/api/photos/{KEY}"))["corrected"]


async def test_the_longest_caption_fits_in_every_way_that_it_can_be_sent(page: Page) -> None:
    assert (await save(page, "🦆" * 2000))[0] == 303
    body = json.dumps({"text": "🐢" * 2000}, ensure_ascii=True)
    async with page.put(API, data=body, headers={"Content-Type": "application/json"}) as response:
        assert response.status == 200
    async with page.put(API, json={"text": "x" * 40_000}) as response:
        assert response.status == 413


async def test_a_photo_that_is_not_known_can_t_be_corrected(page: Page) -> None:
    nobody = "0" * 32
    assert (await save(page, OMA, url=f"/photo/{nobody}/caption"))[0] == 404
    for request in (
        page.put(f"/api/photos/{nobody}/caption", json={"text": OMA}),
        page.delete(f"/api/photos/{nobody}/caption"),
    ):
        async with request as response:
            assert response.status == 404
    async with page.get(URL) as response:
        assert response.status == 405


@pytest.mark.parametrize("headers", CROSS_SITE)
async def test_another_site_can_t_correct_anything(page: Page, headers: dict[str, str]) -> None:
    for request in (
        page.post(URL, data={"text": OMA}, headers=headers),
        page.put(API, json={"text": OMA}, headers=headers),
        page.delete(API, headers=headers),
    ):
        async with request as response:
            assert response.status == 403
    assert not (await page.json(f"/api/photos/{KEY}"))["corrected"]


@pytest.mark.slow
async def test_only_the_household_corrects(start_page: StartPage) -> None:
    page = await start_page([MadePhoto(NAME)], password="correct horse")
    async with page.post(URL, data={"text": OMA}, allow_redirects=False) as response:
        assert (response.status, response.headers["Location"]) == (303, "/login?next=/")
    for request in (page.put(API, json={"text": OMA}), page.delete(API)):
        async with request as response:
            assert response.status == 401
    photo = page.storage.catalogue.photo(KEY)
    assert photo is not None
    assert photo.correction is None
    async with page.post("/login", data={"password": "correct horse"}):
        pass
    assert (await save(page, OMA))[0] == 303


async def test_whoever_is_indexing_hears_of_it_at_once(start_page: StartPage) -> None:
    woken: list[str] = []
    page = await start_page([MadePhoto(NAME)], wake=lambda: woken.append("woken"))
    await save(page, OMA)
    assert woken == ["woken"]
    await save(page, "")
    assert woken == ["woken"], "nothing was kept"
    for _ in range(2):
        async with page.delete(API):
            assert woken == ["woken"] * 2
