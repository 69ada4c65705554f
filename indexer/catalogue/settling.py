"""What a journey learnt of a photo becomes rows, inside a transaction of the caller's."""

# ruff: noqa: S608 - the SQL is put together from this package's own constants; values are always bound
# ruff: noqa: PTH119 - paths are the file system's own bytes here, which pathlib does not take

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable
from datetime import UTC, datetime

from captioner import Caption
from indexer.catalogue.corrections import HAS_OUR_WORDS, StoredCorrection, enqueue_caption_writes, store_correction
from indexer.catalogue.face_rows import apply_labels
from indexer.catalogue.file_rows import join_root, touch
from indexer.catalogue.found import sidecar_fingerprint, sidecars_beside, signed_inode
from indexer.catalogue.job_queue import enqueue_completion, requeue
from indexer.catalogue.retries import next_write_try
from indexer.catalogue.rows import caption_values, metadata_values, now, storable
from indexer.images.measures import MEASURES_VERSION
from indexer.model import METADATA_VERSION, CaptionPlace, EmbedState, IndexedPhoto, Job, JobKind
from indexer.reasons import stored
from indexer.sqlite.database import Database


def settle(writer: sqlite3.Connection, job: Job, photo: IndexedPhoto) -> None:
    """Stores what was learnt and ends the job.

    The file's stamp becomes `photo.stamp`, the one after our own write, so that the next scan finds it unchanged.
    `photo.caption` None keeps the machine caption that the photo has; that one file does without our words is then no
    news of a photo whose other files have them. A file that was noted as changed again while the job was in hand is
    queued again.
    """
    row = _file_of_job(writer, job)
    if row is None:
        return
    _store_photo(writer, row, photo)
    _resolve_correction(writer, row, photo)
    if _settle_file(writer, _file_of_job(writer, job) or row, photo):
        requeue(writer, job.id)
    else:
        writer.execute("DELETE FROM job WHERE id = ?", (job.id,))
    if photo.file_read:
        apply_labels(writer, photo.content_key, photo.metadata.regions)
    if photo.caption is not None and photo.tags_model is None:
        enqueue_completion(writer, row["id"])
    touch(writer, {photo.content_key, row["photo_id"] or photo.content_key})


def complete(writer: sqlite3.Connection, photo_id: str, caption: Caption) -> None:
    """A photo with a sentence alone gets the tags and the embedding of `caption`.

    The sentence stays, whatever `caption` says; where that is the same sentence, it is known now how sure it is.
    Nothing changes where the photo has got tags and embedding meanwhile.
    """
    values = {"id": photo_id, "look_model": storable(caption.model), **caption_values(caption)}
    done = writer.execute(
        """UPDATE photo SET tags = :tags, embedding = :embedding, look_model = :look_model
        WHERE id = :id AND look_model IS NULL""",
        values,
    ).rowcount
    if done:
        writer.execute(
            """UPDATE photo SET machine_words = :machine_words, machine_sure = :machine_sure
            WHERE id = :id AND machine_text = :machine_text AND machine_model = :machine_model""",
            values,
        )
        touch(writer, {photo_id})


class Measured:
    """The measures of photos that are known already; those of new ones are settled with the photo."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def lacking(self, *, after: str = "", limit: int = 100) -> list[str]:
        """Ids of present photos that were not measured, in their order; pass the last one as `after`."""
        rows = self._database.reader.execute(
            "SELECT id FROM photo WHERE measures IS NULL AND gone = 0 AND id > ? ORDER BY id LIMIT ?", (after, limit)
        )
        return [row["id"] for row in rows]

    def store(self, measured: Iterable[tuple[str, bytes]]) -> None:
        """(id, measures) of photos, empty where one can't be measured; search hears of them."""
        with self._database.transaction() as writer:
            writer.executemany(
                "UPDATE photo SET measures = ?, revision = revision + 1 WHERE id = ?",
                [(measures, photo_id) for photo_id, measures in measured],
            )

    def forget_outdated(self) -> int:
        """Has photos measured again that another version measured, or could not; returns how many there are."""
        return self._database.write(
            "UPDATE photo SET measures = NULL WHERE measures IS NOT NULL AND substr(measures, 1, 1) IS NOT ?",
            (bytes([MEASURES_VERSION]),),
        )


def _file_of_job(writer: sqlite3.Connection, job: Job) -> sqlite3.Row | None:
    row: sqlite3.Row | None = writer.execute(
        """SELECT job.again, job.kind, job.rank % 10 AS rank, job.claimed_at, file.*, root.path AS root FROM job
        JOIN file ON file.id = job.file_id JOIN root ON root.id = file.root_id WHERE job.id = ?""",
        (job.id,),
    ).fetchone()
    return row


def _store_photo(writer: sqlite3.Connection, row: sqlite3.Row, photo: IndexedPhoto) -> None:
    values = metadata_values(photo.metadata)
    keeps_caption = photo.caption is None
    if photo.caption is not None:
        values |= caption_values(photo.caption)
        values["look_model"] = storable(photo.caption.model if photo.tags_model == "" else photo.tags_model)
    if photo.measures is not None:
        values["measures"] = photo.measures
    keeps_place = photo.caption_place is None or (
        photo.caption_place is CaptionPlace.INDEX and _has_other_file(writer, row, photo, f"AND {HAS_OUR_WORDS}")
    )
    if not (keeps_caption and keeps_place):
        values["caption_place"] = photo.caption_place.value if photo.caption_place else None
        values["caption_reason"] = stored(photo.caption_reason)
    updates = {column: f"excluded.{column}" for column in values}
    if (photo.metadata.taken_at is None or photo.metadata.dated_by_name) and _has_other_file(writer, row, photo):
        for column in ("taken_at", "taken_precision"):
            updates[column] = f"iif(photo.taken_at IS NULL, excluded.{column}, photo.{column})"
    writer.execute(
        f"""INSERT INTO photo (id, added_at, revision, {", ".join(values)})
        VALUES (?, ?, 0, {", ".join("?" * len(values))})
        ON CONFLICT (id) DO UPDATE SET {", ".join(f"{column} = {value}" for column, value in updates.items())}""",
        (photo.content_key, now(), *values.values()),
    )


def _has_other_file(writer: sqlite3.Connection, row: sqlite3.Row, photo: IndexedPhoto, condition: str = "") -> bool:
    """Whether another present file shows the photo that is seen in the file of `row` now."""
    others = writer.execute(
        f"SELECT 1 FROM file WHERE photo_id = ? AND id <> ? AND missing_since IS NULL {condition} LIMIT 1",
        (photo.content_key, row["id"]),
    )
    return others.fetchone() is not None


def _resolve_correction(writer: sqlite3.Connection, row: sqlite3.Row, photo: IndexedPhoto) -> None:
    """What the words in a file that was read mean for the photo's correction.

    `row` is the file's, with its job's `kind` and `claimed_at`, before anything of this reading is stored in it.
    """
    known = StoredCorrection.of(writer, photo.content_key)
    if known is None or not photo.file_read:
        return
    found = photo.metadata.correction
    carries_out = row["kind"] == JobKind.WRITE_CAPTION and row["photo_id"] == photo.content_key
    if found is not None and not carries_out and (known.at is None or (found.at and found.at > known.at)):
        moment = min(found.at or datetime.now(UTC), datetime.now(UTC))
        store_correction(writer, photo.content_key, found.text, moment)
        enqueue_caption_writes(writer, photo.content_key, but=row["id"])
    elif known.text is not None and known.at is not None and _is_overtaken(row, photo, known.text, known.at):
        store_correction(writer, photo.content_key, None, datetime.now(UTC))
        enqueue_caption_writes(writer, photo.content_key)
    elif found is not None and not carries_out and found.text != known.text:
        enqueue_caption_writes(writer, photo.content_key, only=row["id"])


def _is_overtaken(row: sqlite3.Row, photo: IndexedPhoto, text: str, typed_at: datetime) -> bool:
    """Whether somebody has put other words into a known file after the correction was typed."""
    theirs = storable(photo.metadata.others_words)
    if theirs is None or theirs in (text, row["person_caption"]):
        return False
    if row["photo_id"] != photo.content_key or row["settled_at"] is None:
        return False  # a file never seen before says nothing about when
    if row["kind"] == JobKind.WRITE_CAPTION:
        # It is read for the first time since then; an edit that keeps the file's time counts as earlier.
        return datetime.fromtimestamp(photo.stamp.mtime_ns / 1e9, UTC) > typed_at
    return row["claimed_at"] is None or datetime.fromisoformat(row["claimed_at"]) > typed_at


def _settle_file(writer: sqlite3.Connection, row: sqlite3.Row, photo: IndexedPhoto) -> bool:
    """Stores the file's side of a settled job; returns whether there is a reason to do it again."""
    sidecar, person_caption = row["sidecar"], row["person_caption"]
    if photo.file_read:
        person_caption = storable(photo.metadata.others_words)
    writes = row["kind"] in {JobKind.WRITE_CAPTION, JobKind.RETRY_WRITE, JobKind.WRITE_NAMES}
    if row["again"] or photo.caption_place is CaptionPlace.SIDECAR or photo.withdrawn or writes:
        path = join_root(row)
        sidecar = sidecar_fingerprint(os.path.basename(path), sidecars_beside(path))
    stamp = (photo.stamp.mtime_ns, photo.stamp.size, signed_inode(photo.stamp.inode))
    noted = (row["mtime_ns"], row["size"], row["inode"])
    writer.execute(
        """UPDATE file SET mtime_ns = ?, size = ?, inode = ?, sidecar = ?, photo_id = ?, person_caption = ?,
        settled_at = ?, ours = ?, caption_place = ?, caption_reason = ?, obstacle = ?, write_tries = ?, write_at = ?,
        read_version = ? WHERE id = ?""",
        (
            *(*stamp, sidecar, photo.content_key, person_caption, now()),
            *(_embed_state(row, photo), *_caption_place(row, photo)),
            *(METADATA_VERSION if photo.file_read else row["read_version"], row["id"]),
        ),
    )
    return row["again"] > 1 or (bool(row["again"]) and (noted, row["sidecar"]) != (stamp, sidecar))


def _embed_state(row: sqlite3.Row, photo: IndexedPhoto) -> EmbedState | None:
    """What is known of our words in a file after a settled job; `row` as `_resolve_correction` takes it."""
    before = EmbedState(row["ours"]) if row["ours"] and row["photo_id"] == photo.content_key else None
    if photo.removed_on_purpose:
        return EmbedState.REMOVED
    if photo.caption_place not in {None, CaptionPlace.INDEX}:
        had_none = before in {EmbedState.REMOVED, EmbedState.CORRECTION_ONLY}
        return EmbedState.CORRECTION_ONLY if had_none else EmbedState.PRESENT
    if photo.withdrawn:
        return None
    if not photo.file_read:
        return before
    if photo.metadata.machine_caption is not None or photo.metadata.correction is not None:
        return EmbedState.CORRECTION_ONLY if before is EmbedState.CORRECTION_ONLY else EmbedState.PRESENT
    if before is EmbedState.REMOVED:
        return before
    # Another program has changed some of the fields: an undo still has the rest to do.
    is_partly_ours = photo.metadata.marked and photo.metadata.others_words is not None
    return (before or EmbedState.PRESENT) if is_partly_ours else None


def _caption_place(row: sqlite3.Row, photo: IndexedPhoto) -> tuple[str | int | None, ...]:
    """Where the caption of this file is, why not further up, and when that is tried again; what was known where nobody
    tried."""
    if photo.caption_place is not None:
        obstacle = photo.obstacle.value if photo.obstacle else None
        waits = next_write_try(row, photo.obstacle)
        return photo.caption_place.value, stored(photo.caption_reason), obstacle, *waits
    if row["photo_id"] != photo.content_key:
        return None, None, None, 0, None
    return tuple(row[column] for column in ("caption_place", "caption_reason", "obstacle", "write_tries", "write_at"))
