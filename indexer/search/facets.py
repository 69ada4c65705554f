"""Facets, and which of their values a filter means."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from rapidfuzz import fuzz, process

from indexer.search import Filter
from indexer.search.aliases import spelt_out
from indexer.search.arrays import Ints
from indexer.search.tokens import quote
from indexer.text import words

FACETS = ("year", "month", "camera", "lens", "place", "folder", "person", "tag", "type", "rating")
#: Facets whose values have an order of their own; the others come by count.
BY_VALUE = frozenset({"year", "month", "rating"})
#: Filters whose values are those that photos have.
VALUE_FILTERS = frozenset(FACETS) - BY_VALUE
#: Facets whose values are names, and the one whose values are things.
NAMING, THINGS = ("person", "place", "camera", "lens"), "tag"

_NEAREST_FROM = 60.0  # rapidfuzz's ratio, 0..100


@dataclass(slots=True)
class Facet:
    """The values of one facet with their codes; `folded` is read when a filter first needs it."""

    codes: Ints
    values: tuple[str, ...]
    _folded: tuple[str, ...] = ()

    @property
    def folded(self) -> tuple[str, ...]:
        """The words of each value between spaces: " summer 2019 "."""
        known = self._folded
        if len(known) < len(self.values):
            self._folded = known + tuple(f" {' '.join(words(value))} " for value in self.values[len(known) :])
        return self._folded

    def with_values(self, values: Mapping[int, str]) -> Facet:
        """With more values by code."""
        codes = np.concatenate([self.codes, np.fromiter(values, np.int32)])
        return Facet(codes, (*self.values, *values.values()), self._folded)


NO_VALUES = Facet(np.zeros(0, np.int32), ())


def check_names(names: Iterable[str]) -> None:
    """Raises `ValueError` where there is no such facet."""
    for name in names:
        if name not in FACETS:
            raise ValueError(f"there is no facet {name!r}; facets are {', '.join(FACETS)}")


def matching_values(known: Facet, wanted: str) -> list[int]:
    """The values that a filter means: the same one, else those that contain its words, else their beginnings. A filter
    without words, such as folder:!, means the value that is written so."""
    inner = " ".join(words(wanted))
    if not inner:
        return [place for place, value in enumerate(known.values) if value.casefold() == wanted.casefold()]
    whole, start = f" {inner} ", f" {inner}"
    same = [place for place, folded in enumerate(known.folded) if folded == whole]
    containing = same or [place for place, folded in enumerate(known.folded) if whole in folded]
    beginning = containing or [place for place, folded in enumerate(known.folded) if start in folded]
    return beginning or _match_spelt_out(known, wanted)


def _match_spelt_out(known: Facet, wanted: str) -> list[int]:
    """The values that have the words of a filter with umlauts spelt out, on either side: Müller and Mueller."""
    inner = f" {' '.join(words(spelt_out(wanted) or wanted))} "
    spelt = ((place, spelt_out(value) or value) for place, value in enumerate(known.values))
    return [place for place, value in spelt if inner in f" {' '.join(words(value))} "]


def nearest_values(known: Facet, item: Filter) -> dict[str, tuple[str, ...]]:
    """What a filter whose value nobody has may have meant, as `Answer.corrections` says it."""
    wanted = f" {' '.join(words(item.value))} "
    found = process.extract(
        wanted, known.folded, scorer=fuzz.WRatio, processor=str.strip, limit=3, score_cutoff=_NEAREST_FROM
    )
    near = tuple(f"{item.name}:{quote(known.values[place])}" for _, _, place in found)
    return {f"{item.name}:{quote(item.value)}": near} if near else {}
