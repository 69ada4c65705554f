"""The indexer as a whole on real libraries: real files, real databases, real reading processes."""

from __future__ import annotations

import asyncio
import dataclasses
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from captioner import Caption, CaptionerProcess
from indexer.errors import ProcessUnavailable, SearchError, SetupError, StorageError, captioner_not_started
from indexer.jobs.captioners import started_captioner
from indexer.model import CaptionBy, CaptionPlace
from indexer.progress import Phase
from indexer.search import SearchBackend
from indexer.service import Indexer
from indexer.settings import Settings
from indexer.storage import Storage
from tests.indexer.captions.own_captions import read_own_caption
from tests.indexing import (
    COLOURS,
    CountingCaptioner,
    CountingPhotos,
    all_photos,
    found,
    index,
    paths_of,
    settings_for,
    stored,
    until,
)
from tests.photos_made import write_jpeg

pytestmark = pytest.mark.slow  # most of its tests wait for something


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """Three walls in two folders."""
    root = tmp_path / "photos"
    write_jpeg(root / "red.jpg", COLOURS["red"], 1)
    write_jpeg(root / "2019" / "green.jpg", COLOURS["green"], 2)
    write_jpeg(root / "2019" / "blue.jpg", COLOURS["blue"], 3)
    return root


@pytest.fixture
def captioner() -> CountingCaptioner:
    return CountingCaptioner()


async def test_photos_are_captioned_into_their_files_and_found(
    library: Path, settings: Settings, captioner: CountingCaptioner
) -> None:
    outcome = await index(settings, captioner, library)
    assert (outcome.done, outcome.queued, outcome.set_aside) == (3, 0, 0)
    assert sorted(captioner.asked) == ["blue", "green", "red"]
    with stored(settings) as storage:
        assert found(storage, "green wall")[0] == "a green wall seen by colours-1"
        assert {photo.caption_place for photo in all_photos(storage)} == {CaptionPlace.EXIF}
        assert storage.thumbnails.sizes() == {"grid": 3, "screen": 3}
    ours = read_own_caption((library / "red.jpg").read_bytes())
    assert ours is not None
    assert ours.text == "a red wall seen by colours-1"


async def test_a_second_run_does_nothing(library: Path, settings: Settings, captioner: CountingCaptioner) -> None:
    await index(settings, captioner, library)
    before = {path: path.read_bytes() for path in library.rglob("*.jpg")}
    again = CountingCaptioner()
    outcome = await index(settings, again, library)
    assert (outcome.done, again.asked) == (0, [])
    assert {path: path.read_bytes() for path in library.rglob("*.jpg")} == before


async def test_moving_renaming_and_copying_cost_no_captioning(
    library: Path, settings: Settings, captioner: CountingCaptioner
) -> None:
    await index(settings, captioner, library)
    (library / "elsewhere").mkdir()
    (library / "red.jpg").rename(library / "elsewhere" / "crimson.jpg")
    shutil.copyfile(library / "2019" / "blue.jpg", library / "copy of blue.jpg")
    again = CountingCaptioner()
    await index(settings, again, library)
    assert again.asked == []
    with stored(settings) as storage:
        files = {photo.caption: paths_of(photo) for photo in all_photos(storage)}
    assert files["a red wall seen by colours-1"] == {"crimson.jpg"}
    assert files["a blue wall seen by colours-1"] == {"blue.jpg", "copy of blue.jpg"}


async def test_two_copies_found_at_once_are_captioned_once(
    tmp_path: Path, settings: Settings, captioner: CountingCaptioner
) -> None:
    root = tmp_path / "photos"
    first = write_jpeg(root / "a.jpg", COLOURS["red"])
    for name in ("b.jpg", "c.jpg", "d.jpg", "e.jpg"):
        shutil.copyfile(first, root / name)
    await index(settings, captioner, root)
    assert captioner.asked == ["red"]
    with stored(settings) as storage:
        assert [len(paths_of(photo)) for photo in all_photos(storage)] == [5]


async def test_captions_are_taken_back_from_the_files_when_the_catalogue_is_lost(
    library: Path, settings: Settings, captioner: CountingCaptioner
) -> None:
    await index(settings, captioner, library)
    before = {path: path.read_bytes() for path in library.rglob("*.jpg")}
    shutil.rmtree(settings.data_dir)
    await index(settings, CountingCaptioner(model="colours-2"), library)
    assert {path: path.read_bytes() for path in library.rglob("*.jpg")} == before
    with stored(settings) as storage:
        photos = all_photos(storage)
        assert {photo.caption_by for photo in photos} == {CaptionBy.MODEL}
        assert {photo.machine.model for photo in photos if photo.machine} == {"colours-1"}
        assert found(storage, "red")[0] == "a red wall seen by colours-1"


async def test_captions_off_leaves_every_file_as_it_was(
    library: Path, tmp_path: Path, captioner: CountingCaptioner
) -> None:
    before = {path: path.read_bytes() for path in library.rglob("*.jpg")}
    settings = settings_for(tmp_path, captions="off")
    await index(settings, captioner, library)
    assert {path: path.read_bytes() for path in library.rglob("*") if path.is_file()} == before
    with stored(settings) as storage:
        assert len(found(storage, "wall")) == 3


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool edits the caption as another program would")
async def test_a_caption_edited_outside_wins_and_is_never_overwritten(
    library: Path, settings: Settings, captioner: CountingCaptioner
) -> None:
    await index(settings, captioner, library)
    words = "Grandmother's garden wall"
    edit = ["exiftool", "-q", "-overwrite_original", f"-ImageDescription={words}", f"-XMP-dc:Description={words}"]
    subprocess.run([*edit, f"-XPComment={words}", str(library / "red.jpg")], check=True)
    edited = (library / "red.jpg").read_bytes()
    again = CountingCaptioner()
    await index(settings, again, library)
    assert again.asked == []
    assert (library / "red.jpg").read_bytes() == edited
    with stored(settings) as storage:
        photo = next(item for item in all_photos(storage) if paths_of(item) == {"red.jpg"})
        assert (photo.caption, photo.caption_by) == (words, CaptionBy.PERSON)
        assert found(storage, "grandmother") == [words]


async def test_a_person_s_caption_is_kept_and_the_model_s_stands_in_the_index_only(
    tmp_path: Path, settings: Settings, captioner: CountingCaptioner
) -> None:
    from tests.photos_made import picture

    root = tmp_path / "photos"
    root.mkdir()
    exif = picture(COLOURS["red"]).getexif()
    exif[0x010E] = "Our first wall"
    picture(COLOURS["red"]).save(root / "a.jpg", "JPEG", exif=exif)
    before = (root / "a.jpg").read_bytes()
    await index(settings, captioner, root)
    assert (root / "a.jpg").read_bytes() == before
    with stored(settings) as storage:
        (photo,) = all_photos(storage)
        assert (photo.caption, photo.caption_by, photo.caption_place) == (
            "Our first wall",
            CaptionBy.PERSON,
            CaptionPlace.INDEX,
        )
        assert photo.machine is not None
        assert found(storage, "red") == ["Our first wall"]


async def test_a_photo_that_can_t_be_read_is_set_aside_and_the_others_go_on(
    library: Path, settings: Settings, captioner: CountingCaptioner
) -> None:
    (library / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 this is no photo")
    (library / "empty.png").write_bytes(b"")
    outcome = await index(settings, captioner, library)
    assert (outcome.done, outcome.set_aside) == (3, 2)
    with stored(settings) as storage:
        reasons = {item.file.path.name: str(item.reason) for item in storage.catalogue.queue.set_aside()}
        assert set(reasons) == {"broken.jpg", "empty.png"}
        assert all(reasons.values())
    write_jpeg(library / "broken.jpg", COLOURS["white"])
    outcome = await index(settings, captioner, library)
    assert (outcome.done, outcome.set_aside) == (1, 1)


async def test_a_photo_at_which_the_captioner_dies_is_set_aside(
    library: Path, settings: Settings, captioner: CountingCaptioner
) -> None:
    captioner.dies_at = "green"
    outcome = await index(settings, captioner, library)
    assert (outcome.done, outcome.set_aside) == (2, 1)
    with stored(settings) as storage:
        (aside,) = storage.catalogue.queue.set_aside()
        assert (aside.file.path.name, aside.kind) == ("green.jpg", "captioner")
        assert storage.catalogue.queue.retry_set_aside() == 1
    assert (await index(settings, CountingCaptioner(), library)).set_aside == 0


async def test_a_captioner_that_dies_at_everything_is_about_the_set_up(tmp_path: Path, settings: Settings) -> None:
    root = tmp_path / "photos"
    for number in range(8):
        write_jpeg(root / f"{number}.jpg", COLOURS["red"], number)
    captioner = CountingCaptioner()
    captioner.dies_at = "red"
    with pytest.raises(SetupError, match="in a row"):
        await index(settings, captioner, root)


async def test_a_root_that_is_unplugged_loses_nothing(
    library: Path, settings: Settings, captioner: CountingCaptioner
) -> None:
    await index(settings, captioner, library)
    library.rename(library.with_name("unplugged"))
    outcome = await index(settings, captioner, library)
    assert outcome.problem
    with stored(settings) as storage:
        assert len(found(storage, "wall")) == 3
    library.mkdir()
    assert (await index(settings, captioner, library)).problem
    with stored(settings) as storage:
        assert len(found(storage, "wall")) == 3
    library.rmdir()
    library.with_name("unplugged").rename(library)
    assert (await index(settings, captioner, library)).problem is None
    assert len(captioner.asked) == 3


async def test_a_disk_pulled_out_while_its_photos_were_queued_is_read_when_it_is_back(
    library: Path, settings: Settings, captioner: CountingCaptioner
) -> None:
    with stored(settings) as storage:
        walk = storage.catalogue.scans.begin_scan(library)
        from indexer.model import FileStamp, FoundFile

        for path in sorted(library.rglob("*.jpg")):
            status = path.stat()
            stamp = FileStamp(status.st_mtime_ns, status.st_size, status.st_ino)
            storage.catalogue.scans.note(walk, [FoundFile(library, path, stamp)])
        storage.catalogue.scans.finish_scan(walk)
    library.rename(library.with_name("unplugged"))
    outcome = await index(settings, captioner)
    assert outcome.done == 0
    library.with_name("unplugged").rename(library)
    outcome = await index(settings, captioner, library)
    assert (outcome.done, outcome.set_aside) == (3, 0)


async def test_a_deleted_photo_leaves_search(library: Path, settings: Settings, captioner: CountingCaptioner) -> None:
    await index(settings, captioner, library)
    (library / "red.jpg").unlink()
    await index(settings, captioner, library)
    with stored(settings) as storage:
        assert found(storage, "red") == []
        assert len(found(storage, "wall")) == 2


async def test_the_search_index_may_be_deleted(library: Path, settings: Settings, captioner: CountingCaptioner) -> None:
    await index(settings, captioner, library)
    for path in settings.data_dir.glob("search.db*"):
        path.unlink()
    await index(settings, captioner, library)
    with stored(settings) as storage:
        assert len(found(storage, "wall")) == 3
    assert len(captioner.asked) == 3


async def test_stopping_finishes_the_photos_in_hand(
    library: Path, settings: Settings, captioner: CountingCaptioner
) -> None:
    captioner.gate, stop = asyncio.Event(), asyncio.Event()
    with stored(settings) as storage:
        async with Indexer(settings, storage, captioner=captioner) as indexer:
            running = asyncio.create_task(indexer.run_forever((library,), stop))
            while not captioner.asked:
                await asyncio.sleep(0.01)
            stop.set()
            captioner.gate.set()
            await running
            assert indexer.progress().phase == Phase.STOPPING
        counts = storage.catalogue.counts()
    assert counts.photos == len(captioner.asked)
    outcome = await index(settings, captioner, library)
    assert outcome.queued == 0
    assert len(captioner.asked) == 3


async def test_cancelling_gives_the_photos_in_hand_back(
    library: Path, settings: Settings, captioner: CountingCaptioner
) -> None:
    captioner.gate = asyncio.Event()
    with stored(settings) as storage:
        async with Indexer(settings, storage, captioner=captioner) as indexer:
            running = asyncio.create_task(indexer.index_once((library,)))
            while not captioner.asked:
                await asyncio.sleep(0.01)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
        assert storage.catalogue.counts().queued == 3
        assert storage.catalogue.queue.recover() == 0


async def find_a_new_photo_while_running(indexer: Indexer, storage: Storage, library: Path) -> None:
    """Returns once the first three photos and then a fourth one were found, and the indexer has stopped."""
    stop = asyncio.Event()
    running = asyncio.create_task(indexer.run_forever((library,), stop))
    while len(found(storage, "wall")) < 3:
        await asyncio.sleep(0.05)
    write_jpeg(library / "white.jpg", COLOURS["white"], 4)
    while not found(storage, "white"):
        await asyncio.sleep(0.05)
    stop.set()
    await running


async def test_new_photos_are_found_while_it_runs(library: Path, tmp_path: Path, captioner: CountingCaptioner) -> None:
    settings = settings_for(tmp_path, watch=True, rescan_s=0.2)
    with stored(settings) as storage:
        async with Indexer(settings, storage, captioner=captioner) as indexer:
            await find_a_new_photo_while_running(indexer, storage, library)
    assert sorted(captioner.asked) == ["blue", "green", "red", "white"]


async def test_a_scan_asked_for_at_once_after_another_was_withdrawn_is_done(
    library: Path, tmp_path: Path, captioner: CountingCaptioner
) -> None:
    settings = settings_for(tmp_path, watch=False, rescan_s=0)
    with stored(settings) as storage:
        catalogue = storage.catalogue
        async with Indexer(settings, storage, captioner=captioner) as indexer:
            stop = asyncio.Event()
            running = asyncio.create_task(indexer.run_forever((library,), stop))
            async with asyncio.timeout(60):
                for _ in range(3):
                    request = catalogue.scan_requests.add((library,))
                    while (seen := catalogue.scan_requests.get(request)) is None or not seen.done:
                        await asyncio.sleep(0.01)
                    catalogue.scan_requests.remove(request)
            stop.set()
            await running


async def test_watching_finds_new_photos_and_our_own_writes_start_no_loop(
    library: Path, tmp_path: Path, captioner: CountingCaptioner
) -> None:
    settings = settings_for(tmp_path, watch=True)
    with stored(settings) as storage:
        async with (
            CountingPhotos(settings, input_px=captioner.input_px) as photos,
            Indexer(settings, storage, captioner=captioner, photos=photos) as indexer,
        ):
            await find_a_new_photo_while_running(indexer, storage, library)
    assert sorted(photos.opened) == ["blue.jpg", "green.jpg", "red.jpg", "white.jpg"]


async def test_photos_that_take_too_long_at_the_end_go_back_to_the_queue(
    library: Path, settings: Settings, captioner: CountingCaptioner
) -> None:
    captioner.gate, stop = asyncio.Event(), asyncio.Event()
    with stored(settings) as storage:
        async with Indexer(settings, storage, captioner=captioner, stop_s=0.1) as indexer:
            running = asyncio.create_task(indexer.run_forever((library,), stop))
            while not captioner.asked:
                await asyncio.sleep(0.01)
            stop.set()
            await running
        assert storage.catalogue.queue.claimed() == []
        assert storage.catalogue.counts().queued == 3


class SearchThatIsDown:
    """A search server that can't be reached until it is `up`."""

    name = "down"

    def __init__(self, behind: SearchBackend) -> None:
        self._behind = behind
        self.up = False

    def __getattr__(self, name: str) -> object:
        if not self.up:
            raise SearchError("the search server can't be reached")
        return getattr(self._behind, name)


async def test_a_search_server_that_is_down_delays_search_only(
    library: Path, settings: Settings, captioner: CountingCaptioner
) -> None:
    with stored(settings) as storage:
        search = SearchThatIsDown(storage.search)
        without = dataclasses.replace(storage, search=search)  # type: ignore[arg-type]
        async with Indexer(settings, without, captioner=captioner) as indexer:
            outcome = await indexer.index_once((library,))
            assert (outcome.done, outcome.problem) == (3, "the search server can't be reached")
            assert found(storage, "wall") == []
            search.up = True
            outcome = await indexer.work_off()
            assert outcome.problem is None
        assert len(found(storage, "wall")) == 3


async def test_a_full_disk_is_about_the_set_up(library: Path, settings: Settings, captioner: CountingCaptioner) -> None:
    with stored(settings) as storage:
        writer = storage.thumbnails._database._writer
        pages = writer.execute("PRAGMA page_count").fetchone()[0]
        writer.execute(f"PRAGMA max_page_count = {pages}")  # SQLite says "full" as it does for ENOSPC
        async with Indexer(settings, storage, captioner=captioner) as indexer:
            with pytest.raises(SetupError, match="full"):
                await indexer.index_once((library,))
    assert (await index(settings, captioner, library)).done == 3


async def test_a_service_waits_for_a_full_disk_and_goes_on_by_itself(
    tmp_path: Path, library: Path, captioner: CountingCaptioner
) -> None:
    """`PRAGMA max_page_count`: SQLite says "full" as it does for ENOSPC."""
    settings = settings_for(tmp_path, watch=False)
    with stored(settings) as storage:
        writer = storage.catalogue._database._writer
        pages = writer.execute("PRAGMA page_count").fetchone()[0]
        async with Indexer(settings, storage, captioner=captioner, disk_pause_s=0.1) as indexer:
            writer.execute(f"PRAGMA max_page_count = {pages}")
            for number in range(200):
                shutil.copyfile(library / "red.jpg", library / f"a copy with a long name {number:0150}.jpg")
            stop = asyncio.Event()
            running = asyncio.create_task(indexer.run_forever((library,), stop))
            await until(lambda: "is full: free some space" in (indexer.progress().problem or ""))
            assert not running.done()
            assert indexer.progress().phase == Phase.WAITING
            writer.execute("PRAGMA max_page_count = 1000000")
            await until(lambda: indexer.progress().problem is None and storage.catalogue.counts().files == 203)
            await until(lambda: storage.catalogue.counts().queued == 0)
            stop.set()
            await running


async def test_a_service_that_waits_for_its_disk_can_be_stopped(
    tmp_path: Path, library: Path, captioner: CountingCaptioner
) -> None:
    settings = settings_for(tmp_path, watch=False)
    with stored(settings) as storage:
        async with Indexer(settings, storage, captioner=captioner) as indexer:
            storage.catalogue._database._writer.execute("PRAGMA query_only = ON")  # "readonly", as on such a disk
            stop = asyncio.Event()
            running = asyncio.create_task(indexer.run_forever((library,), stop))
            await until(lambda: "nothing can be written into" in (indexer.progress().problem or ""))
            stop.set()
            await running
            storage.catalogue._database._writer.execute("PRAGMA query_only = OFF")


def damage_all_but_the_first_page(path: Path) -> None:
    """While it is open: after a change by somebody else SQLite reads every page again."""
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA user_version = 7")
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (size - 4096))


async def test_a_service_whose_catalogue_gets_damaged_stays_and_writes_nothing_more(
    tmp_path: Path, library: Path, captioner: CountingCaptioner
) -> None:
    settings = settings_for(tmp_path, watch=False)
    with stored(settings) as storage:
        indexer, stop = Indexer(settings, storage, captioner=captioner), asyncio.Event()
        running = asyncio.create_task(indexer.serve((library,), stop))
        await until(lambda: indexer.progress().phase == Phase.IDLE)
        damage_all_but_the_first_page(settings.catalogue_path)
        shutil.copyfile(library / "red.jpg", library / "one more.jpg")
        indexer.scan_now()
        await until(lambda: "doctor --rebuild" in (indexer.progress().problem or ""))
        assert indexer.progress().phase == Phase.WAITING
        assert not running.done()
        damaged = settings.catalogue_path.read_bytes()
        with pytest.raises(sqlite3.DatabaseError):
            storage.catalogue.queue.retry_set_aside()
        with pytest.raises(StorageError, match="recollect doctor --rebuild"):
            storage.catalogue.probe()
        assert settings.catalogue_path.read_bytes() == damaged
        stop.set()
        with pytest.raises(StorageError) as ended:
            await running
        assert "doctor --rebuild" in ended.value.hint


async def test_a_service_whose_captioner_dies_before_it_is_ready_starts_it_again(
    library: Path, settings: Settings, captioner: CountingCaptioner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the kernel kills it for want of memory."""
    starts: list[float] = []

    @asynccontextmanager
    async def started(_: Settings) -> AsyncIterator[CountingCaptioner]:
        starts.append(asyncio.get_running_loop().time())
        if len(starts) == 1:
            raise captioner_not_started(Exception("the captioner was killed by SIGKILL before it was ready"))
        yield captioner

    monkeypatch.setattr("indexer.service.indexing_captioner", started)
    with stored(settings) as storage:
        indexer = Indexer(settings, storage)
        stop = asyncio.Event()
        running = asyncio.create_task(indexer.serve((library,), stop))
        await until(lambda: "killed by SIGKILL" in (indexer.progress().problem or ""))
        assert indexer.progress().phase == Phase.WAITING
        await until(lambda: indexer.progress().done == 3)
        assert indexer.progress().problem is None
        stop.set()
        await running
    assert len(starts) == 2


async def test_a_captioner_that_was_killed_says_nothing_of_the_bundle(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed = [sys.executable, "-c", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"]
    monkeypatch.setattr("indexer.jobs.captioners.CaptionerProcess", lambda *_, **__: CaptionerProcess(argv=killed))
    with pytest.raises(ProcessUnavailable, match="killed by SIGKILL") as raised:
        async with started_captioner(settings):
            raise AssertionError("it must not start")
    assert "memory" in raised.value.hint


async def test_a_bundle_that_can_t_be_used_is_about_the_set_up(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, bundle=tmp_path / "nothing here")
    with stored(settings) as storage, pytest.raises(SetupError) as caught:
        async with Indexer(settings, storage):
            raise AssertionError("it must not start")
    assert "nothing here" in caught.value.what
    assert caught.value.hint


async def test_what_the_captioner_says_may_be_anything(
    library: Path, settings: Settings, captioner: CountingCaptioner
) -> None:
    class Odd(CountingCaptioner):
        async def caption(self, pixels: bytes) -> Caption:
            await super().caption(pixels)
            return Caption("naïve “quotes” & <b>tags</b> 🎈", 0.5, (), None, "odd-1")

    await index(settings, Odd(), library)
    with stored(settings) as storage:
        assert {photo.caption for photo in all_photos(storage)} == {"naïve “quotes” & <b>tags</b> 🎈"}
    ours = read_own_caption((library / "red.jpg").read_bytes())
    assert ours is not None
    assert ours.text == "naïve “quotes” & <b>tags</b> 🎈"


async def test_a_link_out_of_the_library_is_not_followed_for_writing(
    library: Path, settings: Settings, captioner: CountingCaptioner, tmp_path: Path
) -> None:
    write_jpeg(tmp_path / "elsewhere" / "white.jpg", COLOURS["white"], 4)
    (library / "white.jpg").symlink_to(tmp_path / "elsewhere" / "white.jpg")
    (library / "pink.jpg").symlink_to(library / "red.jpg")
    before = (tmp_path / "elsewhere" / "white.jpg").read_bytes()
    await index(settings, captioner, library)
    assert (tmp_path / "elsewhere" / "white.jpg").read_bytes() == before
    with stored(settings) as storage:
        places = {paths.pop(): photo.caption_place for photo in all_photos(storage) if (paths := paths_of(photo))}
    assert places["white.jpg"] is CaptionPlace.SIDECAR
    assert read_own_caption((library / "red.jpg").read_bytes()) is not None
    assert not (library / "red.jpg.xmp").exists()
