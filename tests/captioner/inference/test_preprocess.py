"""What training and serving share: resize, normalisation, vocabulary."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from captioner.inference.preprocess import (
    END,
    PAD,
    SPECIAL,
    START,
    UNKNOWN,
    Vocabulary,
    detokenize,
    normalise,
    squash,
    tokenize,
)

VOCABULARY = Vocabulary((*SPECIAL, "a", "dog", "man's", "red-and-white", "runs", "tv"))


def test_squash_keeps_the_whole_picture() -> None:
    image = Image.new("RGB", (400, 100), "white")
    image.paste("red", (0, 0, 100, 100))
    pixels = squash(image, 64)
    assert pixels.shape == (64, 64, 3)
    assert pixels.dtype == np.uint8
    assert pixels[32, 4].tolist() == [255, 0, 0]
    assert pixels[32, 40].tolist() == [255, 255, 255]


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "1"])
def test_squash_takes_any_mode(mode: str) -> None:
    assert squash(Image.new(mode, (30, 50)), 32).shape == (32, 32, 3)


def test_normalise_spans_minus_one_to_one() -> None:
    pixels = np.array([[[0, 127, 255]]], np.uint8)
    found = normalise(pixels)
    assert found.dtype == np.float32
    assert found[0, 0].tolist() == pytest.approx([-1, -0.5 / 127.5, 1])


def test_normalise_takes_the_numbers_of_the_manifest() -> None:
    found = normalise(np.full((1, 1, 3), 100, np.uint8), mean=(100, 50, 0), std=(1, 50, 100))
    assert found[0, 0].tolist() == pytest.approx([0, 1, 1])


@settings(deadline=None)
@given(st.lists(st.sampled_from(VOCABULARY.words[len(SPECIAL) :]), max_size=8))
def test_what_the_vocabulary_knows_survives_the_round_trip(said: list[str]) -> None:
    ids = VOCABULARY.encode(" ".join(said), 12)
    assert len(ids) == 12
    assert ids[0] == START
    assert VOCABULARY.tokens(ids[1:]) == said
    assert tokenize(VOCABULARY.decode(ids[1:])) == said


@pytest.mark.slow
@settings(deadline=None)
@given(st.text())
def test_any_text_is_encoded_and_written_properly(text: str) -> None:
    ids = VOCABULARY.encode(text, 10)
    assert len(ids) == 10
    assert all(0 <= i < len(VOCABULARY) for i in ids)
    written = VOCABULARY.decode(ids[1:])
    assert written == "" or (written.endswith(".") and not written.endswith(" .") and written[0] != " ")


def test_unknown_words_padding_and_cutting() -> None:
    assert VOCABULARY.encode("A zebra runs.", 6) == [START, 4, UNKNOWN, 8, END, PAD]
    assert VOCABULARY.encode("a dog runs", 3) == [START, 4, 5]


def test_a_sentence_is_written_properly() -> None:
    assert detokenize(["a", "dog", "runs"]) == "A dog runs."
    assert detokenize(["a", "tv", "and", "i"]) == "A TV and I."
    assert detokenize([]) == ""


def test_words_are_folded() -> None:
    assert tokenize("The Dog\u2019s  \uff34\uff36, RED-and-white !") == ["the", "dog's", "tv", "red-and-white"]


def test_a_vocabulary_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    VOCABULARY.write(tmp_path / "vocabulary.txt")
    assert Vocabulary.read(tmp_path / "vocabulary.txt") == VOCABULARY


def test_build_ranks_by_count_then_alphabet() -> None:
    built = Vocabulary.build({"b": 2, "a": 2, "c": 3, "d": 1}, len(SPECIAL) + 3)
    assert built.words == (*SPECIAL, "c", "a", "b")


@pytest.mark.parametrize("listed", [("a", *SPECIAL), (*SPECIAL, "a", "a")])
def test_a_vocabulary_that_is_none_is_refused(listed: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="vocabulary"):
        Vocabulary(listed)
