"""`recollect worker`, `recollect scheduler`, and what `doctor` and `status` say of the cluster."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from captioner import ClusterState, ClusterWorker
from indexer.cluster_report import write_cluster_state
from indexer.settings import Settings
from indexer.storage import open_storage, sole_indexer
from tests.bundles_made import copy_that_takes_all_for_photos
from tests.cluster_processes import cluster_processes, needs_dask, until
from web.cli import main


def recollect(tmp_path: Path, *words: str) -> Result:
    return CliRunner().invoke(main, [*words, "--data-dir", str(tmp_path / "data")])


@pytest.mark.parametrize(
    "words",
    [
        ("worker", "tcp://192.168.1.20:8786"),
        ("worker", "tcp://pi.local:8786"),
        ("scheduler", "--host", "0.0.0.0"),
        ("scheduler", "--host", "::"),
    ],
)
def test_a_network_must_be_trusted_or_encrypted(tmp_path: Path, words: tuple[str, ...]) -> None:
    done = recollect(tmp_path, *words)
    assert done.exit_code == 2
    assert "could run programs on this machine" in done.output
    assert "--trusted-network" in done.output


def test_a_wrong_address_is_a_set_up_error(tmp_path: Path) -> None:
    done = recollect(tmp_path, "worker", "192.168.1.20")
    assert (done.exit_code, "tcp://HOST:PORT" in done.output) == (2, True)


def test_without_dask_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dask", None)
    for words in (("worker", "tcp://127.0.0.1:1"), ("scheduler", "--port", "0")):
        done = recollect(tmp_path, *words)
        assert done.exit_code == 2
        assert "pip install 'recollect[cluster]'" in done.output
    library = tmp_path / "library"
    library.mkdir()
    done = recollect(tmp_path, "index", str(library), "--cluster", "tcp://127.0.0.1:1")
    assert (done.exit_code, "pip install 'recollect[cluster]'" in done.output) == (2, True)
    output = recollect(tmp_path, "doctor", "--cluster", "tcp://127.0.0.1:1", "--json").output
    (finding,) = (one for one in json.loads(output[output.index("[") :]) if one["subject"] == "cluster")
    assert finding["verdict"] == "broken"


@needs_dask
def test_certificates_that_are_not_there_are_named(tmp_path: Path) -> None:
    done = recollect(tmp_path, "worker", "tls://127.0.0.1:1", "--cluster-tls", str(tmp_path))
    assert done.exit_code == 2
    assert str(tmp_path / "ca.pem") in done.output


def test_status_says_who_captions(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    state = ClusterState("tcp://pi:8786", "", (ClusterWorker("pi2", 7), ClusterWorker("pi3", 0, "other model")), 3, 7)
    with open_storage(settings), sole_indexer(settings.data_dir):
        write_cluster_state(settings.data_dir, state)
        answer = json.loads(recollect(tmp_path, "status", "--json").output)["cluster"]
        assert (answer["used"], answer["captions_here"], answer["captions_elsewhere"]) == (1, 3, 7)
        text = recollect(tmp_path, "status").output
    assert "tcp://pi:8786: 1 of 2 workers are used" in text
    assert "pi2: 7 captions" in text
    assert "pi3: not used: other model" in text
    assert "3 captions here, 7 by other machines" in text
    assert json.loads(recollect(tmp_path, "status", "--json").output)["cluster"] is None


@needs_dask
@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_doctor_asks_scheduler_and_workers(tmp_path: Path) -> None:
    from indexer.commands.cluster import examine_cluster

    with cluster_processes(tmp_path) as cluster:
        settings = Settings(data_dir=tmp_path / "data", cluster=cluster.address)
        (finding,) = await examine_cluster(settings)
        assert (finding.verdict, "can't be reached" in finding.text) == ("warning", True)
        cluster.scheduler()
        await until(lambda: "the scheduler is at" in cluster.output())
        (finding,) = await examine_cluster(settings)
        assert (finding.verdict, "no worker" in finding.text) == ("warning", True)
        cluster.worker()
        cluster.worker(bundle=copy_that_takes_all_for_photos(tmp_path / "bundle"))
        await until(lambda: cluster.output().count("connected to") == 2)
        fine, refused = await examine_cluster(settings)
        assert (fine.verdict, refused.verdict) == ("ok", "warning")
        assert "same bundle" in refused.text
