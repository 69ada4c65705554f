"""What may answer in the place of Meilisearch: nobody, another program, a proxy that can't reach it."""

from __future__ import annotations

import asyncio
import re
import threading
from concurrent.futures import Future
from types import TracebackType
from typing import Self

#: Name -> the bytes that come, whatever was asked. None: nothing comes, and the connection stays open.
ANSWERS: dict[str, bytes | None] = {
    "silence": None,
    "it hangs up": b"",
    "garbage": b"\x00\xff SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "a page of a proxy": b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 13\r\n\r\n<html></html>",
    "a page": b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 13\r\n\r\n<html></html>",
    "not found": b"HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\nnot found",
    "an answer cut off": b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"results": [',
    "JSON cut off": b'HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n{"results": [',
    "bytes that are no text": b'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{"\xff":',
    "another program's JSON": b'HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{"ok": true}',
    "a list": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
    "nothing": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "a redirect": b"HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 2\r\n\r\n{}",
    "a compressed lie": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnone",
    "a proxy that takes nothing": b"HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
}
#: As Meilisearch tells that it is well, and has one photo.
WELL = b'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 24\r\n\r\n{"numberOfDocuments": 1}'

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


class UnwellServer:
    """Listens at `url` and gives every request `answer`, in a thread of its own, or all but the first one `then`.

    `calls` counts them.
    """

    def __init__(self, answer: bytes | None, *, then: bytes | None = None) -> None:
        self.answer = answer
        self.then = then
        self.calls = 0
        self.url = ""
        self._open: set[asyncio.StreamWriter] = set()
        self._started: Future[str] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="unwell")

    def __enter__(self) -> Self:
        self._thread.start()
        self.url = self._started.result()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._loop.call_soon_threadsafe(self._closing.set)
        self._thread.join()

    async def _serve(self) -> None:
        self._loop, self._closing = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._handle, "127.0.0.1", 0)
        self._started.set_result(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        await self._closing.wait()
        server.close()
        for writer in self._open:
            writer.close()

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        head = await reader.readuntil(b"\r\n\r\n")
        if length := _LENGTH.search(head):
            await reader.readexactly(int(length[1]))  # closing on what was not read would take the answer back
        self.calls += 1
        answer = self.answer
        self.answer = self.then or answer
        if answer is not None:
            writer.write(answer)
            await writer.drain()
            writer.close()
