"""Every page and every state of a page that somebody may meet, by name: each is looked at by tests of all pages.

Scenes are played over one library (`household`), and those that need another household over their own (`HOUSEHOLDS`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from aiohttp.test_utils import TestServer
from playwright.async_api import Page, expect

from indexer.atomic.file_read import stamp_of
from indexer.errors import SearchError
from indexer.model import FoundFile, PhotoMetadata, Position
from indexer.progress import Phase, Progress
from indexer.settings import Settings
from indexer.storage import Storage
from tests.libraries import note_one
from tests.reasons_made import reason_saying
from tests.web.faces_made import meet, party
from tests.web.library_made import TAKEN, MadePhoto, content_key, made_library, many
from tests.web.served import IDLE
from tests.web.test_hostile import hostile_photo
from web.app import make_app

QUAY, MARKED, WORDY = "Lyon/quay.jpg", "Lyon/marked.jpg", "Lyon/wordy.jpg"
FRAME = "IMG_20210714_154212_BURST000.jpg"
PASSWORD = "grandma's garden"
BUSY = Progress(done=60, queued=940, per_second=4.2, eta_s=2400, phase=Phase.INDEXING, walking=True)
STUCK = replace(BUSY, problems=("the library /Pictures is empty, where it was not: waiting for it",))


class Down:
    """A store of the page that answers nothing."""

    name = "meilisearch"

    def __getattr__(self, name: str) -> Any:
        def refuse(*_: Any, **__: Any) -> Any:
            raise SearchError("nobody answers at http://127.0.0.1:7700", hint="is Meilisearch running?")

        return refuse


def photos() -> list[MadePhoto]:
    """Ordinary photos, one with everything that can be known of a photo, one with hostile words."""
    full = PhotoMetadata(
        mime_type="image/jpeg",
        width_px=1200,
        height_px=800,
        taken_at=TAKEN,
        camera="Google Pixel 7",
        lens="Pixel 7 back camera 6.81mm f/1.85",
        title="At the quay",
        keywords=("holiday", "river"),
        people=("Anna", "Ben"),
        rating=4,
        position=Position(45.7640, 4.8357),
    )
    tags = (("boat", 0.93), ("river", 0.71), ("bridge", 0.42))
    others = [MadePhoto(MARKED, "a plane on a river"), MadePhoto(WORDY, "word " * 300, 0.2)]
    return [MadePhoto(QUAY, "a boat on a river in the snow", 0.8, tags, full), *others, hostile_photo(), *many(90)]


def make_interesting(storage: Storage, root: Path) -> None:
    """Two files set aside, a photo marked as wrong, one with added words."""
    for name in ("broken.jpg", "a folder with a long name/" + "long " * 20 + "name.jpg"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(b"no picture")
        note_one(storage.catalogue, FoundFile(root, root / name, stamp_of((root / name).stat())))
    for job in storage.catalogue.queue.claim(9):
        storage.catalogue.queue.fail(
            job, reason_saying("it is damaged: the end of the file is missing"), kind="unreadable", final=True
        )
    storage.catalogue.feedback.mark_wrong(content_key(MARKED))
    storage.catalogue.feedback.change_words(content_key(QUAY), add=("Oma\u2019s birthday", "picnic"))


def make_troubled(storage: Storage, root: Path) -> None:
    """Folders that may not be read, captions that find no room, and a library whose losses are not believed."""
    walk = storage.catalogue.scans.begin_scan(root)
    for name in ("2024", "a folder with a long name/" + "long " * 20 + "name"):
        walk.unreadable[name.encode()] = "EACCES"
    storage.catalogue.scans.finish_scan(walk)
    with storage.catalogue._database.transaction() as writer:
        writer.execute("UPDATE file SET obstacle = 'space' WHERE id % 2 = 0")
        writer.execute("UPDATE root SET held_back = ?", (f"{root} is not there: it is looked for every minute",))


@dataclass(frozen=True, slots=True)
class Household:
    """What is special about the page somebody meets."""

    made: Callable[[], list[MadePhoto]] = list
    progress: Progress = IDLE
    password: str = ""
    search_is_down: bool = False


def bursts() -> list[MadePhoto]:
    """A photo of many frames, and others."""
    taken = PhotoMetadata("image/jpeg", 400, 300, TAKEN, camera="Canon EOS 80D")
    frames = (FRAME.replace("000", f"{frame:03}") for frame in range(70))
    return [*(MadePhoto(frame, metadata=taken) for frame in frames), *many(6)]


HOUSEHOLDS = {
    "all": Household(photos),
    "empty": Household(),
    "beginning": Household(progress=BUSY),
    "busy": Household(lambda: list(many(12)), BUSY),
    "stuck": Household(lambda: list(many(12)), STUCK),
    "troubled": Household(lambda: list(many(12))),
    "locked": Household(lambda: list(many(3)), password=PASSWORD),
    "bursts": Household(bursts),
    "people": Household(party),
    "down": Household(lambda: list(many(12)), search_is_down=True),
}


@asynccontextmanager
async def household(name: str, directory: Path, **changes: Any) -> AsyncIterator[tuple[TestServer, Storage]]:
    """The page of one of `HOUSEHOLDS` on a port, with `changes` to its settings."""
    plan = HOUSEHOLDS[name]
    settings = Settings(
        photos=(directory / "Pictures",),
        data_dir=directory / "data",
        grid_px=96,
        screen_px=512,
        password=plan.password,
        **changes,
    )
    settings.photos[0].mkdir(parents=True)
    with made_library(settings, plan.made()) as storage:
        if name == "all":
            make_interesting(storage, settings.photos[0])
        if name == "troubled":
            make_troubled(storage, settings.photos[0])
        if name == "people":
            meet(storage, {"Ben": "Ben " + "with a long name " * 5})
        stores: dict[str, Any] = {kind: getattr(storage, kind) for kind in ("catalogue", "thumbnails", "search")}
        if plan.search_is_down:
            stores["search"] = Down()
        async with TestServer(make_app(settings, **stores, progress=lambda: plan.progress)) as server:
            yield server, storage


@asynccontextmanager
async def every_household(directory: Path, **changes: Any) -> AsyncIterator[dict[str, TestServer]]:
    """All of them at once."""
    async with AsyncExitStack() as stack:
        servers = {}
        for name in HOUSEHOLDS:
            servers[name], _ = await stack.enter_async_context(household(name, directory / name, **changes))
        yield servers


Deed = Callable[[Page], Awaitable[None]]


async def nothing(tab: Page) -> None:
    """The page as it comes."""


async def suggest(tab: Page) -> None:
    await tab.locator("#q").press_sequentially("snow an")
    await expect(tab.locator("#suggestions [role=option]").first).to_contain_text("Anna")
    await tab.keyboard.press("ArrowDown")


async def open_filters(tab: Page) -> None:
    await tab.locator("summary[data-name], #filters summary").first.click()
    await expect(tab.locator(".sheet").first).to_be_visible()


async def zoom(tab: Page) -> None:
    await tab.locator("[data-zoom=in]").click()
    await expect(tab.locator(".percent")).to_contain_text("150")


async def correct(tab: Page) -> None:
    await tab.locator(".correct summary").click()
    await expect(tab.locator("#words")).to_be_focused()


async def correct_badly(tab: Page) -> None:
    await correct(tab)
    await tab.locator("#words").fill("\u200b")
    await tab.locator(".actions button").first.click()
    await expect(tab.locator(".correct [role=alert]")).to_be_visible()


async def add_badly(tab: Page) -> None:
    await tab.locator("#more").fill("x" * 101)
    await tab.locator("#more").press("Enter")
    await expect(tab.locator(".adding [role=alert]")).to_be_visible()


async def enter_badly(tab: Page) -> None:
    await tab.locator("#password").fill("wrong")
    await tab.locator("#password").press("Enter")
    await expect(tab.locator("[role=alert]")).to_be_visible()


async def sign_in(tab: Page) -> None:
    await tab.locator("#password").fill(PASSWORD)
    await tab.locator("#password").press("Enter")
    await expect(tab.locator("[action$='/logout/everywhere'] button")).to_be_visible()


async def select(tab: Page) -> None:
    await tab.locator("#grid .tile").first.click(position={"x": 20, "y": 20})
    await expect(tab.locator("#grid .tile").first).to_have_attribute("aria-checked", "true")
    await tab.locator("#grid .tile").nth(1).focus()


async def quote_captions(tab: Page) -> None:
    await select(tab)
    await tab.evaluate("delete Navigator.prototype.clipboard; document.execCommand = () => false")
    await tab.locator(".selection-bar [data-action=captions]").click()
    await expect(tab.locator("#captions textarea")).to_be_focused()


async def name_badly(tab: Page) -> None:
    await tab.locator(".asking input[name=name]").fill("\u200b")
    await tab.locator(".asking input[name=name]").press("Enter")
    await expect(tab.locator(".asking [role=alert]")).to_be_visible()


async def show_faces(tab: Page) -> None:
    await tab.locator("#show-faces").click()
    await expect(tab.locator("#faces .face")).to_have_count(3)


async def name_face(tab: Page) -> None:
    await show_faces(tab)
    await tab.locator(".face summary").last.click()
    await expect(tab.locator(".face [open] input[name=name]")).to_be_focused()


async def lose_the_server(tab: Page) -> None:
    await tab.route("**/?q=x&part=beginning", lambda route: route.abort())
    await tab.locator("#q").fill("x")
    await expect(tab.locator("#results > .state")).to_be_visible()


@dataclass(frozen=True, slots=True)
class Scene:
    """An address, and what is done there."""

    path: str
    deed: Deed = nothing
    household: str = "all"


def photo_path(name: str, query: str = "") -> str:
    return f"/photo/{content_key(name)}{query}"


SCENES = {
    "all photos": Scene("/"),
    "found": Scene("/?q=snow"),
    "selecting": Scene("/?q=snow", select),
    "captions in a field": Scene("/?q=snow", quote_captions),
    "found by filters": Scene("/?q=" + quote("person:Anna year:2021")),
    "found by a time": Scene("/?q=" + quote("snow summer 2021")),
    "found with a time offered": Scene("/?q=" + quote("sunday snow")),
    "found near": Scene("/?q=near:Lyon"),
    "found in another order": Scene("/?q=snow&sort=oldest"),
    "misspelt": Scene("/?q=moutains"),
    "words left out": Scene("/?q=" + quote("dog beach xylophone")),
    "nothing found": Scene("/?q=" + quote('"xylophone orchestra"')),
    "a part too many": Scene("/?q=" + quote("snow person:Anna year:1999")),
    "wrong filter": Scene("/?q=yaer:2021"),
    "wrong order": Scene("/?q=dog&sort=sideways"),
    "page two": Scene("/?page=2"),
    "suggestions": Scene("/", suggest),
    "filters open": Scene("/?q=snow", open_filters),
    "photo": Scene(photo_path(QUAY, "?q=boat&at=0")),
    "photo of no search": Scene(photo_path(QUAY)),
    "zoomed": Scene(photo_path(QUAY, "?q=boat&at=0"), zoom),
    "correcting": Scene(photo_path(QUAY), correct),
    "correction refused": Scene(photo_path(QUAY), correct_badly),
    "words refused": Scene(photo_path(QUAY), add_badly),
    "marked as wrong": Scene(photo_path(MARKED)),
    "long caption": Scene(photo_path(WORDY)),
    "hostile photo": Scene(photo_path(hostile_photo().name, "?q=dog&at=0")),
    "status": Scene("/status"),
    "retried": Scene("/status?retried=2"),
    "described again": Scene("/status?described=94"),
    "not found": Scene("/nothing/here"),
    "no answer": Scene("/", lose_the_server),
    "no photos yet": Scene("/", household="empty"),
    "status of nothing": Scene("/status", household="empty"),
    "looking": Scene("/", household="beginning"),
    "busy": Scene("/", household="busy"),
    "busy status": Scene("/status", household="busy"),
    "stuck": Scene("/", household="stuck"),
    "status with troubles": Scene("/status", household="troubled"),
    "sign in": Scene("/login?next=/status", household="locked"),
    "signed in": Scene("/login?next=/status", sign_in, household="locked"),
    "refused": Scene("/login", enter_badly, household="locked"),
    "similar photos": Scene("/", household="bursts"),
    "each of the similar photos": Scene("/?q=similar:all", household="bursts"),
    "photo of a burst": Scene(photo_path(FRAME, "?at=0"), household="bursts"),
    "people switched off": Scene("/people"),
    "people": Scene("/people", household="people"),
    "a name refused": Scene("/people", name_badly, household="people"),
    "nobody ignored": Scene("/people?show=ignored", household="people"),
    "person": Scene("/people/1", household="people"),
    "person without a name": Scene("/people/3", household="people"),
    "no such person": Scene("/people/999", household="people"),
    "faces of a photo": Scene(photo_path("party/1.jpg"), show_faces, household="people"),
    "naming a face": Scene(photo_path("party/1.jpg"), name_face, household="people"),
    "faces without the script": Scene(photo_path("party/1.jpg", "/faces"), household="people"),
    "deleting all faces": Scene("/people/delete", household="people"),
    "search down": Scene("/?q=dog", household="down"),
    "status with search down": Scene("/status", household="down"),
    "photo with search down": Scene(photo_path("2024/photo 0000.jpg", "?q=dog&at=0"), household="down"),
}


async def play(tab: Page, address: str, scene: Scene) -> None:
    """Goes there and does it."""
    await tab.goto(address + scene.path)
    await scene.deed(tab)
