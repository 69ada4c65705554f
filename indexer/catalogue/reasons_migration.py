"""The reasons that older versions stored as English sentences become codes.

Whoever rewords a template of `ReasonCode` adds what it was to `_FORMER`. What is not recognised is kept as it stands
(`ReasonCode.OTHER`).
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Mapping

from indexer.reasons import Parameter, Reason, ReasonCode

_LONGEST = 4000  # characters: no sentence of ours is longer
_PLACE = re.compile(r"%\((\w+)\)s")

#: Codes whose sentence is nothing but what another program or a check said in its own words.
_ANYTHING = frozenset(code for code in ReasonCode if not re.search(r"[A-Za-z]", _PLACE.sub("", code.template)))

#: Sentences that were worded otherwise, with ``%(name)s`` for each parameter of the code.
_FORMER: tuple[tuple[str, ReasonCode], ...] = (
    ("the camera's MakerNote points past the end of the Exif block", ReasonCode.MAKER_NOTE_BEYOND_EXIF),
    ("the camera's MakerNote points past the end of the file", ReasonCode.MAKER_NOTE_BEYOND_FILE),
    ("the camera's MakerNote points at a preview outside the Exif block", ReasonCode.MAKER_NOTE_PREVIEW),
    (
        "the camera's MakerNote may point at the data behind the picture, which is of no known kind",
        ReasonCode.MAKER_NOTE_TRAILER,
    ),
    ("the Exif block points at data behind the picture", ReasonCode.EXIF_TRAILER),
    ("the thumbnail lies outside the Exif block", ReasonCode.THUMBNAIL_OUTSIDE),
    ("an AFCP trailer holds absolute positions in the file", ReasonCode.AFCP_TRAILER),
    ("an MPF segment stands before the place of the caption, and its offsets would break", ReasonCode.MPF),
)


def store_reasons_as_codes(writer: sqlite3.Connection) -> None:
    """Replaces every stored sentence, inside the caller's transaction; each different one is looked at once."""
    for table, column in _COLUMNS:
        cursor = writer.execute(f"SELECT DISTINCT {column} FROM {table} WHERE {column} IS NOT NULL")  # noqa: S608
        sentences = [row[0] for row in cursor.fetchall()]
        writer.execute("CREATE TEMPORARY TABLE reason_code (sentence TEXT PRIMARY KEY, code TEXT NOT NULL)")
        writer.executemany(
            "INSERT INTO reason_code VALUES (?, ?)", ((one, reason_of(one).to_json()) for one in sentences)
        )
        writer.execute(
            f"""UPDATE {table} SET {column} = (SELECT code FROM reason_code WHERE sentence = {column})
            WHERE {column} IS NOT NULL"""  # noqa: S608 - the names are this module's own constants
        )
        writer.execute("DROP TABLE reason_code")


_COLUMNS = (
    *(("job", "reason"), ("photo", "caption_reason"), ("photo", "refused_reason")),
    *(("file", "caption_reason"), ("root", "held_back")),
)


def reason_of(sentence: str) -> Reason:
    """The reason that a version of before meant by a sentence."""
    found = _recognise(sentence) if len(sentence) <= _LONGEST else None
    return found or Reason.of(ReasonCode.OTHER, sentence=sentence)


def _recognise(sentence: str) -> Reason | None:
    if (whole := _match_sentence(sentence)) is not None:
        return whole
    parts = sentence.split("; ")
    if len(parts) == 1:
        return None
    known = [_match_sentence(part) or Reason.of(ReasonCode.OTHER, sentence=part) for part in parts]
    return Reason.joined(known) if any(one.code is not ReasonCode.OTHER for one in known) else None


def _match_sentence(sentence: str) -> Reason | None:
    if (code := _FIXED.get(sentence)) is not None:
        return Reason(code)
    for pattern, code in _FILLED:
        if match := pattern.fullmatch(sentence):
            return Reason.of(code, **dict(_parameters(code, match.groupdict())))
    return None


def _parameters(code: ReasonCode, values: Mapping[str, str]) -> Iterator[tuple[str, Parameter]]:
    """Numbers as numbers, and reasons as reasons."""
    for name, value in values.items():
        if name in {"reason", "why", "hint"}:
            yield name, reason_of(value)
        elif name in {"lost", "photos", "percent", "width", "height", "size", "limit", "number"} and value.isdecimal():
            yield name, int(value)
        else:
            yield name, value


def _pattern(template: str) -> re.Pattern[str]:
    """Each value ends where the text behind it first stands. That is never tried again further on (an atomic group):
    the last value takes what is left, and a sentence that names hostile files is no work."""
    first, *pairs = _PLACE.split(template.replace("%%", "%"))
    names, texts = pairs[::2], pairs[1::2]
    *inner, last = (f"(?P<{name}>.+?){re.escape(text)}" for name, text in zip(names, texts, strict=True))
    return re.compile("".join([re.escape(first), *(f"(?>{one})" for one in inner), last]), re.DOTALL)


_TEMPLATES = [(code.template, code) for code in ReasonCode if code not in _ANYTHING] + list(_FORMER)
_FIXED = {template: code for template, code in _TEMPLATES if not code.parameters}
# The longest first: it says most of the sentence itself.
_FILLED = [
    (_pattern(template), code)
    for template, code in sorted(_TEMPLATES, key=lambda pair: len(_PLACE.sub("", pair[0])), reverse=True)
    if code.parameters
]
