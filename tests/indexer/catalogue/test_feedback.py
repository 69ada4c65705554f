"""What people say of a photo beside its caption: words of their own, and that the model is wrong."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from captioner import Caption
from indexer.catalogue import Catalogue
from indexer.catalogue.corrections import LONGEST_ADDED_WORD, MOST_ADDED_WORDS, UnusableCorrection, added_words
from indexer.catalogue.schema import CATALOGUE_MIGRATIONS
from indexer.model import CaptionBy, JobKind, Photo
from indexer.search.documents import document
from indexer.search.embedded.backend import EmbeddedSearch
from indexer.search.fields import FIELD_WEIGHTS, Fields
from indexer.search.meilisearch import layout
from indexer.search.meilisearch.layout import to_server_json
from indexer.search.query import parse
from indexer.sqlite.database import Database
from tests.libraries import WORDS, indexed, rescan, settle_all, write


@pytest.fixture
def catalogue(tmp_path: Path, root: Path) -> Iterator[Catalogue]:
    with Catalogue(tmp_path / "catalogue.db") as opened:
        rescan(opened, root)
        settle_all(opened)
        pushed(opened)
        yield opened


def the_photo(catalogue: Catalogue) -> Photo:
    [photo] = catalogue.photos(catalogue.photo_ids())
    return photo


def pushed(catalogue: Catalogue) -> None:
    catalogue.outbox.mark_pushed([(photo.id, photo.revision) for photo in catalogue.unpushed(9)])


def captioned_again(catalogue: Catalogue, caption: Caption) -> None:
    """What the pipeline settles for a newer model."""
    for job in catalogue.queue.claim(9):
        said = caption if job.kind is JobKind.CAPTION else None
        catalogue.settle(job, replace(indexed(job, caption=said), file_read=False))


def test_what_is_marked_as_wrong_is_not_shown_not_counted_and_search_hears_of_it(catalogue: Catalogue) -> None:
    photo_id = the_photo(catalogue).id
    assert catalogue.counts().with_caption == 1
    assert catalogue.feedback.mark_wrong(photo_id)
    photo = the_photo(catalogue)
    assert (photo.caption, photo.caption_by, photo.wrong, photo.accepted_machine) == (None, None, True, None)
    assert photo.machine is not None
    assert photo.machine.text == WORDS.text, "kept, for whoever takes the mark back"
    assert not photo.unsure
    assert catalogue.counts().with_caption == 0
    assert catalogue.feedback.count_marked_wrong() == 1
    assert [one.id for one in catalogue.unpushed(9)] == [photo_id]
    assert not catalogue.feedback.mark_wrong(photo_id), "twice is no news"
    assert not catalogue.feedback.mark_wrong("0" * 32)


def test_the_mark_can_be_taken_back(catalogue: Catalogue) -> None:
    photo_id = the_photo(catalogue).id
    assert not catalogue.feedback.unmark_wrong(photo_id)
    catalogue.feedback.mark_wrong(photo_id)
    pushed(catalogue)
    assert catalogue.feedback.unmark_wrong(photo_id)
    photo = the_photo(catalogue)
    assert (photo.caption, photo.caption_by, photo.wrong) == (WORDS.text, CaptionBy.MODEL, False)
    assert [one.id for one in catalogue.unpushed(9)] == [photo_id]
    assert catalogue.feedback.count_marked_wrong() == 0


def test_the_files_hear_of_a_mark_unless_a_correction_stands_in_them(catalogue: Catalogue) -> None:
    photo_id = the_photo(catalogue).id
    catalogue.feedback.mark_wrong(photo_id)
    assert [job.kind for job in catalogue.queue.claim(9)] == [JobKind.WRITE_CAPTION]
    catalogue.queue.release(catalogue.queue.claimed())
    settle_all(catalogue, caption=None)
    catalogue.feedback.unmark_wrong(photo_id)
    settle_all(catalogue, caption=None)
    catalogue.corrections.correct(photo_id, "Oma feeds the ducks")
    settle_all(catalogue, caption=None)
    catalogue.feedback.mark_wrong(photo_id)
    assert catalogue.queue.claim(9) == []
    assert the_photo(catalogue).caption == "Oma feeds the ducks"


def test_a_mark_survives_a_rescan_and_the_same_model(catalogue: Catalogue, root: Path) -> None:
    photo_id = the_photo(catalogue).id
    catalogue.feedback.mark_wrong(photo_id)
    settle_all(catalogue, caption=None)
    shutil.copy(root / "a.jpg", root / "b.jpg")
    rescan(catalogue, root)
    settle_all(catalogue)
    assert the_photo(catalogue).wrong
    assert catalogue.queue.enqueue_all(JobKind.CAPTION, model=WORDS.model) == 0
    assert catalogue.queue.enqueue_all(JobKind.CAPTION, model=WORDS.model, only_wrong=True) == 0


def test_the_next_model_tries_again_and_is_believed_unless_it_says_the_same(catalogue: Catalogue) -> None:
    catalogue.feedback.mark_wrong(the_photo(catalogue).id)
    settle_all(catalogue, caption=None)
    assert catalogue.queue.enqueue_all(JobKind.CAPTION, model="model-2", only_wrong=True) == 1
    captioned_again(catalogue, replace(WORDS, model="model-2"))
    photo = the_photo(catalogue)
    assert (photo.caption, photo.wrong) == (None, True)
    assert catalogue.queue.enqueue_all(JobKind.CAPTION, model="model-3") == 1
    captioned_again(catalogue, replace(WORDS, text="a boat on a river", model="model-3"))
    photo = the_photo(catalogue)
    assert (photo.caption, photo.wrong) == ("a boat on a river", False)
    assert catalogue.feedback.models() == {"model-3": 1}
    assert catalogue.feedback.count_marked_wrong() == 0


def test_what_was_marked_comes_first_when_all_is_captioned_again(catalogue: Catalogue, root: Path) -> None:
    for name in ("b.jpg", "c.jpg"):
        write(root / name)
    rescan(catalogue, root)
    settle_all(catalogue)
    marked = next(photo for photo in catalogue.photos(catalogue.photo_ids()) if photo.files[0].relative == "c.jpg")
    catalogue.feedback.mark_wrong(marked.id)
    settle_all(catalogue, caption=None)
    assert catalogue.queue.enqueue_all(JobKind.CAPTION, model="model-2") == 3
    assert [job.file.path.name for job in catalogue.queue.claim(9)] == ["c.jpg", "a.jpg", "b.jpg"]


def test_added_words_are_kept_in_their_order_through_everything(catalogue: Catalogue, root: Path) -> None:
    photo_id = the_photo(catalogue).id
    assert catalogue.feedback.change_words(photo_id, add=("Oma's garden", "Lisbeth"))
    assert catalogue.feedback.change_words(photo_id, add=("LISBETH", "ducks"))
    assert the_photo(catalogue).added_words == ("Oma's garden", "Lisbeth", "ducks")
    assert [one.id for one in catalogue.unpushed(9)] == [photo_id]
    pushed(catalogue)
    assert catalogue.feedback.change_words(photo_id, add=("lisbeth",), remove=("nobody",))
    assert catalogue.unpushed(9) == [], "nothing changed"
    (root / "a.jpg").rename(root / "moved.jpg")
    rescan(catalogue, root)
    settle_all(catalogue)
    catalogue.queue.enqueue_all(JobKind.CAPTION, model="model-2")
    captioned_again(catalogue, replace(WORDS, model="model-2"))
    assert the_photo(catalogue).added_words == ("Oma's garden", "Lisbeth", "ducks")
    assert catalogue.feedback.change_words(photo_id, remove=("lisbeth", "DUCKS"))
    assert the_photo(catalogue).added_words == ("Oma's garden",)
    assert not catalogue.feedback.change_words("0" * 32, add=("x",))


def test_a_photo_takes_so_many_words(catalogue: Catalogue) -> None:
    photo_id = the_photo(catalogue).id
    catalogue.feedback.change_words(photo_id, add=[f"word {number}" for number in range(MOST_ADDED_WORDS)])
    with pytest.raises(UnusableCorrection, match="at most 64"):
        catalogue.feedback.change_words(photo_id, add=("one more",))
    assert len(the_photo(catalogue).added_words) == MOST_ADDED_WORDS
    assert catalogue.feedback.change_words(photo_id, add=("one more",), remove=("word 0",))


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("ducks", ("ducks",)),
        (" Oma\u2019s  garden,ducks ; DUCKS\n\u200b,, Ben", ("Oma\u2019s garden", "ducks", "Ben")),
        ("e\u0301te\u0301", ("\xe9t\xe9",)),
        ("\u202eevil\x00", ("evil",)),
        ("鴨、湖", ("鴨", "湖")),
    ],
)
def test_commas_lie_between_words(typed: str, kept: tuple[str, ...]) -> None:
    assert added_words([typed]) == kept


@pytest.mark.parametrize("typed", ["", " , ;", "\u200b", "x" * (LONGEST_ADDED_WORD + 1), "x" * 30_000, "a," * 9000])
def test_what_is_no_word_is_refused_with_a_reason(typed: str) -> None:
    with pytest.raises(UnusableCorrection, match="Nothing was changed"):
        added_words([typed])


def test_search_finds_added_words_as_strongly_as_a_caption(catalogue: Catalogue, tmp_path: Path) -> None:
    catalogue.feedback.change_words(the_photo(catalogue).id, add=("Oma's garden",))
    found = document(the_photo(catalogue))
    assert found.added_words == ("Oma's garden",)
    assert Fields.of(found).strengths["garden"] > 255 * FIELD_WEIGHTS["keywords"]
    stored = to_server_json(found, ())
    assert "oma garden" in stored["texts"]
    assert any("garden" in stored.get(name, ()) for name in layout.WORDS[:5])
    assert stored["facet_tag"] == ["dog", "beach", "oma's garden"]
    with closing(EmbeddedSearch(tmp_path / "search.db")) as search:
        search.put([found])
        for text in ("garden", "gardne", 'tag:"oma\'s garden"', '"oma\'s garden" dog'):
            assert search.search(parse(text)).total == 1, text
        [hit] = search.search(parse("garden")).hits
        assert [(why.field, why.text) for why in hit.why] == [("keywords", "Oma's garden")]


def test_search_forgets_the_words_that_were_marked_and_keeps_the_look(catalogue: Catalogue, tmp_path: Path) -> None:
    catalogue.feedback.mark_wrong(the_photo(catalogue).id)
    found = document(the_photo(catalogue))
    assert (found.machine_caption, found.tags) == ("", ())
    assert found.embedding is not None
    assert found.model == WORDS.model
    with closing(EmbeddedSearch(tmp_path / "search.db")) as search:
        search.put([found])
        for text in ("dog", "beach", "tag:dog"):
            assert search.search(parse(text)).total == 0, text


def test_a_correction_is_searched_beside_a_mark(catalogue: Catalogue) -> None:
    photo_id = the_photo(catalogue).id
    catalogue.feedback.mark_wrong(photo_id)
    catalogue.corrections.correct(photo_id, "Oma feeds the ducks")
    found = document(the_photo(catalogue))
    assert (found.person_caption, found.machine_caption) == ("Oma feeds the ducks", "")


def test_a_catalogue_of_before_gets_the_new_columns(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    Database(path, CATALOGUE_MIGRATIONS[:4]).close()
    with closing(sqlite3.connect(path)) as old, old:
        old.execute(
            """INSERT INTO photo (id, mime_type, width_px, height_px, machine_text, machine_confidence, machine_model,
            tags, added_at) VALUES ('a', 'image/jpeg', 4, 3, 'a dog', 0.5, 'm', '[]', '2024-01-01T00:00:00+00:00')"""
        )
    with Catalogue(path) as opened:
        photo = opened.photo("a")
        assert photo is not None
        assert (photo.caption, photo.added_words, photo.wrong) == ("a dog", (), False)
        assert opened.counts().with_caption == 1
        assert opened.feedback.models() == {"m": 1}
