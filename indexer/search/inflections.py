"""Which words of other languages than English are forms of one word: Katze and Katzen, Haus and Häuser, plage(s).

Snowball's stemmers (https://snowballstem.org, by PyStemmer) join more than that: "wandern" and "Wand", "Peter" and
"pet". So two words are forms of one only where they differ in endings of nouns and adjectives alone, and in German in
-er only where a noun has that plural. Words are folded, which takes the umlaut of "Häuser" away.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from types import MappingProxyType

import Stemmer

_WITH_ER_PLURAL = """
amt bad band bild blatt brett buch dach dorf ei fach fass feld geist gesicht gespenst glas glied grab gras haupt haus
holz huhn horn kalb kind kleid korn kraut lamm land licht lied loch mahl mal mann maul mitglied nest rad rand reis
rind schild schloss schwert strauch tal tuch volk wald weib wort wurm
"""
#: The nouns whose plural ends in -er.
_ER_PLURALS = tuple(_WITH_ER_PLURAL.split())
_WITH_S_PLURAL = "omas opas mamas papas pizzas sofas kameras villas zebras pandas"
#: Behind other vowels than "o" an -s is mostly a name's ("Jonas", "Andreas").
_S_PLURALS = frozenset(_WITH_S_PLURAL.split())
_SHORTEST_PLURAL = 4
#: What two words of one stem may end in behind what they have in common: both in endings of one of these groups.
_ENDINGS = MappingProxyType(
    {
        "german": (frozenset(("", "e", "n", "en", "er", "ern", "s", "es", "em", "nen", "se", "sen")),),
        "french": (frozenset(("", "s", "x")), frozenset(("l", "ux"))),
        "spanish": (frozenset(("", "s")), frozenset(("", "es")), frozenset(("a", "o", "as", "os"))),
        "italian": (
            frozenset(("a", "e", "i", "o", "he", "hi", "ia", "ie", "io")),
            frozenset(("", "i")),
            frozenset(("", "h")),
        ),
        "dutch": (frozenset(("", "s", "n", "en", "eren", "ten", "nen", "len", "pen", "ken", "men", "sen")),),
    }
)
LANGUAGES = tuple(_ENDINGS)
#: Names of Snowball's algorithms that are others than those of the languages.
_ALGORITHMS = MappingProxyType({"dutch": "dutch_porter"})
#: The end of a stem may differ from that of a form: "cheval" and "chevaux", "bot" and "boot".
_CHANGING = frozenset({"french", "dutch"})
#: Letters of a form behind its stem.
LONGEST_ENDING = 4
_DOUBLE_VOWEL = re.compile(r"([aeou])\1")
#: Folded words that are different ones all the same.
_APART = frozenset((frozenset(("kuche", "kuchen")), frozenset(("hutte", "hut")), frozenset(("masse", "mass"))))


_JOINED_ENGLISH = """
are area areas bar barb barbie bare bars bean beanie beat beaten beats bent bento bit bite bites bits bitten bowtie
bowties bras brass bus buss came camo can cane canes cans cap cape capes capri capris caps car care cars cell cello
chin china cola cole com come comes cook cookie cub cube cubes cubs cut cute cuts dam dame disc disco divers diverse
don done dons dozen dozes drunk drunken far fare fine fins fir fire fires flaming flamingos flea flee for fore frisbe
frisbees gaza gaze gazes give given gives goal goalie gold golden got gotten gras grass grind grinder grinds hat hate
hats her here hero hers hoes hood hoodie hopes hops hors horse horses hose hug huge hugs israel israeli khaki khakis
kit kite kites kits kitten laps lapse latin latino lay lays leave leaves leg lego legos lime limes limo line linen
lines list listen lit lite log logo logos los lose loses mad made man mane mans marina marine mat mate mates mats men
mens mic mice mine mini mit mitt mitten mitts move movie new news not note notes ollie ollies ones onesie pan pane
pans park parka past pasta paste people peoples pin pine pins pit pita plan plane planes plans plat plate plates pole
poles polo polos port porta rad radio rid ride rides rip ripe rod rode rods sam same sari saris self selfie shin shine
shines sit site sites sits ski skies slid slide slides smooth smoothie sole solo spar spare speed speedo star stare
stares stars strip stripe stripes strips studies studio take taken takes talk talkie tap tape tax taxi the thee them
theme tone tones tons tri tries trio tub tuba tube tubes tubs tuna tune tunes twin twine twins van vane vans veggie
veggies virgin virginia walk walkie war wares wars waterski waterskis wheel wheelie whit white whites win wine wines
wood wooden woods wool woolen
"""
#: English words that these rules would join: of the 8,527 words that stand five times or more in the captions of COCO
#: and Flickr30k those of which two are forms of one word of another language, and not of an English one.
_ENGLISH = frozenset(_JOINED_ENGLISH.split())


@lru_cache(maxsize=8)
def _stemmer(language: str) -> Callable[[str], str]:
    # Without a cache of its own, which threads would share.
    stem_word: Callable[[str], str] = Stemmer.Stemmer(_ALGORITHMS.get(language, language), 0).stemWord
    return stem_word


@lru_cache(maxsize=16384)
def stem_of(word: str, language: str) -> str:
    """The stem of a folded word in one of `LANGUAGES`."""
    if language == "german":
        return german_stem(word)
    return _stemmer(language)(word)


@lru_cache(maxsize=16384)
def german_stem(word: str) -> str:
    """The stem of a folded German word: -er goes only where it is the ending of a plural."""
    if word in _S_PLURALS or (len(word) > _SHORTEST_PLURAL and word.endswith(("os", "ys"))):
        return word[:-1]
    base = word.removesuffix("n") if word.endswith("ern") else word
    if base.endswith("er") and not base[:-2].endswith(_ER_PLURALS):
        return word
    return _stemmer("german")(word)


def shared_beginning(root: str, language: str) -> str:
    """What all forms begin with that have this stem."""
    return root[:-1] if language in _CHANGING else root


def are_forms(one: str, other: str, language: str) -> bool:
    """Whether two folded words are forms of one word of `language`."""
    if stem_of(one, language) != stem_of(other, language) or frozenset((one, other)) in _APART:
        return False
    if one in _ENGLISH and other in _ENGLISH:
        return False
    if language == "dutch":  # "boot" and "boten"
        one, other = _DOUBLE_VOWEL.sub(r"\1", one), _DOUBLE_VOWEL.sub(r"\1", other)
    shared = next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    return any(one[shared:] in endings and other[shared:] in endings for endings in _ENDINGS[language])
