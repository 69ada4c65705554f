"""The training stages: each takes the parsed arguments of its command of `train`."""

from __future__ import annotations

import argparse
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
from keras import ops
from numpy.typing import NDArray

from captioner.inference.imagenet_classes import IMAGE_TYPES, write_image_types
from captioner.inference.preprocess import Vocabulary, content_ids, normalise, tokenize
from captioner.training import captioning, checkpoint, joint_embedding, loop, pretrained, self_critical, stagewise
from captioner.training.checkpoint import ModelConfig, read_tags
from captioner.training.data import Source, build_vocabulary, is_held_out, read_captions, read_text
from captioner.training.encoder import (
    SIZES,
    build_encoder,
    build_lower,
    build_trunk_classifier,
    build_upper,
    global_feature_count,
    global_features,
    lower_shape,
)
from captioner.training.export import fast_function, fast_functions
from captioner.training.model import Captioner, TagHead, build_training
from captioner.training.object_detection import expected_tags
from captioner.training.tags import TagHints, out_of_fold_logits, tag_counts, tag_words

log = logging.getLogger(__name__)


def distil_stagewise(args: argparse.Namespace, plan: loop.Plan) -> None:
    """Distil a whole ConvNeXt from a trunk, stage by stage."""
    trunks = {name: size.trunk for name, size in SIZES.items() if size.trunk}
    schedule = stagewise.Schedule(replace(plan, save_every_s=args.save_every), args.shares, args.batch_times)
    stagewise.run(args.prepared, args.sources, trunks[args.trunk], args.teacher, args.size, args.px, schedule,
                  args.run, args.name or "stagewise", args.held, args.seed, args.start)  # fmt: skip


def import_trunk(args: argparse.Namespace, _: loop.Plan) -> None:
    """Import the published blocks as the lower part of the encoder."""
    checkpoint.save(args.run / f"{args.name or 'trunk'}.npz", dict(pretrained.trunk_arrays(args.published)))


def train_language(args: argparse.Namespace, plan: loop.Plan) -> None:
    """Train the decoder as a language model."""
    sets = [list(read_captions(path).values()) for path in args.captions]
    captions = [texts for of_set in sets for texts in of_set]
    sentences = [text for texts in captions for text in texts]
    lines = [line for path in args.text for line in read_text(path)]
    vocabulary = build_vocabulary(sentences, lines, args.words)
    args.run.mkdir(parents=True, exist_ok=True)
    vocabulary.write(args.run / "vocabulary.txt")
    config = ModelConfig(args.size, args.px, args.length, args.width, 4, args.layers, args.dropout, args.hints)
    config.write(args.run)
    if config.hints:
        _write_tags(args, captions, vocabulary)
    text = _text(args.run, config, vocabulary, lines + sentences, captions)
    captioning.train_language_model(config.shape(len(vocabulary)), text, args.batch, plan, args.run,
                            args.name or "language", args.seed)  # fmt: skip


def _write_tags(args: argparse.Namespace, captions: Sequence[Sequence[str]], vocabulary: Vocabulary) -> None:
    if not (args.run / "tags.txt").exists():
        tags = tag_words(captions, vocabulary, args.tag_least)
        (args.run / "tags.txt").write_text("".join(f"{tag}\n" for tag in tags), encoding="utf-8")


def _text(run: Path, config: ModelConfig, vocabulary: Vocabulary, lines: Sequence[str],
          captions: Sequence[Sequence[str]]) -> captioning.Text:  # fmt: skip
    ids = captioning.encode_sentences(lines, vocabulary, config.length)
    return captioning.Text(ids, _hint_words(run, vocabulary, captions) if config.hints else None, config.hints)


def _hint_words(run: Path, vocabulary: Vocabulary, captions: Sequence[Sequence[str]]) -> TagHints:
    tags = read_tags(run)
    counts = Counter(word for texts in captions for word in {w for text in texts for w in tokenize(text)})
    return TagHints.of(tags, vocabulary, np.array([counts[tag] for tag in tags]))


def _assign_matching(model: Any, found: checkpoint.Arrays) -> None:
    """Assign the weights that exist; cross-attention to photos is new after a language model."""
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


@dataclass(frozen=True, slots=True)
class CaptionedRun:
    """A run, and the captioned photos that a stage of it learns from."""

    args: argparse.Namespace
    config: ModelConfig
    sets: tuple[captioning.PhotoSet, ...]  # without what is held back of sets marked with `/held`

    @classmethod
    def open(cls, args: argparse.Namespace) -> CaptionedRun:
        """With the sets of `args.captioned`."""
        sets = []
        for name, path in args.captioned:
            name, _, held = name.partition("/")
            captions = read_captions(path)
            keep = [photo for photo in captions if not (held and is_held_out(photo))]
            sets.append(captioning.PhotoSet.of(Source.open(args.prepared / name), captions, keep))
        return cls(args, ModelConfig.read(args.run), tuple(sets))

    @property
    def captions(self) -> list[tuple[str, ...]]:
        """Those of each photo."""
        return [texts for one in self.sets for texts in one.captions]

    def targets(self) -> tuple[captioning.Targets, Vocabulary]:
        """What is learnt of the photos; the tags are chosen here where the language model has not done so."""
        vocabulary = Vocabulary.read(self.args.run / "vocabulary.txt")
        _write_tags(self.args, self.captions, vocabulary)
        tags = read_tags(self.args.run)
        return captioning.Targets.of(self.captions, vocabulary, tags, self.config.length), vocabulary

    def captioner(self, vocabulary: Vocabulary, targets: captioning.Targets) -> Captioner:
        """The network of decoder and tag head, untrained."""
        summed = global_feature_count(self.config.size)
        return Captioner(self.config.shape(len(vocabulary)), targets.tags.shape[-1], summed, name="captioner")

    def weights(self) -> checkpoint.Arrays:
        """The weights of several files; where two have one, the later wins."""
        found: checkpoint.Arrays = {}
        for path in (self.args.start, *self.args.language):
            found |= checkpoint.load(path)
        return found

    def trained_upper(self) -> Any:
        """The upper part of the encoder with its weights."""
        front = build_upper(self.config.size, self.config.px)
        checkpoint.assign(front, self.weights())
        return front

    def views(self, name: str, source: Source, rows: Sequence[int], crops: int = captioning.CROPS) -> captioning.Views:
        """The views of a source, kept in RUN from one call to the next."""
        cached = self.args.run / self.args.views / name
        if not cached.exists():
            make_encode = partial(_view_encoder, self.config, checkpoint.load(self.args.start))
            captioning.cache_views(make_encode, source.photos, rows, self.config.px, cached, crops)
        return captioning.Views.open(cached)

    def captioned_views(self) -> list[captioning.Views]:
        """Those of each set."""
        names = [name.partition("/")[0] for name, _ in self.args.captioned]
        return [self.views(name, Source.open(self.args.prepared / name), one.rows.tolist())
                for name, one in zip(names, self.sets, strict=True)]  # fmt: skip

    def encode_captioned(self, views: int, kept: Callable[[Any], Any]) -> NDArray[np.float16]:
        """Selected outputs of the trained encoder for the first views of all captioned photos, (n, views, ...)."""
        return captioning.encode_views(self.trained_upper(), self.captioned_views(), views, kept)

    def photo_hints(self, targets: captioning.Targets, vocabulary: Vocabulary) -> captioning.PhotoHints | None:
        """The hints of captioned photos, kept in RUN from one call to the next; None for a decoder that reads none."""
        if not self.config.hints:
            return None
        cached = self.args.run / self.args.views / "hints.npz"
        if not cached.exists():
            views = self.captioned_views()
            pooled = np.concatenate([one.maps.mean(axis=(2, 3)) if one.pooled is None else one.pooled for one in views])
            chosen = _hint_words(self.args.run, vocabulary, self.captions).top
            found, logits = chosen(out_of_fold_logits(pooled, targets.tags).astype(np.float32), self.config.hints)
            checkpoint.save(cached, {"words": found, "logits": logits})
        return captioning.PhotoHints(**checkpoint.load(cached))

    def uncaptioned_rows(self, name: str, source: Source) -> list[int]:
        """The rows of a source that have no captions, held back or not."""
        paths = [path for captioned, path in self.args.captioned if captioned.partition("/")[0] == name]
        captioned = {photo for path in paths for photo in read_captions(path)}
        return [row for row, photo in enumerate(source.names) if photo not in captioned]

    def uncaptioned_views(self, name: str) -> captioning.Views:
        """The views of these rows."""
        source = Source.open(self.args.prepared / name)
        return self.views(f"{name}-others", source, self.uncaptioned_rows(name, source), crops=1)

    def uncaptioned_photos(self, targets: captioning.Targets) -> list[captioning.OtherPhotos]:
        """Photos without captions, with the tags expected of detected objects where there are any."""
        names = [name.partition("/")[0] for name, _ in self.args.captioned]
        known = [_objects(self.args.prepared / name) for name in names]
        starts = np.cumsum([0, *(len(one.rows) for one in self.sets)])
        pairs = [(start + i, objects[row]) for start, one, objects in zip(starts, self.sets, known, strict=False)
                 for i, row in enumerate(one.rows) if objects is not None and row < len(objects)]  # fmt: skip
        tags = read_tags(self.args.run)
        found = []
        for name in self.args.others:
            objects = _objects(self.args.prepared / name)
            rows = self.uncaptioned_rows(name, Source.open(self.args.prepared / name))
            expected = np.zeros((len(rows), 2, len(tags)), np.float32)
            if objects is not None and pairs:
                used = targets.tags[[n for n, _ in pairs], 0]
                expected = expected_tags(objects[rows], np.array([seen for _, seen in pairs]), used, tags)
            found.append(captioning.OtherPhotos(self.uncaptioned_views(name), expected))
        return found


def _view_encoder(config: ModelConfig, arrays: checkpoint.Arrays) -> captioning.EncodePhoto:
    """A function of pixels: maps of the frozen part of the encoder, and the published trunk's classes."""
    front = build_lower(config.size, config.px)
    checkpoint.assign(front, arrays)
    encode = fast_function(front, (1, config.px, config.px, 3), quantise=True)
    shape = lower_shape(config.size, config.px)
    behind = build_trunk_classifier(config.size, config.px) if SIZES[config.size].trunk else None
    if behind is not None:
        checkpoint.assign(behind, arrays)
    tell = fast_functions(behind, (1, *shape), quantise=True) if behind is not None else None

    def look(pixels: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        maps = encode(normalise(pixels)[None])
        found = {"maps": maps.reshape(shape)}
        return found | {name: values[0] for name, values in tell(maps).items()} if tell else found

    return look


def _objects(prepared: Path) -> NDArray[np.float32] | None:
    path = prepared / "objects.npy"
    return np.load(path, allow_pickle=False).astype(np.float32) if path.exists() else None


def train_captioner(args: argparse.Namespace, plan: loop.Plan) -> None:
    """Train the upper part of the encoder, decoder and tag head on cached views."""
    run = CaptionedRun.open(args)
    targets, vocabulary = run.targets()
    photo_hints = run.photo_hints(targets, vocabulary)
    lines = [line for path in args.text for line in read_text(path)]
    lines += [text for texts in run.captions for text in texts]
    text = _text(args.run, run.config, vocabulary, lines, run.captions) if photo_hints is not None else None
    batch = min(args.batch, len(targets.tokens))
    classes = SIZES[run.config.size].trunk is not None
    upper = build_upper(run.config.size, run.config.px)
    model = build_training(upper, run.captioner(vocabulary, targets), args.sentences, batch, classes)
    _assign_matching(model, run.weights())
    captioning.compile_captioner(model, plan, classes)
    batches = captioning.view_batches(run.captioned_views(), targets, run.uncaptioned_photos(targets), batch, args.more,
                                      args.seed, args.sentences, photo_hints, text)  # fmt: skip
    loop.train(model, batches, plan, args.run, args.name or "captioner")


def train_self_critical(args: argparse.Namespace, plan: loop.Plan) -> None:
    """Train the decoder on the rewards of its own samples."""
    run = CaptionedRun.open(args)
    targets, vocabulary = run.targets()
    photo_hints = run.photo_hints(targets, vocabulary)
    maps = run.encode_captioned(2, itemgetter("map"))
    network = run.captioner(vocabulary, targets)
    network.build()
    model = self_critical.build(network, self_critical.SAMPLES + self_critical.HUMAN)
    checkpoint.assign(model, run.weights())
    self_critical.compile_model(model, plan)
    sampler = self_critical.make_sampler(network.decoder, self_critical.SAMPLES, args.seed)
    seen = self_critical.EncodedPhotos(maps.reshape(len(maps), 2, -1, maps.shape[-1]), photo_hints)
    reward = self_critical.build_reward(targets, content_ids(vocabulary), args.penalty)
    batches = self_critical.batches(seen, targets, sampler, reward, args.batch, args.seed)
    loop.train(model, batches, plan, args.run, args.name or "critic", ahead=1)


def train_embedding(args: argparse.Namespace, plan: loop.Plan) -> None:
    """Train the joint embedding of photos and texts."""
    run = CaptionedRun.open(args)
    features = run.encode_captioned(2 * args.crops, global_features)
    pieces = (args.run / "pieces.txt").read_text(encoding="utf-8").split()
    counts = Counter(word for texts in run.captions for text in texts for word in tokenize(text))
    known = joint_embedding.TowerVocabulary.of(pieces, np.load(args.run / "words.npy", allow_pickle=False), counts)
    np.save(args.run / "table.npy", known.vectors.astype(np.float32))
    texts = [np.stack([known.encode(text) for text in of_photo]) for of_photo in run.captions]
    tags = read_tags(args.run)
    index = {tag: i for i, tag in enumerate(tags)}
    wanted = np.stack([tag_counts(of_photo, index) for of_photo in run.captions])
    model = joint_embedding.build(known.vectors, features.shape[-1], np.stack([known.encode(tag) for tag in tags]))
    joint_embedding.compile_model(model, plan)
    batches = joint_embedding.batches(features, texts, wanted, known, args.batch, args.swap, args.seed)
    loop.train(model, batches, plan, args.run, args.name or "embedding")


def train_image_types(args: argparse.Namespace, plan: loop.Plan) -> None:
    """Train the image type head, and measure the mean logit of each tag, on features of the trained encoder."""
    run = CaptionedRun.open(args)
    pictures = Source.open(args.prepared / args.pictures)
    names = [kind.name for kind in IMAGE_TYPES]
    kinds = np.array([names.index(name.partition("/")[0]) for name in pictures.names])
    write_image_types(args.run / "kinds.txt", IMAGE_TYPES)
    front, length = run.trained_upper(), global_feature_count(run.config.size)
    views = [*run.captioned_views(), *map(run.uncaptioned_views, args.others)]
    photos = captioning.encode_views(front, views, 1, global_features).reshape(-1, length)
    drawn = [run.views(args.pictures, pictures, range(len(kinds)), crops=1)]
    others = captioning.encode_views(front, drawn, 2, global_features).reshape(-1, length)
    model = joint_embedding.build_type_head(len(names), length)
    joint_embedding.compile_type_head(model, plan)
    batches = joint_embedding.type_batches(photos, others, np.repeat(kinds, 2), args.batch, args.seed)
    loop.train(model, batches, plan, args.run, args.name or "kinds")
    head = TagHead(len(read_tags(args.run)), length, name="tags")
    head.build()
    checkpoint.assign(head, {name.removeprefix("captioner/"): array for name, array in run.weights().items()})
    usual = ops.convert_to_numpy(head(photos.astype(np.float32))).mean(0)
    checkpoint.save(args.run / "usual.npz", {"tag_usual": usual})


def train_jointly(args: argparse.Namespace, plan: loop.Plan) -> None:
    """Train encoder and decoder end to end on photos."""
    run = CaptionedRun.open(args)
    targets, vocabulary = run.targets()
    batch, px = min(args.batch, len(targets.tokens)), run.config.px
    encoder = build_encoder(run.config.size, px)
    model = build_training(encoder, run.captioner(vocabulary, targets), args.sentences, batch)
    checkpoint.assign(model, run.weights())
    captioning.compile_captioner(model, plan, classes=False)
    batches = captioning.photo_batches(run.sets, targets, px, batch, args.seed)
    loop.train(model, batches, plan, args.run, args.name or "joint")
