"""A correction where a sidecar holds another program's words: both stay, and it is known which of them came later."""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from indexer.atomic.file_read import stamp_of
from indexer.captions.caption_file import PERSONS_WORDS, write_caption
from indexer.captions.journal import Journal
from indexer.captions.sidecar import Sidecars, sidecar_path
from indexer.captions.undo import undo_caption
from indexer.formats import xmp_packet
from indexer.metadata.read_metadata import read_metadata
from indexer.model import CaptionBy, CaptionPlace, FileCaption, PhotoMetadata, WriteResult
from indexer.ownership.mark import MOST_OVERRULED, OwnCaption
from tests.indexer.formats import jpegs_made as made

OMA = FileCaption("Oma Lisbeth feeds the ducks", CaptionBy.PERSON, at=datetime(2024, 5, 1, 10, tzinfo=UTC))
AGAIN = FileCaption("Oma and Karl feed the ducks", CaptionBy.PERSON, at=datetime(2024, 5, 2, 10, tzinfo=UTC))
KARL = made.packet(made.described("Karl's boat"))
KARL_LATER = made.packet(made.described("Karl's new boat"))
SIGNED = made.with_segments(made.c2pa())  # never changed: everything goes into the sidecar
DESCRIBED = made.with_segments(made.xmp(made.packet(made.described("Anna's boat"))))

other_program = pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is the other program")


def write(path: Path, words: FileCaption, *, over_correction: bool = False) -> WriteResult:
    journal = Journal.in_dir(path.parent / "data")
    return write_caption(path, words, stamp=stamp_of(path.stat()), journal=journal, over_correction=over_correction)


def read(path: Path) -> PhotoMetadata:
    return read_metadata(path.read_bytes(), path, Sidecars(path).packets())


PHOTOS = {"plain.jpg": made.plain(), "signed.jpg": SIGNED, "described.jpg": DESCRIBED}


@pytest.fixture(params=[(name, beside) for name in PHOTOS for beside in (".jpg.xmp", ".xmp")], ids="".join)
def photo(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A photo beside which another program's sidecar says "Karl's boat"."""
    name, ending = request.param
    path = tmp_path / str(name)
    path.write_bytes(PHOTOS[name])
    theirs(path, ending).write_bytes(KARL)
    return path


def theirs(path: Path, ending: str = "") -> Path:
    """The other program's sidecar."""
    places = [path.with_suffix(ending)] if ending else [path.with_suffix(".xmp"), path.with_suffix(".jpg.xmp")]
    return next((place for place in places if place.exists()), places[0])


def everything(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_it_is_kept_in_the_files_and_undone_byte_for_byte(photo: Path) -> None:
    before = everything(photo.parent)
    written = write(photo, OMA)
    assert written.place in {CaptionPlace.EXIF, CaptionPlace.SIDECAR}
    found = read(photo)
    assert (found.correction, found.person_caption, found.others_words) == (OMA, OMA.text, "Karl's boat")
    assert b'<rdf:li xml:lang="x-default">Karl\'s boat</rdf:li>' in theirs(photo).read_bytes()
    undone = undo_caption(photo, journal=Journal.in_dir(photo.parent / "data"))
    assert (undone.restored, undone.exact, undone.words) == (True, True, OMA)
    assert everything(photo.parent) == before


def test_a_newer_correction_takes_its_place(photo: Path) -> None:
    before = everything(photo.parent)
    write(photo, OMA)
    write(photo, AGAIN)
    assert read(photo).correction == AGAIN
    assert OMA.text.encode() not in b"".join(everything(photo.parent).values())
    after = everything(photo.parent)
    write(photo, AGAIN)
    assert everything(photo.parent) == after, "the same once more writes nothing"
    assert undo_caption(photo).exact
    assert everything(photo.parent) == before


def test_other_words_that_are_put_there_later_win_and_the_next_correction_wins_over_those(photo: Path) -> None:
    write(photo, OMA)
    place = theirs(photo)
    place.write_bytes(place.read_bytes().replace(b"Karl's boat", b"Karl's new boat"))
    found = read(photo)
    assert (found.correction, found.person_caption) == (None, "Karl's new boat")
    write(photo, AGAIN)
    found = read(photo)
    assert (found.correction, found.others_words) == (AGAIN, "Karl's new boat")
    assert b"Karl's new boat" in place.read_bytes()


def test_the_same_correction_typed_above_newer_words_wins_again(photo: Path) -> None:
    write(photo, OMA)
    place = theirs(photo)
    place.write_bytes(place.read_bytes().replace(b"Karl's boat", b"Karl's new boat"))
    write(photo, OMA)
    assert read(photo).correction == OMA


def test_words_put_into_the_photo_later_win_over_a_correction_in_the_sidecar(tmp_path: Path) -> None:
    photo = tmp_path / "a.jpg"
    photo.write_bytes(DESCRIBED)
    assert write(photo, OMA).place is CaptionPlace.SIDECAR
    assert read(photo).correction == OMA
    photo.write_bytes(DESCRIBED.replace(b"Anna's boat", b"Anna's ship"))
    found = read(photo)
    assert (found.correction, found.person_caption, found.overtaken) == (None, "Anna's ship", True)


def test_the_model_s_words_are_still_never_put_beside_another_program_s(photo: Path) -> None:
    before = everything(photo.parent)
    for over_correction in (False, True):
        written = write_caption(photo, made.CAPTION, stamp=stamp_of(photo.stat()), over_correction=over_correction)
        assert (written.place, written.reason) == (CaptionPlace.INDEX, PERSONS_WORDS)
    assert everything(photo.parent) == before


def test_a_sidecar_with_an_empty_description_keeps_it_and_holds_the_correction(tmp_path: Path) -> None:
    photo = tmp_path / "a.jpg"
    photo.write_bytes(SIGNED)
    empty = made.packet(made.described(""))
    sidecar_path(photo).write_bytes(empty)
    assert write(photo, OMA).place is CaptionPlace.SIDECAR
    assert read(photo).correction == OMA
    assert undo_caption(photo).exact
    assert sidecar_path(photo).read_bytes() == empty


def test_a_mark_that_holds_other_words_than_it_vouches_for_is_not_believed(tmp_path: Path) -> None:
    photo = tmp_path / "a.jpg"
    photo.write_bytes(SIGNED)
    sidecar_path(photo).write_bytes(KARL)
    write(photo, OMA)
    forged = sidecar_path(photo).read_bytes().replace(OMA.text.encode(), b"Oma Lisbeth kicks the ducks")
    sidecar_path(photo).write_bytes(forged)
    assert (read(photo).correction, read(photo).person_caption) == (None, "Karl's boat")


def test_more_texts_than_a_mark_can_remember_keep_it_out_of_the_files(tmp_path: Path) -> None:
    photo = tmp_path / "a.jpg"
    photo.write_bytes(SIGNED)
    items = "".join(f'<rdf:li xml:lang="l{i}">boat {i}</rdf:li>' for i in range(MOST_OVERRULED + 1))
    packet = KARL.replace(b'<rdf:li xml:lang="x-default">Karl\'s boat</rdf:li>', items.encode())
    sidecar_path(photo).write_bytes(packet)
    written = write(photo, OMA)
    assert written.place is CaptionPlace.INDEX
    assert "too many texts" in str(written.reason)
    assert sidecar_path(photo).read_bytes() == packet


def test_a_correction_of_an_older_version_is_read_as_before(tmp_path: Path) -> None:
    photo = tmp_path / "a.jpg"
    photo.write_bytes(DESCRIBED)
    own = OwnCaption.of(OMA, before="")
    packet = xmp_packet.compose_packet(own).replace(b' recollect:captionOverrules=""', b"")
    assert b"Overrules" not in packet
    sidecar_path(photo).write_bytes(packet)
    assert read(photo).correction == OMA, "beside words in the photo"
    photo.with_suffix(".xmp").write_bytes(KARL)
    assert read(photo).person_caption == "Karl's boat", "not beside words in a sidecar"


@pytest.mark.slow
@other_program
def test_another_program_that_writes_the_sidecar_anew_takes_nothing_away(photo: Path) -> None:
    write(photo, OMA)
    place = theirs(photo)
    subprocess.run(["exiftool", "-q", "-overwrite_original", "-XMP:Rating=4", str(place)], check=True)
    assert read(photo).correction == OMA
    undone = undo_caption(photo)
    assert undone.restored
    assert read(photo).person_caption == "Karl's boat"
    left = subprocess.run(["exiftool", "-G1", "-s", "-X", str(place)], check=True, capture_output=True).stdout
    assert b"recollect" not in left
    assert b"Karl" in left
    assert b"xmp:Rating='4'" in left


@pytest.mark.parametrize("sidecar", [KARL.decode().encode("utf-16"), KARL[:-60]], ids=["UTF-16", "cut off"])
def test_a_sidecar_that_is_not_understood_stays_and_the_correction_goes_into_the_photo(
    tmp_path: Path, sidecar: bytes
) -> None:
    photo = tmp_path / "a.jpg"
    photo.write_bytes(made.plain())
    sidecar_path(photo).write_bytes(sidecar)
    assert write_caption(photo, made.CAPTION, stamp=stamp_of(photo.stat())).place is CaptionPlace.INDEX
    assert write(photo, OMA).place is CaptionPlace.EXIF
    assert read(photo).correction == OMA
    assert undo_caption(photo).exact
    assert (photo.read_bytes(), sidecar_path(photo).read_bytes()) == (made.plain(), sidecar)


@pytest.mark.parametrize("text", ['Oma\'s "ducks" <b>&amp; ]]> 🦆 חומה', "a" * 2000])
def test_any_words_stand_in_our_own_property_as_they_were_typed(tmp_path: Path, text: str) -> None:
    photo, words = tmp_path / "a.jpg", FileCaption(text, CaptionBy.PERSON, at=OMA.at)
    photo.write_bytes(SIGNED)
    sidecar_path(photo).write_bytes(KARL)
    assert write(photo, words).place is CaptionPlace.SIDECAR
    assert read(photo).correction == words
    assert undo_caption(photo).exact
    assert sidecar_path(photo).read_bytes() == KARL


@pytest.mark.parametrize("link", ["symbolic", "hard"])
def test_a_sidecar_that_is_another_file_too_is_left_alone(tmp_path: Path, link: str) -> None:
    library, outside = tmp_path / "library", tmp_path / "elsewhere.xmp"
    library.mkdir()
    photo = library / "a.jpg"
    photo.write_bytes(SIGNED)
    outside.write_bytes(KARL)
    if link == "symbolic":
        sidecar_path(photo).symlink_to(outside)
    else:
        sidecar_path(photo).hardlink_to(outside)
    written = write_caption(photo, OMA, stamp=stamp_of(photo.stat()), roots=[library])
    assert written.place is CaptionPlace.INDEX
    assert "no sidecar" in str(written.reason)
    assert outside.read_bytes() == KARL
    photo.write_bytes(made.plain())
    assert write_caption(photo, OMA, stamp=stamp_of(photo.stat()), roots=[library]).place is CaptionPlace.EXIF
    assert outside.read_bytes() == KARL
