"""Reverse proxies: their word counts where the settings say so, and nobody else's does."""

from __future__ import annotations

import pytest

from indexer.errors import SettingsError
from indexer.settings import Settings
from tests.web.conftest import Page, StartPage
from tests.web.library_made import many
from web.auth import check_exposure, hash_password
from web.proxies import Proxies, read_proxies

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
