"""The files beside a photo that describe it, found by their names: XMP sidecars, and the `.json` of Google Takeout.

XMP: `IMG.JPG.xmp` (darktable, digiKam) and `IMG.xmp` (Lightroom, of RAW files), in any letter case.

Takeout: `IMG.jpg.json`, `IMG.jpg.supplemental-metadata.json`, and where that is too long for it, cut off at 46
characters, wherever that is; `IMG.json`. Of `IMG(1).jpg` the number stands behind: `IMG.jpg(1).json`. What Google
Photos made of a photo (`IMG-edited.jpg`, also in other languages, and cut off) has no `.json` of its own: the photo's
counts. What such a `.json` says is a `Takeout`.
"""

# ruff: noqa: PTH116, PTH118, PTH121, PTH122, PTH208 - paths are the file system's own bytes here

from __future__ import annotations

import json
import math
import os
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any
from unicodedata import normalize

from indexer.formats.charsets import CAPTION_CHARACTERS, MOST_ENTRIES
from indexer.model import Position

#: The names of a folder's sidecars, by their names in lower case.
Listing = Mapping[bytes, tuple[bytes, ...]]

XMP, JSON = b".xmp", b".json"
_SUPPLEMENT = ".supplemental-metadata"
_CUT = range(51, 41, -1)  # characters; 46, but with the ending and a number in some of Takeout's versions
_NUMBERED = re.compile(r"(.+)(\(\d{1,4}\))")
_EDITS = (
    *("edited", "effects", "smile", "mix", "collage", "animation", "pano", "hdr", "cinematic", "pop_out", "color_pop"),
    *("bearbeitet", "modifié", "modificato", "bewerkt", "edytowane", "editado", "editada", "ha editado", "ha editada"),
    *("editat", "redigerad", "redigeret", "redigert", "muokattu", "upraveno", "upravené", "szerkesztett", "düzenlendi"),
    *(
        "编辑",
        "已编辑",
        "編輯",
        "編集済み",
        "수정됨",
        "отредактировано",
        "изменено",
        "змінено",
        "επεξεργασία",
        "đã chỉnh sửa",
    ),
)
#: What programs add to the name of a photo that they made of another, in small letters; both as one character and as a
#: letter with its accent behind it, as macOS writes names.
EDITED_WORDS = tuple(dict.fromkeys(normalize(form, word) for word in _EDITS for form in ("NFC", "NFD")))
_EDITED = re.compile(rf"(.+?)[ -]+(?:{'|'.join(map(re.escape, EDITED_WORDS))})(\(\d{{1,4}}\))?")
#: Takeout cuts names off, with whatever was added to them, at this length: the ending counts, a number does not.
_LONGEST_NAME = 51
_CUT_EDIT = re.compile(r"(.+)-(.*?)(\(\d{1,4}\))?")
_CUT_WORDS = frozenset(word[:length] for word in EDITED_WORDS for length in range(len(word)))
# A folder that changed a moment ago may change again without its mtime moving.
_COARSEST_CLOCK_NS = 3_000_000_000

MOST_JSON_BYTES = 1_000_000
_FAVOURITE_STARS = 5
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_KEYS = frozenset({"photoTakenTime", "geoData", "geoDataExif", "description", "people", "favorited"})


def is_sidecar_name(name: bytes) -> bool:
    """Whether a file of this name may be a photo's sidecar."""
    return name[-4:].lower() == XMP or name[-5:].lower() == JSON


def xmp_names(name: bytes) -> tuple[bytes, bytes]:
    """The names, in lower case, under which a photo's XMP sidecar is looked for: IMG.JPG.xmp, then IMG.xmp."""
    lower = name.lower()
    return lower + XMP, os.path.splitext(lower)[0] + XMP


def takeout_names(name: bytes) -> Mapping[bytes, bool]:
    """The names, in lower case, that Takeout may have given a photo's `.json`, the likeliest first; and whether the
    name is enough to tell that it is this photo's."""
    found: dict[bytes, bool] = {}
    for base, number in _bases(os.fsdecode(name.lower())):
        for form, certain in _forms(base):
            found.setdefault(os.fsencode(form + number) + JSON, certain)
        if number:
            for supplement in _supplements():
                found.setdefault(os.fsencode(base + number + supplement) + JSON, True)
    return found


def is_sidecar_of(sidecar: bytes, photo: bytes) -> bool:
    """Whether a file of this name may be a sidecar of a photo of that name in the same folder."""
    lower = sidecar.lower()
    return lower in xmp_names(photo) if lower.endswith(XMP) else lower in takeout_names(photo)


def find_xmp_sidecars(path: Path) -> list[Path]:
    """The XMP sidecars that lie beside a photo: `IMG.JPG.xmp` before `IMG.xmp`, and each in the photo's letter case
    before others. One in another case is the photo's only where there is no photo in that case."""
    folder, name = os.path.split(os.fsencode(path))
    found: list[Path] = []
    for lower, own in zip(xmp_names(name), (name + XMP, os.path.splitext(name)[0] + XMP), strict=True):
        names = sidecars_in(folder).get(lower, ())
        ours = sorted(names, key=lambda other: (other[:-4] != own[:-4], other[-4:] != XMP, other))
        found += [
            path.with_name(os.fsdecode(one)) for one in ours if not _belongs_to_another_photo(folder, one, own, name)
        ]
    return found


def find_takeout_files(path: Path) -> list[tuple[Path, bool]]:
    """The `.json` files beside a photo that may be Takeout's of it, and whether the name is enough to tell."""
    folder, name = os.path.split(os.fsencode(path))
    inside = sidecars_in(folder)
    if not any(other.endswith(JSON) for other in inside):
        return []
    return [
        (path.with_name(os.fsdecode(one)), certain)
        for lower, certain in takeout_names(name).items()
        for one in inside.get(lower, ())
    ]


def sidecars_named_after(path: Path, inside: Listing | None = None) -> list[Path]:
    """Every file beside a photo that may be its sidecar by its name, in any letter case, in order of names.
    `inside` is the result of `sidecars_in` for the folder, where that is known."""
    folder, name = os.path.split(os.fsencode(path))
    inside = sidecars_in(folder) if inside is None else inside
    wanted = {*xmp_names(name), *(takeout_names(name) if any(other.endswith(JSON) for other in inside) else ())}
    names = sorted(one for lower in wanted & inside.keys() for one in inside[lower])
    return [path.with_name(os.fsdecode(one)) for one in names]


def _bases(name: str) -> Iterator[tuple[str, str]]:
    """The names of photos that a photo's `.json` may be named after, and the number behind: `("img.jpg", "(1)")`."""
    stem, ending = os.path.splitext(name)
    yield name, ""
    if match := _NUMBERED.fullmatch(stem):
        yield match[1] + ending, match[2]
    if match := _EDITED.fullmatch(stem) or _cut_edit(stem, ending):
        original, number = match[1], match[match.re.groups] or ""
        yield original + number + ending, ""
        numbered = _NUMBERED.fullmatch(original)
        yield (numbered[1] if numbered else original) + ending, numbered[2] if numbered else number


def _supplements() -> Iterator[str]:
    """Whole, and cut off at every length."""
    return (_SUPPLEMENT[:length] for length in range(len(_SUPPLEMENT), 0, -1))


def _cut_edit(stem: str, ending: str) -> re.Match[str] | None:
    """Groups 1 and last as those of `_EDITED`, where a name was cut off within the word that was added to it."""
    match = _CUT_EDIT.fullmatch(stem)
    whole = match is not None and len(stem) + len(ending) - len(match[3] or "") == _LONGEST_NAME
    return match if match is not None and whole and match[2] in _CUT_WORDS else None


def _forms(base: str) -> Iterator[tuple[str, bool]]:
    yield base, True
    for supplement in _supplements():
        yield base + supplement, True
    for length in _CUT:
        if length < len(base):
            yield base[:length], False
    yield os.path.splitext(base)[0], False


def _belongs_to_another_photo(folder: bytes, sidecar: bytes, own: bytes, photo: bytes) -> bool:
    """Whether a sidecar that differs from a photo's in its case is that of another file."""
    base = sidecar[:-4]
    if base == own[:-4]:
        return False
    ending = os.path.splitext(photo)[1]
    others = {base} if own[:-4] == photo else {base + end for end in (ending, ending.lower(), ending.upper())}
    return any(_is_another_file(os.path.join(folder, other), os.path.join(folder, photo)) for other in others)


def _is_another_file(other: bytes, photo: bytes) -> bool:
    """To some file systems two names that differ in their case are one."""
    try:
        return not os.path.samefile(other, photo)
    except OSError:
        return False


def sidecars_in(folder: bytes) -> Listing:
    """The names of a folder's sidecars by their names in lower case; none where it can't be listed.

    Called for every photo of a folder: a listing is kept for as long as the folder does not change.
    """
    try:
        status = os.stat(folder or b".")
    except OSError:
        return {}
    if time.time_ns() - status.st_mtime_ns < _COARSEST_CLOCK_NS:
        return _list(folder)
    return _list_once(folder, status.st_mtime_ns, status.st_dev, status.st_ino)


@lru_cache(maxsize=16)
def _list_once(folder: bytes, mtime_ns: int, device: int, inode: int) -> Listing:
    return _list(folder)


def _list(folder: bytes) -> Listing:
    found: dict[bytes, tuple[bytes, ...]] = {}
    try:
        names = os.listdir(folder or b".")
    except OSError:
        return found
    for name in sorted(filter(is_sidecar_name, names)):
        found[name.lower()] = (*found.get(name.lower(), ()), name)
    return MappingProxyType(found)


@dataclass(frozen=True, slots=True)
class Takeout:
    """What Google Photos says of a photo: raw texts, not yet cleaned, and only what has the type that Google writes. A
    favourite is a photo of five stars."""

    title: str = ""  # the name that the photo's file had
    taken_at: datetime | None = None  # UTC
    position: Position | None = None
    description: str = ""
    people: tuple[str, ...] = ()
    rating: int | None = None

    def matches(self, name: str) -> bool:
        """Whether this may be about a file of this name; its own may be cut off, and numbered."""
        # Letters and digits: Takeout writes what file systems do not take as `_`.
        own, named = (re.sub(r"[\W_]+", "_", PurePosixPath(text).stem.casefold()) for text in (name, self.title))
        return not named or named.startswith(re.sub(r"_\d+_$", "", own)) or own.startswith(named)


def read_takeout(data: bytes) -> Takeout | None:
    """What the file says; None where it is too large, no JSON, or not of a photo. Never raises."""
    if len(data) > MOST_JSON_BYTES:
        return None
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(content, dict) or not _KEYS & content.keys():
        return None
    return Takeout(
        title=_text(content.get("title")),
        taken_at=_takeout_time(content.get("photoTakenTime")),
        position=_takeout_position(content.get("geoData")) or _takeout_position(content.get("geoDataExif")),
        description=_text(content.get("description")),
        people=_names(content.get("people")),
        rating=_FAVOURITE_STARS if content.get("favorited") is True else None,
    )


def _text(value: object) -> str:
    return value[: 8 * CAPTION_CHARACTERS] if isinstance(value, str) else ""


def _takeout_time(value: object) -> datetime | None:
    """Seconds since 1970 as text; 0 where Google does not know."""
    written = value.get("timestamp") if isinstance(value, Mapping) else None
    if isinstance(written, bool) or not re.fullmatch(r"-?\d{1,11}", str(written), re.ASCII):
        return None
    seconds = int(str(written))
    try:
        return _EPOCH + timedelta(seconds=seconds) if seconds else None
    except OverflowError:
        return None


def _takeout_position(value: object) -> Position | None:
    if not isinstance(value, Mapping):
        return None
    latitude, longitude, altitude_m = (_number(value.get(name)) for name in ("latitude", "longitude", "altitude"))
    known_altitude_m = altitude_m if altitude_m and -1e4 <= altitude_m <= 1e5 else None
    return Position.checked(latitude, longitude, known_altitude_m)


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
