"""What is read of the photos that the server found, and the best few hundred of them as a `matching.TermLookup`."""

from __future__ import annotations

import base64
import bisect
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray

from indexer.search.aliases import Alias, AliasKind, aliases_of
from indexer.search.arrays import Floats, Ints, Mask
from indexer.search.compounds import SHORTEST_COMPOUND, SHORTEST_PART
from indexer.search.fields import APPEARANCE, GIVEN_BIT, STACK, folded_text
from indexer.search.folding import StackColumns
from indexer.search.languages import languages_among
from indexer.search.reasons import PhotoTexts

_MIDDLE_STRENGTH = 128
_KEPT_PHOTOS = 1000  # about 8 kB each


@dataclass(frozen=True)
class FoundPhoto:
    """One photo as the server gave it (`layout.READ`)."""

    document: Mapping[str, Any]

    @property
    def id(self) -> str:
        """The content key."""
        return str(self.document["id"])

    @property
    def taken_s(self) -> int | None:
        """`fields.taken_s`, None where the photo has no date."""
        return self.document.get("taken")

    def date_key(self, *, newest: bool) -> tuple[bool, int]:
        """Orders photos by date, those without one last."""
        taken = self.taken_s
        return (taken is None, 0 if taken is None else -taken if newest else taken)

    @cached_property
    def strengths(self) -> dict[str, int]:
        """Word -> 1..255."""
        held = str(self.document.get("words", "")).split()
        strengths = _bytes(self.document.get("strengths"))
        # An index of another layout answers until the one that is made anew takes its place.
        known = strengths if len(strengths) == len(held) else [_MIDDLE_STRENGTH] * len(held)
        return dict(zip(held, known, strict=True))

    @cached_property
    def given(self) -> frozenset[str]:
        """The words that not the model alone says."""
        return frozenset(word for word, strength in self.strengths.items() if strength & GIVEN_BIT)

    @cached_property
    def texts(self) -> list[tuple[str, str, str]]:
        """Field, text, and the words of the text."""
        shown = self.document.get("shown", [])
        return [(field, text, folded_text(field, text)) for field, text in shown if field != STACK]

    @cached_property
    def stack(self) -> str:
        """The id of the photo that stands for its stack; "" where it is in none."""
        return next((text for field, text in self.document.get("shown", []) if field == STACK), "")

    @property
    def has_looks(self) -> bool:
        """Whether it is known what the picture looks like."""
        return any(field == APPEARANCE for field, _ in self.document.get("shown", []))

    @cached_property
    def aliases(self) -> frozenset[Alias]:
        """The other words that its texts are found by."""
        texts = (text for field, text, _ in self.texts if field != APPEARANCE)
        return frozenset(alias for text in texts for alias in aliases_of(text))

    @cached_property
    def photo_texts(self) -> PhotoTexts:
        """What reasons are made of."""
        return PhotoTexts(self.id, self.texts)

    @cached_property
    def embedding(self) -> bytes:
        """int8, of any length; empty where the photo has none."""
        return _bytes(self.document.get("embedding"))

    @property
    def model(self) -> str:
        """Whose embedding it is."""
        return str(self.document.get("model", ""))


def _bytes(text: object) -> bytes:
    try:
        return base64.b64decode(text, validate=True) if isinstance(text, str) else b""
    except ValueError:
        return b""


class FoundPhotoCache:
    """Photos as the server gave them last: while somebody types, most of them come again and again. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: LRUCache[object, FoundPhoto] = LRUCache(_KEPT_PHOTOS)

    def all(self, hits: Sequence[Mapping[str, Any]]) -> list[FoundPhoto]:
        """Each of the server's hits."""
        with self._lock:
            return [self._photo_of(hit) for hit in hits]

    def _photo_of(self, document: Mapping[str, Any]) -> FoundPhoto:
        known = self._kept.get(document["id"])
        if known is None or known.document != document:
            known = self._kept[document["id"]] = FoundPhoto(document)
        return known


@dataclass(frozen=True)
class CandidateWords:
    """The words that some photos have."""

    photos: Sequence[FoundPhoto]

    @cached_property
    def words_sorted(self) -> list[str]:
        """Each once, in order."""
        return sorted({word for photo in self.photos for word in photo.strengths})

    @cached_property
    def word_codes(self) -> dict[str, int]:
        """Word -> its place in the order."""
        return {word: code for code, word in enumerate(self.words_sorted)}

    def beginning_with(self, prefix: str) -> list[str]:
        """The words that begin with `prefix`, in order."""
        low = bisect.bisect_left(self.words_sorted, prefix)
        return self.words_sorted[low : bisect.bisect_left(self.words_sorted, prefix + "\U0010ffff", low)]

    def words_with_alias(self, kind: AliasKind, text: str) -> tuple[str, ...]:
        """The words that have this alias."""
        return tuple(
            sorted(
                {
                    alias.word
                    for photo in self._which_may_have(kind, text)
                    for alias in photo.aliases
                    if (alias.kind, alias.text) == (kind, text)
                }
            )
        )

    def _which_may_have(self, kind: AliasKind, text: str) -> Iterator[FoundPhoto]:
        """Aliases are read of few photos: of those with a longer word that holds (but for its last letter) the part, or
        with a text that has an umlaut."""
        if kind is AliasKind.SPELLING:
            yield from (photo for photo in self.photos if not all(own.isascii() for _, own, _ in photo.texts))
            return
        beginning = text[:-1] if len(text) > SHORTEST_PART else text
        longer = {word for word in self.words_sorted if beginning in word and len(word) >= SHORTEST_COMPOUND}
        yield from (photo for photo in self.photos if not longer.isdisjoint(photo.strengths))

    def languages(self) -> tuple[str, ...]:
        """The languages that the words are in, besides English."""
        return self._languages

    @cached_property
    def _languages(self) -> tuple[str, ...]:
        return languages_among(self.word_codes)


@dataclass(frozen=True)
class Candidates:
    """Photos in the order that they came in; arrays have one entry per photo."""

    photos: Sequence[FoundPhoto]

    @cached_property
    def names(self) -> CandidateWords:
        """The words of these photos."""
        return CandidateWords(self.photos)

    def scores(self, codes: Ints, qualities: Floats) -> Floats:
        """Per photo the best of strength times quality among `codes`; 0 where it has none of them."""
        ordered = self.names.words_sorted
        sought = {
            ordered[code]: quality / 255 for code, quality in zip(codes.tolist(), qualities.tolist(), strict=True)
        }
        best = (
            max((photo.strengths[word] * sought[word] for word in sought.keys() & photo.strengths.keys()), default=0.0)
            for photo in self.photos
        )
        return np.fromiter(best, np.float32, len(self.photos))

    def matches(self, codes: Ints, qualities: Floats) -> tuple[Floats, Mask]:
        """As `TermLookup.matches`."""
        ordered = self.names.words_sorted
        sought = frozenset(ordered[code] for code in codes.tolist())
        given = (not sought.isdisjoint(photo.given) for photo in self.photos)
        return self.scores(codes, qualities), np.fromiter(given, np.bool_, len(self.photos))

    def frequencies(self, codes: Ints) -> NDArray[np.int64]:
        """How many of the photos each of the words `codes` has."""
        ordered = self.names.words_sorted
        counts = (sum(ordered[code] in photo.strengths for photo in self.photos) for code in codes.tolist())
        return np.fromiter(counts, np.int64, len(codes))

    def full_text(self, parts: Sequence[str], *, prefix: bool = False) -> Mask:
        """The photos with a text in which the words `parts` follow one another."""
        sought = f" {' '.join(parts)}{'' if prefix else ' '}"
        held = (any(sought in f" {folded} " for _, _, folded in photo.texts) for photo in self.photos)
        return np.fromiter(held, np.bool_, len(self.photos))

    def cosines(self, vector: Sequence[float], model: str) -> Floats:
        """One per photo; 0 where it has no embedding by `model` or one of another length."""
        wanted = np.asarray(vector, np.float32)
        cosines = np.zeros(len(self.photos), np.float32)
        own = {
            place: photo.embedding
            for place, photo in enumerate(self.photos)
            if photo.model == model and len(photo.embedding) == len(wanted)
        }
        if not own or not np.isfinite(wanted).all():
            return cosines
        matrix = np.frombuffer(b"".join(own.values()), np.int8).reshape(len(own), -1).astype(np.float32)
        lengths = np.linalg.norm(matrix, axis=1) * np.linalg.norm(wanted)
        found = np.zeros(len(own), np.float32)
        np.divide(matrix @ wanted, lengths, out=found, where=lengths > 0)
        cosines[list(own)] = found
        return cosines

    @cached_property
    def newest(self) -> NDArray[np.int64]:
        """Ranks by date, the newest highest, those without a date lowest; equal ones as they came."""
        return self._ranks(newest=True)

    @cached_property
    def oldest(self) -> NDArray[np.int64]:
        """Ranks by date, the oldest highest, those without a date lowest; equal ones as they came."""
        return self._ranks(newest=False)

    @cached_property
    def stacks(self) -> StackColumns:
        """Which of these photos stack."""
        numbers = {
            stack: number for number, stack in enumerate(sorted({photo.stack for photo in self.photos} - {""}), 1)
        }
        codes = np.array([numbers.get(photo.stack, 0) for photo in self.photos], np.int32)
        return StackColumns.of(codes, np.array([photo.stack == photo.id for photo in self.photos], np.bool_))

    def _ranks(self, *, newest: bool) -> NDArray[np.int64]:
        ranks = np.zeros(len(self.photos), np.int64)
        by_date = sorted(range(len(self.photos)), key=lambda place: self.photos[place].date_key(newest=newest))
        for rank, place in enumerate(by_date):
            ranks[place] = len(self.photos) - rank
        return ranks
