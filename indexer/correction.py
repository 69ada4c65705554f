"""What a person may type about a photo: a caption in the place of another, and words to find it by."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from indexer.formats.charsets import clean_text
from indexer.message import Message
from indexer.ownership.mark import clean

#: Characters; what the fields of a photo file are given at most.
LONGEST_CORRECTION = 2000
#: Characters of one added word, which may be several: "Oma's garden".
LONGEST_ADDED_WORD = 100
MOST_ADDED_WORDS = 64
_NO_WORDS = Message("There are no words in this. Nothing was changed.")
_SEPARATORS = re.compile("[,;\n\u060c\u3001\uff0c\uff1b]")


class UnusableCorrection(ValueError):
    """What was typed can't be kept; the `message` is for whoever typed it."""

    def __init__(self, message: Message) -> None:
        super().__init__(str(message))
        self.message = message


def corrected_text(typed: str) -> str:
    """One line (NFC, no control characters) that every field of every format holds unchanged.

    Raises `UnusableCorrection` where nothing is left of it, or more than `LONGEST_CORRECTION` characters.
    """
    most = 4 * LONGEST_CORRECTION
    text = clean_text(typed, most) or ""
    if len(text) > LONGEST_CORRECTION or len(typed) > 8 * most:
        raise UnusableCorrection(
            Message(
                "These are %(length)s characters; a caption has at most %(most)s. Nothing was changed.",
                length=len(text),
                most=LONGEST_CORRECTION,
            )
        )
    text = clean(text)
    if not _says_something(text):
        raise UnusableCorrection(_NO_WORDS)
    return text


def added_words(typed: Iterable[str]) -> tuple[str, ...]:
    """The words in what was typed, each once: a comma, a semicolon or a line break lies between two (NFC, one line).

    Raises `UnusableCorrection` where there are none, too many, or one is too long.
    """
    parts = [part for text in typed for part in _SEPARATORS.split(text)]
    if len(parts) > 8 * MOST_ADDED_WORDS or any(len(part) > 8 * LONGEST_ADDED_WORD for part in parts):
        raise UnusableCorrection(Message("These are too many words at once. Nothing was changed."))
    found: dict[str, str] = {}
    for part in parts:
        text = clean(clean_text(part, 2 * LONGEST_ADDED_WORD) or "")
        if len(text) > LONGEST_ADDED_WORD:
            raise UnusableCorrection(
                Message(
                    "At most %(most)s characters make one word; put commas between words. Nothing was changed.",
                    most=LONGEST_ADDED_WORD,
                )
            )
        if _says_something(text):
            found.setdefault(text.casefold(), text)
    if not found:
        raise UnusableCorrection(_NO_WORDS)
    return tuple(found.values())


def _says_something(text: str) -> bool:
    """A zero width space is not a word."""
    return any(unicodedata.category(letter)[0] in "LNPS" for letter in text)
