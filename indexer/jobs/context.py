"""What the way of one photo needs: the processes that open photo files, the captioner, the stores, and the settings."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

from captioner import Captioner
from indexer.catalogue import Catalogue
from indexer.reader.photo_process import PhotoProcesses
from indexer.thumbnails import ThumbnailStore


@dataclass(frozen=True, slots=True)
class PipelineContext:
    """What a photo meets on its way; one per service, so that two copies of a photo are not captioned at once."""

    photos: PhotoProcesses
    captioner: Captioner
    catalogue: Catalogue
    thumbnails: ThumbnailStore
    write_captions: bool
    write_unsure: bool = False
    _by_key: WeakValueDictionary[str, asyncio.Lock] = field(default_factory=WeakValueDictionary)

    def one_at_a_time(self, content_key: str) -> asyncio.Lock:
        """Held while a photo is captioned, so that its copies wait and then find it known."""
        return self._by_key.setdefault(content_key, asyncio.Lock())
