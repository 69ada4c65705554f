"""Search servers for `test_search_feed` that can be down, killed in the middle of a batch, wiped, and put back to an
older state: one in memory, which rebuilds into a second index, and the embedded search on its file."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from indexer.errors import SearchError
from indexer.model import IN_ANSWERING_INDEX
from indexer.search import Answer, FacetCount, Hit, Query, SearchBackend, SearchDocument
from indexer.search.embedded.backend import EmbeddedSearch


@dataclass
class _State:
    """What is on the server's disk; its position is the name of the last write."""

    first: dict[str, int] | None = None
    first_settings: str = ""
    second: dict[str, int] | None = None
    second_settings: str = ""
    position: str = field(default_factory=lambda: uuid4().hex)


class MemorySearch:
    """`SearchBackend` over two dicts; searching finds every photo of the first. `settings` are those it declares.

    While the second one is filled the first takes what is put and deleted as well.
    """

    name = "memory"
    batch = 4

    def __init__(self) -> None:
        self.state = _State()
        self.settings = "settings 1"
        self.swapped = 0

    def prepare(self) -> None:
        state = self.state
        if state.first is None:
            state.first, state.first_settings, state.second = {}, self.settings, None
        elif state.first_settings == self.settings:
            state.second = None
        elif state.second is None or state.second_settings != self.settings:
            state.second, state.second_settings = {}, self.settings
        else:
            return
        state.position = uuid4().hex

    def checkpoint(self) -> str:
        return self.state.position + ("" if self.state.second is None else " of the second")

    def held(self) -> Iterator[tuple[str, int]]:
        written = self._written()
        yield from sorted(written.items(), reverse=True)
        yield from ((photo_id, IN_ANSWERING_INDEX) for photo_id in self.state.first or () if photo_id not in written)

    def put(self, documents: Sequence[SearchDocument]) -> Mapping[str, str]:
        for written in self._both():
            written.update({document.id: document.revision for document in documents})
        self.state.position = uuid4().hex
        return {}

    def delete(self, ids: Iterable[str]) -> None:
        for photo_id in ids:
            for written in self._both():
                written.pop(photo_id, None)
        self.state.position = uuid4().hex

    def clear(self) -> None:
        self._written().clear()
        self.state.position = uuid4().hex

    def complete(self) -> None:
        if self.state.second is not None:
            self.state.first, self.state.first_settings = self.state.second, self.state.second_settings
            self.state.second = None
            self.state.position = uuid4().hex
            self.swapped += 1

    def data_version(self) -> str:
        return self.state.position

    def search(self, query: Query, *, limit: int = 50, offset: int = 0) -> Answer:
        hits = tuple(Hit(photo_id, 1.0, ()) for photo_id in self.state.first or ())
        return Answer(hits[offset : offset + limit], len(hits))

    def facets(self, query: Query, names: Sequence[str], *, limit: int = 50) -> Mapping[str, tuple[FacetCount, ...]]:
        return {}

    def similar(self, photo_id: str, *, limit: int = 20) -> Answer:
        return Answer((), 0)

    def vocabulary(self, beginning: str, *, limit: int = 10) -> tuple[str, ...]:
        return ()

    def count(self) -> int:
        return len(self._written())

    def close(self) -> None:
        """There is nothing to close."""

    def _both(self) -> list[dict[str, int]]:
        return [self._written(), self.state.first or {}]

    def _written(self) -> dict[str, int]:
        written = self.state.first if self.state.second is None else self.state.second
        if written is None:
            raise SearchError("there is no such index: prepare it first")
        return written


class MemoryServer:
    """What can be done to a search server from outside."""

    def __init__(self) -> None:
        self.backend = MemorySearch()

    def wipe(self) -> None:
        self.backend.state = _State()

    def snapshot(self) -> Any:
        return copy.deepcopy(self.backend.state)

    def restore(self, snapshot: Any) -> None:
        self.backend.state = copy.deepcopy(snapshot)

    def close(self) -> None:
        """There is nothing to close."""


class EmbeddedServer:
    """The same, of the file of the embedded search."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.backend = self._opened()

    def wipe(self) -> None:
        self.restore({})

    def snapshot(self) -> Any:
        self.backend.close()
        files = {path.name: path.read_bytes() for path in self._folder.iterdir()}
        self.backend = self._opened()
        return files

    def restore(self, snapshot: Any) -> None:
        self.backend.close()
        for path in self._folder.iterdir():
            path.unlink()
        for name, content in snapshot.items():
            (self._folder / name).write_bytes(content)
        self.backend = self._opened()

    def close(self) -> None:
        self.backend.close()

    def _opened(self) -> EmbeddedSearch:
        self._folder.mkdir(exist_ok=True)
        return EmbeddedSearch(self._folder / "search.db")


class FragileSearch:
    """`SearchBackend` on a server, with the faults of a network and of a machine between. All is well at first."""

    batch = 4

    def __init__(self, server: MemoryServer | EmbeddedServer) -> None:
        self.server = server
        self.name = server.backend.name
        self.up = True
        self.killed_after: int | None = None  # the next batch is taken up to there, then the server is down
        self.refuses: dict[str, str] = {}
        self.before_put: Callable[[], None] | None = None  # runs once
        self.after_put: Callable[[], None] | None = None  # runs once, before anybody can ask for the position
        self.put_ids: list[str] = []

    def prepare(self) -> None:
        self._reached().prepare()

    def checkpoint(self) -> str:
        return self._reached().checkpoint()

    def held(self) -> Iterator[tuple[str, int]]:
        for item in self._reached().held():
            self._reached()
            yield item

    def put(self, documents: Sequence[SearchDocument]) -> Mapping[str, str]:
        backend = self._reached()
        self.before_put, before = None, self.before_put
        if before:
            before()
        taken = [document for document in documents if document.id not in self.refuses]
        if self.killed_after is not None:
            some, self.killed_after, self.up = taken[: self.killed_after], None, False
            if some:
                backend.put(some)
            raise SearchError("the connection was lost in the middle of a batch")
        backend.put(taken)
        self.put_ids += [document.id for document in taken]
        self.after_put, after = None, self.after_put
        if after:
            after()
        return {document.id: self.refuses[document.id] for document in documents if document.id in self.refuses}

    def delete(self, ids: Iterable[str]) -> None:
        self._reached().delete(ids)

    def clear(self) -> None:
        self._reached().clear()

    def complete(self) -> None:
        self._reached().complete()

    def data_version(self) -> str:
        return self._reached().data_version()

    def search(self, query: Query, *, limit: int = 50, offset: int = 0) -> Answer:
        return self._reached().search(query, limit=limit, offset=offset)

    def facets(self, query: Query, names: Sequence[str], *, limit: int = 50) -> Mapping[str, tuple[FacetCount, ...]]:
        return self._reached().facets(query, names, limit=limit)

    def similar(self, photo_id: str, *, limit: int = 20) -> Answer:
        return self._reached().similar(photo_id, limit=limit)

    def vocabulary(self, beginning: str, *, limit: int = 10) -> tuple[str, ...]:
        return self._reached().vocabulary(beginning, limit=limit)

    def count(self) -> int:
        return self._reached().count()

    def close(self) -> None:
        self.server.close()

    def _reached(self) -> SearchBackend:
        if not self.up:
            raise SearchError("the search server can't be reached")
        return self.server.backend
