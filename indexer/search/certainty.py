"""How likely a photo shows what a word of the query says, and whether that is sure.

What the model says of a photo is evidence: the strength of the word (`fields.Fields.strengths`), which the sentence,
the probability of the word in it and the tags make up, and the cosine of the picture with the query. A logistic
regression makes a probability of the two. A word that not the model alone says (`fields.given_words`) is always sure.

    python -m tests.bench.fit_certainty

fits the numbers below and measures them on words that they were not fitted on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from indexer.search.arrays import Floats, Mask

#: The evidence for a word that not the model alone says; that of all others is below 1.
GIVEN = np.float32(2.0)
#: From these probabilities on a word is sure, with a cosine and without: four of five such photos are right, of words
#: that the weights were not fitted on (81% and 80%).
SURE, SURE_ALONE = 0.62, 0.58
#: Where photos have the word itself, its other forms, longer words and synonyms count for so much less as evidence:
#: people say "dogs" of few photos of which the model says "dog". Of 0.1 to 0.95 this finds best.
OTHER_WORD = 0.4
#: The same of its plural: who looks for a dog is right to find two. Of 0.4 to 1 the most that costs no precision.
PLURAL = 0.8

# Weights of logit(evidence), of the cosine, and the bias; and without a cosine. Fitted on 183 words and the photos of
# Flickr8k dev that have them by recollect-lite-3: a photo is right where two of its five people used the word, and left
# out where one did.
_EVIDENCE, _COSINE, _BIAS = 0.91, 1.79, -1.23
_EVIDENCE_ALONE, _BIAS_ALONE = 1.0, -0.7
_LEAST, _MOST = 0.01, 0.99
# From these logits on: comparing them saves an exponential of each photo.
_SURE_LOGIT, _SURE_ALONE_LOGIT = (math.log(sure / (1 - sure)) for sure in (SURE, SURE_ALONE))
#: From so much evidence on a word is sure where the photo has no embedding: where `probabilities` reaches `SURE_ALONE`.
SURE_EVIDENCE = 1 / (1 + math.exp((_BIAS_ALONE - _SURE_ALONE_LOGIT) / _EVIDENCE_ALONE))


def evidence_shares(qualities: Mapping[str, float]) -> Sequence[tuple[float, Mapping[str, float]]]:
    """The words that a word of the query may mean, given with the qualities of `matching`, by how much of a photo's
    score for them is evidence."""
    best = max(qualities.values(), default=0.0)
    right = {word: quality for word, quality in qualities.items() if quality == best}
    plurals = {f"{word}s" for word in right} & qualities.keys() - right.keys()
    others = {word: quality for word, quality in qualities.items() if word not in right and word not in plurals}
    shares = [(PLURAL / qualities[word], {word: qualities[word]}) for word in sorted(plurals)]
    return [(1 / best, right), *shares, *([(OTHER_WORD, others)] if others else [])] if right else []


def scores_and_evidence(
    qualities: Mapping[str, float], matches: Callable[[Mapping[str, float]], tuple[Floats, Mask]]
) -> tuple[Floats, Floats]:
    """Of these words, for each photo (n,). `matches` gives the scores for words with their qualities, and the photos
    with one that not the model alone says."""
    (share, first), *others = evidence_shares(qualities) or [(1.0, qualities)]
    scores, given = matches(first)
    evidence = scores * np.float32(share)
    for share, some in others:
        own, own_given = matches(some)
        scores, given = np.maximum(scores, own), given | own_given
        np.maximum(evidence, own * np.float32(share), out=evidence)
    evidence[given] = GIVEN
    return scores, evidence


def evidence_logit(evidence: Floats) -> Floats:
    """log(evidence / (1 - evidence)) of evidence in 0..1, which is bounded on both sides."""
    bounded = np.clip(evidence, _LEAST, _MOST)
    return np.asarray(np.log(bounded / (1 - bounded)), np.float32)


def probabilities(evidence: Floats, cosines: Floats) -> Floats:
    """The probability (n,) in 0..1 that a person would use the word for the photo.

    Args:
        evidence: (n,) in 0..1. cosines: (n,) of the pictures with the query; 0 where there is none.
    """
    return np.asarray(1 / (1 + np.exp(-_logits(evidence, cosines))), np.float32)


def _logits(evidence: Floats, cosines: Floats) -> Floats:
    """Of the probabilities."""
    logits = evidence_logit(evidence)
    seen = _EVIDENCE * logits + _COSINE * cosines + _BIAS
    unseen = _EVIDENCE_ALONE * logits + _BIAS_ALONE
    return np.where(cosines != 0, seen, unseen)


def sure(evidence: Floats, cosines: Floats) -> Mask:
    """Of which photos (n,) the word is sure."""
    enough = _logits(evidence, cosines) >= np.where(cosines != 0, _SURE_LOGIT, _SURE_ALONE_LOGIT)
    return np.asarray((evidence >= GIVEN) | enough, np.bool_)
