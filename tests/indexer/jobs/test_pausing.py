"""Photos wait in quiet hours, while the processor is hot, and while other programs need it; nothing else does."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from pathlib import Path

import psutil
import pytest

from indexer.jobs.pausing import IndexingPause
from indexer.jobs.processor_sensors import MachineSensors
from indexer.progress import Phase
from indexer.service import Indexer
from indexer.settings import Settings
from indexer.storage import Storage
from tests.indexing import COLOURS, CountingCaptioner, all_photos, colour_library, index, settings_for, stored
from tests.photos_made import write_jpeg


class Sensors:
    def __init__(self, temperature_c: float | None = 40.0, use_percent: float = 0.0) -> None:
        self.temperature, self.use = temperature_c, use_percent
        self.readings = 0

    def temperature_c(self) -> float | None:
        self.readings += 1
        return self.temperature

    def use_by_others_percent(self) -> float:
        self.readings += 1
        return self.use

    async def are_read(self) -> None:
        """Until they were read, and what came of it was looked at."""
        before = self.readings
        await until(lambda: self.readings >= before + 2)


class Clock:
    def __init__(self, hour: int) -> None:
        self.now = datetime(2024, 5, 1, hour, 30)

    def __call__(self) -> datetime:
        return self.now


async def until(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not reached():
            await asyncio.sleep(0.01)


@asynccontextmanager
async def looking(pause: IndexingPause) -> AsyncIterator[None]:
    task = asyncio.create_task(pause.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


@pytest.mark.parametrize(
    ("limit", "readings", "phase"),
    [
        ("pause_temperature_c", (79.0, 81.0, 76.0, 74.0, 79.0), Phase.PAUSED_HOT),
        ("pause_load_percent", (79.0, 81.0, 71.0, 69.0, 79.0), Phase.PAUSED_LOAD),
    ],
)
async def test_a_pause_begins_above_the_limit_and_ends_well_below_it(
    tmp_path: Path, limit: str, readings: tuple[float, ...], phase: Phase
) -> None:
    sensors, changes = Sensors(), []
    settings = settings_for(tmp_path, **{limit: 80.0})
    pause = IndexingPause(settings, changed=lambda: changes.append(pause.phase), sensors=sensors, interval_s=0.001)
    seen = []
    async with looking(pause):
        for reading in readings:
            sensors.temperature = sensors.use = reading
            await sensors.are_read()
            seen.append(pause.phase)
    assert seen == [None, phase, phase, None, None]
    assert changes == [phase, None]


async def test_a_machine_without_a_sensor_is_never_hot(tmp_path: Path) -> None:
    settings, sensors = settings_for(tmp_path, pause_temperature_c=30.0), Sensors(None)
    pause = IndexingPause(settings, changed=lambda: None, sensors=sensors, interval_s=0.001)
    async with looking(pause):
        await sensors.are_read()
        assert not pause.is_on


async def test_without_the_settings_nothing_is_looked_at(tmp_path: Path) -> None:
    async with asyncio.timeout(5):
        await IndexingPause(settings_for(tmp_path), changed=lambda: None).run()


def test_what_this_process_and_its_children_use_is_not_use_by_others() -> None:
    """Seen from a child that sleeps, everything else is another program: the busy child makes the difference."""
    with _python("import time; time.sleep(60)") as sleeping, _python("while True: pass") as busy:
        seen_by = {pid: MachineSensors(pid) for pid in (os.getpid(), sleeping)}
        for sensors in seen_by.values():
            assert sensors.use_by_others_percent() == 0.0, "nothing to compare with yet"
        began_s = _used_s(busy)
        time.sleep(2.0)
        busy_percent = 100.0 * (_used_s(busy) - began_s) / 2.0 / (os.cpu_count() or 1)
        percent = {pid: sensors.use_by_others_percent() for pid, sensors in seen_by.items()}
    assert busy_percent > 5.0
    assert percent[sleeping] - percent[os.getpid()] > busy_percent / 2
    assert 0.0 <= percent[os.getpid()] <= percent[sleeping] <= 100.0


def test_a_machine_that_does_not_show_how_busy_it_is_pauses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As under systemd's ProcSubset=pid."""
    sensors = MachineSensors()
    monkeypatch.setattr(psutil, "PROCFS_PATH", str(tmp_path))
    assert [sensors.use_by_others_percent() for _ in range(3)] == [0.0] * 3
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "ProcSubset=all" in caplog.text


@contextmanager
def _python(program: str) -> Iterator[int]:
    process = subprocess.Popen([sys.executable, "-c", program])
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()


def _used_s(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def test_the_sensors_of_this_machine_can_be_read() -> None:
    temperature = MachineSensors().temperature_c()
    assert temperature is None or 0.0 < temperature < 150.0


@pytest.fixture
def library(tmp_path: Path) -> Path:
    return colour_library(tmp_path, "red", "green")


@pytest.mark.slow
async def test_in_quiet_hours_photos_are_found_and_wait_and_corrections_are_written(
    tmp_path: Path, library: Path
) -> None:
    settings, captioner, clock = settings_for(tmp_path, quiet_hours="20-23"), CountingCaptioner(), Clock(19)
    await index(settings, captioner, library)
    write_jpeg(library / "white.jpg", COLOURS["white"], 2)
    clock.now = clock.now.replace(hour=20)
    with stored(settings) as storage:
        async with serving(settings, storage, library, captioner, clock) as indexer:
            await until(lambda: indexer.progress().phase == Phase.PAUSED_QUIET and indexer.progress().queued == 1)
            assert indexer.progress().eta_s is None
            red = next(photo for photo in all_photos(storage) if photo.files[0].path.name == "red.jpg")
            storage.catalogue.corrections.correct(red.id, "our red wall")
            indexer.wake()
            await until(lambda: b"our red wall" in (library / "red.jpg").read_bytes())
            assert len(captioner.asked) == 2
            clock.now = clock.now.replace(hour=23)
            await until(lambda: len(captioner.asked) == 3 and indexer.progress().phase == Phase.IDLE)


@asynccontextmanager
async def serving(
    settings: Settings, storage: Storage, library: Path, captioner: CountingCaptioner, clock: Clock
) -> AsyncIterator[Indexer]:
    """The indexer as `recollect serve` runs it."""
    stop = asyncio.Event()
    indexer = Indexer(settings, storage, captioner=captioner, clock=clock, pause_interval_s=0.05)
    async with indexer:
        running = asyncio.create_task(indexer.run_forever((library,), stop))
        try:
            yield indexer
        finally:
            stop.set()
            await running


@pytest.mark.slow
async def test_a_run_that_ends_does_not_wait(tmp_path: Path, library: Path) -> None:
    """`recollect index` in quiet hours does what it was asked for."""
    settings, captioner = settings_for(tmp_path, quiet_hours="20-23"), CountingCaptioner()
    with stored(settings) as storage:
        async with Indexer(settings, storage, captioner=captioner, clock=Clock(21)) as indexer:
            assert (await indexer.index_once((library,))).done == 2
