"""The tables of the embedded search's SQLite file, and how a document becomes rows.

`document` holds one compact row per photo: the columns that filters and sorting need, and the codes of its words and
of its facet values as int32 arrays, so that 100,000 photos are in memory within a fraction of a second (`snapshot`).
`name` says what the codes stand for, and which aliases words have ("tort geburtstagstorte"). `body` is the FTS5 index:
the same words in their order, for phrases and for serial numbers. `shown` holds the texts that highlights are made of.

A replaced document gets a new `docno`, so that a reader follows by reading what is new; `forgotten` lists what it has
to drop. `state` changes with every write: its `position` is drawn anew, and a new `epoch` says that codes start again.
`history` holds the states before, so that what was derived from the file is known to be of an earlier state of it, and
not of another copy.
"""

from __future__ import annotations

import json
import sqlite3
from array import array
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from indexer.search import SearchDocument
from indexer.search.fields import APPEARANCE, Fields, quantise, taken_s
from indexer.sqlite.migrating import Migration

EMBEDDED_MIGRATIONS: tuple[Migration, ...] = (
    (
        "search: documents, names, full text",
        """
        CREATE TABLE document (
            docno INTEGER PRIMARY KEY AUTOINCREMENT,
            id TEXT NOT NULL UNIQUE,
            revision INTEGER NOT NULL,
            taken_s INTEGER,
            rating INTEGER,
            latitude REAL,
            longitude REAL,
            words BLOB NOT NULL,
            strengths BLOB NOT NULL,
            facets BLOB NOT NULL
        );
        CREATE TABLE shown (docno INTEGER PRIMARY KEY, fields TEXT NOT NULL);
        CREATE TABLE embedding (docno INTEGER PRIMARY KEY, vector BLOB NOT NULL);
        CREATE TABLE name (code INTEGER PRIMARY KEY, kind TEXT NOT NULL, text TEXT NOT NULL, UNIQUE (kind, text));
        CREATE TABLE forgotten (seq INTEGER PRIMARY KEY AUTOINCREMENT, docno INTEGER NOT NULL);
        CREATE TABLE state (generation INTEGER NOT NULL, epoch INTEGER NOT NULL);
        INSERT INTO state VALUES (0, 0);
        CREATE VIRTUAL TABLE body USING fts5(
            text, tokenize = "unicode61 remove_diacritics 0 categories 'L* M* N* S* Co' tokenchars '_'"
        );
        """,
    ),
    (
        # Photos with an embedding of an unknown model are dropped as a whole: the indexer then pushes everything again.
        "search: whose embedding it is",
        """
        DELETE FROM body WHERE rowid IN (SELECT docno FROM embedding);
        DELETE FROM shown WHERE docno IN (SELECT docno FROM embedding);
        DELETE FROM document WHERE docno IN (SELECT docno FROM embedding);
        DELETE FROM embedding;
        ALTER TABLE embedding ADD COLUMN model TEXT NOT NULL DEFAULT '';
        UPDATE state SET generation = generation + 1, epoch = epoch + 1;
        """,
    ),
    (
        # A file and an older copy that was put in its place may reach the same generation; random positions differ.
        "search: a name for what it holds",
        """
        ALTER TABLE state ADD COLUMN position TEXT NOT NULL DEFAULT '';
        UPDATE state SET position = hex(randomblob(12));
        """,
    ),
    (
        "search: the states before",
        """
        CREATE TABLE history (generation INTEGER PRIMARY KEY, position TEXT NOT NULL);
        INSERT INTO history SELECT generation, position FROM state;
        """,
    ),
    (
        # Emoji and flags are words now, words have aliases, and strengths say whose the words are: of rows from before
        # that is not known, so the indexer pushes everything again.
        "search: aliases of words",
        """
        DELETE FROM body;
        DELETE FROM shown;
        DELETE FROM embedding;
        DELETE FROM document;
        DELETE FROM name;
        DELETE FROM forgotten;
        DELETE FROM history;
        UPDATE state SET generation = generation + 1, epoch = epoch + 1, position = hex(randomblob(12));
        INSERT INTO history SELECT generation, position FROM state;
        """,
    ),
    (
        # "Urlaub2019Italien" is three words now.
        "search: words around numbers",
        """
        DELETE FROM body;
        DELETE FROM shown;
        DELETE FROM embedding;
        DELETE FROM document;
        DELETE FROM name;
        DELETE FROM forgotten;
        DELETE FROM history;
        UPDATE state SET generation = generation + 1, epoch = epoch + 1, position = hex(randomblob(12));
        INSERT INTO history SELECT generation, position FROM state;
        """,
    ),
)

WORD = "word"
_FIELD_BREAK = " _ "  # "_" is no part of any word, so no phrase reaches across it
_INSERT_DOCUMENT = (
    "INSERT INTO document (docno, id, revision, taken_s, rating, latitude, longitude, words, strengths, facets)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
#: So many deletions and writes may lie between the file and what was derived from it: it can still follow.
KEPT_FORGOTTEN = KEPT_STATES = 100_000
_DOCUMENTS_AT_ONCE = 5000


class State(NamedTuple):
    """What the file holds; `generation` counts writes, `epoch` how often codes began again, `position` is random."""

    generation: int
    epoch: int
    position: str


def put(connection: sqlite3.Connection, documents: Sequence[SearchDocument]) -> None:
    """Writes the rows of `documents`, whose ids differ, inside the caller's transaction."""
    forget(connection, [document.id for document in documents])
    read = [Fields.of(document) for document in documents]
    codes = _codes(connection, read)
    (last,) = connection.execute("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'document'").fetchone()
    rows = list(zip(range(last + 1, last + 1 + len(documents)), documents, read, strict=True))
    connection.executemany(_INSERT_DOCUMENT, (_document_row(*row, codes) for row in rows))
    connection.executemany(
        "INSERT INTO shown VALUES (?, ?)",
        ((docno, json.dumps([text[:3] for text in fields.texts], ensure_ascii=False)) for docno, _, fields in rows),
    )
    connection.executemany(
        "INSERT INTO body (rowid, text) VALUES (?, ?)",
        (
            (docno, _FIELD_BREAK.join(text.folded for text in fields.texts if text.field != APPEARANCE))
            for docno, _, fields in rows
        ),
    )
    connection.executemany(
        "INSERT INTO embedding (docno, vector, model) VALUES (?, ?, ?)",
        ((no, quantise(item.embedding), item.model) for no, item, _ in rows if item.embedding),
    )
    _advance_state(connection)


def forget(connection: sqlite3.Connection, ids: Iterable[str]) -> None:
    """Deletes the rows of the documents `ids` inside the caller's transaction."""
    select = "SELECT docno FROM document WHERE id = ?"
    docnos = [row for photo_id in ids for row in map(tuple, connection.execute(select, (photo_id,)))]
    if not docnos:
        return
    for table, key in (("document", "docno"), ("shown", "docno"), ("embedding", "docno"), ("body", "rowid")):
        connection.executemany(f"DELETE FROM {table} WHERE {key} = ?", docnos)  # noqa: S608
    connection.executemany("INSERT INTO forgotten (docno) VALUES (?)", docnos)
    connection.execute("DELETE FROM forgotten WHERE seq <= (SELECT max(seq) FROM forgotten) - ?", (KEPT_FORGOTTEN,))
    _advance_state(connection)


def clear(connection: sqlite3.Connection) -> None:
    """Deletes every row inside the caller's transaction."""
    for table in ("document", "shown", "embedding", "body", "name", "forgotten"):
        connection.execute(f"DELETE FROM {table}")  # noqa: S608
    connection.execute("UPDATE state SET epoch = epoch + 1")
    _advance_state(connection)


def read_state(connection: sqlite3.Connection) -> State:
    """The state that the last write has led to."""
    return State(*connection.execute("SELECT generation, epoch, position FROM state").fetchone())


def has_been(connection: sqlite3.Connection, state: State) -> bool:
    """Whether the file is in that state, or has been and its codes are still the same."""
    known = "SELECT 1 FROM history, state WHERE history.generation = ? AND history.position = ? AND state.epoch = ?"
    return connection.execute(known, (state.generation, state.position, state.epoch)).fetchone() is not None


def documents_after(connection: sqlite3.Connection, docno: int) -> tuple[int | None, list[tuple[str, int]]]:
    """Id and revision of the next documents after `docno`, and the last one's docno, None where there are none."""
    rows = connection.execute(
        "SELECT docno, id, revision FROM document WHERE docno > ? ORDER BY docno LIMIT ?", (docno, _DOCUMENTS_AT_ONCE)
    ).fetchall()
    return rows[-1]["docno"] if rows else None, [(row["id"], row["revision"]) for row in rows]


def _advance_state(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE state SET generation = generation + 1, position = hex(randomblob(12))")
    connection.execute("INSERT INTO history SELECT generation, position FROM state")
    connection.execute("DELETE FROM history WHERE generation <= (SELECT generation FROM state) - ?", (KEPT_STATES,))


def _codes(connection: sqlite3.Connection, read: Iterable[Fields]) -> dict[tuple[str, str], int]:
    wanted = {(WORD, word): 0 for fields in read for word in fields.strengths}
    wanted |= {key: 0 for fields in read for key in fields.facets}
    wanted |= {(alias.kind, f"{alias.text} {alias.word}"): 0 for fields in read for alias in fields.aliases}
    connection.executemany("INSERT OR IGNORE INTO name (kind, text) VALUES (?, ?)", wanted)
    for key in wanted:
        (wanted[key],) = connection.execute("SELECT code FROM name WHERE kind = ? AND text = ?", key).fetchone()
    return wanted


def _document_row(
    docno: int, document: SearchDocument, fields: Fields, codes: Mapping[tuple[str, str], int]
) -> tuple[object, ...]:
    position = document.position
    return (
        docno,
        document.id,
        document.revision,
        taken_s(document.taken_at) if document.taken_at else None,
        document.rating,
        position.latitude if position else None,
        position.longitude if position else None,
        array("i", (codes[WORD, word] for word in fields.strengths)).tobytes(),
        bytes(fields.strengths.values()),
        array("i", (codes[key] for key in fields.facets)).tobytes(),
    )
