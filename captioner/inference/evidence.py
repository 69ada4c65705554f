"""Probabilities of a sentence's words, and the confidence of the sentence. Needs only the standard library.

The decoder's own probability of a word says how well it fits the sentence, hardly whether it is in the image. So each
content word is scored by the tag head, the classes of the trunk, the similarity of word and image embeddings, and the
decoder, with a logistic regression fitted on photos that nothing was trained on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

#: Features of a content word, in the order of `EvidenceModel.word`.
WORD_FEATURES = ("bias", "tag logit", "is a tag", "class probability", "likeness", "has a likeness", "log-probability")
#: Features of a sentence, in the order of `EvidenceModel.sentence`.
SENTENCE_FEATURES = ("bias", "mean of its words", "least of its words", "mean log-probability")
_MOST = 12.0  # a logit beyond it is a probability of 0 or 1


@dataclass(frozen=True, slots=True)
class WordEvidence:
    """The evidence for one content word of a caption."""

    word: str
    logp: float  # of the decoder
    tag_logit: float | None  # None for a word that is no tag
    class_probability: float  # sum over the classes that have the word; 0 where none has
    #: Cosine with the image less that with the mean photo; None for a word that the text tower doesn't know.
    similarity: float | None

    @property
    def features(self) -> tuple[float, ...]:
        """In the order of `WORD_FEATURES`."""
        tag = self.tag_logit
        return (1.0, tag or 0.0, float(tag is not None), self.class_probability, self.similarity or 0.0,
                float(self.similarity is not None), max(self.logp, -_MOST))  # fmt: skip


@dataclass(frozen=True, slots=True)
class EvidenceModel:
    """The logistic regressions of a bundle, as they stand in its manifest: fields are keys there."""

    word: tuple[float, ...]  # a weight for each of WORD_FEATURES
    sentence: tuple[float, ...]  # a weight for each of SENTENCE_FEATURES
    least: float  # a sentence of less confidence is unsure: fewer than half of those are right
    ordinary: tuple[float, ...] = ()  # the mean embedding of photos, subtracted from an image's

    def __post_init__(self) -> None:
        for name, weights, features in (
            ("word", self.word, WORD_FEATURES),
            ("sentence", self.sentence, SENTENCE_FEATURES),
        ):
            if len(weights) != len(features):
                raise ValueError(f"evidence of a {name}: {len(features)} weights expected, got {len(weights)}")

    def word_probability(self, evidence: WordEvidence) -> float:
        """The probability (0..1) that a person would use the word for the image."""
        return logistic(sum(w * x for w, x in zip(self.word, evidence.features, strict=True)))

    def sentence_confidence(self, words: Sequence[float], mean_logp: float) -> float:
        """The confidence (0..1) of a sentence, from the probabilities of its content words."""
        return logistic(sum(w * x for w, x in zip(self.sentence, sentence_features(words, mean_logp), strict=True)))


def sentence_features(words: Sequence[float], mean_logp: float) -> tuple[float, ...]:
    """In the order of `SENTENCE_FEATURES`; a sentence without content words counts as one whose words are all wrong."""
    mean, least = (sum(words) / len(words), min(words)) if words else (0.0, 0.0)
    return 1.0, logit(mean), logit(least), max(mean_logp, -_MOST)


def logistic(x: float) -> float:
    """1 / (1 + e^-x)"""
    return 1 / (1 + math.exp(-min(max(x, -_MOST), _MOST)))


def logit(p: float) -> float:
    """The inverse of `logistic`."""
    bounded = min(max(p, logistic(-_MOST)), logistic(_MOST))
    return math.log(bounded / (1 - bounded))


def inflections(word: str) -> tuple[str, ...]:
    """A word and its possible plural and singular forms."""
    return word, f"{word}s", word.removesuffix("s"), word.removesuffix("es")


def max_over_inflections(word: str, known: Mapping[str, float]) -> float | None:
    """The greatest value among a word's inflections; None where `known` has none."""
    return max((known[form] for form in inflections(word) if form in known), default=None)
