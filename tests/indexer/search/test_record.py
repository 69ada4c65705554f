"""The command that records, and the ordinary run that replays: both as they are typed, on a small module of tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.indexer.search.exchanges_kept import path_of, read
from tests.indexer.search.exchanges_run import RECORDED

_CONFTEST = """
from tests.conftest import meilisearch_server
from tests.indexer.conftest import exchanges, pytest_configure, recorded
"""
_TESTS = """
import urllib.request
import pytest
from tests.indexer.search.exchanges_run import RECORDED

@pytest.fixture(params=["embedded", RECORDED])
def backend(request):
    return request.getfixturevalue("exchanges") if request.param == RECORDED else None

def status(backend, query=""):
    if backend is None:
        return 200
    with urllib.request.urlopen(backend.url + "/health" + query, timeout=60) as response:
        return response.status

@pytest.mark.parametrize("word", ["dog", "{word}"])
def test_query(backend, word):
    assert status(backend, "?word=" + word) == 200

def test_health(backend):
    assert status(backend) == status(backend) == 200

@pytest.mark.not_recorded("it is too long")
def test_long(backend):
    pass

@pytest.mark.parametrize("word", ["a/b::c"])
def test_that_fails(backend, word):
    assert backend is None or status(backend) == 500
"""


def _run(folder: Path, *arguments: str, **environment: str) -> tuple[int, str]:
    """Exit code and everything that was printed."""
    python = {"PYTHONPATH": str(Path(__file__).resolve().parents[3]), "PYTHONDONTWRITEBYTECODE": "1"}
    ended = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=folder,
        env={**os.environ, **python, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return ended.returncode, ended.stdout


@pytest.mark.usefixtures("meilisearch_server")
def test_one_command_records_and_the_ordinary_run_replays_without_a_server(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(_CONFTEST)
    module = tmp_path / "test_small.py"
    module.write_text(_TESTS.replace("{word}", "cat"))
    code, output = _run(tmp_path, "tests.indexer.search.record", str(module))
    assert (code, "test_small: 3 tests recorded with Meilisearch 1." in output) == (1, True), output
    assert set(read(path_of(module)).tests) == {
        f"test_{name}" for name in (f"health[{RECORDED}]", f"query[{RECORDED}-cat]", f"query[{RECORDED}-dog]")
    }
    nowhere = {"PATH": str(tmp_path), "RECOLLECT_TEST_MEILISEARCH_URL": ""}
    code, output = _run(tmp_path, "pytest", "-q", "-rs", "-k", "not fails", **nowhere)
    assert (code, "7 passed, 1 skipped" in output, "not recorded: it is too long" in output) == (0, True, True), output
    module.write_text(_TESTS.replace("{word}", "cow"))
    code, output = _run(tmp_path, "pytest", "-q", "-k", "query", **nowhere)
    assert (code, f"no recording of test_query[{RECORDED}-cow]: record again with" in output) == (1, True), output
    code, output = _run(tmp_path, "tests.indexer.search.record", "-k", "cow", str(module))
    assert (code, "1 tests recorded" in output, "1 tests differ from before" in output) == (0, True, True), output
    assert len(read(path_of(module)).tests) == 4
    before = path_of(module).read_bytes()
    code, output = _run(tmp_path, "tests.indexer.search.record", "-k", "cow or health", str(module))
    assert (code, "0 tests differ from before" in output, path_of(module).read_bytes() == before) == (0, True, True), (
        output
    )


def test_recording_needs_a_server(tmp_path: Path) -> None:
    code, output = _run(tmp_path, "tests.indexer.search.record", PATH=str(tmp_path), RECOLLECT_TEST_MEILISEARCH_URL="")
    assert (code, output.startswith("no Meilisearch for the tests")) == (2, True)
