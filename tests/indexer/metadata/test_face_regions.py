"""Face regions of other programs: read with their places, and turned as the picture is."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from indexer.face_box import FaceBox, FaceRegion
from indexer.formats.xmp import read_xmp
from indexer.formats.xmp_regions import MOST_REGIONS, XmpRegion
from indexer.metadata.face_regions import turn, upright_regions
from indexer.metadata.read_metadata import read_metadata
from tests.photos_made import encoded

_SPACES = (
    'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" '
    'xmlns:mwg-rs="http://www.metadataworkinggroup.com/schemas/regions/" '
    'xmlns:stArea="http://ns.adobe.com/xmp/sType/Area#" xmlns:stDim="http://ns.adobe.com/xap/1.0/sType/Dimensions#" '
    'xmlns:MP="http://ns.microsoft.com/photo/1.2/" xmlns:MPRI="http://ns.microsoft.com/photo/1.2/t/RegionInfo#" '
    'xmlns:MPReg="http://ns.microsoft.com/photo/1.2/t/Region#"'
)
#: A face in the upper left quarter of a picture of 80 x 60.
ANNA = FaceBox(0.1, 0.2, 0.2, 0.1)


def packet(regions: str) -> bytes:
    return f'<rdf:RDF {_SPACES}><rdf:Description rdf:about="">{regions}</rdf:Description></rdf:RDF>'.encode()


def mwg(area: str, *, name: str = "Anna", kind: str = "Face", size: str = 'stDim:w="80" stDim:h="60"') -> bytes:
    return packet(
        f'<mwg-rs:Regions rdf:parseType="Resource"><mwg-rs:AppliedToDimensions {size} stDim:unit="pixel"/>'
        '<mwg-rs:RegionList><rdf:Bag><rdf:li rdf:parseType="Resource">'
        f"<mwg-rs:Name>{name}</mwg-rs:Name><mwg-rs:Type>{kind}</mwg-rs:Type>{area}</rdf:li></rdf:Bag>"
        "</mwg-rs:RegionList></mwg-rs:Regions>"
    )


def read(xmp: bytes) -> list[tuple[str, FaceBox]]:
    found = read_xmp(xmp)
    assert found is not None
    return [(one.name, FaceBox(one.left, one.top, one.width, one.height)) for one in found.regions]


@pytest.mark.parametrize(
    "area",
    [
        '<mwg-rs:Area stArea:x="0.2" stArea:y="0.25" stArea:w="0.2" stArea:h="0.1" stArea:unit="normalized"/>',
        (
            '<mwg-rs:Area rdf:parseType="Resource"><stArea:x>0.2</stArea:x><stArea:y>.25</stArea:y>'
            "<stArea:w>0.2</stArea:w><stArea:h>0.1</stArea:h></mwg-rs:Area>"
        ),
        '<mwg-rs:Area><rdf:Description stArea:x="0.2" stArea:y="0.25" stArea:w="0.2" stArea:h="0.1"/></mwg-rs:Area>',
        '<mwg-rs:Area stArea:x="16" stArea:y="15" stArea:w="16" stArea:h="6" stArea:unit="pixel"/>',
    ],
)
def test_the_forms_of_an_area(area: str) -> None:
    [(name, box)] = read(mwg(area))
    assert name == "Anna"
    assert (box.left, box.top, box.width, box.height) == pytest.approx((0.1, 0.2, 0.2, 0.1))


def test_a_circle_is_as_wide_as_its_diameter() -> None:
    [(_, box)] = read(mwg('<mwg-rs:Area stArea:x="0.5" stArea:y="0.5" stArea:d="0.2"/>'))
    assert (box.left, box.top, box.width, box.height) == pytest.approx((0.4, 0.4, 0.2, 0.2))


def test_microsoft_s_regions() -> None:
    region = 'MPReg:PersonDisplayName="Cleo" MPReg:Rectangle="0.1, 0.2, 0.2, 0.1"'
    xmp = packet(
        f'<MP:RegionInfo rdf:parseType="Resource"><MPRI:Regions><rdf:Bag><rdf:li {region}/></rdf:Bag></MPRI:Regions>'
        "</MP:RegionInfo>"
    )
    [(name, box)] = read(xmp)
    assert name == "Cleo"
    assert box.overlap(ANNA) == pytest.approx(1)


@pytest.mark.parametrize(
    ("area", "more"),
    [
        ('<mwg-rs:Area stArea:x="nan" stArea:y="0.2" stArea:w="0.2" stArea:h="0.2"/>', {}),
        ('<mwg-rs:Area stArea:x="0.2" stArea:y="0.2" stArea:w="-0.2" stArea:h="0.2"/>', {}),
        ('<mwg-rs:Area stArea:x="7" stArea:y="0.2" stArea:w="0.2" stArea:h="0.2"/>', {}),
        ('<mwg-rs:Area stArea:x="0.2" stArea:y="0.2"/>', {}),
        ('<mwg-rs:Area stArea:x="x" stArea:y="0.2" stArea:w="1e999" stArea:h="0.2"/>', {}),
        ('<mwg-rs:Area stArea:x="1" stArea:y="1" stArea:w="1" stArea:h="1" stArea:unit="pixel"/>', {"size": ""}),
        ('<mwg-rs:Area stArea:x="0.2" stArea:y="0.2" stArea:w="0.2" stArea:h="0.2"/>', {"kind": "Pet"}),
        ('<mwg-rs:Area stArea:x="0.2" stArea:y="0.2" stArea:w="0.2" stArea:h="0.2"/>', {"name": ""}),
        ("", {}),
    ],
)
def test_what_is_no_place_of_a_named_face_is_left_out(area: str, more: dict[str, str]) -> None:
    assert read(mwg(area, **more)) == []


def test_a_packet_of_many_regions_costs_little() -> None:
    one = '<rdf:li MPReg:PersonDisplayName="P{}" MPReg:Rectangle="0.1,0.2,0.2,0.1"/>'
    assert len(read(packet("".join(map(one.format, range(500)))))) == MOST_REGIONS


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_region_is_turned_as_the_picture_is(orientation: int) -> None:
    """Against Pillow: the corner that is dark as stored is dark where the region says, once the picture is upright."""
    stored = Image.new("L", (80, 60), 255)
    stored.paste(0, (8, 12, 24, 18))
    exif = Image.Exif()
    exif[0x0112] = orientation
    turns = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}
    upright = stored.transpose(Image.Transpose(turns[orientation])) if orientation > 1 else stored
    box = turn(ANNA, orientation)
    width, height = upright.size
    dark = upright.point(lambda value: 255 - value).getbbox()
    assert dark is not None
    shown = (box.left * width, box.top * height, (box.left + box.width) * width, (box.top + box.height) * height)
    assert shown == pytest.approx(dark)


@pytest.mark.parametrize(("applied_to", "is_turned"), [((80.0, 60.0), True), ((60.0, 80.0), False), (None, True)])
def test_the_size_that_a_region_is_relative_to_tells_whether_it_is_upright(
    applied_to: tuple[float, float] | None, is_turned: bool
) -> None:
    region = XmpRegion("Anna", *(ANNA.left, ANNA.top, ANNA.width, ANNA.height), applied_to)
    [found] = upright_regions([region], orientation=6, size=(60, 80))
    assert found == FaceRegion("Anna", turn(ANNA, 6) if is_turned else ANNA)


def test_a_sidecar_s_regions_are_those_of_the_photo() -> None:
    photo = encoded(Image.new("RGB", (80, 60)), "JPEG")
    area = '<mwg-rs:Area stArea:x="0.2" stArea:y="0.25" stArea:w="0.2" stArea:h="0.1"/>'
    metadata = read_metadata(photo, Path("a.jpg"), [mwg(area, name="An\u0000na"), mwg(area)])
    [region] = metadata.regions
    assert region.name == "Anna"
    assert region.box.overlap(ANNA) == pytest.approx(1)
    assert metadata.people == ("Anna",)
