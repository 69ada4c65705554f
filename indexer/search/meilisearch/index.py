"""One index of a Meilisearch server, as whoever writes it sees it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from indexer.search.meilisearch.connection import TOO_LARGE, Connection, Refusal, TaskFailed

_PAGE = 5000
_WRITES = "documentAdditionOrUpdate,documentDeletion"
_NOT_THERE = "index_not_found"

Json = Mapping[str, Any]


class Index:
    """The index `uid`. Methods block until the server is done, and raise `SearchError`."""

    def __init__(self, connection: Connection, key: str, uid: str) -> None:
        self._connection = connection
        self._key = key
        self.uid = uid
        self._path = f"/indexes/{uid}"

    def settings(self) -> Json | None:
        """None where there is no such index."""
        try:
            response: Json = self._connection.get(f"{self._path}/settings", key=self._key)
            return response
        except Refusal as refusal:
            if refusal.code == _NOT_THERE:
                return None
            raise

    def make(self, settings: Json) -> None:
        """Makes the index, which is not there, with its settings."""
        self._done(self._connection.post("/indexes", {"uid": self.uid, "primaryKey": "id"}, key=self._key))
        self.change(settings)

    def change(self, settings: Json) -> None:
        """Sets these settings."""
        self._done(self._connection.patch(f"{self._path}/settings", settings, key=self._key))

    def drop(self) -> None:
        """Deletes the index; one that is not there is no error."""
        if self.settings() is not None:
            self._done(self._connection.delete(self._path, key=self._key))

    def put(self, documents: Sequence[Json]) -> dict[str, str]:
        """Adds or replaces; gives, by id and with the reason, those that the server refuses.

        What failed, or was too large, is tried again in halves, down to single documents.
        """
        if not documents:
            return {}
        try:
            task = self._connection.post_lines(f"{self._path}/documents?primaryKey=id", documents, key=self._key)
            self._done(task)
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
            self._done(self._connection.post(f"{self._path}/documents/delete-batch", list(ids), key=self._key))

    def clear(self) -> None:
        """Deletes every document."""
        self._done(self._connection.delete(f"{self._path}/documents", key=self._key))

    def count(self) -> int:
        """How many documents there are; none where there is no index."""
        try:
            return int(self._connection.get(f"{self._path}/stats", key=self._key)["numberOfDocuments"])
        except Refusal as refusal:
            if refusal.code == _NOT_THERE:
                return 0
            raise

    def created_at(self) -> str:
        """When the index was made; goes along with the documents when indexes are swapped."""
        return str(self._connection.get(self._path, key=self._key)["createdAt"])

    def checkpoint(self) -> str:
        """The index's age, its newest write, and how that went. A server that was wiped or restored gives other ones.

        A task's number may be given again after a restore, its time is not. One that a writer before this one has left
        in the queue moves the position once more when it is done.
        """
        query = f"/tasks?limit=1&indexUids={self.uid}&types={_WRITES}"
        newest = self._connection.get(query, key=self._key)["results"]
        write = "{uid}@{enqueuedAt} {status}".format_map(newest[0]) if newest else "none"
        return f"{self.created_at()} {write}"

    def held(self) -> Iterator[tuple[str, int]]:
        """Id and revision of every document, 0 for those that are not ours; none where there is no index."""
        offset = 0
        while True:
            response = self._page(offset)
            yield from ((str(item["id"]), int(item.get("revision", 0))) for item in response)
            if len(response) < _PAGE:
                return
            offset += _PAGE

    def _page(self, offset: int) -> list[Json]:
        asked = {"fields": ["id", "revision"], "limit": _PAGE, "offset": offset}
        try:
            return list(self._connection.post(f"{self._path}/documents/fetch", asked, key=self._key)["results"])
        except Refusal as refusal:
            if refusal.code == _NOT_THERE:
                return []
            raise

    def _done(self, task: Json) -> None:
        self._connection.wait_for_task(task, key=self._key)
