"""`SearchBackend` on a Meilisearch server."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from indexer.search import Answer, FacetCount, Query, SearchDocument
from indexer.search.meaning import NO_MEANING, Meaning
from indexer.search.meilisearch.client import SearchClient
from indexer.search.meilisearch.connection import Connection
from indexer.search.meilisearch.index import Index
from indexer.search.meilisearch.keyring import Keyring
from indexer.search.meilisearch.keys import Keys
from indexer.search.meilisearch.searcher import Searcher
from indexer.search.meilisearch.vocabulary import common_words
from indexer.search.meilisearch.writer import Writer

_BATCH = 1000
_SEARCH_TIMEOUT_S = (
    10.0  # a search in a large index that nobody looked at for long; the server itself stops after 1.5 s
)
_WRITE_TIMEOUT_S = 60.0  # a thousand documents on the way to a Pi that is busy with those before them
_CACHE_S = 20.0


class MeilisearchSearch:
    """The index `index` of the server at `url`. Thread-safe; several processes may share it, one of them writing.

    `keys` that can be called are asked for again when the server refuses what they gave. `meaning` gives queries their
    vector where they have none. Counts of photos are kept for `cache_s` seconds, as another process may be writing.
    A server that does not answer a search within `search_timeout_s`, or a write within `write_timeout_s`, is a
    `SearchError`.
    """

    name = "meilisearch"
    batch = _BATCH

    def __init__(
        self,
        url: str,
        *,
        keys: Keys | Callable[[], Keys],
        index: str = "recollect",
        meaning: Meaning = NO_MEANING,
        search_timeout_s: float = _SEARCH_TIMEOUT_S,
        write_timeout_s: float = _WRITE_TIMEOUT_S,
        cache_s: float = _CACHE_S,
    ) -> None:
        keyring = Keyring(keys if callable(keys) else lambda: keys)
        self._searching = Connection(url, keyring, timeout_s=search_timeout_s, interactive=True)
        self._writing = Connection(url, keyring, timeout_s=write_timeout_s)
        self._client = SearchClient(self._searching, "search", index, cache_s=cache_s)
        self._searcher = Searcher(self._client, meaning)
        self._writer = Writer(self._writing, "admin", index, meaning.space)

    def prepare(self) -> None:
        """As `SearchBackend.prepare`."""
        self._writer.prepare()
        self._client.invalidate()

    def checkpoint(self) -> str:
        """The age of the index and its newest write."""
        return self._writer.written.checkpoint()

    def held(self) -> Iterator[tuple[str, int]]:
        """Id and revision of every document."""
        return self._writer.written.held()

    def put(self, documents: Sequence[SearchDocument]) -> Mapping[str, str]:
        """Adds or replaces; gives those that the server refuses, with its reasons."""
        refused = self._writer.put(documents)
        self._client.invalidate()
        return refused

    def delete(self, ids: Iterable[str]) -> None:
        """Unknown ids are no error."""
        self._writer.delete(ids)
        self._client.invalidate()

    def clear(self) -> None:
        """Forgets every document."""
        self._writer.written.clear()
        self._client.invalidate()

    def complete(self) -> None:
        """A second index takes the first one's place."""
        self._writer.complete()
        self._client.invalidate()

    def data_version(self) -> str:
        """Another one after every write of ours, and every two seconds for those of others."""
        return self._client.data_version()

    def search(self, query: Query, *, limit: int = 50, offset: int = 0) -> Answer:
        """The photos that match, best first. Raises `FilterError`."""
        return self._searcher.search(query, max(limit, 0), max(offset, 0))

    def facets(self, query: Query, names: Sequence[str], *, limit: int = 50) -> Mapping[str, tuple[FacetCount, ...]]:
        """Counts per value of each facet, of all photos that match `query`. Raises `ValueError` for another name."""
        return self._searcher.facets(query, names, limit)

    def similar(self, photo_id: str, *, limit: int = 20) -> Answer:
        """Photos like this one: by embedding where it has one, else by its most telling words."""
        return self._searcher.similar(photo_id, limit)

    def vocabulary(self, beginning: str, *, limit: int = 10) -> tuple[str, ...]:
        """Words that begin so, those most common among the newest photos that have such a word first."""
        return common_words(self._client, beginning, max(limit, 0))

    def count(self) -> int:
        """How many documents the index has that is being written."""
        return Index(self._searching, "admin", self._writer.written.uid).count()

    def close(self) -> None:
        """Closing twice is fine."""
        self._searching.close()
        self._writing.close()
