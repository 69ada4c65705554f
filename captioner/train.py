"""Train the captioner, stage by stage; every stage is resumable: run the same command again.

    python -m captioner.train trunk     --run RUN --published efficientnet-lite2.pth
    python -m captioner.train distil    --run RUN --teacher mobilenet_v2.tflite --prepared PREPARED --sources NAME
    python -m captioner.train language  --run RUN --captions train.jsonl --text text.txt.gz
    python -m captioner.train captioner --run RUN --prepared PREPARED --captioned NAME=train.jsonl --start trunk.npz
    python -m captioner.train critic    (as captioner) --language captioner.npz
    python -m captioner.train embedding (as captioner) --language captioner.npz
    python -m captioner.train kinds     (as captioner) --language captioner.npz --pictures NAME
    python -m captioner.train joint     --run RUN --prepared PREPARED --captioned NAME=train.jsonl --start distil.npz

The encoder is either an atto on a pretrained trunk (stage `trunk`, seconds), or a ConvNeXt of its own (stage `distil`,
many hours on a CPU).

RUN keeps the weights of each stage (NAME.npz), what it needs to go on (NAME.run.npz), and the model's
description (model.json, vocabulary.txt, tags.txt).
"""

from __future__ import annotations

import argparse
import json
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from captioner.content_words import content_ids
from captioner.data import Source, build_vocabulary, is_held_back, read_captions, read_text
from captioner.kinds import KINDS, write_kinds
from captioner.preprocess import Vocabulary, normalise, words
from captioner.training import checkpoint, critic, describe, distil, efficientnet, embedding, hints, kind_head, loop
from captioner.training.detected import expected_tags
from captioner.training.encoder import (
    SIZES,
    STRIDE_PX,
    build_behind,
    build_encoder,
    build_lower,
    build_trunk,
    build_upper,
    lower_shape,
    set_matmul_precision,
    summed_features,
    summed_up,
)
from captioner.training.lite import fast_function, fast_functions
from captioner.training.model import Captioner, DecoderShape, TagHead, build_training
from captioner.training.tags import tag_words
from captioner.training.teacher import TEACHER_PX, trunk_weights

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Description:
    """What it takes to build the network again; RUN/model.json."""

    size: str  # a key of SIZES
    px: int  # side of the photos it captions
    length: int
    width: int
    heads: int
    layers: int
    dropout: float
    hints: int = 0  # tags that the decoder reads beside the map

    def write(self, run: Path) -> None:
        """Write RUN/model.json."""
        (run / "model.json").write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, run: Path) -> Description:
        """Read RUN/model.json."""
        return cls(**json.loads((run / "model.json").read_text(encoding="utf-8")))

    def shape(self, vocabulary: int) -> DecoderShape:
        """The decoder's numbers for a vocabulary of so many words."""
        return DecoderShape(vocabulary, self.length, self.width, self.heads, self.layers,
                            (self.px // STRIDE_PX) ** 2, SIZES[self.size].widths[-1], self.dropout, self.hints)  # fmt: skip


def read_tags(run: Path) -> tuple[str, ...]:
    """The words of RUN/tags.txt."""
    return tuple((run / "tags.txt").read_text(encoding="utf-8").split())


def captioned_sets(args: argparse.Namespace) -> list[describe.PhotoSet]:
    """The photos to learn from: all of each set but what is held back of sets marked with `/held`."""
    sets = []
    for name, path in args.captioned:
        name, _, held = name.partition("/")
        captions = read_captions(path)
        keep = [photo for photo in captions if not (held and is_held_back(photo))]
        sets.append(describe.PhotoSet.of(Source.open(args.prepared / name), captions, keep))
    return sets


def _distil(args: argparse.Namespace, plan: loop.Plan) -> None:
    distil.run(args.prepared, args.sources, args.teacher, args.size, args.px, args.batch, plan, args.run,
               args.name or "distil", args.start, args.seed)  # fmt: skip


def _trunk(args: argparse.Namespace, _: loop.Plan) -> None:
    """The published blocks as the lower part of the encoder."""
    if args.published:
        found: checkpoint.Arrays = dict(efficientnet.trunk_arrays(args.published))
    else:
        described = build_trunk("atto-on-trunk", TEACHER_PX)
        arrays = trunk_weights(args.teacher)[: len(described.weights)]
        found = {v.path: array for v, array in zip(described.weights, arrays, strict=True)}
    checkpoint.save(args.run / f"{args.name or 'trunk'}.npz", found)


def _language(args: argparse.Namespace, plan: loop.Plan) -> None:
    sets = [list(read_captions(path).values()) for path in args.captions]
    captions = [texts for of_set in sets for texts in of_set]
    sentences = [text for texts in captions for text in texts]
    lines = [line for path in args.text for line in read_text(path)]
    vocabulary = build_vocabulary(sentences, lines, args.words)
    args.run.mkdir(parents=True, exist_ok=True)
    vocabulary.write(args.run / "vocabulary.txt")
    described = Description(args.size, args.px, args.length, args.width, 4, args.layers, args.dropout, args.hints)
    described.write(args.run)
    _write_tags(args, captions, vocabulary)
    text = _text(args.run, described, vocabulary, lines + sentences, captions)
    describe.learn_language(described.shape(len(vocabulary)), text, args.batch, plan, args.run,
                            args.name or "language", args.seed)  # fmt: skip


def _write_tags(args: argparse.Namespace, captions: Sequence[Sequence[str]], vocabulary: Vocabulary) -> None:
    if not (args.run / "tags.txt").exists():
        tags = tag_words(captions, vocabulary, args.tag_least)
        (args.run / "tags.txt").write_text("".join(f"{tag}\n" for tag in tags), encoding="utf-8")


def _text(run: Path, described: Description, vocabulary: Vocabulary, lines: Sequence[str],
          captions: Sequence[Sequence[str]]) -> describe.Text:  # fmt: skip
    ids = describe.fitting(lines, vocabulary, described.length)
    return describe.Text(ids, _hint_words(run, vocabulary, captions) if described.hints else None, described.hints)


def _hint_words(run: Path, vocabulary: Vocabulary, captions: Sequence[Sequence[str]]) -> hints.HintWords:
    tags = read_tags(run)
    counts = Counter(word for texts in captions for word in {w for text in texts for w in words(text)})
    return hints.HintWords.of(tags, vocabulary, np.array([counts[tag] for tag in tags]))


def _start(model: Any, found: checkpoint.Arrays) -> None:
    """Give a model the weights there are; those that look at photos are new after a language model."""
    given = 0
    for variable in model.weights:
        path = variable.path[variable.path.index("decoder/") :] if "decoder/" in variable.path else variable.path
        source = found.get(variable.path, found.get(path))
        if path.endswith("/position") and source is not None:
            source = source[: variable.shape[0]]  # a language model may have learnt longer sentences
        if source is not None and source.shape == tuple(variable.shape):
            variable.assign(source.astype(np.float32))
            given += 1
    log.info("%d of %d arrays start from an earlier stage", given, len(model.weights))


def _targets(args: argparse.Namespace, sets: Sequence[describe.PhotoSet]) -> tuple[describe.Targets, Vocabulary]:
    described, vocabulary = Description.read(args.run), Vocabulary.read(args.run / "vocabulary.txt")
    captions = [texts for one in sets for texts in one.captions]
    _write_tags(args, captions, vocabulary)
    return describe.Targets.of(captions, vocabulary, read_tags(args.run), described.length), vocabulary


def _views(args: argparse.Namespace, described: Description, name: str, source: Source, rows: Sequence[int],
           crops: int = describe.CROPS) -> describe.Views:  # fmt: skip
    """The views of a source, kept in RUN from one call to the next."""
    cached = args.run / args.views / name
    if not cached.exists():
        make_look = partial(_look, described, checkpoint.load(args.start))
        describe.cache_views(make_look, source.photos, rows, described.px, cached, crops)
    return describe.Views.open(cached)


def _look(described: Description, arrays: checkpoint.Arrays) -> describe.Look:
    """What the untrained part of the encoder makes of pixels, and the classes that its trunk as published tells."""
    front = build_lower(described.size, described.px)
    checkpoint.assign(front, arrays)
    encode = fast_function(front, (1, described.px, described.px, 3), quantise=True)
    shape = lower_shape(described.size, described.px)
    behind = build_behind(described.size, described.px) if SIZES[described.size].trunk else None
    if behind is not None:
        checkpoint.assign(behind, arrays)
    tell = fast_functions(behind, (1, *shape), quantise=True) if behind is not None else None

    def look(pixels: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        maps = encode(normalise(pixels)[None])
        found = {"maps": maps.reshape(shape)}
        return found | {name: values[0] for name, values in tell(maps).items()} if tell else found

    return look


def _captioned_views(args: argparse.Namespace, described: Description,
                     sets: Sequence[describe.PhotoSet]) -> list[describe.Views]:  # fmt: skip
    names = [name.partition("/")[0] for name, _ in args.captioned]
    return [_views(args, described, name, Source.open(args.prepared / name), one.rows.tolist())
            for name, one in zip(names, sets, strict=True)]  # fmt: skip


def _photo_hints(args: argparse.Namespace, described: Description, views: Sequence[describe.Views],
                 targets: describe.Targets, vocabulary: Vocabulary,
                 captions: Sequence[Sequence[str]]) -> describe.PhotoHints | None:  # fmt: skip
    """The hints of captioned photos, kept in RUN from one call to the next."""
    if not described.hints:
        return None
    cached = args.run / args.views / "hints.npz"
    if not cached.exists():
        pooled = np.concatenate([one.pooled for one in views if one.pooled is not None])
        chosen = _hint_words(args.run, vocabulary, captions).top
        found, logits = chosen(hints.out_of_fold(pooled, targets.tags).astype(np.float32), described.hints)
        checkpoint.save(cached, {"words": found, "logits": logits})
    return describe.PhotoHints(**checkpoint.load(cached))


def _other_views(args: argparse.Namespace, described: Description, name: str) -> describe.Views:
    source = Source.open(args.prepared / name)
    rows = _uncaptioned_rows(args, name, source)
    return _views(args, described, f"{name}-others", source, rows, crops=1)


def _others(args: argparse.Namespace, described: Description, sets: Sequence[describe.PhotoSet],
            targets: describe.Targets) -> list[describe.OtherPhotos]:  # fmt: skip
    """Photos without captions; where a detector has seen them, with the tags that its objects let expect."""
    names = [name.partition("/")[0] for name, _ in args.captioned]
    known = [_objects(args.prepared / name) for name in names]
    starts = np.cumsum([0, *(len(one.rows) for one in sets)])
    pairs = [(start + i, objects[row]) for start, one, objects in zip(starts, sets, known, strict=False)
             for i, row in enumerate(one.rows) if objects is not None and row < len(objects)]  # fmt: skip
    tags = read_tags(args.run)
    found = []
    for name in args.others:
        objects = _objects(args.prepared / name)
        rows = _uncaptioned_rows(args, name, Source.open(args.prepared / name))
        expected = np.zeros((len(rows), 2, len(tags)), np.float32)
        if objects is not None and pairs:
            said = targets.tags[[n for n, _ in pairs], 0]
            expected = expected_tags(objects[rows], np.array([seen for _, seen in pairs]), said, tags)
        found.append(describe.OtherPhotos(_other_views(args, described, name), expected))
    return found


def _uncaptioned_rows(args: argparse.Namespace, name: str, source: Source) -> list[int]:
    """The rows of a source that have no captions, held back or not."""
    paths = [path for captioned, path in args.captioned if captioned.partition("/")[0] == name]
    captioned = {photo for path in paths for photo in read_captions(path)}
    return [row for row, photo in enumerate(source.names) if photo not in captioned]


def _objects(prepared: Path) -> NDArray[np.float32] | None:
    path = prepared / "objects.npy"
    return np.load(path, allow_pickle=False).astype(np.float32) if path.exists() else None


def _captioner(args: argparse.Namespace, plan: loop.Plan) -> None:
    sets = captioned_sets(args)
    targets, vocabulary = _targets(args, sets)
    captions = [texts for one in sets for texts in one.captions]
    described = Description.read(args.run)
    views = _captioned_views(args, described, sets)
    others = _others(args, described, sets, targets)
    photo_hints = _photo_hints(args, described, views, targets, vocabulary, captions)
    lines = [line for path in args.text for line in read_text(path)]
    lines += [text for texts in captions for text in texts]
    text = _text(args.run, described, vocabulary, lines, captions) if photo_hints is not None else None
    captioner = _new_captioner(described, vocabulary, targets)
    batch = min(args.batch, len(targets.tokens))
    model = build_training(build_upper(described.size, described.px), captioner, args.sentences, batch)
    _start(model, _together(args))
    describe.compile_captioner(model, plan, classes=SIZES[described.size].trunk is not None)
    batches = describe.view_batches(
        views, targets, others, batch, args.more, args.seed, args.sentences, photo_hints, text
    )
    loop.train(model, batches, plan, args.run, args.name or "captioner")


def _new_captioner(described: Description, vocabulary: Vocabulary, targets: describe.Targets) -> Captioner:
    summed = summed_features(described.size)
    return Captioner(described.shape(len(vocabulary)), targets.tags.shape[-1], summed, name="captioner")


def _seen(args: argparse.Namespace, described: Description, sets: Sequence[describe.PhotoSet], views: int,
          kept: Callable[[Any], Any]) -> NDArray[np.float16]:  # fmt: skip
    """What is kept of what the trained encoder makes of the first views of all captioned photos, (n, views, ...)."""
    front = build_upper(described.size, described.px)
    checkpoint.assign(front, _together(args))
    return describe.seen_of(front, _captioned_views(args, described, sets), views, kept)


def _critic(args: argparse.Namespace, plan: loop.Plan) -> None:
    sets = captioned_sets(args)
    targets, vocabulary = _targets(args, sets)
    described = Description.read(args.run)
    views = _captioned_views(args, described, sets)
    captions = [texts for one in sets for texts in one.captions]
    photo_hints = _photo_hints(args, described, views, targets, vocabulary, captions)
    maps = _seen(args, described, sets, 2, itemgetter("map"))
    captioner = _new_captioner(described, vocabulary, targets)
    captioner.build()
    model = critic.build(captioner, critic.SAMPLES + critic.HUMAN)
    checkpoint.assign(model, _together(args))
    critic.compile_model(model, plan)
    sampler = critic.make_sampler(captioner.decoder, critic.SAMPLES, args.seed)
    seen = critic.Seen(maps.reshape(len(maps), 2, -1, maps.shape[-1]), photo_hints)
    reward = critic.reward_of(targets, content_ids(vocabulary), args.penalty)
    batches = critic.batches(seen, targets, sampler, reward, args.batch, args.seed)
    loop.train(model, batches, plan, args.run, args.name or "critic", ahead=1)


def _embedding(args: argparse.Namespace, plan: loop.Plan) -> None:
    sets = captioned_sets(args)
    captions = [texts for one in sets for texts in one.captions]
    described = Description.read(args.run)
    features = _seen(args, described, sets, 2 * describe.CROPS, summed_up)
    pieces = (args.run / "pieces.txt").read_text(encoding="utf-8").split()
    counts = Counter(word for texts in captions for text in texts for word in words(text))
    known = embedding.Words.of(pieces, np.load(args.run / "words.npy", allow_pickle=False), counts)
    np.save(args.run / "table.npy", known.vectors.astype(np.float32))
    texts = [np.stack([known.encode(text) for text in said]) for said in captions]
    model = embedding.build(known.vectors, features.shape[-1])
    embedding.compile_model(model, plan)
    batches = embedding.batches(features, texts, known, args.batch, args.swap, args.seed)
    loop.train(model, batches, plan, args.run, args.name or "embedding")


def _kinds(args: argparse.Namespace, plan: loop.Plan) -> None:
    """The kinds of pictures, and what logit each tag usually has: both of the features of the trained encoder."""
    sets = captioned_sets(args)
    described = Description.read(args.run)
    pictures = Source.open(args.prepared / args.pictures)
    names = [kind.name for kind in KINDS]
    kinds = np.array([names.index(name.partition("/")[0]) for name in pictures.names])
    write_kinds(args.run / "kinds.txt", KINDS)
    front = build_upper(described.size, described.px)
    checkpoint.assign(front, _together(args))
    views = [*_captioned_views(args, described, sets), *(_other_views(args, described, name) for name in args.others)]
    photos = describe.seen_of(front, views, 2, summed_up).reshape(-1, summed_features(described.size))
    drawn = [_views(args, described, args.pictures, pictures, range(len(kinds)), crops=1)]
    others = describe.seen_of(front, drawn, 2, summed_up).reshape(-1, photos.shape[-1])
    model = kind_head.build(len(names), photos.shape[-1])
    kind_head.compile_model(model, plan)
    batches = kind_head.batches(photos, others, np.repeat(kinds, 2), args.batch, args.seed)
    loop.train(model, batches, plan, args.run, args.name or "kinds")
    _save_usual(args, photos)


def _save_usual(args: argparse.Namespace, photos: NDArray[Any]) -> None:
    head = TagHead(len(read_tags(args.run)), photos.shape[-1], name="captioner/tags")
    head.build()
    weights = _together(args)
    for variable in head.weights:
        variable.assign(weights[variable.path])
    usual = np.asarray(head(photos.astype(np.float32))).mean(0)
    checkpoint.save(args.run / "usual.npz", {"tag_usual": usual})


def _together(args: argparse.Namespace) -> checkpoint.Arrays:
    """The weights of several files; where two have one, the later wins."""
    found: checkpoint.Arrays = {}
    for path in (args.start, *args.language):
        found |= checkpoint.load(path)
    return found


def _joint(args: argparse.Namespace, plan: loop.Plan) -> None:
    sets = captioned_sets(args)
    targets, vocabulary = _targets(args, sets)
    described = Description.read(args.run)
    captioner = _new_captioner(described, vocabulary, targets)
    batch = min(args.batch, len(targets.tokens))
    encoder = build_encoder(described.size, described.px)
    model = build_training(encoder, captioner, args.sentences, batch)
    checkpoint.assign(model, _together(args))
    describe.compile_captioner(model, plan, classes=False)
    batches = describe.photo_batches(sets, targets, described.px, batch, args.seed)
    loop.train(model, batches, plan, args.run, args.name or "joint")


def _shares(text: str) -> dict[str, float]:
    pairs = (item.partition("=") for item in text.split(","))
    return {name: float(share or 1) for name, _, share in pairs}


def _named_path(text: str) -> tuple[str, Path]:
    name, _, path = text.partition("=")
    return name, Path(path)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m captioner.train", description=(__doc__ or "").split("\n")[0])
    stages = parser.add_subparsers(dest="stage", required=True)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--run", type=Path, required=True, help="directory of the run")
    common.add_argument("--name", help="name of the stage's weights (default: the stage)")
    common.add_argument("--minutes", type=float, default=10, help="time to train (default 10)")
    common.add_argument("--steps", type=int, help="stop after so many steps even if there is time left")
    common.add_argument("--warmup", type=int, default=200, help="steps until the full learning rate (default 200)")
    common.add_argument("--rate", type=float, default=1e-3, help="peak learning rate (default 0.001)")
    common.add_argument("--floor", type=float, default=0.0, help="fraction of the peak rate at the end (default 0)")
    common.add_argument("--decay", type=float, default=0.05, help="weight decay (default 0.05)")
    common.add_argument("--ema", type=float, default=0.998, help="momentum of the moving average (default 0.998)")
    common.add_argument("--batch", type=int, default=32, help="batch size (default 32)")
    common.add_argument("--seed", type=int, default=0)
    common.add_argument("--tag-least", type=int, default=12, help="photos that must have a tag (default 12)")
    common.add_argument("--bfloat16", action="store_true",
                        help="matrix products in bfloat16: fast where the processor has them, slow elsewhere")  # fmt: skip
    net = argparse.ArgumentParser(add_help=False)
    net.add_argument("--size", choices=SIZES, default="atto", help="encoder (default atto)")
    net.add_argument("--px", type=int, default=160, help="side of the photos, a multiple of 32 (default 160)")
    prepared = argparse.ArgumentParser(add_help=False)
    prepared.add_argument("--prepared", type=Path, required=True, help="what captioner.data wrote")
    photos = argparse.ArgumentParser(add_help=False)
    photos.add_argument(
        "--captioned",
        type=_named_path,
        nargs="+",
        required=True,
        metavar="SOURCE[/held]=JSONL",
        help="prepared sources with captions; of SOURCE/held a quarter is left out, to measure on",
    )
    photos.add_argument("--start", type=Path, required=True, help="weights of the encoder")
    photos.add_argument("--language", type=Path, nargs="+", required=True, metavar="WEIGHTS",
                        help="weights to start the rest from; where two files have one, the later wins")  # fmt: skip
    photos.add_argument("--views", default="views", help="folder of RUN for the maps that are kept, of one --start")
    photos.add_argument("--sentences", type=int, default=describe.DRAWN, help="of each photo in a batch (default 2)")

    d = stages.add_parser("distil", parents=[common, net, prepared], help="teach the encoder what the teacher sees")
    d.add_argument("--sources", type=_shares, required=True, metavar="NAME=SHARE,...", help="prepared sources")
    d.add_argument("--teacher", type=Path, help="quantised MobileNetV2 .tflite that gives hints")
    d.add_argument("--start", type=Path, help="weights to start from")
    d.set_defaults(go=_distil)
    trunk = stages.add_parser("trunk", parents=[common], help="take over the teacher's blocks")
    published = trunk.add_mutually_exclusive_group(required=True)
    published.add_argument("--published", type=Path, help="EfficientNet-Lite2 as a PyTorch checkpoint")
    published.add_argument("--teacher", type=Path, help="quantised MobileNetV2 .tflite")
    trunk.set_defaults(go=_trunk)
    language = stages.add_parser("language", parents=[common, net], help="teach the decoder to write")
    language.add_argument("--captions", type=Path, nargs="+", required=True, help="captions of photos, JSON lines")
    language.add_argument("--text", type=Path, nargs="*", default=[], help="captions without photos, one to a line")
    language.add_argument("--words", type=int, default=3600, help="size of the vocabulary (default 3600)")
    language.add_argument("--length", type=int, default=18, help="tokens of a sentence at most (default 18)")
    language.add_argument("--width", type=int, default=256)
    language.add_argument("--layers", type=int, default=3)
    language.add_argument("--dropout", type=float, default=0.2)
    language.add_argument("--hints", type=int, default=0, help="tags that the decoder reads (default none)")
    language.set_defaults(go=_language)
    c = stages.add_parser("captioner", parents=[common, prepared, photos], help="teach the decoder to see")
    c.add_argument("--others", nargs="*", default=[],
                   help="prepared sources without captions: their classes count, and the tags of detected objects")  # fmt: skip
    c.add_argument("--text", type=Path, nargs="*", default=[], help="captions without photos, for a decoder with hints")
    c.add_argument("--more", type=int, default=12, help="photos of these in each batch (default 12)")
    c.set_defaults(go=_captioner)
    j = stages.add_parser("joint", parents=[common, prepared, photos], help="train both end to end")
    j.set_defaults(go=_joint)
    r = stages.add_parser("critic", parents=[common, prepared, photos], help="teach the decoder by its own sentences")
    r.add_argument("--penalty", type=float, default=0.0,
                   help="what a sentence loses whose content words nobody used (default 0)")  # fmt: skip
    r.set_defaults(go=_critic)
    k = stages.add_parser("kinds", parents=[common, prepared, photos], help="tell photos from what is none")
    k.add_argument("--pictures", required=True, help="prepared source of pictures that are no photos, KIND/NAME")
    k.add_argument("--others", nargs="*", default=[], help="prepared sources of photos without captions")
    k.set_defaults(go=_kinds)
    e = stages.add_parser("embedding", parents=[common, prepared, photos], help="lead photos and texts together")
    e.add_argument("--swap", type=float, default=0.1, help="share of words that synonyms stand in for (default 0.1)")
    e.set_defaults(go=_embedding)
    return parser


def main(argv: list[str] | None = None) -> None:
    """The command line."""
    args = _parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    plan = loop.Plan(args.minutes, args.rate, args.warmup, args.decay, args.ema, floor=args.floor, steps=args.steps)
    set_matmul_precision("bfloat16" if args.bfloat16 else "float32")
    args.go(args, plan)


if __name__ == "__main__":
    main()
