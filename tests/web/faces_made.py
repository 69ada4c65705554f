"""Made people for tests of the pages: pictures with drawn faces, found, grouped and named as the indexer does it."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

from PIL import ImageDraw

from captioner import Face
from indexer.model import PhotoMetadata
from indexer.storage import Storage
from tests.people_made import face, look_for_faces, looks_of
from tests.web.library_made import TAKEN, MadePhoto, content_key, picture

#: Skin, hair and shirt of each drawn person.
COLOURS = {
    "Anna": ("#e8b48c", "#5a3217", "#a03a3a"),
    "Ben": ("#8d5a3b", "#1c1411", "#2f5d8a"),
    "": ("#f0cdb0", "#c9a14a", "#3f7a4b"),
    "stranger": ("#c58c63", "#777777", "#5b4a86"),
}
SIZE = (800, 600)
WIDTH = 0.1  # of a face, as `tests.people_made.face` has it


def drawn(name: str, people: Sequence[str]) -> MadePhoto:
    """A photo of these people, from left to right."""
    image = picture(name, SIZE)
    draw = ImageDraw.Draw(image)
    for at, person in enumerate(people):
        skin, hair, shirt = COLOURS[person]
        left, top, side = left_of(at) * SIZE[0], 0.2 * SIZE[1], WIDTH * SIZE[0]
        draw.ellipse((left - side * 0.1, top - side * 0.25, left + side * 1.1, top + side * 0.9), fill=hair)
        draw.rectangle((left - side * 0.2, top + side, left + side * 1.2, top + side * 3), fill=shirt)
        draw.ellipse((left, top, left + side, top + side * 1.15), fill=skin)
        for eye in (0.3, 0.7):
            draw.ellipse(
                (left + side * (eye - 0.05), top + side * 0.45, left + side * (eye + 0.05), top + side * 0.55),
                fill="#222",
            )
        draw.arc(
            (left + side * 0.3, top + side * 0.55, left + side * 0.7, top + side * 0.9), 20, 160, fill="#822", width=3
        )
    out = io.BytesIO()
    image.save(out, "JPEG", quality=90)
    return MadePhoto(
        name,
        "people at a lake",
        tags=(),
        metadata=PhotoMetadata("image/jpeg", *SIZE, TAKEN),
        data=out.getvalue(),
    )


def left_of(at: int) -> float:
    """Where the face of that number begins, as a fraction of the width."""
    return 0.1 + 0.22 * at


#: Photo -> who is in it. "" is somebody nobody has named, who looks like Anna; the stranger is in one photo alone.
PARTY: Mapping[str, Sequence[str]] = {
    "party/1.jpg": ("Anna", "Ben", ""),
    "party/2.jpg": ("Anna", ""),
    "party/3.jpg": ("Anna", "", "stranger"),
    "party/4.jpg": ("Ben",),
}


def party() -> list[MadePhoto]:
    """The photos of `PARTY`."""
    return [drawn(name, people) for name, people in PARTY.items()]


def meet(storage: Storage, names: Mapping[str, str] | None = None) -> dict[str, int]:
    """Finds and groups the faces of `PARTY`, names Anna and Ben as `names` says; gives the persons' ids by the keys of
    `COLOURS`."""
    called = {"Anna": "Anna", "Ben": "Ben"} | dict(names or {})
    catalogue = storage.catalogue
    catalogue.people.switch(on=True)
    looks = {person: looks_of(seed)[0] for seed, person in enumerate(COLOURS)}
    found: dict[str, list[Face]] = {
        content_key(name): [face(looks[person], left_of(at)) for at, person in enumerate(people)]
        for name, people in PARTY.items()
    }
    look_for_faces(catalogue, found)
    ids = dict(zip(COLOURS, catalogue.faces.new_persons(len(COLOURS)), strict=True))
    assigned = [
        (one.id, None, None, ids[person], ids[person])
        for name, people in PARTY.items()
        for one, person in zip(catalogue.people.faces_of(content_key(name)), people, strict=True)
    ]
    catalogue.faces.store_groups(assigned, catalogue.faces.last_decision())
    for person, name in called.items():
        catalogue.people_decisions.name(ids[person], name)
    catalogue.faces.store_candidates([(ids["Anna"], ids[""], 0.61)], catalogue.faces.last_decision())
    return ids
