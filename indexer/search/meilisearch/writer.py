"""The index being written: made with its settings, filled, and put in place as a whole.

Where an index has other settings than those declared, or knows nothing of the caption model in use, a second one is
filled while the first goes on answering; then the two change places. A writer that is interrupted goes on with it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from indexer.errors import SearchError
from indexer.message import Message
from indexer.search import SearchDocument
from indexer.search.meilisearch.connection import Connection
from indexer.search.meilisearch.index import Index
from indexer.search.meilisearch.index_settings import embedder_settings, index_settings, settings_match
from indexer.search.meilisearch.layout import embedder_of, to_server_json

log = logging.getLogger(__name__)

_SWAP_POLL_S = 0.05
_SWAP_POLLS = 1200


class Writer:
    """Writes the index `uid`; one at a time. `space` gives the model in use and the length of its vectors."""

    def __init__(self, connection: Connection, key: str, uid: str, space: Callable[[], tuple[str, int] | None]) -> None:
        self._connection = connection
        self._key = key
        self._live = Index(connection, key, uid)
        self._next = Index(connection, key, f"{uid}-next")
        self._written = self._live
        self._space = space
        self._embedders: tuple[str, ...] = ()
        self._prepared = False

    @property
    def written(self) -> Index:
        """The index that is being written."""
        return self._written

    def prepare(self) -> None:
        """As `SearchBackend.prepare`."""
        space = self._space()
        wanted = index_settings((embedder_of(*space), space[1]) if space else None)
        current = self._live.settings()
        if current is None:
            self._live.make(wanted)
        elif not settings_match(wanted, current) and not self._live.count():
            self._live.change(wanted)
        elif not settings_match(wanted, current):
            self._begin_next(wanted)
            return
        self._next.drop()
        self._switch_to(self._live)

    def put(self, documents: Sequence[SearchDocument]) -> Mapping[str, str]:
        """As `SearchBackend.put`."""
        latest = {document.id: document for document in documents}.values()
        if not self._prepared:
            self.prepare()  # the server would make an index with settings of its own
        self._add_embedders({(document.model, len(document.embedding)) for document in latest if document.embedding})
        return self._written.put([to_server_json(document, self._embedders) for document in latest])

    def delete(self, ids: Iterable[str]) -> None:
        """As `SearchBackend.delete`; what is gone is not shown meanwhile either."""
        gone = list(ids)
        if self._written is not self._live:
            self._live.delete(gone)
        self._written.delete(gone)

    def held(self) -> Iterator[tuple[str, int]]:
        """As `SearchBackend.held`."""
        return self._written.held()

    def complete(self) -> None:
        """As `SearchBackend.complete`."""
        if self._written is self._live:
            return
        made = self._next.created_at()
        log.info("the new search index takes the place of the old one")
        pair = [{"indexes": [self._live.uid, self._next.uid]}]
        self._connection.post("/swap-indexes", pair, key=self._key)
        # A key for two indexes is never shown the task of their swap; the age of an index goes along with it.
        for _ in range(_SWAP_POLLS):
            if self._live.created_at() == made:
                break
            self._connection.sleep(_SWAP_POLL_S)
        else:
            raise SearchError(Message("Meilisearch at %(url)s does not exchange the indexes", url=self._connection.url))
        self._switch_to(self._live)
        self._next.drop()

    def _begin_next(self, wanted: Mapping[str, Any]) -> None:
        current = self._next.settings()
        if current is None or not settings_match(wanted, current):
            self._next.drop()
            self._next.make(wanted)
        if self._written is not self._next:
            log.info("the search index is made anew beside the old one, which answers meanwhile")
        self._switch_to(self._next)

    def _switch_to(self, index: Index) -> None:
        self._written, self._prepared = index, True
        self._embedders = tuple((index.settings() or {}).get("embedders", {}))

    def _add_embedders(self, spaces: Iterable[tuple[str, int]]) -> None:
        """Embeddings of a model that the index has never seen: from one that was in use before, or will be."""
        new = {embedder_of(*space): embedder_settings(space[1]) for space in sorted(spaces)}
        new = {name: settings for name, settings in new.items() if name not in self._embedders}
        if new:
            self._written.change({"embedders": new})
            self._embedders = (*self._embedders, *new)
