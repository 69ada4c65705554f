"""When `recollect serve` lets photos wait: in quiet hours, while the processor is hot, while other programs need it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from indexer.hours import DailyHours
from indexer.progress import Phase
from indexer.settings import Settings

log = logging.getLogger(__name__)

#: So often it is looked at. Use of the processor is an average over that time.
INTERVAL_S = 10.0

#: A pause that has begun ends only so far below its limit, so that it doesn't begin again at once.
_COOLER_C = 5.0
_LESS_PERCENT = 10.0


class ProcessorSensors(Protocol):
    """What a pause depends on beside the time of day."""

    def temperature_c(self) -> float | None:
        """The hottest sensor of the processor, in °C; None where there is none."""
        ...

    def use_by_others_percent(self) -> float:
        """How much of all cores other programs used since the last call, 0 to 100; 0 at the first."""
        ...


class IndexingPause:
    """Whether photos wait now, and why. `changed` is called when a pause begins or ends.

    New photos are found and queued during a pause, and what somebody corrects on the page is still written; the
    photos in hand are finished. `clock` gives the local time; `sensors` are the machine's where none are passed in.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        changed: Callable[[], None],
        clock: Callable[[], datetime] = datetime.now,
        sensors: ProcessorSensors | None = None,
        interval_s: float = INTERVAL_S,
    ) -> None:
        self.phase: Phase | None = None
        self._hours = DailyHours.parse(settings.quiet_hours) if settings.quiet_hours else None
        self._most_c = settings.pause_temperature_c
        self._most_percent = settings.pause_load_percent
        self._changed = changed
        self._clock = clock
        self._sensors = sensors
        self._interval_s = interval_s
        self._over = asyncio.Event()
        self._over.set()

    @property
    def is_on(self) -> bool:
        """Whether photos wait."""
        return self.phase is not None

    async def wait(self) -> None:
        """Returns when no pause is on."""
        await self._over.wait()

    async def run(self) -> None:
        """Looks again and again, until cancelled; returns at once where the settings ask for no pause."""
        if self._sensors is None and (self._most_c or self._most_percent):
            # Not at the top: most installations set no limit, and it costs 2 MB.
            from indexer.jobs.processor_sensors import MachineSensors

            self._sensors = MachineSensors()
        while self._hours or self._sensors:
            self._set(await asyncio.to_thread(self._reason))
            await asyncio.sleep(self._interval_s)

    def _set(self, phase: Phase | None) -> None:
        if phase is self.phase:
            return
        self.phase = phase
        if phase is None:
            log.info("photos are indexed again")
            self._over.set()
        else:
            log.info("indexing is %s", phase)
            self._over.clear()
        self._changed()

    def _reason(self) -> Phase | None:
        use = self._sensors.use_by_others_percent() if self._sensors and self._most_percent else 0.0
        if self._hours is not None and self._hours.contains(self._clock()):
            return Phase.PAUSED_QUIET
        if self._is_above(self._temperature_c(), self._most_c, Phase.PAUSED_HOT, _COOLER_C):
            return Phase.PAUSED_HOT
        if self._is_above(use, self._most_percent, Phase.PAUSED_LOAD, _LESS_PERCENT):
            return Phase.PAUSED_LOAD
        return None

    def _temperature_c(self) -> float:
        return (self._sensors.temperature_c() if self._sensors and self._most_c else None) or 0.0

    def _is_above(self, value: float, limit: float, phase: Phase, margin: float) -> bool:
        """Whether a pause for that reason begins, or goes on where it is on."""
        return bool(limit) and value > (limit - margin if self.phase is phase else limit)
