"""The program with nothing to do: model and photo reader are unloaded, by the kernel's own account of memory."""

from __future__ import annotations

import os
import time
from pathlib import Path

import psutil
import pytest

from tests.indexing import COLOURS
from tests.memory import sample
from tests.photos_made import write_jpeg
from tests.test_end_to_end import address_of, page, settled, started

pytestmark = pytest.mark.slow  # the program is started

IDLE_MB = 100.0


def test_idle_it_takes_little_memory_and_the_next_photo_is_indexed_all_the_same(tmp_path: Path) -> None:
    write_jpeg(tmp_path / "photos/red.jpg", COLOURS["red"], 1, (4000, 3000))
    environment = {
        **os.environ,
        "RECOLLECT_DATA_DIR": str(tmp_path / "data"),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "RECOLLECT_UNLOAD_AFTER_S": "3",
    }
    with started(environment, "serve", str(tmp_path / "photos"), "--port", "0") as process:
        address = address_of(process)
        wait_for_photos(tmp_path, 1)
        busy = sample(process.pid)
        assert len(busy.each_pss_mb) > 1
        wait_for_children(process.pid, 0)
        page(f"{address}/api/search?q=red")
        idle = sample(process.pid)
        print(f"at work {busy.pss_mb:.0f} MB, idle {idle.pss_mb:.0f} MB in {len(idle.each_pss_mb)} process(es)")
        assert idle.pss_mb < min(IDLE_MB, busy.pss_mb)
        write_jpeg(tmp_path / "photos/blue.jpg", COLOURS["blue"], 2)
        wait_for_photos(tmp_path, 2)
        assert page(f"{address}/api/status")["counts"]["set_aside"] == 0
        wait_for_children(process.pid, 0)


def wait_for_photos(tmp_path: Path, number: int) -> None:
    deadline = time.monotonic() + 120
    while settled(tmp_path) < number:
        assert time.monotonic() < deadline
        time.sleep(0.2)


def wait_for_children(pid: int, number: int) -> None:
    deadline = time.monotonic() + 120
    while len(psutil.Process(pid).children(recursive=True)) != number:
        assert time.monotonic() < deadline
        time.sleep(0.2)
