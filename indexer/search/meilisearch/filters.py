"""Filters as the server understands them, and the values that filters may have.

https://www.meilisearch.com/docs/learn/filtering_and_sorting/filter_expression_reference
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from indexer.message import Message
from indexer.search import Filter, FilterError
from indexer.search.facets import NAMING, THINGS, VALUE_FILTERS, Facet, matching_values, nearest_values
from indexer.search.fields import taken_s
from indexer.search.filters import date_range, near_circle, periods_around, rating_range
from indexer.search.meilisearch.index_settings import FACET
from indexer.search.meilisearch.layout import escaped, unescaped

NOTHING = 'id = "-"'  # no content key


class Values:
    """The values of facets that photos have; `ask` gives those of several. What was read is kept until `invalidate`."""

    def __init__(self, ask: Callable[[Sequence[str]], Mapping[str, Iterable[str]]]) -> None:
        self._ask = ask
        self._known: dict[str, Facet] = {}
        self._proper: frozenset[str] | None = None

    def invalidate(self, *, proper_names: bool = True) -> None:
        """Says that photos may have others now. Proper names are many to read and seldom new: they may stay."""
        self._known = {}
        if proper_names:
            self._proper = None

    def facet(self, name: str) -> Facet:
        """The values of one facet, in order."""
        return self._facets([name])[name]

    def proper_names(self) -> frozenset[str]:
        """The words by which people, places and cameras are called here, and nothing that a picture shows."""
        proper = self._proper
        if proper is None:
            facets = self._facets([*NAMING, THINGS])
            things = _words_of(facets.pop(THINGS))
            proper = self._proper = frozenset().union(*map(_words_of, facets.values())) - things
        return proper

    def _facets(self, names: Sequence[str]) -> dict[str, Facet]:
        known = self._known
        missing = [name for name in names if name not in known]
        for name, values in self._ask(missing).items() if missing else ():
            ordered = tuple(sorted(map(unescaped, values)))
            known[name] = Facet(np.arange(len(ordered), dtype=np.int32), ordered)
        return {name: known[name] for name in names}


def _words_of(facet: Facet) -> frozenset[str]:
    return frozenset(word for folded in facet.folded for word in folded.split())


def filter_expression(filters: Sequence[Filter], values: Values) -> tuple[list[str], dict[str, tuple[str, ...]]]:
    """One expression for each filter, and the nearest values of filters that fit none. Raises `FilterError`."""
    expressions: list[str] = []
    nearest: dict[str, tuple[str, ...]] = {}
    for item in filters:
        if item.name in VALUE_FILTERS:
            known = values.facet(item.name)
            meant = [known.values[place] for place in matching_values(known, item.value)]
            nearest |= {} if meant else nearest_values(known, item)
            expression = f"{FACET}{item.name} IN [{', '.join(map(_quoted, meant))}]" if meant else NOTHING
        else:
            expression = _number_expression(item)
        expressions.append(f"NOT ({expression})" if item.negated else expression)
    return expressions, nearest


def among(ids: Sequence[str]) -> str:
    """Only these photos."""
    return f"id IN [{', '.join(map(_quoted, ids))}]" if ids else NOTHING


def _number_expression(item: Filter) -> str:
    if item.name in {"before", "after", "year"}:
        start, end = map(taken_s, date_range(item.value))
        around = ", ".join(map(_quoted, periods_around(item.value))) if item.name == "before" else ""
        return {
            "before": f"taken < {start}" + (f" AND {FACET}period NOT IN [{around}]" if around else ""),
            "after": f"taken >= {start}",
            "year": f"taken >= {start} AND taken < {end}",
        }[item.name]
    if item.name == "rating":
        low, high = rating_range(item.value)
        return f"stars >= {low} AND stars <= {high}"
    if item.name == "near":
        centre, radius_km = near_circle(item.value)
        return f"_geoRadius({centre.latitude}, {centre.longitude}, {round(radius_km * 1000)})"
    raise FilterError(Message("%(name)s: can't be answered by Meilisearch", name=item.name))


def _quoted(value: str) -> str:
    return f'"{escaped(value)}"'
