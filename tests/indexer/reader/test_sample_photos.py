"""Real files of many cameras and programs, odd and broken ones among them: each is read or says why not."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from indexer.errors import UnreadablePhoto
from indexer.model import Reading
from indexer.reader.photo_process import PhotoProcesses
from tests.indexing import settings_for

#: Samples that no decoder we have can show, by the number their names begin with.
UNREADABLE = {
    *("011", "012", "013", "025", "026", "037", "076", "077", "083", "086", "089", "093", "095", "099", "100", "118"),
}


async def read_all(paths: list[Path], tmp_path: Path) -> dict[str, Reading | UnreadablePhoto]:
    async with PhotoProcesses(settings_for(tmp_path, readers=1), input_px=32) as photos:
        before = photos.pids

        async def one(path: Path) -> Reading | UnreadablePhoto:
            try:
                return await photos.read(path)
            except UnreadablePhoto as error:
                return error

        found = {path.name: await one(path) for path in paths}
        assert photos.pids == before, "a photo has killed the process"
        return found


@pytest.fixture(scope="module")
def samples(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Reading | UnreadablePhoto]:
    paths = sorted(path for path in (shared / "photos").iterdir() if path.is_file() and path.suffix != ".csv")
    return asyncio.run(read_all(paths, tmp_path_factory.mktemp("samples")))


@pytest.mark.slow
def test_every_sample_is_read_or_says_why_not(samples: dict[str, Reading | UnreadablePhoto]) -> None:
    assert len(samples) >= 119
    unreadable = {name[:3]: str(outcome) for name, outcome in samples.items() if isinstance(outcome, UnreadablePhoto)}
    assert unreadable.keys() == UNREADABLE
    for reason in unreadable.values():
        assert len(reason) > 20
        assert " object at 0x" not in reason
    for outcome in samples.values():
        if isinstance(outcome, Reading):
            assert len(outcome.pixels) == 32 * 32 * 3
            assert outcome.metadata.width_px > 0


@pytest.mark.slow
async def test_the_noise_of_libraries_is_kept_out_of_the_log(
    shared: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    noisy = sorted((shared / "photos").glob("*crash*.tif"))
    with caplog.at_level(logging.INFO):
        await read_all(noisy, tmp_path)
    assert "TIFF" not in caplog.text


@pytest.fixture(scope="module")
def exiftool(shared: Path) -> dict[str, dict[str, Any]]:
    program = shutil.which("exiftool")
    if program is None:
        pytest.skip("exiftool is not installed")
    fields = [
        "-EXIF:DateTimeOriginal",
        "-EXIF:Model",
        "-Composite:GPSLatitude",
        "-Composite:GPSLongitude",
        "-Orientation",
    ]
    command = [program, "-j", "-n", "-G0", *fields, os.fspath(shared / "photos")]
    answer = subprocess.run(command, capture_output=True, check=False)
    return {Path(entry.pop("SourceFile")).name: entry for entry in json.loads(answer.stdout)}


@pytest.mark.slow
def test_we_read_what_exiftool_reads(
    samples: dict[str, Reading | UnreadablePhoto], exiftool: dict[str, dict[str, Any]]
) -> None:
    compared = 0
    for name, outcome in samples.items():
        if isinstance(outcome, Reading):
            compared += assert_agrees(name, outcome, exiftool.get(name, {}))
    assert compared > 120


def assert_agrees(name: str, reading: Reading, theirs: dict[str, Any]) -> int:
    """How many values were there to be compared."""
    ours, compared = reading.metadata, 0
    date = str(theirs.get("EXIF:DateTimeOriginal", "0000"))[:19]
    if not date.startswith("0000"):
        assert ours.taken_at is not None, name
        assert ours.taken_at.strftime("%Y:%m:%d %H:%M:%S") == date, name
        compared += 1
    if model := str(theirs.get("EXIF:Model", "")).strip():
        assert ours.camera is not None, name
        assert ours.camera.endswith(model), name
        compared += 1
    place = [theirs.get(f"Composite:GPS{axis}") for axis in ("Latitude", "Longitude")]
    if None not in place and place != [0, 0]:  # 0, 0 is what a receiver without a fix writes
        assert ours.position is not None, name
        assert ours.position.latitude == pytest.approx(place[0], abs=1e-5), name
        assert ours.position.longitude == pytest.approx(place[1], abs=1e-5), name
        compared += 1
    # libheif has turned the picture already, whatever EXIF says.
    if (turned := theirs.get("EXIF:Orientation")) and ours.mime_type != "image/heic":
        assert ours.orientation == (turned if 1 <= turned <= 8 else 1), name
        compared += 1
    return compared
