"""One policy for every address that a registry hands us: token realm, upload Location, Link, redirect, foreign layer URL.

A registry, or whoever speaks in its place, must not be able to send a password elsewhere, to take TLS away, or to make
this machine ask its own network for something (CVE-2020-15157, CVE-2026-48978, CVE-2026-50151, ggcr#2440).
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, IntEnum
from functools import partial
from urllib.parse import urljoin, urlsplit

from ocibuild.errors import RegistryError
from ocibuild.registry.redact import redact_url

Resolve = Callable[[str], Sequence[str]]
_DEFAULT_PORTS = {"http": 80, "https": 443}
_PRINTABLE = re.compile(r"[!-~]+", re.ASCII)
_HOST = re.compile(r"[a-z0-9._-]+|[a-f0-9:.]+", re.ASCII)
# Cloud providers put credentials of the machine at these; they are no link-local addresses.
_METADATA = frozenset(map(ipaddress.ip_address, ("100.100.100.200", "192.0.0.192", "fd00:ec2::254", "fd20:ce::254")))
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class Purpose(Enum):
    """What an address from outside is for, in the words of a message."""

    REALM = "token server"
    LOCATION = "upload Location"
    LINK = "Link to the next page"
    REDIRECT = "redirect"
    FOREIGN = "URL of a foreign layer"


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host (lower case) and port: who is at the other end. Credentials belong to exactly one."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}"


class Zone(IntEnum):
    """How far away an address is."""

    PUBLIC = 0
    PRIVATE = 1
    LOOPBACK = 2
    NEVER = 3


_ZONE_NAMES = {
    Zone.PRIVATE: "an address of a private network",
    Zone.LOOPBACK: "an address of this machine",
    Zone.NEVER: "a link-local, metadata or reserved address",
}


def origin_of(url: str) -> Origin:
    """The origin of an absolute http(s) URL. ValueError for anything else, and for one with a user name in it."""
    if not _PRINTABLE.fullmatch(url) or "\\" in url:
        raise ValueError("it holds characters that no URL has")
    parts = urlsplit(url)
    if parts.scheme not in _DEFAULT_PORTS:
        raise ValueError("it is not an http or https address")
    if parts.username is not None or parts.password is not None:
        raise ValueError("it carries a user name or password")
    if not parts.hostname or not _HOST.fullmatch(parts.hostname):
        raise ValueError("it names no host")
    return Origin(parts.scheme, parts.hostname.rstrip("."), parts.port or _DEFAULT_PORTS[parts.scheme])


def is_loopback_host(host: str) -> bool:
    """Whether a host name means this machine by itself, without asking DNS. `host` may have a port."""
    name = urlsplit(f"//{host}").hostname or ""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def zone_of(address: str) -> Zone:
    """The zone of a numeric address; IPv4 addresses in IPv6 clothes are judged as what they are."""
    ip = _unwrapped(ipaddress.ip_address(address.partition("%")[0]))
    if ip.is_loopback:
        return Zone.LOOPBACK
    if ip in _METADATA or ip.is_link_local or ip.is_multicast or ip.is_unspecified:
        return Zone.NEVER
    if ip.is_reserved and not ip.is_global:
        return Zone.NEVER
    return Zone.PUBLIC if ip.is_global else Zone.PRIVATE


def resolve_by_system(host: str) -> Sequence[str]:
    """Every address of a host name as the system knows it; none where it knows none."""
    try:
        return tuple(str(entry[4][0]) for entry in socket.getaddrinfo(host, None, proto=socket.IPPROTO_TCP))
    except (OSError, UnicodeError):
        return ()


class OriginPolicy:
    """What one registry may make us do. `resolve` gives the addresses of a host name."""

    def __init__(self, registry: Origin, resolve: Resolve = resolve_by_system) -> None:
        self.registry = registry
        self._resolve = resolve

    def may_have_credentials(self, url: str) -> bool:
        """Whether a request to `url` may carry what the registry is to know: it has the registry's own origin."""
        return origin_of(url) == self.registry

    def follow(self, base: str, target: str, purpose: Purpose) -> str:
        """`target`, as the reply to `base` gave it, as an absolute URL. RegistryError where it must not be followed.

        The query is kept as it is: it is often signed, and always opaque.
        """
        try:
            is_absolute = "://" in target.partition("?")[0]
            url = (target if is_absolute else urljoin(base, target)).partition("#")[0]
            origin = origin_of(url)
        except ValueError as error:
            raise self._refusal(target, purpose, str(error)) from error
        self._check(origin, url, purpose)
        return url

    def admission(self, url: str, purpose: Purpose) -> Callable[[str], None]:
        """A check for the address that a connection to `url` really has: DNS may answer differently the second time."""
        return partial(self._admit, origin_of(url), url, purpose)

    def _check(self, origin: Origin, url: str, purpose: Purpose) -> None:
        if origin == self.registry:
            return
        if purpose is Purpose.LINK:
            raise self._refusal(url, purpose, f"it leaves {self.registry}")
        if origin.scheme != "https" and self.registry.scheme == "https":
            raise self._refusal(
                url,
                purpose,
                "it leaves https for http",
                hint="if this is your registry, let the proxy before it set X-Forwarded-Proto"
                if origin.host == self.registry.host
                else None,
            )
        for address in _addresses(origin.host, self._resolve):
            self._admit(origin, url, purpose, address)

    def _admit(self, origin: Origin, url: str, purpose: Purpose, address: str) -> None:
        zone = zone_of(address)
        if zone is Zone.PUBLIC or origin == self.registry or self._is_at_home(origin, purpose, zone):
            return
        raise self._refusal(url, purpose, f"{address} is {_ZONE_NAMES[zone]}, and {self.registry} is not there")

    def _is_at_home(self, origin: Origin, purpose: Purpose, zone: Zone) -> bool:
        """Whether the registry itself lives where it sends us."""
        in_the_clear = self.registry.scheme == "http"
        if origin.host == self.registry.host:
            # Another port of this machine is another program, and with https somebody meant it: no password for it.
            return in_the_clear or zone is not Zone.LOOPBACK or purpose is not Purpose.REALM
        own_zones = {zone_of(address) for address in _addresses(self.registry.host, self._resolve)}
        if zone is Zone.LOOPBACK:
            return in_the_clear and own_zones == {Zone.LOOPBACK}
        return zone is Zone.PRIVATE and bool(own_zones & {Zone.PRIVATE, Zone.LOOPBACK})

    def _refusal(self, url: str, purpose: Purpose, reason: str, *, hint: str | None = None) -> RegistryError:
        return RegistryError(
            f"the {purpose.value} that {self.registry} names is not followed: {reason}",
            where=redact_url(url),
            hint=hint,
        )


def _addresses(host: str, resolve: Resolve) -> Sequence[str]:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return ("127.0.0.1",) if is_loopback_host(host) else resolve(host)
    return (host,)


def _unwrapped(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    if isinstance(ip, ipaddress.IPv4Address):
        return ip
    if ip in _NAT64:
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour or ip
