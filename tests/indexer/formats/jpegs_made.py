"""JPEGs made for the tests of writing, segment by segment, so that each has exactly the oddity that is asked for."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence

from PIL import Image

from captioner import Caption

CAPTION = Caption("a dog runs along the beach & jumps <high> über Wellen", 0.83, (), None, "recollect-atto-1")
NEWER = Caption("two dogs play on the sand", 0.91, (), None, "recollect-atto-2")

XMP = b"http://ns.adobe.com/xap/1.0/\0"
EXTENDED = b"http://ns.adobe.com/xmp/extension/\0"
ASCII, SHORT, LONG, UNDEFINED = 2, 3, 4, 7
Field = tuple[int, int, bytes]  # tag, type, value
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1, 10: 8, 129: 1}


def plain(size: tuple[int, int] = (64, 48), *, progressive: bool = False) -> bytes:
    """SOI, APP0 (JFIF), tables, scan, EOI. A gradient, so that a flipped bit shows."""
    image = Image.linear_gradient("L").resize(size).convert("RGB")
    file = io.BytesIO()
    image.save(file, "JPEG", quality=85, progressive=progressive)
    return file.getvalue()


def segment(marker: int, body: bytes) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", len(body) + 2) + body


def with_segments(
    *segments: bytes, jpeg: bytes | None = None, before_app0: bool = False, trailer: bytes = b""
) -> bytes:
    """`jpeg` with whole segments after its APP0."""
    jpeg = jpeg or plain()
    at = 2 if before_app0 else 4 + struct.unpack_from(">H", jpeg, 4)[0]
    return jpeg[:at] + b"".join(segments) + jpeg[at:] + trailer


def exif(block: bytes) -> bytes:
    return segment(0xE1, b"Exif\0\0" + block)


def xmp(packet: bytes) -> bytes:
    return segment(0xE1, XMP + packet)


def iptc(text: bytes) -> bytes:
    dataset = b"\x1c\x02\x78" + struct.pack(">H", len(text)) + text
    resource = b"8BIM\x04\x04\0\0" + struct.pack(">I", len(dataset)) + dataset + b"\0" * (len(dataset) % 2)
    return segment(0xED, b"Photoshop 3.0\0" + resource)


def mpf() -> bytes:
    return segment(0xE2, b"MPF\0II*\0\x08\0\0\0\0\0\0\0\0\0")


def c2pa() -> bytes:
    return segment(
        0xEB, b"JP\0\1\0\0\0\1" + b"\0\0\0\x40jumb\0\0\0\x30jumdc2pa\0\x11\0\x10\x80\0\0\xaa\0\x38\x9b\x71\x03c2pa\0"
    )


def packet(inside: str = "", *, padding: int = 0, writable: bool = True, about: str = "") -> bytes:
    """An XMP packet with one rdf:Description."""
    white = ("\n" + " " * 99) * (padding // 100)
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="a camera">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about="{about}" xmlns:xmp="http://ns.adobe.com/xap/1.0/" '
        f'xmlns:dc="http://purl.org/dc/elements/1.1/" xmp:Rating="3">{inside}</rdf:Description>'
        f"</rdf:RDF></x:xmpmeta>{white}\n"
        f'<?xpacket end="{"w" if writable else "r"}"?>'
    ).encode()


def described(text: str) -> str:
    """The dc:description that stands inside an rdf:Description."""
    return f'<dc:description><rdf:Alt><rdf:li xml:lang="x-default">{text}</rdf:li></rdf:Alt></dc:description>'


def ascii_field(tag: int, text: str) -> Field:
    return tag, ASCII, text.encode() + b"\0"


def tiff(
    *ifd0: Field,
    sub: Sequence[Field] = (),
    thumbnail: bytes = b"",
    order: str = "<",
    gap: int = 0,
) -> bytes:
    """A TIFF block: header, IFD0, Exif IFD (`sub`), IFD1 with a thumbnail; each directory followed by its values."""
    block = bytearray((b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8 + gap) + b"\0" * gap)
    fields = list(ifd0)
    if sub:
        fields.append((0x8769, LONG, b"\0\0\0\0"))
    at = len(block)
    _directory(block, sorted(fields), order)
    if sub:
        _point(block, at, 0x8769, len(block), order)
        _directory(block, sorted(sub), order)
    if thumbnail:
        struct.pack_into(order + "I", block, at + 2 + 12 * len(fields), len(block))
        first = len(block)
        size = struct.pack(order + "I", len(thumbnail))
        _directory(block, [(0x0201, LONG, b"\0\0\0\0"), (0x0202, LONG, size)], order)
        _point(block, first, 0x0201, len(block), order)
        block += thumbnail
    return bytes(block)


def _directory(block: bytearray, fields: Sequence[Field], order: str) -> None:
    values = bytearray()
    start = len(block) + 2 + 12 * len(fields) + 4
    block += struct.pack(order + "H", len(fields))
    for tag, kind, value in fields:
        block += struct.pack(order + "HHI", tag, kind, len(value) // _SIZES[kind])
        if len(value) <= 4:
            block += value.ljust(4, b"\0")
        else:
            block += struct.pack(order + "I", start + len(values))
            values += value + b"\0" * (len(value) % 2)
    block += b"\0\0\0\0" + values


def _point(block: bytearray, directory: int, tag: int, value: int, order: str) -> None:
    """Puts a number into the inline value of a tag."""
    (count,) = struct.unpack_from(order + "H", block, directory)
    for at in range(directory + 2, directory + 2 + 12 * count, 12):
        if struct.unpack_from(order + "H", block, at)[0] == tag:
            struct.pack_into(order + "I", block, at + 8, value)


MAKE = ascii_field(0x010F, "Elektronik")
ORIENTATION: Field = (0x0112, SHORT, b"\1\0")
MAKER_NOTE: Field = (0x927C, UNDEFINED, b"Elektronik" + bytes(range(200)))


def camera_block(order: str = "<") -> bytes:
    """What a camera writes: maker, a MakerNote, a thumbnail."""
    return tiff(
        MAKE, ascii_field(0x0132, "2026:07:01 12:00:00"), sub=[MAKER_NOTE], thumbnail=plain((16, 12)), order=order
    )


def camera_jpeg() -> bytes:
    """Exif with MakerNote and thumbnail, and an XMP packet with padding."""
    return with_segments(exif(camera_block()), xmp(packet(padding=2000)))
