"""Which words are tags, and hints for the decoder."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("tensorflow")

from captioner.inference.preprocess import PAD, SPECIAL, Vocabulary
from captioner.training import tags
from captioner.training.tags import tag_targets, tag_words


def test_tags_are_frequent_content_words() -> None:
    captions = [["a dog and a ball"], ["the dog", "a dog sits"], ["a cat"]]
    vocabulary = Vocabulary((*SPECIAL, "a", "dog", "ball", "cat", "sits", "and", "the"))
    assert tag_words(captions, vocabulary, least=1) == ("dog", "ball", "cat")
    assert tag_words(captions, vocabulary, least=2) == ("dog",)
    assert tag_targets(captions[0], {"dog": 0, "cat": 1, "ball": 2}).tolist() == [1, 0, 1]


WORDS = Vocabulary((*SPECIAL, "a", "dog", "cat", "runs", "tree", "sky"))
TAGS = ("dog", "cat", "tree", "sky")
KNOWN = tags.TagHints.of(TAGS, WORDS, np.array([9, 4, 1, 1]))


def test_a_sentence_is_hinted_at_by_its_own_words_and_by_others() -> None:
    tokens = np.array([WORDS.encode("a dog runs", 6)] * 400, np.int32)
    found, logits = KNOWN.of_sentences(tokens, 3, np.random.default_rng(0))
    assert found.shape == logits.shape == (400, 3)
    assert set(found.ravel()) <= {WORDS.words.index(tag) for tag in TAGS}
    own = found == WORDS.words.index("dog")
    assert own.any(axis=1).mean() > tags.KEPT  # kept, or drawn by chance
    assert logits[:, 0].mean() > logits[:, 1:].mean() + 0.5


def test_the_most_probable_tags_come_first() -> None:
    logits = np.array([[0.5, 9.0, -1.0, -3.0]], np.float32)
    found, kept = KNOWN.top(logits, 2)
    assert [WORDS.words[i] for i in found[0]] == ["cat", "dog"]
    np.testing.assert_allclose(kept[0], [tags.MAX_LOGIT, 0.5])


def test_some_hints_are_left_out_while_training() -> None:
    words, logits = np.full((1000, 3), 5, np.int32), np.ones((1000, 3), np.float32)
    found, kept = tags.drop_hints(words, logits, np.random.default_rng(0))
    out = found == PAD
    assert out.mean() == pytest.approx(tags.DROPPED, abs=0.03)
    assert (kept[out] == 0).all()


def test_a_photo_is_judged_by_heads_that_never_saw_it() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(3000, 2, 16)).astype(np.float32)
    features[..., :8] += rng.choice([-1.5, 1.5], size=(3000, 1, 1))  # half of the numbers show one thing
    noise = (rng.random(3000) < 0.5).astype(np.float32)  # can be learnt by heart only
    seen = (features[..., :8].mean((1, 2)) > 0).astype(np.float32)
    targets = np.stack([np.stack([seen, noise], 1), np.ones((3000, 2), np.float32)], axis=1)
    found = tags.out_of_fold_logits(features, targets).astype(np.float32)
    assert found.shape == (3000, 2, 2)
    right = (found[:, 0] > np.median(found[:, 0], axis=0)) == (targets[:, 0] > 0.5)
    assert right[:, 0].mean() > 0.8
    assert right[:, 1].mean() < 0.65
