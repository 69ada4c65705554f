"""The filters of the query language: their names, what their values may be, and what a value means.

    before:2019-07  after:2019  year:2019  year:2015..2019
        A date is a year, a month or a day (ISO 8601), "today", "yesterday" or an age ("30d", "2w", "6m", "1y").
        `before:` ends where the date begins and `after:` begins where it begins, so `after:2019 before:2020` is 2019.
        A photo of which only the year or the month is known is found where all of that is meant.
    camera: lens: place: folder: person: tag:
        A value that the library has (case and diacritics don't matter), else values that contain these words, else
        values in which they begin words. A folder stands for everything below it.
    type:jpeg   rating:4  rating:>=4  rating:2..4
    near:48.1,11.6  near:48.1,11.6,25km  near:Lyon  near:Lyon,25km  near:"Springfield, Missouri, 25km"
        Of several places of one name the most populous is meant (`indexer.places`).
    sort:newest  sort:oldest  sort:relevance
    similar:all
        No filter of a `Query`: each photo of a stack is a hit.
    time:"last summer"
        A time in words (`time_words`); its canonical value is the text of a `time_condition`, or `UNDATED`.
    words:"last summer"
        No filter of a `Query`: these words, which are read as no time.

`canonical_value` turns what a person typed into the canonical value that a `Filter` carries, or raises `FilterError`;
the functions below it read canonical values for the backends.
"""

from __future__ import annotations

import calendar
import math
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from types import MappingProxyType

from rapidfuzz.distance import OSA

from indexer.message import Message
from indexer.model import Position
from indexer.places import nearest_name as nearest_place
from indexer.places import places_named
from indexer.search import FilterError, Sort

DEFAULT_RADIUS_KM = 10.0
_HALF_EARTH_KM = 20_038.0

#: Names of `type:`, by the mime type's subtype where it differs.
_TYPE_OF_SUBTYPE = MappingProxyType({"jpg": "jpeg", "pjpeg": "jpeg", "heif": "heic", "tif": "tiff", "x-ms-bmp": "bmp"})
TYPES = ("jpeg", "png", "webp", "heic", "avif", "gif", "tiff", "mpo", "jxl", "bmp", "raw")


def type_of(mime_type: str) -> str:
    """The value of `type:` for a mime type: "jpeg" for image/jpeg, "raw" for every camera maker's own format."""
    subtype = mime_type.rpartition("/")[2].lower()
    subtype = _TYPE_OF_SUBTYPE.get(subtype, subtype)
    return "raw" if subtype.startswith("x-") or subtype in {"dng", "cr2", "cr3", "nef", "arw"} else subtype


def date_range(value: str) -> tuple[datetime, datetime]:
    """First moment of a canonical date or range of years, and first moment after it."""
    first, _, last = value.partition("..")
    return _day_bounds(first)[0], _day_bounds(last or first)[1]


def periods_around(value: str) -> tuple[str, ...]:
    """The year and the month, as the facet `period` has them, that a canonical date lies in and does not begin: what
    is known to be of no more than that may be from before or after it."""
    start = date_range(value)[0]
    year = (f"{start:%Y}".zfill(4),) if (start.month, start.day) != (1, 1) else ()
    return (*year, f"{start.year:04}-{start.month:02}") if start.day != 1 else year


def rating_range(value: str) -> tuple[int, int]:
    """Lowest and highest rating, both included, of a canonical `rating:` value."""
    low, _, high = value.partition("..")
    return int(low), int(high or low)


def near_circle(value: str) -> tuple[Position, float]:
    """Centre and radius in kilometres of a canonical `near:` value."""
    latitude, longitude, radius = value.split(",")
    return Position(float(latitude), float(longitude)), float(radius.removesuffix("km"))


def canonical_value(name: str, value: str, *, now: date) -> str:
    """The canonical value of the filter `name`. Raises `FilterError`."""
    return _CHECKS[name](value.strip(), now)


def nearest_name(name: str) -> str | None:
    """The filter that a wrong name was probably meant to be; None where it is just text with a colon in it."""
    if name in _MEANT:
        return _MEANT[name]
    best: str = min(_CHECKS, key=lambda known: OSA.distance(name, known))
    return best if len(name) > 2 and OSA.distance(name, best) <= (1 if len(name) < 6 else 2) else None


def _day_bounds(value: str) -> tuple[datetime, datetime]:
    year, month, day = (int(part) if part else 0 for part in [*value.split("-"), "", ""][:3])
    start = datetime(year, month or 1, day or 1)
    if day:
        return start, start + timedelta(days=1) if start.date() < date.max else datetime.max
    last = calendar.monthrange(year, month or 12)[1]
    return start, datetime(year, month or 12, last, 23, 59, 59, 999_999) + timedelta(microseconds=1)


_DATE = re.compile(r"(\d{4})(?:-(\d{1,2})(?:-(\d{1,2}))?)?", re.ASCII)
_AGE = re.compile(r"(\d{1,5})([dwmy])", re.ASCII)
_AGE_DAYS = MappingProxyType({"d": 1, "w": 7, "m": 30, "y": 365})


def _date(name: str) -> Callable[[str, date], str]:
    def check(value: str, now: date) -> str:
        text = value.lower()
        age = _AGE.fullmatch(text)
        if text in {"today", "yesterday"} or age:
            days = int(age[1]) * _AGE_DAYS[age[2]] if age else int(text == "yesterday")
            return max(now - timedelta(days=min(days, now.toordinal() - date.min.toordinal())), date.min).isoformat()
        return _calendar_date(name, text)

    return check


def _calendar_date(name: str, text: str) -> str:
    match = _DATE.fullmatch(text.replace("/", "-").replace(".", "-"))
    parts: list[int] = [int(part) for part in match.groups() if part] if match else []
    try:
        # 9999 has no first moment after it.
        if not parts or not 1 <= date(*[*parts, 1, 1][:3]).year <= 9998:
            raise ValueError(text)
    except ValueError:
        raise _no_date(name, text) from None
    return "-".join([f"{parts[0]:04}", *(f"{part:02}" for part in parts[1:])])


def _no_date(name: str, text: str) -> FilterError:
    nearest, wrong = _nearest_date(text), f"{name}:{text}"
    if nearest is None:
        return FilterError(
            Message(
                "%(wrong)s is not a date: expected a year, month or day, such as "
                "%(name)s:2019, %(name)s:2019-07 or 30d",
                wrong=wrong,
                name=name,
            )
        )
    meant = f"{name}:{nearest}"
    message = Message(
        "%(wrong)s is not a date: expected a year, month or day; did you mean %(meant)s?", wrong=wrong, meant=meant
    )
    return FilterError(message, suggestion=meant)


def _nearest_date(text: str) -> str | None:
    """What a date in another order, or with an impossible day or month, may have meant."""
    numbers = re.findall(r"\d+", text, re.ASCII)
    numbers.sort(key=len, reverse=True)
    if not numbers or len(numbers[0]) != 4 or not 1 <= int(numbers[0]) <= 9998:
        return None
    rest = [int(number) for number in re.findall(r"\d+", text.replace(numbers[0], "", 1), re.ASCII)[:2]]
    if not text.startswith(numbers[0]):
        rest.reverse()
    if not rest or not 1 <= rest[0] <= 12:
        return str(numbers[0])
    last = calendar.monthrange(int(numbers[0]), rest[0])[1]
    return "-".join([numbers[0], f"{rest[0]:02}", *(f"{min(max(day, 1), last):02}" for day in rest[1:])])


def _year(value: str, now: date) -> str:
    first, dots, last = value.partition("..") if ".." in value else value.partition("-")
    years = (first, last) if dots else (first,)
    if all(re.fullmatch(r"\d{4}", year, re.ASCII) and 1 <= int(year) <= 9998 for year in years) and first <= years[-1]:
        return "..".join(years)
    near = re.match(r"\d{4}", value, re.ASCII)
    example = near[0] if near and near[0] != "0000" else str(now.year)
    raise FilterError(
        Message(
            "year:%(value)s is not a year: expected four digits or a range; did you mean year:%(example)s? "
            "For a month or a day there are after: and before:.",
            value=value,
            example=example,
        ),
        suggestion=f"year:{example}",
    )


def _words(name: str) -> Callable[[str, date], str]:
    def check(value: str, now: date) -> str:
        return value

    return check


def _type(value: str, now: date) -> str:
    name = type_of(value)
    if name in TYPES:
        return name
    nearest = min(TYPES, key=lambda known: OSA.distance(name, known))
    message = Message(
        "type:%(value)s is not a type of photo; did you mean type:%(nearest)s? Types: %(types)s.",
        value=value,
        nearest=nearest,
        types=", ".join(TYPES),
    )
    raise FilterError(message, suggestion=f"type:{nearest}")


_RATING = re.compile(r"(>=|<=|=|>|<|)\s*(-?\d)", re.ASCII)
_RATINGS = re.compile(r"(-?\d)\.\.(-?\d)", re.ASCII)


def _rating(value: str, now: date) -> str:
    bounds = _rating_bounds(value)
    if bounds and -1 <= bounds[0] <= bounds[1] <= 5:
        return str(bounds[0]) if bounds[0] == bounds[1] else f"{bounds[0]}..{bounds[1]}"
    digits = re.search(r"\d+", value, re.ASCII)
    nearest = f"rating:{value[: digits.start()]}{min(int(digits[0][:3]), 5)}" if digits else "rating:>=4"
    if not _rating_bounds(nearest.removeprefix("rating:")):
        nearest = "rating:>=4"
    message = Message(
        "rating:%(value)s is not a rating: expected -1 to 5, also >=4 or 2..4; did you mean %(nearest)s?",
        value=value,
        nearest=nearest,
    )
    raise FilterError(message, suggestion=nearest)


def _rating_bounds(value: str) -> tuple[int, int] | None:
    if pair := _RATINGS.fullmatch(value):
        return int(pair[1]), int(pair[2])
    match = _RATING.fullmatch(value)
    if not match:
        return None
    stars = int(match[2])
    return {">=": (stars, 5), ">": (stars + 1, 5), "<=": (-1, stars), "<": (-1, stars - 1)}.get(
        match[1], (stars, stars)
    )


_NEAR = re.compile(
    r"([+-]?\d{1,3}(?:\.\d{1,12})?)\s*[,;]\s*([+-]?\d{1,3}(?:\.\d{1,12})?)"
    r"(?:\s*[,;]\s*(\d{1,6}(?:\.\d{1,6})?)\s*(km|m|mi)?)?",
    re.ASCII,
)
_KM = MappingProxyType({"km": 1.0, "m": 0.001, "mi": 1.609_344})


#: A place's name and perhaps a radius.
_NEAR_NAME = re.compile(r"(.*?)(?:\s*[,;]\s*(\d{1,6}(?:\.\d{1,6})?)\s*(km|m|mi)?)?", re.ASCII | re.DOTALL)


def near_place(value: str) -> str | None:
    """The name of the place in a `near:` value as it was typed; None where there are coordinates."""
    match = _NEAR_NAME.fullmatch(value.strip())
    name = match[1].strip(" ,;") if match else ""
    return name if any(map(str.isalpha, name)) else None


def _near(value: str, now: date) -> str:
    match = _NEAR.fullmatch(value.lower())
    if match:
        return _circle(value, float(match[1]), float(match[2]), match[3], match[4])
    name = near_place(value)
    if name is None:
        raise FilterError(
            Message(
                "near:%(value)s is not a position: expected a town or latitude,longitude, and perhaps a radius, "
                "such as near:Lyon, near:Lyon,25km or near:48.1,11.6,25km",
                value=value,
            )
        )
    places = places_named(name, most=1)
    if not places:
        raise _no_such_place(name)
    radius = _NEAR_NAME.fullmatch(value.lower().strip())
    centre = places[0].position
    return _circle(value, centre.latitude, centre.longitude, *(radius.groups()[1:] if radius else (None, None)))


def _no_such_place(name: str) -> FilterError:
    nearest = nearest_place(name)
    hint = None if nearest is None else f'near:"{nearest}"' if " " in nearest else f"near:{nearest}"
    if hint is None:
        return FilterError(
            Message(
                "near:%(name)s is no town of more than 5,000 people, such as near:Lyon or near:48.1,11.6", name=name
            )
        )
    return FilterError(
        Message("near:%(name)s is no town of more than 5,000 people; did you mean %(hint)s?", name=name, hint=hint),
        suggestion=hint,
    )


def _circle(value: str, latitude: float, longitude: float, radius: str | None, unit: str | None) -> str:
    if abs(latitude) > 90 or abs(longitude) > 180:
        swap = None
        if abs(longitude) <= 90 and abs(latitude) <= 180:
            swap = f"near:{_number(longitude)},{_number(latitude)}"
        if swap is None:
            raise FilterError(
                Message("near:%(value)s: a latitude is -90 to 90 and a longitude -180 to 180", value=value)
            )
        raise FilterError(
            Message(
                "near:%(value)s: a latitude is -90 to 90 and a longitude -180 to 180; did you mean %(hint)s?",
                value=value,
                hint=swap,
            ),
            suggestion=swap,
        )
    radius_km = float(radius) * _KM[unit or "km"] if radius else DEFAULT_RADIUS_KM
    if not 0 < radius_km <= _HALF_EARTH_KM or not math.isfinite(radius_km):
        raise FilterError(
            Message("near:%(value)s: the radius is more than 0 and at most 20000 km, such as 25km", value=value)
        )
    return f"{_number(latitude)},{_number(longitude)},{_number(radius_km)}km"


def _number(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".")


def _sort(value: str, now: date) -> str:
    text = value.lower()
    if text in set(Sort):
        return text
    nearest = min(Sort, key=lambda known: OSA.distance(text, str(known)))
    message = Message(
        "sort:%(value)s is not an order; did you mean sort:%(nearest)s? Orders: %(orders)s.",
        value=value,
        nearest=nearest,
        orders=", ".join(Sort),
    )
    raise FilterError(message, suggestion=f"sort:{nearest}")


def _similar(value: str, now: date) -> str:
    if value.casefold() != "all":
        raise FilterError(Message("similar: takes one value, similar:all"), suggestion="similar:all")
    return "all"


_CHECKS: Mapping[str, Callable[[str, date], str]] = MappingProxyType(
    {
        "before": _date("before"),
        "after": _date("after"),
        "year": _year,
        "camera": _words("camera"),
        "lens": _words("lens"),
        "place": _words("place"),
        "folder": _words("folder"),
        "person": _words("person"),
        "tag": _words("tag"),
        "type": _type,
        "rating": _rating,
        "near": _near,
        "sort": _sort,
        "similar": _similar,
    }
)
TIME, WORDS, SIMILAR = "time", "words", "similar"
FILTER_NAMES = (*_CHECKS, TIME, WORDS)
#: The canonical value of `TIME` that photos without a date pass.
UNDATED = "undated"

#: Names that other programs use, or that come to mind.
_MEANT = MappingProxyType(
    {
        "people": "person",
        "persons": "person",
        "who": "person",
        "face": "person",
        "tags": "tag",
        "keyword": "tag",
        "keywords": "tag",
        "city": "place",
        "town": "place",
        "country": "place",
        "location": "place",
        "album": "folder",
        "dir": "folder",
        "directory": "folder",
        "path": "folder",
        "since": "after",
        "from": "after",
        "until": "before",
        "date": "after",
        "day": "after",
        "month": "after",
        "taken": "after",
        "format": "type",
        "filetype": "type",
        "stars": "rating",
        "star": "rating",
        "order": "sort",
        "gps": "near",
        "around": "near",
        "device": "camera",
        "model": "camera",
    }
)
