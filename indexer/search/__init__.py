"""What a search backend must do: the nouns of search and the `SearchBackend` Protocol.

A backend is derived from the catalogue and can always be rebuilt from it.
`tests/indexer/search/test_search_contract.py` runs the same suite on every backend.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Protocol

from indexer.message import N_, Message
from indexer.model import DatePrecision, Position


@dataclass(frozen=True, slots=True)
class SearchDocument:
    """One photo as search knows it; `id` is its content key. What weighs how much stands in `indexer.search.fields`."""

    id: str
    revision: int
    person_caption: str
    machine_caption: str
    tags: tuple[tuple[str, float], ...]  # (word, probability)
    keywords: tuple[str, ...]
    people: tuple[str, ...]
    title: str
    places: tuple[str, ...]  # names, from the most to the least exact
    folders: tuple[str, ...]  # one per file: its folder relative to the root, "/"-separated
    file_names: tuple[str, ...]
    camera: str
    lens: str
    mime_type: str
    taken_at: datetime | None
    rating: int | None
    position: Position | None
    embedding: tuple[float, ...] | None
    model: str = ""  # whose `embedding` it is: those of different models lie in different spaces
    added_words: tuple[str, ...] = ()  # a person's, for finding the photo: keywords that count as much as a caption
    machine_words: tuple[tuple[str, float], ...] = ()  # (word of `machine_caption`, probability), those that have one
    machine_sure: bool = True  # False: `machine_caption` may well be wrong, and counts for little
    pets: tuple[str, ...] = ()
    headline: str = ""
    alt_texts: tuple[str, ...] = ()
    comments: tuple[str, ...] = ()
    locations: tuple[str, ...] = ()  # names that the file gives; `places` are those of its position
    subjects: tuple[str, ...] = ()
    creators: tuple[str, ...] = ()
    taken_precision: DatePrecision = DatePrecision.TIME
    stack: str = ""  # the id of the photo that stands for all that are nearly the same; "": it is in no stack
    camera_names: tuple[str, ...] = ()  # what people call it beside `camera`
    lens_kinds: tuple[tuple[str, float], ...] = ()  # "wide angle" and the like, and how sure that is
    appearance: tuple[tuple[str, float], ...] = ()  # what the picture looks like, and how much that says


class Sort(StrEnum):
    """The order of hits."""

    RELEVANCE = "relevance"
    NEWEST = "newest"
    OLDEST = "oldest"


class WhyNothing(StrEnum):
    """Why a query can't find anything, whatever the library holds."""

    NOTHING_SEARCHABLE = "nothing_searchable"  # there is no letter, digit or emoji in it
    EMOJI_NOT_FOUND = "emoji_not_found"  # it is nothing but emoji, which no photo's texts have


#: What each reason is in words.
WHY_NOTHING: Mapping[WhyNothing, str] = MappingProxyType(
    {
        WhyNothing.NOTHING_SEARCHABLE: N_("There is no letter, digit or emoji in it that could be searched for."),
        WhyNothing.EMOJI_NOT_FOUND: N_(
            "An emoji is found where somebody wrote it: in a caption, a keyword or a name. No photo has this one."
        ),
    }
)


class FilterError(ValueError):
    """A filter in a query can't be understood; the message says which, what was expected and the nearest right one.

    `message` can be said in other languages, `text` is the wrong part as it was typed, `suggestion` what would be right
    in its place (the page links to it).
    """

    def __init__(self, message: Message, *, text: str = "", suggestion: str | None = None) -> None:
        super().__init__(str(message))
        self.message = message
        self.text = text
        self.suggestion = suggestion


@dataclass(frozen=True, slots=True)
class Filter:
    """One `name:value` of a query, already checked (`indexer.search.filters` reads the values)."""

    name: str
    value: str
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """A parsed query (`query.parse`). The last word is matched as a prefix where `prefix_last` is set.

    `vector` is the query in the space of the embeddings of `model`, unit length; photos near it are found as well. A
    backend that was given a `Meaning` fills in the three of them itself, and every backend `counts`.
    """

    words: tuple[str, ...] = ()
    phrases: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()  # words or phrases
    filters: tuple[Filter, ...] = ()
    prefix_last: bool = True
    sort: Sort | None = None  # None: relevance where there are words, else newest
    vector: tuple[float, ...] | None = None
    model: str = ""
    meant: tuple[str, ...] = ()  # the words, folded, that `vector` stands for, which are right as typed; empty: all
    counts: tuple[str, ...] = ()  # words that only say how many (`counts`): weak evidence
    also: tuple[Query, ...] = ()  # what these find comes after it; no photo is found by two of them
    fold: bool = False  # of each stack one photo alone is a hit
    ignored: tuple[str, ...] = ()  # parts as typed that are not searched for: nothing can be, or they are too many


@dataclass(frozen=True, slots=True)
class Why:
    """One reason for a hit: in `field`, these character spans of `text` matched; `kind` says how.

    A match by meaning has the field "embedding". Its text names words of the query, each beside the nearest word of the
    photo, which the spans mark: "seaside ≈ beach, toddler ≈ child"; it is empty where no single word is near.
    The text of the field "appearance" is the name of a look (`appearance`): "dark", "black and white".
    """

    field: str  # a SearchDocument field name
    text: str
    spans: tuple[tuple[int, int], ...]  # start, end in characters of `text`
    kind: str  # "exact", "prefix", "typo", "synonym", "part" (a part of a word is the word), "meaning"


@dataclass(frozen=True, slots=True)
class Hit:
    """One photo found. `score` is between 0 and 1, comparable within one answer only.

    `sure` is False where the photo may well not show what the query says: little speaks for a word of it that only the
    model says, or the picture merely looks like it. By relevance such hits come after all others.
    """

    id: str
    score: float
    why: tuple[Why, ...]
    sure: bool = True


@dataclass(frozen=True, slots=True)
class FacetCount:
    """How many photos of the current search have this value."""

    value: str
    count: int


@dataclass(frozen=True, slots=True)
class Answer:
    """A page of hits; `total` counts all photos found, beyond the page too, `folded` those of them that are no hits
    themselves, as another photo of their stack is.

    `corrections` maps words (and `name:value` filters) of the query to the nearest that the index has. `dropped` are
    the words that had to be left out because no photo matches all of them.
    """

    hits: tuple[Hit, ...]
    total: int
    corrections: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    dropped: tuple[str, ...] = ()
    by_meaning: int = 0  # how many of `total` none of the words would have found
    folded: int = 0
    sure: int = 0  # how many hits are: by relevance these come first
    why_nothing: WhyNothing | None = None

    @property
    def listed(self) -> int:
        """How many hits there are on all pages."""
        return self.total - self.folded


class SearchBackend(Protocol):
    """A derived, rebuildable index over `SearchDocument`s. Methods block; callers on the loop use a thread.

    Every method raises `indexer.errors.SearchError` where the backend is down or refuses.

    Whoever writes calls `prepare` first, and again after every `SearchError` and where `checkpoint` moved by itself.
    From then on `put`, `delete`, `clear`, `checkpoint`, `held` and `count` speak of the index that is being written,
    which need not be the one that searches are answered from until `complete` says that it is. One process writes at a
    time, any number search.
    """

    name: str
    batch: int  # how many documents one `put` best takes

    def prepare(self) -> None:
        """Makes the index ready for documents: there, with its settings as declared.

        Where an index was made with other settings, a second one is begun (or gone on with, where a writer before
        this one was interrupted), while searches go on being answered from the first.
        """

    def checkpoint(self) -> str:
        """Names what the index holds: equal to an earlier answer only if nothing was written, lost or restored since.

        Cheap; asked before and after every batch.
        """

    def held(self) -> Iterator[tuple[str, int]]:
        """Id and revision of every document, in any order, not all in memory at once.

        The revision is `IN_ANSWERING_INDEX` for a document that only the index has that answers searches while another
        one is being filled.
        """

    def put(self, documents: Sequence[SearchDocument]) -> Mapping[str, str]:
        """Adds or replaces; durable and seen by `checkpoint` when it returns. Whatever revision was there gives way.

        Gives, by id and with the reason, the documents that are refused for good while all the others are in; normally
        none. What stood under their ids before is left as it was. After a `SearchError` any of the documents may be in.
        """

    def delete(self, ids: Iterable[str]) -> None:
        """Unknown ids are no error; durable when it returns."""

    def clear(self) -> None:
        """Forgets every document."""

    def complete(self) -> None:
        """To be called when every document is in: a second index then replaces the first one, in one step.

        Does nothing where there is none.
        """

    def data_version(self) -> str:
        """A text that changes whenever answers may change. Takes microseconds; what another process writes may show
        some seconds later."""

    def search(self, query: Query, *, limit: int = 50, offset: int = 0) -> Answer:
        """The photos that match, best first. Raises `FilterError` for a filter that it can't answer.

        Where the query says `fold`, of each stack one of the photos that match is a hit: the one that stands for the
        stack, if it is as good a hit as any of them, else the best.
        """

    def facets(self, query: Query, names: Sequence[str], *, limit: int = 50) -> Mapping[str, tuple[FacetCount, ...]]:
        """Counts per value of each facet, of all photos that match `query`, the `limit` first values each;
        those count that are folded, too.

        Facets are `year`, `month` (newest first), `rating` (best first), and by falling count `camera`, `lens`,
        `place`, `folder` (every level: "2019" and "2019/Lyon"), `person`, `tag`, `type`. Each value, put behind the
        facet's name, is a filter. Raises `ValueError` for another name.
        """

    def similar(self, photo_id: str, *, limit: int = 20) -> Answer:
        """Photos like this one, itself left out; empty for an unknown id."""

    def vocabulary(self, beginning: str, *, limit: int = 10) -> tuple[str, ...]:
        """Words of photos that start with `beginning`, the most common ones first, to complete what is being typed.

        In small letters, spelt as a photo spells them, of several forms of a word the most common one. None for
        several words or none, and in scripts without spaces between words, which have no beginnings.
        """

    def count(self) -> int:
        """How many documents there are: as many as `held` would give."""

    def close(self) -> None:
        """Closing twice is fine."""
