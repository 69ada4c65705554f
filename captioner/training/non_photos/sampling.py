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
Colour = tuple[int, int, int]
Size = tuple[int, int]  # (width, height) in pixels, as Pillow has it

BLACK: Colour = (0, 0, 0)
WHITE: Colour = (255, 255, 255)
ANY = (0.0, 1.0)

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


def font(file: Path | None, size_px: float) -> Font:
    """The font of a file at a size; None is Pillow's own font."""
    size = max(round(size_px), 6)
    return _open(file, size) if file else _default_font(size)


@lru_cache
def font_files(letters: Script) -> tuple[Path, ...]:
    """The font files of this machine that have all letters of a script, by name."""
    found = (path for folder in FONT_DIRS for path in folder.rglob("*") if path.suffix in (".ttf", ".otf", ".ttc"))
    return tuple(path for path in sorted(found) if _has(path, letters.value))


@lru_cache
def _vocabulary(letters: Script) -> tuple[str, ...]:
    """2000 words of a script, always the same: making up every page's words anew takes longer than drawing it."""
    rng = Rng.seeded(0)
    return tuple(_made_up_word(rng, letters) for _ in range(2000))


def _made_up_word(rng: Rng, letters: Script) -> str:
    """1 to 4 syllables or 2 to 7 letters, now and then with a capital, an accent, a full stop or a comma."""
    if letters is Script.LATIN:
        syllables = [rng.pick(_CONSONANTS) + rng.pick(_VOWELS) for _ in range(rng.whole(1, 4))]
        made = "".join(s + (rng.pick(_CONSONANTS) if rng.happens(0.4) else "") for s in syllables)[rng.whole(0, 1) :]
        made += rng.pick(_ACCENTS) if rng.happens(0.05) else ""
        made = made.capitalize() if rng.happens(0.15) else made
    else:
        made = "".join(rng.pick(letters.value) for _ in range(rng.whole(2, 7)))
    return made + (rng.pick(",.") if rng.happens(0.1) else "")


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


def between(first: Colour, second: Colour, share: float) -> Colour:
    """The colour `share` of the way from the first to the second."""
    r, g, b = (round(a + (z - a) * share) for a, z in zip(first, second, strict=True))
    return r, g, b


def _rgb(hue: float, light: float, saturation: float) -> Colour:
    r, g, b = (round(255 * min(max(c, 0.0), 1.0)) for c in colorsys.hls_to_rgb(hue, light, saturation))
    return r, g, b


class Rng(np.random.Generator):
    """Random numbers, and what is made of them: colours, sizes, fonts and words."""

    @classmethod
    def seeded(cls, *seed: int) -> Rng:
        """What `np.random.default_rng` of the same seed gives."""
        return cls(np.random.PCG64(seed))

    def whole(self, low: int, high: int) -> int:
        """An integer in low..high, both included."""
        return low + int((high - low + 1) * self.random())  # several times as fast as integers()

    def real(self, low: float, high: float) -> float:
        """A number in low..high."""
        return low + (high - low) * float(self.random())

    def happens(self, probability: float) -> bool:
        """True with that probability."""
        return float(self.random()) < probability

    def pick(self, choices: Sequence[T]) -> T:
        """One of the choices, all equally likely."""
        return choices[int(len(choices) * self.random())]

    def colour(
        self, *, light: tuple[float, float] = ANY, saturation: tuple[float, float] = ANY, hue: float | None = None
    ) -> Colour:
        """A colour of any hue, its HSL lightness and saturation within the limits given."""
        turn = self.real(0, 1) if hue is None else hue % 1
        return _rgb(turn, self.real(*light), self.real(*saturation))

    def palette(self, count: int) -> list[Colour]:
        """Colours that go together: hues in equal steps, or shades of one hue, or any."""
        start, step = self.real(0, 1), self.pick((1 / count, 0.08, 0.0, 0.382))
        low = self.real(0.25, 0.5)
        saturation = self.real(0.2, 1)
        shades = [low + (0.35 * i / count if step == 0 else 0.15 * float(self.random())) for i in range(count)]
        return [_rgb((start + i * step) % 1, shade, saturation) for i, shade in enumerate(shades)]

    def size(self, *, widest: float = 1.8, tallest: float = 1.8, side_px: tuple[int, int] = (260, 620)) -> Size:
        """(width, height) with a mean side within `side_px` and an aspect of 1:tallest to widest:1."""
        aspect = float(np.exp(self.real(-np.log(tallest), np.log(widest))))
        side = self.real(*side_px)
        return max(round(side * aspect**0.5), 32), max(round(side / aspect**0.5), 32)

    def script(self) -> Script:
        """Latin more often than not, else one of those that a font of this machine can write."""
        if self.happens(_LATIN_SHARE):
            return Script.LATIN
        return self.pick([s for s in Script if font_files(s)] or [Script.LATIN])

    def typeface(self, *, style: str = "", letters: Script = Script.LATIN) -> Path | None:
        """A font file that has the script's letters, of the style ("mono", "hand", "serif", "sans") where there is one.

        Upright and of a usual weight, mostly. None where the machine has no font for the script.
        """
        files = font_files(letters)
        chosen = [path for path in files if _style(path) == style] or files
        if not self.happens(_UNUSUAL_SHARE):
            chosen = [path for path in chosen if not any(cut in path.stem.lower() for cut in _UNUSUAL)] or chosen
        return self.pick(chosen) if chosen else None

    def word(self, letters: Script = Script.LATIN) -> str:
        """A made-up word."""
        return self.pick(_vocabulary(letters))

    def phrase(self, length: int, letters: Script = Script.LATIN) -> str:
        """Words up to about `length` letters."""
        words = _vocabulary(letters)
        chosen = [words[i] for i in self.integers(len(words), size=length // 3 + 1)]
        return ("" if letters in _UNSPACED else " ").join(chosen)[:length].strip()

    def number(self) -> str:
        """A figure as it stands in tables and bills."""
        return self.pick((f"{self.whole(0, 999)}", f"{self.whole(0, 99)}.{self.whole(0, 99):02}",
                          f"{self.whole(1, 99)} %", f"{self.whole(1, 12)}/{self.whole(1, 28)}",
                          f"{self.whole(1, 9)},{self.whole(0, 999):03}"))  # fmt: skip
