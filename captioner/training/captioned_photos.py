"""A bundle's captions of a set of photos beside those of people, with a cache file, and how well they agree.

A content word is *used* where at least one of the photo's people wrote that
very word. A sentence is *right* where every content word of it was used, by whichever of them; one that has no content
word is not right. Captions without text are left out of every share and counted.

Of images without objects (flat colours, noise, pages of text, screenshots, charts) a content word that can't be true of
any such image counts as hallucinated.
"""

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
from captioner.inference.preprocess import FUNCTION_WORDS, content_words, squash, tokenize
from captioner.training.data import is_held_out, read_captions, read_photos
from captioner.training.metrics import auc, calibration, calibration_error, content_word_agreement, repeats_a_word

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
        return CaptionedPhotos(tuple(name for name, _, _ in chosen), tuple(caption for _, caption, _ in chosen),
                               tuple(texts for _, _, texts in chosen))  # fmt: skip

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
    tags = ({name: tuple(Tag(**tag) for tag in row.get(name, [])) for name in ("tags", "words")} for row in rows)
    pairs = zip(rows, tags, embeddings, strict=True)
    return tuple(Caption(**{**row, **tag_lists, "embedding": vector}) for row, tag_lists, vector in pairs)


#: From this share of used content words on a sentence is right for the most part.
MOSTLY = 2 / 3


def confidence_scores(run: CaptionedPhotos) -> dict[str, Any]:
    """Calibration of the confidence, and how well it separates right sentences from others (`metrics.auc`)."""
    captioned = run.with_text
    groups = calibration(captioned.confidence, captioned.agreed)
    return {
        "confidence": groups,
        "calibration error": calibration_error(groups),
        "confidence AUC": {
            "right": auc(captioned.confidence, captioned.agreed == 1),
            "two thirds agreed": auc(captioned.confidence, captioned.agreed >= MOSTLY),
        },
    }


def sentence_scores(run: CaptionedPhotos) -> dict[str, Any]:
    """Shares of right sentences and of unused words, over all sentences and over the sure ones.

    A share of nothing is None.
    """
    captioned = run.with_text
    sure = captioned.sure
    return {
        "sentences": len(captioned.captions),
        "empty": len(run.captions) - len(captioned.captions),
        "with a word twice": sum(repeats_a_word(caption.text) for caption in captioned.captions),
        **_right_and_unused(captioned),
        "sure": {"share": _ratio(len(sure.captions), len(captioned.captions)), **_right_and_unused(sure)},
    }


def _right_and_unused(run: CaptionedPhotos) -> dict[str, float | None]:
    used = [[word in human for word in content_words(caption.text)] for caption,
            human in zip(run.captions, _human_words(run), strict=True)]  # fmt: skip
    return {
        "right": _ratio(int((run.agreed == 1).sum()), len(run.captions)),
        "words nobody used": _ratio(sum(not u for of_photo in used for u in of_photo), sum(map(len, used))),
    }


def evidence_scores(run: CaptionedPhotos) -> dict[str, Any] | None:
    """How well the probabilities of `Caption.words` tell used words from others; None where no caption has any."""
    pairs = [(tag.probability, tag.word in human) for caption,
             human in zip(run.captions, _human_words(run), strict=True) for tag in caption.words]  # fmt: skip
    if not pairs:
        return None
    probabilities = np.array([probability for probability, _ in pairs])
    used = np.array([used for _, used in pairs])
    return {
        "words": len(pairs),
        "used": round(float(used.mean()), 4),
        "AUC": auc(probabilities, used),
        "calibration error": calibration_error(calibration(probabilities, used.astype(np.float64))),
    }


def _human_words(run: CaptionedPhotos) -> list[set[str]]:
    return [{word for text in texts for word in tokenize(text)} for texts in run.references]


def _ratio(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


_ALLOWED_WORDS = """
page pages text texts paper papers sheet sheets document documents letter letters word words writing written print
printed handwriting handwritten number numbers title headline paragraph paragraphs article newspaper list form code
screenshot screenshots screen screens display website webpage web app message messages chat
chart charts graph graphs diagram diagrams plot drawing drawings drawn illustration sketch figure axis axes
line lines bar bars dot dots spot spots circle circles square squares rectangle rectangles triangle triangles shape
shapes stripe stripes striped lined grid curve curves checkered
pattern patterns patterned texture textured noise noisy static grain grainy gradient surface abstract design
plain blank empty solid flat nothing blur blurred blurry fuzzy unclear dark darkness dim
light lighter darker bright pale
color colors colored colorful colour colours coloured colourful black white gray grey red orange yellow green blue
purple violet pink brown beige tan turquoise teal maroon cyan magenta silver gold golden
"""
#: Words that can be true of an image without objects.
ALLOWED_WORDS = frozenset(_ALLOWED_WORDS.split())


def hallucinates(text: str) -> bool:
    """Whether a caption of an image without objects has a content word that is not in `ALLOWED_WORDS`.

    Of a word with hyphens each part is looked at ("black-and-white").
    """
    words = {part for word in tokenize(text) for part in word.split("-")}
    return bool(words - FUNCTION_WORDS - ALLOWED_WORDS)


def hallucination_scores(captions: Mapping[str, Caption]) -> dict[str, Any]:
    """Shares of hallucinated captions of images without objects.

    Args:
        captions: by the pictures' names.

    Returns:
        the share of pictures that got a sentence with an invented thing, the share of those sentences that are not
        sure (None where there are none), the share of pictures of which nothing was said, and the invented sentences.
    """
    pictures = max(len(captions), 1)
    invented = {name: caption for name, caption in captions.items() if hallucinates(caption.text)}
    unsure = sum(not caption.sure for caption in invented.values())
    return {
        "pictures": len(captions),
        "invented": round(len(invented) / pictures, 4),
        "unsure of the invented": round(unsure / len(invented), 4) if invented else None,
        "empty": round(sum(not caption.text for caption in captions.values()) / pictures, 4),
        "sentences": [
            {"picture": name, "text": caption.text, "confidence": round(caption.confidence, 3), "sure": caption.sure}
            for name, caption in invented.items()
        ],
    }
