"""What the words of a query mean: as a vector among the pictures, and which words of a photo come near them.

The caption model's bundle may hold a text tower, which places words where it places the pictures that they fit. It is
opened when the first words are asked about, once, and serves every thread.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from captioner import BundleError
from indexer.search import Query, Why
from indexer.search.tokens import STOP_WORDS
from indexer.text import has_digit, words

log = logging.getLogger(__name__)

#: Words of a photo whose cosine with a word of the query is less are no reason to find it.
LEAST_NEAR = 0.5
_MOST_REASONS = 3
# A page asks for photos, facets and neighbours of one query, and of what its photos say few words are new.
_REMEMBERED = 4096
_REMEMBERED_QUERIES = 256
_REMEMBERED_NEIGHBOURS = 32

_Vectors = Callable[[Collection[str]], Mapping[str, NDArray[np.float32] | None]]

#: Word of a query -> the words that mean nearly the same, with their cosines.
Near = Mapping[str, Mapping[str, float]]


class Tower(Protocol):
    """The text side of a caption model, such as `captioner.TextTower`."""

    @property
    def model(self) -> str:
        """The name and version of the caption model whose pictures' space it shares."""

    @property
    def dimension(self) -> int:
        """d, the length of its vectors."""

    def embed(self, text: str) -> NDArray[np.float32] | None:
        """(d,), unit length; None where it knows no word of `text`."""

    def embed_each(self, texts: Sequence[str]) -> Sequence[NDArray[np.float32] | None]:
        """As `embed` of each."""

    def knows(self, word: str) -> bool:
        """Whether it has a vector for the folded `word`."""


class _Neighbours:
    """The words that mean nearly the same as `word`, among those that were asked about; thread-safe."""

    def __init__(self, word: str) -> None:
        self._word = word
        # Which words were asked about, and those of them that are near; replaced as a whole, as others may be reading.
        self._known: tuple[frozenset[str], Mapping[str, float]] = frozenset({word}), {word: 1.0}

    def among(self, others: frozenset[str], vectors: _Vectors) -> Mapping[str, float]:
        """With their cosines, those of `others` at least."""
        asked, near = self._known
        if len(asked) > _REMEMBERED:
            asked, near = frozenset({self._word}), {self._word: 1.0}
        new = others - asked
        if new:
            near = {**near, **self._nearest(new, vectors)}
            self._known = asked | new, near
        return near

    def _nearest(self, others: frozenset[str], vectors: _Vectors) -> Mapping[str, float]:
        found = vectors({self._word, *others})
        meant = found[self._word]
        placed = {word: vector for word in others if (vector := found[word]) is not None}
        if meant is None or not placed:
            return {}
        cosines = np.array(list(placed.values()), np.float32) @ meant
        return {word: cosine for word, cosine in zip(placed, cosines.tolist(), strict=True) if cosine >= LEAST_NEAR}


class Meaning:
    """Reads queries by the tower that `opened` gives; where that is none, queries stay words. Thread-safe."""

    def __init__(self, opened: Callable[[], Tower | None]) -> None:
        self._opened = opened
        self._lock = threading.Lock()
        self._looked = False
        self._tower: Tower | None = None
        self._vector = lru_cache(maxsize=_REMEMBERED_QUERIES)(self._embed)
        self._words: dict[str, NDArray[np.float32] | None] = {}
        self._neighbours = lru_cache(maxsize=_REMEMBERED_NEIGHBOURS)(_Neighbours)

    @classmethod
    def of_bundle(cls, bundle: Path) -> Self:
        """By the text tower of a model bundle; one that is damaged is logged and not used."""

        def open_tower() -> Tower | None:
            from captioner import TextTower

            try:
                return TextTower.open(bundle)
            except BundleError as error:
                log.warning("searching by words only, not by meaning: %s", error)
                return None

        return cls(open_tower)

    def with_vector(self, query: Query, names: Callable[[], frozenset[str]] = frozenset) -> Query:
        """`query` with its vector, where it has words that the tower knows and no vector yet.

        The words that `names` gives are names, which a tower can't know, and get none.
        """
        if query.vector is not None or not (query.words or query.phrases):
            return query
        tower = self._current()
        if tower is None:
            return query
        texts = [word for text in (*query.phrases, *query.words) for word in words(text)]
        if texts and query.words and query.prefix_last and not tower.knows(texts[-1]):
            texts.pop()  # still being typed
        proper = names()
        texts = [word for word in texts if word not in proper and not _is_number(word)]
        known = tuple(word for word in texts if word not in STOP_WORDS and tower.knows(word))
        vector = self._vector(" ".join(texts)) if known else None
        if vector is None:
            return query
        return replace(query, vector=tuple(vector.tolist()), model=tower.model, meant=known)

    def space(self) -> tuple[str, int] | None:
        """The model whose pictures' space words are placed in, and the length of its vectors; None without a tower."""
        tower = self._current()
        return (tower.model, tower.dimension) if tower else None

    def near(self, sought: Iterable[str], among: frozenset[str]) -> Near:
        """For each word of a query those of the words `among` that mean nearly the same, itself with 1.

        There may be others that were asked about before.
        """
        return {word: self._neighbours(word).among(among, self._word_vectors) for word in sought}

    def vectors(self, wanted: Sequence[str]) -> Mapping[str, NDArray[np.float32] | None]:
        """Where each of these words lies; None for those that the tower doesn't know. Nothing of it is remembered."""
        tower = self._current()
        return dict(zip(wanted, tower.embed_each(wanted), strict=True)) if tower else dict.fromkeys(wanted)

    def _word_vectors(self, wanted: Collection[str]) -> Mapping[str, NDArray[np.float32] | None]:
        kept = self._words
        found = {word: kept[word] for word in wanted if word in kept}
        missing = [word for word in wanted if word not in found]
        tower = self._current()
        if tower is None or not missing:
            return found | dict.fromkeys(missing)
        new = dict(zip(missing, tower.embed_each(missing), strict=True))
        if len(kept) + len(new) > _REMEMBERED:
            self._words = new
        else:
            kept.update(new)
        return found | new

    def _current(self) -> Tower | None:
        if not self._looked:
            with self._lock:
                if not self._looked:
                    self._tower = self._opened()
                    self._looked = True
        return self._tower

    def _embed(self, text: str) -> NDArray[np.float32] | None:
        tower = self._current()
        return tower.embed(text) if tower else None


def is_supported(sought: Iterable[str], own: frozenset[str], near: Near) -> bool:
    """Whether each word of a query is among a photo's words, or near one of them."""
    return all(not own.isdisjoint(near[word]) for word in sought)


def reason(missed: Iterable[str], own: frozenset[str], near: Near) -> Why:
    """Why a photo was found by meaning: those of its words that come nearest to words of the query.

    `missed` are the words of the query that none of its texts hold.
    """
    nearest = [max((near[word].get(other, 0.0), other, word) for other in own) for word in missed if own]
    text, spans = "", []
    for cosine, other, word in sorted(nearest, reverse=True)[:_MOST_REASONS]:
        if cosine:
            text += f"{', ' if text else ''}{word} ≈ {other}"
            spans.append((len(text) - len(other), len(text)))
    return Why("embedding", text, tuple(spans), "meaning")


#: For a search that goes by words alone.
NO_MEANING = Meaning(lambda: None)


def _is_number(word: str) -> bool:
    """Whether it is a year, a time or the number of a file, which no vector stands for. The 2 of "2 dogs" is not."""
    return has_digit(word) and len(word) > 1
