"""Hostile bytes: the parsers and the ladder raise nothing but their own errors, and what they write is proved."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from captioner import Caption
from indexer.atomic.file_read import stamp_of
from indexer.captions.caption_file import write_caption
from indexer.captions.undo import undo_caption
from indexer.errors import CaptionRefused
from indexer.formats import iptc, tiff, tiff_edit, xmp_packet, xmp_tree
from indexer.formats.jpeg import segments
from indexer.formats.tiff_photo import TiffPhoto
from indexer.metadata.content_key import content_key
from indexer.model import CaptionPlace
from indexer.ownership.mark import OwnCaption, clean, find_own, find_user_text
from tests.indexer.captions.own_captions import read_own_caption
from tests.indexer.formats import jpegs_made as made
from tests.indexer.formats import tiffs_made as tiffs

OWN = OwnCaption.of(made.CAPTION, before="")
DIGESTS = frozenset({OWN.mark.digest})
BLOCKS = [made.camera_block(), made.camera_block(">"), made.tiff(made.MAKE)]
BLOCKS += [tiff_edit.append_caption(block, OWN) for block in BLOCKS]
PACKETS = [made.packet(padding=300), made.packet(made.described("Ann"))]
PACKETS += [xmp_packet.splice(packet, OWN) for packet in PACKETS]
JPEGS = [made.camera_jpeg(), made.with_segments(made.iptc(b"Ann"), made.mpf(), made.c2pa(), trailer=b"x" * 40)]

OWN_TIFFS = [TiffPhoto(data).embed(OWN, CaptionPlace.EXIF) for data in tiffs.TIFFS.values()]
TIFF_FILES = [*tiffs.TIFFS.values(), *(data for data, _ in tiffs.refused().values() if len(data) < 3000), *OWN_TIFFS]

bounded = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


@st.composite
def mutated(draw: st.DrawFn, seeds: list[bytes]) -> bytes:
    """A seed with some bytes changed, cut, doubled or put in."""
    data = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(0, 6))):
        at = draw(st.integers(0, max(len(data) - 1, 0)))
        new = draw(
            st.one_of(
                st.binary(max_size=4), st.sampled_from([b"\xff\xff\xff\xff", b"\0\0\0\0", b"\xff\xda", b"<", b'"'])
            )
        )
        data[at : at + draw(st.integers(0, 8))] = new
    return bytes(data)


def only_refusals(call: Callable[[], object]) -> None:
    try:
        call()
    except CaptionRefused:
        return


@pytest.mark.slow
@bounded
@given(st.one_of(st.binary(max_size=300), mutated(JPEGS)))
def test_jpeg_parser(data: bytes) -> None:
    only_refusals(lambda: segments(b"\xff\xd8" + data))
    only_refusals(lambda: segments(data))
    read_own_caption(data)


@pytest.mark.slow
@bounded
@given(st.one_of(st.binary(max_size=300), mutated(BLOCKS)))
def test_tiff_blocks(block: bytes) -> None:
    tiff.texts(block)
    tiff_edit.undo_record(block)
    only_refusals(lambda: tiff_edit.strip_caption(block, DIGESTS))
    try:
        edited = tiff_edit.append_caption(block, OWN)
    except CaptionRefused:
        return
    assert tiff_edit.strip_caption(edited, DIGESTS).data == block


@pytest.mark.slow
@bounded
@given(st.one_of(st.binary(max_size=300), mutated(PACKETS)))
def test_xmp_packets(packet: bytes) -> None:
    only_refusals(lambda: xmp_packet.captions(xmp_tree.parse(packet)))
    only_refusals(lambda: xmp_packet.strip_caption(packet, DIGESTS))
    try:
        spliced = xmp_packet.splice(packet, OWN)
    except CaptionRefused:
        return
    assert xmp_packet.strip_caption(spliced, DIGESTS).data == packet


@pytest.mark.slow
@bounded
@given(st.lists(st.one_of(st.binary(max_size=200), mutated([made.iptc(b"Ann")[4:]])), max_size=3))
def test_iptc(payloads: list[bytes]) -> None:
    iptc.captions(payloads)


@bounded
@given(st.text())
def test_any_words(text: str) -> None:
    assert clean(clean(text)) == clean(text)
    if clean(text):
        only_refusals(lambda: OwnCaption.of(Caption(text, 0.5, (), None, text), before=""))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mutants")


@pytest.mark.slow
@bounded
@given(data=mutated(JPEGS))
def test_mutated_photos_are_written_safely_or_not_at_all(folder: Path, data: bytes) -> None:
    path = folder / "a.jpg"
    path.write_bytes(data)
    written = write_caption(path, made.CAPTION, stamp=stamp_of(path.stat()))
    if written.place in (CaptionPlace.EXIF, CaptionPlace.XMP):
        own = read_own_caption(path.read_bytes())
        assert own is not None
        assert own.text == made.CAPTION.text
    else:
        assert path.read_bytes() == data
    undo_caption(path)
    assert path.read_bytes() == data
    assert list(folder.iterdir()) == [path]


@pytest.mark.slow
@bounded
@given(data=st.one_of(st.binary(max_size=300).map(lambda rest: b"II*\0" + rest), mutated(TIFF_FILES)))
def test_mutated_tiffs_are_written_safely_or_not_at_all(folder: Path, data: bytes) -> None:
    path = folder / "a.tif"
    path.write_bytes(data)
    key, known = content_key(data), read_own_caption(data)
    written = write_caption(path, made.CAPTION, stamp=stamp_of(path.stat()))
    new = path.read_bytes()
    if written.place is CaptionPlace.EXIF:
        assert read_own_caption(new) is not None
        assert known is not None or content_key(new) == key
    else:
        assert new == data
    if known is None:
        undo_caption(path)
        assert path.read_bytes() == data
    path.unlink()
    path.with_name("a.tif.xmp").unlink(missing_ok=True)


@pytest.mark.slow
@bounded
@given(seed=st.integers(0, 2**32))
def test_mutants_of_captioned_tiffs_keep_everything_that_is_not_ours(folder: Path, seed: int) -> None:
    chance = random.Random(seed)
    data = bytearray(chance.choice(OWN_TIFFS))
    for _ in range(chance.randrange(1, 4)):
        data[chance.randrange(len(data))] = chance.randrange(256)
    path = folder / "b.tif"
    path.write_bytes(data)
    if not undo_caption(path).restored:
        assert path.read_bytes() == data
    path.unlink()


@pytest.mark.slow
@bounded
@given(seed=st.integers(0, 2**32))
def test_mutants_of_captioned_photos_keep_everything_that_is_not_ours(folder: Path, seed: int) -> None:
    """Another program, or a failing disk, has been in the file since: no person's words are ever lost to an undo."""
    path = folder / "a.jpg"
    path.write_bytes(made.camera_jpeg())
    write_caption(path, made.CAPTION, stamp=stamp_of(path.stat()))
    chance = random.Random(seed)
    data = bytearray(path.read_bytes())
    for _ in range(chance.randrange(1, 4)):
        data[chance.randrange(len(data))] = chance.randrange(256)
    path.write_bytes(data)
    undone = undo_caption(path)
    if undone.place is None:
        assert path.read_bytes() == data
    elif not undone.restored:
        assert "it stays in" in str(undone.reason)
    path.unlink()


@pytest.mark.slow
def test_deep_and_wide_xml_is_refused_in_time() -> None:
    wide = made.packet("<a/>" * 200_000)
    with pytest.raises(CaptionRefused):
        xmp_tree.parse(wide)
    with pytest.raises(CaptionRefused):
        xmp_tree.parse(made.packet("<a>" * 5000 + "</a>" * 5000))
    with pytest.raises(CaptionRefused, match="larger"):
        xmp_tree.parse(made.packet(" " * (5 << 20)))


def test_own_and_persons_words_never_overlap() -> None:
    texts = [xmp_packet.FieldText("f", text) for text in (OWN.text, "Ann", "")]
    own, persons = find_own(texts, [OWN.mark]), find_user_text(texts, [OWN.mark])
    assert own is not None
    assert persons is not None
    assert (own.text, persons.text) == (OWN.text, "Ann")
