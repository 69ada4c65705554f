"""XMP as recollect's older versions wrote it: our properties under names that are standard tags' too."""

from __future__ import annotations

import base64
import zlib

from indexer.ownership.mark import digest
from tests.indexer.formats import jpegs_made as made

NAMES = ("program", "by", "model", "date", "confidence", "digest", "before", "undo")
_SKELETON = (
    b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>\n<x:xmpmeta xmlns:x="adobe:ns:meta/">\n'
    b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\n</rdf:RDF>\n</x:xmpmeta>\n<?xpacket end="w"?>'
)


def packet(text: str, *, before: str = "", into: bytes = _SKELETON) -> bytes:
    """`into` with a caption before its `</rdf:RDF>`, which has eaten white space before the packet's end; a packet of
    its own where none is given."""
    bare = _block(text, before, "").encode()
    head, end, tail = into.rpartition(b"<?xpacket end=")
    room = min(len(bare) + 72, len(head) - len(head.rstrip(b" \t\r\n")))
    white = base64.b64encode(zlib.compress(head[len(head) - room :], 9)).decode()
    undo = f"{zlib.crc32(into):08x}.{zlib.crc32(bare + white.encode()):08x}.{white}"
    spliced = head[: len(head) - room] + end + tail
    return spliced.replace(b"</rdf:RDF>", _block(text, before, undo).encode() + b"</rdf:RDF>", 1)


def _block(text: str, before: str, undo: str) -> str:
    return (
        '<rdf:Description rdf:about="" xmlns:recollect="urn:uuid:0a7c34f5-6a1d-4f0e-9c55-7d2f1b8e4c21#" '
        f'recollect:program="recollect 0.1.0" recollect:by="model" recollect:model="{made.CAPTION.model}" '
        f'recollect:date="2026-02-03T04:05:06Z" recollect:confidence="0.8300" recollect:digest="{digest(text)}" '
        f'recollect:before="{before}" recollect:undo="{undo}">'
        '<dc:description xmlns:dc="http://purl.org/dc/elements/1.1/"><rdf:Alt>'
        f'<rdf:li xml:lang="x-default">{text}</rdf:li></rdf:Alt></dc:description></rdf:Description>\n'
    )
