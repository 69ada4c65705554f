"""Search is down, killed, wiped, put back: after it is back it has what the catalogue has, and nobody captioned again.

The catalogue is the real one. What the feed may rely on, every backend's contract tests hold.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from indexer.catalogue import Catalogue
from indexer.catalogue.outbox import Differences
from indexer.catalogue.schema import CATALOGUE_MIGRATIONS
from indexer.commands.doctor import examine
from indexer.commands.finding import Verdict
from indexer.errors import SearchError
from indexer.jobs.search_feed import FeedSteps, SearchFeed
from indexer.model import JobKind
from indexer.search import Query
from indexer.search.documents import document
from indexer.search.embedded.backend import EmbeddedSearch
from indexer.sqlite.database import Database
from tests.indexer.jobs.fragile_search import EmbeddedServer, FragileSearch, MemoryServer
from tests.indexing import settings_for
from tests.libraries import found, key_of, note_one, settle_all, write

Server = MemoryServer | EmbeddedServer
SERVERS: dict[str, Callable[[Path], Server]] = {
    "memory": lambda folder: MemoryServer(),
    "embedded": EmbeddedServer,
}


class Killed(Exception):
    """recollect itself was killed here."""


class World:
    """A library of files, its catalogue, a search that fails, and the feed between them."""

    def __init__(self, folder: Path, make: Callable[[Path], Server], photos: int = 0) -> None:
        self.root = folder / "photos"
        self.path = folder / "catalogue.db"
        self.root.mkdir()
        self.catalogue = Catalogue(self.path)
        self.search = FragileSearch(make(folder / "search"))
        self.feed = FeedSteps(self.catalogue, self.search)
        for number in range(photos):
            self.add(number)

    def close(self) -> None:
        self.catalogue.close()
        self.search.close()

    def file(self, number: int) -> Path:
        return self.root / f"{number}.jpg"

    def key(self, number: int) -> str:
        return key_of(self.file(number))

    def add(self, number: int) -> None:
        note_one(self.catalogue, found(self.root, write(self.file(number))))
        settle_all(self.catalogue)

    def remove(self, number: int) -> None:
        self.file(number).unlink()
        self.catalogue.scans.note_missing(self.root, [self.file(number)])

    def change(self, number: int) -> None:
        self.catalogue.corrections.correct(self.key(number), "the words of a person")

    def change_all(self) -> None:
        for number in range(10):
            self.change(number)

    def remove_all(self) -> None:
        for number in range(10):
            self.remove(number)

    def restart_feed(self) -> None:
        self.feed = FeedSteps(self.catalogue, self.search)

    def catch_up(self) -> None:
        """As `SearchFeed` does it, without the pauses: an index that vanished is found out by an error."""
        for attempt in range(2):
            try:
                while self.feed.step():
                    pass
            except SearchError:
                if attempt:
                    raise

    def wanted(self) -> dict[str, int]:
        photos = self.catalogue.photos(self.catalogue.photo_ids(limit=1_000_000))
        return {photo.id: photo.revision for photo in photos}

    def held(self) -> dict[str, int]:
        return dict(self.search.held())

    def agrees(self) -> bool:
        refused = {one.photo.id for one in self.catalogue.refused()}
        held, wanted = self.held(), self.wanted()
        return {key: held[key] for key in held if key not in refused} == {
            key: wanted[key] for key in wanted if key not in refused
        } and not self.catalogue.outbox.differences(self.search.held())


@pytest.fixture(params=sorted(SERVERS))
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path, SERVERS[request.param], photos=10)
    yield world
    world.close()


@pytest.fixture
def in_memory(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path, SERVERS["memory"], photos=10)
    yield world
    world.close()


def memory(world: World) -> MemoryServer:
    assert isinstance(world.search.server, MemoryServer)
    return world.search.server


def test_everything_is_pushed_once_in_batches(world: World) -> None:
    assert [world.feed.step() for _ in range(4)] == [4, 4, 2, 0]
    assert world.agrees()
    assert sorted(world.search.put_ids) == sorted(world.wanted())
    world.restart_feed()
    world.catch_up()
    assert len(world.search.put_ids) == 10


def test_a_server_that_is_down_gets_everything_when_it_is_back(world: World) -> None:
    world.search.up = False
    for _ in range(3):
        with pytest.raises(SearchError):
            world.feed.step()
    world.remove(3)
    world.search.up = True
    world.catch_up()
    assert world.agrees()
    assert len(world.held()) == 9


@pytest.mark.parametrize("taken", range(5))
def test_a_server_killed_in_the_middle_of_a_batch(world: World, taken: int) -> None:
    world.feed.step()
    world.search.killed_after = taken
    with pytest.raises(SearchError):
        world.feed.step()
    world.search.up = True
    assert len(world.held()) == 4 + taken
    for number in (2, 7, 8, 9):
        world.remove(number)
    world.catch_up()
    assert world.agrees()


def test_recollect_killed_between_the_server_and_the_catalogue(world: World) -> None:
    def kill() -> None:
        raise Killed

    world.feed.step()
    world.search.after_put = kill
    with pytest.raises(Killed):
        world.feed.step()
    assert len(world.held()) == 8
    assert world.catalogue.counts().unpushed == 6
    for number in range(10):
        world.remove(number)
    world.restart_feed()
    world.catch_up()
    assert world.held() == {}, "what search had taken went too, though the catalogue had not noted it"


@pytest.mark.parametrize("restart", [True, False])
def test_a_server_that_was_wiped(world: World, restart: bool, caplog: pytest.LogCaptureFixture) -> None:
    world.catch_up()
    queued = world.catalogue.counts().queued
    world.search.server.wipe()
    if restart:
        world.restart_feed()
    else:  # while nobody asked for anything
        world.search.up = False
        with pytest.raises(SearchError):
            world.feed.step()
        world.search.up = True
    with caplog.at_level(logging.INFO):
        world.catch_up()
    assert world.agrees()
    assert "10 missing, 0 outdated, 0 too many" in caplog.text
    assert world.catalogue.counts().queued == queued


@pytest.mark.parametrize("restart", [True, False])
def test_a_server_put_back_to_an_older_state(world: World, restart: bool, caplog: pytest.LogCaptureFixture) -> None:
    world.catch_up()
    older = world.search.server.snapshot()
    world.change(1)
    world.change(2)
    world.remove(3)
    world.add(10)
    world.catch_up()
    queued = world.catalogue.queue.queued(JobKind.CAPTION)
    world.search.server.restore(older)
    if restart:
        world.restart_feed()
    pushed = len(world.search.put_ids)
    with caplog.at_level(logging.INFO):
        world.catch_up()
    assert world.agrees()
    assert "1 missing, 2 outdated, 1 too many" in caplog.text
    assert len(world.search.put_ids) == pushed + 3, "only what differed"
    assert world.catalogue.queue.queued(JobKind.CAPTION) == queued == 0


def test_a_server_wiped_under_the_batch_that_it_confirms(world: World) -> None:
    """The position that is noted is that of the empty server; the number of photos is not."""
    world.feed.step()

    def wipe() -> None:
        world.search.server.wipe()
        world.search.server.backend.prepare()

    world.search.after_put = wipe
    world.catch_up()
    assert world.agrees()


def test_a_server_that_loses_what_it_takes_is_a_problem_and_no_endless_loop(in_memory: World) -> None:
    def lose() -> None:
        memory(in_memory).backend.state.first = {}
        in_memory.search.after_put = lose

    in_memory.search.after_put = lose
    for _ in range(3):
        with pytest.raises(SearchError, match="should have 10"):
            in_memory.catch_up()
    in_memory.search.after_put = None
    in_memory.catch_up()
    assert in_memory.agrees()


def test_a_server_that_somebody_else_writes_to_all_the_time_is_a_problem(in_memory: World) -> None:
    in_memory.catch_up()
    memory(in_memory).backend.checkpoint = lambda: str(len(in_memory.search.put_ids) + next(clock))  # type: ignore[method-assign]
    clock = iter(range(1000))
    with pytest.raises(SearchError, match="another program"):
        in_memory.feed.step()


def test_what_the_catalogue_never_heard_of_is_deleted(world: World, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = World(tmp_path / "other", SERVERS["memory"], photos=3)
    others = other.wanted()
    other.close()
    world.catch_up()
    elsewhere = Catalogue(tmp_path / "other" / "lost.db")  # a catalogue that was lost, and has three photos so far
    feed = FeedSteps(elsewhere, world.search)
    root = tmp_path / "other" / "photos"
    for number in range(3):
        note_one(elsewhere, found(root, root / f"{number}.jpg"))
    settle_all(elsewhere)
    while feed.step():
        pass
    assert world.held().keys() == others.keys()
    assert world.held() == {photo.id: photo.revision for photo in elsewhere.photos(elsewhere.photo_ids())}
    elsewhere.close()


def test_a_photo_changed_while_it_is_pushed_is_pushed_again(world: World) -> None:
    world.search.before_put = world.change_all
    world.catch_up()
    assert world.agrees()
    assert len(world.search.put_ids) == 14, "the four of the first batch went out twice"


def test_a_photo_removed_while_it_is_pushed_is_deleted_after_it(world: World) -> None:
    world.search.before_put = world.remove_all
    world.catch_up()
    assert world.held() == {}
    assert world.agrees()


def test_a_photo_that_is_refused_is_told_and_waits_until_it_changes(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    key = world.key(5)
    world.search.refuses = {key: "the document is too large"}
    with caplog.at_level(logging.WARNING):
        world.catch_up()
    assert caplog.text.count("too large") == 1
    assert [(one.photo.id, str(one.reason)) for one in world.catalogue.refused()] == [
        (key, "the document is too large")
    ]
    assert (world.catalogue.counts().refused, world.catalogue.counts().unpushed) == (1, 0)
    assert world.held().keys() == world.wanted().keys() - {key}
    world.restart_feed()
    assert world.feed.step() == 0
    world.search.refuses = {}
    assert world.feed.step() == 0, "nothing new was said of it"
    world.change(5)
    world.catch_up()
    assert world.agrees()
    assert key in world.held()
    assert world.catalogue.counts().refused == 0


def test_a_refused_change_leaves_the_words_before_it(world: World) -> None:
    world.catch_up()
    before, key = world.held(), world.key(5)
    world.search.refuses = {key: "the document is too large"}
    world.change(5)
    world.catch_up()
    assert world.held() == before
    assert world.agrees()
    world.restart_feed()
    world.catch_up()
    world.remove(5)
    world.catch_up()
    assert key not in world.held()
    assert world.catalogue.counts().refused == 0


@pytest.mark.parametrize("how", ["an empty server", "asked for"])
def test_what_was_refused_is_tried_once_more(world: World, how: str) -> None:
    world.search.refuses = {world.key(number): "no" for number in (1, 2)}
    world.catch_up()
    world.search.refuses = {}
    if how == "asked for":
        assert world.catalogue.outbox.mark_all_unpushed() == 10
    else:
        world.search.server.wipe()
    world.catch_up()
    assert world.catalogue.counts().refused == 0
    assert len(world.held()) == 10
    assert world.agrees()


def test_pushing_everything_again_also_drops_what_is_too_much(world: World) -> None:
    world.catch_up()
    strange = world.search.server.snapshot()
    world.remove(1)
    world.catch_up()
    world.search.server.restore(strange)
    world.search.put_ids.clear()
    assert world.catalogue.outbox.mark_all_unpushed() == 9
    world.remove(2)
    world.catch_up()
    assert world.agrees()
    assert len(world.search.put_ids) == 8


# A second index


def searched(world: World) -> set[str]:
    return {hit.id for hit in world.search.search(Query(), limit=1000).hits}


def test_other_settings_rebuild_into_a_second_index_that_is_swapped_when_it_is_complete(in_memory: World) -> None:
    in_memory.catch_up()
    backend = memory(in_memory).backend
    backend.settings = "settings 2"
    in_memory.restart_feed()
    while in_memory.feed.step():
        assert (len(searched(in_memory)), backend.swapped) == (10, 0)
    assert (len(searched(in_memory)), backend.swapped) == (10, 1)
    assert in_memory.agrees()
    assert in_memory.feed.step() == 0


def test_while_a_second_index_is_filled_what_is_new_changes_or_goes_is_searched_at_once(in_memory: World) -> None:
    in_memory.catch_up()
    backend = memory(in_memory).backend
    backend.settings = "settings 2"
    in_memory.restart_feed()
    in_memory.feed.step()
    waiting = sorted(in_memory.wanted().keys() - (backend.state.second or {}).keys())
    number = {in_memory.key(number): number for number in range(10)}
    changed, gone = number[waiting[-1]], number[waiting[0]]
    in_memory.change(changed)
    in_memory.remove(gone)
    in_memory.add(10)
    in_memory.restart_feed()  # the comparison after a start does not put them behind the others
    in_memory.feed.step()
    assert backend.swapped == 0
    assert {in_memory.key(10)} <= searched(in_memory)
    assert waiting[0] not in searched(in_memory)
    assert (backend.state.first or {})[waiting[-1]] == in_memory.wanted()[waiting[-1]]
    in_memory.catch_up()
    assert (backend.swapped, in_memory.agrees(), len(searched(in_memory))) == (1, True, 10)


@pytest.mark.parametrize("restarted", ["recollect", "the server"])
def test_a_rebuild_that_was_killed_goes_on_where_it_was(in_memory: World, restarted: str) -> None:
    in_memory.catch_up()
    backend = memory(in_memory).backend
    backend.settings = "settings 2"
    in_memory.restart_feed()
    in_memory.search.put_ids.clear()
    in_memory.feed.step()
    in_memory.change(1)
    in_memory.remove(2)
    if restarted == "recollect":
        in_memory.restart_feed()
    else:
        in_memory.search.killed_after = 2
        with pytest.raises(SearchError):
            in_memory.feed.step()
        in_memory.search.up = True
    found = 10 if restarted == "recollect" else 9  # what is gone is deleted before photos are put
    assert (len(searched(in_memory)), backend.swapped) == (found, 0)
    in_memory.catch_up()
    assert (len(searched(in_memory)), backend.swapped) == (9, 1)
    assert in_memory.agrees()
    assert len(in_memory.search.put_ids) <= 11, "what was in before was not pushed again, but for what changed"


def test_a_second_index_with_a_refused_photo_takes_its_place_all_the_same(in_memory: World) -> None:
    in_memory.search.refuses = {in_memory.key(0): "no"}
    in_memory.catch_up()
    memory(in_memory).backend.settings = "settings 2"
    in_memory.restart_feed()
    in_memory.catch_up()
    assert memory(in_memory).backend.swapped == 1
    assert len(searched(in_memory)) == 9


def test_a_second_index_that_lost_something_is_not_swapped(in_memory: World) -> None:
    in_memory.catch_up()
    backend = memory(in_memory).backend
    backend.settings = "settings 2"
    in_memory.restart_feed()
    in_memory.feed.step()

    def lose() -> None:
        assert backend.state.second is not None
        backend.state.second.clear()

    in_memory.search.after_put = lose
    while in_memory.feed.step():
        assert backend.swapped == 0
        assert len(searched(in_memory)) == 10
    assert (len(searched(in_memory)), backend.swapped) == (10, 1)


# Any order of events


class Weather(RuleBasedStateMachine):
    """Photos come, change and go while search fails in every way; `catch_up` is when everything works for a moment."""

    server: ClassVar[str] = "memory"

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="search-feed-"))
        self.world = World(self.folder, SERVERS[self.server])
        self.present: set[int] = set()
        self.snapshots: list[object] = []

    def teardown(self) -> None:
        try:
            self.catch_up()
        finally:
            self.world.close()
            shutil.rmtree(self.folder)

    @rule(number=st.integers(0, 11))
    def add_or_change(self, number: int) -> None:
        if number in self.present:
            self.world.change(number)
        else:
            self.world.add(number)
            self.present.add(number)

    @precondition(lambda self: self.present)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.present)))
        self.world.remove(number)
        self.present.remove(number)

    @rule(times=st.integers(1, 4))
    def step(self, times: int) -> None:
        for _ in range(times):
            try:
                self.world.feed.step()
            except (SearchError, Killed):
                self.world.search.up = True

    @rule(up=st.booleans())
    def plug(self, up: bool) -> None:
        self.world.search.up = up

    @rule(taken=st.integers(0, 4))
    def kill_the_server_in_the_next_batch(self, taken: int) -> None:
        self.world.search.killed_after = taken

    @rule(before=st.booleans(), wipe=st.booleans())
    def kill_recollect_in_the_next_batch(self, before: bool, wipe: bool) -> None:
        def kill() -> None:
            if wipe:
                self.world.search.server.wipe()
            raise Killed

        if before:
            self.world.search.before_put = kill
        else:
            self.world.search.after_put = kill

    @rule()
    def restart_recollect(self) -> None:
        self.world.restart_feed()

    @rule()
    def wipe(self) -> None:
        self.world.search.server.wipe()

    @rule()
    def snapshot(self) -> None:
        self.snapshots.append(self.world.search.server.snapshot())

    @precondition(lambda self: self.snapshots)
    @rule(data=st.data())
    def restore(self, data: st.DataObject) -> None:
        self.world.search.server.restore(data.draw(st.sampled_from(self.snapshots)))

    @rule(number=st.integers(0, 11), refused=st.booleans())
    def refuse(self, number: int, refused: bool) -> None:
        if refused and number in self.present:
            self.world.search.refuses[self.world.key(number)] = "no"
        else:
            self.world.search.refuses.clear()

    @rule()
    def push_everything(self) -> None:
        self.world.catalogue.outbox.mark_all_unpushed()

    @rule(number=st.integers(1, 3))
    def declare_other_settings(self, number: int) -> None:
        if isinstance(self.world.search.server, MemoryServer):
            self.world.search.server.backend.settings = f"settings {number}"
            self.world.restart_feed()

    @rule()
    def catch_up(self) -> None:
        search = self.world.search
        search.up, search.killed_after, search.before_put, search.after_put = True, None, None, None
        self.world.catch_up()
        assert self.world.agrees()
        refused = {one.photo.id for one in self.world.catalogue.refused()}
        assert self.world.wanted().keys() - self.world.held().keys() <= refused
        assert self.world.catalogue.counts().unpushed == 0
        assert self.world.catalogue.outbox.removed_ids(1) == []
        if isinstance(search.server, MemoryServer):
            assert search.server.backend.state.second is None
            assert search.server.backend.state.first_settings == search.server.backend.settings

    @invariant()
    def nobody_captions_again(self) -> None:
        assert self.world.catalogue.queue.queued(JobKind.CAPTION) == 0
        assert self.world.catalogue.queue.queued(JobKind.INDEX) == 0


class EmbeddedWeather(Weather):
    """The same over the real file."""

    server = "embedded"


@pytest.mark.slow
@pytest.mark.parametrize(("machine", "examples"), [(Weather, 60), (EmbeddedWeather, 25)])
def test_whatever_happens_search_and_catalogue_agree_in_the_end(
    machine: type[RuleBasedStateMachine], examples: int
) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )


# The doctor, the clock, and older catalogues


async def searchable(tmp_path: Path) -> tuple[Verdict, str]:
    findings = await examine(settings_for(tmp_path, bundle=tmp_path / "none"))
    return next((one.verdict, one.text) for one in findings if one.subject == "searchable photos")


@pytest.mark.slow
async def test_the_doctor_compares_numbers_and_revisions(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    world = World(tmp_path / "data", lambda folder: EmbeddedServer(folder.parent), photos=5)
    assert await searchable(tmp_path) == (
        Verdict.FINE,
        "0 in search, 5 in the catalogue, 5 waiting; all others are there in their latest revision",
    )
    world.catch_up()
    assert (await searchable(tmp_path))[0] is Verdict.FINE
    (first,) = world.catalogue.photos([world.key(0)])
    world.search.delete([world.key(1)])
    world.search.put([replace(document(first), revision=9), replace(document(first), id="f" * 32)])
    world.change(2)
    assert await searchable(tmp_path) == (
        Verdict.WARNING,
        "5 in search, 5 in the catalogue, 1 waiting; 1 missing, 1 outdated, 1 too many",
    )
    world.restart_feed()
    world.catch_up()
    assert (await searchable(tmp_path))[0] is Verdict.FINE
    world.close()


async def test_the_doctor_tells_why_photos_are_refused(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    EmbeddedSearch(tmp_path / "data" / "search.db").close()  # one that is lost forgets what was refused
    world = World(tmp_path / "data", SERVERS["memory"], photos=3)
    world.search.refuses = {world.key(0): "too large", world.key(1): "too large"}
    world.catch_up()
    world.close()
    findings = await examine(settings_for(tmp_path, bundle=tmp_path / "none"))
    (refused,) = [one for one in findings if one.subject == "photos refused by search"]
    assert (refused.verdict, refused.text) == (Verdict.WARNING, "2: too large (2)")
    assert "reindex --search" in refused.mend


async def test_the_feed_names_its_problem_and_catches_up(world: World) -> None:
    feed = SearchFeed(world.catalogue, world.search)
    world.search.up = False
    with pytest.raises(SearchError):
        await feed.flush()
    assert feed.problem == "the search server can't be reached"
    world.search.up = True
    assert await feed.flush() >= 10
    assert feed.problem is None
    assert world.agrees()
    assert await feed.flush() == 0


async def test_stopping_does_not_wait_for_the_comparison(in_memory: World) -> None:
    in_memory.catch_up()
    begun, ended = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def endless() -> Iterator[tuple[str, int]]:
        loop.call_soon_threadsafe(begun.set)
        try:
            while True:
                yield "0" * 32, 1
        finally:
            ended.set()

    backend = memory(in_memory).backend
    backend.held = endless  # type: ignore[method-assign]
    backend.state.position = "elsewhere"
    running = asyncio.create_task(SearchFeed(in_memory.catalogue, in_memory.search).run())
    await begun.wait()
    running.cancel()
    await asyncio.wait({running})
    await asyncio.to_thread(ended.wait)
    del backend.held
    in_memory.restart_feed()
    in_memory.catch_up()
    assert in_memory.agrees()


def test_an_older_catalogue_keeps_what_it_knew_and_looks_at_search_once(tmp_path: Path) -> None:
    (tmp_path / "search").mkdir()
    search = FragileSearch(EmbeddedServer(tmp_path / "search"))
    with Database(tmp_path / "catalogue.db", CATALOGUE_MIGRATIONS[:3]) as older, older.transaction() as writer:
        for number, (revision, search_revision, gone) in enumerate([(3, 3, 0), (4, 3, 0), (1, 0, 0), (5, 4, 1)]):
            writer.execute(
                """INSERT INTO photo (id, mime_type, width_px, height_px, added_at, revision, search_revision, gone)
                VALUES (?, 'image/jpeg', 4, 3, '2020-01-01T00:00:00+00:00', ?, ?, ?)""",
                (f"{number:032x}", revision, search_revision, gone),
            )
    with Catalogue(tmp_path / "catalogue.db") as catalogue:
        assert (catalogue.counts().unpushed, len(catalogue.outbox.removed_ids(9)), catalogue.outbox.count_pushed()) == (
            2,
            1,
            3,
        )
        assert catalogue.outbox.checkpoint() == ""
        feed = FeedSteps(catalogue, search)
        while feed.step():
            pass
        assert dict(search.held()) == {f"{number:032x}": revision for number, revision in enumerate((3, 4, 1))}
        assert catalogue.outbox.checkpoint() == search.checkpoint()
        assert catalogue.outbox.differences(search.held()) == Differences()
    search.close()


def test_nothing_changes_where_the_comparison_breaks_off(world: World) -> None:
    world.catch_up()

    def broken() -> Iterator[tuple[str, int]]:
        yield from list(world.search.held())[:5]
        raise SearchError("the connection was lost")

    deleted: list[str] = []
    with pytest.raises(SearchError):
        world.catalogue.outbox.reconcile(broken(), deleted.extend)
    assert world.catalogue.counts().unpushed == 0
    assert deleted == []
    assert world.agrees()
