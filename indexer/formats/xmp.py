"""What an XMP packet or sidecar says of a photo (ISO 16684-1), read with defusedxml.

Entities and DTDs are refused, the size is bounded, and a packet that is no XML counts as none at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from indexer.formats.charsets import decode_narrow
from indexer.formats.xmp_packet import CAPTION_FIELDS
from indexer.formats.xmp_people import read_names
from indexer.formats.xmp_regions import XmpRegion, face_regions, region_names, remove_own_names
from indexer.formats.xmp_tree import OWN, packet_end
from indexer.ownership.mark import FieldText, parts_of_mark, text_in_mark

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
_IPTC_CORE = "{http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/}"
_MS_PHOTO = "{http://ns.microsoft.com/photo/1.0/}"
_ACDSEE = "{http://ns.acdsee.com/iptc/1.0/}"
_OWN = f"{{{OWN}}}"
_CATALOG_SETS = "{http://ns.iview-multimedia.com/mediapro/1.0/}CatalogSets"
_XMP_RIGHTS = "{http://ns.adobe.com/xap/1.0/rights/}"
_TIFF = "{http://ns.adobe.com/tiff/1.0/}"
_SUBJECTS = (
    _IPTC_EXT + "Event",
    _PHOTOSHOP + "Category",
    _PHOTOSHOP + "SupplementalCategories",
    _IPTC_CORE + "SubjectCode",
)
_LOCATIONS = (_IPTC_CORE + "Location", _PHOTOSHOP + "City", _PHOTOSHOP + "State", _PHOTOSHOP + "Country")
_CREATORS = (
    *(_DC + "creator", _TIFF + "Artist", _DC + "rights", _TIFF + "Copyright", _XMP_RIGHTS + "Owner"),
    *(_AUX + "OwnerName", _EXIF_EX + "CameraOwnerName"),
)
_CAPTIONS = {f"{{{name.replace(' ', '}')}": label for name, label in CAPTION_FIELDS.items()}
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
_WIDE_END = re.compile(r"<\?xpacket\s+end=[^>]*\?>")
_FIRST_ELEMENT = re.compile("<(?:x:xmpmeta|x:xapmeta|rdf:RDF)")
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")  # XML 1.0, 2.2
_BARE_AMPERSAND = re.compile("&(?!(?:amp|lt|gt|quot|apos|#[0-9]{1,7}|#x[0-9A-Fa-f]{1,6});)")
_LANG = "{http://www.w3.org/XML/1998/namespace}lang"

#: The first level of a tag tree below which stand names (digiKam, Lightroom and others).
_PEOPLE_BRANCH = frozenset(
    {
        *("people", "persons", "person", "family", "friends", "faces"),
        *("who", "contacts", "relatives", "kontakte", "verwandte", "verwandtschaft", "wer"),
        *("personen", "leute", "familie", "freunde", "menschen", "gesichter"),
        *("personnes", "gens", "famille", "amis", "visages"),
        *("personas", "gente", "familia", "amigos", "caras"),
        *("persone", "famiglia", "amici", "pessoas", "família", "mensen", "personer", "osoby", "ludzie", "rodzina"),
        *("volti", "contatti", "parenti", "rostos", "amigas", "rostros", "contactos", "qui", "proches", "chi"),
        *("familie", "vrienden", "gezichten", "familj", "vänner", "människor", "ansikten", "venner", "mennesker"),
        *("ansigter", "ansikter", "perhe", "ihmiset", "henkilöt", "ystävät", "rodina", "lidé", "přátelé", "ľudia"),
        *("osoba", "priatelia", "twarze", "przyjaciele", "emberek", "család", "barátok", "oameni", "familia mea"),
        *("insanlar", "kişiler", "aile"),
        *("άνθρωποι", "πρόσωπα", "οικογένεια", "люди", "семья", "друзья", "лица", "родня", "сім'я", "родина"),
        *("人物", "家族", "友人", "家庭", "家人", "朋友", "사람", "인물", "가족", "친구"),
    }
)
#: Where a photo was taken or what place it shows, as IPTC Extension's LocationCreated and LocationShown say it.
_LOCATION_PARTS = ("LocationName", "Sublocation", "City", "ProvinceState", "CountryName")


@dataclass(frozen=True, slots=True)
class Xmp:
    """Raw texts, not yet cleaned; in lists the order of the file."""

    #: dc:description in every language, the EXIF captions' mirrors, and a correction in our own mark.
    descriptions: tuple[FieldText, ...] = ()
    own: Mapping[str, str] = field(default_factory=dict)  # the properties of recollect's own namespace
    title: str | None = None
    keywords: tuple[str, ...] = ()
    people: tuple[str, ...] = ()  # without those that we wrote: whose the faces are the catalogue says
    rating: str | None = None
    rating_percent: str | None = None  # MicrosoftPhoto:Rating
    dates: tuple[str, ...] = ()  # of taking, the most trustworthy first
    digitised: tuple[str, ...] = ()  # of digitising, or of the file
    sidecar_for: str | None = None  # photoshop:SidecarForExtension: "CR2"
    latitude: str | None = None  # exif:GPSLatitude: "47,21.251041N"
    longitude: str | None = None
    lens: str | None = None
    make: str | None = None  # of the camera
    model: str | None = None
    pets: tuple[str, ...] = ()
    regions: tuple[XmpRegion, ...] = ()  # named faces that have a place, those that we wrote included
    headlines: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
    locations: tuple[str, ...] = ()
    creators: tuple[str, ...] = ()


def read_xmp(packet: bytes | None) -> Xmp | None:
    """The packet's fields; None where it is too large, no XML, or hides entities. Never raises."""
    root = parse_xmp(packet) if packet else None
    if root is None:
        return None
    regions = face_regions(root)
    if packet is not None and read_names(packet) is not None:
        remove_own_names(root)
    found = _Properties(root)
    trees = (_LIGHTROOM + "hierarchicalSubject", _DIGIKAM + "TagsList", _MS_PHOTO + "LastKeywordXMP", _CATALOG_SETS)
    tags = [tag for name in trees for tag in found.texts(name)]
    keywords = found.texts(_DC + "subject")
    own = parts_of_mark(found.of_namespace(_OWN))
    named, worded = _split_tag_trees([*tags, *filter(_is_tree, keywords)])
    return Xmp(
        descriptions=(
            *(
                FieldText(known_as, words.strip())
                for name, known_as in _CAPTIONS.items()
                for words in found.texts(name)
            ),
            *text_in_mark(own),
        ),
        own=own,
        title=found.text(_DC + "title"),
        keywords=(*(word for word in keywords if not _is_tree(word)), *worded),
        people=(*region_names(root, "face"), *found.texts(_IPTC_EXT + "PersonInImage"), *named),
        rating=found.text(_XMP + "Rating"),
        rating_percent=found.text(_MS_PHOTO + "Rating"),
        dates=tuple(found.first_texts(_EXIF + "DateTimeOriginal", _PHOTOSHOP + "DateCreated", _ACDSEE + "datetime")),
        digitised=tuple(found.first_texts(_EXIF + "DateTimeDigitized", _XMP + "CreateDate")),
        sidecar_for=found.text(_PHOTOSHOP + "SidecarForExtension"),
        latitude=found.text(_EXIF + "GPSLatitude"),
        longitude=found.text(_EXIF + "GPSLongitude"),
        lens=next(found.first_texts(_EXIF_EX + "LensModel", _AUX + "Lens"), None),
        make=found.text(_TIFF + "Make"),
        model=found.text(_TIFF + "Model"),
        pets=tuple(region_names(root, "pet")),
        regions=regions,
        headlines=found.texts(_PHOTOSHOP + "Headline"),
        subjects=tuple(text for name in _SUBJECTS for text in found.texts(name)),
        locations=(*(text for name in _LOCATIONS for text in found.texts(name)), *_location_parts(root)),
        creators=tuple(text for name in _CREATORS for text in found.texts(name)),
    )


def parse_xmp(packet: bytes) -> Element | None:
    """The packet's root element; None where it can't be trusted or is no XML. Letters in another character set, control
    characters, and what stands behind the packet's end are no reason to do without it."""
    if len(packet) > MOST_BYTES:
        return None
    found = _parse(_decode(packet))
    return found if found is not None else _parse(_repair(packet))


def _parse(packet: bytes | str) -> Element | None:
    try:
        root: Element = fromstring(packet, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError, RecursionError):
        return None
    return root


def _decode(packet: bytes) -> bytes | str:
    """The packet's XML: text where it is UTF-16 or 32 (XMP specification part 1, 7.1), told by its first character."""
    encoding = next((name for begin, name in _WIDE.items() if packet.startswith(begin)), None)
    if encoding is None:
        return packet[: packet_end(packet)].strip(b"\0 \t\r\n")
    text = packet.decode(encoding, "replace").strip("\ufeff\ufffd\0 \t\r\n")
    end = _WIDE_END.search(text)
    return text[: end.end()] if end else text


def _repair(packet: bytes) -> str:
    """A packet in UTF-8, its first element only, without what XML forbids."""
    text = _BARE_AMPERSAND.sub("&amp;", _FORBIDDEN.sub("", decode_narrow(packet[: packet_end(packet)])))
    start = _FIRST_ELEMENT.search(text)
    if start is None:
        return ""
    end = text.find(f"</{start[0][1:]}>", start.end())
    return text[start.start() : end + len(start[0]) + 2] if end >= 0 else text[start.start() :]


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


def _location_parts(root: Element) -> Iterator[str]:
    """The names in the structures of LocationCreated and LocationShown, wherever they stand."""
    for element in root.iter():
        for part in _LOCATION_PARTS:
            name = _IPTC_EXT + part
            yield from filter(None, [element.get(name)])
            yield from (text for child in element.findall(name) for text in _values(child) if text.strip())


def _is_tree(tag: str) -> bool:
    """Whether a plain keyword is a way through a tag tree: `Places|Berlin`, or `People/Anna`; "black/white" is none."""
    return "|" in tag or ("/" in tag and tag.split("/")[0].strip().casefold() in _PEOPLE_BRANCH)


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
