"""The ladder: which rung a caption lands on, and why; and the way back."""

from __future__ import annotations

import hashlib
import io
import os
import resource
import stat
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from captioner import Caption
from indexer.atomic.file_read import stamp_of
from indexer.captions.caption_file import PERSONS_WORDS, write_caption
from indexer.captions.journal import Journal
from indexer.captions.sidecar import sidecar_path
from indexer.captions.undo import undo_caption
from indexer.errors import Obstacle, PhotoVanished
from indexer.metadata.content_key import content_key
from indexer.model import CaptionBy, CaptionPlace, FileStamp, WriteResult
from tests.indexer.captions.own_captions import read_own_caption
from tests.indexer.formats import chunks_made as chunks
from tests.indexer.formats import jpegs_made as made

EXIF, XMP, SIDECAR, INDEX = CaptionPlace.EXIF, CaptionPlace.XMP, CaptionPlace.SIDECAR, CaptionPlace.INDEX
NOBODY = 65534
COMMENT = made.segment(0xFE, b"CREATOR: gd-jpeg v1.0")
WIDE = made.mpf() + made.exif(made.camera_block())


def put(folder: Path, data: bytes, name: str = "IMG_1.JPG") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def write(path: Path, caption: Caption = made.CAPTION, **options: object) -> WriteResult:
    return write_caption(path, caption, stamp=stamp_of(path.stat()), **options)  # type: ignore[arg-type]


def trailer_jpeg(trailer: bytes, *, maker_note: bool = True, packet: bytes | None = None) -> bytes:
    block = made.camera_block() if maker_note else made.tiff(made.MAKE)
    return made.with_segments(made.exif(block), *([made.xmp(packet)] if packet else []), trailer=trailer)


#: The length of a thumbnail as it stands in the block.
TINY_SIZE = len(made.plain((16, 12))).to_bytes(4, "little")
EXTENDED_WITH_DESCRIPTION = made.segment(
    0xE1, made.EXTENDED + b"0" * 32 + b"\0\0\1\0\0\0\0\0" + made.packet(made.described("a wedding"))
)
COMPRESSED_XMP = chunks.chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(made.packet()))


def profile(name: bytes, body: bytes, *, compressed: bool = False) -> bytes:
    """A chunk in which ImageMagick keeps a profile: its name, its length, and hexadecimal digits."""
    text = b"\n%s\n%8d\n%s\n" % (name, len(body), body.hex().encode())
    keyword = b"Raw profile type " + name
    if compressed:
        return chunks.chunk(b"zTXt", keyword + b"\0\0" + zlib.compress(text))
    return chunks.chunk(b"tEXt", keyword + b"\0" + text)


GCONTAINER = made.packet('<C:Directory xmlns:C="http://ns.google.com/photos/1.0/container/"/>')
LADDER = {
    # name: the file, the rung, a part of the reason
    "nothing": (made.plain(), EXIF, None),
    "progressive": (made.plain(progressive=True), EXIF, None),
    "camera": (made.camera_jpeg(), EXIF, None),
    "big-endian": (made.with_segments(made.exif(made.camera_block(">"))), EXIF, None),
    "Exif before JFIF": (made.with_segments(made.exif(made.camera_block()), before_app0=True), EXIF, None),
    "fill bytes": (made.with_segments(b"\xff\xff" + made.exif(made.camera_block())), EXIF, None),
    "MPF behind Exif": (made.with_segments(made.exif(made.camera_block()), made.mpf()), EXIF, None),
    "camera's own words": (
        made.with_segments(made.exif(made.tiff(made.ascii_field(0x010E, "OLYMPUS DIGITAL CAMERA      ")))),
        EXIF,
        None,
    ),
    "blank words": (
        made.with_segments(
            made.exif(made.tiff(made.ascii_field(0x010E, "   "), sub=[(0x9286, 7, b"\0" * 8 + b" " * 40)]))
        ),
        EXIF,
        None,
    ),
    "XMP that can't be parsed": (made.with_segments(made.xmp(b"<broken")), EXIF, None),
    "blank dc:description": (made.with_segments(made.xmp(made.packet(made.described(" ")))), EXIF, None),
    "full XMP": (made.with_segments(made.xmp(made.packet("<!--" + "x" * 64_500 + "-->"))), EXIF, None),
    "two Exif segments": (made.with_segments(*[made.exif(made.camera_block())] * 2), XMP, "several Exif"),
    "Exif outside itself": (made.with_segments(made.exif(made.camera_block()[:-40])), XMP, "outside"),
    "Exif header junk": (made.with_segments(made.exif(b"junk" + made.camera_block())), XMP, "TIFF header"),
    "full Exif": (made.with_segments(made.exif(made.tiff(made.MAKE, gap=65_200))), XMP, "65527 fit"),
    "no EOI": (made.camera_jpeg()[:-2], XMP, "cut off"),
    "a thumbnail that leads into the picture": (
        made.with_segments(
            made.exif(made.tiff(made.MAKE, thumbnail=made.plain((16, 12))).replace(TINY_SIZE, b"\0\x20\0\0"))
        ),
        SIDECAR,
        "outside",
    ),
    "a thumbnail that leads behind the file's end": (
        made.with_segments(
            made.exif(made.tiff(made.MAKE, thumbnail=made.plain((16, 12))).replace(TINY_SIZE, b"\0\xf0\0\0"))
        ),
        SIDECAR,
        "outside",
    ),
    "a thumbnail that goes on in XMP": (
        made.with_segments(made.exif(made.camera_block()[:-40]), made.xmp(made.packet())),
        SIDECAR,
        "outside",
    ),
    "MPF before Exif": (made.with_segments(WIDE), SIDECAR, "MPF"),
    "two XMP packets": (made.with_segments(*[made.xmp(made.packet())] * 2), SIDECAR, "several XMP"),
    "C2PA": (made.with_segments(made.c2pa()), SIDECAR, "C2PA"),
    "C2PA elsewhere": (
        made.with_segments(
            made.xmp(made.packet('<t:x xmlns:t="http://purl.org/dc/terms/"/><!-- dcterms:provenance= -->'))
        ),
        SIDECAR,
        "C2PA",
    ),
    "no SOS": (made.plain()[:200], SIDECAR, "cut off"),
    "junk between segments": (made.with_segments(made.exif(made.tiff()), COMMENT, b"junk"), XMP, "junk"),
    "junk where XMP belongs": (made.with_segments(b"junk"), SIDECAR, "junk"),
    "junk behind Exif": (made.with_segments(made.exif(made.camera_block()), COMMENT, b"\0\xff\0\0"), XMP, "junk"),
    "junk before Exif": (made.with_segments(b"junk", made.exif(made.camera_block())), SIDECAR, "junk"),
    "junk before XMP": (made.with_segments(b"junk", made.xmp(made.packet())), SIDECAR, "junk"),
    "junk behind XMP": (made.with_segments(made.xmp(made.packet()), COMMENT, b"junk"), XMP, "junk"),
    "XMP that goes on in junk": (
        made.with_segments(made.xmp(made.packet()[:300]), made.packet(made.described("Ann"))[300:]),
        INDEX,
        "may hold",
    ),
    "junk before the scan": (made.plain().replace(b"\xff\xda", b"junk\xff\xda", 1), SIDECAR, "junk at byte"),
    "much junk": (made.with_segments(b"junk" * 2000), SIDECAR, "no marker"),
    "AFCP": (trailer_jpeg(b"data" + b"AXS!" + b"\0" * 8, maker_note=False), SIDECAR, "AFCP"),
    "unknown trailer, MakerNote": (trailer_jpeg(b"who knows what this is"), EXIF, None),
    "large unknown trailer, MakerNote": (trailer_jpeg(b"who knows" + b"\0" * 0x040000), EXIF, None),
    "unknown trailer": (trailer_jpeg(b"who knows what this is", maker_note=False), EXIF, None),
    "zeros": (trailer_jpeg(b"\0" * 99), EXIF, None),
    "MPF": (
        made.with_segments(made.exif(made.camera_block()), made.mpf(), trailer=b"\xff" * 9 + made.plain((16, 12))),
        EXIF,
        None,
    ),
    "ftyp": (trailer_jpeg(b"\0\0\0\x18ftypmp42" + b"\0" * 20), EXIF, None),
    "SEFT": (trailer_jpeg(b"\0\0\1\x0aEmbedded" + b"SEFH....SEFT"), EXIF, None),
    "PhotoMechanic": (trailer_jpeg(b"pm" + b"\0\0\0\2cbipcbbl"), EXIF, None),
    "Canon VRD": (
        trailer_jpeg(b"CANON OPTIONAL DATA\0" + b"v" * 8 + b"CANON OPTIONAL DATA\0" + b"\0" * 44),
        EXIF,
        None,
    ),
    "GContainer": (trailer_jpeg(b"\xff\xd8\xff\xe0 gain map", packet=GCONTAINER), EXIF, None),
    "MicroVideo": (trailer_jpeg(b"video", packet=made.packet("<!-- GCamera:MicroVideo -->")), EXIF, None),
    "a GIF": (b"GIF89a and so on", SIDECAR, "this format"),
    "PNG, C2PA": (chunks.png(chunks.chunk(b"caBX", b"jumb")), SIDECAR, "C2PA"),
    "PNG, signed": (chunks.png(chunks.chunk(b"dSIG", b"x")), SIDECAR, "signed"),
    "PNG, cut off": (chunks.png()[:-30], SIDECAR, "cut off"),
    "PNG, two XMP packets": (chunks.png(*[chunks.png_xmp(made.packet())] * 2), EXIF, "several XMP"),
    "PNG, iDOT before XMP": (
        chunks.png(chunks.chunk(b"iDOT", b"\0" * 28), chunks.png_xmp(made.packet())),
        EXIF,
        "iDOT",
    ),
    "PNG, iDOT before XMP and Exif": (
        chunks.png(
            chunks.chunk(b"iDOT", b"\0" * 28), chunks.png_xmp(made.packet()), chunks.chunk(b"eXIf", made.camera_block())
        ),
        SIDECAR,
        "iDOT",
    ),
    "PNG, compressed XMP and Exif": (
        chunks.png(COMPRESSED_XMP, chunks.chunk(b"eXIf", made.camera_block(">"))),
        EXIF,
        "compressed",
    ),
    "PNG, compressed XMP and Exif with a JPEG's header": (
        chunks.png(COMPRESSED_XMP, chunks.chunk(b"eXIf", b"Exif\0\0" + made.camera_block())),
        EXIF,
        "compressed",
    ),
    "PNG, compressed XMP and Exif that is cut off": (
        chunks.png(COMPRESSED_XMP, chunks.chunk(b"eXIf", made.camera_block()[:-40])),
        SIDECAR,
        "outside",
    ),
    "PNG, compressed XMP with a caption": (
        chunks.png(
            chunks.chunk(
                b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(made.packet(made.described("a wedding")))
            )
        ),
        INDEX,
        PERSONS_WORDS,
    ),
    "PNG, ImageMagick's XMP": (chunks.png(profile(b"xmp", made.packet())), EXIF, "ImageMagick"),
    "PNG, ImageMagick's XMP, compressed": (
        chunks.png(profile(b"xmp", made.packet(), compressed=True)),
        EXIF,
        "ImageMagick",
    ),
    "PNG, ImageMagick's XMP and Exif": (
        chunks.png(profile(b"xmp", made.packet()), profile(b"exif", b"Exif\0\0" + made.camera_block())),
        SIDECAR,
        "ImageMagick",
    ),
    "PNG, C2PA in compressed XMP": (
        chunks.png(
            chunks.chunk(
                b"iTXt",
                b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(made.packet("<!-- dcterms:provenance= -->")),
            )
        ),
        SIDECAR,
        "C2PA",
    ),
    "PNG, Description": (chunks.png(chunks.chunk(b"tEXt", b"Description\0Ann")), INDEX, PERSONS_WORDS),
    "PNG, compressed Description": (
        chunks.png(chunks.chunk(b"zTXt", b"Description\0\0" + zlib.compress(b"Ann"))),
        INDEX,
        PERSONS_WORDS,
    ),
    "PNG, Exif description": (
        chunks.png(chunks.chunk(b"eXIf", made.tiff(made.ascii_field(0x010E, "Ann, 1978")))),
        INDEX,
        PERSONS_WORDS,
    ),
    "PNG, dc:description": (chunks.png(chunks.png_xmp(made.packet(made.described("Ann")))), INDEX, PERSONS_WORDS),
    "PNG, compressed XMP": (
        chunks.png(COMPRESSED_XMP),
        EXIF,
        "compressed",
    ),
    "PNG, ImageMagick": (chunks.png(chunks.chunk(b"tEXt", b"Raw profile type iptc\0\niptc\n")), INDEX, "ImageMagick"),
    **{name: (data, XMP, None) for name, data in chunks.PNGS.items()},
    **{name: (data, EXIF, None) for name, data in chunks.WEBPS.items()},
    "WebP, damaged Exif": (chunks.webp(exif=made.tiff(made.MAKE)[:-4]), XMP, "outside"),
    "WebP, thumbnail cut off": (chunks.webp(exif=made.camera_block()[:-40]), SIDECAR, "outside"),
    "WebP, C2PA": (chunks.riff(chunks.webp(), chunks.riff_chunk(b"C2PA", b"jumb")), SIDECAR, "C2PA"),
    "WebP, cut off": (chunks.webp()[:-2], SIDECAR, "size"),
    "WebP, chunk cut off": (chunks.riff(chunks.webp(), b"ICMT\xff\0\0\0"), SIDECAR, "cut off"),
    "WebP, no height": (chunks.webp()[:28] + b"\0\0" + chunks.webp()[30:], SIDECAR, "no width or no height"),
    "WebP, no chunk": (chunks.riff(chunks.webp(), b"\0" * 8), SIDECAR, "cut off"),
    "WebP, bad padding": (chunks.riff(chunks.webp(), b"ICMT\3\0\0\0abcd"), SIDECAR, "padded"),
    "WebP, two XMP chunks": (
        chunks.riff(chunks.webp(xmp=made.packet()), chunks.riff_chunk(b"XMP\0", made.packet())),
        SIDECAR,
        "several XMP",
    ),
    "WebP, misspelt XMP, damaged Exif": (
        chunks.riff(chunks.webp(exif=made.tiff(made.MAKE)[:-4]), chunks.riff_chunk(b"XMP\0", made.packet())),
        SIDECAR,
        "misspelt",
    ),
    "WebP, description in misspelt XMP": (
        chunks.riff(chunks.webp(), chunks.riff_chunk(b"XMP\0", made.packet(made.described("Ann")))),
        INDEX,
        PERSONS_WORDS,
    ),
    "WebP, IPTC": (
        chunks.riff(chunks.webp(), chunks.riff_chunk(b"PSAI", made.iptc(b"Ann")[18:])),
        INDEX,
        PERSONS_WORDS,
    ),
    "WebP, description": (chunks.webp(xmp=made.packet(made.described("Ann"))), INDEX, PERSONS_WORDS),
    "IPTC": (made.with_segments(made.iptc(b"A wedding")), INDEX, PERSONS_WORDS),
    "IPTC, damaged": (made.with_segments(made.iptc(b"A wedding").replace(b"8BIM", b"9BIM")), INDEX, PERSONS_WORDS),
    "IPTC, blank": (made.with_segments(made.iptc(b"  ")), EXIF, None),
    "ImageDescription": (
        made.with_segments(made.exif(made.tiff(made.ascii_field(0x010E, "Ann, 1978")))),
        INDEX,
        PERSONS_WORDS,
    ),
    "XPComment": (
        made.with_segments(made.exif(made.tiff((0x9C9C, 1, "Ann\0".encode("utf-16-le"))))),
        INDEX,
        PERSONS_WORDS,
    ),
    "UserComment": (
        made.with_segments(
            made.exif(made.tiff(made.MAKE, sub=[(0x9286, 7, b"UNICODE\0" + "Ann".encode("utf-16-le"))]))
        ),
        INDEX,
        PERSONS_WORDS,
    ),
    "dc:description": (made.with_segments(made.xmp(made.packet(made.described("Ann")))), INDEX, PERSONS_WORDS),
    "dc:description in another tongue": (
        made.with_segments(
            made.xmp(made.packet(made.described("").replace("</rdf:Alt>", "<rdf:li>Anne</rdf:li></rdf:Alt>")))
        ),
        INDEX,
        PERSONS_WORDS,
    ),
    "extended XMP": (made.with_segments(made.xmp(made.packet()), EXTENDED_WITH_DESCRIPTION), INDEX, PERSONS_WORDS),
    "description in broken XMP": (made.with_segments(made.xmp(b"<dc:description>Ann")), INDEX, "may hold a person's"),
}


@pytest.mark.parametrize("name", LADDER)
def test_each_file_lands_on_its_rung_and_comes_back_exactly(name: str, tmp_path: Path) -> None:
    data, place, reason = LADDER[name]
    path = put(tmp_path, data)
    before = path.stat()
    written = write(path)
    assert (written.place, reason is None or str(reason) in str(written.reason)) == (place, True), written
    if reason is None:
        assert written.reason is None
    assert written.stamp == stamp_of(path.stat())
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    assert (path.read_bytes() != data) == (place in (EXIF, XMP))
    assert sidecar_path(path).exists() == (place is SIDECAR)
    if place in (EXIF, XMP):
        assert content_key(path.read_bytes()) == content_key(data)
    source = sidecar_path(path) if place is SIDECAR else path
    own = read_own_caption(source.read_bytes())
    assert (own is None) == (place is INDEX)
    if own is not None:
        assert (own.text, own.by, own.model, own.confidence) == (
            made.CAPTION.text,
            CaptionBy.MODEL,
            "recollect-atto-1",
            0.83,
        )
    undone = undo_caption(path)
    assert (undone.restored, undone.exact) == (place is not INDEX, place is not INDEX)
    assert path.read_bytes() == data
    assert list(tmp_path.iterdir()) == [path]


def test_a_pointer_from_exif_into_the_trailer_is_not_broken(tmp_path: Path) -> None:
    jpeg = made.with_segments(made.exif(made.tiff(made.MAKE, (0xC7F0, 4, b"\0\0\0\0"))), made.mpf())
    block = made.tiff(made.MAKE, (0xC7F0, 4, (len(jpeg) - jpeg.index(b"II*\0")).to_bytes(4, "little")))
    path = put(tmp_path, made.with_segments(made.exif(block), made.mpf(), trailer=made.plain((16, 12))))
    written = write(path)
    assert (written.place, str(written.reason)) == (
        SIDECAR,
        "what the camera keeps behind the picture could be lost (the Exif block points there)",
    )


def test_captioning_again_replaces_our_own_and_never_grows(tmp_path: Path) -> None:
    data = made.camera_jpeg()
    path = put(tmp_path, data)
    write(path, made.NEWER)
    size = path.stat().st_size
    for caption in (made.CAPTION, made.NEWER, made.CAPTION, made.NEWER):
        assert write(path, caption).place is EXIF
    assert path.stat().st_size == size
    own = read_own_caption(path.read_bytes())
    assert own is not None
    assert (own.text, own.model) == (made.NEWER.text, made.NEWER.model)
    assert undo_caption(path).exact
    assert path.read_bytes() == data


def test_the_same_caption_again_writes_nothing(tmp_path: Path) -> None:
    path = put(tmp_path, made.camera_jpeg())
    first = write(path)
    journal = Journal.in_dir(tmp_path)
    assert write(path, journal=journal) == first
    assert list(journal.entries()) == []


def test_sidecar_mode_leaves_the_photo_alone(tmp_path: Path) -> None:
    path = put(tmp_path, made.camera_jpeg())
    before = path.stat()
    assert write(path, mode="sidecar") == WriteResult(SIDECAR, stamp_of(before), None, obstacle=Obstacle.SIDECAR_WANTED)
    assert path.read_bytes() == made.camera_jpeg()
    assert write(path, made.NEWER, mode="sidecar").place is SIDECAR
    own = read_own_caption(sidecar_path(path).read_bytes())
    assert own is not None
    assert own.text == made.NEWER.text
    assert write(path).place is EXIF  # in the file at last: the older sidecar goes
    assert not sidecar_path(path).exists()


def test_nothing_is_written_into_another_program_s_library(tmp_path: Path) -> None:
    folder = tmp_path / "Photos Library.photoslibrary" / "originals" / "A"
    folder.mkdir(parents=True)
    path = put(folder, made.plain())
    for mode in ("embed", "sidecar"):
        written = write(path, mode=mode)
        assert written.place == INDEX
        assert "Photos Library.photoslibrary" in str(written.reason)
    assert path.read_bytes() == made.plain()
    assert list(folder.iterdir()) == [path]


def test_a_foreign_sidecar_is_spliced_and_given_back(tmp_path: Path) -> None:
    path = put(tmp_path, LADDER["C2PA"][0])
    foreign = made.packet("<dc:subject><rdf:Bag><rdf:li>beach</rdf:li></rdf:Bag></dc:subject>", padding=500)
    sidecar_path(path).write_bytes(foreign)
    assert write(path).place is SIDECAR
    assert b"<rdf:li>beach</rdf:li>" in sidecar_path(path).read_bytes()
    assert undo_caption(path).exact
    assert sidecar_path(path).read_bytes() == foreign


@pytest.mark.parametrize("name", ["IMG_1.JPG.xmp", "IMG_1.xmp"])
def test_a_persons_words_in_a_sidecar_win(tmp_path: Path, name: str) -> None:
    path = put(tmp_path, made.plain())
    (tmp_path / name).write_bytes(made.packet(made.described("Ann, 1978")))
    written = write(path)
    assert (written.place, written.reason) == (INDEX, PERSONS_WORDS)


def test_a_sidecar_that_is_no_xmp_is_never_overwritten(tmp_path: Path) -> None:
    path = put(tmp_path, LADDER["C2PA"][0])
    sidecar_path(path).write_bytes(b"my notes")
    written = write(path)
    assert written.place is INDEX
    assert "C2PA" in str(written.reason)
    assert "sidecar" in str(written.reason)
    assert sidecar_path(path).read_bytes() == b"my notes"


def test_hard_links_and_symlinks(tmp_path: Path) -> None:
    path = put(tmp_path, made.camera_jpeg())
    (tmp_path / "link.jpg").symlink_to(path.name)
    assert write(tmp_path / "link.jpg").place is EXIF
    assert (tmp_path / "link.jpg").is_symlink()
    assert undo_caption(tmp_path / "link.jpg").exact
    (tmp_path / "hard.jpg").hardlink_to(path)
    written = write(path)
    assert (written.place, "hard link" in str(written.reason)) == (SIDECAR, True)
    assert path.samefile(tmp_path / "hard.jpg")


def test_a_link_is_followed_inside_the_libraries_and_not_out_of_them(tmp_path: Path) -> None:
    library, other, outside = (tmp_path / name for name in ("library", "other", "outside"))
    for folder in (library, other, outside):
        folder.mkdir()
        put(folder, made.camera_jpeg())
    link = library / "link.jpg"
    for target, place in ((library, EXIF), (other, EXIF), (outside, SIDECAR)):
        link.unlink(missing_ok=True)
        link.symlink_to(target / "IMG_1.JPG")
        written = write(link, roots=[library, other])
        assert written.place is place
        assert link.is_symlink()
        assert ("outside the library" in str(written.reason)) == (place is SIDECAR)
    assert (outside / "IMG_1.JPG").read_bytes() == made.camera_jpeg()
    assert sidecar_path(link).exists()
    assert undo_caption(link).exact
    assert not sidecar_path(link).exists()


def test_neither_photo_nor_sidecar_is_written_where_a_linked_folder_leads(tmp_path: Path) -> None:
    library, outside, tree = (tmp_path / name for name in ("library", "outside", "tree"))
    for folder in (library, outside):
        folder.mkdir()
    (library / "link").symlink_to(outside)
    put(outside, made.camera_jpeg())
    path = library / "link" / "IMG_1.JPG"
    written = write(path, roots=[library])
    assert written.place is INDEX
    assert "outside the library" in str(written.reason)
    assert write(path, roots=[library], sidecar_dir=tree).place is SIDECAR
    sidecar_path(path).write_bytes(made.packet())
    assert write(path, made.NEWER, mode="sidecar", roots=[library]).place is INDEX
    assert sidecar_path(path).read_bytes() == made.packet()
    assert (outside / "IMG_1.JPG").read_bytes() == made.camera_jpeg()
    alias = tmp_path / "alias"
    alias.symlink_to(library)
    put(library, made.camera_jpeg(), "a.jpg")
    assert write(alias / "a.jpg", roots=[alias]).place is EXIF, "the library itself may be a link"


def test_a_sidecar_that_is_a_link_out_of_the_library_is_left_alone(tmp_path: Path) -> None:
    library = tmp_path / "library"
    library.mkdir()
    path = put(library, LADDER["C2PA"][0])
    (tmp_path / "elsewhere.xmp").write_bytes(made.packet())
    sidecar_path(path).symlink_to(tmp_path / "elsewhere.xmp")
    written = write(path, roots=[library])
    assert (written.place, "outside the library" in str(written.reason)) == (INDEX, True)
    assert (tmp_path / "elsewhere.xmp").read_bytes() == made.packet()
    assert write(path).place is SIDECAR


@pytest.fixture
def nobodys_folder() -> Iterator[Path]:
    """An empty folder, and a user who may not write everywhere: root works as nobody meanwhile."""
    with tempfile.TemporaryDirectory() as name:
        root = os.geteuid() == 0
        if root:
            os.chown(name, NOBODY, NOBODY)
            os.setegid(NOBODY)
            os.seteuid(NOBODY)
        try:
            yield Path(name)
        finally:
            if root:
                os.seteuid(0)
                os.setegid(0)


def test_a_folder_that_can_t_be_written_to(nobodys_folder: Path) -> None:
    folder, tree = nobodys_folder / "photos", nobodys_folder / "tree"
    folder.mkdir()
    path = put(folder, made.camera_jpeg())
    folder.chmod(0o555)
    try:
        written = write(path)
        assert (written.place, "can't be written to" in str(written.reason)) == (INDEX, True)
        assert write(path, sidecar_dir=tree).place is SIDECAR
        assert read_own_caption(sidecar_path(path, tree).read_bytes()) is not None
        assert undo_caption(path, sidecar_dir=tree).exact
        assert not sidecar_path(path, tree).exists()
        assert stat.S_IMODE(folder.stat().st_mode) == 0o555
    finally:
        folder.chmod(0o755)


def test_a_file_of_somebody_else_does_not_change_hands(nobodys_folder: Path) -> None:
    path = put(nobodys_folder, made.camera_jpeg())
    if os.getuid() != 0:
        pytest.skip("only root can give a file away")
    os.seteuid(0)
    os.chown(path, 12345, NOBODY)
    os.seteuid(NOBODY)
    written = write(path)
    assert (written.place, "somebody else" in str(written.reason)) == (SIDECAR, True)
    assert path.stat().st_uid == 12345


def test_a_full_disk_costs_the_photo_nothing(tmp_path: Path) -> None:
    """A limit on file sizes fails a write in its middle, as a full disk does."""
    path = put(tmp_path, made.camera_jpeg())
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        written = write(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (written.place, "File too large" in str(written.reason)) == (INDEX, True)
    assert path.read_bytes() == made.camera_jpeg()
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_changed_since_it_was_looked_at_is_left_alone(tmp_path: Path) -> None:
    path = put(tmp_path, made.camera_jpeg())
    stale = FileStamp(1, 2, 3)
    written = write_caption(path, made.CAPTION, stamp=stale)
    assert (written.place, written.stamp) == (INDEX, stale)
    assert path.read_bytes() == made.camera_jpeg()


class Intruder(Journal):
    """Another program that changes the file each time it is about to be replaced."""

    def __init__(self, path: Path, states: list[bytes]) -> None:
        super().__init__(path.with_name("journal"))
        self._victim, self._states = path, states

    def record(self, entry: object) -> None:
        if self._states:
            self._victim.write_bytes(self._states.pop(0))


def test_a_file_that_changes_meanwhile_is_read_again(tmp_path: Path) -> None:
    rated = made.with_segments(made.exif(made.camera_block()), made.xmp(made.packet("<!-- rated -->")))
    path = put(tmp_path, made.camera_jpeg())
    stamp = stamp_of(path.stat())
    written = write(path, journal=Intruder(path, [rated]))
    assert written == WriteResult(EXIF, stamp, None)  # the old stamp: the next walk sees what the other program did
    assert undo_caption(path).exact
    assert path.read_bytes() == rated


def test_a_file_that_keeps_changing_is_left_to_the_others(tmp_path: Path) -> None:
    states = [made.with_segments(made.segment(0xFE, bytes([i]))) for i in range(9)]
    path = put(tmp_path, made.plain())
    written = write(path, journal=Intruder(path, list(states)))
    assert (written.place, str(written.reason)) == (INDEX, "other programs keep changing the file")
    assert path.read_bytes() == states[2]
    assert {item.name for item in tmp_path.iterdir()} == {"IMG_1.JPG"}


def test_another_picture_in_its_place_is_not_captioned(tmp_path: Path) -> None:
    path = put(tmp_path, made.plain())
    written = write(path, journal=Intruder(path, [made.plain((32, 32))]))
    assert written.place is INDEX
    assert path.read_bytes() == made.plain((32, 32))


def test_a_photo_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(PhotoVanished):
        write_caption(tmp_path / "gone.jpg", made.CAPTION, stamp=FileStamp(0, 0, 0))
    with pytest.raises(PhotoVanished):
        undo_caption(tmp_path / "gone.jpg")


@pytest.mark.parametrize("text", ["", " \0\n", "\ud800", "OLYMPUS DIGITAL CAMERA"])
def test_a_caption_without_words_is_not_written(tmp_path: Path, text: str) -> None:
    path = put(tmp_path, made.plain())
    assert write(path, Caption(text, 0.5, (), None, "m")).place is INDEX
    assert path.read_bytes() == made.plain()


@pytest.mark.parametrize("text", ["<b>&amp;\"'", "]]>", "a\0b\x1bc", "\ud83d\ude00 😀", "日本語" * 500, "-->"])
def test_any_words_come_back_as_they_were_cleaned(tmp_path: Path, text: str) -> None:
    path = put(tmp_path, made.camera_jpeg())
    assert write(path, Caption(text, 2.5, (), None, 'm"<>&')).place is EXIF
    own = read_own_caption(path.read_bytes())
    assert own is not None
    assert own.model == 'm"<>&'
    assert own.confidence == 1.0
    assert undo_caption(path).exact


def test_the_journal_says_what_was_done(tmp_path: Path) -> None:
    path = put(tmp_path, made.camera_jpeg())
    journal = Journal.in_dir(tmp_path / "data")
    write(path, journal=journal)
    captioned = hashlib.sha256(path.read_bytes()).hexdigest()
    undo_caption(path, journal=journal)
    original = hashlib.sha256(made.camera_jpeg()).hexdigest()
    rows = [(entry.action, entry.path, entry.before, entry.after, entry.model) for entry in journal.entries()]
    assert rows == [
        ("write", str(path), original, captioned, "recollect-atto-1"),
        ("undo", str(path), captioned, original, ""),
    ]


def test_names_that_are_not_utf_8(tmp_path: Path) -> None:
    path = put(tmp_path, made.camera_jpeg(), os.fsdecode(b"caf\xe9 " + b"x" * 200 + b".jpg"))
    journal = Journal.in_dir(tmp_path / "data")
    assert write(path, journal=journal).place is EXIF
    assert [entry.path for entry in journal.entries()] == [os.fspath(path)]
    assert undo_caption(path).exact


def test_the_picture_still_opens_the_same(tmp_path: Path) -> None:
    path = put(tmp_path, made.camera_jpeg())
    write(path)
    with Image.open(path) as after, Image.open(io.BytesIO(made.camera_jpeg())) as before:
        assert after.tobytes() == before.tobytes()


def test_undo_without_a_caption_of_ours(tmp_path: Path) -> None:
    path = put(tmp_path, made.camera_jpeg())
    undone = undo_caption(path)
    assert (undone.restored, str(undone.reason)) == (False, "there is no caption of ours")


def test_reading_our_caption_never_raises() -> None:
    for data in (b"", b"<", b"<x/>", b"\xff\xd8\xff", b"II*\0", made.plain(), made.packet()):
        assert read_own_caption(data) is None
