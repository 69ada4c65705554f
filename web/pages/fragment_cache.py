"""A cache of rendered fragments of the results page: the same queries are typed, repeated and reloaded.

A fragment is valid as long as no process has written to the catalogue or to search since before it was begun.
"""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Awaitable, Callable, Hashable, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from aiohttp import web
from cachetools import LRUCache

#: Some two thousand first pages of results; each is 4 kB when packed.
CACHE_BYTES = 8_000_000
#: What an entry takes beside its bytes.
_OVERHEAD_BYTES = 600


@dataclass(frozen=True, slots=True)
class Fragment:
    """A fragment as it is sent; where nothing was found, the `context` to render with the state of the library."""

    packed: bytes
    context: Mapping[str, Any] | None = None

    @property
    def html(self) -> str:
        """Unpacked."""
        return gzip.decompress(self.packed).decode()


@dataclass(frozen=True, slots=True)
class Key:
    """What a fragment depends on beside the data: two that are equal get the same answer."""

    part: str
    parameters: tuple[tuple[str, str], ...]
    language: str
    day: Hashable  # "30d" is another span tomorrow
    base_path: str = ""  # that its links begin with

    @property
    def size_bytes(self) -> int:
        """As text, roughly."""
        return sum(4 * (len(name) + len(value)) for name, value in self.parameters)


@dataclass(slots=True)
class _Pending:
    task: asyncio.Future[Fragment]
    waiting: int = 0


class FragmentCache:
    """The fragments that were used last, packed, `most_bytes` at most. For one thread."""

    def __init__(self, most_bytes: int = CACHE_BYTES) -> None:
        self._most_bytes = most_bytes
        self._data_version: Hashable = None
        self._fragments = self._no_fragments()
        self._pending: dict[tuple[Key, Hashable], _Pending] = {}

    @property
    def size_bytes(self) -> int:
        """What is kept now."""
        return int(self._fragments.currsize)

    def get(self, key: Key, data_version: Hashable) -> bytes | None:
        """The fragment that was rendered from this version of the data."""
        if data_version != self._data_version:
            return None
        return self._fragments.get(key, (0, None))[1]

    def put(self, key: Key, data_version: Hashable, packed: bytes) -> None:
        """Keeps a fragment; `data_version` was read before it was begun. Those of another version are dropped."""
        if data_version != self._data_version:
            self._fragments, self._data_version = self._no_fragments(), data_version
        size_bytes = len(packed) + key.size_bytes + _OVERHEAD_BYTES
        if size_bytes <= self._most_bytes:
            self._fragments[key] = size_bytes, packed

    async def render_once(self, key: Key, data_version: Hashable, make: Callable[[], Awaitable[Fragment]]) -> Fragment:
        """What `make` gives, run once for all concurrent callers; cancelled when the last of them is."""
        pending = self._pending.get((key, data_version))
        if pending is None:
            pending = self._pending[key, data_version] = _Pending(asyncio.ensure_future(make()))
        pending.waiting += 1
        try:
            return await asyncio.shield(pending.task)
        finally:
            pending.waiting -= 1
            if pending.task.done() or not pending.waiting:
                pending.task.cancel()
                if self._pending.get((key, data_version)) is pending:
                    del self._pending[key, data_version]

    def _no_fragments(self) -> LRUCache[Key, tuple[int, bytes]]:
        """Each fragment with its size in bytes."""
        return LRUCache(self._most_bytes, getsizeof=itemgetter(0))


FRAGMENT_CACHE = web.AppKey("FRAGMENT_CACHE", FragmentCache)
