"""Where a webhook may lead. A subscriber names any host; the platform's own network is not for it to reach."""

import asyncio
import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx

from chengnao.kernel.errors import Invalid

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# Prefixes under which an IPv6 address is an IPv4 address in disguise.
_CARRIERS = tuple(ipaddress.ip_network(each) for each in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32"))


@dataclass(frozen=True)
class Target:
    """A URL with its host looked up: what is checked is what is connected to, and not looked up again."""

    url: httpx.URL
    host: str
    server_name: str


def networks_of(texts: Sequence[str]) -> list[Network]:
    """The networks of a setting; raises Invalid for what is none."""
    try:
        return [ipaddress.ip_network(text) for text in texts]
    except ValueError as error:
        raise Invalid(
            "invalid_value",
            field="webhook_networks",
            value=", ".join(texts),
            reason_zh="应为 10.0.0.0/8 形式的网段",
            reason_en=f"networks such as 10.0.0.0/8 are wanted: {error}",
        ) from error


def reachable(address: Address, allowed: Sequence[Network]) -> bool:
    """Whether events may be sent there: everything public, and what the setting allows."""
    mapped = getattr(address, "ipv4_mapped", None)
    if mapped is not None:
        return reachable(mapped, allowed)
    if any(address in network for network in allowed):
        return True
    disguised = any(address in network for network in _CARRIERS)
    return address.is_global and not address.is_multicast and not disguised


def check_url(url: str) -> None:
    """Raise Invalid for what is no address of a webhook."""
    try:
        parts = urlsplit(url)
        good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.username is None
        _ = parts.port
    except ValueError:
        good = False
    if not good:
        raise Invalid("webhook_url", field="url", value=url[:200])


async def look_up(url: str, allowed: Sequence[Network]) -> Target:
    """The URL with its host's address in it; raises Invalid where it leads into a network that is not allowed.

    Plain HTTP is for allowed networks alone.
    """
    check_url(url)
    parsed = httpx.URL(url)
    port = parsed.port or (443 if parsed.scheme == "https" else 80)
    try:
        found = await asyncio.get_running_loop().getaddrinfo(parsed.host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Invalid("webhook_host", field="url", host=parsed.host, reason=str(error)) from error
    addresses = [ipaddress.ip_address(str(each[4][0]).partition("%")[0]) for each in found]
    if not all(reachable(address, allowed) for address in addresses):
        raise Invalid("webhook_private", field="url", host=parsed.host)
    inside = all(any(address in network for network in allowed) for address in addresses)
    if parsed.scheme == "http" and not inside:
        raise Invalid("webhook_plain", field="url", host=parsed.host)
    return Target(parsed.copy_with(host=str(addresses[0])), parsed.netloc.decode("ascii"), parsed.host)
