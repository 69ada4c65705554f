"""Captions in photo files: the ladder from the Exif block down to the index."""

from __future__ import annotations

from indexer.caption_edit import XmpFile, open_photo, own_caption
from indexer.errors import CaptionRefused
from indexer.photo import FileCaption


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
