"""Which forms of an English word find each other: dog and dogs, run and running, child and children.

Steps 1 and 5 of Porter2 (https://snowballstem.org/algorithms/english/stemmer.html): plurals, the verb endings -ed and
-ing, and the final -e. Its other steps, which snowballstemmer has too, make an officer an office and busy a business.
Words of other languages mostly pass through unchanged.
"""

from __future__ import annotations

import re
from functools import lru_cache
from types import MappingProxyType

_FORMS = """
child children, man men, woman women, person people persons, foot feet, tooth teeth, mouse mice, goose geese,
leaf leaves, knife knives, wolf wolves, loaf loaves, shelf shelves, wife wives, calf calves, run ran, sit sat,
swim swam swum, ride rode ridden, eat ate eaten, stand stood, hold held, throw threw thrown, wear wore worn,
drive drove driven, fly flew flown flies, sleep slept, catch caught, sing sang sung, drink drank drunk,
write wrote written, blow blew blown, fall fell fallen, lie lying lay lain, tie ties tied tying, die dies died dying,
ski skis skiing skied, bus buses, gas gases, lens lenses, taxi taxis, bikini bikinis, kiwi kiwis, safari safaris,
cookie cookies, movie movies, selfie selfies, hoodie hoodies, brownie brownies, smoothie smoothies, zombie zombies,
necktie neckties
"""
_IRREGULAR = MappingProxyType(
    {form: base for entry in _FORMS.split(",") for base, *forms in (entry.split(),) for form in forms}
)
#: They only look like a form of another word.
_UNCHANGED = frozenset({"earring", "evening", "herring", "inning", "outing"})
_CONSONANT_Y = re.compile(r"^y|(?<=[aeiouy])y")
_VOWEL = re.compile(r"[aeiouy]")
#: What follows the first consonant behind a vowel ("R1" of Porter2; "R2" is the same once more within that).
_REGION = re.compile(r"[^aeiouy]*[aeiouy]+[^aeiouy]")
#: "rid", "smil" and "us" end in a short syllable; "eat", "box" and "play" do not.
_SHORT_SYLLABLE = re.compile(r"(?:[^aeiouy][aeiouy][^aeiouywxY]|^[aeiouy][^aeiouy])$")
_DOUBLED = re.compile(r"(?<!^[aeo])(?:bb|dd|ff|gg|kk|mm|nn|pp|rr|tt)$")


@lru_cache(maxsize=8192)
def stem(word: str) -> str:
    """The stem of a folded word: equal stems are forms of one word. It begins as all regular forms do, but for its last
    letter."""
    if len(word) < 3 or not word.isascii() or not word.isalpha():
        return word
    word = _singular(_CONSONANT_Y.sub("Y", _IRREGULAR.get(word, word)))  # in capitals what is no vowel
    return word if word in _UNCHANGED else _without_e(_without_verb_ending(word)).lower()


@lru_cache(maxsize=1)
def _irregular_by_stem() -> dict[str, tuple[str, ...]]:
    forms: dict[str, tuple[str, ...]] = {}
    for form in _IRREGULAR:
        forms[stem(form)] = (*forms.get(stem(form), ()), form)
    return forms


def irregular_forms(root: str) -> tuple[str, ...]:
    """The irregular forms that have this stem: ("ran",) for "run"."""
    return _irregular_by_stem().get(root, ())


def _region(word: str) -> str:
    found = _REGION.match(word)
    return word[found.end() :] if found else ""


def _singular(word: str) -> str:
    """Names stay what they are: Harris and Dennis are not Harry and Denny, Julie is not July."""
    if word.endswith(("ies", "ied")):
        return word[:-3] + "y" if len(word) > 4 else word[:-1]
    is_plural = word.endswith("s") and not word.endswith(("is", "ss", "us")) and _VOWEL.search(word[:-2])
    return word[:-1] if is_plural and word != "news" else word


def _without_verb_ending(word: str) -> str:
    if word.endswith("eed"):
        return word[:-1] if _region(word).endswith("eed") else word
    base = word.removesuffix("ing") if word.endswith("ing") else word.removesuffix("ed")
    if base == word or not _VOWEL.search(base):
        return word
    if _DOUBLED.search(base) or (base.endswith("ll") and _region(_region(base))):  # "stopped", "travelled"
        return base[:-1]
    is_cut = base.endswith(("at", "bl", "iz")) or (not _region(base) and _SHORT_SYLLABLE.search(base))
    return base + "e" if is_cut else base


def _without_e(word: str) -> str:
    region = _region(word)
    is_silent = region.endswith("e") and not word.endswith("ie")
    return word[:-1] if is_silent and (_region(region) or not _SHORT_SYLLABLE.search(word[:-1])) else word
