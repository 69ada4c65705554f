"""HEICs made for the tests of writing: a real picture in boxes put together by hand, each with the oddity asked for."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cache

from PIL import Image

from tests.indexer.formats import jpegs_made as made
from tests.photos_made import encoded

XMP_TYPE = "application/rdf+xml"
C2PA_UUID = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")


@dataclass(frozen=True, slots=True)
class Item:
    """An item beside the picture."""

    kind: bytes
    payload: bytes
    content_type: str = ""
    encoding: str = ""
    protection: int = 0
    construction: int = 0  # 1: in idat
    reference: int = 0
    pieces: int = 1
    about: int | None = 1  # the item it describes
    lies_at: int | None = None  # instead of in the mdat


@dataclass(frozen=True, slots=True)
class Index:
    """How the index of items is written: widths in bytes, and whether positions stand in the base offset."""

    version: int = 1
    offset: int = 4
    length: int = 4
    base: int = 0
    index: int = 0
    based: bool = False
    infe: int = 2


def exif(block: bytes, header: bytes = b"Exif\0\0", **more: int | None) -> Item:
    return Item(b"Exif", len(header).to_bytes(4, "big") + header + block, **more)  # type: ignore[arg-type]


def xmp(packet: bytes, *, encoding: str = "", about: int | None = 1) -> Item:
    return Item(b"mime", packet, XMP_TYPE, encoding, about=about)


def box(kind: bytes, *bodies: bytes) -> bytes:
    body = b"".join(bodies)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def full(kind: bytes, version: int, *bodies: bytes) -> bytes:
    return box(kind, struct.pack(">I", version << 24), *bodies)


@cache
def encoded_heic(*, exif: bytes = b"", xmp: bytes = b"", frames: int = 1) -> bytes:
    """What pillow-heif writes: its iloc has version 0 and base offsets."""
    image = Image.linear_gradient("L").resize((64, 48)).convert("RGB")
    more = [image.rotate(90 * turn) for turn in range(1, frames)]
    return encoded(
        image, "HEIF", exif=exif or None, xmp=xmp or None, save_all=frames > 1 or None, append_images=more or None
    )


@cache
def _picture() -> tuple[bytes, bytes]:
    """The coded picture, and the properties (iprp) that it needs."""
    data = encoded_heic()
    iprp, mdat = data.index(b"iprp") - 4, data.index(b"mdat") - 4
    return data[mdat + 8 :], data[iprp : iprp + int.from_bytes(data[iprp : iprp + 4], "big")]


def heic(
    *items: Item,
    index: Index | None = None,
    brands: bytes = b"heic\0\0\0\0mif1heic",
    meta_last: bool = False,
    between: bytes = b"",
    behind: bytes = b"",
    handler: bytes = b"pict",
    references: bytes = b"",
    primary: int = 1,
) -> bytes:
    """ftyp, meta, `between`, one mdat with the picture (item 1) and the items (2, 3, ...), `behind`."""
    picture, iprp = _picture()
    index = index or Index()
    everything = [Item(b"hvc1", picture, about=None), *items]
    start = box(b"ftyp", brands)
    mdat = box(b"mdat", *(item.payload for item in everything if item.construction != 1))
    size = len(_meta(everything, index, 0, iprp, handler, references, primary))
    first = len(start) + len(between) + 8 + (0 if meta_last else size)
    meta = _meta(everything, index, first, iprp, handler, references, primary)
    return start + (between + mdat + meta if meta_last else meta + between + mdat) + behind


def _meta(
    items: list[Item], index: Index, first: int, iprp: bytes, handler: bytes, references: bytes, primary: int
) -> bytes:
    wide = "I" if index.infe == 3 else "H"
    entries = [_infe(number, item, index) for number, item in enumerate(items, 1)]
    iinf = full(b"iinf", int(index.infe == 3), struct.pack(">" + wide, len(items)), *entries)
    cdsc = [
        box(b"cdsc", struct.pack(f">{wide}H{wide}", number, 1, item.about))
        for number, item in enumerate(items, 1)
        if item.about is not None
    ]
    return full(
        b"meta",
        0,
        full(b"hdlr", 0, struct.pack(">I4s13x", 0, handler)),
        full(b"pitm", 0, struct.pack(">H", primary)),
        iinf,
        full(b"iref", int(index.infe == 3), *cdsc, references),
        iprp,
        box(b"idat", *(item.payload for item in items if item.construction == 1)),
        _iloc(items, index, first),
    )


def _infe(number: int, item: Item, index: Index) -> bytes:
    head = struct.pack(">IH4s" if index.infe == 3 else ">HH4s", number, item.protection, item.kind)
    names = b"\0" + (item.content_type.encode() + b"\0" if item.kind == b"mime" else b"")
    return full(b"infe", index.infe, head, names, item.encoding.encode() + b"\0" if item.encoding else b"")


def _iloc(items: list[Item], index: Index, first: int) -> bytes:
    wide = "I" if index.version == 2 else "H"
    sizes = bytes((index.offset << 4 | index.length, index.base << 4 | (index.index if index.version else 0)))
    entries, inside = [], 0
    for number, item in enumerate(items, 1):
        at = inside if item.construction == 1 else first
        at = at if item.lies_at is None else item.lies_at
        entries.append(_location(number, item, index, at, wide))
        inside, first = (
            (inside + len(item.payload), first) if item.construction == 1 else (inside, first + len(item.payload))
        )
    return full(b"iloc", index.version, sizes, struct.pack(">" + wide, len(items)), *entries)


def _location(number: int, item: Item, index: Index, at: int, wide: str) -> bytes:
    entry = struct.pack(">" + wide, number)
    entry += struct.pack(">H", item.construction) if index.version else b""
    entry += struct.pack(">H", item.reference)
    entry += _wide(at if index.based else 0, index.base) + struct.pack(">H", item.pieces)
    at, cut = 0 if index.based else at, len(item.payload) // item.pieces
    for piece in range(item.pieces):
        size = cut if piece < item.pieces - 1 else len(item.payload) - cut * piece
        entry += bytes(index.index if index.version else 0)
        entry += _wide(at + cut * piece, index.offset) + _wide(size, index.length)
    return entry


def _wide(value: int, width: int) -> bytes:
    """In 0 bytes nothing is said."""
    return value.to_bytes(width, "big") if width else b""


EXIF = exif(made.camera_block())
XMP = xmp(made.packet(padding=900))

HEICS = {
    "Exif": heic(EXIF),
    "Exif, big-endian, no header": heic(exif(made.camera_block(">"), b"")),
    "Exif and XMP": heic(EXIF, XMP),
    "XMP": heic(XMP),
    "Exif and two XMP": heic(EXIF, XMP, xmp(made.packet(), about=2)),
    "meta last": heic(EXIF, XMP, meta_last=True),
    "free, skip, wide": heic(EXIF, between=box(b"free", bytes(9)) + box(b"wide"), behind=box(b"skip", b"x")),
    "iloc 0": heic(EXIF, XMP, index=Index(version=0)),
    "iloc 0, base offsets": heic(EXIF, XMP, index=Index(version=0, base=4, based=True)),
    "iloc 0, only base offsets": heic(EXIF, index=Index(version=0, offset=0, base=4, based=True)),
    "iloc 1, 8 bytes wide": heic(EXIF, XMP, index=Index(offset=8, length=8, base=8, index=8)),
    "iloc 1, base offsets, index": heic(EXIF, index=Index(base=8, index=4, based=True)),
    "iloc 2, infe 3": heic(EXIF, XMP, index=Index(version=2, infe=3, offset=8)),
    "pillow-heif": encoded_heic(exif=b"Exif\0\0" + made.camera_block(), xmp=made.packet(padding=400)),
    "pillow-heif, XMP": encoded_heic(xmp=made.packet()),
}
