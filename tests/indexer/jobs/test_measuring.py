"""Photos that were indexed before pictures were measured are measured from their thumbnails, a few at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from indexer.catalogue.schema import CATALOGUE_MIGRATIONS
from indexer.errors import ProcessUnavailable, UnreadablePhoto
from indexer.images.measures import Colour, PictureMeasures
from indexer.images.measuring import measure
from indexer.jobs.measuring import PhotoMeasuring
from indexer.model import ThumbnailSize
from indexer.reader.photo_process import PhotoProcesses
from indexer.reasons import ReasonCode
from indexer.search.documents import document
from indexer.sqlite.database import Database
from indexer.storage import Storage, open_storage
from tests.indexing import COLOURS, CountingCaptioner, CountingPhotos, all_photos, index, settings_for, stored
from tests.libraries import rescan, settle_all, write
from tests.photos_made import encoded, picture, write_jpeg

MEASURES = measure(picture(COLOURS["red"])).to_bytes()


class FakePhotos:
    """Answers with measures, `most` times; then no process can be had."""

    def __init__(self, most: int = 10_000) -> None:
        self.left = most

    async def measure(self, webp: bytes) -> bytes:
        if not self.left:
            raise ProcessUnavailable("no process", hint="")
        self.left -= 1
        if webp == b"broken":
            raise UnreadablePhoto(ReasonCode.FILE_EMPTY)
        return MEASURES


@pytest.fixture
def storage(tmp_path: Path, root: Path) -> Iterator[Storage]:
    """Of five photos that were not measured; all have thumbnails."""
    for number in range(5):
        write(root / f"{number}.jpg", str(number))
    with open_storage(settings_for(tmp_path)) as opened:
        rescan(opened.catalogue, root)
        settle_all(opened.catalogue)
        for photo_id in opened.catalogue.photo_ids():
            opened.thumbnails.put(photo_id, ThumbnailSize.GRID, b"webp")
        opened.catalogue.outbox.mark_pushed((photo.id, photo.revision) for photo in all_photos(opened))
        yield opened


def measuring(storage: Storage, photos: FakePhotos, told: list[int] | None = None) -> PhotoMeasuring:
    def stored_some() -> None:
        if told is not None:
            told.append(len(storage.catalogue.unpushed(100)))

    return PhotoMeasuring(storage, cast(PhotoProcesses, photos), stored=stored_some, pause_s=0)


async def test_they_are_measured_once_and_search_hears_of_it(storage: Storage) -> None:
    number = len(all_photos(storage))
    told: list[int] = []
    assert await measuring(storage, FakePhotos(), told).measure_all() == number > 4
    assert told == [number]
    assert {photo.measures for photo in all_photos(storage)} == {MEASURES}
    assert await measuring(storage, FakePhotos(0)).measure_all() == 0


async def test_it_goes_on_where_it_was(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("indexer.jobs.measuring._AT_ONCE", 2)
    number = len(all_photos(storage))
    assert await measuring(storage, FakePhotos(3)).measure_all() == 2, "what was measured is kept"
    assert await measuring(storage, FakePhotos(number - 2)).measure_all() == number - 2
    assert storage.catalogue.measured.lacking() == []


async def test_a_thumbnail_that_is_not_there_is_waited_for_and_a_broken_one_is_not(storage: Storage) -> None:
    first, second, *_ = storage.catalogue.photo_ids()
    storage.thumbnails.delete([first])
    storage.thumbnails.put(second, ThumbnailSize.GRID, b"broken")
    await measuring(storage, FakePhotos()).measure_all()
    assert storage.catalogue.measured.lacking() == [first]
    [broken] = storage.catalogue.photos([second])
    assert (broken.measures, document(broken).appearance) == (b"", ())
    storage.thumbnails.put(first, ThumbnailSize.GRID, b"webp")
    assert await measuring(storage, FakePhotos()).measure_all() == 1


async def test_another_version_s_measures_are_made_again(storage: Storage) -> None:
    await measuring(storage, FakePhotos()).measure_all()
    first, second, *_ = storage.catalogue.photo_ids()
    storage.catalogue.measured.store([(first, b"\xff" + MEASURES[1:]), (second, b"")])
    assert storage.catalogue.measured.forget_outdated() == 2
    assert storage.catalogue.measured.lacking() == [first, second]


def test_what_was_measured_stays_when_a_file_is_read_again(storage: Storage, root: Path) -> None:
    first, *_ = storage.catalogue.photo_ids()
    storage.catalogue.measured.store([(first, MEASURES)])
    for path in root.glob("*.jpg"):
        path.touch()
    rescan(storage.catalogue, root)
    settle_all(storage.catalogue, caption=None)
    [photo] = storage.catalogue.photos([first])
    assert photo.measures == MEASURES


def test_the_photos_of_an_older_catalogue_are_to_be_measured(tmp_path: Path) -> None:
    names = [name for name, _ in CATALOGUE_MIGRATIONS]
    before = CATALOGUE_MIGRATIONS[: names.index("catalogue-measures")]
    path = tmp_path / "catalogue.db"
    Database(path, before).close()
    database = Database(path, before)
    with database.transaction() as writer:
        writer.execute(
            "INSERT INTO photo (id, mime_type, width_px, height_px, added_at) VALUES ('a', 'image/jpeg', 4, 3, '2020')"
        )
    database.close()
    from indexer.catalogue import Catalogue

    with Catalogue(path) as catalogue:
        assert catalogue.measured.lacking() == ["a"]


@pytest.mark.slow
async def test_new_photos_are_measured_as_they_are_read_and_known_ones_without_their_files(tmp_path: Path) -> None:
    library, settings = tmp_path / "photos", settings_for(tmp_path)
    write_jpeg(library / "red.jpg", COLOURS["red"], 1)
    await index(settings, CountingCaptioner(), library)
    with stored(settings) as storage:
        [photo] = all_photos(storage)
        measures = PictureMeasures.from_bytes(photo.measures)
        assert measures is not None
        assert max(Colour, key=measures.colours.__getitem__) is Colour.RED
        with storage.catalogue._database.transaction() as writer:
            writer.execute("UPDATE photo SET measures = NULL")
        async with CountingPhotos(settings, input_px=0) as photos:
            assert await PhotoMeasuring(storage, photos, stored=lambda: None).measure_all() == 1
            assert photos.opened == []
            with pytest.raises(UnreadablePhoto):
                await photos.measure(b"no picture")
        [again] = all_photos(storage)
        found = PictureMeasures.from_bytes(again.measures)
        assert found is not None
        assert found.colours == pytest.approx(measures.colours, abs=0.03)


async def test_a_cancelled_run_has_lost_nothing(storage: Storage) -> None:
    class Slow(FakePhotos):
        async def measure(self, webp: bytes) -> bytes:
            await asyncio.sleep(60)
            return MEASURES

    task = asyncio.create_task(measuring(storage, Slow()).run())
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await measuring(storage, FakePhotos()).measure_all() == len(all_photos(storage))


def test_measures_come_out_of_a_thumbnail_as_out_of_the_picture() -> None:
    from indexer.images.decode import decode, open_image

    made = picture(COLOURS["blue"], 3)
    cached = decode(open_image(encoded(made, "WEBP", quality=75), max_pixels_mp=10), 320, orientation=1)
    assert measure(cached).colours == pytest.approx(measure(made).colours, abs=0.03)
