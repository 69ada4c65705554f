"""The power is cut at any moment of the indexing: whatever of what was not yet synced is lost, torn or out of order, no
photo is damaged, nothing that was reported as done is lost, and the next start does the rest.

    python -m tests.indexer.recovery.test_power_cut [--images 3000] [--seed 1]    more of them, by hand
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from indexer.atomic.temporary import sweep
from indexer.captions.undo import undo_caption
from indexer.catalogue import Catalogue
from indexer.formats.editable import open_photo
from indexer.model import CaptionBy
from indexer.reader.photo_process import PhotoProcesses
from indexer.recovery.rebuild import damage_of
from indexer.search.query import parse
from indexer.sqlite.database import Database
from indexer.storage import open_search
from tests.indexer.captions.own_captions import read_own_caption
from tests.indexer.recovery.trace import STRACE, Trace
from tests.indexer.recovery.traced_work import INPUT_PX, NOTES, PixelCaptioner, index
from tests.indexing import COLOURS, settings_for
from tests.photos_made import encoded, picture

IMAGES = 240


@dataclass(frozen=True, slots=True)
class Recording:
    """The trace, and when what was reported as done."""

    folder: Path
    trace: Trace
    originals: dict[str, bytes]
    marks: list[tuple[int, str]]


def record(folder: Path) -> Recording:
    """Runs `traced_work` under strace. Skips the test where that can't be done."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    originals = _make_library(folder / "photos")
    log = folder / "trace.txt"
    command = [*STRACE, "-o", str(log), sys.executable, "-m", "tests.indexer.recovery.traced_work", str(folder)]
    repository = Path(__file__).parents[3]
    done = subprocess.run(
        command, cwd=repository, env={**os.environ, "PYTHONPATH": str(repository)}, capture_output=True, text=True
    )
    if "ptrace" in done.stderr or "not permitted" in done.stderr:
        pytest.skip(f"this machine lets nobody trace: {done.stderr.strip()[:200]}")
    assert done.returncode == 0, done.stderr
    trace = Trace(folder, originals, log.read_text().splitlines())
    log.unlink()
    marks = [(time, (data or b"").decode().strip()) for time, _, data in trace.names[f"{folder}/marks"].changes]
    return Recording(folder, trace, originals, marks)


def _make_library(root: Path) -> dict[str, bytes]:
    kinds = {"jpg": ("JPEG", 5), "png": ("PNG", 1), "webp": ("WEBP", 1), "gif": ("GIF", 1), "tif": ("TIFF", 1)}
    originals, colours = {}, list(COLOURS.values())
    for suffix, (kind, count) in kinds.items():
        for number in range(count):
            path = root / f"{number % 2}" / f"{suffix}{number}.{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            data = encoded(picture(colours[number % 4], len(originals) + 1), kind)
            path.write_bytes(data)
            originals[str(path)] = data
    return originals


async def check_images(recording: Recording, images: int, seed: int) -> Counter[str]:
    """Cuts the power `images` times; says what was found. Raises `AssertionError` with the seed of the image."""
    settings, found = settings_for(recording.folder), Counter[str]()
    root = recording.folder / "photos"
    async with PhotoProcesses(settings, input_px=INPUT_PX, count=1, roots={root}) as photos:
        first = min(change.time for change in recording.trace.changes)
        for number in range(seed * 1_000_000, seed * 1_000_000 + images):
            chance = random.Random(number)
            at = chance.randint(first, recording.trace.end)
            try:
                await _check_image(recording, at, chance, photos, found)
            except BaseException as error:
                error.add_note(f"image {number}, cut at {at} of {recording.trace.end}")
                raise
    return found


async def _check_image(
    recording: Recording, at: int, chance: random.Random, photos: PhotoProcesses, found: Counter[str]
) -> None:
    settings, root = settings_for(recording.folder), recording.folder / "photos"
    _lay_out(recording, recording.trace.after_power_cut(at, chance))
    for path, original in recording.originals.items():
        content = Path(path).read_bytes()
        assert content in recording.trace.versions(path), f"{path} is damaged"
        found["captioned" if content != original else "bare"] += 1
    captioned = {path: Path(path).read_bytes() for path in recording.originals if _has_caption(Path(path))}
    captioner = PixelCaptioner()
    await index(settings, captioner, photos, root)
    done = {mark for time, mark in recording.marks if time <= at}
    if "note 0" in done:
        with Database(settings.data_dir / "notes.db", NOTES) as notes:
            assert notes.count("SELECT count(*) FROM note") >= sum(mark.startswith("note") for mark in done)
    # Of what the catalogue has lost, the sentences come back from the files; the model adds their tags once more.
    assert not ("indexed" in done and captioner.pixels), "a photo is looked at twice"
    if not any(mark.startswith("typed") for mark in done):
        # What somebody types just then may be on the disk before the page has said so.
        rewritten = [path for path, content in captioned.items() if Path(path).read_bytes() != content]
        assert all(map(_is_corrected, rewritten)), "a caption is written twice"
    found["looked at again" if captioner.pixels else "nothing looked at"] += 1
    _check_indexed(recording, at)
    await index(settings, again := PixelCaptioner(), photos, root)
    assert not again.pixels
    _check_undone(recording)


def _lay_out(recording: Recording, content: dict[str, bytes]) -> None:
    for name in ("photos", "data"):
        shutil.rmtree(recording.folder / name, ignore_errors=True)
        (recording.folder / name).mkdir()
    for path, data in content.items():
        if path.endswith(("-shm", "/marks")):
            continue  # shared memory is made anew by whoever opens the database first
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_bytes(data)


def _has_caption(path: Path) -> bool:
    sidecar = path.with_name(f"{path.name}.xmp")
    return any(one.exists() and read_own_caption(one.read_bytes()) is not None for one in (path, sidecar))


def _is_corrected(path: str) -> bool:
    own = read_own_caption(Path(path).read_bytes())
    return own is not None and own.by is CaptionBy.PERSON


def _check_indexed(recording: Recording, at: int) -> None:
    """Everything is indexed and found, and what had been reported is there."""
    settings = settings_for(recording.folder)
    assert damage_of(settings.catalogue_path) is None
    with Catalogue(settings.catalogue_path) as catalogue, closing(open_search(settings, repair=False)) as search:
        counts, photos = catalogue.counts(), catalogue.photos(catalogue.photo_ids())
        assert (counts.photos, counts.with_caption) == (len(recording.originals),) * 2
        assert (counts.queued, counts.set_aside, counts.missing) == (0, 0, 0)
        assert search.count() == len(recording.originals)
        known = {photo.id: photo for photo in photos}
        for time, mark in recording.marks:
            if time > at:
                break
            match mark.split():
                case ["typed", photo_id, number]:
                    assert known[photo_id].correction == f"typed {number}", "what was typed is lost"
                    assert search.search(parse(f'"typed {number}"')).hits
                case ["word", photo_id, number]:
                    assert known[photo_id].added_words == (f"word {number}",), "a word that was added is lost"
    for folder in {Path(path).parent for path in recording.originals}:
        sweep(folder)  # as a scan does with those that are an hour old
    there = {str(path) for path in (recording.folder / "photos").rglob("*") if path.is_file()}
    beside = {path for path in there - set(recording.originals) if not path.endswith(".xmp")}
    assert not beside, f"left beside the photos: {beside}"
    assert there >= set(recording.originals)


def _check_undone(recording: Recording) -> None:
    for path, original in recording.originals.items():
        data = Path(path).read_bytes()
        if data != original:
            photo = open_photo(data)
            assert photo is not None
            assert b"".join(photo.without_caption()) == original, f"{path} is damaged"
    path, original = max(recording.originals.items())
    undo_caption(Path(path))
    assert Path(path).read_bytes() == original


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    return record(tmp_path_factory.mktemp("power"))


@pytest.mark.slow
def test_the_replayed_trace_is_what_really_stands_on_the_disk(tmp_path: Path) -> None:
    recorded = record(tmp_path)
    there = {str(path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    shown = recorded.trace.content()
    assert {name for name in shown if not name.endswith("-shm")} == {
        name for name in there if not name.endswith("-shm")
    }
    for name, data in there.items():
        if not name.endswith("-shm"):  # written through a memory map
            assert hashlib.sha256(shown[name]).digest() == hashlib.sha256(data).digest(), name


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_whatever_a_power_cut_leaves_nothing_is_lost(recording: Recording) -> None:
    found = asyncio.run(check_images(recording, IMAGES, seed=1))
    assert found["captioned"] > IMAGES
    assert found["bare"] > IMAGES
    assert found["looked at again"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=2)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(asyncio.run(check_images(record(Path(folder)), args.images, args.seed)))


if __name__ == "__main__":
    main()
