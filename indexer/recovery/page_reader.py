"""Rows out of the pages of an SQLite file that SQLite itself may refuse (https://sqlite.org/fileformat2.html).

Every page that is the leaf of a table is read for itself: neither the file's header, nor its schema, nor the pages
above the leaves have to be sound. Which table a row is of its values have to tell. Pages that were given up keep what
stood in them, so that older forms of a row may come, too.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from io import SEEK_END, BytesIO
from pathlib import Path
from typing import BinaryIO

from indexer.sqlite.file_header import PAGE_BYTES

_FILE_HEADER_BYTES = 100
_TABLE_LEAF = 0x0D
_LEAF_HEADER_BYTES = 8
_WAL_HEADER_BYTES, _FRAME_HEADER_BYTES = 32, 24
_MOST_COLUMNS = 200
_MOST_ROW_BYTES = 16 << 20

Value = int | float | str | bytes | None
#: A row's id and its columns.
Row = tuple[int, list[Value]]


class PageReader:
    """The rows of a database file with its write-ahead log; of the log alone where the file is gone. Raises `OSError`
    where they can't be read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.unreadable_rows = 0
        self._in_wal = dict(_pages_in_wal(path.with_name(path.name + "-wal")))

    def rows(self) -> Iterator[Row]:
        """Every row that can be read, page by page."""
        with self._path.open("rb") if self._path.exists() else BytesIO() as file:
            self._file = file
            self._pages = max(file.seek(0, SEEK_END) // PAGE_BYTES, max(self._in_wal, default=0))
            for number in range(1, self._pages + 1):
                yield from self._rows_of_page(number)

    def _page(self, number: int) -> bytes:
        if number in self._in_wal:
            return self._in_wal[number]
        self._file.seek((number - 1) * PAGE_BYTES)
        return self._file.read(PAGE_BYTES)

    def _rows_of_page(self, number: int) -> Iterator[Row]:
        page, start = self._page(number), _FILE_HEADER_BYTES if number == 1 else 0
        if len(page) < PAGE_BYTES or page[start] != _TABLE_LEAF:
            return
        (cells,) = struct.unpack_from(">H", page, start + 3)
        first = start + _LEAF_HEADER_BYTES
        if first + 2 * cells > PAGE_BYTES:
            return
        for (position,) in struct.iter_unpack(">H", page[first : first + 2 * cells]):
            try:
                yield self._row(page, position)
            except (ValueError, IndexError, struct.error):
                self.unreadable_rows += 1

    def _row(self, page: bytes, position: int) -> Row:
        size, position = _varint(page, position)
        row_id, position = _varint(page, position)
        if size > _MOST_ROW_BYTES:
            raise ValueError("no row is that long")
        return row_id, _columns(self._payload(page, position, size))

    def _payload(self, page: bytes, position: int, size: int) -> bytes:
        """What a page has no room for goes on in a chain of others (1.6, "overflow pages")."""
        usable = PAGE_BYTES
        if size <= usable - 35:
            return _slice(page, position, size)
        least = (usable - 12) * 32 // 255 - 23
        local = least + (size - least) % (usable - 4)
        local = local if local <= usable - 35 else least
        parts, wanted = [_slice(page, position, local)], size - local
        (following,) = struct.unpack_from(">I", page, position + local)
        while wanted > 0:
            if not 0 < following <= self._pages:
                raise ValueError("the row's next page is not there")
            page = self._page(following)
            part = _slice(page, 4, min(wanted, usable - 4))
            (following,) = struct.unpack_from(">I", page, 0)
            parts.append(part)
            wanted -= len(part)
        return b"".join(parts)


def _slice(data: bytes, start: int, size: int) -> bytes:
    part = data[start : start + size]
    if len(part) != size:
        raise ValueError("the row is cut off")
    return part


def _varint(data: bytes, position: int) -> tuple[int, int]:
    """A number of 1 to 9 bytes, as SQLite's signed 64 bits, and the place behind it."""
    value = 0
    for length in range(8):
        byte = data[position + length]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, position + length + 1
    value = value << 8 | data[position + 8]
    return value - (1 << 64 if value >= 1 << 63 else 0), position + 9


def _columns(record: bytes) -> list[Value]:
    """The values of a record (2.1). Raises `ValueError` where it makes no sense."""
    header_bytes, position = _varint(record, 0)
    kinds = []
    while position < header_bytes:
        kind, position = _varint(record, position)
        kinds.append(kind)
    if position != header_bytes or len(kinds) > _MOST_COLUMNS:
        raise ValueError("the record's header makes no sense")
    values = []
    for kind in kinds:
        value, position = _value(record, position, kind)
        values.append(value)
    if position != len(record):
        raise ValueError("the record has another length than its values")
    return values


_INTEGER_BYTES = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}


def _value(record: bytes, position: int, kind: int) -> tuple[Value, int]:
    if kind == 0:
        return None, position
    if kind in (8, 9):
        return kind - 8, position
    if (size := _INTEGER_BYTES.get(kind)) is not None:
        return int.from_bytes(_slice(record, position, size), "big", signed=True), position + size
    if kind == 7:
        return struct.unpack(">d", _slice(record, position, 8))[0], position + 8
    if kind < 12:
        raise ValueError("a value of a kind that SQLite never writes")
    size = (kind - 12) // 2
    data = _slice(record, position, size)
    return (data.decode("utf-8") if kind % 2 else data), position + size


def _pages_in_wal(path: Path) -> Iterator[tuple[int, bytes]]:
    """The pages of the log's committed transactions, the later of each last (4). A frame of another run of the log,
    which has other salts, ends it; a page that is damaged within is seen when it is read."""
    try:
        with path.open("rb") as file:
            yield from _committed_pages(file)
    except FileNotFoundError:
        return


def _committed_pages(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    header = file.read(_WAL_HEADER_BYTES)
    if len(header) < _WAL_HEADER_BYTES or struct.unpack_from(">I", header, 8)[0] != PAGE_BYTES:
        return
    waiting: list[tuple[int, bytes]] = []
    while len(frame := file.read(_FRAME_HEADER_BYTES + PAGE_BYTES)) == _FRAME_HEADER_BYTES + PAGE_BYTES:
        number, pages_after_commit = struct.unpack_from(">II", frame)
        if frame[8:16] != header[16:24] or number == 0:
            return
        waiting.append((number, frame[_FRAME_HEADER_BYTES:]))
        if pages_after_commit:
            yield from waiting
            waiting.clear()
