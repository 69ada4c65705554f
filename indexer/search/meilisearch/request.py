"""A query's words as the server reads them.

Finished words are looked for in their basic form, which every photo's `forms` hold as well; that way "dogs" finds
"dog". A word that is still being typed stands as it is: the server takes it for a beginning where no space follows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from indexer.search import Query
from indexer.search.fuzzy import edits_allowed
from indexer.search.matching import Term
from indexer.search.meilisearch.index_settings import AS_TYPED, SPELLING
from indexer.search.stems import stem
from indexer.text import has_digit, is_serial, words

#: The server looks at no more words of one request.
MOST_WORDS = 10
_ANY_FIRST_LETTER_FROM = 5


@dataclass(frozen=True, slots=True)
class RequestWords:
    """One way to ask for a query's words; `terms` is what all of it is made of, the unfinished word last."""

    terms: tuple[Term, ...] = ()
    bounds: str = ""  # phrases and exclusions
    filters: tuple[str, ...] = ()
    allow_typos: bool = False  # of typing mistakes, in the words `typo_terms`
    typo_terms: frozenset[Term] = frozenset()
    finished: bool = True
    most: bool = False  # photos that have some of the words are found too, those with the rarer ones

    @classmethod
    def of(cls, query: Query, terms: Sequence[Term], filters: Iterable[str]) -> Self:
        """As it was typed."""
        unfinished = bool(terms) and terms[-1].prefix
        return cls(tuple(terms[:MOST_WORDS]), bounds_of(query), tuple(filters), finished=not unfinished)

    def variants(self) -> list[RequestWords]:
        """The ways to read it: an unfinished word that has a basic form may be finished as well."""
        if self.finished or basic(self.terms[-1]) == self.terms[-1].words[0]:
            return [self]
        return [self, replace(self, finished=True)]

    def with_typos(self, typo_terms: Iterable[Term]) -> list[RequestWords]:
        """The ways to read it with typing mistakes in these words.

        The server counts a wrong first letter as two mistakes, so the likely ones are set right here.
        """
        several = frozenset(term for term in typo_terms if len(term.words) == 1)
        readings = [replace(self, allow_typos=True, typo_terms=several)]
        for term in self.terms:
            word = term.words[0]
            if term in several and len(word) >= _ANY_FIRST_LETTER_FROM and edits_allowed(word):
                swapped, shortened = word[1] + word[0] + word[2:], word[1:]
                readings += [readings[0]._with(term, swapped), readings[0]._with(term, shortened)]
        return readings

    def only(self, terms: Iterable[Term]) -> RequestWords:
        """Of these words alone."""
        kept = tuple(terms)
        return replace(self, terms=kept, finished=self.finished or not kept or not kept[-1].prefix)

    def within(self, *filters: str) -> RequestWords:
        """With more filters."""
        return replace(self, filters=(*self.filters, *filters))

    def to_request(self, index: str, **more: Any) -> dict[str, Any]:
        """The server's search request (https://www.meilisearch.com/docs/reference/api/search)."""
        return {
            "indexUid": index,
            "q": self._text(),
            "filter": list(self.filters),
            "matchingStrategy": "frequency" if self.most else "all",
            "attributesToSearchOn": [*AS_TYPED, SPELLING] if self.allow_typos else list(AS_TYPED),
            **more,
        }

    def _with(self, term: Term, word: str) -> RequestWords:
        right = Term(word, (word,), term.prefix)
        terms = tuple(right if own == term else own for own in self.terms)
        return replace(self, terms=terms, typo_terms=self.typo_terms | {right})

    def _text(self) -> str:
        if not self.terms:
            return self.bounds
        words_asked = [term.words[0] if term in self.typo_terms else basic(term) for term in self.terms]
        if not self.finished:
            words_asked[-1] = self.terms[-1].words[0]
        parts = [self.bounds, *words_asked]
        return " ".join(filter(None, parts)) + (" " if self.finished else "")


def basic(term: Term) -> str:
    """A finished word as it is asked for."""
    if len(term.words) > 1:
        return f'"{" ".join(term.words)}"'
    word = term.words[0]
    return word if is_serial(word) or has_digit(word) else stem(word)


def bounds_of(query: Query) -> str:
    """The phrases that have to be there, and what must not."""
    return " ".join([*(f'"{" ".join(words(text))}"' for text in query.phrases if words(text)), *_excluded(query)])


def _excluded(query: Query) -> Iterator[str]:
    for text in query.excluded:
        parts = words(text)
        if len(parts) == 1:
            yield f"-{basic(Term(text, parts))}"
        elif parts:
            yield f'-"{" ".join(parts)}"'
