"""A TFLite model of one signature, run by LiteRT."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from captioner import BundleError


class TFLiteModel:
    """A TFLite model of one signature. An input stays as it was set until it is set again.

    A signature runner takes every input anew, and asks for their shapes and memory: a fifth of the decoder's step.
    """

    def __init__(self, path: Path, signature: str, threads: int) -> None:
        from ai_edge_litert.interpreter import Interpreter

        try:
            self._interpreter = Interpreter(model_path=str(path), num_threads=threads)
            self._interpreter.allocate_tensors()
            runner = self._interpreter.get_signature_runner(signature)
        except (ValueError, RuntimeError) as error:
            raise BundleError(
                f"{path} can't be opened as a TFLite model with the signature {signature}: {error}"
            ) from error
        self._inputs = {name: found["index"] for name, found in runner.get_input_details().items()}
        self._outputs = {name: found["index"] for name, found in runner.get_output_details().items()}
        self._shapes: dict[str, tuple[int, ...]] = {}  # of inputs that were resized

    def set(self, **values: NDArray[Any]) -> None:
        """Set inputs, by their names in the signature."""
        for name, value in values.items():
            self._interpreter.set_tensor(self._inputs[name], value)

    def fill(self, name: str, values: NDArray[Any]) -> None:
        """Set an input to values of another type, without a copy of them in between."""
        np.copyto(self._interpreter.tensor(self._inputs[name])(), values)

    def clear(self, name: str) -> None:
        """Set an input to zeros."""
        self._interpreter.tensor(self._inputs[name])().fill(0)

    def feed_back(self, name: str, places: NDArray[np.int32], axis: int) -> None:
        """Set an input to what the last run gave under the same name, taken from `places` of one axis.

        No view is kept: the interpreter refuses to run while there is one.
        """
        found, wanted = (self._interpreter.tensor(of[name])() for of in (self._outputs, self._inputs))
        np.take(found, places, axis=axis, out=wanted, mode="clip")

    def resize(self, **shapes: Sequence[int]) -> None:
        """Other shapes of inputs, all at once; nothing is done where they have those already.

        Raises `ValueError` where the model can't be run on them.
        """
        wanted = {name: tuple(shape) for name, shape in shapes.items()}
        if wanted.items() <= self._shapes.items():
            return
        self._shapes.clear()
        try:
            for name, shape in wanted.items():
                self._interpreter.resize_tensor_input(self._inputs[name], shape)
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise ValueError(f"the model can't be run on {wanted}: {error}") from error
        self._shapes = wanted

    def run(self) -> None:
        """Compute the outputs."""
        self._interpreter.invoke()

    def output(self, name: str) -> NDArray[Any]:
        """A copy of an output of the last run."""
        found: NDArray[Any] = self._interpreter.get_tensor(self._outputs[name])
        return found

    def outputs(self) -> dict[str, NDArray[Any]]:
        """Copies of all outputs of the last run, by their names."""
        return {name: self.output(name) for name in self._outputs}
