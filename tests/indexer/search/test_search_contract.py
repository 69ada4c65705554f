"""What every search backend has to do: one suite, run on each.

A new backend adds its maker to `BACKENDS` and passes as it is. Ids here are numbers written as content keys.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from indexer.errors import SearchError
from indexer.model import DatePrecision, Position
from indexer.search import Answer, Filter, FilterError, Query, SearchBackend, SearchDocument, WhyNothing
from indexer.search.embedded.backend import EmbeddedSearch
from indexer.search.meilisearch import MeilisearchSearch
from indexer.search.query import parse
from indexer.search.time_words import TimeReader
from tests.indexer.conftest import ServedIndex
from tests.indexer.search.exchanges_run import RECORDED

BACKENDS: dict[str, Callable[[pytest.FixtureRequest], SearchBackend]] = {
    "embedded": lambda request: EmbeddedSearch(request.getfixturevalue("tmp_path") / "search.db"),
    "meilisearch": lambda request: on_meilisearch(request.getfixturevalue("served_index")),
    RECORDED: lambda request: on_meilisearch(request.getfixturevalue("recorded_index")),
}


def on_meilisearch(index: ServedIndex) -> SearchBackend:
    """Nobody else writes there, and what is asked must not depend on how long a test takes."""
    return MeilisearchSearch(index.url, keys=index.keys, index=index.name, cache_s=float("inf"), fresh_s=float("inf"))


def photo(number: int, machine_caption: str = "", **fields: object) -> SearchDocument:
    """A document with everything empty that is not given."""
    empty = SearchDocument(
        id=f"{number:032x}",
        revision=1,
        person_caption="",
        machine_caption=machine_caption,
        tags=(),
        keywords=(),
        people=(),
        title="",
        places=(),
        folders=(),
        file_names=(),
        camera="",
        lens="",
        mime_type="image/jpeg",
        taken_at=None,
        rating=None,
        position=None,
        embedding=None,
    )
    return replace(empty, **fields)  # type: ignore[arg-type]


LIBRARY = (
    photo(
        1,
        "a dog running on the beach",
        tags=(("dog", 0.9), ("sand", 0.6), ("horse", 0.05)),
        places=("Lyon", "Rhône", "France"),
        folders=("2019/Summer trip",),
        file_names=("IMG_20190714_103000.jpg",),
        camera="Google Pixel 6",
        lens="Pixel 6 back camera 6.81mm f/1.85",
        taken_at=datetime(2019, 7, 14, 10, 30),
        rating=5,
        position=Position(45.76, 4.84),
    ),
    photo(
        2,
        "two dogs sleeping on a couch",
        tags=(("dog", 0.8), ("couch", 0.7)),
        people=("Anna Smith",),
        folders=("2020/Home",),
        file_names=("DSC0307.JPG",),
        camera="Canon EOS 80D",
        lens="EF50mm f/1.8 STM",
        taken_at=datetime(2020, 1, 5, 20, 0),
        rating=3,
        position=Position(48.14, 11.58),
    ),
    photo(
        3,
        "a birthday cake with burning candles",
        person_caption="Oma's birthday in Zürich",
        people=("Anna", "Zoë"),
        folders=("2019/Birthdays", "Best of"),
        file_names=("cake.heic",),
        mime_type="image/heic",
        camera="Apple iPhone 12",
        taken_at=datetime(2019, 12, 31, 23, 30, tzinfo=UTC),
        keywords=("family", "cake"),
    ),
    photo(4, "a red car parked on a street at night", tags=(("car", 0.9),), camera="Canon EOS R6", rating=4),
    photo(5, "a man riding a bicycle past a parked car", tags=(("bicycle", 0.9), ("dog", 0.35))),
    photo(6, "海滩上的一只猫", folders=("照片/夏天",), file_names=("猫.png",), mime_type="image/png"),
    photo(7, "a group of children playing football", title="School sports day", taken_at=datetime(1987, 5, 1)),
)


@pytest.fixture(params=sorted(BACKENDS))
def empty(request: pytest.FixtureRequest) -> Iterator[SearchBackend]:
    backend = BACKENDS[request.param](request)
    backend.prepare()
    yield backend
    backend.close()


@pytest.fixture
def backend(empty: SearchBackend) -> SearchBackend:
    empty.put(LIBRARY)
    return empty


def numbers(answer: Answer) -> list[int]:
    return [int(hit.id, 16) for hit in answer.hits]


def found(backend: SearchBackend, text: str) -> list[int]:
    answer = backend.search(parse(text))
    assert answer.total == len(answer.hits)
    return numbers(answer)


def finds(backend: SearchBackend, text: str, *expected: int) -> None:
    """Exactly these photos, in any order."""
    assert sorted(found(backend, text)) == sorted(expected), text


# Words


def test_cameras_lenses_places_and_people_behind_the_camera_are_words(empty: SearchBackend) -> None:
    empty.put(
        [
            photo(1, camera="Canon EOS 80D", lens="EF50mm f/1.8 STM"),
            photo(2, "a cannon in front of a castle", camera="Apple iPhone 13"),
            photo(3, person_caption="my canon is broken", headline="Sommerfest", locations=("Heidelberg",)),
            photo(4, pets=("Rex",), creators=("Ansel Adams",), subjects=("Gartenfest",)),
            photo(5, alt_texts=("a bride in white",), comments=("scanned slides",)),
        ]
    )
    assert found(empty, "canon") == [3, 1], "what it was taken with counts less than what is said of it"
    finds(empty, "iphone 13", 2)
    finds(empty, "apple")
    finds(empty, "cannon", 2)
    for text, number, field in (
        ("stm", 1, "lens"),
        ("canon eos", 1, "camera"),
        ("sommerfest", 3, "headline"),
        ("heidelberg", 3, "locations"),
        ("rex", 4, "pets"),
        ("ansel", 4, "creators"),
        ("gartenfest", 4, "subjects"),
        ("bride", 5, "alt_texts"),
        ("slides", 5, "comments"),
    ):
        (hit,) = empty.search(parse(text)).hits
        assert (int(hit.id, 16), hit.why[0].field) == (number, field), text
    finds(empty, "place:heidelberg", 3)


def test_all_words_have_to_match(backend: SearchBackend) -> None:
    finds(backend, "dog beach ", 1)
    finds(backend, "parked car ", 4, 5)
    finds(backend, "red parked car ", 4)


def test_words_match_across_fields(backend: SearchBackend) -> None:
    finds(backend, "birthday candles ", 3)
    finds(backend, "dog lyon ", 1)
    finds(backend, "anna couch ", 2)


def test_no_words_are_every_photo_newest_first_and_undated_last(backend: SearchBackend) -> None:
    assert found(backend, "")[:4] == [2, 3, 1, 7]
    assert sorted(found(backend, "")[4:]) == [4, 5, 6]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("Oma", 3),
        ("sand", 1),
        ("family", 3),
        ("zoe", 3),
        ("sports", 7),
        ("france", 1),
        ("home", 2),
        ("cake.heic", 3),
    ],
)
def test_every_field_is_searched(backend: SearchBackend, text: str, number: int) -> None:
    assert found(backend, text)[0] == number


def test_natural_language_is_not_held_back_by_its_small_words(backend: SearchBackend) -> None:
    finds(backend, "a photo of the dog on a beach ", 1)
    assert found(backend, "the ") != []


def test_singular_and_plural_and_verb_forms_find_each_other(backend: SearchBackend) -> None:
    finds(backend, "dogs ", 1, 2, 5)
    finds(backend, "child ", 7)
    finds(backend, "candle ", 3)
    finds(backend, "run ", 1)
    finds(backend, "rides ", 5)


def test_the_last_word_is_a_prefix_while_it_is_typed(backend: SearchBackend) -> None:
    finds(backend, "bea", 1)
    finds(backend, "dog bea", 1)
    finds(backend, "bicy", 5)
    finds(backend, "c anna", 2, 3)
    finds(backend, "candl ", 3)  # a finished word, but a typing mistake away from one


@pytest.mark.parametrize(
    ("text", "number", "right"),
    [
        ("beahc ", 1, "beach"),
        ("bech ", 1, "beach"),
        ("bicylce ", 5, "bicycle"),
        ("brithday ", 3, "birthday"),
        ("fotball ", 7, "football"),
        ("ebach ", 1, "beach"),
        ("bicyclle", 5, "bicycle"),
        ("chidlr", 7, "children"),
    ],
)
def test_typing_mistakes_are_mended(backend: SearchBackend, text: str, number: int, right: str) -> None:
    answer = backend.search(parse(text))
    assert numbers(answer) == [number]
    assert right in answer.corrections[text.strip()]


def test_short_words_and_numbers_are_not_mended(backend: SearchBackend) -> None:
    for text in ("dgo ", "cra ", "0308 ", "2018 ", "20190715 "):
        finds(backend, text)


def test_a_right_word_is_not_mended(empty: SearchBackend) -> None:
    empty.put([photo(1, "a dog on a beach"), photo(2, "a dog on a bench")])
    finds(empty, "beach ", 1)
    finds(empty, "bench", 2)


def test_a_mistake_in_one_photo_does_not_hide_the_right_word_in_many(empty: SearchBackend) -> None:
    empty.put([photo(1, "a dog on the baech"), *(photo(number, "a beach") for number in range(2, 60))])
    answer = empty.search(parse("baech "))
    assert (numbers(answer)[0], answer.total) == (1, 59)


def test_exact_words_rank_before_longer_words_synonyms_and_corrections(empty: SearchBackend) -> None:
    empty.put([photo(1, "a carpet"), photo(2, "an automobile"), photo(3, "a car")])
    assert found(empty, "car") == [3, 1, 2]


def test_a_word_that_nothing_has_is_left_out_and_named(backend: SearchBackend) -> None:
    answer = backend.search(parse("dog xylophonist "))
    assert sorted(numbers(answer)) == [1, 2, 5]
    assert answer.dropped == ("xylophonist",)
    assert backend.search(parse("xylophonist ")).total == 0


def test_a_word_may_be_typed_twice_whole_and_unfinished(empty: SearchBackend) -> None:
    empty.put([photo(1, "house 047"), photo(2, "a cat")])
    assert found(empty, "04 04") == [1]


def test_words_that_never_meet_are_searched_without_the_least_telling_one(backend: SearchBackend) -> None:
    answer = backend.search(parse("football dog "))
    assert (numbers(answer), answer.dropped) == ([7], ("dog",))


def test_a_description_finds_photos_that_have_most_of_its_words(backend: SearchBackend) -> None:
    assert found(backend, "brown dog running along the sunny beach with a stick")[0] == 1


@pytest.mark.parametrize(
    ("text", "numbers_found"), [("sofa ", [2]), ("bike ", [5]), ("automobile ", [4, 5]), ("kid ", [7])]
)
def test_synonyms(backend: SearchBackend, text: str, numbers_found: list[int]) -> None:
    finds(backend, text, *numbers_found)


def test_words_written_together_or_apart(empty: SearchBackend) -> None:
    empty.put([photo(1, "a skateboard"), photo(2, "a birthday cake")])
    finds(empty, "skate board ", 1)
    finds(empty, "birthdaycake ", 2)


def test_what_a_picture_looks_like_is_found_by_its_words(empty: SearchBackend) -> None:
    empty.put(
        [
            photo(1, "a car on a street", appearance=(("landscape", 0.12), ("blue", 0.4))),
            photo(2, "a car in a garage", appearance=(("portrait", 0.12), ("red", 0.6))),
            photo(3, "a wall", appearance=(("landscape", 0.12), ("red", 0.8), ("dark", 0.2))),
            photo(4, "a red ball", appearance=(("portrait", 0.12), ("black and white", 0.4))),
        ]
    )
    assert found(empty, "red car ")[0] == 2
    finds(empty, "rotes car ", 1, 2)
    assert found(empty, "red ") == [4, 3, 2]
    finds(empty, "dunkel ", 3)
    finds(empty, "dark ", 3)
    finds(empty, "black and white ", 4)
    finds(empty, "querformat ", 1, 3)
    finds(empty, '"dark" ')
    answer = empty.search(parse("dark "))
    assert [(why.field, why.text, why.kind) for why in answer.hits[0].why] == [("appearance", "dark", "exact")]


@pytest.mark.parametrize(
    ("mistaken", "right"),
    [("snwo ", "snow "), ("runing dog ", "running dog "), ("dog runing ", "dog running "), ("bnaana ", "banana ")],
)
def test_a_mistaken_word_finds_what_the_right_one_finds_in_the_same_order(
    empty: SearchBackend, mistaken: str, right: str
) -> None:
    """Its forms, too; what can't be sure comes after what can, and photos without a date last."""
    captions = ("a dog running in snow", "snowy hills", "a running dog", "dogs run", "bananas", "a banana", "snow")
    days = (None, *(datetime(2020, 1, day) for day in range(1, 7)))
    empty.put(
        [
            photo(number, caption, taken_at=day, machine_words=tuple((word, 0.9) for word in caption.split()))
            for number, (caption, day) in enumerate(zip(captions, days, strict=True))
        ]
    )
    answer, other = empty.search(parse(mistaken)), empty.search(parse(right))
    assert numbers(answer) == numbers(other) != []
    assert answer.total == other.total
    word = next(word for word in mistaken.split() if word not in right.split())
    assert answer.corrections == {word: (next(one for one in right.split() if one not in mistaken.split()),)}


# Phrases and exclusions


def test_phrases(backend: SearchBackend) -> None:
    finds(backend, '"birthday cake"', 3)
    finds(backend, '"cake birthday"')
    finds(backend, '"DOG running"', 1)
    finds(backend, '"on the beach" dog', 1)
    finds(backend, '"on the beach" car')
    finds(backend, '"dog"', 1, 2, 5)


def test_a_phrase_does_not_reach_from_one_text_into_the_next(empty: SearchBackend) -> None:
    empty.put([photo(1, "a red", title="car show", keywords=("new", "york"))])
    finds(empty, '"red car"')
    finds(empty, '"new york"')
    finds(empty, '"car show"', 1)


def test_words_that_a_person_added_say_as_much_as_a_caption(empty: SearchBackend) -> None:
    empty.put(
        [
            photo(1, keywords=("garden",)),
            photo(2, "a dog", added_words=("Oma's garden", "lake")),
            photo(3, file_names=("garden.jpg",)),
        ]
    )
    found = empty.search(parse("garden"))
    assert found.hits[0].id == photo(2).id
    assert [(why.field, why.text, why.kind) for why in found.hits[0].why] == [("keywords", "Oma's garden", "exact")]
    for text in ("gardne lake", 'tag:"oma\'s garden"', "dog lake"):
        assert [hit.id for hit in empty.search(parse(text)).hits] == [photo(2).id], text
    assert ("lake", 1) in {(count.value, count.count) for count in empty.facets(parse(""), ("tag",))["tag"]}


def test_exclusion(backend: SearchBackend) -> None:
    finds(backend, "dog -couch", 1, 5)
    finds(backend, "-dog", 3, 4, 6, 7)
    finds(backend, "-dogs car", 4)
    finds(backend, 'parked -"parked car"', 4)
    finds(backend, "dog -xylophonist", 1, 2, 5)


COMMON_WORDS = (
    photo(1, "a man in the snow", taken_at=datetime(2020, 1, 1)),
    photo(2, "a dog in snow the man made", taken_at=datetime(2020, 1, 2)),
    photo(3, "a woman with a man", taken_at=datetime(2020, 1, 3)),
    photo(4, "man and dog", taken_at=datetime(2020, 1, 4)),
    photo(5, "dog", person_caption="the man", taken_at=None),
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"in the snow"', [1]),
        ('"a man"', [1, 3]),
        ('-"a man"', [2, 4, 5]),
        ('man -"a man"', [2, 4, 5]),
        ('"with a"', [3]),
        ("the", [1, 2, 5]),
        ("-the", [3, 4]),
        ("a", [1, 2, 3]),
        ('"the"', [1, 2, 5]),
        ("of the", [1, 2, 5]),
        ('dog -"in the"', [2, 4, 5]),
    ],
)
def test_common_words_count_in_phrases_and_exclusions_and_alone(
    empty: SearchBackend, text: str, expected: list[int]
) -> None:
    empty.put(COMMON_WORDS)
    finds(empty, f"{text} ", *expected)


# Filters


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("before:2020", [1, 3, 7]),
        ("before:2019-12-31", [1, 7]),
        ("after:2019-07-14", [1, 2, 3]),
        ("after:2019-08", [2, 3]),
        ("after:2019 before:2020", [1, 3]),
        ("year:2019", [1, 3]),
        ("year:1980..1990", [7]),
        ("-year:2019", [2, 4, 5, 6, 7]),
        ("camera:canon", [2, 4]),
        ('camera:"canon eos 80d"', [2]),
        ("camera:pix", [1]),
        ("-camera:canon", [1, 3, 5, 6, 7]),
        ("lens:50mm", []),
        ("lens:ef50mm", [2]),
        ("place:lyon", [1]),
        ("place:rhone", [1]),
        ("folder:2019", [1, 3]),
        ('folder:"2019/Summer trip"', [1]),
        ("folder:summer", [1]),
        ('folder:"Best of"', [3]),
        ("folder:夏天", [6]),
        ("person:anna", [3]),
        ('person:"anna smith"', [2]),
        ("person:smith", [2]),
        ("person:zoe", [3]),
        ("tag:dog", [1, 2, 5]),
        ("tag:horse", []),
        ("tag:family", [3]),
        ("type:heic", [3]),
        ("type:jpg", [1, 2, 4, 5, 7]),
        ("rating:5", [1]),
        ("rating:>=4", [1, 4]),
        ("rating:<4", [2]),
        ("-rating:>=4", [2, 3, 5, 6, 7]),
        ("near:48.1,11.6", [2]),
        ("near:48.1,11.6,1km", []),
        ("near:45.7,4.8,500km", [1]),
        ("near:45.7,4.8,600km", [1, 2]),
        ("dog camera:canon", [2]),
        ("car rating:>=4 -camera:pixel", [4]),
    ],
)
def test_filters(backend: SearchBackend, text: str, expected: list[int]) -> None:
    finds(backend, text, *expected)


def test_a_value_that_nothing_has_names_the_nearest(backend: SearchBackend) -> None:
    answer = backend.search(parse("camera:pixle"))
    assert answer.total == 0
    assert answer.corrections["camera:pixle"] == ('camera:"Google Pixel 6"',)
    assert backend.search(parse("person:ana")).corrections["person:ana"][0] == "person:Anna"


def test_a_circle_across_the_date_line_and_around_a_pole(empty: SearchBackend) -> None:
    empty.put([photo(1, position=Position(-17.0, 179.99)), photo(2, position=Position(89.99, -90.0)), photo(3)])
    finds(empty, "near:-17,-179.99,10km", 1)
    finds(empty, "near:89.99,90,10km", 2)


def test_an_unknown_filter_is_refused(backend: SearchBackend) -> None:
    with pytest.raises(FilterError):
        backend.search(Query(filters=(Filter("colour", "red"),)))


# Order and pages


def test_sort(backend: SearchBackend) -> None:
    assert found(backend, "sort:newest")[:4] == [2, 3, 1, 7]
    assert found(backend, "sort:oldest")[:4] == [7, 1, 3, 2]
    assert sorted(found(backend, "sort:oldest")[4:]) == [4, 5, 6]
    assert found(backend, "dog sort:newest")[:2] == [2, 1]
    assert found(backend, "dog sort:oldest")[:2] == [1, 2]


def test_a_person_s_words_weigh_more_than_the_model_s_and_names_least(empty: SearchBackend) -> None:
    empty.put(
        [
            photo(1, file_names=("boat.jpg",)),
            photo(2, folders=("boat",)),
            photo(3, places=("Boat",)),
            photo(4, tags=(("boat", 0.95),)),
            photo(5, "a boat"),
            photo(6, person_caption="our boat"),
            photo(7, tags=(("boat", 0.2),)),
        ]
    )
    assert found(empty, "boat ") == [6, 5, 4, 3, 2, 1, 7]


BOATS = (
    photo(1, file_names=("boat.jpg",), taken_at=datetime(2011, 1, 1)),
    photo(2, folders=("boat",), taken_at=datetime(2012, 1, 1)),
    photo(3, tags=(("boat", 0.25),), taken_at=datetime(2013, 1, 1)),
    photo(4, "a boat", machine_words=(("boat", 0.97),), tags=(("boat", 0.9),), taken_at=datetime(2014, 1, 1)),
    photo(5, "a boat", machine_sure=False, taken_at=datetime(2015, 1, 1)),
    photo(6, person_caption="our boat", taken_at=datetime(2016, 1, 1)),
    photo(7, "a boat", machine_words=(("boat", 0.2),), taken_at=datetime(2017, 1, 1)),
    photo(8, person_caption="a dog", tags=(("boat", 0.25),), taken_at=datetime(2018, 1, 1)),
)


def sureness(answer: Answer) -> dict[int, bool]:
    return {int(hit.id, 16): hit.sure for hit in answer.hits}


def test_hits_that_are_not_sure_come_after_all_others(empty: SearchBackend) -> None:
    """A person's words are sure wherever they stand; those of the model where enough speaks for them."""
    empty.put(BOATS)
    answer = empty.search(parse("boat "))
    assert [number for number, is_sure in sureness(answer).items() if is_sure] == numbers(answer)[: answer.sure]
    assert (set(numbers(answer)[: answer.sure]), answer.total) == ({1, 2, 4, 6}, 8)


def test_pages_that_follow_one_another_tell_the_same_of_each_hit(empty: SearchBackend) -> None:
    empty.put(BOATS)
    whole = empty.search(parse("boat "))
    pages = [empty.search(parse("boat "), limit=3, offset=offset) for offset in (0, 3, 6)]
    assert [hit for page in pages for hit in page.hits] == list(whole.hits)
    assert {page.sure for page in pages} == {whole.sure}


def test_by_date_hits_stand_where_their_date_is_and_say_whether_they_are_sure(empty: SearchBackend) -> None:
    empty.put(BOATS)
    answer = empty.search(parse("boat sort:oldest"))
    assert numbers(answer) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert [number for number, is_sure in sureness(answer).items() if is_sure] == [1, 2, 4, 6]


def test_of_several_words_each_has_to_be_sure(empty: SearchBackend) -> None:
    empty.put([*BOATS, photo(9, person_caption="a dog", keywords=("boat",))])
    assert sureness(empty.search(parse("dog boat "))) == {9: True, 8: False}


@pytest.mark.parametrize("text", ["", "before:2017", "folder:boat", "-dog"])
def test_without_words_everything_is_sure(empty: SearchBackend, text: str) -> None:
    empty.put(BOATS)
    answer = empty.search(parse(text))
    assert all(hit.sure for hit in answer.hits)
    assert answer.sure == answer.total > 0


def test_quoted_words_are_as_sure_as_the_least_of_them(empty: SearchBackend) -> None:
    empty.put(
        [
            photo(1, "a red boat", machine_words=(("red", 0.2), ("boat", 0.97)), tags=(("boat", 0.9),)),
            photo(2, "a red boat", machine_words=(("red", 0.97), ("boat", 0.97)), tags=(("boat", 0.9), ("red", 0.9))),
            photo(3, title="The red boat"),
        ]
    )
    assert sureness(empty.search(parse('"red boat"'))) == {3: True, 2: True, 1: False}


def test_what_has_all_words_but_those_that_are_said_to_be_left_out_may_be_sure(empty: SearchBackend) -> None:
    empty.put(BOATS)
    answer = empty.search(parse("boat xylophonist "))
    assert (answer.dropped, answer.sure) == (("xylophonist",), 4)


def test_what_only_looks_like_it_is_never_sure(empty: SearchBackend) -> None:
    empty.put([photo(1, "a lion", embedding=(1.0, 0.0)), photo(2, "a sofa", embedding=(0.0, 1.0))])
    answer = empty.search(replace(parse("cat "), vector=(1.0, 0.0), meant=("cat",)))
    assert (sureness(answer), answer.sure) == ({1: False}, 0)


def test_the_cosine_counts_as_evidence_for_a_word(empty: SearchBackend) -> None:
    said = photo(0, "a cat", machine_words=(("cat", 0.75),), tags=(("cat", 0.5),))
    empty.put(
        [replace(said, id=f"{1:032x}", embedding=(0.1, 0.995)), replace(said, id=f"{2:032x}", embedding=(0.6, 0.8))]
    )
    assert sureness(empty.search(replace(parse("cat "), vector=(1.0, 0.0)))) == {2: True, 1: False}


def test_sure_hits_of_a_time_and_of_its_name_come_before_all_that_are_not(empty: SearchBackend) -> None:
    day, other = datetime(2018, 12, 24), datetime(2012, 5, 1)
    sure_tag, unsure_tag = (("boat", 0.99),), (("boat", 0.25),)
    empty.put(
        [
            photo(1, tags=unsure_tag, taken_at=day),
            photo(2, tags=sure_tag, taken_at=day),
            photo(3, tags=unsure_tag, title="Christmas 2018", taken_at=other),
            photo(4, tags=sure_tag, title="Christmas 2018", taken_at=other),
        ]
    )
    query = parse("boat christmas 2018", now=date(2020, 6, 1), reader=TimeReader())
    answer = empty.search(query)
    assert list(sureness(answer).items()) == [(2, True), (4, True), (1, False), (3, False)]
    assert (answer.total, answer.sure) == (4, 2)
    pages = [empty.search(query, limit=1, offset=offset) for offset in range(5)]
    assert [number for page in pages for number in numbers(page)] == [2, 4, 1, 3]


COUNTED = (
    photo(1, "two zebras at a lake"),
    photo(2, "a dog on a lawn"),
    photo(3, "two dogs on a lawn"),
    photo(4, person_caption="zwei Katzen"),
    photo(5, person_caption="eine Katze", keywords=("Katzen",)),
    photo(6, person_caption="page 2 of the album"),
    photo(7, "a group of children"),
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("two dogs ", [3, 2]),
        ("2 dogs ", [3, 2]),
        ("two dog", [2, 3]),
        ("three dogs ", [3, 2]),
        ("two dogs on the lawn", [3, 2]),
        ("zwei katzen ", [4, 5]),
        ("drei katzen ", [4, 5]),
        ("group of dogs ", [3, 2]),
        ("two horses ", []),
        ("group of horses ", []),
        ("two horses two cows ", []),
    ],
)
def test_a_number_is_never_what_a_photo_is_found_by(empty: SearchBackend, text: str, expected: list[int]) -> None:
    empty.put(COUNTED)
    answer = empty.search(parse(text))
    assert (numbers(answer), answer.total, answer.dropped) == (expected, len(expected), ())


@pytest.mark.parametrize(
    ("text", "expected"),
    [("two ", [1, 3]), ("zwei ", [4]), ("2 ", [6]), ("group ", [7]), ('"two zebras"', [1]), ('"two" dogs ', [3])],
)
def test_a_number_alone_or_in_quotes_is_a_word_like_others(
    empty: SearchBackend, text: str, expected: list[int]
) -> None:
    empty.put(COUNTED)
    finds(empty, text, *expected)


def test_a_number_that_a_photo_says_is_marked_in_it(empty: SearchBackend) -> None:
    empty.put(COUNTED)
    (why,) = empty.search(parse("two dogs ")).hits[0].why
    assert [why.text[start:end] for start, end in why.spans] == ["two", "dogs"]


def test_a_number_in_a_name_of_the_library_has_to_be_there(empty: SearchBackend) -> None:
    empty.put([photo(1, places=("Drei Zinnen",)), photo(2, person_caption="Burgmauer mit Zinnen")])
    finds(empty, "drei zinnen ", 1)


def test_each_word_of_the_model_s_caption_counts_by_its_own_evidence(empty: SearchBackend) -> None:
    caption = "two dogs on a boat"
    empty.put(
        [
            photo(1, caption, machine_words=(("dogs", 0.9), ("boat", 0.3))),
            photo(2, caption, machine_words=(("dogs", 0.3), ("boat", 0.9))),
            photo(3, caption, machine_words=(("dogs", 0.6), ("boat", 0.6))),
            photo(4, caption, machine_words=(("boat", 0.01),)),  # of its dogs the model said nothing: as ever
            photo(5, person_caption="our dogs"),
        ]
    )
    assert found(empty, "dogs ") == [5, 4, 1, 3, 2]
    assert found(empty, "boat ") == [2, 3, 1, 4]
    finds(empty, '"dogs on a boat"', 1, 2, 3, 4)
    finds(empty, "-boat", 5)
    (why,) = empty.search(parse("boat ")).hits[-1].why
    assert (why.field, why.text, why.kind) == ("machine_caption", caption, "exact")


def test_a_sentence_that_the_model_is_not_sure_of_ranks_below_every_sure_one(empty: SearchBackend) -> None:
    long = "a dog " + "and another animal beside the water " * 4
    empty.put(
        [
            photo(1, "a dog", machine_sure=False, taken_at=datetime(2024, 1, 1)),
            photo(2, "a dog", machine_sure=False, machine_words=(("dog", 0.99),), taken_at=datetime(2023, 1, 1)),
            photo(3, long, machine_words=(("dog", 0.01),), taken_at=datetime(2020, 1, 1)),
            photo(4, "a dog", machine_sure=False, tags=(("dog", 0.9),)),
            photo(5, "a dog", machine_sure=False, machine_words=(("dog", 0.2),), taken_at=datetime(2024, 1, 1)),
        ]
    )
    assert found(empty, "dog ") == [4, 3, 1, 2, 5], "what rests on a tag as well does not rest on the sentence alone"


def test_of_many_photos_the_sure_ones_come_first(empty: SearchBackend) -> None:
    newest = datetime(2024, 1, 1)
    unsure = [photo(number, "a dog", machine_sure=False, taken_at=newest) for number in range(10, 150)]
    doubtful = [photo(number, "a dog", machine_words=(("dog", 0.3),), taken_at=newest) for number in range(150, 290)]
    empty.put([*unsure, *doubtful, photo(1, "a dog"), photo(2, "a dog", machine_words=(("dog", 0.8),))])
    assert numbers(empty.search(parse("dog "), limit=3))[:2] == [1, 2]
    assert empty.search(parse("dog ")).total == 282


@pytest.mark.parametrize("probability", [float("inf"), 2.0, -1.0, 0.0])
def test_odd_probabilities_do_no_harm(empty: SearchBackend, probability: float) -> None:
    words = (("dog", probability), ("", 0.5), ("not in the sentence", 0.5))
    empty.put([photo(1, "a dog", machine_words=words), photo(2, "a dog", machine_words=words, machine_sure=False)])
    assert found(empty, "dog ") == [1, 2]


def test_rarer_words_weigh_more(empty: SearchBackend) -> None:
    documents = [photo(number, "a man") for number in range(3, 40)]
    empty.put([photo(1, "a man", tags=(("zebra", 0.5),)), photo(2, "a zebra", tags=(("man", 0.5),)), *documents])
    assert found(empty, "man zebra ") == [2, 1]


YEARS_AND_MONTHS = (
    photo(1, "a dog", taken_at=datetime(1950, 1, 1), taken_precision=DatePrecision.YEAR),
    photo(2, "a dog", taken_at=datetime(1962, 7, 1), taken_precision=DatePrecision.MONTH),
    photo(3, "a dog", taken_at=datetime(1962, 7, 1), taken_precision=DatePrecision.DAY),
    photo(4, "a dog", taken_at=datetime(1950, 1, 1, 10, 30)),
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("year:1950", [1, 4]),
        ("year:1940..1955", [1, 4]),
        ("after:1950 before:1951", [1, 4]),
        ("after:1950-01 before:1950-02", [4]),
        ("after:1950-01-01 before:1950-01-02", [4]),
        ("before:1950-07", [4]),
        ("before:1950-02-15", [4]),
        ("-before:1950-07", [1, 2, 3]),
        ("before:1951", [1, 4]),
        ("after:1950-06", [2, 3]),
        ("year:1962", [2, 3]),
        ("after:1962-07 before:1962-08", [2, 3]),
        ("after:1962-07-01 before:1962-07-02", [3]),
        ("before:1962-07-02", [1, 3, 4]),
        ("before:1962-08", [1, 2, 3, 4]),
        ("before:1962-07", [1, 4]),
        ("sort:oldest before:1962-08", [1, 2, 3, 4]),
    ],
)
def test_a_year_or_a_month_is_found_where_all_of_it_is_meant(
    empty: SearchBackend, text: str, expected: list[int]
) -> None:
    empty.put(YEARS_AND_MONTHS)
    finds(empty, text, *expected)


def test_nothing_more_is_said_of_a_date_than_is_known(empty: SearchBackend) -> None:
    empty.put(YEARS_AND_MONTHS)
    assert found(empty, "january ") == [4]
    assert found(empty, "july 1962 ") == [3, 2] or found(empty, "july 1962 ") == [2, 3]
    finds(empty, "1950", 1, 4)
    facets = empty.facets(parse(""), ["year", "month"])
    assert {one.value: one.count for one in facets["year"]} == {"1950": 2, "1962": 2}
    assert {one.value: one.count for one in facets["month"]} == {"1950-01": 1, "1962-07": 2}
    with pytest.raises(ValueError, match="no facet"):
        empty.facets(parse(""), ["period"])


def test_equal_hits_come_newest_first(empty: SearchBackend) -> None:
    start = datetime(2020, 1, 1)
    empty.put([photo(number, "a cat", taken_at=start + timedelta(days=number)) for number in (2, 3, 1)])
    assert found(empty, "cat") == [3, 2, 1]


@pytest.mark.parametrize("text", ["cat", "", "sort:oldest", "cat sort:newest"])
def test_pages_follow_one_another_without_gap_or_overlap(empty: SearchBackend, text: str) -> None:
    empty.put([photo(number, "a cat and a dog" if number % 3 else "a cat") for number in range(1, 138)])
    whole = numbers(empty.search(parse(text), limit=1000))
    pages = [empty.search(parse(text), limit=20, offset=offset) for offset in range(0, 160, 20)]
    assert [number for page in pages for number in numbers(page)] == whole
    assert sorted(whole) == list(range(1, 138))
    assert {page.total for page in pages} == {137}


MANY = [
    photo(
        number,
        "a cat" if number % 4 else "a lion",
        taken_at=datetime(2000, 1, 1) + timedelta(days=number * 37 % 500) if number % 7 else None,
        embedding=(1.0, 0.0) if number % 8 == 0 else (0.0, 1.0) if number % 16 == 4 else None,
    )
    for number in range(1, 421)
]


@pytest.mark.parametrize(
    ("meant", "text"),
    [
        (meant, text)
        for meant in (False, True)
        for text in ("cat", "cat sort:newest", "cat sort:oldest", "-cat", "cat lion cub brown")
    ],
)
def test_deep_pages_follow_one_another_too(empty: SearchBackend, text: str, meant: bool) -> None:
    empty.put(MANY)
    query = replace(parse(f"{text} "), vector=(1.0, 0.0)) if meant else parse(f"{text} ")
    pages = [empty.search(query, limit=60, offset=offset) for offset in range(0, 480, 60)]
    shown = [number for page in pages for number in numbers(page)]
    assert len(shown) == len(set(shown)) == pages[0].total
    assert {page.total for page in pages} == {pages[0].total}
    by_facet = empty.facets(query, ["type"])["type"]
    assert sum(item.count for item in by_facet) == pages[0].total
    if "sort:" in text:
        dates = {int(document.id, 16): document.taken_at for document in MANY}
        dated = [date for number in shown if (date := dates[number])]
        assert dated == sorted(dated, reverse="newest" in text)
        assert all(dates[number] is None for number in shown[len(dated) :])


def test_what_is_found_by_meaning_is_counted_and_stands_in_its_place(empty: SearchBackend) -> None:
    empty.put(MANY)
    query = replace(parse("cat "), vector=(1.0, 0.0))
    answer = empty.search(query, limit=5)
    lions = sum(number % 8 == 0 for number in range(1, 421))
    assert (answer.total, answer.by_meaning) == (315 + lions, lions)


def test_limit_and_offset_are_honest(backend: SearchBackend) -> None:
    answer = backend.search(Query(), limit=0)
    assert (answer.hits, answer.total) == ((), 7)
    assert backend.search(Query(), offset=7).hits == ()
    assert len(backend.search(Query(), limit=3, offset=5).hits) == 2


def test_scores_are_between_0_and_1_and_fall(backend: SearchBackend) -> None:
    scores = [hit.score for hit in backend.search(parse("dog")).hits]
    assert scores == sorted(scores, reverse=True)
    assert all(0 < score <= 1 for score in scores)


# Why


def reasons(backend: SearchBackend, text: str, number: int) -> list[tuple[str, tuple[str, ...], str]]:
    answer = backend.search(parse(text))
    (hit,) = [hit for hit in answer.hits if int(hit.id, 16) == number]
    return [(why.field, tuple(why.text[start:end] for start, end in why.spans), why.kind) for why in hit.why]


@pytest.mark.parametrize(
    ("text", "number", "reason"),
    [
        ("dog ", 1, ("machine_caption", ("dog",), "exact")),
        ("dog ", 1, ("tags", ("dog",), "exact")),
        ("dogs ", 1, ("machine_caption", ("dog",), "exact")),
        ("dog beach ", 1, ("machine_caption", ("dog", "beach"), "exact")),
        ("bea", 1, ("machine_caption", ("beach",), "prefix")),
        ("beahc ", 1, ("machine_caption", ("beach",), "typo")),
        ("sofa ", 2, ("machine_caption", ("couch",), "synonym")),
        ("zurich ", 3, ("person_caption", ("Zürich",), "exact")),
        ("zoe ", 3, ("people", ("Zoë",), "exact")),
        ('"birthday cake"', 3, ("machine_caption", ("birthday", "cake"), "exact")),
        ("summer ", 1, ("folders", ("Summer",), "exact")),
        ("lyon ", 1, ("places", ("Lyon",), "exact")),
        ("20190714 ", 1, ("file_names", ("20190714",), "exact")),
        ("海滩", 6, ("machine_caption", ("海滩",), "exact")),
    ],
)
def test_why(backend: SearchBackend, text: str, number: int, reason: tuple[str, tuple[str, ...], str]) -> None:
    assert reason in reasons(backend, text, number)


def test_no_words_no_reasons(backend: SearchBackend) -> None:
    assert all(hit.why == () for hit in backend.search(parse("camera:canon")).hits)


# Persons

BEACH, KITCHEN = (1.0, 0.0), (0.0, 1.0)
#: Who is in a photo is known by faces, as a name in a file is: a caption says "a woman".
PERSONS = (
    photo(1, "a man and a woman on the beach", people=("Anna", "Bert"), embedding=BEACH),
    photo(2, "a woman on the beach", people=("Anna",), embedding=BEACH),
    photo(3, "a man on the beach", people=("Bert",), embedding=BEACH),
    photo(4, "two women in a kitchen", people=("Anna", "Clara Müller"), embedding=KITCHEN),
    photo(5, "an empty beach", embedding=BEACH),
    photo(6, "a woman on a towel", people=("Clara Müller",), embedding=BEACH),
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("person:Anna", [1, 2, 4]),
        ("person:anna", [1, 2, 4]),
        ("anna", [1, 2, 4]),
        ("Anna at the beach", [1, 2]),
        ("beach anna", [1, 2]),
        ("person:Anna beach", [1, 2]),
        ("woman anna", [1, 2, 4]),
        ('person:"Clara Müller"', [4, 6]),
        ("person:Müller", [4, 6]),
        ('"clara müller"', [4, 6]),
        ('"müller clara"', []),
        ("Clara Müller in the kitchen", [4]),
        ("person:Anna person:Bert", [1]),
        ("Anna and Bert", [1]),
        ("anna bert beach", [1]),
        ("person:Anna -person:Bert", [2, 4]),
        ("anna -bert", [2, 4]),
        ("beach -person:Anna", [3, 5]),
        ('anna -"clara müller"', [1, 2]),
        ('-person:Anna -person:"Clara Müller"', [3, 5]),
        ("person:Anna person:Bert -beach", []),
    ],
)
def test_persons_alone_together_and_without_each_other(empty: SearchBackend, text: str, expected: list[int]) -> None:
    empty.put(PERSONS)
    finds(empty, f"{text} ", *expected)


def test_a_person_is_found_where_the_picture_alone_shows_the_rest(empty: SearchBackend) -> None:
    empty.put(PERSONS)
    asked = {"vector": BEACH, "meant": ("seaside",)}
    assert numbers(empty.search(replace(parse("Clara at the seaside "), **asked)))[0] == 6
    assert sorted(numbers(empty.search(replace(parse("seaside person:Anna -person:Bert "), **asked)))) == [2]


def test_persons_are_counted_among_the_hits_and_each_count_is_a_filter(empty: SearchBackend) -> None:
    empty.put(PERSONS)
    assert facet(empty, "", "person") == [("Anna", 3), ("Bert", 2), ("Clara Müller", 2)]
    assert facet(empty, "beach", "person") == [("Anna", 2), ("Bert", 2)]
    assert facet(empty, "person:Bert", "person") == [("Bert", 2), ("Anna", 1)]
    assert facet(empty, "-person:Anna", "person") == [("Bert", 1), ("Clara Müller", 1)]


def test_another_name_takes_the_place_of_the_one_before(empty: SearchBackend) -> None:
    """Renamed, merged into another, or ignored: the document is put again with the names that hold now."""
    empty.put(PERSONS)
    empty.put([replace(one, revision=2, people=("Xenia",)) for one in PERSONS[:2]] + [replace(PERSONS[5], people=())])
    finds(empty, "xenia ", 1, 2)
    finds(empty, "person:Xenia beach ", 1, 2)
    finds(empty, "anna ", 4)
    finds(empty, "person:Bert ", 3)
    finds(empty, 'person:"Clara Müller" ', 4)
    assert facet(empty, "", "person") == [("Xenia", 2), ("Anna", 1), ("Bert", 1), ("Clara Müller", 1)]
    empty.put([replace(one, revision=3, people=()) for one in PERSONS])
    assert facet(empty, "", "person") == []
    finds(empty, "xenia ")
    finds(empty, "woman beach ", 1, 2)
    assert empty.vocabulary("xen") == ()


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("<script>alert(1)</script>", id="markup"),
        pytest.param('Anna "the cat" O\'Neill', id="quotes"),
        pytest.param("אבי כהן", id="right to left"),
        pytest.param("a:b -c", id="signs of the query language"),
        pytest.param("person:Bert", id="a filter"),
        pytest.param("x" * 100, id="long"),
        pytest.param("👩‍👧", id="emoji"),
    ],
)
def test_a_name_is_taken_as_it_is(empty: SearchBackend, name: str) -> None:
    empty.put([photo(1, "a dog", people=(name,)), photo(2, "a cat", people=("Bert",))])
    assert facet(empty, "dog", "person") == [(name, 1)]
    typed = name.replace('"', " ")
    finds(empty, f'person:"{typed}" ', 1)
    finds(empty, f'cat -person:"{typed}" ', 2)


# Facets


def facet(backend: SearchBackend, text: str, name: str) -> list[tuple[str, int]]:
    return [(item.value, item.count) for item in backend.facets(parse(text), [name])[name]]


def test_facets_count_the_current_search(backend: SearchBackend) -> None:
    assert facet(backend, "", "year") == [("2020", 1), ("2019", 2), ("1987", 1)]
    assert facet(backend, "", "month") == [("2020-01", 1), ("2019-12", 1), ("2019-07", 1), ("1987-05", 1)]
    assert facet(backend, "dog", "year") == [("2020", 1), ("2019", 1)]
    assert facet(backend, "camera:canon", "rating") == [("4", 1), ("3", 1)]
    assert facet(backend, "", "type") == [("jpeg", 5), ("heic", 1), ("png", 1)]
    assert facet(backend, "dog", "tag")[0] == ("dog", 3)
    assert ("horse", 1) not in facet(backend, "", "tag")
    assert ("family", 1) in facet(backend, "", "tag")
    assert facet(backend, "year:2019", "person") == [("Anna", 1), ("Zoë", 1)]
    assert facet(backend, "", "lens")[0][1] == 1
    assert facet(backend, "", "place") == [("France", 1), ("Lyon", 1), ("Rhône", 1)]


def test_folders_are_counted_at_every_level(backend: SearchBackend) -> None:
    assert facet(backend, "", "folder")[0] == ("2019", 2)
    assert {"2019/Birthdays", "2019/Summer trip", "2020", "Best of", "照片"} < {
        value for value, _ in facet(backend, "", "folder")
    }


def test_the_most_frequent_values_come_first_and_so_many_as_asked_for(backend: SearchBackend) -> None:
    answer = backend.facets(Query(), ["tag", "camera"], limit=1)
    assert [len(values) for values in answer.values()] == [1, 1]
    assert answer["tag"][0].value == "dog"


def test_a_facet_s_value_is_a_filter_that_finds_as_many(backend: SearchBackend) -> None:
    for name, values in backend.facets(
        Query(), ["year", "camera", "lens", "place", "folder", "person", "tag", "type"]
    ).items():
        for item in values:
            assert len(found(backend, f'{name}:"{item.value}"')) == item.count, (name, item)


def test_an_unknown_facet_is_refused(backend: SearchBackend) -> None:
    with pytest.raises(ValueError, match="colour"):
        backend.facets(Query(), ["colour"])


# Words by their beginning


@pytest.mark.parametrize(
    ("beginning", "expected"),
    [
        ("do", ("dog",)),  # not dogs as well
        ("Bi", ("bicycle", "birthday")),
        ("ZU", ("zürich",)),
        ("sm", ("smith",)),
        ("xy", ()),
        ("", ()),
        ("海", ()),
        ("a dog", ()),
        ('"*', ()),
    ],
)
def test_words_are_told_by_their_beginning(backend: SearchBackend, beginning: str, expected: tuple[str, ...]) -> None:
    assert backend.vocabulary(beginning) == expected


def test_common_words_are_told_first_and_deleted_ones_never(empty: SearchBackend) -> None:
    empty.put([photo(number, "a sofa") for number in range(1, 4)] + [photo(4, "a song"), photo(5, "some soup")])
    empty.delete([f"{4:032x}"])
    assert empty.vocabulary("so", limit=5) == ("sofa", "soup")
    assert empty.vocabulary("so", limit=1) == ("sofa",)
    assert empty.vocabulary("so", limit=0) == ()


# Meaning


def test_photos_are_found_by_meaning_where_there_are_vectors(empty: SearchBackend) -> None:
    empty.put(
        [
            photo(1, "a poodle", embedding=(1.0, 0.0, 0.0, 0.0)),
            photo(2, "a dog", embedding=(0.9, 0.435, 0.0, 0.0)),
            photo(3, "a dog made of stone", embedding=(0.0, 1.0, 0.0, 0.0)),
            photo(4, "a street", embedding=(0.0, 0.0, 1.0, 0.0)),
            photo(5, "no vector"),
        ]
    )
    answer = empty.search(replace(parse("dog "), vector=(1.0, 0.0, 0.0, 0.0)))
    assert numbers(answer)[0] == 2
    assert sorted(numbers(answer)) == [1, 2, 3]
    assert answer.total == 3
    kinds = {int(hit.id, 16): [why.kind for why in hit.why] for hit in answer.hits}
    assert kinds == {1: ["meaning"], 2: ["exact", "meaning"], 3: ["exact"]}
    assert answer.by_meaning == 1
    finds(empty, "dog ", 2, 3)
    assert numbers(empty.search(Query(vector=(0.0, 0.0, 1.0, 0.0)))) == [4]


def test_filters_and_exclusions_hold_for_meaning_too(empty: SearchBackend) -> None:
    near = (1.0, 0.0)
    empty.put(
        [photo(1, "a cat", rating=5, embedding=near), photo(2, "a dog", embedding=near), photo(3, embedding=(0.0, 1.0))]
    )
    assert numbers(empty.search(replace(parse("lion rating:5"), vector=near))) == [1]
    assert numbers(empty.search(replace(parse("lion -cat"), vector=near))) == [2]


def test_a_vector_of_another_length_is_no_error(empty: SearchBackend) -> None:
    empty.put([photo(1, "a cat", embedding=(1.0, 0.0)), photo(2, "a cat")])
    assert sorted(numbers(empty.search(replace(parse("cat "), vector=(1.0, 0.0, 0.0))))) == [1, 2]
    assert sorted(numbers(empty.search(replace(parse("cat "), vector=(0.0, 0.0))))) == [1, 2]


def test_embeddings_of_different_models_are_never_compared(empty: SearchBackend) -> None:
    near = (1.0, 0.0)
    empty.put([photo(1, embedding=near, model="atto-1"), photo(2, embedding=near, model="atto-2"), photo(3)])
    lion = replace(parse("lion "), vector=near)
    assert numbers(empty.search(replace(lion, model="atto-1"))) == [1]
    assert numbers(empty.search(replace(lion, model="atto-2"))) == [2]
    assert numbers(empty.search(replace(lion, model="atto-3"))) == []
    empty.put([photo(2, embedding=near, model="atto-1"), photo(4, embedding=near, model="atto-2")])
    assert sorted(numbers(empty.search(replace(lion, model="atto-1")))) == [1, 2]
    assert numbers(empty.similar(f"{1:032x}")) == [2]
    assert numbers(empty.similar(f"{4:032x}")) == []


def test_what_stands_in_the_words_comes_before_what_only_looks_like_it(empty: SearchBackend) -> None:
    empty.put(
        [
            photo(1, "a stick in the grass", tags=(("puppy", 0.2),), embedding=(-1.0, 0.0)),
            photo(2, "a lake", embedding=(1.0, 0.0)),
            photo(3, "a chair", embedding=(-0.9, -0.43)),
        ]
    )
    answer = empty.search(replace(parse("puppy "), vector=(1.0, 0.0), meant=("puppy",)))
    assert numbers(answer) == [1, 2]
    assert (answer.total, answer.by_meaning) == (2, 1)


def test_a_word_with_a_meaning_is_no_typing_mistake_unless_nothing_is_near(empty: SearchBackend) -> None:
    empty.put([photo(1, "a tan pony", embedding=(1.0, 0.0)), photo(2, "a lake", embedding=(0.0, 1.0))])
    meant = replace(parse("pond "), vector=(0.0, 1.0), meant=("pond",))
    answer = empty.search(meant)
    assert (numbers(answer), answer.corrections, answer.dropped) == ([2], {}, ())
    answer = empty.search(replace(meant, vector=(-1.0, 0.0)))
    assert (numbers(answer), answer.corrections) == ([1], {"pond": ("pony",)})


def test_names_hold_for_what_is_found_by_meaning(empty: SearchBackend) -> None:
    sea = (1.0, 0.0)
    empty.put(
        [
            photo(1, "sand", people=("Anna",), embedding=sea),
            photo(2, "sand", people=("Ben",), embedding=sea),
            photo(3, "sand", taken_at=datetime(2019, 7, 1), embedding=sea),
        ]
    )
    asked = {"vector": sea, "meant": ("seaside",)}
    assert numbers(empty.search(replace(parse("anna seaside "), **asked))) == [1]
    assert numbers(empty.search(replace(parse("seaside 2019 "), **asked))) == [3]
    answer = empty.search(replace(parse("seaside xqzt "), **asked))
    assert (sorted(numbers(answer)), answer.dropped) == ([1, 2, 3], ())


def test_similar_by_embedding(empty: SearchBackend) -> None:
    empty.put(
        [
            photo(1, "a", embedding=(1.0, 0.0)),
            photo(2, "b", embedding=(0.8, 0.6)),
            photo(3, "c", embedding=(0.99, 0.141)),
            photo(4, "d", embedding=(-1.0, 0.0)),
        ]
    )
    answer = empty.similar(f"{1:032x}")
    assert numbers(answer) == [3, 2]
    assert answer.total == 2
    assert numbers(empty.similar(f"{1:032x}", limit=1)) == [3]


def test_photos_are_not_alike_for_being_taken_with_one_camera(empty: SearchBackend) -> None:
    empty.put(
        [photo(number, text, camera="Canon EOS 80D") for number, text in enumerate(("a dog", "a tree", "a dog"), 1)]
    )
    assert numbers(empty.similar(f"{1:032x}")) == [3]


def test_similar_by_words_where_there_is_no_embedding(backend: SearchBackend) -> None:
    assert numbers(backend.similar(f"{1:032x}"))[0] in {2, 5}
    assert 1 not in numbers(backend.similar(f"{1:032x}"))


def test_nothing_is_like_an_unknown_photo(backend: SearchBackend) -> None:
    assert backend.similar("f" * 32) == Answer((), 0)


# Writing systems and hostile text


@pytest.mark.parametrize("text", ["zurich", "Zürich", "ZÜRICH", "Zu\u0308rich", "zuric"])
def test_case_and_diacritics_do_not_matter(backend: SearchBackend, text: str) -> None:
    finds(backend, text, 3)


@pytest.mark.parametrize("text", ["海滩", "猫", "一只猫", "夏天", "照片/夏天", "海滩 猫"])
def test_chinese_is_found_by_any_part(backend: SearchBackend, text: str) -> None:
    finds(backend, text, 6)


def test_characters_without_spaces_match_as_they_stand(backend: SearchBackend) -> None:
    finds(backend, "滩海")


@pytest.mark.parametrize(
    ("caption", "text"),
    [
        ("公園で遊ぶ子供", "子供"),
        ("カメラを持つ人", "カメラ"),
        ("한국의 바다에서", "바다"),
        ("собака на пляже", "СОБАКА"),
        ("ένας σκύλος", "σκυλος"),
        ("كلب على الشاطئ", "الشاطئ"),
        ("מסיבת יום הולדת", "יום"),
        ("समुद्र तट पर कुत्ता", "कुत्ता"),
        ("หมาบนชายหาด", "ชายหาด"),
        ("party 🎂 time", "🎂"),
        ("cœur de Łódź, smørrebrød", "coeur lodz smorrebrod"),
    ],
)
def test_many_scripts(empty: SearchBackend, caption: str, text: str) -> None:
    empty.put([photo(1, caption), photo(2, "a dog")])
    finds(empty, text, 1)


HOSTILE = [
    *(
        '"',
        '""',
        '"""',
        "AND",
        "OR",
        "NOT",
        "NEAR",
        "NEAR(a b, 3)",
        "a:b",
        "body:dog",
        "-x",
        "-",
        "*",
        "dog*",
        "^dog",
        "{a b}",
    ),
    *(
        "dog AND",
        "dog NOT beach",
        "(dog",
        "dog)",
        "'; DROP TABLE document; --",
        "\0",
        "dog\0beach",
        "\\",
        "%",
        "_",
        "🎂",
        "\u202eabc",
    ),
    *(
        "שלום עולם",
        "\ud800",
        "a" * 10_000,
        "dog " * 2500,
        '"' * 10_000,
        '"dog beach" -"' + "x y " * 500,
        "\U0010ffff",
        "+a",
        "a+b",
    ),
]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: repr(text[:12]))
def test_hostile_queries_are_data(backend: SearchBackend, text: str) -> None:
    backend.search(parse(text))
    backend.facets(parse(text), ["tag"])
    backend.search(Query(words=(text,), phrases=(text,), excluded=(text,)))


@pytest.mark.not_recorded("its texts are others every time")
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(text=st.text(max_size=60))
def test_any_text_can_be_searched_for_and_indexed(empty: SearchBackend, text: str) -> None:
    empty.put(
        [photo(1, text, person_caption=text, tags=((text, 0.5),), keywords=(text,), folders=(text,), camera=text)]
    )
    for query in (Query(words=(text,)), Query(phrases=(text,)), Query(excluded=(text,))):
        for hit in empty.search(query).hits:
            for why in hit.why:
                assert all(0 <= start < end <= len(why.text) for start, end in why.spans)
    assert empty.count() == 1


def test_hostile_documents_are_kept_as_they_are(empty: SearchBackend) -> None:
    texts = ["\0", "a\0b", "\udcff\udcfe.jpg", "<script>alert(1)</script>", "x" * 100_000, "\u202e", '"', "' OR 1=1"]
    empty.put([photo(number, text, file_names=(text,), people=(text,)) for number, text in enumerate(texts, start=1)])
    assert empty.count() == len(texts)
    finds(empty, "script ", 4)


# Writing


def test_put_replaces_the_whole_document(backend: SearchBackend) -> None:
    backend.put([photo(1, "a zebra in the snow", revision=2)])
    finds(backend, "beach ")
    finds(backend, "zebra ", 1)
    finds(backend, '"a dog running"')
    finds(backend, "folder:summer")
    assert backend.count() == 7
    assert ("2019", 1) in facet(backend, "", "year")


def test_of_two_documents_with_one_id_the_last_one_counts(empty: SearchBackend) -> None:
    empty.put([photo(1, "a cat"), photo(1, "a dog")])
    finds(empty, "dog ", 1)
    finds(empty, "cat ")
    assert empty.count() == 1


def test_delete(backend: SearchBackend) -> None:
    backend.delete([f"{1:032x}", "no such photo"])
    finds(backend, "beach ")
    finds(backend, '"dog running"')
    assert backend.count() == 6
    backend.delete([])
    assert backend.similar(f"{1:032x}") == Answer((), 0)


def test_clear_and_start_again(backend: SearchBackend) -> None:
    backend.clear()
    assert (backend.count(), backend.search(Query()).total) == (0, 0)
    assert facet(backend, "", "tag") == []
    backend.put([photo(9, "a dog")])
    finds(backend, "dog ", 9)
    finds(backend, "beach ")


# What it holds


def test_id_and_revision_of_every_document_are_told(backend: SearchBackend) -> None:
    assert sorted(backend.held()) == [(document.id, 1) for document in LIBRARY]
    backend.put([photo(1, "a zebra", revision=7), photo(2, "a horse", revision=3)])
    backend.put([photo(2, "an older horse", revision=2)])  # a catalogue that was restored knows best
    backend.delete([f"{3:032x}"])
    assert sorted(backend.held()) == [(f"{number:032x}", revision) for number, revision in HELD_THEN]
    assert backend.count() == len(HELD_THEN)
    backend.clear()
    assert list(backend.held()) == []


HELD_THEN = ((1, 7), (2, 2), (4, 1), (5, 1), (6, 1), (7, 1))


def test_what_is_held_may_be_read_in_part(empty: SearchBackend) -> None:
    assert empty.put([photo(number, revision=number) for number in range(1, 301)]) == {}
    held = empty.held()
    assert len({next(held) for _ in range(100)}) == 100
    assert dict(empty.held()) == {f"{number:032x}": number for number in range(1, 301)}


def test_every_write_moves_the_position_and_nothing_else_does(backend: SearchBackend) -> None:
    stood = [backend.checkpoint()]

    def moved(what: str) -> None:
        assert backend.checkpoint() not in stood, what
        stood.append(backend.checkpoint())

    backend.put([photo(1, "a zebra", revision=2)])
    moved("a document was replaced")
    backend.put([photo(1, "a zebra", revision=2)])
    moved("a document was put once more, which a killed writer can't tell from the first time")
    backend.delete([f"{1:032x}"])
    moved("a document was deleted")
    backend.put([photo(1, "a zebra", revision=2)])
    moved("it came back")
    backend.clear()
    moved("all were deleted")

    backend.search(parse("dog"))
    backend.facets(parse(""), ["year"])
    backend.similar(f"{1:032x}")
    list(backend.held())
    backend.count()
    backend.prepare()
    backend.complete()
    assert backend.checkpoint() == stood[-1]


def test_preparing_and_completing_again_changes_nothing(backend: SearchBackend) -> None:
    for _ in range(2):
        backend.complete()
        backend.prepare()
    finds(backend, "beach ", 1)
    assert len(dict(backend.held())) == backend.count() == 7
    backend.put([photo(8, "a zebra")])
    backend.complete()
    finds(backend, "zebra ", 8)


def test_none_that_can_be_kept_is_refused(empty: SearchBackend) -> None:
    assert empty.batch > 0
    assert empty.put(LIBRARY) == {}
    assert empty.put([]) == {}
    assert empty.put([photo(number, "a dog") for number in range(empty.batch + 1)]) == {}


def test_an_empty_index_answers_everything(empty: SearchBackend) -> None:
    for text in ("", "dog", '"a dog"', "-dog", "camera:x", "near:1,1", "sort:oldest", "two words here now", "beahc"):
        assert empty.search(parse(text)).total == 0
    assert empty.search(Query(vector=(1.0, 0.0))).total == 0
    assert facet(empty, "dog", "year") == []


def test_many_replacements_leave_no_trace(empty: SearchBackend) -> None:
    for turn in range(40):
        empty.put([photo(number, f"a dog number {turn}", rating=turn % 5) for number in range(1, 21)])
        finds(empty, f"{turn} dog ", *range(1, 21))
    assert empty.search(parse("dog")).total == 20
    assert facet(empty, "", "rating") == [("4", 20)]


@pytest.mark.not_recorded("how often a thread reads depends on the machine")
def test_reading_goes_on_while_another_thread_writes(empty: SearchBackend) -> None:
    empty.put([photo(number, "a dog") for number in range(1, 101)])
    totals: list[int] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            totals.append(empty.search(parse("dog"), limit=5).total)

    reader = threading.Thread(target=read)
    reader.start()
    for first in range(101, 1101, 100):
        empty.put([photo(number, "a dog") for number in range(first, first + 100)])
    done.set()
    reader.join()
    # Batches are seen whole or not at all.
    assert {total % 100 for total in totals} <= {0}
    assert totals == sorted(totals)
    assert empty.search(parse("dog"), limit=0).total == 1100


def test_closing_twice_is_fine_and_a_closed_backend_says_so(empty: SearchBackend) -> None:
    empty.close()
    empty.close()
    with pytest.raises(SearchError):
        empty.search(parse("dog"))


_READER = TimeReader("en-GB", {"Anna": date(2015, 6, 3)})
_TIMES = (
    photo(1, "a dog in the snow", taken_at=datetime(2018, 12, 25, 9, 0)),
    photo(2, "a christmas tree in a living room", taken_at=datetime(2018, 12, 10, 18, 0)),
    photo(3, person_caption="Christmas at grandma's"),
    photo(4, "a child by a christmas tree", taken_at=datetime(2015, 12, 20, 18, 0)),
    photo(5, "a dog on a lawn", taken_at=datetime(2019, 7, 14, 23, 0)),
    photo(6, "a cake with candles", taken_at=datetime(2019, 1, 1), taken_precision=DatePrecision.YEAR),
    photo(7, "a lake", folders=("Summer 2019",), taken_at=datetime(2023, 2, 1, 10, 0)),
    photo(8, "a cat on a couch", taken_at=datetime(2019, 6, 3, 12, 0)),
    photo(9, "a woman in a sunday dress", taken_at=datetime(2021, 5, 4, 12, 0)),
)


@pytest.mark.parametrize(
    ("text", "first", "then"),
    [
        ("christmas 2018", [1], [2, 3]),
        ("christmas", [1], [2, 3, 4]),
        ("dog christmas 2018", [1], []),
        ("summer 2019", [5, 6, 8], [7]),
        ("dog summer 2019", [5], []),
        ("at night", [5], []),
        ("cake july 2019", [6], []),
        ("july", [5], []),
        ("sundays", [4, 5], [9]),
        ("sunday dress", [9], []),
        ("birthday of anna", [8], []),
        ("2015", [4], []),
        ('words:"christmas 2018"', [2], []),
        ('time:"christmas 2018"', [1], []),
        ('-time:2019 time:"2018 to 2021"', [1, 2, 9], []),
        ("july 2019 sundays", [5], []),
        ("xylophone christmas 2018", [1], []),  # no photo has that word
    ],
)
def test_words_that_name_a_time_find_what_was_taken_then_before_what_says_them(
    empty: SearchBackend, text: str, first: list[int], then: list[int]
) -> None:
    empty.put(_TIMES)
    query = parse(text, now=date(2024, 8, 14), reader=_READER)
    found = numbers(empty.search(query))
    assert (sorted(found[: len(first)]), sorted(found[len(first) :])) == (first, then)
    assert empty.search(query, limit=0).total == len(found)
    paged = [number for at in range(len(found)) for number in numbers(empty.search(query, limit=1, offset=at))]
    assert paged == found
    counted = empty.facets(query, ["year"])["year"]
    undated = sum(number == 3 for number in found)
    assert sum(one.count for one in counted) == len(found) - undated


# Photos that are nearly the same


def shot(number: int, stack: int, machine_caption: str = "a dog", **fields: object) -> SearchDocument:
    return photo(number, machine_caption, stack=f"{stack:032x}", **fields)


#: A burst for which its second photo stands, a RAW and its JPEG, and two photos of no stack.
STACKS = (
    shot(1, 2, "a dog in the snow", taken_at=datetime(2020, 1, 1, 12, 0, 0)),
    shot(2, 2, "a dog in the snow", taken_at=datetime(2020, 1, 1, 12, 0, 1)),
    shot(3, 2, "a dog in the snow with a sledge", taken_at=datetime(2020, 1, 1, 12, 0, 2), folders=("good",)),
    shot(4, 5, taken_at=datetime(2019, 1, 1)),
    shot(5, 5, taken_at=datetime(2019, 1, 1)),
    photo(6, "a dog", taken_at=datetime(2018, 1, 1)),
    photo(7, "a cat", taken_at=datetime(2017, 1, 1)),
)
_STACK_OF = {1: 2, 2: 2, 3: 2, 4: 5, 5: 5}


def folded(backend: SearchBackend, text: str, **page: int) -> Answer:
    return backend.search(parse(text, fold=True), **page)


def test_of_each_stack_one_photo_is_a_hit(empty: SearchBackend) -> None:
    empty.put(STACKS)
    answer = folded(empty, "dog ")
    assert sorted(_STACK_OF.get(hit, hit) for hit in numbers(answer)) == [2, 5, 6]
    assert (answer.total, answer.folded, answer.listed) == (6, 3, 3)
    for each in (empty.search(parse("dog ")), folded(empty, "dog similar:all ")):
        assert (len(each.hits), each.total, each.folded) == (6, 6, 0)


def test_what_one_photo_of_a_stack_has_finds_that_one(empty: SearchBackend) -> None:
    empty.put(STACKS)
    for text in ("sledge ", "folder:good", "dog -snow folder:good", "dog snow sledge "):
        answer = folded(empty, text)
        wanted = [] if "-snow" in text else [3]
        assert (numbers(answer), answer.listed) == (wanted, len(wanted)), text


@pytest.mark.parametrize("text", ["", "dog ", "sort:oldest", "sort:newest dog ", "snow dog children "])
def test_pages_of_folded_hits_meet_each_stack_once(empty: SearchBackend, text: str) -> None:
    start = datetime(2015, 1, 1)
    bursts = [
        shot(10 * burst + at, 10 * burst, taken_at=start + timedelta(hours=burst, seconds=at))
        for burst in range(2, 62)
        for at in range(4)
    ]
    empty.put([*STACKS, *bursts, *(photo(1000 + number, "a dog") for number in range(50))])
    whole = folded(empty, text, limit=1000)
    stacks = [_STACK_OF.get(hit, hit // 10 * 10 if 10 < hit < 1000 else hit) for hit in numbers(whole)]
    assert len(stacks) == len(set(stacks)) == whole.listed
    pages = [folded(empty, text, limit=7, offset=first) for first in range(0, whole.listed + 7, 7)]
    assert [hit for page in pages for hit in numbers(page)] == numbers(whole)
    assert {(page.total, page.folded) for page in pages} == {(whole.total, whole.folded)}


def test_facets_count_what_is_folded_too(empty: SearchBackend) -> None:
    empty.put(STACKS)
    years = empty.facets(parse("dog ", fold=True), ["year"])["year"]
    assert [(one.value, one.count) for one in years] == [("2020", 3), ("2019", 2), ("2018", 1)]


# Queries of which nothing, or not all, can be searched


@pytest.mark.parametrize(
    "text",
    [
        *(
            "!!!",
            "...",
            "?",
            "-",
            "--",
            "- ",
            '""',
            '"',
            '"!!!"',
            '-""',
            "-!!!",
            "()",
            ":)",
            "*",
            "_",
            "+",
            "&",
            "€",
            "°",
        ),
        *(
            "\u200b",
            "\u00ad",
            "\u202e",
            "\u0301",
            "\ufe0f",
            "\U0001f3fd",
            "\x01\x02",
            "\ue000",
            "¡¿",
            "…",
            "—",
            "!!! ???",
        ),
        *('words:"!!!"', "sort:oldest !!!", "-!!! ..."),
    ],
)
def test_a_query_of_which_nothing_can_be_searched_finds_nothing_and_says_why(backend: SearchBackend, text: str) -> None:
    answer = backend.search(parse(text))
    assert (answer.hits, answer.total, answer.why_nothing) == ((), 0, WhyNothing.NOTHING_SEARCHABLE)
    assert backend.facets(parse(text), ["tag", "year"]) == {"tag": (), "year": ()}


@pytest.mark.parametrize("text", ["", " ", " \u3000\t", "sort:newest"])
def test_a_query_that_asks_for_nothing_is_every_photo(backend: SearchBackend, text: str) -> None:
    answer = backend.search(parse(text))
    assert (answer.total, answer.why_nothing) == (len(LIBRARY), None)


@pytest.mark.parametrize("text", ["year:2019 !!!", "!!! year:2019", 'year:2019 ""', "year:2019 -"])
def test_a_filter_beside_what_can_t_be_searched_counts_alone(backend: SearchBackend, text: str) -> None:
    finds(backend, text, 1, 3)


@pytest.mark.parametrize(
    "text", ["dog & beach ", "dog, beach!", "dog - beach ", "\u200bdog beach ", "d\u00adog be\u200bach "]
)
def test_punctuation_and_what_can_t_be_seen_are_passed_over(backend: SearchBackend, text: str) -> None:
    assert found(backend, text) == [1]
    assert backend.search(parse(text)).dropped == ()


@pytest.mark.parametrize("emoji", ["🎂", "🇩🇪", "⭐", "❤️", "⌚", "👍🏽", "👨‍👩‍👧", "🏴\U000e0067\U000e0062\U000e007f"])
def test_an_emoji_is_found_where_somebody_wrote_it(empty: SearchBackend, emoji: str) -> None:
    empty.put([photo(1, person_caption=f"{emoji} Geburtstag"), photo(2, keywords=(emoji,)), photo(3, "a dog")])
    finds(empty, emoji, 1, 2)
    assert found(empty, f"{emoji} geburtstag ")[0] == 1
    finds(empty, f'tag:"{emoji}"', 2)
    (why,) = empty.search(parse(f"{emoji} geburtstag ")).hits[0].why
    assert [why.text[start:end] for start, end in why.spans][-1] == "Geburtstag"


@pytest.mark.parametrize("text", ["🦄", "🇫🇷", "🦄 🇫🇷", '"🦄"'])
def test_emoji_that_no_photo_has_find_nothing_and_the_answer_says_why(backend: SearchBackend, text: str) -> None:
    answer = backend.search(parse(text))
    assert (answer.total, answer.why_nothing) == (0, WhyNothing.EMOJI_NOT_FOUND)


def test_an_emoji_that_no_photo_has_is_left_out_and_named(backend: SearchBackend) -> None:
    answer = backend.search(parse("dog 🦄 "))
    assert (sorted(numbers(answer)), answer.dropped, answer.why_nothing) == ([1, 2, 5], ("🦄",), None)


def test_photos_found_without_some_words_have_all_of_the_others(empty: SearchBackend) -> None:
    empty.put([photo(1, "a cat"), photo(2, "a tree"), photo(3, "a cat")])
    answer = empty.search(parse("cat tree "))
    assert len(answer.dropped) == 1
    kept = {"cat": [1, 3], "tree": [2]}[({"cat", "tree"} - set(answer.dropped)).pop()]
    assert sorted(numbers(answer)) == kept


def test_a_filter_s_value_without_words_means_itself(empty: SearchBackend) -> None:
    empty.put([photo(1, folders=("!!!",)), photo(2, folders=("???",))])
    finds(empty, "folder:!!!", 1)
    finds(empty, "folder:+")


# Parts, forms and spellings


def test_a_word_is_found_by_its_parts_behind_photos_that_have_the_word_itself(empty: SearchBackend) -> None:
    empty.put(
        [
            photo(1, person_caption="Geburtstagstorte für Lena"),
            photo(2, person_caption="Oma mit Torte"),
            photo(3, folders=("Sommerurlaub2019/BirthdayParty",)),
            photo(4, "a train at the start of a garage in the rain", file_names=("Sandstrand_04.jpg",)),
        ]
    )
    assert found(empty, "torte ") == [2, 1]
    assert found(empty, "torten ") == [2, 1]
    for text, number, marked in (("urlaub ", 3, "urlaub"), ("party ", 3, "Party"), ("strand ", 4, "strand")):
        (hit,) = empty.search(parse(text)).hits
        (why,) = hit.why
        assert (int(hit.id, 16), why.kind, [why.text[start:end] for start, end in why.spans]) == (
            number,
            "part",
            [marked],
        )
    finds(empty, "sommer party ", 3)
    finds(empty, "birthdayparty ", 3)
    for text in ("age ", "art ", "land "):
        finds(empty, text)
    finds(empty, "rain ", 4)
    finds(empty, "-torte", 3, 4)
    finds(empty, "-party", 1, 2, 4)


@pytest.mark.parametrize(
    ("text", "typed"),
    [
        *(("Kinder im Garten", typed) for typed in ("kind ", "kinder ", "kindern ")),
        *(
            ("alte Häuser und Schlösser", typed)
            for typed in ("haus ", "häuser ", "haeuser ", "schloss ", "schloesser ")
        ),
        *(("Katze und Hund auf dem Berg", typed) for typed in ("katzen ", "hunde ", "berge ")),
        *(("les plages et les châteaux", typed) for typed in ("plage ", "château ", "chateau ")),
        *(("playas de Cádiz", typed) for typed in ("playa ", "playas ")),
        *(("spiagge e bambini", typed) for typed in ("spiaggia ", "bambino ")),
        *(("honden en vakanties", typed) for typed in ("hond ", "vakantie ")),
    ],
)
def test_forms_of_a_word_in_the_languages_of_the_library(empty: SearchBackend, text: str, typed: str) -> None:
    empty.put([photo(1, person_caption=text), photo(2, "a dog at play on a plan")])
    finds(empty, typed, 1)


def test_foreign_endings_join_no_english_words(empty: SearchBackend) -> None:
    empty.put(
        [
            photo(1, "a plane", person_caption="der Hund und die Katze mit dem Ball im Garten"),
            *(photo(2, "a corner"), photo(3, "a flower"), photo(4, "cars"), photo(5, person_caption="Peter")),
            photo(6, "a pet"),
        ]
    )
    for text in ("plan ", "corn ", "flow ", "care "):
        answer = empty.search(parse(text))
        assert all(why.kind in {"typo", "prefix"} for hit in answer.hits for why in hit.why), text
    finds(empty, "pet ", 6)


def test_umlauts_may_be_spelt_out_on_either_side(empty: SearchBackend) -> None:
    empty.put(
        [
            photo(1, person_caption="Öl auf Leinwand"),
            photo(2, person_caption="Oel im Motor"),
            photo(3, people=("Jörg Müller",)),
            photo(4, person_caption="Straße in Köln"),
            photo(5, person_caption="Strasse in Koeln"),
        ]
    )
    finds(empty, "oel ", 1, 2)
    finds(empty, "joerg mueller ", 3)
    finds(empty, "strasse ", 4, 5)
    finds(empty, "straße koeln ", 4, 5)
    finds(empty, "person:mueller", 3)
    (hit,) = empty.search(parse("joerg ")).hits
    assert [hit.why[0].text[start:end] for start, end in hit.why[0].spans] == ["Jörg"]


def test_two_letters_are_no_umlaut_where_nobody_wrote_one(empty: SearchBackend) -> None:
    empty.put([photo(1, person_caption="Poet Joel"), photo(2, "a pot"), photo(3, person_caption="Jol")])
    finds(empty, "poet ", 1)
    finds(empty, "pot ", 2)
    finds(empty, "joel ", 1)
    assert found(empty, "jol ")[0] == 3
