"""Reading the boxes of a HEIC, and which HEICs are never changed, with the reason that the owner is told."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from indexer.errors import CaptionRefused
from indexer.formats import heif_tail
from indexer.formats.editable import open_photo
from indexer.formats.heif import HeifError, boxes, read_heif
from indexer.formats.heif_photo import HeifPhoto
from indexer.metadata.content_key import content_key
from indexer.model import CaptionPlace
from indexer.ownership.mark import OwnCaption
from tests.indexer.captions.own_captions import read_own_caption
from tests.indexer.formats import heifs_made as heifs
from tests.indexer.formats import jpegs_made as made
from tests.indexer.formats.heifs_made import EXIF, XMP, Index, Item, box, exif, heic, xmp

OWN = OwnCaption.of(made.CAPTION, before="")
BLOCK = made.camera_block()


def embedded(data: bytes, place: CaptionPlace = CaptionPlace.EXIF) -> bytes:
    return HeifPhoto(data).embed(OWN, place)


@pytest.mark.parametrize("name", heifs.HEICS)
def test_items_are_found_whatever_the_index_is_like(name: str) -> None:
    data = heifs.HEICS[name]
    heif = read_heif(data)
    for item in heif.items.values():
        ((start, end),) = heif.locations[item.number].spans()
        payload = data[start:end]
        if item.kind == b"Exif":
            assert payload.endswith((made.camera_block(), made.camera_block(">")))
        if item.content_type == heifs.XMP_TYPE:
            assert payload.startswith(b"<?xpacket")
            assert payload.rstrip(b"\0").endswith(b'<?xpacket end="w"?>')
    assert heif.items[heif.primary].kind == b"hvc1"


def test_a_large_box_says_its_size_in_64_bits() -> None:
    data = b"\0\0\0\1mdat" + (20).to_bytes(8, "big") + b"four"
    assert [(found.kind, found.body, found.end) for found in boxes(data, 0, len(data))] == [(b"mdat", 16, 20)]


# -- what is not understood

BROKEN = {
    "damaged box": (b"\0\0\0\x08free" + b"\0\0\0\x04free", "its box at byte 8 is damaged"),
    "no ftyp": (box(b"meta", bytes(20)), "does not begin with an ftyp box"),
    "no meta": (box(b"ftyp", b"heic\0\0\0\0"), "no meta box"),
    "two meta": (heic(EXIF, behind=box(b"meta", bytes(4))), "2 meta boxes"),
    "cut": (heic(EXIF)[:-1], "cut off"),
    "bytes behind": (heic(EXIF) + b"x", "bytes that are no box"),
    "brands": (heic(EXIF, brands=b"heic\0\0\0\0mif"), "ftyp box is damaged"),
    "many boxes": (heic(EXIF, behind=box(b"free") * 5000), "too many boxes"),
    "iloc's version": (heic(EXIF).replace(b"iloc\1", b"iloc\3"), "unknown version 3"),
    "iloc's widths": (heic(EXIF).replace(b"iloc\1\0\0\0\x44", b"iloc\1\0\0\0\x54"), "unknown width"),
    "iloc's count": (heic(EXIF).replace(b"iloc\1\0\0\0\x44\0\0\2", b"iloc\1\0\0\0\x44\0\0\1"), "longer than"),
    "iloc, one item twice": (heic(EXIF).replace(b"\x44\0\0\2\0\1", b"\x44\0\0\2\0\2"), "names an item twice"),
    "iinf's count": (heic(EXIF).replace(b"iinf\0\0\0\0\0\2", b"iinf\0\0\0\0\0\3"), "does not come out"),
    "infe's number": (heic(EXIF, XMP).replace(b"infe\2\0\0\0\0\3", b"infe\2\0\0\0\0\2"), "the same number"),
    "infe without an end": (heic(xmp(b"")).replace(b"rdf+xml\0", b"rdf+xmll"), "has no end"),
    "Exif outside the file": (heic(Item(b"Exif", EXIF.payload, lies_at=1 << 20)), "outside of itself"),
    "Exif in another file": (heic(Item(b"Exif", EXIF.payload, reference=1)), "where they are not read"),
    "Exif encrypted": (heic(Item(b"Exif", EXIF.payload, protection=1)), "where they are not read"),
    "XMP compressed": (heic(xmp(made.packet(), encoding="deflate")), "where they are not read"),
    "XMP in another item": (heic(Item(b"mime", b"", heifs.XMP_TYPE, construction=2)), "outside of itself"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_not_understood_is_refused(name: str) -> None:
    data, reason = BROKEN[name]
    with pytest.raises(HeifError, match=reason):
        HeifPhoto(data)


# -- what is understood and left alone

GCONTAINER = made.packet('<xmp:Label xmlns:c="http://ns.google.com/photos/1.0/container/">x</xmp:Label>')
MOTION = made.packet("<xmp:MotionPhoto>1</xmp:MotionPhoto>")
MICRO = made.packet("<xmp:MicroVideoOffset>500</xmp:MicroVideoOffset>")
SEFT = box(b"sefd", b"SEFHxxxxSEFT")
NOTE = made.tiff(
    made.MAKE,
    sub=[(0x927C, made.UNDEFINED, b"\1\0" + b"\1\0\2\0\x40\0\0\0\xa0\1\0\0" + bytes(4))],
)

REFUSED = {
    "no Exif": (heic(XMP), "no Exif block that could be added to"),
    "several Exif": (heic(EXIF, EXIF), "2 Exif blocks instead of one"),
    "in the index": (heic(Item(b"Exif", EXIF.payload, construction=1)), "inside its index"),
    "several extents": (heic(Item(b"Exif", EXIF.payload, pieces=2)), "in several pieces"),
    "no extents' length": (heic(EXIF, index=Index(length=0)), "in several pieces, or has no length"),
    "another picture's": (heic(exif(BLOCK, about=2)), "not about the picture"),
    "nobody's": (heic(exif(BLOCK, about=None)), "not about the picture"),
    "built upon": (heic(EXIF, references=box(b"iloc", b"\0\1\0\1\0\2")), "built from its Exif block"),
    "not in mdat": (heic(Item(b"Exif", EXIF.payload[:24], lies_at=4)), "does not lie inside one of its data boxes"),
    "film": (heic(EXIF, behind=box(b"moov", bytes(8))), "a film or an image sequence"),
    "motion photo": (heic(EXIF, behind=box(b"mpvd", bytes(8))), "counting from the end"),
    "Samsung's box": (heic(EXIF, behind=SEFT), "Samsung phone's own data"),
    "Samsung's trailer": (heic(EXIF, behind=box(b"free", b"SEFT")), "Samsung phone's own data"),
    "C2PA": (heic(EXIF, behind=box(b"uuid", heifs.C2PA_UUID, bytes(8))), "C2PA"),
    "C2PA elsewhere": (heic(EXIF, xmp(made.packet("<dcterms:provenance xmlns:dcterms='x'/>"))), "C2PA"),
    "JUMBF": (heic(EXIF, behind=box(b"jumb", bytes(8))), "C2PA"),
    "JUMBF as an item": (heic(EXIF, Item(b"mime", b"x", "application/c2pa")), "C2PA"),
    "another uuid": (heic(EXIF, behind=box(b"uuid", bytes(16))), r"unknown kind \(uuid\)"),
    "unknown box": (heic(EXIF, behind=box(b"\1abc", b"")), r"unknown kind \(\?abc\)"),
    "to the end": (heic(EXIF)[: heic(EXIF).index(b"mdat") - 4] + b"\0\0\0\0" + heic(EXIF)[heic(EXIF).index(b"mdat") :],
                   "no length of its own"),
    "AVIF": (heic(EXIF, brands=b"mif1\0\0\0\0avif"), "AVIF"),
    "no pictures": (heic(EXIF, handler=b"vide"), "which picture"),
    "no primary": (heic(EXIF, primary=9), "which picture"),
    "GContainer": (heic(EXIF, xmp(GCONTAINER)), "counted from its end"),
    "motion photo's XMP": (heic(EXIF, xmp(MOTION)), "counted from its end"),
    "MicroVideo": (heic(EXIF, xmp(MICRO)), "counted from its end"),
    "APP1 header": (heic(exif(BLOCK, b"\xff\xe1\x12\x34Exif\0\0")), "does not begin as it should"),
    "header's offset": (heic(Item(b"Exif", b"\0\0\0\7Exif\0\0" + BLOCK)), "does not begin as it should"),
    "no header at all": (heic(Item(b"Exif", BLOCK)), "does not begin as it should"),
    "no TIFF": (heic(exif(b"nothing")), "does not begin as it should"),
    "damaged TIFF": (heic(exif(BLOCK[:20])), "past the end of the Exif block"),
    "MakerNote": (heic(exif(NOTE)), "MakerNote points past"),
    "no position": (heic(EXIF, index=Index(offset=0)), "does not lie inside one of its data boxes"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_unsafe_is_refused_with_its_reason(name: str) -> None:
    data, reason = REFUSED[name]
    photo = open_photo(data)
    assert photo is not None
    with pytest.raises(CaptionRefused, match=reason):
        photo.embed(OWN, CaptionPlace.EXIF)


XMP_REFUSED = {
    "no XMP": (heic(EXIF), "no XMP packet that could be added to"),
    "several XMP": (heic(XMP, XMP), "2 XMP packets instead of one"),
    "a blank description": (heic(xmp(made.packet(made.described("")))), "a dc:description already"),
    "another picture's": (heic(xmp(made.packet(), about=2)), "XMP packet is not about the picture"),
}


@pytest.mark.parametrize("name", XMP_REFUSED)
def test_xmp_is_refused_with_its_reason(name: str) -> None:
    data, reason = XMP_REFUSED[name]
    with pytest.raises(CaptionRefused, match=reason):
        embedded(data, CaptionPlace.XMP)


def test_avif_and_sequences_are_not_of_this_format() -> None:
    for brand in (b"avif", b"avis", b"hevc", b"hevx", b"crx "):
        assert open_photo(heic(EXIF, brands=brand + b"\0\0\0\0mif1")) is None


def test_numbers_too_narrow_for_the_new_place_are_refused() -> None:
    """No file of 4 GiB is made here: the item's length is what does not fit."""
    location = read_heif(heic(EXIF)).locations[2]
    with pytest.raises(HeifError, match="too narrow"):
        heif_tail.append_item(heic(EXIF), location, _Long(1 << 32), OWN.mark)


class _Long(bytes):
    """Claims to be longer than it is."""

    def __new__(cls, _size: int) -> _Long:
        return super().__new__(cls, b"")

    def __init__(self, size: int) -> None:
        self._size = size

    def __len__(self) -> int:
        return self._size


# -- hostile bytes

SEEDS = [*list(heifs.HEICS.values())[:6], heifs.HEICS["iloc 2, infe 3"], heic(Item(b"Exif", b"x", construction=1))]
SEEDS += [embedded(heifs.HEICS["Exif and XMP"], place) for place in (CaptionPlace.EXIF, CaptionPlace.XMP)]
bounded = settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A HEIC with some bytes changed, cut, doubled or put in, mostly in its index."""
    data = bytearray(draw(st.sampled_from(SEEDS)))
    index = (data.find(b"meta"), data.find(b"mdat"))
    for _ in range(draw(st.integers(0, 6))):
        at = draw(st.one_of(st.integers(min(index), max(index)), st.integers(0, len(data))))
        new = draw(
            st.one_of(st.binary(max_size=4), st.sampled_from([b"\xff" * 4, bytes(4), b"\0\0\0\1", b"\0\0\0\x08"]))
        )
        data[at : at + draw(st.integers(0, 8))] = new
    return bytes(data)


@pytest.mark.slow
@bounded
@given(st.one_of(mutated(), st.binary(max_size=200).map(lambda rest: box(b"ftyp", b"heic\0\0\0\0") + rest)))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    assert len(content_key(data)) == 32
    heif_tail.marks(data)
    read_own_caption(data)
    try:
        photo = HeifPhoto(data)
        assert photo.picture_digest
        photo.without_caption()
    except CaptionRefused:
        return


@pytest.mark.slow
@bounded
@given(mutated(), st.sampled_from([CaptionPlace.EXIF, CaptionPlace.XMP]))
def test_what_is_written_into_a_mutant_comes_out_again(data: bytes, place: CaptionPlace) -> None:
    try:
        photo = HeifPhoto(data)
        if photo.marks:  # those are taken out first
            return
        new = photo.embed(OWN, place)
    except CaptionRefused:
        return
    assert b"".join(HeifPhoto(new).without_caption()) == data
    assert content_key(new) == content_key(data)


@pytest.mark.slow
def test_an_index_that_claims_a_million_parts_is_refused_in_time() -> None:
    entries = b"".join(number.to_bytes(2, "big") + b"\0\0\0\0\xff\xff" for number in range(200))
    iloc = heifs.full(b"iloc", 1, b"\0\0", (200).to_bytes(2, "big"), entries)
    data = heic(EXIF)
    at = data.index(b"iloc") - 4
    old = int.from_bytes(data[at : at + 4], "big")
    meta = data.index(b"meta") - 4
    size = int.from_bytes(data[meta : meta + 4], "big") + len(iloc) - old
    data = data[:meta] + size.to_bytes(4, "big") + data[meta + 4 : at] + iloc + data[at + old :]
    with pytest.raises(HeifError, match="too many parts"):
        read_heif(data)
