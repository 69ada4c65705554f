"""How much memory a process and its children take, by the kernel's own account (proc_pid_smaps(5))."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

_SAMPLE_S = 0.05


@dataclass(frozen=True, slots=True)
class Sample:
    """Megabytes of one process tree. PSS shares out what processes have in common, RSS counts it for each."""

    pss_mb: float = 0.0
    rss_mb: float = 0.0
    each_pss_mb: tuple[float, ...] = ()


def sample(pid: int) -> Sample:
    """The tree as it is now; what ended meanwhile counts for nothing."""
    try:
        parent = psutil.Process(pid)
        processes = [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return Sample()
    rows = [_rollup(process.pid) for process in processes]
    pss = tuple(row.get("Pss", 0) / 1000 for row in rows)
    return Sample(sum(pss), sum(row.get("Rss", 0) for row in rows) / 1000, pss)


def own_mb() -> float:
    """Megabytes of this process that are no file's."""
    return _rollup(os.getpid())["Anonymous"] / 1000


def _rollup(pid: int) -> dict[str, int]:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()[1:]
    except OSError:
        return {}
    return {name.rstrip(":"): int(value) for name, value, *_ in (line.split() for line in lines)}


class PeakMemory:
    """Samples a process tree from a thread of its own while the block runs; `peak` is the one of the greatest PSS."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.peak = Sample()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(_SAMPLE_S):
            self.peak = max(self.peak, sample(self._pid), key=lambda item: item.pss_mb)
