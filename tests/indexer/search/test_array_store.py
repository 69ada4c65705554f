"""The snapshot's arrays in a file beside the search file: what a second start finds, and what may befall that file."""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from indexer.search import Query, SearchDocument
from indexer.search.embedded import refresh
from indexer.search.embedded.array_store import LEAST_PHOTOS, ArrayStore, map_arrays, write_arrays
from indexer.search.embedded.backend import EmbeddedSearch
from indexer.search.embedded.schema import State
from indexer.search.embedded.snapshot import Postings
from indexer.search.query import parse
from tests.indexer.search.test_embedded import CHANGES, WORDS, ids, photo

QUERIES = ("", "dog", "do", "dgo", "cat beach", "-dog", "person:anna", '"a dog"', "rating:>=3", "near:48,11,500km")
FACETS = ("year", "person", "tag", "type", "rating")


@contextmanager
def opened(path: Path, *, store_from: int = 1, **options: bool) -> Iterator[EmbeddedSearch]:
    search = EmbeddedSearch(path, store_from=store_from, **options)
    try:
        yield search
    finally:
        search.close()


def some_photos(first: int, count: int, seed: int = 1) -> list[SearchDocument]:
    chance = random.Random(seed)
    return [
        photo(
            number,
            "a " + " ".join(chance.choices(WORDS, k=3)),
            people=("Anna",) if chance.random() < 0.5 else (),
            rating=chance.randrange(6),
            tags=((chance.choice(WORDS), chance.random()),),
        )
        for number in range(first, first + count)
    ]


def answers(search: EmbeddedSearch) -> list[object]:
    """Without scores: photos that are gone count a little in the rarity of words until the rows are read again."""
    found = [search.search(parse(text), limit=1000) for text in QUERIES]
    reasons: list[object] = [sorted((hit.id, hit.why) for hit in answer.hits) for answer in found]
    return [*reasons, *(search.facets(parse(text), FACETS) for text in QUERIES)]


def stored(path: Path) -> Path:
    return path.with_name("search.db.snapshot")


def filled(path: Path, count: int = 100) -> list[object]:
    """An index of some photos with its snapshot's arrays stored, and what it answers."""
    with opened(path) as search:
        search.put(some_photos(1, count))
        found = answers(search)
        search.settle()
    assert stored(path).exists()
    return found


def is_mapped(search: EmbeddedSearch) -> bool:
    snapshot = search._current()
    return not any(
        array.flags.owndata or array.flags.writeable for array in (snapshot.docnos, snapshot.words[0].photos)
    )


@contextmanager
def of_rows(path: Path) -> Iterator[EmbeddedSearch]:
    """A search that has nothing but the rows."""
    with tempfile.TemporaryDirectory() as folder:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("VACUUM INTO ?", (f"{folder}/search.db",))
        with opened(Path(folder) / "search.db", repair=False) as search:
            yield search


def answers_of_rows(path: Path) -> list[object]:
    with of_rows(path) as search:
        return answers(search)


def test_a_second_start_maps_what_was_stored_and_answers_the_same(tmp_path: Path) -> None:
    path = tmp_path / "search.db"
    found = filled(path)
    with opened(path) as search:
        assert answers(search) == found
        assert is_mapped(search)
        assert len(search._current().words) == 1


def test_the_process_that_stored_the_arrays_gives_their_memory_back(tmp_path: Path) -> None:
    with opened(tmp_path / "search.db") as search:
        search.put(some_photos(1, 100))
        found = answers(search)
        search.settle()
        assert is_mapped(search)
        assert answers(search) == found


def test_what_has_changed_since_is_read_from_the_rows(tmp_path: Path) -> None:
    path = tmp_path / "search.db"
    filled(path)
    with opened(path) as writer:
        writer.put([photo(3, "a cat"), photo(500, "a lion")])
        writer.delete([f"{7:032x}"])
    with opened(path) as search:
        assert ids(search, "lion") == [500]
        assert 7 not in ids(search, "")
        assert answers(search) == answers_of_rows(path)
        search.put([photo(501, "a lion")])
        assert sorted(ids(search, "lion")) == [500, 501]


def test_a_small_library_has_no_such_file(tmp_path: Path) -> None:
    with opened(tmp_path / "search.db", store_from=LEAST_PHOTOS) as search:
        search.put(some_photos(1, 200))
        answers(search)
        search.settle()
    assert not stored(tmp_path / "search.db").exists()


def test_few_changes_are_not_stored_and_many_are(tmp_path: Path) -> None:
    path = tmp_path / "search.db"
    filled(path, 320)
    with opened(path) as search:
        before = stored(path).stat().st_ino
        for first, is_new in ((1000, False), (2000, True)):
            search.put(some_photos(first, 15))
            answers(search)
            search.settle()
            assert (stored(path).stat().st_ino != before) is is_new
    with opened(path) as search:
        assert is_mapped(search)
        assert answers(search) == answers_of_rows(path)


def damages() -> dict[str, Callable[[Path], object]]:
    def cut(share: float) -> Callable[[Path], object]:
        return lambda path: os.truncate(path, int(path.stat().st_size * share))

    def flipped(share: float) -> Callable[[Path], object]:
        def flip(path: Path) -> None:
            content = bytearray(path.read_bytes())
            content[min(int(len(content) * share), len(content) - 1)] ^= 0x10
            path.write_bytes(content)

        return flip

    def of_another_version(path: Path) -> None:
        about, arrays = map_arrays(path)
        write_arrays(path, {**about, "layout": 99}, {name: [array.copy()] for name, array in arrays.items()})

    def a_folder(path: Path) -> None:
        path.unlink()
        path.mkdir()

    return {
        **{f"cut at {share}": cut(share) for share in (0, 0.001, 0.3, 0.7, 0.999)},
        **{f"a bit at {share}": flipped(share) for share in (0, 0.2, 0.5, 0.8, 0.97, 0.999, 1)},
        "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
        "garbage": lambda path: path.write_bytes(random.Random(1).randbytes(5000)),
        "no file": lambda path: path.unlink(),
        "another version": of_another_version,
        "a folder": a_folder,
        "unreadable link": lambda path: (path.unlink(), path.symlink_to(path.with_name("nowhere"))),
    }


@pytest.mark.parametrize("damage", damages())
def test_a_file_that_is_damaged_costs_nothing_but_time(damage: str, tmp_path: Path) -> None:
    path = tmp_path / "search.db"
    found = filled(path)
    damages()[damage](stored(path))
    with opened(path, repair=False) as search:
        assert answers(search) == found
    with opened(path) as search:
        assert answers(search) == found
        search.settle()
        assert answers(search) == found
    with opened(path) as search:
        assert answers(search) == found
        assert is_mapped(search) is (damage != "a folder")


def test_an_older_copy_of_the_index_is_not_taken_for_the_newer(tmp_path: Path) -> None:
    """As many writes, as many photos, other photos: restored from a backup, and gone on with."""
    path = tmp_path / "search.db"
    with opened(path) as search:
        search.put(some_photos(1, 50))
    copy = path.read_bytes()
    with opened(path) as search:
        search.put(some_photos(51, 50, seed=2))
        answers(search)
        search.settle()
    kept = stored(path).read_bytes()
    path.write_bytes(copy)
    with opened(path) as search:
        assert search.count() == 50
        assert answers(search) == answers_of_rows(path)
    path.write_bytes(copy)
    stored(path).write_bytes(kept)
    with opened(path) as search:
        search.put(some_photos(51, 50, seed=3))
        assert answers(search) == answers_of_rows(path)


def test_an_index_that_was_cleared_or_begun_anew_forgets_the_arrays(tmp_path: Path) -> None:
    path = tmp_path / "search.db"
    filled(path)
    with opened(path, store_from=1000) as search:
        search.clear()
        search.put([photo(1, "a lion")])
    with opened(path, store_from=1000) as search:
        assert ids(search, "") == [1]
        assert not stored(path).exists()
    filled(tmp_path / "other" / "search.db")
    with opened(tmp_path / "other" / "search.db") as search:
        answers(search)
        (tmp_path / "other" / "search.db").unlink()
        search.checkpoint()
        assert ids(search, "") == []
        search.put([photo(1, "a lion")])
        assert ids(search, "lion") == [1]
        search.settle()
        assert ids(search, "lion") == [1]


def test_a_full_disk_leaves_the_search_as_it_is_and_nothing_behind(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "search.db"
    with opened(path) as search:
        search.put(some_photos(1, 400))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with opened(path) as search:
        found = answers_of_rows(path)
        # A file can't grow beyond this: writing it fails as on a full disk, in the middle.
        resource.setrlimit(resource.RLIMIT_FSIZE, (8192, before[1]))
        try:
            assert answers(search) == found
            search.settle()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert answers(search) == found
        assert "can't be written" in caplog.text
        assert not list(tmp_path.glob("*snapshot*"))


def test_a_disk_that_is_almost_full_is_left_to_the_catalogue(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    array = np.arange(1000, dtype=np.int64)
    for room, is_written in ((15_999, False), (16_000, True)):
        left = iter([16_000, room])
        store = ArrayStore(tmp_path / f"arrays-{room}", 1, least_photos=1, usable_bytes=lambda _, left=left: next(left))
        store.write(State(1, 0, "a"), {}, {"numbers": [array, np.concatenate([array, array])]}, lambda: None)
        store.settle()
        found = store.load(lambda state: state == State(1, 0, "a"))
        assert (found is not None) is is_written
        assert ("No space left" in caplog.text) is not is_written
        caplog.clear()
    assert [entry.name for entry in tmp_path.iterdir()] == ["arrays-16000"]


KILLED = """
import os, sys
from pathlib import Path
from indexer.search.embedded.array_store import ArrayStore
from indexer.search.embedded.backend import EmbeddedSearch
from indexer.search.query import parse
from tests.indexer.search.test_array_store import some_photos

class Killed(ArrayStore):
    def _until_stopped(self, blocks):
        for block in blocks:
            yield block
            self.left -= 1
            if not self.left:
                os.kill(os.getpid(), 9)

search = EmbeddedSearch(Path(sys.argv[1]), store_from=1)
store = search._stores["snapshot"]
store.__class__ = Killed
store.left = int(sys.argv[2])
search.put(some_photos(1, 150))
search.search(parse("dog"))
search.settle()
"""


@pytest.mark.slow
@pytest.mark.parametrize("blocks", [1, 5, 9, 14])
def test_a_process_killed_while_writing_them_loses_nothing(blocks: int, tmp_path: Path, repository: Path) -> None:
    path = tmp_path / "search.db"
    filled(path, 100)
    killed = subprocess.run([sys.executable, "-c", KILLED, path, str(blocks)], cwd=repository, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert stored(path).with_name("search.db.snapshot.new").exists()
    with opened(path) as search:
        expected = answers_of_rows(path)
        assert answers(search) == expected
        search.settle()
        assert search.count() == 150
    with opened(path) as search:
        assert answers(search) == expected
        assert is_mapped(search)
    assert not stored(path).with_name("search.db.snapshot.new").exists()


def test_closing_does_not_wait_for_the_arrays(tmp_path: Path) -> None:
    path = tmp_path / "search.db"
    filled(path, 100)
    before = stored(path).read_bytes()

    class Slow(ArrayStore):
        def _until_stopped(self, blocks):  # type: ignore[no-untyped-def]
            for block in super()._until_stopped(blocks):
                time.sleep(0.2)
                yield block

    search = EmbeddedSearch(path, store_from=1)
    search._stores["snapshot"].__class__ = Slow
    search.put(some_photos(200, 50))
    search.search(parse("dog"))
    start = time.perf_counter()
    search.close()
    assert time.perf_counter() - start < 2
    assert stored(path).read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir() if "new" in entry.name] == []


@pytest.mark.parametrize("options", [{"repair": False}, {"repair": False, "read_only": True}])
def test_a_command_that_only_reads_uses_the_arrays_and_leaves_them(options: dict[str, bool], tmp_path: Path) -> None:
    path = tmp_path / "search.db"
    found = filled(path)
    with opened(path, **options) as search:
        assert answers(search) == found
        assert is_mapped(search)
    stored(path).write_bytes(b"garbage")
    with opened(path, **options) as search:
        assert answers(search) == found
        search.settle()
    assert stored(path).read_bytes() == b"garbage"
    stored(path).unlink()
    with opened(path, **options) as search:
        assert answers(search) == found
        search.settle()
    assert not stored(path).exists()


@pytest.mark.slow
def test_searches_go_on_while_arrays_are_stored_and_put_in_place(tmp_path: Path) -> None:
    with opened(tmp_path / "search.db") as search:
        search.put(looks(1, 40))

        def ask(_: int) -> None:
            # All photos say the same: what is found is what is there, also by embedding and in the facets.
            for text in ("dog", "dog sort:oldest"):
                answer = search.search(replace(parse(text), vector=(1.0, 0.0, 0.2), model="m"), limit=1000)
                assert len({hit.id for hit in answer.hits}) == answer.total >= 40
            counted = sum(one.count for one in search.facets(parse("dog"), ("type",))["type"])
            assert counted >= answer.total

        with ThreadPoolExecutor(4) as threads:
            for first in range(100, 2000, 100):
                asked = threads.map(ask, range(8))
                search.put(looks(first, 10))
                list(asked)
        assert search.search(parse("dog")).total == 40 + 10 * 19
        with of_rows(tmp_path / "search.db") as rows:
            assert by_meaning(search) == by_meaning(rows)


def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    filled(tmp_path / "search.db")
    assert stored(tmp_path / "search.db").stat().st_mode & 0o777 == 0o600


@pytest.mark.slow
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(runs=st.lists(CHANGES, min_size=1, max_size=4))
def test_starts_that_map_answer_as_those_that_read(
    runs: list[list[tuple[str, list[object]]]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("search")
    for changes in runs:
        with opened(folder / "search.db") as search:
            for change, items in changes:
                if change == "put":
                    search.put([photo(number, " ".join(texts), keywords=tuple(texts)) for number, texts in items])  # type: ignore[misc]
                elif change == "delete":
                    search.delete(f"{number:032x}" for number in items)
                elif change == "clear":
                    search.clear()
                else:
                    ids(search, "dog")
                    search.settle()
            assert answers(search)[0] == answers_of_rows(folder / "search.db")[0]
            search.settle()
    with opened(folder / "search.db") as search:
        for word in WORDS:
            with of_rows(folder / "search.db") as rows:
                assert sorted(ids(search, word)) == sorted(ids(rows, word))
                assert search.facets(parse(word), ["tag"]) == rows.facets(parse(word), ["tag"])
    shutil.rmtree(folder)


POSTINGS = st.lists(
    st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(1, 255)), unique_by=lambda item: item[:2], max_size=40
)


@given(POSTINGS, st.integers(1, 4), st.lists(st.booleans(), min_size=10, max_size=10), st.integers(1, 7))
def test_segments_written_as_one_hold_the_same(
    entries: list[tuple[int, int, int]], count: int, alive: list[bool], at_once: int
) -> None:
    segments = []
    for number in range(count):
        some = entries[number::count]
        codes, photos, strengths = (np.array([entry[column] for entry in some], np.int32) for column in range(3))
        segments.append(Postings.of(codes, photos, strengths.astype(np.uint8)))
    blocks = refresh._join_segments("words", segments, np.array(alive), at_once)
    arrays = {name: np.concatenate(list(parts)) for name, parts in blocks.items()}
    joined = Postings(arrays["words.starts"], arrays["words.photos"], arrays["words.strengths"])
    for code in range(12):
        places, _ = joined.places(np.array([code], np.int32))
        expected = sorted((photo, strength) for own, photo, strength in entries if own == code and alive[photo])
        assert sorted(zip(joined.photos[places].tolist(), joined.strengths[places].tolist(), strict=True)) == expected


def by_meaning(search: EmbeddedSearch) -> list[list[tuple[str, float]]]:
    queries = [Query(vector=(1.0, 0.0, 0.2), model="m"), Query(words=("dog",), vector=(0.1, 1.0, 0.3), model="m")]
    found = [[(hit.id, hit.score) for hit in search.search(query, limit=1000).hits] for query in queries]
    return [*found, [(hit.id, hit.score) for hit in search.similar(f"{2:032x}").hits]]


def looks(first: int, count: int, model: str = "m") -> list[SearchDocument]:
    chance = random.Random(first)
    return [
        photo(number, "a dog", embedding=tuple(chance.uniform(-1, 1) for _ in range(3)), model=model)
        for number in range(first, first + count)
    ]


def test_embeddings_are_mapped_and_grow(tmp_path: Path) -> None:
    path = tmp_path / "search.db"
    with opened(path) as search:
        search.put(looks(1, 60))
        found = by_meaning(search)
        search.settle()
        assert by_meaning(search) == found
    for first in (100, 200):
        with opened(path) as search:
            assert by_meaning(search) == found
            assert not search._vectors._rows.parts[0][0].flags.owndata
            search.put(looks(first, 2))
            search.put(looks(first + 50, 30, model="another"))
            found = by_meaning(search)
            with of_rows(path) as rows:
                assert found == by_meaning(rows)
            search.settle()
            assert by_meaning(search) == found


@pytest.mark.parametrize("damage", damages())
def test_embeddings_that_are_damaged_are_read_from_the_rows(damage: str, tmp_path: Path) -> None:
    path = tmp_path / "search.db"
    with opened(path) as search:
        search.put(looks(1, 60))
        found = by_meaning(search)
        search.settle()
    assert path.with_name("search.db.vectors").exists()
    damages()[damage](path.with_name("search.db.vectors"))
    for _ in range(2):
        with opened(path) as search:
            assert by_meaning(search) == found
            search.settle()
            assert by_meaning(search) == found


def test_embeddings_of_another_copy_of_the_index_are_not_used(tmp_path: Path) -> None:
    path = tmp_path / "search.db"
    for name, seed in (("a", 1), ("b", 2)):
        (tmp_path / name).mkdir()
        with opened(tmp_path / name / "search.db") as search:
            search.put(
                [
                    replace(one, embedding=other.embedding)
                    for one, other in zip(looks(1, 60), looks(seed, 60), strict=True)
                ]
            )
            by_meaning(search)
            search.settle()
    for file in (tmp_path / "a").iterdir():
        shutil.copy(file, tmp_path)
    shutil.copy(tmp_path / "b" / "search.db.vectors", tmp_path)
    with opened(path) as search, opened(tmp_path / "a" / "search.db") as other:
        assert by_meaning(search) == by_meaning(other)


def test_embeddings_of_another_model_do_not_serve_this_one(tmp_path: Path) -> None:
    path = tmp_path / "search.db"
    with opened(path) as search:
        search.put(looks(1, 60))
        by_meaning(search)
        search.settle()
    with opened(path) as search:
        assert search.search(Query(words=("lion",), vector=(1.0, 0.0, 0.2), model="another")).total == 0
        assert search.search(Query(words=("lion",), vector=(1.0, 0.0), model="m")).total == 0
        search.settle()
        with of_rows(path) as rows:
            assert by_meaning(search) == by_meaning(rows)
