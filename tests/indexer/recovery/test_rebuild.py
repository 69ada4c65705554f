"""A damaged catalogue is made again of what reads and of the files; nothing is captioned twice."""

from __future__ import annotations

import asyncio
import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from indexer.catalogue import Catalogue
from indexer.errors import StorageError
from indexer.recovery.rebuild import Rebuilt, damage_of, rebuild_catalogue
from indexer.settings import Settings
from indexer.storage import sole_indexer
from tests.indexing import COLOURS, CountingCaptioner, all_photos, found, index, settings_for, stored
from tests.photos_made import write_jpeg
from web.cli import main

pytestmark = pytest.mark.slow  # each test indexes a library

PHOTOS, PAGE = 12, 4096
#: So large that a page holds few rows.
LARGE = dict.fromkeys(COLOURS, (0.03125,) * 512)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library and its data directory. Captions are in no file; one photo is corrected, another has words."""
    folder = tmp_path_factory.mktemp("made")
    settings = settings_for(folder, captions="off")
    for number in range(PHOTOS):
        write_jpeg(folder / f"photos/{number}.jpg", list(COLOURS.values())[number % 4], number)
    asyncio.run(index(settings, CountingCaptioner(embeddings=LARGE), folder / "photos"))
    with stored(settings) as storage:
        first, second = storage.catalogue.photo_ids()[:2]
        storage.catalogue.corrections.correct(first, "grandmother's front door")
        storage.catalogue.feedback.change_words(second, add=['Lisbon "97"', "Änne"])
    return folder


@pytest.fixture
def settings(made: Path, tmp_path: Path) -> Settings:
    """A copy of the data directory; the library stays where it is."""
    shutil.copytree(made / "data", tmp_path / "data")
    return settings_for(tmp_path, captions="off")


def corrections(settings: Settings) -> tuple[list[str | None], list[str]]:
    with stored(settings) as storage:
        photos = all_photos(storage)
        return (
            [photo.correction for photo in photos if photo.correction],
            [word for photo in photos for word in photo.added_words],
        )


ALL_CORRECTIONS = (["grandmother's front door"], ['Lisbon "97"', "Änne"])


def rebuilt(settings: Settings) -> Rebuilt:
    assert damage_of(settings.catalogue_path) is not None
    with sole_indexer(settings.data_dir):
        return rebuild_catalogue(settings.catalogue_path)


def no_header(data: bytearray) -> None:
    data[:100] = bytes(100)


def no_schema(data: bytearray) -> None:
    data[:PAGE] = random.Random(1).randbytes(PAGE)


def no_inner_pages(data: bytearray) -> None:
    for start in range(PAGE, len(data), PAGE):
        if data[start] == 0x05:
            data[start : start + PAGE] = bytes(PAGE)


def no_indexes(data: bytearray) -> None:
    for start in range(PAGE, len(data), PAGE):
        if data[start] in (0x02, 0x0A):
            data[start : start + PAGE] = b"\xff" * PAGE


@pytest.mark.parametrize("damage", [no_header, no_schema, no_indexes])
def test_what_is_above_the_rows_need_not_be_sound(
    settings: Settings, made: Path, damage: Callable[[bytearray], None]
) -> None:
    data = bytearray(settings.catalogue_path.read_bytes())
    damage(data)
    settings.catalogue_path.write_bytes(data)
    outcome = rebuilt(settings)
    assert (outcome.photos, outcome.corrected, outcome.libraries) == (PHOTOS, 1, (made / "photos",))
    assert outcome.aside is not None
    assert outcome.aside.read_bytes() == data
    captioner = CountingCaptioner()
    assert asyncio.run(index(settings, captioner, made / "photos")).problem is None
    assert captioner.asked == []
    assert corrections(settings) == ALL_CORRECTIONS
    with stored(settings) as storage:
        assert found(storage, "grandmother") == ["grandmother's front door"]
        assert len(found(storage, "wall")) == PHOTOS
        assert storage.catalogue.counts().files == PHOTOS
        assert all(photo.tags_model for photo in all_photos(storage)), "tags and embedding came along"


def test_whichever_page_is_lost_the_rest_is_taken_over(settings: Settings, made: Path) -> None:
    """Each page of the file in turn; what stood in it comes from the files again."""
    sound = settings.catalogue_path.read_bytes()
    lost_anything = 0
    for start in range(0, len(sound), PAGE):
        data = bytearray(sound)
        data[start : start + PAGE] = random.Random(start).randbytes(PAGE)
        settings.catalogue_path.write_bytes(data)
        if damage_of(settings.catalogue_path) is None:
            continue  # a page that nothing stands in
        outcome = rebuild_catalogue(settings.catalogue_path)
        assert PHOTOS - 4 <= outcome.photos <= PHOTOS, start
        lost_anything += outcome.photos < PHOTOS
        assert damage_of(settings.catalogue_path) is None
    assert lost_anything


def test_photos_whose_rows_are_lost_have_their_captions_from_their_files(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    for number in range(PHOTOS):
        write_jpeg(tmp_path / f"photos/{number}.jpg", list(COLOURS.values())[number % 4], number)
    asyncio.run(index(settings, CountingCaptioner(embeddings=LARGE), tmp_path / "photos"))
    files = {path: path.read_bytes() for path in (tmp_path / "photos").iterdir()}
    data = settings.catalogue_path.read_bytes()
    lost = data.index(b"wall seen by") // PAGE * PAGE
    settings.catalogue_path.write_bytes(data[:lost] + bytes(PAGE) + data[lost + PAGE :])
    outcome = rebuilt(settings)
    assert outcome.photos < PHOTOS, "else this test shows nothing"
    captioner = CountingCaptioner()
    asyncio.run(index(settings, captioner, tmp_path / "photos"))
    assert len(captioner.asked) == PHOTOS - outcome.photos, "tags and embeddings alone, which no file holds"
    assert {path: path.read_bytes() for path in files} == files
    with stored(settings) as storage:
        assert storage.catalogue.counts().with_caption == storage.catalogue.counts().photos == PHOTOS


def test_what_stands_in_the_log_alone_is_taken_over(settings: Settings) -> None:
    with closing(sqlite3.connect(settings.catalogue_path)) as connection:
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        with connection:
            connection.execute(
                """UPDATE photo SET corrected_text = 'of the log', revision = revision + 1
                WHERE corrected_text IS NOT NULL"""
            )
        other = settings.data_dir.with_name("killed")
        shutil.copytree(settings.data_dir, other)
    killed = replace(settings, data_dir=other)
    data = bytearray(killed.catalogue_path.read_bytes())
    no_header(data)
    killed.catalogue_path.write_bytes(data)
    log = killed.catalogue_path.with_name("catalogue.db-wal").read_bytes()
    assert b"of the log" in log
    outcome = rebuilt(killed)
    assert corrections(killed)[0] == ["of the log"]
    assert outcome.aside is not None
    assert outcome.aside.with_name(outcome.aside.name + "-wal").read_bytes() == log


def test_of_a_row_that_makes_no_sense_the_corrections_are_kept(settings: Settings, made: Path) -> None:
    with closing(sqlite3.connect(settings.catalogue_path)) as connection, connection:
        connection.execute("UPDATE photo SET tags = '[z', revision = revision + 1")
    outcome = rebuilt(settings)
    assert (outcome.photos, outcome.corrections_only, outcome.corrected) == (0, 2, 1)
    asyncio.run(index(settings, CountingCaptioner(), made / "photos"))
    assert corrections(settings) == ALL_CORRECTIONS


def test_a_file_s_row_never_leads_out_of_its_library(settings: Settings) -> None:
    with closing(sqlite3.connect(settings.catalogue_path)) as connection, connection:
        ids = [row[0] for row in connection.execute("SELECT id FROM file ORDER BY id LIMIT 4")]
        for file_id, (folder, name) in zip(
            ids, [(b"../..", b"passwd"), (b"/etc", b"passwd"), (b"", b"../x.jpg"), (b"a//b", b"x")], strict=True
        ):
            connection.execute("UPDATE file SET folder = ?, name = ? WHERE id = ?", (folder, name, file_id))
        connection.execute("UPDATE photo SET tags = '[z' WHERE id = (SELECT min(id) FROM photo)")
    rebuilt(settings)
    with Catalogue(settings.catalogue_path) as catalogue:
        assert catalogue.counts().files == PHOTOS - 4


@pytest.mark.parametrize("data", [b"", b"\0" * 5000, b"SQLite format 3\0" + b"\xff" * 20000])
def test_of_a_file_without_a_row_everything_comes_from_the_files(settings: Settings, data: bytes) -> None:
    settings.catalogue_path.write_bytes(data)
    if not data:
        settings.catalogue_path.unlink()
        assert damage_of(settings.catalogue_path) == "it is not there"
    outcome = rebuilt(settings)
    assert (outcome.photos, outcome.libraries) == (0, ())
    assert damage_of(settings.catalogue_path) is None


def test_random_damage_never_stops_it(settings: Settings) -> None:
    sound = settings.catalogue_path.read_bytes()
    for seed in range(30):
        chance, data = random.Random(seed), bytearray(sound)
        for _ in range(chance.choice([5, 50, 500])):
            data[chance.randrange(len(data))] = chance.randrange(256)
        settings.catalogue_path.write_bytes(data[: chance.choice([len(data), len(data) // 3])])
        rebuild_catalogue(settings.catalogue_path)
        assert damage_of(settings.catalogue_path) is None, seed


def test_a_file_of_which_a_value_makes_no_sense_is_found_as_a_new_one(settings: Settings) -> None:
    with closing(sqlite3.connect(settings.catalogue_path)) as connection, connection:
        connection.execute("UPDATE file SET obstacle = 'nonsense' WHERE id = (SELECT min(id) FROM file)")
        (files,) = connection.execute("SELECT count(*) FROM file").fetchone()
    assert "not a valid Obstacle" in (damage_of(settings.catalogue_path) or "")
    outcome = rebuild_catalogue(settings.catalogue_path)
    assert damage_of(settings.catalogue_path) is None
    assert outcome.unreadable == 1
    with closing(sqlite3.connect(settings.catalogue_path)) as connection:
        assert connection.execute("SELECT count(*) FROM file").fetchone() == (files - 1,)


def test_a_full_disk_leaves_everything_as_it_was(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    data = bytearray(settings.catalogue_path.read_bytes())
    no_header(data)
    settings.catalogue_path.write_bytes(data)

    def full(_: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("indexer.recovery.rebuild.sync", full)
    with pytest.raises(StorageError, match="can't be made again"):
        rebuild_catalogue(settings.catalogue_path)
    assert settings.catalogue_path.read_bytes() == data
    assert not list(settings.data_dir.glob("*rebuilding*"))


def test_one_command(settings: Settings, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("RECOLLECT_CAPTIONS", "off")

    def doctor() -> Any:
        return CliRunner().invoke(main, ["doctor", "--rebuild", "--data-dir", str(settings.data_dir)])

    sound = doctor()
    assert "is sound: nothing is made again" in sound.stderr
    data = bytearray(settings.catalogue_path.read_bytes())
    no_schema(data)
    settings.catalogue_path.write_bytes(data)
    with sole_indexer(settings.data_dir):
        running = doctor()
    assert running.exit_code == 2
    assert "is indexing into" in running.stderr
    assert settings.catalogue_path.read_bytes() == data
    done = doctor()
    assert done.exit_code == 0, done.output
    assert "12 photos with their captions; 1 corrected" in done.stderr
    assert "0 new, 12 changed" in done.stderr
    assert "catalogue: " in done.stdout
    assert corrections(settings) == ALL_CORRECTIONS
    with stored(settings) as storage:
        assert {photo.machine.model for photo in all_photos(storage) if photo.machine} == {"colours-1"}
