"""Faces become groups: of made vectors, whose persons are known."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from captioner import Face
from indexer.catalogue import Catalogue
from indexer.face_box import FaceBox, FaceRegion
from indexer.people.grouping import GroupingResult, GroupingStopped, group_faces
from indexer.people.vectors import FaceVectors
from tests.people_made import FACE_MODEL, MODEL, catalogue_of, face, look_for_faces, looks_of

#: Faces of one made person are about 0.35 from each other, those of two about 1.4.
SAME = FACE_MODEL.same_distance
REGION = FaceBox(0.2, 0.2, 0.1, 0.1)


@dataclass
class Library:
    """A catalogue of 60 photos, and what looks for faces in it and groups them."""

    catalogue: Catalogue
    ids: list[str]
    vectors: FaceVectors

    def add(self, faces: dict[int, Sequence[Face]], regions: dict[int, str] | None = None) -> None:
        """Faces by the number of their photo, which may be looked at again."""
        found = {self.ids[number]: some for number, some in faces.items()}
        named = {self.ids[number]: [FaceRegion(name, REGION)] for number, name in (regions or {}).items()}
        before = [one for some in self.catalogue.faces.ids(MODEL) for one in some]
        fresh = look_for_faces(self.catalogue, found, named)
        self.vectors.store(fresh.items(), MODEL)
        assert before == [one for some in self.catalogue.faces.ids(MODEL) for one in some][: len(before)]

    def group(self) -> GroupingResult:
        return group_faces(self.catalogue, self.vectors, FACE_MODEL)

    def person_of(self, number: int, face_number: int = 0) -> int | None:
        return self.catalogue.people.faces_of(self.ids[number])[face_number].person_id

    def face_of(self, number: int) -> int:
        return self.catalogue.people.faces_of(self.ids[number])[0].id


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    catalogue, ids = catalogue_of(tmp_path, 60)
    with catalogue:
        vectors = FaceVectors(tmp_path / "faces.db")
        yield Library(catalogue, ids, vectors)
        vectors.close()


def unlooked(library: Library, numbers: Sequence[int]) -> None:
    """Has the model not have looked at these photos yet."""
    with library.catalogue._database.transaction() as writer:
        writer.executemany("UPDATE photo SET faces_model = NULL WHERE id = ?", [(library.ids[one],) for one in numbers])


def of(seed: int, photos: Sequence[int], **more: float) -> dict[int, Sequence[Face]]:
    """Faces of one made person, one in each of these photos."""
    looks = looks_of(seed, len(photos))
    return {photo: [face(look, **more)] for photo, look in zip(photos, looks, strict=True)}


def test_one_person_is_one_group_and_strangers_are_none(library: Library) -> None:
    library.add({**of(1, range(10)), **of(2, range(10, 16)), **{20 + n: of(100 + n, [0])[0] for n in range(20)}})
    assert library.group().groups == 2
    first, second = library.catalogue.people.persons()
    assert (first.photos, second.photos) == (10, 6)
    assert {library.person_of(number) for number in range(20, 40)} == {None}
    assert library.group().changed == 0


def test_new_faces_join_and_ids_stay(library: Library) -> None:
    looks = looks_of(1, 30)
    library.add({number: [face(looks[number])] for number in range(10)})
    library.group()
    person = library.person_of(0)
    for start in (10, 20):
        unlooked(library, range(start, start + 10))
        library.add({number: [face(looks[number])] for number in range(start, start + 10)})
        library.group()
    assert {library.person_of(number) for number in range(30)} == {person}


def test_groups_that_grow_together_become_one_and_the_older_id_stays(library: Library) -> None:
    """Two looks that are too far from each other, until what is between them is there."""
    ends = looks_of(1, 12, spread=0.05)
    other = ends + 0.062 * np.sign(looks_of(2)[0])
    other /= np.linalg.norm(other, axis=1, keepdims=True)
    apart = float(np.linalg.norm(ends[0] - other[0]))
    assert 0.8 * SAME < apart < 1.1 * SAME, "the test's own numbers"
    library.add({n: [face(ends[n])] for n in range(2)} | {10 + n: [face(other[n])] for n in range(2)})
    library.group()
    kept = library.person_of(0)
    assert kept is not None
    assert library.person_of(10) not in (kept, None)
    middle = (ends + other) / 2
    unlooked(library, range(20, 32))
    library.add({20 + n: [face(middle[n] / np.linalg.norm(middle[n]))] for n in range(12)})
    library.group()
    assert library.person_of(0) == kept


def test_small_and_doubtful_faces_join_a_group_and_begin_none(library: Library) -> None:
    library.add({**of(1, range(6), size_px=FACE_MODEL.least_seed_px - 1), **of(2, range(6, 12), score=0.5)})
    assert library.group().groups == 0
    unlooked(library, range(20, 30))
    library.add({number: [face(look)] for number, look in zip(range(20, 26), looks_of(1, 6), strict=True)})
    library.group()
    assert {library.person_of(number) for number in (*range(6), *range(20, 26))} == {library.person_of(20)}
    assert library.person_of(6) is None


def test_the_smallest_faces_belong_to_nobody_unless_somebody_says_so(library: Library) -> None:
    library.add(of(1, range(6)) | of(1, range(10, 16), size_px=FACE_MODEL.least_px - 1), {10: "Anna"})
    library.group()
    assert {library.person_of(number) for number in range(11, 16)} == {None}
    assert library.person_of(10) not in {None, library.person_of(0)}
    assert library.group().changed == 0
    assert library.catalogue.faces.count_new() == 0


def test_two_faces_of_one_photo_are_two_persons(library: Library) -> None:
    twins = looks_of(1, 24, spread=0.1)
    library.add({n: [face(twins[2 * n], 0.1), face(twins[2 * n + 1], 0.6)] for n in range(12)})
    library.group()
    for number in range(12):
        first, second = (library.person_of(number, which) for which in (0, 1))
        assert first is None or first != second


def test_what_is_not_her_does_not_come_back(library: Library) -> None:
    library.add(of(1, range(8)))
    library.group()
    person = library.person_of(0)
    library.catalogue.people_decisions.not_this_person([library.face_of(0)])
    for _ in range(3):
        library.group()
        assert library.person_of(0) != person
        assert library.person_of(1) == person


def test_several_that_are_not_her_become_a_group_of_their_own_that_stays_apart(library: Library) -> None:
    library.add(of(1, range(12)))
    library.group()
    person = library.person_of(0)
    library.catalogue.people_decisions.not_this_person([library.face_of(number) for number in range(4)])
    library.group()
    apart = {library.person_of(number) for number in range(4)}
    assert len(apart) == 1
    assert apart.isdisjoint({person, None})
    unlooked(library, range(20, 40))
    library.add(of(1, range(20, 40)))
    library.group()
    assert library.person_of(0) != library.person_of(5) == person


def merge_of_strangers(library: Library) -> None:
    library.catalogue.people_decisions.merge(library.person_of(0) or 0, library.person_of(10) or 0)


def name_both(library: Library) -> None:
    library.catalogue.people_decisions.name(library.person_of(0) or 0, "Anna")
    library.catalogue.people_decisions.name(library.person_of(10) or 0, "Bert")


def ignore_one(library: Library) -> None:
    library.catalogue.people_decisions.ignore(library.person_of(10) or 0)


@pytest.mark.parametrize("decide", [merge_of_strangers, name_both, ignore_one])
def test_what_people_decided_stays_through_further_groupings(
    library: Library, decide: Callable[[Library], None]
) -> None:
    looks = {1: looks_of(1, 20), 2: looks_of(2, 20)}
    library.add({n: [face(looks[1][n])] for n in range(8)} | {10 + n: [face(looks[2][n])] for n in range(8)})
    library.group()
    decide(library)
    before = library.catalogue.people.persons(), library.catalogue.people.persons(ignored=True)
    library.group()
    assert (library.catalogue.people.persons(), library.catalogue.people.persons(ignored=True)) == before
    unlooked(library, range(20, 44))
    library.add(
        {20 + n: [face(looks[1][8 + n])] for n in range(12)} | {32 + n: [face(looks[2][8 + n])] for n in range(12)}
    )
    library.group()
    assert {library.person_of(n) for n in range(20, 32)} == {library.person_of(0)}
    assert {library.person_of(n) for n in range(32, 44)} == {library.person_of(10)}


class NearGroups:
    """Two groups without a name, of photos 0, 1 and 10, 11, that become one as soon as `join` has added what is between
    them; and one far away, of photos 50 to 55."""

    def __init__(self, library: Library) -> None:
        self._library = library
        ends = looks_of(1, 12, spread=0.05)
        others = ends + 0.062 * np.sign(looks_of(2)[0])
        others /= np.linalg.norm(others, axis=1, keepdims=True)
        self._middle = (ends + others) / 2
        library.add({n: [face(ends[n])] for n in range(2)} | {10 + n: [face(others[n])] for n in range(2)})
        library.group()
        unlooked(library, range(50, 56))
        library.add(of(7, range(50, 56)))
        library.group()
        self.first, self.second, self.far = (library.person_of(number) or 0 for number in (0, 10, 50))
        assert len({self.first, self.second, self.far}) == 3
        library.catalogue.people_decisions.name(self.far, "Anna")

    def add_between(self) -> None:
        unlooked(self._library, range(20, 32))
        middle = self._middle / np.linalg.norm(self._middle, axis=1, keepdims=True)
        self._library.add({20 + n: [face(middle[n])] for n in range(12)})

    def join(self) -> None:
        self.add_between()
        self._library.group()
        self._library.group()


def test_what_is_not_her_is_not_hers_under_another_name_either(library: Library) -> None:
    groups = NearGroups(library)
    decisions = library.catalogue.people_decisions
    decisions.not_this_person([library.face_of(0)])
    decisions.name(groups.first, "Anna")
    groups.join()
    assert library.person_of(1) == groups.far
    assert library.person_of(0) not in {groups.first, groups.far}
    decisions.undo()
    assert library.catalogue.faces.rules().rejected == {(library.face_of(0), groups.first)}


def test_whom_people_keep_apart_stays_apart_when_one_becomes_part_of_another(library: Library) -> None:
    groups = NearGroups(library)
    library.catalogue.people_decisions.mark_distinct(groups.first, groups.second)
    library.catalogue.people_decisions.merge(groups.far, groups.first)
    groups.join()
    assert library.person_of(0) == groups.far
    assert library.person_of(10) == groups.second
    library.catalogue.people_decisions.undo()
    assert library.catalogue.faces.rules().distinct == {(groups.first, groups.second)}


def test_who_is_not_anna_is_never_part_of_a_group_that_might_be(library: Library) -> None:
    groups = NearGroups(library)
    library.catalogue.people_decisions.mark_distinct(groups.far, groups.second)
    groups.join()
    assert library.person_of(10) == groups.second
    assert library.catalogue.faces.rules().distinct == {(groups.second, groups.far)}


def test_what_is_not_a_group_s_is_not_that_of_a_group_that_it_becomes_part_of(library: Library) -> None:
    groups = NearGroups(library)
    library.catalogue.people_decisions.not_this_person([library.face_of(10)])
    groups.join()
    assert library.person_of(11) == groups.second
    assert library.person_of(10) != groups.second


def test_who_is_not_anna_may_still_be_bert(library: Library) -> None:
    groups = NearGroups(library)
    library.catalogue.people_decisions.mark_distinct(groups.far, groups.second)
    library.catalogue.people_decisions.name(groups.first, "Bert")
    library.group()
    assert [one.person.id for one in library.catalogue.people.candidates(groups.first)] == [groups.second]
    assert library.catalogue.people.candidates(groups.far) == []


def test_a_label_in_one_file_names_the_whole_group(library: Library) -> None:
    library.add(of(1, range(8)), {3: "Anna"})
    library.group()
    [anna] = library.catalogue.people.persons()
    assert (anna.name, anna.photos) == ("Anna", 8)
    assert library.catalogue.photos([library.ids[0]])[0].people == ("Anna",)


def test_a_face_between_two_named_ones_is_left_to_people(library: Library) -> None:
    ends = looks_of(1, 6, spread=0.05)
    other = ends + 0.07 * np.sign(looks_of(2)[0])
    other /= np.linalg.norm(other, axis=1, keepdims=True)
    library.add({n: [face(ends[n])] for n in range(6)} | {10 + n: [face(other[n])] for n in range(6)})
    library.group()
    name_both(library)
    middle = ends[0] + other[0]
    unlooked(library, [20])
    library.add({20: [face(middle / np.linalg.norm(middle))]})
    library.group()
    assert library.person_of(20) is None


def test_groups_near_a_named_person_are_asked_about_until_somebody_says_no(library: Library) -> None:
    ends = looks_of(1, 6, spread=0.05)
    near, nearer = (ends + by * np.sign(looks_of(2)[0]) for by in (0.06, 0.055))
    near, nearer = (one / np.linalg.norm(one, axis=1, keepdims=True) for one in (near, -nearer + 2 * ends))
    library.add(
        {n: [face(ends[n])] for n in range(6)}
        | {10 + n: [face(near[n])] for n in range(3)}
        | {20 + n: [face(nearer[n])] for n in range(3)}
        | of(9, range(30, 36))
    )
    library.group()
    people = library.catalogue.people
    anna = library.person_of(0) or 0
    library.catalogue.people_decisions.name(anna, "Anna")
    library.group()
    asked = people.candidates(anna)
    assert {one.person.id for one in asked} == {library.person_of(10), library.person_of(20)}
    assert [one.distance for one in asked] == sorted(one.distance for one in asked)
    library.catalogue.people_decisions.mark_distinct(anna, asked[0].person.id)
    assert people.candidates(anna) == asked[1:]
    library.group()
    assert [one.person.id for one in people.candidates(anna)] == [asked[1].person.id]


def test_groups_are_pure_and_whole(library: Library) -> None:
    """Eight persons whose faces vary, in photos of three, and forty strangers; grouped in five portions."""
    random = np.random.default_rng(5)
    looks = {seed: iter(looks_of(seed, 60, spread=0.3)) for seed in range(8)}
    truth: dict[int, int] = {}
    for start in range(0, 60, 12):
        faces: dict[int, Sequence[Face]] = {}
        for number in range(start, start + 12):
            seen = random.choice(8, 3, replace=False).tolist()
            faces[number] = [face(next(looks[one]), 0.1 + 0.2 * at) for at, one in enumerate(seen)]
            faces[number] = [*faces[number], face(looks_of(1000 + number)[0], 0.8)]
            truth |= {number * 10 + at: one for at, one in enumerate([*seen, 1000 + number])}
        unlooked(library, range(start, start + 12))
        library.add(faces)
        library.group()
    groups = defaultdict(list)
    for key, one in truth.items():
        groups[library.person_of(key // 10, key % 10)].append(one)
    strangers = groups.pop(None)
    assert all(len(set(members)) == 1 for members in groups.values()), "pure"
    assert len(groups) == 8, "whole"
    assert len(strangers) == 60


@pytest.mark.parametrize("kept", ["named", "apart", "undone"])
def test_what_is_decided_during_a_grouping_is_not_undone_by_it(library: Library, kept: str) -> None:
    groups = NearGroups(library)
    groups.add_between()
    decisions = library.catalogue.people_decisions
    meanwhile = {
        "named": lambda: decisions.name(groups.second, "Bert"),
        "apart": lambda: decisions.mark_distinct(groups.first, groups.second),
        "undone": decisions.undo,
    }
    pending = [meanwhile[kept]]

    def decide() -> bool:
        if pending:
            pending.pop()()
        return False

    group_faces(library.catalogue, library.vectors, FACE_MODEL, is_stopped=decide)
    assert library.person_of(10) == groups.second
    library.group()
    assert (library.person_of(10) == groups.second) == (kept != "undone")


def test_a_grouping_that_is_stopped_changes_nothing(library: Library) -> None:
    library.add(of(1, range(10)))
    asked = iter([False, False, True])
    with pytest.raises(GroupingStopped):
        group_faces(library.catalogue, library.vectors, FACE_MODEL, is_stopped=lambda: next(asked))
    assert library.catalogue.people.persons() == []
    assert library.group().groups == 1


def test_without_vectors_nothing_changes(library: Library, tmp_path: Path) -> None:
    library.add(of(1, range(5)))
    library.group()
    before = library.catalogue.people.persons()
    library.vectors.close()
    (tmp_path / "faces.db").unlink()
    assert library.group() == GroupingResult(0, 0)
    assert library.catalogue.people.persons() == before
