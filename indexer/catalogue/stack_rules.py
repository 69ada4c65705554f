"""Which photos are nearly the same: a burst, a RAW and its JPEG, a photo and what was edited of it.

Such photos form a *stack*, which search shows as one hit. They are known by the moment (`MOMENT_S`) and the camera, and
either by their names or by their look:

- the same name but for the ending, with one of them RAW: always;
- names that say that one was made of the other (`IMG_E1234`, `IMG_1234-edited`), or that both are of one burst: unless
  they look quite different (`RELATED_COSINE`);
- any names, copies numbered `(1)` among them: where they look nearly the same (`SAME_COSINE`).

Where a moment is not known, the name has to say it and the look, too. Photos of which no model has given the look are
known by names alone.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile
from operator import mul
from pathlib import PurePath
from unicodedata import normalize

from indexer.metadata.sidecar_files import EDITED_WORDS

#: Photos of a stack are so close in time; seconds.
MOMENT_S = 2
#: Measured with recollect-atto-2 on 150 photos of Flickr8k's dev split: a picture moved by 5%, turned by 3 degrees, cut
#: to 85% or made darker by a quarter has 0.92 or more with what it was (19 of 20), in grey 0.61 or more. Of the 499,500
#: pairs of the split 5 have as much, of different photos of ../shared/photos none (the closest have less than 0.85).
SAME_COSINE = 0.92
RELATED_COSINE = 0.6
#: A moment of more photos tells none of them apart: the clock of the camera stood still.
MOST_IN_MOMENT = 150

_COPIED = re.compile(r"(.+?)(?: ?\(\d{1,3}\)| - cop(?:y|ie)| copy(?: \d{1,2})?| - kopie| kopie(?: \d{1,2})?)")
_WORDS = "|".join(sorted(map(re.escape, {"edit", *EDITED_WORDS}), key=len, reverse=True))
_EDITED = re.compile(rf"(.+?)(?:[ _-]+(?:{_WORDS})(?:[ _-]?\d{{1,2}})?|~\d{{1,2}})")
_APPLE_EDITED = re.compile(r"(img_)e(\d{4,})")
_PIXEL = re.compile(r"(pxl_\d{8}_\d{9})[.](.+)")
_BURST = re.compile(r"(?:.*_)?burst(\d{14,17})(?:_.*)?|(.+?)_?burst_?\d{1,4}(?:_.*)?")


@dataclass(frozen=True, slots=True)
class PhotoName:
    """What a file's name says of how its photo came about; photos of one `key` may belong together."""

    key: str  # the stem, folded, without what was added for an edit, a copy or a frame of a burst
    edited: bool = False
    copied: bool = False
    burst: bool = False
    cover: bool = False  # the camera's choice of a burst

    @classmethod
    def of(cls, name: str) -> PhotoName:
        """By the name of a file, without its folder."""
        stem = normalize("NFC", PurePath(name).stem).casefold().strip()
        cover, edited, copied = "cover" in stem, False, False
        if match := _PIXEL.fullmatch(stem):
            return cls(match[1], edited="portrait" in match[2], cover=cover)
        while match := _COPIED.fullmatch(stem) or _EDITED.fullmatch(stem):
            is_copy = match.re is _COPIED
            copied, edited = copied or is_copy, edited or not is_copy
            stem = match[1].rstrip()
        if match := _APPLE_EDITED.fullmatch(stem):
            stem, edited = match[1] + match[2], True
        if match := _BURST.fullmatch(stem):
            return cls(f"burst {match[1] or match[2]}", edited, copied, burst=True, cover=cover)
        return cls(stem, edited, copied)


@dataclass(frozen=True, slots=True)
class Shot:
    """A photo as the rules see it. `moment` is the time on the camera's clock, None where it is not to be relied on;
    `look` is the embedding and `model` whose it is."""

    id: str
    moment: datetime | None
    camera: str | None
    is_raw: bool
    names: tuple[PhotoName, ...]
    look: tuple[float, ...] | None = None
    model: str | None = None

    @property
    def order(self) -> tuple[datetime, str, str]:
        """In time, those without a moment first; of one second, which is all that many cameras tell, by name."""
        return self.moment or datetime.min, min((name.key for name in self.names), default=""), self.id

    @property
    def preference(self) -> tuple[bool, bool, bool, bool, datetime, str, str]:
        """The least of a stack stands for it: what was edited, no RAW, no copy, the camera's choice, the first."""
        names = self.names
        edited, cover = any(one.edited for one in names), any(one.cover for one in names)
        copied = bool(names) and all(one.copied for one in names)
        return not edited, self.is_raw, copied, not cover, *self.order


def covers(shots: Iterable[Shot]) -> Mapping[str, str]:
    """For each photo that stacks with others of `shots` the id of the one that stands for its stack."""
    ordered = sorted(shots, key=lambda shot: shot.order)
    first = list(range(len(ordered)))  # of each photo's stack
    for at, shot in enumerate(ordered):
        for other in _earlier_by_name(ordered, at):
            if _belong_by_name(shot, ordered[other]):
                _join(first, at, other)
    for at, shot in enumerate(ordered):
        near = [
            (cosine, other)
            for other in _within_moment(ordered, at)
            if (cosine := _cosine(shot, ordered[other])) is not None
            and cosine >= SAME_COSINE
            and shot.camera is not None
            and _same_camera(shot, ordered[other])
        ]
        for _, other in sorted(near, reverse=True)[:1]:
            # Step by step a burst may wander off: each of its photos is like the first, too.
            to_first = _cosine(shot, ordered[first[other]])
            if to_first is None or to_first >= RELATED_COSINE:
                _join(first, at, other)
    stacks: dict[int, list[Shot]] = {}
    for shot, stack in zip(ordered, first, strict=True):
        stacks.setdefault(stack, []).append(shot)
    return {
        shot.id: min(stack, key=lambda one: one.preference).id
        for stack in stacks.values()
        if len(stack) > 1
        for shot in stack
    }


def _join(first: list[int], one: int, other: int) -> None:
    kept, given = sorted((first[one], first[other]))
    first[:] = [kept if stack == given else stack for stack in first]


def _within_moment(ordered: Sequence[Shot], at: int) -> Iterable[int]:
    """The places of the photos before this one that are of its moment."""
    moment = ordered[at].moment
    if moment is None:
        return ()
    earliest = moment - timedelta(seconds=MOMENT_S)
    return takewhile(lambda other: (ordered[other].moment or datetime.min) >= earliest, range(at - 1, -1, -1))


def _earlier_by_name(ordered: Sequence[Shot], at: int) -> Iterable[int]:
    own = {name.key for name in ordered[at].names}
    undated = takewhile(lambda other: ordered[other].moment is None, range(at))
    candidates = {*_within_moment(ordered, at), *undated}
    return sorted(other for other in candidates if any(name.key in own for name in ordered[other].names))


def _belong_by_name(one: Shot, other: Shot) -> bool:
    """Of two photos that share a name's key."""
    cosine = _cosine(one, other)
    if one.moment is None or other.moment is None:
        return cosine is not None and cosine >= SAME_COSINE
    if not (_same_camera(one, other) or one.camera is None or other.camera is None):
        return False
    if one.is_raw is not other.is_raw:
        return True
    copied = any(all(name.copied for name in shot.names) for shot in (one, other))
    if cosine is None:
        return not copied
    return cosine >= (SAME_COSINE if copied else RELATED_COSINE)


def _same_camera(one: Shot, other: Shot) -> bool:
    return (one.camera or "").casefold() == (other.camera or "").casefold()


def _cosine(one: Shot, other: Shot) -> float | None:
    if one.look is None or other.look is None or one.model != other.model or len(one.look) != len(other.look):
        return None
    lengths = math.sqrt(_dot(one.look, one.look) * _dot(other.look, other.look))
    return _dot(one.look, other.look) / lengths if lengths and math.isfinite(lengths) else None


def _dot(one: Sequence[float], other: Sequence[float]) -> float:
    return math.fsum(map(mul, one, other))
