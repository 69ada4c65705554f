"""The JSON API, driven as a script would."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from captioner import read_model_name
from indexer.model import Position
from tests.towers_made import tower_bundle
from tests.web.conftest import Page, StartPage
from tests.web.library_made import MadePhoto, content_key, many, titled


@pytest.mark.slow
async def test_a_search_answers_with_everything_about_its_hits(start_page: StartPage) -> None:
    photo = titled(MadePhoto("Lyon/quay.jpg", "a boat on a river", 0.8123), position=Position(45.764, 4.8357))
    page = await start_page([photo])
    answer = await page.json("/api/search?q=boat")
    assert answer["total"] == 1
    assert answer["took_ms"] >= 0
    (hit,) = answer["hits"]
    assert hit["id"] == content_key("Lyon/quay.jpg")
    assert hit["caption"] == "a boat on a river"
    assert hit["caption_by"] == "model"
    assert (hit["confidence"], hit["unsure"]) == (0.812, False)
    assert hit["tags"][0] == {"word": "dog", "probability": 0.93}
    assert hit["taken_at"] == "2021-07-14T15:42:00+00:00"
    assert (hit["width"], hit["height"]) == (400, 300)
    assert hit["position"]["latitude"] == 45.764
    assert hit["places"] == ["Lyon 01", "Lyon", "Auvergne-Rhône-Alpes", "France"]
    assert (await page.json(f"/api/photos/{hit['id']}"))["places"] == hit["places"]
    assert hit["files"][0]["path"] == "Lyon/quay.jpg"
    assert 0 <= hit["score"] <= 1
    assert [hit["caption"][start:end] for start, end in hit["why"][0]["spans"]] == ["boat"]
    async with page.get(hit["thumbnail"]) as response:
        assert response.content_type == "image/webp"


async def test_limit_and_offset_page_through_without_repeating(start_page: StartPage) -> None:
    page = await start_page(list(many(25)))
    seen: list[str] = []
    for offset in range(0, 40, 10):
        answer = await page.json(f"/api/search?limit=10&offset={offset}&sort=oldest")
        assert answer["total"] == 25
        seen += [hit["id"] for hit in answer["hits"]]
    assert len(seen) == len(set(seen)) == 25


@pytest.mark.slow
async def test_the_limit_is_capped(start_page: StartPage) -> None:
    page = await start_page(list(many(210)))
    assert len((await page.json("/api/search?limit=100000"))["hits"]) == 200


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=-1",
        "limit=1e3",
        "limit=٣",
        "offset=-1",
        "offset=9999999999999999999999",
        "sort=best",
        "q=yaer:2019",
        "q=" + "x" * 501,
    ],
)
async def test_a_wrong_parameter_is_a_400_that_says_which(page: Page, query: str) -> None:
    error = (await page.json(f"/api/search?{query}", status=400))["error"]
    assert error["status"] == 400
    assert len(error["message"]) > 10


async def test_a_wrong_filter_comes_with_the_right_one(page: Page) -> None:
    error = (await page.json("/api/search?q=dog+yaer:2019", status=400))["error"]
    assert (error["text"], error["suggestion"]) == ("yaer:2019", "year:2019")


async def test_a_photo_by_its_id(page: Page) -> None:
    key = content_key("2024/photo 0000.jpg")
    found = await page.json(f"/api/photos/{key}")
    assert found["id"] == key
    assert found["mime_type"] == "image/jpeg"
    assert found["model"] == "test-1"
    assert (await page.json(f"/api/photos/{'0' * 32}", status=404))["error"]["message"]
    assert (await page.json("/api/photos/1", status=404))["error"]["status"] == 404
    alike = await page.json(f"/api/photos/{key}/similar?limit=3")
    assert key not in [hit["id"] for hit in alike["hits"]]
    assert (await page.json(f"/api/photos/{'0' * 32}/similar"))["hits"] == []


async def test_facets_count_the_current_search(page: Page) -> None:
    facets = (await page.json("/api/facets?q=dog"))["facets"]
    assert sum(item["count"] for item in facets["year"]) == 3
    assert {item["value"] for item in facets["person"]} <= {"Anna", "Ben"}
    assert set(facets) >= {"year", "camera", "place", "folder", "person", "tag", "type", "rating"}


async def test_status_counts(page: Page) -> None:
    status = await page.json("/api/status")
    assert status["counts"]["photos"] == 12
    assert status["search"]["photos"] == 12
    assert status["set_aside"] == []
    assert [root["files"] for root in status["libraries"]] == [12]
    assert status["progress"]["phase"] == "up to date"


async def test_every_answer_is_utf_8_whatever_the_files_are_called(start_page: StartPage) -> None:
    name = os.fsdecode(b"caf\xe9\x80.jpg")
    page = await start_page([MadePhoto(name, "a caption with \udcff in it")])
    found = await page.json(f"/api/photos/{content_key(name)}")
    found["files"][0]["path"].encode("utf-8")
    for path in ("/api/search", "/api/facets", "/api/status", "/", "/status"):
        (await page.text(path)).encode("utf-8")


SEA, ANIMAL = (1.0, 0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0)


@pytest.fixture
async def meaningful(start_page: StartPage, tmp_path: Path) -> Page:
    """A page whose model understands queries, over photos that it looked at, and one that another model did."""
    bundle = tower_bundle(tmp_path / "bundle")
    model, _ = read_model_name(bundle)
    near_sea = (0.8, 0.6, 0.0, 0.0)
    return await start_page(
        [
            MadePhoto("sand.jpg", "two people on a beach", 0.2, tags=(), embedding=SEA, model=model),
            MadePhoto("rex.jpg", "a dog on a street", tags=(), embedding=ANIMAL, model=model),
            MadePhoto("walk.jpg", "a dog on a lead", tags=(), embedding=near_sea, model=model),
            MadePhoto("old.jpg", "people and towels", tags=(), embedding=SEA, model="older-1"),
        ],
        bundle=bundle,
    )


async def test_a_word_that_no_photo_has_finds_by_meaning_and_says_why(meaningful: Page) -> None:
    answer = await meaningful.json("/api/search?q=cove")
    assert [hit["files"][0]["path"] for hit in answer["hits"]] == ["sand.jpg", "walk.jpg"]
    assert (answer["total"], answer["by_meaning"], answer["dropped"], answer["corrections"]) == (2, 2, [], {})
    (why,) = answer["hits"][0]["why"]
    assert why == {"field": "embedding", "text": "cove ≈ beach", "spans": [[7, 12]], "kind": "meaning"}
    assert answer["hits"][0]["unsure"] is True
    facets = (await meaningful.json("/api/facets?q=cove"))["facets"]
    assert facets["type"] == [{"value": "jpeg", "count": 2}]


async def test_likeness_goes_by_embeddings_of_the_same_model(meaningful: Page) -> None:
    answer = await meaningful.json(f"/api/photos/{content_key('sand.jpg')}/similar")
    assert [hit["files"][0]["path"] for hit in answer["hits"]] == ["walk.jpg"]
    answer = await meaningful.json(f"/api/photos/{content_key('walk.jpg')}/similar")
    assert [hit["files"][0]["path"] for hit in answer["hits"]] == ["sand.jpg", "rex.jpg"]
    assert (await meaningful.json(f"/api/photos/{content_key('old.jpg')}/similar"))["hits"] == []
