"""Fits the evidence model of a bundle on photos that nothing was trained on.

    python -m captioner.training.fit_evidence --bundle BUNDLE dev.tar=dev.jsonl coco.tar/held=coco.jsonl

All sets have equal weight. A person uses a third of the words that five use, so how many
people captioned a photo is a term of the logistics while they are fitted; when captioning it is five. What is written:
`evidence` in the bundle's manifest (see `captioner.inference.evidence`).
"""

from __future__ import annotations

import dataclasses
import io
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from captioner.inference.evidence import (
    SENTENCE_FEATURES,
    WORD_FEATURES,
    EvidenceModel,
    WordEvidence,
    logit,
    sentence_features,
)
from captioner.inference.litert import EncoderOutputs, LiteRTCaptioner
from captioner.inference.manifest import Manifest
from captioner.inference.preprocess import squash, tokenize
from captioner.training.data import is_held_out, program_parser, read_captions, read_photos
from captioner.training.metrics import fit_logistics

log = logging.getLogger(__name__)

Floats = NDArray[np.float64]

#: The number of captions of a photo that is assumed when captioning.
PEOPLE = 5
#: A sentence counts as right where people used more than this share of its content words: what they left out is mostly
#: true as well.
RIGHT_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class ScoredSentence:
    """One photo's sentence, and which of its content words a person used."""

    evidence: tuple[WordEvidence, ...]
    used: tuple[bool, ...]
    mean_logp: float
    people: int
    weight: float  # so that all sets count the same

    @property
    def share(self) -> float:
        """Of its content words, those that a person used."""
        return sum(self.used) / len(self.used) if self.used else 0.0

    @property
    def log_people_share(self) -> float:
        """The logarithm of the number of captions over `PEOPLE`, at most 0."""
        return math.log(min(self.people, PEOPLE) / PEOPLE)


def read_photo_set(text: str) -> list[tuple[NDArray[np.uint8], list[str], str]]:
    """Pixels of any size, captions and name of each photo of PHOTOS[/held]=JSONL."""
    photos, _, captions = text.partition("=")
    path, held = (photos.removesuffix("/held"), True) if photos.endswith("/held") else (photos, False)
    references = read_captions(Path(captions))
    names = {name for name in references if not held or is_held_out(name)}
    return [(np.asarray(Image.open(io.BytesIO(data)).convert("RGB")), list(references[name]), name)
            for name, data in read_photos(Path(path), names)]  # fmt: skip


def encode_all(captioner: LiteRTCaptioner, photos: Sequence[NDArray[np.uint8]]) -> list[EncoderOutputs]:
    """The encoder's outputs for each photo."""
    return [captioner.encode(squash(Image.fromarray(pixels), captioner.input_px)) for pixels in photos]


def score_sentence(
    captioner: LiteRTCaptioner, seen: EncoderOutputs, captions: Sequence[str], weight: float
) -> ScoredSentence:
    """The bundle's sentence compared with people's captions."""
    best = captioner.decode(seen)
    evidence = captioner.word_evidence(best, seen, captioner.class_words(seen))
    human = {word for text in captions for word in tokenize(text)}
    return ScoredSentence(
        evidence, tuple(word.word in human for word in evidence), best.mean_logp, len(captions), weight
    )


def fit(sentences: Sequence[ScoredSentence], ordinary: Sequence[float]) -> EvidenceModel:
    """Both logistics and the confidence below which fewer than half of the sentences are right."""
    rows = [(*word.features, one.log_people_share) for one in sentences for word in one.evidence]
    used = [used for one in sentences for used in one.used]
    weights = [one.weight / len(one.used) for one in sentences for _ in one.used]
    word = fit_logistics(np.array(rows), np.array(used, float), np.array(weights))[: len(WORD_FEATURES)]
    first = EvidenceModel(tuple(word), (0.0,) * len(SENTENCE_FEATURES), 0.0)
    features = [
        (
            *sentence_features([first.word_probability(word) for word in one.evidence], one.mean_logp),
            one.log_people_share,
        )
        for one in sentences
    ]
    share, weight = np.array([one.share for one in sentences]), np.array([one.weight for one in sentences])
    sentence = fit_logistics(np.array(features), share, weight)[: len(SENTENCE_FEATURES)]
    fitted = EvidenceModel(_round_weights(word), _round_weights(sentence), 0.0, _round_weights(ordinary))
    return dataclasses.replace(fitted, least=_confidence_threshold(fitted, sentences, weight))


def _round_weights(values: Sequence[float] | Floats) -> tuple[float, ...]:
    return tuple(round(float(value), 4) for value in values)


def _confidence_threshold(fitted: EvidenceModel, sentences: Sequence[ScoredSentence], weight: Floats) -> float:
    """The confidence at which half of the sentences are right, by a logistic over the confidence."""
    confidence = [sentence_confidence(fitted, one) for one in sentences]
    right = np.array([one.share > RIGHT_SHARE for one in sentences], float)
    design = np.array([(1.0, logit(c), one.log_people_share) for c, one in zip(confidence, sentences, strict=True)])
    offset, slope, _ = fit_logistics(design, right, weight)
    return round(1 / (1 + math.exp(offset / slope)), 3)


def sentence_confidence(fitted: EvidenceModel, one: ScoredSentence) -> float:
    """The confidence that a bundle with this evidence has in the sentence."""
    return fitted.sentence_confidence([fitted.word_probability(word) for word in one.evidence], one.mean_logp)


def main(argv: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = program_parser("fit_evidence", __doc__)
    parser.add_argument("sets", nargs="+", metavar="PHOTOS[/held]=JSONL", help="photos with captions; held: a quarter")
    parser.add_argument("--bundle", type=Path, required=True, help="the bundle that is fitted; its manifest is written")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    none = EvidenceModel((0.0,) * len(WORD_FEATURES), (0.0,) * len(SENTENCE_FEATURES), 0.0)
    manifest = Manifest.read(args.bundle)
    dataclasses.replace(manifest, evidence=none).write(args.bundle)  # opens the text tower
    photos: list[Any] = [read_photo_set(text) for text in args.sets]
    captioner = LiteRTCaptioner(args.bundle, threads=args.threads)
    seen = [encode_all(captioner, [pixels for pixels, _, _ in of_set]) for of_set in photos]
    ordinary = np.mean([one["embedding"] for of_set in seen for one in of_set], axis=0)
    dataclasses.replace(manifest, evidence=dataclasses.replace(none, ordinary=tuple(map(float, ordinary)))).write(
        args.bundle
    )
    captioner = LiteRTCaptioner(args.bundle, threads=args.threads)
    sentences = [score_sentence(captioner, one, captions, 1 / len(of_set))
              for of_set, found in zip(photos, seen, strict=True)
              for one, (_, captions, _) in zip(found, of_set, strict=True)]  # fmt: skip
    evidence = fit(sentences, list(map(float, ordinary)))
    dataclasses.replace(manifest, evidence=evidence).write(args.bundle)
    log.info("words %s", dict(zip(WORD_FEATURES, evidence.word, strict=True)))
    log.info(
        "sentences %s, unsure below %g", dict(zip(SENTENCE_FEATURES, evidence.sentence, strict=True)), evidence.least
    )


if __name__ == "__main__":
    main()
