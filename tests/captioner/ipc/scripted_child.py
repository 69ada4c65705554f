"""A child for the tests, run by path: does what the request's header asks, badly if it asks for that."""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import stat
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from captioner.ipc.serve import Service, serve


class NotThisOne(Exception):
    """About the request in hand."""


def answer(header: Mapping[str, Any], payload: bytes) -> tuple[Mapping[str, Any], bytes]:
    log = header.get("log")
    if log:
        with Path(log).open("a", encoding="ascii") as lines:
            lines.write(f"{header['name']}\n")
    return BEHAVIOURS[header.get("do", "echo")](header, payload)


def echo(header: Mapping[str, Any], payload: bytes) -> tuple[Mapping[str, Any], bytes]:
    return header, payload


def crash(header: Mapping[str, Any], payload: bytes) -> tuple[Mapping[str, Any], bytes]:
    os.kill(os.getpid(), signal.SIGSEGV)
    return header, payload


def crash_once(header: Mapping[str, Any], payload: bytes) -> tuple[Mapping[str, Any], bytes]:
    flag = Path(header["flag"])
    if not flag.exists():
        flag.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return header, payload


def hang(header: Mapping[str, Any], payload: bytes) -> tuple[Mapping[str, Any], bytes]:
    """In C and with the interpreter's lock held, as a decoder may."""
    if "flag" in header:
        Path(header["flag"]).touch()
    ctypes.PyDLL(None).sleep(3600)
    return header, payload


def stubborn(header: Mapping[str, Any], payload: bytes) -> tuple[Mapping[str, Any], bytes]:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    return hang(header, payload)


def nap(header: Mapping[str, Any], payload: bytes) -> tuple[Mapping[str, Any], bytes]:
    time.sleep(header["seconds"])
    return header, payload


def chatter(header: Mapping[str, Any], payload: bytes) -> tuple[Mapping[str, Any], bytes]:
    print("a stray print", flush=True)
    os.write(1, b"and one past Python\n")
    left = sys.stdin.read()
    return {"stdin": left}, payload


def shout(header: Mapping[str, Any], payload: bytes) -> tuple[Mapping[str, Any], bytes]:
    for line in range(header["lines"]):
        sys.stderr.write(f"{line} \x1b[31m" + "x" * header["length"] + "\n")
    sys.stderr.flush()
    return header, payload


def refuse(header: Mapping[str, Any], payload: bytes) -> tuple[Mapping[str, Any], bytes]:
    raise NotThisOne("this one is broken")


def surprise(header: Mapping[str, Any], payload: bytes) -> tuple[Mapping[str, Any], bytes]:
    raise RuntimeError("nobody expected this")


def eat(header: Mapping[str, Any], payload: bytes) -> tuple[Mapping[str, Any], bytes]:
    return {"bytes": len(bytearray(header["mb"] << 20))}, payload


def state(header: Mapping[str, Any], payload: bytes) -> tuple[Mapping[str, Any], bytes]:
    interrupt = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    return {"nice": os.nice(0), "interrupt_ignored": interrupt, "pid": os.getpid(), "path": sys.path}, payload


def raw(header: Mapping[str, Any], payload: bytes) -> tuple[Mapping[str, Any], bytes]:
    """Writes the payload into the parent's pipe as it is: garbage, lying lengths, answers nobody asked for."""
    pipe = next(number for number in range(3, 64) if _leads_to_parent(number))
    os.write(pipe, payload)
    time.sleep(header.get("seconds", 0))
    return header, b""


def _leads_to_parent(number: int) -> bool:
    try:
        return stat.S_ISFIFO(os.fstat(number).st_mode) and fcntl.fcntl(number, fcntl.F_GETFL) & os.O_WRONLY != 0
    except OSError:
        return False


BEHAVIOURS = {
    action.__name__: action
    for action in (
        echo, crash, crash_once, hang, stubborn, nap, chatter, shout, refuse, surprise, eat, state, raw
    )
}  # fmt: skip


def open_service(start: str, *arguments: str) -> Service:
    print("imports may print, too")
    if start == "unless" and Path(arguments[0]).exists():
        start = arguments[1]
    if start == "slow":
        time.sleep(3600)
    if start == "bad":
        raise NotThisOne("the bundle is damaged")
    if start == "dead":
        sys.stderr.write("no such library\n")
        os._exit(3)
    return Service(answer, hello={"greeting": "ready"})


if __name__ == "__main__":
    if sys.argv[1:] == ["garbage"]:
        print("Hello, I am no frame", flush=True)
        time.sleep(3600)
    serve(lambda: open_service(*(sys.argv[1:] or ["well"])), about_request=(NotThisOne, MemoryError))
