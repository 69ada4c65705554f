"""The head that tells photos from pages, screens and blanks, on made features."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("tensorflow")

import keras

from captioner.training import image_type_head, loop

RNG = np.random.default_rng(0)


def test_it_learns_to_tell_photos_from_each_kind() -> None:
    keras.utils.set_random_seed(0)
    photos = RNG.normal(size=(200, 8)).astype(np.float32)
    kinds = RNG.integers(1, 3, size=60)
    others = RNG.normal(size=(60, 8)).astype(np.float32)
    others[np.arange(60), kinds] += 6
    photos[:, 0] += 6
    model = image_type_head.build(3, 8)
    image_type_head.compile_model(model, loop.Plan(1, 0.02, warmup=1))
    batches = image_type_head.batches(photos, others, kinds, 64, seed=0)
    for _ in range(60):
        model.train_on_batch(*next(batches))
    assert (model.predict_on_batch(photos).argmax(axis=1) == 0).mean() > 0.95
    assert (model.predict_on_batch(others).argmax(axis=1) == kinds).mean() > 0.95


def test_half_of_a_batch_are_photos_and_rare_kinds_come_as_often_as_others() -> None:
    photos, others = np.zeros((5, 2), np.float32), np.ones((100, 2), np.float32)
    kinds = np.array([1] * 95 + [2] * 5)
    x, y = next(image_type_head.batches(photos, others, kinds, 2000, seed=0))
    assert (y == 0).mean() == image_type_head.PHOTOS
    assert (x[y == 0] == 0).all()
    assert abs((y == 1).sum() - (y == 2).sum()) < 150
