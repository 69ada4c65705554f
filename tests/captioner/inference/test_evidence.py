"""The logistics over what is known of words and sentences."""

from __future__ import annotations

import math

import pytest

from captioner.inference.evidence import (
    SENTENCE_FEATURES,
    WORD_FEATURES,
    EvidenceModel,
    WordEvidence,
    logistic,
    logit,
    max_over_inflections,
)

BIAS_ONLY = (1.0, *([0.0] * (len(WORD_FEATURES) - 1)))


def test_logit_is_the_inverse_of_logistic() -> None:
    for p in (0.01, 0.5, 0.9):
        assert logistic(logit(p)) == pytest.approx(p)
    assert 0 < logistic(-1e9) < logistic(1e9) < 1
    assert math.isfinite(logit(0.0))
    assert math.isfinite(logit(1.0))


def test_evidence_of_another_number_of_weights_is_refused() -> None:
    with pytest.raises(ValueError, match="7 weights expected, got 2"):
        EvidenceModel((1.0, 2.0), (0.0,) * len(SENTENCE_FEATURES), 0.5)


def test_a_word_counts_by_its_singular_and_plural_too() -> None:
    known = {"dog": 0.2, "dogs": 0.7, "box": 0.4}
    assert max_over_inflections("dog", known) == 0.7
    assert max_over_inflections("boxes", known) == 0.4
    assert max_over_inflections("cat", known) is None


def test_what_is_not_known_of_a_word_counts_nothing() -> None:
    fitted = EvidenceModel(BIAS_ONLY, (0.0,) * len(SENTENCE_FEATURES), 0.5)
    assert fitted.word_probability(WordEvidence("dog", -50.0, None, 0.0, None)) == pytest.approx(logistic(1.0))
