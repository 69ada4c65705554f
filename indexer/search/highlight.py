"""Why a photo was found: the words of its texts that the query matched, with their places."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from indexer.search import Why
from indexer.search.words import spans

#: From best to worst; a text's reason is its best one.
KINDS = ("exact", "prefix", "synonym", "typo")
_RANK = {kind: rank for rank, kind in enumerate(KINDS)}


@dataclass(frozen=True, slots=True)
class Sought:
    """What to mark: words with their kind of match, beginnings of words, and words that follow one another."""

    kinds: dict[str, str]
    prefixes: tuple[str, ...]
    phrases: tuple[tuple[str, ...], ...]

    def reasons(self, fields: Iterable[tuple[str, str, str]]) -> tuple[Why, ...]:
        """The reasons among the texts of a photo, each given as field, text, and the words of the text."""
        return tuple(
            why for field, text, folded in fields if self._concerned(folded) and (why := self._reason(field, text))
        )

    def _concerned(self, folded: str) -> bool:
        """Whether a text of these words can be a reason at all: most are not, and a page has hundreds."""
        if not self.kinds.keys().isdisjoint(folded.split()):
            return True
        return any(f" {start}" in f" {folded}" for start in self._starts)

    @property
    def _starts(self) -> tuple[str, ...]:
        return self.prefixes + tuple(phrase[0] for phrase in self.phrases)

    def _reason(self, field: str, text: str) -> Why | None:
        found = spans(text)
        kinds = {place: kind for place, span in enumerate(found) if (kind := self._kind(span.word))}
        for place in self._in_phrases([span.word for span in found]):
            kinds[place] = "exact"
        if not kinds:
            return None
        marked = [(found[place].start, found[place].end) for place in sorted(kinds)]
        return Why(field, text, tuple(_joined(marked)), min(kinds.values(), key=_RANK.__getitem__))

    def _kind(self, word: str) -> str | None:
        kind = self.kinds.get(word)
        if kind in {None, "synonym", "typo"} and word.startswith(self.prefixes or ("\0",)):
            return "prefix"
        return kind

    def _in_phrases(self, texts: Sequence[str]) -> Iterator[int]:
        for phrase in self.phrases:
            for start in range(len(texts) - len(phrase) + 1):
                if tuple(texts[start : start + len(phrase)]) == phrase:
                    yield from range(start, start + len(phrase))


def best_kind(kinds: Iterable[dict[str, str]]) -> dict[str, str]:
    """Several words' kinds in one table; where they differ the better one counts."""
    best: dict[str, str] = {}
    for table in kinds:
        for word, kind in table.items():
            if word not in best or _RANK[kind] < _RANK[best[word]]:
                best[word] = kind
    return best


def _joined(marked: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Neighbours with nothing between them as one span: the characters of a Chinese word, "DSC" and "0307"."""
    current: tuple[int, int] | None = None
    for start, end in marked:
        if current and current[1] == start:
            current = (current[0], end)
            continue
        if current:
            yield current
        current = (start, end)
    if current:
        yield current
