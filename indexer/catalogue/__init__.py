"""The catalogue: every photo, the files that show it, and the work still to be done on them.

Search and thumbnails are derived from it. Several files may show one photo; what differs between them is decided so:
the metadata of the file that was settled last is the photo's, and a person's caption stays as long as any file has
one (see `file_rows.touch`). A date out of a file's name, or none, does not take the place of another's date. What was
typed on the page comes before both (see `corrections`).
"""

# ruff: noqa: S608 - the SQL is put together from this package's own constants; values are always bound

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from captioner import Caption
from indexer.catalogue.corrections import Corrections, PhotoFeedback
from indexer.catalogue.face_rows import FaceRows
from indexer.catalogue.job_queue import INCOMPLETE, JobQueue
from indexer.catalogue.names_in_files import NamesInFiles
from indexer.catalogue.outbox import REFILL, Outbox, Refused
from indexer.catalogue.people import People, names_by_photo
from indexer.catalogue.people_decisions import PeopleDecisions
from indexer.catalogue.retries import Retries
from indexer.catalogue.roots import ScanRequests, UnreadablePlaces
from indexer.catalogue.rows import (
    FILE_COLUMNS,
    FILE_ORDER,
    FILES_OF_PHOTOS,
    FIRST_FILES_OF_PHOTOS,
    SUMMARY_COLUMNS,
    file_from_row,
    photo_from_row,
    summary_from_row,
)
from indexer.catalogue.scans import Scans
from indexer.catalogue.schema import CATALOGUE_MIGRATIONS
from indexer.catalogue.settling import Measured, complete, settle
from indexer.catalogue.stacks import Stacks, similar
from indexer.errors import StorageError
from indexer.message import Message
from indexer.model import LISTED_FILES, IndexedPhoto, Job, Photo, PhotoFile, PhotoSummary
from indexer.reasons import Reason, from_stored
from indexer.sqlite.database import Database
from indexer.sqlite.errors import damage_message, hint_for, is_damage


@dataclass(frozen=True, slots=True)
class Counts:
    """The catalogue in numbers; `photos` and `files` are those present, `queued` includes what is in hand."""

    photos: int
    files: int
    missing: int
    queued: int
    set_aside: int
    unpushed: int
    refilling: int  # of these, those that the index holds which answers until the new one is filled
    with_caption: int
    refused: int  # by search, for good
    unreadable: int  # folders, and files, that the last scan could not read
    incomplete: int  # photos with their sentence alone, which wait for a model to give tags and embedding
    thumbnails_waiting: int  # files whose thumbnails are to be made again
    faces_waiting: int  # photos in which faces are to be looked for
    names_waiting: int  # files that names of faces are to be written into

    def not_searchable(self, searchable: int) -> int:
        """How many photos wait to be found where search holds `searchable`: all of them where a newer version begins
        the index anew, until the next start."""
        return max(self.not_found_yet, self.photos - self.refused - self.refilling - searchable)

    @property
    def not_found_yet(self) -> int:
        """How many photos nobody finds yet as they are."""
        return self.unpushed - self.refilling


class Catalogue:
    """The one durable record: photos and files here, what else is kept in its parts, which share one database.
    Thread-safe; every method is one short transaction at most.

    Raises `StorageError` where the file can't be opened.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self._database = database = Database(path, CATALOGUE_MIGRATIONS, read_only=read_only)
        self.queue = JobQueue(database)
        self.scans = Scans(database)
        self.unreadable_places = UnreadablePlaces(database)
        self.scan_requests = ScanRequests(database)
        self.retries = Retries(database)
        self.corrections = Corrections(database)
        self.feedback = PhotoFeedback(database)
        self.outbox = Outbox(database)
        self.stacks = Stacks(database)
        self.measured = Measured(database)
        self.people = People(database)
        self.people_decisions = PeopleDecisions(database)
        self.faces = FaceRows(database)
        self.names_in_files = NamesInFiles(database)
        self._probed = ""
        self._count_due_s = 0.0  # by the monotonic clock

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closing twice is fine."""
        self._database.close()

    def data_version(self) -> int:
        """Another number after every change, whichever process made it. Takes microseconds."""
        return self._database.data_version()

    def sync(self) -> None:
        """Makes durable what was settled until now: a power cut may take away what came since. Raises `OSError`."""
        self._database.sync()

    def check(self, *, most_bytes: int | None = None) -> str | None:
        """Looks through all of the file, unless larger than `most_bytes`; gives what is wrong. See `record_error`."""
        if (damage := self._database.damage(most_bytes=most_bytes)) is not None:
            self._database.note_damage(damage)
        return self._database.noted_damage

    def record_error(self, error: sqlite3.Error) -> None:
        """Remembers an error that is damage: `problem` gives it, and nothing is written any more."""
        if is_damage(error):
            self._database.note_damage(str(error))

    def problem(self) -> Message | None:
        """What is known to be wrong with the file, with what to do about it; None where nothing is."""
        path = self._database.path
        if self._database.is_lost:
            return Message(
                "the catalogue %(path)s was deleted or replaced while it was in use: start recollect again",
                path=str(path),
            )
        return None if (damage := self._database.noted_damage) is None else damage_message(path, damage)

    def probe(self) -> None:
        """Reads what pages show, of some photos only, of others the next time. Milliseconds; in a catalogue that takes
        long to count, it is counted only now and then.

        Raises `StorageError` where the file is damaged, lost, or can't be read.
        """
        try:
            ids = self.photo_ids(after=self._probed, limit=_PROBED_PHOTOS)
            self._probed = ids[-1] if len(ids) == _PROBED_PHOTOS else ""
            self.photos(ids)
            self._probe_counts()
            self.queue.set_aside(1)
        except sqlite3.Error as error:
            self.record_error(error)
            raise StorageError(
                f"the catalogue can't be read: {error}", hint=hint_for(error, self._database.path)
            ) from error
        if (trouble := self.problem()) is not None:
            raise StorageError(trouble)

    def _probe_counts(self) -> None:
        """A supervisor asks every few seconds; a million photos take a third of a second to count."""
        if time.monotonic() < self._count_due_s:
            return
        began = time.thread_time()
        self.counts()
        self.scans.roots()
        took_s = time.thread_time() - began
        if took_s > _QUICK_COUNT_S:
            self._count_due_s = time.monotonic() + _COUNT_REST * took_s

    def settle(self, job: Job, photo: IndexedPhoto) -> None:
        """Stores what was learnt and ends the job, in one transaction; see `settling.settle`."""
        with self._database.transaction() as writer:
            settle(writer, job, photo)

    def settle_completion(self, job: Job, photo_id: str, caption: Caption | None) -> None:
        """Ends the job. A photo with a sentence alone gets the tags and the embedding of `caption`, where it is not
        None; see `settling.complete`."""
        with self._database.transaction() as writer:
            writer.execute("DELETE FROM job WHERE id = ?", (job.id,))
            if caption is not None:
                complete(writer, photo_id, caption)

    def known_photo(self, content_key: str) -> Photo | None:
        """The photo with this content key, also where none of its files is present any more; one of its files only, as
        every copy's job asks."""
        return self.photo(content_key, most_files=1)

    def file_of_job(self, job: Job) -> PhotoFile | None:
        """The file that a job is about, where it still shows the photo that it showed when it was last read."""
        return self._file("file.id = (SELECT file_id FROM job WHERE id = ?) AND photo_id = ?", job.id, job.content_key)

    def photo(self, photo_id: str, *, most_files: int | None = None) -> Photo | None:
        """One photo, or None; see `photos`."""
        found = self.photos([photo_id], most_files=most_files)
        return found[0] if found else None

    def photos(self, ids: Sequence[str], *, most_files: int | None = None) -> list[Photo]:
        """The photos with these ids, in this order; unknown ids are left out. With all their files, or with
        `most_files` of each, those that are there first."""
        reader, wanted = self._database.reader, json.dumps(list(ids))
        rows = {
            row["id"]: row
            for row in reader.execute("SELECT * FROM photo WHERE id IN (SELECT value FROM json_each(?))", (wanted,))
        }
        files: dict[str, list[PhotoFile]] = {photo_id: [] for photo_id in rows}
        for row in reader.execute(
            f"""SELECT {FILE_COLUMNS} FROM file JOIN root ON root.id = file.root_id
            WHERE {FILES_OF_PHOTOS if most_files is None else FIRST_FILES_OF_PHOTOS} ORDER BY {FILE_ORDER}""",
            {"ids": wanted, "most": most_files},
        ):
            if row["photo_id"] in files:
                files[row["photo_id"]].append(file_from_row(row))
        more = self._more_files([one for one in files if len(files[one]) == most_files])
        others = similar(reader, {one: row["stack"] for one, row in rows.items()})
        photos = [
            photo_from_row(rows[one], files[one], max(0, more.get(one, 0) - len(files[one])), others.get(one, 0))
            for one in ids
            if one in rows
        ]
        people = names_by_photo(reader, ids)
        return [
            replace(one, seen_people=tuple(people[one.id][0]), denied_people=tuple(people[one.id][1]))
            if one.id in people
            else one
            for one in photos
        ]

    def _more_files(self, ids: Sequence[str]) -> dict[str, int]:
        """How many files show each of these photos: counted in the index alone."""
        rows = self._database.reader.execute(
            "SELECT photo_id, count(*) FROM file WHERE photo_id IN (SELECT value FROM json_each(?)) GROUP BY photo_id",
            (json.dumps(list(ids)),),
        )
        return dict(tuple(row) for row in rows) if ids else {}

    def file_of(self, photo_id: str, file_id: int, /) -> PhotoFile | None:
        """One of the files that show a photo, or None."""
        return self._file("file.id = ? AND photo_id = ?", file_id, photo_id)

    def summaries(self, ids: Sequence[str]) -> list[PhotoSummary]:
        """What a grid shows of these photos, in this order; unknown ids are left out."""
        rows = self._database.reader.execute(
            f"SELECT {SUMMARY_COLUMNS} FROM photo WHERE id IN (SELECT value FROM json_each(?))",
            (json.dumps(list(ids)),),
        )
        known = {one.id: one for one in map(summary_from_row, rows)}
        if nameless := [one.id for one in known.values() if not one.caption]:
            names = self._file_names(nameless)
            known |= {one: replace(known[one], file_name=name) for one, name in names.items()}
        others = similar(self._database.reader, {one: photo.stack for one, photo in known.items()})
        known |= {one: replace(known[one], similar=count) for one, count in others.items()}
        return [known[photo_id] for photo_id in ids if photo_id in known]

    def _file_names(self, ids: Iterable[str]) -> dict[str, str]:
        """The name of each photo's first file, by id."""
        names: dict[str, str] = {}
        for photo_id, name in self._database.reader.execute(
            f"""SELECT photo_id, name FROM file JOIN root ON root.id = file.root_id
            WHERE {FIRST_FILES_OF_PHOTOS} ORDER BY {FILE_ORDER}""",
            {"ids": json.dumps(list(ids)), "most": LISTED_FILES},
        ):
            names.setdefault(photo_id, os.fsdecode(name))
        return names

    def photo_ids(self, *, after: str = "", limit: int = 1000) -> list[str]:
        """Ids of the present photos in their order, for scanning through all of them: pass the last one as `after`."""
        rows = self._database.reader.execute(
            "SELECT id FROM photo WHERE id > ? AND +gone = 0 ORDER BY id LIMIT ?", (after, limit)
        )
        return [row["id"] for row in rows]

    def file(self, file_id: int) -> PhotoFile | None:
        """One file by the id in `Photo.files`, or None."""
        return self._file("file.id = ?", file_id)

    def _file(self, which: str, *values: object) -> PhotoFile | None:
        row = self._database.reader.execute(
            f"SELECT {FILE_COLUMNS} FROM file JOIN root ON root.id = file.root_id WHERE {which}", values
        ).fetchone()
        return None if row is None else file_from_row(row)

    def counts(self) -> Counts:
        """The catalogue in numbers."""
        row = self._database.reader.execute(
            f"""SELECT
            (SELECT count(*) FROM photo WHERE gone = 0) AS photos,
            (SELECT count(*) FROM file) AS files,
            (SELECT count(*) FROM file WHERE missing_since IS NOT NULL) AS missing,
            (SELECT count(*) FROM photo WHERE gone = 0 AND unpushed = 1) AS unpushed,
            (SELECT count(*) FROM photo WHERE gone = 0 AND unpushed = 1 AND search_revision <> {REFILL}) AS changed,
            (SELECT count(*) FROM photo WHERE gone = 0 AND worded = 1) AS with_caption,
            (SELECT count(*) FROM photo WHERE {_REFUSED}) AS refused,
            (SELECT count(*) FROM unreadable) AS unreadable,
            (SELECT count(*) FROM photo WHERE {INCOMPLETE}) AS incomplete,
            (SELECT count(*) FROM job JOIN file ON file.id = job.file_id WHERE kind = 'thumbnails'
                AND +state IN ('queued', 'claimed') AND missing_since IS NULL) AS thumbnails_waiting,
            (SELECT count(*) FROM job JOIN file ON file.id = job.file_id WHERE kind = 'faces'
                AND +state IN ('queued', 'claimed') AND missing_since IS NULL) AS faces_waiting,
            (SELECT count(*) FROM job JOIN file ON file.id = job.file_id WHERE kind = 'names'
                AND +state IN ('queued', 'claimed') AND missing_since IS NULL) AS names_waiting,
            (SELECT count(*) FROM job JOIN file ON file.id = job.file_id
                WHERE state = 'aside' AND missing_since IS NULL) AS set_aside"""
        ).fetchone()
        counted = dict(row)
        counted["refilling"] = counted["unpushed"] - counted.pop("changed")  # by index photo_changed
        present = {"files": row["files"] - row["missing"], "queued": self.queue.queued()}
        return Counts(**counted | present)

    def unwritten(self) -> dict[Reason | None, int]:
        """How many present photos have a caption in the catalogue and none in or beside their files, by the reason,
        the most frequent first; None where none is known. Where the model found no words, or a person marked them as
        wrong, there is nothing to write."""
        rows = self._database.reader.execute(
            """SELECT caption_reason AS reason, count(*) AS photos FROM photo
            WHERE gone = 0 AND caption_place = 'index'
            AND (corrected_text IS NOT NULL OR (machine_text <> '' AND wrong = 0))
            GROUP BY caption_reason ORDER BY photos DESC, reason"""
        )
        return {from_stored(row["reason"]): row["photos"] for row in rows}

    def unpushed(self, limit: int) -> list[Photo]:
        """Present photos that search has not heard of in their latest revision, each with `SEARCHED_FILES` of its files
        at most. Those that nobody finds yet as they are come first."""
        ids: list[str] = []
        for condition in ("<>", "="):
            rows = self._database.reader.execute(
                f"""SELECT id FROM photo WHERE gone = 0 AND unpushed = 1 AND search_revision {condition} {REFILL}
                LIMIT ?""",
                (limit - len(ids),),
            )
            ids += [row["id"] for row in rows]
        return self.photos(ids, most_files=SEARCHED_FILES)

    def refused(self, limit: int = 100) -> list[Refused]:
        """Present photos that search will not have as they are, and why."""
        rows = self._database.reader.execute(
            f"SELECT id, refused_reason FROM photo WHERE {_REFUSED} ORDER BY id LIMIT ?", (limit,)
        )
        reasons = {row["id"]: Reason.from_json(row["refused_reason"]) for row in rows}
        return [Refused(photo, reasons[photo.id]) for photo in self.photos(list(reasons), most_files=LISTED_FILES)]


#: Of a photo with many copies so many names of files and folders can be searched for; a document holds fewer still.
SEARCHED_FILES = 128
_PROBED_PHOTOS = 100
#: Seconds of processor time; counting that takes longer is done less often, for a hundredth of the time at most.
_QUICK_COUNT_S, _COUNT_REST = 0.05, 100

# The plus sign keeps to the index of what was refused, which is little: this is counted every few seconds.
_REFUSED = "+gone = 0 AND refused_revision > 0 AND refused_revision = revision"
