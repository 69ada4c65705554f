"""Every format comes out upright, in sRGB and scaled; what can't be shown says why."""

from __future__ import annotations

from contextlib import suppress
from io import BytesIO
from pathlib import Path

import piexif
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from indexer.errors import UnreadablePhoto
from indexer.formats import EXTENSIONS
from indexer.images.colour import adobe_rgb_profile, is_srgb, to_srgb
from indexer.images.decode import decode, open_image
from indexer.metadata.read_metadata import read_metadata
from tests.photos_made import (
    CORNERS,
    cornered,
    detailed,
    encoded,
    exif_bytes,
    raw_cr3,
    raw_raf,
    raw_tiff,
    stored_for,
    with_segments,
)


def shown(data: bytes, *, suffix: str = "", fit_px: int = 1280) -> Image.Image:
    """The picture as the indexer shows it: its orientation read as the worker reads it."""
    picture = open_image(data, suffix=suffix, max_pixels_mp=50)
    metadata = read_metadata(data, Path("a" + suffix), opened=picture)
    image = decode(picture, fit_px, metadata.orientation)
    assert image.mode == "RGB"
    assert not image.info
    assert (image.width < image.height) == (metadata.width_px < metadata.height_px)
    return image


def assert_upright(image: Image.Image, *, tolerance: int = 60) -> None:
    """Each corner has the colour that it was made with."""
    assert image.width > image.height
    right, bottom = image.width - 4, image.height - 4
    places = ((3, 3), (right, 3), (3, bottom), (right, bottom))
    for (name, colour), place in zip(CORNERS.items(), places, strict=True):
        assert close(image, place, colour, tolerance), f"{name}: {image.getpixel(place)}, made as {colour}"


def close(image: Image.Image, place: tuple[int, int], colour: tuple[int, ...], tolerance: int) -> bool:
    pixel = image.getpixel(place)
    assert isinstance(pixel, tuple)
    return all(abs(a - b) <= tolerance for a, b in zip(pixel, colour, strict=True))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    ("kind", "suffix"),
    [("JPEG", ".jpg"), ("PNG", ".png"), ("WEBP", ".webp"), ("TIFF", ".tif"), ("HEIF", ".heic"), ("AVIF", ".avif")],
)
def test_every_orientation_is_shown_upright(kind: str, suffix: str, orientation: int) -> None:
    # HEIF and AVIF encoders keep the orientation in the container (irot, imir) as phones do.
    stored = stored_for(cornered(), orientation)
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert_upright(shown(encoded(stored, kind, exif=exif.tobytes()), suffix=suffix))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "HEIF", "AVIF", "GIF", "TIFF", "BMP", "MPO"])
def test_every_format_is_shown(kind: str) -> None:
    assert_upright(shown(encoded(cornered(), kind)))


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "MPO", "TIFF"])
def test_of_several_frames_the_first_is_shown(kind: str) -> None:
    others = [Image.new("RGB", (96, 64), (0, 0, 0))] * 2
    assert_upright(shown(encoded(cornered(), kind, save_all=True, append_images=others)))


def test_the_content_decides_not_the_name() -> None:
    assert_upright(shown(encoded(cornered(), "PNG"), suffix=".jpg"))
    assert open_image(encoded(cornered(), "WEBP"), suffix=".heic", max_pixels_mp=1).mime_type == "image/webp"


@pytest.mark.slow
def test_large_photos_are_scaled_and_small_ones_left() -> None:
    assert shown(encoded(detailed((3000, 2000)), "JPEG")).size == (1280, 853)
    assert shown(encoded(detailed((2000, 3000)), "PNG"), fit_px=320).size == (213, 320)
    assert shown(encoded(cornered(), "JPEG")).size == (96, 64)
    assert shown(encoded(Image.new("RGB", (5000, 1)), "PNG")).size == (1280, 1)


@pytest.mark.parametrize("suffix", [".dng", ".nef"])
def test_a_raw_file_shows_its_preview_turned_by_its_own_orientation(suffix: str) -> None:
    preview = encoded(stored_for(cornered((960, 640)), 6), "JPEG", quality=95)
    raw = raw_tiff(preview, size=(4000, 6000), orientation=6)
    assert_upright(shown(raw, suffix=suffix))
    picture = open_image(raw, suffix=suffix, max_pixels_mp=50)
    assert picture.size(6) == (6000, 4000)  # the sensor's, upright
    assert picture.mime_type in ("image/x-adobe-dng", "image/x-nikon-nef")


def test_raf_and_cr3_show_their_previews() -> None:
    preview = encoded(cornered((960, 640)), "JPEG", quality=95)
    assert_upright(shown(raw_raf(preview), suffix=".raf"))
    turned = encoded(stored_for(cornered((960, 640)), 8), "JPEG", quality=95)
    assert_upright(shown(raw_cr3(turned, exif_bytes({0x0112: 8})[6:]), suffix=".cr3"))


def test_a_raw_file_without_a_preview_says_so() -> None:
    with pytest.raises(UnreadablePhoto, match="holds no preview"):
        open_image(raw_tiff(b"not a jpeg", size=(6000, 4000)), max_pixels_mp=50)


def test_every_extension_is_in_lower_case_with_its_dot() -> None:
    assert all(name == name.lower() and name.startswith(".") for name in EXTENSIONS)
    assert {".jpg", ".heic", ".avif", ".cr3"} <= EXTENSIONS
    assert not {".mp4", ".mov", ".avi", ".xmp"} & EXTENSIONS


# Colours


def test_wide_gamut_profiles_become_srgb() -> None:
    """A colour that Adobe RGB names with smaller numbers than sRGB must come out stronger."""
    data = encoded(Image.new("RGB", (64, 48), (60, 180, 60)), "JPEG", quality=95, icc_profile=adobe_rgb_profile())
    red, green, blue = shown(data).getpixel((30, 20))  # type: ignore[misc]
    assert red < 30
    assert green > 175
    assert abs(blue - 50) < 20


def test_adobe_rgb_said_by_exif_alone_is_believed() -> None:
    plain = encoded(Image.new("RGB", (64, 48), (60, 180, 60)), "JPEG", quality=95)
    marked = with_segments(plain, (0xE1, piexif.dump({"0th": {}, "Exif": {}, "Interop": {1: b"R03"}})))
    assert shown(marked).getpixel((30, 20))[0] < 30  # type: ignore[index]
    assert abs(shown(plain).getpixel((30, 20))[0] - 60) < 5  # type: ignore[index]


def test_our_adobe_rgb_profile_is_one() -> None:
    profile = ImageCms.ImageCmsProfile(BytesIO(adobe_rgb_profile()))
    assert "A-RGB" in ImageCms.getProfileDescription(profile)
    assert not is_srgb(adobe_rgb_profile())
    assert is_srgb(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())


@pytest.mark.parametrize("profile", [b"", b"junk", b"\0" * 200, adobe_rgb_profile()[:300]])
def test_a_broken_profile_does_not_cost_the_photo(profile: bytes) -> None:
    image = Image.new("RGB", (8, 8), (10, 200, 30))
    assert to_srgb(image, profile).size == (8, 8)


@pytest.mark.parametrize(
    ("mode", "kind", "colour", "expected"),
    [
        ("CMYK", "JPEG", (0, 255, 255, 0), (255, 0, 0)),
        ("CMYK", "TIFF", (0, 255, 255, 0), (255, 0, 0)),
        ("L", "JPEG", 90, (90, 90, 90)),
        ("I;16", "PNG", 32768, (127, 127, 127)),
        ("I;16", "TIFF", 65535, (255, 255, 255)),
        ("1", "TIFF", 1, (255, 255, 255)),
        ("P", "GIF", 0, (0, 0, 0)),
        ("LA", "PNG", (0, 0), (255, 255, 255)),
        ("RGBA", "PNG", (255, 0, 0, 0), (255, 255, 255)),
        ("RGBA", "WEBP", (0, 0, 255, 255), (0, 0, 255)),
    ],
)
def test_every_mode_becomes_rgb(mode: str, kind: str, colour: object, expected: tuple[int, ...]) -> None:
    data = encoded(Image.new(mode, (40, 30), colour), kind)  # type: ignore[arg-type]
    assert close(shown(data), (20, 15), expected, 12)


def test_transparency_is_laid_onto_white() -> None:
    palette = Image.new("P", (40, 30), 3)
    palette.putpalette([0, 0, 0] * 256)
    assert close(shown(encoded(palette, "PNG", transparency=3)), (20, 15), (255, 255, 255), 2)


# What can't be shown


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"hello, this is a text file", "not a photo"),
        (b"%PDF-1.7 and so on", "not a photo"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "damaged"),
        (b"\xff\xd8\xff\xe0" + bytes(100), "damaged"),
        (b"GIF89a", "damaged"),
        (b"II*\0" + bytes(20), "damaged"),
        (b"\0\0\0\x18ftypheic" + bytes(60), "damaged"),
        (b"\0\0\0\x18ftypavif" + bytes(60), "damaged"),
        (b"\0\0\0\x18ftypmp42" + bytes(60), "not a photo"),
    ],
)
def test_what_is_no_photo_says_why(data: bytes, reason: str) -> None:
    with pytest.raises(UnreadablePhoto, match=reason):
        shown(data)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["PNG", "GIF", "BMP", "WEBP", "JPEG"])
def test_a_decompression_bomb_is_refused_before_it_is_decoded(kind: str) -> None:
    bomb = encoded(Image.new("L", (9000, 9000)), kind)
    with pytest.raises(UnreadablePhoto, match="9000 x 9000 is 81 megapixels, the limit is 50"):
        open_image(bomb, max_pixels_mp=50)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "HEIF", "AVIF", "TIFF"])
def test_other_formats_that_break_off_are_unreadable(kind: str) -> None:
    data = encoded(detailed((300, 200)), kind)
    with pytest.raises(UnreadablePhoto, match="damaged"):
        shown(data[: len(data) // 2])


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_that_breaks_off_late_is_shown_and_says_so(progressive: bool) -> None:
    data = encoded(detailed((900, 600)), "JPEG", quality=90, progressive=progressive)
    picture = open_image(data[: len(data) * 9 // 10], max_pixels_mp=50)
    image = decode(picture, 1280, 1)
    assert image.size == (900, 600)
    assert picture.damage is not None
    assert "% of the picture can be read" in picture.damage


def test_a_jpeg_that_breaks_off_early_is_set_aside() -> None:
    data = encoded(detailed((900, 600)), "JPEG", quality=90)
    with pytest.raises(UnreadablePhoto, match=r"only \d\d?% of the picture can be read"):
        shown(data[: len(data) // 4])


def test_a_whole_jpeg_has_no_damage() -> None:
    picture = open_image(encoded(detailed((900, 600)), "JPEG") + b"trailing junk", max_pixels_mp=50)
    decode(picture, 1280, 1)
    assert picture.damage is None


SMALL = {
    kind: encoded(detailed((48, 32)), kind) for kind in ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "HEIF")
}
SMALL["RAW"] = raw_tiff(SMALL["JPEG"], size=(6000, 4000))


@pytest.mark.slow
@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(sorted(SMALL)),
    st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), max_size=8),
    st.floats(0.3, 1.0),
)
def test_mutated_files_are_shown_or_unreadable(kind: str, changes: list[tuple[float, int]], kept: float) -> None:
    data = bytearray(SMALL[kind])
    for place, value in changes:
        data[12 + int(place * (len(data) - 12))] = value
    with suppress(UnreadablePhoto):
        assert max(shown(bytes(data[: int(len(data) * kept)]), fit_px=64).size) <= 64
