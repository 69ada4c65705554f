"""What page, API and metrics say of other machines that caption."""

from __future__ import annotations

from dataclasses import replace

import pytest

from captioner import ClusterState, ClusterWorker
from indexer.cluster_report import write_cluster_state
from indexer.settings import Settings
from indexer.storage import sole_indexer
from tests.web.conftest import StartPage
from tests.web.library_made import many

WORKERS = (ClusterWorker("pi2 <b>", 1200), ClusterWorker("pi3", 0, "it has another <model>"))
STATE = ClusterState("tcp://pi:8786", "", WORKERS, 34, 1200)


async def test_workers_and_who_made_how_many(start_page: StartPage, settings: Settings) -> None:
    page = await start_page(list(many(3)))
    with sole_indexer(settings.data_dir):
        write_cluster_state(settings.data_dir, STATE)
        status = await page.text("/status")
        assert "1 worker is used" in status
        assert "1,200 photos described there, 34 here" in status
        assert "pi2 &lt;b&gt;" in status
        assert "it has another &lt;model&gt;" in status
        answer = (await page.json("/api/status"))["cluster"]
        assert (answer["used"], answer["captions_elsewhere"], answer["workers"][1]["problem"]) == (
            1,
            1200,
            WORKERS[1].problem,
        )
        metrics = await page.text("/metrics")
        for line in (
            "recollect_cluster_up 1",
            "recollect_cluster_workers 1",
            "recollect_cluster_workers_refused 1",
            'recollect_captions_total{by="here"} 34',
            'recollect_captions_total{by="cluster"} 1200',
        ):
            assert line in metrics.splitlines()
        write_cluster_state(settings.data_dir, replace(STATE, problem="the scheduler can't be reached", workers=()))
        assert "tcp://pi:8786 does not answer; photos are described here meanwhile" in await page.text("/status")
        assert "recollect_cluster_up 0" in (await page.text("/metrics")).splitlines()


@pytest.mark.parametrize("is_left_over", [False, True])
async def test_without_a_cluster_nothing_is_said_of_it(
    start_page: StartPage, settings: Settings, is_left_over: bool
) -> None:
    """Also where a process that was killed has left its report behind."""
    page = await start_page(list(many(3)))
    if is_left_over:
        write_cluster_state(settings.data_dir, STATE)
        assert (settings.data_dir / "cluster.json").exists()
    assert "worker" not in await page.text("/status")
    assert (await page.json("/api/status"))["cluster"] is None
    assert "cluster" not in await page.text("/metrics")
