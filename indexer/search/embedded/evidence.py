"""Which photos have words that bear out what they look like: told from the index, as far as that says it.

Two hundred photos are asked about with every new meaning. Their texts would have to be read for it; the index in memory
says which of them have a word that means nearly the same, and of a word that the model alone says that it is one of
the photo's content. The others, a folder's or a person's words, are looked up in the texts.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray

from indexer.search.appearance import is_text
from indexer.search.arrays import Floats, Ints, Mask
from indexer.search.embedded.snapshot import IndexSnapshot, Names
from indexer.search.meaning import LEAST_NEAR, Meaning, is_supported
from indexer.search.reasons import PhotoTexts
from indexer.search.tokens import STOP_WORDS

_WORDS_AT_ONCE = 1000
#: Words of queries; each takes some 100 bytes.
_KEPT_WORDS = 2048


class NearWords:
    """The words of an index that mean nearly the same as a word of a query; thread-safe.

    Every word of the index that the tower knows is placed once, half a kB each.
    """

    def __init__(self, meaning: Meaning) -> None:
        self._meaning = meaning
        self._lock = threading.Lock()
        self._forget(None)

    def _forget(self, names: Names | None) -> None:
        self._names = names
        self._seen = 0  # how many words of `names` were looked at
        self._codes: Ints = np.zeros(0, np.int32)
        self._vectors: Floats = np.zeros((0, 0), np.float32)
        self._near: LRUCache[str, Ints] = LRUCache(_KEPT_WORDS)

    def codes(self, word: str, names: Names) -> Ints:
        """The codes of those words, (n,), itself among them if the index has it."""
        with self._lock:
            self._follow(names)
            near = self._near.get(word)
            if near is None:
                near = self._near[word] = self._nearest(word, names)
            return near

    def _follow(self, names: Names) -> None:
        """Places the words that are new."""
        if names is not self._names:
            self._forget(names)
        if len(names.word_codes) == self._seen:
            return
        known = list(names.word_codes)  # at once: another thread may be adding to it
        placed = dict[str, Floats]()
        for start in range(self._seen, len(known), _WORDS_AT_ONCE):
            content = [
                word for word in known[start : start + _WORDS_AT_ONCE] if is_text(word) and word not in STOP_WORDS
            ]
            placed |= {word: vector for word, vector in self._meaning.vectors(content).items() if vector is not None}
        if placed:
            codes = np.fromiter((names.word_codes[word] for word in placed), np.int32)
            vectors = np.array(list(placed.values()), np.float32)
            self._codes = np.concatenate([self._codes, codes])
            self._vectors = np.concatenate([self._vectors, vectors]) if self._vectors.size else vectors
        self._seen = len(known)
        self._near.clear()

    def _nearest(self, word: str, names: Names) -> Ints:
        vector = self._meaning.vectors([word])[word]
        near = np.zeros(0, np.int32)
        if vector is not None and len(self._codes):
            near = self._codes[self._vectors @ vector >= LEAST_NEAR]
        own = names.word_codes.get(word)
        return near if own is None else np.union1d(near, np.int32(own))


def supported_photos(
    sought: Sequence[str],
    places: NDArray[np.int64],
    snapshot: IndexSnapshot,
    near_words: NearWords,
    texts_of: Callable[[Sequence[int]], Mapping[int, PhotoTexts]],
    meaning: Meaning,
) -> Mask:
    """Which of the photos at `places` have, for each of the words `sought`, a word of their content that is it or means
    nearly the same; `texts_of` reads the texts of photos by their docnos."""
    certain, possible = np.ones(len(places), np.bool_), np.ones(len(places), np.bool_)
    for word in sought:
        modelled, given = snapshot.holding(near_words.codes(word, snapshot.names), places)
        certain &= modelled
        possible &= modelled | given
    unclear = np.flatnonzero(possible & ~certain)
    if len(unclear):
        docnos = snapshot.docnos[places[unclear]].tolist()
        own = {docno: one.content_words for docno, one in texts_of(docnos).items()}
        near = meaning.near(sought, frozenset().union(*own.values()))
        certain[unclear] = [no in own and is_supported(sought, own[no], near) for no in docnos]
    return certain
