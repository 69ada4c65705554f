"""The query language: what is read, what is refused and with which help."""

from __future__ import annotations

from contextlib import suppress
from datetime import date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.search import Filter, FilterError, Query, Sort
from indexer.search.filters import date_range, near_circle, rating_range, type_of
from indexer.search.query import MAX_CHARS, MAX_WORDS, parse, without
from indexer.search.time_words import TimeReader

NOW = date(2024, 3, 1)


def read(text: str) -> Query:
    return parse(text, now=NOW)


def only_filter(text: str) -> tuple[str, str]:
    (item,) = read(text).filters
    return item.name, item.value


def test_everything_at_once() -> None:
    query = read('beach dog before:2020 camera:pixel -night "birthday cake" -"ice cream" -person:Anna sort:newest')
    assert query == Query(
        words=("beach", "dog"),
        phrases=("birthday cake",),
        excluded=("night", "ice cream"),
        filters=(Filter("before", "2020"), Filter("camera", "pixel"), Filter("person", "Anna", negated=True)),
        prefix_last=False,
        sort=Sort.NEWEST,
    )


def test_nothing_is_everything() -> None:
    assert read("") == read("   ") == Query()


@pytest.mark.parametrize(
    ("text", "prefix"),
    [
        ("dog", True),
        ("a dog", True),
        ("dog ", False),
        ("dog camera:x", False),
        ('dog "cat"', False),
        ("dog -cat", False),
    ],
)
def test_the_last_word_is_a_prefix_while_it_is_being_typed(text: str, prefix: bool) -> None:
    assert read(text).prefix_last is prefix


@pytest.mark.parametrize(
    "text", ["12:30", "https://example.org/a?b=c", "note:hello", "re:union", "c:\\photos", "a:b", "1:1", "::", "person"]
)
def test_text_with_a_colon_is_words(text: str) -> None:
    query = read(text)
    assert query.filters == ()
    assert query.words == ((text,) if text != "::" else ())


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('folder:"Summer 2019"', ("folder", "Summer 2019")),
        ('FOLDER:"Summer  2019', ("folder", "Summer 2019")),
        ("camera:canon", ("camera", "canon")),
        ("before:2019-7", ("before", "2019-07")),
        ("after:2019/07/14", ("after", "2019-07-14")),
        ("after:today", ("after", "2024-03-01")),
        ("after:yesterday", ("after", "2024-02-29")),
        ("after:30d", ("after", "2024-01-31")),
        ("year:2019", ("year", "2019")),
        ("year:2015-2019", ("year", "2015..2019")),
        ("type:JPG", ("type", "jpeg")),
        ("type:image/heif", ("type", "heic")),
        ("rating:4", ("rating", "4")),
        ("rating:>=4", ("rating", "4..5")),
        ("rating:<2", ("rating", "-1..1")),
        ("rating:2..4", ("rating", "2..4")),
        ("near:48.1,11.6", ("near", "48.1,11.6,10km")),
        ("near:48.1,-11.60,25km", ("near", "48.1,-11.6,25km")),
        ("near:48.1,11.6,500m", ("near", "48.1,11.6,0.5km")),
        ("near:Lyon", ("near", "45.74906,4.84789,10km")),
        ("near:lyon,25km", ("near", "45.74906,4.84789,25km")),
        ('near:"Springfield, Illinois, 5 mi"', ("near", "39.80172,-89.64371,8.04672km")),
    ],
)
def test_values_are_made_canonical(text: str, value: tuple[str, str]) -> None:
    assert only_filter(text) == value


@pytest.mark.parametrize(
    ("text", "help_text"),
    [
        ("camra:pixel", "camera:pixel"),
        ("people:Anna", "person:Anna"),
        ("album:x", "folder:x"),
        ("befor:2019", "before:2019"),
        ("camera:", "camera:pixel"),
        ("before:soon", "before:2019"),
        ("before:2019-13", "before:2019"),
        ("after:2019-02-31", "after:2019-02-28"),
        ("after:14.07.2019", "after:2019-07-14"),
        ("year:19", "year:2024"),
        ("year:2019-07", "year:2019"),
        ("year:2020..2019", "year:2020"),
        ("type:jepg", "type:jpeg"),
        ("rating:9", "rating:5"),
        ("rating:good", "rating:>=4"),
        ("near:48.1", "near:48.1,11.6"),
        ("near:Lyonn", "near:Lyon?"),
        ("near:xqzvw", "no town"),
        ("near:Lyon,0km", "radius"),
        ("near:116,48", "near:48,116"),
        ("near:48,11,0km", "radius"),
        ("sort:newset", "sort:newest"),
        ("-sort:newest", "sort:newest"),
    ],
)
def test_a_wrong_filter_says_what_is_wrong_and_names_the_nearest_right_one(text: str, help_text: str) -> None:
    with pytest.raises(FilterError) as error:
        read(text)
    assert help_text in str(error.value)
    assert error.value.text == text
    if error.value.suggestion:
        assert error.value.suggestion in str(error.value)
        read(error.value.suggestion)


def test_the_wrong_part_is_named_as_it_was_typed() -> None:
    with pytest.raises(FilterError) as error:
        read('dog -camra:"Pixel 6" beach')
    assert error.value.text == '-camra:"Pixel 6"'
    assert error.value.suggestion == '-camera:"Pixel 6"'


@pytest.mark.parametrize(
    "text", ['"', '-"', "-", "--", "AND", "OR NOT", "NEAR(a b)", "a*", "*", "\0", "(", "{}", "'", "\\"]
)
def test_hostile_text_is_data(text: str) -> None:
    query = read(text)
    assert query.filters == ()


def test_length_and_parts_are_bounded() -> None:
    query = read("word " * 50_000)
    assert len(query.words) == MAX_WORDS
    assert len(read("x" * 100_000).words[0]) == MAX_CHARS
    assert len(read('"a b" ' * 1000).phrases) <= MAX_WORDS


def test_a_date_is_a_span_of_time() -> None:
    assert date_range("2019") == (datetime(2019, 1, 1), datetime(2020, 1, 1))
    assert date_range("2019-02") == (datetime(2019, 2, 1), datetime(2019, 3, 1))
    assert date_range("2020-02-29") == (datetime(2020, 2, 29), datetime(2020, 3, 1))
    assert date_range("2015..2019") == (datetime(2015, 1, 1), datetime(2020, 1, 1))
    assert date_range("9998-12-31")[1] == datetime(9999, 1, 1)


def test_values_are_read_back() -> None:
    assert rating_range("4") == (4, 4)
    assert rating_range("-1..3") == (-1, 3)
    centre, radius_km = near_circle("48.1,-11.6,0.5km")
    assert (centre.latitude, centre.longitude, radius_km) == (48.1, -11.6, 0.5)
    assert [type_of(mime) for mime in ("image/jpeg", "image/heif", "image/x-canon-cr3")] == ["jpeg", "heic", "raw"]


def test_without_leaves_a_filter_out() -> None:
    assert without(read("dog camera:x -camera:y tag:z"), "camera").filters == (Filter("tag", "z"),)


PIECES = (
    'dog|Zürich|-cat|"a b"|-"c d"|camera:x|-folder:"a b"|near:1,2|rating:>3|after:2w|海滩|sort:oldest|"|-|:|12:30'
    '|-"x:y"|--z|type:png|year:2019| |\t|camera:a:b|a-|&'
)
pieces = st.sampled_from(PIECES.split("|"))


@given(
    st.one_of(
        st.lists(pieces, max_size=12).map(" ".join), st.lists(pieces, max_size=6).map("".join), st.text(max_size=300)
    )
)
def test_whatever_is_typed_is_read_or_refused_with_help(text: str) -> None:
    try:
        query = read(text)
    except FilterError:
        return
    assert len(query.words) <= MAX_WORDS
    assert all(query.words)
    assert all(query.phrases)


def test_words_that_name_a_time_become_its_filter_where_somebody_reads_them() -> None:
    reader, today = TimeReader("en-GB"), date(2024, 8, 14)
    assert parse("dog july 2019", now=today).words == ("dog", "july", "2019")
    query = parse("dog july 2019 ", now=today, reader=reader)
    assert query.words == ("dog",)
    assert query.filters == (Filter("time", "2019-07"),)
    assert not query.prefix_last
    # What says so, whenever it was taken; and what has no date, without the number of the year.
    assert [(one.words, one.phrases, one.excluded) for one in query.also] == [
        (("dog",), ("july", "2019"), ()),
        (("dog",), ("july",), ("2019",)),
    ]
    assert query.also[0].filters == (Filter("time", "2019-07", negated=True),)
    assert query.also[1].filters == (Filter("time", "undated"),)
    assert parse("july 2019 do", now=today, reader=reader).prefix_last


@pytest.mark.parametrize(
    "text", ["photos from last summer", "alle fotos vom letzten sommer", "show me pictures of last summer"]
)
def test_what_only_asks_for_photos_is_no_word_beside_a_time(text: str) -> None:
    query = parse(text, now=date(2024, 8, 14), reader=TimeReader("en-GB"))
    assert query.words == ()
    assert query.filters == (Filter("time", "2023-06..2023-08|2023-12..2024-02"),)


def test_what_comes_after_has_every_other_part_of_the_query() -> None:
    query = parse('"ice cream" july -cat camera:pixel sort:oldest', now=date(2024, 8, 14), reader=TimeReader("en-GB"))
    (said,) = query.also
    assert said.phrases == ("ice cream", "july")
    assert said.excluded == ("cat",)
    assert said.filters == (Filter("camera", "pixel"), Filter("time", "--07", negated=True))
    assert said.sort is Sort.OLDEST
    assert without(query, "camera").also[0].filters == (Filter("time", "--07", negated=True),)


def test_words_are_no_time_where_that_was_said_and_a_time_may_be_asked_for() -> None:
    reader, today = TimeReader("en-US"), date(2024, 8, 14)
    query = parse('words:"july 2019" dog -words:easter', now=today, reader=reader)
    assert (query.words, query.excluded, query.filters, query.also) == (("july", "2019", "dog"), ("easter",), (), ())
    assert parse("-time:5/4/2019", now=today, reader=reader).filters == (Filter("time", "2019-05-04", negated=True),)
    with pytest.raises(FilterError) as raised:
        parse('time:"when we moved"', now=today, reader=reader)
    assert raised.value.suggestion == 'words:"when we moved"'
    with pytest.raises(FilterError):
        parse("words:", now=today, reader=reader)


@given(st.text(max_size=60))
def test_whatever_is_typed_is_read_with_its_times_or_refused(text: str) -> None:
    for query in (f"july {text}", f"{text} 2019", text):
        with suppress(FilterError):
            parse(query, now=date(2024, 8, 14), reader=TimeReader("en-US"))
