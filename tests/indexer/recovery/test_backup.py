"""Backup and restore by the command line: another machine, another library path, and nothing is captioned twice."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
import stat
import threading
import tomllib
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from indexer.captions.journal import Journal
from indexer.catalogue import Catalogue
from indexer.commands.remembered import read_remembered, remember
from indexer.recovery import restore as restoring
from indexer.recovery.backup_file import MEMBERS, SETTINGS_FILE, BackupFile
from indexer.recovery.finishing import KEPT_SETTINGS, REPLACED
from indexer.search.query import parse
from indexer.settings import Settings
from indexer.settings_loader import load_settings
from indexer.storage import sole_indexer
from tests.indexing import COLOURS, CountingCaptioner, all_photos, found, index, settings_for, stored
from tests.photos_made import write_jpeg
from web.app import make_app
from web.cli import main

pytestmark = pytest.mark.slow  # each test indexes a library


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_for(tmp_path / "old")


@pytest.fixture
def library(tmp_path: Path, settings: Settings) -> Path:
    """Indexed: three photos, one with a correction that is in no file yet and added words."""
    root = tmp_path / "old" / "photos"
    for number, colour in enumerate(("red", "green", "blue")):
        write_jpeg(root / f"{colour}.jpg", COLOURS[colour], number)
    asyncio.run(index(settings, CountingCaptioner(), root))
    remember(settings.data_dir, libraries=[root])
    with stored(settings) as storage:
        red = next(one for one in all_photos(storage) if "red" in (one.caption or ""))
        storage.catalogue.corrections.correct(red.id, "grandmother's front door")
        storage.catalogue.feedback.change_words(red.id, add=["Lisbon"])
    return root


@pytest.fixture
def recollect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))

    def run(*words: object, code: int = 0) -> Result:
        result = CliRunner().invoke(main, [str(word) for word in words])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        assert result.exit_code == code, result.output
        return result

    return run


def backed_up(recollect: Any, settings: Settings, tmp_path: Path, *options: object) -> Path:
    target = tmp_path / "usb" / "recollect.zip"
    target.parent.mkdir(exist_ok=True)
    recollect("backup", target, "--data-dir", settings.data_dir, *options)
    return target


@pytest.mark.parametrize("options", [(), ("--thumbnails",)])
def test_another_machine_with_another_library_path_captions_nothing_twice(
    tmp_path: Path, settings: Settings, library: Path, recollect: Any, options: tuple[str, ...]
) -> None:
    file = backed_up(recollect, settings, tmp_path, *options)
    moved = tmp_path / "new" / "pictures"
    shutil.copytree(library, moved)  # other inodes, as on another disk
    shutil.rmtree(tmp_path / "old")
    there = settings_for(tmp_path / "new")
    said = recollect("restore", file, "--data-dir", there.data_dir, "--library", library, moved)
    assert "3 photos" in said.stderr
    assert ("thumbnails are not in the backup" in said.stderr) is not bool(options)
    with stored(there) as storage:
        sizes = set(storage.thumbnails.sizes().values())
    assert sizes == ({3} if options else {0})
    captioner = CountingCaptioner()
    before = {path.name: path.read_bytes() for path in moved.iterdir() if path.name != "red.jpg"}
    assert asyncio.run(index(there, captioner, moved)).problem is None
    assert captioner.asked == []
    assert {path.name: path.read_bytes() for path in moved.iterdir() if path.name != "red.jpg"} == before
    assert b"grandmother" in (moved / "red.jpg").read_bytes(), "the correction that waited was written"
    with stored(there) as storage:
        assert found(storage, "grandmother lisbon") == ["grandmother's front door"]
        assert {str(file.path.parent) for one in all_photos(storage) for file in one.files} == {str(moved)}
        assert set(storage.thumbnails.sizes().values()) == {3}
        assert storage.search.search(parse("wall")).total == 3
    assert read_remembered(there.data_dir).libraries == (moved,)
    assert {Path(entry.path).parent for entry in Journal.in_dir(there.data_dir).entries()} == {moved}


def test_everything_that_the_data_directory_holds_is_in_it_or_is_derived(
    tmp_path: Path, settings: Settings, library: Path, recollect: Any
) -> None:
    with stored(settings) as storage:
        make_app(
            load_settings(environment={}, flags={"data_dir": settings.data_dir, "password": "a household password"}),
            catalogue=storage.catalogue,
            thumbnails=storage.thumbnails,
            search=storage.search,
            progress=lambda: None,  # type: ignore[arg-type, return-value]
        )
    with sole_indexer(settings.data_dir):
        there = {path.name for path in settings.data_dir.iterdir()}
    assert {"session.key", "sessions.json", "captions.jsonl", "catalogue.db"} <= there
    derived = {"search.db", "recollect.lock", "thumbnails.db"}
    names = {name.removesuffix("-wal").removesuffix("-shm") for name in there} - derived
    file = backed_up(recollect, settings, tmp_path)
    with BackupFile(file) as opened:
        assert set(opened.manifest.members) == names
    assert names <= set(MEMBERS)
    assert set(MEMBERS) <= {*REPLACED, SETTINGS_FILE}, "what is restored takes the place of what was there"


def test_it_is_private_whole_and_replaces_only_a_backup(
    tmp_path: Path, settings: Settings, library: Path, recollect: Any
) -> None:
    file = backed_up(recollect, settings, tmp_path)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    first = file.stat().st_ino
    backed_up(recollect, settings, tmp_path)
    assert file.stat().st_ino != first
    assert [path.name for path in file.parent.iterdir()] == [file.name], "nothing is left beside it"
    photo = library / "red.jpg"
    kept = photo.read_bytes()
    refused = recollect("backup", photo, "--data-dir", settings.data_dir, code=2)
    assert "is no backup of recollect" in refused.stderr
    assert photo.read_bytes() == kept
    assert "is a folder" in recollect("backup", library, "--data-dir", settings.data_dir, code=2).stderr


def test_a_full_disk_leaves_the_backup_of_before(
    tmp_path: Path, settings: Settings, library: Path, recollect: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = backed_up(recollect, settings, tmp_path)
    before = file.read_bytes()

    def full(*_: object, **__: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("indexer.recovery.backup.write_backup_file", full)
    said = recollect("backup", file, "--data-dir", settings.data_dir, code=2)
    assert "No space left" in said.stderr
    assert "free some space" in said.stderr
    assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_a_damaged_catalogue_takes_no_good_backup_s_place(
    tmp_path: Path, settings: Settings, library: Path, recollect: Any
) -> None:
    file = backed_up(recollect, settings, tmp_path)
    before = file.read_bytes()
    data = bytearray(settings.catalogue_path.read_bytes())
    data[4096 : 4096 * 6] = bytes(4096 * 5)
    settings.catalogue_path.write_bytes(data)
    assert "is damaged" in recollect("backup", file, "--data-dir", settings.data_dir, code=2).stderr
    assert file.read_bytes() == before


def test_one_moment_is_copied_while_others_write(
    tmp_path: Path, settings: Settings, library: Path, recollect: Any
) -> None:
    """Every photo's two columns change together, all the time: a backup never has one without the other."""
    stop = threading.Event()

    def write() -> None:
        with closing(sqlite3.connect(settings.catalogue_path, timeout=30)) as connection:
            number = 0
            while not stop.is_set():
                number += 1
                with connection:
                    connection.execute("UPDATE photo SET title = ?, headline_probe = ?", (number, number))

    with closing(sqlite3.connect(settings.catalogue_path)) as connection:
        connection.execute("ALTER TABLE photo ADD COLUMN headline_probe TEXT")
    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(5):
            file = backed_up(recollect, settings, tmp_path)
            with BackupFile(file) as opened:
                copy = tmp_path / "copy.db"
                opened.extract("catalogue.db", copy)
            with closing(sqlite3.connect(copy)) as copied:
                rows = copied.execute("SELECT DISTINCT title, headline_probe FROM photo").fetchall()
            copy.unlink()
            assert len(rows) == 1
            assert rows[0][0] == rows[0][1]
    finally:
        stop.set()
        writer.join()


def test_a_data_directory_in_use_or_not_empty_is_not_replaced_unasked(
    tmp_path: Path, settings: Settings, library: Path, recollect: Any
) -> None:
    file = backed_up(recollect, settings, tmp_path)
    before = {path.name: path.read_bytes() for path in settings.data_dir.iterdir()}
    with sole_indexer(settings.data_dir):
        said = recollect("restore", file, "--data-dir", settings.data_dir, "--replace", code=2)
        assert "is indexing into" in said.stderr
    said = recollect("restore", file, "--data-dir", settings.data_dir, code=2)
    assert "is not empty" in said.stderr
    assert "--replace" in said.stderr
    after = {path.name: path.read_bytes() for path in settings.data_dir.iterdir() if path.name != "recollect.lock"}
    before.pop("recollect.lock", None)
    assert after == before
    recollect("restore", file, "--data-dir", settings.data_dir, "--replace")
    (aside,) = settings.data_dir.glob("replaced-*")
    assert {name for name in before if not name.endswith("-shm")} <= {path.name for path in aside.iterdir()} | {"-wal"}
    with Catalogue(settings.catalogue_path) as catalogue:
        assert catalogue.counts().photos == 3


def test_libraries_are_named_right(tmp_path: Path, settings: Settings, library: Path, recollect: Any) -> None:
    file, there = backed_up(recollect, settings, tmp_path), tmp_path / "new" / "data"
    wrong = recollect("restore", file, "--data-dir", there, "--library", "/nowhere", "/srv", code=2)
    assert "no library /nowhere" in wrong.stderr
    assert str(library) in wrong.stderr
    inside = recollect("restore", file, "--data-dir", there, "--library", library, tmp_path / "new", code=2)
    assert "lies inside the library" in inside.stderr
    assert not there.exists()
    gone = recollect("restore", file, "--data-dir", there, "--library", library, tmp_path / "unplugged")
    assert f"library {tmp_path / 'unplugged'} is not there" in gone.stderr


def test_settings_come_along_with_the_new_paths(
    tmp_path: Path, settings: Settings, library: Path, recollect: Any
) -> None:
    usual = tmp_path / "config" / "recollect" / "recollect.toml"
    usual.parent.mkdir(parents=True)
    text = f'photos = ["{library}"]\ndata_dir = "{settings.data_dir}"\nport = 9000\n'
    text += 'birthdays = ["Änne \\"A\\" 2015-06-03"]\n'
    usual.write_text(text, encoding="utf-8")
    file = backed_up(recollect, settings, tmp_path)
    kept_out = recollect("restore", file, "--data-dir", tmp_path / "new1")
    assert str(tmp_path / "new1" / KEPT_SETTINGS) in kept_out.stderr, "a settings file that is there stays"
    assert usual.read_text(encoding="utf-8") == text
    usual.unlink()
    recollect("restore", file, "--data-dir", tmp_path / "new2", "--library", library.parent, tmp_path / "moved")
    assert stat.S_IMODE(usual.stat().st_mode) == 0o600, "it may hold the password"
    assert tomllib.loads(usual.read_text(encoding="utf-8")) == {
        "photos": [str(tmp_path / "moved" / "photos")],
        "port": 9000,
        "birthdays": ['Änne "A" 2015-06-03'],
    }


def test_what_the_environment_gives_is_said_to_be_missing(
    tmp_path: Path, settings: Settings, library: Path, recollect: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECOLLECT_PASSWORD", "a household password")
    said = recollect("backup", tmp_path / "b.zip", "--data-dir", settings.data_dir)
    assert "the environment gives them: password" in said.stderr
    assert "a household password" not in said.output


@pytest.mark.parametrize("after", range(10))
def test_killed_at_any_moment_it_is_whole_at_the_next_start(
    tmp_path: Path, settings: Settings, library: Path, recollect: Any, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    """Dies at the `after`-th rename of a restore over an older directory; the next start has all of the one or all of
    the other."""
    file = backed_up(recollect, settings, tmp_path, "--thumbnails")
    with Catalogue(settings.catalogue_path) as catalogue:
        key = catalogue.photo_ids()[0]
        catalogue.corrections.correct(key, "only in the directory of before")
    renames = 0

    class Killed(BaseException):
        pass

    def counting(real: Any) -> Any:
        def rename(self: Path, target: Path) -> Any:
            nonlocal renames
            renames += 1
            if renames > after:
                raise Killed
            return real(self, target)

        return rename

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", counting(Path.rename))
        patched.setattr(Path, "replace", counting(Path.replace))
        with BackupFile(file) as opened, sole_indexer(settings.data_dir), pytest.raises(Killed):
            restoring.restore(settings, opened, restoring.LibraryMoves(), replace=True)
    with sole_indexer(settings.data_dir), stored(settings) as storage:
        is_old = storage.catalogue.photo(key).correction == "only in the directory of before"  # type: ignore[union-attr]
        assert storage.catalogue.counts().photos == 3
        assert is_old == (after == 0), "from the first rename on the restore counts"
        assert set(storage.thumbnails.sizes().values()) == {3}
    assert not list(settings.data_dir.glob("restore.*"))


def test_json_for_programs(tmp_path: Path, settings: Settings, library: Path, recollect: Any) -> None:
    made = json.loads(recollect("backup", tmp_path / "b.zip", "--data-dir", settings.data_dir, "--json").stdout)
    assert (made["photos"], made["file"]) == (3, str(tmp_path / "b.zip"))
    assert made["bytes"] == (tmp_path / "b.zip").stat().st_size
    restored = json.loads(
        recollect("restore", tmp_path / "b.zip", "--data-dir", tmp_path / "x" / "data", "--json").stdout
    )
    assert (restored["photos"], restored["libraries"], restored["absent"]) == (3, [str(library)], [])
