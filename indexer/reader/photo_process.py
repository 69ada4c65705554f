"""Opening photo files in child processes: a photo that kills, hangs or bloats its reader costs that one photo."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Self

from captioner import Caption
from captioner.ipc.child_run import Reply
from captioner.ipc.supervisor import ChildError, ChildGone, ChildProcess, python_module
from indexer.errors import (
    FailureKind,
    Obstacle,
    PhotoDenied,
    PhotoNotGiven,
    PhotoTooHeavy,
    PhotoVanished,
    ProcessUnavailable,
    ReaderDied,
    StorageError,
    UnreadablePhoto,
)
from indexer.face_box import FaceRegion
from indexer.model import CaptionPlace, FileCaption, FileStamp, PhotoMetadata, Reading, WriteResult
from indexer.reader.photo_requests import (
    KEPT_BYTES,
    FileContent,
    ReaderOptions,
    from_json,
    to_json,
    unpack_reading,
    unpack_undo_result,
)
from indexer.reasons import Reason, ReasonCode
from indexer.settings import Settings

if TYPE_CHECKING:
    from indexer.captions.undo import UndoResult

# glibc takes buffers of up to so many bytes from its heap and keeps as much of it when they are freed (mallopt(3)):
# to be given the pages of every buffer anew cost 30 ms of system time for a 12 MP JPEG. Others pass these by.
_MALLOC = {"MALLOC_MMAP_THRESHOLD_": str(KEPT_BYTES), "MALLOC_TRIM_THRESHOLD_": str(KEPT_BYTES)}

#: The child's errors about a photo that may be over later, by the name of their class.
_UNREADABLE = {error.__name__: error for error in (PhotoDenied, PhotoNotGiven, PhotoTooHeavy)}


class PhotoProcesses:
    """Child processes that open photos, as an async context manager; each photo goes to one that is free.

    `input_px` is the width and height of the model's input; 0 where no pixels are wanted. There are `count` processes,
    as many as the settings say where it is None. `worker` is the module that runs in the children. `roots` are the
    libraries, the settings' where none are given, and more may be added meanwhile: no symbolic link is followed out of
    them for writing. Entering, and asking for anything, raises `ProcessUnavailable` where a process can't be had.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        input_px: int,
        count: int | None = None,
        roots: Collection[Path] | None = None,
        worker: str = "indexer.reader.photo_worker",
    ) -> None:
        self._roots = settings.photos if roots is None else roots
        options = ReaderOptions.of(settings, input_px)
        self._children = [
            ChildProcess(
                python_module(worker, options.to_argument()),
                name="the photo reader",
                timeout_s=settings.reader_timeout_s,
                nice=settings.nice,
                memory_mb=settings.reader_memory_mb,
                idle_s=settings.unload_after_s or None,
                environment=_MALLOC,
            )
            for _ in range(settings.reader_count if count is None else count)
        ]
        self._free: asyncio.LifoQueue[ChildProcess] = asyncio.LifoQueue()
        self._running = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as starting:
            for child in self._children:
                try:
                    await starting.enter_async_context(child)
                except ChildGone as error:
                    raise _cannot_run(error) from error
                self._free.put_nowait(child)
            self._running = starting.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._running.aclose()

    @property
    def pids(self) -> list[int]:
        """The process ids of the children that run."""
        return [child.pid for child in self._children if child.pid is not None]

    async def read(self, path: Path) -> Reading:
        """All that is read of a file. Raises `UnreadablePhoto` or `PhotoVanished`."""
        reply = await self._ask({"do": "read", "path": str(path)})
        with _checked_reply():
            return unpack_reading(reply.header, reply.payload)

    async def read_metadata(self, path: Path) -> tuple[str, PhotoMetadata, FileStamp]:
        """Content key, metadata and stamp, without decoding. Raises `UnreadablePhoto` or `PhotoVanished`."""
        reply = await self._ask({"do": "read_metadata", "path": str(path)})
        with _checked_reply():
            content = from_json(FileContent, reply.header)
        return content.content_key, content.metadata, content.stamp

    async def pixels_of(self, thumbnail: bytes) -> bytes:
        """The model's input, RGB uint8 of shape (input_px, input_px, 3), from a cached screen thumbnail.

        Raises `UnreadablePhoto` where the bytes are no picture.
        """
        return (await self._ask({"do": "pixels_of"}, thumbnail)).payload

    async def measure(self, thumbnail: bytes) -> bytes:
        """What a picture measures, as `PictureMeasures.to_bytes` gives it, from a cached thumbnail.

        Raises `UnreadablePhoto` where the bytes are no picture.
        """
        return (await self._ask({"do": "measure"}, thumbnail)).payload

    async def write_caption(
        self, path: Path, words: Caption | FileCaption, stamp: FileStamp, *, over_correction: bool = False
    ) -> WriteResult:
        """Writes a caption as the settings say; where nothing else is safe it stays in the index, with a reason.
        `over_correction`: a correction of ours may be replaced by the model's words.

        Raises `PhotoVanished` where the file is no longer the one of that stamp, and `StorageError` where the journal
        can't be written.
        """
        request = {
            "do": "write_caption",
            "path": str(path),
            "caption": to_json(FileCaption.of(words)),
            "stamp": to_json(stamp),
            "over_correction": over_correction,
            "roots": [str(root.absolute()) for root in self._roots],
        }
        return await self._write(request, stamp)

    async def write_names(self, path: Path, regions: Collection[FaceRegion], stamp: FileStamp) -> WriteResult:
        """Makes these the names of faces in a file or beside it, as the settings say; none takes ours out. Where they
        can't be written without risk they stand nowhere, with a reason. Raises as `write_caption` does."""
        request = {
            "do": "write_names",
            "path": str(path),
            "regions": to_json(list(regions)),
            "stamp": to_json(stamp),
            "roots": [str(root.absolute()) for root in self._roots],
        }
        return await self._write(request, stamp)

    async def _write(self, request: Mapping[str, Any], stamp: FileStamp) -> WriteResult:
        try:
            reply = await self._ask(request)
            with _checked_reply():
                return from_json(WriteResult, reply.header)
        except UnreadablePhoto as error:
            return WriteResult(CaptionPlace.INDEX, stamp, error.reason, obstacle=_obstacle(error))

    async def undo_caption(
        self,
        path: Path,
        *,
        dry_run: bool = False,
        stamp: FileStamp | None = None,
        machine_only: bool = False,
        own_texts: Collection[str] = (),
        names: bool = False,
    ) -> UndoResult:
        """Takes our caption, and where `names` our names of faces, out of a file again; `dry_run` only proves that it
        can be. A file of another `stamp` stays as it is, and where `machine_only` one that a person has described.
        `own_texts` are ours as the catalogue knows.

        Raises `PhotoVanished`, and `UnreadablePhoto` where it can't be.
        """
        request = {
            "do": "undo_caption",
            "path": str(path),
            "dry_run": dry_run,
            "stamp": to_json(stamp),
            "machine_only": machine_only,
            "own_texts": list(own_texts),
            "names": names,
        }
        reply = await self._ask(request)
        with _checked_reply():
            return unpack_undo_result(path, reply.header)

    async def _ask(self, header: Mapping[str, Any], payload: bytes = b"") -> Reply:
        """Waits for a free process. Sends a request again where the child died or hung over it: once."""
        child = await self._free.get()
        try:
            try:
                return await child.request(header, payload)
            except ChildGone as error:
                if not error.guilty:
                    raise
            return await child.request(header, payload)
        except ChildError as error:
            _raise_as_ours(error)
        except ChildGone as error:
            if error.guilty:
                raise ReaderDied(ReasonCode.READER_DIED, detail=str(error)) from error
            raise _cannot_run(error) from error
        finally:
            self._free.put_nowait(child)


@contextmanager
def _checked_reply() -> Iterator[None]:
    """Around the reading of a reply. One that makes no sense comes from a process that a photo has taken over or
    broken: it costs that photo, as a death would."""
    try:
        yield
    except (ValueError, RecursionError) as error:
        raise ReaderDied(ReasonCode.READER_REPLY, detail=str(error)) from error


def _raise_as_ours(error: ChildError) -> NoReturn:
    """The child's error as the parent's own."""
    if error.kind == "StorageError":
        raise StorageError(error.message) from error
    reason = Reason.from_json(error.message)
    if error.kind == "PhotoVanished":
        raise PhotoVanished(reason) from error
    raise _UNREADABLE.get(error.kind, UnreadablePhoto)(reason) from error


def _obstacle(error: UnreadablePhoto) -> Obstacle | None:
    """What keeps a caption out of a file that can't be read for writing."""
    return {FailureKind.DENIED: Obstacle.RIGHTS, FailureKind.DISK: Obstacle.DISK, FailureKind.UNREADABLE: None}.get(
        error.kind, Obstacle.READER
    )


def _cannot_run(error: ChildGone) -> ProcessUnavailable:
    return ProcessUnavailable(
        f"the process that opens photos can't be run: {error}",
        hint="`recollect doctor` tries it; the messages above say how it ended",
    )
