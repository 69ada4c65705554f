"""Bodies of requests, forms and JSON, from untrusted clients."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from aiohttp import web
from multidict import MultiDictProxy

from indexer.message import N_

_Body = TypeVar("_Body")

#: A body has so many seconds to arrive.
BODY_S = web.AppKey("BODY_S", float)

# What the standard library says of text that is not in its charset, of a charset that there is not, and of brackets
# nested a thousand deep; what aiohttp says of chunks and compression that are none.
_UNREADABLE = (ValueError, LookupError, RecursionError, web.RequestPayloadError)


async def read_fields(request: web.Request, *names: str) -> tuple[str, ...]:
    """Fields of a form as our pages send it, "" for those that are missing.

    Raises `HTTPBadRequest`, `HTTPRequestEntityTooLarge`, and `HTTPRequestTimeout` where it does not arrive.
    """
    form = await _form(request)
    values = [form.get(name, "") for name in names]
    return tuple(value if isinstance(value, str) else "" for value in values)


async def read_values(request: web.Request, name: str) -> tuple[str, ...]:
    """All values of one field of a form. Raises as `read_fields`."""
    form = await _form(request)
    return tuple(value for value in form.getall(name, ()) if isinstance(value, str))


async def read_object(request: web.Request) -> dict[str, object]:
    """A JSON object.

    Raises `HTTPBadRequest`, `HTTPRequestEntityTooLarge`, and `HTTPRequestTimeout` where it does not arrive.
    """
    document = await _receive(request, request.json, "The body is not JSON.")
    if not isinstance(document, dict):
        raise web.HTTPBadRequest(text=N_("The body is not a JSON object."))
    return document


async def _form(request: web.Request) -> MultiDictProxy[str | bytes | bytearray | web.FileField]:
    if request.content_type != "application/x-www-form-urlencoded":
        raise web.HTTPBadRequest(text=N_("A form is sent as application/x-www-form-urlencoded."))
    return await _receive(request, request.post, N_("This form can't be read."))


async def _receive(request: web.Request, read: Callable[[], Coroutine[Any, Any, _Body]], unreadable: str) -> _Body:
    try:
        async with asyncio.timeout(request.config_dict[BODY_S]):
            return await read()
    except TimeoutError as error:
        raise web.HTTPRequestTimeout(text=N_("The rest of the request never came.")) from error
    except _UNREADABLE as error:
        raise web.HTTPBadRequest(text=unreadable) from error
