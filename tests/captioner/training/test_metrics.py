"""Scores of captions, on cases that can be told by hand."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("pycocoevalcap")

from captioner.training.metrics import (
    auc,
    calibration,
    calibration_error,
    content_word_agreement,
    fit_logistic,
    repeats_a_word,
    score,
    tag_scores,
)

HUMAN = [
    ["A brown dog runs on the grass .", "a dog running outside"],
    ["Two girls swim in a pool .", "Girls are swimming"],
    ["A man rides a red bicycle .", "someone on a bicycle"],
]


def test_a_human_caption_is_perfect_and_another_is_not() -> None:
    perfect = score([texts[0] for texts in HUMAN], HUMAN)
    assert perfect.bleu == pytest.approx((1, 1, 1, 1), abs=1e-6)
    assert perfect.rouge_l == pytest.approx(1)
    assert (perfect.photos, perfect.distinct) == (3, 3)
    same = score([HUMAN[0][0]] * 3, HUMAN)
    assert same.distinct == 1
    assert same.cider < perfect.cider / 2
    assert same.bleu[0] < 0.6


def test_punctuation_and_case_do_not_count() -> None:
    assert score(["a BROWN dog runs on the grass"], HUMAN[:1]).bleu[3] == pytest.approx(1)


def test_a_caption_without_text_scores_nothing_and_is_not_counted_as_a_caption() -> None:
    found = score(["", "a brown dog", ""], [HUMAN[0]] * 3)
    assert found.distinct == 1
    assert 0 < found.rouge_l < 1 / 3
    assert score(["", ""], HUMAN[:2]).table() == {
        "photos": 2, "BLEU-1": 0, "BLEU-2": 0, "BLEU-3": 0, "BLEU-4": 0, "CIDEr": 0, "ROUGE-L": 0, "distinct": 0
    }  # fmt: skip


@pytest.mark.parametrize(
    ("caption", "twice"),
    [
        ("A sink and a white sink.", True),
        ("A computer computer on a desk.", True),
        ("A man in a hat and a man.", True),
        ("A man on a horse on a hill.", False),
        ("A dog and two dogs.", False),
        ("", False),
    ],
)
def test_a_content_word_that_stands_twice(caption: str, twice: bool) -> None:
    assert repeats_a_word(caption) is twice


def test_auc_counts_the_pairs_in_the_right_order_and_half_of_the_tied() -> None:
    scores, positive = np.array([0.1, 0.4, 0.4, 0.8]), np.array([False, True, False, True])
    assert auc(scores, positive) == 0.875, "three pairs in order and one tied, of four"
    assert auc(-scores, positive) == 0.125
    assert auc(np.ones(5), np.array([True, False, False, True, False])) == 0.5
    assert auc(scores, np.ones(4, bool)) is None
    assert auc(scores, np.zeros(4, bool)) is None
    assert auc(np.zeros(0), np.zeros(0, bool)) is None


def test_share_agreed_looks_at_content_words_only() -> None:
    assert content_word_agreement("A brown dog on a sofa.", HUMAN[0]) == pytest.approx(2 / 3)
    assert content_word_agreement("A brown dog.", HUMAN[0]) == 1
    assert content_word_agreement("This is it.", HUMAN[0]) == 0


def test_tag_scores() -> None:
    found = tag_scores([["dog", "cat"], []], [["a dog on grass"], ["a cat"]], frozenset({"dog", "cat", "grass"}))
    assert found == {"precision": 0.5, "recall": pytest.approx(1 / 3, abs=1e-4), "per_photo": 1.0}


def test_class_names_are_told_apart_and_may_be_phrases() -> None:
    names = [["dog", "golden retriever", "puffer fish"], ["dog", "fire truck", "golden retriever"]]
    human = [["A golden retriever on grass ."], ["a red truck", "fire truck, dog"]]
    found = tag_scores(names, human, frozenset({"dog", "grass", "truck"}))
    assert (found["precision"], found["per_photo"]) == (0.5, 3.0)
    assert found["recall"] == pytest.approx(1 / 3, abs=1e-4)
    assert found["tag head"] == {"precision": 0.5, "per_photo": 1.0}
    assert found["class names"] == {
        "precision": 0.5,
        "precision of those that people used": pytest.approx(2 / 3, abs=1e-4),
        "per_photo": 2.0,
    }


def test_a_phrase_does_not_reach_from_one_caption_into_the_next() -> None:
    found = tag_scores([["red dog"]], [["something red", "dog"]], frozenset())
    assert found["precision"] == 0


def test_logistic_is_fitted_to_shares() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=4000)
    share = 1 / (1 + np.exp(-(1.5 * x - 0.5)))
    slope, offset = fit_logistic(x, share)
    assert (slope, offset) == (pytest.approx(1.5, abs=0.01), pytest.approx(-0.5, abs=0.01))


def test_calibration_groups_by_confidence() -> None:
    found = calibration(np.array([0.9, 0.1, 0.8, 0.2]), np.array([1.0, 0.0, 0.5, 0.5]), bins=2)
    assert found == [
        {"confidence": 0.15, "agreed": 0.25, "photos": 2},
        {"confidence": 0.85, "agreed": 0.75, "photos": 2},
    ]
    assert calibration_error(found) == 0.1
    assert calibration_error([]) == 0
