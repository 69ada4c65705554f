"""Photos made for the tests: small, of one colour that a test's captioner can tell, each with pixels of its own."""

from __future__ import annotations

import struct
from io import BytesIO
from pathlib import Path

import piexif
from PIL import Image, ImageChops, ImageDraw

Colour = tuple[int, int, int]


def picture(colour: Colour, number: int = 0, size: tuple[int, int] = (320, 240)) -> Image.Image:
    """A wall of `colour` with `number` scratched into it, so that pictures of one colour still differ."""
    image = Image.new("RGB", size, colour)
    draw = ImageDraw.Draw(image)
    for bit in range(16):
        x = 8 + bit * 16
        draw.rectangle((x, 8, x + 6, 20), fill=(255, 255, 255) if number >> bit & 1 else (0, 0, 0))
    return image


def write_jpeg(path: Path, colour: Colour, number: int = 0, size: tuple[int, int] = (320, 240)) -> Path:
    """A JPEG without metadata; folders above it are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture(colour, number, size).save(path, "JPEG", quality=90)
    return path


# Photos of every format, orientation and kind of damage, for what reads them.

CORNERS: dict[str, Colour] = {
    "top left": (220, 30, 30),
    "top right": (30, 190, 30),
    "bottom left": (30, 30, 220),
    "bottom right": (230, 220, 40),
}

#: What turns an upright picture into the one a camera stores beside that EXIF orientation.
_STORED_AS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def cornered(size: tuple[int, int] = (96, 64)) -> Image.Image:
    """Grey, each quarter's corner in a colour of its own: shows how it is turned."""
    image = Image.new("RGB", size, (128, 128, 128))
    draw = ImageDraw.Draw(image)
    (width, height), (w, h) = size, (size[0] // 3, size[1] // 3)
    places = ((0, 0), (width - w, 0), (0, height - h), (width - w, height - h))
    for (x, y), colour in zip(places, CORNERS.values(), strict=True):
        draw.rectangle((x, y, x + w - 1, y + h - 1), fill=colour)
    return image


def stored_for(image: Image.Image, orientation: int) -> Image.Image:
    """The pixels that a camera stores so that `orientation` shows them as `image`."""
    transpose = _STORED_AS.get(orientation)
    return image if transpose is None else image.transpose(transpose)


def exif_bytes(image: dict[int, object] | None = None, exif: dict[int, object] | None = None,
               gps: dict[int, object] | None = None) -> bytes:  # fmt: skip
    """`Exif\\0\\0` and a TIFF block, composed by piexif."""
    composed: bytes = piexif.dump({"0th": image or {}, "Exif": exif or {}, "GPS": gps or {}, "1st": {}})
    return composed


def xmp_packet(properties: str) -> bytes:
    """An XMP packet around the properties of one rdf:Description, every usual prefix declared."""
    spaces = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in _XMP_PREFIXES.items())
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        f'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" {spaces}>'
        f'{properties}</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
    ).encode()


_XMP_PREFIXES = {
    "dc": "http://purl.org/dc/elements/1.1/",
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "exif": "http://ns.adobe.com/exif/1.0/",
    "tiff": "http://ns.adobe.com/tiff/1.0/",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    "lr": "http://ns.adobe.com/lightroom/1.0/",
    "digiKam": "http://www.digikam.org/ns/1.0/",
    "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    "mwg-rs": "http://www.metadataworkinggroup.com/schemas/regions/",
    "MicrosoftPhoto": "http://ns.microsoft.com/photo/1.0/",
    "MP": "http://ns.microsoft.com/photo/1.2/",
    "MPRI": "http://ns.microsoft.com/photo/1.2/t/RegionInfo#",
    "MPReg": "http://ns.microsoft.com/photo/1.2/t/Region#",
    "recollect": "urn:uuid:0a7c34f5-6a1d-4f0e-9c55-7d2f1b8e4c21#",
}


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    """A file's bytes; `kind` is Pillow's name of the format, `options` are its encoder's."""
    if kind == "HEIF":
        import pillow_heif

        pillow_heif.register_heif_opener()
    buffer = BytesIO()
    image.save(buffer, kind, **{name: value for name, value in options.items() if value is not None})
    return buffer.getvalue()


def with_segments(jpeg: bytes, *segments: tuple[int, bytes]) -> bytes:
    """A JPEG with more segments (second marker byte, payload) right after its SOI."""
    added = b"".join(bytes((0xFF, kind)) + (len(body) + 2).to_bytes(2, "big") + body for kind, body in segments)
    return jpeg[:2] + added + jpeg[2:]


def with_xmp(jpeg: bytes, properties: str) -> bytes:
    """A JPEG with an XMP packet."""
    return with_segments(jpeg, (0xE1, b"http://ns.adobe.com/xap/1.0/\0" + xmp_packet(properties)))


def with_iptc(jpeg: bytes, *datasets: tuple[int, bytes]) -> bytes:
    """A JPEG with IPTC datasets of record 2."""
    iptc = b"".join(b"\x1c\x02" + bytes((number,)) + len(text).to_bytes(2, "big") + text for number, text in datasets)
    resource = b"8BIM\x04\x04\0\0" + len(iptc).to_bytes(4, "big") + iptc + bytes(len(iptc) & 1)
    return with_segments(jpeg, (0xED, b"Photoshop 3.0\0" + resource))


def raw_tiff(preview: bytes, *, size: tuple[int, int], orientation: int = 1) -> bytes:
    """A DNG in small: IFD0 with the sensor's size, a SubIFD with a JPEG preview."""
    sub_at, preview_at = 8 + 2 + 12 * 6 + 4, 8 + 2 + 12 * 6 + 4 + 2 + 12 * 3 + 4
    ifd0 = [(0x100, 4, size[0]), (0x101, 4, size[1]), (0x106, 3, 32803), (0x112, 3, orientation),
            (0x14A, 4, sub_at), (0xC612, 4, 0x00000401)]  # fmt: skip
    sub = [(0x103, 3, 7), (0x201, 4, preview_at), (0x202, 4, len(preview))]
    ifds = b"".join(
        struct.pack("<H", len(entries))
        + b"".join(struct.pack("<HHLL", tag, kind, 1, value) for tag, kind, value in entries)
        + bytes(4)
        for entries in (ifd0, sub)
    )
    return b"II*\0" + struct.pack("<L", 8) + ifds + preview


def raw_raf(preview: bytes) -> bytes:
    """A Fujifilm RAF in small: its header names a JPEG."""
    header = b"FUJIFILMCCD-RAW 0201FF383501X-E2".ljust(84, b"\0") + struct.pack(">LL", 160, len(preview))
    return header.ljust(160, b"\0") + preview


def raw_cr3(preview: bytes, tiff_block: bytes) -> bytes:
    """A Canon CR3 in small: CMT1 with a TIFF block, PRVW with a JPEG."""
    canon, shown = "85c0b687820f11e08111f4ce462b6a48", "eaf42b5e1c984b88b9fbb7dc406e4d16"
    moov = _box(b"moov", _box(b"uuid", bytes.fromhex(canon) + _box(b"CMT1", tiff_block)))
    prvw = _box(b"PRVW", bytes(16) + preview)
    return _box(b"ftyp", b"crx \0\0\0\1crx isom") + moov + _box(b"uuid", bytes.fromhex(shown) + bytes(8) + prvw)


def _box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">L", len(body) + 8) + kind + body


def detailed(size: tuple[int, int], seed: int = 0) -> Image.Image:
    """Gradients and noise in the amount that photos have: compresses to a realistic size."""
    coarse = Image.effect_noise((size[0] // 3 + 1, size[1] // 3 + 1), 90).resize(size, Image.Resampling.BICUBIC)
    noise = ImageChops.blend(coarse, Image.effect_noise(size, 24), 0.4)
    across = Image.linear_gradient("L").resize(size)
    down = Image.linear_gradient("L").rotate(90 + 40 * seed).resize(size)
    return Image.merge("RGB", (ImageChops.blend(across, noise, 0.3), down, ImageChops.blend(down, noise, 0.3)))
