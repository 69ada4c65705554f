"""Objects that a detector finds, and the tags that they let expect."""

from __future__ import annotations

import numpy as np

from captioner.training.object_detection import OBJECTS, _best_scores, expected_tags


def test_a_detected_object_lets_expect_its_words_as_often_as_people_use_them() -> None:
    dog, chair = OBJECTS.index("dog"), OBJECTS.index("chair")
    captioned = np.zeros((100, len(OBJECTS)), np.float32)
    captioned[:50, dog] = captioned[50:, chair] = 0.95
    said = np.zeros((100, 3), np.float32)
    said[:48, 0] = 1  # dog: nearly always
    said[50:55, 1] = 1  # chair: hardly ever
    photos = np.zeros((2, len(OBJECTS)), np.float32)
    photos[0, dog] = photos[0, chair] = 1
    found = expected_tags(photos, captioned, said, ("dog", "chair", "sky"))
    assert found[0, 0, 0] > 0.9
    assert 0.05 < found[0, 0, 1] < 0.3
    assert found[1, 0, 0] < 0.05
    np.testing.assert_array_equal(found[0, 1], [1, 1, 0])  # no object is called sky


def test_the_surest_box_of_each_kind_counts() -> None:
    numbers, side = 4 + 1 + len(OBJECTS), 32
    levels = [np.full((numbers, (side // stride) ** 2), -9.0, np.float32) for stride in (8, 16, 32)]
    levels[1][4, 2], levels[1][5 + 3, 2] = 9, 9
    found = _best_scores(np.concatenate([level.ravel() for level in levels]), side)
    assert found.argmax() == 3
    assert found[3] > 0.99
    assert np.delete(found, 3).max() < 0.01
