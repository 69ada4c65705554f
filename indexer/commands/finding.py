"""What a check of `recollect doctor` found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How a check ended."""

    FINE = "ok"
    WARNING = "warning"  # it works, but not as well as it could
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found; `mend` is empty where nothing is to be done."""

    subject: str
    verdict: Verdict
    text: str
    mend: str = ""
