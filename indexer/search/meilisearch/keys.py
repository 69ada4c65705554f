"""Which keys open Meilisearch: those of the settings, else those that `recollect doctor --fix` made and kept.

Only recollect's processes have them: a browser sends its requests to recollect and never to Meilisearch.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from indexer.atomic.replace import write_private
from indexer.errors import SettingsError, SetupError
from indexer.settings import Settings

_AGAIN = "make the keys again: recollect doctor --fix"
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Keys:
    """`admin` writes documents and settings, `search` only searches, `version` only reads the server's version.

    Empty where none is known: then requests go without an Authorization header, which is what a server without a master
    key expects. (It refuses an empty one.)
    """

    admin: str = field(default="", repr=False)
    search: str = field(default="", repr=False)
    version: str = field(default="", repr=False)


def keys_of(settings: Settings) -> Keys:
    """The keys to use. Searching takes the key for indexing only where no other is known.

    Raises `SettingsError` where the kept keys can't be read.
    """
    kept = stored_keys(settings)
    admin = settings.meilisearch_key or kept.admin
    return Keys(admin, settings.meilisearch_search_key or kept.search or admin, kept.version)


def indexes_of(settings: Settings) -> tuple[str, str]:
    """The index that is searched, and the one that is made beside it where everything has to be indexed anew."""
    return settings.meilisearch_index, f"{settings.meilisearch_index}-next"


def keys_path(settings: Settings) -> Path:
    """The file of the keys that were made; readable for its owner alone."""
    return settings.data_dir / "meilisearch-keys.json"


def stored_keys(settings: Settings) -> Keys:
    """The keys that were made for the index of the settings, all empty where none were. Raises `SettingsError`."""
    path = keys_path(settings)
    try:
        stored = json.loads(path.read_text(encoding="ascii"))
        index, keys = stored["index"], Keys(**{name: str(stored["keys"][name]) for name in Keys.__slots__})
    except (FileNotFoundError, NotADirectoryError):
        return Keys()
    except PermissionError as error:
        raise SettingsError(
            f"{path} can't be read: {error.strerror}", hint="run recollect as the user whose data directory it is"
        ) from error
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise SettingsError(f"{path} is not as recollect wrote it", hint=f"delete it and {_AGAIN}") from error
    return keys if index == settings.meilisearch_index else Keys()


def keep_keys(settings: Settings, keys: Keys) -> None:
    """Writes the file: whole or not at all, on the disk when this returns. Raises `SettingsError`."""
    path = keys_path(settings)
    try:
        text = json.dumps({"index": settings.meilisearch_index, "keys": asdict(keys)}, indent=1)
        write_private(path, text.encode("ascii"))
    except OSError as error:
        raise SettingsError(
            f"{path} can't be written: {error.strerror}", hint="check the free space and the rights of the directory"
        ) from error


class Keyring:
    """The keys in use, which may be made anew while recollect runs: `source` gives them, again when the server refuses
    the last ones. Thread-safe."""

    def __init__(self, source: Callable[[], Keys]) -> None:
        """Raises what `source` raises."""
        self._source = source
        self._lock = threading.Lock()
        self._keys = source()

    @property
    def keys(self) -> Keys:
        """Those that the server has not refused, as far as is known."""
        return self._keys

    def after_refusal(self, refused: Keys) -> Keys:
        """The keys to use instead of these; the same ones where there are no others."""
        with self._lock:
            if self._keys == refused:
                self._keys = self._reload()
            return self._keys

    def _reload(self) -> Keys:
        try:
            return self._source()
        except SetupError as error:
            log.warning("the search server refuses the keys, and there are no others: %s", error)
            return self._keys
