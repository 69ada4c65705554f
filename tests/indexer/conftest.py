"""Fixtures for the tests of the indexer: a library, settings, and the recorded exchanges with a search server."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

from indexer.search.meilisearch.keys import Keys
from indexer.settings import Settings
from tests.indexer.search.exchanges_kept import Recording, path_of, read
from tests.indexer.search.exchanges_run import RECORDING
from tests.indexer.search.exchanges_server import KEYS, ExchangeServer, Recorder, Replayer
from tests.indexing import settings_for
from tests.libraries import write
from tests.meilisearch_server import MeilisearchServer

#: The only one that recorded tests may use.
INDEX = "recorded"


@dataclass(frozen=True, slots=True)
class ServedIndex:
    """Where a backend under test finds its index, and what opens it."""

    url: str
    keys: Keys
    name: str


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "not_recorded(why): asks what can't be kept, so only a real server will do")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A library of one file."""
    library = tmp_path / "library"
    write(library / "a.jpg")
    return library


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A data directory that is not there yet, without watching."""
    return settings_for(tmp_path)


@pytest.fixture(scope="module")
def recorded(request: pytest.FixtureRequest) -> Recording:
    """What is kept of the tests of this module."""
    return read(path_of(request.path))


@pytest.fixture
def exchanges(request: pytest.FixtureRequest) -> Iterator[ExchangeServer]:
    """Stands for a Meilisearch: answers this test as recorded, or records it where that is what the run is for."""
    name, module = request.node.name, request.node.path
    if marker := request.node.get_closest_marker("not_recorded"):
        pytest.skip(f"not recorded: {marker.args[0]}")
    recording = request.config.stash.get(RECORDING, None)
    if recording is None:
        recorded: Recording = request.getfixturevalue("recorded")
        with Replayer(recorded.tests.get(name), name) as replayer:
            yield replayer
        replayer.check()
        return
    server: MeilisearchServer = request.getfixturevalue("meilisearch_server")
    _empty(server)
    keys = server.keys(INDEX, request.getfixturevalue("tmp_path") / "keys")
    with Recorder(server.url, asdict(keys)) as recorder:
        yield recorder
    version = server.version()
    if not server.ours:
        _empty(server)
    recorder.check()
    recording.keep(module, name, version, recorder.exchanges())


@pytest.fixture(scope="session")
def contract_index(
    meilisearch_server: MeilisearchServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServedIndex]:
    """The keys are made once: a server looks through all that it has at every request."""
    name = f"contract-{secrets.token_hex(4)}"
    keys = meilisearch_server.keys(name, tmp_path_factory.mktemp("keys"))
    yield ServedIndex(meilisearch_server.url, keys, name)
    meilisearch_server.forget(name)


@pytest.fixture
def served_index(meilisearch_server: MeilisearchServer, contract_index: ServedIndex) -> Iterator[ServedIndex]:
    """On a real server: its name and its keys, and nothing in it."""
    yield contract_index
    meilisearch_server.delete_indexes(contract_index.name)


@pytest.fixture
def recorded_index(exchanges: ExchangeServer) -> ServedIndex:
    """As it answered when it was recorded; empty at first."""
    return ServedIndex(exchanges.url, KEYS, INDEX)


def _empty(server: MeilisearchServer) -> None:
    """A wiped server counts its tasks from 0, which keeps recordings the same."""
    if server.ours:
        server.wipe()
    else:
        server.forget(INDEX)
