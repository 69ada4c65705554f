"""The durable queue: attempts, deaths, clean stops, kill -9 and many threads."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from indexer.catalogue import Catalogue
from indexer.catalogue.job_queue import DEATH_KIND, DEATH_REASON
from indexer.model import JobKind
from tests.libraries import WORDS, found, indexed, key_of, note_one, rescan, settle_all, write
from tests.reasons_made import reason_saying


@pytest.fixture
def root(tmp_path: Path) -> Path:
    library = tmp_path / "library"
    for number in range(6):
        write(library / f"{number}.jpg")
    return library


def test_claiming_counts_attempts_and_hands_out_each_job_once(catalogue: Catalogue) -> None:
    first, second = catalogue.queue.claim(4), catalogue.queue.claim(4)
    assert [job.file.path.name for job in first + second] == [f"{number}.jpg" for number in range(6)]
    assert {job.attempt for job in first + second} == {1}
    assert catalogue.queue.claim(4) == []
    assert catalogue.queue.queued() == 6


def test_two_jobs_for_one_file_are_not_in_hand_together(catalogue: Catalogue) -> None:
    settle_all(catalogue)
    for kind in (JobKind.METADATA, JobKind.THUMBNAILS):
        assert catalogue.queue.enqueue_all(kind) == 6
    jobs = catalogue.queue.claim(12)
    assert len({job.file.path for job in jobs}) == len(jobs) == 6
    assert catalogue.queue.claim(12) == []


def test_a_released_job_was_never_tried(catalogue: Catalogue) -> None:
    catalogue.queue.release(catalogue.queue.claim(6))
    assert {job.attempt for job in catalogue.queue.claim(6)} == {1}


def test_a_photo_that_kills_three_times_is_set_aside_and_the_others_go_on(catalogue: Catalogue) -> None:
    """Every process takes four photos in hand and dies as soon as 2.jpg is among them."""
    deaths, done = 0, []
    while True:
        jobs = catalogue.queue.claim(4)
        if not jobs:
            break
        if any(job.file.path.name == "2.jpg" for job in jobs):
            deaths += 1
            catalogue.queue.recover()
            continue
        for job in jobs:
            catalogue.settle(job, indexed(job))
            done.append(job.file.path.name)
    assert deaths == 3
    assert sorted(done) == ["0.jpg", "1.jpg", "3.jpg", "4.jpg", "5.jpg"]
    [aside] = catalogue.queue.set_aside()
    assert (aside.file.relative, aside.reason, aside.kind, aside.attempts) == ("2.jpg", DEATH_REASON, DEATH_KIND, 3)


def test_suspects_come_last_and_alone(catalogue: Catalogue) -> None:
    catalogue.queue.claim(2)
    assert catalogue.queue.recover() == 2
    others = catalogue.queue.claim(9)
    assert [job.file.path.name for job in others] == ["2.jpg", "3.jpg", "4.jpg", "5.jpg"]
    assert catalogue.queue.claim(9) == [], "others are still in hand"
    for job in others:
        catalogue.settle(job, indexed(job))
    [suspect] = catalogue.queue.claim(9)
    assert (suspect.file.path.name, suspect.attempt) == ("0.jpg", 2)
    catalogue.settle(suspect, indexed(suspect))
    assert len(settle_all(catalogue)) == 1


def test_failing_finally_sets_aside_and_otherwise_after_three_attempts(catalogue: Catalogue) -> None:
    [first, second] = catalogue.queue.claim(2)
    catalogue.queue.fail(first, reason_saying("the file is damaged"), kind="unreadable", final=True)
    for _ in range(3):
        catalogue.queue.fail(second, reason_saying("the disk did not answer \udcff"), kind="vanished", final=False)
        later = catalogue.queue.claim(9)
        second = next((job for job in later if job.id == second.id), second)
        catalogue.queue.release([job for job in later if job.id != second.id])
    aside = {item.file.relative: item for item in catalogue.queue.set_aside()}
    assert aside.keys() == {"0.jpg", "1.jpg"}
    assert (aside["0.jpg"].reason, aside["0.jpg"].attempts) == (reason_saying("the file is damaged"), 1)
    assert (aside["1.jpg"].kind, aside["1.jpg"].attempts) == ("vanished", 3)
    assert (catalogue.counts().set_aside, catalogue.counts().queued) == (2, 4)


def test_a_failed_job_waits_behind_the_untried(catalogue: Catalogue) -> None:
    [job] = catalogue.queue.claim(1)
    catalogue.queue.fail(job, reason_saying("later"), kind="vanished", final=False)
    assert [job.file.path.name for job in catalogue.queue.claim(6)][-1] == "0.jpg"


def test_retrying_what_was_set_aside(catalogue: Catalogue) -> None:
    for job in catalogue.queue.claim(3):
        catalogue.queue.fail(job, reason_saying("no"), kind="unreadable", final=True)
    one, *_ = catalogue.queue.set_aside()
    assert catalogue.queue.retry_set_aside([one.id, 999]) == 1
    assert catalogue.queue.retry_set_aside([]) == 0
    assert catalogue.queue.retry_set_aside() == 2
    assert {job.attempt for job in catalogue.queue.claim(9)} == {1}


def test_set_aside_comes_in_pages_and_forgets_missing_files(catalogue: Catalogue, root: Path) -> None:
    for job in catalogue.queue.claim(6):
        catalogue.queue.fail(job, reason_saying("no"), kind="unreadable", final=True)
    pages = [item.id for offset in range(0, 6, 2) for item in catalogue.queue.set_aside(2, offset)]
    assert len(set(pages)) == 6
    (root / "0.jpg").unlink()
    rescan(catalogue, root)
    assert len(catalogue.queue.set_aside()) == catalogue.counts().set_aside == 5


def test_a_file_that_was_set_aside_is_tried_again_when_it_changes(catalogue: Catalogue, root: Path) -> None:
    [job] = catalogue.queue.claim(1)
    catalogue.queue.fail(job, reason_saying("damaged"), kind="unreadable", final=True)
    assert rescan(catalogue, root)[0].unchanged == 6
    assert catalogue.counts().set_aside == 1
    write(root / "0.jpg", "mended")
    rescan(catalogue, root)
    assert catalogue.counts().set_aside == 0
    assert len(settle_all(catalogue)) == 6


def test_a_job_that_failed_because_its_file_moved_is_simply_done_again(catalogue: Catalogue, root: Path) -> None:
    [job] = catalogue.queue.claim(1)
    job.file.path.rename(root / "renamed.jpg")
    rescan(catalogue, root)
    catalogue.queue.fail(job, reason_saying("not there"), kind="vanished", final=True)
    assert catalogue.queue.set_aside() == []
    assert {(job.file.path.name, job.attempt) for job in catalogue.queue.claim(1)} == {("renamed.jpg", 1)}


@pytest.mark.parametrize("target", ["renamed.jpg", "folder/0.jpg", "0.jpg"])
def test_a_photo_that_failed_because_it_was_away_is_done_where_it_is_found(
    catalogue: Catalogue, root: Path, target: str
) -> None:
    """Its three attempts are over in a moment, long before the watcher tells where it has gone."""
    away = root.parent / "away.jpg"
    (root / "0.jpg").rename(away)
    while (job := catalogue.queue.claim(1)[0]).file.path.name != "0.jpg":
        catalogue.settle(job, indexed(job))
    for _ in range(3):
        catalogue.queue.fail(job, reason_saying("not there"), kind="vanished", final=False)
        others = [one for one in catalogue.queue.claim(10) if one.id != job.id]
        catalogue.queue.release(others)
    catalogue.scans.note_missing(root, [root / "0.jpg"])
    (root / "folder").mkdir()
    away.rename(root / target)
    note_one(catalogue, found(root, root / target))
    assert catalogue.queue.set_aside() == []
    assert (target.rpartition("/")[2], 1) in {(job.file.path.name, job.attempt) for job in catalogue.queue.claim(10)}


def test_a_missing_file_s_job_waits_for_it(catalogue: Catalogue, root: Path) -> None:
    aside = root.parent / "aside.jpg"
    (root / "0.jpg").rename(aside)
    rescan(catalogue, root)
    assert catalogue.queue.queued() == 5
    aside.rename(root / "0.jpg")
    rescan(catalogue, root)
    assert catalogue.queue.queued() == 6


def test_reindexing_captions_takes_what_another_model_wrote(catalogue: Catalogue) -> None:
    jobs = catalogue.queue.claim(4)
    catalogue.settle(jobs[0], indexed(jobs[0]))
    catalogue.settle(jobs[1], indexed(jobs[1], caption=replace(WORDS, model="model-2")))
    catalogue.settle(jobs[2], indexed(jobs[2], caption=None, person="grandmother's garden"))
    catalogue.settle(jobs[3], indexed(jobs[3], caption=None))
    assert catalogue.queue.enqueue_all(JobKind.CAPTION, model="model-2") == 2
    assert catalogue.queue.enqueue_all(JobKind.CAPTION, model="model-2") == 0
    assert catalogue.queue.queued(JobKind.CAPTION) == 2
    again = [job for job in catalogue.queue.claim(9) if job.kind is JobKind.CAPTION]
    assert {job.content_key for job in again} == {key_of(jobs[0].file.path), key_of(jobs[3].file.path)}


def test_reindexing_metadata_takes_every_file_and_thumbnails_every_photo(catalogue: Catalogue, root: Path) -> None:
    write(root / "copy.jpg", "0.jpg")
    rescan(catalogue, root)
    settle_all(catalogue)
    (root / "5.jpg").unlink()
    rescan(catalogue, root)
    assert catalogue.queue.enqueue_all(JobKind.METADATA) == 6
    assert catalogue.queue.enqueue_all(JobKind.THUMBNAILS) == 5
    assert catalogue.queue.enqueue_all(JobKind.INDEX) == 6


@pytest.mark.slow
def test_threads_share_the_queue_without_losing_or_doubling_a_job(catalogue: Catalogue, tmp_path: Path) -> None:
    root = tmp_path / "many"
    for number in range(300):
        write(root / f"{number}.jpg")
    rescan(catalogue, root)
    settled: Counter[int] = Counter()
    failures: list[BaseException] = []

    def work() -> None:
        try:
            while jobs := catalogue.queue.claim(3):
                for job in jobs:
                    catalogue.settle(job, indexed(job))
                    settled[job.id] += 1
                    catalogue.counts()
        except BaseException as error:
            failures.append(error)

    def walk() -> None:
        try:
            for _ in range(5):
                rescan(catalogue, root)
                catalogue.unpushed(50)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=target) for target in (work, work, work, walk)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert set(settled.values()) == {1}
    assert (len(settled), catalogue.counts().photos) == (306, 300), "six files are copies"


WORKER = """
import sys
from pathlib import Path
from indexer.catalogue import Catalogue
from tests.libraries import indexed
with Catalogue(Path(sys.argv[1])) as catalogue:
    catalogue.queue.recover()
    print("ready", flush=True)
    while jobs := catalogue.queue.claim(2):
        for job in jobs:
            catalogue.settle(job, indexed(job))
            print(job.id, flush=True)
"""


@pytest.mark.slow
def test_kill_9_in_the_middle_of_the_work_loses_and_doubles_nothing(tmp_path: Path, repository: Path) -> None:
    root, path = tmp_path / "library", tmp_path / "catalogue.db"
    for number in range(400):
        write(root / f"{number}.jpg")
    with Catalogue(path) as catalogue:
        rescan(catalogue, root)
    settled: list[str] = []
    kills = 0
    while kills < 12:
        command = [sys.executable, "-c", WORKER, str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=repository) as worker:
            assert worker.stdout is not None
            assert worker.stdout.readline() == "ready\n"
            time.sleep(0.002 * kills)
            worker.send_signal(signal.SIGKILL)
            settled += worker.stdout.read().split()
        kills += 1
    with Catalogue(path) as catalogue:
        assert catalogue._database.reader.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        catalogue.queue.recover()
        settle_all(catalogue)
        assert catalogue.queue.set_aside() == []
        assert catalogue.counts().photos == 400
        assert catalogue.queue.queued() == 0
        assert len(set(settled)) == len(settled), "a settled job was done again"
