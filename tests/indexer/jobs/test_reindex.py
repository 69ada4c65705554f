"""Rebuilding from what is stored: what is asked of the model, what of the files, and what an interruption leaves."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from indexer.errors import SetupError
from indexer.jobs.reindex import Rebuild, current_model, enqueue
from indexer.model import JobKind
from indexer.search.documents import document
from indexer.search.embedded.backend import EmbeddedSearch
from indexer.search.meaning import Meaning
from indexer.search.query import parse
from indexer.service import Indexer
from indexer.settings import Settings
from indexer.storage import Storage, search_path
from tests.indexer.captions.own_captions import read_own_caption
from tests.indexing import (
    CountingCaptioner,
    CountingPhotos,
    all_photos,
    colour_library,
    found,
    index,
    settings_for,
    stored,
)
from tests.towers_made import made_tower

pytestmark = pytest.mark.slow  # each test indexes with real child processes


@pytest.fixture
async def library(tmp_path: Path, settings: Settings) -> Path:
    root = colour_library(tmp_path, "red", "green", "blue")
    await index(settings, CountingCaptioner(), root)
    return root


async def work_off(settings: Settings, storage: Storage, captioner: CountingCaptioner) -> list[str]:
    """Works the queue off; the names of the files that were looked at."""
    async with (
        CountingPhotos(settings, input_px=captioner.input_px) as photos,
        Indexer(settings, storage, captioner=captioner, photos=photos) as indexer,
    ):
        await indexer.work_off()
    return photos.opened


async def test_a_newer_model_looks_at_cached_thumbnails_and_rewrites_the_captions(
    library: Path, settings: Settings
) -> None:
    newer = CountingCaptioner(model="colours-2")
    with stored(settings) as storage:
        assert storage.catalogue.queue.enqueue_all(JobKind.CAPTION, model="colours-2") == 3
        assert await work_off(settings, storage, newer) == []
        assert sorted(newer.asked) == ["blue", "green", "red"]
        assert found(storage, "red") == ["a red wall seen by colours-2"]
        assert storage.catalogue.queue.enqueue_all(JobKind.CAPTION, model="colours-2") == 0
    ours = read_own_caption((library / "red.jpg").read_bytes())
    assert ours is not None
    assert (ours.text, ours.model) == ("a red wall seen by colours-2", "colours-2")
    again = CountingCaptioner(model="colours-2")
    outcome = await index(settings, again, library)
    assert (outcome.done, again.asked) == (0, [])


async def test_pictures_are_asked_only_by_the_model_that_looked_at_them(library: Path, settings: Settings) -> None:
    """While some photos have an older model's embedding, none is compared with the newer model's words."""
    meant = {"crimson": (1.0, 0.0), "lawn": (0.0, 1.0)}
    looks = {"red": (0.0, 1.0), "green": (1.0, 0.0)}  # as different models do: the other way round
    older = CountingCaptioner(model="colours-2", embeddings=looks)
    newer = CountingCaptioner(model="colours-3", embeddings={"red": (1.0, 0.0), "green": (0.0, 1.0)})
    with stored(settings) as storage:
        storage.catalogue.queue.enqueue_all(JobKind.CAPTION, model=older.model)
        await work_off(settings, storage, older)
        search = EmbeddedSearch(search_path(settings), Meaning(lambda: made_tower("colours-3", meant)))
        assert search.search(parse("crimson")).total == 0
        assert storage.catalogue.queue.count_missing_work(JobKind.CAPTION, model=newer.model) == 3
        storage.catalogue.queue.enqueue_all(JobKind.CAPTION, model=newer.model)
        await work_off(settings, storage, newer)
        assert storage.catalogue.queue.count_missing_work(JobKind.CAPTION, model=newer.model) == 0
        (hit,) = search.search(parse("crimson")).hits
        assert [photo.caption for photo in storage.catalogue.photos([hit.id])] == ["a red wall seen by colours-3"]
        search.close()


async def test_copies_share_the_newer_caption_and_both_files_get_it(library: Path, settings: Settings) -> None:
    shutil.copyfile(library / "red.jpg", library / "copy.jpg")
    await index(settings, CountingCaptioner(), library)
    newer = CountingCaptioner(model="colours-2")
    with stored(settings) as storage:
        storage.catalogue.queue.enqueue_all(JobKind.CAPTION, model="colours-2")
        await work_off(settings, storage, newer)
    assert newer.asked.count("red") == 1
    for name in ("red.jpg", "copy.jpg"):
        ours = read_own_caption((library / name).read_bytes())
        assert ours is not None
        assert ours.model == "colours-2"


async def test_captioning_again_needs_no_originals(library: Path, settings: Settings) -> None:
    library.rename(library.with_name("unplugged"))
    newer = CountingCaptioner(model="colours-2")
    with stored(settings) as storage:
        storage.catalogue.queue.enqueue_all(JobKind.CAPTION, model="colours-2")
        await work_off(settings, storage, newer)
        assert len(newer.asked) == 3
        assert {photo.machine.model for photo in all_photos(storage) if photo.machine} == {"colours-2"}


async def test_a_run_that_was_stopped_goes_on(library: Path, settings: Settings) -> None:
    newer = CountingCaptioner(model="colours-2")
    newer.gate = asyncio.Event()
    with stored(settings) as storage:
        storage.catalogue.queue.enqueue_all(JobKind.CAPTION, model="colours-2")
        async with Indexer(settings, storage, captioner=newer) as indexer:
            running = asyncio.create_task(indexer.work_off())
            while not newer.asked:
                await asyncio.sleep(0.01)
            running.cancel()
            await asyncio.wait({running})
        assert storage.catalogue.queue.queued(JobKind.CAPTION) == 3
        again = CountingCaptioner(model="colours-2")
        await work_off(settings, storage, again)
        assert len(again.asked) == 3


async def test_captions_taken_back_from_files_are_completed(library: Path, settings: Settings) -> None:
    shutil.rmtree(settings.data_dir)
    await index(settings, CountingCaptioner(), library)
    captioner = CountingCaptioner()
    with stored(settings) as storage:
        with storage.catalogue._database.transaction() as writer:  # as if they had not had their turn
            writer.execute("UPDATE photo SET tags = '[]', embedding = NULL, look_model = NULL")
        assert storage.catalogue.queue.enqueue_all(JobKind.CAPTION, model="colours-1") == 3
        await work_off(settings, storage, captioner)
        assert len(captioner.asked) == 3
        assert all(photo.machine and photo.machine.tags for photo in all_photos(storage))
        assert storage.catalogue.queue.enqueue_all(JobKind.CAPTION, model="colours-1") == 0


async def test_lost_thumbnails_are_made_again_without_captioning(library: Path, settings: Settings) -> None:
    for path in settings.data_dir.glob("thumbnails.db*"):
        path.unlink()
    captioner = CountingCaptioner()
    with stored(settings) as storage:
        assert "3 photos" in enqueue(Rebuild(thumbnails=True), settings, storage)
        assert sorted(await work_off(settings, storage, captioner)) == ["blue.jpg", "green.jpg", "red.jpg"]
        assert storage.thumbnails.sizes() == {"grid": 3, "screen": 3}
    assert captioner.asked == []


async def test_captioning_again_without_thumbnails_reads_the_originals(library: Path, settings: Settings) -> None:
    for path in settings.data_dir.glob("thumbnails.db*"):
        path.unlink()
    newer = CountingCaptioner(model="colours-2")
    with stored(settings) as storage:
        storage.catalogue.queue.enqueue_all(JobKind.CAPTION, model="colours-2")
        assert len(await work_off(settings, storage, newer)) == 3
        assert found(storage, "green") == ["a green wall seen by colours-2"]
        assert storage.thumbnails.sizes() == {"grid": 3, "screen": 3}


async def test_metadata_is_read_again_without_decoding_or_captioning(library: Path, settings: Settings) -> None:
    captioner = CountingCaptioner()
    with stored(settings) as storage:
        assert "3 files" in enqueue(Rebuild(metadata=True), settings, storage)
        assert sorted(await work_off(settings, storage, captioner)) == ["blue.jpg", "green.jpg", "red.jpg"]
        assert storage.catalogue.counts().queued == 0
        assert len(found(storage, "wall")) == 3
    assert captioner.asked == []


async def test_what_an_older_version_has_read_is_read_again_by_itself(library: Path, settings: Settings) -> None:
    captioner = CountingCaptioner()
    path = library / "red.jpg"
    with stored(settings) as storage:
        with closing(sqlite3.connect(settings.data_dir / "catalogue.db")) as older, older:
            older.execute("UPDATE file SET read_version = NULL")
        stamp = path.stat()
        assert sorted(await work_off(settings, storage, captioner)) == ["blue.jpg", "green.jpg", "red.jpg"]
        assert path.stat() == stamp or path.stat().st_mtime_ns == stamp.st_mtime_ns
        assert await work_off(settings, storage, captioner) == []
    assert captioner.asked == []


async def test_search_is_rebuilt_from_the_catalogue(library: Path, settings: Settings) -> None:
    with stored(settings) as storage:
        (first, *_) = documents = [document(photo) for photo in all_photos(storage)]
        storage.search.put([replace(each, machine_caption="nonsense") for each in documents])
        storage.search.put([replace(first, id="f" * 32)])
        assert "3 photos for search" in enqueue(Rebuild(search=True), settings, storage)
        assert storage.search.count() == 4, "it is searched while it is rebuilt"
        assert await work_off(settings, storage, CountingCaptioner()) == []
        assert storage.search.count() == 3
        assert len(found(storage, "wall")) == 3
        assert found(storage, "nonsense") == []


def test_a_bundle_that_is_not_there_is_about_the_set_up(tmp_path: Path, settings: Settings) -> None:
    with pytest.raises(SetupError, match="can't be used"):
        current_model(settings_for(tmp_path, bundle=tmp_path / "none"))
