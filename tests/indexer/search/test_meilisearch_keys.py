"""Keys: made from the master key, kept for the owner alone, found again; what each of them may do on a real server."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import ssl
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import meilisearch
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from meilisearch.errors import MeilisearchApiError

from indexer.errors import SearchError, SettingsError
from indexer.search.meilisearch.administration import (
    ACTIONS,
    Administration,
    KeyRefused,
    NoMasterKey,
    make_keys,
    uid_of,
)
from indexer.search.meilisearch.keys import Keys, indexes_of, keep_keys, keys_of, keys_path
from indexer.settings import Settings
from tests.meilisearch_server import MeilisearchServer, found_server


@pytest.fixture(scope="module")
def server() -> Iterator[MeilisearchServer]:
    with found_server() as running:
        yield running


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A server that is not there."""
    return Settings(data_dir=tmp_path / "data", search="meilisearch", meilisearch_url="http://127.0.0.1:1")


@pytest.fixture
def served(server: MeilisearchServer, tmp_path: Path) -> Iterator[Settings]:
    """An index of its own for every test: its keys have uids of their own."""
    index = f"keys-{tmp_path.name}"
    yield Settings(
        data_dir=tmp_path / "data",
        search="meilisearch",
        meilisearch_url=server.url,
        meilisearch_master_key=server.master_key,
        meilisearch_index=index,
    )
    server.forget(index)


def without_master(settings: Settings, **changes: Any) -> Settings:
    values = {name: getattr(settings, name) for name in settings.__slots__}
    return Settings(**(values | {"meilisearch_master_key": ""} | changes))


KEPT = Keys("kept-admin", "kept-search", "kept-version")


def test_without_any_key_there_is_none(settings: Settings) -> None:
    assert keys_of(settings) == Keys()


def test_settings_go_before_the_file_and_the_file_before_nothing(settings: Settings) -> None:
    keep_keys(settings, KEPT)
    assert keys_of(settings) == KEPT
    given = without_master(settings, meilisearch_key="a", meilisearch_search_key="s")
    assert keys_of(given) == Keys("a", "s", "kept-version")
    assert keys_of(without_master(settings, meilisearch_key="a")).search == "kept-search"


def test_searching_takes_the_key_for_indexing_only_where_there_is_no_other(settings: Settings) -> None:
    assert keys_of(without_master(settings, meilisearch_key="a")) == Keys("a", "a")
    assert keys_of(without_master(settings, meilisearch_search_key="s")) == Keys("", "s")


def test_keys_of_another_index_are_not_used(settings: Settings) -> None:
    keep_keys(settings, KEPT)
    assert keys_of(without_master(settings, meilisearch_index="another")) == Keys()


def test_kept_keys_are_for_their_owner_alone(settings: Settings) -> None:
    settings.data_dir.mkdir()
    path = keys_path(settings)
    left_over = path.with_name(f"{path.name}.new")
    left_over.write_text("left by a crash")
    left_over.chmod(0o644)
    keep_keys(settings, KEPT)
    keep_keys(settings, KEPT)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(settings.data_dir.iterdir()) == [path]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_what_root_makes_the_service_can_read(settings: Settings) -> None:
    settings.data_dir.mkdir()
    os.chown(settings.data_dir, 65534, 65534)
    keep_keys(settings, KEPT)
    assert (keys_path(settings).stat().st_uid, keys_path(settings).stat().st_gid) == (65534, 65534)


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"index": "recollect", "keys": {"admin": "hush"}}', '{"keys": 1}'])
def test_a_damaged_file_says_how_to_mend_it_and_no_key(settings: Settings, text: str) -> None:
    keep_keys(settings, KEPT)
    keys_path(settings).write_text(text)
    with pytest.raises(SettingsError, match="doctor --fix") as raised:
        keys_of(settings)
    assert "hush" not in str(raised.value)


def test_a_data_directory_that_is_none_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="can't be written"):
        keep_keys(Settings(data_dir=tmp_path / "file"), KEPT)


def test_no_key_shows_in_a_repr() -> None:
    assert "kept" not in repr(KEPT)


def test_without_a_master_key_none_are_made(settings: Settings) -> None:
    with pytest.raises(SettingsError, match="RECOLLECT_MEILISEARCH_MASTER_KEY"):
        make_keys(settings)


def test_a_server_that_is_not_there_is_said(settings: Settings) -> None:
    with pytest.raises(SearchError, match="does not answer"):
        make_keys(without_master(settings, meilisearch_master_key="hush-hush"))


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        ((401, '{"code": "missing_master_key", "message": "no master key"}'), NoMasterKey, "without a master key"),
        ((403, '{"code": "invalid_api_key", "message": "no"}'), KeyRefused, "does not accept the master key"),
        ((500, '{"code": "internal", "message": "the disk is full"}'), SearchError, "refuses: the disk is full"),
        ((404, "<html>not found</html>"), SearchError, "is not Meilisearch"),
        ((200, "<html>It works!</html>"), SearchError, "is not Meilisearch"),
        ((200, "[1, 2]"), SearchError, "is not Meilisearch"),
        ((200, '{"a": 1}'), SearchError, "is not Meilisearch"),
        ((502, "<html>Bad Gateway</html>"), SearchError, "does not answer .* HTTP status 502"),
    ],
)
async def test_what_goes_wrong_is_told_in_words(
    settings: Settings, answer: tuple[int, str], error: type[SearchError], said: str
) -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(status=answer[0], text=answer[1])

    app = web.Application()
    app.router.add_route("*", "/{any:.*}", handler)
    async with TestServer(app) as server:
        known = without_master(settings, meilisearch_url=str(server.make_url("/")), meilisearch_master_key="hush-hush")
        with pytest.raises(SearchError, match=said) as raised:
            await asyncio.to_thread(make_keys, known)
    assert type(raised.value) is error
    assert "hush" not in str(raised.value)
    assert not keys_path(settings).exists()


def _certificate(folder: Path) -> ssl.SSLContext:
    """Signed by nobody that anybody trusts."""
    if shutil.which("openssl") is None:
        pytest.skip("the openssl program is not installed")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    options = ["-nodes", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*command, *options], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


@pytest.mark.slow
async def test_a_certificate_that_nobody_knows_is_said(tmp_path: Path) -> None:
    server = TestServer(web.Application())
    await server.start_server(ssl=_certificate(tmp_path))
    async with server:
        with pytest.raises(SearchError, match=r"certificate .* is not one that this machine trusts") as raised:
            await asyncio.to_thread(Administration(f"https://localhost:{server.port}").check_health)
    assert "REQUESTS_CA_BUNDLE" in raised.value.hint


async def test_a_server_without_tls_is_told_from_one_that_is_down() -> None:
    async with TestServer(web.Application()) as server:
        with pytest.raises(SearchError, match="does not speak TLS"):
            await asyncio.to_thread(Administration(f"https://127.0.0.1:{server.port}").check_health)


def test_keys_are_made_once(served: Settings, server: MeilisearchServer) -> None:
    before = len(server.call("GET", "/keys?limit=1000")["results"])
    keys, fresh = make_keys(served)
    assert fresh
    assert make_keys(served) == (keys, False)
    assert len(server.call("GET", "/keys?limit=1000")["results"]) == before + len(ACTIONS)
    assert keys_of(without_master(served)) == keys
    assert len({keys.admin, keys.search, keys.version, served.meilisearch_master_key}) == 4


def test_the_master_key_is_kept_nowhere(served: Settings) -> None:
    make_keys(served)
    written = [path.read_bytes() for path in served.data_dir.rglob("*") if path.is_file()]
    assert written
    assert not any(served.meilisearch_master_key.encode() in content for content in written)


def test_a_key_with_other_rights_is_made_anew(served: Settings, server: MeilisearchServer) -> None:
    narrow = {"name": "old", "actions": ["search"], "indexes": ["elsewhere"], "expiresAt": None}
    server.call("POST", "/keys", narrow | {"uid": uid_of(served, "admin")})
    keys, fresh = make_keys(served)
    assert fresh
    assert not Administration(server.url, keys.admin).missing_rights(
        served.meilisearch_index, writing=True, reading=True
    )


def test_a_wiped_server_takes_the_same_keys_once_they_were_made_again(
    tmp_path: Path, killable_meilisearch: MeilisearchServer
) -> None:
    server = killable_meilisearch
    settings = Settings(
        data_dir=tmp_path,
        meilisearch_url=server.url,
        meilisearch_master_key=server.master_key,
        search="meilisearch",
    )
    keys, _ = make_keys(settings)
    server.wipe()
    with pytest.raises(KeyRefused):
        Administration(server.url, keys.admin).documents("recollect")
    assert make_keys(settings) == (keys, True)
    assert Administration(server.url, keys.admin).documents("recollect") is None


def test_the_search_key_searches_and_does_nothing_else(served: Settings, server: MeilisearchServer) -> None:
    keys, _ = make_keys(served)
    index, _ = indexes_of(served)
    searching = Administration(server.url, keys.search)
    assert searching.missing_rights(index, writing=False, reading=False) == []
    assert searching.write_rights(index) == []
    assert len(searching.missing_rights(index, writing=True, reading=True)) == 9, "all but searching"
    for key in (keys.search, keys.admin):
        with pytest.raises(KeyRefused):
            Administration(server.url, key).check_master_key()
        assert "search" in Administration(server.url, key).missing_rights("another", writing=False, reading=False)


def test_asking_what_a_key_may_do_changes_nothing(served: Settings, server: MeilisearchServer) -> None:
    keys, _ = make_keys(served)
    before = server.call("GET", "/tasks?limit=1")["total"]
    for key in (keys.admin, keys.search, server.master_key):
        Administration(server.url, key).missing_rights(served.meilisearch_index, writing=True, reading=True)
        Administration(server.url, key).write_rights(served.meilisearch_index)
    assert server.call("GET", "/tasks?limit=1")["total"] == before
    assert Administration(server.url, keys.admin).documents(served.meilisearch_index) is None


def test_the_key_for_indexing_makes_fills_swaps_and_deletes(served: Settings, server: MeilisearchServer) -> None:
    """The whole life of an index with the key that recollect uses; the end of the swap shows in `createdAt`."""
    keys, _ = make_keys(served)
    client = meilisearch.Client(server.url, keys.admin, timeout=60)
    index, following = indexes_of(served)
    for name in (index, following):
        client.wait_for_task(client.create_index(name, {"primaryKey": "id"}).task_uid, 60_000)
        client.wait_for_task(client.index(name).update_settings({"stopWords": ["the"]}).task_uid, 60_000)
    client.wait_for_task(client.index(following).add_documents([{"id": "1"}, {"id": "2"}]).task_uid, 60_000)
    client.wait_for_task(client.index(following).delete_document("2").task_uid, 60_000)
    created = client.get_raw_index(following)["createdAt"]
    swap = client.swap_indexes([{"indexes": [index, following]}])
    server.wait(swap.task_uid)
    with pytest.raises(MeilisearchApiError, match="not found"):
        client.get_task(swap.task_uid)
    assert client.get_raw_index(index)["createdAt"] == created
    assert Administration(server.url, keys.admin).documents(index) == 1
    client.wait_for_task(client.delete_index(following).task_uid, 60_000)
    assert Administration(server.url, keys.admin).documents(following) is None


def test_only_the_key_for_it_reads_the_version(served: Settings, server: MeilisearchServer) -> None:
    keys, _ = make_keys(served)
    assert Administration(server.url, keys.version).version() == server.version()
    with pytest.raises(KeyRefused):
        Administration(server.url, keys.admin).version()


def test_what_is_kept_is_what_is_documented(settings: Settings) -> None:
    keep_keys(settings, KEPT)
    kept = {"admin": "kept-admin", "search": "kept-search", "version": "kept-version"}
    assert json.loads(keys_path(settings).read_text()) == {"index": "recollect", "keys": kept}
