"""Sentences that older versions stored become codes when their catalogue is opened."""

from __future__ import annotations

from pathlib import Path

import pytest

from indexer.catalogue.reasons_migration import reason_of
from indexer.catalogue.schema import CATALOGUE_MIGRATIONS
from indexer.reasons import Reason, ReasonCode
from indexer.sqlite.database import Database

HINT = "Mount or restore the folder; or, if they are meant to be gone, run: recollect index --accept-losses"
#: What a version of before stored, and its code now.
SENTENCES = {
    "the disk is full": ReasonCode.DISK_FULL,
    "the file is empty (0 bytes)": ReasonCode.FILE_EMPTY,
    "the file breaks off or is damaged: only 31% of the picture can be read": ReasonCode.PICTURE_BREAKS_OFF,
    "the file is damaged or of a kind that can't be shown (no (such) box)": ReasonCode.FILE_NOT_SHOWABLE,
    "the file can't be read (%(value1)s <b>\n)": ReasonCode.READ_FAILED,
    "the file has several XMP packets; no sidecar: the disk is full": ReasonCode.SEVERAL,
    "the disk is full; no sidecar either": ReasonCode.SEVERAL,
    "the sidecar a: b.xmp may hold a person's caption: it is odd": ReasonCode.SIDECAR_MAY_DESCRIBE,
    "the photo itself is done; the disk is full": ReasonCode.PHOTO_DONE,
    f"/a of 3: 21 of 100 photos are gone at once; nothing was removed. {HINT}": ReasonCode.ROOT_LOST_PHOTOS,
    f"/a can't be read (recollect may not read it); nothing was removed. {HINT}": ReasonCode.ROOT_UNREADABLE,
    "the model is not sure of it": ReasonCode.UNSURE,
    "said by nobody; and by nobody else": ReasonCode.OTHER,
    "": ReasonCode.OTHER,
    "the file can't be read (" + "(" * 9000 + ")": ReasonCode.OTHER,
}


@pytest.mark.parametrize("sentence", SENTENCES, ids=lambda sentence: repr(sentence[:30]))
def test_a_sentence_becomes_a_code_that_says_the_same(sentence: str) -> None:
    reason = reason_of(sentence)
    assert (reason.code, str(reason)) == (SENTENCES[sentence], sentence)


@pytest.mark.parametrize("code", [code for code in ReasonCode if not code.parameters])
def test_every_sentence_without_parameters_is_recognised(code: ReasonCode) -> None:
    assert reason_of(code.template % {}) == Reason(code)


def test_a_sentence_that_was_worded_otherwise_is_said_as_today() -> None:
    assert reason_of("an AFCP trailer holds absolute positions in the file").code is ReasonCode.AFCP_TRAILER


@pytest.mark.timeout(60)
@pytest.mark.parametrize("text", [": ", " of ", " photos are gone at once; nothing was removed. ", " x ", " is ", "; "])
def test_a_sentence_that_is_like_many_templates_is_no_work(text: str) -> None:
    sentence = "the picture is too large: " + text * (3900 // len(text))
    assert str(reason_of(sentence)) == sentence


def test_the_catalogue_of_an_older_version_has_codes_once_it_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.db"
    before = [one for one in CATALOGUE_MIGRATIONS if one[0] != "catalogue-reasons"]
    with Database(path, before) as database, database.transaction() as writer:
        writer.execute("INSERT INTO root (id, path, held_back) VALUES (1, x'61', ?)", (f"/a is empty {HINT}",))
        for number, reason in enumerate(["the disk is full", "the disk is full", None]):
            writer.execute(
                """INSERT INTO photo (id, mime_type, width_px, height_px, added_at, caption_reason, refused_reason)
                VALUES (?, 'image/jpeg', 1, 1, '2020', ?, ?)""",
                (str(number), reason, "too large"),
            )
            writer.execute(
                """INSERT INTO file (id, root_id, folder, name, mtime_ns, size, inode, caption_reason)
                VALUES (?, 1, x'', CAST(? AS BLOB), 1, 1, 1, ?)""",
                (number, str(number), reason),
            )
        writer.execute("INSERT INTO job (file_id, kind, reason) VALUES (1, 'index', 'the file is empty (0 bytes)')")
    with Database(path, CATALOGUE_MIGRATIONS) as database:
        full = Reason(ReasonCode.DISK_FULL).to_json()
        told = [row[0] for row in database.reader.execute("SELECT caption_reason FROM photo ORDER BY id")]
        assert told == [full, full, None]
        told = [row[0] for row in database.reader.execute("SELECT caption_reason FROM file ORDER BY id")]
        assert told == [full, full, None]
        (job,) = database.reader.execute("SELECT reason FROM job").fetchone()
        assert Reason.from_json(job) == Reason(ReasonCode.FILE_EMPTY)
        (refused,) = database.reader.execute("SELECT DISTINCT refused_reason FROM photo").fetchone()
        assert Reason.from_json(refused) == Reason.of(ReasonCode.OTHER, sentence="too large")
        (held_back,) = database.reader.execute("SELECT held_back FROM root").fetchone()
        assert str(Reason.from_json(held_back)) == f"/a is empty {HINT}"
