"""Whether a database file has the header that our files have, looked at before SQLite opens the file.

SQLite deletes the write-ahead log of a file that is gone or empty, and may checkpoint it into one whose header is
damaged, though it then refuses to read that (https://sqlite.org/wal.html). The log may hold the newest rows.
"""

from __future__ import annotations

from pathlib import Path

MAGIC = b"SQLite format 3\0"
PAGE_BYTES = 4096  # SQLite's own default since 3.12, and what all our files have
_HEADER_BYTES = 100
#: Page size, of which no bytes are reserved; the fractions are fixed (https://sqlite.org/fileformat2.html, 1.3).
_PAGE_SIZE, _RESERVED, _FRACTIONS = PAGE_BYTES.to_bytes(2, "big"), b"\0", bytes((64, 32, 32))
_VERSIONS = frozenset((1, 2))


def header_damage(path: Path) -> str | None:
    """What keeps SQLite from being let at the file; None where nothing does, or where SQLite has to tell.

    A file without a log is SQLite's to judge: it loses nothing then, and makes a new one where there is none. So is one
    with a rollback journal, which undoes what a first start had begun. Raises `OSError` where the file can't be read.
    """
    if not _is_filled(path.with_name(f"{path.name}-wal")) or _is_filled(path.with_name(f"{path.name}-journal")):
        return None
    try:
        with path.open("rb") as file:
            header = file.read(_HEADER_BYTES)
    except FileNotFoundError:
        return "the file is gone, and the log of its newest changes is there"
    if not header:
        return "the file is empty, and the log of its newest changes is not"
    return None if _is_ours(header) else "its header is damaged"


def check_header(path: Path) -> None:
    """Raises an `sqlite3.DatabaseError` that `is_damage`, where `header_damage` finds any."""
    if (damage := header_damage(path)) is not None:
        from indexer.sqlite.errors import damage_error  # sqlite3 with it: commands ask `is_there` before they need that

        raise damage_error(damage)


def is_there(path: Path) -> bool:
    """Whether there is a database, or what is left of one that is gone: its log."""
    return path.exists() or _is_filled(path.with_name(f"{path.name}-wal"))


def _is_ours(header: bytes) -> bool:
    return (
        len(header) == _HEADER_BYTES
        and header.startswith(MAGIC)
        and header[16:18] == _PAGE_SIZE
        and set(header[18:20]) <= _VERSIONS
        and header[20:21] == _RESERVED
        and header[21:24] == _FRACTIONS
    )


def _is_filled(path: Path) -> bool:
    try:
        return path.stat().st_size > 0
    except (FileNotFoundError, NotADirectoryError):
        return False
