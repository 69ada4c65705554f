"""Groups 100,000 made faces by person: processor time, memory, purity and recall.

    python -m tests.bench.bench_people_groups [FACES]

Persons are made as directions with noise; one face in four is of a stranger who is seen once. The faces come as one
portion, then a hundred more: what a first look at a library costs, and what a day's photos cost.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from captioner import FaceModel
from indexer.catalogue import Catalogue
from indexer.people.grouping import group_faces
from indexer.people.vectors import FaceVectors

_MODEL = FaceModel("made-1", same_distance=0.6, least_seed_px=40.0, least_px=20.0)
_PERSONS, _STRANGERS, _SPREAD = 400, 0.25, 0.4


def made(number: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.float16]]:
    """Whose each face is (strangers have numbers of their own), and the vectors."""
    of_persons = np.random.default_rng(0).normal(size=(_PERSONS, 128)).astype(np.float32)
    random = np.random.default_rng(seed)
    weights = 1 / np.arange(1, _PERSONS + 1)
    whose = random.choice(_PERSONS, number, p=weights / weights.sum())
    strangers = random.random(number) < _STRANGERS
    whose[strangers] = _PERSONS + seed * 10_000_000 + np.flatnonzero(strangers)
    vectors = np.empty((number, 128), np.float16)
    for start in range(0, number, 4096):
        part = whose[start : start + 4096]
        middles = np.where(
            (part < _PERSONS)[:, None], of_persons[part % _PERSONS], random.normal(size=(len(part), 128))
        )
        middles /= np.linalg.norm(middles, axis=1, keepdims=True)
        looks = middles + random.normal(size=middles.shape) * (_SPREAD / 128**0.5)
        vectors[start : start + 4096] = looks / np.linalg.norm(looks, axis=1, keepdims=True)
    return whose, vectors


def store(catalogue: Catalogue, kept: FaceVectors, vectors: NDArray[np.float16], first: int) -> None:
    """A photo for each face."""
    with catalogue._database.transaction() as writer:
        writer.executemany(
            "INSERT INTO photo (id, mime_type, width_px, height_px, added_at) VALUES (?, 'image/jpeg', 4, 3, '2020')",
            ((f"{first + number:032x}",) for number in range(len(vectors))),
        )
        writer.executemany(
            """INSERT INTO face (id, photo_id, x, y, width, height, score, size_px, model)
            VALUES (?, ?, 0.2, 0.2, 0.1, 0.1, 0.9, 90, ?)""",
            ((first + number, f"{first + number:032x}", _MODEL.name) for number in range(len(vectors))),
        )
    for start in range(0, len(vectors), 4096):
        part = vectors[start : start + 4096]
        kept.store(((first + start + n, one.tobytes()) for n, one in enumerate(part)), _MODEL.name)


def timed_grouping(catalogue: Catalogue, kept: FaceVectors, what: str) -> None:
    """Groups, and prints the cost."""
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.process_time()
    result = group_faces(catalogue, kept, _MODEL)
    seconds = time.process_time() - began
    peak_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"{what}: {seconds:.1f} s of processor time, {result.groups:,} groups")
    print(f"  most memory of the process: {peak_kb // 1024} MB, {before_kb // 1024} MB before")


def print_quality(catalogue: Catalogue, whose: dict[int, int]) -> None:
    """Purity: faces in groups whose group is mostly of their person. Recall: of each person's faces the share that is
    in the person's largest group."""
    groups: dict[int, Counter[int]] = defaultdict(Counter)
    for one in catalogue.faces.grouped(_MODEL.name):
        if one.person_id is not None:
            groups[one.person_id][whose[one.id]] += 1
    in_groups = sum(group.total() for group in groups.values())
    pure = sum(group.most_common(1)[0][1] for group in groups.values())
    totals = Counter(one for one in whose.values() if one < _PERSONS)
    largest: Counter[int] = Counter()
    for group in groups.values():
        for person, number in group.items():
            largest[person] = max(largest[person], number)
    recall = sum(largest[person] for person in totals) / totals.total()
    print(
        f"purity {pure / max(1, in_groups):.4f}, recall {recall:.4f}, {in_groups:,} of {len(whose):,} faces in groups"
    )


def main() -> None:
    """Prints what it measures."""
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with tempfile.TemporaryDirectory() as folder, Catalogue(Path(folder) / "catalogue.db") as catalogue:
        kept, whose = FaceVectors(Path(folder) / "faces.db"), {}
        for first, (size, what) in ((1, (number, f"{number:,} new faces")), (number + 1, (100, "100 more"))):
            labels, vectors = made(size, first % 7 + 1)
            store(catalogue, kept, vectors, first)
            whose |= {first + n: int(one) for n, one in enumerate(labels)}
            del vectors, labels
            timed_grouping(catalogue, kept, what)
        print_quality(catalogue, whose)
        kept.close()


if __name__ == "__main__":
    main()
