"""The faces of one photo, shown on demand over its picture, and named there.

Without the script they are a page of their own.
"""

from __future__ import annotations

from aiohttp import web

from indexer.catalogue.corrections import UnusableCorrection
from indexer.catalogue.people import StoredFace
from indexer.message import N_
from web.app_keys import LIBRARY, in_database_thread
from web.i18n.language import translate
from web.links import form_url, photo_url
from web.pages.people_changes import last_text, name_face, require_people, take_faces, undo_last, unknown_face
from web.pages.photo_page import requested_photo
from web.presenters import clean, file_name, message_text
from web.request_bodies import read_fields
from web.search.searching import originating_search
from web.templating import render


async def photo_faces(request: web.Request, *, refused: int = 0, problem: str = "", typed: str = "") -> web.Response:
    """GET /photo/ID/faces?q=&sort=&at=: a photo's faces from left to right; with ``part=faces`` nothing around them.
    `problem` is why `typed` was not kept for the face `refused`."""
    await require_people(request)
    photo, library = await requested_photo(request), request.config_dict[LIBRARY]
    search, refused_reasons = originating_search(request.query), library.names_in_files.refused_reasons
    context = {
        "photo": photo,
        "title": clean(photo.caption or photo.metadata.title or "") or file_name(photo),
        "faces": await in_database_thread(request, library.people.faces_of, photo.id),
        "names": await in_database_thread(request, library.people.names),
        "last": await in_database_thread(request, library.people_decisions.last),
        "unwritten": [message_text(one) for one in await in_database_thread(request, refused_reasons, photo.id)],
        "last_text": last_text,
        "action": form_url("faces", photo.id, *search),
        "back": photo_url(photo.id, *search),
        "refused": refused,
        "problem": problem,
        "typed": typed,
    }
    template = "_faces.html" if request.query.get("part") == "faces" else "faces.html"
    return render(request, template, context, status=400 if problem else 200)


async def change_face(request: web.Request) -> web.Response:
    """POST /photo/ID/faces?q=&sort=&at= with ``face`` and ``do``, "name" (with ``name``) or "not" (whom it is said to
    be), or with ``do=undo`` alone, and back to the faces. 400 with the faces where the name can't be kept."""
    await require_people(request)
    photo = await requested_photo(request)
    action, chosen, typed = await read_fields(request, "do", "face", "name")
    if action == "undo":
        await undo_last(request)
    else:
        face = await _face(request, photo.id, chosen)
        try:
            await _change(request, face, action, typed)
        except UnusableCorrection as error:
            return await photo_faces(request, refused=face.id, problem=translate(error.message), typed=clean(typed))
    raise web.HTTPSeeOther(form_url("faces", photo.id, *originating_search(request.query)))


async def _change(request: web.Request, face: StoredFace, action: str, typed: str) -> None:
    if action == "name":
        await name_face(request, face.id, typed)
    elif action == "not":
        await take_faces(request, [face.id])
    else:
        raise web.HTTPBadRequest(text=N_("That form does not say what to do."))


async def _face(request: web.Request, photo_id: str, chosen: str) -> StoredFace:
    number = int(chosen) if chosen.isascii() and chosen.isdigit() and len(chosen) <= 18 else -1
    face = await in_database_thread(request, request.config_dict[LIBRARY].people.face, number)
    if face is None or face.photo_id != photo_id:
        raise unknown_face()
    return face
