"""Why a folder or a file of a library can't be looked at: the code that is stored, and what it says to people."""

from __future__ import annotations

import errno
import os
from types import MappingProxyType

from indexer.message import noted

#: errno names (errno(3)) that people meet; another one is told as the system words it.
_REASONS = MappingProxyType(
    {
        "EACCES": noted("recollect may not read it"),
        "EPERM": noted("recollect may not read it"),
        "ENOENT": noted("it is not there"),
        "ENOTDIR": noted("it is no folder"),
        "EIO": noted("the disk can't read it"),
        "ENAMETOOLONG": noted("its path is longer than the system takes"),
        "ELOOP": noted("its links go round in circles"),
        "ESTALE": noted("the server that it lies on has lost it"),
        "ENOTCONN": noted("the server that it lies on does not answer"),
        "EHOSTDOWN": noted("the server that it lies on does not answer"),
        "ETIMEDOUT": noted("the server that it lies on does not answer"),
    }
)


def error_code(error: OSError) -> str:
    """The errno's name, such as EACCES; EIO where the system gave none."""
    return errno.errorcode.get(error.errno or errno.EIO, "EIO")


def unreadable_reason(code: str) -> str:
    """What a stored code says to people."""
    return _REASONS.get(code) or os.strerror(getattr(errno, code, errno.EIO))


def is_gone(path: bytes) -> bool:
    """Whether nothing is there. Of what can't be looked at, for want of rights or a broken disk, that is not known."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def can_be_looked_at(path: bytes) -> bool:
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
