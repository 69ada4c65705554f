"""Every text of the page can be translated, and every translation is whole."""

from __future__ import annotations

import gettext
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from babel.messages import Catalog
from babel.messages import Message as Translated
from babel.messages.pofile import read_po

from indexer.atomic.file_read import stamp_of
from indexer.errors import SearchError
from indexer.message import Message
from indexer.model import FoundFile, PhotoMetadata, Position
from indexer.progress import Phase, Progress
from indexer.reasons import Reason, ReasonCode
from tests.libraries import note_one
from tests.web.conftest import Page, StartPage
from tests.web.library_made import TAKEN, MadePhoto, content_key
from tests.web.served import IDLE
from web.i18n.language import LANGUAGES_DIRECTORY, Languages, Translation, read_languages, translate
from web.i18n.messages import messages, update

CODES = sorted(path.stem for path in LANGUAGES_DIRECTORY.glob("*.po"))
_PLACE = re.compile(r"%\((\w+)\)s|%%|\{\}")


def translated(code: str) -> Catalog:
    with (LANGUAGES_DIRECTORY / f"{code}.po").open("rb") as file:
        return read_po(file, locale=code)


def of(catalogue: Catalog) -> dict[tuple[str, str], Translated]:
    return {(one.context or "", _first(one.id)): one for one in catalogue if one.id}


def _first(texts: str | list[str] | tuple[str, ...]) -> str:
    return texts if isinstance(texts, str) else texts[0]


def _all(texts: str | list[str] | tuple[str, ...]) -> list[str]:
    return [texts] if isinstance(texts, str) else list(texts)


def test_german_is_there() -> None:
    assert "de" in CODES


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("reason", ReasonCode)
def test_every_reason_is_translated_with_its_parameters(reason: ReasonCode, code: str) -> None:
    message = of(translated(code)).get(("", reason.template))
    assert message is not None
    assert message.string
    assert not message.fuzzy
    assert set(re.findall(r"%\((\w+)\)s", str(message.string))) == reason.parameters


def test_a_reason_is_said_in_the_readers_language_with_the_reasons_in_it() -> None:
    no_sidecar = Reason.of(ReasonCode.NO_SIDECAR, reason=Reason(ReasonCode.DISK_FULL))
    reason = Reason.joined([Reason(ReasonCode.XMP_SEVERAL), no_sidecar])
    assert str(reason) == "the file has several XMP packets; no sidecar: the disk is full"
    with Languages(read_languages()).for_header("de").as_current():
        assert translate(reason) == "die Datei hat mehrere XMP-Pakete; keine Begleitdatei: der Datenträger ist voll"
        assert translate(Reason.of(ReasonCode.EXIF_FULL, size=70_000, limit=65_533)) == (
            "der Exif-Block würde auf 70.000 Bytes wachsen; 65.533 passen hinein"
        )
        assert translate(Reason.of(ReasonCode.READ_FAILED, detail="%(detail)s <b>\n")) == (
            "die Datei ist nicht lesbar (%(detail)s <b>\n)"
        )


@pytest.mark.slow
@pytest.mark.parametrize("code", CODES)
def test_every_text_is_translated_and_none_that_is_gone(code: str) -> None:
    there, wanted = of(translated(code)), of(messages())
    assert there.keys() == wanted.keys(), f"run: python -m web.i18n.messages {code}"
    for key, message in there.items():
        assert not message.fuzzy, key
        assert _all(message.id) == _all(wanted[key].id)
        assert all(_all(message.string)), f"{key} has no translation"
        assert message.pluralizable == (len(_all(message.string)) > 1)


@pytest.mark.parametrize("code", CODES)
def test_translations_have_the_places_and_the_marks_of_their_texts(code: str) -> None:
    for message in of(translated(code)).values():
        for string in _all(message.string):
            assert set(_PLACE.findall(string)) <= set(_PLACE.findall(_all(message.id)[-1])), message.id
            assert re.findall(r"</?\w+[^>]*>", string) == re.findall(r"</?\w+[^>]*>", _all(message.id)[-1])
            assert "%(" not in string % Values()
        assert set(_PLACE.findall(_all(message.string)[-1])) == set(_PLACE.findall(_all(message.id)[-1])), message.id


class Values(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return name


@pytest.mark.slow
@pytest.mark.parametrize("code", CODES)
def test_an_update_keeps_what_is_translated_and_another_one_changes_nothing(code: str, tmp_path: Path) -> None:
    path = tmp_path / f"{code}.po"
    path.write_bytes((LANGUAGES_DIRECTORY / f"{code}.po").read_bytes())
    once = update(code, tmp_path).read_bytes()
    assert update(code, tmp_path).read_bytes() == once
    with path.open("rb") as file:
        texts = {key: one.string for key, one in of(read_po(file, locale=code)).items()}
    assert texts == {key: one.string for key, one in of(translated(code)).items()}


@pytest.mark.slow
def test_a_new_language_begins_with_every_text_and_its_own_plurals(tmp_path: Path) -> None:
    path = update("pl", tmp_path)
    begun = path.read_text(encoding="utf-8")
    assert "nplurals=3" in begun
    assert begun.count("msgid") == (LANGUAGES_DIRECTORY / "de.po").read_text(encoding="utf-8").count("msgid")
    assert Languages(read_languages(tmp_path)).for_header("pl").texts.gettext("Save") == "Save"


# ---------------------------------------------------------------- every page, with every text in brackets


class Bracketed(gettext.NullTranslations):
    def gettext(self, message: str) -> str:
        return f"\u27e6{message}\u27e7"

    def ngettext(self, one: str, many: str, count: int) -> str:
        return self.gettext(one if count == 1 else many)


def bracketed() -> dict[str, Translation]:
    return {"nl": Translation(Bracketed())}


#: Attributes that people see or hear.
_SHOWN_ATTRIBUTES = {"alt", "title", "aria-label", "placeholder", "data-announcement"}
#: Names that are nobody's language: of the program, formats and units.
_NAMES = {"recollect", "JPEG", "ISO", "mm", "km", "UTC", "MB", "kB", "GB", "byte", "test", "embedded", "min", "webp"}


#: What has its own words, in these elements, or in those of this class.
_OWN = {"script", "style", "svg", "time", "code", "textarea", "bdi"}
_OWN_CLASS = "path"
_VOID = {"input", "img", "br", "meta", "link", "path", "circle"}


class Seen(HTMLParser):
    """Everything that is seen or heard of a page, but for what is the library's own."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._open: list[bool] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.texts += [value or "" for name, value in attributes if name in _SHOWN_ATTRIBUTES]
        if tag not in _VOID:
            self._open.append(tag in _OWN or dict(attributes).get("class") == _OWN_CLASS)

    def handle_endtag(self, tag: str) -> None:
        if tag not in _VOID:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        if not any(self._open):
            self.texts.append(data)


def unmarked(html: str) -> Iterator[str]:
    """Words of a page outside of brackets. Those of the library that are shown in a sentence are written in Greek."""
    seen = Seen()
    seen.feed(html)
    depth, outside = 0, []
    for letter in " ".join(seen.texts):
        depth += (letter == "\u27e6") - (letter == "\u27e7")
        outside.append(letter if not depth else " ")
    for word in re.findall(r"[A-Za-z]{2,}(?!\w*:\S)", "".join(outside)):  # a filter's name is the same for everybody
        if word not in _NAMES:
            yield word


GREEK = PhotoMetadata(
    mime_type="image/jpeg",
    width_px=1200,
    height_px=800,
    taken_at=TAKEN,
    camera="Φακός 7",
    lens="Γυαλί",
    title="Τίτλος",
    keywords=("ήλιος",),
    people=("Άννα",),
    rating=4,
    exposure_s=0.004,
    f_number=2.8,
    iso=200,
    focal_length_mm=35,
    position=Position(-45.7640, -4.8357, 12),
)
PHOTOS = [
    MadePhoto("Ελλάδα/ήλιος.webp", "ένα καράβι", 0.9, (("καράβι", 0.9),), GREEK),
    MadePhoto("Ελλάδα/λίμνη.webp", "ένα σπίτι", 0.1, (("σπίτι", 0.2),)),
    MadePhoto("φεγγάρι.webp", None),
]
_BUSY = Progress(done=1, queued=9, per_second=1.5, eta_s=900, phase=Phase.INDEXING, walking=True)
PATHS = [
    "/",
    "/?select=1",
    "/?q=καράβι",
    "/?q=καραβι",
    "/?q=φεγγάρι+ήλιος",
    "/?q=person:Άννα+φεγγάρι",
    "/?q=year:201",
    "/?q=near:0",
    "/?sort=x",
    "/status",
    "/status?retried=2",
    "/nowhere",
    f"/photo/{content_key('Ελλάδα/ήλιος.webp')}?q=καράβι&at=0",
    f"/photo/{content_key('Ελλάδα/λίμνη.webp')}",
    f"/photo/{content_key('φεγγάρι.webp')}",
    f"/photo/{'0' * 32}",
]


async def bracketed_page(start_page: StartPage, photos: Sequence[MadePhoto] = PHOTOS, **changes: Any) -> Page:
    """A page in Dutch, whose translation puts each text in brackets."""
    behind = {"languages": bracketed(), **changes.pop("behind", {})}
    return await start_page(photos, behind=behind, language="nl", **changes)


async def assert_all_is_translated(page: Page, path: str) -> None:
    async with page.get(path) as response:
        html = await response.text()
    assert "\u27e6" in html
    assert sorted(set(unmarked(html))) == [], path


@pytest.mark.slow
async def test_no_text_of_any_page_is_forgotten(start_page: StartPage) -> None:
    page = await bracketed_page(start_page)
    catalogue, root = page.storage.catalogue, page.settings.photos[0]
    (root / "δρόμος.webp").write_bytes(b"")
    note_one(catalogue, FoundFile(root, root / "δρόμος.webp", stamp_of((root / "δρόμος.webp").stat())))
    for job in catalogue.queue.claim(9):
        catalogue.queue.fail(job, Reason(ReasonCode.FILE_EMPTY), kind="unreadable", final=True)
    for path in PATHS:
        await assert_all_is_translated(page, path)
    one = content_key("Ελλάδα/ήλιος.webp")
    catalogue.feedback.change_words(one, add=("γιορτή",))
    for change in (
        catalogue.feedback.mark_wrong,
        lambda photo: catalogue.corrections.correct(photo, "καμία βάρκα"),
        catalogue.corrections.withdraw,
    ):
        change(one)
        await assert_all_is_translated(page, f"/photo/{one}")
    for form, fields in (("caption", {"text": "\u200b"}), ("words", {"text": "ω" * 101})):
        async with page.post(f"/photo/{one}/{form}", data=fields) as response:
            assert response.status == 400
            assert sorted(set(unmarked(await response.text()))) == []


@pytest.mark.slow
async def test_no_text_is_forgotten_where_there_is_nothing_to_see(start_page: StartPage) -> None:
    for progress in (IDLE, _BUSY, replace(_BUSY, queued=0, phase=Phase.STARTING)):
        page = await bracketed_page(start_page, (), progress=progress)
        for path in ("/", "/?q=φεγγάρι", "/status", "/?part=progress"):
            await assert_all_is_translated(page, path)
    busy = await bracketed_page(start_page, progress=_BUSY)
    for path in ("/", "/?q=φεγγάρι", "/status"):
        await assert_all_is_translated(busy, path)


@pytest.mark.slow
async def test_no_text_is_forgotten_at_the_door_or_where_search_is_away(start_page: StartPage) -> None:
    page = await bracketed_page(start_page, password="κωδικός σπιτιού")
    await assert_all_is_translated(page, "/login")
    async with page.post("/login", data={"password": "x"}) as response:
        assert sorted(set(unmarked(await response.text()))) == []
    await assert_all_is_translated(page, "/thumbnails/" + "0" * 32 + "/grid.webp")
    away = await bracketed_page(start_page, behind={"search": Away()})
    for path in ("/", "/?q=φεγγάρι", "/status"):
        await assert_all_is_translated(away, path)


class Away:
    """A search whose server is away."""

    name = "embedded"

    def __getattr__(self, name: str) -> Any:
        def refuse(*_: Any, **__: Any) -> Any:
            raise SearchError(Message("the search index %(path)s is closed", path="x"), hint=Message("see its log"))

        return refuse
