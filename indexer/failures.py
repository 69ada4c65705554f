"""Whether what could not be done is tried again, as codes: what may be over later is, what is final is not."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum


class FailureKind(StrEnum):
    """Why a job was set aside."""

    UNREADABLE = "unreadable"  # what is wrong is wrong with the file: final until the file changes
    DENIED = "denied"  # the rights do not let us read it
    DISK = "disk"  # the disk, the network share or the system would not give it
    MEMORY = "memory"
    READER = "reader"  # the process that read it was killed, or took too long
    VANISHED = "vanished"
    CAPTIONER = "captioner"
    DEATH = "death"  # all of recollect died while it was in hand
    UNEXPECTED = "unexpected"


#: What is tried again by itself after a while, longer each time, and how long the first while is. DENIED is not among
#: them: every scan asks whether the file can be opened now.
FIRST_WAIT = {
    FailureKind.DISK: timedelta(hours=1),
    FailureKind.MEMORY: timedelta(hours=1),
    FailureKind.READER: timedelta(hours=1),
    FailureKind.VANISHED: timedelta(hours=1),
    FailureKind.CAPTIONER: timedelta(hours=1),
    FailureKind.UNEXPECTED: timedelta(days=1),
    FailureKind.DEATH: timedelta(days=1),
}
LONGEST_WAIT = timedelta(days=14)

#: What is tried again when recollect starts. A photo that has killed all of recollect waits for its time.
RETRIED_AT_START = frozenset(FailureKind) - {FailureKind.UNREADABLE, FailureKind.DEATH}


def next_wait(kind: FailureKind, rounds: int) -> timedelta | None:
    """How long after it was set aside for the `rounds`-th time (from 0) a job is tried again; None for never."""
    first = FIRST_WAIT.get(kind)
    return None if first is None else min(LONGEST_WAIT, first * 4 ** min(rounds, 8))


class Obstacle(StrEnum):
    """What kept a caption out of a file, where that may be over later. Final reasons have none."""

    SETTING_OFF = "off"  # the setting `captions`
    SIDECAR_WANTED = "sidecar"  # the setting `captions`: it stands beside the file
    NOT_SURE = "unsure"  # the setting `write_unsure`
    RIGHTS = "rights"  # of the file or its folder; a read-only file system
    OWNER = "owner"  # the file would change hands
    LINKS = "links"  # it has several hard links
    SPACE = "space"
    OTHERS = "others"  # other programs use or keep changing the file, or a sidecar could not be understood
    DISK = "disk"  # the disk, the network share or the system failed
    READER = "reader"  # the process that wrote died, or took too long
