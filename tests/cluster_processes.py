"""A cluster of real processes on this machine, to be killed and stopped: `recollect scheduler`, `recollect worker`."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

from captioner import DEFAULT_BUNDLE

needs_dask = pytest.mark.skipif(
    find_spec("distributed") is None, reason="Dask distributed is not installed (pip install 'recollect[cluster]')"
)
_STOP_S = 30.0


class ClusterProcesses:
    """The programs are started by hand, in any order; all that is left is killed at the end."""

    def __init__(self, folder: Path, *, bundle: Path = DEFAULT_BUNDLE, tls: Path | None = None) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self._folder = folder
        self._bundle = bundle
        self._more = () if tls is None else ("--cluster-tls", str(tls))
        self.address = f"{'tls' if tls else 'tcp'}://127.0.0.1:{self._port}"
        self._started: list[subprocess.Popen[bytes]] = []

    def scheduler(self) -> subprocess.Popen[bytes]:
        return self._start("scheduler", "--port", str(self._port))

    def worker(self, *, bundle: Path | None = None) -> subprocess.Popen[bytes]:
        return self._start("worker", self.address, "--bundle", str(bundle or self._bundle), "--nice", "0")

    def output(self) -> str:
        """What all of them have said."""
        return "".join(path.read_text(encoding="utf-8") for path in sorted(self._folder.glob("cluster-*.log")))

    def _start(self, *words: str) -> subprocess.Popen[bytes]:
        """As leader of a group, so that its captioner can be stopped and killed along."""
        command = [sys.executable, "-m", "web.cli", *words, *self._more, "--data-dir", str(self._folder / "none")]
        with (self._folder / f"cluster-{len(self._started):02}.log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        self._started.append(process)
        return process

    def kill_all(self) -> None:
        for process in self._started:
            if process.poll() is None:
                kill(process)


def kill(process: subprocess.Popen[bytes], number: int = signal.SIGKILL) -> None:
    """Sends a signal to a program and its child processes; waits for the end where that is one."""
    os.killpg(process.pid, number)
    if number == signal.SIGKILL:
        process.wait(_STOP_S)


@contextmanager
def cluster_processes(
    folder: Path, *, bundle: Path = DEFAULT_BUNDLE, tls: Path | None = None
) -> Iterator[ClusterProcesses]:
    processes = ClusterProcesses(folder, bundle=bundle, tls=tls)
    try:
        yield processes
    finally:
        processes.kill_all()


async def until(condition: Callable[[], object], *, within_s: float = 90.0) -> None:
    """Waits for something that other processes bring about, on a machine that others use too."""
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.05)
