"""The real service on real file systems: the disk of its data fills up and has room again, and the library's is
unmounted in the midst of the work and mounted again. Nothing is lost, it goes on by itself, no caption is made twice.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.indexer.captions.own_captions import read_own_caption
from tests.mounts import bound, tmpfs
from tests.soak.library import Library
from tests.soak.program import Program

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def wait_for(program: Program, holds: Callable[[Any], object], *, within_s: float = 240.0) -> None:
    """Until the status is as wanted."""
    until, status = time.monotonic() + within_s, None
    while time.monotonic() < until:
        status = program.ask("/api/status")
        if holds(status):
            return
        time.sleep(0.2)
    raise AssertionError(f"still {status}")


def is_settled(status: Any, photos: int) -> bool:
    counts = status["counts"]
    return (counts["photos"], counts["with_caption"], counts["queued"], status["search"]["photos"]) == (
        *(photos, photos, 0),
        photos,
    )


def check_captioned_once(program: Program, library: Library) -> None:
    lines = program.caption_log.read_text().splitlines()
    assert len(lines) == len({line.split()[1] for line in lines}) == len(library.pictures)
    assert all(read_own_caption(path.read_bytes()) for path in library.files)
    assert library.on_disk() == set(library.files)
    assert "Traceback" not in program.log.read_text()


def test_the_disk_of_the_data_fills_up_and_has_room_again(tmp_path: Path) -> None:
    with tmpfs(tmp_path / "data", megabytes=24):
        library = Library(tmp_path / "photos", seed=1)
        library.add(4)
        with Program(tmp_path, library.root) as program:
            program.start()
            wait_for(program, lambda status: is_settled(status, 4))
            fill = tmp_path / "data/fill"
            free = os.statvfs(fill.parent)
            fill.write_bytes(bytes((free.f_bavail - 1) * free.f_frsize))
            library.add(12)
            wait_for(program, lambda status: "full" in (status["progress"]["problem"] or ""))
            fill.unlink()
            wait_for(program, lambda status: is_settled(status, 16) and not status["progress"]["problem"])
            assert program.stop()[0] == 0
        check_captioned_once(program, library)


def test_the_library_is_unmounted_in_the_midst_of_the_work_and_mounted_again(tmp_path: Path) -> None:
    library = Library(tmp_path / "disk", seed=1)
    library.add(30)
    with Program(tmp_path, tmp_path / "photos") as program:
        with bound(tmp_path / "disk", tmp_path / "photos"):
            program.start()
            wait_for(program, lambda status: status["counts"]["photos"] >= 3)
        wait_for(program, lambda status: status["libraries"][0]["held_back"])
        assert program.ask("/api/status")["counts"]["photos"] >= 3, "what is known stays known"
        with bound(tmp_path / "disk", tmp_path / "photos"):
            wait_for(program, lambda status: is_settled(status, 30))
            assert program.stop()[0] == 0
    check_captioned_once(program, library)
