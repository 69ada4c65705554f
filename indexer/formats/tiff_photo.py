"""A TIFF as a photo that a caption can be written into: the append-only edit of `tiff_edit`, at the end of the file."""

from __future__ import annotations

import re
from functools import cached_property

from indexer.errors import CaptionRefused
from indexer.formats import iptc, tiff, tiff_edit, xmp_packet
from indexer.formats.maker_note import reads_beyond
from indexer.formats.photo import EditablePhoto, captions_of_packets, iptc_captions
from indexer.formats.tiff import Directory, Entry, TiffError, numbers
from indexer.model import CaptionPlace
from indexer.ownership.mark import FieldText, OwnCaption, sha256
from indexer.reasons import ReasonCode

#: How a classic TIFF begins (TIFF 6.0, section 2); BigTIFF's version is 43.
TIFF_MAGIC = re.compile(rb"II\*\0|MM\0\*")
#: RAW files of a dozen makers begin like it, and keep their own suffixes.
TIFF_SUFFIXES = frozenset({".tif", ".tiff"})

_MAX_BYTES = 0xFFFFFFFF  # what an offset can reach
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 0x0100, 0x0101, 0x0102, 0x0103, 0x0106
_STRIPS, _SAMPLES, _ROWS, _STRIP_BYTES, _PLANAR = 0x0111, 0x0115, 0x0116, 0x0117, 0x011C
_TILE_WIDTH, _TILES, _TILE_BYTES, _C2PA = 0x0142, 0x0144, 0x0145, 0xCD41
_YCBCR = 6  # may have fewer samples of colour than of light
_SEPARATE = 2
# DNGVersion (DNG 1.7.1), CFARepeatPatternDim and CFAPattern (TIFF/EP, ISO 12234-2), Leaf's own directory.
_RAW_TAGS = frozenset({0xC612, 0x828D, 0x828E, 0x8606})
_RAW_PHOTOMETRIC = frozenset({32803, 34892})  # CFA (TIFF/EP), LinearRaw (DNG)
# Kodak, Sony, Samsung, Nikon, Pentax, Panasonic, Kodak again (https://exiftool.org/TagNames/EXIF.html#Compression).
_RAW_COMPRESSION = frozenset({262, 32767, 32769, 32770, 34316, 34713, 34892, 65000, 65535})
_OLD_JPEG = 6
# What other programs look for at the very end of a file, and would not find any more: AFCP, FotoStation, Photo
# Mechanic, Canon VRD, MIE, Samsung, Insta360, Nikon.
_TRAILER = re.compile(
    rb"AXS[!*].{8}\Z|\xa1\xb2\xc3\xd4\Z|cbipcbbl\Z|\ACANON OPTIONAL DATA\0"
    rb"|~\0\x04\0zmie~\0\0(?:\x06.{4}[\x10\x18]\x04|\x0a.{8}[\x10\x18]\x08)\Z"
    rb"|\0\0(?:QDIOBS|SEFT)\Z|8db42d694ccc418790edff439fe026bf\Z|\0{6}/NIKON APP\Z",
    re.DOTALL,
)
_NETWORK_LAYOUT = b"GDAL_STRUCTURAL_METADATA_SIZE="


class TiffPhoto(EditablePhoto):
    """One TIFF's bytes. Raises `TiffError` where they do not begin as a TIFF does."""

    places = (CaptionPlace.EXIF,)

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._order, _ = tiff.read_header(data)

    # -- what it says

    @property
    def _blocks(self) -> list[bytes]:
        return [self.data]

    @cached_property
    def texts(self) -> list[FieldText]:
        """Every text of the first page that stands where a caption stands: IFD0, Exif IFD, XMP, IPTC.

        Raises `CaptionRefused` where one may be hidden.
        """
        found = tiff.texts(self.data) + captions_of_packets(self._packets)
        captions = [text for block in self._values(tiff.IPTC) for text in iptc.captions_of_iim(block)]
        captions += [text for block in self._values(tiff.PHOTOSHOP) for text in iptc.captions_of_resources(block)]
        return found + iptc_captions(captions)

    @cached_property
    def _packets(self) -> list[bytes]:
        return self._values(tiff.XMP)

    def _values(self, tag: int) -> list[bytes]:
        try:
            return tiff.values(self.data, tag)
        except TiffError as error:
            raise error.of_file() from error

    @property
    def own_place(self) -> CaptionPlace | None:
        """The place that our caption stands in; None where there is no mark of ours."""
        return CaptionPlace.EXIF if self.marks else None

    @property
    def picture_digest(self) -> str:
        """SHA-256 of the file without our caption: a TIFF's directories say how its pixels are to be shown."""
        return sha256(*tiff_edit.original_pieces(self.data))

    # -- writing

    def embed(self, own: OwnCaption, place: CaptionPlace) -> bytes:
        """The file with the caption in IFD0. Raises `CaptionRefused` with the reason where that can't be done without
        risk.

        XMP of our own is added where the file has none: it lasts through programs that write the whole file anew. A
        packet that is there stays as it is.
        """
        if place not in self.places:
            raise CaptionRefused(ReasonCode.TIFF_PLACE)
        try:
            self._check()
            packet = None if self._packets else xmp_packet.compose_packet(own)
            new = tiff_edit.append_caption(self.data, own, limit=_MAX_BYTES, packet=packet)
        except TiffError as error:
            raise error.of_file() from error
        if reads_beyond(self.data, len(new)):
            raise CaptionRefused(ReasonCode.MAKER_NOTE_BEYOND_FILE)
        return new

    def _check(self) -> None:
        """What forbids any edit of the file."""
        if self.data[8:10] == b"CR" or self.data[8:12] in (b"IIII", b"MMMM"):  # Canon's CR2, Phase One's IIQ
            raise CaptionRefused(ReasonCode.RAW)
        if self.data.startswith(_NETWORK_LAYOUT, 8):
            raise CaptionRefused(ReasonCode.NETWORK_LAYOUT)
        if _TRAILER.search(self.data[-64:]):
            raise CaptionRefused(ReasonCode.DATA_AT_END)
        if any(b"dcterms:provenance" in packet for packet in self._packets):
            raise CaptionRefused(ReasonCode.C2PA_ELSEWHERE)
        tiff.check_block(self.data)  # which bounds all that follows
        tags: set[int] = set()
        compressions: set[int] = set()
        for directory in tiff.walk(self.data):
            _check_pixels(self.data, self._order, directory)
            tags |= {entry.tag for entry in directory.entries}
            compressions |= self._numbers(directory, _COMPRESSION)
            if self._numbers(directory, _PHOTOMETRIC) & _RAW_PHOTOMETRIC:
                raise CaptionRefused(ReasonCode.RAW)
        # Canon's first professional cameras gave their RAW files, which are lossless JPEG, the suffix .TIF.
        is_old_raw = _OLD_JPEG in compressions and tiff.MAKER_NOTE in tags
        if _RAW_TAGS & tags or _RAW_COMPRESSION & compressions or is_old_raw:
            raise CaptionRefused(ReasonCode.RAW)
        if _C2PA in tags:
            raise CaptionRefused(ReasonCode.C2PA)

    def _numbers(self, directory: Directory, tag: int) -> set[int]:
        found = [entry for entry in directory.entries if entry.tag == tag and entry.kind in (3, 4)]
        return {number for entry in found for number in tiff.integers(self.data, self._order, entry)}

    # -- undoing

    def without_caption(self, own_digests: frozenset[str] = frozenset()) -> tuple[bytes]:
        """The file without our caption, in one piece. `own_digests`: see `EditablePhoto`. Raises `CaptionRefused` where
        another program has changed our parts in a way that is not understood."""
        digests = own_digests | {mark.digest for mark in self.marks}
        try:
            stripped = tiff_edit.strip_caption(self.data, digests)
        except TiffError as error:
            raise error.of_file() from error
        if stripped.data is None:
            raise CaptionRefused(ReasonCode.RECORD_AT_END)
        return (stripped.data,)


def _check_pixels(block: bytes, order: str, directory: Directory) -> None:
    """Raises `TiffError` where a reader would find image data behind the end of the block, were there any: libtiff
    guesses the length of a strip by the size of the file where none is told; for pictures that are not compressed many
    readers go by height and width alone."""
    entries = {entry.tag: entry for entry in directory.entries}
    for offsets, sizes in ((_STRIPS, _STRIP_BYTES), (_TILES, _TILE_BYTES)):
        if offsets in entries and not _have_lengths(block, order, entries[offsets], entries.get(sizes)):
            raise TiffError("the Exif block does not say how long its image data is")
    if _STRIPS in entries and _TILE_WIDTH not in entries:  # some keep tiles where strips belong
        _check_strips(block, order, entries)


def _have_lengths(block: bytes, order: str, offsets: Entry, sizes: Entry | None) -> bool:
    """Whether every piece has a length; pieces that a sparse file leaves out have neither place nor length."""
    if sizes is None or sizes.count < offsets.count:
        return False
    pairs = zip(numbers(block, order, offsets), numbers(block, order, sizes), strict=False)
    return all(size or not offset for offset, size in pairs)


def _check_strips(block: bytes, order: str, entries: dict[int, Entry]) -> None:
    def value(tag: int, default: int) -> int:
        entry = entries.get(tag)
        return next(numbers(block, order, entry), default) if entry and entry.kind in (3, 4) else default

    width, height = value(_WIDTH, 0), value(_HEIGHT, 0)
    if value(_COMPRESSION, 1) != 1 or value(_PHOTOMETRIC, 0) == _YCBCR or not width or not height:
        return
    samples = 1 if value(_PLANAR, 1) == _SEPARATE else value(_SAMPLES, 1)
    row_bytes = (width * value(_BITS, 1) * samples + 7) // 8
    rows = min(value(_ROWS, height), height) or height
    strips = -(-height // rows)
    for number, offset in enumerate(numbers(block, order, entries[_STRIPS])):
        its_rows = min(rows, height - number % strips * rows)
        if offset and offset + its_rows * row_bytes > len(block):
            raise TiffError("the image data of the Exif block is cut short")
