"""An rdf:Description of our own put into an XMP packet (ISO 16684-1), and taken out again byte for byte.

The packet is never written anew: what is not ours keeps its every byte, but for the white space before the packet's
end, some of which is eaten (XMP specification part 1, 7.3.2). A note in our own part remembers that and the checksum of
the packet before.
"""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from collections.abc import Callable

from indexer.formats.xmp_tree import Element, Packet, XmpError, packet_end, parse

#: The packet in which our own part stands where there was none before.
SKELETON = (
    b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>\n<x:xmpmeta xmlns:x="adobe:ns:meta/">\n'
    b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\n</rdf:RDF>\n</x:xmpmeta>\n<?xpacket end="w"?>'
)
_ABOUT = re.compile(rb"""\s(?:rdf:)?about\s*=\s*("[^"<]*"|'[^'<]*')""")
_WRITABLE_END = re.compile(rb"<\?xpacket end=[\"'][rw][\"']\?>\0*\s*\Z")
_RDF_END, _WHITE = b"</rdf:RDF>", b" \t\r\n"
_MAX_PADDING_BYTES = 1 << 16
_MAX_NOTE_BYTES = 72  # of the base64 that remembers white space of one kind

#: Gives our rdf:Description, its line break included, for a value of rdf:about (with its quotes) and an undo note.
ComposePart = Callable[[bytes, str], bytes]


def insert(packet: bytes, compose: ComposePart) -> bytes:
    """`packet` with our rdf:Description before its `</rdf:RDF>`. Raises `XmpError` on one that is not understood."""
    parsed = parse(packet)
    if packet[packet_end(packet) :].strip(_WHITE + b"\0"):
        raise XmpError("what another program has left stands behind the end of the XMP packet")
    at = parsed.rdf_end_tag
    if packet.count(_RDF_END) != 1 or not packet.startswith(_RDF_END, at):
        raise XmpError("the XMP packet does not end in one </rdf:RDF>")
    about, padding_end = _about(packet, parsed), _padding_end(packet, parsed)
    without_undo = compose(about, "")
    white_start = parsed.rdf.end + len(packet[parsed.rdf.end : padding_end].rstrip(_WHITE))
    eaten_start = max(white_start, padding_end - len(without_undo) - _MAX_NOTE_BYTES)
    white = packet[eaten_start:padding_end]
    compressed = base64.b64encode(zlib.compress(white, 9)).decode() if white else ""
    undo = f"{zlib.crc32(packet):08x}.{part_crc(without_undo, compressed)}.{compressed}"
    return packet[:at] + compose(about, undo) + packet[at:eaten_start] + packet[padding_end:]


def own_span(packet: bytes, description: Element, note: str) -> tuple[int, int] | None:
    """From where to where our rdf:Description with this undo note stands; None where its bytes are not as written:
    somebody has been in it, and what they put there is theirs."""
    _, crc, compressed = _parts(note)
    end = description.end + (packet[description.end : description.end + 1] == b"\n")
    without_undo = packet[description.start : end].replace(f'"{note}"'.encode(), b'""', 1)
    return (description.start, end) if part_crc(without_undo, compressed) == crc else None


def restore(packet: bytes, parsed: Packet, span: tuple[int, int], note: str) -> bytes | None:
    """The packet as it was before our part at `span` was inserted, proved by its checksum; None where that does not
    come out."""
    crc, _, compressed = _parts(note)
    white = _decompress(compressed)
    if white is None:
        return None
    padding_end = _padding_end(packet, parsed) if white else len(packet)
    restored = packet[: span[0]] + packet[span[1] : padding_end] + white + packet[padding_end:]
    return restored if f"{zlib.crc32(restored):08x}" == crc else None


def part_crc(without_undo: bytes, compressed: str) -> str:
    """Of our part without its undo note, and of the white space that the note holds."""
    return f"{zlib.crc32(without_undo + compressed.encode()):08x}"


def _parts(note: str) -> tuple[str, str, str]:
    """The checksum of the packet before, that of our part, and the white space, compressed."""
    crc, part, compressed = [*note.split("."), "", "", ""][:3]
    return crc, part, compressed


def _about(packet: bytes, parsed: Packet) -> bytes:
    """What the packet is about, quotes included: every rdf:Description of a packet must say the same."""
    found = (_ABOUT.search(packet, description.start, description.content) for description in parsed.descriptions)
    return next((match[1] for match in found if match), b'""')


def _padding_end(packet: bytes, parsed: Packet) -> int:
    """Where the white space before the packet's end instruction ends; where nothing may be eaten, the RDF's end."""
    match = _WRITABLE_END.search(packet, parsed.rdf.end)
    return match.start() if match else parsed.rdf.end


def _decompress(text: str) -> bytes | None:
    """The white space that our undo note holds; None on anything that we did not write."""
    try:
        expander = zlib.decompressobj()
        white = expander.decompress(base64.b64decode(text, validate=True), _MAX_PADDING_BYTES) if text else b""
    except (binascii.Error, zlib.error, ValueError):
        return None
    return None if white.strip(_WHITE) else white
