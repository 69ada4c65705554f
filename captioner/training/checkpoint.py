"""The files of a training run: weights as .npz by the path of each variable, state to resume from, model.json, tags."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from captioner.training.encoder import SIZES, STRIDE_PX
from captioner.training.model import DecoderShape

Arrays = dict[str, NDArray[Any]]


def weights(model: Any) -> Arrays:
    """Every weight of a Keras model by its path."""
    return {v.path: np.asarray(v.value) for v in model.weights}


def averaged_weights(model: Any) -> Arrays:
    """The same with the optimizer's moving averages in place of the weights it trains."""
    found = weights(model)
    averages = model.optimizer._model_variables_moving_average
    for variable, average in zip(model.optimizer._trainable_variables, averages, strict=True):
        found[variable.path] = np.asarray(average.value)
    return found


def assign(model: Any, arrays: Arrays) -> None:
    """Set every weight of `model`.

    Raises:
        KeyError: `arrays` lacks one. Arrays the model has no use for are ignored.
    """
    for variable in model.weights:
        variable.assign(arrays[variable.path].astype(np.float32))


def save(path: Path, arrays: Arrays) -> None:
    """Write through a temporary name, so that a killed run leaves the last whole file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".part.npz")
    np.savez(partial, **{name.replace("/", "|"): array for name, array in arrays.items()})  # type: ignore[arg-type]
    partial.rename(path)


def load(path: Path) -> Arrays:
    """What `save` wrote."""
    with np.load(path, allow_pickle=False) as arrays:
        return {name.replace("|", "/"): arrays[name] for name in arrays.files}


def save_run(path: Path, model: Any, step: int, seconds: float) -> None:
    """Everything a run needs to go on: weights, optimizer, step and the time spent."""
    state = {f"weight/{name}": array for name, array in weights(model).items()}
    state |= {f"optimizer/{i:04d}": np.asarray(v.value) for i, v in enumerate(model.optimizer.variables)}
    save(path, state | {"step": np.array(step), "seconds": np.array(seconds)})


def load_run(path: Path, model: Any) -> tuple[int, float]:
    """Restore a compiled model whose optimizer is built; returns its step and seconds."""
    state = load(path)
    assign(model, {name.removeprefix("weight/"): a for name, a in state.items() if name.startswith("weight/")})
    for i, variable in enumerate(model.optimizer.variables):
        variable.assign(state[f"optimizer/{i:04d}"])
    return int(state["step"]), float(state["seconds"])


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """What it takes to build the network again; RUN/model.json."""

    size: str  # a key of SIZES
    px: int  # side of the photos it captions
    length: int
    width: int
    heads: int
    layers: int
    dropout: float
    hints: int = 0  # tags that the decoder reads beside the map

    def write(self, run: Path) -> None:
        """Write RUN/model.json."""
        (run / "model.json").write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, run: Path) -> ModelConfig:
        """Read RUN/model.json."""
        return cls(**json.loads((run / "model.json").read_text(encoding="utf-8")))

    def shape(self, vocabulary: int) -> DecoderShape:
        """The decoder's numbers for a vocabulary of so many words."""
        cells, channels = (self.px // STRIDE_PX) ** 2, SIZES[self.size].widths[-1]
        return DecoderShape(
            vocabulary, self.length, self.width, self.heads, self.layers, cells, channels, self.dropout, self.hints
        )


def read_tags(run: Path) -> tuple[str, ...]:
    """The words of RUN/tags.txt."""
    return tuple((run / "tags.txt").read_text(encoding="utf-8").split())
