"""Faces while the indexer runs: found in the screen pictures behind all other work, grouped, and only where wanted."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import psutil
import pytest
from PIL import Image

from captioner import BundleError, CaptionerProcess, Face, FaceError, FaceFinderUnavailable, FaceModel, FaceProcess
from indexer.jobs.people import PeopleWork
from indexer.model import JobKind, ThumbnailSize
from indexer.people.vectors import FaceVectors, delete_people
from indexer.progress import Phase
from indexer.search.query import parse
from indexer.service import Indexer
from indexer.settings import Settings
from indexer.storage import Storage
from tests.indexing import COLOURS, CountingCaptioner, all_photos, settings_for, stored, until
from tests.people_made import FACE_MODEL, MODEL, face, looks_of
from tests.photos_made import write_jpeg


class ColourFinder:
    """Sees one face in a picture, that of a person for each colour, and counts how often it is asked."""

    model = MODEL

    def __init__(self) -> None:
        self.asked = 0
        self.error: Exception | None = None
        self._looks = {name: iter(looks_of(number, 40)) for number, name in enumerate(COLOURS)}

    async def find_faces(self, picture: bytes) -> tuple[Face, ...]:
        self.asked += 1
        if self.error is not None:
            raise self.error
        mean = Image.open(BytesIO(picture)).convert("RGB").resize((1, 1)).getpixel((0, 0))
        assert isinstance(mean, tuple)
        name = min(COLOURS, key=lambda one: sum((a - b) ** 2 for a, b in zip(mean, COLOURS[one], strict=True)))
        return (face(next(self._looks[name]), 0.25, width=0.5),)


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """Four red photos and three green ones."""
    folder = tmp_path / "photos"
    for number in range(4):
        write_jpeg(folder / f"red{number}.jpg", COLOURS["red"], number)
    for number in range(3):
        write_jpeg(folder / f"green{number}.jpg", COLOURS["green"], number)
    return folder


def indexer_of(settings: Settings, storage: Storage, finder: ColourFinder) -> Indexer:
    return Indexer(
        settings, storage, captioner=CountingCaptioner(), face_finder=finder, read_face_model=lambda: FACE_MODEL
    )


async def run_once(settings: Settings, storage: Storage, finder: ColourFinder, *roots: Path) -> Indexer:
    async with indexer_of(settings, storage, finder) as indexer:
        await indexer.index_once(roots)
    return indexer


def open_files(name: str) -> list[str]:
    """Those of this process that are called so, also where they have been deleted."""
    return [one.path for one in psutil.Process().open_files() if name in one.path]


def found_ids(storage: Storage, query: str) -> set[str]:
    return {hit.id for hit in storage.search.search(parse(query)).hits}


async def test_off_means_nothing(tmp_path: Path, library: Path) -> None:
    settings, finder = settings_for(tmp_path), ColourFinder()
    with stored(settings) as storage:
        await run_once(settings, storage, finder, library)
        assert finder.asked == 0
        assert storage.catalogue.people.counts().faces == 0
        assert not settings.faces_path.exists()


def test_what_is_switched_off_is_not_loaded() -> None:
    """Neither the arithmetic of groups nor the face finder is imported before there is something for them to do."""
    names = "indexer.service, indexer.jobs.people, web.server, web.pages.people_page, indexer.commands.people"
    code = (
        f"import sys, {names}; print([one for one in sys.modules if one.partition('.')[0] == 'PIL' or 'grouping' in one"
    )
    code += " or one.startswith('captioner.inference.faces.finder')])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


async def test_one_run_finds_and_groups_and_the_next_has_nothing_to_do(tmp_path: Path, library: Path) -> None:
    settings, finder = settings_for(tmp_path, people=True), ColourFinder()
    with stored(settings) as storage:
        indexer = await run_once(settings, storage, finder, library)
        assert indexer.progress().queued == 0
        assert finder.asked == 7
        first, second = storage.catalogue.people.persons()
        assert (first.photos, second.photos) == (4, 3)
        write_jpeg(library / "red9.jpg", COLOURS["red"], 9)
        (library / "green0.jpg").rename(library / "renamed.jpg")
        await run_once(settings, storage, finder, library)
        assert finder.asked == 8
        assert storage.catalogue.people.persons()[0].photos == 5


async def test_a_name_is_searched_for_together_with_others_and_with_words(tmp_path: Path, library: Path) -> None:
    settings, finder = settings_for(tmp_path, people=True), ColourFinder()
    with stored(settings) as storage:
        await run_once(settings, storage, finder, library)
        red, green = storage.catalogue.people.persons()
        storage.catalogue.people_decisions.name(red.id, "Anna")
        storage.catalogue.people_decisions.name(green.id, "Bert")
        both = storage.catalogue.people.photos_of(red.id)[0]
        storage.catalogue.people_decisions.assign(storage.catalogue.people.faces_of(both)[0].id, "Anna")
        with storage.catalogue._database.transaction() as writer:
            writer.execute(
                """INSERT INTO face (photo_id, x, y, width, height, score, size_px, model, person_id, origin)
                VALUES (?, 0.8, 0.1, 0.1, 0.1, 0.9, 90, ?, ?, 'person')""",
                (both, MODEL, green.id),
            )
            writer.execute("UPDATE photo SET revision = revision + 1 WHERE id = ?", (both,))
        await run_once(settings, storage, finder)
        reds = set(storage.catalogue.people.photos_of(red.id))
        assert len(reds) == 4
        assert (
            found_ids(storage, "person:Anna") == found_ids(storage, "anna") == found_ids(storage, "anna wall") == reds
        )
        assert found_ids(storage, "person:Anna person:Bert") == {both}
        assert found_ids(storage, "person:Anna -bert") == reds - {both}
        facets = storage.search.facets(parse(""), ["person"])
        assert {one.value: one.count for one in facets["person"]} == {"Anna": 4, "Bert": 4}


async def test_what_people_decided_stays_whatever_becomes_of_the_library(tmp_path: Path, library: Path) -> None:
    settings, finder = settings_for(tmp_path, people=True), ColourFinder()
    with stored(settings) as storage:
        people, decisions = storage.catalogue.people, storage.catalogue.people_decisions
        await run_once(settings, storage, finder, library)
        red, green = people.persons()
        decisions.name(red.id, "Anna")
        not_anna = people.faces_of_person(red.id)[0]
        decisions.not_this_person([not_anna.id])
        decisions.ignore(green.id)
        after = people.persons(), people.persons(ignored=True), storage.catalogue.faces.rules()

        def decided() -> object:
            return people.persons(), people.persons(ignored=True), storage.catalogue.faces.rules()

        await run_once(settings, storage, finder, library)
        assert decided() == after, "scanned again"
        for kind in (JobKind.INDEX, JobKind.METADATA, JobKind.CAPTION, JobKind.THUMBNAILS):
            assert storage.catalogue.queue.enqueue_all(kind)
            await run_once(settings, storage, finder, library)
            assert decided() == after, kind
        storage.catalogue.faces.look_again([one for ids in storage.catalogue.faces.ids(MODEL) for one in ids])
        await run_once(settings, storage, finder, library)
        assert finder.asked == 14
        assert decided() == after, "looked at again"
        newer = replace(FACE_MODEL, name="made-2", least_seed_px=90.0)
        async with Indexer(
            settings, storage, captioner=CountingCaptioner(), face_finder=finder, read_face_model=lambda: newer
        ) as indexer:
            await indexer.index_once([library])
        assert finder.asked == 21
        assert decided() == after, "by another model"
        (library / "elsewhere").mkdir()
        for file in library.glob("*.jpg"):
            file.rename(library / "elsewhere" / f"renamed-{file.name}")
        await run_once(settings, storage, finder, library)
        assert decided() == after, "moved"


async def test_photos_that_are_removed_or_edited_are_counted_no_more(tmp_path: Path, library: Path) -> None:
    settings, finder = settings_for(tmp_path, people=True), ColourFinder()
    with stored(settings) as storage:
        people = storage.catalogue.people
        await run_once(settings, storage, finder, library)
        red = people.persons()[0]
        storage.catalogue.people_decisions.name(red.id, "Anna")
        kept = (library / "red0.jpg").read_bytes()
        (library / "red0.jpg").unlink()
        write_jpeg(library / "red1.jpg", COLOURS["green"], 77)
        await run_once(settings, storage, finder, library)
        assert [(one.name, one.photos) for one in people.persons()] == [(None, 4), ("Anna", 2)]
        assert len(found_ids(storage, "person:Anna")) == 2
        (library / "back.jpg").write_bytes(kept)
        await run_once(settings, storage, finder, library)
        assert [(one.name, one.photos) for one in people.persons()] == [(None, 4), ("Anna", 3)]
        assert finder.asked == 8, "what is back needs no second look"


async def test_search_follows_every_decision_and_the_deletion(tmp_path: Path, library: Path) -> None:
    settings, finder = settings_for(tmp_path, people=True), ColourFinder()
    with stored(settings) as storage:
        decisions, people = storage.catalogue.people_decisions, storage.catalogue.people
        await run_once(settings, storage, finder, library)
        red, green = people.persons()
        reds, greens = set(people.photos_of(red.id)), set(people.photos_of(green.id))

        async def persons() -> dict[str, int]:
            await run_once(settings, storage, finder)
            return {one.value: one.count for one in storage.search.facets(parse(""), ["person"])["person"]}

        decisions.name(red.id, "Anna")
        decisions.name(green.id, "Bert")
        assert await persons() == {"Anna": 4, "Bert": 3}
        decisions.name(red.id, "Xenia")
        assert await persons() == {"Xenia": 4, "Bert": 3}
        assert (found_ids(storage, "anna "), found_ids(storage, "person:Xenia")) == (set(), reds)
        decisions.merge(red.id, green.id)
        assert await persons() == {"Xenia": 7}
        decisions.undo()
        assert await persons() == {"Xenia": 4, "Bert": 3}
        decisions.ignore(green.id)
        assert await persons() == {"Xenia": 4}
        decisions.undo()
        decisions.not_this_person([people.faces_of_person(red.id)[0].id])
        assert await persons() == {"Xenia": 3, "Bert": 3}
        assert storage.search.vocabulary("xe") == ("xenia",)
        assert found_ids(storage, "-person:Xenia") > greens
        delete_people(storage.catalogue, storage.faces, keep_names=False)
        assert await persons() == {}
        assert (storage.search.vocabulary("xe"), found_ids(storage, "xenia "), found_ids(storage, "bert ")) == (
            *((), set()),
            set(),
        )
        assert finder.asked == 7, "the deletion has switched it off"


async def test_what_is_switched_on_and_off_meanwhile_is_noticed(tmp_path: Path, library: Path) -> None:
    settings, finder, stop = settings_for(tmp_path), ColourFinder(), asyncio.Event()
    with stored(settings) as storage:
        people = storage.catalogue.people
        async with indexer_of(settings, storage, finder) as indexer:
            running = asyncio.create_task(indexer.run_forever([library], stop))
            await until(lambda: indexer.progress().phase == Phase.IDLE)
            people.switch(on=True)
            indexer.wake()
            await until(lambda: len(people.persons()) == 2)
            assert open_files("faces.db")
            people.switch(on=False)
            indexer.wake()
            await until(lambda: indexer._people is not None and indexer._people.model is None)
            await until(lambda: not open_files("faces.db"))
            write_jpeg(library / "red9.jpg", COLOURS["red"], 9)
            indexer.scan_now()
            await until(lambda: len(all_photos(storage)) == 8)
            await until(lambda: indexer.progress().phase == Phase.IDLE)
            assert finder.asked == 7
            stop.set()
            await running


async def test_faces_that_have_lost_their_vectors_are_looked_for_again(tmp_path: Path, library: Path) -> None:
    settings, finder = settings_for(tmp_path, people=True), ColourFinder()
    with stored(settings) as storage:
        await run_once(settings, storage, finder, library)
        red = storage.catalogue.people.persons()[0]
        storage.catalogue.people_decisions.name(red.id, "Anna")
    for path in settings.data_dir.glob("faces.db*"):
        path.unlink()
    with stored(settings) as storage:
        await run_once(settings, storage, finder)
        assert finder.asked == 14
        anna, other = storage.catalogue.people.persons()
        assert (anna.name, anna.photos, other.photos) == ("Anna", 4, 3)


async def test_a_damaged_file_of_vectors_is_made_again(tmp_path: Path, library: Path) -> None:
    settings, finder = settings_for(tmp_path, people=True), ColourFinder()
    with stored(settings) as storage:
        await run_once(settings, storage, finder, library)
        storage.catalogue.people_decisions.name(storage.catalogue.people.persons()[0].id, "Anna")
    settings.faces_path.write_bytes(b"no database" * 1000)
    with stored(settings) as storage:
        await run_once(settings, storage, finder)
        assert finder.asked == 14
        assert [(one.name, one.photos) for one in storage.catalogue.people.persons()] == [("Anna", 4), (None, 3)]
        delete_people(storage.catalogue, storage.faces, keep_names=False)
    assert not list(settings.data_dir.glob("**/faces.db*")), "what was set aside goes, too"


async def test_a_bundle_that_can_t_be_read_is_told_until_faces_are_switched_off(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, people=True)

    def missing() -> FaceModel:
        raise BundleError("manifest.json is not there")

    with stored(settings) as storage:
        work = PeopleWork(
            settings,
            storage,
            queued=lambda: None,
            stored=lambda: None,
            turn=_at_once,
            read_model=missing,
            interval_s=0.01,
        )
        async with work:
            running = asyncio.create_task(work.run())
            assert "manifest.json is not there" in str(work.problem)
            storage.catalogue.people.switch(on=False)
            await until(lambda: work.problem is None)
            storage.catalogue.people.switch(on=True)
            await until(lambda: work.problem is not None)
            running.cancel()


@pytest.mark.parametrize("error", [FaceError("odd"), BundleError("no model")])
async def test_a_picture_that_fails_is_set_aside_and_the_rest_goes_on(
    tmp_path: Path, library: Path, error: Exception
) -> None:
    settings, finder = settings_for(tmp_path, people=True), ColourFinder()
    finder.error = error
    with stored(settings) as storage:
        await run_once(settings, storage, finder, library)
        assert storage.catalogue.counts().with_caption == 7
        aside = storage.catalogue.queue.set_aside()
        assert len(aside) == 7
        assert str(error) in str(aside[0].reason)
        finder.error = None
        storage.catalogue.queue.retry_set_aside()
        await run_once(settings, storage, finder)
        assert storage.catalogue.people.counts().faces == 7


async def test_a_process_that_can_t_be_had_is_waited_for(tmp_path: Path, library: Path) -> None:
    settings, finder = settings_for(tmp_path, people=True), ColourFinder()
    finder.error = FaceFinderUnavailable("no memory")
    with stored(settings) as storage:
        async with indexer_of(settings, storage, finder) as indexer:
            running = asyncio.create_task(indexer.index_once([library]))
            await until(lambda: finder.asked)
            finder.error = None
            progress = await running
        assert (progress.set_aside, storage.catalogue.people.counts().faces) == (0, 7)


async def test_a_lost_screen_picture_is_made_again_from_the_file(tmp_path: Path, library: Path) -> None:
    settings, finder = settings_for(tmp_path), ColourFinder()
    with stored(settings) as storage:
        await run_once(settings, storage, finder, library)
        lost = all_photos(storage)[0].id
        storage.thumbnails.delete([lost])
        storage.catalogue.people.switch(on=True)
        await run_once(settings, storage, finder)
        assert storage.catalogue.people.counts().faces == 7
        assert storage.thumbnails.get(lost, ThumbnailSize.SCREEN) is not None


async def test_the_real_face_finder_looks_at_pictures_and_ends_with_the_indexer(tmp_path: Path, library: Path) -> None:
    """Of one colour each: no face is in them, and the next run does not look again."""
    settings = settings_for(tmp_path, people=True)
    with stored(settings) as storage:
        async with Indexer(settings, storage, captioner=CountingCaptioner()) as indexer:
            progress = await indexer.index_once([library])
            people = indexer._people
            assert people is not None
            assert people.model is not None
            finder = await people._started()
            assert isinstance(finder, FaceProcess)
            pid = finder.pid
            assert pid is not None
        assert (progress.queued, progress.set_aside) == (0, 0)
        assert not Path(f"/proc/{pid}").exists()
        assert storage.catalogue.people.counts().faces == 0
        assert storage.catalogue.faces.count_wanting(people.model) == 0


async def test_the_captioner_gives_its_memory_to_the_face_finder(tmp_path: Path, library: Path) -> None:
    settings = settings_for(tmp_path, people=True)
    with stored(settings) as storage:
        async with Indexer(settings, storage) as indexer:
            progress = await indexer.index_once([library])
            captioner, people = indexer._context and indexer._context.captioner, indexer._people
            assert isinstance(captioner, CaptionerProcess)
            assert people is not None
            assert isinstance(finder := await people._started(), FaceProcess)
            assert (captioner.pid, finder.pid is None) == (None, False)
            write_jpeg(library / "blue.jpg", COLOURS["blue"], 1)
            progress = await indexer.index_once([library])
        assert (progress.queued, progress.set_aside, len(all_photos(storage))) == (0, 0, 8)


async def test_what_is_deleted_meanwhile_is_not_stored(tmp_path: Path, library: Path) -> None:
    """Another process deletes everything between the two stores that a face goes into."""
    settings, finder = settings_for(tmp_path, people=True), ColourFinder()
    with stored(settings) as storage:
        await run_once(settings, storage, finder, library)

        class Deleting(FaceVectors):
            def store(self, vectors: object, model: str) -> None:
                delete_people(storage.catalogue, FaceVectors(settings.faces_path), keep_names=True)
                super().store(vectors, model)  # type: ignore[arg-type]

        late = Storage(storage.catalogue, storage.thumbnails, storage.search, Deleting(settings.faces_path))
        storage.catalogue.faces.look_again([storage.catalogue.people.persons()[0].face_id])
        work = PeopleWork(
            *(settings, late),
            queued=lambda: None,
            stored=lambda: None,
            turn=_at_once,
            finder=finder,
            read_model=lambda: FACE_MODEL,
        )
        async with work:
            [job] = storage.catalogue.queue.claim(1)
            await work.settle(job, job.content_key or "", (face(looks_of(5)[0]),), ())
        assert not list(settings.data_dir.glob("faces.db*"))


async def test_a_stop_need_not_wait_for_a_grouping(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, people=True)

    class Endless(FaceVectors):
        begun = asyncio.Event()

        def blocks(self, model: str) -> Iterator[list[tuple[int, bytes]]]:
            loop.call_soon_threadsafe(self.begun.set)
            while True:
                yield [(1, bytes(256))]

    loop = asyncio.get_running_loop()
    with stored(settings) as storage:
        endless = Storage(storage.catalogue, storage.thumbnails, storage.search, Endless(settings.faces_path))
        work = PeopleWork(
            settings,
            endless,
            queued=lambda: None,
            stored=lambda: None,
            turn=_at_once,
            finder=ColourFinder(),
            read_model=lambda: FACE_MODEL,
        )
        async with work, asyncio.timeout(30):
            grouping = asyncio.create_task(work.group())
            await Endless.begun.wait()
            grouping.cancel()
            with pytest.raises(asyncio.CancelledError):
                await grouping


async def _at_once() -> None:
    """No pause is on."""
