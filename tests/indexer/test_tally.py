"""Progress never says that all is done while there is work it has not counted yet."""

from __future__ import annotations

import asyncio
from pathlib import Path

from indexer.catalogue import Catalogue
from indexer.jobs.progress_tracker import Tally
from indexer.model import FileStamp, FoundFile
from indexer.progress import Phase


async def test_new_work_is_counted_before_anything_is_called_done(tmp_path: Path) -> None:
    catalogue = Catalogue(tmp_path / "catalogue.db")
    tally = Tally(catalogue, walking=lambda: False, problem=lambda: None)
    keeping = asyncio.create_task(tally.keep())
    try:
        await tally.count()
        assert tally.progress().phase is Phase.IDLE
        walk = catalogue.begin_walk(tmp_path)
        catalogue.note(walk, [FoundFile(tmp_path, tmp_path / "a.jpg", FileStamp(1, 2, 3))])
        tally.outdate()
        tally.meter.add()
        assert tally.progress().phase is not Phase.IDLE
        async with asyncio.timeout(10):
            while tally.progress().queued != 1:
                await asyncio.sleep(0.01)
        assert tally.progress().phase is Phase.INDEXING
    finally:
        keeping.cancel()
        await asyncio.wait([keeping])
        catalogue.close()
