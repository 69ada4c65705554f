"""What was found of a word and is kept is what would be found anew."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from indexer.search.embedded.backend import EmbeddedSearch
from indexer.search.groups import Group, GroupCache
from indexer.search.query import parse
from tests.indexer.search.test_embedded import photo


def group(photos: int = 100) -> Group:
    scores = np.linspace(-1, 1, photos, dtype=np.float32).clip(0)
    return Group("dogs", scores, scores * np.float32(2), {"dogs": "exact", "dog": "exact"}, "dog", parts=("k",))


def fail() -> Group:
    raise AssertionError("made anew")


def test_a_kept_group_is_the_one_that_was_made() -> None:
    cache, made = GroupCache(), group()
    assert cache.get(1, "dogs", lambda: made) is made
    kept = cache.get(1, "dogs", fail)
    np.testing.assert_array_equal(kept.scores, made.scores)
    np.testing.assert_array_equal(kept.evidence, made.evidence)
    names = ("typed", "kinds", "prefix", "phrase", "corrected", "parts", "optional", "text_mask", "frequency")
    assert [getattr(kept, name) for name in names] == [getattr(made, name) for name in names]


def test_none_outlives_the_state_of_the_index_that_it_was_made_in() -> None:
    cache = GroupCache()
    cache.get(1, "dogs", group)
    assert len(cache.get(2, "dogs", lambda: group(300)).scores) == 300
    assert len(cache.get(1, "dogs", group).scores) == 100


def test_no_more_is_kept_than_there_is_room_for() -> None:
    cache = GroupCache(5000)
    for number in range(50):
        cache.get(1, number, group)
        assert 1000 < cache.size_bytes <= 5000
    cache.get(1, "large", lambda: group(100_000))
    assert cache.size_bytes <= 5000
    cache.get(1, 49, fail)


def test_who_types_finds_the_same_as_who_asks_once(tmp_path: Path) -> None:
    captions = ("two dogs on a beach", "a dog in the snow", "dogged hotdogs", "a red cat", "the snowy beach", "")
    photos = [photo(number, caption, keywords=("dog", "snow")[: number % 3]) for number, caption in enumerate(captions)]
    typist = EmbeddedSearch(tmp_path / "search.db")
    for some in (photos[:3], photos[3:]):
        typist.put(some)
        for text in ("dogs snow", "red cat -dog", "snow beach dgo"):
            for end in range(len(text) + 1):
                with_memory = typist.search(parse(text[:end]))
                fresh = EmbeddedSearch(tmp_path / "search.db")
                assert with_memory == fresh.search(parse(text[:end])), text[:end]
                fresh.close()
    typist.close()
