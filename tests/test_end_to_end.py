"""The program as its users run it: the real process with its children, the shipped model, killed and stopped."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from indexer.catalogue import Catalogue
from tests.bundles_made import copy_that_takes_all_for_photos
from tests.indexer.captions.own_captions import read_own_caption
from tests.indexing import COLOURS
from tests.photos_made import write_jpeg

pytestmark = pytest.mark.slow  # each test starts the program

PHOTOS = 16


@pytest.fixture
def library(tmp_path: Path) -> Path:
    root = tmp_path / "photos"
    colours = list(COLOURS.values())
    for number in range(PHOTOS):
        write_jpeg(root / f"{number % 3}" / f"{number}.jpg", colours[number % 4], number, (800, 600))
    return root


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    own = {"RECOLLECT_DATA_DIR": str(tmp_path / "data"), "XDG_CONFIG_HOME": str(tmp_path / "config")}
    # What the model says of plain colours is seldom sure, and what is written is asked here, not how well it sees.
    bundle = copy_that_takes_all_for_photos(tmp_path / "bundle")
    settings = {"RECOLLECT_NICE": "0", "RECOLLECT_WRITE_UNSURE": "true", "RECOLLECT_BUNDLE": str(bundle)}
    return {**os.environ, **own, **settings}


def run(environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "web.cli", *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)


@contextmanager
def started(environment: dict[str, str], *words: str) -> Iterator[subprocess.Popen[str]]:
    """The program running; killed at the end where it still is."""
    command = [sys.executable, "-m", "web.cli", *words]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def settled(tmp_path: Path) -> int:
    """How many photos the catalogue has now."""
    path = tmp_path / "data" / "catalogue.db"
    if not path.exists():
        return 0
    with Catalogue(path) as catalogue:
        return catalogue.counts().photos


def kill_after(environment: dict[str, str], tmp_path: Path, library: Path, photos: int) -> None:
    """Kills the indexing as a power cut would, once `photos` are settled; its children go too."""
    with started(environment, "index", str(library)) as process:
        while settled(tmp_path) < photos:
            assert process.poll() is None, process.stderr and process.stderr.read()
            time.sleep(0.02)
        children = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        _, alive = psutil.wait_procs(children, timeout=30)
    assert alive == []


def page(address: str) -> Any:
    with urllib.request.urlopen(address, timeout=30) as answer:
        return json.loads(answer.read())


def address_of(process: subprocess.Popen[str]) -> str:
    """Where the page is, as it is said on standard error."""
    assert process.stderr is not None
    for line in process.stderr:
        if found := re.search(r"http://\S+", line):
            return found[0]
    raise AssertionError("the page's address was never said")


def test_killed_twice_every_photo_is_done_once_and_nothing_is_lost(
    library: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    originals = {path: path.read_bytes() for path in library.rglob("*.jpg")}
    kill_after(environment, tmp_path, library, 2)
    kill_after(environment, tmp_path, library, 6)
    ended = run(environment, "index", str(library), "--json")
    assert ended.returncode == 0, ended.stderr
    outcome = json.loads(ended.stdout)
    assert (outcome["queued"], outcome["set_aside"]) == (0, 0)
    state = json.loads(run(environment, "status", "--json").stdout)
    assert (state["counts"]["photos"], state["counts"]["with_caption"], state["searchable"]) == (PHOTOS,) * 3
    assert all(read_own_caption(path.read_bytes()) for path in originals)
    assert {path for path in library.rglob("*") if path.is_file()} == set(originals)
    assert json.loads(run(environment, "index", "--json").stdout)["done"] == 0
    assert run(environment, "captions", "undo", "--all").returncode == 0
    assert {path: path.read_bytes() for path in originals} == originals


def test_the_page_answers_while_photos_are_indexed_and_stops_with_0(
    library: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    with started(environment, "serve", str(library), "--port", "0") as process:
        address = address_of(process)
        assert page(f"{address}/api/search?q=")["total"] <= PHOTOS
        while settled(tmp_path) < 3:
            assert process.poll() is None
            time.sleep(0.02)
        while not page(f"{address}/api/status")["progress"]["done"]:
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
    with Catalogue(tmp_path / "data" / "catalogue.db") as catalogue:
        assert catalogue.queue.claimed() == []
        assert catalogue.counts().photos + catalogue.counts().queued == PHOTOS


def test_a_second_start_serves_what_is_known_without_being_told(library: Path, environment: dict[str, str]) -> None:
    assert run(environment, "index", str(library)).returncode == 0
    with started(environment, "serve", "--port", "0") as process:
        address = address_of(process)
        assert page(f"{address}/api/search?q=")["total"] == PHOTOS
        beside = run(environment, "index", str(library))
        assert beside.returncode == 0
        assert str(process.pid) in beside.stderr  # which looks through the library itself
        assert run(environment, "reindex", "--metadata").returncode == 0
        while page(f"{address}/api/status")["counts"]["queued"]:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0


def test_what_is_done_to_the_files_is_said_first_and_captions_off_is_remembered(
    library: Path, environment: dict[str, str]
) -> None:
    before = {path: path.read_bytes() for path in library.rglob("*.jpg")}
    first = run(environment, "index", str(library), "--captions", "off")
    assert (first.returncode, "stay untouched" in first.stderr) == (0, True), first.stderr
    new = write_jpeg(library / "new.jpg", COLOURS["red"], PHOTOS)
    before[new] = new.read_bytes()
    second = run(environment, "index")
    assert (second.returncode, "stay untouched" in second.stderr) == (0, False)
    assert {path: path.read_bytes() for path in library.rglob("*") if path.is_file()} == before
    third = run(environment, "index", "--captions", "embed")
    assert "captions undo --all" in third.stderr


def test_caption_prints_and_writes_only_when_told(library: Path, environment: dict[str, str]) -> None:
    photo = library / "0" / "0.jpg"
    before = photo.read_bytes()
    said = run(environment, "caption", str(photo), "--json")
    assert said.returncode == 0, said.stderr
    (row,) = json.loads(said.stdout)
    assert row["caption"]
    assert photo.read_bytes() == before
    assert run(environment, "caption", str(photo), "--write").returncode == 0
    ours = read_own_caption(photo.read_bytes())
    assert ours is not None
    assert ours.text == row["caption"]
    assert run(environment, "caption", str(library / "nothing.jpg")).returncode == 1
    other = next(path for path in sorted(library.rglob("*.jpg")) if path != photo)
    before = other.read_bytes()
    other.with_name(other.name + ".json").write_text('{"description": "a person\'s words"}')  # Google Takeout's
    assert "a person" in run(environment, "caption", str(other), "--write").stderr
    assert other.read_bytes() == before
    assert not other.with_name(other.name + ".xmp").exists()


def test_doctor_is_content_with_a_fresh_install(environment: dict[str, str]) -> None:
    result = run(environment, "doctor")
    assert result.returncode == 0, result.stdout
    assert "caption model" in result.stdout


def corrected(address: str, photo_id: str, text: str) -> None:
    """Types a caption as another program of the household would."""
    body = json.dumps({"text": text}).encode()
    with urllib.request.urlopen(
        urllib.request.Request(f"{address}/api/photos/{photo_id}/caption", body, method="PUT"), timeout=30
    ) as answer:
        assert json.loads(answer.read())["caption"] == text


def test_a_correction_outlives_a_killed_service_and_a_lost_catalogue_and_can_be_undone(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    paths = [write_jpeg(tmp_path / "photos" / f"{number}.jpg", COLOURS["red"], number) for number in range(3)]
    originals = {path: path.read_bytes() for path in paths}
    assert run(environment, "index", str(tmp_path / "photos")).returncode == 0
    with started(environment, "serve", "--port", "0") as process:
        address = address_of(process)
        ids = {hit["files"][0]["path"]: hit["id"] for hit in page(f"{address}/api/search?q=")["hits"]}
        corrected(address, ids["0.jpg"], "Oma's red wall")
        while page(f"{address}/api/photos/{ids['0.jpg']}")["caption_waiting"]:
            time.sleep(0.05)
        own = read_own_caption(paths[0].read_bytes())
        assert own is not None
        assert own.text == "Oma's red wall"
        corrected(address, ids["1.jpg"], "Opa's red wall")
        process.kill()
    assert run(environment, "index").returncode == 0
    shutil.rmtree(tmp_path / "data")
    assert run(environment, "index", str(tmp_path / "photos")).returncode == 0
    with started(environment, "serve", "--port", "0") as process:
        address = address_of(process)
        answers = {name: page(f"{address}/api/photos/{photo_id}") for name, photo_id in ids.items()}
    assert [(answers[f"{number}.jpg"]["caption"], answers[f"{number}.jpg"]["corrected"]) for number in range(2)] == [
        ("Oma's red wall", True),
        ("Opa's red wall", True),
    ]
    assert (answers["2.jpg"]["caption_by"], answers["2.jpg"]["corrected"]) == ("model", False)
    assert run(environment, "captions", "undo", "--all").returncode == 0
    assert {path: path.read_bytes() for path in paths} == originals
    kept = json.loads(run(environment, "search", "oma", "--json").stdout)
    assert "Oma's red wall" in json.dumps(kept), "the index keeps what was typed"
