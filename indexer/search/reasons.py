"""Why each photo of a page was found: its words that matched, and what of it comes near the words that did not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from indexer.search import Hit, Why
from indexer.search.compounds import part_keys, parts_in
from indexer.search.fields import APPEARANCE
from indexer.search.meaning import Meaning, reason
from indexer.search.ranking import Match
from indexer.search.tokens import STOP_WORDS
from indexer.text import Span, spans

#: From best to worst; a text's reason is its best one.
KINDS = ("exact", "prefix", "synonym", "part", "typo")
_RANK = {kind: rank for rank, kind in enumerate(KINDS)}
_TELLING = frozenset(
    {"person_caption", "machine_caption", "tags", "keywords", "title", "headline", "alt_texts", "comments"}
)
_TAKING = frozenset({"camera", "lens", "creators", APPEARANCE})


@dataclass(frozen=True)
class PhotoTexts:
    """The texts of one photo: field, text, and the words of the text, for each."""

    id: str
    texts: Sequence[Sequence[str]]

    @cached_property
    def camera_words(self) -> frozenset[str]:
        """The words that only say what the photo was taken with and by whom: two photos are not alike for those."""
        others = {word for field, _, folded in self.texts if field not in _TAKING for word in folded.split()}
        return frozenset(word for _, _, folded in self.texts for word in folded.split()) - others

    @cached_property
    def content_words(self) -> frozenset[str]:
        """The words that say what is in the picture."""
        return frozenset(word for field, _, folded in self.texts if field in _TELLING for word in folded.split()) - (
            STOP_WORDS
        )


def hits_of(
    photos: Iterable[tuple[int, PhotoTexts]], match: Match, meaning: Meaning, meant: Sequence[str] = ()
) -> tuple[Hit, ...]:
    """The hits of a page, given as place in `match` and texts; `meant` are the query's words with a meaning."""
    rows = list(photos)
    highlighter = Highlighter(
        best_kind(group.kinds for group in (*match.groups, *match.counts)),
        tuple(group.prefix for group in match.groups if group.prefix),
        tuple(group.phrase for group in match.groups if group.phrase),
        frozenset(key for group in match.groups for key in group.parts),
    )
    by_look = match.cosines if match.cosines is not None else np.zeros(len(match.mask), np.float32)
    missed_and_own = {
        place: (match.missing_words(meant, place), photo_texts.content_words)
        for place, photo_texts in rows
        if by_look[place]
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
        is_sure = match.sure is None or bool(match.sure[place])
        hits.append(Hit(photo_texts.id, round(float(match.scores[place]), 4), why, is_sure))
    return tuple(hits)


@dataclass(frozen=True, slots=True)
class Highlighter:
    """What to mark: words with their kind of match, beginnings of words, and words that follow one another."""

    kinds: dict[str, str]
    prefixes: tuple[str, ...]
    phrases: tuple[tuple[str, ...], ...]
    parts: frozenset[str] = frozenset()  # keys of parts of words (`compounds.part_keys`)

    def reasons(self, texts: Iterable[Sequence[str]]) -> tuple[Why, ...]:
        """The reasons among the texts of a photo, each given as field, text, and the words of the text."""
        known = self.kinds.keys()
        starts = [f" {start}" for start in (*self.prefixes, *(phrase[0] for phrase in self.phrases))]
        found = []
        for field, text, folded in texts:
            # Whether it can be a reason at all: most texts are none, and a page has hundreds.
            concerned = bool(known) and not known.isdisjoint(folded.split())
            if not concerned and starts:
                concerned = _has_any(f" {folded}", starts)
            if concerned and (why := self._reason(field, text)):
                found.append(why)
        return tuple(found)

    def _reason(self, field: str, text: str) -> Why | None:
        if field == APPEARANCE:
            return Why(field, text, ((0, len(text)),), "exact")
        found = spans(text)
        known = self.kinds
        kinds = {place: known[span.word] for place, span in enumerate(found) if span.word in known}
        if self.prefixes:
            for place, span in enumerate(found):
                if span.word.startswith(self.prefixes) and kinds.get(place) != "exact":
                    kinds[place] = "prefix"
        if self.phrases:
            kinds |= dict.fromkeys(self._in_phrases([span.word for span in found]), "exact")
        if not kinds:
            return None
        marked: list[tuple[int, int]] = []
        for at in sorted(kinds):
            span = found[at]
            marked += self._parts_of(text, span) if kinds[at] == "part" else [(span.start, span.end)]
        return Why(field, text, tuple(_join_touching(marked)), min(kinds.values(), key=_RANK.__getitem__))

    def _parts_of(self, text: str, span: Span) -> list[tuple[int, int]]:
        """Where in `text` the parts of a word are that match; all of it where none does."""
        own = sorted(
            {
                (span.start + one.start, span.start + one.end)
                for one in parts_in(text[span.start : span.end])
                if not self.parts.isdisjoint(part_keys(one.word))
            }
        )
        return own or [(span.start, span.end)]

    def _in_phrases(self, texts: Sequence[str]) -> Iterator[int]:
        for phrase in self.phrases:
            for start in range(len(texts) - len(phrase) + 1):
                if tuple(texts[start : start + len(phrase)]) == phrase:
                    yield from range(start, start + len(phrase))


def _has_any(text: str, parts: Iterable[str]) -> bool:
    # A generator in any() costs three times as much, and this runs a thousand times a page.
    for part in parts:  # noqa: SIM110
        if part in text:
            return True
    return False


def best_kind(kinds: Iterable[dict[str, str]]) -> dict[str, str]:
    """Several words' kinds in one table; where they differ the better one counts."""
    best: dict[str, str] = {}
    for table in kinds:
        for word, kind in table.items():
            if word not in best or _RANK[kind] < _RANK[best[word]]:
                best[word] = kind
    return best


def _join_touching(marked: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Neighbours with nothing between them as one span: the characters of a Chinese word, "DSC" and "0307"."""
    current: tuple[int, int] | None = None
    for start, end in marked:
        if current and current[1] == start:
            current = (current[0], end)
            continue
        if current:
            yield current
        current = (start, end)
    if current:
        yield current
