"""The words that photos have, by their beginning; the server has no list of them, so the newest photos are asked."""

from __future__ import annotations

from collections import Counter

from indexer.search.matching import Term
from indexer.search.meilisearch.client import SearchClient
from indexer.search.meilisearch.layout import FoundPhoto
from indexer.search.meilisearch.request import RequestWords
from indexer.search.stems import stem
from indexer.search.vocabulary import is_completable, spelling, typed_word

#: So many photos that have such a word tell which of these words are common.
_SAMPLE = 100


def common_words(client: SearchClient, beginning: str, limit: int) -> tuple[str, ...]:
    """As `SearchBackend.vocabulary`."""
    start = typed_word(beginning)
    if not start:
        return ()
    words_asked = RequestWords((Term(start, (start,), prefix=True),), finished=False)
    more = {"limit": _SAMPLE, "sort": ["taken:desc"], "attributesToRetrieve": ["words", "shown"]}
    photos = [FoundPhoto(hit) for hit in client.ask([words_asked.to_request(client.index, **more)])[0]["hits"]]
    of_photos = [photo.document.get("words", "").split() for photo in photos]
    counts = Counter(word for said in of_photos for word in said if word.startswith(start) and is_completable(word))
    found: dict[str, str] = {}  # basic form -> word
    for word in sorted(counts, key=lambda word: (-counts[word], word)):
        if stem(word) not in found and len(found) < limit:
            texts = (text for photo, said in zip(photos, of_photos, strict=True) if word in said for text in _of(photo))
            found[stem(word)] = spelling(word, texts) or word
    return tuple(found.values())


def _of(photo: FoundPhoto) -> list[str]:
    return [text for _, text in photo.document.get("shown", [])]
