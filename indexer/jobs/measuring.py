"""Measures the photos that were indexed before pictures were measured, or by another version: from their thumbnails.

No photo file is opened. What was measured is stored a few at a time, so whatever ends it, it goes on where it was.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from indexer.errors import ProcessUnavailable, UnreadablePhoto
from indexer.model import ThumbnailSize
from indexer.reader.photo_process import PhotoProcesses
from indexer.storage import Storage

log = logging.getLogger(__name__)

_AT_ONCE = 100
# New photos come first: a part of them is read between two portions.
_PAUSE_S = 0.1
#: Photos whose thumbnails are being made again are looked at so often.
_INTERVAL_S = 300.0


class PhotoMeasuring:
    """`stored` is called whenever search has something to hear of, `turn` is waited for before each portion."""

    def __init__(
        self,
        storage: Storage,
        photos: PhotoProcesses,
        *,
        stored: Callable[[], None],
        turn: Callable[[], Awaitable[None]] | None = None,
        pause_s: float = _PAUSE_S,
        interval_s: float = _INTERVAL_S,
    ) -> None:
        self._catalogue = storage.catalogue
        self._thumbnails = storage.thumbnails
        self._photos = photos
        self._stored = stored
        self._turn = turn
        self._pause_s = pause_s
        self._interval_s = interval_s

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.measure_all()
            await asyncio.sleep(self._interval_s)

    async def measure_all(self) -> int:
        """Measures every photo that has a thumbnail and no measures; returns how many there were."""
        total = 0
        try:
            ids = await asyncio.to_thread(self._catalogue.measured.lacking, limit=_AT_ONCE)
            while ids:
                if self._turn is not None:
                    await self._turn()
                total += await self._measure(ids)
                await asyncio.sleep(self._pause_s)
                ids = await asyncio.to_thread(self._catalogue.measured.lacking, after=ids[-1], limit=_AT_ONCE)
        except ProcessUnavailable as error:
            log.warning("%s; the photos that are not measured yet are measured later", error)
        if total:
            log.info("%d photos were measured for search", total)
        return total

    async def _measure(self, ids: Sequence[str]) -> int:
        measured = []
        for photo_id in ids:
            thumbnail = await asyncio.to_thread(self._thumbnails.get, photo_id, ThumbnailSize.GRID)
            if thumbnail is not None:
                measured.append((photo_id, await self._measures(photo_id, thumbnail)))
        if measured:
            await asyncio.to_thread(self._catalogue.measured.store, measured)
            self._stored()
        return len(measured)

    async def _measures(self, photo_id: str, thumbnail: bytes) -> bytes:
        try:
            return await self._photos.measure(thumbnail)
        except UnreadablePhoto as error:
            log.warning("the thumbnail of %s can't be measured: %s", photo_id, error)
            return b""
