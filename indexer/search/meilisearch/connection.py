"""Speaking HTTP with a Meilisearch server: one pool of kept connections, and errors that say what to do.

Searching and indexing go through urllib3 and not through the official client, which opens a connection for each request
and asks for a compressed answer: a search of 56 kB took 20 ms here, 27 ms through it, and 48 ms through aiohttp, which
asks for compression too. (The official client serves where nobody waits for a key to echo: `administration`.)
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Mapping
from typing import Any

import urllib3

from indexer.errors import SearchError

_FIRST_LOOK_S, _LONGEST_LOOK_S = 0.005, 0.5
_CONNECTIONS = 8
_DOWN_HINT = "start it, or mend the setting 'meilisearch_url': nothing is lost, what search missed is pushed afterwards"


class Refusal(SearchError):
    """The server understood and said no; `code` is its own (https://www.meilisearch.com/docs/reference/errors)."""

    def __init__(self, what: str, code: str, *, hint: str = "") -> None:
        super().__init__(what, hint=hint)
        self.code = code


class TaskFailed(Refusal):
    """The server took a task and could not do it."""


class Connection:
    """The server at `url`; thread-safe. Every method raises `SearchError`, `Refusal` where the server says no."""

    def __init__(self, url: str, *, timeout_s: float) -> None:
        self.url = url.rstrip("/")
        self._pool = urllib3.PoolManager(
            maxsize=_CONNECTIONS,
            timeout=urllib3.Timeout(connect=min(timeout_s, 5.0), read=timeout_s),
            retries=urllib3.Retry(total=0, redirect=0, raise_on_redirect=False),
        )
        self._closed = threading.Event()

    def get(self, path: str, *, key: str) -> Any:
        """The JSON answer to a GET."""
        return self._call("GET", path, None, key)

    def post(self, path: str, body: Any, *, key: str) -> Any:
        """The JSON answer to a POST of JSON."""
        return self._call("POST", path, json.dumps(body, ensure_ascii=False, separators=(",", ":")), key)

    def patch(self, path: str, body: Any, *, key: str) -> Any:
        """The JSON answer to a PATCH of JSON."""
        return self._call("PATCH", path, json.dumps(body, ensure_ascii=False), key)

    def delete(self, path: str, *, key: str) -> Any:
        """The JSON answer to a DELETE."""
        return self._call("DELETE", path, None, key)

    def post_lines(self, path: str, documents: Iterable[Mapping[str, Any]], *, key: str) -> Any:
        """The JSON answer to a POST of JSON lines."""
        lines = "\n".join(json.dumps(item, ensure_ascii=False, separators=(",", ":")) for item in documents)
        return self._call("POST", path, lines, key, "application/x-ndjson")

    def done(self, task: Mapping[str, Any], *, key: str) -> Mapping[str, Any]:
        """Follows an enqueued task to its end, however long that takes. Raises `TaskFailed`."""
        pause_s = _FIRST_LOOK_S
        while True:
            told: Mapping[str, Any] = self.get(f"/tasks/{task['taskUid']}", key=key)
            if told["status"] == "succeeded":
                return told
            if told["status"] not in {"enqueued", "processing"}:
                error = told.get("error") or {}
                what = f"Meilisearch at {self.url} could not do a task: {error.get('message', told['status'])}"
                raise TaskFailed(what, str(error.get("code", told["status"])))
            if self._closed.wait(pause_s):
                raise self._is_closed()
            pause_s = min(2 * pause_s, _LONGEST_LOOK_S)

    def wait(self, seconds: float) -> None:
        """Sleeps, unless the connection is closed."""
        if self._closed.wait(seconds):
            raise self._is_closed()

    def close(self) -> None:
        """Ends what waits for the server, too. Closing twice is fine."""
        self._closed.set()
        self._pool.clear()

    def _call(self, method: str, path: str, body: str | None, key: str, kind: str = "application/json") -> Any:
        if self._closed.is_set():
            raise self._is_closed()
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        if body is not None:
            headers["Content-Type"] = kind
        try:
            answer = self._pool.request(
                method, self.url + path, body=body.encode("utf-8") if body is not None else None, headers=headers
            )
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise SearchError(f"Meilisearch does not answer at {self.url}: {_short(error)}", hint=_DOWN_HINT) from error
        return self._read(answer)

    def _read(self, answer: urllib3.BaseHTTPResponse) -> Any:
        try:
            told = json.loads(answer.data) if answer.data else None
        except ValueError:
            told = None
        if answer.status < 400 and (told is not None or answer.status == 204):
            return told
        if not isinstance(told, dict) or "code" not in told:
            what = f"what answers at {self.url} is no Meilisearch that is well (HTTP {answer.status})"
            raise SearchError(what, hint=_DOWN_HINT)
        rights = "make new keys with `recollect doctor --fix`" if answer.status in {401, 403} else ""
        raise Refusal(f"Meilisearch at {self.url} says: {told.get('message')}", str(told["code"]), hint=rights)

    def _is_closed(self) -> SearchError:
        return SearchError(f"the connection to Meilisearch at {self.url} is closed")


def _short(error: Exception) -> str:
    reason = getattr(error, "reason", None) or error
    return str(reason).rpartition(": ")[2] or type(reason).__name__
