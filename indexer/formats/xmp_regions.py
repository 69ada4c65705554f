"""The faces that an XMP packet names and says the place of.

They are MWG regions (Metadata Working Group, Guidelines for Handling Image Metadata 2.0, "Image Regions") and
Microsoft's (Photo Region Tagging Schema). Both give fractions of the picture as it is stored, before any orientation is
applied; MWG also says of what size.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree.ElementTree import Element

_MWG = "{http://www.metadataworkinggroup.com/schemas/regions/}"
_AREA = "{http://ns.adobe.com/xmp/sType/Area#}"
_DIMENSIONS = "{http://ns.adobe.com/xap/1.0/sType/Dimensions#}"
_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_PERSONS = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}PersonInImage"
#: The namespace of the names that we write, see `xmp_people`.
NAMES = "urn:uuid:5d0f3a52-9b1c-4d0e-8f57-2c6a7e9b1d43#"
_MICROSOFT = "{http://ns.microsoft.com/photo/1.2/t/Region#}"

#: So many are read of one packet.
MOST_REGIONS = 64


@dataclass(frozen=True, slots=True)
class XmpRegion:
    """A named face, in fractions of the picture of `applied_to` (width, height), where the packet says that."""

    name: str
    left: float
    top: float
    width: float
    height: float
    applied_to: tuple[float, float] | None = None


def face_regions(root: Element) -> tuple[XmpRegion, ...]:
    """The named faces with a place, those of both schemas, each once."""
    found = dict.fromkeys([*_mwg_regions(root), *_microsoft_regions(root)])
    return tuple(found)[:MOST_REGIONS]


def remove_own_names(root: Element) -> None:
    """Takes the names out of a parsed packet in which no others stand than ours (see `xmp_people.read_names`)."""
    for description in root.iter(f"{_RDF}Description"):
        for child in list(description):
            if child.tag in {f"{_MWG}Regions", _PERSONS}:
                description.remove(child)


def region_names(root: Element, wanted: str) -> Iterator[str]:
    """Names of MWG regions of this type; of faces also those of regions that name no type, and Microsoft's."""
    for element in root.iter():
        if region_kind(element) == wanted:
            yield from filter(None, [_either(element, _MWG + "Name")])
        if wanted == "face":
            yield from filter(None, [_either(element, _MICROSOFT + "PersonDisplayName")])


def region_kind(element: Element) -> str:
    """What an MWG region is of; a face where it does not say."""
    return (_either(element, _MWG + "Type") or "face").strip().casefold()


def _mwg_regions(root: Element) -> Iterator[XmpRegion]:
    size = _applied_to(root)
    for element in root.iter():
        name, area = _either(element, _MWG + "Name"), element.find(_MWG + "Area")
        if not name or area is None or region_kind(element) != "face":
            continue
        x, y = _number(area, _AREA + "x"), _number(area, _AREA + "y")
        diameter = _number(area, _AREA + "d")
        width = diameter if (given := _number(area, _AREA + "w")) is None else given
        height = diameter if (given := _number(area, _AREA + "h")) is None else given
        if x is None or y is None or width is None or height is None:
            continue
        if _text(area, _AREA + "unit") == "pixel":
            if size is None:
                continue
            x, y, width, height = x / size[0], y / size[1], width / size[0], height / size[1]
        yield from _checked(name, x - width / 2, y - height / 2, width, height, size)  # x and y are the middle's


def _microsoft_regions(root: Element) -> Iterator[XmpRegion]:
    for element in root.iter():
        name, rectangle = (_either(element, _MICROSOFT + one) for one in ("PersonDisplayName", "Rectangle"))
        numbers = [_finite(part) for part in (rectangle or "").split(",")]
        known = [number for number in numbers if number is not None]
        if name and len(known) == len(numbers) == 4:
            yield from _checked(name, known[0], known[1], known[2], known[3], None)


def _checked(
    name: str, left: float, top: float, width: float, height: float, size: tuple[float, float] | None
) -> Iterator[XmpRegion]:
    """Nothing where the numbers are no part of a picture."""
    right, bottom = min(1.0, left + width), min(1.0, top + height)
    left, top = max(0.0, left), max(0.0, top)
    if width > 0 and height > 0 and right > left and bottom > top:
        yield XmpRegion(name, left, top, right - left, bottom - top, size)


def _applied_to(root: Element) -> tuple[float, float] | None:
    element = next(root.iter(_MWG + "AppliedToDimensions"), None)
    if element is None:
        return None
    width, height = _number(element, _DIMENSIONS + "w"), _number(element, _DIMENSIONS + "h")
    return (width, height) if width and height and width > 0 and height > 0 else None


def _text(element: Element, name: str) -> str | None:
    """A field of a structure, whichever of its three forms in RDF/XML it has."""
    return next((text.strip() for inner in element.iter() if (text := _either(inner, name))), None)


def _number(element: Element, name: str) -> float | None:
    return _finite(_text(element, name))


def _finite(text: str | None) -> float | None:
    try:
        number = float(text) if text is not None else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _either(element: Element, name: str) -> str | None:
    return element.get(name) or element.findtext(name)
