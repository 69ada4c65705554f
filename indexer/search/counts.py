"""Words of a query that only say how many: "two dogs" asks for dogs.

They are weak evidence: a photo that says the number too comes before the others, and none is found by the number
alone. Where a query asks for nothing else, in names of the library ("Drei Zinnen"), in quotation marks, and where a
number is a year, a day or the number of something ("pixel 6"), they are words like others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from indexer.search import Query
from indexer.search.stems import irregular_forms, stem
from indexer.search.time_lexicon import MONTHS, SHORT_MONTHS, UNITS
from indexer.search.tokens import STOP_WORDS
from indexer.text import words

# Without "elf", which German counts and English dresses as.
_COUNTS = frozenset(
    words(
        """
        one two three four five six seven eight nine ten eleven twelve both few several some many group groups
        ein eine einen einem einer eines eins zwei zwo drei vier fünf sechs sieben acht neun zehn zwölf beide beiden
        einige mehrere viele gruppe gruppen
        """
    )
)
#: Before "of", and "paar" behind "ein"; else a couple is two people.
_BEFORE_OF = frozenset({"pair", "pairs", "couple", "dozen", "lot", "lots", "bunch"})
_BEHIND_EIN = frozenset({"paar", "dutzend"})
_MOST_DIGITS = 2
#: What a number before it is a measure or a time of.
_MEASURES = frozenset(
    words(
        f"""
        {" ".join([*MONTHS, *SHORT_MONTHS, *UNITS])}
        mm cm km kg uhr oclock am pm minutes hours seconds minuten stunden sekunden meter meters metres miles
        euro euros dollars pounds degrees grad prozent percent inches
        """
    )
)
_SHORTEST_PLURAL = 4
_GERMAN_PLURALS = ("e", "en", "er", "n", "s")


def without_counts(query: Query, names: Callable[[], frozenset[str]] = frozenset) -> Query:
    """`query` with its words that only say how many as `counts`; its vector is still that of all of it.

    `names` gives the words that people, places and cameras of the library are called by.
    """
    parts = [words(word) for word in query.words]
    places = [place for place in range(len(parts)) if _is_count(parts, place) and not _is_name(parts, place, names)]
    rest = [word for place, word in enumerate(query.words) if place not in places]
    asks_for_more = query.phrases or any(not STOP_WORDS.issuperset(words(word)) for word in rest)
    if not places or not asks_for_more:
        return query
    counts = tuple(query.words[place] for place in places)
    folded = {word for place in places for word in parts[place]}
    meant = tuple(word for word in query.meant if word not in folded)
    is_meant = bool(meant) or not query.meant
    return replace(
        query,
        words=tuple(rest),
        counts=counts,
        prefix_last=query.prefix_last and len(parts) - 1 not in places,
        meant=meant,
        vector=query.vector if is_meant else None,
        model=query.model if is_meant else "",
    )


def _is_count(parts: Sequence[tuple[str, ...]], place: int) -> bool:
    word, before, after = _word(parts, place), _word(parts, place - 1), _word(parts, place + 1)
    if word in _COUNTS:
        return after not in _MEASURES
    if word in _BEFORE_OF:
        return after == "of"
    if word in _BEHIND_EIN:
        return before == "ein"
    is_number = word.isdecimal() and len(word) <= _MOST_DIGITS and not word.startswith("0")
    if not is_number or not after.isalpha() or after in _MEASURES:
        return False
    # "pixel 6 shore": behind another word it more likely belongs to that word.
    is_free = not before or before in STOP_WORDS or before in _COUNTS
    return _is_english_plural(after) or (is_free and _may_be_plural(after))


def _word(parts: Sequence[tuple[str, ...]], place: int) -> str:
    """The one word at `place`; empty where there is none, or several together ("two-year-old")."""
    return parts[place][0] if 0 <= place < len(parts) and len(parts[place]) == 1 else ""


def _is_name(parts: Sequence[tuple[str, ...]], place: int, names: Callable[[], frozenset[str]]) -> bool:
    """Whether something in the library is called so, together with the word before it or behind it."""
    beside = {_word(parts, place - 1), _word(parts, place + 1)} - {""}
    known = names() if beside else frozenset()
    return _word(parts, place) in known and not beside.isdisjoint(known)


def _is_english_plural(word: str) -> bool:
    root = stem(word)
    return root != word and (word.endswith("s") or word in irregular_forms(root))


def _may_be_plural(word: str) -> bool:
    return len(word) >= _SHORTEST_PLURAL and word.endswith(_GERMAN_PLURALS)
