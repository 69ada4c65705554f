"""The names of files in a zip that may be unpacked anywhere: on Windows, on a Mac, by a program that trusts them."""

from __future__ import annotations

import re
import unicodedata
from pathlib import PurePosixPath

from web.presenters import clean

#: What Windows refuses in a name, control characters, and marks that turn the reading order round.
_UNSAFE = re.compile(r'[\x00-\x1f\x7f-\x9f<>:"/\\|?*]|[\u200e\u200f\u202a-\u202e\u2066-\u2069]')
#: Names of devices on Windows, whatever ending follows them.
_RESERVED = re.compile(r"(?:con|prn|aux|nul|(?:com|lpt)[0-9\xb9\xb2\xb3])(?=\.|$)", re.IGNORECASE)
#: A file system takes 255 bytes, and " (10000)" may have to go in.
_LONGEST_BYTES = 200
_LONGEST_ENDING = 16


class ZipNames:
    """Gives out each name once, letter case aside, as Windows and macOS see it."""

    def __init__(self) -> None:
        self._given: set[str] = set()
        self._next: dict[str, int] = {}

    def take(self, name: str) -> str:
        """`name` made safe; ``beach (2).jpg`` where ``beach.jpg`` is taken."""
        safe = safe_name(name)
        key = safe.casefold()
        stem, ending = _parts(safe)
        taken = safe
        while taken.casefold() in self._given:
            self._next[key] = self._next.get(key, 1) + 1
            taken = f"{stem} ({self._next[key]}){ending}"
        self._given.add(taken.casefold())
        return taken


def safe_name(name: str) -> str:
    """One name without a folder, in composed characters (NFC), that every common file system takes."""
    bare = _UNSAFE.sub("_", unicodedata.normalize("NFC", clean(name)))
    bare = bare.strip(". ") or "photo"  # a leading dot would hide the file
    if _RESERVED.match(bare):
        bare = f"_{bare}"
    stem, ending = _parts(bare)
    return _cut(stem, _LONGEST_BYTES - len(ending.encode())).rstrip(". ") + ending


def _parts(name: str) -> tuple[str, str]:
    ending = PurePosixPath(name).suffix
    ending = ending if len(ending) <= _LONGEST_ENDING else ""
    return name.removesuffix(ending) if ending else name, ending


def _cut(text: str, longest_bytes: int) -> str:
    return text.encode()[:longest_bytes].decode(errors="ignore")
