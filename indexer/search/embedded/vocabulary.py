"""The words that photos have, by their beginning: what somebody who is typing may be about to say."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable

import numpy as np

from indexer.search.embedded.snapshot import IndexSnapshot
from indexer.search.matching import STOP_WORDS
from indexer.search.stems import stem
from indexer.text import is_solo, spans, words


def common_words(picture: IndexSnapshot, reader: sqlite3.Connection, beginning: str, limit: int) -> tuple[str, ...]:
    """As `SearchBackend.vocabulary`."""
    start = begun(beginning)
    known = [word for word in picture.names.beginning_with(start) if worth_saying(word)] if start else []
    codes = np.array([picture.names.word_codes[word] for word in known], np.int32)
    counts = picture.frequencies(codes) if known else np.zeros(0, np.int64)
    found: dict[str, str] = {}  # basic form -> word
    for place in np.argsort(-counts, kind="stable").tolist():
        if len(found) >= limit:
            break
        if counts[place] and stem(known[place]) not in found:
            spelt = _spelling(picture, reader, int(codes[place]), known[place])
            found |= {stem(known[place]): spelt} if spelt else {}
    return tuple(found.values())


def begun(text: str) -> str:
    """The word that `text` is the beginning of, folded; empty where it is none."""
    parts = words(text)
    return parts[0] if len(parts) == 1 and not is_solo(parts[0]) else ""


def worth_saying(word: str) -> bool:
    """Whether anybody would want this word completed."""
    return len(word) > 1 and word not in STOP_WORDS and not is_solo(word)


def spelling(word: str, texts: Iterable[str]) -> str:
    """`word`, which is folded, as the first of `texts` that has it writes it, in small letters; empty without one."""
    for text in texts:
        for span in spans(text):
            if span.word == word:
                return text[span.start : span.end].lower()
    return ""


def _spelling(picture: IndexSnapshot, reader: sqlite3.Connection, code: int, word: str) -> str:
    """Empty where every photo with the word is gone."""
    docno = _photo_with(picture, code)
    if docno is None:
        return ""
    row = reader.execute("SELECT fields FROM shown WHERE docno = ?", (docno,)).fetchone()
    return spelling(word, (text for _, text, _ in json.loads(row["fields"]))) if row else ""


def _photo_with(picture: IndexSnapshot, code: int) -> int | None:
    for segment in picture.words:
        starts, counts = segment.bounds(np.array([code], np.int32))
        photos = segment.photos[int(starts[0]) : int(starts[0] + counts[0])]
        living = photos[picture.alive[photos]]
        if len(living):
            return int(picture.docnos[living[-1]])
    return None
