"""How the embedded search lies in its SQLite file, and how a document becomes its rows.

`document` holds one compact row per photo: the columns that filters and sorting need, and the codes of its words and
of its facet values as int32 arrays, so that 100,000 photos are in memory within a fraction of a second
(`embedded_picture`). `name` says what the codes stand for. `body` is the FTS5 index: the same words in their
order, for phrases and for serial numbers. `shown` holds the texts that highlights are made of.

A replaced document gets a new `docno`, so that a reader follows by reading what is new; `forgotten` lists what it has
to drop. `state` changes with every write; a new `epoch` says that codes start again.
"""

from __future__ import annotations

import json
import sqlite3
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import accumulate
from types import MappingProxyType

from captioner import SURE_TAG
from indexer.database import Migration
from indexer.search import SearchDocument
from indexer.search.filters import type_of
from indexer.search.words import clean, is_serial, words

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
        # Photos whose embedding is nobody's are dropped as a whole: the indexer then pushes everything again.
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
)

#: The most that one field can say for a word; `strength` combines the fields that hold it.
FIELD_WEIGHTS: Mapping[str, float] = MappingProxyType(
    {
        "person_caption": 0.95,
        "machine_caption": 0.85,
        "tags": 0.8,  # times its probability
        "keywords": 0.8,
        "people": 0.8,
        "title": 0.7,
        "places": 0.65,
        "folders": 0.55,
        "file_names": 0.45,
        "taken_at": 0.4,
    }
)
WORD = "word"
_FIELD_BREAK = " _ "  # "_" is no part of any word, so no phrase reaches across it
_MAX_WORDS = 2000
# A long text says less of each of its words; by so much from so many words on.
_DILUTION = 0.1
_LONG = 20
_EPOCH = datetime(1970, 1, 1)
_INSERT_DOCUMENT = (
    "INSERT INTO document (docno, id, revision, taken_s, rating, latitude, longitude, words, strengths, facets)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_KEPT_FORGOTTEN = 20_000


@dataclass(frozen=True, slots=True)
class _Encoded:
    document: SearchDocument
    fields: tuple[tuple[str, str, str, float], ...]  # field, text, its words, weight
    strengths: Mapping[str, int]  # word -> 1..255
    facets: tuple[tuple[str, str], ...]  # facet, value


def put(connection: sqlite3.Connection, documents: Sequence[SearchDocument]) -> None:
    """Writes the rows of `documents`, whose ids differ, inside the caller's transaction."""
    forget(connection, [document.id for document in documents])
    encoded = [_encode(document) for document in documents]
    codes = _codes(connection, encoded)
    (last,) = connection.execute("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'document'").fetchone()
    rows = list(enumerate(encoded, start=last + 1))
    connection.executemany(_INSERT_DOCUMENT, (_document_row(docno, item, codes) for docno, item in rows))
    connection.executemany(
        "INSERT INTO shown VALUES (?, ?)",
        ((docno, json.dumps([field[:3] for field in item.fields], ensure_ascii=False)) for docno, item in rows),
    )
    connection.executemany("INSERT INTO body (rowid, text) VALUES (?, ?)", ((no, _body(item)) for no, item in rows))
    connection.executemany(
        "INSERT INTO embedding (docno, vector, model) VALUES (?, ?, ?)",
        ((no, quantised(item.document.embedding), item.document.model) for no, item in rows if item.document.embedding),
    )
    _moved_on(connection)


def forget(connection: sqlite3.Connection, ids: Iterable[str]) -> None:
    """Deletes the rows of the documents `ids` inside the caller's transaction."""
    select = "SELECT docno FROM document WHERE id = ?"
    docnos = [row for photo_id in ids for row in map(tuple, connection.execute(select, (photo_id,)))]
    if not docnos:
        return
    for table, key in (("document", "docno"), ("shown", "docno"), ("embedding", "docno"), ("body", "rowid")):
        connection.executemany(f"DELETE FROM {table} WHERE {key} = ?", docnos)  # noqa: S608
    connection.executemany("INSERT INTO forgotten (docno) VALUES (?)", docnos)
    connection.execute("DELETE FROM forgotten WHERE seq <= (SELECT max(seq) FROM forgotten) - ?", (_KEPT_FORGOTTEN,))
    _moved_on(connection)


def clear(connection: sqlite3.Connection) -> None:
    """Deletes every row inside the caller's transaction."""
    for table in ("document", "shown", "embedding", "body", "name", "forgotten"):
        connection.execute(f"DELETE FROM {table}")  # noqa: S608
    connection.execute("UPDATE state SET generation = generation + 1, epoch = epoch + 1")


def shown_fields(document: SearchDocument) -> Iterator[tuple[str, str, float]]:
    """Field, text and weight of every text of `document` that words are looked for in."""
    weight = FIELD_WEIGHTS
    for field in ("person_caption", "machine_caption"):
        yield field, getattr(document, field), weight[field]
    for tag, probability in document.tags:
        yield "tags", tag, weight["tags"] * min(max(probability, 0.01), 1.0)
    for field in ("keywords", "people"):
        yield from ((field, text, weight[field]) for text in getattr(document, field))
    yield "title", document.title, weight["title"]
    for field in ("places", "folders", "file_names"):
        yield from ((field, text, weight[field]) for text in getattr(document, field))
    if document.taken_at:
        yield "taken_at", _spoken(document.taken_at), weight["taken_at"]


def quantised(vector: Sequence[float]) -> bytes:
    """A vector as int8: a quarter of the memory, and cosines within about 0.005 of the exact ones."""
    largest = max(map(abs, vector), default=0.0) or 1.0
    return array("b", (round(127 * value / largest) for value in vector)).tobytes()


def _moved_on(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE state SET generation = generation + 1")


def _encode(document: SearchDocument) -> _Encoded:
    shown = [(field, clean(text), weight) for field, text, weight in shown_fields(document) if text]
    fields = tuple((field, text, " ".join(words(text)), weight) for field, text, weight in shown)
    missing: dict[str, float] = {}  # the chance that no field means the word
    for _, _, folded, weight in fields:
        texts = folded.split()
        strength = weight * (1.0 - _DILUTION * min(len(texts), _LONG) / _LONG)
        for word in set(texts):
            missing[word] = missing.get(word, 1.0) * (1.0 - strength)
    kept = [word for word in missing if not is_serial(word)][:_MAX_WORDS]
    strengths = {word: max(1, round(255 * (1.0 - missing[word]))) for word in kept}
    return _Encoded(
        document, fields, strengths, tuple({(facet, clean(value)): None for facet, value in _facets(document)})
    )


def _facets(document: SearchDocument) -> Iterator[tuple[str, str]]:
    if document.taken_at:
        yield "year", f"{document.taken_at:%Y}".zfill(4)
        yield "month", f"{document.taken_at.year:04}-{document.taken_at.month:02}"
    if document.rating is not None:
        yield "rating", str(document.rating)
    if document.mime_type:
        yield "type", type_of(document.mime_type)
    yield from (("tag", tag.lower()) for tag, probability in document.tags if probability >= SURE_TAG)
    yield from (("tag", keyword.lower()) for keyword in document.keywords)
    yield from (("person", name) for name in document.people)
    yield from (("place", name) for name in document.places)
    yield from ((facet, value) for facet, value in (("camera", document.camera), ("lens", document.lens)) if value)
    yield from (("folder", level) for folder in document.folders for level in _levels(folder))


@lru_cache(maxsize=1024)
def _levels(folder: str) -> tuple[str, ...]:
    """A folder and those that it lies in: "2019", "2019/Lyon"."""
    return tuple(accumulate(filter(None, folder.split("/")), "{}/{}".format))


def _codes(connection: sqlite3.Connection, encoded: Iterable[_Encoded]) -> dict[tuple[str, str], int]:
    wanted = {(WORD, word): 0 for item in encoded for word in item.strengths}
    wanted |= {key: 0 for item in encoded for key in item.facets}
    connection.executemany("INSERT OR IGNORE INTO name (kind, text) VALUES (?, ?)", wanted)
    for key in wanted:
        (wanted[key],) = connection.execute("SELECT code FROM name WHERE kind = ? AND text = ?", key).fetchone()
    return wanted


def _document_row(docno: int, item: _Encoded, codes: Mapping[tuple[str, str], int]) -> tuple[object, ...]:
    document = item.document
    position = document.position
    return (
        docno,
        document.id,
        document.revision,
        taken_s(document.taken_at) if document.taken_at else None,
        document.rating,
        position.latitude if position else None,
        position.longitude if position else None,
        array("i", (codes[WORD, word] for word in item.strengths)).tobytes(),
        bytes(item.strengths.values()),
        array("i", (codes[key] for key in item.facets)).tobytes(),
    )


def taken_s(moment: datetime) -> int:
    """Seconds since 1970 of the clock on the wall where the photo was taken: what people mean by its date."""
    return int((moment.replace(tzinfo=None) - _EPOCH).total_seconds())


def _body(item: _Encoded) -> str:
    return _FIELD_BREAK.join(folded for _, _, folded, _ in item.fields)


_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


def _spoken(moment: datetime) -> str:
    """Year and month, so that "july 2019" finds its photos."""
    return f"{_MONTHS[moment.month - 1]} {moment.year}"
