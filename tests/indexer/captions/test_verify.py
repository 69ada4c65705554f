"""The verification must catch every mutation of an edited file."""

from __future__ import annotations

import random

import pytest

from indexer.captions.checks import check_edit, check_removal
from indexer.captions.verify import VerifyError, check_opens_alike
from indexer.captions.verify.containers import check_jpeg_edit
from indexer.errors import CaptionRefused
from indexer.formats.editable import open_photo
from indexer.formats.jpeg_photo import JpegPhoto
from indexer.formats.photo import EditablePhoto
from indexer.model import CaptionPlace
from indexer.ownership.mark import OwnCaption, sha256
from tests.indexer.formats import chunks_made as chunks
from tests.indexer.formats import jpegs_made as made
from tests.indexer.formats import tiffs_made as tiffs

COMMENT = made.segment(0xFE, b"taken by Ann")
PHOTOS = {
    "camera": made.with_segments(made.exif(made.camera_block()), made.xmp(made.packet(padding=900)), COMMENT),
    "nothing": made.with_segments(COMMENT),
    "junk": made.with_segments(made.exif(made.tiff(made.MAKE)), COMMENT, b"junk\xff\0"),
    "trailer": made.with_segments(made.exif(made.tiff(made.MAKE)), COMMENT, trailer=b"behind the picture"),
    "MPF": made.with_segments(made.exif(made.camera_block(">")), made.mpf(), COMMENT, trailer=made.plain((16, 12))),
}


def opened(data: bytes) -> EditablePhoto:
    photo = open_photo(data)
    assert photo is not None
    return photo


def edited(data: bytes, place: CaptionPlace) -> tuple[bytes, OwnCaption]:
    own = OwnCaption.of(made.CAPTION, before=sha256(data))
    return opened(data).embed(own, place), own


PHOTOS |= {name: chunks.PNGS[name] for name in ("PNG", "PNG, XMP", "PNG, trailer")}
PHOTOS |= {name: chunks.WEBPS[name] for name in ("WebP", "WebP, Exif and XMP", "WebP, animated")}
PHOTOS |= {name: tiffs.TIFFS[name] for name in ("TIFF", "TIFF, pages, big endian", "TIFF, XMP", "TIFF by Pillow")}
PHOTOS |= {name: chunks.WEBPS[name] for name in ("WebP, XMP, unknown chunk", "WebP, misspelt XMP", "WebP, trailer")}
CASES = [(name, place) for name in PHOTOS for place in opened(PHOTOS[name]).places]
CASES.remove(("junk", CaptionPlace.EXIF))  # refused
CASES.remove(("WebP, misspelt XMP", CaptionPlace.XMP))


def rejected(old: bytes, new: bytes, own: OwnCaption) -> bool:
    try:
        check_edit(old, new, own)
    except CaptionRefused:  # by the verification or, as good, by the parsers
        return True
    return False


@pytest.mark.parametrize(("name", "place"), CASES)
def test_a_right_edit_passes(name: str, place: CaptionPlace) -> None:
    new, own = edited(PHOTOS[name], place)
    check_edit(PHOTOS[name], new, own)


@pytest.mark.parametrize(("name", "place"), CASES)
def test_every_mutation_is_caught(name: str, place: CaptionPlace) -> None:
    old = PHOTOS[name]
    new, own = edited(old, place)
    chance = random.Random(f"{name} {place}")
    passed = [what for what, mutant in mutants(new, chance) if not rejected(old, mutant, own)]
    assert passed == []


def mutants(new: bytes, chance: random.Random) -> list[tuple[str, bytes]]:
    """Flips of one bit in every region, every byte of the Exif and XMP edges, cuts, drops, doublings, appendices."""
    found = [(f"flip {at}", flipped(new, at, chance)) for at in chance.sample(range(len(new)), 400)]
    for needle in (
        b"taken by Ann",
        b"Exif\0\0",
        b"RECOLL01",
        b"<rdf:",
        b"Elektronik",
        b"\xff\xda",
        b"\xff\xd9",
        b"JFIF",
    ):
        if needle in new:
            at = new.rindex(needle)
            found += [(f"flip in {needle!r}", flipped(new, at + i, chance)) for i in range(len(needle))]
    for cut in (1, 2, 20, len(new) // 2):
        found.append((f"cut {cut}", new[:-cut]))
    for _ in range(60):
        at, length = chance.randrange(len(new)), chance.randrange(1, 40)
        found.append((f"drop {length} at {at}", new[:at] + new[at + length :]))
        found.append((f"put {length} at {at}", new[:at] + chance.randbytes(length) + new[at:]))
        found.append((f"double {length} at {at}", new[: at + length] + new[at:]))
    found.append(("append", new + b"\0"))
    return [(what, mutant) for what, mutant in found if mutant != new]


def flipped(data: bytes, at: int, chance: random.Random) -> bytes:
    return data[:at] + bytes((data[at] ^ 1 << chance.randrange(8),)) + data[at + 1 :]


def test_every_mutation_of_the_old_exif_block_alone_is_caught_by_comparing_it() -> None:
    """Point 2 by itself, without undo's help."""
    old = PHOTOS["camera"]
    new, own = edited(old, CaptionPlace.EXIF)
    start = new.index(b"II*\0")
    for at in range(start + 8, start + len(made.camera_block())):
        mutant = flipped(new, at, random.Random(at))
        with pytest.raises(VerifyError, match="verification"):
            check_jpeg_edit(old, mutant, own, undo=lambda _: [old])


def test_other_words_than_meant_are_caught() -> None:
    old = PHOTOS["camera"]
    new, _ = edited(old, CaptionPlace.EXIF)
    other = OwnCaption.of(made.NEWER, before=sha256(old))
    with pytest.raises(VerifyError, match="differently"):
        check_edit(old, new, other)


def test_swapped_segments_are_caught() -> None:
    old = made.with_segments(COMMENT, made.segment(0xFE, b"second"))
    new, own = edited(made.with_segments(made.segment(0xFE, b"second"), COMMENT), CaptionPlace.EXIF)
    with pytest.raises(VerifyError, match="not ours to touch"):
        check_jpeg_edit(old, new, own, undo=lambda _: [old])


def test_an_mpf_segment_that_moves_apart_from_its_images_is_caught() -> None:
    old = made.with_segments(made.mpf())
    own = OwnCaption.of(made.CAPTION, before=sha256(old))
    bare = made.with_segments()
    new = JpegPhoto(bare).embed(own, CaptionPlace.EXIF)
    new = new[:20] + made.mpf() + new[20:]  # Exif and XMP come to stand behind it
    with pytest.raises(VerifyError, match="MPF"):
        check_jpeg_edit(old, new, own, undo=lambda _: [old])


def test_a_removal_that_touches_more_is_caught() -> None:
    old = PHOTOS["camera"]
    check_removal(old, old)
    for mutant in (old.replace(b"Ann", b"Bob"), old[:-1], made.with_segments(made.exif(made.camera_block()))):
        with pytest.raises(VerifyError):
            check_removal(old, mutant)


def test_a_picture_of_another_size_does_not_open_alike() -> None:
    with pytest.raises(VerifyError, match="size and mode"):
        check_opens_alike(made.plain(), made.plain((32, 32)))
    with pytest.raises(VerifyError, match="can't be opened"):
        check_opens_alike(b"\xff\xd8\xff", b"\xff\xd8\xff")
