"""The index's settings, declared once; an index that has others is made anew (`MeilisearchSearch.prepare`).

https://www.meilisearch.com/docs/reference/api/settings
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from indexer.search.fuzzy import ONE_EDIT_FROM, TWO_EDITS_FROM
from indexer.search.matching import STOP_WORDS
from indexer.search.stems import stem
from indexer.search.synonyms import synonym_table

#: To be raised with every change of what stands in a document: the index is then made anew.
LAYOUT = 2

#: The texts of a photo, from the most to the least telling; `fields.Text.field` names them.
TEXTS = (
    "person_caption",
    "machine_caption",
    "tags",
    "keywords",
    "people",
    "pets",
    "title",
    "headline",
    "alt_texts",
    "comments",
    "places",
    "locations",
    "subjects",
    "folders",
    "file_names",
    "taken_at",
    "camera",
    "lens",
    "creators",
)
#: The basic forms of a photo's words, where they are others than the words. And the model's sentence where that, or one
#: of its words, is doubtful: this is the attribute that weighs least.
FORMS = "forms"
#: A photo's words once more, the only ones in which typing mistakes are forgiven.
SPELLING = "spelling"
#: Where words are looked for as they were typed.
AS_TYPED = (*TEXTS, FORMS)
FACET = "facet_"
#: What search reads of each document that it ranks.
READ = ("id", "shown", "words", "strengths", "taken", "embedding", "model")

_CUTOFF_MS = 1500
_ORDERED = frozenset({"searchableAttributes", "rankingRules"})


def index_settings(embedder: tuple[str, int] | None = None) -> dict[str, Any]:
    """Every setting that differs from the server's own; `embedder` is the name and the length of the vectors."""
    settings: dict[str, Any] = {
        # The order is that of weight. Texts are stored as words, folded as ours are: the server cuts them at spaces.
        "searchableAttributes": [*AS_TYPED, SPELLING],
        # The last name is no attribute: it tells indexes of different layouts apart.
        "displayedAttributes": [*READ, "revision", f"layout-{LAYOUT}"],
        "filterableAttributes": [
            {"attributePatterns": ["id", f"{FACET}*"], "features": _features(equality=True)},
            {"attributePatterns": ["taken", "stars"], "features": _features(comparison=True)},
            "_geo",
        ],
        "sortableAttributes": ["taken"],
        # Whoever sorts by date wants just that; what is equally relevant comes newest first.
        "rankingRules": ["sort", "words", "typo", "proximity", "attributeRank", "exactness", "taken:desc"],
        "stopWords": sorted(STOP_WORDS),
        "synonyms": _synonyms(),
        "typoTolerance": {
            "enabled": True,
            "minWordSizeForTypos": {"oneTypo": ONE_EDIT_FROM, "twoTypos": TWO_EDITS_FROM},
            "disableOnAttributes": list(AS_TYPED),  # file names among them
            "disableOnNumbers": True,
        },
        # Phrases need the places of words ("byAttribute" knows only that they stand in one text), and beginnings of
        # words are what as-you-type is made of.
        "proximityPrecision": "byWord",
        "prefixSearch": "indexingTime",
        "facetSearch": False,
        "faceting": {"maxValuesPerFacet": 20_000, "sortFacetValuesBy": {"*": "count"}},
        "pagination": {"maxTotalHits": 10_000_000},
        "searchCutoffMs": _CUTOFF_MS,
        "embedders": {},
    }
    if embedder is not None:
        settings["embedders"] = {embedder[0]: embedder_settings(embedder[1])}
    return settings


def embedder_settings(dimensions: int) -> dict[str, Any]:
    """Vectors come from us: those of the caption model."""
    return {"source": "userProvided", "dimensions": dimensions}


def settings_match(wanted: Any, current: Any, *, ordered: bool = False) -> bool:
    """Whether an index's settings are those wanted. What the server adds by itself, or more embedders, is no matter."""
    if isinstance(wanted, dict) and isinstance(current, Mapping):
        return all(settings_match(value, current.get(key), ordered=key in _ORDERED) for key, value in wanted.items())
    if isinstance(wanted, list) and isinstance(current, list):
        if len(wanted) != len(current):
            return False
        pairs = zip(wanted, current, strict=True) if ordered else zip(_sorted(wanted), _sorted(current), strict=True)
        return all(settings_match(*pair) for pair in pairs)
    return bool(wanted == current)


def _sorted(items: list[Any]) -> list[Any]:
    return sorted(items, key=lambda item: json.dumps(item, sort_keys=True))


def _features(*, equality: bool = False, comparison: bool = False) -> dict[str, Any]:
    return {"facetSearch": False, "filter": {"equality": equality, "comparison": comparison}}


def _synonyms() -> dict[str, list[str]]:
    """By the word as it is typed and by its basic form; what they stand for are basic forms."""
    return {word: sorted({stem(other) for other in others} - {word}) for word, others in synonym_table().items()}
