"""Why each photo of a page was found: its words that matched, and what of it comes near the words that did not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from indexer.search import Hit
from indexer.search.highlight import Sought, best_kind
from indexer.search.matching import STOP_WORDS
from indexer.search.meaning import Meaning, reason
from indexer.search.ranking import Match

_TELLING = frozenset({"person_caption", "machine_caption", "tags", "keywords", "title"})

#: A photo's texts: field, text, and the words of the text.
Texts = Sequence[Sequence[str]]


def hits_of(
    photos: Iterable[tuple[int, str, Texts]], match: Match, meaning: Meaning, meant: Sequence[str] = ()
) -> tuple[Hit, ...]:
    """The hits of a page, given as place in `match`, id and texts; `meant` are the query's words with a meaning."""
    rows = list(photos)
    sought = Sought(
        best_kind(group.kinds for group in match.groups),
        tuple(group.prefix for group in match.groups if group.prefix),
        tuple(group.phrase for group in match.groups if group.phrase),
    )
    by_look = match.cosines if match.cosines is not None else np.zeros(len(match.mask), np.float32)
    told = {place: (match.missed(meant, place), told_by(texts)) for place, _, texts in rows if by_look[place]}
    near = meaning.near(
        {word for missed, _ in told.values() for word in missed},
        {word for missed, own in told.values() if missed for word in own},
    )
    hits = []
    for place, photo_id, texts in rows:
        why = sought.reasons((texts_[0], texts_[1], texts_[2]) for texts_ in texts) if match.groups else ()
        if place in told:
            why = (*why, reason(*told[place], near))
        hits.append(Hit(photo_id, round(float(match.scores[place]), 4), why))
    return tuple(hits)


def told_by(texts: Texts) -> frozenset[str]:
    """The words that say what is in the picture."""
    return frozenset(word for field, _, folded in texts if field in _TELLING for word in folded.split()) - STOP_WORDS
