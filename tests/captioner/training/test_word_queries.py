"""Search by single words: which photos are right, and the precision of rankings, tied ones too."""

from __future__ import annotations

from itertools import combinations, permutations

import numpy as np
import pytest

from captioner import Caption
from captioner.training.retrieval import Searcher
from captioner.training.word_queries import LEAST_PHOTOS, WordQueries, expected_precision

AXES = {"dog": 0, "cat": 1}


def embed(text: str) -> np.ndarray | None:
    return np.eye(2, dtype=np.float32)[AXES[text]] if text in AXES else None


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


def test_rounding_does_not_break_a_tie() -> None:
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
    found = only_dog.scores(Searcher.over(captions, embed))
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
