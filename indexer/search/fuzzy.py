"""Typing mistakes, mended from the words that the index has (rapidfuzz, optimal string alignment distance).

One edit is allowed from four letters on, two from eight; two neighbours swapped are one edit. The first letter is
taken to be right where any word with it fits. Numbers are never corrected.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rapidfuzz import process
from rapidfuzz.distance import OSA

from indexer.text import has_digit, is_solo

ONE_EDIT_FROM = 4
TWO_EDITS_FROM = 8
_ANY_FIRST_LETTER_FROM = 5
_PREFIX_FROM = 5


def edits_allowed(word: str) -> int:
    """How many typing mistakes `word` may hold."""
    if len(word) < ONE_EDIT_FROM or has_digit(word) or is_solo(word):
        return 0
    return 2 if len(word) >= TWO_EDITS_FROM else 1


def corrections(
    word: str, vocabulary: Sequence[str], beginning_with: Callable[[str], Sequence[str]], *, prefix: bool = False
) -> list[tuple[str, int]]:
    """The words nearest to `word` with their distances, itself left out; with `prefix` also those that begin nearly so.

    `vocabulary` holds all words, `beginning_with` gives those with a certain beginning. Only the nearest are given:
    words two edits away only where none is one edit away.
    """
    allowed = edits_allowed(word)
    if not allowed:
        return []
    alike = beginning_with(word[0])
    found = _near(word, alike, allowed)
    if not found and prefix and len(word) >= _PREFIX_FROM:
        cut = {text[: len(word)]: text for text in alike if len(text) > len(word)}
        near = {text for text, _ in _near(word, list(cut), 1)}
        found = [(text, 1) for text in alike if text[: len(word)] in near]
    if not found and len(word) >= _ANY_FIRST_LETTER_FROM:
        found = _near(word, vocabulary, 1)
    nearest = min((distance for _, distance in found), default=0)
    return [(text, distance) for text, distance in found if distance == nearest]


def _near(word: str, vocabulary: Sequence[str], allowed: int) -> list[tuple[str, int]]:
    matches = process.extract(word, vocabulary, scorer=OSA.distance, processor=None, score_cutoff=allowed, limit=None)
    return [(text, int(distance)) for text, distance, _ in matches if distance and not has_digit(text)]
