"""The query language: what a person types into the search box, as a `Query`.

    beach dog "birthday cake" -night -"ice cream" before:2020 camera:pixel folder:"Summer 2019" -person:Anna sort:newest

Words, "phrases", -excluded words and -"excluded phrases", filters (`filters` lists them), -filters. A colon
makes a filter only where a filter's name stands before it: `12:30` and `https://…` are words. The last word is
matched as a prefix, as it is perhaps still being typed, unless a space or anything else follows it.

Any text is a query: its length and the number of its parts are bounded, and what is beyond is ignored, as is what has
no letter, digit or emoji in it (`Query.ignored`).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from indexer.message import Message
from indexer.search import Filter, FilterError, Query, Sort
from indexer.search.filters import FILTER_NAMES, SIMILAR, TIME, UNDATED, WORDS, canonical_value, nearest_name
from indexer.search.time_words import Reading, TimeReader
from indexer.search.tokens import STOP_WORDS, Token, quote, tokenize
from indexer.text import clean, words

MAX_CHARS = 2000
MAX_WORDS = 32
MAX_PHRASES = 8
MAX_EXCLUDED = 16
MAX_FILTERS = 16


@dataclass(slots=True)
class _Parts:
    words: list[str] = field(default_factory=list)
    phrases: list[str] = field(default_factory=list)
    excluded: list[str] = field(default_factory=list)
    filters: list[Filter] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    sort: Sort | None = None
    each: bool = False
    prefix_last: bool = True


def parse(text: str, *, now: date | None = None, reader: TimeReader | None = None, fold: bool = False) -> Query:
    """Reads `text`; `now` is the day that "today" and ages such as "30d" are counted from (default: today). `fold` is
    the query's, unless the text says `similar:all`.

    With a `reader`, words that name a time (`time_words`) become a filter of it, and what has them in its texts comes
    after the photos of that time (`Query.also`). Without one they are words like others.

    Raises `FilterError`, which says what is wrong and names the nearest right filter.
    """
    text = clean(text.replace("\0", " "))[:MAX_CHARS]
    parts = _Parts()
    end = 0
    today = now or date.today()
    readings = tuple(one for one in reader.read(text, today) if one.applied) if reader else ()
    for token in tokenize(text):
        if any(one.start <= token.start < one.end for one in readings):
            parts.prefix_last, end = False, token.end
            continue
        try:
            _read(token, parts, today, reader or _ANYBODY)
        except FilterError as error:
            error.text = token.text
            if token.negated and error.suggestion and not error.suggestion.startswith(("sort:", f"{SIMILAR}:")):
                error.suggestion = f"-{error.suggestion}"
            raise
        end = token.end
    if text[end:]:
        parts.prefix_last = False
    return _with_times(replace(_query(parts), fold=fold and not parts.each), readings)


def _query(parts: _Parts) -> Query:
    beyond = (*parts.words[MAX_WORDS:], *parts.phrases[MAX_PHRASES:], *parts.excluded[MAX_EXCLUDED:])
    return Query(
        words=tuple(parts.words[:MAX_WORDS]),
        phrases=tuple(parts.phrases[:MAX_PHRASES]),
        excluded=tuple(parts.excluded[:MAX_EXCLUDED]),
        filters=tuple(parts.filters[:MAX_FILTERS]),
        prefix_last=parts.prefix_last or not parts.words,
        sort=parts.sort,
        ignored=(
            *parts.ignored,
            *dict.fromkeys(beyond),
            *(f"{item.name}:{item.value}" for item in parts.filters[MAX_FILTERS:]),
        ),
    )


def _with_times(query: Query, readings: Sequence[Reading]) -> Query:
    """Restricted to the times that were read. Photos of other times whose texts say the words come after those; where
    nobody knows when one was taken, its texts need not say the number of the year."""
    if not readings:
        return query
    if all(_FILLERS.issuperset(words(word)) for word in query.words):
        query = replace(query, words=())  # "photos from last summer"
    sort = query.sort or (None if query.words or query.phrases else Sort.NEWEST)
    undated = replace(query, filters=(*query.filters, Filter(TIME, UNDATED)), sort=sort)
    also = [_with_words_of_time(replace(query, sort=sort), readings, failing) for failing in _failing(readings)]
    names = tuple(name for one in readings for name in one.names)
    numbers = tuple(phrase for one in readings for phrase in one.phrases if phrase not in one.names)
    for at, number in enumerate(numbers if names else ()):
        phrases = (*undated.phrases, *names, *numbers[:at])
        also.append(replace(undated, phrases=phrases, excluded=(*undated.excluded, number)))
    return replace(query, filters=(*query.filters, *(Filter(TIME, one.value) for one in readings)), also=tuple(also))


def _failing(readings: Sequence[Reading]) -> Iterator[Sequence[Reading]]:
    """The times that a photo may not have been taken in: each of them alone, then all together."""
    yield from ((one,) for one in readings)
    if len(readings) > 1:
        yield readings


def _with_words_of_time(query: Query, readings: Sequence[Reading], failing: Sequence[Reading]) -> Query:
    """Photos that were not taken in the times `failing`, but have their words in their texts."""
    filters = tuple(Filter(TIME, one.value, negated=one in failing) for one in readings)
    phrases = tuple(phrase for one in failing for phrase in one.phrases)
    return replace(query, phrases=(*query.phrases, *phrases), filters=(*query.filters, *filters))


def left_out(query: Query) -> tuple[str, ...]:
    """The parts of `query` that were not searched for, but for punctuation, which nobody expects to be found."""
    return tuple(part for part in query.ignored if any(unicodedata.category(one)[0] in "LNS" for one in part))


def without(query: Query, name: str) -> Query:
    """`query` without its filters of that name, for counting what else there is."""
    filters = tuple(item for item in query.filters if item.name != name)
    return replace(query, filters=filters, also=tuple(without(other, name) for other in query.also))


def _read(token: Token, parts: _Parts, now: date, reader: TimeReader) -> None:
    parts.prefix_last = False
    if token.name is not None and token.value is not None and _is_filter(token.name.lower(), token.value):
        if token.name.lower() != WORDS or not token.value.strip():
            _read_filter(token.name.lower(), token.value, token.negated, parts, now, reader)
        elif typed := [word for one in token.value.split() for word in _searchable(one)]:
            (parts.excluded if token.negated else parts.words).extend(typed)
        else:
            parts.ignored.append(token.text.strip())
        return
    phrase = token.value if token.is_quoted else token.phrase
    if phrase is not None:
        phrases = list(_searchable(phrase))
        named = [] if token.name is None else list(_searchable(token.name))
        (parts.excluded if token.negated else parts.phrases).extend(phrases)
        parts.words.extend(named)
        parts.ignored.extend([] if phrases or named else [token.text.strip()])
        return
    typed = list(_searchable(token.text.removeprefix("-") if token.negated else token.text))
    if token.negated:
        parts.excluded.extend(text.strip("-") for text in typed)
    else:
        parts.words.extend(typed)
        parts.prefix_last = bool(typed)
    parts.ignored.extend([] if typed else [token.text.strip()])


def _searchable(text: str) -> Iterator[str]:
    """`text`, white space made even, where there is anything in it to search for."""
    even = " ".join(text.split())
    if words(even):
        yield even


def _is_filter(name: str, value: str) -> bool:
    if name in FILTER_NAMES:
        return True
    if not value or value.startswith(("/", ":")):
        return False
    nearest = nearest_name(name)
    if nearest is None:
        return False
    meant = f"{nearest}:{quote(value)}"
    raise FilterError(
        Message(
            'there is no filter "%(name)s:"; did you mean %(meant)s? To look for the text itself, put it in quotes: '
            '"%(name)s:%(value)s". Filters: %(filters)s.',
            name=name,
            meant=meant,
            value=value,
            filters=", ".join(FILTER_NAMES),
        ),
        suggestion=meant,
    )


def _read_filter(name: str, value: str, minus: bool, parts: _Parts, now: date, reader: TimeReader) -> None:
    value = " ".join(value.split())
    if not value:
        raise FilterError(
            Message("%(name)s: needs a value, such as %(name)s:%(example)s", name=name, example=_EXAMPLES[name])
        )
    value = _time(value, now, reader) if name == TIME else canonical_value(name, value, now=now)
    if name not in {"sort", SIMILAR}:
        parts.filters.append(Filter(name, value, minus))
    elif minus:
        raise FilterError(
            Message("%(name)s: can't be excluded; did you mean %(name)s:%(value)s?", name=name, value=value),
            suggestion=f"{name}:{value}",
        )
    elif name == SIMILAR:
        parts.each = True
    else:
        parts.sort = Sort(value)


def _time(value: str, now: date, reader: TimeReader) -> str:
    """The condition that was named. Raises `FilterError`."""
    found = reader.value(value, now)
    if found is None:
        raise FilterError(
            Message(
                "time:%(value)s is no time that can be read: expected such as time:july, time:2019 or "
                'time:"last summer"',
                value=value,
            ),
            suggestion=f"{WORDS}:{quote(value)}",
        )
    return found


_EXAMPLES = {
    "before": "2020",
    "after": "2019-07",
    "year": "2019",
    "camera": "pixel",
    "lens": "50mm",
    "place": "Lyon",
    "folder": '"Summer 2019"',
    "person": "Anna",
    "tag": "dog",
    "type": "jpeg",
    "rating": ">=4",
    "near": "Lyon",
    "sort": "newest",
    "similar": "all",
    "time": '"last summer"',
    "words": '"last summer"',
}
_ANYBODY = TimeReader()
#: Words that mean nothing beside a time: "photos from last summer".
_FILLERS = STOP_WORDS.union(
    ("all", "taken", "pics", "shots", "bild", "bilder", "foto", "fotos", "aufnahmen", "alle"),
    ("von", "vom", "aus", "der", "die", "das", "den", "dem"),
)
