"""What the catalogue keeps of a caption beside its sentence: the probability of its words, and whether it is sure."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from captioner import Caption, Tag
from indexer.catalogue import Catalogue
from indexer.catalogue.schema import CATALOGUE_MIGRATIONS
from indexer.jobs.pipeline import UNSURE
from indexer.model import CaptionPlace, EmbedState, IndexedPhoto, JobKind, Photo
from indexer.sqlite.database import Database
from tests.libraries import WORDS, indexed, rescan, settle_all
from tests.reasons_made import reason_saying

EVIDENCE = (Tag("dog", 0.875), Tag("beach", 0.25))
NOTHING = Caption("", 0.9, (), None, WORDS.model)


def settled(catalogue: Catalogue, caption: Caption) -> Photo:
    settle_all(catalogue, caption=caption)
    [photo] = catalogue.photos(catalogue.photo_ids())
    return photo


def stored(photo: Photo) -> Caption:
    assert photo.machine is not None
    return replace(photo.machine, embedding=WORDS.embedding)  # kept as float16


@pytest.mark.parametrize("sure", [True, False])
def test_words_and_sure_are_kept(catalogue: Catalogue, sure: bool) -> None:
    said = replace(WORDS, words=EVIDENCE, sure=sure, confidence=0.1)
    photo = settled(catalogue, said)
    assert stored(photo) == said
    assert photo.unsure is not sure, "whatever the confidence is: the model says it itself"
    assert [one.unsure for one in catalogue.summaries([photo.id])] == [not sure]


@pytest.mark.parametrize(("confidence", "sure"), [(0.39, False), (0.4, True)])
def test_a_model_without_evidence_is_sure_by_its_confidence(
    catalogue: Catalogue, confidence: float, sure: bool
) -> None:
    photo = settled(catalogue, replace(WORDS, confidence=confidence))
    assert stored(photo) == replace(WORDS, confidence=confidence, sure=sure)
    assert photo.unsure is not sure


def test_an_empty_sentence_is_no_caption_and_can_t_be_wrong(catalogue: Catalogue) -> None:
    photo = settled(catalogue, NOTHING)
    assert (photo.caption, photo.nothing_seen, photo.unsure, photo.wrong) == ("", True, False, False)
    assert catalogue.counts().with_caption == 0
    assert not catalogue.feedback.mark_wrong(photo.id)
    assert catalogue.queue.count_missing_work(JobKind.CAPTION, model=NOTHING.model) == 0
    assert catalogue.queue.count_missing_work(JobKind.CAPTION, model="a newer one") == 1
    catalogue.corrections.correct(photo.id, "the lens cap")
    [photo] = catalogue.photos([photo.id])
    assert (photo.nothing_seen, catalogue.counts().with_caption) == (False, 1)


WRITTEN = reason_saying("written")


def test_what_is_in_no_file_is_counted_by_its_reason(catalogue: Catalogue, root: Path) -> None:
    for name in ("b.jpg", "c.jpg", "d.jpg"):
        (root / name).write_bytes(name.encode())
    rescan(catalogue, root)
    for job, reason in zip(catalogue.queue.claim(9), (UNSURE, UNSURE, None, WRITTEN), strict=True):
        place = CaptionPlace.EXIF if reason == WRITTEN else CaptionPlace.INDEX
        catalogue.settle(job, replace(indexed(job), caption_place=place, caption_reason=reason))
    assert list(catalogue.unwritten().items()) == [(UNSURE, 2), (None, 1)]
    (root / "a.jpg").unlink()
    rescan(catalogue, root)
    assert sum(catalogue.unwritten().values()) == 2, "of photos that are there"


def test_words_that_we_took_out_ourselves_were_not_taken_out_on_purpose(catalogue: Catalogue) -> None:
    (job,) = catalogue.queue.claim(1)
    catalogue.settle(job, replace(indexed(job), caption_place=CaptionPlace.EXIF))
    catalogue.queue.enqueue_all(JobKind.CAPTION, model="model-2")
    (job,) = catalogue.queue.claim(1)
    assert job.embed_state is EmbedState.PRESENT
    catalogue.corrections.record_withdrawal(job)
    (kept,) = (file for _, file in catalogue.corrections.captioned_files())
    unsure = replace(WORDS, model="model-2", sure=False)
    photo = IndexedPhoto(str(job.content_key), indexed(job).metadata, kept.stamp, unsure, CaptionPlace.INDEX, UNSURE)
    catalogue.settle(job, replace(photo, file_read=False, withdrawn=True))
    assert catalogue.corrections.captioned_files() == []
    catalogue.queue.enqueue_all(JobKind.CAPTION, model="model-3")
    (job,) = catalogue.queue.claim(1)
    assert job.embed_state is None


def test_a_catalogue_of_before_is_sure_by_the_rule_of_before(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    Database(path, CATALOGUE_MIGRATIONS[:5]).close()
    with closing(sqlite3.connect(path)) as old, old:
        old.executemany(
            """INSERT INTO photo (id, mime_type, width_px, height_px, machine_text, machine_confidence, machine_model,
            tags, added_at, search_revision) VALUES (?, 'image/jpeg', 4, 3, ?, ?, 'm', '[["dog", 0.5]]',
            '2024-01-01T00:00:00+00:00', 1)""",
            [("low", "a dog", 0.39), ("high", "a dog", 0.4), ("none", None, None)],
        )
    with Catalogue(path) as opened:
        low, high, none = opened.photos(["low", "high", "none"])
        assert low.machine is not None
        assert high.machine is not None
        assert (low.machine.words, low.machine.sure, low.unsure) == ((), False, True)
        assert (high.machine.words, high.machine.sure, high.unsure) == ((), True, False)
        assert none.machine is None
        assert [photo.id for photo in opened.unpushed(9)] == ["low"], "search has to hear of what is unsure"
        assert opened.counts().with_caption == 2
