"""The page on its port: limits on the number of connections and on their time.

aiohttp bounds what a request may hold (head lines, their number, the body, requests sent ahead); this bounds how many
connections there are and how slow they may be, so that neither a broken network nor an attacker uses up the sockets:

- a head has to be there `idle_s` after the connection or the answer before, the time that an idle connection is kept;
- a body has the time that `make_app` gives it;
- an answer that is not fetched is given up after `stall_s`: the kernel's own clock (RFC 5482), Linux only, which runs
  for files sent without our help, too;
- beyond `connections`, and beyond `per_address` from one address, a visitor gets a 503 at once.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import cast

from aiohttp import web

from indexer.errors import SetupError
from indexer.settings import Settings
from web.app_keys import CONNECTIONS
from web.security.middleware import HEADERS
from web.security.proxies import PROXIES

log = logging.getLogger(__name__)

_OVERLOADED = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_STOP_S = 2.0
_BACKLOG = 128


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of connections. A browser keeps six connections; nginx keeps one to us for 60 s, so we keep it longer.

    Each connection may have a photo open beside its socket, and many systems allow 1,024 open files. Behind a
    container's network a whole household may come from one address.
    """

    connections: int = 400
    per_address: int = 200
    idle_s: float = 75.0
    stall_s: float = 60.0


class ConnectionLimiter:
    """A protocol factory in front of aiohttp's, which counts open connections in the application's `CONNECTIONS`."""

    def __init__(self, server: web.Server, app: web.Application, limits: Limits) -> None:
        self._server = server
        self._proxies = app[PROXIES]
        self._connections = app[CONNECTIONS]
        self.limits = limits

    def __call__(self) -> asyncio.Protocol:
        """A protocol for the next connection."""
        return _RequestHandler(self._server, self)

    def admit(self, address: str) -> bool:
        """Counts a connection from `address`; False where the limits are reached."""
        direct = not self._proxies.trusts(address)  # behind a proxy is the whole household
        full = self._connections.total() >= self.limits.connections
        if full or (direct and self._connections[address] >= self.limits.per_address):
            return False
        self._connections[address] += 1
        return True

    def release(self, address: str) -> None:
        """Counts a connection that `admit` let in as closed."""
        self._connections[address] -= 1
        if not self._connections[address]:
            del self._connections[address]


class _RequestHandler(web.RequestHandler):
    """One connection: a 503 where there are too many, else aiohttp's own handling of it."""

    def __init__(self, server: web.Server, limiter: ConnectionLimiter) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            access_log=cast("logging.Logger", None),  # aiohttp's word for none
            keepalive_timeout=limiter.limits.idle_s,
            auto_decompress=False,  # no browser sends a packed form, and what is packed may be endless
        )
        self._limiter = limiter
        self._address = ""
        self._admitted = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        name = transport.get_extra_info("peername")
        self._address = str(name[0]) if isinstance(name, tuple) else ""
        self._admitted = self._limiter.admit(self._address)
        if self._admitted:
            _set_stall_timeout(self._limiter.limits.stall_s, transport)
            super().connection_made(transport)
        else:
            duplex = cast("asyncio.Transport", transport)
            duplex.write(_OVERLOADED)
            duplex.close()

    def data_received(self, data: bytes) -> None:
        if self._admitted:
            super().data_received(data)

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._admitted:
            self._limiter.release(self._address)
            super().connection_lost(exc)

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """Answers bytes that are no HTTP request as a fault of the client: without a line in the log, which any client
        could fill, and without the names of our software."""
        if status >= 500 or request.writer.output_size:
            return super().handle_error(request, status, exc, message)
        log.debug("%s sent what is no request: %s", request.remote, exc)
        response = web.Response(status=status, text="That is no request.\n", headers={**HEADERS, "Server": "recollect"})
        response.force_close()
        return response


def _set_stall_timeout(stall_s: float, transport: asyncio.BaseTransport) -> None:
    connection = transport.get_extra_info("socket")
    if connection is not None and hasattr(socket, "TCP_USER_TIMEOUT"):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(stall_s * 1000))


@asynccontextmanager
async def listening(app: web.Application, settings: Settings, limits: Limits | None = None) -> AsyncIterator[str]:
    """The page, answering from the first moment on; yields its address. Raises `SetupError` where the port is taken.

    The handler of a request whose client disconnects is cancelled.
    """
    limits = limits or Limits()
    runner = web.AppRunner(app, shutdown_timeout=_STOP_S, handler_cancellation=True)
    await runner.setup()
    try:
        server = await _listen(ConnectionLimiter(cast("web.Server", runner.server), app, limits), settings)
        try:
            yield _address(server.sockets[0])
        finally:
            server.close()
    finally:
        await runner.cleanup()


async def _listen(limiter: ConnectionLimiter, settings: Settings) -> asyncio.Server:
    loop, host = asyncio.get_running_loop(), settings.host.strip("[]")
    try:
        if _is_every_ipv6_address(host):
            return await loop.create_server(limiter, sock=_dual_stack_socket(settings.port), backlog=_BACKLOG)
        return await loop.create_server(limiter, host, settings.port, backlog=_BACKLOG)
    except OSError as error:
        raise SetupError(
            f"the page can't be served on {settings.host} port {settings.port}: {error.strerror or error}",
            hint="choose another port with --port, or stop what is using it",
        ) from error


def _is_every_ipv6_address(host: str) -> bool:
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return False
    return ip.version == 6 and ip.is_unspecified


def _dual_stack_socket(port: int) -> socket.socket:
    """A socket on every address of this machine, IPv6 and IPv4: asyncio's own for "::" would be of IPv6 alone."""
    dual_stack = socket.has_dualstack_ipv6()
    if not dual_stack:
        log.warning("this system has no sockets for IPv6 and IPv4 at once: the page is served on IPv6 alone")
    return socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=dual_stack, backlog=_BACKLOG)


def _address(listening: socket.socket) -> str:
    """An address that a browser on this machine can open: 0.0.0.0 and :: are none."""
    host, port = listening.getsockname()[:2]
    ip = ipaddress.ip_address(host.partition("%")[0])
    if ip.is_unspecified:
        only_ipv6 = ip.version == 6 and listening.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
        host = "::1" if only_ipv6 else "127.0.0.1"
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
