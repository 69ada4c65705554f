"""Data and losses of the stages language, captioner and joint: text, cached feature maps, photos."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from captioner.inference.preprocess import PAD, UNKNOWN, Vocabulary, normalise, tokenize
from captioner.training import loop
from captioner.training.data import WHOLE, Source, crop, random_box
from captioner.training.model import Decoder, DecoderShape, build_language_model, class_loss, tag_loss, word_loss
from captioner.training.tags import TagHints, drop_hints, tag_counts

log = logging.getLogger(__name__)

#: Sentences that are kept of each photo; a photo with fewer is filled up with padding.
SENTENCES = 5
#: Of these, the sentences that a batch holds, drawn anew each time: more photos teach more than more sentences.
SENTENCES_DRAWN = 2
SMOOTHING = 0.1
#: Layers that only the class output uses; without a loss on it, weight decay alone would move them.
CLASS_LAYERS = "classes|pooled_norm|trunk_head"
#: A trunk's depthwise filters stay as published: on a CPU their gradient takes ten times as long as they do.
FILTERS = r"trunk\d+_depthwise"
TAG_WEIGHT = 0.02
#: Of sentences without photos, beside those of photos.
TEXT_WEIGHT = 0.3
CLASS_WEIGHT = 0.3
#: The crops of each photo that are kept: the whole, and random ones of at least this share of its area.
CROPS, LEAST_AREA = 3, 0.5


@dataclass(frozen=True, slots=True)
class PhotoSet:
    """Photos with captions: pixels and words."""

    photos: NDArray[np.uint8]  # (n, px, px, 3), may be mapped from disk
    rows: NDArray[np.int64]  # rows of `photos` that are in this set
    captions: tuple[tuple[str, ...], ...]  # of each of `rows`

    @classmethod
    def of(cls, source: Source, captions: Mapping[str, Sequence[str]], keep: Sequence[str] | None = None) -> PhotoSet:
        """The photos of a source that have captions, or those of them named in `keep`."""
        wanted = captions.keys() if keep is None else captions.keys() & set(keep)
        rows = [i for i, name in enumerate(source.names) if name in wanted]
        return cls(source.photos, np.array(rows), tuple(tuple(captions[source.names[i]]) for i in rows))


def encode_captions(captions: Sequence[str], vocabulary: Vocabulary, length: int) -> NDArray[np.int32]:
    """Up to `SENTENCES` captions as (SENTENCES, length + 1) ids; one too long is left out, missing rows are padding."""
    out = np.full((SENTENCES, length + 1), PAD, np.int32)
    fitting = [text for text in captions if 0 < len(tokenize(text)) < length] or list(captions[:1])
    for row, text in enumerate(fitting[:SENTENCES]):
        out[row] = vocabulary.encode(text, length + 1)
    return out


def may_mirror(captions: Sequence[str]) -> bool:
    """Whether the captions stay true of the mirrored photo."""
    return not any(word in ("left", "right") for text in captions for word in tokenize(text))


@dataclass(frozen=True, slots=True)
class Targets:
    """Training targets of n photos."""

    tokens: NDArray[np.int32]  # (n, SENTENCES, length + 1)
    tags: NDArray[np.float32]  # (n, 2, tags), see `model.tag_loss`
    mirror: NDArray[np.bool_]  # (n,) whether the captions stay true of the mirrored photo

    @classmethod
    def of(cls, captions: Sequence[Sequence[str]], vocabulary: Vocabulary, tags: Sequence[str], length: int) -> Targets:
        """From the captions of each photo."""
        index = {word: i for i, word in enumerate(tags)}
        return cls(np.stack([encode_captions(texts, vocabulary, length) for texts in captions]),
                   np.stack([tag_counts(texts, index) for texts in captions]),
                   np.array([may_mirror(texts) for texts in captions]))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Views:
    """Cached outputs of the frozen part of the encoder for crops of photos, with the trunk's class probabilities.

    Of each crop there is the plain and, after it, the mirrored view.
    """

    maps: NDArray[np.float16]  # (n, 2 * crops, cells, cells, channels), may be mapped from disk
    classes: NDArray[np.float16] | None = None  # (n, 2 * crops, 1001), probabilities; None where there was no trunk
    pooled: NDArray[np.float16] | None = None  # (n, 2 * crops, head), input of the class layer

    @classmethod
    def open(cls, directory: Path) -> Views:
        """Map what `cache` wrote."""
        found = {
            name: np.load(path, mmap_mode="r", allow_pickle=False)
            for name in ("maps", "classes", "pooled")
            if (path := directory / f"{name}.npy").exists()
        }
        return cls(**found)

    def __len__(self) -> int:
        return len(self.maps)

    @property
    def crops(self) -> int:
        """Crops of each photo, each of which has two sides."""
        return int(self.maps.shape[1]) // 2


#: Pixels (px, px, 3) to a map (cells, cells, channels) and, of a trunk, probabilities (1001,) and pooled (head,).
EncodePhoto = Callable[[NDArray[np.uint8]], Mapping[str, NDArray[np.float32]]]


def cache_views(make_encode: Callable[[], EncodePhoto], photos: Any, rows: Sequence[int], px: int, out: Path,
                crops: int = CROPS, seed: int = 0, threads: int = 2) -> None:  # fmt: skip
    """Write the `Views` of `rows` of `photos` to the directory `out`, which appears only when it is whole.

    Args:
        make_encode: called once in each thread; the function it returns names its arrays as `Views` does.
        crops: of each photo; the first is the whole.
    """
    partial = out.with_name(out.name + ".part")
    partial.mkdir(parents=True, exist_ok=True)
    own = threading.local()

    def views(row: int) -> dict[str, NDArray[np.float16]]:
        if not hasattr(own, "encode"):
            own.encode = make_encode()
        rng = np.random.default_rng((seed, row))
        boxes = [WHOLE] + [random_box(rng, least=LEAST_AREA) for _ in range(crops - 1)]
        cropped = [crop(photos[row], box, px) for box in boxes]
        found = [own.encode(np.ascontiguousarray(side)) for pixels in cropped for side in (pixels, pixels[:, ::-1])]
        return {name: np.stack([one[name] for one in found]).astype(np.float16) for name in found[0]}

    arrays: dict[str, NDArray[np.float16]] = {}
    with ThreadPoolExecutor(threads) as pool:
        for n, found in enumerate(pool.map(views, map(int, rows))):
            for name, values in found.items():
                if name not in arrays:
                    shape = (len(rows), *values.shape)
                    arrays[name] = np.lib.format.open_memmap(partial / f"{name}.npy", "w+", np.float16, shape)
                arrays[name][n] = values
            if n % 500 == 499:
                log.info("%s: views of %d photos", out.name, n + 1)
    arrays.clear()  # written and closed
    partial.rename(out)


def encode_views(front: Any, views: Sequence[Views], first: int, kept: Callable[[Any], Any],
                 size: int = 64) -> NDArray[np.float16]:  # fmt: skip
    """Outputs of `front` for the `first` views of each photo, as (n, first, ...).

    Args:
        front: `encoder.build_upper`, trained.
        kept: selects from the outputs of `encoder.upper`: all of them would not fit into memory.
    """
    found: list[NDArray[np.float16]] = []
    for one in views:
        for start in range(0, len(one), size):
            maps = np.asarray(one.maps[start : start + size, :first])
            seen = np.asarray(kept(front.predict_on_batch(maps.reshape(-1, *maps.shape[2:]).astype(np.float32))))
            found.append(seen.reshape(*maps.shape[:2], *seen.shape[1:]).astype(np.float16))
    return np.concatenate(found)


def encode_sentences(text: Sequence[str], vocabulary: Vocabulary, length: int) -> NDArray[np.int32]:
    """The sentences that are neither too short nor too long, as ids (n, length + 1)."""
    return np.array([vocabulary.encode(t, length + 1) for t in text if 2 < len(tokenize(t)) < length], np.int32)


@dataclass(frozen=True, slots=True)
class Text:
    """Sentences without photos, and the hints that stand for what each is about."""

    ids: NDArray[np.int32]  # (n, length + 1)
    hints: TagHints | None = None  # None for a decoder that reads none
    count: int = 0  # hints to a sentence

    def draw(self, size: int, rng: np.random.Generator) -> tuple[dict[str, Any], NDArray[np.int32]]:
        """So many sentences, "tokens" and hints, and the same sentences one place on."""
        chosen = self.ids[rng.integers(len(self.ids), size=size)]
        found: dict[str, Any] = {"tokens": chosen[:, :-1]}
        if self.hints is not None:
            found["hint_words"], found["hint_logits"] = self.hints.of_sentences(chosen, self.count, rng)
        return found, chosen[:, 1:]


def text_batches(text: Text, size: int, seed: int) -> Iterator[loop.Batch]:
    """Endless batches of sentences."""
    rng = np.random.default_rng(seed)
    while True:
        yield text.draw(size, rng)


@dataclass(frozen=True, slots=True)
class PhotoHints:
    """The hints of each view of captioned photos, by tag heads that never saw the photo."""

    words: NDArray[np.int32]  # (n, views, hints)
    logits: NDArray[np.float32]  # (n, views, hints)

    def draw(self, rows: NDArray[Any], views: Any, rng: np.random.Generator) -> dict[str, Any]:
        """Those of some views, a few left out."""
        found, logits = drop_hints(self.words[rows, views], self.logits[rows, views], rng)
        return {"hint_words": found, "hint_logits": logits}


@dataclass(frozen=True, slots=True)
class OtherPhotos:
    """Photos without captions: their cached views and expected tags."""

    views: Views
    tags: NDArray[np.float32]  # (n, 2, tags), see `model.tag_loss`


def view_batches(views: Sequence[Views], targets: Targets, others: Sequence[OtherPhotos], size: int, more: int,
                 seed: int, drawn: int = SENTENCES_DRAWN, photo_hints: PhotoHints | None = None,
                 text: Text | None = None) -> Iterator[loop.Batch]:  # fmt: skip
    """Endless shuffled passes over captioned photos, each time one of its views.

    Args:
        views: of the captioned photos, in the order of `targets`.
        others: of photos without captions; every batch has `more` of them behind its `size` captioned ones.
        photo_hints, text: for a decoder that reads hints; a batch has `size` sentences without photos.
    """
    rng = np.random.default_rng(seed)
    places = [(one, n) for one in views for n in range(len(one))]
    uncaptioned = [(one, n) for one in others for n in range(len(one.views))]
    more = more if uncaptioned else 0
    for rows in loop.shuffled_rows(len(places), size, rng):
        extra = [uncaptioned[n] for n in rng.integers(len(uncaptioned), size=more)] if more else []
        chosen = [(*places[n], bool(targets.mirror[n])) for n in rows]
        chosen += [(one.views, n, True) for one, n in extra]
        sides = [2 * int(rng.integers(one.crops)) + int(free and rng.random() < 0.5) for one, _, free in chosen]
        maps = np.stack([one.maps[n, side] for (one, n, _), side in zip(chosen, sides, strict=True)])
        x, y = make_batch({"seen": maps.astype(np.float32)}, targets, rows, rng, drawn)
        if extra:
            y["tags"] = np.concatenate([y["tags"], np.stack([one.tags[n] for one, n in extra])])
        if photo_hints is not None and text is not None:
            x |= photo_hints.draw(rows, np.array(sides[: len(rows)]), rng)
            sentences, y["text"] = text.draw(len(rows), rng)
            x |= {"text" if name == "tokens" else f"text_{name}": values for name, values in sentences.items()}
        class_targets = [
            one.classes[n, s] for (one, n, _), s in zip(chosen, sides, strict=True) if one.classes is not None
        ]
        yield x, {**y, "classes": np.stack(class_targets).astype(np.float32)} if class_targets else y


def photo_batches(sets: Sequence[PhotoSet], targets: Targets, px: int, size: int, seed: int) -> Iterator[loop.Batch]:
    """The same from the photos themselves, slightly cropped at random."""
    rng = np.random.default_rng(seed)
    places = [(one.photos, row) for one in sets for row in one.rows]
    for rows in loop.shuffled_rows(len(places), size, rng):
        pixels = np.empty((len(rows), px, px, 3), np.uint8)
        for i, n in enumerate(rows):
            photos, row = places[n]
            pixels[i] = crop(photos[row], random_box(rng, least=0.7), px)
            if targets.mirror[n] and rng.random() < 0.5:
                pixels[i] = pixels[i][:, ::-1].copy()
        yield make_batch({"seen": normalise(pixels)}, targets, rows, rng)


def make_batch(seen: dict[str, Any], targets: Targets, rows: NDArray[Any], rng: np.random.Generator,
               drawn_of_each: int = SENTENCES_DRAWN) -> loop.Batch:  # fmt: skip
    """The inputs of `rows`, with so many sentences of each, drawn anew, and the tags."""
    there = (targets.tokens[rows, :, 0] != PAD).astype(float)
    order = np.argsort(there + 0.5 * rng.random(there.shape), axis=1)[:, ::-1][:, :drawn_of_each]
    drawn = targets.tokens[rows[:, None], order]
    return {**seen, "tokens": drawn[..., :-1]}, {"words": drawn[..., 1:], "tags": targets.tags[rows]}


def train_language_model(shape: DecoderShape, text: Text, batch: int, plan: loop.Plan, out: Path, name: str,
                         seed: int = 0) -> None:  # fmt: skip
    """Train the decoder as a language model, from hints if it reads some."""
    model = build_language_model(Decoder(shape, name="decoder"))
    model.compile(loop.optimizer(plan), loss=word_loss(SMOOTHING, (PAD, UNKNOWN)), jit_compile=loop.XLA)
    loop.train(model, text_batches(text, batch, seed), plan, out, name)


def freeze(model: Any, layers: str) -> None:
    """Keep the weights of the layers as they are whose names match a pattern."""
    for variable in model.trainable_variables:
        if re.fullmatch(layers, variable.path.partition("/")[0]):
            variable.trainable = False


def compile_captioner(model: Any, plan: loop.Plan, classes: bool = True) -> None:
    """Losses of all outputs, or of all but the classes."""
    losses = {"words": word_loss(SMOOTHING, (PAD, UNKNOWN)), "tags": tag_loss}
    weights = {"words": 1.0, "tags": TAG_WEIGHT}
    if classes:
        losses["classes"], weights["classes"] = class_loss, CLASS_WEIGHT
    else:
        freeze(model, CLASS_LAYERS)
    if "text" in model.output_names:
        losses["text"], weights["text"] = losses["words"], TEXT_WEIGHT
    freeze(model, FILTERS)
    model.compile(loop.optimizer(plan), loss=losses, loss_weights=weights, jit_compile=loop.XLA)
