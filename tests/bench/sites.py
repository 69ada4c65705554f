"""Where the backends under measurement keep their indexes, and what a server takes."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from indexer.search import SearchBackend
from indexer.search.embedded.backend import EmbeddedSearch
from indexer.search.meaning import Meaning
from indexer.search.meilisearch import MeilisearchSearch
from indexer.search.meilisearch.keys import Keys
from tests.meilisearch_server import URL_VARIABLE, WHY_NOT, MeilisearchServer, where_found

BACKENDS = ("embedded", "meilisearch")
_INDEX = "bench"


@dataclass(frozen=True, slots=True)
class Site:
    """Where one backend's index is: a file, or an index of a server; `process` is that of our own server."""

    backend: str
    path: str = ""
    url: str = ""
    index: str = ""
    admin_key: str = ""
    search_key: str = ""
    process: int | None = None

    def opened(self, meaning: Meaning) -> SearchBackend:
        """The backend as the product has it."""
        if self.backend == "embedded":
            return EmbeddedSearch(Path(self.path), meaning)
        keys = Keys(admin=self.admin_key, search=self.search_key)
        return MeilisearchSearch(self.url, keys=keys, index=self.index, meaning=meaning)


@contextmanager
def served(url: str, folder: Path) -> Iterator[Site]:
    """An index of a running server: that at `url`, else one of our own with its data in `folder`, where it stays.

    Somebody's server gets an index of a name of its own, which is deleted afterwards. Ends the program where there is
    no server.
    """
    found = where_found({**os.environ, URL_VARIABLE: url} if url else None)
    if found is None:
        raise SystemExit(f"{WHY_NOT}, or name it with --server; --backend embedded needs none")
    folder.mkdir(exist_ok=True)
    server = MeilisearchServer(found, folder.resolve())
    index = _INDEX if server.ours else f"{_INDEX}-{secrets.token_hex(4)}"
    try:
        server.start()
        site = _site(server, folder, index)
        yield site
    finally:
        if server.ours:
            server.stop()
        else:
            server.delete_indexes(index)


def _site(server: MeilisearchServer, folder: Path, index: str) -> Site:
    admin, search = server.default_keys()
    return Site(
        "meilisearch",
        path=str(folder) if server.ours else "",
        url=server.url,
        index=index,
        admin_key=admin,
        search_key=search,
        process=server.process_id,
    )


def memory_of(process: int | None) -> dict[str, float]:
    """Megabytes by the names of proc_pid_status(5); empty for somebody else's server."""
    if process is None:
        return {}
    lines = Path(f"/proc/{process}/status").read_text(encoding="ascii").splitlines()
    rows = dict(line.split(":", 1) for line in lines)
    return {name: int(rows[name].split()[0]) * 1024 / 1e6 for name in ("VmHWM", "VmRSS", "RssAnon")}


def processor_s(process: int) -> float:
    times = psutil.Process(process).cpu_times()
    return float(times.user + times.system)
