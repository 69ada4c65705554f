"""`recollect serve` as a process tree that is asked, measured, killed and started again."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import psutil

from tests.bundles_made import copy_that_takes_all_for_photos

COUNTING = Path(__file__).parent / "counting"
_READY_S = 120.0
_ADDRESS = re.compile(r"http://\S+")


@dataclass(frozen=True, slots=True)
class Killed:
    """A kill -9: when (`time.time`), and of what."""

    at: float
    role: str


@dataclass(frozen=True, slots=True)
class Memory:
    """Megabytes of one process at a moment (`time.monotonic`)."""

    at: float
    role: str
    pid: int
    pss_mb: float
    private_mb: float


class Program:
    """The service over one library. A context manager; what is left of it at the end is killed."""

    def __init__(self, folder: Path, library: Path) -> None:
        self.kills: list[Killed] = []
        self.starts = 0
        self.log = folder / "log.txt"
        self.caption_log = folder / "captions.txt"
        self.data = folder / "data"
        self._library = library
        self._process: subprocess.Popen[bytes] | None = None
        self.address = ""
        self._changing = threading.Lock()
        bundle = copy_that_takes_all_for_photos(folder / "bundle")
        self.environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join((str(COUNTING), str(Path(__file__).parents[2]))),
            "RECOLLECT_DATA_DIR": str(self.data),
            "XDG_CONFIG_HOME": str(folder / "config"),
            "RECOLLECT_WRITE_UNSURE": "true",
            "RECOLLECT_BUNDLE": str(bundle),
            "SOAK_CAPTION_LOG": str(self.caption_log),
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.tree():
            process.kill()
        if self._process is not None:
            self._process.wait()

    def start(self) -> None:
        """Starts the service and waits until its page answers."""
        with self._changing:
            with self.log.open("ab") as log:
                begun = log.tell()
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "web.cli", "serve", str(self._library), "--port", "0"],
                    env=self.environment,
                    stderr=log,
                    stdout=log,
                )
            self.starts += 1
            until = time.monotonic() + _READY_S
            while time.monotonic() < until:
                said = self.log.read_bytes()[begun:].decode(errors="replace")
                if found := _ADDRESS.search(said):
                    self.address = found[0].rstrip("/")
                    return
                assert self._process.poll() is None, said[-3000:]
                time.sleep(0.05)
            raise AssertionError(f"no page after {_READY_S:.0f} s: {said[-3000:]}")

    def run(self, *words: str, timeout_s: float = 1200) -> subprocess.CompletedProcess[str]:
        """Another command on the same data directory."""
        command = [sys.executable, "-m", "web.cli", *words]
        return subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=timeout_s, check=False
        )

    def stop(self) -> tuple[int, float]:
        """By SIGTERM; gives the exit code and the seconds it took."""
        assert self._process is not None
        begun = time.monotonic()
        self._process.send_signal(signal.SIGTERM)
        code = self._process.wait(timeout=120)
        return code, time.monotonic() - begun

    def ask(self, path: str, body: Any = None, method: str = "GET") -> Any:
        """What the JSON API answers. Raises `OSError` where nobody answers."""
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(urllib.request.Request(self.address + path, data, method=method), timeout=60) as it:
            return json.loads(it.read())

    def get(self, path: str) -> int:
        """Fetches a page or picture; gives how many bytes it has. Raises `OSError` where nobody answers."""
        with urllib.request.urlopen(self.address + path, timeout=60) as answer:
            return len(answer.read())

    def tree(self) -> list[psutil.Process]:
        """The service and its children, those that run."""
        if self._process is None or self._process.poll() is not None:
            return []
        try:
            service = psutil.Process(self._process.pid)
            return [service, *service.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def kill(self, process: psutil.Process) -> None:
        """Kill -9; where it was the service, its children have to end by themselves, and it is started again."""
        name = role(process)
        family = self.tree()
        self.kills.append(Killed(time.time(), name))
        try:
            process.kill()
        except psutil.NoSuchProcess:
            self.kills.pop()
            return
        if self._process is not None and process.pid == self._process.pid:
            self._process.wait()
            _, alive = psutil.wait_procs(family, timeout=30)
            assert not alive, f"outlived the service: {[(one.pid, one.cmdline()) for one in alive]}"
            self.start()

    def memory(self) -> list[Memory]:
        """Of each process now."""
        now, rows = time.monotonic(), []
        for process in self.tree():
            try:
                full = process.memory_full_info()
                rows.append(Memory(now, role(process), process.pid, full.pss / 1e6, full.uss / 1e6))
            except psutil.Error:
                continue
        return rows


def role(process: psutil.Process) -> str:
    """service, captioner or reader."""
    try:
        words = process.cmdline()
    except psutil.Error:
        return "ended"
    if "captioner.inference.worker" in words:
        return "captioner"
    return "reader" if "indexer.reader.photo_worker" in words else "service"
