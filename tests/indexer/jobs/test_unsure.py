"""Sentences that the model is not sure of, and photos on which it sees nothing: what is written, and what is taken out
of files again. Real files, real databases, real reading processes."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from captioner import Caption, Tag
from indexer.captions.caption_file import CHANGED_SINCE, PERSONS_WORDS
from indexer.captions.sidecar import sidecar_path
from indexer.captions.undo import undo_caption
from indexer.jobs.pipeline import CAPTIONS_OFF, NOTHING_SEEN, UNDONE, UNSURE
from indexer.metadata.read_metadata import read_metadata
from indexer.model import CaptionPlace, JobKind, Photo
from indexer.reasons import Reason
from indexer.settings import Settings
from tests.indexer.captions.own_captions import read_own_caption
from tests.indexing import (
    CountingCaptioner,
    all_photos,
    colour_library,
    colour_of,
    found,
    index,
    settings_for,
    stored,
)

pytestmark = pytest.mark.slow  # each test indexes with real child processes

OLD = "a red wall seen by colours-1"
SURE = Caption("a brick wall", 0.9, (Tag("wall", 0.9),), None, "", (Tag("brick", 0.8), Tag("wall", 0.9)), sure=True)
DOUBTED = Caption("a red sofa", 0.5, (Tag("red", 0.9),), None, "", (Tag("red", 0.9), Tag("sofa", 0.2)), sure=False)
NOTHING = Caption("", 0.9, (), None, "", (), sure=True)

other_program = pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is the other program")


class NewerModel(CountingCaptioner):
    """Says of some colours what it is told to, of the others that it is sure."""

    def __init__(self, answers: Mapping[str, Caption], *, model: str = "colours-2") -> None:
        super().__init__(model=model)
        self.answers = answers

    async def caption(self, pixels: bytes) -> Caption:
        self.asked.append(colour_of(pixels))
        return replace(self.answers.get(self.asked[-1], SURE), model=self.model)


@pytest.fixture
def library(tmp_path: Path) -> Path:
    return colour_library(tmp_path, "red", "blue")


@pytest.fixture
def original(library: Path) -> bytes:
    return (library / "red.jpg").read_bytes()


def the_red_one(settings: Settings, name: str = "red.jpg") -> Photo:
    with stored(settings) as storage:
        return next(photo for photo in all_photos(storage) if name in {file.path.name for file in photo.files})


async def recaption_photo(settings: Settings, captioner: CountingCaptioner) -> None:
    """As `recollect reindex --captions`."""
    with stored(settings) as storage:
        storage.catalogue.queue.enqueue_all(JobKind.CAPTION, model=captioner.model)
    await index(settings, captioner)


def persons_words(path: Path) -> str | None:
    return read_metadata(path.read_bytes(), path).person_caption


def names(library: Path) -> set[str]:
    return {path.name for path in library.rglob("*")}


@pytest.mark.parametrize("captions", ["embed", "sidecar"])
@pytest.mark.parametrize(("answer", "reason"), [(DOUBTED, UNSURE), (NOTHING, NOTHING_SEEN)])
async def test_no_file_gets_what_the_model_is_not_sure_of(
    library: Path, tmp_path: Path, original: bytes, answer: Caption, reason: Reason, captions: str
) -> None:
    settings = settings_for(tmp_path, captions=captions)
    await index(settings, NewerModel({"red": answer}), library)
    assert (library / "red.jpg").read_bytes() == original
    assert not sidecar_path(library / "red.jpg").exists()
    photo = the_red_one(settings)
    assert photo.machine is not None
    assert photo.machine == replace(answer, model="colours-2")
    assert (photo.caption, photo.unsure, photo.nothing_seen) == (answer.text, answer is DOUBTED, answer is NOTHING)
    assert (photo.caption_place, photo.caption_reason) == (CaptionPlace.INDEX, reason)
    assert the_red_one(settings, "blue.jpg").caption_place is not CaptionPlace.INDEX
    with stored(settings) as storage:
        assert found(storage, "sofa") == ([DOUBTED.text] if answer is DOUBTED else [])
        assert storage.catalogue.unwritten() == ({reason: 1} if answer is DOUBTED else {}), "no words are no caption"
    assert (await index(settings, NewerModel({}), library)).done == 0


async def test_the_setting_has_unsure_sentences_written_too(library: Path, tmp_path: Path) -> None:
    settings = settings_for(tmp_path, write_unsure=True)
    await index(settings, NewerModel({"red": DOUBTED, "blue": NOTHING}), library)
    own = read_own_caption((library / "red.jpg").read_bytes())
    assert own is not None
    assert own.text == DOUBTED.text
    assert read_own_caption((library / "blue.jpg").read_bytes()) is None
    photo = the_red_one(settings)
    assert (photo.unsure, photo.caption_place, photo.caption_reason) == (True, CaptionPlace.EXIF, None)


@pytest.mark.parametrize("captions", ["embed", "sidecar"])
@pytest.mark.parametrize(("answer", "reason"), [(DOUBTED, UNSURE), (NOTHING, NOTHING_SEEN)])
async def test_an_older_sentence_is_taken_out_byte_for_byte_and_a_surer_model_writes_again(
    library: Path, tmp_path: Path, original: bytes, answer: Caption, reason: Reason, captions: str
) -> None:
    settings = settings_for(tmp_path, captions=captions)
    await index(settings, CountingCaptioner(), library)
    sidecar = sidecar_path(library / "red.jpg")
    assert sidecar.exists() == (captions == "sidecar")
    await recaption_photo(settings, NewerModel({"red": answer}))
    assert (library / "red.jpg").read_bytes() == original
    assert not sidecar.exists()
    photo = the_red_one(settings)
    assert (photo.caption_place, photo.caption_reason) == (CaptionPlace.INDEX, reason)
    assert photo.metadata.machine_caption is None
    assert (await index(settings, NewerModel({}), library)).done == 0, "our own write starts no loop"
    with stored(settings) as storage:
        assert [file.path.name for _, file in storage.catalogue.corrections.captioned_files()] == ["blue.jpg"]
    await recaption_photo(settings, NewerModel({}, model="colours-3"))
    written = sidecar if captions == "sidecar" else library / "red.jpg"
    own = read_own_caption(written.read_bytes())
    assert own is not None
    assert (own.text, own.model) == (SURE.text, "colours-3")
    assert undo_caption(library / "red.jpg").exact
    assert (library / "red.jpg").read_bytes() == original
    assert names(library) <= {"red.jpg", "blue.jpg", "blue.jpg.xmp"}


async def test_of_every_copy_the_older_sentence_is_taken_out(
    library: Path, settings: Settings, original: bytes
) -> None:
    shutil.copyfile(library / "red.jpg", library / "copy.jpg")
    await index(settings, CountingCaptioner(), library)
    newer = NewerModel({"red": DOUBTED})
    await recaption_photo(settings, newer)
    assert newer.asked.count("red") == 1
    assert {(library / name).read_bytes() for name in ("red.jpg", "copy.jpg")} == {original}


async def test_a_photo_on_which_nothing_is_seen_is_asked_once(library: Path, settings: Settings) -> None:
    shutil.copyfile(library / "red.jpg", library / "copy.jpg")
    await index(settings, CountingCaptioner(), library)
    newer = NewerModel({"red": NOTHING})
    await recaption_photo(settings, newer)
    await recaption_photo(settings, newer)
    assert newer.asked.count("red") == 1
    with stored(settings) as storage:
        assert storage.catalogue.queue.count_missing_work(JobKind.CAPTION, model=newer.model) == 0
        assert storage.catalogue.counts().with_caption == 1


def touched(path: Path) -> None:
    stat = path.stat()
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 5_000_000_000))


async def test_a_file_that_is_read_again_loses_the_older_sentence_too(
    library: Path, settings: Settings, original: bytes
) -> None:
    await index(settings, CountingCaptioner(), library)
    captioned = (library / "red.jpg").read_bytes()
    off = replace(settings, captions="off")
    await recaption_photo(off, NewerModel({"red": DOUBTED}))
    assert the_red_one(settings).caption_reason == CAPTIONS_OFF
    touched(library / "red.jpg")
    await index(off, NewerModel({}), library)
    assert (library / "red.jpg").read_bytes() == captioned, "writing captions into files is switched off"
    touched(library / "red.jpg")
    await index(settings, NewerModel({}), library)
    assert (library / "red.jpg").read_bytes() == original
    photo = the_red_one(settings)
    assert (photo.caption, photo.caption_place, photo.caption_reason) == (DOUBTED.text, CaptionPlace.INDEX, UNSURE)
    assert (await index(settings, NewerModel({}), library)).done == 0


@other_program
async def test_an_older_sentence_whose_marks_another_program_dropped_is_taken_out_too(
    library: Path, settings: Settings
) -> None:
    await index(settings, CountingCaptioner(), library)
    path = library / "red.jpg"
    command = ["exiftool", "-q", "-overwrite_original", "-all=", "-tagsfromfile", "@", "-EXIF:ImageDescription"]
    subprocess.run([*command, str(path)], check=True)
    assert read_own_caption(path.read_bytes()) is None
    assert persons_words(path) == OLD
    await index(settings, CountingCaptioner(), library)
    await recaption_photo(settings, NewerModel({"red": DOUBTED}))
    assert persons_words(path) is None
    photo = the_red_one(settings)
    assert (photo.caption, photo.caption_place, photo.caption_reason) == (DOUBTED.text, CaptionPlace.INDEX, UNSURE)
    await recaption_photo(settings, NewerModel({}, model="colours-3"))
    own = read_own_caption(path.read_bytes())
    assert own is not None
    assert own.text == SURE.text


async def test_a_copy_that_comes_with_an_older_sentence_loses_it(
    library: Path, settings: Settings, original: bytes
) -> None:
    await index(settings, CountingCaptioner(), library)
    kept = (library / "red.jpg").read_bytes()
    await recaption_photo(settings, NewerModel({"red": DOUBTED}))
    (library / "from a backup.jpg").write_bytes(kept)
    await index(settings, NewerModel({}), library)
    assert (library / "from a backup.jpg").read_bytes() == original


async def test_a_correction_stays_and_what_comes_after_it_is_not_written(
    library: Path, settings: Settings, original: bytes
) -> None:
    await index(settings, CountingCaptioner(), library)
    with stored(settings) as storage:
        storage.catalogue.corrections.correct(the_red_one(settings).id, "Oma's wall")
    await index(settings, CountingCaptioner(), library)
    corrected = (library / "red.jpg").read_bytes()
    await recaption_photo(settings, NewerModel({"red": DOUBTED}))
    assert (library / "red.jpg").read_bytes() == corrected
    with stored(settings) as storage:
        storage.catalogue.corrections.withdraw(the_red_one(settings).id)
    await index(settings, NewerModel({}), library)
    assert (library / "red.jpg").read_bytes() == original
    assert the_red_one(settings).caption_reason == UNSURE
    with stored(settings) as storage:
        storage.catalogue.corrections.correct(the_red_one(settings).id, "Oma's wall")
    await index(settings, NewerModel({}), library)
    assert the_red_one(settings).caption_place is CaptionPlace.EXIF


@other_program
async def test_a_person_s_words_are_left_where_they_are(library: Path, settings: Settings) -> None:
    await index(settings, CountingCaptioner(), library)
    subprocess.run(
        ["exiftool", "-q", "-overwrite_original", "-XPComment=Gran's wall", str(library / "red.jpg")], check=True
    )
    edited = (library / "red.jpg").read_bytes()
    # Before the next walk: the catalogue does not know of the words, nor that the file is another one.
    await recaption_photo(settings, NewerModel({"red": DOUBTED}))
    assert (library / "red.jpg").read_bytes() == edited
    assert the_red_one(settings).caption_reason == CHANGED_SINCE
    await index(settings, NewerModel({}), library)
    assert (library / "red.jpg").read_bytes() == edited
    assert the_red_one(settings).caption == "Gran's wall"


@other_program
def test_an_undo_of_the_model_s_words_alone_spares_a_person_s(library: Path) -> None:
    from indexer.atomic.file_read import stamp_of
    from indexer.captions.caption_file import write_caption

    path = library / "red.jpg"
    write_caption(path, SURE, stamp=stamp_of(path.stat()))
    subprocess.run(["exiftool", "-q", "-overwrite_original", "-XPComment=Gran's wall", str(path)], check=True)
    edited = path.read_bytes()
    undone = undo_caption(path, machine_only=True)
    assert (undone.restored, undone.reason, path.read_bytes()) == (False, PERSONS_WORDS, edited)


async def test_words_that_were_taken_out_on_purpose_stay_out(
    library: Path, settings: Settings, original: bytes
) -> None:
    await index(settings, CountingCaptioner(), library)
    undo_caption(library / "red.jpg")
    await index(settings, CountingCaptioner(), library)
    await recaption_photo(settings, NewerModel({"red": DOUBTED}))
    assert the_red_one(settings).caption_reason == UNDONE
    await recaption_photo(settings, NewerModel({}, model="colours-3"))
    assert (library / "red.jpg").read_bytes() == original


async def test_words_that_were_taken_out_on_purpose_stay_out_where_the_thumbnails_are_lost(
    library: Path, settings: Settings, original: bytes
) -> None:
    await index(settings, CountingCaptioner(), library)
    undo_caption(library / "red.jpg")
    await index(settings, CountingCaptioner(), library)
    with stored(settings) as storage:
        storage.thumbnails.delete(list(storage.thumbnails.keys()))
    await recaption_photo(settings, NewerModel({}, model="colours-3"))
    assert (library / "red.jpg").read_bytes() == original
    assert the_red_one(settings).caption_reason == UNDONE


async def test_a_process_that_dies_while_taking_a_sentence_out_has_not_taken_it_out_on_purpose(
    library: Path, settings: Settings, original: bytes
) -> None:
    await index(settings, CountingCaptioner(), library)
    newer = NewerModel({"red": DOUBTED})
    with stored(settings) as storage:
        storage.catalogue.queue.enqueue_all(JobKind.CAPTION, model=newer.model)
        for job in storage.catalogue.queue.claim(2):
            if job.file.path.name == "red.jpg":
                storage.catalogue.corrections.record_withdrawal(job)
                assert undo_caption(job.file.path).exact
    await index(settings, newer, library)
    assert (library / "red.jpg").read_bytes() == original
    assert the_red_one(settings).caption_reason != UNDONE
    await recaption_photo(settings, NewerModel({}, model="colours-3"))
    own = read_own_caption((library / "red.jpg").read_bytes())
    assert own is not None
    assert own.text == SURE.text


async def test_a_sentence_that_can_t_be_taken_out_stays_and_the_reason_says_so(
    library: Path, settings: Settings
) -> None:
    await index(settings, CountingCaptioner(), library)
    captioned = (library / "red.jpg").read_bytes()
    os.link(library / "red.jpg", library.parent / "linked.jpg")  # a file of two names is never replaced
    await recaption_photo(settings, NewerModel({"red": DOUBTED}))
    assert (library / "red.jpg").read_bytes() == captioned
    photo = the_red_one(settings)
    assert photo.caption_place is CaptionPlace.INDEX
    assert photo.caption_reason not in {None, UNSURE}
    with stored(settings) as storage:
        assert "red.jpg" in {file.path.name for _, file in storage.catalogue.corrections.captioned_files()}
    (library.parent / "linked.jpg").unlink()
    touched(library / "red.jpg")
    await index(settings, NewerModel({}), library)
    assert read_own_caption((library / "red.jpg").read_bytes()) is None


async def test_a_file_that_shows_another_photo_now_keeps_its_own_sentence(library: Path, settings: Settings) -> None:
    await index(settings, CountingCaptioner(), library)
    shutil.copyfile(library / "blue.jpg", library / "red.jpg")
    before = (library / "red.jpg").read_bytes()
    await recaption_photo(settings, NewerModel({"red": DOUBTED}))
    assert (library / "red.jpg").read_bytes() == before


async def test_an_older_model_s_sentence_is_sure_by_its_confidence(library: Path, settings: Settings) -> None:
    low = Caption("a red wall", 0.39, (Tag("wall", 0.9),), None, "")
    await index(settings, NewerModel({"red": low, "blue": replace(low, confidence=0.41)}), library)
    assert (the_red_one(settings).unsure, the_red_one(settings).caption_reason) == (True, UNSURE)
    assert the_red_one(settings, "blue.jpg").caption_place is CaptionPlace.EXIF
