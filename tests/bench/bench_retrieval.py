"""Does search find the photo? People's captions as queries over the photos they were written for, by words alone and
by words and meaning, through the product's own index, query language and ranking.

    python -m tests.bench.bench_retrieval [--photos TAR --captions JSONL] [--bundle DIR] [--cache FILE.npz]
                                          [--synonyms FILE] [--every 1] [--backend embedded meilisearch]
                                          [--server URL] [--examples 5] [--json]

The bundle captions every photo; sentence, tags and embedding are indexed by each backend. Then it is asked for

- every whole caption that a person wrote, punctuation dropped;
- two or three words in turn: the first content words of each caption;
- single words: every content word that two people used for at least five photos; photos that one person used it for are
  left out of its ranking (`captioner.training.retrieval`);
- with --synonyms, the captions that hold a listed word, as they are and with those words swapped.

Of captions it prints how often the photo they were written for is among the first 1, 5 and 10, and its median rank;
photos of one score share the mean of their ranks, and those that were not found share the ranks after the last hit. Of
words, for which many photos are right, also the share of the first ten that are: people used all the words for the
photo, in whichever caption; out of ten, or of as many as there are. Of single words the mean average precision at 50
and the precision at 10, how much of what stands above the line "less sure" is right, and how much that is.

Without --photos it takes ../shared/data/flickr8k-dev where that is there, else a made set, which says nothing of the
bundle. Ranks of the embedded search are read from the ranking itself, without the highlights that a page shows:
`search` gives the same. Meilisearch is asked for a page of 50, which says nothing of a median rank.

With two backends the same queries go to both, and of each kind it says how many have their photo among the first 10 of
one and not of the other, with `--examples` of them. Aim: recall at 10 within two points of each other. The server is
found as `bench_backends` finds it.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from captioner import DEFAULT_BUNDLE, Caption, Tag
from captioner.inference.litert import LiteRTCaptioner
from captioner.inference.preprocess import tokenize
from captioner.training.captioned_photos import CaptionedPhotos, caption_photos
from captioner.training.retrieval import (
    DEPTH,
    Recall,
    WordQueries,
    average_ranks,
    expected_precision,
    read_synonyms,
    search_terms,
    swap_all,
)
from indexer.model import is_unsure
from indexer.search import Answer, Query, SearchBackend, SearchDocument
from indexer.search.arrays import Floats
from indexer.search.embedded.backend import EmbeddedSearch
from indexer.search.meaning import NO_MEANING, Meaning
from indexer.search.query import parse
from tests.bench.sites import BACKENDS, served

REPOSITORY = Path(__file__).resolve().parents[2]
DEV = REPOSITORY.parent / "shared" / "data" / "flickr8k-dev"
SYNONYMS = REPOSITORY / "captioner" / "training" / "synonyms_dev.txt"
FIRST = 10
STEPS = 1000  # scores that differ by less than a thousandth are one to the product
PAGE = 50


class Ranked(Protocol):
    """A search that tells its whole ranking, or that of its first page."""

    cut: bool

    def ranked(self, text: str) -> NDArray[np.int64]:
        """(photos,) the score in thousandths, -1 of photos that were not found; in the order they were put."""

    def sure(self, text: str) -> NDArray[np.bool_]:
        """(photos,) those that stand above the line."""

    def search(self, query: Query, *, limit: int = 50, offset: int = 0) -> Answer:
        """As `SearchBackend.search`."""

    def close(self) -> None:
        """As `SearchBackend.close`."""


class RankedSearch(EmbeddedSearch):
    """The product's search, asked for the whole ranking and for no highlights."""

    cut = False

    def ranked(self, text: str) -> NDArray[np.int64]:
        """(photos,) the score in thousandths, -1 of photos that were not found; in the order they were put."""
        _, _, match = self._match(parse(text))
        return np.where(match.mask, np.round(match.scores * STEPS), -1).astype(np.int64)

    def sure(self, text: str) -> NDArray[np.bool_]:
        """(photos,) those that stand above the line."""
        _, _, match = self._match(parse(text))
        return match.mask if match.sure is None else match.sure

    def evidence(self, word: str) -> tuple[Floats, Floats]:
        """Of a finished word (photos,): the evidence for it, 0 of photos without it, and the cosines with it."""
        query, snapshot, match = self._match(parse(f"{word} "))
        evidence = match.groups[0].evidence if match.groups else np.zeros(len(match.mask), np.float32)
        if query.vector is None:
            return evidence, np.zeros_like(evidence)
        return evidence, self._vectors.cosines(query.vector, query.model, snapshot, self._database.reader)


class RankedPage:
    """Any backend, asked for its first page; of `photos` photos those that are not on it count as not found."""

    cut = True

    def __init__(self, backend: SearchBackend, photos: int) -> None:
        self._photos = photos
        self.search, self.close = backend.search, backend.close

    def ranked(self, text: str) -> NDArray[np.int64]:
        """As `Ranked.ranked`."""
        scores = np.full(self._photos, -1, np.int64)
        for hit in self.search(parse(text), limit=PAGE).hits:
            scores[int(hit.id, 16)] = round(hit.score * STEPS)
        return scores

    def sure(self, text: str) -> NDArray[np.bool_]:
        """As `Ranked.sure`."""
        mask = np.zeros(self._photos, np.bool_)
        mask[[int(hit.id, 16) for hit in self.search(parse(text), limit=PAGE).hits if hit.sure]] = True
        return mask


@dataclass(frozen=True)
class Line:
    """What stands above the line, of all queries together."""

    right: float  # share of what is right, neutral photos left out
    lenient: float  # with neutral ones as right ones
    hits: float  # of a query that has any there
    queries: float  # share that has any there

    @classmethod
    def of(cls, sure: NDArray[np.bool_], judged: WordQueries) -> Line:
        """Of (queries, photos) that are sure."""
        some = sure.any(axis=1)
        strict = sure & ~judged.neutral
        return cls(
            right=float(judged.right[strict].mean()) if strict.any() else 0.0,
            lenient=float((judged.right | judged.neutral)[sure].mean()) if sure.any() else 0.0,
            hits=float(sure.sum() / max(some.sum(), 1)),
            queries=float(some.mean()),
        )


@dataclass(frozen=True)
class Asked:
    """Queries, the photo that each was written for, and all the photos that each is right of; empty: not known."""

    name: str
    queries: tuple[str, ...]
    right: tuple[int, ...] = ()
    all_right: tuple[frozenset[int], ...] = ()
    judged: WordQueries | None = None  # which photos are right of each, and which are neither right nor wrong


@dataclass(frozen=True)
class Found:
    """What came of one kind of query."""

    queries: int
    recall: Recall | None
    precision: float | None  # share of the first ten that are right
    ms: float  # a query, median
    first: NDArray[np.bool_] | None = None  # (queries,) whether the right photo is among the first ten
    cut: bool = False  # ranks are known of the first page only
    averages: tuple[float, float] | None = None  # of single words: average precision at 50, precision at 10
    line: Line | None = None  # of single words

    def table(self) -> dict[str, float]:
        recall = self.recall.table() if self.recall else {}
        if self.cut:
            recall.pop("median rank", None)
        precision = {} if self.precision is None else {"right of the first 10": round(self.precision, 4)}
        if self.averages is not None:
            precision = {"MAP@50": round(self.averages[0], 4), "precision@10": round(self.averages[1], 4)}
        if self.line is not None:
            precision |= {
                "right above the line": round(self.line.right, 4),
                "where one person is enough": round(self.line.lenient, 4),
                "hits above it": round(self.line.hits, 2),
                "queries with any": round(self.line.queries, 4),
            }
        return {"queries": self.queries, **recall, **precision, "ms": round(self.ms, 2)}


def document(place: int, caption: Caption) -> SearchDocument:
    return SearchDocument(
        id=f"{place:032x}", revision=1, person_caption="", machine_caption=caption.text,
        tags=tuple((tag.word, tag.probability) for tag in caption.tags), keywords=(), people=(), title="", places=(),
        folders=(), file_names=(), camera="", lens="", mime_type="image/jpeg", taken_at=None, rating=None,
        position=None, embedding=caption.embedding, model=caption.model,
        machine_words=tuple((word.word, word.probability) for word in caption.words),
        machine_sure=not is_unsure(caption),
    )  # fmt: skip


def indexed(path: Path, captions: Sequence[Caption], meaning: Meaning) -> RankedSearch:
    search = RankedSearch(path, meaning)
    search.put([document(place, caption) for place, caption in enumerate(captions)])
    return search


def ask(search: Ranked, asked: Asked) -> Found:
    scores, times = [], []
    for query in asked.queries:
        start = time.perf_counter()
        scores.append(search.ranked(query))
        times.append(time.perf_counter() - start)
    found = np.array(scores, np.float32)
    ranks = average_ranks(found, asked.right) if asked.right else None
    shares = [right_of_first(row, right) for row, right in zip(found, asked.all_right, strict=False)]
    return Found(
        queries=len(found),
        recall=None if ranks is None else Recall.of(ranks),
        precision=float(np.mean(shares)) if shares else None,
        ms=1000 * float(np.median(times)),
        first=None if ranks is None else ranks <= FIRST,
        cut=search.cut,
        averages=mean_precision(found, asked.judged) if asked.judged else None,
        line=Line.of(np.array([search.sure(query) for query in asked.queries]), asked.judged) if asked.judged else None,
    )


def mean_precision(scores: NDArray[np.float32], judged: WordQueries) -> tuple[float, float]:
    """Mean average precision at 50 and mean precision at 10 of what was found; the rest counts as missed."""
    each = []
    for row, right, neutral in zip(scores, judged.right, judged.neutral, strict=True):
        shown = (row >= 0) & ~neutral
        average, first = expected_precision(row[shown], right[shown]) if right[shown].any() else (0.0, 0.0)
        part = min(DEPTH, right[shown].sum()) / min(DEPTH, right.sum())  # of the right ones those that were found
        each.append((average * part, first))
    average, first = np.mean(each, axis=0)
    return float(average), float(first)


def right_of_first(scores: NDArray[np.float32], right: frozenset[int]) -> float:
    """The share of the first ten (or of as many as are right) that are right; what is tied at the edge counts in part.

    A page that shows fewer than that has missed the rest.
    """
    wanted = min(FIRST, len(right))
    is_right = np.zeros(len(scores), bool)
    is_right[list(right)] = True
    edge = np.sort(scores)[-wanted]
    above, level = scores > edge, scores == edge
    if edge < 0:  # fewer were found
        return float(is_right[above].sum() / wanted)
    part = (wanted - above.sum()) / level.sum()
    return float((is_right[above].sum() + part * is_right[level].sum()) / wanted)


def kinds_of_queries(run: CaptionedPhotos, every: int) -> list[Asked]:
    texts, right = run.queries
    texts, right = [" ".join(tokenize(text)) for text in texts[::every]], right[::every]
    used = [{word for text in texts_of for word in search_terms(text)} for texts_of in run.references]
    photos_of: dict[str, set[int]] = {}
    for place, of_photo in enumerate(used):
        for word in of_photo:
            photos_of.setdefault(word, set()).add(place)
    short = [search_terms(text)[: 2 + place % 2] for place, text in enumerate(texts)]
    all_right = tuple(frozenset(set.intersection(*(photos_of[word] for word in query))) for query in short)
    judged = WordQueries.of(run.references)
    return [
        Asked("whole captions", tuple(texts), tuple(right)),
        Asked("two or three words", tuple(map(" ".join, short)), tuple(right), all_right),
        Asked("single words", judged.words, judged=judged),
    ]  # fmt: skip


def swapped_queries(run: CaptionedPhotos, path: Path, every: int) -> list[Asked]:
    texts, right = run.queries
    texts, right = texts[::every], right[::every]
    swaps = swap_all(texts, read_synonyms(path))
    places = tuple(right[query] for query in swaps)
    before = tuple(" ".join(tokenize(texts[query])) for query in swaps)
    return [Asked("captions with listed words", before, places),
            Asked("the same, words swapped", tuple(swaps.values()), places)]  # fmt: skip


class MadeTower:
    """A space of meaning in which every word has a direction drawn by chance."""

    model = "made-1"
    dimension = 64

    def knows(self, word: str) -> bool:
        return word.isalpha()

    def embed(self, text: str) -> NDArray[np.float32] | None:
        vectors = [
            np.random.default_rng(list(word.encode())).normal(size=self.dimension) for word in search_terms(text)
        ]
        total = np.sum(vectors, axis=0) if vectors else np.zeros(self.dimension)
        return np.asarray(total / np.linalg.norm(total), np.float32) if vectors else None

    def embed_each(self, texts: Sequence[str]) -> list[NDArray[np.float32] | None]:
        return list(map(self.embed, texts))


def made_set(photos: int = 300) -> CaptionedPhotos:
    """Photos of somebody who does something somewhere; the model gets one of the three wrong."""
    who = ["man", "woman", "dog", "horse", "girl", "boy", "cat", "bird", "child", "crowd"]
    does = ["stands", "sits", "runs", "plays", "sleeps", "walks", "eats", "jumps", "swims", "climbs"]
    where = ["beach", "park", "lake", "couch", "snow", "street", "kitchen", "tree", "field", "boat"]
    chance, tower = random.Random(5), MadeTower()
    captions, references = [], []
    for _ in range(photos):
        true = [chance.choice(part) for part in (who, does, where)]
        said = list(true)
        wrong = chance.randrange(3)
        said[wrong] = chance.choice((who, does, where)[wrong])
        vector = tower.embed(" ".join(true))
        assert vector is not None
        tags = tuple(Tag(word, chance.uniform(0.3, 1)) for word in true[:2])
        embedding = tuple(map(float, vector))
        captions.append(Caption("A {} {} by the {}.".format(*said), 0.5, tags, embedding, tower.model))
        references.append(("a {} {} near a {}".format(*true), "{} {} {}".format(*true)))
    return CaptionedPhotos(tuple(f"{i}.jpg" for i in range(photos)), tuple(captions), tuple(references))


def read_set(options: argparse.Namespace) -> tuple[str, CaptionedPhotos, Meaning]:
    photos, captions = options.photos, options.captions
    if photos is None and DEV.with_suffix(".tar").exists():
        photos, captions = DEV.with_suffix(".tar"), DEV.with_suffix(".jsonl")
    if photos is None:
        return "a made set", made_set(), Meaning(MadeTower)
    run = caption_photos(LiteRTCaptioner(options.bundle), photos, captions, cache=options.cache)
    return photos.stem, run, Meaning.of_bundle(options.bundle)


#: kind of query -> way of searching -> backend -> what came of it
Measured = dict[str, dict[str, dict[str, Found]]]


def measured(
    run: CaptionedPhotos,
    meaning: Meaning,
    asked: Sequence[Asked],
    backends: Sequence[str] = ("embedded",),
    server: str = "",
) -> Measured:
    """The same queries to each backend, which has the same photos."""
    ways = {"words": NO_MEANING}
    if any(caption.embedding for caption in run.captions):  # a picture that is no photo has none
        ways["words and meaning"] = meaning
    found: Measured = {kind.name: {way: {} for way in ways} for kind in asked}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
        site = stack.enter_context(served(server, folder / "server")) if "meilisearch" in backends else None
        for way, by in ways.items():
            for backend in backends:
                search: Ranked
                if site is None or backend == "embedded":
                    search = indexed(folder / f"{way}.db", run.captions, by)
                else:
                    search = filled(site.opened(by), run.captions)
                agrees(search, asked[0].queries[:20])
                for kind in asked:
                    found[kind.name][way][backend] = ask(search, kind)
                search.close()
    return found


def filled(search: SearchBackend, captions: Sequence[Caption]) -> RankedPage:
    search.prepare()
    search.clear()
    if refused := search.put([document(place, caption) for place, caption in enumerate(captions)]):
        raise RuntimeError(next(iter(refused.values())))
    search.complete()
    return RankedPage(search, len(captions))


def agrees(search: Ranked, queries: Sequence[str]) -> None:
    """What is measured is what a page shows: the same scores in the same order."""
    for query in queries:
        ranked = search.ranked(query)
        shown = [ranked[int(hit.id, 16)] for hit in search.search(parse(query), limit=FIRST).hits]
        best = sorted(ranked[ranked >= 0].tolist(), reverse=True)[:FIRST]
        # Hits tell their scores rounded: one in the middle of two steps may come out as either.
        assert np.allclose(shown, best, rtol=0, atol=1), query


def tables(found: Measured) -> dict[str, dict[str, dict[str, dict[str, float]]]]:
    """The figures alone."""
    return {
        kind: {way: {name: each.table() for name, each in by.items()} for way, by in ways.items()}
        for kind, ways in found.items()
    }


def report(name: str, run: CaptionedPhotos, asked: Sequence[Asked], found: Measured, examples: int) -> None:
    lengths = Counter(len(caption.tags) for caption in run.captions)
    tags = sum(length * count for length, count in lengths.items()) / len(run.captions)
    print(f"{name}: {len(run.names)} photos by {run.captions[0].model}, {tags:.1f} tags a photo")
    for kind in asked:
        print(f"{kind.name} ({len(kind.queries)})")
        for way, by in found[kind.name].items():
            for backend, figures in by.items():
                row = "  ".join(f"{label} {value:g}" for label, value in figures.table().items() if label != "queries")
                print(f"  {way:18} {backend:12} {row}")
            differing(kind, by, examples)
    if "the same, words swapped" in found:
        for way, by in found["the same, words swapped"].items():
            for backend, after in by.items():
                before = found["captions with listed words"][way][backend].table()["recall@10"]
                lost = 1 - after.table()["recall@10"] / max(before, 1e-9)
                print(f"swapping loses {lost:.0%} of recall@10 by {way} ({backend})")


def differing(kind: Asked, by: Mapping[str, Found], examples: int) -> None:
    """Prints what one of two backends has among its first ten and the other has not."""
    for backend, figures in by.items():
        others = [other.first for name, other in by.items() if name != backend and other.first is not None]
        if figures.first is None or not others:
            continue
        alone = [kind.queries[place] for place in np.flatnonzero(figures.first & ~others[0])]
        shown = "".join(f"\n      {query}" for query in alone[:examples])
        print(f"    only {backend} has the photo among the first {FIRST}: {len(alone)}{shown}")


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--captions", type=Path)
    parser.add_argument("--bundle", type=Path, default=DEFAULT_BUNDLE)
    parser.add_argument("--cache", type=Path, help="keep what the bundle said there: tuning needs no captioning")
    parser.add_argument("--synonyms", type=Path, default=SYNONYMS if SYNONYMS.exists() else None)
    parser.add_argument("--every", type=int, default=1, help="only each so many-th caption as a query")
    parser.add_argument("--backend", nargs="+", choices=BACKENDS, default=["embedded"])
    parser.add_argument("--server", default="", help="address of a Meilisearch")
    parser.add_argument("--examples", type=int, default=5, help="of queries for which backends differ")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(argv)
    if (options.photos is None) != (options.captions is None):
        parser.error("--photos and --captions go together")
    name, run, meaning = read_set(options)
    asked = kinds_of_queries(run, options.every)
    if options.synonyms:
        asked += swapped_queries(run, options.synonyms, options.every)
    asked = [kind for kind in asked if kind.queries]
    found = measured(run, meaning, asked, options.backend, options.server)
    if options.json:
        print(json.dumps(tables(found)))
    else:
        report(name, run, asked, found, options.examples)


if __name__ == "__main__":
    main()
