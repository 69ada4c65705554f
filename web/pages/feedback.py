"""Words that people add to a photo, and marks on what the model says wrongly."""

from __future__ import annotations

from collections.abc import Iterable

from aiohttp import web

from indexer.catalogue.corrections import added_words
from indexer.message import N_
from web.app_keys import LIBRARY, WAKE, in_database_thread


async def judge(request: web.Request, photo_id: str, *, wrong: bool) -> None:
    """Marks what the model says of a photo as wrong, or takes the mark back; does nothing where that is so already."""
    library = request.config_dict[LIBRARY]
    if await in_database_thread(
        request, library.feedback.mark_wrong if wrong else library.feedback.unmark_wrong, photo_id
    ):
        request.config_dict[WAKE]()


async def change_words(
    request: web.Request, photo_id: str, *, add: Iterable[str] = (), remove: Iterable[str] = ()
) -> None:
    """Adds words that a photo is found by, as they were typed, and takes others away.

    Raises `UnusableCorrection` with the reason, `HTTPNotFound` for an unknown photo.
    """
    typed = list(add)
    words = added_words(typed) if typed else ()
    if not await in_database_thread(
        request, request.config_dict[LIBRARY].feedback.change_words, photo_id, add=words, remove=list(remove)
    ):
        raise web.HTTPNotFound(text=N_("There is no photo with this id."))
    request.config_dict[WAKE]()
