"""A photo's identity stays when its metadata changes, and changes when its picture does."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from PIL import PngImagePlugin

from indexer.metadata.content_key import content_key
from tests.photos_made import cornered, encoded, exif_bytes, picture, raw_raf, with_iptc, with_segments, with_xmp

JPEG = encoded(cornered(), "JPEG", quality=90)


def test_a_key_is_32_hexadecimal_digits() -> None:
    key = content_key(JPEG)
    assert len(key) == 32
    assert int(key, 16)


def test_metadata_of_a_jpeg_does_not_change_its_key() -> None:
    described = with_xmp(with_iptc(JPEG, (120, b"our garden")), "<dc:format>image/jpeg</dc:format>")
    with_exif = with_segments(described, (0xE1, exif_bytes({0x0112: 6})), (0xFE, b"a comment"))
    assert content_key(with_exif) == content_key(JPEG)


def test_what_trails_a_jpeg_does_not_change_its_key() -> None:
    motion_photo = JPEG + b"\0\0\0\x18ftypmp42" + bytes(5000)
    assert content_key(motion_photo) == content_key(JPEG)
    assert content_key(JPEG + JPEG) == content_key(JPEG)  # as MPO has its second picture


def test_a_changed_picture_changes_the_key() -> None:
    at = len(JPEG) - 40  # in the entropy-coded data
    assert content_key(JPEG[:at] + bytes((JPEG[at] ^ 1,)) + JPEG[at + 1 :]) != content_key(JPEG)
    assert content_key(encoded(cornered(), "JPEG", quality=91)) != content_key(JPEG)


def test_a_progressive_jpeg_is_hashed_over_all_its_scans() -> None:
    progressive = encoded(cornered((200, 200)), "JPEG", progressive=True)
    assert content_key(with_segments(progressive, (0xE1, exif_bytes()))) == content_key(progressive)
    last_scan = len(progressive) - 12
    changed = progressive[:last_scan] + bytes((progressive[last_scan] ^ 1,)) + progressive[last_scan + 1 :]
    assert content_key(changed) != content_key(progressive)


def test_a_jpeg_that_breaks_off_is_known_by_all_of_its_picture_that_is_left() -> None:
    cut = JPEG[:-10]
    assert content_key(cut) != content_key(JPEG)
    assert content_key(with_segments(cut, (0xFE, b"note"))) == content_key(cut)  # captions are written into these too


def test_png_is_known_by_its_critical_chunks() -> None:
    texts = PngImagePlugin.PngInfo()
    texts.add_itxt("XML:com.adobe.xmp", "<x/>")
    plain, described = encoded(cornered(), "PNG"), encoded(cornered(), "PNG", pnginfo=texts, exif=exif_bytes())
    assert plain != described
    assert content_key(plain) == content_key(described)
    assert content_key(encoded(picture((1, 2, 3)), "PNG")) != content_key(plain)


def test_webp_is_known_by_its_pictures() -> None:
    plain = encoded(cornered(), "WEBP", quality=80)
    described = encoded(cornered(), "WEBP", quality=80, exif=exif_bytes(), xmp=b"<x/>")
    assert plain != described
    assert content_key(plain) == content_key(described)
    assert content_key(encoded(cornered(), "WEBP", lossless=True)) != content_key(plain)


def test_other_formats_are_known_by_all_their_bytes() -> None:
    for data in (encoded(cornered(), "GIF"), encoded(cornered(), "TIFF"), raw_raf(JPEG), b"", b"\xff\xd8\xff"):
        assert content_key(data) != content_key(data + b"\0")


def test_a_whole_file_never_has_the_key_of_a_part() -> None:
    """A JPEG's picture data, saved as a file of its own, is another photo: the kind goes into the hash."""
    assert content_key(b"") != content_key(JPEG)
    assert len({content_key(data) for data in (JPEG, JPEG[2:], encoded(cornered(), "PNG"))}) == 3


@given(st.binary(max_size=400), st.sampled_from([b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WEBP"]))
def test_any_bytes_have_a_key(rest: bytes, start: bytes) -> None:
    assert len(content_key(start + rest)) == 32


@given(st.integers(0, len(JPEG) - 1), st.integers(1, 255), st.integers(0, len(JPEG)))
def test_damage_never_raises(at: int, flipped: int, cut: int) -> None:
    damaged = bytearray(JPEG)
    damaged[at] ^= flipped
    assert len(content_key(bytes(damaged[:cut]))) == 32
