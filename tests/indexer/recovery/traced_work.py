"""A program for `test_power_cut`: indexes the library beside its data directory, has captions corrected, words added
and a caption taken out, as the service does. What it reports as done goes into a file of marks, which the trace shows.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from captioner import Caption, Tag
from indexer.captions.journal import Journal
from indexer.captions.undo import undo_caption
from indexer.reader.photo_process import PhotoProcesses
from indexer.service import Indexer
from indexer.settings import Settings
from indexer.sqlite.database import Database
from indexer.storage import open_storage, sole_indexer
from tests.indexing import CountingCaptioner, colour_of, settings_for

INPUT_PX = 32
NOTES = [("notes", "CREATE TABLE note (number INTEGER);")]


class PixelCaptioner(CountingCaptioner):
    """Remembers which pixels it was asked about, and has an embedding of some length."""

    def __init__(self) -> None:
        super().__init__(input_px=INPUT_PX)
        self.pixels: list[bytes] = []

    async def caption(self, pixels: bytes) -> Caption:
        self.pixels.append(pixels)
        colour = colour_of(pixels)
        return Caption(f"a {colour} wall", 0.8, (Tag(colour, 0.9), Tag("wall", 0.6)), (0.03125,) * 128, self.model)


async def index(settings: Settings, captioner: CountingCaptioner, photos: PhotoProcesses, root: Path) -> None:
    """As `recollect index`, with a reading process that is there already. Raises `SetupError`."""
    with sole_indexer(settings.data_dir), open_storage(settings) as storage:
        async with Indexer(settings, storage, captioner=captioner, photos=photos) as indexer:
            await indexer.index_once((root,))


async def main(folder: Path) -> None:
    settings, root = settings_for(folder), folder / "photos"
    async with PhotoProcesses(settings, input_px=INPUT_PX, count=1, roots={root}) as photos:
        await index(settings, PixelCaptioner(), photos, root)
        mark(folder, "indexed")
        with open_storage(settings) as storage:
            catalogue = storage.catalogue
            for number, photo_id in enumerate(catalogue.photo_ids()[:4]):
                catalogue.corrections.correct(photo_id, f"typed {number}")
                mark(folder, f"typed {photo_id} {number}")
                catalogue.feedback.change_words(photo_id, add=[f"word {number}"])
                mark(folder, f"word {photo_id} {number}")
        with Database(settings.data_dir / "notes.db", NOTES) as notes:
            for number in range(3):
                notes.write("INSERT INTO note VALUES (?)", (number,))
                notes.sync()
                mark(folder, f"note {number}")
            with notes.transaction(durable=True) as writer:
                writer.execute("INSERT INTO note VALUES (3)")
            mark(folder, "note 3")
        await index(settings, PixelCaptioner(), photos, root)
        mark(folder, "written")
    last = max(root.rglob("*.jpg"))
    undo_caption(last, journal=Journal.in_dir(settings.data_dir))
    mark(folder, f"undone {last}")


def mark(folder: Path, text: str) -> None:
    descriptor = os.open(folder / "marks", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(descriptor, f"{text}\n".encode())
    os.close(descriptor)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
