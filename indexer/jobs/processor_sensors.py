"""Temperature and use of this machine's processor, by psutil (https://psutil.readthedocs.io)."""

from __future__ import annotations

import logging

import psutil

log = logging.getLogger(__name__)

#: Names of the drivers whose sensors lie in a processor: Raspberry Pi and other ARM boards, Intel, AMD, ACPI.
_OF_PROCESSORS = ("cpu", "soc", "coretemp", "k10temp", "zenpower", "acpitz", "x86_pkg_temp")


class MachineSensors:
    """This machine; "others" are all but one process, this one unless told, and its children."""

    def __init__(self, pid: int | None = None) -> None:
        self._process = psutil.Process(pid)
        self._is_hidden = False
        self._before = (0.0, 0.0)  # seconds of all cores: gone by, and used by others

    def temperature_c(self) -> float | None:
        """The hottest sensor of the processor, in °C; None where there is none."""
        found = [
            sensor.current
            for name, sensors in psutil.sensors_temperatures().items()
            if name.lower().startswith(_OF_PROCESSORS)
            for sensor in sensors
        ]
        return max(found, default=None)

    def use_by_others_percent(self) -> float:
        """How much of all cores other programs used since the last call, 0 to 100; 0 at the first, and where this
        process is not shown how busy the machine is."""
        try:
            times = psutil.cpu_times()
        except OSError as error:
            if not self._is_hidden:
                log.warning("nobody sees how busy this machine is (%s): under systemd, ProcSubset=all shows it", error)
            self._is_hidden = True
            return 0.0
        passed = float(sum(times) - times.guest - times.guest_nice)  # guests are in user and nice, too
        others = passed - times.idle - times.iowait - self._own_s()
        before_passed, before_others = self._before
        self._before = passed, others
        if not before_passed or passed <= before_passed:
            return 0.0
        return min(100.0, max(0.0, 100.0 * (others - before_others) / (passed - before_passed)))

    def _own_s(self) -> float:
        """Processor seconds of this process, its children, and those of them that have ended."""
        total = 0.0
        for process in (self._process, *self._process.children(recursive=True)):
            try:
                used = process.cpu_times()
            except psutil.NoSuchProcess:  # ended just now: it is counted with its parent
                continue
            total += used.user + used.system + used.children_user + used.children_system
        return total
