"""Persons and faces for other programs: what the pages of people show, and every decision that they offer.

All but the list of persons and the switch answer 404 where faces are switched off.
"""

from __future__ import annotations

from typing import TypeGuard

from aiohttp import web

from indexer.catalogue.people import Person, StoredFace
from web.api.json_api import as_json
from web.api.photo_json import Json
from web.app_keys import LIBRARY, PEOPLE_SWITCH, in_database_thread
from web.links import face_url
from web.pages import people_changes
from web.pages.corrections import unknown_photo
from web.pages.people_changes import person_of, require_people
from web.presenters import clean
from web.request_bodies import read_object
from web.search.searching import WrongRequest, read_number

_PERSONS, _FACES, _MOST = 100, 100, 1000
_MOST_ID = 10**18


@as_json
async def people(request: web.Request) -> Json:
    """GET /api/people?ignored=1&limit=&offset=: ``{"on", "faces", "persons", "named", "photos_waiting", "people"}``.

    Whether faces are looked for, in numbers what was found, how many photos are to go, and the persons, those in the
    most photos first: ``id``, ``name`` (null where nobody gave one), ``ignored``, ``photos``, ``faces``, ``picture``
    (an address on this server). Without a name only those in a few photos at least. None where it is switched off.
    """
    limit = min(read_number(request.query, "limit", _PERSONS, least=1), _MOST)
    offset, ignored = read_number(request.query, "offset", 0, least=0), request.query.get("ignored") == "1"
    known, on = request.config_dict[LIBRARY].people, await request.config_dict[PEOPLE_SWITCH].get(request)
    counts = await in_database_thread(request, known.counts)
    persons = await in_database_thread(request, known.persons, ignored=ignored, limit=limit, offset=offset)
    return {
        "on": on,
        "faces": counts.faces,
        "persons": counts.persons,
        "named": counts.named,
        "photos_waiting": counts.photos_waiting,
        "people": [_person_json(one) for one in persons] if on else [],
    }


@as_json
async def person(request: web.Request) -> Json:
    """GET /api/people/ID?limit=&offset=: the person, a page of ``shown`` faces, the largest first, and ``candidates``:
    persons without a name that may be the same, the likeliest first."""
    limit = min(read_number(request.query, "limit", _FACES, least=1), _MOST)
    offset = read_number(request.query, "offset", 0, least=0)
    return await _person(request, (await person_of(request)).id, limit, offset)


@as_json
async def photo_faces(request: web.Request) -> Json:
    """GET /api/photos/ID/faces: ``{"faces": [...]}`` from left to right: ``id``, ``photo_id``, ``left``, ``top``,
    ``width``, ``height`` (fractions of the upright picture), ``score``, ``person_id``, ``name``, ``by`` (machine, file
    or person, or null), ``picture``. 404."""
    await require_people(request)
    library, photo_id = request.config_dict[LIBRARY], request.match_info["id"]
    if await in_database_thread(request, library.photo, photo_id, most_files=1) is None:
        raise unknown_photo()
    return {"faces": list(map(_face_json, await in_database_thread(request, library.people.faces_of, photo_id)))}


@as_json
async def name(request: web.Request) -> Json:
    """POST /api/people/ID/name with ``{"name": ...}``, null to take it away: answers as GET /api/people/ID, of whoever
    has the name then: where it was known, both are one person. 400, 404."""
    found, body = await person_of(request), await read_object(request)
    wanted = body.get("name")
    if "name" not in body or not (wanted is None or isinstance(wanted, str)):
        raise WrongRequest('The body is {"name": "a name"}, or null for none.')
    return await _person(request, await people_changes.name_person(request, found.id, wanted))


@as_json
async def merge(request: web.Request) -> Json:
    """POST /api/people/ID/merge with ``{"other": id}``: the other one's faces are this person's. 400, 404."""
    found = await person_of(request)
    await people_changes.merge_with(request, found.id, await _other(request))
    return await _person(request, found.id)


@as_json
async def distinct(request: web.Request) -> Json:
    """POST /api/people/ID/distinct with ``{"other": id}``: these are two persons, for ever. 400, 404."""
    found = await person_of(request)
    await people_changes.mark_distinct(request, found.id, await _other(request))
    return await _person(request, found.id)


@as_json
async def ignore(request: web.Request) -> Json:
    """POST /api/people/ID/ignore with ``{"ignored": true}`` or false: hidden from list and search. 400, 404."""
    found, ignored = await person_of(request), (await read_object(request)).get("ignored")
    if not isinstance(ignored, bool):
        raise WrongRequest('The body is {"ignored": true} or {"ignored": false}.')
    await people_changes.ignore_person(request, found.id, ignored=ignored)
    return await _person(request, found.id)


@as_json
async def name_face(request: web.Request) -> Json:
    """POST /api/faces/ID/name with ``{"name": ...}``: this face is that person, new or known; answers as GET
    /api/people/ID of them. 400, 404."""
    await require_people(request)
    wanted = (await read_object(request)).get("name")
    if not isinstance(wanted, str):
        raise WrongRequest('The body is {"name": "a name"}.')
    return await _person(request, await people_changes.name_face(request, int(request.match_info["id"]), wanted))


@as_json
async def take_faces(request: web.Request) -> Json:
    """POST /api/faces/not with ``{"faces": [ids]}``: they are not whom they are said to be. Answers ``{}``.
    400, 404."""
    await require_people(request)
    ids = (await read_object(request)).get("faces")
    if not (isinstance(ids, list) and ids and all(map(_is_id, ids))):
        raise WrongRequest('The body is {"faces": [numbers]}.')
    await people_changes.take_faces(request, ids)
    return {}


@as_json
async def undo(request: web.Request) -> Json:
    """POST /api/people/undo: takes the last decision back. Answers ``{"undone", "person_id"}``: name, unname,
    merge, split, assign, ignore, show or distinct, and whom it was about; null where there was none."""
    await require_people(request)
    undone = await people_changes.undo_last(request)
    return {"undone": undone and undone.kind, "person_id": undone and undone.person_id}


@as_json
async def switch(request: web.Request) -> Json:
    """POST /api/people/switch with ``{"on": true}`` or false: faces are looked for, or no longer; what was found stays.
    Answers ``{"on"}``. 400."""
    wanted = (await read_object(request)).get("on")
    if not isinstance(wanted, bool):
        raise WrongRequest('The body is {"on": true} or {"on": false}.')
    await people_changes.switch_people(request, on=wanted)
    return {"on": wanted}


@as_json
async def delete_all(request: web.Request) -> Json:
    """DELETE /api/people?keep=names: switches it off and deletes every vector, face and person, with ``keep=names`` but
    for those that have a name. Answers ``{}``."""
    await people_changes.delete_everything(request, keep_names=request.query.get("keep") == "names")
    return {}


async def _person(request: web.Request, person_id: int, limit: int = _FACES, offset: int = 0) -> Json:
    known = request.config_dict[LIBRARY].people
    found = await in_database_thread(request, known.person, person_id)
    if found is None:
        raise people_changes.unknown_person()
    faces = await in_database_thread(request, known.faces_of_person, person_id, limit=limit, offset=offset)
    candidates = await in_database_thread(request, known.candidates, person_id) if found.name else []
    return _person_json(found) | {
        "shown": list(map(_face_json, faces)),
        "candidates": [_person_json(one.person) | {"distance": round(one.distance, 4)} for one in candidates],
    }


async def _other(request: web.Request) -> int:
    other = (await read_object(request)).get("other")
    if not _is_id(other):
        raise WrongRequest('The body is {"other": the id of a person}.')
    return other


def _is_id(value: object) -> TypeGuard[int]:
    return type(value) is int and 0 <= value < _MOST_ID


def _person_json(person: Person) -> Json:
    return {
        "id": person.id,
        "name": None if person.name is None else clean(person.name),
        "ignored": person.ignored,
        "photos": person.photos,
        "faces": person.faces,
        "picture": face_url(person.face_id),
    }


def _face_json(face: StoredFace) -> Json:
    return {
        "id": face.id,
        "photo_id": face.photo_id,
        "left": round(face.box.left, 4),
        "top": round(face.box.top, 4),
        "width": round(face.box.width, 4),
        "height": round(face.box.height, 4),
        "score": round(face.score, 3),
        "person_id": face.person_id,
        "name": None if face.name is None else clean(face.name),
        "by": face.by,
        "picture": face_url(face.id),
    }
