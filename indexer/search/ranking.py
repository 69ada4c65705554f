"""Which photos a query finds, and in which order: the whole ranking of the embedded search.

A photo's score for one word is the best of *strength* times *quality* over the words of the index that the query's
word may mean. Strength (0..1, `fields.FIELD_WEIGHTS`) says how much the photo is about the word: the
fields that hold it, combined as independent evidence, 1 - product(1 - weight), a person's caption before the model's,
before tags (times their probability), names, title, places, folders and file names. Each word of the model's caption
counts by the probability that it is true, and those of a sentence that it is not sure of for less than all others. It
is BM25F's idea (Robertson, Zaragoza 2009) without term frequencies, which say nothing in texts of ten words; lengths
count a little. Quality (`indexer.search.matching`) is 1 for the word itself, less for a longer word, a synonym, a
correction.

Of each word a photo has a probability to show it (`certainty`), made of that score and the cosine with the query; what
only the model says counts by the evidence alone. The score of a query is the mean over its words, weighted by their
inverse document frequency as in BM25; of a description it is that of the scores themselves. Scores are compared in
steps of a thousandth; equal ones come newest first.

*Photos that are sure come before all others*: those of which every word is sure that is not said to be left out, and
those that a whole description comes very near to. *Words that only say how many* (`counts`) move photos a little, and
find none.

*All words have to match.* Where no photo has all of them, known words are corrected too, and then photos are found
that have at least `_RELAXED` of the words' weight, or as much as any photo has. A query of four words or more is a
description: photos that have `_DESCRIBED` of its weight are found as well, after those that have all (on Flickr8k that
doubles the recall at 10 of whole sentences). The answer names the words that the best photo lacks. Phrases, exclusions
and filters always hold.

*Looks* (`appearance`): a word such as "red" or "dark" also matches photos that look so, as evidence beside that of the
texts. What a text says alone decides how much the word weighs and whether every word is matched somewhere: where no
text has all words, the photos of the things are found, those that look so first.

*Meaning*: where the query has a vector, photos whose cosine is near the best one join in; of a description words and
cosines count together as `captioner.blend` says. For a word or two that stand in captions or tags those photos come
first, and what only looks like it after them; a description goes mostly by its meaning. The cosine with one word alone
says little: some picture is always nearest, to "invoice" too. So a photo that only looks like a short query needs a
word that means nearly the same; where no photo has one only the `_FEW` nearest are shown.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from captioner import blend
from indexer.search import Query, Sort
from indexer.search.arrays import Floats, Mask
from indexer.search.certainty import GIVEN, probabilities, sure
from indexer.search.groups import Group
from indexer.search.matching import Matcher
from indexer.search.tokens import STOP_WORDS
from indexer.text import words

#: A query of so many words or more is a description.
DESCRIPTION_FROM = 4
_RELAXED = 0.5
_DESCRIBED = 0.25
_AS_MUCH = 0.999  # but for rounding
# Of 0 to 0.7 what finds best: 31 queries such as "two dogs", where two of five people used both words (Flickr8k dev).
_COUNT_SHARE, _COUNT_SHARE_DESCRIBED = 0.5, 0.02
# Measured on Flickr8k's dev split, recollect-atto-2: of pictures and the words that people used for them half have a
# cosine of 0.18 or more, of whole captions 0.46; 1% of all pairs have 0.37 or more. One word and a description:
_LEAST_COSINE, _LEAST_COSINE_DESCRIBED = 0.3, 0.2
_NEAR_BEST, _NEAR_BEST_DESCRIBED = 0.7, 0.6
_SURE_COSINE = 0.5  # half of them are right, whatever the photo's words say
# So near a whole description, four of five have half of its content words, or more, from people (recollect-lite-3).
_SURE_COSINE_DESCRIBED = 0.65
_FEW = 12
# Of pairs of photos (Flickr8k's dev split, recollect-atto-2) 5% have 0.43 or more; to its nearest a photo has 0.7.
ALIKE_COSINE = 0.43
#: A photo without an embedding is compared by so many of its words.
MOST_SIMILAR_WORDS = 12
_MOST_BY_MEANING = 200
SCORE_STEPS = 1000  # scores are compared in thousandths

Ranks = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Match:
    """The photos that a query finds: `mask` and `scores` have one entry per photo of the context."""

    mask: Mask
    scores: Floats  # 0..1
    groups: Sequence[Group] = ()
    corrections: dict[str, tuple[str, ...]] = field(default_factory=dict)
    dropped: tuple[str, ...] = ()
    sure: Mask | None = None  # which of them show what the query says by all that is known; None: all
    counts: Sequence[Group] = ()  # how many they say there are
    lacking: tuple[str, ...] = ()  # words that no photo has
    complete: Mask | None = None  # photos that have every word as it was typed, or one that means the same
    cosines: Floats | None = None  # of the photos that were found by meaning, else 0
    by_meaning: int = 0  # how many of them no word would have found

    @property
    def total(self) -> int:
        """How many photos were found."""
        return int(np.count_nonzero(self.mask))

    @property
    def total_sure(self) -> int:
        """How many of them are sure."""
        return self.total if self.sure is None else int(np.count_nonzero(self.sure))

    def missing_words(self, meant: Sequence[str], place: int) -> tuple[str, ...]:
        """Those of the query's words `meant` that no text of the photo at `place` holds."""
        held = {word for group in self.groups if group.scores[place] for word in words(group.typed)}
        return tuple(word for word in dict.fromkeys(meant) if word not in held)


#: Which of the photos at these places have words that confirm what they look like.
EvidenceCheck = Callable[[NDArray[np.int64]], Mask]


@dataclass(frozen=True, slots=True)
class RankingContext:
    """What a query is judged on: some photos, those of them that may be found at all, and what is known of the others.

    `frequency` says of a group how many photos of the whole library match it, of which there are `count`; `cosines`
    are those of the query's vector, 0 where there is none.
    """

    matcher: Matcher
    passing: Mask
    count: int
    cosines: Floats
    frequency: Callable[[Group], int] = lambda group: group.frequency
    check_evidence: EvidenceCheck | None = None  # without it every look is taken for supported


def rank(query: Query, context: RankingContext, *, fall_back: bool = True) -> Match:
    """Everything that `query` finds among the photos of `context`, filters aside.

    Where words and meaning find nothing, words with a meaning are looked at for typing mistakes, too, and then the
    nearest few pictures are taken; not so without `fall_back`.
    """
    passing = context.passing
    for text in query.excluded:
        passing = passing & ~context.matcher.exclusion_mask(text)
    phrases = [context.matcher.phrase(text) for text in query.phrases]
    for group in phrases:
        passing = passing & group.matching
    if query.vector is not None and not query.meant:
        query = replace(query, meant=_telling(query))
    context = replace(context, passing=passing, cosines=_of(context.cosines, passing))
    match = _prefer_counts(query, _match(query, context, phrases, fall_back=fall_back), context)
    return _sure_first(query, match, context)


def _match(query: Query, context: RankingContext, phrases: list[Group], *, fall_back: bool) -> Match:
    if not context.cosines.any():
        return _complete_first(_by_words(replace(query, meant=()), context, phrases))
    match = _with_meaning(query, _by_words(query, context, phrases), context)
    if match.total or not fall_back:
        return match
    match = _by_words(replace(query, meant=()), context, phrases)
    return match if match.total else _few(query, match, context.cosines)


def order_of(query: Query) -> Sort:
    """The order of the hits."""
    return query.sort or (Sort.RELEVANCE if query.words or query.phrases or query.vector else Sort.NEWEST)


def top_page(match: Match, newest: Ranks, oldest: Ranks, sort: Sort, limit: int, offset: int) -> NDArray[np.int64]:
    """The places of the photos from `offset` on, in order; the order is total, so pages never overlap.

    `newest` and `oldest` (photos,) are their ranks by date, the first of each order highest, all different.
    """
    found = np.flatnonzero(match.mask)
    if sort is Sort.RELEVANCE:
        steps = np.round(match.scores[found] * SCORE_STEPS).astype(np.int64)
        keys = steps * (len(newest) + 1) + newest[found]
    else:
        keys = (newest if sort is Sort.NEWEST else oldest)[found]
    wanted = min(offset + limit, len(found))
    if 0 < wanted < len(found):
        best = np.argpartition(keys, len(found) - wanted)[len(found) - wanted :]
        found, keys = found[best], keys[best]
    return found[np.argsort(-keys)][offset:wanted]


def _by_words(query: Query, context: RankingContext, phrases: list[Group]) -> Match:
    groups = context.matcher.groups(query)
    if len(groups) + len(query.counts) >= DESCRIPTION_FROM:
        match = _most(phrases, groups, context, _DESCRIBED)
    else:
        match = _all(phrases, groups, context)
        if not match.total and context.passing.any() and groups:
            groups = context.matcher.groups(query, correct_known=True)
            match = replace(_all(phrases, groups, context), complete=None)
            match = match if match.total else _most(phrases, groups, context, _RELAXED)
    return replace(match, corrections={group.typed: group.corrected for group in groups if group.corrected})


def _all(phrases: Sequence[Group], groups: Sequence[Group], context: RankingContext) -> Match:
    """The photos that have every word. A look is too weak an evidence to keep a photo of the thing from being found:
    where no text has all words, those are found that have all but the looks."""
    passing = context.passing
    looks = [group for group in groups if group.optional]
    complete = _having(groups, passing)
    by_text = _having(groups, passing, in_text=True) if looks else complete
    mask = complete if by_text.any() else _having([one for one in groups if not one.optional] or groups, passing)
    nowhere = tuple(look.typed for look in looks if not np.any(look.scores[mask])) if mask.any() else ()
    together = [*phrases, *groups]
    return Match(mask, _score(together, mask, context), together, dropped=nowhere, complete=complete)


def _having(groups: Sequence[Group], passing: Mask, *, in_text: bool = False) -> Mask:
    """The photos that match each of `groups`, by their texts or by their looks too."""
    for group in groups:
        passing = passing & (group.in_text if in_text else group.matching)
    return passing


def _complete_first(match: Match) -> Match:
    """Photos that look as the query says before those that only show the thing."""
    if match.complete is None or not any(group.optional for group in match.groups):
        return match
    return replace(match, scores=(match.scores + match.complete) * match.mask / np.float32(2))


def _most(phrases: Sequence[Group], groups: Sequence[Group], context: RankingContext, share: float) -> Match:
    """The photos that have this share of the words' weight, or as much as any has; words that none has don't count."""
    passing = context.passing
    known = [group for group in groups if bool(np.any(group.matching & passing))]
    if not known:
        return _all(phrases, groups, context)
    counted = [group for group in known if bool(np.any(group.in_text & passing))] or known
    covered = np.zeros(len(passing), np.float32)
    for weight, group in zip(_weights(counted, context), counted, strict=True):
        covered += weight * (group.in_text if group.frequency else group.matching)
    covered[~passing] = 0
    mask = passing & (covered >= min(share, float(covered.max()) * _AS_MUCH))
    together = [*phrases, *known]
    scores = _score(together, mask, context)
    best = int(np.argmax(scores))
    if share == _RELAXED:  # the words that are not said to be left out are clearly there
        for group in groups:
            mask = mask & group.matching if group.scores[best] else mask
        scores = np.where(mask, scores, np.float32(0))
    return Match(
        mask,
        scores,
        together,
        dropped=tuple(group.typed for group in groups if not group.scores[best]),
        lacking=tuple(group.typed for group in groups if group not in known),
    )


def weights_of(frequencies: Sequence[int], count: int) -> Floats:
    """Inverse document frequencies (BM25's), summing to 1, of words that so many of `count` photos have."""
    counts = np.array(frequencies, np.float32)
    weights = np.log1p((max(count, *frequencies, 0) - counts + 0.5) / (counts + 0.5))
    return np.asarray(weights / (weights.sum() or 1), np.float32)


def _weights(groups: Sequence[Group], context: RankingContext) -> Floats:
    return weights_of([context.frequency(group) for group in groups], context.count)


def _score(groups: Sequence[Group], mask: Mask, context: RankingContext) -> Floats:
    if not groups:
        return mask.astype(np.float32)
    places = np.flatnonzero(mask)
    found = np.zeros(len(places), np.float32)
    for weight, group in zip(_weights(groups, context), groups, strict=True):
        # Of a description the cosine of the picture says more than that of each word, and counts for itself.
        described = len(groups) >= DESCRIPTION_FROM
        found += weight * (group.scores[places] if described else _probabilities(group, context.cosines, places))
    scores = np.zeros(len(mask), np.float32)
    scores[places] = found
    return scores


def _probabilities(group: Group, cosines: Floats, places: Ranks) -> Floats:
    """That the photos at `places` show what the group says; of words that not the model alone says, by where they
    stand."""
    evidence, strengths = group.evidence[places], group.scores[places]
    found = probabilities(np.where(evidence >= GIVEN, strengths, evidence), cosines[places])
    return np.where(strengths > 0, found, np.float32(0))


def _prefer_counts(query: Query, match: Match, context: RankingContext) -> Match:
    """Puts photos whose texts have the query's numbers before others that are as likely."""
    if not query.counts or not match.total:
        return match
    groups = context.matcher.groups(Query(words=query.counts, prefix_last=False))
    places = np.flatnonzero(match.mask)
    count_probabilities = np.mean([_probabilities(group, context.cosines, places) for group in groups], axis=0)
    share = _COUNT_SHARE if _length(query) < DESCRIPTION_FROM else _COUNT_SHARE_DESCRIBED
    scores = np.float32(1 - share) * match.scores
    scores[places] += np.float32(share) * count_probabilities
    return replace(match, scores=scores, counts=tuple(groups))


def _sure_first(query: Query, match: Match, context: RankingContext) -> Match:
    """Photos that are sure come before all others. By a word that the answer says was left out none is found."""
    if not match.groups and query.vector is None:
        return match
    kept = [group for group in match.groups if group.typed not in match.dropped]
    is_sure = np.zeros_like(match.mask)
    if kept and set(match.lacking) <= set(match.dropped):
        places = np.flatnonzero(match.mask)
        for group in kept:
            places = places[sure(group.evidence[places], context.cosines[places])]
        is_sure[places] = True
    if _length(query) >= DESCRIPTION_FROM:
        is_sure |= match.mask & (context.cosines >= _SURE_COSINE_DESCRIBED)
    return replace(match, sure=is_sure, scores=(match.scores + is_sure) / np.float32(2))


def _with_meaning(query: Query, match: Match, context: RankingContext) -> Match:
    cosines = context.cosines
    literal = _of(cosines, _literal(query, match))
    # Without words there is nothing to blend: an empty query with a vector is ordered by meaning alone.
    worded = match.mask if match.groups else np.zeros_like(match.mask)
    length = _length(query)
    if length < DESCRIPTION_FROM:
        near = _near(literal, _LEAST_COSINE, _NEAR_BEST)
        near = (
            near if context.check_evidence is None else _drop_unsupported(near, worded, cosines, context.check_evidence)
        )
    else:
        near = _near(literal, _LEAST_COSINE_DESCRIBED, _NEAR_BEST_DESCRIBED)
    mask = worded | near
    places = np.flatnonzero(mask)
    own, found = np.multiply(match.scores[places], worded[places], dtype=np.float32), cosines[places]
    if match.complete is not None and length < DESCRIPTION_FROM:
        by_look = blend(np.zeros_like(found), found, length, among=cosines)
        complete = match.complete if match.groups else worded
        own = np.asarray((own + by_look * ~worded[places] + complete[places]) / 2, np.float32)
    else:
        own = blend(own, found, length, among=cosines)
    scores = np.zeros(len(mask), np.float32)
    scores[places] = own
    return replace(
        match,
        mask=mask,
        scores=scores,
        dropped=tuple(word for word in match.dropped if not set(words(word)) <= set(query.meant)),
        cosines=_of(cosines, near),
        by_meaning=int(np.count_nonzero(near & ~worded)),
    )


def _few(query: Query, match: Match, cosines: Floats) -> Match:
    """The nearest few pictures, for a query that no photo's words match or confirm."""
    near = _near(_of(cosines, _literal(query, match)), _LEAST_COSINE, _NEAR_BEST, _FEW)
    scores = np.where(near, np.clip(cosines, 0, 1), np.float32(0))
    return replace(match, mask=near, scores=scores, cosines=scores, dropped=(), by_meaning=int(np.count_nonzero(near)))


def _of(values: Floats, mask: Mask) -> Floats:
    """`values` of the photos of `mask`, 0 for all others: in a third of the time that `numpy.where` takes."""
    return values if mask.all() else np.multiply(values, mask, dtype=np.float32)


def _length(query: Query) -> int:
    """How many words the query has, less those that say nothing of a picture."""
    return len(_telling(query)) + len(query.counts)


def _telling(query: Query) -> tuple[str, ...]:
    return tuple(word for text in (*query.phrases, *query.words) for word in words(text) if word not in STOP_WORDS)


def _literal(query: Query, match: Match) -> Mask:
    """The photos that have those words of the query that meaning can't stand for: names, numbers, phrases."""
    mask = np.ones(len(match.mask), np.bool_)
    for group in match.groups:
        own = set(words(group.typed))
        if own - set(query.meant) and (group.phrase or any(group.kinds.get(word) == "exact" for word in own)):
            mask &= group.matching
    return mask


def _near(cosines: Floats, least: float, near_best: float, most: int = _MOST_BY_MEANING) -> Mask:
    """The photos that a query finds by meaning alone."""
    near = cosines >= max(least, near_best * float(cosines.max(initial=0)))
    places = np.flatnonzero(near)
    if len(places) > most:
        best = np.argpartition(cosines[places], len(places) - most)[len(places) - most :]
        near = np.zeros_like(near)
        near[places[best]] = True
    return near


def _drop_unsupported(near: Mask, worded: Mask, cosines: Floats, check: EvidenceCheck) -> Mask:
    doubtful = np.flatnonzero(near & ~worded & (cosines < _SURE_COSINE))
    found = near.copy()
    found[doubtful] = check(doubtful)
    return found
