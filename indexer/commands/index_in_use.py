"""Which search index is filled, and which one a command searches: a command that searches another one says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from indexer.commands.finding import Finding, Verdict
from indexer.commands.remembered import INDEX_SETTINGS, read_remembered, remember
from indexer.errors import SetupError
from indexer.settings import Settings

INDEX_IN_USE = "search index in use"


def index_in_use(settings: Settings) -> Mapping[str, str]:
    """The settings that name the search index."""
    names = INDEX_SETTINGS if settings.search == "meilisearch" else ("search",)
    return {name: getattr(settings, name) for name in names}


def describe_index(index: Mapping[str, str]) -> str:
    """For messages."""
    if index["search"] == "meilisearch":
        return f"Meilisearch's index {index['meilisearch_index']} at {index['meilisearch_url']}"
    return "the embedded search index"


def index_flags(index: Mapping[str, str]) -> str:
    """What names the index on a command line."""
    return " ".join(f"--{name.replace('_', '-')} {value}" for name, value in index.items())


def other_index_message(settings: Settings) -> str:
    """Says that another search index than that of `settings` is the one that was filled last; "" where it is that one,
    or none was ever filled. Raises `StorageError`."""
    filled = read_remembered(settings.data_dir).filled_index
    if not filled or filled == index_in_use(settings):
        return ""
    return (
        f"photos were last put into {describe_index(filled)}, and this is {describe_index(index_in_use(settings))}; "
        f"for the other one: {index_flags(filled)}"
    )


def check_index(settings: Settings, pid: int) -> None:
    """Raises `SetupError` where the process `pid`, which is indexing, fills another search index than that of
    `settings`."""
    wanted, filled = index_in_use(settings), read_remembered(settings.data_dir).filled_index
    if filled and filled != wanted:
        raise SetupError(
            f"the running recollect (process {pid or 'unknown'}) fills {describe_index(filled)}, "
            f"not {describe_index(wanted)}",
            hint=f"stop it, and start it again with {index_flags(wanted)}",
        )


def examine_index_in_use(settings: Settings) -> Finding:
    """For `recollect doctor`. Raises `StorageError`."""
    if message := other_index_message(settings):
        mend = "`recollect doctor --fix` has commands search there where neither settings file nor environment say else"
        return Finding(INDEX_IN_USE, Verdict.WARNING, message, mend)
    return Finding(INDEX_IN_USE, Verdict.FINE, describe_index(index_in_use(settings)))


def search_where_photos_are(settings: Settings) -> tuple[Settings, list[Finding]]:
    """Has commands search the index that was filled last; the settings with it, and what was done.

    Raises `StorageError`.
    """
    if not other_index_message(settings):
        return settings, []
    filled = read_remembered(settings.data_dir).filled_index
    remember(settings.data_dir, settings=filled)
    text = f"from now on commands search {describe_index(filled)}; settings file and environment go before that"
    changed: dict[str, Any] = dict(filled)
    return replace(settings, **changed), [Finding(INDEX_IN_USE, Verdict.FINE, text)]
