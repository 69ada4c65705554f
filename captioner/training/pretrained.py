"""ImageNet weights of keras.applications' ConvNeXt (arXiv:2201.03545) in our own blocks, to start training from.

    python -m captioner.training.pretrained --size tiny --run RUN [--weights convnext_tiny.h5]

Keras downloads the file, checks it, and keeps it in ~/.keras/models; --weights takes one that is there already: the
one with the classifier. Out comes RUN/pretrained.npz, for `captioner.training.train captioner --start`.

Theirs and ours compute the same. Ours takes photos normalised to -1..1, which is folded into the first convolution;
has a DepthwiseConv2D where theirs is a Conv2D of as many groups as channels, which quantises badly; and has the
background as class 0. The map's own norm, which the published weights don't have, starts as none.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from captioner.inference.preprocess import MEAN, STD
from captioner.training import checkpoint
from captioner.training.encoder import SIZES
from captioner.training.program import program_parser

log = logging.getLogger(__name__)

#: Our sizes, and what makes the networks that are published with weights.
PUBLISHED: dict[str, Callable[..., keras.Model]] = {
    "tiny": keras.applications.ConvNeXtTiny,
    "small": keras.applications.ConvNeXtSmall,
    "base": keras.applications.ConvNeXtBase,
}
#: The logit of the background, which the published classifier doesn't know: as good as never.
BACKGROUND = -20.0


class PretrainedError(Exception):
    """The published weights can't be had, or aren't for this network."""


def load_published(size: str, weights: Path | None = None) -> keras.Model:
    """keras.applications' ConvNeXt with its classifier, on pixels in 0..255; its output is logits.

    Raises:
        PretrainedError: the weights can't be downloaded, or the file isn't of this network.
    """
    try:
        return PUBLISHED[size](weights=os.fspath(weights) if weights else "imagenet", classifier_activation=None)
    except Exception as error:  # just that is what Keras raises where a download fails
        source, reason = weights or "what Keras downloads", str(error).strip().partition("\n")[0]
        raise PretrainedError(f"{source} can't be taken for ConvNeXt {size}: {reason}") from error


def copy_weights(model: keras.Model, size: str) -> checkpoint.Arrays:
    """The weights of `encoder.build_encoder(size)` that give the outputs of `model`.

    Args:
        model: of `load_published`, with any weights.
    """
    found: checkpoint.Arrays = {}
    theirs = model.name

    def take(ours: str, layer: Any) -> None:
        found.update({f"{ours}/{variable.name}": np.asarray(variable.value) for variable in layer.weights})

    take("stem", model.get_layer(f"{theirs}_stem").layers[0])
    take("stem_norm", model.get_layer(f"{theirs}_stem").layers[1])
    for stage, depth in enumerate(SIZES[size].depths):
        if stage:
            down = model.get_layer(f"{theirs}_downsampling_block_{stage - 1}")
            take(f"down{stage}_norm", down.layers[0])
            take(f"down{stage}", down.layers[1])
        for block in range(depth):
            ours = f"stage{stage}_block{block}"
            for part, name in (("depthwise", "depthwise_conv"), ("norm", "layernorm"), ("expand", "pointwise_conv_1"),
                               ("reduce", "pointwise_conv_2")):  # fmt: skip
                take(f"{ours}/{part}", model.get_layer(f"{theirs}_stage_{stage}_block_{block}_{name}"))
            scale = model.get_layer(f"{theirs}_stage_{stage}_block_{block}_layer_scale")
            found[f"{ours}/scale/gamma"] = np.asarray(scale.gamma.value)
            kernel = found[f"{ours}/depthwise/kernel"]  # (7, 7, 1, c)
            found[f"{ours}/depthwise/kernel"] = kernel.transpose(0, 1, 3, 2)
    take("pooled_norm", model.get_layer(f"{theirs}_head_layernorm"))
    take("classes", model.get_layer(f"{theirs}_head_dense"))
    width = SIZES[size].widths[-1]
    found |= {"norm/gamma": np.ones(width, np.float32), "norm/beta": np.zeros(width, np.float32)}
    before = model.get_layer(f"{theirs}_prestem_normalization")
    _fold(found, np.asarray(before.mean), np.sqrt(np.asarray(before.variance)))
    _add_background_class(found)
    return found


def _fold(found: checkpoint.Arrays, mean: NDArray[Any], std: NDArray[Any]) -> None:
    """Let the first convolution take our normalisation for theirs: (pixel - mean) / std is linear in ours."""
    kernel = found["stem/kernel"].astype(np.float64)  # (4, 4, 3, c)
    scale = np.array(STD, np.float64) / std.reshape(3)
    shift = (np.array(MEAN, np.float64) - mean.reshape(3)) / std.reshape(3)
    found["stem/kernel"] = (kernel * scale[:, None]).astype(np.float32)
    found["stem/bias"] = (found["stem/bias"] + np.einsum("hwio,i->o", kernel, shift)).astype(np.float32)


def _add_background_class(found: checkpoint.Arrays) -> None:
    kernel, bias = found["classes/kernel"], found["classes/bias"]
    found["classes/kernel"] = np.concatenate([np.zeros_like(kernel[:, :1]), kernel], axis=1)
    found["classes/bias"] = np.concatenate([np.full_like(bias[:1], BACKGROUND), bias])


def main(argv: list[str] | None = None) -> None:
    """The command line."""
    parser = program_parser("pretrained", __doc__)
    parser.add_argument("--size", choices=PUBLISHED, default="tiny", help="encoder (default tiny)")
    parser.add_argument("--run", type=Path, required=True, help="directory of the run")
    parser.add_argument("--weights", type=Path, help="a file of weights; without it Keras downloads the published one")
    parser.add_argument("--name", default="pretrained", help="name of the weights (default pretrained)")
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    try:
        found = copy_weights(load_published(args.size, args.weights), args.size)
    except PretrainedError as error:
        parser.exit(1, f"{parser.prog}: {error}\n")
    checkpoint.save(args.run / f"{args.name}.npz", found)
    log.info("%s: %d arrays, %.1f million numbers", args.name, len(found), sum(a.size for a in found.values()) / 1e6)


if __name__ == "__main__":
    main()
