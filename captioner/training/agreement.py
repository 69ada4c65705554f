"""Agreement of sentences, their confidence and the probabilities of their words with what people wrote.

A content word (`captioner.inference.content_words`) is *used* where at least one of the photo's people wrote that
very word. A sentence is *right* where every content word of it was used, by whichever of them; one that has no content
word is not right. Captions without text are left out of every share and counted.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from captioner.inference.content_words import content_words
from captioner.inference.preprocess import tokenize
from captioner.training.captioned_photos import CaptionedPhotos
from captioner.training.metrics import auc, calibration, calibration_error, repeats_a_word

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
    used = [
        [word in human for word in content_words(caption.text)]
        for caption, human in zip(run.captions, _human_words(run), strict=True)
    ]
    return {
        "right": _ratio(int((run.agreed == 1).sum()), len(run.captions)),
        "words nobody used": _ratio(sum(not u for of_photo in used for u in of_photo), sum(map(len, used))),
    }


def evidence_scores(run: CaptionedPhotos) -> dict[str, Any] | None:
    """How well the probabilities of `Caption.words` tell used words from others; None where no caption has any."""
    pairs = [
        (tag.probability, tag.word in human)
        for caption, human in zip(run.captions, _human_words(run), strict=True)
        for tag in caption.words
    ]
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
