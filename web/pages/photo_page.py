"""One photo's page: the photo's data, its neighbours in the search that found it, and the forms on it.

The forms work without the script.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from aiohttp import web

from indexer.catalogue.corrections import UnusableCorrection
from indexer.errors import SearchError
from indexer.jobs.pipeline import UNSURE
from indexer.message import N_
from indexer.model import LISTED_FILES, CaptionBy, CaptionPlace, Photo, PhotoFile, iso_date
from indexer.places import places_of
from indexer.search import FilterError, Hit, Sort
from web.app_keys import LIBRARY, PEOPLE_SWITCH, SETTINGS, in_database_thread
from web.downloads.media import SHOWN_EVERYWHERE
from web.i18n.language import bytes_text, translate
from web.links import original_url, photo_url, search_url, thumbnail_url
from web.pages.corrections import CaptionLocation, caption_location, change_words, correct, set_wrong, take_back
from web.presenters import (
    MatchReason,
    Piece,
    Tile,
    caption_field,
    caption_pieces,
    clean,
    file_name,
    fit_size,
    match_reasons,
    supported_matches,
    tile,
)
from web.request_bodies import read_fields
from web.search.query_text import quote
from web.search.results import Link
from web.search.searching import (
    MAX_OFFSET,
    PHOTOS_PER_PAGE,
    Search,
    WrongRequest,
    originating_search,
    read_number,
    read_search,
    run_search,
    run_similar,
)
from web.search.summaries import SUMMARIES
from web.templating import render

_SIMILAR = 12
_SIBLINGS = 60
_HEADLINE = 160  # characters: a caption that is longer is read as a text, not as a headline
_NEIGHBOURHOOD = 12  # the photo is looked for so far around its remembered position, as photos come and go
_MOST_TAGS = 16
_PATIENCE_S = 3.0  # the longest that the page waits for neighbours and similar photos


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Where a photo stands in its search. Addresses are empty at the ends, `position` counts from 1."""

    back: str
    text: str
    hit: Hit | None = None
    position: int = 0
    total: int = 0
    previous: str = ""
    next: str = ""
    preload: str = ""  # the next photo's picture


@dataclass(frozen=True, slots=True)
class FileView:
    """One file that shows the photo."""

    file: PhotoFile
    folders: tuple[Link, ...]  # each level of its folder
    name: str
    size: str


@dataclass(frozen=True, slots=True)
class Draft:
    """The text in a form; where it could not be kept, why."""

    text: str
    problem: str = ""


@dataclass(frozen=True, slots=True)
class PhotoView:
    """What the template shows of a photo beside what the photo says itself."""

    photo: Photo
    search: tuple[str, Sort | None, int | None]  # that it was found by, as `photo_url` takes it
    title: str
    caption: tuple[Piece, ...]
    is_long: bool
    by_person: bool
    caption_draft: Draft  # what the form of the caption begins with
    words_draft: Draft  # what the form of words begins with
    added: tuple[Link, ...]  # words that people added
    machine: str  # the model's own sentence where another, or none, is shown in its place
    other_caption: str  # another program's words in the file, where a correction is shown in their place
    model: str
    not_in_file: bool  # the sentence is not in the file, as the model is not sure of it
    confidence_percent: int
    caption_location: CaptionLocation
    picture: str
    detail: str  # the original, where browsers show its kind and it has more pixels than `picture`; else empty
    width: int
    height: int
    reasons: tuple[MatchReason, ...]
    tags: tuple[tuple[Link, int], ...]  # words that the model believes are true of the picture, in percent
    keywords: tuple[Link, ...]
    people: tuple[Link, ...]
    places: tuple[Link, ...]
    files: tuple[FileView, ...]  # the first few
    neighbours: Neighbours
    siblings: tuple[Tile, ...]  # the others of its stack, the first few
    more_siblings: int
    similar: tuple[Tile, ...]
    people_on: bool  # whether faces can be shown

    @property
    def taken_iso(self) -> str:
        """ISO 8601, as far as the date is known."""
        metadata = self.photo.metadata
        return iso_date(metadata.taken_at, metadata.taken_precision) if metadata.taken_at else ""


async def photo_view(
    request: web.Request,
    photo: Photo,
    *,
    caption_draft: Draft | None = None,
    words_draft: Draft | None = None,
    whole: bool = True,
) -> PhotoView:
    """With the photo's neighbours and (where `whole`) similar photos; without them where the search fails."""
    siblings = await in_database_thread(request, request.config_dict[LIBRARY].stacks.members, photo.id)
    siblings = [one for one in siblings if one != photo.id]
    grid_px = request.config_dict[SETTINGS].grid_px
    neighbours, stack, similar, places, location, people_on = await asyncio.gather(
        _neighbours(request, photo),
        in_database_thread(request, request.config_dict[LIBRARY].summaries, siblings[:_SIBLINGS]),
        _similar(request, photo, _SIMILAR if whole else 0),
        in_database_thread(request, places_of, photo.metadata.position),
        caption_location(request, photo),
        request.config_dict[PEOPLE_SWITCH].get(request),
    )
    metadata, machine = photo.metadata, photo.machine
    width, height = fit_size(metadata, request.config_dict[SETTINGS].screen_px)
    by_person = photo.caption_by is CaptionBy.PERSON
    why = supported_matches(photo, neighbours.hit.why) if neighbours.hit else ()
    return PhotoView(
        photo=photo,
        search=originating_search(request.query),
        title=clean(photo.caption or metadata.title or "") or file_name(photo),
        caption=caption_pieces(photo, why),
        is_long=len(photo.caption or "") > _HEADLINE,
        by_person=by_person,
        caption_draft=caption_draft or Draft(clean(photo.caption or "")),
        words_draft=words_draft or Draft(""),
        added=_filter_links("tag", photo.added_words),
        machine=clean(machine.text) if machine and (by_person or photo.wrong) else "",
        other_caption=_other_caption(photo),
        model=clean(machine.model) if machine else "",
        not_in_file=photo.caption_place is CaptionPlace.INDEX and photo.caption_reason == UNSURE,
        confidence_percent=round(machine.confidence * 100) if machine else 0,
        caption_location=location,
        picture=thumbnail_url(request, photo.id, "screen"),
        detail=_detail(photo, width),
        width=width,
        height=height,
        reasons=match_reasons(why, leave_out=caption_field(photo)),
        tags=_tags(photo),
        keywords=_filter_links("tag", metadata.keywords),
        people=_filter_links("person", photo.people),
        places=_filter_links("place", places),
        files=tuple(map(_file_view, photo.files)),
        neighbours=neighbours,
        siblings=tuple(tile(one, Hit(one.id, 0, ()), at, grid_px) for at, one in enumerate(stack)),
        more_siblings=len(siblings[_SIBLINGS:]),
        similar=similar,
        people_on=people_on,
    )


def _other_caption(photo: Photo) -> str:
    words = photo.metadata.person_caption
    return clean(words) if words and photo.correction is not None and words != photo.correction else ""


def _tags(photo: Photo) -> tuple[tuple[Link, int], ...]:
    tags = photo.accepted_machine.sure_tags[:_MOST_TAGS] if photo.accepted_machine else ()
    links = _filter_links("tag", [tag.word for tag in tags])
    return tuple((link, round(tag.probability * 100)) for link, tag in zip(links, tags, strict=True))


def _filter_links(name: str, values: Iterable[str]) -> tuple[Link, ...]:
    return tuple(Link(clean(value), _filter_url(name, value)) for value in values)


def _filter_url(name: str, value: str) -> str:
    return search_url(f"{name}:{quote(value)}")


def _file_view(file: PhotoFile) -> FileView:
    folder, name = (clean(part) for part in os.path.split(file.relative))
    parts = folder.split("/") if folder else []
    levels = accumulate(parts, "{}/{}".format)
    folders = tuple(Link(part, _filter_url("folder", level)) for part, level in zip(parts, levels, strict=True))
    return FileView(file, folders, name, bytes_text(file.stamp.size))


def _detail(photo: Photo, width: int) -> str:
    present = next((file for file in photo.files if not file.missing), None)
    if present is None or photo.metadata.mime_type not in SHOWN_EVERYWHERE or photo.metadata.width_px <= width:
        return ""
    return original_url(photo.id, present.id)


async def _similar(request: web.Request, photo: Photo, limit: int) -> tuple[Tile, ...]:
    if not limit:
        return ()
    try:
        async with asyncio.timeout(_PATIENCE_S):
            found = await run_similar(request, photo.id, limit, request.config_dict[SUMMARIES].read)
    except (SearchError, TimeoutError):
        return ()
    grid_px = request.config_dict[SETTINGS].grid_px
    return tuple(tile(one.photo, one.hit, at, grid_px, folded=True) for at, one in enumerate(found))


async def _neighbours(request: web.Request, photo: Photo) -> Neighbours:
    try:
        birthdays = request.config_dict[SETTINGS].birthday_dates
        search = read_search(request.query, limit=1, most=1, birthdays=birthdays)
        at = min(read_number(request.query, "at", 0, least=0), MAX_OFFSET)
    except WrongRequest:
        return Neighbours(back=search_url(), text="")
    back = search_url(search.text, search.sort, page=at // PHOTOS_PER_PAGE + 1)
    plain = Neighbours(back=back, text=search.text)
    if "at" not in request.query:
        return plain
    first = max(0, at - _NEIGHBOURHOOD)
    try:
        async with asyncio.timeout(_PATIENCE_S):
            around = replace(search, limit=at - first + _NEIGHBOURHOOD, offset=first)
            result = await run_search(request, around, request.config_dict[SUMMARIES].read)
    except (FilterError, SearchError, TimeoutError):
        return plain
    hits = [found.hit for found in result.photos]
    places = [index for index, hit in enumerate(hits) if hit.id == photo.id]
    # One that is folded is at the place of the one that stands for its stack.
    places += [at for at, found in enumerate(result.photos) if photo.stack and found.photo.stack == photo.stack]
    return _neighbours_of(request, search, back, hits, places[0], first, result.listed) if places else plain


def _neighbours_of(
    request: web.Request, search: Search, back: str, hits: Sequence[Hit], index: int, first: int, total: int
) -> Neighbours:
    def link(other: int) -> str:
        return photo_url(hits[other].id, search.text, search.sort, first + other) if 0 <= other < len(hits) else ""

    following = index + 1 < len(hits)
    return Neighbours(
        back=back,
        text=search.text,
        hit=hits[index],
        position=first + index + 1,
        total=total,
        previous=link(index - 1),
        next=link(index + 1),
        preload=thumbnail_url(request, hits[index + 1].id, "screen") if following else "",
    )


async def photo_page(request: web.Request) -> web.Response:
    """GET /photo/ID?q=&sort=&at=: one photo, and its neighbours in the search that it was found by.

    With ``part=about`` what is said of the photo only.
    """
    part = request.query.get("part") == "about"
    view = await photo_view(request, await requested_photo(request), whole=not part)
    return render(request, "_about.html" if part else "photo.html", {"view": view})


async def correct_caption(request: web.Request) -> web.Response:
    """POST /photo/ID/caption?q=&sort=&at= with ``text``: a person's words in the place of the caption, and back to
    the photo; 400 where they can't be a caption. With ``do=take-back`` the correction is withdrawn."""
    photo = await requested_photo(request)
    text, action = await read_fields(request, "text", "do")
    if action == "take-back":
        await take_back(request, photo.id)
        raise _redirect_to(request, photo)
    try:
        await correct(request, photo.id, text)
    except UnusableCorrection as error:
        view = await photo_view(request, photo, caption_draft=Draft(clean(text), translate(error.message)))
        return render(request, "photo.html", {"view": view}, status=400)
    raise _redirect_to(request, photo)


async def mark_wrong(request: web.Request) -> web.Response:
    """POST /photo/ID/wrong?q=&sort=&at=: what the model says is wrong, and back to the photo. With ``do=take-back`` the
    mark is taken off."""
    photo = await requested_photo(request)
    (action,) = await read_fields(request, "do")
    await set_wrong(request, photo.id, wrong=action != "take-back")
    raise _redirect_to(request, photo)


async def add_words(request: web.Request) -> web.Response:
    """POST /photo/ID/words?q=&sort=&at= with ``text``: words to find the photo by, commas between them, and back to
    the photo; 400 where they can't be kept. With ``remove`` that one is taken away."""
    photo = await requested_photo(request)
    text, removed = await read_fields(request, "text", "remove")
    try:
        await change_words(request, photo.id, add=() if removed else (text,), remove=(removed,) if removed else ())
    except UnusableCorrection as error:
        view = await photo_view(request, photo, words_draft=Draft(clean(text), translate(error.message)))
        return render(request, "photo.html", {"view": view}, status=400)
    raise _redirect_to(request, photo)


def _redirect_to(request: web.Request, photo: Photo) -> web.HTTPSeeOther:
    return web.HTTPSeeOther(photo_url(photo.id, *originating_search(request.query)))


async def requested_photo(request: web.Request) -> Photo:
    """The photo that the address names. Raises `HTTPNotFound`."""
    library, photo_id = request.config_dict[LIBRARY], request.match_info["id"]
    photo = await in_database_thread(request, library.photo, photo_id, most_files=LISTED_FILES)
    if photo is None:
        raise web.HTTPNotFound(
            text=N_("There is no photo with this address. It may have been deleted from the library.")
        )
    return photo
