"""Why a photo was found: the words of its texts that the query matched, with their places."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from indexer.search import Why
from indexer.text import spans

#: From best to worst; a text's reason is its best one.
KINDS = ("exact", "prefix", "synonym", "typo")
_RANK = {kind: rank for rank, kind in enumerate(KINDS)}


@dataclass(frozen=True, slots=True)
class Highlighter:
    """What to mark: words with their kind of match, beginnings of words, and words that follow one another."""

    kinds: dict[str, str]
    prefixes: tuple[str, ...]
    phrases: tuple[tuple[str, ...], ...]

    def reasons(self, texts: Iterable[Sequence[str]]) -> tuple[Why, ...]:
        """The reasons among the texts of a photo, each given as field, text, and the words of the text."""
        known = self.kinds.keys()
        starts = [f" {start}" for start in (*self.prefixes, *(phrase[0] for phrase in self.phrases))]
        found = []
        for field, text, folded in texts:
            # Whether it can be a reason at all: most texts are none, and a page has hundreds.
            concerned = bool(known) and not known.isdisjoint(folded.split())
            if not concerned and starts:
                concerned = _has_any(f" {folded}", starts)
            if concerned and (why := self._reason(field, text)):
                found.append(why)
        return tuple(found)

    def _reason(self, field: str, text: str) -> Why | None:
        found = spans(text)
        known = self.kinds
        kinds = {place: known[span.word] for place, span in enumerate(found) if span.word in known}
        if self.prefixes:
            for place, span in enumerate(found):
                if span.word.startswith(self.prefixes) and kinds.get(place) != "exact":
                    kinds[place] = "prefix"
        if self.phrases:
            kinds |= dict.fromkeys(self._in_phrases([span.word for span in found]), "exact")
        if not kinds:
            return None
        marked = [(found[place].start, found[place].end) for place in sorted(kinds)]
        return Why(field, text, tuple(_joined(marked)), min(kinds.values(), key=_RANK.__getitem__))

    def _in_phrases(self, texts: Sequence[str]) -> Iterator[int]:
        for phrase in self.phrases:
            for start in range(len(texts) - len(phrase) + 1):
                if tuple(texts[start : start + len(phrase)]) == phrase:
                    yield from range(start, start + len(phrase))


def _has_any(text: str, parts: Iterable[str]) -> bool:
    # A generator in any() costs three times as much, and this runs a thousand times a page.
    for part in parts:  # noqa: SIM110
        if part in text:
            return True
    return False


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
