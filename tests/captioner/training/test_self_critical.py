"""Sentences drawn from the decoder, and what it learns of their rewards."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

pytest.importorskip("tensorflow")

import keras
from keras import ops

from captioner.inference.preprocess import END, PAD, START, UNKNOWN
from captioner.training import self_critical
from captioner.training.captioning import Targets
from captioner.training.model import Captioner, DecoderShape
from captioner.training.self_critical import CiderReward

SHAPE = DecoderShape(vocabulary=12, length=6, width=16, heads=2, layers=2, cells=4, channels=6, dropout=0.0)
RNG = np.random.default_rng(0)


@pytest.fixture
def captioner() -> Captioner:
    keras.utils.set_random_seed(3)
    found = Captioner(SHAPE, 2, 6, name="captioner")
    found.build()
    for variable in found.decoder.weights:
        variable.assign(RNG.normal(size=variable.shape) * 0.5)
    return found


def test_samples_are_sentences(captioner: Captioner) -> None:
    features = RNG.normal(size=(2, SHAPE.cells, SHAPE.channels)).astype(np.float32)
    drawn = self_critical.make_sampler(captioner.decoder, 50, seed=1)({"features": features})
    assert drawn.shape == (100, SHAPE.length)
    assert not np.isin(drawn, [START, UNKNOWN]).any()
    for row in drawn.tolist():
        ended = row.index(END) if END in row else len(row)
        assert PAD not in row[:ended]
        assert set(row[ended + 1 :]) <= {PAD}


def test_words_are_drawn_as_often_as_the_decoder_believes(captioner: Captioner) -> None:
    features = RNG.normal(size=(2, SHAPE.cells, SHAPE.channels)).astype(np.float32)
    drawn = self_critical.make_sampler(captioner.decoder, 4000, seed=2)({"features": features}).reshape(2, 4000, -1)
    starts = np.full((2, SHAPE.length), START, np.int32)
    logits = ops.convert_to_numpy(captioner.decoder(starts, features))[:, 0]
    logits[:, [PAD, START, UNKNOWN]] = -np.inf
    believed = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    for photo in range(2):
        found = np.bincount(drawn[photo, :, 0], minlength=SHAPE.vocabulary) / 4000
        np.testing.assert_allclose(found, believed[photo], atol=0.04)


def test_a_rewarded_sentence_becomes_likelier_and_a_punished_one_less() -> None:
    logits = RNG.normal(size=(2, 3, 5)).astype(np.float32)
    tokens = np.array([[4, 2, 0], [3, 4, 2]], np.float32)  # END is 2, PAD is 0, UNKNOWN 3

    def cost(first: float, second: float, scores: np.ndarray) -> float:
        weights = np.array([[first], [second]], np.float32)
        return float(self_critical.weighted_loss(np.concatenate([weights, tokens], axis=1), scores))

    likelier = logits.copy()
    likelier[0, 0, 4] += 1
    assert cost(1, 0, likelier) < cost(1, 0, logits)
    assert cost(-1, 0, likelier) > cost(-1, 0, logits)
    assert cost(0, 1, likelier) == pytest.approx(cost(0, 1, logits))
    padded = logits.copy()
    padded[0, 2] += RNG.normal(size=5)
    assert cost(1, 1, padded) == pytest.approx(cost(1, 1, logits))


def test_a_batch_weighs_samples_against_each_other() -> None:
    tokens = np.full((4, 5, SHAPE.length + 1), PAD, np.int32)
    tokens[:2, :2, :4] = [[START, 5, 6, END], [START, 5, 7, END]]
    tokens[2:, :2, :4] = [[START, 10, 11, END], [START, 10, 7, END]]
    targets = Targets(tokens, np.zeros((4, 2, 2), np.float32), np.ones(4, bool))

    def sampler(seen: Mapping[str, np.ndarray]) -> np.ndarray:
        said = np.full((len(seen["features"]), self_critical.SAMPLES, SHAPE.length), PAD, np.int32)
        said[:, :, :3] = [8, 9, END]
        said[:, 0, :3] = [5, 6, END]
        return said.reshape(-1, SHAPE.length)

    maps = RNG.normal(size=(4, 2, SHAPE.cells, SHAPE.channels)).astype(np.float16)
    x, wanted = next(
        self_critical.batches(
            self_critical.EncodedPhotos(maps), targets, sampler, self_critical.build_reward(targets), 4, seed=0
        )
    )
    each = self_critical.SAMPLES + self_critical.HUMAN
    assert x["tokens"].shape == (4, each, SHAPE.length)
    weights = wanted.reshape(4, each, -1)[:, :, 0]
    like_people = x["tokens"][:, -1, 1] == 5  # the photos whose own captions begin as the first sample does
    assert like_people.sum() == 2
    assert (weights[like_people, 0] > 0.1).all()
    assert (weights[like_people, 1 : self_critical.SAMPLES] < 0).all()
    np.testing.assert_allclose(weights[:, : self_critical.SAMPLES].sum(1), 0, atol=1e-6)
    assert (weights[:, self_critical.SAMPLES :] == np.float32(self_critical.HUMAN_WEIGHT)).all()
    np.testing.assert_array_equal(x["tokens"][0, 0], [START, 5, 6, END, PAD, PAD])


CAPTIONS = [
    [(5, 6, 7, 8, END), (5, 6, 9, END)],
    [(10, 11, 12, 13, 14, END), (10, 11, 12, END)],
    [(5, 15, 16, 17, END), (18, 16, 17, END)],
]


def test_a_persons_own_sentence_earns_more_than_anothers() -> None:
    reward = CiderReward(CAPTIONS)
    own, others, nothing = (reward(0, said) for said in (CAPTIONS[0][0], CAPTIONS[1][0], (90, 91)))
    assert own > others >= 0
    assert nothing == 0
    assert reward(1, CAPTIONS[1][0]) > 0.4


def test_a_sentence_that_breaks_off_earns_less() -> None:
    reward = CiderReward(CAPTIONS)
    assert reward(0, (5, 6, 7, 8, END)) > reward(0, (5, 6, 7, 8))


def test_saying_one_word_over_and_over_does_not_pay() -> None:
    reward = CiderReward(CAPTIONS)
    assert reward(0, (7, 7, 7, 7, 7, 7, END)) < reward(0, (5, 6, 7, 8, END)) / 3


def test_it_agrees_with_the_published_scorer() -> None:
    """pycocoevalcap's CIDEr has the same penalties; it counts its documents in the references of what it scores."""
    pytest.importorskip("pycocoevalcap")
    from pycocoevalcap.cider.cider import Cider

    said = [(5, 6, 9, 8, END), (10, 11, 12, 13, END), (18, 16, 5, END)]
    text = {i: [" ".join(map(str, ids))] for i, ids in enumerate(said)}
    human = {i: [" ".join(map(str, ids)) for ids in texts] for i, texts in enumerate(CAPTIONS)}
    _, published = Cider().compute_score(human, text)
    reward = CiderReward(CAPTIONS)
    assert [10 * reward(i, ids) for i, ids in enumerate(said)] == pytest.approx(list(published), rel=1e-3)


def test_a_photo_without_captions_earns_nothing() -> None:
    assert CiderReward([[], CAPTIONS[0]])(0, (5, 6, END)) == 0
