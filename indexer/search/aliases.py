"""Other words that the words of a text are found by: what they are made of, and how they are spelt without umlauts.

"Geburtstagstorte" is found by "Torte" (`compounds`), "Öl" by "Oel". The other way round a query with "Öl" asks for
"oel" as well (`spelt_out`). As only texts that have the umlaut are found by "oe", "Poet" never finds a pot.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from indexer.search.compounds import SHORTEST_COMPOUND, is_noun, part_keys, parts_in
from indexer.search.languages import noun_stem
from indexer.text import MAX_WORD_CHARS, fold, has_digit, spans

_LONG_WORD = re.compile(f"[A-Za-z]{{{SHORTEST_COMPOUND},}}")
_TWO_LETTERS = re.compile("(?:ae|oe|ue)")
_SPELT_OUT = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "å": "aa"})


class AliasKind(StrEnum):
    """How an alias is related to its word."""

    PART = "part"  # a stem of what it is made of
    SPELLING = "spelling"


class Alias(NamedTuple):
    """A word of a text, folded, and another that it is found by."""

    kind: AliasKind
    text: str
    word: str


@lru_cache(maxsize=8192)
def aliases_of(text: str) -> tuple[Alias, ...]:
    """The aliases of the words of `text`, which is `clean`, each once."""
    found: dict[Alias, None] = {}
    for word, written in _candidates(text):
        if spelt := spelt_out(written):
            found[Alias(AliasKind.SPELLING, spelt[:MAX_WORD_CHARS], word)] = None
        for part in parts_in(written):
            found.update(dict.fromkeys(Alias(AliasKind.PART, key, word) for key in part_keys(part.word)))
    return tuple(found)


def _candidates(text: str) -> Iterator[tuple[str, str]]:
    """The words of `text` that may have aliases, folded and as written: few, so most texts are not cut up twice."""
    if text.isascii():
        yield from ((found[:MAX_WORD_CHARS].lower(), found) for found in _LONG_WORD.findall(text))
        return
    for span in spans(text):
        written = text[span.start : span.end]
        if not has_digit(span.word) and (len(span.word) >= SHORTEST_COMPOUND or not written.isascii()):
            yield span.word, written


def with_umlauts(word: str) -> str:
    """What the folded `word` with "ae", "oe", "ue" for umlauts is where it is taken for German; empty for any other: of
    "poet" nobody means "pöt"."""
    other = _TWO_LETTERS.sub(lambda match: match[0][0], word)
    return other if other != word and (is_noun(other) or noun_stem(other)) else ""


def spelt_out(word: str) -> str:
    """`word` folded, with two letters for each umlaut; empty where it has none."""
    if word.isascii():
        return ""
    lower = word.lower()
    other = lower.translate(_SPELT_OUT)
    return fold(other) if other != lower else ""
