"""The data directory, opened: catalogue, thumbnails and search index, and the lock."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from indexer.catalogue import Catalogue
from indexer.errors import SearchError, SetupError, StorageError
from indexer.message import Message
from indexer.people.vectors import FaceVectors
from indexer.recovery.finishing import LOCK, finish_restore
from indexer.search import SearchBackend
from indexer.settings import Settings
from indexer.sqlite.derived import DerivedDatabase
from indexer.sqlite.errors import OPENING_BYTES, hint_for, keeps_from_writing
from indexer.thumbnails import THUMBNAIL_MIGRATIONS, ThumbnailStore

#: Whoever asks which process is indexing holds the lock for a moment, shared: a start waits for that.
_LOCK_S = 0.5
_MEND = "check the rights of the data directory, then start again: nothing that was done is lost"


@dataclass(frozen=True, slots=True)
class Storage:
    """What the data directory holds; each is usable from any thread."""

    catalogue: Catalogue
    thumbnails: ThumbnailStore
    search: SearchBackend
    faces: FaceVectors


@contextmanager
def open_storage(settings: Settings, *, repair: bool = True) -> Iterator[Storage]:
    """Opens (or makes) the databases of `settings.data_dir`. Raises `StorageError`.

    What is derived and can't be used is begun anew, unless `repair` is False: then it is a `StorageError`, too.
    """
    with ExitStack() as stack, storage_errors(settings):
        _make_private(settings.data_dir)
        catalogue = stack.enter_context(Catalogue(settings.catalogue_path))
        thumbnails = stack.enter_context(DerivedDatabase(settings.thumbnails_path, THUMBNAIL_MIGRATIONS, repair=repair))
        search = open_search(settings, on_recreate=catalogue.outbox.forget_search, repair=repair)
        stack.callback(search.close)
        vectors = stack.enter_context(closing(FaceVectors(settings.faces_path)))
        yield Storage(catalogue, ThumbnailStore(thumbnails), search, vectors)


@contextmanager
def reading_catalogue(settings: Settings) -> Iterator[Catalogue]:
    """The catalogue for a command that only reads: also where the disk is full or can't be written, or the files are
    somebody else's. Raises `StorageError`."""
    with storage_errors(settings):
        try:
            catalogue = Catalogue(settings.catalogue_path)
        except StorageError as error:
            if not keeps_from_writing(error.__cause__ or error):
                raise
            catalogue = Catalogue(settings.catalogue_path, read_only=True)
        with catalogue:
            yield catalogue


@contextmanager
def reading_search(settings: Settings) -> Iterator[SearchBackend]:
    """Search for a command that only reads, as `reading_catalogue`; it makes nothing, and begins nothing anew.
    Raises `SetupError`."""
    hint = Message("`recollect index` or `recollect serve` makes it again from the catalogue")
    if settings.search == "embedded" and not search_path(settings).exists():
        raise SearchError(Message("the search index %(path)s is not there", path=str(search_path(settings))), hint=hint)
    try:
        search = open_search(settings, repair=False)
    except StorageError as error:
        if not keeps_from_writing(error.__cause__ or error):
            raise SearchError(error.message, hint=hint) from error
        search = open_search(settings, repair=False, read_only=True)
    with closing(search):
        yield search


def open_search(
    settings: Settings, *, on_recreate: Callable[[], None] = lambda: None, repair: bool = True, read_only: bool = False
) -> SearchBackend:
    """The search backend that the settings name; `on_recreate` is called where its file was begun anew. Raises
    `SearchError`, `SettingsError` or `StorageError`."""
    from indexer.search.meaning import Meaning

    meaning = Meaning.of_bundle(settings.bundle)
    if settings.search == "meilisearch":
        from indexer.search.meilisearch import MeilisearchSearch
        from indexer.search.meilisearch.keys import keys_of

        return MeilisearchSearch(
            settings.meilisearch_url, keys=lambda: keys_of(settings), index=settings.meilisearch_index, meaning=meaning
        )
    from indexer.search.embedded.backend import EmbeddedSearch

    return EmbeddedSearch(search_path(settings), meaning, on_recreate=on_recreate, repair=repair, read_only=read_only)


def search_path(settings: Settings) -> Path:
    """The embedded search index: derived from the catalogue, may be deleted while nothing runs."""
    return settings.data_dir / "search.db"


@contextmanager
def storage_errors(settings: Settings) -> Iterator[None]:
    """Says what SQLite and the file system mean: a full disk, a read-only one and a damaged catalogue are about the
    set-up."""
    try:
        yield
    except sqlite3.Error as error:
        raise StorageError(
            f"the data directory {settings.data_dir} can't be used: {error}",
            hint=hint_for(error, settings.catalogue_path),
        ) from error


def write_failure(data_dir: Path) -> OSError | None:
    """Why nothing can be written into the data directory now: tried, with a file that is gone at once."""
    try:
        with tempfile.TemporaryFile(dir=data_dir) as probe:
            probe.write(bytes(OPENING_BYTES))
    except OSError as error:
        return error
    return None


def _make_private(data_dir: Path) -> None:
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)  # what a family photographs is nobody else's business
    except OSError as error:
        raise StorageError(
            f"the data directory {data_dir} can't be made: {error.strerror}",
            hint="choose another with --data-dir or RECOLLECT_DATA_DIR",
        ) from error


class InUse(SetupError):
    """Another recollect is indexing into this data directory; `pid` is its process id, 0 where it is not known."""

    def __init__(self, data_dir: Path, pid: int) -> None:
        super().__init__(
            f"another recollect (process {pid or 'unknown'}) is indexing into {data_dir}",
            hint=f"stop it first (kill {pid or 'PID'}), or leave the work to it: it finds new photos by itself",
        )
        self.pid = pid


@contextmanager
def sole_indexer(data_dir: Path) -> Iterator[None]:
    """Held by the one process that may index into a data directory; freed by the kernel if that process dies.

    Raises `InUse` where it is held (flock(2)).
    """
    _make_private(data_dir)
    try:
        lock = os.open(data_dir / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StorageError(f"the data directory {data_dir} can't be written: {error.strerror}", hint=_MEND) from error
    try:
        if not _lock_within(lock, _LOCK_S):
            raise InUse(data_dir, _read_pid(lock))
        _write_pid(lock, data_dir)
        _finish_restore(data_dir)
        yield
    finally:
        os.close(lock)


def _lock_within(lock: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(_LOCK_S / 20)
        else:
            return True


def _finish_restore(data_dir: Path) -> None:
    """Raises `StorageError`."""
    try:
        finish_restore(data_dir)
    except OSError as error:
        raise StorageError(f"a restore into {data_dir} can't be finished: {error.strerror}", hint=_MEND) from error


def _write_pid(lock: int, data_dir: Path) -> None:
    """Raises `StorageError` where the disk has no room for it."""
    try:
        os.ftruncate(lock, 0)
        os.pwrite(lock, str(os.getpid()).encode(), 0)
    except OSError as error:
        raise StorageError(
            f"the data directory {data_dir} can't be written: {error.strerror}",
            hint=hint_for(error, data_dir / LOCK),
        ) from error


def indexing_process(data_dir: Path) -> int:
    """The id of the process that is indexing into `data_dir` now, 0 where none is."""
    try:
        lock = os.open(data_dir / LOCK, os.O_RDONLY | os.O_CLOEXEC)  # all that a shared lock needs
    except OSError:
        return 0
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read_pid(lock)
    finally:
        os.close(lock)
    return 0


def _read_pid(lock: int) -> int:
    text = os.pread(lock, 20, 0)
    return int(text) if text.isdigit() else 0
