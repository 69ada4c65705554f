"""Independent proof of edits in TIFF files. See `indexer.captions.verify.rules`."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from indexer.captions.verify.iptc import check_removed_datasets, check_removed_resources
from indexer.captions.verify.packet import check_removed
from indexer.captions.verify.rules import (
    Undo,
    VerifyError,
    check_comment,
    check_opens_alike,
    check_packet_edit,
    check_packet_text,
    check_undo,
    exif_directory,
    require,
)
from indexer.ownership.mark import OwnCaption

_DESCRIPTION, _COMMENT, _PACKET = 0x010E, 0x9C9C, 0x02BC
_IIM, _RESOURCES = 0x83BB, 0x8649
_SHORTER = (_PACKET, _IIM, _RESOURCES)
_WIDTHS = (0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4)
_MOST_PAGES = 10_000
_MAGIC_BYTES = 8


@dataclass(frozen=True, slots=True)
class _Page:
    """A directory as bytes: where it stands, its 12-byte entries, and where the next one is."""

    start: int
    end: int
    entries: list[bytes]
    following: int


class _Tiff:
    """A file taken apart anew; `form` is `<` or `>`."""

    def __init__(self, data: bytes) -> None:
        require(data[:4] in (b"II*\0", b"MM\0*"), "the file does not begin as a TIFF does")
        self.data = data
        self.form = "<" if data[:1] == b"I" else ">"
        self.first = self._page(int.from_bytes(data[4:8], "little" if self.form == "<" else "big"))

    def _page(self, start: int) -> _Page:
        try:
            (count,) = struct.unpack_from(self.form + "H", self.data, start)
            end = start + 2 + 12 * count
            (following,) = struct.unpack_from(self.form + "L", self.data, end)
        except struct.error as error:
            raise VerifyError(f"verification: a page's directory can't be read: {error}") from error
        return _Page(start, end + 4, [self.data[at : at + 12] for at in range(start + 2, end, 12)], following)

    def pages_after_first(self) -> list[int]:
        """Where the directories of the other pages stand."""
        found, page = list[int](), self.first
        while page.following:
            require(len(found) < _MOST_PAGES and page.following not in found, "the pages lead in a circle")
            found.append(page.following)
            page = self._page(page.following)
        return found

    def tag(self, entry: bytes) -> int:
        number: int = struct.unpack(self.form + "H", entry[:2])[0]
        return number

    def kind(self, entry: bytes) -> int:
        """The field type of an entry: 1 is BYTE, 2 is ASCII (TIFF 6.0, section 2)."""
        number: int = struct.unpack(self.form + "H", entry[2:4])[0]
        return number

    def span(self, entry: bytes) -> tuple[int, int] | None:
        """Where the value of an entry lies; None where it stands in the entry itself."""
        _, kind, count, offset = struct.unpack(self.form + "HHLL", entry)
        require(kind < len(_WIDTHS), "an entry of IFD0 has an unknown type")
        size = count * _WIDTHS[kind]
        return (offset, offset + size) if size > 4 else None

    def value(self, entry: bytes) -> bytes:
        """The bytes of an entry's value."""
        span = self.span(entry)
        if span is None:
            _, kind, count, _ = struct.unpack(self.form + "HHLL", entry)
            return entry[8 : 8 + count * _WIDTHS[kind]]
        require(span[1] <= len(self.data), "a value of IFD0 lies outside the file")
        return self.data[slice(*span)]

    def values(self, tag: int) -> list[bytes]:
        """The values of IFD0's entries with this tag."""
        return [self.value(entry) for entry in self.first.entries if self.tag(entry) == tag]


def check_tiff_edit(old: bytes, new: bytes, own: OwnCaption, *, undo: Undo) -> None:
    """Raises `VerifyError` unless `new` is `old` but for bytes 4..7, with a first page behind it that has every old
    entry byte for byte, our texts, and XMP of ours where there was none.

    `undo` takes our caption out of a file. Checked last: that undo gives the old file, and that size, mode and number
    of pages are the same to a reader that is not ours.
    """
    # startswith compares in place: a large picture is not copied.
    same = new[:4] == old[:4] and new.startswith(memoryview(old)[8:], 8)
    require(same, "bytes of the old file have changed")
    before, after = _Tiff(old), _Tiff(new)
    require(after.first.start >= len(old), "the new directory does not stand behind the old file")
    _check_entries(before, after, len(old))
    _check_texts(before, after, own)
    check_undo(old, new, undo)
    check_opens_alike(old, new)


def _check_entries(before: _Tiff, after: _Tiff, old_length: int) -> None:
    ours = {_DESCRIPTION, _COMMENT} | (set() if before.values(_PACKET) else {_PACKET})
    kept = [entry for entry in before.first.entries if before.tag(entry) not in ours]
    after_kept = [entry for entry in after.first.entries if after.tag(entry) not in ours]
    require(kept == after_kept, "an entry of IFD0 is not what it was")
    require(before.pages_after_first() == after.pages_after_first(), "the pages after the first are not what they were")
    for entry in after.first.entries:
        if after.tag(entry) in ours:
            kind, span = after.kind(entry), after.span(entry)
            require(kind == (2 if after.tag(entry) == _DESCRIPTION else 1), "a text of ours is not of the right type")
            require(span is None or span[0] >= old_length, "a text of ours does not stand behind the old file")


def _check_texts(before: _Tiff, after: _Tiff, own: OwnCaption) -> None:
    meant = own.text
    texts = [value.decode("utf-8", "replace") for value in after.values(_DESCRIPTION)]
    comments = [value.decode("utf-16-le", "replace") for value in after.values(_COMMENT)]
    require(texts == [meant + "\0"], "the caption in ImageDescription reads differently from what was meant")
    require(comments == [meant + "\0"], "the caption in XPComment reads differently from what was meant")
    if not before.values(_PACKET):
        packets = after.values(_PACKET)
        require(len(packets) == 1, "our XMP packet is not there once")
        check_packet_edit(None, packets[0])
        check_packet_text(packets[0], own)


def check_tiff_removal(old: bytes, new: bytes) -> None:
    """Raises `VerifyError` unless `new` differs from `old` in nothing but the directory of the first page, which has
    lost no entry but our texts, in XMP, in captions of IPTC, and in the last bytes (our record), as after an undo that
    could not be exact.
    """
    before, after = _Tiff(old), _Tiff(new)
    require(len(new) == len(old) and after.first.start == before.first.start, "parts of the file have moved")
    ours = (_DESCRIPTION, _COMMENT, *_SHORTER)
    kept = [entry for entry in before.first.entries if before.tag(entry) not in ours]
    after_kept = [entry for entry in after.first.entries if after.tag(entry) not in ours]
    require(kept == after_kept, "an entry of IFD0 is not what it was")
    require(after.pages_after_first() == before.pages_after_first(), "the pages after the first are not what they were")
    for entry in after.first.entries:
        same = after.tag(entry) in _SHORTER or after.value(entry) == before.value(entry)
        require(same, "a value of IFD0 has changed")
    check_removed(before.values(_PACKET), after.values(_PACKET))
    for tag, check in ((_IIM, check_removed_datasets), (_RESOURCES, check_removed_resources)):
        was, now = before.values(tag), after.values(tag)
        if was != now:
            require(len(was) == 1 and len(now) <= 1, "IPTC is new, or one of several is gone")
            check(was[0], now[0] if now else b"")
    packets = [
        before.span(entry)
        for entry in before.first.entries
        if before.tag(entry) in _SHORTER and before.value(entry) not in after.values(before.tag(entry))
    ]
    check_comment(old, new)
    changeable = [(before.first.start, before.first.end), *(span for span in packets if span is not None)]
    changeable += exif_directory(old)
    _check_same_but(old, new, [*changeable, (len(old) - _MAGIC_BYTES, len(old))])
    check_opens_alike(old, new)


def _check_same_but(old: bytes, new: bytes, changeable: list[tuple[int, int]]) -> None:
    at = 0
    for start, end in sorted(changeable):
        same = start <= at or new.startswith(memoryview(old)[at:start], at)
        require(same, "bytes that are not ours have changed")
        at = max(at, end)
    require(new.startswith(memoryview(old)[at:], at), "bytes that are not ours have changed")
