"""Filters and facets over the snapshot in memory (`indexer.search.embedded.snapshot`)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time, timedelta

import numpy as np

from indexer.message import Message
from indexer.places import EARTH_KM
from indexer.search import FacetCount, Filter, FilterError
from indexer.search.arrays import Ints, Mask
from indexer.search.embedded.snapshot import NO_DATE, NO_RATING, IndexSnapshot
from indexer.search.facets import BY_VALUE, VALUE_FILTERS, Facet, check_names, matching_values, nearest_values
from indexer.search.fields import taken_s
from indexer.search.filters import TIME, UNDATED, date_range, near_circle, periods_around, rating_range
from indexer.search.time_condition import TimeCondition, time_condition

_KM_PER_DEGREE = 111.2
_DAY_S = 86_400
_THURSDAY = 3  # of 1970-01-01


def filter_mask(snapshot: IndexSnapshot, filters: Sequence[Filter]) -> tuple[Mask, dict[str, tuple[str, ...]]]:
    """The photos that are not deleted and pass all `filters`, (photos,), and the nearest values of filters that fit
    none."""
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
    check_names(names)
    counts = snapshot.counts(mask)
    return {name: _facet_counts(snapshot.names.facet(name), counts, name in BY_VALUE, max(limit, 0)) for name in names}


def _facet_counts(facet: Facet, by_code: Ints, by_value: bool, limit: int) -> tuple[FacetCount, ...]:
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
        return _date_mask(snapshot, item)
    if item.name == TIME:
        return _at_time(snapshot, item.value)
    if item.name == "rating":
        low, high = rating_range(item.value)
        return np.asarray((snapshot.ratings >= low) & (snapshot.ratings <= high) & (snapshot.ratings != NO_RATING))
    if item.name == "near":
        return _near(snapshot, item.value)
    raise FilterError(Message("%(name)s: can't be answered by the embedded search", name=item.name))


def _date_mask(snapshot: IndexSnapshot, item: Filter) -> Mask:
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


def _at_time(snapshot: IndexSnapshot, value: str) -> Mask:
    """Photos that a `TimeCondition` lets pass; one without a date passes none but `UNDATED`."""
    dated = snapshot.taken_s != NO_DATE
    if value == UNDATED:
        return np.asarray(~dated)
    condition = time_condition(value)
    mask = dated
    if condition.north:
        mask = _on_days(snapshot, condition, south=False)
        if condition.by_hemisphere:
            mask = np.where(_southern(snapshot), _on_days(snapshot, condition, south=True), mask)
    if condition.weekdays or condition.hours:
        periods = snapshot.names.facet("period")
        mask = mask & ~snapshot.having(periods.codes)
    if condition.weekdays:
        mask = mask & np.isin((snapshot.taken_s // _DAY_S + _THURSDAY) % 7, condition.weekdays)
    if condition.hours:
        of_day = snapshot.taken_s % _DAY_S
        # A date without a time is stored as midnight to the second.
        mask = mask & (of_day != 0) & np.isin(of_day // 3600, condition.hours)
    return np.asarray(mask)


def _on_days(snapshot: IndexSnapshot, condition: TimeCondition, *, south: bool) -> Mask:
    years = [int(year) for year in snapshot.names.facet("year").values]
    days = condition.days(years, south=south)
    edges = [taken_s(datetime.combine(day, time.min)) for first, last in days for day in (first, last + timedelta(1))]
    inside = np.searchsorted(np.array(edges, np.int64), snapshot.taken_s, side="right") % 2 == 1
    periods = snapshot.names.facet("period")
    held = [condition.holds_period(period, years, south=south) for period in periods.values]
    vague = snapshot.having(periods.codes)
    return np.asarray((inside & ~vague) | snapshot.having(periods.codes[np.array(held, np.bool_)]))


def _southern(snapshot: IndexSnapshot) -> Mask:
    """Photos taken south of the equator; those that don't say where go with most of the others."""
    south = snapshot.latitudes < 0
    mostly = 2 * np.count_nonzero(south & snapshot.alive) > np.count_nonzero(
        ~np.isnan(snapshot.latitudes) & snapshot.alive
    )
    return np.asarray(south | (np.isnan(snapshot.latitudes) & mostly))


def _near(snapshot: IndexSnapshot, value: str) -> Mask:
    """Photos within the circle, by the haversine formula; a photo without a position is outside."""
    centre, radius_km = near_circle(value)
    north = np.abs(snapshot.latitudes - centre.latitude) <= radius_km / _KM_PER_DEGREE + 0.001
    close = np.flatnonzero(north)
    latitudes, longitudes = np.radians(snapshot.latitudes[close]), np.radians(snapshot.longitudes[close])
    own_latitude, own_longitude = np.radians(centre.latitude), np.radians(centre.longitude)
    half = np.sin((latitudes - own_latitude) / 2) ** 2
    half += np.cos(latitudes) * np.cos(own_latitude) * np.sin((longitudes - own_longitude) / 2) ** 2
    mask = np.zeros(len(snapshot.docnos), np.bool_)
    mask[close[2 * EARTH_KM * np.arcsin(np.sqrt(np.clip(half, 0, 1))) <= radius_km]] = True
    return mask
