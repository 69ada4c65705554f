"""Writing into a real Meilisearch by hand, as a script would, without the feed."""

from __future__ import annotations

from indexer.search.meilisearch import MeilisearchSearch
from indexer.search.query import parse
from tests.indexer.conftest import ServedIndex
from tests.indexer.search.test_search_contract import LIBRARY, numbers


def test_documents_are_put_into_an_index_with_our_settings_whoever_forgot_to_prepare_it(
    served_index: ServedIndex,
) -> None:
    search = MeilisearchSearch(served_index.url, keys=served_index.keys, index=served_index.name)
    search.put(LIBRARY)
    assert numbers(search.search(parse("dogs beach "))) == [1]
    assert numbers(search.search(parse("bech "))) == [1]
    search.close()


def test_an_index_that_is_as_it_should_be_is_left_alone(served_index: ServedIndex) -> None:
    search = MeilisearchSearch(served_index.url, keys=served_index.keys, index=served_index.name)
    search.put(LIBRARY)
    made = search.checkpoint().split()[0]
    again = MeilisearchSearch(served_index.url, keys=served_index.keys, index=served_index.name)
    again.prepare()
    again.complete()
    assert again.checkpoint().split()[0] == made
    assert again.count() == len(LIBRARY)
    search.close()
    again.close()
