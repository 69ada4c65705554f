"""The server that other tests lean on: what its methods leave behind is what they say."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.meilisearch_server import (
    KEY_VARIABLE,
    URL_VARIABLE,
    Found,
    MeilisearchServer,
    found_server,
    where_found,
)


def _add(server: MeilisearchServer, number: int) -> None:
    server.wait(server.call("POST", "/indexes/photos/documents?primaryKey=id", [{"id": number}])["taskUid"])


def _ids(server: MeilisearchServer) -> list[int]:
    return [document["id"] for document in server.call("GET", "/indexes/photos/documents")["results"]]


def test_it_is_found_by_url_then_on_the_path_else_not_at_all(tmp_path: Path) -> None:
    program = tmp_path / "meilisearch"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    path = {"PATH": str(tmp_path)}
    assert where_found(path) == Found(program=program)
    named = {URL_VARIABLE: "http://10.0.0.2:7700/", KEY_VARIABLE: "secret"}
    assert where_found({**path, **named}) == Found(url="http://10.0.0.2:7700", master_key="secret")
    assert where_found({"PATH": str(tmp_path / "nowhere")}) is None


def test_a_test_is_skipped_where_there_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(URL_VARIABLE, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(pytest.skip.Exception, match=URL_VARIABLE), found_server():
        pass


def test_a_server_named_by_its_url_is_never_stopped_or_wiped(tmp_path: Path) -> None:
    server = MeilisearchServer(Found(url="http://127.0.0.1:9"), tmp_path)
    for forbidden in (server.stop, server.kill, server.wipe, server.restart, server.snapshot):
        with pytest.raises(pytest.skip.Exception, match="not ours"):
            forbidden()
    server.close()


def test_a_program_that_does_not_come_up_says_why(tmp_path: Path) -> None:
    program = tmp_path / "meilisearch"
    program.write_text("#!/bin/sh\necho no room left; exit 3\n")
    program.chmod(0o755)
    server = MeilisearchServer(Found(program=program), tmp_path)
    with pytest.raises(RuntimeError, match="ended with 3: no room left"):
        server.start()
    server.close()


def test_data_outlive_a_stop_and_a_kill_but_no_wipe(killable_meilisearch: MeilisearchServer) -> None:
    server, url, keys = killable_meilisearch, killable_meilisearch.url, killable_meilisearch.default_keys()
    _add(server, 1)
    server.restart()
    server.kill()
    assert server.process_id is None
    server.start()
    server.start()
    assert (_ids(server), server.url, server.default_keys()) == ([1], url, keys)
    server.wipe()
    assert server.call("GET", "/indexes")["total"] == 0


def test_a_snapshot_brings_back_what_was_and_nothing_newer(killable_meilisearch: MeilisearchServer) -> None:
    _add(killable_meilisearch, 1)
    snapshot = killable_meilisearch.snapshot()
    _add(killable_meilisearch, 2)
    killable_meilisearch.snapshot()
    killable_meilisearch.restore(snapshot)
    assert _ids(killable_meilisearch) == [1]
    killable_meilisearch.wipe()
    killable_meilisearch.restore(snapshot)
    assert _ids(killable_meilisearch) == [1]


@pytest.mark.usefixtures("killable_meilisearch")
def test_the_server_ends_with_a_test_run_that_is_killed(tmp_path: Path) -> None:
    program = (
        "import sys, time; from tests.meilisearch_server import found_server\n"
        "with found_server() as server: print(server.process_id, flush=True); time.sleep(600)"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1]), "TMPDIR": str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, env=environment, text=True) as run:
        assert run.stdout is not None
        server = psutil.Process(int(run.stdout.readline()))
        run.send_signal(signal.SIGKILL)
        gone, alive = psutil.wait_procs([server], timeout=60)
    assert (gone, alive) == ([server], [])
    deadline = time.monotonic() + 60
    while list(tmp_path.glob("*/data.ms")) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not list(tmp_path.glob("*/data.ms"))
