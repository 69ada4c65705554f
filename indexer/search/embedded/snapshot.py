"""The snapshot that the embedded search keeps in memory of its SQLite file, as numpy arrays.

100,000 photos take some 20 MB: for every word (and every facet value) the photos that have it, and a few columns for
filters and sorting. With it a keystroke costs a millisecond or two, whatever was typed; FTS5 alone needs 50 to 150 ms
to rank what a common word or a one-letter prefix matches. The arrays of an `IndexSnapshot` never change:
`indexer.search.embedded.refresh` makes the next one, so that readers need no lock.
"""

from __future__ import annotations

import bisect
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

from indexer.search.aliases import AliasKind
from indexer.search.arrays import Floats, Ints, Mask
from indexer.search.embedded.schema import WORD, State
from indexer.search.facets import NAMING, NO_VALUES, THINGS, Facet
from indexer.search.fields import COVER, GIVEN_BIT, STACK
from indexer.search.folding import StackColumns
from indexer.search.languages import languages_among

NO_DATE = np.iinfo(np.int64).min
NO_RATING = -128
_ALIASES = frozenset(AliasKind)
# Postings that `Postings.counts` counts at once: its arrays then fit the processor's cache.
_AT_ONCE = 1 << 16


@dataclass(frozen=True, slots=True)
class Postings:
    """Which photos have which code: those of code c are `photos[starts[c]:starts[c + 1]]`, each once.

    starts: int64 (codes + 1,); photos: int32 (n,); strengths: uint8 (n,), or empty where all are alike.
    """

    starts: NDArray[np.int64]
    photos: Ints
    strengths: NDArray[np.uint8]

    @classmethod
    def of(cls, codes: Ints, photos: Ints, strengths: NDArray[np.uint8]) -> Self:
        """From parallel arrays in any order."""
        order = np.argsort(codes, kind="stable")
        starts = np.concatenate([[0], np.cumsum(np.bincount(codes))]) if len(codes) else np.zeros(1, np.int64)
        return cls(starts.astype(np.int64), photos[order], strengths[order] if len(strengths) else strengths)

    def merge(self, other: Postings, alive: Mask) -> Postings:
        """Both in one, without the photos that are gone."""
        codes = np.concatenate([self._codes(), other._codes()])
        photos = np.concatenate([self.photos, other.photos])
        strengths = np.concatenate([self.strengths, other.strengths])
        kept = alive[photos]
        return Postings.of(codes[kept], photos[kept], strengths[kept] if len(strengths) else strengths)

    def _codes(self) -> Ints:
        return np.repeat(np.arange(len(self.starts) - 1, dtype=np.int32), np.diff(self.starts))

    def bounds(self, codes: Ints) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Where the photos of each of `codes` start, and how many they are."""
        inside = np.minimum(codes, len(self.starts) - 1)
        starts = self.starts[inside]
        return starts, self.starts[np.minimum(inside + 1, len(self.starts) - 1)] - starts

    def counts(self, mask: Mask) -> Ints:
        """How many photos of `mask` have each code, (codes,)."""
        before = np.zeros(len(self.starts), np.int32)  # those of all codes before
        total = 0
        for first in range(0, len(self.photos), _AT_ONCE):
            running = np.cumsum(mask[self.photos[first : first + _AT_ONCE]], dtype=np.int32)
            # The codes that begin in this block: what was counted before their first posting.
            here = slice(*np.searchsorted(self.starts, [first, first + len(running)], side="right").tolist())
            before[here] = total + running[self.starts[here] - first - 1]
            total += int(running[-1])
        return np.diff(before)

    def places(self, codes: Ints) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Indexes into `photos` of all of `codes`, one after another, and how many each code has: of codes at 3..5 and
        9..10 that is [3, 4, 9], [2, 1]."""
        starts, counts = self.bounds(codes)
        ends = np.cumsum(counts)
        total = int(ends[-1]) if len(ends) else 0
        return np.arange(total) + np.repeat(starts - ends + counts, counts), counts


@dataclass(slots=True)
class Names:
    """The words and values that codes stand for. It only grows; a list that other threads may be walking through is
    replaced as a whole."""

    last: int = 0
    word_codes: dict[str, int] = field(default_factory=dict)
    words_sorted: list[str] = field(default_factory=list)
    facets: dict[str, Facet] = field(default_factory=dict)
    _aliases: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    _languages: tuple[int, tuple[str, ...]] = (-1, ())
    _proper: tuple[int, frozenset[str]] = (-1, frozenset())

    def follow(self, connection: sqlite3.Connection) -> None:
        """Reads the names that are new."""
        new_words: list[str] = []
        new_values: dict[str, dict[int, str]] = {}
        for code, kind, text in connection.execute(
            "SELECT code, kind, text FROM name WHERE code > ? ORDER BY code", (self.last,)
        ):
            if kind == WORD:
                self.word_codes[text] = code
                new_words.append(text)
            elif kind in _ALIASES:
                alias, _, word = text.partition(" ")
                self._aliases[kind, alias] = (*self._aliases.get((kind, alias), ()), word)
            else:
                new_values.setdefault(kind, {})[code] = text
            self.last = code
        if new_words:
            self.words_sorted = sorted(self.words_sorted + new_words)
        for kind, values in new_values.items():
            self.facets[kind] = self.facets.get(kind, NO_VALUES).with_values(values)

    def words_with_alias(self, kind: AliasKind, text: str) -> tuple[str, ...]:
        """The words that have this alias."""
        return self._aliases.get((kind, text), ())

    def languages(self) -> tuple[str, ...]:
        """The languages that words here are in, besides English."""
        last, languages = self._languages
        if last != self.last:
            last, languages = self.last, languages_among(self.word_codes)
            self._languages = (last, languages)
        return languages

    def facet(self, name: str) -> Facet:
        """The values of a facet that photos have, or have had."""
        return self.facets.get(name, NO_VALUES)

    def proper_names(self) -> frozenset[str]:
        """The words in names of people, places and cameras, without those that name things, too."""
        last, proper = self._proper
        if last != self.last:
            last = self.last
            proper = self._words_of(*NAMING) - self._words_of(THINGS)
            self._proper = (last, proper)
        return proper

    def _words_of(self, *facets: str) -> frozenset[str]:
        return frozenset(word for name in facets for value in self.facet(name).folded for word in value.split())

    def beginning_with(self, prefix: str) -> list[str]:
        """The words that begin with `prefix`, in order."""
        ordered = self.words_sorted
        low = bisect.bisect_left(ordered, prefix)
        return ordered[low : bisect.bisect_left(ordered, prefix + "\U0010ffff", low)]


@dataclass(frozen=True, slots=True)
class IndexSnapshot:
    """One state of the index. Arrays have one entry per photo, in the order of `docnos`, unless said otherwise."""

    state: State
    last_forgotten: int
    names: Names
    docnos: NDArray[np.int64]  # ascending
    taken_s: NDArray[np.int64]
    ratings: NDArray[np.int8]
    latitudes: Floats  # NaN: unknown
    longitudes: Floats
    alive: Mask
    words: tuple[Postings, ...]  # segments over the same photos, larger ones first
    facets: tuple[Postings, ...]
    newest: NDArray[np.int64]  # rank by date: the newest photo has the highest; 0 without a date
    oldest: NDArray[np.int64]  # the oldest has the highest; 0 without a date

    @property
    def count(self) -> int:
        """How many photos there are."""
        return int(np.count_nonzero(self.alive))

    def scores(self, codes: Ints, qualities: Floats) -> Floats:
        """Per photo the best of strength times quality among `codes`, (n,); 0 where it has none of them."""
        return self.matches(codes, qualities)[0]

    def matches(self, codes: Ints, qualities: Floats) -> tuple[Floats, Mask]:
        """`scores`, and the photos with one of the words `codes` that somebody other than the model says."""
        best = np.zeros(len(self.docnos), np.float32)
        given = np.zeros(len(self.docnos), np.bool_)
        for segment in self.words:
            places, counts = segment.places(codes)
            photos, strengths = segment.photos[places], segment.strengths[places]
            values = strengths * (np.repeat(qualities, counts) / np.float32(255))
            if len(codes) == 1:
                best[photos] = values
            else:
                np.maximum.at(best, photos, values)
            given[photos[(strengths & GIVEN_BIT) != 0]] = True
        return best, given

    def having_words(self, codes: Ints) -> tuple[Mask, Mask]:
        """The photos that have one of the words `codes` by the model alone, and those that have one by others too."""
        modelled, given = np.zeros(len(self.docnos), np.bool_), np.zeros(len(self.docnos), np.bool_)
        for segment in self.words:
            places, _ = segment.places(codes)
            photos, is_given = segment.photos[places], (segment.strengths[places] & GIVEN_BIT) != 0
            given[photos[is_given]] = True
            modelled[photos[~is_given]] = True
        return modelled, given

    def frequencies(self, codes: Ints) -> NDArray[np.int64]:
        """How many photos each of the words `codes` has."""
        return sum((segment.bounds(codes)[1] for segment in self.words), np.zeros(len(codes), np.int64))

    def having(self, codes: Ints) -> Mask:
        """The photos that have any of the facet values `codes`."""
        mask = np.zeros(len(self.docnos), np.bool_)
        for segment in self.facets:
            mask[segment.photos[segment.places(codes)[0]]] = True
        return mask

    def stacks(self) -> StackColumns:
        """The stacks of photos that are nearly the same."""
        numbers = np.zeros(len(self.docnos), np.int32)
        codes = self.names.facet(STACK).codes
        for segment in self.facets:
            places, counts = segment.places(codes)
            numbers[segment.photos[places]] = np.repeat(codes, counts)
        return StackColumns.of(np.where(self.alive, numbers, 0), self.having(self.names.facet(COVER).codes))

    def counts(self, mask: Mask) -> Ints:
        """How many photos of `mask` have each facet value, by code."""
        found = np.zeros(self.names.last + 1, np.int32)
        for segment in self.facets:
            found[: len(segment.starts) - 1] += segment.counts(mask)
        return found

    def where(self, docnos: Iterable[int]) -> Mask:
        """The photos with these docnos; those that the snapshot doesn't know are passed over."""
        wanted = np.fromiter(docnos, np.int64)
        at = np.searchsorted(self.docnos, wanted)
        known = at < len(self.docnos)
        at, wanted = at[known], wanted[known]
        mask = np.zeros(len(self.docnos), np.bool_)
        mask[at[self.docnos[at] == wanted]] = True
        return mask
