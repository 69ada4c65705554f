"""What a program wrote, synced and renamed below a folder, by strace(1): replayed as a file system that may lose power.

Of a file what was written before the start of its last fsync is on the disk. Every block of it that was written since
is there as it was at some moment since, each block by itself, and so is the file's length. Of a folder the changes
before its last fsync are there, and since then a part, in their order. An fsync of a file makes its own name durable,
which ext4, XFS and btrfs promise. A new folder is taken for durable.
"""

from __future__ import annotations

import os
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

CALLS = "openat,write,pwrite64,fsync,fdatasync,rename,renameat,renameat2,ftruncate,unlink,unlinkat"
#: Calls that change files and are not replayed: a trace with one of them below the folder is refused.
_OTHERS = "creat,writev,pwritev,truncate,copy_file_range,sendfile,fallocate,link,linkat,symlink,msync"
STRACE = ("strace", "-f", "-y", "-xx", "-s", "100000000", "-e", f"trace={CALLS},{_OTHERS}")

_HEX = r"((?:\\x[0-9a-f]{2})*)"
_FD = rf"(?:AT_FDCWD|\d+)<{_HEX}>(?:\(deleted\))?"
_OPENED = re.compile(rf'openat\({_FD}, "{_HEX}", ([A-Z_|]+)(?:, \d+)?\) += \d+<{_HEX}>')
_WRITTEN = re.compile(rf'(write|pwrite64)\(\d+<{_HEX}>(\(deleted\))?, "{_HEX}", \d+(?:, (\d+))?\) += (\d+)')
_SYNCED = re.compile(rf"f(?:data)?sync\(\d+<{_HEX}>\) += 0")
_CUT = re.compile(rf"ftruncate\(\d+<{_HEX}>, (\d+)\) += 0")
_RENAMED = re.compile(rf'rename(?:at2?)?\((?:{_FD}, )?"{_HEX}", (?:{_FD}, )?"{_HEX}"(?:, ([A-Z_|0-9]+))?\) += 0')
_REMOVED = re.compile(rf'unlink(?:at)?\((?:{_FD}, )?"{_HEX}"(?:, 0)?\) += 0')
_UNFINISHED = re.compile(r"(\d+) +(.*) <unfinished \.\.\.>$")
_RESUMED = re.compile(r"(\d+) +<\.\.\. \w+ resumed>(.*)$")
_LINE = re.compile(r"(\d+) +(\w+\(.*)$")


@dataclass(slots=True)
class Inode:
    """A file's content through time. `length` is that of all that was written."""

    initial: bytes = b""
    #: (time, place, data); without data: the file was cut to, or lengthened to, `place`.
    changes: list[tuple[int, int, bytes | None]] = field(default_factory=list)
    syncs: list[tuple[int, int]] = field(default_factory=list)  # times of start and end
    length: int = 0

    def content(self, at: int) -> bytes:
        """As the running program sees it."""
        return self._replayed(at, lambda block: at, 1 << 30)

    def durable_until(self, at: int) -> int:
        """Everything before this time is on the disk."""
        return max((start for start, end in self.syncs if end <= at), default=-1)

    def after_power_cut(self, at: int, chance: random.Random) -> bytes:
        """What may be on the disk."""
        since, block_bytes = self.durable_until(at), chance.choice((512, 4096))
        match chance.randrange(4):
            case 0:
                return self.content(at)
            case 1:
                return self._replayed(since, lambda block: since, 1 << 30)
        moments: dict[int, int] = {}

        def moment(block: int) -> int:
            return moments.setdefault(block, chance.choice((since, at, chance.randint(min(since, at), at))))

        return self._replayed(chance.choice((since, at)), moment, block_bytes)

    def _replayed(self, length_at: int, moment: object, block_bytes: int) -> bytes:
        assert callable(moment)
        data, length = bytearray(self.initial), len(self.initial)
        for time, place, written in self.changes:
            if written is None:
                if time <= length_at:
                    length = place
                if time <= moment(place // block_bytes):
                    del data[place:]
                continue
            end = place + len(written)
            data.extend(bytes(max(end - len(data), 0)))
            for block in range(place // block_bytes, (end - 1) // block_bytes + 1):
                if time <= moment(block):
                    start, stop = max(place, block * block_bytes), min(end, (block + 1) * block_bytes)
                    data[start:stop] = written[start - place : stop - place]
            if time <= length_at:
                length = max(length, end)
        return bytes(data[:length].ljust(length, b"\0"))


@dataclass(frozen=True, slots=True)
class NameChange:
    """Of one folder: `inode` gets `name` (None: the name goes), or the two change places."""

    time: int
    folder: str
    name: str
    inode: Inode | None
    other_name: str | None = None
    exchange: bool = False


class Trace:
    """The replayed trace of what happened below `root`, which held `before` (path: content) when it began."""

    def __init__(self, root: Path, before: dict[str, bytes], lines: Sequence[str]) -> None:
        self._root = f"{root}/"
        self.before = {path: Inode(data, length=len(data)) for path, data in before.items()}
        self.names = dict(self.before)
        self.changes: list[NameChange] = []
        self.folder_syncs: dict[str, list[tuple[int, int]]] = {}
        self.end = len(lines)
        for start, end, line in _whole_lines(lines):
            self._take(start, end, line)

    def content(self, at: int | None = None) -> dict[str, bytes]:
        """What the running program sees below the root in the end, or at a moment."""
        at = self.end if at is None else at
        return {path: inode.content(at) for path, inode in self._names_after(lambda change: change.time <= at).items()}

    def after_power_cut(self, at: int, chance: random.Random) -> dict[str, bytes]:
        """What may be on the disk when the power is cut at a moment."""
        ordered = chance.random() < 0.5  # one journal for the whole file system, or each folder by itself
        until: dict[str, int] = {}
        for change in self.changes:
            folder = "" if ordered else change.folder
            if folder not in until:
                until[folder] = self._names_until(folder, at, chance)
        names = self._names_after(lambda change: change.time <= until["" if ordered else change.folder])
        return {path: inode.after_power_cut(at, chance) for path, inode in names.items()}

    def versions(self, path: str) -> set[bytes]:
        """Every content that stood under this name."""
        found = {self.before[path].initial} if path in self.before else set()
        names = dict(self.before)
        for change in self.changes:
            _apply(names, change)
            if path in names:
                found.add(names[path].content(change.time))
        return found

    def _names_until(self, folder: str, at: int, chance: random.Random) -> int:
        """Up to when the changes of names in a folder, or in all of them (""), are on the disk."""
        own = [one for one in self.changes if one.time <= at and folder in {"", one.folder}]
        syncs = self.folder_syncs.get(folder, []) if folder else chain(*self.folder_syncs.values())
        since = max((start for start, end in syncs if end <= at), default=-1)
        named = (one.time for one in own if one.inode is not None and one.inode.durable_until(at) >= one.time)
        since = max([since, *named])
        return chance.choice((since, at, chance.randint(min(since, at), at)))

    def _names_after(self, happened: object) -> dict[str, Inode]:
        assert callable(happened)
        names = dict(self.before)
        for change in self.changes:
            if happened(change):
                _apply(names, change)
        return names

    def _take(self, start: int, end: int, line: str) -> None:
        if (found := _WRITTEN.match(line)) and not found[3]:
            if (inode := self._inode(_decode(found[2]))) is not None:
                data = bytes.fromhex(found[4].replace("\\x", ""))[: int(found[6])]
                place = int(found[5]) if found[5] else inode.length
                inode.changes.append((end, place, data))
                inode.length = max(inode.length, place + len(data))
        elif found := _SYNCED.match(line):
            path = _decode(found[1])
            if (inode := self._inode(path)) is not None:
                inode.syncs.append((start, end))
            else:
                self.folder_syncs.setdefault(path, []).append((start, end))
        elif found := _CUT.match(line):
            if (inode := self._inode(_decode(found[1]))) is not None:
                self._cut(inode, int(found[2]), end)
        elif found := _OPENED.match(line):
            self._open(_decode(found[4]), found[3], end)
        elif (found := _RENAMED.match(line)) or (found := _REMOVED.match(line)):
            self._rename(found.groups(), end)
        elif line.split("(")[0] in _OTHERS and self._root in _decode(line) and " = -1 " not in line:
            raise ValueError(f"a call that is not replayed: {line[:200]}")

    def _open(self, path: str, flags: str, end: int) -> None:
        if not path.startswith(self._root) or ("O_CREAT" not in flags and "O_TRUNC" not in flags):
            return
        if path not in self.names and not Path(path).name.startswith("#"):  # an O_TMPFILE has no name
            self._change(NameChange(end, os.path.dirname(path), path, Inode()))  # noqa: PTH120
        elif "O_TRUNC" in flags:
            self._cut(self.names[path], 0, end)

    def _rename(self, groups: tuple[str | None, ...], end: int) -> None:
        """(folder, name) of an unlink, (folder, name, folder, name, flags) of a rename."""
        paths = [
            os.path.join(_decode(groups[index] or ""), _decode(groups[index + 1] or ""))  # noqa: PTH118
            for index in range(0, len(groups) - 1, 2)
        ]
        if not paths[0].startswith(self._root):
            return
        folder = os.path.dirname(paths[0])  # noqa: PTH120
        if len(paths) == 1:
            self._change(NameChange(end, folder, paths[0], None))
            return
        assert os.path.dirname(paths[1]) == folder, "no rename leads into another folder"  # noqa: PTH120
        exchange = "EXCHANGE" in (groups[4] or "")
        self._change(NameChange(end, folder, paths[1], self.names[paths[0]], paths[0], exchange))

    def _change(self, change: NameChange) -> None:
        self.changes.append(change)
        _apply(self.names, change)

    def _cut(self, inode: Inode, length: int, end: int) -> None:
        inode.changes.append((end, length, None))
        inode.length = length

    def _inode(self, path: str) -> Inode | None:
        return self.names.get(path)


def _apply(names: dict[str, Inode], change: NameChange) -> None:
    """Of what a power cut has lost before, nothing can be renamed or removed."""
    if change.inode is None:
        names.pop(change.name, None)
    elif change.other_name is None:
        names[change.name] = change.inode
    elif change.exchange:
        if change.name in names and change.other_name in names:
            names[change.name], names[change.other_name] = names[change.other_name], names[change.name]
    elif change.other_name in names:
        names[change.name] = names.pop(change.other_name)


def _whole_lines(lines: Sequence[str]) -> Iterator[tuple[int, int, str]]:
    """(start, end, call): a call during which other threads did something stands in two lines."""
    begun: dict[str, tuple[int, str]] = {}
    for number, line in enumerate(lines):
        if found := _UNFINISHED.match(line):
            begun[found[1]] = (number, found[2])
        elif (found := _RESUMED.match(line)) and found[1] in begun:
            start, text = begun.pop(found[1])
            yield start, number, text + found[2]
        elif found := _LINE.match(line):
            yield number, number, found[2]


def _decode(text: str) -> str:
    if "\\x" not in text:
        return text
    return re.sub(r"(?:\\x[0-9a-f]{2})+", lambda found: os.fsdecode(bytes.fromhex(found[0].replace("\\x", ""))), text)
