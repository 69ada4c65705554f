"""Folders that can't be read: nothing in them is taken for missing, and whatever tells how it is tells of them."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from indexer.catalogue import Catalogue
from indexer.catalogue.roots import is_gone, outermost_only, unreadable_reason
from indexer.scanning.crawl_rules import CrawlRules
from indexer.scanning.crawler import Crawl
from indexer.scanning.scheduler import ScanScheduler
from indexer.scanning.watcher import PathDebouncer
from tests.indexing import COLOURS, CountingCaptioner, index, settings_for, stored
from tests.libraries import EXTENSIONS, files_in, rescan, settle_all, write
from tests.mounts import as_nobody
from tests.photos_made import write_jpeg
from web.cli import main


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    with Catalogue(tmp_path / "data" / "catalogue.db") as catalogue:
        yield catalogue


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A library of two folders, one of which is going to be locked."""
    library = tmp_path / "library"
    for name in ("open/a.jpg", "locked/b.jpg", "locked/inner/c.jpg"):
        write(library / name)
    yield library
    (library / "locked").chmod(0o755)


def unreadable(catalogue: Catalogue) -> list[tuple[str, str, int]]:
    return [(place.path.name, place.code, place.files) for place in catalogue.unreadable_places.first()]


@pytest.mark.parametrize("mode", [0o000, 0o300, 0o600])
def test_a_locked_folder_is_named_once_and_nothing_in_it_is_missing(
    catalogue: Catalogue, root: Path, mode: int
) -> None:
    """Not listed, listed but not entered: of either it is the folder that is told, not each of its files."""
    rescan(catalogue, root)
    settle_all(catalogue)
    (root / "locked").chmod(mode)
    with as_nobody(root):
        outcome = rescan(catalogue, root)[1]
    assert (outcome.missing, outcome.held_back, dict(outcome.unreadable)) == (0, None, {b"locked": "EACCES"})
    assert unreadable(catalogue) == [("locked", "EACCES", 2)]
    counts = catalogue.counts()
    assert (counts.files, counts.missing, counts.unreadable) == (3, 0, 1)


def test_it_is_forgotten_as_soon_as_a_scan_reads_it(catalogue: Catalogue, root: Path) -> None:
    (root / "locked").chmod(0)
    with as_nobody(root):
        rescan(catalogue, root)
        [first] = catalogue.unreadable_places.first()
        rescan(catalogue, root)
        assert catalogue.unreadable_places.first() == [first]  # the time is that of the first scan that met it
    (root / "locked").chmod(0o755)
    assert rescan(catalogue, root)[0].new == 2
    assert catalogue.unreadable_places.first() == []


def test_a_locked_folder_that_is_deleted_or_passed_over_is_forgotten(catalogue: Catalogue, root: Path) -> None:
    (root / "locked").chmod(0)
    with as_nobody(root):
        rescan(catalogue, root)
        rescan(catalogue, root, exclude=("locked/",))
    assert catalogue.unreadable_places.first() == []


def test_a_root_that_is_away_says_nothing_new_of_its_folders(catalogue: Catalogue, root: Path) -> None:
    (root / "locked").chmod(0)
    with as_nobody(root):
        rescan(catalogue, root)
    root.rename(root.with_name("away"))
    rescan(catalogue, root)
    assert unreadable(catalogue) == [("locked", "EACCES", 0)]
    root.with_name("away").rename(root)
    catalogue.scans.forget_root(root)
    assert catalogue.unreadable_places.first() == []


def test_scanning_one_folder_leaves_what_is_known_of_another(catalogue: Catalogue, root: Path) -> None:
    (root / "locked").chmod(0)
    with as_nobody(root):
        rescan(catalogue, root)
        rescan(catalogue, root / "open")
    assert unreadable(catalogue) == [("locked", "EACCES", 0)]
    (root / "locked").chmod(0o755)
    rescan(catalogue, root / "locked")
    assert unreadable(catalogue) == []


def test_a_scan_of_one_folder_names_places_below_that_folder(catalogue: Catalogue, root: Path) -> None:
    """The log and the next look put the name behind the folder that was scanned."""
    rescan(catalogue, root)
    (root / "locked/inner").chmod(0)
    with as_nobody(root):
        outcome = rescan(catalogue, root / "locked")[1]
    (root / "locked/inner").chmod(0o755)
    assert dict(outcome.unreadable) == {b"inner": "EACCES"}
    assert [place.path for place in catalogue.unreadable_places.first()] == [root / "locked/inner"]


def test_the_watcher_takes_nothing_in_a_locked_folder_for_missing(catalogue: Catalogue, root: Path) -> None:
    rescan(catalogue, root)
    settle_all(catalogue)
    (root / "locked").chmod(0)
    paths = PathDebouncer(root, catalogue, CrawlRules(extensions=EXTENSIONS), steady_s=0.0)
    with as_nobody(root):
        scan_wanted = False
        for _ in range(4):
            paths.add([str(root / "locked/b.jpg"), str(root / "locked")])
            for _ in range(2):
                scan_wanted |= paths.poll().scan_wanted
    assert scan_wanted
    assert catalogue.counts().missing == 0


def test_a_copy_elsewhere_is_no_move_while_the_original_can_t_be_looked_at(catalogue: Catalogue, root: Path) -> None:
    rescan(catalogue, root)
    settle_all(catalogue)
    (root / "open/link.jpg").hardlink_to(root / "locked/b.jpg")
    (root / "locked").chmod(0)
    with as_nobody(root):
        counts = rescan(catalogue, root)[0]
    assert (counts.moved, counts.new) == (0, 1)


def test_a_file_that_can_t_be_looked_at_is_named_itself(tmp_path: Path) -> None:
    library, secret = tmp_path / "library", tmp_path / "secret"
    write(library / "a.jpg")
    write(secret / "b.jpg")
    (library / "b.jpg").symlink_to(secret / "b.jpg")
    secret.chmod(0)
    try:
        with as_nobody(library):
            [batch] = Crawl(library, CrawlRules(extensions=EXTENSIONS)).batches()
    finally:
        secret.chmod(0o755)
    assert dict(batch.unreadable) == {b"b.jpg": "EACCES"}
    assert [file.path.name for file in files_in(batch)] == ["a.jpg"]


def test_what_is_gone_and_what_can_t_be_looked_at(root: Path) -> None:
    (root / "locked").chmod(0)
    with as_nobody(root):
        assert not is_gone(os.fsencode(root / "locked/b.jpg"))
        assert is_gone(os.fsencode(root / "open/nothing.jpg"))
        assert is_gone(os.fsencode(root / "open/a.jpg/nothing.jpg"))
        assert not is_gone(os.fsencode(root / "open/a.jpg"))


def test_what_lies_in_an_unreadable_folder_is_not_named_beside_it() -> None:
    places = {b"a": "EACCES", b"a/b/c": "EIO", b"ab": "EIO", b"x/y": "ELOOP"}
    assert outermost_only(places) == {b"a": "EACCES", b"ab": "EIO", b"x/y": "ELOOP"}


def test_a_code_says_what_it_means() -> None:
    assert str(unreadable_reason("EACCES")) == "recollect may not read it"
    assert str(unreadable_reason("EXDEV")) == "Invalid cross-device link"
    assert str(unreadable_reason("nonsense")) == os.strerror(5)


@pytest.mark.slow
def test_the_command_line_tells_of_it(tmp_path: Path) -> None:
    settings, root = settings_for(tmp_path), tmp_path / "photos"
    write_jpeg(root / "open/red.jpg", COLOURS["red"], 1)
    write_jpeg(root / "locked/blue.jpg", COLOURS["blue"], 2)
    asyncio.run(index(settings, CountingCaptioner(), root))
    (root / "locked").chmod(0)
    try:
        with stored(settings) as storage, as_nobody(root, settings.data_dir):
            rescan(storage.catalogue, root)

        def run(*words: str) -> Any:
            return CliRunner().invoke(main, [*words, "--data-dir", str(settings.data_dir)])

        state = json.loads(run("status", "--json").stdout)
        [told] = state["unreadable"]
        assert told["path"] == str(root / "locked")
        assert (told["code"], told["reason"], told["files"]) == ("EACCES", "recollect may not read it", 1)
        assert state["counts"]["unreadable"] == 1
        lines = run("status").stdout.splitlines()
        assert "can't be read   1 folder" in lines
        assert f"  {root / 'locked'}: recollect may not read it" in lines
        findings = json.loads(run("doctor", "--json").stdout)
        told = [one for one in findings if one["subject"] == "folders that can't be read"]
        assert [(one["verdict"], one["text"]) for one in told] == [
            ("warning", f"1: {root / 'locked'} (recollect may not read it)")
        ]
    finally:
        (root / "locked").chmod(0o755)


async def test_a_scan_logs_it_once(tmp_path: Path, root: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    settings = settings_for(tmp_path)
    (root / "locked").chmod(0)
    with Catalogue(settings.catalogue_path) as catalogue:
        scheduler = ScanScheduler(settings, catalogue, [root], changed=lambda: None)
        with as_nobody(root, settings.data_dir):
            await scheduler.scan_all()
            await scheduler.scan_all()
        told = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
        assert told == [f"{root / 'locked'}: recollect may not read it; what is in it stays as it is"]
        (root / "locked").chmod(0o755)
        await scheduler.scan_all()
        assert f"{root}: 1 folders can be read again" in caplog.text
        assert catalogue.counts().files == 3


def test_a_link_that_leads_round_in_circles_is_no_folder(root: Path) -> None:
    (root / "circle").symlink_to("circle")
    (root / "circle.jpg").symlink_to("circle.jpg")
    batches = Crawl(root, CrawlRules(extensions=EXTENSIONS)).batches()
    assert [dict(batch.unreadable) for batch in batches] == [{}]


@pytest.mark.slow
def test_a_run_that_could_not_read_a_folder_ends_with_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Deeper than a path may be long: nobody can read that, root included."""
    monkeypatch.setenv("RECOLLECT_DATA_DIR", str(tmp_path / "data"))
    root = tmp_path / "photos"
    root.mkdir()
    here = os.open(root, os.O_RDONLY)
    for _ in range(25):
        os.mkdir("d" * 200, dir_fd=here)
        below = os.open("d" * 200, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    run = CliRunner().invoke(main, ["index", str(root)])
    assert "its path is longer than the system takes" in run.stderr
    assert "1 folder could not be read; `recollect status` says which and why" in run.stderr
    assert run.exit_code == 1
    shutil.rmtree(root / ("d" * 200))
    assert CliRunner().invoke(main, ["index"]).exit_code == 0


@pytest.mark.slow
def test_a_run_whose_library_is_away_ends_with_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECOLLECT_DATA_DIR", str(tmp_path / "data"))
    root = tmp_path / "photos"
    root.mkdir()
    write_jpeg(root / "a.jpg", COLOURS["red"])
    assert CliRunner().invoke(main, ["index", str(root)]).exit_code == 0
    shutil.rmtree(root)
    run = CliRunner().invoke(main, ["index"])
    assert run.exit_code == 1
    assert "nothing was removed" in run.stderr


@pytest.mark.slow
def test_a_run_that_is_stopped_ends_with_1(tmp_path: Path) -> None:
    """SIGTERM while it works: what is left undone is told."""
    root = tmp_path / "photos"
    for number in range(60):
        write_jpeg(root / f"{number}.jpg", COLOURS["red"], number)
    command = [sys.executable, "-m", "web.cli", "index", "--data-dir", str(tmp_path / "data"), str(root)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as running:
        while "60 new" not in (running.stderr.readline() if running.stderr else ""):
            assert running.poll() is None
        running.terminate()
        _, told = running.communicate(timeout=60)
    assert running.returncode == 1
    assert "are still queued; the next run goes on with them" in told
