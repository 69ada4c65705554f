"""After a deletion no vector stands in any file of the data directory; and none is in a backup at any time."""

from __future__ import annotations

import json
import shutil
import sqlite3
import zipfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from indexer.catalogue import Catalogue
from indexer.cli import main as recollect
from indexer.people.grouping import group_faces
from indexer.people.vectors import FaceVectors, delete_people, vector_files
from indexer.recovery.backup import make_backup
from indexer.recovery.backup_file import BackupFile
from indexer.recovery.finishing import READY
from indexer.recovery.library_moves import LibraryMoves
from indexer.recovery.rebuild import rebuild_catalogue
from indexer.recovery.restore import restore
from indexer.settings import Settings
from indexer.storage import Storage, open_storage
from tests.indexing import all_photos, settings_for
from tests.libraries import rescan, settle_all, write
from tests.people_made import FACE_MODEL, MODEL, face, look_for_faces, looks_of


@pytest.fixture
def vectors(tmp_path: Path, settings: Settings) -> list[bytes]:
    """The vectors of a data directory with two persons in twelve photos, the first of whom is named Anna."""
    for number in range(12):
        write(tmp_path / "library" / f"{number}.jpg", str(number))
    looks = {number: looks_of(number // 6, 6)[number % 6] for number in range(12)}
    with open_storage(settings) as storage:
        rescan(storage.catalogue, tmp_path / "library")
        settle_all(storage.catalogue)
        ids = storage.catalogue.photo_ids()
        stored = look_for_faces(storage.catalogue, {one: [face(looks[number])] for number, one in enumerate(ids)})
        storage.faces.store(stored.items(), MODEL)
        group(storage)
        storage.catalogue.people_decisions.name(storage.catalogue.people.persons()[0].id, "Anna")
    return list(stored.values())


def group(storage: Storage) -> None:
    group_faces(storage.catalogue, storage.faces, FACE_MODEL)


def files_with(vectors: Sequence[bytes], folder: Path) -> set[str]:
    """The files below a folder in whose bytes one of the vectors stands."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.name for path in files if any(one in path.read_bytes() for one in vectors)}


@pytest.mark.parametrize("keep_names", [False, True])
def test_no_vector_is_left_while_everything_is_open_and_being_read(
    settings: Settings, vectors: list[bytes], keep_names: bool
) -> None:
    with open_storage(settings) as storage:
        storage.faces.store([(99, b"v" * 256)], MODEL)
        assert {path.name for path in vector_files(settings.data_dir)} >= {"faces.db", "faces.db-wal"}
        assert files_with([b"v" * 256], settings.data_dir), "the scan would find it"
        reading = storage.faces.blocks(MODEL)
        next(reading)
        with Catalogue(settings.catalogue_path) as other, closing(FaceVectors(settings.faces_path)) as theirs:
            assert delete_people(other, theirs, keep_names=keep_names) >= 2
        assert files_with([*vectors, b"v" * 256], settings.data_dir) == set()
        group(storage)
        assert [one.name for one in storage.catalogue.people.persons()] == ["Anna"] * keep_names
        storage.faces.store([(100, b"w" * 256)], MODEL)
        assert files_with(vectors, settings.data_dir) == set(), "a new file holds nothing of the old one"
    assert files_with(vectors, settings.data_dir) == set()


def test_no_name_is_left_in_the_catalogue_s_file(settings: Settings, vectors: list[bytes]) -> None:
    with open_storage(settings) as storage:
        person = storage.catalogue.people.persons()[0]
        storage.catalogue.people_decisions.name(person.id, "Xylophonia")
        assert "catalogue.db-wal" in files_with([b"Xylophonia"], settings.data_dir)
        delete_people(storage.catalogue, storage.faces, keep_names=False)
        assert files_with([b"Xylophonia"], settings.data_dir) == set()


def test_what_was_set_aside_goes_too(settings: Settings, vectors: list[bytes], tmp_path: Path) -> None:
    make_backup(settings, tmp_path / "backup.zip", settings_file=None, thumbnails=False)
    aside = settings.data_dir / "faces.db.set-aside-2026-01-01T00-00-00"
    shutil.copy(settings.faces_path, aside)
    with BackupFile(tmp_path / "backup.zip") as opened:
        restore(settings, opened, LibraryMoves(), replace=True)
    assert not (settings.data_dir / READY).exists()
    assert "faces.db" in {path.name for path in settings.data_dir.glob("replaced-*/*")}
    assert files_with(vectors, settings.data_dir) == {"faces.db", aside.name}
    with Catalogue(settings.catalogue_path) as catalogue, closing(FaceVectors(settings.faces_path)) as kept:
        delete_people(catalogue, kept, keep_names=False)
    assert files_with(vectors, settings.data_dir) == set()


def test_a_backup_holds_names_and_decisions_and_no_vector(
    settings: Settings, vectors: list[bytes], tmp_path: Path
) -> None:
    with open_storage(settings) as storage:
        first, second = storage.catalogue.people.persons()
        storage.catalogue.people_decisions.mark_distinct(first.id, second.id)
        storage.catalogue.people_decisions.not_this_person([first.face_id])
        before = storage.catalogue.people.persons(), storage.catalogue.faces.rules()
    make_backup(settings, tmp_path / "backup.zip", settings_file=None, thumbnails=True)
    with zipfile.ZipFile(tmp_path / "backup.zip") as archive:
        archive.extractall(tmp_path / "unpacked")
    assert files_with(vectors, tmp_path / "unpacked") == set()
    elsewhere = settings_for(tmp_path / "elsewhere")
    elsewhere.data_dir.mkdir(parents=True)
    with BackupFile(tmp_path / "backup.zip") as opened:
        restore(elsewhere, opened, LibraryMoves(), replace=False)
    with open_storage(elsewhere) as storage:
        assert (storage.catalogue.people.persons(), storage.catalogue.faces.rules()) == before
        assert len(next(storage.catalogue.faces.ids(MODEL))) == 12
        assert storage.faces.lacking([1, 2], MODEL) == [1, 2], "they are looked for again"


def test_a_damaged_catalogue_made_again_knows_names_and_decisions(settings: Settings, vectors: list[bytes]) -> None:
    with open_storage(settings) as storage:
        first, second = storage.catalogue.people.persons()
        storage.catalogue.people_decisions.not_this_person([second.face_id])
        storage.catalogue.people_decisions.mark_distinct(first.id, second.id)
        before = storage.catalogue.people.persons(), storage.catalogue.faces.rules()
        names = {one.id: one.people for one in all_photos(storage)}
    with closing(sqlite3.connect(settings.catalogue_path)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'scan_request'").fetchone()
    with settings.catalogue_path.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xff" * 4096)
    rebuild_catalogue(settings.catalogue_path)
    with open_storage(settings) as storage:
        rules = storage.catalogue.faces.rules()
        assert storage.catalogue.people.persons() == before[0]
        assert (rules.rejected, rules.distinct, rules.decided) == (
            *(before[1].rejected, before[1].distinct),
            before[1].decided,
        )
        assert {one.id: one.people for one in all_photos(storage)} == names
        ids = next(storage.catalogue.faces.ids(MODEL))
        assert storage.faces.lacking(ids, MODEL) == [], "their vectors are still those of the same faces"


def run(settings: Settings, *words: str) -> object:
    result = CliRunner().invoke(recollect, ["people", *words, "--json", "--data-dir", str(settings.data_dir)])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_the_command_does_what_the_page_does(settings: Settings, vectors: list[bytes]) -> None:
    assert run(settings, "on") == {"on": True, "running": 0}
    listed = run(settings, "list")
    assert isinstance(listed, dict)
    assert listed["on"] is True
    first, second = listed["people"]
    assert (first["name"], first["photos"], second["name"]) == ("Anna", 6, None)
    assert run(settings, "name", str(second["id"]), "Bert") == second | {"name": "Bert"}
    assert run(settings, "name", str(second["id"]), "<b>\x1b[31m\u202eBert") == second | {"name": "<b> [31mBert"}
    assert run(settings, "undo") == {"undone": "name", "person": second["id"]}
    assert run(settings, "ignore", str(second["id"])) == second | {"name": "Bert", "ignored": True}
    assert run(settings, "undo") == {"undone": "ignore", "person": second["id"]}
    assert run(settings, "merge", str(first["id"]), str(second["id"])) == first | {"photos": 12, "faces": 12}
    assert run(settings, "undo") == {"undone": "merge", "person": first["id"]}
    shown = run(settings, "faces", str(first["id"]))
    assert isinstance(shown, dict)
    assert [Path(one["path"]).is_absolute() for one in shown["faces"]] == [True] * 6
    face = shown["faces"][0]["id"]
    assert run(settings, "not", str(face)) == {"faces": [face]}
    taken = run(settings, "faces", str(first["id"]))
    assert isinstance(taken, dict)
    assert [one["id"] for one in taken["faces"]] == [one["id"] for one in shown["faces"][1:]]
    assert run(settings, "undo") == {"undone": "split", "person": first["id"]}
    assert status(settings) == "12; 12 photos to go", "the model that is installed has not looked"
    assert run(settings, "off") == {"on": False, "running": 0}
    assert status(settings) == "12; no more are looked for"
    deleted = run(settings, "delete", "--yes")
    assert isinstance(deleted, dict)
    assert (deleted["faces"], deleted["names_kept"]) == (12, False)
    assert files_with(vectors, settings.data_dir) == set()
    assert run(settings, "list") == {"on": False, "photos_waiting": 0, "people": []}
    assert run(settings, "undo") == {"undone": None, "person": None}
    assert status(settings) is None


def status(settings: Settings) -> str | None:
    """What `recollect status` says of faces."""
    result = CliRunner().invoke(recollect, ["status", "--data-dir", str(settings.data_dir)])
    lines = dict(line.split(None, 1) for line in result.stdout.splitlines() if line.startswith("faces"))
    return lines.get("faces")


@pytest.mark.parametrize(
    "words",
    [
        ("name", "99", "Anna"),
        ("name", "1", " "),
        ("name", "1", "\u200b"),
        ("name", "1", "x" * 10_000),
        ("merge", "1", "99"),
        ("ignore", "99"),
        ("merge", "1", "1"),
        ("faces", "99"),
        ("not", "99"),
    ],
)
def test_the_command_says_what_is_wrong(settings: Settings, vectors: list[bytes], words: tuple[str, ...]) -> None:
    result = CliRunner().invoke(recollect, ["people", *words, "--data-dir", str(settings.data_dir)])
    assert result.exit_code == 2
    assert "recollect: " in result.stderr


def test_a_number_that_no_person_can_have_is_an_error_of_usage(settings: Settings, vectors: list[bytes]) -> None:
    for number in (2**70, 0):
        result = CliRunner().invoke(recollect, ["people", "ignore", str(number), "--data-dir", str(settings.data_dir)])
        assert result.exit_code == 2
        assert "Invalid value for 'PERSON'" in result.stderr


def test_a_deletion_is_asked_for_twice(settings: Settings, vectors: list[bytes]) -> None:
    arguments = ["people", "delete", "--data-dir", str(settings.data_dir)]
    assert CliRunner().invoke(recollect, arguments, input="n\n").exit_code == 1
    assert vector_files(settings.data_dir)
    assert CliRunner().invoke(recollect, arguments, input="y\n").exit_code == 0
    assert not vector_files(settings.data_dir)


def test_the_flag_is_remembered_and_the_command_goes_before_the_setting(tmp_path: Path, settings: Settings) -> None:
    (tmp_path / "empty").mkdir()

    def switched_by(*flags: str) -> bool | None:
        words = ["index", str(tmp_path / "empty"), *flags, "--data-dir", str(settings.data_dir)]
        result = CliRunner().invoke(recollect, words)
        assert result.exit_code == 0, result.output
        with Catalogue(settings.catalogue_path) as catalogue:
            return catalogue.people.switched()

    assert switched_by() is None
    assert switched_by("--people") is True
    assert switched_by() is True
    run(settings, "off")
    assert switched_by() is False
