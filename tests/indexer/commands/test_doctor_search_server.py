"""What `recollect doctor` says of Meilisearch, and what `--fix` does about it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from click.testing import CliRunner

from indexer.commands.finding import Finding, Verdict
from indexer.commands.search_server import connection, examine_server, mend_search
from indexer.search.meilisearch.keys import Keys, indexes_of, keep_keys, keys_of, keys_path
from indexer.settings import Settings
from tests.meilisearch_server import MeilisearchServer, found_server
from web.cli import main

FINE, WARNING, BROKEN = Verdict.FINE, Verdict.WARNING, Verdict.BROKEN


@pytest.fixture(scope="module")
def server() -> Iterator[MeilisearchServer]:
    with found_server() as running:
        yield running


@pytest.fixture
def given(server: MeilisearchServer, tmp_path: Path) -> Iterator[dict[str, Any]]:
    """Settings without any key; an index of its own for every test."""
    index = f"doctor-{tmp_path.name}"
    yield {
        "data_dir": tmp_path / "data",
        "search": "meilisearch",
        "meilisearch_url": server.url,
        "meilisearch_index": index,
    }
    server.forget(index)


def examined(**given: Any) -> dict[str, Finding]:
    findings = list(examine_server(Settings(**given)))
    assert len({finding.subject for finding in findings}) == len(findings)
    return {finding.subject: finding for finding in findings}


def mended(**given: Any) -> Finding:
    (finding,) = mend_search(Settings(**given))
    return finding


def test_the_embedded_search_has_no_server(tmp_path: Path) -> None:
    assert examined(data_dir=tmp_path) == {}
    assert mended(data_dir=tmp_path).verdict is FINE
    assert not list(tmp_path.iterdir())


def test_a_server_that_is_down_is_one_finding(tmp_path: Path) -> None:
    given = {"data_dir": tmp_path, "search": "meilisearch", "meilisearch_url": "http://127.0.0.1:1"}
    (finding,) = examined(**given).values()
    assert (finding.subject, finding.verdict) == ("search server", BROKEN)
    assert "nothing is lost" in finding.mend
    assert mended(**given, meilisearch_master_key="hush-hush").verdict is BROKEN
    assert mended(**given).verdict is BROKEN


def test_a_damaged_key_file_is_a_finding(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, search="meilisearch")
    keys_path(settings).write_text("{")
    (finding,) = examine_server(settings)
    assert finding.verdict is BROKEN
    assert "doctor --fix" in finding.mend
    assert mend_search(settings)[0].verdict is BROKEN


async def answering(tmp_path: Path, *answers: tuple[str, int, object]) -> dict[str, Finding]:
    """What is found of a server that gives these answers: path, status, JSON."""

    async def handler(request: web.Request) -> web.Response:
        for path, status, body in answers:
            if request.path == path:
                return web.json_response(body, status=status)
        return web.json_response({"code": "internal", "message": "the disk is full"}, status=500)

    app = web.Application()
    app.router.add_route("*", "/{any:.*}", handler)
    async with TestServer(app) as server:
        given = {"data_dir": tmp_path, "search": "meilisearch", "meilisearch_url": str(server.make_url("/"))}
        return await asyncio.to_thread(lambda: examined(**given, meilisearch_key="hush-hush"))


HEALTH = ("/health", 200, {"status": "available"})


async def test_another_program_at_the_address_is_told_from_meilisearch(tmp_path: Path) -> None:
    findings = await answering(tmp_path, ("/health", 200, {"hello": "world"}))
    assert "is not Meilisearch" in findings["search server"].text
    findings = await answering(tmp_path, ("/health", 200, {"status": "tired"}))
    assert "says that it is tired" in findings["search server"].text


@pytest.mark.parametrize(
    ("version", "verdict"),
    [
        ("1.49.9", WARNING),
        ("1.50.0", FINE),
        ("1.112.3", FINE),
        ("2.0.0", WARNING),
        ("0.30.1", WARNING),
        ("new", WARNING),
    ],
)
async def test_the_version_is_compared_with_the_tested_one(tmp_path: Path, version: str, verdict: Verdict) -> None:
    finding = (await answering(tmp_path, HEALTH, ("/version", 200, {"pkgVersion": version})))["search server's version"]
    assert finding.verdict is verdict
    assert finding.text == f"{version}; recollect is tested with 1.50"


async def test_a_server_without_a_master_key_needs_no_keys_and_is_warned_of(tmp_path: Path) -> None:
    missing = ("/keys", 401, {"code": "missing_master_key", "message": "no master key"})
    findings = await answering(tmp_path, HEALTH, missing)
    assert findings["search keys"].verdict is WARNING
    assert "everyone who reaches it may read and change the index" in findings["search keys"].text
    assert "key for indexing" not in findings
    assert findings["search index of the server"].verdict is BROKEN
    assert "the disk is full" in findings["search server's version"].text


@pytest.mark.parametrize(
    ("url", "verdict"),
    [
        ("http://127.0.0.1:7700", FINE),
        ("http://localhost:7700", FINE),
        ("http://[::1]:7700", FINE),
        ("https://search.example.org", FINE),
        ("http://192.168.1.20:7700", WARNING),
        ("http://no-such-host.invalid:7700", WARNING),
    ],
)
def test_only_the_way_out_of_the_machine_has_to_be_encrypted(url: str, verdict: Verdict) -> None:
    assert connection(url).verdict is verdict


def test_fix_makes_the_keys_and_all_is_well(given: dict[str, Any], server: MeilisearchServer) -> None:
    before = examined(**given)
    assert before["key for indexing"].verdict is BROKEN
    assert "doctor --fix" in before["key for indexing"].mend
    assert "search index of the server" not in before
    without = mended(**given)
    assert (without.verdict, "RECOLLECT_MEILISEARCH_MASTER_KEY" in without.mend) == (BROKEN, True)

    done = mended(**given, meilisearch_master_key=server.master_key)
    assert (done.verdict, done.text.startswith("made ")) == (FINE, True)
    assert mended(**given, meilisearch_master_key=server.master_key).text.startswith("they were there already")
    assert mended(**given).text.startswith("nothing to do")

    after = examined(**given)
    assert {finding.verdict for finding in after.values()} == {FINE}
    assert after["search server's version"].text.startswith(server.version())
    assert "change nothing" in after["key for searching"].text
    everything = f"{before}{without}{done}{after}"
    keys = keys_of(Settings(**given))
    for secret in (server.master_key, keys.admin, keys.search, keys.version):
        assert secret not in everything


def test_the_master_key_as_everyday_key_is_warned_of(given: dict[str, Any], server: MeilisearchServer) -> None:
    findings = examined(**given, meilisearch_key=server.master_key)
    assert findings["search keys"].verdict is WARNING
    assert findings["key for indexing"].verdict is FINE
    assert findings["key for searching"].verdict is WARNING, "there is none of its own"
    strong = examined(**given, meilisearch_key=server.master_key, meilisearch_search_key=server.default_keys()[0])
    assert "may also add documents" in strong["key for searching"].text
    output = mended(**given, meilisearch_key=server.master_key, meilisearch_master_key=server.master_key)
    assert (output.verdict, output.mend) == (WARNING, "take out of the settings: meilisearch_key")


def test_keys_that_lack_a_right_are_broken(given: dict[str, Any], server: MeilisearchServer) -> None:
    index, following = indexes_of(Settings(**given))
    narrow = {"actions": ["documents.*", "search"], "indexes": [index], "expiresAt": None}
    key = server.call("POST", "/keys", narrow)["key"]
    findings = examined(**given, meilisearch_key=key, meilisearch_search_key="not-a-key")
    assert findings["key for indexing"].verdict is BROKEN
    for lacking in ("create an index", "swap indexes", "change settings", "follow tasks", f"search in {following}"):
        assert lacking in findings["key for indexing"].text
    assert findings["key for searching"].verdict is BROKEN


def test_keys_of_a_server_that_was_wiped_are_broken_until_they_are_made_again(tmp_path: Path) -> None:
    with found_server() as server:
        given: dict[str, Any] = {"data_dir": tmp_path, "search": "meilisearch", "meilisearch_url": server.url}
        mended(**given, meilisearch_master_key=server.master_key)
        server.wipe()
        assert examined(**given)["key for indexing"].verdict is BROKEN
        assert mended(**given, meilisearch_master_key=server.master_key).verdict is FINE
        assert {finding.verdict for finding in examined(**given).values()} == {FINE}


def test_the_index_and_the_one_to_come_are_counted(given: dict[str, Any], server: MeilisearchServer) -> None:
    index, following = indexes_of(Settings(**given))
    server.wait(server.call("POST", f"/indexes/{index}/documents", [{"id": 1}, {"id": 2}])["taskUid"])
    server.wait(server.call("POST", f"/indexes/{following}/documents", [{"id": 1}])["taskUid"])
    text = examined(**given, meilisearch_key=server.master_key)["search index of the server"].text
    assert text == f"{index} has 2 photos; {following}, which takes its place once it is complete, has 1"


def test_the_command_says_what_it_did(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    keep_keys(settings, Keys("hush-admin", "hush-search", "hush-version"))
    environment = {
        "RECOLLECT_DATA_DIR": str(settings.data_dir),
        "RECOLLECT_SEARCH": "meilisearch",
        "RECOLLECT_MEILISEARCH_URL": "http://127.0.0.1:1",
        "RECOLLECT_MEILISEARCH_MASTER_KEY": "hush-master",
        "XDG_CONFIG_HOME": str(tmp_path),
    }
    arguments = ["doctor", "--fix", "--json", "--bundle", str(tmp_path / "none")]
    result = CliRunner(env=environment).invoke(main, arguments)
    findings = json.loads(result.stdout)
    assert result.exit_code == 1
    assert (findings[0]["subject"], findings[0]["verdict"]) == ("search keys made", "broken")
    assert "search server" in {finding["subject"] for finding in findings}
    assert "hush" not in result.output
