"""Filters as the server understands them, and the values that filters may have.

https://www.meilisearch.com/docs/learn/filtering_and_sorting/filter_expression_reference
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from indexer.search import Filter, FilterError
from indexer.search.embedded_filter import VALUE_FILTERS, nearest_values, places_meant
from indexer.search.embedded_picture import NAMING, THINGS, Facet
from indexer.search.fields import taken_s
from indexer.search.filters import date_range, near_circle, rating_range
from indexer.search.meilisearch.declared import FACET
from indexer.search.meilisearch.layout import escaped, unescaped

NOTHING = 'id = "-"'  # no content key


class Values:
    """The values of facets that photos have; `ask` counts those of one. What was read is kept until `outdate`."""

    def __init__(self, ask: Callable[[str], Mapping[str, int]]) -> None:
        self._ask = ask
        self._known: dict[str, Facet] = {}
        self._proper: frozenset[str] | None = None
        self._lock = threading.Lock()

    def outdate(self) -> None:
        """Says that photos may have others now."""
        with self._lock:
            self._known = {}
            self._proper = None

    def facet(self, name: str) -> Facet:
        """The values of one facet, in order."""
        known = self._known
        if name not in known:
            values = tuple(sorted(unescaped(value) for value in self._ask(name)))
            known[name] = Facet(np.arange(len(values), dtype=np.int32), values)
        return known[name]

    def proper_names(self) -> frozenset[str]:
        """The words by which people, places and cameras are called here, and nothing that a picture shows."""
        proper = self._proper
        if proper is None:
            proper = self._proper = self._folded(*NAMING) - self._folded(THINGS)
        return proper

    def _folded(self, *facets: str) -> frozenset[str]:
        return frozenset(word for name in facets for folded in self.facet(name).folded for word in folded.split())


def narrowed(filters: Sequence[Filter], values: Values) -> tuple[list[str], dict[str, tuple[str, ...]]]:
    """One expression for each filter, and the nearest values of filters that fit none. Raises `FilterError`."""
    expressions: list[str] = []
    nearest: dict[str, tuple[str, ...]] = {}
    for item in filters:
        if item.name in VALUE_FILTERS:
            known = values.facet(item.name)
            meant = [known.values[place] for place in places_meant(known, item.value)]
            nearest |= {} if meant else nearest_values(known, item)
            expression = f"{FACET}{item.name} IN [{', '.join(map(_quoted, meant))}]" if meant else NOTHING
        else:
            expression = _number(item)
        expressions.append(f"NOT ({expression})" if item.negated else expression)
    return expressions, nearest


def among(ids: Sequence[str]) -> str:
    """Only these photos."""
    return f"id IN [{', '.join(map(_quoted, ids))}]" if ids else NOTHING


def _number(item: Filter) -> str:
    if item.name in {"before", "after", "year"}:
        start, end = map(taken_s, date_range(item.value))
        return {
            "before": f"taken < {start}",
            "after": f"taken >= {start}",
            "year": f"taken >= {start} AND taken < {end}",
        }[item.name]
    if item.name == "rating":
        low, high = rating_range(item.value)
        return f"stars >= {low} AND stars <= {high}"
    if item.name == "near":
        centre, radius_km = near_circle(item.value)
        return f"_geoRadius({centre.latitude}, {centre.longitude}, {round(radius_km * 1000)})"
    raise FilterError(f"{item.name}: can't be answered by Meilisearch")


def _quoted(value: str) -> str:
    return f'"{escaped(value)}"'
