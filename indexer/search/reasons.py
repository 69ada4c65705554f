"""Why each photo of a page was found: its words that matched, and what of it comes near the words that did not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from indexer.search import Hit
from indexer.search.highlight import Highlighter, best_kind
from indexer.search.meaning import Meaning, reason
from indexer.search.photo_texts import PhotoTexts
from indexer.search.ranking import Match


def hits_of(
    photos: Iterable[tuple[int, PhotoTexts]], match: Match, meaning: Meaning, meant: Sequence[str] = ()
) -> tuple[Hit, ...]:
    """The hits of a page, given as place in `match` and texts; `meant` are the query's words with a meaning."""
    rows = list(photos)
    highlighter = Highlighter(
        best_kind(group.kinds for group in match.groups),
        tuple(group.prefix for group in match.groups if group.prefix),
        tuple(group.phrase for group in match.groups if group.phrase),
    )
    by_look = match.cosines if match.cosines is not None else np.zeros(len(match.mask), np.float32)
    missed_and_own = {
        place: (match.missed(meant, place), photo_texts.content_words) for place, photo_texts in rows if by_look[place]
    }
    near = meaning.near(
        {word for missed, _ in missed_and_own.values() for word in missed},
        frozenset().union(*(own for missed, own in missed_and_own.values() if missed)),
    )
    hits = []
    for place, photo_texts in rows:
        why = highlighter.reasons(photo_texts.texts) if match.groups else ()
        if place in missed_and_own:
            why = (*why, reason(*missed_and_own[place], near))
        hits.append(Hit(photo_texts.id, round(float(match.scores[place]), 4), why))
    return tuple(hits)
