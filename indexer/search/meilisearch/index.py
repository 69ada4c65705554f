"""Writing an index: made with its settings, filled by tasks, and put in place as a whole.

Where an index has other settings than those declared, or knows nothing of the caption model in use, a second one is
filled while the first goes on answering; then the two change places. A writer that is interrupted goes on with it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import count, islice
from typing import Any

from indexer.errors import SearchError
from indexer.message import Message
from indexer.model import IN_ANSWERING_INDEX
from indexer.search import SearchDocument
from indexer.search.meilisearch.connection import TOO_LARGE, Connection, Json, Refusal, TaskFailed
from indexer.search.meilisearch.layout import (
    embedder_of,
    embedder_settings,
    index_settings,
    settings_match,
    to_server_json,
)

log = logging.getLogger(__name__)

_SWAP_POLL_S = 0.05
_SWAP_POLLS = 1200
_PAGE = 5000
_WRITES = "documentAdditionOrUpdate,documentDeletion"
_NOT_THERE = "index_not_found"
_KEY = "admin"


class Index:
    """The index `uid`. Methods block until the server is done, and raise `SearchError`."""

    def __init__(self, connection: Connection, uid: str) -> None:
        self._connection = connection
        self.uid = uid

    def settings(self) -> Json | None:
        """None where there is no such index."""
        response: Json | None = self._call_if_there("GET", "/settings")
        return response

    def make(self, settings: Json) -> None:
        """Makes the index, which is not there, with its settings."""
        self._wait_for(self._connection.call("POST", "/indexes", {"uid": self.uid, "primaryKey": "id"}, key=_KEY))
        self.change(settings)

    def change(self, settings: Json) -> None:
        """Sets these settings."""
        self._wait_for(self._call("PATCH", "/settings", settings))

    def drop(self) -> None:
        """Deletes the index; one that is not there is no error."""
        if self.settings() is not None:
            self._wait_for(self._call("DELETE"))

    def put(self, documents: Sequence[Json]) -> dict[str, str]:
        """Adds or replaces; gives, by id and with the reason, those that the server refuses.

        What failed, or was too large, is tried again in halves, down to single documents.
        """
        if not documents:
            return {}
        try:
            path = f"/indexes/{self.uid}/documents?primaryKey=id"
            self._wait_for(self._connection.post_lines(path, documents, key=_KEY))
        except Refusal as refusal:
            failed = isinstance(refusal, TaskFailed) and not refusal.passing
            if not failed and refusal.code != TOO_LARGE:
                raise
            if len(documents) == 1:
                return {documents[0]["id"]: refusal.what}
            middle = len(documents) // 2
            return {**self.put(documents[:middle]), **self.put(documents[middle:])}
        return {}

    def delete(self, ids: Sequence[str]) -> None:
        """Unknown ids are no error."""
        if ids:
            self._wait_for(self._call("POST", "/documents/delete-batch", list(ids)))

    def clear(self) -> None:
        """Deletes every document."""
        self._wait_for(self._call("DELETE", "/documents"))

    def count(self) -> int:
        """How many documents there are; none where there is no index."""
        stats = self._call_if_there("GET", "/stats")
        return 0 if stats is None else int(stats["numberOfDocuments"])

    def created_at(self) -> str:
        """When the index was made; goes along with the documents when indexes are swapped."""
        return str(self._call("GET")["createdAt"])

    def checkpoint(self) -> str:
        """The index's age, its newest write, and how that went. A server that was wiped or restored gives other ones.

        A task's number may be given again after a restore, its time is not. One that a writer before this one has left
        in the queue moves the position once more when it is done.
        """
        query = f"/tasks?limit=1&indexUids={self.uid}&types={_WRITES}"
        newest = self._connection.call("GET", query, key=_KEY)["results"]
        write = "{uid}@{enqueuedAt} {status}".format_map(newest[0]) if newest else "none"
        return f"{self.created_at()} {write}"

    def held(self) -> Iterator[tuple[str, int]]:
        """Id and revision of every document, 0 for those that are not ours; none where there is no index."""
        for offset in count(0, _PAGE):
            request = {"fields": ["id", "revision"], "limit": _PAGE, "offset": offset}
            response = self._call_if_there("POST", "/documents/fetch", request)
            page = [] if response is None else response["results"]
            yield from ((str(item["id"]), int(item.get("revision", 0))) for item in page)
            if len(page) < _PAGE:
                return

    def revisions(self, ids: Sequence[str]) -> dict[str, int]:
        """The revision of each of these documents that is there; empty where there is no index."""
        request = {"ids": list(ids), "fields": ["id", "revision"], "limit": len(ids)}
        response = self._call_if_there("POST", "/documents/fetch", request) if ids else None
        return {} if response is None else {item["id"]: item.get("revision", 0) for item in response["results"]}

    def _call(self, method: str, path: str = "", body: Any = None) -> Any:
        return self._connection.call(method, f"/indexes/{self.uid}{path}", body, key=_KEY)

    def _call_if_there(self, method: str, path: str, body: Any = None) -> Any:
        """As `_call`; None where there is no such index."""
        try:
            return self._call(method, path, body)
        except Refusal as refusal:
            if refusal.code != _NOT_THERE:
                raise
            return None

    def _wait_for(self, task: Json) -> None:
        self._connection.wait_for_task(task, key=_KEY)


class Writer:
    """Writes the index `uid`; one at a time. `space` gives the model in use and the length of its vectors."""

    def __init__(self, connection: Connection, uid: str, space: Callable[[], tuple[str, int] | None]) -> None:
        self._connection = connection
        self._live = Index(connection, uid)
        self._next = Index(connection, f"{uid}-next")
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
        latest = list({document.id: document for document in documents}.values())
        if not self._prepared:
            self.prepare()  # the server would make an index with settings of its own
        self._add_embedders({(document.model, len(document.embedding)) for document in latest if document.embedding})
        if self._written is not self._live:
            self._put_changes_into_live(latest)
        return self._written.put([to_server_json(document, self._embedders) for document in latest])

    def delete(self, ids: Iterable[str]) -> None:
        """As `SearchBackend.delete`; what is gone is not shown meanwhile either."""
        gone = list(ids)
        if self._written is not self._live:
            self._live.delete(gone)
        self._written.delete(gone)

    def held(self) -> Iterator[tuple[str, int]]:
        """As `SearchBackend.held`."""
        yield from self._written.held()
        if self._written is self._live:
            return
        answering = self._live.held()
        while ids := [photo_id for photo_id, _ in islice(answering, _PAGE)]:
            in_next = self._next.revisions(ids)
            yield from ((photo_id, IN_ANSWERING_INDEX) for photo_id in ids if photo_id not in in_next)

    def complete(self) -> None:
        """As `SearchBackend.complete`."""
        if self._written is self._live:
            return
        made = self._next.created_at()
        log.info("the new search index takes the place of the old one")
        pair = [{"indexes": [self._live.uid, self._next.uid]}]
        self._connection.call("POST", "/swap-indexes", pair, key=_KEY)
        # A key for two indexes is never shown the task of their swap; the age of an index goes along with it.
        for _ in range(_SWAP_POLLS):
            if self._live.created_at() == made:
                break
            self._connection.sleep(_SWAP_POLL_S)
        else:
            raise SearchError(Message("Meilisearch at %(url)s does not exchange the indexes", url=self._connection.url))
        self._switch_to(self._live)
        self._next.drop()

    def _put_changes_into_live(self, documents: Sequence[SearchDocument]) -> None:
        """While a second index is filled the first one answers: photos that are new or changed go into it as well.

        What it refuses, as its settings are older, the second one has once it takes its place.
        """
        held = self._live.revisions([document.id for document in documents])
        embedders = tuple((self._live.settings() or {}).get("embedders", {}))
        changed = [one for one in documents if held.get(one.id) != one.revision]
        if refused := self._live.put([to_server_json(document, embedders) for document in changed]):
            log.info("%d photos can't be found until the new search index is complete", len(refused))

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
        """Makes embedders for models of which the index has none yet: one that was in use before, or will be."""
        new = {embedder_of(*space): embedder_settings(space[1]) for space in sorted(spaces)}
        new = {name: settings for name, settings in new.items() if name not in self._embedders}
        if new:
            self._written.change({"embedders": new})
            self._embedders = (*self._embedders, *new)
