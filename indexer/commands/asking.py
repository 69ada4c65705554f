"""Asking the recollect that is indexing already for a scan, and waiting for it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import click

from indexer.catalogue import Catalogue
from indexer.commands.command_line import SOMETHING_FAILED
from indexer.commands.terminal import Terminal
from indexer.progress import Progress
from indexer.settings import Settings
from indexer.storage import InUse, indexing_process

_POLL_S = 0.5
#: Whoever takes up requests does so within a second, or once it has started. A run that ends takes up none.
TAKEN_UP_S = 20.0


async def request_scan_and_wait(
    settings: Settings, catalogue: Catalogue, roots: Sequence[Path], terminal: Terminal, stop: asyncio.Event
) -> Progress | None:
    """What came of it; None where the other process ended before.

    Raises `InUse` where that does not take the request up, and `click.exceptions.Exit` where `stop` is set.
    """
    request = await asyncio.to_thread(catalogue.scan_requests.add, roots)
    asking = _PendingScan(settings, catalogue, terminal, request)
    following = asyncio.create_task(terminal.follow(lambda: asking.progress))
    try:
        return await asking.wait(stop)
    finally:
        following.cancel()
        await asyncio.wait({following})
        await asyncio.to_thread(catalogue.scan_requests.remove, request)


class _PendingScan:
    def __init__(self, settings: Settings, catalogue: Catalogue, terminal: Terminal, request: int) -> None:
        self._settings = settings
        self._catalogue = catalogue
        self._terminal = terminal
        self._request = request
        self._asked_in_vain = True
        self.progress = Progress()

    async def wait(self, stop: asyncio.Event) -> Progress | None:
        clock = asyncio.get_running_loop().time
        asked_at = clock()
        while not stop.is_set():
            found = await asyncio.to_thread(self._catalogue.scan_requests.get, self._request)
            if found is not None and found.progress is not None:
                self._asked_in_vain = False
                self.progress = Progress.from_json(found.progress)
                if found.done:
                    return self.progress
            pid = await asyncio.to_thread(indexing_process, self._settings.data_dir)
            if not pid:
                return None
            if self._asked_in_vain and clock() - asked_at > TAKEN_UP_S:
                raise InUse(self._settings.data_dir, pid)
            with suppress(TimeoutError):
                async with asyncio.timeout(_POLL_S):
                    await stop.wait()
        self._terminal.print("not waited for: the running recollect goes on with it")
        raise click.exceptions.Exit(SOMETHING_FAILED)
