"""Train the captioner, stage by stage; every stage is resumable: run the same command again.

    python -m captioner.train trunk     --run RUN --teacher mobilenet_v2.tflite
    python -m captioner.train distil    --run RUN --teacher mobilenet_v2.tflite --prepared PREPARED --sources NAME
    python -m captioner.train stagewise --run RUN --teacher trunk.npz --prepared PREPARED --sources NAME
    python -m captioner.train language  --run RUN --captions train.jsonl --text text.txt.gz
    python -m captioner.train captioner --run RUN --prepared PREPARED --captioned NAME=train.jsonl --start trunk.npz
    python -m captioner.train critic    (as captioner) --language captioner.npz
    python -m captioner.train embedding (as captioner) --language captioner.npz
    python -m captioner.train joint     --run RUN --prepared PREPARED --captioned NAME=train.jsonl --start distil.npz

The encoder is either an atto on the trunk of a MobileNetV2 (stage `trunk`, seconds), or a ConvNeXt of its own
(stage `distil`, many hours on a CPU).

RUN keeps the weights of each stage (NAME.npz), what it needs to go on (NAME.run.npz), and the model's
description (model.json, vocabulary.txt, tags.txt).
"""

from __future__ import annotations

import argparse
import json
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from captioner.data import Source, build_vocabulary, is_held_back, read_captions, read_text
from captioner.preprocess import Vocabulary, normalise, words
from captioner.training import checkpoint, critic, describe, distil, embedding, loop, stagewise
from captioner.training.encoder import (
    SIZES,
    STRIDE_PX,
    build_encoder,
    build_lower,
    build_trunk,
    build_upper,
    lower_shape,
)
from captioner.training.lite import fast_function
from captioner.training.model import Captioner, DecoderShape, build_training
from captioner.training.tags import tag_words
from captioner.training.teacher import TEACHER_PX, Teacher, trunk_weights

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
                            (self.px // STRIDE_PX) ** 2, SIZES[self.size].widths[-1], self.dropout)  # fmt: skip


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


def _stagewise(args: argparse.Namespace, plan: loop.Plan) -> None:
    trunks = {name: size.trunk for name, size in SIZES.items() if size.trunk}
    schedule = stagewise.Schedule(replace(plan, save_every_s=args.save_every), args.shares, args.batch_times)
    stagewise.run(args.prepared, args.sources, trunks[args.trunk], args.teacher, args.size, args.px, schedule,
                  args.run, args.name or "stagewise", args.held, args.seed)  # fmt: skip


def _trunk(args: argparse.Namespace, _: loop.Plan) -> None:
    """The teacher's own blocks as the lower part of the encoder."""
    described = build_trunk(TEACHER_PX)
    arrays = trunk_weights(args.teacher)[: len(described.weights)]
    found = {v.path: array for v, array in zip(described.weights, arrays, strict=True)}
    checkpoint.save(args.run / f"{args.name or 'trunk'}.npz", found)


def _language(args: argparse.Namespace, plan: loop.Plan) -> None:
    captions = [text for path in args.captions for texts in read_captions(path).values() for text in texts]
    text = [line for path in args.text for line in read_text(path)]
    vocabulary = build_vocabulary(captions, text, args.words)
    args.run.mkdir(parents=True, exist_ok=True)
    vocabulary.write(args.run / "vocabulary.txt")
    described = Description(args.size, args.px, args.length, args.width, 4, args.layers, args.dropout)
    described.write(args.run)
    describe.learn_language(described.shape(len(vocabulary)), text + captions, vocabulary, args.batch, plan,
                            args.run, args.name or "language", args.seed)  # fmt: skip


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
    if not (args.run / "tags.txt").exists():
        tags = tag_words(captions, vocabulary, args.tag_least)
        (args.run / "tags.txt").write_text("".join(f"{tag}\n" for tag in tags), encoding="utf-8")
    return describe.Targets.of(captions, vocabulary, read_tags(args.run), described.length), vocabulary


def _views(args: argparse.Namespace, described: Description, name: str, source: Source,
           rows: Sequence[int]) -> describe.Views:  # fmt: skip
    """The views of a source, kept in RUN from one call to the next."""
    cached = args.run / args.views / name
    if not cached.exists():
        front = build_lower(described.size, described.px)
        checkpoint.assign(front, checkpoint.load(args.start))
        shape = lower_shape(described.size, described.px)

        def make_look() -> describe.Look:
            teacher = Teacher(args.teacher) if args.teacher else None
            encode = fast_function(front, (1, described.px, described.px, 3))

            def look(pixels: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
                found = {"maps": encode(normalise(pixels)[None]).reshape(shape)}
                return found | {"classes": teacher.classes(pixels)} if teacher else found

            return look

        describe.cache_views(make_look, source.photos, rows, described.px, cached)
    return describe.Views.open(cached)


def _captioner(args: argparse.Namespace, plan: loop.Plan) -> None:
    sets = captioned_sets(args)
    targets, vocabulary = _targets(args, sets)
    described = Description.read(args.run)
    names = [name.partition("/")[0] for name, _ in args.captioned]
    views = [_views(args, described, name, Source.open(args.prepared / name), one.rows.tolist())
             for name, one in zip(names, sets, strict=True)]  # fmt: skip
    sources = {name: Source.open(args.prepared / name) for name in args.others}
    others = [_views(args, described, name, one, range(len(one.photos))) for name, one in sources.items()]
    captioner = Captioner(described.shape(len(vocabulary)), targets.tags.shape[1], name="captioner")
    batch = min(args.batch, len(targets.tokens))
    front = build_upper(described.size, described.px)
    model = build_training(front, captioner, args.sentences, batch)
    _start(model, _together(args))
    describe.compile_captioner(model, plan, classes=args.teacher is not None)
    batches = describe.view_batches(views, targets, others, batch, args.more, args.seed, args.sentences)
    loop.train(model, batches, plan, args.run, args.name or "captioner")


def _seen(args: argparse.Namespace, described: Description, sets: Sequence[describe.PhotoSet], views: int,
          kept: Callable[[Any], Any]) -> NDArray[np.float16]:  # fmt: skip
    """What is kept of what the trained encoder makes of the first views of all captioned photos, (n, views, ...)."""
    front = build_upper(described.size, described.px)
    checkpoint.assign(front, _together(args))
    names = [name.partition("/")[0] for name, _ in args.captioned]
    cached = [_views(args, described, name, Source.open(args.prepared / name), one.rows.tolist())
              for name, one in zip(names, sets, strict=True)]  # fmt: skip
    return describe.seen_of(front, cached, views, kept)


def _critic(args: argparse.Namespace, plan: loop.Plan) -> None:
    sets = captioned_sets(args)
    targets, vocabulary = _targets(args, sets)
    described = Description.read(args.run)
    maps = _seen(args, described, sets, 2, itemgetter("map"))
    captioner = Captioner(described.shape(len(vocabulary)), targets.tags.shape[1], name="captioner")
    captioner.build()
    model = critic.build(captioner, critic.SAMPLES + critic.HUMAN)
    checkpoint.assign(model, _together(args))
    critic.compile_model(model, plan)
    sampler = critic.make_sampler(captioner.decoder, critic.SAMPLES, args.seed)
    maps = maps.reshape(len(maps), 2, -1, maps.shape[-1])
    loop.train(model, critic.batches(maps, targets, sampler, args.batch, args.seed), plan, args.run,
               args.name or "critic", ahead=1)  # fmt: skip


def _embedding(args: argparse.Namespace, plan: loop.Plan) -> None:
    sets = captioned_sets(args)
    captions = [texts for one in sets for texts in one.captions]
    described = Description.read(args.run)
    features = _seen(args, described, sets, 2 * describe.CROPS, embedding.summed_up)
    pieces = (args.run / "pieces.txt").read_text(encoding="utf-8").split()
    counts = Counter(word for texts in captions for text in texts for word in words(text))
    known = embedding.Words.of(pieces, np.load(args.run / "words.npy", allow_pickle=False), counts)
    np.save(args.run / "table.npy", known.vectors.astype(np.float32))
    texts = [np.stack([known.encode(text) for text in said]) for said in captions]
    model = embedding.build(known.vectors, features.shape[-1])
    embedding.compile_model(model, plan)
    batches = embedding.batches(features, texts, known, args.batch, args.swap, args.seed)
    loop.train(model, batches, plan, args.run, args.name or "embedding")


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
    captioner = Captioner(described.shape(len(vocabulary)), targets.tags.shape[1], name="captioner")
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
    timed = argparse.ArgumentParser(add_help=False)
    timed.add_argument("--run", type=Path, required=True, help="directory of the run")
    timed.add_argument("--name", help="name of the stage's weights (default: the stage)")
    timed.add_argument("--minutes", type=float, default=10, help="time to train (default 10)")
    timed.add_argument("--steps", type=int, help="stop after so many steps even if there is time left")
    timed.add_argument("--seed", type=int, default=0)
    common = argparse.ArgumentParser(add_help=False, parents=[timed])
    common.add_argument("--warmup", type=int, default=200, help="steps until the full learning rate (default 200)")
    common.add_argument("--rate", type=float, default=1e-3, help="peak learning rate (default 0.001)")
    common.add_argument("--floor", type=float, default=0.0, help="fraction of the peak rate at the end (default 0)")
    common.add_argument("--decay", type=float, default=0.05, help="weight decay (default 0.05)")
    common.add_argument("--ema", type=float, default=0.998, help="momentum of the moving average (default 0.998)")
    common.add_argument("--batch", type=int, default=32, help="batch size (default 32)")
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
    photos.add_argument("--teacher", type=Path, help="quantised MobileNetV2 .tflite (224 px) that names classes")
    photos.add_argument("--views", default="views", help="folder of RUN for the maps that are kept, of one --start")
    photos.add_argument("--sentences", type=int, default=describe.DRAWN, help="of each photo in a batch (default 2)")
    photos.add_argument("--tag-least", type=int, default=12, help="photos that must have a tag (default 12)")

    d = stages.add_parser("distil", parents=[common, net, prepared], help="teach the encoder what the teacher sees")
    d.add_argument("--sources", type=_shares, required=True, metavar="NAME=SHARE,...", help="prepared sources")
    d.add_argument("--teacher", type=Path, help="quantised MobileNetV2 .tflite that gives hints")
    d.add_argument("--start", type=Path, help="weights to start from")
    d.set_defaults(go=_distil)
    s = stages.add_parser("stagewise", parents=[timed, net, prepared], help="teach the encoder stage by stage")
    s.add_argument("--sources", type=_shares, required=True, metavar="NAME=SHARE,...", help="prepared sources")
    s.add_argument("--teacher", type=Path, required=True, help="weights of a trunk, by the stage trunk")
    s.add_argument("--trunk", choices=[name for name, size in SIZES.items() if size.trunk], default="atto-on-lite2",
                   help="size that stands on the trunk (default atto-on-lite2)")  # fmt: skip
    s.add_argument("--shares", type=_shares, default={}, metavar="PHASE=SHARE,...",
                   help="shares of the time, where not the usual; 0 leaves a phase out: "
                   + ", ".join(f"{phase.name}={phase.share:g}" for phase in stagewise.PHASES))  # fmt: skip
    s.add_argument("--batch-times", type=int, default=1, help="factor to the batches of all phases (default 1)")
    s.add_argument("--rate-times", type=float, default=1.0, dest="rate", help="and to their rates (default 1)")
    s.add_argument("--save-every", type=float, default=300, help="seconds between saves and measures (default 300)")
    s.add_argument("--held", type=float, default=0.02, help="share of photos to measure on (default 0.02)")
    s.set_defaults(go=_stagewise, warmup=100, decay=0.02, ema=0.99, floor=0.02)
    trunk = stages.add_parser("trunk", parents=[common], help="take over the teacher's blocks")
    trunk.add_argument("--teacher", type=Path, required=True, help="quantised MobileNetV2 .tflite")
    trunk.set_defaults(go=_trunk)
    language = stages.add_parser("language", parents=[common, net], help="teach the decoder to write")
    language.add_argument("--captions", type=Path, nargs="+", required=True, help="captions of photos, JSON lines")
    language.add_argument("--text", type=Path, nargs="*", default=[], help="captions without photos, one to a line")
    language.add_argument("--words", type=int, default=3600, help="size of the vocabulary (default 3600)")
    language.add_argument("--length", type=int, default=18, help="tokens of a sentence at most (default 18)")
    language.add_argument("--width", type=int, default=256)
    language.add_argument("--layers", type=int, default=3)
    language.add_argument("--dropout", type=float, default=0.2)
    language.set_defaults(go=_language)
    c = stages.add_parser("captioner", parents=[common, prepared, photos], help="teach the decoder to see")
    c.add_argument("--others", nargs="*", default=[], help="prepared sources without captions: their classes count")
    c.add_argument("--more", type=int, default=12, help="photos of these in each batch (default 12)")
    c.set_defaults(go=_captioner)
    j = stages.add_parser("joint", parents=[common, prepared, photos], help="train both end to end")
    j.set_defaults(go=_joint)
    r = stages.add_parser("critic", parents=[common, prepared, photos], help="teach the decoder by its own sentences")
    r.set_defaults(go=_critic)
    e = stages.add_parser("embedding", parents=[common, prepared, photos], help="lead photos and texts together")
    e.add_argument("--swap", type=float, default=0.1, help="share of words that synonyms stand in for (default 0.1)")
    e.set_defaults(go=_embedding)
    return parser


def main(argv: list[str] | None = None) -> None:
    """The command line."""
    args = _parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    plan = loop.Plan(args.minutes, args.rate, args.warmup, args.decay, args.ema, floor=args.floor, steps=args.steps)
    args.go(args, plan)


if __name__ == "__main__":
    main()
