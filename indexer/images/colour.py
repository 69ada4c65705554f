"""Whatever a photo's colours are, as sRGB: profiles, CMYK, 16 bits, palettes, transparency.

`ImageCms` (LittleCMS 2) is imported only for a photo that needs it: most say sRGB, or nothing.
"""

from __future__ import annotations

import struct
from functools import cache
from io import BytesIO

from PIL import Image

_DEEP = frozenset({"I", "F", "I;16", "I;16B", "I;16L", "I;16N"})


def expand(image: Image.Image) -> Image.Image:
    """Modes that can't be resized smoothly (palettes, bilevel, more than 8 bits) as ones that can."""
    if image.mode in _DEEP:
        return _to_eight_bits(image)
    if image.mode == "P":
        return image.convert("RGBA" if "transparency" in image.info else "RGB")
    if image.mode == "PA":
        return image.convert("RGBA")
    if image.mode == "1":
        return image.convert("L")
    if "transparency" in image.info and image.mode in {"L", "RGB"}:
        return image.convert("RGBA")
    return image


def to_srgb(image: Image.Image, icc: bytes | None, *, adobe_rgb: bool = False) -> Image.Image:
    """Mode RGB, sRGB (IEC 61966-2-1), transparency laid onto white.

    `icc` is the photo's own profile (ICC.1); `adobe_rgb` is set where a camera says so in EXIF only (DCF 2.0,
    option files). A profile that is broken or for other channels than the photo's is passed over: the photo is
    shown with colours slightly off rather than not at all.
    """
    image = _flatten(image)
    profile = adobe_rgb_profile() if adobe_rgb and not icc and image.mode == "RGB" else icc
    if profile and not (image.mode == "RGB" and is_srgb(profile)):
        converted = _convert_profile(image, profile)
        if converted is not None:
            return converted
    return image if image.mode == "RGB" else image.convert("RGB")


def is_srgb(icc: bytes) -> bool:
    """Whether the profile's description says sRGB, in the ASCII of version 2 or the UTF-16 of version 4."""
    for at in range(132, min(132 + 12 * int.from_bytes(icc[128:132], "big"), 132 + 12 * 64, len(icc) - 11), 12):
        if icc[at : at + 4] == b"desc":
            offset, size = struct.unpack_from(">LL", icc, at + 4)
            description = icc[offset : offset + min(size, 512)]
            return b"sRGB" in description or "sRGB".encode("utf-16-be") in description
    return False


@cache
def adobe_rgb_profile() -> bytes:
    """A matrix profile of our own for Adobe RGB (1998): its primaries adapted to D50, gamma 563/256."""
    tags = {
        b"desc": b"desc" + bytes(4) + struct.pack(">L", 6) + b"A-RGB\0" + bytes(79),
        b"wtpt": _xyz(0.95045, 1.0, 1.08905),
        b"rXYZ": _xyz(0.60974, 0.31111, 0.01947),
        b"gXYZ": _xyz(0.20528, 0.62567, 0.06087),
        b"bXYZ": _xyz(0.14919, 0.06322, 0.74457),
    } | {name: b"curv" + bytes(4) + struct.pack(">LHH", 1, 0x0233, 0) for name in (b"rTRC", b"gTRC", b"bTRC")}
    table, body = struct.pack(">L", len(tags)), b""
    for name, value in tags.items():
        value += bytes(-len(value) % 4)
        table += name + struct.pack(">LL", 132 + 12 * len(tags) + len(body), len(value))
        body += value
    size = 128 + len(table) + len(body)
    header = struct.pack(">L4xL", size, 0x02100000) + b"mntrRGB XYZ " + bytes(12) + b"acsp" + bytes(28)
    return header + struct.pack(">3l", 0xF6D6, 0x10000, 0xD32D) + bytes(48) + table + body


def _xyz(*values: float) -> bytes:
    return b"XYZ " + bytes(4) + struct.pack(">3l", *(round(value * 65536) for value in values))


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """More than 8 bits a sample as 8: 16-bit by its full scale, 32-bit and floating point by what is there."""
    low, high = (0.0, 65535.0)
    if image.mode in {"I", "F"}:
        extrema = image.getextrema()
        low, high = float(extrema[0]), float(extrema[1])  # type: ignore[arg-type]
        if image.mode == "I" and low >= 0 and high <= 65535:
            low, high = 0.0, 65535.0 if high > 255 else 255.0
    scale = 255.0 / (high - low) if high > low else 0.0
    return image.convert("F").point(lambda value: value * scale - low * scale).convert("L")


def _flatten(image: Image.Image) -> Image.Image:
    if image.mode not in {"RGBA", "LA", "RGBa", "La"}:
        return image
    image = image.convert("RGBA")
    white = Image.new("RGB", image.size, (255, 255, 255))
    white.paste(image, mask=image.getchannel("A"))
    return white


def _convert_profile(image: Image.Image, icc: bytes) -> Image.Image | None:
    from PIL import ImageCms

    try:
        source = ImageCms.ImageCmsProfile(BytesIO(icc))
        target = ImageCms.createProfile("sRGB")
        intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
        return ImageCms.profileToProfile(image, source, target, renderingIntent=intent, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None
