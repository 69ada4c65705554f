"""The tokens of the query language, with their places: for reading a query, and for changing or completing its text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from indexer.text import is_solo, spans, words

_STOP_WORDS = """
a an and are as at be by for from had has have he her hers his i in into is it its me my of off on onto or our out s
she show some t that the their them there these they this those to us was we were where which while who with you your
find photo photos picture pictures image images pic pics
"""
#: Words that say nothing of a picture: they never restrict, unless there is nothing else.
STOP_WORDS = frozenset(_STOP_WORDS.split())

# A quote that nothing closes runs to the end: it is still being typed.
_TOKEN = re.compile(
    r"""
    (?P<minus>-?)
    (?:
        (?P<name>[^\W\d_]+):(?:"(?P<quoted>[^"]*)(?P<closed>"|$)|(?P<value>[^\s"]*))
      | "(?P<phrase>[^"]*)(?:"|$)
      | (?P<word>[^\s"]+)
    )
    """,
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Token:
    """A word, a "phrase", or `name`:`value`; `name` need not be a filter's. `start` and `end` are its place."""

    text: str  # as typed, the minus included
    start: int
    end: int
    negated: bool
    name: str | None = None
    value: str | None = None  # behind the colon, without quotation marks
    phrase: str | None = None
    is_quoted: bool = False
    is_open: bool = False  # it begins a quotation that nothing closes

    @property
    def value_start(self) -> int:
        """Where what stands behind the colon begins, its quotation mark included."""
        return self.start + self.negated + len(self.name or "") + 1


def tokenize(text: str) -> Iterator[Token]:
    """Every character but white space is in one of the tokens."""
    for match in _TOKEN.finditer(text):
        is_quoted = match["quoted"] is not None
        yield Token(
            text=match[0],
            start=match.start(),
            end=match.end(),
            negated=bool(match["minus"]),
            name=match["name"],
            value=match["quoted"] if is_quoted else match["value"],
            phrase=match["phrase"],
            is_quoted=is_quoted,
            is_open=(is_quoted and not match["closed"]) or (match["phrase"] is not None and match[0].count('"') == 1),
        )


def quote(value: str) -> str:
    """A filter's value as it is written behind ``name:``."""
    return f'"{value}"' if " " in value or not value else value


def typed_word(text: str) -> str:
    """The word that `text` is the beginning of, folded; empty where it is none."""
    parts = words(text)
    return parts[0] if len(parts) == 1 and not is_solo(parts[0]) else ""


def is_completable(word: str) -> bool:
    """Whether the word is worth offering as a completion."""
    return len(word) > 1 and word not in STOP_WORDS and not is_solo(word)


def spelling(word: str, texts: Iterable[str]) -> str:
    """`word`, which is folded, as the first of `texts` that has it writes it, in small letters; empty without one."""
    for text in texts:
        for span in spans(text):
            if span.word == word:
                return text[span.start : span.end].lower()
    return ""
