"""A bundle's captions of a set of photos beside those of people, with a cache file."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import logging
import math
import time
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from captioner import Caption, Tag
from captioner.inference.litert import LiteRTCaptioner
from captioner.inference.preprocess import squash
from captioner.training.data import is_held_out, read_captions, read_photos
from captioner.training.metrics import content_word_agreement

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CaptionedPhotos:
    """The captions a bundle gave to a set of photos, beside those of people."""

    names: tuple[str, ...]
    captions: tuple[Caption, ...]
    references: tuple[tuple[str, ...], ...]

    @property
    def with_text(self) -> CaptionedPhotos:
        """Only the photos with a sentence."""
        return self._select([bool(caption.text) for caption in self.captions])

    @property
    def sure(self) -> CaptionedPhotos:
        """Only the photos whose caption is sure."""
        return self._select([caption.sure for caption in self.captions])

    def _select(self, kept: Sequence[bool]) -> CaptionedPhotos:
        rows = zip(self.names, self.captions, self.references, strict=True)
        chosen = [row for row, keep in zip(rows, kept, strict=True) if keep]
        return CaptionedPhotos(
            tuple(name for name, _, _ in chosen),
            tuple(caption for _, caption, _ in chosen),
            tuple(texts for _, _, texts in chosen),
        )

    @property
    def agreed(self) -> NDArray[np.float64]:
        """(n,) share of each caption's content words that a person used."""
        pairs = zip(self.captions, self.references, strict=True)
        return np.array([content_word_agreement(caption.text, texts) for caption, texts in pairs])

    @property
    def confidence(self) -> NDArray[np.float64]:
        """(n,) confidence of each caption."""
        return np.array([caption.confidence for caption in self.captions])

    @property
    def queries(self) -> tuple[list[str], list[int]]:
        """Every human caption, and the place of the photo that it was written for."""
        pairs = [(text, place) for place, texts in enumerate(self.references) for text in texts]
        return [text for text, _ in pairs], [place for _, place in pairs]


def caption_photos(captioner: LiteRTCaptioner, photos: Path, captions: Path, limit: int | None = None,
                   held: bool = False, cache: Path | None = None) -> CaptionedPhotos:  # fmt: skip
    """Caption the photos of a tar file, a zip file or a directory that `captions` names.

    Args:
        held: only the quarter that training leaves out of a set marked /held.
        cache: file of the captions; used again where bundle and photos are the same, so only for a
            captioner with the bundle's own beam.

    Raises:
        ValueError: not one of the photos has captions.
    """
    references = read_captions(captions)
    chosen = ((n, data) for n, data in read_photos(photos, references) if not held or is_held_out(n))
    pairs = list(islice(chosen, limit))
    if not pairs:
        raise ValueError(f"no photo of {photos} is named in {captions}")
    results = _cached_captions(cache, captioner, pairs)
    names = tuple(name for name, _ in pairs)
    return CaptionedPhotos(names, results, tuple(tuple(references[name]) for name in names))


def caption_pictures(captioner: LiteRTCaptioner, pictures: Path, limit: int | None = None,
                     cache: Path | None = None) -> dict[str, Caption]:  # fmt: skip
    """Caption every picture of a tar file, a zip file or a directory; by its name.

    Args:
        cache: as in `caption_photos`.

    Raises:
        ValueError: there is not one picture.
    """
    pairs = list(islice(read_photos(pictures), limit))
    if not pairs:
        raise ValueError(f"{pictures} holds no picture")
    results = _cached_captions(cache, captioner, pairs)
    return {name: caption for (name, _), caption in zip(pairs, results, strict=True)}


def _caption_all(captioner: LiteRTCaptioner, pairs: Sequence[tuple[str, bytes]]) -> tuple[Caption, ...]:
    results: list[Caption] = []
    started = time.monotonic()
    for _, data in pairs:
        results.append(captioner.caption(squash(Image.open(io.BytesIO(data)), captioner.input_px)))
        if len(results) % 200 == 0:
            log.info("%d photos, %.1f/s", len(results), len(results) / (time.monotonic() - started))
    return tuple(results)


def _cached_captions(
    cache: Path | None, captioner: LiteRTCaptioner, pairs: Sequence[tuple[str, bytes]]
) -> tuple[Caption, ...]:
    if cache is None:
        return _caption_all(captioner, pairs)
    key = _cache_key(captioner, pairs)
    kept = _read_cache(cache, key)
    results = kept or _caption_all(captioner, pairs)
    if not kept:
        _write_cache(cache, key, results)
    return results


def _cache_key(captioner: LiteRTCaptioner, pairs: Sequence[tuple[str, bytes]]) -> str:
    """Changes with the bundle's files and settings, and with the photos."""
    numbers = dataclasses.asdict(dataclasses.replace(captioner.manifest, scores={}, training={}))
    found = hashlib.sha256(json.dumps(numbers, sort_keys=True).encode())
    for name, data in pairs:
        found.update(json.dumps([name, hashlib.sha256(data).hexdigest()]).encode())
    return found.hexdigest()


def _write_cache(path: Path, key: str, results: Sequence[Caption]) -> None:
    rows = [{**dataclasses.asdict(caption), "embedding": None} for caption in results]
    dimension = max((len(caption.embedding) for caption in results if caption.embedding), default=0)
    none = (math.nan,) * dimension
    embeddings = np.array([caption.embedding or none for caption in results], np.float32)
    with path.open("wb") as file:
        np.savez(file, key=np.array(key), captions=np.array(json.dumps(rows)), embeddings=embeddings)


def _read_cache(path: Path, key: str) -> tuple[Caption, ...] | None:
    """The cached captions; None where they are of another bundle or other photos."""
    try:
        with np.load(path, allow_pickle=False) as file:
            if str(file["key"]) != key:
                return None
            rows: list[dict[str, Any]] = json.loads(str(file["captions"]))
            vectors = file["embeddings"]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        log.warning("%s is no cache and is written anew: %s", path, error)
        return None
    embeddings = [None if np.isnan(row).all() else tuple(map(float, row)) for row in vectors]
    tags = ({name: _tags(row.get(name, [])) for name in ("tags", "words")} for row in rows)
    pairs = zip(rows, tags, embeddings, strict=True)
    return tuple(Caption(**{**row, **tag_lists, "embedding": vector}) for row, tag_lists, vector in pairs)


def _tags(rows: Sequence[Mapping[str, Any]]) -> tuple[Tag, ...]:
    return tuple(Tag(**row) for row in rows)
