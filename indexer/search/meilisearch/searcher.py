"""Searching the index: pages of what was gathered, facets, and photos like another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from indexer.search import Answer, FacetCount, Hit, Query, Sort
from indexer.search.facets import BY_VALUE, FACETS
from indexer.search.matching import STOP_WORDS, Term
from indexer.search.meaning import Meaning
from indexer.search.meilisearch.client import SearchClient, total_of
from indexer.search.meilisearch.filters import among
from indexer.search.meilisearch.index_settings import FACET, READ
from indexer.search.meilisearch.layout import FoundPhoto, embedder_of, unescaped
from indexer.search.meilisearch.request import RequestWords
from indexer.search.meilisearch.retrieval import RetrievedPhotos, retrieve
from indexer.search.ranking import ALIKE_COSINE, MOST_SIMILAR_WORDS, top_page, weights_of
from indexer.search.reasons import hits_of

_SORTS = {Sort.NEWEST: ["taken:desc"], Sort.OLDEST: ["taken:asc"]}


class Searcher:
    """Thread-safe. Methods raise `SearchError`."""

    def __init__(self, client: SearchClient, meaning: Meaning) -> None:
        self._client = client
        self._meaning = meaning

    def search(self, query: Query, limit: int, offset: int) -> Answer:
        """As `SearchBackend.search`."""
        found = retrieve(self._client, self._meaning, query)
        query = found.query
        by_relevance = bool(query.words or query.phrases or query.vector)
        sort = query.sort or (Sort.RELEVANCE if by_relevance else Sort.NEWEST)
        hits = (
            self._by_relevance(found, limit, offset)
            if sort is Sort.RELEVANCE
            else self._by_date(found, sort, limit, offset)
        )
        match = found.match
        corrections = {**match.corrections, **found.nearest}
        return Answer(hits, found.total, corrections, match.dropped, match.by_meaning)

    def facets(self, query: Query, names: Sequence[str], limit: int) -> Mapping[str, tuple[FacetCount, ...]]:
        """As `SearchBackend.facets`."""
        for name in names:
            if name not in FACETS:
                raise ValueError(f"there is no facet {name!r}; facets are {', '.join(FACETS)}")
        found = retrieve(self._client, self._meaning, query)
        wanted = {"limit": 0, "facets": [f"{FACET}{name}" for name in names]}
        asked = []
        if found.by_words:
            asked.append(found.counted.to_request(self._client.index, **wanted))
        if found.uncounted:
            asked.append(RequestWords(filters=(among(found.uncounted),)).to_request(self._client.index, **wanted))
        responses = [answer["facetDistribution"] for answer in self._client.ask(asked)]
        return {
            name: _merged_counts(name, (answer.get(f"{FACET}{name}", {}) for answer in responses), limit)
            for name in names
        }

    def similar(self, photo_id: str, limit: int) -> Answer:
        """As `SearchBackend.similar`."""
        request = RequestWords(filters=(among([photo_id]),)).to_request(self._client.index, limit=1)
        own = FoundPhoto.all(self._client.ask([request | {"attributesToRetrieve": list(READ)}])[0]["hits"])
        if not own:
            return Answer((), 0)
        return self._similar_by_embedding(own[0], limit) or self._similar_by_words(own[0], limit)

    def _by_relevance(self, found: RetrievedPhotos, limit: int, offset: int) -> tuple[Hit, ...]:
        """Those of the candidates in our order, then the server's others in its own."""
        candidates, match = found.candidates, found.match
        ranked = top_page(match, candidates.newest, candidates.oldest, Sort.RELEVANCE, match.total, 0).tolist()
        hits = self._hits(found, [candidates.photos[place] for place in ranked[offset : offset + limit]])
        rest = limit - len(hits)
        if rest <= 0 or found.by_words <= found.reached:
            return hits
        after = found.reached + max(offset - len(ranked), 0)
        words_asked = found.words_asked.within(f"NOT {among(found.beyond)}") if found.beyond else found.words_asked
        return hits + self._hits(found, self._read(words_asked, limit=rest, offset=after))

    def _by_date(self, found: RetrievedPhotos, sort: Sort, limit: int, offset: int) -> tuple[Hit, ...]:
        """Two lists in one: what the server sorts, and the few that only meaning found.

        Whatever stands on the page is among the server's from so many places before it on as there are of those.
        """
        few = [photo for photo in found.candidates.photos if photo.id in set(found.uncounted)]
        first = max(offset - len(few), 0)
        photos = self._read(found.counted, limit=offset + limit - first, offset=first, sort=_SORTS[sort])
        if not few:
            return self._hits(found, photos)
        together = sorted([*photos, *few], key=lambda photo: _date_key(photo, sort))
        if photos and first:
            before = sum(_date_key(photo, sort) < _date_key(photos[0], sort) for photo in few)
            together = together[before:]
            first += before
        return self._hits(found, together[offset - first : offset - first + limit])

    def _read(self, words_asked: RequestWords, **more: Any) -> list[FoundPhoto]:
        if more["limit"] <= 0:
            return []
        request = words_asked.to_request(self._client.index, attributesToRetrieve=list(READ), **more)
        return FoundPhoto.all(self._client.ask([request])[0]["hits"])

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
            "rankingScoreThreshold": _score_of(ALIKE_COSINE),
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
        found = {hit.id: hit for answer in responses for hit in FoundPhoto.all(answer["hits"])}
        whole = sum(weights[term] for term in telling) * 255 or 1.0
        likeness = {
            hit.id: sum(weights[term] * hit.strengths.get(term.typed, 0) for term in telling) / whole
            for hit in found.values()
        }
        best = sorted(likeness, key=lambda photo_id: (-likeness[photo_id], photo_id))
        best = [photo_id for photo_id in best if likeness[photo_id]]
        return Answer(tuple(Hit(photo_id, round(likeness[photo_id], 4), ()) for photo_id in best[:limit]), len(best))


def _score_of(cosine: float) -> float:
    """The server's scores are cosines, moved to 0..1."""
    return (1 + cosine) / 2


def _date_key(photo: FoundPhoto, sort: Sort) -> tuple[bool, int]:
    taken = photo.taken_s
    return (taken is None, 0 if taken is None else -taken if sort is Sort.NEWEST else taken)


def _merged_counts(name: str, several: Iterable[Mapping[str, int]], limit: int) -> tuple[FacetCount, ...]:
    counts: dict[str, int] = {}
    for counted in several:
        for value, count in counted.items():
            counts[unescaped(value)] = counts.get(unescaped(value), 0) + count
    found = [FacetCount(value, count) for value, count in counts.items()]
    if name in BY_VALUE:
        found.sort(key=lambda item: (len(item.value), item.value), reverse=True)
    else:
        found.sort(key=lambda item: (-item.count, item.value))
    return tuple(found[: max(limit, 0)])
