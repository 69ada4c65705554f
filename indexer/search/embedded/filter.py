"""Filters and facets over the snapshot in memory (`indexer.search.embedded.snapshot`)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from indexer.message import Message
from indexer.search import FacetCount, Filter, FilterError
from indexer.search.arrays import Ints, Mask
from indexer.search.embedded.snapshot import NO_DATE, NO_RATING, IndexSnapshot
from indexer.search.facets import BY_VALUE, FACETS, VALUE_FILTERS, Facet, matching_values, nearest_values
from indexer.search.fields import taken_s
from indexer.search.filters import date_range, near_circle, periods_around, rating_range

_EARTH_KM = 6371.0088
_KM_PER_DEGREE = 111.2


def filter_mask(snapshot: IndexSnapshot, filters: Sequence[Filter]) -> tuple[Mask, dict[str, tuple[str, ...]]]:
    """The living photos that pass all `filters`, (photos,), and the nearest values of filters that fit none."""
    mask = snapshot.alive
    nearest: dict[str, tuple[str, ...]] = {}
    for item in filters:
        if item.name in VALUE_FILTERS:
            known = snapshot.names.facet(item.name)
            codes = known.codes[matching_values(known, item.value)]
            if not len(codes):
                nearest |= nearest_values(known, item)
            passing = snapshot.having(codes)
        else:
            passing = _column_filter(snapshot, item)
        mask = mask & (~passing if item.negated else passing)
    return mask, nearest


def count_facets(
    snapshot: IndexSnapshot, mask: Mask, names: Sequence[str], limit: int
) -> dict[str, tuple[FacetCount, ...]]:
    """The values of each facet among the photos of `mask`. Raises `ValueError` for a facet that there is not."""
    for name in names:
        if name not in FACETS:
            raise ValueError(f"there is no facet {name!r}; facets are {', '.join(FACETS)}")
    counts = snapshot.counts(mask)
    return {name: _counted(snapshot.names.facet(name), counts, name in BY_VALUE, max(limit, 0)) for name in names}


def _counted(facet: Facet, by_code: Ints, by_value: bool, limit: int) -> tuple[FacetCount, ...]:
    counts = by_code[facet.codes]
    present = np.flatnonzero(counts)
    if not by_value and 0 < limit < len(present):
        # Those as frequent as the last one that fits stay in, so that equal counts are cut in the order of values.
        least = np.partition(counts[present], len(present) - limit)[len(present) - limit]
        present = present[counts[present] >= least]
    found = [FacetCount(facet.values[place], int(counts[place])) for place in present.tolist()]
    if by_value:
        found.sort(key=lambda item: (len(item.value), item.value), reverse=True)
    else:
        found.sort(key=lambda item: (-item.count, item.value))
    return tuple(found[:limit])


def _column_filter(snapshot: IndexSnapshot, item: Filter) -> Mask:
    if item.name in {"before", "after", "year"}:
        return _dated(snapshot, item)
    if item.name == "rating":
        low, high = rating_range(item.value)
        return np.asarray((snapshot.ratings >= low) & (snapshot.ratings <= high) & (snapshot.ratings != NO_RATING))
    if item.name == "near":
        return _near(snapshot, item.value)
    raise FilterError(Message("%(name)s: can't be answered by the embedded search", name=item.name))


def _dated(snapshot: IndexSnapshot, item: Filter) -> Mask:
    start, end = date_range(item.value)
    dated = snapshot.taken_s != NO_DATE
    if item.name == "before":
        periods = snapshot.names.facet("period")
        around = periods_around(item.value)
        vague = [int(code) for code, value in zip(periods.codes, periods.values, strict=True) if value in around]
        return np.asarray(dated & (snapshot.taken_s < taken_s(start)) & ~snapshot.having(np.array(vague, np.int32)))
    if item.name == "after":
        return np.asarray(snapshot.taken_s >= taken_s(start))
    return np.asarray((snapshot.taken_s >= taken_s(start)) & (snapshot.taken_s < taken_s(end)))


def _near(snapshot: IndexSnapshot, value: str) -> Mask:
    """Photos within the circle, by the haversine formula; a photo without a position is nowhere."""
    centre, radius_km = near_circle(value)
    north = np.abs(snapshot.latitudes - centre.latitude) <= radius_km / _KM_PER_DEGREE + 0.001
    close = np.flatnonzero(north)
    latitudes, longitudes = np.radians(snapshot.latitudes[close]), np.radians(snapshot.longitudes[close])
    own_latitude, own_longitude = np.radians(centre.latitude), np.radians(centre.longitude)
    half = np.sin((latitudes - own_latitude) / 2) ** 2
    half += np.cos(latitudes) * np.cos(own_latitude) * np.sin((longitudes - own_longitude) / 2) ** 2
    mask = np.zeros(len(snapshot.docnos), np.bool_)
    mask[close[2 * _EARTH_KM * np.arcsin(np.sqrt(np.clip(half, 0, 1))) <= radius_km]] = True
    return mask
