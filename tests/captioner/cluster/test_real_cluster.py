"""Two real workers and a real scheduler on this machine: killed, stopped and started again amid the work."""

from __future__ import annotations

import asyncio
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from captioner import (
    DEFAULT_BUNDLE,
    Caption,
    CaptionerProcess,
    ClusterCaptioner,
    connected_captioner,
    look_at_cluster,
    read_model_name,
    squash,
)
from captioner.inference.worker import pack_caption
from tests.bundles_made import copy_that_takes_all_for_photos
from tests.cluster_processes import ClusterProcesses, cluster_processes, kill, needs_dask, until
from tests.photos_made import detailed

pytestmark = [pytest.mark.slow, needs_dask, pytest.mark.timeout(600)]

PICTURES = 40


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Describes every picture: each costs a beam search."""
    return copy_that_takes_all_for_photos(tmp_path_factory.mktemp("model") / "bundle")


@pytest.fixture(scope="module")
def images(bundle: Path) -> list[bytes]:
    _, input_px = read_model_name(bundle)
    return [squash(detailed((160, 120), seed), input_px).tobytes() for seed in range(PICTURES)]


@pytest.fixture(scope="module")
def alone(bundle: Path, images: list[bytes]) -> list[Caption]:
    """What one machine makes of the pictures."""

    async def caption_all() -> list[Caption]:
        async with CaptionerProcess(bundle, nice=0) as captioner:
            return [await captioner.caption(image) for image in images]

    return asyncio.run(caption_all())


@pytest.fixture
def cluster(tmp_path: Path, bundle: Path) -> Iterator[ClusterProcesses]:
    with cluster_processes(tmp_path, bundle=bundle) as processes:
        yield processes


@asynccontextmanager
async def sharing(
    cluster: ClusterProcesses, bundle: Path, timeout_s: float = 60.0, tls: Path | None = None
) -> AsyncIterator[ClusterCaptioner]:
    async with (
        CaptionerProcess(bundle, nice=0) as local,
        connected_captioner(local, cluster.address, bundle=bundle, timeout_s=timeout_s, tls=tls) as captioner,
    ):
        yield captioner


async def caption_all(captioner: ClusterCaptioner, images: Sequence[bytes]) -> list[Caption]:
    async with asyncio.timeout(200):
        return list(await asyncio.gather(*map(captioner.caption, images)))


def same_bytes(captions: Sequence[Caption], alone: Sequence[Caption]) -> bool:
    """As they go through a pipe, and into the catalogue."""
    return [pack_caption(one) for one in captions] == [pack_caption(one) for one in alone]


async def test_three_captioners_make_what_one_makes(
    cluster: ClusterProcesses, bundle: Path, images: list[bytes], alone: list[Caption]
) -> None:
    assert len({caption.text for caption in alone}) > 5
    cluster.scheduler()
    cluster.worker()
    cluster.worker()
    async with sharing(cluster, bundle) as captioner:
        await until(lambda: captioner.state.used == 2)
        assert same_bytes(await caption_all(captioner, images), alone)
        state = captioner.state
    assert state.captions_here + state.captions_elsewhere == PICTURES
    assert state.captions_here
    assert all(worker.captions for worker in state.workers)


async def test_a_killed_worker_costs_time_alone(
    cluster: ClusterProcesses, bundle: Path, images: list[bytes], alone: list[Caption]
) -> None:
    cluster.scheduler()
    first, _ = cluster.worker(), cluster.worker()
    async with sharing(cluster, bundle) as captioner:
        await until(lambda: captioner.state.used == 2)
        captioning = asyncio.create_task(caption_all(captioner, images * 2))
        await until(lambda: captioner.state.captions_elsewhere >= 8)
        kill(first)
        assert same_bytes(await captioning, alone * 2)
        await until(lambda: captioner.state.used == 1)


async def test_a_hung_worker_is_passed_over_and_used_again(
    cluster: ClusterProcesses, bundle: Path, images: list[bytes], alone: list[Caption]
) -> None:
    cluster.scheduler()
    hung, _ = cluster.worker(), cluster.worker()
    async with sharing(cluster, bundle, timeout_s=8.0) as captioner:
        await until(lambda: captioner.state.used == 2)
        kill(hung, signal.SIGSTOP)
        assert same_bytes(await caption_all(captioner, images), alone)
        (problem,) = filter(None, (worker.problem for worker in captioner.state.workers))
        assert "not answered for 8 s" in problem
        kill(hung, signal.SIGCONT)
        await until(lambda: captioner.state.used == 2)
        before = {worker.name: worker.captions for worker in captioner.state.workers}
        assert same_bytes(await caption_all(captioner, images), alone)
        assert all(worker.captions > before[worker.name] for worker in captioner.state.workers)


async def test_a_scheduler_that_is_killed_and_started_again_is_found_again(
    cluster: ClusterProcesses, bundle: Path, images: list[bytes], alone: list[Caption]
) -> None:
    scheduler = cluster.scheduler()
    cluster.worker()
    cluster.worker()
    async with sharing(cluster, bundle) as captioner:
        await until(lambda: captioner.state.used == 2)
        captioning = asyncio.create_task(caption_all(captioner, images * 2))
        await until(lambda: captioner.state.captions_elsewhere >= 8)
        kill(scheduler)
        assert same_bytes(await captioning, alone * 2)
        await until(lambda: "can't be reached" in captioner.state.problem)
        assert same_bytes(await caption_all(captioner, images[:4]), alone[:4])
        cluster.scheduler()
        await until(lambda: captioner.state.used == 2)
        before = captioner.state.captions_elsewhere
        assert same_bytes(await caption_all(captioner, images), alone)
        assert captioner.state.captions_elsewhere > before


async def test_without_a_scheduler_all_is_captioned_here(
    cluster: ClusterProcesses, bundle: Path, images: list[bytes], alone: list[Caption]
) -> None:
    async with sharing(cluster, bundle) as captioner:
        assert same_bytes(await caption_all(captioner, images[:6]), alone[:6])
        assert captioner.state.captions_here == 6


async def test_a_worker_with_another_bundle_is_refused_and_says_why(
    cluster: ClusterProcesses, bundle: Path, images: list[bytes], alone: list[Caption], tmp_path: Path
) -> None:
    cluster.scheduler()
    cluster.worker(bundle=DEFAULT_BUNDLE)
    async with sharing(cluster, bundle) as captioner:
        await until(lambda: captioner.state.workers)
        (worker,) = captioner.state.workers
        assert "give both the same bundle" in worker.problem
        assert same_bytes(await caption_all(captioner, images[:6]), alone[:6])
        assert captioner.state.captions_elsewhere == 0
    seen = await look_at_cluster(cluster.address, bundle=bundle)
    assert (seen.problem, [one.problem for one in seen.workers]) == ("", [worker.problem])
    assert (await look_at_cluster(cluster.address, bundle=DEFAULT_BUNDLE)).used == 1


async def test_a_worker_ends_in_order(cluster: ClusterProcesses) -> None:
    scheduler, worker = cluster.scheduler(), cluster.worker()
    await until(lambda: "connected to" in cluster.output())
    for process in (worker, scheduler):
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, 30) == 0
    assert "Traceback" not in cluster.output()


def certificates(folder: Path) -> Path:
    """As deploy/README.md says how to make them, for this machine."""
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    folder.mkdir()
    guide = (Path(__file__).parents[3] / "deploy" / "README.md").read_text(encoding="utf-8")
    block = re.search(r"^    openssl req.*?(?=\n\n[^ ])", guide, re.MULTILINE | re.DOTALL)
    assert block is not None
    script = re.sub(r"^ {4}", "", block[0], flags=re.MULTILINE)
    subprocess.run(["bash", "-euc", script], cwd=folder, check=True, capture_output=True)
    return folder


async def test_with_certificates_it_works_and_without_them_nobody_gets_in(
    tmp_path: Path, bundle: Path, images: list[bytes], alone: list[Caption]
) -> None:
    tls = certificates(tmp_path / "tls")
    with cluster_processes(tmp_path, bundle=bundle, tls=tls) as cluster:
        cluster.scheduler()
        cluster.worker()
        async with sharing(cluster, bundle, tls=tls) as captioner:
            await until(lambda: captioner.state.used == 1)
            assert same_bytes(await caption_all(captioner, images[:8]), alone[:8])
            assert captioner.state.captions_elsewhere
        stranger = certificates(tmp_path / "stranger")
        assert "can't be reached" in (await look_at_cluster(cluster.address, bundle=bundle, tls=stranger)).problem
        plain = cluster.address.replace("tls:", "tcp:")
        assert "can't be reached" in (await look_at_cluster(plain, bundle=bundle)).problem


def test_dask_is_not_imported_where_there_is_no_cluster() -> None:
    """The whole service, its captioner started; only the setting brings Dask along."""
    program = """
import asyncio, sys, tempfile
from pathlib import Path
from indexer.jobs.captioners import indexing_captioner
from indexer.settings import Settings
import web.cli, web.app, indexer.service
async def main():
    async with indexing_captioner(Settings(data_dir=Path(tempfile.mkdtemp()))) as captioner:
        print(captioner.model)
asyncio.run(main())
print(*sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    model, modules = done.stdout.splitlines()
    assert model
    loaded = {name for name in modules.split() if name.partition(".")[0] in {"dask", "distributed", "tornado"}}
    assert not loaded
    assert not [name for name in modules.split() if name.startswith("captioner.cluster")]
