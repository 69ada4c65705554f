"""The end of a restore, from the moment on that it counts: files change places, once more where that was cut off.

Every start asks for it, so that it imports next to nothing.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

#: Unpacked and checked; and the same folder once what was there before is out of the way.
READY, _MOVING = "restore.ready", "restore.moving"
#: The settings of the backup, for comparing, where they are not put in use.
KEPT_SETTINGS = "settings-of-the-backup.toml"
LOCK = "recollect.lock"
#: What a restore takes the place of; the search index is derived from the catalogue.
REPLACED = (
    *(
        name + ending
        for name in ("catalogue.db", "thumbnails.db", "search.db", "faces.db")
        for ending in ("", "-wal", "-shm")
    ),
    *("captions.jsonl", "remembered.json", "session.key", "sessions.json", "meilisearch-keys.json", KEPT_SETTINGS),
)


def finish_restore(data_dir: Path) -> None:
    """Does what is left of a restore that counts. The caller holds `sole_indexer`. Raises `OSError`."""
    ready, moving = data_dir / READY, data_dir / _MOVING
    if ready.is_dir():
        _set_aside_old(data_dir)
        ready.rename(moving)
    if moving.is_dir():
        for path in sorted(moving.iterdir()):
            path.replace(data_dir / path.name)
        moving.rmdir()
        sync(data_dir)


def _set_aside_old(data_dir: Path) -> None:
    old = [data_dir / name for name in REPLACED if (data_dir / name).exists()]
    if not old:
        return
    aside = data_dir / f"replaced-{time.strftime('%Y-%m-%dT%H-%M-%S')}"
    aside.mkdir(mode=0o700, exist_ok=True)
    for path in old:
        path.rename(aside / path.name)


def sync(path: Path) -> None:
    """Brings a file, or the names in a folder, to the disk (fsync(2)). Raises `OSError`."""
    number = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(number)
    finally:
        os.close(number)
