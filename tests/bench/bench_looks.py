"""Does a colour of the picture help where a colour stands beside a thing: "red car"?

    python -m tests.bench.bench_looks [--photos TAR --captions JSONL] [--bundle DIR] [--cache FILE.npz] [--json]

The bundle captions every photo, and each is indexed by sentence, tags and embedding twice: as it is, and with what its
picture looks like (`indexer.search.appearance`), measured from it as the product does from its thumbnail. Both are
asked for the same queries, by words alone and by words and meaning:

- a colour and a thing, which people wrote one after the other. Right is a photo where two of its people did, or one
  where fewer than four described it; photos where only one of several did are left out of the ranking;
- the colours alone, judged in the same way;
- two or three words of every fifth caption, which no look should spoil.

Of the first two it prints the mean average precision at 50 and the precision at 10, and of how many queries looks made
the average precision better and worse; of the last the recall at 10. Without --photos it takes
../shared/data/flickr8k-dev.
"""

from __future__ import annotations

import argparse
import io
import json
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image

from captioner import DEFAULT_BUNDLE
from captioner.inference.preprocess import tokenize
from captioner.training.captioned_photos import CaptionedPhotos
from captioner.training.data import read_photos
from captioner.training.retrieval import MANY_CAPTIONS, WordQueries
from indexer.images.measures import Colour
from indexer.images.measuring import measure
from indexer.search.appearance import measured_looks
from indexer.search.meaning import NO_MEANING, Meaning
from indexer.search.tokens import STOP_WORDS
from tests.bench.bench_retrieval import (
    DEV,
    Asked,
    Found,
    RankedSearch,
    ask,
    document,
    kinds_of_queries,
    mean_precision,
    read_set,
)

COLOURS = frozenset(colour.name.lower() for colour in Colour)
#: Words that follow a colour and name no thing.
NO_THINGS = STOP_WORDS | COLOURS | {"colored", "coloured", "haired", "striped"}
EVERY = 5
Looks = Sequence[tuple[tuple[str, float], ...]]


def looks_of_photos(photos: Path, names: Sequence[str]) -> Looks:
    """What each of the photos `names` looks like, in their order."""
    found = {}
    for name, data in read_photos(photos, set(names)):
        with Image.open(io.BytesIO(data)) as image:
            found[name] = tuple(measured_looks(measure(image)))
    return [found[name] for name in names]


def judged(texts_of: Sequence[Sequence[set[str]]]) -> WordQueries:
    """Queries that anybody's text holds, and the photos that are right of each: those with a right one are kept."""
    users = [Counter(query for text in texts for query in text) for texts in texts_of]
    queries = sorted({query for of_photo in users for query in of_photo})
    counts = np.array([[of_photo[query] for of_photo in users] for query in queries], np.int32)
    right = counts >= [2 if len(texts) >= MANY_CAPTIONS else 1 for texts in texts_of]
    kept = np.flatnonzero(right.any(axis=1))
    words = tuple(queries[place] for place in kept.tolist())
    return WordQueries(words, right[kept], ((counts > 0) & ~right)[kept])


def coloured_things(text: str) -> set[str]:
    """The colours of a caption with the thing that follows each."""
    return {f"{one} {other}" for one, other in pairwise(tokenize(text)) if one in COLOURS and other not in NO_THINGS}


def colours_named(text: str) -> set[str]:
    return set(tokenize(text)) & COLOURS


def kinds(run: CaptionedPhotos) -> list[Asked]:
    things, alone = (
        judged([[named(text) for text in texts] for texts in run.references])
        for named in (coloured_things, colours_named)
    )
    return [
        Asked("a colour and a thing", things.words, judged=things),
        Asked("a colour alone", alone.words, judged=alone),
        next(kind for kind in kinds_of_queries(run, EVERY) if kind.name == "two or three words"),
    ]


def filled(path: Path, run: CaptionedPhotos, looks: Looks, meaning: Meaning) -> RankedSearch:
    search = RankedSearch(path, meaning)
    search.put(
        [
            replace(document(place, caption), appearance=look)
            for place, (caption, look) in enumerate(zip(run.captions, looks, strict=True))
        ]
    )
    return search


def better_and_worse(kind: Asked, before: RankedSearch, after: RankedSearch) -> tuple[int, int]:
    """Of how many queries the average precision grew with looks, and of how many it fell."""
    if kind.judged is None:
        return 0, 0
    change = []
    for row, query in enumerate(kind.queries):
        one = WordQueries((query,), kind.judged.right[row : row + 1], kind.judged.neutral[row : row + 1])
        first, second = (
            mean_precision(np.array([search.ranked(query)], np.float32), one)[0] for search in (before, after)
        )
        change.append(second - first)
    return sum(step > 0 for step in change), sum(step < 0 for step in change)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, default=DEV.with_suffix(".tar"))
    parser.add_argument("--captions", type=Path, default=DEV.with_suffix(".jsonl"))
    parser.add_argument("--bundle", type=Path, default=DEFAULT_BUNDLE)
    parser.add_argument("--cache", type=Path, help="keep what the bundle said there: tuning needs no captioning")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(argv)
    name, run, meaning = read_set(options)
    looks = looks_of_photos(options.photos, run.names)
    asked = kinds(run)
    figures: dict[str, dict[str, dict[str, dict[str, float]]]] = {kind.name: {} for kind in asked}
    changes: dict[str, tuple[int, int]] = {}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        for way, by in (("words", NO_MEANING), ("words and meaning", meaning)):
            nothing: Looks = [()] * len(looks)
            before, after = (
                filled(Path(folder) / f"{way}-{number}.db", run, some, by)
                for number, some in enumerate((nothing, looks))
            )
            for kind in asked:
                found: dict[str, Found] = {"without looks": ask(before, kind), "with looks": ask(after, kind)}
                figures[kind.name][way] = {label: each.table() for label, each in found.items()}
                changes[f"{kind.name}, {way}"] = better_and_worse(kind, before, after)
            before.close()
            after.close()
    if options.json:
        print(json.dumps(figures))
        return
    print(f"{name}: {len(run.names)} photos by {run.captions[0].model}")
    for kind in asked:
        print(f"{kind.name} ({len(kind.queries)})")
        for way, labelled in figures[kind.name].items():
            for label, table in labelled.items():
                row = "  ".join(f"{key} {value:g}" for key, value in table.items() if key not in {"queries", "ms"})
                print(f"  {way:18} {label:14} {row}")
            if kind.judged is not None:
                better, worse = changes[f"{kind.name}, {way}"]
                print(f"  {way:18} with looks {better} better, {worse} worse")


if __name__ == "__main__":
    main()
