"""Groups faces by person: what was grouped stays, new faces join or begin groups, and groups that are alike become one.

Precision comes before recall. A small or doubtful face joins a group and begins none; the faces of one photo are never
one person's; a face between two persons whom people have named is left to people. What people decided is a rule, see
`GroupingRules`; what they decide meanwhile ends a grouping, and the next one knows it. Nothing holds all pairs: memory
grows with the number of groups.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from captioner import FaceModel
from indexer.catalogue import Catalogue
from indexer.catalogue.face_rows import GroupingRules
from indexer.people.clusters import Agglomeration, Clusters, Floats, Ints
from indexer.people.vectors import FaceVectors

#: A face that is less probable begins no group; nor does one of fewer pixels than `FaceModel.least_seed_px`.
LEAST_SEED_SCORE = 0.7
#: Of the distance up to which two faces are probably one person's: so near are two single faces that begin a group, and
#: so near, on average, the members of large groups. Among a hundred thousand faces are many pairs of strangers.
SINGLE_SHARE, GROUP_SHARE = 0.8, 0.95
#: A doubtful face has to be so much nearer.
_WEAK_SHARE = 0.9
#: Another named person's group that is less than so much further away makes a face doubtful.
_AMBIGUOUS = 1.1
#: Groups of up to this share of the same photos may still be one person: mirrors, pictures on the wall.
_SHARED_PHOTOS = 0.01
#: "Is this also NAME?" is asked of groups up to so far, of that distance. In public photos of ten people 5 of 8 groups
#: within it were the person asked about, and 3 of the 25 from there to 1.2.
CANDIDATE_SHARE = 1.1
_MOST_CANDIDATES = 20
_NOBODY: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class GroupingResult:
    """What a grouping did: how many faces have another group than before, and how many groups of two or more there
    are."""

    changed: int
    groups: int


class GroupingStopped(Exception):
    """It was stopped before it had stored anything."""


def group_faces(
    catalogue: Catalogue, vectors: FaceVectors, model: FaceModel, *, is_stopped: Callable[[], bool] = lambda: False
) -> GroupingResult:
    """Groups the faces that `model` found. Those smaller than its `least_px` belong to nobody, unless people or files
    say so: blurred faces of strangers are like each other. Blocks: 100,000 new faces take a minute, some new ones a
    second. Raises `GroupingStopped` soon after `is_stopped` says so."""
    return _Grouping(catalogue, vectors, model, is_stopped).run()


@dataclass(slots=True)
class _Faces:
    """All faces as arrays, in the order of their ids; -1 for no person or cluster."""

    ids: Ints
    photos: Ints
    persons: Ints
    clusters: Ints
    weak: NDArray[np.bool_]
    tiny: NDArray[np.bool_]

    @classmethod
    def read(cls, catalogue: Catalogue, model: FaceModel) -> _Faces:
        """From the catalogue."""
        rows = np.fromiter(
            (
                value
                for one in catalogue.faces.grouped(model.name)
                for value in (
                    one.id,
                    one.photo,
                    -1 if one.person_id is None else one.person_id,
                    -1 if one.cluster is None else one.cluster,
                    one.size_px < model.least_seed_px or one.score < LEAST_SEED_SCORE,
                    one.size_px < model.least_px,
                )
            ),
            np.int64,
        ).reshape(-1, 6)
        ids, photos, persons, clusters, weak, tiny = (column.copy() for column in rows.T)
        return cls(ids, photos, persons, clusters, weak.astype(bool), tiny.astype(bool))


@dataclass(slots=True)
class _Groups:
    """What is known of the clusters beside their vectors, by position."""

    persons: list[int] = field(default_factory=list)
    photos: list[set[int]] = field(default_factory=list)
    rejected: list[frozenset[int]] = field(default_factory=list)  # persons that a face of it is not
    first_face: list[int] = field(default_factory=list)

    def append(self, person: int, photo: int, face_id: int, rejected: frozenset[int]) -> None:
        """A cluster of one face."""
        self.persons.append(person)
        self.photos.append({photo})
        self.rejected.append(rejected)
        self.first_face.append(face_id)

    def add(self, at: int, photo: int, face_id: int, rejected: frozenset[int]) -> None:
        """A face of the cluster at this position."""
        self.photos[at].add(photo)
        self.rejected[at] |= rejected
        self.first_face[at] = min(self.first_face[at], face_id)

    def absorb(self, kept: int, other: int) -> None:
        """The second becomes part of the first."""
        self.photos[kept] |= self.photos[other]
        self.rejected[kept] |= self.rejected[other]
        self.first_face[kept] = min(self.first_face[kept], self.first_face[other])
        self.photos[other] = set()


class _Grouping:
    def __init__(
        self, catalogue: Catalogue, vectors: FaceVectors, model: FaceModel, is_stopped: Callable[[], bool]
    ) -> None:
        self._is_stopped = is_stopped
        self._catalogue, self._vectors, self._model = catalogue, vectors, model
        self._rules: GroupingRules = catalogue.faces.rules()
        self._faces = _Faces.read(catalogue, model)
        self._rejections: dict[int, frozenset[int]] = {}
        for face_id, person in self._rules.rejected:
            self._rejections[face_id] = self._rejections.get(face_id, _NOBODY) | {person}
        self._groups = _Groups()
        self._clusters = self._new_clusters(0)
        self._at = np.full(len(self._faces.ids), -1, np.int64)  # the position of each face's cluster
        self._into: dict[int, int] = {}  # merged position -> the one that it became part of
        self._of_person: dict[int, set[int]] = {}
        self._decided: tuple[Ints, Ints] | None = None  # clusters of decided persons, and whose they are

    def run(self) -> GroupingResult:
        self._load_known()
        changed = self._join_new()
        if len(self._groups.persons):
            self._merge(np.array(sorted(changed), np.int64), np.flatnonzero(self._clusters.counts > 0))
        revision = self._rules.revision
        if self._catalogue.faces.last_decision() != revision:  # what was decided meanwhile goes before it
            return GroupingResult(0, 0)
        new_groups = self._new_persons()
        stored = self._catalogue.faces.store_groups(self._assignments(), revision)
        self._catalogue.faces.store_candidates(self._candidates(), revision)
        return GroupingResult(stored, new_groups)

    def _blocks(self, *, known: bool) -> Iterator[tuple[Ints, Floats]]:
        """(numbers of faces, their vectors) of the faces that have a cluster, or have none."""
        faces = self._faces
        for block in self._vectors.blocks(self._model.name):
            self._check_stop()
            ids = np.array([face_id for face_id, _ in block], np.int64)
            vectors = np.frombuffer(b"".join(numbers for _, numbers in block), "<f2").reshape(len(block), -1)
            at = np.minimum(np.searchsorted(faces.ids, ids), max(0, len(faces.ids) - 1))
            chosen = np.zeros(len(ids), bool)
            if len(faces.ids):
                chosen = (faces.ids[at] == ids) & ((faces.clusters[at] >= 0) == known) & ~faces.tiny[at]
            if chosen.any():
                yield at[chosen], _unit(vectors[chosen].astype(np.float32))

    def _load_known(self) -> None:
        """The clusters as they were."""
        positions: dict[tuple[int, int], int] = {}
        faces = self._faces
        for numbers, vectors in self._blocks(known=True):
            self._set_width(vectors)
            at = np.empty(len(numbers), np.int64)
            fresh = []
            for row, number in enumerate(numbers.tolist()):
                key = (int(faces.clusters[number]), int(faces.persons[number]))
                if (position := positions.get(key)) is None:
                    positions[key] = position = len(self._groups.persons)
                    self._append(number)
                    fresh.append(row)
                else:
                    self._add(position, number)
                at[row] = position
            self._clusters.append(vectors[fresh], faces.weak[numbers[fresh]])
            rest = np.setdiff1d(np.arange(len(numbers)), fresh)
            self._clusters.add(at[rest], vectors[rest], faces.weak[numbers[rest]])
            self._at[numbers] = at

    def _set_width(self, vectors: Floats) -> None:
        if not self._clusters.width:
            self._clusters = self._new_clusters(vectors.shape[1])

    def _new_clusters(self, width: int) -> Clusters:
        single, group = (SINGLE_SHARE * self._model.same_distance) ** 2, (GROUP_SHARE * self._model.same_distance) ** 2
        return Clusters(width, single, group, _WEAK_SHARE**2, self._check_stop)

    def _check_stop(self) -> None:
        if self._is_stopped():
            raise GroupingStopped

    def _append(self, number: int) -> None:
        faces, face_id, person = self._faces, int(self._faces.ids[number]), int(self._faces.persons[number])
        if person >= 0:
            self._of_person.setdefault(person, set()).add(len(self._groups.persons))
        self._groups.append(person, int(faces.photos[number]), face_id, self._rejections.get(face_id, _NOBODY))

    def _add(self, position: int, number: int) -> None:
        faces, face_id = self._faces, int(self._faces.ids[number])
        self._groups.add(position, int(faces.photos[number]), face_id, self._rejections.get(face_id, _NOBODY))

    def _join_new(self) -> set[int]:
        """New faces join the nearest cluster, or become one. Gives the positions that have changed."""
        changed: set[int] = set()
        for numbers, vectors in self._blocks(known=False):
            self._set_width(vectors)
            for start in range(0, len(numbers), 1024):
                changed |= self._join_block(numbers[start : start + 1024], vectors[start : start + 1024])
        return {self._root(one) for one in changed}

    def _join_block(self, numbers: Ints, vectors: Floats) -> set[int]:
        columns = np.flatnonzero(self._clusters.counts > 0)
        positions = self._clusters.append(vectors, self._faces.weak[numbers])
        for number in numbers.tolist():
            self._append(number)
        self._at[numbers] = positions
        nearest, least = self._clusters.nearest(positions, columns)
        near = np.flatnonzero((nearest >= 0) & (least < 1))
        changed: set[int] = set()
        for row in near[np.argsort(least[near], kind="stable")].tolist():
            one, other = int(positions[row]), self._root(int(nearest[row]))
            if self._may_merge(other, one):
                self._clusters.merge(other, one)
                self._merged(other, one)
                changed.add(other)
        alone = positions[self._clusters.counts[positions] > 0]
        self._merge(alone, alone)
        return changed | set(alone[self._clusters.counts[alone] > 0].tolist())

    def _is_between_decided(self, position: int, person: int) -> bool:
        """Whether a cluster is nearly as near to another decided person as to this one."""
        if person not in self._rules.decided:
            return False
        if self._decided is None:
            counts = self._clusters.counts
            at = sorted(at for one in self._rules.decided for at in self._of_person.get(one, ()) if counts[at] > 0)
            self._decided = np.array(at, np.int64), np.array([self._groups.persons[one] for one in at], np.int64)
        positions, persons = self._decided
        distances = self._clusters.distances(np.array([position]), positions)[0]
        of_position = self._groups.persons[position]
        own, others = distances[persons == person], distances[(persons != person) & (persons != of_position)]
        return bool(len(own) and len(others) and others.min() < own.min() * _AMBIGUOUS**2)

    def _merge(self, active: Ints, columns: Ints) -> None:
        if len(active):
            Agglomeration(self._clusters, self._may_merge, self._merged).run(active, columns)

    def _may_merge(self, one: int, other: int) -> bool:
        decided, persons = self._rules.decided, self._groups.persons
        are_decided = persons[one] in decided and persons[other] in decided
        return (persons[one] == persons[other] or not are_decided) and self._may_be_same(one, other)

    def _may_be_same(self, one: int, other: int) -> bool:
        """Whether nothing is known that speaks against it."""
        groups = self._groups
        if self._clusters.weak[one] and self._clusters.weak[other]:
            return False
        person, second = groups.persons[one], groups.persons[other]
        if person == second >= 0:
            return True
        if person >= 0 and second >= 0 and (min(person, second), max(person, second)) in self._rules.distinct:
            return False
        if self._is_rejected(person, second, other) or self._is_rejected(second, person, one):
            return False
        if self._is_between_decided(other, person) or self._is_between_decided(one, second):
            return False
        return not self._share_photos(self._photos_of(one), self._photos_of(other))

    def _is_rejected(self, person: int, second: int, position: int) -> bool:
        """Whether a face of the cluster at `position`, or of the person that it is of, is not `person`'s."""
        positions = self._of_person.get(second, set()) if second >= 0 else {position}
        return person >= 0 and any(person in self._groups.rejected[at] for at in positions)

    def _photos_of(self, position: int) -> set[int]:
        person = self._groups.persons[position]
        others = self._of_person.get(person, set()) if person >= 0 else set()
        if len(others) <= 1:
            return self._groups.photos[position]
        return set().union(*(self._groups.photos[at] for at in others))

    @staticmethod
    def _share_photos(one: set[int], other: set[int]) -> bool:
        small, large = sorted((one, other), key=len)
        return len(small & large) > _SHARED_PHOTOS * len(small)

    def _merged(self, kept: int, other: int) -> None:
        self._into[other] = kept
        self._groups.absorb(kept, other)
        person, second = self._groups.persons[kept], self._groups.persons[other]
        if second >= 0:
            self._decided = None
        self._of_person.get(second, set()).discard(other)
        if person == second or second < 0:
            return
        winner, loser = (second, person) if person < 0 else self._older(person, second)
        moved = {kept} if loser < 0 else self._of_person.pop(loser, set()) | {kept}
        self._of_person.get(loser, set()).discard(kept)
        for at in moved:
            self._groups.persons[at] = winner
        self._of_person.setdefault(winner, set()).update(moved)

    def _older(self, person: int, second: int) -> tuple[int, int]:
        """Whom people know stays, else the older one."""
        if (person in self._rules.decided) != (second in self._rules.decided):
            return (person, second) if person in self._rules.decided else (second, person)
        return min(person, second), max(person, second)

    def _root(self, position: int) -> int:
        while (into := self._into.get(position)) is not None:
            position = into
        return position

    def _new_persons(self) -> int:
        """A cluster of several faces is a person; gives how many such clusters there are."""
        counts = self._clusters.counts[: len(self._groups.persons)]
        several = np.flatnonzero(counts >= 2).tolist()
        wanted = [at for at in several if self._groups.persons[at] < 0 and not self._clusters.weak[at]]
        for at, person in zip(wanted, self._catalogue.faces.new_persons(len(wanted)) if wanted else (), strict=True):
            self._groups.persons[at] = person
            self._of_person.setdefault(person, set()).add(at)
        return len(several)

    def _assignments(self) -> Iterator[tuple[int, int | None, int | None, int | None, int]]:
        """What differs from what was read."""
        faces = self._faces
        for number in np.flatnonzero(faces.tiny & (faces.clusters < 0)).tolist():
            face_id, person = int(faces.ids[number]), _id(int(faces.persons[number]))
            yield face_id, person, None, person, face_id
        for number in np.flatnonzero(self._at >= 0).tolist():
            at = self._root(int(self._at[number]))
            person, cluster = self._groups.persons[at], self._groups.first_face[at]
            before, cluster_before = int(faces.persons[number]), int(faces.clusters[number])
            if (person, cluster) != (before, cluster_before):
                yield int(faces.ids[number]), _id(before), _id(cluster_before), _id(person), cluster

    def _candidates(self) -> Iterator[tuple[int, int, float]]:
        """For each named person the nearest groups without a name, of those that may be the same."""
        counts, persons = self._clusters.counts, self._groups.persons
        named = self._rules.named
        others = [at for at, one in enumerate(persons) if one >= 0 and one not in named and counts[at] > 0]
        for person in named if others else ():
            own = np.array(sorted(at for at in self._of_person.get(person, ()) if counts[at] > 0), np.int64)
            if not len(own):
                continue
            distances = self._clusters.distances(np.array(others, np.int64), own)
            at, least = distances.argmin(axis=1), distances.min(axis=1)
            found: dict[int, float] = {}
            for row in np.argsort(least, kind="stable").tolist():
                if least[row] > (CANDIDATE_SHARE * self._model.same_distance) ** 2 or len(found) >= _MOST_CANDIDATES:
                    break
                other = persons[others[row]]
                if other not in found and self._may_be_same(int(own[at[row]]), others[row]):
                    found[other] = float(np.sqrt(max(0.0, least[row])))
            yield from ((person, other, distance) for other, distance in found.items())


def _id(number: int) -> int | None:
    return None if number < 0 else number


def _unit(vectors: Floats) -> Floats:
    lengths = np.asarray(np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)
    return np.asarray(vectors / np.maximum(lengths, np.float32(1e-6)), np.float32)
