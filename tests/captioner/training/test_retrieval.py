"""Retrieval as it is measured: fair ranks, BM25 over weighted words, and the ways to search."""

from __future__ import annotations

from collections import Counter
from itertools import combinations, permutations
from pathlib import Path

import numpy as np
import pytest

from captioner import Caption, Tag
from captioner.inference.preprocess import tokenize
from captioner.training.data import read_captions
from captioner.training.retrieval import (
    LEAST_PHOTOS,
    Bm25Index,
    Recall,
    Searcher,
    WordQueries,
    average_ranks,
    expected_precision,
    read_synonyms,
    swap_all,
    swap_synonyms,
    word_counts,
)

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


WORD_AXES = {"dog": 0, "cat": 1}


def embed_word(text: str) -> np.ndarray | None:
    return np.eye(2, dtype=np.float32)[WORD_AXES[text]] if text in WORD_AXES else None


def test_two_of_five_people_make_a_photo_right_and_one_makes_it_neutral() -> None:
    both = ["A dog .", "a dog", "an animal", "an animal", "a pet"]
    one = ["A dog and a dog .", "an animal", "an animal", "an animal", "a pet"]
    queries = WordQueries.of([both] * LEAST_PHOTOS + [one])
    assert queries.words == ("animal", "dog")
    assert queries.right[1].tolist() == [True] * LEAST_PHOTOS + [False]
    assert queries.neutral[1].tolist() == [False] * LEAST_PHOTOS + [True]
    assert not queries.neutral[0].any()


def test_of_one_or_two_captions_one_suffices() -> None:
    queries = WordQueries.of([["a dog", "an animal"], ["a dog"]] * 3 + [["a pet"], ["a dog", "x", "y"]])
    assert queries.words == ("dog",), "the animal is in three photos only"
    assert queries.right[0].tolist() == [True] * 6 + [False, False]
    assert queries.neutral[0].tolist() == [False] * 7 + [True]


def test_a_ranking_without_ties() -> None:
    right = np.array([True, False, True, False])
    average, first = expected_precision(np.array([0.9, 0.8, 0.7, 0.6], np.float32), right)
    assert average == pytest.approx((1 + 2 / 3) / 2)
    assert first == pytest.approx(0.2)
    worst, _ = expected_precision(np.array([0.1, 0.8, 0.2, 0.6], np.float32), right)
    assert worst == pytest.approx((1 / 3 + 2 / 4) / 2)


def test_only_the_first_fifty_and_the_first_ten_count() -> None:
    scores = -np.arange(200, dtype=np.float32)
    late = np.zeros(200, bool)
    late[[9, 49, 50]] = True
    assert expected_precision(scores, late) == (pytest.approx((1 / 10 + 2 / 50) / 3), pytest.approx(0.1))
    assert expected_precision(scores, np.ones(200, bool)) == (pytest.approx(1), pytest.approx(1))


@pytest.mark.parametrize("right", [[1, 0, 1, 0, 0, 1], [0, 0, 0, 1, 1, 1], [1, 1, 1, 1, 1, 1], [0, 0, 0, 0, 0, 1]])
def test_tied_photos_get_the_mean_over_all_their_orders(right: list[int]) -> None:
    scores = np.array([0.9, 0.5, 0.5, 0.5, 0.5, 0.1], np.float32)
    relevant = np.array(right, bool)
    orders = [[0, *middle, 5] for middle in permutations([1, 2, 3, 4])]
    untied = -np.arange(6, dtype=np.float32)
    mean = np.mean([expected_precision(untied, relevant[order]) for order in orders], axis=0)
    assert expected_precision(scores, relevant) == pytest.approx(tuple(mean))
    assert expected_precision(scores[::-1], relevant[::-1]) == pytest.approx(tuple(mean)), "whatever their places"


def test_rounding_does_not_break_a_tie_of_a_word() -> None:
    level = np.array([0.3, np.nextafter(np.float32(0.3), np.float32(1))], np.float32)
    assert expected_precision(level, np.array([True, False]))[0] == pytest.approx(0.75)


def test_each_way_to_search_is_scored() -> None:
    dog, cat = (1.0, 0.0), (0.1, 0.995)
    # Five photos of dogs, of which the sentences name two; one that one of three people saw a dog in; six of cats.
    texts = ["A dog."] * 2 + ["A cat."] * 3 + ["A dog."] + ["A cat."] * 6
    people = [["a dog"] * 3] * 5 + [["a dog", "a tree", "a tree"]] + [["a tree"] * 3] * 6
    vectors = [dog] * 5 + [cat] * 7
    captions = [Caption(text, 0.5, (), vector, "made-1") for text, vector in zip(texts, vectors, strict=True)]
    queries = WordQueries.of(people)
    assert queries.words == ("dog", "tree")
    only_dog = WordQueries(("dog",), queries.right[:1], queries.neutral[:1])
    found = only_dog.scores(Searcher.over(captions, embed_word))
    assert (found["queries"], found["photos"]) == (1, 12)
    assert found["embedding"] == found["blended"] == {"MAP@50": 1.0, "precision@10": 0.5}
    # Words find two of the five first; the other three lie at any three of the nine places after them.
    late = [sum((3 + i) / (3 + place) for i, place in enumerate(at)) for at in combinations(range(9), 3)]
    lexical = found["lexical"]
    assert lexical["MAP@50"] == pytest.approx((2 + np.mean(late)) / 5, abs=1e-4)
    assert lexical["precision@10"] == pytest.approx((2 + 3 * 8 / 9) / 10, abs=1e-4)
    assert found["any order"]["MAP@50"] < lexical["MAP@50"]
    words_only = only_dog.scores(Searcher.over(captions, None))
    assert words_only == {name: found[name] for name in ("queries", "photos", "lexical", "any order")}


def test_where_no_word_is_frequent_enough_there_is_nothing_to_ask() -> None:
    found = WordQueries.of([["a dog"], ["a cat"]]).scores(Searcher.over([Caption("", 0, (), None, "")] * 2, None))
    assert found == {"queries": 0, "photos": 2}
