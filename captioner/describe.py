"""Stages two to four: the decoder as a language model, the captioner on cached features, both end to end."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from captioner import loop
from captioner.data import Source
from captioner.distil import crop, random_box
from captioner.model import (
    Decoder,
    DecoderShape,
    build_language_model,
    tag_loss,
    word_loss,
)
from captioner.preprocess import PAD, UNKNOWN, Vocabulary, normalise, words
from captioner.tags import tag_targets

log = logging.getLogger(__name__)

#: Sentences that are kept of each photo; a photo with fewer is filled up with padding.
SENTENCES = 5
#: Of these, the sentences that a batch holds, drawn anew each time: more photos teach more than more sentences.
DRAWN = 2
SMOOTHING = 0.1
TAG_WEIGHT = 0.02


@dataclass(frozen=True, slots=True)
class Captioned:
    """Photos with captions: pixels and words."""

    photos: NDArray[np.uint8]  # (n, px, px, 3), may be mapped from disk
    rows: NDArray[np.int64]  # rows of `photos` that are in this set
    captions: tuple[tuple[str, ...], ...]  # of each of `rows`

    @classmethod
    def of(cls, source: Source, captions: Mapping[str, Sequence[str]], keep: Sequence[str] | None = None) -> Captioned:
        """The photos of a source that have captions, or those of them named in `keep`."""
        wanted = captions.keys() if keep is None else captions.keys() & set(keep)
        rows = [i for i, name in enumerate(source.names) if name in wanted]
        return cls(source.photos, np.array(rows), tuple(tuple(captions[source.names[i]]) for i in rows))


def encode_captions(captions: Sequence[str], vocabulary: Vocabulary, length: int) -> NDArray[np.int32]:
    """Up to `SENTENCES` captions as (SENTENCES, length + 1) ids; one too long is left out, missing rows are padding."""
    out = np.full((SENTENCES, length + 1), PAD, np.int32)
    fitting = [text for text in captions if 0 < len(words(text)) < length] or list(captions[:1])
    for row, text in enumerate(fitting[:SENTENCES]):
        out[row] = vocabulary.encode(text, length + 1)
    return out


def may_mirror(captions: Sequence[str]) -> bool:
    """Whether the captions stay true of the mirrored photo."""
    return not any(word in ("left", "right") for text in captions for word in words(text))


@dataclass(frozen=True, slots=True)
class Targets:
    """What is to be learnt of n photos."""

    tokens: NDArray[np.int32]  # (n, SENTENCES, length + 1)
    tags: NDArray[np.float32]  # (n, tags)
    mirror: NDArray[np.bool_]  # (n,) whether the captions stay true of the mirrored photo

    @classmethod
    def of(cls, captions: Sequence[Sequence[str]], vocabulary: Vocabulary, tags: Sequence[str], length: int) -> Targets:
        """From the captions of each photo."""
        index = {word: i for i, word in enumerate(tags)}
        return cls(
            np.stack([encode_captions(texts, vocabulary, length) for texts in captions]),
            np.stack([tag_targets(texts, index) for texts in captions]),
            np.array([may_mirror(texts) for texts in captions]),
        )


def cache_maps(encode: Any, photos: Any, rows: Iterable[int], px: int) -> NDArray[Any]:
    """Maps (n, 2, cells, channels) float16 of photos as they are and mirrored.

    Args:
        encode: a normalised photo (1, px, px, 3) to its map (1, px / 32, px / 32, channels).
    """
    found = []
    for n, row in enumerate(rows):
        pixels = np.asarray(Image.fromarray(photos[row]).resize((px, px), Image.Resampling.BICUBIC))
        both = [encode(normalise(side)[None])[0] for side in (pixels, pixels[:, ::-1])]
        found.append(np.stack(both).reshape(2, -1, both[0].shape[-1]).astype(np.float16))
        if n % 1000 == 999:
            log.info("maps of %d photos", n + 1)
    return np.stack(found)


def text_batches(
    text: Sequence[str], vocabulary: Vocabulary, length: int, size: int, seed: int
) -> Iterator[loop.Batch]:
    """Endless batches of sentences: tokens (size, length) and the same one place on."""
    rng = np.random.default_rng(seed)
    ids = np.array([vocabulary.encode(t, length + 1) for t in text if 2 < len(words(t)) < length], np.int32)
    while True:
        chosen = ids[rng.integers(len(ids), size=size)]
        yield chosen[:, :-1], chosen[:, 1:]


def map_batches(maps_of: NDArray[Any], targets: Targets, size: int, seed: int) -> Iterator[loop.Batch]:
    """Endless shuffled passes over photos whose maps (n, 2, cells, channels) are cached."""
    rng = np.random.default_rng(seed)
    size = min(size, len(maps_of))
    while True:
        order = rng.permutation(len(maps_of))
        for start in range(0, len(order) - size + 1, size):
            rows = order[start : start + size]
            side = (rng.random(size) < 0.5) & targets.mirror[rows]
            maps = maps_of[rows, side.astype(int)].astype(np.float32)
            yield batch({"maps": maps}, targets, rows, rng)


def photo_batches(sets: Sequence[Captioned], targets: Targets, px: int, size: int, seed: int) -> Iterator[loop.Batch]:
    """The same from the photos themselves, slightly cropped at random."""
    rng = np.random.default_rng(seed)
    places = [(one.photos, row) for one in sets for row in one.rows]
    size = min(size, len(places))
    while True:
        order = rng.permutation(len(places))
        for start in range(0, len(order) - size + 1, size):
            rows = order[start : start + size]
            pixels = np.empty((size, px, px, 3), np.uint8)
            for i, n in enumerate(rows):
                photos, row = places[n]
                pixels[i] = crop(photos[row], random_box(rng, least=0.7), px)
                if targets.mirror[n] and rng.random() < 0.5:
                    pixels[i] = pixels[i][:, ::-1].copy()
            yield batch({"photo": normalise(pixels)}, targets, rows, rng)


def batch(seen: dict[str, Any], targets: Targets, rows: NDArray[Any], rng: np.random.Generator) -> loop.Batch:
    """What is seen of `rows`, with `DRAWN` sentences of each and the tags."""
    there = (targets.tokens[rows, :, 0] != PAD).astype(float)
    order = np.argsort(there + 0.5 * rng.random(there.shape), axis=1)[:, ::-1][:, :DRAWN]
    drawn = targets.tokens[rows[:, None], order]
    return {**seen, "tokens": drawn[..., :-1]}, {"words": drawn[..., 1:], "tags": targets.tags[rows]}


def learn_language(shape: DecoderShape, text: Sequence[str], vocabulary: Vocabulary, batch: int,
                   plan: loop.Plan, out: Path, name: str, seed: int = 0) -> None:  # fmt: skip
    """Stage two: the decoder learns to write captions of photos it does not see."""
    model = build_language_model(Decoder(shape, name="decoder"))
    model.compile(loop.optimizer(plan), loss=word_loss(SMOOTHING, (PAD, UNKNOWN)), jit_compile=False)
    loop.train(model, text_batches(text, vocabulary, shape.length, batch, seed), plan, out, name)


def compile_captioner(model: Any, plan: loop.Plan) -> None:
    """Losses of both outputs."""
    losses = {"words": word_loss(SMOOTHING, (PAD, UNKNOWN)), "tags": tag_loss}
    weights = {"words": 1.0, "tags": TAG_WEIGHT}
    model.compile(loop.optimizer(plan), loss=losses, loss_weights=weights, jit_compile=False)
