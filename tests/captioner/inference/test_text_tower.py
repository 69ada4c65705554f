"""The text tower, from a bundle directory made for the purpose."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from captioner import BundleError, TextTower, blend, read_model_name
from captioner.inference.manifest import TEXT_TOWER, FileEntry
from captioner.inference.text_tower import embedding_weight
from tests.towers_made import tower_bundle, without_tower


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return tower_bundle(tmp_path / "bundle")


@pytest.fixture
def tower(bundle: Path) -> TextTower:
    found = TextTower.open(bundle)
    assert found is not None
    return found


def test_words_of_like_meaning_are_near(tower: TextTower, bundle: Path) -> None:
    car, automobile, beach = (tower.embed(word) for word in ("car", "AUTOMOBILE!", "beaches"))
    assert car is not None
    assert automobile is not None
    assert beach is not None
    assert car.shape == (tower.dimension,)
    assert float(np.linalg.norm(car)) == pytest.approx(1, abs=1e-5)
    assert float(car @ automobile) > 0.95 > 0.2 > float(car @ beach)
    assert tower.model == read_model_name(bundle)[0]


def test_words_asked_at_once_mean_what_they_mean_one_by_one(tower: TextTower) -> None:
    texts = ["car", "xqzt", "dogs", "dog-car", "", "beach dog", "automobile"]
    for text, one in zip(texts, tower.embed_each(texts), strict=True):
        alone = tower.embed(text)
        assert (one is None) == (alone is None), text
        assert one is None or alone is None or one == pytest.approx(alone, abs=1e-6)
    assert tower.embed_each([]) == []


def test_a_text_without_a_known_word_has_no_meaning(tower: TextTower) -> None:
    assert tower.embed("xqzt 2019") is None
    assert tower.embed("") is None
    assert not tower.knows("xqzt")
    assert tower.knows("dogs")
    assert tower.knows("dog-car")


def test_the_order_of_the_words_says_nothing(tower: TextTower) -> None:
    one, other = tower.embed("dog beach car"), tower.embed("car dog beach")
    assert one is not None
    assert other is not None
    assert one == pytest.approx(other, abs=1e-6)


def test_a_bundle_without_a_tower_has_none(bundle: Path) -> None:
    without_tower(bundle)
    assert TextTower.open(bundle) is None


def test_a_damaged_tower_says_which_file(bundle: Path) -> None:
    (bundle / TEXT_TOWER).write_bytes(b"PK nothing")
    with pytest.raises(BundleError, match=TEXT_TOWER):
        TextTower.open(bundle)
    # The sum may be right and the content wrong: a bundle that was made badly.
    manifest = json.loads((bundle / "manifest.json").read_text())
    entry = FileEntry.measure(bundle / TEXT_TOWER)
    manifest["files"][TEXT_TOWER] = {"sha256": entry.sha256, "size_bytes": entry.size_bytes}
    (bundle / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match="can't be read as a text tower"):
        TextTower.open(bundle)


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
