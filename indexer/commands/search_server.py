"""Is the search server well? What `recollect doctor` looks at where search = meilisearch, and what `--fix` mends."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from ipaddress import ip_address
from urllib.parse import urlsplit

from indexer.commands.finding import Finding, Verdict
from indexer.errors import SetupError
from indexer.search.meilisearch.administration import TESTED_VERSION, Administration, KeyRefused, NoMasterKey, make_keys
from indexer.search.meilisearch.keys import Keys, indexes_of, keys_of, keys_path
from indexer.settings import Settings

_FIX = "run with the server's master key: RECOLLECT_MEILISEARCH_MASTER_KEY=… recollect doctor --fix"


def mend_search(settings: Settings) -> list[Finding]:
    """Makes the keys where they are missing, and says what was done. Raises nothing for what it finds."""
    subject = "search keys made"
    if settings.search != "meilisearch":
        return [Finding(subject, Verdict.FINE, f"search = {settings.search} needs none")]
    try:
        if not settings.meilisearch_master_key and _open(settings):
            return [Finding(subject, Verdict.FINE, "nothing to do: the server takes those that there are")]
        _, fresh = make_keys(settings)
    except NoMasterKey as error:
        return [Finding(subject, Verdict.WARNING, error.what, error.hint)]
    except SetupError as error:
        return [Finding(subject, Verdict.BROKEN, error.what, error.hint)]
    given = [name for name in ("meilisearch_key", "meilisearch_search_key") if getattr(settings, name)]
    if given:
        text = f"they are in {keys_path(settings)}, but the settings go before them"
        return [Finding(subject, Verdict.WARNING, text, f"take out of the settings: {', '.join(given)}")]
    done = "made one for indexing, one that can only search" if fresh else "they were there already"
    return [Finding(subject, Verdict.FINE, f"{done}; kept in {keys_path(settings)}")]


def _open(settings: Settings) -> bool:
    """Whether indexing and searching work with the keys that are known."""
    keys, (index, _) = keys_of(settings), indexes_of(settings)
    may_index = not Administration(settings.meilisearch_url, keys.admin).missing_rights(
        index, writing=True, reading=True
    )
    return may_index and not Administration(settings.meilisearch_url, keys.search).missing_rights(
        index, writing=False, reading=False
    )


def examine_server(settings: Settings) -> Iterator[Finding]:
    """Runs every check of Meilisearch; none where search is embedded. Raises nothing for what it finds."""
    if settings.search != "meilisearch":
        return
    subject = "search server"
    try:
        keys = keys_of(settings)
        Administration(settings.meilisearch_url).check_health()
        yield Finding(subject, Verdict.FINE, f"Meilisearch answers at {settings.meilisearch_url}")
    except SetupError as error:
        yield Finding(subject, Verdict.BROKEN, error.what, error.hint)
        return
    yield connection(settings.meilisearch_url)
    yield from _guarded("search server's version", _version(settings, keys))
    yield from _guarded("search keys", _keys(settings, keys))
    yield from _guarded("search index of the server", _index(settings, keys))


def _guarded(subject: str, findings: Iterator[Finding]) -> Iterator[Finding]:
    """One check that fails does not keep the others from being made."""
    try:
        yield from findings
    except SetupError as error:
        yield Finding(subject, Verdict.BROKEN, error.what, error.hint)


def connection(url: str) -> Finding:
    """Whether somebody on the way to the server could read along."""
    subject, parts = "way to the search server", urlsplit(url)
    if parts.scheme == "https":
        return Finding(subject, Verdict.FINE, "encrypted")
    host = parts.hostname or ""
    if _is_this_machine(host):
        return Finding(subject, Verdict.FINE, "within this machine")
    text = f"captions and keys travel to {host} readable for everyone on the way"
    mend = "put a reverse proxy with TLS before it (https://…); between containers of one machine it is fine"
    return Finding(subject, Verdict.WARNING, text, mend)


def _is_this_machine(host: str) -> bool:
    try:
        addresses = {item[4][0] for item in socket.getaddrinfo(host, None)}
        return all(ip_address(str(address).partition("%")[0]).is_loopback for address in addresses)
    except (OSError, ValueError):
        return False


def _version(settings: Settings, keys: Keys) -> Iterator[Finding]:
    subject, tested = "search server's version", ".".join(map(str, TESTED_VERSION))
    key = keys.version or settings.meilisearch_master_key or settings.meilisearch_key
    try:
        version = Administration(settings.meilisearch_url, key).version()
    except KeyRefused:
        yield Finding(subject, Verdict.FINE, f"the keys may not ask for it; recollect is tested with {tested}")
        return
    text = f"{version}; recollect is tested with {tested}"
    number = re.match(r"(\d+)\.(\d+)", version)
    if number is None or (int(number[1]), int(number[2])) < TESTED_VERSION or int(number[1]) > TESTED_VERSION[0]:
        mend = f"it may work; to be sure, run Meilisearch {tested} or a later 1.x"
        yield Finding(subject, Verdict.WARNING, text, mend)
    else:
        yield Finding(subject, Verdict.FINE, text)


def _keys(settings: Settings, keys: Keys) -> Iterator[Finding]:
    try:
        Administration(settings.meilisearch_url, keys.admin).check_master_key()
    except NoMasterKey as error:
        yield Finding("search keys", Verdict.WARNING, error.what, error.hint)
        return
    except KeyRefused:
        pass  # as it should be: no key of ours may manage keys
    else:
        text = "the key for indexing may make and delete keys: it is the master key, or as strong"
        yield Finding("search keys", Verdict.WARNING, text, f"take it out of the settings, and {_FIX}")
    if not keys.admin:
        yield Finding("key for indexing", Verdict.BROKEN, "there is none", _FIX)
        return
    yield _indexing_key(settings, keys)
    yield _search_key(settings, keys)


def _indexing_key(settings: Settings, keys: Keys) -> Finding:
    subject, server = "key for indexing", Administration(settings.meilisearch_url, keys.admin)
    lacking = {
        name: cannot
        for name in indexes_of(settings)
        if (cannot := server.missing_rights(name, writing=True, reading=True))
    }
    if lacking:
        text = "; ".join(f"it may not {', '.join(cannot)} in {name}" for name, cannot in lacking.items())
        return Finding(subject, Verdict.BROKEN, text, _FIX)
    return Finding(subject, Verdict.FINE, f"it may do what indexing needs in {' and '.join(indexes_of(settings))}")


def _search_key(settings: Settings, keys: Keys) -> Finding:
    subject, (index, _) = "key for searching", indexes_of(settings)
    if keys.search == keys.admin:
        return Finding(subject, Verdict.WARNING, "there is none: searching takes the key for indexing", _FIX)
    server = Administration(settings.meilisearch_url, keys.search)
    if server.missing_rights(index, writing=False, reading=False):
        return Finding(subject, Verdict.BROKEN, f"it may not search in {index}", _FIX)
    if too_much := server.write_rights(index):
        return Finding(subject, Verdict.WARNING, f"it may also {', '.join(too_much)}", _FIX)
    return Finding(subject, Verdict.FINE, "it may search, and change nothing")


def _index(settings: Settings, keys: Keys) -> Iterator[Finding]:
    subject, server = "search index of the server", Administration(settings.meilisearch_url, keys.admin)
    index, following = indexes_of(settings)
    try:
        number, coming = server.documents(index), server.documents(following)
    except KeyRefused:
        return  # the key's own finding says so
    more = "" if coming is None else f"; {following}, which takes its place once it is complete, has {coming:,}"
    if number is None:
        yield Finding(subject, Verdict.FINE, f"{index} is not there yet: it is made with the first photos{more}")
    else:
        yield Finding(subject, Verdict.FINE, f"{index} has {number:,} photos{more}")
