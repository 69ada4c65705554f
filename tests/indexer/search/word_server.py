"""A search server that knows words alone, for what no recorded answer tells: the Meilisearch backend asks it, and it
finds the documents that have every word of a request in the attributes that are searched."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from indexer.search import SearchDocument
from indexer.search.meilisearch import MeilisearchSearch
from indexer.search.meilisearch.client import SearchClient
from indexer.search.meilisearch.keys import Keys
from indexer.search.meilisearch.layout import to_server_json

Json = dict[str, Any]


class WordServer:
    """Stands in for `Connection`, for searching alone."""

    def __init__(self) -> None:
        self.documents: dict[str, Json] = {}

    def call(self, method: str, path: str, body: Mapping[str, Any], *, key: str) -> Json:
        assert (method, path, key) == ("POST", "/multi-search", "search")
        return {"results": [self._answer(request) for request in body["queries"]]}

    def _answer(self, request: Json) -> Json:
        found = [one for one in self.documents.values() if _matches(one, request)]
        first = request.get("offset", 0)
        hits = found[first : first + request.get("limit", 20)]
        return {"hits": hits, "estimatedTotalHits": len(found), "facetDistribution": {}}


def _matches(document: Json, request: Json) -> bool:
    for condition in request["filter"]:
        listed = document["id"] in re.findall(r'"([^"]*)"', condition)
        if listed is condition.startswith("NOT"):
            return False
    texts = [text for name in request["attributesToSearchOn"] for text in document.get(name, [])]
    query = request["q"]
    wanted = re.findall(r'-?"[^"]*"|\S+', query)
    return all(
        _has(texts, part.removeprefix("-"), unfinished=place == len(wanted) - 1 and not query.endswith(" "))
        is not part.startswith("-")
        for place, part in enumerate(wanted)
    )


def _has(texts: Sequence[str], part: str, *, unfinished: bool) -> bool:
    if part.startswith('"'):
        return any(f" {part.strip(chr(34))} " in f" {text} " for text in texts)
    held = [word for text in texts for word in text.split()]
    return any(word.startswith(part) if unfinished else word == part for word in held)


class WordServerSearch(MeilisearchSearch):
    """The Meilisearch backend on a `WordServer`."""

    def __init__(self) -> None:
        super().__init__("http://nowhere.invalid", keys=Keys("", "", ""))
        self._server = WordServer()
        self._client = SearchClient(self._server, "words", cache_s=0, fresh_s=1)  # type: ignore[arg-type]

    def put(self, documents: Sequence[SearchDocument]) -> Mapping[str, str]:
        self._server.documents |= {one.id: to_server_json(one, []) for one in documents}
        self._client.invalidate()
        return {}
