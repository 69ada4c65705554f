"""A real Meilisearch that is down, killed, wiped and put back under load: afterwards it has what the catalogue has.

Catalogue, feed and backend are the real ones; what they are fed are settled photos that nobody ever decoded.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from captioner import Caption, Tag, TextTower
from indexer.catalogue import Catalogue
from indexer.catalogue.outbox import Differences
from indexer.commands.doctor import examine
from indexer.commands.finding import Verdict
from indexer.errors import SearchError
from indexer.jobs.search_feed import FeedSteps, SearchFeed
from indexer.model import JobKind
from indexer.search.meaning import NO_MEANING, Meaning
from indexer.search.meilisearch import MeilisearchSearch
from indexer.search.meilisearch.administration import make_keys
from indexer.search.meilisearch.keys import keys_of
from indexer.search.query import parse
from indexer.settings import Settings
from tests.indexing import settings_for
from tests.libraries import found, indexed, key_of, note_one, write
from tests.meilisearch_server import MeilisearchServer
from tests.towers_made import made_tower

BATCH = 100
SEED = 5
THINGS = ("dog", "beach", "boat", "cake", "snow", "train")
CHILD = Path(__file__).with_name("feed_in_a_process.py")


class House:
    """A library of `photos` settled photos, its catalogue, and a search and a feed as `recollect serve` has them."""

    def __init__(self, folder: Path, server: MeilisearchServer, photos: int) -> None:
        self.folder, self.server = folder, server
        self.settings = settings_for(
            folder,
            bundle=folder / "none",
            search="meilisearch",
            meilisearch_url=server.url,
            meilisearch_index=f"house-{secrets.token_hex(4)}",
        )
        self.settings.data_dir.mkdir()
        self.root = folder / "photos"
        self.fix()
        self.catalogue = Catalogue(self.settings.catalogue_path)
        self.present: list[int] = []
        self.open(NO_MEANING)
        for number in range(photos):
            self.add(number)

    def open(self, meaning: Meaning) -> None:
        """As at the start of the program."""
        settings = self.settings
        self.search = MeilisearchSearch(
            settings.meilisearch_url,
            keys=lambda: keys_of(settings),
            index=settings.meilisearch_index,
            meaning=meaning,
            cache_s=0,
        )
        self.search.batch = BATCH
        self.feed = FeedSteps(self.catalogue, self.search)

    def close(self) -> None:
        self.search.close()
        self.catalogue.close()

    def fix(self) -> None:
        """What `recollect doctor --fix` does."""
        make_keys(replace(self.settings, meilisearch_master_key=self.server.master_key))

    def key(self, number: int) -> str:
        return key_of(self.root / f"{number}.jpg")

    def add(self, number: int, *, key: str = "") -> None:
        path = self.root / f"{number}.jpg"
        note_one(self.catalogue, found(self.root, write(path)))
        thing = THINGS[number % len(THINGS)]
        words = Caption(f"a {thing} and a house", 0.5, (Tag(thing, 0.9),), (0.6, 0.8), "model-1")
        for job in self.catalogue.queue.claim(100):
            if job.kind is JobKind.INDEX:
                settled = indexed(job, caption=words)
                self.catalogue.settle(job, replace(settled, content_key=key or settled.content_key))
            else:
                self.catalogue.settle(job, indexed(job, caption=None))
        self.present.append(number)

    def change(self, number: int) -> None:
        self.catalogue.corrections.correct(self.key(number), f"the words of a person {secrets.token_hex(3)}")

    def remove(self, number: int) -> None:
        path = self.root / f"{number}.jpg"
        path.unlink()
        self.catalogue.scans.note_missing(self.root, [path])
        self.present.remove(number)

    def catch_up(self) -> None:
        """As the feed does it, without its pauses."""
        for attempt in range(3):
            try:
                while self.feed.step():
                    pass
                return
            except SearchError:
                if attempt == 2:
                    raise

    def wanted(self) -> dict[str, int]:
        photos = self.catalogue.photos(self.catalogue.photo_ids(limit=100_000))
        return {photo.id: photo.revision for photo in photos}

    def held(self) -> dict[str, int]:
        return dict(self.search.held())

    def check(self) -> None:
        """Search has the catalogue's photos in their latest revision, says so, and nobody captions anything again."""
        assert self.held() == self.wanted()
        assert self.catalogue.outbox.differences(self.search.held()) == Differences()
        assert self.search.count() == len(self.present)
        assert self.search.search(parse("house -person")).total + self.corrected() == len(self.present)
        assert self.catalogue.counts().unpushed == 0
        for kind in (JobKind.CAPTION, JobKind.INDEX):
            assert self.catalogue.queue.queued(kind) == 0

    def corrected(self) -> int:
        return self.search.search(parse('"words of a person"')).total


@contextmanager
def house_of(folder: Path, server: MeilisearchServer, photos: int) -> Iterator[House]:
    house = House(folder, server, photos)
    try:
        yield house
    finally:
        house.close()


@pytest.fixture
def house(tmp_path: Path, killable_meilisearch: MeilisearchServer) -> Iterator[House]:
    with house_of(tmp_path, killable_meilisearch, 300) as made:
        yield made


async def test_a_server_that_is_down_while_everything_is_indexed(
    tmp_path: Path, killable_meilisearch: MeilisearchServer
) -> None:
    with house_of(tmp_path, killable_meilisearch, 0) as house:
        killable_meilisearch.stop()
        feed = SearchFeed(house.catalogue, house.search)
        running = asyncio.create_task(feed.run())
        for number in range(200):
            house.add(number)
            feed.wake()
        while feed.problem is None:
            await asyncio.sleep(0.01)
        assert "does not answer" in str(feed.problem)
        assert house.catalogue.counts().unpushed == 200
        await asyncio.to_thread(killable_meilisearch.start)
        while house.catalogue.counts().unpushed or feed.problem:
            await asyncio.sleep(0.05)
        running.cancel()
        await asyncio.wait({running})
        house.check()


def test_killed_again_and_again_in_the_middle_of_batches(house: House) -> None:
    chance = random.Random(SEED)
    new = iter(range(300, 1000))
    for _ in range(5):
        until_s = chance.uniform(0.02, 0.5)
        with pushing(house):
            time.sleep(until_s)
            house.server.kill()
        for _ in range(20):
            house.change(chance.choice(house.present))
            house.remove(chance.choice(house.present))
            house.add(next(new))
        house.server.start()
    house.catch_up()
    house.check()


@contextmanager
def pushing(house: House) -> Iterator[None]:
    """A thread that pushes until the server no longer takes anything."""

    def push() -> None:
        try:
            while house.feed.step():
                pass
        except SearchError:
            failed.set()

    failed = threading.Event()
    thread = threading.Thread(target=push)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def test_wiped_and_with_another_master_key_it_is_filled_again_without_a_restart(house: House) -> None:
    house.catch_up()
    before = keys_of(house.settings)
    house.server.master_key = secrets.token_hex(16)
    house.server.wipe()
    for use in (lambda: house.feed.step(), lambda: house.search.search(parse("dog"))):
        with pytest.raises(SearchError, match="does not accept the key") as refused:
            use()
        assert "doctor --fix" in refused.value.hint
    house.fix()
    assert keys_of(house.settings) != before
    with pytest.raises(SearchError, match="not found") as refused:
        house.search.search(parse("dog"))
    assert "filled from the catalogue" in refused.value.hint
    house.catch_up()
    house.check()


def test_put_back_to_an_older_state_while_photos_came_and_went(house: House) -> None:
    house.catch_up()
    older = house.server.snapshot()
    for number in range(0, 60, 2):
        house.change(number)
        house.remove(number + 1)
        house.add(number + 1000)
    house.catch_up()
    house.check()
    house.change(100)
    house.remove(101)
    house.server.restore(older)
    assert house.held() != house.wanted()
    house.catch_up()
    house.check()


def test_any_disaster_after_any_other(house: House) -> None:
    chance = random.Random(SEED)
    new = iter(range(300, 1000))
    snapshots = [house.server.snapshot()]

    def wipe() -> None:
        house.server.wipe()
        house.fix()

    disasters: list[Callable[[], None]] = [
        wipe,
        lambda: house.server.restore(chance.choice(snapshots)),
        lambda: snapshots.append(house.server.snapshot()),
        house.server.restart,
        lambda: house.open(NO_MEANING),
        lambda: house.open(Meaning(lambda: made_tower(f"made-{chance.randrange(2)}"))),
    ]
    for _ in range(6):
        chance.choice(disasters)()
        with pushing(house):
            time.sleep(chance.uniform(0, 0.3))
            if chance.random() < 0.7:
                house.server.kill()
        house.server.start()
        for _ in range(5):
            house.change(chance.choice(house.present))
            house.remove(chance.choice(house.present))
            house.add(next(new))
    house.fix()
    house.catch_up()
    house.check()


def test_a_photo_that_the_server_refuses_is_told_and_all_others_are_in(house: House) -> None:
    house.add(300, key="no content key")
    house.catch_up()
    (refused,) = house.catalogue.refused()
    assert (refused.photo.id, "is invalid" in str(refused.reason)) == ("no content key", True)
    assert house.held().keys() == house.wanted().keys() - {"no content key"}
    assert house.feed.step() == 0


# A second index


class Looking:
    """Searches all the time, and remembers the fewest photos it saw and whatever went wrong."""

    def __init__(self, house: House) -> None:
        self.fewest = sys.maxsize
        self.searches = 0
        self.problems: list[SearchError] = []
        self._house = house
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Looking:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        self._thread.join()

    def _run(self) -> None:
        settings = self._house.settings
        search = MeilisearchSearch(
            settings.meilisearch_url, keys=keys_of(settings), index=settings.meilisearch_index, cache_s=0
        )
        while not self._enough.is_set():
            try:
                totals = [search.search(parse("house")).total, search.facets(parse(""), ["type"])["type"][0].count]
            except SearchError as error:
                self.problems.append(error)
            else:
                self.fewest = min(self.fewest, *totals)
            self.searches += 1
        search.close()


def another_bundle() -> Meaning:
    def opened() -> TextTower:
        return made_tower("made-2")

    return Meaning(opened)


def uids(house: House) -> set[str]:
    name = house.settings.meilisearch_index
    return {index["uid"].removeprefix(name) for index in house.server.call("GET", "/indexes?limit=100")["results"]}


def test_while_another_index_is_made_searches_see_everything_all_the_time(house: House) -> None:
    house.catch_up()
    house.open(another_bundle())
    with Looking(house) as looking:
        while house.feed.step():
            assert uids(house) == {"", "-next"}
        for _ in range(3):
            house.search.search(parse("seaside"))
    assert uids(house) == {""}
    assert looking.searches
    assert (looking.problems, looking.fewest) == ([], 300)
    house.check()


@pytest.mark.parametrize("killed", ["the server", "recollect"])
def test_a_rebuild_that_is_killed_goes_on_where_it_was(house: House, killed: str) -> None:
    house.catch_up()
    if killed == "recollect":
        rebuild_in_a_process(house, batches=2)
    else:
        house.open(another_bundle())
        for _ in range(2):
            house.feed.step()
        with pushing(house):
            time.sleep(0.05)
            house.server.kill()
        house.server.start()
    house.open(another_bundle())
    house.change(1)
    house.remove(2)
    with Looking(house) as looking:
        pushed = 0
        while some := house.feed.step():
            pushed += some
    assert pushed <= 300 - 2 * BATCH + 2, "it did not start over"
    assert looking.problems == []
    assert looking.fewest >= 299
    assert uids(house) == {""}
    house.check()


def rebuild_in_a_process(house: House, *, batches: int) -> None:
    """Kills a real process of ours after so many batches."""
    settings: Settings = house.settings
    arguments = [str(settings.data_dir), settings.meilisearch_url, settings.meilisearch_index, str(BATCH)]
    child = subprocess.Popen([sys.executable, str(CHILD), *arguments], stdout=subprocess.PIPE, text=True)
    with child:
        assert child.stdout is not None
        for _ in range(batches):
            assert child.stdout.readline().strip() == str(BATCH)
        child.send_signal(signal.SIGKILL)
    assert child.returncode == -signal.SIGKILL


async def test_the_doctor_proves_that_both_agree(house: House) -> None:
    house.catch_up()
    house.server.wipe()
    found = await doctor(house)
    assert found["key for indexing"][0] is found["searchable photos"][0] is Verdict.BROKEN
    house.fix()
    verdict, text = (await doctor(house))["searchable photos"]
    assert (verdict, text.endswith("; 300 missing, 0 outdated, 0 too many")) == (Verdict.WARNING, True)
    house.catch_up()
    verdict, text = (await doctor(house))["searchable photos"]
    assert verdict is Verdict.FINE
    assert text.startswith("300 in search, 300 in the catalogue, 0 waiting")


async def doctor(house: House) -> dict[str, tuple[Verdict, str]]:
    return {one.subject: (one.verdict, one.text) for one in await examine(house.settings)}
