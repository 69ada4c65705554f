"""Photos that are nearly the same: one tile for all, each on the photo's page, and a way to see all."""

from __future__ import annotations

import re
from datetime import timedelta

from indexer.model import PhotoMetadata
from tests.web.conftest import StartPage
from tests.web.library_made import TAKEN, MadePhoto, content_key, many
from tests.web.pages.test_pages import links

RAW, JPEG, EDITED = "2021/IMG_1.CR2", "2021/IMG_1.JPG", "2021/IMG_1-edited.jpg"


def photo(name: str, caption: str, *, after_s: float = 0, mime_type: str = "image/jpeg") -> MadePhoto:
    metadata = PhotoMetadata(mime_type, 400, 300, TAKEN + timedelta(seconds=after_s), camera="Canon EOS 80D")
    return MadePhoto(name, caption, tags=(), metadata=metadata)


STACK = [
    photo(RAW, "a dog in the snow", mime_type="image/x-canon-cr2"),
    photo(JPEG, "a dog in the snow with a sledge"),
    photo(EDITED, "a dog in the snow"),
]


def shown(html: str) -> list[str]:
    return re.findall(r'id="p-(\w+)"', html)


async def test_one_tile_stands_for_all_with_their_number(start_page: StartPage) -> None:
    page = await start_page([*STACK, *many(5)])
    html = await page.text("/")
    assert len(shown(html)) == 6
    assert content_key(EDITED) in shown(html)
    assert re.search(r'<span aria-hidden="true">3</span><span class="unseen">3 similar photos</span>', html)
    assert html.count('class="stacked"') == 1
    assert "8 photos" in html
    assert "2 of them are not shown, as similar ones are." in html
    (each,) = links(html, "similar%3Aall")
    html = await page.text(each)
    assert len(shown(html)) == 8
    assert 'class="stacked"' not in html
    assert "not shown" not in html
    assert "/" in links(html, "chip on"), "the way back"


async def test_the_photo_s_page_shows_the_others_and_leafs_on_from_the_stack(start_page: StartPage) -> None:
    page = await start_page([*STACK, *many(5)])
    at = shown(await page.text("/")).index(content_key(EDITED))
    html = await page.text(f"/photo/{content_key(EDITED)}?at={at}")
    strip = html.partition('class="siblings"')[2].partition("</section>")[0]
    assert "2 similar photos" in strip
    assert set(shown(strip)) == {content_key(RAW), content_key(JPEG)}
    assert f"{at + 1} of 6" in html
    others = html.partition('class="similar"')[2]
    assert not {content_key(one.name) for one in STACK} & set(shown(others))
    other = await page.text(f"/photo/{content_key(RAW)}?at={at}")
    assert f"{at + 1} of 6" in other, "a folded one is at the place of its stack"
    alone = await page.text(f"/photo/{content_key('2024/photo 0000.jpg')}")
    assert 'class="siblings"' not in alone


async def test_a_search_for_what_one_of_them_has_finds_that_one(start_page: StartPage) -> None:
    page = await start_page([*STACK, *many(5)])
    html = await page.text("/?q=sledge")
    assert shown(html) == [content_key(JPEG)]
    assert "1 photo" in html
    assert "3 similar photos" in html
    assert "not shown" not in html


async def test_the_api_tells_and_unfolds(start_page: StartPage) -> None:
    page = await start_page([*STACK, *many(5)])
    answer = await page.json("/api/search?q=snow+camera:canon")
    assert (answer["total"], answer["folded"], len(answer["hits"])) == (3, 2, 1)
    assert {hit["id"]: hit["similar"] for hit in answer["hits"]}[content_key(EDITED)] == 2
    for each in ("/api/search?q=snow+camera:canon&similar=all", "/api/search?q=snow+camera:canon+similar:all"):
        answer = await page.json(each)
        assert (answer["total"], answer["folded"], len(answer["hits"])) == (3, 0, 3)
    assert (await page.json(f"/api/photos/{content_key(RAW)}"))["similar"] == 2
    assert "similar is all" in (await page.json("/api/search?similar=none", status=400))["error"]["message"]
    wrong = (await page.json("/api/search?q=similar:none", status=400))["error"]
    assert wrong["suggestion"] == "similar:all"


async def test_the_api_names_one_of_each_stack_among_photos_like_another(start_page: StartPage) -> None:
    bursts = [
        photo(f"IMG_20210714_1542{burst:02}_BURST{shot:03}.jpg", "a dog, snow", after_s=100 * burst + 9 + shot / 4)
        for burst in range(5)
        for shot in range(9)
    ]
    page = await start_page([*STACK, *bursts, *many(5)])
    like_it = f"/api/photos/{content_key(JPEG)}/similar"
    stacks = {content_key(one.name): number // 9 for number, one in enumerate(bursts)}
    for limit in (3, 5, 20):
        hits = [hit["id"] for hit in (await page.json(f"{like_it}?limit={limit}"))["hits"]]
        assert not {content_key(one.name) for one in STACK} & set(hits)
        seen = [stacks[hit] for hit in hits if hit in stacks]
        assert len(seen) == len(set(seen)) == min(limit, 5)
    hits = [hit["id"] for hit in (await page.json(f"{like_it}?limit=60&similar=all"))["hits"]]
    assert {content_key(RAW), content_key(EDITED), *stacks} <= set(hits)
    assert "similar is all" in (await page.json(f"{like_it}?similar=none", status=400))["error"]["message"]


async def test_pages_without_the_script_meet_every_stack_once(start_page: StartPage) -> None:
    bursts = [
        photo(f"IMG_20210714_1542{burst:02}_BURST{shot:03}.jpg", "a dog", after_s=100 * burst + shot / 4)
        for burst in range(70)
        for shot in range(3)
    ]
    page = await start_page(bursts)
    seen: list[str] = []
    address = "/"
    while address:
        html = await page.text(address)
        seen += shown(html)
        address = next(iter(links(html, "next")), "")
    assert len(seen) == len(set(seen)) == 70
    assert "210 photos" in html
    assert "140 of them" in html


async def test_in_german(start_page: StartPage) -> None:
    page = await start_page(STACK)
    html = await page.text("/", headers={"Accept-Language": "de"})
    assert "2 davon werden nicht gezeigt, da fast gleiche zu sehen sind." in html
    assert "Jedes zeigen" in html
    assert "3 fast gleiche Fotos" in html


async def test_what_is_selected_is_the_one_that_is_seen(start_page: StartPage) -> None:
    page = await start_page(STACK)
    html = await page.text("/?select=1")
    assert re.findall(r'name="id" value="(\w+)"', html) == [content_key(EDITED)]
    assert "3 similar photos" in html
