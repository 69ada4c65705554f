"""What is particular to the embedded search: its file, its picture in memory, and both staying in step."""

from __future__ import annotations

import gc
import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from indexer.errors import SearchError, StorageError
from indexer.search import Query, SearchDocument
from indexer.search.embedded import refresh
from indexer.search.embedded.backend import EmbeddedSearch
from indexer.search.embedded.schema import EMBEDDED_MIGRATIONS
from indexer.search.embedded.snapshot import Postings
from indexer.search.matching import corrections
from indexer.search.query import parse
from indexer.search.reasons import PhotoTexts
from indexer.sqlite.database import Database

WORDS = ("dog", "dogs", "beach", "cat", "snow", "red", "zürich", "海滩", "skateboard", "2019")


def photo(number: int, caption: str = "", **fields: object) -> SearchDocument:
    everything: dict[str, object] = {
        "id": f"{number:032x}",
        "revision": 1,
        "person_caption": "",
        "machine_caption": caption,
        "tags": (),
        "keywords": (),
        "people": (),
        "title": "",
        "places": (),
        "folders": (),
        "file_names": (),
        "camera": "",
        "lens": "",
        "mime_type": "image/jpeg",
        "taken_at": None,
        "rating": None,
        "position": None,
        "embedding": None,
        **fields,
    }
    return SearchDocument(**everything)  # type: ignore[arg-type]


def ids(search: EmbeddedSearch, text: str) -> list[int]:
    return [int(hit.id, 16) for hit in search.search(parse(text), limit=1000).hits]


@pytest.mark.parametrize("text", ["urlaub", "italien", "2019", "urlaub2019", "Urlaub2019It", "Urlaub2019Italien"])
def test_a_name_around_a_number_is_found_by_its_words(tmp_path: Path, text: str) -> None:
    search = EmbeddedSearch(tmp_path / "search.db")
    search.put([photo(1, file_names=("Urlaub2019Italien.jpg",)), photo(2, file_names=("a8f3e9c0d1.jpg",))])
    assert ids(search, text) == [1]
    search.close()


def test_a_second_start_finds_everything(tmp_path: Path) -> None:
    first = EmbeddedSearch(tmp_path / "search.db")
    first.put([photo(1, "a dog", embedding=(1.0, 0.0)), photo(2, "a cat")])
    first.delete([f"{2:032x}"])
    first.close()
    second = EmbeddedSearch(tmp_path / "search.db")
    assert ids(second, "") == [1]
    assert ids(second, "dog") == [1]
    assert second.search(Query(vector=(1.0, 0.0))).total == 1
    second.close()


def test_two_processes_may_share_the_file(tmp_path: Path) -> None:
    reader, writer = EmbeddedSearch(tmp_path / "search.db"), EmbeddedSearch(tmp_path / "search.db")
    assert ids(reader, "dog") == []
    writer.put([photo(1, "a dog"), photo(2, "a dog in the snow")])
    assert sorted(ids(reader, "dog")) == [1, 2]
    writer.put([photo(1, "a cat")])
    writer.delete([f"{2:032x}"])
    assert ids(reader, "dog ") == []
    assert ids(reader, "") == [1]
    writer.clear()
    writer.put([photo(3, "snow")])
    assert ids(reader, "snow") == [3]
    assert ids(reader, "cat ") == []
    reader.close()
    writer.close()


@pytest.mark.slow
def test_facets_are_counted_of_what_a_search_found_and_anew_when_that_changed(tmp_path: Path) -> None:
    search, writer = EmbeddedSearch(tmp_path / "search.db"), EmbeddedSearch(tmp_path / "search.db")
    for step in range(1, 40):
        writer.put([photo(step % 7, "a dog" if step % 3 else "a cat", people=("Anna",) if step % 2 else ())])
        for text in ("dog", "dog sort:oldest", "", "-cat"):
            query = parse(text)
            if step % 4:
                search.search(query)
            anew = EmbeddedSearch(tmp_path / "search.db")
            assert search.facets(query, ("person",)) == anew.facets(query, ("person",)), (step, text)
            anew.close()
    search.close()
    writer.close()


@pytest.mark.slow
def test_what_photos_say_is_read_again_where_it_was_replaced_or_is_too_much_to_keep(tmp_path: Path) -> None:
    search = EmbeddedSearch(tmp_path / "search.db")
    search.put([photo(number, f"a dog and cat {number}") for number in range(3000)])
    for _ in range(2):
        hits = search.search(parse("dog"), limit=3000).hits
        assert {hit.why[0].text for hit in hits} == {f"a dog and cat {number}" for number in range(3000)}
    search.put([photo(7, "one dog only")])
    (hit,) = (hit for hit in search.search(parse("dog"), limit=3000).hits if int(hit.id, 16) == 7)
    assert hit.why[0].text == "one dog only"
    search.close()


def test_what_photos_said_before_they_were_changed_is_not_kept(tmp_path: Path) -> None:
    with closing(EmbeddedSearch(tmp_path / "search.db")) as search:
        before = _texts_in_memory()
        for number in range(50):
            search.put([photo(one, f"a dog {number}") for one in range(10)])
            assert len(ids(search, "dog")) == 10
        assert _texts_in_memory() - before <= 10


def _texts_in_memory() -> int:
    gc.collect()
    return sum(isinstance(one, PhotoTexts) for one in gc.get_objects())


def test_the_edition_is_another_after_every_write_of_any_process(tmp_path: Path) -> None:
    reader, writer = EmbeddedSearch(tmp_path / "search.db"), EmbeddedSearch(tmp_path / "search.db")
    seen = [reader.data_version()]
    assert reader.data_version() == seen[0]
    for write in (
        lambda: writer.put([photo(1, "a dog")]),
        lambda: reader.put([photo(1, "a dog")]),
        lambda: writer.delete([f"{1:032x}"]),
        lambda: reader.clear(),
    ):
        write()
        seen.append(reader.data_version())
        reader.search(parse("dog"))
        assert reader.data_version() == seen[-1]
    assert len(set(seen)) == len(seen)
    reader.close()
    writer.close()
    with pytest.raises(SearchError, match="closed"):
        reader.data_version()


def test_the_position_outlives_the_process_and_not_the_file(tmp_path: Path) -> None:
    def opened(*captions: str) -> str:
        search = EmbeddedSearch(tmp_path / "search.db")
        for number, caption in enumerate(captions, start=1):
            search.put([photo(number, caption)])
        position = search.checkpoint()
        search.close()
        return position

    def kept() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in tmp_path.iterdir()}

    def restore(files: dict[Path, bytes]) -> None:
        for path in tmp_path.iterdir():
            path.unlink()
        for path, content in files.items():
            path.write_bytes(content)

    older = opened("a dog")
    assert opened() == older
    copy = kept()
    newer = opened("a cat")
    restore(copy)
    assert opened() == older != newer
    assert opened("a cat") not in {older, newer}, "as many writes, and yet not the same file"
    restore({})
    assert opened("a dog") not in {older, newer}


@pytest.mark.slow
def test_a_large_index_tells_what_it_holds_a_part_at_a_time(tmp_path: Path) -> None:
    search = EmbeddedSearch(tmp_path / "search.db")
    search.put([photo(number) for number in range(10_500)])
    held = search.held()
    first = next(held)
    search.put([photo(3, revision=2)])
    assert len(dict([first, *held])) == 10_500
    assert dict(search.held())[f"{3:032x}"] == 2
    search.close()


def test_embeddings_that_name_no_model_are_dropped_with_their_photos(tmp_path: Path) -> None:
    """So that the indexer finds the index short of photos and pushes them again."""
    with Database(tmp_path / "search.db", EMBEDDED_MIGRATIONS[:1]) as older, older.transaction() as writer:
        for docno in (1, 2):
            row = (docno, f"{docno:032x}", 1, None, None, None, None, b"", b"", b"")
            writer.execute(f"INSERT INTO document VALUES ({', '.join('?' * len(row))})", row)
            writer.execute("INSERT INTO shown VALUES (?, '[]')", (docno,))
        writer.execute("INSERT INTO embedding VALUES (1, ?)", (b"\x7f\x00",))
    with Database(tmp_path / "search.db", EMBEDDED_MIGRATIONS[:4]) as newer:
        assert [tuple(row) for row in newer.reader.execute("SELECT docno FROM document")] == [(2,)]
    search = EmbeddedSearch(tmp_path / "search.db")
    assert ids(search, "") == []
    search.put([photo(1, "a dog", embedding=(1.0, 0.0), model="atto-1")])
    assert search.search(Query(words=("lion",), vector=(1.0, 0.0), model="atto-1")).total == 1
    search.close()


def test_an_index_without_aliases_is_begun_anew(tmp_path: Path) -> None:
    """The indexer finds it short of photos and pushes them again, with the aliases of their words."""
    older = next(at for at, (name, _) in enumerate(EMBEDDED_MIGRATIONS) if name == "search: aliases of words")
    with Database(tmp_path / "search.db", EMBEDDED_MIGRATIONS[:older]) as database, database.transaction() as writer:
        writer.execute("INSERT INTO document VALUES (1, 'a', 1, NULL, NULL, NULL, NULL, '', '', '')")
        writer.execute("INSERT INTO name (kind, text) VALUES ('word', 'geburtstagstorte')")
    search = EmbeddedSearch(tmp_path / "search.db")
    assert (list(search.held()), search.vocabulary("geburtstag")) == ([], ())
    search.put([photo(1, person_caption="Geburtstagstorte")])
    assert ids(search, "torte ") == [1]
    search.close()


def test_a_file_that_is_no_index_is_set_aside_where_that_is_wanted(tmp_path: Path) -> None:
    (tmp_path / "search.db").write_bytes(b"this is no database" * 100)
    with pytest.raises(StorageError, match=r"search\.db"):
        EmbeddedSearch(tmp_path / "search.db", repair=False)
    recreated: list[str] = []
    search = EmbeddedSearch(tmp_path / "search.db", on_recreate=lambda: recreated.append("recreated"))
    assert recreated == ["recreated"]
    search.put([photo(1, "a dog")])
    assert ids(search, "dog") == [1]
    search.close()


def test_an_index_begun_anew_answers_nothing_of_the_one_before(tmp_path: Path) -> None:
    """What is kept in memory is that of the file: numbers of documents start again in another one."""
    search = EmbeddedSearch(tmp_path / "search.db")
    search.put([photo(1, "a dog"), photo(2, "a cat")])
    assert ids(search, "dog") == [1]
    for path in tmp_path.glob("search.db*"):
        path.unlink()
    search.checkpoint()
    assert ids(search, "dog") == []
    search.put([photo(3, "a dog"), photo(1, "a cat")])
    assert ids(search, "dog") == [3]
    assert ids(search, "cat") == [1]
    search.close()


def test_a_file_damaged_while_running_is_a_search_error(tmp_path: Path) -> None:
    search = EmbeddedSearch(tmp_path / "search.db")
    with closing(sqlite3.connect(tmp_path / "search.db")) as other:
        other.execute("DROP TABLE shown")
    with pytest.raises(SearchError, match="was damaged: no such table"):
        search.put([photo(1, "a dog")])
    search.close()


def test_a_failed_batch_leaves_nothing(tmp_path: Path) -> None:
    search = EmbeddedSearch(tmp_path / "search.db")
    search.put([photo(1, "a dog")])
    with pytest.raises(ValueError, match="unpack"):
        search.put([photo(2, "a dog"), photo(3, tags=(("no probability",),))])
    assert ids(search, "dog") == [1]
    assert search.count() == 1
    search.close()


def test_a_word_in_the_middle_that_is_being_changed_is_a_beginning(tmp_path: Path) -> None:
    search = EmbeddedSearch(tmp_path / "search.db")
    search.put([photo(1, "a skateboard on a beach")])
    answer = search.search(parse("skateb beach "))
    assert (answer.total, answer.dropped) == (1, ())
    assert answer.hits[0].why[0].kind == "exact"
    search.close()


def test_ties_are_broken_by_date_also_across_batches(tmp_path: Path) -> None:
    search = EmbeddedSearch(tmp_path / "search.db")
    search.put([photo(number, "a dog", taken_at=datetime(2000 + number, 1, 1)) for number in (1, 3, 2)])
    assert ids(search, "dog") == [3, 2, 1]
    search.close()


CHANGES = st.lists(
    st.one_of(
        st.tuples(
            st.just("put"),
            st.lists(st.tuples(st.integers(1, 12), st.lists(st.sampled_from(WORDS), max_size=4)), max_size=8),
        ),
        st.tuples(st.just("delete"), st.lists(st.integers(1, 12), max_size=6)),
        st.tuples(st.just("clear"), st.just([])),
        st.tuples(st.just("search"), st.just([])),
    ),
    max_size=12,
)


@pytest.mark.slow
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(changes=CHANGES)
def test_the_picture_that_followed_equals_the_one_read_anew(
    changes: list[tuple[str, list[object]]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("search")
    search = EmbeddedSearch(folder / "search.db")
    kept: dict[int, set[str]] = {}
    for change, items in changes:
        if change == "put":
            search.put([photo(number, " ".join(texts), keywords=tuple(texts)) for number, texts in items])  # type: ignore[misc]
            kept.update({number: set(texts) for number, texts in items})  # type: ignore[misc]
        elif change == "delete":
            search.delete(f"{number:032x}" for number in items)
            kept = {number: texts for number, texts in kept.items() if number not in items}
        elif change == "clear":
            search.clear()
            kept = {}
        else:
            search.search(Query())
    anew = EmbeddedSearch(folder / "search.db")
    for word in WORDS:
        expected = sorted(number for number, texts in kept.items() if word in texts)
        assert sorted(ids(search, f'"{word}"')) == expected
        assert sorted(ids(search, f"tag:{word}")) == sorted(ids(anew, f"tag:{word}"))
        assert sorted(ids(search, f"{word} ")) == sorted(ids(anew, f"{word} "))
        assert search.facets(parse(word), ["tag"]) == anew.facets(parse(word), ["tag"])
    assert search.count() == len(kept)
    search.close()
    anew.close()


def test_large_segments_are_not_merged_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(refresh, "_LARGE", 30)
    search = EmbeddedSearch(tmp_path / "search.db")
    for first in range(0, 200, 10):
        search.put([photo(number, "a dog and a cat") for number in range(first, first + 10)])
        search.search(Query())
    snapshot = search._current()
    assert len(snapshot.words) > 3
    assert search.search(parse("dog"), limit=1).total == 200
    search.put([photo(number, "a bird") for number in range(200)])
    assert search.search(parse("dog"), limit=1).total == 0
    assert search.search(parse("bird"), limit=1).total == 200
    search.close()


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 9), st.integers(1, 255)), unique_by=lambda item: item[:2]))
def test_postings_give_back_what_went_in(entries: list[tuple[int, int, int]]) -> None:
    codes, photos, strengths = (np.array([entry[column] for entry in entries], np.int32) for column in range(3))
    half = len(entries) // 2
    parts = [
        Postings.of(codes[some], photos[some], strengths[some].astype(np.uint8))
        for some in (slice(None, half), slice(half, None))
    ]
    merged = parts[0].merge(parts[1], np.ones(10, np.bool_))
    for code in range(7):
        places, counts = merged.places(np.array([code], np.int32))
        expected = sorted((photo, strength) for own, photo, strength in entries if own == code)
        assert sorted(zip(merged.photos[places].tolist(), merged.strengths[places].tolist(), strict=True)) == expected
        assert counts.tolist() == [len(expected)]


def test_many_postings_are_counted_in_parts() -> None:
    chance = np.random.default_rng(1)
    codes = np.sort(chance.integers(0, 50, 200_000)).astype(np.int32)
    photos = chance.integers(0, 5000, len(codes)).astype(np.int32)
    mask = chance.random(5000) < 0.3
    counted = Postings.of(codes, photos, np.zeros(0, np.uint8)).counts(mask)
    assert counted.tolist() == np.bincount(codes[mask[photos]], minlength=50).tolist()
    assert Postings.of(codes[:0], photos[:0], np.zeros(0, np.uint8)).counts(mask).tolist() == []


def test_corrections_keep_the_first_letter_where_they_can() -> None:
    vocabulary = sorted(["beach", "peach", "bench", "reach", "bicycle"])

    def beginning_with(prefix: str) -> list[str]:
        return [word for word in vocabulary if word.startswith(prefix)]

    assert dict(corrections("beahc", vocabulary, beginning_with)) == {"beach": 1}
    assert dict(corrections("xeach", vocabulary, beginning_with)) == {"beach": 1, "peach": 1, "reach": 1}
    assert dict(corrections("bycicle", vocabulary, beginning_with)) == {}
    assert dict(corrections("bicyclles", vocabulary, beginning_with)) == {"bicycle": 2}
    assert corrections("be4ch", vocabulary, beginning_with) == []
    assert dict(corrections("bicicl", vocabulary, beginning_with, prefix=True)) == {"bicycle": 1}
