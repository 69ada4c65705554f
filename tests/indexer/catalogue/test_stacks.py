"""Photos that are nearly the same make a stack, whatever the order in which they come; others never do."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from captioner import Caption
from indexer.catalogue import Catalogue
from indexer.catalogue.stack_rules import MOST_IN_MOMENT, PhotoName
from indexer.formats import EXTENSIONS
from indexer.model import DatePrecision, IndexedPhoto, PhotoMetadata
from indexer.scanning.crawl_rules import CrawlRules
from indexer.scanning.crawler import Crawl
from tests.libraries import write

AT = datetime(2019, 7, 2, 12, 1, 1)
CAMERA = "Canon EOS 80D"
RAW = "image/x-canon-cr2"


def look(degrees: float) -> tuple[float, ...]:
    """Embeddings whose cosine is that of the angle between them: 20 degrees are 0.94, 40 are 0.77, 80 are 0.17."""
    return (math.cos(math.radians(degrees)), math.sin(math.radians(degrees)))


@dataclass(frozen=True, slots=True)
class Made:
    """A photo by its path; `after_s` is its moment, None where it has no date."""

    name: str
    after_s: float | None = 0
    degrees: float | None = 0
    camera: str | None = CAMERA
    mime_type: str = "image/jpeg"
    precision: DatePrecision = DatePrecision.TIME
    model: str = "model-1"

    @property
    def id(self) -> str:
        return self.name[::-1].encode("utf-8", "backslashreplace").decode()


def raw(name: str, after_s: float | None = 0, degrees: float | None = 0) -> Made:
    return Made(name, after_s, degrees, mime_type=RAW)


class Library:
    """A catalogue over files whose photos are named by their paths."""

    def __init__(self, directory: Path, catalogue: Catalogue) -> None:
        self.root, self.catalogue = directory / "Pictures", catalogue
        self.root.mkdir()

    def add(self, *photos: Made) -> None:
        """Files that are found and settled."""
        wanted = {photo.name: photo for photo in photos}
        for name in wanted:
            write(self.root / name, ascii(name))
        self.scan()
        for job in self.catalogue.queue.claim(1000):
            photo = wanted[str(job.file.path.relative_to(self.root))]
            caption = None if photo.degrees is None else Caption("a dog", 0.9, (), look(photo.degrees), photo.model)
            taken_at = None if photo.after_s is None else AT + timedelta(seconds=photo.after_s)
            metadata = PhotoMetadata(photo.mime_type, 4, 3, taken_at, photo.precision, camera=photo.camera)
            self.catalogue.settle(job, IndexedPhoto(photo.id, metadata, job.file.stamp, caption))
        self.update()

    def scan(self) -> None:
        walk = self.catalogue.scans.begin_scan(self.root)
        for batch in Crawl(self.root, CrawlRules(extensions=EXTENSIONS)).batches():
            self.catalogue.scans.note(walk, batch)
        self.catalogue.scans.finish_scan(walk)

    def update(self) -> None:
        while self.catalogue.stacks.update():
            pass

    def stacks(self) -> dict[str, set[str]]:
        """Every stack by the photo that stands for it."""
        found: dict[str, set[str]] = {}
        for photo in self.catalogue.photos(self.catalogue.photo_ids()):
            if photo.stack is not None:
                found.setdefault(photo.stack, set()).add(photo.id)
                assert photo.similar == len(self.catalogue.stacks.members(photo.id)) - 1
        assert all(stands in members and len(members) > 1 for stands, members in found.items())
        return found


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    with Catalogue(tmp_path / "catalogue.db") as catalogue:
        yield Library(tmp_path, catalogue)


#: Photos that make one stack, the one that stands for it first.
TOGETHER = {
    "a RAW and its JPEG": [Made("IMG_1.JPG"), raw("IMG_1.CR2")],
    "a RAW in a folder of its own": [Made("2019/IMG_1.JPG"), raw("RAW/IMG_1.cr2", 0.4)],
    "a RAW that nobody has looked at": [Made("IMG_1.JPG"), raw("IMG_1.CR2", degrees=None)],
    "a black and white JPEG of a RAW": [Made("IMG_1.JPG", degrees=80), raw("IMG_1.CR2")],
    "Pixel's RAW": [Made("PXL_20190702_120101123.RAW-01.COVER.jpg"), raw("PXL_20190702_120101123.RAW-02.ORIGINAL.dng")],
    "Apple's edit": [Made("IMG_E1234.JPG", degrees=40), Made("IMG_1234.JPG")],
    "Apple's edit in small letters": [Made("img_e1234.jpg", degrees=40), Made("img_1234.jpg")],
    "Takeout's edit": [Made("IMG_1-edited.jpg", degrees=40), Made("IMG_1.jpg")],
    "Takeout's German edit": [Made("IMG_1-bearbeitet.jpg", degrees=40), Made("IMG_1.jpg")],
    "Lightroom's edit": [Made("DSC_1-Edit.tif", degrees=40, mime_type="image/tiff"), Made("DSC_1.JPG")],
    "a second edit": [Made("IMG_1-edited-2.jpg", -1), Made("IMG_1-edited.jpg"), Made("IMG_1.jpg")],
    "Android's edit": [Made("IMG_1~2.jpg"), Made("IMG_1.jpg")],
    "an edit without a camera": [Made("IMG_1-edited.jpg", camera=None), Made("IMG_1.jpg")],
    "an edit nobody has looked at": [Made("IMG_1-edited.jpg", degrees=None), Made("IMG_1.jpg")],
    "a numbered copy": [Made("IMG_1.jpg"), Made("IMG_1 (1).jpg", degrees=10)],
    "a copy": [Made("IMG_1.jpg"), Made("IMG_1 copy.jpg", degrees=10), Made("IMG_1 - Kopie.jpg", degrees=5)],
    "a smaller one": [Made("IMG_1.jpg"), Made("small/IMG_1.jpg", degrees=10)],
    "HEIC and JPEG": [Made("IMG_1.HEIC", mime_type="image/heic"), Made("IMG_1.JPG", degrees=10)],
    "a burst by its name": [
        Made("IMG_20190702_120101_BURST002_COVER.jpg", 0.3, 40),
        Made("IMG_20190702_120101_BURST001.jpg"),
        Made("IMG_20190702_120101_BURST003.jpg", 0.6, 20),
    ],
    "an older phone's burst": [
        Made("00100lPORTRAIT_00100_BURST20190702120101123_COVER.jpg", 1),
        Made("00000lPORTRAIT_00000_BURST20190702120101123.jpg", degrees=None),
    ],
    "a burst by its look": [Made(f"DSC_000{number}.JPG", number * 0.5, number * 2) for number in range(1, 10)],
    "a burst of one second": [Made(f"DSC_00{number}.JPG", 0, number) for number in range(10, 20)],
    "RAW and JPEG of a burst": [
        *[Made("DSC_1.JPG"), Made("DSC_2.JPG", 1, 5)],
        *[raw("DSC_1.NEF", degrees=10), raw("DSC_2.NEF", 1, 5)],
    ],
    "an edited one of a burst": [Made("DSC_2-edited.JPG", 1, 5), Made("DSC_1.JPG"), Made("DSC_2.JPG", 1, 5)],
    "an edit without a date": [Made("IMG_1-edited.jpg", None, 10), Made("IMG_1.jpg")],
    "neither has a date": [Made("IMG_1-edited.jpg", None, 10), Made("IMG_1.jpg", None)],
    "Apple's edit without a date": [Made("IMG_E1234.JPG", None, 10), Made("IMG_1234.JPG")],
    "a name that is no UTF-8": [Made("caf\udce9-edited.jpg"), Made("caf\udce9.jpg")],
}

#: Photos of which none belongs with another.
APART = {
    "a moment, another look": [Made("DSC_1.JPG"), Made("DSC_2.JPG", 1, 40)],
    "the same look, later": [Made("DSC_1.JPG"), Made("DSC_2.JPG", 4)],
    "two cameras": [Made("a.jpg"), Made("b.jpg", camera="Google Pixel 7")],
    "two cameras, one name": [Made("a/IMG_1.jpg"), Made("b/IMG_1.jpg", camera="Google Pixel 7")],
    "no camera": [Made("a.jpg", camera=None), Made("b.jpg", camera=None)],
    "no look": [Made("DSC_1.JPG", degrees=None), Made("DSC_2.JPG", degrees=None)],
    "looks of two models": [Made("DSC_1.JPG"), Made("DSC_2.JPG", 1, model="model-2")],
    "an edit of which little is left": [Made("IMG_1-collage.jpg", degrees=80), Made("IMG_1.jpg")],
    "a numbered name, another picture": [Made("IMG_1 (1).jpg", 1, 40), Made("IMG_1.jpg")],
    "Samsung's second of a second": [
        Made("20190702_120101(0).jpg", degrees=None),
        Made("20190702_120101.jpg", degrees=None),
    ],
    "one number again, years later": [Made("2019/IMG_1.JPG"), raw("2021/IMG_1.CR2", 9e7)],
    "an edit of another day": [Made("IMG_1-edited.jpg", 9e7), Made("IMG_1.jpg")],
    "the day alone is known": [
        Made("a.jpg", -43261, precision=DatePrecision.DAY),
        Made("b.jpg", -43261, precision=DatePrecision.DAY),
    ],
    "midnight": [Made("a.jpg", -43261), Made("b.jpg", -43261)],
    "without a date, another name": [Made("scan 1.jpg", None), Made("scan 2.jpg", None)],
    "without a date, another look": [Made("IMG_1-edited.jpg", None, 40), Made("IMG_1.jpg", None)],
    "without a date or a look": [Made("IMG_1-edited.jpg", None, None), Made("IMG_1.jpg", None, None)],
    "without a date, in two folders": [Made("a/IMG_1.jpg", None), Made("b/IMG_1.jpg", None)],
    "names that only begin alike": [Made("IMG_1.jpg", None), Made("IMG_12.jpg", None)],
}


@pytest.mark.parametrize("kind", TOGETHER)
def test_what_is_nearly_the_same_makes_one_stack(library: Library, kind: str) -> None:
    photos = TOGETHER[kind]
    library.add(*photos, Made("other.jpg", 40, 80))
    assert library.stacks() == {photos[0].id: {photo.id for photo in photos}}


@pytest.mark.parametrize("kind", APART)
def test_what_is_not_stays_apart(library: Library, kind: str) -> None:
    library.add(*APART[kind])
    assert library.stacks() == {}


@pytest.mark.parametrize("kind", TOGETHER)
def test_they_may_come_one_by_one_in_any_order(library: Library, kind: str) -> None:
    photos = list(TOGETHER[kind])
    random.Random(kind).shuffle(photos)
    for photo in photos:
        library.add(photo)
    assert library.stacks() == {TOGETHER[kind][0].id: {photo.id for photo in photos}}


def test_a_burst_that_wanders_off_does_not_take_everything_along(library: Library) -> None:
    library.add(*(Made(f"DSC_{number:04}.JPG", number, 10 * number) for number in range(20)))
    assert sorted(map(len, library.stacks().values())) == [2, 6, 6, 6]


def test_a_clock_that_stands_still_tells_nothing(library: Library) -> None:
    library.add(*(Made(f"DSC_{number:04}.JPG") for number in range(MOST_IN_MOMENT + 1)))
    assert library.stacks() == {}


def test_what_is_lost_leaves_its_stack_and_what_comes_back_is_in_it_again(library: Library) -> None:
    edited, plain, third = Made("IMG_1-edited.jpg", -1), Made("IMG_1.jpg"), Made("IMG_1~2.jpg")
    library.add(edited, plain, third)
    revisions = _revisions(library, (plain.id, third.id))
    (library.root / edited.name).rename(library.root.parent / "kept")
    library.scan()
    library.update()
    assert library.stacks() == {third.id: {plain.id, third.id}}
    assert all(now > revisions[one] for one, now in _revisions(library, revisions).items())
    (library.root.parent / "kept").rename(library.root / edited.name)
    library.scan()
    library.update()
    assert set(library.stacks()[edited.id]) == {edited.id, plain.id, third.id}


def test_a_renamed_file_may_leave_its_stack(library: Library) -> None:
    library.add(Made("IMG_1-edited.jpg", degrees=40), Made("IMG_1.jpg"))
    (library.root / "IMG_1-edited.jpg").rename(library.root / "holiday.jpg")
    library.scan()
    library.update()
    assert library.stacks() == {}


def test_a_photo_that_was_not_touched_is_pushed_no_more(library: Library) -> None:
    library.add(Made("IMG_1-edited.jpg"), Made("IMG_1.jpg"), Made("other.jpg", 40, 80))
    before = _revisions(library, library.catalogue.photo_ids())
    library.add(Made("IMG_2.jpg", 60))
    library.update()
    assert _revisions(library, before) == before
    assert library.catalogue.stacks.update() == 0


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("IMG_1234.JPG", "img_1234"),
        ("IMG_E1234.HEIC", "img_1234"),
        ("IMG_1234 (1)-edited.jpg", "img_1234"),
        ("IMG_1234-EDIT.jpg", "img_1234"),
        ("Bearbeitet.jpg", "bearbeitet"),
        ("edited.jpg", "edited"),
        ("(1).jpg", "(1)"),
        (".jpg", ".jpg"),
        ("", ""),
    ],
)
def test_names(name: str, key: str) -> None:
    assert PhotoName.of(name).key == key


@pytest.mark.parametrize("part", ["-edited", "(1)", " (1)", "burst", "_", "~1", " copy 1", "edited"])
def test_a_hostile_name_is_little_work(part: str) -> None:
    name = (part * 255)[:251] + ".jpg"  # no file system has longer ones
    started = time.process_time()
    for _ in range(20):
        PhotoName.of(name)
    assert time.process_time() - started < 2


def _revisions(library: Library, ids: Iterable[str]) -> dict[str, int]:
    return {photo.id: photo.revision for photo in library.catalogue.photos(list(ids))}
