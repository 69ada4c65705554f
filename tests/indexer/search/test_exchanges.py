"""The recorder and the replayer themselves: what was asked of a server is what has to be asked of its recording."""

from __future__ import annotations

import gzip
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, astuple, replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.indexer.search.exchanges import Answered, Asked, Constancy, Exchange, asked, difference, unfinished
from tests.indexer.search.exchanges_kept import Recording, path_of, read, write
from tests.indexer.search.exchanges_server import KEYS, DiffersFromRecorded, ExchangeServer, Recorder, Replayer
from tests.meilisearch_server import MeilisearchServer

ASKED = Asked("POST", "/indexes/exchanges/search", (("a", "1"),), "search", {"q": "dog", "limit": 3})
DOG = Exchange(ASKED, Answered(200, {"hits": [{"id": 1}]}))
CAT = Exchange(replace(ASKED, body={"q": "cat"}), Answered(200, {"hits": []}))


def send(
    server: ExchangeServer, method: str, target: str, body: object = None, *, key: str = "admin", **headers: str
) -> tuple[int, Any]:
    """Status and parsed body. `body` is sent as JSON, bytes as they are."""
    request = urllib.request.Request(server.url + target, method=method)
    if key:
        request.add_header("Authorization", f"Bearer {getattr(KEYS, key)}")
    if body is not None:
        request.data = body if isinstance(body, bytes) else json.dumps(body).encode()
        request.add_header("Content-Type", "application/json")
    for name, value in headers.items():
        request.add_header(name.replace("_", "-"), value)
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, json.loads(response.read() or b"null")
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def search(server: ExchangeServer, text: str) -> tuple[int, Any]:
    return send(server, "POST", "/indexes/exchanges/search?a=1", {"limit": 3, "q": text}, key="search")


# What is compared


@pytest.mark.parametrize(
    ("got", "text"),
    [
        (ASKED, None),
        (replace(ASKED, body={"limit": 3, "q": "dog"}), None),
        (replace(ASKED, path="/indexes/cats/search"), "recorded was POST /indexes/exchanges/search?a=1, asked was"),
        (replace(ASKED, method="GET"), "asked was GET"),
        (replace(ASKED, query=()), "query: recorded was"),
        (replace(ASKED, key="admin"), "key: recorded was 'search', asked was 'admin'"),
        (replace(ASKED, body={"q": "cat", "limit": 3}), "body.q: recorded was 'dog', asked was 'cat'"),
        (replace(ASKED, body={"q": "dog"}), "body.limit: recorded was 3, asked was nothing"),
        (replace(ASKED, body={"q": "dog", "limit": 3, "sort": []}), "body.sort: recorded was nothing, asked was []"),
        (replace(ASKED, body={"q": "dog", "limit": True}), "body.limit: recorded was 3, asked was True"),
        (replace(ASKED, body=None), "asked was None"),
    ],
)
def test_a_difference_is_told_by_the_first_place_that_differs(got: Asked, text: str | None) -> None:
    answer = difference(ASKED, got)
    assert answer is None if text is None else answer is not None and text in answer


def test_lists_differ_by_place_and_by_length() -> None:
    recorded = Asked("POST", "/", body=[{"id": 1}, {"id": 2}])
    assert difference(recorded, Asked("POST", "/", body=[{"id": 1}, {"id": 3}])) == (
        "POST /: body[1].id: recorded was 2, asked was 3"
    )
    assert "body[1]: recorded was {'id': 2}, asked was nothing" in str(
        difference(recorded, replace(recorded, body=[{"id": 1}]))
    )
    assert "body[1]: recorded was nothing" in str(difference(replace(recorded, body=[{"id": 1}]), recorded))


def test_vectors_may_differ_by_their_last_bits_and_numbers_that_count_may_not() -> None:
    recorded = Asked("POST", "/", body=[0.707106781, 1563100200])
    assert difference(recorded, replace(recorded, body=[0.70710675, 1563100200])) is None
    assert difference(recorded, replace(recorded, body=[0.7072, 1563100200])) is not None
    assert difference(recorded, replace(recorded, body=[0.707106781, 1563100201])) is not None


def test_documents_are_the_same_as_an_array_and_one_a_line() -> None:
    documents = [{"id": 1, "text": "a\u2028b"}, {"id": 2}]
    lines = "\n".join(json.dumps(document, ensure_ascii=False) for document in documents).encode()
    one = asked("POST", "/d?b=2&a=", "admin", json.dumps(documents).encode(), "application/json")
    assert one == asked("POST", "/d?a=&b=2", "admin", lines + b"\n", "application/x-ndjson")
    assert one.body == documents


def test_times_become_the_same_in_every_recording_and_keep_their_order() -> None:
    task = {"uid": 3, "enqueuedAt": "2026-11-21T17:00:01.5Z", "finishedAt": "2026-11-21T17:00:02Z", "duration": "PT1S"}
    constancy = Constancy()
    first = constancy.constant({"results": [{**task, "startedAt": None}]})["results"][0]
    assert first == {
        "uid": 3,
        "enqueuedAt": "2026-01-01T00:00:00.000Z",
        "finishedAt": "2026-01-01T00:00:00.001Z",
        "duration": "PT0.01S",
        "startedAt": None,
    }
    later = constancy.constant({"enqueuedAt": "2026-11-21T17:00:02Z", "updatedAt": "2026-11-21T18:00:00Z"})
    assert later == {"enqueuedAt": first["finishedAt"], "updatedAt": "2026-01-01T00:00:00.002Z"}
    document = {"taken_at": "2026-11-21T17:00:02Z", "text": "2026-11-21T17:00:02Z"}
    assert constancy.constant(document) == document


def test_a_task_is_unfinished_while_it_waits_or_runs() -> None:
    assert unfinished(Answered(200, {"uid": 1, "status": "processing"}))
    assert unfinished(Answered(200, {"results": [{"status": "succeeded"}, {"status": "enqueued"}]}))
    assert not unfinished(Answered(200, {"status": "failed"}))
    assert not unfinished(Answered(204))


# On disk


def test_a_recording_comes_back_as_it_was_and_in_the_same_bytes(tmp_path: Path) -> None:
    hostile = Exchange(Asked("PUT", "/x%20y", body=["\ud800", "é\0", 0.1, None]), Answered(204), beside=(0,))
    recording = Recording("1.50.0", {"b": (DOG, hostile), "a[1-x]": ()})
    write(path_of(tmp_path / "one.py"), recording)
    write(path_of(tmp_path / "two.py"), Recording("1.50.0", {"a[1-x]": (), "b": (DOG, hostile)}))
    assert read(path_of(tmp_path / "one.py")) == recording
    assert path_of(tmp_path / "one.py").read_bytes() == path_of(tmp_path / "two.py").read_bytes()
    assert read(path_of(tmp_path / "none.py")) == Recording()


def test_an_answer_keeps_the_order_of_its_names(tmp_path: Path) -> None:
    facets = Exchange(ASKED, Answered(200, {"tag": {"dog": 3, "cat": 2, "ant": 1}}))
    write(path_of(tmp_path / "facets.py"), Recording("1", {"test": (facets,)}))
    (kept,) = read(path_of(tmp_path / "facets.py")).tests["test"]
    assert list(kept.answered.body["tag"]) == ["dog", "cat", "ant"]


# The replayer


def test_the_replayer_answers_in_the_recorded_order() -> None:
    with Replayer([DOG, CAT, DOG], "test_x") as server:
        answers = [search(server, "dog"), send(server, "POST", ASKED.path + "?a=1", {"q": "cat"}, key="search")]
        answers.append(search(server, "dog"))
    assert answers == [(200, DOG.answered.body), (200, CAT.answered.body), (200, DOG.answered.body)]
    server.check()


def test_a_request_that_differs_is_answered_with_the_difference_and_fails_the_test() -> None:
    with Replayer([DOG, CAT], "test_x") as server:
        status, body = search(server, "dgo")
        search(server, "dog")
    assert status == 400
    assert "test_x differs from what was recorded: POST /indexes/exchanges/search?a=1: body.q" in body["message"]
    with pytest.raises(DiffersFromRecorded, match="'dog', asked was 'dgo'; record again with `python -m tests"):
        server.check()


def test_the_order_counts() -> None:
    with Replayer([CAT, DOG], "test_x") as server:
        search(server, "dog")
    with pytest.raises(DiffersFromRecorded, match=r"body\.q: recorded was 'cat'"):
        server.check()


def test_requests_that_were_never_made_fail_the_test() -> None:
    with Replayer([DOG, CAT], "test_x") as server:
        search(server, "dog")
    with pytest.raises(DiffersFromRecorded, match="1 recorded requests were not made, the first of them POST /ind"):
        server.check()


def test_a_request_too_many_fails_the_test() -> None:
    with Replayer([], "test_x") as server:
        search(server, "dog")
    with pytest.raises(DiffersFromRecorded, match="comes after the last one"):
        server.check()


def test_a_test_without_a_recording_says_how_to_make_one() -> None:
    with Replayer(None, "test_x") as server:
        assert "no recording of test_x: record again" in search(server, "dog")[1]["message"]
    with pytest.raises(DiffersFromRecorded, match="no recording of test_x"):
        server.check()


def test_what_was_under_way_together_may_come_in_any_order_and_what_was_not_may_not() -> None:
    one, two, three, four = (replace(DOG, asked=replace(ASKED, body={"q": name, "limit": 3})) for name in "1234")
    exchanges = (one, replace(two, beside=(0,)), replace(three, beside=(1,)), four)
    for order, right in (("1234", True), ("2134", True), ("1324", True), ("3124", False), ("1243", False)):
        with Replayer(exchanges, "test_x") as server:
            statuses = [search(server, name)[0] for name in order]
        assert (statuses == [200] * 4) is right, order


@pytest.mark.parametrize(("key", "kind"), [("admin", "admin"), ("", "none"), ("search", "search")])
def test_of_a_key_only_its_kind_is_compared(key: str, kind: str) -> None:
    with Replayer([replace(DOG, asked=Asked("GET", "/health", key=kind))], "test_x") as server:
        assert send(server, "GET", "/health", key=key)[0] == 200
    server.check()


def test_a_packed_body_and_one_in_pieces_are_read_like_any_other() -> None:
    documents = [{"id": number, "text": "x" * 100} for number in range(20_000)]
    exchange = Exchange(Asked("POST", "/d", key="admin", body=documents), Answered(202, {"taskUid": 0}))
    packed = gzip.compress(json.dumps(documents).encode())
    with Replayer([exchange, exchange], "test_x") as server:
        assert send(server, "POST", "/d", packed, Content_Encoding="gzip")[0] == 202
        text = json.dumps(documents).encode()
        pieces = (text[start : start + 65536] for start in count(0, 65536))
        request = urllib.request.Request(server.url + "/d", method="POST")
        request.data = iter(lambda: next(pieces), b"")
        request.add_header("Authorization", f"Bearer {KEYS.admin}")
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=60) as response:
            assert response.status == 202
    server.check()


def test_what_is_no_json_is_a_fault() -> None:
    with Replayer([DOG], "test_x") as server:
        assert send(server, "POST", "/d", b"{broken")[0] == 400
    with pytest.raises(DiffersFromRecorded, match="POST /d: JSONDecodeError"):
        server.check()


def test_the_server_is_gone_after_the_with() -> None:
    with Replayer([DOG], "test_x") as server:
        pass
    with pytest.raises(OSError, match="refused"):
        search(server, "dog")
    assert "exchanges" not in {thread.name for thread in threading.enumerate()}


# The recorder


@pytest.fixture
def recorder(meilisearch_server: MeilisearchServer, tmp_path: Path) -> Iterator[Recorder]:
    meilisearch_server.delete_indexes("exchanges")
    keys = meilisearch_server.keys("exchanges", tmp_path)
    with Recorder(meilisearch_server.url, asdict(keys)) as server:
        yield server
    meilisearch_server.delete_indexes("exchanges")
    meilisearch_server.forget("exchanges")


def _session(server: ExchangeServer) -> list[tuple[int, Any]]:
    """What a backend does: an index, documents, their task, a search, a refusal."""
    answers = [send(server, "POST", "/indexes", {"uid": "exchanges", "primaryKey": "id"})]
    answers.append(send(server, "GET", f"/tasks/{answers[-1][1]['taskUid']}"))
    answers.append(send(server, "POST", "/indexes/exchanges/documents", [{"id": 1, "text": "a dog, 海滩"}, {"id": 2}]))
    task = answers[-1][1]["taskUid"]
    answers.append(send(server, "GET", f"/tasks?uids={task}&limit=1"))
    answers.append(
        send(server, "POST", "/indexes/exchanges/search", {"q": "dog", "showRankingScore": True}, key="search")
    )
    answers.append(send(server, "POST", "/indexes/exchanges/search", {"q": "dog", "filter": "id > 1"}, key="search"))
    answers.append(send(server, "DELETE", "/indexes/exchanges", key="search"))
    answers.append(send(server, "GET", "/health", key=""))
    return answers


def _times_told(answers: list[tuple[int, Any]]) -> set[str]:
    text = json.dumps(answers)
    return {word for word in text.split('"') if word.endswith("Z") and word[:2] == "20"}


def test_what_is_recorded_replays(recorder: Recorder, tmp_path: Path) -> None:
    answers = _session(recorder)
    recorder.check()
    assert [status for status, _ in answers] == [202, 200, 202, 200, 200, 400, 403, 200]
    assert [answers[1][1]["status"], answers[3][1]["results"][0]["status"]] == ["succeeded", "succeeded"]
    assert [hit["id"] for hit in answers[4][1]["hits"]] == [1]
    write(path_of(tmp_path / "session.py"), Recording("1", {"session": recorder.exchanges()}))
    with Replayer(read(path_of(tmp_path / "session.py")).tests["session"], "session") as replayer:
        assert _session(replayer) == answers
    replayer.check()


def test_two_recordings_are_the_same(killable_meilisearch: MeilisearchServer, tmp_path: Path) -> None:
    recordings = []
    for _ in range(2):
        keys = killable_meilisearch.keys("exchanges", tmp_path)
        with Recorder(killable_meilisearch.url, asdict(keys)) as recorder:
            _session(recorder)
        recordings.append(recorder.exchanges())
        killable_meilisearch.wipe()
    assert recordings[0] == recordings[1]


def test_no_recording_has_a_key(recorder: Recorder, meilisearch_server: MeilisearchServer, tmp_path: Path) -> None:
    _session(recorder)
    send(recorder, "GET", "/health", Authorization="Bearer somebody's")
    assert {exchange.asked.key for exchange in recorder.exchanges()} == {"admin", "search", "none", "other"}
    kept = repr(recorder.exchanges())
    keys = meilisearch_server.keys("exchanges", tmp_path)
    secrets = (meilisearch_server.master_key, *astuple(keys), *astuple(KEYS), "somebody's")
    assert not [secret for secret in secrets if secret in kept]


def test_a_path_and_a_query_go_to_the_server_as_they_came(recorder: Recorder) -> None:
    status, body = send(recorder, "GET", "/indexes/exchanges/documents/a%2Fb?fields=%E6%B5%B7,a&fields=")
    assert (status, body["code"]) == (404, "index_not_found")
    (exchange,) = recorder.exchanges()
    assert exchange.asked.path == "/indexes/exchanges/documents/a%2Fb"
    assert exchange.asked.query == (("fields", ""), ("fields", "海,a"))


def test_requests_at_the_same_time_are_kept_as_such(recorder: Recorder) -> None:
    _session(recorder)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: send(recorder, "GET", f"/indexes/exchanges/documents/{number}"), range(20)))
    exchanges = recorder.exchanges()[8:]
    assert all(8 <= number < 8 + place for place, exchange in enumerate(exchanges) for number in exchange.beside)
    with Replayer(recorder.exchanges(), "session") as replayer:
        _session(replayer)
        for place in _backwards_where_free(exchanges):
            send(replayer, "GET", exchanges[place].asked.path)
    replayer.check()


def _backwards_where_free(exchanges: tuple[Exchange, ...]) -> list[int]:
    """Another order: neighbours that were open together change places."""
    order, place = [], 0
    while place < len(exchanges):
        swap = place + 1 < len(exchanges) and 8 + place in exchanges[place + 1].beside
        order += [place + 1, place] if swap else [place]
        place += 2 if swap else 1
    return order


def test_a_server_that_is_down_is_a_fault_of_the_recording() -> None:
    with Recorder("http://127.0.0.1:9", {}) as server:
        assert send(server, "GET", "/health")[0] == 400
    with pytest.raises(DiffersFromRecorded, match="GET /health: ClientConnectorError"):
        server.check()
    assert server.exchanges() == ()
