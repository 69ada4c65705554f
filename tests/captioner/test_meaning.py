"""The text tower, from a bundle directory made for the purpose."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from captioner import BundleError, TextTower
from captioner.manifest import (
    PIECES,
    TEXT_TOWER,
    Confidence,
    Decoding,
    FileEntry,
    Manifest,
    Preprocessing,
    Tagging,
)
from captioner.meaning import TowerWeights

WORDS = ("dog", "hound", "beach", "seaside", "car")
#: Of the words above: the pairs lie near one another.
DIRECTIONS = ((1, 0, 0), (1, 0.2, 0), (0, 1, 0), (0, 1, 0.2), (0, 0, 1))


def tower_weights() -> TowerWeights:
    d, heads, hidden = 3, 2, 4
    rng = np.random.default_rng(0)
    skip = np.concatenate([np.eye(d)] * heads).astype(np.float32)
    return TowerWeights(
        table=(np.array(DIRECTIONS) * 100).astype(np.int8),
        scale=np.full(len(WORDS), 0.01, np.float32),
        attend=rng.normal(size=(d, heads)).astype(np.float32),
        hidden=np.zeros((heads * d, hidden), np.float32),
        hidden_bias=np.zeros(hidden, np.float32),
        out=np.zeros((hidden, d), np.float32),
        skip=skip,
        out_bias=np.zeros(d, np.float32),
    )


def write_bundle(directory: Path, *, tower: bool = True) -> Path:
    """A bundle of which only the text tower can be used."""
    directory.mkdir()
    tower_weights().write(directory / TEXT_TOWER)
    (directory / PIECES).write_text("\n".join(WORDS) + "\n", encoding="utf-8")
    nothing = FileEntry("", 0)
    files = dict.fromkeys(("encoder.tflite", "decoder.tflite", "vocabulary.txt", "tags.txt"), nothing)
    if tower:
        files |= {name: FileEntry.of(directory / name) for name in (TEXT_TOWER, PIECES)}
    Manifest(
        name="made",
        version=3,
        preprocessing=Preprocessing(32, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
        decoding=Decoding(5, 5, 1, 1, 1, 1, 1, 0.7),
        tagging=Tagging(0.3),
        confidence=Confidence(1.0, 1.0),
        files=files,
    ).write(directory)
    return directory


@pytest.fixture
def tower(tmp_path: Path) -> TextTower:
    found = TextTower.open(write_bundle(tmp_path / "bundle"))
    assert found is not None
    return found


def test_words_of_like_meaning_are_near(tower: TextTower) -> None:
    dog, hound, beach = (tower.embed(word) for word in ("a dog", "The HOUND", "beaches"))
    assert dog is not None
    assert hound is not None
    assert beach is not None
    assert dog.shape == (tower.dimension,)
    assert float(np.linalg.norm(dog)) == pytest.approx(1, abs=1e-5)
    assert float(dog @ hound) > 0.95 > 0.2 > float(dog @ beach)
    assert tower.model == "made-3"


def test_a_text_without_a_known_word_has_no_meaning(tower: TextTower) -> None:
    assert tower.embed("xqzt 2019") is None
    assert tower.embed("") is None
    assert not tower.known("xqzt")
    assert tower.known("dogs")
    assert tower.known("dog-car")


def test_the_nearest_words_come_with_their_cosines(tower: TextTower) -> None:
    near = tower.nearest("seaside", ["car", "beach", "xqzt", "dog", "beach"], least=0.5)
    assert [word for word, _ in near] == ["beach"]
    assert near[0][1] > 0.95
    assert tower.nearest("xqzt", ["beach"], least=0.0) == []


def test_the_mean_of_the_words_is_weighed_the_same_in_any_order(tower: TextTower) -> None:
    one, other = tower.embed("dog beach car"), tower.embed("car dog beach")
    assert one is not None
    assert other is not None
    assert one == pytest.approx(other, abs=1e-6)


def test_a_bundle_without_a_tower_has_none(tmp_path: Path) -> None:
    assert TextTower.open(write_bundle(tmp_path / "bundle", tower=False)) is None


def test_a_damaged_tower_says_which_file(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "bundle")
    (bundle / TEXT_TOWER).write_bytes(b"PK nothing")
    with pytest.raises(BundleError, match=TEXT_TOWER):
        TextTower.open(bundle)
    # The sum may be right and the content wrong: a bundle that was made badly.
    manifest = json.loads((bundle / "manifest.json").read_text())
    entry = FileEntry.of(bundle / TEXT_TOWER)
    manifest["files"][TEXT_TOWER] = {"sha256": entry.sha256, "size_bytes": entry.size_bytes}
    (bundle / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match="can't be read as a text tower"):
        TextTower.open(bundle)
