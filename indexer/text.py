"""Text into words, the same way for documents, queries and highlights.

A word is a run of letters, or of digits, or one character of a script written without spaces, or one emoji or flag.
Words are folded: no case, no diacritics ("Zürich" and "ZURICH" are "zurich"), compatibility forms resolved (NFKD,
Unicode Standard Annex 15). "DSC0307" is two words, "dsc" and "0307", and "Urlaub2019Italien" three; "dog's" is "dog".
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

MAX_WORD_CHARS = 40

# Scripts without spaces between words, and Hangul, whose particles cling to the word: one character, one word.
_SOLO = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3041-\u3096\u30a1-\u30ff\u31f0-\u31ff\u3400-\u4dbf"
    "\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\uff66-\uff9d\U00020000-\U0003ffff"
)
_EMOJI = (
    "\u231a-\u23ff\u2600-\u27bf\u2b05-\u2b07\u2b1b\u2b1c\u2b50\u2b55"
    "\U0001f000-\U0001f0ff\U0001f170-\U0001f19a\U0001f300-\U0001f3fa\U0001f400-\U0001faff"
)
_FLAG_LETTER = "\U0001f1e6-\U0001f1ff"  # two of them make a flag
# Nothing that can be seen: soft hyphens, and marks of joining and direction, also in the middle of a pasted word.
_INVISIBLE = "\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff"
# Diacritics to drop; the vowel signs of Indic and other scripts are parts of the word and stay.
_DIACRITICS = "\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf\u05c1\u05c2\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06dc"
_MARKS = _DIACRITICS + "\u0900-\u0903\u093a-\u094f\u0951-\u0957\u0962\u0963\u0980-\u0983\u09bc-\u09cd\u0a00-\u0a03"
_MARKS += "\u0a3c-\u0a4d\u0a80-\u0a83\u0abc-\u0acd\u0b00-\u0b03\u0b3c-\u0b57\u0bbe-\u0bcd\u0c00-\u0c04\u0c3c-\u0c56"
_MARKS += "\u0c80-\u0c83\u0cbc-\u0cd6\u0d00-\u0d03\u0d3b-\u0d57\u3099\u309a"
_SOLO_MARKS = "\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u0eb1\u0eb4-\u0ebc\u0ec8-\u0ecd\u102b-\u103e\u17b4-\u17d3\u3099\u309a"

_WORD = re.compile(
    rf"[{_SOLO}][{_SOLO_MARKS}]*|[{_EMOJI}]|[{_FLAG_LETTER}]{{2}}"
    rf"|(?:[^\W_{_SOLO}{_EMOJI}][{_MARKS}]*)(?:[{_INVISIBLE}]*[^\W_{_SOLO}{_EMOJI}][{_MARKS}]*)*"
)
_ASCII_WORD = re.compile(r"[a-z0-9]+")
# One border between letters and digits is a name and its number. More of them are a hash, and stay one word, unless
# three letters or more stand together before each number, not all of them hexadecimal, as in "Urlaub2019Italien".
_NUMBERED = re.compile(r"[^\W\d]+\d+|\d+[^\W\d]+|(?![\da-fA-F]+$)\d*(?:[^\W\d]{3,}\d+)+[^\W\d]*")
_RUN = re.compile(r"\d+|\D+")
_POSSESSIVE = re.compile("['\u2019][sS]\\b")
_DROPPED = re.compile(rf"[{_DIACRITICS}]+")
_SOLO_WORD = re.compile(rf"[{_SOLO}]")
_EMOJI_WORD = re.compile(rf"[{_EMOJI}{_FLAG_LETTER}]")
_DIGIT = re.compile(r"\d")
_NOT_WORD = re.compile(rf"[^\w{_MARKS}{_SOLO_MARKS}{_EMOJI}{_FLAG_LETTER}]|_")
# Letters of their own that people without them on the keyboard write otherwise; NFKD leaves them alone.
_SPELT_OUT = str.maketrans({"œ": "oe", "æ": "ae", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "\u0131": "i"})
_SURROGATES = re.compile("[\ud800-\udfff]")


class Span(NamedTuple):
    """A word and where it stands: characters `start` to `end` of the text that `spans` was given.

    No dataclass: of a page of results hundreds are made with every letter typed.
    """

    word: str
    start: int
    end: int


def clean(text: str) -> str:
    """`text` in NFC, without the lone surrogates of names that aren't UTF-8: no database holds them."""
    return text if text.isascii() else unicodedata.normalize("NFC", _SURROGATES.sub("\ufffd", text))


def fold(word: str) -> str:
    """`word` without case and diacritics."""
    if word.isascii():
        return word.lower()
    decomposed = unicodedata.normalize("NFKD", word.casefold())
    return unicodedata.normalize("NFC", _DROPPED.sub("", decomposed)).casefold().translate(_SPELT_OUT)


@lru_cache(maxsize=2048)
def words(text: str) -> tuple[str, ...]:
    """The folded words of `text`, in order."""
    if not text.isascii():
        return tuple(span.word for span in spans(text))
    if "'" in text:
        text = _POSSESSIVE.sub("  ", text)
    found: list[str] = []
    for word in _ASCII_WORD.findall(text.lower()):
        if word.isalpha() or word.isdigit() or not _NUMBERED.fullmatch(word):
            found.append(word[:MAX_WORD_CHARS])
        else:
            found.extend(part[:MAX_WORD_CHARS] for part in _RUN.findall(word))
    return tuple(found)


# Who types looks at much the same photos with every letter.
@lru_cache(maxsize=2048)
def spans(text: str) -> tuple[Span, ...]:
    """The folded words of `text` (already `clean`) with their places in it."""
    if "'" in text or "\u2019" in text:
        text = _POSSESSIVE.sub("  ", text)
    return tuple(_ascii_spans(text.lower())) if text.isascii() else _any_spans(text)


def _ascii_spans(text: str) -> Iterator[Span]:
    if not _DIGIT.search(text):  # most texts are captions and tags, and nothing to cut
        yield from [Span(match[0][:MAX_WORD_CHARS], *match.span()) for match in _ASCII_WORD.finditer(text)]
        return
    for match in _ASCII_WORD.finditer(text):
        word, (start, end) = match[0], match.span()
        if word.isalpha() or word.isdigit() or not _NUMBERED.fullmatch(word):
            yield Span(word[:MAX_WORD_CHARS], start, end)
        else:
            yield from (Span(run[0][:MAX_WORD_CHARS], *run.span()) for run in _RUN.finditer(text, start, end))


def _any_spans(text: str) -> tuple[Span, ...]:
    found: list[Span] = []
    for match in _WORD.finditer(text):
        start, end = match.span()
        is_numbered = _NUMBERED.fullmatch(text, start, end) is not None
        parts = [run.span() for run in _RUN.finditer(text, start, end)] if is_numbered else [(start, end)]
        for part_start, part_end in parts:
            word = _NOT_WORD.sub("", fold(text[part_start:part_end]))[:MAX_WORD_CHARS]
            if word:
                found.append(Span(word, part_start, part_end))
    return tuple(found)


def is_solo(word: str) -> bool:
    """Whether `word` is one character of a script without spaces: neighbours then have to match as a phrase."""
    return not word.isascii() and _SOLO_WORD.match(word) is not None


def is_emoji(word: str) -> bool:
    """Whether `word` is an emoji or a flag."""
    return not word.isascii() and _EMOJI_WORD.match(word) is not None


def has_digit(word: str) -> bool:
    """Numbers are never corrected, and have no forms."""
    return _DIGIT.search(word) is not None


def is_serial(word: str) -> bool:
    """A long number or a hash: there are as many of them as photos, so no vocabulary is kept of them."""
    return len(word) > 4 and not word.isalpha() and has_digit(word)
