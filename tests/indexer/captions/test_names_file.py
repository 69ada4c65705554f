"""Names of faces in photo files: where they go, that captions stay, and the way back byte for byte."""

from __future__ import annotations

import json
import shutil
import subprocess
from itertools import product
from pathlib import Path

import pytest

from indexer.atomic.file_read import stamp_of
from indexer.captions.caption_file import write_caption
from indexer.captions.journal import Journal
from indexer.captions.names_file import write_names
from indexer.captions.sidecar import sidecar_path
from indexer.captions.undo import undo_caption
from indexer.captions.verify import VerifyError
from indexer.captions.verify.names import check_names_edit
from indexer.errors import CaptionRefused
from indexer.face_box import FaceBox, FaceRegion
from indexer.formats.editable import open_photo
from indexer.metadata.content_key import content_key
from indexer.metadata.read_metadata import read_metadata
from indexer.model import CaptionPlace, WriteResult
from indexer.ownership.mark import sha256
from indexer.reasons import ReasonCode
from tests.indexer.captions.own_captions import read_own_caption
from tests.indexer.captions.test_caption_file import LADDER
from tests.indexer.formats import jpegs_made as made
from tests.photos_made import cornered, encoded, exif_bytes, raw_tiff, stored_for, xmp_packet

XMP, SIDECAR, INDEX = CaptionPlace.XMP, CaptionPlace.SIDECAR, CaptionPlace.INDEX
ANNA = FaceRegion("Anna", FaceBox(0.1, 0.2, 0.25, 0.3))
BEN = FaceRegion("Ben & <Jo> Ä", FaceBox(0.6, 0.5, 0.125, 0.2))
BOTH = (ANNA, BEN)
KINDS = {"a.jpg": "JPEG", "a.png": "PNG", "a.webp": "WEBP"}
FOREIGN = (
    "<mwg-rs:Regions rdf:parseType='Resource'><mwg-rs:RegionList><rdf:Bag><rdf:li rdf:parseType='Resource'>"
    "<mwg-rs:Name>Carla</mwg-rs:Name></rdf:li></rdf:Bag></mwg-rs:RegionList></mwg-rs:Regions>"
)


def put(folder: Path, data: bytes, name: str = "a.jpg") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def name_faces(path: Path, *regions: FaceRegion, **options: object) -> WriteResult:
    return write_names(path, regions, stamp=stamp_of(path.stat()), **options)  # type: ignore[arg-type]


def caption(path: Path, words: object = made.CAPTION, **options: object) -> WriteResult:
    return write_caption(path, words, stamp=stamp_of(path.stat()), **options)  # type: ignore[arg-type]


def read_back(path: Path) -> list[FaceRegion]:
    sidecar = sidecar_path(path)
    packets = [sidecar.read_bytes()] if sidecar.exists() else []
    return list(read_metadata(path.read_bytes(), path, packets).regions)


def assert_named(path: Path, *regions: FaceRegion) -> None:
    found = read_back(path)
    assert [one.name for one in found] == [one.name for one in regions]
    for one, other in zip(found, regions, strict=True):
        assert one.box.overlap(other.box) > 0.9999


@pytest.mark.parametrize("name", LADDER)
def test_whatever_the_file_its_names_come_out_again_exactly(name: str, tmp_path: Path) -> None:
    path = put(tmp_path, LADDER[name][0], "IMG_1.JPG")
    data = path.read_bytes()
    written = name_faces(path, *BOTH)
    assert (path.read_bytes() != data) == (written.place is XMP)
    assert sidecar_path(path).exists() == (written.place is SIDECAR)
    assert written.stamp == stamp_of(path.stat())
    if written.place is not INDEX:
        assert_named(path, *BOTH)
        assert content_key(path.read_bytes()) == content_key(data)
    undone = undo_caption(path, names=True)
    assert (undone.restored, undone.exact) == (written.place is not INDEX,) * 2
    assert path.read_bytes() == data
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", LADDER)
def test_beside_a_caption_too(name: str, tmp_path: Path) -> None:
    path = put(tmp_path, LADDER[name][0], "IMG_1.JPG")
    data = path.read_bytes()
    captioned = caption(path)
    before = path.read_bytes()
    words = read_own_caption((sidecar_path(path) if captioned.place is SIDECAR else path).read_bytes())
    named = name_faces(path, *BOTH)
    assert read_own_caption((sidecar_path(path) if captioned.place is SIDECAR else path).read_bytes()) == words
    if named.place is not INDEX:
        assert_named(path, *BOTH)
    assert name_faces(path).place is INDEX
    assert path.read_bytes() == before
    name_faces(path, *BOTH)
    undo_caption(path, names=True)
    assert path.read_bytes() == data
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", KINDS)
def test_names_and_captions_come_and_go_in_any_order(name: str, tmp_path: Path) -> None:
    path, journal = put(tmp_path, encoded(cornered(), KINDS[name]), name), Journal(tmp_path / "journal")
    original = path.read_bytes()
    assert name_faces(path, ANNA, journal=journal).place is XMP
    with_names = path.read_bytes()
    assert caption(path, journal=journal).place in (CaptionPlace.EXIF, XMP)
    assert_named(path, ANNA)
    assert name_faces(path, ANNA, BEN, journal=journal).place is XMP
    assert_named(path, ANNA, BEN)
    found = read_own_caption(path.read_bytes())
    assert found is not None
    assert found.text == made.CAPTION.text
    assert name_faces(path, ANNA, journal=journal).place is XMP
    undone = undo_caption(path, journal=journal)
    assert (undone.restored, undone.exact, undone.names) == (True, True, ("Anna",))
    assert open_photo(path.read_bytes()).names == open_photo(with_names).names  # type: ignore[union-attr]
    assert caption(path, journal=journal).reason is None
    undone = undo_caption(path, journal=journal, names=True)
    assert (undone.restored, undone.exact) == (True, True)
    assert path.read_bytes() == original


@pytest.mark.parametrize("name", KINDS)
def test_the_same_names_again_write_nothing(name: str, tmp_path: Path) -> None:
    path = put(tmp_path, encoded(cornered(), KINDS[name]), name)
    name_faces(path, *BOTH)
    before = path.stat()
    assert name_faces(path, *BOTH).place is XMP
    assert path.stat() == before


@pytest.mark.parametrize(("name", "orientation"), [*product(KINDS, range(1, 9))])
def test_regions_are_of_the_picture_as_it_is_stored(name: str, orientation: int, tmp_path: Path) -> None:
    stored = stored_for(cornered(), orientation)
    data = encoded(stored, KINDS[name], exif=exif_bytes({0x0112: orientation}))
    path = put(tmp_path, data, name)
    name_faces(path, *BOTH)
    assert_named(path, *BOTH)


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not installed")
@pytest.mark.parametrize(("name", "orientation"), [*product(KINDS, (1, 6))])
def test_exiftool_reads_them_and_sees_nothing_else_changed(name: str, orientation: int, tmp_path: Path) -> None:
    def tags(path: Path) -> dict[str, object]:
        command = ["exiftool", "-j", "-struct", "-G1", "-n", str(path)]
        (found,) = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        return {key: value for key, value in found.items() if not key.startswith(("System:", "ExifTool:"))}

    stored = stored_for(cornered((96, 64)), orientation)
    path = put(tmp_path, encoded(stored, KINDS[name], exif=exif_bytes({0x0112: orientation})), name)
    before = tags(path)
    name_faces(path, *BOTH)
    after = tags(path)
    info = after.pop("XMP-mwg-rs:RegionInfo")
    assert isinstance(info, dict)
    assert info["AppliedToDimensions"] == {"W": stored.width, "H": stored.height, "Unit": "pixel"}
    assert [one["Name"] for one in info["RegionList"]] == ["Anna", BEN.name]
    assert {one["Type"] for one in info["RegionList"]} == {"Face"}
    if orientation == 1:
        area = info["RegionList"][0]["Area"]
        assert (area["X"], area["Y"], area["W"], area["H"]) == pytest.approx((0.225, 0.35, 0.25, 0.3))
    assert after.pop("XMP-iptcExt:PersonInImage") == ["Anna", BEN.name]
    new = {key for key in after if key not in before}
    assert all(key.startswith("XMP-recollectNames:") or key == "XMP-x:XMPToolkit" for key in new), new
    changed = {key for key in before if after.get(key) != before[key]}
    assert changed <= {"RIFF:WebP_Flags", "RIFF:VP8XFlags"}, changed


def test_names_of_other_programs_are_never_changed(tmp_path: Path) -> None:
    for number, properties in enumerate((FOREIGN, "<Iptc4xmpExt:PersonInImage/>")):
        path = put(tmp_path, made.with_segments(made.xmp(xmp_packet(properties))), f"{number}.jpg")
        data = path.read_bytes()
        written = name_faces(path, *BOTH)
        assert (written.place, written.reason and written.reason.code) == (INDEX, ReasonCode.OTHER_REGIONS)
        assert path.read_bytes() == data
        assert not sidecar_path(path).exists()
    path = put(tmp_path, encoded(cornered(), "JPEG"), "c.jpg")
    sidecar_path(path).write_bytes(xmp_packet(FOREIGN))
    written = name_faces(path, *BOTH, mode="sidecar")
    assert (written.place, written.reason and written.reason.code) == (INDEX, ReasonCode.OTHER_REGIONS)
    assert sidecar_path(path).read_bytes() == xmp_packet(FOREIGN)


def test_what_another_program_adds_stays_when_names_go(tmp_path: Path) -> None:
    path = put(tmp_path, made.with_segments(made.xmp(made.packet())))
    name_faces(path, *BOTH)
    other = b"<rdf:Description rdf:about='' xmlns:q='http://example.com/q/' q:stars='5'/>"
    packet = open_photo(path.read_bytes())._packets[0]  # type: ignore[union-attr]
    edited = packet.replace(b"</rdf:RDF>", other + b"</rdf:RDF>")
    path.write_bytes(made.with_segments(made.xmp(edited)))
    undone = undo_caption(path, names=True)
    assert (undone.restored, undone.exact) == (True, False)
    remaining = open_photo(path.read_bytes())._packets[0]  # type: ignore[union-attr]
    assert other in remaining
    assert b"Anna" not in remaining


def test_names_that_another_program_has_rewritten_stay_and_are_told(tmp_path: Path) -> None:
    path = put(tmp_path, made.with_segments(made.xmp(made.packet())))
    name_faces(path, *BOTH)
    packet = open_photo(path.read_bytes())._packets[0]  # type: ignore[union-attr]
    path.write_bytes(made.with_segments(made.xmp(packet.replace(b"Anna", b"Anne"))))
    data = path.read_bytes()
    written = name_faces(path, ANNA)
    assert (written.place, written.reason and written.reason.code) == (INDEX, ReasonCode.NAMES_REWRITTEN)
    assert path.read_bytes() == data
    assert read_metadata(data, path).people == ("Anne", BEN.name)
    undone = undo_caption(path, names=True)
    assert not undone.restored
    assert undone.reason is not None
    assert undone.reason.code is ReasonCode.NAMES_REWRITTEN
    assert path.read_bytes() == data


EDITS = {
    "a keyword": ("-XMP-dc:Subject+=holiday",),
    "a caption": ("-XMP-dc:Description=Our own words",),
    "another orientation": ("-n", "-Orientation=6"),
    "IPTC": ("-IPTC:Keywords=holiday",),
    "no XMP any more": ("-XMP:all=",),
}


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not installed")
@pytest.mark.parametrize(("edit", "captioned"), [*product(EDITS, (False, True))])
def test_names_follow_where_another_program_has_edited_the_file(edit: str, captioned: bool, tmp_path: Path) -> None:
    """exiftool writes all XMP anew: our names stand there still, in other words."""
    path = put(tmp_path, encoded(cornered(), "JPEG"))
    if captioned:
        caption(path)
    name_faces(path, *BOTH)
    subprocess.run(["exiftool", "-q", "-overwrite_original", *EDITS[edit], str(path)], check=True)
    metadata = read_metadata(path.read_bytes(), path)
    assert metadata.people == ()
    assert name_faces(path, ANNA).place is XMP
    assert [one.name for one in read_back(path)] == ["Anna"]
    assert undo_caption(path, names=True).restored
    after = read_metadata(path.read_bytes(), path)
    assert (after.regions, after.people, after.machine_caption) == ((), (), None)
    assert (after.keywords, after.person_caption) == (metadata.keywords, metadata.person_caption)
    assert b"recollectNames" not in path.read_bytes()


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not installed")
def test_what_another_program_puts_into_our_regions_is_not_taken_out(tmp_path: Path) -> None:
    path = put(tmp_path, encoded(cornered(), "JPEG"))
    name_faces(path, ANNA)
    for edit in (
        "-RegionInfoUnknown=",
        "-XMP-mwg-rs:RegionDescription=her birthday",
        "-XMP-iptcExt:PersonInImage+=Carla",
    ):
        subprocess.run(["exiftool", "-q", "-overwrite_original", edit, str(path)], check=False, capture_output=True)
    data = path.read_bytes()
    assert b"Carla" in data
    assert name_faces(path, BEN).place is INDEX
    assert not undo_caption(path, names=True).restored
    assert path.read_bytes() == data
    assert "Carla" in read_metadata(data, path).people


def test_names_that_fit_no_longer_leave_none_behind(tmp_path: Path) -> None:
    """A JPEG segment holds 65,533 bytes."""
    path = put(tmp_path, made.with_segments(made.xmp(made.packet(f"<dc:title>{'x' * 63_000}</dc:title>"))))
    data = path.read_bytes()
    assert name_faces(path, ANNA).place is XMP
    many = [FaceRegion(f"Guest {number}", FaceBox(0.01 * number, 0.1, 0.01, 0.1)) for number in range(20)]
    assert name_faces(path, *many).place is SIDECAR
    assert path.read_bytes() == data
    assert_named(path, *many)
    assert name_faces(path, ANNA).place is XMP
    assert list(tmp_path.iterdir()) == [path]


def test_a_face_at_the_edge_is_written_as_far_as_it_is_seen(tmp_path: Path) -> None:
    path = put(tmp_path, encoded(cornered(), "JPEG"))
    name_faces(path, FaceRegion("Anna", FaceBox(-0.05, 0.9, 0.25, 0.3)))
    assert_named(path, FaceRegion("Anna", FaceBox(0.0, 0.9, 0.2, 0.1)))


@pytest.mark.parametrize("name", ["a.cr2", "a.gif", "a.tif", "a.heic"])
def test_other_formats_get_a_sidecar(name: str, tmp_path: Path) -> None:
    preview = encoded(cornered((96, 64)), "JPEG")
    kind = {"a.gif": "GIF", "a.tif": "TIFF", "a.heic": "HEIF"}.get(name)
    data = raw_tiff(preview, size=(96, 64), orientation=6) if kind is None else encoded(cornered(), kind)
    path = put(tmp_path, data, name)
    written = name_faces(path, *BOTH)
    assert written.place is SIDECAR
    assert_named(path, *BOTH)
    assert path.read_bytes() == data
    caption(path, mode="sidecar")
    assert_named(path, *BOTH)
    name_faces(path, ANNA)
    assert_named(path, ANNA)
    assert read_own_caption(sidecar_path(path).read_bytes()) is not None
    undo_caption(path)
    assert_named(path, ANNA)
    name_faces(path)
    assert list(tmp_path.iterdir()) == [path]


def test_a_foreign_sidecar_is_given_back(tmp_path: Path) -> None:
    path = put(tmp_path, encoded(cornered(), "JPEG"))
    foreign = made.packet("<dc:title>Rome</dc:title>")
    sidecar_path(path).write_bytes(foreign)
    assert name_faces(path, *BOTH, mode="sidecar").place is SIDECAR
    caption(path, mode="sidecar")
    name_faces(path, BEN, mode="sidecar")
    assert_named(path, BEN)
    assert undo_caption(path, names=True).exact
    assert sidecar_path(path).read_bytes() == foreign


def test_names_move_into_the_sidecar_and_back_when_the_setting_changes(tmp_path: Path) -> None:
    path = put(tmp_path, encoded(cornered(), "JPEG"))
    data = path.read_bytes()
    name_faces(path, ANNA)
    assert name_faces(path, ANNA, mode="sidecar").place is SIDECAR
    assert path.read_bytes() == data
    assert_named(path, ANNA)
    assert name_faces(path, ANNA).place is XMP
    assert list(tmp_path.iterdir()) == [path]


def test_a_changed_file_a_hard_link_and_another_programs_library_are_left_alone(tmp_path: Path) -> None:
    path = put(tmp_path, encoded(cornered(), "JPEG"))
    stamp, data = stamp_of(path.stat()), encoded(cornered((64, 64)), "JPEG")
    path.write_bytes(data)
    written = write_names(path, BOTH, stamp=stamp)
    assert (written.place, written.reason and written.reason.code) == (INDEX, ReasonCode.CHANGED_SINCE)
    (tmp_path / "b.jpg").hardlink_to(path)
    written = name_faces(path, *BOTH)
    assert (written.place, written.reason and written.reason.code) == (SIDECAR, ReasonCode.HARD_LINKS)
    assert path.read_bytes() == data
    library = tmp_path / "X.photoslibrary"
    library.mkdir()
    inside = put(library, data)
    assert name_faces(inside, *BOTH).place is INDEX
    assert [one.read_bytes() for one in library.iterdir()] == [data]


def test_the_journal_knows_what_the_captions_undo_gives(tmp_path: Path) -> None:
    path, journal = put(tmp_path, encoded(cornered(), "JPEG")), Journal(tmp_path / "journal")
    caption(path, journal=journal)
    name_faces(path, *BOTH, journal=journal)
    entries = list(journal.entries())
    assert [entry.action for entry in entries] == ["write", "write"]
    assert entries[-1].after == sha256(path.read_bytes())
    assert undo_caption(path, journal=journal, dry_run=True, names=True).exact


@pytest.mark.parametrize("name", KINDS)
def test_the_proof_catches_every_change(name: str, tmp_path: Path) -> None:
    path = put(tmp_path, encoded(cornered(), KINDS[name]), name)
    old = path.read_bytes()
    name_faces(path, *BOTH)
    new = path.read_bytes()
    named = [(one.name, one.box.left, one.box.top, one.box.width, one.box.height) for one in BOTH]

    def undo(data: bytes) -> list[bytes | memoryview]:
        photo = open_photo(data)
        return [] if photo is None else list(photo.without_names())

    check_names_edit(old, new, named, undo=undo)
    with pytest.raises(VerifyError):
        check_names_edit(old, new, named[:1], undo=undo)
    with pytest.raises(VerifyError):
        check_names_edit(old, new, [("Anna", 0.11, 0.2, 0.25, 0.3), named[1]], undo=undo)
    with pytest.raises(VerifyError):
        check_names_edit(old, old, named, undo=undo)
    with pytest.raises(VerifyError):
        check_names_edit(old, new, named, undo=lambda data: [data])
    start = 12 if name == "a.webp" else 0
    for at in range(start, len(new), 7):
        changed = new[:at] + bytes([new[at] ^ 0x11]) + new[at + 1 :]
        with pytest.raises(CaptionRefused):
            check_names_edit(old, changed, named, undo=undo)
