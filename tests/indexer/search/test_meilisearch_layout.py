"""How a photo lies in Meilisearch: what is stored, and what is read back of it, also from another layout's index."""

from __future__ import annotations

import numpy as np
import pytest

from indexer.search.fields import quantised
from indexer.search.meilisearch.candidates import Candidates, FoundPhoto
from indexer.search.meilisearch.layout import (
    embedder_of,
    escaped,
    index_settings,
    settings_match,
    to_server_json,
    unescaped,
)
from tests.indexer.search.test_search_contract import photo

DOCUMENT = photo(
    1, "two dogs riding", tags=(("dog", 0.5),), folders=("2019/Summer",), embedding=(0.6, 0.8), model="atto 2"
)


def test_what_is_stored_is_read_back() -> None:
    (found,) = FoundPhoto.all([to_server_json(DOCUMENT, [])])
    assert found.id == DOCUMENT.id
    assert found.strengths.keys() == {"two", "dogs", "riding", "dog", "2019", "summer"}
    assert all(0 < strength < 256 for strength in found.strengths.values())
    assert ("machine_caption", "two dogs riding", "two dogs riding") in found.texts
    assert (found.embedding, found.model) == (quantised((0.6, 0.8)), "atto 2")
    assert found.taken_s is None


def test_basic_forms_and_words_that_may_be_mistyped_are_stored_too() -> None:
    made = to_server_json(DOCUMENT, [])
    assert {"ride"} <= set(made["forms"])
    assert "dog" not in made["forms"]  # it is one of the words
    assert made["spelling"] == ["dogs", "riding", "summer"]


def test_doubtful_words_of_the_model_stand_where_they_weigh_least_and_phrases_hold() -> None:
    believed = (("brown", 0.9), ("dog", 0.3), ("beach", 0.9))
    made = to_server_json(photo(1, "a brown dog on the beach", machine_words=believed), [])
    assert made["machine_caption"] == ["a brown", "on the beach"]
    assert made["forms"][-1] == "a brown dog on the beach"
    made = to_server_json(photo(1, "a brown dog on the beach", machine_words=believed, machine_sure=False), [])
    assert "machine_caption" not in made
    assert made["forms"][-1] == "a brown dog on the beach"
    made = to_server_json(photo(1, "a dog on the beach", machine_words=(("dog", 0.5), ("beach", 0.9))), [])
    assert made["machine_caption"] == ["a dog on the beach"]
    assert "a dog on the beach" not in made.get("forms", [])


def test_what_a_picture_looks_like_is_searched_where_it_weighs_least_and_read_back() -> None:
    made = to_server_json(photo(1, "a dog", appearance=(("black and white", 0.4), ("dark", 0.2))), [])
    assert {"qxzblackandwhiteq", "qxzdarkq"} <= set(made["forms"])
    assert "appearance" not in made
    assert not any("dark" in word for word in made.get("spelling", []))
    (found,) = FoundPhoto.all([made])
    assert found.has_looks
    assert ("appearance", "dark", "=dark") in found.texts
    assert {"=dark", "=black-and-white"} <= found.strengths.keys()
    assert not FoundPhoto.all([to_server_json(DOCUMENT, [])])[0].has_looks


def test_a_photo_without_an_embedding_says_so_to_every_embedder() -> None:
    assert to_server_json(photo(1, "a dog"), ["a-2", "b-3"])["_vectors"] == {"a-2": None, "b-3": None}
    assert to_server_json(DOCUMENT, ["b-3"])["_vectors"] == {"b-3": None, "atto-2-2": [0.6, 0.8]}


@pytest.mark.parametrize("model", ["recollect-atto-2", "", "a/b c", "ü" * 300])
def test_an_embedder_s_name_is_one_that_the_server_takes(model: str) -> None:
    name = embedder_of(model, 128)
    assert name.isascii()
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-_")
    assert len(name) < 100
    assert name != embedder_of(model, 64)


@pytest.mark.parametrize("value", ["a", 'say "cheese"', "back\\slash", "tail\\", "50%", "%41", "\n\0", "照片"])
def test_a_value_is_escaped_and_read_back(value: str) -> None:
    assert unescaped(escaped(value)) == value
    assert not set(escaped(value)) & set('"\\\n\0')


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
    told = {**wanted, "embedders": {**wanted["embedders"], "old": {}}, "dictionary": []}
    told["stopWords"] = list(reversed(wanted["stopWords"]))
    assert settings_match(wanted, told)
    assert not settings_match(wanted, {**told, "embedders": {}})
    assert not settings_match(wanted, {**told, "searchableAttributes": list(reversed(wanted["searchableAttributes"]))})
    assert not settings_match(wanted, {**told, "synonyms": {}})
    assert not settings_match(wanted, {})


def _ones(window: Candidates) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return np.ones(len(window.names.words_sorted), np.float32)
