"""Every address of the page, made in one place; whatever a person typed is quoted here.

All begin with the path that the page is served under (see `base_path`), which a context variable holds for each
request. Addresses in templates get it in `templating`, those of the scripts in the scripts.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from urllib.parse import urlencode

from aiohttp import web

from indexer.model import ThumbnailSize
from indexer.search import Sort
from web.app_keys import SETTINGS

_BASE_PATH: ContextVar[str] = ContextVar("base_path", default="")


@contextmanager
def use_base_path(path: str) -> Iterator[None]:
    """Whatever is linked to inside lies below `path`: "" or such as ``/photos``."""
    before = _BASE_PATH.set(path)
    try:
        yield
    finally:
        _BASE_PATH.reset(before)


def base_path() -> str:
    """The path that the page is served under, "" or such as ``/photos``."""
    return _BASE_PATH.get()


def local_url(path: str) -> str:
    """`path` of this application, which begins with a slash, as a browser asks for it."""
    return f"{_BASE_PATH.get()}{path}"


def search_url(text: str = "", sort: Sort | None = None, *, page: int = 1) -> str:
    """The results page of a search; the address is the whole of it."""
    return _with_query(local_url("/"), q=text, sort=sort or "", page=str(page) if page > 1 else "")


def select_url(text: str = "", sort: Sort | None = None, *, page: int = 1) -> str:
    """The results page on which each photo can be ticked without the script."""
    url = search_url(text, sort, page=page)
    return f"{url}{'&' if '?' in url else '?'}select=1"


def photo_url(photo_id: str, text: str = "", sort: Sort | None = None, at: int | None = None) -> str:
    """A photo's page; `at` is its position in the search it was found by."""
    where = "" if at is None else f"at={at}"
    query = "&".join(filter(None, (_query(text, sort), where)))
    return f"{local_url('/photo/')}{photo_id}{query and '?'}{query}"


def form_url(form: str, photo_id: str, text: str = "", sort: Sort | None = None, at: int | None = None) -> str:
    """Where a form of a photo's page ("caption", "wrong", "words", "faces") is sent, which leads back to the
    same `photo_url`, or to the faces, which are at that address."""
    return photo_url(photo_id, text, sort, at).replace(photo_id, f"{photo_id}/{form}", 1)


def original_url(photo_id: str, file_id: int, *, save: bool = False) -> str:
    """One of a photo's files."""
    return f"{local_url('/photo/')}{photo_id}/files/{file_id}{'?save=1' if save else ''}"


def people_url(**parameters: str) -> str:
    """The page of all persons."""
    return _with_query(local_url("/people"), **parameters)


def person_url(person_id: int, **parameters: str) -> str:
    """A person's page."""
    return _with_query(f"{local_url('/people/')}{person_id}", **parameters)


def face_url(face_id: int) -> str:
    """The picture of a face."""
    return f"{local_url('/faces/')}{face_id}"


def status_url(**parameters: str) -> str:
    """The status page; `parameters` say what a form of it has just done."""
    return _with_query(local_url("/status"), **parameters)


def login_url(target: str = "") -> str:
    """The login page, which leads on to `target`: a path of this application, see `local_url`."""
    return _with_query(local_url("/login"), next=target)


def thumbnail_url(request: web.Request, photo_id: str, size: str) -> str:
    """A cached thumbnail, named so that it may be kept for ever."""
    return thumbnail_url_template(request, size).format(photo_id)


def thumbnail_url_template(request: web.Request, size: str) -> str:
    """`thumbnail_url` of any photo, with a pair of braces for its id."""
    settings = request.config_dict[SETTINGS]
    px = settings.grid_px if size == ThumbnailSize.GRID else settings.screen_px
    return f"{local_url('/thumbnails/')}{{}}/{size}?v={px}"


@lru_cache(maxsize=64)
def _query(text: str, sort: Sort | None) -> str:
    """A search as each photo of a page names it."""
    return _with_query("", q=text, sort=sort or "").removeprefix("?")


def _with_query(path: str, **parameters: str) -> str:
    query = urlencode({name: value for name, value in parameters.items() if value}, errors="replace")
    return f"{path}?{query}" if query else path
