"""Every setting, once. `SETTINGS` is the table that the loader, the command line, the README and the tests read.

Order of precedence: the table's default, the TOML file, the environment (`RECOLLECT_` + NAME in capitals), flags. Not
pydantic-settings: it costs 150 ms and 13 MB at each start, and its messages show what stands in a mistyped secret.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from captioner import DEFAULT_BUNDLE
from indexer.errors import SettingsError
from indexer.hours import DailyHours

ENVIRONMENT_PREFIX = "RECOLLECT_"


def _setting(default: Any, text: str, *, unit: str = "", choices: tuple[str, ...] = (), secret: bool = False) -> Any:
    metadata = {"help": text, "unit": unit, "choices": choices, "secret": secret}
    return field(default=default, repr=not secret, metadata=MappingProxyType(metadata))


def default_data_dir() -> Path:
    """The XDG data directory (freedesktop.org Base Directory Specification 0.8)."""
    base = os.environ.get("XDG_DATA_HOME") or ""
    return (Path(base) if base.startswith("/") else Path.home() / ".local" / "share") / "recollect"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a run is told. Paths are absolute once loaded; times in seconds, sizes in the unit that the name ends in."""

    photos: tuple[Path, ...] = _setting((), "library roots, walked recursively")
    data_dir: Path = field(
        default_factory=default_data_dir,
        metadata=MappingProxyType(
            {
                "help": "catalogue, search index and thumbnails; never inside a library",
                "unit": "",
                "choices": (),
                "secret": False,
            }
        ),
    )
    include: tuple[str, ...] = _setting((), "globs, relative to a root: only these files are looked at")
    exclude: tuple[str, ...] = _setting((), "globs, relative to a root: these files and folders are passed over")
    captions: str = _setting(
        "embed",
        "where sentences are written: into the photo file, into an .xmp file beside it, or nowhere but the index",
        choices=("embed", "sidecar", "off"),
    )
    write_unsure: bool = _setting(
        False, "write sentences that the model is not sure of, too; else they are kept in the index only"
    )
    keep_mtime: bool = _setting(True, "leave a photo's modification time as it was when a caption is written")
    sidecar_dir: Path | None = _setting(None, "a tree for sidecars, where the library itself can't be written")
    bundle: Path = _setting(DEFAULT_BUNDLE, "the caption model's directory")
    captioner_threads: int = _setting(1, "threads of the caption model")
    captioner_timeout_s: float = _setting(60.0, "one caption may take this long", unit="s")
    nice: int = _setting(10, "niceness of the child processes, so that the house's server stays usable")
    unload_after_s: float = _setting(
        300.0,
        "without work for so long, the child processes with the caption model and the photo reader end and give their "
        "memory back; the next photo starts them again; 0: never",
        unit="s",
    )
    readers: int = _setting(0, "child processes that open photo files; 0: one for one or two cores, else two")
    reader_timeout_s: float = _setting(60.0, "one photo may take this long to read and decode", unit="s")
    reader_memory_mb: int = _setting(1024, "address space that one reading process may grow by", unit="MB")
    max_pixels_mp: float = _setting(200.0, "photos with more pixels are set aside", unit="megapixels")
    max_file_mb: float = _setting(500.0, "files larger than this are set aside", unit="MB")
    grid_px: int = _setting(320, "longest side of a thumbnail in the grid", unit="px")
    screen_px: int = _setting(1280, "longest side of the picture on a photo's page", unit="px")
    rescan_s: float = _setting(3600.0, "the whole library is walked again this often; 0: never", unit="s")
    recaption_hours: str = _setting(
        "",
        "hours at which `recollect serve` describes again, by itself and behind all other work, what another model has "
        "described, such as 22-6 (local time); without it, never",
    )
    watch: bool = _setting(True, "watch the library for changes between walks")
    search: str = _setting("embedded", "the search backend", choices=("embedded", "meilisearch"))
    meilisearch_url: str = _setting("http://127.0.0.1:7700", "where Meilisearch answers")
    meilisearch_index: str = _setting("recollect", "the name of the index in Meilisearch; the next one is NAME-next")
    meilisearch_key: str = _setting(
        "", "Meilisearch's key for indexing; without it, the one that `recollect doctor --fix` made", secret=True
    )
    meilisearch_search_key: str = _setting(
        "", "Meilisearch's key for searching; without it, the one that `recollect doctor --fix` made", secret=True
    )
    meilisearch_master_key: str = _setting(
        "",
        "Meilisearch's master key: `recollect doctor --fix` makes the two keys with it; nothing else reads it",
        secret=True,
    )
    birthdays: tuple[str, ...] = _setting(
        (),
        "names and days of birth, such as Anna 2015-06-03: a search for Anna's birthday finds that day of every year",
    )
    host: str = _setting("127.0.0.1", "address the page is served on")
    port: int = _setting(8765, "port the page is served on; 0: any free one")
    password: str = _setting(
        "",
        "household password, plain or as `recollect password` makes it; needed to serve to anything but this machine",
        secret=True,
    )
    hosts: str = _setting(
        "", "names the page is reached under, separated by commas; needed where no password protects it"
    )
    base_path: str = _setting(
        "", "the path that a reverse proxy serves the page under, such as /photos; without it, at the top of its name"
    )
    user_header: str = _setting(
        "", "the header in which a reverse proxy names whom it has signed in, such as Remote-User; that is then enough"
    )
    trusted_proxies: str = _setting(
        "",
        "addresses or networks of reverse proxies, separated by commas: only they are believed user_header, and for "
        "whom they ask",
    )
    open_metrics: bool = _setting(False, "let /metrics be read without signing in")
    language: str = _setting(
        "", "the page's language, such as de or en-GB, whatever a browser asks for; else each reader's own"
    )

    @property
    def catalogue_path(self) -> Path:
        """The catalogue: what is known of every photo and what is still to do."""
        return self.data_dir / "catalogue.db"

    @property
    def birthday_dates(self) -> Mapping[str, date]:
        """Days of birth by name. Raises `ValueError` where one is none."""
        return MappingProxyType(
            {
                name.strip(): date.fromisoformat(day)
                for name, _, day in (one.strip().rpartition(" ") for one in self.birthdays)
            }
        )

    @property
    def thumbnails_path(self) -> Path:
        """The key-value store of thumbnails."""
        return self.data_dir / "thumbnails.db"

    @property
    def reader_count(self) -> int:
        """How many reading processes to start."""
        return self.readers or (1 if (os.cpu_count() or 1) <= 2 else 2)


#: name -> dataclass field; the table in the order it is shown.
SETTINGS = MappingProxyType({item.name: item for item in fields(Settings)})

#: Settings that are never shown: not in a message, not in a `repr`, and no flags, which `ps` shows to everyone.
SECRETS = frozenset(name for name, item in SETTINGS.items() if item.metadata["secret"])


def config_path(environment: Mapping[str, str]) -> Path:
    """The TOML file read where no `--config` names one."""
    base = environment.get("XDG_CONFIG_HOME") or ""
    return (Path(base) if base.startswith("/") else Path.home() / ".config") / "recollect" / "recollect.toml"


def load_settings(
    *,
    config: Path | None = None,
    environment: Mapping[str, str] | None = None,
    flags: Mapping[str, Any] | None = None,
    defaults: Mapping[str, Any] | None = None,
) -> Settings:
    """Reads file, environment and flags, in that order; `defaults` go before the table's own.

    Raises `SettingsError` with key, expected, got and hint.
    """
    environment = os.environ if environment is None else environment
    values: dict[str, Any] = dict(defaults or {})
    for name, value in _read_toml(config, environment).items():
        values[name] = _convert(name, value, source=str(config or config_path(environment)))
    for name in SETTINGS:
        variable = ENVIRONMENT_PREFIX + name.upper()
        if variable in environment:
            values[name] = _convert(name, _split(name, environment[variable]), source=variable)
    for name, value in (flags or {}).items():
        if value is not None and value != ():
            values[name] = _convert(name, value, source=f"--{name.replace('_', '-')}")
    return _check(Settings(**values))


def _read_toml(config: Path | None, environment: Mapping[str, str]) -> dict[str, Any]:
    path = config or config_path(environment)
    if config is None and not path.exists():
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"the settings file {path} can't be read: {error}", hint="it must be TOML") from error


def _split(name: str, text: str) -> Any:
    """An environment variable holds several values separated as PATH's are."""
    if str(SETTINGS[name].type).startswith("tuple"):
        return tuple(part for part in text.split(os.pathsep) if part)
    return text


_TRUE, _FALSE = frozenset({"1", "true", "yes", "on"}), frozenset({"0", "false", "no", "off"})


def _convert(name: str, value: Any, *, source: str) -> Any:
    if name not in SETTINGS:
        known = ", ".join(SETTINGS)
        raise SettingsError(f"{source}: there is no setting '{name}'", hint=f"settings are: {known}")
    kind = str(SETTINGS[name].type)
    try:
        converted = _CONVERTERS[kind](value)
    except (ValueError, TypeError, OSError) as error:
        raise SettingsError(
            f"{source}: setting '{name}' expects {kind}, got {_printable(name, value)}",
            hint=SETTINGS[name].metadata["help"],
        ) from (None if name in SECRETS else error)
    choices = SETTINGS[name].metadata["choices"]
    if choices and converted not in choices:
        raise SettingsError(f"{source}: setting '{name}' is one of {', '.join(choices)}, got {value!r}")
    return converted


def _printable(name: str, value: Any) -> str:
    return f"something of type {type(value).__name__}" if name in SECRETS else repr(value)


def _boolean(value: Any) -> bool:
    text = str(value).lower()
    if text not in _TRUE | _FALSE:
        raise ValueError(text)
    return text in _TRUE


def _integer(value: Any) -> int:
    if isinstance(value, bool | float):
        raise TypeError(value)
    return int(value)


def _number(value: Any) -> float:
    if isinstance(value, bool):
        raise TypeError(value)
    return float(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def _path(value: Any) -> Path:
    if not isinstance(value, str | os.PathLike) or not str(value):
        raise TypeError(value)
    return Path(os.path.normpath(Path(value).expanduser().absolute()))  # one spelling: roots are compared


def _several(value: Any, convert: Any) -> tuple[Any, ...]:
    if isinstance(value, str | os.PathLike):
        value = (value,)
    return tuple(convert(item) for item in value)


_CONVERTERS: Mapping[str, Any] = MappingProxyType(
    {
        "bool": _boolean,
        "int": _integer,
        "float": _number,
        "str": _text,
        "Path": _path,
        "Path | None": lambda value: _path(value) if value else None,
        "tuple[Path, ...]": lambda value: _several(value, _path),
        "tuple[str, ...]": lambda value: _several(value, _text),
    }
)

_AT_LEAST = MappingProxyType(
    {
        "captioner_threads": 1,
        "readers": 0,
        "grid_px": 64,
        "screen_px": 512,
        "port": 0,
        "rescan_s": 0,
        "unload_after_s": 0,
        "nice": 0,
    }
)


_AT_MOST = MappingProxyType({"port": 65535, "nice": 19})

# Meilisearch's own alphabet; of its 512 bytes some are left for the name of the next index.
_INDEX_NAME = re.compile(r"[A-Za-z0-9_-]{1,400}")


_LONGEST_BASE_PATH = 200
_BASE_PATH = re.compile(r"(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._~-]+)*/?")
#: Below them are addresses of the page that are also addresses with the path before them.
_OWN_PATHS = (["api"], ["static"])


def _check(settings: Settings) -> Settings:
    for name, least in _AT_LEAST.items():
        if getattr(settings, name) < least:
            raise SettingsError(f"setting '{name}' is at least {least}, got {getattr(settings, name)}")
    for name, most in _AT_MOST.items():
        if getattr(settings, name) > most:
            raise SettingsError(f"setting '{name}' is at most {most}, got {getattr(settings, name)}")
    _check_meilisearch(settings)
    _check_recaption_hours(settings)
    _check_birthdays(settings)
    _check_base_path(settings)
    for root in settings.photos:
        if settings.data_dir == root or root in settings.data_dir.parents:
            raise SettingsError(
                f"data_dir {settings.data_dir} lies inside the library {root}",
                hint="set RECOLLECT_DATA_DIR to a directory outside the photos",
            )
    return settings


def is_base_path(text: str) -> bool:
    """Whether `text` is "" or a path such as ``/photos``, with or without a slash at its end, of harmless names."""
    return len(text) <= _LONGEST_BASE_PATH and bool(_BASE_PATH.fullmatch(text))


def _check_base_path(settings: Settings) -> None:
    if not is_base_path(settings.base_path):
        raise SettingsError(
            f"setting 'base_path' is a path such as /photos, got {settings.base_path!r}",
            hint="names of letters, digits, - _ ~ and . with a / before each; nothing where there is none",
        )
    if settings.base_path.split("/")[1:2] in _OWN_PATHS:
        raise SettingsError(
            f"setting 'base_path' can't begin with {settings.base_path!r}: the page has addresses of that name itself",
            hint="such as /photos",
        )


def _check_birthdays(settings: Settings) -> None:
    try:
        names = settings.birthday_dates
    except ValueError:
        names = {"": date.min}
    if not all(names):
        raise SettingsError(
            f"setting 'birthdays' expects names and days of birth, got {', '.join(settings.birthdays)!r}",
            hint="NAME YEAR-MONTH-DAY for each person, such as Anna 2015-06-03",
        )


def _check_recaption_hours(settings: Settings) -> None:
    if not settings.recaption_hours:
        return
    try:
        DailyHours.parse(settings.recaption_hours)
    except ValueError as error:
        raise SettingsError(
            f"setting 'recaption_hours' expects two hours of the day, such as 22-6, got {settings.recaption_hours!r}",
            hint="BEGIN-END in whole hours, 0 to 24; empty: photos are only described again when you say so",
        ) from error


def _check_meilisearch(settings: Settings) -> None:
    if not _INDEX_NAME.fullmatch(settings.meilisearch_index):
        raise SettingsError(
            f"setting 'meilisearch_index' is a name of letters, digits, - and _, got {settings.meilisearch_index!r}"
        )
    if "@" in settings.meilisearch_url:
        raise SettingsError("setting 'meilisearch_url' holds a user or password", hint="set 'meilisearch_key' instead")
    if not _is_server(settings.meilisearch_url):
        raise SettingsError(
            f"setting 'meilisearch_url' is http://HOST:PORT or https://HOST, got {settings.meilisearch_url!r}"
        )
    for name in ("meilisearch_key", "meilisearch_search_key", "meilisearch_master_key"):
        if not re.fullmatch(r"[!-~]*", getattr(settings, name)):
            raise SettingsError(f"setting '{name}' holds a space or another character that no key has")


def _is_server(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return False
