"""What a person may type in the place of a caption."""

from __future__ import annotations

import unicodedata

from indexer.captions.own_caption import clean
from indexer.reading.clean_text import clean_text

#: Characters; what the fields of a photo file are given at most.
LONGEST_CORRECTION = 2000


class UnusableCorrection(ValueError):
    """The words can't stand as a caption; the message is for whoever typed them."""


def corrected_text(typed: str) -> str:
    """One line (NFC, no control characters) that every field of every format holds unchanged.

    Raises `UnusableCorrection` where nothing is left of it, or more than `LONGEST_CORRECTION` characters.
    """
    most = 4 * LONGEST_CORRECTION
    text = clean_text(typed, most) or ""
    if len(text) > LONGEST_CORRECTION or len(typed) > 8 * most:
        raise UnusableCorrection(
            f"These are {len(text):,} characters; a caption has at most {LONGEST_CORRECTION:,}. Nothing was changed."
        )
    text = clean(text)
    if not any(unicodedata.category(letter)[0] in "LNPS" for letter in text):  # a zero width space is not a word
        raise UnusableCorrection("There are no words in this. Nothing was changed.")
    return text
