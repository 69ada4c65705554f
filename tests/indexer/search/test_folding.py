"""Which photo of a stack is the hit, in the embedded search."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.search.embedded.backend import EmbeddedSearch
from indexer.search.folding import StackColumns, fold
from tests.indexer.search.test_search_contract import STACKS, folded, numbers, photo, shot


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[EmbeddedSearch]:
    with closing(EmbeddedSearch(tmp_path / "search.db")) as backend:
        backend.put(STACKS)
        yield backend


def test_the_one_that_stands_for_the_stack_is_the_hit_where_it_is_as_good(backend: EmbeddedSearch) -> None:
    assert numbers(folded(backend, "dog snow ")) == [2]
    assert numbers(folded(backend, "")) == [2, 5, 6, 7]
    assert numbers(folded(backend, "sort:oldest")) == [7, 6, 5, 2]


def test_another_that_is_clearly_better_is_it_instead(backend: EmbeddedSearch) -> None:
    backend.put([shot(4, 5, person_caption="our dog"), shot(5, 5, "a field", tags=(("dog", 0.2),))])
    assert numbers(folded(backend, "dog "))[0] == 4


def test_stacks_follow_what_is_written(backend: EmbeddedSearch) -> None:
    assert folded(backend, "").folded == 3
    backend.delete([f"{number:032x}" for number in (1, 2)])
    assert folded(backend, "").folded == 1, "a stack without the one that stood for it has the best of the others"
    backend.put([photo(3, "a dog"), photo(4), photo(5)])
    assert folded(backend, "").folded == 0
    backend.put([shot(8, 9, taken_at=datetime(2021, 1, 1)), shot(9, 9, taken_at=datetime(2021, 1, 1))])
    assert numbers(folded(backend, ""))[0] == 9


def test_stored_arrays_have_the_stacks(tmp_path: Path) -> None:
    path = tmp_path / "search.db"
    for _ in range(2):
        with closing(EmbeddedSearch(path, store_from=1)) as backend:
            backend.put(STACKS)
            assert numbers(folded(backend, "")) == [2, 5, 6, 7]
            backend.settle()
    with closing(EmbeddedSearch(path, store_from=1)) as backend:
        assert numbers(folded(backend, "")) == [2, 5, 6, 7]


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 4), st.booleans(), st.floats(0, 1, width=32)), max_size=30))
def test_of_each_stack_one_stays(photos: list[tuple[bool, int, bool, float]]) -> None:
    mask = np.array([one[0] for one in photos], np.bool_)
    codes = np.array([7 * one[1] for one in photos], np.int32)
    covers = np.array([one[2] for one in photos], np.bool_)
    scores = np.array([one[3] for one in photos], np.float32)
    ranks = np.arange(1, len(photos) + 1)
    for given_scores in (None, scores):
        left = fold(mask, StackColumns.of(codes, covers), ranks, given_scores)
        assert not np.any(left & ~mask)
        assert np.array_equal(left[codes == 0], mask[codes == 0])
        for code in set(codes[mask & (codes > 0)].tolist()):
            assert np.count_nonzero(left & (codes == code)) == 1
