"""Suggestions while typing: words, names and filters that the end of the query begins.

The query language decides what is completed: behind ``name:`` the values of that filter, inside of quotation marks
nothing, else words of the library, names of people, places, cameras and folders, and the filters themselves. Names
change slowly and are needed with every keystroke, so they are read once in a while for everybody; while they are read
again the old ones are used.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, islice
from types import MappingProxyType

from aiohttp import web

from indexer.places import places_named
from indexer.search import FacetCount, Query
from indexer.search.filters import FILTER_NAMES
from indexer.search.tokens import Token, tokenize
from indexer.text import words
from web.app_keys import SEARCH, in_search_thread
from web.presenters import clean
from web.search.query_text import quote
from web.search.searching import MAX_QUERY_LENGTH, WrongRequest, read_number, read_search

#: So many are offered at once.
MAX_SUGGESTIONS = 7
#: The filters whose values are names, in the order in which they are offered, and how many of each.
KINDS: Mapping[str, int] = MappingProxyType({"person": 2, "place": 2, "tag": 1, "folder": 1, "camera": 1, "lens": 1})
#: Facets whose values complete their own filter, too.
_FACETS = (*KINDS, "type", "year")
_FIXED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "sort": ("newest", "oldest", "relevance"),
        "rating": (">=4", "5", ">=3"),
        "before": (),
        "after": ("30d", "1y"),
        "similar": ("all",),
    }
)
_MOST_WORDS = 4
_MOST_NAMES = 20_000
_MOST_TOWNS = 50
_LONGEST_NAME = 3  # words that are typed one after another and may be one name

log = logging.getLogger(__name__)

_PLAIN = re.compile(r"-?[^\s\":-][^\s\":]*")


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A completion. `query` is the whole query with it, `at` the position of the cursor in that."""

    text: str
    kind: str  # "word", "filter", or the name of the filter whose value it is
    query: str
    at: int


class _Values:
    """The values of one facet, folded into one text with a value a line: a text is searched far faster than a list."""

    def __init__(self, values: Sequence[str]) -> None:
        lines = [f"\n {' '.join(words(value))}" for value in values]
        self._values = tuple(values)
        self._text = "".join(lines)
        self._ends = tuple(accumulate(map(len, lines)))

    def all(self) -> Iterator[str]:
        return iter(self._values)

    def matching(self, start: str, *, first: bool) -> Iterator[str]:
        """Values with a word that begins so; with `first` those whose first word does, else the others."""
        prefix = f"\n {start}" if first else f" {start}"
        at = self._text.find(prefix)
        while at >= 0:
            line = bisect_right(self._ends, at)
            if first or self._text[at - 1] != "\n":
                yield self._values[line]
                at = self._ends[line] - 1
            at = self._text.find(prefix, at + 1)


class Names:
    """The values that facets have, most frequent first."""

    def __init__(self, facets: Mapping[str, Sequence[FacetCount]]) -> None:
        self._known = {kind: _Values([facet.value for facet in facets.get(kind, ())]) for kind in _FACETS}

    def starting_with(self, kind: str, typed: str) -> Iterator[str]:
        """Values in which a word begins so, those that begin so themselves first; all where nothing was typed."""
        values = self._known.get(kind)
        start = " ".join(words(typed))
        if values is None or (not start and typed.strip()):
            return iter(())
        return chain(values.matching(start, first=True), values.matching(start, first=False)) if start else values.all()


def suggestions(
    query: str,
    at: int,
    names: Names,
    vocabulary: Callable[[str], Sequence[str]],
    towns: Callable[[str], Sequence[str]],
) -> tuple[Suggestion, ...]:
    """At most `MAX_SUGGESTIONS` ways to go on from the cursor at `at`; none in the middle of a word.

    `vocabulary` gives words by their beginning, `towns` names of places anywhere.
    """
    head, tail = query[:at], query[at:]
    if tail[:1].strip():
        return ()
    tokens = list(tokenize(head))
    if not tokens or tokens[-1].end < len(head) or (tokens[-1].is_quoted and not tokens[-1].is_open):
        return ()
    if tokens[-1].name is not None:
        choices = _values(tokens[-1], names, towns)
    elif typed := _plain_words(tokens):
        choices = _words_and_names(typed, len(head), names, vocabulary)
    else:
        return ()
    completions = (_complete(head[:start], text, kind, written, tail) for text, kind, start, written in choices)
    # What changes nothing is no suggestion.
    changes = (one for one in completions if one.query.strip() != query.strip())
    return tuple(islice(changes, MAX_SUGGESTIONS))


_Choice = tuple[str, str, int, str]  # text, kind, where it begins, how it is written there


def _plain_words(tokens: Sequence[Token]) -> list[str]:
    """The words at the end, as typed and without a minus, each one space from the next: they may be one name."""
    last_words: list[str] = []
    start = tokens[-1].end + 1
    for token in reversed(tokens):
        if token.end + 1 != start or not _PLAIN.fullmatch(token.text):
            break
        last_words.insert(0, token.text.removeprefix("-"))
        start = token.start
        if token.negated:
            break
    return last_words


def _values(token: Token, names: Names, towns: Callable[[str], Sequence[str]]) -> Iterator[_Choice]:
    name, typed, start = (token.name or "").lower(), token.value or "", token.value_start
    if name in {"before", "after"}:
        values: Iterator[str] = chain(_with_prefix(_FIXED[name], typed), names.starting_with("year", typed))
    elif name in _FIXED:
        values = _with_prefix(_FIXED[name], typed)
    elif name == "near":
        # A country is a place where photos were taken, but no town to be near to.
        own = frozenset(names.starting_with("place", typed))
        values = iter(sorted(towns(typed) if typed.strip() else (), key=lambda town: town not in own))
    else:
        values = names.starting_with(name, typed)
    for value in islice(dict.fromkeys(islice(values, 4 * MAX_SUGGESTIONS)), MAX_SUGGESTIONS):
        yield value, name, start, quote(value)


def _with_prefix(values: Sequence[str], typed: str) -> Iterator[str]:
    return (value for value in values if value.startswith(typed.lower()))


def _words_and_names(
    typed: Sequence[str], end: int, names: Names, vocabulary: Callable[[str], Sequence[str]]
) -> Iterator[_Choice]:
    last = typed[-1]
    start = end - len(last)
    choices: list[_Choice] = []
    for kind, most in KINDS.items():
        if kind != "tag":
            choices += islice(_matching_names(typed, end, names, kind), most)
    named = {choice[0].lower() for choice in choices}
    known = [word for word in vocabulary(last) if word not in {*named, last.lower()}][:_MOST_WORDS]
    choices += [(word, "word", start, word) for word in known]
    tags = (choice for choice in _matching_names(typed, end, names, "tag") if choice[0] not in {*known, last.lower()})
    choices += islice(tags, KINDS["tag"])
    filters = (name for name in FILTER_NAMES if len(last) > 1 and name.startswith(last.lower()))
    choices += [(f"{name}:", "filter", start, f"{name}:") for name in filters]
    order = {"person": 0, "word": 1, "place": 2, "tag": 3, "folder": 4, "camera": 5, "lens": 6, "filter": 7}
    yield from sorted(choices, key=lambda choice: order[choice[1]])


def _matching_names(typed: Sequence[str], end: int, names: Names, kind: str) -> Iterator[_Choice]:
    """Names that the last words, as many of them as fit, are the beginning of."""
    for count in range(min(len(typed), _LONGEST_NAME), 0, -1):
        beginning = " ".join(typed[-count:])
        values = islice(names.starting_with(kind, beginning), 2 * MAX_SUGGESTIONS)
        matches = list(islice(dict.fromkeys(values), MAX_SUGGESTIONS))
        if matches:
            yield from ((value, kind, end - len(beginning), f"{kind}:{quote(value)}") for value in matches)
            return


def _complete(before: str, text: str, kind: str, written: str, tail: str) -> Suggestion:
    """A filter's name waits for its value; behind everything else the next word may begin."""
    done = before + written + ("" if kind == "filter" else " ")
    return Suggestion(text, kind, done + tail.lstrip(), len(done))


class KnownNames:
    """What facets' values are called; `AGE_S` old ones are read again."""

    AGE_S = 120.0

    def __init__(self) -> None:
        self._reading: asyncio.Task[Names] | None = None
        self._read: tuple[float, Names] | None = None

    async def get(self, request: web.Request) -> Names:
        """Raises `SearchError` where nothing was read so far."""
        if self._read is None or time.monotonic() - self._read[0] > self.AGE_S:
            reading = self._start_reading(request)
            if self._read is None:
                return await asyncio.shield(reading)
        return self._read[1]

    def _start_reading(self, request: web.Request) -> asyncio.Task[Names]:
        if self._reading is None:
            self._reading = asyncio.create_task(self._read_names(request))
            self._reading.add_done_callback(self._finish_reading)
        return self._reading

    async def _read_names(self, request: web.Request) -> Names:
        backend = request.config_dict[SEARCH]
        facets = await in_search_thread(request, lambda: backend.facets(Query(), _FACETS, limit=_MOST_NAMES))
        names = Names(facets)
        self._read = (time.monotonic(), names)
        return names

    def _finish_reading(self, reading: asyncio.Task[Names]) -> None:
        self._reading = None
        if not reading.cancelled() and (error := reading.exception()):
            log.info("names for suggestions: %s", error)


KNOWN_NAMES = web.AppKey("KNOWN_NAMES", KnownNames)


async def suggest(request: web.Request) -> web.Response:
    """GET /api/suggest?q=&at=: ``{"suggestions": [{"text", "kind", "query", "at"}, ...]}``, at most seven.

    `q` is what stands in the search box and `at` where the cursor is, in characters (the end unless told). A suggestion
    has the ``text`` to show, the ``kind`` of thing it is (word, filter, or the name of the filter whose value it is),
    the whole ``query`` with it, and where in that the cursor goes.
    """
    try:
        text = read_search(request.query, limit=1, most=1).text
        at = read_number(request.query, "at", len(text), least=0)
    except WrongRequest as error:
        raise web.HTTPBadRequest(text=str(error)) from None
    completions: tuple[Suggestion, ...] = ()
    if text.strip():
        names, backend = await request.config_dict[KNOWN_NAMES].get(request), request.config_dict[SEARCH]
        completions = await in_search_thread(request, lambda: suggestions(text, at, names, backend.vocabulary, _towns))
    answer = [
        {"text": clean(one.text), "kind": one.kind, "query": clean(one.query), "at": one.at}
        for one in completions
        if len(one.query) <= MAX_QUERY_LENGTH
    ]
    return web.json_response({"suggestions": answer})


def _towns(beginning: str) -> tuple[str, ...]:
    return tuple(place.name for place in places_named(beginning, most=_MOST_TOWNS))
