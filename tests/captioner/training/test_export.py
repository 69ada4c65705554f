"""What is exported agrees with the Keras model it was made of; a damaged bundle says so."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow")


import keras
from ai_edge_litert.interpreter import Interpreter
from keras import ops

from captioner.inference.decoding import BeamSettings, beam_search
from captioner.inference.imagenet_classes import IMAGE_TYPES, write_image_types
from captioner.inference.litert import LiteRTCaptioner
from captioner.inference.manifest import DECODER, ENCODER
from captioner.inference.preprocess import SPECIAL, Vocabulary, content_ids
from captioner.training import checkpoint
from captioner.training.checkpoint import ModelConfig
from captioner.training.encoder import build_encoder, build_lower, global_features
from captioner.training.export import Exporter, convert, export, fast_function, keras_functions, quantise_dense
from captioner.training.model import Captioner, Hints

PX, ROWS, TAGS = 64, 3, 5
WORDS = Vocabulary((*SPECIAL, *(f"w{i}" for i in range(36))))
CONFIG = ModelConfig("test", PX, length=8, width=16, heads=2, layers=2, dropout=0.1, hints=3)
RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def weights() -> checkpoint.Arrays:
    """Random weights of a tiny captioner."""
    keras.utils.set_random_seed(2)
    encoder, captioner = build_encoder("test", PX), Captioner(CONFIG.shape(len(WORDS)), TAGS, 32, name="captioner")
    captioner.build()
    drawn = checkpoint.weights(encoder) | checkpoint.weights(captioner)
    return {name: array + RNG.normal(size=array.shape).astype(np.float32) * 0.2 for name, array in drawn.items()}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What describes it."""
    out = tmp_path_factory.mktemp("run")
    CONFIG.write(out)
    WORDS.write(out / "vocabulary.txt")
    (out / "tags.txt").write_text("".join(f"w{i}\n" for i in range(TAGS)))
    write_image_types(out / "kinds.txt", IMAGE_TYPES)
    return out


@pytest.fixture(scope="module")
def exporter(run: Path, weights: checkpoint.Arrays) -> Exporter:
    return Exporter(run, weights, ROWS)


@pytest.fixture(scope="module")
def bundle(weights: checkpoint.Arrays, run: Path) -> Path:
    """The same as a quantised bundle."""
    export(run, weights, run / "bundle", "random", 7, {"data": "none"}, threshold=0.0)
    return run / "bundle"


@pytest.fixture(scope="module")
def plain_encoder(exporter: Exporter) -> bytes:
    """The encoder in float32."""
    return exporter.encoder_tflite(quantise=False)


def test_encode_agrees_with_keras(plain_encoder: bytes, exporter: Exporter, weights: checkpoint.Arrays) -> None:
    model = plain_encoder
    encoder = build_encoder("test")  # the one that is trained, with its 7x7 whole
    checkpoint.assign(encoder, weights)
    parameters = sum(v.size for v in map(np.asarray, (v.value for v in encoder.weights)))
    assert len(model) > 4 * parameters  # a model that lost its weights is a few kilobytes
    photo = RNG.uniform(-1, 1, (1, PX, PX, 3)).astype(np.float32)
    found = Interpreter(model_content=model).get_signature_runner("encode")(photo=photo)
    seen = encoder(photo)
    features = ops.reshape(seen["map"], (1, -1, seen["map"].shape[-1]))
    logits = exporter.captioner.tag_head(global_features(seen))
    order = np.argsort(-ops.convert_to_numpy(logits), axis=1)[:, : CONFIG.hints]
    best = np.take_along_axis(ops.convert_to_numpy(logits), order, axis=1)
    pairs = exporter.captioner.decoder.encode_photo(features, Hints((order + len(SPECIAL)).astype(np.int32), best))
    for name, i in (("photo_keys", 0), ("photo_values", 1)):
        wanted = np.concatenate([ops.convert_to_numpy(pair[i]) for pair in pairs])
        np.testing.assert_allclose(found[name], wanted, atol=2e-2)  # the hints are in int8
        np.testing.assert_allclose(found[name][:, :, :-3], wanted[:, :, :-3], atol=2e-4)
    tags = ops.convert_to_numpy(ops.sigmoid(logits))[0]
    np.testing.assert_allclose(found["tags"], tags, atol=1e-4)
    np.testing.assert_allclose(found["classes"], ops.convert_to_numpy(ops.softmax(seen["classes"]))[0], atol=1e-4)
    assert "embedding" not in found


def test_decode_step_agrees_with_keras(exporter: Exporter) -> None:
    s, d = exporter.captioner.decoder.shape, exporter.decoding
    step = Interpreter(model_content=exporter.decoder_tflite(quantise=False)).get_signature_runner("decode_step")
    photo = RNG.normal(size=(2, s.layers, s.heads, s.memory, d.head_width)).astype(np.float32)
    cache = np.zeros((s.layers, ROWS, s.heads, s.length, d.head_width), np.float32)
    lite = keras_cache = (cache, cache)
    for place in range(3):
        tokens, position = RNG.integers(0, len(WORDS), ROWS).astype(np.int32), np.array([place], np.int32)
        logp, *keras_cache = map(
            ops.convert_to_numpy, exporter.captioner.decoder.step(tokens, position, *photo, *keras_cache)
        )
        found = step(tokens=tokens, position=position, photo_keys=photo[0], photo_values=photo[1],
                     keys=lite[0], values=lite[1])  # fmt: skip
        lite = (found["keys"], found["values"])
        np.testing.assert_allclose(found["logp"], logp, atol=1e-4)
        np.testing.assert_allclose(lite[0], keras_cache[0], atol=1e-4)


def test_quantising_makes_the_encoder_smaller_and_hardly_changes_it(plain_encoder: bytes) -> None:
    small = quantise_dense(plain_encoder, least=0)
    assert len(small) < len(plain_encoder)
    photo = RNG.uniform(-1, 1, (1, PX, PX, 3)).astype(np.float32)
    a, b = (
        Interpreter(model_content=model).get_signature_runner("encode")(photo=photo)["photo_keys"].ravel()
        for model in (plain_encoder, small)
    )
    assert np.corrcoef(a, b)[0, 1] > 0.99


def test_the_bundle_captions_the_same_picture_the_same_way(bundle: Path) -> None:
    captioner = LiteRTCaptioner(bundle)
    assert (captioner.input_px, captioner.model) == (PX, "random-7")
    pixels = RNG.integers(0, 256, (PX, PX, 3)).astype(np.uint8)
    first = captioner.caption(pixels)
    assert captioner.caption(pixels) == first
    assert LiteRTCaptioner(bundle, threads=2).caption(pixels).text == first.text
    assert first.text[0].isupper()
    assert first.text.endswith(".")
    probabilities = [tag.probability for tag in first.tags]
    assert len(probabilities) == TAGS
    assert probabilities == sorted(probabilities, reverse=True)


def test_inputs_that_are_set_once_are_there_at_every_step(bundle: Path) -> None:
    captioner = LiteRTCaptioner(bundle)
    outputs, d = captioner.encode(RNG.integers(0, 256, (PX, PX, 3)).astype(np.uint8)), captioner.manifest.decoding
    runner = Interpreter(str(bundle / DECODER)).get_signature_runner("decode_step")
    photo = {name: outputs[name] for name in ("photo_keys", "photo_values")}
    cache = dict.fromkeys(("keys", "values"), np.zeros((d.layers, d.rows, d.heads, d.max_length, d.head_width), "f4"))

    def with_all_inputs(tokens: np.ndarray, position: int, parents: np.ndarray) -> np.ndarray:
        moved = {name: array[:, parents] for name, array in cache.items()}
        found = runner(tokens=tokens, position=np.array([position], np.int32), **moved, **photo)
        cache.update({name: found[name] for name in cache})
        return found["logp"]

    settings = BeamSettings(d.beam, d.max_length, d.alpha, no_repeat=d.no_repeat, once=content_ids(WORDS))
    wanted = beam_search(with_all_inputs, d.rows, settings)[0]
    for _ in range(2):
        assert captioner.decode(outputs) == wanted


def test_any_beam_up_to_the_rows_is_searched(bundle: Path) -> None:
    pixels = RNG.integers(0, 256, (PX, PX, 3)).astype(np.uint8)
    for beam in (1, 2, 3, 50):
        assert LiteRTCaptioner(bundle, beam=beam).caption(pixels).text


@pytest.mark.parametrize("pixels", [np.zeros((PX, PX), np.uint8), np.zeros((PX, PX, 3), np.float32)])
def test_pixels_of_another_kind_are_refused(bundle: Path, pixels: np.ndarray) -> None:
    with pytest.raises(ValueError, match="expected uint8 pixels"):
        LiteRTCaptioner(bundle).caption(pixels)


def test_a_quantised_bundle_lists_its_files(bundle: Path) -> None:
    manifest = json.loads((bundle / "manifest.json").read_text())
    for name in (ENCODER, DECODER):
        assert manifest["files"][name]["size_bytes"] == (bundle / name).stat().st_size
    assert manifest["training"] == {"data": "none"}


def test_a_bundle_works_from_any_directory(bundle: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere with a space \u00e9"
    shutil.copytree(bundle, moved)
    assert LiteRTCaptioner(moved).model == "random-7"


def test_both_ways_agree_from_any_thread() -> None:
    model = build_lower("test", PX)
    photos = np.random.default_rng(0).uniform(-1, 1, (4, 1, PX, PX, 3)).astype(np.float32)
    by_keras = keras_functions(model)
    with ThreadPoolExecutor(2) as pool:
        found = np.concatenate([said["y"] for said in pool.map(by_keras, photos)])
    by_lite = fast_function(model, (1, PX, PX, 3))
    np.testing.assert_allclose(np.concatenate([by_lite(photo) for photo in photos]), found, atol=1e-4)


def test_only_layers_of_enough_weights_are_quantised() -> None:
    seen = keras.Input((8, 8, 4), batch_size=1)
    small = keras.layers.Conv2D(8, 1, use_bias=False, name="small")(seen)
    model = keras.Model(seen, keras.layers.Conv2D(16, 3, use_bias=False, name="large")(small))
    content = convert("call", lambda x: {"y": model(x)}, {"x": ((1, 8, 8, 4), "float32")}, model.variables)
    few, many = 4 * 8, 3 * 3 * 8 * 16
    for least, wanted in ((few, {few: "int8", many: "int8"}), (few + 1, {few: "float32", many: "int8"})):
        quantised = Interpreter(model_content=quantise_dense(content, least))
        kinds = {int(found["shape"].prod()): found["dtype"].__name__ for found in quantised.get_tensor_details()
                 if found["shape"].prod() in (few, many)}  # fmt: skip
        assert kinds == wanted
    assert quantise_dense(content, many + 1) == content  # nothing is large enough


# TensorFlow's own calibration still uses its old interpreter.
@pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter is deprecated:UserWarning")
def test_examples_make_the_maps_of_eight_bits_and_leave_in_and_output_float() -> None:
    seen = keras.Input((8, 8, 4), batch_size=1)
    first = keras.layers.Conv2D(16, 3, activation="relu", name="first")(seen)
    model = keras.Model(seen, keras.layers.Conv2D(8, 3, name="second")(first))
    examples = np.random.default_rng(0).uniform(-1, 1, (20, 1, 8, 8, 4)).astype(np.float32)
    content = convert("call", lambda x: {"y": model(x)}, {"x": ((1, 8, 8, 4), "float32")}, model.variables,
                      examples=[{"x": example} for example in examples])  # fmt: skip
    interpreter = Interpreter(model_content=content)
    maps = {
        found["dtype"].__name__ for found in interpreter.get_tensor_details() if tuple(found["shape"]) == (1, 6, 6, 16)
    }
    assert maps == {"int8"}
    given = dict(interpreter.get_signature_runner("call")(x=examples[0]))["y"]
    expected = np.asarray(model(examples[0]))
    assert given.dtype == np.float32
    np.testing.assert_allclose(given, expected, atol=0.03 * np.abs(expected).max())
