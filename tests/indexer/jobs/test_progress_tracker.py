"""Progress never says that all is done while there is work it has not counted yet."""

from __future__ import annotations

import asyncio
from pathlib import Path

from indexer.catalogue import Catalogue
from indexer.jobs.progress_tracker import ProgressTracker
from indexer.model import FileStamp, FoundFile
from indexer.progress import Phase


async def test_new_work_is_counted_before_anything_is_called_done(tmp_path: Path) -> None:
    catalogue = Catalogue(tmp_path / "catalogue.db")
    tracker = ProgressTracker(catalogue, scanning=lambda: False, problems=lambda: ())
    keeping = asyncio.create_task(tracker.run())
    try:
        await tracker.count()
        assert tracker.progress().phase is Phase.IDLE
        walk = catalogue.scans.begin_scan(tmp_path)
        catalogue.scans.note(walk, [FoundFile(tmp_path, tmp_path / "a.jpg", FileStamp(1, 2, 3))])
        tracker.invalidate()
        tracker.meter.add()
        assert tracker.progress().phase is not Phase.IDLE
        async with asyncio.timeout(10):
            while tracker.progress().queued != 1:
                await asyncio.sleep(0.01)
        assert tracker.progress().phase is Phase.INDEXING
    finally:
        keeping.cancel()
        await asyncio.wait([keeping])
        catalogue.close()
