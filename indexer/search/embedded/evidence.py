"""Which photos have words that confirm what they look like, found in the index as far as possible.

Every query with a new meaning asks about two hundred photos. To avoid reading their texts, the index in memory tells
which of them have a word of nearly the same meaning. A word that only the model says is always about the photo's
content; of other words, such as a folder's or a person's, the texts tell whether they are.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Mapping, Sequence

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray

from indexer.search.appearance import is_text
from indexer.search.arrays import Floats, Ints, Mask
from indexer.search.embedded.caches import state_of
from indexer.search.embedded.snapshot import IndexSnapshot, Names
from indexer.search.meaning import LEAST_NEAR, Meaning, is_supported
from indexer.search.reasons import PhotoTexts
from indexer.search.tokens import STOP_WORDS

_WORDS_AT_ONCE = 1000
#: Words of queries; each takes some 100 bytes.
_KEPT_WORDS = 2048
#: Masks of photos, for each word of a query two bits a photo.
_KEPT_MASK_BYTES = 2_000_000


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


class EvidenceIndex:
    """Which photos have words of their content that mean nearly the same as those of a query; thread-safe.

    `texts_of` reads the texts of photos by their docnos.
    """

    def __init__(self, meaning: Meaning, texts_of: Callable[[Sequence[int]], Mapping[int, PhotoTexts]]) -> None:
        self._meaning = meaning
        self._texts_of = texts_of
        self._near_words = NearWords(meaning)
        self._lock = threading.Lock()
        self._state: Hashable = None
        self._masks: LRUCache[str, NDArray[np.uint8]] = LRUCache(_KEPT_MASK_BYTES, getsizeof=lambda one: one.nbytes)

    def supports(self, sought: Sequence[str], places: NDArray[np.int64], snapshot: IndexSnapshot) -> Mask:
        """Which of the photos at `places` have, for each of the words `sought`, it or one that is near it."""
        certain, possible = np.ones(len(places), np.bool_), np.ones(len(places), np.bool_)
        for word in sought:
            modelled, given = self._having_near(word, snapshot)
            certain &= modelled[places]
            possible &= modelled[places] | given[places]
        unclear = np.flatnonzero(possible & ~certain)
        if len(unclear):
            docnos = snapshot.docnos[places[unclear]].tolist()
            own = {docno: one.content_words for docno, one in self._texts_of(docnos).items()}
            near = self._meaning.near(sought, frozenset().union(*own.values()))
            certain[unclear] = [no in own and is_supported(sought, own[no], near) for no in docnos]
        return certain

    def _having_near(self, word: str, snapshot: IndexSnapshot) -> Mask:
        """The photos that have a word near `word` by the model alone, and those that have one by others too: (2, n)."""
        count = len(snapshot.docnos)
        with self._lock:
            if self._state != state_of(snapshot):
                self._masks.clear()
                self._state = state_of(snapshot)
            packed = self._masks.get(word)
        if packed is None:
            packed = np.packbits(snapshot.having_words(self._near_words.codes(word, snapshot.names)), axis=1)
            with self._lock:
                if self._state == state_of(snapshot) and packed.nbytes <= self._masks.maxsize:
                    self._masks[word] = packed
        return np.unpackbits(packed, axis=1, count=count).view(np.bool_)
