"""How a photo lies in Meilisearch: what is stored, and what is read back of it, also from another layout's index."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from indexer.search.fields import quantise
from indexer.search.meilisearch.candidates import Candidates, FoundPhoto
from indexer.search.meilisearch.layout import (
    WORDS,
    embedder_of,
    escape,
    index_settings,
    settings_match,
    to_server_json,
    unescape,
)
from tests.indexer.search.test_search_contract import photo

DOCUMENT = photo(
    1, "two dogs riding", tags=(("dog", 0.5),), folders=("2019/Summer",), embedding=(0.6, 0.8), model="atto 2"
)


def test_what_is_stored_is_read_back() -> None:
    found = FoundPhoto(to_server_json(DOCUMENT, []))
    assert found.id == DOCUMENT.id
    assert found.strengths.keys() == {"two", "dogs", "riding", "dog", "2019", "summer"}
    assert all(0 < strength < 256 for strength in found.strengths.values())
    assert ("machine_caption", "two dogs riding", "two dogs riding") in found.texts
    assert (found.embedding, found.model) == (quantise((0.6, 0.8)), "atto 2")
    assert found.taken_s is None


def words_in(made: dict[str, Any]) -> dict[str, int]:
    """Word -> the number of the attribute that holds it, 1 for those that say most."""
    return {word: number for number, name in enumerate(WORDS, 1) for word in made.get(name, [])[1:]}


def test_basic_forms_and_words_that_may_be_mistyped_are_stored_too() -> None:
    made = to_server_json(DOCUMENT, [])
    assert {"riding", "ride", "dogs", "dog", "2019", "summer"} <= words_in(made).keys()
    assert made["spelling"] == ["dogs", "riding", "summer"]


def test_words_stand_by_what_they_say_of_the_photo_and_phrases_hold() -> None:
    believed = (("brown", 0.9), ("dog", 0.3), ("beach", 0.9))
    made = to_server_json(photo(1, "a brown dog on the beach", machine_words=believed, people=("Anna",)), [])
    at = words_in(made)
    assert at["anna"] < at["beach"] == at["brown"] < at["dog"]
    assert made["texts"] == ["a brown dog on the beach", "anna"]
    unsure = to_server_json(photo(1, "a brown dog on the beach", machine_words=believed, machine_sure=False), [])
    assert words_in(unsure)["beach"] > at["beach"]
    assert unsure["texts"] == ["a brown dog on the beach"]


def test_what_a_picture_looks_like_is_searched_and_read_back() -> None:
    made = to_server_json(photo(1, "a dog", appearance=(("black and white", 0.4), ("dark", 0.2))), [])
    assert {"qxzblackandwhiteq", "qxzdarkq"} <= words_in(made).keys()
    assert "appearance" not in made
    assert not any("dark" in word for word in (*made.get("spelling", []), *made["texts"]))
    assert not any(word.startswith("=") for word in words_in(made))
    found = FoundPhoto(made)
    assert found.has_looks
    assert ("appearance", "dark", "=dark") in found.texts
    assert {"=dark", "=black-and-white"} <= found.strengths.keys()
    assert not FoundPhoto(to_server_json(DOCUMENT, [])).has_looks


def test_a_photo_without_an_embedding_says_so_to_every_embedder() -> None:
    assert to_server_json(photo(1, "a dog"), ["a-2", "b-3"])["_vectors"] == {"a-2": None, "b-3": None}
    assert to_server_json(DOCUMENT, ["b-3"])["_vectors"] == {"b-3": None}, "the index does not know this one"
    assert to_server_json(DOCUMENT, ["b-3", "atto-2-2"])["_vectors"] == {"b-3": None, "atto-2-2": [0.6, 0.8]}


@pytest.mark.parametrize("model", ["recollect-atto-2", "", "a/b c", "ü" * 300])
def test_an_embedder_s_name_is_one_that_the_server_takes(model: str) -> None:
    name = embedder_of(model, 128)
    assert name.isascii()
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-_")
    assert len(name) < 100
    assert name != embedder_of(model, 64)


@pytest.mark.parametrize("value", ["a", 'say "cheese"', "back\\slash", "tail\\", "50%", "%41", "\n\0", "照片"])
def test_a_value_is_escaped_and_read_back(value: str) -> None:
    assert unescape(escape(value)) == value
    assert not set(escape(value)) & set('"\\\n\0')


@pytest.mark.parametrize(
    "other",
    [
        {"strengths": [1, 2]},
        {"strengths": "AA=="},
        {"strengths": "no base64!"},
        {"words": None},
        {"embedding": 3},
        {"shown": []},
        {},
    ],
)
def test_a_photo_of_another_layout_is_found_all_the_same(other: dict[str, object]) -> None:
    window = Candidates([FoundPhoto({"id": "1", "words": "a dog on it", **other})])
    assert len(window.scores(np.arange(len(window.names.words_sorted), dtype=np.int32), _ones(window))) == 1
    assert window.cosines((0.6, 0.8), "") == [0]
    assert not window.full_text(("dog",))[0]


def test_settings_agree_whatever_the_server_adds_and_in_whatever_order() -> None:
    wanted = index_settings(("atto-2", 128))
    served = {**wanted, "embedders": {**wanted["embedders"], "old": {}}, "dictionary": []}
    served["filterableAttributes"] = list(reversed(wanted["filterableAttributes"]))
    assert settings_match(wanted, served)
    assert not settings_match(wanted, {**served, "embedders": {}})
    assert not settings_match(
        wanted, {**served, "searchableAttributes": list(reversed(wanted["searchableAttributes"]))}
    )
    assert not settings_match(wanted, {**served, "synonyms": {}})
    assert not settings_match(wanted, {})


def _ones(window: Candidates) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return np.ones(len(window.names.words_sorted), np.float32)
