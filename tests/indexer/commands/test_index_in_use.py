"""Commands search the index that is filled, or say that they search another one."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from indexer.commands.remembered import read_remembered, remember
from indexer.storage import sole_indexer
from tests.indexing import COLOURS, CountingCaptioner, index, settings_for
from tests.photos_made import write_jpeg
from web.cli import main

pytestmark = pytest.mark.slow  # each test starts the program

#: Nothing listens there.
NOWHERE = "http://127.0.0.1:1"
MEILISEARCH = {"search": "meilisearch", "meilisearch_url": NOWHERE, "meilisearch_index": "recollect"}


@pytest.fixture
def recollect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs the program in this process, on a data directory with a library that the embedded index has."""
    monkeypatch.setenv("RECOLLECT_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    write_jpeg(tmp_path / "photos" / "red.jpg", COLOURS["red"], 1)
    asyncio.run(index(settings_for(tmp_path), CountingCaptioner(), tmp_path / "photos"))

    def run(*words: str) -> Result:
        result = CliRunner().invoke(main, list(words))
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    return run


def finding(result: Result, subject: str) -> dict[str, str]:
    (found,) = [one for one in json.loads(result.stdout) if one["subject"] == subject]
    return dict(found)


def test_a_backend_named_once_is_searched_from_then_on(recollect: Any, tmp_path: Path) -> None:
    recollect("index", str(tmp_path / "photos"), "--search", "meilisearch", "--meilisearch-url", NOWHERE)
    assert read_remembered(tmp_path / "data").filled_index == MEILISEARCH
    result = recollect("search", "red")
    assert result.exit_code == 2
    assert NOWHERE in result.stderr
    assert NOWHERE in recollect("status").stdout
    assert finding(recollect("doctor", "--json"), "search server")["verdict"] == "broken"


def test_whoever_searches_another_index_than_the_filled_one_is_told(
    recollect: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remember(tmp_path / "data", filled_index=MEILISEARCH)  # as by a service with settings of its own
    said = f"photos were last put into Meilisearch's index recollect at {NOWHERE}"
    result = recollect("search", "red")
    assert "red.jpg" in result.stdout
    assert f"{said}, and this is the embedded search index" in result.stderr
    assert f"--search meilisearch --meilisearch-url {NOWHERE}" in result.stderr
    assert said in recollect("status").stdout
    found = finding(recollect("doctor", "--json"), "search index in use")
    assert found["verdict"] == "warning"
    assert "doctor --fix" in found["mend"]
    assert finding(recollect("doctor", "--fix", "--json", "--search", "embedded"), "search index in use")
    assert "this is the embedded" in recollect("search", "red").stderr  # a flag is no wish to change over
    fixed = [one for one in json.loads(recollect("doctor", "--fix", "--json").stdout) if "in use" in one["subject"]]
    assert [one["verdict"] for one in fixed] == ["ok", "ok"]
    assert recollect("search", "red").exit_code == 2
    monkeypatch.setenv("RECOLLECT_SEARCH", "embedded")
    assert said in recollect("search", "red").stderr


def test_reindex_changes_over_to_the_backend_that_it_names(recollect: Any, tmp_path: Path) -> None:
    recollect("index", str(tmp_path / "photos"), "--search", "meilisearch", "--meilisearch-url", NOWHERE)
    assert recollect("search", "red").exit_code == 2
    assert recollect("reindex", "--search", "embedded").exit_code == 0
    result = recollect("search", "red")
    assert "red.jpg" in result.stdout
    assert "photos were last put" not in result.stderr
    assert recollect("reindex", "--search").exit_code == 0
    assert read_remembered(tmp_path / "data").settings["search"] == "embedded"
    assert recollect("reindex", "--search", "another").exit_code == 2


@pytest.mark.parametrize("command", [["index"], ["reindex", "--search", "meilisearch"]])
def test_a_running_recollect_is_not_asked_for_another_index(recollect: Any, tmp_path: Path, command: list[str]) -> None:
    other = ["--search", "meilisearch"] if command == ["index"] else []
    remember(tmp_path / "data", filled_index={"search": "embedded"})
    with sole_indexer(tmp_path / "data"):
        result = recollect(*command, *other, "--meilisearch-url", NOWHERE)
    assert result.exit_code == 2
    assert "fills the embedded search index, not Meilisearch's index recollect" in result.stderr
    assert "start it again with --search meilisearch" in result.stderr
    assert "search" not in read_remembered(tmp_path / "data").settings
