"""Setting a Meilisearch server up, through the official client: its keys, their rights, its version.

https://www.meilisearch.com/docs/reference/api/keys

`make_keys` makes the keys for indexing and for searching from the master key, for `recollect doctor --fix`. A key's uid
is made of its purpose and the index, and Meilisearch derives the key itself from uid and master key (HMAC). So making
keys twice gives the same ones, and a server that was wiped knows them again once they were made again: nothing has to
be restarted.

Keys are restricted to the index and the one that is made beside it. Two things follow, both of Meilisearch 1.50: no
such key may ask for the server's version, which therefore has a key of its own; and the task of a swap, which belongs
to two indexes, is never shown to such a key (`GET /tasks/UID` is a 404). That a swap is done shows in `createdAt`,
which goes along with the documents.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import requests
from meilisearch import Client
from meilisearch.errors import MeilisearchApiError, MeilisearchError
from meilisearch.models.key import Key

from indexer.errors import SearchError, SettingsError
from indexer.message import Message
from indexer.search.meilisearch.keys import Keys, indexes_of, keep_keys
from indexer.settings import Settings

#: The server that recollect's own tests run against.
TESTED_VERSION = (1, 50)

_TIMEOUT_S = 10
_NO_KEY = "none"  # a server without a master key takes every key but an empty one
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


class NoMasterKey(SearchError):
    """The server was started without a master key: everything is allowed, and there are no keys."""


class KeyRefused(SearchError):
    """The server does not know the key, or not for this."""


@dataclass(frozen=True, slots=True)
class Probe:
    """A request that shows whether a key may do something, and does nothing: a write is too malformed to be one."""

    method: str
    path: str
    body: Any = None
    content_type: str = "application/json"


#: What indexing does -> a request for it. The server looks at the key first, at the request afterwards.
#: Deleting an index can't be asked without doing it; its right comes with that of creating one (`indexes.*`).
_WRITING: Mapping[str, Probe] = MappingProxyType(
    {
        "add documents": Probe("post", "indexes/{index}/documents", "-", "text/plain"),
        "delete documents": Probe("post", "indexes/{index}/documents/delete-batch", {"not": "a list"}),
        "create an index": Probe("post", "indexes", {"no": "uid"}),
        "swap indexes": Probe("post", "swap-indexes", [{"indexes": ["{index}"]}]),
        "change settings": Probe("patch", "indexes/{index}/settings", {"notASetting": 1}),
    }
)
_READING: Mapping[str, Probe] = MappingProxyType(
    {
        "read documents": Probe("get", "indexes/{index}/documents?limit=1"),
        "read settings": Probe("get", "indexes/{index}/settings"),
        "follow tasks": Probe("get", "tasks?limit=1&indexUids={index}"),
        "count documents": Probe("get", "indexes/{index}/stats"),
    }
)
_SEARCHING: Mapping[str, Probe] = MappingProxyType({"search": Probe("post", "indexes/{index}/search", {"limit": 0})})


class Administration:
    """The server at `url`, asked with `key`. Methods block, and raise `SearchError` where it does not answer."""

    def __init__(self, url: str, key: str = "") -> None:
        self.url = url.rstrip("/")
        self._client = Client(self.url, key or _NO_KEY, timeout=_TIMEOUT_S)

    def check_health(self) -> None:
        """Raises `SearchError` where no Meilisearch answers, or one that is not well."""
        with self._errors():
            answer = self._client.health()
        if not isinstance(answer, dict) or "status" not in answer:
            raise _not_meilisearch(self.url)
        if answer["status"] != "available":
            raise SearchError(
                Message("Meilisearch at %(url)s says that it is %(status)s", url=self.url, status=answer["status"]),
                hint=Message("see its log"),
            )

    def version(self) -> str:
        """Such as "1.50.0". Raises `KeyRefused` where the key may not ask."""
        with self._errors():
            return str(self._client.get_version()["pkgVersion"])

    def check_master_key(self) -> None:
        """Raises `NoMasterKey` where the server has none, `KeyRefused` where this key may not see the others."""
        with self._errors():
            self._client.get_keys({"limit": 1})

    def documents(self, index: str) -> int | None:
        """How many documents an index has; None where there is no such index."""
        with self._errors():
            try:
                return int(self._client.index(index).get_stats().number_of_documents)
            except MeilisearchApiError as error:
                if error.status_code == 404:
                    return None
                raise

    def missing_rights(self, index: str, *, writing: bool, reading: bool) -> list[str]:
        """What of indexing and searching this key may not do."""
        probes = {**(_WRITING if writing else {}), **(_READING if reading else {}), **_SEARCHING}
        return [name for name, probe in probes.items() if not self._allows(probe, index)]

    def write_rights(self, index: str) -> list[str]:
        """What of changing the index this key may do."""
        return [name for name, probe in _WRITING.items() if self._allows(probe, index)]

    def ensure_key(self, uid: str, name: str, actions: list[str], indexes: list[str]) -> tuple[str, bool]:
        """The key with this uid, and whether it was made: it was missing, or had other rights."""
        wanted = {"uid": uid, "name": name, "description": _DESCRIPTION, "actions": actions, "indexes": indexes}
        with self._errors():
            there = self._key(uid)
            if there is not None:
                if set(there.actions) == set(actions) and set(there.indexes) == set(indexes) and not there.expires_at:
                    return there.key, False
                self._client.delete_key(uid)  # actions and indexes of a key can't be changed
            return self._client.create_key({**wanted, "expiresAt": None}).key, True

    def _key(self, uid: str) -> Key | None:
        try:
            return self._client.get_key(uid)
        except MeilisearchApiError as error:
            if error.code == "api_key_not_found":
                return None
            raise

    def _allows(self, probe: Probe, index: str) -> bool:
        path, http = probe.path.format(index=index), self._client.http
        with self._errors():
            try:
                if probe.method == "get":
                    http.get(path)
                elif probe.method == "patch":
                    http.patch(path, probe.body)
                else:
                    body = [{"indexes": [index]}] if isinstance(probe.body, list) else probe.body
                    http.post(path, body, probe.content_type)
            except MeilisearchApiError as error:
                return error.status_code not in {401, 403}
        return True

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except MeilisearchApiError as error:
            raise _translate(error, self.url) from error
        except (MeilisearchError, requests.ConnectionError, requests.Timeout) as error:
            raise _unreachable(error, self.url) from error
        except (requests.RequestException, ValueError, KeyError, TypeError, AttributeError) as error:
            raise _not_meilisearch(self.url) from error


_DESCRIPTION = "Made by `recollect doctor --fix`; made again by it where it is deleted"


def _unreachable(error: Exception, url: str) -> SearchError:
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return SearchError(
            Message("Meilisearch's certificate at %(url)s is not one that this machine trusts", url=url),
            hint=Message(
                "name the authority that signed it: SSL_CERT_FILE and REQUESTS_CA_BUNDLE, both the path of a PEM file"
            ),
        )
    if isinstance(error.__cause__, requests.exceptions.SSLError):
        return SearchError(
            Message("what answers at %(url)s does not speak TLS", url=url),
            hint=Message("its address may begin with http://"),
        )
    return SearchError(
        Message("Meilisearch does not answer at %(url)s", url=url),
        hint=Message(
            "start it, or name its address in the setting 'meilisearch_url'; until then photos wait in the "
            "catalogue and nothing is lost"
        ),
    )


def _translate(error: MeilisearchApiError, url: str) -> SearchError:
    if error.code == "missing_master_key":
        return NoMasterKey(
            Message(
                "Meilisearch at %(url)s runs without a master key: everyone who reaches it may read and change "
                "the index",
                url=url,
            ),
            hint=Message("start it with MEILI_ENV=production and a MEILI_MASTER_KEY of 16 bytes or more"),
        )
    if error.code in {"invalid_api_key", "missing_authorization_header"}:
        return KeyRefused(
            Message("Meilisearch at %(url)s does not accept the key", url=url),
            hint=Message("run: recollect doctor --fix"),
        )
    if error.code is None and error.status_code >= 500:
        return SearchError(
            Message(
                "Meilisearch does not answer at %(url)s: HTTP status %(status)s", url=url, status=error.status_code
            ),
            hint=Message("a proxy that can't reach its server says so: start Meilisearch"),
        )
    if error.code is None:
        return _not_meilisearch(url)
    return SearchError(Message("Meilisearch at %(url)s refuses: %(message)s", url=url, message=error.message))


def _not_meilisearch(url: str) -> SearchError:
    return SearchError(
        Message("what answers at %(url)s is not Meilisearch", url=url),
        hint=Message("the setting 'meilisearch_url' names another program's address"),
    )


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
