"""What queries mean: which words go into the vector, and which words of a photo are the reason for a hit."""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from captioner import DEFAULT_BUNDLE
from indexer.search import Query, SearchDocument
from indexer.search.embedded.backend import EmbeddedSearch
from indexer.search.meaning import NO_MEANING, Meaning
from indexer.search.query import parse
from tests.indexer.search.test_embedded import photo
from tests.towers_made import MEANT, add_tower, made_tower, without_tower

SEA, ANIMAL, VEHICLE, FOOD = ((1.0, 0, 0, 0), (0, 1.0, 0, 0), (0, 0, 1.0, 0), (0, 0, 0, 1.0))


@pytest.fixture
def meaning() -> Meaning:
    return Meaning(made_tower)


@pytest.fixture
def search(tmp_path: Path, meaning: Meaning) -> Iterator[EmbeddedSearch]:
    backend = EmbeddedSearch(tmp_path / "search.db", meaning)
    backend.put(
        [
            photo(1, "a man on a beach", embedding=SEA, model="made-1"),
            photo(2, "a dog on a street", tags=(("dog", 0.9),), embedding=ANIMAL, model="made-1"),
            photo(3, "a street", embedding=VEHICLE, model="made-1", camera="Canon EOS R6"),
            photo(4, "a plate", embedding=FOOD, model="made-1", people=("Anna",)),
            photo(5, "a white plate", embedding=FOOD, model="made-2"),
        ]
    )
    yield backend
    backend.close()


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("seaside", ("seaside",)),
        ("Seaside's ", ("seaside",)),
        ("the seaside", ("seaside",)),
        ('car "the beach"', ("beach", "car")),
        ("dog -car year:2019 camera:canon", ("dog",)),
        ("dog xqzt ", ("dog",)),
        ("dog be", ("dog",)),
        ("dog 2019 ", ("dog",)),
        ("dog 2019", ("dog",)),
        ("xqzt", ()),
        ("the", ()),
        ("IMG_0307.jpg", ()),
        ("-dog", ()),
        ("year:2019", ()),
        ("", ()),
        ("狗", ()),
    ],
)
def test_free_words_that_are_known_are_meant(meaning: Meaning, text: str, meant: tuple[str, ...]) -> None:
    query = meaning.with_vector(parse(text))
    assert query.meant == meant
    assert (query.vector is not None, query.model) == (bool(meant), "made-1" if meant else "")
    assert (query.words, query.filters) == (parse(text).words, parse(text).filters)


def test_an_unfinished_word_says_nothing_until_it_is_known(meaning: Meaning) -> None:
    typed = [meaning.with_vector(parse("the dog " + "car"[:end])).vector for end in range(4)]
    assert typed[0] == typed[1] == typed[2] != typed[3]


def test_names_mean_nobody(meaning: Meaning) -> None:
    assert meaning.with_vector(parse("canon beach "), lambda: frozenset({"canon"})).meant == ("beach",)
    assert meaning.with_vector(parse("canon"), lambda: frozenset({"canon"})).vector is None


def test_a_query_that_has_its_vector_keeps_it(meaning: Meaning) -> None:
    query = Query(words=("dog",), vector=(1.0, 0.0), model="other")
    assert meaning.with_vector(query) is query
    assert NO_MEANING.with_vector(parse("dog")) == parse("dog")


def test_the_tower_is_opened_once_and_only_for_words() -> None:
    opened = []
    meaning = Meaning(lambda: opened.append(1))  # type: ignore[func-returns-value]
    for query in (Query(), parse("year:2019"), parse("-dog")):
        meaning.with_vector(query)
    assert opened == []
    threads = [threading.Thread(target=meaning.with_vector, args=(parse("dog"),)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert opened == [1]


def test_words_that_no_caption_holds_find_by_meaning_and_say_why(search: EmbeddedSearch) -> None:
    answer = search.search(parse("cove"))
    (hit,) = answer.hits
    (why,) = hit.why
    assert (int(hit.id, 16), answer.total, answer.by_meaning) == (1, 1, 1)
    assert (why.field, why.kind, why.text) == ("embedding", "meaning", "cove ≈ beach")
    assert [why.text[start:end] for start, end in why.spans] == ["beach"]


def test_a_photo_that_only_looks_like_it_says_so_without_words(search: EmbeddedSearch) -> None:
    (hit,) = search.search(parse("bagel")).hits
    assert [(why.field, why.text, why.spans) for why in hit.why] == [("embedding", "", ())]


def test_words_that_match_are_not_explained_twice(search: EmbeddedSearch) -> None:
    (hit,) = search.search(parse("dog")).hits
    assert [(why.field, why.kind) for why in hit.why] == [
        ("machine_caption", "exact"),
        ("tags", "exact"),
        ("embedding", "meaning"),
    ]
    assert hit.why[-1].text == ""


def looks(number: int, caption: str, embedding: tuple[float, ...], **fields: object) -> SearchDocument:
    return photo(number, caption, embedding=embedding, model="made-1", **fields)


#: Near the sea, but not as near as to be believed without a word.
SO_SO = (0.4, 0.0, 0.0, 0.0, 0.9165)


@pytest.fixture
def doubtful(tmp_path: Path) -> Iterator[EmbeddedSearch]:
    """Thirty photos that look a little like a cove, five of them with a word that bears it out."""
    meant = {word: (*vector, 0.0) for word, vector in MEANT.items()}
    backend = EmbeddedSearch(tmp_path / "doubtful.db", Meaning(lambda: made_tower(meant=meant)))
    backend.put([looks(number, "a beach" if number < 5 else "a plate", SO_SO) for number in range(30)])
    yield backend
    backend.close()


def test_what_only_looks_like_a_word_is_borne_out_by_another(doubtful: EmbeddedSearch) -> None:
    answer = doubtful.search(parse("cove"))
    assert sorted(int(hit.id, 16) for hit in answer.hits) == [0, 1, 2, 3, 4]
    assert {hit.why[0].text for hit in answer.hits} == {"cove ≈ beach"}
    doubtful.put([looks(40, "a chair", (1.0, 0.0, 0.0, 0.0, 0.0))])
    assert next(int(hit.id, 16) for hit in doubtful.search(parse("cove")).hits) == 40  # sure enough without a word


def test_of_what_nothing_bears_out_the_nearest_few_are_shown(doubtful: EmbeddedSearch) -> None:
    doubtful.delete([f"{number:032x}" for number in range(5)])
    answer = doubtful.search(parse("cove"))
    assert (answer.total, answer.by_meaning) == (12, 12)
    assert [count.count for count in doubtful.facets(parse("cove"), ["type"])["type"]] == [12]


def test_a_typing_mistake_goes_before_what_nothing_bears_out(doubtful: EmbeddedSearch) -> None:
    doubtful.put([photo(number, "a plate") for number in range(5)] + [photo(50, "a cave in a rock")])
    answer = doubtful.search(parse("cove "))
    assert ([int(hit.id, 16) for hit in answer.hits], answer.by_meaning) == ([50], 0)
    assert answer.corrections == {"cove": ("cave",)}


def test_a_description_needs_no_word_to_bear_it_out(doubtful: EmbeddedSearch) -> None:
    doubtful.delete([f"{number:032x}" for number in range(5)])
    answer = doubtful.search(parse("cove cove seaside seaside "))
    assert answer.total == 25


def test_facets_count_what_is_found_by_meaning(search: EmbeddedSearch) -> None:
    assert [one.count for one in search.facets(parse("bagel"), ["person"])["person"]] == [1]


@pytest.mark.parametrize("text", ["xqzt", "DSC0307", "IMG_20190714.jpg", "the"])
def test_nonsense_brings_nothing_by_meaning(search: EmbeddedSearch, text: str) -> None:
    assert search.search(parse(text)).by_meaning == 0


def test_a_camera_s_name_brings_its_photos_and_no_others(search: EmbeddedSearch) -> None:
    assert [int(hit.id, 16) for hit in search.search(parse("canon")).hits] == [3]
    assert [int(hit.id, 16) for hit in search.search(parse("automobile camera:canon")).hits] == [3]


def test_photos_without_embeddings_are_searched_as_ever(tmp_path: Path) -> None:
    photos = [photo(1, "a beach"), photo(2, "a dog"), photo(3, "a puppet", embedding=ANIMAL, model="older-1")]
    by_words, by_meaning = EmbeddedSearch(tmp_path / "a.db"), EmbeddedSearch(tmp_path / "b.db", Meaning(made_tower))
    for text in ("puppy", "seaside", "automobile", "dog", "beahc", "a puppy on the beach"):
        for backend in (by_words, by_meaning):
            backend.put(photos)
        assert by_meaning.search(parse(text)) == by_words.search(parse(text)), text
    by_words.close()
    by_meaning.close()


def test_a_bundle_s_tower_is_read(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    shutil.copytree(DEFAULT_BUNDLE, bundle)
    model = add_tower(bundle, version=2)
    query = Meaning.of_bundle(bundle).with_vector(parse("seaside"))
    assert query.model == model
    assert query.vector == pytest.approx(MEANT["seaside"], abs=1e-2)


def test_a_damaged_tower_is_said_once_and_words_go_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    bundle = tmp_path / "bundle"
    shutil.copytree(DEFAULT_BUNDLE, bundle)
    add_tower(bundle, version=2)
    (bundle / "text_tower.npz").write_bytes(b"no tower")
    with caplog.at_level(logging.WARNING):
        meaning = Meaning.of_bundle(bundle)
        assert [meaning.with_vector(parse(text)).vector for text in ("seaside", "dog")] == [None, None]
    assert [record.name for record in caplog.records] == ["indexer.search.meaning"]
    assert "text_tower.npz" in caplog.text


def test_no_bundle_at_all_leaves_the_words(tmp_path: Path) -> None:
    assert Meaning.of_bundle(tmp_path / "none").with_vector(parse("dog")).vector is None


def test_a_bundle_without_a_tower_leaves_the_words(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    bundle = tmp_path / "bundle"
    shutil.copytree(DEFAULT_BUNDLE, bundle)
    without_tower(bundle)
    with caplog.at_level(logging.WARNING):
        assert Meaning.of_bundle(bundle).with_vector(parse("dog")).vector is None
    assert caplog.records == []
