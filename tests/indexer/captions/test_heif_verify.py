"""The verification of HEICs must catch every mutation of an edited file, and of an undo."""

from __future__ import annotations

import random

import pytest

from indexer.captions.checks import check_edit, check_removal
from indexer.captions.verify import VerifyError
from indexer.captions.verify.heif import check_heif_edit
from indexer.errors import CaptionRefused
from indexer.formats.heif import read_heif
from indexer.formats.heif_photo import HeifPhoto
from indexer.model import CaptionPlace
from indexer.ownership.mark import OwnCaption, sha256
from tests.indexer.formats import heifs_made as heifs
from tests.indexer.formats import jpegs_made as made
from tests.indexer.formats.heifs_made import EXIF, XMP, box, heic

NAMES = ["Exif and XMP", "meta last", "iloc 0, base offsets", "iloc 2, infe 3", "pillow-heif"]
CASES = [(name, place) for name in NAMES for place in (CaptionPlace.EXIF, CaptionPlace.XMP)]


def edited(old: bytes, place: CaptionPlace) -> tuple[bytes, OwnCaption]:
    own = OwnCaption.of(made.CAPTION, before=sha256(old))
    return HeifPhoto(old).embed(own, place), own


def rejected(old: bytes, new: bytes, own: OwnCaption) -> bool:
    try:
        check_edit(old, new, own)
    except CaptionRefused:  # by the verification or, as good, by the parser
        return True
    return False


@pytest.mark.parametrize("name", heifs.HEICS)
def test_a_right_edit_passes(name: str) -> None:
    old = heifs.HEICS[name]
    new, own = edited(old, CaptionPlace.EXIF if b"Exif" in old else CaptionPlace.XMP)
    check_edit(old, new, own)


@pytest.mark.parametrize(("name", "place"), CASES)
def test_every_mutation_is_caught(name: str, place: CaptionPlace) -> None:
    old = heifs.HEICS[name]
    new, own = edited(old, place)
    chance = random.Random(f"{name} {place}")
    passed = [what for what, mutant in mutants(new, chance) if not rejected(old, mutant, own)]
    assert passed == []


def mutants(new: bytes, chance: random.Random) -> list[tuple[str, bytes]]:
    """Flips of one bit everywhere, most of them in the index and our box's edges; cuts, drops, doublings."""
    at = [*range(new.index(b"meta") - 4, new.index(b"mdat") + 8), *range(len(new) - 90, len(new))]
    at = chance.sample(at, min(len(at), 400)) + chance.sample(range(len(new)), 300)
    for needle in (b"RECOLLHF", b"RECOLL01", b"Exif\0\0", b"<rdf:", b"Elektronik", b"mdat"):
        start = new.rfind(needle)
        at += range(start, start + len(needle)) if start >= 0 else ()
    found = [(f"flip {i}", new[:i] + bytes((new[i] ^ 1 << chance.randrange(8),)) + new[i + 1 :]) for i in at]
    found += [(f"cut {cut}", new[:-cut]) for cut in (1, 2, 20, len(new) // 2)]
    for _ in range(60):
        i, length = chance.randrange(len(new)), chance.randrange(1, 40)
        found.append((f"drop {length} at {i}", new[:i] + new[i + length :]))
        found.append((f"put {length} at {i}", new[:i] + chance.randbytes(length) + new[i:]))
        found.append((f"double {length} at {i}", new[: i + length] + new[i:]))
    found += [("append", new + b"\0"), ("append a box", new + box(b"free"))]
    return [(what, mutant) for what, mutant in found if mutant != new]


@pytest.mark.parametrize(("name", "place"), CASES)
def test_every_flip_in_the_old_part_is_caught_by_comparing_it(name: str, place: CaptionPlace) -> None:
    """Without undo's help. In the two numbers a flip moves the item, which is caught, too."""
    old = heifs.HEICS[name]
    new, own = edited(old, place)
    chance = random.Random(name)
    for at in chance.sample(range(len(old)), 400):
        mutant = new[:at] + bytes((new[at] ^ 1 << chance.randrange(8),)) + new[at + 1 :]
        with pytest.raises(VerifyError, match="verification"):
            check_heif_edit(old, mutant, own, undo=lambda _: [old])


def test_every_flip_in_the_new_exif_block_is_caught_by_comparing_it() -> None:
    old = heifs.HEICS["Exif"]
    new, own = edited(old, CaptionPlace.EXIF)
    start = new.rindex(b"II*\0")
    for at in range(start + 8, start + len(made.camera_block())):
        mutant = new[:at] + bytes((new[at] ^ 1,)) + new[at + 1 :]
        with pytest.raises(VerifyError, match="verification"):
            check_heif_edit(old, mutant, own, undo=lambda _: [old])


def test_other_words_than_meant_are_caught() -> None:
    old = heifs.HEICS["Exif and XMP"]
    for place in (CaptionPlace.EXIF, CaptionPlace.XMP):
        new, own = edited(old, place)
        other = OwnCaption.of(made.NEWER, before=sha256(old))
        assert rejected(old, new, other)
        assert not rejected(old, new, own)


def test_an_edit_of_two_items_is_caught() -> None:
    old = heifs.HEICS["Exif and XMP"]
    new, own = edited(old, CaptionPlace.EXIF)
    extent = read_heif(old).locations[3].extents[0]
    twice = bytearray(new)
    twice[extent.length.at + 3] ^= 1
    with pytest.raises(VerifyError, match="not exactly one item"):
        check_heif_edit(old, bytes(twice), own, undo=lambda _: [old])


def test_a_picture_that_moves_is_caught() -> None:
    old = heifs.HEICS["Exif"]
    _, own = edited(old, CaptionPlace.EXIF)
    location = read_heif(old).locations[1]
    ((start, end),) = location.spans()
    new = bytearray(old + box(b"mdat", old[start:end]))
    new[location.extents[0].offset.at : location.extents[0].offset.at + 4] = (len(old) + 8).to_bytes(4, "big")
    with pytest.raises(VerifyError, match="an item is not what it was"):
        check_heif_edit(old, bytes(new), own, undo=lambda _: [old])


def test_a_file_that_libheif_does_not_open_is_not_written() -> None:
    old = heic(EXIF)
    at = old.index(b"hvcC")
    old = old[:at] + b"xxxx" + old[at + 4 :]
    new, own = edited(old, CaptionPlace.EXIF)
    with pytest.raises(VerifyError, match="can't be opened"):
        check_edit(old, new, own)


def test_an_item_of_another_kind_in_our_box_is_caught() -> None:
    old = heic(EXIF, XMP)
    new, own = edited(old, CaptionPlace.EXIF)
    number = read_heif(old).locations[1].extents[0].offset
    forged = [
        data[: number.at] + (len(old) + 16).to_bytes(number.width, "big") + data[number.at + number.width :]
        for data in (old, new)
    ]
    with pytest.raises(VerifyError, match="lies in our box"):
        check_heif_edit(forged[0], forged[1], own, undo=lambda _: [forged[0]])


# -- undo


def undone() -> tuple[bytes, bytes]:
    """A file that another program has made longer, and what it is without our caption."""
    new, _ = edited(heic(EXIF, XMP), CaptionPlace.EXIF)
    captioned = new + box(b"free", b"more")
    return captioned, b"".join(HeifPhoto(captioned).without_caption())


def test_a_right_removal_passes() -> None:
    captioned, bare = undone()
    assert len(bare) == len(captioned)
    check_removal(captioned, bare)
    cut, _ = edited(heic(EXIF, XMP), CaptionPlace.EXIF)
    check_removal(cut, heic(EXIF, XMP))


def test_a_removal_that_touches_more_is_caught() -> None:
    captioned, bare = undone()
    chance = random.Random(4)
    heif = read_heif(captioned)
    ours = range(*heif.locations[2].spans()[0])
    footer = range(ours.stop, captioned.rindex(b"RECOLLHF") + 8)
    unused = {
        *range(read_heif(bare).locations[2].spans()[0][1], ours.stop),
        *footer,
        *range(ours.start + 14, ours.start + 18),
    }
    for at in [at for at in chance.sample(range(len(bare)), 1500) if at not in unused]:
        mutant = bare[:at] + bytes((bare[at] ^ 1 << chance.randrange(8),)) + bare[at + 1 :]
        with pytest.raises(CaptionRefused):
            check_removal(captioned, mutant)
    for mutant in (bare[:-1], bare + b"\0", bare[:-12], heic(EXIF)):
        with pytest.raises(CaptionRefused):
            check_removal(captioned, mutant)


def test_a_removal_that_loses_a_tag_is_caught() -> None:
    captioned, bare = undone()
    heif = read_heif(bare)
    start, _ = heif.locations[2].spans()[0]
    at = bare.index(b"\x0f\1\2\0", start)  # the entry of Make in IFD0
    with pytest.raises(VerifyError, match="entry of IFD0"):
        check_removal(captioned, bare[:at] + b"\x10" + bare[at + 1 :])
