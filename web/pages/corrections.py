"""Captions corrected on the page. Nothing is written into photos from here: the durable queue does that."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from indexer.catalogue.corrections import WordsPending
from indexer.correction import corrected_text
from indexer.jobs.pipeline import CAPTIONS_OFF, NOTHING_SEEN, UNDONE, UNSURE, WRONG
from indexer.message import N_
from indexer.model import CaptionBy, Photo
from indexer.reasons import Reason
from indexer.settings import Settings
from indexer.storage import indexing_process
from web.app_keys import LIBRARY, SETTINGS, WAKE, in_thread
from web.i18n.language import marked, said, text, told
from web.presenters import caption_place, clean


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Where the words that are shown stand, in a sentence's words; `moving` while that is about to change."""

    text: str = ""
    moving: bool = False


async def correct(request: web.Request, photo_id: str, typed: str) -> None:
    """Keeps a person's words for a photo, and has them written into its files.

    Raises `UnusableCorrection` with the reason, `HTTPNotFound` for an unknown photo.
    """
    words = corrected_text(typed)
    if not await in_thread(request, request.config_dict[LIBRARY].corrections.correct, photo_id, words):
        raise web.HTTPNotFound(text=N_("There is no photo with this id."))
    request.config_dict[WAKE]()


async def take_back(request: web.Request, photo_id: str) -> None:
    """Withdraws the correction; does nothing where there is none."""
    if await in_thread(request, request.config_dict[LIBRARY].corrections.take_back, photo_id):
        request.config_dict[WAKE]()


async def whereabouts(request: web.Request, photo: Photo) -> Whereabouts:
    """Where the words of a photo stand, or how they get there."""
    return await in_thread(request, _whereabouts, request, photo)


def _whereabouts(request: web.Request, photo: Photo) -> Whereabouts:
    pending = request.config_dict[LIBRARY].corrections.words_pending(photo.id)
    if photo.caption_by is CaptionBy.PERSON and photo.correction is None:
        return Whereabouts()  # another program put them where they are
    if not (pending.waiting or pending.missing or pending.failed):
        return _where_marked(photo) if photo.wrong and photo.correction is None else Whereabouts(caption_place(photo))
    settings = request.config_dict[SETTINGS]
    if photo.wrong and photo.correction is None:
        return _on_their_way_out(settings, pending)
    if settings.captions == "off" and photo.correction:
        return _kept(CAPTIONS_OFF)
    way = _BESIDE if settings.captions == "sidecar" else _INTO
    return _on_their_way(photo, pending, way, indexing=bool(indexing_process(settings.data_dir)))


def _where_marked(photo: Photo) -> Whereabouts:
    """Words that were marked as wrong are out of the files, but for files that must not be touched."""
    if photo.caption_reason in {None, WRONG, UNDONE, CAPTIONS_OFF, UNSURE, NOTHING_SEEN}:
        return Whereabouts()
    return Whereabouts(text("still in the file: %(reason)s", reason=clean(said(photo.caption_reason))))


def _on_their_way_out(settings: Settings, pending: WordsPending) -> Whereabouts:
    """Of words that were marked as wrong."""
    if settings.captions == "off" or not pending.waiting:
        return Whereabouts()
    if indexing_process(settings.data_dir):
        return Whereabouts(text("being taken out of the photo"), moving=True)
    return Whereabouts(text("taken out of the photo as soon as recollect is indexing again"))


@dataclass(frozen=True, slots=True)
class _Way:
    """What is said of words on their way to one place."""

    going: str
    waiting: str
    later: str
    there: str


_INTO = _Way(
    marked("being written into the photo"),
    marked("to be written into the photo, and known to search, as soon as recollect is indexing again"),
    marked("to be written into the photo when its file is back"),
    marked("written into the photo"),
)
_BESIDE = _Way(
    marked("being written beside the photo"),
    marked("to be written beside the photo, and known to search, as soon as recollect is indexing again"),
    marked("to be written beside the photo when its file is back"),
    marked("written beside the photo"),
)


def _on_their_way(photo: Photo, pending: WordsPending, way: _Way, *, indexing: bool) -> Whereabouts:
    if pending.waiting and indexing:
        return Whereabouts(told(way.going), moving=True)
    if pending.waiting:
        return Whereabouts(told(way.waiting))
    if pending.failed:
        return _kept(pending.failed)
    if pending.missing == photo.file_count:
        return Whereabouts(told(way.later))
    there = caption_place(photo) or told(way.there)
    return Whereabouts(text("%(there)s; into the copies that are not there just now when they are back", there=there))


def _kept(reason: Reason) -> Whereabouts:
    return Whereabouts(text("kept in the catalogue only: %(reason)s", reason=clean(said(reason))))
