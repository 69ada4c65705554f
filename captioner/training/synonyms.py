"""Queries with words swapped for synonyms, to measure search for words that no caption has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from captioner.inference.preprocess import tokenize

#: word -> words or phrases that may stand in its place.
Synonyms = Mapping[str, tuple[str, ...]]


def read_synonyms(path: Path) -> dict[str, tuple[str, ...]]:
    """From lines of word TAB synonym [TAB anything]; # starts a comment.

    Raises:
        ValueError: a line is something else; the message names it.
    """
    found: dict[str, tuple[str, ...]] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        stripped = line.partition("#")[0].strip()
        if not stripped:
            continue
        word, *rest = (part.strip() for part in stripped.split("\t"))
        if not rest or tokenize(word) != [word] or not tokenize(rest[0]):
            raise ValueError(f"{path}, line {number}: expected one word, a tab and its synonym, got {line!r}")
        found[word] = (*found.get(word, ()), " ".join(tokenize(rest[0])))
    return found


def swap_synonyms(query: str, synonyms: Synonyms, turn: int = 0) -> str | None:
    """`query` with every listed word swapped; None where it holds none.

    Args:
        turn: which synonym is taken where a word has several: they take turns.
    """
    words = tokenize(query)
    if not any(word in synonyms for word in words):
        return None
    return " ".join(synonyms[word][turn % len(synonyms[word])] if word in synonyms else word for word in words)


def swap_all(queries: Sequence[str], synonyms: Synonyms) -> dict[int, str]:
    """The swapped queries by their places in `queries`; those that hold no listed word are left out."""
    found = ((place, swap_synonyms(query, synonyms, place)) for place, query in enumerate(queries))
    return {place: query for place, query in found if query is not None}
