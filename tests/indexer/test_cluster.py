"""`recollect index --cluster`: a library captioned on three machines, of which some die, against one machine alone."""

from __future__ import annotations

import json
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from indexer.settings import Settings
from tests.bundles_made import copy_that_takes_all_for_photos
from tests.cluster_processes import ClusterProcesses, cluster_processes, kill, needs_dask
from tests.photos_made import detailed

pytestmark = [pytest.mark.slow, needs_dask, pytest.mark.timeout(600)]

PHOTOS = 60


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_that_takes_all_for_photos(tmp_path_factory.mktemp("model") / "bundle")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("library")
    for number in range(PHOTOS):
        detailed((320, 240), number).save(folder / f"{number:03}.jpg", quality=85)
    return folder


def command(data_dir: Path, bundle: Path, *words: str) -> list[str]:
    more = ["--data-dir", str(data_dir), "--bundle", str(bundle)]
    return [sys.executable, "-m", "web.cli", *words, *more]


def captions_of(data_dir: Path) -> list[tuple[object, ...]]:
    """Every byte that the catalogue has of captions."""
    with closing(sqlite3.connect(Settings(data_dir=data_dir).catalogue_path)) as catalogue:
        rows = catalogue.execute(
            """SELECT id, machine_text, machine_confidence, machine_model, tags, embedding, machine_words, machine_sure,
            look_model FROM photo WHERE gone = 0 ORDER BY id"""
        )
        return list(rows)


def count_captions(data_dir: Path) -> int:
    path = Settings(data_dir=data_dir).catalogue_path
    if not path.exists():
        return 0
    with closing(sqlite3.connect(path)) as catalogue:
        try:
            return int(catalogue.execute("SELECT count(*) FROM photo WHERE machine_model IS NOT NULL").fetchone()[0])
        except sqlite3.OperationalError:  # its tables are being made
            return 0


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, library: Path, bundle: Path) -> list[tuple[object, ...]]:
    data_dir = tmp_path_factory.mktemp("alone")
    subprocess.run(command(data_dir, bundle, "index", str(library), "--captions", "off"), check=True, timeout=280)
    captions = captions_of(data_dir)
    assert len(captions) == PHOTOS
    return captions


def wait_for(condition: Callable[[], object], within_s: float = 90.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def state_of(data_dir: Path) -> dict[str, object]:
    try:
        loaded: dict[str, object] = json.loads((data_dir / "cluster.json").read_text(encoding="ascii"))
    except FileNotFoundError:
        return {"workers": [], "captions_elsewhere": 0}
    return loaded


def used(data_dir: Path) -> int:
    workers = state_of(data_dir)["workers"]
    assert isinstance(workers, list)
    return sum(not worker["problem"] for worker in workers)


@pytest.mark.parametrize("fault", ["worker killed", "worker hung", "scheduler killed"])
def test_nothing_is_lost_captioned_twice_or_different(
    tmp_path: Path, library: Path, bundle: Path, alone: list[tuple[object, ...]], fault: str
) -> None:
    data_dir = tmp_path / "data"
    with cluster_processes(tmp_path, bundle=bundle) as cluster:
        scheduler, worker, _ = cluster.scheduler(), cluster.worker(), cluster.worker()
        wait_for(lambda: cluster.output().count("connected to") == 2)
        words = ("index", str(library), "--captions", "off", "--cluster", cluster.address, "--cluster-timeout-s", "8")
        with subprocess.Popen(
            [*command(data_dir, bundle, *words), "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as indexing:
            wait_for(lambda: used(data_dir) == 2 and count_captions(data_dir) >= 4)
            assert indexing.poll() is None, "it was done before anything could fail"
            _bring_about(fault, cluster, scheduler, worker)
            said, log = indexing.communicate(timeout=280)
        assert indexing.returncode == 0, log
        assert json.loads(said)["done"] == PHOTOS
    assert captions_of(data_dir) == alone
    here, elsewhere = numbers_of(log)
    assert elsewhere
    assert here + elsewhere == PHOTOS


def numbers_of(log: str) -> tuple[int, int]:
    """Captions that were made here and elsewhere, as the run says at its end."""
    said = re.search(r"captions: (\d+) here, (\d+) by other machines", log)
    assert said is not None, log
    return int(said[1]), int(said[2])


def _bring_about(
    fault: str, cluster: ClusterProcesses, scheduler: subprocess.Popen[bytes], worker: subprocess.Popen[bytes]
) -> None:
    if fault == "worker killed":
        kill(worker)
    elif fault == "worker hung":
        kill(worker, signal.SIGSTOP)
    else:
        kill(scheduler)
        cluster.scheduler()


def test_reindex_captions_uses_the_cluster(tmp_path: Path, library: Path, bundle: Path) -> None:
    """Against a run of one machine from the same thumbnails."""
    data_dir, by_one = tmp_path / "data", tmp_path / "by one"
    subprocess.run(command(data_dir, bundle, "index", str(library), "--captions", "off"), check=True, timeout=280)
    with closing(sqlite3.connect(Settings(data_dir=data_dir).catalogue_path)) as catalogue, catalogue:
        catalogue.execute("UPDATE photo SET machine_model = 'older-1', look_model = 'older-1', machine_text = 'older'")
    shutil.copytree(data_dir, by_one)
    subprocess.run(command(by_one, bundle, "reindex", "--captions"), check=True, timeout=280)
    with cluster_processes(tmp_path, bundle=bundle) as cluster:
        cluster.scheduler()
        cluster.worker()
        wait_for(lambda: "connected to" in cluster.output())
        words = command(data_dir, bundle, "reindex", "--captions", "--cluster", cluster.address)
        done = subprocess.run(words, check=True, timeout=280, capture_output=True, text=True)
    assert captions_of(data_dir) == captions_of(by_one)
    assert "older" not in {row[1] for row in captions_of(data_dir)}
    assert numbers_of(done.stderr)[1]
    assert not (data_dir / "cluster.json").exists()
