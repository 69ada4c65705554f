"""A caption spliced into an XMP packet as one rdf:Description of our own, and taken out again.

The packet is never written anew: what is not ours keeps its every byte, but for the white space before the packet's
end, some of which is eaten (XMP specification part 1, 7.3.2) and remembered.
"""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from xml.sax.saxutils import escape, quoteattr, unescape

from indexer.formats.xmp_packet import (
    CAPTION_FIELDS,
    DC,
    OWN,
    RDF,
    Element,
    Packet,
    XmpError,
    captions,
    has_description,
    own_attribute,
    own_fields,
    packet_end,
    parse,
    texts_of,
)
from indexer.model import CaptionBy
from indexer.ownership.mark import XMP_NAMES, OwnCaption, Stripped, digest

_RDF_END = b"</rdf:RDF>"
_PACKET_END = re.compile(rb"<\?xpacket end=[\"'][rw][\"']\?>\0*\s*\Z")
_WHITE = b" \t\r\n"
_MAX_PADDING_BYTES = 1 << 16
_ABOUT = re.compile(rb"""\s(?:rdf:)?about\s*=\s*("[^"<]*"|'[^'<]*')""")

_ATTRIBUTE = re.compile(rb"""\s([\w.-]+):([\w.-]+)\s*=\s*("[^"<]*"|'[^'<]*')""")
_QUOTES = {"&quot;": '"', "&apos;": "'"}
_CAPTION_NAMES = frozenset(name.split()[-1] for name in CAPTION_FIELDS)

_SKELETON = (
    b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>\n<x:xmpmeta xmlns:x="adobe:ns:meta/">\n'
    b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\n</rdf:RDF>\n</x:xmpmeta>\n<?xpacket end="w"?>'
)


def compose_packet(own: OwnCaption) -> bytes:
    """A packet that holds our caption and nothing else."""
    return splice(_SKELETON, own)


def splice(packet: bytes, own: OwnCaption) -> bytes:
    """`packet` with our rdf:Description before its `</rdf:RDF>`.

    Where a dc:description stands already, only our mark is added: two would make the packet invalid (see
    `can_describe`). A correction's mark then holds the words itself. Raises `XmpError` on a packet that is not
    understood.
    """
    parsed = parse(packet)
    if own_fields(parsed):
        raise XmpError("the XMP packet has a mark of ours already")
    if packet[packet_end(packet) :].strip(_WHITE + b"\0"):
        raise XmpError("what another program has left stands behind the end of the XMP packet")
    at = parsed.rdf_end_tag
    if packet.count(_RDF_END) != 1 or not packet.startswith(_RDF_END, at):
        raise XmpError("the XMP packet does not end in one </rdf:RDF>")
    padding_end = _padding_end(packet, parsed)
    about = _about(packet, parsed)
    with_text = not has_description(parsed)
    without_undo = _block(own, about, "", with_text=with_text)
    size = len(without_undo) + 72
    eaten = min(
        size, len(packet[parsed.rdf.end : padding_end]) - len(packet[parsed.rdf.end : padding_end].rstrip(_WHITE))
    )
    compressed = _compress(packet[padding_end - eaten : padding_end])
    undo = f"{zlib.crc32(packet):08x}.{_own_crc(without_undo, compressed)}.{compressed}"
    block = _block(own, about, undo, with_text=with_text)
    return packet[:at] + block + packet[at : padding_end - eaten] + packet[padding_end:]


def can_describe(packet: bytes) -> bool:
    """Whether `splice` would add the caption itself and not only its mark. Raises `XmpError`."""
    return not has_description(parse(packet))


def _block(own: OwnCaption, about: bytes, undo: str, *, with_text: bool) -> bytes:
    fields = own.mark.fields() | {"undo": undo}
    if own.mark.by is CaptionBy.PERSON and not with_text:
        fields["text"] = own.text
    attributes = "".join(f" recollect:{XMP_NAMES[part]}={quoteattr(value)}" for part, value in fields.items())
    text = (
        f'<dc:description xmlns:dc="{DC}"><rdf:Alt><rdf:li xml:lang="x-default">{escape(own.text)}</rdf:li></rdf:Alt>'
        "</dc:description>"
        if with_text
        else ""
    )
    start = b"<rdf:Description rdf:about=" + about + f' xmlns:recollect="{OWN}"{attributes}>'.encode()
    return start + text.encode() + b"</rdf:Description>\n"


def _about(packet: bytes, parsed: Packet) -> bytes:
    """What the packet is about, quotes included: every rdf:Description of a packet must say the same."""
    for description in parsed.descriptions:
        match = _ABOUT.search(packet, description.start, description.content)
        if match:
            return match[1]
    return b'""'


def _padding_end(packet: bytes, parsed: Packet) -> int:
    """Where the white space before the packet's end instruction ends; where nothing may be eaten, the RDF's end."""
    match = _PACKET_END.search(packet, parsed.rdf.end)
    return match.start() if match else parsed.rdf.end


def _own_crc(without_undo: bytes, compressed: str) -> str:
    """Of our part without its undo note, and of the white space that the note holds."""
    return f"{zlib.crc32(without_undo + compressed.encode()):08x}"


def _compress(white: bytes) -> str:
    return base64.b64encode(zlib.compress(white, 9)).decode() if white else ""


def _decompress(text: str) -> bytes:
    """Raises `XmpError` on anything that we did not write."""
    if not text:
        return b""
    try:
        expander = zlib.decompressobj()
        white = expander.decompress(base64.b64decode(text, validate=True), _MAX_PADDING_BYTES)
    except (binascii.Error, zlib.error, ValueError) as error:
        raise XmpError(f"our undo note in the XMP packet is damaged: {error}") from error
    if white.strip(_WHITE):
        raise XmpError("our undo note in the XMP packet is damaged: it holds more than white space")
    return white


def strip_caption(packet: bytes, digests: frozenset[str]) -> Stripped:
    """`packet` without our rdf:Description: what it was, or, where another program has rewritten it since, without
    our properties and the texts of one of `digests`, in whichever field of captions they stand.

    Raises `XmpError` where that can't be done without risk.
    """
    parsed = parse(packet)
    restored = _restore(packet, parsed)
    if restored is not None:
        return Stripped(None if restored == _SKELETON else restored, exact=True)
    spans = [span for description in parsed.descriptions for span in _own_spans(packet, parsed, description, digests)]
    stripped = packet
    for start, end in sorted(spans, reverse=True):
        stripped = stripped[:start] + stripped[end:]
    if own_fields(parse(stripped)):
        raise XmpError("another program has rewritten our properties in the XMP packet in a way that is not understood")
    return Stripped(stripped, exact=False)


def _restore(packet: bytes, parsed: Packet) -> bytes | None:
    """The packet as it was, proved by its checksum; None where that does not come out."""
    for description in parsed.descriptions:
        note = own_attribute(description, "undo")
        if not note:
            continue
        crc, block_crc, compressed = [*note.split("."), "", ""][:3]
        end = description.end + (packet[description.end : description.end + 1] == b"\n")
        without_undo = packet[description.start : end].replace(f'"{note}"'.encode(), b'""', 1)
        if _own_crc(without_undo, compressed) != block_crc or not _is_as_written(description):
            return None  # somebody has been in our part, and what they put there is theirs
        try:
            white = _decompress(compressed)
        except XmpError:
            return None
        padding_end = _padding_end(packet, parsed) if white else len(packet)
        restored = packet[: description.start] + packet[end:padding_end] + white + packet[padding_end:]
        return restored if f"{zlib.crc32(restored):08x}" == crc else None
    return None


def _is_as_written(description: Element) -> bool:
    """Whether a description holds nothing but our mark and the text that it vouches for: anybody can write a note."""
    foreign = [name for name in description.attributes if name not in (f"{RDF} about", "about")]
    if any(not name.startswith(f"{OWN} ") for name in foreign):
        return False
    ours = frozenset((own_attribute(description, "digest"),))
    return all(child.name == f"{DC} description" and _is_own(child, ours) for child in description.children)


def holds(packet: Packet, digests: frozenset[str]) -> bool:
    """Whether our mark is there, or a text of one of these digests in any field of captions."""
    return bool(own_fields(packet)) or any(digest(text.text) in digests for text in captions(packet))


def _own_spans(packet: bytes, parsed: Packet, description: Element, digests: frozenset[str]) -> list[tuple[int, int]]:
    """The bytes of a description that are ours: all of it, or single properties."""
    ours = [child for child in description.children if _is_own(child, digests)]
    attributes = [name for name, value in description.attributes.items() if _is_own_attribute(name, value, digests)]
    others = set(description.attributes) - set(attributes) - {f"{RDF} about", "about"}
    if (ours or attributes) and len(ours) == len(description.children) and not others:
        return [(description.start, description.end)]
    spans = [(child.start, child.end) for child in ours]
    spans += [
        (item.start, item.end)
        for child in description.children
        if child not in ours and child.name in CAPTION_FIELDS
        for items in child.children
        for item in items.children
        if item.name == f"{RDF} li" and all(digest(text) in digests for text in texts_of(item))
    ]
    prefixes = frozenset(prefix.encode() for prefix in parsed.own_prefixes)
    for match in _ATTRIBUTE.finditer(packet, description.start, description.content):
        value = unescape(match[3][1:-1].decode(), _QUOTES).strip()
        copied = match[2].decode() in _CAPTION_NAMES and digest(value) in digests
        if match[1] in prefixes or (copied and attributes):
            spans.append(match.span())
    return spans


def _is_own_attribute(name: str, value: str, digests: frozenset[str]) -> bool:
    return name.startswith(f"{OWN} ") or (name in CAPTION_FIELDS and digest(value.strip()) in digests)


def _is_own(element: Element, digests: frozenset[str]) -> bool:
    if element.name.startswith(f"{OWN} "):
        return True
    texts = texts_of(element) if element.name in CAPTION_FIELDS else []
    return bool(texts) and all(digest(text) in digests for text in texts)
