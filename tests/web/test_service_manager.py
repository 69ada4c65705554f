"""What systemd is told, over a real socket: ready, alive only while loop and captioner answer, stopping."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from indexer.catalogue import Catalogue
from tests.indexing import COLOURS
from tests.photos_made import write_jpeg
from web.service_manager import ServiceManager

WATCHDOG_S = 0.4


class Systemd:
    """Its end of the socket."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + address[1:] if address.startswith("@") else address)

    def messages(self, within_s: float = 0.0) -> list[str]:
        """The lines that have come, and the next one where there are none yet."""
        lines: list[str] = []
        self._socket.settimeout(within_s or 0.001)
        try:
            while True:
                lines += self._socket.recv(4096).decode().splitlines()
                self._socket.settimeout(0.001)
        except (TimeoutError, BlockingIOError):
            return lines

    def wait_for(self, line: str, within_s: float = 60.0) -> None:
        deadline, seen = time.monotonic() + within_s, []
        while line not in seen:
            assert time.monotonic() < deadline, f"{line} was never said, but {seen}"
            seen += self.messages(0.2)

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(params=["path", "abstract"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Systemd]:
    address = str(tmp_path / "notify") if request.param == "path" else f"@recollect-test-{os.getpid()}"
    end = Systemd(address)
    yield end
    end.close()


def manager(systemd: Systemd, watchdog_s: float = WATCHDOG_S, **more: str) -> ServiceManager:
    return ServiceManager({"NOTIFY_SOCKET": systemd.address, "WATCHDOG_USEC": str(int(watchdog_s * 1e6)), **more})


async def answers() -> bool:
    return True


async def test_ready_alive_and_stopping_are_said(systemd: Systemd) -> None:
    stop = asyncio.Event()
    async with manager(systemd).reporting("http://127.0.0.1:8765", answers, stop):
        assert systemd.messages() == ["READY=1", "STATUS=the search page is on http://127.0.0.1:8765"]
        await asyncio.sleep(WATCHDOG_S)
        signs = systemd.messages()
        assert set(signs) == {"WATCHDOG=1"}
        assert len(signs) >= 2
        stop.set()
        await asyncio.sleep(0.01)
        assert "STOPPING=1" in systemd.messages()


async def test_a_hung_event_loop_gives_no_sign(systemd: Systemd) -> None:
    async with manager(systemd).reporting("", answers, asyncio.Event()):
        await asyncio.sleep(0)
        systemd.messages()
        time.sleep(2 * WATCHDOG_S)
        assert systemd.messages() == []
        await asyncio.sleep(WATCHDOG_S)
        assert "WATCHDOG=1" in systemd.messages(), "it goes on where the loop does"


@pytest.mark.parametrize("how", ["says no", "never answers"])
async def test_a_captioner_that_does_not_answer_gives_no_sign(systemd: Systemd, how: str) -> None:
    async def is_alive() -> bool:
        if how == "never answers":
            await asyncio.sleep(1000)
        return False

    async with manager(systemd).reporting("", is_alive, asyncio.Event()):
        await asyncio.sleep(2 * WATCHDOG_S)
        assert "WATCHDOG=1" not in systemd.messages()


async def test_without_a_watchdog_or_without_systemd_nothing_is_looked_at(systemd: Systemd) -> None:
    async def is_alive() -> bool:
        raise AssertionError("nobody wants to know")

    for environment in (
        {},
        {"WATCHDOG_USEC": "1000"},
        {"NOTIFY_SOCKET": systemd.address},
        {"NOTIFY_SOCKET": systemd.address, "WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"},
    ):
        async with ServiceManager(environment).reporting("", is_alive, asyncio.Event()):
            await asyncio.sleep(0.02)
    assert systemd.messages().count("READY=1") == 2


async def test_a_socket_that_is_gone_stops_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    gone = ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "gone"), "WATCHDOG_USEC": "1000000"})
    async with gone.reporting("", answers, asyncio.Event()):
        await asyncio.sleep(0.02)
    assert "can't be told READY=1" in caplog.text


async def test_an_error_of_the_service_is_its_own(systemd: Systemd) -> None:
    with pytest.raises(KeyError, match="its own"):
        async with manager(systemd).reporting("", answers, asyncio.Event()):
            raise KeyError("its own")


@pytest.mark.slow
@pytest.mark.parametrize("systemd", ["path"], indirect=True)
def test_the_program_with_a_captioner_that_is_stopped(systemd: Systemd, tmp_path: Path) -> None:
    """SIGSTOP to the real child while it has nothing to do: no sign of life until recollect has ended it."""
    write_jpeg(tmp_path / "photos/red.jpg", COLOURS["red"])
    environment = {
        **os.environ,
        "RECOLLECT_DATA_DIR": str(tmp_path / "data"),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "NOTIFY_SOCKET": systemd.address,
        "WATCHDOG_USEC": "4000000",
    }
    command = [sys.executable, "-m", "web.cli", "serve", str(tmp_path / "photos"), "--port", "0"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
        try:
            systemd.wait_for("READY=1")
            systemd.wait_for("WATCHDOG=1")
            captioner = _captioner(process.pid)
            _wait_for_photos(tmp_path / "data/catalogue.db", 1)
            captioner.send_signal(signal.SIGSTOP)
            time.sleep(2)  # a ping that was under way
            systemd.messages()
            time.sleep(4)
            assert "WATCHDOG=1" not in systemd.messages()
            systemd.wait_for("WATCHDOG=1")
            psutil.wait_procs([captioner], timeout=30)
            assert not captioner.is_running(), "it was ended"
            write_jpeg(tmp_path / "photos/blue.jpg", COLOURS["blue"], 1)
            _wait_for_photos(tmp_path / "data/catalogue.db", 2)
            assert _captioner(process.pid).pid != captioner.pid
            process.send_signal(signal.SIGTERM)
            systemd.wait_for("STOPPING=1")
            assert process.wait(timeout=60) == 0
        finally:
            process.kill()


def _wait_for_photos(path: Path, number: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with Catalogue(path) as catalogue:
            if catalogue.counts().photos == number:
                return
        time.sleep(0.2)
    raise AssertionError("the photo was never done")


def _captioner(pid: int) -> psutil.Process:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for child in psutil.Process(pid).children():
            if "captioner.inference.worker" in " ".join(child.cmdline()):
                return child
        time.sleep(0.2)
    raise AssertionError("there is no captioner")
