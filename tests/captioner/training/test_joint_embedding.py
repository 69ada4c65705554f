"""The text tower in Keras and in numpy, and words that stand for one another."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow")

import keras
from keras import ops

from captioner.inference.text_tower import TextTower
from captioner.training import checkpoint, joint_embedding, loop

KNOWN = ("beach", "seaside", "dog", "runs", "the")
RNG = np.random.default_rng(0)


def taught_vectors() -> np.ndarray:
    """As a sentence teacher's: "seaside" lies near "beach", all others apart."""
    vectors = RNG.normal(size=(len(KNOWN), 384))
    vectors[1] = vectors[0] + 0.3 * vectors[1]
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture
def known() -> joint_embedding.TowerVocabulary:
    counts = {"beach": 9, "dog": 20, "runs": 3, "the": 50}
    found = joint_embedding.TowerVocabulary.of(KNOWN, taught_vectors(), counts)
    assert found.vectors.shape == (len(KNOWN), joint_embedding.WORD_DIM)
    return found


def test_a_word_is_swapped_for_one_that_means_the_same(known: joint_embedding.TowerVocabulary) -> None:
    rows = np.stack([known.encode("The dog runs, the beach!")] * 200)
    swapped = known.swap_words(rows, 0.5, np.random.default_rng(1))
    assert set(swapped[:, 4].tolist()) == {0, 1}
    np.testing.assert_array_equal(swapped[:, :4], rows[:, :4])
    np.testing.assert_array_equal(known.swap_words(rows, 0.0, np.random.default_rng(1)), rows)


def test_unknown_words_and_what_is_too_much_are_left_out(known: joint_embedding.TowerVocabulary) -> None:
    assert known.encode("xqzt beach").tolist() == [-1, 0] + [-1] * (joint_embedding.LENGTH - 2)
    assert known.encode("dog " * 100).tolist() == [2] * joint_embedding.LENGTH


def test_numpy_says_what_keras_says(known: joint_embedding.TowerVocabulary, tmp_path: Path) -> None:
    model = joint_embedding.build(known.vectors, 10, np.stack([known.encode(word) for word in ("dog", "beach")]))
    tower = model.get_layer("text_tower")
    weights = {v.path: RNG.normal(size=v.shape).astype(np.float32) * 0.1 for v in model.weights}
    checkpoint.assign(model, weights)
    exported = TextTower("made-1", KNOWN, joint_embedding.export_tower(weights, known.vectors))
    for text in ("the dog runs", "beach", "seaside dog xqzt"):
        wanted = ops.convert_to_numpy(tower(known.encode(text)[None]))[0]
        found = exported.embed(text)
        assert found is not None
        assert float(found @ wanted) > 0.999, text


def test_the_loss_is_least_where_each_photo_is_nearest_its_own_text() -> None:
    right, wrong = 10 * np.eye(4, dtype=np.float32), 10 * np.roll(np.eye(4, dtype=np.float32), 1, axis=0)
    nothing = np.zeros((4, 4), np.float32)
    found = [float(joint_embedding.contrastive_loss(None, likeness)) for likeness in (right, nothing, wrong)]
    assert found == sorted(found)
    assert found[1] == pytest.approx(np.log(4), rel=1e-5)


def test_single_words_are_led_to_the_photos_that_people_used_them_of(known: joint_embedding.TowerVocabulary) -> None:
    keras.utils.set_random_seed(0)
    words = ("dog", "beach")
    features = RNG.normal(0, 0.3, size=(64, 1, 10)).astype(np.float32)
    tags = np.ones((64, 2, 2), np.float32)
    for n in range(64):
        features[n, 0, n % 2] += 3
        tags[n, 0] = np.eye(2)[n % 2]
    texts = [known.encode("the")[None] for _ in range(64)]  # captions that tell nothing apart
    model = joint_embedding.build(known.vectors, 10, np.stack([known.encode(word) for word in words]))
    joint_embedding.compile_model(model, loop.Plan(1, 0.01, warmup=1))
    batches = joint_embedding.batches(features, texts, tags, known, 32, 0.0, 0)
    for _ in range(60):
        model.train_on_batch(*next(batches))
    rows = np.stack([texts[0][0]] * 64)
    found = model.predict_on_batch({"seen": features[:, 0], "rows": rows})["words"]
    assert (found.argmax(axis=1) == np.arange(64) % 2).mean() > 0.95


def test_it_learns_to_tell_photos_from_each_kind() -> None:
    keras.utils.set_random_seed(0)
    photos = RNG.normal(size=(200, 8)).astype(np.float32)
    kinds = RNG.integers(1, 3, size=60)
    others = RNG.normal(size=(60, 8)).astype(np.float32)
    others[np.arange(60), kinds] += 6
    photos[:, 0] += 6
    model = joint_embedding.build_type_head(3, 8)
    joint_embedding.compile_type_head(model, loop.Plan(1, 0.02, warmup=1))
    batches = joint_embedding.type_batches(photos, others, kinds, 64, seed=0)
    for _ in range(60):
        model.train_on_batch(*next(batches))
    assert (model.predict_on_batch(photos).argmax(axis=1) == 0).mean() > 0.95
    assert (model.predict_on_batch(others).argmax(axis=1) == kinds).mean() > 0.95


def test_half_of_a_batch_are_photos_and_rare_kinds_come_as_often_as_others() -> None:
    photos, others = np.zeros((5, 2), np.float32), np.ones((100, 2), np.float32)
    kinds = np.array([1] * 95 + [2] * 5)
    x, y = next(joint_embedding.type_batches(photos, others, kinds, 2000, seed=0))
    assert (y == 0).mean() == joint_embedding.PHOTOS
    assert (x[y == 0] == 0).all()
    assert abs((y == 1).sum() - (y == 2).sum()) < 150
