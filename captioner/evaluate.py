"""Score a bundle, exactly as it ships, on photos with captions.

    python -m captioner.evaluate --photos flickr8k-dev.tar --captions flickr8k-dev.jsonl --bundle BUNDLE --json

Prints BLEU-1..4, CIDEr, ROUGE-L, the number of different captions, precision and recall of the tags, and how
well the confidence agrees with people, beside what blind captioning gets: the same captions each one photo
further on, and one human caption for every photo.
"""

from __future__ import annotations

import argparse
import dataclasses
import io
import json
import logging
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from captioner import DEFAULT_BUNDLE, Caption
from captioner.data import is_held_back, read_captions, read_photos
from captioner.litert import LiteRTCaptioner
from captioner.manifest import TAGS, Confidence, Manifest
from captioner.metrics import calibration, fit_logistic, score, share_agreed, tag_scores
from captioner.preprocess import squash, words

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Run:
    """The captions a bundle gave to a set of photos, beside those of people."""

    names: tuple[str, ...]
    captions: tuple[Caption, ...]
    references: tuple[tuple[str, ...], ...]

    @property
    def agreed(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        """(n,) share of each caption's content words that a person used."""
        pairs = zip(self.captions, self.references, strict=True)
        return np.array([share_agreed(caption.text, texts) for caption, texts in pairs])

    @property
    def confidence(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        """(n,) confidence of each caption."""
        return np.array([caption.confidence for caption in self.captions])


def caption_photos(captioner: LiteRTCaptioner, photos: Path, captions: Path, limit: int | None = None,
                   held: bool = False) -> Run:  # fmt: skip
    """Caption the photos of a tar file or a directory that `captions` names.

    Args:
        held: only the quarter that training leaves out of a set marked /held.

    Raises:
        ValueError: not one of the photos has captions.
    """
    references = read_captions(captions)
    names: list[str] = []
    found: list[Caption] = []
    started = time.monotonic()
    for name, data in read_photos(photos):
        if name not in references or (held and not is_held_back(name)):
            continue
        image = Image.open(io.BytesIO(data))
        found.append(captioner.caption(squash(image, captioner.input_px)))
        names.append(name)
        if len(names) % 200 == 0:
            log.info("%d photos, %.1f/s", len(names), len(names) / (time.monotonic() - started))
        if limit and len(names) >= limit:
            break
    if not names:
        raise ValueError(f"no photo of {photos} is named in {captions}")
    return Run(tuple(names), tuple(found), tuple(tuple(references[name]) for name in names))


def constant_caption(references: Sequence[Sequence[str]]) -> str:
    """The human caption that shares most words with all others: the best thing to say without looking."""
    texts = [text for of_photo in references for text in of_photo]
    seen: dict[str, int] = {}
    for text in texts:
        for word in set(words(text)):
            seen[word] = seen.get(word, 0) + 1
    return max(texts, key=lambda text: sum(seen[w] for w in set(words(text))) / (len(words(text)) + 3))


def results(run: Run, tags: frozenset[str]) -> dict[str, Any]:
    """Everything that is measured on one set of photos."""
    texts = [caption.text for caption in run.captions]
    told = [[tag.word for tag in caption.tags] for caption in run.captions]
    constant = [constant_caption(run.references)] * len(texts)
    return {
        **score(texts, run.references).table(),
        "tags": tag_scores(told, run.references, tags),
        "confidence": calibration(run.confidence, run.agreed),
        "captions of the wrong photos": score([*texts[1:], texts[0]], run.references).table(),
        "constant caption": {"caption": constant[0], **score(constant, run.references).table()},
    }


def refitted(run: Run, before: Confidence) -> tuple[Confidence, Run]:
    """A logistic that makes the confidence the expected share of content words that a person used, too.

    Returns:
        the bundle's new numbers, and the run as it would have been with them.
    """
    logits = np.array([math.log(p / (1 - p)) for p in np.clip(run.confidence, 1e-6, 1 - 1e-6)])
    slope, offset = fit_logistic(logits, run.agreed)
    anew = 1 / (1 + np.exp(-(slope * logits + offset)))
    captions = tuple(
        dataclasses.replace(caption, confidence=float(p)) for caption, p in zip(run.captions, anew, strict=True)
    )
    fitted = Confidence(round(before.slope * slope, 4), round(before.offset * slope + offset, 4))
    return fitted, dataclasses.replace(run, captions=captions)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m captioner.evaluate", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--photos", type=Path, required=True, help="tar file or directory of photos")
    parser.add_argument("--captions", type=Path, required=True, help='lines of {"image": name, "captions": [...]}')
    parser.add_argument("--bundle", type=Path, default=DEFAULT_BUNDLE, help="default: the one that is shipped")
    parser.add_argument("--beam", type=int, help="sentences searched at once (default: the bundle's)")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--limit", type=int, help="only the first so many photos")
    parser.add_argument("--held", action="store_true", help="only the quarter of the photos that training leaves out")
    parser.add_argument("--calibrate", action="store_true", help="fit the bundle's confidence to these photos first")
    parser.add_argument("--record", metavar="SPLIT", help="write the scores into the bundle's manifest")
    parser.add_argument("--show", type=int, default=0, help="print the first so many captions too")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def main(argv: list[str] | None = None) -> None:
    """The command line."""
    args = _parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    captioner = LiteRTCaptioner(args.bundle, threads=args.threads, beam=args.beam)
    run = caption_photos(captioner, args.photos, args.captions, args.limit, args.held)
    manifest = Manifest.read(args.bundle)
    if args.calibrate:
        confidence, run = refitted(run, manifest.confidence)
        manifest = dataclasses.replace(manifest, confidence=confidence)
        manifest.write(args.bundle)
    tags = frozenset((args.bundle / TAGS).read_text(encoding="utf-8").split())
    found = results(run, tags)
    if args.record:
        dataclasses.replace(manifest, scores={**manifest.scores, args.record: found}).write(args.bundle)
    for name, caption in list(zip(run.names, run.captions, strict=True))[: args.show]:
        tags_told = ", ".join(f"{tag.word} {tag.probability:.2f}" for tag in caption.tags)
        log.info("%s: %s (%.2f) [%s]", name, caption.text, caption.confidence, tags_told)
    sys.stdout.write(json.dumps(found, indent=None if args.json else 2) + "\n")


if __name__ == "__main__":
    main()
