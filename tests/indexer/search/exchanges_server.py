"""What stands between a search backend and the world in a test: a real HTTP server, with one of two faces.

    Recorder  asks the real server, and keeps request and answer
    Replayer  answers from what was kept, and finds fault with every request that differs

Both take the same keys, which open nothing: the recorder puts the real ones in their place, so that no recording
ever saw one. A question about tasks is answered once they have ended, also by the recorder: how often a client has to
ask depends on the machine.
"""

from __future__ import annotations

import asyncio
import json
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import asdict
from types import TracebackType
from typing import Any, Self

import aiohttp
import yarl
from aiohttp import web

from indexer.search.meilisearch.keys import Keys
from tests.indexer.search.exchanges import Answered, Asked, Constancy, Exchange, asked, difference, unfinished

#: What the backend under test is given, by kind of key.
KEYS = Keys(*(f"the-{kind}-key-of-the-tests" for kind in ("admin", "search", "version")))
RECORD_AGAIN = "record again with `python -m tests.indexer.search.record`"
_KINDS = {f"Bearer {key}": kind for kind, key in asdict(KEYS).items()}
_MOST_BYTES = 256 * 2**20
_POLL_S = 0.01
_PATIENCE_S = 60.0
_CLOSE_S = 5.0


class DiffersFromRecorded(AssertionError):
    """A test did not ask what it asked when it was recorded."""


class ExchangeServer(ABC):
    """An HTTP server at `url` in a thread of its own, from `with` to the end of it. `fault` is the first one found."""

    def __init__(self) -> None:
        self.url = ""
        self.fault = ""
        self._thread = threading.Thread(target=self._run, name="exchanges", daemon=True)
        self._started: Future[str] = Future()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closing: asyncio.Event | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        self.url = self._started.result()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._loop is not None and self._closing is not None:
            self._loop.call_soon_threadsafe(self._closing.set)
        self._thread.join()

    def check(self) -> None:
        """Raises `DiffersFromRecorded` with the first fault."""
        if self.fault:
            raise DiffersFromRecorded(self.fault)

    @abstractmethod
    async def answer(self, request: Asked, target: str, body: bytes, headers: Mapping[str, str]) -> Answered:
        """The answer to a request; `target`, `body` and `headers` are those of which it was read."""

    def find_fault(self, fault: str) -> Answered:
        """Remembers the first fault, and gives an answer that no client asks again for."""
        self.fault = self.fault or fault
        return Answered(400, {"message": fault, "code": "differs_from_recorded", "type": "invalid_request", "link": ""})

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            if self._started.done():
                raise
            self._started.set_exception(error)

    async def _serve(self) -> None:
        self._loop, self._closing = asyncio.get_running_loop(), asyncio.Event()
        app = web.Application(client_max_size=_MOST_BYTES)
        app.router.add_route("*", "/{path:.*}", self._handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=_CLOSE_S)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self._started.set_result(f"http://127.0.0.1:{runner.addresses[0][1]}")
            await self._closing.wait()
        finally:
            await runner.cleanup()

    async def _handle(self, http: web.Request) -> web.Response:
        body = await http.read()
        authorization = http.headers.get("Authorization")
        key = _KINDS.get(authorization, "other") if authorization else "none"
        try:
            request = asked(http.method, http.raw_path, key, body, http.content_type)
            answered = await self.answer(request, http.raw_path, body, http.headers)
        except (TimeoutError, ValueError, OSError, aiohttp.ClientError) as error:
            answered = self.find_fault(f"{http.method} {http.raw_path}: {type(error).__name__}: {error}")
        if answered.body is None:
            return web.Response(status=answered.status)
        return web.json_response(answered.body, status=answered.status)


class Recorder(ExchangeServer):
    """Passes every request on to the server at `upstream` and keeps the exchange. `keys` are its real keys by kind.

    The backend gets the answer that is kept, so that what it makes of one it will make of the other.
    """

    def __init__(self, upstream: str, keys: Mapping[str, str]) -> None:
        super().__init__()
        self._upstream = upstream
        self._keys = keys
        self._constancy = Constancy()
        self._kept: list[tuple[Asked, Answered | None, tuple[int, ...]]] = []
        self._open: set[int] = set()

    def exchanges(self) -> tuple[Exchange, ...]:
        """What was exchanged so far, in the order in which it began."""
        return tuple(Exchange(request, answered, beside) for request, answered, beside in self._kept if answered)

    async def answer(self, request: Asked, target: str, body: bytes, headers: Mapping[str, str]) -> Answered:
        """What the server answers."""
        number = len(self._kept)
        beside = tuple(sorted(self._open))
        self._kept.append((request, None, beside))
        self._open.add(number)
        try:
            answered = await self._finished(request, target, body, headers)
            answered = Answered(answered.status, self._constancy.constant(answered.body))
            self._kept[number] = (request, answered, beside)
        finally:
            self._open.remove(number)
        return answered

    async def _finished(self, request: Asked, target: str, body: bytes, headers: Mapping[str, str]) -> Answered:
        """The server's answer, that to a question about tasks once they have ended."""
        sent = {name: headers[name] for name in ("Authorization", "Content-Type") if name in headers}
        if request.key in self._keys:
            sent["Authorization"] = f"Bearer {self._keys[request.key]}"
        url = yarl.URL(self._upstream + target, encoded=True)
        about_tasks = request.method == "GET" and request.path.split("/")[1] == "tasks"
        async with aiohttp.ClientSession() as session, asyncio.timeout(_PATIENCE_S):
            while True:
                async with session.request(request.method, url, data=body or None, headers=sent) as response:
                    answered = Answered(response.status, _json(await response.read()))
                if not (about_tasks and unfinished(answered)):
                    return answered
                await asyncio.sleep(_POLL_S)


class Replayer(ExchangeServer):
    """Answers as recorded for the test called `name`.

    Requests come in the recorded order; where some were under way at the same time, any of them may come first.
    """

    def __init__(self, exchanges: Sequence[Exchange] | None, name: str) -> None:
        super().__init__()
        self._waiting = dict(enumerate(exchanges or ()))
        self._name = name
        if exchanges is None:
            self.find_fault(f"there is no recording of {name}: {RECORD_AGAIN}")

    def check(self) -> None:
        """Raises `DiffersFromRecorded` also where recorded requests were never made."""
        super().check()
        if self._waiting:
            first = next(iter(self._waiting.values())).asked
            raise DiffersFromRecorded(
                f"{self._name} differs from what was recorded: {len(self._waiting)} recorded requests were not made,"
                f" the first of them {first}; {RECORD_AGAIN}"
            )

    async def answer(self, request: Asked, target: str, body: bytes, headers: Mapping[str, str]) -> Answered:
        """The recorded answer."""
        if self.fault:
            return self.find_fault(self.fault)
        due = self._due()
        for number in due:
            if difference(self._waiting[number].asked, request) is None:
                return self._waiting.pop(number).answered
        text = difference(self._waiting[due[0]].asked, request) if due else f"{request} comes after the last one"
        return self.find_fault(f"{self._name} differs from what was recorded: {text}; {RECORD_AGAIN}")

    def _due(self) -> list[int]:
        """The numbers of the exchanges that may come now: every earlier one is through, or was open beside it."""
        due: list[int] = []
        for number, exchange in self._waiting.items():
            if not set(due) <= set(exchange.beside):
                break
            due.append(number)
        return due


def _json(body: bytes) -> Any:
    return json.loads(body) if body else None
