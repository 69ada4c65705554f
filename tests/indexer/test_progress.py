"""Rates and times left, by a clock of the test's own."""

from __future__ import annotations

import pytest

from indexer.progress import Meter, Phase, Progress, clock_text, progress_line


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def test_the_rate_is_that_of_the_last_minute_and_the_average_that_of_the_run() -> None:
    clock = Clock()
    meter = Meter(clock)
    assert meter.per_second == meter.average == 0.0
    assert meter.eta_s(10) is None
    for _ in range(100):
        clock.now_s += 1
        meter.add()
    assert meter.per_second == pytest.approx(1.0)
    for _ in range(200):
        clock.now_s += 0.5
        meter.add()
    assert meter.per_second == pytest.approx(2.0, rel=0.02)
    assert meter.average == pytest.approx(1.5)
    assert meter.eta_s(100) == pytest.approx(50, rel=0.02)
    assert meter.eta_s(0) is None


def test_an_idle_hour_is_not_a_slow_one() -> None:
    clock = Clock()
    meter = Meter(clock)
    meter.add()
    clock.now_s += 3600
    meter.start()
    for _ in range(10):
        clock.now_s += 0.1
        meter.add()
    assert meter.per_second == pytest.approx(10)
    assert meter.done == 11


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (89, "89 s"), (90, "2 min"), (3600, "60 min"), (3 * 3600 + 290, "3 h 05 min"), (200_000, "2 d 7 h")],
)
def test_durations_are_written_as_people_do(seconds: float, text: str) -> None:
    assert clock_text(seconds) == text


def test_the_line_says_what_is_known() -> None:
    assert progress_line(Progress()) == "starting"
    busy = Progress(done=1200, queued=800, set_aside=3, per_second=2.5, eta_s=320, phase=Phase.INDEXING, walking=True)
    assert progress_line(busy) == (
        "captioning: 1,200 of 2,000 photos found so far, 2.5 a second, about 5 min left, 3 set aside"
    )
    looking = Progress(done=2300, queued=700, faces=700, faces_done=300, phase=Phase.FACES)
    assert progress_line(looking) == "looking for faces: 2,000 of 2,000 photos, 700 to look for faces in"
    assert progress_line(Progress(done=300, faces_done=300, phase=Phase.IDLE)) == "up to date"
    naming = Progress(done=2100, queued=7, names=7, faces_done=80, names_done=20, phase=Phase.NAMES)
    assert progress_line(naming) == "writing names: 2,000 of 2,000 photos, 7 to write names into"
    assert progress_line(Progress(set_aside=1, phase=Phase.IDLE)) == "up to date: 1 set aside"
