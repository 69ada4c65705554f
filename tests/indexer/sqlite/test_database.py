"""One writer, many readers, nothing half done."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from indexer.errors import StorageError
from indexer.sqlite.database import Database

FIRST = ("first", "CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT);\nCREATE INDEX note_text ON note (text);")
SECOND = ("second", "ALTER TABLE note ADD COLUMN stars INTEGER NOT NULL DEFAULT 3;")

needs_proc = pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="/proc is Linux's")


def test_migrations_run_once_and_in_order(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "a.db"
    with Database(path, [FIRST]) as database, database.transaction() as writer:
        writer.execute("INSERT INTO note (text) VALUES ('kept')")
    with Database(path, [FIRST, SECOND]) as database:
        assert [tuple(row) for row in database.reader.execute("SELECT text, stars FROM note")] == [("kept", 3)]


def test_a_failed_migration_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    Database(path, [FIRST]).close()
    with pytest.raises(StorageError, match="can't be opened"):
        Database(path, [FIRST, ("bad", "CREATE TABLE other (id);\nCREATE TABLE note (id);")])
    with Database(path, [FIRST]) as database:
        names = {row[0] for row in database.reader.execute("SELECT name FROM sqlite_master")}
    assert "other" not in names


def test_a_file_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    Database(path, [FIRST, SECOND]).close()
    with pytest.raises(StorageError, match="newer recollect"):
        Database(path, [FIRST])


def test_something_else_is_not_a_database(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    path.write_bytes(b"family photos, not a database" * 100)
    with pytest.raises(StorageError, match="can't be opened"):
        Database(path, [FIRST])


def test_an_exception_rolls_back(tmp_path: Path) -> None:
    with Database(tmp_path / "a.db", [FIRST]) as database:
        with pytest.raises(sqlite3.OperationalError), database.transaction() as writer:  # noqa: PT012
            writer.execute("INSERT INTO note (text) VALUES ('gone')")
            writer.execute("INSERT INTO nowhere VALUES (1)")
        assert database.reader.execute("SELECT count(*) FROM note").fetchone()[0] == 0


def test_a_full_disk_says_so_and_the_database_goes_on(tmp_path: Path) -> None:
    """SQLite rolls back by itself where it is out of room (https://sqlite.org/lang_transaction.html)."""
    with Database(tmp_path / "a.db", [FIRST]) as database:
        with pytest.raises(sqlite3.OperationalError, match="full"), database.transaction() as writer:  # noqa: PT012
            pages = writer.execute("PRAGMA page_count").fetchone()[0]
            writer.execute(f"PRAGMA max_page_count = {pages}")
            writer.execute("INSERT INTO note (text) VALUES (?)", ("long" * 10_000,))
        with database.transaction() as writer:
            writer.execute("INSERT INTO note (text) VALUES ('short')")
        assert [row["text"] for row in database.reader.execute("SELECT text FROM note")] == ["short"]


def test_readers_can_t_write(tmp_path: Path) -> None:
    with Database(tmp_path / "a.db", [FIRST]) as database, pytest.raises(sqlite3.OperationalError, match="readonly"):
        database.reader.execute("INSERT INTO note (text) VALUES ('no')")


def test_threads_write_in_turn_and_read_meanwhile(tmp_path: Path) -> None:
    with Database(tmp_path / "a.db", [FIRST]) as database:
        errors: list[BaseException] = []

        def work(number: int) -> None:
            try:
                for step in range(50):
                    with database.transaction() as writer:
                        writer.execute("INSERT INTO note (text) VALUES (?)", (f"{number} {step}",))
                    database.reader.execute("SELECT count(*) FROM note").fetchone()
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not errors
        assert database.reader.execute("SELECT count(*) FROM note").fetchone()[0] == 200


def test_closing_twice_is_fine(tmp_path: Path) -> None:
    database = Database(tmp_path / "a.db", [FIRST])
    database.close()
    database.close()


@pytest.mark.slow
def test_closing_waits_for_who_reads(tmp_path: Path) -> None:
    counting = """WITH RECURSIVE one(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM one WHERE n < 2000000)
        SELECT counted(max(n)) FROM one"""
    database = Database(tmp_path / "a.db", [FIRST])
    begun, counted = threading.Event(), list[int]()

    def count() -> None:
        reader = database.reader
        reader.create_function("counted", 1, counted.append)
        reader.set_progress_handler(begun.set, 1000)
        with suppress(sqlite3.ProgrammingError):  # what is read of it afterwards
            reader.execute(counting).fetchone()

    thread = threading.Thread(target=count)
    thread.start()
    begun.wait()
    database.close()
    assert counted == [2_000_000]
    thread.join()


def test_whoever_asks_for_the_edition_waits_for_no_writer(tmp_path: Path) -> None:
    with Database(tmp_path / "a.db", [FIRST]) as database, database.transaction() as writer:
        writer.execute("INSERT INTO note (text) VALUES ('one')")
        with ThreadPoolExecutor(1) as thread:
            before = thread.submit(database.data_version).result(timeout=10)
    with Database(tmp_path / "a.db", [FIRST]) as database:
        before = database.data_version()
        with Database(tmp_path / "a.db", [FIRST]) as other, other.transaction() as writer:
            writer.execute("INSERT INTO note (text) VALUES ('two')")
        assert database.data_version() != before


def test_a_closed_database_opens_nothing_any_more(tmp_path: Path) -> None:
    database = Database(tmp_path / "a.db", [FIRST])
    database.close()
    with pytest.raises(StorageError, match="was closed"):
        database.reader.execute("SELECT 1")


def test_a_workspace_sees_the_file_and_keeps_its_tables_to_itself(tmp_path: Path) -> None:
    with Database(tmp_path / "a.db", [FIRST]) as database:
        with database.transaction() as writer:
            writer.execute("INSERT INTO note (text) VALUES ('one')")
        with database.workspace() as connection:
            connection.execute("CREATE TEMPORARY TABLE mine AS SELECT text FROM note")
            with database.transaction() as writer:  # nobody waits for anybody
                writer.execute("INSERT INTO note (text) VALUES ('two')")
            assert [row["text"] for row in connection.execute("SELECT text FROM mine")] == ["one"]
            assert connection.execute("SELECT count(*) FROM note").fetchone()[0] == 2
        with pytest.raises(sqlite3.ProgrammingError):
            connection.execute("SELECT 1")
        with database.workspace() as connection:
            assert connection.execute("SELECT count(*) FROM sqlite_temp_master").fetchone()[0] == 0
    with pytest.raises(StorageError, match="was closed"), database.workspace():
        raise AssertionError("it is closed")


@needs_proc
def test_threads_that_have_ended_leave_no_connection_open(tmp_path: Path) -> None:
    with Database(tmp_path / "a.db", [FIRST]) as database:
        for _ in range(20):
            with ThreadPoolExecutor(1) as thread:
                thread.submit(database.count, "SELECT count(*) FROM note").result()
        opened = [one for one in Path("/proc/self/fd").iterdir() if _leads_to(one, tmp_path / "a.db")]
        assert len(opened) <= 4, "the writer's, the watcher's, the last thread's; one for SQLite's own"


def _leads_to(descriptor: Path, path: Path) -> bool:
    try:
        return descriptor.readlink() == path
    except OSError:
        return False


@needs_proc
def test_what_many_threads_have_read_is_not_kept_in_memory_by_each(tmp_path: Path) -> None:
    with Database(tmp_path / "a.db", [FIRST]) as database, database.transaction() as writer:
        writer.executemany("INSERT INTO note (text) VALUES (?)", ((f"{number:01000}",) for number in range(8000)))
    said = subprocess.run(
        [sys.executable, "-c", _READ_BY_THREADS, str(tmp_path / "a.db")], capture_output=True, text=True, check=True
    )
    assert float(said.stdout) < 16, "MB for eight threads that have each read 8 MB"


_READ_BY_THREADS = """
import sys, threading
from pathlib import Path
from tests.memory import own_mb
from tests.indexer.sqlite.test_database import FIRST
from indexer.sqlite.database import Database

def read():
    for _ in database.reader.execute("SELECT text FROM note"):
        pass
    has_read.wait()
    measured.wait()

has_read, measured = threading.Barrier(9), threading.Barrier(9)
with Database(Path(sys.argv[1]), [FIRST]) as database:
    before = own_mb()
    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    has_read.wait()
    print(own_mb() - before)
    measured.wait()
    for thread in threads:
        thread.join()
"""
