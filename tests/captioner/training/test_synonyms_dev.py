"""The list of synonyms for measuring: its synonyms are words that next to no training caption holds."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from captioner.inference.preprocess import tokenize
from captioner.training.data import read_captions
from captioner.training.synonyms import read_synonyms

#: Training captions that may hold a synonym.
MOST = 3


@pytest.fixture(scope="module")
def path(repository: Path) -> Path:
    return repository / "captioner/training/synonyms_dev.txt"


def test_each_pair_stands_there_once(path: Path) -> None:
    pairs = [line.split("\t")[:2] for line in path.read_text(encoding="utf-8").splitlines() if line[:1] != "#"]
    assert len({tuple(pair) for pair in pairs}) == len(pairs) >= 200
    assert all(word != synonym for word, synonym in pairs)
    assert sum(len(found) for found in read_synonyms(path).values()) == len(pairs)


def test_next_to_no_training_caption_holds_a_synonym(path: Path, shared: Path) -> None:
    captions: Counter[str] = Counter()
    for name in ("flickr8k-train.jsonl", "coco-val2014-part.jsonl"):
        for of_photo in read_captions(shared / "data" / name).values():
            captions.update(word for caption in of_photo for word in set(tokenize(caption)))
    for line in path.read_text(encoding="utf-8").splitlines():
        if line[:1] != "#":
            word, synonym, count = line.split("\t")
            assert captions[synonym] == int(count) <= MOST, line
            assert captions[word] > captions[synonym], line
