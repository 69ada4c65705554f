"""kill -9 at random moments: a photo is always whole, the one or the other, and nothing is left lying about."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from indexer.captions.caption_file import read_own_caption, undo_caption
from indexer.captions.journal import Journal
from indexer.captions.replace import is_temporary, sweep
from tests.indexer import jpegs_made as made

KILLS = 150
ENOUGH_S = 30.0  # fewer kills on a slow machine


def test_no_photo_is_ever_torn(tmp_path: Path, repository: Path) -> None:
    originals = {
        "camera.jpg": made.camera_jpeg(),
        "nothing.jpg": made.plain((900, 700)),
        "sidecar.jpg": made.with_segments(made.c2pa()),
    }
    for name, data in originals.items():
        (tmp_path / name).write_bytes(data)
    with by_force(tmp_path, repository) as kill_one:
        kills, swept = 0, 0
        until = time.monotonic() + ENOUGH_S
        while kills < KILLS and time.monotonic() < until:
            kill_one()
            kills += 1
            swept += len(sweep(tmp_path))
            assert not [path for path in tmp_path.iterdir() if is_temporary(path.name)]
            for name, data in originals.items():
                check_whole(tmp_path / name, data)
    assert kills >= 5
    check_journal(tmp_path)
    for name, data in originals.items():
        undo_caption(tmp_path / name)
        assert (tmp_path / name).read_bytes() == data
    assert {path.name for path in tmp_path.iterdir()} == {*originals, "data"}
    print(f"{kills} kills, {swept} temporary files swept")


@contextmanager
def by_force(folder: Path, repository: Path) -> Iterator[Callable[[], None]]:
    """Gives what starts a captioning process and kills it soon after."""
    chance = random.Random(7)
    command = [sys.executable, "-m", "tests.indexer.captions_by_force", str(folder)]
    pipe, environment = subprocess.PIPE, {**os.environ, "PYTHONPATH": str(repository)}
    with subprocess.Popen(command, cwd=repository, stdin=pipe, stdout=pipe, env=environment, text=True) as program:
        stdin, stdout = program.stdin, program.stdout
        assert stdin is not None
        assert stdout is not None

        def kill_one() -> None:
            stdin.write("\n")
            stdin.flush()
            child = int(stdout.readline())
            time.sleep(chance.uniform(0, 0.06))
            os.kill(child, signal.SIGKILL)
            assert int(stdout.readline()) == signal.SIGKILL

        yield kill_one


def check_whole(path: Path, original: bytes) -> None:
    data = path.read_bytes()
    if data != original:
        own = read_own_caption(data)
        assert own is not None
        assert own.text == made.CAPTION.text
        assert data.endswith(original[-500:])


def check_journal(folder: Path) -> None:
    """Whatever state a photo is in, the journal knows it."""
    known: dict[str, set[str | None]] = {}
    for entry in Journal.in_dir(folder / "data").entries():
        known.setdefault(entry.path, set()).update((entry.before, entry.after))
    for path in folder.glob("*.jpg"):
        if str(path) in known:
            assert hashlib.sha256(path.read_bytes()).hexdigest() in known[str(path)]
