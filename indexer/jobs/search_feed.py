"""Keeping search up with the catalogue: what changed is pushed in batches, from the catalogue's own outbox.

Search may be down for as long as it likes, be killed in the middle of a batch, be wiped, or be put back to an older
state. Each of them moves its checkpoint away from the one that the catalogue remembers; then what search holds is
compared with the catalogue before anything is pushed, see `indexer.catalogue.outbox`.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from indexer.catalogue import Catalogue
from indexer.errors import SearchError
from indexer.message import Message
from indexer.reasons import Reason, ReasonCode
from indexer.search import SearchBackend
from indexer.search.documents import document
from indexer.tasks import is_set_within

log = logging.getLogger(__name__)

_PAUSE_S = 1.0  # between batches while photos trickle in: a photo is searchable about a second after it is settled
_POLL_S = 5.0
_LONGEST_BACK_OFF_S = 15.0  # asking a server that is down costs one request
_COMPARISONS = 3  # one that finds something to delete, one that finds nothing, one for bad luck


class SearchFeed:
    """Pushes revisions that search has not seen. A backend that is down delays search and loses nothing."""

    def __init__(self, catalogue: Catalogue, search: SearchBackend) -> None:
        self._steps = FeedSteps(catalogue, search)
        # Not the loop's own threads, for which it waits when it is closed: what waits for the search server ends when
        # search is closed, after the loop.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="search-feed")
        self._changed = asyncio.Event()
        self.problem: Message | str | None = None

    def wake(self) -> None:
        """Says that there may be something to push."""
        self._changed.set()

    async def run(self) -> None:
        """Pushes until cancelled: the first photo at once, then what came in the pause after each push."""
        pause_s = _PAUSE_S
        while True:
            self._changed.clear()
            pause_s = await self._push(pause_s)
            await asyncio.sleep(pause_s)
            # Another process may have marked photos for pushing, and search may have lost some.
            await is_set_within(self._changed, _POLL_S)

    async def _push(self, pause_s: float) -> float:
        """Pushes, and gives the time to wait before the next push."""
        behind = self.problem is not None
        try:
            pushed = await self.flush()
        except SearchError as error:
            if not behind:
                log.warning("search is behind: %s", error)
            return min(max(pause_s, _PAUSE_S) * 2, _LONGEST_BACK_OFF_S)
        if behind:
            log.info("search has caught up")
        return _PAUSE_S if pushed else 0.0

    async def flush(self) -> int:
        """Pushes all that is waiting, and gives its number. Raises `SearchError`, which `problem` then names."""
        pushed = 0
        try:
            while some := await self._step():
                pushed += some
        except SearchError as error:
            self.problem = error.message
            raise
        self.problem = None
        return pushed

    async def _step(self) -> int:
        cancelled = threading.Event()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._steps.step, cancelled)
        except asyncio.CancelledError:
            cancelled.set()  # a thread can't be cancelled, and comparing a large library takes its time
            raise


class FeedSteps:
    """The feed without its clock. Methods block; one step is taken at a time, whoever asks."""

    def __init__(self, catalogue: Catalogue, search: SearchBackend) -> None:
        self._catalogue = catalogue
        self._search = search
        self._turn = threading.Lock()
        self._prepared = False
        self._complete = False  # everything was pushed and counted, and nothing has been pushed since
        self._count_was_wrong = False  # by the number of photos, at the last comparison

    def step(self, cancelled: threading.Event | None = None) -> int:
        """Makes search agree with the catalogue by one batch more, and gives its size; 0: it agrees.

        Raises `SearchError`: take the step again later.
        """
        cancelled = cancelled or threading.Event()
        with self._turn:
            try:
                return 0 if cancelled.is_set() else self._step(cancelled)
            except BaseException:
                self._prepared = False
                raise

    def _step(self, cancelled: threading.Event) -> int:
        if not self._prepared:
            self._search.prepare()
            self._prepared, self._complete = True, False
        self._compare_if_moved(cancelled)
        while not cancelled.is_set() and self._catalogue.stacks.update():
            pass  # a photo is pushed with its stack, not once before it is known and once after
        pushed = self._push_removals() + self._push_photos()
        if pushed:
            self._complete = False
            return pushed
        return 0 if self._complete else self._finish(cancelled)

    def _compare_if_moved(self, cancelled: threading.Event) -> int:
        """Compares where search stands elsewhere than the catalogue remembers; gives how many photos differ.

        A server put back to an older state has its older settings too. What moves search during a comparison, be it
        our own deletions, makes for another one.
        """
        differing = 0
        for _ in range(_COMPARISONS):
            if self._search.checkpoint() == self._catalogue.outbox.checkpoint():
                return differing
            self._search.prepare()
            differing += self._compare(self._search.checkpoint(), cancelled)
        raise SearchError(
            Message("what search holds changes while it is compared with the catalogue"),
            hint=Message("does another recollect, or another program, write into the same index?"),
        )

    def _compare(self, checkpoint: str, cancelled: threading.Event) -> int:
        found = self._catalogue.outbox.reconcile(_until_cancelled(cancelled, self._search.held()), self._search.delete)
        self._catalogue.outbox.store_checkpoint(checkpoint)
        self._complete = False
        if found:
            log.info("search holds something else than the catalogue, which is mended: %s", found)
        return found.missing + found.outdated + found.surplus

    def _push_removals(self) -> int:
        removed = self._catalogue.outbox.removed_ids(self._search.batch)
        if removed:
            self._search.delete(removed)
            self._catalogue.outbox.forget_removed(removed, checkpoint=self._search.checkpoint())
        return len(removed)

    def _push_photos(self) -> int:
        photos = self._catalogue.unpushed(self._search.batch)
        if photos:
            refused = self._search.put([document(photo) for photo in photos])
            self._catalogue.outbox.mark_pushed(
                [(photo.id, photo.revision) for photo in photos if photo.id not in refused],
                refused=[
                    (photo.id, photo.revision, Reason.of(ReasonCode.REFUSED_BY_SEARCH, message=refused[photo.id]))
                    for photo in photos
                    if photo.id in refused
                ],
                checkpoint=self._search.checkpoint(),
            )
            for photo in photos:
                if photo.id in refused:
                    log.warning("search refuses the photo %s: %s", photo.id, refused[photo.id])
        return len(photos)

    def _finish(self, cancelled: threading.Event) -> int:
        """Nothing waits. Gives how many photos differ all the same: counting finds a server that was wiped between a
        batch and the question for its checkpoint."""
        wanted, counted = self._catalogue.outbox.count_pushed(), self._search.count()
        if wanted != counted:
            self._catalogue.outbox.store_checkpoint("")
            differing = 0 if self._count_was_wrong else self._compare_if_moved(cancelled)
            self._count_was_wrong = bool(differing)
            if not differing:
                raise SearchError(
                    Message(
                        "search counts %(counted)s photos and should have %(wanted)s", counted=counted, wanted=wanted
                    )
                )
            return differing
        self._search.complete()
        self._complete, self._count_was_wrong = True, False
        return self._compare_if_moved(cancelled)


def _until_cancelled(cancelled: threading.Event, held: Iterator[tuple[str, int]]) -> Iterator[tuple[str, int]]:
    """`held` until nobody waits for it any more. Raises `SearchError` then."""
    for item in held:
        if cancelled.is_set():
            raise SearchError(Message("recollect was stopped while search was compared with the catalogue"))
        yield item
