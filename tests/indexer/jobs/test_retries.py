"""What failed for a reason that passes is done later by itself, and costs no decoding and no captioning."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from captioner import Caption
from captioner.ipc.child_run import Reply
from indexer.catalogue.retries import next_write_try
from indexer.errors import LONGEST_WAIT, FailureKind, Obstacle, next_wait
from indexer.jobs.reindex import Rebuild, current_model, enqueue
from indexer.model import CaptionPlace, JobKind, Reading
from indexer.progress import Progress
from indexer.reader.photo_process import PhotoProcesses
from indexer.reader.photo_reader import PhotoReader
from indexer.reader.photo_requests import ReaderOptions
from indexer.service import Indexer
from indexer.settings import Settings
from indexer.storage import Storage
from tests.indexer.captions.own_captions import read_own_caption
from tests.indexing import (
    COLOURS,
    CountingCaptioner,
    CountingPhotos,
    all_photos,
    index,
    settings_for,
    stored,
    until,
)
from tests.libraries import found, rescan, settle_all, write
from tests.mounts import NOBODY, as_nobody, mount, tmpfs
from tests.photos_made import write_jpeg
from tests.reasons_made import reason_saying

pytestmark = pytest.mark.slow  # each test indexes with real child processes

EXIF, SIDECAR, INDEX = CaptionPlace.EXIF, CaptionPlace.SIDECAR, CaptionPlace.INDEX
PHOTOS = 3


class DecodingCounted(CountingPhotos):
    """Remembers apart which files were decoded."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, input_px=32)
        self.decoded: list[str] = []

    async def read(self, path: Path) -> Reading:
        self.decoded.append(path.name)
        return await super().read(path)


class PhotosHere(PhotoProcesses):
    """Opens photos in the test's own process, whose user may not start another one."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, input_px=32)
        self._reader = PhotoReader(ReaderOptions.of(settings, 32))
        self.decoded: list[str] = []

    async def _ask(self, header: Mapping[str, Any], payload: bytes = b"") -> Reply:
        if header["do"] == "read":
            self.decoded.append(Path(header["path"]).name)
        return Reply(*self._reader.answer(header, payload))


async def index_here(settings: Settings, library: Path) -> tuple[Progress, list[str]]:
    photos = PhotosHere(settings)
    with stored(settings) as storage:
        async with Indexer(settings, storage, captioner=CountingCaptioner(), photos=photos) as indexer:
            return await indexer.index_once((library,)), photos.decoded


class UnsureCaptioner(CountingCaptioner):
    async def caption(self, pixels: bytes) -> Caption:
        caption = await super().caption(pixels)
        return Caption(caption.text, 0.2, caption.tags, None, caption.model, sure=False)


def fill(library: Path) -> Path:
    for number, colour in enumerate(("red", "green", "blue")):
        write_jpeg(library / f"{colour}.jpg", COLOURS[colour], number)
    return library


async def again(settings: Settings, library: Path) -> tuple[Progress, DecodingCounted]:
    """Another run, which must neither decode nor caption."""
    captioner = CountingCaptioner()
    with stored(settings) as storage:
        async with (
            DecodingCounted(settings) as photos,
            Indexer(settings, storage, captioner=captioner, photos=photos) as indexer,
        ):
            outcome = await indexer.index_once((library,))
    assert (photos.decoded, captioner.asked) == ([], [])
    return outcome, photos


def places(settings: Settings) -> set[CaptionPlace | None]:
    with stored(settings) as storage:
        photos = all_photos(storage)
        assert len(photos) == PHOTOS
        of_files = {file.caption_place for photo in photos for file in photo.files}
        assert of_files == {photo.caption_place for photo in photos}
        return of_files


def embedded(library: Path) -> int:
    return sum(read_own_caption(path.read_bytes()) is not None for path in library.glob("*.jpg"))


@pytest.fixture
def library(tmp_path: Path) -> Path:
    return fill(tmp_path / "photos")


@pytest.mark.parametrize("first", ["off", "sidecar"])
async def test_captions_go_into_the_files_once_the_setting_says_so(library: Path, tmp_path: Path, first: str) -> None:
    await index(settings_for(tmp_path, captions=first), CountingCaptioner(), library)
    settings = settings_for(tmp_path, captions="embed")
    outcome, photos = await again(settings, library)
    assert (outcome.done, embedded(library), places(settings)) == (PHOTOS, PHOTOS, {EXIF})
    assert list(library.glob("*.xmp")) == []
    outcome, photos = await again(settings, library)
    assert (outcome.done, photos.opened) == (0, [])


async def test_captions_go_beside_the_files_once_the_setting_says_so(library: Path, tmp_path: Path) -> None:
    await index(settings_for(tmp_path, captions="off"), CountingCaptioner(), library)
    settings = settings_for(tmp_path, captions="sidecar")
    outcome, _ = await again(settings, library)
    assert (outcome.done, places(settings), len(list(library.glob("*.xmp")))) == (PHOTOS, {SIDECAR}, PHOTOS)
    assert (await again(settings, library))[0].done == 0


async def test_unsure_captions_are_written_once_they_may_be(library: Path, tmp_path: Path) -> None:
    await index(settings_for(tmp_path), UnsureCaptioner(), library)
    assert embedded(library) == 0
    assert (await again(settings_for(tmp_path), library))[0].done == 0
    outcome, _ = await again(settings_for(tmp_path, write_unsure=True), library)
    assert (outcome.done, embedded(library)) == (PHOTOS, PHOTOS)


async def test_what_was_kept_out_by_two_settings_waits_for_both(library: Path, tmp_path: Path) -> None:
    await index(settings_for(tmp_path, captions="off"), UnsureCaptioner(), library)
    await again(settings_for(tmp_path, captions="embed"), library)
    assert embedded(library) == 0
    await again(settings_for(tmp_path, captions="embed", write_unsure=True), library)
    assert embedded(library) == PHOTOS


async def test_a_caption_taken_out_on_purpose_stays_out(library: Path, tmp_path: Path) -> None:
    from indexer.captions.undo import undo_caption

    settings = settings_for(tmp_path)
    await index(settings, CountingCaptioner(), library)
    for path in library.glob("*.jpg"):
        assert undo_caption(path).restored
    await index(settings_for(tmp_path, captions="off"), CountingCaptioner(), library)
    await again(settings, library)
    await again(settings_for(tmp_path, write_unsure=True), library)
    assert embedded(library) == 0


async def test_a_folder_that_was_read_only_gets_its_captions_when_it_can_be_written(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    with tmpfs(tmp_path / "photos", megabytes=40) as library:
        fill(library)
        mount("-o", "remount,ro", library)
        await index(settings, CountingCaptioner(), library)
        assert places(settings) == {INDEX}
        outcome, photos = await again(settings, library)
        assert (outcome.done, photos.opened) == (0, [])
        mount("-o", "remount,rw", library)
        outcome, _ = await again(settings, library)
        assert (outcome.done, embedded(library), places(settings)) == (PHOTOS, PHOTOS, {EXIF})


async def test_a_disk_that_was_full_gets_its_captions_when_there_is_room(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    with tmpfs(tmp_path / "photos", megabytes=24) as library:
        fill(library)
        (library / "filler").write_bytes(bytes(23 << 20))
        await index(settings, CountingCaptioner(), library)
        assert places(settings) == {INDEX}
        assert (await again(settings, library))[0].done == 0
        (library / "filler").unlink()
        assert (await again(settings, library))[0].done == PHOTOS
        assert (embedded(library), places(settings)) == (PHOTOS, {EXIF})


async def test_a_small_disk_gets_its_captions_too(tmp_path: Path) -> None:
    """A memory card of 8 MB: what is kept free is a part of it."""
    settings = settings_for(tmp_path)
    with tmpfs(tmp_path / "photos", megabytes=8) as library:
        fill(library)
        await index(settings, CountingCaptioner(), library)
        assert (embedded(library), places(settings)) == (PHOTOS, {EXIF})


async def test_a_caption_by_another_model_that_could_not_be_written_is_written_later(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    with tmpfs(tmp_path / "photos", megabytes=40) as library:
        fill(library)
        await index(settings, CountingCaptioner(), library)
        mount("-o", "remount,ro", library)
        with stored(settings) as storage:
            async with Indexer(settings, storage, captioner=CountingCaptioner(model="colours-2")) as indexer:
                storage.catalogue.queue.enqueue_all(JobKind.CAPTION, model="colours-2")
                await indexer.work_off()
        mount("-o", "remount,rw", library)
        await again(settings, library)
        captions = [read_own_caption(path.read_bytes()) for path in library.glob("*.jpg")]
        assert {caption.model for caption in captions if caption} == {"colours-2"}


async def test_reindex_captions_writes_what_could_not_be_written(library: Path, tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    captioner = CountingCaptioner(model=current_model(settings))
    await index(settings_for(tmp_path, captions="off"), captioner, library)
    with stored(settings) as storage:
        assert "3 captions that could not be written before" in enqueue(Rebuild(captions=True), settings, storage)
        assert storage.catalogue.queue.queued(JobKind.RETRY_WRITE) == PHOTOS


async def test_hard_links_that_are_gone_are_noticed(library: Path, tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    for path in library.glob("*.jpg"):
        os.link(path, tmp_path / path.name)
    await index(settings, CountingCaptioner(), library)
    assert places(settings) == {SIDECAR}
    assert (await again(settings, library))[0].done == 0
    for path in library.glob("*.jpg"):
        (tmp_path / path.name).unlink()
    await again(settings, library)
    assert places(settings) == {EXIF}


async def test_a_photo_that_may_be_read_now_is_tried_again_by_the_next_scan(tmp_path: Path, library: Path) -> None:
    settings, denied = settings_for(tmp_path), library / "red.jpg"
    with as_nobody(tmp_path):
        denied.chmod(0)
        outcome, decoded = await index_here(settings, library)
        assert (outcome.done, outcome.set_aside) == (2, 1)
        with stored(settings) as storage:
            assert [one.kind for one in storage.catalogue.queue.set_aside()] == ["denied"]
            assert storage.catalogue.retries.retry_below(library, settings) == 0
            denied.chmod(0o644)
            assert storage.catalogue.retries.retry_below(library, settings) == 1
        outcome, decoded = await index_here(settings, library)
        assert (outcome.done, outcome.set_aside, decoded) == (1, 0, ["red.jpg"])


async def test_a_folder_that_may_not_be_written_gets_its_captions_when_it_may(tmp_path: Path, library: Path) -> None:
    settings = settings_for(tmp_path)
    with as_nobody(tmp_path):
        library.chmod(0o555)
        await index_here(settings, library)
        assert places(settings) == {INDEX}
        assert (await index_here(settings, library))[0].done == 0
        library.chmod(0o755)
        assert (await index_here(settings, library))[1] == []
        assert (embedded(library), places(settings)) == (PHOTOS, {EXIF})


async def test_what_was_in_the_way_is_looked_at_between_scans(tmp_path: Path, library: Path) -> None:
    """A folder that may be written, a file that may be read: neither changes anything that a watch reports as new."""
    settings = settings_for(tmp_path, watch=False, rescan_s=0.0)
    denied = library / "red.jpg"
    with as_nobody(tmp_path):
        library.chmod(0o555)
        denied.chmod(0)
        photos = PhotosHere(settings)
        with stored(settings) as storage:
            async with Indexer(
                settings, storage, captioner=CountingCaptioner(), photos=photos, obstacles_s=0.2
            ) as indexer:
                stop = asyncio.Event()
                running = asyncio.create_task(indexer.run_forever((library,), stop))
                await until(lambda: storage.catalogue.counts().set_aside == 1)
                await until(lambda: storage.catalogue.counts().photos == PHOTOS - 1)
                denied.chmod(0o644)
                await until(lambda: storage.catalogue.counts().photos == PHOTOS)
                assert storage.catalogue.counts().set_aside == 0
                library.chmod(0o755)
                await until(lambda: embedded(library) == PHOTOS)
                stop.set()
                await running
        assert len(photos.decoded) == PHOTOS + 1  # the denied one twice, no other again
        assert places(settings) == {EXIF}


async def test_a_file_of_somebody_else_gets_its_caption_when_it_is_ours(tmp_path: Path, library: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may give files away")
    settings = settings_for(tmp_path)
    with as_nobody(tmp_path):
        os.seteuid(0)
        for path in library.glob("*.jpg"):
            os.chown(path, 1, 1)
        os.seteuid(NOBODY)
        await index_here(settings, library)
        assert places(settings) == {SIDECAR}
        assert (await index_here(settings, library))[0].done == 0
        os.seteuid(0)
        for path in library.glob("*.jpg"):
            os.chown(path, NOBODY, NOBODY)
        os.seteuid(NOBODY)
        assert (await index_here(settings, library))[1] == []
        assert places(settings) == {EXIF}
        assert list(library.glob("*.xmp")) == []


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[Storage]:
    with stored(settings_for(tmp_path)) as opened:
        yield opened


def set_aside(storage: Storage, kind: FailureKind) -> None:
    """Fails what comes next, for good as far as this attempt goes."""
    (job,) = storage.catalogue.queue.claim(1)
    storage.catalogue.queue.fail(job, reason_saying("for a reason"), kind=kind, final=True)


def test_between_scans_nothing_is_tried_that_only_a_try_can_tell(storage: Storage, root: Path) -> None:
    """What the file system does not tell waits for a scan, or it would be tried every few seconds."""
    rescan(storage.catalogue, root)
    set_aside(storage, FailureKind.VANISHED)
    assert storage.catalogue.retries.retry_between_scans(root, settings_for(root)) == 0
    assert storage.catalogue.retries.retry_below(root, settings_for(root)) == 1


@pytest.mark.parametrize("kind", sorted(set(FailureKind) - {FailureKind.UNREADABLE, FailureKind.DEATH}))
def test_what_was_set_aside_for_a_passing_reason_is_tried_again_at_a_start(
    storage: Storage, root: Path, kind: FailureKind
) -> None:
    rescan(storage.catalogue, root)
    set_aside(storage, kind)
    assert storage.catalogue.queue.queued() == 0
    assert storage.catalogue.retries.retry_at_start() == 1
    assert storage.catalogue.queue.queued() == 1
    for _ in range(10):  # each start may be a crash of the same photo's
        set_aside(storage, kind)
        if not storage.catalogue.retries.retry_at_start():
            break
    assert storage.catalogue.queue.queued() == 0


@pytest.mark.parametrize("kind", [FailureKind.UNREADABLE, FailureKind.DEATH])
def test_a_start_ends_nothing_that_is_wrong_with_the_photo(storage: Storage, root: Path, kind: FailureKind) -> None:
    rescan(storage.catalogue, root)
    set_aside(storage, kind)
    assert storage.catalogue.retries.retry_at_start() == 0
    assert storage.catalogue.retries.retry_due() == 0


@pytest.mark.parametrize("kind", sorted(set(FailureKind) - {FailureKind.UNREADABLE, FailureKind.DENIED}))
def test_waits_grow_and_end_by_themselves(storage: Storage, root: Path, kind: FailureKind) -> None:
    rescan(storage.catalogue, root)
    set_aside(storage, kind)
    assert storage.catalogue.retries.retry_due() == 0
    hour_ago = "2000-01-01T00:00:00.000+00:00"
    with storage.catalogue._database.transaction() as writer:
        writer.execute("UPDATE job SET retry_at = ?", (hour_ago,))
    assert storage.catalogue.retries.retry_due() == 1
    set_aside(storage, kind)
    (row,) = storage.catalogue._database.reader.execute("SELECT rounds, retry_at FROM job").fetchall()
    assert row["rounds"] == 2
    waits = [next_wait(kind, rounds) for rounds in range(20)]
    assert waits == sorted(wait or timedelta() for wait in waits)
    assert waits[-1] == LONGEST_WAIT


def test_a_wait_that_was_begun_while_the_clock_was_years_ahead_is_over_once_it_is_right(
    storage: Storage, root: Path
) -> None:
    """A Raspberry Pi has no clock of its own: until it reaches a server of time, any year may be shown."""
    rescan(storage.catalogue, root)
    set_aside(storage, FailureKind.READER)
    ahead = (datetime.now(UTC) + timedelta(days=9 * 365)).isoformat(timespec="milliseconds")
    with storage.catalogue._database.transaction() as writer:
        writer.execute("UPDATE job SET retry_at = ?", (ahead,))
    assert storage.catalogue.retries.retry_due() == 1


def test_a_write_that_waits_since_the_clock_was_years_ahead_is_tried_once_it_is_right(
    storage: Storage, root: Path
) -> None:
    rescan(storage.catalogue, root)
    settle_all(storage.catalogue)
    for days, expected in ((1, []), (9 * 365, ["a.jpg"])):
        at = (datetime.now(UTC) + timedelta(days=days)).isoformat(timespec="milliseconds")
        with storage.catalogue._database.transaction() as writer:
            writer.execute("UPDATE file SET obstacle = 'disk', write_at = ?", (at,))
        found_files = storage.catalogue.retries.blocked_files(root, [Obstacle.DISK])
        assert [Path(os.fsdecode(one.path)).name for one in found_files] == expected


def test_a_changed_file_begins_anew(storage: Storage, root: Path) -> None:
    rescan(storage.catalogue, root)
    set_aside(storage, FailureKind.READER)
    path = write(root / "a.jpg", "something else")
    storage.catalogue.scans.note(storage.catalogue.scans.begin_scan(root), [found(root, path)])
    (row,) = storage.catalogue._database.reader.execute("SELECT state, rounds, retry_at FROM job").fetchall()
    assert tuple(row) == ("queued", 0, None)


def test_a_write_that_fails_again_and_again_waits_longer_each_time() -> None:
    tries = 0
    waits = []
    for _ in range(12):
        tries, at = next_write_try({"rank": 5, "write_tries": tries}, Obstacle.DISK)  # type: ignore[arg-type]
        waits.append(at or "")
    assert tries == 12
    assert waits == sorted(waits)
    assert next_write_try({"rank": 0, "write_tries": 3}, Obstacle.DISK) == (0, None)  # type: ignore[arg-type]
