"""What a grid shows of a photo is what the whole photo says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from captioner import Caption
from indexer.catalogue import Catalogue
from indexer.model import DatePrecision, FileStamp, FoundFile, IndexedPhoto, Photo, PhotoMetadata, PhotoSummary
from tests.web.library_made import TAKEN

_KEYS = tuple(f"{number:032x}" for number in range(1, 9))


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    """Eight photos: with each kind of caption, and without."""
    root = tmp_path / "Pictures"
    root.mkdir()
    sure, unsure = (Caption("a dog on a beach", confidence, (), None, "made-1") for confidence in (0.9, 0.1))
    plain = PhotoMetadata(mime_type="image/jpeg", width_px=4000, height_px=3000, taken_at=TAKEN)
    told = [
        (plain, sure),
        (plain, unsure),
        (replace(plain, person_caption="Anna's birthday"), unsure),
        (plain, None),
        (replace(plain, taken_at=None, width_px=1), None),
        (replace(plain, taken_precision=DatePrecision.YEAR), sure),
        (plain, sure),
        (plain, replace(sure, text="")),
    ]
    with Catalogue(tmp_path / "catalogue.db") as catalogue:
        names = [root / f"{at}/photo \udcff{at}.jpg" for at in range(len(told))]
        walk = catalogue.scans.begin_scan(root)
        catalogue.scans.note(walk, [FoundFile(root, path, FileStamp(1, 2, at + 3)) for at, path in enumerate(names)])
        for job in catalogue.queue.claim(50):
            at = names.index(job.file.path)
            metadata, caption = told[at]
            catalogue.settle(job, IndexedPhoto(_KEYS[at], metadata, job.file.stamp, caption))
        catalogue.corrections.correct(_KEYS[5], "typed on the page")
        catalogue.feedback.mark_wrong(_KEYS[6])
        yield catalogue


def glimpsed(photo: Photo) -> PhotoSummary:
    """The same of the whole photo."""
    return PhotoSummary(
        id=photo.id,
        width_px=photo.metadata.width_px,
        height_px=photo.metadata.height_px,
        taken_at=photo.metadata.taken_at,
        taken_precision=photo.metadata.taken_precision,
        caption=photo.caption,
        caption_by=photo.caption_by,
        unsure=photo.unsure,
        wrong=photo.wrong,
        file_name="" if photo.caption else photo.files[0].path.name,
    )


def test_a_glimpse_says_what_the_photo_says(catalogue: Catalogue) -> None:
    wanted = [*reversed(_KEYS), "f" * 32]
    photos = catalogue.photos(wanted)
    assert [one.id for one in photos] == list(reversed(_KEYS))
    assert catalogue.summaries(wanted) == [glimpsed(photo) for photo in photos]
    assert {one.wrong for one in photos} == {True, False}
    assert {one.unsure for one in photos} == {True, False}
    assert len([one for one in photos if not one.caption]) == 4


def test_a_glimpse_follows_every_change(catalogue: Catalogue) -> None:
    key = _KEYS[0]
    for change in (
        lambda: catalogue.corrections.correct(key, "a cat"),
        lambda: catalogue.corrections.withdraw(key),
        lambda: catalogue.feedback.mark_wrong(key),
        lambda: catalogue.feedback.unmark_wrong(key),
    ):
        before = catalogue.summaries([key])
        change()
        (photo,) = catalogue.photos([key])
        assert catalogue.summaries([key]) == [glimpsed(photo)] != before
