"""What Google Photos says of a photo, in the `.json` that its Takeout puts beside it (`sidecar_files` knows the names).

A favourite is a photo of five stars where nobody has given it others. Whatever is not of the type that Google writes is
left out.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from typing import Any

from indexer.formats.charsets import CAPTION_CHARACTERS, MOST_ENTRIES
from indexer.model import Position

MOST_BYTES = 1_000_000
_FAVOURITE_STARS = 5
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_KEYS = frozenset({"photoTakenTime", "geoData", "geoDataExif", "description", "people", "favorited"})


@dataclass(frozen=True, slots=True)
class Takeout:
    """Raw texts, not yet cleaned."""

    title: str = ""  # the name that the photo's file had
    taken_at: datetime | None = None  # UTC
    position: Position | None = None
    description: str = ""
    people: tuple[str, ...] = ()
    rating: int | None = None

    def is_of(self, name: str) -> bool:
        """Whether this may be about a file of this name; its own may be cut off, and numbered."""
        own, named = (_plain(PurePosixPath(text).stem) for text in (name, self.title))
        return not named or named.startswith(re.sub(r"_\d+_$", "", own)) or own.startswith(named)


def read_takeout(data: bytes) -> Takeout | None:
    """What the file says; None where it is too large, no JSON, or not of a photo. Never raises."""
    if len(data) > MOST_BYTES:
        return None
    try:
        told = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(told, dict) or not _KEYS & told.keys():
        return None
    return Takeout(
        title=_text(told.get("title")),
        taken_at=_moment(told.get("photoTakenTime")),
        position=_position(told.get("geoData")) or _position(told.get("geoDataExif")),
        description=_text(told.get("description")),
        people=_names(told.get("people")),
        rating=_FAVOURITE_STARS if told.get("favorited") is True else None,
    )


def _plain(name: str) -> str:
    """Letters and digits: Takeout writes what file systems do not take as `_`."""
    return re.sub(r"[\W_]+", "_", name.casefold())


def _text(value: object) -> str:
    return value[: 8 * CAPTION_CHARACTERS] if isinstance(value, str) else ""


def _moment(value: object) -> datetime | None:
    """Seconds since 1970 as text; 0 where Google does not know."""
    written = value.get("timestamp") if isinstance(value, Mapping) else None
    if isinstance(written, bool) or not re.fullmatch(r"-?\d{1,11}", str(written), re.ASCII):
        return None
    seconds = int(str(written))
    try:
        return _EPOCH + timedelta(seconds=seconds) if seconds else None
    except OverflowError:
        return None


def _position(value: object) -> Position | None:
    if not isinstance(value, Mapping):
        return None
    latitude, longitude, altitude_m = (_number(value.get(name)) for name in ("latitude", "longitude", "altitude"))
    if latitude is None or longitude is None or abs(latitude) > 90 or abs(longitude) > 180:
        return None
    if latitude == 0 and longitude == 0:  # what Google writes of a photo without a place
        return None
    return Position(latitude, longitude, altitude_m if altitude_m and -1e4 <= altitude_m <= 1e5 else None)


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None


def _names(value: object) -> tuple[str, ...]:
    people = value[:MOST_ENTRIES] if isinstance(value, list) else []
    names = (_text(one.get("name")) for one in people if isinstance(one, Mapping))
    return tuple(name for name in names if name.strip())
