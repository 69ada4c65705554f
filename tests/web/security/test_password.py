"""The household password, sessions, throttle, and the refusal to serve a house without a lock."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

from indexer.errors import SettingsError
from indexer.settings import Settings
from tests.web.security.clock import Clock
from web.security.password import HouseholdPassword, LoginThrottle, check_exposure, hash_password


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "[::1]", "localhost", "LOCALHOST"])
def test_this_machine_needs_no_password(host: str) -> None:
    check_exposure(Settings(host=host))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.168.1.5", "nas.local", "localhost.example.org"])
def test_other_machines_need_one_and_the_error_says_how(host: str) -> None:
    with pytest.raises(SettingsError, match="RECOLLECT_PASSWORD"):
        check_exposure(Settings(host=host))
    check_exposure(Settings(host=host, password="correct horse"))
    check_exposure(Settings(host=host, password=hash_password("correct horse")))


@pytest.mark.parametrize("password", ["short", "scrypt$1$2$3", "scrypt$16384$8$1$!$!", "scrypt$3$8$1$AAAA$AAAA"])
def test_a_password_that_is_none_is_refused(password: str) -> None:
    with pytest.raises(SettingsError, match="password"):
        check_exposure(Settings(host="0.0.0.0", password=password))


@pytest.mark.slow
def test_a_password_matches_itself_plain_or_hashed() -> None:
    for setting in ("crème brûlée", hash_password("crème brûlée")):
        password = HouseholdPassword(setting)
        assert password.matches("crème brûlée")
        assert password.matches("cre\u0300me bru\u0302le\u0301e"), "the same keys, typed on another machine"
        assert not password.matches("creme brulee")
        assert not password.matches("\udc80")


def test_a_hash_never_holds_the_password() -> None:
    assert "correct" not in hash_password("correct horse")
    assert hash_password("correct horse") != hash_password("correct horse")


async def test_guessing_slows_down_per_household_address() -> None:
    clock = Clock()
    throttle = LoginThrottle(clock)
    for _ in range(4):
        throttle.record_failure("192.0.2.1")
    assert throttle.wait_s("192.0.2.1") == 0.0
    throttle.record_failure("192.0.2.1")
    first = throttle.wait_s("192.0.2.1")
    throttle.record_failure("192.0.2.1")
    assert throttle.wait_s("192.0.2.1") > first > 0
    assert throttle.wait_s("192.0.2.2") == 0.0
    clock.now += 3600
    assert throttle.wait_s("192.0.2.1") == 0.0


async def test_an_ipv6_household_is_one_address_and_memory_is_bounded() -> None:
    throttle = LoginThrottle(Clock())
    for number in range(8):
        throttle.record_failure(f"2001:db8::{number + 1:x}")
    assert throttle.wait_s("2001:db8::ffff") > 0
    assert throttle.wait_s("2001:db8:0:1::1") == 0.0
    throttle.forget_failures("2001:db8::1")
    assert throttle.wait_s("2001:db8::ffff") == 0.0
    for number in range(10_000):
        throttle.record_failure(f"10.0.{number // 250}.{number % 250}")
    assert throttle.wait_s("10.0.0.0") == 0.0


def test_make_app_refuses_the_open_network(settings: Settings) -> None:
    from web.app import make_app

    with pytest.raises(SettingsError, match="without a password"):
        make_app(replace(settings, host="0.0.0.0"), catalogue=None, thumbnails=None, search=None, progress=None)  # type: ignore[arg-type]


@pytest.mark.slow
def test_the_command_refuses_before_anything_is_made(settings: Settings) -> None:
    data_dir = settings.data_dir
    command = [sys.executable, "-m", "web.cli", "serve", "--host", "0.0.0.0", "--data-dir", str(data_dir)]
    result = subprocess.run(
        [*command, str(settings.photos[0])], capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 2
    assert "RECOLLECT_PASSWORD" in result.stderr
    assert not data_dir.exists()


@pytest.mark.slow
def test_the_password_command_makes_a_hash_that_the_settings_take() -> None:
    command = [sys.executable, "-m", "web.cli", "password"]
    made = subprocess.run(command, input="crème brûlée\r\n", capture_output=True, text=True, timeout=60, check=True)
    assert HouseholdPassword(made.stdout.strip()).matches("crème brûlée")
    check_exposure(Settings(host="0.0.0.0", password=made.stdout.strip()))
    short = subprocess.run(command, input="short\n", capture_output=True, text=True, timeout=60, check=False)
    assert (short.returncode, short.stdout) == (2, "")
    assert "shorter" in short.stderr


async def test_ipv4_addresses_in_ipv6_clothes_and_scoped_ones_are_told_apart() -> None:
    throttle = LoginThrottle(Clock())
    for _ in range(6):
        throttle.record_failure("::ffff:192.0.2.1")
        throttle.record_failure("fe80::1%eth0")
    assert throttle.wait_s("::ffff:192.0.2.1") > 0
    assert throttle.wait_s("192.0.2.1") > 0
    assert throttle.wait_s("::ffff:192.0.2.2") == 0.0
