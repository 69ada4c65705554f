"""Independent proof that IPTC lost nothing but captions. See `indexer.captions.verify.rules`."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence

from indexer.captions.verify.rules import VerifyError, require

PREFIX = b"Photoshop 3.0\0"
_IIM, _MD5 = 1028, 1061
_CAPTION = b"\x1c\x02\x78"


def check_removed_iptc(before: Sequence[bytes], after: Sequence[bytes]) -> None:
    """Raises `VerifyError` unless these payloads of APP13 segments differ in nothing but datasets 2:120 that are gone,
    whose texts are compared elsewhere, and in a checksum of the datasets that is right."""
    require(len(before) == len(after), "a segment of Photoshop's is gone, or new")
    for old, new in zip(before, after, strict=True):
        if old != new:
            _check_one(old, new)


def check_removed_resources(old: bytes, new: bytes) -> None:
    """The same of Photoshop's resources, whatever they stand in; none left is as good as empty ones."""
    if not new.strip(b"\0"):
        values = [value for (number, _), value in _resources(old) if number == _IIM]
        require(len(values) == 1 == len(_resources(old)), "a resource of Photoshop's is gone")
        check_removed_datasets(values[0], b"")
    elif old != new:
        _check_one(old, new)


def check_removed_datasets(old: bytes, new: bytes) -> None:
    """The same of IPTC-IIM by itself, whichever way each four bytes are turned, and whatever zeros stand behind it."""
    was, now = (_fix_byte_order(side).rstrip(b"\0") for side in (old, new))
    _check_datasets(was, now)


def _fix_byte_order(iim: bytes) -> bytes:
    if iim[3:4] != b"\x1c" or iim[:1] == b"\x1c":
        return iim
    return struct.pack(f">{len(iim) // 4}L", *struct.unpack(f"<{len(iim) // 4}L", iim[: len(iim) // 4 * 4]))


def _check_one(old: bytes, new: bytes) -> None:
    was, now = _resources(old), _resources(new)
    require([key for key, _ in was] == [key for key, _ in now], "a resource of Photoshop's is gone, or new")
    datasets = [value for (number, _), value in now if number == _IIM]
    for ((number, _), value), (_, changed) in zip(was, now, strict=True):
        if number == _IIM:
            _check_datasets(value, changed)
        elif number == _MD5 and value != changed:
            right = [hashlib.md5(iim, usedforsecurity=False).digest() for iim in datasets]
            require(right == [changed], "the checksum of IPTC is wrong")
        else:
            require(value == changed, "a resource of Photoshop's has changed")


def _check_datasets(old: bytes, new: bytes) -> None:
    was, now = _datasets(old), _datasets(new)
    require(
        [one for one in was if one[:3] != _CAPTION] == [one for one in now if one[:3] != _CAPTION], "IPTC lost more"
    )
    require(all(one in was for one in now), "IPTC has something new")


def _resources(payload: bytes) -> list[tuple[tuple[int, bytes], bytes]]:
    """Each resource's number and name, and its data."""
    found, rest = [], payload.removeprefix(PREFIX)
    try:
        while rest:
            require(rest[:4] == b"8BIM", "a resource of Photoshop's is damaged")
            number, length = struct.unpack_from(">HB", rest, 4)
            start = 6 + ((1 + length + 1) & ~1)
            (size,) = struct.unpack_from(">L", rest, start)
            found.append(((number, rest[6:start]), rest[start + 4 : start + 4 + size]))
            rest = rest[start + 4 + ((size + 1) & ~1) :]
    except struct.error as error:
        raise VerifyError("verification: a resource of Photoshop's is cut off") from error
    return found


def _datasets(iim: bytes) -> list[bytes]:
    found, rest = [], iim
    while rest[:1] == b"\x1c" and len(rest) >= 5:
        size = 5 + struct.unpack_from(">H", rest, 3)[0]
        found.append(rest[:size])
        rest = rest[size:]
    return [*found, rest]
