"""One soak: the service works on a library that changes all the time, is searched and corrected, and may be killed."""

from __future__ import annotations

import json
import os
import random
import statistics
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from indexer.atomic.temporary import is_temporary, sweep
from indexer.catalogue import Catalogue
from tests.indexer.captions.own_captions import read_own_caption
from tests.soak.library import ExifTool, Kept, Library, exiftool
from tests.soak.program import Memory, Program

_QUERIES = ("a", "wall", "red", "red wall", "type:jpeg", "folder", "2024", "blue gr", "dog on a beach", "no:such", "")
_PAGES = ("/?q=wall", "/status", "/api/status", "/api/facets?q=", "/api/search?q=wall&similar=all&limit=200")
_SETTLED_S = 120.0  # without any progress
#: A caption that a kill keeps from being settled is made again; it was made at most so long before the kill.
_IN_FLIGHT_S = 20.0
#: Captions that may be in flight in the service: one that is made, and those that wait to be written and settled.
_IN_FLIGHT = 5
#: So many kills come one after the other.
_BURST = 8


@dataclass(frozen=True, slots=True)
class Plan:
    """What is done, for how long."""

    minutes: float
    photos: int  # in the library while it changes
    rounds_s: float = 3.0  # a round of changes comes this long after the one before
    kills: int = 0  # wanted; the run goes on until they are done
    seed: int = 1


@dataclass(slots=True)
class Report:
    """What came of it. `faults` is empty where all is well."""

    faults: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def check(self, holds: bool, fault: str) -> None:
        if not holds:
            self.faults.append(fault)


def soak(folder: Path, plan: Plan, *, say: Callable[[str], None] = lambda line: None) -> Report:
    """Runs the plan in an empty folder, and checks everything at the end."""
    report = Report()
    library = Library(folder / "photos", plan.seed)
    library.add(plan.photos)
    with Program(folder, library.root) as program, exiftool() as tool:
        program.start()
        household = _Household(program, library, tool, plan)
        household.live(say)
        say(f"changes done: {library.done}; {len(program.kills)} kills; waiting until all is settled")
        _retry_the_unlucky(program, report)
        _check_settled(program, library, report)
        _check_corrections(program, household.corrected, report)
        code, took_s = program.stop()
        report.check(code == 0 and took_s < 30, f"SIGTERM: exit code {code} after {took_s:.0f} s")
        report.lines.append(f"{dict(library.done)}")
        report.lines.append(f"asked {household.asked} times, {household.unanswered} while nobody answered")
        report.lines.append(
            f"corrected {len(household.corrected)}; kills {dict(Counter(k.role for k in program.kills))}"
        )
        _check_captions_made(program, report)
        _check_memory(household.memory, report, flat=not plan.kills)
        _check_log(program, report)
        if program.kills:
            _sweep(library, report)
        _check_files(library, report)
        undone = program.run("captions", "undo", "--all")
        report.check(undone.returncode == 0, f"captions undo --all: {undone.returncode}: {undone.stderr[-1500:]}")
        _check_originals(library, tool, report)
    return report


class _Household:
    """Changes files, corrects captions, searches, and kills."""

    def __init__(self, program: Program, library: Library, tool: ExifTool, plan: Plan) -> None:
        self.corrected: dict[str, str] = {}
        self.memory: list[Memory] = []
        self.asked = self.unanswered = 0
        self._program, self._library, self._tool, self._plan = program, library, tool, plan
        self._chance = random.Random(plan.seed + 1)
        self._over = threading.Event()
        self._failures: list[BaseException] = []
        self._gone = 0  # files deleted since the last scan that was waited for

    def live(self, say: Callable[[str], None]) -> None:
        """Until the plan's time is over, and its kills are done."""
        others = [threading.Thread(target=self._guarded, args=(work,)) for work in (self._search, self._kill)]
        for thread in others:
            thread.start()
        begun, minute = time.monotonic(), 0
        try:
            while not self._failures and (
                time.monotonic() < begun + self._plan.minutes * 60 or len(self._program.kills) < self._plan.kills
            ):
                self._change()
                self.memory += self._program.memory()
                if (time.monotonic() - begun) // 60 > minute:
                    minute = int((time.monotonic() - begun) // 60)
                    say(f"{minute} min: {self._library.done}; {len(self._program.kills)} kills; {self._state()}")
                time.sleep(self._chance.uniform(0.3, 1.7) * self._plan.rounds_s)
        finally:
            self._over.set()
            for thread in others:
                thread.join()
        if self._failures:
            raise self._failures[0]

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # is raised again by `live`
            self._failures.append(error)

    def _change(self) -> None:
        """The library keeps its size: as many come as go. No round loses a tenth of it, which nobody would believe."""
        library, most = self._library, max(self._plan.photos // 40, 1)
        for number in self._chance.sample(range(8), 4):
            count = self._chance.randint(1, most)
            match number:
                case 0 | 1:
                    library.add(max(self._plan.photos - len(library.files), 0) or count // 2)
                case 2:
                    library.move(count)
                case 3:
                    library.tag(self._tool, min(count, 8))
                case 4:
                    library.replace(count // 2)
                case 5:
                    library.copy(count // 2)
                case 6:
                    library.delete(count if self._gone < most and len(library.files) > self._plan.photos * 0.9 else 0)
                    self._gone += count if self._plan.kills else 0
                case _:
                    if self._chance.random() < 0.3:
                        library.rename_folder()
        self._correct()

    def _correct(self) -> None:
        """Types captions for photos that are there."""
        try:
            hits = self._program.ask("/api/search?q=&similar=all&limit=20&sort=newest")["hits"]
            for hit in self._chance.sample(hits, min(2, len(hits))):
                words = f"Oma's wall number {self._chance.randrange(10**6)}"
                said = self._program.ask(f"/api/photos/{hit['id']}/caption", {"text": words}, "PUT")
                self.corrected[hit["id"]] = said["caption"]
        except (OSError, ValueError):
            self.unanswered += 1

    def _search(self) -> None:
        """A few keystrokes and pages a second."""
        chance = random.Random(self._plan.seed + 2)
        while not self._over.wait(chance.uniform(0.05, 0.6)):
            try:
                if chance.random() < 0.3:
                    self._program.get(chance.choice(_PAGES))
                else:
                    for hit in self._program.ask(f"/api/search?q={chance.choice(_QUERIES).replace(' ', '+')}")["hits"][
                        :3
                    ]:
                        self._program.get(hit["thumbnail"])
                self.asked += 1
            except (OSError, ValueError):  # killed just now, or a filter that does not exist, or a photo that has gone
                self.unanswered += 1

    def _kill(self) -> None:
        """In bursts: after each the service gets the time for a whole scan. What goes while it never sees the library
        would otherwise be more at once than it believes."""
        chance = random.Random(self._plan.seed + 3)
        while len(self._program.kills) < self._plan.kills and not self._over.wait(chance.uniform(0.1, 5.0)):
            if tree := self._program.tree():
                service, *children = tree
                self._program.kill(chance.choice(children) if children and chance.random() < 0.75 else service)
            if len(self._program.kills) % _BURST == 0:
                self._wait_for_a_scan()

    def _wait_for_a_scan(self) -> None:
        until = time.monotonic() + 60
        while time.monotonic() < until and not self._over.wait(1.0):
            with suppress(OSError, ValueError):
                progress = self._program.ask("/api/status")["progress"]
                if not progress["walking"] and progress["done"]:
                    break
        self._gone = 0

    def _state(self) -> str:
        try:
            counts = self._program.ask("/api/status")["counts"]
        except (OSError, ValueError):
            return "no answer"
        return f"queued {counts['queued']}, aside {counts['set_aside']}, photos {counts['photos']}"


def _retry_the_unlucky(program: Program, report: Report) -> None:
    """A photo that was in hand at three deaths of the service waits for a day: kills by chance may do that to a few."""
    unlucky = [one["id"] for one in program.ask("/api/status?limit=1000")["set_aside"] if one["code"] == "died-with-it"]
    report.check(len(unlucky) <= len(program.kills) / 50, f"{len(unlucky)} photos are blamed for kills")
    if unlucky:
        program.ask("/api/status/retry", {"ids": unlucky}, "POST")
        report.lines.append(f"{len(unlucky)} photos were in hand at three kills, and were tried again when told")


def _check_settled(program: Program, library: Library, report: Report) -> None:
    """Status, search and catalogue count what is on the disk, where it is, without anybody asking for a scan."""
    photos, files = len(library.pictures), len(library.files)
    where = {os.fsencode(path) for path in library.files}
    until, left = time.monotonic() + _SETTLED_S, -1
    while True:
        status = program.ask("/api/status")
        counts = {name: status["counts"][name] for name in ("photos", "files", "queued", "set_aside", "unpushed")}
        found = program.ask("/api/search?q=&similar=all")["total"]
        numbers = (counts["photos"], counts["files"], found, status["search"]["photos"])
        with Catalogue(program.data / "catalogue.db", read_only=True) as catalogue:
            known = catalogue.scans.present_paths()
        is_told = numbers == (photos, files, photos, photos) and known == where
        if is_told and not counts["queued"] and not counts["unpushed"]:
            break
        if counts["queued"] != left:
            left, until = counts["queued"], time.monotonic() + _SETTLED_S
        if time.monotonic() > until:
            break
        time.sleep(1)
    report.check(
        numbers == (photos, files, photos, photos), f"on disk {photos} photos in {files} files; told {numbers}"
    )
    elsewhere = {Path(os.fsdecode(path)) for path in known ^ where}
    report.check(not elsewhere, f"not known to be where they are: {_names(elsewhere)}")
    report.check(not counts["queued"] and not counts["unpushed"], f"never settled: {counts}")
    report.check(not counts["set_aside"], f"set aside: {json.dumps(status['set_aside'])[:2000]}")
    report.check(status["counts"]["with_caption"] == photos, f"with caption: {status['counts']['with_caption']}")
    report.lines.append(f"{photos} photos in {files} files; told {numbers}")


def _check_corrections(program: Program, corrected: dict[str, str], report: Report) -> None:
    """What was typed is what is shown."""
    for photo_id, words in corrected.items():
        try:
            shown = program.ask(f"/api/photos/{photo_id}")["caption"]
        except OSError:
            continue  # of a photo that has gone
        report.check(shown == words, f"typed of {photo_id}: {words!r}; shown: {shown!r}")


def _check_captions_made(program: Program, report: Report) -> None:
    """Of each picture one caption, unless a kill came before the first was settled."""
    made: dict[str, list[float]] = defaultdict(list)
    for line in program.caption_log.read_text().splitlines():
        at, digest = line.split()
        made[digest].append(float(at))
    again = 0
    for digest, times in made.items():
        for first, second in pairwise(times):
            again += 1
            why = [kill for kill in program.kills if first - 0.1 <= kill.at <= min(first + _IN_FLIGHT_S, second)]
            report.check(bool(why), f"captioned twice without a kill between: {digest[:12]} at {first}, {second}")
    most = sum(_IN_FLIGHT if kill.role == "service" else 1 for kill in program.kills)
    report.check(again <= most, f"{again} captions made again after {len(program.kills)} kills")
    report.lines.append(f"{sum(map(len, made.values()))} captions of {len(made)} pictures, {again} made again")


def _check_memory(rows: list[Memory], report: Report, *, flat: bool) -> None:
    """Over the second half no process grows by more than 5 MB and a tenth (a line through its private memory)."""
    for role in sorted({row.role for row in rows} - {"ended"}):
        own = [row for row in rows if row.role == role]
        half = [row for row in own if row.at >= (own[0].at + own[-1].at) / 2]
        if len(half) < 5:
            continue
        times = [row.at for row in half]
        private = statistics.linear_regression(times, [row.private_mb for row in half]).slope
        pss = statistics.linear_regression(times, [row.pss_mb for row in half]).slope
        grown = private * (times[-1] - times[0])
        mean = statistics.fmean(row.private_mb for row in half)
        report.lines.append(
            f"{role}: private {own[0].private_mb:.0f} MB at first, {mean:.1f} on average in the second half, "
            f"at most {max(row.private_mb for row in own):.0f}; slope {private * 3600:+.1f} MB an hour "
            f"(PSS {pss * 3600:+.1f}), {grown:+.1f} MB in that half"
        )
        report.check(not flat or grown < 5 + mean / 10, f"{role} has grown by {grown:.1f} MB in the second half")


def _check_log(program: Program, report: Report) -> None:
    text = program.log.read_text(errors="replace")
    report.check("Traceback" not in text, f"a traceback in the log: {_around(text, 'Traceback')}")
    report.check("unexpected error" not in text, f"an unexpected error: {_around(text, 'unexpected error')}")


def _around(text: str, word: str) -> str:
    at = text.find(word)
    return text[max(at - 400, 0) : at + 2500]


def _sweep(library: Library, report: Report) -> None:
    """What a killed reader left beside a photo: scans remove it once it is an hour old."""
    swept = [path for folder in {path.parent for path in library.on_disk()} for path in sweep(folder)]
    report.lines.append(f"{len(swept)} copies that were left in the making")
    report.check(len(swept) <= len(library.files) / 10, f"left beside the photos: {_names(set(swept))}")


def _check_files(library: Library, report: Report) -> None:
    """Every file is there and nothing else; a file that nobody has rewritten has its caption."""
    there = library.on_disk()
    report.check(there == set(library.files), f"lost {_names(set(library.files) - there)}, "
                 f"new {_names(there - set(library.files))}")  # fmt: skip
    report.check(not any(is_temporary(path.name) for path in there), "temporary files are left")
    bare = [path for path, kept in library.files.items() if kept.original and path in there and not _ours(path)]
    report.check(not bare, f"{len(bare)} files without a caption: {_names(set(bare))}")


def _ours(path: Path) -> bool:
    return read_own_caption(path.read_bytes()) is not None


def _names(paths: set[Path]) -> list[str]:
    return [f"{path.parent.name}/{path.name}" for path in sorted(paths)[:8]] + ([f"of {len(paths)}"] if paths else [])


def _check_originals(library: Library, tool: ExifTool, report: Report) -> None:
    """After the undo."""
    import hashlib

    changed, by_others = set(), [(path, kept) for path, kept in library.files.items() if not kept.original]
    for path, kept in library.files.items():
        if kept.original and hashlib.sha256(path.read_bytes()).hexdigest() != kept.original:
            changed.add(path)
    report.check(not changed, f"not byte for byte as before: {_names(changed)}")
    report.lines.append(f"{len(library.files) - len(by_others)} files given back byte for byte")
    for path, kept in by_others:
        _check_tagged(path, kept, tool, report)


def _check_tagged(path: Path, kept: Kept, tool: ExifTool, report: Report) -> None:
    """The keywords of another program are all there, the picture is the same, and our words are gone."""
    from indexer.metadata.content_key import content_key
    from tests.soak.library import jpeg

    data = path.read_bytes()
    keywords = json.loads(tool.run("-j", "-XMP-dc:Subject", str(path)))[0].get("Subject", [])
    keywords = {keywords} if isinstance(keywords, str) else set(keywords)
    report.check(keywords >= set(kept.keywords), f"{path.name} has lost keywords: {set(kept.keywords) - keywords}")
    report.check(content_key(data) == content_key(jpeg(kept.number)), f"{path.name} shows another picture")
    report.check(not _ours(path), f"{path.name} has a caption of ours after the undo")
