"""One request to a search server and its answer, as the recordings keep them.

What is never the same twice is left out or made the same: of the Authorization header only whose key it was, of an
answer neither times nor durations. So recording again changes a recording only where the exchange has changed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any
from urllib.parse import parse_qsl

#: Vectors and coordinates may differ by their last bits from one processor to another.
_SAME_NUMBER = 1e-6
_TIMES = frozenset({"enqueuedAt", "startedAt", "finishedAt", "createdAt", "updatedAt", "lastUpdate"})
_CONSTANT: Mapping[str, object] = {
    "duration": "PT0.01S",
    "processingTimeMs": 1,
    "databaseSize": 4096,
    "usedDatabaseSize": 4096,
    "rawDocumentDbSize": 4096,
    "requestUid": "00000000-0000-0000-0000-000000000000",
}
_MISSING = object()


@dataclass(frozen=True, slots=True)
class Asked:
    """A request. `key` says whose key it came with ("admin", "search", "other", "none"); `body` is parsed JSON.

    Documents are a list, whether they came as a JSON array or one a line (NDJSON).
    """

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    key: str = "none"
    body: Any = None

    def __str__(self) -> str:
        query = "&".join(f"{name}={value}" for name, value in self.query)
        return f"{self.method} {self.path}{'?' if query else ''}{query}"


@dataclass(frozen=True, slots=True)
class Answered:
    """What the server said: a status, and parsed JSON (None where there was no body)."""

    status: int
    body: Any = None


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and its answer. `beside` are the numbers of earlier exchanges that were still open when it began."""

    asked: Asked
    answered: Answered
    beside: tuple[int, ...] = ()


def asked(method: str, target: str, key: str, body: bytes, content_type: str) -> Asked:
    """A request as it came: `target` is the path with its query, still encoded."""
    path, _, query = target.partition("?")
    return Asked(
        method, path, tuple(sorted(parse_qsl(query, keep_blank_values=True))), key, _parsed(body, content_type)
    )


def _parsed(body: bytes, content_type: str) -> Any:
    if not body:
        return None
    if "ndjson" in content_type:
        return [json.loads(line) for line in body.splitlines() if line.strip()]
    return json.loads(body)


def unfinished(answered: Answered) -> bool:
    """Whether an answer about tasks speaks of one that is still waiting or running."""
    body = answered.body
    tasks = body.get("results", [body]) if isinstance(body, dict) else []
    return any(isinstance(task, dict) and task.get("status") in {"enqueued", "processing"} for task in tasks)


class Constancy:
    """Makes the answers of one test the same in every recording.

    The n-th time of the server that the answers tell becomes the n-th millisecond of a fixed day, so that two times
    are still equal, or one before the other, as they were.
    """

    def __init__(self) -> None:
        self._times: dict[str, str] = {}

    def constant(self, body: Any) -> Any:
        """`body` with everything volatile replaced."""
        for time in sorted(set(_times(body))):
            self._times.setdefault(time, f"2026-01-01T00:00:{len(self._times) / 1000:06.3f}Z")
        return self._replaced(body)

    def _replaced(self, body: Any) -> Any:
        if isinstance(body, list):
            return [self._replaced(item) for item in body]
        if not isinstance(body, dict):
            return body
        return {name: self._value(name, value) for name, value in body.items()}

    def _value(self, name: str, value: Any) -> Any:
        if name in _TIMES and isinstance(value, str):
            return self._times[value]
        return _CONSTANT[name] if name in _CONSTANT and value is not None else self._replaced(value)


def _times(body: Any) -> Iterator[str]:
    if isinstance(body, dict):
        yield from (value for name, value in body.items() if name in _TIMES and isinstance(value, str))
    for item in body.values() if isinstance(body, dict) else body if isinstance(body, list) else ():
        yield from _times(item)


def difference(recorded: Asked, got: Asked) -> str | None:
    """In words, the first thing in which a request differs from the recorded one; None where they are the same."""
    if (recorded.method, recorded.path) != (got.method, got.path):
        return f"recorded was {recorded}, asked was {got}"
    for part in ("query", "key", "body"):
        if text := _difference(part, getattr(recorded, part), getattr(got, part)):
            return f"{got}: {text}"
    return None


def _difference(where: str, recorded: Any, got: Any) -> str | None:
    if isinstance(recorded, dict) and isinstance(got, dict):
        names = [*recorded, *(name for name in got if name not in recorded)]
        parts = [(f"{where}.{name}", recorded.get(name, _MISSING), got.get(name, _MISSING)) for name in names]
    elif isinstance(recorded, list) and isinstance(got, list):
        pairs = enumerate(zip_longest(recorded, got, fillvalue=_MISSING))
        parts = [(f"{where}[{number}]", one, other) for number, (one, other) in pairs]
    else:
        return None if _same(recorded, got) else f"{where}: recorded was {_told(recorded)}, asked was {_told(got)}"
    return next((text for part in parts if (text := _difference(*part))), None)


def _same(recorded: Any, got: Any) -> bool:
    if isinstance(recorded, float) and isinstance(got, int | float):
        return abs(recorded - got) <= _SAME_NUMBER
    return type(recorded) is type(got) and bool(recorded == got)


def _told(value: Any) -> str:
    if value is _MISSING:
        return "nothing"
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}… ({len(text)} characters)"
