"""The sessions of browsers that have signed in: made, checked, and ended for good.

A session cookie is a signed text (itsdangerous): a random id, and when it was issued. Its key is made of a random file
of the data directory and the password. A cookie that somebody has copied is as good as the original, so a session that
was ended is remembered beside that file until its last cookie is too old anyway; signing everybody out, or setting
another password, replaces the generation that every cookie names.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import secrets
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from itsdangerous import BadSignature, TimestampSigner

from indexer.atomic.replace import write_private
from indexer.errors import SettingsError, StorageError
from web.security.password import HouseholdPassword, hash_password

log = logging.getLogger(__name__)

#: 400 days is the longest that browsers keep a cookie (RFC 6265bis, 5.5).
SESSION_S = 400 * 24 * 3600
RENEW_AFTER_S = 24 * 3600
#: So many are remembered: 300 kB. Beyond them the oldest one's place is taken by a date, see `Sessions`.
MOST_ENDED = 4096
_SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class Session:
    """One browser that has signed in. `age_s`: how long ago this cookie of it was issued."""

    id: str = field(repr=False)
    age_s: float


class Sessions:
    """Makes and checks session cookies, and keeps in a private file which sessions are over.

    `clock` gives seconds since the epoch. Thread-safe; ids are kept as digests, and never logged. Where more than
    `MOST_ENDED` are over, the one that ended first is forgotten, and every cookie that was issued before its end is
    over with it, so that no session comes back.
    """

    def __init__(
        self, secret: bytes, password_setting: str, path: Path, clock: Callable[[], float] = time.time
    ) -> None:
        """Every session is over where the file at `path` is missing, damaged, or of another password."""
        key = hashlib.blake2b(password_setting.encode("utf-8", "surrogateescape"), key=secret, digest_size=32)
        self._signer = _Signer(key.digest(), clock)
        self._path, self._clock = path, clock
        self._lock = threading.Lock()
        self._generation, self._password = "", ""
        self._ended: dict[str, float] = {}
        self._not_before = 0.0
        of_password = self._read()
        if of_password is None or not of_password.matches(password_setting):
            self._password = hash_password(password_setting)
            self._reset()

    def begin(self) -> str:
        """A cookie of a new session, good for `SESSION_S` from now."""
        return self._sign(secrets.token_hex(16))

    def renew(self, session: Session) -> str:
        """A new cookie of the same session: what ends one of them ends both."""
        return self._sign(session.id)

    def of(self, cookie: str) -> Session | None:
        """The session of a cookie; None where it is not ours, altered, too old, or over."""
        try:
            value, issued = self._signer.unsign(cookie, max_age=SESSION_S, return_timestamp=True)
            generation, _, session_id = value.decode("ascii").partition("-")
        except (BadSignature, UnicodeError):
            return None
        if not hmac.compare_digest(generation.encode("ascii"), self._generation.encode("ascii")):
            return None
        is_over = issued.timestamp() < self._not_before or _digest(session_id) in self._ended
        if not session_id or is_over:
            return None
        return Session(session_id, self._clock() - issued.timestamp())

    def end(self, sessions: Iterable[Session]) -> None:
        """Ends these sessions at once and for good, with every cookie of theirs. Blocks.

        Raises `StorageError` where that can't be kept for the next start.
        """
        with self._lock:
            now = self._clock()
            ended = {digest: at for digest, at in self._ended.items() if now - at <= SESSION_S}
            ended |= {_digest(one.id): now for one in sessions}
            self._ended = self._limit(ended)
            self._write()

    def end_all(self) -> None:
        """Ends every session at once. As `end`."""
        with self._lock:
            self._renew_generation()
            self._write()

    def _sign(self, session_id: str) -> str:
        return self._signer.sign(f"{self._generation}-{session_id}").decode("ascii")

    def _limit(self, ended: dict[str, float]) -> dict[str, float]:
        in_order = sorted(ended.items(), key=lambda one: one[1])
        forgotten = in_order[: max(0, len(in_order) - MOST_ENDED)]
        if forgotten:
            # Cookies tell whole seconds: one of the same second may have been issued before the end.
            self._not_before = max(self._not_before, int(forgotten[-1][1]) + 1.0)
        return dict(in_order[len(forgotten) :])

    def _renew_generation(self) -> None:
        self._generation = secrets.token_hex(16)
        self._ended, self._not_before = {}, 0.0

    def _reset(self) -> None:
        self._renew_generation()
        try:
            self._write()
        except StorageError as error:
            log.warning("everybody has to sign in again at the next start: %s", error)

    def _read(self) -> HouseholdPassword | None:
        """The password digest in the file; None where the file can't be relied on."""
        try:
            stored: Any = json.loads(self._path.read_text(encoding="ascii"))
            self._generation, self._password = str(stored["generation"]), str(stored["password"])
            self._ended = {str(digest): float(at) for digest, at in stored["ended"].items()}
            self._not_before = float(stored["not_before"])
            return HouseholdPassword(self._password) if self._generation and self._password else None
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError, AttributeError, SettingsError) as error:
            log.warning("%s can't be read (%s): everybody has to sign in again", self._path, type(error).__name__)
            return None

    def _write(self) -> None:
        stored = {
            "generation": self._generation,
            "password": self._password,
            "ended": self._ended,
            "not_before": self._not_before,
        }
        try:
            write_private(self._path, json.dumps(stored).encode("ascii"))
        except OSError as error:
            raise StorageError(
                f"{self._path} can't be written: {error.strerror or error}",
                hint="check the free space and the rights of the directory",
            ) from error


class _Signer(TimestampSigner):
    def __init__(self, key: bytes, clock: Callable[[], float]) -> None:
        super().__init__(key, salt="recollect.session", digest_method=hashlib.sha256)
        self.clock = clock

    def get_timestamp(self) -> int:
        return int(self.clock())


def open_sessions(data_dir: Path, password_setting: str) -> Sessions:
    """The sessions of a data directory. Raises `StorageError` where their key can't be kept."""
    secret = session_secret(data_dir / "session.key")
    return Sessions(secret, password_setting, data_dir / "sessions.json")


def session_secret(path: Path) -> bytes:
    """The random file that signs sessions, made at the first start, readable by its owner only.

    One that a crash or a full disk has cut short is made anew: everybody then signs in again. Raises `StorageError`
    where it can be neither read nor written.
    """
    try:
        secret = path.read_bytes() if path.exists() else b""
        if len(secret) == _SECRET_BYTES:
            return secret
        if path.exists():
            log.warning("the session key %s is damaged and is made anew: everybody has to sign in again", path)
        secret = secrets.token_bytes(_SECRET_BYTES)
        write_private(path, secret)
    except OSError as error:
        raise StorageError(
            f"the session key {path} can't be read or written: {error}", hint="check that data_dir is writable"
        ) from error
    return secret


def _digest(session_id: str) -> str:
    return hashlib.sha256(session_id.encode("ascii")).hexdigest()
