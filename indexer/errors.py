"""What can go wrong, in two kinds.

    RecollectError
    ├── PhotoError           about this photo: recorded with its reason, shown in `status`, the rest goes on
    │   ├── UnreadablePhoto  damaged, lying, too large, or of a format that is not understood
    │   │   ├── PhotoDenied      the rights do not let us read it
    │   │   ├── PhotoNotGiven    the disk, the network share or the system would not give it
    │   │   ├── PhotoTooHeavy    it needs more memory than there is
    │   │   └── ReaderDied       the process that read it was killed, or took too long
    │   ├── PhotoVanished    the file is no longer there, or changed while it was being read
    │   └── CaptionRefused   a caption can't be written into this file without risk; the reason says why
    │       └── NotUnderstood    its bytes are not of the structure that its format has
    └── SetupError           about the set-up: stop, exit non-zero
        ├── SettingsError    a setting is unknown, of the wrong type or contradicts another
        ├── StorageError     the data directory or a database in it can't be used
        ├── SearchError      the search backend can't be reached or refuses the request
        └── ProcessUnavailable  a child process can't be had just now; it may be later

A `SetupError` says what, where, what was expected and how to mend it. Library code raises; only the command
line prints and exits. `FailureKind` (of a job) and `Obstacle` (of a caption) say whether and when it is tried again.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from pathlib import Path

from indexer.message import Message
from indexer.reasons import Parameter, Reason, ReasonCode


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


class RecollectError(Exception):
    """The root of everything that recollect raises on purpose."""


class PhotoError(RecollectError):
    """About one photo; the rest goes on. Made of a reason, or of its code and parameters."""

    def __init__(self, reason: Reason | ReasonCode, /, **parameters: Parameter) -> None:
        self.reason = Reason.of(reason, **parameters) if isinstance(reason, ReasonCode) else reason
        super().__init__(self.reason)


class UnreadablePhoto(PhotoError):
    """The file is damaged, lies about itself, is too large, or is of a format that is not understood."""

    kind = FailureKind.UNREADABLE


class PhotoDenied(UnreadablePhoto):
    """The rights of the file or of a folder above it do not let us read it."""

    kind = FailureKind.DENIED


class PhotoNotGiven(UnreadablePhoto):
    """The disk, the network share or the system would not give the file."""

    kind = FailureKind.DISK


class PhotoTooHeavy(UnreadablePhoto):
    """The file needs more memory than its reader may use, or than there is."""

    kind = FailureKind.MEMORY


class ReaderDied(UnreadablePhoto):
    """The process that read the file was killed, took too long, or gave an answer that makes no sense."""

    kind = FailureKind.READER


class PhotoVanished(PhotoError):
    """The file is no longer there, or changed while it was being read."""


class CaptionRefused(PhotoError):
    """A caption can't be written into this file without risk. `obstacle` where the reason may be over later."""

    def __init__(
        self, reason: Reason | ReasonCode, /, *, obstacle: Obstacle | None = None, **parameters: Parameter
    ) -> None:
        super().__init__(reason, **parameters)
        self.obstacle = obstacle


class NotUnderstood(CaptionRefused):
    """The bytes of a file are not of the structure that its format has; `detail` says what is odd, in English."""

    def __init__(self, detail: str) -> None:
        super().__init__(ReasonCode.STRUCTURE, detail=detail)


class SetupError(RecollectError):
    """About the set-up: `what` is wrong, and `hint` says how to mend it, both in English. `message` and `hint_message`
    say the same for those who read another language."""

    def __init__(self, what: Message | str, *, hint: Message | str = "") -> None:
        super().__init__(f"{what}\n  {hint}" if hint else what)
        self.message, self.hint_message = what, hint
        self.what, self.hint = str(what), str(hint)


class SettingsError(SetupError):
    """A setting is unknown, of the wrong type, or contradicts another."""


class StorageError(SetupError):
    """The data directory or a database in it can't be used."""


class SearchError(SetupError):
    """The search backend can't be reached or refuses the request."""


class ProcessUnavailable(SetupError):
    """A child process could not be started, or died before it began: says nothing of any photo."""


def captioner_not_started(error: Exception) -> ProcessUnavailable:
    """What it means that the captioner's process died before it was ready, and did not blame the model."""
    return ProcessUnavailable(
        str(error), hint="it may have been killed for want of memory: `recollect doctor` says how much is free"
    )


def unusable_bundle(bundle: Path, error: Exception) -> SetupError:
    """What a model bundle that can't be used means for the set-up; `error` says what is wrong with it."""
    return SetupError(
        f"the caption model {bundle} can't be used: {error}",
        hint="the setting 'bundle' names a directory made by captioner.training.export; "
        "without it recollect uses its own model",
    )
