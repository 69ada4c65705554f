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
from functools import lru_cache
from gettext import GNUTranslations, NullTranslations
from pathlib import Path

from aiohttp import hdrs, web
from babel import Locale, UnknownLocaleError
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal

from indexer.errors import SettingsError
from indexer.message import Message
from indexer.reasons import Reason

LANGUAGES_DIRECTORY = Path(__file__).parent / "languages"
#: Each locale takes about 160 kB for as long as the process runs, and Babel knows a thousand of them.
MOST_LOCALES = 48
#: Who asks for no language in particular: English with the day before the month and a clock of 24 hours.
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


def ngettext(one: str, many: str, count: int, /, **values: object) -> str:
    """As `gettext`, in the form that goes with `count`, which is ``%(count)s``."""
    return current_language().texts.ngettext(one, many, count) % format_values({"count": count, **values})


def translate(message: Message | Reason | str | None) -> str:
    """A message, a reason or an `N_` text in the reader's language; other text stays as it is. Empty for None."""
    if isinstance(message, Reason):
        values = {name: translate(one) if isinstance(one, Reason) else one for name, one in message.parameters.items()}
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
        wanted = (str(locale), f"{locale.language}_{locale.script}", locale.language)
        return next((code for code in wanted if code in self._translations), "")

    def _locale(self, tag: str) -> Locale | None:
        for one in (tag, tag.partition("-")[0]):
            if one in self._locales:
                return self._locales[one]
            if len(self._locales) < MOST_LOCALES and (locale := _parse(one)):
                self._locales[one] = locale
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
    """An `on_response_prepare` signal: pages are written for their reader, and caches are to know."""
    if response.content_type == "text/html" and not request.config_dict[LANGUAGES].is_forced:
        response.headers.add(hdrs.VARY, hdrs.ACCEPT_LANGUAGE)
