"""Photos and queries made up for the benchmarks of search, the same in every run.

Captions are sentences of a list (one a line) or of a small grammar; tags are their words; dates, cameras, places,
people and folders are drawn by chance. Queries have one to four words of captions, a quarter of them a typing mistake,
a quarter a filter.
"""

from __future__ import annotations

import gzip
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from captioner import TextTower
from captioner.inference.text_tower import TowerWeights
from indexer.model import Position
from indexer.search import SearchDocument
from indexer.search.query import parse
from indexer.text import words

CAPTIONS = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "text-coco.txt.gz"
PLACES = (
    "Lyon",
    "Paris",
    "Zürich",
    "München",
    "Rome",
    "Oslo",
    "Wien",
    "Lisboa",
    "Kraków",
    "København",
    "Dublin",
    "Nice",
)
PEOPLE = ("Anna", "Zoë", "Oma", "Opa", "Paul Smith", "Mia", "Jonas", "Lea", "Noah", "Emma")
CAMERAS = ("Apple iPhone 12", "Google Pixel 6", "Canon EOS 80D", "SONY ILCE-7M3", "Panasonic DMC-TZ101", "NIKON D90")
EVENTS = ("Summer", "Birthday", "Ski trip", "Garden", "Wedding", "Holiday", "Christmas", "Weekend", "School")
FILTERS = ("year:2019", "camera:canon", "place:lyon", "after:2015", "-person:anna", "rating:>=4", "tag:dog")


def sentences(path: Path | None) -> list[str]:
    if path and path.exists():
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            return [line.strip() for line in lines if line.strip()]
    who = "a man|a woman|two children|a dog|a brown horse|a group of people|an old man|a little girl|a cat|three birds"
    does = "standing|sitting|running|playing|sleeping|walking|eating|jumping|swimming|riding a bike|holding a red kite"
    where = "on the beach|in a park|near a lake|on a couch|in the snow|on a street|in a kitchen|under a tree|in a field"
    return [f"{a} {b} {c}" for a in who.split("|") for b in does.split("|") for c in where.split("|")]


def made_tower(captions: Sequence[str], dimensions: int) -> TextTower:
    """As large as a real one: 30,000 words of 96 numbers, 4 heads, 256 hidden units."""
    counted = Counter(word for caption in captions for word in words(caption))
    known = [word for word, _ in counted.most_common(30_000)]
    known += [f"word{number}" for number in range(30_000 - len(known))]
    chance = np.random.default_rng(5)

    def drawn(*shape: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        return chance.normal(0, 1 / np.sqrt(shape[0]), shape).astype(np.float32)

    weights = TowerWeights(
        table=chance.integers(-127, 128, (len(known), 96)).astype(np.int8),
        scale=np.full(len(known), 0.01, np.float32),
        attend=drawn(96, 4),
        hidden=drawn(4 * 96, 256),
        hidden_bias=np.zeros(256, np.float32),
        out=drawn(256, dimensions),
        skip=drawn(4 * 96, dimensions),
        out_bias=np.zeros(dimensions, np.float32),
    )
    return TextTower("made-1", known, weights)


def made_photos(count: int, captions: Sequence[str], dimensions: int) -> Iterator[SearchDocument]:
    chance, evidence = random.Random(7), random.Random(8)
    noise = np.random.default_rng(7)
    tower = made_tower(captions, dimensions) if dimensions else None
    start = datetime(2004, 1, 1)
    for number in range(count):
        caption = chance.choice(captions)
        nouns = [word for word in dict.fromkeys(words(caption)) if len(word) > 3]
        taken = start + timedelta(minutes=chance.randrange(20 * 365 * 24 * 60))
        camera = chance.choice(CAMERAS)
        meant = tower.embed(caption) if tower else None
        looks = None if meant is None else meant + noise.normal(0, dimensions**-0.5, dimensions)
        yield SearchDocument(
            id=f"{number:032x}",
            revision=1,
            person_caption=chance.choice(captions) if chance.random() < 0.03 else "",
            machine_caption=caption,
            tags=tuple((word, chance.random()) for word in nouns[:6]),
            keywords=("family",) if chance.random() < 0.05 else (),
            people=tuple(chance.sample(PEOPLE, chance.randrange(3))),
            title="",
            places=(chance.choice(PLACES), "Europe") if chance.random() < 0.6 else (),
            folders=(f"{taken.year}/{taken.month:02} {chance.choice(EVENTS)} {chance.randrange(9)}",),
            file_names=(f"IMG_{taken:%Y%m%d_%H%M%S}.jpg" if number % 2 else f"DSC{number % 10000:04}.JPG",),
            camera=camera,
            lens=f"{camera} lens",
            mime_type="image/jpeg" if chance.random() < 0.9 else "image/heic",
            taken_at=taken,
            rating=chance.randrange(6) if chance.random() < 0.2 else None,
            position=Position(chance.uniform(40, 55), chance.uniform(-5, 20)),
            embedding=None if looks is None else tuple((looks / np.linalg.norm(looks)).tolist()),
            model="made-1",
            machine_words=tuple((word, evidence.random()) for word in nouns),
            machine_sure=evidence.random() < 0.6,
        )


def made_queries(count: int, captions: Sequence[str]) -> list[tuple[str, str]]:
    """What is typed, and the words in it that plain FTS5 gets (without the mistake)."""
    chance = random.Random(3)
    queries = []
    for number in range(count):
        chosen = [word for word in words(chance.choice(captions)) if len(word) > 2]
        right = chance.sample(chosen, min(len(chosen), 1 + number % 4)) or ["dog"]
        typed = list(right)
        if number % 4 == 1:
            at = chance.randrange(len(typed))
            typed[at] = mistaken(typed[at], chance)
        front = f"{chance.choice(FILTERS)} " if number % 4 == 2 else ""
        queries.append((front + " ".join(typed), " ".join(right)))
    return queries


def mistaken(word: str, chance: random.Random) -> str:
    at = chance.randrange(1, max(2, len(word) - 1))
    return word[:at] + word[at + 1 : at + 2] + word[at : at + 1] + word[at + 2 :]


def keystrokes(queries: Sequence[tuple[str, str]]) -> list[str]:
    """Everything that stands in the box while the queries are typed, letter by letter."""
    return [text[:end] for text, _ in queries for end in range(1, len(text) + 1) if typable(text[:end])]


def typable(text: str) -> bool:
    """Whether a half-typed filter is a query already; where it is not, the page keeps the last answer."""
    try:
        parse(text)
    except ValueError:
        return False
    return True
