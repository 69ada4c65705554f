"""PNGs and WebPs made for the tests of writing."""

from __future__ import annotations

import io
import zlib

from PIL import Image

from tests.indexer.formats import jpegs_made as made


def png(*chunks: bytes, trailer: bytes = b"") -> bytes:
    """A gradient, with whole chunks after IHDR."""
    file = io.BytesIO()
    Image.linear_gradient("L").resize((48, 32)).save(file, "PNG")
    data = file.getvalue()
    return data[:33] + b"".join(chunks) + data[33:] + trailer


def chunk(kind: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")


def png_xmp(packet: bytes) -> bytes:
    return chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + packet)


def webp(*, lossless: bool = False, alpha: bool = False, exif: bytes = b"", xmp: bytes = b"", frames: int = 1) -> bytes:
    """A gradient; odd sizes, so that chunks need padding."""
    image = Image.linear_gradient("L").resize((49, 33)).convert("RGBA" if alpha else "RGB")
    if alpha:
        image.putalpha(Image.radial_gradient("L").resize(image.size))
    file = io.BytesIO()
    more = [image.rotate(90 * turn) for turn in range(1, frames)]
    image.save(
        file, "WEBP", lossless=lossless, exif=exif, xmp=xmp, save_all=frames > 1, append_images=more, duration=50
    )
    return file.getvalue()


PNGS = {
    "PNG": png(),
    "PNG, XMP": png(png_xmp(made.packet(padding=900))),
    "PNG, Exif": png(chunk(b"eXIf", made.camera_block())),
    "PNG, a program's comment": png(chunk(b"tEXt", b"Comment\0Created with The GIMP")),
    "PNG, iDOT": png(chunk(b"iDOT", b"\0" * 28)),
    "PNG, trailer": png(trailer=b"behind"),
}
WEBPS = {
    "WebP": webp(),
    "WebP, lossless": webp(lossless=True),
    "WebP, lossless, alpha": webp(lossless=True, alpha=True),
    "WebP, alpha": webp(alpha=True),
    "WebP, Exif": webp(exif=made.camera_block()),
    "WebP, Exif with a JPEG's header": webp(exif=b"Exif\0\0" + made.camera_block(">")),
    "WebP, XMP": webp(xmp=made.packet(padding=500)),
    "WebP, Exif and XMP": webp(exif=made.camera_block(), xmp=made.packet()),
    "WebP, animated": webp(frames=3),
}


def riff(data: bytes, *parts: bytes, behind: bytes = b"") -> bytes:
    """A WebP with whole chunks at its end, and what stands behind it."""
    body = data[8:] + b"".join(parts)
    return b"RIFF" + len(body).to_bytes(4, "little") + body + behind


def riff_chunk(kind: bytes, body: bytes) -> bytes:
    return kind + len(body).to_bytes(4, "little") + body + b"\0" * (len(body) % 2)


WEBPS |= {
    "WebP, texts of RIFF's": riff(webp(), riff_chunk(b"INAM", b"odd"), riff_chunk(b"ICMT", b"a comment")),
    "WebP, Exif, unknown chunks": riff(
        webp(exif=made.camera_block()), riff_chunk(b"PSAI", b""), riff_chunk(b"quux", b"x")
    ),
    "WebP, XMP, unknown chunk": riff(webp(xmp=made.packet()), riff_chunk(b"quux", b"x")),
    "WebP, misspelt XMP": riff(webp(exif=made.camera_block()), riff_chunk(b"XMP\0", made.packet())),
    "WebP, trailer": riff(webp(), behind=b"behind"),
    "WebP, animated, unknown chunk, trailer": riff(webp(frames=3), riff_chunk(b"quux", b"x"), behind=b"behind"),
}
