"""Hints: the tags that a decoder reads beside the map."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("tensorflow")

from captioner.inference.preprocess import PAD, SPECIAL, Vocabulary
from captioner.training import tag_hints

WORDS = Vocabulary((*SPECIAL, "a", "dog", "cat", "runs", "tree", "sky"))
TAGS = ("dog", "cat", "tree", "sky")
KNOWN = tag_hints.TagHints.of(TAGS, WORDS, np.array([9, 4, 1, 1]))


def test_a_sentence_is_hinted_at_by_its_own_words_and_by_others() -> None:
    tokens = np.array([WORDS.encode("a dog runs", 6)] * 400, np.int32)
    found, logits = KNOWN.of_sentences(tokens, 3, np.random.default_rng(0))
    assert found.shape == logits.shape == (400, 3)
    assert set(found.ravel()) <= {WORDS.words.index(tag) for tag in TAGS}
    own = found == WORDS.words.index("dog")
    assert own.any(axis=1).mean() > tag_hints.KEPT  # kept, or drawn by chance
    assert logits[:, 0].mean() > logits[:, 1:].mean() + 0.5


def test_the_most_probable_tags_come_first() -> None:
    logits = np.array([[0.5, 9.0, -1.0, -3.0]], np.float32)
    found, kept = KNOWN.top(logits, 2)
    assert [WORDS.words[i] for i in found[0]] == ["cat", "dog"]
    np.testing.assert_allclose(kept[0], [tag_hints.MAX_LOGIT, 0.5])


def test_some_hints_are_left_out_while_training() -> None:
    words, logits = np.full((1000, 3), 5, np.int32), np.ones((1000, 3), np.float32)
    found, kept = tag_hints.drop_hints(words, logits, np.random.default_rng(0))
    out = found == PAD
    assert out.mean() == pytest.approx(tag_hints.DROPPED, abs=0.03)
    assert (kept[out] == 0).all()


def test_a_photo_is_judged_by_heads_that_never_saw_it() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(3000, 2, 16)).astype(np.float32)
    features[..., :8] += rng.choice([-1.5, 1.5], size=(3000, 1, 1))  # half of the numbers show one thing
    noise = (rng.random(3000) < 0.5).astype(np.float32)  # can be learnt by heart only
    seen = (features[..., :8].mean((1, 2)) > 0).astype(np.float32)
    targets = np.stack([np.stack([seen, noise], 1), np.ones((3000, 2), np.float32)], axis=1)
    found = tag_hints.out_of_fold_logits(features, targets).astype(np.float32)
    assert found.shape == (3000, 2, 2)
    right = (found[:, 0] > np.median(found[:, 0], axis=0)) == (targets[:, 0] > 0.5)
    assert right[:, 0].mean() > 0.8
    assert right[:, 1].mean() < 0.65
