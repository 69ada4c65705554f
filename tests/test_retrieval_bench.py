"""The search benchmark itself: what it counts, and that meaning helps where it must."""

from __future__ import annotations

import numpy as np
import pytest

from captioner.training.retrieval import WordQueries
from indexer.search.meaning import Meaning
from tests.bench.bench_retrieval import (
    MadeTower,
    kinds_of_queries,
    made_set,
    mean_precision,
    measured,
    right_of_first,
    tables,
)


@pytest.mark.parametrize(
    ("scores", "right", "share"),
    [
        ([3, 2, 1], {0}, 1),
        ([3, 2, 1], {1}, 0),
        ([3, 2, 1], {0, 2}, 0.5),
        ([3, -1, -1], {0, 1}, 0.5),  # one was found, the other is missed
        ([-1, -1, -1], {0}, 0),
        ([2, 2, 1], {1}, 0.5),  # tied with a wrong one for the only place
        ([5, 2, 2, 2], {0, 1}, 1 / 2 + 1 / 6),
    ],
)
def test_the_share_of_the_first_that_is_right(scores: list[int], right: set[int], share: float) -> None:
    assert right_of_first(np.array(scores, np.float32), frozenset(right)) == pytest.approx(share)


def test_meaning_finds_what_the_sentence_has_wrong() -> None:
    run = made_set(60)
    found = measured(run, Meaning(MadeTower), kinds_of_queries(run, every=1))
    assert found.keys() == {"whole captions", "two or three words", "single words"}
    for ways in tables(found).values():
        of_ways = (ways[way]["embedded"] for way in ("words", "words and meaning"))
        words, both = (figures.get("recall@10", figures.get("MAP@50", 0)) for figures in of_ways)
        assert both > words


def test_single_words_are_judged_by_what_was_found() -> None:
    judged = WordQueries(("dog",), np.array([[True, True, False, False]]), np.array([[False, False, False, True]]))
    for scores, average in (
        ([3, 2, 1, 9], 1.0),  # the neutral photo in front of them does not count
        ([3, -1, 1, 9], 0.5),  # one of two was missed
        ([-1, 1, 2, -1], 0.25),
        ([-1, -1, 2, -1], 0.0),
    ):
        assert mean_precision(np.array([scores], np.float32), judged)[0] == pytest.approx(average)
    assert mean_precision(np.array([[3, 2, 1, 9]], np.float32), judged)[1] == pytest.approx(0.2)
