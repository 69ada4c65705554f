"""Text out of a photo: decoded from bytes whose character set is not said, or said wrongly (EXIF, IPTC-IIM, comments),
and made fit to store and show: whoever made the file chose it. Nothing here raises."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from itertools import takewhile
from types import MappingProxyType

_BLANK = " \t\r\n\0"
_BLANK_BYTES = b" \t\r\n\0"
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f\x7f]")
_ESCAPE = b"\x1b"
_JIS_ESCAPE = b"\x1b$"
_LEAST_JAPANESE_CHARACTERS = 2
_JAPANESE = re.compile("[\u3000-\u30ff\u4e00-\u9fff\uff01-\uff5e]")
_BESIDE_LATIN = re.compile("[A-Za-z][\u3000-\u9fff]|[\u3000-\u9fff][A-Za-z]")
# Letters and signs of Western European languages that both Windows-1252 and Mac OS Roman have; the frequent ones.
_FREQUENT = frozenset("äöüÄÖÜßéèêëàâçñåøæÅÉØÆ\u2018\u2019\u201c\u201d\u2013\u2014")
_COMMON = frozenset("áãíìîïóòôõúùûÈÀÇÑ…«»°€£§©®¿¡")
_BEFORE_APOSTROPHE = re.compile(r"(?:^|\W)(?:[ldjncsmt]|qu)\Z", re.IGNORECASE)
_AFTER_APOSTROPHE = re.compile(r"(?:s|t|m|d|ll|re|ve)\b")
_MAX_JUDGED_CHARACTERS = 2000  # characters
_APOSTROPHES = frozenset("\u2018\u2019")
_ORDERS = ("utf-16-le", "utf-16-be")
# So many ASCII characters where UTF-16 is declared are no chance: of Chinese characters, one in five reads like two.
_SURELY_ASCII_BYTES = 8
_LEAST_GUESSED_CHARACTERS = 4
_LEAST_OF_ALPHABET_BYTES = 6


def decode_text(raw: bytes, *, big_endian: bool = False) -> str:
    """Text that names no character set: UTF-16 where a byte order mark or the NULs tell it (`big_endian` where neither
    tells the order), else UTF-8 where that is valid, else Windows-1252 or Mac OS Roman, whichever makes better words.

    Several texts with a NUL between stay several; what stands behind them and is no text is cut off.
    """
    if is_utf16(raw):
        return decode_utf16(raw, big_endian=big_endian)
    return decode_narrow(_cut_garbage(raw.removeprefix(b"\xef\xbb\xbf")))


def decode_narrow(raw: bytes) -> str:
    """UTF-8, ISO-2022-JP or Shift JIS where it can be nothing else, else Windows-1252 or Mac OS Roman.

    Without blanks around.
    """
    try:
        return raw.decode("iso2022_jp" if _JIS_ESCAPE in raw else "utf-8").strip(_BLANK)
    except UnicodeDecodeError:
        if (japanese := _japanese(raw)) is not None:
            return japanese.strip(_BLANK)
        found = (raw.decode(charset, "replace") for charset in ("cp1252", "mac_roman"))
        return max(found, key=_likelihood).strip(_BLANK)


def _japanese(raw: bytes) -> str | None:
    """The text in Shift JIS; None where it is none, or might be a European one: letters of both stand together there,
    or a word is made of the half-width Katakana that share their bytes with accented letters."""
    try:
        text = raw.decode("shift_jis")
    except UnicodeDecodeError:
        return None
    foreign = [letter for letter in text if letter > "\x7f"]
    if len(foreign) < _LEAST_JAPANESE_CHARACTERS or not all(map(_JAPANESE.match, foreign)):
        return None
    letters = sum(letter.isascii() and letter.isalpha() for letter in text)
    kana = sum("\u3040" <= letter <= "\u30ff" for letter in foreign)
    return None if _BESIDE_LATIN.search(text) and (kana < 2 or len(foreign) < letters) else text


def is_utf16(raw: bytes) -> bool:
    """Whether bytes are UTF-16 by their byte order mark, or by every second one of them being NUL in Latin text, or the
    one control character by which UTF-16 names an alphabet: 4 is the Cyrillic one."""
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return True
    text = raw.rstrip(b"\0")  # padding, of which one may belong to the last letter
    text += b"\0" * (len(text) % 2)
    if len(text) < 4:
        return False
    characters = len(text) // 2
    for high in (0, 1):
        zeros, others = text[high::2].count(0), text[1 - high :: 2].count(0)
        if zeros * 4 >= characters * 3 and others == 0 and not _CONTROL.search(text[1 - high :: 2]):
            return True
        if _is_of_one_alphabet(text, high):
            return True
    return False


def _is_of_one_alphabet(text: bytes, high: int) -> bool:
    """Whether the bytes at `high`, 0 or 1, of each pair name one alphabet beside ASCII."""
    names = set(text[high::2]) - {0}
    if len(text) < _LEAST_OF_ALPHABET_BYTES or len(names) != 1 or min(names) >= 32:
        return False
    if 2 * text[high::2].count(min(names)) < len(text) // 2:
        return False
    return not any(map(_is_no_text, text.decode(_ORDERS[high == 0], "replace").rstrip("\0")))


def decode_utf16(raw: bytes, *, big_endian: bool) -> str:
    """UTF-16 of the order that its byte order mark says, else of that which makes the better text: `big_endian` is what
    the file says. Of texts between NULs those count that are some."""
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return _decode_order(raw[2:], _ORDERS[raw[:1] == b"\xfe"])
    declared, other = (_decode_order(raw, _ORDERS[order]) for order in (big_endian, not big_endian))
    return other if _is_better(other, declared) else declared


def decode_declared_utf16(raw: bytes, *, big_endian: bool) -> str:
    """UTF-16 by declaration, which may be wrong: then the bytes are what `decode_text` makes of them."""
    text = raw.rstrip(_BLANK_BYTES)
    plain = len(text) >= _SURELY_ASCII_BYTES or len(text) % 2
    if plain and text and _is_text(text):
        return decode_narrow(text)
    return decode_utf16(raw, big_endian=big_endian)


def decode_jis(raw: bytes) -> str:
    """What EXIF calls JIS: ISO-2022-JP by the standard, UTF-8, Shift JIS or EUC-JP by the hand of some programs."""
    text = raw.split(b"\0", 1)[0]
    charsets = ("iso2022_jp",) if _ESCAPE in text else ("utf-8", "shift_jis", "euc_jp")
    for charset in charsets:
        try:
            return text.decode(charset).strip(_BLANK)
        except UnicodeDecodeError:
            continue
    return decode_text(raw)


def _is_no_text(letter: str) -> bool:
    return letter not in "\t\r\n" and unicodedata.category(letter) in ("Cc", "Cn", "Co", "Cs")


def _decode_order(raw: bytes, charset: str) -> str:
    first, *others = raw[: len(raw) & ~1].decode(charset, "replace").strip(_BLANK).split("\0")
    texts = takewhile(lambda text: not any(map(_is_no_text, text)), others)
    return "\0".join([first, *texts]).strip(_BLANK)


def _is_better(other: str, declared: str) -> bool:
    """Whether the order of bytes that nobody said is the right one: the one that was said makes characters that are
    none, or Latin letters into a crowd of Chinese ones."""
    wrong = [sum(map(_is_no_text, text)) + text.count("\ufffd") for text in (other, declared)]
    if wrong[0] != wrong[1]:
        return wrong[0] < wrong[1]
    if declared and all(ord(letter) & 0xFF == 0 for letter in declared) and other.isascii():
        return True
    blocks = [len({ord(letter) >> 8 for letter in text}) for text in (other, declared)]
    return len(declared) >= _LEAST_GUESSED_CHARACTERS and 2 * blocks[0] < blocks[1]


def _cut_garbage(raw: bytes) -> bytes:
    """The texts between NULs up to the first that is none: many programs write into a buffer and leave there what was
    in it before. Where already the first one is no text, all of it."""
    first, *others = raw.strip(_BLANK_BYTES).split(b"\0")
    if _CONTROL.search(first):
        return raw
    kept = [first]
    for part in others:
        if not _is_text(part):
            break
        kept.append(part)
    return b"\0".join(kept)


def _is_text(part: bytes) -> bool:
    if _CONTROL.search(part):
        return False
    try:
        part.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _likelihood(text: str) -> int:
    """How well the characters beyond ASCII stand where they stand."""
    return sum(
        _plausibility(text[:at], letter, text[at + 1 :])
        for at, letter in enumerate(text[:_MAX_JUDGED_CHARACTERS])
        if letter > "\x7f"
    )


def _plausibility(before: str, letter: str, after: str) -> int:
    common = 2 if letter in _FREQUENT else 1 if letter in _COMMON else 0
    if letter == "\ufffd":
        return -4
    if letter.isalpha() and unicodedata.normalize("NFKC", letter) == letter:
        return common - (3 if letter.isupper() and before[-1:].islower() else 0)
    if before[-1:].isalpha() and after[:1].isalpha() and not (letter in _APOSTROPHES and _is_elided(before, after)):
        return common - 4
    return common or -1


def _is_elided(before: str, after: str) -> bool:
    """Whether an apostrophe may stand between the two: l'eau, it's."""
    return bool(_BEFORE_APOSTROPHE.search(before[-3:]) or _AFTER_APOSTROPHE.match(after[:3]))


# ISO 2022 escapes that IPTC's 1:90 holds: which set is put where, by the last letter (ISO-IR register, 2.3).
_ISO_8859 = MappingProxyType(
    {
        b"A": "latin-1",
        b"B": "iso8859-2",
        b"C": "iso8859-3",
        b"D": "iso8859-4",
        b"L": "iso8859-5",
        b"G": "iso8859-6",
        b"F": "iso8859-7",
        b"H": "iso8859-8",
        b"M": "iso8859-9",
        b"b": "iso8859-15",
    }
)
_C1 = re.compile(rb"[\x80-\x9f]")  # of which ISO 8859 makes no text: whoever writes them means another set
_DESIGNATED = re.compile(rb"\x1b[-./]([A-Mb])")


def iptc_charset(declared: bytes | None) -> str | None:
    """The character set that IPTC-IIM's 1:90 declares, as Python calls it; None where it says none that is known."""
    if not declared:
        return None
    if declared.startswith(b"\x1b%"):
        return "utf-8"
    found = _DESIGNATED.match(declared)
    return _ISO_8859.get(found[1]) if found else None


def decode_iptc(raw: bytes, charset: str | None) -> str:
    """A text of IPTC-IIM whose `charset` is declared, or not: UTF-8 counts wherever it is valid."""
    if charset in (None, "utf-8") or (charset == "latin-1" and _C1.search(raw)):
        return decode_text(raw)
    try:
        return raw.decode("utf-8").strip(_BLANK)
    except UnicodeDecodeError:
        return raw.decode(charset or "latin-1", "replace").strip(_BLANK)


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
