"""Score a bundle, exactly as it ships, on photos with captions.

    python -m captioner.training.evaluate --photos flickr8k-dev.tar --captions flickr8k-dev.jsonl --bundle BUNDLE --json
    python -m captioner.training.evaluate --nothing DIRECTORY --bundle BUNDLE

Prints BLEU-1..4, CIDEr, ROUGE-L, the number of different captions, precision and recall of the tags, beside what blind
captioning gets: the same captions each one photo further on, and one human caption for every photo. A caption without
text scores nothing here.

How well captions agree with people. A content word is used where at least one of the photo's people wrote it, and a
sentence is right where every content word of it was used. Captions without text are left out, and counted ("empty"):

    confidence, calibration error   mean confidence against the mean share of used words, in ten groups
    confidence AUC                  whether it is higher for the right sentences than for all others ("right"), and for
                                    those of which two thirds of the words were used
    agreement                       shares of right sentences and of unused words, of all sentences and of the sure
                                    ones, and how many sentences hold a content word twice
    evidence                        AUC and calibration error of the single words' probabilities, where a bundle has any

Then it searches by words (BM25 over caption and tags), by meaning (text tower against image embeddings) and by both,
blended as the product blends them. For "retrieval" every human caption is a query over all the photos; the same with
the embeddings given to the wrong photos, and, with --synonyms, with everyday words swapped for others that mean the
same. For "word queries" single words are queries, and all photos that people used the word of should be found: mean
average precision at 50 and precision at 10 (see captioner.training.retrieval).

--nothing takes pictures that hold nothing to describe (flat colours, noise, pages of text, screenshots, charts) and
gives the share that got a sentence with an invented thing (see `captioned_photos`), and lists those sentences.
--record leaves that list out of the manifest.

--plot draws a reliability diagram (DeGroot, Fienberg 1983; arXiv:1706.04599) as an SVG of a few kilobytes that reads
well in a browser's light and dark schemes.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import logging
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from captioner import DEFAULT_BUNDLE
from captioner.inference.litert import LiteRTCaptioner
from captioner.inference.manifest import TAGS, Confidence, Manifest
from captioner.inference.preprocess import tokenize
from captioner.inference.text_tower import TextTower
from captioner.training.captioned_photos import (
    CaptionedPhotos,
    caption_photos,
    caption_pictures,
    confidence_scores,
    evidence_scores,
    hallucination_scores,
    sentence_scores,
)
from captioner.training.data import program_parser
from captioner.training.metrics import calibration_error, fit_logistic, score, tag_scores
from captioner.training.retrieval import LEXICAL, Searcher, Synonyms, WordQueries, read_synonyms, swap_all

log = logging.getLogger(__name__)


def constant_caption(references: Sequence[Sequence[str]]) -> str:
    """The human caption that shares most words with all others: the best thing to say without looking."""
    texts = [text for of_photo in references for text in of_photo]
    seen: dict[str, int] = {}
    for text in texts:
        for word in set(tokenize(text)):
            seen[word] = seen.get(word, 0) + 1
    return max(texts, key=lambda text: sum(seen[w] for w in set(tokenize(text))) / (len(tokenize(text)) + 3))


def score_bundle(
    run: CaptionedPhotos, tags: frozenset[str], searcher: Searcher, synonyms: Synonyms | None
) -> dict[str, Any]:
    """Everything that is measured on one set of photos."""
    texts = [caption.text for caption in run.captions]
    reported = [[tag.word for tag in caption.sure_tags] for caption in run.captions]
    constant = [constant_caption(run.references)] * len(texts)
    evidence = evidence_scores(run)
    return {
        **score(texts, run.references).table(),
        "tags": tag_scores(reported, run.references, tags),
        **confidence_scores(run),
        "agreement": sentence_scores(run),
        **({"evidence": evidence} if evidence else {}),
        "retrieval": retrieval(run, searcher),
        "word queries": WordQueries.of(run.references).scores(searcher),
        **({"synonyms": synonym_retrieval(run, searcher, synonyms)} if synonyms else {}),
        "captions of the wrong photos": score([*texts[1:], texts[0]], run.references).table(),
        "constant caption": {"caption": constant[0], **score(constant, run.references).table()},
    }


def retrieval(run: CaptionedPhotos, searcher: Searcher) -> dict[str, Any]:
    """Each human caption as a query over all the photos, each way; and by embeddings of the wrong photos."""
    queries, right = run.queries
    found = searcher.recall(queries, right)
    chance = searcher.shuffled().recall(queries, right)
    return {
        "queries": len(queries),
        "photos": len(run.names),
        **{way: recall.table() for way, recall in found.items()},
        **{f"{way}, embeddings shuffled": recall.table() for way, recall in chance.items() if way != LEXICAL},
    }


def synonym_retrieval(run: CaptionedPhotos, searcher: Searcher, synonyms: Synonyms) -> dict[str, Any]:
    """The queries that hold a listed word, as they are and with every such word swapped."""
    queries, right = run.queries
    swaps = swap_all(queries, synonyms)
    places = [right[query] for query in swaps]
    before = searcher.recall([queries[query] for query in swaps], places)
    after = searcher.recall(list(swaps.values()), places)
    at_10 = {way: (before[way].at[-1], after[way].at[-1]) for way in before}
    return {
        "queries": len(swaps),
        "before": {way: recall.table() for way, recall in before.items()},
        "after": {way: recall.table() for way, recall in after.items()},
        "loss of recall@10": {way: round(1 - then / now, 4) if now else 0.0 for way, (now, then) in at_10.items()},
    }


def refit_confidence(run: CaptionedPhotos, before: Confidence) -> tuple[Confidence, CaptionedPhotos]:
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


def _without_sentences(found: dict[str, Any]) -> dict[str, Any]:
    """What the manifest keeps of the results: all but the invented sentences."""
    if "nothing" not in found:
        return found
    return {**found, "nothing": {name: value for name, value in found["nothing"].items() if name != "sentences"}}


def _plot(path: Path, manifest: Manifest, name: str, found: dict[str, Any]) -> None:
    """This run beside the other splits that the manifest has the confidence of, with counts."""
    scores = {**manifest.scores, name: found}
    groups_by_split = {split: table.get("confidence", []) for split, table in scores.items()}
    splits = {split: groups for split, groups in groups_by_split.items() if groups and "photos" in groups[0]}
    path.write_text(reliability_diagram(splits), encoding="utf-8")


def _parser() -> argparse.ArgumentParser:
    parser = program_parser("evaluate", __doc__)
    parser.add_argument("--photos", type=Path, help="tar file or directory of photos")
    parser.add_argument("--captions", type=Path, help='lines of {"image": name, "captions": [...]}')
    parser.add_argument("--nothing", type=Path, metavar="DIRECTORY",
                        help="tar file or directory of pictures that hold nothing to describe")  # fmt: skip
    parser.add_argument("--bundle", type=Path, default=DEFAULT_BUNDLE, help="default: the one that is shipped")
    parser.add_argument("--beam", type=int, help="sentences searched at once (default: the bundle's)")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--limit", type=int, help="only the first so many photos")
    parser.add_argument("--held", action="store_true", help="only the quarter of the photos that training leaves out")
    parser.add_argument("--calibrate", action="store_true", help="fit the bundle's confidence to these photos first")
    parser.add_argument("--synonyms", type=Path, metavar="FILE",
                        help="search with these words swapped as well: lines of word TAB synonym")  # fmt: skip
    parser.add_argument("--record", metavar="SPLIT", help="write the scores into the bundle's manifest")
    parser.add_argument("--plot", type=Path, metavar="FILE.svg",
                        help="draw the calibration of this run and of every split that the manifest has")  # fmt: skip
    parser.add_argument("--cache", type=Path, metavar="FILE.npz",
                        help="cache captions there (of --nothing: FILE-nothing.npz), to score them again")  # fmt: skip
    parser.add_argument("--show", type=int, default=0, help="print the first so many captions too")
    parser.add_argument("--json", action="store_true", help="print JSON on one line")
    return parser


def _show(run: CaptionedPhotos, count: int) -> None:
    for name, caption in list(zip(run.names, run.captions, strict=True))[:count]:
        tags = ", ".join(f"{tag.word} {tag.probability:.2f}" for tag in caption.tags)
        confidence = f"{caption.confidence:.2f}" + ("" if caption.sure else ", not sure")
        log.info("%s: %s (%s) [%s]", name, caption.text, confidence, tags)


def _check(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    if args.cache and args.beam:
        parser.error("--cache keeps what the bundle says with its own beam: leave --beam away")
    if bool(args.photos) != bool(args.captions):
        parser.error("--photos and --captions belong together")
    if not args.photos and not args.nothing:
        parser.error("nothing to evaluate: give --photos and --captions, or --nothing")
    needing = {"--calibrate": args.calibrate, "--synonyms": args.synonyms, "--plot": args.plot, "--show": args.show}
    given = [option for option, value in needing.items() if value]
    if given and not args.photos:
        parser.error(f"{', '.join(given)}: --photos and --captions are needed")


def _photo_results(args: argparse.Namespace, captioner: LiteRTCaptioner) -> dict[str, Any]:
    """What is measured on photos with captions; --calibrate changes the bundle's manifest first."""
    synonyms = read_synonyms(args.synonyms) if args.synonyms else None
    run = caption_photos(captioner, args.photos, args.captions, args.limit, args.held, args.cache)
    if args.calibrate:
        manifest = Manifest.read(args.bundle)
        confidence, run = refit_confidence(run, manifest.confidence)
        dataclasses.replace(manifest, confidence=confidence).write(args.bundle)
    _show(run, args.show)
    tags = frozenset((args.bundle / TAGS).read_text(encoding="utf-8").split())
    tower = TextTower.open(args.bundle)
    return score_bundle(run, tags, Searcher.over(run.captions, tower.embed if tower else None), synonyms)


def main(argv: list[str] | None = None) -> None:
    """The command line."""
    parser = _parser()
    args = parser.parse_args(argv)
    _check(parser, args)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    captioner = LiteRTCaptioner(args.bundle, threads=args.threads, beam=args.beam)
    found = _photo_results(args, captioner) if args.photos else {}
    if args.nothing:
        cache = args.cache and args.cache.with_name(f"{args.cache.stem}-nothing{args.cache.suffix}")
        found["nothing"] = hallucination_scores(caption_pictures(captioner, args.nothing, args.limit, cache))
    manifest = Manifest.read(args.bundle)
    if args.record:
        dataclasses.replace(manifest, scores={**manifest.scores, args.record: _without_sentences(found)}).write(
            args.bundle
        )
    if args.plot:
        _plot(args.plot, manifest, args.record or args.photos.stem, found)
    sys.stdout.write(json.dumps(found, indent=None if args.json else 2) + "\n")


#: What `captioner.training.metrics.calibration` gives: confidence, agreed and photos of each group.
Groups = Sequence[Mapping[str, float]]

_SIDE, _LEFT, _TOP, _LEGEND_ROW = 360, 62, 20, 24
_BELOW = 58
_SMALLEST_DOT, _LARGEST_DOT = 2.5, 6.0
# Told apart by people who see red and green alike too (Okabe, Ito 2008), and by their shapes.
_COLOURS = (("#0072b2", "#56b4e9"), ("#c24e00", "#f0a030"), ("#007a5a", "#3fcf9f"), ("#a33d7e", "#e58cc0"))
_STYLE = """
svg{{background:#fff;color:#1c1e21;font:13px system-ui,-apple-system,"Segoe UI","DejaVu Sans",sans-serif}}
text{{fill:currentColor}} .grid{{stroke:currentColor;stroke-opacity:.14}} .small{{fill-opacity:.72}}
.even{{stroke:currentColor;stroke-opacity:.5;stroke-dasharray:5 5}}
.frame{{fill:none;stroke:currentColor;stroke-opacity:.4}}
path{{fill:none;stroke-width:2;stroke-linejoin:round}} {light}
@media(prefers-color-scheme:dark){{svg{{background:#16181c;color:#e8eaed}} {dark}}}
"""


def reliability_diagram(splits: Mapping[str, Groups]) -> str:
    """SVG of one line for each named split; a dot is a group of photos, its area their number.

    Raises:
        ValueError: there is no split.
    """
    if not splits:
        raise ValueError("a plot needs at least one split")
    height = _TOP + _SIDE + _BELOW + _LEGEND_ROW * len(splits) + 8
    width = _LEFT + _SIDE + 24
    most = max(group["photos"] for groups in splits.values() for group in groups)
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-labelledby="title about">',
             "<title id='title'>How well the confidence of captions is calibrated</title>",
             f"<desc id='about'>{escape(_description(splits))}</desc>", f"<style>{_style(len(splits))}</style>",
             *_axes()]  # fmt: skip
    for place, (name, groups) in enumerate(splits.items()):
        parts += [*_line(place, groups, most), *_legend(place, name, groups)]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _description(splits: Mapping[str, Groups]) -> str:
    """The numbers in words, for those who can't see the picture."""
    return " ".join(
        f"{name}: " + "; ".join(f"confidence {g['confidence']:.2f}, agreed {g['agreed']:.2f}" for g in groups) + "."
        for name, groups in splits.items()
    )


def _style(splits: int) -> str:
    chosen = [_COLOURS[place % len(_COLOURS)] for place in range(splits)]
    light, dark = (
        " ".join(f".s{place}{{stroke:{pair[i]}}} .d{place}{{fill:{pair[i]}}}" for place, pair in enumerate(chosen))
        for i in (0, 1)
    )
    return _STYLE.format(light=light, dark=dark)


def _x(value: float) -> float:
    return round(_LEFT + _SIDE * value, 1)


def _y(value: float) -> float:
    return round(_TOP + _SIDE * (1 - value), 1)


def _axes() -> Iterator[str]:
    for tenths in range(0, 11, 2):
        at = tenths / 10
        yield f'<path class="grid" style="stroke-width:1" d="M{_x(at)} {_y(0)}V{_y(1)}M{_x(0)} {_y(at)}H{_x(1)}"/>'
        yield f'<text class="small" x="{_x(at)}" y="{_y(0) + 19}" text-anchor="middle">{at:.1f}</text>'
        yield f'<text class="small" x="{_LEFT - 8}" y="{_y(at) + 4}" text-anchor="end">{at:.1f}</text>'
    yield f'<rect class="frame" x="{_LEFT}" y="{_TOP}" width="{_SIDE}" height="{_SIDE}"/>'
    yield f'<path class="even" d="M{_x(0)} {_y(0)}L{_x(1)} {_y(1)}"/>'
    yield f'<text x="{_x(0.5)}" y="{_y(0) + 41}" text-anchor="middle">confidence of the caption</text>'
    middle = f"{16} {_y(0.5)}"
    yield (
        f'<text x="16" y="{_y(0.5)}" text-anchor="middle" transform="rotate(-90 {middle})">'
        "share of its content words that people used</text>"
    )
    yield f'<text class="small" x="{_x(0.05)}" y="{_y(0.93)}">less sure than it could be</text>'
    yield f'<text class="small" x="{_x(0.95)}" y="{_y(0.05)}" text-anchor="end">too sure</text>'


def _line(place: int, groups: Groups, most: float) -> Iterator[str]:
    points = [(_x(group["confidence"]), _y(group["agreed"])) for group in groups]
    yield f'<path class="s{place}" d="M' + "L".join(f"{x} {y}" for x, y in points) + '"/>'
    for (x, y), group in zip(points, groups, strict=True):
        radius = max(_SMALLEST_DOT, _LARGEST_DOT * float(group["photos"] / most) ** 0.5)
        title = f"{group['photos']:.0f} photos: confidence {group['confidence']:.2f}, agreed {group['agreed']:.2f}"
        yield _dot(place, x, y, radius, f"<title>{title}</title>")


def _dot(place: int, x: float, y: float, radius: float, inside: str = "") -> str:
    """A circle, and a square for every second split: the shape tells them apart where colour does not."""
    if place % 2 == 0:
        return f'<circle class="d{place}" cx="{x}" cy="{y}" r="{radius:.1f}">{inside}</circle>'
    side = radius * 1.77  # the circle's area
    corner = f'x="{x - side / 2:.1f}" y="{y - side / 2:.1f}" width="{side:.1f}" height="{side:.1f}"'
    return f'<rect class="d{place}" {corner}>{inside}</rect>'


def _legend(place: int, name: str, groups: Groups) -> Iterator[str]:
    y = _TOP + _SIDE + _BELOW + _LEGEND_ROW * place + 10
    photos, error = sum(group["photos"] for group in groups), calibration_error(groups)
    yield f'<path class="s{place}" d="M{_LEFT} {y - 4}h30"/>' + _dot(place, _LEFT + 15, y - 4, 5)
    yield f'<text x="{_LEFT + 40}" y="{y}">{escape(name)}: {photos:,.0f} photos, off by {error:.2f} on average</text>'


if __name__ == "__main__":
    main()
