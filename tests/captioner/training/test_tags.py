"""Which words are tags."""

from __future__ import annotations

from captioner.inference.preprocess import SPECIAL, Vocabulary
from captioner.training.tags import tag_targets, tag_words


def test_tags_are_frequent_content_words() -> None:
    captions = [["a dog and a ball"], ["the dog", "a dog sits"], ["a cat"]]
    vocabulary = Vocabulary((*SPECIAL, "a", "dog", "ball", "cat", "sits", "and", "the"))
    assert tag_words(captions, vocabulary, least=1) == ("dog", "ball", "cat")
    assert tag_words(captions, vocabulary, least=2) == ("dog",)
    assert tag_targets(captions[0], {"dog": 0, "cat": 1, "ball": 2}).tolist() == [1, 0, 1]
