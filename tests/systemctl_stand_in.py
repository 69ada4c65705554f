"""Stands for systemctl in tests/test_install.py: starts what a unit names, and waits until it says that it is ready.

Knows what deploy/install and deploy/uninstall ask of it. The unit's user and its sandbox are left to systemd itself.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

UNITS = Path("/etc/systemd/system")
STATE = Path("/srv/run-units")


def values(unit: str, key: str) -> list[str]:
    files = [UNITS / f"{unit}.service", *sorted((UNITS / f"{unit}.service.d").glob("*.conf"))]
    return re.findall(rf"^{key}=(.+)$", "\n".join(path.read_text() for path in files), re.MULTILINE)


def environment(unit: str) -> dict[str, str]:
    lines = [one for value in values(unit, "Environment") for one in shlex.split(value)]
    for name in values(unit, "EnvironmentFile"):
        path = Path(name.removeprefix("-"))
        if path.exists():
            lines += path.read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


def pid_of(unit: str) -> int:
    try:
        pid = int((STATE / unit).read_text())
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, ValueError):
        return 0
    return 0 if state == "Z" else pid


def stop(unit: str) -> int:
    if pid := pid_of(unit):
        os.kill(pid, signal.SIGTERM)
        while pid_of(unit):
            time.sleep(0.05)
    return 0


def start(unit: str) -> int:
    address = STATE / f"{unit}.notify"
    address.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as waiting, (STATE / f"{unit}.log").open("a") as log:
        waiting.bind(str(address))
        waiting.settimeout(0.2)
        process = subprocess.Popen(
            shlex.split(values(unit, "ExecStart")[-1]),
            env={"PATH": os.environ["PATH"], "NOTIFY_SOCKET": str(address), "HOME": "/nonexistent"} | environment(unit),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        (STATE / unit).write_text(str(process.pid))
        while process.poll() is None:
            try:
                if b"READY=1" in waiting.recv(4096):
                    return 0
            except TimeoutError:
                if values(unit, "Type") != ["notify"]:
                    return 0
    return 1


def main(words: list[str]) -> int:
    STATE.mkdir(exist_ok=True)
    with (STATE / "calls").open("a") as calls:
        calls.write(" ".join(words) + "\n")
    action, *units = [word for word in words if not word.startswith("--") or word == "--version"]
    if action == "--version":
        print("systemd 257 (a stand-in)")
    elif action == "is-active":
        return 0 if pid_of(units[0]) else 3
    elif action in {"stop", "restart", "start", "disable"}:
        for unit in units:
            stop(unit)
            if action in {"restart", "start"} and start(unit):
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
