"""What the texts of a PNG hold (tEXt, zTXt, iTXt: PNG third edition, 11.3.3): descriptions, XMP, and the "Raw profile"
chunks of ImageMagick, in which Exif, XMP and IPTC stand as hexadecimal digits after their name and length."""

from __future__ import annotations

import zlib
from collections.abc import Collection
from dataclasses import dataclass

from indexer.errors import CaptionRefused
from indexer.formats import iptc, tiff, xmp_packet
from indexer.formats.charsets import decode_text
from indexer.ownership.mark import FieldText, digest
from indexer.reasons import ReasonCode

XMP_KEYWORD = b"XML:com.adobe.xmp"

_MAX_TEXT_BYTES = 4 << 20
_PROFILE = b"raw profile type "
_EXIF_HEADER, _APP1_XMP_HEADER = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"
_DIGITS_A_LINE = 72  # as ImageMagick has it
_TITLE, _COMMENT = b"title", b"comment"
#: PNG third edition, 11.3.3.2, and what ImageMagick makes of EXIF's.
_CREATION_TIMES = frozenset(
    {b"creation time", b"creationtime", b"create-date", b"exif:datetimeoriginal", b"exif:datetimedigitized"}
)
_CREATORS = frozenset({b"author", b"artist", b"copyright", b"exif:artist", b"exif:copyright"})
_DESCRIPTIONS = frozenset({b"description", b"imagedescription", b"caption", b"exif:imagedescription"})


@dataclass(frozen=True, slots=True)
class PngText:
    """A text chunk: its keyword, and its text, unpacked."""

    keyword: bytes
    text: bytes

    @property
    def descriptions(self) -> list[FieldText]:
        """The text where it is a caption, and the captions of a profile's Exif or IPTC."""
        if self.keyword.lower() in _DESCRIPTIONS:
            return [FieldText("PNG Description", decode_text(self.text))]
        if self.keyword.lower() == _COMMENT:
            return [FieldText("PNG Comment", decode_text(self.text))]
        block, resources = self.exif, self.iptc
        if block is not None:
            return tiff.texts(block)
        if resources is None:
            return []
        whole = resources.startswith(b"8BIM")
        found = iptc.captions_of_resources(resources) if whole else iptc.captions_of_iim(resources)
        return [FieldText("IPTC Caption-Abstract", text) for text in found]

    @property
    def title(self) -> str | None:
        """The text where it is the photo's title."""
        return decode_text(self.text) if self.keyword.lower() == _TITLE else None

    @property
    def creation_time(self) -> str | None:
        """The text where it tells when the picture was made."""
        return decode_text(self.text) if self.keyword.lower() in _CREATION_TIMES else None

    @property
    def creator(self) -> str | None:
        """The text where it names who made the picture, or has the rights to it."""
        return decode_text(self.text) if self.keyword.lower() in _CREATORS else None

    @property
    def exif(self) -> bytes | None:
        """A TIFF block. Raises `CaptionRefused` where it is damaged, as `iptc` and `packet` do."""
        if self._profile_name not in (b"exif", b"app1"):
            return None
        body = self._profile()
        return None if body.startswith(_APP1_XMP_HEADER) else body.removeprefix(_EXIF_HEADER)

    @property
    def iptc(self) -> bytes | None:
        """Photoshop's image resources, or bare IPTC-IIM."""
        return self._profile() if self._profile_name in (b"iptc", b"8bim") else None

    @property
    def packet(self) -> bytes | None:
        """An XMP packet, however it is kept here."""
        if self.keyword == XMP_KEYWORD:
            return self.text
        if self._profile_name == b"xmp":
            return self._profile()
        if self._profile_name == b"app1" and (body := self._profile()).startswith(_APP1_XMP_HEADER):
            return body.removeprefix(_APP1_XMP_HEADER)
        return None

    @property
    def _profile_name(self) -> bytes:
        name = self.keyword.lower()
        return name.removeprefix(_PROFILE) if name.startswith(_PROFILE) else b""

    def _profile(self) -> bytes:
        """The bytes that the digits stand for. Raises `CaptionRefused` where they are not all there."""
        _, length, *digits = [*self.text.strip().split(b"\n"), b"", b""]
        try:
            profile = bytes.fromhex(b"".join(digits).decode("ascii"))
        except ValueError:
            profile = None
        if profile is None or not length.strip().isdigit() or len(profile) < int(length.strip()[:12]):
            raise CaptionRefused(ReasonCode.MAGICK_DAMAGED)
        return profile


def read_text(kind: bytes, body: bytes) -> PngText:
    """The text of a chunk of this kind. Raises `CaptionRefused` on damage where a caption may be hidden in it."""
    keyword, _, rest = body.partition(b"\0")
    if kind == b"tEXt":
        return PngText(keyword, rest)
    packed = rest[1:]
    compressed = True
    if kind == b"iTXt":
        compressed, packed = rest[:1] == b"\1", rest[2:].split(b"\0", 2)[-1]
    return PngText(keyword, _unpack(keyword, packed) if compressed else packed)


def _unpack(keyword: bytes, packed: bytes) -> bytes:
    name = keyword.lower()
    is_used = name in _DESCRIPTIONS | _CREATION_TIMES | _CREATORS | {_TITLE, _COMMENT} or keyword == XMP_KEYWORD
    if not is_used and not name.startswith(_PROFILE):
        return b""  # nobody asks for it
    try:
        unpacker = zlib.decompressobj()
        text = unpacker.decompress(packed, _MAX_TEXT_BYTES)
    except zlib.error as error:
        raise CaptionRefused(ReasonCode.TEXT_DAMAGED) from error
    if unpacker.unconsumed_tail:
        raise CaptionRefused(ReasonCode.TEXT_TOO_LONG)
    return text


def remove_from_text(kind: bytes, body: bytes, digests: Collection[str]) -> bytes | None:
    """A text chunk's data without copies of the captions of these digests: b"" where it was nothing else, None where it
    has none, or one that can't be taken out. Raises `CaptionRefused` as `read_text` does."""
    text = read_text(kind, body)
    if text.keyword.lower() in _DESCRIPTIONS | {_COMMENT}:
        return b"" if digest(decode_text(text.text)) in digests else None
    profile = text.iptc
    if profile is None:
        return None
    remove = iptc.remove_from_resources if profile.startswith(b"8BIM") else iptc.remove_from_iim
    remaining = remove(profile, digests)
    if remaining is None or not remaining.strip(b"\0"):
        return remaining and b""
    name = text.text.strip().split(b"\n")[0]
    digits = remaining.hex().encode()
    lines = [digits[at : at + _DIGITS_A_LINE] for at in range(0, len(digits), _DIGITS_A_LINE)]
    return _pack(kind, body, b"\n".join([b"", name, b"%8d" % len(remaining), *lines, b""]))


def _pack(kind: bytes, body: bytes, text: bytes) -> bytes:
    """The data of a chunk like this one, with another text."""
    keyword, _, rest = body.partition(b"\0")
    if kind == b"tEXt":
        return keyword + b"\0" + text
    if kind == b"zTXt":
        return keyword + b"\0\0" + zlib.compress(text, 9)
    language, translated = rest[2:].split(b"\0", 2)[:2]
    packed = zlib.compress(text, 9) if rest[:1] == b"\1" else text
    return b"\0".join([keyword, rest[:2] + language, translated, packed])


def packets_of(text: PngText) -> list[xmp_packet.Packet]:
    """The packet that a text holds, parsed. Raises `CaptionRefused` where it can't be, and may describe the photo."""
    packet = text.packet
    if packet is None:
        return []
    try:
        return [xmp_packet.parse(packet)]
    except xmp_packet.XmpError as error:
        if xmp_packet.may_describe(packet):
            raise CaptionRefused(ReasonCode.XMP_NOT_PARSED) from error
        return []
