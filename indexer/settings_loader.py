"""Settings read from the TOML file, the environment and flags, and checked."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import SplitResult, urlsplit

from indexer.errors import SettingsError
from indexer.hours import DailyHours
from indexer.settings import ENVIRONMENT_PREFIX, SECRETS, SETTINGS, Settings


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
        "pause_temperature_c": 0,
        "pause_load_percent": 0,
    }
)


_AT_MOST = MappingProxyType({"port": 65535, "nice": 19, "pause_load_percent": 99})

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
    _check_cluster(settings)
    _check_hours(settings)
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


def _check_hours(settings: Settings) -> None:
    for name in ("recaption_hours", "quiet_hours"):
        hours = getattr(settings, name)
        try:
            _ = DailyHours.parse(hours) if hours else None
        except ValueError as error:
            raise SettingsError(
                f"setting '{name}' expects two hours of the day, such as 22-6, got {hours!r}",
                hint="BEGIN-END in whole hours, 0 to 24; empty: never",
            ) from error
    if settings.quiet_hours and DailyHours.parse(settings.quiet_hours).is_whole_day:
        raise SettingsError(
            f"setting 'quiet_hours' is the whole day, {settings.quiet_hours!r}: no photo would ever be indexed",
            hint="such as 20-23, or empty",
        )


def check_cluster_address(address: str, tls: Path | None) -> None:
    """Raises `SettingsError` where that is no address of a scheduler, or one that does not go with `cluster_tls`."""
    parts = _parts(address)
    if parts is None or parts.scheme not in {"tcp", "tls"} or not parts.hostname or not parts.port or parts.path:
        raise SettingsError(f"setting 'cluster' is tcp://HOST:PORT or tls://HOST:PORT, got {address!r}")
    if parts.scheme == "tls" and tls is None:
        raise SettingsError(
            f"{address} is reached by TLS, and 'cluster_tls' is not set", hint=SETTINGS["cluster_tls"].metadata["help"]
        )
    if parts.scheme == "tcp" and tls is not None:
        raise SettingsError(f"{address} is reached without TLS, and 'cluster_tls' is set", hint="write tls://HOST:PORT")


def _check_cluster(settings: Settings) -> None:
    if settings.cluster:
        check_cluster_address(settings.cluster, settings.cluster_tls)
    if settings.cluster_timeout_s <= 0:
        raise SettingsError(f"setting 'cluster_timeout_s' is more than 0, got {settings.cluster_timeout_s}")


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
    parts = _parts(url)
    return parts is not None and parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0


def _parts(url: str) -> SplitResult | None:
    """None where it is no address, or has a port that is no number."""
    try:
        parts = urlsplit(url)
        return parts if parts.port is None or parts.port >= 0 else None
    except ValueError:
        return None
