"""How far the indexing is, as text for people."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from indexer.catalogue import Counts
from indexer.message import N_
from indexer.progress import Phase, Progress
from web.i18n.language import duration_text, gettext, translate
from web.presenters import message_text

_PHASES: Mapping[str, str] = MappingProxyType(
    {
        Phase.STARTING: N_("starting"),
        Phase.WALKING: N_("looking for photos"),
        Phase.INDEXING: N_("captioning"),
        Phase.FACES: N_("looking for faces"),
        Phase.NAMES: N_("writing names"),
        Phase.SEARCH: N_("updating search"),
        Phase.IDLE: N_("up to date"),
        Phase.WAITING: N_("waiting"),
        Phase.PAUSED_QUIET: N_("paused: quiet hours"),
        Phase.PAUSED_HOT: N_("paused: the processor is hot"),
        Phase.PAUSED_LOAD: N_("paused: other programs need the processor"),
        Phase.STOPPING: N_("stopping"),
    }
)

#: Search is made again, not just kept up, while it lacks more than one in so many photos.
_REBUILD_SHARE = 20


def is_busy(progress: Progress, counts: Counts) -> bool:
    """Whether more photos are to be expected soon; an indexer that has just started does not know yet."""
    return bool(progress.queued or counts.queued or progress.walking or progress.phase == Phase.STARTING)


def percent(progress: Progress, counts: Counts) -> int:
    """How much of the photos that are known is done."""
    todo = max(progress.queued, counts.queued)
    whole = counts.photos + todo
    return 100 if not todo else min(99, counts.photos * 100 // max(whole, 1))


def phase_text(progress: Progress, *, is_well: bool = True) -> str:
    """What the indexer is doing, as the beginning of a sentence; while it does nothing, whether all is well."""
    if not is_well and progress.phase == Phase.IDLE:
        return gettext("Not all is well")
    phase = translate(_PHASES.get(progress.phase, progress.phase))
    return phase[:1].upper() + phase[1:]


def is_rebuilding(counts: Counts) -> bool:
    """Whether search lacks so many photos that it is being made again, or for the first time, rather than kept up."""
    return counts.not_found_yet > 0 and counts.not_found_yet * _REBUILD_SHARE >= counts.photos


def problems(progress: Progress) -> list[str]:
    """What keeps the indexer waiting, a line for each."""
    return [message_text(problem) for problem in progress.problems]


def eta_text(progress: Progress) -> str:
    """``about 7 min left``; empty where it is not known."""
    return gettext("about %(time)s left", time=duration_text(progress.eta_s)) if progress.eta_s is not None else ""
