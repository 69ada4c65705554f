"""What other processes are told of the cluster, and for how long they believe it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from captioner import ClusterState, ClusterWorker
from indexer.cluster_report import cluster_json, forget_cluster_state, read_cluster_state, write_cluster_state

STATE = ClusterState(
    "tcp://pi:8786", "", (ClusterWorker("zoë (pi2:1)", 7), ClusterWorker("pi3", 0, "it has another model")), 3, 7
)


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_cluster_state(tmp_path, STATE)
    assert read_cluster_state(tmp_path, os.getpid()) == STATE
    answer = cluster_json(STATE)
    assert answer is not None
    assert (answer["used"], answer["captions_here"], answer["captions_elsewhere"]) == (1, 3, 7)


@pytest.mark.parametrize("process", [0, 1])
def test_of_a_process_that_has_ended_it_says_nothing(tmp_path: Path, process: int) -> None:
    write_cluster_state(tmp_path, STATE)
    assert read_cluster_state(tmp_path, process) is None


def test_nothing_is_there_at_first_and_after_the_end(tmp_path: Path) -> None:
    assert read_cluster_state(tmp_path, os.getpid()) is None
    write_cluster_state(tmp_path, STATE)
    forget_cluster_state(tmp_path)
    forget_cluster_state(tmp_path)
    assert not list(tmp_path.iterdir())
    assert cluster_json(None) is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"process": %d}', '{"process": %d, "workers": 3}'])
def test_a_damaged_report_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "cluster.json").write_text(text.replace("%d", str(os.getpid())), encoding="ascii")
    assert read_cluster_state(tmp_path, os.getpid()) is None
