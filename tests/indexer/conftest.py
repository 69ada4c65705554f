"""Fixtures for the tests of the indexer: the recorded exchanges with a search server."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

import pytest

from tests.indexer.exchanges_kept import path_of, read
from tests.indexer.exchanges_run import RECORDING
from tests.indexer.exchanges_server import ExchangeServer, Recorder, Replayer
from tests.meilisearch_server import MeilisearchServer

#: The only one that recorded tests may use.
INDEX = "recorded"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "not_recorded(why): asks what can't be kept, so only a real server will do")


@pytest.fixture
def exchanges(request: pytest.FixtureRequest) -> Iterator[ExchangeServer]:
    """Stands for a Meilisearch: answers this test as recorded, or records it where that is what the run is for."""
    name, module = request.node.name, request.node.path
    if marker := request.node.get_closest_marker("not_recorded"):
        pytest.skip(f"not recorded: {marker.args[0]}")
    recording = request.config.stash.get(RECORDING, None)
    if recording is None:
        with Replayer(read(path_of(module)).tests.get(name), name) as replayer:
            yield replayer
        replayer.check()
        return
    server: MeilisearchServer = request.getfixturevalue("meilisearch_server")
    _empty(server)
    keys = server.keys(INDEX, request.getfixturevalue("tmp_path") / "keys")
    with Recorder(server.url, asdict(keys)) as recorder:
        yield recorder
    recorder.check()
    recording.keep(module, name, server.version(), recorder.exchanges())


def _empty(server: MeilisearchServer) -> None:
    """A wiped server counts its tasks from 0, which keeps recordings the same."""
    if server.ours:
        server.wipe()
    else:
        server.delete_indexes(INDEX)
