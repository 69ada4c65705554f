"""Words and meaning in one score."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from captioner import blend
from captioner.inference.score_fusion import embedding_weight

UNIT = st.floats(0, 1, width=32)
COSINES = st.floats(-1, 1, width=32)


@given(arrays(np.float32, 7, elements=UNIT), arrays(np.float32, 7, elements=COSINES), st.integers(0, 40))
def test_a_blend_is_a_score(words: np.ndarray, cosines: np.ndarray, query_words: int) -> None:
    found = blend(words, cosines, query_words)
    assert found.shape == (7,)
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
    assert found.min() >= 0
    assert found.max() <= 1 + 1e-6


def test_of_two_photos_with_the_same_words_the_nearer_one_is_first() -> None:
    found = blend(np.full(4, 0.5), np.array([0.1, 0.4, 0.2, 0.3]), 2)
    assert found[1] > found[3] > found[2] >= found[0]


def test_of_two_photos_as_near_the_one_with_the_words_is_first() -> None:
    found = blend(np.array([0.0, 0.6, 0.3]), np.array([0.2, 0.2, 0.1]), 2)
    assert found[1] > found[0]


@pytest.mark.parametrize("cosines", [np.zeros(3), np.full(3, 0.25), np.zeros(0)])
def test_without_meaning_words_alone_count(cosines: np.ndarray) -> None:
    words = np.array([0.2, 0.9, 0.0])[: len(cosines)]
    np.testing.assert_allclose(blend(words, cosines, 3), words, rtol=1e-6)


def test_a_photo_without_embedding_is_neither_near_nor_far() -> None:
    """Also where all the others are farther away than at a right angle."""
    found = blend(np.zeros(4), np.array([-0.5, 0.0, -0.2, -0.3]), 2)
    assert found[2] > found[3] >= found[1] == 0


def test_scores_do_not_hang_on_the_scale_of_the_model_s_cosines() -> None:
    words, cosines = np.array([0.1, 0.4, 0.0, 0.2]), np.array([0.5, 0.2, 0.1, 0.3])
    np.testing.assert_allclose(blend(words, cosines, 3), blend(words, 0.1 + 0.3 * cosines, 3), rtol=1e-5)


def test_meaning_counts_more_in_a_description() -> None:
    weights = [embedding_weight(count) for count in range(12)]
    assert weights == sorted(weights)
    assert 0 < weights[0] < weights[-1] < 1
