"""What brings the tables of a file up to date: named changes, each made once."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator

#: A name that never changes, and the SQL script or the function on the writer's connection that it stands for.
Migration = tuple[str, str | Callable[[sqlite3.Connection], None]]


def apply(writer: sqlite3.Connection, migration: str | Callable[[sqlite3.Connection], None]) -> None:
    """Inside the caller's transaction. Raises `ValueError` for a script whose last statement has no end."""
    if callable(migration):
        migration(writer)
        return
    for statement in _statements(migration):
        writer.execute(statement)


def _statements(script: str) -> Iterator[str]:
    """One complete statement at a time: `executescript` would commit the transaction it runs in."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    if statement.strip():
        raise ValueError(f"an unfinished statement in a migration: {statement.strip()[:80]}")
