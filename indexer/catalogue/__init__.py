"""The catalogue: every photo, the files that show it, and the work still to be done on them.

Search and thumbnails are derived from it. Several files may show one photo; what differs between them is decided so:
the metadata of the file that was settled last is the photo's, and a person's caption stays as long as any file has
one (see `file_rows.touch`). A date out of a file's name, or none, does not take the place of another's date. What was
typed on the page comes before both (see `corrections`).
"""

# ruff: noqa: S608 - the SQL is put together from this package's own constants; values are always bound
# ruff: noqa: PTH119 - paths are the file system's own bytes here, which pathlib does not take

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from captioner import Caption
from indexer.catalogue.corrections import Corrections, embed_state_after, is_in_other_file, resolve_correction
from indexer.catalogue.feedback import PhotoFeedback
from indexer.catalogue.file_rows import has_other_files, join_root, touch
from indexer.catalogue.found import sidecar_fingerprint, sidecars_beside, signed_inode
from indexer.catalogue.job_queue import INCOMPLETE, JobQueue, enqueue_completion, requeue
from indexer.catalogue.outbox import Outbox, Refused
from indexer.catalogue.retries import Retries, next_write_try
from indexer.catalogue.roots import ScanRequests, UnreadablePlaces
from indexer.catalogue.rows import (
    FILE_COLUMNS,
    FILE_ORDER,
    FILES_OF_PHOTOS,
    FIRST_FILES_OF_PHOTOS,
    METADATA_COLUMNS,
    SUMMARY_COLUMNS,
    caption_values,
    file_from_row,
    metadata_values,
    now,
    photo_from_row,
    storable,
    summary_from_row,
)
from indexer.catalogue.scans import Scans
from indexer.catalogue.schema import CATALOGUE_MIGRATIONS
from indexer.errors import StorageError
from indexer.message import Message
from indexer.model import (
    LISTED_FILES,
    METADATA_VERSION,
    CaptionPlace,
    FileStamp,
    IndexedPhoto,
    Job,
    JobKind,
    Photo,
    PhotoFile,
    PhotoSummary,
)
from indexer.reasons import Reason, from_stored, stored
from indexer.sqlite.database import Database
from indexer.sqlite.errors import damage_told, hint_for, is_damage


@dataclass(frozen=True, slots=True)
class Counts:
    """The catalogue in numbers; `photos` and `files` are those present, `queued` includes what is in hand."""

    photos: int
    files: int
    missing: int
    queued: int
    set_aside: int
    unpushed: int
    with_caption: int
    refused: int  # by search, for good
    unreadable: int  # folders, and files, that the last scan could not look at
    incomplete: int  # photos with their sentence alone, which wait for a model to give tags and embedding
    thumbnails_waiting: int  # files whose thumbnails are to be made again


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
        self._probed = ""

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

    def check(self, *, most_bytes: int | None = None) -> str | None:
        """Looks through all of the file, unless larger than `most_bytes`; gives what is wrong. See `note_error`."""
        if (damage := self._database.damage(most_bytes=most_bytes)) is not None:
            self._database.note_damage(damage)
        return self._database.noted_damage

    def record_error(self, error: sqlite3.Error) -> None:
        """Remembers what was met, where it is damage: `trouble` tells it, and nothing is written any more."""
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
        return None if (damage := self._database.noted_damage) is None else damage_told(path, damage)

    def probe(self) -> None:
        """Reads what pages show, of some photos only, of others the next time. Milliseconds.

        Raises `StorageError` where the file is damaged, lost, or can't be read.
        """
        try:
            ids = self.photo_ids(after=self._probed, limit=_PROBED_PHOTOS)
            self._probed = ids[-1] if len(ids) == _PROBED_PHOTOS else ""
            self.photos(ids)
            self.counts()
            self.scans.roots()
            self.queue.set_aside(1)
        except sqlite3.Error as error:
            self.record_error(error)
            raise StorageError(
                f"the catalogue can't be read: {error}", hint=hint_for(error, self._database.path)
            ) from error
        if (trouble := self.problem()) is not None:
            raise StorageError(trouble)

    def settle(self, job: Job, photo: IndexedPhoto) -> None:
        """Stores what was learnt and ends the job, in one transaction.

        The file's stamp becomes `photo.stamp`, the one after our own write, so that the next scan finds it unchanged.
        `photo.caption` None keeps the machine caption that the photo has; that one file does without our words is then
        no news of a photo whose other files have them. A file that was noted as changed again while the job was in
        hand is queued again.
        """
        with self._database.transaction() as writer:
            row = _file_of_job(writer, job)
            if row is None:
                return
            _store_photo(
                writer,
                photo,
                keep_place=photo.caption is None and is_in_other_file(writer, row, photo.content_key),
                keep_date=(photo.metadata.taken_at is None or photo.metadata.dated_by_name)
                and has_other_files(writer, row, photo.content_key),
            )
            resolve_correction(writer, row, photo)
            again = _settle_file(writer, _file_of_job(writer, job) or row, photo)
            if again:
                requeue(writer, job.id)
            else:
                writer.execute("DELETE FROM job WHERE id = ?", (job.id,))
            if photo.caption is not None and photo.tags_model is None:
                enqueue_completion(writer, row["id"])
            touch(writer, {photo.content_key, row["photo_id"] or photo.content_key})

    def settle_completion(self, job: Job, photo_id: str, seen: Caption | None) -> None:
        """Ends the job. A photo with a sentence alone gets the tags and the embedding of `seen`, where it is not None.

        The sentence stays, whatever `seen` says; where that is the same sentence, it is known now how sure it is.
        Nothing changes where a model has looked at the photo meanwhile.
        """
        with self._database.transaction() as writer:
            writer.execute("DELETE FROM job WHERE id = ?", (job.id,))
            if seen is None:
                return
            values = dict(zip(_CAPTION_COLUMNS, caption_values(seen), strict=True)) | {
                "look_model": storable(seen.model)
            }
            done = writer.execute(
                """UPDATE photo SET tags = :tags, embedding = :embedding, look_model = :look_model
                WHERE id = :id AND look_model IS NULL""",
                {"id": photo_id, **values},
            ).rowcount
            if done:
                writer.execute(
                    """UPDATE photo SET machine_words = :machine_words, machine_sure = :machine_sure
                    WHERE id = :id AND machine_text = :machine_text AND machine_model = :machine_model""",
                    {"id": photo_id, **values},
                )
                touch(writer, {photo_id})

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
        return [
            photo_from_row(rows[one], files[one], max(0, more.get(one, 0) - len(files[one])))
            for one in ids
            if one in rows
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
            (SELECT count(*) FROM photo WHERE gone = 0 AND worded = 1) AS with_caption,
            (SELECT count(*) FROM photo WHERE {_REFUSED}) AS refused,
            (SELECT count(*) FROM unreadable) AS unreadable,
            (SELECT count(*) FROM photo WHERE {INCOMPLETE}) AS incomplete,
            (SELECT count(*) FROM job JOIN file ON file.id = job.file_id
                WHERE kind = 'thumbnails' AND +state IN ('queued', 'claimed') AND missing_since IS NULL) AS remaking,
            (SELECT count(*) FROM job JOIN file ON file.id = job.file_id
                WHERE state = 'aside' AND missing_since IS NULL) AS set_aside"""
        ).fetchone()
        return Counts(
            photos=row["photos"],
            files=row["files"] - row["missing"],
            missing=row["missing"],
            queued=self.queue.queued(),
            set_aside=row["set_aside"],
            unpushed=row["unpushed"],
            with_caption=row["with_caption"],
            refused=row["refused"],
            unreadable=row["unreadable"],
            incomplete=row["incomplete"],
            thumbnails_waiting=row["remaking"],
        )

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
        at most."""
        rows = self._database.reader.execute("SELECT id FROM photo WHERE gone = 0 AND unpushed = 1 LIMIT ?", (limit,))
        return self.photos([row["id"] for row in rows], most_files=SEARCHED_FILES)

    def refused(self, limit: int = 100) -> list[Refused]:
        """Present photos that search will not have as they are, and why."""
        rows = self._database.reader.execute(
            f"SELECT id, refused_reason FROM photo WHERE {_REFUSED} ORDER BY id LIMIT ?", (limit,)
        )
        reasons = {row["id"]: Reason.from_json(row["refused_reason"]) for row in rows}
        return [Refused(photo, reasons[photo.id]) for photo in self.photos(list(reasons))]


#: Of a photo with many copies so many names of files and folders can be searched for; a document holds fewer still.
SEARCHED_FILES = 128
_PROBED_PHOTOS = 100

# The plus sign keeps to the index of what was refused, which is little: this is counted every few seconds.
_REFUSED = "+gone = 0 AND refused_revision > 0 AND refused_revision = revision"
_CAPTION_COLUMNS = (
    *("machine_text", "machine_confidence", "machine_model", "tags", "embedding"),
    *("machine_words", "machine_sure"),
)


def _file_of_job(writer: sqlite3.Connection, job: Job) -> sqlite3.Row | None:
    row: sqlite3.Row | None = writer.execute(
        """SELECT job.again, job.kind, job.rank % 10 AS rank, job.claimed_at, file.*, root.path AS root FROM job
        JOIN file ON file.id = job.file_id JOIN root ON root.id = file.root_id WHERE job.id = ?""",
        (job.id,),
    ).fetchone()
    return row


def _store_photo(writer: sqlite3.Connection, photo: IndexedPhoto, *, keep_place: bool, keep_date: bool) -> None:
    values: dict[str, Any] = dict(zip(METADATA_COLUMNS, metadata_values(photo.metadata), strict=True))
    if photo.caption is not None:
        values |= dict(zip(_CAPTION_COLUMNS, caption_values(photo.caption), strict=True))
        values["look_model"] = storable(photo.caption.model if photo.tags_model == "" else photo.tags_model)
    if photo.caption is not None or not (
        photo.caption_place is None or (photo.caption_place is CaptionPlace.INDEX and keep_place)
    ):
        values["caption_place"] = photo.caption_place.value if photo.caption_place else None
        values["caption_reason"] = stored(photo.caption_reason)
    columns = ", ".join(values)
    marks = ", ".join("?" * len(values))
    updates = ", ".join(f"{column} = {_merged_value(column, keep_date)}" for column in values)
    writer.execute(
        f"""INSERT INTO photo (id, added_at, revision, {columns}) VALUES (?, ?, 0, {marks})
        ON CONFLICT (id) DO UPDATE SET {updates}""",
        (photo.content_key, now(), *values.values()),
    )


def _merged_value(column: str, keep_date: bool) -> str:
    if keep_date and column in ("taken_at", "taken_precision"):
        return f"iif(photo.taken_at IS NULL, excluded.{column}, photo.{column})"
    return f"excluded.{column}"


def _settle_file(writer: sqlite3.Connection, row: sqlite3.Row, photo: IndexedPhoto) -> bool:
    """Stores the file's side of a settled job; returns whether there is a reason to do it again."""
    sidecar, person_caption = row["sidecar"], row["person_caption"]
    if photo.file_read:
        person_caption = storable(photo.metadata.others_words)
    writes = row["kind"] in {JobKind.WRITE_CAPTION, JobKind.RETRY_WRITE}
    if row["again"] or photo.caption_place is CaptionPlace.SIDECAR or photo.withdrawn or writes:
        path = join_root(row)
        sidecar = sidecar_fingerprint(os.path.basename(path), sidecars_beside(path))
    stamp = _stored(photo.stamp)
    noted = (row["mtime_ns"], row["size"], row["inode"])
    again = row["again"] > 1 or (bool(row["again"]) and (noted, row["sidecar"]) != (stamp, sidecar))
    writer.execute(
        """UPDATE file SET mtime_ns = ?, size = ?, inode = ?, sidecar = ?, photo_id = ?, person_caption = ?,
        settled_at = ?, ours = ?, caption_place = ?, caption_reason = ?, obstacle = ?, write_tries = ?, write_at = ?,
        read_version = ? WHERE id = ?""",
        (
            *stamp,
            sidecar,
            photo.content_key,
            person_caption,
            now(),
            embed_state_after(row, photo),
            *_place(row, photo),
            METADATA_VERSION if photo.file_read else row["read_version"],
            row["id"],
        ),
    )
    return again


def _place(row: sqlite3.Row, photo: IndexedPhoto) -> tuple[str | int | None, ...]:
    """Where the caption of this file is, why not further up, and when that is tried again; what was known where nobody
    tried."""
    if photo.caption_place is not None:
        obstacle = photo.obstacle.value if photo.obstacle else None
        waits = next_write_try(row, photo.obstacle)
        return photo.caption_place.value, stored(photo.caption_reason), obstacle, *waits
    if row["photo_id"] != photo.content_key:
        return None, None, None, 0, None
    return tuple(row[column] for column in ("caption_place", "caption_reason", "obstacle", "write_tries", "write_at"))


def _stored(stamp: FileStamp) -> tuple[int, int, int]:
    return stamp.mtime_ns, stamp.size, signed_inode(stamp.inode)
