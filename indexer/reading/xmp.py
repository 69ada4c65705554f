"""What an XMP packet or sidecar says of a photo (ISO 16684-1), read with defusedxml.

Entities and DTDs are refused, the size is bounded, and a packet that is no XML counts as none at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from indexer.captions.own_caption import FieldText

MOST_BYTES = 4_000_000

_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_DC = "{http://purl.org/dc/elements/1.1/}"
_XMP = "{http://ns.adobe.com/xap/1.0/}"
_PHOTOSHOP = "{http://ns.adobe.com/photoshop/1.0/}"
_EXIF = "{http://ns.adobe.com/exif/1.0/}"
_AUX = "{http://ns.adobe.com/exif/1.0/aux/}"
_EXIF_EX = "{http://cipa.jp/exif/1.0/}"
_LIGHTROOM = "{http://ns.adobe.com/lightroom/1.0/}"
_DIGIKAM = "{http://www.digikam.org/ns/1.0/}"
_IPTC_EXT = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}"
_MWG_REGIONS = "{http://www.metadataworkinggroup.com/schemas/regions/}"
_MS_PHOTO = "{http://ns.microsoft.com/photo/1.0/}"
_MS_REGION = "{http://ns.microsoft.com/photo/1.2/t/Region#}"
_ACDSEE = "{http://ns.acdsee.com/iptc/1.0/}"
_OWN = "{urn:uuid:0a7c34f5-6a1d-4f0e-9c55-7d2f1b8e4c21#}"
_CAPTIONS = {
    _DC + "description": "dc:description",
    "{http://ns.adobe.com/tiff/1.0/}ImageDescription": "tiff:ImageDescription",
    _EXIF + "UserComment": "exif:UserComment",
}
#: How a packet in another encoding than UTF-8 begins: with a byte order mark, or with "<". The wider come first.
_WIDE = {
    b"\0\0\xfe\xff": "utf-32-be",
    b"\0\0\0<": "utf-32-be",
    b"\xff\xfe\0\0": "utf-32-le",
    b"<\0\0\0": "utf-32-le",
    b"\xfe\xff": "utf-16-be",
    b"\0<": "utf-16-be",
    b"\xff\xfe": "utf-16-le",
    b"<\0": "utf-16-le",
}
_LANG = "{http://www.w3.org/XML/1998/namespace}lang"

#: The first level of a tag tree below which stand names (digiKam, Lightroom and others).
_PEOPLE_BRANCH = frozenset({"people", "persons"})


@dataclass(frozen=True, slots=True)
class Xmp:
    """Raw texts, not yet cleaned; in lists the order of the file."""

    descriptions: tuple[FieldText, ...] = ()  # dc:description in every language, and the EXIF captions' mirrors
    own: Mapping[str, str] = field(default_factory=dict)  # the properties of recollect's own namespace
    title: str | None = None
    keywords: tuple[str, ...] = ()
    people: tuple[str, ...] = ()
    rating: str | None = None
    rating_percent: str | None = None  # MicrosoftPhoto:Rating
    dates: tuple[str, ...] = ()  # of taking, the most trustworthy first
    digitised: tuple[str, ...] = ()  # of digitising, or of the file
    sidecar_for: str | None = None  # photoshop:SidecarForExtension: "CR2"
    latitude: str | None = None  # exif:GPSLatitude: "47,21.251041N"
    longitude: str | None = None
    lens: str | None = None


def read_xmp(packet: bytes | None) -> Xmp | None:
    """The packet's fields; None where it is too large, no XML, or hides entities. Never raises."""
    root = parse_xmp(packet) if packet else None
    if root is None:
        return None
    found = _Properties(root)
    tags = (*found.texts(_LIGHTROOM + "hierarchicalSubject"), *found.texts(_DIGIKAM + "TagsList"))
    named, worded = _split_tag_trees(tags)
    return Xmp(
        descriptions=tuple(
            FieldText(known_as, words.strip()) for name, known_as in _CAPTIONS.items() for words in found.texts(name)
        ),
        own=found.of_namespace(_OWN),
        title=found.text(_DC + "title"),
        keywords=(*found.texts(_DC + "subject"), *worded),
        people=(*_region_names(root), *found.texts(_IPTC_EXT + "PersonInImage"), *named),
        rating=found.text(_XMP + "Rating"),
        rating_percent=found.text(_MS_PHOTO + "Rating"),
        dates=tuple(found.first_texts(_EXIF + "DateTimeOriginal", _PHOTOSHOP + "DateCreated", _ACDSEE + "datetime")),
        digitised=tuple(found.first_texts(_EXIF + "DateTimeDigitized", _XMP + "CreateDate")),
        sidecar_for=found.text(_PHOTOSHOP + "SidecarForExtension"),
        latitude=found.text(_EXIF + "GPSLatitude"),
        longitude=found.text(_EXIF + "GPSLongitude"),
        lens=next(found.first_texts(_EXIF_EX + "LensModel", _AUX + "Lens"), None),
    )


def parse_xmp(packet: bytes) -> Element | None:
    """The packet's root element; None where it can't be trusted or is no XML."""
    if len(packet) > MOST_BYTES:
        return None
    try:
        root: Element = fromstring(_decoded(packet), forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError, RecursionError):
        return None
    return root


def _decoded(packet: bytes) -> bytes | str:
    """The packet's XML: text where it is UTF-16 or 32 (XMP specification part 1, 7.1), told by its first character."""
    encoding = next((name for begin, name in _WIDE.items() if packet.startswith(begin)), None)
    if encoding is None:
        return packet.strip(b"\0 \t\r\n")
    return packet.decode(encoding, "replace").strip("\ufeff\ufffd\0 \t\r\n")


class _Properties:
    """The properties of every top-level rdf:Description, whether written as attributes or as elements."""

    def __init__(self, root: Element) -> None:
        rdf = root if root.tag == _RDF + "RDF" else next(root.iter(_RDF + "RDF"), None)
        self._descriptions = [] if rdf is None else rdf.findall(_RDF + "Description")

    def texts(self, name: str) -> tuple[str, ...]:
        """All values of a property; of a language alternative the default comes first."""
        found: list[str] = []
        for description in self._descriptions:
            if name in description.attrib:
                found.append(description.attrib[name])
            for element in description.findall(name):
                found.extend(_values(element))
        return tuple(text for text in found if text.strip())

    def text(self, name: str) -> str | None:
        """The first value of a property."""
        return next(iter(self.texts(name)), None)

    def of_namespace(self, namespace: str) -> dict[str, str]:
        """Every simple property of a namespace, by its local name."""
        found: dict[str, str] = {}
        for description in self._descriptions:
            pairs = [*description.attrib.items(), *((element.tag, element.text or "") for element in description)]
            found |= {name[len(namespace) :]: value.strip() for name, value in pairs if name.startswith(namespace)}
        return found

    def first_texts(self, *names: str) -> Iterator[str]:
        """The first value of each of these properties that there is."""
        return (text for name in names if (text := self.text(name)) is not None)


def _values(element: Element) -> list[str]:
    items = [item for kind in ("Alt", "Seq", "Bag") for item in element.findall(f"{_RDF}{kind}/{_RDF}li")]
    if not items:
        return [element.text or ""]
    items.sort(key=lambda item: item.get(_LANG, "x-default") != "x-default")
    return [item.text or "" for item in items]


def _region_names(root: Element) -> Iterator[str]:
    """Names of faces: MWG regions (guidelines 2.0) that are faces or say nothing, and Microsoft's."""
    for element in root.iter():
        kind = _either(element, _MWG_REGIONS + "Type")
        if kind is None or kind.strip().casefold() == "face":
            yield from filter(None, [_either(element, _MWG_REGIONS + "Name")])
        yield from filter(None, [_either(element, _MS_REGION + "PersonDisplayName")])


def _either(element: Element, name: str) -> str | None:
    return element.get(name) or element.findtext(name)


def _split_tag_trees(tags: Iterable[str]) -> tuple[list[str], list[str]]:
    """Tags like `People/Anna` or `Places|Berlin`: the names, and the words of every other level."""
    names: list[str] = []
    words: list[str] = []
    for tag in tags:
        levels = [level for part in tag.split("|") for level in part.split("/")]
        if len(levels) > 1 and levels[0].strip().casefold() in _PEOPLE_BRANCH:
            names.append(levels[-1])
        else:
            words.extend(levels)
    return names, words
