"""The query language: what a person types into the search box, as a `Query`.

    beach dog "birthday cake" -night -"ice cream" before:2020 camera:pixel folder:"Summer 2019" -person:Anna sort:newest

Words, "phrases", -excluded words and -"excluded phrases", filters (`filters` lists them), -filters. A colon
makes a filter only where a filter's name stands before it: `12:30` and `https://…` are words. The last word is
matched as a prefix, as it is perhaps still being typed, unless a space or anything else follows it.

Hostile text is only ever data: the length and the number of parts are bounded, and what lies beyond is passed over.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date

from indexer.message import Message
from indexer.search import Filter, FilterError, Query, Sort
from indexer.search.filters import FILTER_NAMES, checked, nearest_name
from indexer.search.tokens import Token, tokenize
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
    sort: Sort | None = None
    prefix_last: bool = True


def parse(text: str, *, now: date | None = None) -> Query:
    """Reads `text`; `now` is the day that "today" and ages such as "30d" are counted from (default: today).

    Raises `FilterError`, which says what is wrong and names the nearest right filter.
    """
    text = clean(text.replace("\0", " "))[:MAX_CHARS]
    parts = _Parts()
    end = 0
    for token in tokenize(text):
        try:
            _read(token, parts, now or date.today())
        except FilterError as error:
            error.text = token.text
            if token.negated and error.suggestion and not error.suggestion.startswith("sort:"):
                error.suggestion = f"-{error.suggestion}"
            raise
        end = token.end
    if text[end:]:
        parts.prefix_last = False
    return Query(
        words=tuple(parts.words[:MAX_WORDS]),
        phrases=tuple(parts.phrases[:MAX_PHRASES]),
        excluded=tuple(parts.excluded[:MAX_EXCLUDED]),
        filters=tuple(parts.filters[:MAX_FILTERS]),
        prefix_last=parts.prefix_last or not parts.words,
        sort=parts.sort,
    )


def without(query: Query, name: str) -> Query:
    """`query` without its filters of that name, for counting what else there is."""
    return replace(query, filters=tuple(item for item in query.filters if item.name != name))


def _read(token: Token, parts: _Parts, now: date) -> None:
    parts.prefix_last = False
    if token.name is not None and token.value is not None and _is_filter(token.name.lower(), token.value):
        _read_filter(token.name.lower(), token.value, token.negated, parts, now)
        return
    phrase = token.value if token.is_quoted else token.phrase
    if phrase is not None:
        for text in _searchable(phrase):
            (parts.excluded if token.negated else parts.phrases).append(text)
        if token.name is not None:
            parts.words.extend(_searchable(token.name))
    else:
        for text in _searchable(token.text.removeprefix("-") if token.negated else token.text):
            (parts.excluded if token.negated else parts.words).append(text.strip("-") if token.negated else text)
            parts.prefix_last = not token.negated


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
    meant = f"{nearest}:{_quoted(value)}"
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


def _read_filter(name: str, value: str, minus: bool, parts: _Parts, now: date) -> None:
    value = " ".join(value.split())
    if not value:
        raise FilterError(
            Message("%(name)s: needs a value, such as %(name)s:%(example)s", name=name, example=_EXAMPLES[name])
        )
    value = checked(name, value, now=now)
    if name != "sort":
        parts.filters.append(Filter(name, value, minus))
    elif minus:
        raise FilterError(
            Message("sort: can't be excluded; did you mean sort:%(order)s?", order=value), suggestion=f"sort:{value}"
        )
    else:
        parts.sort = Sort(value)


def _quoted(value: str) -> str:
    return f'"{value}"' if " " in value or not value else value


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
}
