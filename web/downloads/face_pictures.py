"""Pictures of faces, cut out of the cached screen pictures when they are asked for; none is stored here."""

from __future__ import annotations

import hashlib
from io import BytesIO

from aiohttp import web

from indexer.catalogue.people import StoredFace
from indexer.face_box import FaceBox
from indexer.message import N_
from indexer.model import ThumbnailSize
from web.app_keys import LIBRARY, PEOPLE_SWITCH, THUMBNAILS, in_database_thread

_PX = 224  # twice the largest circle of the page, for screens of two pixels a CSS pixel
_MARGIN = 1.7  # of the face's longer side: hair and chin belong to what people know a face by
_QUALITY = 82


async def face_picture(request: web.Request) -> web.Response:
    """GET /faces/ID: a square JPEG. Never cached without a check, so that a deleted face is not shown again; 304 on a
    matching ETag. 404 where there is no such face, or faces are switched off."""
    if not await request.config_dict[PEOPLE_SWITCH].get(request):
        raise web.HTTPNotFound(text=N_("There is no such face."))
    face = await in_database_thread(request, request.config_dict[LIBRARY].people.face, int(request.match_info["id"]))
    if face is None:
        raise web.HTTPNotFound(text=N_("There is no such face."))
    tag = hashlib.blake2b(f"{face.photo_id} {face.box} {_PX}".encode(), digest_size=12).hexdigest()
    headers = {"Cache-Control": "private, no-cache", "ETag": f'"{tag}"'}
    if any(etag.value in {tag, "*"} for etag in request.if_none_match or ()):
        return web.Response(status=304, headers=headers)
    picture = await in_database_thread(request, _picture_of, request, face)
    if picture is None:
        raise web.HTTPNotFound(text=N_("There is no thumbnail of this photo yet."))
    return web.Response(body=picture, content_type="image/jpeg", headers=headers)


def _picture_of(request: web.Request, face: StoredFace) -> bytes | None:
    screen = request.config_dict[THUMBNAILS].get(face.photo_id, ThumbnailSize.SCREEN)
    return None if screen is None else cut_out(screen, face.box)


def cut_out(picture: bytes, box: FaceBox) -> bytes | None:
    """The face as a square JPEG of `_PX` pixels, as far as the picture reaches; None where it can't be read."""
    from PIL import Image  # some megabytes, for those who have switched faces on

    try:
        with Image.open(BytesIO(picture)) as image:
            cut = image.convert("RGB").resize((_PX, _PX), box=_square(box, *image.size), reducing_gap=2.0)
    except OSError:
        return None
    buffer = BytesIO()
    cut.save(buffer, "JPEG", quality=_QUALITY)
    return buffer.getvalue()


def _square(box: FaceBox, width: int, height: int) -> tuple[float, float, float, float]:
    """Left, top, right and bottom in pixels, inside the picture."""
    side = max(1.0, min(_MARGIN * max(box.width * width, box.height * height), width, height))
    left = min(max((box.left + box.width / 2) * width - side / 2, 0.0), width - side)
    top = min(max((box.top + box.height / 2) * height - side / 2, 0.0), height - side)
    return left, top, left + side, top + side
