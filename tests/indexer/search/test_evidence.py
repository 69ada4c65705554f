"""Which photos' words bear out what they look like is told from the index as it would be from their texts."""

from __future__ import annotations

import random
from pathlib import Path

from indexer.search import SearchDocument
from indexer.search.embedded.backend import EmbeddedSearch
from indexer.search.meaning import Meaning
from indexer.search.query import parse
from tests.indexer.search.test_embedded import photo
from tests.towers_made import MEANT, made_tower

#: Near the sea and food at once, but not as near to either as to be believed without a word.
_SO_SO = (0.33, 0.0, 0.0, 0.33, 0.884)
_CONTENT = ("person_caption", "machine_caption", "tags", "keywords", "title", "headline", "alt_texts", "comments")
_OTHERS = ("people", "pets", "places", "locations", "subjects", "folders", "file_names", "camera", "creators")
_WORDS = ("beach", "seaside", "bun", "plate", "chair", "the")


def made(number: int, chance: random.Random) -> SearchDocument:
    fields: dict[str, object] = {}
    for name in chance.sample((*_CONTENT, *_OTHERS), 5):
        word = chance.choice(_WORDS)
        fields[name] = ((word, chance.random()),) if name == "tags" else word if _is_one(name) else (word,)
    caption = str(fields.pop("machine_caption", ""))
    words = ((caption, chance.random()),) if caption else ()
    looks = (("black and white", 0.4), ("red", 0.3))
    return photo(number, caption, embedding=_SO_SO, model="made-1", machine_words=words, appearance=looks, **fields)


def _is_one(name: str) -> bool:
    return name in {"person_caption", "machine_caption", "title", "headline", "camera"}


def content_words(one: SearchDocument) -> set[str]:
    texts = [one.person_caption, one.machine_caption, one.title, one.headline]
    return {*texts, *(word for word, _ in one.tags), *one.keywords, *one.alt_texts, *one.comments}


def found(search: EmbeddedSearch, text: str) -> list[int]:
    return sorted(int(hit.id, 16) for hit in search.search(parse(text), limit=1000).hits)


def test_it_is_told_from_the_index_as_from_the_texts(tmp_path: Path) -> None:
    chance = random.Random(4)
    meant = {word: (*vector, 0.0) for word, vector in (MEANT | {"bun": (0.1, 0.0, 0.0, 0.99)}).items()}
    search = EmbeddedSearch(tmp_path / "search.db", Meaning(lambda: made_tower(meant=meant)))
    photos: list[SearchDocument] = []
    for _ in range(3):  # the index grows between the queries, and some of what it had is replaced
        photos = [one for one in photos if chance.random() < 0.8]
        photos += [made(number, chance) for number in chance.sample(range(1000), 60)]
        photos = list({one.id: one for one in photos}.values())
        search.clear()
        search.put(photos[:20])
        found(search, "cove")
        search.put(photos[20:])
        sea = {int(one.id, 16) for one in photos if content_words(one) & {"beach", "seaside"}}
        food = {int(one.id, 16) for one in photos if "bun" in content_words(one)}
        assert found(search, "cove") == sorted(sea)
        assert found(search, "cove bagel") == sorted(sea & food)
        assert len(photos) > len(sea) > len(sea & food) > 5
    search.close()
