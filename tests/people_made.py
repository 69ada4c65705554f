"""Made faces for tests: vectors of made persons, and photos that show them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from captioner import FACE_VECTOR_LENGTH, Face, FaceModel
from indexer.catalogue import Catalogue
from indexer.face_box import FaceRegion
from indexer.model import Job, JobKind
from tests.libraries import rescan, settle_all, write

MODEL = "made-1"
#: How the vectors that are made here compare.
FACE_MODEL = FaceModel(MODEL, same_distance=0.6, least_seed_px=40.0, least_px=20.0)


def unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Vectors of the same directions, of length 1."""
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def looks_of(seed: int, number: int = 1, *, spread: float = 0.25) -> NDArray[np.float32]:
    """Vectors of one made person: `spread` is about how far they lie from their middle."""
    random = np.random.default_rng(seed)
    middle = unit(random.normal(size=FACE_VECTOR_LENGTH))
    noise = random.normal(size=(number, FACE_VECTOR_LENGTH)) * (spread / FACE_VECTOR_LENGTH**0.5)
    return unit((middle + noise).astype(np.float32))


def face(
    vector: NDArray[np.float32], left: float = 0.2, *, score: float = 0.95, width: float = 0.1, size_px: float = 96.0
) -> Face:
    """A face somewhere in the picture."""
    return Face(left, 0.2, width, width, score, size_px, vector.astype("<f2").tobytes())


def catalogue_of(folder: Path, number: int) -> tuple[Catalogue, list[str]]:
    """A catalogue of so many photos, and their ids."""
    for one in range(number):
        write(folder / "library" / f"{one:04}.jpg", str(one))
    catalogue = Catalogue(folder / "catalogue.db")
    rescan(catalogue, folder / "library")
    settle_all(catalogue)
    return catalogue, catalogue.photo_ids()


def look_for_faces(
    catalogue: Catalogue, faces: Mapping[str, Sequence[Face]], regions: Mapping[str, Sequence[FaceRegion]] | None = None
) -> dict[int, bytes]:
    """Works the queue of faces off as the indexer does; gives the vectors of all faces."""
    catalogue.faces.enqueue(MODEL)
    vectors: dict[int, bytes] = {}
    while jobs := catalogue.queue.claim(10):
        for job in jobs:
            assert job.kind is JobKind.FACES
            vectors |= settle_faces(catalogue, job, faces, regions or {})
    return vectors


def settle_faces(
    catalogue: Catalogue, job: Job, faces: Mapping[str, Sequence[Face]], regions: Mapping[str, Sequence[FaceRegion]]
) -> dict[int, bytes]:
    """What one job finds becomes rows."""
    key = job.content_key or ""
    return dict(catalogue.faces.settle(job, key, faces.get(key, ()), MODEL, regions.get(key, ())))
