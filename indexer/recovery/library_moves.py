"""Libraries that lie elsewhere after a restore: paths of then become paths of now."""

from __future__ import annotations

import json
import os
import sqlite3
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from indexer.errors import SetupError
from indexer.settings import SETTINGS, Settings

#: Settings that hold a path below which a library may lie; `data_dir` is where the restore was told.
_PATH_SETTINGS = ("photos", "sidecar_dir")


@dataclass(frozen=True, slots=True)
class LibraryMoves:
    """(old folder, new folder) pairs: what lay in the old one, at whatever depth, lies in the new one."""

    pairs: tuple[tuple[PurePath, PurePath], ...] = ()

    def move(self, path: str) -> str:
        """Where `path` is now; the deepest old folder counts."""
        here = PurePath(path)
        for old, new in sorted(self.pairs, key=lambda pair: len(pair[0].parts), reverse=True):
            if here == old or old in here.parents:
                return os.fspath(new / here.relative_to(old))
        return path

    def check(self, libraries: Sequence[str], settings: Settings) -> None:
        """Raises `SetupError` where a pair is about no library of the backup, two libraries would become one, or the
        data directory would lie in one."""
        for old, _ in self.pairs:
            if not any(old == PurePath(one) or old in PurePath(one).parents for one in libraries):
                known = ", ".join(libraries) or "none"
                raise SetupError(f"the backup has no library {old}", hint=f"its libraries are: {known}")
        after = [PurePath(self.move(one)) for one in libraries]
        for number, one in enumerate(after):
            if any(one == other or one in other.parents or other in one.parents for other in after[number + 1 :]):
                raise SetupError(f"two libraries of the backup would be one, {one}", hint="name a folder for each")
            if settings.data_dir == Path(one) or Path(one) in settings.data_dir.parents:
                raise SetupError(
                    f"data_dir {settings.data_dir} lies inside the library {one}", hint="choose another --data-dir"
                )


def move_in_catalogue(path: Path, moves: LibraryMoves) -> None:
    """In a catalogue that nothing else uses. Which disk a library lay on and who waits for a scan is the old machine's,
    and forgotten. Raises `sqlite3.Error`."""
    connection = sqlite3.connect(path)
    try:
        with connection:
            for root_id, old in connection.execute("SELECT id, path FROM root").fetchall():
                new = os.fsencode(moves.move(os.fsdecode(old)))
                connection.execute("UPDATE root SET path = ? WHERE id = ?", (new, root_id))
            connection.execute("UPDATE root SET device = NULL")
            connection.execute("DELETE FROM scan_request")
    finally:
        connection.close()


def move_in_remembered(stored: bytes, moves: LibraryMoves) -> bytes:
    """Raises `ValueError`, `TypeError` or `LookupError` where it is not what recollect writes."""
    remembered = json.loads(stored)
    remembered["libraries"] = [moves.move(str(one)) for one in remembered["libraries"]]
    return json.dumps(remembered, indent=1).encode("ascii")


def move_in_journal(lines: Iterator[bytes], moves: LibraryMoves) -> Iterator[bytes]:
    """Line by line; a line that a crash cut off stays as it is."""
    for line in lines:
        try:
            entry = json.loads(line)
            entry["path"] = moves.move(str(entry["path"]))
        except (ValueError, TypeError, LookupError):
            yield line
        else:
            yield json.dumps(entry, separators=(",", ":")).encode("ascii") + b"\n"


def move_in_settings_file(text: str, moves: LibraryMoves) -> str:
    """`text` itself where nothing in it changes, else the same settings without comments. `data_dir` is left out: it is
    the old machine's. Raises `tomllib.TOMLDecodeError`."""
    before = tomllib.loads(text)
    after = {name: _move_setting(name, value, moves) for name, value in before.items() if name != "data_dir"}
    if after == before:
        return text
    return "# From a backup; comments are left out.\n" + "".join(
        f"{name} = {_toml(value)}\n" for name, value in after.items() if name in SETTINGS
    )


def _move_setting(name: str, value: Any, moves: LibraryMoves) -> Any:
    if name not in _PATH_SETTINGS:
        return value
    return [moves.move(str(one)) for one in value] if isinstance(value, list) else moves.move(str(value))


def _toml(value: Any) -> str:
    """A TOML value (v1.0.0) of the kinds that settings have: JSON's but for DEL, which TOML wants as an escape."""
    if isinstance(value, list | Mapping):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
