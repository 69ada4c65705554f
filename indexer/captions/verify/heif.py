"""Independent proof of edits in HEIC files. See `indexer.captions.verify`."""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

from indexer.captions.verify import Span, Undo, VerifyError, check_undo, require, same_but
from indexer.captions.verify.metadata import (
    check_packet_edit,
    check_packet_text,
    check_removed_datasets,
    check_removed_packets,
)
from indexer.captions.verify.tiff import Tiff, check_block_edit, check_entries
from indexer.ownership.mark import OwnCaption

_MAGIC = b"RECOLLHF"
_OWN_NAMESPACE = b"urn:uuid:0a7c34f5-6a1d-4f0e-9c55-7d2f1b8e4c21#"
_FOOTER_BYTES = 78  # its first four say how long the mark before it is


@dataclass(frozen=True, slots=True)
class _Item:
    """An item: what kind (`exif`, `xmp`, `iptc`, or empty), in what way it is stored, where, and which bytes say so."""

    kind: str
    storage: tuple[int, int]  # construction method, data reference
    spans: tuple[Span, ...]
    numbers: tuple[Span, ...]


def check_heif_edit(old: bytes, new: bytes, own: OwnCaption, *, undo: Undo) -> None:
    """Raises `VerifyError` unless `new` is `old`, one `mdat` box more, and one Exif or XMP item that lies there now.

    Checked in order: every old byte but the numbers that say where that item lies; all other items; what the item was
    and is; that undo gives the old file; that libheif opens both alike.
    """
    before, after = _items(old), _items(new)
    tops = [(kind, start, end) for kind, start, _, end in _boxes(new, 0, len(new))]
    require(
        len(new) > len(old) and tops[-1] == (b"mdat", len(old), len(new)), "there is no one box behind the old file"
    )
    changed = [number for number in before.keys() | after.keys() if before.get(number) != after.get(number)]
    require(len(changed) == 1, "not exactly one item of the file has moved")
    was, now = before.get(changed[0]), after.get(changed[0])
    if was is None or now is None:
        raise VerifyError("verification: an item of the file is gone, or new")
    same_kind = (was.kind, was.storage, was.numbers) == (now.kind, now.storage, now.numbers)
    require(same_kind and bool(was.kind) and len(was.spans) == len(now.spans) == 1, "an item is not what it was")
    require(now.spans[0] == _place(old, new), "the item does not lie behind the old file")
    require(same_but(old, new, len(old), was.numbers), "a byte of the old file has changed")
    inside = all(end <= len(old) for item in before.values() if item.storage == (0, 0) for _, end in item.spans)
    require(inside, "an item that is not ours lies in our box")
    _check_item(was.kind, old[slice(*was.spans[0])], new[slice(*now.spans[0])], own)
    check_undo(old, new, undo)
    require(_inspect(old) == _inspect(new), "the pictures no longer open at the same size and mode")


def _place(old: bytes, new: bytes) -> Span:
    """Where the item has to lie in our box: behind its header and magic, before the mark and the footer."""
    require(new.startswith(_MAGIC, len(old) + 8) and new.endswith(_MAGIC), "our box does not begin or end as it should")
    (mark,) = struct.unpack_from(">L", new, len(new) - _FOOTER_BYTES)
    return len(old) + 8 + len(_MAGIC), len(new) - _FOOTER_BYTES - mark


def _check_item(kind: str, old: bytes, new: bytes, own: OwnCaption) -> None:
    require(kind != "iptc", "IPTC has changed")
    if kind == "xmp":
        check_packet_edit(old, new)
        check_packet_text(new, own)
        return
    start = _tiff_start(old)
    require(new[:start] == old[:start], "what stands before the Exif block has changed")
    check_block_edit(old[start:], new[start:], own)


def _tiff_start(payload: bytes) -> int:
    require(len(payload) >= 4, "the Exif item is empty")
    start: int = 4 + struct.unpack(">L", payload[:4])[0]
    require(payload[start : start + 4] in (b"II*\0", b"MM\0*"), "the Exif item has no TIFF header where it says")
    return start


def check_heif_removal(old: bytes, new: bytes) -> None:
    """Raises `VerifyError` unless `new` differs from `old` in nothing but Exif and XMP items, the numbers that say
    where those lie, our footers, and a last box that nothing else lies in, as after an undo that could not be exact."""
    before, after = _items(old), _items(new)
    require(before.keys() == after.keys(), "an item of the file is gone, or new")
    tops = [start for kind, start, _, _ in _boxes(old, 0, len(old)) if kind == b"mdat"]
    require(len(new) == len(old) or (len(new) < len(old) and tops[-1:] == [len(new)]), "more than our box is gone")
    free, kept = [*_footers(old)], list[Span]()
    for number, was in before.items():
        now = after[number]
        require((was.kind, was.storage, was.numbers) == (now.kind, now.storage, now.numbers), "an item has changed")
        if was.kind and (was.spans != now.spans or _payload(old, was) != _payload(new, now)):
            free += [*was.numbers, *was.spans]
            _check_removed(was, _payload(old, was), _payload(new, now))
        else:
            require(was.spans == now.spans, "an item that is not ours to touch has moved")
            kept += was.spans if was.storage == (0, 0) else ()
    inside = all(end <= len(new) and not any(a < end and start < b for a, b in free) for start, end in kept)
    require(inside, "an item that is not ours to touch lies where bytes have changed")
    require(same_but(old, new, len(new), free), "a byte that is not ours to touch has changed")
    require(_inspect(old) == _inspect(new), "the pictures no longer open at the same size and mode")


def _payload(data: bytes, item: _Item) -> bytes:
    require(sum(end - start for start, end in item.spans) <= len(data), "an item is longer than the file")
    return b"".join(data[start:end] for start, end in item.spans)


def _check_removed(was: _Item, old: bytes, new: bytes) -> None:
    """Of an Exif block only IFD0 may have changed, and of that no entry but ours be gone; an XMP packet must have had
    our part in it, which another program may have written in any way by now."""
    if was.kind == "xmp":
        require(_OWN_NAMESPACE in old, "an XMP packet that is not ours to touch has changed")
        check_removed_packets([old], [new])
        return
    if was.kind == "iptc":
        check_removed_datasets(old, new)
        return
    starts = _tiff_start(old), _tiff_start(new)
    require(old[: starts[0]] == new[: starts[1]], "what stands before the Exif block has changed")
    before, after = old[starts[0] :], new[starts[1] :]
    check_entries(before, after)
    recorded = before[-28:-24] if before.endswith(b"RECOLL01") and len(before) >= 28 else b""
    sizes = {len(before), int.from_bytes(recorded, "little") or len(before)}  # as it is, or as our record says it was
    require(len(after) in sizes, "the Exif block is not as long as it was")
    masks = [(0, 8)]
    if len(before) == len(after):  # entries were taken out of IFD0 where it stands, and our record made unreadable
        ifd0 = Tiff(before).first
        masks += [(ifd0.start, ifd0.end), (len(before) - 8, len(before))]
    same = before[:4] == after[:4] and same_but(before, after, len(after), masks)
    require(same, "a byte of the Exif block that is not ours to touch has changed")


def _footers(data: bytes) -> Iterator[Span]:
    for kind, _, _, end in _boxes(data, 0, len(data)):
        if kind == b"mdat" and data[:end].endswith(_MAGIC):
            (mark,) = struct.unpack_from(">L", data, end - _FOOTER_BYTES)
            yield end - _FOOTER_BYTES - min(mark, 4096), end


def _boxes(data: bytes, at: int, end: int) -> Iterator[tuple[bytes, int, int, int]]:
    """Kind, start, body and end of each box; they must fill the space."""
    while at < end:
        require(at + 8 <= end, "there are bytes that are no box")
        size, kind = struct.unpack_from(">L4s", data, at)
        body = at + 8
        if size == 1:
            require(at + 16 <= end, "a box is cut off")
            (size,) = struct.unpack_from(">Q", data, at + 8)
            body = at + 16
        require(body - at <= size <= end - at, "a box is cut off")
        yield kind, at, body, at + size
        at += size


def _items(data: bytes) -> dict[int, _Item]:
    """Every item that `iloc` tells of."""
    try:
        metas = [(body, end) for kind, _, body, end in _boxes(data, 0, len(data)) if kind == b"meta"]
        require(len(metas) == 1, "there is not one meta box")
        inside = {kind: (body, end) for kind, _, body, end in _boxes(data, metas[0][0] + 4, metas[0][1])}
        require(b"iinf" in inside and b"iloc" in inside, "the file has no index of its items")
        kinds = dict(_kinds(data, *inside[b"iinf"]))
        return dict(_locations(data, inside[b"iloc"][0], kinds))
    except (struct.error, IndexError) as error:
        raise VerifyError(f"verification: the file's index can't be read: {error}") from error


def _kinds(data: bytes, body: int, end: int) -> Iterator[tuple[int, str]]:
    for _, _, at, stop in _boxes(data, body + (6 if data[body] == 0 else 8), end):
        short = data[at] == 2
        number, kind = struct.unpack_from(">H2x4s" if short else ">L2x4s", data, at + 4)
        names = data[at + (12 if short else 14) : stop].split(b"\0")
        if kind == b"Exif":
            yield number, "exif"
        elif kind == b"iptc":
            yield number, "iptc"
        elif kind == b"mime" and names[1:2] == [b"application/rdf+xml"]:
            yield number, "xmp"


def _locations(data: bytes, at: int, kinds: dict[int, str]) -> Iterator[tuple[int, _Item]]:
    version, sizes = data[at], [int(digit, 16) for digit in data[at + 4 : at + 6].hex()]
    wide = "L" if version == 2 else "H"
    (count,) = struct.unpack_from(">" + wide, data, at + 6)
    at += 6 + struct.calcsize(">" + wide)
    head = struct.Struct(">" + wide + ("HH" if version else "H"))  # number, construction method, data reference
    for _ in range(count):
        number, *storage = head.unpack_from(data, at)
        base = at + head.size
        first = base + sizes[2] + 2
        (extents,) = struct.unpack_from(">H", data, first - 2)
        spans, numbers, at = _extents(data, (base, first - 2), extents, sizes if version else [*sizes[:3], 0])
        yield number, _Item(kinds.get(number, ""), (storage[0] if version else 0, storage[-1]), spans, numbers)


def _extents(data: bytes, base: Span, count: int, sizes: list[int]) -> tuple[tuple[Span, ...], tuple[Span, ...], int]:
    """Where the extents lie, which bytes say so, and where the next item's entry begins."""
    offset, length, _, index = sizes
    step, at = index + offset + length, base[1] + 2
    require(step > 0 or count == 0, "the file's index gives its items no place")
    spans, numbers = [], [base]
    for _ in range(count):
        middle, stop = at + index + offset, at + step
        require(stop <= len(data), "the file's index is cut off")
        numbers += [(middle - offset, middle), (middle, stop)]
        start = _number(data, base) + _number(data, numbers[-2])
        spans.append((start, start + _number(data, numbers[-1])))
        at = stop
    return tuple(spans), tuple(numbers), at


def _number(data: bytes, span: Span) -> int:
    return int.from_bytes(data[slice(*span)], "big")


def _inspect(data: bytes) -> list[tuple[tuple[int, int], str]]:
    """Size and mode of every image, by libheif."""
    import pillow_heif  # takes a while, and few files need it

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            file = pillow_heif.open_heif(io.BytesIO(data))
            pictures = [(image.size, image.mode) for image in file]
    except (OSError, ValueError, RuntimeError, SyntaxError, EOFError, MemoryError) as error:
        raise VerifyError("the picture can't be opened") from error
    require(bool(pictures), "the picture can't be opened")
    return pictures
