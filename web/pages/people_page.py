"""The pages of people: everybody in the photos by their face, one person, and how to switch that on and delete it all.

The forms work without the script.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from aiohttp import web

from indexer.catalogue.corrections import UnusableCorrection
from indexer.catalogue.people import Person
from indexer.message import N_, Message
from indexer.search import Hit
from web.app_keys import LIBRARY, PEOPLE_SWITCH, SETTINGS, in_database_thread
from web.i18n.language import gettext, translate
from web.links import people_url, person_url, search_url
from web.pages.people_changes import (
    delete_everything,
    ignore_person,
    last_text,
    mark_distinct,
    merge_with,
    merge_with_named,
    name_person,
    person_of,
    require_people,
    switch_people,
    take_faces,
    undo_last,
)
from web.presenters import Tile, clean, tile
from web.request_bodies import read_fields, read_values
from web.search.query_text import quote
from web.search.searching import WrongRequest, read_number
from web.templating import render

_NAMED = 500  # a family's and its friends'
_UNNAMED = 48
_FACES = 60
_PHOTOS = 30
_LONGEST_ID = 18  # digits, of what SQLite counts with


@dataclass(frozen=True, slots=True)
class Problem:
    """Why what was typed was not kept; of which person, and in which of their forms."""

    text: str
    typed: str
    person_id: int
    form: str


def person_title(person: Person) -> str:
    """The name, or that there is none."""
    return clean(person.name) if person.name else gettext("Somebody without a name")


def person_search_url(name: str) -> str:
    """The photos of the person of this name."""
    return search_url(f"person:{quote(name)}")


async def people_page(request: web.Request, problem: Problem | None = None) -> web.Response:
    """GET /people?show=ignored&page=: those with a name, then the others, those in the most photos first; where faces
    are switched off, what switching them on would do."""
    people = request.config_dict[LIBRARY].people
    counts = await in_database_thread(request, people.counts)
    writes_names = request.config_dict[SETTINGS].writes_names
    if not await request.config_dict[PEOPLE_SWITCH].get(request):
        return render(request, "people_off.html", {"counts": counts, "writes_names": writes_names})
    page, show = _page(request), _show_of(request)
    ignored = show == "ignored"
    first = (page - 1) * _UNNAMED

    def read() -> tuple[Sequence[Person], Sequence[Person]]:
        named = people.persons(named=True, ignored=ignored, limit=_NAMED) if page == 1 else ()
        return named, people.persons(named=False, ignored=ignored, limit=_UNNAMED + 1, offset=first)

    named, unnamed = await in_database_thread(request, read)
    context = {
        "counts": counts,
        "writes_names": writes_names,
        "files": await in_database_thread(request, request.config_dict[LIBRARY].names_in_files.counts),
        "named": named,
        "unnamed": unnamed[:_UNNAMED],
        "ignored": ignored,
        "before": people_url(show=show, page=str(page - 1)) if page > 1 else "",
        "more": people_url(show=show, page=str(page + 1)) if len(unnamed) > _UNNAMED else "",
        "here": {"show": show, "page": str(page)},
    }
    return await _render(request, "people.html", context, problem)


async def person_page(request: web.Request, problem: Problem | None = None) -> web.Response:
    """GET /people/ID?page=: one person, who else may be the same, their photos and faces."""
    person = await person_of(request)
    people, page = request.config_dict[LIBRARY].people, _page(request)
    faces = await in_database_thread(
        request, people.faces_of_person, person.id, limit=_FACES + 1, offset=(page - 1) * _FACES
    )
    candidates = await in_database_thread(request, people.candidates, person.id, limit=1) if person.name else []
    photo_ids = await in_database_thread(request, people.photos_of, person.id, limit=_PHOTOS)
    context = {
        "person": person,
        "faces": faces[:_FACES],
        "candidate": candidates[0].person if candidates else None,
        "tiles": await _tiles(request, photo_ids),
        "all_photos": person_search_url(person.name) if person.name else "",
        "before": person_url(person.id, page=str(page - 1)) if page > 1 else "",
        "more": person_url(person.id, page=str(page + 1)) if len(faces) > _FACES else "",
    }
    return await _render(request, "person.html", context, problem)


def _page(request: web.Request) -> int:
    """The number of the page, 1 where the address has none that makes sense."""
    try:
        return read_number(request.query, "page", 1, least=1)
    except WrongRequest:
        return 1


def _show_of(request: web.Request) -> str:
    return "ignored" if request.query.get("show") == "ignored" else ""


async def _tiles(request: web.Request, photo_ids: Sequence[str]) -> tuple[Tile, ...]:
    photos = await in_database_thread(request, request.config_dict[LIBRARY].summaries, photo_ids)
    grid_px = request.config_dict[SETTINGS].grid_px
    return tuple(tile(one, Hit(one.id, 0, ()), at, grid_px) for at, one in enumerate(photos))


async def _render(
    request: web.Request, template: str, context: Mapping[str, object], problem: Problem | None
) -> web.Response:
    library = request.config_dict[LIBRARY]
    shared = {
        "names": await in_database_thread(request, library.people.names),
        "last": await in_database_thread(request, library.people_decisions.last),
        "problem": problem,
        "person_title": person_title,
        "last_text": last_text,
    }
    return render(request, template, {**context, **shared}, status=400 if problem else 200)


async def switch(request: web.Request) -> web.Response:
    """POST /people/switch with ``do``, on or off: faces are looked for from now on, or no longer."""
    (wanted,) = await read_fields(request, "do")
    if wanted not in {"on", "off"}:
        raise _nothing_to_do()
    await switch_people(request, on=wanted == "on")
    raise web.HTTPSeeOther(people_url())


async def deletion_page(request: web.Request) -> web.Response:
    """GET /people/delete: what is deleted, and the button that does it."""
    counts = await in_database_thread(request, request.config_dict[LIBRARY].people.counts)
    return render(request, "people_delete.html", {"counts": counts})


async def delete_all(request: web.Request) -> web.Response:
    """POST /people/delete: all faces are forgotten; with ``keep=names`` but for those that have a name."""
    (keep,) = await read_fields(request, "keep")
    await delete_everything(request, keep_names=keep == "names")
    raise web.HTTPSeeOther(people_url())


async def undo(request: web.Request) -> web.Response:
    """POST /people/undo with ``person``: the last decision is taken back, and back to that person's page or to all."""
    await require_people(request)
    (back,) = await read_fields(request, "person")
    undone, before = await undo_last(request), _number(back)
    people = request.config_dict[LIBRARY].people
    for person_id in () if before is None else (before, undone.person_id if undone else None):
        person = None if person_id is None else await in_database_thread(request, people.person, person_id)
        if person is not None:
            raise web.HTTPSeeOther(person_url(person.id))
    raise web.HTTPSeeOther(people_url())


async def change_person(request: web.Request) -> web.Response:
    """POST /people/ID?show=&page= with ``do``, a key of `_CHANGES`, and back to the person; with ``from=list`` to that
    page of all persons. 400 with the page where what was typed can't be kept."""
    person = await person_of(request)
    action, typed, origin = await read_fields(request, "do", "name", "from")
    change = _CHANGES.get(action)
    if change is None:
        raise _nothing_to_do()
    try:
        person_id = await change(request, person)
    except UnusableCorrection as error:
        problem = Problem(translate(error.message), clean(typed), person.id, action)
        return await (people_page if origin == "list" else person_page)(request, problem)
    people = request.config_dict[LIBRARY].people
    if origin == "list" or await in_database_thread(request, people.person, person_id) is None:
        raise web.HTTPSeeOther(people_url(show=_show_of(request), page=str(_page(request))))
    raise web.HTTPSeeOther(person_url(person_id))


async def _name(request: web.Request, person: Person) -> int:
    (typed,) = await read_fields(request, "name")
    return await name_person(request, person.id, typed)


async def _unname(request: web.Request, person: Person) -> int:
    return await name_person(request, person.id, None)


async def _merge(request: web.Request, person: Person) -> int:
    (typed,) = await read_fields(request, "name")
    return await merge_with_named(request, person.id, typed)


async def _ignore(request: web.Request, person: Person) -> int:
    await ignore_person(request, person.id, ignored=True)
    return person.id


async def _show(request: web.Request, person: Person) -> int:
    await ignore_person(request, person.id, ignored=False)
    return person.id


async def _take_faces(request: web.Request, person: Person) -> int:
    chosen = [_number(value) for value in await read_values(request, "face")]
    theirs = await _faces_of(request, person, [one for one in chosen if one is not None])
    if not theirs:
        raise UnusableCorrection(Message("No face was chosen."))
    await take_faces(request, theirs)
    return person.id


async def _faces_of(request: web.Request, person: Person, face_ids: Sequence[int]) -> list[int]:
    """Those of them that are this person's still: the page may be an old one."""
    people = request.config_dict[LIBRARY].people

    def read() -> list[int]:
        faces = map(people.face, face_ids)
        return [one.id for one in faces if one is not None and one.person_id == person.id]

    return await in_database_thread(request, read)


async def _same(request: web.Request, person: Person) -> int:
    await merge_with(request, person.id, await _other(request))
    return person.id


async def _not_same(request: web.Request, person: Person) -> int:
    await mark_distinct(request, person.id, await _other(request))
    return person.id


async def _other(request: web.Request) -> int:
    (other,) = await read_fields(request, "other")
    other_id = _number(other)
    if other_id is None:
        raise _nothing_to_do()
    return other_id


_CHANGES: Mapping[str, Callable[[web.Request, Person], Awaitable[int]]] = MappingProxyType(
    {
        "name": _name,
        "unname": _unname,
        "merge": _merge,
        "ignore": _ignore,
        "show": _show,
        "not": _take_faces,
        "yes": _same,
        "no": _not_same,
    }
)


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _LONGEST_ID else None


def _nothing_to_do() -> web.HTTPBadRequest:
    return web.HTTPBadRequest(text=N_("That form does not say what to do."))
