"""What a training run is of: RUN/model.json and RUN/tags.txt, beside its weights and its vocabulary."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from captioner.training.encoder import SIZES, STRIDE_PX
from captioner.training.model import DecoderShape


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
