"""Sessions: what a cookie is good for, and that one which was ended stays so."""

from __future__ import annotations

import logging
import stat
from pathlib import Path

import pytest

from indexer.errors import StorageError
from tests.web.security.clock import Clock
from web.security import sessions as sessions_module
from web.security.password import hash_password
from web.security.sessions import MOST_ENDED, SESSION_S, Sessions, open_sessions, session_secret

PASSWORD = "correct horse"


def made(path: Path, clock: Clock, password: str = PASSWORD, secret: bytes = bytes(32)) -> Sessions:
    return Sessions(secret, password, path / "sessions.json", clock)


def test_sessions_last_and_grow_too_old(tmp_path: Path) -> None:
    clock = Clock()
    sessions = made(tmp_path, clock)
    cookie = sessions.begin()
    clock.now += 3600
    found = sessions.of(cookie)
    assert found
    assert found.age_s == pytest.approx(3600, abs=1)
    clock.now += SESSION_S
    assert sessions.of(cookie) is None


def test_another_key_or_a_changed_cookie_is_no_session(tmp_path: Path) -> None:
    clock = Clock()
    sessions = made(tmp_path, clock)
    cookie = sessions.begin()
    assert made(tmp_path, clock).of(cookie)
    assert made(tmp_path, clock, secret=b"\1" * 32).of(cookie) is None
    for wrong in ("", "household", cookie[:-1], cookie + "x", "é.é.é", "a" * 10_000):
        assert sessions.of(wrong) is None


@pytest.mark.slow
def test_another_password_ends_all_sessions_for_good(tmp_path: Path) -> None:
    clock = Clock()
    cookie = made(tmp_path, clock).begin()
    for other in ("another horse", hash_password(PASSWORD)):
        assert made(tmp_path, clock, other).of(cookie) is None
    assert made(tmp_path, clock).of(cookie) is None, "also where the old password is set again"


def test_an_ended_session_is_over_with_every_cookie_of_it(tmp_path: Path) -> None:
    clock = Clock()
    sessions = made(tmp_path, clock)
    first, other = sessions.begin(), sessions.begin()
    session = sessions.of(first)
    assert session
    clock.now += 3 * 24 * 3600
    renewed = sessions.renew(session)
    sessions.end([session])
    for one in (sessions, made(tmp_path, clock)):
        assert one.of(first) is None
        assert one.of(renewed) is None
        assert one.of(other)
    assert sessions.of(sessions.renew(session)) is None, "a request that was under way when it ended"


def test_all_sessions_end_and_new_ones_begin_in_the_same_second(tmp_path: Path) -> None:
    clock = Clock()
    sessions = made(tmp_path, clock)
    old = sessions.begin()
    sessions.end_all()
    new = sessions.begin()
    for one in (sessions, made(tmp_path, clock)):
        assert one.of(old) is None
        assert one.of(new)


def test_what_is_remembered_is_bounded_and_brings_no_session_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions_module, "MOST_ENDED", 20)
    clock = Clock()
    sessions = made(tmp_path, clock)
    cookies = []
    for _ in range(50):
        clock.now += 10
        cookies.append(sessions.begin())
        session = sessions.of(cookies[-1])
        assert session
        sessions.end([session])
    clock.now += 10
    fresh = sessions.begin()
    for one in (sessions, made(tmp_path, clock)):
        assert not any(map(one.of, cookies))
        assert one.of(fresh)
    assert (tmp_path / "sessions.json").stat().st_size < 4000
    assert MOST_ENDED <= 10_000


def test_sessions_that_are_too_old_anyway_need_no_remembering(tmp_path: Path) -> None:
    clock = Clock()
    sessions = made(tmp_path, clock)
    for _ in range(10):
        session = sessions.of(sessions.begin())
        assert session
        sessions.end([session])
    full = (tmp_path / "sessions.json").stat().st_size
    clock.now += SESSION_S + 1
    session = sessions.of(sessions.begin())
    assert session
    sessions.end([session])
    assert (tmp_path / "sessions.json").stat().st_size < full / 2


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"generation": "", "password": "", "ended": {}}', "scrypt"])
def test_a_damaged_list_lets_nobody_in_and_is_replaced(
    tmp_path: Path, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    cookie = made(tmp_path, Clock()).begin()
    (tmp_path / "sessions.json").write_text(content)
    sessions = made(tmp_path, Clock())
    assert sessions.of(cookie) is None
    again = sessions.begin()
    assert made(tmp_path, Clock()).of(again)
    assert "sign in again" in caplog.text


def test_a_lost_list_lets_nobody_in(tmp_path: Path) -> None:
    cookie = made(tmp_path, Clock()).begin()
    (tmp_path / "sessions.json").unlink()
    assert made(tmp_path, Clock()).of(cookie) is None


def test_files_are_private_and_neither_they_nor_the_log_hold_a_cookie(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        sessions = open_sessions(tmp_path, PASSWORD)
        session = sessions.of(sessions.begin())
        assert session
        sessions.end([session])
        sessions.end_all()
    kept = (tmp_path / "sessions.json").read_text()
    for text in (kept, caplog.text, repr(session)):
        assert session.id not in text
        assert PASSWORD not in text
    for name in ("session.key", "sessions.json"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600


def test_the_session_key_is_made_once(tmp_path: Path) -> None:
    path = tmp_path / "data" / "session.key"
    assert session_secret(path) == session_secret(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in path.parent.iterdir()] == ["session.key"]


@pytest.mark.parametrize("content", [b"", b"cut", bytes(31), bytes(33)])
def test_a_session_key_that_was_cut_short_is_made_anew_and_that_is_logged(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "session.key"
    path.write_bytes(content)
    secret = session_secret(path)
    assert len(secret) == 32
    assert secret == session_secret(path)
    assert secret != content
    assert "made anew" in caplog.text


def test_a_crash_while_the_key_is_made_leaves_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "session.key"

    def crash(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("os.fsync", crash)
    with pytest.raises(KeyboardInterrupt):
        session_secret(path)
    assert not path.exists()
    monkeypatch.undo()
    assert len(session_secret(path)) == 32


def test_a_session_key_that_can_t_be_kept_is_about_the_set_up(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where a directory should be")
    with pytest.raises(StorageError, match="data_dir"):
        session_secret(tmp_path / "data" / "session.key")
