"""`recollect index` beside a running recollect: the running one scans, the other waits and ends as if it had."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

from indexer.catalogue import Catalogue
from tests.indexing import COLOURS, colour_library
from tests.photos_made import write_jpeg
from tests.test_end_to_end import address_of, run, settled, started

pytestmark = pytest.mark.slow  # each test starts the program

PASSWORD = "a household password"


@pytest.fixture
def library(tmp_path: Path) -> Path:
    return colour_library(tmp_path, "red", "green")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    own = {"RECOLLECT_DATA_DIR": str(tmp_path / "data"), "XDG_CONFIG_HOME": str(tmp_path / "config")}
    # Nothing but a request finds anything between two scans.
    quiet = {"RECOLLECT_WATCH": "false", "RECOLLECT_RESCAN_S": "0", "RECOLLECT_NICE": "0"}
    return {**os.environ, **own, **quiet, "RECOLLECT_PASSWORD": PASSWORD}


def wait_for(tmp_path: Path, photos: int, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while settled(tmp_path) < photos:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_index_beside_serve_has_it_scan_and_waits(library: Path, tmp_path: Path, environment: dict[str, str]) -> None:
    with started(environment, "serve", str(library), "--port", "0") as process:
        address_of(process)
        wait_for(tmp_path, 2, process)
        write_jpeg(library / "blue.jpg", COLOURS["blue"], 5)
        ended = run(environment, "index", "--json")
        assert ended.returncode == 0, ended.stderr
        assert f"(process {process.pid}) to scan" in ended.stderr
        outcome = json.loads(ended.stdout)
        assert (outcome["done"], outcome["queued"], outcome["problem"]) == (1, 0, None)
        assert settled(tmp_path) == 3
        other = write_jpeg(tmp_path / "another" / "white.jpg", COLOURS["white"], 6).parent
        ended = run(environment, "index", str(other))
        assert ended.returncode == 0, ended.stderr
        assert "1 photos done" in ended.stderr
        assert settled(tmp_path) == 4
        ended = run(environment, "index", str(tmp_path / "not there"))
        assert (ended.returncode, "there is no folder" in ended.stderr) == (2, True)
        library.rename(tmp_path / "away")
        ended = run(environment, "index")
        assert ended.returncode == 1
        assert "can't be read" in ended.stderr
        (tmp_path / "away").rename(library)
        ended = run(environment, "index")
        assert (ended.returncode, "can't be read" in ended.stderr) == (0, False)
        (library / "blue.jpg").unlink()
        (library / "red.jpg").unlink()
        (library / "green.jpg").unlink()
        ended = run(environment, "index")
        assert (ended.returncode, "is empty" in ended.stderr) == (1, True)
        ended = run(environment, "index", "--accept-losses", str(library))
        assert (ended.returncode, "is empty" in ended.stderr) == (0, False)
        with Catalogue(tmp_path / "data" / "catalogue.db") as catalogue:
            assert catalogue.scan_requests.pending() == []
            assert {root.held_back for root in catalogue.scans.roots()} == {None}
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0


def test_index_takes_over_from_a_recollect_that_ends(
    library: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    with started(environment, "serve", str(library), "--port", "0") as process:
        address_of(process)
        wait_for(tmp_path, 2, process)
        process.send_signal(signal.SIGSTOP)  # it answers nobody
        write_jpeg(library / "blue.jpg", COLOURS["blue"], 5)
        with started(environment, "index") as waiting:
            deadline = time.monotonic() + 60
            while not _asked(tmp_path):
                assert time.monotonic() < deadline
                time.sleep(0.05)
            process.kill()
            process.send_signal(signal.SIGCONT)
            assert waiting.wait(timeout=120) == 0
    assert settled(tmp_path) == 3


def _asked(tmp_path: Path) -> bool:
    with Catalogue(tmp_path / "data" / "catalogue.db") as catalogue:
        return bool(catalogue.scan_requests.pending())


def test_the_button_has_the_libraries_scanned(library: Path, tmp_path: Path, environment: dict[str, str]) -> None:
    del environment["RECOLLECT_PASSWORD"]
    with started(environment, "serve", str(library), "--port", "0") as process:
        address = address_of(process)
        wait_for(tmp_path, 2, process)
        write_jpeg(library / "blue.jpg", COLOURS["blue"], 5)
        request = urllib.request.Request(f"{address}/status/scan", method="POST", data=b"")
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert answer.status == 200
            assert "The libraries are looked through now." in answer.read().decode()
        wait_for(tmp_path, 3, process)
