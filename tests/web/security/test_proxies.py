"""Reverse proxies: their word counts where the settings say so, and nobody else's does."""

from __future__ import annotations

import html
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import ClientSession

from indexer.errors import SettingsError
from indexer.settings import Settings
from tests.web.conftest import Page, StartPage
from tests.web.library_made import many
from tests.web.relay import Manners, relayed
from web.security.password import check_exposure, hash_password
from web.security.proxies import Proxies, read_proxies

PASSWORD = "correct horse"
ANNA = {"Remote-User": "anna"}


@pytest.fixture
async def proxied(start_page: StartPage) -> Page:
    return await start_page(list(many(2)), user_header="Remote-User", trusted_proxies="127.0.0.0/8, ::1")


async def status(page: Page, path: str = "/api/status", **headers: str) -> int:
    async with page.get(path, headers=headers, allow_redirects=False) as response:
        return response.status


async def test_whom_a_trusted_proxy_names_is_in_and_nobody_else(proxied: Page) -> None:
    assert await status(proxied, **ANNA) == 200
    assert await status(proxied) == 401
    assert await status(proxied, **{"Remote-User": " "}) == 401
    assert await status(proxied, **{"X-Remote-User": "anna"}) == 401
    assert 'class="tile' in await proxied.text("/", headers=ANNA)


async def test_two_names_are_none(proxied: Page) -> None:
    async with proxied.get("/api/status", headers=[("Remote-User", "anna"), ("Remote-User", "eve")]) as response:
        assert response.status == 401


async def test_without_a_password_there_is_no_login_page_to_be_sent_to(proxied: Page) -> None:
    body = await proxied.text("/", status=401, allow_redirects=False)
    assert "Come in through the address that signs you in" in body
    assert await status(proxied, "/login") == 303


@pytest.mark.slow
async def test_from_anywhere_else_the_header_is_only_text(start_page: StartPage) -> None:
    page = await start_page(user_header="Remote-User", trusted_proxies="192.0.2.7")
    assert await status(page, **ANNA) == 401
    page = await start_page(user_header="Remote-User", trusted_proxies="192.0.2.7", password=PASSWORD)
    assert await status(page, **ANNA) == 401
    assert await status(page, "/", **ANNA) == 303
    async with page.post("/login", data={"password": PASSWORD}, allow_redirects=False) as response:
        assert response.status == 303
    assert await status(page) == 200


async def test_a_header_that_is_not_set_up_is_nobody_s(start_page: StartPage) -> None:
    page = await start_page(trusted_proxies="127.0.0.1", password=PASSWORD)
    assert await status(page, **ANNA) == 401


async def test_a_rebound_name_can_t_write_the_proxy_s_header(start_page: StartPage) -> None:
    """A page at a name that leads to 127.0.0.1 is of the same origin there, and may send what headers it likes."""
    settings = {"user_header": "Remote-User", "trusted_proxies": "127.0.0.1", "hosts": "photos.home.example, nas"}
    page = await start_page(**settings, password=PASSWORD)
    assert await status(page, Host="evil.example:8765", **ANNA) == 421
    assert await status(page, Host="Photos.Home.Example", **ANNA) == 200
    assert await status(page, Host="nas:8765", **ANNA) == 200
    assert await status(page, Host="127.0.0.1:8765", **ANNA) == 200


async def test_hosts_open_a_page_without_a_password_to_names(start_page: StartPage) -> None:
    page = await start_page(hosts="nas.local")
    assert await status(page, Host="nas.local") == 200
    assert await status(page, Host="other.local") == 421


@pytest.mark.slow
async def test_guesses_through_a_proxy_are_counted_for_whoever_makes_them(start_page: StartPage) -> None:
    page = await start_page(trusted_proxies="127.0.0.1", password=PASSWORD)

    async def guess(address: str, password: str = "wrong horse") -> int:
        request = {"data": {"password": password}, "headers": {"X-Forwarded-For": address}, "allow_redirects": False}
        async with page.post("/login", **request) as response:
            return response.status

    assert [await guess("198.51.100.66") for _ in range(6)] == [401] * 5 + [429]
    # What the guesser puts in front of his own address makes no new one of it.
    assert await guess("203.0.113.1, 198.51.100.66") == 429
    assert await guess("203.0.113.1", PASSWORD) == 303


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        ("", "10.0.0.1"),
        ("192.0.2.1", "192.0.2.1"),
        ("198.51.100.1, 192.0.2.1", "192.0.2.1"),
        ("192.0.2.1, 10.0.0.2", "192.0.2.1"),
        ("10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("192.0.2.1, <script>", "10.0.0.1"),
        ("2001:db8::1", "2001:db8::1"),
        (",,", "10.0.0.1"),
    ],
)
def test_the_client_is_the_last_address_that_is_no_proxy(forwarded: str, client: str) -> None:
    from aiohttp.test_utils import make_mocked_request

    request = make_mocked_request("GET", "/", headers={"X-Forwarded-For": forwarded}).clone(remote="10.0.0.1")
    assert read_proxies(Settings(trusted_proxies="10.0.0.0/8")).client(request) == client
    assert Proxies().client(request) == "10.0.0.1"


ORIGIN = {"Origin": "http://photos.home"}  # as a browser sends it to a name without TLS


@asynccontextmanager
async def behind(page: Page, manners: Manners) -> AsyncIterator[Any]:
    """Sends forms through a reverse proxy that is set up so."""
    async with relayed(f"http://127.0.0.1:{page.port}", manners) as (address, _), ClientSession() as session:
        yield lambda path, **request: session.post(f"{address}{path}", allow_redirects=False, **request)


REWRITES = Manners()
APACHE = Manners(sets={"X-Forwarded-Host": "photos.home"})
FORM = {"data": {"password": PASSWORD}, "headers": ORIGIN}


async def test_a_login_through_a_proxy_that_changes_the_name_says_what_to_set(start_page: StartPage) -> None:
    page = await start_page(list(many(1)), password=PASSWORD)
    async with behind(page, REWRITES) as post:
        async with post("/login", **FORM) as response:
            body = html.unescape(await response.text())
            assert response.status == 403
        assert 'type="password"' in body
        assert "RECOLLECT_HOSTS=photos.home)" in body
        assert "sent from another site." not in body
        async with post("/api/status/retry", json={}, headers=ORIGIN) as response:
            answer = (await response.json())["error"]
            assert response.status == answer["status"] == 403
            assert "RECOLLECT_HOSTS=photos.home" in answer["message"]
        german = {**ORIGIN, "Accept-Language": "de"}
        async with post("/logout", headers=german) as response:
            assert response.status == 403
            assert "RECOLLECT_HOSTS=photos.home" in await response.text()


async def test_a_login_through_a_proxy_that_is_not_trusted_says_so(start_page: StartPage) -> None:
    page = await start_page(list(many(1)), password=PASSWORD)
    body = html.unescape(await page.text("/login", headers={"X-Forwarded-Host": "photos.home"}))
    assert "RECOLLECT_TRUSTED_PROXIES=127.0.0.1" in body
    async with behind(page, APACHE) as post, post("/login", **FORM) as response:
        assert response.status == 403
        assert "RECOLLECT_TRUSTED_PROXIES=127.0.0.1" in html.unescape(await response.text())


@pytest.mark.parametrize(
    ("changes", "manners"),
    [
        ({"hosts": "photos.home"}, REWRITES),
        ({"hosts": "nas, Photos.Home"}, REWRITES),
        ({"trusted_proxies": "127.0.0.1"}, APACHE),
    ],
)
async def test_what_it_says_helps(start_page: StartPage, changes: dict[str, str], manners: Manners) -> None:
    page = await start_page(list(many(1)), password=PASSWORD, **changes)
    async with behind(page, manners) as post, post("/login", **FORM) as response:
        assert response.status == 303
    assert "trusted_proxies" not in await page.text("/login", headers=manners.sets)


async def test_a_port_is_part_of_the_name_that_forms_come_from(start_page: StartPage) -> None:
    page = await start_page(password=PASSWORD, hosts="photos.home:8080")
    async with behind(page, REWRITES) as post:
        for port, status in (("", 403), (":81", 403), (":8080", 303)):
            form = {**FORM, "headers": {"Origin": f"http://photos.home{port}"}}
            async with post("/login", **form) as response:
                assert response.status == status
    assert await status_of(page, "photos.home") == await status_of(page, "photos.home:8080") == 200
    assert await status_of(page, "other.home:8080") == 421


async def status_of(page: Page, host: str) -> int:
    return await status(page, "/login", Host=host)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://["},
        {"Origin": "http://evil.example", "X-Forwarded-Host": "evil.example"},
        {"Origin": "http://photos.home", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "http://photos.home.evil.example"},
        {"Origin": "http://photos.home:81"},
    ],
)
async def test_another_site_is_refused_all_the_same(start_page: StartPage, headers: dict[str, str]) -> None:
    page = await start_page(list(many(1)), password=PASSWORD, hosts="photos.home")
    async with page.post("/login", data={"password": PASSWORD}, headers=headers, allow_redirects=False) as response:
        assert response.status == 403
        assert "Set-Cookie" not in response.headers


def test_addresses_are_known_in_every_spelling() -> None:
    proxies = read_proxies(Settings(trusted_proxies="192.0.2.1,2001:db8::/32"))
    for address in ("192.0.2.1", "::ffff:192.0.2.1", "2001:db8::5"):
        assert proxies.trusts(address)
    for address in ("192.0.2.2", "", None, "unix", "::1"):
        assert not proxies.trusts(address)


@pytest.mark.parametrize(
    "wrong",
    [
        {"user_header": "Remote-User"},
        {"user_header": "Remote User", "trusted_proxies": "127.0.0.1"},
        {"user_header": "User-Agent", "trusted_proxies": "127.0.0.1"},
        {"user_header": "x-forwarded-for", "trusted_proxies": "127.0.0.1"},
        {"trusted_proxies": "0.0.0.0/0"},
        {"trusted_proxies": "::/0"},
        {"trusted_proxies": "proxy.local"},
        {"trusted_proxies": "10.0.0.1/8"},
    ],
)
def test_what_would_open_the_door_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match=r"user_header|trusted_proxies"):
        check_exposure(Settings(password=hash_password(PASSWORD), **wrong))


def test_a_proxy_that_signs_in_is_as_good_as_a_password() -> None:
    check_exposure(Settings(host="0.0.0.0", user_header="Remote-User", trusted_proxies="127.0.0.1"))
    with pytest.raises(SettingsError, match="without a password"):
        check_exposure(Settings(host="0.0.0.0", trusted_proxies="127.0.0.1"))
