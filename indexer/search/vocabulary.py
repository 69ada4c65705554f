"""The words of an index as they are offered to who is typing."""

from __future__ import annotations

from collections.abc import Iterable

from indexer.search.tokens import STOP_WORDS
from indexer.text import is_solo, spans, words


def typed_word(text: str) -> str:
    """The word that `text` is the beginning of, folded; empty where it is none."""
    parts = words(text)
    return parts[0] if len(parts) == 1 and not is_solo(parts[0]) else ""


def is_completable(word: str) -> bool:
    """Whether anybody would want this word completed."""
    return len(word) > 1 and word not in STOP_WORDS and not is_solo(word)


def spelling(word: str, texts: Iterable[str]) -> str:
    """`word`, which is folded, as the first of `texts` that has it writes it, in small letters; empty without one."""
    for text in texts:
        for span in spans(text):
            if span.word == word:
                return text[span.start : span.end].lower()
    return ""
