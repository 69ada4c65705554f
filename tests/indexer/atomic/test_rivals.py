"""Another program writes into the photo while it is captioned and undone: nothing that it has completed is lost."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from indexer.atomic.file_read import stamp_of
from indexer.captions.caption_file import write_caption
from indexer.captions.undo import undo_caption
from indexer.model import CaptionPlace
from tests.indexer.atomic.rivals import FIRST, RIVALS
from tests.indexer.formats import jpegs_made as made

ENOUGH_S = 2.0


@pytest.mark.slow
@pytest.mark.parametrize("how", RIVALS)
@pytest.mark.parametrize("pause_s", [0, 0.003])
def test_what_another_program_completes_is_never_lost(
    tmp_path: Path, repository: Path, how: str, pause_s: float
) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(made.plain() + FIRST)
    command = [sys.executable, "-m", "tests.indexer.atomic.rivals", how, str(path), str(pause_s)]
    pipe, environment = subprocess.PIPE, {**os.environ, "PYTHONPATH": str(repository)}
    with subprocess.Popen(command, cwd=repository, stdin=pipe, stdout=pipe, env=environment, text=True) as rival:
        written = captioned_for(path, ENOUGH_S)
        completed = int(rival.communicate()[0])
    undo_caption(path)
    kept = [numbers_in(other) for other in tmp_path.iterdir() if other != path]
    if how in ("patch", "mapped"):
        assert numbers_in(path) == [completed]
    elif how == "rename":
        # An editor that renames within the microseconds between the last look and the exchange, and reads again before
        # the names have changed back, goes on from the wrong version: the other one is then kept beside it.
        assert set(numbers_in(path)).union(*kept) == set(range(completed + 1))
    else:
        assert numbers_in(path) == list(range(completed + 1))
    assert path.read_bytes().startswith(made.plain())
    assert not kept or how == "rename"
    print(f"{how}: {completed} records, {written} captions between them")


def numbers_in(path: Path) -> list[int]:
    return [int(number) for number in re.findall(rb"\nRECORD (\d{8})", path.read_bytes())]


def captioned_for(path: Path, seconds: float) -> int:
    """How many captions got into the photo."""
    written, until = 0, time.monotonic() + seconds
    while time.monotonic() < until:
        place = write_caption(path, made.CAPTION, stamp=stamp_of(path.stat())).place
        written += place is CaptionPlace.EXIF
        undo_caption(path)
    return written
