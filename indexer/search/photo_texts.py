"""What single photos say, as reasons for finding them need it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from indexer.search.matching import STOP_WORDS

_TELLING = frozenset(
    {"person_caption", "machine_caption", "tags", "keywords", "title", "headline", "alt_texts", "comments"}
)
_TAKING = frozenset({"camera", "lens", "creators"})


@dataclass(frozen=True)
class PhotoTexts:
    """The texts of one photo: field, text, and the words of the text, for each."""

    id: str
    texts: Sequence[Sequence[str]]

    @cached_property
    def camera_words(self) -> frozenset[str]:
        """The words that only say what the photo was taken with and by whom: two photos are not alike for those."""
        others = {word for field, _, folded in self.texts if field not in _TAKING for word in folded.split()}
        return frozenset(word for _, _, folded in self.texts for word in folded.split()) - others

    @cached_property
    def content_words(self) -> frozenset[str]:
        """The words that say what is in the picture."""
        return frozenset(word for field, _, folded in self.texts if field in _TELLING for word in folded.split()) - (
            STOP_WORDS
        )
