"""A data directory of every earlier schema is opened by today's program: its photos are found, keep their captions and
what people typed, and none is captioned again."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
from pathlib import Path

import pytest

from indexer.catalogue.schema import CATALOGUE_MIGRATIONS
from indexer.model import Photo
from indexer.search.embedded.schema import EMBEDDED_MIGRATIONS
from indexer.settings import Settings
from indexer.sqlite.database import Database
from indexer.storage import search_path
from indexer.thumbnails import THUMBNAIL_MIGRATIONS
from tests.indexing import COLOURS, CountingCaptioner, all_photos, found, index, settings_for, stored
from tests.photos_made import write_jpeg

pytestmark = pytest.mark.slow  # each test indexes a library

MODEL = "colours-1"
TYPED = "grandmother's front door"


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Photo]]:
    """Three photos, and what today's program knows of them."""
    folder = tmp_path_factory.mktemp("library")
    settings = settings_for(folder, captions="off")
    for number, (name, colour) in enumerate(list(COLOURS.items())[:3]):
        write_jpeg(folder / f"photos/2019/{name}.jpg", colour, number + 1)
    asyncio.run(index(settings, CountingCaptioner(), folder / "photos"))
    with stored(settings) as storage:
        return folder / "photos", all_photos(storage)


def make_catalogue(settings: Settings, root: Path, photos: list[Photo], migrations: int) -> None:
    """As the program that had so many migrations left it: three settled photos, the first corrected if it could be."""
    with (
        Database(settings.catalogue_path, CATALOGUE_MIGRATIONS[:migrations]) as database,
        database.transaction() as writer,
    ):
        insert(writer, "root", {"id": 1, "path": bytes(root), "walk": 1, "walked_at": "2024-01-01T00:00:00+00:00"})
        for number, photo in enumerate(photos):
            insert(writer, "photo", photo_row(photo, corrected=number == 0))
            insert(writer, "file", file_row(photo, root))


def photo_row(photo: Photo, *, corrected: bool) -> dict[str, object]:
    assert photo.machine is not None
    metadata = photo.metadata
    return {
        "id": photo.id,
        "mime_type": metadata.mime_type,
        "width_px": metadata.width_px,
        "height_px": metadata.height_px,
        "machine_text": photo.machine.text,
        "machine_confidence": 0.8,
        "machine_model": MODEL,
        "tags": json.dumps([[tag.word, tag.probability] for tag in photo.machine.tags]),
        "caption_place": "index",
        "added_at": "2024-01-01T00:00:00+00:00",
        "look_model": MODEL,
        **({"corrected_text": TYPED, "corrected_at": "2024-01-02T00:00:00+00:00"} if corrected else {}),
    }


def file_row(photo: Photo, root: Path) -> dict[str, object]:
    path = photo.files[0].path
    status = path.stat()
    return {
        "root_id": 1,
        "folder": bytes(path.parent.relative_to(root)),
        "name": path.name.encode(),
        "mtime_ns": status.st_mtime_ns,
        "size": status.st_size,
        "inode": status.st_ino,
        "photo_id": photo.id,
        "settled_at": "2024-01-01T00:00:00+00:00",
        "caption_place": "index",
    }


def insert(writer: sqlite3.Connection, table: str, values: dict[str, object]) -> None:
    """Those columns that the table had then."""
    known = {row["name"] for row in writer.execute(f"PRAGMA table_info({table})")}
    chosen = {name: value for name, value in values.items() if name in known}
    marks = ", ".join("?" * len(chosen))
    writer.execute(f"INSERT INTO {table} ({', '.join(chosen)}) VALUES ({marks})", list(chosen.values()))


@pytest.mark.parametrize("migrations", range(1, len(CATALOGUE_MIGRATIONS) + 1))
def test_a_catalogue_of_every_earlier_schema_is_found_through_at_once(
    library: tuple[Path, list[Photo]], tmp_path: Path, migrations: int
) -> None:
    root, photos = library
    settings = settings_for(tmp_path, captions="off")
    make_catalogue(settings, root, photos, migrations)
    # The other files as old as that, as far as they reach back.
    Database(settings.thumbnails_path, THUMBNAIL_MIGRATIONS[: max(migrations // 6, 1)]).close()
    Database(search_path(settings), EMBEDDED_MIGRATIONS[: max(migrations // 3, 1)]).close()
    check_found(settings, root, photos, corrected=migrations > 1)


@pytest.mark.parametrize("migrations", range(1, len(THUMBNAIL_MIGRATIONS) + 1))
def test_thumbnails_of_every_earlier_schema(library: tuple[Path, list[Photo]], tmp_path: Path, migrations: int) -> None:
    root, photos = library
    settings = settings_for(tmp_path, captions="off")
    make_catalogue(settings, root, photos, len(CATALOGUE_MIGRATIONS))
    Database(settings.thumbnails_path, THUMBNAIL_MIGRATIONS[:migrations]).close()
    check_found(settings, root, photos, corrected=True)


@pytest.mark.parametrize("migrations", range(1, len(EMBEDDED_MIGRATIONS) + 1))
def test_a_search_index_of_every_earlier_schema(
    library: tuple[Path, list[Photo]], tmp_path: Path, migrations: int
) -> None:
    root, photos = library
    settings = settings_for(tmp_path, captions="off")
    make_catalogue(settings, root, photos, len(CATALOGUE_MIGRATIONS))
    Database(search_path(settings), EMBEDDED_MIGRATIONS[:migrations]).close()
    check_found(settings, root, photos, corrected=True)


def check_found(settings: Settings, root: Path, photos: list[Photo], *, corrected: bool) -> None:
    captioner = CountingCaptioner()
    progress = asyncio.run(index(settings, captioner, root))
    assert progress.problem is None
    assert captioner.asked == []
    typed = [TYPED] if corrected else []
    with stored(settings) as storage:
        counts = storage.catalogue.counts()
        assert (counts.photos, counts.with_caption, counts.files, counts.queued) == (3, 3, 3, 0)
        captions = {photo.id: photo.machine.text for photo in photos if photo.machine is not None}
        assert {photo.id: photo.machine and photo.machine.text for photo in all_photos(storage)} == captions
        assert [photo.correction for photo in all_photos(storage) if photo.correction] == typed
        assert len(found(storage, "wall")) == 3, "by its tag where the sentence is corrected"
        assert found(storage, "grandmother") == typed
        assert storage.search.count() == 3
        assert min(storage.thumbnails.sizes().values()) == 3
    shutil.rmtree(settings.data_dir)
