"""How the weights of the evidence are fitted."""

from __future__ import annotations

import numpy as np
import pytest

from captioner.inference.evidence import (
    WordEvidence,
    logistic,
)

pytest.importorskip("pycocoevalcap")

from captioner.training.fit_evidence import ScoredSentence, fit, sentence_confidence

RNG = np.random.default_rng(0)


def made(share_of_people: int) -> ScoredSentence:
    """A sentence of three words whose tags tell exactly how likely a person used them."""
    evidence = tuple(WordEvidence("w", -1.0, float(RNG.normal(0, 2)), 0.0, 0.0) for _ in range(3))
    used = tuple(bool(RNG.random() < logistic(word.tag_logit or 0.0)) for word in evidence)
    return ScoredSentence(evidence, used, -1.0, share_of_people, 1.0)


def test_the_fit_finds_the_evidence_that_there_is() -> None:
    sentences = [made(5) for _ in range(1500)]
    fitted = fit(sentences, [0.0])
    assert fitted.word[1] == pytest.approx(1.0, abs=0.15)  # the tag's logit, as it was made
    confidence = np.array([sentence_confidence(fitted, one) for one in sentences])
    share = np.array([one.share for one in sentences])
    assert abs(float(confidence.mean() - share.mean())) < 0.02
    sure = confidence > np.median(confidence)
    assert share[sure].mean() > share[~sure].mean() + 0.2


def test_fewer_than_half_of_the_sentences_below_the_threshold_are_right() -> None:
    sentences = [made(5) for _ in range(1500)]
    fitted = fit(sentences, [0.0])
    right = np.array([one.share > 0.5 for one in sentences])
    near = np.abs(np.array([sentence_confidence(fitted, one) for one in sentences]) - fitted.least) < 0.08
    assert right[near].mean() == pytest.approx(0.5, abs=0.12)
