"""What looks after the data directory has what was settled brought to disk, and leaves a sleeping disk asleep."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from indexer.catalogue import Catalogue
from indexer.jobs.maintenance import Maintenance
from indexer.storage import open_storage
from tests.indexing import settings_for, until
from tests.libraries import rescan, write


class CountingCatalogue(Catalogue):
    """Counts how often it was brought to disk."""

    synced = 0

    def sync(self) -> None:
        super().sync()
        self.synced += 1


async def test_what_was_settled_is_synced_and_nothing_where_nothing_was(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    write(tmp_path / "photos/a.jpg")
    with open_storage(settings) as storage, CountingCatalogue(settings.catalogue_path) as catalogue:
        maintenance = Maintenance(replace(storage, catalogue=catalogue), changed=lambda: None, interval_s=0.01)
        running = asyncio.create_task(maintenance.run())
        await until(lambda: catalogue.synced == 1)
        await asyncio.sleep(0.2)
        assert catalogue.synced == 1
        rescan(catalogue, tmp_path / "photos")
        await until(lambda: catalogue.synced == 2)
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
