"""Editing a query as text: the address and the search box always hold the whole search, chips only rewrite it."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from indexer.search.filters import FILTER_NAMES
from indexer.search.tokens import tokenize

# Each of two hundred chips of a page takes the same query apart.
_KEPT = 256
_NEEDS_QUOTES = re.compile(r"\s")

#: A photo has one of these only, so that a second choice replaces the first.
SINGLE = frozenset({"year", "camera", "before", "after", "rating", "type"})


@lru_cache(_KEPT)
def tokens(query: str) -> tuple[str, ...]:
    """The parts of a query as they were typed."""
    return tuple(token.text for token in tokenize(query))


def quote(value: str) -> str:
    """`value` as it has to be typed after ``name:``."""
    plain = " ".join(value.replace('"', " ").split())
    return f'"{plain}"' if _NEEDS_QUOTES.search(plain) or not plain else plain


def with_filter(query: str, name: str, value: str) -> str:
    """The query narrowed to ``name:value``; not twice to the same."""
    added = f"{name}:{quote(value)}"
    rest = without(query, lambda token: name in SINGLE and token.casefold().startswith(f"{name}:"))
    return rest if added in tokens(rest) else f"{rest} {added}".strip()


def without(query: str, unwanted: Callable[[str], bool]) -> str:
    """The query without the parts that are `unwanted`."""
    return " ".join(token for token in tokens(query) if not unwanted(token))


def replace_part(query: str, old: str, new: str) -> str:
    """The query with `old`, a part or a word of it, replaced by `new`; unchanged where it is not there."""
    changed = [new if token.casefold() == old.casefold() else token for token in tokens(query)]
    return " ".join(part for part in changed if part)


@lru_cache(_KEPT)
def filter_name(token: str) -> str | None:
    """The name in ``name:value`` or ``-name:value``; None for a word or a phrase."""
    name = next((parsed.name for parsed in tokenize(token)), None)
    return name.lower() if name is not None and name.lower() in FILTER_NAMES else None


@lru_cache(_KEPT)
def filter_value(token: str) -> str:
    """The value in ``name:value``, without its quotes."""
    return next((parsed.value or "" for parsed in tokenize(token)), "")
