"""Synonyms for queries: the reader, and the list that comes with the code."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from captioner.inference.preprocess import tokenize
from captioner.training.data import read_captions
from captioner.training.synonyms import read_synonyms, swap_all, swap_synonyms

#: Training captions that may hold a synonym.
MOST = 3


def test_synonyms_are_read_and_take_turns(tmp_path: Path) -> None:
    path = tmp_path / "synonyms.txt"
    path.write_text("# everyday words\ndog\thound\t120\n\nboat\tvessel  # or\nboat\trowing boat\n", encoding="utf-8")
    synonyms = read_synonyms(path)
    assert synonyms == {"dog": ("hound",), "boat": ("vessel", "rowing boat")}
    assert swap_synonyms("A Dog in a boat .", synonyms) == "a hound in a vessel"
    assert swap_synonyms("A Dog in a boat .", synonyms, turn=1) == "a hound in a rowing boat"
    assert swap_synonyms("A doggy bag", synonyms) is None
    assert swap_all(["a boat", "a cat", "a dog"], synonyms) == {0: "a vessel", 2: "a hound"}


@pytest.mark.parametrize("line", ["dog hound", "big dog\thound", "dog\t", "\thound"])
def test_a_line_that_is_no_synonym_is_an_error(line: str, tmp_path: Path) -> None:
    path = tmp_path / "synonyms.txt"
    path.write_text(f"cat\tkitty\n{line}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"synonyms\.txt, line 2"):
        read_synonyms(path)


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
