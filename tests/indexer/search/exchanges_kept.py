"""The recordings on disk: one file for each test module, JSON lines packed with xz.

The first line tells the server's version, each other line one test: its name and its exchanges in the order in which
they began. The same recordings are the same bytes. xz, not gzip: most requests come in every test, and only its window
is as wide as the file.
"""

from __future__ import annotations

import json
import lzma
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.indexer.search.exchanges import Answered, Asked, Exchange

#: A window of 8 MiB; what unpacks it needs as much memory.
_PRESET = 6


@dataclass(frozen=True, slots=True)
class Recording:
    """The exchanges of a test module by test name, and the version of the server that gave the answers."""

    version: str = ""
    tests: Mapping[str, tuple[Exchange, ...]] = field(default_factory=dict)


def path_of(module: Path) -> Path:
    """Where the recording of the test module in this file is: beside it, in `recorded`."""
    return module.parent / "recorded" / f"{module.stem}.jsonl.xz"


def read(path: Path) -> Recording:
    """The recording in a file; an empty one where there is no file."""
    if not path.exists():
        return Recording()
    first, *lines = lzma.decompress(path.read_bytes()).splitlines()
    tests = (json.loads(line) for line in lines)
    return Recording(
        json.loads(first)["version"], {test["test"]: tuple(map(_read, test["exchanges"])) for test in tests}
    )


def write(path: Path, recording: Recording) -> None:
    """Replaces the file."""
    tests = sorted(recording.tests.items())
    lines: list[dict[str, Any]] = [{"version": recording.version}]
    lines += [{"test": name, "exchanges": list(map(_written, exchanges))} for name, exchanges in tests]
    text = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(lzma.compress(text.encode(), preset=_PRESET))


def _written(exchange: Exchange) -> dict[str, Any]:
    asked = exchange.asked
    written: dict[str, Any] = {"ask": f"{asked.method} {asked.path}", "key": asked.key}
    if asked.query:
        written["query"] = asked.query
    if asked.body is not None:
        written["body"] = _sorted(asked.body)
    if exchange.beside:
        written["beside"] = exchange.beside
    return {**written, "status": exchange.answered.status, "answer": exchange.answered.body}


def _sorted(body: Any) -> Any:
    """Requests with their names in order; those of an answer keep theirs, it tells the order of facets."""
    if isinstance(body, dict):
        return {name: _sorted(body[name]) for name in sorted(body)}
    return [_sorted(item) for item in body] if isinstance(body, list) else body


def _read(written: dict[str, Any]) -> Exchange:
    method, path = written["ask"].split(" ", 1)
    query = tuple((name, value) for name, value in written.get("query", ()))
    asked = Asked(method, path, query, written["key"], written.get("body"))
    return Exchange(asked, Answered(written["status"], written["answer"]), tuple(written.get("beside", ())))
