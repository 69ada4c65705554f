"""Names of faces on their way into photo files: written when people decide, taken out when they take it back."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from indexer.captions.sidecar import sidecar_path
from indexer.metadata.read_metadata import read_metadata
from indexer.model import JobKind
from indexer.people.vectors import FaceVectors, delete_people
from indexer.reader.photo_process import PhotoProcesses
from indexer.settings import Settings
from indexer.storage import Storage
from tests.indexer.jobs.test_people_work import ColourFinder, indexer_of, run_once
from tests.indexing import COLOURS, all_photos, found, settings_for, stored, until
from tests.photos_made import with_xmp, write_jpeg


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """Three red photos and two green ones."""
    folder = tmp_path / "photos"
    for number in range(3):
        write_jpeg(folder / f"red{number}.jpg", COLOURS["red"], number)
    for number in range(2):
        write_jpeg(folder / f"green{number}.jpg", COLOURS["green"], number)
    return folder


def names_in(path: Path) -> list[str]:
    """Those of our regions, in the file or beside it."""
    sidecar = sidecar_path(path)
    beside = [sidecar.read_bytes()] if sidecar.is_file() else []
    return [region.name for region in read_metadata(path.read_bytes(), path, beside).regions]


def naming(tmp_path: Path, **more: object) -> Settings:
    return settings_for(tmp_path, people=True, write_names=True, **more)


def reds_of(storage: Storage) -> int:
    """The person of the red photos."""
    people = storage.catalogue.people
    reds = {one.id for one in all_photos(storage) if one.files[0].path.name.startswith("red")}
    return next(one.id for one in people.persons(least_photos=1) if set(people.photos_of(one.id)) <= reds)


def name_reds(storage: Storage, name: str | None) -> None:
    storage.catalogue.people_decisions.name(reds_of(storage), name)


async def test_a_name_goes_into_every_file_and_follows_what_people_decide(tmp_path: Path, library: Path) -> None:
    settings, finder = naming(tmp_path), ColourFinder()
    reds, greens = sorted(library.glob("red*")), sorted(library.glob("green*"))
    with stored(settings) as storage:
        await run_once(settings, storage, finder, library)
        captioned = {path: path.read_bytes() for path in [*reds, *greens]}
        name_reds(storage, "Anna")
        await run_once(settings, storage, finder)
        assert [names_in(path) for path in reds] == [["Anna"]] * 3
        assert all(path.read_bytes() == captioned[path] for path in greens)
        assert storage.catalogue.names_in_files.counts().written == 3

        name_reds(storage, "Änne")
        photo = storage.catalogue.people.photos_of(reds_of(storage))[0]
        storage.catalogue.people_decisions.not_this_person([storage.catalogue.people.faces_of(photo)[0].id])
        await run_once(settings, storage, finder, library)
        assert sorted(map(names_in, reds)) == [[], ["Änne"], ["Änne"]]
        assert [one.name for one in storage.catalogue.people.persons(named=True, least_photos=1)] == ["Änne"]
        assert len(found(storage, "änne")) == 2

        name_reds(storage, None)
        await run_once(settings, storage, finder)
        assert {path: path.read_bytes() for path in captioned} == captioned
        assert finder.asked == 5
        assert storage.catalogue.queue.queued() == 0


async def test_our_own_writes_are_no_news(tmp_path: Path, library: Path) -> None:
    settings, finder = naming(tmp_path), ColourFinder()
    with stored(settings) as storage:
        await run_once(settings, storage, finder, library)
        name_reds(storage, "Anna")
        await run_once(settings, storage, finder)
        before = {path: path.read_bytes() for path in library.iterdir()}
        indexer = await run_once(settings, storage, finder, library)
        assert indexer.progress().done == 0
        assert {path: path.read_bytes() for path in library.iterdir()} == before
        assert all(photo.metadata.people == () for photo in all_photos(storage))


async def test_a_copy_gets_the_names_too_and_a_moved_file_keeps_them(tmp_path: Path, library: Path) -> None:
    settings, finder = naming(tmp_path), ColourFinder()
    with stored(settings) as storage:
        original = (library / "red0.jpg").read_bytes()
        await run_once(settings, storage, finder, library)
        name_reds(storage, "Anna")
        await run_once(settings, storage, finder)
        (library / "copy.jpg").write_bytes(original)
        (library / "red1.jpg").rename(library / "moved.jpg")
        await run_once(settings, storage, finder, library)
        assert names_in(library / "copy.jpg") == ["Anna"]
        assert names_in(library / "moved.jpg") == ["Anna"]
        assert storage.catalogue.names_in_files.counts().written == 4


@pytest.mark.parametrize("off", [{"write_names": False}, {"captions": "off"}])
async def test_nothing_is_written_unless_it_is_wanted(tmp_path: Path, library: Path, off: dict[str, object]) -> None:
    settings, finder = naming(tmp_path), ColourFinder()
    before = {path: path.read_bytes() for path in library.iterdir()}
    settings = settings_for(tmp_path, people=True, **({"write_names": True, "captions": "off"} | off))
    with stored(settings) as storage:
        await run_once(settings, storage, finder, library)
        name_reds(storage, "Anna")
        await run_once(settings, storage, finder)
        assert {path: path.read_bytes() for path in library.iterdir()} == before


async def test_sidecars_where_captions_go_there(tmp_path: Path, library: Path) -> None:
    settings, finder = naming(tmp_path, captions="sidecar"), ColourFinder()
    before = {path: path.read_bytes() for path in library.iterdir()}
    with stored(settings) as storage:
        await run_once(settings, storage, finder, library)
        name_reds(storage, "Anna")
        await run_once(settings, storage, finder)
        assert all(path.read_bytes() == data for path, data in before.items())
        assert [names_in(path) for path in sorted(library.glob("red*.jpg"))] == [["Anna"]] * 3
        indexer = await run_once(settings, storage, finder, library)
        assert indexer.progress().done == 0


async def test_faces_that_another_program_named_stay_and_the_reason_is_kept(tmp_path: Path, library: Path) -> None:
    settings, finder, path = naming(tmp_path), ColourFinder(), library / "red0.jpg"
    region = (
        "<mwg-rs:Regions rdf:parseType='Resource'><mwg-rs:RegionList><rdf:Bag><rdf:li rdf:parseType='Resource'>"
        "<mwg-rs:Name>Carla</mwg-rs:Name></rdf:li></rdf:Bag></mwg-rs:RegionList></mwg-rs:Regions>"
    )
    path.write_bytes(with_xmp(path.read_bytes(), region))
    with stored(settings) as storage:
        await run_once(settings, storage, finder, library)
        name_reds(storage, "Anna")
        captioned = path.read_bytes()
        await run_once(settings, storage, finder)
        assert path.read_bytes() == captioned
        counts = storage.catalogue.names_in_files.counts()
        assert (counts.written, counts.refused) == (2, 1)
        indexer = await run_once(settings, storage, finder)
        assert indexer.progress().done == 0


async def test_deleting_everything_takes_names_out_of_files(tmp_path: Path, library: Path) -> None:
    settings, finder = naming(tmp_path), ColourFinder()
    with stored(settings) as storage:
        await run_once(settings, storage, finder, library)
        captioned = {path: path.read_bytes() for path in library.iterdir()}
        name_reds(storage, "Anna")
        await run_once(settings, storage, finder)
        vectors = FaceVectors(settings.faces_path)
        delete_people(storage.catalogue, vectors, keep_names=True)
        await run_once(settings, storage, finder)
        assert names_in(library / "red0.jpg") == ["Anna"]
        delete_people(storage.catalogue, vectors, keep_names=False)
        vectors.close()
        await run_once(settings, storage, finder)
        assert {path: path.read_bytes() for path in library.iterdir()} == captioned


async def test_what_was_taken_out_on_purpose_is_not_put_back(tmp_path: Path, library: Path) -> None:
    settings, finder, path = naming(tmp_path), ColourFinder(), library / "red0.jpg"
    with stored(settings) as storage:
        original = path.read_bytes()
        await run_once(settings, storage, finder, library)
        name_reds(storage, "Anna")
        await run_once(settings, storage, finder)
        async with PhotoProcesses(settings, input_px=0, count=1) as photos:
            undone = await photos.undo_caption(path, names=True)
        assert undone.exact
        assert undone.names == ("Anna",)
        assert path.read_bytes() == original
        (file,) = [one for one in storage.catalogue.names_in_files.files() if one.path == path]
        storage.catalogue.names_in_files.record_undo([file.id])
        name_reds(storage, "Änne")
        await run_once(settings, storage, finder, library)
        assert path.read_bytes() == original
        assert names_in(library / "red1.jpg") == ["Änne"]


async def test_names_are_known_again_from_the_files_where_the_catalogue_was_lost(tmp_path: Path, library: Path) -> None:
    settings = naming(tmp_path)
    with stored(settings) as storage:
        await run_once(settings, storage, ColourFinder(), library)
        name_reds(storage, "Anna")
        await run_once(settings, storage, ColourFinder())
    settings = naming(tmp_path, data_dir=tmp_path / "new")
    before = {path: path.read_bytes() for path in library.iterdir()}
    with stored(settings) as storage:
        await run_once(settings, storage, ColourFinder(), library)
        (anna,) = storage.catalogue.people.persons(named=True, least_photos=1)
        assert (anna.name, anna.photos) == ("Anna", 3)
        assert {path: path.read_bytes() for path in library.iterdir()} == before


async def test_a_file_that_cannot_be_written_now_is_tried_again(tmp_path: Path, library: Path) -> None:
    settings, finder, path = naming(tmp_path), ColourFinder(), library / "red0.jpg"
    with stored(settings) as storage:
        await run_once(settings, storage, finder, library)
        name_reds(storage, "Anna")
        (tmp_path / "link.jpg").hardlink_to(path)
        sidecar_path(path).mkdir()
        await run_once(settings, storage, finder)
        assert names_in(path) == []
        (tmp_path / "link.jpg").unlink()
        sidecar_path(path).rmdir()
        await run_once(settings, storage, finder)
        assert names_in(path) == []
        with storage.catalogue._database.transaction() as writer:
            writer.execute(
                "UPDATE file_names SET retry_at = '2020-01-01T00:00:00.000+00:00' WHERE retry_at IS NOT NULL"
            )
        await run_once(settings, storage, finder)
        assert names_in(path) == ["Anna"]


async def test_a_running_service_writes_what_is_decided_meanwhile(tmp_path: Path, library: Path) -> None:
    settings, finder, stop = naming(tmp_path), ColourFinder(), asyncio.Event()
    with stored(settings) as storage:
        async with indexer_of(settings, storage, finder) as indexer:
            running = asyncio.create_task(indexer.run_forever([library], stop))
            await until(lambda: len(storage.catalogue.people.persons(least_photos=1)) == 2)
            name_reds(storage, "Anna")
            indexer.wake()
            await until(lambda: names_in(library / "red0.jpg") == ["Anna"])
            await until(lambda: storage.catalogue.queue.queued(JobKind.WRITE_NAMES) == 0)
            stop.set()
            await running
