"""What a detector's objects say of the tags of photos that nobody captioned.

Of an object that is there people use its word in some share of their captions ("cat" nearly always, "chair" rarely);
of one that isn't there, hardly ever. Both shares are counted on captioned photos, and give the tags of other photos
soft targets: how likely a person would use the word.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from captioner.training.object_detection import OBJECTS

Floats = NDArray[np.float32]

#: Words for an object beside its own name.
_PEOPLE = """man men woman women person people boy boys girl girls child children kid kids baby toddler lady guy
group crowd player players couple family"""
OTHER_WORDS: Mapping[str, tuple[str, ...]] = {
    "person": tuple(_PEOPLE.split()),
    "bicycle": ("bike", "bikes", "bicyclist", "cyclist"),
    "motorcycle": ("motorbike", "motorcyclist"),
    "airplane": ("plane", "planes", "jet", "aircraft"),
    "boat": ("ship", "sailboat", "canoe", "kayak"),
    "cat": ("kitten",),
    "dog": ("puppy", "dogs"),
    "cow": ("cattle", "bull"),
    "sheep": ("lamb",),
    "bird": ("birds", "duck", "ducks", "pigeon"),
    "couch": ("sofa",),
    "tv": ("television", "screen", "monitor"),
    "laptop": ("computer",),
    "cell phone": ("cellphone",),
    "refrigerator": ("fridge",),
    "wine glass": ("wine",),
    "donut": ("doughnut", "doughnuts"),
    "remote": ("controller",),
    "dining table": ("dinner",),
    "potted plant": ("plants", "flowers"),
    "skis": ("ski", "skiing", "skier", "skiers"),
    "snowboard": ("snowboarder", "snowboarding"),
    "surfboard": ("surfer", "surfing", "surfboards"),
    "skateboard": ("skateboarder", "skateboarding", "skater"),
    "baseball bat": ("batter",),
    "tennis racket": ("racquet",),
}
#: Names of two words of which only one, or none, is a word for the object.
_OWN_WORDS = {"stop sign": "sign", "parking meter": "meter", "dining table": "table", "potted plant": "plant",
              "cell phone": "phone", "hair drier": "drier", "sports ball": "ball", "hot dog": "hotdog",
              "teddy bear": "teddy", "wine glass": "glass"}  # fmt: skip
#: An object's share is as if it had been seen so often before, at the share of all objects' words together.
_PRIOR = 4.0


def object_words(name: str) -> set[str]:
    """The words that people use for an object."""
    own = set(_OWN_WORDS.get(name, name).split())
    plural = {f"{word}s" for word in own} | {f"{word}es" for word in own}
    return own | plural | set(OTHER_WORDS.get(name, ()))


def expected_tags(objects: Floats, captioned: Floats, said: Floats, tags: Sequence[str]) -> Floats:
    """Targets (n, 2, tags) for photos without captions, see `model.tag_loss`; tags of no object count nothing.

    Args:
        objects: (n, 80) probabilities of the objects on these photos.
        captioned: (m, 80) the same of photos with captions. said: (m, tags), 1 where a person used the tag.
    """
    found = np.zeros((len(objects), 2, len(tags)), np.float32)
    there = captioned > 0.5
    overall = _overall(there, said, tags)
    for t, tag in enumerate(tags):
        own = [o for o, name in enumerate(OBJECTS) if tag in object_words(name)]
        if not own:
            continue
        absent = _mean(said[(captioned[:, own] < 0.1).all(axis=1), t])
        expected = np.full(len(objects), absent, np.float32)
        for o in own:
            present = (said[there[:, o], t].sum() + _PRIOR * overall) / (there[:, o].sum() + _PRIOR)
            expected = np.maximum(expected, absent + max(present - absent, 0) * objects[:, o])
        found[:, 0, t], found[:, 1, t] = expected, 1
    return found


def _overall(there: NDArray[np.bool_], said: Floats, tags: Sequence[str]) -> float:
    """How often an object that is there is called by one of its words, all objects and words together."""
    rows = [
        said[there[:, o], t]
        for o, name in enumerate(OBJECTS)
        for t, tag in enumerate(tags)
        if tag in object_words(name)
    ]
    return _mean(np.concatenate(rows)) if rows else 0.0


def _mean(values: Floats) -> float:
    return float(values.mean()) if len(values) else 0.0
