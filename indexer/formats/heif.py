"""Reading the structure of a HEIF file: boxes (ISO/IEC 14496-12) and items (ISO/IEC 23008-12), to the last byte.

Strict, because a file is edited by what is read here: a box that is cut off, a count that does not come out or a
field of an unknown version is an error. Boxes inside `meta` that say nothing of where items lie are left unread.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from indexer.errors import NotUnderstood

FTYP, META, MDAT = b"ftyp", b"meta", b"mdat"
#: An item's bytes lie in the file, and not in `idat` or in another item (14496-12, 8.11.3).
IN_FILE = 0
PICTURE_HANDLER = b"pict"

_MAX_BOXES = 4096
_MAX_ITEMS = 8192
_MAX_EXTENTS = 65_536
_MAX_REFERENCES = 65_536
_MAX_TEXT_BYTES = 1024


class HeifError(NotUnderstood):
    """The bytes are not a HEIF file whose structure is understood."""


@dataclass(frozen=True, slots=True)
class Box:
    """A box: `start` is its first byte, `body` that of its payload, `end` one past its last."""

    kind: bytes
    start: int
    body: int
    end: int
    to_end: bool = False  # whether its size is given as "up to the end of the file"


@dataclass(frozen=True, slots=True)
class Number:
    """An unsigned big-endian number and where it stands in the file. `width` is in bytes, and may be 0."""

    at: int
    width: int
    value: int

    def holds(self, value: int) -> bool:
        """Whether the field is wide enough for `value`."""
        return 0 <= value < 1 << 8 * self.width


@dataclass(frozen=True, slots=True)
class Extent:
    """A stretch of an item's bytes; `offset` counts from the item's base offset."""

    offset: Number
    length: Number


@dataclass(frozen=True, slots=True)
class Location:
    """Where an item's bytes lie: its entry in `iloc`."""

    construction: int
    reference: int  # 0: this file
    base: Number
    extents: tuple[Extent, ...]

    def spans(self) -> list[tuple[int, int]]:
        """First byte and one past the last, of each extent."""
        starts = [self.base.value + extent.offset.value for extent in self.extents]
        return [(start, start + extent.length.value) for start, extent in zip(starts, self.extents, strict=True)]


@dataclass(frozen=True, slots=True)
class Item:
    """An item's entry in `iinf`."""

    number: int
    kind: bytes
    protection: int
    content_type: str = ""  # of `mime` items
    encoding: str = ""


@dataclass(frozen=True, slots=True)
class Reference:
    """An entry of `iref`: item `source` refers to `targets`."""

    kind: bytes
    source: int
    targets: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Heif:
    """What a file consists of. Items and locations are by item number; an item may have no location."""

    boxes: tuple[Box, ...]
    brands: tuple[bytes, ...]  # the major one first
    handler: bytes
    primary: int
    items: dict[int, Item]
    locations: dict[int, Location]
    references: tuple[Reference, ...] = ()
    inside_meta: tuple[Box, ...] = field(default=())


class _Cursor:
    """Reads big-endian numbers and texts from `at` up to `end`. Raises `HeifError` past it."""

    def __init__(self, data: bytes, box: Box) -> None:
        self.data, self.at, self.end, self._kind = data, box.body, box.end, box.kind

    def field(self, width: int) -> Number:
        """The next number, with its place."""
        at = self.at
        if at + width > self.end:
            raise HeifError(f"the file's {name_of(self._kind)} box is cut off")
        self.at += width
        return Number(at, width, int.from_bytes(self.data[at : self.at], "big"))

    def number(self, width: int) -> int:
        """The next number."""
        return self.field(width).value

    def letters(self) -> bytes:
        """The next four letters."""
        return self.number(4).to_bytes(4, "big")

    def text(self) -> str:
        """The next text that ends with NUL."""
        end = self.data.find(b"\0", self.at, min(self.end, self.at + _MAX_TEXT_BYTES))
        if end < 0:
            raise HeifError(f"a text in the file's {name_of(self._kind)} box has no end")
        found = self.data[self.at : end].decode("utf-8", "replace")
        self.at = end + 1
        return found

    def version(self, *known: int) -> int:
        """The version of a full box, whose flags are passed over."""
        version = self.number(4) >> 24
        if version not in known:
            raise HeifError(f"the file's {name_of(self._kind)} box has the unknown version {version}")
        return version

    def done(self) -> None:
        """Raises `HeifError` where bytes are left over."""
        if self.at != self.end:
            raise HeifError(f"the file's {name_of(self._kind)} box is longer than what it holds")


def name_of(kind: bytes) -> str:
    """A box's four letters for a sentence."""
    return "".join(chr(letter) if 32 < letter < 127 else "?" for letter in kind)


def boxes(data: bytes, start: int, end: int) -> Iterator[Box]:
    """The boxes that fill `start`..`end`. Raises `HeifError` on one that is cut off, and on bytes that are no box."""
    at, count = start, 0
    while at < end:
        count += 1
        if end - at < 8:
            raise HeifError("behind the file's last box stand bytes that are no box")
        if count > _MAX_BOXES:
            raise HeifError("the file has too many boxes")
        size, kind, body = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8], at + 8
        to_end = size == 0
        if size == 1:
            size, body = int.from_bytes(data[at + 8 : at + 16], "big"), at + 16
        elif to_end:
            size = end - at
        if at + size > end or body > at + size:
            raise HeifError(f"the file is cut off, or its box at byte {at} is damaged")
        yield Box(kind, at, body, at + size, to_end)
        at += size


def readable_boxes(data: bytes, start: int, end: int) -> Iterator[Box]:
    """The boxes from `start` on, up to the first that is damaged."""
    with suppress(HeifError):
        yield from boxes(data, start, end)


def read_heif(data: bytes) -> Heif:
    """The structure of a whole file. Raises `HeifError` on whatever is not understood, bounded in time and memory."""
    found = tuple(boxes(data, 0, len(data)))
    if not found or found[0].kind != FTYP:
        raise HeifError("the file does not begin with an ftyp box")
    meta = _one(found, META)
    cursor = _Cursor(data, meta)
    cursor.version(0)
    inside = tuple(boxes(data, cursor.at, meta.end))
    items = _items(data, _one(inside, b"iinf"))
    reference_boxes = [box for box in inside if box.kind == b"iref"]
    return Heif(
        boxes=found,
        brands=_brands(data, found[0]),
        handler=_handler(data, _one(inside, b"hdlr")),
        primary=_primary(data, _one(inside, b"pitm")),
        items=items,
        locations=_locations(data, _one(inside, b"iloc")),
        references=_references(data, _one(inside, b"iref")) if reference_boxes else (),
        inside_meta=inside,
    )


def _one(inside: tuple[Box, ...], kind: bytes) -> Box:
    found = [box for box in inside if box.kind == kind]
    if not found:
        raise HeifError(f"the file has no {name_of(kind)} box")
    if len(found) > 1:
        raise HeifError(f"the file has {len(found)} {name_of(kind)} boxes instead of one")
    return found[0]


def _brands(data: bytes, box: Box) -> tuple[bytes, ...]:
    body = data[box.body : box.end]
    if len(body) < 8 or len(body) % 4:
        raise HeifError("the file's ftyp box is damaged")
    return body[:4], *(body[at : at + 4] for at in range(8, len(body), 4))


def _handler(data: bytes, box: Box) -> bytes:
    cursor = _Cursor(data, box)
    cursor.version(0)
    cursor.number(4)
    return cursor.letters()


def _primary(data: bytes, box: Box) -> int:
    cursor = _Cursor(data, box)
    number = cursor.number(2 if cursor.version(0, 1) == 0 else 4)
    cursor.done()
    return number


def _items(data: bytes, box: Box) -> dict[int, Item]:
    cursor = _Cursor(data, box)
    count = cursor.number(2 if cursor.version(0, 1) == 0 else 4)
    inside = list(boxes(data, cursor.at, box.end))
    if len(inside) != count or count > _MAX_ITEMS or any(entry.kind != b"infe" for entry in inside):
        raise HeifError("the file's list of items (iinf) does not come out")
    items = {item.number: item for item in (_item(data, entry) for entry in inside)}
    if len(items) != count:
        raise HeifError("two items of the file have the same number")
    return items


def _item(data: bytes, box: Box) -> Item:
    """Of an entry of another type than `mime` what follows the name is nothing that matters here."""
    cursor = _Cursor(data, box)
    number = cursor.number(2 if cursor.version(2, 3) == 2 else 4)
    protection, kind = cursor.number(2), cursor.letters()
    if kind != b"mime":
        return Item(number, kind, protection)
    cursor.text()
    content_type = cursor.text()
    return Item(number, kind, protection, content_type, cursor.text() if cursor.at < cursor.end else "")


def _locations(data: bytes, box: Box) -> dict[int, Location]:
    """ISO/IEC 14496-12, 8.11.3: four bits each say how wide offsets, lengths, base offsets and indices are."""
    cursor = _Cursor(data, box)
    version = cursor.version(0, 1, 2)
    sizes = cursor.number(2)
    widths = offset, length, base, index = [sizes >> shift & 15 for shift in (12, 8, 4, 0)]
    if any(width not in (0, 4, 8) for width in widths[: 4 if version else 3]):
        raise HeifError("the file's iloc box has numbers of an unknown width")
    wide = 4 if version == 2 else 2
    count, left = cursor.number(wide), _MAX_EXTENTS
    if count > _MAX_ITEMS:
        raise HeifError("the file's iloc box has too many items")
    found: dict[int, Location] = {}
    for _ in range(count):
        number = cursor.number(wide)
        construction = cursor.number(2) & 15 if version else IN_FILE
        reference, start, extents = cursor.number(2), cursor.field(base), cursor.number(2)
        left -= extents
        if number in found or left < 0:
            raise HeifError("the file's iloc box names an item twice, or has too many parts")
        parts = []
        for _ in range(extents):
            cursor.number(index if version else 0)
            parts.append(Extent(cursor.field(offset), cursor.field(length)))
        found[number] = Location(construction, reference, start, tuple(parts))
    cursor.done()
    return found


def _references(data: bytes, box: Box) -> tuple[Reference, ...]:
    cursor = _Cursor(data, box)
    wide = 2 if cursor.version(0, 1) == 0 else 4
    found, left = [], _MAX_REFERENCES
    for entry in boxes(data, cursor.at, box.end):
        inner = _Cursor(data, entry)
        source, count = inner.number(wide), inner.number(2)
        left -= count
        if left < 0:
            raise HeifError("the file's iref box is too long")
        found.append(Reference(entry.kind, source, tuple(inner.number(wide) for _ in range(count))))
        inner.done()
    return tuple(found)
