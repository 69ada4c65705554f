"""Keras layers as TFLite models. Needs TensorFlow, all but `keras_function`."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Function = Callable[[NDArray[np.float32]], NDArray[np.float32]]

_ONE_AT_A_TIME = threading.Lock()


def convert(signature: str, function: Any, inputs: Mapping[str, tuple[Sequence[int], str]], variables: Sequence[Any],
            dynamic_range: bool = False) -> bytes:  # fmt: skip
    """A function of Keras layers as a TFLite model with one signature, of built-in operations only."""
    import tensorflow as tf

    module = tf.Module()
    # A module does not find the weights inside Keras layers; without this line it is exported without them.
    module.tracked = [variable.value for variable in variables]
    specs = {name: tf.TensorSpec(shape, dtype, name=name) for name, (shape, dtype) in inputs.items()}
    module.function = tf.function(function, input_signature=list(specs.values()))
    with tempfile.TemporaryDirectory() as directory:
        concrete = module.function.get_concrete_function()
        tf.saved_model.save(module, directory, signatures={signature: concrete})
        converter = tf.lite.TFLiteConverter.from_saved_model(directory, signature_keys=[signature])
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        if dynamic_range:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        return bytes(converter.convert())


def fast_function(model: Any, shape: Sequence[int]) -> Function:
    """A Keras model of one input as a function of numpy arrays (of `shape`), whatever Keras runs on."""
    import keras

    return lite_function(model, shape) if keras.backend.backend() == "tensorflow" else keras_function(model)


def keras_function(model: Any) -> Function:
    """A Keras model of one input as a function of numpy arrays that threads may share.

    One call at a time: on JAX a call takes the model's weights away from every other until it is done.
    """

    def call(x: NDArray[np.float32]) -> NDArray[np.float32]:
        with _ONE_AT_A_TIME:
            return np.asarray(model.predict_on_batch(x))

    return call


def lite_function(model: Any, shape: Sequence[int], threads: int = 1) -> Function:
    """A Keras model of one input as a function of numpy arrays, run in float32 TFLite: faster than Keras itself."""
    from ai_edge_litert.interpreter import Interpreter

    content = convert("call", lambda x: {"y": model(x)}, {"x": (shape, "float32")}, model.variables)
    interpreter = Interpreter(model_content=content, num_threads=threads)
    runner = interpreter.get_signature_runner("call")

    def call(x: NDArray[np.float32]) -> NDArray[np.float32]:
        found: NDArray[np.float32] = runner(x=x)["y"]
        return found

    return call
