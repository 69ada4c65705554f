"""What people call a camera and a lens, beside the names that they give themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import MappingProxyType

from indexer.model import PhotoMetadata

# Samsung's phones give their model number alone; its last letter or two are the region's.
_SAMSUNG = MappingProxyType(
    {
        "G900": "S5",
        "G920": "S6",
        "G925": "S6 edge",
        "G930": "S7",
        "G935": "S7 edge",
        "G950": "S8",
        "G955": "S8+",
        "G960": "S9",
        "G965": "S9+",
        "G970": "S10e",
        "G973": "S10",
        "G975": "S10+",
        "G980": "S20",
        "G981": "S20",
        "G985": "S20+",
        "G986": "S20+",
        "G988": "S20 Ultra",
        "G780": "S20 FE",
        "G781": "S20 FE",
        "G990": "S21 FE",
        "G991": "S21",
        "G996": "S21+",
        "G998": "S21 Ultra",
        "S901": "S22",
        "S906": "S22+",
        "S908": "S22 Ultra",
        "S911": "S23",
        "S916": "S23+",
        "S918": "S23 Ultra",
        "S711": "S23 FE",
        "S921": "S24",
        "S926": "S24+",
        "S928": "S24 Ultra",
        "S721": "S24 FE",
        "S931": "S25",
        "S936": "S25+",
        "S938": "S25 Ultra",
        "N950": "Note 8",
        "N960": "Note 9",
        "N970": "Note 10",
        "N975": "Note 10+",
        "N980": "Note 20",
        "N981": "Note 20",
        "N985": "Note 20 Ultra",
        "N986": "Note 20 Ultra",
        "A505": "A50",
        "A515": "A51",
        "A516": "A51",
        "A525": "A52",
        "A526": "A52",
        "A528": "A52s",
        "A536": "A53",
        "A546": "A54",
        "A556": "A55",
        "A715": "A71",
        "A725": "A72",
        "A336": "A33",
        "A346": "A34",
        "A356": "A35",
        "A125": "A12",
        "A136": "A13",
        "J320": "J3",
        "J530": "J5",
        "F711": "Z Flip3",
        "F721": "Z Flip4",
        "F731": "Z Flip5",
        "F741": "Z Flip6",
        "F926": "Z Fold3",
        "F936": "Z Fold4",
        "F946": "Z Fold5",
        "F956": "Z Fold6",
    }
)
_SAMSUNG_MODEL = re.compile(r"\bSM-([A-Z]\d{3})", re.IGNORECASE)

#: The names of each kind of lens, in English and German.
_WIDE, _TELE = ("wide angle", "Weitwinkel"), ("telephoto", "tele", "Teleobjektiv")
_MACRO, _FISHEYE = ("macro", "Makro"), ("fisheye", "Fischauge")
# mm on 35 mm film. Every phone's main camera has about 26: what is wider, or longer, than many says its word more.
_VERY_WIDE, _WIDE_BELOW, _TELE_FROM, _VERY_TELE = 21.5, 28.5, 69.5, 99.5
_SURE, _PERHAPS = 1.0, 0.5
# A lens shows at most so wide an angle, and at least so long a reach, on any sensor up to 35 mm film: of a camera that
# does not say what its focal lengths are on that. Shorter ones are those of phones' sensors.
_LENS_FROM, _LENS_WIDE_BELOW = 8.0, 17.5
_MACRO_NAME = re.compile(r"\bma[ck]ro\b|\bmicro[- ]?nikkor|\bnikkor z mc\b", re.IGNORECASE)
_FISHEYE_NAME = re.compile(r"\bfish[- ]?eye\b", re.IGNORECASE)


def camera_names(camera: str | None) -> tuple[str, ...]:
    """`Galaxy S21` for `samsung SM-G991B`."""
    model = _SAMSUNG_MODEL.search(camera or "")
    name = _SAMSUNG.get(model[1].upper()) if model else None
    return (f"Samsung Galaxy {name}",) if name else ()


def lens_kinds(metadata: PhotoMetadata) -> tuple[tuple[str, float], ...]:
    """What kind of lens a photo was taken with, as far as that is known, in every name, and how sure each is (0..1)."""
    return tuple((name, sure) for names, sure in _kinds(metadata) for name in names)


def _kinds(metadata: PhotoMetadata) -> Iterator[tuple[tuple[str, ...], float]]:
    lens, on_film, focal = metadata.lens or "", metadata.focal_length_35mm, metadata.focal_length_mm
    if _MACRO_NAME.search(lens):
        yield _MACRO, _SURE
    if _FISHEYE_NAME.search(lens):
        yield _FISHEYE, _SURE
    if on_film is not None:
        if on_film < _WIDE_BELOW:
            yield _WIDE, _SURE if on_film < _VERY_WIDE else _PERHAPS
        elif on_film >= _TELE_FROM:
            yield _TELE, _SURE if on_film >= _VERY_TELE else _PERHAPS
    elif lens and focal is not None and focal >= _LENS_FROM:
        if focal < _LENS_WIDE_BELOW:
            yield _WIDE, _PERHAPS
        elif focal >= _TELE_FROM:
            yield _TELE, _SURE if focal >= _VERY_TELE else _PERHAPS
