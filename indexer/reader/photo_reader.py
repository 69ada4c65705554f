"""What the photo process does: every byte that others wrote is opened here, and nowhere else."""

from __future__ import annotations

import ctypes
import errno
import logging
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from indexer.atomic.file_read import stamp_of
from indexer.captions import caption_file, names_file, undo
from indexer.captions.journal import Journal
from indexer.captions.sidecar import is_of_another, sidecars_of
from indexer.errors import PhotoDenied, PhotoNotGiven, PhotoTooHeavy, PhotoVanished, UnreadablePhoto
from indexer.face_box import FaceRegion
from indexer.formats.xmp import MOST_BYTES
from indexer.images.decode import OpenedImage, TooLittleMemory, decode, open_image
from indexer.images.measuring import measure
from indexer.images.pictures import encode_grid, encode_screen, make_grid, model_input
from indexer.metadata.content_key import content_key
from indexer.metadata.read_metadata import read_metadata
from indexer.metadata.sidecar_files import MOST_JSON_BYTES, Takeout, find_takeout_files, read_takeout
from indexer.model import FileCaption, FileStamp, PhotoMetadata, Reading, ThumbnailSize, WriteResult
from indexer.reader.photo_requests import (
    KEPT_BYTES,
    FileContent,
    Header,
    ReaderOptions,
    from_json,
    pack_reading,
    to_json,
)
from indexer.reasons import ReasonCode

_GONE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ESTALE, errno.ENODEV, errno.ELOOP})

_M_MMAP_THRESHOLD = -3  # malloc.h

_log = logging.getLogger(__name__)


class PhotoReader:
    """Answers the requests of `photo_process.PhotoProcesses`; each names what it wants in `do`."""

    def __init__(self, options: ReaderOptions) -> None:
        self._options = options
        self._journal = Journal.in_dir(Path(options.data_dir))
        self._sidecar_dir = None if options.sidecar_dir is None else Path(options.sidecar_dir)

    def answer(self, header: Mapping[str, Any], payload: bytes) -> tuple[Header, bytes]:
        """The reply to one request. Raises `PhotoError` about the photo, `SetupError` about the journal."""
        try:
            return self._answer(header, payload)
        except MemoryError as error:
            raise self._too_little_memory(None) from error
        except TooLittleMemory as error:
            raise self._too_little_memory(error.size) from error

    def _too_little_memory(self, size: tuple[int, int] | None) -> PhotoTooHeavy:
        limit_mb = self._options.reader_memory_mb
        if size is None:
            return PhotoTooHeavy(ReasonCode.MEMORY, limit=limit_mb)
        return PhotoTooHeavy(
            ReasonCode.MEMORY_OF_SIZE,
            limit=limit_mb,
            width=size[0],
            height=size[1],
            megapixels=f"{size[0] * size[1] / 1e6:.0f}",
        )

    def read(self, path: Path) -> Reading:
        """All that is read of one file: read once, decoded once. Raises `UnreadablePhoto` or `PhotoVanished`."""
        key, opened, metadata, stamp = self._open(path)
        with _returning_memory() if opened.mime_type != "image/jpeg" else nullcontext():
            image = decode(opened, self._options.screen_px, metadata.orientation)
        grid = make_grid(image, self._options.grid_px)
        thumbnails = {ThumbnailSize.GRID: encode_grid(grid), ThumbnailSize.SCREEN: encode_screen(image)}
        metadata = replace(metadata, damage=opened.damage)
        pixels = model_input(image, self._options.input_px)
        return Reading(key, metadata, stamp, thumbnails, pixels, measure(grid).to_bytes())

    def read_metadata(self, path: Path) -> tuple[str, PhotoMetadata, FileStamp]:
        """Content key, metadata and stamp; nothing is decoded. Raises as `read` does."""
        key, _, metadata, stamp = self._open(path)
        return key, metadata, stamp

    def _open(self, path: Path) -> tuple[str, OpenedImage, PhotoMetadata, FileStamp]:
        options = self._options
        data, stamp = read_photo_file(path, max_file_mb=options.max_file_mb)
        opened = open_image(data, suffix=path.suffix, max_pixels_mp=options.max_pixels_mp, preview_px=options.screen_px)
        metadata = read_metadata(data, path, self._sidecars(path), takeout=self._takeout(path), opened=opened)
        return content_key(data), opened, metadata, stamp

    def pixels_of(self, thumbnail: bytes) -> bytes:
        """The model's input from a cached screen thumbnail. Raises `UnreadablePhoto` for anything else."""
        opened = open_image(thumbnail, max_pixels_mp=self._options.max_pixels_mp)
        return model_input(decode(opened, self._options.screen_px, orientation=1), self._options.input_px)

    def measure(self, thumbnail: bytes) -> bytes:
        """The measures of a picture from its cached thumbnail. Raises `UnreadablePhoto` for anything else."""
        opened = open_image(thumbnail, max_pixels_mp=self._options.max_pixels_mp)
        return measure(decode(opened, self._options.grid_px, orientation=1)).to_bytes()

    def _sidecars(self, path: Path) -> list[bytes]:
        """Every sidecar of the photo that can be read, ours first."""
        places = sidecars_of(path, self._sidecar_dir)
        found = ((place, _read_beside(place, MOST_BYTES)) for place in places)
        return [data for place, data in found if data is not None and not is_of_another(place, data, path)]

    def _takeout(self, path: Path) -> Takeout | None:
        """What Google Photos says of the photo."""
        for place, certain in find_takeout_files(path):
            data = _read_beside(place, MOST_JSON_BYTES)
            found = read_takeout(data) if data is not None else None
            if found is not None and (certain or found.matches(path.name)):
                return found
        return None

    def _answer(self, header: Mapping[str, Any], payload: bytes) -> tuple[Header, bytes]:
        match header["do"]:
            case "read":
                return pack_reading(self.read(Path(header["path"])))
            case "read_metadata":
                return to_json(FileContent(*self.read_metadata(Path(header["path"])))), b""
            case "pixels_of":
                return {}, self.pixels_of(payload)
            case "measure":
                return {}, self.measure(payload)
            case "write_caption":
                return to_json(self._write_caption(header)), b""
            case "write_names":
                return to_json(self._write_names(header)), b""
            case "undo_caption":
                return to_json(self._undo_caption(header)), b""
            case unknown:
                raise ValueError(f"no such request: {unknown}")

    def _write_caption(self, header: Mapping[str, Any]) -> WriteResult:
        return caption_file.write_caption(
            Path(header["path"]),
            from_json(FileCaption, header["caption"]),
            stamp=from_json(FileStamp, header["stamp"]),
            over_correction=header["over_correction"],
            mode="sidecar" if self._options.captions == "sidecar" else "embed",
            keep_mtime=self._options.keep_mtime,
            sidecar_dir=self._sidecar_dir,
            journal=self._journal,
            roots=[Path(root) for root in header["roots"]],
        )

    def _write_names(self, header: Mapping[str, Any]) -> WriteResult:
        return names_file.write_names(
            Path(header["path"]),
            from_json(list[FaceRegion], header["regions"]),
            stamp=from_json(FileStamp, header["stamp"]),
            mode="sidecar" if self._options.captions == "sidecar" else "embed",
            keep_mtime=self._options.keep_mtime,
            sidecar_dir=self._sidecar_dir,
            journal=self._journal,
            roots=[Path(root) for root in header["roots"]],
        )

    def _undo_caption(self, header: Mapping[str, Any]) -> undo.UndoResult:
        return undo.undo_caption(
            Path(header["path"]),
            journal=self._journal,
            sidecar_dir=self._sidecar_dir,
            keep_mtime=self._options.keep_mtime,
            dry_run=header["dry_run"],
            stamp=None if header["stamp"] is None else from_json(FileStamp, header["stamp"]),
            machine_only=header["machine_only"],
            own_texts=header["own_texts"],
            names=header["names"],
        )


@contextmanager
def _returning_memory() -> Iterator[None]:
    """Around what takes much memory for a moment: what glibc keeps of freed buffers goes back to the system first
    (malloc_trim(3)), and no buffer of meanwhile is kept (mallopt(3)). Other C libraries pass this by."""
    library = ctypes.CDLL(None)
    if not hasattr(library, "malloc_trim"):
        yield
        return
    library.malloc_trim(0)
    library.mallopt(_M_MMAP_THRESHOLD, 256 << 10)
    try:
        yield
    finally:
        library.mallopt(_M_MMAP_THRESHOLD, KEPT_BYTES)


def _read_beside(place: Path, max_bytes: int) -> bytes | None:
    try:
        return read_photo_file(place, max_file_mb=max_bytes / 1e6)[0]
    except PhotoVanished:
        return None
    except UnreadablePhoto as error:
        _log.info("the sidecar %s is passed over: %s", place, error)
        return None


def read_photo_file(path: Path, *, max_file_mb: float) -> tuple[bytes, FileStamp]:
    """The bytes and the stamp of a regular file.

    Raises `PhotoVanished` where it is gone or changed while it was read, `PhotoDenied` and `PhotoNotGiven` where the
    system does not let us read it now, and `UnreadablePhoto` where it is no regular file (a pipe or a device is never
    waited for) or larger than the limit.
    """
    try:
        data, before, after = _read_unchanged(path, max_file_mb)
    except OSError as error:
        if error.errno in _GONE:
            raise PhotoVanished(ReasonCode.GONE) from error
        if error.errno in (errno.EACCES, errno.EPERM):
            raise PhotoDenied(ReasonCode.NOT_ALLOWED) from error
        raise PhotoNotGiven(ReasonCode.READ_FAILED, detail=error.strerror or str(error)) from error
    except ValueError as error:  # a NUL in the name
        raise PhotoVanished(ReasonCode.NO_SUCH_FILE, detail=str(error)) from error
    if after != before or len(data) != before.size:
        raise PhotoVanished(ReasonCode.CHANGED_WHILE_READ)
    return data, before


def _read_unchanged(path: Path, max_file_mb: float) -> tuple[bytes, FileStamp, FileStamp]:
    # O_NONBLOCK: opening a pipe that nobody writes to would wait for ever.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        before = _checked_stamp(os.fstat(descriptor), max_file_mb)
        with os.fdopen(descriptor, "rb", buffering=0, closefd=False) as file:
            data = file.readall()
        return data, before, stamp_of(os.fstat(descriptor))
    finally:
        os.close(descriptor)


def _checked_stamp(status: os.stat_result, max_file_mb: float) -> FileStamp:
    if not stat.S_ISREG(status.st_mode):
        raise UnreadablePhoto(ReasonCode.NOT_REGULAR)
    if status.st_size > max_file_mb * 1e6:
        raise UnreadablePhoto(ReasonCode.FILE_TOO_LARGE, size=f"{status.st_size / 1e6:.0f}", limit=f"{max_file_mb:g}")
    return stamp_of(status)
