"""The search that needs no server: SQLite FTS5 in a file of its own, and a snapshot of it in memory.

    schema       the file, and how a document becomes rows
    snapshot     the file in memory, as numpy arrays; refresh keeps it up to date
    array_store  those arrays in files that are mapped, so that many photos are there at once
    term_index   both, as words are matched against them
    filter       filters and facets
    vectors      embeddings, for meaning and likeness
    evidence     which photos have words that bear out what they look like
    caches       what photos say, for reasons; what was found, for facets

and what every backend shares:

    fields            a document as words and values
    certainty         how likely a photo shows a word of the query, and whether that is sure
    counts            words of a query that only say how many
    groups            a word of the query as words of the index, and how well each photo matches it
    matching          the words of a query -> words of the index (forms, beginnings, synonyms, corrections)
    ranking           which photos, in which order: the ranking is explained there
    reasons           why each photo of a page was found, and which words of its texts matched
    meaning           what the words of a query mean, and which words of a photo come near them

No search library does this: README.md, "Why no search library", has the figures.

The file is the index: written in one transaction per batch, durable, safe to delete (the catalogue rebuilds it). The
snapshot is read from it when the first search comes and follows it from then on, also when another process writes. A
search that runs while a batch is being written sees the state before.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from indexer.errors import SearchError, StorageError
from indexer.message import Message
from indexer.search import Answer, FacetCount, Hit, Query, SearchDocument, Sort
from indexer.search.alternatives import facets_all, search_all
from indexer.search.counts import without_counts
from indexer.search.embedded import schema, vectors
from indexer.search.embedded.array_store import LEAST_PHOTOS, ArrayStore
from indexer.search.embedded.caches import PhotoTextCache, ResultMaskCache, StackCache, state_of
from indexer.search.embedded.evidence import EvidenceIndex
from indexer.search.embedded.filter import count_facets, filter_mask
from indexer.search.embedded.refresh import LAYOUT, SnapshotStore, refresh
from indexer.search.embedded.snapshot import IndexSnapshot
from indexer.search.embedded.term_index import TermIndex
from indexer.search.folding import fold_match
from indexer.search.groups import GroupCache
from indexer.search.matching import Matcher
from indexer.search.meaning import NO_MEANING, Meaning
from indexer.search.ranking import (
    ALIKE_COSINE,
    MOST_SIMILAR_WORDS,
    Match,
    RankingContext,
    order_of,
    rank,
    top_page,
)
from indexer.search.reasons import PhotoTexts, hits_of
from indexer.search.tokens import STOP_WORDS
from indexer.sqlite.derived import DerivedDatabase
from indexer.sqlite.errors import is_damage

_BATCH = 1000


class EmbeddedSearch:
    """`SearchBackend` on one SQLite file, created where there is none. Thread-safe; several processes may share it.

    `meaning` gives queries their vector where they have none. A file that is damaged, deleted or a newer recollect's is
    begun anew (`DerivedDatabase`), and `on_recreate` called. From `store_from` photos on the snapshot's arrays are kept
    in files beside it, unless `repair` is False. Raises `StorageError` where the file can't be opened, `SearchError`
    where it fails later.
    """

    name = "embedded"
    batch = 256

    def __init__(
        self,
        path: Path,
        meaning: Meaning = NO_MEANING,
        *,
        on_recreate: Callable[[], None] = lambda: None,
        repair: bool = True,
        read_only: bool = False,
        store_from: int = LEAST_PHOTOS,
    ) -> None:
        self._meaning = meaning
        self._on_recreate = on_recreate
        self._lock = threading.Lock()
        self._stores = {
            ending: ArrayStore(
                path.with_name(f"{path.name}.{ending}"),
                layout,
                writable=repair and not read_only,
                least_photos=store_from,
            )
            for ending, layout in (("snapshot", LAYOUT), ("vectors", vectors.LAYOUT))
        }
        self._closed = False
        self._forget()
        self._database = DerivedDatabase(
            path, schema.EMBEDDED_MIGRATIONS, on_recreate=self._start_anew, repair=repair, read_only=read_only
        )

    def _forget(self) -> None:
        self._snapshot: IndexSnapshot | None = None
        self._snapshot_of = 0
        self._store = SnapshotStore(self._stores["snapshot"])
        self._vectors = vectors.Vectors(self._stores["vectors"])
        self._texts = PhotoTextCache()
        self._evidence = EvidenceIndex(self._meaning, self._read_texts)
        self._groups = GroupCache()
        self._masks = ResultMaskCache()
        self._stacks = StackCache()

    def _start_anew(self) -> None:
        self._forget()
        self._on_recreate()

    def prepare(self) -> None:
        """Nothing to do: opening the file made it ready."""

    def checkpoint(self) -> str:
        """The random name of the last write: every write draws a new one, so an older copy of the file has another."""
        with self._guarded():
            self._database.recreate_if_lost()
            return schema.read_state(self._database.reader).position

    def held(self) -> Iterator[tuple[str, int]]:
        """Id and revision of every document, a part of them in memory at a time."""
        last: int | None = 0
        while last is not None:
            with self._guarded():
                last, some = schema.documents_after(self._database.reader, last)
            yield from some

    def put(self, documents: Sequence[SearchDocument]) -> Mapping[str, str]:
        """Adds or replaces; durable when it returns. Of several documents with one id the last one counts.

        None is ever refused.
        """
        latest = list({document.id: document for document in documents}.values())
        for start in range(0, len(latest), _BATCH):
            with self._guarded(), self._database.transaction() as writer:
                schema.put(writer, latest[start : start + _BATCH])
        return {}

    def delete(self, ids: Iterable[str]) -> None:
        """Unknown ids are no error."""
        with self._guarded(), self._database.transaction() as writer:
            schema.forget(writer, ids)

    def clear(self) -> None:
        """Forgets every document."""
        with self._guarded(), self._database.transaction() as writer:
            schema.clear(writer)

    def complete(self) -> None:
        """Nothing to do: there is one index only."""

    def data_version(self) -> str:
        """Changes with every write, whichever process made it."""
        with self._guarded():
            return str(self._database.data_version())

    def search(self, query: Query, *, limit: int = 50, offset: int = 0) -> Answer:
        """The photos that match, best first. Raises `FilterError` for a filter that it can't answer."""
        return search_all(self._search, query, max(limit, 0), max(offset, 0))

    def _search(self, query: Query, limit: int, offset: int) -> Answer:
        with self._guarded():
            query, snapshot, match = self._match(query)
            sort = order_of(query)
            shown = self._fold(match, snapshot, sort) if query.fold else match
            places = top_page(shown, snapshot.newest, snapshot.oldest, sort, limit, offset)
            hits = self._hits(places.tolist(), match, snapshot, query.meant)
            folded = match.total - shown.total
            return Answer(
                hits,
                match.total,
                match.corrections,
                match.dropped,
                match.by_meaning,
                folded=folded,
                sure=shown.total_sure,
            )

    def _fold(self, match: Match, snapshot: IndexSnapshot, sort: Sort) -> Match:
        """With one photo of each stack."""
        ranks = snapshot.oldest if sort is Sort.OLDEST else snapshot.newest
        return fold_match(match, self._stacks.of(snapshot), ranks, sort)

    def facets(self, query: Query, names: Sequence[str], *, limit: int = 50) -> Mapping[str, tuple[FacetCount, ...]]:
        """Counts per value of each facet, of all photos that match `query`. Raises `ValueError` for another name."""
        return facets_all(self._facets, self._search, query, names, limit)

    def _facets(self, query: Query, names: Sequence[str], limit: int) -> Mapping[str, tuple[FacetCount, ...]]:
        with self._guarded():
            snapshot = self._current()
            mask = self._masks.get(query, snapshot)
            if mask is None:
                _, snapshot, match = self._match(query)
                mask = match.mask
            return count_facets(snapshot, mask, names, limit)

    def similar(self, photo_id: str, *, limit: int = 20) -> Answer:
        """Photos like this one: by embedding where it has one, else by its most telling words."""
        with self._guarded():
            snapshot = self._current()
            row = self._database.reader.execute(
                "SELECT docno, words, strengths, vector, model FROM document LEFT JOIN embedding USING (docno)"
                " WHERE id = ?",
                (photo_id,),
            ).fetchone()
            if row is None:
                return Answer((), 0)
            match = self._alike(row, snapshot)
            places = top_page(match, snapshot.newest, snapshot.oldest, Sort.RELEVANCE, max(limit, 0), 0)
            return Answer(self._hits(places.tolist(), match, snapshot), match.total)

    def vocabulary(self, beginning: str, *, limit: int = 10) -> tuple[str, ...]:
        """Words that begin so, the most common ones first."""
        with self._guarded():
            return TermIndex(self._current(), self._database.reader).common_words(beginning, max(limit, 0))

    def check(self, *, most_bytes: int | None = None) -> str | None:
        """What SQLite's check of the whole file says where it is damaged, which is then begun anew; None where it is
        sound, or larger than `most_bytes`. Takes as long as reading the file."""
        return self._database.check(most_bytes=most_bytes)

    def count(self) -> int:
        """How many documents there are."""
        with self._guarded():
            (count,) = self._database.reader.execute("SELECT count(*) FROM document").fetchone()
            return int(count)

    def settle(self) -> None:
        """Waits until the arrays that are being written are written."""
        for store in self._stores.values():
            store.settle()

    def close(self) -> None:
        """Closing twice is fine."""
        self._closed = True
        for store in self._stores.values():
            store.close()
        self._database.close()

    def _current(self) -> IndexSnapshot:
        opened, reader = self._database.times_opened, self._database.reader
        snapshot = self._snapshot if self._snapshot_of == opened else None
        if snapshot is not None and snapshot.state == schema.read_state(reader):
            return snapshot
        with self._lock:
            known = self._snapshot if self._snapshot_of == opened else None
            snapshot = refresh(known, reader, self._store.load)
            self._snapshot, self._snapshot_of = snapshot, opened
        self._texts.forget_gone(snapshot)
        self._store.keep(snapshot, then=lambda mapped: self._use_mapped(mapped, opened))
        return snapshot

    def _use_mapped(self, mapped: IndexSnapshot, opened: int) -> None:
        """The next search follows from `mapped`, whose arrays are in a file."""
        with self._lock:
            if self._snapshot_of == opened:
                self._snapshot = mapped

    def _match(self, query: Query) -> tuple[Query, IndexSnapshot, Match]:
        """The query with its vector, and what it finds in which snapshot."""
        snapshot, reader = self._current(), self._database.reader
        original = query
        if query.vector is None:
            query = self._meaning.with_vector(query, snapshot.names.proper_names)
        query = without_counts(query, snapshot.names.proper_names)
        passing, nearest = filter_mask(snapshot, query.filters)
        cosines = np.zeros(len(passing), np.float32)
        if query.vector is not None:
            cosines = self._vectors.cosines(query.vector, query.model, snapshot, reader)
        matcher = Matcher(TermIndex(snapshot, reader), partial(self._groups.get, state_of(snapshot)))
        check = (
            None if original.vector is not None else partial(self._evidence.supports, query.meant, snapshot=snapshot)
        )
        match = rank(query, RankingContext(matcher, passing, len(passing), cosines, check_evidence=check))
        self._masks.put(original, snapshot, match.mask)
        return query, snapshot, replace(match, corrections={**match.corrections, **nearest})

    def _read_texts(self, docnos: Sequence[int]) -> Mapping[int, PhotoTexts]:
        return self._texts.of(docnos, self._database.reader)

    def _alike(self, row: sqlite3.Row, snapshot: IndexSnapshot) -> Match:
        docno, codes, strengths, vector, model = row
        others = snapshot.alive & ~snapshot.where([docno])
        if vector is not None:
            own = np.frombuffer(vector, np.int8).astype(np.float32).tolist()
            cosines = np.where(
                others, self._vectors.cosines(own, model, snapshot, self._database.reader), np.float32(0)
            )
            mask = cosines >= ALIKE_COSINE
            scores = np.where(mask, np.clip(cosines, 0, 1), np.float32(0))
            return Match(mask, scores, cosines=np.where(mask, cosines, 0))
        photo_texts = self._read_texts([docno]).get(docno)
        silent = STOP_WORDS | photo_texts.camera_words if photo_texts is not None else STOP_WORDS
        likeness = _word_likeness(np.frombuffer(codes, np.int32), strengths, snapshot, silent)
        scores = np.where(others, likeness, np.float32(0))
        return Match(scores > 0, scores)

    def _hits(
        self, places: Sequence[int], match: Match, snapshot: IndexSnapshot, meant: Sequence[str] = ()
    ) -> tuple[Hit, ...]:
        docnos = {int(snapshot.docnos[place]): place for place in places}
        photo_texts = self._read_texts(list(docnos))
        return hits_of(((docnos[docno], one) for docno, one in photo_texts.items()), match, self._meaning, meant)

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        if self._closed:
            raise SearchError(Message("the search index %(path)s is closed", path=str(self._database.path)))
        try:
            with self._database.recreating_if_damaged():
                yield
        except StorageError as error:
            raise SearchError(error.message, hint=error.hint_message) from error
        except sqlite3.Error as error:
            if is_damage(error):
                raise SearchError(
                    Message(
                        "the search index %(path)s was damaged: %(error)s",
                        path=str(self._database.path),
                        error=str(error),
                    ),
                    hint=Message(
                        "it is made again from the catalogue by itself while recollect runs: try again in a moment"
                    ),
                ) from error
            raise SearchError(
                Message(
                    "the search index %(path)s can't be used: %(error)s",
                    path=str(self._database.path),
                    error=str(error),
                ),
                hint=Message("stop recollect, delete the file (nothing is lost) and run `recollect reindex --search`"),
            ) from error


def _word_likeness(
    codes: np.ndarray[tuple[int], np.dtype[np.int32]],
    strengths: bytes,
    snapshot: IndexSnapshot,
    silent: Collection[str],
) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """Per photo the share (0..1) of the most telling words `codes` that it has as well, the words `silent` left out."""
    frequencies = snapshot.frequencies(codes)
    telling = np.log(max(snapshot.count, 2) / np.clip(frequencies, 1, max(snapshot.count, 2))) * np.frombuffer(
        strengths, np.uint8
    )
    telling[(frequencies < 2) | np.isin(codes, [snapshot.names.word_codes.get(word, 0) for word in silent])] = 0
    best = np.argsort(-telling, kind="stable")[:MOST_SIMILAR_WORDS]
    weights = np.asarray(telling[best] / (telling[best].sum() or 1), np.float32)
    likeness = np.zeros(len(snapshot.docnos), np.float32)
    for code, weight in zip(codes[best], weights, strict=True):
        likeness += weight * snapshot.scores(np.array([code], np.int32), np.ones(1, np.float32))
    return likeness
