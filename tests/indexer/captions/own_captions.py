"""What of recollect's own stands in a file."""

from __future__ import annotations

from indexer.errors import CaptionRefused
from indexer.formats.editable import open_photo
from indexer.formats.photo import XmpFile, own_caption
from indexer.model import FileCaption


def read_own_caption(data: bytes) -> FileCaption | None:
    """The caption of ours in a photo's bytes, or in a sidecar's (XMP).

    None where there is none, and where a person has since changed the text in every field: a text that differs from
    what this returns is a person's. Never raises.
    """
    try:
        photo = open_photo(data)
        if photo is None and data[:64].lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
            return own_caption(XmpFile(data))
        return own_caption(photo) if photo is not None else None
    except CaptionRefused:
        return None
