"""What the way of one photo needs: whoever opens photo files, the captioner, the stores, and the settings."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from weakref import WeakValueDictionary

from captioner import Caption, Captioner
from indexer.catalogue import Catalogue
from indexer.model import FileCaption, FileStamp, PhotoMetadata, Reading, Written
from indexer.thumbnails import ThumbnailStore

if TYPE_CHECKING:
    from indexer.captions.caption_file import Undone


class PhotoOpener(Protocol):
    """Whoever opens photo files for the pipeline; `photo_process.PhotoProcesses` is the one in use."""

    async def read(self, path: Path) -> Reading:
        """Raises `UnreadablePhoto` or `PhotoVanished`."""

    async def read_metadata(self, path: Path) -> tuple[str, PhotoMetadata, FileStamp]:
        """Content key, metadata and stamp, without decoding. Raises as `read` does."""

    async def pixels_of(self, webp: bytes) -> bytes:
        """The model's input made from a cached screen thumbnail."""

    async def write_caption(
        self, path: Path, words: Caption | FileCaption, stamp: FileStamp, *, over_correction: bool = False
    ) -> Written:
        """Raises `PhotoVanished` where the file is no longer the one of that stamp."""

    async def undo_caption(
        self,
        path: Path,
        *,
        stamp: FileStamp | None = None,
        machine_only: bool = False,
        vouched: Collection[str] = (),
    ) -> Undone:
        """Takes our words out of a file again, marked and `vouched` ones; not out of one of another `stamp`, nor, where
        `machine_only`, out of one that a person has described. Raises `PhotoVanished`, and `UnreadablePhoto` where it
        can't be."""


@dataclass(frozen=True, slots=True)
class PipelineContext:
    """What a photo meets on its way; one per service, so that two copies of a photo are not captioned at once."""

    photos: PhotoOpener
    captioner: Captioner
    catalogue: Catalogue
    thumbnails: ThumbnailStore
    write_captions: bool
    write_unsure: bool = False
    _by_key: WeakValueDictionary[str, asyncio.Lock] = field(default_factory=WeakValueDictionary)

    def lock_for(self, content_key: str) -> asyncio.Lock:
        """Held while a photo is captioned, so that its copies wait and then find it known."""
        return self._by_key.setdefault(content_key, asyncio.Lock())
