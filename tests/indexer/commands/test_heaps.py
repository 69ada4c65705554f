"""Threads share one heap of glibc."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys

import pytest

_COUNT_HEAPS = """
import asyncio, ctypes, sys, threading
from indexer.commands.command_line import run_until_stopped

async def main(stop):
    library, met = ctypes.CDLL(None), threading.Barrier(9)
    library.malloc.argtypes, library.malloc.restype = [ctypes.c_size_t], ctypes.c_void_p
    def take():
        library.malloc(2000)
        met.wait()
    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    met.wait()
    for thread in threads:
        thread.join()
    library.fdopen.restype = ctypes.c_void_p
    library.malloc_info.argtypes = [ctypes.c_int, ctypes.c_void_p]
    stream = library.fdopen(1, b"w")
    library.malloc_info(0, stream)
    library.fflush(ctypes.c_void_p(stream))

run_until_stopped(main)
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_info"), reason="another C library than glibc")
def test_all_threads_of_a_service_share_one_heap() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "MALLOC_ARENA_MAX"}
    said = subprocess.run(
        [sys.executable, "-c", _COUNT_HEAPS], env=environment, capture_output=True, text=True, check=True
    )
    assert said.stdout.count("<heap nr=") == 1
