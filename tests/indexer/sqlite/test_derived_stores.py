"""Search index and thumbnails that are damaged, lost or a newer recollect's: set aside and made again, whoever runs."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from indexer.errors import SearchError, StorageError
from indexer.model import JobKind, ThumbnailSize
from indexer.search.query import parse
from indexer.service import Indexer
from indexer.settings import Settings
from indexer.sqlite.database import Database
from indexer.sqlite.derived import DerivedDatabase, set_aside, set_aside_files
from indexer.sqlite.errors import hint_for, is_damage, keeps_from_writing
from indexer.storage import Storage, open_storage, reading_catalogue, reading_search, search_path
from tests.indexing import CountingCaptioner, all_photos, colour_library, found, index, stored

NOTE = ("note", "CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT);")


@pytest.fixture
def library(tmp_path: Path, settings: Settings) -> Path:
    root = colour_library(tmp_path, "red", "blue", "green")
    asyncio.run(index(settings, CountingCaptioner(), root))
    return root


def garbage(path: Path) -> None:
    path.write_bytes(b"this is no database " * 500)


def flipped(path: Path) -> None:
    """Every page but the first is overwritten: it opens, and breaks when it is read."""
    data = bytearray(path.read_bytes())
    data[4096:] = b"\x5a" * (len(data) - 4096)
    path.write_bytes(data)


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("INSERT INTO migration VALUES ('of next year', '2027-01-01')")


def deleted(path: Path) -> None:
    path.unlink()


BROKEN = [garbage, flipped, cut_off, emptied, newer, deleted]


@pytest.mark.slow
@pytest.mark.parametrize("breaking", BROKEN)
async def test_search_is_made_again_at_the_next_run(
    library: Path, settings: Settings, breaking: Callable[[Path], None]
) -> None:
    breaking(search_path(settings))
    captioner = CountingCaptioner()
    outcome = await index(settings, captioner, library)
    assert not outcome.unfinished
    assert captioner.asked == []
    with stored(settings) as storage:
        assert found(storage, "red wall")[0].startswith("a red wall")
        assert storage.search.count() == 3
    aside = set_aside_files(search_path(settings))
    assert len(aside) == (breaking not in {emptied, deleted})


@pytest.mark.slow
@pytest.mark.parametrize("breaking", BROKEN)
async def test_thumbnails_are_made_again_at_the_next_run(
    library: Path, settings: Settings, breaking: Callable[[Path], None]
) -> None:
    breaking(settings.thumbnails_path)
    captioner = CountingCaptioner()
    await index(settings, captioner, library)
    assert captioner.asked == []
    with stored(settings) as storage:
        for photo in all_photos(storage):
            assert storage.thumbnails.get(photo.id, ThumbnailSize.GRID)
            assert storage.thumbnails.get(photo.id, ThumbnailSize.SCREEN)
    assert len(set_aside_files(settings.thumbnails_path)) == (breaking not in {emptied, deleted})


@pytest.mark.slow
async def test_a_lost_search_index_is_counted_at_once(library: Path, settings: Settings) -> None:
    """Before anything is pushed it is known that photos are not found."""
    search_path(settings).unlink()
    with stored(settings) as storage:
        assert storage.catalogue.counts().unpushed == 3
        assert storage.search.count() == 0


@pytest.mark.slow
@pytest.mark.parametrize("breaking", [flipped, deleted, garbage])
async def test_while_it_runs(library: Path, settings: Settings, breaking: Callable[[Path], None]) -> None:
    """Files that break under a running recollect: it answers from then on, and everything comes back."""
    stop = asyncio.Event()
    with open_storage(settings) as storage:
        indexer = Indexer(settings, storage, captioner=CountingCaptioner())
        indexer._maintenance._interval_s = 0.1
        async with indexer:
            running = asyncio.create_task(indexer.run_forever([library], stop))
            await idle(storage)
            ids = storage.catalogue.photo_ids()
            for path in (search_path(settings), settings.thumbnails_path):
                for ending in ("-wal", "-shm"):
                    path.with_name(path.name + ending).unlink(missing_ok=True)
                breaking(path)
            indexer._maintenance._checked_at = None  # a day later: SQLite may answer from memory until then
            async with asyncio.timeout(60):
                while not await asyncio.to_thread(is_whole, storage, ids):
                    await asyncio.sleep(0.2)
            stop.set()
            await running
    with stored(settings) as storage:
        assert storage.search.count() == 3
        assert min(storage.thumbnails.sizes().values()) == 3


async def idle(storage: Storage) -> None:
    async with asyncio.timeout(30):
        while storage.catalogue.counts().unpushed or storage.search.count() < 3:
            await asyncio.sleep(0.05)
    await asyncio.sleep(0.5)


def is_whole(storage: Storage, ids: list[str]) -> bool:
    """Whether the files on the disk hold all there is to hold."""
    try:
        storage.search.search(parse("wall"))
    except SearchError:
        return False
    for name, table in (("search.db", "document"), ("thumbnails.db", "thumbnail")):
        path = storage.catalogue._database.path.with_name(name)
        if not path.exists():
            return False
        try:
            with closing(sqlite3.connect(path)) as connection:
                (number,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
                if number < len(ids) or connection.execute("PRAGMA quick_check").fetchone()[0] != "ok":
                    return False
        except sqlite3.Error:
            return False
    return all(storage.thumbnails.get(photo_id, ThumbnailSize.GRID) for photo_id in ids)


@pytest.mark.slow
async def test_thumbnails_that_a_row_lacks_become_jobs(library: Path, settings: Settings) -> None:
    with stored(settings) as storage:
        first, *_ = storage.catalogue.photo_ids()
        storage.thumbnails.delete([first])
        assert storage.thumbnails.lacking(storage.catalogue.photo_ids()) == [first]
        assert storage.catalogue.queue.enqueue_thumbnails([first]) == 1
        assert storage.catalogue.queue.enqueue_thumbnails([first]) == 0
        assert storage.catalogue.counts().thumbnails_waiting == 1
        assert storage.catalogue.queue.queued(JobKind.THUMBNAILS) == 1


def test_a_damaged_file_is_begun_anew_once_for_all_threads(tmp_path: Path) -> None:
    path, renewed = tmp_path / "notes.db", list[str]()
    with DerivedDatabase(path, [NOTE], on_recreate=lambda: renewed.append("renewed")) as database:
        assert renewed == ["renewed"]
        data_version, opened = database.data_version(), database.times_opened
        error = sqlite3.DatabaseError("database disk image is malformed")
        error.sqlite_errorcode = 11
        reader = database.reader
        for _ in range(2):
            with pytest.raises(sqlite3.DatabaseError), database.recreating_if_damaged():
                raise error
        assert len(renewed) == 3  # each was a damage of its own
        assert not database._recreate(opened, "is damaged")  # somebody else has seen to it
        assert len(renewed) == 3
        assert database.reader is not reader
        assert database.data_version() != data_version
        with database.transaction() as writer:
            writer.execute("INSERT INTO note (text) VALUES ('one')")
        assert database.reader.execute("SELECT count(*) FROM note").fetchone()[0] == 1
    assert len(set_aside_files(path)) == 1  # the latest


def test_what_is_not_damage_sets_nothing_aside(tmp_path: Path) -> None:
    path = tmp_path / "notes.db"
    with DerivedDatabase(path, [NOTE]) as database:
        with pytest.raises(sqlite3.OperationalError), database.recreating_if_damaged():
            database.reader.execute("SELECT * FROM nothing")
        assert not database.recreate_if_lost()
    assert set_aside_files(path) == []


def test_old_connections_leave_the_new_files_alone(tmp_path: Path) -> None:
    """SQLite deletes the WAL of a database when its last connection is closed: not that of another file."""
    path = tmp_path / "notes.db"
    old = Database(path, [NOTE])
    with old.transaction() as writer:
        writer.execute("INSERT INTO note (text) VALUES ('old')")
    set_aside(path, "is damaged")
    with Database(path, [NOTE]) as fresh:
        with fresh.transaction() as writer:
            writer.execute("INSERT INTO note (text) VALUES ('new')")
        assert old.is_lost
        old.close()
        assert path.with_name("notes.db-wal").exists()
        assert [row["text"] for row in fresh.reader.execute("SELECT text FROM note")] == ["new"]
    with Database(path, [NOTE]) as again:
        assert [row["text"] for row in again.reader.execute("SELECT text FROM note")] == ["new"]


@pytest.mark.slow
def test_a_command_that_only_reads_mends_nothing(library: Path, settings: Settings) -> None:
    garbage(search_path(settings))
    before = search_path(settings).read_bytes()
    with pytest.raises(SearchError, match="can't be opened"), reading_search(settings):
        raise AssertionError("it is damaged")
    assert search_path(settings).read_bytes() == before
    search_path(settings).unlink()
    with pytest.raises(SearchError, match="is not there"), reading_search(settings):
        raise AssertionError("it is lost")
    assert not search_path(settings).exists()


@pytest.mark.slow
@pytest.mark.parametrize("breaking", [garbage, newer])
def test_only_the_catalogue_stops_a_start(library: Path, settings: Settings, breaking: Callable[[Path], None]) -> None:
    breaking(settings.catalogue_path)
    before = settings.catalogue_path.read_bytes()
    with pytest.raises(StorageError) as raised, open_storage(settings):
        raise AssertionError("it can't be used")
    assert settings.catalogue_path.read_bytes() == before
    wanted = "upgrade recollect" if breaking is newer else "recollect doctor --rebuild"
    assert wanted in raised.value.hint
    assert "free space" not in raised.value.hint


@pytest.mark.slow
def test_damage_inside_the_catalogue_names_the_right_cure(library: Path, settings: Settings) -> None:
    flipped(settings.catalogue_path)
    with pytest.raises(StorageError) as raised, open_storage(settings) as storage:
        storage.catalogue.photos(storage.catalogue.photo_ids())
    assert "recollect doctor --rebuild" in raised.value.hint
    assert "free space" not in raised.value.hint


@pytest.mark.parametrize(
    ("code", "damaged", "readable", "hint"),
    [
        (11, True, False, "doctor --rebuild"),
        (26, True, False, "doctor --rebuild"),
        (11 | 1 << 8, True, False, "doctor --rebuild"),
        (522, True, False, "doctor --rebuild"),
        (13, False, True, "free some space"),
        (8, False, True, "right to write"),
        (14, False, True, "right to write"),
        (10, False, True, "disk reports errors"),
        (5, False, False, "another program"),
        (1, False, False, "check the free space"),
    ],
)
def test_each_error_has_its_own_cure(code: int, damaged: bool, readable: bool, hint: str) -> None:
    error = sqlite3.OperationalError("no")
    error.sqlite_errorcode = code
    assert (is_damage(error), keeps_from_writing(error)) == (damaged, readable)
    assert hint in str(hint_for(error, Path("/data/catalogue.db")))


@pytest.mark.slow
def test_the_catalogue_notices_that_it_was_deleted(library: Path, settings: Settings) -> None:
    with reading_catalogue(settings) as catalogue:
        catalogue.probe()
        settings.catalogue_path.rename(settings.catalogue_path.with_name("elsewhere.db"))
        with pytest.raises(StorageError, match="was deleted or replaced"):
            catalogue.probe()


@pytest.mark.slow
def test_the_catalogue_is_looked_through_as_a_whole(library: Path, settings: Settings) -> None:
    with stored(settings) as storage:
        assert storage.catalogue.check() is None
        assert storage.catalogue.problem() is None
    with closing(sqlite3.connect(settings.catalogue_path)) as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'photo'").fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    with settings.catalogue_path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\x5a" * size)
    with stored(settings) as storage:
        assert storage.catalogue.check()
        assert "recollect doctor --rebuild" in str(storage.catalogue.problem())
        with pytest.raises(StorageError):
            storage.catalogue.probe()
