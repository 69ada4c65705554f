"""Why a folder or a file of a library can't be looked at: the code that is stored, and what it says to people."""

from __future__ import annotations

import errno
import os
from types import MappingProxyType

from indexer.reasons import Reason, ReasonCode

#: errno names (errno(3)) that people meet; another one is told as the system words it.
_REASONS = MappingProxyType(
    {
        "EACCES": ReasonCode.NOT_ALLOWED,
        "EPERM": ReasonCode.NOT_ALLOWED,
        "ENOENT": ReasonCode.NOT_THERE,
        "ENOTDIR": ReasonCode.NO_FOLDER,
        "EIO": ReasonCode.DISK_UNREADABLE,
        "ENAMETOOLONG": ReasonCode.PATH_TOO_LONG,
        "ELOOP": ReasonCode.LINKS_IN_CIRCLES,
        "ESTALE": ReasonCode.SERVER_LOST_IT,
        "ENOTCONN": ReasonCode.SERVER_SILENT,
        "EHOSTDOWN": ReasonCode.SERVER_SILENT,
        "ETIMEDOUT": ReasonCode.SERVER_SILENT,
    }
)


def error_code(error: OSError) -> str:
    """The errno's name, such as EACCES; EIO where the system gave none."""
    return errno.errorcode.get(error.errno or errno.EIO, "EIO")


def unreadable_reason(code: str) -> Reason:
    """What an errno's name says to people."""
    if (known := _REASONS.get(code)) is not None:
        return Reason(known)
    return Reason.of(ReasonCode.SYSTEM_ERROR, error=os.strerror(getattr(errno, code, errno.EIO)))


def is_gone(path: bytes) -> bool:
    """Whether nothing is there. Of what can't be looked at, for want of rights or a broken disk, that is not known."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def is_readable(path: bytes) -> bool:
    """Whether a folder can be listed and entered, as far as its first entry tells; of a file, whether it is there."""
    try:
        with os.scandir(path) as entries:
            first = next(entries, None)
            return first is None or first.stat(follow_symlinks=False) is not None
    except NotADirectoryError:
        return not is_gone(path)
    except OSError:
        return False


def outermost_only(places: dict[bytes, str]) -> dict[bytes, str]:
    """Without those that lie below another one; paths are relative, "/"-separated."""
    return {place: code for place, code in places.items() if not _has_parent_in(place, places)}


def _has_parent_in(place: bytes, places: dict[bytes, str]) -> bool:
    while place:
        place = place.rpartition(b"/")[0]
        if place in places:
            return True
    return False
