"""Filters and facets over the picture in memory (`indexer.search.embedded.snapshot`)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rapidfuzz import fuzz, process

from indexer.message import Message
from indexer.search import FacetCount, Filter, FilterError
from indexer.search.embedded.snapshot import NO_DATE, NO_RATING, Facet, IndexSnapshot, Ints, Mask
from indexer.search.fields import taken_s
from indexer.search.filters import date_range, near_circle, periods_around, rating_range
from indexer.text import words

FACETS = ("year", "month", "camera", "lens", "place", "folder", "person", "tag", "type", "rating")
#: Facets whose values have an order of their own; the others come by count.
BY_VALUE = frozenset({"year", "month", "rating"})
#: Filters whose values are those that photos have.
VALUE_FILTERS = frozenset(FACETS) - BY_VALUE
_EARTH_KM = 6371.0088
_KM_PER_DEGREE = 111.2
_NEAREST_FROM = 60.0  # rapidfuzz's ratio, 0..100


def filtered(picture: IndexSnapshot, filters: Sequence[Filter]) -> tuple[Mask, dict[str, tuple[str, ...]]]:
    """The living photos that pass all `filters`, (photos,), and the nearest values of filters that fit none."""
    mask = picture.alive
    nearest: dict[str, tuple[str, ...]] = {}
    for item in filters:
        if item.name in VALUE_FILTERS:
            known = picture.names.facet(item.name)
            codes = known.codes[places_meant(known, item.value)]
            if not len(codes):
                nearest |= nearest_values(known, item)
            passing = picture.having(codes)
        else:
            passing = _column_filter(picture, item)
        mask = mask & (~passing if item.negated else passing)
    return mask, nearest


def counted(picture: IndexSnapshot, mask: Mask, names: Sequence[str], limit: int) -> dict[str, tuple[FacetCount, ...]]:
    """The values of each facet among the photos of `mask`. Raises `ValueError` for a facet that there is not."""
    for name in names:
        if name not in FACETS:
            raise ValueError(f"there is no facet {name!r}; facets are {', '.join(FACETS)}")
    counts = picture.counts(mask)
    return {name: _counted(picture.names.facet(name), counts, name in BY_VALUE, max(limit, 0)) for name in names}


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


def places_meant(known: Facet, wanted: str) -> list[int]:
    """The values that a filter means: the same one, else those that contain its words, else their beginnings."""
    inner = " ".join(words(wanted))
    if not inner:
        return []
    same = [place for place, folded in enumerate(known.folded) if folded == f" {inner} "]
    containing = same or [place for place, folded in enumerate(known.folded) if f" {inner} " in folded]
    return containing or [place for place, folded in enumerate(known.folded) if f" {inner}" in folded]


def nearest_values(known: Facet, item: Filter) -> dict[str, tuple[str, ...]]:
    """What a filter whose value nobody has may have meant, as `Answer.corrections` says it."""
    wanted = f" {' '.join(words(item.value))} "
    found = process.extract(
        wanted, known.folded, scorer=fuzz.WRatio, processor=str.strip, limit=3, score_cutoff=_NEAREST_FROM
    )
    near = tuple(f"{item.name}:{_quoted(known.values[place])}" for _, _, place in found)
    return {f"{item.name}:{_quoted(item.value)}": near} if near else {}


def _quoted(value: str) -> str:
    return f'"{value}"' if " " in value else value


def _column_filter(picture: IndexSnapshot, item: Filter) -> Mask:
    if item.name in {"before", "after", "year"}:
        return _dated(picture, item)
    if item.name == "rating":
        low, high = rating_range(item.value)
        return np.asarray((picture.ratings >= low) & (picture.ratings <= high) & (picture.ratings != NO_RATING))
    if item.name == "near":
        return _near(picture, item.value)
    raise FilterError(Message("%(name)s: can't be answered by the embedded search", name=item.name))


def _dated(picture: IndexSnapshot, item: Filter) -> Mask:
    start, end = date_range(item.value)
    dated = picture.taken_s != NO_DATE
    if item.name == "before":
        periods = picture.names.facet("period")
        around = periods_around(item.value)
        vague = [int(code) for code, value in zip(periods.codes, periods.values, strict=True) if value in around]
        return np.asarray(dated & (picture.taken_s < taken_s(start)) & ~picture.having(np.array(vague, np.int32)))
    if item.name == "after":
        return np.asarray(picture.taken_s >= taken_s(start))
    return np.asarray((picture.taken_s >= taken_s(start)) & (picture.taken_s < taken_s(end)))


def _near(picture: IndexSnapshot, value: str) -> Mask:
    """Photos within the circle, by the haversine formula; a photo without a position is nowhere."""
    centre, radius_km = near_circle(value)
    north = np.abs(picture.latitudes - centre.latitude) <= radius_km / _KM_PER_DEGREE + 0.001
    close = np.flatnonzero(north)
    latitudes, longitudes = np.radians(picture.latitudes[close]), np.radians(picture.longitudes[close])
    own_latitude, own_longitude = np.radians(centre.latitude), np.radians(centre.longitude)
    half = np.sin((latitudes - own_latitude) / 2) ** 2
    half += np.cos(latitudes) * np.cos(own_latitude) * np.sin((longitudes - own_longitude) / 2) ** 2
    mask = np.zeros(len(picture.docnos), np.bool_)
    mask[close[2 * _EARTH_KM * np.arcsin(np.sqrt(np.clip(half, 0, 1))) <= radius_km]] = True
    return mask
