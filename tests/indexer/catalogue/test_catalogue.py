"""Photos as the catalogue keeps them: settled, worded, counted, and handed to search."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from captioner import Caption, Tag
from indexer.catalogue import SEARCHED_FILES, Catalogue
from indexer.catalogue.rows import pack_embedding, unpack_embedding
from indexer.errors import StorageError
from indexer.face_box import FaceBox, FaceRegion
from indexer.model import (
    CaptionBy,
    CaptionPlace,
    DatePrecision,
    FileCaption,
    IndexedPhoto,
    Job,
    JobKind,
    Photo,
    PhotoMetadata,
    Position,
)
from tests.libraries import WORDS, indexed, key_of, rescan, settle_all, write
from tests.reasons_made import reason_saying

FULL = PhotoMetadata(
    mime_type="image/jpeg",
    width_px=4000,
    height_px=3000,
    taken_at=datetime(2019, 7, 14, 15, 9, 26, 535000, tzinfo=timezone(timedelta(hours=5, minutes=45))),
    taken_precision=DatePrecision.DAY,
    camera="NIKON D750",
    lens="50mm f/1.8",
    exposure_s=1 / 250,
    f_number=1.8,
    iso=6400,
    focal_length_mm=50.0,
    focal_length_35mm=75.0,
    orientation=6,
    position=Position(27.9881, 86.925, 8848.0),
    rating=-1,
    title="Gipfel <b>",
    keywords=("Berg", "snow, deep", 'quo"te'),
    people=("Åsa", "O'Brien"),
    regions=(FaceRegion("O'Brien", FaceBox(0.1, 0.25, 0.125, 0.5)),),
    pets=("Rex",),
    headline="First ascent",
    subjects=("Sport",),
    locations=("Base camp", "Népal"),
    creators=("Åsa",),
    alt_texts=("A woman on a summit",),
    comments=("scanned, 2004",),
    person_caption="On the top",
    machine_caption=FileCaption("a mountain", CaptionBy.MODEL, "model-0", 0.25),
    damage="the last rows are missing",
)


def the_photo(catalogue: Catalogue) -> Photo:
    [photo_id] = catalogue.photo_ids()
    photo = catalogue.photo(photo_id)
    assert photo is not None
    return photo


def settle(catalogue: Catalogue, job: Job, metadata: PhotoMetadata, caption: Caption | None = WORDS) -> None:
    done = indexed(job, caption=caption)
    catalogue.settle(job, replace(done, metadata=metadata))


def again(catalogue: Catalogue, path: Path, content: str = "") -> Job:
    """The job of a file that was written once more, with the same picture or another."""
    write(path, content)
    rescan(catalogue, path.parent)
    [job] = catalogue.queue.claim(1)
    return job


def test_everything_that_is_settled_comes_back(catalogue: Catalogue, root: Path) -> None:
    empty = {item.name for item in fields(FULL) if getattr(FULL, item.name) in (None, ())}
    assert empty == {"correction", "overruled"}, "what a file says of corrections is weighed, not kept"
    [job] = catalogue.queue.claim(1)
    settle(catalogue, job, FULL)
    photo = the_photo(catalogue)
    assert photo.metadata == FULL
    assert photo.machine is not None
    assert photo.machine.embedding == pytest.approx(WORDS.embedding, abs=1e-3)
    assert replace(photo.machine, embedding=WORDS.embedding) == WORDS
    assert [file.path for file in photo.files] == [root / "a.jpg"]
    assert catalogue.file(photo.files[0].id) == photo.files[0]
    assert photo.added_at.tzinfo is not None
    assert datetime.now(UTC) - photo.added_at < timedelta(minutes=5)


def test_a_naive_time_stays_naive_and_nothing_stays_nothing(catalogue: Catalogue) -> None:
    bare = PhotoMetadata("image/png", 1, 1, taken_at=datetime(2001, 1, 1))
    [job] = catalogue.queue.claim(1)
    settle(catalogue, job, bare, None)
    photo = the_photo(catalogue)
    assert photo.metadata == bare
    assert (photo.caption, photo.caption_by, photo.machine, photo.caption_place) == (None, None, None, None)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(text=st.text(st.characters(codec=None), max_size=40), number=st.integers(-(1 << 80), 1 << 80))
def test_no_text_or_number_a_file_claims_breaks_the_catalogue(catalogue: Catalogue, text: str, number: int) -> None:
    job = (catalogue.queue.claim(1) or [last_job(catalogue)])[0]
    metadata = replace(FULL, title=text, camera=text, keywords=(text,), person_caption=text or None, iso=number)
    settle(catalogue, job, metadata, replace(WORDS, text=text))
    stored = the_photo(catalogue)
    assert stored.metadata.title == text.encode("utf-8", "backslashreplace").decode()
    stored.metadata.keywords[0].encode()


def last_job(catalogue: Catalogue) -> Job:
    """The settled file, put back into the queue."""

    catalogue.queue.enqueue_all(JobKind.INDEX)
    return catalogue.queue.claim(1)[0]


def test_a_person_s_words_win_and_give_way_when_they_are_taken_out(catalogue: Catalogue, root: Path) -> None:
    [job] = catalogue.queue.claim(1)
    settle(catalogue, job, FULL)
    photo = the_photo(catalogue)
    assert (photo.caption, photo.caption_by) == ("On the top", CaptionBy.PERSON)
    assert photo.machine is not None
    settle(catalogue, again(catalogue, root / "a.jpg"), replace(FULL, person_caption=None), None)
    photo = the_photo(catalogue)
    assert (photo.caption, photo.caption_by) == (WORDS.text, CaptionBy.MODEL)


def test_a_person_s_words_stay_as_long_as_any_file_has_them(catalogue: Catalogue, root: Path) -> None:
    [job] = catalogue.queue.claim(1)
    settle(catalogue, job, FULL)
    shutil.copy2(root / "a.jpg", root / "copy.jpg")
    rescan(catalogue, root)
    [job] = catalogue.queue.claim(1)
    settle(catalogue, job, replace(FULL, person_caption=None, title="the copy"), None)
    photo = the_photo(catalogue)
    assert (photo.caption, photo.metadata.title, len(photo.files)) == ("On the top", "the copy", 2)
    (root / "a.jpg").unlink()
    rescan(catalogue, root)
    assert the_photo(catalogue).caption == "On the top", "deleting a copy takes nobody's words away"


def test_settling_without_a_caption_keeps_what_there_is(catalogue: Catalogue, root: Path) -> None:
    [job] = catalogue.queue.claim(1)
    catalogue.settle(
        job, replace(indexed(job), caption_place=CaptionPlace.EXIF, caption_reason=reason_saying("because"))
    )
    settle(catalogue, again(catalogue, root / "a.jpg"), PhotoMetadata("image/jpeg", 9, 9), None)
    photo = the_photo(catalogue)
    assert photo.machine is not None
    assert photo.machine.tags == WORDS.tags
    assert (photo.caption_place, photo.caption_reason) == (CaptionPlace.EXIF, reason_saying("because"))
    assert photo.metadata.width_px == 9


def test_a_new_caption_replaces_the_old_one_whole(catalogue: Catalogue, root: Path) -> None:
    [job] = catalogue.queue.claim(1)
    settle(catalogue, job, FULL)
    newer = Caption("a cat", 0.9, (Tag("cat", 1.0),), None, "model-2")
    settle(catalogue, again(catalogue, root / "a.jpg"), FULL, newer)
    assert the_photo(catalogue).machine == newer


def test_a_crash_between_the_write_and_the_settling_does_not_cost_a_second_captioning(
    tmp_path: Path, root: Path
) -> None:
    """The file carries our words and another stamp; the catalogue knows neither."""
    path = tmp_path / "crash.db"
    with Catalogue(path) as catalogue:
        rescan(catalogue, root)
        catalogue.queue.claim(1)
        write(root / "a.jpg", "the picture, and our words")
    with Catalogue(path) as catalogue:
        assert catalogue.queue.recover() == 1
        assert rescan(catalogue, root)[0].changed == 1
        [job] = catalogue.queue.claim(9)
        assert job.attempt == 2, "what dies while writing is counted, although the file changed"
        catalogue.settle(job, indexed(job))
        assert rescan(catalogue, root)[0].unchanged == 1
        assert catalogue.known_photo(key_of(root / "a.jpg")) is not None


def test_the_catalogue_knows_a_photo_whose_files_are_all_gone(catalogue: Catalogue, root: Path) -> None:
    settle_all(catalogue)
    key = key_of(root / "a.jpg")
    (root / "a.jpg").unlink()
    catalogue.scans.accept_losses(root)
    rescan(catalogue, root)
    known = catalogue.known_photo(key)
    assert known is not None
    assert known.machine is not None
    assert [file.missing for file in known.files] == [True]
    assert catalogue.known_photo("0" * 32) is None
    assert catalogue.photo_ids() == []


def test_what_is_asked_for_every_copy_of_a_photo_does_not_read_them_all(catalogue: Catalogue, root: Path) -> None:
    for number in range(SEARCHED_FILES + 8):
        shutil.copy2(root / "a.jpg", root / f"copy-{number:03}.jpg")
    rescan(catalogue, root)
    jobs = catalogue.queue.claim(SEARCHED_FILES + 20)
    for job in jobs:
        catalogue.settle(job, replace(indexed(job), content_key="f" * 32))
    known = catalogue.known_photo("f" * 32)
    assert known is not None
    assert len(known.files) == 1
    assert [len(photo.files) for photo in catalogue.unpushed(10)] == [SEARCHED_FILES]


def test_a_job_s_own_file_is_found_among_all_copies(catalogue: Catalogue, root: Path) -> None:
    settle_all(catalogue)
    job = again(catalogue, root / "a.jpg")
    file = catalogue.file_of_job(job)
    assert file is not None
    assert file.path == root / "a.jpg"
    assert catalogue.file_of_job(replace(job, id=job.id + 1000)) is None


def test_the_outbox_of_search(catalogue: Catalogue, root: Path) -> None:
    write(root / "b.jpg")
    rescan(catalogue, root)
    settle_all(catalogue)
    waiting = catalogue.unpushed(10)
    assert len(waiting) == catalogue.counts().unpushed == 2
    assert len(catalogue.unpushed(1)) == 1
    catalogue.outbox.mark_pushed([(photo.id, photo.revision) for photo in waiting])
    assert catalogue.unpushed(10) == []
    settle(catalogue, again(catalogue, root / "a.jpg"), FULL)
    catalogue.outbox.mark_pushed([(photo.id, photo.revision) for photo in waiting])
    assert [photo.id for photo in catalogue.unpushed(10)] == [key_of(root / "a.jpg")], "an old revision was pushed"
    assert catalogue.outbox.mark_all_unpushed() == 2
    assert len(catalogue.unpushed(10)) == 2


def test_a_photo_that_returns_while_search_forgets_it_is_pushed_again(catalogue: Catalogue, root: Path) -> None:
    write(root / "b.jpg")
    rescan(catalogue, root)
    settle_all(catalogue)
    catalogue.outbox.mark_pushed([(photo.id, photo.revision) for photo in catalogue.unpushed(10)])
    (root / "b.jpg").rename(root.parent / "b.jpg")
    rescan(catalogue, root)
    removed = catalogue.outbox.removed_ids(10)
    (root.parent / "b.jpg").rename(root / "b.jpg")
    rescan(catalogue, root)
    catalogue.outbox.forget_removed(removed)
    assert [photo.id for photo in catalogue.unpushed(10)] == removed


def test_photos_come_in_the_order_asked_for(catalogue: Catalogue, root: Path) -> None:
    for name in ("b.jpg", "c.jpg"):
        write(root / name)
    rescan(catalogue, root)
    settle_all(catalogue)
    ids = [key_of(root / name) for name in ("c.jpg", "a.jpg", "b.jpg")]
    assert [photo.id for photo in catalogue.photos([*ids, "unknown"])] == ids
    assert catalogue.photos([]) == []
    pages = catalogue.photo_ids(limit=2)
    assert pages + catalogue.photo_ids(after=pages[-1], limit=2) == sorted(ids)


def test_the_numbers(catalogue: Catalogue, root: Path) -> None:
    for name in ("b.jpg", "c.jpg", "d.jpg"):
        write(root / name)
    write(root / "copy of c.jpg", "c.jpg")
    rescan(catalogue, root)
    settle_all(catalogue)
    (root / "d.jpg").unlink()
    write(root / "e.jpg")
    rescan(catalogue, root)
    counts = catalogue.counts()
    assert (counts.photos, counts.files, counts.missing, counts.queued) == (3, 5, 1, 1)
    assert (counts.set_aside, counts.unpushed, counts.with_caption) == (0, 3, 3)


def test_settling_a_job_twice_is_no_harm(catalogue: Catalogue) -> None:
    [job] = catalogue.queue.claim(1)
    catalogue.settle(job, indexed(job))
    before = the_photo(catalogue)
    catalogue.settle(job, indexed(job))
    assert the_photo(catalogue) == before


def test_embeddings_are_kept_to_three_digits() -> None:
    vector = (0.123456, -0.9, 0.0)
    assert unpack_embedding(pack_embedding(vector)) == pytest.approx(vector, abs=1e-3)
    assert unpack_embedding(pack_embedding(None)) is None


def test_a_catalogue_that_is_no_database_says_so(tmp_path: Path) -> None:
    write(tmp_path / "catalogue.db", "this is a letter to my aunt, not a database" * 99)
    with pytest.raises(StorageError, match="can't be opened"):
        Catalogue(tmp_path / "catalogue.db")


def test_everything_is_there_after_reopening(tmp_path: Path, root: Path) -> None:
    path = tmp_path / "again.db"
    with Catalogue(path) as catalogue:
        rescan(catalogue, root)
        settle_all(catalogue)
        before = the_photo(catalogue)
    with Catalogue(path) as catalogue:
        assert the_photo(catalogue) == before
        assert rescan(catalogue, root)[0].unchanged == 1


def test_an_indexed_photo_needs_no_caption_place(catalogue: Catalogue) -> None:
    [job] = catalogue.queue.claim(1)
    catalogue.settle(job, IndexedPhoto("f" * 32, PhotoMetadata("image/jpeg", 1, 1), job.file.stamp, WORDS))
    assert the_photo(catalogue).caption_place is None


# The dates of copies


DATED = PhotoMetadata("image/jpeg", 4, 3, taken_at=datetime(2015, 6, 7, 8, 9))
NAMED = replace(DATED, taken_at=datetime(2019, 1, 1), taken_precision=DatePrecision.DAY, dated_by_name=True)
BARE = PhotoMetadata("image/jpeg", 4, 3)


@pytest.mark.parametrize(
    ("read", "date"),
    [
        ((DATED, NAMED), DATED),
        ((NAMED, DATED), DATED),
        ((DATED, BARE), DATED),
        ((BARE, NAMED), NAMED),
        ((NAMED, BARE), NAMED),
    ],
)
def test_a_copy_s_name_takes_no_better_date_s_place(
    catalogue: Catalogue, root: Path, read: tuple[PhotoMetadata, PhotoMetadata], date: PhotoMetadata
) -> None:
    settle_all(catalogue)
    (root / "a.jpg").unlink()
    for metadata in read:
        write(root / f"{metadata.taken_precision}-{metadata.taken_at is None}.jpg", "the same picture")
        rescan(catalogue, root)
        [job] = catalogue.queue.claim(5)
        settle(catalogue, job, metadata)
    found = next(one for one in catalogue.photos(catalogue.photo_ids()) if len(one.files) == 2).metadata
    assert (found.taken_at, found.taken_precision) == (date.taken_at, date.taken_precision)


def test_a_date_that_the_only_file_has_lost_is_gone(catalogue: Catalogue, root: Path) -> None:
    [job] = catalogue.queue.claim(1)
    settle(catalogue, job, DATED)
    write(root / "a.jpg", "a.jpg")
    os.utime(root / "a.jpg", (1, 1))
    rescan(catalogue, root)
    [job] = catalogue.queue.claim(1)
    settle(catalogue, job, BARE)
    assert the_photo(catalogue).metadata.taken_at is None


def store_texts(catalogue: Catalogue, tmp_path: Path, stored: str) -> None:
    """What stands in the catalogue in place of `FULL`'s texts."""
    [job] = catalogue.queue.claim(1)
    settle(catalogue, job, FULL)
    with closing(sqlite3.connect(tmp_path / "catalogue.db")) as database, database:
        assert database.execute("UPDATE photo SET said = ?", (stored,)).rowcount == 1


def test_texts_are_read_as_older_and_newer_versions_stored_them(catalogue: Catalogue, tmp_path: Path) -> None:
    store_texts(catalogue, tmp_path, '{"headline": "N\\u00e9pal", "pets": ["Rex", "Tom"], "smell": "roses"}')
    metadata = the_photo(catalogue).metadata
    assert (metadata.headline, metadata.pets, metadata.creators) == ("Népal", ("Rex", "Tom"), ())


@pytest.mark.parametrize("stored", ['{"headline": 5}', '{"pets": "Rex"}', '{"pets": [1]}', "[]", '{"pets": ', "null"])
def test_texts_that_no_version_stored_are_damage(catalogue: Catalogue, tmp_path: Path, stored: str) -> None:
    store_texts(catalogue, tmp_path, stored)
    with pytest.raises(sqlite3.DatabaseError, match="makes no sense"):
        the_photo(catalogue)
