"""Which photos the server finds for a query, and which of them are ranked by the embedded search's code.

The server finds: photos that have every word, then, where there are none, with typing mistakes, then with as
many of the words as any photo has; and the photos whose embeddings are near the query's. Of a description, a query of
four words or more, it gives those that have its rarer words. The best two hundred or so of all these, the candidates,
are then ranked by `indexer.search.ranking`, the same for every backend; what the server found beyond them comes after
it in the server's own order. Most of this is one request (`/multi-search`); unusual queries take two or three.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from indexer.search import Query
from indexer.search.arrays import Floats, Mask
from indexer.search.counts import without_counts
from indexer.search.matching import MISTAKE_RATIO, RARE, Matcher, Term, edits_allowed, looks_of_terms, terms_of
from indexer.search.meaning import Meaning, is_supported
from indexer.search.meilisearch.candidates import Candidates, FoundPhoto
from indexer.search.meilisearch.client import SearchClient, total_of
from indexer.search.meilisearch.connection import Json, Refusal
from indexer.search.meilisearch.layout import READ, embedder_of, look_token
from indexer.search.meilisearch.request import RequestWords, among, filter_expression
from indexer.search.ranking import DESCRIPTION_FROM, EvidenceCheck, Match, RankingContext, rank, weights_of
from indexer.text import words

#: So many photos are ranked by us, a page and some more: on Flickr8k's dev split twice as many find not one photo more
#: among the first ten.
WINDOW = 80
# The server looks for near neighbours about as widely as it is asked for many: of 60 it overlooks some that are equal.
# While the last word is unfinished fewer are asked for, in less than half the time.
_NEAREST = 100
_NEAREST_TYPING = 30
# Where a query has names or numbers, photos are looked for by meaning among so many that have them: each costs 0.1 ms.
_LITERALS = 200
_LADDER = 3  # a description is asked for without its rarest words, too
_NO_MATCH = Match(np.zeros(0, np.bool_), np.zeros(0, np.float32))
_LEAST_SCORE = 0.001
_NOTHING: Json = {"hits": [], "estimatedTotalHits": 0}


def retrieve(client: SearchClient, meaning: Meaning, query: Query) -> RetrievedPhotos:
    """Everything that `query` finds. Raises `FilterError` and `SearchError`."""
    try:
        return _Retrieval(client, meaning, query).retrieve()
    except Refusal as refusal:
        if not client.note_missing_embedder(refusal):
            raise
        return _Retrieval(client, meaning, query).retrieve()


@dataclass(frozen=True, slots=True)
class RetrievedPhotos:
    """What a query finds.

    `by_words` photos were found by their words: `counted` asks the server for just those. `request_words` is what was
    asked first; the first `reached` of its photos are among the candidates, which `match` ranks. `beyond` are the
    other candidates that are shown with it, wherever `request_words` has them, and `uncounted` those that `counted`
    does not find.
    """

    query: Query
    request_words: RequestWords
    by_words: int
    counted: RequestWords
    nearest: Mapping[str, tuple[str, ...]]  # values of filters
    rank_photos: Callable[[Candidates], Match]
    reached: int = 0
    candidates: Candidates = Candidates(())
    match: Match = _NO_MATCH
    beyond: tuple[str, ...] = ()
    uncounted: tuple[str, ...] = ()

    @property
    def total(self) -> int:
        """How many photos were found."""
        return self.by_words + len(self.uncounted)

    @property
    def others(self) -> int:
        """How many of them the candidates lack."""
        return max(self.total - self.match.total, 0) if self.by_words > self.reached else 0

    @property
    def are_others_sure(self) -> bool:
        """Whether those that the candidates lack are taken for sure ones, as all are that the server put before them:
        they then come before the candidates that are not."""
        is_sure = self.match.sure
        return is_sure is None or bool(self.reached and is_sure[: self.reached].all())

    @property
    def total_sure(self) -> int:
        """How many of them are sure."""
        return self.match.total_sure + (self.others if self.are_others_sure else 0)

    def rank_again(self, photos: Sequence[FoundPhoto]) -> RetrievedPhotos:
        """With other photos in the candidates, all of which are known to match."""
        candidates = Candidates(photos)
        return replace(self, candidates=candidates, match=_with_first(self.rank_photos(candidates), len(photos)))


class _Retrieval:
    """Gathers what one query finds."""

    def __init__(self, client: SearchClient, meaning: Meaning, query: Query) -> None:
        client.expire()
        self._client = client
        self._meaning = meaning
        filters, self._nearest = filter_expression(query.filters, client.values)
        self._has_vector = query.vector is not None
        query = query if self._has_vector else meaning.with_vector(query, client.values.proper_names)
        self._query = query = without_counts(query, client.values.proper_names)
        self._terms = terms_of(query)
        self._words = RequestWords.of(query, self._terms, filters)
        meant = self._query.meant
        if self._query.vector is not None and not meant:
            meant = tuple(word for term in self._terms for word in term.words)
        self._meant = frozenset(meant)
        self._counts: dict[str, int] = {}
        self._nearest_photos: list[FoundPhoto] = []
        self._found_otherwise: list[FoundPhoto] = []  # without a description's rarest words, or by their look

    def retrieve(self) -> RetrievedPhotos:
        """Raises `SearchError`."""
        if not self._terms and not self._words.bounds and self._query.vector is None:
            return self._in_server_order(self._client.ask([self._request(self._words, limit=0)])[0])
        request_words, found = self._search_as_typed()
        ranked = self._rank_found(request_words, found) if total_of(found) or request_words.allow_missing else None
        if not ranked and self._nearest_photos:
            request_words, found = self._search_with_typos(correct=self._meant)
            ranked = self._retrieve_corrected(self._rank_found(request_words, found, fall_back=False))
        if not ranked:
            request_words, found = self._search_with_typos()
            ranked = self._retrieve_corrected(self._rank_found(request_words, found))
        return ranked or self._in_server_order(found)

    def _search_as_typed(self) -> tuple[RequestWords, Json]:
        """Photos with the words as typed, and those near the query's vector."""
        if len(self._terms) + len(self._query.counts) >= DESCRIPTION_FROM:
            return self._search_description()
        variants = self._words.variants()
        asked = [self._request(variant) for variant in variants] if self._terms or self._words.bounds else []
        responses = self._ask_with_counts([*asked, *self._nearest_request()])
        found = responses[: len(asked)]
        self._nearest_photos = [
            hit for answer in responses[len(asked) :] for hit in self._client.photos.all(answer["hits"])
        ]
        if not found:
            return self._words, _NOTHING
        best = max(range(len(found)), key=lambda at: total_of(found[at]))
        request_words, answer = self._with_looks(variants[best], found[best])
        return self._correct_rare_words(request_words, answer)

    def _with_looks(self, request_words: RequestWords, found: Json) -> tuple[RequestWords, Json]:
        """Where words of the query name looks: adds the photos that look so, or, where no text has all words, the
        photos that have the other words."""
        looks = {place: named[-1] for place, named in looks_of_terms(self._terms).items()}
        photos = self._client.photos.all(found["hits"])
        if not looks or (photos and not any(photo.has_looks for photo in photos)):
            return request_words, found
        places = range(len(self._terms))
        by_look = [_term(look_token(looks[at])) if at in looks else self._terms[at] for at in places]
        by_text = [_term(looks[at]) if looks.get(at, " ").isalpha() else self._terms[at] for at in places]
        finished = replace(self._words, finished=True)
        variants = [request_words, *(finished.only(dict.fromkeys(terms)) for terms in (by_text, by_look))]
        things = [self._terms[at] for at in places if at not in looks]
        variants += [self._words.only(things)] if things else []
        responses = [found, *self._client.ask([self._request(variant) for variant in variants[1:]])]
        totals = list(map(total_of, responses))
        best = totals.index(max(totals[:2])) if things and any(totals[:2]) else totals.index(max(totals))
        others = (answer for at, answer in enumerate(responses) if at != best)
        self._found_otherwise = [hit for answer in others for hit in self._client.photos.all(answer["hits"])]
        return variants[best], responses[best]

    def _search_description(self) -> tuple[RequestWords, Json]:
        """Photos with the rarer words, also without the very rarest, and those with mistyped words corrected."""
        nearest_request = self._nearest_request()
        self._ask_with_counts([])
        whole = replace(self._words, finished=True, allow_missing=True)
        known = sorted(filter(self._count, whole.terms), key=self._count)
        mistaken = [term for term in whole.terms if not self._count(term) and not self._meant.issuperset(term.words)]
        variants = [whole.only(known[at:]) for at in range(min(_LADDER, len(known)))]
        variants += whole.only(mistaken).with_typos(mistaken)[:1] if mistaken else []
        responses = self._client.ask([*map(self._request, variants), *nearest_request])
        self._nearest_photos = self._client.photos.all(responses.pop()["hits"]) if nearest_request else []
        self._found_otherwise = [hit for answer in responses[1:] for hit in self._client.photos.all(answer["hits"])]
        return (variants[0], responses[0]) if variants else (whole, _NOTHING)

    def _count(self, term: Term) -> int:
        """How many photos have a word as it was typed, as far as that was asked."""
        return self._counts.get(term.typed, 0)

    def _correct_rare_words(self, request_words: RequestWords, found: Json) -> tuple[RequestWords, Json]:
        """A word in at most two photos, next to a far more frequent one, is taken for a mistake in a photo's texts."""
        rare = [
            term
            for term in request_words.terms
            if 0 < self._count(term) <= RARE and edits_allowed(term.words[0]) and term.words[0] not in self._query.meant
        ]
        if not rare or not total_of(found):
            return request_words, found
        allow_typos = request_words.with_typos(rare)[0]
        single = [self._request(replace(allow_typos, bounds="", filters=()).only([term]), limit=0) for term in rare]
        responses = self._client.ask([self._request(allow_typos), *single])
        least = [MISTAKE_RATIO * self._count(term) for term in rare]
        if any(total_of(answer) >= count for answer, count in zip(responses[1:], least, strict=True)):
            return allow_typos, responses[0]
        return request_words, found

    def _search_with_typos(self, correct: frozenset[str] = frozenset()) -> tuple[RequestWords, Json]:
        """No photo has every word as typed: mistakes are allowed, then words left out, the least telling first.

        The words `correct` hold no mistake.
        """
        unknown = [term for term in self._terms if not self._count(term)]
        mistaken = [term for term in unknown or self._terms if not correct.issuperset(term.words)]
        variants = self._words.variants()
        if mistaken:
            variants = [with_typos for variant in variants for with_typos in variant.with_typos(mistaken)]
            responses = self._client.ask([self._request(variant) for variant in variants])
            best = max(range(len(responses)), key=lambda at: total_of(responses[at]))
            if total_of(responses[best]):
                return variants[best], responses[best]
        if 1 < len(self._terms) < DESCRIPTION_FROM - len(self._query.counts):
            return self._search_fewer_words(variants[0])
        return variants[0], _NOTHING

    def _retrieve_corrected(self, found: RetrievedPhotos | None) -> RetrievedPhotos | None:
        """Where each mistaken word stands for one word alone, what has that one: the server forgives more mistakes than
        we do, and where it forgives any, does not rank by what words say."""
        corrections = found.match.corrections if found else {}
        if not corrections or any(len(correct) > 1 for correct in corrections.values()):
            return found
        correct = {typed: _term(word) for typed, (word,) in corrections.items()}
        terms = tuple(correct.get(term.typed, term) for term in self._words.terms)
        request_words = replace(
            self._words, terms=terms, finished=self._words.finished or terms[-1] in correct.values()
        )
        counts, (response,) = self._client.count_photos(correct.values(), [self._request(request_words)])
        self._counts |= {typed: counts[term] for typed, term in correct.items()}
        ranked = self._rank_found(request_words, response) if total_of(response) else None
        return ranked if ranked and ranked.match.corrections == corrections else found

    def _search_fewer_words(self, request_words: RequestWords) -> tuple[RequestWords, Json]:
        """The photos with the most telling of the words that any photo has together."""
        some = [kept for size in range(1, len(request_words.terms)) for kept in combinations(request_words.terms, size)]
        responses = self._client.ask([self._request(request_words.only(kept), limit=0) for kept in some])
        found = {kept: total_of(answer) for kept, answer in zip(some, responses, strict=True) if total_of(answer)}
        single = [kept for kept in found if len(kept) == 1]
        if not single:
            return request_words, _NOTHING
        weights = weights_of([found[kept] for kept in single], self._client.size()).tolist()
        weight = {term: weight for (term,), weight in zip(single, weights, strict=True)}
        best = request_words.only(max(found, key=lambda kept: sum(weight[term] for term in kept)))
        return best, self._client.ask([self._request(best)])[0]

    def _rank_found(
        self, request_words: RequestWords, found: Json, *, fall_back: bool = True
    ) -> RetrievedPhotos | None:
        """What of all that was found is kept, in our order; None where it is nothing."""
        by_words = self._client.photos.all(found["hits"])
        photos = list({hit.id: hit for hit in (*by_words, *self._found_otherwise, *self._nearest_photos)}.values())
        candidates = Candidates(photos)
        match = rank(self._query, self._context(candidates), fall_back=fall_back) if photos else _NO_MATCH
        total = total_of(found)
        # Of a description, all that was found may be among the candidates.
        described = request_words.allow_missing and total <= len(by_words)
        if not described:
            match = _with_first(match, len(by_words))
        if not match.total:
            return None
        kept = [photo.id for photo, is_kept in zip(photos, match.mask.tolist(), strict=True) if is_kept]
        reached = {hit.id for hit in by_words}
        beyond = tuple(photo_id for photo_id in kept if photo_id not in reached)
        uncounted = beyond if total <= len(by_words) else self._missing_from(request_words, beyond)
        counted = request_words
        if described or not total:
            own = [photo_id for photo_id in kept if photo_id in reached]
            total, counted = len(own), RequestWords(filters=(among(own),))
        return RetrievedPhotos(
            query=self._query,
            request_words=request_words,
            by_words=total,
            reached=len(by_words),
            candidates=candidates,
            match=match,
            beyond=beyond,
            uncounted=uncounted,
            counted=counted,
            nearest=self._nearest,
            rank_photos=self._rank,
        )

    def _rank(self, candidates: Candidates) -> Match:
        return rank(self._query, self._context(candidates))

    def _context(self, candidates: Candidates) -> RankingContext:
        query, photos = self._query, candidates.photos
        cosines: Floats = np.zeros(len(photos), np.float32)
        if query.vector is not None:
            cosines = candidates.cosines(query.vector, query.model)
        return RankingContext(
            Matcher(candidates),
            np.ones(len(photos), np.bool_),
            self._client.size(),
            cosines,
            frequency=lambda group: max(self._counts.get(group.typed, 0), group.frequency),
            check_evidence=None if self._has_vector else self._evidence_check(candidates),
        )

    def _evidence_check(self, candidates: Candidates) -> EvidenceCheck:
        meant = self._query.meant

        def check(places: NDArray[np.int64]) -> Mask:
            of_photos = [candidates.photos[place].photo_texts.content_words for place in places.tolist()]
            near = self._meaning.near(meant, frozenset().union(*of_photos))
            return np.array([is_supported(meant, own, near) for own in of_photos], np.bool_)

        return check

    def _ask_with_counts(self, more: Sequence[Json]) -> list[Json]:
        """Asks `more`, and how many photos have each word and phrase, where ranking or corrections need that."""
        phrases = [Term(text, words(text)) for text in self._query.phrases if words(text)]
        counted = [*self._terms, *phrases]
        if len(counted) < 2 and not any(edits_allowed(term.words[0]) for term in self._terms):
            return self._client.ask(more)
        counts, responses = self._client.count_photos(counted, more)
        self._counts |= {term.typed: count for term, count in counts.items()}
        return responses

    def _nearest_request(self) -> list[Json]:
        """The request for photos near the query's vector, where the index has such."""
        query = self._query
        if query.vector is None or not any(query.vector):
            return []
        embedder = embedder_of(query.model, len(query.vector))
        if not self._client.may_have_embedder(embedder):
            return []
        within = self._words.filters
        if ids := self._ids_with_literals():
            within = (*within, among(ids))
        return [
            {
                "indexUid": self._client.index,
                "vector": list(query.vector),
                "hybrid": {"embedder": embedder, "semanticRatio": 1.0},
                "filter": list(within),
                "limit": _NEAREST if self._words.finished else _NEAREST_TYPING,
                "attributesToRetrieve": list(READ),
            }
        ]

    def _ids_with_literals(self) -> list[str]:
        """Photos that have what meaning can't stand for: names, numbers, phrases. Empty where all may be meant."""
        names = [term for term in self._terms if not term.prefix and not self._meant.issuperset(term.words)]
        counts = self._client.count_photos(names)[0] if names else {}
        held = self._words.only(term for term in names if counts[term])
        if not held.terms and not held.bounds:
            return []
        answer = self._client.search(held, limit=_LITERALS, attributesToRetrieve=["id"])
        return [hit["id"] for hit in answer["hits"]] if total_of(answer) <= _LITERALS else []

    def _missing_from(self, request_words: RequestWords, ids: Sequence[str]) -> tuple[str, ...]:
        if not ids:
            return ()
        answer = self._client.search(request_words.within(among(ids)), limit=len(ids), attributesToRetrieve=["id"])
        held = {hit["id"] for hit in answer["hits"]}
        return tuple(photo_id for photo_id in ids if photo_id not in held)

    def _request(self, request_words: RequestWords, *, limit: int = WINDOW) -> Json:
        return request_words.to_request(self._client.index, limit=limit, attributesToRetrieve=list(READ))

    def _in_server_order(self, found: Json) -> RetrievedPhotos:
        """What the server found, in its own order: a query without words."""
        return RetrievedPhotos(self._query, self._words, total_of(found), self._words, self._nearest, self._rank)


def _term(word: str) -> Term:
    return Term(word, (word,))


def _with_first(match: Match, count: int) -> Match:
    """With the first `count` photos as matches, as the server found them, whatever our own score is."""
    by_words = np.arange(len(match.mask)) < count
    scores = np.where(by_words, np.maximum(match.scores, np.float32(_LEAST_SCORE)), match.scores)
    return replace(match, mask=match.mask | by_words, scores=scores)
