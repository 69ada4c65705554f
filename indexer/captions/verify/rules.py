"""Independent proof that an edited photo is the old one and our caption, and nothing else.

Nothing here shares a line with what made the edit: files are split, IFDs compared and packets cut in another way, so
that one mistake can't hide in both. Here is what all formats share; `verify_jpeg` and `verify_chunks` split the files.
"""

from __future__ import annotations

import io
import re
import struct
import warnings
from collections.abc import Callable, Sequence
from xml.etree.ElementTree import Element

import defusedxml.ElementTree
from defusedxml.common import DefusedXmlException
from PIL import Image, UnidentifiedImageError

from indexer.errors import CaptionRefused
from indexer.ownership.mark import OwnCaption
from indexer.reasons import ReasonCode

_OURS = {0x010E, 0x9C9C}
_EXIF, _COMMENT = 0x8769, 0x9286
_OWN_BLOCK = re.compile(
    rb'<rdf:Description rdf:about=("[^"]*"|\'[^\']*\') '
    rb'xmlns:recollect="urn:uuid:0a7c34f5-6a1d-4f0e-9c55-7d2f1b8e4c21#"[^<>]*>'
    rb"(<dc:description [^<>]*><rdf:Alt><rdf:li [^<>]*>[^<>]*</rdf:li></rdf:Alt></dc:description>)?</rdf:Description>\n"
)

#: Gives a file without our caption, in pieces.
Undo = Callable[[bytes], Sequence[bytes | memoryview]]


class VerifyError(CaptionRefused):
    """An edited file is not what it should be; the old one must stay. `finding` says what is wrong, in English."""

    def __init__(self, finding: str) -> None:
        super().__init__(ReasonCode.NOT_PROVED, finding=finding)


def require(condition: bool, what: str) -> None:
    """Raises `VerifyError` unless the condition holds."""
    if not condition:
        raise VerifyError(f"verification: {what}")


def check_undo(old: bytes, new: bytes, undo: Undo) -> None:
    """Raises `VerifyError` unless taking our caption out of `new` gives `old`. Nothing is put together or copied: a
    picture may be large."""
    at = 0
    for piece in undo(new):
        require(old.startswith(piece, at), "taking the caption out again does not give the old file")
        at += len(piece)
    require(at == len(old), "taking the caption out again does not give the old file")


def check_block_edit(old: bytes | None, new: bytes, own: OwnCaption) -> None:
    """Raises `VerifyError` unless the TIFF block `new` is `old` but for bytes 4..7, with an IFD0 behind it that has
    every old entry byte for byte and our two texts. `old` is None where there was no block."""
    if old is not None:
        require(new[:4] == old[:4] and new[8 : len(old)] == old[8:], "bytes of the old Exif block have changed")
        check_entries(old, new)
    else:
        check_no_entries(new)
    texts = _texts(new)
    require(len(texts) == 2, "the Exif block does not hold both of our texts")
    require(all(text == own.text for text in texts), "the caption in Exif reads differently from what was meant")


def check_entries(old: bytes, new: bytes) -> None:
    """Raises `VerifyError` unless IFD0 lost and gained nothing but our two fields."""
    entries_before, next_before = _ifd0(old)
    entries_after, next_after = _ifd0(new)
    lost = [raw for raw in entries_before if raw not in entries_after and _tag(old, raw) not in _OURS]
    added = [raw for raw in entries_after if raw not in entries_before and _tag(new, raw) not in _OURS]
    require(not lost and not added, "an entry of IFD0 is not what it was")
    require(next_before == next_after, "the pointer to the next directory has changed")


def check_comment(old: bytes, new: bytes) -> None:
    """Raises `VerifyError` unless the Exif IFD lost and gained nothing but a UserComment."""
    before, after = _exif_ifd(old), _exif_ifd(new)
    lost = [raw for raw in before if raw not in after and _tag(old, raw) != _COMMENT]
    added = [raw for raw in after if raw not in before]
    require(not lost and not added, "an entry of the Exif IFD is not what it was")


def _exif_ifd(block: bytes) -> list[bytes]:
    """The 12-byte entries of the Exif IFD; none where there is no such."""
    return [block[i : i + 12] for start, end in exif_directory(block) for i in range(start + 2, end - 4, 12)]


def exif_directory(block: bytes) -> list[tuple[int, int]]:
    """Where the directory stands that IFD0's tag 0x8769 points at, with the four bytes behind it."""
    pointers = [raw for raw in _ifd0(block)[0] if _tag(block, raw) == _EXIF]
    if not pointers:
        return []
    (at,) = struct.unpack(_numbers(block) + "L", pointers[0][8:])
    require(at + 2 <= len(block), "the Exif IFD lies outside its block")
    (count,) = struct.unpack_from(_numbers(block) + "H", block, at)
    return [(at, at + 2 + 12 * count + 4)]


def check_no_entries(block: bytes) -> None:
    """Raises `VerifyError` where IFD0 has anything but our two fields, or a directory comes after it."""
    entries, following = _ifd0(block)
    require(all(_tag(block, raw) in _OURS for raw in entries), "more than our texts stand in the Exif block")
    require(following == b"\0" * 4, "a directory follows in the Exif block")


def _numbers(block: bytes) -> str:
    return "<" if block[:1] == b"I" else ">"


def _ifd0(block: bytes) -> tuple[list[bytes], bytes]:
    """The 12-byte entries of IFD0, and the four bytes after them."""
    try:
        (at,) = struct.unpack_from(_numbers(block) + "L", block, 4)
        (count,) = struct.unpack_from(_numbers(block) + "H", block, at)
    except struct.error as error:
        raise VerifyError(f"verification: IFD0 can't be read: {error}") from error
    end = at + 2 + 12 * count
    require(end + 4 <= len(block), "IFD0 runs past the end of its block")
    return [block[i : i + 12] for i in range(at + 2, end, 12)], block[end : end + 4]


def _tag(block: bytes, raw: bytes) -> int:
    tag: int = struct.unpack(_numbers(block) + "H", raw[:2])[0]
    return tag


def _texts(block: bytes) -> list[str]:
    texts = []
    for raw in _ifd0(block)[0]:
        tag, _, size, offset = struct.unpack(_numbers(block) + "HHLL", raw)
        if tag in _OURS:
            value = raw[8 : 8 + size] if size <= 4 else block[offset : offset + size]
            require(len(value) == size, "our text lies outside the Exif block")
            texts.append(value.decode("utf-16-le" if tag == 0x9C9C else "utf-8", "replace").removesuffix("\0"))
    return texts


def check_packet_text(packet: bytes, own: OwnCaption, *, needs_text: bool = True) -> None:
    """Raises `VerifyError` unless our part of the packet says the caption; without `needs_text` it may be silent."""
    block = _OWN_BLOCK.search(packet)
    require(block is not None, "our part of the XMP packet is not there")
    if block is not None and (needs_text or block[2]):
        items = _parse(_with_rdf_prefix(block[2] or b"<none/>")).itertext()
        require("".join(items) == own.text, "the caption in XMP reads differently from what was meant")


def _with_rdf_prefix(element: bytes) -> bytes:
    return element.replace(b"<rdf:Alt>", b'<rdf:Alt xmlns:rdf="r">', 1)


def check_packet_edit(old: bytes | None, new: bytes) -> None:
    """Raises `VerifyError` unless `new` is `old` and our rdf:Description, white space at the packet's end aside, and
    both parse. `old` is None where there was no packet."""
    require(len(_OWN_BLOCK.findall(new)) == 1, "our part of the XMP packet is not there once")
    _parse(new)
    if old is None:
        return
    _parse(old)
    require(_unpadded(_OWN_BLOCK.sub(b"", new)) == _unpadded(old), "the XMP packet differs in more than our part")


def _parse(packet: bytes) -> Element:
    try:
        return defusedxml.ElementTree.fromstring(packet.strip(b"\0 \t\r\n"), forbid_dtd=True)
    except (defusedxml.ElementTree.ParseError, DefusedXmlException, ValueError) as error:
        raise VerifyError(f"verification: the XMP packet can't be parsed: {error}") from error


def _unpadded(packet: bytes) -> bytes:
    head, instruction, tail = packet.rpartition(b"<?xpacket end=")
    return head.rstrip(b" \t\r\n") + instruction + tail if instruction else packet


def check_opens_alike(old: bytes, new: bytes) -> None:
    """Raises `VerifyError` unless Pillow opens both, at the same size and mode and with as many pages."""
    before, after = _inspect(old), _inspect(new)
    require(before[:3] == after[:3], "the picture no longer opens at the same size and mode")
    require(before[3] == after[3], "the number of pages has changed")


def _inspect(data: bytes) -> tuple[str | None, tuple[int, int], str, int | None]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data)) as image:
                return image.format, image.size, image.mode, _pages(image)
    except (
        UnidentifiedImageError,
        Image.DecompressionBombError,
        OSError,
        ValueError,
        SyntaxError,
        struct.error,
    ) as error:
        raise VerifyError("the picture can't be opened") from error


def _pages(image: Image.Image) -> int | None:
    """As Pillow counts them; None where it can't."""
    try:
        return int(getattr(image, "n_frames", 1))
    except (OSError, ValueError, SyntaxError, struct.error, KeyError, TypeError):
        return None
