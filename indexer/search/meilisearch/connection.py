"""HTTP requests to a Meilisearch server: one pool of kept connections, and errors that say what to do.

Searching and indexing go through urllib3 and not through the official client, which opens a connection for each
request: a search of 56 kB took 20 ms through urllib3, 27 ms through the client, and 48 ms through aiohttp's session
(medians of 20 in one run). (`administration`, which is not called while somebody types, uses the official client.)
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

import msgspec
import urllib3

from indexer.errors import SearchError
from indexer.message import Message
from indexer.search.meilisearch.keys import Keyring

#: An object that is sent to the server or comes from it.
Json = Mapping[str, Any]
_FIRST_POLL_S, _LONGEST_POLL_S = 0.005, 0.5
_TASK_S = 600.0  # other settings for a large index on a Pi take minutes
_CONNECTIONS = 8
_CONNECT_S = 3.0
# A search while typing must not wait at every letter for a host that drops packets: after a failure that took longer
# than this nothing is sent for a pause.
_LONG_S, _PAUSE_S = 1.0, 5.0
_DOWN_HINT = Message(
    "start Meilisearch, or mend the setting 'meilisearch_url'; photos wait in the catalogue and nothing is lost"
)
_RIGHTS_HINT = Message(
    "run with the server's master key: RECOLLECT_MEILISEARCH_MASTER_KEY=… recollect doctor --fix; nothing has to be "
    "restarted"
)


_OTHER_HINT = Message(
    "the setting 'meilisearch_url' names another program's address, or that of a proxy that is not set up"
)
_ERRNO = re.compile(r"^\[Errno \d+\] ")
_KEY_OF = {"admin": "key for indexing", "search": "key for searching"}
_HINTS = {
    "index_not_found": Message("it is made, and filled from the catalogue, by `recollect serve` or `recollect index`")
}
TOO_LARGE = "payload_too_large"
_DEPTH_OF_HITS = 2  # below the answer, its results, and their hits


class Refusal(SearchError):
    """The server refused a request; `code` is its own (https://www.meilisearch.com/docs/reference/errors)."""

    def __init__(self, what: Message | str, code: str, *, hint: Message | str = "") -> None:
        super().__init__(what, hint=hint)
        self.code = code


class TaskFailed(Refusal):
    """The server took a task and could not do it. Where `passing` is set the next try may succeed."""

    def __init__(self, what: Message | str, code: str, *, passing: bool) -> None:
        super().__init__(what, code)
        self.passing = passing


class JsonObject(dict[str, Any]):
    """A JSON object of the server's answer. A missing key, which every Meilisearch would send, raises `SearchError`."""

    def __missing__(self, name: str) -> NoReturn:
        raise SearchError(
            Message("what answers in the place of Meilisearch does not tell %(name)s", name=repr(name)),
            hint=_OTHER_HINT,
        )


def read_json(data: bytes) -> Any:
    """A JSON text whose objects are `JsonObject`s down to the hits of a search. Those in hits are many, and plain.

    Raises `ValueError`, `RecursionError`.
    """
    return _with_json_objects(msgspec.json.decode(data))


def _with_json_objects(value: Any, *, depth: int = _DEPTH_OF_HITS) -> Any:
    if isinstance(value, list):
        return [_with_json_objects(item, depth=depth) for item in value]
    if not isinstance(value, dict):
        return value
    return JsonObject(
        {name: _with_json_objects(item, depth=depth - 1) if depth else item for name, item in value.items()}
    )


class Connection:
    """The server at `url`; thread-safe. Every method raises `SearchError`, `Refusal` where the server says no.

    `key` names one of `keyring` ("admin", "search"). `interactive` is a connection on which people wait and nothing is
    written: it asks once more where a kept connection broke, and not at all for `pause_s` after a long wait in vain.
    """

    def __init__(
        self,
        url: str,
        keyring: Keyring,
        *,
        timeout_s: float,
        task_s: float = _TASK_S,
        interactive: bool = False,
        pause_s: float = _PAUSE_S,
    ) -> None:
        self.url = url.rstrip("/")
        self._keyring = keyring
        self._interactive = interactive
        self._pause_s = pause_s
        self._task_s = task_s
        self._timeout_s = timeout_s
        self._pool = urllib3.PoolManager(
            maxsize=_CONNECTIONS,
            timeout=urllib3.Timeout(connect=min(timeout_s, _CONNECT_S), read=timeout_s),
            retries=urllib3.Retry(total=0, redirect=0, raise_on_redirect=False),
        )
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._down: SearchError | None = None
        self._paused_until_s = 0.0

    def call(self, method: str, path: str, body: Any = None, *, key: str) -> Any:
        """The JSON answer to a request, whose body is JSON where there is one."""
        text = None if body is None else json.dumps(body, ensure_ascii=False, separators=(",", ":"))
        return self._call(method, path, text, key)

    def post_lines(self, path: str, documents: Iterable[Mapping[str, Any]], *, key: str) -> Any:
        """The JSON answer to a POST of JSON lines."""
        lines = "\n".join(json.dumps(item, ensure_ascii=False, separators=(",", ":")) for item in documents)
        return self._call("POST", path, lines, key, "application/x-ndjson")

    def wait_for_task(self, task: Mapping[str, Any], *, key: str) -> Mapping[str, Any]:
        """Follows an enqueued task to its end. Raises `TaskFailed`, `SearchError` where no end is in sight."""
        pause_s, until_s = _FIRST_POLL_S, time.monotonic() + self._task_s
        while time.monotonic() < until_s:
            response: Mapping[str, Any] = self.call("GET", f"/tasks/{task['taskUid']}", key=key)
            if response["status"] == "succeeded":
                return response
            if response["status"] not in {"enqueued", "processing"}:
                error = response.get("error") or {}
                message = error.get("message", response["status"])
                what = Message("Meilisearch at %(url)s could not do a task: %(message)s", url=self.url, message=message)
                passing = error.get("type") != "invalid_request"  # a full disk, a task that was cancelled
                raise TaskFailed(what, str(error.get("code", response["status"])), passing=passing)
            if self._closed.wait(pause_s):
                raise self._is_closed()
            pause_s = min(2 * pause_s, _LONGEST_POLL_S)
        what = Message(
            "Meilisearch at %(url)s took a task %(minutes)s minutes ago and has not done it",
            url=self.url,
            minutes=round(self._task_s / 60),
        )
        raise SearchError(what, hint=Message("see its log, and whether its disk is full: then it tries for ever"))

    def sleep(self, seconds: float) -> None:
        """Sleeps, unless the connection is closed."""
        if self._closed.wait(seconds):
            raise self._is_closed()

    def close(self) -> None:
        """Ends what waits for the server, too. Closing twice is fine."""
        self._closed.set()
        self._pool.clear()

    def _call(self, method: str, path: str, body: str | None, key: str, kind: str = "application/json") -> Any:
        self._check_pause()
        sent = body.encode("utf-8", "replace") if body is not None else None
        keys = self._keyring.keys
        answer = self._send(method, path, sent, getattr(keys, key), kind)
        if answer.status in {401, 403} and (others := self._keyring.after_refusal(keys)) != keys:
            answer = self._send(method, path, sent, getattr(others, key), kind)
        return self._read(answer, key)

    def _send(
        self, method: str, path: str, body: bytes | None, key: str, kind: str, *, again: bool = True
    ) -> urllib3.BaseHTTPResponse:
        if self._closed.is_set():
            raise self._is_closed()
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        if body is not None:
            headers["Content-Type"] = kind
        started_s = time.monotonic()
        try:
            answer = self._pool.request(method, self.url + path, body=body, headers=headers)
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            if self._interactive and again and isinstance(_reason(error), urllib3.exceptions.ProtocolError):
                return self._send(method, path, body, key, kind, again=False)
            raise self._unreachable(error, time.monotonic() - started_s) from error
        self._down = None
        return answer

    def _unreachable(self, error: Exception, waited_s: float) -> SearchError:
        why = _describe(error, self._timeout_s)
        what = Message("Meilisearch does not answer at %(url)s: %(why)s", url=self.url, why=why)
        down = SearchError(what, hint=_DOWN_HINT)
        if self._interactive and waited_s >= min(_LONG_S, self._timeout_s / 2):
            with self._lock:
                self._down, self._paused_until_s = down, time.monotonic() + self._pause_s
        return down

    def _check_pause(self) -> None:
        """Raises the last failure again during the pause. After it one caller tries, while the others still get the
        failure."""
        if self._down is None:
            return
        with self._lock:
            down, now_s = self._down, time.monotonic()
            if down is not None and now_s < self._paused_until_s:
                raise SearchError(down.message, hint=down.hint_message)
            self._paused_until_s = now_s + self._pause_s

    def _read(self, answer: urllib3.BaseHTTPResponse, key: str) -> Any:
        try:
            response = read_json(answer.data) if answer.data else None
        except (ValueError, RecursionError):
            response = None
        if 200 <= answer.status < 300 and (isinstance(response, JsonObject) or answer.status == 204):
            return response
        if answer.status < 400 or not isinstance(response, JsonObject) or "code" not in response:
            raise self._not_meilisearch(answer.status)
        code, message = str(response["code"]), response.get("message")
        if answer.status in {401, 403}:
            what = Message(
                "Meilisearch at %(url)s does not accept the %(key)s: %(message)s",
                url=self.url,
                key=_KEY_OF.get(key, key),
                message=message,
            )
            raise Refusal(what, code, hint=_RIGHTS_HINT)
        raise Refusal(
            Message("Meilisearch at %(url)s says: %(message)s", url=self.url, message=message),
            code,
            hint=_HINTS.get(code, ""),
        )

    def _not_meilisearch(self, status: int) -> SearchError:
        if status == 413:  # RFC 9110; nginx, for one, lets a megabyte pass
            what = Message("what stands before Meilisearch at %(url)s takes no request so large", url=self.url)
            return Refusal(what, TOO_LARGE, hint=Message("let it pass some megabytes (nginx: client_max_body_size)"))
        if status >= 500:
            what = Message(
                "Meilisearch is not well, or what stands before it can't reach it: HTTP %(status)s from %(url)s",
                status=str(status),
                url=self.url,
            )
            return SearchError(what, hint=_DOWN_HINT)
        return SearchError(
            Message("what answers at %(url)s is not Meilisearch (HTTP %(status)s)", url=self.url, status=str(status)),
            hint=_OTHER_HINT,
        )

    def _is_closed(self) -> SearchError:
        return SearchError(Message("the connection to Meilisearch at %(url)s is closed", url=self.url))


def _reason(error: Exception) -> Exception:
    return getattr(error, "reason", None) or error


def _describe(error: Exception, timeout_s: float) -> str:
    match _reason(error):
        case urllib3.exceptions.NameResolutionError():
            return "there is no such host"
        case urllib3.exceptions.NewConnectionError() as reason:
            return _ERRNO.sub("", str(reason).rpartition(": ")[2])
        case urllib3.exceptions.ConnectTimeoutError():
            return "nobody takes the call"
        case urllib3.exceptions.ReadTimeoutError():
            return f"silence for {timeout_s:.0f} s"
        case urllib3.exceptions.ProtocolError():
            return "it hung up"
        case reason:
            return str(reason).rpartition(": ")[2] or type(reason).__name__
