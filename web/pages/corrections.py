"""What people correct: captions, added words, and marks on what the model says wrongly.

Nothing is written into photos from here: the durable queue does that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from aiohttp import web

from indexer.catalogue.corrections import PendingCaption, added_words, corrected_text
from indexer.jobs.pipeline import CAPTIONS_OFF, NOTHING_SEEN, UNDONE, UNSURE, WRONG
from indexer.message import N_
from indexer.model import CaptionBy, Photo
from indexer.reasons import Reason
from indexer.settings import Settings
from indexer.storage import indexing_process
from web.app_keys import LIBRARY, SETTINGS, WAKE, in_database_thread
from web.i18n.language import gettext, translate
from web.presenters import caption_place, message_text


@dataclass(frozen=True, slots=True)
class CaptionLocation:
    """Where the words that are shown stand, in a sentence's words; `pending` while that is about to change."""

    text: str = ""
    pending: bool = False


async def correct(request: web.Request, photo_id: str, typed: str) -> None:
    """Keeps a person's words for a photo, and has them written into its files.

    Raises `UnusableCorrection` with the reason, `HTTPNotFound` for an unknown photo.
    """
    words = corrected_text(typed)
    if not await _change(request, request.config_dict[LIBRARY].corrections.correct, photo_id, words):
        raise unknown_photo()


async def take_back(request: web.Request, photo_id: str) -> None:
    """Withdraws the correction; does nothing where there is none."""
    await _change(request, request.config_dict[LIBRARY].corrections.withdraw, photo_id)


async def set_wrong(request: web.Request, photo_id: str, *, wrong: bool) -> None:
    """Marks what the model says of a photo as wrong, or takes the mark back; does nothing where that is so already."""
    feedback = request.config_dict[LIBRARY].feedback
    await _change(request, feedback.mark_wrong if wrong else feedback.unmark_wrong, photo_id)


async def change_words(
    request: web.Request, photo_id: str, *, add: Iterable[str] = (), remove: Iterable[str] = ()
) -> None:
    """Adds words that a photo is found by, as they were typed, and takes others away. Raises as `correct`."""
    typed = list(add)
    change = partial(
        request.config_dict[LIBRARY].feedback.change_words, add=added_words(typed) if typed else (), remove=list(remove)
    )
    if not await _change(request, change, photo_id):
        raise unknown_photo()


def unknown_photo() -> web.HTTPNotFound:
    """The answer where no photo has the id of a request."""
    return web.HTTPNotFound(text=N_("There is no photo with this id."))


async def _change(request: web.Request, change: Callable[..., bool], *args: str) -> bool:
    """Makes `change`; whether it changed anything, which wakes the indexer."""
    changed = await in_database_thread(request, change, *args)
    if changed:
        request.config_dict[WAKE]()
    return changed


async def caption_location(request: web.Request, photo: Photo) -> CaptionLocation:
    """Where the words of a photo stand, or what becomes of them next."""
    return await in_database_thread(request, _caption_location, request, photo)


def _caption_location(request: web.Request, photo: Photo) -> CaptionLocation:
    pending = request.config_dict[LIBRARY].corrections.pending_caption(photo.id)
    if photo.caption_by is CaptionBy.PERSON and photo.correction is None:
        return CaptionLocation()  # another program put them where they are
    refuted = photo.wrong and photo.correction is None
    if not (pending.waiting or pending.missing or pending.failed):
        return _location_if_wrong(photo) if refuted else CaptionLocation(caption_place(photo))
    settings = request.config_dict[SETTINGS]
    if refuted:
        return _removal_location(settings, pending)
    if settings.captions == "off" and photo.correction:
        return _catalogue_only(CAPTIONS_OFF)
    texts = _BESIDE if settings.captions == "sidecar" else _INTO
    return _pending_location(photo, pending, texts, indexing=bool(indexing_process(settings.data_dir)))


def _location_if_wrong(photo: Photo) -> CaptionLocation:
    """Words that were marked as wrong have been removed from the files, except from those that can't be edited."""
    if photo.caption_reason in {None, WRONG, UNDONE, CAPTIONS_OFF, UNSURE, NOTHING_SEEN}:
        return CaptionLocation()
    return CaptionLocation(gettext("still in the file: %(reason)s", reason=message_text(photo.caption_reason)))


def _removal_location(settings: Settings, pending: PendingCaption) -> CaptionLocation:
    """Where words that were marked as wrong are, while they wait to be removed."""
    if settings.captions == "off" or not pending.waiting:
        return CaptionLocation()
    if indexing_process(settings.data_dir):
        return CaptionLocation(gettext("being taken out of the photo"), pending=True)
    return CaptionLocation(gettext("taken out of the photo as soon as recollect is indexing again"))


@dataclass(frozen=True, slots=True)
class _PendingTexts:
    """The texts about a caption that has yet to be written to one place."""

    writing: str
    queued: str
    file_missing: str
    written: str


_INTO = _PendingTexts(
    N_("being written into the photo"),
    N_("to be written into the photo, and known to search, as soon as recollect is indexing again"),
    N_("to be written into the photo when its file is back"),
    N_("written into the photo"),
)
_BESIDE = _PendingTexts(
    N_("being written beside the photo"),
    N_("to be written beside the photo, and known to search, as soon as recollect is indexing again"),
    N_("to be written beside the photo when its file is back"),
    N_("written beside the photo"),
)


def _pending_location(
    photo: Photo, pending: PendingCaption, texts: _PendingTexts, *, indexing: bool
) -> CaptionLocation:
    if pending.waiting and indexing:
        return CaptionLocation(translate(texts.writing), pending=True)
    if pending.waiting:
        return CaptionLocation(translate(texts.queued))
    if pending.failed:
        return _catalogue_only(pending.failed)
    if pending.missing == photo.file_count:
        return CaptionLocation(translate(texts.file_missing))
    there = caption_place(photo) or translate(texts.written)
    return CaptionLocation(
        gettext("%(there)s; into the copies that are not there just now when they are back", there=there)
    )


def _catalogue_only(reason: Reason) -> CaptionLocation:
    return CaptionLocation(gettext("kept in the catalogue only: %(reason)s", reason=message_text(reason)))
