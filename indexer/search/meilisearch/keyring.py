"""The keys in use, which may be made anew while recollect runs."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from indexer.errors import SetupError
from indexer.search.meilisearch.keys import Keys

log = logging.getLogger(__name__)


class Keyring:
    """Holds what `source` gives, and asks it again when the server refuses that. Thread-safe."""

    def __init__(self, source: Callable[[], Keys]) -> None:
        """Raises what `source` raises."""
        self._source = source
        self._lock = threading.Lock()
        self._keys = source()

    @property
    def keys(self) -> Keys:
        """Those that are thought to be right."""
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
