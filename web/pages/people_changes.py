"""What people decide about persons and faces, from pages and the API; the indexer hears of each decision."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from functools import partial
from types import MappingProxyType
from typing import ParamSpec, TypeVar

from aiohttp import web

from indexer.catalogue import Catalogue
from indexer.catalogue.corrections import UnusableCorrection
from indexer.catalogue.people import Person
from indexer.catalogue.people_decisions import LONGEST_NAME, Decision, DecisionKind, PeopleDecisions, person_name
from indexer.message import N_, Message
from indexer.people.vectors import FaceVectors, delete_people
from indexer.settings import Settings
from web.app_keys import COUNTS, LIBRARY, PEOPLE_SWITCH, SETTINGS, WAKE, in_database_thread
from web.i18n.language import translate

_LAST_TEXTS: Mapping[DecisionKind, str] = MappingProxyType(
    {
        DecisionKind.NAME: N_("A name was given."),
        DecisionKind.UNNAME: N_("A name was taken away."),
        DecisionKind.MERGE: N_("Two became one person."),
        DecisionKind.SPLIT: N_("Faces were taken from a person."),
        DecisionKind.ASSIGN: N_("A face was named."),
        DecisionKind.IGNORE: N_("A person is ignored."),
        DecisionKind.SHOW: N_("A person is shown again."),
        DecisionKind.DISTINCT: N_("Two persons are kept apart."),
    }
)

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


def last_text(decision: Decision) -> str:
    """What was decided last."""
    return translate(_LAST_TEXTS[decision.kind])


async def require_people(request: web.Request) -> None:
    """Raises `HTTPNotFound` where faces are switched off."""
    if not await request.config_dict[PEOPLE_SWITCH].get(request):
        raise web.HTTPNotFound(text=N_("recollect does not look for faces: that is switched off."))


async def person_of(request: web.Request) -> Person:
    """The person that the address names. Raises `HTTPNotFound`, where faces are switched off, too."""
    await require_people(request)
    people = request.config_dict[LIBRARY].people
    person = await in_database_thread(request, people.person, int(request.match_info["id"]))
    if person is None:
        raise unknown_person()
    return person


def unknown_person() -> web.HTTPNotFound:
    """The answer where nobody has the id of a request."""
    return web.HTTPNotFound(text=N_("There is no such person. It may have become one with another."))


def unknown_face() -> web.HTTPNotFound:
    """The answer where no face has the id of a request."""
    return web.HTTPNotFound(text=N_("There is no such face."))


def typed_name(typed: str) -> str:
    """A name as it is kept. Raises `UnusableCorrection` where it can't be one."""
    name = person_name(typed)
    if name is None:
        raise UnusableCorrection(
            Message(
                "A name has one character at least and %(most)s at most. Nothing was changed.",
                most=LONGEST_NAME,
            )
        )
    return name


async def name_person(request: web.Request, person_id: int, name: str | None) -> int:
    """Gives the name, or takes it away for None; gives who has it then: somebody else, where that name was known.

    Raises `UnusableCorrection`, `HTTPNotFound`.
    """
    changed = await _decide(request, _decisions(request).name, person_id, None if name is None else typed_name(name))
    if changed is None:
        raise unknown_person()
    return changed


async def name_face(request: web.Request, face_id: int, typed: str) -> int:
    """This face is the person of that name, whose id it gives. Raises `UnusableCorrection`, `HTTPNotFound`."""
    person_id = await _decide(request, _decisions(request).assign, face_id, typed_name(typed))
    if person_id is None:
        raise unknown_face()
    return person_id


async def merge_with(request: web.Request, person_id: int, other_id: int) -> None:
    """Both are one person. Raises `HTTPNotFound` where one of them is not there."""
    if not await _decide(request, _decisions(request).merge, person_id, other_id):
        raise unknown_person()


async def merge_with_named(request: web.Request, person_id: int, typed: str) -> int:
    """Both are one person, who keeps that name and whose id it gives. Raises `UnusableCorrection` where nobody else has
    the name, `HTTPNotFound`."""
    name, people = typed_name(typed), request.config_dict[LIBRARY].people
    other_id = await in_database_thread(request, people.person_named, name)
    if other_id is None or other_id == person_id:
        raise UnusableCorrection(Message("Nobody else is called %(name)s. Nothing was changed.", name=name))
    await merge_with(request, other_id, person_id)
    return other_id


async def mark_distinct(request: web.Request, person_id: int, other_id: int) -> None:
    """These are two persons. Raises `HTTPNotFound`."""
    if not await _decide(request, _decisions(request).mark_distinct, person_id, other_id):
        raise unknown_person()


async def take_faces(request: web.Request, face_ids: Sequence[int]) -> None:
    """These faces are not whom they are said to be. Raises `HTTPNotFound` where none of them is anybody's."""
    if not await _decide(request, _decisions(request).not_this_person, face_ids):
        raise unknown_face()


async def ignore_person(request: web.Request, person_id: int, *, ignored: bool) -> None:
    """Hides a person, or shows them again. Raises `HTTPNotFound`."""
    if not await _decide(request, partial(_decisions(request).ignore, ignored=ignored), person_id):
        raise unknown_person()


async def undo_last(request: web.Request) -> Decision | None:
    """Takes the last decision back; None where there was none."""
    return await _decide(request, _decisions(request).undo)


async def switch_people(request: web.Request, *, on: bool) -> None:
    """Has faces looked for, or no longer; what was found stays."""
    await _decide(request, partial(request.config_dict[LIBRARY].people.switch, on=on))
    await request.config_dict[PEOPLE_SWITCH].get(request)


async def delete_everything(request: web.Request, *, keep_names: bool) -> None:
    """Switches faces off and deletes every vector, face and person; `keep_names`: but for those that have a name, and
    where their faces are. Raises `OSError` where a file can't be deleted."""
    await _decide(request, _delete, request.config_dict[LIBRARY], request.config_dict[SETTINGS], keep_names)
    await request.config_dict[PEOPLE_SWITCH].get(request)


def _decisions(request: web.Request) -> PeopleDecisions:
    return request.config_dict[LIBRARY].people_decisions


async def _decide(
    request: web.Request, change: Callable[_Arguments, _Result], *args: _Arguments.args, **kwargs: _Arguments.kwargs
) -> _Result:
    """What `change` gives; where that is something, the indexer and the counts hear of it."""
    changed = await in_database_thread(request, change, *args, **kwargs)
    if changed is not False:
        request.config_dict[COUNTS].invalidate()
        request.config_dict[WAKE]()
    return changed


def _delete(library: Catalogue, settings: Settings, keep_names: bool) -> None:
    with closing(FaceVectors(settings.faces_path)) as vectors:
        delete_people(library, vectors, keep_names=keep_names)
