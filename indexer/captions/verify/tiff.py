"""Independent proof of edits in TIFF blocks: in Exif, and in TIFF files. See `indexer.captions.verify`."""

from __future__ import annotations

import struct
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from indexer.captions.verify import Span, Undo, VerifyError, check_opens_alike, check_undo, require, same_but
from indexer.captions.verify.metadata import (
    check_packet_edit,
    check_packet_text,
    check_removed_datasets,
    check_removed_packets,
    check_removed_resources,
)
from indexer.ownership.mark import OwnCaption

_DESCRIPTION, _COMMENT, _PACKET = 0x010E, 0x9C9C, 0x02BC
_OURS = (_DESCRIPTION, _COMMENT)
_IIM, _RESOURCES = 0x83BB, 0x8649
_SHORTER = (_PACKET, _IIM, _RESOURCES)
_EXIF, _USER_COMMENT = 0x8769, 0x9286
_WIDTHS = (0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4)
_MOST_PAGES = 10_000
_MAGIC_BYTES = 8


@dataclass(frozen=True, slots=True)
class _Directory:
    """A directory as bytes: where it stands, its 12-byte entries, and where the next one is."""

    start: int
    end: int
    entries: list[bytes]
    following: int


class Tiff:
    """A block taken apart anew; `form` is `<` or `>`. Raises `VerifyError` where IFD0 can't be read."""

    def __init__(self, data: bytes) -> None:
        require(data[:4] in (b"II*\0", b"MM\0*"), "the block does not begin as a TIFF does")
        self.data = data
        self.form = "<" if data[:1] == b"I" else ">"
        self.first = self._directory(int.from_bytes(data[4:8], "little" if self.form == "<" else "big"))

    def _directory(self, start: int) -> _Directory:
        try:
            (count,) = struct.unpack_from(self.form + "H", self.data, start)
            end = start + 2 + 12 * count
            (following,) = struct.unpack_from(self.form + "L", self.data, end)
        except struct.error as error:
            raise VerifyError(f"verification: a directory can't be read: {error}") from error
        return _Directory(start, end + 4, [self.data[at : at + 12] for at in range(start + 2, end, 12)], following)

    def pages_after_first(self) -> list[int]:
        """Where the directories of the other pages stand."""
        found, page = list[int](), self.first
        while page.following:
            require(len(found) < _MOST_PAGES and page.following not in found, "the pages lead in a circle")
            found.append(page.following)
            page = self._directory(page.following)
        return found

    def others(self, ours: Collection[int]) -> list[bytes]:
        """IFD0's entries with other tags than these."""
        return [entry for entry in self.first.entries if self.tag(entry) not in ours]

    def tag(self, entry: bytes) -> int:
        """The tag number of an entry."""
        number: int = struct.unpack(self.form + "H", entry[:2])[0]
        return number

    def kind(self, entry: bytes) -> int:
        """The field type of an entry: 1 is BYTE, 2 is ASCII (TIFF 6.0, section 2)."""
        number: int = struct.unpack(self.form + "H", entry[2:4])[0]
        return number

    def span(self, entry: bytes) -> Span | None:
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
        require(span[1] <= len(self.data), "a value of IFD0 lies outside the block")
        return self.data[slice(*span)]

    def values(self, tag: int) -> list[bytes]:
        """The values of IFD0's entries with this tag."""
        return [self.value(entry) for entry in self.first.entries if self.tag(entry) == tag]

    def exif_directory(self) -> list[Span]:
        """Where the directory stands that IFD0's tag 0x8769 points at, with the four bytes behind it; none where there
        is no such."""
        pointers = [entry for entry in self.first.entries if self.tag(entry) == _EXIF]
        if not pointers:
            return []
        (at,) = struct.unpack(self.form + "L", pointers[0][8:])
        require(at + 2 <= len(self.data), "the Exif IFD lies outside its block")
        (count,) = struct.unpack_from(self.form + "H", self.data, at)
        return [(at, at + 2 + 12 * count + 4)]


def check_block_edit(old: bytes | None, new: bytes, own: OwnCaption) -> None:
    """Raises `VerifyError` unless the TIFF block `new` is `old` but for bytes 4..7, with an IFD0 behind it that has
    every old entry byte for byte and our two texts. `old` is None where there was no block."""
    if old is not None:
        require(new[:4] == old[:4] and new[8 : len(old)] == old[8:], "bytes of the old Exif block have changed")
        check_entries(old, new)
    else:
        check_no_entries(new)
    _check_texts(Tiff(new), own)


def _check_texts(after: Tiff, own: OwnCaption) -> None:
    texts = [value.decode("utf-8", "replace") for value in after.values(_DESCRIPTION)]
    comments = [value.decode("utf-16-le", "replace") for value in after.values(_COMMENT)]
    require(texts == [own.text + "\0"], "the caption in ImageDescription reads differently from what was meant")
    require(comments == [own.text + "\0"], "the caption in XPComment reads differently from what was meant")


def check_entries(old: bytes, new: bytes) -> None:
    """Raises `VerifyError` unless IFD0 lost and gained nothing but our two fields."""
    before, after = Tiff(old), Tiff(new)
    require(before.others(_OURS) == after.others(_OURS), "an entry of IFD0 is not what it was")
    require(before.first.following == after.first.following, "the pointer to the next directory has changed")


def check_comment(old: bytes, new: bytes) -> None:
    """Raises `VerifyError` unless the Exif IFD lost and gained nothing but a UserComment."""
    before, after = (Tiff(side) for side in (old, new))
    entries, remaining = (
        [side.data[at : at + 12] for start, end in side.exif_directory() for at in range(start + 2, end - 4, 12)]
        for side in (before, after)
    )
    lost = [raw for raw in entries if raw not in remaining and before.tag(raw) != _USER_COMMENT]
    require(not lost and all(raw in entries for raw in remaining), "an entry of the Exif IFD is not what it was")


def check_no_entries(block: bytes) -> None:
    """Raises `VerifyError` where IFD0 has anything but our two fields, or a directory comes after it."""
    tiff = Tiff(block)
    require(not tiff.others(_OURS), "more than our texts stand in the Exif block")
    require(not tiff.first.following, "a directory follows in the Exif block")


def check_removed_entries(before: Sequence[bytes], after: Sequence[bytes]) -> None:
    """Raises `VerifyError` unless the Exif blocks of a file lost nothing but our texts; one that is gone must have had
    nothing else."""
    lost, gained = ([one for one in side if one not in other] for side, other in ((before, after), (after, before)))
    require(len(lost) == len(gained) or not gained, "an Exif block is new, or one of several is gone")
    for block in () if gained else lost:
        check_no_entries(block)
    for old, new in zip(lost, gained, strict=False):
        check_entries(old, new)
        check_comment(old, new)


def check_tiff_edit(old: bytes, new: bytes, own: OwnCaption, *, undo: Undo) -> None:
    """Raises `VerifyError` unless `new` is `old` but for bytes 4..7, with a first page behind it that has every old
    entry byte for byte, our texts, and XMP of ours where there was none.

    `undo` takes our caption out of a file. Checked last: that undo gives the old file, and that size, mode and number
    of pages are the same to a reader that is not ours.
    """
    require(same_but(old, new, len(old), [(4, 8)]), "bytes of the old file have changed")
    before, after = Tiff(old), Tiff(new)
    require(after.first.start >= len(old), "the new directory does not stand behind the old file")
    ours = _OURS if before.values(_PACKET) else (*_OURS, _PACKET)
    _check_pages(before, after, ours)
    for entry in after.first.entries:
        if after.tag(entry) in ours:
            kind, span = after.kind(entry), after.span(entry)
            require(kind == (2 if after.tag(entry) == _DESCRIPTION else 1), "a text of ours is not of the right type")
            require(span is None or span[0] >= len(old), "a text of ours does not stand behind the old file")
    _check_texts(after, own)
    if _PACKET in ours:
        packets = after.values(_PACKET)
        require(len(packets) == 1, "our XMP packet is not there once")
        check_packet_edit(None, packets[0])
        check_packet_text(packets[0], own)
    check_undo(old, new, undo)
    check_opens_alike(old, new)


def _check_pages(before: Tiff, after: Tiff, ours: Collection[int]) -> None:
    require(before.others(ours) == after.others(ours), "an entry of IFD0 is not what it was")
    require(before.pages_after_first() == after.pages_after_first(), "the pages after the first are not what they were")


def check_tiff_removal(old: bytes, new: bytes) -> None:
    """Raises `VerifyError` unless `new` differs from `old` in nothing but the directory of the first page, which has
    lost no entry but our texts, in XMP, in captions of IPTC, and in the last bytes (our record), as after an undo that
    could not be exact.
    """
    before, after = Tiff(old), Tiff(new)
    require(len(new) == len(old) and after.first.start == before.first.start, "parts of the file have moved")
    _check_pages(before, after, (*_OURS, *_SHORTER))
    for entry in after.first.entries:
        same = after.tag(entry) in _SHORTER or after.value(entry) == before.value(entry)
        require(same, "a value of IFD0 has changed")
    check_removed_packets(before.values(_PACKET), after.values(_PACKET))
    for tag, check in ((_IIM, check_removed_datasets), (_RESOURCES, check_removed_resources)):
        was, now = before.values(tag), after.values(tag)
        if was != now:
            require(len(was) == 1 and len(now) <= 1, "IPTC is new, or one of several is gone")
            check(was[0], now[0] if now else b"")
    shortened = [
        before.span(entry)
        for entry in before.first.entries
        if before.tag(entry) in _SHORTER and before.value(entry) not in after.values(before.tag(entry))
    ]
    check_comment(old, new)
    changeable = [(before.first.start, before.first.end), *(span for span in shortened if span is not None)]
    changeable += [*before.exif_directory(), (len(old) - _MAGIC_BYTES, len(old))]
    require(same_but(old, new, len(old), changeable), "bytes that are not ours have changed")
    check_opens_alike(old, new)
