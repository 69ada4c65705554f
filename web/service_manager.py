"""Tells systemd how the service is (sd_notify(3)): ready, alive, stopping.

A datagram of a few words to the socket that `NOTIFY_SOCKET` names: less code than any of the libraries for it asks for,
none of which is kept up and has wheels for every machine (sdnotify: last release 2017; systemd-python: a C extension).
Without that variable nothing is sent.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress

log = logging.getLogger(__name__)

#: So many signs of life in the time after which systemd restarts the service.
_SIGNS = 4


class ServiceManager:
    """`environment` is what systemd started the service with."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        is_for_us = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        number = environment.get("WATCHDOG_USEC", "")
        #: Seconds after which systemd restarts a service that gives no sign of life; 0: it does not look.
        self.watchdog_s = int(number) / 1e6 if is_for_us and number.isdecimal() and self._address else 0.0

    def notify(self, *lines: str) -> None:
        """Sends lines such as ``READY=1``; one that does not get through is logged, as it can't be repaired here."""
        if not self._address:
            return
        # "@" stands for the zero byte of an abstract address (unix(7)).
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as to_systemd:
                to_systemd.setblocking(False)
                to_systemd.sendto("\n".join(lines).encode(), address)
        except OSError as error:
            log.warning("systemd can't be told %s: %s", lines[0], error)

    @asynccontextmanager
    async def reporting(
        self, address: str, is_alive: Callable[[], Awaitable[bool]], stop: asyncio.Event
    ) -> AsyncIterator[None]:
        """Says that the service is ready at `address`, and that it stops once `stop` is set. Meanwhile it gives signs
        of life, each only where the event loop runs and `is_alive` has said so in time."""
        self.notify("READY=1", f"STATUS=the search page is on {address}")
        tasks = [asyncio.create_task(self._say_stopping(stop))]
        if self.watchdog_s:
            tasks.append(asyncio.create_task(self._give_signs(is_alive)))
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            for outcome in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(outcome, Exception):
                    log.error("systemd was told nothing any more", exc_info=outcome)
            self.notify("STOPPING=1")

    async def _give_signs(self, is_alive: Callable[[], Awaitable[bool]]) -> None:
        interval_s = self.watchdog_s / _SIGNS
        while True:
            alive = False
            with suppress(TimeoutError):
                async with asyncio.timeout(interval_s):
                    alive = await is_alive()
            if alive:
                self.notify("WATCHDOG=1")
            else:
                log.warning("the captioner gives no answer; without one the service is restarted")
            await asyncio.sleep(interval_s)

    async def _say_stopping(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self.notify("STOPPING=1")
