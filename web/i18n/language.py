"""The reader's language: the texts of the page from languages/*.po, dates and numbers by Unicode's CLDR through Babel.

English stands in the sources; a translation is one more .po file, read when the page starts, so that neither a build
nor a compiled copy of it can be forgotten. Each request has one language, which a context variable holds: a macro of a
template, a thread that joins results and an error far down all read it from there.
"""

from __future__ import annotations

import io
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime, time
from functools import lru_cache
from gettext import GNUTranslations, NullTranslations
from pathlib import Path

from aiohttp import hdrs, web
from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_skeleton, format_time
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal
from babel.units import format_unit

from indexer.errors import SettingsError
from indexer.message import Message
from indexer.model import DatePrecision
from indexer.reasons import Reason

LANGUAGES_DIRECTORY = Path(__file__).parent / "languages"
#: Each locale takes about 160 kB for as long as the process runs, and Babel knows a thousand of them.
MOST_LOCALES = 48
#: For requests without a language: English with the day before the month and a 24-hour clock.
_DEFAULT_LOCALE = Locale("en", "GB")
_LONGEST_HEADER = 300  # characters; browsers send fewer than 100
_TAG = re.compile(r"(?P<tag>[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3})\s*(?:;\s*q=(?P<quality>[01](?:\.\d{0,3})?))?")


@dataclass(frozen=True, slots=True)
class Translation:
    """The texts of the page in one language."""

    texts: NullTranslations
    direction: str = "ltr"


@dataclass(frozen=True, slots=True)
class Language:
    """`code` and `translation` are the interface's; `locale` is that of dates and numbers, which needs no translation
    to be there."""

    code: str
    translation: Translation
    locale: Locale

    @property
    def texts(self) -> NullTranslations:
        """The interface's."""
        return self.translation.texts

    @contextmanager
    def as_current(self) -> Iterator[None]:
        """Inside, this is the `current_language`."""
        before = _CURRENT.set(self)
        try:
            yield
        finally:
            _CURRENT.reset(before)

    @property
    def key(self) -> str:
        """Pages that differ by language differ by this."""
        return f"{self.code} {self.locale}"

    @property
    def tag(self) -> str:
        """The interface's language as pages name it (BCP 47): ``pt-BR``."""
        return self.code.replace("_", "-")

    @property
    def locale_tag(self) -> str:
        """As `tag`, of dates and numbers."""
        return str(self.locale).replace("_", "-")

    @property
    def direction(self) -> str:
        """``ltr`` or ``rtl``, of the interface."""
        return self.translation.direction


ENGLISH = Language("en", Translation(NullTranslations()), _DEFAULT_LOCALE)

_CURRENT: ContextVar[Language] = ContextVar("language", default=ENGLISH)


def current_language() -> Language:
    """The language of the request that is being answered."""
    return _CURRENT.get()


def gettext(message: str, /, **values: object) -> str:
    """`message` in the reader's language, with ``%(name)s`` for values; numbers among them are written in the reader's
    way."""
    return current_language().texts.gettext(message) % format_values(values)


def ngettext(singular: str, plural: str, count: int, /, **values: object) -> str:
    """As `gettext`, in the form that goes with `count`, which is ``%(count)s``."""
    return current_language().texts.ngettext(singular, plural, count) % format_values({"count": count, **values})


def translate(message: Message | Reason | str | None) -> str:
    """A message, a reason or an `N_` text in the reader's language; other text stays as it is. Empty for None."""
    if isinstance(message, Reason):
        values = {
            name: translate(value) if isinstance(value, Reason) else value for name, value in message.parameters.items()
        }
        return current_language().texts.gettext(message.code.template) % format_values(values)
    if isinstance(message, Message):
        return current_language().texts.gettext(message.template) % format_values(message.values)
    return current_language().texts.gettext(message) if message else ""


def number(value: float) -> str:
    """``12,345`` in the reader's way."""
    return _decimal(value, current_language().locale)


@lru_cache(maxsize=4096)
def _decimal(value: float, locale: Locale) -> str:
    return format_decimal(value, locale=locale)


def format_values(values: Mapping[str, object]) -> dict[str, object]:
    """Values as they go into a message."""
    return {name: number(value) if isinstance(value, int) else value for name, value in values.items()}


class Languages:
    """The languages there are: English and each translation. `forced` is used whatever a browser asks for."""

    def __init__(self, translations: Mapping[str, Translation], *, forced: str = "") -> None:
        """Raises `SettingsError` where `forced` is no language."""
        self._translations = {"en": ENGLISH.translation, **translations}
        self._locales: dict[str, Locale] = {}
        self._forced = self._from_setting(forced) if forced else None
        self._for_header = lru_cache(maxsize=256)(self._choose)

    @property
    def is_forced(self) -> bool:
        """Whether all readers have the same."""
        return self._forced is not None

    def for_header(self, header: str) -> Language:
        """By Accept-Language (RFC 9110, 12.5.4), which may hold anything."""
        return self._forced or self._for_header(header[:_LONGEST_HEADER])

    def _from_setting(self, tag: str) -> Language:
        locale = self._locale(tag.replace("_", "-"))
        if locale is None:
            raise SettingsError(f"setting 'language' is a language such as en, de or de-AT, got {tag!r}")
        return self._language(self._code(locale) or "en", locale)

    def _choose(self, header: str) -> Language:
        locales = [locale for tag in _tags(header) if (locale := self._locale(tag))]
        if not locales:
            return ENGLISH
        codes = (code for locale in locales if (code := self._code(locale)))
        return self._language(next(codes, "en"), locales[0])

    def _language(self, code: str, locale: Locale) -> Language:
        return Language(code, self._translations[code], locale)

    def _code(self, locale: Locale) -> str:
        candidates = (str(locale), f"{locale.language}_{locale.script}", locale.language)
        return next((code for code in candidates if code in self._translations), "")

    def _locale(self, tag: str) -> Locale | None:
        for candidate in (tag, tag.partition("-")[0]):
            if candidate in self._locales:
                return self._locales[candidate]
            if len(self._locales) < MOST_LOCALES and (locale := _parse(candidate)):
                self._locales[candidate] = locale
                return locale
        return None


def _parse(tag: str) -> Locale | None:
    try:
        return Locale.parse(tag, sep="-")
    except (UnknownLocaleError, ValueError):
        return None


def _tags(header: str) -> list[str]:
    """Best first; those of quality 0 are not wanted."""
    matches = [match for part in header.split(",") if (match := _TAG.fullmatch(part.strip()))]
    qualities = {match["tag"]: float(match["quality"] or 1) for match in matches}
    return sorted((tag for tag in qualities if qualities[tag]), key=lambda tag: -qualities[tag])


def read_languages(directory: Path = LANGUAGES_DIRECTORY) -> Mapping[str, Translation]:
    """By their codes. What a file does not translate, or only guesses (fuzzy), stays English."""
    return dict(_read(directory))


def _read(directory: Path) -> Iterator[tuple[str, Translation]]:
    for path in sorted(directory.glob("*.po")):
        with path.open("rb") as file:
            catalogue = read_po(file, locale=path.stem)
        compiled = io.BytesIO()
        write_mo(compiled, catalogue)
        compiled.seek(0)
        yield path.stem, Translation(GNUTranslations(compiled), Locale.parse(path.stem).text_direction)


LANGUAGES = web.AppKey("LANGUAGES", Languages)


@web.middleware
async def language_middleware(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Answers in the reader's language."""
    with request.config_dict[LANGUAGES].for_header(request.headers.get(hdrs.ACCEPT_LANGUAGE, "")).as_current():
        return await handler(request)


async def vary_by_language(request: web.Request, response: web.StreamResponse) -> None:
    """An `on_response_prepare` signal: caches have to know that pages differ by language."""
    if response.content_type == "text/html" and not request.config_dict[LANGUAGES].is_forced:
        response.headers.add(hdrs.VARY, hdrs.ACCEPT_LANGUAGE)


_SIZES = ("digital-byte", "digital-kilobyte", "digital-megabyte", "digital-gigabyte", "digital-terabyte")


def date_text(moment: datetime, precision: DatePrecision = DatePrecision.TIME) -> str:
    """``14 July 2019, 15:42``: local time where the photo was taken, whatever the reader's time zone; or ``14 July
    2019``, ``July 2019``, ``2019``, where no more is known."""
    if precision is DatePrecision.YEAR:
        return year_text(moment)
    if precision is DatePrecision.MONTH:
        return month_text(moment)
    if precision is DatePrecision.DAY:
        return str(format_date(moment, "long", locale=current_language().locale))
    return _date_and_time(moment.replace(tzinfo=None), current_language().locale)


@lru_cache(maxsize=1024)
def _date_and_time(moment: datetime, locale: Locale) -> str:
    day, time = format_date(moment, "long", locale=locale), format_time(moment, "short", locale=locale)
    joined: str = locale.datetime_formats["medium"]
    return joined.replace("{1}", day).replace("{0}", time)


def hour_text(hour: int) -> str:
    """``22:00`` or ``10:00 PM``; 24 is the day's beginning."""
    return str(format_time(time(hour % 24), "short", locale=current_language().locale))


def month_text(moment: datetime) -> str:
    """``July 2019``."""
    return _month(moment.year, moment.month, "yMMMM", current_language().locale)


def year_text(moment: datetime) -> str:
    """``2019``, ``2019年``."""
    return _month(moment.year, 1, "y", current_language().locale)


def month_letter(moment: datetime) -> str:
    """``J``, or what else is shortest: ``7`` in Czech, ``7月`` in Japanese."""
    return _month(moment.year, moment.month, "LLLLL", current_language().locale)


@lru_cache(maxsize=4096)
def _month(year: int, month: int, pattern: str, locale: Locale) -> str:
    first = datetime(year, month, 1)
    return format_skeleton(pattern, first, locale=locale) if pattern[0] == "y" else format_date(first, pattern, locale)


def decimal_text(value: float, pattern: str = "0.######") -> str:
    """``2.8``, by a pattern of UTS 35, part 3."""
    return format_decimal(value, format=pattern, locale=current_language().locale)


def percent_text(percent: int | str) -> str:
    """``87%``."""
    return gettext("%(percent)s%%", percent=percent)


def bytes_text(size: int) -> str:
    """``3.4 MB`` (powers of ten, as disks are sold)."""
    value, power = float(size), 0
    while value >= 1000 and power + 1 < len(_SIZES):
        value, power = value / 1000, power + 1
    return _measure(value, _SIZES[power], 0 if power == 0 or value >= 100 else 1)


def distance_text(km: float) -> str:
    """``10 km``."""
    return _measure(km, "length-kilometer", 1 if km % 1 else 0)


def duration_text(seconds: float) -> str:
    """``42 sec``, ``7 min``, ``3 hr 5 min``, ``2 days 4 hr``."""
    if seconds < 90:
        return _measure(seconds, "duration-second")
    minutes = round(seconds / 60)
    if minutes < 90:
        return _measure(minutes, "duration-minute")
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{_measure(hours, 'duration-hour')} {_measure(minutes, 'duration-minute')}"
    days, hours = divmod(hours, 24)
    return f"{_measure(days, 'duration-day')} {_measure(hours, 'duration-hour')}"


def size_text(width_px: int, height_px: int) -> str:
    """The width, a multiplication sign, the height, in pixels."""
    return f"{number(width_px)} \u00d7 {number(height_px)}"


def _measure(value: float, unit: str, digits: int = 0) -> str:
    pattern = f"#,##0.{'0' * digits}" if digits else "#,##0"
    return format_unit(value, unit, "short", format=pattern, locale=current_language().locale)
