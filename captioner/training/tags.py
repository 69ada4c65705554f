"""Which words can be tags of a photo, and which of them its captions say are true of it.

The decoder reads a photo's most probable tags beside the feature map: hints. One that is trained on sentences without
photos is given content words of each sentence, mixed with words that are not in it, as a tag head would; so it learns
to write of things that no captioned photo shows (compare unpaired captioning, arXiv:1811.10787). On captioned photos
the hints are those of tag heads that never saw the photo: a head's predictions for its own training photos are far
better than for others, and would be relied on too much.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from captioner.inference.preprocess import FUNCTION_WORDS, PAD, Vocabulary, tokenize
from captioner.training.model import TagHead, tag_loss

#: Captions that say all that is worth saying of a photo.
PEOPLE = 5


def tag_words(captions: Sequence[Sequence[str]], vocabulary: Vocabulary, least: int = 12) -> tuple[str, ...]:
    """Content words that at least so many photos' captions have, most frequent first."""
    counts = Counter(word for of_photo in captions for word in {w for text in of_photo for w in tokenize(text)})
    known = set(vocabulary.words)
    ranked = sorted(counts, key=lambda word: (-counts[word], word))
    return tuple(w for w in ranked if counts[w] >= least and w in known and w not in FUNCTION_WORDS and len(w) > 1)


def tag_targets(captions: Sequence[str], index: Mapping[str, int]) -> NDArray[np.float32]:
    """1 for each tag that at least one of a photo's captions has."""
    out = np.zeros(len(index), np.float32)
    out[[index[word] for text in captions for word in tokenize(text) if word in index]] = 1
    return out


def tag_counts(captions: Sequence[str], index: Mapping[str, int]) -> NDArray[np.float32]:
    """How true each tag is, 0..1, and what it counts, (2, tags), see `model.tag_loss`.

    A tag is true where a person used it. One person mentions a third of what five do: what few captions leave out is
    hardly a proof, and counts by their number.
    """
    true = tag_targets(captions, index)
    return np.stack([true, np.maximum(true, min(1.0, len(captions) / PEOPLE))])


log = logging.getLogger(__name__)

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]

#: Of a sentence's own words so many are given, and a word that isn't in it looks so probable: measured on tag heads.
KEPT, TRUE_LOGIT, FALSE_LOGIT = 0.75, (0.7, 1.5), (-0.4, 1.0)
FOLDS, PASSES, BATCH = 3, 10, 128
#: Logits are cut off beyond it, so that a word that a head is all too sure of looks like others.
MAX_LOGIT = 4.0
#: Hints that are left out of a photo while training, so that the map is looked at too.
DROPPED = 0.15


@dataclass(frozen=True, slots=True)
class TagHints:
    """The words that can be hints: those of the tag head, with how often captions have each."""

    ids: Ints  # (tags,) of the vocabulary
    odds: NDArray[np.float64]  # (tags,) sums to 1
    known: NDArray[np.bool_]  # (vocabulary,) whether a word is one of them

    @classmethod
    def of(cls, tags: Sequence[str], vocabulary: Vocabulary, counts: NDArray[Any]) -> TagHints:
        """From the tags and how many photos have each."""
        places = {word: i for i, word in enumerate(vocabulary.words)}
        ids = np.array([places[tag] for tag in tags], np.int32)
        known = np.zeros(len(vocabulary), bool)
        known[ids] = True
        weights = np.sqrt(np.asarray(counts, np.float64) + 1)
        return cls(ids, weights / weights.sum(), known)

    def of_sentences(self, tokens: Ints, count: int, rng: np.random.Generator) -> tuple[Ints, Floats]:
        """Hints for sentences (b, n) of ids: some words of each and others, as ids and logits (b, count)."""
        words = rng.choice(self.ids, size=(len(tokens), count), p=self.odds).astype(np.int32)
        logits = rng.normal(*FALSE_LOGIT, size=words.shape)
        for row, sentence in enumerate(tokens):
            own = np.unique(sentence[self.known[sentence]])
            own = own[rng.random(len(own)) < KEPT][:count]
            words[row, : len(own)] = own
            logits[row, : len(own)] = rng.normal(*TRUE_LOGIT, size=len(own))
        return words, np.clip(logits, -MAX_LOGIT, MAX_LOGIT).astype(np.float32)

    def top(self, logits: Floats, count: int) -> tuple[Ints, Floats]:
        """The `count` most probable of tags (..., tags) as ids and logits (..., count)."""
        best = np.argsort(-logits, axis=-1)[..., :count]
        kept = np.clip(np.take_along_axis(logits, best, axis=-1), -MAX_LOGIT, MAX_LOGIT)
        return self.ids[best], kept.astype(np.float32)


def drop_hints(words: Ints, logits: Floats, rng: np.random.Generator) -> tuple[Ints, Floats]:
    """The same hints with some of them left out."""
    out = rng.random(words.shape) < DROPPED
    return np.where(out, PAD, words).astype(np.int32), np.where(out, 0, logits).astype(np.float32)


def out_of_fold_logits(features: NDArray[Any], targets: Floats, seed: int = 0) -> NDArray[np.float16]:
    """Tag logits of photos by heads that were trained on the other photos.

    Args:
        features: (n, views, f) of each photo. targets: (n, 2, tags), see `model.tag_loss`.

    Returns:
        (n, views, tags).
    """
    rng = np.random.default_rng(seed)
    fold = rng.integers(FOLDS, size=len(features))
    found = np.empty((*features.shape[:2], targets.shape[-1]), np.float16)
    for held in range(FOLDS):
        head = _train_tag_head(features[fold != held], targets[fold != held], rng)
        rows = np.flatnonzero(fold == held)
        for row in np.array_split(rows, max(1, len(rows) // BATCH)):
            flat = features[row].reshape(-1, features.shape[-1]).astype(np.float32)
            found[row] = np.asarray(head.predict_on_batch(flat)).reshape(len(row), features.shape[1], -1)
    log.info("hints for %d photos by heads that never saw them", len(found))
    return found


def _train_tag_head(features: NDArray[Any], targets: Floats, rng: np.random.Generator) -> keras.Model:
    inputs = keras.Input((features.shape[-1],))
    model = keras.Model(inputs, TagHead(targets.shape[-1], features.shape[-1], name="tags")(inputs))
    model.compile(keras.optimizers.AdamW(2e-3, weight_decay=0.02), loss=tag_loss, jit_compile=False)
    for _ in range(PASSES):
        order = rng.permutation(len(features))
        for start in range(0, len(order) - BATCH + 1, BATCH):
            rows = order[start : start + BATCH]
            views = rng.integers(features.shape[1], size=len(rows))
            model.train_on_batch(features[rows, views].astype(np.float32), targets[rows])
    return model
