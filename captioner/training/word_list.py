"""Chooses the words of the text tower, and embeds each with the sentence teacher.

    python -m captioner.training.word_list --run RUN --sentence-teacher DIR --wordnet DIR --text train.jsonl text.txt.gz

For training only. Writes RUN/pieces.txt and RUN/words.npy (n, 384) float16. The words are the teacher's own whole ones,
those of the captions, those that WordNet (Princeton University; it comes with its licence) has found in running
text, and every synonym and direct subordinate that WordNet has for a word of the captions: "lorry" for "truck".
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from captioner.inference.content_words import FUNCTION_WORDS
from captioner.inference.preprocess import tokenize
from captioner.training.data import read_captions, read_text
from captioner.training.program import program_parser
from captioner.training.sentence_teacher import SentenceTeacher

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


if __name__ == "__main__":
    main()
