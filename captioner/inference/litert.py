"""Runs a model bundle: pixels to a caption. Needs numpy and LiteRT, never TensorFlow."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from captioner import BundleError, Caption, Tag
from captioner.inference.decoding import BeamSettings, Hypothesis, beam_search
from captioner.inference.evidence import WordEvidence, inflections, logit, max_over_inflections
from captioner.inference.imagenet_classes import read_classes, read_image_types, word_probabilities
from captioner.inference.manifest import (
    CLASSES,
    DECODER,
    ENCODER,
    IMAGE_TYPES_FILE,
    TAGS,
    VOCABULARY,
    WORD_EMBEDDINGS,
    Manifest,
)
from captioner.inference.preprocess import FUNCTION_WORDS, UNKNOWN, Vocabulary, content_ids, content_words, normalise
from captioner.inference.tflite import TFLiteModel

Floats = NDArray[np.float32]
EncoderOutputs = Mapping[str, NDArray[Any]]

#: Limit of a tag's lift: tags that were rare in training would outweigh all else.
MAX_TAG_LIFT = 3.0


class LiteRTCaptioner:
    """A bundle of TFLite models, loaded.

    The files are `encoder.tflite` with the signature `encode` (photo (1, px, px, 3) to photo_keys, photo_values
    (layers, heads, cells, d) and tags (n,)) and `decoder.tflite` with `decode_step` (see `Decoder.step`).

    Args:
        bundle: directory that holds manifest.json and the files it lists.
        threads: CPU threads of the encoder and of the decoder.
        beam: sentences searched at once; at most the bundle's `rows`.

    Raises:
        BundleError: a file is missing, damaged or not what the manifest says.
    """

    def __init__(self, bundle: Path, *, threads: int = 1, beam: int | None = None) -> None:
        self.manifest = Manifest.read(bundle)
        self.manifest.check(bundle)
        decoding = self.manifest.decoding
        self._vocabulary = _read_vocabulary(bundle / VOCABULARY, decoding.vocabulary)
        self._settings = BeamSettings(
            beam=min(beam or decoding.beam, decoding.rows),
            length=decoding.max_length,
            alpha=decoding.alpha,
            no_repeat=decoding.no_repeat,
            once=content_ids(self._vocabulary) if decoding.once else frozenset(),
        )
        self._tags = tuple((bundle / TAGS).read_text(encoding="utf-8").split())
        self._tag_rows = {tag: row for row, tag in enumerate(self._tags)}
        ids = {word: i for i, word in enumerate(self._vocabulary.words)}
        self._tag_token_ids = np.array([ids.get(tag, UNKNOWN) for tag in self._tags])
        self._classes = read_classes(bundle / CLASSES) if "classes" in self.manifest.outputs else None
        self._image_types = read_image_types(bundle / IMAGE_TYPES_FILE) if "kinds" in self.manifest.outputs else ()
        self._word_embeddings = None
        if WORD_EMBEDDINGS in self.manifest.files and "embedding" in self.manifest.outputs:
            self._word_embeddings = _read_word_embeddings(bundle / WORD_EMBEDDINGS, decoding.vocabulary)
        self._encoder = TFLiteModel(bundle / ENCODER, "encode", threads)
        self._decoder = TFLiteModel(bundle / DECODER, "decode_step", threads)

    @property
    def input_px(self) -> int:
        """Side of the square that `caption` takes."""
        return self.manifest.preprocessing.input_px

    @property
    def model(self) -> str:
        """Name and version of the bundle."""
        return self.manifest.model

    def caption(self, pixels: NDArray[np.uint8]) -> Caption:
        """The caption of one image.

        Args:
            pixels: (input_px, input_px, 3), RGB, upright, sRGB, the whole image resized to a square.

        Raises:
            ValueError: `pixels` is of another shape or type.
        """
        expected = (self.input_px, self.input_px, 3)
        if pixels.shape != expected or pixels.dtype != np.uint8:
            raise ValueError(f"expected uint8 pixels of shape {expected}, got {pixels.dtype} of {pixels.shape}")
        outputs = self.encode(pixels)
        return self._caption_non_photo(outputs) or self.describe(self.decode(outputs), outputs)

    def encode(self, pixels: NDArray[np.uint8]) -> EncoderOutputs:
        """The encoder's outputs for one image, by name."""
        before = self.manifest.preprocessing
        self._encoder.set(photo=normalise(pixels, before.mean, before.std)[None])
        self._encoder.run()
        return self._encoder.outputs()

    def decode(self, outputs: EncoderOutputs) -> Hypothesis:
        """The best sentence that beam search finds for the encoder's outputs."""
        return beam_search(
            self._decoder_steps(outputs), self.manifest.decoding.rows, self._settings, self._token_bonus(outputs)
        )[0]

    def _caption_non_photo(self, outputs: EncoderOutputs) -> Caption | None:
        """The caption of an image that is no photo; None for a photo."""
        if not self._image_types or 1 - float(outputs["kinds"][0]) < self.manifest.tagging.kind_threshold:
            return None
        best = 1 + int(np.argmax(outputs["kinds"][1:]))
        image_type, probability = self._image_types[best], float(outputs["kinds"][best])
        return Caption(
            text=image_type.sentence,
            confidence=probability,
            tags=tuple(Tag(tag, probability) for tag in image_type.tags),
            embedding=None,
            model=self.model,
            words=tuple(Tag(word, probability) for word in content_words(image_type.sentence)),
        )

    def describe(self, best: Hypothesis, outputs: EncoderOutputs) -> Caption:
        """The caption of a photo from what `decode` found for the encoder's outputs."""
        class_words = self.class_words(outputs)
        evidence = self.word_evidence(best, outputs, class_words)
        model = self.manifest.evidence
        words = tuple(Tag(one.word, model.word_probability(one)) for one in evidence) if model else ()
        if model is None:
            fitted = self.manifest.confidence
            confidence = 1 / (1 + math.exp(-max(-50.0, fitted.slope * best.mean_logp + fitted.offset)))
        else:
            confidence = model.sentence_confidence([word.probability for word in words], best.mean_logp)
        return Caption(
            text=self._vocabulary.decode(best.tokens),
            confidence=confidence,
            tags=self._reported_tags(outputs, class_words),
            embedding=tuple(map(float, outputs["embedding"])) if "embedding" in self.manifest.outputs else None,
            model=self.model,
            words=words,
            sure=model is None or confidence >= model.least,
        )

    def _token_bonus(self, outputs: EncoderOutputs) -> Floats | None:
        """(vocabulary,), what the tags add to the log-probability of each word; None where they add nothing."""
        weight = self.manifest.decoding.tag_weight
        if not weight:
            return None
        bonus = np.zeros(len(self._vocabulary), np.float32)
        bonus[self._tag_token_ids] = weight * np.clip(outputs["tag_lift"], -MAX_TAG_LIFT, MAX_TAG_LIFT)
        bonus[UNKNOWN] = 0
        return bonus

    def class_words(self, outputs: EncoderOutputs) -> Mapping[str, float]:
        """The probability of each everyday word of ImageNet's classes; none of a bundle without classes."""
        return word_probabilities(outputs["classes"], self._classes) if self._classes is not None else {}

    def word_evidence(
        self, sentence: Hypothesis, outputs: EncoderOutputs, class_words: Mapping[str, float]
    ) -> tuple[WordEvidence, ...]:
        """Evidence for each content word of a sentence, in order.

        Args:
            outputs: of `encode` for the same image.
            class_words: what `class_words` gives for them.
        """
        found = []
        for token, logp in zip(sentence.tokens, sentence.word_logps, strict=False):
            word = self._vocabulary.words[token]
            if word not in FUNCTION_WORDS:
                tag_logit, similarity = self._tag_logit(word, outputs), self._similarity(token, outputs)
                class_probability = max_over_inflections(word, class_words) or 0.0
                found.append(WordEvidence(word, logp, tag_logit, class_probability, similarity))
        return tuple(found)

    def _tag_logit(self, word: str, outputs: EncoderOutputs) -> float | None:
        rows = [self._tag_rows[form] for form in inflections(word) if form in self._tag_rows]
        return logit(float(outputs["tags"][rows].max())) if rows else None

    def _similarity(self, token: int, outputs: EncoderOutputs) -> float | None:
        if self._word_embeddings is None or np.isnan(self._word_embeddings[token, 0]):
            return None
        ordinary = self.manifest.evidence.ordinary if self.manifest.evidence else ()
        centred = outputs["embedding"] - np.asarray(ordinary or 0.0, np.float32)
        # A matrix product would load BLAS into memory.
        return float((self._word_embeddings[token] * centred).sum())

    def _decoder_steps(self, outputs: EncoderOutputs) -> _DecoderSteps:
        self._decoder.set(photo_keys=outputs["photo_keys"], photo_values=outputs["photo_values"])
        return _DecoderSteps(self._decoder)

    def _reported_tags(self, outputs: EncoderOutputs, class_words: Mapping[str, float]) -> tuple[Tag, ...]:
        """Tags and class words above their thresholds, most probable first; a word that is both has the greater one."""
        tagging = self.manifest.tagging
        probabilities = {
            self._tags[row]: float(outputs["tags"][row]) for row in np.flatnonzero(outputs["tags"] >= tagging.threshold)
        }
        for word, p in class_words.items():
            if p >= tagging.class_threshold:
                probabilities[word] = max(p, probabilities.get(word, 0.0))
        ranked = sorted(probabilities.items(), key=lambda item: -item[1])
        return tuple(Tag(word, p) for word, p in ranked[: tagging.most])


class _DecoderSteps:
    """`decode_step` with its key/value cache, which stays in the model's own memory."""

    def __init__(self, model: TFLiteModel) -> None:
        self._model = model

    def __call__(self, tokens: NDArray[np.int32], position: int, parents: NDArray[np.int32]) -> Floats:
        for cache in ("keys", "values"):  # (layers, rows, heads, length, d)
            if position == 0:
                self._model.clear(cache)
            else:
                self._model.feed_back(cache, parents, axis=1)
        self._model.set(tokens=tokens, position=np.array([position], np.int32))
        self._model.run()
        return self._model.output("logp")


def _read_vocabulary(path: Path, expected: int) -> Vocabulary:
    try:
        vocabulary = Vocabulary.read(path)
    except ValueError as error:
        raise BundleError(f"{path} is no vocabulary: {error}") from error
    if len(vocabulary) != expected:
        raise BundleError(f"{path} has {len(vocabulary)} words; the manifest says {expected}")
    return vocabulary


def _read_word_embeddings(path: Path, expected: int) -> NDArray[np.float16]:
    try:
        embeddings: NDArray[np.float16] = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise BundleError(f"{path} can't be read as an array: {error}") from error
    if embeddings.ndim != 2 or len(embeddings) != expected:
        raise BundleError(f"{path} has the shape {embeddings.shape}; expected {expected} rows, one for each word")
    return embeddings
