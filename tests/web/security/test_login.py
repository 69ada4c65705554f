"""The way in: who is asked, what a wrong password costs, where a login leads."""

from __future__ import annotations

import pytest

from tests.web.conftest import Page, StartPage
from tests.web.library_made import content_key, many
from web.security.login import COOKIE, local_target

PASSWORD = "correct horse"


@pytest.fixture
async def locked(start_page: StartPage) -> Page:
    return await start_page(list(many(3)), password=PASSWORD)


async def sign_in(page: Page, password: str = PASSWORD, target: str = "/") -> int:
    async with page.post("/login", data={"password": password, "next": target}, allow_redirects=False) as response:
        return response.status


@pytest.mark.slow
async def test_people_are_led_to_the_login_page_and_on_to_where_they_were_going(locked: Page) -> None:
    async with locked.get("/?q=dog&sort=newest", allow_redirects=False) as response:
        assert response.status == 303
        assert response.headers["Location"].startswith("/login?next=/")
    body = await locked.text("/?q=dog&sort=newest")
    assert 'value="/?q=dog&amp;sort=newest"' in body
    async with locked.post("/login", data={"password": PASSWORD, "next": "/?q=dog"}, allow_redirects=False) as response:
        assert response.status == 303
        assert response.headers["Location"] == "/?q=dog"
        cookie = response.cookies[COOKIE]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    assert int(cookie["max-age"]) > 300 * 24 * 3600
    assert 'class="tile' in await locked.text("/")


@pytest.mark.parametrize(
    "path", ["/api/search?q=dog", "/api/status", "/?part=results", "/thumbnails/{id}/grid.webp", "/photo/{id}/files/1"]
)
async def test_without_a_session_nothing_is_shown(locked: Page, path: str) -> None:
    path = path.replace("{id}", content_key("2024/photo 0000.jpg"))
    async with locked.get(path, allow_redirects=False) as response:
        assert response.status in {401, 303}
        assert "dog" not in (await response.text()).replace("q=dog", "").replace("q%3Ddog", "")


async def test_a_wrong_password_is_said_and_gives_no_session(locked: Page) -> None:
    async with locked.post("/login", data={"password": "wrong horse"}) as response:
        assert response.status == 401
        assert "not the household password" in await response.text()
        assert COOKIE not in response.cookies
    assert await sign_in(locked, "x" * 5000) == 401


@pytest.mark.slow
async def test_guessing_is_throttled_even_for_the_right_password(locked: Page) -> None:
    statuses = [await sign_in(locked, "wrong horse") for _ in range(6)]
    assert statuses == [401] * 5 + [429]
    async with locked.post("/login", data={"password": PASSWORD}) as response:
        assert response.status == 429
        assert int(response.headers["Retry-After"]) > 0


@pytest.mark.slow
async def test_signing_out_forgets_the_session(locked: Page) -> None:
    assert await sign_in(locked) == 303
    assert "Sign out" in await locked.text("/")
    async with locked.post("/logout", allow_redirects=False) as response:
        assert response.status == 303
    async with locked.get("/", allow_redirects=False) as response:
        assert response.headers["Location"].startswith("/login")


def cookie_of(page: Page) -> str:
    return page.session.cookie_jar.filter_cookies(page.make_url("/"))[COOKIE].value


async def with_cookie(page: Page, *cookies: str) -> int:
    """The status of a request from another machine that brings these cookies."""
    page.session.cookie_jar.clear()
    sent = "; ".join(f"{COOKIE}={one}" for one in cookies)
    async with page.get("/api/status", headers={"Cookie": sent}, allow_redirects=False) as response:
        return response.status


@pytest.mark.slow
async def test_signing_out_ends_the_session_for_whoever_copied_its_cookie(start_page: StartPage) -> None:
    page = await start_page(password=PASSWORD)
    await sign_in(page)
    copied = cookie_of(page)
    page.session.cookie_jar.clear()
    await sign_in(page)
    other = cookie_of(page)
    page.session.cookie_jar.clear()
    async with page.post("/logout", headers={"Cookie": f"{COOKIE}={copied}"}, allow_redirects=False) as response:
        assert response.status == 303
    again = await start_page(password=PASSWORD)
    for one in (page, again):
        assert await with_cookie(one, copied) == 401
        assert await with_cookie(one, other) == 200, "another browser's session goes on"


async def test_signing_out_ends_every_cookie_that_the_request_brings(start_page: StartPage) -> None:
    page = await start_page(password=PASSWORD)
    cookies = []
    for _ in range(2):
        page.session.cookie_jar.clear()
        await sign_in(page)
        cookies.append(cookie_of(page))
    page.session.cookie_jar.clear()
    assert await with_cookie(page, "of another path", cookies[0]) == 200
    both = "; ".join(f"{COOKIE}={one}" for one in cookies)
    async with page.post("/logout", headers={"Cookie": both}, allow_redirects=False) as response:
        assert response.status == 303
    assert [await with_cookie(page, one) for one in cookies] == [401, 401]


@pytest.mark.slow
async def test_signing_out_everywhere_ends_all_sessions(start_page: StartPage) -> None:
    page = await start_page(password=PASSWORD)
    cookies = []
    for _ in range(3):
        page.session.cookie_jar.clear()
        await sign_in(page)
        cookies.append(cookie_of(page))
    assert 'action="/logout/everywhere"' in await page.text("/status")
    async with page.post("/logout/everywhere", allow_redirects=False) as response:
        assert (response.status, response.headers["Location"]) == (303, "/login")
    again = await start_page(password=PASSWORD)
    for one in (page, again):
        assert [await with_cookie(one, cookie) for cookie in cookies] == [401] * 3
    assert await sign_in(page) == 303
    assert await with_cookie(page, cookie_of(page)) == 200


async def test_only_who_is_signed_in_signs_others_out(locked: Page) -> None:
    await sign_in(locked)
    mine = cookie_of(locked)
    locked.session.cookie_jar.clear()
    async with locked.post("/logout/everywhere", allow_redirects=False) as response:
        assert response.status == 303
    assert await with_cookie(locked, mine) == 200


async def test_a_sign_out_that_can_t_be_kept_is_said(locked: Page) -> None:
    await sign_in(locked)
    mine = cookie_of(locked)
    kept = locked.settings.data_dir / "sessions.json"
    kept.unlink()
    kept.mkdir()
    (kept / "in the way").touch()
    async with locked.post("/logout", allow_redirects=False) as response:
        assert response.status == 503
        assert "only until recollect starts again" in await response.text()
    assert await with_cookie(locked, mine) == 401


@pytest.mark.slow
async def test_a_session_outlives_the_process_but_not_the_password(start_page: StartPage) -> None:
    first = await start_page(list(many(1)), password=PASSWORD)
    assert await sign_in(first) == 303
    token = first.session.cookie_jar.filter_cookies(first.make_url("/"))[COOKIE].value
    again = await start_page((), password=PASSWORD)
    changed = await start_page((), password="another horse")
    for page, status in ((again, 200), (changed, 303)):
        async with page.get("/", cookies={COOKIE: token}, allow_redirects=False) as response:
            assert response.status == status


async def test_forged_cookies_are_no_session(locked: Page) -> None:
    for value in ("household", "household.ZZZZ.ZZZZ", "", "%00", "a" * 4000):
        async with locked.get("/api/status", headers={"Cookie": f"{COOKIE}={value}"}) as response:
            assert response.status == 401


async def test_another_site_can_t_sign_someone_in_or_out(locked: Page) -> None:
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}, {"Origin": "null"}):
        async with locked.post("/login", data={"password": PASSWORD}, headers=headers) as response:
            assert response.status == 403
    origin = str(locked.make_url("/").origin())
    async with locked.post(
        "/login", data={"password": PASSWORD}, headers={"Origin": origin}, allow_redirects=False
    ) as response:
        assert response.status == 303


@pytest.mark.parametrize(
    "target", ["//evil.example", "/\\evil.example", "https://evil.example", "javascript:alert(1)", "", "/a\r\nX: y"]
)
def test_a_login_leads_nowhere_else(target: str) -> None:
    assert local_target(target) == "/"


async def test_without_a_password_there_is_no_login(page: Page) -> None:
    async with page.get("/login", allow_redirects=False) as response:
        assert (response.status, response.headers["Location"]) == (303, "/")
    assert "Sign out" not in await page.text("/")


async def test_a_login_form_of_another_size_is_refused(locked: Page) -> None:
    async with locked.post("/login", data={"password": "x" * 200_000}) as response:
        assert response.status == 413


async def test_a_login_form_that_makes_no_sense_is_refused(locked: Page) -> None:
    for body, kind in (
        (b"password=\xff", "application/x-www-form-urlencoded"),
        (b"password=a", "application/x-www-form-urlencoded; charset=klingon"),
        (b"--x\r\nnonsense", "multipart/form-data; boundary=x"),
    ):
        async with locked.post("/login", data=body, headers={"Content-Type": kind}) as response:
            assert response.status == 400
