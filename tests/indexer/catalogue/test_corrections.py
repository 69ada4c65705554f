"""Corrections in the catalogue: stored, queued, weighed against what files say, and kept."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from indexer.catalogue import Catalogue
from indexer.catalogue.corrections import LONGEST_CORRECTION, PendingCaption, UnusableCorrection, corrected_text
from indexer.catalogue.schema import CATALOGUE_MIGRATIONS
from indexer.model import CaptionBy, CaptionPlace, EmbedState, FileCaption, Job, JobKind, Photo, PhotoMetadata
from indexer.sqlite.database import Database
from tests.libraries import WORDS, indexed, key_of, rescan, settle_all, write
from tests.reasons_made import reason_saying

OMA = "Oma Lisbeth feeds the ducks"
PLAIN = PhotoMetadata("image/jpeg", 4, 3)


@pytest.fixture
def catalogue(tmp_path: Path, root: Path) -> Iterator[Catalogue]:
    """One file, its caption written into it."""
    with Catalogue(tmp_path / "catalogue.db") as opened:
        rescan(opened, root)
        [job] = opened.queue.claim(1)
        settle(opened, job, place=CaptionPlace.EXIF, caption=True)
        opened.outbox.mark_pushed([(photo.id, photo.revision) for photo in opened.unpushed(9)])
        yield opened


def settle(
    catalogue: Catalogue,
    job: Job,
    metadata: PhotoMetadata = PLAIN,
    *,
    place: CaptionPlace | None = None,
    caption: bool = False,
    reason: str | None = None,
    seen: bool = True,
    removed_on_purpose: bool = False,
) -> None:
    done = indexed(job, caption=WORDS if caption else None)
    done = replace(
        done, metadata=metadata, caption_place=place, caption_reason=reason_saying(reason) if reason else None
    )
    done = replace(done, file_read=seen, removed_on_purpose=removed_on_purpose)
    catalogue.settle(job, done)


def the_photo(catalogue: Catalogue) -> Photo:
    [photo] = catalogue.photos(catalogue.photo_ids())
    return photo


def changed(catalogue: Catalogue, path: Path) -> Job:
    """The job of a file that was touched."""
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1_000_000))
    rescan(catalogue, path.parent)
    [job] = [job for job in catalogue.queue.claim(9) if job.kind is JobKind.INDEX]
    return job


def typed(text: str, at: datetime | None = None) -> PhotoMetadata:
    """What a file says that has a correction in it."""
    return replace(PLAIN, person_caption=text, correction=FileCaption(text, CaptionBy.PERSON, at=at))


def theirs(text: str) -> PhotoMetadata:
    return replace(PLAIN, person_caption=text)


def test_a_correction_is_shown_at_once_and_search_hears_of_it(catalogue: Catalogue) -> None:
    before = the_photo(catalogue)
    assert catalogue.corrections.correct(before.id, OMA)
    photo = the_photo(catalogue)
    assert (photo.caption, photo.caption_by, photo.correction) == (OMA, CaptionBy.PERSON, OMA)
    assert photo.machine is not None
    assert photo.machine.text == WORDS.text
    assert photo.revision > before.revision
    assert [one.id for one in catalogue.unpushed(9)] == [photo.id]
    assert not catalogue.corrections.correct("0" * 32, OMA)


def test_taking_back_shows_what_was_there_before(catalogue: Catalogue) -> None:
    photo = the_photo(catalogue)
    assert not catalogue.corrections.withdraw(photo.id), "there is nothing to take back"
    catalogue.corrections.correct(photo.id, OMA)
    assert catalogue.corrections.withdraw(photo.id)
    photo = the_photo(catalogue)
    assert (photo.caption, photo.caption_by, photo.correction) == (WORDS.text, CaptionBy.MODEL, None)
    assert not catalogue.corrections.withdraw("0" * 32)


def test_every_file_gets_the_words_missing_ones_when_they_are_back(catalogue: Catalogue, root: Path) -> None:
    shutil.copy(root / "a.jpg", root / "b.jpg")
    shutil.copy(root / "a.jpg", root / "c.jpg")
    rescan(catalogue, root)
    settle_all(catalogue)
    (root / "c.jpg").rename(root.parent / "c.jpg")
    rescan(catalogue, root)
    catalogue.corrections.correct(the_photo(catalogue).id, OMA)
    assert catalogue.corrections.pending_caption(the_photo(catalogue).id) == PendingCaption(waiting=2, missing=1)
    jobs = catalogue.queue.claim(9)
    assert [(job.kind, job.file.path.name) for job in jobs] == [
        (JobKind.WRITE_CAPTION, "a.jpg"),
        (JobKind.WRITE_CAPTION, "b.jpg"),
    ]
    for job in jobs:
        settle(catalogue, job, place=CaptionPlace.EXIF)
    assert catalogue.corrections.pending_caption(the_photo(catalogue).id) == PendingCaption(missing=1)
    (root.parent / "c.jpg").rename(root / "c.jpg")
    rescan(catalogue, root)
    assert [(job.kind, job.file.path.name) for job in catalogue.queue.claim(9)] == [(JobKind.WRITE_CAPTION, "c.jpg")]


def test_words_go_before_everything_else_and_after_a_failure_too(catalogue: Catalogue, root: Path) -> None:
    for number in range(3):
        write(root / f"{number}.jpg", f"{number}")
    rescan(catalogue, root)
    catalogue.corrections.correct(key_of(root / "a.jpg"), OMA)
    [job] = catalogue.queue.claim(1)
    assert (job.kind, job.embed_state) == (JobKind.WRITE_CAPTION, EmbedState.PRESENT)
    catalogue.queue.fail(job, reason_saying("no"), kind="unreadable", final=True)
    assert catalogue.corrections.pending_caption(key_of(root / "a.jpg")) == PendingCaption(failed=reason_saying("no"))
    catalogue.corrections.correct(key_of(root / "a.jpg"), OMA)
    [job] = catalogue.queue.claim(1)
    assert (job.kind, job.attempt) == (JobKind.WRITE_CAPTION, 1)


def test_a_job_in_hand_that_has_old_words_is_done_again(catalogue: Catalogue) -> None:
    photo_id = the_photo(catalogue).id
    catalogue.corrections.correct(photo_id, "first")
    [job] = catalogue.queue.claim(9)
    catalogue.corrections.correct(photo_id, "second")
    settle(catalogue, job, place=CaptionPlace.EXIF)
    assert catalogue.corrections.pending_caption(photo_id).waiting == 1
    [job] = catalogue.queue.claim(9)
    settle(catalogue, job, place=CaptionPlace.EXIF)
    assert (catalogue.corrections.pending_caption(photo_id), catalogue.queue.claim(9)) == (PendingCaption(), [])


def test_reading_our_own_correction_back_changes_nothing(catalogue: Catalogue, root: Path) -> None:
    photo_id = the_photo(catalogue).id
    catalogue.corrections.correct(photo_id, OMA)
    [job] = catalogue.queue.claim(9)
    settle(catalogue, job, place=CaptionPlace.EXIF)
    before = the_photo(catalogue)
    assert before.corrected_at is not None
    settle(catalogue, changed(catalogue, root / "a.jpg"), typed(OMA, before.corrected_at))
    after = the_photo(catalogue)
    assert (after.correction, after.corrected_at, after.metadata.person_caption) == (OMA, before.corrected_at, None)
    assert catalogue.corrections.pending_caption(photo_id) == PendingCaption()


def test_words_of_another_program_that_came_later_win(catalogue: Catalogue, root: Path) -> None:
    shutil.copy(root / "a.jpg", root / "b.jpg")
    rescan(catalogue, root)
    settle_all(catalogue)
    photo_id = the_photo(catalogue).id
    catalogue.corrections.correct(photo_id, OMA)
    for job in catalogue.queue.claim(9):
        settle(catalogue, job, place=CaptionPlace.EXIF)
    settle(catalogue, changed(catalogue, root / "a.jpg"), theirs("Karl's boat"))
    photo = the_photo(catalogue)
    assert (photo.caption, photo.caption_by, photo.correction) == ("Karl's boat", CaptionBy.PERSON, None)
    assert catalogue.corrections.pending_caption(photo_id).waiting == 2, "the correction leaves the copies, too"


def test_words_that_were_there_already_do_not(catalogue: Catalogue, root: Path) -> None:
    settle(catalogue, changed(catalogue, root / "a.jpg"), theirs("Karl's boat"))
    photo_id = the_photo(catalogue).id
    catalogue.corrections.correct(photo_id, OMA)
    [job] = catalogue.queue.claim(9)
    beside = replace(typed(OMA), overruled="Karl's boat")
    settle(catalogue, job, theirs("Karl's boat"), place=CaptionPlace.SIDECAR)
    settle(catalogue, changed(catalogue, root / "a.jpg"), beside)
    assert the_photo(catalogue).caption == OMA
    settle(catalogue, changed(catalogue, root / "a.jpg"), replace(beside, overruled="Karl's new boat"))
    assert the_photo(catalogue).caption == "Karl's new boat"


def test_words_of_a_file_that_was_never_seen_say_nothing_about_when(catalogue: Catalogue, root: Path) -> None:
    catalogue.corrections.correct(the_photo(catalogue).id, OMA)
    shutil.copy(root / "a.jpg", root / "b.jpg")
    rescan(catalogue, root)
    for job in catalogue.queue.claim(9):
        settle(catalogue, job, theirs("from another computer"), place=CaptionPlace.SIDECAR)
    assert the_photo(catalogue).caption == OMA


def test_an_edit_that_was_not_noticed_before_the_correction_is_the_older_word(catalogue: Catalogue, root: Path) -> None:
    edited = datetime.now(UTC).timestamp() - 3600
    os.utime(root / "a.jpg", (edited, edited))
    catalogue.corrections.correct(the_photo(catalogue).id, OMA)
    [job] = catalogue.queue.claim(9)
    settle(catalogue, job, theirs("an hour ago"), place=CaptionPlace.SIDECAR)
    assert the_photo(catalogue).caption == OMA


def test_an_edit_between_the_correction_and_its_writing_is_the_newer_word(catalogue: Catalogue, root: Path) -> None:
    catalogue.corrections.correct(the_photo(catalogue).id, OMA)
    later = datetime.now(UTC).timestamp() + 5
    os.utime(root / "a.jpg", (later, later))
    [job] = catalogue.queue.claim(9)
    settle(catalogue, job, theirs("just now"), place=CaptionPlace.SIDECAR)
    photo = the_photo(catalogue)
    assert (photo.caption, photo.correction) == ("just now", None)
    assert catalogue.corrections.pending_caption(photo.id).waiting == 1, (
        "what was written in the meantime goes out again"
    )


def test_a_lost_catalogue_takes_corrections_back_from_the_files(tmp_path: Path, root: Path) -> None:
    shutil.copy(root / "a.jpg", root / "b.jpg")
    with Catalogue(tmp_path / "new.db") as catalogue:
        rescan(catalogue, root)
        first, second = catalogue.queue.claim(9)
        settle(catalogue, first, PLAIN, caption=True, place=CaptionPlace.EXIF)
        at = datetime.now(UTC) - timedelta(days=400)
        settle(catalogue, second, typed(OMA, at), caption=True, place=CaptionPlace.EXIF)
        photo = the_photo(catalogue)
        assert (photo.caption, photo.caption_by) == (OMA, CaptionBy.PERSON)
        assert (photo.correction, photo.corrected_at) == (OMA, at)
        assert [(job.kind, job.file.path.name) for job in catalogue.queue.claim(9)] == [
            (JobKind.WRITE_CAPTION, "a.jpg")
        ]


def test_of_two_corrections_the_later_one_counts_whichever_file_is_read_last(catalogue: Catalogue, root: Path) -> None:
    photo_id = the_photo(catalogue).id
    catalogue.corrections.correct(photo_id, OMA)
    [job] = catalogue.queue.claim(9)
    settle(catalogue, job, place=CaptionPlace.EXIF)
    now = datetime.now(UTC)
    settle(catalogue, changed(catalogue, root / "a.jpg"), typed("restored from last year", now - timedelta(days=365)))
    assert the_photo(catalogue).caption == OMA
    assert catalogue.corrections.pending_caption(photo_id).waiting == 1, "the file is to have the newest words"
    [job] = catalogue.queue.claim(9)
    settle(catalogue, job, typed("restored from last year", now - timedelta(days=365)), place=CaptionPlace.EXIF)
    settle(catalogue, changed(catalogue, root / "a.jpg"), typed("typed on another computer", datetime.now(UTC)))
    assert the_photo(catalogue).caption == "typed on another computer"


@pytest.mark.parametrize("years", [-10, 0, 7000])
def test_what_was_taken_back_does_not_come_back_from_a_file(catalogue: Catalogue, root: Path, years: int) -> None:
    photo_id = the_photo(catalogue).id
    catalogue.corrections.correct(photo_id, OMA)
    [job] = catalogue.queue.claim(9)
    settle(catalogue, job, place=CaptionPlace.EXIF)
    at = the_photo(catalogue).corrected_at
    assert at is not None
    catalogue.corrections.withdraw(photo_id)
    [job] = catalogue.queue.claim(9)
    settle(catalogue, job, typed(OMA, at.replace(year=at.year + years, day=1)), place=CaptionPlace.EXIF)
    photo = the_photo(catalogue)
    assert (photo.correction, photo.caption) == (None, WORDS.text)
    assert catalogue.corrections.pending_caption(photo_id) == PendingCaption()


def test_corrections_within_one_moment_keep_their_order(catalogue: Catalogue) -> None:
    photo_id, moments = the_photo(catalogue).id, []
    for number in range(20):
        catalogue.corrections.correct(photo_id, f"{number}")
        moments.append(the_photo(catalogue).corrected_at)
    assert moments == sorted(set(moments), key=moments.index)
    assert len(set(moments)) == 20


def test_an_undo_keeps_the_correction_in_the_index_and_nothing_is_written(catalogue: Catalogue) -> None:
    photo_id = the_photo(catalogue).id
    catalogue.corrections.correct(photo_id, OMA)
    catalogue.corrections.record_undo(
        [file.id for file in the_photo(catalogue).files], reason_saying("taken out on purpose")
    )
    assert catalogue.queue.claim(9) == []
    photo = the_photo(catalogue)
    assert (photo.caption, photo.caption_place) == (OMA, CaptionPlace.INDEX)
    assert photo.caption_reason == reason_saying("taken out on purpose")
    catalogue.corrections.correct(photo_id, "and once more")
    [job] = catalogue.queue.claim(9)
    assert job.embed_state is EmbedState.REMOVED
    settle(catalogue, job, place=CaptionPlace.EXIF)
    catalogue.corrections.withdraw(photo_id)
    [job] = catalogue.queue.claim(9)
    assert job.embed_state is EmbedState.CORRECTION_ONLY, "the model's words were taken out and do not go in again"


def test_undoing_one_copy_says_nothing_of_the_other(catalogue: Catalogue, root: Path) -> None:
    shutil.copy(root / "a.jpg", root / "b.jpg")
    rescan(catalogue, root)
    [job] = catalogue.queue.claim(9)
    settle(catalogue, job, caption=True, place=CaptionPlace.EXIF)
    settle(catalogue, changed(catalogue, root / "a.jpg"), caption=True, place=CaptionPlace.EXIF)
    assert len(catalogue.corrections.captioned_files()) == 2
    (photo_id, one), (_, other) = catalogue.corrections.captioned_files()
    catalogue.corrections.record_undo([one.id], reason_saying("taken out on purpose"))
    assert catalogue.corrections.captioned_files() == [(photo_id, other)]
    assert the_photo(catalogue).caption_place is CaptionPlace.EXIF
    catalogue.corrections.record_undo([other.id], reason_saying("taken out on purpose"))
    assert catalogue.corrections.captioned_files() == []
    assert the_photo(catalogue).caption_reason == reason_saying("taken out on purpose")


def test_each_copy_is_known_to_have_the_words_or_not(catalogue: Catalogue, root: Path) -> None:
    shutil.copy(root / "a.jpg", root / "b.jpg")
    rescan(catalogue, root)
    [job] = catalogue.queue.claim(9)
    settle(catalogue, job, caption=True, place=CaptionPlace.SIDECAR, reason="because")
    os.link(root / "b.jpg", root / "c.jpg")
    rescan(catalogue, root)
    places = {file.relative: (file.caption_place, file.caption_reason) for file in the_photo(catalogue).files}
    beside = (CaptionPlace.SIDECAR, reason_saying("because"))
    assert places == {"a.jpg": (CaptionPlace.EXIF, None), "b.jpg": beside, "c.jpg": beside}
    catalogue.corrections.record_undo(
        [file.id for file in the_photo(catalogue).files if file.relative == "a.jpg"], reason_saying("on purpose")
    )
    [a] = [file for file in the_photo(catalogue).files if file.relative == "a.jpg"]
    assert (a.caption_place, a.caption_reason) == (CaptionPlace.INDEX, reason_saying("on purpose"))
    (root / "c.jpg").unlink()
    settle(catalogue, changed(catalogue, root / "b.jpg"), theirs("Karl's boat"))
    [b] = [file for file in the_photo(catalogue).files if file.relative == "b.jpg"]
    assert b.caption_place is CaptionPlace.SIDECAR, "nobody tried to write anything"


def test_what_one_copy_lost_is_no_news_while_another_has_it(catalogue: Catalogue, root: Path) -> None:
    shutil.copy(root / "a.jpg", root / "b.jpg")
    rescan(catalogue, root)
    [job] = catalogue.queue.claim(9)
    settle(catalogue, job, caption=True, place=CaptionPlace.EXIF)
    job = changed(catalogue, root / "a.jpg")
    assert job.embed_state is EmbedState.PRESENT
    settle(catalogue, job, place=CaptionPlace.INDEX, reason="gone", removed_on_purpose=True)
    assert the_photo(catalogue).caption_place is CaptionPlace.EXIF
    assert changed(catalogue, root / "a.jpg").embed_state is EmbedState.REMOVED
    settle(
        catalogue, changed(catalogue, root / "b.jpg"), place=CaptionPlace.INDEX, reason="gone", removed_on_purpose=True
    )
    assert (the_photo(catalogue).caption_place, the_photo(catalogue).caption_reason) == (
        CaptionPlace.INDEX,
        reason_saying("gone"),
    )


def test_captioning_again_gives_no_file_the_words_of_another(catalogue: Catalogue, root: Path) -> None:
    settle(catalogue, changed(catalogue, root / "a.jpg"), theirs("Karl's boat"))
    shutil.copy(root / "a.jpg", root / "b.jpg")
    rescan(catalogue, root)
    settle_all(catalogue)
    catalogue.queue.enqueue_all(JobKind.CAPTION, model="model-2")
    for job in catalogue.queue.claim(9):
        settle(catalogue, job, the_photo(catalogue).metadata, caption=True, place=CaptionPlace.INDEX, seen=False)
    settle(catalogue, changed(catalogue, root / "a.jpg"), PLAIN)
    assert the_photo(catalogue).caption == WORDS.text, "no file has a person's words any more"


def test_a_newer_model_does_not_disturb_a_correction(catalogue: Catalogue) -> None:
    photo_id = the_photo(catalogue).id
    catalogue.corrections.correct(photo_id, OMA)
    [job] = catalogue.queue.claim(9)
    settle(catalogue, job, theirs("Karl's boat"), place=CaptionPlace.SIDECAR)
    assert catalogue.queue.enqueue_all(JobKind.CAPTION, model="model-2") == 1
    [job] = catalogue.queue.claim(9)
    settle(catalogue, job, the_photo(catalogue).metadata, caption=True, place=CaptionPlace.SIDECAR, seen=False)
    assert the_photo(catalogue).caption == OMA


def test_a_photo_that_has_no_other_words_counts_as_described(tmp_path: Path, root: Path) -> None:
    with Catalogue(tmp_path / "bare.db") as catalogue:
        rescan(catalogue, root)
        settle_all(catalogue, caption=None)
        assert catalogue.queue.count_missing_work(JobKind.CAPTION, model="model-1") == 1
        catalogue.corrections.correct(the_photo(catalogue).id, OMA)
        assert catalogue.counts().with_caption == 1
        assert catalogue.queue.count_missing_work(JobKind.CAPTION, model="model-1") == 0


def test_a_correction_that_could_not_be_written_can_be_tried_again(catalogue: Catalogue) -> None:
    photo_id = the_photo(catalogue).id
    catalogue.corrections.correct(photo_id, OMA)
    [job] = catalogue.queue.claim(9)
    settle(catalogue, job, place=CaptionPlace.INDEX, reason="the disk is full")
    assert catalogue.queue.enqueue_all(JobKind.WRITE_CAPTION) == 1
    [job] = catalogue.queue.claim(9)
    settle(catalogue, job, place=CaptionPlace.EXIF)
    assert catalogue.queue.enqueue_all(JobKind.WRITE_CAPTION) == 0
    catalogue.corrections.record_undo(
        [file.id for file in the_photo(catalogue).files], reason_saying("taken out on purpose")
    )
    assert catalogue.queue.enqueue_all(JobKind.WRITE_CAPTION) == 0


def test_an_older_catalogue_learns_which_files_have_our_words(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    Database(path, CATALOGUE_MIGRATIONS[:1]).close()
    photos = (
        ("a", "exif", None),
        ("b", "index", "the caption was taken out of the file on purpose"),
        ("c", None, None),
    )
    with closing(sqlite3.connect(path)) as old, old:
        old.execute("INSERT INTO root (id, path) VALUES (1, x'2f70')")
        for name, place, reason in photos:
            old.execute(
                """INSERT INTO photo (id, mime_type, width_px, height_px, caption_place, caption_reason, added_at,
                machine_text, machine_confidence, machine_model) VALUES (?, 'image/jpeg', 1, 1, ?, ?, '2024-01-01',
                'a dog', 0.5, 'm')""",
                (name, place, reason),
            )
            old.execute(
                """INSERT INTO file (root_id, folder, name, mtime_ns, size, inode, photo_id)
                VALUES (1, x'', ?, 1, 1, 1, ?)""",
                (name.encode(), name),
            )
    with Catalogue(path) as catalogue:
        assert catalogue.queue.enqueue_all(JobKind.INDEX) == 3
        assert [job.embed_state for job in catalogue.queue.claim(9)] == [EmbedState.PRESENT, EmbedState.REMOVED, None]
        assert catalogue.counts().with_caption == 3
        assert catalogue.corrections.correct("a", OMA)


@pytest.mark.parametrize(
    ("entered", "kept"),
    [
        ("  Oma\r\nfeeds\tthe ducks ", "Oma feeds the ducks"),
        ("<script>alert('x')</script> & \"quotes\"", "<script>alert('x')</script> & \"quotes\""),
        ("סבתא מאכילה ברווזים 🦆👩‍👧", "סבתא מאכילה ברווזים 🦆👩‍👧"),
        ("a\u202eb\u0000c\ud800", "ab c"),
        ("cafe\u0301", "café"),
        ("🦆" * LONGEST_CORRECTION, "🦆" * LONGEST_CORRECTION),
    ],
)
def test_what_is_typed_becomes_a_line_that_every_file_can_hold(entered: str, kept: str) -> None:
    assert corrected_text(entered) == kept
    assert corrected_text(kept) == kept


@pytest.mark.parametrize(
    "entered", ["", " \r\n\t ", "\u200b\u202e\x00\ufeff", "x" * 2001, "x " * 100_000, " " * 100_000]
)
def test_what_can_t_be_a_caption_is_refused_with_a_reason(entered: str) -> None:
    with pytest.raises(UnusableCorrection, match="Nothing was changed"):
        corrected_text(entered)
