"""The household password, and the refusal to be reachable from other machines without one.

The password is kept as scrypt (RFC 7914), which Python has in itself: argon2 (RFC 9106) would be a compiled package
more for one password, checked one guess at a time. What a browser is given for it: see `sessions`.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import ipaddress
import secrets
import time
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from cachetools import LRUCache

from indexer.errors import SettingsError
from indexer.settings import Settings
from web.security.proxies import read_proxies

LEAST_PASSWORD_LENGTH = 8
_PREFIX = "scrypt"
_N, _R, _P = 2**14, 8, 1  # 16 MB and about 50 ms: OWASP's least for an attacker, bearable on a Raspberry Pi
_MOST_MEMORY_BYTES = 64 * 2**20


def check_length(password: str) -> None:
    """Raises `SettingsError` where a plain password is too short."""
    if len(password) < LEAST_PASSWORD_LENGTH:
        raise SettingsError(
            f"the household password is shorter than {LEAST_PASSWORD_LENGTH} characters",
            hint="choose a longer one: a few words are easier to remember and to type",
        )


def check_exposure(settings: Settings) -> None:
    """Raises `SettingsError` where the page would be open to other machines without a password or a proxy that asks."""
    proxies = read_proxies(settings)
    if settings.password and not settings.password.startswith(f"{_PREFIX}$"):
        check_length(settings.password)
        return
    if settings.password:
        HouseholdPassword(settings.password)
        return
    if not proxies.user_header and not is_loopback(settings.host):
        raise SettingsError(
            f"the page would be open to everyone who can reach {settings.host or 'this machine'}, without a password",
            hint="set one (RECOLLECT_PASSWORD, or `password` in recollect.toml), serve to this machine only with "
            "host 127.0.0.1, or trust a proxy that signs people in (user_header, trusted_proxies)",
        )


def is_loopback(host: str) -> bool:
    """Whether an address to listen on can be reached from this machine only."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def hash_password(password: str) -> str:
    """`password` as it may stand in the settings in its place: ``scrypt$N$r$p$salt$key``, the last two in base64."""
    salt = secrets.token_bytes(16)
    parts = (_PREFIX, str(_N), str(_R), str(_P), _encode(salt), _encode(_derive(password, salt, _N, _R, _P)))
    return "$".join(parts)


class HouseholdPassword:
    """The password of the settings, plain or as `hash_password` gives it. Raises `SettingsError` on a broken hash."""

    def __init__(self, setting: str) -> None:
        stored = setting if setting.startswith(f"{_PREFIX}$") else hash_password(setting)
        try:
            _, n, r, p, salt, key = stored.split("$")
            self._n, self._r, self._p = int(n), int(r), int(p)
            self._salt, self._key = base64.b64decode(salt, validate=True), base64.b64decode(key, validate=True)
            _derive("", self._salt, self._n, self._r, self._p)
        except (ValueError, OverflowError, MemoryError) as error:
            raise SettingsError(
                "the setting 'password' begins as a scrypt hash but is none",
                hint="expected scrypt$N$r$p$salt$key with salt and key in base64, or a plain password",
            ) from error

    def matches(self, entered: str) -> bool:
        """Takes some 50 ms on purpose; compares in constant time."""
        return hmac.compare_digest(_derive(entered, self._salt, self._n, self._r, self._p), self._key)


@dataclass(slots=True)
class _Failures:
    count: int
    blocked_until: float


class LoginThrottle:
    """Slows guessing down: after five wrong passwords an address waits, twice as long after each further one.

    One password is checked at a time, so that many addresses together can't eat the machine's memory either.
    """

    _FREE = 5
    _LONGEST_WAIT_S = 15 * 60.0
    _MOST_ADDRESSES = 4096

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures: LRUCache[str, _Failures] = LRUCache(self._MOST_ADDRESSES)
        self.lock = asyncio.Lock()

    def wait_s(self, address: str) -> float:
        """How long this address has to wait before its next try; 0.0 where it need not."""
        failures = self._failures.get(_network(address))
        return max(0.0, failures.blocked_until - self._clock()) if failures else 0.0

    def record_failure(self, address: str) -> None:
        """Counts a wrong password."""
        network = _network(address)
        failures = self._failures.setdefault(network, _Failures(0, 0.0))
        failures.count += 1
        if failures.count >= self._FREE:
            wait = min(self._LONGEST_WAIT_S, 2.0 ** min(failures.count - self._FREE + 1, 20))
            failures.blocked_until = self._clock() + wait

    def forget_failures(self, address: str) -> None:
        """Forgets the address's wrong passwords."""
        self._failures.pop(_network(address), None)


def _network(address: str) -> str:
    """An IPv6 household owns a /64 of addresses: they count as one."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if ip.version == 6 and ip.ipv4_mapped:
        return str(ip.ipv4_mapped)
    return str(ipaddress.ip_network((ip, 64), strict=False)) if ip.version == 6 else str(ip)


def _derive(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    # NFC: the same keys typed on a telephone and on a Mac give different code points (RFC 8265, 4.2.2).
    text = unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")
    return hashlib.scrypt(text, salt=salt, n=n, r=r, p=p, maxmem=_MOST_MEMORY_BYTES, dklen=32)


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
