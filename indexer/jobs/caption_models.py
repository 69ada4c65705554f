"""Which models have described the photos, and how many of them another model than the one in use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from indexer.catalogue import Catalogue
from indexer.model import JobKind


@dataclass(frozen=True, slots=True)
class CaptionModels:
    """How many present photos each caption model has described."""

    current: str  # the model in use
    own: int  # photos that it has described
    others: Mapping[str, int]  # photos by every other model, most first; "" where a file did not say which
    queued: int  # files that wait for a caption by the model in use, those in hand included

    @property
    def by_others(self) -> int:
        """Photos that another model than the one in use has described."""
        return sum(self.others.values())


def count_by_model(catalogue: Catalogue, current: str) -> CaptionModels:
    """Asks the catalogue now; `current` is the name of the model in use."""
    others = dict(catalogue.feedback.models())
    own = others.pop(current, 0)
    return CaptionModels(current, own, others, catalogue.queue.queued(JobKind.CAPTION))


def listed_models(models: Mapping[str, int]) -> str:
    """``1,200 by recollect-atto-2, 34 by an unknown model``."""
    return ", ".join(f"{photos:,} by {model or 'an unknown model'}" for model, photos in models.items())
