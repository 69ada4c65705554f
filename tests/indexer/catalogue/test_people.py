"""Faces and persons in the catalogue: found once, labelled by files, and decided about by people."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from indexer.catalogue import Catalogue
from indexer.catalogue.people import AssignedBy
from indexer.catalogue.people_decisions import LONGEST_NAME, DecisionKind, person_name
from indexer.face_box import FaceBox, FaceRegion
from indexer.model import JobKind
from indexer.search.documents import document
from tests.libraries import rescan, settle_all
from tests.people_made import MODEL, catalogue_of, face, look_for_faces, looks_of

ANNA = FaceRegion("Anna", FaceBox(0.2, 0.2, 0.1, 0.1))


@pytest.fixture
def made(tmp_path: Path) -> Iterator[tuple[Catalogue, list[str]]]:
    """Six photos with a face each; the first three are one group, the last three another."""
    catalogue, ids = catalogue_of(tmp_path, 6)
    look_for_faces(catalogue, {one: [face(looks_of(number)[0])] for number, one in enumerate(ids)})
    faces = {one: catalogue.people.faces_of(one)[0].id for one in ids}
    groups = catalogue.faces.new_persons(2)
    catalogue.faces.store_groups(
        [(faces[one], None, None, groups[at // 3], faces[ids[at // 3 * 3]]) for at, one in enumerate(ids)],
        catalogue.faces.last_decision(),
    )
    catalogue.outbox.mark_pushed((one.id, one.revision) for one in catalogue.photos(ids))
    with catalogue:
        yield catalogue, ids


def people_in(catalogue: Catalogue, photo_id: str) -> tuple[str, ...]:
    """By whose names search finds a photo."""
    return document(catalogue.photos([photo_id])[0]).people


def unpushed(catalogue: Catalogue) -> set[str]:
    return {one.id for one in catalogue.unpushed(100)}


def test_faces_are_looked_for_once_whatever_becomes_of_the_files(tmp_path: Path) -> None:
    catalogue, ids = catalogue_of(tmp_path, 2)
    library = tmp_path / "library"
    (library / "copy.jpg").write_bytes((library / "0000.jpg").read_bytes())
    rescan(catalogue, library)
    settle_all(catalogue)
    assert catalogue.faces.enqueue(MODEL) == 2, "a job for each photo, not for each file"
    assert catalogue.faces.enqueue(MODEL) == 0
    assert catalogue.counts().faces_waiting == catalogue.people.counts().photos_waiting == 2
    look_for_faces(catalogue, {ids[0]: [face(looks_of(1)[0]), face(looks_of(2)[0], 0.6)]})
    (library / "0000.jpg").rename(library / "moved.jpg")
    (library / "copy.jpg").unlink()
    rescan(catalogue, library)
    settle_all(catalogue)
    assert catalogue.faces.enqueue(MODEL) == 0
    assert [one.box.left for one in catalogue.people.faces_of(ids[0])] == [0.2, 0.6]
    assert catalogue.faces.enqueue("made-2") == 2, "another model looks at them again"
    catalogue.close()


def test_faces_come_behind_everything_else(tmp_path: Path) -> None:
    catalogue, _ = catalogue_of(tmp_path, 2)
    catalogue.faces.enqueue(MODEL)
    catalogue.queue.enqueue_all(JobKind.METADATA)
    first = [job.kind for job in catalogue.queue.claim(10)]
    assert first[:2] == [JobKind.METADATA] * 2
    catalogue.close()


def test_a_face_keeps_its_id_and_its_person_when_another_model_looks(made: tuple[Catalogue, list[str]]) -> None:
    catalogue, ids = made
    before = catalogue.people.faces_of(ids[0])[0]
    catalogue.people_decisions.name(before.person_id or 0, "Anna")
    catalogue.faces.enqueue("made-2")
    for job in catalogue.queue.claim(100):
        found = [face(looks_of(7)[0], 0.21), face(looks_of(8)[0], 0.7)] if job.content_key == ids[0] else []
        catalogue.faces.settle(job, job.content_key or "", found, "made-2", [])
    first, second = catalogue.people.faces_of(ids[0])
    assert (first.id, first.name, first.box.left) == (before.id, "Anna", 0.21)
    assert second.person_id is None
    assert catalogue.people.faces_of(ids[1]) == [], "what the newer model does not take for a face is none"


def test_a_named_group_is_found_by_its_name(made: tuple[Catalogue, list[str]]) -> None:
    catalogue, ids = made
    first, second = catalogue.people.persons()
    assert (first.photos, first.faces, first.name) == (3, 3, None)
    assert catalogue.people_decisions.name(first.id, "Anna") == first.id
    assert unpushed(catalogue) == set(ids[:3])
    assert [people_in(catalogue, one) for one in ids] == [("Anna",)] * 3 + [()] * 3
    assert catalogue.people.names() == ["Anna"]
    assert catalogue.people.persons(named=False) == [second]
    assert set(catalogue.people.photos_of(first.id)) == set(ids[:3])
    assert catalogue.people.counts().named == 1


def test_the_same_name_is_the_same_person(made: tuple[Catalogue, list[str]]) -> None:
    catalogue, ids = made
    first, second = catalogue.people.persons()
    catalogue.people_decisions.name(first.id, "Änne")
    assert catalogue.people_decisions.name(second.id, "änne") == first.id
    [anna] = catalogue.people.persons()
    assert (anna.id, anna.name, anna.photos) == (first.id, "Änne", 6)
    assert catalogue.people_decisions.undo() is not None
    assert [one.photos for one in catalogue.people.persons()] == [3, 3]
    assert people_in(catalogue, ids[5]) == ()


def test_what_is_not_her_is_hers_no_more(made: tuple[Catalogue, list[str]]) -> None:
    catalogue, ids = made
    first, _ = catalogue.people.persons()
    catalogue.people_decisions.name(first.id, "Anna")
    wrong = catalogue.people.faces_of(ids[1])[0]
    catalogue.outbox.mark_pushed((one.id, one.revision) for one in catalogue.photos(ids))
    assert catalogue.people_decisions.not_this_person([wrong.id])
    assert people_in(catalogue, ids[1]) == ()
    assert unpushed(catalogue) == {ids[1]}
    assert (wrong.id, first.id) in catalogue.faces.rules().rejected
    assert not catalogue.people_decisions.not_this_person([wrong.id]), "it is nobody's any more"
    undone = catalogue.people_decisions.undo()
    assert undone is not None
    assert (undone.kind, undone.person_id) == (DecisionKind.SPLIT, first.id)
    assert catalogue.people.faces_of(ids[1])[0].name == "Anna"
    assert not catalogue.faces.rules().rejected


def test_decisions_are_undone_one_after_the_other(made: tuple[Catalogue, list[str]]) -> None:
    catalogue, ids = made
    decisions = catalogue.people_decisions
    first, second = catalogue.people.persons()

    def state() -> object:
        faces = [catalogue.people.faces_of(one) for one in ids]
        return faces, catalogue.people.persons(), catalogue.people.persons(ignored=True), catalogue.faces.rules()

    steps = [
        lambda: decisions.name(first.id, "Anna"),
        lambda: decisions.assign(catalogue.people.faces_of(ids[5])[0].id, "Anna"),
        lambda: decisions.assign(catalogue.people.faces_of(ids[4])[0].id, "Bert"),
        lambda: decisions.mark_distinct(second.id, first.id),
        lambda: decisions.merge(second.id, first.id),
        lambda: decisions.not_this_person([catalogue.people.faces_of(ids[0])[0].id]),
        lambda: decisions.ignore(second.id),
        lambda: decisions.name(second.id, None),
        lambda: decisions.ignore(second.id, ignored=False),
    ]
    states = []
    for step in steps:
        states.append(state())
        assert step()
        assert state() != states[-1]
    for before in reversed(states):
        assert decisions.last() is not None
        assert decisions.undo() is not None
        faces, persons, ignored, rules = state()  # type: ignore[misc]
        assert (faces, persons, ignored) == before[:3]  # type: ignore[index]
        assert (rules.rejected, rules.distinct) == (before[3].rejected, before[3].distinct)  # type: ignore[index]
    assert decisions.undo() is decisions.last() is None


def test_what_is_unknown_changes_nothing(made: tuple[Catalogue, list[str]]) -> None:
    catalogue, _ = made
    decisions = catalogue.people_decisions
    first, _ = catalogue.people.persons()
    assert decisions.name(99, "Anna") is decisions.assign(99, "Anna") is None
    assert not decisions.merge(first.id, 99)
    assert not decisions.merge(first.id, first.id)
    assert not decisions.mark_distinct(99, first.id)
    assert not decisions.ignore(99)
    assert not decisions.not_this_person([99])
    assert decisions.last() is None


def test_whom_nobody_wants_to_see_is_not_shown_and_not_found(made: tuple[Catalogue, list[str]]) -> None:
    catalogue, ids = made
    first, second = catalogue.people.persons()
    catalogue.people_decisions.name(first.id, "Anna")
    catalogue.people_decisions.ignore(first.id)
    assert people_in(catalogue, ids[0]) == ()
    assert catalogue.people.persons() == [second]
    assert [one.name for one in catalogue.people.persons(ignored=True)] == ["Anna"]
    assert catalogue.people.names() == []


def test_regions_in_files_name_faces(tmp_path: Path) -> None:
    catalogue, ids = catalogue_of(tmp_path, 3)
    moved = FaceRegion("Bert", FaceBox(0.7, 0.2, 0.1, 0.1))
    regions = {ids[0]: [ANNA, moved], ids[1]: [FaceRegion("anna", FaceBox(0.22, 0.21, 0.1, 0.1))]}
    look_for_faces(catalogue, {one: [face(looks_of(number)[0])] for number, one in enumerate(ids)}, regions)
    [anna] = catalogue.people.persons()
    assert (anna.name, anna.photos) == ("Anna", 2), "Bert has no face there"
    assert catalogue.people.faces_of(ids[0])[0].by is AssignedBy.FILE
    assert anna.id in catalogue.faces.rules().decided
    catalogue.close()


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("", None),
        ("\u200b", None),
        ("x" * 10_000, None),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        ("\u202eAnna\x1b[31m\x00\n", "Anna [31m"),
        ("A" + 300 * "\u0301", None),
        ("\ud800Anna", "Anna"),
        ("אבי כהן", "אבי כהן"),
    ],
)
def test_what_files_call_people_is_a_name_as_one_that_is_typed(tmp_path: Path, label: str, name: str | None) -> None:
    catalogue, ids = catalogue_of(tmp_path, 1)
    look_for_faces(catalogue, {ids[0]: [face(looks_of(1)[0])]}, {ids[0]: [FaceRegion(label, ANNA.box)]})
    assert catalogue.people.faces_of(ids[0])[0].name == name
    assert catalogue.people.names() == ([] if name is None else [name])
    assert person_name(label) == name
    catalogue.close()


def test_what_people_decided_goes_before_regions(tmp_path: Path) -> None:
    catalogue, ids = catalogue_of(tmp_path, 1)
    look_for_faces(catalogue, {ids[0]: [face(looks_of(1)[0])]}, {ids[0]: [ANNA]})
    [found] = catalogue.people.faces_of(ids[0])
    catalogue.people_decisions.not_this_person([found.id])
    for label in ("Anna", "ANNA"):
        catalogue.faces.enqueue("made-2")
        for job in catalogue.queue.claim(1):
            region = FaceRegion(label, ANNA.box)
            catalogue.faces.settle(job, ids[0], [face(looks_of(1)[0])], "made-2", [region])
        assert catalogue.people.faces_of(ids[0])[0].person_id is None
        catalogue.faces.look_again([found.id])
    catalogue.close()


def test_a_person_renamed_on_the_page_is_not_renamed_by_the_file(tmp_path: Path) -> None:
    catalogue, ids = catalogue_of(tmp_path, 1)
    look_for_faces(catalogue, {ids[0]: [face(looks_of(1)[0])]}, {ids[0]: [ANNA]})
    [anna] = catalogue.people.persons()
    catalogue.people_decisions.name(anna.id, "Anna Maria")
    catalogue.faces.look_again([catalogue.people.faces_of(ids[0])[0].id])
    look_for_faces(catalogue, {ids[0]: [face(looks_of(1)[0])]}, {ids[0]: [ANNA]})
    assert catalogue.people.faces_of(ids[0])[0].name == "Anna Maria"
    catalogue.close()


def test_switching_off_leaves_no_work(tmp_path: Path) -> None:
    catalogue, ids = catalogue_of(tmp_path, 2)
    assert catalogue.people.switched() is None
    assert not catalogue.people.is_on(False)
    catalogue.people.switch(on=True)
    assert catalogue.people.is_on(False)
    catalogue.faces.enqueue(MODEL)
    [job] = catalogue.queue.claim(1)
    catalogue.people.switch(on=False)
    assert not catalogue.people.is_on(True)
    assert catalogue.counts().faces_waiting == 0
    assert catalogue.faces.settle(job, ids[0], [face(looks_of(1)[0])], MODEL, []) == []
    assert catalogue.people.faces_of(ids[0]) == [], "what was in hand is not stored any more"
    catalogue.close()


def test_a_grouping_never_changes_what_was_decided_meanwhile(made: tuple[Catalogue, list[str]]) -> None:
    catalogue, ids = made
    read = next(one for one in catalogue.faces.grouped(MODEL))
    catalogue.people_decisions.assign(read.id, "Bert")
    stored = catalogue.faces.store_groups(
        [(read.id, read.person_id, read.cluster, None, read.id)], catalogue.faces.last_decision()
    )
    assert stored == 0
    assert catalogue.people.faces_of(ids[0])[0].name == "Bert"


def test_forgetting_keeps_names_only_where_it_is_said(made: tuple[Catalogue, list[str]]) -> None:
    catalogue, ids = made
    first, _ = catalogue.people.persons()
    catalogue.people_decisions.name(first.id, "Anna")
    catalogue.faces.forget(keep_names=True)
    assert catalogue.people.switched() is False
    assert [one.name for one in catalogue.people.persons()] == ["Anna"]
    assert people_in(catalogue, ids[0]) == ("Anna",)
    catalogue.outbox.mark_pushed((one.id, one.revision) for one in catalogue.photos(ids))
    catalogue.faces.forget(keep_names=False)
    assert catalogue.people.counts().faces == 0
    assert catalogue.people.persons(least_photos=0) == []
    assert unpushed(catalogue) == set(ids[:3])
    assert catalogue.faces.count_wanting(MODEL) == 6


def test_forgetting_keeps_of_whom_a_face_is_not_with_the_name(made: tuple[Catalogue, list[str]]) -> None:
    """Else a name in a file, which people said is wrong, would find the photo again."""
    catalogue, ids = made
    first, _ = catalogue.people.persons()
    catalogue.people_decisions.name(first.id, "Anna")
    face_id = catalogue.people.faces_of(ids[0])[0].id
    catalogue.people_decisions.not_this_person([face_id])
    catalogue.faces.forget(keep_names=True)
    assert catalogue.faces.rules().rejected == {(face_id, first.id)}
    assert catalogue.photos([ids[0]])[0].denied_people == ("Anna",)


@pytest.mark.parametrize(
    ("typed", "name"),
    [("  Anna  Maria\n", "Anna Maria"), ("", None), ("\u200b", None), ("x" * (LONGEST_NAME + 1), None)],
)
def test_a_name_is_one_line(typed: str, name: str | None) -> None:
    assert person_name(typed) == name
