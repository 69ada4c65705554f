"""What a request brings along: a form or a JSON document, from whoever it may be."""

from __future__ import annotations

from aiohttp import web

# What the standard library says of text that is not in its charset, of a charset that there is not, and of brackets
# nested a thousand deep.
_UNREADABLE = (ValueError, LookupError, RecursionError)


async def read_fields(request: web.Request, *names: str) -> tuple[str, ...]:
    """Fields of a form as our pages send it, "" for those that are missing. Raises `HTTPBadRequest`."""
    if request.content_type != "application/x-www-form-urlencoded":
        raise web.HTTPBadRequest(text="A form is sent as application/x-www-form-urlencoded.")
    try:
        form = await request.post()
    except _UNREADABLE as error:
        raise web.HTTPBadRequest(text="This form can't be read.") from error
    values = [form.get(name, "") for name in names]
    return tuple(value if isinstance(value, str) else "" for value in values)


async def read_object(request: web.Request) -> dict[str, object]:
    """A JSON object. Raises `HTTPBadRequest`."""
    try:
        document = await request.json()
    except _UNREADABLE as error:
        raise web.HTTPBadRequest(text="The body is not JSON.") from error
    if not isinstance(document, dict):
        raise web.HTTPBadRequest(text="The body is not a JSON object.")
    return document
