"""Dask, imported when it is needed and not before: the one place that sets it up.

Its protocol runs code: whoever reaches a scheduler, a worker or a client may run programs there. Hence TLS with
certificates on both sides, or a network that is trusted.
"""

from __future__ import annotations

import importlib
import logging
from pathlib import Path
from types import ModuleType
from typing import Any

from captioner import ClusterError

#: The files of the directory with certificates: the authority's certificate, this machine's, and its key.
CA, CERTIFICATE, KEY = "ca.pem", "cert.pem", "key.pem"

_SETTINGS: dict[str, Any] = {
    # The program's own logging; Dask would put a handler of its own before it.
    "logging": {"version": 1, "incremental": True},
    # Looks at every thread's stack a hundred times a second.
    "distributed.worker.profile.enabled": False,
    # Addresses of pages nobody asked for.
    "distributed.worker.http.routes": [],
    "distributed.scheduler.http.routes": [],
    # Each batch names the worker it is for.
    "distributed.scheduler.work-stealing": False,
    "distributed.diagnostics.nvml": False,
    # A machine that lost its power closes no connection.
    "distributed.comm.timeouts.connect": "10s",
    "distributed.comm.timeouts.tcp": "20s",
}


def import_distributed() -> ModuleType:
    """The module `distributed`, set up. Raises `ClusterError` where it is not installed."""
    try:
        dask = importlib.import_module("dask")
        dask.config.set(_SETTINGS)
        distributed = importlib.import_module("distributed")
    except ImportError as error:
        raise ClusterError(
            f"Dask distributed can't be imported ({error}): install it with: pip install 'recollect[cluster]'"
        ) from error
    except OSError as error:
        raise ClusterError(
            f"Dask can't see how this machine is ({error}): under systemd, ProcSubset=all shows it"
        ) from error
    for name in ("distributed", "tornado"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # what matters is logged by us
    return distributed


def security(distributed: ModuleType, tls: Path | None) -> Any:
    """What Dask is given for TLS on every connection, with the certificates of both sides checked; None without `tls`,
    the directory of the certificates. Raises `ClusterError` where one of them can't be read."""
    if tls is None:
        return None
    files = {name: tls / name for name in (CA, CERTIFICATE, KEY)}
    for path in files.values():
        try:
            path.read_bytes()
        except OSError as error:
            raise ClusterError(f"the certificate {path} can't be read: {error.strerror}") from error
    roles = {
        f"tls_{role}_{part}": str(files[name])
        for role in ("client", "scheduler", "worker")
        for part, name in (("cert", CERTIFICATE), ("key", KEY))
    }
    return distributed.Security(tls_ca_file=str(files[CA]), require_encryption=True, **roles)
