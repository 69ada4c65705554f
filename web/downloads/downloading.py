"""Several photos at once: their originals as a zip, or their captions as text, by the ids that somebody selected."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import unicodedata
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from pathlib import Path, PurePosixPath

from aiohttp import web

from indexer.catalogue import Catalogue
from indexer.message import N_
from indexer.model import LISTED_FILES, Photo, PhotoFile
from web.app_keys import LIBRARY, SETTINGS, in_database_thread
from web.downloads.media import PHOTO_ID, disposition, open_inside
from web.downloads.zipping import Entry, Note, Zip
from web.i18n.language import gettext, ngettext
from web.presenters import clean
from web.request_bodies import read_object, read_values

log = logging.getLogger(__name__)

MOST_PHOTOS = 10_000
#: So many ids in a form, one field each: ``id=`` and ``&`` around 32 digits.
LARGEST_LIST_BYTES = 38 * MOST_PHOTOS
#: So many photos are read from the catalogue at a time, to bound memory.
_BATCH = 200
_ID = re.compile(PHOTO_ID)
#: What Windows refuses in a name, control characters, and marks that turn the reading order round.
_UNSAFE = re.compile(r'[\x00-\x1f\x7f-\x9f<>:"/\\|?*]|[\u200e\u200f\u202a-\u202e\u2066-\u2069]')
#: Names of devices on Windows, whatever ending follows them.
_RESERVED = re.compile(r"(?:con|prn|aux|nul|(?:com|lpt)[0-9\xb9\xb2\xb3])(?=\.|$)", re.IGNORECASE)
#: A file system takes 255 bytes, and " (10000)" may have to go in.
_LONGEST_BYTES = 200
_LONGEST_ENDING = 16


class ZipNames:
    """Gives out each name once, letter case aside, as Windows and macOS see it."""

    def __init__(self) -> None:
        self._given: set[str] = set()
        self._next: dict[str, int] = {}

    def take(self, name: str) -> str:
        """`name` made safe; ``beach (2).jpg`` where ``beach.jpg`` is taken."""
        safe = safe_name(name)
        key = safe.casefold()
        stem, ending = _parts(safe)
        taken = safe
        while taken.casefold() in self._given:
            self._next[key] = self._next.get(key, 1) + 1
            taken = f"{stem} ({self._next[key]}){ending}"
        self._given.add(taken.casefold())
        return taken


def safe_name(name: str) -> str:
    """One name without a folder, in composed characters (NFC), that every common file system takes."""
    safe = _UNSAFE.sub("_", unicodedata.normalize("NFC", clean(name)))
    safe = safe.strip(". ") or "photo"  # a leading dot would hide the file
    if _RESERVED.match(safe):
        safe = f"_{safe}"
    stem, ending = _parts(safe)
    room_bytes = _LONGEST_BYTES - len(ending.encode())
    return stem.encode()[:room_bytes].decode(errors="ignore").rstrip(". ") + ending


def _parts(name: str) -> tuple[str, str]:
    ending = PurePosixPath(name).suffix
    ending = ending if len(ending) <= _LONGEST_ENDING else ""
    return name.removesuffix(ending) if ending else name, ending


async def download(request: web.Request) -> web.StreamResponse:
    """POST /download with ``id``, once or often, each one or several ids: the originals as a zip."""
    return await _zip(request, await _read_ids(request))


async def captions(request: web.Request) -> web.Response:
    """POST /captions with ``id`` as for `download`: a line for each photo, its file's name, a tab, its caption."""
    lines: list[str] = []
    async with aclosing(_photos(request, await _read_ids(request))) as batches:
        async for photos in batches:
            lines += [f"{_name(photo)}\t{' '.join(clean(photo.caption or '').split())}\n" for photo in photos.values()]
    response = web.Response(text="".join(lines))
    response.enable_compression()
    return response


async def api_download(request: web.Request) -> web.StreamResponse:
    """POST /api/download with ``{"ids": [...]}``: the originals of at most 10,000 photos as a zip.

    One file of each photo, stored without compression under its own name, counted where names are equal. Whatever is
    not there is named in a text file at the end. 400, 404 where none of them is there, 413.
    """
    ids = (await read_object(_with_larger_body(request))).get("ids")
    if not (isinstance(ids, list) and all(isinstance(one, str) for one in ids)):
        raise web.HTTPBadRequest(text=N_('The body is {"ids": ["the id of a photo"]}.'))
    return await _zip(request, _check_ids(ids))


async def _read_ids(request: web.Request) -> list[str]:
    values = await read_values(_with_larger_body(request), "id")
    return _check_ids([one for value in values for one in value.split()])


def _with_larger_body(request: web.Request) -> web.Request:
    return request.clone(client_max_size=LARGEST_LIST_BYTES)


def _check_ids(ids: Sequence[str]) -> list[str]:
    """Each id once. Raises `HTTPBadRequest` and `HTTPRequestEntityTooLarge`."""
    if not ids:
        raise web.HTTPBadRequest(text=N_("No photo is selected."))
    if not all(map(_ID.fullmatch, ids)):
        raise web.HTTPBadRequest(text=N_("That is no id of a photo."))
    unique = list(dict.fromkeys(ids))
    if len(unique) > MOST_PHOTOS:
        raise web.HTTPRequestEntityTooLarge(MOST_PHOTOS, len(unique), text=N_("At most 10,000 photos at once."))
    return unique


async def _photos(request: web.Request, ids: Sequence[str]) -> AsyncGenerator[Mapping[str, Photo], None]:
    """Those that are known, some at a time and in order."""
    library = request.config_dict[LIBRARY]
    for begin in range(0, len(ids), _BATCH):
        photos = await in_database_thread(request, library.photos, ids[begin : begin + _BATCH], most_files=LISTED_FILES)
        yield {photo.id: photo for photo in photos}


def _name(photo: Photo) -> str:
    return safe_name(photo.files[0].path.name) if photo.files else photo.id


@dataclass(frozen=True, slots=True)
class _Plan:
    """What goes into a zip, and the names of what can't."""

    names: ZipNames
    entries: list[Entry] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def add(self, photos: Iterable[Photo], roots: Sequence[Path], library: Catalogue) -> None:
        """Looks for the first file of each photo that is there, among the listed ones, then among all. Blocks."""
        for photo in photos:
            entry = self._first(photo.files, roots)
            if entry is None and photo.more_files:
                whole = library.photo(photo.id)
                entry = self._first(whole.files if whole else (), roots)
            if entry:
                self.entries.append(entry)
            else:
                self.missing.append(_name(photo))

    def _first(self, files: Iterable[PhotoFile], roots: Sequence[Path]) -> Entry | None:
        return next(filter(None, (self._entry(file, roots) for file in files)), None)

    def _entry(self, file: PhotoFile, roots: Sequence[Path]) -> Entry | None:
        opened = open_inside(file, roots)
        if opened is None:
            return None
        stat = os.fstat(opened)
        os.close(opened)
        return Entry(self.names.take(file.path.name), stat.st_size, stat.st_mtime, partial(open_inside, file, roots))


async def _zip(request: web.Request, ids: Sequence[str]) -> web.StreamResponse:
    names = ZipNames()
    note = Note(names.take(gettext("Not in this zip.txt")), _note_text)
    plan, unknown = _Plan(names), dict.fromkeys(ids)
    # A thread of its own: a disk that does not answer delays this zip alone.
    thread, run = ThreadPoolExecutor(1, thread_name_prefix="zip"), asyncio.get_running_loop().run_in_executor
    try:
        async with aclosing(_photos(request, ids)) as batches:
            async for photos in batches:
                roots, library = request.config_dict[SETTINGS].photos, request.config_dict[LIBRARY]
                await run(thread, plan.add, photos.values(), roots, library)
                for photo_id in photos:
                    del unknown[photo_id]
        if not plan.entries:
            raise web.HTTPNotFound(
                text=N_("None of these files is there just now. They may be on a disk that is not connected.")
            )
        return await _send(request, await run(thread, Zip, plan.entries, [*plan.missing, *unknown], note), thread)
    finally:
        thread.shutdown(wait=False)


async def _send(request: web.Request, archive: Zip, thread: ThreadPoolExecutor) -> web.StreamResponse:
    name = f"recollect {date.today().isoformat()}.zip"
    headers = {"Content-Type": "application/zip", "Content-Disposition": disposition("attachment", name)}
    response = web.StreamResponse(headers=headers)
    response.content_length = archive.length
    blocks = archive.blocks()
    try:
        await response.prepare(request)
        # The next block is read after this one is sent: a slow client costs one block of memory.
        while block := await asyncio.get_running_loop().run_in_executor(thread, next, blocks, b""):
            await response.write(block)
        await response.write_eof()
    except ConnectionError:
        blocks.close()
        log.info("a zip of %d bytes was given up on by who had asked for it", archive.length)
    if archive.missing:
        log.warning("not in the zip: %s", ", ".join(map(repr, archive.missing)))
    return response


def _note_text(names: Sequence[str]) -> str:
    why = ngettext(
        "This photo is not in the zip: its file was not there, or changed in the meantime.",
        "These %(count)s photos are not in the zip: their files were not there, or changed in the meantime.",
        len(names),
    )
    return "\n".join((why, "", *names, ""))
