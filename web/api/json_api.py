"""The JSON API, for scripts and other programs of the house.

Every answer is an object; an error is ``{"error": {"status", "message", "hint"}}`` with the same status code, and
for a wrong filter also ``text`` (the wrong part) and ``suggestion`` (the nearest right one, or null). Where a
household password is set, requests need the session cookie that POST /login gives; without it they get 401.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import date
from functools import partial, wraps
from typing import TypeGuard

from aiohttp import web

from indexer.catalogue.corrections import UnusableCorrection
from indexer.cluster_report import cluster_json
from indexer.errors import SearchError, SetupError
from indexer.model import LISTED_FILES, Photo
from indexer.reasons import Reason
from indexer.search import FilterError
from web.api.photo_json import Json, hit_json, metadata_json, photo_json
from web.app_keys import COUNTS, LIBRARY, PROGRESS, SEARCH, SETTINGS, in_database_thread, in_search_thread
from web.pages.corrections import change_words, correct, set_wrong, take_back, unknown_photo
from web.pages.status_page import (
    LISTED_REFUSED,
    caption_models,
    cluster_state,
    enqueue_recaptioning,
    retry_set_aside,
    scan_now,
)
from web.presenters import clean
from web.request_bodies import read_object
from web.search.searching import (
    FACETS,
    WrongRequest,
    count_facets,
    read_fold,
    read_number,
    read_search,
    run_search,
    run_similar,
)

_HITS, _MOST_HITS = 50, 200
_SET_ASIDE, _MOST_SET_ASIDE = 100, 1000
_COUNTS = (
    *("photos", "files", "missing", "queued", "set_aside", "unpushed", "with_caption", "refused"),
    *("unreadable", "incomplete", "thumbnails_waiting", "faces_waiting"),
)


def as_json(handler: Callable[[web.Request], Awaitable[Json]]) -> Callable[[web.Request], Awaitable[web.Response]]:
    """Answers with the object that `handler` gives, and with a 400 for what it can't make sense of."""

    @wraps(handler)
    async def respond(request: web.Request) -> web.Response:
        try:
            return web.json_response(await handler(request))
        except FilterError as error:
            suggestion = clean(error.suggestion) if error.suggestion else None
            message, more = str(error), {"text": clean(error.text), "suggestion": suggestion}
        except (WrongRequest, UnusableCorrection) as error:
            message, more = str(error), {}
        return web.json_response({"error": {"status": 400, "message": clean(message), "hint": "", **more}}, status=400)

    return respond


@as_json
async def search(request: web.Request) -> Json:
    """GET /api/search?q=&sort=&similar=&limit=&offset=

    `q` is the query language of the search box, at most 500 characters; `sort` is relevance, newest or oldest;
    `limit` is 50 unless told and at most 200; `offset` counts hits. Answers ``{"hits": [...], "total", "folded",
    "by_meaning", "sure", "took_ms", "corrections", "dropped", "ignored", "why_nothing", "times"}``: how many photos
    were found, how many of them are no hits themselves, as a similar one is (none with ``similar=all``), how many only
    the look of the picture found, how many hits are sure, words of the query with the nearest words that the library
    has, words left out because no photo has all of them, and parts of the query that nothing can be searched by
    (punctuation) or that are too many. ``why_nothing`` is null unless nothing can be found by such a query:
    "nothing_searchable" where no letter, digit or emoji is in it, "emoji_not_found" where it is nothing but emoji,
    which no photo's texts have.
    ``times`` are words of the query that name a time: ``words``, ``start`` and ``end`` in characters, the ``time`` as a
    condition (`2018-12-24..2018-12-26`, `--07` for July of every year, `sun`, `21:00..05:00`), and whether it was
    ``applied``, or only may be meant.

    A hit has ``id``, ``score`` (0..1, within this answer), ``sure`` (whether that much speaks for each word of the
    query that four of five such photos show it; by relevance these come before all others), ``why`` (``field``,
    ``text``, ``spans`` in characters, ``kind``: exact, prefix, typo, synonym, part, meaning), ``caption`` (null where
    there is none, "" where the model saw nothing to describe), ``caption_by`` (person, model or null), ``corrected``
    (whether the caption was typed on this page, or by PUT, rather than in another program), ``confidence`` of the
    model, ``unsure`` (whether that is too little to rely on the caption), ``words`` (``word``, ``probability``: each
    content word of the model's sentence and how likely it is to be true, in their order; empty where the model does
    not say), ``tags`` (``word``, ``probability``), ``wrong`` (whether a person marked what the model says as wrong,
    which then has neither confidence nor words nor tags), ``added_words`` (a person's, to find the photo by),
    ``taken_at`` (ISO 8601, with its offset where the photo knows it; a year, a month or a day where no more is
    known), ``taken_precision`` (year, month, day, time or null: how much of it is known), ``width``, ``height``,
    ``camera``, ``position``, ``places`` (the names of that position, from town to country), ``thumbnail`` (an address
    on this server), ``similar`` (how many other photos are nearly the same), ``file_count`` and ``files`` (the first
    20: ``id``, ``path`` relative to its library). Found by its look, it has a ``why`` of the field embedding and the
    kind meaning, whose text says which words came near, if any: "cove ≈ beach". A ``why`` of the field
    appearance names what the picture itself was measured to be, in English: "dark", "black and white", "red".
    """
    wanted = read_search(request.query, limit=_HITS, most=_MOST_HITS, birthdays=_birthdays(request))
    result = await run_search(request, wanted, _read_photos(request))
    return {
        "hits": await in_database_thread(request, lambda: [hit_json(request, found) for found in result.photos]),
        "total": result.total,
        "folded": result.folded,
        "by_meaning": result.by_meaning,
        "sure": result.sure,
        "took_ms": round(result.took_ms, 2),
        "corrections": {clean(word): list(map(clean, near)) for word, near in result.corrections.items()},
        "dropped": list(map(clean, result.dropped)),
        "ignored": list(map(clean, result.query.ignored)),
        "why_nothing": result.why_nothing,
        "times": [
            {"words": clean(one.words), "start": one.start, "end": one.end, "time": one.value, "applied": one.applied}
            for one in wanted.readings()
        ],
    }


def _birthdays(request: web.Request) -> Mapping[str, date]:
    return request.config_dict[SETTINGS].birthday_dates


@as_json
async def photo(request: web.Request) -> Json:
    """GET /api/photos/ID: all of a hit's fields but score and why, and everything the file says of itself. 404.

    ``machine_caption`` is the model's sentence whoever's is shown, ``caption_place`` (exif, xmp, sidecar, index or
    null) where our words or a correction stand and ``caption_reason`` why not further up; ``caption_waiting`` is true
    as long as words are on their way into a file.
    """
    return await _photo_response(request)


@as_json
async def put_caption(request: web.Request) -> Json:
    """PUT /api/photos/ID/caption with ``{"text": ...}``: a person's words in the place of the caption.

    One line of at most 2,000 characters; line breaks become spaces. They are shown and searched from now on, kept for
    ever, and written into the photo's files by whoever is indexing. Answers as GET /api/photos/ID does. 400 where the
    words can't be a caption, 404.
    """
    text = (await read_object(request)).get("text")
    if not isinstance(text, str):
        raise WrongRequest('The body is {"text": "the caption"}.')
    await correct(request, request.match_info["id"], text)
    return await _photo_response(request)


@as_json
async def delete_caption(request: web.Request) -> Json:
    """DELETE /api/photos/ID/caption: takes a correction back, in the files, too; does nothing where there is none.

    What was there before is shown again: the words of another program, else the model's. Answers as GET. 404.
    """
    await take_back(request, request.match_info["id"])
    return await _photo_response(request)


@as_json
async def put_wrong(request: web.Request) -> Json:
    """PUT /api/photos/ID/wrong: what the model says of the photo is wrong. Neither shown nor searched until taken back,
    taken out of the files, and tried again by the next model. Answers as GET /api/photos/ID does. 404."""
    await set_wrong(request, request.match_info["id"], wrong=True)
    return await _photo_response(request)


@as_json
async def delete_wrong(request: web.Request) -> Json:
    """DELETE /api/photos/ID/wrong: the model's words count again; does nothing where they were not marked. 404."""
    await set_wrong(request, request.match_info["id"], wrong=False)
    return await _photo_response(request)


@as_json
async def patch_words(request: web.Request) -> Json:
    """PATCH /api/photos/ID/words with ``{"add": [...], "remove": [...]}``, either of them: words to find the photo by.

    At most 64, each of at most 100 characters; letter case makes no other word. Answers as GET does. 400, 404.
    """
    body = await read_object(request)
    add, remove = body.get("add", []), body.get("remove", [])
    if not (_are_words(add) and _are_words(remove) and (add or remove)):
        raise WrongRequest('The body is {"add": ["a word"], "remove": ["another"]}, or one of them.')
    await change_words(request, request.match_info["id"], add=add, remove=remove)
    return await _photo_response(request)


def _are_words(value: object) -> TypeGuard[list[str]]:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


@as_json
async def similar(request: web.Request) -> Json:
    """GET /api/photos/ID/similar?limit=&similar=: ``{"hits": [...]}``, most alike first; empty for an unknown id.

    By the look of the pictures where the model gave this one an embedding, else by their most telling words. Of photos
    that are nearly the same one is a hit, and none that is nearly the same as this one, unless ``similar=all``.
    """
    limit = min(read_number(request.query, "limit", 20, least=1), _MOST_HITS)
    fold, photo_id = read_fold(request.query), request.match_info["id"]
    photos = await run_similar(request, photo_id, limit, _read_photos(request), fold=fold)
    return {"hits": await in_database_thread(request, lambda: [hit_json(request, found) for found in photos])}


@as_json
async def facets(request: web.Request) -> Json:
    """GET /api/facets?q=: ``{"facets": {name: [{"value", "count"}, ...]}}`` for the current search.

    Names are year, person, place, camera, folder, tag, type and rating.
    """
    wanted = read_search(request.query, limit=1, most=1, birthdays=_birthdays(request))
    counts = await in_search_thread(request, lambda: count_facets(request.config_dict[SEARCH], wanted))
    return {
        "facets": {
            name: [{"value": clean(one.value), "count": one.count} for one in counts.get(name, ())] for name in FACETS
        }
    }


@as_json
async def status(request: web.Request) -> Json:
    """GET /api/status?limit=&offset=

    ``progress`` (done, queued, faces: of queued those in which faces are looked for, set_aside, per_second, eta_s or
    null, phase, walking, problem or null, unreadable), ``counts`` (photos, files, missing, queued, set_aside, unpushed,
    with_caption, refused, unreadable: folders, incomplete: photos that wait for tags and embedding, thumbnails_waiting,
    faces_waiting), ``search`` (backend, photos: null where it does not answer, and refused: the first of those that it
    will not have, as ``{"id", "reason"}``), ``unwritten``
    (``{"reason", "photos"}``: how many photos have a caption that stands in no file, and why), ``catalogue_problem``
    (what is wrong with the catalogue's file and what to do about it, or null), ``unreadable`` (``{"path", "code",
    "reason", "since", "files"}``: folders that the last scan could not read, the errno's name, and how many known files
    are in them), ``libraries`` (path, files, missing, held_back: why its missing files are not believed, or null, and
    passed_over: how many pictures and videos of which suffix are not read), ``caption_models`` (current, own: how many
    photos it has described, others: how many each other model has, by_others: all of those, queued: files that wait for
    a caption; null where the model in use can't be read), ``cluster`` (address, problem, used, captions_here,
    captions_elsewhere, and workers: name, captions, problem; null without other machines) and ``set_aside``, a page of
    ``{"id", "path", "reason", "attempts"}``.
    """
    library, backend = request.config_dict[LIBRARY], request.config_dict[SEARCH]
    limit = min(read_number(request.query, "limit", _SET_ASIDE, least=1), _MOST_SET_ASIDE)
    offset = read_number(request.query, "offset", 0, least=0)
    counts = await request.config_dict[COUNTS].get(request)
    aside, refused, roots, unwritten, unreadable, trouble = await in_database_thread(
        request,
        lambda: (
            library.queue.set_aside(limit, offset),
            library.refused(LISTED_REFUSED),
            library.scans.roots(),
            library.unwritten(),
            library.unreadable_places.first(_MOST_SET_ASIDE),
            library.problem(),
        ),
    )
    try:
        photos: int | None = await in_search_thread(request, backend.count)
    except SearchError:
        photos = None
    progress = request.config_dict[PROGRESS]()
    return {
        "catalogue_problem": clean(str(trouble)) if trouble else None,
        "progress": progress.to_json() | {"problem": _english(progress.problem)},
        "counts": {name: getattr(counts, name) for name in _COUNTS},
        "search": {
            "backend": backend.name,
            "photos": photos,
            "refused": [{"id": one.photo.id, **_reason(one.reason)} for one in refused],
        },
        "unwritten": [{**_reason(reason), "photos": photos} for reason, photos in unwritten.items()],
        "unreadable": [
            {
                "path": clean(str(place.path)),
                "code": place.code,
                "reason": str(place.reason),
                "since": place.since.isoformat(),
                "files": place.files,
            }
            for place in unreadable
        ],
        "libraries": [
            {
                "path": clean(str(root.path)),
                "files": root.files,
                "missing": root.missing,
                "held_back": _english(root.held_back),
                "passed_over": {clean(kind): count for kind, count in root.passed_over.items()},
            }
            for root in roots
        ],
        "cluster": cluster_json(await cluster_state(request)),
        "caption_models": await _caption_models(request),
        "set_aside": [
            {"id": one.id, "path": clean(str(one.file.path)), **_reason(one.reason), "attempts": one.attempts}
            for one in aside
        ],
    }


@as_json
async def retry(request: web.Request) -> Json:
    """POST /api/status/retry with ``{"ids": [...]}`` or ``{}``: what was set aside is tried again, those or all.

    Answers ``{"retried": how many}``. 400.
    """
    ids = (await read_object(request)).get("ids")
    if ids is not None and not (isinstance(ids, list) and all(type(item) is int and item < 2**63 for item in ids)):
        raise WrongRequest('The body is {"ids": [numbers]}, or {} for all of them.')
    return {"retried": await retry_set_aside(request, ids)}


@as_json
async def captions(request: web.Request) -> Json:
    """POST /api/status/captions: what another model than the one in use has described is described again, as by
    `recollect reindex --captions`.

    Answers ``{"captions", "corrections"}``: how many files were queued for one or the other. 503.
    """
    queued = await enqueue_recaptioning(request)
    return {"captions": queued.captions, "corrections": queued.corrections}


@as_json
async def scan(request: web.Request) -> Json:
    """POST /api/status/scan: the libraries are scanned now. Answers ``{}`` at once."""
    scan_now(request)
    return {}


async def _caption_models(request: web.Request) -> Json | None:
    try:
        models = await caption_models(request)
    except SetupError:
        return None
    return {
        "current": clean(models.current),
        "own": models.own,
        "others": {clean(model): photos for model, photos in models.others.items()},
        "by_others": models.by_others,
        "queued": models.queued,
    }


def _english(sentence: Reason | str | None) -> str | None:
    return None if sentence is None else clean(str(sentence))


def _reason(reason: Reason | None) -> Json:
    """The sentence in English and the code; no words where nobody has said why."""
    return {"reason": clean(str(reason or "")), "code": reason and reason.code}


def _read_photos(request: web.Request) -> Callable[[Sequence[str]], Sequence[Photo]]:
    return partial(request.config_dict[LIBRARY].photos, most_files=LISTED_FILES)


async def _photo_response(request: web.Request) -> Json:
    library = request.config_dict[LIBRARY]
    photo = await in_database_thread(request, library.photo, request.match_info["id"], most_files=LISTED_FILES)
    if photo is None:
        raise unknown_photo()
    pending = await in_database_thread(request, library.corrections.pending_caption, photo.id)
    shape = await in_database_thread(request, photo_json, request, photo) | metadata_json(photo)
    return shape | {"caption_waiting": bool(pending.waiting or pending.missing)}
