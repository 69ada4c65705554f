"""Is all well? Each check says what it looked at, what it found, and how to mend what is not right."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

from captioner import BundleError, CaptionError, TextTower
from indexer.commands.finding import Finding, Verdict
from indexer.commands.index_in_use import INDEX_IN_USE, examine_index_in_use
from indexer.commands.people import FACES, examine_faces
from indexer.commands.remembered import read_remembered
from indexer.commands.status import SHOWN_REASONS
from indexer.errors import SearchError, SetupError, StorageError
from indexer.jobs.captioners import started_captioner
from indexer.jobs.reindex import count_by_model, current_model, format_models, recaption_hint
from indexer.model import JobKind
from indexer.scanning.crawl_rules import CrawlRules
from indexer.settings import Settings
from indexer.sqlite.database import read_only_connection
from indexer.sqlite.derived import set_aside_files
from indexer.sqlite.errors import hint_for, is_damage
from indexer.sqlite.file_header import is_there
from indexer.storage import Storage, indexing_process, open_storage, search_path

_MB = 1_000_000
_SCARCE_MB, _TOO_LITTLE_MB = 1_000, 100
_SCARCE_MEMORY_MB = 250
_SHOWN_REFUSED = 1000
_SHOWN_FOLDERS = 5
_WATCHES = Path("/proc/sys/fs/inotify/max_user_watches")


async def examine(settings: Settings) -> list[Finding]:
    """Runs every check. Raises nothing for what it finds."""
    findings = [await _model(settings)]
    if findings[0].verdict is not Verdict.BROKEN:
        findings.append(await asyncio.to_thread(_meaning, settings))
        if settings.cluster:
            from indexer.commands.cluster import examine_cluster

            findings += await examine_cluster(settings)
    findings += await asyncio.to_thread(lambda: list(_everything_else(settings)))
    return findings


async def _model(settings: Settings) -> Finding:
    """Captions a grey picture with the real child process."""
    try:
        async with started_captioner(settings) as captioner:
            await captioner.caption(bytes([128]) * (captioner.input_px**2 * 3))
            return Finding("caption model", Verdict.FINE, f"{captioner.model} works ({settings.bundle})")
    except SetupError as error:
        return Finding("caption model", Verdict.BROKEN, error.what, error.hint)
    except CaptionError as error:
        mend = "see the messages above; a computer with too little memory ends the model's process"
        return Finding("caption model", Verdict.BROKEN, f"{settings.bundle} starts but can't caption: {error}", mend)


def _meaning(settings: Settings) -> Finding:
    subject = "search by meaning"
    try:
        tower = TextTower.open(settings.bundle)
    except BundleError as error:
        return Finding(subject, Verdict.BROKEN, str(error), "search goes by words alone until the bundle is mended")
    if tower is None:
        return Finding(subject, Verdict.FINE, "not with this model: search goes by words alone")
    return Finding(subject, Verdict.FINE, f"{tower.model} understands queries")


def _everything_else(settings: Settings) -> Iterator[Finding]:
    yield _memory()
    yield _data_dir(settings)
    yield from _databases(settings)
    if settings.search == "meilisearch":
        from indexer.commands.search_server import examine_server  # its client is only here worth its memory

        yield from examine_server(settings)
    yield from _guarded(INDEX_IN_USE, lambda: examine_index_in_use(settings))
    yield from _contents(settings)
    roots = dict.fromkeys([*settings.photos, *_remembered_libraries(settings)])
    folders = {root: inspect_folders(root, settings) for root in roots}
    for root in roots:
        yield _library(root, settings, folders[root])
    yield from _watches(sum(found.number for found in folders.values()))
    pid = indexing_process(settings.data_dir)
    yield Finding("indexing", Verdict.FINE, f"process {pid} is at it" if pid else "no process is indexing now")


def _memory() -> Finding:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        available_mb = next(int(line.split()[1]) // 1000 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError):
        return Finding("memory", Verdict.FINE, "this system does not say how much is free")
    if available_mb < _SCARCE_MEMORY_MB:
        mend = f"indexing needs about {_SCARCE_MEMORY_MB} MB: end other programs, or add swap"
        return Finding("memory", Verdict.WARNING, f"{available_mb:,} MB available", mend)
    return Finding("memory", Verdict.FINE, f"{available_mb:,} MB available")


def _data_dir(settings: Settings) -> Finding:
    subject, folder = "data directory", _existing(settings.data_dir)
    mend = "choose another with --data-dir or RECOLLECT_DATA_DIR, or give yourself the right to write there"
    if not os.access(folder, os.W_OK | os.X_OK):
        return Finding(subject, Verdict.BROKEN, f"{folder} can't be written", mend)
    free_mb = shutil.disk_usage(folder).free // _MB
    text = f"{settings.data_dir}, {free_mb:,} MB free"
    if free_mb < _TOO_LITTLE_MB:
        return Finding(subject, Verdict.BROKEN, text, "free some space: about 100 kB are needed for each photo")
    if free_mb < _SCARCE_MB:
        return Finding(subject, Verdict.WARNING, text, "it will fill up soon: about 100 kB are needed for each photo")
    return Finding(subject, Verdict.FINE, text)


def _existing(folder: Path) -> Path:
    """`folder`, or the nearest one above it that exists: the rest is made at the first run."""
    return next(item for item in (folder, *folder.parents) if item.exists())


_REBUILD: dict[str, str] = {
    "catalogue": "stop recollect and run `recollect doctor --rebuild`: it keeps the file aside and makes it again of "
    "what can still be read and of the photo files",
    "thumbnails": "the next `recollect serve` or `index` sets it aside and makes it again by itself",
    "search index": "the next `recollect serve` or `index` sets it aside and makes it again by itself",
}


def _databases(settings: Settings) -> Iterator[Finding]:
    files = {"catalogue": settings.catalogue_path, "thumbnails": settings.thumbnails_path}
    if settings.search == "embedded":
        files["search index"] = search_path(settings)
    for subject, path in files.items():
        if not is_there(path):
            is_lost = subject != "catalogue" and settings.catalogue_path.exists()
            mend = "the next `recollect serve` or `index` makes it again by itself" if is_lost else ""
            text = f"{path} is not there{'' if is_lost else ' yet'}"
            yield Finding(subject, Verdict.WARNING if is_lost else Verdict.FINE, text, mend)
            continue
        if aside := [] if subject == "catalogue" else set_aside_files(path):
            names = ", ".join(f"{one.name} ({one.stat().st_size // _MB:,} MB)" for one in aside)
            yield Finding(subject, Verdict.FINE, f"set aside since it was damaged: {names}; it may be deleted")
        try:
            damage = _damage(path)
        except sqlite3.Error as error:
            yield Finding(subject, Verdict.BROKEN, f"{path} can't be read: {error}", str(hint_for(error, path)))
            continue
        if damage:
            yield Finding(subject, Verdict.BROKEN, f"{path} is damaged: {damage}", _REBUILD[subject])
        else:
            yield Finding(subject, Verdict.FINE, f"{path} is sound ({path.stat().st_size // _MB:,} MB)")


def _damage(path: Path) -> str | None:
    """What SQLite's own check says (https://sqlite.org/pragma.html#pragma_quick_check); None where it is content.
    Raises `sqlite3.Error` where it can't be read for another reason."""
    try:
        with closing(read_only_connection(path)) as connection:
            lines = [str(row[0]) for row in connection.execute("PRAGMA quick_check(5)")]
    except sqlite3.Error as error:
        if not is_damage(error):
            raise
        return str(error)
    return None if lines == ["ok"] else "; ".join(lines)


def _contents(settings: Settings) -> Iterator[Finding]:
    """Whether search and thumbnails have what the catalogue says they should."""
    if not is_there(settings.catalogue_path):
        return
    with ExitStack() as stack:
        try:
            storage = stack.enter_context(open_storage(settings, repair=False))
        except SetupError as error:
            yield Finding("storage", Verdict.BROKEN, error.what, error.hint)
            return
        yield from _unreadable_rows(storage, settings)
        yield from _guarded("searchable photos", lambda: _searchable(storage, settings))
        yield from _guarded("photos refused by search", lambda: _refused(storage))
        yield from _guarded("thumbnails kept", lambda: _thumbnails(storage))
        yield from _guarded("captions", lambda: _captions(storage, settings))
        yield from _guarded(_UNWRITTEN, lambda: _unwritten(storage))
        yield from _guarded(FACES, lambda: examine_faces(storage, settings))
        yield from _guarded("photos set aside", lambda: _set_aside(storage))
        yield from _guarded(_UNREADABLE, lambda: _unreadable(storage))


def _unreadable_rows(storage: Storage, settings: Settings) -> Iterator[Finding]:
    """Damage that SQLite's own check can't see, as it knows nothing of what the values mean."""
    catalogue, last = storage.catalogue, ""
    try:
        while ids := catalogue.photo_ids(after=last):
            catalogue.photos(ids)
            last = ids[-1]
    except sqlite3.Error as error:
        path = settings.catalogue_path
        yield Finding("catalogue", Verdict.BROKEN, f"{path} can't be read: {error}", str(hint_for(error, path)))


def _guarded(subject: str, check: Callable[[], Finding | Sequence[Finding]]) -> Iterator[Finding]:
    try:
        found = check()
        yield from (found,) if isinstance(found, Finding) else found
    except (SearchError, StorageError) as error:
        yield Finding(subject, Verdict.BROKEN, error.what, error.hint)
    except sqlite3.Error as error:
        yield Finding(subject, Verdict.BROKEN, str(error), "mend the databases first, see above")


def _searchable(storage: Storage, settings: Settings) -> Finding:
    """Compares number and revision of every document with the catalogue."""
    subject, counts = "searchable photos", storage.catalogue.counts()
    differing = storage.catalogue.outbox.differences(storage.search.held())
    found = storage.search.count() + counts.refilling
    text = f"{found:,} in search, {counts.photos:,} in the catalogue, {counts.not_found_yet:,} waiting"
    if not differing:
        return Finding(subject, Verdict.FINE, f"{text}; all others are there in their latest revision")
    if pid := indexing_process(settings.data_dir):
        mend = f"process {pid} is at it; if this stays, run: recollect reindex --search"
    else:
        mend = "`recollect index` or `serve` pushes what differs; to push everything, run: recollect reindex --search"
    return Finding(subject, Verdict.WARNING, f"{text}; {differing}", mend)


def _refused(storage: Storage) -> Finding:
    subject, number = "photos refused by search", storage.catalogue.counts().refused
    if not number:
        return Finding(subject, Verdict.FINE, "none")
    reasons = Counter(one.reason for one in storage.catalogue.refused(_SHOWN_REFUSED))
    text = f"{number:,}: " + "; ".join(f"{reason} ({times:,})" for reason, times in reasons.most_common(3))
    mend = "`recollect status` names them; once the reason is mended, run: recollect reindex --search"
    return Finding(subject, Verdict.WARNING, text, mend)


def _captions(storage: Storage, settings: Settings) -> Finding:
    counts = storage.catalogue.counts()
    try:
        model = current_model(settings)
    except SetupError:  # the model's own finding says why
        return Finding("captions", Verdict.FINE, f"{counts.with_caption:,} of {counts.photos:,} photos have one")
    wanting = storage.catalogue.queue.count_missing_work(JobKind.CAPTION, model=model)
    incomplete = counts.incomplete
    models = count_by_model(storage.catalogue, model)
    if models.by_others:
        text = f"{models.by_others:,} of {counts.photos:,} photos were described by another model than {model}: "
        text += format_models(models.others)
        if (more := wanting - models.by_others) > 0:
            text += f"; {more:,} more have no words, tags or embedding by any"
        return Finding("captions", Verdict.WARNING, text, recaption_hint(settings))
    if incomplete == wanting and incomplete:
        text = f"{incomplete:,} of {counts.photos:,} photos have their sentence alone, from their files"
        mend = "`recollect serve` or `index` completes them by itself, after everything else"
        return Finding("captions", Verdict.WARNING, text, mend)
    if wanting:
        text = f"{wanting:,} of {counts.photos:,} photos have no words, tags or embedding by {model}"
        return Finding("captions", Verdict.WARNING, text, "run: recollect reindex --captions")
    return Finding("captions", Verdict.FINE, f"{counts.with_caption:,} of {counts.photos:,} photos have one")


_UNWRITTEN = "captions in no file"


def _unwritten(storage: Storage) -> list[Finding]:
    """One for each reason: none of them is wrong, and which are meant only the household knows."""
    reasons = storage.catalogue.unwritten()
    shown = list(reasons.items())[:SHOWN_REASONS]
    texts = [f"{photos:,}: {reason or 'nobody has said why'}" for reason, photos in shown]
    if others := sum(reasons.values()) - sum(photos for _, photos in shown):
        texts.append(f"{others:,}: for other reasons")
    return [Finding(_UNWRITTEN, Verdict.FINE, text) for text in texts or ["none"]]


def _thumbnails(storage: Storage) -> Finding:
    photos, kept = storage.catalogue.counts().photos, min(storage.thumbnails.sizes().values())
    text = f"{kept:,} for {photos:,} photos"
    if kept < photos:
        return Finding("thumbnails kept", Verdict.WARNING, text, "run: recollect reindex --thumbnails")
    return Finding("thumbnails kept", Verdict.FINE, text)


def _set_aside(storage: Storage) -> Finding:
    number = storage.catalogue.counts().set_aside
    if number:
        mend = "`recollect status` says which and why; `recollect status --retry` tries them again"
        return Finding("photos set aside", Verdict.WARNING, f"{number:,}", mend)
    return Finding("photos set aside", Verdict.FINE, "none")


_UNREADABLE = "folders that can't be read"


def _unreadable(storage: Storage) -> Finding:
    """What the last scan could not look at; the findings of the libraries say what is so now."""
    places = storage.catalogue.unreadable_places.first(_SHOWN_FOLDERS)
    if not places:
        return Finding(_UNREADABLE, Verdict.FINE, "none at the last scan")
    text = f"{storage.catalogue.counts().unreadable:,}: " + "; ".join(f"{one.path} ({one.reason})" for one in places)
    mend = "let the user that recollect runs as read and enter them; the next scan takes their photos in by itself"
    return Finding(_UNREADABLE, Verdict.WARNING, text, mend)


def _remembered_libraries(settings: Settings) -> tuple[Path, ...]:
    try:
        return read_remembered(settings.data_dir).libraries
    except SetupError:
        return ()  # the data directory's own finding says why


def _library(root: Path, settings: Settings, folders: Folders) -> Finding:
    subject = f"library {root}"
    if not root.is_dir():
        return Finding(subject, Verdict.BROKEN, "it is not there", "mount it, or run: recollect index --forget DIR")
    if not os.access(root, os.R_OK | os.X_OK):
        return Finding(subject, Verdict.BROKEN, "it can't be read", "run recollect as a user who may read it")
    if folders.unreadable:
        text = f"{format_folders(folders.unreadable)} can't be read: photos in there are not found"
        mend = "let the user that recollect runs as read and enter it, or name it in the setting exclude"
        return Finding(subject, Verdict.WARNING, text, mend)
    unwritable = folders.unwritable
    if settings.captions == "sidecar" and settings.sidecar_dir is not None:
        folder = _existing(settings.sidecar_dir)
        unwritable = [] if os.access(folder, os.W_OK | os.X_OK) else [folder]
    if settings.captions != "off" and unwritable:
        mend = "captions of photos in there stay in the index: give the right to write, or set captions = off"
        return Finding(subject, Verdict.WARNING, f"{format_folders(unwritable)} can't be written", mend)
    text = f"all {folders.number:,} folders can be read" if folders.number > 1 else "can be read"
    return Finding(subject, Verdict.FINE, text + (" and written" if settings.captions != "off" else ""))


def _watches(folders: int) -> Iterator[Finding]:
    """inotify(7): one watch per folder, and every user has a limit."""
    try:
        limit = int(_WATCHES.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return
    text = f"{folders:,} folders, and the kernel watches up to {limit:,}"
    if folders > limit:
        mend = f"sudo sysctl fs.inotify.max_user_watches={2 * folders}; until then new photos wait for the next walk"
        yield Finding("watching", Verdict.WARNING, text, mend)
    else:
        yield Finding("watching", Verdict.FINE, text)


_SHOWN = 3


@dataclass(slots=True)
class Folders:
    """The folders of one library that a scan looks into; `unreadable` can't be listed or entered."""

    number: int = 0
    unreadable: list[Path] = field(default_factory=list)
    unwritable: list[Path] = field(default_factory=list)


def inspect_folders(root: Path, settings: Settings) -> Folders:
    """Looks at every folder below `root`; no folder is followed through a link. Raises `SettingsError` for a pattern
    that is not one."""
    found, rules = Folders(), CrawlRules(include=settings.include, exclude=settings.exclude)
    for path, inside, _ in os.walk(root, onerror=lambda error: found.unreadable.append(Path(error.filename))):
        here = Path(path)
        relative = b"" if here == root else os.fsencode(here.relative_to(root))
        inside[:] = [name for name in inside if rules.enters(os.path.join(relative, os.fsencode(name)))]  # noqa: PTH118
        found.number += 1
        if not os.access(here, os.X_OK):
            found.unreadable.append(here)
            inside.clear()
        elif not os.access(here, os.W_OK):
            found.unwritable.append(here)
    return found


def format_folders(folders: list[Path]) -> str:
    """``/photos/2019, /photos/2020 and 7 more folders``."""
    text = ", ".join(map(str, folders[:_SHOWN]))
    more = len(folders) - _SHOWN
    return text + (f" and {more:,} more folder{'s' * (more != 1)}" if more > 0 else "")
