"""Captions corrected on the page. Nothing is written into photos from here: the durable queue does that."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from indexer.catalogue.corrections import PendingCaption, corrected_text
from indexer.jobs.pipeline import CAPTIONS_OFF, NOTHING_SEEN, UNDONE, UNSURE, WRONG
from indexer.message import N_
from indexer.model import CaptionBy, Photo
from indexer.reasons import Reason
from indexer.settings import Settings
from indexer.storage import indexing_process
from web.app_keys import LIBRARY, SETTINGS, WAKE, in_database_thread
from web.i18n.language import gettext, translate
from web.presenters import caption_place, clean


@dataclass(frozen=True, slots=True)
class CaptionLocation:
    """Where the words that are shown stand, in a sentence's words; `moving` while that is about to change."""

    text: str = ""
    moving: bool = False


async def correct(request: web.Request, photo_id: str, typed: str) -> None:
    """Keeps a person's words for a photo, and has them written into its files.

    Raises `UnusableCorrection` with the reason, `HTTPNotFound` for an unknown photo.
    """
    words = corrected_text(typed)
    if not await in_database_thread(request, request.config_dict[LIBRARY].corrections.correct, photo_id, words):
        raise web.HTTPNotFound(text=N_("There is no photo with this id."))
    request.config_dict[WAKE]()


async def take_back(request: web.Request, photo_id: str) -> None:
    """Withdraws the correction; does nothing where there is none."""
    if await in_database_thread(request, request.config_dict[LIBRARY].corrections.withdraw, photo_id):
        request.config_dict[WAKE]()


async def caption_location(request: web.Request, photo: Photo) -> CaptionLocation:
    """Where the words of a photo stand, or how they get there."""
    return await in_database_thread(request, _caption_location, request, photo)


def _caption_location(request: web.Request, photo: Photo) -> CaptionLocation:
    pending = request.config_dict[LIBRARY].corrections.pending_caption(photo.id)
    if photo.caption_by is CaptionBy.PERSON and photo.correction is None:
        return CaptionLocation()  # another program put them where they are
    if not (pending.waiting or pending.missing or pending.failed):
        return (
            _where_marked(photo) if photo.wrong and photo.correction is None else CaptionLocation(caption_place(photo))
        )
    settings = request.config_dict[SETTINGS]
    if photo.wrong and photo.correction is None:
        return _on_their_way_out(settings, pending)
    if settings.captions == "off" and photo.correction:
        return _kept(CAPTIONS_OFF)
    way = _BESIDE if settings.captions == "sidecar" else _INTO
    return _on_their_way(photo, pending, way, indexing=bool(indexing_process(settings.data_dir)))


def _where_marked(photo: Photo) -> CaptionLocation:
    """Words that were marked as wrong are out of the files, but for files that must not be touched."""
    if photo.caption_reason in {None, WRONG, UNDONE, CAPTIONS_OFF, UNSURE, NOTHING_SEEN}:
        return CaptionLocation()
    return CaptionLocation(gettext("still in the file: %(reason)s", reason=clean(translate(photo.caption_reason))))


def _on_their_way_out(settings: Settings, pending: PendingCaption) -> CaptionLocation:
    """Of words that were marked as wrong."""
    if settings.captions == "off" or not pending.waiting:
        return CaptionLocation()
    if indexing_process(settings.data_dir):
        return CaptionLocation(gettext("being taken out of the photo"), moving=True)
    return CaptionLocation(gettext("taken out of the photo as soon as recollect is indexing again"))


@dataclass(frozen=True, slots=True)
class _Way:
    """What is said of words on their way to one place."""

    going: str
    waiting: str
    later: str
    there: str


_INTO = _Way(
    N_("being written into the photo"),
    N_("to be written into the photo, and known to search, as soon as recollect is indexing again"),
    N_("to be written into the photo when its file is back"),
    N_("written into the photo"),
)
_BESIDE = _Way(
    N_("being written beside the photo"),
    N_("to be written beside the photo, and known to search, as soon as recollect is indexing again"),
    N_("to be written beside the photo when its file is back"),
    N_("written beside the photo"),
)


def _on_their_way(photo: Photo, pending: PendingCaption, way: _Way, *, indexing: bool) -> CaptionLocation:
    if pending.waiting and indexing:
        return CaptionLocation(translate(way.going), moving=True)
    if pending.waiting:
        return CaptionLocation(translate(way.waiting))
    if pending.failed:
        return _kept(pending.failed)
    if pending.missing == photo.file_count:
        return CaptionLocation(translate(way.later))
    there = caption_place(photo) or translate(way.there)
    return CaptionLocation(
        gettext("%(there)s; into the copies that are not there just now when they are back", there=there)
    )


def _kept(reason: Reason) -> CaptionLocation:
    return CaptionLocation(gettext("kept in the catalogue only: %(reason)s", reason=clean(translate(reason))))
