"""The full recipe, for a connection and a GPU: COCO 2017, ImageNet weights, one command for each part of the work.

    python -m captioner.training.recipe prepare  --coco COCO --run RUN
    python -m captioner.training.recipe train    --coco COCO --run RUN --hours 8
    python -m captioner.training.recipe export   --run RUN --out BUNDLE
    python -m captioner.training.recipe evaluate --coco COCO --out BUNDLE

Each part logs the commands it runs; a part that was stopped goes on where it was when it is
given again. `prepare` with --sentence-teacher and --wordnet (see `word_list`) makes the words for search by meaning,
and `train` then teaches the embedding too.
"""

from __future__ import annotations

import argparse
import logging
import shlex
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from captioner.training import coco, data, pretrained, train
from captioner.training.data import program_parser

log = logging.getLogger(__name__)

Main = Callable[[list[str]], None]
Command = tuple[str, Main, list[str]]  # name of the program, what runs it, its arguments

#: What each stage takes of the hours, its peak learning rate, and its batch. The end-to-end stage starts from a network
#: that can already see and write, hence the low rate.
STAGES = {"language": (0.05, 1e-3, 256), "captioner": (0.4, 1e-3, 128), "joint": (0.5, 1e-4, 64),
          "embedding": (0.05, 1e-3, 512)}  # fmt: skip


def prepare_commands(args: argparse.Namespace) -> Iterator[Command]:
    """Download COCO, prepare photos and words, copy the published weights."""
    files = ["--files", str(args.files)] if args.files else []
    yield "coco", coco.main, ["--out", str(args.coco), "--download", *files]
    yield "data", data.main, [f"coco={args.coco}", "--out", str(args.run / "prepared"), "--px", str(args.px)]
    weights = ["--weights", str(args.weights)] if args.weights else []
    if not (args.run / "pretrained.npz").exists():
        yield "pretrained", pretrained.main, ["--size", args.size, "--run", str(args.run), *weights]
    if args.sentence_teacher and not (args.run / "words.npy").exists():
        from captioner.training import word_list

        yield "word_list", word_list.main, ["--run", str(args.run), "--sentence-teacher", str(args.sentence_teacher),
                                            "--wordnet", str(args.wordnet),
                                            "--text", str(args.coco / "train.jsonl")]  # fmt: skip


def train_commands(args: argparse.Namespace) -> Iterator[Command]:
    """The stages language, captioner, joint and embedding."""
    run, captions = args.run, str(args.coco / "train.jsonl")
    photos = ["--prepared", str(run / "prepared"), "--captioned", f"coco={captions}", "--tag-least",
              str(args.tag_least)]  # fmt: skip
    names = {"language": ["--size", args.size, "--px", str(args.px), "--captions", captions, "--words", str(args.words),
                          "--length", "20", "--width", str(args.width), "--layers", str(args.layers)],
             "captioner": [*photos, *_from(run, "pretrained", "language")],
             "joint": [*photos, *_from(run, "pretrained", "captioner")]}  # fmt: skip
    if (run / "joint.npz").exists() and not (run / "views").exists():
        names.clear()  # all three are done
    if (run / "words.npy").exists():  # the joint stage changed the encoder, so the views are made anew
        names["embedding"] = [*photos, *_from(run, "joint", "joint"), "--views", "views-joint"]
    for stage, options in names.items():
        share, rate, batch = STAGES[stage]
        plan = ["--minutes", f"{60 * share * args.hours:g}", "--rate", str(rate), "--batch", str(args.batch or batch)]
        steps = ["--steps", str(args.steps)] if args.steps else []
        yield "train", train.main, [stage, "--run", str(run), *options, *plan, *steps]
        if stage == "joint":
            shutil.rmtree(run / "views", ignore_errors=True)  # tens of gigabytes that nothing reads any more


def _from(run: Path, start: str, language: str) -> list[str]:
    return ["--start", str(run / f"{start}.npz"), "--language", str(run / f"{language}.npz")]


def export_commands(args: argparse.Namespace) -> Iterator[Command]:
    """The bundle; needs TensorFlow."""
    from captioner.training import export

    weights = [str(path) for name in ("joint", "embedding") if (path := args.run / f"{name}.npz").exists()]
    yield "export", export.main, ["--run", str(args.run), "--weights", *weights, "--out", str(args.out),
                                  "--model-name", args.model_name, "--training",
                                  "data=COCO 2017, Karpathy's train and restval; ImageNet weights"]  # fmt: skip


def evaluate_commands(args: argparse.Namespace) -> Iterator[Command]:
    """Fit the confidence on Karpathy's val, then score his test."""
    from captioner.training import evaluate

    for split, more in (("val", ["--calibrate"]), ("test", [])):
        yield "evaluate", evaluate.main, ["--photos", str(args.coco), "--captions", str(args.coco / f"{split}.jsonl"),
                                          "--bundle", str(args.out), "--record", f"coco-karpathy-{split}",
                                          "--json", *more]  # fmt: skip


def build_parser() -> argparse.ArgumentParser:
    """What the command line takes."""
    found = program_parser("recipe", __doc__)
    parts = found.add_subparsers(dest="part", required=True)
    of_coco, of_run, of_net, of_bundle = (argparse.ArgumentParser(add_help=False) for _ in range(4))
    of_coco.add_argument("--coco", type=Path, required=True, help="directory of COCO's files: 21 GB")
    of_run.add_argument("--run", type=Path, required=True, help="directory of the run")
    of_net.add_argument("--size", choices=pretrained.PUBLISHED, default="tiny", help="encoder (default tiny)")
    of_net.add_argument("--px", type=int, default=224, help="side of the photos (default 224)")
    of_bundle.add_argument("--out", type=Path, required=True, help="directory of the bundle")
    p = parts.add_parser("prepare", parents=[of_coco, of_run, of_net], help="download and prepare")
    p.add_argument("--files", type=Path, help="other places to fetch COCO from, see captioner.training.coco")
    p.add_argument(
        "--weights", type=Path, help="ImageNet weights that are there already, see captioner.training.pretrained"
    )
    p.add_argument("--sentence-teacher", type=Path, help="directory of all-MiniLM-L6-v2, for search by meaning")
    p.add_argument("--wordnet", type=Path, help="directory of WordNet's data.noun and so on, for search by meaning")
    p.set_defaults(commands=prepare_commands)
    t = parts.add_parser("train", parents=[of_coco, of_run, of_net], help="train every stage")
    t.add_argument("--hours", type=float, default=8, help="time to train in all (default 8)")
    t.add_argument("--steps", type=int, help="stop each stage after so many steps even if there is time left")
    t.add_argument("--batch", type=int, help="batch size of every stage (default: as suits each)")
    t.add_argument("--words", type=int, default=8000, help="size of the vocabulary (default 8000)")
    t.add_argument("--width", type=int, default=384, help="of the decoder (default 384)")
    t.add_argument("--layers", type=int, default=4, help="of the decoder (default 4)")
    t.add_argument("--tag-least", type=int, default=60, help="photos that must have a tag (default 60)")
    t.set_defaults(commands=train_commands)
    e = parts.add_parser("export", parents=[of_run, of_bundle], help="make the bundle")
    e.add_argument("--model-name", default="recollect-tiny")
    e.set_defaults(commands=export_commands)
    parts.add_parser("evaluate", parents=[of_coco, of_bundle], help="score it").set_defaults(commands=evaluate_commands)
    return found


def main(argv: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = build_parser()
    args = parser.parse_args(argv)
    if getattr(args, "sentence_teacher", None) and not args.wordnet:
        parser.error("--sentence-teacher needs --wordnet")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    for program, run, options in args.commands(args):
        log.info("python -m captioner.training.%s %s", program, shlex.join(options))
        run(options)


if __name__ == "__main__":
    main()
