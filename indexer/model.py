"""The nouns that the packages share.

file = a path on disk; photo = a catalogue row, one per picture, however many files show it; content key = a
photo's identity (see `content_key`); stamp = what `stat` says of a file without opening it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Self

from captioner import Caption
from indexer.errors import Obstacle
from indexer.face_box import FaceRegion
from indexer.reasons import Reason

#: For captions of models that give their words no probabilities. Such a caption's confidence is the share of its words
#: that people would use too (the model's card shows how well that holds): below this, three words of five are likely to
#: be wrong.
LOW_CONFIDENCE = 0.4

#: To be raised where more is read out of files than before: what was read by an older version is then read again.
METADATA_VERSION = 4


#: In the place of the revision that search holds of a photo: only the index holds it that answers until another one,
#: which is being written, is complete.
IN_ANSWERING_INDEX = -2
#: So many of a photo's files are shown or told at once; there may be thousands of copies.
LISTED_FILES = 20


@dataclass(frozen=True, slots=True)
class FileStamp:
    """What `stat` says of a file: equal stamps mean that its bytes need not be read again."""

    mtime_ns: int
    size: int
    inode: int


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file that the crawler found below a library root."""

    root: Path  # absolute, as configured
    path: Path  # absolute, below root
    stamp: FileStamp


@dataclass(frozen=True, slots=True)
class Position:
    """WGS 84, decimal degrees; altitude in metres above sea level."""

    latitude: float
    longitude: float
    altitude_m: float | None = None

    @classmethod
    def checked(cls, latitude: float | None, longitude: float | None, altitude_m: float | None) -> Self | None:
        """None where the numbers are no position, and for 0, 0: what receivers and programs write that know none."""
        if latitude is None or longitude is None or abs(latitude) > 90 or abs(longitude) > 180:
            return None
        return None if latitude == longitude == 0 else cls(latitude, longitude, altitude_m)


class DatePrecision(StrEnum):
    """How much of a date is known; what is not known of a `datetime` that stands for it is its earliest."""

    YEAR = "year"
    MONTH = "month"
    DAY = "day"
    TIME = "time"


def iso_date(moment: datetime, precision: DatePrecision) -> str:
    """ISO 8601 as far as the date is known: `1950`, `1962-07`, `2019-01-01`, or the whole moment."""
    if precision is DatePrecision.TIME:
        return moment.isoformat()
    return moment.date().isoformat()[: {"year": 4, "month": 7, "day": 10}[precision]]


class CaptionBy(StrEnum):
    """Whose words a caption is."""

    PERSON = "person"
    MODEL = "model"


@dataclass(frozen=True, slots=True)
class FileCaption:
    """A caption as a file or its sidecar keeps it. `model` is the writing model's name where it is ours. `at`, aware,
    is when a correction was typed: two that say the same are equal."""

    text: str
    by: CaptionBy
    model: str | None = None
    confidence: float | None = None
    at: datetime | None = field(default=None, compare=False)

    @staticmethod
    def of(words: Caption | FileCaption) -> FileCaption:
        """What a file keeps of a caption: neither tags nor embedding."""
        if isinstance(words, FileCaption):
            return words
        return FileCaption(words.text, CaptionBy.MODEL, words.model, words.confidence)


@dataclass(frozen=True, slots=True)
class PhotoMetadata:
    """What a file says of itself; every field is cleaned (no control characters, bounded length)."""

    mime_type: str
    width_px: int  # upright: after the orientation is applied
    height_px: int
    taken_at: datetime | None = None  # aware where the file knows its offset, else naive local time
    taken_precision: DatePrecision = DatePrecision.TIME
    dated_by_name: bool = False  # the file's name is all that tells `taken_at`; not kept
    camera: str | None = None  # make and model, the make not repeated
    lens: str | None = None
    exposure_s: float | None = None
    f_number: float | None = None
    iso: int | None = None
    focal_length_mm: float | None = None
    focal_length_35mm: float | None = None  # of the same angle on 35 mm film, mm, where the camera says it
    orientation: int = 1  # EXIF 2.32, 1..8
    position: Position | None = None
    rating: int | None = None  # XMP xmp:Rating, -1 (rejected) .. 5
    title: str | None = None
    keywords: tuple[str, ...] = ()
    people: tuple[str, ...] = ()  # names of XMP face regions (MWG, Microsoft) and Iptc4xmpExt:PersonInImage
    regions: tuple[FaceRegion, ...] = ()  # those of `people` that a file says the place of
    pets: tuple[str, ...] = ()  # names of MWG regions of that type
    headline: str | None = None
    subjects: tuple[str, ...] = ()  # XPSubject, events, categories: what it is about, beside the keywords
    locations: tuple[str, ...] = ()  # names that IPTC and XMP give: place, city, state, country
    creators: tuple[str, ...] = ()  # artists, by-lines, holders of the copyright
    alt_texts: tuple[str, ...] = ()  # descriptions for people who can't see the photo
    comments: tuple[str, ...] = ()  # a person's words in other fields than the caption's, where they say something else
    person_caption: str | None = None  # a person's words, wherever in the file they stand; a correction first
    machine_caption: FileCaption | None = None  # ours, recognised by our own mark
    correction: FileCaption | None = None  # typed on our page, unless a person has used another program since
    overruled: str | None = None  # a person's words from another program that the correction stands beside
    overtaken: bool = False  # a correction in a sidecar is older than another program's words; not kept
    marked: bool = False  # our own mark stands in the file or beside it, whatever became of the words
    damage: str | None = None  # what is missing of a damaged file that could still be shown, in plain words

    @property
    def others_words(self) -> str | None:
        """A person's words from another program than this one."""
        return self.person_caption if self.correction is None else self.overruled


class ThumbnailSize(StrEnum):
    """The two cached sizes; their pixels are settings (`grid_px`, `screen_px`)."""

    GRID = "grid"
    SCREEN = "screen"


@dataclass(frozen=True, slots=True)
class Reading:
    """Everything one look at a file gives: it is read once and decoded once.

    `thumbnails` are encoded pictures. `pixels` is the model's input, RGB uint8 of shape
    (input_px, input_px, 3) in C order.
    """

    content_key: str  # 32 hexadecimal digits
    metadata: PhotoMetadata
    stamp: FileStamp  # of the file as it was read
    thumbnails: Mapping[ThumbnailSize, bytes]
    pixels: bytes = field(repr=False)
    measures: bytes = b""  # `PictureMeasures`


class CaptionPlace(StrEnum):
    """Where a caption was put."""

    EXIF = "exif"  # EXIF and XMP of the file itself
    XMP = "xmp"  # XMP of the file itself only
    SIDECAR = "sidecar"
    INDEX = "index"  # nowhere but in the catalogue


@dataclass(frozen=True, slots=True)
class WriteResult:
    """How a caption was written: `stamp` is the file's after the write, `reason` why it is in no better place.

    `withdrawn`: an older sentence of the model's was taken out of the file, and nothing was written in its place.
    """

    place: CaptionPlace
    stamp: FileStamp
    reason: Reason | None = None
    withdrawn: bool = False
    obstacle: Obstacle | None = None  # where the reason may be over later


class JobKind(StrEnum):
    """Why a file has to be looked at."""

    INDEX = "index"  # new or changed: the whole journey
    CAPTION = "caption"  # a newer model: from the cached screen thumbnail
    METADATA = "metadata"  # read the file's metadata again
    THUMBNAILS = "thumbnails"  # decode again, keep the caption
    COMPLETE = "complete"  # tags and embedding for a sentence that was taken back from a file, which stays untouched
    FACES = "faces"  # look for faces in the cached screen picture, where people want that
    RETRY_WRITE = "write"  # an obstacle kept the caption out of the file, and may be gone: nothing is decoded for it
    WRITE_NAMES = "names"  # of faces: put those that the catalogue has into the file, or take ours out
    WRITE_CAPTION = "words"  # corrected or taken back on the page: put the words that the catalogue has into the file


class EmbedState(StrEnum):
    """What is known of words of ours in one file or beside it."""

    PRESENT = "held"
    REMOVED = "taken out"  # on purpose, by an undo or another program: only a person's correction goes in again
    CORRECTION_ONLY = "lent"  # a correction, where the model's words were taken out before
    WITHDRAWING = "withdrawn"  # being taken out by us: nobody else meant it, and those of a surer model go in again


@dataclass(frozen=True, slots=True)
class Job:
    """A claimed row of the durable queue. `attempt` counts claims, this one included."""

    id: int
    kind: JobKind
    file: FoundFile
    attempt: int
    content_key: str | None = None  # of the photo that the file showed when last read
    embed_state: EmbedState | None = None


@dataclass(frozen=True, slots=True)
class IndexedPhoto:
    """What the pipeline settles for one job: the row the catalogue stores."""

    content_key: str
    metadata: PhotoMetadata
    stamp: FileStamp  # after our own write
    caption: Caption | None  # None keeps what the catalogue has
    caption_place: CaptionPlace | None = None
    caption_reason: Reason | None = None
    file_read: bool = True  # False: `metadata` is what the catalogue had
    removed_on_purpose: bool = False  # our words are no longer in the file, and that was meant
    withdrawn: bool = False  # we took them out ourselves: those of a surer model go in again
    #: Whose tags and embedding `caption` has: "" for its own model's, None for nobody's. That is a sentence which was
    #: taken back from a file; a model completes it.
    tags_model: str | None = ""
    obstacle: Obstacle | None = None  # where `caption_reason` may be over later
    measures: bytes | None = None  # `PictureMeasures`; None keeps what the catalogue has

    def with_written(self, written: WriteResult) -> IndexedPhoto:
        """With what came of writing its caption, or of taking an older one out."""
        metadata = replace(self.metadata, machine_caption=None, marked=False) if written.withdrawn else self.metadata
        return replace(
            self,
            metadata=metadata,
            stamp=written.stamp,
            caption_place=written.place,
            caption_reason=written.reason,
            withdrawn=written.withdrawn,
            obstacle=written.obstacle,
        )


@dataclass(frozen=True, slots=True)
class PhotoFile:
    """One file that shows a photo. `relative` is shown to people; it is never accepted from them."""

    id: int
    root: Path
    relative: str
    stamp: FileStamp
    missing: bool = False
    caption_place: CaptionPlace | None = None  # where this file's caption was put; None where only the photo's is known
    caption_reason: Reason | None = None
    obstacle: Obstacle | None = None  # where that may be over later

    @property
    def path(self) -> Path:
        """Where the file lies, absolute."""
        return self.root / self.relative


@dataclass(frozen=True, slots=True)
class Photo:
    """A catalogue row with everything known of one picture."""

    id: str  # the content key
    metadata: PhotoMetadata
    files: tuple[PhotoFile, ...]
    #: What is shown: a correction, else a person's words in the files, else those of `believed`; "" where the model saw
    #: nothing to describe.
    caption: str | None
    caption_by: CaptionBy | None
    machine: Caption | None  # the model's own sentence, tags and confidence
    caption_place: CaptionPlace | None
    caption_reason: Reason | None
    added_at: datetime
    revision: int
    correction: str | None = None  # typed on the page
    corrected_at: datetime | None = None  # when it was typed, taken back, or gave way to later words; aware
    added_words: tuple[str, ...] = ()  # that a person wants the photo to be found by
    wrong_words: str | None = None  # a sentence of the model's that a person marked as wrong
    measures: bytes | None = None  # `PictureMeasures` of the picture; None where it was not measured yet
    tags_model: str | None = None  # whose tags and embedding `machine` has; None where it is a sentence alone
    more_files: int = 0  # that show it beside `files`, where those were asked for as a few
    stack: str | None = None  # the id of the photo that stands for all that are nearly the same, itself or another
    similar: int = 0  # how many others its stack has
    seen_people: tuple[str, ...] = ()  # names of the persons whose faces it shows
    denied_people: tuple[str, ...] = ()  # names of persons of whom people said that a face here is not theirs

    @property
    def people(self) -> tuple[str, ...]:
        """Who is in it: whom files name, unless people said otherwise, and whose faces are known."""
        denied = {name.casefold() for name in self.denied_people}
        names = (*(name for name in self.metadata.people if name.casefold() not in denied), *self.seen_people)
        return tuple({name.casefold(): name for name in reversed(names)}.values())[::-1]

    @property
    def file_count(self) -> int:
        """How many files show it, missing ones included."""
        return len(self.files) + self.more_files

    @property
    def wrong(self) -> bool:
        """Whether a person marked what the model says now as wrong; a newer model's sentence is another one."""
        return self.machine is not None and self.machine.text == self.wrong_words

    @property
    def accepted_machine(self) -> Caption | None:
        """What the model says, unless a person marked it as wrong."""
        return None if self.wrong else self.machine

    @property
    def unsure(self) -> bool:
        """Whether the caption that is shown is the model's, and the model is not sure of it."""
        return self.caption_by is CaptionBy.MODEL and self.machine is not None and is_unsure(self.machine)

    @property
    def nothing_seen(self) -> bool:
        """Whether the model saw nothing to describe, and nobody else has described the photo."""
        return self.caption_by is CaptionBy.MODEL and self.caption == ""


@dataclass(frozen=True, slots=True)
class PhotoSummary:
    """What a grid shows of a photo: a small part of `Photo`, read in a tenth of the time."""

    id: str
    width_px: int
    height_px: int
    taken_at: datetime | None
    caption: str | None
    caption_by: CaptionBy | None
    unsure: bool
    wrong: bool
    file_name: str = ""  # of the first file, where there is no caption to name the photo by
    taken_precision: DatePrecision = DatePrecision.TIME
    stack: str | None = None  # as in `Photo`
    similar: int = 0


def is_unsure(caption: Caption) -> bool:
    """Whether the model says itself that this sentence may well be wrong; an empty one claims nothing."""
    if not caption.text:
        return False
    return not caption.sure or (not caption.words and caption.confidence < LOW_CONFIDENCE)


def recognise_machine_caption(metadata: PhotoMetadata, known: Photo | None) -> PhotoMetadata:
    """What a file says, where another program has dropped the marks beside our sentence and kept the sentence: one that
    is to the letter what the catalogue has from the model is no person's."""
    words = metadata.person_caption
    if known is None or words is None or metadata.correction is not None or metadata.machine_caption is not None:
        return metadata
    machine = FileCaption.of(known.machine) if known.machine is not None else None
    believed = (machine, known.metadata.machine_caption)
    ours = next((one for one in believed if one is not None and one.text == words), None)
    if ours is None:
        return metadata
    others = (*metadata.comments, *metadata.alt_texts)
    return replace(
        metadata,
        machine_caption=ours,
        person_caption=others[0] if others else None,
        comments=metadata.comments[1:],
        alt_texts=metadata.alt_texts if metadata.comments else metadata.alt_texts[1:],
    )
