"""The pages of people without the script: switching on, names, merges, faces taken away, undo, deletion; who may."""

from __future__ import annotations

import io
import re

import pytest
from PIL import Image

from indexer.people.vectors import FaceVectors
from indexer.reasons import Reason, ReasonCode
from tests.web.conftest import Page, StartPage
from tests.web.faces_made import WIDTH, left_of, meet, party
from tests.web.library_made import content_key, push
from tests.web.pages.test_corrections import CROSS_SITE
from tests.web.test_hostile import BREAKOUT, SCRIPT, assert_harmless

PHOTO = content_key("party/1.jpg")
FACES = f"/photo/{PHOTO}/faces"
HOSTILE_NAMES = [SCRIPT + BREAKOUT, "\u202emoc.elpmaxe\u202c", "O'\"Brien & Söhne", "عائشة", "{{7919*7919}}"]


@pytest.fixture
async def page(start_page: StartPage) -> Page:
    return await start_page(party())


@pytest.fixture
def ids(page: Page) -> dict[str, int]:
    return meet(page.storage)


async def send(page: Page, url: str, status: int = 303, **fields: str) -> str:
    """Where a form without the script leads, or its page."""
    async with page.post(url, data=fields, allow_redirects=False) as response:
        body = await response.text()
        assert response.status == status, body
        return response.headers.get("Location", "") or body


def named(page: Page) -> dict[str, int]:
    """Name -> number of faces."""
    return {one.name: one.faces for one in page.storage.catalogue.people.persons(named=True) if one.name}


async def test_nothing_is_computed_before_somebody_switches_it_on(page: Page) -> None:
    body = await page.text("/people")
    assert "stays in the data directory of this machine" in body
    assert 'href="/people"' in (await page.text("/")).partition("<footer")[2]
    assert 'name="do" value="on"' in body
    assert 'href="/people"' not in (await page.text("/")).partition("</header>")[0]
    assert 'href="/people"' in await page.text("/status"), "where it is offered"
    assert "show-faces" not in await page.text(f"/photo/{PHOTO}")
    for path in ("/people/1", FACES, "/faces/1", "/api/people/1", f"/api/photos/{PHOTO}/faces"):
        await page.text(path, status=404)
    assert await send(page, "/people/switch", do="on") == "/people"
    assert page.storage.catalogue.people.switched() is True
    assert "The first people appear while recollect looks through your photos." in await page.text("/people")
    assert 'href="/people"' in (await page.text("/")).partition("</header>")[0]
    assert "show-faces" in await page.text(f"/photo/{PHOTO}")
    assert await send(page, "/people/switch", do="off") == "/people"
    assert 'name="do" value="on"' in await page.text("/people")


async def test_the_setting_counts_until_somebody_switches(start_page: StartPage) -> None:
    page = await start_page(party(), people=True)
    assert 'href="/people"' in (await page.text("/")).partition("</header>")[0]
    await send(page, "/people/switch", do="off")
    assert 'name="do" value="on"' in await page.text("/people")


async def test_what_the_command_line_switches_is_seen(page: Page) -> None:
    page.storage.catalogue.people.switch(on=True)
    assert "show-faces" in await page.text(f"/photo/{PHOTO}")
    page.storage.catalogue.people.switch(on=False)
    assert "show-faces" not in await page.text(f"/photo/{PHOTO}")


async def test_everybody_is_there_with_a_picture_most_photos_first(page: Page, ids: dict[str, int]) -> None:
    body = await page.text("/people")
    listed = re.findall(r'href="/people/(\d+)"', body)
    assert listed == [str(ids["Anna"]), str(ids["Ben"]), str(ids[""])], "those with a name first; no stranger"
    assert "9 faces found" in body
    assert '<option value="Ben">' in body
    person = page.storage.catalogue.people.person(ids["Anna"])
    assert person is not None
    assert f'src="/faces/{person.face_id}"' in body


async def test_a_face_is_cut_out_of_the_screen_picture(page: Page, ids: dict[str, int]) -> None:
    ben = next(one for one in page.storage.catalogue.people.faces_of_person(ids["Ben"]) if one.photo_id == PHOTO)
    async with page.get(f"/faces/{ben.id}") as response:
        assert (response.status, response.content_type) == (200, "image/jpeg")
        assert response.headers["Cache-Control"] == "private, no-cache"
        tag, body = response.headers["ETag"], await response.read()
    image = Image.open(io.BytesIO(body))
    assert image.size == (224, 224)
    red, green, blue = image.convert("RGB").getpixel((112, 130))  # type: ignore[misc]
    assert abs(red - 0x8D) + abs(green - 0x5A) + abs(blue - 0x3B) < 40, "Ben's skin"
    async with page.get(f"/faces/{ben.id}", headers={"If-None-Match": tag}) as response:
        assert response.status == 304
    for path in ("/faces/999999", "/faces/x", f"/faces/{'9' * 19}"):
        await page.text(path, status=404)


async def test_a_group_is_named_and_found_by_its_name(page: Page, ids: dict[str, int]) -> None:
    assert await send(page, f"/people/{ids['']}", do="name", name=" Carla  ", **{"from": "list"}) == "/people?page=1"
    assert named(page) == {"Anna": 3, "Ben": 2, "Carla": 3}
    push(page.storage)
    hits = (await page.json("/api/search?q=person:Carla"))["hits"]
    assert {hit["id"] for hit in hits} == {content_key(f"party/{number}.jpg") for number in (1, 2, 3)}
    body = await page.text(f"/people/{ids['']}")
    assert 'href="/?q=person%3ACarla"' in body
    assert body.count('class="tile') == 3
    assert "A name was given." in body
    assert await send(page, "/people/undo", person=str(ids[""])) == f"/people/{ids['']}"
    assert named(page) == {"Anna": 3, "Ben": 2}


async def test_a_name_that_is_known_makes_both_one_person(page: Page, ids: dict[str, int]) -> None:
    assert await send(page, f"/people/{ids['']}", do="name", name="anna") == f"/people/{ids['Anna']}"
    assert named(page) == {"Anna": 6, "Ben": 2}
    await page.text(f"/people/{ids['']}", status=404)
    assert await send(page, "/people/undo") == "/people"
    assert named(page) == {"Anna": 3, "Ben": 2}


async def test_merging_takes_the_name_of_somebody_who_is_there(page: Page, ids: dict[str, int]) -> None:
    body = await send(page, f"/people/{ids['']}", 400, do="merge", name="Nobody <b>")
    assert "Nobody else is called Nobody &lt;b&gt;. Nothing was changed." in body
    assert 'value="Nobody &lt;b&gt;"' in body
    assert "Nobody else is called" in await send(page, f"/people/{ids['Ben']}", 400, do="merge", name="Ben")
    assert await send(page, f"/people/{ids['']}", do="merge", name="Ben") == f"/people/{ids['Ben']}"
    assert named(page) == {"Anna": 3, "Ben": 5}


@pytest.mark.parametrize(("answer", "faces"), [("yes", 6), ("no", 3)])
async def test_is_this_also_anna(page: Page, ids: dict[str, int], answer: str, faces: int) -> None:
    anna = f"/people/{ids['Anna']}"
    body = await page.text(anna)
    assert "Is this also <bdi>Anna</bdi>?" in body
    assert f'name="other" value="{ids[""]}"' in body
    assert await send(page, anna, do=answer, other=str(ids[""])) == anna
    assert named(page)["Anna"] == faces
    assert "Is this also" not in await page.text(anna)
    await send(page, "/people/undo", person=str(ids["Anna"]))
    assert "Is this also" in await page.text(anna)


async def test_faces_are_taken_from_a_person(page: Page, ids: dict[str, int]) -> None:
    anna, people = f"/people/{ids['Anna']}", page.storage.catalogue.people
    first, *_ = [one.id for one in people.faces_of_person(ids["Anna"])]
    bens = people.faces_of_person(ids["Ben"])[0].id
    assert 'role="alert">No face was chosen.' in await send(page, anna, 400, do="not")
    await send(page, anna, 400, do="not", face="x")
    await send(page, anna, 400, do="not", face=str(bens))
    assert await send(page, anna, do="not", face=str(first)) == anna
    assert named(page) == {"Anna": 2, "Ben": 2}
    assert f'name="face" value="{first}"' not in await page.text(anna)


async def test_whom_nobody_wants_to_see_is_ignored_and_shown_again(page: Page, ids: dict[str, int]) -> None:
    assert "Nobody is ignored." in await page.text("/people?show=ignored")
    await send(page, f"/people/{ids['']}", do="ignore", **{"from": "list"})
    assert f"/people/{ids['']}" not in await page.text("/people")
    ignored = await page.text("/people?show=ignored")
    assert f'action="/people/{ids[""]}?show=ignored&amp;page=1"' in ignored
    assert await send(page, f"/people/{ids['']}?show=ignored", do="show", **{"from": "list"}) == (
        "/people?show=ignored&page=1"
    )
    assert f"/people/{ids['']}" in await page.text("/people")


async def test_the_name_is_taken_away(page: Page, ids: dict[str, int]) -> None:
    await send(page, f"/people/{ids['Ben']}", do="unname", name="Ben")
    assert named(page) == {"Anna": 3}


@pytest.mark.parametrize("typed", ["", " ", "\u200b", "x" * 101, "x" * 200, "\x00\x07"])
async def test_what_can_t_be_a_name_is_said_and_nothing_changed(page: Page, ids: dict[str, int], typed: str) -> None:
    for url, fields in (
        (f"/people/{ids['']}", {"from": "list"}),
        (f"/people/{ids['Anna']}", {}),
        (FACES, {"face": str(page.storage.catalogue.people.faces_of(PHOTO)[2].id)}),
    ):
        body = await send(page, url, 400, do="name", name=typed, **fields)
        assert 'role="alert">A name has one character at least and 100 at most. Nothing was changed.' in body
        assert 'aria-describedby="problem"' in body
    assert named(page) == {"Anna": 3, "Ben": 2}


@pytest.mark.parametrize("name", HOSTILE_NAMES)
async def test_hostile_names_are_text_everywhere(page: Page, ids: dict[str, int], name: str) -> None:
    await send(page, f"/people/{ids['']}", do="name", name=name)
    push(page.storage)
    kept = page.storage.catalogue.people.person(ids[""])
    assert kept is not None
    assert kept.name
    for path in ("/people", f"/people/{ids['']}", FACES, f"{FACES}?part=faces", f"/photo/{PHOTO}"):
        assert_harmless(await page.text(path))
    told = await page.json(f"/api/people/{ids['']}")
    assert "\u202e" not in told["name"]
    link = re.search(r'href="(/\?q=person[^"]+)"', await page.text(f"/people/{ids['']}"))
    assert link
    assert (await page.text(link[1].replace("&amp;", "&"))).count('class="tile') == 3, "its own search finds it"


async def test_the_faces_of_a_photo_are_shown_and_named_in_place(page: Page, ids: dict[str, int]) -> None:
    search = "?q=lake&sort=newest&at=0"
    assert f'href="{FACES}{search.replace("&", "&amp;")}"' in await page.text(f"/photo/{PHOTO}{search}")
    body = await page.text(f"{FACES}{search}&part=faces")
    assert "<html" not in body
    assert [float(left) for left in re.findall(r'data-left="([\d.]+)"', body)] == pytest.approx(
        [left_of(at) for at in range(3)]
    )
    assert set(re.findall(r'data-width="([\d.]+)"', body)) == {str(WIDTH)}
    assert 'aria-label="Face 1: Anna"' in body
    assert 'aria-label="Face 3: who is this?"' in body
    assert "style=" not in body
    face = page.storage.catalogue.people.faces_of(PHOTO)[2].id
    assert await send(page, FACES + search, do="name", face=str(face), name="Carla") == FACES + search
    assert "Face 3: Carla" in await page.text(FACES)
    assert ">Carla</bdi></a>" in await page.text(f"/photo/{PHOTO}")
    await send(page, FACES, do="not", face=str(face))
    assert "Face 3: who is this?" in await page.text(FACES)
    await send(page, FACES, do="undo")
    assert "Face 3: Carla" in await page.text(FACES)


async def test_a_face_is_changed_on_its_own_photo_only(page: Page, ids: dict[str, int]) -> None:
    elsewhere = page.storage.catalogue.people.faces_of(content_key("party/4.jpg"))[0].id
    for face in (str(elsewhere), "999999", "x", "", "9" * 30):
        await send(page, FACES, 404, do="not", face=face)
    face = page.storage.catalogue.people.faces_of(PHOTO)[0].id
    await send(page, FACES, 400, do="dance", face=str(face))
    assert named(page) == {"Anna": 3, "Ben": 2}
    await page.text(f"/photo/{'0' * 32}/faces", status=404)


async def test_a_photo_without_a_face_says_so(page: Page) -> None:
    page.storage.catalogue.people.switch(on=True)
    assert "No face was found in this photo." in await page.text(f"{FACES}?part=faces")


@pytest.mark.parametrize("path", ["/people/999", "/people/0", "/people/x", f"/people/{'9' * 19}"])
async def test_who_is_not_there(page: Page, ids: dict[str, int], path: str) -> None:
    await page.text(path, status=404)
    async with page.post(path, data={"do": "ignore"}) as response:
        assert response.status in {404, 405}


async def test_forms_that_make_no_sense(page: Page, ids: dict[str, int]) -> None:
    await send(page, f"/people/{ids['Anna']}", 400, do="dance")
    await send(page, f"/people/{ids['Anna']}", 400, do="yes", other="x")
    await send(page, f"/people/{ids['Anna']}", 404, do="yes", other="999")
    await send(page, f"/people/{ids['Anna']}", 404, do="yes", other=str(ids["Anna"]))
    await send(page, "/people/switch", 400, do="maybe")
    assert await send(page, "/people/undo", person="x") == "/people"
    assert "<h1" in await page.text("/people?page=x")
    assert "<h1" in await page.text("/people?page=99999999999999999999")


async def test_everything_is_deleted_after_one_more_question(page: Page, ids: dict[str, int]) -> None:
    vectors = FaceVectors(page.settings.faces_path)
    vectors.store([(1, b"\x01\x02" * 64)], "made-1")
    aside = page.settings.data_dir / "faces.db.damaged"
    aside.write_bytes(b"vectors")
    body = await page.text("/people/delete")
    assert "9 faces are deleted" in body
    assert page.storage.catalogue.people.counts().faces == 9, "asking deletes nothing"
    assert await send(page, "/people/delete") == "/people"
    vectors.close()
    assert not list(page.settings.data_dir.glob("faces.db*"))
    counts = page.storage.catalogue.people.counts()
    assert (counts.faces, counts.named, page.storage.catalogue.people.switched()) == (0, 0, False)
    assert 'name="do" value="on"' in await page.text("/people")
    await page.text("/faces/1", status=404)
    push(page.storage)
    assert not (await page.json("/api/search?q=person:Anna"))["hits"]


async def test_names_are_kept_where_that_is_wanted(page: Page, ids: dict[str, int]) -> None:
    await send(page, "/people/delete", keep="names")
    assert page.storage.catalogue.people.names() == ["Anna", "Ben"]
    assert "still stored" in await page.text("/people"), "and may be deleted, too"


async def test_in_german(page: Page, ids: dict[str, int]) -> None:
    german = {"Accept-Language": "de"}
    assert "Wer ist das?" in await page.text("/people", headers=german)
    body = await page.text(f"/people/{ids['Anna']}", headers=german)
    assert "Ist das auch <bdi>Anna</bdi>?" in body
    assert 'data-keys="j"' in body
    assert "Gesicht 3: Wer ist das?" in await page.text(FACES, headers=german)


async def test_only_the_house_may(start_page: StartPage) -> None:
    page = await start_page(party(), password="grandma's garden")
    meet(page.storage)
    for path in ("/people", "/people/1", FACES, "/people/delete"):
        async with page.get(path, allow_redirects=False) as response:
            assert (response.status, response.headers["Location"].partition("?")[0]) in {
                (303, "/login"),
                (302, "/login"),
            }
    async with page.get("/faces/1", headers={"Accept": "image/*"}, allow_redirects=False) as response:
        assert response.status in {302, 303, 401}
    await page.json("/api/people", status=401)


async def test_forms_of_other_sites_are_refused(page: Page, ids: dict[str, int]) -> None:
    for path in ("/people/switch", "/people/delete", "/people/undo", f"/people/{ids['Anna']}", FACES):
        async with page.post(path, data={"do": "off"}, headers=CROSS_SITE[0]) as response:
            assert response.status == 403
    assert page.storage.catalogue.people.counts().faces == 9


async def test_the_faces_say_why_their_names_are_in_no_file(page: Page, ids: dict[str, int]) -> None:
    assert "not written" not in await page.text(FACES)
    reason = Reason(ReasonCode.OTHER_REGIONS).to_json()
    with page.storage.catalogue._database.transaction() as writer:
        writer.execute(
            "INSERT INTO file_names (file_id, names, reason) SELECT id, 'x', ? FROM file WHERE photo_id = ?",
            (reason, PHOTO),
        )
    body = await page.text(FACES)
    assert "The names are not written into the file: another program has named faces in the file" in body
    german = await page.text(FACES, headers={"Accept-Language": "de"})
    assert "ein anderes Programm hat in der Datei Gesichter benannt" in german
    assert "take them safely" in await page.text("/people")
