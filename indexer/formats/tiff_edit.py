"""Captions in a TIFF block (the payload of an Exif segment, or a TIFF file) by an append-only edit, and its undoing.

The block is kept byte for byte. At its end stand a copy of IFD0 with our entries added, their values, and an undo
record; in the old bytes only the header's offset of IFD0 changes, so that every other offset stays true. A block may be
a file of 100 MB: it is put together once, from views of the old one.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import piexif

from indexer.errors import CaptionRefused
from indexer.formats import iptc, tiff, xmp_packet, xmp_tree
from indexer.formats.tiff import Entry, TiffError
from indexer.ownership.mark import Mark, OwnCaption, Stripped, digest
from indexer.reasons import ReasonCode

#: What one JPEG segment holds after its length and "Exif\0\0".
MAX_BLOCK_BYTES = 65_527

_OUR_TAGS = (tiff.IMAGE_DESCRIPTION, tiff.XP_COMMENT)
_ASCII, _BYTE = 2, 1
_MAGIC = b"RECOLL01"
# length of the mark, old length of the block, old offset of IFD0, crc32 of the old block, crc32 of the tail up to
# here, crc32 of the five before, magic: at the very end of the block, always little-endian.
_FOOTER = struct.Struct("<IIIIII8s")
_MAX_MARK_BYTES = 4096


@dataclass(frozen=True, slots=True)
class UndoRecord:
    """What the end of a block that we edited says. `old_length` is 0 where there was no block before."""

    mark: Mark
    old_length: int
    old_ifd0: int
    old_crc: int
    intact: bool  # whether the tail is still as we wrote it


def append_caption(
    block: bytes, own: OwnCaption, *, limit: int = MAX_BLOCK_BYTES, packet: bytes | None = None
) -> bytes:
    """`block` with the caption in ImageDescription and XPComment of IFD0, and an undo record; `packet` is XMP for
    a TIFF file that has none.

    Raises `TiffError` on a block that is not understood to the last offset, `CaptionRefused` where the result would
    be longer than `limit` bytes.
    """
    tiff.check_block(block)
    start, tail = _tail(block, _values(own.text, packet))
    record = _record(own.mark, tail, block, tiff.read_header(block)[1])
    size = len(block) + len(tail) + len(record)
    if size > limit:
        raise CaptionRefused(ReasonCode.EXIF_FULL, size=size, limit=limit)
    return b"".join([*_point_to_ifd0(block, start), tail, record])


def compose_block(own: OwnCaption) -> bytes:
    """The smallest Exif block with this caption, for a file that has none; it undoes to nothing."""
    empty: bytes = piexif.dump({"0th": {}}).removeprefix(b"Exif\0\0")
    start, tail = _tail(empty, _values(own.text, None))
    block = b"".join([*_point_to_ifd0(empty, start), tail])
    return block + _record(own.mark, block, b"", 0)


def _point_to_ifd0(block: bytes, ifd0: int, end: int | None = None) -> tuple[bytes | memoryview, ...]:
    """The pieces of the block up to `end`, with IFD0 at another offset."""
    return block[:4], struct.pack(tiff.read_header(block)[0] + "I", ifd0), memoryview(block)[8:end]


def _tail(block: bytes, values: dict[int, tuple[int, bytes]]) -> tuple[int, bytes]:
    """Where IFD0 stands once more after the block, with our entries; and all that comes after the block."""
    order, directory = tiff.read_ifd0(block)
    start = len(block) + -len(block) % 4
    kept = [entry for entry in directory.entries if entry.tag not in values]
    size = 2 + tiff.ENTRY_BYTES * (len(kept) + len(values)) + 4
    added, strings = _place(values, order, start + size)
    again = _directory_bytes(_in_order(kept, added), order, directory.next_offset)
    return start, b"\0" * (start - len(block)) + again + strings


def _values(text: str, packet: bytes | None) -> dict[int, tuple[int, bytes]]:
    """Field type and bytes of each of our tags. XPComment is UTF-16LE whatever the block's byte order."""
    values = {
        tiff.IMAGE_DESCRIPTION: (_ASCII, text.encode() + b"\0"),
        tiff.XP_COMMENT: (_BYTE, text.encode("utf-16-le") + b"\0\0"),
    }
    return values if packet is None else values | {tiff.XMP: (_BYTE, packet)}


def _place(values: dict[int, tuple[int, bytes]], order: str, offset: int) -> tuple[list[tuple[int, bytes]], bytes]:
    """The entries (tag, 12 bytes) of `values`, which are laid down from `offset` on, each on an even byte."""
    entries, strings = [], b""
    for tag, (kind, value) in values.items():
        if len(value) <= 4:
            where = value.ljust(4, b"\0")
        else:
            where = struct.pack(order + "I", offset + len(strings))
            strings += value + b"\0" * (len(value) % 2)
        entries.append((tag, struct.pack(order + "HHI", tag, kind, len(value)) + where))
    return entries, strings


def _in_order(kept: Sequence[Entry], added: Sequence[tuple[int, bytes]]) -> list[bytes]:
    """Ours go before the first greater tag; the others keep their order, also where it is not the right one."""
    merged = [(entry.tag, entry.raw) for entry in kept]
    for tag, raw in added:
        index = next((i for i, (other, _) in enumerate(merged) if other > tag), len(merged))
        merged.insert(index, (tag, raw))
    return [raw for _, raw in merged]


def _directory_bytes(entries: Sequence[bytes], order: str, next_offset: int) -> bytes:
    return struct.pack(order + "H", len(entries)) + b"".join(entries) + struct.pack(order + "I", next_offset)


def _record(mark: Mark, tail: bytes, old: bytes, old_ifd0: int) -> bytes:
    body = mark.to_json()
    numbers = struct.pack("<IIIII", len(body), len(old), old_ifd0, zlib.crc32(old), zlib.crc32(tail + body))
    return body + numbers + struct.pack("<I8s", zlib.crc32(numbers), _MAGIC)


def undo_record(block: bytes) -> UndoRecord | None:
    """Our record at the end of a block, or None where there is none."""
    end = len(block) - _FOOTER.size
    if end < 0 or not block.endswith(_MAGIC):
        return None
    size, old_length, old_ifd0, old_crc, tail_crc, own_crc, _ = _FOOTER.unpack_from(block, end)
    if zlib.crc32(block[end : end + 20]) != own_crc or size > _MAX_MARK_BYTES or old_length + size > end:
        return None
    mark = Mark.from_json(block[end - size : end])
    if mark is None:
        return None
    tail = memoryview(block)[old_length:end]
    return UndoRecord(mark, old_length, old_ifd0, old_crc, zlib.crc32(tail) == tail_crc)


def original_pieces(block: bytes) -> tuple[bytes | memoryview, ...]:
    """What the block was before our caption, in pieces; all of it where nothing of ours is there, or somebody has
    changed our part since. Never raises."""
    record = undo_record(block)
    if record is None or not record.intact or record.old_length < 8 or block[:2] not in (b"II", b"MM"):
        return (block,)
    return _point_to_ifd0(block, record.old_ifd0, record.old_length)


def strip_caption(block: bytes, digests: frozenset[str]) -> Stripped:
    """`block` without our caption: cut back to what it was, or, where another program has changed it since, with
    only those of our entries taken out whose text has one of `digests`. The record alone is not believed: anybody can
    write one, and what is cut away must be ours.

    Raises `TiffError` where that can't be done without risk, `XmpError` likewise.
    """
    record = undo_record(block)
    if record is not None and record.intact:
        if record.old_length == 0 and _holds_only(block, frozenset((record.mark.digest,))):
            return Stripped(None, exact=True)
        pieces = original_pieces(block)
        if record.old_length and reduce(lambda crc, piece: zlib.crc32(piece, crc), pieces, 0) == record.old_crc:
            original = b"".join(pieces)
            tiff.check_block(original)
            return Stripped(original, exact=True)
    if not _has_remains(block) and _holds_only(block, digests):  # another program has written the block anew
        return Stripped(None, exact=False)
    return Stripped(_remove_entries(block, digests, erase_record=record is not None), exact=False)


def holds(block: bytes, digests: frozenset[str]) -> bool:
    """Whether our record is there, or a text of one of these digests in any field of captions."""
    return undo_record(block) is not None or any(digest(text.text) in digests for text in tiff.texts(block))


def _has_remains(block: bytes) -> bool:
    """Whether there is a record of ours, or what damage has left of one."""
    return _MAGIC in block or b'"digest":"' in block


def _holds_only(block: bytes, digests: frozenset[str]) -> bool:
    """Whether IFD0 has nothing but texts of these digests, and no directory comes after it."""
    order, directory = tiff.read_ifd0(block)
    return not directory.next_offset and all(_is_own(block, order, entry, digests) for entry in directory.entries)


def _remove_entries(block: bytes, digests: frozenset[str], *, erase_record: bool) -> bytes:
    """Closes the gap inside IFD0, where it stands: no other byte moves, so that every offset stays true."""
    tiff.check_block(block)
    order, directory = tiff.read_ifd0(block)
    entries = [entry for entry in directory.entries if not _is_own(block, order, entry, digests)]
    shortened: list[Entry] = []
    changes: list[tuple[int, bytes]] = [(len(block) - len(_MAGIC), b"\0" * len(_MAGIC))] if erase_record else []
    kept = []
    for entry in entries:
        remaining = _remove_from_value(block, entry, digests)
        if remaining is None:
            kept.append(entry.raw)
            continue
        shortened.append(entry)
        if remaining:
            count = struct.pack(order + "I", len(remaining) // tiff.TYPE_BYTES[entry.kind])
            kept.append(entry.raw[:4] + count + entry.raw[8:])
            changes.append((entry.start, remaining.ljust(entry.end - entry.start, b"\0")))
    _check_no_overlap(block, shortened)
    if not kept:
        raise TiffError("another program has rewritten the Exif block, and our entries are all that IFD0 holds")
    gap = tiff.ENTRY_BYTES * (len(directory.entries) - len(kept))
    changes.append((directory.offset, _directory_bytes(kept, order, directory.next_offset) + b"\0" * gap))
    changes += _remove_comment(block, order, directory.entries, digests)
    return _overwrite(block, changes)


def _remove_comment(
    block: bytes, order: str, ifd0: Sequence[Entry], digests: frozenset[str]
) -> list[tuple[int, bytes]]:
    """The Exif IFD without a UserComment into which another program has copied our caption."""
    pointers = [tiff.integers(block, order, entry) for entry in ifd0 if entry.tag == tiff.EXIF_IFD]
    if len(pointers) != 1 or len(pointers[0]) != 1:
        return []
    directory = tiff.read_directory(block, order, pointers[0][0], is_sub=True)
    kept = [
        entry.raw
        for entry in directory.entries
        if entry.tag != tiff.USER_COMMENT or digest(tiff.entry_text(block, order, entry)) not in digests
    ]
    gap = tiff.ENTRY_BYTES * (len(directory.entries) - len(kept))
    if not kept or not gap:
        return []
    end = directory.offset + 2 + tiff.ENTRY_BYTES * len(directory.entries)
    following = block[end : end + 4]  # which may be missing at the end of a block
    return [(directory.offset, struct.pack(order + "H", len(kept)) + b"".join(kept) + following + b"\0" * gap)]


def _check_no_overlap(block: bytes, shortened: Sequence[Entry]) -> None:
    """Raises `TiffError` where other values, or parts of a picture, lie in the bytes of these."""
    if not shortened:
        return
    others = [span for span in tiff.spans(block) if span not in {(entry.start, entry.end) for entry in shortened}]
    if any(start < entry.end and entry.start < end for entry in shortened for start, end in others):
        raise TiffError("parts of the Exif block lie on top of each other")


def _remove_from_value(block: bytes, entry: Entry, digests: frozenset[str]) -> bytes | None:
    """A TIFF file's XMP packet without our part, or its IPTC without our caption; b"" where nothing is left of it, None
    where it is to stay."""
    if entry.tag not in (tiff.XMP, tiff.IPTC, tiff.PHOTOSHOP) or tiff.TYPE_BYTES[entry.kind] not in (1, 4):
        return None
    value = block[entry.start : entry.end]
    if entry.tag == tiff.XMP:
        return _remove_from_packet(value, digests) if tiff.TYPE_BYTES[entry.kind] == 1 else None
    remaining = (iptc.remove_from_iim if entry.tag == tiff.IPTC else iptc.remove_from_resources)(value, digests)
    if remaining is None or not remaining.strip(b"\0"):
        return remaining and b""
    remaining += b"\0" * (-len(remaining) % tiff.TYPE_BYTES[entry.kind])
    return remaining if len(remaining) > 4 else None


def _remove_from_packet(packet: bytes, digests: frozenset[str]) -> bytes | None:
    """b"" where nothing is left of it, None where it is to stay."""
    parsed = xmp_tree.parse_or_none(packet)
    if parsed is None or not xmp_packet.holds(parsed, digests):
        return None
    remaining = xmp_packet.strip_caption(packet, digests).data or b""
    return remaining if len(remaining) > 4 else b""


def _overwrite(block: bytes, changes: Sequence[tuple[int, bytes]]) -> bytes:
    """`block` with bytes at these offsets replaced by as many others."""
    view, pieces, at = memoryview(block), list[bytes | memoryview](), 0
    for start, new in sorted(changes):
        if start < at:
            raise TiffError("parts of the Exif block lie on top of each other")
        pieces += [view[at:start], new]
        at = start + len(new)
    return b"".join([*pieces, view[at:]])


def _is_own(block: bytes, order: str, entry: Entry, digests: frozenset[str]) -> bool:
    return entry.tag in _OUR_TAGS and digest(tiff.entry_text(block, order, entry)) in digests
