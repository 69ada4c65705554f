"""The captioner that photos are indexed with: this machine's, and those of other machines where a cluster is set."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from captioner import BundleError, Captioner, CaptionerGone, CaptionerProcess, ClusterError
from captioner.ipc.supervisor import ChildNotStarted
from indexer.cluster_report import forget_cluster_state, write_cluster_state
from indexer.errors import SetupError, captioner_not_started, unusable_bundle
from indexer.settings import Settings

if TYPE_CHECKING:
    from captioner import ClusterCaptioner

log = logging.getLogger(__name__)

#: So often other processes are told how the cluster is, where that has changed.
_REPORT_S = 1.0


@asynccontextmanager
async def started_captioner(settings: Settings) -> AsyncIterator[CaptionerProcess]:
    """This machine's captioner, a child process, as the settings want it. Raises `SetupError` where the bundle can't be
    used, and `ProcessUnavailable` where the process died before it was ready."""
    process = CaptionerProcess(
        settings.bundle,
        threads=settings.captioner_threads,
        timeout_s=settings.captioner_timeout_s,
        nice=settings.nice,
        idle_s=settings.unload_after_s or None,
    )
    async with AsyncExitStack() as stack:
        try:
            captioner = await stack.enter_async_context(process)
        except BundleError as error:
            died = error.__cause__
            if isinstance(died, ChildNotStarted) and died.kind != BundleError.__name__:
                raise captioner_not_started(error) from error
            raise unusable_bundle(settings.bundle, error) from error
        yield captioner


@asynccontextmanager
async def indexing_captioner(settings: Settings) -> AsyncIterator[Captioner]:
    """As `started_captioner`, with the workers of the setting `cluster`. Raises `SetupError` also where Dask or a
    certificate is missing."""
    async with started_captioner(settings) as local:
        if not settings.cluster:
            yield local
            return
        from captioner import connected_captioner  # Dask is worth its memory only here

        async with AsyncExitStack() as stack:
            connecting = connected_captioner(
                local,
                settings.cluster,
                bundle=settings.bundle,
                timeout_s=settings.cluster_timeout_s,
                tls=settings.cluster_tls,
            )
            try:
                captioner = await stack.enter_async_context(connecting)
            except ClusterError as error:
                raise unusable_cluster(error) from error
            await stack.enter_async_context(_reporting(captioner, settings))
            yield captioner


def unusable_cluster(error: ClusterError) -> SetupError:
    """What it means that other machines can't be used as it is set up."""
    return SetupError(str(error), hint="without the setting 'cluster' photos are captioned by this machine alone")


@asynccontextmanager
async def _reporting(captioner: ClusterCaptioner, settings: Settings) -> AsyncIterator[None]:
    """Keeps the data directory's report of the cluster up to date."""

    async def report() -> None:
        written = None
        while True:
            if (state := captioner.state) != written:
                try:
                    await asyncio.to_thread(write_cluster_state, settings.data_dir, state)
                    written = state
                except OSError as error:  # the page and `status` show an older one until it can be written
                    log.debug("the state of the cluster can't be written: %s", error)
            await asyncio.sleep(_REPORT_S)

    reporting = asyncio.create_task(report())
    try:
        yield
    finally:
        reporting.cancel()
        await asyncio.gather(reporting, return_exceptions=True)
        state = captioner.state
        log.info("captions: %d here, %d by other machines", state.captions_here, state.captions_elsewhere)
        await asyncio.to_thread(forget_cluster_state, settings.data_dir)


def _cluster_of(captioner: Captioner) -> ClusterCaptioner | None:
    """Nothing is imported for it: a captioner of that class has it imported already."""
    module = sys.modules.get("captioner.cluster.captioner")
    return captioner if module is not None and isinstance(captioner, module.ClusterCaptioner) else None


def images_elsewhere(captioner: Captioner) -> int:
    """How many images other machines take at once, beside those that this one has in hand."""
    cluster = _cluster_of(captioner)
    return cluster.images_elsewhere if cluster is not None else 0


async def captioner_answers(captioner: Captioner) -> bool:
    """Whether this machine's captioner answers; also where its process is not running just now."""
    cluster = _cluster_of(captioner)
    local = cluster.local if cluster is not None else captioner
    if isinstance(local, CaptionerProcess):
        try:
            await local.ping()
        except CaptionerGone:
            return False
    return True
