"""Where work comes from: walks of the library roots, again every `rescan_s`, and watching in between."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path

from indexer.captions.replacing.temporary import STALE_S, sweep
from indexer.catalogue import Catalogue
from indexer.catalogue.library_walk import NoteCounts
from indexer.library.crawl_rules import CrawlRules
from indexer.library.crawler import outermost, walk
from indexer.library.found import FoundBatch
from indexer.library.unreadable import unreadable_reason
from indexer.library.watcher import Watcher
from indexer.reading.formats import EXTENSIONS
from indexer.settings import Settings
from indexer.tasks import running

log = logging.getLogger(__name__)

# Walks that the watcher asks for keep this distance: an unplugged disk makes it ask again and again.
_BREATH_S = 10.0
_VANISHED = "vanished"
_ASIDE_AT_ONCE = 1000
_UNREADABLE_LOGGED = 20  # folders of one walk; `recollect status` lists all


class Rounds:
    """Walks `roots` and notes what they hold; `changed` is called when there may be new work.

    Copies of photos that a killed process left are removed on the way, once they are `stale_s` old.
    """

    def __init__(
        self,
        settings: Settings,
        catalogue: Catalogue,
        roots: Sequence[Path],
        *,
        changed: Callable[[], None],
        stale_s: float = STALE_S,
    ) -> None:
        self._stale_s = stale_s
        self._settings = settings
        self._catalogue = catalogue
        self._roots = outermost(roots)
        self._changed = changed
        self._held_back: dict[Path, str] = {}
        self._unreadable: dict[Path, Mapping[bytes, str]] = {}
        self.walking = False

    @property
    def problem(self) -> str | None:
        """Why a root's losses are not believed, for people; None where all is well."""
        return "; ".join(self._held_back.values()) or None

    @property
    def unreadable(self) -> int:
        """How many folders, and files, the last walks of these roots could not look at."""
        return sum(map(len, self._unreadable.values()))

    async def walk_all(self) -> None:
        """One walk of every root, side by side: a disk that answers slowly holds up no other."""
        self.walking = True
        try:
            async with asyncio.TaskGroup() as walks:
                for root in self._roots:
                    walks.create_task(self._walk(root))
        finally:
            self.walking = False

    async def go_on(self) -> None:
        """Watches, and walks again every `rescan_s` or when the watcher asks for it, until cancelled."""
        settings = self._settings
        rules = CrawlRules(include=settings.include, exclude=settings.exclude, extensions=EXTENSIONS)
        watcher = Watcher(self._catalogue, self._roots, rules, changed=self._changed)
        async with asyncio.TaskGroup() as group, running(group, *([watcher.run()] if settings.watch else [])):
            while True:
                watcher.walk_wanted.clear()
                await self.walk_all()
                await self._until_next(watcher)

    async def _until_next(self, watcher: Watcher) -> None:
        pause_s = watcher.rescan_s(self._settings.rescan_s) or None
        try:
            async with asyncio.timeout(pause_s):
                await asyncio.sleep(_BREATH_S)
                await watcher.walk_wanted.wait()
        except TimeoutError:
            return  # it is time to look at everything again

    async def _walk(self, root: Path) -> None:
        round_ = await asyncio.to_thread(self._catalogue.begin_walk, root)
        counts = NoteCounts()
        found = walk(root, include=self._settings.include, exclude=self._settings.exclude, extensions=EXTENSIONS)
        async with aclosing(found):
            async for batch in found:
                noted = await asyncio.to_thread(self._catalogue.note, round_, batch)
                if batch.unswept:
                    await asyncio.to_thread(self._sweep, batch)
                counts += noted
                if noted.new or noted.changed or noted.moved:
                    self._changed()
        outcome = await asyncio.to_thread(self._catalogue.finish_walk, round_, True)
        self._keep_reason(root, outcome.held_back)
        self._tell_unreadable(root, outcome.unreadable)
        if outcome.held_back is None:
            await asyncio.to_thread(self._try_vanished_again, root)
        log.info(
            "%s: %d new, %d changed, %d moved, %d missing, %d unchanged",
            *(root, counts.new, counts.changed, counts.moved, outcome.missing, counts.unchanged),
        )
        self._changed()

    def _sweep(self, batch: FoundBatch) -> None:
        """Whoever wants no captions in the library wants no hand of ours in it."""
        folders = batch.unswept if self._settings.captions != "off" else ()
        for folder in folders:
            for path in sweep(batch.root / os.fsdecode(folder), older_than_s=self._stale_s):
                log.info("removed %s, left by a process that was killed", path)

    def _keep_reason(self, root: Path, held_back: str | None) -> None:
        before = self._held_back.pop(root, None)
        if held_back is not None:
            self._held_back[root] = held_back
            if held_back != before:
                log.warning("%s", held_back)

    def _tell_unreadable(self, root: Path, places: Mapping[bytes, str]) -> None:
        """Says what a scan could not look at, once, and when it can be read again."""
        before, self._unreadable[root] = self._unreadable.get(root, {}), places
        fresh = [place for place in places if place not in before]
        for place in fresh[:_UNREADABLE_LOGGED]:
            reason = unreadable_reason(places[place])
            log.warning("%s: %s; what is in it stays as it is", root / os.fsdecode(place), reason)
        if len(fresh) > _UNREADABLE_LOGGED:
            log.warning("%s: %d more folders can't be read", root, len(fresh) - _UNREADABLE_LOGGED)
        if back := [place for place in before if place not in places]:
            log.info("%s: %d folders can be read again", root, len(back))

    def _try_vanished_again(self, root: Path) -> None:
        """A disk that was pulled out while its photos were being read is back: they are not to blame."""
        aside = self._catalogue.set_aside(_ASIDE_AT_ONCE, 0)
        back = [item.id for item in aside if item.kind == _VANISHED and item.file.root == root]
        self._catalogue.retry_set_aside(back)
