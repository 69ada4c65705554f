"""What a picture looks like, as words: `dark`, `panorama`, `black and white`, `red` … from its measures and its size.

Each is weak evidence: it stands in the index as a word of its own that nobody can type (`index_word`), so that what
texts say, how frequent their words are and how they are completed and corrected stays as it was. A word of the query
that names a look, in English or German, finds it beside the texts that have the word; see `ranking` for what it means
beside other words.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType

from indexer.images.measures import Colour, PictureMeasures
from indexer.model import Photo, PhotoMetadata

DARK, BRIGHT, BLACK_AND_WHITE = "dark", "bright", "black and white"
PORTRAIT, LANDSCAPE, SQUARE, PANORAMA = "portrait", "landscape", "square", "panorama"
SCREENSHOT = "screenshot"

# Of 2,500 photos (Flickr8k's dev split, COCO) 3% are as dark, 3% as bright and 2% as colourless. Looked at one by one,
# nine of ten are dark, nine of ten are bright, and 55 of 56 are black and white; evenly lit rooms are not dark.
_DARK_BELOW, _BRIGHT_FROM = 0.32, 0.76
_COLOURLESS_SPREAD, _COLOURLESS_TINT = 0.010, 0.05
_LONGER_FROM, _SQUARE_BELOW = 1.1, 1.03
# The widest pictures that phones take by themselves are 20:9.
_PANORAMA_FROM = 2.25
#: How much each says for its word, 0..1: a caption's word says 0.2 to 0.95. A format is half of all photos, and its
#: names are more often meant otherwise.
_STRENGTHS = MappingProxyType(
    {
        DARK: 0.2,
        BRIGHT: 0.2,
        BLACK_AND_WHITE: 0.4,
        PANORAMA: 0.4,
        SCREENSHOT: 0.4,
        SQUARE: 0.2,
        PORTRAIT: 0.12,
        LANDSCAPE: 0.12,
    }
)
# most, half, least of each colour: a prominence x says most * x / (x + half), and nothing below least. Fitted to how
# many photos of Flickr8k's training split are called so by one of five people; gray says nothing.
_COLOURS: Mapping[Colour, tuple[float, float, float]] = MappingProxyType(
    {
        Colour.RED: (0.9, 0.08, 0.015),
        Colour.PINK: (0.9, 0.08, 0.015),
        Colour.PURPLE: (0.6, 0.05, 0.015),
        Colour.ORANGE: (0.6, 0.06, 0.02),
        Colour.YELLOW: (0.5, 0.05, 0.015),
        Colour.BLUE: (0.5, 0.06, 0.03),
        Colour.GREEN: (0.09, 0.1, 0.1),
        Colour.BLACK: (0.5, 0.12, 0.06),
        Colour.BROWN: (0.5, 0.12, 0.06),
        Colour.WHITE: (0.09, 0.1, 0.06),
    }
)
# The screens of phones, tablets and computers, px, the shorter side first.
_SCREENS = frozenset(
    {(640, 960), (640, 1136), (750, 1334), (828, 1792), (1080, 1920), (1080, 2160), (1080, 2220), (1080, 2246)}
    | {(1080, 2280), (1080, 2310), (1080, 2340), (1080, 2376), (1080, 2400), (1080, 2408), (1080, 2460), (1125, 2436)}
    | {(1170, 2532), (1179, 2556), (1206, 2622), (1242, 2208), (1242, 2688), (1260, 2800), (1284, 2778), (1290, 2796)}
    | {(1320, 2868), (1220, 2712), (1344, 2992), (1440, 2560), (1440, 2880), (1440, 2960), (1440, 3040), (1440, 3088)}
    | {(1440, 3120), (1440, 3200), (720, 1280), (720, 1520), (720, 1560), (720, 1600), (1008, 2244), (1008, 2992)}
    | {(768, 1024), (1536, 2048), (1620, 2160), (1640, 2360), (1668, 2224), (1668, 2388), (2048, 2732), (1200, 1920)}
    | {(768, 1366), (800, 1280), (900, 1440), (900, 1600), (1050, 1680), (1600, 2560), (1664, 2560), (1800, 2880)}
    | {(1964, 3024), (2160, 3840), (2234, 3456), (1440, 3440), (1864, 2880)}
)
_LOSSLESS = "image/png"

_ENDINGS = ("", "e", "er", "es", "en", "em")
_GERMAN_COLOURS = MappingProxyType(
    {
        Colour.BLACK: ("schwarz",),
        Colour.WHITE: ("weiss",),
        Colour.GRAY: ("grau",),
        Colour.RED: ("rot",),
        Colour.ORANGE: ("orange", "orangen", "orangefarben"),
        Colour.YELLOW: ("gelb",),
        Colour.GREEN: ("grun", "gruen"),
        Colour.BLUE: ("blau",),
        Colour.PURPLE: ("lila", "violett"),
        Colour.PINK: ("rosa", "rosafarben", "pink"),
        Colour.BROWN: ("braun",),
    }
)
#: Folded words that name a look, beside its own name.
_OTHER_WORDS = MappingProxyType(
    {
        DARK: ("dunkel", *(f"dunkl{ending}" for ending in _ENDINGS[1:])),
        BRIGHT: tuple(f"hell{ending}" for ending in _ENDINGS),
        BLACK_AND_WHITE: (
            *("monochrome", "monochrom", "bw", "schwarzweiss", "schwarzweissfoto"),
            *("schwarzweissfotos", "schwarzweissbild", "schwarzweissbilder", "schwarzweissaufnahme"),
        ),
        PORTRAIT: ("portraits", "hochformat", "hochkant", "upright", "vertical", "portrat", "portrats", "portraet"),
        LANDSCAPE: ("landscapes", "querformat", "horizontal"),
        SQUARE: ("squares", "quadrat", "quadratformat", *(f"quadratisch{ending}" for ending in _ENDINGS)),
        PANORAMA: ("panoramas", "panoramen", "panoramic", "pano", "panoramafoto", "panoramabild", "panoramaaufnahme"),
        SCREENSHOT: ("screenshots", "bildschirmfoto", "bildschirmfotos", "bildschirmaufnahme", "screencap"),
    }
)
#: Two words of a query, one after the other, that name a look together.
_PAIRS = MappingProxyType(
    {
        **dict.fromkeys((("black", "white"), ("schwarz", "weiss"), ("b", "w")), BLACK_AND_WHITE),
        ("screen", "shot"): SCREENSHOT,
    }
)


def looks_of(photo: Photo) -> tuple[tuple[str, float], ...]:
    """What `photo` looks like, each with how much that says, 0..1; nothing before it was measured."""
    measures = PictureMeasures.from_bytes(photo.measures)
    if measures is None:
        return ()
    metadata = photo.metadata
    names = list(_formats(metadata.width_px, metadata.height_px))
    if _is_screenshot(metadata):
        names.append(SCREENSHOT)
    return (*((name, _STRENGTHS[name]) for name in names), *measured_looks(measures))


def measured_looks(measures: PictureMeasures) -> Iterator[tuple[str, float]]:
    """What the measures of a picture say of its light and colours, each with how much that says, 0..1."""
    if measures.lightness < _DARK_BELOW:
        yield DARK, _STRENGTHS[DARK]
    elif measures.lightness >= _BRIGHT_FROM:
        yield BRIGHT, _STRENGTHS[BRIGHT]
    if measures.tint_spread < _COLOURLESS_SPREAD and measures.tint < _COLOURLESS_TINT:
        yield BLACK_AND_WHITE, _STRENGTHS[BLACK_AND_WHITE]
        return
    for colour, (most, half, least) in _COLOURS.items():
        if (share := measures.colours[colour]) >= least:
            yield colour.name.lower(), round(most * share / (share + half), 3)


def _formats(width_px: int, height_px: int) -> Iterator[str]:
    if width_px <= 0 or height_px <= 0:
        return
    if width_px >= _PANORAMA_FROM * height_px:
        yield PANORAMA
    if width_px >= _LONGER_FROM * height_px:
        yield LANDSCAPE
    elif height_px >= _LONGER_FROM * width_px:
        yield PORTRAIT
    elif max(width_px, height_px) < _SQUARE_BELOW * min(width_px, height_px):
        yield SQUARE


def _is_screenshot(metadata: PhotoMetadata) -> bool:
    """A picture without a camera that is as large as a screen: of photos that lost their metadata none is, but at
    16:9, so of those only what is stored without loss counts."""
    if metadata.camera or metadata.lens or metadata.exposure_s or metadata.position:
        return False
    sides = sorted((metadata.width_px, metadata.height_px))
    narrow = sides[1] > 1.9 * sides[0]
    return tuple(sides) in _SCREENS and (narrow or metadata.mime_type == _LOSSLESS)


def index_word(look: str) -> str:
    """The word that stands for a look in the index: no text has it, and nobody can type it."""
    return f"={look.replace(' ', '-')}"


def is_text(word: str) -> bool:
    """Whether `word` of the index is a text's, and no look's."""
    return not word.startswith("=")


def is_colour(look: str) -> bool:
    """Whether a look is a colour: how prominent it is says how much, and most photos have some."""
    return look.upper() in Colour.__members__


def looks_named(words: Sequence[str]) -> dict[int, tuple[str, ...]]:
    """The looks that folded words of a query name, alone or with their neighbour, by their places."""
    found: dict[int, tuple[str, ...]] = {}
    for place, word in enumerate(words):
        if (look := _BY_WORD.get(word)) is not None:
            found[place] = (look,)
    for place, pair in enumerate(pairwise(words)):
        if (look := _PAIRS.get(pair)) is not None:
            for part in (place, place + 1):
                found[part] = (*found.get(part, ()), look)
    return found


def _words() -> Iterator[tuple[str, str]]:
    for look, others in _OTHER_WORDS.items():
        yield from ((word, look) for word in (look, *others))
    for colour, stems in _GERMAN_COLOURS.items():
        look = colour.name.lower()
        yield look, look
        for stem in stems:
            yield from ((f"{shade}{stem}{ending}", look) for shade in ("", "dunkel", "hell") for ending in _ENDINGS)
    yield from (("grey", "gray"), ("violet", "purple"))


_BY_WORD: Mapping[str, str] = MappingProxyType(dict(_words()))
