"""Retrieval as it is measured: fair ranks, BM25 over weighted words, and the ways to search."""

from __future__ import annotations

import numpy as np
import pytest

from captioner import Caption, Tag
from captioner.training.retrieval import Bm25Index, Recall, Searcher, average_ranks, word_counts

#: A made space of meaning, one axis for each thing; "hound" lies where "dog" does, and "stuff" nowhere.
AXES = {"dog": 0, "hound": 0, "cat": 1, "boat": 2, "horse": 3}


def made_embedding(*things: str) -> np.ndarray:
    found = np.zeros(4, np.float32)
    for thing in things:
        found[AXES[thing]] += 1
    return found / np.linalg.norm(found)


def embed(text: str) -> np.ndarray | None:
    known = [word for word in text.lower().split() if word in AXES]
    return made_embedding(*known) if known else None


def caption(text: str, *things: str, **tags: float) -> Caption:
    vector = tuple(map(float, made_embedding(*things))) if things else None
    return Caption(text, 0.5, tuple(Tag(word, p) for word, p in tags.items()), vector, "made-1")


PHOTOS = [
    caption("A dog runs.", "dog", grass=0.9),
    caption("An animal on a sofa.", "cat", cat=0.4),
    caption("A boat.", "boat"),
    caption("A brown animal.", "horse", dog=0.3),
]


def test_the_best_photo_is_the_first() -> None:
    scores = np.array([[0.1, 0.9, 0.5], [0.3, 0.2, 0.1]], np.float32)
    assert average_ranks(scores, [1, 2]).tolist() == [1, 3]


def test_a_tied_photo_gets_the_mean_rank_of_the_tied() -> None:
    assert average_ranks(np.zeros((3, 9), np.float32), [0, 4, 8]).tolist() == [5, 5, 5]
    assert average_ranks(np.array([[0.5, 0.9, 0.5, 0.1]], np.float32), [0]).tolist() == [2.5]


def test_rounding_does_not_break_a_tie() -> None:
    level = np.array([[0.3, np.nextafter(np.float32(0.3), np.float32(1))]], np.float32)
    assert average_ranks(level, [0]).tolist() == [1.5]


def test_what_ranks_all_photos_alike_finds_none() -> None:
    found = Recall.of(average_ranks(np.ones((100, 100), np.float32), list(range(100))))
    assert found.at == (0, 0, 0)
    assert found.median_rank == 50.5


def test_recall_is_counted_at_1_5_and_10() -> None:
    found = Recall.of(np.array([1, 2, 6, 11], float))
    assert found.table() == {"recall@1": 0.25, "recall@5": 0.5, "recall@10": 0.75, "median rank": 4.0}
    assert Recall.of(np.zeros(0)).at == (0, 0, 0)


def test_a_tag_counts_by_its_probability() -> None:
    assert word_counts(caption("A dog and a dog.", dog=0.5, grass=0.25)) == {"dog": 2.5, "grass": 0.25}
    assert word_counts(Caption("", 0, (Tag("hot dog", 0.5),), None, "")) == {"hot": 0.5, "dog": 0.5}


def test_words_are_scored_by_bm25() -> None:
    index = Bm25Index([{"dog": 1, "grass": 0.5}, {"dog": 1}, {"cat": 1, "sofa": 1}, {}])
    scores = index.scores([["dog"], ["dog", "grass"], ["cat", "unheard"], ["unheard"]])
    assert scores.shape == (4, 4)
    assert 0 < scores[0, 0] < scores[0, 1] < 1, "the same in fewer words says more"
    assert scores[1, 0] > scores[1, 1] > 0 == scores[1, 2]
    assert scores[2, 2] > 0, "a word that no photo has takes nothing away"
    assert not scores[3].any()
    # Robertson and Zaragoza's formula: tf 1, length 1 of 1.125 on average, over the most that it can be.
    assert scores[0, 1] == pytest.approx(1 / (1 + 1.2 * (0.25 + 0.75 / 1.125)))


def test_the_three_ways() -> None:
    searcher = Searcher.over(PHOTOS, embed)
    found = searcher.scores(["dog", "hound", "stuff"])
    assert list(found) == ["lexical", "embedding", "blended"]
    assert found["lexical"][0].argmax() == 0
    assert not found["lexical"][1].any(), "no photo has the word"
    assert found["embedding"][1].argmax() == 0
    assert found["blended"][1].argmax() == 0
    order = np.argsort(-found["blended"][0], kind="stable")
    assert order[:2].tolist() == [0, 3], "both, then the word alone"
    assert not found["embedding"][2].any()
    np.testing.assert_allclose(found["blended"][2], found["lexical"][2])


def test_without_embeddings_or_text_tower_there_are_words_only() -> None:
    assert list(Searcher.over(PHOTOS, None).scores(["dog"])) == ["lexical"]
    assert list(Searcher.over([caption("A dog."), caption("A cat.")], embed).scores(["dog"])) == ["lexical"]
    assert Searcher.over(PHOTOS, None).shuffled().recall(["dog"], [0]).keys() == {"lexical"}


def test_a_picture_without_an_embedding_is_found_by_its_words_alone() -> None:
    mixed = [*PHOTOS, caption("A page of text.")]
    found = Searcher.over(mixed, embed).scores(["dog", "page"])
    assert found["embedding"][0, -1] == 0
    assert found["blended"][0, -1] == 0
    assert found["blended"][1].argmax() == len(PHOTOS)


def test_shuffling_gives_every_photo_the_embedding_of_another() -> None:
    searcher = Searcher.over(PHOTOS, embed)
    wrong = searcher.shuffled()
    assert searcher.embeddings is not None
    assert wrong.embeddings is not None
    assert not (searcher.embeddings == wrong.embeddings).all(axis=1).any()
    assert sorted(map(tuple, wrong.embeddings)) == sorted(map(tuple, searcher.embeddings))
    queries, right = ["dog", "cat", "boat", "horse"], [0, 1, 2, 3]
    assert searcher.recall(queries, right)["embedding"].at[0] == 1
    assert wrong.recall(queries, right)["embedding"].at[0] == 0
