"""Which forms of an English word find each other: dog and dogs, run and running, child and children.

Lighter than Porter's stemmer (Program 14, 1980): plurals and the verb endings -ed and -ing only, so that unlike
words stay apart ("university", "universe"). Words of other languages mostly pass through unchanged.
"""

from __future__ import annotations

from functools import lru_cache
from types import MappingProxyType

_IRREGULAR = MappingProxyType(
    {
        form: base
        for base, *forms in (
            line.split()
            for line in """
            child children
            man men
            woman women
            person people persons
            foot feet
            tooth teeth
            mouse mice
            goose geese
            leaf leaves
            knife knives
            wolf wolves
            loaf loaves
            shelf shelves
            wife wives
            calf calves
            run ran
            sit sat
            swim swam swum
            ride rode ridden
            eat ate eaten
            stand stood
            hold held
            throw threw thrown
            wear wore worn
            drive drove driven
            fly flew flown flies
            sleep slept
            catch caught
            sing sang sung
            drink drank drunk
            write wrote written
            blow blew blown
            fall fell fallen
            lie lying lay lain
            tie ties tied tying
            die dies died dying
            ski skis skiing skied
            """.splitlines()
            if line.strip()
        )
        for form in forms
    }
)
_VOWELS = frozenset("aeiouy")


@lru_cache(maxsize=8192)
def stem(word: str) -> str:
    """The stem of a folded word: equal stems are forms of one word."""
    if len(word) < 3 or not word.isascii() or not word.isalpha():
        return word
    if word in _IRREGULAR:
        word = _IRREGULAR[word]
    return _without_e(_without_verb_ending(_singular(word)))


@lru_cache(maxsize=1)
def _irregular_by_stem() -> dict[str, tuple[str, ...]]:
    forms: dict[str, tuple[str, ...]] = {}
    for form in _IRREGULAR:
        forms[stem(form)] = (*forms.get(stem(form), ()), form)
    return forms


def irregular_forms(root: str) -> tuple[str, ...]:
    """The irregular forms that have this stem: ("ran",) for "run"."""
    return _irregular_by_stem().get(root, ())


def _singular(word: str) -> str:
    if not word.endswith("s") or word.endswith(("ss", "us", "is")) or len(word) < 4:
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    return word[:-1]


def _without_verb_ending(word: str) -> str:
    for ending in ("ing", "ed"):
        base = word.removesuffix(ending)
        if base == word or len(base) < 3 or not _VOWELS & set(base):
            continue
        if ending == "ed" and base.endswith("i"):
            return base[:-1] + "y"
        doubled = base[-1] == base[-2] and base[-1] not in "lsz"
        return base[:-1] if doubled else base
    return word


def _without_e(word: str) -> str:
    return word[:-1] if word.endswith("e") and len(word) > 3 else word
