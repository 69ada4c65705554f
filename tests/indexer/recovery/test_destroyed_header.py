"""A catalogue whose header, or whole file, is destroyed while its newest rows stand in the log beside it: whatever is
tried first, the log is left for `recollect doctor --rebuild`, which takes the rows over."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest
from click.testing import CliRunner

from indexer.catalogue import Catalogue
from indexer.errors import StorageError
from indexer.recovery.rebuild import damage_of, rebuild_catalogue
from indexer.sqlite.database import read_only_connection
from tests.libraries import rescan, settle_all, write
from web.cli import main

PAGE = 4096
TYPED = "typed just before"


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory as a kill leaves it: a checkpoint, then one correction in the log alone, which has no page 1."""
    folder = tmp_path_factory.mktemp("killed")
    for number in range(3):
        write(folder / f"photos/{number}.jpg")
    with Catalogue(folder / "data/catalogue.db") as catalogue:
        rescan(catalogue, folder / "photos")
        settle_all(catalogue)
        with closing(sqlite3.connect(folder / "data/catalogue.db")) as other:
            assert other.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()[0] == 0
        catalogue.corrections.correct(catalogue.photo_ids()[0], TYPED)
        shutil.copytree(folder / "data", folder / "copy")
    (folder / "copy/catalogue.db-shm").unlink()
    return folder / "copy"


def first_bytes(number: int, value: int = 0) -> Callable[[bytes], bytes]:
    return lambda data: bytes([value]) * number + data[number:]


def byte_at(place: int, value: int) -> Callable[[bytes], bytes]:
    return lambda data: data[:place] + bytes([value]) + data[place + 1 :]


DAMAGES: dict[str, Callable[[bytes], bytes | None]] = {
    "deleted": lambda data: None,
    "empty": lambda data: b"",
    "cut off in the header": lambda data: data[:60],
    "cut off in the first page": lambda data: data[:300],
    "magic": first_bytes(16),
    "header of zeros": first_bytes(100),
    "header of ones": first_bytes(100, 255),
    "first page of noise": lambda data: random.Random(1).randbytes(PAGE) + data[PAGE:],
    "all zeros": lambda data: bytes(len(data)),
    "another page size": lambda data: data[:16] + b"\x02\x00" + data[18:],
    "bytes reserved on each page": byte_at(20, 64),
    "format of a future": byte_at(18, 9),
    "payload fraction": byte_at(21, 9),
}


def open_catalogue(path: Path) -> None:
    with Catalogue(path):
        raise AssertionError("the damage was not noticed")


def read_catalogue(path: Path) -> None:
    with Catalogue(path, read_only=True):
        raise AssertionError("the damage was not noticed")


@pytest.mark.parametrize("attempt", [open_catalogue, read_catalogue])
@pytest.mark.parametrize("damage", DAMAGES)
def test_opening_it_refuses_and_keeps_the_log(
    killed: Path, tmp_path: Path, damage: str, attempt: Callable[[Path], None]
) -> None:
    path, log = damaged(killed, tmp_path, damage)
    with pytest.raises(StorageError) as raised:
        attempt(path)
    assert "doctor --rebuild" in str(raised.value.hint)
    assert path.with_name("catalogue.db-wal").read_bytes() == log
    with suppress(sqlite3.Error, StorageError), closing(read_only_connection(path)):
        pass
    assert damage_of(path) is not None
    assert path.with_name("catalogue.db-wal").read_bytes() == log
    rebuild_catalogue(path)
    assert damage_of(path) is None
    with closing(sqlite3.connect(path)) as connection:  # of some the files are found by the next scan only
        typed = connection.execute("SELECT corrected_text FROM photo WHERE corrected_text IS NOT NULL").fetchall()
    assert typed == [(TYPED,)]
    [aside] = path.parent.glob("catalogue.db.damaged-*-wal")
    assert aside.read_bytes() == log


@pytest.mark.slow
@pytest.mark.parametrize(
    "command", ["serve", "index", "status", "search wall", "doctor", "backup b.zip", "doctor --fix"]
)
@pytest.mark.parametrize("damage", ["deleted", "empty", "magic", "another page size"])
def test_every_command_says_how_it_is_made_again_and_keeps_the_log(
    killed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str, command: str
) -> None:
    path, log = damaged(killed, tmp_path, damage)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    where = [str(tmp_path / "photos")] if command in {"serve", "index"} else []
    run = CliRunner().invoke(main, [*command.split(), *where, "--data-dir", str(path.parent)])
    assert "doctor --rebuild" in run.output, run.output
    assert run.exit_code in {1, 2}
    assert path.with_name("catalogue.db-wal").read_bytes() == log


def damaged(killed: Path, tmp_path: Path, damage: str) -> tuple[Path, bytes]:
    shutil.copytree(killed, tmp_path / "data")
    path = tmp_path / "data/catalogue.db"
    data = DAMAGES[damage](path.read_bytes())
    if data is None:
        path.unlink()
    else:
        path.write_bytes(data)
    return path, path.with_name("catalogue.db-wal").read_bytes()


def test_a_rebuild_after_the_file_is_gone_does_not_take_its_log_for_the_new_one_s(killed: Path, tmp_path: Path) -> None:
    path, _ = damaged(killed, tmp_path, "deleted")
    outcome = rebuild_catalogue(path)
    assert outcome.aside is not None
    assert not path.with_name("catalogue.db-wal").exists()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"


def test_what_a_first_start_leaves_half_made_is_no_damage(tmp_path: Path) -> None:
    """Killed between making the file and its first page, or while SQLite's own journal can undo what was begun."""
    path = tmp_path / "catalogue.db"
    path.touch()
    with Catalogue(path):
        pass
    path.unlink()
    path.write_bytes(bytes(PAGE))
    path.with_name("catalogue.db-journal").write_bytes(hot_journal_of_an_empty_file())
    with Catalogue(path) as catalogue:
        assert catalogue.counts().photos == 0


def hot_journal_of_an_empty_file() -> bytes:
    """What stands on the disk while the first page is written (https://sqlite.org/fileformat2.html#rollbackjrnl)."""
    return bytes.fromhex("d9d505f920a163d7") + bytes(4) + b"\1\2\3\4" + bytes(4) + b"\0\0\2\0\0\0\x10\0" + bytes(484)
