"""A data directory on a disk that is full or can't be written: what is there can be read all the same."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from indexer.catalogue import Catalogue
from indexer.errors import StorageError
from indexer.settings import Settings
from indexer.storage import indexing_process, reading_catalogue, sole_indexer
from tests.indexer.small_data_disks import SCENARIOS
from tests.indexing import settings_for
from tests.mounts import as_nobody, in_own_mounts
from web.cli import main

pytestmark = pytest.mark.slow  # each test starts the program


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_searching_and_asking_how_it_is(tmp_path: Path, repository: Path, scenario: str) -> None:
    done = in_own_mounts("tests.indexer.small_data_disks", scenario, tmp_path, repository=repository)
    assert done.stdout.startswith("0 ["), done.stdout + done.stderr
    assert "red.jpg: a red wall seen by colours-1" in done.stdout
    assert "captions 0 ['" in done.stdout
    assert "nothing can be written into the data directory: " in done.stdout, "a disk that is full or read-only is said"
    assert "0 ['photos          1 in 1 files, 1 captioned', 'searchable      1'" in done.stdout


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = settings_for(tmp_path)
    Catalogue(settings.catalogue_path).close()
    return settings


def test_somebody_else_s_data_directory_is_read(settings: Settings) -> None:
    settings.catalogue_path.chmod(0o644)
    settings.data_dir.chmod(0o555)
    try:
        with as_nobody(settings.data_dir.parent), reading_catalogue(settings) as catalogue:
            assert catalogue.counts().photos == 0
    finally:
        settings.data_dir.chmod(0o755)


def test_who_indexes_is_known_where_the_lock_can_only_be_read(settings: Settings) -> None:
    with sole_indexer(settings.data_dir):
        (settings.data_dir / "recollect.lock").chmod(0o444)
        with as_nobody(settings.data_dir.parent):
            assert indexing_process(settings.data_dir) == os.getpid()
    assert indexing_process(settings.data_dir) == 0


def test_what_can_t_be_written_says_which_right_is_missing(settings: Settings) -> None:
    settings.catalogue_path.chmod(0o444)
    settings.data_dir.chmod(0o555)
    try:
        with (
            as_nobody(settings.data_dir.parent),
            pytest.raises(StorageError) as raised,
            reading_catalogue(settings) as catalogue,
        ):
            catalogue.queue.retry_set_aside()
    finally:
        settings.data_dir.chmod(0o755)
    assert "right to write" in raised.value.hint


def test_a_search_index_that_is_lost_is_said_and_not_made_by_a_search(settings: Settings) -> None:
    run = CliRunner().invoke(main, ["search", "--data-dir", str(settings.data_dir), "dog"])
    assert run.exit_code == 2
    assert "makes it again from the catalogue" in run.stderr
    status = CliRunner().invoke(main, ["status", "--data-dir", str(settings.data_dir)])
    assert status.exit_code == 0
    assert "search does not answer" in status.stdout
    assert "is not there" in status.stdout
