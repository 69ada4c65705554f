"""Text out of a photo, made fit to store and show: whoever made the file chose it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

CAPTION_CHARACTERS = 4000
LINE_CHARACTERS = 256
MOST_ENTRIES = 256

# Bidirectional embeddings, overrides and isolates can make text read as something else (Unicode TR 36); joiners
# stay: emoji and many scripts need them. Lone surrogates can't be stored, noncharacters mean nothing.
_DROPPED = re.compile("[\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\uffff\ud800-\udfff]")


def clean_text(text: str | None, most: int = LINE_CHARACTERS) -> str | None:
    """One line of at most `most` characters in NFC, without control or bidi override characters; None if blank."""
    if not text:
        return None
    text = text[: 8 * most]
    visible = "".join(" " if unicodedata.category(letter) in {"Cc", "Zl", "Zp"} else letter for letter in text)
    words = unicodedata.normalize("NFC", _DROPPED.sub("", visible)).split()
    return " ".join(words)[:most].rstrip() or None


def clean_list(texts: Iterable[str]) -> tuple[str, ...]:
    """Cleaned, without blanks and repetitions (letter case does not count), at most `MOST_ENTRIES`."""
    found: dict[str, str] = {}
    for text in texts:
        cleaned = clean_text(text)
        if cleaned:
            found.setdefault(cleaned.casefold(), cleaned)
        if len(found) >= MOST_ENTRIES:
            break
    return tuple(found.values())
