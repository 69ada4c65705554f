"""Scores of captions against what people wrote. Needs pycocoevalcap (its Python scorers; no Java)."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from captioner.inference.preprocess import content_words, tokenize


@dataclass(frozen=True, slots=True)
class Scores:
    """How good one set of captions is, beside `photos` photos' human ones."""

    photos: int
    bleu: tuple[float, float, float, float]  # BLEU-1..4, 0..1 (Papineni et al. 2002)
    cider: float  # CIDEr, document frequencies of this set's own references (arXiv:1411.5726)
    rouge_l: float  # ROUGE-L, 0..1 (Lin 2004)
    distinct: int  # different captions; an empty one is none

    def table(self) -> dict[str, float]:
        """By the names that people know."""
        bleu = {f"BLEU-{n}": round(score, 4) for n, score in enumerate(self.bleu, 1)}
        return {"photos": self.photos, **bleu, "CIDEr": round(self.cider, 4), "ROUGE-L": round(self.rouge_l, 4),
                "distinct": self.distinct}  # fmt: skip


def score(candidates: Sequence[str], references: Sequence[Sequence[str]]) -> Scores:
    """Captions against the references of each; lower case, no punctuation."""
    from pycocoevalcap.bleu.bleu import Bleu
    from pycocoevalcap.cider.cider import Cider
    from pycocoevalcap.rouge.rouge import Rouge

    found = {i: [" ".join(tokenize(text))] for i, text in enumerate(candidates)}
    wanted = {i: [" ".join(tokenize(text)) for text in texts] for i, texts in enumerate(references)}
    with contextlib.redirect_stdout(io.StringIO()):  # the scorers print
        bleu, _ = Bleu(4).compute_score(wanted, found)
        cider, _ = Cider().compute_score(wanted, found)
        rouge, _ = Rouge().compute_score(wanted, found)
    one, two, three, four = (float(value) for value in bleu)
    distinct = {texts[0] for texts in found.values()} - {""}
    return Scores(len(found), (one, two, three, four), float(cider), float(rouge), len(distinct))


def content_word_agreement(caption: str, references: Sequence[str]) -> float:
    """The share of a caption's content words that at least one person used; 0 where it has none."""
    found_words = content_words(caption)
    human = {word for text in references for word in tokenize(text)}
    return sum(word in human for word in found_words) / len(found_words) if found_words else 0.0


def repeats_a_word(caption: str) -> bool:
    """Whether a content word stands in a caption twice: "a sink and a white sink"."""
    found_words = content_words(caption)
    return len(set(found_words)) < len(found_words)


def tag_scores(
    reported: Sequence[Sequence[str]], references: Sequence[Sequence[str]], tags: frozenset[str]
) -> dict[str, Any]:
    """Precision and recall of tags against the words of the human captions.

    A tag is right where a person used it, a tag of several words where they follow one another. Recall is over the
    words of `tags`, those of the tag head. Class names are counted apart: many of
    them nobody writes in a caption, right or not, so their precision is given a second time over those that a person
    of this set used for any photo.

    Args:
        reported: words or phrases for each photo. references: human captions of each photo.
    """
    # A space on either side of each word, and a break between captions.
    human = ["".join(f" {' '.join(tokenize(text))} |" for text in texts) for texts in references]
    pairs = [(word, f" {word} " in found_words) for of_photo,
             found_words in zip(reported, human, strict=True) for word in of_photo]  # fmt: skip
    anyone = "".join(human)
    used = {word for word in {word for word, _ in pairs} if f" {word} " in anyone}
    head = [right for word, right in pairs if word in tags]
    others = [(word, right) for word, right in pairs if word not in tags]
    photos, wanted = max(len(reported), 1), sum(len(set(found_words.split()) & tags) for found_words in human)
    found: dict[str, Any] = {
        "precision": _share([right for _, right in pairs]),
        "recall": round(sum(head) / wanted, 4) if wanted else 0.0,
        "per_photo": round(len(pairs) / photos, 2),
    }
    if others:
        found["tag head"] = {"precision": _share(head), "per_photo": round(len(head) / photos, 2)}
        found["class names"] = {
            "precision": _share([right for _, right in others]),
            "precision of those that people used": _share([right for word, right in others if word in used]),
            "per_photo": round(len(others) / photos, 2),
        }
    return found


def _share(right: Sequence[bool]) -> float:
    return round(sum(right) / len(right), 4) if right else 0.0


def fit_logistics(design: NDArray[np.float64], share: NDArray[np.float64],
                  counts: NDArray[np.float64] | None = None, steps: int = 50) -> NDArray[np.float64]:  # fmt: skip
    """Weights (f,) of the logistic nearest to shares in 0..1, by Newton's method with a little ridge (Platt 1999).

    Args:
        design: (n, f) numbers known of each row. share: (n,). counts: (n,) what each row counts; None: all the same.
    """
    counts = np.ones(len(design)) if counts is None else counts * len(counts) / counts.sum()
    weights = np.zeros(design.shape[1])
    for _ in range(steps):
        p = 1 / (1 + np.exp(-np.clip(design @ weights, -30, 30)))
        gradient = design.T @ (counts * (p - share)) + 1e-3 * weights
        hessian = (design * (counts * p * (1 - p))[:, None]).T @ design + 1e-3 * np.eye(len(weights))
        weights = weights - np.linalg.solve(hessian, gradient)
    return weights


def fit_logistic(x: NDArray[np.float64], share: NDArray[np.float64]) -> tuple[float, float]:
    """Slope and offset of the logistic in `x` nearest to shares in 0..1."""
    slope, offset = fit_logistics(np.stack([x, np.ones_like(x)], axis=1), share)
    return float(slope), float(offset)


def auc(scores: NDArray[np.float64], positive: NDArray[np.bool_]) -> float | None:
    """Area under the ROC curve: how often a positive one scores higher than a negative one, a tie counting half.

    Computed from ranks, those of tied scores averaged (Mann, Whitney 1947).

    Returns:
        0..1, 0.5 by chance; None where all are positive, or none is.
    """
    n_positive, n_negative = int(positive.sum()), int((~positive).sum())
    if not n_positive or not n_negative:
        return None
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2
    wins = float(ranks[place][positive].sum()) - n_positive * (n_positive + 1) / 2
    return round(wins / (n_positive * n_negative), 4)


def calibration(confidence: NDArray[np.float64], share: NDArray[np.float64], bins: int = 10) -> list[dict[str, float]]:
    """Mean confidence and mean share agreed, in `bins` groups of equal size from the least sure on."""
    groups = np.array_split(np.argsort(confidence, kind="stable"), bins)
    return [
        {
            "confidence": round(float(confidence[g].mean()), 3),
            "agreed": round(float(share[g].mean()), 3),
            "photos": len(g),
        }
        for g in groups
        if len(g)
    ]


def calibration_error(groups: Sequence[Mapping[str, float]]) -> float:
    """Expected calibration error (arXiv:1706.04599): how far confidence and agreement lie apart, on average."""
    apart = sum(abs(group["confidence"] - group["agreed"]) * group["photos"] for group in groups)
    return round(apart / max(sum(group["photos"] for group in groups), 1), 4)
