"""`recollect worker` and `recollect scheduler`: other machines that caption, too; and what `doctor` says of them."""

from __future__ import annotations

import ipaddress
import os
from urllib.parse import urlsplit

import click

from indexer.commands.command_line import run_until_stopped, with_settings
from indexer.commands.finding import Finding, Verdict
from indexer.commands.terminal import Terminal
from indexer.errors import SetupError
from indexer.settings import Settings

_trusted_network = click.option(
    "--trusted-network",
    is_flag=True,
    help="without TLS: everybody on this network may run programs here, which is what Dask lets them",
)


@click.command()
@click.argument("address")
@click.option("--listen", metavar="ADDRESS", help="address to be reached at; else the one that leads to the scheduler")
@_trusted_network
@with_settings("bundle", "captioner_threads", "captioner_timeout_s", "nice", "unload_after_s", "cluster_tls")
def worker(settings: Settings, terminal: Terminal, address: str, listen: str | None, trusted_network: bool) -> None:
    """Caption for a recollect on another machine, through the scheduler at ADDRESS (tcp://HOST:8786).

    It is given pixels, never a name or anything else of a photo, and needs no library. It must have the same version
    and the same caption model as the machine that serves.
    """
    from captioner import BundleError, ClusterError, run_worker
    from indexer.errors import unusable_bundle
    from indexer.jobs.captioners import unusable_cluster
    from indexer.settings_loader import check_cluster_address

    check_cluster_address(address, settings.cluster_tls)
    _check_trust(settings, urlsplit(address).hostname or "", trusted_network=trusted_network)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        run_until_stopped(
            lambda stop: run_worker(
                address,
                stop,
                bundle=settings.bundle,
                threads=settings.captioner_threads,
                timeout_s=settings.captioner_timeout_s,
                nice=settings.nice,
                idle_s=settings.unload_after_s or None,
                tls=settings.cluster_tls,
                host=listen,
                say=terminal.print,
            )
        )
    except BundleError as error:
        raise unusable_bundle(settings.bundle, error) from error
    except ClusterError as error:
        raise unusable_cluster(error) from error


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="address to listen on; 0.0.0.0 for all")
@click.option("--port", type=click.IntRange(0, 65535), default=8786, show_default=True, help="port to listen on")
@_trusted_network
@with_settings("cluster_tls")
def scheduler(settings: Settings, terminal: Terminal, host: str, port: int, trusted_network: bool) -> None:
    """Run the scheduler that `recollect serve --cluster` and `recollect worker` connect to; it keeps nothing."""
    from captioner import ClusterError, run_scheduler
    from indexer.jobs.captioners import unusable_cluster

    _check_trust(settings, host, trusted_network=trusted_network)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        run_until_stopped(
            lambda stop: run_scheduler(stop, host=host, port=port, tls=settings.cluster_tls, say=terminal.print)
        )
    except ClusterError as error:
        raise unusable_cluster(error) from error


def _check_trust(settings: Settings, host: str, *, trusted_network: bool) -> None:
    """Who can reach a scheduler or a worker can run programs there. Raises `SetupError`."""
    if settings.cluster_tls is None and not trusted_network and not _is_this_machine(host):
        raise SetupError(
            f"with {host}, whoever is on this network could run programs on this machine: Dask's protocol lets them",
            hint="set 'cluster_tls' to a directory of certificates, or add --trusted-network where you trust everybody",
        )


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


async def examine_cluster(settings: Settings) -> list[Finding]:
    """One for the scheduler, and one for each worker that can't be used."""
    from captioner import ClusterError, look_at_cluster
    from indexer.jobs.captioners import unusable_cluster

    subject, meanwhile = "cluster", "this machine captions alone until then"
    try:
        state = await look_at_cluster(settings.cluster, bundle=settings.bundle, tls=settings.cluster_tls)
    except ClusterError as error:
        return [Finding(subject, Verdict.BROKEN, str(error), str(unusable_cluster(error).hint))]
    if state.problem:
        mend = f"start `recollect scheduler` there, and let this machine reach it; {meanwhile}"
        return [Finding(subject, Verdict.WARNING, f"{state.address}: {state.problem}", mend)]
    names = ", ".join(worker.name for worker in state.workers if not worker.problem)
    if names:
        findings = [Finding(subject, Verdict.FINE, f"{state.address}: {names} would be used")]
    else:
        mend = f"start `recollect worker {state.address}` on another machine; {meanwhile}"
        findings = [Finding(subject, Verdict.WARNING, f"{state.address} has no worker that can be used", mend)]
    refused = (worker for worker in state.workers if worker.problem)
    return findings + [Finding(subject, Verdict.WARNING, f"{one.name} is not used: {one.problem}") for one in refused]
