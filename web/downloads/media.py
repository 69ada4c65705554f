"""Pictures by photo id: cached thumbnails, and originals from inside the library roots only."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import weakref
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from urllib.parse import quote

from aiohttp import hdrs, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.web_request import BaseRequest
from multidict import CIMultiDict

from indexer.message import N_
from indexer.model import Photo, PhotoFile, ThumbnailSize
from indexer.thumbnails import picture_type
from web.app_keys import LIBRARY, SETTINGS, THUMBNAILS, in_database_thread, in_disk_thread
from web.presenters import clean
from web.static_files import FOREVER

PHOTO_ID = "[0-9a-f]{32}"

#: What a browser may be given to show. Everything else is sent as bytes to save: a file that merely claims to be a
#: picture, and SVG or HTML, must never run in the page's origin.
_SHOWN = frozenset({"image/jpeg", "image/png", "image/webp", "image/gif", "image/avif", "image/heic", "image/heif"})
#: Of these the kinds that no browser in use leaves out.
SHOWN_EVERYWHERE = _SHOWN - {"image/heic", "image/heif"}
_SAVED = frozenset({"image/tiff", "image/x-adobe-dng", "image/x-canon-cr2", "image/x-nikon-nef", "image/x-sony-arw"})
_BYTES = "application/octet-stream"
#: O_PATH (Linux): a folder on the way may be passed by who may not list it, as /home often is.
_FOLDER = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_UNSAFE_IN_NAME = re.compile(r'[\x00-\x1f\x7f"\\/]|[\u202a-\u202e\u2066-\u2069]')


async def thumbnail(request: web.Request) -> web.Response:
    """GET /thumbnails/{id}/{size}?v={px}. Named by content, so immutable; 304 on a matching ETag.

    `.webp` may follow: addresses ended so while every thumbnail was WebP, and pages in use still have them.
    """
    size = ThumbnailSize(request.match_info["size"])
    picture = await in_database_thread(request, request.config_dict[THUMBNAILS].get, request.match_info["id"], size)
    if picture is None:
        raise web.HTTPNotFound(text=N_("There is no thumbnail of this photo yet."))
    tag = hashlib.blake2b(picture, digest_size=12).hexdigest()
    headers = {"Cache-Control": f"private, {FOREVER}", "ETag": f'"{tag}"'}
    if any(etag.value in {tag, "*"} for etag in request.if_none_match or ()):
        return web.Response(status=304, headers=headers)
    return web.Response(body=picture, content_type=picture_type(picture), headers=headers)


async def original(request: web.Request) -> web.StreamResponse:
    """GET /photo/{id}/files/{file}[?save]. One of the photo's own files, with ranges (RFC 9110, 14)."""
    library, photo_id = request.config_dict[LIBRARY], request.match_info["id"]
    photo = await in_database_thread(request, library.photo, photo_id, most_files=1)
    file = await in_database_thread(request, library.file_of, photo_id, int(request.match_info["file"]))
    if photo is None or file is None:
        raise web.HTTPNotFound(text=N_("There is no such file."))
    others = [one for one in photo.files if one is not file and not one.missing]
    # Another file shows the same photo: a library that has moved is found by its old address, too.
    for candidate in (file, *others):
        opened = await in_disk_thread(
            request, candidate.root, partial(open_inside, candidate, request.config_dict[SETTINGS].photos)
        )
        if opened is not None:
            break
    else:
        raise web.HTTPNotFound(text=N_("The file is not there just now. It may be on a disk that is not connected."))
    return _Original(opened, headers=original_headers(photo, candidate, save="save" in request.query))


def open_inside(file: PhotoFile, roots: Sequence[Path]) -> int | None:
    """A descriptor of the file, links followed; None where it lies outside every library root or is not there."""
    path = resolve_inside(file, roots)
    return open_without_links(path) if path else None


def open_without_links(path: Path) -> int | None:
    """A descriptor of a regular file whose path has no links in it; None where it has, or is not there.

    Folder by folder, so that a link placed after the path was checked is not followed.
    """
    folder = os.open(path.anchor, _FOLDER)
    try:
        for name in path.parts[1:-1]:
            inner = os.open(name, _FOLDER, dir_fd=folder)
            os.close(folder)
            folder = inner
        # Opening a pipe would block until it has a writer.
        opened = os.open(path.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except OSError:
        return None
    finally:
        os.close(folder)
    if stat.S_ISREG(os.fstat(opened).st_mode):
        return opened
    os.close(opened)
    return None


def resolve_inside(file: PhotoFile, roots: Sequence[Path]) -> Path | None:
    """Where the file really lies, links followed; None where that is outside every library root or not there."""
    try:
        path = file.path.resolve(strict=True)
        resolved = [root.resolve() for root in (file.root, *roots)]
    except (OSError, RuntimeError, ValueError):
        return None
    return path if path.is_file() and any(path.is_relative_to(root) for root in resolved) else None


def original_headers(photo: Photo, file: PhotoFile, *, save: bool) -> dict[str, str]:
    """The type that was found by looking inside, never by the name; anything doubtful is to be saved, not shown."""
    mime_type = photo.metadata.mime_type
    shown = mime_type in _SHOWN and not save
    return {
        "Content-Type": mime_type if mime_type in _SHOWN | _SAVED else _BYTES,
        "Content-Disposition": disposition("inline" if shown else "attachment", file.path.name),
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Cache-Control": "private, no-cache",
    }


def disposition(kind: str, name: str) -> str:
    """A Content-Disposition (RFC 6266) whose file name can neither break the header nor mislead about its ending."""
    safe = _UNSAFE_IN_NAME.sub("_", clean(name)) or "photo"
    ascii_only = safe.encode("ascii", "replace").decode("ascii").replace("?", "_")
    return f"{kind}; filename=\"{ascii_only}\"; filename*=UTF-8''{quote(safe, safe='')}"


class _Original(web.FileResponse):
    """An open file, without aiohttp's search for a compressed sibling: NAME.gz in a photo library is another file."""

    def __init__(self, opened: int, headers: Mapping[str, str]) -> None:
        super().__init__(f"/dev/fd/{opened}", headers=headers)
        self._closed = weakref.finalize(self, os.close, opened)  # also where the response is never sent

    async def prepare(self, request: BaseRequest) -> AbstractStreamWriter | None:
        headers = CIMultiDict(request.headers)
        headers.popall(hdrs.ACCEPT_ENCODING, None)
        try:
            return await super().prepare(request.clone(headers=headers))
        finally:
            self._closed()
