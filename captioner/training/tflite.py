"""Keras layers as TFLite models. Needs TensorFlow, all but `keras_functions`."""

from __future__ import annotations

import re
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from captioner.training.encoder import matmul_precision

Function = Callable[[NDArray[np.float32]], NDArray[np.float32]]
#: The same with named outputs.
Functions = Callable[[NDArray[np.float32]], Mapping[str, NDArray[np.float32]]]

#: Layers of fewer weights stay float: they stand at the start, where maps are large and channels few, and quantising
#: the map takes longer than int8 products save. Of `recollect-lite-3` 9 of 58 layers, a tenth of the encoder's time.
LEAST_WEIGHTS = 5_000

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
    # TFLite has no products in bfloat16.
    with tempfile.TemporaryDirectory() as directory, matmul_precision("float32"):
        concrete = module.function.get_concrete_function()
        tf.saved_model.save(module, directory, signatures={signature: concrete})
        converter = tf.lite.TFLiteConverter.from_saved_model(directory, signature_keys=[signature])
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        if dynamic_range:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
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
    job = quantizer.Quantizer(model)
    for operation, scope in _large_layers(model, least):
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
