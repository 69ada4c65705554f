"""Words: folded alike everywhere, and found again where they stand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.search.stems import irregular_forms, stem
from indexer.search.synonyms import synonyms
from indexer.text import MAX_WORD_CHARS, clean, fold, is_serial, is_solo, spans, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A dog's life, isn't it?", ["a", "dog", "life", "isn", "t", "it"]),
        ("Zürich ZU\u0308RICH Straße", ["zurich", "zurich", "strasse"]),
        ("IMG_5910.JPG", ["img", "5910", "jpg"]),
        ("DSC0307 Summer2019 4k", ["dsc", "0307", "summer", "2019", "4", "k"]),
        ("a8f3e9c0d1", ["a8f3e9c0d1"]),
        ("Urlaub2019Italien 2019Urlaub07", ["urlaub", "2019", "italien", "2019", "urlaub", "07"]),
        ("Österreich2021Wien3Pr DSC0307a", ["osterreich", "2021", "wien", "3", "pr", "dsc", "0307", "a"]),
        ("20190714T120000Z 3fae12bcd9 b4abc x264mkv", ["20190714t120000z", "3fae12bcd9", "b4abc", "x264mkv"]),
        ("海滩上 カメラ 한국", [*"海滩上", *"カメラ", "한", "국"]),
        ("हिन्दी", ["हिन्दी"]),
        ("שָׁלוֹם مُحَمَّد", ["שלום", "محمد"]),
        ("ดีมาก", ["ดี", "ม", "า", "ก"]),
        ("🎂👍🏽", ["🎂", "👍"]),
        ("⭐❤️⌚🇩🇪🇫🇷", ["⭐", "❤", "⌚", "🇩🇪", "🇫🇷"]),
        ("\u200bGeburts\u00adtag\u2060s\u200btorte a\u00ad b", ["geburtstagstorte", "a", "b"]),
        ("cœur Łódź smørrebrød ﬁn", ["coeur", "lodz", "smorrebrod", "fin"]),
        ("_ -- ... \0", []),
        ("x" * 100, ["x" * MAX_WORD_CHARS]),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    assert list(words(clean(text))) == expected


@given(st.one_of(st.text(max_size=80), st.text("aZ09'_. éß海😀\u0308", max_size=40)))
def test_words_and_their_places_agree(text: str) -> None:
    text = clean(text)
    found = spans(text)
    assert tuple(span.word for span in found) == words(text)
    end = 0
    for span in found:
        assert end <= span.start < span.end <= len(text)
        end = span.end


@given(st.text(max_size=40))
def test_what_was_folded_stays(text: str) -> None:
    for word in words(clean(text)):
        assert fold(word) == word
        assert "_" not in word
        assert '"' not in word


@given(st.text(st.characters(), max_size=20))
def test_clean_text_can_be_stored(text: str) -> None:
    clean(text + "\udcff").encode()


def test_kinds_of_words() -> None:
    assert is_serial("20190714")
    assert is_serial("a8f3e9c0d1")
    assert not is_serial("2019")
    assert not is_serial("beach")
    assert is_solo("海")
    assert not is_solo("é")


@pytest.mark.parametrize(
    "forms",
    [
        "dog dogs",
        "beach beaches",
        "party parties",
        "bus buses",
        "glass glasses",
        "run runs running ran",
        "ride rides riding rode ridden",
        "swim swimming swam",
        "hike hiked hiking",
        "carry carried carrying",
        "child children",
        "woman women",
        "leaf leaves",
        "person people",
        "ski skiing",
        "use uses used using",
        "ice iced icing",
        "age aged aging",
        "eye eyes eyed",
        "see sees seeing",
        "hop hops hopped hopping",
        "hope hopes hoped hoping",
        "trek treks trekking",
        "travel travelling traveling travelled",
        "control controlled controls",
        "cookie cookies",
        "movie movies",
        "taxi taxis",
        "lens lenses",
        "box boxes",
        "house houses housing",
        "tie ties tying",
        "celebrate celebrates celebrated celebrating",
    ],
)
def test_forms_of_a_word_share_a_stem(forms: str) -> None:
    assert len({stem(form) for form in forms.split()}) == 1


@pytest.mark.parametrize(
    "words_apart",
    [
        *["bed bee", "king kin", "wing win", "university universe", "glass gla", "red reed"],
        # A final -e is part of a short word.
        *["car care", "star stare", "win wine", "plan plane", "cap cape", "hat hate", "tub tube", "cut cute"],
        *["sitting site", "hopping hope", "starring staring", "winning wine", "kits kites", "man mane", "sam same"],
        *["tim time", "jan jane", "ear earring", "even evening", "ears earrings", "new news", "out outing"],
        # Of one root, but another thing.
        *["office officer", "busy business", "skateboard skateboarder", "elevated elevator", "music musical"],
        # Names.
        *["harris harry", "dennis denny", "julie july", "marie mary", "paris parry"],
    ],
)
def test_other_words_do_not(words_apart: str) -> None:
    first, second = words_apart.split()
    assert stem(first) != stem(second)


def test_irregular_forms_are_found_from_the_stem() -> None:
    assert "children" in irregular_forms(stem("child"))
    assert irregular_forms(stem("dog")) == ()


def test_synonyms_go_both_ways_and_from_the_general_to_the_special() -> None:
    assert "sofa" in synonyms("couches")
    assert "couch" in synonyms("sofa")
    assert "dog" in synonyms("animals")
    assert "animal" not in synonyms("dog")
    assert synonyms("xylophone") == ()
