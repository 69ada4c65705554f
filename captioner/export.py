"""Make a bundle of trained weights: two TFLite files with the signatures `encode` and `decode_step`.

    python -m captioner.export --run RUN --weights joint.npz [--weights encoder.npz] --out BUNDLE

Needs TensorFlow. The encoder is quantised to int8 weights on its dense layers and convolutions, the decoder by the
converter's dynamic range; the depthwise convolutions stay float. Scores and the confidence are written by
`python -m captioner.evaluate --record`.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from captioner.classes import IMAGENET_CLASSES
from captioner.manifest import (
    CLASSES,
    DECODER,
    ENCODER,
    PARTS,
    PIECES,
    TAGS,
    TEXT_TOWER,
    VOCABULARY,
    Confidence,
    Decoding,
    FileEntry,
    Manifest,
    Preprocessing,
    Tagging,
)
from captioner.preprocess import MEAN, STD, Vocabulary
from captioner.train import Description, read_tags
from captioner.training import checkpoint
from captioner.training.embedding import ImageHead, summed_up, tower_of
from captioner.training.encoder import SIZES, build_encoder
from captioner.training.lite import convert
from captioner.training.model import Captioner

#: Sentences that one decode_step takes forward.
ROWS = 3


class Exporter:
    """Trained weights as the two TFLite models.

    Args:
        description: of the network. vocabulary: words, special tokens included. tags: words.
        weights: arrays of both encoder and captioner by path.
        rows: sentences that one step takes forward.
    """

    def __init__(self, description: Description, vocabulary: int, tags: int, weights: checkpoint.Arrays,
                 rows: int = ROWS) -> None:  # fmt: skip
        self.px, self.rows = description.px, rows
        size = SIZES[description.size]
        self.encoder = build_encoder(description.size, description.px, slabs=True)
        self.captioner = Captioner(description.shape(vocabulary), tags, name="captioner")
        self.image_head = ImageHead(size.pooled + size.widths[-1], name="image_head") if _embeds(weights) else None
        for part in (self.captioner, self.image_head):
            if part is not None:
                part.build()
        for part in (self.encoder, self.captioner, self.image_head):
            if part is not None:
                checkpoint.assign(part, weights)

    @property
    def decoding(self) -> Decoding:
        """The numbers of the manifest."""
        s = self.captioner.decoder.shape
        return Decoding(s.vocabulary, s.length, s.layers, s.heads, s.width // s.heads, self.rows, self.rows, 0.7)

    def encode(self, photo: Any) -> dict[str, Any]:
        """(1, px, px, 3) normalised to photo_keys, photo_values (layers, heads, cells, d), and what is told at once.

        That is tags (n,) and classes (1001,), probabilities, and embedding (d,) of unit length, if there is a head.
        """
        from keras import ops

        s = self.captioner.decoder.shape
        found = self.encoder(photo)
        features = ops.reshape(found["map"], (1, s.cells, s.channels))
        pairs = self.captioner.decoder.look(features)
        told = {
            "photo_keys": ops.concatenate([keys for keys, _ in pairs]),
            "photo_values": ops.concatenate([values for _, values in pairs]),
            "tags": ops.sigmoid(self.captioner.tag_head(features))[0],
            "classes": ops.softmax(found["classes"])[0],
        }
        return told if self.image_head is None else told | {"embedding": self.image_head(summed_up(found))[0]}

    def decode_step(self, tokens: Any, position: Any, photo_keys: Any, photo_values: Any,
                    keys: Any, values: Any) -> dict[str, Any]:  # fmt: skip
        """See `Decoder.step`."""
        logp, keys, values = self.captioner.decoder.step(tokens, position, photo_keys, photo_values, keys, values)
        return {"logp": logp, "keys": keys, "values": values}

    def encoder_tflite(self, quantise: bool = True) -> bytes:
        """`encode` as a TFLite model."""
        inputs = {"photo": ((1, self.px, self.px, 3), "float32")}
        head = self.image_head.variables if self.image_head is not None else []
        variables = [*self.encoder.variables, *self.captioner.variables, *head]
        model = convert("encode", self.encode, inputs, variables)
        return quantise_dense(model) if quantise else model

    def decoder_tflite(self, quantise: bool = True) -> bytes:
        """`decode_step` as a TFLite model."""
        s, d = self.captioner.decoder.shape, self.decoding
        photo = ((s.layers, s.heads, s.cells, d.head_width), "float32")
        cache = ((s.layers, self.rows, s.heads, s.length, d.head_width), "float32")
        inputs = {"tokens": ((self.rows,), "int32"), "position": ((1,), "int32"), "photo_keys": photo,
                  "photo_values": photo, "keys": cache, "values": cache}  # fmt: skip
        return convert("decode_step", self.decode_step, inputs, self.captioner.variables, dynamic_range=quantise)


def _embeds(weights: checkpoint.Arrays) -> bool:
    return any(name.startswith("image_head/") for name in weights)


def quantise_dense(model: bytes) -> bytes:
    """int8 weights, one scale per channel, for dense layers and plain convolutions; activations stay float."""
    from ai_edge_quantizer import qtyping, quantizer

    weights = qtyping.TensorQuantizationConfig(8, True, qtyping.QuantGranularity.CHANNELWISE)
    config = qtyping.OpQuantizationConfig(
        weight_tensor_config=weights, compute_precision=qtyping.ComputePrecision.INTEGER
    )
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "model.tflite"
        path.write_bytes(model)
        job = quantizer.Quantizer(str(path))
        for operation in (qtyping.TFLOperationName.FULLY_CONNECTED, qtyping.TFLOperationName.CONV_2D):
            job.update_quantization_recipe(".*", operation, config)
        return bytes(job.quantize().quantized_model)


def export(run: Path, weights: checkpoint.Arrays, out: Path, name: str, version: int,
           training: Mapping[str, Any], quantise: bool = True, threshold: float = 0.2) -> Manifest:  # fmt: skip
    """Write a bundle directory; its scores are empty and its confidence is not fitted yet."""
    description, vocabulary = Description.read(run), Vocabulary.read(run / "vocabulary.txt")
    exporter = Exporter(description, len(vocabulary), len(read_tags(run)), weights)
    out.mkdir(parents=True, exist_ok=True)
    (out / ENCODER).write_bytes(exporter.encoder_tflite(quantise))
    (out / DECODER).write_bytes(exporter.decoder_tflite(quantise))
    shutil.copyfile(run / "vocabulary.txt", out / VOCABULARY)
    shutil.copyfile(run / "tags.txt", out / TAGS)
    parts = [*PARTS, CLASSES]
    shutil.copyfile(IMAGENET_CLASSES, out / CLASSES)
    if exporter.image_head is not None:
        shutil.copyfile(run / "pieces.txt", out / PIECES)
        tower_of(weights, np.load(run / "table.npy", allow_pickle=False)).write(out / TEXT_TOWER)
        parts += [PIECES, TEXT_TOWER]
    manifest = Manifest(
        name=name,
        version=version,
        preprocessing=Preprocessing(description.px, MEAN, STD),
        decoding=exporter.decoding,
        tagging=Tagging(threshold),
        confidence=Confidence(slope=1.0, offset=1.0),
        files={part: FileEntry.of(out / part) for part in parts},
        outputs=("tags", "classes") if exporter.image_head is None else ("tags", "classes", "embedding"),
        training=training,
    )
    manifest.write(out)
    return manifest


def _training(text: str) -> tuple[str, str]:
    key, _, value = text.partition("=")
    return key, value


def main(argv: list[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m captioner.export", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--run", type=Path, required=True, help="directory of the run (vocabulary, tags, model.json)")
    parser.add_argument("--weights", type=Path, nargs="+", required=True,
                        help="weights of encoder and captioner; where two files have one, the later wins")  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, help="directory of the bundle")
    parser.add_argument("--model-name", default="recollect-atto")
    parser.add_argument("--model-version", type=int, default=1)
    parser.add_argument("--training", type=_training, nargs="*", default=[], metavar="KEY=VALUE",
                        help="what the manifest says of the training: data, minutes, commit")  # fmt: skip
    parser.add_argument("--checkpoint", type=Path, help="also write the weights there, in float16, to go on from")
    parser.add_argument("--float", action="store_true", help="leave the weights as float32, to compare with")
    args = parser.parse_args(argv)
    weights: checkpoint.Arrays = {}
    for path in args.weights:
        weights |= checkpoint.load(path)
    if args.checkpoint:
        checkpoint.save(args.checkpoint, checkpoint.halved(weights))
    export(args.run, weights, args.out, args.model_name, args.model_version, dict(args.training), not args.float)


if __name__ == "__main__":
    main()
