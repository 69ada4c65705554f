"""Reverse proxies in front of the page: which are trusted, the user they have signed in, and the client's address.

Anybody can send ``Remote-User`` or ``X-Forwarded-For``. They count only where the connection itself comes from an
address that the settings trust, and the user only in the one header that the settings name.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from aiohttp import web

from indexer.errors import SettingsError
from indexer.settings import Settings

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110, 5.6.2
#: Headers that browsers and proxies send anyway, and that name no user.
_BROWSER_HEADERS = frozenset(
    {
        *("accept", "accept-encoding", "accept-language", "authorization", "connection", "content-length", "cookie"),
        *("content-type", "host", "origin", "priority", "referer", "te", "upgrade-insecure-requests", "user-agent"),
        *("x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"),
    }
)


@dataclass(frozen=True, slots=True)
class Proxies:
    """The trusted proxies, and the header in which they name the user; neither where the settings have none."""

    networks: tuple[_Network, ...] = ()
    user_header: str = ""

    def trusts(self, address: str | None) -> bool:
        """Whether this address is one of the proxies'."""
        ip = _address(address or "")
        return ip is not None and any(ip in network for network in self.networks if network.version == ip.version)

    def user(self, request: web.Request) -> str | None:
        """Whom a trusted proxy says that it has signed in; None where nobody, or where two names are given."""
        if not (self.user_header and self.trusts(peer(request))):
            return None
        # Two values: a proxy that adds its header to the one that the visitor sent himself.
        named = [value.strip() for value in request.headers.getall(self.user_header, ())]
        return named[0] if len(named) == 1 and named[0] else None

    def client(self, request: web.Request) -> str:
        """The address that a request comes from, before the trusted proxies on its way; "" where it is not known.

        Of ``X-Forwarded-For`` the last address that is no trusted proxy: what stands before it a visitor may have
        made up.
        """
        address = peer(request)
        if not self.trusts(address):
            return address
        forwarded = ",".join(request.headers.getall("X-Forwarded-For", ())).split(",")
        for named in reversed([part.strip() for part in forwarded]):
            if _address(named) is None:
                break
            address = named
            if not self.trusts(named):
                break
        return address

    def forwarded_host(self, request: web.Request) -> str:
        """The host that a visitor asked a trusted proxy for (``X-Forwarded-Host``); "" where none or two are named."""
        named = request.headers.getall("X-Forwarded-Host", [])
        return named[0].strip() if len(named) == 1 and self.trusts(peer(request)) else ""


PROXIES = web.AppKey("PROXIES", Proxies)


def read_proxies(settings: Settings) -> Proxies:
    """Of `trusted_proxies` and `user_header`. Raises `SettingsError` where they are invalid or would let anybody in."""
    header = settings.user_header
    if header and (not _TOKEN.fullmatch(header) or header.casefold() in _BROWSER_HEADERS):
        raise SettingsError(
            f"setting 'user_header' is the name of a header that only the proxy sets, got {header!r}",
            hint="Remote-User and X-Forwarded-User are usual",
        )
    networks = tuple(_network(name) for name in split_list(settings.trusted_proxies))
    if header and not networks:
        raise SettingsError(
            "setting 'user_header' is set, but no proxy is trusted: anybody could send that header",
            hint="set 'trusted_proxies' to the address that the proxy asks from, such as 127.0.0.1",
        )
    return Proxies(networks, header)


def split_list(setting: str) -> tuple[str, ...]:
    """The parts of a setting that are separated by commas."""
    return tuple(part.strip() for part in setting.split(",") if part.strip())


def peer(request: web.Request) -> str:
    """The address at the other end of the connection, an IPv4 one as such; "" where there is none, as on a Unix
    socket."""
    address = _address(request.remote or "")
    return str(address) if address and address.version == 4 else request.remote or ""


def _network(name: str) -> _Network:
    try:
        network = ipaddress.ip_network(name)
    except ValueError as error:
        raise SettingsError(
            f"setting 'trusted_proxies' expects addresses or networks, got {name!r}",
            hint="such as 127.0.0.1 or 172.18.0.0/16, the part behind the network all zeros",
        ) from error
    if not network.prefixlen:
        raise SettingsError(
            f"setting 'trusted_proxies' trusts everybody ({name}): each could say who he is",
            hint="name the proxy's own address",
        )
    return network


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        ip = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    # A socket that listens on both kinds of address sees IPv4 as ::ffff:192.0.2.1.
    return (ip.ipv4_mapped or ip) if ip.version == 6 else ip
