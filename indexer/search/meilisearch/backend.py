"""`SearchBackend` on a Meilisearch server: pages of what the server found, facets, and photos like another."""

from __future__ import annotations

import heapq
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from cachetools import LRUCache

from indexer.search import Answer, FacetCount, Hit, Query, SearchDocument, Sort
from indexer.search.alternatives import facets_all, search_all
from indexer.search.facets import BY_VALUE, check_names
from indexer.search.matching import Term
from indexer.search.meaning import NO_MEANING, Meaning
from indexer.search.meilisearch.candidates import FoundPhoto
from indexer.search.meilisearch.client import SearchClient, total_of
from indexer.search.meilisearch.connection import Connection
from indexer.search.meilisearch.folded import FOLDED, FoldedPhotos
from indexer.search.meilisearch.index import Index, Writer
from indexer.search.meilisearch.keys import Keyring, Keys
from indexer.search.meilisearch.layout import FACET, READ, embedder_of, unescape
from indexer.search.meilisearch.request import RequestWords, among
from indexer.search.meilisearch.retrieval import RetrievedPhotos, retrieve
from indexer.search.ranking import ALIKE_COSINE, MOST_SIMILAR_WORDS, order_of, top_page, weights_of
from indexer.search.reasons import hits_of
from indexer.search.stems import stem
from indexer.search.tokens import STOP_WORDS, is_completable, spelling, typed_word

_SEARCH_TIMEOUT_S = 3.0  # the server itself stops a search after 1.5 s
_WRITE_TIMEOUT_S = 60.0  # a thousand documents on the way to a Pi that is busy with those before them
_CACHE_S = 20.0
_FRESH_S = 2.0
#: The answers to so many queries are kept, up to half a megabyte each, until photos may have changed.
_KEPT_QUERIES = 8
#: So many photos that have words with the same beginning tell which of these words are common.
_SAMPLE = 100
_SORTS = {Sort.NEWEST: ["taken:desc"], Sort.OLDEST: ["taken:asc"]}


class MeilisearchSearch:
    """The index `index` of the server at `url`. Thread-safe; several processes may share it, one of them writing.

    `keys` that can be called are asked for again when the server refuses what they gave. `meaning` gives queries their
    vector where they have none. As another process may be writing, counts of photos are kept for `cache_s` seconds and
    what a query found for `fresh_s`.
    A server that does not answer a search within `search_timeout_s`, or a write within `write_timeout_s`, is a
    `SearchError`.
    """

    name = "meilisearch"
    batch = 1000

    def __init__(
        self,
        url: str,
        *,
        keys: Keys | Callable[[], Keys],
        index: str = "recollect",
        meaning: Meaning = NO_MEANING,
        search_timeout_s: float = _SEARCH_TIMEOUT_S,
        write_timeout_s: float = _WRITE_TIMEOUT_S,
        cache_s: float = _CACHE_S,
        fresh_s: float = _FRESH_S,
    ) -> None:
        keyring = Keyring(keys if callable(keys) else lambda: keys)
        self._searching = Connection(url, keyring, timeout_s=search_timeout_s, interactive=True)
        self._writing = Connection(url, keyring, timeout_s=write_timeout_s)
        self._client = SearchClient(self._searching, index, cache_s=cache_s, fresh_s=fresh_s)
        self._meaning = meaning
        self._writer = Writer(self._writing, index, meaning.space)
        self._lock = threading.Lock()
        self._retrieved: LRUCache[tuple[str, Query], RetrievedPhotos] = LRUCache(_KEPT_QUERIES)

    def prepare(self) -> None:
        """As `SearchBackend.prepare`."""
        self._writer.prepare()
        self._client.invalidate()

    def checkpoint(self) -> str:
        """The age of the index and its newest write."""
        return self._writer.written.checkpoint()

    def held(self) -> Iterator[tuple[str, int]]:
        """As `SearchBackend.held`."""
        return self._writer.held()

    def put(self, documents: Sequence[SearchDocument]) -> Mapping[str, str]:
        """Adds or replaces; gives those that the server refuses, with its reasons."""
        refused = self._writer.put(documents)
        self._client.invalidate()
        return refused

    def delete(self, ids: Iterable[str]) -> None:
        """Unknown ids are no error."""
        self._writer.delete(ids)
        self._client.invalidate()

    def clear(self) -> None:
        """Forgets every document."""
        self._writer.written.clear()
        self._client.invalidate()

    def complete(self) -> None:
        """A second index takes the first one's place."""
        self._writer.complete()
        self._client.invalidate()

    def data_version(self) -> str:
        """Another one after every write of ours, and every `fresh_s` seconds for those of others."""
        return self._client.data_version()

    def search(self, query: Query, *, limit: int = 50, offset: int = 0) -> Answer:
        """The photos that match, best first. Raises `FilterError`."""
        return search_all(self._search, query, max(limit, 0), max(offset, 0))

    def _retrieve(self, query: Query) -> RetrievedPhotos:
        """As `retrieve`. Filters and time line ask for the counts of a query whose results were just asked for."""
        query = replace(query, sort=None, fold=False)  # what is found does not depend on these
        key = (self._client.data_version(), query)
        with self._lock:
            known = self._retrieved.get(key)
        if known is None:
            known = retrieve(self._client, self._meaning, query)
            with self._lock:
                self._retrieved[key] = known
        return known

    def _search(self, query: Query, limit: int, offset: int) -> Answer:
        found = self._retrieve(query)
        sort = order_of(replace(found.query, sort=query.sort))
        folded = FoldedPhotos(self._client, found, sort) if query.fold and self._client.has_stacks() else None
        if sort is Sort.RELEVANCE:
            hits = self._by_relevance(found, folded, limit, offset)
        else:
            hits = self._by_date(found, folded, sort, limit, offset)
        match = found.match
        corrections = {**match.corrections, **found.nearest}
        hidden = found.total - folded.listed if folded else 0
        sure = folded.total_sure if folded else found.total_sure
        return Answer(hits, found.total, corrections, match.dropped, match.by_meaning, folded=hidden, sure=sure)

    def facets(self, query: Query, names: Sequence[str], *, limit: int = 50) -> Mapping[str, tuple[FacetCount, ...]]:
        """Counts per value of each facet, of all photos that match `query`. Raises `ValueError` for another name."""
        return facets_all(self._facets, self._search, query, names, limit)

    def _facets(self, query: Query, names: Sequence[str], limit: int) -> Mapping[str, tuple[FacetCount, ...]]:
        check_names(names)
        found = self._retrieve(query)
        wanted = {"limit": 0, "facets": [f"{FACET}{name}" for name in names]}
        requests = []
        if found.by_words:
            requests.append(found.counted.to_request(self._client.index, **wanted))
        if found.uncounted:
            requests.append(RequestWords(filters=(among(found.uncounted),)).to_request(self._client.index, **wanted))
        responses = [answer["facetDistribution"] for answer in self._client.ask(requests)]
        return {
            name: _merge_counts(name, (answer.get(f"{FACET}{name}", {}) for answer in responses), limit)
            for name in names
        }

    def similar(self, photo_id: str, *, limit: int = 20) -> Answer:
        """Photos like this one: by embedding where it has one, else by its most telling words."""
        own = self._read(RequestWords(filters=(among([photo_id]),)), limit=1)
        if not own:
            return Answer((), 0)
        return self._similar_by_embedding(own[0], limit) or self._similar_by_words(own[0], limit)

    def vocabulary(self, beginning: str, *, limit: int = 10) -> tuple[str, ...]:
        """Words that begin so, those most common among the newest photos that have such a word first: the server has no
        list of words."""
        start = typed_word(beginning)
        if not start:
            return ()
        request_words = RequestWords((Term(start, (start,), prefix=True),), finished=False)
        more = {"limit": _SAMPLE, "sort": ["taken:desc"], "attributesToRetrieve": ["words", "shown"]}
        answer = self._client.search(request_words, **more)
        photos = [(hit.get("words", "").split(), [text for _, text in hit.get("shown", [])]) for hit in answer["hits"]]
        counts = Counter(word for own, _ in photos for word in own if word.startswith(start) and is_completable(word))
        found: dict[str, str] = {}  # basic form -> word
        for word in sorted(counts, key=lambda word: (-counts[word], word)):
            if stem(word) not in found and len(found) < limit:
                texts = (text for own, texts in photos if word in own for text in texts)
                found[stem(word)] = spelling(word, texts) or word
        return tuple(found.values())

    def count(self) -> int:
        """How many documents the index has that is being written."""
        return Index(self._searching, self._writer.written.uid).count()

    def close(self) -> None:
        """Closing twice is fine."""
        self._searching.close()
        self._writing.close()

    def _by_relevance(
        self, found: RetrievedPhotos, folded: FoldedPhotos | None, limit: int, offset: int
    ) -> tuple[Hit, ...]:
        """Those of the candidates in our order, and where `RetrievedPhotos` says the server's others in its own."""
        candidates, match = found.candidates, folded.match if folded else found.match
        all_others, reached = (folded.others, folded.reached) if folded else (found.others, found.reached)
        ranked = top_page(match, candidates.newest, candidates.oldest, Sort.RELEVANCE, match.total, 0).tolist()
        before = match.total_sure if found.are_others_sure else len(ranked)
        own = ranked[offset : min(before, offset + limit)]
        hits = self._hits(found, [candidates.photos[place] for place in own])
        first = max(offset - before, 0)
        others = limit - len(hits)
        if before < len(ranked):  # candidates follow
            others = min(others, all_others - first)
        if others > 0 and all_others:
            request_words = found.request_words.within(*folded.rest) if folded else found.request_words
            if found.beyond:
                request_words = request_words.within(f"NOT {among(found.beyond)}")
            more = FOLDED if folded else {}
            photos = self._read(request_words, limit=others, offset=reached + first, **more)
            # They are ranked among themselves, and come after what was ranked before.
            most = float(match.scores[ranked[before - 1]]) if before else 1.0
            hits += tuple(
                replace(hit, score=min(hit.score, most), sure=found.are_others_sure)
                for hit in self._hits(found, photos)
            )
        start = before + max(first - all_others, 0)
        rest = ranked[start : start + limit - len(hits)]
        return hits + self._hits(found, [candidates.photos[place] for place in rest])

    def _by_date(
        self, found: RetrievedPhotos, folded: FoldedPhotos | None, sort: Sort, limit: int, offset: int
    ) -> tuple[Hit, ...]:
        """Merges the server's sorted list with the few photos that only meaning found.

        At most all of the few come before the page, so it needs the server's photos from that many places before its
        offset.
        """
        newest = sort is Sort.NEWEST
        few = folded.few if folded else [one for one in found.candidates.photos if one.id in set(found.uncounted)]
        first = max(offset - len(few), 0)
        more = FOLDED if folded else {}
        photos = self._read(found.counted, limit=offset + limit - first, offset=first, sort=_SORTS[sort], **more)
        if not few:
            return self._hits(found, photos)
        together = sorted([*photos, *few], key=lambda photo: photo.date_key(newest=newest))
        if photos and first:
            before = sum(photo.date_key(newest=newest) < photos[0].date_key(newest=newest) for photo in few)
            together = together[before:]
            first += before
        return self._hits(found, together[offset - first : offset - first + limit])

    def _read(self, request_words: RequestWords, **more: Any) -> list[FoundPhoto]:
        if more["limit"] <= 0:
            return []
        return self._client.photos.all(
            self._client.search(request_words, attributesToRetrieve=list(READ), **more)["hits"]
        )

    def _hits(self, found: RetrievedPhotos, photos: Sequence[FoundPhoto]) -> tuple[Hit, ...]:
        """Hits of these photos, of which the candidates may know some."""
        places = {photo.id: place for place, photo in enumerate(found.candidates.photos)}
        known = [places.get(photo.id) for photo in photos]
        if None in known:
            found = found.rank_again(photos)
            known = list(range(len(photos)))
        rows = ((place, photo.photo_texts) for place, photo in zip(known, photos, strict=True) if place is not None)
        return hits_of(rows, found.match, self._meaning, found.query.meant)

    def _similar_by_embedding(self, own: FoundPhoto, limit: int) -> Answer | None:
        if not own.embedding:
            return None
        request = {
            "id": own.id,
            "embedder": embedder_of(own.model, len(own.embedding)),
            "limit": limit,
            "rankingScoreThreshold": (1 + ALIKE_COSINE) / 2,  # the server's scores are cosines, moved to 0..1
            "showRankingScore": True,
            "attributesToRetrieve": ["id"],
        }
        responses = self._client.similar(request)
        hits = tuple(Hit(hit["id"], round(2 * hit["_rankingScore"] - 1, 4), ()) for hit in responses["hits"])
        return Answer(hits, total_of(responses))

    def _similar_by_words(self, own: FoundPhoto, limit: int) -> Answer:
        """By its most telling words: rare ones that say much of it."""
        strongest = sorted(
            own.strengths.keys() - STOP_WORDS - own.photo_texts.camera_words,
            key=lambda word: (-own.strengths[word], word),
        )
        terms = [Term(word, (word,)) for word in strongest[: 2 * MOST_SIMILAR_WORDS]]
        counts, _ = self._client.count_photos(terms)
        weights = dict(zip(terms, weights_of([counts[term] for term in terms], self._client.size()), strict=True))
        weights = {term: float(weight) * own.strengths[term.typed] for term, weight in weights.items()}
        telling = sorted((term for term in terms if counts[term] > 1), key=lambda term: -weights[term])
        telling = telling[:MOST_SIMILAR_WORDS]
        others = RequestWords(filters=(f"NOT {among([own.id])}",))
        asked = [others.only([term]).to_request(self._client.index, limit=limit) for term in telling]
        responses = self._client.ask([request | {"attributesToRetrieve": list(READ)} for request in asked])
        found = {hit.id: hit for answer in responses for hit in self._client.photos.all(answer["hits"])}
        whole = sum(weights[term] for term in telling) * 255 or 1.0
        likeness = {
            hit.id: sum(weights[term] * hit.strengths.get(term.typed, 0) for term in telling) / whole
            for hit in found.values()
        }
        best = sorted(likeness, key=lambda photo_id: (-likeness[photo_id], photo_id))
        best = [photo_id for photo_id in best if likeness[photo_id]]
        return Answer(tuple(Hit(photo_id, round(likeness[photo_id], 4), ()) for photo_id in best[:limit]), len(best))


def _merge_counts(name: str, several: Iterable[Mapping[str, int]], limit: int) -> tuple[FacetCount, ...]:
    counts: Counter[str] = Counter()
    for counted in several:
        counts.update(counted)
    least = 0
    if name not in BY_VALUE and 0 < limit < len(counts):  # there may be thousands of folders
        least = heapq.nlargest(limit, counts.values())[-1]
    found = [FacetCount(unescape(value), count) for value, count in counts.items() if count >= least]
    if name in BY_VALUE:
        found.sort(key=lambda item: (len(item.value), item.value), reverse=True)
    else:
        found.sort(key=lambda item: (-item.count, item.value))
    return tuple(found[: max(limit, 0)])
