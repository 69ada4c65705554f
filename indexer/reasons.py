"""Why something could not be done: a code with parameters, of which sentences are made where it is shown."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Union

from indexer.message import N_

_PARAMETER = re.compile(r"%\((\w+)\)s")


class ReasonCode(StrEnum):
    """Every reason: the value that is stored, which never changes, and its English sentence with ``%(name)s`` for each
    parameter. What a decoder, the system or another program says in its own words is a parameter."""

    template: str
    parameters: frozenset[str]

    def __new__(cls, value: str, template: str) -> ReasonCode:
        """A member by its stored value."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.template = template
        member.parameters = frozenset(_PARAMETER.findall(template))
        return member

    # About any reason.
    OTHER = "other", N_("%(sentence)s")
    SEVERAL = "several", N_("%(first)s; %(next)s")

    # Why a file could not be looked at.
    FILE_EMPTY = "file-empty", N_("the file is empty (0 bytes)")
    UNKNOWN_KIND = "unknown-kind", N_("this is not a photo of a kind that is known (it starts with %(bytes)s)")
    RAW_WITHOUT_PREVIEW = (
        "raw-without-preview",
        N_("this RAW file holds no preview picture that can be shown; RAW data is not developed"),
    )
    FILE_NOT_SHOWABLE = "file-not-showable", N_("the file is damaged or of a kind that can't be shown (%(detail)s)")
    PICTURE_NOT_SHOWABLE = "picture-not-showable", N_("the picture is damaged and can't be shown (%(detail)s)")
    PICTURE_TOO_LARGE = (
        "picture-too-large",
        N_(
            "the picture is too large: %(width)s x %(height)s is %(megapixels)s megapixels, the limit is "
            "%(limit)s (setting max_pixels_mp)"
        ),
    )
    PICTURE_BREAKS_OFF = (
        "picture-breaks-off",
        N_("the file breaks off or is damaged: only %(percent)s%% of the picture can be read"),
    )
    FILE_TOO_LARGE = (
        "file-too-large",
        N_("the file is too large: %(size)s MB, the limit is %(limit)s (setting max_file_mb)"),
    )
    NOT_REGULAR = "not-regular", N_("this is not a regular file")
    MEMORY = (
        "memory",
        N_(
            "the picture takes more memory than the %(limit)s MB that one reading process may use (setting "
            "reader_memory_mb)"
        ),
    )
    MEMORY_OF_SIZE = (
        "memory-of-size",
        N_(
            "the picture takes more memory than the %(limit)s MB that one reading process may use (setting "
            "reader_memory_mb): %(width)s x %(height)s is %(megapixels)s megapixels"
        ),
    )
    MEMORY_OF_READER = "memory-of-reader", N_("the picture needs more memory than a reader may use (reader_memory_mb)")
    READ_FAILED = "read-failed", N_("the file can't be read (%(detail)s)")
    READER_DIED = "reader-died", N_("the process that opened it died or hung twice (%(detail)s)")
    READER_REPLY = "reader-reply", N_("the process that opened it gave an answer that makes no sense (%(detail)s)")
    GONE = "gone", N_("the file is no longer there")
    PATH_GONE = "path-gone", N_("%(path)s is no longer there")
    NAME_IMPOSSIBLE = "name-impossible", N_("%(path)s can't be there: the name is too long")
    NO_SUCH_FILE = "no-such-file", N_("there can be no such file (%(detail)s)")
    CHANGED_WHILE_READ = "changed-while-read", N_("the file changed while it was being read")
    CHANGED_WHILE_WRITTEN = (
        "changed-while-written",
        N_("another program changed the file while its caption was being written"),
    )
    CAPTIONER_FAILED = "captioner-failed", N_("it could not be captioned: %(detail)s")
    FACES_FAILED = "faces-failed", N_("its faces could not be looked for: %(detail)s")
    DIED_WITH_IT = "died-with-it", N_("the process died three times while working on this photo")
    UNEXPECTED = "unexpected", N_("unexpected error, please report it: %(detail)s")
    REFUSED_BY_SEARCH = "refused-by-search", N_("%(message)s")

    # What a scan could not look at, by the errno's name.
    NOT_ALLOWED = "not-allowed", N_("recollect may not read it")
    NOT_THERE = "not-there", N_("it is not there")
    NO_FOLDER = "no-folder", N_("it is no folder")
    DISK_UNREADABLE = "disk-unreadable", N_("the disk can't read it")
    PATH_TOO_LONG = "path-too-long", N_("its path is longer than the system takes")
    LINKS_IN_CIRCLES = "links-in-circles", N_("its links go round in circles")
    SERVER_LOST_IT = "server-lost-it", N_("the server that it lies on has lost it")
    SERVER_SILENT = "server-silent", N_("the server that it lies on does not answer")
    SYSTEM_ERROR = "system-error", N_("%(error)s")

    # Why the losses of a library are held back.
    ROOT_UNREADABLE = "root-unreadable", N_("%(root)s can't be read (%(why)s); nothing was removed. %(hint)s")
    ROOT_EMPTY = "root-empty", N_("%(root)s is empty, where it held %(photos)s photos; nothing was removed. %(hint)s")
    ROOT_REPLACED = (
        "root-replaced",
        N_(
            "%(root)s: another file system stands in its place and %(lost)s of %(photos)s photos are gone at "
            "once; nothing was removed. %(hint)s"
        ),
    )
    ROOT_LOST_PHOTOS = (
        "root-lost-photos",
        N_("%(root)s: %(lost)s of %(photos)s photos are gone at once; nothing was removed. %(hint)s"),
    )
    GONE_AT_ONCE = "gone-at-once", N_("%(root)s: %(lost)s of %(photos)s photos are gone at once")
    HINT_MOUNT = (
        "hint-mount",
        N_("Mount or restore the folder; or, if they are meant to be gone, run: recollect index --accept-losses"),
    )
    HINT_RIGHTS = "hint-rights", N_("Let the user that recollect runs as read and enter it")
    HINT_DISK = "hint-disk", N_("Look after the disk: the system's log (dmesg) says more")

    # Why a caption stands in the index only, by our own choice.
    CAPTIONS_OFF = "captions-off", N_("writing captions into files is switched off")
    PERSONS_WORDS = "persons-words", N_("a person's caption stands in the file")
    TAKEN_OUT = "taken-out", N_("the caption was taken out of the file on purpose")
    MARKED_WRONG = "marked-wrong", N_("the caption was marked as wrong")
    UNSURE = "unsure", N_("the model is not sure of it")
    NOTHING_SEEN = "nothing-seen", N_("there is nothing to see in it")

    # Why a caption could not be written or taken out: the file as a whole.
    DESCRIBED = "described", N_("a person has described this photo")
    CHANGED_SINCE = "changed-since", N_("the file has changed since it was looked at")
    KEPT_CHANGING = "kept-changing", N_("other programs keep changing the file")
    NOT_OURS = "not-ours", N_("there is no caption of ours")
    LINK_OUT = "link-out", N_("the photo is a link to a file outside the library, which is left alone")
    OTHER_WORDS = "other-words", N_("the file has a person's words from another program, which are never overwritten")
    MANAGED_LIBRARY = "managed-library", N_("the file is kept by another program's library (%(library)s)")
    TOO_LARGE_TO_CHANGE = "too-large-to-change", N_("files over %(limit)s MB are not changed")
    FORMAT_NOT_CHANGED = "format-not-changed", N_("files of this format are not changed")
    UNREADABLE_WORDS = "unreadable-words", N_("what the file says can't be read: %(reason)s")
    TOO_MANY_TEXTS = (
        "too-many-texts",
        N_("other programs have put too many texts into the file for one more above them"),
    )
    OLD_SIDECAR_STAYS = "old-sidecar-stays", N_("an older sidecar stays: %(reason)s")
    NO_SIDECAR_EITHER = "no-sidecar-either", N_("no sidecar either")
    NO_SIDECAR = "no-sidecar", N_("no sidecar: %(reason)s")
    PHOTO_DONE = "photo-done", N_("the photo itself is done; %(reason)s")
    ONLY_OUR_FIELDS = (
        "only-our-fields",
        N_("another program has changed the file since: only our own fields are taken out"),
    )
    COPY_STAYS = "copy-stays", N_("all but a copy of our caption is taken out: it stays in %(fields)s")
    COPIED = "copied", N_("another program has copied our caption into %(field)s, where it is not ours to change")
    MORE_WOULD_BE_LOST = (
        "more-would-be-lost",
        N_("another program has changed the file since, and more than our caption would be lost"),
    )
    OTHER_ORIGINAL = (
        "other-original",
        N_("the journal remembers another original than the file itself: nothing was changed"),
    )
    CAPTION_EMPTY = "caption-empty", N_("the caption is empty")
    CAMERA_TEXT = "camera-text", N_("the caption reads like what cameras write by themselves")
    NO_PLACE_FOR_SIDECAR = "no-place-for-sidecar", N_("there is no place for a sidecar")  # older versions stored it
    HAS_DESCRIPTION = "has-description", N_("it has a dc:description already, be it an empty one")
    SIDECAR_OUTSIDE = "sidecar-outside", N_("its place lies outside the library, where a link leads")
    DEAD_LINK = "dead-link", N_("it is a link that leads nowhere")
    SIDECAR = "sidecar", N_("the sidecar %(name)s: %(reason)s")
    SIDECAR_MAY_DESCRIBE = "sidecar-may-describe", N_("the sidecar %(name)s may hold a person's caption: %(reason)s")

    # What the system and other programs say when a file is replaced.
    FOLDER_NOT_WRITABLE = "folder-not-writable", N_("the folder can't be written to (permission denied)")
    CHANGE_NOT_PERMITTED = (
        "change-not-permitted",
        N_("the file or its folder may not be changed (operation not permitted)"),
    )
    READ_ONLY = "read-only", N_("the file system is read-only")
    DISK_FULL = "disk-full", N_("the disk is full")
    QUOTA = "quota", N_("the disk quota is used up")
    MOUNTED = "mounted", N_("the file is in use, or mounted by itself as containers are given single files")
    BUSY = "busy", N_("the file is in use")
    OPEN_ELSEWHERE = "open-elsewhere", N_("another program is using the file: it has it open for writing, or locked")
    LINKS_TO_FILE = "links-to-file", N_("the links that lead to the file go round in circles")
    NAME_TOO_LONG = "name-too-long", N_("the name would be longer than the file system takes")
    DISK_ERROR = "disk-error", N_("the disk reports an error")
    SHARE_LOST = "share-lost", N_("the network share has lost the file")
    MOVED = "moved", N_("another program has moved or deleted the file")
    CHANGED = "changed", N_("another program has changed the file")
    CAME_MEANWHILE = "came-meanwhile", N_("%(name)s has come to be there meanwhile")
    NOT_A_REGULAR_FILE = "not-a-regular-file", N_("it is not a regular file")
    READ_DENIED = "read-denied", N_("the file can't be read (permission denied)")
    LARGER_THAN = "larger-than", N_("the file is larger than %(limit)s MB")
    HARD_LINKS = "hard-links", N_("the file has several hard links, and a replacement would part them")
    ATTRIBUTES_NOT_COPIED = "attributes-not-copied", N_("on this system a file's extended attributes can't be copied")
    ATTRIBUTE = "attribute", N_("its extended attribute %(name)s can't be copied")
    NO_THREAD = "no-thread", N_("the system has no room for another thread")
    OTHER_OWNER = "other-owner", N_("the file belongs to somebody else, and would change hands")
    OTHER_BYTES = "other-bytes", N_("the disk gave back other bytes than were written to it")

    # Why a file of some format is left alone.
    STRUCTURE = "structure", N_("%(detail)s")
    NOT_PROVED = "not-proved", N_("%(finding)s")
    AVIF = "avif", N_("AVIF files are not changed")
    C2PA = "c2pa", N_("the file carries a C2PA manifest, which any edit would break")
    C2PA_BOUND = "c2pa-bound", N_("the file is bound to a C2PA manifest, which any edit would break")
    C2PA_ELSEWHERE = (
        "c2pa-elsewhere",
        N_("the file is bound to a C2PA manifest kept elsewhere, which any edit would break"),
    )
    SIGNED = "signed", N_("the file is signed, and any edit would break the signature")
    COUNTED_FROM_END = (
        "counted-from-end",
        N_("the XMP packet says where in the file other data lie, counted from its end"),
    )
    LAST_BOX = "last-box", N_("the file's last box has no length of its own: it would swallow what is put behind it")
    FILM = "film", N_("the file holds a film or an image sequence, in which words may stand that are not read")
    MOTION_PHOTO = (
        "motion-photo",
        N_("the file is a motion photo, whose film is found by counting from the end of the file"),
    )
    SAMSUNG_DATA = "samsung-data", N_("a Samsung phone's own data is found by counting from the end of the file")
    UNKNOWN_BOX = "unknown-box", N_("the file has a box of an unknown kind (%(kind)s)")
    ITEM_ENCODED = "item-encoded", N_("the file's %(item)s is encrypted or compressed")
    ITEM_ELSEWHERE = "item-elsewhere", N_("the file's %(item)s lies inside its index or in another file")
    ITEM_IN_PIECES = "item-in-pieces", N_("the file's %(item)s is in several pieces, or has no length")
    ITEM_OUTSIDE = "item-outside", N_("the file's %(item)s does not lie inside one of its data boxes (mdat)")
    ITEM_OF_ANOTHER = "item-of-another", N_("the file's %(item)s is not about the picture that the file shows")
    ITEM_SHARED = "item-shared", N_("another part of the file is built from its %(item)s")
    ITEM_MISSING = "item-missing", N_("the file has no %(item)s that could be added to")
    ITEMS_SEVERAL = "items-several", N_("the file has %(number)s %(item)ss instead of one")
    EXIF_BEGINNING = "exif-beginning", N_("the file's Exif block does not begin as it should")
    MAKER_NOTE_BEYOND_EXIF = (
        "maker-note-beyond-exif",
        N_(
            "the camera's own notes in this file could be damaged (its MakerNote points past the end of the Exif block)"
        ),
    )
    MAKER_NOTE_BEYOND_FILE = (
        "maker-note-beyond-file",
        N_("the camera's own notes in this file could be damaged (its MakerNote points past the end of the file)"),
    )
    MAKER_NOTE_PREVIEW = (
        "maker-note-preview",
        N_("a preview that the camera keeps in this file could be lost (its MakerNote points outside the Exif block)"),
    )
    MAKER_NOTE_TRAILER = (
        "maker-note-trailer",
        N_(
            "what the camera keeps behind the picture could be lost (its MakerNote may point there, and the data "
            "is of no known kind)"
        ),
    )
    EXIF_TRAILER = (
        "exif-trailer",
        N_("what the camera keeps behind the picture could be lost (the Exif block points there)"),
    )
    AFCP_TRAILER = (
        "afcp-trailer",
        N_(
            "what another program keeps behind the picture could be lost (an AFCP trailer holds absolute "
            "positions in the file)"
        ),
    )
    MPF = (
        "mpf",
        N_("the further pictures in this file could be lost (an MPF segment stands before the place of the caption)"),
    )
    THUMBNAIL_OUTSIDE = (
        "thumbnail-outside",
        N_("the small preview in this file could be damaged (the thumbnail lies outside the Exif block)"),
    )
    CAMERA_DATA = (
        "camera-data",
        N_("the camera's data in this file is damaged, and more of it could be lost (%(detail)s)"),
    )
    OTHER_REGIONS = "other-regions", N_("another program has named faces in the file, and its names are never changed")
    NAMES_REWRITTEN = "names-rewritten", N_("another program has rewritten what recollect wrote: it stays as it is")
    XMP_DESCRIBES = "xmp-describes", N_("the XMP packet has a dc:description already, be it an empty one")
    XMP_NOT_PARSED = "xmp-not-parsed", N_("the XMP packet can't be parsed, and may hold a person's caption")
    XMP_MAY_DESCRIBE = "xmp-may-describe", N_("the XMP packet may hold a person's caption: %(reason)s")
    XMP_SEVERAL = "xmp-several", N_("the file has several XMP packets")
    XMP_MISSPELT = "xmp-misspelt", N_("the header of the file's XMP packet is misspelt")
    XMP_CHUNK_MISSPELT = "xmp-chunk-misspelt", N_("the name of the WebP's XMP chunk is misspelt")
    XMP_FORM = "xmp-form", N_("the file keeps its XMP in a form that is not edited: compressed, or ImageMagick's")
    CUT_OFF = "cut-off", N_("the picture is cut off: it has no end marker (EOI)")
    EXIF_SEGMENTS = "exif-segments", N_("the file has several Exif segments")
    EXIF_BLOCKS = "exif-blocks", N_("the file has several Exif blocks")
    EXIF_FORM = "exif-form", N_("the file keeps its Exif in a form of ImageMagick's, which is not edited")
    EXIF_FULL = "exif-full", N_("the Exif block would grow to %(size)s bytes; %(limit)s fit")
    JUNK_IN_HEADER = "junk-in-header", N_("there is junk between the segments of the file's header")
    JUNK_AT_PLACE = "junk-at-place", N_("there is junk before or at the place of the caption")
    IDOT = "idot", N_("an iDOT chunk stands before the XMP, and its offsets would break")
    TEXT_TOO_LONG = (
        "text-too-long",
        N_("a text of the file is too long to look through, and may hold a person's caption"),
    )
    TEXT_DAMAGED = "text-damaged", N_("a text of the file is damaged, and may be a person's caption")
    MAGICK_DAMAGED = (
        "magick-damaged",
        N_("metadata in a form of ImageMagick's is damaged, and may hold a person's caption"),
    )
    TIFF_PLACE = "tiff-place", N_("in a TIFF captions stand in IFD0 only")
    RAW = "raw", N_("the file holds a camera's RAW data")
    NETWORK_LAYOUT = "network-layout", N_("the file is laid out for reading over a network, which an edit would undo")
    DATA_AT_END = "data-at-end", N_("another program keeps data at the end of the file, and would not find it any more")
    RECORD_AT_END = "record-at-end", N_("the record at the end of the file is not one that is written into TIFFs")


#: What fills a reason's sentence.
Parameter = Union[str, int, "Reason"]


@dataclass(frozen=True, slots=True)
class Reason:
    """A code and a value for each of its parameters; one that is a reason itself says why in more detail. As `str` the
    English sentence. Raises `ValueError` where the parameters are not those of the code."""

    code: ReasonCode
    parameters: Mapping[str, Parameter] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        if self.parameters.keys() != self.code.parameters:
            raise ValueError(f"{self.code!r} takes {sorted(self.code.parameters)}, got {sorted(self.parameters)}")

    @staticmethod
    def of(code: ReasonCode, /, **parameters: Parameter) -> Reason:
        """A reason by its code, the parameters by their names."""
        return Reason(code, MappingProxyType(parameters))

    @staticmethod
    def joined(reasons: Iterable[Reason]) -> Reason | None:
        """Several as one, in their order, each once; None for none."""
        *before, last = tuple(dict.fromkeys(reasons)) or (None,)
        for first in reversed(before):
            if first is not None and last is not None:
                last = Reason.of(ReasonCode.SEVERAL, first=first, next=last)
        return last

    def english(self) -> str:
        """The sentence in English, for logs and the command line."""
        return self.code.template % dict(self.parameters)

    def __str__(self) -> str:
        return self.english()

    def __hash__(self) -> int:
        return hash((self.code, frozenset(self.parameters.items())))

    def to_json(self) -> str:
        """The text that is stored; equal reasons give equal texts. Lone surrogates, which come from odd file names and
        damaged tags, become escapes, as SQLite takes none."""
        return json.dumps(self._packed(), separators=(",", ":"), sort_keys=True)

    @staticmethod
    def from_json(text: str) -> Reason:
        """The reverse of `to_json`. What is none of that (a newer version's) is told as it stands."""
        try:
            return _unpacked(json.loads(text))
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
            return Reason.of(ReasonCode.OTHER, sentence=text)

    def _packed(self) -> dict[str, Any]:
        values = {name: _packed_value(value) for name, value in self.parameters.items()}
        return {"code": self.code.value, **({"parameters": values} if values else {})}


def _packed_value(value: Parameter) -> Any:
    if isinstance(value, Reason):
        return value._packed()
    return value.encode("utf-8", "backslashreplace").decode("utf-8") if isinstance(value, str) else value


def _unpacked(packed: Mapping[str, Any]) -> Reason:
    values = packed.get("parameters", {})
    return Reason.of(
        _CODES[packed["code"]],
        **{name: _unpacked(value) if isinstance(value, dict) else value for name, value in values.items()},
    )


_CODES = {code.value: code for code in ReasonCode}


def stored(reason: Reason | None) -> str | None:
    """`Reason.to_json`, or nothing."""
    return None if reason is None else reason.to_json()


def from_stored(text: str | None) -> Reason | None:
    """The reverse of `stored`."""
    return None if text is None else Reason.from_json(text)
