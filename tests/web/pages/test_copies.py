"""Twenty thousand copies of one photo: a few are listed, all are counted, and none is read for it."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile

import pytest

from indexer.commands.captions import _captioned_photos
from indexer.model import LISTED_FILES, CaptionPlace
from tests.reasons_made import reason_saying
from tests.web.conftest import Page, StartPage
from tests.web.library_made import MadePhoto, content_key

COPIES = 20_000
NAME = "walk.jpg"
PHOTO = content_key(NAME)

_COPY = """
WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < ?)
INSERT INTO file (root_id, folder, name, mtime_ns, size, inode, photo_id, settled_at)
SELECT root_id, CAST('copies/' || (n % 100) AS BLOB), CAST(printf('copy %06d.jpg', n) AS BLOB), mtime_ns, size, 0,
    photo_id, settled_at FROM file, number WHERE photo_id = ?
"""


def copy(page: Page, copies: int = COPIES) -> None:
    with page.storage.catalogue._database.transaction() as writer:
        writer.execute(_COPY, (copies, PHOTO))


@pytest.fixture
async def copied(start_page: StartPage) -> Page:
    page = await start_page([MadePhoto(NAME, "a dog on a beach"), MadePhoto("cat.jpg", "a cat")])
    copy(page)
    return page


@pytest.mark.slow
async def test_the_page_and_the_api_list_a_few_and_count_all(copied: Page) -> None:
    html = await copied.text(f"/photo/{PHOTO}")
    assert len(html) < 60_000
    assert html.count("/files/") < 3 * LISTED_FILES
    assert "20,001 copies" in html
    assert "and 19,981 more" in html
    for answer in (await copied.json("/api/search?q=dog"))["hits"][0], await copied.json(f"/api/photos/{PHOTO}"):
        assert len(json.dumps(answer)) < 6_000
        assert len(answer["files"]) == LISTED_FILES
        assert answer["file_count"] == COPIES + 1
    other = (await copied.json("/api/search?q=cat"))["hits"][0]
    assert (len(other["files"]), other["file_count"]) == (1, 1)


@pytest.mark.slow
async def test_none_of_the_copies_is_read_for_a_hit(copied: Page) -> None:
    reader = copied.storage.catalogue._database.reader
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    taken = []
    for most in (LISTED_FILES, None):
        steps = 0
        reader.set_progress_handler(count, 100)
        copied.storage.catalogue.photos([PHOTO], most_files=most)
        reader.set_progress_handler(None, 0)
        taken.append(steps)
    few, whole = taken
    assert few < whole / 4
    plan = reader.execute(
        "EXPLAIN QUERY PLAN SELECT id FROM file WHERE photo_id = ? ORDER BY missing_since IS NOT NULL, id LIMIT 20",
        (PHOTO,),
    ).fetchall()
    assert [row["detail"] for row in plan] == ["SEARCH file USING INDEX file_photo (photo_id=?)"]


async def test_files_that_are_there_are_listed_before_missing_ones(start_page: StartPage) -> None:
    page = await start_page([MadePhoto(NAME, "a dog on a beach")])
    copy(page, 60)
    with page.storage.catalogue._database.transaction() as writer:
        writer.execute("UPDATE file SET missing_since = '2024-01-01' WHERE id <= 50")
    photo = page.storage.catalogue.photo(PHOTO, most_files=LISTED_FILES)
    assert photo
    assert [file.missing for file in photo.files] == [False] * 11 + [True] * 9
    assert photo.file_count == 61


async def test_any_copy_can_be_opened_and_a_zip_holds_one_that_is_there(start_page: StartPage) -> None:
    page = await start_page([MadePhoto(NAME, "a dog on a beach"), MadePhoto("cat.jpg", "a cat")])
    copy(page, 50)
    whole = page.storage.catalogue.photo(PHOTO)
    assert whole
    last = max(whole.files, key=lambda file: file.id)
    last.path.parent.mkdir(parents=True)
    (page.settings.photos[0] / NAME).rename(last.path)
    async with page.get(f"/photo/{PHOTO}/files/{last.id}") as response:
        assert response.status == 200
        assert await response.read() == last.path.read_bytes()
    other = page.storage.catalogue.photo(content_key("cat.jpg"))
    assert other
    async with page.get(f"/photo/{PHOTO}/files/{other.files[0].id}") as response:
        assert response.status == 404, "another photo's"
    async with page.post("/api/download", json={"ids": [PHOTO]}) as response:
        assert response.status == 200
        packed = zipfile.ZipFile(io.BytesIO(await response.read()))
    assert packed.namelist() == [last.path.name]


@pytest.mark.slow
async def test_the_command_line_lists_a_few_and_counts_all(copied: Page) -> None:
    command = [sys.executable, "-m", "web.cli", "search", "beach", "--data-dir", str(copied.settings.data_dir)]
    output = subprocess.run([*command, "--json"], capture_output=True, text=True, timeout=120, check=True).stdout
    hit = json.loads(output)["hits"][0]
    assert (len(hit["files"]), hit["file_count"]) == (LISTED_FILES, COPIES + 1)
    assert len(output) < 10_000
    line = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    assert "(+20,000 copies)" in line


async def test_what_search_refused_and_what_was_captioned_is_listed_without_reading_every_copy(
    start_page: StartPage,
) -> None:
    page = await start_page([MadePhoto(NAME, "a dog on a beach", place=CaptionPlace.XMP)])
    copy(page, 60)
    catalogue = page.storage.catalogue
    with catalogue._database.transaction() as writer:
        writer.execute("UPDATE file SET ours = 'held'")
        writer.execute(
            "UPDATE photo SET refused_revision = revision, refused_reason = ?",
            (reason_saying("it is too large").to_json(),),
        )
    (refused,) = catalogue.refused()
    assert (len(refused.photo.files), refused.photo.file_count) == (LISTED_FILES, 61)
    listed = list(_captioned_photos(catalogue))
    assert len({file.id for _, file in listed}) == 61
    assert {len(photo.files) for photo, _ in listed} == {1}, "each copy is listed once, and not read for each other"
