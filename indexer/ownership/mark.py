"""How a caption of ours is told from a person's: the mark that is written beside it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from captioner import Caption
from indexer.errors import CaptionRefused
from indexer.model import CaptionBy, FileCaption
from indexer.ownership.camera_text import is_camera_text
from indexer.reasons import ReasonCode

_MAX_TEXT_CHARACTERS = 2000
# What XML 1.0 can't hold (section 2.2, Char), the C1 controls, and the line breaks that a caption has no use for.
_UNWRITABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]+")


#: The local names of our XMP properties, by the part of the mark that each holds. No standard has a tag of any of them:
#: to programs that read tags without their namespace, the older names (which are the parts') were the camera's Model
#: and the photo's Date.
XMP_NAMES = {
    "program": "captionProgram",
    "by": "captionBy",
    "model": "captionModel",
    "date": "captionWrittenAt",
    "confidence": "captionConfidence",
    "digest": "captionDigest",
    "before": "captionBefore",
    "overrules": "captionOverrules",
    "text": "captionCorrection",
    "undo": "captionUndo",
}
_PARTS = {name: part for part, name in XMP_NAMES.items()}


def parts_of_mark(properties: Mapping[str, str]) -> dict[str, str]:
    """XMP properties of ours by the parts of the mark that they hold; those under the names of older versions count
    where there is none under today's."""
    return {**properties, **{_PARTS[name]: value for name, value in properties.items() if name in _PARTS}}


@cache
def program_name() -> str:
    """The program and version that a mark names."""
    try:
        return f"recollect {version('recollect')}"
    except PackageNotFoundError:
        return "recollect"


def digest(text: str) -> str:
    """What a mark says of its caption's text: 16 hexadecimal digits of the SHA-256 of its UTF-8."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def sha256(*pieces: bytes | memoryview) -> str:
    """64 hexadecimal digits."""
    found = hashlib.sha256()
    for piece in pieces:
        found.update(piece)
    return found.hexdigest()


#: Where our captions are written. Where they stand besides, another program has copied them.
OWN_FIELDS = frozenset({"ImageDescription", "XPComment", "dc:description", XMP_NAMES["text"]})
#: So many other texts a correction can be put above.
MOST_OVERRULED = 64


@dataclass(frozen=True, slots=True)
class FieldText:
    """A text that stands in one field of a file, e.g. `dc:description`. `make` is the camera's, where it was at hand
    when the text was read."""

    field: str
    text: str
    make: str = dataclass_field(default="", compare=False)

    @property
    def is_boilerplate(self) -> bool:
        """Whether it is blank or what only cameras and programs write: no person's words."""
        return is_camera_text(self.text, self.field, self.make)


def text_in_mark(parts: Mapping[str, str]) -> tuple[FieldText, ...]:
    """The correction that a mark holds itself, where another program's words stand in dc:description."""
    text = parts.get("text", "")
    return (FieldText(XMP_NAMES["text"], text),) if text and digest(text) == parts.get("digest") else ()


@dataclass(frozen=True, slots=True)
class Mark:
    """What we write beside a caption. `before` is the SHA-256 of the whole file without it; "" where it is unknown.

    `by` a person: the words were typed on our page. To every reader they are that person's; only an undo, or another
    correction, takes them out again. `model` is then empty.
    """

    digest: str
    model: str
    confidence: float
    written_at: str  # ISO 8601, UTC
    program: str
    before: str
    by: CaptionBy = CaptionBy.MODEL
    #: Of a correction: digests of all other texts in photo and sidecars when it was written, as they are read, cleaned.
    #: These are older than it, any other text is younger. None in marks of older versions.
    overrules: frozenset[str] | None = None
    #: Whether it stands in XMP under the names of older versions, which other programs take for standard tags.
    outdated: bool = dataclass_field(default=False, compare=False)

    def fields(self) -> dict[str, str]:
        """Name and value of each part, as they stand in a file."""
        overrules = {} if self.overrules is None else {"overrules": " ".join(sorted(self.overrules))}
        return {
            "program": self.program,
            "by": self.by.value,
            "model": self.model,
            "date": self.written_at,
            "confidence": f"{self.confidence:.4f}",
            "digest": self.digest,
            "before": self.before,
            **overrules,
        }

    def to_json(self) -> bytes:
        """The parts, as they stand beside a caption in an Exif block or a HEIF file."""
        return json.dumps(self.fields(), separators=(",", ":")).encode()

    @property
    def moment(self) -> datetime | None:
        """`written_at`; None where that is no date. Of a correction it is when the words were typed, to the
        microsecond: of two corrections the later one counts, whichever was written into a file last."""
        try:
            moment = datetime.fromisoformat(self.written_at)
        except ValueError:
            return None
        return moment if moment.tzinfo is not None and moment.year > 1970 else None

    @staticmethod
    def from_json(raw: bytes) -> Mark | None:
        """The mark that `to_json` gave; None on anything else."""
        try:
            fields = json.loads(raw)
        except (ValueError, RecursionError):
            return None
        if not isinstance(fields, dict) or not all(isinstance(value, str) for value in fields.values()):
            return None
        return Mark.from_fields(fields)

    @staticmethod
    def from_fields(fields: Mapping[str, str]) -> Mark | None:
        """The mark that `fields` spells, or None where it does not say which text it is about."""
        if not re.fullmatch("[0-9a-f]{16}", fields.get("digest", "")):
            return None
        before = fields.get("before", "")
        return Mark(
            digest=fields["digest"],
            model=fields.get("model", "")[:200],
            confidence=_probability(fields.get("confidence", "")),
            written_at=fields.get("date", "")[:40],
            program=fields.get("program", "")[:200],
            before=before if re.fullmatch("[0-9a-f]{64}", before) else "",
            by=CaptionBy.PERSON if fields.get("by") == CaptionBy.PERSON else CaptionBy.MODEL,
            overrules=frozenset(fields["overrules"].split()) if "overrules" in fields else None,
        )


def _date(moment: datetime | None) -> str:
    """ISO 8601 in UTC; of this moment the second will do."""
    if moment is None:
        return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _probability(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return 0.0
    return value if 0.0 <= value <= 1.0 else 0.0


@dataclass(frozen=True, slots=True)
class OwnCaption:
    """A caption of ours as it is to be written: clean text and its mark."""

    text: str
    mark: Mark

    @staticmethod
    def of(
        words: Caption | FileCaption,
        *,
        before: str,
        now: datetime | None = None,
        overrules: frozenset[str] = frozenset(),
    ) -> OwnCaption:
        """`overrules`: see `Mark`; of a correction only.

        Raises `CaptionRefused` where the caption has no words, or none that a file can hold.
        """
        text = clean(words.text)
        if not text:
            raise CaptionRefused(ReasonCode.CAPTION_EMPTY)
        if is_camera_text(text):
            raise CaptionRefused(ReasonCode.CAMERA_TEXT)
        by = words.by if isinstance(words, FileCaption) else CaptionBy.MODEL
        mark = Mark(
            digest=digest(text),
            model=clean(words.model or "")[:200],
            confidence=min(max(words.confidence or 0.0, 0.0), 1.0),
            written_at=_date(words.at) if isinstance(words, FileCaption) and words.at else _date(now),
            program=program_name(),
            before=before,
            by=by,
            overrules=overrules if by is CaptionBy.PERSON else None,
        )
        return OwnCaption(text, mark)

    def stands_in(self, texts: Sequence[FieldText], marks: Sequence[Mark]) -> bool:
        """Whether a file has this caption: the same words, by the same model or a person, above the same others."""
        known = find_own(texts, marks)
        if known is None or (known.text, known.model or "", known.by) != (self.text, self.mark.model, self.mark.by):
            return False
        overrules = self.mark.overrules or frozenset()
        return not overrules or any(
            mark.digest == self.mark.digest and overrules <= (mark.overrules or frozenset()) for mark in marks
        )


@dataclass(frozen=True, slots=True)
class Stripped:
    """Bytes without our caption: None where nothing is left of them, `exact` where they are what they were before."""

    data: bytes | None
    exact: bool


def clean(text: str) -> str:
    """One line of text that every field can hold unchanged."""
    return " ".join(_UNWRITABLE.sub(" ", text).split())[:_MAX_TEXT_CHARACTERS].strip()


def find_own(texts: Iterable[FieldText], marks: Iterable[Mark]) -> FileCaption | None:
    """The first text that a mark vouches for, a correction before the model's words; None where a person has changed
    every one of them in another program."""
    by_digest = {mark.digest: mark for mark in sorted(marks, key=lambda mark: mark.by is CaptionBy.PERSON)}
    marked = [(text, by_digest[digest(text.text)]) for text in texts if digest(text.text) in by_digest]
    for text, mark in sorted(marked, key=lambda pair: pair[1].by is CaptionBy.MODEL):
        if mark.by is CaptionBy.PERSON:
            return FileCaption(text.text, mark.by, at=mark.moment)
        return FileCaption(text.text, mark.by, mark.model, mark.confidence)
    return None


def own_caption_of(texts: Iterable[FieldText], marks: Iterable[Mark]) -> OwnCaption | None:
    """Our caption as it was written: the first text that a mark vouches for, and the mark; None where there is none."""
    by_digest = {mark.digest: mark for mark in marks}
    found = ((text.text, by_digest.get(digest(text.text))) for text in texts)
    return next((OwnCaption(text, mark) for text, mark in found if mark is not None), None)


def find_user_text(texts: Iterable[FieldText], marks: Iterable[Mark]) -> FieldText | None:
    """The first text that is neither the model's nor nobody's: a person's, wherever it was typed."""
    return find_foreign_text(texts, (mark for mark in marks if mark.by is CaptionBy.MODEL))


def check_words(before: Iterable[FieldText], after: Iterable[FieldText], ours: Collection[str]) -> None:
    """Raises `CaptionRefused` where taking out the texts of these digests loses other words, or leaves one of them
    somewhere: without the mark it would be taken for a person's."""
    after = list(after)
    check_nothing_lost(before, after, ours)
    stays = next(iter(fields_with(after, ours)), None)
    if stays is not None:
        raise CaptionRefused(ReasonCode.COPIED, field=stays)


def check_nothing_lost(before: Iterable[FieldText], after: Collection[FieldText], ours: Collection[str]) -> None:
    """Raises `CaptionRefused` where taking out the texts of these digests loses other words."""
    if any(digest(text.text) not in ours and text not in after for text in before):
        raise CaptionRefused(ReasonCode.MORE_WOULD_BE_LOST)


def fields_with(texts: Iterable[FieldText], ours: Collection[str]) -> tuple[str, ...]:
    """The fields, each once, that hold a text of one of these digests."""
    return tuple(dict.fromkeys(text.field for text in texts if digest(text.text) in ours))


def find_foreign_text(texts: Iterable[FieldText], marks: Iterable[Mark]) -> FieldText | None:
    """The first text that no mark vouches for and that is not nobody's: it was never ours to replace."""
    known = {mark.digest for mark in marks}
    return next((text for text in texts if not text.is_boilerplate and digest(text.text) not in known), None)
