"""A short soak, one with kills, and a stop in the midst of all work. `python -m tests.soak` runs longer ones."""

from __future__ import annotations

import shutil
import threading
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from indexer.catalogue import Catalogue
from tests.indexer.captions.own_captions import read_own_caption
from tests.soak.library import Library
from tests.soak.program import Program
from tests.soak.run import Plan, soak

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

needs_exiftool = pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not installed")


@needs_exiftool
@pytest.mark.parametrize("kills", [0, 6])
def test_a_short_soak(tmp_path: Path, kills: int) -> None:
    report = soak(tmp_path, Plan(minutes=0.2, photos=40, rounds_s=1.5, kills=kills))
    assert report.faults == [], "\n".join(report.lines)


def test_sigterm_under_load_ends_within_30_s_and_loses_nothing(tmp_path: Path) -> None:
    library = Library(tmp_path / "photos", seed=1)
    library.add(60)
    with Program(tmp_path, library.root) as program:
        program.start()
        with _asked_without_a_pause(program):
            while not program.caption_log.exists():
                threading.Event().wait(0.05)
            children = program.tree()[1:]
            code, took_s = program.stop()
        assert code == 0
        assert took_s < 30
        assert psutil.wait_procs(children, timeout=1)[1] == []
        with Catalogue(program.data / "catalogue.db") as catalogue:
            assert catalogue.queue.claimed() == []
            settled = catalogue.counts()
        assert 0 < settled.photos < 60, "else it was not stopped in the midst of the work"
        ended = program.run("index")
        assert ended.returncode == 0, ended.stderr
        captions = program.caption_log.read_text().splitlines()
        assert len(captions) == len({line.split()[1] for line in captions}) == 60
        assert all(read_own_caption(path.read_bytes()) for path in library.files)
        assert library.on_disk() == set(library.files)


class _asked_without_a_pause:  # noqa: N801 - used as a function
    """Four people search as fast as they can while the block runs."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(4)]

    def __enter__(self) -> None:
        for thread in self._threads:
            thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        while not self._over.is_set():
            with suppress(OSError, ValueError):
                self._program.ask("/api/search?q=wall")
