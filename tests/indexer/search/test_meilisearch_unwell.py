"""A search server that is slow, silent, or no Meilisearch at all is a `SearchError` in plain words, and soon."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from indexer.catalogue import Catalogue
from indexer.errors import SearchError
from indexer.jobs.search_feed import SearchFeed
from indexer.search.meilisearch import MeilisearchSearch
from indexer.search.meilisearch.connection import Connection
from indexer.search.meilisearch.index import Index
from indexer.search.meilisearch.keys import Keyring, Keys
from indexer.search.query import parse
from tests.indexer.search.test_search_contract import photo
from tests.indexer.search.unwell_server import ANSWERS, WELL, UnwellServer

pytestmark = pytest.mark.slow  # most of its tests wait for something

SOON_S = 0.2  # for who waits in vain
PATIENT_S = 60.0  # for who is answered, on a machine that others use too
DOCUMENT = photo(0, "a dog", taken_at=datetime(2020, 1, 1))
USES: dict[str, Callable[[MeilisearchSearch], object]] = {
    "search": lambda search: search.search(parse("a dog on the beach person:anna")),
    "newest": lambda search: search.search(parse("")),
    "facets": lambda search: search.facets(parse("dog"), ["tag", "year"]),
    "similar": lambda search: search.similar("0" * 32),
    "count": lambda search: search.count(),
    "prepare": lambda search: search.prepare(),
    "position": lambda search: search.checkpoint(),
    "held": lambda search: list(search.held()),
    "delete": lambda search: search.delete(["0" * 32]),
    "clear": lambda search: search.clear(),
}


def search_at(url: str) -> MeilisearchSearch:
    return MeilisearchSearch(url, keys=Keys("admin", "search"), search_timeout_s=SOON_S, write_timeout_s=SOON_S)


@pytest.mark.parametrize("answer", ANSWERS)
def test_whatever_answers_it_is_said_in_words(answer: str) -> None:
    for name, use in USES.items():
        with UnwellServer(ANSWERS[answer]) as server:
            search = search_at(server.url)
            with pytest.raises(SearchError) as failure:
                use(search)
            search.close()
            assert server.url in failure.value.what or "in the place of Meilisearch" in failure.value.what, name
            assert "(" not in failure.value.what.replace("(HTTP", ""), f"no insides of a library: {failure.value.what}"
            assert failure.value.hint, name


@pytest.mark.parametrize("answer", sorted(ANSWERS.keys() - {"a proxy that takes nothing"}))
def test_a_push_fails_as_a_whole(answer: str) -> None:
    with UnwellServer(ANSWERS[answer]) as server:
        search = search_at(server.url)
        with pytest.raises(SearchError):
            search.put([DOCUMENT])
        search.close()


def test_nobody_listens() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        search = search_at(f"http://127.0.0.1:{nobody.getsockname()[1]}")
        with pytest.raises(SearchError, match="Connection refused"):
            search.search(parse("dog"))
        search.close()


def interactive(url: str, *, pause_s: float, timeout_s: float = SOON_S) -> Connection:
    return Connection(url, Keyring(lambda: Keys()), timeout_s=timeout_s, interactive=True, pause_s=pause_s)


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENT_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_after_one_silence_nobody_waits_for_a_while() -> None:
    with UnwellServer(None) as server:
        connection = interactive(server.url, pause_s=float("inf"))
        for _ in range(9):
            with pytest.raises(SearchError, match="silence"):
                connection.call("GET", "/stats", key="search")
        until(lambda: server.calls > 0)
        assert server.calls == 1
        connection.close()


def test_after_a_while_it_is_asked_again() -> None:
    with UnwellServer(None) as server:
        connection = interactive(server.url, pause_s=0, timeout_s=1.5)
        for _ in range(2):
            with pytest.raises(SearchError, match="silence"):
                connection.call("GET", "/stats", key="search")
        assert server.calls == 2
        server.answer = WELL
        for _ in range(3):
            assert connection.call("GET", "/stats", key="search") == {"numberOfDocuments": 1}
        connection.close()


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_asks_asks_once_more_where_a_connection_breaks(method: str) -> None:
    with UnwellServer(b"", then=WELL) as server:
        connection = interactive(server.url, pause_s=0, timeout_s=PATIENT_S)
        answer = connection.call(method, "/x", None if method == "GET" else {}, key="search")
        assert (answer["numberOfDocuments"], server.calls) == (1, 2)
        connection.close()


def test_what_writes_is_patient_and_never_sends_twice() -> None:
    with UnwellServer(b"") as server:
        connection = Connection(server.url, Keyring(lambda: Keys()), timeout_s=PATIENT_S)
        for calls in (1, 2):
            with pytest.raises(SearchError, match="hung up"):
                connection.call("POST", "/swap-indexes", [], key="admin")
            assert server.calls == calls
        connection.close()


def test_a_proxy_that_takes_only_small_requests_gets_smaller_ones_and_refuses_what_is_alone() -> None:
    with UnwellServer(ANSWERS["a proxy that takes nothing"]) as server:
        connection = Connection(server.url, Keyring(lambda: Keys()), timeout_s=PATIENT_S)
        refused = Index(connection, "photos").put([{"id": "1"}, {"id": "2"}])
        assert list(refused) == ["1", "2"]
        assert all("takes no request so large" in why for why in refused.values())
        connection.close()


ENDLESS = b'HTTP/1.1 200 OK\r\nContent-Length: 62\r\n\r\n{"taskUid": 1, "status": "enqueued", "numberOfDocuments": 0  }'


def test_a_task_without_an_end_is_told() -> None:
    """As it is on a full disk: the server goes on trying."""
    with UnwellServer(ENDLESS) as server:
        connection = Connection(server.url, Keyring(lambda: Keys()), timeout_s=PATIENT_S, task_s=SOON_S)
        with pytest.raises(SearchError, match="has not done it") as failure:
            connection.wait_for_task({"taskUid": 1}, key="admin")
        assert "disk" in failure.value.hint
        connection.close()


def test_stopping_does_not_wait_for_a_task_without_an_end(tmp_path: Path) -> None:
    async def stop_under_way() -> None:
        running = asyncio.create_task(feed.run())
        while server.calls < 9:
            await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.wait({running})

    with UnwellServer(ENDLESS) as server, Catalogue(tmp_path / "catalogue.db") as catalogue:
        search = search_at(server.url)
        feed = SearchFeed(catalogue, search)
        asyncio.run(stop_under_way())
        calls = server.calls
        while server.calls == calls:
            time.sleep(0.01)
        search.close()
