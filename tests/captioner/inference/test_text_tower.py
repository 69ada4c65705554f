"""The text tower, from a bundle directory made for the purpose."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from captioner import BundleError, TextTower, read_model_name
from captioner.inference.manifest import TEXT_TOWER, FileEntry
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
    assert not tower.known("xqzt")
    assert tower.known("dogs")
    assert tower.known("dog-car")


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
