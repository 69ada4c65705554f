"""Sentences that were taken back from files get tags and embedding by themselves, last of all and beside the files."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from captioner import Caption, Tag
from indexer.catalogue import Catalogue
from indexer.catalogue.schema import CATALOGUE_MIGRATIONS
from indexer.model import JobKind
from indexer.search.documents import document
from indexer.service import Indexer
from indexer.settings import Settings
from indexer.sqlite.database import Database
from indexer.storage import open_storage
from tests.indexing import COLOURS, CountingCaptioner, all_photos, colour_library, found, index, stored
from tests.libraries import WORDS, indexed, rescan, write
from tests.photos_made import write_jpeg

pytestmark = pytest.mark.slow  # each test indexes with real child processes

SCAN_NOW = {"red": (0.6, 0.8), "blue": (0.8, 0.6)}
BARE = Caption("a dog on a beach", 0.5, (), None, "model-1")


@pytest.fixture
def library(tmp_path: Path) -> Path:
    return colour_library(tmp_path, "red", "blue")


def contents(library: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in library.rglob("*") if path.is_file()}


@pytest.mark.parametrize("model", ["colours-1", "colours-2"])
async def test_a_lost_data_directory_is_completed_and_the_files_stay(
    library: Path, settings: Settings, model: str
) -> None:
    """The sentence stays, too, whoever wrote it: files and index say the same."""
    await index(settings, CountingCaptioner(embeddings=SCAN_NOW), library)
    before = contents(library)
    shutil.rmtree(settings.data_dir)
    captioner = CountingCaptioner(model=model, embeddings=SCAN_NOW)
    await index(settings, captioner, library)
    assert sorted(captioner.asked) == ["blue", "red"]
    assert contents(library) == before
    with stored(settings) as storage:
        photos = all_photos(storage)
        assert {photo.caption for photo in photos} == {
            "a red wall seen by colours-1",
            "a blue wall seen by colours-1",
        }
        for photo in photos:
            assert photo.machine is not None
            assert (photo.machine.model, photo.tags_model) == ("colours-1", model)
            assert {tag.word for tag in photo.machine.tags} > {"wall"}
            assert photo.machine.embedding is not None
            assert document(photo).model == model  # embeddings of two models lie in different spaces
            assert photo.caption_place is not None
        assert storage.catalogue.counts().incomplete == 0
        assert storage.catalogue.queue.queued() == 0
    again = CountingCaptioner(model=model, embeddings=SCAN_NOW)
    await index(settings, again, library)
    assert again.asked == []


async def test_what_is_new_comes_first(library: Path, settings: Settings) -> None:
    await index(settings, CountingCaptioner(embeddings=SCAN_NOW), library)
    shutil.rmtree(settings.data_dir)
    write_jpeg(library / "z.jpg", COLOURS["green"], 3)
    captioner = CountingCaptioner(embeddings=SCAN_NOW)
    await index(settings, captioner, library)
    assert captioner.asked[0] == "green"
    assert sorted(captioner.asked[1:]) == ["blue", "red"]


async def test_they_are_found_by_their_tags_again(library: Path, settings: Settings) -> None:
    class Seeing(CountingCaptioner):
        async def caption(self, pixels: bytes) -> Caption:
            said = await super().caption(pixels)
            return Caption("a wall", said.confidence, (*said.tags, Tag("brick", 0.9)), said.embedding, said.model)

    await index(settings, Seeing(), library)
    shutil.rmtree(settings.data_dir)
    await index(settings, Seeing(), library)
    with stored(settings) as storage:
        assert len(found(storage, "brick")) == 2


async def test_without_its_thumbnail_the_file_is_read_and_left_alone(library: Path, settings: Settings) -> None:
    await index(settings, CountingCaptioner(embeddings=SCAN_NOW), library)
    before = contents(library)
    with stored(settings) as storage:
        storage.thumbnails.delete(photo.id for photo in all_photos(storage))
        with storage.catalogue._database.transaction() as writer:
            writer.execute("UPDATE photo SET look_model = NULL, tags = '[]', embedding = NULL")
    captioner = CountingCaptioner(embeddings=SCAN_NOW)
    await index(settings, captioner, library)
    assert sorted(captioner.asked) == ["blue", "red"]
    assert contents(library) == before
    with stored(settings) as storage:
        assert min(storage.thumbnails.sizes().values()) == 2
        assert storage.catalogue.counts().incomplete == 0


def test_a_model_without_tags_is_asked_once(tmp_path: Path) -> None:
    root = tmp_path / "library"
    write(root / "a.jpg")
    with Catalogue(tmp_path / "data" / "catalogue.db") as catalogue:
        rescan(catalogue, root)
        [job] = catalogue.queue.claim(9)
        catalogue.settle(job, indexed(job, caption=BARE))
        assert catalogue.counts().incomplete == 0
        assert catalogue.queue.queued() == 0
        assert catalogue.queue.enqueue_all(JobKind.COMPLETE) == 0


def test_a_look_that_comes_late_changes_nothing(tmp_path: Path) -> None:
    """A newer model has described the photo while it was being looked at."""
    root = tmp_path / "library"
    write(root / "a.jpg")
    with Catalogue(tmp_path / "data" / "catalogue.db") as catalogue:
        rescan(catalogue, root)
        [job] = catalogue.queue.claim(9)
        catalogue.settle(job, indexed(job))
        [before] = catalogue.photos(catalogue.photo_ids())
        catalogue.settle_completion(job, before.id, BARE)
        assert catalogue.photos(catalogue.photo_ids()) == [before]


def test_an_older_catalogue_knows_which_photos_wait(tmp_path: Path) -> None:
    path, root = tmp_path / "data" / "catalogue.db", tmp_path / "library"
    write(root / "a.jpg")
    write(root / "b.jpg")
    with Catalogue(path) as catalogue:
        rescan(catalogue, root)
        for job, caption in zip(catalogue.queue.claim(9), (WORDS, BARE), strict=True):
            catalogue.settle(job, indexed(job, caption=caption))
    name = "catalogue-9"
    with Database(path, CATALOGUE_MIGRATIONS) as database, database.transaction() as writer:
        for undo in ("INDEX photo_incomplete", "INDEX job_thumbnails", "TABLE unreadable"):
            writer.execute(f"DROP {undo}")
        writer.execute("ALTER TABLE photo DROP COLUMN look_model")
        writer.execute("DELETE FROM migration WHERE name = ?", (name,))
    with Catalogue(path) as catalogue:
        assert catalogue.counts().incomplete == 1
        assert catalogue.queue.enqueue_all(JobKind.COMPLETE) == 1


async def test_a_running_service_completes_them(library: Path, settings: Settings) -> None:
    await index(settings, CountingCaptioner(embeddings=SCAN_NOW), library)
    shutil.rmtree(settings.data_dir)
    stop = asyncio.Event()
    with open_storage(settings) as storage:
        async with Indexer(settings, storage, captioner=CountingCaptioner(embeddings=SCAN_NOW)) as indexer:
            running = asyncio.create_task(indexer.run_forever([library], stop))
            async with asyncio.timeout(30):
                while storage.catalogue.counts().photos < 2 or storage.catalogue.counts().incomplete:
                    await asyncio.sleep(0.05)
            stop.set()
            await running
