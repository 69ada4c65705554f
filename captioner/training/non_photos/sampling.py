"""Random numbers, colours, picture sizes, fonts of this machine and words made up, all from one seeded generator."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from enum import Enum
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import ImageFont

T = TypeVar("T")
Rng = np.random.Generator
Colour = tuple[int, int, int]
Size = tuple[int, int]  # (width, height) in pixels, as Pillow has it

BLACK: Colour = (0, 0, 0)
WHITE: Colour = (255, 255, 255)
ANY = (0.0, 1.0)


def whole(rng: Rng, low: int, high: int) -> int:
    """An integer in low..high, both included."""
    return low + int((high - low + 1) * rng.random())  # several times as fast as rng.integers


def real(rng: Rng, low: float, high: float) -> float:
    """A number in low..high."""
    return low + (high - low) * float(rng.random())


def happens(rng: Rng, probability: float) -> bool:
    """True with that probability."""
    return float(rng.random()) < probability


def pick(rng: Rng, choices: Sequence[T]) -> T:
    """One of the choices, all equally likely."""
    return choices[int(len(choices) * rng.random())]


def colour(
    rng: Rng, *, light: tuple[float, float] = ANY, saturation: tuple[float, float] = ANY, hue: float | None = None
) -> Colour:
    """A colour of any hue, its HSL lightness and saturation within the limits given."""
    turn = real(rng, 0, 1) if hue is None else hue % 1
    return _bytes(colorsys.hls_to_rgb(turn, real(rng, *light), real(rng, *saturation)))


def between(first: Colour, second: Colour, share: float) -> Colour:
    """The colour `share` of the way from the first to the second."""
    r, g, b = (round(a + (z - a) * share) for a, z in zip(first, second, strict=True))
    return r, g, b


def palette(rng: Rng, count: int) -> list[Colour]:
    """Colours that go together: hues in equal steps, or shades of one hue, or any."""
    start, step = real(rng, 0, 1), pick(rng, (1 / count, 0.08, 0.0, 0.382))
    low = real(rng, 0.25, 0.5)
    saturation = real(rng, 0.2, 1)
    shades = [low + (0.35 * i / count if step == 0 else 0.15 * float(rng.random())) for i in range(count)]
    return [_bytes(colorsys.hls_to_rgb((start + i * step) % 1, shade, saturation)) for i, shade in enumerate(shades)]


def size(rng: Rng, *, widest: float = 1.8, tallest: float = 1.8, side_px: tuple[int, int] = (260, 620)) -> Size:
    """(width, height) with a mean side within `side_px` and an aspect of 1:tallest to widest:1."""
    aspect = float(np.exp(real(rng, -np.log(tallest), np.log(widest))))
    side = real(rng, *side_px)
    return max(round(side * aspect**0.5), 32), max(round(side / aspect**0.5), 32)


def _bytes(rgb: tuple[float, float, float]) -> Colour:
    r, g, b = (round(255 * min(max(c, 0.0), 1.0)) for c in rgb)
    return r, g, b


FONT_DIRS = (Path("/usr/share/fonts"), Path("/usr/local/share/fonts"), Path("/Library/Fonts"), Path("C:/Windows/Fonts"))
Font = ImageFont.FreeTypeFont

#: No font has a letter here: what is drawn is the font's sign for a missing letter.
_MISSING = "\U0010fffd"
_FAMILY_WORDS = {
    "mono": ("mono", "hack", "courier", "consol"),
    "hand": ("comic", "humor", "hand", "script", "marker"),
    "serif": ("serif", "garamond", "times", "georgia", "roman"),
}


class Script(Enum):
    """Writing systems, each by the letters that its words are made of."""

    LATIN = "aeiourstlnmdcpbghfvkwyzjxq"
    CYRILLIC = "оеаинтсрвлкмдпуяыьгзбчйхжшюцщэф"
    GREEK = "αοιετνσηρπκμλυδωγχθφβξζψ"
    ARABIC = "اليمنرتبعدوسكفحقجشصخزضطغ"
    HEBREW = "יולהארתבמשנדעחקפסגזטצכ"
    DEVANAGARI = "करनसतमहपदलयगबवजचटशभधउआ"
    THAI = "กขคงจชดตทนบปพมยรลวสหอ"
    HAN = "的一是不了人我在有他这中大来上国个到说们为子和你地出道也时年得就那要下以生会自着去之过家学"
    KANA = "のにはをたがでてとしれさあるいもなかうくすりつきこアイウエオカキクケコサシスセソタチツテトナニ"
    HANGUL = "이다는에의를은가고한로하지서도사기대리인그있어나자일시정"


#: Of pictures with text, four in six are in Latin letters, as nearly all of a family's are.
_LATIN_SHARE = 0.67
_VOWELS, _CONSONANTS = "aaeeeiioou", "rstlnmdcpbghfvkwstrn"
_UNSPACED = (Script.HAN, Script.KANA, Script.THAI)
#: Words in the file names of fonts that text is seldom set in, and how often it is all the same.
_UNUSUAL, _UNUSUAL_SHARE = ("italic", "oblique", "thin", "hairline", "black", "extralight"), 0.15
_ACCENTS = "äöüéèßñçåøłšč"


def script(rng: Rng) -> Script:
    """Latin more often than not, else one of those that a font of this machine can write."""
    if happens(rng, _LATIN_SHARE):
        return Script.LATIN
    return pick(rng, [s for s in Script if font_files(s)] or [Script.LATIN])


def typeface(rng: Rng, *, style: str = "", letters: Script = Script.LATIN) -> Path | None:
    """A font file that has the script's letters, of the style ("mono", "hand", "serif", "sans") where there is one.

    Upright and of a usual weight, mostly. None where the machine has no font for the script.
    """
    files = font_files(letters)
    chosen = [path for path in files if _style(path) == style] or files
    if not happens(rng, _UNUSUAL_SHARE):
        chosen = [path for path in chosen if not any(cut in path.stem.lower() for cut in _UNUSUAL)] or chosen
    return pick(rng, chosen) if chosen else None


def font(file: Path | None, size_px: float) -> Font:
    """The font of a file at a size; None is Pillow's own font."""
    size = max(round(size_px), 6)
    return _open(file, size) if file else _default_font(size)


@lru_cache
def font_files(letters: Script) -> tuple[Path, ...]:
    """The font files of this machine that have all letters of a script, by name."""
    found = [path for folder in FONT_DIRS for ending in ("*.ttf", "*.otf", "*.ttc") for path in folder.rglob(ending)]
    return tuple(path for path in sorted(found) if _has(path, letters.value))


def word(rng: Rng, letters: Script = Script.LATIN) -> str:
    """A made-up word."""
    return pick(rng, _vocabulary(letters))


def phrase(rng: Rng, length: int, letters: Script = Script.LATIN) -> str:
    """Words up to about `length` letters."""
    words = _vocabulary(letters)
    made = ("" if letters in _UNSPACED else " ").join(words[i] for i in rng.integers(len(words), size=length // 3 + 1))
    return made[:length].strip()


def number(rng: Rng) -> str:
    """A figure as it stands in tables and bills."""
    return pick(rng, (f"{whole(rng, 0, 999)}", f"{whole(rng, 0, 99)}.{whole(rng, 0, 99):02}",
                      f"{whole(rng, 1, 99)} %", f"{whole(rng, 1, 12)}/{whole(rng, 1, 28)}",
                      f"{whole(rng, 1, 9)},{whole(rng, 0, 999):03}"))  # fmt: skip


@lru_cache
def _vocabulary(letters: Script) -> tuple[str, ...]:
    """2000 words of a script, always the same: making up every page's words anew takes longer than drawing it."""
    rng = np.random.default_rng(0)
    return tuple(_made_up_word(rng, letters) for _ in range(2000))


def _made_up_word(rng: Rng, letters: Script) -> str:
    """1 to 4 syllables or 2 to 7 letters, now and then with a capital, an accent, a full stop or a comma."""
    if letters is Script.LATIN:
        syllables = [pick(rng, _CONSONANTS) + pick(rng, _VOWELS) for _ in range(whole(rng, 1, 4))]
        made = "".join(s + (pick(rng, _CONSONANTS) if happens(rng, 0.4) else "") for s in syllables)[whole(rng, 0, 1) :]
        made += pick(rng, _ACCENTS) if happens(rng, 0.05) else ""
        made = made.capitalize() if happens(rng, 0.15) else made
    else:
        made = "".join(pick(rng, letters.value) for _ in range(whole(rng, 2, 7)))
    return made + (pick(rng, ",.") if happens(rng, 0.1) else "")


@lru_cache(maxsize=2000)
def _open(path: Path, size_px: int) -> Font:
    return ImageFont.truetype(path, size_px, layout_engine=ImageFont.Layout.BASIC)


@lru_cache(maxsize=200)
def _default_font(size_px: int) -> Font:
    default = ImageFont.load_default(size_px)
    if not isinstance(default, ImageFont.FreeTypeFont):
        raise RuntimeError("this Pillow was built without FreeType: it can't draw letters of a size")
    return default


@lru_cache(maxsize=2000)
def _style(path: Path) -> str:
    name = path.stem.lower()
    return next((style for style, words in _FAMILY_WORDS.items() if any(w in name for w in words)), "sans")


def _has(path: Path, letters: str) -> bool:
    try:
        face = _open(path, 16)
        missing = bytes(face.getmask(_MISSING))
        return all(bytes(face.getmask(letter)) not in (missing, b"") for letter in letters[:12])
    except OSError:  # a bitmap font, or one that FreeType can't read
        return False
