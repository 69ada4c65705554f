"""Independent proof that an edited photo is the old one and our caption, and nothing else.

Nothing here shares a line with what made the edit: files are split, IFDs compared and packets cut in another way, so
that one mistake can't hide in both.
"""

from __future__ import annotations

import io
import re
import struct
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import defusedxml.ElementTree
from defusedxml.common import DefusedXmlException
from PIL import Image, UnidentifiedImageError

from indexer.errors import CaptionRefused
from indexer.own_caption import OwnCaption

_EXIF, _XMP = b"\xff\xe1Exif\0\0", b"\xff\xe1http://ns.adobe.com/xap/1.0/\0"
_OURS = {0x010E, 0x9C9C}
_OWN_BLOCK = re.compile(
    rb'<rdf:Description rdf:about=("[^"]*"|\'[^\']*\') xmlns:recollect="https://recollect\.photos/ns/1\.0/"[^<>]*>'
    rb"(<dc:description [^<>]*><rdf:Alt><rdf:li [^<>]*>[^<>]*</rdf:li></rdf:Alt></dc:description>)?</rdf:Description>\n"
)


_Undo = Callable[[bytes], bytes]
_RemovalCheck = Callable[[bytes, bytes], None]


class _EditCheck(Protocol):
    def __call__(self, old: bytes, new: bytes, own: OwnCaption, *, undo: _Undo) -> None: ...


class VerifyError(CaptionRefused):
    """An edited file is not what it should be; the old one must stay."""


@dataclass(frozen=True, slots=True)
class _Jpeg:
    others: list[bytes]  # every segment before the first scan but Exif and XMP, in order, headers included
    exif: list[bytes]
    xmp: list[bytes]
    mpf_to_end: list[int]  # bytes from each MPF segment to the end of the file: what its offsets count on
    rest: memoryview  # from SOS to the end of the file


def check_jpeg_edit(old: bytes, new: bytes, own: OwnCaption, *, undo: _Undo) -> None:
    """Raises `VerifyError` unless `new` is `old` with `own` in it and nothing else is different.

    `undo` takes our caption out of a file; PHOTO_WRITES' six points are checked in order.
    """
    before, after = _split(old), _split(new)
    _same(before, after, new)
    _check_exif(before.exif, after.exif)
    if undo(new) != old:
        raise VerifyError("verification: taking the caption out again does not give the old file")
    _check_captions(after, own)
    _check_xmp(before.xmp, after.xmp)
    check_opens_alike(old, new)


def check_jpeg_removal(old: bytes, new: bytes) -> None:
    """Raises `VerifyError` unless `new` differs from `old` in nothing but Exif and XMP, as after an undo that could
    not be exact."""
    before, after = _split(old), _split(new)
    _same(before, after, new)
    for block_before, block_after in zip(before.exif, after.exif, strict=False):
        _check_entries(block_before, block_after)
    check_opens_alike(old, new)


#: How a file of each format begins, and what proves an edit and an inexact undo of it.
_CHECKS = {b"\xff\xd8\xff": (check_jpeg_edit, check_jpeg_removal)}


def check_edit(old: bytes, new: bytes, own: OwnCaption, *, undo: _Undo) -> None:
    """Proves an edit, whatever the file's format. Raises `VerifyError`."""
    _checks(old)[0](old, new, own, undo=undo)


def check_removal(old: bytes, new: bytes) -> None:
    """Proves an undo that could not be exact, whatever the file's format. Raises `VerifyError`."""
    _checks(old)[1](old, new)


def _checks(data: bytes) -> tuple[_EditCheck, _RemovalCheck]:
    for magic, checks in _CHECKS.items():
        if data.startswith(magic):
            return checks
    raise VerifyError("verification: nothing is known of this format")


def _require(condition: bool, what: str) -> None:
    if not condition:
        raise VerifyError(f"verification: {what}")


def _split(data: bytes) -> _Jpeg:
    """One pass over the markers: `FF`, code, two bytes of length, until the first SOS."""
    _require(data[:2] == b"\xff\xd8", "the file does not begin with SOI")
    position, jpeg = 2, _Jpeg([], [], [], [], memoryview(b""))
    while True:
        here = position
        while data[position : position + 2] == b"\xff\xff":
            position += 1
        _require(len(data) >= position + 4 and data[position] == 0xFF, f"no segment at byte {here}")
        code = data[position + 1]
        if code == 0xDA:
            return replace(jpeg, rest=memoryview(data)[here:])
        bare = code == 0x01 or 0xD0 <= code <= 0xD7
        position += 2 if bare else 2 + struct.unpack_from(">H", data, position + 2)[0]
        _require(position <= len(data), f"the segment at byte {here} runs past the end")
        raw = data[here:position]
        marker_free = raw.lstrip(b"\xff")
        name = marker_free[:1] + marker_free[3:]
        if name.startswith(_EXIF[1:]):
            jpeg.exif.append(name[len(_EXIF) - 1 :])
        elif name.startswith(_XMP[1:]):
            jpeg.xmp.append(name[len(_XMP) - 1 :])
        else:
            jpeg.others.append(raw)
            if name.startswith(b"\xe2MPF\0"):
                jpeg.mpf_to_end.append(len(data) - here)


def _same(before: _Jpeg, after: _Jpeg, new: bytes) -> None:
    _require(before.others == after.others, "a segment that is not ours to touch has changed")
    # endswith compares in place: a large picture is not copied.
    same_rest = len(before.rest) == len(after.rest) and new.endswith(before.rest)
    _require(same_rest, "the picture's own data has changed")
    _require(before.mpf_to_end == after.mpf_to_end, "an MPF segment has moved apart from what it points at")


def _check_exif(before: list[bytes], after: list[bytes]) -> None:
    if before == after:
        return
    _require(len(before) <= 1 and len(after) == 1, "the number of Exif segments is wrong")
    if not before:
        return
    old, new = before[0], after[0]
    _require(new[:4] == old[:4] and new[8 : len(old)] == old[8:], "bytes of the old Exif block have changed")
    _check_entries(old, new)


def _check_entries(old: bytes, new: bytes) -> None:
    """IFD0 lost and gained nothing but ours."""
    entries_before, next_before = _ifd0(old)
    entries_after, next_after = _ifd0(new)
    lost = [raw for raw in entries_before if raw not in entries_after and _tag(old, raw) not in _OURS]
    added = [raw for raw in entries_after if raw not in entries_before and _tag(new, raw) not in _OURS]
    _require(not lost and not added, "an entry of IFD0 is not what it was")
    _require(next_before == next_after, "the pointer to the next directory has changed")


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
    _require(end + 4 <= len(block), "IFD0 runs past the end of its block")
    return [block[i : i + 12] for i in range(at + 2, end, 12)], block[end : end + 4]


def _tag(block: bytes, raw: bytes) -> int:
    tag: int = struct.unpack(_numbers(block) + "H", raw[:2])[0]
    return tag


def _check_captions(after: _Jpeg, own: OwnCaption) -> None:
    """Each place that was written says the caption, and at least one was."""
    said: list[str] = []
    if after.exif and b"RECOLL01" in after.exif[0][-8:]:
        said += _exif_texts(after.exif[0])
        _require(len(said) == 2, "the Exif block does not hold both of our texts")
    for packet in after.xmp:
        block = _OWN_BLOCK.search(packet)
        if block and block[2]:
            items = defusedxml.ElementTree.fromstring(_alone(block[2])).itertext()
            said.append("".join(items))
    _require(bool(said) and all(text == own.text for text in said), "the caption reads differently from what was meant")


def _alone(element: bytes) -> bytes:
    return element.replace(b"<rdf:Alt>", b'<rdf:Alt xmlns:rdf="r">', 1)


def _exif_texts(block: bytes) -> list[str]:
    texts = []
    for raw in _ifd0(block)[0]:
        tag, _, size, offset = struct.unpack(_numbers(block) + "HHLL", raw)
        if tag in _OURS:
            value = raw[8 : 8 + size] if size <= 4 else block[offset : offset + size]
            _require(len(value) == size, "our text lies outside the Exif block")
            texts.append(value.decode("utf-16-le" if tag == 0x9C9C else "utf-8", "replace").removesuffix("\0"))
    return texts


def _check_xmp(before: list[bytes], after: list[bytes]) -> None:
    if before == after:
        return
    _require(len(before) <= 1 and len(after) == 1, "the number of XMP packets is wrong")
    check_packet_edit(before[0] if before else None, after[0])


def check_packet_edit(old: bytes | None, new: bytes) -> None:
    """Raises `VerifyError` unless `new` is `old` and our rdf:Description, white space at the packet's end aside, and
    both parse. `old` is None where there was no packet."""
    _require(len(_OWN_BLOCK.findall(new)) == 1, "our part of the XMP packet is not there once")
    _parse(new)
    if old is None:
        return
    _parse(old)
    _require(_unpadded(_OWN_BLOCK.sub(b"", new)) == _unpadded(old), "the XMP packet differs in more than our part")


def _parse(packet: bytes) -> None:
    try:
        defusedxml.ElementTree.fromstring(packet.strip(b"\0 \t\r\n"), forbid_dtd=True)
    except (defusedxml.ElementTree.ParseError, DefusedXmlException, ValueError) as error:
        raise VerifyError(f"verification: the XMP packet can't be parsed: {error}") from error


def _unpadded(packet: bytes) -> bytes:
    head, instruction, tail = packet.rpartition(b"<?xpacket end=")
    return head.rstrip(b" \t\r\n") + instruction + tail if instruction else packet


def check_opens_alike(old: bytes, new: bytes) -> None:
    """Raises `VerifyError` unless Pillow opens both, at the same size and mode."""
    _require(_look(old) == _look(new), "the picture no longer opens at the same size and mode")


def _look(data: bytes) -> tuple[str | None, tuple[int, int], str]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data)) as image:
                return image.format, image.size, image.mode
    except (
        UnidentifiedImageError,
        Image.DecompressionBombError,
        OSError,
        ValueError,
        SyntaxError,
        struct.error,
    ) as error:
        raise VerifyError(f"verification: the picture can't be opened: {error}") from error
