"""Corrections on their whole way: real files, real databases, real reading processes, and exiftool as the other
program where it is installed."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from captioner import Caption
from indexer.captions.journal import Journal
from indexer.captions.sidecar import sidecar_path
from indexer.captions.undo import undo_caption
from indexer.jobs.pipeline import CAPTIONS_OFF, PERSONS_WORDS, UNDONE, WRONG
from indexer.model import CaptionBy, CaptionPlace, FileCaption, FileStamp, JobKind, Photo, WriteResult
from indexer.reader.photo_process import PhotoProcesses
from indexer.service import Indexer
from indexer.settings import Settings
from indexer.storage import Storage
from tests.indexer.captions.own_captions import read_own_caption
from tests.indexer.formats import jpegs_made as made
from tests.indexing import (
    COLOURS,
    CountingCaptioner,
    all_photos,
    colour_library,
    found,
    index,
    paths_of,
    settings_for,
    stored,
)
from tests.photos_made import picture, write_jpeg

pytestmark = pytest.mark.slow  # each test indexes with real child processes

OMA = 'Oma Lisbeth\'s garden wall <b>"1987"</b> 🧱 חומה'
WORDS = "a red wall seen by colours-1"

other_program = pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is the other program")


@pytest.fixture
def library(tmp_path: Path) -> Path:
    return colour_library(tmp_path, "red", "blue")


@pytest.fixture
def original(library: Path) -> bytes:
    return (library / "red.jpg").read_bytes()


def photo_of(storage: Storage, name: str = "red.jpg") -> Photo:
    return next(photo for photo in all_photos(storage) if name in {file.path.name for file in photo.files})


def correct(settings: Settings, text: str | None, name: str = "red.jpg") -> None:
    with stored(settings) as storage:
        photo_id = photo_of(storage, name).id
        done = (
            storage.catalogue.corrections.withdraw(photo_id)
            if text is None
            else storage.catalogue.corrections.correct(photo_id, text)
        )
        assert done


def edit(path: Path, *arguments: str) -> None:
    subprocess.run(["exiftool", "-q", "-overwrite_original", *arguments, str(path)], check=True)


def caption_in(path: Path) -> str | None:
    own = read_own_caption(path.read_bytes())
    return own.text if own is not None else None


async def test_a_correction_is_written_found_and_taken_back_byte_for_byte(
    library: Path, settings: Settings, original: bytes
) -> None:
    captioner = CountingCaptioner()
    await index(settings, captioner, library)
    captioned = (library / "red.jpg").read_bytes()
    correct(settings, OMA)
    await index(settings, captioner, library)
    own = read_own_caption((library / "red.jpg").read_bytes())
    assert own is not None
    assert (own.text, own.by) == (OMA, CaptionBy.PERSON)
    with stored(settings) as storage:
        photo = photo_of(storage)
        assert (photo.caption, photo.caption_by, photo.caption_place) == (OMA, CaptionBy.PERSON, CaptionPlace.EXIF)
        assert photo.machine is not None
        assert found(storage, "lisbeth") == [OMA]
        assert OMA in found(storage, "red"), "the model's words stay searchable"
    assert (await index(settings, captioner, library)).done == 0, "our own write starts no loop"
    correct(settings, None)
    await index(settings, captioner, library)
    assert caption_in(library / "red.jpg") == WORDS
    assert len((library / "red.jpg").read_bytes()) == len(captioned)
    with stored(settings) as storage:
        assert (photo_of(storage).caption, photo_of(storage).caption_place) == (WORDS, CaptionPlace.EXIF)
        assert found(storage, "lisbeth") == []
    assert undo_caption(library / "red.jpg").exact
    assert (library / "red.jpg").read_bytes() == original
    assert captioner.asked.count("red") == 1


def judge(settings: Settings, *, wrong: bool) -> None:
    with stored(settings) as storage:
        photo_id, catalogue = photo_of(storage).id, storage.catalogue
        assert catalogue.feedback.mark_wrong(photo_id) if wrong else catalogue.feedback.unmark_wrong(photo_id)


async def test_what_was_marked_as_wrong_is_taken_out_byte_for_byte_and_put_back(
    library: Path, settings: Settings, original: bytes
) -> None:
    captioner = CountingCaptioner()
    await index(settings, captioner, library)
    judge(settings, wrong=True)
    await index(settings, captioner, library)
    assert (library / "red.jpg").read_bytes() == original
    with stored(settings) as storage:
        photo = photo_of(storage)
        assert (photo.caption, photo.caption_place, photo.caption_reason) == (None, CaptionPlace.INDEX, WRONG)
        assert found(storage, "seen") == ["a blue wall seen by colours-1"]
    write_jpeg(library / "album" / "copy.jpg", COLOURS["red"])  # the same picture as red.jpg
    assert (await index(settings, captioner, library)).done == 1, "the copy alone: our own write starts no loop"
    assert caption_in(library / "album" / "copy.jpg") is None
    judge(settings, wrong=False)
    await index(settings, captioner, library)
    assert (caption_in(library / "red.jpg"), caption_in(library / "album" / "copy.jpg")) == (WORDS, WORDS)
    with stored(settings) as storage:
        assert (photo_of(storage).caption, photo_of(storage).caption_place) == (WORDS, CaptionPlace.EXIF)
        assert found(storage, "red") == [WORDS]
    assert captioner.asked.count("red") == 1


async def test_what_was_marked_as_wrong_is_tried_again_by_the_next_model_without_being_asked(
    library: Path, settings: Settings, original: bytes
) -> None:
    await index(settings, CountingCaptioner(), library)
    judge(settings, wrong=True)
    await index(settings, CountingCaptioner(), library)
    newer = CountingCaptioner(model="colours-2")
    await index(settings, newer, library)
    assert newer.asked == ["red"], "of the others nobody asked it"
    assert caption_in(library / "red.jpg") == "a red wall seen by colours-2"
    with stored(settings) as storage:
        assert found(storage, "red") == ["a red wall seen by colours-2"]
    assert undo_caption(library / "red.jpg").exact
    assert (library / "red.jpg").read_bytes() == original


async def test_a_mark_beside_a_correction_leaves_the_file_alone(library: Path, settings: Settings) -> None:
    captioner = CountingCaptioner()
    await index(settings, captioner, library)
    correct(settings, OMA)
    await index(settings, captioner, library)
    before = (library / "red.jpg").read_bytes()
    judge(settings, wrong=True)
    await index(settings, captioner, library)
    assert (library / "red.jpg").read_bytes() == before
    with stored(settings) as storage:
        assert found(storage, "seen") == ["a blue wall seen by colours-1"]
        assert found(storage, "lisbeth") == [OMA]
    correct(settings, None)
    await index(settings, captioner, library)
    assert caption_in(library / "red.jpg") is None
    with stored(settings) as storage:
        assert photo_of(storage).caption is None


async def test_with_captions_off_a_mark_leaves_the_file_alone(library: Path, settings: Settings) -> None:
    await index(settings, CountingCaptioner(), library)
    before = (library / "red.jpg").read_bytes()
    judge(settings, wrong=True)
    await index(replace(settings, captions="off"), CountingCaptioner(), library)
    assert (library / "red.jpg").read_bytes() == before
    with stored(settings) as storage:
        assert photo_of(storage).caption is None


async def test_every_copy_gets_the_correction_also_one_that_comes_later(library: Path, settings: Settings) -> None:
    shutil.copyfile(library / "red.jpg", library / "copy.jpg")
    captioner = CountingCaptioner()
    await index(settings, captioner, library)
    correct(settings, OMA)
    await index(settings, captioner, library)
    (library / "album").mkdir()
    write_jpeg(library / "album" / "later.jpg", COLOURS["red"])
    await index(settings, captioner, library)
    assert {caption_in(path) for path in library.rglob("*.jpg") if path.name != "blue.jpg"} == {OMA}
    correct(settings, None)
    await index(settings, captioner, library)
    assert {caption_in(path) for path in library.rglob("*.jpg") if path.name != "blue.jpg"} == {WORDS}
    assert captioner.asked.count("red") == 1


async def test_a_missing_copy_is_served_when_it_is_back(library: Path, settings: Settings) -> None:
    shutil.copyfile(library / "red.jpg", library / "copy.jpg")
    await index(settings, CountingCaptioner(), library)
    (library / "copy.jpg").rename(library.parent / "copy.jpg")
    await index(settings, CountingCaptioner(), library)
    correct(settings, OMA)
    await index(settings, CountingCaptioner(), library)
    (library.parent / "copy.jpg").rename(library / "copy.jpg")
    await index(settings, CountingCaptioner(), library)
    assert caption_in(library / "copy.jpg") == OMA


async def test_with_captions_off_no_file_is_touched(library: Path, tmp_path: Path) -> None:
    settings = settings_for(tmp_path, captions="off")
    before = {path: path.read_bytes() for path in library.rglob("*.jpg")}
    await index(settings, CountingCaptioner(), library)
    correct(settings, OMA)
    await index(settings, CountingCaptioner(), library)
    with stored(settings) as storage:
        photo = photo_of(storage)
        assert (photo.caption, photo.caption_place, photo.caption_reason) == (OMA, CaptionPlace.INDEX, CAPTIONS_OFF)
        assert found(storage, "lisbeth") == [OMA]
    assert {path: path.read_bytes() for path in library.rglob("*") if path.is_file()} == before


async def test_a_correction_is_taken_out_also_where_captions_were_switched_off_since(
    library: Path, settings: Settings, tmp_path: Path, original: bytes
) -> None:
    await index(settings, CountingCaptioner(), library)
    correct(settings, OMA)
    await index(settings, CountingCaptioner(), library)
    correct(settings, None)
    await index(settings_for(tmp_path, captions="off"), CountingCaptioner(), library)
    assert (library / "red.jpg").read_bytes() == original


async def test_a_newer_model_leaves_the_correction_where_it_is(library: Path, settings: Settings) -> None:
    await index(settings, CountingCaptioner(), library)
    correct(settings, OMA)
    await index(settings, CountingCaptioner(), library)
    before = (library / "red.jpg").read_bytes()
    with stored(settings) as storage:
        storage.catalogue.queue.enqueue_all(JobKind.CAPTION, model="colours-2")
    await index(settings, CountingCaptioner(model="colours-2"), library)
    assert (library / "red.jpg").read_bytes() == before
    assert caption_in(library / "blue.jpg") == "a blue wall seen by colours-2"
    with stored(settings) as storage:
        photo = photo_of(storage)
        assert (photo.caption, photo.caption_place) == (OMA, CaptionPlace.EXIF)
        assert photo.machine is not None
        assert photo.machine.model == "colours-2"
    correct(settings, None)
    await index(settings, CountingCaptioner(model="colours-2"), library)
    assert caption_in(library / "red.jpg") == "a red wall seen by colours-2"


async def test_a_newer_model_leaves_every_copy_s_words_where_they_are(library: Path, settings: Settings) -> None:
    shutil.copy(library / "red.jpg", library / "karl.jpg")
    described(library / "karl.jpg", "Karl's wall")
    await index(settings, CountingCaptioner(), library)
    correct(settings, OMA)
    await index(settings, CountingCaptioner(), library)
    with stored(settings) as storage:
        before = {file.relative: (file.caption_place, file.caption_reason) for file in photo_of(storage).files}
        assert {name: place for name, (place, _) in before.items()} == {
            "red.jpg": CaptionPlace.EXIF,
            "karl.jpg": CaptionPlace.SIDECAR,
        }
        storage.catalogue.queue.enqueue_all(JobKind.CAPTION, model="colours-2")
    await index(settings, CountingCaptioner(model="colours-2"), library)
    with stored(settings) as storage:
        assert {file.relative: (file.caption_place, file.caption_reason) for file in photo_of(storage).files} == before


async def test_an_undo_gives_the_original_back_and_nothing_is_written_again(
    library: Path, settings: Settings, original: bytes
) -> None:
    await index(settings, CountingCaptioner(), library)
    correct(settings, OMA)
    await index(settings, CountingCaptioner(), library)
    assert undo_caption(library / "red.jpg", journal=Journal.in_dir(settings.data_dir)).exact
    with stored(settings) as storage:
        storage.catalogue.corrections.record_undo([file.id for file in photo_of(storage).files], UNDONE)
    await index(settings, CountingCaptioner(), library)
    with stored(settings) as storage:
        photo = photo_of(storage)
        assert (photo.caption, photo.caption_place, photo.caption_reason) == (OMA, CaptionPlace.INDEX, UNDONE)
        storage.catalogue.queue.enqueue_all(JobKind.CAPTION, model="colours-2")
    await index(settings, CountingCaptioner(model="colours-2"), library)
    assert (library / "red.jpg").read_bytes() == original
    correct(settings, None)
    await index(settings, CountingCaptioner(model="colours-2"), library)
    assert (library / "red.jpg").read_bytes() == original


async def test_after_an_undo_a_new_correction_goes_in_and_comes_out_again(
    library: Path, settings: Settings, original: bytes
) -> None:
    await index(settings, CountingCaptioner(), library)
    undo_caption(library / "red.jpg")
    await index(settings, CountingCaptioner(), library)
    correct(settings, OMA)
    await index(settings, CountingCaptioner(), library)
    assert caption_in(library / "red.jpg") == OMA
    correct(settings, None)
    await index(settings, CountingCaptioner(), library)
    assert (library / "red.jpg").read_bytes() == original, "the model's words had been taken out on purpose"


@other_program
async def test_a_caption_edited_outside_after_the_correction_wins_in_every_copy(
    library: Path, settings: Settings
) -> None:
    shutil.copyfile(library / "red.jpg", library / "copy.jpg")
    await index(settings, CountingCaptioner(), library)
    correct(settings, OMA)
    await index(settings, CountingCaptioner(), library)
    edit(
        library / "red.jpg",
        "-ImageDescription=Gran's wall",
        "-XMP-dc:Description=Gran's wall",
        "-XPComment=Gran's wall",
    )
    edited = (library / "red.jpg").read_bytes()
    await index(settings, CountingCaptioner(), library)
    with stored(settings) as storage:
        photo = photo_of(storage)
        assert (photo.caption, photo.caption_by, photo.correction) == ("Gran's wall", CaptionBy.PERSON, None)
        assert found(storage, "gran") == ["Gran's wall"]
        assert found(storage, "lisbeth") == []
    assert (library / "red.jpg").read_bytes() == edited
    assert caption_in(library / "copy.jpg") != OMA


@other_program
@pytest.mark.parametrize("field", ["ImageDescription", "XMP-dc:Description", "XPComment", "IPTC:Caption-Abstract"])
async def test_one_edited_field_is_enough(library: Path, settings: Settings, field: str) -> None:
    await index(settings, CountingCaptioner(), library)
    correct(settings, OMA)
    await index(settings, CountingCaptioner(), library)
    edit(library / "red.jpg", f"-{field}=Gran's wall", "-P")
    edited = (library / "red.jpg").read_bytes()
    for _ in range(2):
        await index(settings, CountingCaptioner(), library)
        with stored(settings) as storage:
            assert (photo_of(storage).caption, photo_of(storage).correction) == ("Gran's wall", None)
    assert (library / "red.jpg").read_bytes() == edited
    shutil.rmtree(settings.data_dir)
    await index(settings, CountingCaptioner(), library)
    with stored(settings) as storage:
        assert photo_of(storage).caption == "Gran's wall"


@other_program
async def test_what_another_program_left_of_our_words_is_still_known_to_be_ours_after_a_move(
    library: Path, settings: Settings
) -> None:
    await index(settings, CountingCaptioner(), library)
    correct(settings, OMA)
    await index(settings, CountingCaptioner(), library)
    edit(library / "red.jpg", "-ImageDescription=Karl's wall")
    await index(settings, CountingCaptioner(), library)
    (library / "red.jpg").rename(library / "moved.jpg")
    await index(settings, CountingCaptioner(), library)
    with stored(settings) as storage:
        assert photo_of(storage, "moved.jpg").caption == "Karl's wall"
        assert library / "moved.jpg" in {file.path for _, file in storage.catalogue.corrections.captioned_files()}
    assert undo_caption(library / "moved.jpg").restored
    await index(settings, CountingCaptioner(), library)
    with stored(settings) as storage:
        assert photo_of(storage, "moved.jpg").caption == "Karl's wall"
        assert library / "moved.jpg" not in {file.path for _, file in storage.catalogue.corrections.captioned_files()}


@other_program
async def test_another_program_that_takes_our_words_out_means_it(library: Path, settings: Settings) -> None:
    shutil.copyfile(library / "blue.jpg", library / "copy of blue.jpg")
    await index(settings, CountingCaptioner(), library)
    for name in ("red.jpg", "blue.jpg"):
        edit(library / name, "-ImageDescription=", "-XMP:all=", "-XPComment=")
    without = {name: (library / name).read_bytes() for name in ("red.jpg", "blue.jpg")}
    await index(settings, CountingCaptioner(), library)
    with stored(settings) as storage:
        assert (photo_of(storage).caption_place, photo_of(storage).caption_reason) == (CaptionPlace.INDEX, UNDONE)
        assert photo_of(storage, "blue.jpg").caption_place is CaptionPlace.EXIF, "the copy has them"
        storage.catalogue.queue.enqueue_all(JobKind.CAPTION, model="colours-2")
    newer = CountingCaptioner(model="colours-2")
    await index(settings, newer, library)
    assert {name: (library / name).read_bytes() for name in without} == without
    assert caption_in(library / "copy of blue.jpg") == "a blue wall seen by colours-2"


@other_program
async def test_a_correction_beside_another_program_s_words_goes_into_the_sidecar(
    library: Path, settings: Settings
) -> None:
    edit(library / "red.jpg", "-ImageDescription=Karl's wall")
    theirs = (library / "red.jpg").read_bytes()
    await index(settings, CountingCaptioner(), library)
    correct(settings, OMA)
    await index(settings, CountingCaptioner(), library)
    assert (library / "red.jpg").read_bytes() == theirs
    with stored(settings) as storage:
        assert (photo_of(storage).caption, photo_of(storage).caption_place) == (OMA, CaptionPlace.SIDECAR)
    edit(library / "red.jpg", "-ImageDescription=Karl's new wall")
    await index(settings, CountingCaptioner(), library)
    with stored(settings) as storage:
        assert photo_of(storage).caption == "Karl's new wall"
    assert not sidecar_path(library / "red.jpg").exists(), "what was overtaken is taken out again"


async def test_taking_back_beside_another_program_s_words_leaves_only_those(tmp_path: Path, settings: Settings) -> None:
    root = tmp_path / "photos"
    root.mkdir()
    exif = picture(COLOURS["red"]).getexif()
    exif[0x010E] = "Our first wall"
    picture(COLOURS["red"]).save(root / "red.jpg", "JPEG", exif=exif)
    before = (root / "red.jpg").read_bytes()
    await index(settings, CountingCaptioner(), root)
    correct(settings, OMA)
    await index(settings, CountingCaptioner(), root)
    assert sidecar_path(root / "red.jpg").exists()
    correct(settings, None)
    await index(settings, CountingCaptioner(), root)
    assert [path.name for path in root.iterdir()] == ["red.jpg"]
    assert (root / "red.jpg").read_bytes() == before
    with stored(settings) as storage:
        assert photo_of(storage).caption == "Our first wall"


async def test_a_lost_catalogue_is_rebuilt_from_the_files(tmp_path: Path, settings: Settings) -> None:
    """In the file and beside it: our words, a correction, a person's own words, and a correction beside those."""
    root = tmp_path / "photos"
    for name, colour in (("model", "red"), ("corrected", "green"), ("person", "blue"), ("both", "white")):
        write_jpeg(root / f"{name}.jpg", COLOURS[colour], len(name))
    for name in ("person", "both"):
        described(root / f"{name}.jpg", f"{name}: their own words")
    for number, name in enumerate(("model", "corrected", "person"), start=10):
        beside = write_jpeg(root / f"{name} beside.jpg", COLOURS["green"], number)
        beside.write_bytes(made.with_segments(made.c2pa(), jpeg=beside.read_bytes()))
    sidecar_path(root / "person beside.jpg").write_bytes(made.packet(made.described("person beside: their own words")))
    captioner = CountingCaptioner()
    await index(settings, captioner, root)
    for name in ("corrected", "corrected beside", "both"):
        correct(settings, f"{name}: corrected", f"{name}.jpg")
    await index(settings, captioner, root)
    before, files = told(settings), {path: path.read_bytes() for path in root.iterdir()}
    assert before["model.jpg"] == (WORDS, CaptionBy.MODEL, None, CaptionPlace.EXIF, "colours-1", 0.8)
    assert before["corrected.jpg"][:4] == ("corrected: corrected", CaptionBy.PERSON, "corrected: corrected", "exif")
    assert before["both.jpg"][:4] == ("both: corrected", CaptionBy.PERSON, "both: corrected", CaptionPlace.SIDECAR)
    assert before["corrected beside.jpg"][3] is before["model beside.jpg"][3] is CaptionPlace.SIDECAR
    shutil.rmtree(settings.data_dir)
    again = CountingCaptioner(model="colours-2")
    await index(settings, again, root)
    after = told(settings)
    assert {path: path.read_bytes() for path in root.iterdir()} == files
    for name, (*words, model, confidence) in before.items():
        assert after[name][:-2] == tuple(words)
        if name.startswith("model"):
            assert after[name][-2:] == (model, confidence)
    assert len(again.asked) == len(before), "each photo once: those whose sentence a file keeps for their tags alone"
    correct(settings, None, "corrected.jpg")
    await index(settings, again, root)
    assert caption_in(root / "corrected.jpg") == "a green wall seen by colours-2"


def described(path: Path, words: str) -> None:
    path.write_bytes(made.with_segments(made.xmp(made.packet(made.described(words))), jpeg=path.read_bytes()))


def told(settings: Settings) -> dict[str, tuple[object, ...]]:
    with stored(settings) as storage:
        return {
            name: (
                photo.caption,
                photo.caption_by,
                photo.correction,
                photo.caption_place,
                photo.machine and photo.machine.model,
                photo.machine and round(photo.machine.confidence, 3),
            )
            for photo in all_photos(storage)
            for name in paths_of(photo)
        }


async def test_a_running_indexer_takes_a_correction_up_at_once(library: Path, settings: Settings) -> None:
    stop = asyncio.Event()
    with stored(settings) as storage:
        async with Indexer(settings, storage, captioner=CountingCaptioner()) as indexer:
            running = asyncio.create_task(indexer.run_forever((library,), stop))
            while len(found(storage, "wall")) < 2:
                await asyncio.sleep(0.02)
            photo = photo_of(storage)
            await asyncio.to_thread(storage.catalogue.corrections.correct, photo.id, OMA)
            indexer.wake()
            while not found(storage, "lisbeth") or caption_in(library / "red.jpg") != OMA:
                await asyncio.sleep(0.02)
            stop.set()
            await running
    assert caption_in(library / "red.jpg") == OMA


async def test_another_program_that_is_faster_delays_the_correction_and_loses_nothing(
    library: Path, settings: Settings
) -> None:
    await index(settings, CountingCaptioner(), library)
    correct(settings, OMA)

    class Rival(PhotoProcesses):
        """Another program that saves a new rating into the file between our look at it and our write."""

        raced = 0

        async def write_caption(
            self, path: Path, words: Caption | FileCaption, stamp: FileStamp, *, over_correction: bool = False
        ) -> WriteResult:
            if self.raced < 2:
                self.raced += 1
                os.utime(path, ns=(0, stamp.mtime_ns + self.raced))
            return await super().write_caption(path, words, stamp, over_correction=over_correction)

    with stored(settings) as storage:
        async with (
            Rival(settings, input_px=32) as photos,
            Indexer(settings, storage, captioner=CountingCaptioner(), photos=photos) as indexer,
        ):
            await indexer.work_off()
        assert (photos.raced, photo_of(storage).caption_place) == (2, CaptionPlace.EXIF)
    assert caption_in(library / "red.jpg") == OMA


@other_program
@pytest.mark.parametrize("field", ["ImageDescription", "XMP-dc:Description", "XPComment", "IPTC:Caption-Abstract"])
async def test_a_caption_of_the_model_s_edited_outside_in_one_field_is_that_person_s_for_ever(
    library: Path, settings: Settings, field: str
) -> None:
    await index(settings, CountingCaptioner(), library)
    edit(library / "red.jpg", f"-{field}=Gran's wall", "-P")
    edited = (library / "red.jpg").read_bytes()
    await index(settings, CountingCaptioner(), library)
    with stored(settings) as storage:
        photo = photo_of(storage)
        assert (photo.caption, photo.caption_by, photo.caption_reason) == (
            "Gran's wall",
            CaptionBy.PERSON,
            PERSONS_WORDS,
        )
        assert found(storage, "gran") == ["Gran's wall"]
        storage.catalogue.queue.enqueue_all(JobKind.CAPTION, model="colours-2")
    await index(settings, CountingCaptioner(model="colours-2"), library)
    shutil.rmtree(settings.data_dir)
    await index(settings, CountingCaptioner(model="colours-3"), library)
    assert (library / "red.jpg").read_bytes() == edited
    with stored(settings) as storage:
        assert (photo_of(storage).caption, photo_of(storage).correction) == ("Gran's wall", None)


async def test_a_sidecar_that_another_program_makes_is_noticed_and_its_words_are_that_person_s(
    library: Path, settings: Settings
) -> None:
    await index(settings, CountingCaptioner(), library)
    correct(settings, OMA, "blue.jpg")
    await index(settings, CountingCaptioner(), library)
    for name in ("red.jpg", "blue.jpg"):
        (library / name).with_suffix(".xmp").write_bytes(made.packet(made.described(f"{name} in the darkroom")))
    before = {path: path.read_bytes() for path in library.iterdir()}
    await index(settings, CountingCaptioner(), library)
    with stored(settings) as storage:
        assert {photo.caption for photo in all_photos(storage)} == {
            "red.jpg in the darkroom",
            "blue.jpg in the darkroom",
        }
        assert {photo.caption_by for photo in all_photos(storage)} == {CaptionBy.PERSON}
    assert {path: path.read_bytes() for path in library.iterdir()} == before


@pytest.mark.parametrize("signed", [False, True], ids=["into the photo", "into the sidecar"])
async def test_a_correction_beside_another_program_s_sidecar_outlives_the_data_directory(
    library: Path, settings: Settings, signed: bool
) -> None:
    photo = library / "red.jpg"
    if signed:
        photo.write_bytes(made.with_segments(made.c2pa(), jpeg=photo.read_bytes()))
    sidecar = photo.with_suffix(".jpg.xmp")
    sidecar.write_bytes(made.packet(made.described("Karl's wall")))
    before = {path: path.read_bytes() for path in (photo, sidecar)}
    await index(settings, CountingCaptioner(), library)
    correct(settings, OMA)
    await index(settings, CountingCaptioner(), library)
    corrected = {path: path.read_bytes() for path in (photo, sidecar)}
    place = CaptionPlace.SIDECAR if signed else CaptionPlace.EXIF
    with stored(settings) as storage:
        assert (photo_of(storage).caption, photo_of(storage).caption_place) == (OMA, place)
    assert (await index(settings, CountingCaptioner(), library)).done == 0, "our own write starts no loop"
    shutil.rmtree(settings.data_dir)
    await index(settings, CountingCaptioner(), library)
    with stored(settings) as storage:
        assert (photo_of(storage).caption, photo_of(storage).correction) == (OMA, OMA)
        assert photo_of(storage).metadata.person_caption == "Karl's wall"
    assert {path: path.read_bytes() for path in (photo, sidecar)} == corrected
    correct(settings, None)
    await index(settings, CountingCaptioner(), library)
    assert {path: path.read_bytes() for path in (photo, sidecar)} == before
    with stored(settings) as storage:
        assert photo_of(storage).caption == "Karl's wall"


@pytest.mark.parametrize("signed", [False, True], ids=["into the photo", "into the sidecar"])
async def test_other_words_in_the_sidecar_after_a_correction_win_with_and_without_the_data_directory(
    library: Path, settings: Settings, signed: bool
) -> None:
    photo = library / "red.jpg"
    if signed:
        photo.write_bytes(made.with_segments(made.c2pa(), jpeg=photo.read_bytes()))
    sidecar = photo.with_suffix(".jpg.xmp")
    sidecar.write_bytes(made.packet(made.described("Karl's wall")))
    await index(settings, CountingCaptioner(), library)
    correct(settings, OMA)
    await index(settings, CountingCaptioner(), library)
    sidecar.write_bytes(sidecar.read_bytes().replace(b"Karl's wall", b"Karl's new wall"))
    for lost in (False, True):
        if lost:
            shutil.rmtree(settings.data_dir)
        await index(settings, CountingCaptioner(), library)
        with stored(settings) as storage:
            assert (photo_of(storage).caption, photo_of(storage).correction) == ("Karl's new wall", None)
    assert b"Karl's new wall" in sidecar.read_bytes()
