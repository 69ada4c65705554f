"""Files that are no backup, were cut off, or were made to do harm: a clear message, and nothing is restored."""

from __future__ import annotations

import hashlib
import json
import random
import sqlite3
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from indexer.catalogue import Catalogue
from indexer.commands.remembered import remember
from indexer.recovery.backup import make_backup
from tests.indexing import settings_for
from web.cli import main


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A backup of an empty catalogue."""
    folder = tmp_path_factory.mktemp("sound")
    settings = settings_for(folder)
    settings.data_dir.mkdir()
    remember(settings.data_dir, libraries=[folder])
    with Catalogue(settings.catalogue_path):
        pass
    make_backup(settings, folder / "b.zip", settings_file=None, thumbnails=False)
    return (folder / "b.zip").read_bytes()


def refused(tmp_path: Path, data: bytes) -> str:
    """What is said; nothing stands in the data directory, or beside it, afterwards."""
    file, there = tmp_path / "b.zip", tmp_path / "machine" / "data"
    file.write_bytes(data)
    there.parent.mkdir(exist_ok=True)
    run = CliRunner().invoke(main, ["restore", str(file), "--data-dir", str(there)])
    assert run.exit_code == 2, run.output
    assert "unexpected error" not in run.output
    left = {path.name for path in there.parent.rglob("*")}
    assert left <= {"data", "recollect.lock"}
    assert {path.name for path in tmp_path.iterdir()} == {"b.zip", "machine"}
    return run.output


def rewritten(tmp_path: Path, sound: bytes, change: Callable[[dict[str, bytes], dict[str, Any]], None]) -> bytes:
    """The archive with other members; the manifest is made to agree where `change` did not see to it."""
    source, target = tmp_path / "in.zip", tmp_path / "out.zip"
    source.write_bytes(sound)
    with zipfile.ZipFile(source) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(members.pop("manifest.json"))
    before = json.dumps(manifest["members"])
    change(members, manifest)
    if json.dumps(manifest["members"]) == before:
        manifest["members"] = {
            name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in members.items()
        }
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
        archive.writestr("manifest.json", json.dumps(manifest))
    data = target.read_bytes()
    source.unlink()
    target.unlink()
    return data


def database_of(tmp_path: Path, data: bytes, statement: str) -> bytes:
    path = tmp_path / "some.db"
    path.write_bytes(data)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)
    changed = path.read_bytes()
    path.unlink()
    return changed


@pytest.mark.parametrize(
    "name",
    ["../../etc/passwd", "/etc/cron.d/x", "..\\x", "catalogue.db/../../x", "a\x1b[31m", "search.db", "recollect.lock"],
)
def test_a_member_of_another_name_is_refused(tmp_path: Path, sound: bytes, name: str) -> None:
    data = rewritten(tmp_path, sound, lambda members, _: members.update({name: b"x"}))
    said = refused(tmp_path, data)
    assert "no backup of recollect holds" in said
    assert "\x1b" not in said


def test_the_sound_one_is_taken(tmp_path: Path, sound: bytes) -> None:
    file, there = tmp_path / "b.zip", tmp_path / "data"
    file.write_bytes(rewritten(tmp_path, sound, lambda *_: None))
    run = CliRunner().invoke(main, ["restore", str(file), "--data-dir", str(there)])
    assert run.exit_code == 0, run.output
    assert {path.name for path in there.iterdir()} == {"catalogue.db", "remembered.json", "recollect.lock"}


@pytest.mark.parametrize("data", [b"", b"no archive at all", b"PK\x05\x06" + bytes(18), b"PK\x05\x06" + b"\xff" * 18])
def test_what_is_no_backup(tmp_path: Path, data: bytes) -> None:
    assert "can't be restored" in refused(tmp_path, data)


def test_a_folder_and_nothing_are_no_backups(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nothing.zip"):
        run = CliRunner().invoke(main, ["restore", str(path), "--data-dir", str(tmp_path / "data")])
        assert run.exit_code == 2
        assert "can't be restored" in run.output
        assert not (tmp_path / "data").exists()


def test_every_truncation_is_refused(tmp_path: Path, sound: bytes) -> None:
    for length in sorted({*range(0, len(sound), max(1, len(sound) // 40)), len(sound) - 1}):
        assert "can't be restored" in refused(tmp_path, sound[:length]), length


@pytest.mark.slow  # sixty restores
def test_no_flipped_byte_is_an_unexpected_error(tmp_path: Path, sound: bytes) -> None:
    for seed in range(60):
        chance, data = random.Random(seed), bytearray(sound)
        for _ in range(chance.choice([1, 2, 30])):
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        file, there = tmp_path / "b.zip", tmp_path / str(seed)
        file.write_bytes(data)
        run = CliRunner().invoke(main, ["restore", str(file), "--data-dir", str(there)])
        assert "unexpected error" not in run.output, seed
        assert run.exit_code in {0, 2}
        if run.exit_code:
            assert not (there / "catalogue.db").exists(), seed


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, sound: bytes) -> None:
    """500 MB of nothing in half a megabyte; and one that says it is larger than any disk."""
    size = 500 << 20
    zeros = tmp_path / "bomb.zip"
    with zipfile.ZipFile(zeros, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("catalogue.db", "w") as member:
            for _ in range(size >> 20):
                member.write(bytes(1 << 20))
        manifest = {
            "format": "recollect-backup",
            "version": 1,
            "made_at": "",
            "libraries": [],
            "members": {"catalogue.db": {"bytes": size, "sha256": "0" * 64}},
        }
        archive.writestr("manifest.json", json.dumps(manifest))
    data = zeros.read_bytes()
    zeros.unlink()
    assert "not of a size" in refused(tmp_path, data)

    def claims(_: dict[str, bytes], manifest: dict[str, Any]) -> None:
        manifest["members"]["catalogue.db"]["bytes"] = 1 << 60

    (tmp_path / "b.zip").unlink()
    (tmp_path / "machine").rename(tmp_path.with_name(tmp_path.name + "-before"))
    assert "not of a size" in refused(tmp_path, rewritten(tmp_path, sound, claims))


def test_no_room_is_said_before_anything_is_written(
    tmp_path: Path, sound: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1000})())
    assert "has no room" in refused(tmp_path, sound)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda members, manifest: manifest.update(version=2), "format 2; this recollect reads 1"),
        (lambda members, manifest: manifest.update(format="other"), "no backup of recollect"),
        (lambda members, manifest: manifest.pop("libraries"), "damaged"),
        (lambda members, manifest: manifest.update(members=[]), "damaged"),
        (lambda members, manifest: members.pop("catalogue.db"), "no catalogue"),
        (lambda members, manifest: members.update({"remembered.json": b"[]"}), "remembered.json"),
        (lambda members, manifest: members.update({"remembered.json": b"\xff{"}), "remembered.json"),
        (lambda members, manifest: members.update({"recollect.toml": b"= ="}), "recollect.toml"),
        (lambda members, manifest: members.update({"session.key": bytes(9 << 20)}), "not of a size"),
        (lambda members, manifest: members.update({"catalogue.db": b"no database" * 1000}), "catalogue.db"),
        (lambda members, manifest: members.update({"thumbnails.db": b"no database" * 1000}), "thumbnails.db"),
        (lambda members, manifest: manifest["members"]["catalogue.db"].update(sha256="0" * 64), "is damaged"),
    ],
)
def test_what_is_wrong_is_said(
    tmp_path: Path, sound: bytes, change: Callable[[dict[str, bytes], dict[str, Any]], None], said: str
) -> None:
    assert said in refused(tmp_path, rewritten(tmp_path, sound, change))


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("CREATE TRIGGER t AFTER INSERT ON photo BEGIN DELETE FROM photo; END", "not ours"),
        ("CREATE VIEW v AS SELECT * FROM photo", "not ours"),
        ("INSERT INTO migration VALUES ('catalogue-of-tomorrow', '')", "newer recollect"),
        ("DROP TABLE root", "can't be used"),
    ],
)
def test_a_catalogue_that_is_not_ours(tmp_path: Path, sound: bytes, statement: str, said: str) -> None:
    def change(members: dict[str, bytes], _: dict[str, Any]) -> None:
        members["catalogue.db"] = database_of(tmp_path, members["catalogue.db"], statement)

    assert said in refused(tmp_path, rewritten(tmp_path, sound, change))


def test_a_member_that_stands_twice_is_refused(tmp_path: Path, sound: bytes) -> None:
    path = tmp_path / "twice.zip"
    path.write_bytes(sound)
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(path, "a") as archive:
        archive.writestr("catalogue.db", b"another")
    data = path.read_bytes()
    path.unlink()
    assert "members twice" in refused(tmp_path, data)
