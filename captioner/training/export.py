"""Makes a bundle of trained weights: two TFLite files with the signatures `encode` and `decode_step`.

    python -m captioner.training.export --run RUN --weights joint.npz [--weights encoder.npz] --out BUNDLE

Needs TensorFlow, all but `keras_functions`. The encoder is quantised to int8 weights on its dense layers and
convolutions, the decoder by the converter's dynamic range; the depthwise convolutions and the smallest layers stay
float. Scores and the confidence are written by `python -m captioner.training.evaluate --record`.
"""

from __future__ import annotations

import dataclasses
import re
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from captioner.inference.imagenet_classes import IMAGENET_CLASSES
from captioner.inference.manifest import (
    CLASSES,
    DECODER,
    ENCODER,
    IMAGE_TYPES_FILE,
    PIECES,
    REQUIRED_FILES,
    TAGS,
    TEXT_TOWER,
    VOCABULARY,
    WORD_EMBEDDINGS,
    Confidence,
    Decoding,
    FileEntry,
    Manifest,
    Preprocessing,
    Tagging,
)
from captioner.inference.preprocess import MEAN, STD, Vocabulary, content_ids
from captioner.inference.text_tower import TextTower
from captioner.training import checkpoint
from captioner.training.checkpoint import ModelConfig, read_tags
from captioner.training.data import program_parser
from captioner.training.encoder import build_encoder, global_feature_count, global_features, matmul_precision
from captioner.training.joint_embedding import ImageHead, export_tower
from captioner.training.model import Captioner, TagHead
from captioner.training.tags import MAX_LOGIT

#: Sentences that one decode_step takes forward.
ROWS = 3


class Exporter:
    """Trained weights as the two TFLite models.

    Args:
        run: what `captioner.training.train` wrote: the network's description, its vocabulary and its tags.
        weights: arrays of both encoder and captioner by path.
        rows: sentences that one step takes forward.
    """

    def __init__(self, run: Path, weights: checkpoint.Arrays, rows: int = ROWS) -> None:
        description, vocabulary = ModelConfig.read(run), Vocabulary.read(run / "vocabulary.txt")
        self.tags = read_tags(run)
        self.px, self.rows = description.px, rows
        photo_features = global_feature_count(description.size)
        self.encoder = build_encoder(description.size, description.px, slabs=True)
        self.captioner = Captioner(description.shape(len(vocabulary)), len(self.tags), photo_features, name="captioner")
        self.image_head = ImageHead(photo_features, name="image_head") if "image_head/dense/kernel" in weights else None
        kinds = weights.get("kinds/dense/bias")
        self.image_type_head = TagHead(len(kinds), photo_features, name="kinds") if kinds is not None else None
        self.parts = [part for part in (self.captioner, self.image_head, self.image_type_head) if part is not None]
        for part in self.parts:
            part.build()
        for part in (self.encoder, *self.parts):
            checkpoint.assign(part, weights)
        if description.hints:
            self.hint_rows, self.hint_scale = self._hint_table(vocabulary)
        self.usual = weights.get("tag_usual")

    def _hint_table(self, vocabulary: Vocabulary) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
        """The vectors of all tags as int8 (tags, width) and what each row is multiplied with (tags,)."""
        from keras import ops

        places = {word: i for i, word in enumerate(vocabulary.words)}
        ids = np.array([places[tag] for tag in self.tags], np.int32)
        vectors = ops.convert_to_numpy(self.captioner.decoder.hint_vectors(ids))
        scale = np.abs(vectors).max(axis=1) / 127
        return np.round(vectors / scale[:, None]).astype(np.int8), scale.astype(np.float32)

    @property
    def decoding(self) -> Decoding:
        """The numbers of the manifest."""
        s = self.captioner.decoder.shape
        return Decoding(s.vocabulary, s.length, s.layers, s.heads, s.width // s.heads, self.rows, self.rows, 0.7,
                        once=True)  # fmt: skip

    @property
    def outputs(self) -> tuple[str, ...]:
        """What `encode` gives beside the decoder's keys and values."""
        there = {"embedding": self.image_head, "tag_lift": self.usual, "kinds": self.image_type_head}
        return ("tags", "classes", *(name for name, part in there.items() if part is not None))

    def encode(self, photo: Any) -> dict[str, Any]:
        """(1, px, px, 3) normalised to photo_keys, photo_values (layers, heads, memory, d), and other outputs.

        Those are tags (n,), classes (1001,) and kinds (k,), probabilities; tag_lift (n,), the logit of each tag
        less its mean over photos; and embedding (d,) of unit length. The last three where there are weights for them.
        """
        from keras import ops

        s = self.captioner.decoder.shape
        found = self.encoder(photo)
        features = ops.reshape(found["map"], (1, s.cells, s.channels))
        photo_features = global_features(found)
        logits = self.captioner.tag_head(photo_features)
        pairs = self.captioner.decoder.encode_memory(features, *self._hints(logits))
        outputs = {
            "photo_keys": ops.concatenate([keys for keys, _ in pairs]),
            "photo_values": ops.concatenate([values for _, values in pairs]),
            "tags": ops.sigmoid(logits)[0],
            "classes": ops.softmax(found["classes"])[0],
        }
        if self.usual is not None:
            outputs["tag_lift"] = (logits - self.usual)[0]
        if self.image_head is not None:
            outputs["embedding"] = self.image_head(photo_features)[0]
        if self.image_type_head is not None:
            outputs["kinds"] = ops.softmax(self.image_type_head(photo_features))[0]
        return outputs

    def _hints(self, logits: Any) -> tuple[Any, Any]:
        """Vectors and logits of the most probable tags, see `captioner.training.tags`; two Nones for no hints.

        The vectors of all tags stand in the encoder as int8: as floats they would be a twentieth of the bundle.
        """
        from keras import ops

        count = self.captioner.decoder.shape.hints
        if not count:
            return None, None
        best, places = ops.top_k(logits, count)
        rows = ops.cast(ops.take(self.hint_rows, places, axis=0), "float32")
        vectors = rows * ops.take(self.hint_scale, places, axis=0)[..., None]
        return vectors, ops.clip(best, -MAX_LOGIT, MAX_LOGIT)

    def decode_step(self, tokens: Any, position: Any, photo_keys: Any, photo_values: Any,
                    keys: Any, values: Any) -> dict[str, Any]:  # fmt: skip
        """See `Decoder.step`."""
        logp, keys, values = self.captioner.decoder.step(tokens, position, photo_keys, photo_values, keys, values)
        return {"logp": logp, "keys": keys, "values": values}

    def encoder_tflite(self, quantise: bool = True) -> bytes:
        """`encode` as a TFLite model."""
        inputs = {"photo": ((1, self.px, self.px, 3), "float32")}
        variables = [*self.encoder.variables, *(variable for part in self.parts for variable in part.variables)]
        model = convert("encode", self.encode, inputs, variables)
        return quantise_dense(model) if quantise else model

    def decoder_tflite(self, quantise: bool = True) -> bytes:
        """`decode_step` as a TFLite model."""
        s, d = self.captioner.decoder.shape, self.decoding
        photo = ((s.layers, s.heads, s.memory, d.head_width), "float32")
        cache = ((s.layers, self.rows, s.heads, s.length, d.head_width), "float32")
        inputs = {"tokens": ((self.rows,), "int32"), "position": ((1,), "int32"), "photo_keys": photo,
                  "photo_values": photo, "keys": cache, "values": cache}  # fmt: skip
        return convert("decode_step", self.decode_step, inputs, self.captioner.variables, dynamic_range=quantise)


def word_embeddings(tower: TextTower, vocabulary: Vocabulary) -> NDArray[np.float16]:
    """The embedding of each content word of the vocabulary (vocabulary, e); NaN for all others."""
    found = np.full((len(vocabulary), tower.dimension), np.nan, np.float16)
    content = sorted(content_ids(vocabulary))
    for row, meaning in zip(content, tower.embed_each([vocabulary.words[row] for row in content]), strict=True):
        if meaning is not None:
            found[row] = meaning
    return found


def export(run: Path, weights: checkpoint.Arrays, out: Path, name: str, version: int,
           training: Mapping[str, Any], quantise: bool = True, threshold: float = 0.2,
           tag_weight: float = 0.0) -> Manifest:  # fmt: skip
    """Write a bundle directory; its scores are empty and its confidence is not fitted yet."""
    exporter = Exporter(run, weights)
    out.mkdir(parents=True, exist_ok=True)
    (out / ENCODER).write_bytes(exporter.encoder_tflite(quantise))
    (out / DECODER).write_bytes(exporter.decoder_tflite(quantise))
    shutil.copyfile(run / "vocabulary.txt", out / VOCABULARY)
    shutil.copyfile(run / "tags.txt", out / TAGS)
    parts = [*REQUIRED_FILES, CLASSES]
    shutil.copyfile(IMAGENET_CLASSES, out / CLASSES)
    if exporter.image_head is not None:
        shutil.copyfile(run / "pieces.txt", out / PIECES)
        tower = export_tower(weights, np.load(run / "table.npy", allow_pickle=False))
        tower.write(out / TEXT_TOWER)
        pieces = (run / "pieces.txt").read_text(encoding="utf-8").split()
        vocabulary = Vocabulary.read(run / "vocabulary.txt")
        np.save(out / WORD_EMBEDDINGS, word_embeddings(TextTower(name, pieces, tower), vocabulary))
        parts += [PIECES, TEXT_TOWER, WORD_EMBEDDINGS]
    if exporter.image_type_head is not None:
        shutil.copyfile(run / IMAGE_TYPES_FILE, out / IMAGE_TYPES_FILE)
        parts.append(IMAGE_TYPES_FILE)
    manifest = Manifest(name=name, version=version, preprocessing=Preprocessing(exporter.px, MEAN, STD),
                        decoding=dataclasses.replace(exporter.decoding, tag_weight=tag_weight),
                        tagging=Tagging(threshold), confidence=Confidence(slope=1.0, offset=1.0),
                        files={part: FileEntry.measure(out / part) for part in parts}, outputs=exporter.outputs,
                        training=training)  # fmt: skip
    manifest.write(out)
    return manifest


def main(argv: list[str] | None = None) -> None:
    """The command line."""
    parser = program_parser("export", __doc__)
    parser.add_argument("--run", type=Path, required=True, help="directory of the run (vocabulary, tags, model.json)")
    parser.add_argument("--weights", type=Path, nargs="+", required=True,
                        help="weights of encoder and captioner; where two files have one, the later wins")  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, help="directory of the bundle")
    parser.add_argument("--model-name", default="recollect-lite")
    parser.add_argument("--model-version", type=int, default=1)
    parser.add_argument("--training", type=lambda text: text.partition("=")[::2], nargs="*", default=[],
                        metavar="KEY=VALUE", help="recorded in the manifest: data, minutes, commit")  # fmt: skip
    parser.add_argument("--checkpoint", type=Path, help="also write the weights there, in float16, to go on from")
    parser.add_argument("--tag-weight", type=float, default=0.0,
                        help="of the tags in the search for a sentence (default 0), see the manifest")  # fmt: skip
    parser.add_argument("--float", action="store_true", help="leave the weights as float32, to compare with")
    args = parser.parse_args(argv)
    weights: checkpoint.Arrays = {}
    for path in args.weights:
        weights |= checkpoint.load(path)
    if args.checkpoint:
        checkpoint.save(args.checkpoint, {name: array.astype(np.float16) for name, array in weights.items()})
    export(args.run, weights, args.out, args.model_name, args.model_version, dict(args.training), not args.float,
           tag_weight=args.tag_weight)  # fmt: skip


Function = Callable[[NDArray[np.float32]], NDArray[np.float32]]
#: The same with named outputs.
Functions = Callable[[NDArray[np.float32]], Mapping[str, NDArray[np.float32]]]

#: Layers of fewer weights stay float: they stand at the start, where maps are large and channels few, and quantising
#: the map takes longer than int8 products save. Of `recollect-lite-3` 9 of 58 layers, a tenth of the encoder's time.
LEAST_WEIGHTS = 5_000

_ONE_AT_A_TIME = threading.Lock()


def convert(signature: str, function: Any, inputs: Mapping[str, tuple[Sequence[int | None], str]],
            variables: Sequence[Any], dynamic_range: bool = False,
            examples: Sequence[Mapping[str, NDArray[np.float32]]] = ()) -> bytes:  # fmt: skip
    """A function of Keras layers as a TFLite model with one signature, of built-in operations only.

    Args:
        dynamic_range: int8 weights.
        examples: inputs by which int8 weights and int8 maps are scaled; none: maps stay float. Inputs and
            outputs are float.
    """
    import tensorflow as tf

    module = tf.Module()
    # A module does not find the weights inside Keras layers; without this line it is exported without them.
    module.tracked = [variable.value for variable in variables]
    specs = {name: tf.TensorSpec(shape, dtype, name=name) for name, (shape, dtype) in inputs.items()}
    module.function = tf.function(function, input_signature=list(specs.values()))
    # TFLite has no products in bfloat16.
    with tempfile.TemporaryDirectory() as directory, matmul_precision("float32"):
        concrete = module.function.get_concrete_function()
        tf.saved_model.save(module, directory, signatures={signature: concrete})
        converter = tf.lite.TFLiteConverter.from_saved_model(directory, signature_keys=[signature])
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        if dynamic_range or examples:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if examples:
            converter.representative_dataset = lambda: ((signature, example) for example in examples)
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        return bytes(converter.convert())


def fast_function(model: Any, shape: Sequence[int], quantise: bool = False) -> Function:
    """A Keras model of one input and one output as a function of numpy arrays (of `shape`), whatever Keras runs on."""
    functions = fast_functions(model, shape, quantise)
    return lambda x: functions(x)["y"]


def fast_functions(model: Any, shape: Sequence[int], quantise: bool = False) -> Functions:
    """The same for a model whose outputs have names; quantised where the backend is TensorFlow."""
    import keras

    return lite_functions(model, shape, quantise) if keras.backend.backend() == "tensorflow" else keras_functions(model)


def keras_functions(model: Any) -> Functions:
    """A Keras model of one input as a function of numpy arrays that threads may share.

    One call at a time: on JAX a call takes the model's weights away from every other until it is done.
    """

    def call(x: NDArray[np.float32]) -> Mapping[str, NDArray[np.float32]]:
        with _ONE_AT_A_TIME:
            found = _by_name(model.predict_on_batch(x))
        return {name: np.asarray(values) for name, values in found.items()}

    return call


def lite_functions(model: Any, shape: Sequence[int], quantise: bool = False, threads: int = 1) -> Functions:
    """A Keras model of one input as a function of numpy arrays, run in TFLite: faster than Keras itself.

    Args:
        quantise: with int8 weights, as `export` writes an encoder: what is kept is then what will be served.
    """
    from ai_edge_litert.interpreter import Interpreter

    content = convert("call", lambda x: _by_name(model(x)), {"x": (shape, "float32")}, model.variables)
    content = quantise_dense(content) if quantise else content
    interpreter = Interpreter(model_content=content, num_threads=threads)
    runner = interpreter.get_signature_runner("call")
    return lambda x: dict(runner(x=x))


def _by_name(found: Any) -> Mapping[str, Any]:
    return found if isinstance(found, Mapping) else {"y": found}


def quantise_dense(model: bytes, least: int = LEAST_WEIGHTS) -> bytes:
    """int8 weights, one scale per channel, for dense layers and plain convolutions; activations stay float.

    Args:
        least: layers of fewer weights stay float.
    """
    from ai_edge_quantizer import qtyping, quantizer

    weights = qtyping.TensorQuantizationConfig(8, True, qtyping.QuantGranularity.CHANNELWISE)
    config = qtyping.OpQuantizationConfig(
        weight_tensor_config=weights, compute_precision=qtyping.ComputePrecision.INTEGER
    )
    large = list(_large_layers(model, least))
    if not large:
        return model
    job = quantizer.Quantizer(model)
    for operation, scope in large:
        job.update_quantization_recipe(f"^{re.escape(scope)}$", operation, config)
    return bytes(job.quantize().quantized_model)


def _large_layers(model: bytes, least: int) -> Iterator[tuple[Any, str]]:
    """Operation and scope, as the quantizer names them, of each dense layer and convolution of so many weights."""
    from ai_edge_quantizer.qtyping import TFLOperationName
    from ai_edge_quantizer.utils import tfl_flatbuffer_utils

    content = tfl_flatbuffer_utils.read_model(model)
    for graph in content.subgraphs:
        for operation in graph.operators:
            code = content.operatorCodes[operation.opcodeIndex].builtinCode
            name = tfl_flatbuffer_utils.TFL_OP_CODE_TO_NAME.get(code)
            dense = name in (TFLOperationName.FULLY_CONNECTED, TFLOperationName.CONV_2D)
            if dense and np.prod(graph.tensors[operation.inputs[1]].shape) >= least:
                yield name, tfl_flatbuffer_utils.get_op_scope(operation, graph.tensors)


if __name__ == "__main__":
    main()
