"""The page of one photo, and the forms on it. They work without the script."""

from __future__ import annotations

from aiohttp import web

from indexer.catalogue.corrections import UnusableCorrection
from indexer.message import N_
from indexer.model import LISTED_FILES, Photo
from web.app_keys import LIBRARY, in_database_thread
from web.i18n.language import translate
from web.links import photo_url
from web.pages.corrections import correct, take_back
from web.pages.feedback import change_words, judge
from web.pages.photo_view import Draft, photo_view
from web.request_bodies import read_fields
from web.search.searching import found_by
from web.templating import render


async def photo_page(request: web.Request) -> web.Response:
    """GET /photo/ID?q=&sort=&at=: one photo, and its neighbours in the search that it was found by.

    With ``part=about`` what is said of the photo only.
    """
    part = request.query.get("part") == "about"
    view = await photo_view(request, await _photo(request), whole=not part)
    return render(request, "_about.html" if part else "photo.html", {"view": view})


async def correct_caption(request: web.Request) -> web.Response:
    """POST /photo/ID/caption?q=&sort=&at= with ``text``: a person's words in the place of the caption, and back to
    the photo; 400 where they can't be a caption. With ``do=take-back`` the correction is withdrawn."""
    photo = await _photo(request)
    text, what = await read_fields(request, "text", "do")
    if what == "take-back":
        await take_back(request, photo.id)
        raise _back_to(request, photo)
    try:
        await correct(request, photo.id, text)
    except UnusableCorrection as error:
        return await _refused(request, photo, caption=Draft(text, translate(error.message)))
    raise _back_to(request, photo)


async def mark_wrong(request: web.Request) -> web.Response:
    """POST /photo/ID/wrong?q=&sort=&at=: what the model says is wrong, and back to the photo. With ``do=take-back`` the
    mark is taken off."""
    photo = await _photo(request)
    (what,) = await read_fields(request, "do")
    await judge(request, photo.id, wrong=what != "take-back")
    raise _back_to(request, photo)


async def add_words(request: web.Request) -> web.Response:
    """POST /photo/ID/words?q=&sort=&at= with ``text``: words to find the photo by, commas between them, and back to
    the photo; 400 where they can't be kept. With ``remove`` that one is taken away."""
    photo = await _photo(request)
    text, gone = await read_fields(request, "text", "remove")
    try:
        await change_words(request, photo.id, add=() if gone else (text,), remove=(gone,) if gone else ())
    except UnusableCorrection as error:
        return await _refused(request, photo, words=Draft(text, translate(error.message)))
    raise _back_to(request, photo)


async def _refused(
    request: web.Request, photo: Photo, *, caption: Draft | None = None, words: Draft | None = None
) -> web.Response:
    """The page with what was typed still in its form, and why it was not kept."""
    view = await photo_view(request, photo, draft=caption, draft_words=words)
    return render(request, "photo.html", {"view": view}, status=400)


def _back_to(request: web.Request, photo: Photo) -> web.HTTPSeeOther:
    return web.HTTPSeeOther(photo_url(photo.id, *found_by(request.query)))


async def _photo(request: web.Request) -> Photo:
    library, photo_id = request.config_dict[LIBRARY], request.match_info["id"]
    photo = await in_database_thread(request, library.photo, photo_id, most_files=LISTED_FILES)
    if photo is None:
        raise web.HTTPNotFound(
            text=N_("There is no photo with this address. It may have been deleted from the library.")
        )
    return photo
