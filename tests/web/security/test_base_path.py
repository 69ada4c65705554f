"""The page below a path of its own, behind a real reverse proxy: whatever it leads to is below that path, too."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, CookieJar
from yarl import URL

from indexer.errors import SettingsError
from indexer.settings_loader import load_settings
from tests.web.conftest import Page, StartPage
from tests.web.library_made import content_key, many
from tests.web.relay import Manners, Relay, relayed
from web.security.login import COOKIE

PASSWORD = "correct horse"
PHOTO = content_key("2024/photo 0000.jpg")
WEB = Path(__file__).parents[3] / "web"

#: How people set it up: what the page is told, and what their proxy does.
SET_UPS: dict[str, tuple[dict[str, Any], Manners]] = {
    "setting, path taken away": ({"base_path": "/photos"}, Manners("/photos")),
    "setting with a slash, path left": ({"base_path": "/photos/"}, Manners("/photos", strips=False)),
    "header, path taken away": (
        {"trusted_proxies": "127.0.0.1"},
        Manners("/photos", sets={"X-Forwarded-Prefix": "/photos"}),
    ),
    "header with a slash, path left": (
        {"trusted_proxies": "127.0.0.1"},
        Manners("/photos", strips=False, sets={"X-Forwarded-Prefix": "/photos/"}),
    ),
    "two names deep": ({"base_path": "/home/photos"}, Manners("/home/photos", strips=False)),
    "a name of ours": ({"base_path": "/photo"}, Manners("/photo", strips=False)),
    "another name of ours": ({"base_path": "/status"}, Manners("/status")),
}


#: Pictures and files that the photos of these tests don't have, and a search that is to be wrong.
_MAY_FAIL = re.compile(r"/thumbnails/|/files/|yaer")


class Addresses(HTMLParser):
    """Every address of this server in a page, by the tag that holds it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, str]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [
            (tag, value) for name, value in attrs if value and name not in {"value", "data-base"} and _is_address(value)
        ]


def _is_address(text: str) -> bool:
    return text.startswith("/") and not text.startswith("/ ")


class Proxied:
    """A browser's view of the page through its proxy."""

    def __init__(self, session: ClientSession, address: str, relay: Relay, prefix: str) -> None:
        self.session, self.address, self.relay, self.prefix = session, address, relay, prefix

    def get(self, path: str, **request: Any) -> Any:
        """Of a path on the proxy."""
        return self.session.get(URL(f"{self.address}{path}", encoded=True), allow_redirects=False, **request)

    def post(self, path: str, **request: Any) -> Any:
        """As `get`."""
        return self.session.post(f"{self.address}{path}", allow_redirects=False, **request)

    async def html(self, path: str, status: int = 200) -> str:
        """A page of ours, below the proxy's path."""
        async with self.get(f"{self.prefix}{path}", headers={"Accept": "text/html"}) as response:
            assert response.status == status, path
            return str(await response.text())


@pytest.fixture(params=SET_UPS, ids=lambda name: name)
async def proxied(request: pytest.FixtureRequest, start_page: StartPage) -> AsyncIterator[Proxied]:
    settings, manners = SET_UPS[request.param]
    page = await start_page(list(many(70)), password=PASSWORD, **settings)
    async with (
        relayed(f"http://127.0.0.1:{page.port}", manners) as (address, relay),
        ClientSession(cookie_jar=CookieJar(unsafe=True)) as session,
    ):
        yield Proxied(session, address, relay, manners.prefix)


async def sign_in(proxied: Proxied) -> None:
    async with proxied.post(f"{proxied.prefix}/login", data={"password": PASSWORD, "next": "/"}) as response:
        assert (response.status, response.headers["Location"]) == (303, f"{proxied.prefix}/")
        assert response.cookies[COOKIE]["path"] == proxied.prefix


@pytest.mark.slow
async def test_every_page_leads_only_to_what_is_below_the_path_and_there(proxied: Proxied) -> None:
    pages = {"/login?next=/status": 200}
    html = [await proxied.html(path) for path in pages]
    await sign_in(proxied)
    for path, status in {
        "/": 200,
        "": 200,
        "/?q=photo&select=1": 200,
        "/?page=2": 200,
        "/?q=yaer:2021": 400,
        f"/photo/{PHOTO}?q=photo&at=0": 200,
        "/status": 200,
        "/nothing/here": 404,
        "/?part=results": 200,
        "/?part=tiles&page=2": 200,
        "/?part=filters": 200,
        "/?part=timeline": 200,
        "/?part=progress": 200,
        "/status?part=status": 200,
        f"/photo/{PHOTO}?part=about": 200,
    }.items():
        html.append(await proxied.html(path, status))
    addresses = {one for page in html for one in Addresses(page).found}
    assert len(addresses) > 100
    outside = [one for one in addresses if not one[1].startswith(f"{proxied.prefix}/")]
    assert not outside
    wrong = []
    for tag, address in sorted(addresses):
        if tag in {"a", "img", "link", "script"} and not _MAY_FAIL.search(address):
            async with proxied.get(address) as response:
                if response.status != 200:
                    wrong.append((tag, address, response.status))
    assert wrong == []
    assert proxied.relay.outside == []


@pytest.mark.slow
async def test_redirects_and_cookies_stay_below_the_path(proxied: Proxied) -> None:
    prefix = proxied.prefix
    async with proxied.get(f"{prefix}/status") as response:
        assert (response.status, response.headers["Location"]) == (303, f"{prefix}/login?next=/status")
    async with proxied.post(f"{prefix}/login", data={"password": PASSWORD, "next": "/status"}) as response:
        assert response.headers["Location"] == f"{prefix}/status"
    forms = {
        f"/photo/{PHOTO}/words?q=photo&at=0": {"text": "picnic"},
        f"/photo/{PHOTO}/caption": {"text": "a picnic"},
        f"/photo/{PHOTO}/wrong": {"do": ""},
        "/status/retry": {"id": ""},
        "/status/captions": {"do": ""},
    }
    for path, form in forms.items():
        async with proxied.post(f"{prefix}{path}", data=form) as response:
            if response.status != 503:  # no caption model
                assert response.status == 303, path
                assert response.headers["Location"].startswith(f"{prefix}/"), path
    async with proxied.get(f"{prefix}/?q=photo&from=2024-01-01&to=2024-12-31") as response:
        assert response.headers["Location"].startswith(f"{prefix}/?q=")
    async with proxied.post(f"{prefix}/logout") as response:
        assert response.headers["Location"] == f"{prefix}/login"
        assert response.cookies[COOKIE]["path"] == prefix
    async with proxied.get(f"{prefix}/api/status") as response:
        assert response.status == 401
        assert (await response.json())["error"]["hint"].endswith(f"{prefix}/login.")


@pytest.mark.slow
async def test_manifest_api_and_scripts_know_the_path(proxied: Proxied) -> None:
    prefix = proxied.prefix
    async with proxied.get(f"{prefix}/manifest.webmanifest") as response:
        answer = await response.json(content_type=None)
    assert (answer["id"], answer["start_url"], answer["scope"]) == (f"{prefix}/",) * 3
    assert all(icon["src"].startswith(f"{prefix}/static/") for icon in answer["icons"])
    await sign_in(proxied)
    async with proxied.get(f"{prefix}/api/search?q=photo&limit=1") as response:
        (hit,) = (await response.json())["hits"]
    async with proxied.get(hit["thumbnail"]) as response:
        assert response.status == 200
    async with proxied.get(f"{prefix}/api/nothing") as response:
        assert response.status == 404
        assert response.content_type == "application/json"
    assert f'data-base="{prefix}"' in await proxied.html("/")


async def test_the_same_search_with_and_without_the_path_is_not_mixed_up(start_page: StartPage) -> None:
    page = await start_page(list(many(3)), trusted_proxies="127.0.0.1")
    for prefix in ("", "/photos", "/other", ""):
        headers = {"X-Forwarded-Prefix": prefix} if prefix else {}
        for path in ("/?q=photo", "/?q=photo&part=results"):
            found = [address for _, address in Addresses(await page.text(path, headers=headers)).found]
            assert any("/photo/" in address for address in found)
            assert [address for address in found if not address.startswith(f"{prefix}/")] == []
            assert [address for address in found if prefix != "/other" and address.startswith("/other")] == []


@pytest.mark.parametrize(
    "prefix",
    [
        "//evil.example",
        "https://evil.example",
        "/a//b",
        "/../..",
        "/a/./b",
        '/"><script>',
        "/a b",
        "/a?b",
        "/a#b",
        "/a%2f",
        "/\\evil.example",
        "photos",
        "/" + "a" * 300,
        "/a, /b",
        "/é",
    ],
)
async def test_a_hostile_path_is_refused(start_page: StartPage, prefix: str) -> None:
    page = await start_page(list(many(1)), trusted_proxies="127.0.0.1")
    headers = {"X-Forwarded-Prefix": prefix}
    body = await page.text("/", status=400, headers={**headers, "Accept": "text/html"})
    assert "X-Forwarded-Prefix" in body
    assert prefix == "photos" or prefix not in body
    answer = await page.json("/api/status", status=400, headers=headers)
    assert "X-Forwarded-Prefix" in answer["error"]["message"]
    with pytest.raises(SettingsError, match="base_path"):
        load_settings(environment={"RECOLLECT_BASE_PATH": prefix, "XDG_CONFIG_HOME": "/nowhere"})


async def test_two_paths_are_refused(start_page: StartPage) -> None:
    page = await start_page(trusted_proxies="127.0.0.1")
    headers = [("X-Forwarded-Prefix", "/photos"), ("X-Forwarded-Prefix", "/other")]
    async with page.get("/", headers=headers) as response:
        assert response.status == 400


@pytest.mark.parametrize("changes", [{}, {"trusted_proxies": "192.0.2.1"}])
async def test_the_header_of_anybody_else_is_only_text(start_page: StartPage, changes: dict[str, str]) -> None:
    page = await start_page(list(many(1)), **changes)
    for prefix in ("/photos", "//evil.example"):
        body = await page.text("/", headers={"X-Forwarded-Prefix": prefix})
        assert 'data-base=""' in body
        assert prefix not in body


async def test_the_setting_goes_before_the_header(start_page: StartPage) -> None:
    page = await start_page(list(many(1)), base_path="/photos", trusted_proxies="127.0.0.1")
    assert 'data-base="/photos"' in await page.text("/", headers={"X-Forwarded-Prefix": "/other"})


@pytest.mark.parametrize("path", ["/photosx/status", "/photo/status", "/Photos/status", "/photos/photos/status"])
async def test_other_paths_are_not_the_page(start_page: StartPage, path: str) -> None:
    page: Page = await start_page(base_path="/photos")
    await page.text(path, status=404)


@pytest.mark.parametrize("value", ["/api", "/static/photos"])
def test_a_path_that_could_be_taken_for_another_is_refused(value: str) -> None:
    with pytest.raises(SettingsError, match="base_path"):
        load_settings(flags={"base_path": value}, environment={"XDG_CONFIG_HOME": "/nowhere"})


def test_the_setting_is_read_from_file_environment_and_flags(tmp_path: Path) -> None:
    (tmp_path / "recollect.toml").write_text('base_path = "/a"\n')
    loaded = load_settings(config=tmp_path / "recollect.toml", environment={})
    assert loaded.base_path == "/a"
    loaded = load_settings(config=tmp_path / "recollect.toml", environment={"RECOLLECT_BASE_PATH": "/b"})
    assert loaded.base_path == "/b"
    loaded = load_settings(environment={"XDG_CONFIG_HOME": "/nowhere"}, flags={"base_path": "/c/d/"})
    assert loaded.base_path == "/c/d/"


def _addresses_in_scripts() -> Iterator[str]:
    for path in (WEB / "static").glob("*.js"):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if re.search(r"""["'`]/(?:[A-Za-z?]|["'`])""", line) and 'key === "/"' not in line:
                yield f"{path.name}:{number}: {line.strip()}"


def test_no_script_names_an_address_without_the_path() -> None:
    assert list(_addresses_in_scripts()) == []


def test_no_redirect_and_no_style_names_an_address_without_the_path() -> None:
    for path in WEB.glob("*.py"):
        assert not re.findall(r"""HTTP\w+\(f?["']/.*""", path.read_text()), path.name
    assert "url(/" not in (WEB / "static" / "recollect.css").read_text()
