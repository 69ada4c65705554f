"""People by the API: the list, a person, a photo's faces, and each decision, with what can't be made sense of."""

from __future__ import annotations

from typing import Any

import pytest

from tests.web.conftest import Page, StartPage
from tests.web.faces_made import meet, party
from tests.web.library_made import content_key
from tests.web.pages.test_corrections import CROSS_SITE

PHOTO = content_key("party/1.jpg")


@pytest.fixture
async def page(start_page: StartPage) -> Page:
    return await start_page(party())


@pytest.fixture
def ids(page: Page) -> dict[str, int]:
    return meet(page.storage)


async def post(page: Page, path: str, body: object, status: int = 200) -> Any:
    async with page.post(f"/api{path}", json=body) as response:
        told = await response.json()
        assert response.status == status, told
        return told


async def test_where_it_is_switched_off(page: Page) -> None:
    told = await page.json("/api/people")
    assert (told["on"], told["people"], told["faces"]) == (False, [], 0)
    for path in ("/people/1", f"/photos/{PHOTO}/faces"):
        await page.json(f"/api{path}", status=404)
    for path in ("/people/1/name", "/people/1/merge", "/people/undo", "/faces/not", "/faces/1/name"):
        await post(page, path, {"name": "Anna"}, 404)
    assert await post(page, "/people/switch", {"on": True}) == {"on": True}
    assert (await page.json("/api/people"))["on"] is True
    for body in ({}, {"on": 1}, {"on": None}):
        await post(page, "/people/switch", body, 400)


async def test_the_list_and_one_person(page: Page, ids: dict[str, int]) -> None:
    told = await page.json("/api/people")
    assert (told["on"], told["faces"], told["named"], told["photos_waiting"]) == (True, 9, 2, 0)
    assert [(one["name"], one["photos"], one["faces"]) for one in told["people"]] == [
        ("Anna", 3, 3),
        (None, 3, 3),
        ("Ben", 2, 2),
    ]
    assert len((await page.json("/api/people?limit=1&offset=1"))["people"]) == 1
    await page.json("/api/people?limit=x", status=400)
    anna = await page.json(f"/api/people/{ids['Anna']}")
    assert [one["id"] for one in anna["candidates"]] == [ids[""]]
    assert {one["by"] for one in anna["shown"]} == {"machine"}
    async with page.get(anna["picture"]) as response:
        assert response.content_type == "image/jpeg"
    await page.json("/api/people/999", status=404)


async def test_the_faces_of_a_photo(page: Page, ids: dict[str, int]) -> None:
    faces = (await page.json(f"/api/photos/{PHOTO}/faces"))["faces"]
    assert [one["name"] for one in faces] == ["Anna", "Ben", None]
    assert [one["person_id"] for one in faces] == [ids["Anna"], ids["Ben"], ids[""]]
    assert (faces[0]["left"], faces[0]["top"], faces[0]["width"]) == (0.1, 0.2, 0.1)
    assert (await page.json(f"/api/photos/{PHOTO}"))["people"] == ["Anna", "Ben"]
    await page.json(f"/api/photos/{'0' * 32}/faces", status=404)


async def test_every_decision_can_be_undone(page: Page, ids: dict[str, int]) -> None:
    anna, nobody = ids["Anna"], ids[""]
    before = await page.json("/api/people")
    face = (await page.json(f"/api/photos/{PHOTO}/faces"))["faces"][0]["id"]
    assert (await post(page, f"/people/{nobody}/name", {"name": "Carla"}))["name"] == "Carla"
    assert (await post(page, f"/people/{nobody}/name", {"name": None}))["name"] is None
    assert (await post(page, f"/people/{nobody}/name", {"name": "ANNA"}))["id"] == anna
    assert (await post(page, "/people/undo", {})) == {"undone": "merge", "person_id": anna}
    assert (await post(page, f"/people/{anna}/merge", {"other": nobody}))["faces"] == 6
    await post(page, "/people/undo", {})
    assert (await post(page, f"/people/{anna}/distinct", {"other": nobody}))["candidates"] == []
    assert (await post(page, f"/people/{anna}/ignore", {"ignored": True}))["ignored"] is True
    assert [one["id"] for one in (await page.json("/api/people?ignored=1"))["people"]] == [anna]
    assert (await post(page, f"/faces/{face}/name", {"name": "Dora"}))["name"] == "Dora"
    assert await post(page, "/faces/not", {"faces": [face]}) == {}
    undone = [(await post(page, "/people/undo", {}))["undone"] for _ in range(6)]
    assert undone == ["split", "assign", "ignore", "distinct", "unname", "name"]
    assert await page.json("/api/people") == before


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/people/1/name", {}),
        ("/people/1/name", {"name": 1}),
        ("/people/1/name", {"name": " "}),
        ("/people/1/name", {"name": "x" * 200}),
        ("/people/1/merge", {"other": "2"}),
        ("/people/1/merge", {"other": True}),
        ("/people/1/merge", {"other": 2**63}),
        ("/people/1/distinct", {}),
        ("/people/1/ignore", {"ignored": 1}),
        ("/faces/1/name", {"name": None}),
        ("/faces/not", {"faces": []}),
        ("/faces/not", {"faces": [1, "2"]}),
        ("/faces/not", {"faces": [-1]}),
    ],
)
async def test_bodies_that_make_no_sense(page: Page, ids: dict[str, int], path: str, body: object) -> None:
    before = await page.json("/api/people")
    await post(page, path, body, 400)
    assert await page.json("/api/people") == before


async def test_who_is_not_there(page: Page, ids: dict[str, int]) -> None:
    await post(page, "/people/999/name", {"name": "Carla"}, 404)
    await post(page, f"/people/{ids['Anna']}/merge", {"other": 999}, 404)
    await post(page, f"/people/{ids['Anna']}/merge", {"other": ids["Anna"]}, 404)
    await post(page, "/faces/999/name", {"name": "Carla"}, 404)
    await post(page, "/faces/not", {"faces": [999]}, 404)


async def test_everything_is_deleted(page: Page, ids: dict[str, int]) -> None:
    async with page.delete("/api/people?keep=names") as response:
        assert (response.status, await response.json()) == (200, {})
    assert (await page.json("/api/people"))["named"] == 2
    async with page.delete("/api/people", headers=CROSS_SITE[0]) as response:
        assert response.status == 403
    async with page.delete("/api/people") as response:
        assert response.status == 200
    told = await page.json("/api/people")
    assert (told["on"], told["faces"], told["named"]) == (False, 0, 0)
