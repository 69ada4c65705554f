"""How likely a photo shows what a word says, and what is sure."""

from __future__ import annotations

import numpy as np
import pytest

from indexer.search import Query, SearchDocument
from indexer.search.certainty import GIVEN, evidence_shares, probabilities, sure
from indexer.search.matching import Matcher
from indexer.search.meilisearch.candidates import Candidates, FoundPhoto
from indexer.search.meilisearch.layout import to_server_json
from indexer.search.query import parse
from indexer.search.ranking import Match, RankingContext, rank
from tests.indexer.search.test_search_contract import BOATS, COUNTED, photo


def test_more_evidence_and_a_nearer_picture_make_a_word_more_likely() -> None:
    evidence, cosines = np.linspace(0.02, 0.98, 9, dtype=np.float32), np.linspace(0.05, 0.8, 9, dtype=np.float32)
    for rising in (
        probabilities(evidence, np.full_like(evidence, 0.3)),
        probabilities(np.full_like(cosines, 0.5), cosines),
    ):
        assert (np.diff(rising) > 0).all()
        assert ((rising > 0) & (rising < 1)).all()


def test_a_photo_without_an_embedding_is_judged_by_its_words_alone() -> None:
    none = np.zeros(2, np.float32)
    assert sure(np.array([0.3, 0.8], np.float32), none).tolist() == [False, True]
    assert sure(np.array([GIVEN, 0.0], np.float32), none).tolist() == [True, False]


@pytest.mark.parametrize("cosine", [0.0, 0.01, 1.0])
def test_a_doubtful_tag_alone_is_never_sure_however_near_the_picture_is(cosine: float) -> None:
    tag = np.array([0.8 * 0.29], np.float32)
    assert not sure(tag, np.array([cosine], np.float32)).any()


def evidence(qualities: dict[str, float]) -> dict[str, float]:
    """Of each word, where a photo says it as strongly as can be."""
    return {word: share * quality for share, some in evidence_shares(qualities) for word, quality in some.items()}


def test_other_words_count_less_as_evidence_where_photos_have_the_word_itself() -> None:
    shares = evidence({"dog": 1.0, "dogs": 0.95, "doghouse": 0.8, "puppy": 0.6})
    assert 1.0 == shares["dog"] > shares["dogs"] > shares["doghouse"] > shares["puppy"] > 0
    assert evidence({"dogs": 1.0, "dog": 0.95})["dog"] < shares["dogs"]
    assert set(evidence({"beach": 0.8, "bear": 0.8}).values()) == {1.0}
    assert evidence({}) == {}


def ranked(text: str, documents: tuple[SearchDocument, ...], query: Query | None = None) -> Match:
    """What is found among photos as a server hands them over."""
    candidates = Candidates([FoundPhoto(to_server_json(document, ())) for document in documents])
    count = len(documents)
    context = RankingContext(Matcher(candidates), np.ones(count, np.bool_), count, np.zeros(count, np.float32))
    return rank(query or parse(text), context)


def test_what_a_server_hands_over_tells_whose_word_it_is() -> None:
    match = ranked("boat ", BOATS)
    assert match.sure is not None
    assert [document.id for document, is_sure in zip(BOATS, match.sure, strict=True) if is_sure] == [
        BOATS[place].id for place in (0, 1, 3, 5)
    ]


def test_photos_that_a_server_hands_over_are_ranked_by_how_many_they_say() -> None:
    match = ranked("", COUNTED, Query(words=("dogs",), counts=("two",), prefix_last=False))
    assert np.flatnonzero(match.mask).tolist() == [1, 2]
    assert match.scores[2] > match.scores[1]


def test_a_whole_description_is_sure_where_the_picture_is_very_near() -> None:
    documents = (photo(1, "a brown dog"), photo(2, "a brown dog"))
    query = Query(words=("brown", "dog", "running", "beach", "stick"), vector=(1.0,), prefix_last=False)
    candidates = Candidates([FoundPhoto(to_server_json(document, ())) for document in documents])
    cosines = np.array([0.7, 0.4], np.float32)
    match = rank(query, RankingContext(Matcher(candidates), np.ones(2, np.bool_), 2, cosines))
    assert match.sure is not None
    assert match.sure.tolist() == [True, False]
