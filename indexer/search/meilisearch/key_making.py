"""Makes the keys for indexing and for searching from Meilisearch's master key, for `recollect doctor --fix`.

A key's uid is made of its purpose and the index, and Meilisearch derives the key itself from uid and master key (HMAC).
So making keys twice gives the same ones, and a server that was wiped knows them again once they were made again:
nothing has to be restarted.

Keys are restricted to the index and the one that is made beside it. Two things follow, both of Meilisearch 1.50: no
such key may ask for the server's version, which therefore has a key of its own; and the task of a swap, which belongs
to two indexes, is never shown to such a key (`GET /tasks/UID` is a 404). That a swap is done shows in `createdAt`,
which goes along with the documents.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from types import MappingProxyType

from indexer.errors import SettingsError
from indexer.message import Message
from indexer.search.meilisearch.administration import Administration, KeyRefused
from indexer.search.meilisearch.keys import Keys, indexes_of, keep_keys
from indexer.settings import Settings

#: Purpose -> actions; the names are the fields of `Keys`.
ACTIONS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "admin": ("search", "documents.*", "indexes.*", "settings.*", "tasks.get", "stats.get"),
        "search": ("search",),
        "version": ("version",),
    }
)
_PURPOSES = MappingProxyType({"admin": "indexing", "search": "searching", "version": "reading the version"})
_NAMESPACE = uuid.UUID("6a1f2d5e-8c0b-4f7a-9d43-1e5b7c9a0f26")


def make_keys(settings: Settings) -> tuple[Keys, bool]:
    """Makes what keys are missing or not as they should be, and keeps all; whether any had to be made.

    Raises `SettingsError` where the master key is missing, `KeyRefused` where it is wrong, `NoMasterKey` where the
    server has none, `SearchError` where it does not answer.
    """
    if not settings.meilisearch_master_key:
        raise SettingsError(
            "to make Meilisearch's keys its master key is needed",
            hint="set RECOLLECT_MEILISEARCH_MASTER_KEY for this one command: it is not kept",
        )
    server = Administration(settings.meilisearch_url, settings.meilisearch_master_key)
    try:
        made = {purpose: _ensure(server, settings, purpose) for purpose in ACTIONS}
    except KeyRefused as error:
        raise KeyRefused(
            Message("Meilisearch at %(server_url)s does not accept the master key", server_url=server.url),
            hint=Message("it is the one that the server was started with: MEILI_MASTER_KEY, --master-key"),
        ) from error
    keys = Keys(**{purpose: key for purpose, (key, _) in made.items()})
    keep_keys(settings, keys)
    return keys, any(fresh for _, fresh in made.values())


def uid_of(settings: Settings, purpose: str) -> str:
    """The same for the same index and purpose, on every server (RFC 9562, version 5)."""
    return str(uuid.uuid5(_NAMESPACE, f"{settings.meilisearch_index}/{purpose}"))


def _ensure(server: Administration, settings: Settings, purpose: str) -> tuple[str, bool]:
    indexes = ["*"] if purpose == "version" else list(indexes_of(settings))
    name = f"recollect ({settings.meilisearch_index}): {_PURPOSES[purpose]}"
    return server.ensure_key(uid_of(settings, purpose), name, list(ACTIONS[purpose]), indexes)
