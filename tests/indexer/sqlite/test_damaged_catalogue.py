"""A catalogue with flipped bits: whatever they hit, what is said is that it is damaged and how it is made anew."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from indexer.sqlite.errors import damage_in_rows, hint_for, is_damage, quoted_damage
from tests.indexing import COLOURS, CountingCaptioner, index, settings_for
from tests.photos_made import write_jpeg
from web.cli import main

pytestmark = pytest.mark.slow  # most of its tests wait for something

CURE = "doctor --rebuild"


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A catalogue of three photos."""
    folder = tmp_path_factory.mktemp("sound")
    settings = settings_for(folder)
    for name, colour in list(COLOURS.items())[:3]:
        write_jpeg(folder / f"photos/{name}.jpg", colour, 1)
    asyncio.run(index(settings, CountingCaptioner(), folder / "photos"))
    return settings.catalogue_path.read_bytes()


def said(folder: Path, data: bytes, *command: str) -> tuple[int, str]:
    path = folder / "data/catalogue.db"
    path.parent.mkdir(exist_ok=True)
    for name in ("catalogue.db-wal", "catalogue.db-shm"):
        path.with_name(name).unlink(missing_ok=True)
    path.write_bytes(data)
    run = CliRunner().invoke(main, [*command, "--data-dir", str(path.parent)])
    return run.exit_code, run.output


def quoted_no_text(data: bytes) -> bytes:
    """SQLite quotes the damaged word in its message, which is no UTF-8 then."""
    return data.replace(b"CREATE TABLE root", b"CREATE TAB\xb3E root", 1)


def renamed_column(data: bytes) -> bytes:
    return data.replace(b"people TEXT", b"peoqle TEXT", 1)


def another_json(data: bytes) -> bytes:
    """Sound for SQLite."""
    return data.replace(b"[[", b"[z")


def another_code(data: bytes) -> bytes:
    return data.replace(b"colours-1", b"colou\xff\xfe-1")


def another_format(data: bytes) -> bytes:
    return data[:18] + b"\x09\x09" + data[20:]


@pytest.mark.parametrize("flip", [quoted_no_text, renamed_column, another_json, another_code, another_format])
@pytest.mark.parametrize("command", ["status", "doctor"])
def test_damage_of_each_kind_is_said_with_its_cure(
    tmp_path: Path, sound: bytes, flip: Callable[[bytes], bytes], command: str
) -> None:
    data = flip(sound)
    assert data != sound
    code, output = said(tmp_path, data, command)
    assert "unexpected error" not in output
    assert CURE in output
    assert code == {"status": 2, "doctor": 1}[command] or (command, code) == ("status", 0)


def test_no_flipped_bit_is_an_unexpected_error(tmp_path: Path, sound: bytes) -> None:
    for seed in range(40):
        chance, data = random.Random(seed), bytearray(sound)
        for _ in range(chance.choice([1, 3, 40])):
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        code, output = said(tmp_path, bytes(data), "status")
        assert "unexpected error" not in output, seed
        assert code == 0 or CURE in output, (seed, output)


def test_what_python_says_of_damage_is_said_as_sqlite_says_it() -> None:
    with pytest.raises(sqlite3.DatabaseError, match=r"near \\xb3") as raised, quoted_damage():
        b"near \xb3".decode()
    assert is_damage(raised.value)
    with pytest.raises(sqlite3.DatabaseError, match="makes no sense") as raised, damage_in_rows():
        int("x")
    assert CURE in str(hint_for(raised.value, Path("/data/catalogue.db")))
