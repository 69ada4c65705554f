"""The page of one photo, and the form on it that corrects the caption. It works without the script."""

from __future__ import annotations

from aiohttp import web

from indexer.correction import UnusableCorrection
from indexer.photo import Photo
from web.bodies import read_fields
from web.correcting import correct, take_back
from web.doors import LIBRARY, in_thread
from web.links import photo_url
from web.photo_view import Draft, photo_view
from web.searching import found_by
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
        raise web.HTTPSeeOther(photo_url(photo.id, *found_by(request.query)))
    try:
        await correct(request, photo.id, text)
    except UnusableCorrection as error:
        view = await photo_view(request, photo, draft=Draft(text, str(error)))
        return render(request, "photo.html", {"view": view}, status=400)
    raise web.HTTPSeeOther(photo_url(photo.id, *found_by(request.query)))


async def _photo(request: web.Request) -> Photo:
    photo = await in_thread(request, request.config_dict[LIBRARY].photo, request.match_info["id"])
    if photo is None:
        raise web.HTTPNotFound(text="There is no photo with this address. It may have been deleted from the library.")
    return photo
