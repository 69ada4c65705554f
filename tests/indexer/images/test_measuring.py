"""What a picture measures: light, colour, and that walls and roads are not its colour."""

from __future__ import annotations

import pytest
from PIL import Image, ImageDraw, ImageOps

from indexer.images.measures import MEASURES_VERSION, Colour, PictureMeasures
from indexer.images.measuring import measure
from tests.photos_made import Colour as Rgb
from tests.photos_made import detailed

GRAY = (128, 128, 128)


def thing(colour: Rgb, behind: Rgb = GRAY) -> Image.Image:
    """Something of a colour in the middle of a wall; a seventh of the picture."""
    image = Image.new("RGB", (320, 240), behind)
    ImageDraw.Draw(image).rectangle((100, 75, 220, 165), fill=colour)
    return image


@pytest.mark.parametrize(
    ("colour", "pixel"),
    [
        (Colour.RED, (200, 20, 30)),
        (Colour.RED, (120, 15, 20)),
        (Colour.ORANGE, (240, 130, 20)),
        (Colour.YELLOW, (245, 215, 30)),
        (Colour.GREEN, (30, 130, 50)),
        (Colour.GREEN, (120, 200, 90)),
        (Colour.BLUE, (30, 60, 180)),
        (Colour.BLUE, (90, 150, 220)),
        (Colour.PURPLE, (120, 40, 150)),
        (Colour.PINK, (250, 150, 180)),
        (Colour.PINK, (230, 60, 140)),
        (Colour.BROWN, (100, 60, 30)),
        (Colour.BLACK, (8, 8, 10)),
        (Colour.WHITE, (252, 252, 252)),
    ],
)
def test_the_colour_of_a_thing_is_the_most_prominent_one(colour: Colour, pixel: Rgb) -> None:
    prominence = measure(thing(pixel)).colours
    assert max(Colour, key=lambda one: prominence[one] if one is not Colour.GRAY else 0) is colour
    assert prominence[colour] > 0.08


@pytest.mark.parametrize("wall", [(250, 250, 250), GRAY, (5, 5, 5)])
def test_a_wall_or_a_night_is_no_colour(wall: Rgb) -> None:
    prominence = measure(thing((200, 20, 30), behind=wall)).colours
    assert prominence[Colour.RED] > 0.2
    assert max(share for colour, share in zip(Colour, prominence, strict=True) if colour is not Colour.RED) < 0.06


def test_skin_is_no_colour() -> None:
    assert max(measure(thing((224, 172, 145))).colours[3:]) < 0.01


def test_light() -> None:
    night, snow, day = (measure(Image.new("RGB", (64, 48), pixel)) for pixel in ((20, 22, 30), (240, 242, 245), GRAY))
    assert night.lightness < 0.25 < day.lightness < 0.7 < snow.lightness


def test_black_and_white_has_no_tint_and_toned_pictures_one() -> None:
    colourful = detailed((320, 240))
    gray = measure(colourful.convert("L"))
    toned = measure(ImageOps.colorize(colourful.convert("L"), (20, 18, 15), (235, 230, 215)))
    assert measure(colourful).tint_spread > 0.03
    assert (gray.tint < 0.001, gray.tint_spread < 0.001) == (True, True)
    assert 0 < toned.tint < 0.05
    assert toned.tint_spread < 0.02


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "1", "CMYK"])
@pytest.mark.parametrize("size", [(1, 1), (3, 2000), (320, 240)])
def test_every_picture_has_measures_that_are_stored_as_a_few_bytes(mode: str, size: tuple[int, int]) -> None:
    measures = measure(detailed(size).convert(mode))
    stored = measures.to_bytes()
    assert len(stored) <= 20
    read = PictureMeasures.from_bytes(stored)
    assert read is not None
    assert read.lightness == pytest.approx(measures.lightness, abs=0.003)
    assert read.tint == pytest.approx(measures.tint, abs=0.001)
    assert read.colours == pytest.approx(measures.colours, abs=0.003)


@pytest.mark.parametrize("stored", [None, b"", bytes(15), bytes((MEASURES_VERSION,)), bytes((99, *range(14)))])
def test_what_was_not_measured_or_otherwise_says_nothing(stored: bytes | None) -> None:
    assert PictureMeasures.from_bytes(stored) is None
