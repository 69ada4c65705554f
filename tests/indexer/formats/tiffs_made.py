"""TIFF files made for the tests, directory by directory, so that each has exactly the oddity that is asked for."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from typing import Any

from PIL import Image

from tests.indexer.formats import jpegs_made as made
from tests.indexer.formats.jpegs_made import LONG, SHORT, UNDEFINED, Field, ascii_field

BYTE = 1
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1, 12: 8, 13: 4}
SIDE_PX = 16
PIXELS = bytes(range(256))


def short(tag: int, *numbers: int, order: str = "<") -> Field:
    return tag, SHORT, struct.pack(f"{order}{len(numbers)}H", *numbers)


def long(tag: int, *numbers: int, order: str = "<") -> Field:
    return tag, LONG, struct.pack(f"{order}{len(numbers)}I", *numbers)


def built(
    *fields: Field,
    order: str = "<",
    sub: Sequence[Field] = (),
    pages: int = 1,
    directory_first: bool = False,
    tiled: bool = False,
    unsorted: bool = False,
    end: bytes = b"",
) -> bytes:
    """Grey gradients of 16 x 16 px, a page each. The first page has `fields` too, in place of its own where they have
    the same tag, and `sub` in an Exif IFD; `end` comes after everything."""
    file = bytearray((b"II*\0" if order == "<" else b"MM\0*") + b"\0\0\0\0")
    link = 4
    for page in range(pages):
        data = 0
        if not directory_first:
            data = len(file)
            file += PIXELS
        if page == 0 and sub:
            exif = len(file)
            _directory(file, sorted(sub), order)
            fields = (*fields, long(0x8769, exif, order=order))
        struct.pack_into(order + "I", file, link, len(file))
        start = len(file)
        chosen = _page(order, data, tiled=tiled) | ({field[0]: field for field in fields} if page == 0 else {})
        ordered = sorted(chosen.values(), reverse=unsorted)
        link = _directory(file, ordered, order)
        if directory_first:
            where = start + 2 + 12 * [tag for tag, _, _ in ordered].index(0x0144 if tiled else 0x0111) + 8
            struct.pack_into(order + "I", file, where, len(file))
            file += PIXELS
    return bytes(file) + end


def _page(order: str, data: int, *, tiled: bool) -> dict[int, Field]:
    fields = [short(0x0100, SIDE_PX, order=order), short(0x0101, SIDE_PX, order=order), short(0x0102, 8, order=order)]
    fields += [short(0x0103, 1, order=order), short(0x0106, 1, order=order), short(0x0115, 1, order=order)]
    if tiled:
        fields += [short(0x0142, SIDE_PX, order=order), short(0x0143, SIDE_PX, order=order)]
        fields += [long(0x0144, data, order=order), long(0x0145, len(PIXELS), order=order)]
    else:
        fields += [long(0x0111, data, order=order), short(0x0116, SIDE_PX, order=order)]
        fields += [long(0x0117, len(PIXELS), order=order)]
    return {field[0]: field for field in fields}


def _directory(file: bytearray, fields: Sequence[Field], order: str) -> int:
    """Appends a directory and its values; where the pointer to the next one stands."""
    start = len(file)
    values_at = start + 2 + 12 * len(fields) + 4
    values = b""
    file += struct.pack(order + "H", len(fields))
    for tag, kind, value in fields:
        file += struct.pack(order + "HHI", tag, kind, len(value) // _SIZES.get(kind, 1))
        file += value.ljust(4, b"\0") if len(value) <= 4 else struct.pack(order + "I", values_at + len(values))
        values += value if len(value) > 4 else b""
    file += b"\0\0\0\0" + values
    return values_at - 4


def pillow(count: int = 1, **options: Any) -> bytes:
    """What Pillow writes, `count` pages."""
    file = io.BytesIO()
    image = Image.linear_gradient("L").resize((64, 48)).convert("RGB")
    more = [image.rotate(90 * turn) for turn in range(1, count)]
    image.save(file, "TIFF", save_all=count > 1, append_images=more, **options)
    return file.getvalue()


def xmp(packet: bytes) -> Field:
    return 700, BYTE, packet


def iim(text: bytes) -> bytes:
    return b"\x1c\x02\x78" + struct.pack(">H", len(text)) + text


def padded(value: bytes) -> bytes:
    return value + b"\0" * (-len(value) % 4)


def turned(value: bytes) -> bytes:
    return b"".join(padded(value)[at : at + 4][::-1] for at in range(0, len(value), 4))


def resources(text: bytes) -> bytes:
    """Photoshop's image resources with IPTC in them."""
    return b"8BIM\x04\x04\0\0" + struct.pack(">I", len(iim(text))) + iim(text) + b"\0" * (len(iim(text)) % 2)


MAKER_NOTE: Field = (0x927C, UNDEFINED, b"Elektronik" + bytes(range(200)))
PROVENANCE = '<dcterms:provenance xmlns:dcterms="http://purl.org/dc/terms/">https://a.example</dcterms:provenance>'
RATIONAL: Field = (0x829A, 5, struct.pack("<II", 1, 250))

TIFFS = {
    "TIFF": built(made.MAKE),
    "TIFF, big endian": built(made.MAKE, order=">"),
    "TIFF, directory first": built(made.MAKE, directory_first=True),
    "TIFF, odd length": built(made.MAKE, end=b"\0"),
    "TIFF, bytes at the end": built(made.MAKE, end=b"behind the picture"),
    "TIFF, tiled": built(tiled=True),
    "TIFF, pages": built(made.MAKE, pages=3),
    "TIFF, pages, big endian": built(made.MAKE, pages=3, order=">", directory_first=True),
    "TIFF, unsorted": built(made.MAKE, unsorted=True),
    "TIFF, Exif and MakerNote": built(made.MAKE, sub=[RATIONAL, MAKER_NOTE]),
    "TIFF, XMP": built(made.MAKE, xmp(made.packet(padding=300))),
    "TIFF, a blank description": built(ascii_field(0x010E, " " * 40)),
    "TIFF, a camera's description": built(ascii_field(0x010E, "OLYMPUS DIGITAL CAMERA         ")),
    "TIFF, old-style JPEG": built(short(0x0103, 6), long(0x0201, 8), long(0x0202, 64)),
    "TIFF by Pillow": pillow(),
    "TIFF by Pillow, LZW, pages": pillow(3, compression="tiff_lzw"),
    "TIFF by Pillow, deflate, ICC": pillow(compression="tiff_deflate", icc_profile=b"\0" * 200),
}


def _patched(data: bytes, at: int, form: str, value: int) -> bytes:
    changed = bytearray(data)
    struct.pack_into(form, changed, at, value)
    return bytes(changed)


def _first(data: bytes) -> int:
    offset: int = struct.unpack_from("<I", data, 4)[0]
    return offset


def _reaching_note() -> bytes:
    """A MakerNote whose only value lies just behind the file."""
    for offset in range(300, 1200):
        note = struct.pack("<H", 1) + struct.pack("<HHII", 0x0010, 7, 100, offset) + b"\0\0\0\0"
        data = built(made.MAKE, sub=[(0x927C, UNDEFINED, note + b"\0" * 60)])
        if len(data) == offset + 50:
            return data
    raise AssertionError("no such file can be made")


def refused() -> dict[str, tuple[bytes, str]]:
    """Files that no caption is written into, and a word of the reason."""
    good = built(made.MAKE)
    entries = _first(good)
    raw = "RAW data"
    return {
        "DNG": (built((0xC612, BYTE, b"\1\4\0\0")), raw),
        "sensor data": (built(short(0x0106, 32803)), raw),
        "linear sensor data": (built(short(0x0106, 34892)), raw),
        "CFA pattern": (built((0x828E, BYTE, b"\0\1\1\2")), raw),
        "Nikon's compression": (built(short(0x0103, 34713)), raw),
        "Canon's .TIF": (built(short(0x0103, 6), sub=[MAKER_NOTE]), raw),
        "CR2": (_patched(good, 8, "<I", 0x00025243), raw),
        "IIQ": (_patched(good, 8, "<I", 0x49494949), raw),
        "C2PA": (built((0xCD41, UNDEFINED, b"jumbf box")), "C2PA"),
        "C2PA elsewhere": (built(xmp(made.packet(PROVENANCE))), "C2PA manifest kept elsewhere"),
        "unknown type": (_patched(good, entries + 4, "<H", 99), "unknown type"),
        "value outside": (_patched(good, good.index(b"\x0f\1\2\0") + 8, "<I", len(good)), "outside the file"),
        "image outside": (built(long(0x0117, 5000)), "image data lies outside the file"),
        "cut short": (built(short(0x0101, 60), short(0x0116, 60)), "cut short"),
        "fewer lengths than strips": (built(short(0x0101, 32), long(0x0111, 8, 8)), "does not say how long"),
        "lengths of nothing": (built(short(0x0103, 4), long(0x0117, 0)), "does not say how long"),
        "no lengths": (_renamed(good, 0x0117, 0x0118), "does not say how long"),
        "IFD0 outside": (_patched(good, 4, "<I", len(good) + 2), "outside the file"),
        "no entries": (b"II*\0\x08\0\0\0\0\0\0\0\0\0", "can't be opened"),
        "loop": (_patched(good, entries + 2 + 12 * 10, "<I", entries), "in a circle"),
        "a tag twice": (_doubled(good), "same tag twice"),
        "MakerNote": (_reaching_note(), "MakerNote points past the end of the file"),
        "AFCP": (built(made.MAKE, end=b"AXS!" + b"\0" * 8), "at the end of the file"),
        "Photo Mechanic": (built(made.MAKE, end=b"\0\0\0\x10cbipcbbl"), "at the end of the file"),
        "Samsung": (built(made.MAKE, end=b"\0\0SEFT"), "at the end of the file"),
        "for the network": (good[:8] + b"GDAL_STRUCTURAL_METADATA_SIZE=000140" + good[44:], "network"),
        "many offsets": (built((0x0111, LONG, b"\0\0\0\0" * ((1 << 20) + 1))), "too many pieces"),
        "many pages": (_many_pages(5000), "too many"),
    }


def _renamed(data: bytes, old: int, new: int) -> bytes:
    at = data.rindex(struct.pack("<HH", old, LONG))
    return data[:at] + struct.pack("<H", new) + data[at + 2 :]


def _doubled(data: bytes) -> bytes:
    """IFD0 with its second entry in place of its first."""
    at = _first(data) + 2
    return data[:at] + data[at + 12 : at + 24] + data[at + 12 :]


def _many_pages(count: int) -> bytes:
    page = 2 + 12 + 4
    pages = [
        struct.pack("<HHHIII", 1, 0x0100, SHORT, 1, 16, 8 + page * (number + 1) if number + 1 < count else 0)
        for number in range(count)
    ]
    return b"II*\0\x08\0\0\0" + b"".join(pages)
