"""What a picture looks like, as words; beside other words it orders, and never keeps a photo from being found."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from indexer.images.measures import Colour, PictureMeasures
from indexer.search import SearchBackend, SearchDocument
from indexer.search.appearance import index_word, looks_named, looks_of
from indexer.search.embedded.backend import EmbeddedSearch
from indexer.search.query import parse
from indexer.text import words
from tests.indexer.search.test_documents import photo as catalogued
from tests.indexer.search.test_search_contract import photo
from tests.indexer.search.word_server import WordServerSearch

PLAIN = PictureMeasures(0.5, 0.1, 0.1, (0.0,) * len(Colour))


def looks(width_px: int = 400, height_px: int = 300, measures: PictureMeasures | None = PLAIN, **more: str) -> set[str]:
    row = catalogued()
    metadata = replace(row.metadata, width_px=width_px, height_px=height_px, **more)  # type: ignore[arg-type]
    row = replace(row, metadata=metadata, measures=measures.to_bytes() if measures else None)
    return {name for name, _ in looks_of(row)}


def coloured(**shares: float) -> PictureMeasures:
    return replace(PLAIN, colours=tuple(shares.get(colour.name.lower(), 0.0) for colour in Colour))


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((4000, 3000), {"landscape"}),
        ((3000, 4000), {"portrait"}),
        ((3000, 3000), {"square"}),
        ((3000, 2960), {"square"}),
        ((3000, 2850), set()),
        ((4000, 1800), {"landscape"}),  # 20:9, as phones have it
        ((9000, 3000), {"landscape", "panorama"}),
        ((1080, 2400), {"portrait", "screenshot"}),
        ((0, 0), set()),
    ],
)
def test_formats_are_those_of_the_size(size: tuple[int, int], expected: set[str]) -> None:
    assert looks(*size) == expected
    assert looks(*size, measures=None) == set(), "a photo that was not measured yet is left as it was"


@pytest.mark.parametrize(
    ("size", "more", "expected"),
    [
        ((1170, 2532), {}, True),
        ((2532, 1170), {}, True),
        ((1170, 2532), {"camera": "Apple iPhone 13"}, False),
        ((1920, 1080), {}, False),  # a picture out of a film
        ((1920, 1080), {"mime_type": "image/png"}, True),
        ((1600, 1200), {"mime_type": "image/png"}, False),
    ],
)
def test_a_screenshot_is_as_large_as_a_screen_and_has_no_camera(
    size: tuple[int, int], more: dict[str, str], expected: bool
) -> None:
    assert ("screenshot" in looks(*size, **more)) is expected


def test_what_the_picture_measures() -> None:
    assert looks(measures=replace(PLAIN, lightness=0.2)) == {"landscape", "dark"}
    assert looks(measures=replace(PLAIN, lightness=0.4)) == {"landscape"}
    assert looks(measures=replace(PLAIN, lightness=0.85)) == {"landscape", "bright"}
    assert looks(measures=replace(coloured(red=0.2, green=0.05), lightness=0.5)) == {"landscape", "red"}
    gray = replace(coloured(black=0.3), tint=0.01, tint_spread=0.002)
    assert looks(measures=gray) == {"landscape", "black and white"}, "its black is no colour of a thing"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("dunkel", "dark"),
        ("dunkle", "dark"),
        ("helles", "bright"),
        ("Schwarzweiß", "black and white"),
        ("black and white", "black and white"),
        ("black & white", "black and white"),
        ("schwarz-weiß", "black and white"),
        ("Hochformat", "portrait"),
        ("querformat", "landscape"),
        ("quadratisch", "square"),
        ("Bildschirmfoto", "screenshot"),
        ("Panorama", "panorama"),
        ("grey", "gray"),
        *((word, "red") for word in ("rot", "rote", "rotes", "roten", "roter", "rotem", "dunkelrot", "hellrotes")),
        ("grünes", "green"),
        ("gruene", "green"),
        ("weiße", "white"),
    ],
)
def test_words_of_both_languages_name_a_look(text: str, expected: str) -> None:
    query_words = [word for word in words(text) if word != "and"]
    assert expected in {look for looks in looks_named(query_words).values() for look in looks}


@pytest.mark.parametrize("text", ["redhead", "rotor", "rotation", "darkness falls", "weissbier", "boot"])
def test_other_words_name_none(text: str) -> None:
    assert looks_named(words(text)) == {}


def test_nobody_can_type_the_word_of_the_index() -> None:
    assert index_word("black and white") not in words(index_word("black and white"))


@pytest.fixture(params=["embedded", "meilisearch"])
def search(tmp_path: Path, request: pytest.FixtureRequest) -> SearchBackend:
    return EmbeddedSearch(tmp_path / "search.db") if request.param == "embedded" else WordServerSearch()


def found(search: SearchBackend, text: str) -> list[int]:
    return [int(hit.id, 16) for hit in search.search(parse(text)).hits]


CARS = (
    photo(1, "a car on a street", appearance=(("landscape", 0.12), ("blue", 0.4))),
    photo(2, "a car in a garage", appearance=(("landscape", 0.12), ("red", 0.6))),
    photo(3, "a wall", appearance=(("landscape", 0.12), ("red", 0.8))),
    photo(4, "a red ball", appearance=(("portrait", 0.12),)),
    photo(5, "an old car", appearance=(("red", 0.03),)),
)


def test_a_thing_of_a_colour_comes_first_and_what_has_the_colour_alone_does_not_come(search: SearchBackend) -> None:
    search.put(CARS)
    for text in ("red car ", "car red ", "rotes car "):
        assert (found(search, text)[0], set(found(search, text))) == (2, {1, 2, 5}), text
    search.put([photo(6, "a red car in a show", appearance=(("portrait", 0.12),))])
    assert found(search, "red car ") == [6, 2]
    assert set(found(search, "red ")) == {2, 3, 4, 5, 6}
    assert set(found(search, "red ")[:2]) == {4, 6}, "first those whose words say it"
    assert found(search, "red ")[2:] == [3, 2, 5], "then the reddest"


def test_a_look_beside_a_thing_says_so_and_where_there_is_none_it_is_left_out(search: SearchBackend) -> None:
    search.put(CARS)
    answer = search.search(parse("dark car "))
    assert (len(answer.hits), answer.dropped) == (3, ("dark",))
    assert search.search(parse("red car ")).dropped == ()
    answer = search.search(parse("rotes car "))
    assert [(why.field, why.text) for why in answer.hits[0].why] == [
        ("machine_caption", "a car in a garage"),
        ("appearance", "red"),
    ]
    assert answer.hits[0].why[1].spans == ((0, 3),)


def test_portrait_of_somebody_and_dark_chocolate_are_found_as_before(search: SearchBackend) -> None:
    search.put(
        [
            photo(1, "a portrait of grandma", appearance=(("landscape", 0.12),)),
            photo(2, people=("Grandma",), appearance=(("portrait", 0.12),)),
            photo(3, "a bar of dark chocolate", appearance=(("bright", 0.2),)),
            photo(4, "chocolate cake", appearance=(("dark", 0.2), ("landscape", 0.12))),
            photo(5, "a cellar", appearance=(("dark", 0.2), ("portrait", 0.12))),
        ]
    )
    assert found(search, "portrait of grandma ") == [1, 2]
    assert found(search, "dark chocolate ") == [3, 4]
    assert (found(search, "dark ")[0], set(found(search, "dark "))) == (3, {3, 4, 5})
    assert found(search, '"dark" ') == [3]
    assert found(search, "chocolate -dark") == [4], "what is excluded is the word"


def test_black_and_white_is_no_black_thing(search: SearchBackend) -> None:
    search.put(
        [
            photo(1, "a dog", appearance=(("black and white", 0.4),)),
            photo(2, "a black and white dog", appearance=(("square", 0.2),)),
            photo(3, "a dog", appearance=(("black", 0.4),)),
        ]
    )
    assert found(search, "black and white ") == [2, 1]
    assert found(search, "schwarzweiß ") == [1]
    assert found(search, "black dog ") == [2, 3]
    assert found(search, '"black and white" ') == [2]


def test_looks_complete_and_correct_nothing(tmp_path: Path) -> None:
    search = EmbeddedSearch(tmp_path / "search.db")
    search.put([photo(number, "a tree", appearance=(("dark", 0.2),)) for number in range(1, 60)])
    search.put([photo(100, "bark of a tree")])
    assert found(search, "bark ") == [100]
    assert search.vocabulary("da") == ()
    search.put([photo(200, "a lamp", appearance=(("dark", 0.2),))])
    assert search.similar(f"{200:032x}").hits == (), "nor is a photo like another for it"


def test_looks_alone_are_all_needed(search: SearchBackend) -> None:
    documents: tuple[SearchDocument, ...] = (
        photo(1, appearance=(("dark", 0.2), ("panorama", 0.4))),
        photo(2, appearance=(("dark", 0.2),)),
    )
    search.put(documents)
    assert found(search, "dark panorama ") == [1]
