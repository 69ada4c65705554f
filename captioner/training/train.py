"""Train the captioner, stage by stage; every stage is resumable: run the same command again.

    python -m captioner.training.train STAGE --run RUN ...

    trunk      --published efficientnet-lite2.pth
    stagewise  --teacher trunk.npz --prepared PREPARED --sources NAME
    language   --captions train.jsonl --text text.txt.gz
    captioner  --prepared PREPARED --captioned NAME=train.jsonl --start trunk.npz --language language.npz
    critic     as captioner, with --language captioner.npz
    embedding  as captioner, with --language captioner.npz
    kinds      as captioner, with --language captioner.npz --pictures NAME
    joint      --prepared PREPARED --captioned NAME=train.jsonl --start stagewise.npz --language captioner.npz

The encoder is either an atto on a pretrained trunk (stage `trunk`, seconds), or a ConvNeXt of its own (stage
`stagewise`, many hours on a CPU; or published weights, see `captioner.training.pretrained`).

RUN keeps the weights of each stage (NAME.npz), what it needs to go on (NAME.run.npz), and the model's
description (model.json, vocabulary.txt, tags.txt).
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from captioner.training import captioning, loop, stages, stagewise
from captioner.training.data import program_parser
from captioner.training.encoder import SIZES, set_matmul_precision


def _parse_shares(text: str) -> dict[str, float]:
    pairs = (item.partition("=") for item in text.split(","))
    return {name: float(share or 1) for name, _, share in pairs}


def _parse_named_path(text: str) -> tuple[str, Path]:
    name, _, path = text.partition("=")
    return name, Path(path)


def _parser() -> argparse.ArgumentParser:
    parser = program_parser("train", __doc__)
    commands = parser.add_subparsers(dest="stage", required=True)
    timed = argparse.ArgumentParser(add_help=False)
    timed.add_argument("--run", type=Path, required=True, help="directory of the run")
    timed.add_argument("--name", help="name of the stage's weights (default: the stage)")
    timed.add_argument("--minutes", type=float, default=10, help="time to train (default 10)")
    timed.add_argument("--processor-time", action="store_true",
                       help="minutes are those that this process gets on all cores together")  # fmt: skip
    timed.add_argument("--steps", type=int, help="stop after so many steps even if there is time left")
    timed.add_argument("--seed", type=int, default=0)
    timed.add_argument("--bfloat16", action="store_true",
                       help="matrix products in bfloat16, for processors that have them")  # fmt: skip
    common = argparse.ArgumentParser(add_help=False, parents=[timed])
    common.add_argument("--warmup", type=int, default=200, help="steps until the full learning rate (default 200)")
    common.add_argument("--rate", type=float, default=1e-3, help="peak learning rate (default 0.001)")
    common.add_argument("--trunk-rate", type=float, default=1.0,
                        help="of the rate, for pretrained layers (default 1)")  # fmt: skip
    common.add_argument("--floor", type=float, default=0.0, help="fraction of the peak rate at the end (default 0)")
    common.add_argument("--decay", type=float, default=0.05, help="weight decay (default 0.05)")
    common.add_argument("--ema", type=float, default=0.998, help="momentum of the moving average (default 0.998)")
    common.add_argument("--batch", type=int, default=32, help="batch size (default 32)")
    common.add_argument("--tag-least", type=int, default=12, help="photos that must have a tag (default 12)")
    net = argparse.ArgumentParser(add_help=False)
    net.add_argument("--size", choices=SIZES, default="atto", help="encoder (default atto)")
    net.add_argument("--px", type=int, default=160, help="side of the photos, a multiple of 32 (default 160)")
    prepared = argparse.ArgumentParser(add_help=False)
    prepared.add_argument("--prepared", type=Path, required=True, help="what captioner.training.data wrote")
    photos = argparse.ArgumentParser(add_help=False)
    photos.add_argument(
        "--captioned",
        type=_parse_named_path,
        nargs="+",
        required=True,
        metavar="SOURCE[/held]=JSONL",
        help="prepared sources with captions; of SOURCE/held a quarter is left out, to measure on",
    )
    photos.add_argument("--start", type=Path, required=True, help="weights of the encoder")
    photos.add_argument("--language", type=Path, nargs="+", required=True, metavar="WEIGHTS",
                        help="weights to start the rest from; where two files have one, the later wins")  # fmt: skip
    photos.add_argument("--views", default="views", help="folder of RUN for the maps that are kept, of one --start")
    photos.add_argument(
        "--sentences", type=int, default=captioning.SENTENCES_DRAWN, help="of each photo in a batch (default 2)"
    )

    s = commands.add_parser("stagewise", parents=[timed, net, prepared], help="teach the encoder stage by stage")
    s.add_argument("--sources", type=_parse_shares, required=True, metavar="NAME=SHARE,...", help="prepared sources")
    s.add_argument("--teacher", type=Path, required=True, help="weights of a trunk, by the stage trunk")
    s.add_argument("--trunk", choices=[name for name, size in SIZES.items() if size.trunk], default="atto-on-lite2",
                   help="size that stands on the trunk (default atto-on-lite2)")  # fmt: skip
    s.add_argument("--start", type=Path, help="weights of a student to go on from")
    s.add_argument("--shares", type=_parse_shares, default={}, metavar="PHASE=SHARE,...",
                   help="shares of the time, where not the usual; 0 leaves a phase out: "
                   + ", ".join(f"{phase.name}={phase.share:g}" for phase in stagewise.PHASES))  # fmt: skip
    s.add_argument("--batch-times", type=int, default=1, help="factor to the batches of all phases (default 1)")
    s.add_argument("--rate-times", type=float, default=1.0, dest="rate", help="and to their rates (default 1)")
    s.add_argument("--save-every", type=float, default=300, help="seconds between saves and measures (default 300)")
    s.add_argument("--held", type=float, default=0.02, help="share of photos to measure on (default 0.02)")
    s.set_defaults(run_stage=stages.distil_stagewise, warmup=100, decay=0.02, ema=0.99, floor=0.02, trunk_rate=1.0)
    trunk = commands.add_parser("trunk", parents=[common], help="take over the published blocks")
    trunk.add_argument("--published", type=Path, required=True, help="EfficientNet-Lite2 as a PyTorch checkpoint")
    trunk.set_defaults(run_stage=stages.import_trunk)
    language = commands.add_parser("language", parents=[common, net], help="teach the decoder to write")
    language.add_argument("--captions", type=Path, nargs="+", required=True, help="captions of photos, JSON lines")
    language.add_argument("--text", type=Path, nargs="*", default=[], help="captions without photos, one to a line")
    language.add_argument("--words", type=int, default=3600, help="size of the vocabulary (default 3600)")
    language.add_argument("--length", type=int, default=18, help="tokens of a sentence at most (default 18)")
    language.add_argument("--width", type=int, default=256)
    language.add_argument("--layers", type=int, default=3)
    language.add_argument("--dropout", type=float, default=0.2)
    language.add_argument("--hints", type=int, default=0, help="tags that the decoder reads (default none)")
    language.set_defaults(run_stage=stages.train_language)
    c = commands.add_parser("captioner", parents=[common, prepared, photos], help="teach the decoder to see")
    c.add_argument("--others", nargs="*", default=[],
                   help="prepared sources without captions: their classes and detected objects count")  # fmt: skip
    c.add_argument("--text", type=Path, nargs="*", default=[], help="captions without photos, for a decoder with hints")
    c.add_argument("--more", type=int, default=12, help="photos of these in each batch (default 12)")
    c.set_defaults(run_stage=stages.train_captioner)
    j = commands.add_parser("joint", parents=[common, prepared, photos], help="train both end to end")
    j.set_defaults(run_stage=stages.train_jointly)
    r = commands.add_parser("critic", parents=[common, prepared, photos], help="teach the decoder by its own sentences")
    r.add_argument("--penalty", type=float, default=0.0,
                   help="what a sentence loses whose content words nobody used (default 0)")  # fmt: skip
    r.set_defaults(run_stage=stages.train_self_critical)
    k = commands.add_parser("kinds", parents=[common, prepared, photos], help="tell photos from what is none")
    k.add_argument("--pictures", required=True, help="prepared source of pictures that are no photos, KIND/NAME")
    k.add_argument("--others", nargs="*", default=[], help="prepared sources of photos without captions")
    k.set_defaults(run_stage=stages.train_image_types)
    e = commands.add_parser("embedding", parents=[common, prepared, photos], help="lead photos and texts together")
    e.add_argument("--swap", type=float, default=0.1, help="share of words that synonyms stand in for (default 0.1)")
    e.add_argument(
        "--crops", type=int, default=captioning.CROPS, help="of each photo that are learnt from (default all)"
    )
    e.set_defaults(run_stage=stages.train_embedding)
    return parser


def main(argv: list[str] | None = None) -> None:
    """The command line."""
    args = _parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    plan = loop.Plan(args.minutes, args.rate, args.warmup, args.decay, args.ema, floor=args.floor, steps=args.steps,
                     trunk_rate=args.trunk_rate, processor_time=args.processor_time)  # fmt: skip
    set_matmul_precision("bfloat16" if args.bfloat16 else "float32")
    args.run_stage(args, plan)


if __name__ == "__main__":
    main()
