"""How captioning by other machines stands, told by the process that indexes to those that show it: a small file."""

from __future__ import annotations

import json
import logging
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from captioner import ClusterState, ClusterWorker

__all__ = ["ClusterState", "cluster_json", "forget_cluster_state", "read_cluster_state", "write_cluster_state"]

log = logging.getLogger(__name__)

#: Of the data directory: holds only while the process that wrote it runs.
_NAME = "cluster.json"


def write_cluster_state(data_dir: Path, state: ClusterState) -> None:
    """Raises `OSError`."""
    path = data_dir / _NAME
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(asdict(state) | {"process": os.getpid()}), encoding="ascii")
    fresh.replace(path)


def cluster_json(state: ClusterState | None) -> dict[str, Any] | None:
    """As `status --json` and the page's API say it: address, problem, workers (name, captions, problem), used,
    captions_here, captions_elsewhere."""
    return None if state is None else asdict(state) | {"used": state.used}


def forget_cluster_state(data_dir: Path) -> None:
    """For a process that ends; what it can't delete says nothing without it."""
    try:
        (data_dir / _NAME).unlink(missing_ok=True)
    except OSError as error:
        log.debug("the state of the cluster stays behind: %s", error)


def read_cluster_state(data_dir: Path, process: int) -> ClusterState | None:
    """What the indexing process of that id wrote last; None where it has no cluster, or none is indexing."""
    try:
        stored = json.loads((data_dir / _NAME).read_text(encoding="ascii"))
        if not process or stored.pop("process") != process:
            return None
        workers = tuple(ClusterWorker(**worker) for worker in stored.pop("workers"))
        return ClusterState(**stored, workers=workers)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        log.warning("the state of the cluster can't be read: %s", error)
        return None
