"""A query's words and filters as the server reads them.

Finished words are looked for in their basic form, which every photo's `forms` hold as well; that way "dogs" finds
"dog". A word that is still being typed stands as it is: the server takes it for a beginning where no space follows.

https://www.meilisearch.com/docs/learn/filtering_and_sorting/filter_expression_reference
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Any, Self

import numpy as np

from indexer.message import Message
from indexer.search import Filter, FilterError, Query
from indexer.search.aliases import with_umlauts
from indexer.search.facets import NAMING, THINGS, VALUE_FILTERS, Facet, matching_values, nearest_values
from indexer.search.fields import STACK, taken_s
from indexer.search.filters import TIME, UNDATED, date_range, near_circle, periods_around, rating_range
from indexer.search.languages import noun_stem
from indexer.search.matching import ANY_FIRST_LETTER_FROM, Term, edits_allowed
from indexer.search.meilisearch.layout import AS_TYPED, FACET, HEMISPHERE, HOUR, SPELLING, WEEKDAY, escape, unescape
from indexer.search.stems import stem
from indexer.search.time_condition import TimeCondition, time_condition
from indexer.text import has_digit, is_serial, words

#: The server looks at no more words of one request.
MOST_WORDS = 10
NOTHING = 'id = "-"'  # no content key


@dataclass(frozen=True, slots=True)
class RequestWords:
    """One request for a query's words; `terms` are all its words, the unfinished one last."""

    terms: tuple[Term, ...] = ()
    bounds: str = ""  # phrases and exclusions
    filters: tuple[str, ...] = ()
    allow_typos: bool = False  # of typing mistakes, in the words `typo_terms`
    typo_terms: frozenset[Term] = frozenset()
    finished: bool = True
    allow_missing: bool = False  # photos that have some of the words are found too, those with the rarer ones

    @classmethod
    def of(cls, query: Query, terms: Sequence[Term], filters: Iterable[str]) -> Self:
        """As it was typed."""
        unfinished = bool(terms) and terms[-1].prefix
        return cls(tuple(terms[:MOST_WORDS]), bounds_of(query), tuple(filters), finished=not unfinished)

    def variants(self) -> list[RequestWords]:
        """The ways to read it: an unfinished word that has a basic form may be finished as well."""
        if self.finished or basic(self.terms[-1]) == self.terms[-1].words[0]:
            return [self]
        return [self, replace(self, finished=True)]

    def with_typos(self, typo_terms: Iterable[Term]) -> list[RequestWords]:
        """The ways to read it with typing mistakes in these words.

        The server counts a wrong first letter as two mistakes, so the likely ones are set right here.
        """
        several = frozenset(term for term in typo_terms if len(term.words) == 1)
        variants = [replace(self, allow_typos=True, typo_terms=several)]
        for term in self.terms:
            word = term.words[0]
            if term in several and len(word) >= ANY_FIRST_LETTER_FROM and edits_allowed(word):
                swapped, shortened = word[1] + word[0] + word[2:], word[1:]
                variants += [variants[0]._with(term, swapped), variants[0]._with(term, shortened)]
        return variants

    def only(self, terms: Iterable[Term]) -> RequestWords:
        """Of these words alone."""
        kept = tuple(terms)
        return replace(self, terms=kept, finished=self.finished or not kept or not kept[-1].prefix)

    def within(self, *filters: str) -> RequestWords:
        """With more filters."""
        return replace(self, filters=(*self.filters, *filters))

    def to_request(self, index: str, **more: Any) -> dict[str, Any]:
        """The server's search request (https://www.meilisearch.com/docs/reference/api/search)."""
        return {
            "indexUid": index,
            "q": self._text(),
            "filter": list(self.filters),
            "matchingStrategy": "frequency" if self.allow_missing else "all",
            "attributesToSearchOn": [*AS_TYPED, SPELLING] if self.allow_typos else list(AS_TYPED),
            **more,
        }

    def _with(self, term: Term, word: str) -> RequestWords:
        correct = Term(word, (word,), term.prefix)
        terms = tuple(correct if own == term else own for own in self.terms)
        return replace(self, terms=terms, typo_terms=self.typo_terms | {correct})

    def _text(self) -> str:
        if not self.terms:
            return self.bounds
        typed = [term.words[0] if term in self.typo_terms else basic(term) for term in self.terms]
        if not self.finished:
            typed[-1] = self.terms[-1].words[0]
        return " ".join(filter(None, [self.bounds, *typed])) + (" " if self.finished else "")


def basic(term: Term) -> str:
    """A finished word as it is asked for."""
    if len(term.words) > 1:
        return f'"{" ".join(term.words)}"'
    word = term.words[0]
    if is_serial(word) or has_digit(word):
        return word
    return noun_stem(with_umlauts(word) or word) or stem(word)


def bounds_of(query: Query) -> str:
    """The phrases that have to be there, and what must not."""
    return " ".join([*(f'"{" ".join(words(text))}"' for text in query.phrases if words(text)), *_exclusions(query)])


def _exclusions(query: Query) -> Iterator[str]:
    for text in query.excluded:
        parts = words(text)
        if len(parts) == 1:
            yield f"-{basic(Term(text, parts))}"
        elif parts:
            yield f'-"{" ".join(parts)}"'


class FacetValues:
    """The values of facets that photos have. `read_values` reads those of several, and how many photos have each; they
    are kept until `invalidate`."""

    def __init__(self, read_values: Callable[[Sequence[str]], Mapping[str, Mapping[str, int]]]) -> None:
        self._read_values = read_values
        self._southern: bool | None = None
        self._known: dict[str, Facet] = {}
        self._proper: frozenset[str] | None = None

    def invalidate(self, *, proper_names: bool = True) -> None:
        """Says that photos may have others now. Proper names are many to read and seldom new: they may stay."""
        self._known = {}
        self._southern = None
        if proper_names:
            self._proper = None

    def facet(self, name: str) -> Facet:
        """The values of one facet, in order."""
        return self._facets([name])[name]

    def proper_names(self) -> frozenset[str]:
        """The words in names of people, places and cameras, without those that name things, too."""
        proper = self._proper
        if proper is None:
            facets = self._facets([*NAMING, THINGS])
            things = _words_of(facets.pop(THINGS))
            proper = self._proper = frozenset().union(*map(_words_of, facets.values())) - things
        return proper

    def are_mostly_southern(self) -> bool:
        """Whether of the photos that say where they were taken most were south of the equator."""
        southern = self._southern
        if southern is None:
            counted = self._read_values([HEMISPHERE])[HEMISPHERE]
            southern = self._southern = counted.get("south", 0) > counted.get("north", 0)
        return southern

    def _facets(self, names: Sequence[str]) -> dict[str, Facet]:
        known = self._known
        missing = [name for name in names if name not in known]
        for name, values in self._read_values(missing).items() if missing else ():
            ordered = tuple(sorted(map(unescape, values)))
            known[name] = Facet(np.arange(len(ordered), dtype=np.int32), ordered)
        return {name: known[name] for name in names}


def _words_of(facet: Facet) -> frozenset[str]:
    return frozenset(word for folded in facet.folded for word in folded.split())


def filter_expression(filters: Sequence[Filter], values: FacetValues) -> tuple[list[str], dict[str, tuple[str, ...]]]:
    """One expression for each filter, and the nearest values of filters that fit none. Raises `FilterError`."""
    expressions: list[str] = []
    nearest: dict[str, tuple[str, ...]] = {}
    for item in filters:
        if item.name in VALUE_FILTERS:
            known = values.facet(item.name)
            meant = [known.values[place] for place in matching_values(known, item.value)]
            nearest |= {} if meant else nearest_values(known, item)
            expression = f"{FACET}{item.name} IN [{', '.join(map(_quote, meant))}]" if meant else NOTHING
        elif item.name == TIME:
            expression = _at_time(item.value, values)
        else:
            expression = _number_expression(item)
        expressions.append(f"NOT ({expression})" if item.negated else expression)
    return expressions, nearest


def among(ids: Sequence[str]) -> str:
    """Only these photos."""
    return f"id IN [{', '.join(map(_quote, ids))}]" if ids else NOTHING


def of_stacks(stacks: Sequence[str]) -> str:
    """Only photos of these stacks."""
    return f"{FACET}{STACK} IN [{', '.join(map(_quote, stacks))}]"


def _at_time(value: str, values: FacetValues) -> str:
    """Photos that a `TimeCondition` lets pass; one without a date passes none but `UNDATED`."""
    if value == UNDATED:
        return f"NOT taken >= {taken_s(datetime.min)}"
    condition = time_condition(value)
    parts = [f"taken >= {taken_s(datetime.min)}"]
    if condition.north:
        north = _on_days(condition, values, south=False)
        if condition.by_hemisphere:
            south = _on_days(condition, values, south=True)
            # Photos that don't say where they were taken go with most of the others.
            is_south = f'{FACET}{HEMISPHERE} = "south"'
            if values.are_mostly_southern():
                is_south = f'NOT {FACET}{HEMISPHERE} = "north"'
            north = f"(({is_south} AND {south}) OR (NOT ({is_south}) AND {north}))"
        parts.append(north)
    for name, wanted in ((WEEKDAY, condition.weekdays), (HOUR, condition.hours)):
        if wanted:
            parts.append(f"{FACET}{name} IN [{', '.join(_quote(str(one)) for one in wanted)}]")
    return " AND ".join(parts)


def _on_days(condition: TimeCondition, values: FacetValues, *, south: bool) -> str:
    years = [int(year) for year in values.facet("year").values]
    periods = values.facet("period").values
    held = {period: condition.holds_period(period, years, south=south) for period in periods}
    vague = f" AND {FACET}period NOT IN [{', '.join(map(_quote, periods))}]" if periods else ""
    spans = [
        f"(taken >= {_midnight(first)} AND taken < {_midnight(last + timedelta(1))}{vague})"
        for first, last in condition.days(years, south=south)
    ]
    if any(held.values()):
        spans.append(f"{FACET}period IN [{', '.join(_quote(period) for period, is_held in held.items() if is_held)}]")
    return f"({' OR '.join(spans) or NOTHING})"


def _midnight(day: date) -> int:
    return taken_s(datetime.combine(day, time.min))


def _number_expression(item: Filter) -> str:
    if item.name in {"before", "after", "year"}:
        start, end = map(taken_s, date_range(item.value))
        around = ", ".join(map(_quote, periods_around(item.value))) if item.name == "before" else ""
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


def _quote(value: str) -> str:
    return f'"{escape(value)}"'
