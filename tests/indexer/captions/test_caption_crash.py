"""kill -9 at random moments: a photo is always whole, the one or the other, and nothing is left lying about."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from indexer.atomic.temporary import is_temporary, sweep
from indexer.captions.journal import Journal
from indexer.captions.undo import undo_caption
from indexer.formats.editable import open_photo
from tests.indexer.captions.own_captions import read_own_caption
from tests.indexer.formats import chunks_made, heifs_made
from tests.indexer.formats import jpegs_made as made
from tests.photos_made import cornered, encoded

KILLS = 200
ENOUGH_S = 20.0  # fewer kills on a slow machine

INSIDE = {
    "camera.jpg": made.camera_jpeg(),
    "nothing.jpg": made.plain((900, 700)),
    "scan.tif": encoded(cornered(), "TIFF"),
    "phone.heic": heifs_made.heic(heifs_made.exif(made.camera_block())),
    "screen.png": chunks_made.png(),
    "web.webp": chunks_made.webp(),
}
BESIDE = {"signed.jpg": made.with_segments(made.c2pa()), "film.gif": encoded(cornered(), "GIF")}
ORIGINALS = {**INSIDE, **BESIDE}


@pytest.mark.slow
def test_no_photo_is_ever_torn(tmp_path: Path, repository: Path) -> None:
    print(killed_at_random(tmp_path, repository, kills=KILLS, enough_s=ENOUGH_S))


def killed_at_random(folder: Path, repository: Path, *, kills: int, enough_s: float) -> str:
    """Kills, and looks at every file after each; says how often, and in the midst of what."""
    for name, data in ORIGINALS.items():
        (folder / name).write_bytes(data)
    with by_force(folder, repository) as kill_one:
        done, states, swept = 0, {"captioned": 0, "bare": 0}, {"copies in the making": 0, "while changing places": 0}
        until = time.monotonic() + enough_s
        while done < kills and time.monotonic() < until:
            kill_one()
            done += 1
            for path in sweep(folder):
                swept["while changing places" if path.name.count("-") == 2 else "copies in the making"] += 1
            for name, data in ORIGINALS.items():
                states["captioned" if is_captioned(folder / name, data) else "bare"] += 1
            assert {path.name.removesuffix(".xmp") for path in folder.iterdir()} == {*ORIGINALS, "data"}
    assert done >= 5
    check_journal(folder)
    for name, data in ORIGINALS.items():
        undo_caption(folder / name)
        assert (folder / name).read_bytes() == data
    assert {path.name for path in folder.iterdir()} == {*ORIGINALS, "data"}
    return f"{done} kills; found {states}; swept {swept}"


@pytest.mark.slow
def test_no_photo_with_names_is_ever_torn(tmp_path: Path, repository: Path) -> None:
    folder, copies = tmp_path / "photos", tmp_path / "copies"
    for place in (folder, copies):
        place.mkdir()
    for name, data in ORIGINALS.items():
        (folder / name).write_bytes(data)
    with by_force(folder, repository, "names") as kill_one:
        until, done = time.monotonic() + ENOUGH_S, 0
        while done < KILLS and time.monotonic() < until:
            kill_one()
            done += 1
            list(sweep(folder))
            for name, data in ORIGINALS.items():
                shutil.rmtree(copies)
                copies.mkdir()
                for path in folder.glob(f"{name}*"):
                    shutil.copy(path, copies)
                undo_caption(copies / name, names=True)
                assert {path.name: path.read_bytes() for path in copies.iterdir()} == {name: data}
    assert done >= 5
    check_journal(folder)


@contextmanager
def by_force(folder: Path, repository: Path, *words: str) -> Iterator[Callable[[], None]]:
    """Gives what starts a captioning process and kills it soon after."""
    chance = random.Random(7)
    command = [sys.executable, "-m", "tests.indexer.captions.captions_by_force", str(folder), *words]
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


def is_captioned(path: Path, original: bytes) -> bool:
    """Whether our caption is in the photo, or beside it. Anything but a whole file, with or without it, fails."""
    assert not is_temporary(path.name)
    sidecar, data = path.with_name(path.name + ".xmp"), path.read_bytes()
    if sidecar.exists():
        assert path.name in BESIDE
        assert data == original
        assert_ours(sidecar.read_bytes())
        return True
    if data == original:
        return False
    photo = open_photo(data)
    assert photo is not None
    assert b"".join(photo.without_caption()) == original
    assert_ours(data)
    return True


def assert_ours(data: bytes) -> None:
    own = read_own_caption(data)
    assert own is not None
    assert own.text == made.CAPTION.text


def check_journal(folder: Path) -> None:
    """Whatever state a photo is in, the journal knows it."""
    known: dict[str, set[str | None]] = {}
    for entry in Journal.in_dir(folder / "data").entries():
        known.setdefault(entry.path, set()).update((entry.before, entry.after))
    for name in INSIDE:
        path = folder / name
        assert hashlib.sha256(path.read_bytes()).hexdigest() in known[str(path)]
