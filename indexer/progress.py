"""How far the indexing is: what the terminal, the log and the page show."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

from indexer.message import Message
from indexer.reasons import Reason

_WINDOW_S = 60.0
_KEPT_MARKS = 512


class Phase(StrEnum):
    """What the indexer is busy with; the values are shown to people."""

    STARTING = "starting"
    WALKING = "looking for photos"
    INDEXING = "captioning"
    FACES = "looking for faces"
    NAMES = "writing names"
    SEARCH = "updating search"
    IDLE = "up to date"
    WAITING = "waiting"  # for the data directory's disk
    PAUSED_QUIET = "paused: quiet hours"
    PAUSED_HOT = "paused: the processor is hot"
    PAUSED_LOAD = "paused: other programs need the processor"
    STOPPING = "stopping"


_PAUSES = frozenset({Phase.PAUSED_QUIET, Phase.PAUSED_HOT, Phase.PAUSED_LOAD})


@dataclass(frozen=True, slots=True)
class Progress:
    """A moment's count of the queue. `done` counts photos settled by this process, `queued` what is still to do."""

    done: int = 0
    queued: int = 0
    set_aside: int = 0
    per_second: float = 0.0  # photos, over about the last minute
    eta_s: float | None = None  # None while nothing is queued or no rate is known yet
    phase: str = Phase.STARTING
    walking: bool = False  # while true, `queued` still grows
    problems: tuple[Message | Reason | str, ...] = ()  # what keeps roots or the search backend waiting, for people
    faces: int = 0  # of `queued`: photos in which faces are still to be looked for
    faces_done: int = 0  # of `done`: photos in which they were
    names: int = 0  # of `queued`: files that names of faces are still to be written into
    names_done: int = 0  # of `done`: files that they were written into
    unreadable: int = 0  # folders, and files, that the last scan could not look at

    @property
    def photos_done(self) -> int:
        """`done` without what was done about faces: that is done behind all else, to photos that were counted."""
        return self.done - self.faces_done - self.names_done

    @property
    def problem(self) -> str | None:
        """`problems` in English, a line for each; None where there is none."""
        return "\n".join(map(str, self.problems)) or None

    def to_json(self) -> dict[str, Any]:
        """A JSON object, with `problem` in place of `problems`."""
        values = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "problems"}
        return values | {"problem": self.problem}

    @staticmethod
    def from_json(values: Mapping[str, Any]) -> Progress:
        """The reverse of `to_json`; problems are known by their English sentences alone."""
        rest = dict(values)
        problem = rest.pop("problem", None)
        return Progress(**rest, problems=(problem,) if problem else ())

    @property
    def is_paused(self) -> bool:
        """Whether photos wait for a pause to end that the settings ask for."""
        return self.phase in _PAUSES

    @property
    def total(self) -> int:
        """Photos done and still to do."""
        return self.done + self.queued

    @property
    def unfinished(self) -> bool:
        """Whether something was left undone: stopped early, still queued, not looked at, or kept waiting. What was set
        aside is no part of it."""
        return bool(self.queued or self.problem or self.unreadable) or self.phase == Phase.STOPPING


class Meter:
    """Photos per second over about the last minute, from a clock that can be passed in."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began_s = clock()
        self._marks: deque[tuple[float, int]] = deque([(clock(), 0)], maxlen=_KEPT_MARKS)
        self.done = 0

    def start(self) -> None:
        """Begins a new stretch of work: an idle hour must not count as a slow one."""
        self._marks.clear()
        self._marks.append((self._clock(), self.done))

    def add(self, photos: int = 1) -> None:
        """Counts photos as done now."""
        self.done += photos
        now = self._clock()
        self._marks.append((now, self.done))
        while len(self._marks) > 2 and now - self._marks[1][0] > _WINDOW_S:
            self._marks.popleft()

    @property
    def per_second(self) -> float:
        """0.0 until a photo is done."""
        since, before = self._marks[0]
        elapsed = self._clock() - since
        return (self.done - before) / elapsed if elapsed > 0 else 0.0

    @property
    def average(self) -> float:
        """Photos per second since the meter was made."""
        elapsed = self._clock() - self._began_s
        return self.done / elapsed if elapsed > 0 else 0.0

    def eta_s(self, queued: int) -> float | None:
        """Seconds until `queued` photos are done at the present rate; None where that can't be told."""
        rate = self.per_second
        return queued / rate if queued and rate > 0 else None


def clock_text(seconds: float) -> str:
    """`seconds` as people write a duration: ``42 s``, ``7 min``, ``3 h 05 min``, ``2 d 4 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes:02} min"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h"


def progress_line(progress: Progress) -> str:
    """One line for a terminal or a log."""
    parts = []
    if total := progress.photos_done + progress.queued - progress.faces - progress.names:
        parts.append(f"{progress.photos_done:,} of {total:,} photos" + (" found so far" * progress.walking))
    if progress.faces:
        parts.append(f"{progress.faces:,} to look for faces in")
    if progress.names:
        parts.append(f"{progress.names:,} to write names into")
    if progress.per_second:
        parts.append(f"{progress.per_second:.1f} a second")
    if progress.eta_s is not None:
        parts.append(f"about {clock_text(progress.eta_s)} left")
    if progress.set_aside:
        parts.append(f"{progress.set_aside:,} set aside")
    if progress.unreadable:
        parts.append(f"{progress.unreadable:,} folders can't be read")
    return ": ".join(filter(None, [progress.phase, ", ".join(parts)]))
