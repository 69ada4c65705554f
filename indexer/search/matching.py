"""Which photos the words of a query mean: every word becomes a `Group` of words that the index has.

For "dogs" these are, from best to worst: the word itself (quality 1), its other forms and spellings (0.95), words that
it begins while it is still being typed (0.8), synonyms (0.6), words that it is a part of (0.5), and corrected words
(one edit 0.3, two 0.2), these last only for a word that is not in the index, or where nothing was found, or where the
word stands in so few photos next to a far more frequent neighbour that it looks like a mistake in those photos. A word
that the query's vector stands for is not taken for a mistake.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby, pairwise
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import process
from rapidfuzz.distance import OSA

from indexer.search import Query
from indexer.search.aliases import AliasKind, spelt_out, with_umlauts
from indexer.search.appearance import index_word, is_colour, looks_named
from indexer.search.arrays import Floats, Ints, Mask
from indexer.search.certainty import GIVEN, OTHER_WORD, scores_and_evidence
from indexer.search.compounds import SHORTEST_PART, part_keys
from indexer.search.groups import Group, GroupSource, make_anew
from indexer.search.inflections import LONGEST_ENDING, are_forms, shared_beginning, stem_of
from indexer.search.stems import irregular_forms, stem
from indexer.search.synonyms import synonyms
from indexer.search.tokens import STOP_WORDS
from indexer.text import fold, has_digit, is_serial, is_solo, words

EXACT, FORM, PREFIX, SYNONYM, PART, ONE_EDIT, TWO_EDITS = 1.0, 0.95, 0.8, 0.6, 0.5, 0.3, 0.2
_KINDS = {SYNONYM: "synonym", PART: "part"}
_PHRASE = 0.9
_SERIAL = 0.45
_MOST_CORRECTIONS = 8
# What a look says: beside other words nothing below this; a colour alone so much of it, which is less than any text
# says (Flickr8k's dev split: MAP of colour words 0.467 so, 0.463 without looks, less where they count in full).
_LEAST_BESIDE, _COLOUR_ALONE = np.float32(0.1), np.float32(0.1)
# A word in at most two photos, with a neighbour at least twenty times as frequent, is taken for a mistake.
RARE, MISTAKE_RATIO = 2, 20
ONE_EDIT_FROM, TWO_EDITS_FROM = 4, 8
ANY_FIRST_LETTER_FROM = 5
_PREFIX_FROM = 5
_SERIAL_PREFIX_FROM = 5
_UNFINISHED_FROM = 3
_FOREIGN_FROM = 3


class Lexicon(Protocol):
    """The words of an index, sorted and with their codes."""

    @property
    def word_codes(self) -> Mapping[str, int]:
        """Word -> code."""

    @property
    def words_sorted(self) -> Sequence[str]:
        """Every word."""

    def beginning_with(self, prefix: str) -> list[str]:
        """The words that begin with `prefix`, in order."""

    def words_with_alias(self, kind: AliasKind, text: str) -> tuple[str, ...]:
        """The words that have this alias."""

    def languages(self) -> tuple[str, ...]:
        """The languages that the words are in, besides English."""


class TermLookup(Protocol):
    """The photos that words are matched against: a whole library, or what a server found."""

    @property
    def names(self) -> Lexicon:
        """The words that these photos have."""

    def scores(self, codes: Ints, qualities: Floats) -> Floats:
        """Per photo the best of strength times quality among the words `codes`, (n,); 0 where it has none of them."""

    def matches(self, codes: Ints, qualities: Floats) -> tuple[Floats, Mask]:
        """`scores`, and the photos with one of the words that not the model alone says."""

    def frequencies(self, codes: Ints) -> NDArray[np.int64]:
        """How many photos each of the words `codes` has."""

    def full_text(self, parts: Sequence[str], *, prefix: bool = False) -> Mask:
        """The photos in which the words `parts` follow one another, the last one perhaps unfinished."""


@dataclass(frozen=True, slots=True)
class Term:
    """One word, or the characters of a script without spaces, which have to stand together."""

    typed: str
    words: tuple[str, ...]
    prefix: bool = False


class Matcher:
    """Reads the words of queries against the words of some photos."""

    def __init__(self, lookup: TermLookup, source: GroupSource = make_anew) -> None:
        self._lookup = lookup
        self._names = lookup.names
        self._source = source

    def groups(self, query: Query, *, correct_known: bool = False) -> list[Group]:
        """One group for each word that says something; with `correct_known`, words of the index are corrected too."""
        terms = terms_of(query)
        joined = self._join_neighbours(terms)
        meant = frozenset(query.meant)
        looks = looks_of_terms(terms)
        groups = []
        for place, term in enumerate(terms):
            arguments = term, tuple(joined.get(place, ())), term.words[0] in meant, correct_known
            groups.append(self._source(arguments, partial(self._group, *arguments)))
        beside = len(looks) < len(terms)
        return [
            self._with_looks(group, looks[place], beside=beside) if place in looks else group
            for place, group in enumerate(groups)
        ]

    def phrase(self, text: str) -> Group:
        """The photos in which the words of `text` follow one another."""
        parts = words(text)
        if len(parts) == 1 and parts[0] in self._names.word_codes:  # no full-text search is needed
            return self._group_of(text, {parts[0]: _PHRASE}, phrase=parts)
        mask = self._lookup.full_text(parts)
        best, evidence = mask * np.float32(_SERIAL), mask * GIVEN
        telling = [part for part in parts if part not in STOP_WORDS] or list(parts)
        known = [self._group_of(part, {part: _PHRASE}) for part in telling if part in self._names.word_codes]
        if known:
            best = np.where(mask, np.maximum(np.minimum.reduce([part.scores for part in known]), best), np.float32(0))
            evidence = mask * np.minimum.reduce([part.evidence for part in known])
        return Group(text, best, evidence, phrase=parts)

    def exclusion_mask(self, text: str) -> Mask:
        """The photos that a `-word` or `-"phrase"` takes away: the word, its forms and what it is a part of."""
        parts = words(text)
        if len(parts) == 1 and not is_serial(parts[0]):
            found = self._codes(dict.fromkeys((*self._forms(parts[0]), *self._compounds(parts[0]))))
            return self._lookup.scores(found, np.full(len(found), EXACT, np.float32)) > 0
        return self._lookup.full_text(parts)

    def _group(self, term: Term, joined: Iterable[str], is_meant: bool, correct_known: bool) -> Group:
        """`joined` are words made of this one and a neighbour; `is_meant`: the query's vector stands for it."""
        if len(term.words) > 1:
            return self.phrase(term.typed)
        word = term.words[0]
        if is_serial(word):
            return self._serial(term)
        qualities = self._word_qualities(term, joined)
        kinds = {text: _KINDS.get(quality, "exact") for text, quality in qualities.items()}
        beginning = self._names.beginning_with(word) if term.prefix else []
        begun = dict.fromkeys(beginning, PREFIX)
        qualities = begun | {text: max(quality, begun.get(text, 0)) for text, quality in qualities.items()}
        corrected: tuple[str, ...] = ()
        rare = self._looks_mistaken(word, qualities)
        if not is_meant and (correct_known or not qualities or rare):
            at_least = 1 if correct_known or not rare else MISTAKE_RATIO * self._frequency([word])
            nearest = self._corrections(term, at_least=at_least)
            corrected = tuple(text for text in nearest if text not in qualities)
            of_each = ((self._word_qualities(Term(text, (text,)), ()), worth) for text, worth in nearest.items())
            typos = {form: worth * quality for forms, worth in of_each for form, quality in forms.items()}
            kinds.update(dict.fromkeys(typos.keys() - qualities.keys(), "typo"))
            qualities = {**typos, **qualities}
        if not qualities:
            return self._guess(term)
        prefix = word if term.prefix else ""
        group = self._group_of(term.typed, qualities, kinds=kinds, prefix=prefix, corrected=corrected)
        return replace(group, parts=part_keys(word)) if "part" in kinds.values() else group

    def _with_looks(self, group: Group, looks: Sequence[str], *, beside: bool) -> Group:
        """With the photos that look so, and those whose texts say it in English."""
        names = {form: SYNONYM for look in looks for form in self._forms(look)}
        named = self._group_of(group.typed, names)
        # Where texts have the word itself, its name in English is another word.
        share = np.where((named.evidence < GIVEN) & group.scores.any(), np.float32(OTHER_WORD * SYNONYM), np.float32(1))
        scores = np.maximum(group.scores, named.scores)
        evidence = np.maximum(group.evidence, named.evidence * share)
        kinds = {**dict.fromkeys(names, "synonym"), **group.kinds}
        text_mask = scores > 0
        for look in looks:
            if (word := index_word(look)) not in self._names.word_codes:
                continue
            seen = self._group_of(look, {word: EXACT})
            counted = (seen.scores >= (_LEAST_BESIDE if beside else 0)).astype(np.float32)
            if is_colour(look) and not beside:
                counted *= _COLOUR_ALONE
            scores = _either(scores, seen.scores * counted)
            evidence = _either(evidence, seen.evidence * counted)
            kinds[word] = "exact"
        return replace(group, scores=scores, evidence=evidence, kinds=kinds, optional=True, text_mask=text_mask)

    def _guess(self, term: Term) -> Group:
        """The group of a word that is not in the index in any form: of two words written as one, else of the words that
        it begins."""
        word = term.words[0]
        if halves := self._halves(word):
            return replace(self.phrase(" ".join(halves)), typed=term.typed)
        beginning = self._names.beginning_with(word) if len(word) >= _UNFINISHED_FROM else []
        return self._group_of(term.typed, dict.fromkeys(beginning, PREFIX), prefix=word if beginning else "")

    def _word_qualities(self, term: Term, joined: Iterable[str]) -> dict[str, float]:
        """The word, its forms, its synonyms and what it is a part of, as far as the index has them."""
        word = term.words[0]
        qualities = dict.fromkeys(self._compounds(word), PART)
        qualities.update({form: SYNONYM for other in synonyms(word) for form in self._forms(other)})
        qualities.update(dict.fromkeys(joined, FORM))
        qualities.update(dict.fromkeys(self._spellings(term), FORM))
        qualities.update(dict.fromkeys(self._forms(word), FORM))
        if word in self._names.word_codes:
            qualities[word] = EXACT
        return qualities

    def _forms(self, word: str) -> Iterator[str]:
        if word in self._names.word_codes:
            yield word
        root = stem(word)
        if has_digit(word) or len(root) < 2:
            return
        # All but the irregular forms keep the root's beginning: "parties" that of "party", "riding" that of "ride".
        regular = self._names.beginning_with(root[: max(2, len(root) - 1)])
        yield from (form for form in regular if form != word and stem(form) == root)
        yield from (form for form in irregular_forms(root) if form != word and form in self._names.word_codes)
        for language in self._names.languages():
            yield from self._foreign_forms(word, language)

    def _foreign_forms(self, word: str, language: str) -> Iterator[str]:
        root = stem_of(word, language)
        if len(root) >= _FOREIGN_FROM:
            alike = self._names.beginning_with(shared_beginning(root, language))
            most = len(root) + LONGEST_ENDING
            yield from (
                form for form in alike if len(form) <= most and form != word and are_forms(form, word, language)
            )

    def _spellings(self, term: Term) -> Iterator[str]:
        """The word without its umlauts, and with those that it stands for: "Öl" and "Oel"."""
        word = term.words[0]
        spelt = {other for one in term.typed.split() if fold(one) == word and (other := spelt_out(one))}
        others = {*spelt, with_umlauts(word), *self._names.words_with_alias(AliasKind.SPELLING, word)} - {""}
        yield from (form for other in others for form in self._forms(other))

    def _compounds(self, word: str) -> Iterator[str]:
        """What `word` is a part of: "Torte" of "Geburtstagstorte"."""
        for key in part_keys(word) if len(word) >= SHORTEST_PART else ():
            known = self._names.words_with_alias(AliasKind.PART, key)
            yield from (compound for compound in known if compound in self._names.word_codes)

    def _looks_mistaken(self, word: str, qualities: dict[str, float]) -> bool:
        return bool(edits_allowed(word)) and qualities.get(word) == EXACT and self._frequency([word]) <= RARE

    def _corrections(self, term: Term, *, at_least: int) -> dict[str, float]:
        """The nearest words that stand in so many photos, the most frequent first."""
        names = self._names
        near = corrections(term.words[0], names.words_sorted, names.beginning_with, prefix=term.prefix)
        if not near:
            return {}
        frequencies = self._lookup.frequencies(self._codes(text for text, _ in near))
        ranked = sorted(zip(frequencies.tolist(), near, strict=True), key=lambda item: (-item[0], item[1]))
        kept = [(text, distance) for frequency, (text, distance) in ranked if frequency >= at_least][:_MOST_CORRECTIONS]
        return {text: ONE_EDIT if distance == 1 else TWO_EDITS for text, distance in kept}

    def _join_neighbours(self, terms: Sequence[Term]) -> dict[int, list[str]]:
        """Words written apart that the index has as one: "skate board" finds "skateboard"."""
        joined: dict[int, list[str]] = {}
        for place, (left, right) in enumerate(pairwise(terms)):
            whole = left.words[-1] + right.words[0]
            if len(whole) > 4 and len(left.words) == len(right.words) == 1:
                known = self._names.beginning_with(whole) if right.prefix else {whole} & self._names.word_codes.keys()
                joined.setdefault(place, []).extend(known)
                joined.setdefault(place + 1, []).extend(known)
        return joined

    def _halves(self, word: str) -> tuple[str, str] | None:
        """Two words of the index that `word` is made of: "birthdaycake"."""
        if has_digit(word):
            return None
        known = self._names.word_codes
        splits = ((word[:at], word[at:]) for at in range(3, len(word) - 2))
        fitting = [halves for halves in splits if halves[0] in known and halves[1] in known]
        return max(fitting, key=lambda halves: min(map(self._frequency, ([half] for half in halves))), default=None)

    def _serial(self, term: Term) -> Group:
        word = term.words[0]
        mask = self._lookup.full_text((word,), prefix=term.prefix and len(word) >= _SERIAL_PREFIX_FROM)
        prefix = word if term.prefix else ""
        return Group(term.typed, mask * np.float32(_SERIAL), mask * GIVEN, {word: "exact"}, prefix)

    def _group_of(self, typed: str, qualities: Mapping[str, float], **more: Any) -> Group:
        """The group of these words of the index."""
        return Group(typed, *scores_and_evidence(qualities, self._matches), **more)

    def _matches(self, qualities: Mapping[str, float]) -> tuple[Floats, Mask]:
        return self._lookup.matches(self._codes(qualities), np.fromiter(qualities.values(), np.float32))

    def _codes(self, texts: Iterable[str]) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
        return np.fromiter(map(self._names.word_codes.__getitem__, texts), np.int32)

    def _frequency(self, texts: Sequence[str]) -> int:
        return int(self._lookup.frequencies(self._codes(texts)).sum())


def _either(one: Floats, other: Floats) -> Floats:
    """Of two independent pieces of evidence; the better one where one is certain."""
    together = 1 - (1 - np.minimum(one, 1)) * (1 - np.minimum(other, 1))
    return np.asarray(np.maximum(np.maximum(one, other), together), np.float32)


def terms_of(query: Query) -> list[Term]:
    """The words of `query` that say something, each once."""
    terms = [
        Term(word if len(parts) == 1 else "".join(run), run if solo else run[:1])
        for word in query.words
        if (parts := words(word))
        for solo, run in _runs(parts)
    ]
    if terms and query.prefix_last and len(terms[-1].words) == 1:
        terms[-1] = Term(terms[-1].typed, terms[-1].words, prefix=not is_solo(terms[-1].words[0]))
    telling = [term for term in terms if len(term.words) > 1 or term.words[0] not in STOP_WORDS]
    return list(dict.fromkeys(telling or terms))


def looks_of_terms(terms: Sequence[Term]) -> dict[int, tuple[str, ...]]:
    """The looks that the words of a query name, by their places."""
    return looks_named([term.words[0] if len(term.words) == 1 else "" for term in terms])


def _runs(parts: Sequence[str]) -> Iterator[tuple[bool, tuple[str, ...]]]:
    """Neighbouring characters of scripts without spaces together, every other word for itself."""
    for solo, run in groupby(parts, is_solo):
        if solo:
            yield True, tuple(run)
        else:
            yield from ((False, (part,)) for part in run)


def edits_allowed(word: str) -> int:
    """How many typing mistakes `word` may hold."""
    if len(word) < ONE_EDIT_FROM or has_digit(word) or is_solo(word):
        return 0
    return 2 if len(word) >= TWO_EDITS_FROM else 1


def corrections(
    word: str, vocabulary: Sequence[str], beginning_with: Callable[[str], Sequence[str]], *, prefix: bool = False
) -> list[tuple[str, int]]:
    """The words nearest to `word` with their distances, itself left out; with `prefix` also those that begin nearly so.

    `vocabulary` holds all words, `beginning_with` gives those with a certain beginning. Only the nearest are given:
    words two edits away only where none is one edit away.
    """
    allowed = edits_allowed(word)
    if not allowed:
        return []
    alike = beginning_with(word[0])
    found = _near(word, alike, allowed)
    if not found and prefix and len(word) >= _PREFIX_FROM:
        cut = {text[: len(word)]: text for text in alike if len(text) > len(word)}
        near = {text for text, _ in _near(word, list(cut), 1)}
        found = [(text, 1) for text in alike if text[: len(word)] in near]
    if not found and len(word) >= ANY_FIRST_LETTER_FROM:
        found = _near(word, vocabulary, 1)
    nearest = min((distance for _, distance in found), default=0)
    return [(text, distance) for text, distance in found if distance == nearest]


def _near(word: str, vocabulary: Sequence[str], allowed: int) -> list[tuple[str, int]]:
    matches = process.extract(word, vocabulary, scorer=OSA.distance, processor=None, score_cutoff=allowed, limit=None)
    return [(text, int(distance)) for text, distance, _ in matches if distance and not has_digit(text)]
